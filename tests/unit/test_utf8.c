// links: elo_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * UTF-8, against the C library's own converter as the oracle, and at every place relative to the
 * eight-byte leaps of the fast path and to the end of memory.
 */
#include "elo/base/utf8.h"

#include "tests/support/guard.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static struct guard guard;

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

static bool is_scalar(uint32_t cp)
{
    return cp < 0xD800u || (cp > 0xDFFFu && cp <= 0x10FFFFu);
}

static bool valid_at_the_fence(const void *bytes, size_t len)
{
    return elo_utf8_valid(guard_copy(&guard, bytes, len));
}

/* Each code point put, recognised, and as the C library would write it. */
static void test_every_code_point(void **state)
{
    (void)state;
    iconv_t oracle = iconv_open("UTF-8", "UTF-32LE");
    assert_true(oracle != (iconv_t)-1);
    for (uint32_t cp = 0; cp <= 0x10FFFFu; cp++) {
        if (!is_scalar(cp)) {
            continue;
        }
        uint8_t text[4];
        char want[4];
        char utf32[4] = {(char)(cp & 0xFF), (char)(cp >> 8 & 0xFF), (char)(cp >> 16 & 0xFF), 0};
        char *from = utf32;
        char *to = want;
        size_t from_left = sizeof utf32;
        size_t to_left = sizeof want;
        size_t len = elo_utf8_put(cp, text);
        assert_int_equal(iconv(oracle, &from, &from_left, &to, &to_left), 0);
        assert_int_equal(len, sizeof want - to_left);
        assert_memory_equal(text, want, len);
        assert_true(elo_utf8_valid(elo_span_of(text, len)));
        assert_int_equal(elo_utf8_valid_mqtt(elo_span_of(text, len)), cp != 0);
    }
    iconv_close(oracle);
}

static bool oracle_says(iconv_t oracle, const uint8_t *text, size_t len)
{
    char out[64];
    char *from = (char *)(uintptr_t)text;
    char *to = out;
    size_t to_left = sizeof out;
    (void)iconv(oracle, NULL, NULL, NULL, NULL);
    return iconv(oracle, &from, &len, &to, &to_left) == 0 && len == 0;
}

/* Every run of one to four bytes from those at which something changes. */
static void test_against_the_c_library(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                    0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
    const size_t n = sizeof edges;
    iconv_t oracle = iconv_open("UTF-32LE", "UTF-8");
    assert_true(oracle != (iconv_t)-1);
    unsigned valid = 0;
    for (size_t i = 0; i < n * n * n * n; i++) {
        const uint8_t text[4] = {edges[i % n], edges[i / n % n], edges[i / n / n % n],
                                 edges[i / n / n / n]};
        for (size_t len = 1; len <= sizeof text; len++) {
            bool want = oracle_says(oracle, text, len);
            bool has_nul = memchr(text, 0, len) != NULL;
            assert_int_equal(elo_utf8_valid(elo_span_of(text, len)), want);
            assert_int_equal(elo_utf8_valid_mqtt(elo_span_of(text, len)), want && !has_nul);
            valid += want;
        }
    }
    assert_true(valid > 1000);
    iconv_close(oracle);
}

struct piece {
    const char *bytes;
    size_t len;
    bool valid;
    bool valid_mqtt;
};

#define PIECE(literal, valid, valid_mqtt)                                                          \
    {                                                                                              \
        literal, sizeof(literal) - 1, valid, valid_mqtt                                            \
    }

static const struct piece pieces[] = {
    PIECE("", true, true),
    PIECE("a", true, true),
    PIECE("\x7F", true, true),
    PIECE("\x00", true, false),
    PIECE("\x80", false, false),
    PIECE("\xFF", false, false),
    PIECE("\xC3\xA3", true, true),
    PIECE("\xC0\x80", false, false),
    PIECE("\xC3", false, false),
    PIECE("\xE2\x82\xAC", true, true),
    PIECE("\xE2\x82", false, false),
    PIECE("\xED\xA0\x80", false, false),
    PIECE("\xF0\x9F\x94\x97", true, true),
    PIECE("\xF0\x9F\x94", false, false),
    PIECE("\xF4\x90\x80\x80", false, false),
};

/* Each piece after 0 ... 40 and before 0 ... 40 characters of ASCII, flush against the fence. */
static void test_every_place_of_the_fast_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const struct piece *p = &pieces[i];
        for (size_t place = 0; place <= 40u * 41u; place++) {
            uint8_t text[96];
            size_t before = place / 41;
            size_t len = before + p->len + place % 41;
            memset(text, 'x', sizeof text);
            memcpy(text + before, p->bytes, p->len);
            assert_int_equal(valid_at_the_fence(text, len), p->valid);
            assert_int_equal(elo_utf8_valid_mqtt(guard_copy(&guard, text, len)), p->valid_mqtt);
            assert_int_equal(elo_utf8_prefix(guard_copy(&guard, text, len)),
                             p->valid ? len : before);
        }
    }
}

static void test_an_empty_span_without_memory(void **state)
{
    (void)state;
    elo_span none = {NULL, 0};
    assert_true(elo_utf8_valid(none));
    assert_true(elo_utf8_valid_mqtt(none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_against_the_c_library),
        cmocka_unit_test(test_every_place_of_the_fast_path),
        cmocka_unit_test(test_an_empty_span_without_memory),
    };
    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
