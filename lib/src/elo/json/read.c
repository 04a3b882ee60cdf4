// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works. A text is read left to right, once. Between two tokens the reader knows only
 * what may come next (`_state`), how deep it is (`_depth`) and, one bit a level, whether each
 * open container is an array (`_is_array`): a stack in a word instead of recursion.
 *
 *      VALUE ------------- scalar ---------> AFTER <------ '}' or ']' ---- (one level up)
 *        ^  \--- '[' ----> FIRST_ELEMENT       | depth 0: only the end of the text
 *        |   \-- '{' ----> FIRST_KEY           | ',' in an array: VALUE, in an object: KEY
 *        |                     | string        |
 *        +------- ':' ------ COLON <- string - KEY
 *
 * A number or literal ends where its grammar ends; what follows is AFTER's business, so `01` is
 * the token 0 and then an error. Every fault is reported where it lies: error_at is the offending
 * byte (for bad UTF-8 the first byte of its sequence, for a lone surrogate its backslash), or the
 * length of the text when that ends too early. Of two faults the one further left is reported.
 *
 * Only decode_escape() knows what an escape means; checking a string, comparing a token and
 * unescaping one all go through it and so cannot disagree.
 */
#include "elo/json/read.h"

#include "elo/base/assert.h"
#include "elo/base/utf8.h"

enum state { VALUE, FIRST_ELEMENT, FIRST_KEY, KEY, COLON, AFTER };

/* What peek() says when the text is over; no byte. */
#define NO_BYTE (-1)

void elo_json_reader_init(struct elo_json_reader *r, elo_span text)
{
    memset(r, 0, sizeof *r);
    r->text = text;
}

static elo_err fail(struct elo_json_reader *r, size_t at, elo_err err)
{
    r->error_at = at;
    return err;
}

static int byte_at(elo_span s, size_t at)
{
    return at < s.len ? s.ptr[at] : NO_BYTE;
}

/* The next byte that is not white space. */
static int peek(struct elo_json_reader *r)
{
    int c = byte_at(r->text, r->_at);

    while (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        c = byte_at(r->text, ++r->_at);
    }
    return c;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool in_array(const struct elo_json_reader *r)
{
    return (r->_is_array >> (r->_depth - 1u) & 1u) != 0;
}

static void set_state(struct elo_json_reader *r, enum state state)
{
    r->_state = (uint8_t)state;
}

/* The bytes from `from` to where the reader is now. */
static elo_span since(const struct elo_json_reader *r, size_t from)
{
    return elo_span_of(r->text.ptr + from, r->_at - from);
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Four hexadecimal digits at *at, which moves behind them, or to the byte that is none. */
static elo_err hex4(elo_span s, size_t *at, uint32_t *out)
{
    uint32_t v = 0;
    unsigned i;

    for (i = 0; i < 4; i++, ++*at) {
        int c = byte_at(s, *at);
        int lower = c | 0x20; /* leaves NO_BYTE negative */

        if (is_digit(c)) {
            v = v << 4 | (uint32_t)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            v = v << 4 | (uint32_t)(lower - 'a' + 10);
        } else {
            return ELO_E_MALFORMED;
        }
    }
    *out = v;
    return ELO_OK;
}

/* One escape whose backslash is at *at: a character, or half a surrogate pair. */
static elo_err escape_unit(elo_span s, size_t *at, uint32_t *out)
{
    static const char letters[8] = {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'};
    static const char meant[8] = {'"', '\\', '/', '\b', '\f', '\n', '\r', '\t'};
    int c = byte_at(s, ++*at);
    unsigned i;

    if (c == 'u') {
        ++*at;
        return hex4(s, at, out);
    }
    for (i = 0; i < sizeof letters; i++) {
        if (c == letters[i]) {
            ++*at;
            *out = (uint32_t)meant[i];
            return ELO_OK;
        }
    }
    return ELO_E_MALFORMED;
}

/*
 * The character that the escape at *at means; a surrogate pair is one character [RFC 8259, 7].
 * *at moves behind it, or to the fault.
 */
static elo_err decode_escape(elo_span s, size_t *at, uint32_t *cp)
{
    size_t backslash = *at;
    uint32_t high;
    uint32_t low;
    elo_err err = escape_unit(s, at, &high);

    if (err != ELO_OK) {
        return err;
    }
    if (high < 0xD800u || high > 0xDFFFu) {
        *cp = high;
        return ELO_OK;
    }
    if (high < 0xDC00u && byte_at(s, *at) == '\\' && byte_at(s, *at + 1) == 'u') {
        err = escape_unit(s, at, &low);
        if (err != ELO_OK) {
            return err;
        }
        if (low >= 0xDC00u && low <= 0xDFFFu) {
            *cp = 0x10000u + ((high - 0xD800u) << 10) + (low - 0xDC00u);
            return ELO_OK;
        }
    }
    *at = backslash;
    return ELO_E_UTF8;
}

/* Passes over the bytes of a string that stand for themselves. */
static elo_err skip_plain(struct elo_json_reader *r)
{
    size_t from = r->_at;
    int c = byte_at(r->text, r->_at);

    while (c >= 0x20 && c != '"' && c != '\\') {
        c = byte_at(r->text, ++r->_at);
    }
    from += elo_utf8_prefix(since(r, from));
    return from == r->_at ? ELO_OK : fail(r, from, ELO_E_UTF8);
}

/* The string whose opening quote is next; `raw` is what stands between the quotes. */
static elo_err scan_string(struct elo_json_reader *r, struct elo_json_token *t)
{
    size_t from = ++r->_at;

    for (;;) {
        uint32_t cp;
        int c;
        elo_err err = skip_plain(r);

        if (err != ELO_OK) {
            return err;
        }
        c = byte_at(r->text, r->_at);
        if (c == '"') {
            break;
        }
        if (c != '\\') { /* a raw control character, or the text is over */
            return fail(r, r->_at, ELO_E_MALFORMED);
        }
        t->has_escapes = true;
        err = decode_escape(r->text, &r->_at, &cp);
        if (err != ELO_OK) {
            return fail(r, r->_at, err);
        }
    }
    t->raw = since(r, from);
    r->_at++;
    return ELO_OK;
}

/* ---- numbers and literals ------------------------------------------------------------------- */

static elo_err skip_digits(struct elo_json_reader *r)
{
    if (!is_digit(byte_at(r->text, r->_at))) {
        return fail(r, r->_at, ELO_E_MALFORMED);
    }
    while (is_digit(byte_at(r->text, r->_at))) {
        r->_at++;
    }
    return ELO_OK;
}

/* number = [ "-" ] ( "0" / digit1-9 *digit ) [ "." 1*digit ] [ e [ sign ] 1*digit ] */
static elo_err skip_number(struct elo_json_reader *r)
{
    elo_err err = ELO_OK;

    if (byte_at(r->text, r->_at) == '-') {
        r->_at++;
    }
    if (byte_at(r->text, r->_at) == '0') {
        r->_at++;
    } else {
        err = skip_digits(r);
    }
    if (err == ELO_OK && byte_at(r->text, r->_at) == '.') {
        r->_at++;
        err = skip_digits(r);
    }
    if (err == ELO_OK && (byte_at(r->text, r->_at) | 0x20) == 'e') {
        int sign = byte_at(r->text, ++r->_at);

        if (sign == '+' || sign == '-') {
            r->_at++;
        }
        err = skip_digits(r);
    }
    return err;
}

static elo_err skip_word(struct elo_json_reader *r, elo_span word)
{
    size_t i;

    for (i = 0; i < word.len; i++, r->_at++) {
        if (byte_at(r->text, r->_at) != word.ptr[i]) {
            return fail(r, r->_at, ELO_E_MALFORMED);
        }
    }
    return ELO_OK;
}

/* A number, true, false or null, of which `c` is the first byte. */
static elo_err scan_bare(struct elo_json_reader *r, int c, struct elo_json_token *t)
{
    size_t from = r->_at;
    elo_err err;

    if (c == '-' || is_digit(c)) {
        t->type = ELO_JSON_NUMBER;
        err = skip_number(r);
    } else if (c == 't') {
        t->type = ELO_JSON_TRUE;
        err = skip_word(r, ELO_SPAN("true"));
    } else if (c == 'f') {
        t->type = ELO_JSON_FALSE;
        err = skip_word(r, ELO_SPAN("false"));
    } else if (c == 'n') {
        t->type = ELO_JSON_NULL;
        err = skip_word(r, ELO_SPAN("null"));
    } else {
        return fail(r, from, ELO_E_MALFORMED);
    }
    if (err == ELO_OK) {
        t->raw = since(r, from);
    }
    return err;
}

/* ---- structure ------------------------------------------------------------------------------ */

static elo_err open_container(struct elo_json_reader *r, bool array, struct elo_json_token *t)
{
    uint32_t bit;

    if (r->_depth >= ELO_JSON_MAX_DEPTH) {
        return fail(r, r->_at, ELO_E_DEPTH);
    }
    bit = (uint32_t)1 << r->_depth;
    r->_is_array = array ? r->_is_array | bit : r->_is_array & ~bit;
    t->type = array ? ELO_JSON_ARRAY_BEGIN : ELO_JSON_OBJECT_BEGIN;
    t->raw = elo_span_of(r->text.ptr + r->_at, 1);
    r->_depth++;
    r->_at++;
    set_state(r, array ? FIRST_ELEMENT : FIRST_KEY);
    return ELO_OK;
}

/* The bracket that closes the innermost container must be next. */
static elo_err close_container(struct elo_json_reader *r, int c, struct elo_json_token *t)
{
    bool array = in_array(r);

    if (c != (array ? ']' : '}')) {
        return fail(r, r->_at, ELO_E_MALFORMED);
    }
    t->type = array ? ELO_JSON_ARRAY_END : ELO_JSON_OBJECT_END;
    t->raw = elo_span_of(r->text.ptr + r->_at, 1);
    t->depth = --r->_depth;
    r->_at++;
    set_state(r, AFTER);
    return ELO_OK;
}

static elo_err scan_key(struct elo_json_reader *r, int c, struct elo_json_token *t)
{
    if (c != '"') {
        return fail(r, r->_at, ELO_E_MALFORMED);
    }
    t->type = ELO_JSON_KEY;
    set_state(r, COLON);
    return scan_string(r, t);
}

static elo_err scan_value(struct elo_json_reader *r, int c, struct elo_json_token *t)
{
    if (c == '{' || c == '[') {
        return open_container(r, c == '[', t);
    }
    set_state(r, AFTER);
    if (c == '"') {
        t->type = ELO_JSON_STRING;
        return scan_string(r, t);
    }
    return scan_bare(r, c, t);
}

static elo_err scan_token(struct elo_json_reader *r, struct elo_json_token *t)
{
    int c = peek(r);

    if (r->_state == AFTER) {
        if (r->_depth == 0) {
            return c == NO_BYTE ? ELO_END : fail(r, r->_at, ELO_E_MALFORMED);
        }
        if (c != ',') {
            return close_container(r, c, t);
        }
        set_state(r, in_array(r) ? VALUE : KEY);
        r->_at++;
        c = peek(r);
    } else if (r->_state == COLON) {
        if (c != ':') {
            return fail(r, r->_at, ELO_E_MALFORMED);
        }
        set_state(r, VALUE);
        r->_at++;
        c = peek(r);
    } else if ((r->_state == FIRST_ELEMENT && c == ']') || (r->_state == FIRST_KEY && c == '}')) {
        return close_container(r, c, t);
    }
    t->depth = r->_depth;
    return r->_state == KEY || r->_state == FIRST_KEY ? scan_key(r, c, t) : scan_value(r, c, t);
}

elo_err elo_json_next(struct elo_json_reader *r, struct elo_json_token *out)
{
    struct elo_json_token t;

    if (r->_err != ELO_OK) {
        return r->_err;
    }
    memset(&t, 0, sizeof t);
    r->_err = scan_token(r, &t);
    if (r->_err == ELO_OK) {
        *out = t;
    }
    return r->_err;
}

/* ---- what is built on tokens ---------------------------------------------------------------- */

static bool is_begin(const struct elo_json_token *t)
{
    return t->type == ELO_JSON_OBJECT_BEGIN || t->type == ELO_JSON_ARRAY_BEGIN;
}

static bool is_end(const struct elo_json_token *t)
{
    return t->type == ELO_JSON_OBJECT_END || t->type == ELO_JSON_ARRAY_END;
}

static bool is_text(const struct elo_json_token *t)
{
    return t->type == ELO_JSON_KEY || t->type == ELO_JSON_STRING;
}

elo_err
elo_json_skip(struct elo_json_reader *r, const struct elo_json_token *tok, elo_span *out_raw)
{
    struct elo_json_token first = *tok;
    struct elo_json_token t;
    elo_span raw;
    elo_err err;

    ELO_ASSERT(!is_end(tok)); /* no value begins there */
    if (first.type == ELO_JSON_KEY) {
        err = elo_json_next(r, &first);
        if (err != ELO_OK) {
            return err;
        }
    }
    raw = first.raw;
    if (first.type == ELO_JSON_STRING) {
        raw = elo_span_of(raw.ptr - 1, raw.len + 2);
    } else if (is_begin(&first)) {
        do {
            err = elo_json_next(r, &t);
            if (err != ELO_OK) {
                return err;
            }
        } while (!is_end(&t) || t.depth != first.depth);
        raw.len = (size_t)(t.raw.ptr + 1 - raw.ptr);
    }
    if (out_raw) {
        *out_raw = raw;
    }
    return ELO_OK;
}

/*
 * The next piece of a string's meaning: a plain byte or a whole escape. Writes it at `piece`,
 * moves *at behind it; its length, 0 for an escape that no reader let through.
 */
static size_t next_piece(elo_span raw, size_t *at, uint8_t piece[4])
{
    uint32_t cp;

    if (raw.ptr[*at] != '\\') {
        piece[0] = raw.ptr[(*at)++];
        return 1;
    }
    return decode_escape(raw, at, &cp) == ELO_OK ? elo_utf8_put(cp, piece) : 0;
}

bool elo_json_token_is(const struct elo_json_token *tok, elo_span text)
{
    size_t done = 0;
    size_t at = 0;

    if (!is_text(tok) || !tok->has_escapes) {
        return is_text(tok) && elo_span_eq(tok->raw, text);
    }
    while (at < tok->raw.len) {
        uint8_t piece[4];
        size_t n = next_piece(tok->raw, &at, piece);

        if (n == 0 || n > text.len - done || memcmp(text.ptr + done, piece, n) != 0) {
            return false;
        }
        done += n;
    }
    return done == text.len;
}

/* Unescapes `raw` to `out`, or only counts if that is NULL. False: an escape that is none. */
static bool unescape(elo_span raw, uint8_t *out, size_t *out_len)
{
    size_t len = 0;
    size_t at = 0;

    while (at < raw.len) {
        uint8_t piece[4];
        size_t n = next_piece(raw, &at, piece);

        if (n == 0) {
            return false;
        }
        if (out) {
            memcpy(out + len, piece, n);
        }
        len += n;
    }
    *out_len = len;
    return true;
}

elo_err
elo_json_unescape(const struct elo_json_token *tok, uint8_t *buf, size_t cap, size_t *out_len)
{
    size_t len = tok->raw.len;

    if (!is_text(tok) || (tok->has_escapes && !unescape(tok->raw, NULL, &len))) {
        return ELO_E_MALFORMED;
    }
    *out_len = len;
    if (len > cap) {
        return ELO_E_NO_SPACE;
    }
    if (tok->has_escapes) {
        (void)unescape(tok->raw, buf, &len);
    } else if (len > 0) {
        memcpy(buf, tok->raw.ptr, len);
    }
    return ELO_OK;
}

elo_err elo_json_int64(const struct elo_json_token *tok, int64_t *out)
{
    bool negative = tok->raw.len > 0 && tok->raw.ptr[0] == '-';
    bool fits = true;
    int64_t v = 0; /* kept negative: that side reaches one further */
    size_t i = negative ? 1 : 0;

    if (tok->type != ELO_JSON_NUMBER || i == tok->raw.len) {
        return ELO_E_MALFORMED;
    }
    for (; i < tok->raw.len; i++) {
        int digit = tok->raw.ptr[i] - '0';

        if (digit < 0 || digit > 9) {
            return ELO_E_MALFORMED;
        }
        fits = fits && v >= INT64_MIN / 10 && v * 10 >= INT64_MIN + digit;
        v = fits ? v * 10 - digit : 0;
    }
    if (!fits || (!negative && v == INT64_MIN)) {
        return ELO_E_TOO_LARGE;
    }
    *out = negative ? v : -v;
    return ELO_OK;
}

elo_err elo_json_validate(elo_span text)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    elo_err err;

    elo_json_reader_init(&r, text);
    do {
        err = elo_json_next(&r, &t);
    } while (err == ELO_OK);
    return err == ELO_END ? ELO_OK : err;
}
