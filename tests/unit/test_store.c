// links: server_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The store: what is acknowledged is there after a crash, what is reported failed never is, and
 * every way in which opening can go wrong is told.
 *
 * A crash is an image: database and log as the files are at that moment, copied and opened
 * elsewhere. Things stand for all rows; their names are numbers, so a state is a bit set.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "server/store/store.h"
#include "tests/support/faulty_disk.h"

#define THINGS 64

static char dir[64];
static char why[512];

static const char *in_dir(const char *name)
{
    static char path[4][128];
    static unsigned turn;
    char *out = path[turn++ % 4];
    (void)snprintf(out, sizeof path[0], "%s/%s", dir, name);
    return out;
}

static int setup(void **state)
{
    (void)state;
    faulty_disk_heal();
    (void)snprintf(dir, sizeof dir, "/tmp/elo-store-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"elo.db",       "elo.db-wal",     "image.db",
                                        "image.db-wal", "elo.db-journal", "image.db-journal"};
    faulty_disk_heal();
    mem_fail_at(0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)unlink(in_dir(names[i]));
    }
    return rmdir(dir);
}

static struct store *open_store(const char *path)
{
    struct store *store = NULL;
    const struct store_config config = {.path = path};
    if (store_open(&config, &store, why, sizeof why)) {
        fail_msg("%s", why);
    }
    return store;
}

static void refused(const char *path, elo_err err, const char *words)
{
    struct store *store = NULL;
    const struct store_config config = {.path = path};
    assert_int_equal(store_open(&config, &store, why, sizeof why), err);
    if (!strstr(why, words) || !strstr(why, path) || strchr(why, '\n')) {
        fail_msg("why is \"%s\"", why);
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

static char filler[60000];

/* One batch with one thing; `weight` bytes of attributes make it fill pages. */
static uint64_t put(struct store *store, unsigned number, size_t weight)
{
    char name[8];
    (void)snprintf(name, sizeof name, "%u", number);
    const struct store_thing row = {.name = elo_span_str(name),
                                    .id = ELO_SPAN("id"),
                                    .attributes = elo_span_of(filler, weight),
                                    .version = number,
                                    .created_ms = 7};
    struct store_batch *b = store_begin(store);
    if (!b) {
        return 0;
    }
    store_put_thing(b, &row);
    return store_submit(b);
}

static uint64_t drop(struct store *store, unsigned number)
{
    char name[8];
    (void)snprintf(name, sizeof name, "%u", number);
    struct store_batch *b = store_begin(store);
    assert_non_null(b);
    store_delete_thing(b, elo_span_str(name));
    return store_submit(b);
}

static elo_err see_thing(void *ctx, const struct store_thing *row)
{
    assert_in_range(row->version, 0, THINGS - 1);
    *(uint64_t *)ctx |= UINT64_C(1) << row->version;
    return ELO_OK;
}

static elo_err no_certificate(void *ctx, const struct store_certificate *row)
{
    (void)ctx;
    (void)row;
    return ELO_E_CORRUPT;
}

static elo_err no_policy(void *ctx, const struct store_policy *row)
{
    (void)ctx;
    (void)row;
    return ELO_E_CORRUPT;
}

static elo_err no_version(void *ctx, const struct store_policy_version *row)
{
    (void)ctx;
    (void)row;
    return ELO_E_CORRUPT;
}

static elo_err no_target(void *ctx, elo_span policy, elo_span target)
{
    (void)ctx;
    (void)policy;
    (void)target;
    return ELO_E_CORRUPT;
}

static elo_err no_principal(void *ctx, elo_span thing, elo_span principal, bool exclusive)
{
    (void)ctx;
    (void)thing;
    (void)principal;
    (void)exclusive;
    return ELO_E_CORRUPT;
}

/* The things that are there, as bits. */
static uint64_t things_of(struct store *store)
{
    uint64_t seen = 0;
    const struct store_loader loader = {.ctx = &seen,
                                        .thing = see_thing,
                                        .certificate = no_certificate,
                                        .policy = no_policy,
                                        .policy_version = no_version,
                                        .policy_target = no_target,
                                        .thing_principal = no_principal};
    assert_int_equal(store_load(store, &loader), ELO_OK);
    return seen;
}

static void copy(const char *from, const char *to)
{
    static uint8_t bytes[65536];
    (void)unlink(to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return; /* no log is an empty log */
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(out >= 0);
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;) {
        assert_int_equal(write(out, bytes, (size_t)n), n);
    }
    (void)close(in);
    (void)close(out);
}

/* What would be there if the process died now. */
static uint64_t things_after_crash(void)
{
    copy(in_dir("elo.db"), in_dir("image.db"));
    copy(in_dir("elo.db-wal"), in_dir("image.db-wal"));
    struct store *image = open_store(in_dir("image.db"));
    uint64_t seen = things_of(image);
    store_close(image);
    return seen;
}

/* --- durability ------------------------------------------------------------------------------- */

static void batches_become_durable_in_order(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    uint64_t opened = store_issued(store);
    assert_true(opened > 0);
    assert_int_equal(put(store, 1, 10), opened + 1);
    assert_int_equal(put(store, 2, 0), opened + 2);
    assert_int_equal(drop(store, 1), opened + 3);
    assert_int_equal(things_after_crash(), 0); /* not polled: nothing was written */
    store_poll(store, &progress);
    assert_int_equal(progress.durable, opened + 3);
    assert_int_equal(progress.failed, 0);
    assert_int_equal(things_after_crash(), 1u << 2);
    assert_int_equal(things_of(store), 1u << 2);
    (void)put(store, 3, 0);
    store_close(store); /* waits for what was submitted */
    store = open_store(in_dir("elo.db"));
    assert_int_equal(things_of(store), 1u << 2 | 1u << 3);
    store_close(store);
}

static void an_empty_batch_costs_nothing(void **state)
{
    (void)state;
    struct store *store = open_store(in_dir("elo.db"));
    uint64_t issued = store_issued(store);
    assert_int_equal(store_submit(store_begin(store)), issued);
    store_abandon(store_begin(store));
    store_abandon(NULL);
    assert_int_equal(store_issued(store), issued);
    store_close(store);
    store_close(NULL);
}

static void the_file_is_private(void **state)
{
    (void)state;
    struct stat st;
    mode_t before = umask(0);
    struct store *store = open_store(in_dir("elo.db"));
    struct store_progress progress;
    (void)put(store, 1, 10);
    store_poll(store, &progress);
    assert_int_equal(stat(in_dir("elo.db"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(in_dir("elo.db-wal"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    store_close(store);
    (void)umask(before);
}

/* --- failure ---------------------------------------------------------------------------------- */

/* Sixteen batches, two to a poll. `*out_model` is what was reported durable, nothing else. */
static void run_script(struct store *store, uint64_t *out_model, unsigned *out_failed)
{
    static const size_t weights[] = {10, 30000, 500, 0, 5000, 100, 9000, 1};
    uint64_t model = 0;
    for (unsigned i = 0; i < 16; i += 2) {
        struct store_progress progress;
        uint64_t first = put(store, i, weights[i / 2]);
        uint64_t second = i % 6 == 4 ? drop(store, i - 4) : put(store, i + 1, weights[i / 2]);
        uint64_t after = i % 6 == 4 ? (model | UINT64_C(1) << i) & ~(UINT64_C(1) << (i - 4))
                                    : model | UINT64_C(3) << i;
        store_poll(store, &progress);
        if (progress.failed) {
            assert_int_equal(progress.failed, second);
            assert_true(progress.durable < first);
            assert_int_not_equal(progress.err, ELO_OK);
            assert_int_equal(things_of(store), model);
            assert_int_equal(things_after_crash(), model);
            ++*out_failed;
        } else {
            assert_int_equal(progress.durable, second);
            assert_int_equal(progress.err, ELO_OK);
            model = after;
        }
    }
    *out_model = model;
}

/* The disk fails once, at every call in turn: writes in two ways, syncs, truncates. */
static void every_single_fault_is_survived(void **state)
{
    (void)state;
    static const struct {
        int which;
        int error;
    } kinds[] = {
        {FAULTY_WRITE, SQLITE_IOERR_WRITE},
        {FAULTY_WRITE, SQLITE_FULL},
        {FAULTY_SYNC, SQLITE_IOERR_FSYNC},
        {FAULTY_TRUNCATE, SQLITE_IOERR_TRUNCATE},
    };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        bool fired = true;
        unsigned failed = 0;
        for (long n = 1; fired; n++) {
            struct store *store = open_store(in_dir("elo.db"));
            uint64_t model = 0;
            faulty_disk_arm(kinds[kind].which, n, kinds[kind].error, false);
            run_script(store, &model, &failed);
            fired = atomic_load(&faulty_disk.failures) > 0;
            faulty_disk_heal();
            assert_int_equal(things_after_crash(), model);
            store_close(store);
            store = open_store(in_dir("elo.db"));
            assert_int_equal(things_of(store), model);
            store_close(store);
            (void)unlink(in_dir("elo.db"));
        }
        assert_true(failed > 0 || kinds[kind].which == FAULTY_TRUNCATE);
    }
}

/* The sync fails, and so does all that could undo it: nothing goes on until the disk works. */
static void a_fence_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    (void)put(store, 1, 0);
    store_poll(store, &progress);
    faulty_disk_arm(FAULTY_SYNC | FAULTY_TRUNCATE, 1, SQLITE_IOERR_FSYNC, true);
    for (unsigned i = 2; i < 5; i++) {
        uint64_t seq = put(store, i, 0);
        store_poll(store, &progress);
        assert_int_equal(progress.failed, seq);
        assert_int_equal(progress.err, ELO_E_IO);
        assert_int_equal(things_of(store), 1u << 1);
    }
    faulty_disk_heal();
    uint64_t seq = put(store, 5, 0);
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
    assert_int_equal(progress.durable, seq);
    assert_int_equal(things_after_crash(), 1u << 1 | 1u << 5);
    store_close(store);
}

static void a_full_disk_is_told_and_left(void **state)
{
    (void)state;
    struct store_progress progress;
    for (long quota = 4096; quota <= 40 * 4096; quota += 4096) {
        struct store *store = NULL;
        const struct store_config config = {.path = in_dir("elo.db")};
        atomic_store(&faulty_disk.quota, quota);
        elo_err err = store_open(&config, &store, why, sizeof why);
        if (err) {
            assert_int_equal(err, ELO_E_DISK_FULL);
            assert_non_null(strstr(why, "disk is full"));
            faulty_disk_heal();
            store = open_store(in_dir("elo.db")); /* what was begun is no obstacle */
        }
        uint64_t model = 0;
        for (unsigned i = 0; i < 6; i++) {
            (void)put(store, i, 20000);
            store_poll(store, &progress);
            assert_true(progress.err == ELO_OK || progress.err == ELO_E_DISK_FULL);
            model |= progress.failed ? 0 : UINT64_C(1) << i;
            assert_int_equal(things_after_crash(), model);
        }
        faulty_disk_heal();
        (void)put(store, 7, 20000);
        store_poll(store, &progress);
        assert_int_equal(progress.failed, 0);
        assert_int_equal(things_after_crash(), model | 1u << 7);
        store_close(store);
        (void)unlink(in_dir("elo.db"));
    }
}

/* What came into the queue before the failure was polled goes with it. */
static void the_queue_fails_together(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, false);
    (void)put(store, 1, 0);
    (void)put(store, 2, 0);
    uint64_t last = put(store, 3, 0);
    store_poll(store, &progress);
    assert_int_equal(progress.failed, last);
    assert_int_equal(progress.err, ELO_E_DISK_FULL);
    uint64_t next = put(store, 4, 0);
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
    assert_int_equal(progress.durable, next);
    assert_int_equal(things_of(store), 1u << 4);
    store_close(store);
}

/* The log is checkpointed into the file while the disk fails now and then. */
static void checkpoints_may_fail(void **state)
{
    (void)state;
    uint64_t model = 0;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    for (unsigned round = 0; round < 400; round++) {
        unsigned i = round % 24;
        faulty_disk_arm(FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE, 1 + round * 7 % 90,
                        SQLITE_IOERR_FSYNC, false);
        (void)put(store, i, 50000);
        store_poll(store, &progress);
        model |= progress.failed ? 0 : UINT64_C(1) << i;
        faulty_disk_heal();
        if (round % 20 == 0) {
            assert_int_equal(things_after_crash(), model);
        }
    }
    struct stat st;
    assert_int_equal(stat(in_dir("elo.db-wal"), &st), 0);
    assert_in_range(st.st_size, 0, 16 * 1024 * 1024);
    store_close(store);
    store = open_store(in_dir("elo.db"));
    assert_int_equal(things_of(store), model);
    store_close(store);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void allocations_may_fail(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    uint64_t issued = store_issued(store);
    for (long n = 1;; n++) {
        mem_fail_at(n);
        uint64_t seq = put(store, 1, 100);
        mem_fail_at(0);
        if (seq) {
            assert_true(n > 2);
            break;
        }
        assert_int_equal(store_issued(store), issued);
        store_poll(store, &progress);
        assert_int_equal(things_of(store), 0);
    }
    store_close(store);

    const struct store_config config = {.path = in_dir("elo.db")};
    mem_fail_at(1);
    assert_int_equal(store_open(&config, &store, why, sizeof why), ELO_E_NO_MEMORY);
    mem_fail_at(0);
}

static void the_queue_has_an_end(void **state)
{
    (void)state;
    struct store *store = open_store(in_dir("elo.db"));
    unsigned taken = 0;
    while (put(store, 1, sizeof filler) != 0) {
        taken++;
        assert_true(taken < 2000);
    }
    assert_in_range(taken, 1000, 1200); /* 64 MiB */
    struct store_progress progress;
    store_poll(store, &progress);
    assert_int_equal(progress.failed, 0);
    assert_int_not_equal(put(store, 2, 10), 0);
    store_close(store);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    (void)close(fd);
}

static void bad_paths_are_explained(void **state)
{
    (void)state;
    refused(in_dir("missing/elo.db"), ELO_E_IO, "its directory does not exist; make it");
    refused(dir, ELO_E_IO, "is not a file");
    write_file(in_dir("elo.db"), "x", 1);
    refused(in_dir("elo.db/elo.db"), ELO_E_IO, "is a file, not a directory");
    (void)unlink(in_dir("elo.db"));
    refused("/proc/self/elo.db", ELO_E_IO, "its directory does not exist");
}

/* root may write anywhere: try as somebody else. */
static void permissions_are_explained(void **state)
{
    (void)state;
    struct store *store = open_store(in_dir("elo.db"));
    store_close(store);
    assert_int_equal(chmod(dir, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        bool other = geteuid() != 0 || setresuid(65534, 65534, 65534) == 0;
        const struct store_config fresh = {.path = in_dir("image.db")};
        const struct store_config existing = {.path = in_dir("elo.db")};
        bool told = store_open(&fresh, &store, why, sizeof why) == ELO_E_PERMISSION &&
                    strstr(why, "no permission") &&
                    (geteuid() != 65534 ||
                     (store_open(&existing, &store, why, sizeof why) == ELO_E_PERMISSION &&
                      strstr(why, "no permission")));
        _exit(other && told ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(status, 0);
}

static void what_is_no_database_is_left_alone(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text);
    static const size_t sizes[] = {1, 15, 16, 99, 100, 512, 4096, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(in_dir("elo.db"), text, sizes[i]);
        refused(in_dir("elo.db"), ELO_E_CORRUPT, "damaged or not a database");
        struct stat st;
        assert_int_equal(stat(in_dir("elo.db"), &st), 0);
        assert_int_equal(st.st_size, sizes[i]);
    }
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    /* Exclusive: the faulty disk has no shared memory for a log's index. */
    assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void other_databases_are_left_alone(void **state)
{
    (void)state;
    sql(in_dir("elo.db"), "CREATE TABLE theirs (x)");
    refused(in_dir("elo.db"), ELO_E_CORRUPT, "is a SQLite database, but not Elo's");
    sql(in_dir("elo.db"), "DROP TABLE theirs; PRAGMA application_id = 7");
    refused(in_dir("elo.db"), ELO_E_CORRUPT, "not Elo's");
    (void)unlink(in_dir("elo.db"));
    struct store *store = open_store(in_dir("elo.db"));
    store_close(store);
    sql(in_dir("elo.db"), "PRAGMA user_version = 1000");
    refused(in_dir("elo.db"), ELO_E_UNSUPPORTED, "made by a newer Elo (schema 1000, ");
}

/* Cut anywhere, a database is refused, never read as one with less in it. */
static void truncated_files_are_refused(void **state)
{
    (void)state;
    struct store *store = open_store(in_dir("elo.db"));
    for (unsigned i = 0; i < 20; i++) {
        (void)put(store, i, 3000);
    }
    store_close(store);
    struct stat st;
    assert_int_equal(stat(in_dir("elo.db"), &st), 0);
    for (off_t size = st.st_size - 1; size > 0; size -= size > 4096 ? 2047 : 255) {
        copy(in_dir("elo.db"), in_dir("image.db"));
        assert_int_equal(truncate(in_dir("image.db"), size), 0);
        refused(in_dir("image.db"), ELO_E_CORRUPT, "damaged");
    }
}

static void damaged_pages_are_refused(void **state)
{
    (void)state;
    uint8_t junk[512];
    memset(junk, 0xa5, sizeof junk);
    struct store *store = open_store(in_dir("elo.db"));
    for (unsigned i = 0; i < 20; i++) {
        (void)put(store, i, 200);
    }
    store_close(store);
    struct stat st;
    assert_int_equal(stat(in_dir("elo.db"), &st), 0);
    for (off_t at = 0; at < st.st_size; at += 4096) {
        copy(in_dir("elo.db"), in_dir("image.db"));
        int fd = open(in_dir("image.db"), O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), (ssize_t)sizeof junk);
        (void)close(fd);
        refused(in_dir("image.db"), ELO_E_CORRUPT, "damaged");
    }
}

static int open_in_child(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct store *store = NULL;
        const struct store_config config = {.path = path};
        elo_err err = store_open(&config, &store, why, sizeof why);
        if (err == ELO_OK) {
            _exit(0);
        }
        _exit(err == ELO_E_IO && strstr(why, "in use by another process") ? 1 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

static void a_second_process_is_refused(void **state)
{
    (void)state;
    struct store_progress progress;
    struct store *store = open_store(in_dir("elo.db"));
    assert_int_equal(open_in_child(in_dir("elo.db")), 1); /* before anything was written */
    (void)put(store, 1, 0);
    store_poll(store, &progress);
    assert_int_equal(open_in_child(in_dir("elo.db")), 1);
    refused(in_dir("elo.db"), ELO_E_IO, "in use by another process"); /* nor twice in one */
    assert_int_equal(open_in_child(in_dir("elo.db")), 1); /* which has not dropped the lock */
    store_close(store);
    assert_int_equal(open_in_child(in_dir("elo.db")), 0); /* dies with it open */
    store = open_store(in_dir("elo.db"));
    assert_int_equal(things_of(store), 1u << 1);
    store_close(store);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static struct store *open_threaded(sem_t *woken)
{
    struct store *store = NULL;
    const struct store_config config = {
        .path = in_dir("elo.db"), .threaded = true, .wake = post, .ctx = woken};
    if (store_open(&config, &store, why, sizeof why)) {
        fail_msg("%s", why);
    }
    return store;
}

static void the_thread_commits_in_groups(void **state)
{
    (void)state;
    sem_t woken;
    assert_int_equal(sem_init(&woken, 0, 0), 0);
    struct store *store = open_threaded(&woken);
    struct store_progress progress = {.durable = 0};
    uint64_t last = 0;
    for (unsigned i = 0; i < 2000; i++) {
        last = put(store, i % THINGS, 50);
        assert_int_not_equal(last, 0);
        if (i % 100 == 0) {
            uint64_t before = progress.durable;
            store_poll(store, &progress);
            assert_true(progress.durable >= before);
        }
    }
    unsigned groups = 0;
    while (progress.durable < last) {
        assert_int_equal(sem_wait(&woken), 0);
        store_poll(store, &progress);
        assert_int_equal(progress.failed, 0);
        groups++;
    }
    assert_true(groups < 2000); /* fewer syncs than batches */
    assert_int_equal(things_of(store), UINT64_MAX);
    (void)drop(store, 0);
    store_close(store);
    store = open_store(in_dir("elo.db"));
    assert_int_equal(things_of(store), UINT64_MAX - 1);
    store_close(store);
    (void)sem_destroy(&woken);
}

/* The core does not know of the failure yet and goes on submitting: all of it is lost together. */
static void the_thread_halts_on_failure(void **state)
{
    (void)state;
    sem_t woken;
    assert_int_equal(sem_init(&woken, 0, 0), 0);
    struct store *store = open_threaded(&woken);
    uint64_t model = 0;
    for (unsigned round = 0; round < 20; round++) {
        struct store_progress progress;
        unsigned i = round * 3;
        faulty_disk_arm(FAULTY_WRITE | FAULTY_SYNC, 1 + round % 12, SQLITE_IOERR_FSYNC, false);
        (void)put(store, i, 6000);
        assert_int_equal(sem_wait(&woken), 0); /* done with this one, one way or the other */
        bool failed = atomic_load(&faulty_disk.failures) > 0;
        faulty_disk_heal();
        (void)put(store, i + 1, 10);
        uint64_t last = put(store, i + 2, 10);
        if (failed) {
            store_poll(store, &progress);
            assert_int_equal(progress.failed, last);
            assert_int_equal(progress.err, ELO_E_IO);
        } else {
            model |= UINT64_C(7) << i;
            do {
                assert_int_equal(sem_wait(&woken), 0);
                store_poll(store, &progress);
                assert_int_equal(progress.failed, 0);
            } while (progress.durable < last);
        }
        while (sem_trywait(&woken) == 0) {
        }
        assert_int_equal(things_of(store), model);
    }
    assert_true(model != 0);
    faulty_disk_arm(FAULTY_SYNC, 1, SQLITE_IOERR_FSYNC, false);
    (void)put(store, 63, 10);
    assert_int_equal(sem_wait(&woken), 0);
    (void)put(store, 62, 10);
    store_close(store); /* with a failure nobody polled */
    store = open_store(in_dir("elo.db"));
    assert_int_equal(things_of(store), model);
    store_close(store);
    (void)sem_destroy(&woken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    faulty_disk_install();
    memset(filler, 'f', sizeof filler);
    const struct CMUnitTest tests[] = {
        TEST(batches_become_durable_in_order),
        TEST(an_empty_batch_costs_nothing),
        TEST(the_file_is_private),
        TEST(every_single_fault_is_survived),
        TEST(a_fence_that_fails_is_tried_again),
        TEST(a_full_disk_is_told_and_left),
        TEST(the_queue_fails_together),
        TEST(checkpoints_may_fail),
        TEST(allocations_may_fail),
        TEST(the_queue_has_an_end),
        TEST(bad_paths_are_explained),
        TEST(permissions_are_explained),
        TEST(what_is_no_database_is_left_alone),
        TEST(other_databases_are_left_alone),
        TEST(truncated_files_are_refused),
        TEST(damaged_pages_are_refused),
        TEST(a_second_process_is_refused),
        TEST(the_thread_commits_in_groups),
        TEST(the_thread_halts_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
