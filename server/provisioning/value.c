// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a value is text, or an object with one member that names a function: Ref,
 * Fn::Join, Fn::Select, Fn::FindInMap, Fn::Split, Fn::Sub ("Provisioning templates", AWS IoT
 * Developer Guide; their meaning is AWS CloudFormation's). Arguments are values again; the depth of
 * JSON bounds the recursion, VALUE_BYTES bounds what can come out. A value is worked out once for
 * each place where it stands, so the work grows with the template.
 */
#include "elo/json/write.h"
#include "server/base/mem.h"
#include "server/provisioning/internal.h"

/* --- parameters ------------------------------------------------------------------------------ */

#define CERTIFICATE_ID ELO_SPAN("AWS::IoT::Certificate::Id")

/* Among equal names the last counts. */
static bool given(const struct run *run, elo_span name, elo_span *out)
{
    for (size_t i = run->request->parameter_count; i > 0; i--) {
        if (elo_span_eq(run->request->parameters[i - 1].name, name)) {
            *out = run->request->parameters[i - 1].value;
            return true;
        }
    }
    return false;
}

static bool pseudo(const struct run *run, elo_span name, elo_span *out)
{
    if (elo_span_eq(name, CERTIFICATE_ID)) {
        *out = run->request->certificate_id;
        return out->len > 0;
    }
    if (elo_span_eq(name, ELO_SPAN("AWS::Region"))) {
        *out = elo_span_str(registry_region(run->reg));
        return true;
    }
    if (elo_span_eq(name, ELO_SPAN("AWS::AccountId"))) {
        *out = elo_span_str(registry_account(run->reg));
        return true;
    }
    return false;
}

/* The value of a parameter; InvalidRequest: it has none. */
static aws_error parameter(struct run *run, elo_span name, elo_span *out)
{
    elo_span declared;
    elo_span raw;
    if (given(run, name, out) || pseudo(run, name, out)) {
        return AWS_OK;
    }
    if (!json_member_named(run->parameters, name, &declared)) {
        return run_refuse(run, "\"%.*s\" is referred to, but it is not a parameter", SHOWN(name));
    }
    if (!json_member(declared, "Default", &raw)) {
        return run_refuse(run, "parameter %.*s has no value and no Default", SHOWN(name));
    }
    return read_text(run, raw, "Default", out);
}

aws_error check_parameters(struct run *run)
{
    struct walker w;
    struct elo_json_token key;
    elo_span raw;
    elo_span name;
    elo_span value;
    aws_error error = AWS_OK;
    bool any = walk_begin(&w, run->parameters, true);
    while (any && error == AWS_OK && walk_next(&w, &key, &raw)) {
        error = read_key(run, &key, &name);
        error = error ? error : parameter(run, name, &value);
    }
    return error;
}

/* --- functions ------------------------------------------------------------------------------- */

/* The contents of a buffer as a text of the run; the buffer is freed. */
static aws_error finish(struct run *run, struct buf *buf, const char *what, elo_span *out)
{
    elo_err err = buf_err(buf);
    elo_span text = buf_span(buf);
    uint8_t *copy = err == ELO_OK ? run_alloc(run, text.len) : NULL;
    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    *out = elo_span_of(copy, text.len);
    buf_free(buf);
    if (err == ELO_E_TOO_LARGE) {
        return run_refuse(run, "%s becomes longer than %u bytes", what, VALUE_BYTES);
    }
    return copy != NULL ? AWS_OK : run_no_memory(run);
}

static size_t count_items(elo_span array)
{
    struct walker w;
    elo_span raw;
    size_t count = 0;
    bool any = walk_begin(&w, array, false);
    while (any && walk_next(&w, NULL, &raw)) {
        count++;
    }
    return count;
}

/* The arguments of a function, as they stand: between `min` and `max` of them. */
static aws_error arguments(
    struct run *run, elo_span raw, const char *function, size_t min, size_t max, elo_span out[3])
{
    struct walker w;
    size_t count = count_items(raw);
    if (!walk_begin(&w, raw, false) || count < min || count > max) {
        return run_refuse(run, "%s takes a list of %zu arguments", function, max);
    }
    for (size_t i = 0; i < count && walk_next(&w, NULL, &out[i]); i++) {
    }
    return AWS_OK;
}

static aws_error fn_ref(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span name;
    aws_error error = read_text(run, raw, what, &name);
    return error ? error : parameter(run, name, out);
}

static aws_error fn_join(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span args[3];
    elo_span separator;
    struct value_list list;
    struct buf joined;
    aws_error error = arguments(run, raw, "Fn::Join", 2, 2, args);
    error = error ? error : value_text(run, args[0], what, &separator);
    error = error ? error : value_list(run, args[1], what, &list);
    if (error != AWS_OK) {
        return error;
    }
    buf_init(&joined, VALUE_BYTES);
    for (size_t i = 0; i < list.count; i++) {
        buf_add(&joined, i > 0 ? separator : elo_span_of(NULL, 0));
        buf_add(&joined, list.items[i]);
    }
    return finish(run, &joined, what, out);
}

static bool read_index(elo_span text, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || i > 6) {
            return false;
        }
        *out = *out * 10 + (size_t)(text.ptr[i] - '0');
    }
    return text.len > 0;
}

static aws_error fn_select(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span args[3];
    elo_span number;
    size_t index = 0;
    struct value_list list;
    aws_error error = arguments(run, raw, "Fn::Select", 2, 2, args);
    error = error ? error : value_text(run, args[0], what, &number);
    error = error ? error : value_list(run, args[1], what, &list);
    if (error != AWS_OK) {
        return error;
    }
    if (!read_index(number, &index) || index >= list.count) {
        return run_refuse(run, "%s: Fn::Select has no item %.*s in a list of %zu", what,
                          SHOWN(number), list.count);
    }
    *out = list.items[index];
    return AWS_OK;
}

static aws_error fn_find_in_map(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span args[3];
    elo_span at = run->mappings;
    aws_error error = arguments(run, raw, "Fn::FindInMap", 3, 3, args);
    for (size_t i = 0; error == AWS_OK && i < 3; i++) {
        elo_span name;
        error = value_text(run, args[i], what, &name);
        if (error == AWS_OK && !json_member_named(at, name, &at)) {
            return run_refuse(run, "%s: Mappings have no \"%.*s\" where Fn::FindInMap looks", what,
                              SHOWN(name));
        }
    }
    return error ? error : read_text(run, at, what, out);
}

/* ${NAME} in `text`; NAME is of the map, or a parameter. ${!X} is the text ${X}. */
static aws_error
substitute(struct run *run, elo_span text, elo_span map, const char *what, elo_span *out)
{
    struct buf buf;
    aws_error error = AWS_OK;
    buf_init(&buf, VALUE_BYTES);
    for (size_t i = 0; error == AWS_OK && i < text.len;) {
        elo_span rest = elo_span_from(text, i);
        const uint8_t *end =
            elo_span_starts_with(rest, ELO_SPAN("${")) ? memchr(rest.ptr, '}', rest.len) : NULL;
        if (end == NULL) {
            buf_byte(&buf, text.ptr[i++]);
            continue;
        }
        elo_span name = elo_span_of(rest.ptr + 2, (size_t)(end - rest.ptr) - 2);
        elo_span value;
        elo_span raw;
        if (name.len > 0 && name.ptr[0] == '!') {
            buf_text(&buf, "${");
            buf_add(&buf, elo_span_from(name, 1));
            buf_byte(&buf, '}');
        } else {
            error = json_member_named(map, name, &raw) ? value_text(run, raw, what, &value)
                                                       : parameter(run, name, &value);
            if (error == AWS_OK) {
                buf_add(&buf, value);
            }
        }
        i += name.len + 3;
    }
    if (error != AWS_OK) {
        buf_free(&buf);
        return error;
    }
    return finish(run, &buf, what, out);
}

/* The variables of Fn::Sub are worked out once, however often they are used: as JSON again. */
static aws_error fn_sub(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span args[3] = {raw};
    elo_span text;
    elo_span map = elo_span_of(NULL, 0);
    struct buf worked;
    aws_error error = AWS_OK;
    buf_init(&worked, VALUE_BYTES);
    if (json_is(raw, '[')) {
        error = arguments(run, raw, "Fn::Sub", 1, 2, args);
        if (error == AWS_OK && args[1].len > 0) {
            error = json_is(args[1], '{') ? value_json(run, args[1], what, &worked)
                                          : run_refuse(run,
                                                       "%s: Fn::Sub's second argument must be "
                                                       "an object",
                                                       what);
            map = buf_span(&worked);
        }
    }
    error = error ? error : read_text(run, args[0], what, &text);
    error = error ? error : substitute(run, text, map, what, out);
    buf_free(&worked);
    return error;
}

struct function {
    const char *name;
    aws_error (*run)(struct run *run, elo_span raw, const char *what, elo_span *out);
};

static const struct function functions[] = {
    {"Ref", fn_ref},           {"Fn::Join", fn_join},
    {"Fn::Select", fn_select}, {"Fn::FindInMap", fn_find_in_map},
    {"Fn::Sub", fn_sub},
};

/* An object with one member: that, if its name is `name` (NULL: any). */
static bool only_member(elo_span object, struct elo_json_token *key, elo_span *raw)
{
    struct walker w;
    struct elo_json_token more;
    elo_span other;
    return walk_begin(&w, object, true) && walk_next(&w, key, raw) && !walk_next(&w, &more, &other);
}

static const struct function *function_of(elo_span raw, elo_span *argument)
{
    struct elo_json_token key;
    if (!only_member(raw, &key, argument)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (elo_json_token_is(&key, elo_span_str(functions[i].name))) {
            return &functions[i];
        }
    }
    return NULL;
}

/* --- values ---------------------------------------------------------------------------------- */

aws_error value_text(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    elo_span argument;
    if (!json_is(raw, '{')) {
        return read_text(run, raw, what, out);
    }
    const struct function *function = function_of(raw, &argument);
    if (function == NULL) {
        return run_refuse(run,
                          "%s: %.*s is no text and none of Ref, Fn::Join, Fn::Select, "
                          "Fn::FindInMap, Fn::Sub",
                          what, SHOWN(raw));
    }
    return function->run(run, argument, what, out);
}

static aws_error split(struct run *run, elo_span raw, const char *what, struct value_list *out)
{
    elo_span args[3];
    elo_span separator;
    elo_span text;
    aws_error error = arguments(run, raw, "Fn::Split", 2, 2, args);
    error = error ? error : value_text(run, args[0], what, &separator);
    error = error ? error : value_text(run, args[1], what, &text);
    if (error == AWS_OK && separator.len == 0) {
        error = run_refuse(run, "%s: Fn::Split needs a separator", what);
    }
    if (error != AWS_OK) {
        return error;
    }
    out->items = run_alloc(run, (text.len + 1) * sizeof *out->items);
    if (out->items == NULL) {
        return run_no_memory(run);
    }
    out->count = 0;
    size_t begin = 0;
    for (size_t i = 0; i + separator.len <= text.len;) {
        if (elo_span_starts_with(elo_span_from(text, i), separator)) {
            out->items[out->count++] = elo_span_of(text.ptr + begin, i - begin);
            i += separator.len;
            begin = i;
        } else {
            i++;
        }
    }
    out->items[out->count++] = elo_span_from(text, begin);
    return AWS_OK;
}

aws_error value_list(struct run *run, elo_span raw, const char *what, struct value_list *out)
{
    struct walker w;
    struct elo_json_token key;
    elo_span item;
    if (only_member(raw, &key, &item) && elo_json_token_is(&key, ELO_SPAN("Fn::Split"))) {
        return split(run, item, what, out);
    }
    if (!walk_begin(&w, raw, false)) {
        return run_refuse(run, "%s must be a list, not %.*s", what, SHOWN(raw));
    }
    out->items = run_alloc(run, (count_items(raw) + 1) * sizeof *out->items);
    out->count = 0;
    aws_error error = out->items != NULL ? AWS_OK : run_no_memory(run);
    while (error == AWS_OK && walk_next(&w, NULL, &item)) {
        error = value_text(run, item, what, &out->items[out->count]);
        out->count++;
    }
    return error;
}

static aws_error put_text(struct run *run, elo_span text, struct buf *out)
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, NULL, 0);
    elo_json_string(&w, text);
    elo_err err = elo_json_finish(&w, &len);
    uint8_t *room = err == ELO_E_NO_SPACE ? buf_room(out, len) : NULL;
    if (room == NULL) {
        return err == ELO_E_UTF8 ? run_refuse(run, "a value is not UTF-8") : run_no_memory(run);
    }
    elo_json_writer_init(&w, room, len);
    elo_json_string(&w, text);
    if (elo_json_finish(&w, &len) != ELO_OK) {
        return run_no_memory(run);
    }
    buf_wrote(out, len);
    return AWS_OK;
}

static aws_error copy_json(struct run *run, elo_span raw, const char *what, struct buf *out)
{
    elo_span argument;
    bool object = json_is(raw, '{');
    if (!object && !json_is(raw, '[')) {
        buf_add(out, raw);
        return AWS_OK;
    }
    if (object && function_of(raw, &argument) != NULL) {
        elo_span text;
        aws_error error = value_text(run, raw, what, &text);
        return error ? error : put_text(run, text, out);
    }
    struct walker w;
    struct elo_json_token key;
    elo_span value;
    aws_error error = AWS_OK;
    bool more = false;
    buf_byte(out, object ? '{' : '[');
    (void)walk_begin(&w, raw, object);
    for (; error == AWS_OK && walk_next(&w, &key, &value); more = true) {
        buf_text(out, more ? "," : "");
        if (object) {
            buf_byte(out, '"');
            buf_add(out, key.raw);
            buf_text(out, "\":");
        }
        error = copy_json(run, value, what, out);
    }
    buf_byte(out, object ? '}' : ']');
    return error;
}

aws_error value_json(struct run *run, elo_span raw, const char *what, struct buf *out)
{
    aws_error error = copy_json(run, raw, what, out);
    if (error == AWS_OK && buf_err(out) != ELO_OK) {
        error = buf_err(out) == ELO_E_TOO_LARGE
                    ? run_refuse(run, "%s becomes longer than %u bytes", what, VALUE_BYTES)
                    : run_no_memory(run);
    }
    return error;
}
