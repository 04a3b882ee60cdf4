// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Provisioning templates as resources: CreateProvisioningTemplate to
 * DeleteProvisioningTemplateVersion, AWS IoT API Reference. What is in a body is
 * server/provisioning's business. Version numbers only grow.
 */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

#define DESCRIPTION_CHARS 500u

static void put_template(struct store_batch *b, const struct template_entry *entry)
{
    const struct store_template row = {
        .name = entry->pub.name,
        .type = entry->pub.type,
        .description = entry->pub.description,
        .role_arn = entry->pub.role_arn,
        .hook = entry->pub.hook,
        .enabled = entry->pub.enabled,
        .default_version = entry->pub.default_version,
        .next_version = entry->next_version,
        .created_ms = entry->pub.created_ms,
        .modified_ms = entry->pub.modified_ms,
    };
    store_put_template(b, &row);
}

static void
put_version(struct store_batch *b, elo_span name, const struct template_version *version)
{
    const struct store_template_version row = {name, version->version, version->body,
                                               version->created_ms};
    store_put_template_version(b, &row);
}

static aws_error check_body(elo_span body, struct aws_fault *fault)
{
    if (body.len <= LIMIT_TEMPLATE_BYTES) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "1 validation error detected: Value at 'templateBody' failed to satisfy "
                         "constraint: Member must have length less than or equal to %u",
                         LIMIT_TEMPLATE_BYTES);
}

/* --- creating ---------------------------------------------------------------------------- */

static aws_error check_fresh(const struct registry *reg,
                             const struct provisioning_template *fresh,
                             elo_span body,
                             struct aws_fault *fault)
{
    aws_error error = registry__check_template_name(fresh->name, fault);
    error = error ? error
                  : registry__check_description("description", fresh->description,
                                                DESCRIPTION_CHARS, fault);
    error = error ? error : registry__check_role_arn(fresh->role_arn, fault);
    error = error ? error : check_body(body, fault);
    if (error || !registry_template(reg, fresh->name)) {
        return error;
    }
    char message[160];
    (void)snprintf(message, sizeof message, "Provisioning template %.*s already exists",
                   REGISTRY_TEXT(fresh->name));
    return registry__exists(fault, reg, "provisioningtemplate", fresh->name, fresh->name, message);
}

aws_error registry_create_template(struct registry *reg,
                                   const struct provisioning_template *fresh,
                                   elo_span body,
                                   int64_t now_ms,
                                   const struct provisioning_template **out,
                                   struct aws_fault *fault)
{
    aws_error error = check_fresh(reg, fresh, body, fault);
    if (error) {
        return error;
    }
    struct provisioning_template row = *fresh;
    const struct template_version version = {1, body, now_ms};
    row.default_version = 1;
    row.created_ms = now_ms;
    row.modified_ms = now_ms;
    struct template_entry *entry = registry__template_new(&row, 2);
    if (!entry || !registry__template_add_version(entry, &version) ||
        !registry__table_insert(&reg->state.templates, entry->pub.name, entry)) {
        registry__template_free(entry);
        return registry__out_of_memory(fault);
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_template(b, entry);
        put_version(b, entry->pub.name, &entry->versions[0]);
    }
    if (!registry__submit(reg, b)) {
        registry__table_remove(&reg->state.templates, entry->pub.name, entry);
        registry__template_free(entry);
        return registry__out_of_memory(fault);
    }
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

aws_error registry_create_template_version(struct registry *reg,
                                           elo_span name,
                                           elo_span body,
                                           bool set_default,
                                           int64_t now_ms,
                                           int64_t *out_version,
                                           struct aws_fault *fault)
{
    struct template_entry *entry = NULL;
    aws_error error = registry__find_template(reg, name, &entry, fault);
    error = error ? error : check_body(body, fault);
    if (error) {
        return error;
    }
    if (entry->pub.version_count >= LIMIT_TEMPLATE_VERSIONS) {
        return aws_fault_set(fault, AWS_VersionsLimitExceededException,
                             "The provisioning template %.*s already has the maximum number of "
                             "versions (%u)",
                             REGISTRY_TEXT(name), LIMIT_TEMPLATE_VERSIONS);
    }
    struct template_entry changed = *entry;
    const struct template_version version = {entry->next_version, body, now_ms};
    changed.next_version++;
    changed.pub.modified_ms = now_ms;
    changed.pub.default_version = set_default ? version.version : entry->pub.default_version;
    if (!registry__template_add_version(&changed, &version)) {
        return registry__out_of_memory(fault);
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_template(b, &changed);
        put_version(b, name, &version);
    }
    if (!registry__submit(reg, b)) {
        mem_free(changed.version_texts[changed.pub.version_count - 1]);
        return registry__out_of_memory(fault);
    }
    *entry = changed;
    *out_version = version.version;
    return AWS_OK;
}

/* --- changing ---------------------------------------------------------------------------- */

static aws_error no_version(elo_span name, int64_t version, struct aws_fault *fault)
{
    return aws_fault_set(fault, AWS_ResourceNotFoundException,
                         "Provisioning template %.*s has no version %lld", REGISTRY_TEXT(name),
                         (long long)version);
}

static aws_error check_change(const struct template_entry *entry,
                              const struct template_change *change,
                              struct aws_fault *fault)
{
    aws_error error =
        registry__check_description("description", change->description, DESCRIPTION_CHARS, fault);
    if (!error && change->has_role_arn) {
        error = registry__check_role_arn(change->role_arn, fault);
    }
    if (!error && change->has_default_version &&
        !registry_template_version(&entry->pub, change->default_version)) {
        error = no_version(entry->pub.name, change->default_version, fault);
    }
    return error;
}

static void apply(struct provisioning_template *t, const struct template_change *change)
{
    t->description = change->has_description ? change->description : t->description;
    t->enabled = change->has_enabled ? change->enabled : t->enabled;
    t->role_arn = change->has_role_arn ? change->role_arn : t->role_arn;
    t->hook = change->has_hook ? change->hook : t->hook;
    t->default_version = change->has_default_version ? change->default_version : t->default_version;
}

aws_error registry_update_template(struct registry *reg,
                                   elo_span name,
                                   const struct template_change *change,
                                   int64_t now_ms,
                                   struct aws_fault *fault)
{
    struct template_entry *entry = NULL;
    aws_error error = registry__find_template(reg, name, &entry, fault);
    error = error ? error : check_change(entry, change, fault);
    if (error) {
        return error;
    }
    struct template_entry changed = *entry;
    changed.texts = NULL;
    apply(&changed.pub, change);
    changed.pub.modified_ms = now_ms;
    const struct provisioning_template row = changed.pub;
    if (!registry__template_take(&changed, &row)) {
        return registry__out_of_memory(fault);
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_template(b, &changed);
    }
    if (!registry__submit(reg, b)) {
        mem_free(changed.texts);
        return registry__out_of_memory(fault);
    }
    mem_free(entry->texts);
    *entry = changed;
    return AWS_OK;
}

/* --- deleting ---------------------------------------------------------------------------- */

static aws_error check_delete(const struct registry *reg,
                              const struct template_entry *entry,
                              struct aws_fault *fault)
{
    if (entry->pub.version_count > 1) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Provisioning template %.*s has versions besides its default: delete "
                             "them first",
                             REGISTRY_TEXT(entry->pub.name));
    }
    for (size_t i = 0; i < reg->state.cas.index.len; i++) {
        const struct ca_entry *ca = reg->state.cas.index.items[i];
        if (elo_span_eq(ca->pub.template_name, entry->pub.name)) {
            return aws_fault_set(fault, AWS_DeleteConflictException,
                                 "Provisioning template %.*s is used by CA certificate %.*s",
                                 REGISTRY_TEXT(entry->pub.name), REGISTRY_TEXT(ca->pub.id));
        }
    }
    return AWS_OK;
}

aws_error registry_delete_template(struct registry *reg, elo_span name, struct aws_fault *fault)
{
    struct template_entry *entry = NULL;
    aws_error error = registry__find_template(reg, name, &entry, fault);
    error = error ? error : check_delete(reg, entry, fault);
    if (error) {
        return error;
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_template_version(b, name, entry->versions[0].version);
        store_delete_template(b, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__table_remove(&reg->state.templates, entry->pub.name, entry);
    registry__template_free(entry);
    return AWS_OK;
}

static void remove_version(struct template_entry *entry, size_t at)
{
    mem_free(entry->version_texts[at]);
    size_t behind = --entry->pub.version_count - at;
    memmove(&entry->versions[at], &entry->versions[at + 1], behind * sizeof *entry->versions);
    memmove(&entry->version_texts[at], &entry->version_texts[at + 1],
            behind * sizeof *entry->version_texts);
}

aws_error registry_delete_template_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault)
{
    struct template_entry *entry = NULL;
    aws_error error = registry__find_template(reg, name, &entry, fault);
    if (error) {
        return error;
    }
    const struct template_version *found = registry_template_version(&entry->pub, version);
    if (!found) {
        return no_version(name, version, fault);
    }
    if (entry->pub.default_version == version) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Cannot delete the default version of a provisioning template");
    }
    struct template_entry changed = *entry;
    changed.pub.modified_ms = now_ms;
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_template(b, &changed);
        store_delete_template_version(b, name, version);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    *entry = changed;
    remove_version(entry, (size_t)(found - entry->versions));
    return AWS_OK;
}

/* --- reading ----------------------------------------------------------------------------- */

const struct provisioning_template *registry_template(const struct registry *reg, elo_span name)
{
    const struct template_entry *entry = map_get(&reg->state.templates.map, name);
    return entry ? &entry->pub : NULL;
}

const struct template_version *registry_template_version(const struct provisioning_template *t,
                                                         int64_t version)
{
    for (size_t i = 0; i < t->version_count; i++) {
        if (t->versions[i].version == version) {
            return &t->versions[i];
        }
    }
    return NULL;
}

aws_error registry_describe_template(const struct registry *reg,
                                     elo_span name,
                                     const struct provisioning_template **out,
                                     struct aws_fault *fault)
{
    struct template_entry *entry = NULL;
    aws_error error = registry__find_template(reg, name, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

void registry_list_templates(const struct registry *reg,
                             const struct registry_page *page,
                             registry_each_template *each,
                             void *ctx,
                             struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.templates.index, page, next);
    const struct template_entry *entry;
    while ((entry = registry__walk_next(&walk, NULL, NULL)) != NULL) {
        each(ctx, &entry->pub);
    }
}
