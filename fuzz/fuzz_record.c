// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The record layer with an enemy on the wire. One handshake per suite is made at the start; each
 * input then has a server and a client with those keys. The client seals what the input says; the
 * enemy, who has no keys, changes, drops, repeats, invents and cuts bytes; the server opens what
 * is left, in pieces of any size. Whatever happens: what is opened is what was sealed, in that
 * order, from the first on; the client understands each answer; no more is read than there is.
 *
 * An input is the suite, then steps of one byte each with what they read behind it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/net/record.c" /* a client is a server with its directions exchanged */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIRE_CAP = 1 << 18, TEXT_CAP = 1 << 18 };

static const struct {
    const char *name;
    int version;
    uint8_t fragment;
} kinds[] = {
    {"TLS_AES_128_GCM_SHA256", TLS1_3_VERSION, 0},
    {"TLS_AES_256_GCM_SHA384", TLS1_3_VERSION, TLSEXT_max_fragment_length_512},
    {"TLS_CHACHA20_POLY1305_SHA256", TLS1_3_VERSION, 0},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", TLS1_2_VERSION, 0},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", TLS1_2_VERSION, TLSEXT_max_fragment_length_4096},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct {
    SSL *server;
    struct record_secrets secrets;
} hands[KINDS];

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "not true: %s (line %d)\n", #x, __LINE__);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- the handshakes ----------------------------------------------------------------------------
 */

static void note(const SSL *ssl, const char *line)
{
    record_note(SSL_get_app_data(ssl), line);
}

static SSL_CTX *make_context(const SSL_METHOD *method, int version, const char *suite)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    CHECK(ctx != NULL);
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    CHECK((version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(ctx, suite)
                                     : SSL_CTX_set_cipher_list(ctx, suite)) == 1);
    return ctx;
}

static void show_key(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CHECK(key != NULL && x != NULL);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    CHECK(SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_keylog_callback(ctx, note);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void shake_hands(size_t kind)
{
    SSL_CTX *of_client = make_context(TLS_client_method(), kinds[kind].version, kinds[kind].name);
    SSL_CTX *of_server = make_context(TLS_server_method(), kinds[kind].version, kinds[kind].name);
    show_key(of_server);
    SSL *client = SSL_new(of_client), *server = SSL_new(of_server);
    BIO *one, *other;
    CHECK(BIO_new_bio_pair(&one, 0, &other, 0) == 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, other, other);
    SSL_set_app_data(server, &hands[kind].secrets);
    if (kinds[kind].fragment != 0) {
        CHECK(SSL_set_tlsext_max_fragment_length(client, kinds[kind].fragment) == 1);
    }
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    int done = 0;
    for (int i = 0; i < 10 && done < 2; i++) {
        done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
    }
    CHECK(done == 2);
    hands[kind].server = server;
    SSL_free(client);
    SSL_CTX_free(of_client);
    SSL_CTX_free(of_server);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < KINDS; i++) {
        shake_hands(i);
    }
    return 0;
}

/* --- one input ---------------------------------------------------------------------------------
 */

struct scene {
    elo_span in;
    struct record *client, *server;
    bool client_gone, server_gone;
    size_t wire_len, wire_at; /* sealed, and as far as the server has read */
    size_t sent_len, got_len; /* of text */
};

static uint8_t wire[WIRE_CAP], sent[TEXT_CAP];

static unsigned choice(struct scene *s)
{
    if (s->in.len == 0) {
        return 0;
    }
    unsigned byte = s->in.ptr[0];
    s->in = elo_span_from(s->in, 1);
    return byte;
}

static void put(struct scene *s, elo_span bytes)
{
    if (bytes.len <= WIRE_CAP - s->wire_len) {
        memcpy(wire + s->wire_len, bytes.ptr, bytes.len);
        s->wire_len += bytes.len;
    }
}

static void seal(struct scene *s, enum record_type type, elo_span text)
{
    static uint8_t sealed[RECORD_WIRE_MAX + RECORD_TEXT_MAX];
    size_t len = record_seal(s->client, type, text, sealed);
    CHECK(len == 5 + text.len + (s->client->tls13 ? 17 : 24));
    put(s, elo_span_of(sealed, len));
}

/* Data of any length up to a little more than is allowed. */
static void say(struct scene *s)
{
    size_t len = choice(s) * 67 + choice(s);
    len = len < RECORD_TEXT_MAX + 2 ? len : RECORD_TEXT_MAX + 2;
    if (len > TEXT_CAP - s->sent_len) {
        return;
    }
    uint8_t *text = sent + s->sent_len;
    memset(text, (int)(s->sent_len >> 3), len);
    seal(s, RECORD_DATA, elo_span_of(text, len));
    s->sent_len += len;
}

/* Something of a type and text of the input's choice; it shall not be data. */
static void say_other(struct scene *s)
{
    unsigned type = choice(s);
    size_t len = choice(s) % 16;
    len = len < s->in.len ? len : s->in.len;
    elo_span text = elo_span_first(s->in, len);
    s->in = elo_span_from(s->in, len);
    bool hidden = s->client->tls13 && type == 0; /* then it is in the text */
    if (type != RECORD_DATA && !hidden) {
        seal(s, (enum record_type)type, text);
    }
}

static void rekey(struct scene *s)
{
    uint8_t sealed[RECORD_OVERHEAD + 8];
    if (s->client->tls13) {
        put(s, elo_span_of(sealed, record_rekey(s->client, sealed)));
    }
}

static size_t place(struct scene *s)
{
    size_t left = s->wire_len - s->wire_at, at = choice(s) * 256 + choice(s);
    return s->wire_at + (left > 0 ? at % left : 0);
}

static void change(struct scene *s)
{
    size_t at = place(s);
    if (at < s->wire_len) {
        wire[at] ^= (uint8_t)choice(s);
    }
}

static void drop(struct scene *s)
{
    size_t at = place(s), len = choice(s) + 1;
    len = len < s->wire_len - at ? len : s->wire_len - at;
    memmove(wire + at, wire + at + len, s->wire_len - at - len);
    s->wire_len -= len;
}

/* What has been on the wire comes again. */
static void repeat(struct scene *s)
{
    size_t at = choice(s) * 256 + choice(s), len = choice(s) + 1;
    if (at < s->wire_len) {
        len = len < s->wire_len - at ? len : s->wire_len - at;
        static uint8_t copy[256];
        memcpy(copy, wire + at, len);
        put(s, elo_span_of(copy, len));
    }
}

static void invent(struct scene *s)
{
    size_t len = choice(s) % 32;
    len = len < s->in.len ? len : s->in.len;
    put(s, elo_span_first(s->in, len));
    s->in = elo_span_from(s->in, len);
}

/* The server's own words reach the client, who understands them. */
static void answer(struct scene *s, bool broken)
{
    uint8_t sealed[RECORD_OVERHEAD + 8];
    static uint8_t out[RECORD_WIRE_MAX];
    size_t used, text, len = record_reply(s->server, sealed);
    CHECK(len <= sizeof sealed);
    if (len > 0 && !s->client_gone) {
        enum record_answer got =
            record_open(s->client, elo_span_of(sealed, len), &used, out, &text);
        CHECK(got == RECORD_QUIET || (got == RECORD_BROKEN && (broken || s->client->quiet > 30)));
        s->client_gone = got == RECORD_BROKEN;
    }
}

/* The server opens what lies ready, of a piece that ends where the input says. */
static void open_some(struct scene *s)
{
    static uint8_t out[RECORD_WIRE_MAX];
    size_t len = choice(s) * 256 + choice(s), left = s->wire_len - s->wire_at;
    uint8_t *piece = malloc(len < left ? len : left); /* its end is seen by the sanitizer */
    len = len < left ? len : left;
    if (piece == NULL) {
        return;
    }
    memcpy(piece, wire + s->wire_at, len);
    for (size_t at = 0; !s->server_gone;) {
        size_t used, text;
        elo_span rest = elo_span_of(piece + at, len - at);
        bool whole = record_is_whole(rest);
        enum record_answer got = record_open(s->server, rest, &used, out, &text);
        CHECK(used <= rest.len && text <= record_text_max(s->server));
        CHECK((text > 0) == (got == RECORD_TEXT));
        CHECK(text <= s->sent_len - s->got_len && memcmp(sent + s->got_len, out, text) == 0);
        s->got_len += text;
        s->wire_at += used;
        at += used;
        if (got == RECORD_PARTIAL) {
            CHECK(used == 0 && !whole);
            break;
        }
        if (got != RECORD_TEXT) {
            answer(s, got == RECORD_BROKEN);
        }
        s->server_gone = got == RECORD_BROKEN || got == RECORD_END;
    }
    free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct scene * s) = {
        open_some, say, say_other, rekey, change, drop, repeat, invent, say, open_some};
    struct scene s = {.in = elo_span_of(data, size)};
    unsigned kind = choice(&s) % KINDS;
    s.server = record_create(hands[kind].server, &hands[kind].secrets);
    s.client = record_create(hands[kind].server, &hands[kind].secrets);
    CHECK(s.server != NULL && s.client != NULL);
    struct direction in = s.client->in;
    s.client->in = s.client->out;
    s.client->out = in;
    while (s.in.len > 0 && !s.server_gone) {
        steps[choice(&s) % (sizeof steps / sizeof steps[0])](&s);
    }
    record_destroy(s.client);
    record_destroy(s.server);
    CHECK(ERR_peek_error() == 0);
    return 0;
}
