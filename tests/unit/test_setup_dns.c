// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The captive portal's name server. */
#include "elo/setup/dns.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const uint8_t ADDRESS[4] = {192, 168, 4, 1};

/* A query for "a.bc", type A, class IN, with recursion desired. */
static const uint8_t QUERY[] = {0x12, 0x34, 0x01, 0, 0,   1,   0, 0, 0, 0, 0,
                                0,    1,    'a',  2, 'b', 'c', 0, 0, 1, 0, 1};

static size_t ask(const uint8_t *query, size_t len, uint8_t *out, size_t cap)
{
    struct guard in, to;
    guard_open(&in, 1024);
    guard_open(&to, 1024);
    uint8_t *room = guard_room(&to, cap);
    size_t n = elo_dns_answer(guard_copy(&in, query, len), ADDRESS, room, cap);
    assert_true(n <= cap);
    memcpy(out, room, n);
    guard_close(&in);
    guard_close(&to);
    return n;
}

static void an_address(void **state)
{
    uint8_t out[512];
    static const uint8_t record[] = {0xC0,           12, 0, 1,   0,   1, 0, 0, 0,
                                     ELO_DNS_LIFE_S, 0,  4, 192, 168, 4, 1};
    (void)state;
    assert_int_equal(ask(QUERY, sizeof QUERY, out, sizeof out), sizeof QUERY + 16);
    assert_int_equal(out[0] << 8 | out[1], 0x1234);
    assert_int_equal(out[2], 0x85);
    assert_int_equal(out[3], 0);
    assert_int_equal(out[7], 1);
    assert_memory_equal(out + 12, QUERY + 12, sizeof QUERY - 12);
    assert_memory_equal(out + sizeof QUERY, record, sizeof record);
}

static void other_types_have_none(void **state)
{
    static const uint8_t types[] = {2, 5, 15, 16, 28, 65};
    uint8_t query[sizeof QUERY], out[512];
    (void)state;
    memcpy(query, QUERY, sizeof query);
    for (size_t i = 0; i < sizeof types; i++) {
        query[19] = types[i];
        assert_int_equal(ask(query, sizeof query, out, sizeof out), sizeof query);
        assert_int_equal(out[3] & 15, 0);
        assert_int_equal(out[7], 0);
    }
    query[19] = 255;
    assert_int_equal(ask(query, sizeof query, out, sizeof out), sizeof query + 16);
    query[21] = 3; /* CHAOS */
    assert_int_equal(ask(query, sizeof query, out, sizeof out), sizeof query);
}

static void an_edns_record_is_not_repeated(void **state)
{
    uint8_t query[sizeof QUERY + 11], out[512];
    (void)state;
    memset(query, 0, sizeof query);
    memcpy(query, QUERY, sizeof QUERY);
    query[11] = 1;
    query[sizeof QUERY + 2] = 41;
    assert_int_equal(ask(query, sizeof query, out, sizeof out), sizeof QUERY + 16);
    assert_int_equal(out[11], 0);
}

static void what_is_dropped(void **state)
{
    uint8_t query[600] = {0}, out[700];
    (void)state;
    for (size_t n = 0; n < sizeof QUERY; n++) { /* every one that is cut */
        assert_int_equal(ask(QUERY, n, out, sizeof out), 0);
    }
    for (size_t cap = 0; cap < sizeof QUERY + 16; cap++) { /* every room that is too small */
        assert_int_equal(ask(QUERY, sizeof QUERY, out, cap), 0);
    }
    memcpy(query, QUERY, sizeof QUERY);
    assert_int_equal(ask(query, 513, out, sizeof out), 0);
    query[2] |= 0x80; /* an answer */
    assert_int_equal(ask(query, sizeof QUERY, out, sizeof out), 0);
    query[2] = 1;
    query[5] = 2; /* two questions */
    assert_int_equal(ask(query, sizeof QUERY, out, sizeof out), 0);
    query[5] = 1;
    query[12] = 0xC0; /* a pointer */
    assert_int_equal(ask(query, sizeof QUERY, out, sizeof out), 0);
    query[12] = 64;
    assert_int_equal(ask(query, sizeof QUERY, out, sizeof out), 0);
}

static void the_longest_name(void **state)
{
    uint8_t query[12 + 256 + 4] = {0, 0, 1, 0, 0, 1}, out[600];
    (void)state;
    for (size_t i = 0; i < 4; i++) { /* 63 + 63 + 63 + 61 and their lengths: 255 with the end */
        query[12 + 64 * i] = i < 3 ? 63 : 61;
        memset(query + 13 + 64 * i, 'x', i < 3 ? 63 : 61);
    }
    query[12 + 255 + 1] = query[12 + 255 + 3] = 1;
    assert_int_equal(ask(query, 12 + 255 + 4, out, sizeof out), ELO_DNS_ANSWER_MAX);
    query[12 + 192] = 62;
    query[12 + 254] = 'x';
    memset(query + 12 + 255, 0, 5);
    query[12 + 256 + 1] = query[12 + 256 + 3] = 1;
    assert_int_equal(ask(query, 12 + 256 + 4, out, sizeof out), 0);
}

static void other_operations(void **state)
{
    uint8_t query[sizeof QUERY], out[512];
    (void)state;
    memcpy(query, QUERY, sizeof query);
    query[2] = 0x28; /* UPDATE */
    assert_int_equal(ask(query, sizeof query, out, sizeof out), sizeof query);
    assert_int_equal(out[3] & 15, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address),
        cmocka_unit_test(other_types_have_none),
        cmocka_unit_test(an_edns_record_is_not_repeated),
        cmocka_unit_test(what_is_dropped),
        cmocka_unit_test(the_longest_name),
        cmocka_unit_test(other_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
