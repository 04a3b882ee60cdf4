// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/log.h"

#include <stdio.h>
#include <time.h>

#include "elo/base/utf8.h"
#include "elo/json/write.h"
#include "errors/explain.h"

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

void log_emit(const struct log *log, const struct log_record *record)
{
    if (log->sink != NULL && record->level >= log->level) {
        log->sink(log->ctx, record);
    }
    if (log->watch != NULL) {
        log->watch(log->watch_ctx, record);
    }
}

void log_line(const struct log *log, enum log_level level, elo_err err, const char *format, ...)
{
    if (log->sink == NULL || level < log->level) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct log_record record = {
        .level = level, .event_type = "Server", .err = err, .details = elo_span_str(text)};
    log_emit(log, &record);
}

/* "2026-01-02 03:04:05.123", as CloudWatch writes it, in UTC. */
static void timestamp(int64_t wall_ms, char out[32])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    char date[24];
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out, 32, "%s.%03d", date, (int)(wall_ms % 1000));
}

/*
 * Outsiders choose client ids and topics, also such as are not UTF-8, thousands of bytes long, or
 * would steer a terminal. What is written is text, and no longer than this.
 */
enum { FIELD_BYTES_MAX = 1024 };

/* How many bytes the character at the start of `text` has; 0: that is none. */
static size_t character(elo_span text)
{
    for (size_t n = 1; n <= 4 && n <= text.len; n++) {
        if (elo_utf8_valid(elo_span_first(text, n))) {
            return n;
        }
    }
    return 0;
}

/* C0 and C1 controls, DEL, and what turns the direction of writing or ends a line. */
static bool steers(elo_span c)
{
    const uint8_t *p = c.ptr;
    return (c.len == 1 && (p[0] < 0x20 || p[0] == 0x7f)) ||
           (c.len == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
           (c.len == 3 && p[0] == 0xe2 &&
            ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) || /* U+2028 to U+202E */
             (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9))); /* U+2066 to U+2069 */
}

static void escape(struct buf *out, elo_span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        buf_format(out, "\\x%02x", bytes.ptr[i]);
    }
}

/* `keep_controls`: JSON has escapes of its own for them. */
static void printable(struct buf *out, elo_span text, bool keep_controls)
{
    size_t at = 0;
    while (at < text.len && at < FIELD_BYTES_MAX) {
        elo_span rest = elo_span_from(text, at);
        size_t n = character(rest);
        elo_span c = elo_span_first(rest, n > 0 ? n : 1);
        if (n == 0 || (!keep_controls && steers(c))) {
            escape(out, c);
        } else {
            buf_add(out, c);
        }
        at += c.len;
    }
    if (at < text.len) {
        buf_format(out, "... (%zu bytes)", text.len);
    }
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

/* Every byte of a field as \xNN, each backslash of it doubled by JSON; or as \u00NN. */
enum { RECORD_BYTES_MAX = 8 * (FIELD_BYTES_MAX * 6 + 64) };

struct record_writer {
    struct elo_json_writer json;
    struct buf text; /* a field, made printable */
};

static void member(struct record_writer *w, const char *key, elo_span value)
{
    if (value.len == 0) {
        return;
    }
    buf_clear(&w->text);
    printable(&w->text, value, true);
    elo_json_key(&w->json, elo_span_str(key));
    elo_json_string(&w->json, buf_span(&w->text));
}

static void members(struct record_writer *w, const struct log_record *r)
{
    member(w, "status", r->err == ELO_OK ? ELO_SPAN("Success") : ELO_SPAN("Failure"));
    member(w, "eventType", elo_span_str(r->event_type));
    member(w, "protocol", elo_span_str(r->protocol));
    member(w, "clientId", r->client_id);
    member(w, "principalId", r->principal_id);
    member(w, "sourceIp", r->source_ip);
    if (r->source_port != 0) {
        elo_json_key(&w->json, ELO_SPAN("sourcePort"));
        elo_json_int(&w->json, r->source_port);
    }
    member(w, "topicName", r->topic);
    if (r->retain) {
        member(w, "retain", ELO_SPAN("True")); /* a string, as CloudWatch has it */
    }
    if (strcmp(r->event_type, "Disconnect") == 0) {
        member(w, "disconnectReason", r->reason);
    }
    member(w, "reason", r->reason);
    member(w, "details", r->details);
    if (r->err != ELO_OK) {
        const struct elo_reason *why = elo_explain(r->err);
        member(w, "code", elo_span_str(why->slug));
        member(w, "cause", elo_span_str(why->cause));
        member(w, "cure", elo_span_str(why->cure));
    }
}

void log_format_json(const struct log_record *r,
                     int64_t wall_ms,
                     const char *account,
                     struct buf *out)
{
    char when[32];
    timestamp(wall_ms, when);
    uint8_t line[RECORD_BYTES_MAX];
    struct record_writer w;
    buf_init(&w.text, 4 * FIELD_BYTES_MAX + 64);
    elo_json_writer_init(&w.json, line, sizeof line);
    elo_json_begin_object(&w.json);
    member(&w, "timestamp", elo_span_str(when));
    member(&w, "logLevel", elo_span_str(level_names[r->level]));
    member(&w, "traceId", r->trace_id);
    member(&w, "accountId", elo_span_str(account));
    members(&w, r);
    elo_json_end_object(&w.json);
    buf_free(&w.text);
    size_t len = 0;
    if (elo_json_finish(&w.json, &len) == ELO_OK) {
        buf_add(out, elo_span_of(line, len));
        buf_byte(out, '\n');
        return;
    }
    /* Out of memory: what cannot be said is left out, the event is not. */
    buf_format(out,
               "{\"timestamp\":\"%s\",\"logLevel\":\"%s\",\"status\":\"%s\",\"eventType\":\"%s\","
               "\"details\":\"a record that could not be written whole\"}\n",
               when, level_names[r->level], r->err == ELO_OK ? "Success" : "Failure",
               r->event_type);
}

/* --- text for a person --------------------------------------------------------------------------
 */

static void field(struct buf *out, const char *before, elo_span value)
{
    if (value.len > 0) {
        buf_text(out, before);
        printable(out, value, false);
    }
}

void log_format_text(const struct log_record *r, int64_t wall_ms, bool colour, struct buf *out)
{
    static const char *const paint[] = {"\033[2m", "", "\033[33m", "\033[31m"};
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    char when[16];
    strftime(when, sizeof when, "%H:%M:%S", &tm);
    buf_format(out, "%s%s.%03d %-11s", colour ? paint[r->level] : "", when, (int)(wall_ms % 1000),
               r->event_type);
    field(out, " ", r->client_id);
    field(out, " ", r->topic);
    if (r->err != ELO_OK) {
        buf_format(out, " refused %s", elo_explain(r->err)->slug);
    }
    field(out, r->err != ELO_OK ? ": " : "  ", r->details.len > 0 ? r->details : r->reason);
    if (r->source_port != 0) {
        field(out, "  from ", r->source_ip);
        buf_format(out, ":%u", r->source_port);
    }
    buf_text(out, colour ? "\033[0m\n" : "\n");
    if (r->err != ELO_OK && r->level >= LOG_WARN) {
        const struct elo_reason *why = elo_explain(r->err);
        buf_format(out, "%s             %s %s%s\n", colour ? "\033[2m" : "", why->cause, why->cure,
                   colour ? "\033[0m" : "");
    }
}
