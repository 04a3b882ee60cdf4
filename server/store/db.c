// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works.
 *
 * Opening: the file is made by us with mode 0600 (SQLite gives its log the same), then opened with
 * locking_mode EXCLUSIVE set before anything is read. In that mode SQLite takes the file's lock at
 * the first access and keeps it until the connection closes or the process dies; a second process
 * gets SQLITE_BUSY. It also keeps the log's index in memory instead of in a shared file.
 *
 * Durability: journal_mode WAL with synchronous FULL. A COMMIT appends the changed pages and a
 * commit mark to the log and syncs it. SQLite checkpoints into the database file by itself.
 *
 * A failed COMMIT: mostly a page could not be written, so the commit mark is not in the log and
 * the transaction is gone. But when the sync fails, the mark may be there: this process has rolled
 * back, yet a crash before the next commit would bring the transaction back to life. So after such
 * a failure the log is checkpointed and truncated (the fence) before it is reported. While the
 * fence fails, no transaction is tried. Only a disk that refuses both to sync and to truncate, and
 * a crash on top, can leave the last group in doubt.
 */
#include "server/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALLEST_FILE 512 /* the smallest page that SQLite knows */

#define WHY(cause) (void)snprintf(why, why_cap, "%s: %s", path, (cause))

elo_err store__db_error(int rc)
{
    if (rc == SQLITE_IOERR_NOMEM) {
        return ELO_E_NO_MEMORY;
    }
    switch (rc & 0xff) {
    case SQLITE_OK:
        return ELO_OK;
    case SQLITE_NOMEM:
        return ELO_E_NO_MEMORY;
    case SQLITE_FULL:
        return ELO_E_DISK_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ELO_E_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return ELO_E_PERMISSION;
    default:
        return ELO_E_IO;
    }
}

static elo_err explain(int rc, sqlite3 *sqlite, const char *path, char *why, size_t why_cap)
{
    elo_err err = store__db_error(rc);
    if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) {
        WHY("is in use by another process, perhaps another elo serve; stop that one or choose "
            "another directory");
        return ELO_E_IO;
    }
    static const struct {
        elo_err err;
        const char *text;
    } known[] = {
        {ELO_E_CORRUPT, "is damaged or not a database; restore it from a backup, or move it away "
                        "to start empty"},
        {ELO_E_DISK_FULL, "the disk is full; free some space"},
        {ELO_E_PERMISSION, "no permission to write it; run as its owner or choose another "
                           "directory"},
        {ELO_E_NO_MEMORY, "out of memory"},
    };
    (void)snprintf(why, why_cap, "%s: %s (SQLite %d, %s)", path,
                   sqlite ? sqlite3_errmsg(sqlite) : sqlite3_errstr(rc), rc,
                   sqlite ? strerror(sqlite3_system_errno(sqlite)) : "");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].err == err) {
            WHY(known[i].text);
        }
    }
    return err;
}

/* --- the file ---------------------------------------------------------------------------- */

static elo_err errno_error(int code)
{
    switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ELO_E_PERMISSION;
    case ENOSPC:
    case EDQUOT:
        return ELO_E_DISK_FULL;
    case ENOMEM:
        return ELO_E_NO_MEMORY;
    default:
        return ELO_E_IO;
    }
}

static elo_err explain_errno(int code, const char *path, char *why, size_t why_cap)
{
    static const struct {
        int code;
        const char *text;
    } known[] = {
        {ENOENT, "its directory does not exist; make it or choose another one"},
        {ENOTDIR, "a part of the path is a file, not a directory; choose another one"},
        {EACCES, "no permission to write there; run as the directory's owner or choose another "
                 "one"},
        {EPERM, "no permission to write there; run as the directory's owner or choose another "
                "one"},
        {EROFS, "the file system is read-only; choose a directory that can be written"},
        {ENOSPC, "the disk is full; free some space"},
        {EDQUOT, "the disk quota is used up; free some space"},
        {ENAMETOOLONG, "the path is too long; choose a shorter one"},
    };
    WHY(strerror(code));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == code) {
            WHY(known[i].text);
        }
    }
    return errno_error(code);
}

/* A new name is on disk only when its directory is. */
static int sync_directory(const char *path)
{
    char dir[4096];
    int len = snprintf(dir, sizeof dir, "%s", path);
    if (len < 0 || (size_t)len >= sizeof dir) {
        errno = ENAMETOOLONG;
        return -1;
    }
    char *slash = strrchr(dir, '/');
    if (slash) {
        slash[slash == dir ? 1 : 0] = '\0';
    }
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    int code = errno;
    (void)close(fd);
    errno = code;
    return rc;
}

static elo_err check_existing(const char *path, const struct stat *st, char *why, size_t why_cap)
{
    if (!S_ISREG(st->st_mode)) {
        WHY("is not a file; move it away or choose another directory");
        return ELO_E_IO;
    }
    if (access(path, R_OK | W_OK) != 0) {
        return explain_errno(errno, path, why, why_cap);
    }
    if (st->st_size > 0 && st->st_size < SMALLEST_FILE) {
        return explain(SQLITE_NOTADB, NULL, path, why, why_cap); /* SQLite takes 1 byte for none */
    }
    return ELO_OK;
}

/*
 * Makes the file if there is none. An existing one is not opened here: closing a descriptor would
 * drop every lock that this process holds on the file.
 */
static elo_err make_file(const char *path, char *why, size_t why_cap)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        return check_existing(path, &st, why, why_cap);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return explain_errno(errno, path, why, why_cap);
    }
    (void)close(fd);
    return sync_directory(path) == 0 ? ELO_OK : explain_errno(errno, path, why, why_cap);
}

/* --- opening ----------------------------------------------------------------------------- */

int store__db_pragma(sqlite3 *sqlite, const char *sql, int64_t *out)
{
    sqlite3_stmt *row = NULL;
    int rc = sqlite3_prepare_v2(sqlite, sql, -1, &row, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(row, 0);
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(row);
    return rc;
}

/* The first column of the first row is the text `expected`? */
static int expect_text(sqlite3 *sqlite, const char *sql, const char *expected, bool *out_same)
{
    sqlite3_stmt *row = NULL;
    *out_same = false;
    int rc = sqlite3_prepare_v2(sqlite, sql, -1, &row, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(row);
        if (rc == SQLITE_ROW) {
            const unsigned char *text = sqlite3_column_text(row, 0);
            *out_same = text && strcmp((const char *)text, expected) == 0;
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(row);
    return rc;
}

static int connect(sqlite3 **out, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, out, flags, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(*out, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF",
                          NULL, NULL, NULL);
    }
    return rc;
}

/*
 * Is the file whole pages? SQLite reads a page cut short as if zeros followed. A log that is not
 * empty may have yet to complete it.
 */
static int check_length(sqlite3 *sqlite, const char *path, bool *out_whole)
{
    struct stat st;
    int64_t page_size = 0;
    int rc = store__db_pragma(sqlite, "PRAGMA page_size", &page_size);
    if (rc != SQLITE_OK || page_size <= 0) {
        return rc;
    }
    const char *log = sqlite3_filename_wal(sqlite3_db_filename(sqlite, "main"));
    bool has_log = log && stat(log, &st) == 0 && st.st_size > 0;
    if (stat(path, &st) != 0) {
        return SQLITE_IOERR_FSTAT;
    }
    *out_whole = has_log || st.st_size % page_size == 0;
    return SQLITE_OK;
}

/* The journal and a check of the whole file: at most one fault is looked for. */
static int settle(sqlite3 *sqlite, bool *out_sound)
{
    bool wal = false;
    *out_sound = false;
    int rc = expect_text(sqlite, "PRAGMA journal_mode = WAL", "wal", &wal);
    if (rc == SQLITE_OK && !wal) {
        rc = SQLITE_IOERR;
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite,
                          "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 8388608;"
                          "PRAGMA wal_autocheckpoint = 2000; PRAGMA cache_size = -16384",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = expect_text(sqlite, "PRAGMA quick_check(1)", "ok", out_sound);
    }
    return rc;
}

static int prepare(struct store_db *db)
{
    static const char *const sql[] = {
#define STORE_STATEMENT_SQL(name, text) text,
        STORE_STATEMENT_LIST(STORE_STATEMENT_SQL)
#undef STORE_STATEMENT_SQL
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < STORE_STATEMENT_COUNT; i++) {
        rc = sqlite3_prepare_v3(db->sqlite, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &db->statements[i], NULL);
    }
    return rc;
}

static elo_err open_all(struct store_db *db, const char *path, char *why, size_t why_cap)
{
    int rc = connect(&db->sqlite, path);
    if (rc != SQLITE_OK) {
        return explain(rc, db->sqlite, path, why, why_cap);
    }
    why[0] = '\0';
    elo_err err = store__db_identify(db->sqlite, path, why, why_cap);
    if (err) {
        return why[0]
                   ? err
                   : explain(sqlite3_extended_errcode(db->sqlite), db->sqlite, path, why, why_cap);
    }
    bool sound = false;
    rc = check_length(db->sqlite, path, &sound);
    if (rc == SQLITE_OK && sound) {
        rc = settle(db->sqlite, &sound);
    }
    if (rc == SQLITE_OK && !sound) {
        rc = SQLITE_CORRUPT;
    }
    if (rc == SQLITE_OK) {
        rc = store__db_migrate(db->sqlite);
    }
    if (rc == SQLITE_OK) {
        rc = prepare(db);
    }
    return rc == SQLITE_OK ? ELO_OK : explain(rc, db->sqlite, path, why, why_cap);
}

elo_err store__db_open(struct store_db *db, const char *path, char *why, size_t why_cap)
{
    *db = (struct store_db){.sqlite = NULL};
    elo_err err = make_file(path, why, why_cap);
    if (err) {
        return err;
    }
    err = open_all(db, path, why, why_cap);
    if (err) {
        store__db_close(db);
    }
    return err;
}

void store__db_close(struct store_db *db)
{
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    (void)sqlite3_close(db->sqlite);
    db->sqlite = NULL;
}

/* --- committing -------------------------------------------------------------------------- */

static int run(struct store_db *db, enum store_statement which)
{
    sqlite3_stmt *statement = db->statements[which];
    int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int bind(sqlite3_stmt *statement, int at, const struct store_value *value)
{
    if (value->kind == STORE_NUMBER) {
        return sqlite3_bind_int64(statement, at, value->as.number);
    }
    /* A NULL pointer would bind NULL. The batch outlives the step: no copy. */
    const char *bytes = value->len > 0 ? (const char *)value->as.bytes : "";
    return value->kind == STORE_BLOB
               ? sqlite3_bind_blob64(statement, at, bytes, value->len, SQLITE_STATIC)
               : sqlite3_bind_text64(statement, at, bytes, value->len, SQLITE_STATIC, SQLITE_UTF8);
}

static int apply(struct store_db *db, const struct store_op *op)
{
    sqlite3_stmt *statement = db->statements[op->statement];
    int rc = SQLITE_OK;
    for (unsigned i = 0; rc == SQLITE_OK && i < op->count; i++) {
        rc = bind(statement, (int)i + 1, &op->values[i]);
    }
    if (rc == SQLITE_OK) {
        rc = run(db, (enum store_statement)op->statement);
    }
    return rc; /* what is bound dies with the batch, but is bound anew before it is read again */
}

static int apply_all(struct store_db *db, const struct store_batch *first)
{
    for (const struct store_batch *b = first; b; b = b->next) {
        for (const struct store_op *op = b->first; op; op = op->next) {
            int rc = op->statement == STORE_STATEMENT_COUNT ? SQLITE_OK : apply(db, op);
            if (rc != SQLITE_OK) {
                return rc;
            }
        }
    }
    return SQLITE_OK;
}

static bool has_work(const struct store_batch *first)
{
    for (const struct store_batch *b = first; b; b = b->next) {
        for (const struct store_op *op = b->first; op; op = op->next) {
            if (op->statement != STORE_STATEMENT_COUNT) {
                return true;
            }
        }
    }
    return false;
}

/* Could the commit mark be in the log although the COMMIT failed with `rc`? Not if it was the
 * writing that failed: the mark is the last thing written. */
static bool in_doubt(int rc)
{
    int kind = rc & 0xff;
    return kind != SQLITE_FULL && kind != SQLITE_NOMEM && kind != SQLITE_BUSY &&
           rc != SQLITE_IOERR_WRITE && rc != SQLITE_IOERR_NOMEM;
}

static void raise_fence(struct store_db *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    db->fence = rc != SQLITE_OK;
}

/* No transaction is open and no lost one is in the log: whether that could be reached. */
static bool clean(struct store_db *db)
{
    if (!sqlite3_get_autocommit(db->sqlite)) {
        (void)run(db, STORE_ROLLBACK);
    }
    if (db->fence && sqlite3_get_autocommit(db->sqlite)) {
        raise_fence(db);
    }
    return sqlite3_get_autocommit(db->sqlite) && !db->fence;
}

elo_err store__db_commit(struct store_db *db, const struct store_batch *first)
{
    if (!has_work(first)) {
        return ELO_OK;
    }
    if (!clean(db)) {
        return ELO_E_IO;
    }
    int rc = run(db, STORE_BEGIN);
    if (rc == SQLITE_OK) {
        rc = apply_all(db, first);
    }
    if (rc == SQLITE_OK) {
        rc = run(db, STORE_COMMIT);
        db->fence = rc != SQLITE_OK && in_doubt(rc);
    }
    if (rc == SQLITE_OK) {
        return ELO_OK;
    }
    (void)clean(db);
    elo_err err = store__db_error(rc);
    return err == ELO_E_PERMISSION ? ELO_E_IO : err;
}
