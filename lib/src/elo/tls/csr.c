// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: all lengths are known beforehand but the signature's. So the inner part is
 * written behind room for the largest header, signed, followed by its signature, and then moved up
 * to the header it has got:
 *
 *      SEQUENCE
 *        SEQUENCE                      the inner part, 109 + name, and its header
 *          INTEGER 0
 *          SEQUENCE SET SEQUENCE       the name
 *            OID commonName, UTF8String
 *          SEQUENCE                    the public key, 91
 *          [0]                         no attributes
 *        SEQUENCE OID                  ecdsa-with-SHA256, 12
 *        BIT STRING                    the signature, up to 75
 */
#include "elo/tls/csr.h"

#include "elo/base/assert.h"
#include "elo/base/flash.h"
#include "elo/base/utf8.h"
#include "elo/tls/internal.h"

#define INNER_FIXED 109
#define KEY_HEAD    26 /* of the public key's 91 bytes, those before the point */
#define BITS_HEAD   3  /* of a bit string of up to 126 bytes */
#define HEADER_MAX  4

/* SEQUENCE, SET, SEQUENCE, commonName, UTF8String: lengths for a name of no bytes. */
static const uint8_t NAME[] ELO_FLASH = {0x30, 11,   0x31, 9, 0x30, 7,   0x06,
                                         3,    0x55, 0x04, 3, 0x0C, 0x00};

/* id-ecPublicKey, prime256v1, and a bit string of 65 bytes (RFC 5480). */
static const uint8_t PUBLIC_KEY[KEY_HEAD] ELO_FLASH = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01,
    0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

/* ecdsa-with-SHA256 (RFC 5758). */
static const uint8_t ALGORITHM[12] ELO_FLASH = {0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02};

/* --- the key -----------------------------------------------------------------------------------
 */

elo_err elo_tls_key_make(elo_span entropy, uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    br_hmac_drbg_context drbg;
    memset(key, 0, ELO_TLS_P256_KEY_BYTES);
    if (!elo__tls_is_random(entropy)) {
        return ELO_E_ENTROPY;
    }
    br_hmac_drbg_init(&drbg, &br_sha256_vtable, entropy.ptr, entropy.len);
    size_t len = br_ec_keygen(&drbg.vtable, &br_ec_p256_m15, NULL, key, BR_EC_secp256r1);
    elo__tls_wipe(&drbg, sizeof drbg);
    return len == ELO_TLS_P256_KEY_BYTES ? ELO_OK : ELO_E_ENTROPY;
}

static br_ec_private_key private_key(const uint8_t *key)
{
    br_ec_private_key k;
    k.curve = BR_EC_secp256r1;
    k.x = (unsigned char *)(uintptr_t)key; /* BearSSL does not write to it */
    k.xlen = ELO_TLS_P256_KEY_BYTES;
    return k;
}

elo_err elo_tls_key_point(const uint8_t key[ELO_TLS_P256_KEY_BYTES],
                          uint8_t point[ELO_TLS_P256_POINT_BYTES])
{
    if (!elo__tls_is_p256_key(key)) {
        return ELO_E_KEYPAIR;
    }
    br_ec_private_key k = private_key(key);
    (void)br_ec_compute_pub(&br_ec_p256_m15, NULL, point, &k);
    return ELO_OK;
}

/* --- the request -------------------------------------------------------------------------------
 */

static elo_err judge(elo_span name, size_t cap)
{
    if (name.len > ELO_TLS_CSR_NAME_MAX) {
        return ELO_E_TOO_LARGE;
    }
    if (name.len == 0 || !elo_utf8_valid(name)) {
        return ELO_E_UTF8;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7F) {
            return ELO_E_UTF8;
        }
    }
    size_t most = ELO_TLS_CSR_BYTES - ELO_TLS_CSR_NAME_MAX + name.len;
    return cap < most ? ELO_E_NO_SPACE : ELO_OK;
}

static uint8_t *put(uint8_t *at, const uint8_t *bytes, size_t len)
{
    elo_flash_copy(at, bytes, len);
    return at + len;
}

static uint8_t *put_header(uint8_t *at, uint8_t tag, size_t len)
{
    *at++ = tag;
    if (len > 255) {
        *at++ = 0x82;
        *at++ = (uint8_t)(len >> 8);
    } else if (len > 127) {
        *at++ = 0x81;
    }
    *at++ = (uint8_t)len;
    return at;
}

static uint8_t *put_name(uint8_t *at, elo_span name)
{
    uint8_t *text = put(at, NAME, sizeof NAME), n = (uint8_t)name.len;
    at[1] = (uint8_t)(at[1] + n); /* the three around it, and its own */
    at[3] = (uint8_t)(at[3] + n);
    at[5] = (uint8_t)(at[5] + n);
    text[-1] = n;
    memcpy(text, name.ptr, name.len);
    return text + name.len;
}

/* The part that is signed; its end, or NULL for a key that is none. */
static uint8_t *put_inner(uint8_t *at, elo_span name, const uint8_t *key)
{
    at = put_header(at, 0x30, INNER_FIXED + name.len);
    at = put_header(at, 0x02, 1); /* version 0 */
    *at++ = 0;
    at = put_name(at, name);
    at = put(at, PUBLIC_KEY, sizeof PUBLIC_KEY);
    if (elo_tls_key_point(key, at) != ELO_OK) {
        return NULL;
    }
    return put_header(at + ELO_TLS_P256_POINT_BYTES, 0xA0, 0);
}

static size_t sign(elo_span inner, const uint8_t *key, uint8_t *out)
{
    br_ec_private_key k = private_key(key);
    br_sha256_context sha;
    uint8_t hash[32];
    br_sha256_init(&sha);
    br_sha256_update(&sha, inner.ptr, inner.len);
    br_sha256_out(&sha, hash);
    return br_ecdsa_i15_sign_asn1(&br_ec_p256_m15, &br_sha256_vtable, hash, &k, out);
}

elo_err elo_tls_csr(elo_span name,
                    const uint8_t key[ELO_TLS_P256_KEY_BYTES],
                    uint8_t *out,
                    size_t cap,
                    size_t *out_len)
{
    ELO_ASSERT(key != NULL && out_len != NULL);
    *out_len = 0;
    elo_err err = judge(name, cap);
    if (err != ELO_OK) {
        return err;
    }
    uint8_t *inner = out + HEADER_MAX, *end = put_inner(inner, name, key);
    if (end == NULL) {
        return ELO_E_KEYPAIR;
    }
    size_t inner_len = (size_t)(end - inner);
    end = put(end, ALGORITHM, sizeof ALGORITHM);
    size_t signature_len = sign(elo_span_of(inner, inner_len), key, end + BITS_HEAD);
    if (signature_len == 0) {
        return ELO_E_KEYPAIR;
    }
    end = put_header(end, 0x03, signature_len + 1);
    *end++ = 0; /* no bits unused */
    size_t body = (size_t)(end - inner) + signature_len;
    memmove(put_header(out, 0x30, body), inner, body);
    *out_len = (size_t)(put_header(out, 0x30, body) - out) + body;
    return ELO_OK;
}
