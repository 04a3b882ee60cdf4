// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The attributes of things and thing groups: a sorted set of names with values. */
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "server/base/mem.h"
#include "server/registry/internal.h"

#define JSON_MAX (1024u * 1024u)

/* Adds, replaces, or removes when the value is empty. */
static void set_attribute(struct attribute_set *set, const struct thing_attribute *attribute)
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

static aws_error too_many(const char *what, size_t count, size_t limit, struct aws_fault *fault)
{
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "%s can have at most %zu attributes (given: %zu)", what, limit, count);
}

aws_error registry__attributes(const struct attribute_change *change,
                               const struct thing_attribute *before,
                               size_t before_count,
                               size_t limit,
                               const char *what,
                               struct attribute_set *out,
                               struct aws_fault *fault)
{
    size_t given = change->given ? change->count : 0;
    if (given > LIMIT_ATTRIBUTES) {
        return too_many(what, given, limit, fault);
    }
    out->count = 0;
    if (before && (!change->given || change->merge)) {
        out->count = before_count;
        memcpy(out->items, before, before_count * sizeof *before);
    }
    for (size_t i = 0; i < given; i++) {
        aws_error error = registry__check_attribute(&change->items[i], fault);
        if (error) {
            return error;
        }
        set_attribute(out, &change->items[i]);
    }
    return out->count > limit ? too_many(what, out->count, limit, fault) : AWS_OK;
}

bool registry__same_attributes(const struct attribute_set *set,
                               const struct thing_attribute *attributes,
                               size_t count)
{
    if (set->count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!elo_span_eq(set->items[i].name, attributes[i].name) ||
            !elo_span_eq(set->items[i].value, attributes[i].value)) {
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

bool registry__attributes_json(const struct thing_details *details, struct buf *out)
{
    struct elo_json_writer w;
    size_t len = 0;
    buf_init(out, JSON_MAX);
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

/* Attribute names and values have no characters that JSON escapes: spans into the text will do. */
elo_err registry__attributes_read(elo_span json,
                                  struct thing_attribute out[ATTRIBUTE_SET_MAX],
                                  size_t *out_count)
{
    struct elo_json_reader reader;
    struct elo_json_token token;
    size_t count = 0;
    elo_json_reader_init(&reader, json);
    elo_err err = elo_json_next(&reader, &token);
    if (err || token.type != ELO_JSON_OBJECT_BEGIN) {
        return ELO_E_CORRUPT;
    }
    while (!(err = elo_json_next(&reader, &token)) && token.type == ELO_JSON_KEY) {
        if (count == ATTRIBUTE_SET_MAX || token.has_escapes) {
            return ELO_E_CORRUPT;
        }
        out[count].name = token.raw;
        err = elo_json_next(&reader, &token);
        if (err || token.type != ELO_JSON_STRING || token.has_escapes) {
            return ELO_E_CORRUPT;
        }
        out[count++].value = token.raw;
    }
    *out_count = count;
    return err ? ELO_E_CORRUPT : ELO_OK;
}
