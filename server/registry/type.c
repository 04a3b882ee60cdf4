// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Thing types: "Thing types", AWS IoT Developer Guide; CreateThingType to UpdateThingType, AWS IoT
 * API Reference. In the store the searchable attributes are one text, a line feed between them.
 */
#include <stdio.h>

#include "server/base/mem.h"
#include "server/registry/internal.h"

#define DELETE_WAIT_MS (5 * 60 * 1000)

/* --- rows -------------------------------------------------------------------------------- */

static bool submit(struct registry *reg, const struct thing_type *type)
{
    char searchable[LIMIT_SEARCHABLE_ATTRIBUTES * (LIMIT_ATTRIBUTE_NAME_BYTES + 1u)];
    size_t len = 0;
    for (size_t i = 0; i < type->searchable_count; i++) {
        if (i > 0) {
            searchable[len++] = '\n';
        }
        memcpy(searchable + len, type->searchable[i].ptr, type->searchable[i].len);
        len += type->searchable[i].len;
    }
    const struct store_thing_type row = {
        .name = type->name,
        .id = type->id,
        .description = type->description,
        .searchable = elo_span_of(searchable, len),
        .created_ms = type->created_ms,
        .deprecated_ms = type->deprecated_ms,
    };
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_put_thing_type(b, &row);
    }
    return registry__submit(reg, b);
}

/* --- CreateThingType, UpdateThingType ---------------------------------------------------- */

static aws_error check(const struct thing_type_properties *properties, struct aws_fault *fault)
{
    if (properties->searchable_count > LIMIT_SEARCHABLE_ATTRIBUTES) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "A thing type can have at most %u searchable attributes (given: %zu)",
                             LIMIT_SEARCHABLE_ATTRIBUTES, properties->searchable_count);
    }
    aws_error error =
        registry__check_description("thingTypeProperties.thingTypeDescription",
                                    properties->description, LIMIT_DESCRIPTION_CHARS, fault);
    for (size_t i = 0; !error && i < properties->searchable_count; i++) {
        error = registry__check_attribute_name("thingTypeProperties.searchableAttributes",
                                               properties->searchable[i], fault);
    }
    return error;
}

static bool same(const struct thing_type *type, const struct thing_type_properties *properties)
{
    bool equal = elo_span_eq(type->description, properties->description) &&
                 type->searchable_count == properties->searchable_count;
    for (size_t i = 0; equal && i < type->searchable_count; i++) {
        equal = elo_span_eq(type->searchable[i], properties->searchable[i]);
    }
    return equal;
}

static aws_error
exists(const struct registry *reg, const struct thing_type *type, struct aws_fault *fault)
{
    char message[256];
    (void)snprintf(message, sizeof message,
                   "Thing type %.*s already exists in current account with different properties",
                   REGISTRY_TEXT(type->name));
    return registry__exists(fault, reg, "thingtype", type->name, type->id, message);
}

static struct type_entry *new_entry(struct registry *reg,
                                    elo_span name,
                                    const struct thing_type_properties *properties,
                                    int64_t now_ms)
{
    char id[37];
    core_uuid(&reg->random, id);
    struct type_entry *entry = registry__type_new(name, elo_span_str(id), now_ms);
    if (entry && !registry__type_take(entry, properties->description, properties->searchable,
                                      properties->searchable_count)) {
        registry__type_free(entry);
        return NULL;
    }
    return entry;
}

aws_error registry_create_thing_type(struct registry *reg,
                                     elo_span name,
                                     const struct thing_type_properties *properties,
                                     int64_t now_ms,
                                     const struct thing_type **out,
                                     struct aws_fault *fault)
{
    aws_error error = registry__check_type_name(name, fault);
    error = error ? error : check(properties, fault);
    if (error) {
        return error;
    }
    struct type_entry *entry = registry__type(reg, name);
    if (entry && !same(&entry->pub, properties)) {
        return exists(reg, &entry->pub, fault);
    }
    if (!entry) {
        entry = new_entry(reg, name, properties, now_ms);
        if (!entry || !registry__table_insert(&reg->state.types, entry->pub.name, entry)) {
            registry__type_free(entry);
            return registry__out_of_memory(fault);
        }
        if (!submit(reg, &entry->pub)) {
            registry__table_remove(&reg->state.types, entry->pub.name, entry);
            registry__type_free(entry);
            return registry__out_of_memory(fault);
        }
    }
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

aws_error registry_update_thing_type(struct registry *reg,
                                     elo_span name,
                                     const struct thing_type_properties *properties,
                                     struct aws_fault *fault)
{
    struct type_entry *entry = NULL;
    aws_error error = registry__find_type(reg, name, &entry, fault);
    error = error ? error : check(properties, fault);
    if (error || same(&entry->pub, properties)) {
        return error;
    }
    struct type_entry changed = *entry;
    changed.texts = NULL;
    if (!registry__type_take(&changed, properties->description, properties->searchable,
                             properties->searchable_count)) {
        return registry__out_of_memory(fault);
    }
    if (!submit(reg, &changed.pub)) {
        mem_free(changed.texts);
        return registry__out_of_memory(fault);
    }
    mem_free(entry->texts);
    *entry = changed;
    return AWS_OK;
}

/* --- DeprecateThingType, DeleteThingType ------------------------------------------------- */

aws_error registry_deprecate_thing_type(
    struct registry *reg, elo_span name, bool undo, int64_t now_ms, struct aws_fault *fault)
{
    struct type_entry *entry = NULL;
    aws_error error = registry__find_type(reg, name, &entry, fault);
    if (error || (entry->pub.deprecated_ms == 0) == undo) {
        return error; /* it is so already */
    }
    struct thing_type changed = entry->pub;
    changed.deprecated_ms = undo ? 0 : now_ms;
    if (!submit(reg, &changed)) {
        return registry__out_of_memory(fault);
    }
    entry->pub = changed;
    return AWS_OK;
}

static const struct thing_entry *thing_of(const struct registry *reg, const struct thing_type *type)
{
    const struct index *things = &reg->state.things_by_name;
    for (size_t i = 0; i < things->len; i++) {
        const struct thing_entry *thing = things->items[i];
        if (elo_span_eq(thing->pub.type_name, type->name)) {
            return thing;
        }
    }
    return NULL;
}

static aws_error check_delete(const struct registry *reg,
                              const struct thing_type *type,
                              int64_t now_ms,
                              struct aws_fault *fault)
{
    if (type->deprecated_ms == 0) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete thing type : %.*s. You must deprecate it first",
                             REGISTRY_TEXT(type->name));
    }
    if (reg->compat.thing_type_delete != 0 && now_ms - type->deprecated_ms < DELETE_WAIT_MS) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete thing type : %.*s. Please wait for 5 minutes after "
                             "deprecation and then retry",
                             REGISTRY_TEXT(type->name));
    }
    const struct thing_entry *thing = thing_of(reg, type);
    if (thing) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Cannot delete thing type : %.*s. It is associated with things, such "
                             "as %.*s",
                             REGISTRY_TEXT(type->name), REGISTRY_TEXT(thing->pub.name));
    }
    return AWS_OK;
}

aws_error registry_delete_thing_type(struct registry *reg,
                                     elo_span name,
                                     int64_t now_ms,
                                     struct aws_fault *fault)
{
    struct type_entry *entry = NULL;
    aws_error error = registry__find_type(reg, name, &entry, fault);
    error = error ? error : check_delete(reg, &entry->pub, now_ms, fault);
    if (error) {
        return error;
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_thing_type(b, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__table_remove(&reg->state.types, entry->pub.name, entry);
    registry__type_free(entry);
    return AWS_OK;
}

/* --- DescribeThingType, ListThingTypes --------------------------------------------------- */

aws_error registry_describe_thing_type(const struct registry *reg,
                                       elo_span name,
                                       const struct thing_type **out,
                                       struct aws_fault *fault)
{
    struct type_entry *entry = NULL;
    aws_error error = registry__find_type(reg, name, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

static bool keep_name(const void *ctx, const void *item)
{
    const elo_span *only = ctx;
    return only->len == 0 || elo_span_eq(*only, ((const struct type_entry *)item)->pub.name);
}

void registry_list_thing_types(const struct registry *reg,
                               elo_span only,
                               const struct registry_page *page,
                               registry_each_type *each,
                               void *ctx,
                               struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.types.index, page, next);
    const struct type_entry *entry;
    while ((entry = registry__walk_next(&walk, keep_name, &only)) != NULL) {
        each(ctx, &entry->pub);
    }
}
