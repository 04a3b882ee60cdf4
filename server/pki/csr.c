// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <openssl/err.h>
#include <openssl/x509.h>

#include "elo/base/utf8.h"
#include "server/pki/internal.h"

static X509_REQ *make_csr(EVP_PKEY *key, const X509_NAME *subject)
{
    X509_REQ *csr = X509_REQ_new();
    bool ok = csr != NULL && X509_REQ_set_version(csr, X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_subject_name(csr, subject) == 1 && X509_REQ_set_pubkey(csr, key) == 1 &&
              X509_REQ_sign(csr, key, EVP_sha256()) > 0;
    if (!ok) {
        X509_REQ_free(csr);
        csr = NULL;
    }
    ERR_clear_error();
    return csr;
}

static elo_err
make(EVP_PKEY *key, const X509_NAME *subject, struct buf *out_key_pem, struct buf *out_csr_pem)
{
    X509_REQ *csr = make_csr(key, subject);
    elo_err err = csr != NULL ? pki__csr_to_pem(csr, out_csr_pem) : ELO_E_NO_MEMORY;
    if (err == ELO_OK) {
        err = pki__key_to_pem(key, PKI_KEY_PKCS8, out_key_pem);
    }
    X509_REQ_free(csr);
    return err;
}

/* X.520 bounds a common name by characters; each UTF-8 character has one byte that is no tail. */
static size_t characters(elo_span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xc0) != 0x80;
    }
    return count;
}

elo_err
pki_make_key_and_csr(const char *common_name, struct buf *out_key_pem, struct buf *out_csr_pem)
{
    elo_span text = elo_span_str(common_name);
    if (text.len == 0 || !elo_utf8_valid(text)) {
        return ELO_E_UTF8;
    }
    if (characters(text) > 64) {
        return ELO_E_TOO_LARGE;
    }
    X509_NAME *subject = pki__name(NULL, common_name);
    EVP_PKEY *key = subject != NULL ? pki__key_make_p256() : NULL;
    elo_err err = key != NULL ? make(key, subject, out_key_pem, out_csr_pem) : ELO_E_NO_MEMORY;
    EVP_PKEY_free(key);
    X509_NAME_free(subject);
    ERR_clear_error();
    if (err != ELO_OK) {
        pki__buf_wipe(out_key_pem);
        buf_free(out_csr_pem);
    }
    return err;
}
