// links: server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Certificates and keys: hashes against published vectors, what is read and refused of the files in
 * tests/vectors/pki, what is issued as the openssl command sees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "server/base/env.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/pki/pki.h"
#include "tests/support/desk_dir.h"

#define VECTORS ELO_SOURCE_DIR "/tests/vectors/pki/"

enum { NOW = 1767323045 /* 2026-01-02T03:04:05Z */ };

/* --- hashes ---------------------------------------------------------------------------------- */

static void assert_hex(const uint8_t hash[32], const char *hex)
{
    char text[65];
    core_hex(hash, 32, text);
    assert_string_equal(text, hex);
}

static void hashes_as_published(void **state)
{
    (void)state;
    uint8_t out[32];
    uint8_t key[131];
    pki_sha256(elo_span_of(NULL, 0), out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pki_sha256(ELO_SPAN("abc"), out); /* FIPS 180-2, B.1 */
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(key, 0x0b, 20); /* RFC 4231, 4.2 */
    pki_hmac_sha256(elo_span_of(key, 20), ELO_SPAN("Hi There"), out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    pki_hmac_sha256(ELO_SPAN("Jefe"), ELO_SPAN("what do ya want for nothing?"), out); /* 4.3 */
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 131); /* 4.7 */
    pki_hmac_sha256(elo_span_of(key, 131),
                    ELO_SPAN("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    pki_hmac_sha256(elo_span_of(NULL, 0), elo_span_of(NULL, 0), out);
    assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void compares_and_draws(void **state)
{
    (void)state;
    static uint8_t a[70000];
    static uint8_t b[70000];
    assert_true(pki_equal(ELO_SPAN("abc"), ELO_SPAN("abc")));
    assert_false(pki_equal(ELO_SPAN("abc"), ELO_SPAN("abd")));
    assert_false(pki_equal(ELO_SPAN("abc"), ELO_SPAN("ab")));
    assert_true(pki_equal(elo_span_of(NULL, 0), ELO_SPAN("")));
    assert_true(pki_random(a, sizeof a));
    assert_true(pki_random(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + sizeof a - 16, b + sizeof b - 16, 16);
}

/* --- reading certificates -------------------------------------------------------------------- */

static struct buf vector(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, VECTORS "%s", name);
    return desk_read_path(path);
}

/* SHA-256 of p256.crt.der, which openssl made: what every shape of that certificate must give. */
static void id_of_vector(char out[65])
{
    struct buf der = vector("p256.crt.der");
    uint8_t hash[32];
    pki_sha256(buf_span(&der), hash);
    core_hex(hash, 32, out);
    buf_free(&der);
}

static void reads_a_certificate_however_it_comes(void **state)
{
    (void)state;
    static const char *const shapes[] = {"p256.crt.pem", "crlf.crt.pem", "text-before.crt.pem",
                                         "two.crt.pem", "key-before.crt.pem"};
    char id[65];
    id_of_vector(id);
    struct buf plain = vector("p256.crt.pem");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct pki_certificate info;
        struct buf text = vector(shapes[i]);
        struct buf pem;
        char why[256] = "";
        buf_init(&pem, LIMIT_PEM_BYTES);
        if (pki_certificate_read(buf_span(&text), &info, why, sizeof why) != ELO_OK) {
            fail_msg("%s: %s", shapes[i], why);
        }
        assert_string_equal(info.id, id);
        assert_int_equal(info.not_after_s - info.not_before_s, INT64_C(9999) * 86400);
        assert_int_equal(pki_certificate_to_pem(buf_span(&text), &pem), ELO_OK);
        assert_true(elo_span_eq(buf_span(&pem), buf_span(&plain)));
        assert_int_equal(ERR_peek_error(), 0);
        buf_free(&pem);
        buf_free(&text);
    }
    buf_free(&plain);
}

static void takes_der_for_der_only(void **state)
{
    (void)state;
    char id[65];
    char expected[65];
    struct buf der = vector("p256.crt.der");
    struct buf plain = vector("p256.crt.pem");
    struct buf pem;
    elo_span all = buf_span(&der);
    id_of_vector(expected);
    buf_init(&pem, LIMIT_PEM_BYTES);
    assert_int_equal(pki_certificate_der_to_id(all, id), ELO_OK);
    assert_string_equal(id, expected);
    assert_int_equal(pki_certificate_to_pem(all, &pem), ELO_OK);
    assert_true(elo_span_eq(buf_span(&pem), buf_span(&plain)));
    assert_int_equal(pki_certificate_der_to_id(buf_span(&plain), id), ELO_E_BAD_PEM);
    for (size_t len = 0; len < all.len; len++) {
        assert_int_equal(pki_certificate_der_to_id(elo_span_first(all, len), id), ELO_E_BAD_PEM);
    }
    buf_byte(&der, 0);
    assert_int_equal(pki_certificate_der_to_id(buf_span(&der), id), ELO_E_BAD_PEM);
    assert_int_equal(ERR_peek_error(), 0);
    buf_free(&der);
    buf_free(&pem);
    buf_free(&plain);
}

static void says_what_came_instead_of_a_certificate(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *why;
    } cases[] = {
        {"empty.crt.pem", "is empty"},
        {"cut-short.crt.pem", "cut short or damaged"},
        {"damaged.crt.pem", "cut short or damaged"},
        {"encrypted.crt.pem", "cut short or damaged"},
        {"escaped.crt.pem", "the two characters \\n"},
        {"only-a-key.crt.pem", "is a private key"},
        {"only-a-csr.crt.pem", "is a certificate signing request"},
        {"no-certificate.crt.pem", "no X.509 certificate"},
        {"trailing.crt.pem", "no X.509 certificate"},
        {"p256.crt.der", "no line \"-----BEGIN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pki_certificate info = {.id = "untouched"};
        struct buf text = vector(cases[i].file);
        char why[256] = "";
        assert_int_equal(pki_certificate_read(buf_span(&text), &info, why, sizeof why),
                         ELO_E_BAD_PEM);
        if (strstr(why, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].file, why);
        }
        assert_string_equal(info.id, "untouched");
        assert_int_equal(ERR_peek_error(), 0);
        buf_free(&text);
    }
    struct buf out;
    buf_init(&out, 100);
    struct buf text = vector("p256.crt.pem");
    assert_int_equal(pki_certificate_to_pem(buf_span(&text), &out), ELO_E_TOO_LARGE);
    buf_free(&text);
    buf_init(&text, LIMIT_PEM_BYTES + 1);
    memset(buf_room(&text, LIMIT_PEM_BYTES + 1), '\n', LIMIT_PEM_BYTES + 1);
    buf_wrote(&text, LIMIT_PEM_BYTES + 1);
    assert_int_equal(pki_certificate_to_pem(buf_span(&text), &out), ELO_E_BAD_PEM);
    buf_free(&text);
}

static void knows_which_signatures_AWS_takes(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        elo_err err;
        const char *why;
    } cases[] = {
        {"p256.crt.pem", ELO_OK, ""},
        {"sha512.crt.pem", ELO_OK, ""},
        {"pss.crt.pem", ELO_OK, ""},
        {"sha1.crt.pem", ELO_E_UNSUPPORTED, "signed with ecdsa-with-SHA1"},
        {"ed25519.crt.pem", ELO_E_UNSUPPORTED, "signed with ED25519"},
        {"empty.crt.pem", ELO_E_BAD_PEM, "is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text = vector(cases[i].file);
        char why[256] = "";
        assert_int_equal(pki_certificate_check(buf_span(&text), why, sizeof why), cases[i].err);
        assert_non_null(strstr(why, cases[i].why));
        assert_int_equal(ERR_peek_error(), 0);
        buf_free(&text);
    }
}

/* --- policy variables ------------------------------------------------------------------------ */

static struct buf der_of(const char *pem_file)
{
    char command[512];
    snprintf(command, sizeof command, "openssl x509 -in " VECTORS "%s -outform DER", pem_file);
    return desk_run(command);
}

static void gives_policy_variables(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *values[4];
    } cases[] = {
        {"Subject.Country", {"US"}},
        {"Subject.Organization", {"IoT Devices"}},
        {"Subject.OrganizationalUnit",
         {"LightBulb", "Kitchen",
          "Zweite K\xc3\xbc"
          "che"}},
        {"Subject.State", {"NY"}},
        {"Subject.CommonName", {"LightBulb Device Cert"}},
        {"subject.commonname", {"LightBulb Device Cert"}},
        {"Subject.GivenName", {"Bulb"}},
        {"Subject.initials", {"ZZ"}},
        {"Subject.DistinguishedNameQualifier", {"Bulb001"}},
        {"Subject.Surname", {"Multi Color"}},
        {"Subject.Title", {"RGB"}},
        {"Subject.Pseudonym", {"RGB Device"}},
        {"Subject.GenerationQualifier", {"4"}},
        {"Subject.SerialNumber", {"123"}},
        {"Issuer.CommonName", {"IoT Devices Primary CA"}},
        {"Issuer.State", {NULL}},
        {"Subject.AlternativeName.DNSName", {"example.com", "two.example.com"}},
        {"Subject.AlternativeName.IPAddress", {"1.2.3.4", "2001:db8::1"}},
        {"Subject.AlternativeName.UniformResourceIdentifier", {"ResourceIdentifier001"}},
        {"Subject.AlternativeName.RFC822Name", {"device1@example.com"}},
        {"Subject.AlternativeName.DirectoryName",
         {"cn=LightBulbCert,ou=SmartHome\\, upstairs,o=IoT,c=US"}},
        {"Issuer.AlternativeName.DNSName", {"issuer.com"}},
        {"Issuer.AlternativeName.IPAddress", {"5.6.7.8"}},
        {"Issuer.AlternativeName.DirectoryName", {"cn=Primary Issuer CA,o=Issuer,c=US"}},
        {"SerialNumber", {"10525622389124227206"}}, /* the page's own example */
        {"Subject", {NULL}},
        {"Subject.", {NULL}},
        {"Subject.CommonName.1", {NULL}},
        {"Subject.AlternativeName", {NULL}},
        {"Subject.AlternativeName.", {NULL}},
        {"Subject.AlternativeName.CommonName", {NULL}},
        {"CommonName", {NULL}},
        {"", {NULL}},
    };
    struct buf der = der_of("variables.crt.pem");
    struct buf scratch;
    buf_init(&scratch, 1024);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        elo_span name = elo_span_str(cases[i].name);
        size_t count = 0;
        while (cases[i].values[count] != NULL) {
            count++;
        }
        for (size_t j = 0; j <= count; j++) {
            elo_span value = ELO_SPAN("untouched");
            size_t n = pki_certificate_variable(buf_span(&der), name, j, &scratch, &value);
            const char *expected = j < count ? cases[i].values[j] : "untouched";
            if (n != count || !elo_span_eq(value, elo_span_str(expected))) {
                fail_msg("%s[%zu]: %zu values, %.*s", cases[i].name, j, n, (int)value.len,
                         (const char *)value.ptr);
            }
        }
    }
    assert_int_equal(ERR_peek_error(), 0);
    buf_free(&scratch);
    buf_free(&der);
}

static void lists_the_available_keys(void **state)
{
    (void)state;
    struct buf der = der_of("p256.crt.pem"); /* CN alone, self-signed */
    struct buf scratch;
    elo_span value;
    buf_init(&scratch, 1024);
    static const char *const keys[] = {"iot:Certificate.Subject.CommonName",
                                       "iot:Certificate.Issuer.CommonName",
                                       "iot:Certificate.SerialNumber"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pki_certificate_variable(buf_span(&der), ELO_SPAN("AvailableKeys"), i,
                                                  &scratch, &value),
                         3);
        assert_true(elo_span_eq(value, elo_span_str(keys[i])));
    }
    buf_free(&der);
    der = der_of("variables.crt.pem");
    assert_int_equal(
        pki_certificate_variable(buf_span(&der), ELO_SPAN("AvailableKeys"), 0, &scratch, &value),
        13 + 5 + 3 + 5 + 1);
    buf_free(&der);
    buf_free(&scratch);
}

static void offers_no_text_with_a_nul_in_it(void **state)
{
    (void)state;
    struct buf der = der_of("nul.crt.pem");
    struct buf scratch;
    elo_span value;
    buf_init(&scratch, 1024);
    assert_int_equal(pki_certificate_variable(buf_span(&der),
                                              ELO_SPAN("Subject.AlternativeName.DNSName"), 0,
                                              &scratch, &value),
                     0);
    assert_int_equal(pki_certificate_variable(ELO_SPAN("nonsense"), ELO_SPAN("SerialNumber"), 0,
                                              &scratch, &value),
                     0);
    buf_free(&der);
    /* No room: the value is counted, but empty. */
    der = der_of("variables.crt.pem");
    buf_init(&scratch, 4);
    assert_int_equal(pki_certificate_variable(buf_span(&der), ELO_SPAN("Subject.CommonName"), 0,
                                              &scratch, &value),
                     1);
    assert_int_equal(value.len, 0);
    buf_free(&der);
    buf_free(&scratch);
}

/* --- issuing --------------------------------------------------------------------------------- */

static struct pki_ca *open_ca(const struct desk_dir *dir)
{
    struct pki_ca *ca = NULL;
    char why[256] = "";
    if (pki_ca_open(dir->path, NOW, &ca, why, sizeof why) != ELO_OK) {
        fail_msg("%s", why);
    }
    return ca;
}

static void issues_a_key_with_its_certificate(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    struct pki_issued issued;
    char why[256];
    char expected[128];
    pki_issued_init(&issued);
    assert_int_equal(pki_issue_with_key(ca, NULL, NOW, &issued, why, sizeof why), ELO_OK);
    desk_write(&dir, "device.pem", buf_span(&issued.certificate_pem));
    desk_write(&dir, "device.key", buf_span(&issued.private_key_pem));
    desk_write(&dir, "device.pub", buf_span(&issued.public_key_pem));
    assert_int_equal(issued.info.not_before_s, NOW - 120);
    assert_int_equal(issued.info.not_after_s, INT64_C(2524607999));

    desk_expect(&dir, "openssl verify -attime 1767323045 -CAfile ca.pem device.pem",
                "device.pem: OK");
    desk_expect(&dir, "head -1 device.key", "-----BEGIN RSA PRIVATE KEY-----");
    desk_expect(&dir, "head -1 device.pub", "-----BEGIN PUBLIC KEY-----");
    desk_expect(&dir, "openssl rsa -check -noout -in device.key 2>&1", "RSA key ok");
    desk_expect(&dir, "openssl pkey -pubout -in device.key | cmp - device.pub && echo same",
                "same");
    desk_expect(&dir, "openssl x509 -pubkey -noout -in device.pem | cmp - device.pub && echo same",
                "same");
    snprintf(expected, sizeof expected, "%.8s", issued.info.id);
    desk_expect(&dir,
                "openssl x509 -noout -fingerprint -sha256 -in device.pem | tr -d : | tr A-F a-f",
                expected);
    static const char *const facts[] = {"Version: 3 (0x2)",
                                        "Subject: CN = AWS IoT Certificate",
                                        "Issuer: O = Elo, CN = Elo desk CA ",
                                        "Not Before: Jan  2 03:02:05 2026 GMT",
                                        "Not After : Dec 31 23:59:59 2049 GMT",
                                        "Public-Key: (2048 bit)",
                                        "Signature Algorithm: ecdsa-with-SHA256",
                                        "Basic Constraints: critical\n                CA:FALSE",
                                        "Key Usage: critical\n                Digital Signature\n",
                                        "X509v3 Subject Key Identifier",
                                        "X509v3 Authority Key Identifier"};
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        desk_expect(&dir, "openssl x509 -noout -text -nameopt oneline,-esc_msb -in device.pem",
                    facts[i]);
    }
    char first[65];
    memcpy(first, issued.info.id, sizeof first);
    assert_int_equal(pki_issue_with_key(ca, NULL, NOW, &issued, why, sizeof why), ELO_OK);
    assert_string_not_equal(issued.info.id, first);
    assert_int_equal(ERR_peek_error(), 0);
    pki_issued_free(&issued);
    assert_int_equal(buf_span(&issued.private_key_pem).len, 0);
    pki_ca_close(ca);
    desk_dir_remove(&dir);
}

static const struct {
    const char *file;
    elo_err err;
    const char *why;
    const char *subject; /* as openssl prints it */
} requests[] = {
    {"rsa2048.csr.pem", ELO_OK, "", "subject=C = BR, O = Horta, CN = garden-7\n"},
    {"p256.csr.pem", ELO_OK, "", "subject=CN = esta\xc3\xa7\xc3\xa3o-\xe2\x98\x94\n"},
    {"p384.csr.pem", ELO_OK, "", "subject=CN = garden-7\n"},
    {"p521.csr.pem", ELO_OK, "", "subject=CN = garden-7\n"},
    {"no-subject.csr.pem", ELO_OK, "", "subject=\n"},
    {"rsa1024.csr.pem", ELO_E_UNSUPPORTED, "RSA of 1024 bits", NULL},
    {"rsa2047.csr.pem", ELO_E_UNSUPPORTED, "RSA of 2047 bits", NULL},
    {"rsa-pss.csr.pem", ELO_E_UNSUPPORTED, "type is RSA-PSS", NULL},
    {"p224.csr.pem", ELO_E_UNSUPPORTED, "another elliptic curve", NULL},
    {"secp256k1.csr.pem", ELO_E_UNSUPPORTED, "another elliptic curve", NULL},
    {"explicit.csr.pem", ELO_E_UNSUPPORTED, "another elliptic curve", NULL},
    {"ed25519.csr.pem", ELO_E_UNSUPPORTED, "type is ED25519", NULL},
    {"bad-signature.csr.pem", ELO_E_BAD_PEM, "not signed with its own key", NULL},
    {"bad-subject.csr.pem", ELO_E_BAD_PEM, "not signed with its own key", NULL},
    {"trailing.csr.pem", ELO_E_BAD_PEM, "no signing request", NULL},
    {"p256.crt.pem", ELO_E_BAD_PEM, "is a certificate", NULL},
    {"only-a-key.crt.pem", ELO_E_BAD_PEM, "is a private key", NULL},
    {"empty.crt.pem", ELO_E_BAD_PEM, "is empty", NULL},
};

static void check_request(struct pki_ca *ca, const struct desk_dir *dir, size_t i)
{
    struct buf csr = vector(requests[i].file);
    struct pki_issued issued;
    char why[256] = "";
    pki_issued_init(&issued);
    elo_err err = pki_issue_from_csr(ca, buf_span(&csr), NOW, &issued, why, sizeof why);
    if (err != requests[i].err || strstr(why, requests[i].why) == NULL) {
        fail_msg("%s: %d %s", requests[i].file, err, why);
    }
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(buf_span(&issued.private_key_pem).len, 0);
    if (err == ELO_OK) {
        char first[65];
        memcpy(first, issued.info.id, sizeof first);
        desk_write(dir, "device.pem", buf_span(&issued.certificate_pem));
        desk_expect(dir, "openssl verify -attime 1767323045 -CAfile ca.pem device.pem", ": OK");
        desk_expect(dir,
                    "openssl x509 -noout -subject -nameopt oneline,utf8,-esc_msb -in device.pem",
                    requests[i].subject);
        assert_int_equal(pki_issue_from_csr(ca, buf_span(&csr), NOW, &issued, why, sizeof why),
                         ELO_OK);
        assert_string_not_equal(issued.info.id, first);
    } else {
        assert_int_equal(buf_span(&issued.certificate_pem).len, 0);
        assert_string_equal(issued.info.id, "");
    }
    pki_issued_free(&issued);
    buf_free(&csr);
}

static void issues_for_requests_that_AWS_takes(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        check_request(ca, &dir, i);
    }
    pki_ca_close(ca);
    desk_dir_remove(&dir);
}

static void makes_a_key_and_a_request(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        elo_err err;
    } names[] = {
        {"garden-7", ELO_OK},
        {"0123456789012345678901234567890123456789012345678901234567890123", ELO_OK},
        {"01234567890123456789012345678901234567890123456789012345678901234", ELO_E_TOO_LARGE},
        {"\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1"
         "\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1"
         "\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1\xc3\xa1",
         ELO_OK},
        {"", ELO_E_UTF8},
        {"\xff", ELO_E_UTF8},
    };
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf key;
        struct buf csr;
        struct pki_issued issued;
        char why[256] = "";
        buf_init(&key, LIMIT_PEM_BYTES);
        buf_init(&csr, LIMIT_PEM_BYTES);
        pki_issued_init(&issued);
        assert_int_equal(pki_make_key_and_csr(names[i].name, &key, &csr), names[i].err);
        assert_int_equal(ERR_peek_error(), 0);
        if (names[i].err == ELO_OK) {
            desk_write(&dir, "device.key", buf_span(&key));
            desk_write(&dir, "device.csr", buf_span(&csr));
            desk_expect(&dir, "head -1 device.key", "-----BEGIN PRIVATE KEY-----");
            desk_expect(&dir, "openssl req -in device.csr -noout -verify 2>&1", "OK");
            assert_int_equal(pki_issue_from_csr(ca, buf_span(&csr), NOW, &issued, why, sizeof why),
                             ELO_OK);
            desk_write(&dir, "device.pem", buf_span(&issued.certificate_pem));
            desk_expect(&dir, "openssl x509 -noout -subject -nameopt utf8 -in device.pem",
                        names[i].name);
            desk_expect(&dir,
                        "openssl pkey -in device.key -pubout > a; openssl x509 -pubkey -noout -in "
                        "device.pem | cmp - a && echo same",
                        "same");
        }
        pki_issued_free(&issued);
        buf_free(&key);
        buf_free(&csr);
    }
    pki_ca_close(ca);
    desk_dir_remove(&dir);
}

/* --- faults ---------------------------------------------------------------------------------- */

/* One of our own allocations fails after the other: no memory is the answer, and nothing leaks. */
static void survives_each_failing_allocation(void **state)
{
    (void)state;
    struct desk_dir dir = desk_dir_make();
    struct pki_ca *ca = open_ca(&dir);
    struct buf request = vector("p256.csr.pem");
    long failures = 0;
    for (int what = 0; what < 3; what++) {
        elo_err err = ELO_E_NO_MEMORY;
        for (long n = 1; n < 50 && err != ELO_OK; n++) {
            struct pki_issued issued;
            struct buf key;
            char why[128];
            pki_issued_init(&issued);
            buf_init(&key, LIMIT_PEM_BYTES);
            mem_fail_at(n);
            err = what == 0 ? pki_issue_with_key(ca, NULL, NOW, &issued, why, sizeof why)
                  : what == 1
                      ? pki_issue_from_csr(ca, buf_span(&request), NOW, &issued, why, sizeof why)
                      : pki_make_key_and_csr("n", &key, &issued.certificate_pem);
            mem_fail_at(0);
            assert_true(err == ELO_OK || err == ELO_E_NO_MEMORY);
            assert_true(err == ELO_OK || buf_span(&issued.certificate_pem).len == 0);
            failures += err != ELO_OK;
            buf_free(&key);
            pki_issued_free(&issued);
        }
        assert_int_equal(err, ELO_OK);
    }
    assert_in_range(failures, 6, 60);
    buf_free(&request);
    pki_ca_close(ca);
    desk_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_published),
        cmocka_unit_test(compares_and_draws),
        cmocka_unit_test(reads_a_certificate_however_it_comes),
        cmocka_unit_test(takes_der_for_der_only),
        cmocka_unit_test(says_what_came_instead_of_a_certificate),
        cmocka_unit_test(knows_which_signatures_AWS_takes),
        cmocka_unit_test(gives_policy_variables),
        cmocka_unit_test(lists_the_available_keys),
        cmocka_unit_test(offers_no_text_with_a_nul_in_it),
        cmocka_unit_test(issues_a_key_with_its_certificate),
        cmocka_unit_test(issues_for_requests_that_AWS_takes),
        cmocka_unit_test(makes_a_key_and_a_request),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
