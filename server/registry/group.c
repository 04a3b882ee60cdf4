// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Thing groups themselves: "Static thing groups", AWS IoT Developer Guide. A group's place in the
 * hierarchy is given when it is made and never changes. Who is in a group: member.c.
 */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

/* --- rows -------------------------------------------------------------------------------- */

static bool submit(struct registry *reg,
                   const struct thing_group *group,
                   const struct thing_details *details,
                   int64_t version)
{
    struct buf json;
    struct store_batch *b =
        registry__attributes_json(details, &json) ? store_begin(reg->store) : NULL;
    if (b) {
        const struct store_thing_group row = {
            .name = group->name,
            .id = group->id,
            .parent = group->parent_name,
            .description = details->type_name,
            .attributes = buf_span(&json),
            .version = version,
            .created_ms = group->created_ms,
        };
        store_put_thing_group(b, &row);
    }
    buf_free(&json);
    return registry__submit(reg, b);
}

/* --- CreateThingGroup -------------------------------------------------------------------- */

static aws_error take_change(const struct thing_group_change *change,
                             const struct thing_group *before,
                             struct attribute_set *set,
                             struct aws_fault *fault)
{
    const struct attribute_change attributes = {change->has_attributes, change->merge,
                                                change->attributes, change->attribute_count};
    aws_error error =
        registry__check_description("thingGroupProperties.thingGroupDescription",
                                    change->description, LIMIT_DESCRIPTION_CHARS, fault);
    return error ? error
                 : registry__attributes(&attributes, before ? before->attributes : NULL,
                                        before ? before->attribute_count : 0, LIMIT_ATTRIBUTES,
                                        "A thing group", set, fault);
}

static aws_error check_parent(const struct group_entry *parent, struct aws_fault *fault)
{
    size_t depth = 1;
    for (const struct group_entry *g = parent; g; g = g->parent) {
        depth++;
    }
    if (depth > LIMIT_GROUP_DEPTH) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "A hierarchy of thing groups can have at most %u levels",
                             LIMIT_GROUP_DEPTH);
    }
    if (parent && parent->children.len >= LIMIT_GROUP_CHILDREN) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Thing group %.*s has the maximum number of direct child groups (%u)",
                             REGISTRY_TEXT(parent->pub.name), LIMIT_GROUP_CHILDREN);
    }
    return AWS_OK;
}

static aws_error
exists(const struct registry *reg, const struct thing_group *group, struct aws_fault *fault)
{
    char message[256];
    (void)snprintf(message, sizeof message,
                   "Thing Group %.*s already exists in current account with different properties",
                   REGISTRY_TEXT(group->name));
    return registry__exists(fault, reg, "thinggroup", group->name, group->id, message);
}

/* Linked to its parent, not yet in the table. */
static struct group_entry *new_entry(struct registry *reg,
                                     elo_span name,
                                     struct group_entry *parent,
                                     const struct thing_group_change *change,
                                     const struct attribute_set *set,
                                     int64_t now_ms)
{
    char id[37];
    core_uuid(&reg->random, id);
    if (parent && !registry__index_reserve(&parent->children)) {
        return NULL;
    }
    struct thing_details *details =
        registry__details_new(change->description, set->items, set->count);
    elo_span above = parent ? parent->pub.name : elo_span_of(NULL, 0);
    struct group_entry *entry =
        details ? registry__group_new(reg, name, elo_span_str(id), above, now_ms) : NULL;
    if (!entry) {
        mem_free(details);
        return NULL;
    }
    registry__group_take(entry, details, 1);
    entry->parent = parent;
    entry->pub.parent = parent ? &parent->pub : NULL;
    return entry;
}

static void forget(struct registry *reg, struct group_entry *entry)
{
    if (entry->parent) {
        registry__index_remove(&entry->parent->children, entry);
    }
    registry__table_remove(&reg->state.groups, entry->pub.name, entry);
    registry__group_free(entry);
}

static aws_error create(struct registry *reg,
                        elo_span name,
                        struct group_entry *parent,
                        const struct thing_group_change *change,
                        const struct attribute_set *set,
                        int64_t now_ms,
                        struct group_entry **out,
                        struct aws_fault *fault)
{
    struct group_entry *entry = new_entry(reg, name, parent, change, set, now_ms);
    if (!entry || !registry__table_insert(&reg->state.groups, entry->pub.name, entry)) {
        registry__group_free(entry);
        return registry__out_of_memory(fault);
    }
    if (parent) {
        registry__index_insert(&parent->children, entry);
    }
    if (!submit(reg, &entry->pub, entry->details, 1)) {
        forget(reg, entry);
        return registry__out_of_memory(fault);
    }
    *out = entry;
    return AWS_OK;
}

aws_error registry_create_thing_group(struct registry *reg,
                                      elo_span name,
                                      elo_span parent,
                                      const struct thing_group_change *change,
                                      int64_t now_ms,
                                      const struct thing_group **out,
                                      struct aws_fault *fault)
{
    struct attribute_set set;
    struct group_entry *above = NULL;
    aws_error error = registry__check_group_name(name, fault);
    error = error ? error : take_change(change, NULL, &set, fault);
    if (!error && parent.len > 0) {
        error = registry__find_group(reg, parent, &above, fault);
    }
    if (error) {
        return error;
    }
    struct group_entry *entry = registry__group(reg, name);
    if (entry) {
        bool same =
            entry->parent == above && elo_span_eq(entry->pub.description, change->description) &&
            registry__same_attributes(&set, entry->pub.attributes, entry->pub.attribute_count);
        error = same ? AWS_OK : exists(reg, &entry->pub, fault);
    } else {
        error = check_parent(above, fault);
        error = error ? error : create(reg, name, above, change, &set, now_ms, &entry, fault);
    }
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

/* --- UpdateThingGroup -------------------------------------------------------------------- */

static aws_error
check_version(const struct thing_group *group, const int64_t *expected, struct aws_fault *fault)
{
    if (!expected || *expected == group->version) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_VersionConflictException,
                         "The version for thing group %.*s does not match the expected version.",
                         REGISTRY_TEXT(group->name));
}

aws_error registry_update_thing_group(struct registry *reg,
                                      elo_span name,
                                      const struct thing_group_change *change,
                                      const struct thing_group **out,
                                      struct aws_fault *fault)
{
    struct attribute_set set;
    struct group_entry *entry = NULL;
    const int64_t *expected = change->has_expected_version ? &change->expected_version : NULL;
    aws_error error = registry__find_group(reg, name, &entry, fault);
    error = error ? error : check_version(&entry->pub, expected, fault);
    error = error ? error : take_change(change, &entry->pub, &set, fault);
    if (error) {
        return error;
    }
    elo_span description = change->has_description ? change->description : entry->pub.description;
    struct thing_details *details = registry__details_new(description, set.items, set.count);
    if (!details || !submit(reg, &entry->pub, details, entry->pub.version + 1)) {
        mem_free(details);
        return registry__out_of_memory(fault);
    }
    registry__group_take(entry, details, entry->pub.version + 1);
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

/* --- DeleteThingGroup -------------------------------------------------------------------- */

static struct store_batch *delete_batch(struct registry *reg, const struct group_entry *entry)
{
    struct store_batch *b = store_begin(reg->store);
    for (size_t i = 0; b && i < entry->target.policies.len; i++) {
        const struct policy_entry *policy = entry->target.policies.items[i];
        store_delete_policy_target(b, policy->pub.name, entry->target.arn);
    }
    for (size_t i = 0; b && i < entry->things.len; i++) {
        const struct thing_entry *thing = entry->things.items[i];
        store_delete_group_member(b, entry->pub.name, thing->pub.name);
    }
    if (b) {
        store_delete_thing_group(b, entry->pub.name);
    }
    return b;
}

aws_error registry_delete_thing_group(struct registry *reg,
                                      elo_span name,
                                      const int64_t *expected_version,
                                      struct aws_fault *fault)
{
    aws_error error = registry__check_group_name(name, fault);
    struct group_entry *entry = error ? NULL : registry__group(reg, name);
    if (!entry) {
        return error;
    }
    error = check_version(&entry->pub, expected_version, fault);
    if (error) {
        return error;
    }
    if (entry->children.len > 0) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete thing group : %.*s when there are still child groups "
                             "attached to it",
                             REGISTRY_TEXT(name));
    }
    if (!registry__submit(reg, delete_batch(reg, entry))) {
        return registry__out_of_memory(fault);
    }
    while (entry->target.policies.len > 0) {
        registry__unlink_policy(entry->target.policies.items[entry->target.policies.len - 1],
                                &entry->target);
    }
    while (entry->things.len > 0) {
        registry__unlink_member(entry, entry->things.items[entry->things.len - 1]);
    }
    forget(reg, entry);
    return AWS_OK;
}

/* --- DescribeThingGroup, ListThingGroups ------------------------------------------------- */

aws_error registry_describe_thing_group(const struct registry *reg,
                                        elo_span name,
                                        const struct thing_group **out,
                                        struct aws_fault *fault)
{
    struct group_entry *entry = NULL;
    aws_error error = registry__find_group(reg, name, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

struct keeping {
    const struct thing_group_filter *filter;
    const struct group_entry *parent;
};

static bool keep(const void *ctx, const void *item)
{
    const struct keeping *k = ctx;
    const struct group_entry *group = item;
    bool under = k->filter->recursive ? registry__is_within(group->parent, k->parent)
                                      : group->parent == k->parent;
    bool everywhere = k->filter->recursive && k->parent == NULL;
    return (under || everywhere) && elo_span_starts_with(group->pub.name, k->filter->prefix);
}

aws_error registry_list_thing_groups(const struct registry *reg,
                                     const struct thing_group_filter *filter,
                                     const struct registry_page *page,
                                     registry_each_group *each,
                                     void *ctx,
                                     struct registry_next *next,
                                     struct aws_fault *fault)
{
    struct group_entry *parent = NULL;
    if (filter->parent.len > 0) {
        aws_error error = registry__find_group(reg, filter->parent, &parent, fault);
        if (error) {
            return error;
        }
    }
    const struct keeping keeping = {filter, parent};
    struct walk walk = registry__walk(&reg->state.groups.index, page, next);
    const struct group_entry *entry;
    while ((entry = registry__walk_next(&walk, keep, &keeping)) != NULL) {
        each(ctx, &entry->pub);
    }
    return AWS_OK;
}
