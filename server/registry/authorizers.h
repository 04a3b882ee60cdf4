// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Custom authorizers: who lets in whom no certificate and no signature lets in ("Custom
 * authentication and authorization", AWS IoT Developer Guide). Included by registry.h; all that
 * write.h says of checks, memory and results holds here. How one is asked: server/auth/custom.h.
 */
#ifndef ELO_SERVER_REGISTRY_AUTHORIZERS_H
#define ELO_SERVER_REGISTRY_AUTHORIZERS_H

#include "server/registry/registry.h"

#define REGISTRY_AUTHORIZERS     10u /* AWS's quota */
#define REGISTRY_AUTHORIZER_KEYS 10u

struct authorizer_record {
    elo_span name;
    elo_span function_arn;
    elo_span token_key_name;                               /* empty: none */
    struct thing_attribute keys[REGISTRY_AUTHORIZER_KEYS]; /* name and PEM of a public key */
    size_t key_count;
    bool active;
    bool signing_disabled;
    bool caching_for_http;
    int64_t created_ms;
    int64_t modified_ms;
};

/* What is given; on create also what is not. */
struct authorizer_change {
    elo_span function_arn;   /* empty: not given */
    elo_span token_key_name; /* empty: not given */
    bool has_keys;
    const struct thing_attribute *keys;
    size_t key_count;
    const bool *active; /* NULL: not given */
    const bool *signing_disabled;
    const bool *caching_for_http;
};

/*
 * CreateAuthorizer. InvalidRequest: also without token key name and keys while signing is not
 * disabled, and a key that is no RSA public key of 2048 bits or more; LimitExceeded;
 * ResourceAlreadyExists.
 */
aws_error registry_create_authorizer(struct registry *reg,
                                     elo_span name,
                                     const struct authorizer_change *given,
                                     int64_t now_ms,
                                     const struct authorizer_record **out,
                                     struct aws_fault *fault);

/* UpdateAuthorizer: what is given replaces, but whether signing is disabled, which is fixed.
 * ResourceNotFound, InvalidRequest. */
aws_error registry_update_authorizer(struct registry *reg,
                                     elo_span name,
                                     const struct authorizer_change *given,
                                     int64_t now_ms,
                                     const struct authorizer_record **out,
                                     struct aws_fault *fault);

/* DeleteAuthorizer. DeleteConflict while it is ACTIVE or the default; ResourceNotFound. */
aws_error registry_delete_authorizer(struct registry *reg, elo_span name, struct aws_fault *fault);

/* DescribeAuthorizer: it, or ResourceNotFound, InvalidRequest. */
aws_error registry_describe_authorizer(const struct registry *reg,
                                       elo_span name,
                                       const struct authorizer_record **out,
                                       struct aws_fault *fault);

/* NULL: there is none of this name; of an empty one: no default. */
const struct authorizer_record *registry_authorizer(const struct registry *reg, elo_span name);

/* Is there any that is ACTIVE? */
bool registry_has_authorizer(const struct registry *reg);

/* ListAuthorizers, by name. `active`: NULL: all. */
typedef void registry_each_authorizer(void *ctx, const struct authorizer_record *authorizer);
void registry_list_authorizers(const struct registry *reg,
                               const bool *active,
                               const struct registry_page *page,
                               registry_each_authorizer *each,
                               void *ctx,
                               struct registry_next *next);

/* SetDefaultAuthorizer. ResourceNotFound; ResourceAlreadyExists while another is the default. */
aws_error registry_set_default_authorizer(struct registry *reg,
                                          elo_span name,
                                          const struct authorizer_record **out,
                                          struct aws_fault *fault);

/* ClearDefaultAuthorizer. ResourceNotFound: there is none. */
aws_error registry_clear_default_authorizer(struct registry *reg, struct aws_fault *fault);

#endif
