// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * HTTP/1.1 for the API. llhttp parses; one request at a time per connection: while its reply waits
 * for the store, nothing more is read from that client, and what it has sent ahead is kept in
 * `ahead`. A reply leaves when the store batch it depends on is durable, or as a failure when that
 * batch was rolled back.
 */
#include <stdio.h>
#include <string.h>

#include <llhttp.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

struct header_at {
    size_t name, name_len, value, value_len; /* offsets into `text` */
};

struct http {
    struct conn *conn;
    llhttp_t parser;
    struct buf target; /* the request target as it came */
    struct buf text;   /* names and values of the headers */
    struct header_at headers[LIMIT_HTTP_HEADERS];
    size_t header_count;
    bool in_value; /* the last piece of header text was a value */
    struct buf body;
    int refuse; /* an HTTP status: too large, too many headers */

    struct buf ahead; /* bytes of the next request */
    struct buf out;
    size_t out_sent;
    struct api_response reply;
    bool busy;       /* a request is being answered */
    bool held;       /* its reply waits for the store */
    bool keep_alive; /* after this reply */
    bool done;       /* close when `out` is sent */
    struct http *held_next;
};

/* --- taking a request apart ----------------------------------------------------------------------
 */

static struct http *owner(llhttp_t *parser)
{
    return parser->data;
}

static int on_begin(llhttp_t *parser)
{
    struct http *h = owner(parser);
    buf_clear(&h->target);
    buf_clear(&h->text);
    buf_clear(&h->body);
    h->header_count = 0;
    h->in_value = false;
    h->refuse = 0;
    return 0;
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    buf_add(&h->target, elo_span_of(at, len));
    if (buf_err(&h->target) != ELO_OK) {
        h->refuse = 414;
    }
    return 0;
}

static int on_header(llhttp_t *parser, const char *at, size_t len, bool value)
{
    struct http *h = owner(parser);
    size_t where = buf_span(&h->text).len;
    if (!value && (h->in_value || h->header_count == 0)) {
        if (h->header_count == LIMIT_HTTP_HEADERS) {
            h->refuse = 431;
            return 0;
        }
        h->headers[h->header_count++] = (struct header_at){.name = where};
    }
    buf_add(&h->text, elo_span_of(at, len));
    if (buf_err(&h->text) != ELO_OK || h->refuse != 0) {
        h->refuse = 431;
        return 0;
    }
    struct header_at *header = &h->headers[h->header_count - 1];
    if (value) {
        header->value = h->in_value ? header->value : where;
        header->value_len += len;
    } else {
        header->name_len += len;
    }
    h->in_value = value;
    return 0;
}

static int on_header_name(llhttp_t *parser, const char *at, size_t len)
{
    return on_header(parser, at, len, false);
}

static int on_header_text(llhttp_t *parser, const char *at, size_t len)
{
    return on_header(parser, at, len, true);
}

static elo_span header_text(const struct http *h, size_t at, size_t len)
{
    return len > 0 ? elo_span_of(buf_span(&h->text).ptr + at, len) : elo_span_of(NULL, 0);
}

static bool same_name(elo_span name, const char *lower)
{
    size_t len = strlen(lower);
    if (name.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name.ptr[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)lower[i]) {
            return false;
        }
    }
    return true;
}

static elo_span header_named(const struct http *h, const char *lower)
{
    for (size_t i = 0; i < h->header_count; i++) {
        if (same_name(header_text(h, h->headers[i].name, h->headers[i].name_len), lower)) {
            return header_text(h, h->headers[i].value, h->headers[i].value_len);
        }
    }
    return elo_span_of(NULL, 0);
}

/* Before the body: a client that asks whether to send it is told to go on. */
static int on_headers_done(llhttp_t *parser)
{
    struct http *h = owner(parser);
    elo_span expect = header_named(h, "expect");
    if (h->refuse == 0 && same_name(expect, "100-continue")) {
        buf_text(&h->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    buf_add(&h->body, elo_span_of(at, len));
    if (buf_err(&h->body) != ELO_OK) {
        h->refuse = 413;
    }
    return 0;
}

static int on_done(llhttp_t *parser)
{
    owner(parser)->busy = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static llhttp_settings_t s;
    if (s.on_message_complete == NULL) {
        llhttp_settings_init(&s);
        s.on_message_begin = on_begin;
        s.on_url = on_target;
        s.on_header_field = on_header_name;
        s.on_header_value = on_header_text;
        s.on_headers_complete = on_headers_done;
        s.on_body = on_body;
        s.on_message_complete = on_done;
    }
    return &s;
}

/* --- answering -----------------------------------------------------------------------------------
 */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Payload Too Large"},
        {414, "URI Too Long"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

static void write_reply(struct http *h, int status, elo_span headers, elo_span body)
{
    buf_format(&h->out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    buf_add(&h->out, headers);
    buf_format(&h->out, "content-length: %zu\r\nconnection: %s\r\n\r\n", body.len,
               h->keep_alive ? "keep-alive" : "close");
    if (h->parser.method != HTTP_HEAD) {
        buf_add(&h->out, body);
    }
    h->busy = false;
    h->held = false;
    h->done = !h->keep_alive || buf_err(&h->out) != ELO_OK;
}

/* A fault of HTTP itself, before there is a request that the API could judge. */
static void write_fault(struct http *h, int status, const char *exception, const char *message)
{
    char headers[160], body[400];
    int head = snprintf(headers, sizeof headers,
                        "content-type: application/json\r\nx-amzn-errortype: %s\r\n", exception);
    int len = snprintf(body, sizeof body, "{\"message\":\"%s\"}", message);
    h->keep_alive = false;
    write_reply(h, status, elo_span_of(headers, (size_t)head), elo_span_of(body, (size_t)len));
}

static void send_reply(struct http *h)
{
    write_reply(h, h->reply.status, buf_span(&h->reply.headers), buf_span(&h->reply.body));
    api_response_free(&h->reply);
}

static void ask_api(struct http *h)
{
    struct conn *c = h->conn;
    struct sigv4_header headers[LIMIT_HTTP_HEADERS];
    for (size_t i = 0; i < h->header_count; i++) {
        const struct header_at *at = &h->headers[i];
        headers[i].name = header_text(h, at->name, at->name_len);
        headers[i].value = header_text(h, at->value, at->value_len);
    }
    elo_span target = buf_span(&h->target);
    const uint8_t *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    struct api_request request = {
        .http = {.method = elo_span_str(llhttp_method_name((llhttp_method_t)h->parser.method)),
                 .path = elo_span_first(target, path_len),
                 .query = mark ? elo_span_from(target, path_len + 1) : elo_span_of(NULL, 0),
                 .headers = headers,
                 .header_count = h->header_count,
                 .body = buf_span(&h->body)},
        .source_ip = elo_span_str(c->ip),
    };
    api_handle(c->net->api, &request, net_time(c->net), &h->reply);
    if (h->reply.after_seq <= c->net->settled) {
        send_reply(h);
        return;
    }
    h->held = true;
    h->held_next = c->net->held;
    c->net->held = h;
}

static const char *const too_large[] = {
    "The request has more headers, or longer ones, than are taken here",
    "The request body is larger than is taken here",
    "The request target is longer than is taken here",
};

static void answer(struct http *h)
{
    h->keep_alive = llhttp_should_keep_alive(&h->parser) != 0 && !h->conn->net->stopping;
    if (h->refuse == 0) {
        ask_api(h);
    } else {
        write_fault(h, h->refuse, "RequestEntityTooLargeException",
                    too_large[h->refuse == 413   ? 1
                              : h->refuse == 414 ? 2
                                                 : 0]);
    }
}

/* Parses until a request is complete or the bytes are used up; what is left goes to `ahead`. */
static void parse(struct http *h, elo_span bytes)
{
    while (bytes.len > 0 && !h->busy && !h->done) {
        llhttp_errno_t rc = llhttp_execute(&h->parser, (const char *)bytes.ptr, bytes.len);
        if (rc == HPE_OK) {
            return;
        }
        if (rc != HPE_PAUSED && rc != HPE_PAUSED_UPGRADE) {
            write_fault(h, 400, "InvalidRequestException", "The request is not HTTP/1.1");
            return;
        }
        const uint8_t *stop = (const uint8_t *)llhttp_get_error_pos(&h->parser);
        bytes = elo_span_from(bytes, (size_t)(stop - bytes.ptr));
        if (rc == HPE_PAUSED) {
            llhttp_resume(&h->parser);
        } else {
            llhttp_resume_after_upgrade(&h->parser);
        }
        answer(h);
    }
    buf_add(&h->ahead, bytes);
}

static void go_on(struct http *h)
{
    if (h->busy || h->done) {
        h->conn->hold_input = true;
        conn_wait_end(h->conn);
        return;
    }
    conn_wait(h->conn, WAIT_HTTP);
}

static void input(struct conn *c, elo_span bytes)
{
    struct http *h = c->speaker;
    parse(h, bytes);
    go_on(h);
    conn_flush(c);
}

static size_t output(struct conn *c, elo_span *out, size_t max)
{
    struct http *h = c->speaker;
    elo_span rest = elo_span_from(buf_span(&h->out), h->out_sent);
    if (rest.len == 0 || max == 0) {
        return 0;
    }
    out[0] = rest;
    return 1;
}

static void sent(struct conn *c, size_t len)
{
    struct http *h = c->speaker;
    h->out_sent += len;
    if (h->out_sent == buf_span(&h->out).len) {
        buf_clear(&h->out);
        h->out_sent = 0;
    }
}

static bool wants_close(const struct conn *c)
{
    const struct http *h = c->speaker;
    return h->done;
}

static void unlink_held(struct http *h)
{
    for (struct http **at = &h->conn->net->held; *at != NULL; at = &(*at)->held_next) {
        if (*at == h) {
            *at = h->held_next;
            return;
        }
    }
}

static void closed(struct conn *c, elo_err why)
{
    (void)why;
    struct http *h = c->speaker;
    if (h->held) {
        unlink_held(h);
        api_response_free(&h->reply);
    }
    buf_free(&h->target);
    buf_free(&h->text);
    buf_free(&h->body);
    buf_free(&h->ahead);
    buf_free(&h->out);
    mem_free(h);
    c->speaker = NULL;
}

static const struct protocol http = {"HTTP", input, output, sent, wants_close, closed};

bool http_begin(struct conn *c)
{
    struct http *h = mem_zero(sizeof *h);
    if (h == NULL) {
        return false;
    }
    h->conn = c;
    buf_init(&h->target, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&h->text, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&h->body, LIMIT_HTTP_BODY_BYTES);
    buf_init(&h->ahead, NET_SCRATCH);
    buf_init(&h->out, LIMIT_HTTP_REPLY_BYTES);
    llhttp_init(&h->parser, HTTP_REQUEST, settings());
    h->parser.data = h;
    c->speaker = h;
    c->protocol = &http;
    conn_wait(c, WAIT_HTTP);
    return true;
}

bool http_is_idle(const struct conn *c)
{
    const struct http *h = c->speaker;
    return c->protocol == &http && !h->busy && buf_span(&h->out).len == 0;
}

/* A held reply may leave: send it, then take up what the client had sent ahead. */
static void release(struct http *h)
{
    struct conn *c = h->conn;
    send_reply(h);
    elo_span ahead = buf_span(&h->ahead);
    if (!h->done && ahead.len > 0) {
        struct buf taken = h->ahead;
        buf_init(&h->ahead, NET_SCRATCH);
        parse(h, buf_span(&taken));
        buf_free(&taken);
    }
    if (!h->busy && !h->done) {
        conn_resume(c);
    }
    go_on(h);
    conn_flush(c);
}

void http_release(struct net *net, const struct store_progress *progress)
{
    struct http *h = net->held;
    net->held = NULL;
    while (h != NULL) {
        struct http *next = h->held_next;
        if (progress->durable >= h->reply.after_seq) {
            release(h);
        } else if (progress->failed >= h->reply.after_seq) {
            api_commit_failed(&h->reply, progress->err);
            release(h);
        } else {
            h->held_next = net->held;
            net->held = h;
        }
        h = next;
    }
}
