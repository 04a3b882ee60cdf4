// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a template is validated as JSON once, as a whole; after that its parts are spans
 * of that text, walked again whenever they are needed. Templates are small (10 KB) and rarely run.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "server/base/mem.h"
#include "server/provisioning/internal.h"

/* --- memory ---------------------------------------------------------------------------------- */

struct text {
    alignas(max_align_t) struct text *next;
};

void *run_alloc(struct run *run, size_t bytes)
{
    struct text *text = mem_alloc(sizeof *text + bytes + 1);
    if (text == NULL) {
        return NULL;
    }
    text->next = run->texts;
    run->texts = text;
    return text + 1;
}

void run_free_all(struct run *run)
{
    while (run->texts != NULL) {
        struct text *text = run->texts;
        run->texts = text->next;
        mem_free(text);
    }
}

aws_error run_no_memory(struct run *run)
{
    return aws_fault_set(run->fault, AWS_InternalFailureException,
                         "The server is out of memory; nothing was changed");
}

aws_error run_refuse(struct run *run, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return aws_fault_set(run->fault, AWS_InvalidRequestException, "Invalid template: %s", text);
}

/* --- walking JSON ---------------------------------------------------------------------------- */

bool json_is(elo_span raw, char first)
{
    return raw.len > 0 && raw.ptr[0] == (uint8_t)first;
}

bool walk_begin(struct walker *w, elo_span json, bool object)
{
    struct elo_json_token token;
    if (!json_is(json, object ? '{' : '[')) {
        return false;
    }
    w->is_object = object;
    elo_json_reader_init(&w->reader, json);
    return elo_json_next(&w->reader, &token) == ELO_OK;
}

bool walk_next(struct walker *w, struct elo_json_token *key, elo_span *raw)
{
    struct elo_json_token token;
    if (elo_json_next(&w->reader, &token) != ELO_OK || token.type == ELO_JSON_OBJECT_END ||
        token.type == ELO_JSON_ARRAY_END) {
        return false;
    }
    if (w->is_object) {
        *key = token;
    }
    return elo_json_skip(&w->reader, &token, raw) == ELO_OK;
}

bool json_member_named(elo_span object, elo_span name, elo_span *raw)
{
    struct walker w;
    struct elo_json_token key;
    elo_span value;
    bool found = false;
    if (!walk_begin(&w, object, true)) {
        return false;
    }
    while (walk_next(&w, &key, &value)) {
        if (elo_json_token_is(&key, name)) {
            *raw = value;
            found = true;
        }
    }
    return found;
}

bool json_member(elo_span object, const char *name, elo_span *raw)
{
    return json_member_named(object, elo_span_str(name), raw);
}

aws_error read_key(struct run *run, const struct elo_json_token *key, elo_span *out)
{
    uint8_t *text = run_alloc(run, key->raw.len);
    size_t len = 0;
    if (text == NULL || elo_json_unescape(key, text, key->raw.len, &len) != ELO_OK) {
        return run_no_memory(run);
    }
    *out = elo_span_of(text, len);
    return AWS_OK;
}

aws_error read_text(struct run *run, elo_span raw, const char *what, elo_span *out)
{
    struct elo_json_reader reader;
    struct elo_json_token token;
    elo_json_reader_init(&reader, raw);
    if (elo_json_next(&reader, &token) != ELO_OK) {
        return run_refuse(run, "%s is no text", what);
    }
    if (token.type == ELO_JSON_STRING) {
        return read_key(run, &token, out);
    }
    if (token.type == ELO_JSON_NUMBER || token.type == ELO_JSON_TRUE ||
        token.type == ELO_JSON_FALSE) {
        *out = raw;
        return AWS_OK;
    }
    return run_refuse(run, "%s must be a text, not %.*s", what, SHOWN(raw));
}

/* --- the form of a template ------------------------------------------------------------------ */

static aws_error check_resource(struct run *run, elo_span logical, elo_span raw)
{
    static const char *const types[] = {"AWS::IoT::Thing", "AWS::IoT::Certificate",
                                        "AWS::IoT::Policy"};
    elo_span type;
    elo_span properties;
    if (!json_is(raw, '{') || !json_member(raw, "Type", &type) || !json_is(type, '"')) {
        return run_refuse(run, "resource %.*s has no Type", SHOWN(logical));
    }
    aws_error error = read_text(run, type, "Type", &type);
    if (error != AWS_OK) {
        return error;
    }
    bool known = false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        known = known || elo_span_eq(type, elo_span_str(types[i]));
    }
    if (!known) {
        return run_refuse(run,
                          "resource %.*s: Type is \"%.*s\", it must be AWS::IoT::Thing, "
                          "AWS::IoT::Certificate or AWS::IoT::Policy",
                          SHOWN(logical), SHOWN(type));
    }
    if (!json_member(raw, "Properties", &properties) || !json_is(properties, '{')) {
        return run_refuse(run, "resource %.*s has no Properties", SHOWN(logical));
    }
    return AWS_OK;
}

static aws_error check_resources(struct run *run)
{
    struct walker w;
    struct elo_json_token key;
    elo_span raw;
    size_t count = 0;
    if (!walk_begin(&w, run->resources, true)) {
        return run_refuse(run, "Resources must be an object");
    }
    while (walk_next(&w, &key, &raw)) {
        elo_span logical;
        aws_error error = read_key(run, &key, &logical);
        error = error ? error : check_resource(run, logical, raw);
        if (error != AWS_OK) {
            return error;
        }
        count++;
    }
    return count > 0 && count <= PROVISIONING_RESOURCES
               ? AWS_OK
               : run_refuse(run, "Resources has %zu resources; one to %u are taken", count,
                            PROVISIONING_RESOURCES);
}

static aws_error check_declarations(struct run *run)
{
    struct walker w;
    struct elo_json_token key;
    elo_span raw;
    if (run->parameters.len == 0) {
        return AWS_OK;
    }
    if (!walk_begin(&w, run->parameters, true)) {
        return run_refuse(run, "Parameters must be an object");
    }
    while (walk_next(&w, &key, &raw)) {
        elo_span name;
        elo_span type;
        aws_error error = read_key(run, &key, &name);
        if (error != AWS_OK) {
            return error;
        }
        bool is_string = json_member(raw, "Type", &type) &&
                         read_text(run, type, "Type", &type) == AWS_OK &&
                         elo_span_eq(type, ELO_SPAN("String"));
        if (!is_string) {
            return run_refuse(run, "parameter %.*s must have Type \"String\"", SHOWN(name));
        }
    }
    return AWS_OK;
}

aws_error read_template(struct run *run, elo_span body)
{
    if (body.len > LIMIT_TEMPLATE_BYTES) {
        return run_refuse(run, "it has %zu bytes, at most %u are taken", body.len,
                          LIMIT_TEMPLATE_BYTES);
    }
    while (body.len > 0 && memchr(" \t\r\n", body.ptr[0], 4) != NULL) {
        body = elo_span_from(body, 1);
    }
    if (elo_json_validate(body) != ELO_OK || !json_is(body, '{')) {
        return run_refuse(run, "it is not a JSON object");
    }
    (void)json_member(body, "Parameters", &run->parameters);
    (void)json_member(body, "Mappings", &run->mappings);
    (void)json_member(body, "DeviceConfiguration", &run->configuration);
    if (!json_member(body, "Resources", &run->resources)) {
        return run_refuse(run, "Resources is missing");
    }
    aws_error error = check_declarations(run);
    return error ? error : check_resources(run);
}

aws_error provisioning_check(elo_span body, struct aws_fault *fault)
{
    struct run run = {.fault = fault};
    aws_error error = read_template(&run, body);
    run_free_all(&run);
    return error;
}
