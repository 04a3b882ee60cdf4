// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Private to server/seeing: what its pages share. */
#ifndef ELO_SERVER_SEEING_INTERNAL_H
#define ELO_SERVER_SEEING_INTERNAL_H

#include "server/registry/registry.h"
#include "server/seeing/seeing.h"
#include "server/seeing/timeline.h"

#define PAGE_BYTES_MAX (4u * 1024u * 1024u)

/* How something ended, in CloudWatch's metrics ("AWS IoT metrics and dimensions"). */
#define RESULT_LIST(X)                                                                             \
    X(success)                                                                                     \
    X(auth_error)                                                                                  \
    X(client_error)                                                                                \
    X(throttle)                                                                                    \
    X(clientid_throttle)                                                                           \
    X(server_error)

enum result {
#define RESULT_ENUM(name) RESULT_##name,
    RESULT_LIST(RESULT_ENUM)
#undef RESULT_ENUM
        RESULTS
};

/* AWS's disconnectReason in the log. The last counts what is none of them. */
#define ENDING_LIST(X)                                                                             \
    X(AUTH_ERROR)                                                                                  \
    X(CLIENT_INITIATED_DISCONNECT)                                                                 \
    X(CLIENT_ERROR)                                                                                \
    X(CONNECTION_LOST)                                                                             \
    X(DUPLICATE_CLIENT_ID)                                                                         \
    X(FORBIDDEN_ACCESS)                                                                            \
    X(MQTT_KEEP_ALIVE_TIMEOUT)                                                                     \
    X(SERVER_ERROR)                                                                                \
    X(SERVER_INITIATED_DISCONNECT)                                                                 \
    X(API_INITIATED_DISCONNECT)                                                                    \
    X(THROTTLED)                                                                                   \
    X(WEBSOCKET_TTL_EXPIRATION)                                                                    \
    X(CUSTOMAUTH_TTL_EXPIRATION)                                                                   \
    X(OTHER)

enum ending {
#define ENDING_ENUM(name) ENDING_##name,
    ENDING_LIST(ENDING_ENUM)
#undef ENDING_ENUM
        ENDINGS
};

#define OPERATIONS_MAX 128u

struct seeing {
    struct seeing_config config;
    struct timeline timeline;
    uint64_t connects[RESULTS];
    uint64_t publishes_in[RESULTS]; /* success is the broker's to tell */
    uint64_t publishes_out[RESULTS];
    uint64_t subscribes[RESULTS];
    uint64_t unsubscribes;
    uint64_t endings[ENDINGS];
    uint64_t tls_failures;
    struct {
        const char *name; /* static text */
        uint64_t done, refused;
    } operations[OPERATIONS_MAX]; /* of the HTTP API */
    size_t operation_count;
};

extern const char *const seeing__result_names[RESULTS];
extern const char *const seeing__ending_names[ENDINGS];

/* count.c */
void seeing__count(struct seeing *s, const struct log_record *r);

/* process.c */
struct seeing_process {
    uint64_t resident_bytes, virtual_bytes, open_fds, max_fds, threads;
    double cpu_s;
    int64_t started_s; /* Unix time */
};
void seeing__process(struct seeing_process *out);

/* The pages. Each fills `out->body`; a buffer that failed is answered with 500. */
void seeing__metrics(struct seeing *s, bool open_metrics, struct core_time now, struct buf *out);
int seeing__health(struct seeing *s, struct core_time now, struct buf *out);
int seeing__timeline(struct seeing *s, elo_span query, struct buf *out);
void seeing__memory(struct buf *out);

#endif
