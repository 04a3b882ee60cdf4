// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/registry/registry.h"

#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

/* --- life cycle -------------------------------------------------------------------------- */

static bool is_account(const char *text)
{
    return strlen(text) == 12 && strspn(text, "0123456789") == 12;
}

static bool is_region(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

elo_err
registry_create(const struct registry_config *config, struct store *store, struct registry **out)
{
    if (!is_region(config->region) || !is_account(config->account)) {
        return ELO_E_USAGE;
    }
    struct registry *reg = mem_zero(sizeof *reg);
    if (!reg) {
        return ELO_E_NO_MEMORY;
    }
    reg->store = store;
    reg->compat = config->compat;
    reg->random = config->random;
    memcpy(reg->region, config->region, strlen(config->region));
    memcpy(reg->account, config->account, strlen(config->account));
    reg->cert_prefix_len = registry_arn(reg, "cert", elo_span_of("", 0), reg->cert_prefix);
    reg->generation = 1;
    elo_err err = registry__load(reg, &reg->state);
    if (err) {
        mem_free(reg);
        return err;
    }
    *out = reg;
    return ELO_OK;
}

void registry_destroy(struct registry *reg)
{
    if (reg) {
        registry__state_free(&reg->state);
        mem_free(reg);
    }
}

elo_err registry_reload(struct registry *reg)
{
    struct state fresh;
    uint64_t after = reg->after;
    reg->after = 0; /* what is read now is durable; loading itself may submit */
    elo_err err = registry__load(reg, &fresh);
    if (err) {
        reg->after = after;
        return err;
    }
    registry__state_free(&reg->state);
    reg->state = fresh;
    reg->generation++;
    return ELO_OK;
}

uint64_t registry_generation(const struct registry *reg)
{
    return reg->generation;
}

uint64_t registry_after(const struct registry *reg)
{
    return reg->after;
}

const char *registry_region(const struct registry *reg)
{
    return reg->region;
}

const char *registry_account(const struct registry *reg)
{
    return reg->account;
}

size_t registry_arn(const struct registry *reg,
                    const char *kind,
                    elo_span name,
                    char out[REGISTRY_ARN_BYTES])
{
    int shown = (int)(name.len < LIMIT_NAME_BYTES ? name.len : LIMIT_NAME_BYTES);
    int len = snprintf(out, REGISTRY_ARN_BYTES, "arn:aws:iot:%s:%s:%s/%.*s", reg->region,
                       reg->account, kind, shown, (const char *)name.ptr);
    return (size_t)len < REGISTRY_ARN_BYTES ? (size_t)len : REGISTRY_ARN_BYTES - 1;
}

/* --- names of statuses ------------------------------------------------------------------- */

static const char *const status_names[] = {
    [CERTIFICATE_ACTIVE] = "ACTIVE",
    [CERTIFICATE_INACTIVE] = "INACTIVE",
    [CERTIFICATE_REVOKED] = "REVOKED",
    [CERTIFICATE_PENDING_TRANSFER] = "PENDING_TRANSFER",
    [CERTIFICATE_REGISTER_INACTIVE] = "REGISTER_INACTIVE",
    [CERTIFICATE_PENDING_ACTIVATION] = "PENDING_ACTIVATION",
};

const char *certificate_status_name(enum certificate_status status)
{
    return status_names[status];
}

bool certificate_status_parse(elo_span name, enum certificate_status *out)
{
    for (size_t i = 0; i < sizeof status_names / sizeof *status_names; i++) {
        if (elo_span_eq(name, elo_span_str(status_names[i]))) {
            *out = (enum certificate_status)i;
            return true;
        }
    }
    return false;
}

bool registry_parse_version(elo_span text, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        int64_t digit = text.ptr[i] - '0';
        if (value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return text.len > 0;
}

/* --- looking up -------------------------------------------------------------------------- */

struct type_entry *registry__type(const struct registry *reg, elo_span name)
{
    return map_get(&reg->state.types.map, name);
}

struct group_entry *registry__group(const struct registry *reg, elo_span name)
{
    return map_get(&reg->state.groups.map, name);
}

struct thing_entry *registry__thing(const struct registry *reg, elo_span name)
{
    return map_get(&reg->state.things, name);
}

struct certificate_entry *registry__certificate(const struct registry *reg, elo_span id)
{
    return map_get(&reg->state.certificates, id);
}

struct policy_entry *registry__policy(const struct registry *reg, elo_span name)
{
    return map_get(&reg->state.policies, name);
}

const struct thing *registry_thing(const struct registry *reg, elo_span name)
{
    const struct thing_entry *entry = registry__thing(reg, name);
    return entry ? &entry->pub : NULL;
}

const struct certificate *registry_certificate(const struct registry *reg, elo_span id)
{
    const struct certificate_entry *entry = registry__certificate(reg, id);
    return entry ? &entry->pub : NULL;
}

const struct policy_record *registry_policy(const struct registry *reg, elo_span name)
{
    const struct policy_entry *entry = registry__policy(reg, name);
    return entry ? &entry->pub : NULL;
}

const struct policy_version *registry_policy_version(const struct policy_record *policy,
                                                     int64_t version)
{
    for (size_t i = 0; i < policy->version_count; i++) {
        if (policy->versions[i].version == version) {
            return &policy->versions[i];
        }
    }
    return NULL;
}

const struct policy_version *registry_policy_default(const struct policy_record *policy)
{
    return registry_policy_version(policy, policy->default_version);
}

struct certificate_entry *registry__of_arn(const struct registry *reg, elo_span arn)
{
    elo_span prefix = elo_span_of(reg->cert_prefix, reg->cert_prefix_len);
    if (!elo_span_starts_with(arn, prefix)) {
        return NULL;
    }
    return registry__certificate(reg, elo_span_from(arn, prefix.len));
}

const struct certificate *registry_certificate_of_arn(const struct registry *reg, elo_span arn)
{
    const struct certificate_entry *entry = registry__of_arn(reg, arn);
    return entry ? &entry->pub : NULL;
}

void registry_each_policy_of(const struct registry *reg,
                             elo_span target_arn,
                             bool (*each)(void *ctx, const struct policy_record *policy),
                             void *ctx)
{
    const struct certificate_entry *target = registry__of_arn(reg, target_arn);
    for (size_t i = 0; target && i < target->target.policies.len; i++) {
        const struct policy_entry *policy = target->target.policies.items[i];
        if (!each(ctx, &policy->pub)) {
            return;
        }
    }
}

/* Every policy of a certificate, of ten groups and of six above each: no more can be attached. */
#define EFFECTIVE_MAX                                                                              \
    (LIMIT_POLICIES_PER_CERTIFICATE +                                                              \
     LIMIT_GROUPS_PER_THING * LIMIT_GROUP_DEPTH * LIMIT_POLICIES_PER_GROUP)

struct effective {
    const struct policy_entry *policies[EFFECTIVE_MAX];
    size_t count;
};

static void collect(struct effective *set, const struct target *target)
{
    for (size_t i = 0; i < target->policies.len; i++) {
        const struct policy_entry *policy = target->policies.items[i];
        size_t at = 0;
        while (at < set->count && set->policies[at] != policy) {
            at++;
        }
        if (at == set->count && at < EFFECTIVE_MAX) {
            set->policies[set->count++] = policy;
        }
    }
}

void registry_each_effective_policy(const struct registry *reg,
                                    elo_span certificate_id,
                                    const struct thing *thing,
                                    bool (*each)(void *ctx, const struct policy_record *policy),
                                    void *ctx)
{
    struct effective set;
    const struct certificate_entry *certificate = registry__certificate(reg, certificate_id);
    const struct thing_entry *entry = thing ? registry__thing(reg, thing->name) : NULL;
    set.count = 0;
    if (certificate) {
        collect(&set, &certificate->target);
    }
    for (size_t i = 0; entry && i < entry->groups.len; i++) {
        for (const struct group_entry *g = entry->groups.items[i]; g; g = g->parent) {
            collect(&set, &g->target);
        }
    }
    for (size_t i = 0; i < set.count; i++) {
        if (!each(ctx, &set.policies[i]->pub)) {
            return;
        }
    }
}

bool registry_is_attached(const struct registry *reg, elo_span thing, elo_span principal_arn)
{
    const struct certificate_entry *principal = registry__of_arn(reg, principal_arn);
    return principal && registry__index_get(&principal->things, thing);
}

const struct thing *
registry_bound_thing(const struct registry *reg, elo_span certificate_id, elo_span client_id)
{
    const struct certificate_entry *certificate = registry__certificate(reg, certificate_id);
    if (!certificate) {
        return NULL;
    }
    /* An exclusive attachment is the only one. */
    const struct attachment *attached = registry__index_get(&certificate->things, client_id);
    if (certificate->things.len == 1) {
        const struct attachment *only = certificate->things.items[0];
        attached = only->exclusive ? only : attached;
    }
    return attached ? &attached->thing->pub : NULL;
}
