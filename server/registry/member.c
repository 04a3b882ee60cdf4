// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Which thing is in which thing group: "Static thing groups", AWS IoT Developer Guide. A thing is
 * in a group because it was added to it, or to one below it.
 */
#include "server/registry/internal.h"

static aws_error find_both(const struct registry *reg,
                           elo_span group,
                           elo_span thing,
                           struct group_entry **out_group,
                           struct thing_entry **out_thing,
                           struct aws_fault *fault)
{
    aws_error error = registry__find_group(reg, group, out_group, fault);
    return error ? error : registry__find_thing(reg, thing, out_thing, fault);
}

/* --- adding ------------------------------------------------------------------------------ */

static const struct group_entry *root_of(const struct group_entry *group)
{
    while (group->parent) {
        group = group->parent;
    }
    return group;
}

static aws_error
check_add(const struct group_entry *group, const struct thing_entry *thing, struct aws_fault *fault)
{
    for (size_t i = 0; i < thing->groups.len; i++) {
        const struct group_entry *other = thing->groups.items[i];
        if (root_of(other) == root_of(group)) {
            return aws_fault_set(fault, AWS_InvalidRequestException,
                                 "Thing %.*s is in group %.*s; it cannot be in a second group of "
                                 "the same hierarchy",
                                 REGISTRY_TEXT(thing->pub.name), REGISTRY_TEXT(other->pub.name));
        }
    }
    if (thing->groups.len >= LIMIT_GROUPS_PER_THING) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Thing %.*s is in the maximum number of thing groups (%u)",
                             REGISTRY_TEXT(thing->pub.name), LIMIT_GROUPS_PER_THING);
    }
    return AWS_OK;
}

static void undo_add(struct registry *reg, const struct undo *u)
{
    (void)reg;
    registry__unlink_member(u->a, u->b);
}

/* There is room: it was linked before, and indexes do not give room back. */
static void undo_remove(struct registry *reg, const struct undo *u)
{
    (void)reg;
    (void)registry__link_member(u->a, u->b);
}

aws_error
registry_add_to_group(struct registry *reg, elo_span group, elo_span thing, struct aws_fault *fault)
{
    struct group_entry *entry = NULL;
    struct thing_entry *member = NULL;
    aws_error error = find_both(reg, group, thing, &entry, &member, fault);
    if (error || registry__index_get(&member->groups, group)) {
        return error;
    }
    error = check_add(entry, member, fault);
    if (error) {
        return error;
    }
    if (!registry__link_member(entry, member)) {
        return registry__out_of_memory(fault);
    }
    struct store_batch *b = registry__batch(reg);
    if (b) {
        store_put_group_member(b, group, thing);
    }
    if (!registry__submit(reg, b)) {
        registry__unlink_member(entry, member);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_add, .a = entry, .b = member});
    return AWS_OK;
}

aws_error registry_remove_from_group(struct registry *reg,
                                     elo_span group,
                                     elo_span thing,
                                     struct aws_fault *fault)
{
    struct group_entry *entry = NULL;
    struct thing_entry *member = NULL;
    aws_error error = find_both(reg, group, thing, &entry, &member, fault);
    if (error || !registry__index_get(&member->groups, group)) {
        return error;
    }
    struct store_batch *b = registry__batch(reg);
    if (b) {
        store_delete_group_member(b, group, thing);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__unlink_member(entry, member);
    registry__did(reg, &(struct undo){.back = undo_remove, .a = entry, .b = member});
    return AWS_OK;
}

aws_error registry_change_groups(struct registry *reg,
                                 elo_span thing,
                                 const elo_span *remove,
                                 size_t remove_count,
                                 const elo_span *add,
                                 size_t add_count,
                                 struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, thing, &entry, fault);
    if (!error && !registry_begin(reg)) {
        return registry__out_of_memory(fault);
    }
    if (error) {
        return error;
    }
    for (size_t i = 0; !error && i < remove_count; i++) {
        error = registry_remove_from_group(reg, remove[i], thing, fault);
    }
    for (size_t i = 0; !error && i < add_count; i++) {
        error = registry_add_to_group(reg, add[i], thing, fault);
    }
    if (error) {
        registry_rollback(reg);
        return error;
    }
    return registry_commit(reg, fault);
}

/* --- listings ---------------------------------------------------------------------------- */

static bool keep_member(const void *ctx, const void *item)
{
    return registry__is_member(item, ctx);
}

aws_error registry_list_things_in_group(const struct registry *reg,
                                        elo_span group,
                                        bool recursive,
                                        const struct registry_page *page,
                                        registry_each_thing *each,
                                        void *ctx,
                                        struct registry_next *next,
                                        struct aws_fault *fault)
{
    struct group_entry *entry = NULL;
    aws_error error = registry__find_group(reg, group, &entry, fault);
    if (error) {
        return error;
    }
    const struct index *among = recursive ? &reg->state.things_by_name : &entry->things;
    struct walk walk = registry__walk(among, page, next);
    const struct thing_entry *thing;
    while ((thing = registry__walk_next(&walk, recursive ? keep_member : NULL, entry)) != NULL) {
        each(ctx, &thing->pub);
    }
    return AWS_OK;
}

/* The groups of a thing with those above: ten chains of seven at most. */
struct chains {
    void *items[LIMIT_GROUPS_PER_THING * LIMIT_GROUP_DEPTH];
    struct index index;
};

static void find_chains(const struct thing_entry *thing, struct chains *out)
{
    out->index = (struct index){.items = out->items,
                                .cap = sizeof out->items / sizeof *out->items,
                                .key = thing->groups.key};
    for (size_t i = 0; i < thing->groups.len; i++) {
        for (struct group_entry *g = thing->groups.items[i]; g; g = g->parent) {
            if (out->index.len < out->index.cap && !registry__index_get(&out->index, g->pub.name)) {
                registry__index_insert(&out->index, g);
            }
        }
    }
}

aws_error registry_list_groups_of_thing(const struct registry *reg,
                                        elo_span thing,
                                        const struct registry_page *page,
                                        registry_each_group *each,
                                        void *ctx,
                                        struct registry_next *next,
                                        struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, thing, &entry, fault);
    if (error) {
        return error;
    }
    struct chains chains;
    find_chains(entry, &chains);
    struct walk walk = registry__walk(&chains.index, page, next);
    const struct group_entry *group;
    while ((group = registry__walk_next(&walk, NULL, NULL)) != NULL) {
        each(ctx, &group->pub);
    }
    return AWS_OK;
}

void registry_each_group_of(const struct registry *reg,
                            elo_span thing,
                            bool (*each)(void *ctx, const struct thing_group *group),
                            void *ctx)
{
    const struct thing_entry *entry = registry__thing(reg, thing);
    for (size_t i = 0; entry && i < entry->groups.len; i++) {
        const struct group_entry *group = entry->groups.items[i];
        if (!each(ctx, &group->pub)) {
            return;
        }
    }
}
