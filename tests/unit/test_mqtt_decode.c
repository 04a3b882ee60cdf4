// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the vectors cannot say of the decoder: limits, the two walks, and that the guard page the
 * other tests lean on is there.
 */
#include "elo/mqtt/decode.h"

#include "tests/support/dies.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void read_byte(const void *at)
{
    (void)*(const volatile uint8_t *)at;
}

static void test_the_guard_page_bites(void **state)
{
    (void)state;
    struct guard guard;
    guard_open(&guard, 16);
    elo_span bytes = guard_copy(&guard, "abc", 3);
    assert_memory_equal(bytes.ptr, "abc", 3);
    assert_false(dies(read_byte, bytes.ptr + 2));
    assert_true(dies(read_byte, bytes.ptr + 3));
    guard_close(&guard);
}

/* PUBLISH headers that say a remaining length, in its shortest form. */
static const struct {
    const char *name;
    uint8_t bytes[5];
    uint8_t header_len;
    uint32_t total;
} headers[] = {
    {"0", {0x30, 0x00}, 2, 2},
    {"127", {0x30, 0x7F}, 2, 129},
    {"128", {0x30, 0x80, 0x01}, 3, 131},
    {"16383", {0x30, 0xFF, 0x7F}, 3, 16386},
    {"16384", {0x30, 0x80, 0x80, 0x01}, 4, 16388},
    {"2097151", {0x30, 0xFF, 0xFF, 0x7F}, 4, 2097155},
    {"2097152", {0x30, 0x80, 0x80, 0x80, 0x01}, 5, 2097157},
    {"the largest", {0x30, 0xFF, 0xFF, 0xFF, 0x7F}, 5, 268435460},
};

static void test_frame_lengths_and_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct elo_mqtt_frame frame = {.total = 0};
        elo_span in = elo_span_of(headers[i].bytes, headers[i].header_len);
        assert_int_equal(elo_mqtt_frame(in, headers[i].total, &frame), ELO_OK);
        assert_int_equal(frame.total, headers[i].total);
        assert_int_equal(frame.header_len, headers[i].header_len);
        assert_int_equal(frame.type, ELO_MQTT_PUBLISH);

        frame.total = 0;
        assert_int_equal(elo_mqtt_frame(in, headers[i].total - 1, &frame), ELO_E_TOO_LARGE);
        assert_int_equal(frame.total, headers[i].total); /* so that it can be skipped */

        frame.total = 77;
        assert_int_equal(elo_mqtt_frame(elo_span_first(in, in.len - 1), UINT32_MAX, &frame),
                         ELO_NEED_MORE);
        assert_int_equal(frame.total, 77);
    }
}

static void test_a_bad_first_byte_does_not_wait_for_the_length(void **state)
{
    (void)state;
    struct elo_mqtt_frame frame;
    static const uint8_t good[] = {0x10, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35,
                                   0x3A, 0x3B, 0x3C, 0x3D, 0x40, 0x50, 0x62, 0x70,
                                   0x82, 0x90, 0xA2, 0xB0, 0xC0, 0xD0, 0xE0};
    for (unsigned first = 0; first <= 0xFF; first++) {
        uint8_t byte = (uint8_t)first;
        bool is_good = memchr(good, byte, sizeof good) != NULL;
        assert_int_equal(elo_mqtt_frame(elo_span_of(&byte, 1), 1000, &frame),
                         is_good ? ELO_NEED_MORE : ELO_E_MALFORMED);
    }
}

static void test_more_than_65535_filters(void **state)
{
    (void)state;
    const size_t count = 70000;
    const size_t body = 2 + count * 4;
    uint8_t *bytes = malloc(4 + body);
    assert_non_null(bytes);
    bytes[0] = 0x82;
    bytes[1] = (uint8_t)(body | 0x80);
    bytes[2] = (uint8_t)(body >> 7 | 0x80);
    bytes[3] = (uint8_t)(body >> 14);
    memcpy(bytes + 4, "\0\1", 2);
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + 6 + i * 4, "\0\1a\1", 4);
    }
    struct elo_mqtt_packet packet;
    assert_int_equal(elo_mqtt_decode(elo_span_of(bytes, 4 + body), &packet), ELO_OK);
    assert_int_equal(packet.u.subscribe.count, count);
    struct elo_mqtt_subscription sub;
    size_t walked = 0;
    while (elo_mqtt_next_subscription(&packet.u.subscribe.filters, &sub)) {
        walked++;
    }
    assert_int_equal(walked, count);
    free(bytes);
}

static void test_the_walks_stop_at_what_no_decoder_let_through(void **state)
{
    (void)state;
    struct guard guard;
    guard_open(&guard, 16);
    static const uint8_t filter[] = {0, 2, 'a', 'b', 1};
    for (size_t len = 0; len < sizeof filter; len++) {
        struct elo_mqtt_subscription sub;
        elo_span out;
        elo_span rest = guard_copy(&guard, filter, len);
        assert_false(elo_mqtt_next_subscription(&rest, &sub));
        assert_int_equal(rest.len, len);
        assert_int_equal(elo_mqtt_next_filter(&rest, &out), len == 4);
    }
    elo_span none = {NULL, 0};
    struct elo_mqtt_subscription sub;
    assert_false(elo_mqtt_next_subscription(&none, &sub));
    assert_false(elo_mqtt_next_filter(&none, &none));
    guard_close(&guard);
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    elo_span none = {NULL, 0};
    struct elo_mqtt_packet packet;
    struct elo_mqtt_frame frame;
    assert_int_equal(elo_mqtt_decode(none, &packet), ELO_NEED_MORE);
    assert_int_equal(elo_mqtt_frame(none, 0, &frame), ELO_NEED_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guard_page_bites),
        cmocka_unit_test(test_frame_lengths_and_limit),
        cmocka_unit_test(test_a_bad_first_byte_does_not_wait_for_the_length),
        cmocka_unit_test(test_more_than_65535_filters),
        cmocka_unit_test(test_the_walks_stop_at_what_no_decoder_let_through),
        cmocka_unit_test(test_nothing_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
