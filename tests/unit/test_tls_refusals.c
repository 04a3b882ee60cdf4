// links: elo_tls PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The TLS engine against OpenSSL: what must fail fails with its own reason, and the server is told
 * why where the protocol allows it.
 */
#include "tests/support/tls_wire.h"

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
        {"capitals", "Data.IOT.test", -day, day, &pki.root[TEST_P256], ELO_OK, 0, -1},
        {"a wildcard is one label", "*.test", -day, day, &pki.root[TEST_P256], ELO_E_SERVER_NAME,
         56, SSL_AD_BAD_CERTIFICATE},
        {"a wildcard is a whole label", "d*.iot.test", -day, day, &pki.root[TEST_P256],
         ELO_E_SERVER_NAME, 56, SSL_AD_BAD_CERTIFICATE},
        {"a wildcard is not all", "*", -day, day, &pki.root[TEST_P256], ELO_E_SERVER_NAME, 56,
         SSL_AD_BAD_CERTIFICATE},
        {"the end of our name", "iot.test", -day, day, &pki.root[TEST_P256], ELO_E_SERVER_NAME, 56,
         SSL_AD_BAD_CERTIFICATE},
        {"more than our name", HOST ".org", -day, day, &pki.root[TEST_P256], ELO_E_SERVER_NAME, 56,
         SSL_AD_BAD_CERTIFICATE},
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
        if (elo_tls_error(&c->tls) != cases[i].err) {
            fail_msg("%s: error %d (%d)", cases[i].what, elo_tls_error(&c->tls),
                     elo_tls_error_number(&c->tls));
        }
        assert_int_equal(elo_tls_error_number(&c->tls), cases[i].bear);
        assert_int_equal(p.alert, cases[i].alert);
        assert_int_equal(elo_tls_server_not_after(&c->tls), TEST_NOW + cases[i].not_after);
        if (cases[i].err != ELO_OK) {
            assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
        }
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
    while (elo_tls_output_buf(&c->tls, &n) != NULL) {
        elo_tls_output_ack(&c->tls, n);
    }
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

/* What a server, or someone on the way, may say instead of a ServerHello. */
static void strange_first_records_end_the_handshake(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t len;
        elo_err err;
        int alert; /* received */
    } cases[] = {
        {"application data", {23, 3, 3, 0, 4, 1, 2, 3, 4}, 9, ELO_E_TLS_HANDSHAKE, -1},
        {"change cipher spec", {20, 3, 3, 0, 1, 1}, 6, ELO_E_TLS_HANDSHAKE, -1},
        {"finished", {22, 3, 3, 0, 4, 20, 0, 0, 0}, 9, ELO_E_TLS_HANDSHAKE, -1},
        {"a record of 16,385 bytes", {22, 3, 3, 0x40, 1, 2}, 6, ELO_E_TLS_HANDSHAKE, -1},
        {"a record of 65,535 bytes", {22, 3, 3, 0xFF, 0xFF, 2}, 6, ELO_E_TLS_HANDSHAKE, -1},
        {"a handshake message of 16 MB", {22, 3, 3, 0, 4, 2, 0xFF, 0xFF, 0xFF}, 9, ELO_OK, -1},
        {"SSL 2", {0x80, 0x2E, 1, 0, 2}, 5, ELO_E_TLS_HANDSHAKE, -1},
        {"HTTP", "HTTP/1.1 400 Ba", 15, ELO_E_TLS_HANDSHAKE, -1},
        {"an alert that warns", {21, 3, 3, 0, 2, 1, 112}, 7, ELO_OK, -1},
        {"an alert that ends it", {21, 3, 3, 0, 2, 2, 80}, 7, ELO_E_TLS_ALERT, 80},
        {"no protocol in common", {21, 3, 3, 0, 2, 2, 120}, 7, ELO_E_ALPN, 120},
        {"an alert of no level", {21, 3, 3, 0, 2, 7, 80}, 7, ELO_E_TLS_ALERT, 80},
        {"a goodbye", {21, 3, 3, 0, 2, 1, 0}, 7, ELO_OK, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_P256], 512);
        assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
        size_t n;
        while (elo_tls_output_buf(&c->tls, &n) != NULL) {
            elo_tls_output_ack(&c->tls, n);
        }
        uint8_t *in;
        for (size_t at = 0; at < cases[i].len && (in = elo_tls_input_buf(&c->tls, &n)) != NULL;
             at++) {
            in[0] = cases[i].bytes[at];
            elo_tls_input_ack(&c->tls, 1);
        }
        unsigned state_now = elo_tls_state(&c->tls);
        if (elo_tls_error(&c->tls) != cases[i].err || elo_tls_alert(&c->tls) != cases[i].alert) {
            fail_msg("%s: error %d (%d), state %u", cases[i].what, elo_tls_error(&c->tls),
                     elo_tls_error_number(&c->tls), state_now);
        }
        assert_int_equal(state_now & (ELO_TLS_READY | ELO_TLS_READ | ELO_TLS_WRITE), 0);
        assert_null(elo_tls_read_buf(&c->tls, &n));
        client_free(c);
    }
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
    const char *const bad_hosts[] = {
        NULL,     "",      "192.168.1.5", "::1",     "[fe80::1]",  HOST ".",           HOST "\n",
        " " HOST, ".test", "*.iot.test",  "a..test", HOST "/mqtt", "caf\xC3\xA9.test", long_name};
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
        if (elo_tls_state(&c->tls) & ELO_TLS_READY) {
            fail_msg("ready in spite of a flipped bit in byte %zu", at);
        }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_server_certificates),
        cmocka_unit_test(a_weak_or_unsigned_chain_is_refused),
        cmocka_unit_test(the_server_refuses_our_certificate),
        cmocka_unit_test(old_and_new_versions_of_tls_are_refused),
        cmocka_unit_test(strange_first_records_end_the_handshake),
        cmocka_unit_test(unsafe_configurations_are_refused),
        cmocka_unit_test(a_cut_is_told_from_a_goodbye),
        cmocka_unit_test(a_damaged_handshake_never_succeeds),
        cmocka_unit_test(a_damaged_record_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
