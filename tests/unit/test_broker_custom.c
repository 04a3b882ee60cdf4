// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Clients of a custom authorizer in time: the function is asked again, and the connection ends,
 * when its answer says ("Custom authentication", AWS IoT Developer Guide). What goes over the wire:
 * tests/wire/test_authorizer.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/auth/custom.h"
#include "server/registry/authorizers.h"
#include "tests/support/broker_peer.h"

#define TOPICS "\"arn:aws:iot:*:*:client/*\",\"arn:aws:iot:*:*:topic/"

static struct house house;
static struct desk desk;

static int open_desk(void **state)
{
    (void)state;
    const bool yes = true;
    const struct authorizer_change open = {
        .function_arn = ELO_SPAN("arn:aws:lambda:eu-west-1:123456789012:function:f"),
        .active = &yes,
        .signing_disabled = &yes};
    const struct authorizer_record *made;
    struct aws_fault fault;
    house_open(&house);
    assert_int_equal(
        registry_create_authorizer(house.registry, ELO_SPAN("Open"), &open, 0, &made, &fault),
        AWS_OK);
    assert_int_equal(
        registry_set_default_authorizer(house.registry, ELO_SPAN("Open"), &made, &fault), AWS_OK);
    desk_open(&desk, &house, NULL);
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    house_close(&house);
    return 0;
}

/* The function's answer to the call that waits; `topics`: which may be published. */
static void answer(bool authenticated, const char *topics, int disconnect_s, int refresh_s)
{
    char json[600];
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    snprintf(json, sizeof json,
             "{\"isAuthenticated\":%s,\"principalId\":\"Desk01\",\"disconnectAfterInSeconds\":%d,"
             "\"refreshAfterInSeconds\":%d,\"policyDocuments\":[{\"Version\":\"2012-10-17\","
             "\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":[" TOPICS
             "%s\"]}]}]}",
             authenticated ? "true" : "false", disconnect_s, refresh_s, topics);
    custom_call_done(call, ELO_OK, elo_span_str(json), NULL);
    desk_pump(&desk);
}

static struct peer *open_peer(void)
{
    const struct auth_peer facts = {.kind = AUTH_PEER_CUSTOM,
                                    .source_ip = ELO_SPAN("192.0.2.44"),
                                    .custom = custom_create(house.auth, NULL, ELO_SPAN("desk"))};
    assert_non_null(facts.custom);
    struct peer *p = peer_open_as(&desk, "p", &facts, ELO_OK);
    assert_non_null(p);
    return p;
}

/* A client that the function lets in. */
static struct peer *let_in(int disconnect_s, int refresh_s)
{
    struct peer *p = open_peer();
    peer_send(p, ELO_SPAN("\x10\x0f\0\4MQTT\4\2\x04\xb0\0\3p-1")); /* keep-alive 1200 */
    assert_null(peer_take(p));
    answer(true, "old/*", disconnect_s, refresh_s);
    const char *line = peer_take(p);
    assert_non_null(line);
    assert_string_equal(line, "CONNACK 0");
    return p;
}

/* A client of MQTT 5 whose CONNECT the function is asked about. */
static struct peer *asks5(void)
{
    struct peer *p = open_peer();
    peer_send(p, ELO_SPAN("\x10\x10\0\4MQTT\5\2\x04\xb0\0\0\3p-1"));
    assert_null(peer_take(p));
    return p;
}

/* Time passes for a client that pings. */
static void wait_s(struct peer *p, int64_t s)
{
    for (int64_t left = s; left > 0; left -= 600) {
        desk_wait(&desk, (left > 600 ? 600 : left) * 1000);
        if (!p->closed_by_broker) {
            peer_send(p, ELO_SPAN("\xc0\0"));
            peer_clear(p);
        }
    }
}

static void policies_are_refreshed(void **state)
{
    (void)state;
    struct peer *p = let_in(86400, 600);
    peer_publish(p, "old/1", "x", 0, 0);
    assert_false(p->closed_by_broker);
    wait_s(p, 599);
    assert_null(custom_next_call(house.auth));
    wait_s(p, 1);
    peer_publish(p, "old/1", "x", 0, 0); /* until the answer the old policies count */
    assert_false(p->closed_by_broker);
    answer(true, "new/*", 86400, 600);
    peer_publish(p, "new/1", "x", 0, 0);
    assert_false(p->closed_by_broker);
    wait_s(p, 600);
    answer(true, "new/*", 86400, 600); /* and so on */
    peer_publish(p, "old/1", "x", 0, 0);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_POLICY_PUBLISH);
}

/* Also for a topic so much used that its receivers are known by heart (broker/route.c). */
static void receiving_is_refreshed(void **state)
{
    (void)state;
    struct peer *p = let_in(86400, 600);
    wait_s(p, 600);
    answer(true, "old/*\",\"arn:aws:iot:*:*:topicfilter/*", 86400, 600);
    peer_subscribe(p, "old/1", 0);
    peer_clear(p);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            broker_publish(desk.broker, ELO_SPAN("old/1"), ELO_SPAN("x"), 0, false, desk.now),
            ELO_OK);
        desk_pump(&desk);
        const char *line = peer_take(p);
        assert_non_null(line);
        assert_string_equal(line, "PUBLISH old/1 x");
    }
    wait_s(p, 600);
    answer(true, "new/*", 86400, 600);
    assert_int_equal(
        broker_publish(desk.broker, ELO_SPAN("old/1"), ELO_SPAN("x"), 0, false, desk.now), ELO_OK);
    desk_pump(&desk);
    assert_null(peer_take(p));
    assert_false(p->closed_by_broker);
}

static void whoever_is_not_welcome_any_more_goes(void **state)
{
    (void)state;
    struct peer *p = let_in(86400, 300);
    wait_s(p, 300);
    answer(false, "old/*", 86400, 300);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_AUTHORIZER);
    assert_true(desk_logged(&desk, "AUTH_ERROR"));
}

/* The first answer's time counts; a later one cannot make the connection live longer. */
static void a_connection_lives_as_long_as_the_answer_says(void **state)
{
    (void)state;
    struct peer *p = let_in(900, 600);
    wait_s(p, 600);
    answer(true, "old/*", 86400, 86400);
    wait_s(p, 299);
    assert_false(p->closed_by_broker);
    wait_s(p, 1);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_LIFETIME);
    assert_true(desk_logged(&desk, "CUSTOMAUTH_TTL_EXPIRATION"));
}

/* Who leaves while the function is asked again: the answer comes for nobody. */
static void an_answer_for_nobody_is_thrown_away(void **state)
{
    (void)state;
    struct peer *p = let_in(86400, 300);
    wait_s(p, 300);
    peer_drop(p);
    assert_null(custom_next_call(house.auth));
}

/* "MQTT", Reason codes: 86 for credentials that are no good, 87 for anything else that refuses. */
static void refusals_have_codes_in_mqtt5(void **state)
{
    (void)state;
    struct peer *p = asks5();
    answer(false, "old/*", 86400, 300);
    const char *line = peer_take(p);
    assert_non_null(line);
    assert_int_equal(strncmp(line, "CONNACK 86", 10), 0);
    assert_int_equal(p->reason, ELO_E_AUTHORIZER);
    peer_forget(p);

    p = asks5();
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    custom_call_done(call, ELO_E_LAMBDA, elo_span_of(NULL, 0), "nobody there");
    desk_pump(&desk);
    line = peer_take(p);
    assert_non_null(line);
    assert_int_equal(strncmp(line, "CONNACK 87", 10), 0);
    assert_int_equal(p->reason, ELO_E_LAMBDA);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        T(policies_are_refreshed),
        T(receiving_is_refreshed),
        T(whoever_is_not_welcome_any_more_goes),
        T(a_connection_lives_as_long_as_the_answer_says),
        T(refusals_have_codes_in_mqtt5),
        T(an_answer_for_nobody_is_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
