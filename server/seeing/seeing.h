// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Seeing into the desk: what is served on the loopback HTTP port without a signature.
 *
 *     GET /metrics                     Prometheus text format 0.0.4, or OpenMetrics 1.0 if asked
 * for GET /health                      JSON; 200, or 503 when nothing can be stored GET
 * /elo/timeline?device=NAME    JSON: why NAME did not connect (docs/seeing.md) GET /elo/memory
 * JSON: bytes by module
 *
 * It learns of what happens from the log's records (log.watch): each is counted, and those about
 * connections are kept in bounded memory, by client id, certificate and, of peers that never got
 * that far, by source address. Nothing of a message's way comes here. Core thread only.
 */
#ifndef ELO_SERVER_SEEING_H
#define ELO_SERVER_SEEING_H

#include "server/base/histogram.h"
#include "server/broker/broker.h"

struct seeing;

/* What the edge knows. */
struct seeing_edge {
    uint64_t transports; /* sockets of every kind, now */
    uint64_t accepted;
    struct histogram handshakes; /* those that were done */
    uint64_t handshakes_failed;
    int64_t loop_lag_ms; /* how late the loop was at its last timer */
    uint64_t commits_failed;
    bool store_broken; /* the last commit failed */
};

struct seeing_config {
    struct broker *broker;
    const struct registry *registry;
    void (*edge)(void *ctx, struct seeing_edge *out); /* NULL: nothing is known */
    void *ctx;
    const char *version;
    const char *commit; /* the sources' in git; NULL: "unknown" */
    struct core_time started;
};

struct seeing *seeing_create(void); /* NULL: out of memory */
void seeing_destroy(struct seeing *s);

/* Before the first page is asked for; the log may be watched before. */
void seeing_configure(struct seeing *s, const struct seeing_config *config);

/* For log.watch: every record, at the moment it is made. */
void seeing_watch(struct seeing *s, const struct log_record *record, int64_t wall_ms);

/* A call of the API has been answered: which one (static text), how, and how long it took. */
void seeing_answered(struct seeing *s, const char *operation, int status, uint64_t took_us);

/* A page: status, content type, body. To be freed: buf_free(&body). */
struct seeing_page {
    int status;
    const char *content_type;
    struct buf body;
};

struct seeing_request {
    elo_span method, path, query; /* as they came */
    elo_span host;                /* the Host header: a loopback name, or nothing is told */
    elo_span accept;
};

/* false: this path is none of ours, and `out` is untouched. */
bool seeing_handle(struct seeing *s,
                   const struct seeing_request *request,
                   struct core_time now,
                   struct seeing_page *out);

/* Bytes the timelines hold, for tests; their cap is SEEING_TIMELINE_BYTES. */
#define SEEING_TIMELINE_BYTES (8u * 1024u * 1024u)
size_t seeing_timeline_bytes(const struct seeing *s);

#endif
