// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an entry is one allocation with its texts behind it, so that spans into it are
 * the keys of maps and indexes for as long as it lives. What changes later (a thing's details, a
 * policy's versions) hangs on it in allocations of its own.
 */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

/* Copies `from` to `*at` and moves on; the copy. */
elo_span registry__keep(uint8_t **at, elo_span from)
{
    uint8_t *start = *at;
    if (from.len > 0) {
        memcpy(start, from.ptr, from.len);
    }
    *at += from.len;
    return elo_span_of(start, from.len);
}

void registry__date_key(struct date_key *key, int64_t created_ms, elo_span name)
{
    uint64_t ms = created_ms > 0 ? (uint64_t)created_ms : 0;
    (void)snprintf(key->text, sizeof key->text, "%016llx:", (unsigned long long)ms);
    size_t len = name.len < LIMIT_NAME_BYTES ? name.len : LIMIT_NAME_BYTES;
    memcpy(key->text + 17, name.ptr, len);
    key->len = 17 + len;
}

/* --- keys -------------------------------------------------------------------------------- */

static elo_span target_arn_key(const void *item)
{
    return ((const struct target *)item)->arn;
}

static elo_span group_name_key(const void *item)
{
    return ((const struct group_entry *)item)->pub.name;
}

static elo_span policy_name_key(const void *item)
{
    return ((const struct policy_entry *)item)->pub.name;
}

static elo_span attached_arn_key(const void *item)
{
    return ((const struct attachment *)item)->certificate->pub.arn;
}

static elo_span attached_thing_key(const void *item)
{
    return ((const struct attachment *)item)->thing->pub.name;
}

/* --- things ------------------------------------------------------------------------------ */

struct thing_details *
registry__details_new(elo_span type_name, const struct thing_attribute *attributes, size_t count)
{
    size_t bytes = sizeof(struct thing_details) + count * sizeof *attributes + type_name.len;
    for (size_t i = 0; i < count; i++) {
        bytes += attributes[i].name.len + attributes[i].value.len;
    }
    struct thing_details *details = mem_alloc(bytes);
    if (!details) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)&details->attributes[count];
    details->count = count;
    details->type_name = registry__keep(&at, type_name);
    for (size_t i = 0; i < count; i++) {
        details->attributes[i].name = registry__keep(&at, attributes[i].name);
        details->attributes[i].value = registry__keep(&at, attributes[i].value);
    }
    return details;
}

struct thing_entry *registry__thing_new(elo_span name, elo_span id, int64_t created_ms)
{
    struct thing_entry *entry = mem_zero(sizeof *entry + name.len + id.len);
    if (entry) {
        uint8_t *at = (uint8_t *)(entry + 1);
        entry->pub.name = registry__keep(&at, name);
        entry->pub.id = registry__keep(&at, id);
        entry->pub.created_ms = created_ms;
        registry__index_init(&entry->principals, attached_arn_key);
        registry__index_init(&entry->groups, group_name_key);
    }
    return entry;
}

struct thing_details *
registry__thing_take(struct thing_entry *entry, struct thing_details *details, int64_t version)
{
    struct thing_details *before = entry->details;
    entry->details = details;
    entry->pub.type_name = details->type_name;
    entry->pub.attributes = details->attributes;
    entry->pub.attribute_count = details->count;
    entry->pub.version = version;
    return before;
}

void registry__thing_free(struct thing_entry *entry)
{
    if (entry) {
        registry__index_free(&entry->principals);
        registry__index_free(&entry->groups);
        mem_free(entry->details);
        mem_free(entry);
    }
}

bool registry__thing_insert(struct state *state, struct thing_entry *entry)
{
    if (!registry__index_reserve(&state->things_by_name) ||
        !map_put(&state->things, entry->pub.name, entry)) {
        return false;
    }
    registry__index_insert(&state->things_by_name, entry);
    return true;
}

void registry__thing_remove(struct state *state, struct thing_entry *entry)
{
    registry__index_remove(&state->things_by_name, entry);
    (void)map_remove(&state->things, entry->pub.name);
}

/* --- certificates ------------------------------------------------------------------------ */

struct certificate_entry *registry__certificate_new(const struct registry *reg,
                                                    const struct certificate *row)
{
    size_t bytes = reg->cert_prefix_len + row->id.len + row->pem.len + row->mode.len +
                   row->ca_id.len + row->generation_id.len;
    struct certificate_entry *entry = mem_zero(sizeof *entry + bytes);
    if (!entry) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)(entry + 1);
    entry->pub = *row;
    entry->pub.arn = registry__keep(&at, elo_span_of(reg->cert_prefix, reg->cert_prefix_len));
    entry->pub.id = registry__keep(&at, row->id);
    entry->pub.arn.len += row->id.len; /* the id stands right behind its prefix */
    entry->pub.pem = registry__keep(&at, row->pem);
    entry->pub.mode = registry__keep(&at, row->mode);
    entry->pub.ca_id = registry__keep(&at, row->ca_id);
    entry->pub.generation_id = registry__keep(&at, row->generation_id);
    registry__date_key(&entry->key, row->created_ms, row->id);
    registry__target_init(&entry->target, entry->pub.arn, false);
    registry__index_init(&entry->things, attached_thing_key);
    return entry;
}

void registry__certificate_free(struct certificate_entry *entry)
{
    if (entry) {
        registry__index_free(&entry->target.policies);
        registry__index_free(&entry->things);
        mem_free(entry);
    }
}

bool registry__certificate_insert(struct state *state, struct certificate_entry *entry)
{
    if (!registry__index_reserve(&state->certificates_by_date) ||
        !map_put(&state->certificates, entry->pub.id, entry)) {
        return false;
    }
    registry__index_insert(&state->certificates_by_date, entry);
    return true;
}

void registry__certificate_remove(struct state *state, struct certificate_entry *entry)
{
    registry__index_remove(&state->certificates_by_date, entry);
    (void)map_remove(&state->certificates, entry->pub.id);
}

/* --- policies ---------------------------------------------------------------------------- */

struct policy_entry *registry__policy_new(const struct policy_record *row, int64_t next_version)
{
    struct policy_entry *entry = mem_zero(sizeof *entry + row->name.len + row->generation_id.len);
    if (entry) {
        uint8_t *at = (uint8_t *)(entry + 1);
        entry->pub = *row;
        entry->pub.name = registry__keep(&at, row->name);
        entry->pub.generation_id = registry__keep(&at, row->generation_id);
        entry->pub.versions = entry->versions;
        entry->pub.version_count = 0;
        entry->next_version = next_version;
        registry__date_key(&entry->key, row->created_ms, row->name);
        registry__index_init(&entry->targets, target_arn_key);
    }
    return entry;
}

uint8_t *registry__version_text(elo_span document, elo_span generation_id)
{
    uint8_t *text = mem_alloc(document.len + generation_id.len + 1);
    if (text) {
        uint8_t *at = text;
        (void)registry__keep(&at, document);
        (void)registry__keep(&at, generation_id);
    }
    return text;
}

void registry__policy_add_version(struct policy_entry *entry,
                                  const struct policy_version *row,
                                  uint8_t *text)
{
    size_t at = entry->pub.version_count++;
    entry->versions[at] = *row;
    entry->versions[at].document = elo_span_of(text, row->document.len);
    entry->versions[at].generation_id =
        elo_span_of(text + row->document.len, row->generation_id.len);
    entry->version_texts[at] = text;
}

void registry__policy_free(struct policy_entry *entry)
{
    if (entry) {
        for (size_t i = 0; i < entry->pub.version_count; i++) {
            mem_free(entry->version_texts[i]);
        }
        registry__index_free(&entry->targets);
        mem_free(entry);
    }
}

bool registry__policy_insert(struct state *state, struct policy_entry *entry)
{
    if (!registry__index_reserve(&state->policies_by_date) ||
        !map_put(&state->policies, entry->pub.name, entry)) {
        return false;
    }
    registry__index_insert(&state->policies_by_date, entry);
    return true;
}

void registry__policy_remove(struct state *state, struct policy_entry *entry)
{
    registry__index_remove(&state->policies_by_date, entry);
    (void)map_remove(&state->policies, entry->pub.name);
}

/* --- attachments ------------------------------------------------------------------------- */

void registry__target_init(struct target *target, elo_span arn, bool is_group)
{
    *target = (struct target){.arn = arn, .is_group = is_group};
    registry__index_init(&target->policies, policy_name_key);
}

bool registry__link_policy(struct policy_entry *policy, struct target *target)
{
    if (!registry__index_reserve(&policy->targets) || !registry__index_reserve(&target->policies)) {
        return false;
    }
    registry__index_insert(&policy->targets, target);
    registry__index_insert(&target->policies, policy);
    return true;
}

void registry__unlink_policy(struct policy_entry *policy, struct target *target)
{
    registry__index_remove(&policy->targets, target);
    registry__index_remove(&target->policies, policy);
}

struct attachment *registry__link_thing(struct thing_entry *thing,
                                        struct certificate_entry *certificate,
                                        bool exclusive)
{
    if (!registry__index_reserve(&thing->principals) ||
        !registry__index_reserve(&certificate->things)) {
        return NULL;
    }
    struct attachment *attachment = mem_alloc(sizeof *attachment);
    if (attachment) {
        *attachment = (struct attachment){thing, certificate, exclusive};
        registry__index_insert(&thing->principals, attachment);
        registry__index_insert(&certificate->things, attachment);
    }
    return attachment;
}

void registry__unlink_thing(struct attachment *attachment)
{
    registry__index_remove(&attachment->thing->principals, attachment);
    registry__index_remove(&attachment->certificate->things, attachment);
    mem_free(attachment);
}
