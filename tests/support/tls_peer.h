// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The other side of a TLS test: certificates made on the spot with OpenSSL, and an OpenSSL server
 * that speaks over memory. Header only, so that only tests that link OpenSSL need it.
 *
 * Failures to set something up are assertions: they are bugs of the test.
 */
#ifndef TESTS_SUPPORT_TLS_PEER_H
#define TESTS_SUPPORT_TLS_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* "Now" of the tests: 2027-01-15, and a year around it. */
#define TEST_NOW  1800000000L
#define TEST_YEAR 31536000L

enum test_key { TEST_RSA, TEST_P256, TEST_P384 };

/* A certificate and its key. */
struct test_cert {
    EVP_PKEY *key;
    X509 *x509;
};

static inline EVP_PKEY *test_key_make(enum test_key type)
{
    EVP_PKEY *key =
        type == TEST_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen(type == TEST_P256 ? "P-256" : "P-384");
    assert_non_null(key);
    return key;
}

static inline void test_cert_extend(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

struct test_cert_spec {
    const char *name; /* subject CN, and DNS name unless it is a CA */
    long not_before, not_after;
    bool ca;
};

/* A certificate for `key`, which it takes over, signed by `issuer` or, if NULL, by itself. */
static inline struct test_cert
test_cert_make(struct test_cert_spec spec, EVP_PKEY *key, const struct test_cert *issuer)
{
    static long serial = 1;
    X509 *x = X509_new();
    assert_non_null(x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    ASN1_TIME_set(X509_getm_notBefore(x), spec.not_before);
    ASN1_TIME_set(X509_getm_notAfter(x), spec.not_after);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)spec.name, -1, -1, 0);
    X509_set_issuer_name(x,
                         issuer ? X509_get_subject_name(issuer->x509) : X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    test_cert_extend(x, NID_basic_constraints, spec.ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!spec.ca) {
        char san[300];
        snprintf(san, sizeof san, "DNS:%s", spec.name);
        test_cert_extend(x, NID_subject_alt_name, san);
    }
    EVP_PKEY *signer = issuer ? issuer->key : key;
    const EVP_MD *md = EVP_PKEY_get_bits(signer) == 384 ? EVP_sha384() : EVP_sha256();
    assert_true(X509_sign(x, signer, md) > 0);
    struct test_cert made = {key, x};
    return made;
}

static inline struct test_cert test_ca_make(const char *name, enum test_key type)
{
    struct test_cert_spec spec = {name, TEST_NOW - TEST_YEAR, TEST_NOW + TEST_YEAR, true};
    return test_cert_make(spec, test_key_make(type), NULL);
}

static inline struct test_cert
test_leaf_make(const char *name, enum test_key type, const struct test_cert *issuer)
{
    struct test_cert_spec spec = {name, TEST_NOW - TEST_YEAR, TEST_NOW + TEST_YEAR, false};
    return test_cert_make(spec, test_key_make(type), issuer);
}

static inline void test_cert_free(struct test_cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
    memset(c, 0, sizeof *c);
}

/* Text or bytes that OpenSSL has written to `bio`, NUL-terminated; the BIO is freed. */
struct test_text {
    char ptr[16384];
    size_t len;
};

static inline void test_text_take(BIO *bio, struct test_text *out)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    assert_true(len > 0 && (size_t)len < sizeof out->ptr);
    memcpy(out->ptr, data, (size_t)len);
    out->ptr[len] = '\0';
    out->len = (size_t)len;
    BIO_free(bio);
}

static inline void test_cert_pem(const struct test_cert *c, struct test_text *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, c->x509);
    test_text_take(bio, out);
}

/* PKCS#8. */
static inline void test_key_pem(const struct test_cert *c, struct test_text *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, c->key, NULL, NULL, 0, NULL, NULL);
    test_text_take(bio, out);
}

/* PKCS#1 or SEC1. */
static inline void test_key_traditional_pem(const struct test_cert *c, struct test_text *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey_traditional(bio, c->key, NULL, NULL, 0, NULL, NULL);
    test_text_take(bio, out);
}

/* --- the server ---------------------------------------------------------------------------- */

struct test_peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *from_client, *to_client;
    int alert;        /* the last alert received, -1: none */
    const char *alpn; /* the one protocol it accepts, NULL: it ignores the extension */
    char sni[256];    /* as received */
};

static inline void test_peer_info(const SSL *ssl, int where, int ret)
{
    struct test_peer *p = (struct test_peer *)SSL_get_app_data(ssl);
    if (p != NULL && where == SSL_CB_READ_ALERT) {
        p->alert = ret & 0xFF;
    }
}

static inline int test_peer_alpn(SSL *ssl,
                                 const unsigned char **out,
                                 unsigned char *out_len,
                                 const unsigned char *in,
                                 unsigned in_len,
                                 void *arg)
{
    (void)ssl;
    const struct test_peer *p = (const struct test_peer *)arg;
    for (unsigned i = 0; p->alpn && i < in_len; i += 1u + in[i]) {
        if (in[i] == strlen(p->alpn) && memcmp(in + i + 1, p->alpn, in[i]) == 0) {
            *out = in + i + 1;
            *out_len = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return p->alpn ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static inline int test_peer_sni(SSL *ssl, int *alert, void *arg)
{
    (void)alert;
    struct test_peer *p = (struct test_peer *)arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(p->sni, sizeof p->sni, "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

/* A server with `leaf` and, if not NULL, `intermediate`; it demands client certificates that end
 * at `client_root` (NULL: it does not ask for one). Change p->ctx before test_peer_start. */
static inline void test_peer_init(struct test_peer *p,
                                  const struct test_cert *leaf,
                                  const struct test_cert *intermediate,
                                  const struct test_cert *client_root)
{
    memset(p, 0, sizeof *p);
    p->alert = -1;
    p->ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(p->ctx);
    SSL_CTX_set_options(p->ctx, SSL_OP_NO_TICKET | SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    assert_int_equal(SSL_CTX_use_certificate(p->ctx, leaf->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, leaf->key), 1);
    if (intermediate) {
        assert_int_equal(SSL_CTX_add1_chain_cert(p->ctx, intermediate->x509), 1);
    }
    if (client_root) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(p->ctx), client_root->x509);
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(p->ctx), TEST_NOW);
        SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    SSL_CTX_set_session_id_context(p->ctx, (const unsigned char *)"elo", 3);
    SSL_CTX_set_info_callback(p->ctx, test_peer_info);
    SSL_CTX_set_alpn_select_cb(p->ctx, test_peer_alpn, p);
    SSL_CTX_set_tlsext_servername_callback(p->ctx, test_peer_sni);
    SSL_CTX_set_tlsext_servername_arg(p->ctx, p);
}

/* Ready for a new connection; the sessions of former ones are kept. */
static inline void test_peer_start(struct test_peer *p)
{
    SSL_free(p->ssl);
    p->alert = -1;
    p->ssl = SSL_new(p->ctx);
    assert_non_null(p->ssl);
    SSL_set_app_data(p->ssl, p);
    p->from_client = BIO_new(BIO_s_mem());
    p->to_client = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->from_client, p->to_client);
    SSL_set_accept_state(p->ssl);
    ERR_clear_error();
}

static inline void test_peer_put(struct test_peer *p, const uint8_t *payload, size_t len)
{
    uint8_t header[5] = {22, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};
    if (len > 0) {
        assert_int_equal(BIO_write(p->to_client, header, sizeof header), sizeof header);
        assert_int_equal(BIO_write(p->to_client, payload, (int)len), (int)len);
    }
}

/* What waits for the client: handshake messages in the clear are packed into records of `record`
 * bytes, whatever message they belong to, as a server may (RFC 5246, 6.2.1). */
static inline void test_peer_repack(struct test_peer *p, size_t record)
{
    static uint8_t in[32768], flight[32768];
    size_t len = (size_t)BIO_ctrl_pending(p->to_client), at = 0, held = 0;
    assert_true(len <= sizeof in);
    if (len == 0) {
        return;
    }
    assert_int_equal(BIO_read(p->to_client, in, (int)len), (int)len);
    while (at + 5 <= len && in[at] == 22) {
        size_t body = (size_t)in[at + 3] << 8 | in[at + 4];
        memcpy(flight + held, in + at + 5, body);
        held += body;
        at += 5 + body;
    }
    for (size_t done = 0; done < held; done += record) {
        test_peer_put(p, flight + done, held - done < record ? held - done : record);
    }
    if (at < len) { /* from ChangeCipherSpec on */
        assert_int_equal(BIO_write(p->to_client, in + at, (int)(len - at)), (int)(len - at));
    }
}

static inline void test_peer_deinit(struct test_peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    ERR_clear_error();
}

#endif
