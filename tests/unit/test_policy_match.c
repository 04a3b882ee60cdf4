// links: server_auth server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The wildcard matcher against a slow one written independently: plain recursion over the text of
 * the pattern, exponential in the worst case and obviously right. Seeded, so a failure repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/auth/policy_compiled.h"
#include "tests/support/guard.h"

struct random {
    uint64_t state;
};

static uint32_t next(struct random *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33);
}

/* A text over `alphabet` of at most `most` letters. */
static elo_span draw(struct random *r, const char *alphabet, size_t most, char *buf)
{
    size_t len = next(r) % (most + 1);
    for (size_t i = 0; i < len; i++) {
        buf[i] = alphabet[next(r) % strlen(alphabet)];
    }
    return elo_span_of(buf, len);
}

/* --- the reference -----------------------------------------------------------------------------
 */

static bool slow(elo_span pattern, elo_span text)
{
    if (pattern.len == 0) {
        return text.len == 0;
    }
    uint8_t c = pattern.ptr[0];
    if (c == '*') {
        return slow(elo_span_from(pattern, 1), text) ||
               (text.len > 0 && slow(pattern, elo_span_from(text, 1)));
    }
    return text.len > 0 && (c == '?' || c == text.ptr[0]) &&
           slow(elo_span_from(pattern, 1), elo_span_from(text, 1));
}

/* ARN: field by field, wildcards inside a field; the sixth keeps its colons. */
static size_t field(elo_span text, bool last)
{
    const uint8_t *colon = last || text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    return colon != NULL ? (size_t)(colon - text.ptr) : text.len;
}

static bool slow_arn(elo_span pattern, elo_span text)
{
    for (int i = 0;; i++) {
        size_t p = field(pattern, i == 5);
        size_t t = field(text, i == 5);
        if (!slow(elo_span_first(pattern, p), elo_span_first(text, t))) {
            return false;
        }
        bool more_pattern = p < pattern.len;
        bool more_text = t < text.len;
        if (!more_pattern || !more_text) {
            return more_pattern == more_text;
        }
        pattern = elo_span_from(pattern, p + 1);
        text = elo_span_from(text, t + 1);
    }
}

/* --- comparing ---------------------------------------------------------------------------------
 */

enum { MOST = 24, ROUNDS = 60000 };

static bool fast(elo_span pattern, elo_span text, enum match_mode mode)
{
    struct segment segments[MOST];
    struct pattern p = {NULL, segments, 0};
    assert_true(pattern_cut(pattern, PATTERN_WILDCARDS, segments, MOST, &p.count));
    return pattern_match(&p, text, mode, NULL);
}

static void wildcards_match_what_the_reference_matches(void **state)
{
    struct random r = {0x5eed};
    size_t hits = 0;
    struct guard g;
    (void)state;
    guard_open(&g, MOST);
    for (int i = 0; i < ROUNDS; i++) {
        char p[MOST];
        char t[MOST];
        elo_span pattern = draw(&r, "ab*?/", 8, p);
        elo_span text = draw(&r, "ab/", 12, t);
        text = guard_copy(&g, t, text.len);
        bool want = slow(pattern, text);
        hits += want;
        if (fast(pattern, text, MATCH_TEXT) != want) {
            fail_msg("round %d: %.*s on %.*s", i, (int)pattern.len, (const char *)pattern.ptr,
                     (int)text.len, (const char *)text.ptr);
        }
    }
    assert_true(hits > ROUNDS / 20); /* the drawing must hit often enough to say something */
    guard_close(&g);
}

static void arns_match_what_the_reference_matches(void **state)
{
    struct random r = {0xa12};
    size_t hits = 0;
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        char p[MOST];
        char t[MOST];
        elo_span pattern = draw(&r, "a**?::", 14, p);
        elo_span text = draw(&r, "aa:", 16, t);
        bool want = elo_span_eq(pattern, ELO_SPAN("*")) || slow_arn(pattern, text);
        hits += want;
        if (fast(pattern, text, MATCH_ARN) != want) {
            fail_msg("round %d: %.*s on %.*s", i, (int)pattern.len, (const char *)pattern.ptr,
                     (int)text.len, (const char *)text.ptr);
        }
    }
    assert_true(hits > ROUNDS / 100);
}

/* --- variables against their value written out -------------------------------------------------
 */

static size_t one_value(void *ctx, elo_span key, size_t index, elo_span *out)
{
    (void)key;
    if (index == 0) {
        *out = *(elo_span *)ctx;
    }
    return 1;
}

/* Writes the pattern twice: with V as a variable, and with V as its value in literal letters. */
static void substituted_text_matches_like_literal_text(void **state)
{
    struct random r = {77};
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        char p[MOST];
        char t[MOST];
        char v[MOST];
        char with_variable[256];
        char written_out[256];
        size_t a = 0;
        size_t b = 0;
        elo_span pattern = draw(&r, "aV*?", 6, p);
        elo_span text = draw(&r, "aaab", 9, t);
        elo_span value = draw(&r, "ab", 2, v);
        for (size_t k = 0; k < pattern.len; k++) {
            if (p[k] != 'V') {
                with_variable[a++] = p[k];
                written_out[b++] = p[k];
                continue;
            }
            memcpy(with_variable + a, "${x}", 4);
            a += 4;
            if (value.len > 0) {
                memcpy(written_out + b, v, value.len);
            }
            b += value.len;
        }
        struct segment segments[MOST];
        struct pattern compiled = {NULL, segments, 0};
        struct policy_variables vars = {one_value, &value};
        assert_true(pattern_cut(elo_span_of(with_variable, a),
                                PATTERN_WILDCARDS | PATTERN_VARIABLES, segments, MOST,
                                &compiled.count));
        assert_int_equal(pattern_match(&compiled, text, MATCH_TEXT, &vars),
                         slow(elo_span_of(written_out, b), text));
    }
}

/* --- work ------------------------------------------------------------------------------------- */

struct counted {
    size_t asked;
};

static size_t counting_value(void *ctx, elo_span key, size_t index, elo_span *out)
{
    (void)key;
    (void)index;
    ((struct counted *)ctx)->asked++;
    *out = ELO_SPAN("a");
    return 1;
}

/* `*${x}*${x}*...b` on aaaa...: a matcher that backtracks through all would never come back. */
static void work_grows_with_pattern_times_text(void **state)
{
    enum { STARS = 60, LETTERS = 200 };
    struct segment segments[2 * STARS + 1];
    char letters[LETTERS];
    struct counted counted = {0};
    struct policy_variables vars = {counting_value, &counted};
    (void)state;
    memset(letters, 'a', sizeof letters);
    for (size_t i = 0; i < STARS; i++) {
        segments[2 * i] = (struct segment){SEGMENT_ANY, ELO_SPAN("*")};
        segments[2 * i + 1] = (struct segment){SEGMENT_VARIABLE, ELO_SPAN("x")};
    }
    segments[2 * STARS] = (struct segment){SEGMENT_LITERAL, ELO_SPAN("b")};
    struct pattern p = {NULL, segments, 2 * STARS + 1};
    assert_false(pattern_match(&p, elo_span_of(letters, LETTERS), MATCH_TEXT, &vars));
    assert_true(counted.asked <= STARS * LETTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wildcards_match_what_the_reference_matches),
        cmocka_unit_test(arns_match_what_the_reference_matches),
        cmocka_unit_test(substituted_text_matches_like_literal_text),
        cmocka_unit_test(work_grows_with_pattern_times_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
