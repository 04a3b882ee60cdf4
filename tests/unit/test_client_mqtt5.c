// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* The client speaking MQTT 5: the server's terms, reasons, properties, topic aliases both ways. */
#include "elo/client/mqtt5.h"
#include "tests/support/client_rig.h"

static struct elo_client_mqtt5 m;
static uint8_t aliases_out[3 * 10];
static uint8_t aliases_in[2 * 10];

static struct rig *rig5(void)
{
    struct rig *r = rig_new();
    elo_client_mqtt5_defaults(&m);
    r->config.mqtt5 = &m;
    return r;
}

static struct rig *rig5_with_aliases(void)
{
    struct rig *r = rig5();
    m.aliases_out = aliases_out;
    m.aliases_out_size = sizeof aliases_out;
    m.aliases_in = aliases_in;
    m.aliases_in_size = sizeof aliases_in;
    m.alias_slot_size = 10;
    return r;
}

static void connack(struct rig *r, uint8_t code, bool session, elo_span properties)
{
    struct elo_mqtt_connack p = {
        .session_present = session, .code = code, .properties = properties};
    RIG_SEND(r, elo_mqtt5_encode_connack, &p);
}

static void online(struct rig *r, elo_span terms)
{
    rig_begin(r);
    rig_open(r);
    connack(r, 0, false, terms);
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_ONLINE);
    rig_forget(r);
}

static void again(struct rig *r, bool session, elo_span terms)
{
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_pass(r, r->wait_ms);
    rig_open(r);
    rig_forget(r);
    connack(r, 0, session, terms);
}

static void puback(struct rig *r, uint16_t id, uint8_t code)
{
    struct elo_mqtt_ack p = {.packet_id = id, .code = code};
    RIG_SEND(r, elo_mqtt5_encode_ack, ELO_MQTT_PUBACK, &p);
}

static void comes(struct rig *r, uint8_t qos, uint16_t id, const char *topic, elo_span properties)
{
    struct elo_mqtt_publish p = {.topic = elo_span_str(topic),
                                 .payload = ELO_SPAN("x"),
                                 .packet_id = id,
                                 .qos = qos,
                                 .properties = properties};
    RIG_SEND(r, elo_mqtt5_encode_publish, &p, elo_span_of(NULL, 0));
}

static void suback(struct rig *r, elo_mqtt_type type, uint16_t id, elo_span codes)
{
    struct elo_mqtt_suback p = {.packet_id = id, .codes = codes};
    RIG_SEND(r, elo_mqtt5_encode_suback, type, &p);
}

static void server_ends(struct rig *r, uint8_t code, elo_span properties)
{
    struct elo_mqtt_disconnect p = {.code = code, .properties = properties};
    RIG_SEND(r, elo_mqtt5_encode_disconnect, ELO_MQTT_DISCONNECT, &p);
}

static void say(struct rig *r, uint8_t qos, const char *topic, uint32_t token)
{
    assert_int_equal(rig_say(r, qos, topic, "x", token), ELO_OK);
}

#define NONE elo_span_of(NULL, 0)

static void the_connect_says_what_we_can_take(void **state)
{
    (void)state;
    struct rig *r = rig5();
    rig_begin(r);
    rig_open(r);
    rig_expect(r, "~ open\n> CONNECT 5 dev clean ka=60 {2700000100}\n");
    rig_free(r);

    r = rig5_with_aliases();
    r->config.persistent = true;
    m.session_expiry_s = 7200;
    m.receive_maximum = 20;
    m.properties = ELO_SPAN("\x26\0\1k\0\1v");
    rig_begin(r);
    rig_open(r);
    rig_expect(r, "~ open\n> CONNECT 5 dev persistent ka=60 "
                  "{1100001c2021001427000001002200022600016b000176}\n");
    rig_free(r);
}

static void a_will_with_properties(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.has_will = true;
    r->config.will.topic = ELO_SPAN("gone");
    r->config.will.properties = ELO_SPAN("\x18\0\0\0\5");
    rig_begin(r);
    rig_open(r);
    rig_expect(r, "~ open\n> CONNECT 5 dev clean ka=60 will q0 gone= {1800000005} {2700000100}\n");
    rig_free(r);
}

static void terms_are_there_to_be_read(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.client_id = ELO_SPAN("");
    rig_begin(r);
    rig_open(r);
    rig_forget(r);
    connack(r, 0, false, ELO_SPAN("\x12\0\4$GEN\x22\0\x08\x24\1"));
    rig_expect(r, "* CONNECTED fresh\n");
    assert_true(elo_span_eq(m.terms.assigned_client_id, ELO_SPAN("$GEN")));
    assert_int_equal(m.terms.alias_maximum, 8);
    assert_int_equal(m.terms.maximum_qos, 1);
    rig_free(r);
}

static void refused_connects_have_reasons(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        elo_err reason;
    } cases[] = {
        {0x80, ELO_E_SERVER_REFUSED},
        {0x81, ELO_E_MALFORMED},
        {0x84, ELO_E_CONNACK_VERSION},
        {0x85, ELO_E_CONNACK_CLIENTID},
        {0x86, ELO_E_CONNACK_PASSWORD},
        {0x87, ELO_E_CONNACK_AUTH},
        {0x88, ELO_E_CONNACK_SERVER},
        {0x89, ELO_E_CONNACK_SERVER},
        {0x90, ELO_E_TOPIC},
        {0x97, ELO_E_QUOTA},
        {0x9B, ELO_E_UNSUPPORTED},
        {0x9F, ELO_E_QUOTA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig5();
        rig_begin(r);
        rig_open(r);
        rig_forget(r);
        connack(r, cases[i].code, false, ELO_SPAN("\x1f\0\3why"));
        char want[80];
        snprintf(want, sizeof want, "~ close\n* DISCONNECTED attempt %02x why\n", cases[i].code);
        rig_expect(r, want);
        assert_int_equal(r->reason, cases[i].reason);
        rig_free(r);
    }
}

static void the_server_says_goodbye(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        elo_err reason;
    } cases[] = {
        {0x00, ELO_E_SERVER_GONE}, {0x82, ELO_E_PROTOCOL},    {0x87, ELO_E_CONNACK_AUTH},
        {0x8B, ELO_E_SERVER_GONE}, {0x8D, ELO_E_KEEP_ALIVE},  {0x8E, ELO_E_TAKEN_OVER},
        {0x93, ELO_E_QUOTA},       {0x95, ELO_E_TOO_LARGE},   {0x98, ELO_E_SERVER_REFUSED},
        {0x9C, ELO_E_SERVER_GONE}, {0xA1, ELO_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig5();
        online(r, NONE);
        server_ends(r, cases[i].code, NONE);
        char want[80];
        snprintf(want, sizeof want,
                 cases[i].code != 0 ? "~ close\n* DISCONNECTED %02x \n"
                                    : "~ close\n* DISCONNECTED\n",
                 cases[i].code);
        rig_expect(r, want);
        assert_int_equal(r->reason, cases[i].reason);
        rig_pass(r, r->wait_ms);
        rig_open(r);
        rig_closed(r, ELO_E_TCP_CLOSED); /* and the next one tells nothing of the last */
        assert_null(strstr(r->log, "8e"));
        rig_free(r);
    }
}

static void a_disconnect_before_the_connack_is_an_error(void **state)
{
    (void)state;
    struct rig *r = rig5();
    rig_begin(r);
    rig_open(r);
    rig_forget(r);
    server_ends(r, 0x8B, NONE);
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
    r = rig_new(); /* and with 3.1.1 it always is */
    rig_online(r);
    rig_bytes(r, "\xe0\0", 2);
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
}

static void a_refused_message_is_not_sent_again(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.persistent = true;
    online(r, NONE);
    say(r, 1, "a", 7);
    say(r, 1, "b", 8);
    rig_expect(r, "> PUBLISH q1 #1 a=x\n> PUBLISH q1 #2 b=x\n");
    puback(r, 1, 0x87);
    puback(r, 2, 0x10);
    rig_expect(r, "* PUBLISHED 7 refused 87\n* PUBLISHED 8\n");
    assert_int_equal(elo_client_pending(&r->c), 0);
    again(r, true, NONE);
    rig_expect(r, "* CONNECTED resumed\n");
    puback(r, 1, 0x87); /* of nothing that we know */
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_expect(r, "* DISCONNECTED\n");
    rig_free(r);
}

static void nothing_is_repeated_on_one_connection(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.keep_alive_s = 0;
    online(r, NONE);
    say(r, 1, "a", 7);
    rig_subscribe(r, "f", 1);
    rig_forget(r);
    rig_pass(r, 34000);
    rig_expect(r, "");
    rig_pass(r, 2000);
    assert_int_equal(r->reason, ELO_E_ACK_TIMEOUT);
    rig_free(r);
}

static void the_servers_receive_maximum_narrows_the_window(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.persistent = true;
    online(r, ELO_SPAN("\x21\0\2"));
    for (uint32_t i = 1; i <= 4; i++) {
        say(r, 1, "a", i);
    }
    rig_expect(r, "> PUBLISH q1 #1 a=x\n> PUBLISH q1 #2 a=x\n");
    puback(r, 1, 0);
    rig_expect(r, "* PUBLISHED 1\n> PUBLISH q1 #3 a=x\n");
    /* A resumed session is sent again no faster than the new connection allows. */
    again(r, true, ELO_SPAN("\x21\0\1"));
    rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #2 dup a=x\n");
    puback(r, 2, 0);
    rig_expect(r, "* PUBLISHED 2\n> PUBLISH q1 #3 dup a=x\n");
    /* Without one the window is our own again. */
    again(r, true, NONE);
    rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #3 dup a=x\n> PUBLISH q1 #4 a=x\n");
    rig_free(r);
}

static void the_servers_keep_alive_replaces_ours(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, ELO_SPAN("\x13\0\x08")); /* 8 s: a ping after 7 */
    rig_pass(r, 6999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> PINGREQ\n");
    again(r, false, NONE);
    rig_forget(r);
    rig_pass(r, 52499);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> PINGREQ\n");
    rig_free(r);
}

static void what_is_too_large_for_the_server_is_not_sent(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, ELO_SPAN("\x27\0\0\0\x10")); /* 16 bytes: a PUBLISH QoS 1 of 'a' and 8 of payload */
    assert_int_equal(rig_say(r, 1, "a", "12345678", 1), ELO_OK);
    assert_int_equal(rig_say(r, 1, "a", "123456789", 2), ELO_E_TOO_LARGE);
    rig_expect(r, "> PUBLISH q1 #1 a=12345678\n");
    /* What was queued for a more generous server is told and forgotten. */
    again(r, true, NONE);
    rig_free(r);

    r = rig5();
    r->config.persistent = true;
    r->config.queue_qos0 = true;
    rig_begin(r);
    assert_int_equal(rig_say(r, 1, "a", "123456789", 5), ELO_OK);
    assert_int_equal(rig_say(r, 1, "a", "x", 6), ELO_OK);
    assert_int_equal(rig_say(r, 0, "a", "1234567890123", 7), ELO_OK);
    rig_open(r);
    rig_forget(r);
    connack(r, 0, false, ELO_SPAN("\x27\0\0\0\x10"));
    rig_expect(r, "* CONNECTED fresh\n* DROPPED large 1: 5-5\n* DROPPED large 1: 7-7\n"
                  "> PUBLISH q1 #1 a=x\n");
    rig_free(r);
}

static void what_the_server_cannot_do_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, ELO_SPAN("\x24\0\x25\0"));
    assert_int_equal(rig_say(r, 1, "a", "x", 1), ELO_E_UNSUPPORTED);
    struct elo_client_message kept = {.topic = ELO_SPAN("a"), .retain = true};
    assert_int_equal(elo_client_publish(&r->c, &kept), ELO_E_UNSUPPORTED);
    assert_int_equal(rig_say(r, 0, "a", "x", 1), ELO_OK);
    rig_free(r);
}

/* Queued before the server has said what it cannot do: sent, it would end each connection. */
static void what_the_server_cannot_do_does_not_wait(void **state)
{
    (void)state;
    struct rig *r = rig5();
    r->config.queue_qos0 = true;
    rig_begin(r);
    struct elo_client_message kept = {.topic = ELO_SPAN("a"), .retain = true, .token = 5};
    assert_int_equal(elo_client_publish(&r->c, &kept), ELO_OK);
    assert_int_equal(rig_say(r, 1, "a", "x", 6), ELO_OK);
    assert_int_equal(rig_say(r, 0, "a", "y", 7), ELO_OK);
    rig_open(r);
    rig_forget(r);
    connack(r, 0, false, ELO_SPAN("\x24\0\x25\0"));
    rig_expect(r, "* CONNECTED fresh\n* DROPPED unsupported 1: 5-5\n"
                  "* DROPPED unsupported 1: 6-6\n> PUBLISH q0 a=y\n");
    rig_free(r);
}

/* An alias makes a packet three bytes longer the first time. */
static void an_alias_does_not_make_it_too_large(void **state)
{
    (void)state;
    struct rig *r = rig5_with_aliases();
    online(r, ELO_SPAN("\x22\0\2\x27\0\0\0\x10"));
    assert_int_equal(rig_say(r, 1, "a", "12345678", 1), ELO_OK);
    rig_expect(r, "> PUBLISH q1 #1 a=12345678\n");
    puback(r, 1, 0);
    again(r, false, ELO_SPAN("\x22\0\2"));
    r->hold = RIG_NO_OUTPUT;
    assert_int_equal(rig_say(r, 1, "a", "12345678", 2), ELO_OK);
    r->hold = 0;
    again(r, false, ELO_SPAN("\x22\0\2\x27\0\0\0\x10"));
    rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #2 a=12345678\n");
    rig_free(r);
}

/* [MQTT5-3.2.2-15] is about all packets. */
static void subscriptions_keep_to_the_servers_maximum(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, ELO_SPAN("\x27\0\0\0\x10"));
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("one"), 1), ELO_OK);
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("two"), 1), ELO_OK);
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 one:1\n");
    suback(r, ELO_MQTT_SUBACK, 1, ELO_SPAN("\x01"));
    rig_expect(r, "* SUBSCRIBED one:1\n> SUBSCRIBE #2 two:1\n");
    rig_free(r);
}

static void properties_go_and_come(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, NONE);
    struct elo_client_message message = {.topic = ELO_SPAN("ask"),
                                         .payload = ELO_SPAN("?"),
                                         .qos = 1,
                                         .token = 1,
                                         .properties = ELO_SPAN("\x08\0\3ans\x09\0\1\x07")};
    assert_int_equal(elo_client_publish(&r->c, &message), ELO_OK);
    rig_serve(r);
    rig_expect(r, "> PUBLISH q1 #1 ask=? {080003616e7309000107}\n");
    comes(r, 1, 5, "ans", ELO_SPAN("\x09\0\1\x07\x26\0\1k\0\1v"));
    rig_expect(r, "* MESSAGE q1 ans=x {090001072600016b000176}\n> PUBACK #5\n");
    comes(r, 0, 0, "ans", NONE);
    rig_expect(r, "* MESSAGE q0 ans=x\n");
    rig_free(r);
}

static void subscriptions_and_their_reasons(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, NONE);
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("a"), 1), ELO_OK);
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("b"), 0), ELO_OK);
    assert_int_equal(rig_subscribe(r, "c", 1), ELO_OK);
    rig_expect(r, "> SUBSCRIBE #1 a:1 b:0 c:1\n");
    suback(r, ELO_MQTT_SUBACK, 1, ELO_SPAN("\x01\x87\x97"));
    rig_expect(r, "* SUBSCRIBED a:1\n* REFUSED b 87\n* REFUSED c 97\n");
    rig_unsubscribe(r, "a");
    rig_expect(r, "> UNSUBSCRIBE #2 a\n");
    suback(r, ELO_MQTT_UNSUBACK, 2, ELO_SPAN("\x11"));
    rig_expect(r, "* UNSUBSCRIBED a 11\n");
    rig_subscribe(r, "d", 1);
    rig_forget(r);
    suback(r, ELO_MQTT_SUBACK, 3, ELO_SPAN("\x02"));
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
}

static void a_refused_unsubscribe_is_told(void **state)
{
    (void)state;
    struct rig *r = rig5();
    online(r, NONE);
    rig_unsubscribe(r, "x");
    rig_forget(r);
    suback(r, ELO_MQTT_UNSUBACK, 1, ELO_SPAN("\x87"));
    rig_expect(r, "* UNSUBSCRIBED x 87\n");
    rig_unsubscribe(r, "y");
    rig_forget(r);
    suback(r, ELO_MQTT_UNSUBACK, 2, ELO_SPAN("\0\0")); /* one too many */
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
}

static void a_topic_is_sent_once(void **state)
{
    (void)state;
    struct rig *r = rig5_with_aliases();
    online(r, ELO_SPAN("\x22\0\2"));
    say(r, 0, "temp", 1);
    say(r, 0, "temp", 2);
    say(r, 1, "temp", 3);
    say(r, 0, "hum", 4);
    say(r, 1, "hum", 5);
    say(r, 0, "third", 6); /* the server takes two */
    say(r, 0, "too/long/", 7);
    rig_expect(r, "> PUBLISH q0 temp=x {230001}\n> PUBLISH q0 =x {230001}\n"
                  "> PUBLISH q1 #1 =x {230001}\n> PUBLISH q0 hum=x {230002}\n"
                  "> PUBLISH q1 #2 =x {230002}\n> PUBLISH q0 third=x\n"
                  "> PUBLISH q0 too/long/=x\n");
    puback(r, 1, 0);
    puback(r, 2, 0);
    rig_expect(r, "* PUBLISHED 3\n* PUBLISHED 5\n");
    assert_int_equal(elo_client_pending(&r->c), 0);
    rig_free(r);
}

static void aliases_end_with_their_connection(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk <= 3; chunk++) {
        struct rig *r = rig5_with_aliases();
        r->out_chunk = chunk;
        r->config.persistent = true;
        online(r, ELO_SPAN("\x22\0\2"));
        say(r, 1, "a", 1);
        say(r, 1, "a", 2);
        rig_expect(r, "> PUBLISH q1 #1 a=x {230001}\n> PUBLISH q1 #2 =x {230001}\n");
        again(r, true, ELO_SPAN("\x22\0\2"));
        rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #1 dup a=x {230001}\n"
                      "> PUBLISH q1 #2 dup =x {230001}\n");
        /* A server that takes none: they are taken out of the packets. */
        again(r, true, NONE);
        rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #1 dup a=x\n> PUBLISH q1 #2 dup a=x\n");
        puback(r, 1, 0);
        puback(r, 2, 0);
        assert_int_equal(elo_client_pending(&r->c), 0);
        rig_free(r);
    }
}

/* Around 127 bytes, where the lengths of packet and properties take one byte more or less. */
static void taking_an_alias_out_shortens_the_lengths(void **state)
{
    (void)state;
    static const uint8_t user[140] = {0x26, 0, 1, 'k', 0};
    for (uint8_t len = 100; len <= 132; len++) {
        uint8_t properties[140];
        memcpy(properties, user, sizeof properties);
        properties[5] = (uint8_t)(len - 6);
        memset(properties + 6, 'v', len - 6u);
        struct rig *r = rig5_with_aliases();
        rig_buffers(r, 256, 256, 1024, 2);
        r->config.persistent = true;
        online(r, ELO_SPAN("\x22\0\1"));
        r->hold = RIG_NO_OUTPUT;
        struct elo_client_message message = {.topic = ELO_SPAN("a"),
                                             .payload = ELO_SPAN("x"),
                                             .qos = 1,
                                             .token = len,
                                             .properties = elo_span_of(properties, len)};
        assert_int_equal(elo_client_publish(&r->c, &message), ELO_OK);
        say(r, 1, "b", 1);
        r->hold = 0;
        again(r, true, NONE);
        char want[600];
        size_t n =
            (size_t)snprintf(want, sizeof want, "* CONNECTED resumed\n> PUBLISH q1 #1 a=x {");
        for (size_t i = 0; i < len; i++) {
            n += (size_t)snprintf(want + n, sizeof want - n, "%02x", properties[i]);
        }
        snprintf(want + n, sizeof want - n, "}\n> PUBLISH q1 #2 b=x\n");
        rig_expect(r, want);
        rig_free(r);
    }
}

static void the_servers_aliases(void **state)
{
    (void)state;
    struct rig *r = rig5_with_aliases();
    online(r, NONE);
    comes(r, 0, 0, "t1", ELO_SPAN("\x23\0\1"));
    comes(r, 0, 0, "t2", ELO_SPAN("\x23\0\2"));
    comes(r, 0, 0, "", ELO_SPAN("\x23\0\1"));
    comes(r, 1, 4, "", ELO_SPAN("\x23\0\2"));
    comes(r, 0, 0, "t3", ELO_SPAN("\x23\0\1"));
    comes(r, 0, 0, "", ELO_SPAN("\x23\0\1"));
    rig_expect(r, "* MESSAGE q0 t1=x {230001}\n* MESSAGE q0 t2=x {230002}\n"
                  "* MESSAGE q0 t1=x {230001}\n* MESSAGE q1 t2=x {230002}\n> PUBACK #4\n"
                  "* MESSAGE q0 t3=x {230001}\n* MESSAGE q0 t3=x {230001}\n");
    again(r, true, NONE);
    rig_free(r);
}

static void aliases_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *first;
        uint8_t alias;
    } cases[] = {
        {NULL, 1},        /* never said */
        {NULL, 0},        /* not a number [MQTT5-3.3.2-8] */
        {NULL, 3},        /* over the maximum */
        {"too/long/", 1}, /* said, but there was no room to remember it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig5_with_aliases();
        online(r, NONE);
        uint8_t property[3] = {0x23, 0, cases[i].alias};
        if (cases[i].first != NULL) {
            comes(r, 0, 0, cases[i].first, elo_span_of(property, 3));
            rig_expect(r, "* MESSAGE q0 too/long/=x {230001}\n");
        }
        comes(r, 0, 0, "", elo_span_of(property, 3));
        assert_int_equal(r->reason, ELO_E_PROTOCOL);
        rig_free(r);
    }
    struct rig *r = rig5(); /* we said that we take none */
    online(r, NONE);
    comes(r, 0, 0, "a", ELO_SPAN("\x23\0\1"));
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
}

static void hostile_packets(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        elo_err reason;
    } cases[] = {
        {"\xf0\x02\x18\0", 4, ELO_E_MALFORMED},      /* AUTH, which we never asked for */
        {"\x40\x03\0\1\x92", 5, ELO_E_PROTOCOL},     /* PUBACK with a code of PUBREL */
        {"\x40\x04\0\1\0\1", 6, ELO_E_MALFORMED},    /* cut short */
        {"\x40\x82\0\0\1", 5, ELO_E_MALFORMED},      /* a length in too many bytes */
        {"\x30\x04\0\1a\1", 6, ELO_E_MALFORMED},     /* PUBLISH, properties over its end */
        {"\x30\x05\0\3a/#\0", 8, ELO_E_MALFORMED},   /* (its length is one short) */
        {"\x30\x06\0\3a/#\0", 8, ELO_E_TOPIC},       /* a wildcard */
        {"\x32\x06\0\1a\0\0\0", 8, ELO_E_MALFORMED}, /* id 0 */
        {"\x34\x06\0\1a\0\1\0", 8, ELO_E_PROTOCOL},  /* QoS 2 */
        {"\xb0\x02\0\1", 4, ELO_E_MALFORMED},        /* UNSUBACK of 3.1.1 */
        {"\x20\x03\0\0\0", 5, ELO_E_PROTOCOL},       /* a second CONNACK */
        {"\xd0\x01\0", 3, ELO_E_MALFORMED},          /* PINGRESP with a body */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig5_with_aliases();
        online(r, NONE);
        rig_bytes(r, cases[i].bytes, cases[i].len);
        if (r->reason != cases[i].reason) {
            fail_msg("case %zu: %d", i, r->reason);
        }
        rig_free(r);
    }
}

static void meanings_of_reason_codes(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x80; code++) {
        assert_int_equal(elo_mqtt5_error_of((uint8_t)code), ELO_OK);
    }
    for (unsigned code = 0x80; code <= 0xFF; code++) {
        assert_true(elo_mqtt5_error_of((uint8_t)code) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_connect_says_what_we_can_take),
        cmocka_unit_test(a_will_with_properties),
        cmocka_unit_test(terms_are_there_to_be_read),
        cmocka_unit_test(refused_connects_have_reasons),
        cmocka_unit_test(the_server_says_goodbye),
        cmocka_unit_test(a_disconnect_before_the_connack_is_an_error),
        cmocka_unit_test(a_refused_message_is_not_sent_again),
        cmocka_unit_test(nothing_is_repeated_on_one_connection),
        cmocka_unit_test(the_servers_receive_maximum_narrows_the_window),
        cmocka_unit_test(the_servers_keep_alive_replaces_ours),
        cmocka_unit_test(what_is_too_large_for_the_server_is_not_sent),
        cmocka_unit_test(what_the_server_cannot_do_is_refused),
        cmocka_unit_test(what_the_server_cannot_do_does_not_wait),
        cmocka_unit_test(an_alias_does_not_make_it_too_large),
        cmocka_unit_test(subscriptions_keep_to_the_servers_maximum),
        cmocka_unit_test(properties_go_and_come),
        cmocka_unit_test(subscriptions_and_their_reasons),
        cmocka_unit_test(a_refused_unsubscribe_is_told),
        cmocka_unit_test(a_topic_is_sent_once),
        cmocka_unit_test(aliases_end_with_their_connection),
        cmocka_unit_test(taking_an_alias_out_shortens_the_lengths),
        cmocka_unit_test(the_servers_aliases),
        cmocka_unit_test(aliases_that_are_none),
        cmocka_unit_test(hostile_packets),
        cmocka_unit_test(meanings_of_reason_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
