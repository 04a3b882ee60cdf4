// links: elo_json
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The JSON reader over any bytes. Text it accepts is written again, token by token, and must read
 * as the same tokens; text it refuses must have its fault where error_at says.
 */
#include "elo/json/read.h"
#include "elo/json/write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool is_text(const struct elo_json_token *t)
{
    return t->type == ELO_JSON_KEY || t->type == ELO_JSON_STRING;
}

/* The meaning of a KEY or STRING, in a block of exactly its size that the caller frees. */
static elo_span meaning(const struct elo_json_token *t)
{
    size_t len = 0;
    uint8_t *text;
    elo_err err = elo_json_unescape(t, NULL, 0, &len);

    require(err == (len > 0 ? ELO_E_NO_SPACE : ELO_OK));
    require(len <= t->raw.len);
    text = malloc(len + (len == 0));
    require(text != NULL && elo_json_unescape(t, text, len, &len) == ELO_OK);
    require(elo_json_token_is(t, elo_span_of(text, len)));
    return elo_span_of(text, len);
}

static void write_text(struct elo_json_writer *w, const struct elo_json_token *t)
{
    elo_span text = meaning(t);

    if (t->type == ELO_JSON_KEY) {
        elo_json_key(w, text);
    } else {
        elo_json_string(w, text);
    }
    free((void *)(uintptr_t)text.ptr);
}

static void write_number(struct elo_json_writer *w, const struct elo_json_token *t)
{
    int64_t value;

    /* -0 is an integer whose text says more than its value */
    if (elo_json_int64(t, &value) == ELO_OK && (value != 0 || t->raw.len == 1)) {
        elo_json_int(w, value);
    } else {
        elo_json_number_text(w, t->raw);
    }
}

static void write_token(struct elo_json_writer *w, const struct elo_json_token *t)
{
    switch (t->type) {
    case ELO_JSON_OBJECT_BEGIN:
        elo_json_begin_object(w);
        break;
    case ELO_JSON_OBJECT_END:
        elo_json_end_object(w);
        break;
    case ELO_JSON_ARRAY_BEGIN:
        elo_json_begin_array(w);
        break;
    case ELO_JSON_ARRAY_END:
        elo_json_end_array(w);
        break;
    case ELO_JSON_KEY:
    case ELO_JSON_STRING:
        write_text(w, t);
        break;
    case ELO_JSON_NUMBER:
        write_number(w, t);
        break;
    case ELO_JSON_TRUE:
    case ELO_JSON_FALSE:
        elo_json_bool(w, t->type == ELO_JSON_TRUE);
        break;
    case ELO_JSON_NULL:
        elo_json_null(w);
        break;
    }
}

/* Writes all tokens of `text`, which is valid. */
static elo_err rewrite(elo_span text, uint8_t *buf, size_t cap, size_t *out_len)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    struct elo_json_writer w;

    elo_json_reader_init(&r, text);
    elo_json_writer_init(&w, buf, cap);
    while (elo_json_next(&r, &t) == ELO_OK) {
        require(t.raw.ptr >= text.ptr && t.raw.len <= (size_t)(text.ptr + text.len - t.raw.ptr));
        write_token(&w, &t);
    }
    return elo_json_finish(&w, out_len);
}

static void require_same_token(const struct elo_json_token *a, const struct elo_json_token *b)
{
    require(a->type == b->type && a->depth == b->depth);
    if (is_text(a)) {
        elo_span text = meaning(a);

        require(elo_json_token_is(b, text));
        free((void *)(uintptr_t)text.ptr);
    } else {
        require(elo_span_eq(a->raw, b->raw));
    }
}

static void require_same_tokens(elo_span a, elo_span b)
{
    struct elo_json_reader ra;
    struct elo_json_reader rb;
    struct elo_json_token ta;
    struct elo_json_token tb;
    elo_err err;

    elo_json_reader_init(&ra, a);
    elo_json_reader_init(&rb, b);
    do {
        err = elo_json_next(&ra, &ta);
        require(elo_json_next(&rb, &tb) == err);
        if (err == ELO_OK) {
            require_same_token(&ta, &tb);
        }
    } while (err == ELO_OK);
    require(err == ELO_END);
}

/* Skipping the value from its first token, and taking it over raw, loses nothing. */
static void check_skip(elo_span text)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    elo_span raw;

    elo_json_reader_init(&r, text);
    require(elo_json_next(&r, &t) == ELO_OK);
    require(elo_json_skip(&r, &t, &raw) == ELO_OK);
    require(elo_json_next(&r, &t) == ELO_END);
    require(elo_json_validate(raw) == ELO_OK);
    require_same_tokens(text, raw);
}

static void check_rewrite(elo_span text)
{
    size_t need = 0;
    size_t len = 0;
    uint8_t *buf;

    require(rewrite(text, NULL, 0, &need) == ELO_E_NO_SPACE);
    buf = malloc(need);
    require(buf != NULL && rewrite(text, buf, need, &len) == ELO_OK && len == need);
    require_same_tokens(text, elo_span_of(buf, len));
    free(buf);
}

static void check_refused(elo_span text)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    size_t at;
    elo_err err;

    elo_json_reader_init(&r, text);
    do {
        err = elo_json_next(&r, &t);
    } while (err == ELO_OK);
    at = r.error_at;
    require(err < 0 && at <= text.len && elo_json_next(&r, &t) == err && r.error_at == at);
    /* What lies left of the fault is at most cut short. */
    elo_json_reader_init(&r, elo_span_first(text, at));
    do {
        err = elo_json_next(&r, &t);
    } while (err == ELO_OK);
    require(err == ELO_END || (err == ELO_E_MALFORMED && r.error_at == at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span text = elo_span_of(data, size);

    if (elo_json_validate(text) != ELO_OK) {
        check_refused(text);
        return 0;
    }
    check_rewrite(text);
    check_skip(text);
    return 0;
}
