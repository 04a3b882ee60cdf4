// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "server/base/limits.h"
#include "server/pki/internal.h"

EVP_PKEY *pki__key_make_p256(void)
{
    return EVP_EC_gen("P-256");
}

EVP_PKEY *pki__key_make_rsa2048(void)
{
    return EVP_RSA_gen(2048);
}

elo_err pki__key_to_pem(EVP_PKEY *key, enum pki__key_form form, struct buf *out)
{
    static const struct {
        int selection;
        const char *structure;
    } forms[] = {
        [PKI_KEY_PKCS8] = {EVP_PKEY_KEYPAIR, "PrivateKeyInfo"},
        [PKI_KEY_PKCS1] = {EVP_PKEY_KEYPAIR, "type-specific"},
        [PKI_KEY_PUBLIC] = {EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo"},
    };
    OSSL_ENCODER_CTX *encoder = OSSL_ENCODER_CTX_new_for_pkey(key, forms[form].selection, "PEM",
                                                              forms[form].structure, NULL);
    unsigned char *pem = NULL;
    size_t len = 0;
    elo_err err = ELO_E_NO_MEMORY;
    if (encoder != NULL && OSSL_ENCODER_to_data(encoder, &pem, &len) == 1) {
        /* One piece into an empty buffer: no smaller copy of a secret is left behind. */
        buf_clear(out);
        buf_add(out, elo_span_of(pem, len));
        err = buf_err(out);
        OPENSSL_clear_free(pem, len);
    }
    OSSL_ENCODER_CTX_free(encoder);
    ERR_clear_error();
    return err;
}

EVP_PKEY *pki__key_from_pem(elo_span pem)
{
    if (pem.len == 0 || pem.len > LIMIT_PEM_BYTES) {
        return NULL;
    }
    BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, pki__no_password, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    return key;
}

static bool is_named_nist_curve(const EVP_PKEY *key)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    char name[64];
    size_t len;
    int is_explicit = 0;
    if (EVP_PKEY_get_group_name(key, name, sizeof name, &len) != 1) {
        return false;
    }
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (strcmp(name, curves[i]) == 0) {
            return !is_explicit;
        }
    }
    return false;
}

elo_err pki__key_check(const EVP_PKEY *key, struct pki__why why)
{
    static const char accepted[] = "AWS IoT takes RSA of 2048 bits or more, and ECC on NIST P-256, "
                                   "P-384 or P-521";
    if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);
        if (bits >= 2048) {
            return ELO_OK;
        }
        return pki__fail(why, ELO_E_UNSUPPORTED, "the key is RSA of %d bits; %s", bits, accepted);
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        if (is_named_nist_curve(key)) {
            ERR_clear_error();
            return ELO_OK;
        }
        return pki__fail(why, ELO_E_UNSUPPORTED, "the key is on another elliptic curve; %s",
                         accepted);
    }
    const char *type = EVP_PKEY_get0_type_name(key);
    return pki__fail(why, ELO_E_UNSUPPORTED, "the key's type is %s; %s", type ? type : "unknown",
                     accepted);
}
