// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the vectors cannot say of the encoder: its limits, the header without its payload, and that
 * what no packet may say is caught as a bug.
 */
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

#include "tests/support/dies.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static uint8_t room[70000];
static uint8_t letters[65536];

static int fill_letters(void **state)
{
    (void)state;
    memset(letters, 'a', sizeof letters);
    return 0;
}

/* The remaining length, and the size of the fixed header that says it. */
static const struct {
    size_t remaining;
    size_t header;
} boundaries[] = {
    {5, 2},     {127, 2},     {128, 3},     {16383, 3},
    {16384, 4}, {2097151, 4}, {2097152, 5}, {ELO_MQTT_MAX_REMAINING, 5},
};

static void test_header_of_a_payload_kept_elsewhere(void **state)
{
    (void)state;
    struct guard guard;
    guard_open(&guard, 64);
    for (size_t i = 0; i < sizeof boundaries / sizeof *boundaries; i++) {
        struct elo_mqtt_publish p = {.topic = ELO_SPAN("a/b"), .retain = true};
        p.payload = elo_span_of(NULL, boundaries[i].remaining - 5); /* its bytes are not read */
        size_t want = boundaries[i].header + 5;
        size_t len = 0;
        uint8_t *buf = guard_room(&guard, want);
        assert_int_equal(elo_mqtt_encode_publish_header(&p, buf, want, &len), ELO_OK);
        assert_int_equal(len, want);
        assert_memory_equal(buf + want - 5, "\0\3a/b", 5);

        struct elo_mqtt_frame frame;
        assert_int_equal(elo_mqtt_frame(elo_span_of(buf, want), UINT32_MAX, &frame), ELO_OK);
        assert_int_equal(frame.total, boundaries[i].header + boundaries[i].remaining);

        len = 0;
        buf = guard_room(&guard, want - 1);
        assert_int_equal(elo_mqtt_encode_publish_header(&p, buf, want - 1, &len), ELO_E_NO_SPACE);
        assert_int_equal(len, want);
        assert_true(guard_untouched(&guard, want - 1));
    }
    guard_close(&guard);
}

static void test_header_and_payload_are_the_packet(void **state)
{
    (void)state;
    struct elo_mqtt_publish p = {
        .topic = ELO_SPAN("a/b"), .payload = ELO_SPAN("hello"), .packet_id = 7, .qos = 1};
    uint8_t whole[32];
    uint8_t head[32];
    size_t whole_len;
    size_t head_len;
    assert_int_equal(elo_mqtt_encode_publish(&p, whole, sizeof whole, &whole_len), ELO_OK);
    assert_int_equal(elo_mqtt_encode_publish_header(&p, head, sizeof head, &head_len), ELO_OK);
    assert_int_equal(head_len + p.payload.len, whole_len);
    assert_memory_equal(head, whole, head_len);
    assert_memory_equal(whole + head_len, "hello", 5);
}

static void test_qos_0_has_neither_id_nor_dup(void **state)
{
    (void)state;
    struct elo_mqtt_publish p = {.topic = ELO_SPAN("a"), .packet_id = 7, .dup = true};
    uint8_t buf[8];
    size_t len;
    assert_int_equal(elo_mqtt_encode_publish(&p, buf, sizeof buf, &len), ELO_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(buf,
                        "\x30\x03\x00\x01"
                        "a",
                        5);
}

static elo_err publish_of(size_t topic_len, size_t payload_len)
{
    struct elo_mqtt_publish p = {.topic = elo_span_of(letters, topic_len),
                                 .payload = elo_span_of(NULL, payload_len)};
    size_t len;
    return elo_mqtt_encode_publish_header(&p, room, sizeof room, &len);
}

static void test_publish_too_large(void **state)
{
    (void)state;
    assert_int_equal(publish_of(65535, 0), ELO_OK);
    assert_int_equal(publish_of(65536, 0), ELO_E_TOO_LARGE);
    assert_int_equal(publish_of(1, ELO_MQTT_MAX_REMAINING - 3), ELO_OK);
    assert_int_equal(publish_of(1, ELO_MQTT_MAX_REMAINING - 2), ELO_E_TOO_LARGE);
    assert_int_equal(publish_of(1, SIZE_MAX), ELO_E_TOO_LARGE);
    assert_int_equal(publish_of(65536, SIZE_MAX), ELO_E_TOO_LARGE);
}

/* A CONNECT with one string of each kind, the n-th of them `len` bytes long. */
static elo_err connect_with(size_t n, size_t len)
{
    elo_span s[5];
    for (size_t i = 0; i < 5; i++) {
        s[i] = elo_span_of(letters, i == n ? len : 1);
    }
    struct elo_mqtt_connect c = {.has_will = true,
                                 .has_username = true,
                                 .has_password = true,
                                 .client_id = s[0],
                                 .will = {.topic = s[1], .payload = s[2]},
                                 .username = s[3],
                                 .password = s[4]};
    size_t out_len;
    return elo_mqtt_encode_connect(&c, room, sizeof room, &out_len);
}

static void test_connect_strings_too_long(void **state)
{
    (void)state;
    for (size_t n = 0; n < 5; n++) {
        assert_int_equal(connect_with(n, 65535), ELO_OK);
        assert_int_equal(connect_with(n, 65536), ELO_E_TOO_LARGE);
        assert_int_equal(connect_with(n, SIZE_MAX), ELO_E_TOO_LARGE);
    }
}

static void test_absent_fields_are_not_read(void **state)
{
    (void)state;
    elo_span nowhere = {NULL, SIZE_MAX};
    struct elo_mqtt_connect c = {
        .level = 77,
        .client_id = ELO_SPAN("dev"),
        .will = {.topic = nowhere, .payload = nowhere, .qos = 3, .retain = true},
        .username = nowhere,
        .password = nowhere};
    uint8_t buf[17];
    size_t len;
    assert_int_equal(elo_mqtt_encode_connect(&c, buf, sizeof buf, &len), ELO_OK);
    assert_memory_equal(buf, "\x10\x0F\0\4MQTT\4\0\0\0\0\3dev", 17);
}

static void test_filters_too_long(void **state)
{
    (void)state;
    size_t len;
    struct elo_mqtt_subscription sub = {.filter = elo_span_of(letters, 65536)};
    assert_int_equal(elo_mqtt_encode_subscribe(1, &sub, 1, room, sizeof room, &len),
                     ELO_E_TOO_LARGE);
    assert_int_equal(elo_mqtt_encode_unsubscribe(1, &sub.filter, 1, room, sizeof room, &len),
                     ELO_E_TOO_LARGE);
    sub.filter.len = 65535;
    assert_int_equal(elo_mqtt_encode_subscribe(1, &sub, 1, room, sizeof room, &len), ELO_OK);
    assert_int_equal(elo_mqtt_encode_unsubscribe(1, &sub.filter, 1, room, sizeof room, &len),
                     ELO_OK);
    elo_span codes = elo_span_of(NULL, ELO_MQTT_MAX_REMAINING - 1);
    assert_int_equal(elo_mqtt_encode_suback(1, codes, room, sizeof room, &len), ELO_E_TOO_LARGE);
    codes.len--;
    assert_int_equal(elo_mqtt_encode_suback(1, codes, room, sizeof room, &len), ELO_E_NO_SPACE);
    assert_int_equal(len, ELO_MQTT_MAX_REMAINING + 5);
}

/* 4,097 filters of 65,535 bytes are over 256 MiB together: the sum is what is too large. */
static void test_filters_too_large_together(void **state)
{
    (void)state;
    enum { COUNT = 4097 };
    elo_span *filters = malloc(COUNT * sizeof *filters);
    struct elo_mqtt_subscription *subs = malloc(COUNT * sizeof *subs);
    assert_true(filters && subs);
    for (size_t i = 0; i < COUNT; i++) {
        filters[i] = elo_span_of(letters, 65535);
        subs[i] = (struct elo_mqtt_subscription){.filter = filters[i], .qos = 1};
    }
    size_t len;
    assert_int_equal(elo_mqtt_encode_unsubscribe(1, filters, COUNT, room, sizeof room, &len),
                     ELO_E_TOO_LARGE);
    assert_int_equal(elo_mqtt_encode_subscribe(1, subs, COUNT, room, sizeof room, &len),
                     ELO_E_TOO_LARGE);
    assert_int_equal(elo_mqtt_encode_unsubscribe(1, filters, 4095, room, sizeof room, &len),
                     ELO_E_NO_SPACE);
    assert_int_equal(len, 5u + 2 + 4095u * 65537);
    free(filters);
    free(subs);
}

/* A call with arguments that make no packet, and what is wrong with them. */
struct bug {
    const char *what;
    void (*call)(const struct bug *bug);
    struct elo_mqtt_publish publish;
    struct elo_mqtt_connect connect;
    struct elo_mqtt_connack connack;
    elo_mqtt_type type;
    uint16_t packet_id;
    size_t count;
    struct elo_mqtt_subscription sub;
};

static void publish(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_publish(&bug->publish, room, sizeof room, &len);
}

static void connect(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_connect(&bug->connect, room, sizeof room, &len);
}

static void connack(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_connack(&bug->connack, room, sizeof room, &len);
}

static void ack(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_ack(bug->type, bug->packet_id, room, sizeof room, &len);
}

static void empty(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_empty(bug->type, room, sizeof room, &len);
}

static void subscribe(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_subscribe(bug->packet_id, &bug->sub, bug->count, room, sizeof room,
                                     &len);
}

static void unsubscribe(const struct bug *bug)
{
    size_t len;
    (void)!elo_mqtt_encode_unsubscribe(bug->packet_id, &bug->sub.filter, bug->count, room,
                                       sizeof room, &len);
}

static void suback(const struct bug *bug)
{
    size_t len;
    elo_span codes = elo_span_of("\0", bug->count);
    (void)!elo_mqtt_encode_suback(bug->packet_id, codes, room, sizeof room, &len);
}

static const struct bug bugs[] = {
    {"PUBLISH with QoS 3", publish, .publish = {.qos = 3, .packet_id = 1}},
    {"PUBLISH with QoS 1 and id 0", publish, .publish = {.qos = 1}},
    {"will with QoS 3", connect, .connect = {.has_will = true, .will = {.qos = 3}}},
    {"password without user name", connect, .connect = {.has_password = true}},
    {"reserved CONNACK code", connack, .connack = {.code = 6}},
    {"refusal with session present", connack,
     .connack = {.session_present = true, .code = ELO_MQTT_REFUSED_AUTHORIZED}},
    {"PUBACK with id 0", ack, .type = ELO_MQTT_PUBACK},
    {"SUBACK as a plain ack", ack, .type = ELO_MQTT_SUBACK, .packet_id = 1},
    {"PUBLISH as an empty packet", empty, .type = ELO_MQTT_PUBLISH},
    {"SUBSCRIBE with id 0", subscribe, .count = 1},
    {"SUBSCRIBE with QoS 3", subscribe, .packet_id = 1, .count = 1, .sub = {.qos = 3}},
    {"SUBSCRIBE without a filter", subscribe, .packet_id = 1},
    {"UNSUBSCRIBE with id 0", unsubscribe, .count = 1},
    {"UNSUBSCRIBE without a filter", unsubscribe, .packet_id = 1},
    {"SUBACK with id 0", suback, .count = 1},
    {"SUBACK without a code", suback, .packet_id = 1},
};

static void commit(const void *arg)
{
    const struct bug *bug = arg;
    bug->call(bug);
}

static void test_bugs_are_caught(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) {
        if (!dies(commit, &bugs[i])) {
            fail_msg("not caught: %s", bugs[i].what);
        }
    }
    const struct bug sound = {"a sound PUBACK", ack, .type = ELO_MQTT_PUBACK, .packet_id = 1};
    assert_false(dies(commit, &sound));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_of_a_payload_kept_elsewhere),
        cmocka_unit_test(test_header_and_payload_are_the_packet),
        cmocka_unit_test(test_qos_0_has_neither_id_nor_dup),
        cmocka_unit_test(test_publish_too_large),
        cmocka_unit_test(test_connect_strings_too_long),
        cmocka_unit_test(test_absent_fields_are_not_read),
        cmocka_unit_test(test_filters_too_long),
        cmocka_unit_test(test_filters_too_large_together),
        cmocka_unit_test(test_bugs_are_caught),
    };
    return cmocka_run_group_tests(tests, fill_letters, NULL);
}
