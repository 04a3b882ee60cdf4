// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The small files of the data folder: desk.json, credentials, endpoints.json. All are written whole
 * (a temporary file, fsync, rename), so a reader or a crash never sees half of one.
 */
#ifndef ELO_SERVER_MAIN_FILES_H
#define ELO_SERVER_MAIN_FILES_H

#include <stdbool.h>

#include "elo/base/err.h"
#include "elo/base/span.h"

/* Region and account: ARNs in the database carry them, so they cannot change later. */
struct desk_identity {
    char region[32];
    char account[13];
    bool fresh; /* wishes, in no file yet */
};

struct desk_credentials {
    char access_key_id[21]; /* "AKIA" and 16 capitals and digits */
    char secret[41];
};

/* Makes the folder if it is absent (0700). ELO_E_PERMISSION, ELO_E_DISK_FULL, ELO_E_IO. */
ELO_MUST_USE elo_err desk_folder(const char *dir, char *why, size_t why_cap);

/*
 * Reads desk.json, or, where there is none, takes the wishes (NULL: us-east-1, 000000000000). A
 * wish that differs from the file is ELO_E_USAGE; a wish that is no region or account is too.
 */
ELO_MUST_USE elo_err desk_identity(const char *dir,
                                   const char *region,
                                   const char *account,
                                   struct desk_identity *out,
                                   char *why,
                                   size_t why_cap);

/* Writes desk.json if it is not there: when it is certain that there will be a desk. Until then a
 * start that fails has settled nothing. */
ELO_MUST_USE elo_err desk_identity_keep(const char *dir,
                                        struct desk_identity *identity,
                                        char *why,
                                        size_t why_cap);

/* Reads credentials (AWS profile file, profile `elo`, 0600), or makes fresh ones. */
ELO_MUST_USE elo_err desk_credentials(
    const char *dir, const char *region, struct desk_credentials *out, char *why, size_t why_cap);

/* Writes `dir`/`name` atomically with `mode`. */
ELO_MUST_USE elo_err desk_write(
    const char *dir, const char *name, elo_span text, unsigned mode, char *why, size_t why_cap);

/* Removes `dir`/`name` if it is there. */
void desk_remove(const char *dir, const char *name);

#endif
