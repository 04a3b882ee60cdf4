// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elo/json/write.h"
#include "server/base/mem.h"
#include "server/seeing/internal.h"

struct seeing *seeing_create(void)
{
    struct seeing *s = mem_zero(sizeof *s);
    if (s != NULL) {
        timeline_init(&s->timeline, SEEING_TIMELINE_BYTES);
    }
    return s;
}

void seeing_destroy(struct seeing *s)
{
    if (s != NULL) {
        timeline_free(&s->timeline);
        mem_free(s);
    }
}

void seeing_configure(struct seeing *s, const struct seeing_config *config)
{
    s->config = *config;
}

void seeing_watch(struct seeing *s, const struct log_record *record, int64_t wall_ms)
{
    seeing__count(s, record);
    timeline_note(&s->timeline, record, wall_ms);
}

size_t seeing_timeline_bytes(const struct seeing *s)
{
    return s->timeline.bytes;
}

/* --- /health ------------------------------------------------------------------------------------
 */

int seeing__health(struct seeing *s, struct core_time now, struct buf *out)
{
    struct seeing_edge e = {0};
    if (s->config.edge != NULL) {
        s->config.edge(s->config.ctx, &e);
    }
    struct broker_stats b;
    broker_stats(s->config.broker, &b);
    int64_t up_ms = now.mono_ms - s->config.started.mono_ms;
    buf_format(out,
               "{\"status\":\"%s\",\"store\":\"%s\",\"loopLagMs\":%" PRId64
               ",\"uptimeSeconds\":%" PRId64 ",\"version\":\"%s\",\"connections\":%" PRIu64 "}\n",
               e.store_broken ? "failing" : "ok", e.store_broken ? "failing" : "writable",
               e.loop_lag_ms, up_ms / 1000, s->config.version, b.connections);
    return e.store_broken ? 503 : 200;
}

/* --- /elo/memory --------------------------------------------------------------------------------
 */

void seeing__memory(struct buf *out)
{
    struct seeing_process p;
    struct mem_room_use use;
    seeing__process(&p);
    buf_format(out, "{\"residentBytes\":%" PRIu64 ",\"modules\":{", p.resident_bytes);
    for (unsigned i = 0; mem_room_at(i, &use); i++) {
        buf_format(out, "%s\"%s\":{\"bytes\":%zu,\"allocations\":%zu}", i > 0 ? "," : "", use.name,
                   use.bytes, use.blocks);
    }
    buf_text(out, "}}\n");
}

/* --- requests -----------------------------------------------------------------------------------
 */

/* Only a name of this machine itself: a page in a browser cannot make another name point here and
 * read what is told (DNS rebinding). */
static bool is_loopback(elo_span host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        elo_span name = elo_span_str(names[i]);
        if (elo_span_starts_with(host, name) &&
            (host.len == name.len || host.ptr[name.len] == ':')) {
            return true;
        }
    }
    return false;
}

static bool wants_open_metrics(elo_span accept)
{
    static const char type[] = "application/openmetrics-text";
    return accept.len > 0 && memmem(accept.ptr, accept.len, type, sizeof type - 1) != NULL;
}

static void answer(struct seeing_page *out, int status, const char *why)
{
    out->status = status;
    buf_format(&out->body, "{\"message\":\"%s\"}\n", why);
}

static void metrics(struct seeing *s,
                    const struct seeing_request *r,
                    struct core_time now,
                    struct seeing_page *out)
{
    bool open_metrics = wants_open_metrics(r->accept);
    out->content_type = open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                     : "text/plain; version=0.0.4; charset=utf-8";
    seeing__metrics(s, open_metrics, now, &out->body);
}

static void health(struct seeing *s,
                   const struct seeing_request *r,
                   struct core_time now,
                   struct seeing_page *out)
{
    (void)r;
    out->status = seeing__health(s, now, &out->body);
}

static void timeline(struct seeing *s,
                     const struct seeing_request *r,
                     struct core_time now,
                     struct seeing_page *out)
{
    (void)now;
    out->status = seeing__timeline(s, r->query, &out->body);
}

static void memory(struct seeing *s,
                   const struct seeing_request *r,
                   struct core_time now,
                   struct seeing_page *out)
{
    (void)s;
    (void)r;
    (void)now;
    seeing__memory(&out->body);
}

static const struct {
    const char *path;
    void (*page)(struct seeing *s,
                 const struct seeing_request *r,
                 struct core_time now,
                 struct seeing_page *out);
} pages[] = {{"/metrics", metrics},
             {"/health", health},
             {"/elo/timeline", timeline},
             {"/elo/memory", memory}};

bool seeing_handle(struct seeing *s,
                   const struct seeing_request *request,
                   struct core_time now,
                   struct seeing_page *out)
{
    size_t i = 0;
    while (i < sizeof pages / sizeof pages[0] &&
           !elo_span_eq(request->path, elo_span_str(pages[i].path))) {
        i++;
    }
    if (i == sizeof pages / sizeof pages[0]) {
        return false;
    }
    *out = (struct seeing_page){.status = 200, .content_type = "application/json"};
    buf_init(&out->body, PAGE_BYTES_MAX);
    bool reads = elo_span_eq(request->method, ELO_SPAN("GET")) ||
                 elo_span_eq(request->method, ELO_SPAN("HEAD"));
    if (!is_loopback(request->host)) {
        answer(out, 403, "This page is told to this machine only: ask for localhost");
    } else if (!reads) {
        answer(out, 405, "This page is only read: GET");
    } else {
        pages[i].page(s, request, now, out);
    }
    if (buf_err(&out->body) != ELO_OK) {
        buf_clear(&out->body);
        answer(out, 500, "The desk is out of memory");
    }
    return true;
}
