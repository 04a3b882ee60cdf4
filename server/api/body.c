// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a body is validated as a whole first, because the reader gives out tokens before
 * it has seen the end; then it is read once, its members compared with the fields asked for. As in
 * AWS's own parsers null is as good as absent, unknown members are passed over, and among equal
 * names the last counts.
 */
#include "elo/json/read.h"
#include "server/api/internal.h"

static const char *const type_words[] = {
    [FIELD_STRING] = "a string",  [FIELD_BOOL] = "true or false", [FIELD_INTEGER] = "an integer",
    [FIELD_OBJECT] = "an object", [FIELD_ARRAY] = "an array",
};

static aws_error
wrong_type(struct call *c, const char *path, const char *name, enum field_type type)
{
    return api__invalid(c, "Value at '%s%s' must be %s", path, name, type_words[type]);
}

/* The text of a key or string, unescaped; its memory only if it has escapes. */
static aws_error unescape(struct call *c, const struct elo_json_token *token, elo_span *out)
{
    *out = token->raw;
    if (!token->has_escapes) {
        return AWS_OK;
    }
    uint8_t *text = api__alloc(c, token->raw.len);
    size_t len;
    if (text == NULL || elo_json_unescape(token, text, token->raw.len, &len) != ELO_OK) {
        return api__out_of_memory(c);
    }
    *out = elo_span_of(text, len);
    return AWS_OK;
}

/* The value after its key, whose token is `token`. */
static aws_error take(struct call *c,
                      struct elo_json_reader *r,
                      const struct elo_json_token *token,
                      const char *path,
                      struct field *field)
{
    elo_json_type type = token->type;
    *field = (struct field){.name = field->name,
                            .type = field->type,
                            .required = field->required,
                            .is_there = type != ELO_JSON_NULL};
    if (type == ELO_JSON_NULL) {
        return AWS_OK;
    }
    static const elo_json_type types[] = {[FIELD_STRING] = ELO_JSON_STRING,
                                          [FIELD_BOOL] = ELO_JSON_TRUE,
                                          [FIELD_INTEGER] = ELO_JSON_NUMBER,
                                          [FIELD_OBJECT] = ELO_JSON_OBJECT_BEGIN,
                                          [FIELD_ARRAY] = ELO_JSON_ARRAY_BEGIN};
    bool is_false = field->type == FIELD_BOOL && type == ELO_JSON_FALSE;
    if (type != types[field->type] && !is_false) {
        return wrong_type(c, path, field->name, field->type);
    }
    if (field->type == FIELD_STRING) {
        return unescape(c, token, &field->text);
    }
    if (field->type == FIELD_BOOL) {
        field->flag = type == ELO_JSON_TRUE;
        return AWS_OK;
    }
    elo_err err = field->type == FIELD_INTEGER ? elo_json_int64(token, &field->number)
                                               : elo_json_skip(r, token, &field->text);
    return err == ELO_OK ? AWS_OK : wrong_type(c, path, field->name, field->type);
}

static struct field *
find_field(const struct elo_json_token *key, struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (elo_json_token_is(key, elo_span_str(fields[i].name))) {
            return &fields[i];
        }
    }
    return NULL;
}

static aws_error
check_required(struct call *c, const char *path, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].required && !fields[i].is_there) {
            return api__invalid(c,
                                "1 validation error detected: Value null at '%s%s' failed to "
                                "satisfy constraint: Member must not be null",
                                path, fields[i].name);
        }
    }
    return AWS_OK;
}

aws_error
api__object(struct call *c, elo_span json, const char *path, struct field *fields, size_t count)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, json);
    elo_err err = elo_json_next(&r, &token);
    if (err != ELO_OK || token.type != ELO_JSON_OBJECT_BEGIN) {
        return api__invalid(c, "The request body must be a JSON object");
    }
    while ((err = elo_json_next(&r, &token)) == ELO_OK && token.type == ELO_JSON_KEY) {
        struct field *field = find_field(&token, fields, count);
        if (field == NULL) {
            err = elo_json_skip(&r, &token, NULL);
        } else if ((err = elo_json_next(&r, &token)) == ELO_OK) {
            aws_error error = take(c, &r, &token, path, field);
            if (error != AWS_OK) {
                return error;
            }
        }
        if (err != ELO_OK) {
            break;
        }
    }
    if (err != ELO_OK) {
        return api__invalid(c, "The request body is not JSON at byte %zu", r.error_at);
    }
    return check_required(c, path, fields, count);
}

static const char *fault_words(elo_err err)
{
    switch (err) {
    case ELO_E_UTF8:
        return "it is not UTF-8";
    case ELO_E_DEPTH:
        return "it is nested too deeply";
    default:
        return "it is not JSON";
    }
}

aws_error api__body(struct call *c, struct field *fields, size_t count)
{
    elo_span body = c->request->http.body;
    if (body.len == 0) {
        return check_required(c, "", fields, count);
    }
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_err err;
    elo_json_reader_init(&r, body);
    while ((err = elo_json_next(&r, &token)) == ELO_OK) {
    }
    if (err != ELO_END) {
        return api__invalid(c, "The request body cannot be parsed: at byte %zu %s", r.error_at,
                            fault_words(err));
    }
    return api__object(c, body, "", fields, count);
}

/* --- maps -------------------------------------------------------------------------------- */

/* How many members a valid object has. */
static size_t count_members(elo_span json)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    size_t count = 0;
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &token) == ELO_OK) {
        count += token.depth == 1 && token.type == ELO_JSON_KEY;
    }
    return count;
}

aws_error api__string_map(struct call *c,
                          elo_span json,
                          const char *path,
                          struct thing_attribute **out,
                          size_t *out_count)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    size_t max = count_members(json);
    struct thing_attribute *items = api__alloc(c, max * sizeof *items);
    size_t count = 0;
    aws_error error = items ? AWS_OK : api__out_of_memory(c);
    elo_json_reader_init(&r, json);
    elo_err err = elo_json_next(&r, &token);
    while (error == AWS_OK && err == ELO_OK && count < max) {
        struct elo_json_token value;
        if (elo_json_next(&r, &token) != ELO_OK || elo_json_next(&r, &value) != ELO_OK) {
            break;
        }
        if (value.type == ELO_JSON_NULL) { /* no value: as if the name were not there */
            max--;
            continue;
        }
        if (value.type != ELO_JSON_STRING) {
            return api__invalid(c, "The values of '%s' must be strings", path);
        }
        error = unescape(c, &token, &items[count].name);
        error = error ? error : unescape(c, &value, &items[count].value);
        count++;
    }
    *out = items;
    *out_count = count;
    return error;
}

/* --- lists ------------------------------------------------------------------------------- */

aws_error
api__string_list(struct call *c, elo_span json, const char *path, elo_span **out, size_t *out_count)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    size_t max = 0;
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &token) == ELO_OK) {
        max += token.depth == 1;
    }
    elo_span *items = api__alloc(c, max * sizeof *items);
    size_t count = 0;
    aws_error error = items ? AWS_OK : api__out_of_memory(c);
    elo_json_reader_init(&r, json);
    elo_err err = elo_json_next(&r, &token);
    while (error == AWS_OK && err == ELO_OK && count < max) {
        if (elo_json_next(&r, &token) != ELO_OK || token.type == ELO_JSON_ARRAY_END) {
            break;
        }
        error = token.type == ELO_JSON_STRING
                    ? unescape(c, &token, &items[count])
                    : api__invalid(c, "The items of '%s' must be strings", path);
        count++;
    }
    *out = items;
    *out_count = count;
    return error;
}

/* --- attributePayload -------------------------------------------------------------------- */

aws_error api__attribute_payload(struct call *c,
                                 elo_span json,
                                 const char *path,
                                 struct attribute_payload *out)
{
    struct field fields[] = {{.name = "attributes", .type = FIELD_OBJECT},
                             {.name = "merge", .type = FIELD_BOOL}};
    struct thing_attribute *items = NULL;
    *out = (struct attribute_payload){.is_there = false};
    aws_error error = api__object(c, json, path, fields, API_COUNT(fields));
    if (error == AWS_OK && fields[0].is_there) {
        error =
            api__string_map(c, fields[0].text, "attributePayload.attributes", &items, &out->count);
        out->is_there = true;
        out->items = items;
    }
    out->merge = fields[1].flag;
    return error;
}
