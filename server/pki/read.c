// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "server/base/env.h"
#include "server/pki/internal.h"

static bool to_unix(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return false;
    }
    *out = timegm(&tm);
    return true;
}

static elo_err id_of(X509 *certificate, char out_id[65])
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len < 0) {
        ERR_clear_error();
        return ELO_E_NO_MEMORY;
    }
    uint8_t hash[32];
    pki_sha256(elo_span_of(der, (size_t)len), hash);
    OPENSSL_free(der);
    core_hex(hash, sizeof hash, out_id);
    return ELO_OK;
}

elo_err pki__x509_info(X509 *certificate, struct pki_certificate *out)
{
    struct pki_certificate info;
    (void)snprintf(info.subject, sizeof info.subject, "%08lx",
                   X509_subject_name_hash(certificate) & 0xffffffffUL);
    (void)snprintf(info.issuer, sizeof info.issuer, "%08lx",
                   X509_issuer_name_hash(certificate) & 0xffffffffUL);
    if (!to_unix(X509_get0_notBefore(certificate), &info.not_before_s) ||
        !to_unix(X509_get0_notAfter(certificate), &info.not_after_s)) {
        ERR_clear_error();
        return ELO_E_BAD_PEM;
    }
    elo_err err = id_of(certificate, info.id);
    if (err == ELO_OK) {
        *out = info;
    }
    return err;
}

elo_err pki_certificate_read(elo_span pem, struct pki_certificate *out, char *why, size_t why_cap)
{
    struct pki__why sentence = {why, why_cap};
    X509 *certificate;
    elo_err err = pki__x509_from_pem(pem, &certificate, sentence);
    if (err != ELO_OK) {
        return err;
    }
    err = pki__x509_info(certificate, out);
    X509_free(certificate);
    if (err == ELO_E_BAD_PEM) {
        return pki__fail(sentence, err, "the certificate's dates cannot be read");
    }
    return err == ELO_OK ? ELO_OK : pki__fail_openssl(sentence, "reading the certificate");
}

elo_err pki_certificate_der_to_id(elo_span der, char out_id[65])
{
    X509 *certificate = pki__x509_from_der(der);
    if (certificate == NULL) {
        return ELO_E_BAD_PEM;
    }
    elo_err err = id_of(certificate, out_id);
    X509_free(certificate);
    return err;
}

elo_err pki_certificate_read_der(elo_span der, struct pki_certificate *out)
{
    X509 *certificate = pki__x509_from_der(der);
    if (certificate == NULL) {
        return ELO_E_BAD_PEM;
    }
    elo_err err = pki__x509_info(certificate, out);
    X509_free(certificate);
    return err;
}

X509 *pki__x509_from_any(elo_span pem_or_der)
{
    X509 *certificate = pki__x509_from_der(pem_or_der);
    if (certificate == NULL &&
        pki__x509_from_pem(pem_or_der, &certificate, (struct pki__why){NULL, 0}) != ELO_OK) {
        return NULL;
    }
    return certificate;
}

bool pki_certificate_signed_by(elo_span pem_or_der, elo_span ca_pem)
{
    X509 *certificate = pki__x509_from_any(pem_or_der);
    X509 *ca = pki__x509_from_any(ca_pem);
    EVP_PKEY *key = ca != NULL ? X509_get0_pubkey(ca) : NULL;
    bool is = certificate != NULL && key != NULL &&
              X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(ca)) == 0 &&
              X509_verify(certificate, key) == 1;
    X509_free(certificate);
    X509_free(ca);
    ERR_clear_error();
    return is;
}

elo_err pki_ca_check(elo_span pem, int64_t now_s, char *why, size_t why_cap)
{
    struct pki__why sentence = {why, why_cap};
    struct pki_certificate info;
    X509 *certificate;
    elo_err err = pki__x509_from_pem(pem, &certificate, sentence);
    if (err != ELO_OK) {
        return err;
    }
    if (X509_check_ca(certificate) != 1) {
        err = pki__fail(sentence, ELO_E_UNSUPPORTED,
                        "it is not the certificate of a CA: basicConstraints must say CA:TRUE");
    } else if (pki__x509_info(certificate, &info) != ELO_OK || now_s < info.not_before_s ||
               now_s > info.not_after_s) {
        err = pki__fail(sentence, ELO_E_CERT_EXPIRED, "it is not valid today");
    }
    X509_free(certificate);
    ERR_clear_error();
    return err;
}

elo_err pki_certificate_to_pem(elo_span pem_or_der, struct buf *out)
{
    X509 *certificate = pki__x509_from_der(pem_or_der);
    if (certificate == NULL) {
        elo_err err = pki__x509_from_pem(pem_or_der, &certificate, (struct pki__why){NULL, 0});
        if (err != ELO_OK) {
            return err;
        }
    }
    elo_err err = pki__x509_to_pem(certificate, out);
    X509_free(certificate);
    return err;
}

/* The signature algorithms of "X.509 client certificates" (AWS IoT Developer Guide). */
static bool is_accepted_signature(int digest_nid, int key_nid)
{
    bool is_sha2 = digest_nid == NID_sha256 || digest_nid == NID_sha384 || digest_nid == NID_sha512;
    switch (key_nid) {
    case NID_rsaEncryption:
    case NID_rsassaPss:
    case NID_X9_62_id_ecPublicKey:
        return is_sha2;
    case NID_dsa:
        return digest_nid == NID_sha256;
    default:
        return false;
    }
}

elo_err pki_certificate_check(elo_span pem, char *why, size_t why_cap)
{
    struct pki__why sentence = {why, why_cap};
    X509 *certificate;
    elo_err err = pki__x509_from_pem(pem, &certificate, sentence);
    if (err != ELO_OK) {
        return err;
    }
    int digest_nid = NID_undef;
    int key_nid = NID_undef;
    X509_get_signature_info(certificate, &digest_nid, &key_nid, NULL, NULL);
    if (!is_accepted_signature(digest_nid, key_nid)) {
        const char *name = OBJ_nid2ln(X509_get_signature_nid(certificate));
        err = pki__fail(sentence, ELO_E_UNSUPPORTED,
                        "the certificate is signed with %s; AWS IoT takes SHA-256, SHA-384 or "
                        "SHA-512 with RSA or ECDSA, and SHA-256 with DSA",
                        name ? name : "an unknown algorithm");
    }
    X509_free(certificate);
    ERR_clear_error();
    return err;
}
