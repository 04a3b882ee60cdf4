// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Taking a request apart: percent-encoding, query and headers. JSON bodies: body.c.
 *
 * Memory of a call is a chain of blocks that is freed at its end, so that handlers pass spans
 * around without thinking of owners.
 */
#include "server/api/internal.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/base/mem.h"

struct block {
    alignas(max_align_t) struct block *next;
};

void *api__alloc(struct call *c, size_t bytes)
{
    struct block *block = bytes < SIZE_MAX / 2 ? mem_alloc(sizeof *block + bytes) : NULL;
    if (block == NULL) {
        return NULL;
    }
    block->next = c->blocks;
    c->blocks = block;
    return block + 1;
}

void api__free_all(struct call *c)
{
    while (c->blocks != NULL) {
        struct block *block = c->blocks;
        c->blocks = block->next;
        mem_free(block);
    }
}

/* --- refusals ---------------------------------------------------------------------------- */

aws_error api__out_of_memory(struct call *c)
{
    return aws_fault_set(c->fault, AWS_InternalFailureException,
                         "The server is out of memory; nothing was changed");
}

aws_error api__invalid(struct call *c, const char *format, ...)
{
    char text[sizeof c->fault->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return aws_fault_set(c->fault, AWS_InvalidRequestException, "%s", text);
}

/* --- percent-encoding -------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes at `*to`, which has room for as many bytes as `text` has, and moves it on. */
static bool decode(elo_span text, uint8_t **to, elo_span *out)
{
    uint8_t *at = *to;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%') {
            *at++ = text.ptr[i];
            continue;
        }
        int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
        int low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        *at++ = (uint8_t)(high * 16 + low);
        i += 2;
    }
    *out = elo_span_of(*to, (size_t)(at - *to));
    *to = at;
    return true;
}

aws_error api__decode(struct call *c)
{
    elo_span query = c->request->http.query;
    uint8_t *to = api__alloc(c, c->request->http.path.len + query.len);
    if (to == NULL) {
        return api__out_of_memory(c);
    }
    for (size_t i = 0; i < c->var_count; i++) {
        elo_span raw = c->vars[i];
        if (!decode(raw, &to, &c->vars[i])) {
            return api__invalid(c, "'%s' in the path is not percent-encoded", text_quote(raw).text);
        }
    }
    while (query.len > 0) {
        elo_span value = text_cut(&query, '&');
        elo_span raw = value;
        elo_span name = text_cut(&value, '=');
        if (raw.len == 0) {
            continue;
        }
        if (c->param_count == API_PARAMS) {
            return api__invalid(c, "The query has more than %u parameters", API_PARAMS);
        }
        struct param *param = &c->params[c->param_count++];
        if (!decode(name, &to, &param->name) || !decode(value, &to, &param->value)) {
            return api__invalid(c, "'%s' in the query is not percent-encoded",
                                text_quote(raw).text);
        }
    }
    return AWS_OK;
}

/* --- query ------------------------------------------------------------------------------- */

bool api__query(const struct call *c, const char *name, elo_span *out)
{
    for (size_t i = 0; i < c->param_count; i++) {
        if (elo_span_eq(c->params[i].name, elo_span_str(name))) {
            *out = c->params[i].value;
            return true;
        }
    }
    return false;
}

aws_error api__query_bool(struct call *c, const char *name, bool *value)
{
    elo_span text;
    if (!api__query(c, name, &text)) {
        return AWS_OK;
    }
    /* The data plane's calls about connections take both ("Managing MQTT connections"). */
    bool capitals = c->route->plane == PLANE_DATA;
    bool is_true =
        elo_span_eq(text, ELO_SPAN("true")) || (capitals && elo_span_eq(text, ELO_SPAN("TRUE")));
    bool is_false =
        elo_span_eq(text, ELO_SPAN("false")) || (capitals && elo_span_eq(text, ELO_SPAN("FALSE")));
    if (!is_true && !is_false) {
        return api__invalid(c, "Value '%s' at '%s' is neither true nor false",
                            text_quote(text).text, name);
    }
    *value = is_true;
    return AWS_OK;
}

/* Decimal, perhaps with a minus; false: it is none, or does not fit. */
static bool parse_int(elo_span text, int64_t *out)
{
    bool minus = text.len > 0 && text.ptr[0] == '-';
    int64_t value = 0;
    if (text.len == (minus ? 1u : 0u)) {
        return false;
    }
    for (size_t i = minus; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = minus ? -value : value;
    return true;
}

aws_error api__query_int(
    struct call *c, const char *name, int64_t min, int64_t max, int64_t *value, bool *out_there)
{
    elo_span text;
    int64_t number;
    if (out_there) {
        *out_there = false;
    }
    if (!api__query(c, name, &text)) {
        return AWS_OK;
    }
    if (!parse_int(text, &number)) {
        return api__invalid(c, "Value '%s' at '%s' is not a whole number", text_quote(text).text,
                            name);
    }
    if (number < min || number > max) {
        return api__invalid(c,
                            "1 validation error detected: Value '%s' at '%s' failed to satisfy "
                            "constraint: Member must have value %s than or equal to %lld",
                            text_quote(text).text, name, number < min ? "greater" : "less",
                            (long long)(number < min ? min : max));
    }
    *value = number;
    if (out_there) {
        *out_there = true;
    }
    return AWS_OK;
}

/* --- headers ----------------------------------------------------------------------------- */

bool api__header(const struct call *c, const char *name, elo_span *out)
{
    const struct sigv4_request *http = &c->request->http;
    for (size_t i = 0; i < http->header_count; i++) {
        if (text_same(http->headers[i].name, elo_span_str(name))) {
            *out = http->headers[i].value;
            return true;
        }
    }
    return false;
}

aws_error api__need_header(struct call *c, const char *name, const char *member, elo_span *out)
{
    if (!api__header(c, name, out) || out->len == 0) {
        return api__invalid(c,
                            "1 validation error detected: Value null at '%s' failed to satisfy "
                            "constraint: Member must not be null (header %s)",
                            member, name);
    }
    return AWS_OK;
}
