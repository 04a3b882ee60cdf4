// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* From start to stop: connecting, keep-alive, why a connection ended, and coming back. */
#include "tests/support/client_rig.h"
#include "tests/support/dies.h"

static void connects_and_says_goodbye(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    rig_expect(r, "~ open\n");
    rig_open(r);
    rig_expect(r, "> CONNECT dev clean ka=60\n");
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "* CONNECTED fresh\n");
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "> DISCONNECT\n~ close\n* DISCONNECTED for good\n");
    assert_int_equal(r->reason, ELO_OK);
    rig_pass(r, 1000000);
    rig_expect(r, "");
    elo_client_start(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "~ open\n");
    rig_free(r);
}

static void connect_carries_will_and_credentials(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    r->config.keep_alive_s = 1200;
    r->config.username = ELO_SPAN("?SDK=elo");
    r->config.password = ELO_SPAN("pw");
    r->config.has_will = true;
    r->config.will.topic = ELO_SPAN("gone");
    r->config.will.payload = ELO_SPAN("dev");
    r->config.will.qos = 1;
    r->config.will.retain = true;
    rig_begin(r);
    rig_open(r);
    rig_expect(r, "~ open\n> CONNECT dev persistent ka=1200 will q1 retain gone=dev user=?SDK=elo "
                  "password=pw\n");
    rig_free(r);
}

/* "The client must not send anything before the CONNACK": AWS closes. */
static void nothing_precedes_the_connack(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.queue_qos0 = true;
    rig_begin(r);
    assert_int_equal(rig_say(r, 1, "a", "early", 1), ELO_OK);
    assert_int_equal(rig_say(r, 0, "a", "early too", 2), ELO_OK);
    assert_int_equal(rig_subscribe(r, "s", 1), ELO_OK);
    rig_open(r);
    rig_expect(r, "~ open\n> CONNECT dev clean ka=60\n");
    rig_pass(r, 9999);
    rig_expect(r, "");
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "~ close\n* DISCONNECTED attempt for good\n");
    rig_free(r);
}

static void no_connack_in_time(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    rig_open(r);
    rig_forget(r);
    rig_pass(r, 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED attempt\n");
    assert_int_equal(r->reason, ELO_E_CONNACK_TIMEOUT);
    rig_free(r);
}

static void refusals_have_names_and_are_retried(void **state)
{
    (void)state;
    static const struct {
        uint8_t code;
        elo_err reason;
        bool slow;
    } cases[] = {
        {ELO_MQTT_REFUSED_VERSION, ELO_E_CONNACK_VERSION, true},
        {ELO_MQTT_REFUSED_CLIENT_ID, ELO_E_CONNACK_CLIENTID, true},
        {ELO_MQTT_REFUSED_SERVER, ELO_E_CONNACK_SERVER, false},
        {ELO_MQTT_REFUSED_PASSWORD, ELO_E_CONNACK_PASSWORD, true},
        {ELO_MQTT_REFUSED_AUTHORIZED, ELO_E_CONNACK_AUTH, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig_new();
        rig_begin(r);
        rig_open(r);
        rig_forget(r);
        rig_connack(r, cases[i].code, false);
        rig_expect(r, "~ close\n* DISCONNECTED attempt\n");
        assert_int_equal(r->reason, cases[i].reason);
        assert_int_equal(r->wait_ms, cases[i].slow ? 31000 : 1000);
        rig_pass(r, r->wait_ms - 1);
        rig_expect(r, "");
        rig_pass(r, 1);
        rig_expect(r, "~ open\n");
        rig_free(r);
    }
}

static void hostile_answers_to_connect(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        elo_err reason;
    } cases[] = {
        {"\x20\x02\x00\x06", 4, ELO_E_MALFORMED},     /* reserved return code */
        {"\x20\x02\x01\x05", 4, ELO_E_MALFORMED},     /* refused but session present */
        {"\x20\x02\x01\x00", 4, ELO_E_PROTOCOL},      /* a session never asked for */
        {"\x20\x03\x00\x00\x00", 5, ELO_E_MALFORMED}, /* too long */
        {"\x20\xFF\xFF\xFF\x7F", 5, ELO_E_TOO_LARGE}, /* 256 MiB of CONNACK */
        {"\x20\xFF\xFF\xFF\xFF", 5, ELO_E_MALFORMED}, /* a length of five bytes */
        {"\x30\x05\x00\x01"
         "ax",
         6, ELO_E_PROTOCOL},                                   /* PUBLISH first */
        {"\xD0\x00", 2, ELO_E_PROTOCOL},                       /* PINGRESP first */
        {"\x10\x00", 2, ELO_E_PROTOCOL},                       /* a server's CONNECT */
        {"HTTP/1.1 400 Bad Request\r\n", 26, ELO_E_MALFORMED}, /* not MQTT at all */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig_new();
        rig_begin(r);
        rig_open(r);
        rig_forget(r);
        rig_bytes(r, cases[i].bytes, cases[i].len);
        rig_expect(r, "~ close\n* DISCONNECTED attempt\n");
        assert_int_equal(r->reason, cases[i].reason);
        rig_free(r);
    }
}

static void hostile_packets_when_connected(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        elo_err reason;
    } cases[] = {
        {"\x20\x02\x00\x00", 4, ELO_E_PROTOCOL}, /* a second CONNACK */
        {"\x34\x06\x00\x01"
         "a\x00\x01"
         "x",
         8, ELO_E_PROTOCOL},                         /* QoS 2 */
        {"\x34\xFF\xFF\xFF\x7F", 5, ELO_E_PROTOCOL}, /* QoS 2 and huge */
        {"\x50\x02\x00\x01", 4, ELO_E_PROTOCOL},     /* PUBREC */
        {"\x62\x02\x00\x01", 4, ELO_E_PROTOCOL},     /* PUBREL */
        {"\x70\x02\x00\x01", 4, ELO_E_PROTOCOL},     /* PUBCOMP */
        {"\x82\x06\x00\x01\x00\x01"
         "a\x00",
         8, ELO_E_PROTOCOL},                          /* SUBSCRIBE */
        {"\xC0\x00", 2, ELO_E_PROTOCOL},              /* PINGREQ */
        {"\xE0\x00", 2, ELO_E_PROTOCOL},              /* DISCONNECT */
        {"\x40\x02\x00\x00", 4, ELO_E_MALFORMED},     /* PUBACK 0 */
        {"\x90\x81\x04\x00\x01", 5, ELO_E_TOO_LARGE}, /* SUBACK larger than rx */
        {"\x30\x05\x00\x02"
         "+/x",
         7, ELO_E_TOPIC}, /* a wildcard as a topic */
        {"\x30\x04\x00\x09"
         "ab",
         6, ELO_E_MALFORMED},                         /* topic beyond the packet */
        {"\x30\x05\x00\x02\xC0\x80x", 7, ELO_E_UTF8}, /* overlong NUL */
        {"\xF0\x00", 2, ELO_E_MALFORMED},             /* AUTH is MQTT 5 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *r = rig_new();
        rig_online(r);
        rig_bytes(r, cases[i].bytes, cases[i].len);
        rig_expect(r, "~ close\n* DISCONNECTED\n");
        assert_int_equal(r->reason, cases[i].reason);
        rig_free(r);
    }
}

static void harmless_strays_are_ignored(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    rig_pingresp(r);
    rig_puback(r, 77);
    rig_suback(r, 77, "1");
    rig_unsuback(r, 77);
    rig_expect(r, "");
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_ONLINE);
    rig_free(r);
}

static void owners_reasons_pass_through(void **state)
{
    (void)state;
    static const elo_err reasons[] = {
        ELO_E_DNS,         ELO_E_TCP_REFUSED, ELO_E_TCP_TIMEOUT, ELO_E_CLOCK,   ELO_E_ROOT,
        ELO_E_SERVER_NAME, ELO_E_TLS_ALERT,   ELO_E_ALPN,        ELO_E_NETWORK, ELO_E_TCP_CLOSED};
    struct rig *r = rig_new();
    rig_begin(r);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        rig_forget(r);
        rig_closed(r, reasons[i]);
        rig_expect(r, "* DISCONNECTED attempt\n");
        assert_int_equal(r->reason, reasons[i]);
        rig_pass(r, r->wait_ms);
        rig_expect(r, "~ open\n");
    }
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_closed(r, ELO_E_NETWORK);
    assert_int_equal(r->reason, ELO_E_NETWORK);
    rig_free(r);
}

static void closed_instead_of_connack(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    rig_open(r);
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->reason, ELO_E_CLOSED_AFTER_CONNECT);
    rig_free(r);
}

static elo_err closed_after(struct rig *r, uint32_t ms)
{
    rig_pass(r, ms);
    rig_closed(r, ELO_E_TCP_CLOSED);
    elo_err reason = r->reason;
    rig_free(r);
    return reason;
}

static struct rig *online(void)
{
    struct rig *r = rig_new();
    rig_online(r);
    return r;
}

static void closed_after_publish_or_subscribe(void **state)
{
    (void)state;
    struct rig *r = online();
    assert_int_equal(rig_say(r, 1, "secret", "x", 1), ELO_OK);
    assert_int_equal(closed_after(r, 5000), ELO_E_CLOSED_AFTER_PUBLISH);

    r = online();
    assert_int_equal(rig_say(r, 1, "secret", "x", 1), ELO_OK);
    assert_int_equal(closed_after(r, 5001), ELO_E_TCP_CLOSED);

    r = online();
    assert_int_equal(rig_say(r, 1, "fine", "x", 1), ELO_OK);
    rig_puback(r, 1);
    assert_int_equal(closed_after(r, 10), ELO_E_TCP_CLOSED);

    r = online();
    assert_int_equal(rig_say(r, 0, "secret", "x", 1), ELO_OK);
    assert_int_equal(closed_after(r, 2000), ELO_E_CLOSED_AFTER_PUBLISH);

    r = online();
    assert_int_equal(rig_say(r, 0, "fine", "x", 1), ELO_OK);
    assert_int_equal(closed_after(r, 2001), ELO_E_TCP_CLOSED);

    r = online();
    assert_int_equal(rig_say(r, 0, "fine", "x", 1), ELO_OK);
    rig_publish(r, 0, 0, "other", "x");
    assert_int_equal(closed_after(r, 10), ELO_E_TCP_CLOSED);

    r = online();
    assert_int_equal(rig_subscribe(r, "secret", 1), ELO_OK);
    assert_int_equal(closed_after(r, 5000), ELO_E_CLOSED_AFTER_SUBSCRIBE);

    r = online();
    assert_int_equal(rig_subscribe(r, "fine", 1), ELO_OK);
    rig_suback(r, 1, "1");
    assert_int_equal(closed_after(r, 10), ELO_E_TCP_CLOSED);
}

/* The server reads in order, so the first one without an answer is the culprit. */
static void the_first_unanswered_is_to_blame(void **state)
{
    (void)state;
    struct rig *r = online();
    assert_int_equal(rig_say(r, 1, "secret", "x", 1), ELO_OK);
    rig_pass(r, 5);
    assert_int_equal(rig_subscribe(r, "fine", 1), ELO_OK);
    assert_int_equal(closed_after(r, 5), ELO_E_CLOSED_AFTER_PUBLISH);

    r = online();
    assert_int_equal(rig_subscribe(r, "secret", 1), ELO_OK);
    rig_pass(r, 5);
    assert_int_equal(rig_say(r, 1, "fine", "x", 1), ELO_OK);
    assert_int_equal(closed_after(r, 5), ELO_E_CLOSED_AFTER_SUBSCRIBE);
}

static void a_twin_shows_by_the_third_time(void **state)
{
    (void)state;
    struct rig *r = online();
    for (int i = 1; i <= 4; i++) {
        rig_pass(r, 20000);
        rig_closed(r, ELO_E_TCP_CLOSED);
        assert_int_equal(r->reason, i < 3 ? ELO_E_TCP_CLOSED : ELO_E_CLIENTID_TAKEN);
        rig_again(r, false);
    }
    rig_pass(r, 40000);
    rig_pingresp(r); /* keeps it alive until it is stable */
    rig_pass(r, 50000);
    rig_pingresp(r);
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->reason, ELO_E_TCP_CLOSED);
    rig_free(r);
}

static void a_new_start_forgets_the_twin(void **state)
{
    (void)state;
    struct rig *r = online();
    for (int i = 0; i < 3; i++) {
        rig_closed(r, ELO_E_TCP_CLOSED);
        rig_again(r, false);
    }
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    elo_client_start(&r->c, r->now);
    rig_serve(r);
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->reason, ELO_E_TCP_CLOSED);
    assert_int_equal(r->wait_ms, 1000);
    rig_free(r);
}

/* A radio that comes and goes is no twin. */
static void only_the_peers_closes_count_for_a_twin(void **state)
{
    (void)state;
    struct rig *r = online();
    for (int i = 0; i < 5; i++) {
        rig_closed(r, ELO_E_NETWORK);
        rig_again(r, false);
    }
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->reason, ELO_E_TCP_CLOSED);
    rig_free(r);
}

/* Device Advisor, "MQTT Reconnect Backoff Retries On Unstable Connection". */
static void backoff_grows_until_a_connection_is_stable(void **state)
{
    (void)state;
    struct rig *r = online();
    uint32_t expected[] = {1500, 2500, 4500, 8500, 16500, 32500, 60500, 60500};
    uint32_t range[] = {1001, 2001, 4001, 8001, 16001, 32001, 60001, 60001};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        r->random = expected[i] - 1000 + 7 * range[i];
        rig_pass(r, 30000);
        rig_closed(r, ELO_E_TCP_CLOSED);
        assert_int_equal(r->wait_ms, expected[i]);
        rig_again(r, false);
    }
    rig_pass(r, 60000); /* a PINGREQ at 52.5 s */
    rig_pingresp(r);
    rig_pass(r, 29999);
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->wait_ms, 1000 + r->random % 60001); /* 89,999 ms are not enough */
    rig_again(r, false);
    rig_pass(r, 60000);
    rig_pingresp(r);
    rig_pass(r, 30000);
    rig_closed(r, ELO_E_TCP_CLOSED);
    assert_int_equal(r->wait_ms, 1000 + r->random % 1001);
    rig_free(r);
}

static void stop_in_every_state(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r); /* OPENING */
    rig_forget(r);
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_STOPPED);
    elo_client_transport_open(&r->c, r->now); /* too late */
    assert_int_equal(elo_client_wants(&r->c), ELO_CLIENT_WANTS_CLOSED);
    elo_client_transport_closed(&r->c, ELO_OK, r->now);
    rig_serve(r);
    rig_expect(r, "");
    elo_client_start(&r->c, r->now);
    elo_client_start(&r->c, r->now);
    rig_serve(r);
    rig_closed(r, ELO_E_DNS); /* WAITING */
    rig_expect(r, "~ open\n* DISCONNECTED attempt\n");
    elo_client_stop(&r->c, r->now);
    elo_client_stop(&r->c, r->now);
    rig_pass(r, 100000);
    rig_expect(r, "");
    rig_free(r);
}

static void stop_and_start_while_closing(void **state)
{
    (void)state;
    struct rig *r = online();
    elo_client_stop(&r->c, r->now);
    elo_client_start(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "> DISCONNECT\n~ close\n* DISCONNECTED\n");
    rig_pass(r, r->wait_ms);
    rig_expect(r, "~ open\n");
    rig_free(r);
}

/* A line that takes nothing any more cannot hold up the goodbye. */
static void stop_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct rig *r = online();
    r->hold = RIG_NO_OUTPUT;
    elo_client_stop(&r->c, r->now);
    rig_pass(r, 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED for good\n");
    rig_free(r);
}

static void the_peer_hangs_up_first(void **state)
{
    (void)state;
    struct rig *r = online();
    r->hold = RIG_NO_OUTPUT;
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_expect(r, "* DISCONNECTED for good\n");
    assert_int_equal(r->reason, ELO_OK);
    rig_free(r);
}

/* [MQTT-3.14.4-2]; and a packet that has begun must end, or the DISCONNECT would be its payload. */
static void disconnect_comes_last_and_between_packets(void **state)
{
    (void)state;
    struct rig *r = online();
    r->hold = RIG_NO_OUTPUT;
    assert_int_equal(rig_say(r, 1, "a", "half out", 1), ELO_OK);
    assert_int_equal(rig_say(r, 1, "a", "not begun", 2), ELO_OK);
    elo_span out = elo_client_output_buf(&r->c);
    memcpy(r->wire, out.ptr, 3);
    r->wire_len = 3;
    elo_client_output_ack(&r->c, 3, r->now);
    elo_client_stop(&r->c, r->now);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "> PUBLISH q1 #1 a=half out\n> DISCONNECT\n~ close\n* DISCONNECTED for good\n");
    assert_int_equal(elo_client_pending(&r->c), 2);
    rig_free(r);
}

static void retry_now_skips_the_wait(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    rig_closed(r, ELO_E_NETWORK);
    rig_forget(r);
    elo_client_retry_now(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "~ open\n");
    elo_client_retry_now(&r->c, r->now);
    rig_serve(r);
    rig_expect(r, "");
    rig_free(r);
}

static void pings_when_silent(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_pass(r, 52499);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> PINGREQ\n");
    rig_pass(r, 9999);
    rig_pingresp(r);
    rig_expect(r, "");
    rig_pass(r, 52500 - 9999);
    rig_expect(r, "> PINGREQ\n");
    rig_pass(r, 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

static void a_new_connection_owes_no_old_pingresp(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_pass(r, 52500);
    rig_expect(r, "> PINGREQ\n");
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_again(r, false);
    rig_expect(r, "* CONNECTED fresh\n");
    rig_pass(r, 52499);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> PINGREQ\n");
    rig_free(r);
}

/* QoS 0 all the time keeps the server content, but only a PINGRESP tells us that it is there. */
static void pings_although_it_talks(void **state)
{
    (void)state;
    struct rig *r = online();
    for (int i = 0; i < 52; i++) {
        rig_pass(r, 1000);
        assert_int_equal(rig_say(r, 0, "a", "x", 1), ELO_OK);
    }
    rig_forget(r);
    rig_pass(r, 500);
    rig_expect(r, "> PINGREQ\n");
    for (int i = 0; i < 9; i++) {
        rig_pass(r, 1000);
        assert_int_equal(rig_say(r, 0, "a", "x", 1), ELO_OK);
    }
    rig_forget(r);
    rig_pass(r, 1000);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

/* And it listens all the time: the server wants to hear from us [MQTT-3.1.2-23]. */
static void pings_although_it_hears(void **state)
{
    (void)state;
    struct rig *r = online();
    for (int i = 0; i < 52; i++) {
        rig_pass(r, 1000);
        rig_publish(r, 0, 0, "a", "x");
    }
    rig_forget(r);
    rig_pass(r, 500);
    rig_expect(r, "> PINGREQ\n");
    rig_free(r);
}

/* What was written before the question has been read when the answer is there. */
static void an_owner_may_ask_for_a_pong(void **state)
{
    (void)state;
    struct rig *r = online();
    assert_int_equal(rig_say(r, 0, "a", "x", 0), ELO_OK);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_OK);
    rig_serve(r);
    rig_expect(r, "> PUBLISH q0 a=x\n> PINGREQ\n");
    rig_pingresp(r);
    rig_expect(r, "* PONG\n");
    rig_pass(r, 52500); /* a ping of the engine's own is not told */
    rig_pingresp(r);
    rig_expect(r, "> PINGREQ\n");
    rig_free(r);
}

/* The answer to an earlier PINGREQ says nothing about what was written after that. */
static void a_pong_is_for_the_ping_asked_for(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_pass(r, 52500);
    rig_expect(r, "> PINGREQ\n");
    assert_int_equal(rig_say(r, 0, "a", "x", 0), ELO_OK);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_OK);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_OK); /* one answer for both */
    rig_serve(r);
    rig_expect(r, "> PUBLISH q0 a=x\n");
    rig_pingresp(r);
    rig_expect(r, "> PINGREQ\n");
    rig_pingresp(r);
    rig_expect(r, "* PONG\n");
    rig_pingresp(r); /* a stray */
    rig_expect(r, "");
    rig_free(r);
}

static void a_ping_needs_a_connection(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_begin(r);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_E_NOT_CONNECTED);
    rig_open(r);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_E_NOT_CONNECTED);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_OK);
    rig_serve(r);
    rig_forget(r);
    rig_pass(r, r->config.ping_timeout_ms); /* not answered: the same as for our own */
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_again(r, false); /* and forgotten with the connection */
    rig_forget(r);
    rig_pingresp(r);
    rig_expect(r, "");
    rig_free(r);
}

/* Without keep-alive the engine does not ask, but who asks is answered or told. */
static void a_ping_needs_no_keep_alive(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 0;
    rig_online(r);
    assert_int_equal(elo_client_ping(&r->c, r->now), ELO_OK);
    rig_serve(r);
    rig_pass(r, r->config.ping_timeout_ms - 1);
    rig_expect(r, "> PINGREQ\n");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

static void a_stuck_line_is_noticed(void **state)
{
    (void)state;
    struct rig *r = online();
    r->hold = RIG_NO_OUTPUT;
    assert_int_equal(rig_say(r, 1, "a", "x", 1), ELO_OK);
    rig_pass(r, 52500 + 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

/* A PINGREQ has to queue behind the packet that is just going out: as long as that moves, the
 * answer is not late. */
static void a_slow_large_upload_is_not_a_dead_peer(void **state)
{
    (void)state;
    struct rig *r = online();
    char payload[101];
    memset(payload, 'x', sizeof payload - 1);
    payload[100] = '\0';
    r->hold = RIG_NO_OUTPUT;
    assert_int_equal(rig_say(r, 1, "a", payload, 1), ELO_OK);
    for (int i = 0; i < 80; i++) {
        rig_pass(r, 1000);
        assert_true(elo_client_output_buf(&r->c).len > 1);
        elo_client_output_ack(&r->c, 1, r->now);
    }
    rig_expect(r, "");
    rig_pass(r, 9999); /* it stands still */
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

/* A PINGRESP has to queue behind the packet that is just coming in. */
static void a_slow_large_packet_is_not_a_dead_peer(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_pass(r, 52500);
    rig_expect(r, "> PINGREQ\n");
    rig_bytes(r,
              "\x30\xC8\x01\x00\x01"
              "a",
              6);
    for (int i = 0; i < 197; i++) {
        rig_pass(r, 1000);
        rig_bytes(r, ".", 1);
    }
    rig_pingresp(r);
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_ONLINE);
    rig_free(r);
}

static void a_packet_that_never_ends_is_a_dead_peer(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_bytes(r,
              "\x30\xC8\x01\x00\x01"
              "a",
              6);
    rig_pass(r, 52500 + 9999);
    rig_expect(r, "> PINGREQ\n");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

static void no_keep_alive_no_ping(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 0;
    rig_online(r);
    rig_pass(r, 90000); /* stable */
    uint32_t at;
    assert_false(elo_client_next_deadline(&r->c, &at));
    rig_pass(r, 1000000000);
    rig_expect(r, "");
    rig_free(r);
}

static void bad_configs_are_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct elo_client_config *f = &r->config;
    char long_id[129];
    memset(long_id, 'x', sizeof long_id);

    f->client_id = elo_span_of(long_id, 129);
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_TOO_LARGE);
    f->client_id = elo_span_of(long_id, 128);
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->tx_size = 12 + 2 + 128;
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_NO_SPACE);
    f->tx_size++;
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->client_id = ELO_SPAN("$dev");
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UNSUPPORTED);
    f->client_id = ELO_SPAN("\xFF");
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UTF8);
    f->client_id = ELO_SPAN("");
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->persistent = true;
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UNSUPPORTED);
    f->client_id = ELO_SPAN("dev");
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->password = ELO_SPAN("pw");
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UNSUPPORTED);
    f->username = ELO_SPAN("\xFF");
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UTF8);
    f->username = ELO_SPAN("user");
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->rx_size = ELO_CLIENT_MIN_RX - 1;
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_NO_SPACE);
    f->rx_size = ELO_CLIENT_MIN_RX;
    f->has_will = true;
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_TOPIC);
    f->will.topic = ELO_SPAN("a/+");
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_TOPIC);
    f->will.topic = ELO_SPAN("a");
    f->will.qos = 2;
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_UNSUPPORTED);
    f->will.qos = 1;
    assert_int_equal(elo_client_init(&r->c, f), ELO_OK);
    f->will.payload = elo_span_of(long_id, 65536); /* never read */
    assert_int_equal(elo_client_init(&r->c, f), ELO_E_TOO_LARGE);
    rig_free(r);
}

/* A deadline is compared by subtraction, so it must never be half of all time away; after a tick it
 * is later than now, whatever the config. */
static void deadlines_lie_ahead_but_not_too_far(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.backoff_base_ms = INT32_MAX;
    r->config.backoff_cap_ms = INT32_MAX;
    r->config.backoff_floor_ms = INT32_MAX;
    r->random = INT32_MAX - 1;
    rig_begin(r);
    rig_closed(r, ELO_E_DNS);
    assert_int_equal(r->wait_ms, 2u * INT32_MAX - 1);
    uint32_t at = 0;
    for (uint32_t slept = 0; slept < r->wait_ms;) {
        assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_WAITING);
        assert_true(elo_client_next_deadline(&r->c, &at));
        assert_true((int32_t)(at - r->now) > 0);
        slept += at - r->now;
        r->now = at;
        elo_client_tick(&r->c, r->now);
    }
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_OPENING);
    rig_free(r);
}

/* An owner who is slow to read has the PINGRESP behind much that he has not looked at. */
static void a_busy_line_is_not_a_dead_peer(void **state)
{
    (void)state;
    struct rig *r = online();
    rig_pass(r, 52500);
    rig_forget(r);
    for (int i = 0; i < 30; i++) {
        rig_pass(r, 1000);
        rig_publish(r, 0, 0, "a", "x");
    }
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_ONLINE);
    rig_forget(r);
    rig_pass(r, 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PING_TIMEOUT);
    rig_free(r);
}

static void init_config(const void *config)
{
    struct elo_client c;
    assert_int_equal(elo_client_init(&c, config), ELO_OK);
}

/* With as many messages in flight as there are packet ids, the search for a free one never ends. */
static void the_window_has_bounds(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.window = ELO_CLIENT_MAX_WINDOW;
    assert_int_equal(elo_client_init(&r->c, &r->config), ELO_OK);
    r->config.window++;
    assert_true(dies(init_config, &r->config));
    r->config.window = 0;
    assert_true(dies(init_config, &r->config));
    rig_free(r);
}

/* The whole story again, with the clock passing 2^32 in the middle of each of its waits. */
static void the_day_the_clock_wraps(void **state)
{
    (void)state;
    static const uint32_t before[] = {0, 1, 500, 9000, 20000, 52500, 60000, 89000, 95000};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct rig *r = rig_new();
        r->now = UINT32_MAX - before[i];
        rig_online(r);
        rig_pass(r, 52499);
        rig_expect(r, "");
        rig_pass(r, 1);
        rig_expect(r, "> PINGREQ\n");
        rig_pingresp(r);
        rig_pass(r, 37500); /* stable */
        assert_int_equal(rig_say(r, 1, "a", "x", 1), ELO_OK);
        rig_expect(r, "> PUBLISH q1 #1 a=x\n");
        rig_pass(r, 9999);
        rig_expect(r, "");
        rig_pass(r, 1);
        rig_expect(r, "> PUBLISH q1 #1 dup a=x\n");
        rig_pass(r, 5000);
        rig_expect(r, "> PINGREQ\n");
        rig_pingresp(r);
        rig_pass(r, 19999);
        rig_expect(r, "> PUBLISH q1 #1 dup a=x\n> PUBLISH q1 #1 dup a=x\n");
        rig_pass(r, 1);
        rig_expect(r, "~ close\n* DISCONNECTED\n");
        assert_int_equal(r->reason, ELO_E_ACK_TIMEOUT);
        assert_int_equal(r->wait_ms, 1000);
        rig_again(r, false);
        rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #2 a=x\n");
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_says_goodbye),
        cmocka_unit_test(connect_carries_will_and_credentials),
        cmocka_unit_test(nothing_precedes_the_connack),
        cmocka_unit_test(no_connack_in_time),
        cmocka_unit_test(refusals_have_names_and_are_retried),
        cmocka_unit_test(hostile_answers_to_connect),
        cmocka_unit_test(hostile_packets_when_connected),
        cmocka_unit_test(harmless_strays_are_ignored),
        cmocka_unit_test(owners_reasons_pass_through),
        cmocka_unit_test(closed_instead_of_connack),
        cmocka_unit_test(closed_after_publish_or_subscribe),
        cmocka_unit_test(the_first_unanswered_is_to_blame),
        cmocka_unit_test(a_twin_shows_by_the_third_time),
        cmocka_unit_test(a_new_start_forgets_the_twin),
        cmocka_unit_test(only_the_peers_closes_count_for_a_twin),
        cmocka_unit_test(backoff_grows_until_a_connection_is_stable),
        cmocka_unit_test(stop_in_every_state),
        cmocka_unit_test(stop_and_start_while_closing),
        cmocka_unit_test(stop_does_not_wait_for_ever),
        cmocka_unit_test(the_peer_hangs_up_first),
        cmocka_unit_test(disconnect_comes_last_and_between_packets),
        cmocka_unit_test(retry_now_skips_the_wait),
        cmocka_unit_test(pings_when_silent),
        cmocka_unit_test(a_new_connection_owes_no_old_pingresp),
        cmocka_unit_test(pings_although_it_talks),
        cmocka_unit_test(pings_although_it_hears),
        cmocka_unit_test(an_owner_may_ask_for_a_pong),
        cmocka_unit_test(a_pong_is_for_the_ping_asked_for),
        cmocka_unit_test(a_ping_needs_a_connection),
        cmocka_unit_test(a_ping_needs_no_keep_alive),
        cmocka_unit_test(a_stuck_line_is_noticed),
        cmocka_unit_test(a_slow_large_upload_is_not_a_dead_peer),
        cmocka_unit_test(a_slow_large_packet_is_not_a_dead_peer),
        cmocka_unit_test(a_packet_that_never_ends_is_a_dead_peer),
        cmocka_unit_test(no_keep_alive_no_ping),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(the_window_has_bounds),
        cmocka_unit_test(deadlines_lie_ahead_but_not_too_far),
        cmocka_unit_test(a_busy_line_is_not_a_dead_peer),
        cmocka_unit_test(the_day_the_clock_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
