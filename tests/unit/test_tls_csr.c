// links: elo_tls server_pki server_base PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Keys made on the device and their signing requests, as the openssl command and the desk's CA see
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "elo/tls/csr.h"
#include "elo/tls/tls.h"
#include "server/base/limits.h"
#include "server/pki/pki.h"
#include "tests/support/desk_dir.h"

enum { NOW = 1767323045 /* 2026-01-02T03:04:05Z */ };

static const char LONGEST[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void make_key(uint8_t seed, uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    uint8_t entropy[ELO_TLS_ENTROPY_MIN];
    for (size_t i = 0; i < sizeof entropy; i++) {
        entropy[i] = (uint8_t)(i + seed);
    }
    assert_int_equal(elo_tls_key_make(elo_span_of(entropy, sizeof entropy), key), ELO_OK);
}

/* All lines, one behind the other. */
static size_t pem_text(const char *label, elo_span der, char *out)
{
    struct elo_tls_pem pem;
    size_t len = 0, n;
    char *line = malloc(ELO_TLS_PEM_LINE_BYTES);
    elo_tls_pem_init(&pem, label, der);
    while ((n = elo_tls_pem_line(&pem, line)) > 0) {
        assert_int_equal(strlen(line), n);
        assert_int_equal(line[n - 1], '\n');
        memcpy(out + len, line, n);
        len += n;
    }
    assert_int_equal(elo_tls_pem_line(&pem, line), 0);
    free(line);
    out[len] = '\0';
    return len;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void keys_come_from_entropy(void **state)
{
    (void)state;
    uint8_t a[ELO_TLS_P256_KEY_BYTES], b[ELO_TLS_P256_KEY_BYTES], zero[sizeof a] = {0};
    make_key(1, a);
    make_key(1, b);
    assert_memory_equal(a, b, sizeof a);
    make_key(2, b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, zero, sizeof a);

    uint8_t poor[64];
    memset(poor, 0x5A, sizeof poor);
    assert_int_equal(elo_tls_key_make(elo_span_of(poor, sizeof poor), a), ELO_E_ENTROPY);
    assert_memory_equal(a, zero, sizeof a);
    poor[1] = 1;
    assert_int_equal(elo_tls_key_make(elo_span_of(poor, ELO_TLS_ENTROPY_MIN - 1), a),
                     ELO_E_ENTROPY);
    assert_int_equal(elo_tls_key_make(elo_span_of(NULL, 0), a), ELO_E_ENTROPY);
    assert_int_equal(elo_tls_key_make(elo_span_of(poor, ELO_TLS_ENTROPY_MIN), a), ELO_OK);
}

static void a_point_for_keys_below_the_order_only(void **state)
{
    (void)state;
    uint8_t key[ELO_TLS_P256_KEY_BYTES] = {0}, point[ELO_TLS_P256_POINT_BYTES];
    static const uint8_t order[] = {0xFF, 0xFF, 0xFF, 0xFF, 0,    0,    0,    0,
                                    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84,
                                    0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};
    static const uint8_t base_x[] = {0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47};
    assert_int_equal(elo_tls_key_point(key, point), ELO_E_KEYPAIR);
    key[31] = 1; /* once the base point */
    assert_int_equal(elo_tls_key_point(key, point), ELO_OK);
    assert_int_equal(point[0], 4);
    assert_memory_equal(point + 1, base_x, sizeof base_x);
    memcpy(key, order, sizeof key);
    assert_int_equal(elo_tls_key_point(key, point), ELO_E_KEYPAIR);
    key[31]--; /* the base point mirrored: the same x */
    assert_int_equal(elo_tls_key_point(key, point), ELO_OK);
    assert_memory_equal(point + 1, base_x, sizeof base_x);
    memset(key, 0xFF, sizeof key);
    assert_int_equal(elo_tls_key_point(key, point), ELO_E_KEYPAIR);
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void openssl_reads_every_length_of_name(void **state)
{
    (void)state;
    size_t longest = 0;
    for (size_t len = 1; len <= ELO_TLS_CSR_NAME_MAX; len++) {
        uint8_t key[ELO_TLS_P256_KEY_BYTES], point[ELO_TLS_P256_POINT_BYTES], again[300];
        size_t cap = ELO_TLS_CSR_BYTES - ELO_TLS_CSR_NAME_MAX + len, csr_len, n;
        uint8_t *csr = malloc(cap); /* of exactly the size: an overrun is caught */
        make_key((uint8_t)len, key);
        elo_span name = elo_span_of(LONGEST, len);
        assert_int_equal(elo_tls_csr(name, key, csr, cap - 1, &csr_len), ELO_E_NO_SPACE);
        assert_int_equal(csr_len, 0);
        assert_int_equal(elo_tls_csr(name, key, csr, cap, &csr_len), ELO_OK);
        longest = csr_len > longest ? csr_len : longest;

        const uint8_t *at = csr;
        X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)csr_len);
        assert_non_null(req);
        assert_ptr_equal(at, csr + csr_len);
        assert_int_equal(X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
        assert_int_equal(X509_REQ_get_version(req), X509_REQ_VERSION_1);
        assert_int_equal(X509_REQ_get_signature_nid(req), NID_ecdsa_with_SHA256);
        assert_int_equal(X509_REQ_get_attr_count(req), 0);
        const X509_NAME *subject = X509_REQ_get_subject_name(req);
        assert_int_equal(X509_NAME_entry_count(subject), 1);
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, 0);
        assert_int_equal(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)), NID_commonName);
        ASN1_STRING *cn = X509_NAME_ENTRY_get_data(entry);
        assert_int_equal(ASN1_STRING_type(cn), V_ASN1_UTF8STRING);
        assert_true(elo_span_eq(
            name, elo_span_of(ASN1_STRING_get0_data(cn), (size_t)ASN1_STRING_length(cn))));
        assert_int_equal(elo_tls_key_point(key, point), ELO_OK);
        const unsigned char *theirs;
        int theirs_len;
        X509_PUBKEY_get0_param(NULL, &theirs, &theirs_len, NULL, X509_REQ_get_X509_PUBKEY(req));
        assert_int_equal(theirs_len, sizeof point);
        assert_memory_equal(theirs, point, sizeof point);
        assert_int_equal(elo_tls_csr(name, key, again, sizeof again, &n), ELO_OK);
        assert_int_equal(n, csr_len);
        assert_memory_equal(again, csr, n);
        X509_REQ_free(req);
        free(csr);
    }
    assert_true(longest <= ELO_TLS_CSR_BYTES);
}

static void the_desk_and_the_openssl_command_take_it(void **state)
{
    (void)state;
    static const char *const names[] = {"thing-1", "x", LONGEST, "esta\xC3\xA7\xC3\xA3o"};
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = NULL;
    char why[256] = "";
    assert_int_equal(pki_ca_open(dir.path, NOW, &ca, why, sizeof why), ELO_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint8_t key[ELO_TLS_P256_KEY_BYTES], csr[ELO_TLS_CSR_BYTES];
        char text[1024];
        size_t len;
        struct pki_issued issued;
        make_key((uint8_t)(100 + i), key);
        assert_int_equal(elo_tls_csr(elo_span_str(names[i]), key, csr, sizeof csr, &len), ELO_OK);
        elo_span pem =
            elo_span_of(text, pem_text("CERTIFICATE REQUEST", elo_span_of(csr, len), text));
        desk_write(&dir, "device.csr", pem);
        desk_expect(&dir, "openssl req -in device.csr -noout -verify 2>&1", "OK");
        desk_expect(&dir, "openssl req -in device.csr -noout -subject -nameopt utf8", names[i]);
        pki_issued_init(&issued);
        assert_int_equal(pki_issue_from_csr(ca, pem, NOW, &issued, why, sizeof why), ELO_OK);

        /* And what comes back is this key's: the whole of a device's enrolment. */
        struct elo_tls_identity identity;
        const uint8_t *at = buf_span(&issued.certificate_pem).ptr;
        BIO *bio = BIO_new_mem_buf(at, (int)buf_span(&issued.certificate_pem).len);
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        uint8_t der[1024], *end = der;
        assert_non_null(x509);
        size_t der_len = (size_t)i2d_X509(x509, &end);
        assert_int_equal(elo_tls_identity_ec(&identity, elo_span_of(der, der_len), key), ELO_OK);
        assert_int_equal(elo_tls_identity_check(&identity), ELO_OK);
        X509_free(x509);
        BIO_free(bio);
        pki_issued_free(&issued);
    }
    pki_ca_close(ca);
    desk_dir_remove(&dir);
}

static void names_and_keys_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        elo_err err;
    } cases[] = {
        {"", ELO_E_UTF8},
        {"a\nb", ELO_E_UTF8},
        {"a\x7F", ELO_E_UTF8},
        {"\xC3", ELO_E_UTF8},
        {"\xED\xA0\x80", ELO_E_UTF8},
        {"\xFF", ELO_E_UTF8},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefg", ELO_E_TOO_LARGE}};
    uint8_t key[ELO_TLS_P256_KEY_BYTES], zero[sizeof key] = {0}, csr[ELO_TLS_CSR_BYTES];
    size_t len = 1;
    make_key(7, key);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        len = 1;
        assert_int_equal(elo_tls_csr(elo_span_str(cases[i].name), key, csr, sizeof csr, &len),
                         cases[i].err);
        assert_int_equal(len, 0);
    }
    assert_int_equal(elo_tls_csr(elo_span_of("a\0b", 3), key, csr, sizeof csr, &len), ELO_E_UTF8);
    assert_int_equal(elo_tls_csr(ELO_SPAN("a"), zero, csr, sizeof csr, &len), ELO_E_KEYPAIR);
    assert_int_equal(elo_tls_csr(ELO_SPAN("a"), key, NULL, 0, &len), ELO_E_NO_SPACE);
}

/* --- PEM ---------------------------------------------------------------------------------------
 */

static void pem_as_openssl_writes_it(void **state)
{
    (void)state;
    uint8_t der[200];
    for (size_t i = 0; i < sizeof der; i++) {
        der[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t len = 0; len <= sizeof der; len++) {
        uint8_t *copy = malloc(len + 1);
        char text[600], *theirs;
        memcpy(copy, der, len);
        size_t n = pem_text("THING", elo_span_of(copy, len), text);
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio(bio, "THING", "", copy, (long)len);
        assert_int_equal(BIO_get_mem_data(bio, &theirs), (long)n);
        assert_memory_equal(text, theirs, n);
        BIO_free(bio);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_from_entropy),
        cmocka_unit_test(a_point_for_keys_below_the_order_only),
        cmocka_unit_test(openssl_reads_every_length_of_name),
        cmocka_unit_test(the_desk_and_the_openssl_command_take_it),
        cmocka_unit_test(names_and_keys_that_are_refused),
        cmocka_unit_test(pem_as_openssl_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
