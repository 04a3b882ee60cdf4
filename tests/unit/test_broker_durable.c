// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What is acknowledged is durable: an acknowledgement waits for the disk and nothing else does;
 * after a crash everything acknowledged is there, in order; a disk that fails at any single write
 * is never acknowledged, is told of, and is caught up with when it works again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/broker_stored.h"

#define ANY_CALL (FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE)

/* --- waiting for the disk -----------------------------------------------------------------------
 */

static void a_connack_waits(void **state)
{
    (void)state;
    desk.slow = true;
    struct peer *p = come("s", false);
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "CONNACK 0");
    peer_forget(p);
    p = knock("s"); /* that it is no longer away */
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "CONNACK 0 session");
}

static void a_suback_waits_with_what_follows_it(void **state)
{
    (void)state;
    struct peer *p = come("s", false);
    retain(p, "a", "kept", 1);
    takes(p, "PUBACK 1");
    desk.slow = true;
    peer_subscribe(p, "a", 1);
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "SUBACK 1 01");
    takes(p, "PUBLISH a kept qos1 retain");
    unsubscribe(p, "a");
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "UNSUBACK 5");
}

/* Who asks again before he was told must wait as well: found by test_crashes, seed 82. */
static void asking_again_does_not_help(void **state)
{
    (void)state;
    struct peer *p = come("p", true);
    retain(p, "r", "1", 1);
    takes(p, "PUBACK 1");
    desk.slow = true;
    peer_forget(come("s", false)); /* made, and gone before it was told */
    struct peer *s = come("s", false);
    takes_nothing(s);
    retain(p, "r", "", 2);
    peer_forget(p);
    p = come("p", true);
    retain(p, "r", "", 3); /* nothing is retained any more, but not durably */
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(s, "CONNACK 0 session");
    takes(p, "PUBACK 3");
    peer_forget(come("s", true)); /* ends it */
    struct peer *again = come("s", true);
    takes_nothing(again);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(again, "CONNACK 0");
}

static void a_puback_waits_and_holds_up_nothing_else(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    peer_subscribe(p, "news", 1);
    desk.slow = true;
    peer_publish(p, "a", "1", 1, 10);
    peer_publish(p, "news", "x", 0, 0);
    takes(p, "PUBLISH news x");
    peer_publish(p, "nobody", "2", 1, 11); /* in the order of the PUBLISHes [MQTT-4.6.0-2] */
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "PUBACK 10");
    takes(p, "PUBACK 11");
    peer_publish(p, "nobody", "3", 1, 12);
    takes(p, "PUBACK 12"); /* nothing to store, nothing to wait for */
    retain(p, "r", "3", 13);
    takes_nothing(p);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "PUBACK 13");
}

static void the_api_learns_what_to_wait_for(void **state)
{
    (void)state;
    struct store_progress progress;
    leave_session("s", "a");
    desk.slow = true;
    uint64_t before = store_issued(house.store);
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("b"), ELO_SPAN("x"), 1, false, desk.now),
                     ELO_OK);
    assert_int_equal(broker_after(desk.broker), 0);
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("a"), ELO_SPAN("x"), 1, false, desk.now),
                     ELO_OK);
    uint64_t after = broker_after(desk.broker);
    assert_true(after > before);
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("r"), ELO_SPAN("x"), 0, true, desk.now),
                     ELO_OK);
    assert_true(broker_after(desk.broker) > after);
    store_poll(house.store, &progress);
    broker_stored(desk.broker, &progress, desk.now);
    assert_true(progress.durable >= after);
}

/* So that a session that has been deleted does not come back from a crash. */
static void deleting_a_session_waits(void **state)
{
    (void)state;
    leave_session("s", "a");
    (void)come("t", false);
    desk.slow = true;
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("b"), ELO_SPAN("x"), 1, false, desk.now),
                     ELO_OK);
    assert_int_equal(broker_after(desk.broker), 0);
    uint64_t before = store_issued(house.store);
    assert_int_equal(broker_delete_connection(desk.broker, ELO_SPAN("s"), true, false, desk.now),
                     ELO_OK);
    assert_true(broker_after(desk.broker) > before);
    before = store_issued(house.store);
    assert_int_equal(broker_delete_connection(desk.broker, ELO_SPAN("t"), true, false, desk.now),
                     ELO_OK);
    assert_true(broker_after(desk.broker) > before);
    desk_disk(&desk);
    desk_pump(&desk);
    crash(0);
    assert_int_equal(desk_stats(&desk).sessions, 0);
}

/* A turn is one batch, and turns during which the disk is busy share one. */
static void many_messages_are_few_batches(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    desk.slow = true;
    uint64_t before = store_issued(house.store);
    for (uint16_t i = 1; i <= 500; i++) {
        peer_publish(p, "a", "x", 1, i);
        broker_commit(desk.broker);
    }
    assert_in_range(store_issued(house.store) - before, 1, 2);
    takes_nothing(p);
    desk.slow = false;
    desk_disk(&desk);
    desk_pump(&desk);
    for (uint16_t i = 1; i <= 500; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "PUBACK %u", i);
        takes(p, line);
    }
}

/* Delivered and acknowledged before the disk had its turn: it has nothing to do. */
static void what_is_over_is_not_written(void **state)
{
    (void)state;
    struct peer *s = come("s", false);
    peer_subscribe(s, "a", 1);
    struct peer *p = come("p", true);
    desk.slow = true;
    for (uint16_t i = 1; i <= 50; i++) {
        peer_publish(p, "a", "x", 1, i);
        peer_puback(s);
    }
    faulty_disk_arm(ANY_CALL, 1, SQLITE_IOERR_WRITE, true);
    desk_disk(&desk);
    desk_pump(&desk);
    assert_int_equal(atomic_load(&faulty_disk.failures), 0);
    takes(p, "PUBACK 1");
}

/* --- after a crash ------------------------------------------------------------------------------
 */

static void messages_come_in_order_after_a_crash(void **state)
{
    (void)state;
    char text[32];
    leave_session("s", "a/+");
    leave_session("t", "a/1");
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 300; i++) {
        (void)snprintf(text, sizeof text, "%u", i);
        peer_publish(p, i % 2 ? "a/1" : "a/2", text, 1, i);
    }
    crash(1000);
    assert_int_equal(desk_stats(&desk).sessions, 2);
    assert_int_equal(desk_stats(&desk).subscriptions, 2);
    struct peer *s = come_back("s", "CONNACK 0 session");
    struct peer *t = come_back("t", "CONNACK 0 session");
    for (uint16_t i = 1; i <= 300; i++) {
        (void)snprintf(text, sizeof text, "PUBLISH a/%u %u qos1", i % 2 ? 1u : 2u, i);
        takes(s, text);
        peer_puback(s);
        if (i % 2) {
            takes(t, text);
            peer_puback(t);
        }
    }
    takes_nothing(s);
    crash(1000);
    s = come_back("s", "CONNACK 0 session");
    takes_nothing(s); /* acknowledged is over */
    p = come("p", true);
    peer_publish(p, "a/1", "new", 1, 1);
    takes(s, "PUBLISH a/1 new qos1");
}

/* Sent and not acknowledged goes before what has not been sent. */
static void what_was_in_flight_comes_first(void **state)
{
    (void)state;
    char text[32];
    struct peer *s = come("s", false);
    peer_subscribe(s, "a", 1);
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 150; i++) { /* more than the window */
        (void)snprintf(text, sizeof text, "%u", i);
        peer_publish(p, "a", text, 1, i);
    }
    peer_puback(s); /* the first */
    crash(1000);
    s = come_back("s", "CONNACK 0 session");
    for (uint16_t i = 2; i <= 150; i++) {
        (void)snprintf(text, sizeof text, "PUBLISH a %u qos1", i);
        takes(s, text);
        peer_puback(s);
    }
    takes_nothing(s);
}

static void subscriptions_are_as_they_were(void **state)
{
    (void)state;
    struct peer *s = come("s", false);
    peer_subscribe(s, "a", 0);
    peer_subscribe(s, "b", 0);
    peer_subscribe(s, "b", 1);
    peer_subscribe(s, "c", 1);
    unsubscribe(s, "c");
    peer_forget(s);
    crash(0);
    assert_int_equal(desk_stats(&desk).subscriptions, 2);
    struct peer *p = come("p", true);
    peer_publish(p, "a", "0", 1, 1);
    peer_publish(p, "b", "1", 1, 2);
    peer_publish(p, "c", "2", 1, 3);
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH b 1 qos1");
    takes_nothing(s);
    peer_publish(p, "a", "0", 1, 4);
    takes(s, "PUBLISH a 0");
}

static void a_session_that_was_ended_stays_ended(void **state)
{
    (void)state;
    leave_session("s", "a");
    leave_session("t", "a");
    struct peer *p = come("p", true);
    peer_publish(p, "a", "x", 1, 1);
    peer_forget(come("s", true)); /* clean: its stored session is thrown away */
    crash(0);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    (void)come_back("s", "CONNACK 0");
    struct peer *t = come_back("t", "CONNACK 0 session");
    takes(t, "PUBLISH a x qos1");
    crash(0);
    assert_int_equal(desk_stats(&desk).sessions, 2);
}

static void retained_messages_are_there(void **state)
{
    (void)state;
    struct peer *p = come("p", true);
    retain(p, "a", "1", 1);
    retain(p, "a", "2", 2);
    retain(p, "b", "1", 3);
    retain(p, "b", "", 4);
    retain(p, "c", "3", 5);
    crash(0);
    assert_int_equal(desk_stats(&desk).retained, 2);
    p = come("p", true);
    peer_subscribe(p, "a", 1);
    takes(p, "PUBLISH a 2 qos1 retain");
    peer_subscribe(p, "b", 1);
    takes_nothing(p);
    peer_subscribe(p, "c", 0);
    takes(p, "PUBLISH c 3 retain");
}

/* Of a retained message that waits for a session, RETAIN is known after the crash too. */
static void retain_is_remembered(void **state)
{
    (void)state;
    struct peer *s = come("s", false);
    retain(s, "a", "kept", 1);
    peer_subscribe(s, "a", 1);
    crash(0);
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a kept qos1 retain");
}

static void a_shared_group_keeps_what_waits(void **state)
{
    (void)state;
    leave_session("s", "$share/g/a");
    leave_session("t", "$share/g/a");
    struct peer *p = come("p", true);
    peer_publish(p, "a", "1", 1, 1);
    peer_publish(p, "a", "2", 1, 2);
    crash(0);
    struct peer *t = come_back("t", "CONNACK 0 session");
    takes(t, "PUBLISH a 1 qos1");
    peer_puback(t);
    takes(t, "PUBLISH a 2 qos1"); /* in flight with t when the desk dies: it is the group's */
    crash(0);
    struct peer *s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 2 qos1");
    unsubscribe(s, "$share/g/a"); /* from now on it is s's own */
    takes(s, "UNSUBACK 5");
    crash(0);
    t = come_back("t", "CONNACK 0 session");
    takes_nothing(t);
    unsubscribe(t, "$share/g/a"); /* the last: the group is gone */
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 2 qos1");
    peer_puback(s);
    crash(0);
    takes_nothing(come_back("s", "CONNACK 0 session"));
}

static void a_session_expires_while_the_server_is_away(void **state)
{
    (void)state;
    leave_session("s", "a");
    desk_wait(&desk, HOUR_MS / 2);
    crash(HOUR_MS / 2 - 2000);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    desk_wait(&desk, 1900);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    desk_wait(&desk, 200);
    assert_int_equal(desk_stats(&desk).sessions, 0);
    leave_session("t", "a");
    crash(HOUR_MS + 1);
    assert_int_equal(desk_stats(&desk).sessions, 0);
    (void)come_back("t", "CONNACK 0");
}

/* Who was connected when the server died counts as gone from the next start on, once. */
static void a_crash_is_the_end_of_a_connection(void **state)
{
    (void)state;
    (void)come("s", false);
    desk_wait(&desk, HOUR_MS / 4);
    crash(HOUR_MS * 5);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    crash(HOUR_MS / 2);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    crash(HOUR_MS / 2 + 1000);
    assert_int_equal(desk_stats(&desk).sessions, 0);
}

static void a_clock_that_was_set_back_ends_no_session_early(void **state)
{
    (void)state;
    leave_session("s", "a");
    crash(-24 * HOUR_MS);
    desk_wait(&desk, HOUR_MS - 1000);
    assert_int_equal(desk_stats(&desk).sessions, 1);
    desk_wait(&desk, 2000);
    assert_int_equal(desk_stats(&desk).sessions, 0);
}

static void a_polite_end_loses_nothing_either(void **state)
{
    (void)state;
    struct peer *s = come("s", false);
    peer_subscribe(s, "a", 1);
    struct peer *p = come("p", true);
    desk.slow = true;
    peer_publish(p, "a", "x", 1, 1);
    stop_and_start(HOUR_MS - 1000);
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a x qos1");
}

static const struct elo_mqtt_will bye = {
    .topic = {(const uint8_t *)"a", 1}, .payload = {(const uint8_t *)"bye", 3}, .qos = 1};

static struct peer *come_with_will(const char *id, const struct elo_mqtt_will *will, bool clean)
{
    static uint8_t packet[66 * 1024];
    const struct elo_mqtt_connect c = {.level = 4,
                                       .clean_session = clean,
                                       .keep_alive_s = 1200,
                                       .client_id = elo_span_str(id),
                                       .has_will = true,
                                       .will = *will};
    size_t len;
    assert_int_equal(elo_mqtt_encode_connect(&c, packet, sizeof packet, &len), ELO_OK);
    struct peer *p = peer_open(&desk, id, CERTIFICATE_all, ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    return p;
}

/* MQTT 5, 3.1.2.5: a server that fails may put wills off until it is back; ours forgets them. */
static void a_crash_publishes_no_will(void **state)
{
    (void)state;
    leave_session("s", "a");
    takes(come_with_will("w", &bye, false), "CONNACK 0");
    crash(0);
    struct peer *s = come_back("s", "CONNACK 0 session");
    takes_nothing(s);
    takes(come_with_will("w", &bye, false), "CONNACK 0 session");
    stop_and_start(0); /* told to end: everybody is disconnected, and that publishes it */
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a bye qos1");
}

/* Rows of messages go when nobody waits for them any more. */
static void nothing_is_left_behind(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 10; i++) {
        peer_publish(p, "a", "x", 1, i);
    }
    peer_forget(come("s", true));
    peer_forget(p);
    int64_t rows = 0;
    sqlite3 *db = NULL;
    char path[96];
    desk_close(&desk);
    house_shut(&house);
    (void)snprintf(path, sizeof path, "%s/elo.db", house.folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL), 0);
    sqlite3_stmt *count = NULL;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT (SELECT count(*) FROM message) + (SELECT count(*) "
                                        "FROM queued) + (SELECT count(*) FROM session) + (SELECT "
                                        "count(*) FROM subscription)",
                                        -1, &count, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(count), SQLITE_ROW);
    rows = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(db);
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, 0);
    assert_int_equal(rows, 0);
}

/* --- limits -------------------------------------------------------------------------------------
 */

static void open_with_a_megabyte(void)
{
    static struct limits limits;
    limits_unthrottled(&limits);
    limits.stored_mb = 1;
    desk_close(&desk);
    desk_open_stored(&desk, &house, &limits, 0);
}

static void what_waits_is_bounded_in_all(void **state)
{
    (void)state;
    static char text[100001];
    memset(text, 'x', sizeof text - 1);
    open_with_a_megabyte();
    leave_session("s", "a/s");
    leave_session("t", "a/t");
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 20; i++) {
        peer_publish(p, i % 2 ? "a/s" : "a/t", text, 1, i);
        char line[32];
        (void)snprintf(line, sizeof line, "PUBACK %u", i);
        takes(p, line); /* too many: thrown away, as AWS does */
    }
    assert_int_equal(desk_stats(&desk).dropped, 10); /* 1 MB holds 10 of 100 KB */
    struct peer *s = come_back("s", "CONNACK 0 session");
    for (unsigned i = 0; i < 5; i++) {
        takes(s, "PUBLISH a/s x*100000 qos1");
        peer_puback(s);
    }
    takes_nothing(s);
    peer_publish(p, "a/t", text, 1, 30); /* there is room again */
    assert_int_equal(desk_stats(&desk).dropped, 10);
}

/* What went out without a row, for the store was full, comes back to its group all the same. */
static void a_full_store_loses_nothing_of_a_group(void **state)
{
    (void)state;
    static char text[100001];
    memset(text, 'x', sizeof text - 1);
    open_with_a_megabyte();
    leave_session("s", "a");
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 10; i++) {
        peer_publish(p, "a", text, 1, i);
    }
    peer_clear(p);
    struct peer *t = come("t", false);
    peer_subscribe(t, "$share/g/b", 1);
    peer_publish(p, "b", text, 1, 20);
    takes(p, "PUBACK 20");
    takes(t, "PUBLISH b x*100000 qos1");
    peer_forget(t);
    t = come_back("t", "CONNACK 0 session");
    takes(t, "PUBLISH b x*100000 qos1");
    assert_int_equal(desk_stats(&desk).dropped, 0);
}

/* --- a disk that fails --------------------------------------------------------------------------
 */

static void a_failed_commit_is_never_acknowledged(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    struct peer *other = come("other", true);
    struct peer *s = come("new", false);
    peer_subscribe(other, "b", 1);
    desk.slow = true;
    peer_publish(p, "a", "1", 1, 1);
    peer_subscribe(s, "c", 1);
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    desk_disk(&desk);
    desk_pump(&desk);
    takes_nothing(p);
    takes_nothing(s);
    assert_true(p->closed_by_broker && s->closed_by_broker && !other->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_DISK_FULL);
    assert_true(desk_logged(&desk, "Server ELO_E_DISK_FULL"));
    assert_true(desk_logged(&desk, "Disconnect ELO_E_DISK_FULL SERVER_ERROR"));

    /* Meanwhile: what need not be stored works, what must be is refused. */
    desk.slow = false;
    peer_publish(other, "b", "live", 1, 2);
    takes(other, "PUBLISH b live qos1");
    takes(other, "PUBACK 2");
    peer_subscribe(other, "$share/g/d", 1); /* all of its members are here */
    peer_publish(other, "d", "live", 1, 2);
    takes(other, "PUBLISH d live qos1");
    takes(other, "PUBACK 2");
    peer_publish(other, "a", "2", 1, 3);
    takes_nothing(other);
    assert_true(other->closed_by_broker);
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("r"), ELO_SPAN("x"), 0, true, desk.now),
                     ELO_E_DISK_FULL);
    desk_wait(&desk, 5000); /* tries again, and fails */

    faulty_disk_heal();
    desk_wait(&desk, 1000);
    assert_true(desk_logged(&desk, "takes changes again"));
    p = come("p", true);
    peer_publish(p, "a", "3", 1, 4);
    takes(p, "PUBACK 4");
    crash(0);
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 1 qos1"); /* not acknowledged: it may be there, and it is */
    takes(s, "PUBLISH a 3 qos1");
    takes_nothing(s);
}

/* "MQTT", Reason codes: 80 where no other fits. */
static void a_failed_commit_is_told_in_mqtt5(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = peer_open(&desk, "p", CERTIFICATE_all, ELO_OK);
    peer_send(p, ELO_SPAN("\x10\x0e\0\4MQTT\5\2\x04\xb0\0\0\1p"));
    peer_clear(p);
    desk.slow = true;
    peer_send(p, ELO_SPAN("\x32\7\0\1a\0\1\0x"));
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    desk_disk(&desk);
    desk_pump(&desk);
    takes(p, "DISCONNECT 80 reason");
    takes_nothing(p);
    assert_true(p->closed_by_broker);
    assert_int_equal(p->reason, ELO_E_DISK_FULL);
    faulty_disk_heal();
    desk_wait(&desk, 1000);
}

/* Clients that go on with their session get what is stored from a full disk too. */
static void a_full_disk_can_be_read(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    peer_publish(p, "a", "1", 1, 1);
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    peer_publish(p, "a", "2", 1, 2);
    assert_true(p->closed_by_broker);
    struct peer *s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 1 qos1");
    peer_puback(s);
    faulty_disk_heal();
    desk_wait(&desk, 2000);
    crash(0);
    s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 2 qos1");
    takes_nothing(s);
}

/* A publisher sends again when the disk takes something; of a will that is due nobody would. */
static void a_last_will_waits_for_the_disk(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *w = come_with_will("w", &bye, true);
    struct peer *p = come("p", true);
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    peer_publish(p, "a", "1", 1, 1);
    assert_true(p->closed_by_broker);
    peer_drop(w);
    faulty_disk_heal();
    desk_wait(&desk, 2000);
    crash(0);
    struct peer *s = come_back("s", "CONNACK 0 session");
    takes(s, "PUBLISH a 1 qos1");
    peer_puback(s);
    takes(s, "PUBLISH a bye qos1");
    takes_nothing(s);
}

/* They may take half of the 60 MiB that may wait; the next is lost, and that is logged. */
static void as_many_last_wills_wait_as_there_is_slack_for(void **state)
{
    (void)state;
    static uint8_t words[65000];
    char topic[16];
    memset(words, 'x', sizeof words);
    leave_session("s", "a");
    struct peer *p = come("p", true);
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    peer_publish(p, "a", "1", 1, 1);
    size_t kept = 0;
    for (; !desk_logged(&desk, "a last will could not be published"); kept++) {
        assert_true(kept < 1000);
        snprintf(topic, sizeof topic, "w/%zu", kept);
        const struct elo_mqtt_will will = {.topic = elo_span_str(topic),
                                           .payload = elo_span_of(words, sizeof words),
                                           .retain = true};
        peer_forget(come_with_will("w", &will, true));
    }
    assert_in_range(kept * sizeof words, 30u << 20, 31u << 20);
    faulty_disk_heal();
    desk_wait(&desk, 2000);
    assert_true(desk_logged(&desk, "takes changes again"));
}

/* Sends until it is acknowledged, over new connections if need be. */
static void publish_until_acked(const char *topic, const char *payload, bool keep)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        struct peer *p = come("p", true);
        if (keep) {
            retain(p, topic, payload, 7);
        } else {
            peer_publish(p, topic, payload, 1, 7);
        }
        const char *line = peer_take(p);
        bool acked = line != NULL && strcmp(line, "PUBACK 7") == 0;
        assert_true(acked || p->closed_by_broker); /* one or the other */
        peer_forget(p);
        if (acked) {
            return;
        }
        desk_wait(&desk, 1000);
    }
    fail_msg("never acknowledged");
}

static void subscribe_until_acked(const char *name, const char *filter)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        struct peer *p = come(name, false);
        const struct elo_mqtt_subscription sub = {.filter = elo_span_str(filter), .qos = 1};
        uint8_t packet[300];
        size_t len;
        assert_int_equal(elo_mqtt_encode_subscribe(1, &sub, 1, packet, sizeof packet, &len), 0);
        if (p->conn != NULL) {
            peer_send(p, elo_span_of(packet, len));
        }
        const char *line = peer_take(p);
        bool acked = line != NULL && strcmp(line, "SUBACK 1 01") == 0;
        assert_true(acked || p->closed_by_broker);
        peer_forget(p);
        if (acked) {
            return;
        }
        desk_wait(&desk, 1000);
    }
    fail_msg("never acknowledged");
}

/* Takes what comes, at least once and in order, acknowledging. */
static void gets(const char *name, const char *const *lines, size_t count)
{
    struct peer *s = knock(name);
    for (unsigned tries = 0; s->closed_by_broker && tries < 20; tries++) {
        peer_forget(s);
        desk_wait(&desk, 1000);
        s = knock(name);
    }
    takes(s, "CONNACK 0 session");
    size_t at = 0;
    for (const char *line; (line = peer_take(s)) != NULL;) {
        if (at < count && strcmp(line, lines[at]) == 0) {
            at++;
        } else if (at == 0 || strcmp(line, lines[at - 1]) != 0) { /* else once more */
            fail_msg("%s: %s instead of %s", name, line, at < count ? lines[at] : "nothing");
        }
        peer_puback(s);
    }
    assert_int_equal(at, count);
    peer_forget(s);
}

static bool scenario(int calls, long n, int error, bool sticky)
{
    faulty_disk_arm(calls, n, error, sticky);
    subscribe_until_acked("s", "a/#");
    subscribe_until_acked("t", "a/1");
    publish_until_acked("a/1", "one", false);
    publish_until_acked("a/2", "two", false);
    publish_until_acked("kept", "three", true);
    gets("t", (const char *const[]){"PUBLISH a/1 one qos1"}, 1);
    publish_until_acked("a/1", "four", false);
    bool failed = atomic_load(&faulty_disk.failures) > 0;
    faulty_disk_heal();
    desk_wait(&desk, 1000);
    crash(0);
    gets("s",
         (const char *const[]){"PUBLISH a/1 one qos1", "PUBLISH a/2 two qos1",
                               "PUBLISH a/1 four qos1"},
         3);
    struct peer *p = come("p", true);
    peer_subscribe(p, "kept", 1);
    takes(p, "PUBLISH kept three qos1 retain");
    return failed;
}

static void any_single_write_may_fail(void **state)
{
    static const struct {
        int calls;
        int error;
    } faults[] = {{FAULTY_WRITE, SQLITE_FULL},
                  {FAULTY_WRITE, SQLITE_IOERR_WRITE},
                  {FAULTY_SYNC, SQLITE_IOERR_FSYNC}};
    (void)teardown(state);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        long n = 1;
        for (bool more = true; more; n++) {
            (void)setup(state);
            more = scenario(faults[i].calls, n, faults[i].error, false);
            (void)teardown(state);
        }
        print_message("%ld single faults of kind %d\n", n - 2, faults[i].error);
        assert_true(n > 5);
    }
    (void)setup(state);
}

int main(void)
{
    faulty_disk_install();
    atomic_store(&faulty_disk.no_wait, true);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_connack_waits),
        CASE(a_suback_waits_with_what_follows_it),
        CASE(asking_again_does_not_help),
        CASE(a_puback_waits_and_holds_up_nothing_else),
        CASE(the_api_learns_what_to_wait_for),
        CASE(deleting_a_session_waits),
        CASE(many_messages_are_few_batches),
        CASE(what_is_over_is_not_written),
        CASE(messages_come_in_order_after_a_crash),
        CASE(what_was_in_flight_comes_first),
        CASE(subscriptions_are_as_they_were),
        CASE(a_session_that_was_ended_stays_ended),
        CASE(retained_messages_are_there),
        CASE(retain_is_remembered),
        CASE(a_shared_group_keeps_what_waits),
        CASE(a_session_expires_while_the_server_is_away),
        CASE(a_crash_is_the_end_of_a_connection),
        CASE(a_clock_that_was_set_back_ends_no_session_early),
        CASE(a_polite_end_loses_nothing_either),
        CASE(a_crash_publishes_no_will),
        CASE(nothing_is_left_behind),
        CASE(what_waits_is_bounded_in_all),
        CASE(a_full_store_loses_nothing_of_a_group),
        CASE(a_failed_commit_is_never_acknowledged),
        CASE(a_failed_commit_is_told_in_mqtt5),
        CASE(a_full_disk_can_be_read),
        CASE(a_last_will_waits_for_the_disk),
        CASE(as_many_last_wills_wait_as_there_is_slack_for),
        CASE(any_single_write_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
