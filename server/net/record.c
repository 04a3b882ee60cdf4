// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: each direction has a cipher context with its key set, a 12-byte iv, and a number
 * that counts records. TLS 1.3: the nonce is the iv xor the number, the header is authenticated,
 * the true type is the last byte that is not zero. TLS 1.2 with GCM: the nonce is 4 bytes of the
 * iv and 8 that travel in the record - ours are the number - and the number, type, version and
 * length are authenticated.
 *
 * The server's Finished of TLS 1.2 was sealed by OpenSSL under the same key with 8 random bytes in
 * their place: that one of our numbers is the same is as unlikely as guessing 64 bits.
 *
 * Keys: TLS 1.3 from the traffic secrets (RFC 8446, 7.3), which a KeyUpdate replaces by their
 * successors (7.2); we send one ourselves before 2^24 records, the limit of AES-GCM (5.5). TLS 1.2
 * from the master secret (RFC 5246, 6.3); the limit is far, and nothing could be done.
 */
#include "server/net/record.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "elo/base/bytes.h"
#include "server/base/mem.h"

enum {
    HEADER = 5,
    TAG = 16,
    EXPLICIT = 8, /* bytes of the nonce in a record of TLS 1.2 with GCM */
    IV = 12,
    REKEY_AT = 1 << 24,
    PATIENCE = 32, /* records in a row that say nothing: KeyUpdates, warnings */
    KEY_UPDATE = 24
};

enum alert {
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
    PROTOCOL_VERSION = 70,
    INTERNAL_ERROR = 80,
    USER_CANCELED = 90,
    NO_RENEGOTIATION = 100,
    NO_ALERT = 255
};

struct direction {
    EVP_CIPHER_CTX *cipher;
    uint64_t number;
    uint8_t iv[IV];
    uint8_t secret[RECORD_SECRET_BYTES]; /* TLS 1.3 */
};

struct record {
    struct direction in, out;
    const EVP_MD *hash;
    const EVP_CIPHER *kind;
    uint8_t hash_len, key_len;
    bool tls13;
    bool rekey_asked; /* the other side wants us to */
    uint8_t alert;    /* to be sent; NO_ALERT */
    uint8_t quiet;    /* records in a row without data */
    uint16_t text_max;
};

/* --- keys ---------------------------------------------------------------------------------------
 */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "LABEL <client random> <secret>", in hex. */
void record_note(struct record_secrets *secrets, const char *line)
{
    static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
    bool of_client = strncmp(line, client, sizeof client - 1) == 0;
    const char *hex = strrchr(line, ' ');
    if (hex == NULL || (!of_client && strncmp(line, server, sizeof server - 1) != 0)) {
        return;
    }
    uint8_t *at = of_client ? secrets->client : secrets->server;
    size_t len = 0;
    for (hex++; len < RECORD_SECRET_BYTES && digit(hex[0]) >= 0 && digit(hex[1]) >= 0; hex += 2) {
        at[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
    }
    *(of_client ? &secrets->client_len : &secrets->server_len) = len;
}

/* HKDF-Expand-Label with an empty context (RFC 8446, 7.1), of at most one block of the hash. */
static bool expand(const struct record *r,
                   const uint8_t secret[RECORD_SECRET_BYTES],
                   const char *label,
                   uint8_t *out,
                   size_t len)
{
    uint8_t info[32], block[EVP_MAX_MD_SIZE];
    size_t label_len = strlen(label), at = 0;
    info[at++] = 0;
    info[at++] = (uint8_t)len;
    info[at++] = (uint8_t)(6 + label_len);
    memcpy(info + at, "tls13 ", 6);
    memcpy(info + at + 6, label, label_len);
    at += 6 + label_len;
    info[at++] = 0; /* no context */
    info[at++] = 1; /* the first block (RFC 5869, 2.3) */
    bool ok = HMAC(r->hash, secret, r->hash_len, info, at, block, NULL) != NULL;
    if (ok) {
        memcpy(out, block, len);
    }
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

static bool set_key(const struct record *r, struct direction *d, const uint8_t *key, bool seals)
{
    return EVP_CipherInit_ex(d->cipher, r->kind, NULL, key, NULL, seals) == 1;
}

/* The key and iv of d->secret; its numbers begin anew. */
static bool use_secret(const struct record *r, struct direction *d, bool seals)
{
    uint8_t key[EVP_MAX_KEY_LENGTH];
    bool ok = expand(r, d->secret, "key", key, r->key_len) &&
              expand(r, d->secret, "iv", d->iv, IV) && set_key(r, d, key, seals);
    OPENSSL_cleanse(key, sizeof key);
    d->number = 0;
    return ok;
}

static bool next_secret(const struct record *r, struct direction *d, bool seals)
{
    uint8_t next[RECORD_SECRET_BYTES];
    bool ok = expand(r, d->secret, "traffic upd", next, r->hash_len);
    memcpy(d->secret, next, r->hash_len);
    OPENSSL_cleanse(next, sizeof next);
    return ok && use_secret(r, d, seals);
}

static bool keys_of_13(struct record *r, const struct record_secrets *secrets)
{
    if (secrets->client_len != r->hash_len || secrets->server_len != r->hash_len) {
        return false;
    }
    memcpy(r->in.secret, secrets->client, r->hash_len);
    memcpy(r->out.secret, secrets->server, r->hash_len);
    return use_secret(r, &r->in, false) && use_secret(r, &r->out, true);
}

/* P_hash of RFC 5246, 5: `len` bytes of (secret, seed). */
static bool stretch(const EVP_MD *hash, elo_span secret, elo_span seed, uint8_t *out, size_t len)
{
    uint8_t a[EVP_MAX_MD_SIZE + 96], block[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = HMAC(hash, secret.ptr, (int)secret.len, seed.ptr, seed.len, a, &n) != NULL;
    for (size_t at = 0; ok && at < len;) {
        memcpy(a + n, seed.ptr, seed.len);
        ok = HMAC(hash, secret.ptr, (int)secret.len, a, n + seed.len, block, &n) != NULL;
        size_t part = n < len - at ? n : len - at;
        memcpy(out + at, block, part);
        at += part;
        ok = ok && HMAC(hash, secret.ptr, (int)secret.len, a, n, block, &n) != NULL;
        memcpy(a, block, n);
    }
    OPENSSL_cleanse(a, sizeof a);
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

static bool keys_of_12(struct record *r, const SSL *ssl)
{
    static const char label[] = "key expansion";
    enum { LABEL = sizeof label - 1, SALT = IV - EXPLICIT };
    uint8_t master[SSL_MAX_MASTER_KEY_LENGTH], seed[LABEL + 64], block[2 * (32 + SALT)];
    size_t k = r->key_len;
    size_t len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
    memcpy(seed, label, LABEL);
    bool ok = SSL_get_server_random(ssl, seed + LABEL, 32) == 32 &&
              SSL_get_client_random(ssl, seed + LABEL + 32, 32) == 32 &&
              stretch(r->hash, elo_span_of(master, len), elo_span_of(seed, sizeof seed), block,
                      2 * (k + SALT)) &&
              set_key(r, &r->in, block, false) && set_key(r, &r->out, block + k, true);
    memcpy(r->in.iv, block + 2 * k, SALT);
    memcpy(r->out.iv, block + 2 * k + SALT, SALT);
    r->in.number = r->out.number = 1; /* the Finished were 0 */
    OPENSSL_cleanse(master, sizeof master);
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

/* The suites of AWS that are done here; the others keep their SSL. */
static const struct suite {
    uint16_t id;
    bool tls13;
    const EVP_CIPHER *(*cipher)(void);
    const EVP_MD *(*hash)(void);
} suites[] = {
    {0x1301, true, EVP_aes_128_gcm, EVP_sha256},
    {0x1302, true, EVP_aes_256_gcm, EVP_sha384},
    {0x1303, true, EVP_chacha20_poly1305, EVP_sha256},
    {0xc02b, false, EVP_aes_128_gcm, EVP_sha256}, /* ECDHE-ECDSA */
    {0xc02c, false, EVP_aes_256_gcm, EVP_sha384},
    {0xc02f, false, EVP_aes_128_gcm, EVP_sha256}, /* ECDHE-RSA */
    {0xc030, false, EVP_aes_256_gcm, EVP_sha384},
    {0x009c, false, EVP_aes_128_gcm, EVP_sha256}, /* RSA */
    {0x009d, false, EVP_aes_256_gcm, EVP_sha384},
};

static const struct suite *suite_of(const SSL *ssl)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    int version = SSL_version(ssl);
    for (size_t i = 0; cipher != NULL && i < sizeof suites / sizeof suites[0]; i++) {
        if (suites[i].id == SSL_CIPHER_get_protocol_id(cipher) &&
            version == (suites[i].tls13 ? TLS1_3_VERSION : TLS1_2_VERSION)) {
            return &suites[i];
        }
    }
    return NULL;
}

static uint16_t text_max_of(const SSL *ssl)
{
    uint8_t code = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl));
    return code >= TLSEXT_max_fragment_length_512 && code <= TLSEXT_max_fragment_length_4096
               ? (uint16_t)(256u << code)
               : RECORD_TEXT_MAX;
}

struct record *record_create(const SSL *ssl, const struct record_secrets *secrets)
{
    const struct suite *suite = suite_of(ssl);
    struct record *r = suite != NULL ? mem_zero(sizeof *r) : NULL;
    if (r == NULL) {
        return NULL;
    }
    r->hash = suite->hash();
    r->kind = suite->cipher();
    r->hash_len = (uint8_t)EVP_MD_get_size(r->hash);
    r->key_len = (uint8_t)EVP_CIPHER_get_key_length(r->kind);
    r->tls13 = suite->tls13;
    r->alert = NO_ALERT;
    r->text_max = text_max_of(ssl);
    r->in.cipher = EVP_CIPHER_CTX_new();
    r->out.cipher = EVP_CIPHER_CTX_new();
    if (r->in.cipher == NULL || r->out.cipher == NULL ||
        !(r->tls13 ? keys_of_13(r, secrets) : keys_of_12(r, ssl))) {
        ERR_clear_error();
        record_destroy(r);
        return NULL;
    }
    return r;
}

void record_destroy(struct record *r)
{
    if (r == NULL) {
        return;
    }
    EVP_CIPHER_CTX_free(r->in.cipher); /* wipes its key */
    EVP_CIPHER_CTX_free(r->out.cipher);
    OPENSSL_cleanse(r, sizeof *r);
    mem_free(r);
}

size_t record_text_max(const struct record *r)
{
    return r->text_max;
}

/* --- one record ---------------------------------------------------------------------------------
 */

/* What is authenticated beside the text; its length. */
static size_t facts_of(const struct record *r,
                       const struct direction *d,
                       const uint8_t header[HEADER],
                       size_t text_len,
                       uint8_t out[13])
{
    if (r->tls13) {
        memcpy(out, header, HEADER);
        return HEADER;
    }
    elo_wr32be(out, (uint32_t)(d->number >> 32));
    elo_wr32be(out + 4, (uint32_t)d->number);
    memcpy(out + 8, header, 3);
    elo_wr16be(out + 11, (uint16_t)text_len);
    return 13;
}

static void nonce_of(const struct record *r,
                     const struct direction *d,
                     const uint8_t *explicit_part,
                     uint8_t out[IV])
{
    memcpy(out, d->iv, IV);
    if (!r->tls13) {
        memcpy(out + IV - EXPLICIT, explicit_part, EXPLICIT);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        out[IV - 1 - i] ^= (uint8_t)(d->number >> (8 * i));
    }
}

bool record_wants_rekey(const struct record *r)
{
    return r->tls13 && r->out.number >= REKEY_AT;
}

size_t record_seal(struct record *r, enum record_type type, elo_span text, uint8_t *out)
{
    struct direction *d = &r->out;
    size_t ahead = r->tls13 ? 0 : EXPLICIT, behind = r->tls13 ? 1 : 0;
    uint8_t nonce[IV], facts[13], *body = out + HEADER + ahead;
    int n = 0;
    if (d->number == UINT64_MAX) {
        return 0;
    }
    out[0] = r->tls13 ? RECORD_DATA : (uint8_t)type;
    elo_wr16be(out + 1, TLS1_2_VERSION);
    elo_wr16be(out + 3, (uint16_t)(ahead + text.len + behind + TAG));
    elo_wr32be(out + HEADER, (uint32_t)(d->number >> 32)); /* TLS 1.2; the text is put over it */
    elo_wr32be(out + HEADER + 4, (uint32_t)d->number);
    nonce_of(r, d, out + HEADER, nonce);
    size_t facts_len = facts_of(r, d, out, text.len, facts);
    uint8_t inner = (uint8_t)type;
    bool ok =
        EVP_CipherInit_ex(d->cipher, NULL, NULL, NULL, nonce, 1) == 1 &&
        EVP_CipherUpdate(d->cipher, NULL, &n, facts, (int)facts_len) == 1 &&
        EVP_CipherUpdate(d->cipher, body, &n, text.ptr, (int)text.len) == 1 &&
        (behind == 0 || EVP_CipherUpdate(d->cipher, body + text.len, &n, &inner, 1) == 1) &&
        EVP_CipherFinal_ex(d->cipher, body + text.len + behind, &n) == 1 &&
        EVP_CIPHER_CTX_ctrl(d->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, body + text.len + behind) == 1;
    d->number++;
    if (!ok) {
        ERR_clear_error();
        return 0;
    }
    return HEADER + ahead + text.len + behind + TAG;
}

size_t record_rekey(struct record *r, uint8_t *out)
{
    static const uint8_t update[] = {KEY_UPDATE, 0, 0, 1, 0}; /* not requested back */
    size_t len = record_seal(r, RECORD_HANDSHAKE, elo_span_of(update, sizeof update), out);
    return len > 0 && next_secret(r, &r->out, true) ? len : 0;
}

static enum record_answer broken(struct record *r, enum alert alert)
{
    r->alert = (uint8_t)alert;
    return RECORD_BROKEN;
}

/* Opens the body in place of `out`; its length, or -1. */
static int open_body(struct record *r, const uint8_t *wire, size_t body_len, uint8_t *out)
{
    struct direction *d = &r->in;
    size_t ahead = r->tls13 ? 0 : EXPLICIT;
    size_t len = body_len - ahead - TAG;
    const uint8_t *body = wire + HEADER + ahead;
    uint8_t nonce[IV], facts[13], tag[TAG];
    int n = 0, last = 0;
    nonce_of(r, d, wire + HEADER, nonce);
    size_t facts_len = facts_of(r, d, wire, len, facts);
    memcpy(tag, body + len, TAG);
    bool ok = EVP_CipherInit_ex(d->cipher, NULL, NULL, NULL, nonce, 0) == 1 &&
              EVP_CIPHER_CTX_ctrl(d->cipher, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
              EVP_CipherUpdate(d->cipher, NULL, &n, facts, (int)facts_len) == 1 &&
              (len == 0 || EVP_CipherUpdate(d->cipher, out, &n, body, (int)len) == 1) &&
              EVP_CipherFinal_ex(d->cipher, out + len, &last) == 1;
    d->number++;
    if (!ok) {
        ERR_clear_error();
        OPENSSL_cleanse(out, len); /* not authentic: nobody shall see it */
        return -1;
    }
    return (int)len;
}

/* RFC 8446, 6; RFC 5246, 7.2. */
static enum record_answer take_alert(struct record *r, elo_span text)
{
    if (text.len != 2) {
        return broken(r, DECODE_ERROR);
    }
    if (text.ptr[1] == CLOSE_NOTIFY) {
        return RECORD_END;
    }
    bool harmless = r->tls13 ? text.ptr[1] == USER_CANCELED : text.ptr[0] == 1;
    return harmless ? RECORD_QUIET : RECORD_BROKEN;
}

/* TLS 1.2: the client wants to negotiate anew, and may not. TLS 1.3: only a KeyUpdate may come. */
static enum record_answer take_handshake(struct record *r, elo_span text)
{
    static const uint8_t update[] = {KEY_UPDATE, 0, 0, 1};
    if (!r->tls13) {
        r->alert = NO_RENEGOTIATION;
        return RECORD_QUIET;
    }
    if (text.len != 5 || memcmp(text.ptr, update, sizeof update) != 0) {
        return broken(r, UNEXPECTED_MESSAGE);
    }
    if (text.ptr[4] > 1) {
        return broken(r, ILLEGAL_PARAMETER);
    }
    r->rekey_asked = r->rekey_asked || text.ptr[4] == 1;
    return next_secret(r, &r->in, false) ? RECORD_QUIET : broken(r, INTERNAL_ERROR);
}

/* TLS 1.3: the type follows the text, and zeros follow the type. 0: there is none. */
static uint8_t unpad(const uint8_t *text, size_t *len)
{
    while (*len > 0 && text[*len - 1] == 0) {
        (*len)--;
    }
    return *len > 0 ? text[--*len] : 0;
}

static enum record_answer take(struct record *r, uint8_t type, const uint8_t *out, size_t len)
{
    switch (type) {
    case RECORD_DATA:
        r->quiet = len > 0 ? 0 : r->quiet;
        return len > 0 ? RECORD_TEXT : RECORD_QUIET;
    case RECORD_ALERT:
        return take_alert(r, elo_span_of(out, len));
    case RECORD_HANDSHAKE:
        return take_handshake(r, elo_span_of(out, len));
    default:
        return broken(r, UNEXPECTED_MESSAGE);
    }
}

bool record_is_whole(elo_span wire)
{
    return wire.len >= HEADER && wire.len - HEADER >= elo_rd16be(wire.ptr + 3);
}

/* Is it a record that can come now, and no longer than it may be? */
static enum alert judge_header(const struct record *r, const uint8_t *header)
{
    size_t len = elo_rd16be(header + 3);
    size_t extra = r->tls13 ? 1 + TAG : EXPLICIT + TAG;
    if ((r->tls13 && header[0] != RECORD_DATA) || header[1] != 3) {
        return UNEXPECTED_MESSAGE;
    }
    if (!r->tls13 && header[2] != 3) { /* TLS 1.3: of no meaning, and authenticated */
        return PROTOCOL_VERSION;
    }
    if (len > RECORD_WIRE_MAX - HEADER) {
        return RECORD_OVERFLOW;
    }
    return len < extra ? DECODE_ERROR : NO_ALERT;
}

enum record_answer
record_open(struct record *r, elo_span wire, size_t *used, uint8_t *out, size_t *text)
{
    *used = *text = 0;
    if (wire.len < HEADER) {
        return RECORD_PARTIAL;
    }
    enum alert alert = judge_header(r, wire.ptr);
    if (alert != NO_ALERT) {
        return broken(r, alert);
    }
    if (!record_is_whole(wire)) {
        return RECORD_PARTIAL;
    }
    size_t body_len = elo_rd16be(wire.ptr + 3);
    int opened = open_body(r, wire.ptr, body_len, out);
    if (opened < 0) {
        return broken(r, BAD_RECORD_MAC);
    }
    size_t len = (size_t)opened;
    bool too_long = r->tls13 && len > RECORD_TEXT_MAX + 1; /* padding counts (RFC 8446, 5.4) */
    uint8_t type = r->tls13 ? unpad(out, &len) : wire.ptr[0];
    if (too_long || len > r->text_max) {
        return broken(r, RECORD_OVERFLOW);
    }
    if (++r->quiet > PATIENCE) {
        return broken(r, UNEXPECTED_MESSAGE);
    }
    *used = HEADER + body_len;
    enum record_answer answer = take(r, type, out, len);
    *text = answer == RECORD_TEXT ? len : 0;
    return answer;
}

size_t record_reply(struct record *r, uint8_t *out)
{
    if (r->rekey_asked && r->alert == NO_ALERT) {
        r->rekey_asked = false;
        return record_rekey(r, out);
    }
    if (r->alert == NO_ALERT) {
        return 0;
    }
    uint8_t alert[] = {r->alert == NO_RENEGOTIATION ? 1 : 2, r->alert};
    r->alert = NO_ALERT;
    return record_seal(r, RECORD_ALERT, elo_span_of(alert, sizeof alert), out);
}
