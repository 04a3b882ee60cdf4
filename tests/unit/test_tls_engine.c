// links: elo_tls PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The TLS engine against OpenSSL, in one process over memory: what must work works, what must fail
 * fails with its own reason, and the server is told why where the protocol allows it.
 */
#include "tests/support/tls_peer.h"

#include "elo/tls/tls.h"

#include <stdio.h>
#include <stdlib.h>

#define HOST "data.iot.test"

/* Certificates made once: roots and leaves of each kind. */
static struct {
    struct test_cert root[3], intermediate[3], server[3];
    struct test_cert device_root, device[3], other_root;
} pki;

static int make_pki(void **state)
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

static int free_pki(void **state)
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
static struct client *
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
    for (size_t i = 0; i < sizeof c->entropy; i++)
        c->entropy[i] = (uint8_t)(i * 7 + 1);
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

static void client_free(struct client *c)
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

    size_t passed;         /* bytes to the client so far */
    uint8_t server_in[64]; /* plaintext the server has read, as far as it fits */
    size_t server_len;
    uint8_t client_in[4096];
    size_t client_len;
    int close_notify; /* the server has seen one */
};

static size_t limit(size_t n, size_t chunk)
{
    return chunk > 0 && n > chunk ? chunk : n;
}

static bool to_server(struct wire *w)
{
    size_t n;
    const uint8_t *out = elo_tls_output_buf(w->tls, &n);
    if (out == NULL)
        return false;
    n = limit(n, w->chunk);
    assert_int_equal(BIO_write(w->peer->from_client, out, (int)n), (int)n);
    elo_tls_output_ack(w->tls, n);
    return true;
}

static bool to_client(struct wire *w)
{
    size_t n;
    uint8_t *in = elo_tls_input_buf(w->tls, &n);
    if (in == NULL || BIO_ctrl_pending(w->peer->to_client) == 0)
        return false;
    n = limit(n, w->chunk);
    if (w->cut_at > 0 && w->passed + n >= w->cut_at)
        n = w->cut_at - 1 - w->passed;
    if (n == 0) {
        elo_tls_input_end(w->tls);
        return true;
    }
    int got = BIO_read(w->peer->to_client, in, (int)n);
    assert_true(got > 0);
    if (w->flip_at > w->passed && w->flip_at <= w->passed + (size_t)got)
        in[w->flip_at - w->passed - 1] ^= 0x10;
    w->passed += (size_t)got;
    elo_tls_input_ack(w->tls, (size_t)got);
    return true;
}

static bool serve(struct wire *w)
{
    SSL *ssl = w->peer->ssl;
    uint8_t data[4096];
    if (!SSL_is_init_finished(ssl)) {
        SSL_do_handshake(ssl);
        ERR_clear_error();
        return false;
    }
    int got = SSL_read(ssl, data, sizeof data);
    w->close_notify = SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN;
    ERR_clear_error();
    if (got <= 0)
        return false;
    if (w->echo)
        assert_int_equal(SSL_write(ssl, data, got), got);
    for (int i = 0; i < got && w->server_len < sizeof w->server_in; i++)
        w->server_in[w->server_len++] = data[i];
    return true;
}

static bool read_client(struct wire *w)
{
    size_t n;
    const uint8_t *data = elo_tls_read_buf(w->tls, &n);
    if (data == NULL)
        return false;
    n = limit(n, w->chunk);
    assert_true(n <= sizeof w->client_in - w->client_len);
    memcpy(w->client_in + w->client_len, data, n);
    w->client_len += n;
    elo_tls_read_ack(w->tls, n);
    return true;
}

/* Moves bytes until nothing moves any more. */
static void pump(struct wire *w)
{
    bool moved = true;
    while (moved) {
        moved = to_server(w);
        moved = serve(w) || moved;
        moved = to_client(w) || moved;
        moved = read_client(w) || moved;
    }
}

static void say(struct wire *w, const uint8_t *data, size_t len)
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
static void shake(struct wire *w, struct client *c, struct test_peer *p)
{
    memset(&w->tls, 0, sizeof w->tls);
    w->tls = &c->tls;
    w->peer = p;
    test_peer_start(p);
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
    pump(w);
}

/* --- what must work ----------------------------------------------------------------------------
 */

static void expect_ready(const struct elo_tls *tls)
{
    if (!(elo_tls_state(tls) & ELO_TLS_READY))
        fail_msg("not ready: error %d, BearSSL %d, alert %d", elo_tls_error(tls),
                 elo_tls_error_number(tls), elo_tls_alert(tls));
}

static void every_kind_of_server_and_client_key(void **state)
{
    (void)state;
    for (int server = TEST_RSA; server <= TEST_P384; server++) {
        for (int device = TEST_RSA; device <= TEST_P384; device++) {
            struct client *c = client_make(&pki.device[device], &pki.root[server], 16384);
            struct wire w = {0};
            struct test_peer p;
            test_peer_init(&p, &pki.server[server], &pki.intermediate[server], &pki.device_root);
            shake(&w, c, &p);
            expect_ready(&c->tls);
            assert_string_equal(p.sni, HOST);
            assert_int_equal(SSL_version(p.ssl), TLS1_2_VERSION);
            assert_int_equal(elo_tls_cipher_suite(&c->tls), server == TEST_RSA ? 0xC02F : 0xC02B);
            assert_int_equal(SSL_get_verify_result(p.ssl), X509_V_OK);
            assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.ssl), pki.device[device].x509),
                             0);
            assert_int_equal(elo_tls_server_not_after(&c->tls), TEST_NOW + TEST_YEAR);
            say(&w, (const uint8_t *)"hello", 5);
            assert_int_equal(w.server_len, 5);
            assert_memory_equal(w.server_in, "hello", 5);
            test_peer_deinit(&p);
            client_free(c);
        }
    }
}

static void suites_are_these_four_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *openssl;
        int server;
        uint16_t suite; /* 0: no agreement */
    } cases[] = {{"ECDHE-ECDSA-AES128-GCM-SHA256", TEST_P256, 0xC02B},
                 {"ECDHE-RSA-AES128-GCM-SHA256", TEST_RSA, 0xC02F},
                 {"ECDHE-ECDSA-AES256-GCM-SHA384", TEST_P256, 0xC02C},
                 {"ECDHE-RSA-AES256-GCM-SHA384", TEST_RSA, 0xC030},
                 {"ECDHE-RSA-CHACHA20-POLY1305", TEST_RSA, 0},
                 {"ECDHE-RSA-AES128-SHA256", TEST_RSA, 0},
                 {"AES128-GCM-SHA256", TEST_RSA, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[cases[i].server], 16384);
        struct wire w = {0};
        struct test_peer p;
        test_peer_init(&p, &pki.server[cases[i].server], &pki.intermediate[cases[i].server],
                       &pki.device_root);
        assert_int_equal(SSL_CTX_set_cipher_list(p.ctx, cases[i].openssl), 1);
        shake(&w, c, &p);
        assert_int_equal(elo_tls_cipher_suite(&c->tls), cases[i].suite);
        if (cases[i].suite == 0) {
            assert_int_equal(elo_tls_error(&c->tls), ELO_E_TLS_ALERT);
            assert_int_equal(elo_tls_alert(&c->tls), SSL3_AD_HANDSHAKE_FAILURE);
        }
        test_peer_deinit(&p);
        client_free(c);
    }
}

/* The server echoes 2000 bytes: with fragment length agreed no record is larger than asked. */
static void fragment_lengths_are_negotiated(void **state)
{
    (void)state;
    static const size_t fragments[] = {512, 1024, 2048, 4096, 16384};
    uint8_t text[2000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < sizeof fragments / sizeof fragments[0]; i++) {
        for (size_t chunk = 0; chunk <= 1; chunk++) {
            struct client *c =
                client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], fragments[i]);
            struct wire w = {.chunk = chunk, .echo = true};
            struct test_peer p;
            test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA],
                           &pki.device_root);
            shake(&w, c, &p);
            expect_ready(&c->tls);
            assert_int_equal(elo_tls_fragment_bytes(&c->tls), fragments[i]);
            SSL_SESSION *session = SSL_get_session(p.ssl);
            int code = SSL_SESSION_get_max_fragment_length(session);
            assert_int_equal(code == 0 ? 16384 : 256 << code, fragments[i]);
            say(&w, text, sizeof text);
            assert_int_equal(w.client_len, sizeof text);
            assert_memory_equal(w.client_in, text, sizeof text);
            test_peer_deinit(&p);
            client_free(c);
        }
    }
}

static void a_record_too_large_has_its_own_reason(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    /* A server that does not keep to 512: the header of a record with 2048 bytes. */
    BIO_write(p.to_client, "\x17\x03\x03\x08\x18", 5);
    pump(&w);
    assert_int_equal(elo_tls_error(&c->tls), ELO_E_TLS_RECORD);
    assert_int_equal(elo_tls_error_number(&c->tls), BR_ERR_TOO_LARGE);
    test_peer_deinit(&p);
    client_free(c);
}

static void a_session_is_resumed(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    struct elo_tls_session session;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    assert_int_equal(elo_tls_session_get(&c->tls, &session), ELO_OK);
    assert_false(SSL_session_reused(p.ssl));
    elo_tls_close(&c->tls);
    pump(&w);
    SSL_shutdown(p.ssl); /* OpenSSL keeps only sessions that ended well */
    size_t full = w.passed;

    c->config.resume = &session;
    memset(&w, 0, sizeof w);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    assert_true(SSL_session_reused(p.ssl));
    assert_true(w.passed < full / 4);
    say(&w, (const uint8_t *)"again", 5);
    assert_memory_equal(w.server_in, "again", 5);

    session.bytes[2] ^= 1; /* an id the server does not know: a full handshake */
    memset(&w, 0, sizeof w);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    assert_false(SSL_session_reused(p.ssl));

    session.bytes[0] = 9;
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_E_MALFORMED);
    test_peer_deinit(&p);
    client_free(c);
}

static void closing_flushes_and_says_goodbye(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    size_t n;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    SSL_write(p.ssl, "unread", 6); /* what the server still says is dropped */
    uint8_t *to = elo_tls_write_buf(&c->tls, &n);
    assert_true(n >= 3);
    memcpy(to, "bye", 3);
    elo_tls_write_ack(&c->tls, 3);
    elo_tls_close(&c->tls);
    assert_null(elo_tls_write_buf(&c->tls, &n));
    pump(&w);
    assert_int_equal(w.server_len, 3);
    assert_memory_equal(w.server_in, "bye", 3);
    assert_true(w.close_notify);
    assert_int_equal(w.client_len, 0);
    SSL_shutdown(p.ssl);
    pump(&w);
    assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
    assert_int_equal(elo_tls_error(&c->tls), ELO_OK);
    test_peer_deinit(&p);
    client_free(c);
}

static void the_server_may_say_goodbye_first(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    SSL_write(p.ssl, "last words", 10);
    SSL_shutdown(p.ssl);
    pump(&w);
    assert_int_equal(w.client_len, 10);
    assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
    assert_int_equal(elo_tls_error(&c->tls), ELO_OK);
    elo_tls_input_end(&c->tls);
    assert_int_equal(elo_tls_error(&c->tls), ELO_OK);
    test_peer_deinit(&p);
    client_free(c);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    assert_int_equal(SSL_renegotiate(p.ssl), 1);
    SSL_do_handshake(p.ssl); /* sends HelloRequest */
    ERR_clear_error();
    pump(&w);
    assert_int_equal(p.alert, SSL_AD_NO_RENEGOTIATION);
    test_peer_deinit(&p);
    client_free(c);
}

/* --- application protocols ---------------------------------------------------------------------
 */

static void protocols(void **state)
{
    (void)state;
    static const char *const names[] = {"x-amzn-mqtt-ca", "mqtt"};
    static const struct {
        uint8_t offered;
        bool require;
        const char *server; /* what it knows */
        elo_err err;
        const char *chosen;
    } cases[] = {
        {2, true, "x-amzn-mqtt-ca", ELO_OK, "x-amzn-mqtt-ca"},
        {2, true, "mqtt", ELO_OK, "mqtt"},
        {2, false, NULL, ELO_OK, NULL},
        {2, true, NULL, ELO_E_ALPN, NULL},
        {2, false, "http/1.1", ELO_E_ALPN, NULL}, /* the server's alert 120 */
        {0, false, "mqtt", ELO_OK, NULL},
        {0, true, "mqtt", ELO_E_ALPN, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 1024);
        struct wire w = {0};
        struct test_peer p;
        c->config.alpn = names;
        c->config.alpn_count = cases[i].offered;
        c->config.require_alpn = cases[i].require;
        test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
        p.alpn = cases[i].server;
        shake(&w, c, &p);
        assert_int_equal(elo_tls_error(&c->tls), cases[i].err);
        if (cases[i].chosen)
            assert_string_equal(elo_tls_alpn(&c->tls), cases[i].chosen);
        else
            assert_null(elo_tls_alpn(&c->tls));
        assert_int_equal(!!(elo_tls_state(&c->tls) & ELO_TLS_READY), cases[i].err == ELO_OK);
        test_peer_deinit(&p);
        client_free(c);
    }
}

/* --- what must fail, and why -------------------------------------------------------------------
 */

static void bad_server_certificates(void **state)
{
    (void)state;
    const long day = 86400;
    const struct {
        const char *what, *name;
        long not_before, not_after; /* relative to now */
        const struct test_cert *root;
        elo_err err;
        int bear, alert; /* alert: what the server is told */
    } cases[] = {
        {"good", HOST, -day, day, &pki.root[TEST_P256], ELO_OK, 0, -1},
        {"wildcard", "*.iot.test", -day, day, &pki.root[TEST_P256], ELO_OK, 0, -1},
        {"wrong name", "other.iot.test", -day, day, &pki.root[TEST_P256], ELO_E_SERVER_NAME, 56,
         SSL_AD_BAD_CERTIFICATE},
        {"unknown root", HOST, -day, day, &pki.other_root, ELO_E_ROOT, 62, SSL_AD_UNKNOWN_CA},
        {"expired", HOST, -2 * day, -day, &pki.root[TEST_P256], ELO_E_SERVER_EXPIRED, 54,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"not yet valid", HOST, day, 2 * day, &pki.root[TEST_P256], ELO_E_CLOCK, 54,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"ends this second", HOST, -day, 0, &pki.root[TEST_P256], ELO_OK, 0, -1},
        {"ended a second ago", HOST, -day, -1, &pki.root[TEST_P256], ELO_E_SERVER_EXPIRED, 54,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"begins this second", HOST, 0, day, &pki.root[TEST_P256], ELO_OK, 0, -1},
        {"begins in a second", HOST, 1, day, &pki.root[TEST_P256], ELO_E_CLOCK, 54,
         SSL_AD_CERTIFICATE_EXPIRED},
        {"after 2050", HOST, -day, 2524608000L - TEST_NOW + day, &pki.root[TEST_P256], ELO_OK, 0,
         -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_cert_spec spec = {cases[i].name, TEST_NOW + cases[i].not_before,
                                      TEST_NOW + cases[i].not_after, false};
        struct test_cert leaf =
            test_cert_make(spec, test_key_make(TEST_P256), &pki.intermediate[TEST_P256]);
        struct client *c = client_make(&pki.device[TEST_P256], cases[i].root, 512);
        struct wire w = {0};
        struct test_peer p;
        test_peer_init(&p, &leaf, &pki.intermediate[TEST_P256], &pki.device_root);
        shake(&w, c, &p);
        if (elo_tls_error(&c->tls) != cases[i].err)
            fail_msg("%s: error %d (%d)", cases[i].what, elo_tls_error(&c->tls),
                     elo_tls_error_number(&c->tls));
        assert_int_equal(elo_tls_error_number(&c->tls), cases[i].bear);
        assert_int_equal(p.alert, cases[i].alert);
        assert_int_equal(elo_tls_server_not_after(&c->tls), TEST_NOW + cases[i].not_after);
        if (cases[i].err != ELO_OK)
            assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
        test_peer_deinit(&p);
        client_free(c);
        test_cert_free(&leaf);
    }
}

static void a_weak_or_unsigned_chain_is_refused(void **state)
{
    (void)state;
    /* The intermediate is missing; the intermediate is no CA; the key is RSA 1024. */
    for (int i = 0; i < 3; i++) {
        struct test_cert_spec no_ca = {"Not a CA", TEST_NOW - 1, TEST_NOW + 1, false};
        struct test_cert middle =
            test_cert_make(no_ca, test_key_make(TEST_P256), &pki.root[TEST_P256]);
        struct test_cert_spec spec = {HOST, TEST_NOW - 1, TEST_NOW + 1, false};
        struct test_cert leaf =
            i == 1   ? test_cert_make(spec, test_key_make(TEST_P256), &middle)
            : i == 2 ? test_cert_make(spec, EVP_RSA_gen(1024), &pki.intermediate[TEST_P256])
                     : test_cert_make(spec, test_key_make(TEST_P256), &pki.intermediate[TEST_P256]);
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
        struct wire w = {0};
        struct test_peer p;
        SSL_CTX *ctx;
        memset(&p, 0, sizeof p);
        if (i == 2) {
            test_peer_init(&p, &pki.server[TEST_P256], NULL, &pki.device_root);
            ctx = p.ctx;
            SSL_CTX_set_security_level(ctx, 0);
            SSL_CTX_use_certificate(ctx, leaf.x509);
            SSL_CTX_use_PrivateKey(ctx, leaf.key);
            SSL_CTX_add1_chain_cert(ctx, pki.intermediate[TEST_P256].x509);
            SSL_CTX_set_cipher_list(ctx, "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0");
        } else {
            test_peer_init(&p, &leaf, i == 1 ? &middle : NULL, &pki.device_root);
        }
        shake(&w, c, &p);
        static const elo_err want[] = {ELO_E_ROOT, ELO_E_TLS_HANDSHAKE, ELO_E_TLS_HANDSHAKE};
        static const int bear[] = {BR_ERR_X509_NOT_TRUSTED, BR_ERR_X509_NOT_CA,
                                   BR_ERR_X509_WEAK_PUBLIC_KEY};
        assert_int_equal(elo_tls_error(&c->tls), want[i]);
        assert_int_equal(elo_tls_error_number(&c->tls), bear[i]);
        test_peer_deinit(&p);
        client_free(c);
        test_cert_free(&middle);
        test_cert_free(&leaf);
    }
}

static void the_server_refuses_our_certificate(void **state)
{
    (void)state;
    struct test_cert_spec old = {"thing-1", TEST_NOW - TEST_YEAR, TEST_NOW - 1, false};
    struct test_cert expired = test_cert_make(old, test_key_make(TEST_P256), &pki.device_root);
    const struct {
        const struct test_cert *device, *trusted;
        elo_err err;
        int alert;
    } cases[] = {
        {&pki.device[TEST_P256], &pki.other_root, ELO_E_TLS_CERT_REFUSED, SSL_AD_UNKNOWN_CA},
        {&expired, &pki.device_root, ELO_E_TLS_CERT_REFUSED, SSL_AD_CERTIFICATE_EXPIRED},
        {NULL, &pki.device_root, ELO_E_TLS_ALERT, SSL_AD_HANDSHAKE_FAILURE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = client_make(cases[i].device, &pki.root[TEST_P256], 512);
        struct wire w = {0};
        struct test_peer p;
        test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], cases[i].trusted);
        SSL_CTX_set_max_proto_version(p.ctx, TLS1_2_VERSION);
        shake(&w, c, &p);
        assert_int_equal(elo_tls_error(&c->tls), cases[i].err);
        assert_int_equal(elo_tls_alert(&c->tls), cases[i].alert);
        assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
        test_peer_deinit(&p);
        client_free(c);
    }
    test_cert_free(&expired);
}

static void old_and_new_versions_of_tls_are_refused(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    SSL_CTX_set_min_proto_version(p.ctx, TLS1_3_VERSION);
    shake(&w, c, &p);
    assert_int_equal(elo_tls_error(&c->tls), ELO_E_TLS_ALERT);
    assert_int_equal(elo_tls_alert(&c->tls), SSL_AD_PROTOCOL_VERSION);

    /* A ServerHello of TLS 1.1, by hand: version 3.2, a random, no session, 0xC02F, no more. */
    static const uint8_t old[] = {22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2};
    uint8_t hello[47] = {0};
    memcpy(hello, old, sizeof old);
    hello[44] = 0xC0;
    hello[45] = 0x2F;
    test_peer_start(&p);
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
    size_t n;
    while (elo_tls_output_buf(&c->tls, &n) != NULL)
        elo_tls_output_ack(&c->tls, n);
    uint8_t *in = elo_tls_input_buf(&c->tls, &n);
    for (size_t i = 0; in != NULL && i < sizeof hello; i++) {
        in[0] = hello[i];
        elo_tls_input_ack(&c->tls, 1);
        in = elo_tls_input_buf(&c->tls, &n);
    }
    assert_int_equal(elo_tls_error(&c->tls), ELO_E_TLS_HANDSHAKE);
    assert_int_equal(elo_tls_error_number(&c->tls), BR_ERR_UNSUPPORTED_VERSION);
    const uint8_t *alert = elo_tls_output_buf(&c->tls, &n);
    assert_int_equal(n, 7);
    assert_int_equal(alert[6], SSL_AD_PROTOCOL_VERSION);
    test_peer_deinit(&p);
    client_free(c);
}

/* --- refused before a byte is sent -------------------------------------------------------------
 */

static void init_refuses(struct client *c, elo_err err)
{
    size_t n;
    assert_int_equal(elo_tls_init(&c->tls, &c->config), err);
    assert_int_equal(elo_tls_error(&c->tls), err);
    assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
    assert_null(elo_tls_output_buf(&c->tls, &n));
    assert_null(elo_tls_input_buf(&c->tls, &n));
    assert_null(elo_tls_read_buf(&c->tls, &n));
    assert_null(elo_tls_write_buf(&c->tls, &n));
    elo_tls_flush(&c->tls);
    elo_tls_close(&c->tls);
    elo_tls_input_end(&c->tls);
    assert_int_equal(elo_tls_error(&c->tls), err);
}

static void unsafe_configurations_are_refused(void **state)
{
    (void)state;
    char long_name[257];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[256] = '\0';
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    const struct elo_tls_config good = c->config;
    const char *const bad_hosts[] = {NULL, "", "192.168.1.5", "::1", "[fe80::1]", long_name};
    for (size_t i = 0; i < sizeof bad_hosts / sizeof bad_hosts[0]; i++) {
        c->config.host = bad_hosts[i];
        init_refuses(c, ELO_E_SERVER_NAME);
    }
    c->config = good;
    c->config.anchors = NULL;
    init_refuses(c, ELO_E_ROOT);

    static const uint32_t clocks[] = {0, 1, 1000000000, ELO_TLS_CLOCK_FLOOR - 1};
    c->config = good;
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        c->config.now_unix = clocks[i];
        init_refuses(c, ELO_E_CLOCK);
    }
    c->config.now_unix = (uint32_t)TEST_NOW;
    c->config.clock_floor = (uint32_t)TEST_NOW + 1;
    init_refuses(c, ELO_E_CLOCK);

    static const uint8_t zeros[64];
    c->config = good;
    c->config.entropy.len = ELO_TLS_ENTROPY_MIN - 1;
    init_refuses(c, ELO_E_ENTROPY);
    c->config.entropy = elo_span_of(NULL, 0);
    init_refuses(c, ELO_E_ENTROPY);
    c->config.entropy = elo_span_of(zeros, sizeof zeros);
    init_refuses(c, ELO_E_ENTROPY);

    c->config = good;
    c->config.input_cap--;
    init_refuses(c, ELO_E_NO_SPACE);
    c->config = good;
    c->config.output_cap--;
    init_refuses(c, ELO_E_NO_SPACE);

    c->config = good;
    long_name[255] = '\0';
    c->config.host = long_name;
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
    client_free(c);
}

/* --- a bad wire --------------------------------------------------------------------------------
 */

static size_t handshake_bytes(void)
{
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    test_peer_deinit(&p);
    client_free(c);
    return w.passed;
}

/* Cut after some bytes of the handshake: never ready, always TCP_CLOSED. (ECDSA signatures vary in
 * length by a few bytes, so the very end is left out.) */
static void a_cut_is_told_from_a_goodbye(void **state)
{
    (void)state;
    size_t total = handshake_bytes();
    for (size_t at = 1; at + 16 < total; at += 61) {
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
        struct wire w = {.cut_at = at};
        struct test_peer p;
        test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
        shake(&w, c, &p);
        assert_int_equal(elo_tls_error(&c->tls), ELO_E_TCP_CLOSED);
        assert_int_equal(elo_tls_error_number(&c->tls), 0);
        test_peer_deinit(&p);
        client_free(c);
    }
}

/* One bit wrong anywhere in the server's part: never ready. */
static void a_damaged_handshake_never_succeeds(void **state)
{
    (void)state;
    size_t total = handshake_bytes();
    for (size_t at = 1; at + 16 < total; at += 53) {
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
        struct wire w = {.flip_at = at};
        struct test_peer p;
        test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
        shake(&w, c, &p);
        if (elo_tls_state(&c->tls) & ELO_TLS_READY)
            fail_msg("ready in spite of a flipped bit in byte %zu", at);
        test_peer_deinit(&p);
        client_free(c);
    }
}

static void a_damaged_record_ends_the_connection(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
    struct wire w = {0};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    w.flip_at = w.passed + 5 + 8 + 3;
    SSL_write(p.ssl, "precious", 8);
    pump(&w);
    assert_int_equal(w.client_len, 0);
    assert_int_equal(elo_tls_error(&c->tls), ELO_E_MALFORMED);
    assert_int_equal(elo_tls_error_number(&c->tls), BR_ERR_BAD_MAC);
    assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
    /* The first error stays. */
    elo_tls_input_end(&c->tls);
    assert_int_equal(elo_tls_error(&c->tls), ELO_E_MALFORMED);
    struct elo_tls_session session;
    assert_int_equal(elo_tls_session_get(&c->tls, &session), ELO_E_NOT_FOUND);
    test_peer_deinit(&p);
    client_free(c);
}

static void one_byte_at_a_time(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_RSA], &pki.root[TEST_RSA], 512);
    struct wire w = {.chunk = 1, .echo = true};
    struct test_peer p;
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    shake(&w, c, &p);
    expect_ready(&c->tls);
    say(&w, (const uint8_t *)"drop by drop", 12);
    assert_int_equal(w.client_len, 12);
    assert_memory_equal(w.client_in, "drop by drop", 12);
    test_peer_deinit(&p);
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_server_and_client_key),
        cmocka_unit_test(suites_are_these_four_and_no_others),
        cmocka_unit_test(fragment_lengths_are_negotiated),
        cmocka_unit_test(a_record_too_large_has_its_own_reason),
        cmocka_unit_test(a_session_is_resumed),
        cmocka_unit_test(closing_flushes_and_says_goodbye),
        cmocka_unit_test(the_server_may_say_goodbye_first),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(protocols),
        cmocka_unit_test(bad_server_certificates),
        cmocka_unit_test(a_weak_or_unsigned_chain_is_refused),
        cmocka_unit_test(the_server_refuses_our_certificate),
        cmocka_unit_test(old_and_new_versions_of_tls_are_refused),
        cmocka_unit_test(unsafe_configurations_are_refused),
        cmocka_unit_test(a_cut_is_told_from_a_goodbye),
        cmocka_unit_test(a_damaged_handshake_never_succeeds),
        cmocka_unit_test(a_damaged_record_ends_the_connection),
        cmocka_unit_test(one_byte_at_a_time),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
