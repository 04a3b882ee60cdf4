// links: elo_json
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the reader's calls promise beyond yes and no, which test_json_vectors.c asks: the tokens as
 * they stand, skipping, comparing, unescaping, integers, and what stays untouched after an error.
 */
#include "elo/json/read.h"
#include "tests/support/guard.h"

#include <setjmp.h> /* these three before cmocka.h, which does not include them */
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct guard guard;

static void check_span(elo_span got, const char *expected)
{
    assert_int_equal(got.len, strlen(expected));
    assert_memory_equal(got.ptr, expected, got.len);
}

static struct elo_json_token next(struct elo_json_reader *r)
{
    struct elo_json_token t = {0};

    assert_int_equal(elo_json_next(r, &t), ELO_OK);
    return t;
}

static void check_end(struct elo_json_reader *r)
{
    struct elo_json_token t;

    assert_int_equal(elo_json_next(r, &t), ELO_END);
}

/* The one token of a text that is a scalar. */
static struct elo_json_token only(elo_span text)
{
    struct elo_json_reader r;
    struct elo_json_token t;

    elo_json_reader_init(&r, text);
    t = next(&r);
    check_end(&r);
    return t;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static void test_tokens_as_they_stand(void **state)
{
    static const char text[] =
        " {\"a\" : [ 1.10 , -0 , 1e400,12345678901234567890, true ] ,\r\n"
        "\"\\u00e9\":{\"\":\"x\\ny\"},\"a\":null,\"z\":[[],{}],\"f\":false}\t";
    static const struct {
        elo_json_type type;
        unsigned depth;
        bool has_escapes;
        const char *raw;
    } expected[] = {
        {ELO_JSON_OBJECT_BEGIN, 0, false, "{"},
        {ELO_JSON_KEY, 1, false, "a"},
        {ELO_JSON_ARRAY_BEGIN, 1, false, "["},
        {ELO_JSON_NUMBER, 2, false, "1.10"},
        {ELO_JSON_NUMBER, 2, false, "-0"},
        {ELO_JSON_NUMBER, 2, false, "1e400"},
        {ELO_JSON_NUMBER, 2, false, "12345678901234567890"},
        {ELO_JSON_TRUE, 2, false, "true"},
        {ELO_JSON_ARRAY_END, 1, false, "]"},
        {ELO_JSON_KEY, 1, true, "\\u00e9"},
        {ELO_JSON_OBJECT_BEGIN, 1, false, "{"},
        {ELO_JSON_KEY, 2, false, ""},
        {ELO_JSON_STRING, 2, true, "x\\ny"},
        {ELO_JSON_OBJECT_END, 1, false, "}"},
        {ELO_JSON_KEY, 1, false, "a"}, /* a second time: delivered */
        {ELO_JSON_NULL, 1, false, "null"},
        {ELO_JSON_KEY, 1, false, "z"},
        {ELO_JSON_ARRAY_BEGIN, 1, false, "["},
        {ELO_JSON_ARRAY_BEGIN, 2, false, "["},
        {ELO_JSON_ARRAY_END, 2, false, "]"},
        {ELO_JSON_OBJECT_BEGIN, 2, false, "{"},
        {ELO_JSON_OBJECT_END, 2, false, "}"},
        {ELO_JSON_ARRAY_END, 1, false, "]"},
        {ELO_JSON_KEY, 1, false, "f"},
        {ELO_JSON_FALSE, 1, false, "false"},
        {ELO_JSON_OBJECT_END, 0, false, "}"},
    };
    struct elo_json_reader r;

    (void)state;
    elo_json_reader_init(&r, guard_copy(&guard, text, sizeof text - 1));
    for (size_t i = 0; i < COUNT(expected); i++) {
        struct elo_json_token t = next(&r);

        assert_int_equal(t.type, expected[i].type);
        assert_int_equal(t.depth, expected[i].depth);
        assert_int_equal(t.has_escapes, expected[i].has_escapes);
        check_span(t.raw, expected[i].raw);
    }
    check_end(&r);
    check_end(&r);
}

static void test_deepest_alternation(void **state)
{
    struct elo_json_reader r;
    static char text[ELO_JSON_MAX_DEPTH * 8];
    size_t len = 0;

    (void)state;
    for (unsigned i = 0; i < ELO_JSON_MAX_DEPTH; i++) {
        const char *open = i % 3 == 0 ? "[" : "{\"k\":";
        memcpy(text + len, open, strlen(open));
        len += strlen(open);
    }
    text[len++] = '7';
    for (unsigned i = ELO_JSON_MAX_DEPTH; i-- > 0;) {
        text[len++] = i % 3 == 0 ? ']' : '}';
    }
    elo_json_reader_init(&r, guard_copy(&guard, text, len));
    for (unsigned i = 0; i < ELO_JSON_MAX_DEPTH; i++) {
        struct elo_json_token t = next(&r);

        assert_int_equal(t.depth, i);
        assert_int_equal(t.type, i % 3 == 0 ? ELO_JSON_ARRAY_BEGIN : ELO_JSON_OBJECT_BEGIN);
        if (t.type == ELO_JSON_OBJECT_BEGIN) {
            assert_int_equal(next(&r).depth, i + 1);
        }
    }
    assert_int_equal(next(&r).depth, ELO_JSON_MAX_DEPTH);
    for (unsigned i = ELO_JSON_MAX_DEPTH; i-- > 0;) {
        struct elo_json_token t = next(&r);

        assert_int_equal(t.depth, i);
        assert_int_equal(t.type, i % 3 == 0 ? ELO_JSON_ARRAY_END : ELO_JSON_OBJECT_END);
    }
    check_end(&r);
}

static void test_an_error_sticks_and_leaves_the_token(void **state)
{
    static const struct {
        const char *text;
        elo_err err;
        size_t at;
    } cases[] = {
        {"[1,x]", ELO_E_MALFORMED, 3},
        {"[1,\"\xff\",1]", ELO_E_UTF8, 4},
        {"[1,\"\\ud800\",1]", ELO_E_UTF8, 4},
        {"[1,", ELO_E_MALFORMED, 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct elo_json_reader r;
        struct elo_json_token t;
        struct elo_json_token before;

        elo_json_reader_init(&r, elo_span_str(cases[i].text));
        (void)next(&r);
        (void)next(&r);
        memset(&t, 0x5A, sizeof t);
        before = t;
        for (unsigned again = 0; again < 3; again++) {
            assert_int_equal(elo_json_next(&r, &t), cases[i].err);
            assert_int_equal(r.error_at, cases[i].at);
            assert_memory_equal(&t, &before, sizeof t);
        }
    }
}

static void test_no_text(void **state)
{
    struct elo_json_reader r;
    struct elo_json_token t;

    (void)state;
    elo_json_reader_init(&r, elo_span_of(NULL, 0));
    assert_int_equal(elo_json_next(&r, &t), ELO_E_MALFORMED);
    assert_int_equal(r.error_at, 0);
    assert_int_equal(elo_json_validate(elo_span_of(NULL, 0)), ELO_E_MALFORMED);
}

/* ---- skipping ------------------------------------------------------------------------------- */

static void test_skip(void **state)
{
    static const char *const values[] = {
        "{}",
        "[]",
        "{ \"a\" : [1, {\"b\":[]}] }",
        "[[ ], [[]],{}]",
        "\"\"",
        "\"a\\\"b\"",
        "0",
        "-1.5",
        "true",
        "false",
        "null",
        "[\"]\",\"}\"]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        char text[128];
        struct elo_json_reader r;
        struct elo_json_token t;
        elo_span raw;

        /* In an array, from its own first token; in an object, from its key. */
        (void)snprintf(text, sizeof text, "[ %s , {\"k\" : %s ,\"l\":1} ]", values[i], values[i]);
        elo_json_reader_init(&r, guard_copy(&guard, text, strlen(text)));
        (void)next(&r);
        t = next(&r);
        assert_int_equal(elo_json_skip(&r, &t, &raw), ELO_OK);
        check_span(raw, values[i]);
        assert_int_equal(next(&r).type, ELO_JSON_OBJECT_BEGIN);
        t = next(&r);
        assert_int_equal(elo_json_skip(&r, &t, &raw), ELO_OK);
        check_span(raw, values[i]);
        t = next(&r);
        check_span(t.raw, "l");
        assert_int_equal(elo_json_skip(&r, &t, NULL), ELO_OK);
        assert_int_equal(next(&r).type, ELO_JSON_OBJECT_END);
        assert_int_equal(next(&r).type, ELO_JSON_ARRAY_END);
        check_end(&r);
    }
}

static void test_skip_the_whole_text(void **state)
{
    struct elo_json_reader r;
    struct elo_json_token t;
    elo_span raw;

    (void)state;
    elo_json_reader_init(&r, ELO_SPAN(" [1,[2]] "));
    t = next(&r);
    assert_int_equal(elo_json_skip(&r, &t, &raw), ELO_OK);
    check_span(raw, "[1,[2]]");
    check_end(&r);
}

static void test_skip_meets_an_error(void **state)
{
    static const struct {
        const char *text;
        elo_err err;
    } cases[] = {
        {"{\"a\":[1,2}", ELO_E_MALFORMED},
        {"{\"a\":[\"\xff\"]}", ELO_E_UTF8},
        {"{\"a\":}", ELO_E_MALFORMED},
        {"{\"a\"", ELO_E_MALFORMED},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", ELO_E_DEPTH},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct elo_json_reader r;
        struct elo_json_token t;
        elo_span raw = ELO_SPAN("untouched");

        elo_json_reader_init(&r, elo_span_str(cases[i].text));
        (void)next(&r);
        t = next(&r);
        assert_int_equal(elo_json_skip(&r, &t, &raw), cases[i].err);
        check_span(raw, "untouched");
        assert_int_equal(elo_json_next(&r, &t), cases[i].err);
    }
}

/* ---- text ----------------------------------------------------------------------------------- */

#define TEXT(json, meant)                                                                          \
    {                                                                                              \
        json, meant, sizeof meant - 1                                                              \
    }

static const struct {
    const char *json;
    const char *meant;
    size_t len;
} texts[] = {
    TEXT("\"\"", ""),
    TEXT("\"plain\"", "plain"),
    TEXT("\"\xc3\xa9\"", "\xc3\xa9"),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"),
    TEXT("\"\\u0000\"", "\0"),
    TEXT("\"a\\u0000b\"", "a\0b"),
    TEXT("\"\\u0041\\u007f\"", "A\x7f"),
    TEXT("\"\\u0080\\u07FF\"", "\xc2\x80\xdf\xbf"),
    TEXT("\"\\u0800\\uFfFf\"", "\xe0\xa0\x80\xef\xbf\xbf"),
    TEXT("\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80"),
    TEXT("\"\\ud800\\udc00\"", "\xf0\x90\x80\x80"),
    TEXT("\"\\uD83D\\uDE00!\"", "\xf0\x9f\x98\x80!"),
    TEXT("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"),
    TEXT("\"\\\\u0041\"", "\\u0041"),
    TEXT("\"x\\ny\xe2\x82\xac\\t\"", "x\ny\xe2\x82\xac\t"),
};

static void test_unescape_at_every_capacity(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct elo_json_token t = only(elo_span_str(texts[i].json));

        assert_true(texts[i].len <= t.raw.len);
        for (size_t cap = 0; cap <= texts[i].len; cap++) {
            uint8_t *buf = guard_room(&guard, cap);
            size_t len = 999;
            elo_err err = elo_json_unescape(&t, cap ? buf : NULL, cap, &len);

            assert_int_equal(len, texts[i].len);
            if (cap < texts[i].len) {
                assert_int_equal(err, ELO_E_NO_SPACE);
                assert_true(guard_untouched(&guard, cap));
                continue;
            }
            assert_int_equal(err, ELO_OK);
            assert_memory_equal(buf, texts[i].meant, len);
        }
    }
}

/*
 * A token equals what it means, and nothing shorter, longer or other. Token and text both end
 * where memory ends.
 */
static void check_token_is(struct elo_json_token t, const char *meant, size_t len)
{
    struct guard second;
    elo_span text;

    guard_open(&second, len + 1);
    t.raw = guard_copy(&guard, t.raw.ptr, t.raw.len);
    for (size_t at = 0; at < len; at++) {
        uint8_t other[64];

        assert_false(elo_json_token_is(&t, guard_copy(&second, meant, at)));
        memcpy(other, meant, len);
        other[at] ^= 1;
        assert_false(elo_json_token_is(&t, guard_copy(&second, other, len)));
    }
    /* every string literal has one byte more: its NUL */
    assert_false(elo_json_token_is(&t, guard_copy(&second, meant, len + 1)));
    text = guard_copy(&second, meant, len);
    assert_true(elo_json_token_is(&t, text));
    t.type = ELO_JSON_KEY;
    assert_true(elo_json_token_is(&t, text));
    t.type = ELO_JSON_NUMBER;
    assert_false(elo_json_token_is(&t, text));
    guard_close(&second);
}

static void test_token_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        check_token_is(only(elo_span_str(texts[i].json)), texts[i].meant, texts[i].len);
    }
}

static void test_empty_text_may_be_null(void **state)
{
    struct elo_json_token empty = only(ELO_SPAN("\"\""));
    struct elo_json_token nul = only(ELO_SPAN("\"\\u0000\""));
    size_t len;

    (void)state;
    assert_true(elo_json_token_is(&empty, elo_span_of(NULL, 0)));
    assert_false(elo_json_token_is(&nul, elo_span_of(NULL, 0)));
    assert_int_equal(elo_json_unescape(&empty, NULL, 0, &len), ELO_OK);
    assert_int_equal(len, 0);
}

/* Tokens that no reader made: refused, and no byte behind them is read. */
static void test_bad_escapes_in_a_made_up_token(void **state)
{
    static const char *const raws[] = {
        "\\",       "\\u",        "\\u0",           "\\u004",        "\\u004g",    "\\x",
        "a\\",      "\\ud800",    "\\udc00",        "\\ud800\\",     "\\ud800\\u", "\\ud800\\udc0",
        "\\ud800x", "\\ud800\\n", "\\ud800\\u0041", "\\ud800\\ud800"};

    (void)state;
    for (size_t i = 0; i < COUNT(raws); i++) {
        struct elo_json_token t = {.type = ELO_JSON_STRING, .has_escapes = true};
        uint8_t buf[64];
        size_t len = 999;

        t.raw = guard_copy(&guard, raws[i], strlen(raws[i]));
        assert_int_equal(elo_json_unescape(&t, buf, sizeof buf, &len), ELO_E_MALFORMED);
        assert_int_equal(len, 999);
        assert_false(elo_json_token_is(&t, t.raw));
    }
}

static void test_unescape_wants_text(void **state)
{
    static const char *const others[] = {"1", "true", "false", "null"};
    uint8_t buf[8];
    size_t len = 999;

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        struct elo_json_token t = only(elo_span_str(others[i]));

        assert_int_equal(elo_json_unescape(&t, buf, sizeof buf, &len), ELO_E_MALFORMED);
        assert_int_equal(len, 999);
        assert_false(elo_json_token_is(&t, elo_span_str(others[i])));
    }
}

/* ---- integers ------------------------------------------------------------------------------- */

static void test_int64(void **state)
{
    static const struct {
        const char *text;
        elo_err err;
        int64_t value;
    } cases[] = {
        {"0", ELO_OK, 0},
        {"-0", ELO_OK, 0},
        {"7", ELO_OK, 7},
        {"-7", ELO_OK, -7},
        {"9007199254740993", ELO_OK, 9007199254740993},
        {"9223372036854775799", ELO_OK, INT64_MAX - 8},
        {"9223372036854775807", ELO_OK, INT64_MAX},
        {"-9223372036854775807", ELO_OK, -INT64_MAX},
        {"-9223372036854775808", ELO_OK, INT64_MIN},
        {"9223372036854775808", ELO_E_TOO_LARGE, 0},
        {"-9223372036854775809", ELO_E_TOO_LARGE, 0},
        {"9223372036854775810", ELO_E_TOO_LARGE, 0},
        {"-9223372036854775810", ELO_E_TOO_LARGE, 0},
        {"10000000000000000000", ELO_E_TOO_LARGE, 0},
        {"12345678901234567890", ELO_E_TOO_LARGE, 0},
        {"-92233720368547758080", ELO_E_TOO_LARGE, 0},
        {"99999999999999999999999999999999999999990", ELO_E_TOO_LARGE, 0},
        {"1.0", ELO_E_MALFORMED, 0},
        {"1e0", ELO_E_MALFORMED, 0},
        {"1E2", ELO_E_MALFORMED, 0},
        {"99999999999999999999.5", ELO_E_MALFORMED, 0},
        {"\"1\"", ELO_E_MALFORMED, 0},
        {"true", ELO_E_MALFORMED, 0},
        {"null", ELO_E_MALFORMED, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct elo_json_token t = only(elo_span_str(cases[i].text));
        int64_t value = 555;

        assert_int_equal(elo_json_int64(&t, &value), cases[i].err);
        assert_true(value == (cases[i].err == ELO_OK ? cases[i].value : 555));
    }
}

static void test_int64_of_a_made_up_token(void **state)
{
    static const char *const raws[] = {"", "-", "+1", "1 ", " 1", "1-", "0x1"};

    (void)state;
    for (size_t i = 0; i < COUNT(raws); i++) {
        struct elo_json_token t = {.type = ELO_JSON_NUMBER};
        int64_t value = 555;

        t.raw = guard_copy(&guard, raws[i], strlen(raws[i]));
        assert_int_equal(elo_json_int64(&t, &value), ELO_E_MALFORMED);
        assert_int_equal(value, 555);
    }
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
        cmocka_unit_test(test_tokens_as_they_stand),
        cmocka_unit_test(test_deepest_alternation),
        cmocka_unit_test(test_an_error_sticks_and_leaves_the_token),
        cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_skip_the_whole_text),
        cmocka_unit_test(test_skip_meets_an_error),
        cmocka_unit_test(test_unescape_at_every_capacity),
        cmocka_unit_test(test_token_is),
        cmocka_unit_test(test_empty_text_may_be_null),
        cmocka_unit_test(test_bad_escapes_in_a_made_up_token),
        cmocka_unit_test(test_unescape_wants_text),
        cmocka_unit_test(test_int64),
        cmocka_unit_test(test_int64_of_a_made_up_token),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
