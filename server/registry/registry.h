// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The registry: things, certificates, policies and who is attached to whom.
 *
 * All of it is in memory (hash maps by name, id and ARN) and written through to the store: a call
 * that changes something validates it by AWS's rules, changes memory and submits one batch. The
 * answer may leave only when registry_after(reg) is durable (see store.h). When a commit failed,
 * the owner calls registry_reload().
 *
 * Calls return AWS_OK or AWS's error with its message in `fault`, and then nothing was changed.
 * Pointers to struct thing, certificate, policy are borrowed and valid until the next call that
 * changes the registry. Core thread only.
 *
 * Facts: "Thing registry", "X.509 client certificates", "AWS IoT Core policies" (AWS IoT Developer
 * Guide) and the service model's shapes.
 */
#ifndef ELO_SERVER_REGISTRY_H
#define ELO_SERVER_REGISTRY_H

#include "server/base/aws_error.h"
#include "server/base/compat.h"
#include "server/base/env.h"
#include "server/base/map.h"
#include "server/store/store.h"

struct registry;

struct registry_config {
    const char *region;  /* "eu-west-1" */
    const char *account; /* 12 digits */
    struct compat compat;
    struct core_random random;
};

/*
 * Loads everything from the store. ELO_E_USAGE: region or account is none; ELO_E_CORRUPT: the rows
 * contradict each other; ELO_E_NO_MEMORY and what store_load() answers. Certificates whose rows
 * name another region or account (it was changed by configuration) come along.
 */
ELO_MUST_USE elo_err registry_create(const struct registry_config *config,
                                     struct store *store,
                                     struct registry **out);
void registry_destroy(struct registry *reg);

/*
 * After a failed commit, before anything else is asked or changed: forgets memory and reads the
 * durable state again. On failure memory is as it was, and shows what is not stored: the owner
 * tries again or ends the process. Errors as registry_create().
 */
ELO_MUST_USE elo_err registry_reload(struct registry *reg);

/* Grows with every change. Whoever caches something derived compares it. */
uint64_t registry_generation(const struct registry *reg);

/* The batch that a reply given now must wait for; 0: none, everything shown is durable. */
uint64_t registry_after(const struct registry *reg);

const char *registry_region(const struct registry *reg);
const char *registry_account(const struct registry *reg);

enum certificate_status {
    CERTIFICATE_ACTIVE,
    CERTIFICATE_INACTIVE,
    CERTIFICATE_REVOKED,
    CERTIFICATE_PENDING_TRANSFER,
    CERTIFICATE_REGISTER_INACTIVE,
    CERTIFICATE_PENDING_ACTIVATION
};
const char *certificate_status_name(enum certificate_status status); /* "ACTIVE" */
bool certificate_status_parse(elo_span name, enum certificate_status *out);

struct thing_attribute {
    elo_span name;
    elo_span value;
};

struct thing {
    elo_span name;
    elo_span id;
    elo_span type_name;
    const struct thing_attribute *attributes; /* sorted by name */
    size_t attribute_count;
    int64_t version;
    int64_t created_ms;
};

struct certificate {
    elo_span id;
    elo_span arn;
    elo_span pem;
    enum certificate_status status;
    elo_span mode;
    elo_span ca_id;
    elo_span generation_id;
    int64_t created_ms;
    int64_t modified_ms;
    int64_t not_before_s;
    int64_t not_after_s;
    int64_t customer_version;
};

struct policy_version {
    int64_t version;
    elo_span document;
    elo_span generation_id;
    int64_t created_ms;
};

struct policy_record {
    elo_span name;
    elo_span generation_id;
    const struct policy_version *versions; /* by version */
    size_t version_count;
    int64_t default_version;
    int64_t created_ms;
    int64_t modified_ms;
};

const struct thing *registry_thing(const struct registry *reg, elo_span name);
const struct certificate *registry_certificate(const struct registry *reg, elo_span id);
const struct policy_record *registry_policy(const struct registry *reg, elo_span name);
const struct policy_version *registry_policy_default(const struct policy_record *policy);

/*
 * The names of the policies attached to a target (certificate ARN). Calls `each` until it answers
 * false.
 */
void registry_each_policy_of(const struct registry *reg,
                             elo_span target_arn,
                             bool (*each)(void *ctx, const struct policy_record *policy),
                             void *ctx);

/* Is this principal (ARN) attached to this thing? */
bool registry_is_attached(const struct registry *reg, elo_span thing, elo_span principal_arn);

/*
 * The thing a connection is bound to: the one the certificate is attached to exclusively,
 * otherwise the thing named like the client id if the certificate is attached to it; NULL: none
 * ("Policy variables for things", AWS IoT Developer Guide).
 */
const struct thing *
registry_bound_thing(const struct registry *reg, elo_span certificate_id, elo_span client_id);

/*
 * All policies that count for a connection with this certificate, bound to this thing (NULL: to
 * none): those attached to the certificate, to the groups of the thing and to all groups above
 * these; each once. Calls `each` until it answers false.
 */
void registry_each_effective_policy(const struct registry *reg,
                                    elo_span certificate_id,
                                    const struct thing *thing,
                                    bool (*each)(void *ctx, const struct policy_record *policy),
                                    void *ctx);

/* The write side, by resource. */
#include "server/registry/write.h"

#include "server/registry/fleet.h"

#include "server/registry/authorizers.h"

#endif
