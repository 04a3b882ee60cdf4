// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * AWS IoT Core's security policies by name ("Transport security in AWS IoT Core": TLS policies).
 * The two older ones, IoTSecurityPolicy_TLS12_1_0_2015_01 and _2016_01, are not here: what they
 * take below TLS 1.2 is not known, and nothing below TLS 1.2 is spoken here.
 */
#include <string.h>

#include "server/net/internal.h"

/* Those with RSA come into play with a server.pem and server.key of RSA. No CHACHA20 before 1.3. */
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"                                           \
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"                                                 \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"                                           \
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"                                                 \
    "AES128-GCM-SHA256:AES128-SHA256:AES128-SHA:AES256-GCM-SHA384:AES256-SHA256:AES256-SHA"

#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static const struct tls_policy policies[] = {
    {"IoTSecurityPolicy_TLS13_1_2_2022_10", TLS1_2_VERSION, TLS1_3_VERSION},
    {"IoTSecurityPolicy_TLS13_1_3_2022_10", TLS1_3_VERSION, TLS1_3_VERSION},
    {"IoTSecurityPolicy_TLS12_1_2_2022_10", TLS1_2_VERSION, TLS1_2_VERSION},
};

const struct tls_policy *tls_policy(const char *name)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (name == NULL || strcmp(policies[i].name, name) == 0) {
            return &policies[i];
        }
    }
    return NULL;
}

bool tls_obey_policy(SSL_CTX *ctx, const struct tls_policy *policy)
{
    return SSL_CTX_set_min_proto_version(ctx, policy->oldest) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, policy->newest) == 1 &&
           SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1;
}
