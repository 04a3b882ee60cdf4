// links: elo_tls PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The TLS engine against OpenSSL, in one process over memory: what must work. What must fail is in
 * test_tls_refusals.c.
 */
#include "tests/support/tls_wire.h"

/* --- what must work ----------------------------------------------------------------------------
 */

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
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 31);
    }
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
        if (cases[i].chosen) {
            assert_string_equal(elo_tls_alpn(&c->tls), cases[i].chosen);
        } else {
            assert_null(elo_tls_alpn(&c->tls));
        }
        assert_int_equal(!!(elo_tls_state(&c->tls) & ELO_TLS_READY), cases[i].err == ELO_OK);
        test_peer_deinit(&p);
        client_free(c);
    }
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
        cmocka_unit_test(one_byte_at_a_time),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
