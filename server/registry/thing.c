// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Things: "Thing registry", AWS IoT Developer Guide. There are no thing types on the desk, so a
 * thing type name that is given names one that does not exist.
 */
#include <stdio.h>

#include "elo/json/write.h"
#include "server/base/mem.h"
#include "server/registry/internal.h"

#define ATTRIBUTES_WITH_TYPE 50u /* AWS's quota; also the most one request may hold */
#define SET_MAX              (2u * ATTRIBUTES_WITH_TYPE)
#define JSON_MAX             (1024u * 1024u)

/* --- attributes -------------------------------------------------------------------------- */

/* A set under construction, sorted by name. */
struct set {
    struct thing_attribute items[SET_MAX];
    size_t count;
};

/* Adds, replaces, or removes when the value is empty. */
static void set_attribute(struct set *set, const struct thing_attribute *attribute)
{
    size_t at = 0;
    while (at < set->count && registry__compare(set->items[at].name, attribute->name) < 0) {
        at++;
    }
    bool there = at < set->count && elo_span_eq(set->items[at].name, attribute->name);
    if (attribute->value.len == 0) {
        if (there) {
            set->count--;
            memmove(&set->items[at], &set->items[at + 1], (set->count - at) * sizeof *set->items);
        }
        return;
    }
    if (!there) {
        memmove(&set->items[at + 1], &set->items[at], (set->count - at) * sizeof *set->items);
        set->count++;
    }
    set->items[at] = *attribute;
}

static aws_error too_many(size_t count, size_t limit, struct aws_fault *fault)
{
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "A thing %s can have at most %zu attributes (given: %zu)",
                         limit == LIMIT_ATTRIBUTES_WITHOUT_TYPE ? "without a thing type"
                                                                : "with a thing type",
                         limit, count);
}

/* The attributes that the thing shall have: those before, if they stay, then the given ones. */
static aws_error build_set(const struct thing_change *change,
                           const struct thing *before,
                           bool has_type,
                           struct set *set,
                           struct aws_fault *fault)
{
    size_t limit = has_type ? ATTRIBUTES_WITH_TYPE : LIMIT_ATTRIBUTES_WITHOUT_TYPE;
    size_t given = change->has_attributes ? change->attribute_count : 0;
    if (given > ATTRIBUTES_WITH_TYPE) {
        return too_many(given, limit, fault);
    }
    set->count = 0;
    if (before && (!change->has_attributes || change->merge)) {
        set->count = before->attribute_count;
        memcpy(set->items, before->attributes, set->count * sizeof *set->items);
    }
    for (size_t i = 0; i < given; i++) {
        aws_error error = registry__check_attribute(&change->attributes[i], fault);
        if (error) {
            return error;
        }
        set_attribute(set, &change->attributes[i]);
    }
    return set->count > limit ? too_many(set->count, limit, fault) : AWS_OK;
}

static bool same_set(const struct set *set, const struct thing *thing)
{
    if (set->count != thing->attribute_count) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!elo_span_eq(set->items[i].name, thing->attributes[i].name) ||
            !elo_span_eq(set->items[i].value, thing->attributes[i].value)) {
            return false;
        }
    }
    return true;
}

/* --- rows -------------------------------------------------------------------------------- */

static void write_attributes(struct elo_json_writer *w, const struct thing_details *details)
{
    elo_json_begin_object(w);
    for (size_t i = 0; i < details->count; i++) {
        elo_json_key(w, details->attributes[i].name);
        elo_json_string(w, details->attributes[i].value);
    }
    elo_json_end_object(w);
}

/* false: out of memory. */
static bool attributes_json(const struct thing_details *details, struct buf *out)
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    write_attributes(&w, details);
    elo_err err = elo_json_finish(&w, &len);
    uint8_t *room = err == ELO_E_NO_SPACE ? buf_room(out, len) : NULL;
    if (!room) {
        return false;
    }
    elo_json_writer_init(&w, room, len);
    write_attributes(&w, details);
    if (elo_json_finish(&w, &len)) {
        return false;
    }
    buf_wrote(out, len);
    return true;
}

/* Submits the row of a thing as it shall be. */
static bool submit_thing(struct registry *reg,
                         const struct thing *thing,
                         const struct thing_details *details,
                         int64_t version)
{
    struct buf json;
    buf_init(&json, JSON_MAX);
    struct store_batch *b = attributes_json(details, &json) ? store_begin(reg->store) : NULL;
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

static aws_error check_type(const struct thing_change *change, struct aws_fault *fault)
{
    if (change->type_name.len == 0) {
        return AWS_OK;
    }
    aws_error error = registry__check_type_name(change->type_name, fault);
    if (error) {
        return error;
    }
    if (change->remove_type) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "thingTypeName and removeThingType cannot be given together");
    }
    return aws_fault_set(fault, AWS_ResourceNotFoundException, "Thing type %.*s not found.",
                         REGISTRY_TEXT(change->type_name));
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

static struct thing_entry *
new_entry(struct registry *reg, elo_span name, const struct set *set, int64_t now_ms)
{
    char id[37];
    core_uuid(&reg->random, id);
    struct thing_details *details =
        registry__details_new(elo_span_of(NULL, 0), set->items, set->count);
    if (!details) {
        return NULL;
    }
    struct thing_entry *entry = registry__thing_new(name, elo_span_str(id), now_ms);
    if (!entry) {
        mem_free(details);
        return NULL;
    }
    registry__thing_take(entry, details, 1);
    return entry;
}

aws_error registry_create_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                int64_t now_ms,
                                const struct thing **out,
                                struct aws_fault *fault)
{
    struct set set;
    aws_error error = registry__check_thing_name(name, fault);
    error = error ? error : check_type(change, fault);
    error = error ? error : build_set(change, NULL, false, &set, fault);
    if (error) {
        return error;
    }
    struct thing_entry *entry = registry__thing(reg, name);
    if (entry && (entry->pub.type_name.len > 0 || !same_set(&set, &entry->pub))) {
        return exists(reg, &entry->pub, fault);
    }
    if (!entry) {
        entry = new_entry(reg, name, &set, now_ms);
        if (!entry || !registry__thing_insert(&reg->state, entry)) {
            registry__thing_free(entry);
            return registry__out_of_memory(fault);
        }
        if (!submit_thing(reg, &entry->pub, entry->details, 1)) {
            registry__thing_remove(&reg->state, entry);
            registry__thing_free(entry);
            return registry__out_of_memory(fault);
        }
    }
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
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

aws_error registry_update_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                const struct thing **out,
                                struct aws_fault *fault)
{
    struct set set;
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, name, &entry, fault);
    error = error ? error : check_type(change, fault);
    if (error) {
        return error;
    }
    const int64_t *expected = change->has_expected_version ? &change->expected_version : NULL;
    elo_span type = change->remove_type ? elo_span_of(NULL, 0) : entry->pub.type_name;
    error = check_version(&entry->pub, expected, fault);
    error = error ? error : build_set(change, &entry->pub, type.len > 0, &set, fault);
    if (error) {
        return error;
    }
    struct thing_details *details = registry__details_new(type, set.items, set.count);
    if (!details || !submit_thing(reg, &entry->pub, details, entry->pub.version + 1)) {
        mem_free(details);
        return registry__out_of_memory(fault);
    }
    registry__thing_take(entry, details, entry->pub.version + 1);
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
    if (b) {
        store_delete_thing(b, name);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
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
