// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: rows come in the order things, certificates, policies, versions, attachments, so
 * that what a row refers to is there already. A row that refers to nothing, or says what cannot
 * be, means that the database was damaged: ELO_E_CORRUPT, and nothing is taken.
 *
 * Attachments name certificates by ARN, which holds region and account. When these were changed by
 * configuration since, the old ARN still names the same certificate; its row is rewritten.
 */
#include "elo/json/read.h"
#include "server/base/mem.h"
#include "server/registry/internal.h"

#define LOAD_ATTRIBUTES 64u /* more than any thing may have */

struct loading {
    struct registry *reg;
    struct state *state;
    struct store_batch *moved; /* rows to rewrite; NULL: none so far */
};

/* --- state ------------------------------------------------------------------------------- */

static elo_span thing_key(const void *item)
{
    return ((const struct thing_entry *)item)->pub.name;
}

static elo_span certificate_key(const void *item)
{
    const struct certificate_entry *entry = item;
    return elo_span_of(entry->key.text, entry->key.len);
}

static elo_span policy_key(const void *item)
{
    const struct policy_entry *entry = item;
    return elo_span_of(entry->key.text, entry->key.len);
}

void registry__state_init(struct state *state)
{
    map_init(&state->things);
    map_init(&state->certificates);
    map_init(&state->policies);
    registry__index_init(&state->things_by_name, thing_key);
    registry__index_init(&state->certificates_by_date, certificate_key);
    registry__index_init(&state->policies_by_date, policy_key);
}

void registry__state_free(struct state *state)
{
    for (size_t i = 0; i < state->things_by_name.len; i++) {
        struct thing_entry *thing = state->things_by_name.items[i];
        for (size_t k = 0; k < thing->principals.len; k++) {
            mem_free(thing->principals.items[k]);
        }
        registry__thing_free(thing);
    }
    for (size_t i = 0; i < state->certificates_by_date.len; i++) {
        registry__certificate_free(state->certificates_by_date.items[i]);
    }
    for (size_t i = 0; i < state->policies_by_date.len; i++) {
        registry__policy_free(state->policies_by_date.items[i]);
    }
    registry__index_free(&state->things_by_name);
    registry__index_free(&state->certificates_by_date);
    registry__index_free(&state->policies_by_date);
    map_free(&state->things);
    map_free(&state->certificates);
    map_free(&state->policies);
}

/* --- rows -------------------------------------------------------------------------------- */

/* Attribute names and values have no characters that JSON escapes: spans into the text will do. */
static elo_err read_attributes(elo_span json, struct thing_attribute *out, size_t *out_count)
{
    struct elo_json_reader reader;
    struct elo_json_token token;
    size_t count = 0;
    elo_json_reader_init(&reader, json);
    elo_err err = elo_json_next(&reader, &token);
    if (err || token.type != ELO_JSON_OBJECT_BEGIN) {
        return ELO_E_CORRUPT;
    }
    while (!(err = elo_json_next(&reader, &token)) && token.type == ELO_JSON_KEY) {
        if (count == LOAD_ATTRIBUTES || token.has_escapes) {
            return ELO_E_CORRUPT;
        }
        out[count].name = token.raw;
        err = elo_json_next(&reader, &token);
        if (err || token.type != ELO_JSON_STRING || token.has_escapes) {
            return ELO_E_CORRUPT;
        }
        out[count++].value = token.raw;
    }
    *out_count = count;
    return err ? ELO_E_CORRUPT : ELO_OK;
}

static elo_err load_thing(void *ctx, const struct store_thing *row)
{
    struct loading *loading = ctx;
    struct thing_attribute attributes[LOAD_ATTRIBUTES];
    size_t count = 0;
    elo_err err = read_attributes(row->attributes, attributes, &count);
    if (err) {
        return err;
    }
    struct thing_details *details = registry__details_new(row->type_name, attributes, count);
    if (!details) {
        return ELO_E_NO_MEMORY;
    }
    struct thing_entry *entry = registry__thing_new(row->name, row->id, row->created_ms);
    if (!entry) {
        mem_free(details);
        return ELO_E_NO_MEMORY;
    }
    registry__thing_take(entry, details, row->version);
    if (!registry__thing_insert(loading->state, entry)) {
        registry__thing_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_certificate(void *ctx, const struct store_certificate *row)
{
    struct loading *loading = ctx;
    struct certificate certificate = {
        .id = row->id,
        .pem = row->pem,
        .mode = row->mode,
        .ca_id = row->ca_id,
        .generation_id = row->generation_id,
        .created_ms = row->created_ms,
        .modified_ms = row->modified_ms,
        .not_before_s = row->not_before_s,
        .not_after_s = row->not_after_s,
        .customer_version = row->customer_version,
    };
    if (!certificate_status_parse(row->status, &certificate.status)) {
        return ELO_E_CORRUPT;
    }
    struct certificate_entry *entry = registry__certificate_new(loading->reg, &certificate);
    if (!entry || !registry__certificate_insert(loading->state, entry)) {
        registry__certificate_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_policy(void *ctx, const struct store_policy *row)
{
    struct loading *loading = ctx;
    const struct policy_record record = {
        .name = row->name,
        .generation_id = row->generation_id,
        .default_version = row->default_version,
        .created_ms = row->created_ms,
        .modified_ms = row->modified_ms,
    };
    struct policy_entry *entry = registry__policy_new(&record, row->next_version);
    if (!entry || !registry__policy_insert(loading->state, entry)) {
        registry__policy_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_policy_version(void *ctx, const struct store_policy_version *row)
{
    struct loading *loading = ctx;
    struct policy_entry *policy = map_get(&loading->state->policies, row->policy);
    if (!policy || policy->pub.version_count == LIMIT_POLICY_VERSIONS ||
        row->version >= policy->next_version) {
        return ELO_E_CORRUPT;
    }
    uint8_t *text = registry__version_text(row->document, row->generation_id);
    if (!text) {
        return ELO_E_NO_MEMORY;
    }
    const struct policy_version version = {row->version, row->document, row->generation_id,
                                           row->created_ms};
    registry__policy_add_version(policy, &version, text);
    return ELO_OK;
}

/* The certificate that an ARN names, whatever its region and account. */
static struct certificate_entry *target_of(const struct state *state, elo_span arn)
{
    const uint8_t *slash = arn.len ? memrchr(arn.ptr, '/', arn.len) : NULL;
    if (!slash) {
        return NULL;
    }
    return map_get(&state->certificates, elo_span_from(arn, (size_t)(slash + 1 - arn.ptr)));
}

/* Is the ARN of a row an old one? Then there is a batch to rewrite it, or `*err` says why not. */
static bool has_moved(struct loading *loading,
                      const struct certificate_entry *certificate,
                      elo_span arn,
                      elo_err *err)
{
    if (elo_span_eq(arn, certificate->pub.arn)) {
        return false;
    }
    if (!loading->moved) {
        loading->moved = store_begin(loading->reg->store);
    }
    *err = loading->moved ? ELO_OK : ELO_E_NO_MEMORY;
    return loading->moved != NULL;
}

static elo_err load_policy_target(void *ctx, elo_span name, elo_span target_arn)
{
    struct loading *loading = ctx;
    struct policy_entry *policy = map_get(&loading->state->policies, name);
    struct certificate_entry *target = target_of(loading->state, target_arn);
    if (!policy || !target || registry__index_get(&target->policies, name)) {
        return ELO_E_CORRUPT;
    }
    elo_err err = ELO_OK;
    if (has_moved(loading, target, target_arn, &err)) {
        store_delete_policy_target(loading->moved, name, target_arn);
        store_put_policy_target(loading->moved, name, target->pub.arn);
    }
    if (err) {
        return err;
    }
    return registry__link_policy(policy, target) ? ELO_OK : ELO_E_NO_MEMORY;
}

static elo_err
load_thing_principal(void *ctx, elo_span name, elo_span principal_arn, bool exclusive)
{
    struct loading *loading = ctx;
    struct thing_entry *thing = map_get(&loading->state->things, name);
    struct certificate_entry *principal = target_of(loading->state, principal_arn);
    if (!thing || !principal || registry__index_get(&principal->things, name)) {
        return ELO_E_CORRUPT;
    }
    elo_err err = ELO_OK;
    if (has_moved(loading, principal, principal_arn, &err)) {
        store_delete_thing_principal(loading->moved, name, principal_arn);
        store_put_thing_principal(loading->moved, name, principal->pub.arn, exclusive);
    }
    if (err) {
        return err;
    }
    return registry__link_thing(thing, principal, exclusive) ? ELO_OK : ELO_E_NO_MEMORY;
}

/* --- all of it --------------------------------------------------------------------------- */

static elo_err finish(struct loading *loading)
{
    const struct index *policies = &loading->state->policies_by_date;
    for (size_t i = 0; i < policies->len; i++) {
        const struct policy_entry *policy = policies->items[i];
        if (!registry_policy_default(&policy->pub)) {
            return ELO_E_CORRUPT;
        }
    }
    if (loading->moved) {
        struct store_batch *b = loading->moved;
        loading->moved = NULL;
        return registry__submit(loading->reg, b) ? ELO_OK : ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

elo_err registry__load(struct registry *reg, struct state *state)
{
    struct loading loading = {.reg = reg, .state = state};
    const struct store_loader loader = {
        .ctx = &loading,
        .thing = load_thing,
        .certificate = load_certificate,
        .policy = load_policy,
        .policy_version = load_policy_version,
        .policy_target = load_policy_target,
        .thing_principal = load_thing_principal,
    };
    registry__state_init(state);
    elo_err err = store_load(reg->store, &loader);
    if (!err) {
        err = finish(&loading);
    }
    store_abandon(loading.moved);
    if (err) {
        registry__state_free(state);
    }
    return err;
}
