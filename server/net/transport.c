// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What recv and send are, with TLS around them or without: a number of bytes, or one of the
 * negative answers of enum transport.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "server/net/internal.h"

/* SSL_ERROR_ZERO_RETURN is a close_notify, or, by SSL_OP_IGNORE_UNEXPECTED_EOF, the end without. */
static ssize_t tls_answer(struct conn *c, int rc)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        c->broken = true;
        return TRANSPORT_GONE;
    }
}

static ssize_t plain_answer(struct conn *c, ssize_t n, ssize_t would_block)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return would_block;
    }
    if (n < 0) {
        c->broken = true;
    }
    return n > 0 ? n : n == 0 ? TRANSPORT_END : TRANSPORT_GONE;
}

static ssize_t receive_plain(struct conn *c, uint8_t *buf, size_t cap)
{
    ssize_t n;
    do {
        n = recv(c->fd, buf, cap, 0);
    } while (n < 0 && errno == EINTR);
    return plain_answer(c, n, TRANSPORT_WANTS_READ);
}

static ssize_t transmit_plain(struct conn *c, elo_span bytes)
{
    ssize_t n;
    do {
        n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return plain_answer(c, n, TRANSPORT_WANTS_WRITE);
}

/* --- records of our own -------------------------------------------------------------------------
 */

bool transport_has_unsent(const struct conn *c)
{
    return buf_span(&c->unsent).len > 0;
}

ssize_t transport_push(struct conn *c)
{
    while (transport_has_unsent(c)) {
        ssize_t n = transmit_plain(c, buf_span(&c->unsent));
        if (n < 0) {
            return n;
        }
        if ((size_t)n == buf_span(&c->unsent).len) {
            buf_free(&c->unsent);
        } else {
            buf_drop(&c->unsent, (size_t)n);
        }
    }
    return 0;
}

/* Sends sealed bytes, or keeps them: they cannot be taken back. false: the connection is broken. */
static bool send_sealed(struct conn *c, elo_span bytes)
{
    ssize_t n = transport_has_unsent(c) ? TRANSPORT_WANTS_WRITE : transmit_plain(c, bytes);
    if (n == TRANSPORT_GONE) {
        return false;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent < bytes.len) {
        buf_add(&c->unsent, elo_span_from(bytes, sent));
        c->broken = c->broken || buf_err(&c->unsent) != ELO_OK;
    }
    return !c->broken;
}

static ssize_t transmit_sealed(struct conn *c, elo_span bytes)
{
    uint8_t *sealed = c->net->sealed;
    size_t most = record_text_max(c->record), len = 0, taken = 0;
    ssize_t pushed = transport_push(c);
    if (pushed != 0) {
        return pushed;
    }
    if (record_wants_rekey(c->record)) {
        len = record_rekey(c->record, sealed);
        c->broken = c->broken || len == 0;
    }
    while (!c->broken && taken < bytes.len && taken < NET_RECORD) {
        elo_span text = elo_span_from(bytes, taken);
        text = elo_span_first(text, text.len < most ? text.len : most);
        size_t n = record_seal(c->record, RECORD_DATA, text, sealed + len);
        c->broken = n == 0;
        len += n;
        taken += text.len;
    }
    return !c->broken && send_sealed(c, elo_span_of(sealed, len)) ? (ssize_t)taken : TRANSPORT_GONE;
}

/* What the record layer itself has to say: a KeyUpdate, an alert. */
static void reply(struct conn *c)
{
    uint8_t sealed[RECORD_OVERHEAD + 8];
    size_t len = record_reply(c->record, sealed);
    if (len > 0) {
        (void)send_sealed(c, elo_span_of(sealed, len));
    }
}

/* Opens what `wire` holds, as far as `out` has room; what is used of it. */
static size_t open_records(struct conn *c, elo_span wire, uint8_t *out, size_t cap, size_t *len)
{
    size_t at = 0;
    while (cap - *len >= RECORD_WIRE_MAX) {
        size_t used, text;
        enum record_answer answer =
            record_open(c->record, elo_span_from(wire, at), &used, out + *len, &text);
        at += used;
        *len += text;
        if (answer == RECORD_PARTIAL) {
            break;
        }
        if (answer != RECORD_TEXT) {
            reply(c);
        }
        if (answer == RECORD_END || answer == RECORD_BROKEN) {
            c->last_word = answer == RECORD_END ? TRANSPORT_END : TRANSPORT_GONE;
            return wire.len; /* what follows counts for nothing */
        }
    }
    return at;
}

static ssize_t say_last_word(struct conn *c)
{
    c->broken = c->broken || c->last_word == TRANSPORT_GONE;
    return c->last_word;
}

static ssize_t receive_sealed(struct conn *c, uint8_t *out, size_t cap)
{
    uint8_t *wire = c->net->wire;
    elo_span kept = buf_span(&c->kept);
    size_t have = kept.len, len = 0;
    if (c->last_word != 0) {
        return say_last_word(c);
    }
    if (have > 0) {
        memcpy(wire, kept.ptr, have);
    }
    if (!record_is_whole(kept)) {
        /* No more than can be opened now: what is kept is less than one record then. */
        size_t room = cap - RECORD_WIRE_MAX;
        room = room > RECORD_WIRE_MAX ? room : RECORD_WIRE_MAX;
        ssize_t n = receive_plain(c, wire + have, room - have);
        if (n < 0) {
            return n;
        }
        have += (size_t)n;
    }
    size_t used = open_records(c, elo_span_of(wire, have), out, cap, &len);
    buf_free(&c->kept);
    if (used < have) {
        buf_add(&c->kept, elo_span_of(wire + used, have - used));
        if (buf_err(&c->kept) != ELO_OK) {
            c->last_word = TRANSPORT_GONE;
        }
    }
    return len > 0 ? (ssize_t)len : c->last_word != 0 ? say_last_word(c) : TRANSPORT_WANTS_READ;
}

/* --- whichever ----------------------------------------------------------------------------------
 */

ssize_t transport_receive(struct conn *c, uint8_t *buf, size_t cap)
{
    if (c->record != NULL) {
        return receive_sealed(c, buf, cap);
    }
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_read_ex(c->ssl, buf, cap, &done);
        return rc > 0 ? (ssize_t)done : tls_answer(c, rc);
    }
    return receive_plain(c, buf, cap);
}

ssize_t transport_transmit(struct conn *c, elo_span bytes)
{
    if (c->record != NULL) {
        return transmit_sealed(c, bytes);
    }
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_write_ex(c->ssl, bytes.ptr, bytes.len, &done);
        return rc > 0 ? (ssize_t)done : tls_answer(c, rc);
    }
    return transmit_plain(c, bytes);
}

bool transport_has_more(const struct conn *c)
{
    if (c->record != NULL) {
        return c->last_word != 0 || record_is_whole(buf_span(&c->kept));
    }
    return c->ssl != NULL && SSL_has_pending(c->ssl) == 1;
}

/* close_notify, if the socket takes it; no waiting. */
static void say_goodbye(struct conn *c)
{
    static const uint8_t close_notify[] = {1, 0};
    uint8_t sealed[RECORD_OVERHEAD + sizeof close_notify];
    size_t len = transport_has_unsent(c)
                     ? 0
                     : record_seal(c->record, RECORD_ALERT, elo_span_of(close_notify, 2), sealed);
    if (len > 0) {
        (void)send_sealed(c, elo_span_of(sealed, len));
    }
}

void transport_end(struct conn *c)
{
    bool polite = c->phase == CONN_OPEN && !c->broken;
    if (c->record != NULL && polite) {
        say_goodbye(c);
    }
    if (c->ssl != NULL && polite) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
    }
    record_destroy(c->record);
    SSL_free(c->ssl);
    c->record = NULL;
    c->ssl = NULL;
    buf_free(&c->kept);
    buf_free(&c->unsent);
    ERR_clear_error();
}
