// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What is acknowledged is durable, when memory is short: each allocation fails in its turn, on the
 * way in and while what is stored is read again; and when much waits for a disk that is slow or
 * full: nothing of it grows for ever, and nobody suffers who needs no disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "tests/support/broker_stored.h"

#define DAY_MS    ((int64_t)24 * HOUR_MS)
#define ANY_WRITE (FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE)

/* --- no memory ----------------------------------------------------------------------------------
 */

/* Says something to the desk that it answers with `answer`; false: it did not. */
static bool asks(struct peer *p, elo_span packet, const char *answer)
{
    if (p->conn == NULL) {
        return false;
    }
    peer_send(p, packet);
    for (const char *line; (line = peer_take(p)) != NULL;) {
        if (strcmp(line, answer) == 0) {
            return true;
        }
    }
    assert_true(p->closed_by_broker); /* one or the other */
    return false;
}

struct request {
    const char *answer;
    elo_err (*encode)(uint8_t *packet, size_t cap, size_t *len);
    void (*check)(void);
};

static elo_err encode_publish(
    const char *topic, const char *payload, bool retain, uint8_t *to, size_t cap, size_t *len)
{
    const struct elo_mqtt_publish m = {.topic = elo_span_str(topic),
                                       .payload = elo_span_str(payload),
                                       .packet_id = 9,
                                       .qos = 1,
                                       .retain = retain};
    return elo_mqtt_encode_publish(&m, to, cap, len);
}

static elo_err store_message(uint8_t *to, size_t cap, size_t *len)
{
    return encode_publish("a/1", "x", false, to, cap, len);
}

static elo_err share_message(uint8_t *to, size_t cap, size_t *len)
{
    return encode_publish("shared", "x", false, to, cap, len);
}

static elo_err reach_live(uint8_t *to, size_t cap, size_t *len)
{
    return encode_publish("live", "x", false, to, cap, len);
}

static elo_err keep_retained(uint8_t *to, size_t cap, size_t *len)
{
    return encode_publish("r", "new", true, to, cap, len);
}

static elo_err forget_retained(uint8_t *to, size_t cap, size_t *len)
{
    return encode_publish("r", "", true, to, cap, len);
}

static elo_err unsubscribe_b(uint8_t *to, size_t cap, size_t *len)
{
    const elo_span filter = ELO_SPAN("b");
    return elo_mqtt_encode_unsubscribe(5, &filter, 1, to, cap, len);
}

static elo_err subscribe_c(uint8_t *to, size_t cap, size_t *len)
{
    const struct elo_mqtt_subscription sub = {.filter = ELO_SPAN("c"), .qos = 1};
    return elo_mqtt_encode_subscribe(5, &sub, 1, to, cap, len);
}

static void gets_once_or_more(const char *name, const char *line)
{
    struct peer *s = come_back(name, "CONNACK 0 session");
    bool got = false;
    for (const char *has; (has = peer_take(s)) != NULL; peer_puback(s)) {
        got = got || strcmp(has, line) == 0;
    }
    if (!got) {
        fail_msg("%s has not got: %s", name, line);
    }
}

static void message_is_there(void)
{
    gets_once_or_more("s", "PUBLISH a/1 x qos1");
}

static void group_has_it(void)
{
    gets_once_or_more("m", "PUBLISH shared x qos1");
}

static void live_session_has_it(void)
{
    gets_once_or_more("l", "PUBLISH live x qos1");
}

static void retained_is(const char *line)
{
    struct peer *p = come("reader", true);
    peer_subscribe(p, "r", 1);
    if (line == NULL) {
        takes_nothing(p);
    } else {
        takes(p, line);
    }
}

static void retained_is_new(void)
{
    retained_is("PUBLISH r new qos1 retain");
}

static void retained_is_gone(void)
{
    retained_is(NULL);
}

static void nothing_comes_on_b(void)
{
    struct peer *p = come("reader", true);
    peer_publish(p, "b", "x", 1, 1);
    takes_nothing(come_back("asker", "CONNACK 0 session"));
}

static void c_comes(void)
{
    struct peer *p = come("reader", true);
    peer_publish(p, "c", "x", 1, 1);
    gets_once_or_more("asker", "PUBLISH c x qos1");
}

/*
 * Asks with the n-th allocation failing, and again, as clients do, until it is answered. false:
 * nothing has failed, n is beyond the last.
 */
static bool asks_with_failure(const struct request *r, long n)
{
    uint8_t packet[200];
    size_t len;
    assert_int_equal(r->encode(packet, sizeof packet, &len), ELO_OK);
    long before = mem_count();
    mem_fail_at(n);
    struct peer *p = peer_find(&desk, "asker");
    bool answered = asks(p, elo_span_of(packet, len), r->answer);
    bool failed = mem_count() - before >= n;
    mem_fail_at(0);
    for (unsigned tries = 0; !answered && tries < 3; tries++) {
        peer_forget(p);
        p = come_back("asker", "CONNACK 0 session");
        answered = asks(p, elo_span_of(packet, len), r->answer);
    }
    assert_true(answered);
    return failed;
}

static void any_allocation_may_fail(void **state)
{
    static const struct request requests[] = {
        {"PUBACK 9", store_message, message_is_there},
        {"PUBACK 9", share_message, group_has_it},
        {"PUBACK 9", reach_live, live_session_has_it},
        {"PUBACK 9", keep_retained, retained_is_new},
        {"PUBACK 9", forget_retained, retained_is_gone},
        {"UNSUBACK 5", unsubscribe_b, nothing_comes_on_b},
        {"SUBACK 5 01", subscribe_c, c_comes},
    };
    (void)teardown(state);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        long n = 1;
        for (bool more = true; more; n++) {
            (void)setup(state);
            leave_session("s", "a/+");
            leave_session("m", "$share/g/shared");
            peer_subscribe(come("l", false), "live", 1);
            struct peer *p = come("asker", false);
            peer_subscribe(p, "b", 1);
            retain(p, "r", "old", 1);
            peer_clear(p);
            more = asks_with_failure(&requests[i], n);
            crash(0);
            requests[i].check();
            (void)teardown(state);
        }
        assert_true(n > 3);
    }
    (void)setup(state);
}

static void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    memset(out, 0x5a, len);
}

/* What could not be read for lack of memory is still there the next time. */
static void a_start_without_memory_loses_nothing(void **state)
{
    (void)state;
    leave_session("s", "a");
    leave_session("m", "$share/g/a");
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 3; i++) {
        peer_publish(p, "a", "x", 1, i);
    }
    retain(p, "r", "kept", 4);
    peer_forget(p);
    const struct broker_config config = {
        .log = &desk.log, .random = {.fill = fill, .ctx = NULL}, .store = house.store};
    struct store_progress progress;
    elo_err err = ELO_E_NO_MEMORY;
    struct core_time now = desk.now;
    desk_close(&desk);
    for (long n = 1; err != ELO_OK; n++) {
        struct broker *b = broker_create(&config, house.auth);
        assert_non_null(b);
        mem_fail_at(n);
        err = broker_restore(b, now);
        mem_fail_at(0);
        assert_true(err == ELO_OK || err == ELO_E_NO_MEMORY);
        broker_destroy(b);
        store_poll(house.store, &progress);
    }
    desk_open_stored(&desk, &house, NULL, 0);
    assert_int_equal(desk_stats(&desk).retained, 1);
    for (unsigned who = 0; who < 2; who++) {
        struct peer *s = come_back(who ? "m" : "s", "CONNACK 0 session");
        for (unsigned i = 1; i <= 3; i++) {
            takes(s, "PUBLISH a x qos1");
            peer_puback(s);
        }
        takes_nothing(s);
    }
}

static void run_sql(const char *sql)
{
    sqlite3 *db = NULL;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/elo.db", house.folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The end of a session found no memory, and its client came again: no reason not to start. */
static void the_rest_of_a_session_is_no_damage(void **state)
{
    (void)state;
    leave_session("s", "a");
    struct peer *p = come("p", true);
    peer_publish(p, "a", "old", 1, 1);
    desk_close(&desk);
    house_shut(&house);
    run_sql("PRAGMA locking_mode = EXCLUSIVE;"
            "INSERT INTO session SELECT id + 7, client_id, level, expiry_ms, offline_ms "
            "FROM session; INSERT INTO subscription SELECT session + 7, 'b', qos, options FROM "
            "subscription; INSERT INTO queued SELECT id + 100, 50, message, flags FROM queued");
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(desk_stats(&desk).sessions, 1);
        assert_int_equal(desk_stats(&desk).subscriptions, 1);
        crash(0);
    }
    struct peer *s = come_back("s", "CONNACK 0 session");
    takes_nothing(s);
    p = come("p", true);
    peer_publish(p, "b", "new", 1, 1);
    takes(s, "PUBLISH b new qos1");
}

/* --- much waits ---------------------------------------------------------------------------------
 */

static char big[LIMIT_PAYLOAD_BYTES + 1];

static const char *big_text(size_t len)
{
    memset(big, 'x', len);
    big[len] = '\0';
    return big;
}

/* More than the store takes at a time: refused, and when the disk fails on top it recovers. */
static void what_waits_for_the_disk_is_bounded(void **state)
{
    (void)state;
    const char *text = big_text(120000);
    char topic[8];
    for (unsigned i = 0; i < 8; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "s%u", i);
        (void)snprintf(topic, sizeof topic, "t%u", i);
        leave_session(name, topic);
    }
    struct peer *p = come("p", true);
    desk.slow = true;
    unsigned taken = 0;
    for (; p->conn != NULL && taken < 900; taken++) {
        (void)snprintf(topic, sizeof topic, "t%u", taken % 8);
        peer_publish(p, topic, text, 1, (uint16_t)(taken + 1));
        if (taken % 250 == 249) {
            broker_commit(desk.broker);
        }
    }
    assert_true(p->closed_by_broker); /* 64 MiB is more than enough */
    assert_int_equal(p->reason, ELO_E_NO_MEMORY);
    assert_in_range(taken, 400, 560);
    takes_nothing(p);
    faulty_disk_arm(ANY_WRITE, 1, SQLITE_FULL, true);
    desk_disk(&desk);
    faulty_disk_heal();
    desk.slow = false;
    desk_wait(&desk, 3000);
    assert_true(desk_logged(&desk, "takes changes again"));
    p = come("p", true);
    peer_publish(p, "t0", "small", 1, 1);
    takes(p, "PUBACK 1");
}

/* What was in flight and what waited is more, together, than may wait. */
static void the_cap_of_a_queue_holds_after_a_restart(void **state)
{
    (void)state;
    const char *text = big_text(120000);
    struct peer *s = come("s", false);
    peer_subscribe(s, "a", 1);
    struct peer *p = come("p", true);
    for (uint16_t i = 1; i <= 100; i++) { /* in flight, not acknowledged */
        peer_publish(p, "a", text, 1, i);
    }
    peer_forget(s);
    for (uint16_t i = 101; i <= 250; i++) {
        peer_publish(p, "a", text, 1, i);
    }
    assert_true(desk_stats(&desk).dropped > 0);
    crash(0);
    assert_true(desk_stats(&desk).queued > LIMIT_QUEUED_BYTES / 120000);
    p = come("p", true);
    peer_publish(p, "a", text, 1, 1);
    assert_int_equal(desk_stats(&desk).dropped, 1);
}

/* Sessions that are away have used up what may be stored: who is there goes on as ever. */
static void live_sessions_go_on_when_the_store_is_full(void **state)
{
    (void)state;
    struct limits limits;
    limits_unthrottled(&limits);
    limits.stored_mb = 1;
    desk_close(&desk);
    desk_open_stored(&desk, &house, &limits, 0);
    leave_session("away", "a");
    struct peer *live = come("live", false);
    peer_subscribe(live, "b", 1);
    struct peer *member = come("member", false);
    peer_subscribe(member, "$share/g/c", 1);
    struct peer *p = come("p", true);
    const char *text = big_text(100000);
    for (uint16_t i = 1; i <= 20; i++) {
        peer_publish(p, "a", text, 1, i);
    }
    for (uint16_t i = 1; i <= 150; i++) { /* more than the window: some wait */
        peer_publish(p, "b", text, 1, i);
        peer_publish(p, "c", text, 1, i);
    }
    for (uint16_t i = 1; i <= 150; i++) {
        takes(live, "PUBLISH b x*100000 qos1");
        peer_puback(live);
    }
    for (uint16_t i = 1; i <= 100; i++) { /* a group's queue is nobody's who is there */
        takes(member, "PUBLISH c x*100000 qos1");
        peer_puback(member);
    }
    assert_non_null(live->conn);
    assert_non_null(member->conn);
}

static int64_t database_bytes(void)
{
    static const char *const files[] = {"elo.db", "elo.db-wal"};
    int64_t bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[96];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", house.folder, files[i]);
        bytes += stat(path, &st) == 0 ? st.st_size : 0;
    }
    return bytes;
}

static void store_and_fetch(unsigned count)
{
    struct peer *p = come("p", true);
    const char *text = big_text(2000);
    for (unsigned i = 1; i <= count; i++) {
        peer_publish(p, "a", text, 1, (uint16_t)i);
    }
    peer_forget(p);
    struct peer *s = come_back("s", "CONNACK 0 session");
    while (peer_take(s) != NULL) {
        peer_puback(s);
    }
    peer_forget(s);
    assert_int_equal(desk_stats(&desk).queued, 0);
}

/* Rows go, pages are used again, the log begins anew. */
static void the_file_does_not_grow_under_steady_load(void **state)
{
    (void)state;
    leave_session("s", "a");
    for (unsigned i = 0; i < 10; i++) {
        store_and_fetch(500);
    }
    int64_t before = database_bytes();
    for (unsigned i = 0; i < 20; i++) {
        store_and_fetch(500);
    }
    assert_in_range(database_bytes(), 0, before + before / 10);
}

/* --- a disk that takes nothing ------------------------------------------------------------------
 */

/* A session has ended and that cannot be written: only its own client has to wait. */
static void clean_sessions_need_no_disk(void **state)
{
    (void)state;
    leave_session("s", "a");
    faulty_disk_arm(ANY_WRITE, 1, SQLITE_FULL, true);
    desk_wait(&desk, HOUR_MS + 1000); /* it expires */
    struct peer *p = come("p", true);
    peer_publish(p, "b", "x", 1, 1);
    takes(p, "PUBACK 1");
    struct peer *s = peer_open(&desk, "s", CERTIFICATE_all, ELO_OK);
    static const uint8_t connect[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 4, 0, 0, 1, 's'};
    peer_send(s, elo_span_of(connect, sizeof connect));
    takes_nothing(s);
    faulty_disk_heal();
    desk_wait(&desk, 2000);
    if (s->conn != NULL) { /* or closed by the next try that failed */
        takes(s, "CONNACK 0");
    }
}

/* It has taken its leave before it was told anything: it is closed all the same. */
static void who_leaves_early_is_closed(void **state)
{
    static const uint8_t disconnect[] = {0xe0, 0};
    (void)state;
    desk.slow = true;
    struct peer *p = knock("s");
    peer_send(p, elo_span_of(disconnect, sizeof disconnect));
    faulty_disk_arm(ANY_WRITE, 1, SQLITE_FULL, true);
    desk_disk(&desk);
    desk_pump(&desk);
    takes_nothing(p);
    assert_null(p->conn);
}

/* --- the API, the clock -------------------------------------------------------------------------
 */

/* What is forgotten already, but not durably, is waited for as well. */
static void the_api_waits_when_it_asks_again(void **state)
{
    (void)state;
    struct peer *p = come("p", true);
    retain(p, "r", "x", 1);
    takes(p, "PUBACK 1");
    desk.slow = true;
    uint64_t after[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            broker_publish(desk.broker, ELO_SPAN("r"), ELO_SPAN(""), 1, true, desk.now), ELO_OK);
        after[i] = broker_after(desk.broker);
    }
    assert_true(after[0] != 0 && after[0] != BROKER_NEVER);
    assert_int_equal(after[1], after[0]);
    desk_disk(&desk);
    assert_int_equal(broker_publish(desk.broker, ELO_SPAN("r"), ELO_SPAN(""), 1, true, desk.now),
                     ELO_OK);
    assert_int_equal(broker_after(desk.broker), 0);
}

/* A message lives no longer than one may, whatever the clock says. */
static void a_clock_that_was_set_back_keeps_no_message_for_ever(void **state)
{
    (void)state;
    assert_int_equal(broker_publish5(desk.broker, ELO_SPAN("r"), ELO_SPAN("x"), ELO_SPAN(""), 60, 1,
                                     true, desk.now),
                     ELO_OK);
    desk_disk(&desk);
    crash(-365 * DAY_MS);
    assert_int_equal(desk_stats(&desk).retained, 1);
    desk_wait(&desk, 8 * DAY_MS);
    assert_int_equal(desk_stats(&desk).retained, 0);
}

/* It came back, and the server died: it is as young as that. */
static void who_came_back_is_not_away_since_before(void **state)
{
    (void)state;
    leave_session("s", "a");
    desk_wait(&desk, HOUR_MS - 1000);
    (void)come_back("s", "CONNACK 0 session");
    crash(HOUR_MS / 2);
    (void)come_back("s", "CONNACK 0 session");
}

int main(void)
{
    faulty_disk_install();
    atomic_store(&faulty_disk.no_wait, true);
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(any_allocation_may_fail),
        CASE(a_start_without_memory_loses_nothing),
        CASE(the_rest_of_a_session_is_no_damage),
        CASE(what_waits_for_the_disk_is_bounded),
        CASE(the_cap_of_a_queue_holds_after_a_restart),
        CASE(live_sessions_go_on_when_the_store_is_full),
        CASE(the_file_does_not_grow_under_steady_load),
        CASE(clean_sessions_need_no_disk),
        CASE(who_leaves_early_is_closed),
        CASE(the_api_waits_when_it_asks_again),
        CASE(a_clock_that_was_set_back_keeps_no_message_for_ever),
        CASE(who_came_back_is_not_away_since_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
