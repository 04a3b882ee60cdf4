// links: server_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The broker's tables: rows come back as they went in; what is put and deleted before it was
 * written costs no write; a kept batch comes back from a commit that failed, at every single write,
 * and brings the database up to memory when it is submitted again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/store/store.h"
#include "tests/support/faulty_disk.h"

static char dir[64];
static char path[96];
static struct store *store;

static void open_store(void)
{
    char why[512] = "";
    const struct store_config config = {.path = path};
    if (store_open(&config, &store, why, sizeof why)) {
        fail_msg("%s", why);
    }
}

static int setup(void **state)
{
    (void)state;
    faulty_disk_heal();
    (void)snprintf(dir, sizeof dir, "/tmp/elo-sessions-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/elo.db", dir);
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faulty_disk_heal();
    mem_fail_at(0);
    store_close(store);
    (void)unlink(path);
    char log[112];
    (void)snprintf(log, sizeof log, "%s-wal", path);
    (void)unlink(log);
    return rmdir(dir);
}

/* --- the tables as text ------------------------------------------------------------------------
 */

#define TEXT(span) (int)(span).len, (const char *)(span).ptr

static elo_err see_session(void *ctx, const struct store_session *row)
{
    buf_format(ctx, "session %d %.*s %d %d %d\n", (int)row->id, TEXT(row->client_id),
               (int)row->level, (int)row->expiry_ms, (int)row->offline_ms);
    return ELO_OK;
}

static elo_err see_subscription(void *ctx, const struct store_subscription *row)
{
    buf_format(ctx, "subscription %d %.*s %d %d\n", (int)row->session, TEXT(row->filter),
               (int)row->qos, (int)row->options);
    return ELO_OK;
}

static void see_content(struct buf *out, const struct store_message *row)
{
    buf_format(out, " %.*s '%.*s' '%.*s' %d %d", TEXT(row->topic), TEXT(row->payload),
               TEXT(row->properties), (int)row->qos, (int)row->expires_ms);
}

static elo_err see_message(void *ctx, int64_t id, const struct store_message *row)
{
    buf_format(ctx, "message %d", (int)id);
    see_content(ctx, row);
    buf_text(ctx, "\n");
    return ELO_OK;
}

static elo_err see_queued(void *ctx, const struct store_queued *row)
{
    buf_format(ctx, "queued %d %d %d %d\n", (int)row->id, (int)row->session, (int)row->message,
               (int)row->flags);
    return ELO_OK;
}

static elo_err see_retained(void *ctx, const struct store_message *row, int64_t modified_ms)
{
    buf_text(ctx, "retained");
    see_content(ctx, row);
    buf_format(ctx, " %d\n", (int)modified_ms);
    return ELO_OK;
}

static void holds(const char *expected)
{
    struct buf text;
    buf_init(&text, 65536);
    const struct store_loader loader = {.ctx = &text,
                                        .session = see_session,
                                        .subscription = see_subscription,
                                        .message = see_message,
                                        .queued = see_queued,
                                        .retained = see_retained};
    assert_int_equal(store_load(store, &loader), ELO_OK);
    buf_add(&text, elo_span_of("", 1));
    assert_string_equal((const char *)buf_span(&text).ptr, expected);
    buf_free(&text);
}

static void reopen(void)
{
    store_close(store);
    open_store();
}

/* --- rows --------------------------------------------------------------------------------------
 */

static struct store_message hello;
static struct store_message empty;

static void make_messages(void)
{
    hello = (struct store_message){.topic = ELO_SPAN("a/b"),
                                   .payload = ELO_SPAN("hello"),
                                   .properties = ELO_SPAN("pp"),
                                   .qos = 1,
                                   .expires_ms = 77};
    empty = (struct store_message){.topic = ELO_SPAN("a/c")};
}

static void put_all(struct store_batch *b)
{
    const struct store_session first = {1, ELO_SPAN("one"), 4, 3600, 0};
    const struct store_session second = {2, ELO_SPAN("two"), 5, 60, 1234};
    const struct store_subscription filter = {2, ELO_SPAN("$share/g/a/#"), 1, 3};
    const struct store_subscription other = {1, ELO_SPAN("a/+"), 0, 0};
    assert_true(store_put_session(b, &second) && store_put_session(b, &first));
    assert_true(store_put_subscription(b, &filter) && store_put_subscription(b, &other));
    assert_true(store_put_message(b, 7, &hello) && store_put_message(b, 8, &empty));
    assert_true(store_put_queued(b, &(struct store_queued){11, 2, 7, 0}));
    assert_true(store_put_queued(b, &(struct store_queued){12, 1, 7, 1}));
    assert_true(store_put_queued(b, &(struct store_queued){13, 1, 8, 0}));
    assert_true(store_put_retained(b, &hello, 99));
}

#define SESSIONS     "session 1 one 4 3600 0\nsession 2 two 5 60 1234\n"
#define FILTER_ONE   "subscription 1 a/+ 0 0\n"
#define FILTER_TWO   "subscription 2 $share/g/a/# 1 3\n"
#define MESSAGE_7    "message 7 a/b 'hello' 'pp' 1 77\n"
#define MESSAGE_8    "message 8 a/c '' '' 0 0\n"
#define RETAINED_A_B "retained a/b 'hello' 'pp' 1 77 99\n"
#define EVERYTHING                                                                                 \
    SESSIONS FILTER_ONE FILTER_TWO MESSAGE_7 MESSAGE_8                                             \
        "queued 11 2 7 0\nqueued 12 1 7 1\nqueued 13 1 8 0\n" RETAINED_A_B

static void commit(struct store_batch *b)
{
    struct store_progress progress;
    uint64_t seq = store_submit(b);
    assert_true(seq != 0);
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
    assert_true(progress.durable >= seq);
    assert_null(progress.returned);
}

static void rows_come_back(void **state)
{
    (void)state;
    struct store_batch *b = store_begin_kept(store);
    put_all(b);
    commit(b);
    reopen();
    holds(EVERYTHING);
}

static void rows_are_replaced_and_deleted(void **state)
{
    (void)state;
    struct store_batch *b = store_begin_kept(store);
    put_all(b);
    commit(b);
    b = store_begin_kept(store);
    const struct store_session again = {1, ELO_SPAN("one"), 4, 3600, 555};
    const struct store_subscription raised = {1, ELO_SPAN("a/+"), 1, 0};
    const struct store_message newer = {.topic = ELO_SPAN("a/b"), .payload = ELO_SPAN("new")};
    assert_true(store_put_session(b, &again) && store_put_subscription(b, &raised));
    assert_true(store_put_retained(b, &newer, 100));
    assert_true(store_delete_session(b, 2));
    assert_true(store_delete_queued(b, 11) && store_delete_message(b, 8));
    commit(b);
    reopen();
    holds("session 1 one 4 3600 555\nsubscription 1 a/+ 1 0\n" MESSAGE_7
          "queued 12 1 7 1\nqueued 13 1 8 0\nretained a/b 'new' '' 0 0 100\n");
    b = store_begin_kept(store);
    assert_true(store_delete_subscription(b, 1, ELO_SPAN("a/+")));
    assert_true(store_delete_retained(b, ELO_SPAN("a/b")));
    assert_true(store_delete_retained(b, ELO_SPAN("never/there")));
    commit(b);
    holds("session 1 one 4 3600 555\n" MESSAGE_7 "queued 12 1 7 1\nqueued 13 1 8 0\n");
}

/* --- what is put and deleted before it is written ------------------------------------------------
 */

static void nothing_is_written_for_what_is_over(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store_batch *b = store_begin_kept(store);
    assert_true(store_put_message(b, 1, &hello));
    assert_true(store_put_queued(b, &(struct store_queued){5, 1, 1, 0}));
    uint64_t first = store_submit(b);
    b = store_begin_kept(store);
    assert_true(store_delete_queued(b, 5) && store_delete_message(b, 1));
    uint64_t second = store_submit(b);
    faulty_disk_arm(FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE, 1, SQLITE_IOERR_WRITE, true);
    store_poll(store, &progress);
    faulty_disk_heal();
    assert_int_equal(progress.failed, 0);
    assert_true(progress.durable >= second && second > first);
    holds("");
}

/* Only the pairs go: what waits for another session too stays, and so do rows written before. */
static void only_pairs_are_left_out(void **state)
{
    (void)state;
    struct store_batch *b = store_begin_kept(store);
    put_all(b);
    assert_true(store_delete_queued(b, 12));
    commit(b);
    holds(SESSIONS FILTER_ONE FILTER_TWO MESSAGE_7 MESSAGE_8
          "queued 11 2 7 0\nqueued 13 1 8 0\n" RETAINED_A_B);
    b = store_begin_kept(store);
    for (int64_t i = 20; i < 60; i++) {
        assert_true(store_put_message(b, i, &empty));
        assert_true(store_put_queued(b, &(struct store_queued){i + 100, 1, i, 0}));
    }
    for (int64_t i = 0; i < 60; i++) { /* the first ones were written before, or never were */
        assert_true(i == 33 || (store_delete_queued(b, i + 100) && store_delete_message(b, i)));
    }
    assert_true(store_delete_queued(b, 13) && store_delete_queued(b, 11));
    commit(b);
    holds(SESSIONS FILTER_ONE FILTER_TWO
          "message 33 a/c '' '' 0 0\nqueued 133 1 33 0\n" RETAINED_A_B);
}

static void without_memory_everything_is_written(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store_batch *b = store_begin_kept(store);
    put_all(b);
    assert_true(store_delete_queued(b, 12));
    uint64_t seq = store_submit(b);
    mem_fail_at(1);
    store_poll(store, &progress);
    mem_fail_at(0);
    assert_true(progress.durable >= seq);
    holds(SESSIONS FILTER_ONE FILTER_TWO MESSAGE_7 MESSAGE_8
          "queued 11 2 7 0\nqueued 13 1 8 0\n" RETAINED_A_B);
}

/* --- a disk that fails -------------------------------------------------------------------------
 */

/* Two kept batches and one that is not, the disk fails at the n-th call; then once more. */
static bool survives(int calls, long n, int error)
{
    struct store_progress progress;
    struct store_batch *b = store_begin_kept(store);
    put_all(b);
    (void)store_submit(b);
    b = store_begin(store);
    store_put_thing(b, &(struct store_thing){.name = ELO_SPAN("t"), .attributes = ELO_SPAN("{}")});
    (void)store_submit(b);
    b = store_begin_kept(store);
    assert_true(store_delete_queued(b, 12) && store_delete_session(b, 1));
    uint64_t last = store_submit(b);
    faulty_disk_arm(calls, n, error, false);
    store_poll(store, &progress);
    bool failed = atomic_load(&faulty_disk.failures) > 0;
    faulty_disk_heal();
    if (!failed) {
        assert_int_equal(progress.failed, 0);
        return false;
    }
    if (progress.failed) { /* a checkpoint may fail and harm nobody */
        assert_int_equal(progress.failed, last);
        assert_non_null(progress.returned);
        assert_true(progress.lost);
        holds("");
        commit(progress.returned);
    }
    reopen();
    holds("session 2 two 5 60 1234\n" FILTER_TWO MESSAGE_7 MESSAGE_8
          "queued 11 2 7 0\nqueued 13 1 8 0\n" RETAINED_A_B);
    return true;
}

static void kept_batches_come_back_at_every_write(void **state)
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
            more = survives(faults[i].calls, n, faults[i].error);
            (void)teardown(state);
        }
        assert_true(n > 2);
    }
    (void)setup(state);
}

static void kept_batches_of_the_queue_come_back_in_order(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store_batch *b = NULL;
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, true);
    for (int64_t i = 1; i <= 3; i++) {
        b = store_begin_kept(store);
        const struct store_message m = {.topic = ELO_SPAN("t"),
                                        .payload = elo_span_of("123", (size_t)i)};
        assert_true(store_put_retained(b, &m, i));
        (void)store_submit(b);
    }
    store_poll(store, &progress);
    faulty_disk_heal();
    assert_true(progress.failed != 0);
    assert_false(progress.lost);
    b = store_begin_kept(store);
    assert_true(store_put_session(b, &(struct store_session){1, ELO_SPAN("x"), 4, 0, 0}));
    store_append(&progress.returned, b);
    store_append(&progress.returned, NULL);
    commit(progress.returned);
    holds("session 1 x 4 0 0\nretained t '123' '' 0 0 3\n");
}

/* A refused batch is still the caller's. */
static void a_full_queue_keeps_nothing(void **state)
{
    (void)state;
    struct store_progress progress;
    static uint8_t large[1024 * 1024];
    const struct store_message m = {.topic = ELO_SPAN("t"),
                                    .payload = elo_span_of(large, sizeof large)};
    struct store_batch *b = store_begin_kept(store);
    for (int64_t i = 0; i < 63; i++) {
        assert_true(store_put_message(b, i, &m));
    }
    assert_true(store_submit(b) != 0);
    b = store_begin_kept(store);
    assert_true(store_put_message(b, 100, &m) && store_put_message(b, 101, &m));
    assert_int_equal(store_submit(b), 0);
    assert_true(store_batch_bytes(b) > 2 * sizeof large);
    store_poll(store, &progress);
    assert_true(store_submit(b) != 0);
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
}

/* At each allocation: the operation is in the batch, or it says that it is not. */
static void puts_may_run_out_of_memory(void **state)
{
    (void)state;
    struct store_batch *b = store_begin_kept(store);
    int64_t put = 0;
    for (int64_t i = 1; i <= 2000; i++) {
        mem_fail_at(i % 3 == 0);
        put += store_put_queued(b, &(struct store_queued){i, 1, 1, 0});
    }
    mem_fail_at(0);
    assert_true(put < 2000);
    commit(b);
    struct buf text;
    buf_init(&text, 1024 * 1024);
    const struct store_loader loader = {.ctx = &text,
                                        .session = see_session,
                                        .subscription = see_subscription,
                                        .message = see_message,
                                        .queued = see_queued,
                                        .retained = see_retained};
    assert_int_equal(store_load(store, &loader), ELO_OK);
    int64_t lines = 0;
    for (size_t i = 0; i < buf_span(&text).len; i++) {
        lines += buf_span(&text).ptr[i] == '\n';
    }
    assert_int_equal(lines, put);
    buf_free(&text);
    mem_fail_at(1);
    assert_null(store_begin_kept(store));
}

int main(void)
{
    faulty_disk_install();
    make_messages();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_replaced_and_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_for_what_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(only_pairs_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_everything_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(kept_batches_come_back_at_every_write, setup, teardown),
        cmocka_unit_test_setup_teardown(kept_batches_of_the_queue_come_back_in_order, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(puts_may_run_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
