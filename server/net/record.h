// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * TLS after the handshake: records sealed and opened with the keys that OpenSSL has agreed on.
 *
 * OpenSSL does the handshake, all of it. What it then keeps for a connection is 20 KB, of which the
 * records need two keys; and most of its time for a small record goes by around the cipher. So when
 * the handshake is done, the keys are taken over by documented means - the key log of TLS 1.3
 * (SSL_CTX_set_keylog_callback), the master secret of TLS 1.2 (SSL_SESSION_get_master_key) - and
 * the SSL is freed. The ciphers are OpenSSL's too (EVP); what is here is the record layer of
 * RFC 8446, 5 and RFC 5246, 6.2, for AEAD suites. Connections with other suites (CBC) keep their
 * SSL.
 *
 *     struct record *r = record_create(ssl, &secrets);    NULL: the SSL goes on
 *     len = record_seal(r, RECORD_DATA, text, out);
 *     switch (record_open(r, wire, ...)) ...
 *
 * Pure: bytes in, bytes out. OpenSSL must not have read beyond the handshake's last record: no
 * read-ahead before. One thread at a time.
 */
#ifndef ELO_SERVER_NET_RECORD_H
#define ELO_SERVER_NET_RECORD_H

#include <openssl/ssl.h>

#include "elo/base/span.h"

enum {
    RECORD_TEXT_MAX = 16384,
    RECORD_SECRET_BYTES = 48, /* of the longest hash, SHA-384 */
    RECORD_OVERHEAD = 5 + 8 + 1 + 16,
    RECORD_WIRE_MAX = 5 + RECORD_TEXT_MAX + 256
};

/* The application traffic secrets of TLS 1.3, as the key log tells them. To be wiped after use. */
struct record_secrets {
    uint8_t client[RECORD_SECRET_BYTES], server[RECORD_SECRET_BYTES];
    size_t client_len, server_len; /* 0: not told */
};

/* One line of the key log. */
void record_note(struct record_secrets *secrets, const char *line);

struct record;

/* NULL: not a suite for this, or out of memory; `ssl` is as it was. */
struct record *record_create(const SSL *ssl, const struct record_secrets *secrets);
void record_destroy(struct record *r); /* NULL is allowed; wipes the keys */

enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };

/* How much text one record takes: less where the client has asked for it (RFC 6066, 4). */
size_t record_text_max(const struct record *r);

/*
 * Makes one record of at most record_text_max() bytes; `out` has room for RECORD_OVERHEAD more.
 * Its length, or 0: the cipher failed, or the keys are used up.
 */
size_t record_seal(struct record *r, enum record_type type, elo_span text, uint8_t *out);

/* Must record_rekey() come first? */
bool record_wants_rekey(const struct record *r);

/* Makes a KeyUpdate record, and all after it is sealed with the next key. As record_seal(). */
size_t record_rekey(struct record *r, uint8_t *out);

enum record_answer {
    RECORD_TEXT,    /* data: `*text` of it in `out` */
    RECORD_QUIET,   /* nothing for the reader; record_reply() may have something to send */
    RECORD_PARTIAL, /* more bytes are needed */
    RECORD_END,     /* the other side has said close_notify */
    RECORD_BROKEN   /* it has broken the rules, or gives up; record_reply() may have an alert */
};

/*
 * Opens the record that `wire` begins with: `*used` bytes of it are done with then. `out` has room
 * for RECORD_WIRE_MAX bytes: padding is taken off there. After RECORD_BROKEN no further call.
 */
enum record_answer
record_open(struct record *r, elo_span wire, size_t *used, uint8_t *out, size_t *text);

/* Is the record that `wire` begins with all there? */
bool record_is_whole(elo_span wire);

/* What the protocol has to answer to what was opened: a record for `out`, RECORD_OVERHEAD + 8 bytes
 * at most; 0: nothing. */
size_t record_reply(struct record *r, uint8_t *out);

#endif
