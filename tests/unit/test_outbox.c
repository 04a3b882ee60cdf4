// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* The queue under elo_client_publish(): order, window, holes, limits, packet ids, repetition. */
#include "elo/client/outbox.h"
#include "elo/mqtt/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WINDOW 3

static struct elo__outbox box;
static uint8_t *buf;

static void open_box(size_t cap)
{
    buf = cap > 0 ? malloc(cap) : NULL; /* exact, for the sanitizer */
    elo__outbox_init(&box, buf, cap);
    box.window = WINDOW;
    box.retry_ms = 10;
}

static elo_err put(uint8_t qos, const char *payload, uint32_t token)
{
    struct elo_mqtt_publish p = {
        .topic = ELO_SPAN("t"), .payload = elo_span_str(payload), .qos = qos};
    size_t need;
    return elo__outbox_put(&box, &p, token, &need);
}

/* Writes one whole packet, if there is one, and tells it: "#1 dup payload". */
static const char *write_one(uint32_t now)
{
    static char text[300];
    elo_span out = elo__outbox_output(&box, 0, now);
    if (out.len == 0) {
        return "";
    }
    struct elo_mqtt_packet p;
    assert_int_equal(elo_mqtt_decode(out, &p), ELO_OK);
    assert_int_equal(p.type, ELO_MQTT_PUBLISH);
    snprintf(text, sizeof text, "#%u%s %.*s", p.u.publish.packet_id, p.u.publish.dup ? " dup" : "",
             (int)p.u.publish.payload.len, (const char *)p.u.publish.payload.ptr);
    (void)elo__outbox_written(&box, out.len, now);
    return text;
}

static uint32_t acked(uint16_t id)
{
    uint32_t token = 0;
    assert_true(elo__outbox_acked(&box, id, &token));
    return token;
}

static int close_box(void **state)
{
    (void)state;
    free(buf);
    return 0;
}

static void keeps_the_order_within_the_window(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_int_equal(put(0, "b", 2), ELO_OK);
    assert_int_equal(put(1, "c", 3), ELO_OK);
    assert_int_equal(put(1, "d", 4), ELO_OK);
    assert_int_equal(put(1, "e", 5), ELO_OK);
    assert_int_equal(put(0, "f", 6), ELO_OK);
    assert_string_equal(write_one(0), "#1 a");
    assert_string_equal(write_one(0), "#0 b");
    assert_string_equal(write_one(0), "#2 c");
    assert_string_equal(write_one(0), "#3 d");
    assert_string_equal(write_one(0), ""); /* the window is full, and QoS 0 may not overtake */
    assert_int_equal(box.live, 5);
    assert_int_equal(acked(2), 3);
    assert_string_equal(write_one(0), "#4 e");
    assert_string_equal(write_one(0), "#0 f");
    assert_int_equal(acked(4), 5);
    assert_int_equal(acked(1), 1);
    assert_int_equal(acked(3), 4);
    assert_int_equal(box.live, 0);
    assert_int_equal(elo__outbox_room(&box), 1000);
}

static void full_to_the_last_byte_and_not_beyond(void **state)
{
    (void)state;
    open_box(3 * (ELO__RECORD_SIZE + 2 + 3 + 2 + 4));
    assert_int_equal(put(1, "aaaa", 1), ELO_OK);
    assert_int_equal(put(1, "bbbb", 2), ELO_OK);
    assert_int_equal(put(1, "ccccc", 3), ELO_E_NO_SPACE);
    assert_int_equal(put(1, "cccc", 3), ELO_OK);
    assert_int_equal(elo__outbox_room(&box), 0);
    assert_int_equal(put(0, "", 4), ELO_E_NO_SPACE);
    assert_string_equal(write_one(0), "#1 aaaa");
    assert_string_equal(write_one(0), "#2 bbbb");
    assert_int_equal(acked(2), 2); /* a hole in the middle serves the next one */
    assert_int_equal(put(1, "ddddd", 4), ELO_E_NO_SPACE);
    assert_int_equal(put(1, "dddd", 4), ELO_OK);
    assert_string_equal(write_one(0), "#3 cccc");
    assert_string_equal(write_one(0), "#4 dddd");
}

static void too_large_is_not_the_same_as_full(void **state)
{
    (void)state;
    open_box(40);
    assert_int_equal(put(1, "12345678901234567", 1), ELO_OK);
    assert_int_equal(put(1, "12345678901234567", 1), ELO_E_NO_SPACE);
    assert_int_equal(put(1, "123456789012345678", 1), ELO_E_TOO_LARGE);
}

static void nothing_fits_into_nothing(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < ELO__RECORD_SIZE + 5; cap++) {
        open_box(cap);
        assert_int_equal(put(0, "", 1), ELO_E_TOO_LARGE);
        assert_string_equal(write_one(0), "");
        free(buf);
        buf = NULL;
    }
}

static void drops_the_oldest_that_may_go(void **state)
{
    (void)state;
    open_box(1000);
    uint32_t token;
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(put(1, "x", i), ELO_OK);
    }
    (void)write_one(0);
    elo_span half = elo__outbox_output(&box, 0, 0);
    (void)elo__outbox_written(&box, half.len - 1, 0); /* 2 is being written */
    assert_int_equal(elo__outbox_room_dropping(&box, false),
                     elo__outbox_room(&box) + 2 * (ELO__RECORD_SIZE + 8));
    assert_true(elo__outbox_drop(&box, false, &token));
    assert_int_equal(token, 3);
    elo__outbox_cut(&box);
    assert_true(elo__outbox_drop(&box, true, &token));
    assert_int_equal(token, 1);
    assert_true(elo__outbox_drop(&box, true, &token));
    assert_int_equal(token, 2);
    assert_true(elo__outbox_drop(&box, true, &token));
    assert_int_equal(token, 4);
    assert_false(elo__outbox_drop(&box, true, &token));
    assert_int_equal(box.in_flight, 0);
    assert_int_equal(elo__outbox_room(&box), 1000);
}

static void a_resumed_session_gets_the_old_ids(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_int_equal(put(1, "b", 2), ELO_OK);
    assert_int_equal(put(1, "c", 3), ELO_OK);
    (void)write_one(0);
    (void)write_one(0);
    assert_int_equal(acked(1), 1);
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, true);
    assert_string_equal(write_one(0), "#2 dup b");
    assert_string_equal(write_one(0), "#3 c");
}

static void a_lost_session_gets_new_messages(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_int_equal(put(1, "b", 2), ELO_OK);
    (void)write_one(0);
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, true);
    assert_string_equal(write_one(0), "#1 dup a");
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, false);
    assert_string_equal(write_one(0), "#2 a"); /* no DUP: it is the first time [MQTT-3.3.1-1] */
    assert_string_equal(write_one(0), "#3 b");
    assert_int_equal(box.in_flight, 2);
}

static void half_a_packet_is_sent_again_whole(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(0, "a", 1), ELO_OK);
    assert_int_equal(put(1, "b", 2), ELO_OK);
    elo_span out = elo__outbox_output(&box, 0, 0);
    (void)elo__outbox_written(&box, out.len - 1, 0);
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, true);
    assert_string_equal(write_one(0), "#0 a");
    out = elo__outbox_output(&box, 0, 0);
    (void)elo__outbox_written(&box, 1, 0);
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, true);
    assert_string_equal(write_one(0), "#1 dup b");
}

/* The bytes being written move when holes are closed; the stream must not notice. */
static void closing_holes_in_the_middle_of_a_packet(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 27; cut++) {
        open_box(3 * ELO__RECORD_SIZE + 90);
        assert_int_equal(put(1, "12345678901234567890", 1), ELO_OK);
        assert_int_equal(put(1, "abcdefghijklmnopqrst", 2), ELO_OK);
        (void)write_one(0);
        uint8_t wire[27];
        elo_span out = elo__outbox_output(&box, 0, 0);
        assert_int_equal(out.len, sizeof wire);
        memcpy(wire, out.ptr, cut);
        (void)elo__outbox_written(&box, cut, 0);
        (void)acked(1);
        assert_int_equal(put(1, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ", 3), ELO_OK);
        if (cut < sizeof wire) {
            out = elo__outbox_output(&box, 0, 0);
            assert_int_equal(out.len, sizeof wire - cut);
            memcpy(wire + cut, out.ptr, out.len);
            (void)elo__outbox_written(&box, out.len, 0);
        }
        struct elo_mqtt_packet p;
        assert_int_equal(elo_mqtt_decode(elo_span_of(wire, sizeof wire), &p), ELO_OK);
        assert_true(elo_span_eq(p.u.publish.payload, ELO_SPAN("abcdefghijklmnopqrst")));
        assert_string_equal(write_one(0), "#3 ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ");
        free(buf);
        buf = NULL;
    }
}

/* The PUBACK of the first sending comes while the repetition is half out. */
static void acknowledged_while_being_repeated(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_int_equal(put(1, "b", 2), ELO_OK);
    (void)write_one(0);
    assert_false(elo__outbox_tick(&box, 10));
    elo_span out = elo__outbox_output(&box, 0, 10);
    (void)elo__outbox_written(&box, 2, 10);
    assert_int_equal(acked(1), 1);
    uint32_t token;
    assert_false(elo__outbox_acked(&box, 1, &token));
    assert_int_equal(box.live, 1);
    assert_false(elo__outbox_drop(&box, true, &token) && token == 1);
    assert_int_equal(put(1, "b", 2), ELO_OK);
    out = elo__outbox_output(&box, 0, 10);
    assert_int_equal(out.len, 6);
    assert_int_equal(elo__outbox_written(&box, 6, 10), ELO__WRITTEN_QOS1);
    assert_string_equal(write_one(10), "#2 b");
    assert_int_equal(acked(2), 2);
    assert_int_equal(elo__outbox_room(&box), 1000);
}

static void acknowledged_while_being_repeated_and_cut(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    (void)write_one(0);
    assert_false(elo__outbox_tick(&box, 10));
    (void)elo__outbox_output(&box, 0, 10);
    (void)elo__outbox_written(&box, 2, 10);
    assert_int_equal(acked(1), 1);
    elo__outbox_cut(&box);
    elo__outbox_resume(&box, true);
    assert_string_equal(write_one(10), "");
    assert_int_equal(elo__outbox_room(&box), 1000);
}

static void packet_ids_wrap_and_never_collide(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_string_equal(write_one(0), "#1 a");
    box.last_id = UINT16_MAX - 1;
    assert_int_equal(elo__outbox_new_id(&box, 0), UINT16_MAX);
    assert_int_equal(elo__outbox_new_id(&box, 2), 3); /* not 0, not 1 in flight, not 2 */
}

static void repeats_until_it_is_too_late(void **state)
{
    (void)state;
    open_box(1000);
    uint32_t t = UINT32_MAX - 5;
    box.ack_timeout_ms = 35;
    assert_int_equal(elo__outbox_left(&box, t), UINT32_MAX);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    assert_int_equal(elo__outbox_left(&box, t), UINT32_MAX);
    (void)write_one(t);
    assert_int_equal(elo__outbox_left(&box, t), 10);
    for (unsigned n = 1; n <= 3; n++) {
        assert_false(elo__outbox_tick(&box, t + 10 * n - 1));
        assert_string_equal(write_one(t + 10 * n - 1), "");
        assert_false(elo__outbox_tick(&box, t + 10 * n));
        assert_string_equal(write_one(t + 10 * n), "#1 dup a");
    }
    assert_int_equal(elo__outbox_left(&box, t + 30), 5);
    assert_false(elo__outbox_tick(&box, t + 34));
    assert_true(elo__outbox_tick(&box, t + 35));
    box.retry_ms = 0;
    box.ack_timeout_ms = 0;
    assert_int_equal(elo__outbox_left(&box, t + 35), UINT32_MAX);
}

/* A large packet on a slow line: the clock of its PUBACK starts when it is out. */
static void waits_from_the_last_byte_on(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "large", 1), ELO_OK);
    elo_span out = elo__outbox_output(&box, 0, 0);
    (void)elo__outbox_written(&box, 1, 0);
    assert_int_equal(elo__outbox_left(&box, 100), UINT32_MAX);
    assert_false(elo__outbox_tick(&box, 100));
    (void)elo__outbox_written(&box, out.len - 1, 100);
    assert_int_equal(elo__outbox_left(&box, 100), 10);
    uint32_t since;
    assert_true(elo__outbox_waiting(&box, &since));
    assert_int_equal(since, 100);
}

/* Without a timeout it repeats for ever, and always at the same pace. */
static void repeats_for_ever_at_the_same_pace(void **state)
{
    (void)state;
    open_box(1000);
    assert_int_equal(put(1, "a", 1), ELO_OK);
    uint32_t t = 0;
    (void)write_one(t);
    for (unsigned n = 0; n < 1000; n++) {
        assert_int_equal(elo__outbox_left(&box, t), 10);
        t += 10;
        assert_false(elo__outbox_tick(&box, t));
        assert_string_equal(write_one(t), "#1 dup a");
    }
}

/* As slow a pace as the config allows: the product of pace and count must not wrap. */
static void repeats_once_a_week(void **state)
{
    (void)state;
    open_box(1000);
    const uint32_t week = 7 * 24 * 3600 * 1000u;
    box.retry_ms = week;
    assert_int_equal(put(1, "a", 1), ELO_OK);
    uint32_t t = 12345;
    (void)write_one(t);
    for (unsigned n = 0; n < 100; n++) {
        assert_int_equal(elo__outbox_left(&box, t), week);
        t += week;
        assert_false(elo__outbox_tick(&box, t));
        assert_string_equal(write_one(t), "#1 dup a");
    }
}

/* Any sizes in any order of acknowledgement: what comes out is what went in. */
static void long_random_run(void **state)
{
    (void)state;
    open_box(700);
    uint32_t seed = 1;
    uint32_t in = 0;
    uint32_t expected = 0;
    uint16_t ids[WINDOW];
    size_t flying = 0;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned what = seed >> 24;
        char payload[160];
        memset(payload, '.', sizeof payload);
        if (what < 100) {
            int n = snprintf(payload, sizeof payload, "%u", in);
            payload[n] = '.';
            payload[20 + (seed >> 8) % 130] = '\0';
            in += put(1, payload, in) == ELO_OK;
        } else if (what < 180 && flying < WINDOW) {
            const char *text = write_one(0);
            unsigned id;
            unsigned number;
            if (sscanf(text, "#%u %u.", &id, &number) == 2) {
                assert_int_equal(number, expected++);
                ids[flying++] = (uint16_t)id;
            }
        } else if (flying > 0) {
            size_t which = (seed >> 8) % flying;
            (void)acked(ids[which]);
            ids[which] = ids[--flying];
        }
    }
    assert_true(expected > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(keeps_the_order_within_the_window, close_box),
        cmocka_unit_test_teardown(full_to_the_last_byte_and_not_beyond, close_box),
        cmocka_unit_test_teardown(too_large_is_not_the_same_as_full, close_box),
        cmocka_unit_test_teardown(nothing_fits_into_nothing, close_box),
        cmocka_unit_test_teardown(drops_the_oldest_that_may_go, close_box),
        cmocka_unit_test_teardown(a_resumed_session_gets_the_old_ids, close_box),
        cmocka_unit_test_teardown(a_lost_session_gets_new_messages, close_box),
        cmocka_unit_test_teardown(half_a_packet_is_sent_again_whole, close_box),
        cmocka_unit_test_teardown(closing_holes_in_the_middle_of_a_packet, close_box),
        cmocka_unit_test_teardown(acknowledged_while_being_repeated, close_box),
        cmocka_unit_test_teardown(acknowledged_while_being_repeated_and_cut, close_box),
        cmocka_unit_test_teardown(packet_ids_wrap_and_never_collide, close_box),
        cmocka_unit_test_teardown(repeats_until_it_is_too_late, close_box),
        cmocka_unit_test_teardown(waits_from_the_last_byte_on, close_box),
        cmocka_unit_test_teardown(repeats_for_ever_at_the_same_pace, close_box),
        cmocka_unit_test_teardown(repeats_once_a_week, close_box),
        cmocka_unit_test_teardown(long_random_run, close_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
