// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a small device needs to reach AWS IoT Core, and no more. Measured on the lx106 (-Os): of
 * BearSSL's code for P-256, m15 costs 8 KB more than the generic one and saves 53 M of a
 * handshake's 127 M instructions; the i31 family is near twice as slow, for the lx106 has no high
 * half of a product. AES and GHASH are the ones without tables, in constant time.
 *
 * SHA-384 is not needed: Amazon signs with SHA-256 below CA 1 (RSA 2048) and CA 3 (P-256), and with
 * SHA-384 only below CA 2 (RSA 4096) and CA 4 (P-384); the desk's CA is P-256 with SHA-256. What a
 * server signs in the handshake it signs with a hash that we offer.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

static void algorithms(br_ssl_engine_context *eng)
{
    const uint16_t suites[] = {BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                               BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256};
    br_ssl_engine_set_suites(eng, suites, sizeof suites / sizeof suites[0]);
    br_ssl_engine_set_hash(eng, br_sha256_ID, &br_sha256_vtable);
    br_ssl_engine_set_prf_sha256(eng, &br_tls12_sha256_prf);
    br_ssl_engine_set_gcm(eng, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
    br_ssl_engine_set_aes_ctr(eng, &br_aes_ct_ctr_vtable);
    br_ssl_engine_set_ghash(eng, &br_ghash_ctmul32);
    br_ssl_engine_set_ec(eng, &br_ec_p256_m15);
    br_ssl_engine_set_rsavrfy(eng, &br_rsa_i15_pkcs1_vrfy);
    br_ssl_engine_set_ecdsa(eng, &br_ecdsa_i15_vrfy_asn1);
}

static bool present(br_ssl_client_context *client, const struct elo_tls_identity *identity)
{
    if (identity->_internal.key_type != BR_KEYTYPE_EC ||
        identity->_internal.key.ec.curve != BR_EC_secp256r1) {
        return false;
    }
    br_ssl_client_set_single_ec(client, identity->_internal.chain, identity->_internal.chain_len,
                                &identity->_internal.key.ec, BR_KEYTYPE_SIGN,
                                identity->_internal.issuer_key_type, &br_ec_p256_m15,
                                &br_ecdsa_i15_sign_asn1);
    return true;
}

const struct elo_tls_profile elo_tls_profile_aws_small ELO_FLASH = {{algorithms, present}};
