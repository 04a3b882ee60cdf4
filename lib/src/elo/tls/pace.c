// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How much of a handshake one step takes in.
 *
 * While nothing is encrypted BearSSL works on every byte as it comes, and an operation with a
 * public key follows the byte that completes its input at once. So it is enough never to offer
 * bytes that complete two of them. Where they lie (RFC 5246, 7.4; BearSSL checks a certificate's
 * signature when it has read the issuer's public key, and the chain's last one against a root when
 * that certificate ends):
 *
 *      Certificate         leaf | issuer ... key *  ... extensions, signature * | ...
 *      ServerKeyExchange   parameters, signature *
 *      ServerHelloDone     *
 *
 * The two in an issuer's certificate are further apart than PIECE: between them are its basic
 * constraints, 16 bytes or more, and its own signature with its algorithm, 80 or more. The others
 * are in messages of their own. Hence: never across a message's end, and never more than PIECE; the
 * latter of other records too, so that it is known which part of the buffer is written.
 *
 * The messages are followed here through the records that carry them (RFC 5246, 6.2.1); losing
 * count could only make the pieces wrong, not the handshake. With the ServerKeyExchange taken in
 * the server is proven, and its certificates are not needed any more.
 */
#include "elo/tls/internal.h"

#define PIECE 64

/* A record's header stays at the front of the buffer, a piece behind it. */
typedef char elo__tls_piece_fits[5 + PIECE <= ELO_TLS_STEP_INPUT_BYTES ? 1 : -1];

enum { TYPE_CHANGE_CIPHER_SPEC = 20, TYPE_HANDSHAKE = 22 };
enum { MESSAGE_SERVER_KEY_EXCHANGE = 12 };
enum { RECORD_HEADER = 5, MESSAGE_HEADER = 4 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t elo__tls_pace_limit(const struct elo__tls_pace *p, size_t len)
{
    if (!p->pieces || p->over || p->record_at < RECORD_HEADER) {
        return len;
    }
    if (p->type != TYPE_HANDSHAKE) {
        return least(len, PIECE);
    }
    if (p->message_at < MESSAGE_HEADER) {
        return least(len, (size_t)(MESSAGE_HEADER - p->message_at));
    }
    return least(least(len, p->message_left), PIECE);
}

static void record_header(struct elo__tls_pace *p, uint8_t byte)
{
    if (p->record_at == 0) {
        p->type = byte;
    }
    p->record_left = (uint16_t)(p->record_left << 8 | byte); /* the last two bytes stay */
    if (++p->record_at < RECORD_HEADER) {
        return;
    }
    if (p->record_left == 0) {
        p->record_at = 0;
    }
}

static void end_message(struct elo__tls_pace *p)
{
    if (p->message_at == MESSAGE_HEADER && p->message_left == 0) {
        p->message_at = 0;
        p->proven = p->proven || p->message == MESSAGE_SERVER_KEY_EXCHANGE;
    }
}

static void message_header(struct elo__tls_pace *p, uint8_t byte)
{
    if (p->message_at == 0) {
        p->message = byte;
    }
    p->message_left = (p->message_left << 8 | byte) & 0xFFFFFF; /* the last three bytes stay */
    p->message_at++;
    end_message(p);
}

/* Some of the record's payload; how many bytes of it. */
static size_t payload(struct elo__tls_pace *p, const uint8_t *data, size_t len)
{
    size_t n = least(len, p->record_left);
    if (p->type == TYPE_HANDSHAKE) {
        if (p->message_at < MESSAGE_HEADER) {
            message_header(p, data[0]);
            n = 1;
        } else {
            n = least(n, p->message_left);
            p->message_left -= (uint32_t)n;
            end_message(p);
        }
    }
    p->record_left = (uint16_t)(p->record_left - n);
    if (p->record_left == 0) {
        p->record_at = 0;
        /* From here on whole records are decrypted, without public keys. */
        p->over = p->type == TYPE_CHANGE_CIPHER_SPEC;
    }
    return n;
}

void elo__tls_pace_feed(struct elo__tls_pace *p, const uint8_t *data, size_t len)
{
    while (!p->over && len > 0) {
        size_t n = 1;
        if (p->record_at < RECORD_HEADER) {
            record_header(p, data[0]);
        } else {
            n = payload(p, data, len);
        }
        data += n;
        len -= n;
    }
}
