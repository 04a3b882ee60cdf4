// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Limits that are no packets in a script: bytes a second, and connections. The others: limits.txt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "server/base/throttle.h"
#include "tests/support/broker_peer.h"

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

static void open_with(struct desk *d, const char *limit)
{
    struct limits limits;
    limits_unthrottled(&limits);
    assert_int_equal(limits_set(&limits, limit), ELO_OK);
    desk_open_limited(d, &house, NULL, &limits);
}

/* A QoS 0 PUBLISH to "t" of `total` bytes on the wire. */
static void publish_bytes(struct peer *p, size_t total)
{
    size_t rest = total - 4;
    uint8_t *packet = calloc(1, total);
    assert_non_null(packet);
    packet[0] = 0x30;
    packet[1] = (uint8_t)(0x80 | (rest & 0x7f));
    packet[2] = (uint8_t)(0x80 | ((rest >> 7) & 0x7f));
    packet[3] = (uint8_t)(rest >> 14);
    packet[5] = 1;
    packet[6] = 't';
    peer_send(p, elo_span_of(packet, total));
    free(packet);
}

/* Up to half a megabyte at once; what is more is a debt, and until it is paid nothing is read. */
static void over_the_quota_of_bytes_nothing_is_read(void **state)
{
    (void)state;
    struct desk d;
    open_with(&d, "bytes-in-per-second=aws");
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "a", true);
    for (int i = 0; i < 4; i++) {
        assert_true(broker_wants_input(p->conn));
        publish_bytes(p, 131000);
    }
    assert_true(broker_wants_input(p->conn)); /* 524,014 bytes with the CONNECT */
    publish_bytes(p, 131072);
    assert_false(broker_wants_input(p->conn)); /* 130,798 over: 250 ms */
    assert_int_equal(desk_stats(&d).publish_in, 5);
    assert_int_equal(desk_stats(&d).reads_delayed, 1);
    desk_wait(&d, 249);
    assert_false(broker_wants_input(p->conn));
    assert_null(broker_next_ready(d.broker));
    d.now.mono_ms += 1;
    broker_tick(d.broker, d.now);
    assert_ptr_equal(broker_next_ready(d.broker), p->conn); /* the owner is told */
    assert_true(broker_wants_input(p->conn));
    desk_wait(&d, 1000);
    assert_int_equal(desk_stats(&d).dropped, 0);
    assert_non_null(p->conn); /* the keep-alive still counts */
    desk_wait(&d, 2000000);
    assert_int_equal(p->reason, ELO_E_KEEP_ALIVE);
    desk_close(&d);
}

static void over_the_quota_of_bytes_nothing_is_sent(void **state)
{
    (void)state;
    struct desk d;
    open_with(&d, "bytes-out-per-second=aws");
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "a", true);
    peer_subscribe(p, "t", 0);
    struct peer *from = peer_open(&d, "b", CERTIFICATE_all, ELO_OK);
    peer_connect(from, "b", true);
    for (int i = 0; i < 4; i++) {
        publish_bytes(from, 131000);
        assert_non_null(peer_take(p));
    }
    elo_span piece;
    p->deaf = true; /* taken by hand from here on */
    publish_bytes(from, 131072);
    publish_bytes(from, 1000);
    assert_true(broker_output(p->conn, &piece, 1) == 1);
    broker_output_ack(p->conn, 131072, d.now);
    assert_int_equal(broker_output(p->conn, &piece, 1), 0);
    assert_int_equal(broker_output_bytes(p->conn), 1000);
    assert_true(desk_stats(&d).writes_delayed > 0);
    desk_wait(&d, 249);
    assert_int_equal(broker_output(p->conn, &piece, 1), 0);
    desk_wait(&d, 1);
    assert_int_equal(broker_output(p->conn, &piece, 1), 1);
    broker_output_ack(p->conn, 1000, d.now);
    assert_int_equal(desk_stats(&d).dropped, 0);
    desk_close(&d);
}

/* What must be said before the end is said, however much went before. */
static void last_words_are_not_delayed(void **state)
{
    (void)state;
    struct desk d;
    open_with(&d, "bytes-out-per-second=1000");
    struct peer *p = peer_open(&d, "a", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "a", true);
    peer_subscribe(p, "t", 0);
    publish_bytes(p, 70000);
    elo_span piece;
    assert_int_equal(broker_output(p->conn, &piece, 1), 0);
    peer_send(p, ELO_SPAN("\xe0\x00"));
    assert_true(p->closed_by_broker);
    assert_int_equal(p->left, 0);
    desk_close(&d);
}

static void there_are_as_many_connections_as_may_be(void **state)
{
    (void)state;
    struct desk d;
    open_with(&d, "connections=2");
    assert_non_null(peer_open(&d, "a", CERTIFICATE_all, ELO_OK));
    struct peer *p = peer_open(&d, "b", CERTIFICATE_all, ELO_OK);
    assert_non_null(p);
    assert_null(peer_open(&d, "c", CERTIFICATE_all, ELO_OK));
    peer_drop(p);
    assert_non_null(peer_open(&d, "c", CERTIFICATE_all, ELO_OK));
    desk_close(&d);
}

/* --- the table ---------------------------------------------------------------------------------
 */

static void limits_take_names_and_values_only(void **state)
{
    (void)state;
    struct limits l;
    limits_aws(&l);
    assert_int_equal(l.publishes_in, 100);
    assert_int_equal(l.bytes_out, 524288);
    assert_int_equal(limits_set(&l, "publishes-in-per-second=20"), ELO_OK);
    assert_int_equal(l.publishes_in, 20);
    assert_int_equal(limits_set(&l, "publishes-in-per-second=none"), ELO_OK);
    assert_int_equal(l.publishes_in, LIMIT_NONE);
    assert_int_equal(limits_set(&l, "publishes-in-per-second=aws"), ELO_OK);
    assert_int_equal(l.publishes_in, 100);
    static const char *const wrong[] = {"publishes-in-per-second=0",
                                        "publishes-in-per-second=-1",
                                        "publishes-in-per-second=1x",
                                        "publishes-in-per-second=",
                                        "publishes-in-per-second",
                                        "connections=none",
                                        "connections=20001",
                                        "throttles=5",
                                        "throttles"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(limits_set(&l, wrong[i]), ELO_E_USAGE);
    }
    assert_int_equal(limits_set(&l, "publishes=1"), ELO_E_NOT_FOUND);
    assert_int_equal(limits_set(&l, "throttles=none"), ELO_OK);
    assert_int_equal(l.bytes_in, LIMIT_NONE);
    assert_int_equal(l.keep_alive_min_s, 30);
}

static void every_limit_is_in_range(void **state)
{
    (void)state;
    struct limit_row row;
    unsigned count = 0;
    for (; limits_at(count, &row); count++) {
        assert_true(row.aws >= row.least && row.aws <= row.most);
        assert_true(row.off >= row.least && row.off <= row.most);
        assert_int_equal(row.throttle, strstr(row.name, "-per-second") != NULL);
        char text[80];
        struct limits l = {0};
        snprintf(text, sizeof text, "%s=%u", row.name, row.most);
        assert_int_equal(limits_set(&l, text), ELO_OK);
        snprintf(text, sizeof text, "%s=%u", row.name, row.most + 1);
        assert_int_equal(limits_set(&l, text), ELO_E_USAGE);
    }
    assert_int_equal(count * sizeof(uint32_t), sizeof(struct limits));
}

/* --- the bucket --------------------------------------------------------------------------------
 */

static void a_bucket_holds_one_second(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 3, 7, 100, 524288};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        int64_t cost = throttle_cost(rates[i]);
        throttle t = 0;
        uint32_t taken = 0;
        while (throttle_take(&t, cost, 5000)) {
            taken++;
        }
        assert_in_range(taken, rates[i], rates[i] + rates[i] / 1000);
        int64_t due = throttle_due_ms(t, cost);
        assert_in_range(due, 5001, 6000);
        assert_false(throttle_has(t, cost, due - 1));
        assert_true(throttle_has(t, cost, due));
    }
    throttle t = 0;
    for (int n = 0; n < 100000; n++) {
        assert_true(throttle_take(&t, throttle_cost(LIMIT_NONE), 0));
    }
    assert_int_equal(t, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_the_quota_of_bytes_nothing_is_read),
        cmocka_unit_test(over_the_quota_of_bytes_nothing_is_sent),
        cmocka_unit_test(last_words_are_not_delayed),
        cmocka_unit_test(there_are_as_many_connections_as_may_be),
        cmocka_unit_test(limits_take_names_and_values_only),
        cmocka_unit_test(every_limit_is_in_range),
        cmocka_unit_test(a_bucket_holds_one_second),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
