// links: elo_tls PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a small device uses of the TLS engine: its profile, credentials without a decoder, memory
 * lent for the handshake, and a handshake in steps.
 */
#include "tests/support/tls_wire.h"

/* --- credentials as a small device keeps them ---------------------------------------------------
 */

static size_t der_of(const X509 *x509, uint8_t *out)
{
    uint8_t *end = out;
    int len = i2d_X509(x509, &end);
    assert_true(len > 0);
    return (size_t)len;
}

static void raw_key_of(const EVP_PKEY *key, uint8_t out[ELO_TLS_P256_KEY_BYTES])
{
    BIGNUM *d = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, "priv", &d), 1);
    assert_int_equal(BN_bn2binpad(d, out, ELO_TLS_P256_KEY_BYTES), ELO_TLS_P256_KEY_BYTES);
    BN_clear_free(d);
}

/* A client with the small profile; its handshake's memory is on the heap, so that a use after it
 * was given back is caught. */
struct small {
    struct client *c;
    uint8_t key[ELO_TLS_P256_KEY_BYTES], chain[2048];
    size_t chain_len;
};

static void small_make(struct small *s, enum test_key server)
{
    s->c = client_make(NULL, &pki.root[TEST_P256], 512);
    uint8_t root[2048];
    size_t len = der_of(pki.root[server].x509, root);
    elo_tls_anchors_init(&s->c->anchors, s->c->table, 2, s->c->anchor_mem, sizeof s->c->anchor_mem);
    assert_int_equal(elo_tls_anchors_add_der(&s->c->anchors, elo_span_of(root, len)), ELO_OK);
    memset(root, 0, sizeof root); /* it was copied */
    s->chain_len = der_of(pki.device[TEST_P256].x509, s->chain);
    s->chain_len += der_of(pki.device_root.x509, s->chain + s->chain_len);
    raw_key_of(pki.device[TEST_P256].key, s->key);
    assert_int_equal(
        elo_tls_identity_ec(&s->c->identity, elo_span_of(s->chain, s->chain_len), s->key), ELO_OK);
    assert_int_equal(elo_tls_identity_check(&s->c->identity), ELO_OK);
    s->c->config.identity = &s->c->identity;
    s->c->config.profile = &elo_tls_profile_aws_small;
    s->c->config.handshake = malloc(sizeof *s->c->config.handshake);
    s->c->config.stepwise = true;
}

static void small_free(struct small *s)
{
    client_free(s->c);
}

/* As soon as the memory is given back it is freed. */
static void free_when_given_back(struct wire *w)
{
    struct client *c = (struct client *)((char *)w->tls - offsetof(struct client, tls));
    if (!elo_tls_borrows(w->tls)) {
        free(c->config.handshake);
        c->config.handshake = NULL;
    }
}

/* --- the profile -------------------------------------------------------------------------------
 */

static void it_reaches_servers_with_rsa_and_p256(void **state)
{
    (void)state;
    static const enum test_key servers[] = {TEST_RSA, TEST_P256};
    for (size_t i = 0; i < 2; i++) {
        struct small s;
        struct wire w = {.echo = true, .acked = free_when_given_back};
        struct test_peer p;
        small_make(&s, servers[i]);
        test_peer_init(&p, &pki.server[servers[i]], &pki.intermediate[servers[i]],
                       &pki.device_root);
        shake(&w, s.c, &p);
        expect_ready(&s.c->tls);
        assert_null(s.c->config.handshake);
        memset(&s.c->identity, 0, sizeof s.c->identity); /* nor are these looked at again */
        memset(&s.c->anchors, 0, sizeof s.c->anchors);
        memset(s.c->table, 0, sizeof s.c->table);
        assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.ssl), pki.device[TEST_P256].x509), 0);
        assert_int_equal(sk_X509_num(SSL_get0_verified_chain(p.ssl)), 2);
        assert_int_equal(elo_tls_cipher_suite(&s.c->tls), servers[i] == TEST_RSA ? 0xC02F : 0xC02B);
        assert_int_equal(elo_tls_server_not_after(&s.c->tls), TEST_NOW + TEST_YEAR);
        uint8_t text[1200];
        memset(text, 'x', sizeof text);
        say(&w, text, sizeof text);
        assert_int_equal(w.client_len, sizeof text);
        assert_memory_equal(w.client_in, text, sizeof text);
        /* A HelloRequest is answered without the validator. */
        assert_int_equal(SSL_renegotiate(p.ssl), 1);
        SSL_do_handshake(p.ssl);
        ERR_clear_error();
        pump(&w);
        assert_int_equal(p.alert, SSL_AD_NO_RENEGOTIATION);
        test_peer_deinit(&p);
        small_free(&s);
    }
}

/* Two suites; SHA-384 and P-384 are not offered, and a chain that needs them is not accepted. */
static void what_it_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *suite, *curve, *signature;
        enum test_key server;
        elo_err err;
    } cases[] = {
        {"ECDHE-RSA-AES256-GCM-SHA384", NULL, NULL, TEST_RSA, ELO_E_TLS_ALERT},
        {"ECDHE-RSA-CHACHA20-POLY1305", NULL, NULL, TEST_RSA, ELO_E_TLS_ALERT},
        {"ECDHE-RSA-AES128-GCM-SHA256", "P-384", NULL, TEST_RSA, ELO_E_TLS_ALERT},
        {"ECDHE-RSA-AES128-GCM-SHA256", NULL, "RSA+SHA384", TEST_RSA, ELO_E_TLS_ALERT},
        {"ECDHE-RSA-AES128-GCM-SHA256", "P-256", "RSA+SHA256:ECDSA+SHA256", TEST_RSA, ELO_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct small s;
        struct wire w = {.acked = free_when_given_back};
        struct test_peer p;
        small_make(&s, cases[i].server);
        test_peer_init(&p, &pki.server[cases[i].server], &pki.intermediate[cases[i].server],
                       &pki.device_root);
        SSL_CTX_set_cipher_list(p.ctx, cases[i].suite);
        if (cases[i].curve) {
            assert_int_equal(SSL_CTX_set1_groups_list(p.ctx, cases[i].curve), 1);
        }
        if (cases[i].signature) {
            assert_int_equal(SSL_CTX_set1_sigalgs_list(p.ctx, cases[i].signature), 1);
        }
        shake(&w, s.c, &p);
        assert_int_equal(elo_tls_error(&s.c->tls), cases[i].err);
        test_peer_deinit(&p);
        small_free(&s);
    }
}

/* A server that shows it nevertheless: RSA, below an intermediate on P-384 that signs with SHA-384.
 */
static void a_chain_beyond_it_is_refused(void **state)
{
    (void)state;
    struct test_cert server = test_leaf_make(HOST, TEST_RSA, &pki.intermediate[TEST_P384]);
    for (int full = 0; full <= 1; full++) {
        struct small s;
        struct wire w = {.acked = free_when_given_back};
        struct test_peer p;
        struct test_text pem;
        small_make(&s, TEST_RSA);
        test_cert_pem(&pki.root[TEST_P384], &pem);
        assert_int_equal(
            elo_tls_anchors_add(&s.c->anchors, elo_span_of(pem.ptr, pem.len), &s.c->work), ELO_OK);
        s.c->config.profile = full ? &elo_tls_profile_full : &elo_tls_profile_aws_small;
        test_peer_init(&p, &server, &pki.intermediate[TEST_P384], &pki.device_root);
        shake(&w, s.c, &p);
        assert_int_equal(elo_tls_error(&s.c->tls), full ? ELO_OK : ELO_E_TLS_HANDSHAKE);
        if (!full) {
            assert_int_equal(elo_tls_error_number(&s.c->tls), BR_ERR_X509_UNSUPPORTED);
        }
        test_peer_deinit(&p);
        small_free(&s);
    }
    test_cert_free(&server);
}

static void keys_it_cannot_use_are_refused(void **state)
{
    (void)state;
    static const enum test_key keys[] = {TEST_RSA, TEST_P384};
    for (size_t i = 0; i < 2; i++) {
        struct client *c = client_make(&pki.device[keys[i]], &pki.root[TEST_RSA], 512);
        c->config.profile = &elo_tls_profile_aws_small;
        assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_E_UNSUPPORTED);
        c->config.identity = NULL;
        assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_OK);
        assert_int_equal(elo_tls_present(&c->tls, &c->identity), ELO_E_UNSUPPORTED);
        elo_tls_close(&c->tls);
        assert_int_equal(elo_tls_state(&c->tls), ELO_TLS_CLOSED);
        assert_int_equal(elo_tls_server_not_after(&c->tls), 0);
        client_free(c);
    }
}

/* --- memory for the handshake ------------------------------------------------------------------
 */

static void without_memory_no_handshake(void **state)
{
    (void)state;
    struct client *c = client_make(&pki.device[TEST_P256], &pki.root[TEST_RSA], 512);
    c->config.handshake = NULL;
    assert_int_equal(elo_tls_init(&c->tls, &c->config), ELO_E_NO_SPACE);
    client_free(c);
}

static void a_failure_gives_the_memory_back(void **state)
{
    (void)state;
    static const struct {
        long now;
        elo_err err;
    } cases[] = {{TEST_NOW + 2 * TEST_YEAR, ELO_E_SERVER_EXPIRED},
                 {ELO_TLS_CLOCK_FLOOR, ELO_E_CLOCK}};
    for (size_t i = 0; i < 2; i++) {
        struct small s;
        struct wire w = {.acked = free_when_given_back};
        struct test_peer p;
        small_make(&s, TEST_RSA);
        s.c->config.now_unix = (uint32_t)cases[i].now;
        test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
        shake(&w, s.c, &p);
        assert_int_equal(elo_tls_error(&s.c->tls), cases[i].err);
        assert_null(s.c->config.handshake);
        assert_int_equal(p.alert, SSL_AD_CERTIFICATE_EXPIRED);
        test_peer_deinit(&p);
        small_free(&s);
    }
}

/* One piece of memory: the input buffer, over its rear the validator and then our certificate. */
static struct {
    struct small s;
    struct elo_tls_identity late;
    uint8_t *mem;
    bool presented;
} overlay;

enum { OVERLAY_BYTES = ELO_TLS_STEP_INPUT_BYTES + sizeof(struct elo_tls_handshake) };

static void present_when_given_back(struct wire *w)
{
    uint8_t *spare = overlay.mem + ELO_TLS_INPUT_BYTES(512);
    size_t len = overlay.s.chain_len;
    if (elo_tls_borrows(w->tls) || overlay.presented || elo_tls_error(w->tls) != ELO_OK) {
        return;
    }
    assert_true(spare + len <= overlay.mem + OVERLAY_BYTES);
    memset(overlay.mem + ELO_TLS_STEP_INPUT_BYTES, 0xA5, OVERLAY_BYTES - ELO_TLS_STEP_INPUT_BYTES);
    memcpy(spare, overlay.s.chain, len);
    assert_int_equal(elo_tls_identity_ec(&overlay.late, elo_span_of(spare, len), overlay.s.key),
                     ELO_OK);
    assert_int_equal(elo_tls_present(w->tls, &overlay.late), ELO_OK);
    overlay.presented = true;
}

static void overlay_make(enum test_key server)
{
    memset(&overlay, 0, sizeof overlay);
    small_make(&overlay.s, server);
    struct elo_tls_config *config = &overlay.s.c->config;
    free(config->handshake);
    overlay.mem = malloc(OVERLAY_BYTES);
    config->input = overlay.mem;
    config->handshake =
        (struct elo_tls_handshake *)(void *)(overlay.mem + ELO_TLS_STEP_INPUT_BYTES);
    config->identity = NULL;
}

static void overlay_free(void)
{
    free(overlay.mem);
    small_free(&overlay.s);
}

static void validator_and_certificate_in_the_input_buffer(void **state)
{
    (void)state;
    static const enum test_key servers[] = {TEST_RSA, TEST_P256};
    static const size_t records[] = {0, 1, 100, 16384};
    for (size_t i = 0; i < 8; i++) {
        struct wire w = {.echo = true, .record = records[i / 2], .acked = present_when_given_back};
        struct test_peer p;
        enum test_key server = servers[i % 2];
        overlay_make(server);
        test_peer_init(&p, &pki.server[server], &pki.intermediate[server], &pki.device_root);
        shake(&w, overlay.s.c, &p);
        expect_ready(&overlay.s.c->tls);
        assert_true(overlay.presented);
        assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.ssl), pki.device[TEST_P256].x509), 0);
        uint8_t text[1200];
        memset(text, 'y', sizeof text);
        say(&w, text, sizeof text);
        assert_int_equal(w.client_len, sizeof text);
        assert_memory_equal(w.client_in, text, sizeof text);

        struct elo_tls *tls = &overlay.s.c->tls;
        struct elo_tls_session session;
        assert_int_equal(elo_tls_session_get(tls, &session), ELO_OK);
        elo_tls_close(tls);
        pump(&w);
        SSL_shutdown(p.ssl);
        overlay.s.c->config.resume = &session;
        overlay.presented = false;
        w.client_len = 0;
        shake(&w, overlay.s.c, &p);
        expect_ready(tls);
        assert_true(SSL_session_reused(p.ssl));
        assert_int_equal(elo_tls_server_not_after(tls), 0);
        say(&w, text, sizeof text);
        assert_int_equal(w.client_len, sizeof text);
        test_peer_deinit(&p);
        overlay_free();
    }
}

/* Whatever kind of record a server sends in the clear, it cannot write over the validator. */
static void only_the_front_of_the_input_buffer_is_written(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        const uint8_t header[5] = {(uint8_t)type, 3, 3, 0x40, 0};
        size_t n, at = 0;
        overlay_make(TEST_RSA);
        struct elo_tls *tls = &overlay.s.c->tls;
        assert_int_equal(elo_tls_init(tls, &overlay.s.c->config), ELO_OK);
        for (uint8_t *in; at < 16389 && (in = elo_tls_input_buf(tls, &n)) != NULL; at += n) {
            assert_true(in + n <= overlay.mem + ELO_TLS_STEP_INPUT_BYTES);
            for (size_t i = 0; i < n; i++) {
                in[i] = at + i < sizeof header ? header[at + i] : 1;
            }
            elo_tls_input_ack(tls, n);
        }
        if (type != SSL3_RT_ALERT) { /* these were warnings */
            assert_int_equal(elo_tls_error(tls), ELO_E_TLS_HANDSHAKE);
        }
        overlay_free();
    }
}

/* A key exchange in the place of the ServerHello is no proof, whether we have asked or not. */
static void only_a_proof_gives_the_memory_back(void **state)
{
    (void)state;
    static const uint8_t early[] = {22, 3, 3, 0, 8, 12, 0, 0, 4, 1, 2, 3, 4};
    for (int asked = 0; asked <= 1; asked++) {
        struct small s;
        size_t n;
        small_make(&s, TEST_RSA);
        assert_int_equal(elo_tls_init(&s.c->tls, &s.c->config), ELO_OK);
        while (asked && elo_tls_output_buf(&s.c->tls, &n) != NULL) {
            elo_tls_output_ack(&s.c->tls, n);
        }
        for (size_t at = 0; elo_tls_error(&s.c->tls) == ELO_OK; at += n) {
            assert_true(elo_tls_borrows(&s.c->tls));
            assert_true(at < sizeof early);
            uint8_t *in = elo_tls_input_buf(&s.c->tls, &n);
            assert_non_null(in);
            n = limit(sizeof early - at, n);
            memcpy(in, early + at, n);
            elo_tls_input_ack(&s.c->tls, n);
        }
        assert_int_equal(elo_tls_error(&s.c->tls), ELO_E_TLS_HANDSHAKE);
        assert_false(elo_tls_borrows(&s.c->tls));
        free(s.c->config.handshake);
        small_free(&s);
    }
}

static void an_end_gives_the_memory_back(void **state)
{
    (void)state;
    for (int closing = 0; closing <= 1; closing++) {
        struct small s;
        small_make(&s, TEST_RSA);
        assert_int_equal(elo_tls_init(&s.c->tls, &s.c->config), ELO_OK);
        if (closing) {
            elo_tls_close(&s.c->tls);
        } else {
            elo_tls_input_end(&s.c->tls);
        }
        free(s.c->config.handshake);
        assert_int_equal(elo_tls_state(&s.c->tls), ELO_TLS_CLOSED);
        assert_int_equal(elo_tls_server_not_after(&s.c->tls), 0);
        small_free(&s);
    }
}

/* --- steps -------------------------------------------------------------------------------------
 *
 * The small profile with its public-key operations counted.
 */

static struct {
    unsigned checks, agreements; /* since the last ack */
    unsigned blocks, most;       /* all, and the most in one ack */
    const struct elo_tls *early; /* its memory must be back before the agreement */
} work;

static const br_ec_impl *curve = &br_ec_p256_m15;

static uint32_t counted_rsa(const unsigned char *x,
                            size_t xlen,
                            const unsigned char *hash_oid,
                            size_t hash_len,
                            const br_rsa_public_key *pk,
                            unsigned char *hash_out)
{
    work.checks++;
    return br_rsa_i15_pkcs1_vrfy(x, xlen, hash_oid, hash_len, pk, hash_out);
}

static uint32_t counted_ecdsa(const br_ec_impl *impl,
                              const void *hash,
                              size_t hash_len,
                              const br_ec_public_key *pk,
                              const void *sig,
                              size_t sig_len)
{
    (void)impl;
    work.checks++;
    return br_ecdsa_i15_vrfy_asn1(curve, hash, hash_len, pk, sig, sig_len);
}

static uint32_t
counted_mul(unsigned char *g, size_t glen, const unsigned char *x, size_t xlen, int id)
{
    work.agreements++;
    assert_true(work.early == NULL || !elo_tls_borrows(work.early));
    return curve->mul(g, glen, x, xlen, id);
}

static void counted_algorithms(br_ssl_engine_context *eng)
{
    static br_ec_impl counted;
    counted = *curve;
    counted.mul = counted_mul;
    elo_tls_profile_aws_small._internal.algorithms(eng);
    br_ssl_engine_set_ec(eng, &counted);
    br_ssl_engine_set_rsavrfy(eng, counted_rsa);
    br_ssl_engine_set_ecdsa(eng, counted_ecdsa);
}

static void count(struct wire *w)
{
    unsigned blocks = work.checks + work.agreements;
    work.blocks += blocks;
    work.most = blocks > work.most ? blocks : work.most;
    work.checks = work.agreements = 0;
    free_when_given_back(w);
}

/* Runs a handshake; records of `record` bytes, `cap` bytes of input buffer. */
static void
run_counted(enum test_key server, bool stepwise, size_t record, size_t cap, size_t chunk)
{
    struct small s;
    struct wire w = {.record = record, .chunk = chunk, .acked = count};
    struct test_peer p;
    struct elo_tls_profile profile = {
        {counted_algorithms, elo_tls_profile_aws_small._internal.present}};
    small_make(&s, server);
    free(s.c->input);
    s.c->input = malloc(cap);
    s.c->config.input = s.c->input;
    s.c->config.input_cap = cap;
    s.c->config.profile = &profile;
    s.c->config.stepwise = stepwise;
    memset(&work, 0, sizeof work);
    work.early = stepwise ? &s.c->tls : NULL;
    test_peer_init(&p, &pki.server[server], &pki.intermediate[server], &pki.device_root);
    shake(&w, s.c, &p);
    expect_ready(&s.c->tls);
    assert_int_equal(work.blocks, 4); /* two of the chain, the server's key, ours */
    test_peer_deinit(&p);
    small_free(&s);
}

static void a_step_does_one_block_however_records_are_packed(void **state)
{
    (void)state;
    static const size_t records[] = {0, 1, 3, 64, 600, 16384};
    static const enum test_key servers[] = {TEST_RSA, TEST_P256};
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            run_counted(servers[k], true, records[i], ELO_TLS_INPUT_BYTES(512), 0);
            assert_int_equal(work.most, 1);
            run_counted(servers[k], true, records[i], ELO_TLS_INPUT_BYTES(16384), 0);
            assert_int_equal(work.most, 1);
            run_counted(servers[k], true, records[i], ELO_TLS_INPUT_BYTES(512), 7);
            assert_int_equal(work.most, 1);
        }
    }
}

/* That the test can see it: without steps a server's flight in one record is done in one go, up to
 * our certificate, which must be sent before we go on. */
static void without_steps_a_flight_is_done_in_one_go(void **state)
{
    (void)state;
    run_counted(TEST_RSA, false, 16384, ELO_TLS_INPUT_BYTES(16384), 0);
    assert_int_equal(work.most, 3);
}

static void pieces_are_small_until_it_is_encrypted(void **state)
{
    (void)state;
    struct small s;
    struct wire w = {.record = 16384, .echo = true, .acked = free_when_given_back};
    struct test_peer p;
    size_t n;
    small_make(&s, TEST_RSA);
    test_peer_init(&p, &pki.server[TEST_RSA], &pki.intermediate[TEST_RSA], &pki.device_root);
    w.tls = &s.c->tls;
    w.peer = &p;
    test_peer_start(&p);
    assert_int_equal(elo_tls_init(&s.c->tls, &s.c->config), ELO_OK);
    while ((elo_tls_state(w.tls) & ELO_TLS_READY) == 0) {
        uint8_t *in = elo_tls_input_buf(w.tls, &n);
        assert_true(in == NULL || s.c->tls._internal.pace.over != (n <= 64));
        assert_true((in == NULL) == (n == 0));
        bool moved = to_server(&w);
        moved = serve(&w) || moved;
        moved = to_client(&w) || moved;
        if (!moved && BIO_ctrl_pending(p.to_client) == 0 && in == NULL) {
            fail_msg("stuck");
        }
        if (s.c->tls._internal.pace.over) {
            break;
        }
    }
    pump(&w);
    expect_ready(&s.c->tls);
    say(&w, (const uint8_t *)"hello", 5);
    assert_int_equal(w.client_len, 5);
    assert_non_null(elo_tls_input_buf(w.tls, &n));
    test_peer_deinit(&p);
    small_free(&s);
}

static void a_resumed_session_takes_steps_too(void **state)
{
    (void)state;
    struct small s;
    struct wire w = {.acked = free_when_given_back};
    struct test_peer p;
    struct elo_tls_session session;
    small_make(&s, TEST_P256);
    test_peer_init(&p, &pki.server[TEST_P256], &pki.intermediate[TEST_P256], &pki.device_root);
    shake(&w, s.c, &p);
    expect_ready(&s.c->tls);
    assert_int_equal(elo_tls_session_get(&s.c->tls, &session), ELO_OK);
    elo_tls_close(&s.c->tls);
    pump(&w);
    SSL_shutdown(p.ssl);
    for (size_t record = 0; record <= 16384; record += 4096) {
        memset(&w, 0, sizeof w);
        w.record = record;
        w.acked = free_when_given_back;
        s.c->config.handshake = malloc(sizeof *s.c->config.handshake);
        s.c->config.resume = &session;
        shake(&w, s.c, &p);
        expect_ready(&s.c->tls);
        assert_true(SSL_session_reused(p.ssl));
        assert_int_equal(elo_tls_server_not_after(&s.c->tls), 0);
        elo_tls_close(&s.c->tls);
        pump(&w);
        SSL_shutdown(p.ssl);
    }
    test_peer_deinit(&p);
    small_free(&s);
}

/* --- credentials that are not right -------------------------------------------------------------
 */

static void identities_that_are_refused(void **state)
{
    (void)state;
    struct elo_tls_identity id;
    uint8_t der[8192], key[ELO_TLS_P256_KEY_BYTES], zero[ELO_TLS_P256_KEY_BYTES] = {0};
    size_t len = der_of(pki.device[TEST_P256].x509, der);
    raw_key_of(pki.device[TEST_P256].key, key);
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), key), ELO_OK);
    assert_int_equal(elo_tls_identity_not_before(&id), TEST_NOW - TEST_YEAR);
    assert_int_equal(elo_tls_identity_not_after(&id), TEST_NOW + TEST_YEAR);
    assert_true(elo_span_eq(elo_tls_identity_certificate(&id), elo_span_of(der, len)));
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), zero), ELO_E_KEYPAIR);
    assert_int_equal(elo_tls_identity_certificate(&id).len, 0);
    assert_int_equal(elo_tls_identity_check(&id), ELO_E_UNSUPPORTED);
    for (size_t cut = 0; cut < len; cut++) { /* on the heap: reading beyond is caught */
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, der, cut);
        assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(copy, cut), key), ELO_E_BAD_PEM);
        free(copy);
    }
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of("-----BEGIN", 10), key), ELO_E_BAD_PEM);
    for (int i = 1; i <= ELO_TLS_CHAIN_MAX; i++) {
        assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len * (size_t)i), key), ELO_OK);
        memcpy(der + len * (size_t)i, der, len);
    }
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len * (ELO_TLS_CHAIN_MAX + 1)), key),
                     ELO_E_TOO_LARGE);

    key[31] ^= 1;
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), key), ELO_OK);
    assert_int_equal(elo_tls_identity_check(&id), ELO_E_KEYPAIR);
    memset(key, 0xFF, sizeof key); /* not below the curve's order */
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), key), ELO_E_KEYPAIR);
    len = der_of(pki.device[TEST_RSA].x509, der);
    raw_key_of(pki.device[TEST_P256].key, key);
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), key), ELO_OK);
    assert_int_equal(elo_tls_identity_check(&id), ELO_E_KEYPAIR);
    len = der_of(pki.device[TEST_P384].x509, der);
    assert_int_equal(elo_tls_identity_ec(&id, elo_span_of(der, len), key), ELO_OK);
    assert_int_equal(elo_tls_identity_check(&id), ELO_E_KEYPAIR);
    elo_tls_identity_wipe(&id);
    assert_memory_equal(key, zero, sizeof key);
}

/* What is given out is what elo_tls_identity_ec() takes, however the key came in. */
static void the_raw_key(void **state)
{
    (void)state;
    static const struct {
        int device;
        elo_err err;
    } cases[] = {
        {TEST_P256, ELO_OK}, {TEST_RSA, ELO_E_UNSUPPORTED}, {TEST_P384, ELO_E_UNSUPPORTED}};
    static struct elo_tls_work decoder;
    static uint8_t mem[ELO_TLS_IDENTITY_BYTES * 2];
    struct elo_tls_identity id;
    uint8_t wanted[ELO_TLS_P256_KEY_BYTES], got[ELO_TLS_P256_KEY_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct test_cert *device = &pki.device[cases[i].device];
        struct test_text cert, key;
        test_cert_pem(device, &cert);
        test_key_pem(device, &key);
        assert_int_equal(elo_tls_identity_init(&id, elo_span_of(cert.ptr, cert.len),
                                               elo_span_of(key.ptr, key.len), mem, sizeof mem,
                                               &decoder),
                         ELO_OK);
        assert_int_equal(elo_tls_identity_p256_key(&id, got), cases[i].err);
        if (cases[i].err == ELO_OK) {
            raw_key_of(device->key, wanted);
            assert_memory_equal(got, wanted, sizeof got);
        }
        elo_tls_identity_wipe(&id);
        assert_int_equal(elo_tls_identity_p256_key(&id, got), ELO_E_UNSUPPORTED);
    }
    static uint8_t cut[ELO_TLS_P256_KEY_BYTES - 1] = {7}; /* decoded without the zero in front */
    memset(&id, 0, sizeof id);
    id._internal.key_type = BR_KEYTYPE_EC;
    id._internal.key.ec = (br_ec_private_key){BR_EC_secp256r1, cut, sizeof cut};
    assert_int_equal(elo_tls_identity_p256_key(&id, got), ELO_OK);
    assert_int_equal(got[0], 0);
    assert_int_equal(got[1], 7);
}

/* Both ways to a root say the same. */
static void roots_in_der(void **state)
{
    (void)state;
    struct elo_tls_work work_mem;
    const elo_span amazon[] = {elo_tls_amazon_root_ca_1(), elo_tls_amazon_root_ca_3()};
    uint8_t der[4][2048];
    elo_span roots[4] = {amazon[0], amazon[1],
                         elo_span_of(der[2], der_of(pki.root[TEST_RSA].x509, der[2])),
                         elo_span_of(der[3], der_of(pki.root[TEST_P256].x509, der[3]))};
    for (size_t i = 0; i < 4; i++) {
        struct elo_tls_anchors a, b;
        br_x509_trust_anchor ta, tb;
        uint8_t mem_a[ELO_TLS_ANCHOR_BYTES], mem_b[ELO_TLS_ANCHOR_BYTES];
        elo_tls_anchors_init(&a, &ta, 1, mem_a, sizeof mem_a);
        elo_tls_anchors_init(&b, &tb, 1, mem_b, sizeof mem_b);
        assert_int_equal(elo_tls_anchors_add(&a, roots[i], &work_mem), ELO_OK);
        assert_int_equal(elo_tls_anchors_add_der(&b, roots[i]), ELO_OK);
        assert_int_equal(elo_tls_anchors_add_der(&b, roots[i]), ELO_E_NO_SPACE);
        assert_int_equal(elo_tls_anchors_count(&b), 1);
        assert_int_equal(ta.flags, tb.flags);
        assert_true(
            elo_span_eq(elo_span_of(ta.dn.data, ta.dn.len), elo_span_of(tb.dn.data, tb.dn.len)));
        assert_int_equal(ta.pkey.key_type, tb.pkey.key_type);
        if (ta.pkey.key_type == BR_KEYTYPE_RSA) {
            assert_true(elo_span_eq(elo_span_of(ta.pkey.key.rsa.n, ta.pkey.key.rsa.nlen),
                                    elo_span_of(tb.pkey.key.rsa.n, tb.pkey.key.rsa.nlen)));
            assert_true(elo_span_eq(elo_span_of(ta.pkey.key.rsa.e, ta.pkey.key.rsa.elen),
                                    elo_span_of(tb.pkey.key.rsa.e, tb.pkey.key.rsa.elen)));
        } else {
            assert_int_equal(ta.pkey.key.ec.curve, tb.pkey.key.ec.curve);
            assert_true(elo_span_eq(elo_span_of(ta.pkey.key.ec.q, ta.pkey.key.ec.qlen),
                                    elo_span_of(tb.pkey.key.ec.q, tb.pkey.key.ec.qlen)));
        }
        elo_tls_anchors_table(&a, &tb, 1);
        assert_int_equal(elo_tls_anchors_count(&a), 1);
        assert_int_equal(elo_tls_anchors_add_der(&a, roots[i]), ELO_E_NO_SPACE);
    }
}

static void roots_that_are_refused(void **state)
{
    (void)state;
    struct elo_tls_anchors a;
    br_x509_trust_anchor table[2];
    uint8_t mem[ELO_TLS_ANCHOR_BYTES], der[2048];
    elo_tls_anchors_init(&a, table, 2, mem, sizeof mem);
    assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(NULL, 0)), ELO_E_BAD_PEM);
    size_t len = der_of(pki.server[TEST_P256].x509, der);
    assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(der, len)), ELO_E_UNSUPPORTED);
    len = der_of(pki.root[TEST_P384].x509, der);
    assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(der, len)), ELO_E_UNSUPPORTED);
    len = der_of(pki.root[TEST_RSA].x509, der);
    der[len] = 0x30;
    assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(der, len + 1)), ELO_E_BAD_PEM);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, der, cut);
        assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(copy, cut)), ELO_E_BAD_PEM);
        free(copy);
    }
    assert_int_equal(a._internal.mem_used, 0);
    for (size_t cap = 0; cap < 256; cap += 17) {
        elo_tls_anchors_init(&a, table, 2, mem, cap);
        assert_int_equal(elo_tls_anchors_add_der(&a, elo_span_of(der, len)), ELO_E_NO_SPACE);
        assert_int_equal(a._internal.mem_used, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reaches_servers_with_rsa_and_p256),
        cmocka_unit_test(what_it_lacks),
        cmocka_unit_test(a_chain_beyond_it_is_refused),
        cmocka_unit_test(keys_it_cannot_use_are_refused),
        cmocka_unit_test(without_memory_no_handshake),
        cmocka_unit_test(a_failure_gives_the_memory_back),
        cmocka_unit_test(validator_and_certificate_in_the_input_buffer),
        cmocka_unit_test(only_the_front_of_the_input_buffer_is_written),
        cmocka_unit_test(only_a_proof_gives_the_memory_back),
        cmocka_unit_test(an_end_gives_the_memory_back),
        cmocka_unit_test(a_step_does_one_block_however_records_are_packed),
        cmocka_unit_test(without_steps_a_flight_is_done_in_one_go),
        cmocka_unit_test(pieces_are_small_until_it_is_encrypted),
        cmocka_unit_test(a_resumed_session_takes_steps_too),
        cmocka_unit_test(identities_that_are_refused),
        cmocka_unit_test(the_raw_key),
        cmocka_unit_test(roots_in_der),
        cmocka_unit_test(roots_that_are_refused),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
