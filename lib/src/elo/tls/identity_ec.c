// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * An identity as a small device keeps it: 32 bytes of key and the certificates in DER. No decoder
 * is linked for it.
 */
#include "elo/tls/credentials.h"

#include "elo/base/assert.h"
#include "elo/base/flash.h"
#include "elo/tls/internal.h"

/* The curve's order (SEC 2, 2.4.2). */
static const uint8_t ORDER[ELO_TLS_P256_KEY_BYTES] ELO_FLASH = {
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

/* Subtracts the order, whatever the bytes are: a secret must not decide how long it takes. */
bool elo__tls_is_p256_key(const uint8_t *key)
{
    unsigned borrow = 0, any = 0;
    for (size_t i = ELO_TLS_P256_KEY_BYTES; i-- > 0;) {
        borrow = (unsigned)(key[i] - elo_flash_read8(&ORDER[i]) - (int)borrow) >> 8 & 1;
        any |= key[i];
    }
    return borrow != 0 && any != 0;
}

static elo_err add_certificate(struct elo_tls_identity *identity, elo_span der)
{
    struct elo__tls_validity validity;
    if (identity->_internal.chain_len == ELO_TLS_CHAIN_MAX) {
        return ELO_E_TOO_LARGE;
    }
    elo__tls_validity_init(&validity);
    elo__tls_validity_feed(&validity, der.ptr, der.len);
    if (!elo__tls_validity_known(&validity)) {
        return ELO_E_BAD_PEM;
    }
    if (identity->_internal.chain_len == 0) {
        identity->_internal.not_before = validity.not_before;
        identity->_internal.not_after = validity.not_after;
    }
    br_x509_certificate *to = &identity->_internal.chain[identity->_internal.chain_len++];
    to->data = (unsigned char *)(uintptr_t)der.ptr; /* BearSSL does not write to it */
    to->data_len = der.len;
    return ELO_OK;
}

elo_err elo_tls_identity_ec(struct elo_tls_identity *identity,
                            elo_span certificates,
                            uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    ELO_ASSERT(identity != NULL && key != NULL);
    elo_span der;
    elo_err err = elo__tls_is_p256_key(key) ? ELO_OK : ELO_E_KEYPAIR;
    memset(identity, 0, sizeof *identity);
    identity->_internal.key_type = BR_KEYTYPE_EC;
    identity->_internal.key.ec.curve = BR_EC_secp256r1;
    identity->_internal.key.ec.x = key;
    identity->_internal.key.ec.xlen = ELO_TLS_P256_KEY_BYTES;
    do {
        if (err == ELO_OK) {
            err = elo__tls_der_next(&certificates, &der) ? add_certificate(identity, der)
                                                         : ELO_E_BAD_PEM;
        }
    } while (err == ELO_OK && certificates.len > 0);
    if (err != ELO_OK) {
        memset(identity, 0, sizeof *identity);
    }
    return err;
}

elo_err elo_tls_identity_p256_key(const struct elo_tls_identity *identity,
                                  uint8_t out[ELO_TLS_P256_KEY_BYTES])
{
    ELO_ASSERT(identity != NULL && out != NULL);
    const br_ec_private_key *key = &identity->_internal.key.ec;
    if (identity->_internal.key_type != BR_KEYTYPE_EC || key->curve != BR_EC_secp256r1 ||
        key->xlen > ELO_TLS_P256_KEY_BYTES) {
        return ELO_E_UNSUPPORTED;
    }
    /* One with zeros in front may have been decoded without them. */
    memset(out, 0, ELO_TLS_P256_KEY_BYTES - key->xlen);
    memcpy(out + ELO_TLS_P256_KEY_BYTES - key->xlen, key->x, key->xlen);
    return ELO_OK;
}

elo_err elo_tls_identity_check(const struct elo_tls_identity *identity)
{
    struct elo__tls_certificate certificate;
    uint8_t point[ELO_TLS_P256_POINT_BYTES];
    const br_ec_private_key *key = &identity->_internal.key.ec;
    if (identity->_internal.chain_len == 0 || identity->_internal.key_type != BR_KEYTYPE_EC ||
        key->curve != BR_EC_secp256r1) {
        return ELO_E_UNSUPPORTED;
    }
    elo_err err = elo__tls_der_certificate(elo_tls_identity_certificate(identity), &certificate);
    if (err != ELO_OK) {
        return err == ELO_E_UNSUPPORTED ? ELO_E_KEYPAIR : err; /* a key of another kind */
    }
    size_t len = br_ec_compute_pub(&br_ec_p256_m15, NULL, point, key);
    return certificate.key_type == BR_KEYTYPE_EC && len == sizeof point &&
                   elo_span_eq(elo_span_of(point, len), certificate.key)
               ? ELO_OK
               : ELO_E_KEYPAIR;
}
