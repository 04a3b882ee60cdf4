// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: what AWS's CreateKeysAndCertificate and CreateCertificateFromCsr answer. Both end
 * in issue(): the profile of AWS's own certificates, signed by the desk's CA. Results go to the
 * caller all together or not at all.
 */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/pki/internal.h"

static const int64_t HEAD_START_S = 120;
static const int64_t NOT_AFTER_S = 2524607999; /* 2049-12-31T23:59:59Z, on every one of AWS's */

struct pki_key {
    EVP_PKEY *pair;
};

void pki_issued_init(struct pki_issued *issued)
{
    *issued = (struct pki_issued){.info = {.id = ""}};
    buf_init(&issued->certificate_pem, LIMIT_PEM_BYTES);
    buf_init(&issued->public_key_pem, LIMIT_PEM_BYTES);
    buf_init(&issued->private_key_pem, LIMIT_PEM_BYTES);
}

void pki_issued_free(struct pki_issued *issued)
{
    buf_free(&issued->certificate_pem);
    buf_free(&issued->public_key_pem);
    pki__buf_wipe(&issued->private_key_pem);
    issued->info = (struct pki_certificate){.id = ""};
}

static elo_err issue(struct pki_ca *ca,
                     const X509_NAME *subject,
                     EVP_PKEY *key,
                     int64_t now_s,
                     struct pki_issued *out)
{
    const struct pki__profile profile = {
        .kind = PKI_KIND_DEVICE,
        .subject = subject,
        .subject_key = key,
        .issuer = ca->certificate,
        .issuer_key = ca->key,
        .not_before_s = now_s - HEAD_START_S,
        .not_after_s = NOT_AFTER_S,
    };
    X509 *certificate = pki__issue(&profile);
    if (certificate == NULL) {
        return ELO_E_NO_MEMORY;
    }
    elo_err err = pki__x509_to_pem(certificate, &out->certificate_pem);
    if (err == ELO_OK) {
        err = pki__x509_info(certificate, &out->info);
    }
    X509_free(certificate);
    return err;
}

static elo_err
issue_with_key(struct pki_ca *ca, EVP_PKEY *key, int64_t now_s, struct pki_issued *out)
{
    X509_NAME *subject = pki__name(NULL, "AWS IoT Certificate");
    elo_err err = subject != NULL ? issue(ca, subject, key, now_s, out) : ELO_E_NO_MEMORY;
    X509_NAME_free(subject);
    if (err == ELO_OK) {
        err = pki__key_to_pem(key, PKI_KEY_PUBLIC, &out->public_key_pem);
    }
    if (err == ELO_OK) {
        err = pki__key_to_pem(key, PKI_KEY_PKCS1, &out->private_key_pem);
    }
    return err;
}

struct pki_key *pki_key_make(void)
{
    struct pki_key *key = mem_zero(sizeof *key);
    if (key != NULL && (key->pair = pki__key_make_rsa2048()) == NULL) {
        ERR_clear_error();
        mem_free(key);
        key = NULL;
    }
    return key;
}

void pki_key_free(struct pki_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pair);
        mem_free(key);
    }
}

elo_err pki_issue_with_key(struct pki_ca *ca,
                           const struct pki_key *key,
                           int64_t now_s,
                           struct pki_issued *out,
                           char *why,
                           size_t why_cap)
{
    pki_issued_free(out);
    struct pki_key *fresh = key == NULL ? pki_key_make() : NULL;
    key = key != NULL ? key : fresh;
    elo_err err = key != NULL ? issue_with_key(ca, key->pair, now_s, out) : ELO_E_NO_MEMORY;
    pki_key_free(fresh);
    if (err == ELO_OK) {
        return ELO_OK;
    }
    pki_issued_free(out);
    return pki__fail_openssl((struct pki__why){why, why_cap}, "a key and its certificate");
}

/* The request's key, if AWS takes such keys and the request is signed with it. */
static elo_err check_csr(X509_REQ *csr, EVP_PKEY **out_key, struct pki__why why)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
    if (key == NULL) {
        return pki__fail(why, ELO_E_UNSUPPORTED,
                         "the public key in the signing request cannot be read");
    }
    elo_err err = pki__key_check(key, why);
    if (err != ELO_OK) {
        return err;
    }
    if (X509_REQ_verify(csr, key) != 1) {
        return pki__fail(why, ELO_E_BAD_PEM,
                         "the signing request is not signed with its own key: it was altered, or "
                         "made with the wrong key");
    }
    *out_key = key;
    return ELO_OK;
}

elo_err pki_issue_from_csr(struct pki_ca *ca,
                           elo_span csr_pem,
                           int64_t now_s,
                           struct pki_issued *out,
                           char *why,
                           size_t why_cap)
{
    struct pki__why sentence = {why, why_cap};
    X509_REQ *csr;
    pki_issued_free(out);
    elo_err err = pki__csr_from_pem(csr_pem, &csr, sentence);
    if (err != ELO_OK) {
        return err;
    }
    EVP_PKEY *key = NULL;
    err = check_csr(csr, &key, sentence);
    if (err == ELO_OK) {
        err = issue(ca, X509_REQ_get_subject_name(csr), key, now_s, out);
        if (err != ELO_OK) {
            pki_issued_free(out);
            err = pki__fail_openssl(sentence, "a certificate");
        }
    }
    X509_REQ_free(csr);
    return err;
}
