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
#include "server/base/mem.h"
#include "server/registry/internal.h"

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

static elo_span type_key(const void *item)
{
    return ((const struct type_entry *)item)->pub.name;
}

static elo_span group_key(const void *item)
{
    return ((const struct group_entry *)item)->pub.name;
}

static elo_span ca_key(const void *item)
{
    const struct ca_entry *entry = item;
    return elo_span_of(entry->key.text, entry->key.len);
}

static elo_span template_key(const void *item)
{
    return ((const struct template_entry *)item)->pub.name;
}

void registry__state_init(struct state *state)
{
    map_init(&state->things);
    map_init(&state->certificates);
    map_init(&state->policies);
    registry__table_init(&state->types, type_key);
    registry__table_init(&state->groups, group_key);
    registry__table_init(&state->cas, ca_key);
    registry__table_init(&state->templates, template_key);
    state->registration_code[0] = '\0';
    registry__authorizers_init(state);
    registry__index_init(&state->things_by_name, thing_key);
    registry__index_init(&state->certificates_by_date, certificate_key);
    registry__index_init(&state->policies_by_date, policy_key);
}

static void free_fleet(struct state *state)
{
    for (size_t i = 0; i < state->types.index.len; i++) {
        registry__type_free(state->types.index.items[i]);
    }
    for (size_t i = 0; i < state->groups.index.len; i++) {
        registry__group_free(state->groups.index.items[i]);
    }
    for (size_t i = 0; i < state->cas.index.len; i++) {
        registry__ca_free(state->cas.index.items[i]);
    }
    for (size_t i = 0; i < state->templates.index.len; i++) {
        registry__template_free(state->templates.index.items[i]);
    }
    registry__table_free(&state->types);
    registry__table_free(&state->groups);
    registry__table_free(&state->cas);
    registry__table_free(&state->templates);
}

void registry__state_free(struct state *state)
{
    free_fleet(state);
    registry__authorizers_free(state);
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

static elo_err load_thing(void *ctx, const struct store_thing *row)
{
    struct loading *loading = ctx;
    struct thing_attribute attributes[ATTRIBUTE_SET_MAX];
    size_t count = 0;
    elo_err err = registry__attributes_read(row->attributes, attributes, &count);
    if (err) {
        return err;
    }
    if (row->type_name.len > 0 && !map_get(&loading->state->types.map, row->type_name)) {
        return ELO_E_CORRUPT;
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
    (void)registry__thing_take(entry, details, row->version);
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
static struct certificate_entry *certificate_of(const struct state *state, elo_span arn)
{
    const uint8_t *slash = arn.len ? memrchr(arn.ptr, '/', arn.len) : NULL;
    if (!slash) {
        return NULL;
    }
    return map_get(&state->certificates, elo_span_from(arn, (size_t)(slash + 1 - arn.ptr)));
}

/* The same for a certificate or a thing group: ...:cert/ID, ...:thinggroup/NAME. */
static struct target *target_of(const struct state *state, elo_span arn)
{
    const elo_span kind = ELO_SPAN(":thinggroup");
    const uint8_t *slash = arn.len ? memrchr(arn.ptr, '/', arn.len) : NULL;
    size_t head = slash ? (size_t)(slash - arn.ptr) : 0;
    if (head > kind.len &&
        elo_span_eq(elo_span_from(elo_span_first(arn, head), head - kind.len), kind)) {
        struct group_entry *group = map_get(&state->groups.map, elo_span_from(arn, head + 1));
        return group ? &group->target : NULL;
    }
    struct certificate_entry *certificate = certificate_of(state, arn);
    return certificate ? &certificate->target : NULL;
}

/* Is the ARN of a row an old one? Then there is a batch to rewrite it, or `*err` says why not. */
static bool has_moved(struct loading *loading, elo_span arn_now, elo_span arn, elo_err *err)
{
    if (elo_span_eq(arn, arn_now)) {
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
    struct target *target = target_of(loading->state, target_arn);
    if (!policy || !target || registry__index_get(&target->policies, name)) {
        return ELO_E_CORRUPT;
    }
    elo_err err = ELO_OK;
    if (has_moved(loading, target->arn, target_arn, &err)) {
        store_delete_policy_target(loading->moved, name, target_arn);
        store_put_policy_target(loading->moved, name, target->arn);
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
    struct certificate_entry *principal = certificate_of(loading->state, principal_arn);
    if (!thing || !principal || registry__index_get(&principal->things, name)) {
        return ELO_E_CORRUPT;
    }
    elo_err err = ELO_OK;
    if (has_moved(loading, principal->pub.arn, principal_arn, &err)) {
        store_delete_thing_principal(loading->moved, name, principal_arn);
        store_put_thing_principal(loading->moved, name, principal->pub.arn, exclusive);
    }
    if (err) {
        return err;
    }
    return registry__link_thing(thing, principal, exclusive) ? ELO_OK : ELO_E_NO_MEMORY;
}

/* --- the rarer rows ---------------------------------------------------------------------- */

static elo_err load_type(void *ctx, const struct store_thing_type *row)
{
    struct loading *loading = ctx;
    elo_span searchable[LIMIT_SEARCHABLE_ATTRIBUTES];
    size_t count = 0;
    elo_span rest = row->searchable;
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        if (count == LIMIT_SEARCHABLE_ATTRIBUTES) {
            return ELO_E_CORRUPT;
        }
        searchable[count++] = elo_span_first(rest, len);
        rest = elo_span_from(rest, end ? len + 1 : len);
    }
    struct type_entry *entry = registry__type_new(row->name, row->id, row->created_ms);
    if (!entry || !registry__type_take(entry, row->description, searchable, count) ||
        !registry__table_insert(&loading->state->types, entry->pub.name, entry)) {
        registry__type_free(entry);
        return ELO_E_NO_MEMORY;
    }
    entry->pub.deprecated_ms = row->deprecated_ms;
    return ELO_OK;
}

/* Parents may come later: finish() finds them. */
static elo_err load_group(void *ctx, const struct store_thing_group *row)
{
    struct loading *loading = ctx;
    struct thing_attribute attributes[ATTRIBUTE_SET_MAX];
    size_t count = 0;
    elo_err err = registry__attributes_read(row->attributes, attributes, &count);
    if (err) {
        return err;
    }
    struct thing_details *details = registry__details_new(row->description, attributes, count);
    struct group_entry *entry = details ? registry__group_new(loading->reg, row->name, row->id,
                                                              row->parent, row->created_ms)
                                        : NULL;
    if (!entry) {
        mem_free(details);
        return ELO_E_NO_MEMORY;
    }
    registry__group_take(entry, details, row->version);
    if (!registry__table_insert(&loading->state->groups, entry->pub.name, entry)) {
        registry__group_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_member(void *ctx, elo_span group, elo_span thing)
{
    struct loading *loading = ctx;
    struct group_entry *entry = map_get(&loading->state->groups.map, group);
    struct thing_entry *member = map_get(&loading->state->things, thing);
    if (!entry || !member || registry__index_get(&member->groups, group)) {
        return ELO_E_CORRUPT;
    }
    return registry__link_member(entry, member) ? ELO_OK : ELO_E_NO_MEMORY;
}

static elo_err load_ca(void *ctx, const struct store_ca *row)
{
    struct loading *loading = ctx;
    const struct ca_certificate ca = {
        .id = row->id,
        .pem = row->pem,
        .mode = row->mode,
        .subject = row->subject,
        .generation_id = row->generation_id,
        .active = elo_span_eq(row->status, ELO_SPAN("ACTIVE")),
        .auto_registration = row->auto_registration,
        .template_name = row->template_name,
        .template_body = row->template_body,
        .role_arn = row->role_arn,
        .created_ms = row->created_ms,
        .modified_ms = row->modified_ms,
        .not_before_s = row->not_before_s,
        .not_after_s = row->not_after_s,
        .customer_version = row->customer_version,
    };
    if (!ca.active && !elo_span_eq(row->status, ELO_SPAN("INACTIVE"))) {
        return ELO_E_CORRUPT;
    }
    struct ca_entry *entry = registry__ca_new(&ca);
    if (!entry || !registry__table_insert(&loading->state->cas, entry->pub.id, entry)) {
        registry__ca_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_template(void *ctx, const struct store_template *row)
{
    struct loading *loading = ctx;
    const struct provisioning_template template = {
        .name = row->name,
        .type = row->type,
        .description = row->description,
        .role_arn = row->role_arn,
        .hook = row->hook,
        .enabled = row->enabled,
        .default_version = row->default_version,
        .created_ms = row->created_ms,
        .modified_ms = row->modified_ms,
    };
    struct template_entry *entry = registry__template_new(&template, row->next_version);
    if (!entry || !registry__table_insert(&loading->state->templates, entry->pub.name, entry)) {
        registry__template_free(entry);
        return ELO_E_NO_MEMORY;
    }
    return ELO_OK;
}

static elo_err load_template_version(void *ctx, const struct store_template_version *row)
{
    struct loading *loading = ctx;
    struct template_entry *entry = map_get(&loading->state->templates.map, row->template_name);
    if (!entry || entry->pub.version_count == LIMIT_TEMPLATE_VERSIONS ||
        row->version >= entry->next_version) {
        return ELO_E_CORRUPT;
    }
    const struct template_version version = {row->version, row->body, row->created_ms};
    return registry__template_add_version(entry, &version) ? ELO_OK : ELO_E_NO_MEMORY;
}

static elo_err load_setting(void *ctx, elo_span name, elo_span value)
{
    struct loading *loading = ctx;
    if (elo_span_eq(name, ELO_SPAN("registration-code"))) {
        if (value.len != sizeof loading->state->registration_code - 1) {
            return ELO_E_CORRUPT;
        }
        memcpy(loading->state->registration_code, value.ptr, value.len);
        loading->state->registration_code[value.len] = '\0';
        return ELO_OK;
    }
    return registry__load_authorizer(loading->state, name, value);
}

/* Every group gets its parent; one that is its own ancestor would be endless. */
static elo_err join_groups(const struct state *state)
{
    for (size_t i = 0; i < state->groups.index.len; i++) {
        struct group_entry *group = state->groups.index.items[i];
        if (group->pub.parent_name.len == 0) {
            continue;
        }
        struct group_entry *parent = map_get(&state->groups.map, group->pub.parent_name);
        if (!parent || registry__is_within(parent, group)) {
            return ELO_E_CORRUPT;
        }
        if (!registry__index_reserve(&parent->children)) {
            return ELO_E_NO_MEMORY;
        }
        registry__index_insert(&parent->children, group);
        group->parent = parent;
        group->pub.parent = &parent->pub;
    }
    return ELO_OK;
}

/* --- all of it --------------------------------------------------------------------------- */

static elo_err finish(struct loading *loading)
{
    elo_err err = join_groups(loading->state);
    if (err) {
        return err;
    }
    const struct index *templates = &loading->state->templates.index;
    for (size_t i = 0; i < templates->len; i++) {
        const struct template_entry *entry = templates->items[i];
        if (!registry_template_version(&entry->pub, entry->pub.default_version)) {
            return ELO_E_CORRUPT;
        }
    }
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
        .thing_type = load_type,
        .thing_group = load_group,
        .group_member = load_member,
        .ca = load_ca,
        .provisioning_template = load_template,
        .template_version = load_template_version,
        .setting = load_setting,
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
