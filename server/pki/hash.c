// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "elo/base/assert.h"
#include "server/pki/pki.h"

/*
 * OpenSSL's one-shot functions allocate a context and can, in theory, fail. No caller could go on
 * with a hash that is not one (it would name a certificate or pass a signature): stop there.
 */
static void must(const void *ok)
{
    if (ok == NULL) {
        __builtin_trap();
    }
}

void pki_sha256(elo_span data, uint8_t out[32])
{
    must(SHA256(data.len ? data.ptr : (const uint8_t *)"", data.len, out));
}

void pki_hmac_sha256(elo_span key, elo_span data, uint8_t out[32])
{
    ELO_ASSERT(key.len <= INT32_MAX);
    must(HMAC(EVP_sha256(), key.len ? key.ptr : (const uint8_t *)"", (int)key.len,
              data.len ? data.ptr : (const uint8_t *)"", data.len, out, NULL));
}

bool pki_equal(elo_span a, elo_span b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool pki_random(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        int part = len > 65536 ? 65536 : (int)len;
        if (RAND_bytes(at, part) != 1) {
            return false;
        }
        at += part;
        len -= (size_t)part;
    }
    return true;
}
