// links: elo_tls PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Identities and anchors out of PEM and DER: every form that people have, and every way in which
 * such files are broken.
 */
#include "tests/support/tls_peer.h"

#include "elo/tls/credentials.h"

#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    struct test_cert root, middle, rsa, p256, p384, p521, rsa1024, ed25519, expires_late;
} pki;

static struct test_cert device_for(EVP_PKEY *key)
{
    struct test_cert_spec spec = {"thing-1", TEST_NOW - TEST_YEAR, TEST_NOW + TEST_YEAR, false};
    assert_non_null(key);
    return test_cert_make(spec, key, &pki.root);
}

static int make_pki(void **state)
{
    (void)state;
    struct test_cert_spec late = {"thing-1", 0, 253402300799L, false};
    pki.root = test_ca_make("Root", TEST_P256);
    pki.middle = test_ca_make("Middle", TEST_RSA);
    pki.rsa = device_for(test_key_make(TEST_RSA));
    pki.p256 = device_for(test_key_make(TEST_P256));
    pki.p384 = device_for(test_key_make(TEST_P384));
    pki.p521 = device_for(EVP_EC_gen("P-521"));
    pki.rsa1024 = device_for(EVP_RSA_gen(1024));
    pki.ed25519 = device_for(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    pki.expires_late = test_cert_make(late, test_key_make(TEST_P256), &pki.root);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    struct test_cert *all = &pki.root;
    for (size_t i = 0; i < sizeof pki / sizeof *all; i++) {
        test_cert_free(&all[i]);
    }
    return 0;
}

struct roots {
    struct elo_tls_anchors anchors;
    br_x509_trust_anchor table[3];
    uint8_t mem[3 * ELO_TLS_ANCHOR_BYTES_MAX];
    struct elo_tls_work work;
};

/* --- a decoder with memory of exactly the size --------------------------------------------------
 */

struct bench {
    struct elo_tls_identity identity;
    struct elo_tls_work work;
    uint8_t *mem;
    size_t cap;
};

static void bench_init(struct bench *b, size_t cap)
{
    memset(b, 0, sizeof *b);
    b->cap = cap;
    b->mem = calloc(1, cap > 0 ? cap : 1);
}

static elo_err decode_spans(struct bench *b, elo_span cert, elo_span key)
{
    return elo_tls_identity_init(&b->identity, cert, key, b->mem, b->cap, &b->work);
}

static elo_err decode(const struct test_text *cert, const struct test_text *key)
{
    struct bench b;
    bench_init(&b, 8192);
    memset(&b.work, 0x55, sizeof b.work);
    elo_err err =
        decode_spans(&b, elo_span_of(cert->ptr, cert->len), elo_span_of(key->ptr, key->len));
    const uint8_t *work = (const uint8_t *)&b.work;
    for (size_t i = 0; i < sizeof b.work; i++) {
        assert_int_equal(work[i], 0); /* no key is left behind */
    }
    if (err != ELO_OK) {
        assert_int_equal(elo_tls_identity_certificate(&b.identity).len, 0);
    } else {
        assert_true(elo_tls_identity_certificate(&b.identity).len > 100);
    }
    free(b.mem);
    return err;
}

static void crlf(const struct test_text *from, struct test_text *to)
{
    to->len = 0;
    for (size_t i = 0; i < from->len; i++) {
        if (from->ptr[i] == '\n') {
            to->ptr[to->len++] = '\r';
        }
        to->ptr[to->len++] = from->ptr[i];
    }
}

static void
join(struct test_text *to, const char *before, const struct test_text *text, const char *after)
{
    struct test_text out;
    int n = snprintf(out.ptr, sizeof out.ptr, "%s%.*s%s", before, (int)text->len, text->ptr, after);
    out.len = (size_t)n;
    *to = out;
}

static void der_of(const struct test_cert *c, struct test_text *cert, struct test_text *key)
{
    unsigned char *p = (unsigned char *)cert->ptr;
    cert->len = (size_t)i2d_X509(c->x509, &p);
    p = (unsigned char *)key->ptr;
    key->len = (size_t)i2d_PrivateKey(c->key, &p); /* PKCS#1, SEC1 */
}

static void pkcs8_der_of(const struct test_cert *c, struct test_text *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    i2d_PKCS8PrivateKey_bio(bio, c->key, NULL, NULL, 0, NULL, NULL);
    test_text_take(bio, key);
}

/* --- what works ---------------------------------------------------------------------------------
 */

static void every_form_of_key(void **state)
{
    (void)state;
    const struct test_cert *devices[] = {&pki.rsa, &pki.p256, &pki.p384};
    for (size_t i = 0; i < 3; i++) {
        struct test_text cert, key, lines;
        test_cert_pem(devices[i], &cert);
        test_key_pem(devices[i], &key);
        assert_int_equal(decode(&cert, &key), ELO_OK);
        crlf(&key, &lines);
        assert_int_equal(decode(&cert, &lines), ELO_OK);
        test_key_traditional_pem(devices[i], &key);
        assert_int_equal(decode(&cert, &key), ELO_OK);
        crlf(&cert, &lines);
        assert_int_equal(decode(&lines, &key), ELO_OK);
        der_of(devices[i], &cert, &key);
        assert_int_equal(decode(&cert, &key), ELO_OK);
        pkcs8_der_of(devices[i], &key);
        assert_int_equal(decode(&cert, &key), ELO_OK);
    }
}

static void what_people_have_around_the_objects(void **state)
{
    (void)state;
    static const char parameters[] =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    struct test_text cert, key, text;
    test_cert_pem(&pki.p256, &cert);
    test_key_traditional_pem(&pki.p256, &key);
    join(&text, parameters, &key, "");
    assert_int_equal(decode(&cert, &text), ELO_OK);
    join(&text, "Bag Attributes\n  friendlyName: thing-1\n\n", &key, "\n\n");
    assert_int_equal(decode(&cert, &text), ELO_OK);
    join(&text, "\xEF\xBB\xBF", &cert, "");
    assert_int_equal(decode(&text, &key), ELO_OK);
    key.len--; /* no end of line after the last line */
    assert_int_equal(key.ptr[key.len - 1], '-');
    assert_int_equal(decode(&cert, &key), ELO_OK);
    key.len++;
    join(&text, cert.ptr, &key, ""); /* one file with both, given twice */
    assert_int_equal(decode(&text, &text), ELO_OK);
    cert.len++; /* a C string with its NUL */
    assert_int_equal(decode(&cert, &key), ELO_OK);
}

static void a_chain_keeps_its_order(void **state)
{
    (void)state;
    struct bench b;
    struct test_text leaf, middle, chain, key, der;
    test_cert_pem(&pki.p256, &leaf);
    test_cert_pem(&pki.middle, &middle);
    test_key_pem(&pki.p256, &key);
    join(&chain, leaf.ptr, &middle, "");
    bench_init(&b, 4096);
    assert_int_equal(
        decode_spans(&b, elo_span_of(chain.ptr, chain.len), elo_span_of(key.ptr, key.len)), ELO_OK);
    der_of(&pki.p256, &der, &key);
    assert_true(
        elo_span_eq(elo_tls_identity_certificate(&b.identity), elo_span_of(der.ptr, der.len)));
    assert_int_equal(b.identity._internal.chain_len, 2);
    der_of(&pki.middle, &der, &key);
    assert_memory_equal(b.identity._internal.chain[1].data, der.ptr, der.len);
    free(b.mem);

    test_key_pem(&pki.p256, &key);
    join(&chain, middle.ptr, &leaf, ""); /* the wrong way round */
    assert_int_equal(decode(&chain, &key), ELO_E_KEYPAIR);
    join(&chain, leaf.ptr, &leaf, leaf.ptr);
    join(&chain, leaf.ptr, &chain, leaf.ptr);
    assert_int_equal(decode(&chain, &key), ELO_E_TOO_LARGE);
}

static void dates_are_read(void **state)
{
    (void)state;
    struct bench b;
    struct test_text cert, key;
    der_of(&pki.rsa, &cert, &key);
    bench_init(&b, 4096);
    assert_int_equal(
        decode_spans(&b, elo_span_of(cert.ptr, cert.len), elo_span_of(key.ptr, key.len)), ELO_OK);
    assert_int_equal(elo_tls_identity_not_before(&b.identity), TEST_NOW - TEST_YEAR);
    assert_int_equal(elo_tls_identity_not_after(&b.identity), TEST_NOW + TEST_YEAR);
    der_of(&pki.expires_late, &cert, &key); /* as AWS's own: 9999-12-31 and the like */
    assert_int_equal(
        decode_spans(&b, elo_span_of(cert.ptr, cert.len), elo_span_of(key.ptr, key.len)), ELO_OK);
    assert_int_equal(elo_tls_identity_not_before(&b.identity), 0);
    assert_int_equal(elo_tls_identity_not_after(&b.identity), UINT32_MAX);
    free(b.mem);
}

/* Many dates, against OpenSSL's calendar. */
static void every_month_and_leap_year(void **state)
{
    (void)state;
    EVP_PKEY *key = test_key_make(TEST_P256);
    for (long t = 3; t < 4294967295L; t += 86400L * 25 + 3601) {
        struct test_cert_spec spec = {"thing-1", t, t + 1, false};
        EVP_PKEY_up_ref(key);
        struct test_cert c = test_cert_make(spec, key, NULL);
        struct test_text cert, k;
        struct bench b;
        der_of(&c, &cert, &k);
        bench_init(&b, 2048);
        assert_int_equal(
            decode_spans(&b, elo_span_of(cert.ptr, cert.len), elo_span_of(k.ptr, k.len)), ELO_OK);
        assert_int_equal(elo_tls_identity_not_before(&b.identity), t);
        assert_int_equal(elo_tls_identity_not_after(&b.identity), t + 1);
        free(b.mem);
        test_cert_free(&c);
        t += 86400L * 365; /* a sample is enough */
    }
    EVP_PKEY_free(key);
}

/* --- what does not, and why ---------------------------------------------------------------------
 */

static void keys_of_others_are_found_out(void **state)
{
    (void)state;
    const struct test_cert *all[] = {&pki.rsa, &pki.middle, &pki.p256, &pki.root, &pki.p384};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            struct test_text cert, key;
            test_cert_pem(all[i], &cert);
            test_key_pem(all[k], &key);
            assert_int_equal(decode(&cert, &key), i == k ? ELO_OK : ELO_E_KEYPAIR);
        }
    }
}

static void keys_that_aws_would_not_take(void **state)
{
    (void)state;
    const struct test_cert *all[] = {&pki.p521, &pki.rsa1024, &pki.ed25519};
    for (size_t i = 0; i < 3; i++) {
        struct test_text cert, key;
        test_cert_pem(all[i], &cert);
        test_key_pem(all[i], &key);
        elo_err err = decode(&cert, &key);
        if (err != ELO_E_UNSUPPORTED) {
            fail_msg("case %zu: %d", i, err);
        }
    }
    struct test_text cert, key;
    test_cert_pem(&pki.p256, &cert);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, pki.p256.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    test_text_take(bio, &key);
    assert_non_null(strstr(key.ptr, "ENCRYPTED"));
    assert_int_equal(decode(&cert, &key), ELO_E_UNSUPPORTED);
}

static void files_that_are_not_what_they_should_be(void **state)
{
    (void)state;
    struct test_text cert, key, empty = {"", 0}, html = {"<html>404</html>\n", 17}, bad;
    test_cert_pem(&pki.p256, &cert);
    test_key_pem(&pki.p256, &key);
    assert_int_equal(decode(&key, &key), ELO_E_BAD_PEM);
    assert_int_equal(decode(&cert, &cert), ELO_E_BAD_PEM);
    assert_int_equal(decode(&empty, &key), ELO_E_BAD_PEM);
    assert_int_equal(decode(&cert, &empty), ELO_E_BAD_PEM);
    assert_int_equal(decode(&html, &key), ELO_E_BAD_PEM);
    assert_int_equal(decode(&cert, &html), ELO_E_BAD_PEM);
    bad = key;
    bad.ptr[60] = '!';
    assert_int_equal(decode(&cert, &bad), ELO_E_BAD_PEM);
    bad = cert;
    bad.ptr[100] = ' ';
    assert_int_equal(decode(&bad, &key), ELO_E_BAD_PEM);
    /* A traditional encrypted key: not base64. */
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(bio, pki.rsa.key, EVP_aes_128_cbc(),
                                         (const unsigned char *)"secret", 6, NULL, NULL);
    test_text_take(bio, &bad);
    assert_int_equal(decode(&cert, &bad), ELO_E_BAD_PEM);
}

/* More after the end, as much as one chunk and several: not a certificate. */
static void bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    for (size_t more = 1; more <= 200; more += 3) {
        struct test_text cert, key, good;
        struct roots r;
        der_of(&pki.root, &cert, &key);
        good = cert;
        memset(cert.ptr + cert.len, 0, more);
        cert.len += more;
        assert_int_equal(decode(&cert, &key), ELO_E_BAD_PEM);
        elo_tls_anchors_init(&r.anchors, r.table, 3, r.mem, sizeof r.mem);
        assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(cert.ptr, cert.len), &r.work),
                         ELO_E_BAD_PEM);
        memset(key.ptr + key.len, 0, more);
        key.len += more;
        assert_int_equal(decode(&good, &key), ELO_E_BAD_PEM);
    }
}

/* Cut anywhere, in both forms: never accepted, never read beyond. */
static void a_cut_file_is_refused_at_every_length(void **state)
{
    (void)state;
    struct test_text cert, key;
    for (int form = 0; form < 2; form++) {
        if (form == 0) {
            test_cert_pem(&pki.p256, &cert);
            test_key_pem(&pki.p256, &key);
        } else {
            der_of(&pki.p256, &cert, &key);
        }
        for (size_t n = 0; n + 2 < cert.len; n++) {
            struct bench b;
            uint8_t *cut = malloc(n + 1);
            memcpy(cut, cert.ptr, n);
            bench_init(&b, 2048);
            elo_err err = decode_spans(&b, elo_span_of(cut, n), elo_span_of(key.ptr, key.len));
            /* After "-----END " nothing is looked at: all data are there. */
            if (err == ELO_OK && (form == 1 || n + 17 < cert.len)) {
                fail_msg("taken at %zu of %zu", n, cert.len);
            }
            if (err == ELO_OK || n >= key.len) {
                err = ELO_E_BAD_PEM;
            } else {
                err = decode_spans(&b, elo_span_of(cert.ptr, cert.len), elo_span_of(key.ptr, n));
            }
            if (err == ELO_OK && (form == 1 || n + 17 < key.len)) {
                fail_msg("key taken at %zu of %zu", n, key.len);
            }
            free(cut);
            free(b.mem);
        }
    }
}

/* What certificate and key take in memory: numbers without their leading zero bytes, and one in 256
 * of a random RSA key's five begins with one. */
static size_t memory_needed(const struct test_text *cert, const struct test_text *key, size_t most)
{
    for (size_t cap = most - 8; cap < most; cap++) {
        struct bench b;
        bench_init(&b, cap);
        elo_err err =
            decode_spans(&b, elo_span_of(cert->ptr, cert->len), elo_span_of(key->ptr, key->len));
        free(b.mem);
        if (err == ELO_OK) {
            return cap;
        }
    }
    return most;
}

/* Too little memory, at every size: NO_SPACE, and no byte of the key stays. */
static void memory_that_is_too_small(void **state)
{
    (void)state;
    const struct test_cert *devices[] = {&pki.rsa, &pki.p256};
    for (size_t i = 0; i < 2; i++) {
        struct test_text cert, key;
        der_of(devices[i], &cert, &key);
        size_t need = memory_needed(&cert, &key, cert.len + (i == 0 ? 5 * 128 : 32));
        for (size_t cap = 0; cap <= need; cap += cap + 64 < need ? 61 : 1) {
            struct bench b;
            bench_init(&b, cap);
            elo_err err =
                decode_spans(&b, elo_span_of(cert.ptr, cert.len), elo_span_of(key.ptr, key.len));
            assert_int_equal(err, cap < need ? ELO_E_NO_SPACE : ELO_OK);
            if (err == ELO_OK) {
                elo_tls_identity_wipe(&b.identity);
            }
            for (size_t k = 0; k < cap && k < need - cert.len; k++) {
                assert_int_equal(err == ELO_OK || k < 32 ? b.mem[k] : 0, 0);
            }
            free(b.mem);
        }
    }
}

/* --- anchors ------------------------------------------------------------------------------------
 */

static void anchors_from_pem_der_and_bundles(void **state)
{
    (void)state;
    struct roots r;
    struct test_text one, two, der, key;
    test_cert_pem(&pki.root, &one);
    test_cert_pem(&pki.middle, &two);
    elo_tls_anchors_init(&r.anchors, r.table, 3, r.mem, sizeof r.mem);
    assert_int_equal(elo_tls_anchors_count(&r.anchors), 0);
    join(&one, "# Our roots\r\n", &one, two.ptr);
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(one.ptr, one.len), &r.work),
                     ELO_OK);
    assert_int_equal(elo_tls_anchors_count(&r.anchors), 2);
    der_of(&pki.root, &der, &key);
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(der.ptr, der.len), &r.work),
                     ELO_OK);
    assert_int_equal(r.table[1].pkey.key_type, BR_KEYTYPE_RSA);
    assert_int_equal(r.table[0].dn.len, r.table[2].dn.len);
    assert_memory_equal(r.table[0].dn.data, r.table[2].dn.data, r.table[0].dn.len);
    assert_memory_equal(r.table[0].pkey.key.ec.q, r.table[2].pkey.key.ec.q, 65);
    /* Full: nothing changes. */
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(der.ptr, der.len), &r.work),
                     ELO_E_NO_SPACE);
    assert_int_equal(elo_tls_anchors_count(&r.anchors), 3);
}

static void anchors_that_are_refused(void **state)
{
    (void)state;
    struct roots r;
    struct test_text good, bad, text;
    test_cert_pem(&pki.root, &good);
    test_cert_pem(&pki.p256, &bad); /* not a CA */
    join(&text, good.ptr, &bad, "");
    elo_tls_anchors_init(&r.anchors, r.table, 3, r.mem, sizeof r.mem);
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(text.ptr, text.len), &r.work),
                     ELO_E_UNSUPPORTED);
    assert_int_equal(elo_tls_anchors_count(&r.anchors), 0); /* not even the good one */
    test_key_pem(&pki.root, &bad);
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(bad.ptr, bad.len), &r.work),
                     ELO_E_BAD_PEM);
    good.ptr[200] = '*';
    assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(good.ptr, good.len), &r.work),
                     ELO_E_BAD_PEM);
    test_cert_pem(&pki.root, &good);
    for (size_t cap = 0; cap < 65; cap += 16) {
        elo_tls_anchors_init(&r.anchors, r.table, 3, r.mem, cap);
        assert_int_equal(elo_tls_anchors_add(&r.anchors, elo_span_of(good.ptr, good.len), &r.work),
                         ELO_E_NO_SPACE);
    }
}

/* Amazon's roots are what Amazon Trust Services publishes: SHA-256 of the certificate. */
static void amazons_roots(void **state)
{
    (void)state;
    static const struct {
        elo_span (*get)(void);
        const char *sha256;
        uint8_t key_type;
    } cases[] = {
        {elo_tls_amazon_root_ca_1,
         "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e", BR_KEYTYPE_RSA},
        {elo_tls_amazon_root_ca_3,
         "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4", BR_KEYTYPE_EC},
    };
    struct roots r;
    elo_tls_anchors_init(&r.anchors, r.table, 3, r.mem, 2 * ELO_TLS_ANCHOR_BYTES);
    for (size_t i = 0; i < 2; i++) {
        elo_span der = cases[i].get();
        unsigned char hash[32];
        char hex[65];
        EVP_Q_digest(NULL, "SHA256", NULL, der.ptr, der.len, hash, NULL);
        for (size_t k = 0; k < 32; k++) {
            snprintf(hex + 2 * k, 3, "%02x", hash[k]);
        }
        assert_string_equal(hex, cases[i].sha256);
        assert_int_equal(elo_tls_anchors_add(&r.anchors, der, &r.work), ELO_OK);
        assert_int_equal(r.table[i].pkey.key_type, cases[i].key_type);
    }
    assert_int_equal(elo_tls_anchors_count(&r.anchors), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_key),
        cmocka_unit_test(what_people_have_around_the_objects),
        cmocka_unit_test(a_chain_keeps_its_order),
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(every_month_and_leap_year),
        cmocka_unit_test(keys_of_others_are_found_out),
        cmocka_unit_test(keys_that_aws_would_not_take),
        cmocka_unit_test(files_that_are_not_what_they_should_be),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(a_cut_file_is_refused_at_every_length),
        cmocka_unit_test(memory_that_is_too_small),
        cmocka_unit_test(anchors_from_pem_der_and_bundles),
        cmocka_unit_test(anchors_that_are_refused),
        cmocka_unit_test(amazons_roots),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
