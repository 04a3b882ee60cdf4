// links: elo_json jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The reader against tests/vectors/json/texts.txt and against jansson, which reads the same texts
 * and everything that comes of them by cutting and by changing a byte. Where jansson is known to
 * differ (numbers beyond 64 bits or a double, U+0000 in a key, depth) the difference must be
 * exactly that one. Every text lies flush against a page that may not be read.
 */
#include "elo/json/read.h"
#include "tests/support/guard.h"

#include <setjmp.h> /* these three before cmocka.h, which does not include them */
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TEXT 4096u
#define NO_MARK  ((size_t)-1)

struct sample {
    elo_err verdict;
    enum { SAME, RANGE, KEY_NUL, DEEPER, NUL } oracle;
    unsigned line;
    size_t mark;
    size_t len;
    uint8_t text[MAX_TEXT];
};

static struct guard guard;

/* ---- the vector file ------------------------------------------------------------------------ */

static size_t index_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    fail_msg("texts.txt: unknown word %s", word);
    return 0;
}

static void decode_text(const char *from, struct sample *s)
{
    for (size_t len = strcspn(from, "\n"), i = 0; i < len; i++) {
        unsigned byte = (unsigned char)from[i];

        assert_true(s->len < MAX_TEXT);
        if (strncmp(from + i, "<!>", 3) == 0) {
            s->mark = s->len;
            i += 2;
            continue;
        }
        if (byte == '%') {
            if (i + 1 == len) {
                continue;
            }
            assert_int_equal(sscanf(from + i, "%%%2x", &byte), 1);
            i += 2;
        }
        s->text[s->len++] = (uint8_t)byte;
    }
}

static bool next_sample(FILE *file, struct sample *s)
{
    static const char *const verdicts[] = {"accept", "malformed", "utf8", "depth"};
    static const elo_err errors[] = {ELO_OK, ELO_E_MALFORMED, ELO_E_UTF8, ELO_E_DEPTH};
    static const char *const oracles[] = {"same", "range", "key-nul", "deeper", "nul"};
    char line[MAX_TEXT];

    while (fgets(line, sizeof line, file)) {
        char verdict[16];
        char oracle[16];
        int at = 0;

        s->line++;
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        assert_int_equal(sscanf(line, "%15s %15s %n", verdict, oracle, &at), 2);
        s->verdict = errors[index_of(verdict, verdicts, 4)];
        s->oracle = (unsigned)index_of(oracle, oracles, 5);
        s->mark = NO_MARK;
        s->len = 0;
        decode_text(line + at, s);
        return true;
    }
    return false;
}

/* Calls `check` with every vector; there must be several hundred. */
static void each_sample(void (*check)(const struct sample *s))
{
    struct sample s = {.line = 0};
    unsigned count = 0;
    FILE *file = fopen(ELO_SOURCE_DIR "/tests/vectors/json/texts.txt", "r");

    assert_non_null(file);
    while (next_sample(file, &s)) {
        check(&s);
        count++;
    }
    fclose(file);
    assert_true(count > 500);
}

static void print_text(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool plain = text[i] >= 0x20 && text[i] < 0x7f && text[i] != '%';
        print_error(plain ? "%c" : "%%%02X", text[i]);
    }
    print_error("\n");
}

/* ---- what our tokens say, as a jansson value ------------------------------------------------ */

static json_t *text_value(const struct elo_json_token *t)
{
    static uint8_t buf[MAX_TEXT];
    size_t len;

    assert_int_equal(elo_json_unescape(t, buf, sizeof buf, &len), ELO_OK);
    assert_true(len <= t->raw.len);
    assert_true(elo_json_token_is(t, elo_span_of(buf, len)));
    return json_stringn((const char *)buf, len);
}

static json_t *number_value(const struct elo_json_token *t)
{
    static char text[MAX_TEXT + 1];
    int64_t n;

    if (elo_json_int64(t, &n) == ELO_OK) {
        return json_integer(n);
    }
    memcpy(text, t->raw.ptr, t->raw.len);
    text[t->raw.len] = '\0';
    return json_real(strtod(text, NULL));
}

static json_t *scalar_value(const struct elo_json_token *t)
{
    switch (t->type) {
    case ELO_JSON_STRING:
        return text_value(t);
    case ELO_JSON_NUMBER:
        return number_value(t);
    case ELO_JSON_TRUE:
        return json_true();
    case ELO_JSON_FALSE:
        return json_false();
    case ELO_JSON_NULL:
        return json_null();
    case ELO_JSON_OBJECT_BEGIN:
        return json_object();
    default:
        assert_int_equal(t->type, ELO_JSON_ARRAY_BEGIN);
        return json_array();
    }
}

/* One container a level: level 0 is an array that holds the one value. */
struct builder {
    json_t *open[ELO_JSON_MAX_DEPTH + 1];
    json_t *key;
};

static void build(struct builder *b, const struct elo_json_token *t)
{
    json_t *parent = b->open[t->depth];
    json_t *value;

    if (t->type == ELO_JSON_OBJECT_END || t->type == ELO_JSON_ARRAY_END) {
        return;
    }
    if (t->type == ELO_JSON_KEY) {
        b->key = text_value(t);
        return;
    }
    value = scalar_value(t);
    assert_non_null(value);
    if (json_is_array(parent)) {
        json_array_append_new(parent, value);
    } else {
        json_object_setn_new(parent, json_string_value(b->key), json_string_length(b->key), value);
        json_decref(b->key);
    }
    if (t->type == ELO_JSON_OBJECT_BEGIN || t->type == ELO_JSON_ARRAY_BEGIN) {
        b->open[t->depth + 1] = value;
    }
}

static void check_same_value(elo_span text, const json_t *expected)
{
    struct builder b = {.open = {json_array()}};
    struct elo_json_reader r;
    struct elo_json_token t;

    elo_json_reader_init(&r, text);
    while (elo_json_next(&r, &t) == ELO_OK) {
        build(&b, &t);
    }
    if (json_array_size(b.open[0]) != 1 || !json_equal(json_array_get(b.open[0], 0), expected)) {
        print_text(text.ptr, text.len);
        fail_msg("read as another value than jansson reads");
    }
    json_decref(b.open[0]);
}

/* ---- one text, two readers ------------------------------------------------------------------ */

/* Reads to the end; *out_at is where the fault is. */
static elo_err read_all(elo_span text, size_t *out_at)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    elo_err err;

    elo_json_reader_init(&r, text);
    while ((err = elo_json_next(&r, &t)) == ELO_OK) {
        assert_true(t.raw.ptr >= text.ptr && t.raw.ptr + t.raw.len <= text.ptr + text.len);
        assert_true(t.depth <= ELO_JSON_MAX_DEPTH);
    }
    *out_at = r.error_at;
    return err == ELO_END ? ELO_OK : err;
}

/*
 * What lies left of a fault is faultless: read alone it ends too early, at its very end, or is a
 * whole text. And nothing right of the faulty byte played a part.
 */
static void check_fault(elo_span text, elo_err err, size_t at)
{
    size_t at_alone;
    elo_err alone;

    assert_true(at <= text.len);
    alone = read_all(elo_span_first(text, at), &at_alone);
    if (alone != ELO_OK && (alone != ELO_E_MALFORMED || at_alone != at)) {
        print_text(text.ptr, text.len);
        fail_msg("the fault is told at %zu, but lies further left at %zu", at, at_alone);
    }
    if (err == ELO_E_MALFORMED && at < text.len) {
        assert_int_equal(read_all(elo_span_first(text, at + 1), &at_alone), err);
        assert_int_equal(at_alone, at);
    }
}

/* jansson loses a NUL byte that ends a number or a literal: its lexer cannot push it back. */
static bool nul_after_word(elo_span text, size_t at)
{
    return at > 0 && at < text.len && text.ptr[at] == 0 && isalnum(text.ptr[at - 1]);
}

/* Reads `text` with both; the two must agree but for the known differences. */
static elo_err read_both(elo_span text, size_t *out_at, enum json_error_code *out_code)
{
    json_error_t error = {.line = 0};
    json_t *value =
        json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    enum json_error_code code = value ? json_error_unknown : json_error_code(&error);
    elo_err err = read_all(text, out_at);
    bool known = code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
                 err == ELO_E_DEPTH || (err == ELO_E_MALFORMED && nul_after_word(text, *out_at));

    assert_int_equal(elo_json_validate(text), err);
    if (err != ELO_OK) {
        check_fault(text, err, *out_at);
    } else if (value) {
        check_same_value(text, value);
    }
    /* jansson stops at a number it cannot hold and says nothing of what comes after. */
    if (!known && (err == ELO_OK) != (value != NULL)) {
        print_text(text.ptr, text.len);
        fail_msg("we say %d, jansson %s", err, value ? "accepts" : error.text);
    }
    json_decref(value);
    *out_code = code;
    return err;
}

static void check_sample(const struct sample *s)
{
    static const enum json_error_code codes[] = {[RANGE] = json_error_numeric_overflow,
                                                 [KEY_NUL] = json_error_null_byte_in_key,
                                                 [DEEPER] = json_error_unknown,
                                                 [NUL] = json_error_unknown};
    enum json_error_code code;
    size_t at;
    elo_err err = read_both(guard_copy(&guard, s->text, s->len), &at, &code);

    if (err != s->verdict || (err != ELO_OK && at != s->mark)) {
        fail_msg("texts.txt:%u: error %d at %zu", s->line, err, at);
    }
    if (s->oracle != SAME && code != codes[s->oracle]) {
        fail_msg("texts.txt:%u: jansson's code is %d", s->line, (int)code);
    }
    if (s->oracle == SAME && (err == ELO_OK) != (code == json_error_unknown)) {
        fail_msg("texts.txt:%u: jansson's code is %d", s->line, (int)code);
    }
}

static void test_samples(void **state)
{
    (void)state;
    each_sample(check_sample);
}

static void check_prefixes(const struct sample *s)
{
    for (size_t len = 0; len < s->len; len++) {
        enum json_error_code code;
        size_t at;
        elo_err err = read_both(guard_copy(&guard, s->text, len), &at, &code);

        /* Cut short, a good text is faulty only at the cut: in a character, in a pair, or there. */
        if (s->verdict == ELO_OK && err == ELO_E_MALFORMED) {
            assert_int_equal(at, len);
        }
    }
}

static void test_prefixes(void **state)
{
    (void)state;
    each_sample(check_prefixes);
}

/* Short texts take every value at every place; in longer ones every bit is flipped. */
static void check_changes(const struct sample *s)
{
    static uint8_t text[MAX_TEXT];
    bool every_value = s->len <= 8;

    memcpy(text, s->text, s->len);
    for (size_t i = 0; i < s->len; i++) {
        for (unsigned change = 1; change < 256; change = every_value ? change + 1 : change * 2) {
            enum json_error_code code;
            size_t at;

            text[i] = (uint8_t)(s->text[i] ^ change);
            (void)read_both(guard_copy(&guard, text, s->len), &at, &code);
        }
        text[i] = s->text[i];
    }
}

static void test_changes(void **state)
{
    (void)state;
    each_sample(check_changes);
}

static int open_guard(void **state)
{
    (void)state;
    guard_open(&guard, MAX_TEXT);
    return 0;
}

static int close_guard(void **state)
{
    (void)state;
    guard_close(&guard);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
