// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Properties of MQTT 5 put together, read as terms, and given on. */
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static void assert_bytes(elo_span have, const void *want, size_t len)
{
    assert_int_equal(have.len, len);
    assert_memory_equal(have.ptr, want, len);
}

static void numbers_have_the_width_of_their_id(void **state)
{
    (void)state;
    uint8_t room[32];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MAXIMUM_QOS, 1);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_RECEIVE_MAXIMUM, 0x1234);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MESSAGE_EXPIRY, 0x12345678);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SUBSCRIPTION_ID, 127);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SUBSCRIPTION_ID, 128);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SUBSCRIPTION_ID, 268435455);
    assert_true(elo_mqtt_properties_fit(&w));
    assert_bytes(elo_mqtt_properties_done(&w),
                 "\x24\x01\x21\x12\x34\x02\x12\x34\x56\x78\x0b\x7f\x0b\x80\x01\x0b\xff\xff\xff\x7f",
                 20);
}

static void texts_and_user_properties(void **state)
{
    (void)state;
    uint8_t room[32];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_REASON_STRING, ELO_SPAN("no"));
    elo_mqtt_put_user(&w, ELO_SPAN("k"), ELO_SPAN(""));
    elo_mqtt_put_raw(&w, ELO_SPAN("\x25\x01"));
    assert_true(elo_mqtt_properties_fit(&w));
    assert_bytes(elo_mqtt_properties_done(&w), "\x1f\0\2no\x26\0\1k\0\0\x25\1", 13);
}

/* For every size of buffer: what is there is whole, and nothing is written beyond. */
static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    for (size_t cap = 0; cap <= 14; cap++) {
        uint8_t room[32];
        memset(room, 0x5A, sizeof room);
        struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, cap);
        elo_mqtt_put_text(&w, ELO_MQTT_PROP_REASON_STRING, ELO_SPAN("why not")); /* 10 bytes */
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_SERVER_KEEP_ALIVE, 60);            /* 3 */
        assert_int_equal(elo_mqtt_properties_fit(&w), cap >= 13);
        elo_span done = elo_mqtt_properties_done(&w);
        assert_int_equal(done.len, cap < 3 ? 0 : cap < 10 ? 3 : cap < 13 ? 10 : 13);
        for (size_t i = cap; i < sizeof room; i++) {
            assert_int_equal(room[i], 0x5A);
        }
    }
}

static void a_text_over_65535_bytes_does_not_fit(void **state)
{
    (void)state;
    static uint8_t room[140000];
    static const uint8_t letters[65536];
    elo_span most = elo_span_of(letters, 65535);
    elo_span over = elo_span_of(letters, 65536);
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_user(&w, most, most);
    assert_true(elo_mqtt_properties_fit(&w));
    w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_CORRELATION_DATA, over);
    elo_mqtt_put_user(&w, over, most);
    elo_mqtt_put_user(&w, most, over);
    assert_false(elo_mqtt_properties_fit(&w));
    assert_int_equal(elo_mqtt_properties_done(&w).len, 0);
}

static void absent_terms_are_the_standards(void **state)
{
    (void)state;
    struct elo_mqtt_terms t;
    memset(&t, 0x5A, sizeof t);
    elo_mqtt_read_terms(elo_span_of(NULL, 0), &t);
    assert_int_equal(t.session_expiry_s, 0);
    assert_int_equal(t.receive_maximum, 65535);
    assert_int_equal(t.maximum_packet, UINT32_MAX);
    assert_int_equal(t.alias_maximum, 0);
    assert_int_equal(t.maximum_qos, 2);
    assert_true(t.wants_problem_info && !t.wants_response_info);
    assert_true(t.retain && t.wildcards && t.subscription_ids && t.shared);
    assert_false(t.has_keep_alive || t.has_assigned_client_id || t.has_session_expiry);
    assert_false(t.has_auth_method);
    assert_int_equal(t.assigned_client_id.len, 0);
}

static void every_term_is_read(void **state)
{
    (void)state;
    uint8_t room[128];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SESSION_EXPIRY, 3600);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_RECEIVE_MAXIMUM, 100);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MAXIMUM_PACKET, 149504);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_ALIAS_MAXIMUM, 8);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SERVER_KEEP_ALIVE, 1200);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MAXIMUM_QOS, 1);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_RETAIN_AVAILABLE, 0);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_WILDCARD_AVAILABLE, 0);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, 0);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SHARED_AVAILABLE, 0);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_REQUEST_PROBLEM_INFO, 0);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_REQUEST_RESPONSE_INFO, 1);
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_ASSIGNED_CLIENT_ID, ELO_SPAN("$GEN/1"));
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_REASON_STRING, ELO_SPAN("why"));
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_RESPONSE_INFO, ELO_SPAN("r/"));
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_SERVER_REFERENCE, ELO_SPAN("there"));
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_AUTH_METHOD, ELO_SPAN("m"));
    elo_mqtt_put_text(&w, ELO_MQTT_PROP_AUTH_DATA, ELO_SPAN("d"));
    assert_true(elo_mqtt_properties_fit(&w));
    struct elo_mqtt_terms t;
    elo_mqtt_read_terms(elo_mqtt_properties_done(&w), &t);
    assert_true(t.has_session_expiry && t.has_keep_alive && t.has_assigned_client_id);
    assert_true(t.has_auth_method && t.wants_response_info && !t.wants_problem_info);
    assert_int_equal(t.session_expiry_s, 3600);
    assert_int_equal(t.receive_maximum, 100);
    assert_int_equal(t.maximum_packet, 149504);
    assert_int_equal(t.alias_maximum, 8);
    assert_int_equal(t.keep_alive_s, 1200);
    assert_int_equal(t.maximum_qos, 1);
    assert_false(t.retain || t.wildcards || t.subscription_ids || t.shared);
    assert_bytes(t.assigned_client_id, "$GEN/1", 6);
    assert_bytes(t.reason_string, "why", 3);
    assert_bytes(t.response_info, "r/", 2);
    assert_bytes(t.server_reference, "there", 5);
    assert_bytes(t.auth_method, "m", 1);
    assert_bytes(t.auth_data, "d", 1);
}

static void what_is_between_two_is_not_given_on(void **state)
{
    (void)state;
    uint8_t room[64];
    uint8_t to[64];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_user(&w, ELO_SPAN("b"), ELO_SPAN("1"));
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_ALIAS, 1);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_PAYLOAD_FORMAT, 1);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MESSAGE_EXPIRY, 5);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_WILL_DELAY, 5);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SUBSCRIPTION_ID, 300);
    elo_mqtt_put_user(&w, ELO_SPAN("a"), ELO_SPAN("2"));
    size_t len = elo_mqtt_copy_forwardable(elo_mqtt_properties_done(&w), to);
    assert_bytes(elo_span_of(to, len), "\x26\0\1b\0\1\x31\1\1\x26\0\1a\0\1\x32", 16);
    assert_int_equal(elo_mqtt_copy_forwardable(elo_span_of(NULL, 0), to), 0);
}

static void a_header_with_properties_in_two_pieces(void **state)
{
    (void)state;
    struct elo_mqtt_publish p = {.topic = ELO_SPAN("a"),
                                 .payload = ELO_SPAN("hello"),
                                 .packet_id = 9,
                                 .qos = 1,
                                 .properties = ELO_SPAN("\x01\x01")};
    uint8_t out[32];
    size_t len = 0;
    assert_int_equal(elo_mqtt5_encode_publish_header(&p, ELO_SPAN("\x23\x00\x01"), out, 12, &len),
                     ELO_E_NO_SPACE);
    assert_int_equal(len, 13);
    assert_int_equal(elo_mqtt5_encode_publish_header(&p, ELO_SPAN("\x23\x00\x01"), out, 13, &len),
                     ELO_OK);
    assert_bytes(elo_span_of(out, len), "\x32\x10\0\1a\0\x09\5\x23\0\1\1\1", 13);
}

/* Lengths that cannot be, of spans that are not read. */
static void packets_that_cannot_be(void **state)
{
    (void)state;
    uint8_t out[8];
    size_t len;
    const elo_span huge = {NULL, SIZE_MAX};
    struct elo_mqtt_publish p = {.topic = ELO_SPAN("a"), .properties = huge};
    assert_int_equal(elo_mqtt5_encode_publish(&p, huge, out, sizeof out, &len), ELO_E_TOO_LARGE);
    p.properties = elo_span_of(NULL, 0);
    assert_int_equal(elo_mqtt5_encode_publish(&p, huge, out, sizeof out, &len), ELO_E_TOO_LARGE);
    struct elo_mqtt_connack c = {.properties = huge};
    assert_int_equal(elo_mqtt5_encode_connack(&c, out, sizeof out, &len), ELO_E_TOO_LARGE);
    struct elo_mqtt_ack a = {.packet_id = 1, .properties = huge};
    assert_int_equal(elo_mqtt5_encode_ack(ELO_MQTT_PUBACK, &a, out, sizeof out, &len),
                     ELO_E_TOO_LARGE);
}

static void refusals_have_reason_codes(void **state)
{
    (void)state;
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_MALFORMED), 0x81);
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_UTF8), 0x81);
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_PROTOCOL), 0x82);
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_UNSUPPORTED), 0x84);
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_TOPIC), 0x90);
    assert_int_equal(elo_mqtt5_reason_for(ELO_E_TOO_LARGE), 0x95);
}

/* So that QoS 1 can be answered with PUBACK 0x90. */
static void a_topic_with_a_wildcard_still_tells_its_id(void **state)
{
    (void)state;
    struct elo_mqtt_packet p;
    memset(&p, 0, sizeof p);
    elo_span in = ELO_SPAN("\x32\x08\0\3a/+\x12\x34\0");
    assert_int_equal(elo_mqtt5_decode(in, &p), ELO_E_TOPIC);
    assert_int_equal(p.type, ELO_MQTT_PUBLISH);
    assert_int_equal(p.u.publish.qos, 1);
    assert_int_equal(p.u.publish.packet_id, 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_the_width_of_their_id),
        cmocka_unit_test(texts_and_user_properties),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(a_text_over_65535_bytes_does_not_fit),
        cmocka_unit_test(absent_terms_are_the_standards),
        cmocka_unit_test(every_term_is_read),
        cmocka_unit_test(what_is_between_two_is_not_given_on),
        cmocka_unit_test(a_header_with_properties_in_two_pieces),
        cmocka_unit_test(packets_that_cannot_be),
        cmocka_unit_test(refusals_have_reason_codes),
        cmocka_unit_test(a_topic_with_a_wildcard_still_tells_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
