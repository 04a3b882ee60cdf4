// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A TLS client with all its memory, a server of tls_peer.h, and the wire between them. Header only,
 * for the programs that test the engine; `pki` is theirs, made by make_pki.
 */
#ifndef TESTS_SUPPORT_TLS_WIRE_H
#define TESTS_SUPPORT_TLS_WIRE_H

#include "tests/support/tls_peer.h"

#include "elo/tls/tls.h"

#include <stdlib.h>

#define HOST "data.iot.test"

/* Certificates made once: roots and leaves of each kind. */
static struct {
    struct test_cert root[3], intermediate[3], server[3];
    struct test_cert device_root, device[3], other_root;
} pki;

static inline int make_pki(void **state)
{
    (void)state;
    pki.device_root = test_ca_make("Device root", TEST_P256);
    pki.other_root = test_ca_make("Other root", TEST_P256);
    for (int t = TEST_RSA; t <= TEST_P384; t++) {
        struct test_cert_spec spec = {"Intermediate", TEST_NOW - TEST_YEAR, TEST_NOW + TEST_YEAR,
                                      true};
        pki.root[t] = test_ca_make("Server root", (enum test_key)t);
        pki.intermediate[t] = test_cert_make(spec, test_key_make((enum test_key)t), &pki.root[t]);
        pki.server[t] = test_leaf_make(HOST, (enum test_key)t, &pki.intermediate[t]);
        pki.device[t] = test_leaf_make("thing-1", (enum test_key)t, &pki.device_root);
    }
    return 0;
}

static inline int free_pki(void **state)
{
    (void)state;
    for (int t = TEST_RSA; t <= TEST_P384; t++) {
        test_cert_free(&pki.root[t]);
        test_cert_free(&pki.intermediate[t]);
        test_cert_free(&pki.server[t]);
        test_cert_free(&pki.device[t]);
    }
    test_cert_free(&pki.device_root);
    test_cert_free(&pki.other_root);
    return 0;
}

/* --- a client with all its memory ------------------------------------------------------------ */

struct client {
    struct elo_tls tls;
    struct elo_tls_handshake handshake;
    struct elo_tls_identity identity;
    struct elo_tls_anchors anchors;
    struct elo_tls_work work;
    br_x509_trust_anchor table[2];
    uint8_t anchor_mem[2 * ELO_TLS_ANCHOR_BYTES_MAX];
    uint8_t identity_mem[2 * ELO_TLS_IDENTITY_BYTES];
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    uint8_t *input, *output;
    struct elo_tls_config config;
};

/* Buffers on the heap, of exactly the size: an overrun is caught. */
static inline struct client *
client_make(const struct test_cert *device, const struct test_cert *root, size_t fragment)
{
    struct client *c = calloc(1, sizeof *c);
    struct test_text cert, key;
    c->input = malloc(ELO_TLS_INPUT_BYTES(fragment));
    c->output = malloc(ELO_TLS_OUTPUT_BYTES(fragment));
    test_cert_pem(root, &cert);
    elo_tls_anchors_init(&c->anchors, c->table, 2, c->anchor_mem, sizeof c->anchor_mem);
    assert_int_equal(elo_tls_anchors_add(&c->anchors, elo_span_of(cert.ptr, cert.len), &c->work),
                     ELO_OK);
    if (device) {
        test_cert_pem(device, &cert);
        test_key_pem(device, &key);
        assert_int_equal(elo_tls_identity_init(&c->identity, elo_span_of(cert.ptr, cert.len),
                                               elo_span_of(key.ptr, key.len), c->identity_mem,
                                               sizeof c->identity_mem, &c->work),
                         ELO_OK);
        c->config.identity = &c->identity;
    }
    for (size_t i = 0; i < sizeof c->entropy; i++) {
        c->entropy[i] = (uint8_t)(i * 7 + 1);
    }
    c->config.profile = &elo_tls_profile_full;
    c->config.handshake = &c->handshake;
    c->config.host = HOST;
    c->config.anchors = &c->anchors;
    c->config.now_unix = (uint32_t)TEST_NOW;
    c->config.input = c->input;
    c->config.input_cap = ELO_TLS_INPUT_BYTES(fragment);
    c->config.output = c->output;
    c->config.output_cap = ELO_TLS_OUTPUT_BYTES(fragment);
    c->config.entropy = elo_span_of(c->entropy, sizeof c->entropy);
    return c;
}

static inline void client_free(struct client *c)
{
    free(c->input);
    free(c->output);
    free(c);
}

/* --- the wire ----------------------------------------------------------------------------------
 */

/* Both ends, what to do to the bytes on the way to the client, and what came out. */
struct wire {
    struct elo_tls *tls;
    struct test_peer *peer;
    size_t chunk;   /* bytes at a time, 0: as many as fit */
    size_t flip_at; /* flip a bit of this byte, counted from 1 over all bytes */
    size_t cut_at;  /* end the stream before this byte, counted from 1 */
    bool echo;      /* the server sends back what it reads */
    size_t record;  /* the server's handshake comes in records of this many bytes, 0: as they are */
    void (*acked)(struct wire *w); /* called after every piece given to or taken from the client */

    size_t passed;         /* bytes to the client so far */
    uint8_t server_in[64]; /* plaintext the server has read, as far as it fits */
    size_t server_len;
    uint8_t client_in[4096];
    size_t client_len;
    int close_notify; /* the server has seen one */
};

static inline size_t limit(size_t n, size_t chunk)
{
    return chunk > 0 && n > chunk ? chunk : n;
}

static inline bool to_server(struct wire *w)
{
    size_t n;
    const uint8_t *out = elo_tls_output_buf(w->tls, &n);
    if (out == NULL) {
        return false;
    }
    n = limit(n, w->chunk);
    assert_int_equal(BIO_write(w->peer->from_client, out, (int)n), (int)n);
    elo_tls_output_ack(w->tls, n);
    if (w->acked) {
        w->acked(w);
    }
    return true;
}

static inline bool to_client(struct wire *w)
{
    size_t n;
    uint8_t *in = elo_tls_input_buf(w->tls, &n);
    if (in == NULL || BIO_ctrl_pending(w->peer->to_client) == 0) {
        return false;
    }
    n = limit(n, w->chunk);
    if (w->cut_at > 0 && w->passed + n >= w->cut_at) {
        n = w->cut_at - 1 - w->passed;
    }
    if (n == 0) {
        elo_tls_input_end(w->tls);
        return true;
    }
    int got = BIO_read(w->peer->to_client, in, (int)n);
    assert_true(got > 0);
    if (w->flip_at > w->passed && w->flip_at <= w->passed + (size_t)got) {
        in[w->flip_at - w->passed - 1] ^= 0x10;
    }
    w->passed += (size_t)got;
    elo_tls_input_ack(w->tls, (size_t)got);
    if (w->acked) {
        w->acked(w);
    }
    return true;
}

static inline bool serve(struct wire *w)
{
    SSL *ssl = w->peer->ssl;
    uint8_t data[4096];
    if (!SSL_is_init_finished(ssl)) {
        bool fresh = BIO_ctrl_pending(w->peer->to_client) == 0;
        SSL_do_handshake(ssl);
        ERR_clear_error();
        if (w->record > 0 && fresh) {
            test_peer_repack(w->peer, w->record);
        }
        return false;
    }
    int got = SSL_read(ssl, data, sizeof data);
    w->close_notify = SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN;
    ERR_clear_error();
    if (got <= 0) {
        return false;
    }
    if (w->echo) {
        assert_int_equal(SSL_write(ssl, data, got), got);
    }
    for (int i = 0; i < got && w->server_len < sizeof w->server_in; i++) {
        w->server_in[w->server_len++] = data[i];
    }
    return true;
}

static inline bool read_client(struct wire *w)
{
    size_t n;
    const uint8_t *data = elo_tls_read_buf(w->tls, &n);
    if (data == NULL) {
        return false;
    }
    n = limit(n, w->chunk);
    assert_true(n <= sizeof w->client_in - w->client_len);
    memcpy(w->client_in + w->client_len, data, n);
    w->client_len += n;
    elo_tls_read_ack(w->tls, n);
    return true;
}

/* Moves bytes until nothing moves any more. */
static inline void pump(struct wire *w)
{
    bool moved = true;
    while (moved) {
        moved = to_server(w);
        moved = serve(w) || moved;
        moved = to_client(w) || moved;
        moved = read_client(w) || moved;
    }
}

static inline void say(struct wire *w, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n;
        uint8_t *to = elo_tls_write_buf(w->tls, &n);
        if (to == NULL) {
            pump(w);
            to = elo_tls_write_buf(w->tls, &n);
            assert_non_null(to);
        }
        n = n < len ? n : len;
        memcpy(to, data, n);
        elo_tls_write_ack(w->tls, n);
        data += n;
        len -= n;
    }
    elo_tls_flush(w->tls);
    pump(w);
}

/* Init must work; then as far as it goes. */
static inline void shake(struct wire *w, struct client *c, struct test_peer *p)
{
    memset(&w->tls, 0, sizeof w->tls);
    w->tls = &c->tls;
    w->peer = p;
    test_peer_start(p);
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
    pump(w);
}

static inline void expect_ready(const struct elo_tls *tls)
{
    if (!(elo_tls_state(tls) & ELO_TLS_READY)) {
        fail_msg("not ready: error %d, BearSSL %d, alert %d", elo_tls_error(tls),
                 elo_tls_error_number(tls), elo_tls_alert(tls));
    }
}

#endif
