// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * HTTP/1.1 for the API.
 *
 * How this works: http_request.c takes requests apart, strictly. One request at a time per
 * connection: until its reply has left, nothing more is read from that client, and what it has sent
 * ahead is kept in `ahead`; so a client that sends and never reads makes us hold one reply, not
 * many. A reply leaves when the store batch it depends on is durable, or as a failure when that
 * batch was rolled back.
 *
 * What breaks HTTP or a limit is answered at once, in the middle of the request if need be, and the
 * connection ends with that answer. Time: a request is complete within LIMIT_HTTP_IDLE_MS of the
 * reply before it, however slowly it drips; a reply is taken within as long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/auth/custom.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/http_request.h"
#include "server/net/internal.h"

struct http {
    struct conn *conn;
    struct http_request request;
    struct buf ahead; /* bytes of the next request */
    struct buf out;
    size_t out_sent;
    struct api_response reply;
    bool held;       /* its reply waits for the store */
    bool keep_alive; /* after this reply */
    bool done;       /* close when `out` is sent */
    struct http *held_next;
    struct auth_session *device; /* who has shown a certificate; made when first asked for */
    bool upgraded;               /* what follows is no HTTP */
    struct buf accept;           /* then: the 101 */
    struct auth_peer peer;       /* and in whose name MQTT is spoken */
    bool asking;                 /* it waits for a custom authorizer, or for a key */
    elo_err custom_err;          /* what that has said */
    struct auth_session *guest;  /* whom it has let in, for one request */
    struct custom *custom; /* who decides about this connection or request; NULL: nobody outside */
    struct key_order *key_order; /* what it waits for */
    struct pki_key *key;         /* what it has waited for */
    uint64_t asked_us;           /* when the request was complete */
    bool key_made;               /* or not, for want of memory: it is not ordered again */
};

/* --- answering -----------------------------------------------------------------------------------
 */

static elo_span next_line(elo_span *lines)
{
    const uint8_t *end = lines->len > 0 ? memchr(lines->ptr, '\n', lines->len) : NULL;
    size_t len = end ? (size_t)(end - lines->ptr) + 1 : lines->len;
    elo_span line = elo_span_first(*lines, len);
    *lines = elo_span_from(*lines, len);
    return line;
}

/* The order is that of AWS's gateway: some small clients count lines. */
static void write_headers(struct http *h, elo_span headers, size_t body_len)
{
    char date[40];
    time_t now_s = (time_t)(net_time(h->conn->net).wall_ms / 1000);
    struct tm tm;
    gmtime_r(&now_s, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    buf_add(&h->out, next_line(&headers));
    buf_format(&h->out, "content-length: %zu\r\ndate: %s\r\n", body_len, date);
    buf_add(&h->out, next_line(&headers));
    buf_format(&h->out, "connection: %s\r\n", h->keep_alive ? "keep-alive" : "close");
    buf_add(&h->out, headers);
    buf_text(&h->out, "\r\n");
}

static void write_reply(struct http *h, int status, elo_span headers, elo_span body)
{
    h->keep_alive = h->keep_alive && !h->conn->net->stopping;
    buf_format(&h->out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    write_headers(h, headers, body.len);
    if (h->request.parser.method != HTTP_HEAD) {
        buf_add(&h->out, body);
    }
    h->held = false;
    h->done = !h->keep_alive || buf_err(&h->out) != ELO_OK;
    h->out_sent = buf_err(&h->out) == ELO_OK ? h->out_sent : 0; /* all of it is gone */
    conn_wait(h->conn, WAIT_HTTP);
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

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static void send_reply(struct http *h)
{
    if (h->conn->net->seeing != NULL) {
        seeing_answered(h->conn->net->seeing, h->reply.operation, h->reply.status,
                        now_us() - h->asked_us);
    }
    write_reply(h, h->reply.status, buf_span(&h->reply.headers), buf_span(&h->reply.body));
    api_response_free(&h->reply);
}

/* The request as the API takes it; `headers` has room for all of them. */
static struct api_request request_of(struct http *h, struct sigv4_header *headers)
{
    return (struct api_request){.http = http_request_signed(&h->request, headers),
                                .source_ip = elo_span_str(h->conn->ip)};
}

/* Pages about the desk itself, on the plain port of this machine only. */
static bool ask_seeing(struct http *h, const struct api_request *request)
{
    struct net *net = h->conn->net;
    struct seeing_page page;
    const struct seeing_request seen = {.method = request->http.method,
                                        .path = request->http.path,
                                        .query = request->http.query,
                                        .host = http_request_header(&h->request, "host"),
                                        .accept = http_request_header(&h->request, "accept")};
    if (h->conn->kind != LISTEN_HTTP || net->seeing == NULL ||
        !seeing_handle(net->seeing, &seen, net_time(net), &page)) {
        return false;
    }
    char headers[160];
    int len = snprintf(headers, sizeof headers, "content-type: %s\r\ncache-control: no-store\r\n",
                       page.content_type);
    write_reply(h, page.status, elo_span_of(headers, (size_t)len), buf_span(&page.body));
    buf_free(&page.body);
    return true;
}

static void on_custom(void *ctx, elo_err err);
static void on_key(void *ctx, struct pki_key *key);
static void settle(struct http *h);

static void fill_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    if (!pki_random(out, len)) {
        abort();
    }
}

/* A custom authorizer is to be asked first. false: it has been, or there is none to ask. */
static bool ask_custom(struct http *h, const struct api_request *request)
{
    const struct net *net = h->conn->net;
    char id[37];
    if (h->custom != NULL || !api_wants_custom(net->api, request)) {
        return false;
    }
    h->custom = custom_create(net->config.authorizer, &request->http, tls_server_name(h->conn));
    if (h->custom == NULL) {
        return false;
    }
    core_uuid(&(struct core_random){fill_random, NULL}, id);
    h->custom_err = custom_ask(h->custom, NULL, NULL, id, on_custom, h);
    h->asking = h->custom_err == ELO_OK;
    return h->asking;
}

/* Whom the custom authorizer has let in, or not, for this request. */
static void take_custom(struct http *h, struct api_request *request)
{
    struct auth_peer peer = {.kind = AUTH_PEER_CUSTOM,
                             .source_ip = elo_span_str(h->conn->ip),
                             .source_port = h->conn->port,
                             .custom = h->custom};
    if (api_wants_custom(h->conn->net->api, request)) {
        h->guest = auth_session_create(h->conn->net->config.authorizer, &peer);
        request->device = h->guest;
        request->device_refused = h->custom_err;
        request->device_why = h->custom_err != ELO_OK ? custom_why(h->custom) : NULL;
    }
    request->custom = h->custom;
    request->custom_err = h->custom_err;
}

static void ask_api(struct http *h, struct api_request *request);

static void order_key(struct http *h, struct api_request *request)
{
    api_response_free(&h->reply);
    h->key_order = keys_order(h->conn->net, on_key, h);
    h->asking = h->key_order != NULL;
    if (!h->asking) {
        h->key_made = true; /* no memory: as the API says it */
        ask_api(h, request);
    }
}

static void forget_key(struct http *h)
{
    pki_key_free(h->key);
    h->key = NULL;
    h->key_made = false;
}

static void ask_api(struct http *h, struct api_request *request)
{
    struct conn *c = h->conn;
    if (ask_seeing(h, request)) {
        return;
    }
    mqtt_device(c, &h->device, &request->device_refused);
    request->device = h->device;
    request->answered = on_custom;
    request->answered_ctx = h;
    if (ask_custom(h, request)) {
        return;
    }
    if (h->custom != NULL) {
        take_custom(h, request);
    }
    request->makes_keys = !h->key_made;
    request->key = h->key;
    api_handle(c->net->api, request, net_time(c->net), &h->reply);
    auth_session_destroy(h->guest);
    h->guest = NULL;
    if (h->reply.wants_key) {
        order_key(h, request);
        return;
    }
    forget_key(h);
    if (h->reply.custom != NULL) {
        h->custom = h->reply.custom;
        h->asking = true;
        api_response_free(&h->reply);
        return;
    }
    custom_destroy(h->custom);
    h->custom = NULL;
    if (h->reply.after_seq <= c->net->settled && h->reply.ticket == 0) {
        send_reply(h);
        return;
    }
    h->held = true;
    h->held_next = c->net->held;
    c->net->held = h;
}

/* From here on MQTT is spoken; the 101 leaves when the WebSocket begins, see take_over(). */
static void open_websocket(struct http *h, const struct api_request *request)
{
    const struct net *net = h->conn->net;
    const char *fault = NULL;
    buf_clear(&h->accept);
    bool good = upgrade_accept(&request->http, net->config.compat.websocket_subprotocol != 0,
                               &h->accept, &fault);
    if (good) {
        fault = buf_err(&h->accept) == ELO_OK ? NULL : "The desk is out of memory";
    }
    struct api_request upgrade = *request;
    upgrade.may_show_later =
        h->conn->peer != NULL && h->conn->peer->alpn[0] != '\0' && tls_server_name(h->conn).len > 0;
    aws_error error =
        api_open_websocket(net->api, &upgrade, fault, net_time(net), &h->peer, &h->reply);
    h->upgraded = error == AWS_OK;
    if (h->upgraded && h->peer.kind == AUTH_PEER_CUSTOM) {
        h->custom = custom_create(net->config.authorizer, &request->http, tls_server_name(h->conn));
        h->done = h->custom == NULL; /* no memory: it ends */
        h->upgraded = !h->done;
        return;
    }
    if (!h->upgraded) {
        send_reply(h);
    }
}

/* What has come instead of a request, by its first byte: whom a wrong port is to be told of. */
static void report_fault(const struct http *h, int status, uint8_t first)
{
    const struct conn *c = h->conn;
    bool tls = c->kind == LISTEN_HTTPS;
    if (first == 0x10) { /* CONNECT */
        conn_log(c, LOG_WARN, ELO_E_ALPN, NULL,
                 tls ? "MQTT came to the HTTPS port without the ALPN name x-amzn-mqtt-ca or mqtt"
                     : "MQTT came to the HTTP port");
        return;
    }
    const char *what = status != 400           ? http_fault_of(status)->message
                       : first == 0x16 && !tls ? "no HTTP request: it looks like TLS"
                                               : "no HTTP request";
    const struct log_record record = {.level = LOG_WARN,
                                      .event_type = "Api",
                                      .err = status == 400   ? ELO_E_MALFORMED
                                             : status == 503 ? ELO_E_NO_MEMORY
                                                             : ELO_E_TOO_LARGE,
                                      .protocol = c->protocol->name,
                                      .source_ip = elo_span_str(c->ip),
                                      .source_port = c->port,
                                      .details = elo_span_str(what)};
    log_emit(c->net->config.log, &record);
}

static void answer_fault(struct http *h, int status)
{
    const struct http_fault *fault = http_fault_of(status);
    write_fault(h, status, fault->exception, fault->message);
}

static void answer(struct http *h)
{
    h->keep_alive = http_request_keeps_alive(&h->request);
    h->asked_us = now_us();
    struct sigv4_header headers[LIMIT_HTTP_HEADERS];
    struct api_request request = request_of(h, headers);
    if (upgrade_wanted(&request.http)) {
        open_websocket(h, &request);
    } else {
        ask_api(h, &request);
    }
    if (!h->asking) {
        buf_free(&h->request.body); /* a connection at rest keeps nothing large */
    }
}

/* What the request has waited for has come: it is taken up again. */
static void take_up(struct http *h)
{
    struct conn *c = h->conn;
    struct sigv4_header headers[LIMIT_HTTP_HEADERS];
    struct api_request request = request_of(h, headers);
    h->asking = false;
    ask_api(h, &request);
    if (!h->asking) {
        buf_free(&h->request.body);
    }
    settle(h);
    conn_flush(c);
}

static void on_custom(void *ctx, elo_err err)
{
    struct http *h = ctx;
    h->custom_err = err;
    take_up(h);
}

static void on_key(void *ctx, struct pki_key *key)
{
    struct http *h = ctx;
    h->key_order = NULL;
    h->key = key;
    h->key_made = true;
    take_up(h);
}

static bool has_unsent(const struct http *h)
{
    return buf_span(&h->out).len > h->out_sent;
}

/* Is there something to be done before the next request? */
static bool is_busy(const struct http *h)
{
    return h->held || h->asking || h->done || h->upgraded || has_unsent(h);
}

/* Up to the end of a request, or of the bytes; what is not used up. */
static elo_span parse_one(struct http *h, elo_span bytes)
{
    size_t used;
    uint8_t first = h->request.fold == BEFORE_HEAD ? bytes.ptr[0] : 0;
    int status = http_request_feed(&h->request, bytes, &used);
    if (h->request.expects) {
        h->request.expects = false;
        buf_text(&h->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (status == 200) {
        answer(h);
        return elo_span_from(bytes, used);
    }
    if (status != 0) {
        report_fault(h, status, first);
        answer_fault(h, status);
    }
    return elo_span_of(NULL, 0);
}

/* Until there is something to be done first; what is left goes to `ahead`. */
static void parse(struct http *h, elo_span bytes)
{
    while (bytes.len > 0 && !is_busy(h)) {
        bytes = parse_one(h, bytes);
    }
    buf_add(&h->ahead, bytes);
    if (buf_err(&h->ahead) != ELO_OK) {
        h->done = true; /* a gap: what follows would be read wrongly */
    }
}

static void parse_ahead(struct http *h)
{
    struct buf taken = h->ahead;
    buf_init(&h->ahead, NET_SCRATCH);
    parse(h, buf_span(&taken));
    buf_free(&taken);
}

/* Reads on, or not. */
static void settle(struct http *h)
{
    struct conn *c = h->conn;
    if (h->held || h->asking) {
        conn_wait_end(c); /* it is the store's turn, or a thread's */
    }
    if (is_busy(h)) {
        c->hold_input = true;
    } else if (c->hold_input) {
        conn_resume(c);
    }
}

static void release_all(struct http *h)
{
    auth_session_destroy(h->device);
    custom_destroy(h->custom);
    keys_cancel(h->key_order);
    pki_key_free(h->key);
    http_request_free(&h->request);
    buf_free(&h->ahead);
    buf_free(&h->accept);
    buf_free(&h->out);
    mem_free(h);
}

/*
 * The WebSocket takes the connection over, with what has come behind the request. It cannot be much
 * that waits to be sent before: the 101 goes straight into the output of the new protocol.
 */
static void take_over(struct http *h)
{
    struct conn *c = h->conn;
    elo_span ahead = buf_span(&h->ahead);
    conn_wait_end(c);
    h->peer.source_port = c->port;
    h->peer.server_name = tls_server_name(c);
    h->peer.custom = h->custom;
    h->custom = NULL;
    if (!websocket_begin(c, &h->peer, buf_span(&h->accept))) {
        conn_log(c, LOG_ERROR, ELO_E_NO_MEMORY, NULL,
                 "a connection was refused: no memory, or as many connections as are taken");
        conn_close(c, ELO_E_NO_MEMORY);
        return;
    }
    conn_resume(c);
    if (ahead.len > 0) {
        c->protocol->input(c, ahead);
    }
    release_all(h);
    mem_free(c->peer);
    c->peer = NULL;
    conn_flush(c);
}

static void input(struct conn *c, elo_span bytes)
{
    struct http *h = c->speaker;
    parse(h, bytes);
    if (h->upgraded) {
        take_over(h);
        return;
    }
    settle(h);
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
    if (has_unsent(h)) {
        return;
    }
    buf_free(&h->out);
    h->out_sent = 0;
    if (!is_busy(h)) {
        parse_ahead(h);
    }
    if (h->upgraded) {
        take_over(h);
        return;
    }
    settle(h);
}

static bool wants_close(const struct conn *c)
{
    const struct http *h = c->speaker;
    return h->done || (c->ended && !h->held && !h->asking);
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
    release_all(h);
    c->speaker = NULL;
}

static const struct protocol http = {"HTTP",      true, input, output, sent,
                                     wants_close, NULL, NULL,  closed};

bool http_begin(struct conn *c)
{
    struct http *h = mem_zero(sizeof *h);
    if (h == NULL) {
        return false;
    }
    h->conn = c;
    http_request_init(&h->request);
    buf_init(&h->ahead, NET_SCRATCH);
    buf_init(&h->accept, 512);
    buf_init(&h->out, LIMIT_HTTP_REPLY_BYTES);
    c->speaker = h;
    c->protocol = &http;
    conn_wait(c, WAIT_HTTP);
    return true;
}

bool http_is_idle(const struct conn *c)
{
    const struct http *h = c->speaker;
    return c->protocol == &http && !h->held && !h->asking && !has_unsent(h);
}

/* A held reply may leave. What the client had sent ahead is taken up when it has left. */
static void release(struct http *h)
{
    struct conn *c = h->conn;
    send_reply(h);
    settle(h);
    conn_flush(c);
}

void http_release(struct net *net, const struct store_progress *progress)
{
    struct http *h = net->held;
    net->held = NULL;
    while (h != NULL) {
        struct http *next = h->held_next;
        if (h->reply.ticket != 0) {
            h->held_next = net->held;
            net->held = h;
        } else if (progress->durable >= h->reply.after_seq) {
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

void http_receipts(struct net *net)
{
    uint64_t ticket;
    bool confirmed;
    while ((ticket = broker_next_receipt(net->config.broker, &confirmed)) != 0) {
        struct http *h = net->held;
        while (h != NULL && h->reply.ticket != ticket) {
            h = h->held_next;
        }
        if (h == NULL) {
            continue; /* who asked has gone */
        }
        unlink_held(h);
        h->reply.ticket = 0;
        if (!confirmed) {
            api_unconfirmed(&h->reply);
        }
        release(h);
    }
}
