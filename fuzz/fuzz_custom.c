// links: server_auth server_registry server_store server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a custom authorizer's function answers. Whatever comes: it is taken whole, or refused with a
 * sentence; what is taken keeps AWS's rules.
 */
#include <stdlib.h>
#include <string.h>

#include "server/auth/custom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good) {
        abort();
    }
}

static void check(const struct custom *c)
{
    elo_span documents[CUSTOM_POLICIES];
    elo_span principal = custom_principal(c);
    size_t count = custom_policies(c, documents);
    must(custom_is_authenticated(c) && count <= CUSTOM_POLICIES);
    must(principal.len >= 1 && principal.len <= 128);
    must(custom_disconnect_s(c) >= 300 && custom_disconnect_s(c) <= 86400);
    must(custom_refresh_s(c) >= 300 && custom_refresh_s(c) <= 86400);
    for (size_t i = 0; i < count; i++) {
        char why[200];
        struct policy *policy = NULL;
        must(policy_parse(documents[i], &policy, why, sizeof why) == ELO_OK);
        policy_release(policy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct custom *c = custom_create(NULL, NULL, elo_span_of(NULL, 0));
    must(c != NULL);
    elo_err err = custom_read_answer(c, elo_span_of(data, size));
    if (err == ELO_OK) {
        check(c);
    } else {
        must(!custom_is_authenticated(c) && strlen(custom_why(c)) > 0);
        must(err == ELO_E_LAMBDA || err == ELO_E_AUTHORIZER);
    }
    custom_destroy(c);
    return 0;
}
