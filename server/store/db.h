// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/store: the SQLite file itself. One connection, used by one thread at a time;
 * who may use it when is store.c's business.
 */
#ifndef ELO_SERVER_STORE_DB_H
#define ELO_SERVER_STORE_DB_H

#include <sqlite3.h>

#include "server/store/batch.h"

struct store_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    bool fence; /* a failed commit may still lie in the log: truncate it before going on */
};

/* As store_open(). On failure nothing is left open. */
ELO_MUST_USE elo_err store__db_open(struct store_db *db,
                                    const char *path,
                                    char *why,
                                    size_t why_cap);
void store__db_close(struct store_db *db);

/* All of the list in one transaction, on disk when it answers ELO_OK, rolled back otherwise. */
ELO_MUST_USE elo_err store__db_commit(struct store_db *db, const struct store_batch *first);

ELO_MUST_USE elo_err store__db_load(struct store_db *db, const struct store_loader *loader);

/* SQLite's extended result code in our words. */
elo_err store__db_error(int rc);

/*
 * Is it ours, or empty, and not of a newer program? ELO_E_CORRUPT, ELO_E_UNSUPPORTED with `why`;
 * any other error leaves `why` alone: SQLite knows.
 */
ELO_MUST_USE elo_err store__db_identify(sqlite3 *sqlite,
                                        const char *path,
                                        char *why,
                                        size_t why_cap);

/* Brings the schema up to date. An SQLite result code. */
int store__db_migrate(sqlite3 *sqlite);

/* The first column of the first row of `sql`, a number. An SQLite result code. */
int store__db_pragma(sqlite3 *sqlite, const char *sql, int64_t *out);

#endif
