// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A small device's way through elo_tls beside all of elo_client (client.c), to be linked with
 * BearSSL and measured by tools/check-lib; it is never run.
 */
#include "elo/tls/tls.h"

void device_tls(struct elo_tls *tls, struct elo_tls_config *config, elo_span der, uint8_t *key);

void device_tls(struct elo_tls *tls, struct elo_tls_config *config, elo_span der, uint8_t *key)
{
    struct elo_tls_anchors anchors;
    struct elo_tls_identity identity;
    struct elo_tls_session session;
    br_x509_trust_anchor table[2];
    size_t n = 0;
    elo_tls_anchors_init(&anchors, table, 2, key, 1000);
    elo_err err = elo_tls_anchors_add_der(&anchors, elo_tls_amazon_root_ca_1());
    err = elo_tls_anchors_add_der(&anchors, elo_tls_amazon_root_ca_3());
    err = elo_tls_identity_ec(&identity, der, key);
    err = elo_tls_identity_check(&identity);
    config->profile = &elo_tls_profile_aws_small;
    config->anchors = &anchors;
    config->identity = &identity;
    config->resume = &session;
    err = elo_tls_init(tls, config);
    while ((elo_tls_state(tls) & ELO_TLS_CLOSED) == 0) {
        elo_tls_input_ack(tls, elo_tls_input_buf(tls, &n) != NULL ? n : 0);
        elo_tls_output_ack(tls, elo_tls_output_buf(tls, &n) != NULL ? n : 0);
        elo_tls_read_ack(tls, elo_tls_read_buf(tls, &n) != NULL ? n : 0);
        elo_tls_write_ack(tls, elo_tls_write_buf(tls, &n) != NULL ? n : 0);
        elo_tls_flush(tls);
        err = elo_tls_session_get(tls, &session);
    }
    elo_tls_input_end(tls);
    elo_tls_close(tls);
    key[0] = (uint8_t)(elo_tls_error(tls) + err + elo_tls_error_number(tls) + elo_tls_alert(tls));
    key[1] = (uint8_t)(elo_tls_cipher_suite(tls) + elo_tls_fragment_bytes(tls));
    key[2] = (uint8_t)(elo_tls_server_not_after(tls) + elo_tls_identity_not_after(&identity));
    key[3] = (uint8_t)(elo_tls_alpn(tls) != NULL);
    elo_tls_identity_wipe(&identity);
}
