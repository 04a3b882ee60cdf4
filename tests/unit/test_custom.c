// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Custom authorizers without a network: the event that a function gets, what it may answer, and
 * time - policies that are refreshed, connections that end when the answer has said ("Custom
 * authentication", AWS IoT Developer Guide). Over the wire: tests/wire/test_authorizer.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo/mqtt/encode.h"
#include "server/auth/custom.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "tests/support/broker_peer.h"

#define POLICY(topic)                                                                              \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"                 \
    "[\"iot:Connect\"],\"Resource\":\"*\"},{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\","     \
    "\"iot:Subscribe\",\"iot:Receive\"],\"Resource\":\"arn:aws:iot:eu-west-1:111122223333:"        \
    "topic*/" topic "\"}]}"
#define YES(members) "{\"isAuthenticated\":true,\"principalId\":\"Desk01\"" members "}"
#define GRANT(topic, disconnect, refresh)                                                          \
    YES(",\"disconnectAfterInSeconds\":" disconnect ",\"refreshAfterInSeconds\":" refresh          \
        ",\"policyDocuments\":[" POLICY(topic) "]")

static struct house house;
static struct desk desk;

static int open_house(void **state)
{
    (void)state;
    struct aws_fault fault;
    const struct authorizer_record *made;
    const bool yes = true;
    const struct authorizer_change door = {
        .function_arn = ELO_SPAN("arn:aws:lambda:eu-west-1:111122223333:function:door"),
        .active = &yes,
        .signing_disabled = &yes};
    house_open(&house);
    elo_span name = ELO_SPAN("Door");
    assert_int_equal(registry_create_authorizer(house.registry, name, &door, 0, &made, &fault),
                     AWS_OK);
    assert_int_equal(registry_set_default_authorizer(house.registry, name, &made, &fault), AWS_OK);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

static int open_desk(void **state)
{
    (void)state;
    desk_open(&desk, &house, NULL);
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    assert_null(custom_next_call(house.auth));
    return 0;
}

/* A client by the ALPN name "mqtt", with `http` as if by WebSocket, after its CONNECT. */
static struct peer *
come(const char *client_id, uint8_t level, const struct sigv4_request *http, const char *username)
{
    struct auth_peer who = {.kind = AUTH_PEER_CUSTOM, .source_ip = ELO_SPAN("192.0.2.9")};
    who.custom = custom_create(house.auth, http, ELO_SPAN("desk.local"));
    assert_non_null(who.custom);
    struct peer *p = peer_open_as(&desk, client_id, &who, ELO_OK);
    assert_non_null(p);
    const struct elo_mqtt_connect connect = {.level = level,
                                             .clean_session = true,
                                             .keep_alive_s = 1200,
                                             .client_id = elo_span_str(client_id),
                                             .has_username = username != NULL,
                                             .username = elo_span_str(username ? username : ""),
                                             .has_password = username != NULL,
                                             .password = ELO_SPAN("\x01secret\xff")};
    uint8_t packet[300];
    size_t len;
    elo_span none = elo_span_of(NULL, 0);
    elo_err err = level == ELO_MQTT_5
                      ? elo_mqtt5_encode_connect(&connect, none, packet, sizeof packet, &len)
                      : elo_mqtt_encode_connect(&connect, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    return p;
}

static void answer(const char *json)
{
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    custom_call_done(call, ELO_OK, elo_span_str(json), NULL);
    desk_pump(&desk);
}

static struct peer *enter(const char *client_id, uint8_t level, const char *json)
{
    struct peer *p = come(client_id, level, NULL, NULL);
    answer(json);
    const char *line = peer_take(p);
    assert_non_null(line);
    assert_string_equal(line,
                        level == ELO_MQTT_5 ? "CONNACK 0 server_keep_alive=1200" : "CONNACK 0");
    return p;
}

static void wait_s(int64_t seconds)
{
    desk_wait(&desk, seconds * 1000);
}

/* So long that no keep-alive ends it. */
static void wait_awake(struct peer *p, int64_t seconds)
{
    for (; seconds > 600; seconds -= 600) {
        wait_s(600);
        peer_send(p, ELO_SPAN("\xc0\0"));
    }
    wait_s(seconds);
    peer_clear(p);
}

static void expect_closed(const struct peer *p, elo_err why)
{
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, why);
}

/* --- the event ----------------------------------------------------------------------------------
 */

/* The connection's UUID is taken out, and checked to be one. */
static void expect_event(const struct custom *call, const char *wanted)
{
    elo_span event = custom_call_event(call);
    char text[2048];
    static const char mark[] = "\"id\":\"";
    assert_true(event.len < sizeof text);
    memcpy(text, event.ptr, event.len);
    text[event.len] = '\0';
    char *id = strstr(text, mark);
    assert_non_null(id);
    id += strlen(mark);
    assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
    memmove(id, id + 36, strlen(id + 36) + 1);
    assert_string_equal(text, wanted);
}

static void the_event_of_a_connect(void **state)
{
    (void)state;
    struct peer *p = come("lamp \"1\"", ELO_MQTT_3_1_1, NULL, "me?x=1");
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    expect_event(call, "{\"signatureVerified\":false,\"protocols\":[\"tls\",\"mqtt\"],"
                       "\"protocolData\":{\"tls\":{\"serverName\":\"desk.local\"},\"mqtt\":{"
                       "\"username\":\"me?x=1\",\"password\":\"AXNlY3JldP8=\",\"clientId\":"
                       "\"lamp \\\"1\\\"\"}},\"connectionMetadata\":{\"id\":\"\"}}");
    assert_true(elo_span_eq(custom_call_function(call),
                            ELO_SPAN("arn:aws:lambda:eu-west-1:111122223333:function:door")));
    peer_drop(p); /* it does not wait: the answer concerns nobody any more */
    custom_call_done(call, ELO_OK, ELO_SPAN(YES("")), NULL);
}

static void the_event_of_a_websocket(void **state)
{
    (void)state;
    const struct sigv4_header headers[] = {{ELO_SPAN("Host"), ELO_SPAN("desk.local")},
                                           {ELO_SPAN("X-Odd"), ELO_SPAN("\xff")},
                                           {ELO_SPAN("X-Empty"), ELO_SPAN("")}};
    const struct sigv4_request http = {.method = ELO_SPAN("GET"),
                                       .path = ELO_SPAN("/mqtt"),
                                       .query = ELO_SPAN("a=%20b&c"),
                                       .headers = headers,
                                       .header_count = 3};
    struct peer *p = come("lamp", ELO_MQTT_5, &http, NULL);
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    expect_event(call, "{\"signatureVerified\":false,\"protocols\":[\"tls\",\"http\",\"mqtt\"],"
                       "\"protocolData\":{\"tls\":{\"serverName\":\"desk.local\"},\"http\":{"
                       "\"headers\":{\"host\":\"desk.local\",\"x-empty\":\"\"},\"queryString\":"
                       "\"?a=%20b&c\"},\"mqtt\":{\"clientId\":\"lamp\"}},"
                       "\"connectionMetadata\":{\"id\":\"\"}}");
    custom_call_done(call, ELO_E_LAMBDA, elo_span_of(NULL, 0), "it is out");
    desk_pump(&desk);
    assert_string_equal(peer_take(p), "CONNACK 87 reason");
    expect_closed(p, ELO_E_LAMBDA);
    assert_true(desk_logged(&desk, "it is out"));
}

static void only_so_many_are_asked_at_once(void **state)
{
    (void)state;
    struct custom *calls[LIMIT_CUSTOM_CALLS];
    for (unsigned i = 0; i < LIMIT_CUSTOM_CALLS; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        (void)come(name, ELO_MQTT_3_1_1, NULL, NULL);
        calls[i] = custom_next_call(house.auth);
        assert_non_null(calls[i]);
    }
    struct peer *p = come("late", ELO_MQTT_3_1_1, NULL, NULL);
    expect_closed(p, ELO_E_QUOTA);
    for (unsigned i = 0; i < LIMIT_CUSTOM_CALLS; i++) {
        custom_call_done(calls[i], ELO_OK, ELO_SPAN("{}"), NULL);
    }
    desk_pump(&desk);
    assert_false(enter("later", ELO_MQTT_3_1_1, GRANT("a", "300", "300"))->closed_by_broker);
}

/* --- the answer ---------------------------------------------------------------------------------
 */

#define X16  "aaaaaaaaaaaaaaaa"
#define X128 X16 X16 X16 X16 X16 X16 X16 X16
#define P1   POLICY("a")
#define P5   P1 "," P1 "," P1 "," P1 "," P1

static const struct {
    const char *json;
    elo_err err;
    const char *why; /* a part of it */
} answers[] = {
    {YES(""), ELO_OK, NULL},
    {" { \"principalId\" : \"a\" , \"isAuthenticated\" : true } ", ELO_OK, NULL},
    {"{\"isAuthenticated\":true,\"principalId\":\"" X128 "\"}", ELO_OK, NULL},
    {"{\"isAuthenticated\":true,\"principalId\":\"" X128 "a\"}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":true,\"principalId\":\"\"}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":true,\"principalId\":\"a b\"}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":true,\"principalId\":\"a\\u0000\"}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":true,\"principalId\":\"\\u0061\"}", ELO_OK, NULL},
    {"{\"isAuthenticated\":true,\"principalId\":7}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":true}", ELO_E_LAMBDA, "1 to 128"},
    {"{\"isAuthenticated\":false}", ELO_E_AUTHORIZER, "not authenticated"},
    {"{\"isAuthenticated\":\"true\",\"principalId\":\"a\"}", ELO_E_LAMBDA, "true or false"},
    {"{\"principalId\":\"a\"}", ELO_E_LAMBDA, "true or false"},
    {"[]", ELO_E_LAMBDA, "no JSON object"},
    {"", ELO_E_LAMBDA, "no JSON object"},
    {"null", ELO_E_LAMBDA, "no JSON object"},
    {YES("") "x", ELO_E_LAMBDA, "no JSON object"},
    {YES(",\"context\":{\"a\":[1,{}]},\"more\":[]"), ELO_OK, NULL},
    {YES(",\"refreshAfterInSeconds\":300,\"disconnectAfterInSeconds\":86400"), ELO_OK, NULL},
    {YES(",\"refreshAfterInSeconds\":86400,\"disconnectAfterInSeconds\":300"), ELO_OK, NULL},
    {YES(",\"refreshAfterInSeconds\":299"), ELO_E_LAMBDA, "refreshAfterInSeconds"},
    {YES(",\"refreshAfterInSeconds\":86401"), ELO_E_LAMBDA, "refreshAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":299"), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":86401"), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":300.5"), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":\"300\""), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":-300"), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":null"), ELO_E_LAMBDA, "disconnectAfterInSeconds"},
    {YES(",\"disconnectAfterInSeconds\":99999999999999999999"), ELO_E_LAMBDA, "disconnectAfter"},
    {YES(",\"policyDocuments\":null"), ELO_OK, NULL},
    {YES(",\"policyDocuments\":[]"), ELO_OK, NULL},
    {YES(",\"policyDocuments\":{}"), ELO_E_LAMBDA, "no array"},
    {YES(",\"policyDocuments\":\"[]\""), ELO_E_LAMBDA, "no array"},
    {YES(",\"policyDocuments\":[7]"), ELO_E_LAMBDA, "neither an object nor a string"},
    {YES(",\"policyDocuments\":[[]]"), ELO_E_LAMBDA, "neither an object nor a string"},
    {YES(",\"policyDocuments\":[\"\"]"), ELO_E_LAMBDA, "policy document 1"},
    {YES(",\"policyDocuments\":[" P1 ",{}]"), ELO_E_LAMBDA, "policy document 2"},
    {YES(",\"policyDocuments\":[" P5 "," P5 "]"), ELO_OK, NULL},
    {YES(",\"policyDocuments\":[" P5 "," P5 "," P1 "]"), ELO_E_LAMBDA, "more than 10"},
};

static void each_answer_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct custom *c = custom_create(house.auth, NULL, elo_span_of(NULL, 0));
        elo_err err = custom_read_answer(c, elo_span_str(answers[i].json));
        bool told = answers[i].why == NULL || strstr(custom_why(c), answers[i].why) != NULL;
        if (err != answers[i].err || !told || custom_is_authenticated(c) != (err == ELO_OK)) {
            fail_msg("%s: %d, %s", answers[i].json, err, custom_why(c));
        }
        custom_destroy(c);
    }
}

/* What is cut off is no answer, wherever it ends; and without memory neither. */
static void an_answer_is_whole_or_nothing(void **state)
{
    (void)state;
    static const char whole[] = GRANT("a", "300", "300");
    struct custom *c = custom_create(house.auth, NULL, elo_span_of(NULL, 0));
    for (size_t len = 0; len < strlen(whole); len++) {
        uint8_t *copy = malloc(len + 1); /* ASan sees who reads on */
        memcpy(copy, whole, len);
        assert_int_equal(custom_read_answer(c, elo_span_of(copy, len)), ELO_E_LAMBDA);
        free(copy);
    }
    elo_err err = ELO_E_LAMBDA;
    for (long n = 1; err != ELO_OK; n++) {
        mem_fail_at(n);
        err = custom_read_answer(c, elo_span_str(whole));
        mem_fail_at(0);
        assert_true(err == ELO_OK || !custom_is_authenticated(c));
        assert_true(n < 1000);
    }
    elo_span documents[CUSTOM_POLICIES];
    assert_int_equal(custom_policies(c, documents), 1);
    assert_true(elo_span_eq(documents[0], ELO_SPAN(POLICY("a"))));
    custom_destroy(c);
}

/* --- time ---------------------------------------------------------------------------------------
 */

static void policies_are_refreshed_in_time(void **state)
{
    (void)state;
    struct peer *p = enter("lamp", ELO_MQTT_3_1_1, GRANT("one", "86400", "300"));
    peer_subscribe(p, "one", 0);
    peer_publish(p, "one", "x", 0, 0);
    assert_string_equal(peer_take(p), "PUBLISH one x");
    wait_s(299);
    assert_null(custom_next_call(house.auth));
    wait_s(1);
    answer(GRANT("two", "86400", "600"));
    assert_false(p->closed_by_broker);
    wait_s(599);
    assert_null(custom_next_call(house.auth));
    wait_s(1);
    /* While it is asked the connection lives, under what it has. */
    peer_subscribe(p, "two", 0);
    peer_publish(p, "two", "y", 0, 0);
    assert_string_equal(peer_take(p), "PUBLISH two y");
    answer(GRANT("two", "86400", "600"));
    peer_publish(p, "one", "x", 0, 0);
    expect_closed(p, ELO_E_POLICY_PUBLISH);
}

static void change_door(const char *function, bool active)
{
    struct aws_fault fault;
    const struct authorizer_record *changed;
    const struct authorizer_change change = {.function_arn = elo_span_str(function),
                                             .active = &active};
    assert_int_equal(
        registry_update_authorizer(house.registry, ELO_SPAN("Door"), &change, 1, &changed, &fault),
        AWS_OK);
}

#define FUNCTION(name) "arn:aws:lambda:eu-west-1:111122223333:function:" name

/* A refresh asks the authorizer that let the client in, as it is by now. */
static void a_refresh_asks_the_authorizer_as_it_is(void **state)
{
    (void)state;
    struct aws_fault fault;
    const struct authorizer_record *made;
    const bool yes = true;
    const struct authorizer_change other = {
        .function_arn = ELO_SPAN(FUNCTION("gate")), .active = &yes, .signing_disabled = &yes};
    struct peer *p = enter("lamp", ELO_MQTT_3_1_1, GRANT("one", "86400", "300"));
    change_door(FUNCTION("door:2"), true);
    wait_s(300);
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    assert_true(elo_span_eq(custom_call_function(call), ELO_SPAN(FUNCTION("door:2"))));
    custom_call_done(call, ELO_OK, ELO_SPAN(GRANT("one", "86400", "300")), NULL);
    desk_pump(&desk);
    assert_false(p->closed_by_broker);

    /* Another default does not take it over, nor does it outlive its own. */
    assert_int_equal(
        registry_create_authorizer(house.registry, ELO_SPAN("Gate"), &other, 1, &made, &fault),
        AWS_OK);
    assert_int_equal(registry_clear_default_authorizer(house.registry, &fault), AWS_OK);
    assert_int_equal(
        registry_set_default_authorizer(house.registry, ELO_SPAN("Gate"), &made, &fault), AWS_OK);
    wait_s(300);
    call = custom_next_call(house.auth);
    assert_non_null(call);
    assert_true(elo_span_eq(custom_call_function(call), ELO_SPAN(FUNCTION("door:2"))));
    custom_call_done(call, ELO_OK, ELO_SPAN(GRANT("one", "86400", "300")), NULL);
    desk_pump(&desk);
    change_door(FUNCTION("door:2"), false);
    wait_s(300);
    assert_null(custom_next_call(house.auth));
    expect_closed(p, ELO_E_AUTHORIZER);
    assert_true(desk_logged(&desk, "the authorizer Door is INACTIVE"));

    change_door(FUNCTION("door"), true); /* the house is for all tests */
    assert_int_equal(registry_clear_default_authorizer(house.registry, &fault), AWS_OK);
    assert_int_equal(
        registry_set_default_authorizer(house.registry, ELO_SPAN("Door"), &made, &fault), AWS_OK);
}

static void a_refresh_that_fails_ends_it(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        elo_err err;
    } cases[] = {{"{\"isAuthenticated\":false}", ELO_E_AUTHORIZER}, {"no JSON", ELO_E_LAMBDA}};
    for (size_t i = 0; i < 2; i++) {
        struct peer *p = enter("lamp", ELO_MQTT_5, GRANT("one", "86400", "300"));
        wait_s(300);
        answer(cases[i].json);
        const char *line = peer_take(p);
        assert_non_null(line);
        assert_memory_equal(line, "DISCONNECT ", 11);
        expect_closed(p, cases[i].err);
        assert_false(desk_logged(&desk, "CLIENT_ERROR"));
        assert_true(desk_logged(&desk, "AUTH_ERROR"));
    }
}

/* All who came at one time are refreshed at one time: more than can be asked at once. */
static void many_refreshes_wait_for_each_other(void **state)
{
    (void)state;
    struct peer *peers[LIMIT_CUSTOM_CALLS + 1];
    struct custom *calls[LIMIT_CUSTOM_CALLS + 1];
    for (unsigned i = 0; i <= LIMIT_CUSTOM_CALLS; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", i);
        peers[i] = enter(name, ELO_MQTT_3_1_1, GRANT("one", "86400", "300"));
    }
    wait_s(300);
    for (unsigned i = 0; i < LIMIT_CUSTOM_CALLS; i++) {
        calls[i] = custom_next_call(house.auth);
        assert_non_null(calls[i]);
    }
    assert_null(custom_next_call(house.auth));
    custom_call_done(calls[0], ELO_OK, ELO_SPAN(GRANT("one", "86400", "300")), NULL);
    wait_s(1);
    calls[0] = custom_next_call(house.auth);
    assert_non_null(calls[0]);
    for (unsigned i = 0; i < LIMIT_CUSTOM_CALLS; i++) {
        custom_call_done(calls[i], ELO_OK, ELO_SPAN(GRANT("one", "86400", "300")), NULL);
    }
    desk_pump(&desk);
    for (unsigned i = 0; i <= LIMIT_CUSTOM_CALLS; i++) {
        assert_false(peers[i]->closed_by_broker);
    }
}

static void who_has_left_is_not_asked_about(void **state)
{
    (void)state;
    struct peer *p = enter("lamp", ELO_MQTT_3_1_1, GRANT("one", "86400", "300"));
    wait_s(300);
    struct custom *call = custom_next_call(house.auth);
    assert_non_null(call);
    peer_drop(p);
    custom_call_done(call, ELO_OK, ELO_SPAN(GRANT("one", "300", "300")), NULL);
    p = enter("lamp", ELO_MQTT_3_1_1, GRANT("one", "86400", "300"));
    wait_s(300);
    peer_drop(p); /* in the queue still */
    assert_null(custom_next_call(house.auth));
}

static void it_ends_when_the_first_answer_has_said(void **state)
{
    (void)state;
    struct peer *p = enter("lamp", ELO_MQTT_5, GRANT("one", "900", "600"));
    wait_s(600);
    answer(GRANT("one", "900", "600")); /* a refresh prolongs nothing */
    wait_s(299);
    assert_false(p->closed_by_broker);
    peer_clear(p);
    wait_s(1);
    assert_string_equal(peer_take(p), "DISCONNECT a0 reason");
    expect_closed(p, ELO_E_LIFETIME);
    assert_true(desk_logged(&desk, "CUSTOMAUTH_TTL_EXPIRATION"));
    assert_false(desk_logged(&desk, "WEBSOCKET_TTL_EXPIRATION"));
    assert_null(custom_next_call(house.auth));
}

static void without_times_it_is_a_day(void **state)
{
    (void)state;
    struct peer *p = enter("lamp", ELO_MQTT_3_1_1, YES(",\"policyDocuments\":[" POLICY("one") "]"));
    wait_awake(p, 86399);
    assert_false(p->closed_by_broker);
    wait_s(1);
    expect_closed(p, ELO_E_LIFETIME);
}

int main(void)
{
#define ON_A_DESK(test) cmocka_unit_test_setup_teardown(test, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        ON_A_DESK(the_event_of_a_connect),
        ON_A_DESK(the_event_of_a_websocket),
        ON_A_DESK(only_so_many_are_asked_at_once),
        cmocka_unit_test(each_answer_is_judged),
        cmocka_unit_test(an_answer_is_whole_or_nothing),
        ON_A_DESK(policies_are_refreshed_in_time),
        ON_A_DESK(a_refresh_asks_the_authorizer_as_it_is),
        ON_A_DESK(a_refresh_that_fails_ends_it),
        ON_A_DESK(many_refreshes_wait_for_each_other),
        ON_A_DESK(who_has_left_is_not_asked_about),
        ON_A_DESK(it_ends_when_the_first_answer_has_said),
        ON_A_DESK(without_times_it_is_a_day),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
