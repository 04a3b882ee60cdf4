// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The broker's conversations of tests/vectors/broker, whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/limits.h"
#include "server/broker/internal.h"
#include "tests/support/broker_script.h"

static struct house house;

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

static void run_all(const char *file, size_t chop)
{
    char path[300];
    snprintf(path, sizeof path, "%s/tests/vectors/broker/%s", ELO_SOURCE_DIR, file);
    struct script script;
    script_load(&script, path);
    const struct script_options options = {.chop = chop};
    size_t failed = 0;
    for (size_t i = 0; i < script.count; i++) {
        char *complaint = script_run(&house, &script.cases[i], &options);
        if (complaint != NULL) {
            print_error("%s: %s\n", file, complaint);
            free(complaint);
            failed++;
        }
    }
    assert_true(script.count > 0);
    script_free(&script);
    assert_int_equal(failed, 0);
}

static void whole(void **state)
{
    run_all(*state, 0);
}

/* Packets cut anywhere mean the same [MQTT-4.2]: the transport is a stream. */
static void byte_by_byte(void **state)
{
    run_all(*state, 1);
}

static void in_odd_pieces(void **state)
{
    run_all(*state, 7);
}

/* "Revoke a client certificate": it stays revoked, hence a house of its own. */
static void a_revoked_certificate_ends_its_connections(void **state)
{
    (void)state;
    struct house other;
    struct desk d;
    house_open(&other);
    desk_open(&d, &other, NULL);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_lamp, ELO_OK);
    struct peer *q = peer_open(&d, "b", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "lamp-1", true);
    peer_connect(q, "b", true);
    house_set_status(&other, CERTIFICATE_lamp, CERTIFICATE_REVOKED);
    broker_certificate_changed(d.broker, elo_span_str(other.ids[CERTIFICATE_lamp]), d.now);
    desk_pump(&d);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_CERT_REVOKED);
    assert_true(desk_logged(&d, "Disconnect ELO_E_CERT_REVOKED FORBIDDEN_ACCESS"));
    assert_false(q->closed_by_broker);
    desk_close(&d);
    house_close(&other);
}

/* "MQTT", AWS IoT differences from MQTT specifications. The other value: connect.txt. */
static void a_client_waits_for_its_connack(void **state)
{
    (void)state;
    static const char connect_and_ping[] = "\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a\xc0\0";
    struct desk d;
    desk_open(&d, &house, NULL);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    peer_send(p, elo_span_of(connect_and_ping, sizeof connect_and_ping - 1));
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_PROTOCOL);
    assert_string_equal(peer_take(p), "CONNACK 0");
    assert_null(peer_take(p));
    assert_true(desk_logged(&d, "a packet came before the CONNACK had left"));
    desk_close(&d);
}

/* A CONNACK that has left in part has not left. */
static void half_a_connack_is_none(void **state)
{
    (void)state;
    struct desk d;
    elo_span piece;
    desk_open(&d, &house, NULL);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    broker_input(p->conn, ELO_SPAN("\x10\x0d\0\4MQTT\4\2\0\x3c\0\1a"), d.now);
    assert_int_equal(broker_output(p->conn, &piece, 1), 1);
    assert_int_equal(piece.len, 4);
    broker_output_ack(p->conn, 3, d.now);
    broker_input(p->conn, ELO_SPAN("\xc0\0"), d.now);
    assert_true(broker_wants_close(p->conn));
    desk_close(&d);
}

/* "AWS IoT Core endpoints and quotas": 24 hours, however busy the connection is. */
static void a_websocket_lives_a_day(void **state)
{
    (void)state;
    struct desk d;
    desk_open(&d, &house, NULL);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    struct peer *q = peer_open(&d, "b", CERTIFICATE_all, ELO_OK);
    assert_true(broker_limit_life(p->conn, LIMIT_WEBSOCKET_LIFE_MS, d.now));
    peer_connect(p, "a-1", true);
    peer_connect(q, "b-1", true);
    for (int64_t ms = 0; ms < LIMIT_WEBSOCKET_LIFE_MS; ms += 1000000) {
        assert_false(p->closed_by_broker);
        int64_t left = LIMIT_WEBSOCKET_LIFE_MS - ms;
        desk_wait(&d, left > 1000000 ? 1000000 : left - 1);
        peer_send(p, ELO_SPAN("\xc0\0"));
        peer_send(q, ELO_SPAN("\xc0\0"));
    }
    assert_false(p->closed_by_broker);
    desk_wait(&d, 1);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_LIFETIME);
    assert_true(desk_logged(&d, "WEBSOCKET_TTL_EXPIRATION"));
    assert_false(q->closed_by_broker);
    desk_close(&d);
}

/* A transport's farewell is a DISCONNECT: no will [MQTT-3.14.4-3]. The other way: retained.txt. */
static void who_has_left_has_no_will(void **state)
{
    (void)state;
    static const char connect[] = "\x10\x15\0\4MQTT\4\6\0\x3c\0\3a-1\0\1w\0\1x";
    struct desk d;
    desk_open(&d, &house, NULL);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    struct peer *q = peer_open(&d, "b", CERTIFICATE_all, ELO_OK);
    peer_connect(q, "b-1", true);
    peer_subscribe(q, "w", 0);
    peer_send(p, elo_span_of(connect, sizeof connect - 1));
    broker_left(p->conn, d.now);
    desk_pump(&d);
    assert_true(p->closed_by_broker);
    assert_null(peer_take(q));
    assert_true(desk_logged(&d, "CLIENT_INITIATED_DISCONNECT"));
    desk_close(&d);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct desk d;
    desk_open(&d, &house, NULL);
    for (unsigned i = 0; i < LIMIT_CONNECTIONS; i++) {
        assert_non_null(peer_open(&d, "one", CERTIFICATE_all, ELO_OK));
    }
    assert_null(peer_open(&d, "too many", CERTIFICATE_all, ELO_OK));
    peer_forget(d.peers);
    struct peer *p = peer_open(&d, "again", CERTIFICATE_all, ELO_OK);
    assert_non_null(p);
    peer_connect(p, "again", true);
    assert_false(p->closed_by_broker);
    desk_close(&d);
}

/* The memory of all unsent output together: who is furthest behind pays, and nobody else. */
static void unsent_output_is_bounded_in_all(void **state)
{
    enum { DEAF = 8, MOST = 1024 * 1024 };
    (void)state;
    struct desk d;
    struct peer *deaf[DEAF];
    char name[8];
    static char small[1001], large[100001];
    memset(small, 'x', sizeof small - 1);
    memset(large, 'y', sizeof large - 1);
    desk_open(&d, &house, NULL);
    d.broker->output_most = MOST;
    struct peer *speaker = peer_open(&d, "speaker", CERTIFICATE_all, ELO_OK);
    peer_connect(speaker, "speaker", true);
    for (unsigned i = 0; i < DEAF; i++) {
        snprintf(name, sizeof name, "t%u", i);
        deaf[i] = peer_open(&d, name, CERTIFICATE_all, ELO_OK);
        peer_connect(deaf[i], name, true);
        peer_subscribe(deaf[i], name, 0);
        deaf[i]->deaf = true;
        for (unsigned n = 0; n < 20; n++) {
            peer_publish(speaker, name, small, 0, 0);
        }
    }
    /* Large payloads that are shared count once: eight of them are below the bound. */
    struct peer *all = peer_open(&d, "all", CERTIFICATE_all, ELO_OK);
    peer_connect(all, "all", true);
    for (unsigned i = 0; i < DEAF; i++) {
        deaf[i]->deaf = false;
        peer_subscribe(deaf[i], "large", 0);
        deaf[i]->deaf = true;
    }
    for (unsigned n = 0; n < 5; n++) {
        peer_publish(speaker, "large", large, 0, 0);
    }
    assert_int_equal(desk_stats(&d).connections, DEAF + 2);
    for (unsigned n = 0; n < 1100 && deaf[3]->conn != NULL; n++) {
        assert_true(d.broker->pool.held <= MOST);
        peer_publish(speaker, "t3", small, 0, 0);
    }
    assert_int_equal(deaf[3]->reason, ELO_E_SLOW_CONSUMER);
    assert_int_equal(desk_stats(&d).connections, DEAF + 1);
    peer_subscribe(all, "t3", 0);
    peer_publish(speaker, "t3", "still", 0, 0);
    assert_string_equal(peer_take(all), "PUBLISH t3 still");
    desk_close(&d);
}

/* Twice as many as connections: internal.h. CONNACK 3 is "server unavailable" [MQTT-3.2.2.3]. */
static void stored_sessions_are_bounded(void **state)
{
    (void)state;
    struct desk d;
    char id[16];
    desk_open(&d, &house, NULL);
    for (unsigned i = 0; i < 2 * LIMIT_CONNECTIONS; i++) {
        snprintf(id, sizeof id, "id-%u", i);
        struct peer *p = peer_open(&d, id, CERTIFICATE_all, ELO_OK);
        peer_connect(p, id, false);
        assert_false(p->closed_by_broker);
        peer_forget(p);
    }
    assert_int_equal(desk_stats(&d).sessions, 2 * LIMIT_CONNECTIONS);
    struct peer *p = peer_open(&d, "more", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "more", true);
    assert_int_equal(p->reason, ELO_E_QUOTA);
    assert_string_equal(p->inbox[0].text, "CONNACK 3");
    p = peer_open(&d, "known", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "id-7", false);
    assert_string_equal(p->inbox[0].text, "CONNACK 0 session");
    desk_wait(&d, LIMIT_SESSION_EXPIRY_MS);
    assert_int_equal(desk_stats(&d).sessions, 1);
    desk_close(&d);
}

/* A retained message too many is throttled, as AWS calls it: no PUBACK, nobody gets it. */
static void retained_messages_are_bounded(void **state)
{
    (void)state;
    struct desk d;
    char topic[16];
    struct limits limits;
    limits_off(&limits);
    desk_open_limited(&d, &house, NULL, &limits);
    for (unsigned i = 0; i < LIMIT_RETAINED_MESSAGES; i++) {
        snprintf(topic, sizeof topic, "t/%u", i);
        assert_int_equal(
            broker_publish(d.broker, elo_span_str(topic), ELO_SPAN("x"), 0, true, d.now), ELO_OK);
    }
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("one/more"), ELO_SPAN("x"), 0, true, d.now),
                     ELO_E_QUOTA);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("t/9"), ELO_SPAN("y"), 0, true, d.now),
                     ELO_OK);
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "a", true);
    peer_subscribe(p, "one/more", 1);
    peer_send(p, ELO_SPAN("\x33\x0d\x00\x08one/more\x00\x01x"));
    assert_null(peer_take(p));
    assert_false(p->closed_by_broker);
    assert_true(desk_logged(&d, "Publish-In ELO_E_QUOTA THROTTLED one/more"));
    peer_publish(p, "one/more", "live", 0, 0);
    assert_string_equal(peer_take(p), "PUBLISH one/more live");
    assert_int_equal(desk_stats(&d).retained, LIMIT_RETAINED_MESSAGES);
    desk_close(&d);
}

/* 128 MB of them: a replaced one counts for what it is now, a deleted one not at all. */
static void bytes_of_retained_messages_are_bounded(void **state)
{
    (void)state;
    struct desk d;
    char topic[16];
    const unsigned most = 128u * 1024u * 1024u / LIMIT_PAYLOAD_BYTES;
    uint8_t *payload = calloc(1, LIMIT_PAYLOAD_BYTES);
    assert_non_null(payload);
    const elo_span large = elo_span_of(payload, LIMIT_PAYLOAD_BYTES);
    const elo_span none = elo_span_of(NULL, 0);
    desk_open(&d, &house, NULL);
    for (unsigned i = 1; i < most; i++) { /* their topics take the place of one */
        snprintf(topic, sizeof topic, "t/%u", i);
        assert_int_equal(broker_publish(d.broker, elo_span_str(topic), large, 0, true, d.now), 0);
    }
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("u"), large, 0, true, d.now), ELO_E_QUOTA);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("t/1"), large, 0, true, d.now), 0);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("t/1"), ELO_SPAN("x"), 0, true, d.now), 0);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("u"), large, 0, true, d.now), 0);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("t/1"), large, 0, true, d.now), ELO_E_QUOTA);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("u"), none, 0, true, d.now), 0);
    assert_int_equal(broker_publish(d.broker, ELO_SPAN("t/1"), large, 0, true, d.now), 0);
    desk_close(&d);
    free(payload);
}

#define FILE_TESTS(file)                                                                           \
    {file ": whole", whole, NULL, NULL, (void *)(uintptr_t)file},                                  \
        {file ": byte by byte", byte_by_byte, NULL, NULL, (void *)(uintptr_t)file},                \
    {                                                                                              \
        file ": in odd pieces", in_odd_pieces, NULL, NULL, (void *)(uintptr_t)file                 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TESTS("connect.txt"),
        FILE_TESTS("publish.txt"),
        FILE_TESTS("subscribe.txt"),
        FILE_TESTS("sessions.txt"),
        FILE_TESTS("retained.txt"),
        FILE_TESTS("limits.txt"),
        FILE_TESTS("connect5.txt"),
        FILE_TESTS("publish5.txt"),
        FILE_TESTS("subscribe5.txt"),
        FILE_TESTS("shared.txt"),
        FILE_TESTS("paced.txt"),
        cmocka_unit_test(a_revoked_certificate_ends_its_connections),
        cmocka_unit_test(a_client_waits_for_its_connack),
        cmocka_unit_test(half_a_connack_is_none),
        cmocka_unit_test(a_websocket_lives_a_day),
        cmocka_unit_test(who_has_left_has_no_will),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(unsent_output_is_bounded_in_all),
        cmocka_unit_test(stored_sessions_are_bounded),
        cmocka_unit_test(retained_messages_are_bounded),
        cmocka_unit_test(bytes_of_retained_messages_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
