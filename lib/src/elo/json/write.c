// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works. Every byte goes through put(), which counts it and stores it if there is room:
 * the buffer holds the first `_cap` bytes of the text whatever its length, and measuring is the
 * same code with no buffer. Room is looked at once, in elo_json_finish(); it is no error before.
 *
 * Where the writer stands is three facts: the open containers (`_depth`, and one bit a level in
 * `_is_array`), whether something came before at this level (`_comma`; at level 0 it means that
 * the one value is there), and whether a key waits for its value (`_after_key`).
 *
 * What elo_json_finish() calls ELO_OK the reader accepts: depth, UTF-8, number text and raw JSON
 * are checked on the way in, the latter two by the reader itself.
 */
#include "elo/json/write.h"

#include "elo/base/assert.h"
#include "elo/base/utf8.h"
#include "elo/json/read.h"

void elo_json_writer_init(struct elo_json_writer *w, uint8_t *buf, size_t cap)
{
    memset(w, 0, sizeof *w);
    w->_buf = buf;
    w->_cap = cap;
}

static void put(struct elo_json_writer *w, const void *bytes, size_t len)
{
    size_t room = w->_cap > w->_len ? w->_cap - w->_len : 0;
    size_t n = len < room ? len : room;

    if (n > 0) {
        memcpy(w->_buf + w->_len, bytes, n);
    }
    w->_len += len;
}

static void put_byte(struct elo_json_writer *w, int c)
{
    uint8_t byte = (uint8_t)c;

    put(w, &byte, 1);
}

/* The first error is the one that is told. */
static void fail(struct elo_json_writer *w, elo_err err)
{
    if (w->_err == ELO_OK) {
        w->_err = err;
    }
}

static bool in_array(const struct elo_json_writer *w)
{
    return w->_depth > 0 && (w->_is_array >> (w->_depth - 1u) & 1u) != 0;
}

static bool in_object(const struct elo_json_writer *w)
{
    return w->_depth > 0 && !in_array(w);
}

/* May a value come here? Writes the comma before it, and notes that it came. */
static bool begin_value(struct elo_json_writer *w)
{
    bool allowed = in_object(w) ? w->_after_key : in_array(w) || !w->_comma;

    if (!allowed) {
        fail(w, ELO_E_PROTOCOL);
    }
    if (w->_err != ELO_OK) {
        return false;
    }
    if (w->_comma && !w->_after_key) {
        put_byte(w, ',');
    }
    w->_comma = true;
    w->_after_key = false;
    return true;
}

static void put_value(struct elo_json_writer *w, elo_span text)
{
    if (begin_value(w)) {
        put(w, text.ptr, text.len);
    }
}

static void begin_container(struct elo_json_writer *w, bool array)
{
    uint32_t bit;

    if (!begin_value(w)) {
        return;
    }
    if (w->_depth >= ELO_JSON_MAX_DEPTH) {
        fail(w, ELO_E_DEPTH);
        return;
    }
    bit = (uint32_t)1 << w->_depth;
    w->_is_array = array ? w->_is_array | bit : w->_is_array & ~bit;
    w->_depth++;
    w->_comma = false;
    put_byte(w, array ? '[' : '{');
}

static void end_container(struct elo_json_writer *w, bool array)
{
    if (w->_depth == 0 || in_array(w) != array || w->_after_key) {
        fail(w, ELO_E_PROTOCOL);
    }
    if (w->_err != ELO_OK) {
        return;
    }
    w->_depth--;
    w->_comma = true;
    put_byte(w, array ? ']' : '}');
}

void elo_json_begin_object(struct elo_json_writer *w)
{
    begin_container(w, false);
}

void elo_json_end_object(struct elo_json_writer *w)
{
    end_container(w, false);
}

void elo_json_begin_array(struct elo_json_writer *w)
{
    begin_container(w, true);
}

void elo_json_end_array(struct elo_json_writer *w)
{
    end_container(w, true);
}

static uint8_t hex_digit(unsigned v)
{
    return (uint8_t)(v < 10 ? '0' + v : 'a' + v - 10);
}

static void put_escape(struct elo_json_writer *w, uint8_t c)
{
    static const char letters[6] = {'b', 't', 'n', 0, 'f', 'r'}; /* for 8 to 13 */
    uint8_t text[6] = {'\\', 'u', '0', '0', hex_digit(c >> 4), hex_digit(c & 15u)};

    if (c == '"' || c == '\\') {
        text[1] = c;
        put(w, text, 2);
    } else if (c >= 8 && c <= 13 && letters[c - 8] != 0) {
        text[1] = (uint8_t)letters[c - 8];
        put(w, text, 2);
    } else {
        put(w, text, sizeof text);
    }
}

/* `text` in quotes. Only what RFC 8259 asks for is escaped: the rest stays readable and short. */
static void put_string(struct elo_json_writer *w, elo_span text)
{
    size_t from = 0;
    size_t at;

    put_byte(w, '"');
    for (at = 0; at < text.len; at++) {
        uint8_t c = text.ptr[at];

        if (c < 0x20 || c == '"' || c == '\\') {
            put(w, text.ptr + from, at - from);
            put_escape(w, c);
            from = at + 1;
        }
    }
    if (from < at) {
        put(w, text.ptr + from, at - from);
    }
    put_byte(w, '"');
}

void elo_json_key(struct elo_json_writer *w, elo_span name)
{
    if (!in_object(w) || w->_after_key) {
        fail(w, ELO_E_PROTOCOL);
    } else if (!elo_utf8_valid(name)) {
        fail(w, ELO_E_UTF8);
    }
    if (w->_err != ELO_OK) {
        return;
    }
    if (w->_comma) {
        put_byte(w, ',');
    }
    put_string(w, name);
    put_byte(w, ':');
    w->_after_key = true;
}

void elo_json_string(struct elo_json_writer *w, elo_span text)
{
    if (!begin_value(w)) {
        return;
    }
    if (!elo_utf8_valid(text)) {
        fail(w, ELO_E_UTF8);
        return;
    }
    put_string(w, text);
}

/* A number of `decimals` digits after the point and at least one before it. */
static void put_decimal(struct elo_json_writer *w, bool negative, uint64_t v, unsigned decimals)
{
    uint8_t text[24]; /* sign, 20 digits, point */
    size_t at = sizeof text;
    unsigned digits = 0;

    if (!begin_value(w)) {
        return;
    }
    do {
        if (digits > 0 && digits == decimals) {
            text[--at] = '.';
        }
        text[--at] = (uint8_t)('0' + v % 10);
        v /= 10;
        digits++;
    } while (v > 0 || digits <= decimals);
    if (negative) {
        text[--at] = '-';
    }
    put(w, text + at, sizeof text - at);
}

void elo_json_int(struct elo_json_writer *w, int64_t value)
{
    put_decimal(w, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 0);
}

void elo_json_fixed(struct elo_json_writer *w, int32_t value, uint8_t decimals)
{
    int64_t wide = value;

    ELO_ASSERT(decimals <= 9);
    put_decimal(w, wide < 0, (uint64_t)(wide < 0 ? -wide : wide), decimals);
}

void elo_json_bool(struct elo_json_writer *w, bool value)
{
    put_value(w, value ? ELO_SPAN("true") : ELO_SPAN("false"));
}

void elo_json_null(struct elo_json_writer *w)
{
    put_value(w, ELO_SPAN("null"));
}

void elo_json_number_text(struct elo_json_writer *w, elo_span number)
{
    struct elo_json_reader r;
    struct elo_json_token t;

    elo_json_reader_init(&r, number);
    if (elo_json_next(&r, &t) != ELO_OK || t.type != ELO_JSON_NUMBER || t.raw.len != number.len) {
        fail(w, ELO_E_MALFORMED);
        return;
    }
    put_value(w, number);
}

/* Checks a whole text that is to stand `depth` containers deep. */
static elo_err check_raw(elo_span json, unsigned depth)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    elo_err err;

    elo_json_reader_init(&r, json);
    while ((err = elo_json_next(&r, &t)) == ELO_OK) {
        bool begins = t.type == ELO_JSON_OBJECT_BEGIN || t.type == ELO_JSON_ARRAY_BEGIN;

        if (begins && depth + t.depth >= ELO_JSON_MAX_DEPTH) {
            return ELO_E_DEPTH;
        }
    }
    return err == ELO_END ? ELO_OK : err;
}

void elo_json_raw(struct elo_json_writer *w, elo_span json)
{
    elo_err err = check_raw(json, w->_depth);

    if (err != ELO_OK) {
        fail(w, err);
        return;
    }
    put_value(w, json);
}

elo_err elo_json_finish(struct elo_json_writer *w, size_t *out_len)
{
    if (w->_depth > 0 || !w->_comma) {
        fail(w, ELO_E_PROTOCOL);
    }
    if (w->_err != ELO_OK) {
        return w->_err;
    }
    *out_len = w->_len;
    return w->_len > w->_cap ? ELO_E_NO_SPACE : ELO_OK;
}
