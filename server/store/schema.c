// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: steps[i] takes a database from user_version i to i + 1, in one transaction with
 * the new number. A step that was released is never edited: a change is a new step at the end.
 * A database whose number is larger than the table was made by a newer program and is left alone.
 *
 * The application id marks the file as ours: another program's database is not migrated into.
 */
#include "server/store/db.h"

#include <stdarg.h>
#include <stdio.h>

#define APPLICATION_ID 0x456c6f31 /* "Elo1" */

static const char *const steps[] = {
    "CREATE TABLE thing ("
    " name TEXT PRIMARY KEY, id TEXT NOT NULL, type_name TEXT NOT NULL,"
    " attributes TEXT NOT NULL, version INTEGER NOT NULL, created_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE certificate ("
    " id TEXT PRIMARY KEY NOT NULL, pem TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,"
    " ca_id TEXT NOT NULL, generation_id TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " modified_ms INTEGER NOT NULL, not_before_s INTEGER NOT NULL, not_after_s INTEGER NOT NULL,"
    " customer_version INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE policy ("
    " name TEXT PRIMARY KEY, generation_id TEXT NOT NULL, default_version INTEGER NOT NULL,"
    " next_version INTEGER NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE policy_version ("
    " policy TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,"
    " generation_id TEXT NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (policy, version)"
    ") STRICT;"
    "CREATE TABLE policy_target ("
    " policy TEXT NOT NULL, target_arn TEXT NOT NULL, PRIMARY KEY (policy, target_arn)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE thing_principal ("
    " thing TEXT NOT NULL, principal_arn TEXT NOT NULL, exclusive INTEGER NOT NULL,"
    " PRIMARY KEY (thing, principal_arn)"
    ") STRICT, WITHOUT ROWID;",
    "CREATE TABLE thing_type ("
    " name TEXT PRIMARY KEY, id TEXT NOT NULL, description TEXT NOT NULL,"
    " searchable TEXT NOT NULL, created_ms INTEGER NOT NULL, deprecated_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE thing_group ("
    " name TEXT PRIMARY KEY, id TEXT NOT NULL, parent TEXT NOT NULL, description TEXT NOT NULL,"
    " attributes TEXT NOT NULL, version INTEGER NOT NULL, created_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE group_member ("
    " thing_group TEXT NOT NULL, thing TEXT NOT NULL, PRIMARY KEY (thing_group, thing)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE ca_certificate ("
    " id TEXT PRIMARY KEY NOT NULL, pem TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,"
    " subject TEXT NOT NULL, auto_registration INTEGER NOT NULL, template_name TEXT NOT NULL,"
    " template_body TEXT NOT NULL, role_arn TEXT NOT NULL, generation_id TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL, not_before_s INTEGER NOT NULL,"
    " not_after_s INTEGER NOT NULL, customer_version INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE template ("
    " name TEXT PRIMARY KEY, type TEXT NOT NULL, description TEXT NOT NULL,"
    " role_arn TEXT NOT NULL, hook TEXT NOT NULL, enabled INTEGER NOT NULL,"
    " default_version INTEGER NOT NULL, next_version INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE template_version ("
    " template TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, PRIMARY KEY (template, version)"
    ") STRICT;"
    "CREATE TABLE setting ("
    " name TEXT PRIMARY KEY, value TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* Rows of message and queued are only ever appended and deleted by number: a commit writes few
     * pages, and there is no index beside the rows. */
    "CREATE TABLE session ("
    " id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, level INTEGER NOT NULL,"
    " expiry_ms INTEGER NOT NULL, offline_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE subscription ("
    " session INTEGER NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL,"
    " options INTEGER NOT NULL, PRIMARY KEY (session, filter)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,"
    " properties BLOB NOT NULL, qos INTEGER NOT NULL, expires_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE queued ("
    " id INTEGER PRIMARY KEY, session INTEGER NOT NULL, message INTEGER NOT NULL,"
    " flags INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE retained ("
    " topic TEXT PRIMARY KEY, payload BLOB NOT NULL, properties BLOB NOT NULL,"
    " qos INTEGER NOT NULL, expires_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
};

#define STEP_COUNT ((int64_t)(sizeof steps / sizeof *steps))

static int step_up(sqlite3 *sqlite, int64_t from)
{
    char mark[96];
    (void)snprintf(mark, sizeof mark,
                   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
                   (int)from + 1);
    int rc = sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite, steps[from], NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite, mark, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(sqlite)) {
        (void)sqlite3_exec(sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

static elo_err refuse(elo_err err, char *why, size_t why_cap, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static elo_err refuse(elo_err err, char *why, size_t why_cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, why_cap, format, args);
    va_end(args);
    return err;
}

elo_err store__db_identify(sqlite3 *sqlite, const char *path, char *why, size_t why_cap)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t objects = 0;
    int rc = store__db_pragma(sqlite, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK) {
        rc = store__db_pragma(sqlite, "PRAGMA user_version", &version);
    }
    if (rc == SQLITE_OK) {
        rc = store__db_pragma(sqlite, "SELECT count(*) FROM sqlite_schema", &objects);
    }
    if (rc != SQLITE_OK) {
        return store__db_error(rc);
    }
    if (application != APPLICATION_ID && (application != 0 || objects != 0)) {
        return refuse(ELO_E_CORRUPT, why, why_cap,
                      "%s is a SQLite database, but not Elo's; move it away or choose another "
                      "directory",
                      path);
    }
    if (version > STEP_COUNT) {
        return refuse(ELO_E_UNSUPPORTED, why, why_cap,
                      "%s was made by a newer Elo (schema %lld, this one knows %lld); use that "
                      "Elo or choose another directory",
                      path, (long long)version, (long long)STEP_COUNT);
    }
    return ELO_OK;
}

int store__db_migrate(sqlite3 *sqlite)
{
    int64_t version = 0;
    int rc = store__db_pragma(sqlite, "PRAGMA user_version", &version);
    for (; rc == SQLITE_OK && version < STEP_COUNT; version++) {
        rc = step_up(sqlite, version);
    }
    return rc;
}
