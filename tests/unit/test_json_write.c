// links: elo_json
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The writer: what it writes, what it refuses, that it keeps to its buffer, and that the reader
 * gives back what was written.
 */
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "tests/support/guard.h"

#include <setjmp.h> /* these three before cmocka.h, which does not include them */
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct guard guard;

/* Ends the text in `buf` and compares it. */
static void check_text(struct elo_json_writer *w, const uint8_t *buf, const char *expected)
{
    size_t len = 999;

    assert_int_equal(elo_json_finish(w, &len), ELO_OK);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(buf, expected, len);
    assert_int_equal(elo_json_validate(elo_span_of(buf, len)), ELO_OK);
}

/* ---- scalars -------------------------------------------------------------------------------- */

static void test_strings(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"\"\\/", 3, "\"\\\"\\\\/\""},
        {"\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
        {"\0\1\7\v\x0e\x1f", 6, "\"\\u0000\\u0001\\u0007\\u000b\\u000e\\u001f\""},
        {"\x7f", 1, "\"\x7f\""},
        {"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\""},
        {"a\nb\nc", 5, "\"a\\nb\\nc\""},
        {"\n\n", 2, "\"\\n\\n\""},
    };
    uint8_t buf[64];
    struct elo_json_writer w;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_string(&w, guard_copy(&guard, cases[i].text, cases[i].len));
        check_text(&w, buf, cases[i].expected);
    }
    elo_json_writer_init(&w, buf, sizeof buf);
    elo_json_string(&w, elo_span_of(NULL, 0));
    check_text(&w, buf, "\"\"");
}

/* Every byte that may stand alone, as a string and as a key, and back. */
static void test_every_ascii_character_comes_back(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x80; c++) {
        uint8_t byte = (uint8_t)c;
        uint8_t buf[64];
        size_t len;
        struct elo_json_writer w;
        struct elo_json_reader r;
        struct elo_json_token t;

        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_begin_object(&w);
        elo_json_key(&w, elo_span_of(&byte, 1));
        elo_json_string(&w, elo_span_of(&byte, 1));
        elo_json_end_object(&w);
        assert_int_equal(elo_json_finish(&w, &len), ELO_OK);
        elo_json_reader_init(&r, elo_span_of(buf, len));
        assert_int_equal(elo_json_next(&r, &t), ELO_OK);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(elo_json_next(&r, &t), ELO_OK);
            assert_true(elo_json_token_is(&t, elo_span_of(&byte, 1)));
        }
    }
}

static void test_integers(void **state)
{
    static const struct {
        int64_t value;
        const char *expected;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {-1, "-1"},
        {10, "10"},
        {-100, "-100"},
        {9007199254740993, "9007199254740993"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *buf = guard_room(&guard, strlen(cases[i].expected));
        struct elo_json_writer w;

        elo_json_writer_init(&w, buf, strlen(cases[i].expected));
        elo_json_int(&w, cases[i].value);
        check_text(&w, buf, cases[i].expected);
    }
}

static void test_fixed(void **state)
{
    static const struct {
        int32_t value;
        uint8_t decimals;
        const char *expected;
    } cases[] = {
        {2150, 2, "21.50"},
        {0, 0, "0"},
        {0, 2, "0.00"},
        {5, 0, "5"},
        {5, 1, "0.5"},
        {-5, 2, "-0.05"},
        {-50, 1, "-5.0"},
        {99, 2, "0.99"},
        {100, 2, "1.00"},
        {1, 9, "0.000000001"},
        {INT32_MAX, 0, "2147483647"},
        {INT32_MAX, 9, "2.147483647"},
        {INT32_MIN, 0, "-2147483648"},
        {INT32_MIN, 3, "-2147483.648"},
        {INT32_MIN, 9, "-2.147483648"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *buf = guard_room(&guard, strlen(cases[i].expected));
        struct elo_json_writer w;

        elo_json_writer_init(&w, buf, strlen(cases[i].expected));
        elo_json_fixed(&w, cases[i].value, cases[i].decimals);
        check_text(&w, buf, cases[i].expected);
    }
}

static void test_number_text(void **state)
{
    static const char *const good[] = {
        "0", "-0", "1.10", "1e400", "9007199254740993", "12345678901234567890", "-1.5E-07"};
    static const char *const bad[] = {"",     " 1",    "1 ",  "01",  "1.",     ".5",  "+1",
                                      "1,2",  "1e",    "0x1", "-",   "NaN",    "1\n", "[1]",
                                      "true", "\"1\"", "1]",  "1 2", "1e5e5e", "{}",  "--1"};
    uint8_t buf[64];
    struct elo_json_writer w;
    size_t len = 999;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_number_text(&w, guard_copy(&guard, good[i], strlen(good[i])));
        check_text(&w, buf, good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_number_text(&w, guard_copy(&guard, bad[i], strlen(bad[i])));
        assert_int_equal(elo_json_finish(&w, &len), ELO_E_MALFORMED);
        assert_int_equal(len, 999);
    }
}

/* ---- raw JSON and limits -------------------------------------------------------------------- */

static void test_raw(void **state)
{
    static const struct {
        const char *json;
        elo_err err;
    } cases[] = {
        {"{}", ELO_OK},
        {"[1.10, {\"a\":null}]", ELO_OK},
        {" 1 ", ELO_OK}, /* as it stands */
        {"\"a\"", ELO_OK},
        {"", ELO_E_MALFORMED},
        {"1,2", ELO_E_MALFORMED},
        {"]", ELO_E_MALFORMED},
        {"1],[2", ELO_E_MALFORMED},
        {"{\"a\":1", ELO_E_MALFORMED},
        {"\"\xff\"", ELO_E_UTF8},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[64];
        uint8_t buf[64];
        size_t len;
        struct elo_json_writer w;

        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_begin_array(&w);
        elo_json_null(&w);
        elo_json_raw(&w, elo_span_str(cases[i].json));
        elo_json_raw(&w, ELO_SPAN("{}"));
        elo_json_end_array(&w);
        if (cases[i].err != ELO_OK) {
            assert_int_equal(elo_json_finish(&w, &len), cases[i].err);
            continue;
        }
        (void)snprintf(expected, sizeof expected, "[null,%s,{}]", cases[i].json);
        check_text(&w, buf, expected);
    }
}

/* `open` arrays of ours around a raw text of `nested` arrays. */
static elo_err write_deep(unsigned open, unsigned nested, size_t *len)
{
    static uint8_t buf[256];
    char raw[2 * ELO_JSON_MAX_DEPTH + 2];
    struct elo_json_writer w;

    elo_json_writer_init(&w, buf, sizeof buf);
    for (unsigned i = 0; i < open; i++) {
        elo_json_begin_array(&w);
    }
    if (nested > 0) {
        memset(raw, '[', nested);
        memset(raw + nested, ']', nested);
        elo_json_raw(&w, elo_span_of(raw, 2 * (size_t)nested));
    }
    for (unsigned i = 0; i < open; i++) {
        elo_json_end_array(&w);
    }
    return elo_json_finish(&w, len);
}

/* Whatever the writer finishes, the reader can read: containers of both kinds count together. */
static void test_depth(void **state)
{
    size_t len;

    (void)state;
    for (unsigned open = 0; open <= ELO_JSON_MAX_DEPTH; open++) {
        for (unsigned nested = open == 0; nested <= ELO_JSON_MAX_DEPTH; nested++) {
            bool fits = open + nested <= ELO_JSON_MAX_DEPTH;

            assert_int_equal(write_deep(open, nested, &len), fits ? ELO_OK : ELO_E_DEPTH);
        }
    }
    assert_int_equal(write_deep(ELO_JSON_MAX_DEPTH + 1, 0, &len), ELO_E_DEPTH);
}

static void test_bad_utf8(void **state)
{
    uint8_t buf[64];
    size_t len;
    struct elo_json_writer w;

    (void)state;
    elo_json_writer_init(&w, buf, sizeof buf);
    elo_json_string(&w, ELO_SPAN("a\xff"));
    assert_int_equal(elo_json_finish(&w, &len), ELO_E_UTF8);

    elo_json_writer_init(&w, buf, sizeof buf);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("\xed\xa0\x80"));
    elo_json_null(&w);
    elo_json_end_object(&w);
    assert_int_equal(elo_json_finish(&w, &len), ELO_E_UTF8);
}

static void test_the_first_error_sticks(void **state)
{
    uint8_t *buf = guard_room(&guard, 64);
    size_t len = 999;
    struct elo_json_writer w;

    (void)state;
    elo_json_writer_init(&w, buf, 64);
    elo_json_number_text(&w, ELO_SPAN("1."));
    elo_json_string(&w, ELO_SPAN("\xff"));
    elo_json_end_array(&w);
    elo_json_key(&w, ELO_SPAN("k"));
    elo_json_begin_object(&w);
    elo_json_raw(&w, ELO_SPAN("x"));
    assert_int_equal(elo_json_finish(&w, &len), ELO_E_MALFORMED);
    assert_int_equal(elo_json_finish(&w, &len), ELO_E_MALFORMED);
    assert_int_equal(len, 999);
    assert_true(guard_untouched(&guard, 64));
}

/* ---- room ----------------------------------------------------------------------------------- */

static const char document[] = "{\"state\":{\"reported\":{\"c\":21.50,\"on\":true,\"s\":\"a\\u0001"
                               "\\n\",\"n\":null,\"l\":[-1,1e400,[],{}],\"f\":false}}}";

static void write_document(struct elo_json_writer *w)
{
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("state"));
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("reported"));
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("c"));
    elo_json_fixed(w, 2150, 2);
    elo_json_key(w, ELO_SPAN("on"));
    elo_json_bool(w, true);
    elo_json_key(w, ELO_SPAN("s"));
    elo_json_string(w, ELO_SPAN("a\x01\n"));
    elo_json_key(w, ELO_SPAN("n"));
    elo_json_null(w);
    elo_json_key(w, ELO_SPAN("l"));
    elo_json_begin_array(w);
    elo_json_int(w, -1);
    elo_json_number_text(w, ELO_SPAN("1e400"));
    elo_json_raw(w, ELO_SPAN("[]"));
    elo_json_begin_object(w);
    elo_json_end_object(w);
    elo_json_end_array(w);
    elo_json_key(w, ELO_SPAN("f"));
    elo_json_bool(w, false);
    elo_json_end_object(w);
    elo_json_end_object(w);
    elo_json_end_object(w);
}

static void test_every_capacity(void **state)
{
    size_t whole = sizeof document - 1;

    (void)state;
    for (size_t cap = 0; cap <= whole + 1; cap++) {
        uint8_t *buf = guard_room(&guard, cap);
        size_t len = 999;
        struct elo_json_writer w;

        elo_json_writer_init(&w, cap ? buf : NULL, cap);
        write_document(&w);
        assert_int_equal(elo_json_finish(&w, &len), cap < whole ? ELO_E_NO_SPACE : ELO_OK);
        assert_int_equal(len, whole);
        assert_memory_equal(buf, document, cap < whole ? cap : whole);
    }
}

/* Measuring sees the same errors as writing. */
static void test_an_error_comes_before_no_space(void **state)
{
    size_t len = 999;
    struct elo_json_writer w;

    (void)state;
    elo_json_writer_init(&w, NULL, 0);
    write_document(&w);
    elo_json_null(&w);
    assert_int_equal(elo_json_finish(&w, &len), ELO_E_PROTOCOL);
    assert_int_equal(len, 999);
}

/* ---- misuse: every sequence of up to seven calls -------------------------------------------- */

static void call(struct elo_json_writer *w, char op)
{
    switch (op) {
    case '{':
        elo_json_begin_object(w);
        break;
    case '}':
        elo_json_end_object(w);
        break;
    case '[':
        elo_json_begin_array(w);
        break;
    case ']':
        elo_json_end_array(w);
        break;
    case 'k':
        elo_json_key(w, ELO_SPAN("k"));
        break;
    default:
        elo_json_int(w, 1);
    }
}

/* What the calls would say with a comma wherever one thing follows another. */
static size_t naive_text(const char *ops, char *text)
{
    size_t len = 0;

    for (size_t i = 0; ops[i]; i++) {
        if (i > 0 && strchr("1]}", ops[i - 1]) && !strchr("]}", ops[i])) {
            text[len++] = ',';
        }
        if (ops[i] == 'k') {
            memcpy(text + len, "\"k\":", 4);
            len += 4;
        } else {
            text[len++] = ops[i];
        }
    }
    return len;
}

/* The writer must finish exactly those sequences whose naive text is JSON, with that text. */
static bool check_sequence(const char *ops)
{
    uint8_t buf[64];
    char text[64];
    size_t naive = naive_text(ops, text);
    bool good = elo_json_validate(elo_span_of(text, naive)) == ELO_OK;
    size_t len = 999;
    struct elo_json_writer w;

    elo_json_writer_init(&w, buf, sizeof buf);
    for (size_t i = 0; ops[i]; i++) {
        call(&w, ops[i]);
    }
    if (elo_json_finish(&w, &len) != (good ? ELO_OK : ELO_E_PROTOCOL)) {
        fail_msg("the calls %s", ops);
    }
    if (good) {
        assert_int_equal(len, naive);
        assert_memory_equal(buf, text, len);
    }
    return good;
}

static void test_every_sequence_of_calls(void **state)
{
    static const char alphabet[] = "{}[]k1";
    unsigned good = 0;

    (void)state;
    for (unsigned length = 0, count = 1; length <= 7; length++, count *= 6) {
        for (unsigned n = 0; n < count; n++) {
            char ops[8] = {0};

            for (unsigned i = 0, rest = n; i < length; i++, rest /= 6) {
                ops[i] = alphabet[rest % 6];
            }
            good += check_sequence(ops);
        }
    }
    assert_true(good > 50);
}

/* Each call that writes a value, where none may stand. */
static void test_no_value_without_a_key(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 9; which++) {
        uint8_t buf[64];
        size_t len;
        struct elo_json_writer w;

        elo_json_writer_init(&w, buf, sizeof buf);
        elo_json_begin_object(&w);
        switch (which) {
        case 0:
            elo_json_string(&w, ELO_SPAN("a"));
            break;
        case 1:
            elo_json_int(&w, 1);
            break;
        case 2:
            elo_json_bool(&w, true);
            break;
        case 3:
            elo_json_null(&w);
            break;
        case 4:
            elo_json_number_text(&w, ELO_SPAN("1"));
            break;
        case 5:
            elo_json_fixed(&w, 1, 1);
            break;
        case 6:
            elo_json_raw(&w, ELO_SPAN("1"));
            break;
        case 7:
            elo_json_begin_object(&w);
            elo_json_end_object(&w);
            break;
        default:
            elo_json_begin_array(&w);
            elo_json_end_array(&w);
        }
        elo_json_end_object(&w);
        assert_int_equal(elo_json_finish(&w, &len), ELO_E_PROTOCOL);
    }
}

/* ---- random trees, there and back ----------------------------------------------------------- */

#define MAX_NOTES 256u
#define MAX_NOTE  24u

/* What was written, token by token. */
struct note {
    elo_json_type type;
    unsigned depth;
    size_t len;
    uint8_t text[MAX_NOTE]; /* of a key or string its meaning, of a number its text */
};

struct tree {
    uint64_t seed;
    unsigned count;
    unsigned depth;
    bool array[ELO_JSON_MAX_DEPTH];
    struct note notes[MAX_NOTES];
    struct elo_json_writer w;
};

/* splitmix64 */
static unsigned roll(struct tree *t, unsigned sides)
{
    uint64_t z = t->seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % sides);
}

static struct note *note(struct tree *t, elo_json_type type)
{
    struct note *n = &t->notes[t->count++];

    assert_true(t->count <= MAX_NOTES);
    n->type = type;
    n->depth = t->depth;
    n->len = 0;
    return n;
}

static elo_span random_text(struct tree *t, elo_json_type type)
{
    static const char *const pieces[] = {"a",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "/",
                                         "\x01",
                                         "\x1f",
                                         "\xc3\xa9",
                                         "\b",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "u0041"};
    struct note *n = note(t, type);

    for (unsigned count = roll(t, 5); count > 0; count--) {
        const char *piece = pieces[roll(t, COUNT(pieces))];

        if (roll(t, 16) == 0) { /* U+0000 */
            n->text[n->len++] = 0;
            continue;
        }
        if (strlen(piece) <= MAX_NOTE - 1 - n->len) {
            memcpy(n->text + n->len, piece, strlen(piece));
            n->len += strlen(piece);
        }
    }
    return elo_span_of(n->text, n->len);
}

static void random_number(struct tree *t)
{
    static const char *const texts[] = {"0", "-0.0", "1.10", "1e400", "12345678901234567890"};
    struct note *n = note(t, ELO_JSON_NUMBER);
    int32_t value = (int32_t)roll(t, 2000000) - 1000000;
    const char *text = texts[roll(t, COUNT(texts))];

    if (roll(t, 2) == 0) {
        n->len = strlen(text);
        memcpy(n->text, text, n->len);
        elo_json_number_text(&t->w, elo_span_str(text));
    } else {
        n->len = (size_t)snprintf((char *)n->text, MAX_NOTE, "%d", (int)value);
        elo_json_int(&t->w, value);
    }
}

static void random_scalar(struct tree *t)
{
    unsigned which = roll(t, 5);

    if (which == 0) {
        elo_json_string(&t->w, random_text(t, ELO_JSON_STRING));
    } else if (which == 1) {
        (void)note(t, ELO_JSON_NULL);
        elo_json_null(&t->w);
    } else if (which == 2) {
        bool value = roll(t, 2) == 0;

        (void)note(t, value ? ELO_JSON_TRUE : ELO_JSON_FALSE);
        elo_json_bool(&t->w, value);
    } else {
        random_number(t);
    }
}

static void random_begin(struct tree *t)
{
    bool array = roll(t, 2) == 0;

    (void)note(t, array ? ELO_JSON_ARRAY_BEGIN : ELO_JSON_OBJECT_BEGIN);
    t->array[t->depth++] = array;
    if (array) {
        elo_json_begin_array(&t->w);
    } else {
        elo_json_begin_object(&t->w);
    }
}

static void random_end(struct tree *t)
{
    bool array = t->array[--t->depth];

    (void)note(t, array ? ELO_JSON_ARRAY_END : ELO_JSON_OBJECT_END);
    if (array) {
        elo_json_end_array(&t->w);
    } else {
        elo_json_end_object(&t->w);
    }
}

/* Writes one tree; some are wide, some go to the limit of depth. */
static void grow(struct tree *t)
{
    unsigned depth_limit = roll(t, 3) == 0 ? ELO_JSON_MAX_DEPTH : 1 + roll(t, 4);
    unsigned open_odds = 2 + roll(t, 4);

    do {
        bool room = t->count + 2 * ELO_JSON_MAX_DEPTH < MAX_NOTES;

        if (t->depth > 0 && (!room || roll(t, 6) == 0)) {
            random_end(t);
            continue;
        }
        if (t->depth > 0 && !t->array[t->depth - 1]) {
            elo_json_key(&t->w, random_text(t, ELO_JSON_KEY));
        }
        if (t->depth < depth_limit && (t->depth == 0 || roll(t, open_odds) != 0)) {
            random_begin(t);
        } else {
            random_scalar(t);
        }
    } while (t->depth > 0);
}

static void check_note(const struct note *n, const struct elo_json_token *t)
{
    assert_int_equal(t->type, n->type);
    assert_int_equal(t->depth, n->depth);
    if (t->type == ELO_JSON_KEY || t->type == ELO_JSON_STRING) {
        assert_true(elo_json_token_is(t, elo_span_of(n->text, n->len)));
    } else if (t->type == ELO_JSON_NUMBER) {
        assert_true(elo_span_eq(t->raw, elo_span_of(n->text, n->len)));
    }
}

static void test_random_trees_come_back(void **state)
{
    static struct tree t;
    static uint8_t buf[8192];
    unsigned deepest = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct elo_json_reader r;
        struct elo_json_token token;
        size_t len;

        t.seed = seed;
        t.count = 0;
        elo_json_writer_init(&t.w, buf, sizeof buf);
        grow(&t);
        assert_int_equal(elo_json_finish(&t.w, &len), ELO_OK);
        elo_json_reader_init(&r, elo_span_of(buf, len));
        for (unsigned i = 0; i < t.count; i++) {
            assert_int_equal(elo_json_next(&r, &token), ELO_OK);
            check_note(&t.notes[i], &token);
            deepest = token.depth > deepest ? token.depth : deepest;
        }
        assert_int_equal(elo_json_next(&r, &token), ELO_END);
    }
    assert_int_equal(deepest, ELO_JSON_MAX_DEPTH);
}

static int open_guard(void **state)
{
    (void)state;
    guard_open(&guard, 4096);
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
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_every_ascii_character_comes_back),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_number_text),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_the_first_error_sticks),
        cmocka_unit_test(test_every_capacity),
        cmocka_unit_test(test_an_error_comes_before_no_space),
        cmocka_unit_test(test_every_sequence_of_calls),
        cmocka_unit_test(test_no_value_without_a_key),
        cmocka_unit_test(test_random_trees_come_back),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
