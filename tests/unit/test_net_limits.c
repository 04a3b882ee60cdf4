// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What runs short. Of descriptors, sockets and handshakes: who comes then is sent away and the log
 * says why; who is there is served, and the next are taken when there is room again. Of memory, at
 * any allocation: nothing is left behind.
 */
#include "tests/support/net_tests.h"

#include <sys/resource.h>

/* Every descriptor but `count` of those allowed from now on is taken by somebody else. */
static struct rlimit leave_descriptors(int count)
{
    struct rlimit old, fresh;
    int next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    fresh = (struct rlimit){(rlim_t)(next + count), old.rlim_max};
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &fresh), 0);
    return old;
}

static void without_descriptors_clients_are_sent_away_not_kept_waiting(void **state)
{
    struct rig *rig = *state;
    struct peer p[6];
    struct rlimit old = leave_descriptors(6); /* for six clients' own ends */
    for (int i = 0; i < 6; i++) {
        peer_connect(rig, &p[i], LISTEN_HTTP);
    }
    rig_rest(rig);
    for (int i = 0; i < 6; i++) {
        assert_true(peer_wait_end(&p[i]));
    }
    rig_expect_told(rig, "no file descriptors left");
    assert_int_equal(count_in(&rig->told, "no file descriptors left"), 1);
    assert_int_equal(rig->net->conn_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < 6; i++) {
        peer_close(&p[i]);
    }
    peer_connect(rig, &p[0], LISTEN_HTTP);
    peer_say(&p[0], GET_CLOSE);
    assert_true(peer_wait_end(&p[0]));
    assert_true(peer_has(&p[0], "HTTP/1.1 403"));
    peer_close(&p[0]);
}

static void open_limited(struct rig *rig, struct limits *limits, const char *assignment)
{
    limits_aws(limits);
    assert_int_equal(limits_set(limits, assignment), ELO_OK);
    rig_limits = limits;
    rig_open(rig, normal);
    rig_limits = NULL;
}

/* Sent away without a word: what it has to be told is in the log. */
static void expect_sent_away(struct peer *p)
{
    assert_true(peer_wait_end(p));
    assert_int_equal(buf_span(&p->got).len, 0);
    peer_close(p);
}

static void there_are_as_many_sockets_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[3], one_more;
    open_limited(&rig, &limits, "sockets=3");
    peer_connect(&rig, &p[0], LISTEN_HTTP);
    peer_connect(&rig, &p[1], LISTEN_MQTTS);
    peer_device(&rig, &p[2], "third");
    assert_int_equal(rig.net->conn_count, 3);
    assert_false(rig_has_told(&rig, "refused"));
    for (int i = 0; i < 3; i++) {
        peer_connect(&rig, &one_more, i == 0 ? LISTEN_HTTP : LISTEN_MQTTS);
        expect_sent_away(&one_more);
        assert_int_equal(rig.net->conn_count, 3);
    }
    rig_expect_told(&rig,
                    "1 connections refused: 3 of every kind, MQTT and HTTP, are the most that "
                    "are taken (--limit sockets)");
    rig_expect_told(&rig, "\"code\":\"E-OVERLOAD\"");
    assert_int_equal(count_in(&rig.told, "connections refused"), 1); /* once a second */
    rig.net->no_socket.told_ms -= 1000;
    peer_connect(&rig, &one_more, LISTEN_HTTP);
    expect_sent_away(&one_more);
    rig_expect_told(&rig, "3 connections refused: 3 of every kind");
    peer_send(&p[2], "\xc0\x00", 2); /* who is there is served */
    assert_true(peer_wait(&p[2], 2));
    peer_close(&p[1]);
    rig_expect_left(&rig, 2);
    peer_device(&rig, &p[1], "again"); /* and one more when there is room */
    for (int i = 0; i < 3; i++) {
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

static void there_are_as_many_handshakes_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[3], one_more, plain;
    open_limited(&rig, &limits, "handshakes=3");
    for (int i = 0; i < 2; i++) {
        peer_connect(&rig, &p[i], i == 0 ? LISTEN_HTTPS : LISTEN_MQTTS);
        rig_rest(&rig);
    }
    peer_device(&rig, &p[2], "third"); /* done: it is no handshake any more */
    peer_connect(&rig, &one_more, LISTEN_MQTTS);
    rig_rest(&rig);
    assert_int_equal(rig.net->crowd.count, 3);
    assert_false(rig_has_told(&rig, "refused"));
    peer_close(&p[2]);
    peer_connect_from(&rig, &p[2], LISTEN_MQTTS, 2);
    expect_sent_away(&p[2]);
    rig_expect_told(&rig, "1 connections refused, the last from 127.0.0.2: 3 unfinished TLS "
                          "handshakes in all are the most that are taken (--limit handshakes)");
    rig_expect_told(&rig, "\"code\":\"E-OVERLOAD\"");
    peer_connect(&rig, &plain, LISTEN_HTTP); /* has none */
    peer_say(&plain, GET_CLOSE);
    assert_true(peer_wait_end(&plain));
    assert_true(peer_has(&plain, "HTTP/1.1 403"));
    peer_close(&plain);
    peer_close(&one_more); /* gives its place up */
    for (int i = 0; i < RIG_TURNS_MAX && rig.net->crowd.count == 3; i++) {
        rig_turn(&rig);
        rig_await(&rig, -1);
    }
    peer_device(&rig, &p[2], "at last");
    for (int i = 0; i < 3; i++) {
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

static void there_are_as_many_handshakes_of_one_address_as_may_be(void **state)
{
    (void)state;
    struct rig rig;
    struct limits limits;
    struct peer p[2], one_more, other;
    open_limited(&rig, &limits, "handshakes-per-address=2");
    for (int i = 0; i < 2; i++) {
        peer_connect(&rig, &p[i], LISTEN_MQTTS);
        rig_rest(&rig);
    }
    assert_int_equal(rig.net->crowd.count, 2);
    assert_false(rig_has_told(&rig, "refused"));
    peer_connect(&rig, &one_more, LISTEN_MQTTS);
    expect_sent_away(&one_more);
    rig_expect_told(&rig, "from 127.0.0.1: 2 unfinished TLS handshakes of one address are the most "
                          "that are taken (--limit handshakes-per-address)");
    peer_connect_from(&rig, &other, LISTEN_MQTTS, 2); /* not theirs to suffer */
    peer_secure(&other, TLS1_3_VERSION, &rig.device_cert, &rig.device_key);
    assert_true(peer_shake(&other));
    peer_close(&other);
    for (int i = 0; i < 2; i++) { /* who began in time is not taken anything from */
        peer_secure(&p[i], TLS1_3_VERSION, &rig.device_cert, &rig.device_key);
        assert_true(peer_shake(&p[i]));
        peer_close(&p[i]);
    }
    rig_close(&rig);
}

/* A client's whole visit; how it goes does not matter, when memory fails. */
static void visit(struct rig *rig, const char *thing)
{
    static const char connect[] = "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id";
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    const char *request = make_thing(thing);
    (void)peer_send_some(&p, request, strlen(request));
    (void)peer_send_some(&p, GET_CLOSE, strlen(GET_CLOSE));
    rig_commit(rig);
    (void)peer_read(&p);
    peer_close(&p);
    peer_connect(rig, &p, LISTEN_MQTTS);
    peer_secure(&p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    if (peer_shake(&p)) {
        (void)peer_send_some(&p, connect, sizeof connect - 1);
        (void)peer_send_some(&p, "\x82\x06\x00\x01\x00\x01t\x00\x30\x05\x00\x01tab\xe0\x00", 17);
        rig_rest(rig);
        (void)peer_read(&p);
    }
    peer_close(&p);
}

/* TLS alone: nothing that is signed, no certificate. */
static void visit_https(struct rig *rig, const char *unused)
{
    struct peer p;
    (void)unused;
    peer_connect(rig, &p, LISTEN_HTTPS);
    peer_secure(&p, TLS1_3_VERSION, NULL, NULL);
    if (peer_shake(&p)) {
        (void)peer_send_some(&p, GET, strlen(GET));
        (void)peer_send_some(&p, GET_CLOSE, strlen(GET_CLOSE));
        (void)peer_read(&p);
    }
    peer_close(&p);
}

/* The n-th allocation of a visit fails, for every n; whatever becomes of the visitor, the server
 * is left without a trace of it. */
static void fail_each(struct rig *rig, void (*come)(struct rig *, const char *))
{
    come(rig, "warm");
    long before = mem_count();
    come(rig, "counted");
    long count = mem_count() - before;
    assert_true(count > 30);
    for (long n = 1; n <= count; n += n < 100 ? 1 : 11) {
        char name[32];
        snprintf(name, sizeof name, "n-%ld", n);
        buf_clear(&rig->told);
        rig->fail_at = n;
        come(rig, name);
        rig->fail_at = 0;
        rig_commit(rig);
        rig_pass(rig, LIMIT_HTTP_IDLE_MS);
        assert_int_equal(rig->net->conn_count, 0);
        assert_null(rig->net->held);
    }
}

static void any_allocation_may_fail(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    fail_each(rig, visit);
    rig->fail_openssl = true;
    fail_each(rig, visit_https);
    rig->fail_openssl = false;
    peer_device(rig, &p, "as-before");
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(without_descriptors_clients_are_sent_away_not_kept_waiting),
        cmocka_unit_test(there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_of_one_address_as_may_be),
        WITH_RIG(any_allocation_may_fail),
    };
    const struct CMUnitTest shaken[] = {
        cmocka_unit_test(there_are_as_many_sockets_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_as_may_be),
        cmocka_unit_test(there_are_as_many_handshakes_of_one_address_as_may_be),
    };
    return RUN_EACH_WAY(tests, shaken);
}
