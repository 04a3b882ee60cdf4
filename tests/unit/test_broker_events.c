// links: test_support server_broker jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Lifecycle events, whole: each member of each event ("Lifecycle events", AWS IoT Developer Guide).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/broker_peer.h"

static struct house house;
static struct desk desk;
static struct peer *watcher;

static int open_house(void **state)
{
    (void)state;
    house_open(&house);
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
    watcher = peer_open(&desk, "watcher", CERTIFICATE_all, ELO_OK);
    peer_connect(watcher, "watcher", true);
    peer_subscribe(watcher, "$aws/events/#", 0);
    peer_clear(watcher); /* its own subscription, perhaps */
    return 0;
}

static int close_desk(void **state)
{
    (void)state;
    desk_close(&desk);
    return 0;
}

/* The next event, which must be on this topic; to be freed. */
static json_t *event(const char *topic)
{
    const char *line = peer_take(watcher);
    assert_non_null(line);
    size_t len = strlen(topic);
    if (strncmp(line, "PUBLISH ", 8) != 0 || strncmp(line + 8, topic, len) != 0 ||
        line[8 + len] != ' ') {
        fail_msg("expected an event on %s, got: %s", topic, line);
    }
    json_t *json = json_loads(line + 8 + len + 1, 0, NULL);
    assert_non_null(json);
    return json;
}

static const char *text(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    assert_non_null(value);
    return value;
}

static void is_uuid(const char *t)
{
    assert_int_equal(strlen(t), 36);
    assert_int_equal(t[14], '4');
    assert_non_null(strchr("89ab", t[19]));
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        assert_true(dash ? t[i] == '-' : strchr("0123456789abcdef", t[i]) != NULL);
    }
}

static struct peer *come(const char *id)
{
    struct peer *p = peer_open(&desk, id, CERTIFICATE_all, ELO_OK);
    peer_connect(p, id, true);
    return p;
}

static void connected_and_disconnected(void **state)
{
    (void)state;
    struct peer *p = come("lamp");
    json_t *in = event("$aws/events/presence/connected/lamp");
    assert_int_equal(json_object_size(in), 7);
    assert_string_equal(text(in, "clientId"), "lamp");
    assert_string_equal(text(in, "eventType"), "connected");
    assert_int_equal(json_integer_value(json_object_get(in, "timestamp")), desk.now.wall_ms);
    assert_string_equal(text(in, "principalIdentifier"), house.ids[CERTIFICATE_all]);
    assert_int_equal(json_integer_value(json_object_get(in, "versionNumber")), 0);
    assert_true(strlen(text(in, "ipAddress")) > 0);
    is_uuid(text(in, "sessionIdentifier"));
    desk_wait(&desk, 500);
    peer_send(p, ELO_SPAN("\xe0\x00"));
    json_t *out = event("$aws/events/presence/disconnected/lamp");
    assert_int_equal(json_object_size(out), 8);
    assert_string_equal(text(out, "eventType"), "disconnected");
    assert_string_equal(text(out, "sessionIdentifier"), text(in, "sessionIdentifier"));
    assert_string_equal(text(out, "disconnectReason"), "CLIENT_INITIATED_DISCONNECT");
    assert_true(json_is_true(json_object_get(out, "clientInitiatedDisconnect")));
    assert_int_equal(json_integer_value(json_object_get(out, "versionNumber")), 0);
    json_decref(in);
    json_decref(out);
}

/* Each way to end, and AWS's word for it. */
static void break_off(struct peer *p)
{
    peer_drop(p);
}

static void second_connect(struct peer *p)
{
    peer_send(p, ELO_SPAN("\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04lamp"));
}

static void fall_silent(struct peer *p)
{
    peer_send(watcher, ELO_SPAN("\xc0\x00"));
    desk_wait(&desk, 1000000);
    peer_send(watcher, ELO_SPAN("\xc0\x00"));
    desk_wait(&desk, 800000);
    assert_true(p->closed_by_broker);
}

static void revoke(struct peer *p)
{
    (void)p;
    house_set_status(&house, CERTIFICATE_lamp, CERTIFICATE_INACTIVE);
    broker_certificate_changed(desk.broker, elo_span_str(house.ids[CERTIFICATE_lamp]), desk.now);
    desk_pump(&desk);
    house_set_status(&house, CERTIFICATE_lamp, CERTIFICATE_ACTIVE);
}

static void publish_forbidden(struct peer *p)
{
    peer_publish(p, "not/mine", "x", 0, 0);
}

static void come_again(struct peer *p)
{
    struct peer *other = peer_open(&desk, "other", CERTIFICATE_lamp, ELO_OK);
    peer_connect(other, "lamp", true);
    assert_true(p->closed_by_broker);
}

static void every_reason(void **state)
{
    (void)state;
    static const struct {
        void (*end)(struct peer *p);
        const char *word;
    } cases[] = {{break_off, "CONNECTION_LOST"},           {second_connect, "CLIENT_ERROR"},
                 {fall_silent, "MQTT_KEEP_ALIVE_TIMEOUT"}, {revoke, "FORBIDDEN_ACCESS"},
                 {publish_forbidden, "AUTH_ERROR"},        {come_again, "DUPLICATE_CLIENTID"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct peer *p = peer_open(&desk, "lamp", CERTIFICATE_lamp, ELO_OK);
        peer_connect(p, "lamp", true);
        peer_clear(watcher);
        cases[i].end(p);
        const char *line;
        bool found = false;
        while ((line = peer_take(watcher)) != NULL) {
            found = found || (strstr(line, "presence/disconnected/lamp") != NULL &&
                              strstr(line, cases[i].word) != NULL &&
                              strstr(line, "\"clientInitiatedDisconnect\":false") != NULL);
        }
        if (!found) {
            fail_msg("no event with %s", cases[i].word);
        }
        peer_forget(p);
        desk_wait(&desk, 10);
    }
}

/* "Lifecycle events": the number only grows, and begins again after about an hour. */
static void version_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t wait_ms;
        int64_t version;
    } steps[] = {{0, 0}, {10, 1}, {3599000, 2}, {3600000, 0}, {10, 1}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        for (int64_t ms = steps[i].wait_ms; ms > 0; ms -= 60000) {
            desk_wait(&desk, ms < 60000 ? ms : 60000);
            peer_send(watcher, ELO_SPAN("\xc0\x00"));
        }
        peer_clear(watcher);
        peer_forget(come("lamp"));
        json_t *in = event("$aws/events/presence/connected/lamp");
        json_t *out = event("$aws/events/presence/disconnected/lamp");
        assert_int_equal(json_integer_value(json_object_get(in, "versionNumber")),
                         steps[i].version);
        assert_int_equal(json_integer_value(json_object_get(out, "versionNumber")),
                         steps[i].version);
        json_decref(in);
        json_decref(out);
    }
}

static void connect_failed(void **state)
{
    (void)state;
    struct peer *p = peer_open(&desk, "x", CERTIFICATE_lamp, ELO_OK);
    peer_send(p, ELO_SPAN("\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05other"));
    assert_int_equal(p->reason, ELO_E_POLICY_CONNECT);
    json_t *e = event("$aws/events/presence/connect_failed/other");
    assert_int_equal(json_object_size(e), 7);
    assert_string_equal(text(e, "eventType"), "connect_failed");
    assert_string_equal(text(e, "connectFailureReason"), "AUTHORIZATION_FAILED");
    assert_string_equal(text(e, "principalIdentifier"), house.ids[CERTIFICATE_lamp]);
    is_uuid(text(e, "sessionIdentifier"));
    json_decref(e);
    assert_null(peer_take(watcher));
}

static void subscribed_and_unsubscribed(void **state)
{
    (void)state;
    struct peer *p = come("lamp");
    json_decref(event("$aws/events/presence/connected/lamp"));
    peer_send(p, ELO_SPAN("\x82\x0e\x00\x01\x00\x03"
                          "a/b\x00\x00\x03"
                          "c/#\x01"));
    json_t *e = event("$aws/events/subscriptions/subscribed/lamp");
    assert_int_equal(json_object_size(e), 6);
    const json_t *topics = json_object_get(e, "topics");
    assert_int_equal(json_array_size(topics), 2);
    assert_string_equal(json_string_value(json_array_get(topics, 0)), "a/b");
    assert_string_equal(json_string_value(json_array_get(topics, 1)), "c/#");
    json_decref(e);
    peer_send(p, ELO_SPAN("\xa2\x0c\x00\x02\x00\x03"
                          "a/b\x00\x03"
                          "x/y"));
    e = event("$aws/events/subscriptions/unsubscribed/lamp");
    topics = json_object_get(e, "topics");
    assert_int_equal(json_array_size(topics), 1);
    assert_string_equal(json_string_value(json_array_get(topics, 0)), "a/b");
    json_decref(e);
    peer_send(p, ELO_SPAN("\xa2\x07\x00\x03\x00\x03"
                          "x/y"));
    assert_null(peer_take(watcher)); /* nothing was there */
}

/* A client id that could not be a level of a topic; one that is several is only met by #. */
static void ids_that_make_no_topic(void **state)
{
    (void)state;
    peer_forget(come("a+b"));
    peer_forget(come("a#"));
    assert_null(peer_take(watcher));
    peer_forget(come("a/b"));
    json_decref(event("$aws/events/presence/connected/a/b"));
    json_decref(event("$aws/events/presence/disconnected/a/b"));
    peer_forget(come("1/2/3/4/5/6/7/8/9/10"));
    assert_null(peer_take(watcher));
}

/* "Exclusive things": thingName is there for a thing that the certificate belongs to alone. */
static void an_exclusive_thing_is_named(void **state)
{
    (void)state;
    struct registry *reg = house.registry;
    struct aws_fault fault;
    const struct thing *made;
    elo_span bulb = ELO_SPAN("bulb");
    elo_span arn = registry_certificate(reg, elo_span_str(house.ids[CERTIFICATE_all]))->arn;
    assert_int_equal(registry_create_thing(reg, bulb, &(struct thing_change){0}, 0, &made, &fault),
                     AWS_OK);
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        assert_int_equal(registry_attach_thing_principal(reg, bulb, arn, exclusive, &fault),
                         AWS_OK);
        peer_forget(come("bulb"));
        for (int i = 0; i < 2; i++) {
            json_t *e = event(i == 0 ? "$aws/events/presence/connected/bulb"
                                     : "$aws/events/presence/disconnected/bulb");
            const char *name = json_string_value(json_object_get(e, "thingName"));
            assert_int_equal(name != NULL && strcmp(name, "bulb") == 0, exclusive);
            json_decref(e);
        }
        desk_wait(&desk, 10);
    }
    assert_int_equal(registry_detach_thing_principal(reg, bulb, arn, &fault), AWS_OK);
}

/* What a session had subscribed is no news when it is resumed. */
static void a_resumed_session_subscribes_nothing(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct peer *p = peer_open(&desk, "lamp", CERTIFICATE_all, ELO_OK);
        peer_connect(p, "lamp", false);
        json_decref(event("$aws/events/presence/connected/lamp"));
        if (!again) {
            peer_subscribe(p, "t", 1);
            json_decref(event("$aws/events/subscriptions/subscribed/lamp"));
        }
        peer_drop(p);
        json_decref(event("$aws/events/presence/disconnected/lamp"));
        peer_forget(p);
        desk_wait(&desk, 10);
    }
    assert_null(peer_take(watcher));
}

/* Receivers need iot:Receive; the publisher needs nothing. */
static void receivers_are_checked(void **state)
{
    (void)state;
    struct peer *p = peer_open(&desk, "lamp", CERTIFICATE_lamp, ELO_OK);
    peer_connect(p, "lamp", true);
    peer_clear(watcher);
    peer_send(p, ELO_SPAN("\x82\x12\x00\x01\x00\x0d$aws/events/#\x00"));
    assert_int_equal(p->reason, ELO_E_POLICY_SUBSCRIBE);
}

static void the_qos_of_events(void **state)
{
    (void)state;
    for (unsigned char qos0 = 0; qos0 < 2; qos0++) {
        struct desk d;
        const struct compat compat = {.lifecycle_event_qos = qos0};
        desk_open(&d, &house, &compat);
        struct peer *w = peer_open(&d, "w", CERTIFICATE_all, ELO_OK);
        peer_connect(w, "w", true);
        peer_subscribe(w, "$aws/events/presence/+/lamp", 1);
        struct peer *p = peer_open(&d, "p", CERTIFICATE_all, ELO_OK);
        peer_connect(p, "lamp", true);
        const char *line = peer_take(w);
        assert_non_null(line);
        assert_int_equal(strstr(line, " qos1") != NULL, qos0 == 0);
        desk_close(&d);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        T(connected_and_disconnected),
        T(every_reason),
        T(version_numbers),
        T(connect_failed),
        T(subscribed_and_unsubscribed),
        T(ids_that_make_no_topic),
        T(an_exclusive_thing_is_named),
        T(a_resumed_session_subscribes_nothing),
        T(receivers_are_checked),
        cmocka_unit_test(the_qos_of_events),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
