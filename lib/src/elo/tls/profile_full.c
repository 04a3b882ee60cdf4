// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Every algorithm of tls.h's promise, each in the form that BearSSL finds best for the machine.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

static void algorithms(br_ssl_engine_context *eng)
{
    const uint16_t suites[] = {
        BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384};
    br_ssl_engine_set_suites(eng, suites, sizeof suites / sizeof suites[0]);
    br_ssl_engine_set_hash(eng, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_hash(eng, br_sha384_ID, &br_sha384_vtable);
    br_ssl_engine_set_prf_sha256(eng, &br_tls12_sha256_prf);
    br_ssl_engine_set_prf_sha384(eng, &br_tls12_sha384_prf);
    br_ssl_engine_set_default_aes_gcm(eng);
    br_ssl_engine_set_default_rsavrfy(eng);
    br_ssl_engine_set_default_ecdsa(eng);
}

static bool present(br_ssl_client_context *client, const struct elo_tls_identity *identity)
{
    if (identity->_internal.key_type == BR_KEYTYPE_RSA) {
        br_ssl_client_set_single_rsa(client, identity->_internal.chain,
                                     identity->_internal.chain_len, &identity->_internal.key.rsa,
                                     br_rsa_pkcs1_sign_get_default());
    } else {
        br_ssl_client_set_single_ec(client, identity->_internal.chain,
                                    identity->_internal.chain_len, &identity->_internal.key.ec,
                                    BR_KEYTYPE_SIGN, identity->_internal.issuer_key_type,
                                    br_ec_get_default(), br_ecdsa_sign_asn1_get_default());
    }
    return true;
}

const struct elo_tls_profile elo_tls_profile_full ELO_FLASH = {{algorithms, present}};
