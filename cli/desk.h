// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The running desk, as its data folder tells: where it listens and with which keys to call its API.
 */
#ifndef ELO_CLI_DESK_H
#define ELO_CLI_DESK_H

#include <limits.h>

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/buf.h"

struct desk_info {
    char dir[PATH_MAX];
    char ca_path[PATH_MAX];
    char credentials_path[PATH_MAX];
    char mqtts[272]; /* host:port */
    char http[272];  /* http://127.0.0.1:8080 */
    char region[32];
    char account[13];
    char access_key_id[32];
    char secret[64];
};

/*
 * Reads the folder (`data` as given to --data, or NULL). An exit code; what is wrong has been said:
 * above all that no desk runs there.
 */
int desk_find(const char *data, struct desk_info *out);

/* Splits "host:port" ("[::1]:8883" too). false: it is none. */
bool split_host_port(const char *text, char *host, size_t host_cap, int *out_port);

/*
 * One signed call of the AWS API. `service` is "iot" or "iotdata"; `target` is path and query,
 * encoded; `body` NULL: none; `principal` NULL, or the value of x-amzn-principal. The answer's body
 * goes to `reply`. The HTTP status, or -1 when there was no answer (said).
 */
int desk_call(const struct desk_info *desk,
              const char *service,
              const char *method,
              const char *target,
              const char *body,
              const char *principal,
              struct buf *reply);

/* Does this desk answer its own API? At most two seconds; nothing is said. */
bool desk_answers(const struct desk_info *desk);

/* Percent-encodes everything but unreserved characters: a path segment or a query value. */
void url_encode(const char *text, struct buf *out);

/* A string member of a JSON object, not of those inside it; false if it is not there. The text is
 * NUL-terminated. */
bool json_text(elo_span json, const char *key, struct buf *out);

/* The same into a field; also false if it does not fit or has a NUL in it. */
bool json_field(elo_span json, const char *key, char *out, size_t cap);

/* Reads a whole file of at most `max` bytes. false: said. Give it back to posix_file_free(). */
bool read_file(const char *path, size_t max, elo_span *out);

/* Says why posix_file_read() failed, errno as it left it. */
void say_unreadable(const char *path, elo_err err);

#endif
