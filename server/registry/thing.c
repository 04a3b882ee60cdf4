// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Things: "Thing registry", AWS IoT Developer Guide. Their types: type.c. */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

/* --- rows -------------------------------------------------------------------------------- */

/* Submits the row of a thing as it shall be. */
static bool submit_thing(struct registry *reg,
                         const struct thing *thing,
                         const struct thing_details *details,
                         int64_t version)
{
    struct buf json;
    struct store_batch *b = registry__attributes_json(details, &json) ? registry__batch(reg) : NULL;
    if (b) {
        const struct store_thing row = {
            .name = thing->name,
            .id = thing->id,
            .type_name = details->type_name,
            .attributes = buf_span(&json),
            .version = version,
            .created_ms = thing->created_ms,
        };
        store_put_thing(b, &row);
    }
    buf_free(&json);
    return registry__submit(reg, b);
}

/* --- CreateThing ------------------------------------------------------------------------- */

/* The type that the thing shall have, in `*out`: what the request names, or what it has. */
static aws_error find_type(const struct registry *reg,
                           const struct thing_change *change,
                           const struct thing *before,
                           elo_span *out,
                           struct aws_fault *fault)
{
    struct type_entry *type = NULL;
    elo_span name = change->type_name;
    *out = before && !change->remove_type ? before->type_name : elo_span_of(NULL, 0);
    if (name.len == 0) {
        return AWS_OK;
    }
    if (change->remove_type) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "thingTypeName and removeThingType cannot be given together");
    }
    aws_error error = registry__find_type(reg, name, &type, fault);
    if (error) {
        return error;
    }
    if (type->pub.deprecated_ms != 0 && !elo_span_eq(*out, name)) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             before ? "Can not update a thing to use deprecated thing type: %.*s"
                                    : "Can not create new thing with depreated thing type:%.*s",
                             REGISTRY_TEXT(name));
    }
    *out = name;
    return AWS_OK;
}

static aws_error build_set(const struct thing_change *change,
                           const struct thing *before,
                           bool has_type,
                           struct attribute_set *set,
                           struct aws_fault *fault)
{
    const struct attribute_change attributes = {change->has_attributes, change->merge,
                                                change->attributes, change->attribute_count};
    return registry__attributes(
        &attributes, before ? before->attributes : NULL, before ? before->attribute_count : 0,
        has_type ? LIMIT_ATTRIBUTES : LIMIT_ATTRIBUTES_WITHOUT_TYPE,
        has_type ? "A thing with a thing type" : "A thing without a thing type", set, fault);
}

static aws_error
exists(const struct registry *reg, const struct thing *thing, struct aws_fault *fault)
{
    char message[256];
    (void)snprintf(message, sizeof message,
                   "Thing %.*s already exists in account with different attributes",
                   REGISTRY_TEXT(thing->name));
    return registry__exists(fault, reg, "thing", thing->name, thing->id, message);
}

static struct thing_entry *new_entry(struct registry *reg,
                                     elo_span name,
                                     elo_span type,
                                     const struct attribute_set *set,
                                     int64_t now_ms)
{
    char id[37];
    core_uuid(&reg->random, id);
    struct thing_details *details = registry__details_new(type, set->items, set->count);
    if (!details) {
        return NULL;
    }
    struct thing_entry *entry = registry__thing_new(name, elo_span_str(id), now_ms);
    if (!entry) {
        mem_free(details);
        return NULL;
    }
    (void)registry__thing_take(entry, details, 1);
    return entry;
}

static void undo_create(struct registry *reg, const struct undo *u)
{
    registry__thing_remove(&reg->state, u->a);
    registry__thing_free(u->a);
}

static aws_error create(struct registry *reg,
                        elo_span name,
                        elo_span type,
                        const struct attribute_set *set,
                        int64_t now_ms,
                        struct thing_entry **out,
                        struct aws_fault *fault)
{
    struct thing_entry *entry = new_entry(reg, name, type, set, now_ms);
    if (!entry || !registry__thing_insert(&reg->state, entry)) {
        registry__thing_free(entry);
        return registry__out_of_memory(fault);
    }
    if (!submit_thing(reg, &entry->pub, entry->details, 1)) {
        registry__thing_remove(&reg->state, entry);
        registry__thing_free(entry);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_create, .a = entry});
    *out = entry;
    return AWS_OK;
}

aws_error registry_create_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                int64_t now_ms,
                                const struct thing **out,
                                struct aws_fault *fault)
{
    struct attribute_set set;
    elo_span type;
    aws_error error = registry__check_thing_name(name, fault);
    error = error ? error : find_type(reg, change, NULL, &type, fault);
    error = error ? error : build_set(change, NULL, type.len > 0, &set, fault);
    if (error) {
        return error;
    }
    struct thing_entry *entry = registry__thing(reg, name);
    if (!entry) {
        error = create(reg, name, type, &set, now_ms, &entry, fault);
    } else if (!elo_span_eq(entry->pub.type_name, type) ||
               !registry__same_attributes(&set, entry->pub.attributes,
                                          entry->pub.attribute_count)) {
        return exists(reg, &entry->pub, fault);
    }
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

/* --- UpdateThing ------------------------------------------------------------------------- */

static aws_error
check_version(const struct thing *thing, const int64_t *expected, struct aws_fault *fault)
{
    if (!expected || *expected == thing->version) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_VersionConflictException,
                         "The version for thing %.*s does not match the expected version.",
                         REGISTRY_TEXT(thing->name));
}

static void undo_update(struct registry *reg, const struct undo *u)
{
    (void)reg;
    mem_free(registry__thing_take(u->a, u->b, u->n[0]));
}

static void done_update(const struct undo *u)
{
    mem_free(u->b);
}

aws_error registry_update_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                const struct thing **out,
                                struct aws_fault *fault)
{
    struct attribute_set set;
    elo_span type;
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, name, &entry, fault);
    error = error ? error : find_type(reg, change, &entry->pub, &type, fault);
    if (error) {
        return error;
    }
    const int64_t *expected = change->has_expected_version ? &change->expected_version : NULL;
    error = check_version(&entry->pub, expected, fault);
    error = error ? error : build_set(change, &entry->pub, type.len > 0, &set, fault);
    if (error) {
        return error;
    }
    int64_t version = entry->pub.version;
    struct thing_details *details = registry__details_new(type, set.items, set.count);
    if (!details || !submit_thing(reg, &entry->pub, details, version + 1)) {
        mem_free(details);
        return registry__out_of_memory(fault);
    }
    struct thing_details *before = registry__thing_take(entry, details, version + 1);
    registry__did(
        reg,
        &(struct undo){
            .back = undo_update, .done = done_update, .a = entry, .b = before, .n = {version}});
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

/* --- DeleteThing, DescribeThing ---------------------------------------------------------- */

aws_error registry_delete_thing(struct registry *reg,
                                elo_span name,
                                const int64_t *expected_version,
                                struct aws_fault *fault)
{
    aws_error error = registry__check_thing_name(name, fault);
    struct thing_entry *entry = error ? NULL : registry__thing(reg, name);
    if (!entry) {
        return error;
    }
    error = check_version(&entry->pub, expected_version, fault);
    if (error) {
        return error;
    }
    if (entry->principals.len > 0) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete. Thing %.*s is still attached to one or more "
                             "principals",
                             REGISTRY_TEXT(name));
    }
    struct store_batch *b = store_begin(reg->store);
    for (size_t i = 0; b && i < entry->groups.len; i++) {
        const struct group_entry *group = entry->groups.items[i];
        store_delete_group_member(b, group->pub.name, name);
    }
    if (b) {
        store_delete_thing(b, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    while (entry->groups.len > 0) {
        registry__unlink_member(entry->groups.items[entry->groups.len - 1], entry);
    }
    registry__thing_remove(&reg->state, entry);
    registry__thing_free(entry);
    return AWS_OK;
}

aws_error registry_describe_thing(const struct registry *reg,
                                  elo_span name,
                                  const struct thing **out,
                                  struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, name, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}
