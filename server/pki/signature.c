// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Signatures of others: tokens for custom authorizers are signed with RSA, PKCS #1 v1.5, SHA-256.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "server/pki/pki.h"

enum { RSA_MIN_BITS = 2048 };

/* NULL: no RSA public key that is long enough. */
static EVP_PKEY *read_key(elo_span pem)
{
    BIO *in = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    if (key != NULL &&
        (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < RSA_MIN_BITS)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

bool pki_rsa_public_key_ok(elo_span pem)
{
    EVP_PKEY *key = read_key(pem);
    EVP_PKEY_free(key);
    return key != NULL;
}

static bool verify(elo_span pem, elo_span data, elo_span signature)
{
    EVP_PKEY *key = read_key(pem);
    EVP_MD_CTX *ctx = key != NULL ? EVP_MD_CTX_new() : NULL;
    bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, signature.ptr, signature.len, data.ptr, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

bool pki_rsa_verify_base64(elo_span public_key_pem, elo_span data, elo_span signature)
{
    uint8_t bytes[2560];
    size_t padding = 0;
    while (padding < 2 && padding < signature.len &&
           signature.ptr[signature.len - 1 - padding] == '=') {
        padding++;
    }
    if (signature.len == 0 || signature.len % 4 != 0 || signature.len > sizeof bytes) {
        return false;
    }
    int len = EVP_DecodeBlock(bytes, signature.ptr, (int)signature.len);
    return len > 0 && verify(public_key_pem, data, elo_span_of(bytes, (size_t)len - padding));
}

void pki_base64(elo_span data, struct buf *out)
{
    size_t len = (data.len + 2) / 3 * 4;
    uint8_t *room = data.len <= INT32_MAX / 2 ? buf_room(out, len + 1) : NULL;
    if (room != NULL) {
        EVP_EncodeBlock(room, data.len > 0 ? data.ptr : (const uint8_t *)"", (int)data.len);
        buf_wrote(out, len);
    }
}
