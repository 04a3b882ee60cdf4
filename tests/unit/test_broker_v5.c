// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What MQTT 5 has to do with the disk, and the bytes of a CONNACK. The rest of MQTT 5 is in the
 * scripts: tests/vectors/broker, *5.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "tests/support/broker_peer.h"

#define NONE elo_span_of(NULL, 0)

static struct house house;
static struct desk desk;

static int setup(void **state)
{
    (void)state;
    house_open(&house);
    desk_open_stored(&desk, &house, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    desk_close(&desk);
    house_close(&house);
    return 0;
}

static struct peer *come(const char *name, uint8_t level, bool clean, uint32_t expiry_s)
{
    uint8_t room[16];
    uint8_t packet[300];
    size_t len;
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    struct elo_mqtt_connect c = {.level = level,
                                 .clean_session = clean,
                                 .keep_alive_s = 1200,
                                 .client_id = elo_span_str(name)};
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SESSION_EXPIRY, expiry_s);
    c.properties = elo_mqtt_properties_done(&w);
    struct peer *p = peer_open(&desk, name, CERTIFICATE_all, ELO_OK);
    assert_non_null(p);
    elo_err err = level == ELO_MQTT_5
                      ? elo_mqtt5_encode_connect(&c, NONE, packet, sizeof packet, &len)
                      : elo_mqtt_encode_connect(&c, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    return p;
}

static void publish(struct peer *p, uint16_t id, elo_span properties)
{
    const struct elo_mqtt_publish m = {.topic = ELO_SPAN("a"),
                                       .payload = ELO_SPAN("x"),
                                       .packet_id = id,
                                       .qos = 1,
                                       .properties = properties};
    uint8_t packet[200];
    size_t len;
    elo_err err = p->level == ELO_MQTT_5
                      ? elo_mqtt5_encode_publish(&m, NONE, packet, sizeof packet, &len)
                      : elo_mqtt_encode_publish(&m, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    peer_send(p, elo_span_of(packet, len));
}

static void takes(struct peer *p, const char *line)
{
    const char *has = peer_take(p);
    assert_non_null(has);
    assert_string_equal(has, line);
}

/* A session that is away and whose messages must be stored before they are acknowledged. */
static void leave_session(uint8_t level)
{
    const struct elo_mqtt_subscription sub = {.filter = ELO_SPAN("a"), .qos = 1};
    uint8_t packet[50];
    size_t len;
    struct peer *s = come("s", level, false, 3600);
    elo_err err = level == ELO_MQTT_5
                      ? elo_mqtt5_encode_subscribe(1, NONE, &sub, 1, packet, sizeof packet, &len)
                      : elo_mqtt_encode_subscribe(1, &sub, 1, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    peer_send(s, elo_span_of(packet, len));
    peer_drop(s);
    peer_forget(s);
}

/* [MQTT5-3.3.4-7]: the server has said Receive Maximum 100. */
static void more_than_100_unacknowledged_end_the_connection(void **state)
{
    (void)state;
    leave_session(ELO_MQTT_5);
    struct peer *p = come("p", ELO_MQTT_5, true, 0);
    takes(p, "CONNACK 0 server_keep_alive=1200");
    desk.slow = true;
    for (uint16_t id = 1; id <= 100; id++) {
        publish(p, id, NONE);
    }
    assert_false(p->closed_by_broker);
    publish(p, 101, NONE);
    assert_true(p->closed_by_broker);
    takes(p, "DISCONNECT 93 reason");
    assert_true(desk_logged(&desk, "more than 100 messages that have not been acknowledged"));
    desk.slow = false;
    desk_disk(&desk);
}

static void what_is_acknowledged_makes_room(void **state)
{
    (void)state;
    leave_session(ELO_MQTT_5);
    struct peer *p = come("p", ELO_MQTT_5, true, 0);
    peer_clear(p);
    for (unsigned round = 0; round < 3; round++) {
        desk.slow = true;
        for (uint16_t id = 1; id <= 100; id++) {
            publish(p, id, NONE);
        }
        assert_null(peer_take(p));
        desk.slow = false;
        desk_disk(&desk);
        desk_pump(&desk);
        for (unsigned id = 1; id <= 100; id++) {
            char line[20];
            (void)snprintf(line, sizeof line, "PUBACK %u", id);
            takes(p, line);
        }
    }
    assert_false(p->closed_by_broker);
}

/* PUBACK 91; the message that has the identifier is acknowledged in its time. */
static void a_packet_identifier_in_use(void **state)
{
    (void)state;
    leave_session(ELO_MQTT_5);
    struct peer *p = come("p", ELO_MQTT_5, true, 0);
    peer_clear(p);
    desk.slow = true;
    publish(p, 7, NONE);
    publish(p, 7, NONE);
    takes(p, "PUBACK 7 91 reason");
    desk.slow = false;
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "PUBACK 7");
    publish(p, 7, NONE);
    takes(p, "PUBACK 7");
    struct peer *s = come("s", ELO_MQTT_5, false, 3600);
    takes(s, "CONNACK 0 session server_keep_alive=1200");
    takes(s, "PUBLISH a x qos1");
    takes(s, "PUBLISH a x qos1");
    assert_null(peer_take(s));
}

/* MQTT 3.1.1 knows no Receive Maximum, and a client may send a message again: it waits. */
static void mqtt_3_may_send_on(void **state)
{
    (void)state;
    leave_session(ELO_MQTT_3_1_1);
    struct peer *p = come("p", ELO_MQTT_3_1_1, true, 0);
    peer_clear(p);
    desk.slow = true;
    for (uint16_t id = 1; id <= 150; id++) {
        publish(p, id, NONE);
    }
    publish(p, 150, NONE);
    assert_false(p->closed_by_broker);
    assert_null(peer_take(p));
    desk.slow = false;
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "PUBACK 1");
}

/* The process ends here and now, `away_ms` later there is another. */
static void restart(int64_t away_ms)
{
    int64_t wall_ms = desk.now.wall_ms + away_ms;
    desk_close(&desk);
    house_shut(&house);
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, wall_ms);
}

static void properties_and_expiry_survive(void **state)
{
    (void)state;
    uint8_t room[60];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    leave_session(ELO_MQTT_5);
    struct peer *p = come("p", ELO_MQTT_5, true, 0);
    elo_mqtt_put_user(&w, ELO_SPAN("b"), ELO_SPAN("1"));
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MESSAGE_EXPIRY, 60);
    elo_mqtt_put_user(&w, ELO_SPAN("a"), ELO_SPAN("2"));
    publish(p, 1, elo_mqtt_properties_done(&w));
    w = elo_mqtt_properties_into(room, sizeof room);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MESSAGE_EXPIRY, 10);
    publish(p, 2, elo_mqtt_properties_done(&w));
    restart(10000);
    struct peer *s = come("s", ELO_MQTT_5, false, 3600);
    takes(s, "CONNACK 0 session server_keep_alive=1200");
    takes(s, "PUBLISH a x qos1 expires=50 user=b:1 user=a:2");
    assert_null(peer_take(s));
    assert_int_equal(desk_stats(&desk).expired, 1);
}

/* The other version throws a stored session away, also one that a restart has brought back. */
static void a_restored_session_knows_its_version(void **state)
{
    (void)state;
    leave_session(ELO_MQTT_5);
    restart(1000);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    struct peer *s = come("s", ELO_MQTT_3_1_1, false, 0);
    takes(s, "CONNACK 0");
    assert_int_equal(desk_stats(&desk).subscriptions, 0);
}

/* "MQTT", the properties of CONNACK: byte for byte. */
static void the_bytes_of_a_connack(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x20, 0x1b, 0x00, 0x00, 0x18, /* session not present, success, 24 bytes of properties */
        0x13, 0x04, 0xb0,             /* Server Keep Alive 1200 */
        0x21, 0x00, 0x64,             /* Receive Maximum 100 */
        0x22, 0x00, 0x08,             /* Topic Alias Maximum 8 */
        0x24, 0x01,                   /* Maximum QoS 1 */
        0x25, 0x01,                   /* Retain Available */
        0x27, 0x00, 0x02, 0x48, 0x00, /* Maximum Packet Size 149504 */
        0x28, 0x01,                   /* Wildcard Subscription Available */
        0x29, 0x00,                   /* Subscription Identifiers not available */
        0x2a, 0x01,                   /* Shared Subscription Available */
    };
    elo_span piece;
    struct peer *p = peer_open(&desk, "p", CERTIFICATE_all, ELO_OK);
    broker_input(p->conn, ELO_SPAN("\x10\x0e\0\4MQTT\5\2\4\xb0\0\0\1p"), desk.now);
    broker_commit(desk.broker);
    assert_int_equal(broker_output(p->conn, &piece, 1), 1);
    assert_int_equal(piece.len, sizeof expected);
    assert_memory_equal(piece.ptr, expected, sizeof expected);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(more_than_100_unacknowledged_end_the_connection),
        TEST(what_is_acknowledged_makes_room),
        TEST(a_packet_identifier_in_use),
        TEST(mqtt_3_may_send_on),
        TEST(properties_and_expiry_survive),
        TEST(a_restored_session_knows_its_version),
        TEST(the_bytes_of_a_connack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
