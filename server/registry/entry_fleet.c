// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Entries of thing types, thing groups, CA certificates and provisioning templates. As in entry.c:
 * what never changes is one allocation with the entry, what may change hangs on it.
 */
#include "server/base/mem.h"
#include "server/registry/internal.h"

/* --- tables ------------------------------------------------------------------------------ */

void registry__table_init(struct table *table, elo_span (*key)(const void *item))
{
    map_init(&table->map);
    registry__index_init(&table->index, key);
}

void registry__table_free(struct table *table)
{
    map_free(&table->map);
    registry__index_free(&table->index);
}

bool registry__table_insert(struct table *table, elo_span key, void *item)
{
    if (!registry__index_reserve(&table->index) || !map_put(&table->map, key, item)) {
        return false;
    }
    registry__index_insert(&table->index, item);
    return true;
}

void registry__table_remove(struct table *table, elo_span key, void *item)
{
    registry__index_remove(&table->index, item);
    (void)map_remove(&table->map, key);
}

/* --- thing types ------------------------------------------------------------------------- */

struct type_entry *registry__type_new(elo_span name, elo_span id, int64_t created_ms)
{
    struct type_entry *entry = mem_zero(sizeof *entry + name.len + id.len);
    if (entry) {
        uint8_t *at = (uint8_t *)(entry + 1);
        entry->pub.name = registry__keep(&at, name);
        entry->pub.id = registry__keep(&at, id);
        entry->pub.created_ms = created_ms;
    }
    return entry;
}

bool registry__type_take(struct type_entry *entry,
                         elo_span description,
                         const elo_span *searchable,
                         size_t count)
{
    size_t bytes = description.len + 1;
    for (size_t i = 0; i < count; i++) {
        bytes += searchable[i].len;
    }
    uint8_t *texts = mem_alloc(bytes);
    if (!texts) {
        return false;
    }
    uint8_t *at = texts;
    entry->pub.description = registry__keep(&at, description);
    for (size_t i = 0; i < count; i++) {
        entry->pub.searchable[i] = registry__keep(&at, searchable[i]);
    }
    entry->pub.searchable_count = count;
    mem_free(entry->texts);
    entry->texts = texts;
    return true;
}

void registry__type_free(struct type_entry *entry)
{
    if (entry) {
        mem_free(entry->texts);
        mem_free(entry);
    }
}

/* --- thing groups ------------------------------------------------------------------------ */

static elo_span group_name_key(const void *item)
{
    return ((const struct group_entry *)item)->pub.name;
}

static elo_span thing_name_key(const void *item)
{
    return ((const struct thing_entry *)item)->pub.name;
}

struct group_entry *registry__group_new(const struct registry *reg,
                                        elo_span name,
                                        elo_span id,
                                        elo_span parent_name,
                                        int64_t created_ms)
{
    char arn[REGISTRY_ARN_BYTES];
    size_t arn_len = registry_arn(reg, "thinggroup", name, arn);
    struct group_entry *entry =
        mem_zero(sizeof *entry + name.len + id.len + parent_name.len + arn_len);
    if (entry) {
        uint8_t *at = (uint8_t *)(entry + 1);
        entry->pub.name = registry__keep(&at, name);
        entry->pub.id = registry__keep(&at, id);
        entry->pub.parent_name = registry__keep(&at, parent_name);
        entry->pub.arn = registry__keep(&at, elo_span_of(arn, arn_len));
        entry->pub.created_ms = created_ms;
        registry__target_init(&entry->target, entry->pub.arn, true);
        registry__index_init(&entry->children, group_name_key);
        registry__index_init(&entry->things, thing_name_key);
    }
    return entry;
}

void registry__group_take(struct group_entry *entry, struct thing_details *details, int64_t version)
{
    mem_free(entry->details);
    entry->details = details;
    entry->pub.description = details->type_name;
    entry->pub.attributes = details->attributes;
    entry->pub.attribute_count = details->count;
    entry->pub.version = version;
}

void registry__group_free(struct group_entry *entry)
{
    if (entry) {
        registry__index_free(&entry->target.policies);
        registry__index_free(&entry->children);
        registry__index_free(&entry->things);
        mem_free(entry->details);
        mem_free(entry);
    }
}

bool registry__link_member(struct group_entry *group, struct thing_entry *thing)
{
    if (!registry__index_reserve(&group->things) || !registry__index_reserve(&thing->groups)) {
        return false;
    }
    registry__index_insert(&group->things, thing);
    registry__index_insert(&thing->groups, group);
    return true;
}

void registry__unlink_member(struct group_entry *group, struct thing_entry *thing)
{
    registry__index_remove(&group->things, thing);
    registry__index_remove(&thing->groups, group);
}

bool registry__is_within(const struct group_entry *group, const struct group_entry *above)
{
    while (group && group != above) {
        group = group->parent;
    }
    return group != NULL;
}

bool registry__is_member(const struct thing_entry *thing, const struct group_entry *group)
{
    for (size_t i = 0; i < thing->groups.len; i++) {
        if (registry__is_within(thing->groups.items[i], group)) {
            return true;
        }
    }
    return false;
}

/* --- CA certificates --------------------------------------------------------------------- */

struct ca_entry *registry__ca_new(const struct ca_certificate *row)
{
    size_t bytes =
        row->id.len + row->pem.len + row->mode.len + row->subject.len + row->generation_id.len;
    struct ca_entry *entry = mem_zero(sizeof *entry + bytes);
    if (!entry) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)(entry + 1);
    entry->pub = *row;
    entry->pub.id = registry__keep(&at, row->id);
    entry->pub.pem = registry__keep(&at, row->pem);
    entry->pub.mode = registry__keep(&at, row->mode);
    entry->pub.subject = registry__keep(&at, row->subject);
    entry->pub.generation_id = registry__keep(&at, row->generation_id);
    registry__date_key(&entry->key, row->created_ms, row->id);
    if (!registry__ca_take(entry, row)) {
        mem_free(entry);
        return NULL;
    }
    return entry;
}

bool registry__ca_take(struct ca_entry *entry, const struct ca_certificate *row)
{
    uint8_t *texts =
        mem_alloc(row->template_name.len + row->template_body.len + row->role_arn.len + 1);
    if (!texts) {
        return false;
    }
    uint8_t *at = texts;
    entry->pub.template_name = registry__keep(&at, row->template_name);
    entry->pub.template_body = registry__keep(&at, row->template_body);
    entry->pub.role_arn = registry__keep(&at, row->role_arn);
    mem_free(entry->texts);
    entry->texts = texts;
    return true;
}

void registry__ca_free(struct ca_entry *entry)
{
    if (entry) {
        mem_free(entry->texts);
        mem_free(entry);
    }
}

/* --- provisioning templates -------------------------------------------------------------- */

struct template_entry *registry__template_new(const struct provisioning_template *row,
                                              int64_t next_version)
{
    struct template_entry *entry = mem_zero(sizeof *entry + row->name.len + row->type.len);
    if (!entry) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)(entry + 1);
    entry->pub = *row;
    entry->pub.name = registry__keep(&at, row->name);
    entry->pub.type = registry__keep(&at, row->type);
    entry->pub.versions = entry->versions;
    entry->pub.version_count = 0;
    entry->next_version = next_version;
    if (!registry__template_take(entry, row)) {
        mem_free(entry);
        return NULL;
    }
    return entry;
}

bool registry__template_take(struct template_entry *entry, const struct provisioning_template *row)
{
    uint8_t *texts = mem_alloc(row->description.len + row->role_arn.len + row->hook.len + 1);
    if (!texts) {
        return false;
    }
    uint8_t *at = texts;
    entry->pub.description = registry__keep(&at, row->description);
    entry->pub.role_arn = registry__keep(&at, row->role_arn);
    entry->pub.hook = registry__keep(&at, row->hook);
    mem_free(entry->texts);
    entry->texts = texts;
    return true;
}

bool registry__template_add_version(struct template_entry *entry,
                                    const struct template_version *row)
{
    uint8_t *text = mem_alloc(row->body.len + 1);
    if (!text) {
        return false;
    }
    uint8_t *end = text;
    size_t at = entry->pub.version_count++;
    entry->versions[at] = *row;
    entry->versions[at].body = registry__keep(&end, row->body);
    entry->version_texts[at] = text;
    return true;
}

void registry__template_free(struct template_entry *entry)
{
    if (entry) {
        for (size_t i = 0; i < entry->pub.version_count; i++) {
            mem_free(entry->version_texts[i]);
        }
        mem_free(entry->texts);
        mem_free(entry);
    }
}
