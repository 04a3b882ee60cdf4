// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the server says of itself: structured records in the vocabulary of AWS IoT's CloudWatch
 * logs ("CloudWatch AWS IoT log entries", AWS IoT Developer Guide), so that a query written for
 * one works on the other.
 *
 * The core only fills records; the sink given at start writes them, as JSON lines or as text for a
 * person. A record's spans are read during the call only.
 */
#ifndef ELO_SERVER_BASE_LOG_H
#define ELO_SERVER_BASE_LOG_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_record {
    enum log_level level;
    const char *event_type; /* "Connect", "Disconnect", "Publish-In", "Subscribe", "Api" ... */
    elo_err err;            /* ELO_OK: status Success; else Failure, with its slug, cause, cure */
    const char *protocol;   /* "MQTT", "HTTP", NULL */
    elo_span trace_id; /* what the records of one connection, or one API call, have in common */
    elo_span client_id;
    elo_span principal_id; /* certificate id */
    elo_span topic;
    elo_span source_ip;
    uint16_t source_port;
    bool retain;      /* a PUBLISH with RETAIN */
    bool websocket;   /* MQTT over WebSocket; not written, AWS says MQTT of it, too */
    elo_span reason;  /* AWS's word: "AUTHORIZATION_FAILURE", "DUPLICATE_CLIENT_ID" ... */
    elo_span details; /* one sentence with the particulars: which statement, which status */
};

struct log {
    void (*sink)(void *ctx, const struct log_record *record);
    void *ctx;
    enum log_level level; /* records below it are not made */

    /* Sees every record that is made, and has records from LOG_INFO on made whatever `level` is:
     * counters and timelines (server/seeing). NULL: nobody. */
    void (*watch)(void *ctx, const struct log_record *record);
    void *watch_ctx;
};

/* Would a record of this level be of use to anybody? Ask before making a costly one. */
static inline bool log_heard(const struct log *log, enum log_level level)
{
    return (log->sink != NULL && level >= log->level) || (log->watch != NULL && level >= LOG_INFO);
}

void log_emit(const struct log *log, const struct log_record *record);

/* A plain line of the server's own (start, stop, faults), event type "Server". */
void log_line(const struct log *log, enum log_level level, elo_err err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * One line, newline included: JSON in CloudWatch's shape; or for a terminal. Whatever the record
 * holds, a line comes out: bytes that are not UTF-8 (and for a terminal whatever steers one) are
 * written as \xNN, and a field of more than a kilobyte is cut and its length told.
 */
void log_format_json(const struct log_record *record,
                     int64_t wall_ms,
                     const char *account,
                     struct buf *out);
void log_format_text(const struct log_record *record,
                     int64_t wall_ms,
                     bool colour,
                     struct buf *out);

#endif
