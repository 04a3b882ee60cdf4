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
    X(authn_error)                                                                                 \
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

/* What MQTT came over; of the API's publishes the third. */
#define CARRIER_LIST(X)                                                                            \
    X(mqtt)                                                                                        \
    X(wss)                                                                                         \
    X(http)

enum carrier {
#define CARRIER_ENUM(name) CARRIER_##name,
    CARRIER_LIST(CARRIER_ENUM)
#undef CARRIER_ENUM
        CARRIERS
};

#define ANSWERS_MAX 512u

struct seeing {
    struct seeing_config config;
    struct timeline timeline;
    uint64_t connects[CARRIERS][RESULTS];
    uint64_t publishes_in[CARRIERS][RESULTS]; /* success is the broker's to tell */
    uint64_t publishes_out[RESULTS];
    uint64_t subscribes[RESULTS];
    uint64_t unsubscribes;
    uint64_t endings[ENDINGS];
    uint64_t tls_failures;
    struct {
        const char *operation; /* static text */
        int status;
        uint64_t count;
    } answers[ANSWERS_MAX]; /* of the HTTP API */
    size_t answer_count;
    struct histogram answers_took;
};

extern const char *const seeing__result_names[RESULTS];
extern const char *const seeing__carrier_names[CARRIERS];
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
