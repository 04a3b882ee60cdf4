// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Policies: "AWS IoT Core policies", AWS IoT Developer Guide; CreatePolicy to
 * SetDefaultPolicyVersion, AWS IoT API Reference. Version ids only grow: one is never used again.
 */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

static void put_policy(struct store_batch *b, const struct policy_entry *policy)
{
    const struct store_policy row = {
        .name = policy->pub.name,
        .generation_id = policy->pub.generation_id,
        .default_version = policy->pub.default_version,
        .next_version = policy->next_version,
        .created_ms = policy->pub.created_ms,
        .modified_ms = policy->pub.modified_ms,
    };
    store_put_policy(b, &row);
}

static void
put_version(struct store_batch *b, elo_span policy, const struct policy_version *version)
{
    const struct store_policy_version row = {
        .policy = policy,
        .version = version->version,
        .document = version->document,
        .generation_id = version->generation_id,
        .created_ms = version->created_ms,
    };
    store_put_policy_version(b, &row);
}

/* --- CreatePolicy ------------------------------------------------------------------------ */

/* The policy with its first version, not yet in the registry. */
static struct policy_entry *
new_entry(struct registry *reg, elo_span name, elo_span document, int64_t now_ms)
{
    char generation_id[37];
    core_uuid(&reg->random, generation_id);
    elo_span generation = elo_span_str(generation_id);
    const struct policy_record record = {
        .name = name,
        .generation_id = generation,
        .default_version = 1,
        .created_ms = now_ms,
        .modified_ms = now_ms,
    };
    uint8_t *text = registry__version_text(document, generation);
    if (!text) {
        return NULL;
    }
    struct policy_entry *entry = registry__policy_new(&record, 2);
    if (!entry) {
        mem_free(text);
        return NULL;
    }
    const struct policy_version version = {1, document, generation, now_ms};
    registry__policy_add_version(entry, &version, text);
    return entry;
}

static bool submit_new(struct registry *reg, const struct policy_entry *entry)
{
    struct store_batch *b = registry__batch(reg);
    if (b) {
        put_policy(b, entry);
        put_version(b, entry->pub.name, &entry->versions[0]);
    }
    return registry__submit(reg, b);
}

static void undo_create(struct registry *reg, const struct undo *u)
{
    registry__policy_remove(&reg->state, u->a);
    registry__policy_free(u->a);
}

aws_error registry_create_policy(struct registry *reg,
                                 elo_span name,
                                 elo_span document,
                                 int64_t now_ms,
                                 const struct policy_record **out,
                                 struct aws_fault *fault)
{
    aws_error error = registry__check_policy_name(name, fault);
    if (error) {
        return error;
    }
    if (registry__policy(reg, name)) {
        char message[256];
        (void)snprintf(message, sizeof message,
                       "Policy cannot be created - name already exists (name=%.*s)",
                       REGISTRY_TEXT(name));
        return registry__exists(fault, reg, "policy", name, name, message);
    }
    struct policy_entry *entry = new_entry(reg, name, document, now_ms);
    if (!entry || !registry__policy_insert(&reg->state, entry)) {
        registry__policy_free(entry);
        return registry__out_of_memory(fault);
    }
    if (!submit_new(reg, entry)) {
        registry__policy_remove(&reg->state, entry);
        registry__policy_free(entry);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_create, .a = entry});
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

/* --- versions ---------------------------------------------------------------------------- */

static aws_error find_version(const struct registry *reg,
                              elo_span name,
                              int64_t version,
                              struct policy_entry **out,
                              const struct policy_version **out_version,
                              struct aws_fault *fault)
{
    aws_error error = registry__find_policy(reg, name, out, fault);
    if (error) {
        return error;
    }
    *out_version = registry_policy_version(&(*out)->pub, version);
    if (!*out_version) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "Policy version not found (name=%.*s, version=%lld)",
                             REGISTRY_TEXT(name), (long long)version);
    }
    return AWS_OK;
}

aws_error registry_create_policy_version(struct registry *reg,
                                         elo_span name,
                                         elo_span document,
                                         bool set_default,
                                         int64_t now_ms,
                                         const struct policy_record **out,
                                         int64_t *out_version,
                                         struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    aws_error error = registry__find_policy(reg, name, &entry, fault);
    if (error) {
        return error;
    }
    if (entry->pub.version_count >= LIMIT_POLICY_VERSIONS) {
        return aws_fault_set(fault, AWS_VersionsLimitExceededException,
                             "The policy %.*s already has the maximum number of versions (%u)",
                             REGISTRY_TEXT(name), LIMIT_POLICY_VERSIONS);
    }
    char generation_id[37];
    core_uuid(&reg->random, generation_id);
    const struct policy_version version = {entry->next_version, document,
                                           elo_span_str(generation_id), now_ms};
    struct policy_entry changed = *entry;
    changed.next_version++;
    changed.pub.modified_ms = now_ms;
    changed.pub.default_version = set_default ? version.version : entry->pub.default_version;

    uint8_t *text = registry__version_text(document, version.generation_id);
    struct store_batch *b = text ? store_begin(reg->store) : NULL;
    if (b) {
        put_policy(b, &changed);
        put_version(b, name, &version);
    }
    if (!registry__submit(reg, b)) {
        mem_free(text);
        return registry__out_of_memory(fault);
    }
    *entry = changed;
    registry__policy_add_version(entry, &version, text);
    if (out) {
        *out = &entry->pub;
    }
    if (out_version) {
        *out_version = version.version;
    }
    return AWS_OK;
}

aws_error registry_set_default_policy_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    const struct policy_version *found = NULL;
    aws_error error = find_version(reg, name, version, &entry, &found, fault);
    if (error || entry->pub.default_version == version) {
        return error;
    }
    struct policy_entry changed = *entry;
    changed.pub.default_version = version;
    changed.pub.modified_ms = now_ms;
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_policy(b, &changed);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    *entry = changed;
    return AWS_OK;
}

static void remove_version(struct policy_entry *entry, size_t at)
{
    mem_free(entry->version_texts[at]);
    size_t behind = --entry->pub.version_count - at;
    memmove(&entry->versions[at], &entry->versions[at + 1], behind * sizeof *entry->versions);
    memmove(&entry->version_texts[at], &entry->version_texts[at + 1],
            behind * sizeof *entry->version_texts);
}

aws_error registry_delete_policy_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    const struct policy_version *found = NULL;
    aws_error error = find_version(reg, name, version, &entry, &found, fault);
    if (error) {
        return error;
    }
    if (entry->pub.default_version == version) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete the default version of a policy");
    }
    struct policy_entry changed = *entry;
    changed.pub.modified_ms = now_ms;
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        put_policy(b, &changed);
        store_delete_policy_version(b, name, version);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    *entry = changed;
    remove_version(entry, (size_t)(found - entry->versions));
    return AWS_OK;
}

/* --- DeletePolicy ------------------------------------------------------------------------ */

aws_error registry_delete_policy(struct registry *reg, elo_span name, struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    aws_error error = registry__find_policy(reg, name, &entry, fault);
    if (error) {
        return error;
    }
    if (entry->targets.len > 0) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "The policy cannot be deleted as the policy is attached to one or "
                             "more principals (name=%.*s)",
                             REGISTRY_TEXT(name));
    }
    if (entry->pub.version_count > 1) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Cannot delete the policy because it has one or more policy versions "
                             "attached to it (name=%.*s)",
                             REGISTRY_TEXT(name));
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_policy_version(b, name, entry->versions[0].version);
        store_delete_policy(b, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__policy_remove(&reg->state, entry);
    registry__policy_free(entry);
    return AWS_OK;
}

/* --- GetPolicy, GetPolicyVersion --------------------------------------------------------- */

aws_error registry_describe_policy(const struct registry *reg,
                                   elo_span name,
                                   const struct policy_record **out,
                                   struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    aws_error error = registry__find_policy(reg, name, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

aws_error registry_describe_policy_version(const struct registry *reg,
                                           elo_span name,
                                           int64_t version,
                                           const struct policy_record **out_policy,
                                           const struct policy_version **out_version,
                                           struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    const struct policy_version *found = NULL;
    aws_error error = find_version(reg, name, version, &entry, &found, fault);
    if (error) {
        return error;
    }
    if (out_policy) {
        *out_policy = &entry->pub;
    }
    if (out_version) {
        *out_version = found;
    }
    return AWS_OK;
}
