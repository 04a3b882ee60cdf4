// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client
/* The wait before a reconnection: bounds, growth, jitter, extremes. */
#include "elo/base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct elo__backoff usual = {.base_ms = 1000, .cap_ms = 60000, .floor_ms = 1000};

/* The longest wait is told by the largest remainder, so the random number is the range itself. */
static uint32_t longest(const struct elo__backoff *b, unsigned attempts)
{
    uint32_t most = 0;
    for (uint32_t random = 0; random <= b->cap_ms; random++) {
        uint32_t wait = elo__backoff_wait_ms(b, attempts, false, random);
        most = wait > most ? wait : most;
    }
    return most;
}

static void doubles_up_to_the_cap(void **state)
{
    (void)state;
    static const uint32_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (unsigned n = 0; n < sizeof expected / sizeof *expected; n++) {
        assert_int_equal(longest(&usual, n), usual.floor_ms + expected[n]);
        assert_int_equal(elo__backoff_wait_ms(&usual, n, false, 0), usual.floor_ms);
    }
    assert_int_equal(longest(&usual, 255), usual.floor_ms + 60000);
}

static void jitter_is_full(void **state)
{
    (void)state;
    for (uint32_t random = 0; random <= 4000; random++) {
        assert_int_equal(elo__backoff_wait_ms(&usual, 2, false, random), 1000 + random);
    }
    assert_int_equal(elo__backoff_wait_ms(&usual, 2, false, 4001), 1000);
}

static void slow_begins_at_half_the_cap(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(elo__backoff_wait_ms(&usual, n, true, 0), 1000 + 30000);
        assert_int_equal(elo__backoff_wait_ms(&usual, n, true, 30000), 1000 + 60000);
        assert_int_equal(elo__backoff_wait_ms(&usual, n, true, 30001), 1000 + 30000);
    }
}

static void extremes_do_not_overflow(void **state)
{
    (void)state;
    static const struct elo__backoff none = {0, 0, 0};
    static const struct elo__backoff huge = {UINT32_MAX, UINT32_MAX, 0};
    static const struct elo__backoff odd = {3, UINT32_MAX - 1, 0};
    static const struct elo__backoff base_over_cap = {500, 100, 0};
    assert_int_equal(elo__backoff_wait_ms(&none, 255, false, 77), 0);
    assert_int_equal(elo__backoff_wait_ms(&huge, 255, false, 77), 77);
    assert_int_equal(elo__backoff_wait_ms(&odd, 255, false, UINT32_MAX - 1), UINT32_MAX - 1);
    assert_int_equal(elo__backoff_wait_ms(&base_over_cap, 0, false, 100), 100);
    assert_int_equal(elo__backoff_wait_ms(&base_over_cap, 0, false, 101), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_the_cap),
        cmocka_unit_test(jitter_is_full),
        cmocka_unit_test(slow_begins_at_half_the_cap),
        cmocka_unit_test(extremes_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
