// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/* Publishing: the window, acknowledgements, repetition, sessions kept and lost, a full outbox. */
#include "tests/support/client_rig.h"

/* Room for so many messages "a=x", QoS 1. */
#define ROOM(n) ((n) * (ELO_CLIENT_MESSAGE_OVERHEAD + 2 + 3 + 2 + 1))

static struct rig *with_outbox(elo_client_policy policy, size_t outbox)
{
    struct rig *r = rig_new();
    rig_buffers(r, 256, 256, outbox, 4);
    r->config.policy = policy;
    return r;
}

static void say(struct rig *r, uint8_t qos, const char *payload, uint32_t token)
{
    assert_int_equal(rig_say(r, qos, "a", payload, token), ELO_OK);
}

static void both_qualities(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    say(r, 0, "zero", 1);
    say(r, 1, "one", 2);
    rig_expect(r, "> PUBLISH q0 a=zero\n> PUBLISH q1 #1 a=one\n");
    rig_puback(r, 1);
    rig_expect(r, "* PUBLISHED 2\n");
    rig_puback(r, 1);
    rig_expect(r, "");
    assert_int_equal(elo_client_pending(&r->c), 0);
    rig_free(r);
}

static void retain_and_empty_payload(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    struct elo_client_message m = {.topic = ELO_SPAN("a/b"), .qos = 1, .retain = true};
    assert_int_equal(elo_client_publish(&r->c, &m), ELO_OK);
    rig_serve(r);
    rig_expect(r, "> PUBLISH q1 #1 retain a/b=\n");
    rig_free(r);
}

static void what_aws_would_refuse(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_buffers(r, 256, 256, 1024, 1);
    rig_online(r);
    char name[301];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_int_equal(rig_say(r, 0, name, "", 0), ELO_OK);
    name[256] = 'n';
    name[257] = '\0';
    assert_int_equal(rig_say(r, 0, name, "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "1/2/3/4/5/6/7/8", "", 0), ELO_OK);
    assert_int_equal(rig_say(r, 0, "1/2/3/4/5/6/7/8/9", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "$aws/rules/r/1/2/3/4/5/6/7/8", "", 0), ELO_OK);
    assert_int_equal(rig_say(r, 0, "$aws/rules/r/1/2/3/4/5/6/7/8/9", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "$aws/things/t/shadow/get", "", 0), ELO_OK);
    assert_int_equal(rig_say(r, 0, "$SYS/broker", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "$", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "$share/group/a", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "a/+", "", 0), ELO_E_TOPIC);
    assert_int_equal(rig_say(r, 0, "\xC0\x80", "", 0), ELO_E_UTF8);
    assert_int_equal(rig_say(r, 2, "a", "", 0), ELO_E_UNSUPPORTED);
    struct elo_client_message big = {.topic = ELO_SPAN("a"),
                                     .payload = elo_span_of(name, 131073)}; /* never read */
    assert_int_equal(elo_client_publish(&r->c, &big), ELO_E_TOO_LARGE);
    rig_free(r);
}

static void other_servers_may_allow_more(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.aws_limits = false;
    rig_online(r);
    assert_int_equal(rig_say(r, 0, "1/2/3/4/5/6/7/8/9", "", 0), ELO_OK);
    assert_int_equal(rig_say(r, 0, "$SYS/broker", "", 0), ELO_OK);
    assert_int_equal(rig_say(r, 2, "a", "", 0), ELO_E_UNSUPPORTED);
    rig_free(r);
}

static void the_window_holds_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.window = 2;
    rig_online(r);
    for (uint32_t i = 1; i <= 5; i++) {
        say(r, 1, "x", i);
    }
    rig_expect(r, "> PUBLISH q1 #1 a=x\n> PUBLISH q1 #2 a=x\n");
    rig_puback(r, 2); /* in any order, AWS promises none */
    rig_expect(r, "* PUBLISHED 2\n> PUBLISH q1 #3 a=x\n");
    rig_puback(r, 1);
    rig_puback(r, 3);
    rig_expect(r, "* PUBLISHED 1\n> PUBLISH q1 #4 a=x\n* PUBLISHED 3\n> PUBLISH q1 #5 a=x\n");
    rig_free(r);
}

/* Device Advisor, "MQTT Publish Retry No Puback": same packet id, same connection. */
static void repeats_on_the_same_connection(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    say(r, 1, "x", 1);
    rig_pass(r, 3000);
    say(r, 1, "y", 2);
    rig_forget(r);
    rig_pass(r, 7000);
    rig_expect(r, "> PUBLISH q1 #1 dup a=x\n");
    rig_pass(r, 3000);
    rig_expect(r, "> PUBLISH q1 #2 dup a=y\n");
    rig_puback(r, 1);
    rig_puback(r, 2);
    rig_puback(r, 1); /* the answers to both sendings */
    rig_expect(r, "* PUBLISHED 1\n* PUBLISHED 2\n");
    rig_free(r);
}

/* Repetitions that could not be written are not made up for: after a minute's stall one copy is
 * enough. */
static void missed_repetitions_are_gone(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.keep_alive_s = 1200;
    r->config.ack_timeout_ms = 0;
    rig_online(r);
    assert_int_equal(rig_say(r, 1, "a", "x", 1), ELO_OK);
    rig_forget(r);
    r->hold = RIG_NO_OUTPUT;
    rig_pass(r, 65000);
    r->hold = 0;
    rig_pass(r, 0);
    rig_expect(r, "> PUBLISH q1 #1 dup a=x\n");
    rig_pass(r, 4999);
    rig_expect(r, "");
    rig_pass(r, 1);
    rig_expect(r, "> PUBLISH q1 #1 dup a=x\n");
    rig_free(r);
}

static void gives_up_a_peer_that_never_acknowledges(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.retry_ms = 0;
    rig_online(r);
    say(r, 1, "x", 1);
    rig_forget(r);
    for (int i = 0; i < 35; i++) { /* busy all the time, and pings are answered */
        rig_expect(r, "");
        rig_pass(r, 1000);
    }
    rig_expect(r, "~ close\n* DISCONNECTED\n");
    assert_int_equal(r->reason, ELO_E_ACK_TIMEOUT);
    rig_free(r);
}

static void a_resumed_session_repeats_in_order(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->config.persistent = true;
    r->config.window = 3;
    rig_online(r);
    for (uint32_t i = 1; i <= 5; i++) {
        char text[2] = {(char)('0' + i), '\0'};
        say(r, 1, text, i);
    }
    rig_puback(r, 2);
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #1 dup a=1\n> PUBLISH q1 #3 dup a=3\n"
                  "> PUBLISH q1 #4 dup a=4\n");
    rig_puback(r, 1);
    rig_expect(r, "* PUBLISHED 1\n> PUBLISH q1 #5 a=5\n");
    rig_free(r);
}

static void a_lost_session_publishes_anew(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    say(r, 1, "1", 1);
    say(r, 1, "2", 2);
    rig_puback(r, 1);
    rig_closed(r, ELO_E_TCP_CLOSED);
    say(r, 1, "3", 3);
    rig_again(r, false);
    rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #3 a=2\n> PUBLISH q1 #4 a=3\n");
    rig_free(r);
}

static void offline_qos0_as_configured(void **state)
{
    (void)state;
    for (int queue = 0; queue <= 1; queue++) {
        struct rig *r = rig_new();
        r->config.queue_qos0 = queue == 1;
        rig_begin(r);
        assert_int_equal(rig_say(r, 0, "a", "0", 1), queue ? ELO_OK : ELO_E_NOT_CONNECTED);
        say(r, 1, "1", 2);
        rig_open(r);
        rig_forget(r);
        rig_connack(r, ELO_MQTT_ACCEPTED, false);
        rig_expect(r, queue ? "* CONNECTED fresh\n> PUBLISH q0 a=0\n> PUBLISH q1 #1 a=1\n"
                            : "* CONNECTED fresh\n> PUBLISH q1 #1 a=1\n");
        rig_free(r);
    }
}

static void refuse(void **state)
{
    (void)state;
    struct rig *r = with_outbox(ELO_CLIENT_REFUSE, ROOM(2));
    rig_begin(r);
    say(r, 1, "1", 1);
    assert_int_equal(elo_client_room(&r->c), ROOM(1));
    say(r, 1, "2", 2);
    assert_int_equal(rig_say(r, 1, "a", "3", 3), ELO_E_OUTBOX_FULL);
    rig_open(r);
    rig_forget(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #1 a=1\n> PUBLISH q1 #2 a=2\n");
    rig_free(r);
}

static void drop_newest(void **state)
{
    (void)state;
    struct rig *r = with_outbox(ELO_CLIENT_DROP_NEWEST, ROOM(2));
    rig_begin(r);
    rig_forget(r);
    say(r, 1, "1", 1);
    say(r, 1, "2", 2);
    say(r, 1, "3", 3);
    rig_expect(r, "* DROPPED new 1: 3-3\n");
    r->hold = RIG_NO_EVENTS;
    say(r, 1, "4", 4);
    say(r, 1, "5", 5);
    r->hold = 0;
    rig_serve(r);
    rig_expect(r, "* DROPPED new 2: 4-5\n");
    rig_open(r);
    rig_forget(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #1 a=1\n> PUBLISH q1 #2 a=2\n");
    rig_free(r);
}

static void drop_oldest(void **state)
{
    (void)state;
    struct rig *r = with_outbox(ELO_CLIENT_DROP_OLDEST, ROOM(3));
    rig_begin(r);
    rig_forget(r);
    say(r, 1, "1", 1);
    say(r, 1, "2", 2);
    say(r, 1, "3", 3);
    say(r, 1, "4", 4);
    rig_expect(r, "* DROPPED old 1: 1-1\n");
    say(r, 1, "55", 5); /* one byte more: two have to go */
    rig_expect(r, "* DROPPED old 2: 2-3\n");
    rig_open(r);
    rig_forget(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "* CONNECTED fresh\n> PUBLISH q1 #1 a=4\n> PUBLISH q1 #2 a=55\n");
    rig_free(r);
}

static void drop_oldest_spares_what_is_on_its_way(void **state)
{
    (void)state;
    struct rig *r = with_outbox(ELO_CLIENT_DROP_OLDEST, ROOM(3));
    r->config.window = 2;
    r->config.persistent = true;
    rig_online(r);
    say(r, 1, "1", 1);
    say(r, 1, "2", 2);
    say(r, 1, "3", 3);
    rig_forget(r);
    say(r, 1, "4", 4);
    rig_expect(r, "* DROPPED old 1: 3-3\n");
    assert_int_equal(rig_say(r, 1, "a", "55", 5), ELO_E_OUTBOX_FULL);
    rig_expect(r, ""); /* dropping 4 would not have been enough, so it stays */
    rig_closed(r, ELO_E_TCP_CLOSED);
    rig_forget(r);
    say(r, 1, "66", 6); /* offline the oldest of all may go */
    rig_expect(r, "* DROPPED old 2: 1-2\n");
    rig_again(r, true);
    rig_expect(r, "* CONNECTED resumed\n> PUBLISH q1 #3 a=4\n> PUBLISH q1 #4 a=66\n");
    rig_free(r);
}

static void larger_than_the_outbox(void **state)
{
    (void)state;
    for (int policy = ELO_CLIENT_REFUSE; policy <= ELO_CLIENT_DROP_OLDEST; policy++) {
        struct rig *r = with_outbox((elo_client_policy)policy, ROOM(1));
        rig_begin(r);
        say(r, 1, "1", 1);
        rig_forget(r);
        assert_int_equal(rig_say(r, 1, "a", "22", 2), ELO_E_TOO_LARGE);
        rig_expect(r, "");
        assert_int_equal(elo_client_pending(&r->c), 1);
        rig_free(r);
    }
}

static void no_outbox_no_publishing(void **state)
{
    (void)state;
    struct rig *r = with_outbox(ELO_CLIENT_DROP_OLDEST, 0);
    rig_online(r);
    assert_int_equal(rig_say(r, 0, "a", "x", 1), ELO_E_TOO_LARGE);
    rig_publish(r, 1, 9, "b", "y");
    rig_expect(r, "* MESSAGE q1 b=y\n> PUBACK #9\n");
    rig_free(r);
}

/* An answer from inside the event, straight out of the buffers the event points into. */
static void echo(struct rig *r, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_MESSAGE) {
        struct elo_client_message m = {
            .topic = ELO_SPAN("echo"), .payload = e->u.message.payload, .qos = 1};
        assert_int_equal(elo_client_publish(&r->c, &m), ELO_OK);
        assert_int_equal(elo_client_subscribe(&r->c, ELO_SPAN("more"), 0), ELO_OK);
        rig_note(r, "  still %.*s=%.*s\n", RIG_TEXT(e->u.message.topic),
                 RIG_TEXT(e->u.message.payload));
    }
}

static void publishing_from_inside_an_event(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->on_event = echo;
    rig_online(r);
    rig_publish(r, 1, 7, "in", "what you said");
    rig_expect(r, "* MESSAGE q1 in=what you said\n  still in=what you said\n> PUBACK #7\n"
                  "> SUBSCRIBE #1 more:0\n> PUBLISH q1 #2 echo=what you said\n");
    rig_free(r);
}

/* stop, and what was not acknowledged goes out with the next start. */
static void the_outbox_outlives_a_stop(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    rig_online(r);
    say(r, 1, "x", 1);
    elo_client_stop(&r->c, r->now);
    rig_serve(r);
    rig_forget(r);
    assert_int_equal(elo_client_pending(&r->c), 1);
    elo_client_start(&r->c, r->now);
    rig_serve(r);
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    rig_expect(r, "~ open\n> CONNECT dev clean ka=60\n* CONNECTED fresh\n> PUBLISH q1 #2 a=x\n");
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_qualities),
        cmocka_unit_test(retain_and_empty_payload),
        cmocka_unit_test(what_aws_would_refuse),
        cmocka_unit_test(other_servers_may_allow_more),
        cmocka_unit_test(the_window_holds_back),
        cmocka_unit_test(repeats_on_the_same_connection),
        cmocka_unit_test(missed_repetitions_are_gone),
        cmocka_unit_test(gives_up_a_peer_that_never_acknowledges),
        cmocka_unit_test(a_resumed_session_repeats_in_order),
        cmocka_unit_test(a_lost_session_publishes_anew),
        cmocka_unit_test(offline_qos0_as_configured),
        cmocka_unit_test(refuse),
        cmocka_unit_test(drop_newest),
        cmocka_unit_test(drop_oldest),
        cmocka_unit_test(drop_oldest_spares_what_is_on_its_way),
        cmocka_unit_test(larger_than_the_outbox),
        cmocka_unit_test(no_outbox_no_publishing),
        cmocka_unit_test(publishing_from_inside_an_event),
        cmocka_unit_test(the_outbox_outlives_a_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
