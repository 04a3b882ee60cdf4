// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* What comes in: messages and their PUBACKs, packets larger than rx, and every way to cut both
 * streams into pieces. */
#include "tests/support/client_rig.h"

static void messages_are_acknowledged_after_the_event(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    r->hold = RIG_NO_EVENTS;
    uint8_t bytes[] = {0x32, 6, 0, 1, 't', 0, 9, 'x', 0x30, 4, 0, 1, 'u', 'y'};
    assert_int_equal(elo_client_input(&r->c, elo_span_of(bytes, sizeof bytes), r->now), 8);
    rig_output(r);
    rig_expect(r, "");
    assert_int_equal(elo_client_input(&r->c, elo_span_of(bytes + 8, 6), r->now), 0);
    struct elo_client_event e;
    assert_true(elo_client_next_event(&r->c, &e));
    assert_int_equal(e.type, ELO_CLIENT_MESSAGE);
    rig_output(r);
    rig_expect(r, ""); /* we may be in the middle of handling it */
    assert_true(elo_span_eq(e.u.message.topic, ELO_SPAN("t")));
    assert_true(elo_span_eq(e.u.message.payload, ELO_SPAN("x")));
    assert_false(elo_client_next_event(&r->c, &e));
    rig_output(r);
    rig_expect(r, "> PUBACK #9\n");
    assert_int_equal(elo_client_input(&r->c, elo_span_of(bytes + 8, 6), r->now), 6);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "* MESSAGE q0 u=y\n");
    rig_free(r);
}

/* Giving more input is as good a sign that the message has been dealt with. */
static void more_input_releases_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    r->hold = RIG_NO_EVENTS;
    uint8_t bytes[] = {0x32, 6, 0, 1, 't', 0, 9, 'x'};
    assert_int_equal(elo_client_input(&r->c, elo_span_of(bytes, sizeof bytes), r->now), 8);
    struct elo_client_event e;
    assert_true(elo_client_next_event(&r->c, &e));
    assert_int_equal(elo_client_input(&r->c, elo_span_of(NULL, 0), r->now), 0);
    rig_output(r);
    rig_expect(r, "> PUBACK #9\n");
    rig_free(r);
}

static void an_unread_message_survives_the_break_but_not_its_puback(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    r->hold = RIG_NO_EVENTS;
    rig_publish(r, 1, 9, "t", "x");
    rig_closed(r, ELO_E_TCP_CLOSED);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "* MESSAGE q1 t=x\n* DISCONNECTED\n");
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n");
    rig_free(r);
}

/* tx holds one PUBACK more: input waits until there is room again. */
static void pubacks_wait_for_room(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 17 + 3, 256, 2); /* the CONNECT takes 17: five PUBACKs */
    rig_online(r);
    r->hold = RIG_NO_OUTPUT;
    uint8_t bytes[8] = {0x32, 6, 0, 1, 't', 0, 9, 'x'};
    size_t taken = 0;
    for (int i = 0; i < 10; i++) {
        taken += elo_client_input(&r->c, elo_span_of(bytes, sizeof bytes), r->now);
        rig_events(r);
    }
    assert_int_equal(taken, 6 * sizeof bytes);
    rig_forget(r);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "> PUBACK #9\n> PUBACK #9\n> PUBACK #9\n> PUBACK #9\n> PUBACK #9\n"
                  "> PUBACK #9\n");
    assert_int_equal(elo_client_input(&r->c, elo_span_of(bytes, sizeof bytes), r->now), 8);
    rig_free(r);
}

static void exactly_as_large_as_rx(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 32, 64, 64, 2);
    rig_online(r);
    rig_publish(r, 1, 9, "t", "1234567890123456789012345");
    rig_expect(r, "* MESSAGE q1 t=1234567890123456789012345\n> PUBACK #9\n");
    rig_publish(r, 1, 9, "t", "12345678901234567890123456");
    rig_expect(r, "* OVERSIZE q1 t 33\n> PUBACK #9\n");
    rig_publish(r, 0, 0, "t", "after");
    rig_expect(r, "* MESSAGE q0 t=after\n");
    rig_free(r);
}

/* Topics that end before, at and behind the end of rx; the packet id too. */
static void oversize_with_any_topic(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 50; chunk++) {
        for (size_t len = 1; len < 60; len++) {
            struct rig *r = rig_new();
            rig_buffers(r, 32, 64, 64, 2);
            r->in_chunk = chunk;
            rig_online(r);
            char topic[61];
            memset(topic, 't', sizeof topic);
            topic[len] = '\0';
            rig_publish(r, 1, 0x1234, topic, "012345678901234567890123456789");
            char expected[160];
            snprintf(expected, sizeof expected, "* OVERSIZE q1 %s %zu\n> PUBACK #4660\n",
                     len <= 28 ? topic : "", len + 36);
            rig_expect(r, expected);
            rig_free(r);
        }
    }
}

static void bad_oversize(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t len;
        uint32_t total;
        elo_err reason;
    } cases[] = {
        {"\x32\x64\xFF\xFF", 4, 102, ELO_E_MALFORMED},           /* topic beyond the packet */
        {"\x32\x64\x00\x61", 4, 102, ELO_E_MALFORMED},           /* no room for the packet id */
        {"\x30\x64\x00\x00", 4, 102, ELO_E_TOPIC},               /* no topic */
        {"\x30\x64\x00\x02#x", 6, 102, ELO_E_TOPIC},             /* a wildcard */
        {"\x30\x64\x00\x02\xC0\x80", 6, 102, ELO_E_UTF8},        /* not UTF-8 */
        {"\x32\x64\x00\x02tt\x00\x00", 8, 102, ELO_E_MALFORMED}, /* packet id 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig_new();
        rig_buffers(r, 32, 64, 64, 2);
        rig_online(r);
        rig_bytes(r, cases[i].head, cases[i].len);
        for (size_t at = cases[i].len; at < cases[i].total; at++) {
            rig_bytes(r, ".", 1);
        }
        rig_expect(r, "~ close\n* DISCONNECTED\n");
        assert_int_equal(r->reason, cases[i].reason);
        rig_free(r);
    }
}

/* 256 MiB less one, in pieces of 64 KiB: counted, not stored. */
static void the_largest_packet_there_is(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    static uint8_t piece[65536];
    rig_bytes(r, "\x32\xFF\xFF\xFF\x7F\x00\x01t\x00\x09", 10);
    uint32_t rest = ELO_MQTT_MAX_REMAINING - 5;
    while (rest > 0) {
        size_t n = rest < sizeof piece ? rest : sizeof piece;
        assert_int_equal(elo_client_input(&r->c, elo_span_of(piece, n), r->now), n);
        rest -= (uint32_t)n;
    }
    rig_serve(r);
    rig_expect(r, "* OVERSIZE q1 t 268435460\n> PUBACK #9\n");
    rig_free(r);
}

/* One story with everything in it, told by byte streams only. */
static void story(struct rig *r)
{
    r->config.persistent = true;
    r->config.window = 2;
    rig_buffers(r, 64, 64, 512, 10);
    rig_begin(r);
    assert_int_equal(rig_subscribe(r, "s/1", 1), ELO_OK);
    assert_int_equal(rig_subscribe(r, "s/2", 0), ELO_OK);
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(rig_say(r, i % 2, "a", "some payload", i), ELO_OK);
    }
    rig_suback(r, 1, "10");
    rig_publish(r, 1, 5, "s/1", "hello");
    rig_publish(r, 1, 6, "s/1", "larger than the buffer, so that it cannot be taken as it is");
    rig_puback(r, 2);
    rig_publish(r, 0, 0, "s/2", "");
    rig_pass(r, 10000);
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_pass(r, r->wait_ms);
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, true);
    rig_puback(r, 3);
    assert_int_equal(rig_unsubscribe(r, "s/1"), ELO_OK);
    rig_unsuback(r, 4);
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
}

static void any_pieces_tell_the_same_story(void **state)
{
    (void)state;
    struct rig *whole = rig_new();
    story(whole);
    assert_non_null(strstr(whole->log, "* OVERSIZE q1 s/1 68\n"));
    assert_non_null(strstr(whole->log, "* UNSUBSCRIBED s/1\n"));
    assert_non_null(strstr(whole->log, "> DISCONNECT\n"));
    for (size_t in = 0; in <= 70; in++) {
        for (size_t out = 0; out <= 30; out += 1 + out / 8) {
            struct rig *r = rig_new();
            r->in_chunk = in;
            r->out_chunk = out;
            story(r);
            assert_string_equal(r->log, whole->log);
            rig_free(r);
        }
    }
    rig_free(whole);
}

/* Many packets in one read, cut in two at every place. */
static void every_split(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x32, 6, 0, 1,  't',  0,   9, 'x', 0xD0, 0,
                                    0x40, 2, 0, 77, 0x30, 4,   0, 1,   'u',  'y',
                                    0x32, 7, 0, 2,  't',  't', 1, 0,   'z'};
    for (size_t split = 0; split <= sizeof bytes; split++) {
        struct rig *r = rig_new();
        rig_online(r);
        rig_bytes(r, bytes, split);
        rig_bytes(r, bytes + split, sizeof bytes - split);
        rig_expect(r, "* MESSAGE q1 t=x\n> PUBACK #9\n* MESSAGE q0 u=y\n* MESSAGE q1 tt=z\n"
                      "> PUBACK #256\n");
        rig_free(r);
    }
}

static void input_without_a_connection_is_swallowed(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    rig_forget(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "");
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_OPENING);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_acknowledged_after_the_event),
        cmocka_unit_test(more_input_releases_too),
        cmocka_unit_test(an_unread_message_survives_the_break_but_not_its_puback),
        cmocka_unit_test(pubacks_wait_for_room),
        cmocka_unit_test(exactly_as_large_as_rx),
        cmocka_unit_test(oversize_with_any_topic),
        cmocka_unit_test(bad_oversize),
        cmocka_unit_test(the_largest_packet_there_is),
        cmocka_unit_test(any_pieces_tell_the_same_story),
        cmocka_unit_test(every_split),
        cmocka_unit_test(input_without_a_connection_is_swallowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
