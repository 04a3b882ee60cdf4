// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* Subscriptions: batching, results per filter, sessions kept and lost, changes of mind. */
#include "tests/support/client_rig.h"

static void sub(struct rig *r, const char *filter, uint8_t qos)
{
    assert_int_equal(elo_client_subscribe(&r->c, elo_span_str(filter), qos), ELO_OK);
}

static void unsub(struct rig *r, const char *filter)
{
    assert_int_equal(elo_client_unsubscribe(&r->c, elo_span_str(filter)), ELO_OK);
}

static void there_and_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a/+", 1);
    sub(r, "b/#", 0);
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 a/+:1 b/#:0\n");
    rig_suback(r, 1, "10");
    rig_expect(r, "* SUBSCRIBED a/+:1\n* SUBSCRIBED b/#:0\n");
    unsub(r, "a/+");
    rig_serve(r);
    rig_expect(r, "> UNSUBSCRIBE #2 a/+\n");
    rig_unsuback(r, 2);
    rig_expect(r, "* UNSUBSCRIBED a/+\n");
    rig_free(r);
}

static const char *const names[] = {"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8",
                                    "f9", "g0", "g1", "g2", "g3", "g4", "g5", "g6"};

/* AWS closes the connection for a ninth filter in one packet. */
static void eight_filters_a_packet(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    for (size_t i = 0; i < 17; i++) {
        sub(r, names[i], 1);
    }
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 f0:1 f1:1 f2:1 f3:1 f4:1 f5:1 f6:1 f7:1\n");
    rig_suback(r, 1, "11111111");
    rig_expect(r, "* SUBSCRIBED f0:1\n* SUBSCRIBED f1:1\n* SUBSCRIBED f2:1\n* SUBSCRIBED f3:1\n"
                  "* SUBSCRIBED f4:1\n* SUBSCRIBED f5:1\n* SUBSCRIBED f6:1\n* SUBSCRIBED f7:1\n"
                  "> SUBSCRIBE #2 f8:1 f9:1 g0:1 g1:1 g2:1 g3:1 g4:1 g5:1\n");
    rig_suback(r, 2, "11111111");
    rig_forget(r);
    rig_serve(r);
    rig_suback(r, 3, "1");
    rig_expect(r, "* SUBSCRIBED g6:1\n");
    for (size_t i = 0; i < 17; i++) {
        unsub(r, names[i]);
    }
    rig_serve(r);
    rig_expect(r, "> UNSUBSCRIBE #4 f0 f1 f2 f3 f4 f5 f6 f7\n");
    rig_free(r);
}

/* tx has room for two of them at a time. */
static void as_many_as_fit(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 27, 256, 8);
    rig_online(r);
    sub(r, "12345678901234567", 1);
    sub(r, "1234", 1);
    sub(r, "5678", 1);
    sub(r, "9012345", 1);
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("123456789012345678"), 1),
                     ELO_E_NO_SPACE);
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 12345678901234567:1\n");
    rig_suback(r, 1, "1");
    rig_expect(r, "* SUBSCRIBED 12345678901234567:1\n> SUBSCRIBE #2 1234:1 5678:1\n");
    rig_free(r);
}

/* Rather than send fewer, or half of one, a SUBSCRIBE waits until the PUBACKs are out. */
static void waits_for_room_in_tx(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 20, 256, 8);
    rig_online(r);
    r->hold = RIG_NO_OUTPUT;
    rig_publish(r, 1, 5, "t", "x");
    sub(r, "12345", 1);
    sub(r, "6789", 1);
    (void)elo_client_output_buf(&r->c);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "* MESSAGE q1 t=x\n> PUBACK #5\n> SUBSCRIBE #1 12345:1 6789:1\n");
    rig_free(r);
}

static void each_filter_has_its_own_result(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 256, 256, 3);
    rig_online(r);
    sub(r, "a", 1);
    sub(r, "no", 1);
    sub(r, "c", 1);
    assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("d"), 1), ELO_E_NO_SPACE);
    rig_serve(r);
    rig_forget(r);
    rig_suback(r, 1, "1x0");
    rig_expect(r, "* SUBSCRIBED a:1\n* REFUSED no\n* SUBSCRIBED c:0\n");
    sub(r, "d", 1); /* the refused one is forgotten */
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #2 d:1\n");
    rig_free(r);
}

static void answers_that_do_not_fit_the_question(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct rig *r = rig_new();
        rig_online(r);
        sub(r, "a", 1);
        sub(r, "b", 1);
        rig_serve(r);
        rig_forget(r);
        if (i == 0) {
            rig_suback(r, 1, "1");
        } else if (i == 1) {
            rig_suback(r, 1, "111");
        } else if (i == 2) {
            rig_unsuback(r, 1);
        } else {
            rig_suback(r, 1, "11");
            unsub(r, "a");
            rig_serve(r);
            rig_forget(r);
            rig_suback(r, 2, "1");
        }
        rig_expect(r, "~ close\n* DISCONNECTED\n");
        assert_int_equal(r->reason, ELO_E_PROTOCOL);
        rig_free(r);
    }
}

/* Device Advisor, "MQTT Subscribe Retry No Suback". */
/* The clock of an answer starts when the question is out, not when the engine was last told the
 * time: an idle connection may have slept since. */
static void waits_from_the_writing_on(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 1200;
    r->config.stable_ms = 1;
    rig_online(r);
    rig_pass(r, 10);
    r->now += 40000; /* nobody tells the engine */
    sub(r, "a", 1);
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_pass(r, 9999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_suback(r, 1, "1");
    rig_expect(r, "* SUBSCRIBED a:1\n");
    rig_free(r);
}

/* While a packet cannot go out its answer cannot be late; a dead line is the ping's to notice. */
static void a_packet_that_is_not_out_is_not_late(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 1200;
    rig_online(r);
    sub(r, "a", 1);
    assert_int_equal(elo_client_output_buf(&r->c).len, 8);
    elo_client_output_ack(&r->c, 3, r->now);
    r->hold = RIG_NO_OUTPUT;
    rig_pass(r, 36000);
    rig_expect(r, "");
    r->hold = 0;
    elo_client_output_ack(&r->c, 5, r->now);
    r->wire_len = 0;
    rig_serve(r);
    rig_expect(r, "");
    rig_pass(r, 10000);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_free(r);
}

/* Repetitions that could not be written are not made up for. */
static void missed_repetitions_are_gone(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 1200;
    r->config.ack_timeout_ms = 0;
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    rig_forget(r);
    r->hold = RIG_NO_OUTPUT;
    rig_pass(r, 65000);
    r->hold = 0;
    rig_pass(r, 0);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_pass(r, 4999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_free(r);
}

/* The filter of an unsubscribe need not outlive the call when the engine has it from before. */
static void unsubscribes_by_a_passing_name(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a/b", 1);
    rig_serve(r);
    rig_suback(r, 1, "1");
    rig_forget(r);
    char passing[] = "a/b";
    unsub(r, passing);
    memset(passing, '?', sizeof passing);
    rig_serve(r);
    rig_expect(r, "> UNSUBSCRIBE #2 a/b\n");
    rig_unsuback(r, 2);
    rig_expect(r, "* UNSUBSCRIBED a/b\n");
    rig_free(r);
}

/* [MQTT-3.8.4-6]: the server may grant less than we asked for, and we never ask for QoS 2. */
static void qos2_is_not_granted(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a", 1);
    sub(r, "b", 1);
    rig_serve(r);
    rig_forget(r);
    rig_suback(r, 1, "12");
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_PROTOCOL);
    rig_free(r);
}

static void repeats_and_gives_up(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    rig_forget(r);
    rig_pass(r, 9999);
    sub(r, "b", 1);
    rig_serve(r);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    rig_pass(r, 24999);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n> SUBSCRIBE #1 a:1\n");
    rig_pass(r, 1);
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_ACK_TIMEOUT);
    rig_again(r, false);
    rig_expect(r, "* CONNECTED fresh\n> SUBSCRIBE #2 a:1 b:1\n");
    rig_suback(r, 2, "11");
    rig_suback(r, 1, "1"); /* late */
    rig_expect(r, "* SUBSCRIBED a:1\n* SUBSCRIBED b:1\n");
    rig_free(r);
}

static void unsubscribe_is_repeated_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.ack_timeout_ms = 0;
    rig_online(r);
    unsub(r, "old");
    rig_serve(r);
    rig_expect(r, "> UNSUBSCRIBE #1 old\n");
    for (int i = 0; i < 300; i++) { /* more often than a byte can count */
        rig_pass(r, 10000);
        if (r->log_len > 25) {
            rig_pingresp(r);
        }
        assert_non_null(strstr(r->log, "> UNSUBSCRIBE #1 old\n"));
        rig_forget(r);
    }
    rig_free(r);
}

/* Device Advisor, "MQTT Persistent Session Happy Case": no second SUBSCRIBE. */
static void a_kept_session_is_not_subscribed_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    rig_suback(r, 1, "1");
    sub(r, "pending", 1);
    rig_serve(r);
    rig_closed(r, ELO_E_TCP_CLOSED);
    sub(r, "new", 0);
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> SUBSCRIBE #3 pending:1 new:0\n");
    rig_free(r);
}

/* Device Advisor, "MQTT Expired Persistent Session". */
/* The server lost the session and made a new one, but its CONNACK was lost on the way: the next one
 * says "session present", and means that new, empty session. */
static void a_lost_connack_may_hide_a_lost_session(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    sub(r, "a", 1);
    sub(r, "b", 1);
    rig_serve(r);
    rig_suback(r, 1, "11");
    rig_closed(r, ELO_E_TCP_CLOSED);
    unsub(r, "b");
    rig_pass(r, r->wait_ms);
    rig_open(r); /* the CONNECT is out, and nothing comes back */
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_pass(r, r->wait_ms);
    rig_closed(r, ELO_E_DNS); /* an attempt without a CONNECT changes nothing */
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> UNSUBSCRIBE #2 b\n");
    rig_unsuback(r, 2);
    rig_expect(r, "* UNSUBSCRIBED b\n> SUBSCRIBE #3 a:1\n");
    rig_suback(r, 3, "1");
    rig_expect(r, "* SUBSCRIBED a:1\n");
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n"); /* told in time, it is believed */
    rig_free(r);
}

/* The same when it is our side that had enough of waiting for the CONNACK. */
static void a_late_connack_may_hide_a_lost_session(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    rig_suback(r, 1, "1");
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_pass(r, r->wait_ms);
    rig_open(r);
    rig_pass(r, r->config.connack_timeout_ms);
    assert_int_equal(r->reason, ELO_E_CONNACK_TIMEOUT);
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> SUBSCRIBE #2 a:1\n");
    rig_free(r);
}

static void a_lost_session_is_subscribed_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    sub(r, "a", 1);
    sub(r, "b", 1);
    sub(r, "c", 0);
    rig_serve(r);
    rig_suback(r, 1, "110");
    rig_closed(r, ELO_E_TCP_CLOSED);
    unsub(r, "b");
    rig_again(r, false);
    rig_expect(r, "* CONNECTED fresh\n* UNSUBSCRIBED b\n> SUBSCRIBE #2 a:1 c:0\n");
    rig_suback(r, 2, "10");
    rig_expect(r, "* SUBSCRIBED a:1\n* SUBSCRIBED c:0\n");
    rig_free(r);
}

static void unsubscribed_offline_from_a_kept_session(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    rig_suback(r, 1, "1");
    rig_closed(r, ELO_E_TCP_CLOSED);
    unsub(r, "a");
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> UNSUBSCRIBE #2 a\n");
    rig_closed(r, ELO_E_TCP_CLOSED); /* before the UNSUBACK */
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> UNSUBSCRIBE #3 a\n");
    rig_unsuback(r, 3);
    rig_expect(r, "* UNSUBSCRIBED a\n");
    rig_free(r);
}

static void changes_of_mind(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a", 0);
    sub(r, "a", 1); /* before it was written: the last one counts */
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #1 a:1\n");
    unsub(r, "a"); /* while it is under way */
    rig_serve(r);
    rig_expect(r, "");
    rig_suback(r, 1, "1");
    rig_serve(r);
    rig_expect(r, "> UNSUBSCRIBE #2 a\n");
    sub(r, "a", 0);
    rig_serve(r);
    rig_unsuback(r, 2);
    rig_serve(r);
    rig_expect(r, "> SUBSCRIBE #3 a:0\n");
    rig_suback(r, 3, "0");
    rig_expect(r, "* SUBSCRIBED a:0\n");
    sub(r, "a", 1); /* a better quality for one that stands */
    rig_serve(r);
    rig_suback(r, 4, "1");
    rig_expect(r, "> SUBSCRIBE #4 a:1\n* SUBSCRIBED a:1\n");
    rig_free(r);
}

static void changes_of_mind_and_a_break(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    sub(r, "a", 1);
    rig_serve(r);
    unsub(r, "a");
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_again(r, false);
    rig_expect(r, "* CONNECTED fresh\n* UNSUBSCRIBED a\n");
    rig_free(r);
}

static void bad_filters(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 512, 64, 4);
    rig_online(r);
    static const struct {
        const char *filter;
        uint8_t qos;
        elo_err err;
    } cases[] = {
        {"", 0, ELO_E_TOPIC},
        {"a#", 0, ELO_E_TOPIC},
        {"#/a", 0, ELO_E_TOPIC},
        {"a+/b", 0, ELO_E_TOPIC},
        {"1/2/3/4/5/6/7/8/9", 0, ELO_E_TOPIC},
        {"$share/g/1/2/3/4/5/6/7/8/9", 0, ELO_E_TOPIC},
        {"$share/g/1/2/3/4/5/6/7/8", 0, ELO_OK},
        {"\xED\xA0\x80", 0, ELO_E_UTF8},
        {"$aws/things/t/#", 0, ELO_OK},
        {"$SYS/#", 0, ELO_E_TOPIC},
        {"$share/g", 0, ELO_E_TOPIC},
        {"a", 2, ELO_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        elo_span filter = elo_span_str(cases[i].filter);
        assert_int_equal(elo_client_subscribe(&r->c, filter, cases[i].qos), cases[i].err);
    }
    char name[258];
    memset(name, 'n', sizeof name);
    assert_int_equal(elo_client_subscribe(&r->c, elo_span_of(name, 256), 0), ELO_OK);
    assert_int_equal(elo_client_subscribe(&r->c, elo_span_of(name, 257), 0), ELO_E_TOPIC);
    assert_int_equal(elo_client_unsubscribe(&r->c, elo_span_of(name, 257)), ELO_E_TOPIC);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(eight_filters_a_packet),
        cmocka_unit_test(as_many_as_fit),
        cmocka_unit_test(waits_for_room_in_tx),
        cmocka_unit_test(each_filter_has_its_own_result),
        cmocka_unit_test(answers_that_do_not_fit_the_question),
        cmocka_unit_test(waits_from_the_writing_on),
        cmocka_unit_test(a_packet_that_is_not_out_is_not_late),
        cmocka_unit_test(missed_repetitions_are_gone),
        cmocka_unit_test(unsubscribes_by_a_passing_name),
        cmocka_unit_test(qos2_is_not_granted),
        cmocka_unit_test(repeats_and_gives_up),
        cmocka_unit_test(unsubscribe_is_repeated_too),
        cmocka_unit_test(a_kept_session_is_not_subscribed_again),
        cmocka_unit_test(a_lost_connack_may_hide_a_lost_session),
        cmocka_unit_test(a_late_connack_may_hide_a_lost_session),
        cmocka_unit_test(a_lost_session_is_subscribed_again),
        cmocka_unit_test(unsubscribed_offline_from_a_kept_session),
        cmocka_unit_test(changes_of_mind),
        cmocka_unit_test(changes_of_mind_and_a_break),
        cmocka_unit_test(bad_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
