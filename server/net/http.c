// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * HTTP/1.1 for the API.
 *
 * How this works: llhttp parses, strictly. One request at a time per connection: until its reply
 * has left, nothing more is read from that client, and what it has sent ahead is kept in `ahead`;
 * so a client that sends and never reads makes us hold one reply, not many. A reply leaves when the
 * store batch it depends on is durable, or as a failure when that batch was rolled back.
 *
 * What breaks HTTP or a limit is answered at once, in the middle of the request if need be, and the
 * connection ends with that answer. Time: a request is complete within LIMIT_HTTP_IDLE_MS of the
 * reply before it, however slowly it drips; a reply is taken within as long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <llhttp.h>

#include "server/auth/custom.h"
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
    enum { BEFORE_HEAD, IN_LINE, LINE_BEGINS, EMPTY_LINE, HEAD_OVER } fold; /* see is_folded() */
    bool in_trailers; /* the headers are complete: what follows a chunked body is no header */
    struct buf body;
    int refuse; /* an HTTP status: the request cannot be taken */

    struct buf ahead; /* bytes of the next request */
    struct buf out;
    size_t out_sent;
    struct api_response reply;
    bool complete;   /* a request is complete and not yet answered */
    bool held;       /* its reply waits for the store */
    bool keep_alive; /* after this reply */
    bool done;       /* close when `out` is sent */
    struct http *held_next;
    struct auth_session *device; /* who has shown a certificate; made when first asked for */
    elo_err device_refused;
    bool upgraded;              /* what follows is no HTTP */
    struct buf accept;          /* then: the 101 */
    struct auth_peer peer;      /* and in whose name MQTT is spoken */
    bool asking;                /* it waits for a custom authorizer, or for a key */
    elo_err custom_err;         /* what that has said */
    struct auth_session *guest; /* whom it has let in, for one request */
    struct custom *custom; /* who decides about this connection or request; NULL: nobody outside */
    struct key_order *key_order; /* what it waits for */
    struct pki_key *key;         /* what it has waited for */
    bool key_made;               /* or not, for want of memory: it is not ordered again */
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
    h->in_trailers = false;
    return 0;
}

/* The request cannot be taken: llhttp stops at once, and parse() answers. */
static int refuse(struct http *h, int status, elo_err err)
{
    h->refuse = err == ELO_E_NO_MEMORY ? 503 : status;
    return HPE_USER;
}

static int keep(struct http *h, struct buf *where, elo_span bytes, int too_large)
{
    buf_add(where, bytes);
    return buf_err(where) == ELO_OK ? 0 : refuse(h, too_large, buf_err(where));
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    return keep(h, &h->target, elo_span_of(at, len), 414);
}

static int on_header_name(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    if (h->in_trailers) {
        return 0;
    }
    size_t where = buf_span(&h->text).len;
    if (h->in_value || h->header_count == 0) {
        if (h->header_count == LIMIT_HTTP_HEADERS) {
            return refuse(h, 431, ELO_E_TOO_LARGE);
        }
        h->headers[h->header_count++] = (struct header_at){.name = where};
        h->in_value = false;
    }
    h->headers[h->header_count - 1].name_len += len;
    return keep(h, &h->text, elo_span_of(at, len), 431);
}

static elo_span header_text(const struct http *h, size_t at, size_t len)
{
    return len > 0 ? elo_span_of(buf_span(&h->text).ptr + at, len) : elo_span_of(NULL, 0);
}

/* RFC 9110, 5.1: a field name is a token. llhttp lets spaces pass. */
static bool is_token(elo_span name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alphanumeric && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return name.len > 0;
}

/* Also after a name whose value is empty, and so comes in no piece. */
static int on_header_name_done(llhttp_t *parser)
{
    struct http *h = owner(parser);
    if (h->in_trailers) {
        return 0;
    }
    struct header_at *header = &h->headers[h->header_count - 1];
    h->in_value = true;
    header->value = buf_span(&h->text).len;
    return is_token(header_text(h, header->name, header->name_len))
               ? 0
               : refuse(h, 400, ELO_E_MALFORMED);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    if (h->in_trailers) {
        return 0;
    }
    h->headers[h->header_count - 1].value_len += len;
    return keep(h, &h->text, elo_span_of(at, len), 431);
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

/*
 * Before the body. One that is too large is refused unread, and a client that asks whether to send
 * it (Expect: 100-continue) is told. Offers to go over to another protocol are declined by taking
 * no notice (RFC 9110, 7.8): left to llhttp, the bytes after the request would not be HTTP.
 */
static int on_headers_done(llhttp_t *parser)
{
    struct http *h = owner(parser);
    h->in_trailers = true;
    parser->upgrade = 0;
    if (parser->content_length > LIMIT_HTTP_BODY_BYTES) {
        return refuse(h, 413, ELO_E_TOO_LARGE);
    }
    if (same_name(header_named(h, "expect"), "100-continue")) {
        buf_text(&h->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http *h = owner(parser);
    return keep(h, &h->body, elo_span_of(at, len), 413);
}

static int on_done(llhttp_t *parser)
{
    owner(parser)->complete = true;
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
        s.on_header_field_complete = on_header_name_done;
        s.on_header_value = on_header_value;
        s.on_headers_complete = on_headers_done;
        s.on_body = on_body;
        s.on_message_complete = on_done;
    }
    return &s;
}

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
    if (h->parser.method != HTTP_HEAD) {
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

static void send_reply(struct http *h)
{
    write_reply(h, h->reply.status, buf_span(&h->reply.headers), buf_span(&h->reply.body));
    api_response_free(&h->reply);
}

/* The request as the API takes it; `headers` has room for all of them. */
static struct api_request request_of(struct http *h, struct sigv4_header *headers)
{
    struct conn *c = h->conn;
    for (size_t i = 0; i < h->header_count; i++) {
        const struct header_at *at = &h->headers[i];
        headers[i].name = header_text(h, at->name, at->name_len);
        headers[i].value = header_text(h, at->value, at->value_len);
    }
    elo_span target = buf_span(&h->target);
    const uint8_t *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    return (struct api_request){
        .http = {.method = elo_span_str(llhttp_method_name((llhttp_method_t)h->parser.method)),
                 .path = elo_span_first(target, path_len),
                 .query = mark ? elo_span_from(target, path_len + 1) : elo_span_of(NULL, 0),
                 .headers = headers,
                 .header_count = h->header_count,
                 .body = buf_span(&h->body)},
        .source_ip = elo_span_str(c->ip),
    };
}

/* Pages about the desk itself, on the plain port of this machine only. */
static bool ask_seeing(struct http *h, const struct api_request *request)
{
    struct net *net = h->conn->net;
    struct seeing_page page;
    const struct seeing_request seen = {.method = request->http.method,
                                        .path = request->http.path,
                                        .query = request->http.query,
                                        .host = header_named(h, "host"),
                                        .accept = header_named(h, "accept")};
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
    if (h->device == NULL) {
        h->device = mqtt_device(c, &h->device_refused);
    }
    request->device = h->device;
    request->device_refused = h->device_refused;
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
    aws_error error =
        api_open_websocket(net->api, request, fault, net_time(net), &h->peer, &h->reply);
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

static void answer_fault(struct http *h, int status)
{
    const struct http_fault *fault = http_fault_of(status);
    write_fault(h, status, fault->exception, fault->message);
}

static void answer(struct http *h)
{
    h->complete = false;
    h->keep_alive = llhttp_should_keep_alive(&h->parser) != 0;
    struct sigv4_header headers[LIMIT_HTTP_HEADERS];
    struct api_request request = request_of(h, headers);
    if (upgrade_wanted(&request.http)) {
        open_websocket(h, &request);
    } else {
        ask_api(h, &request);
    }
    if (!h->asking) {
        buf_free(&h->body); /* a connection at rest keeps nothing large */
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
        buf_free(&h->body);
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

/*
 * Is there a header line that goes on in the next one (obs-fold)? RFC 9112, 5.2: it is refused.
 * llhttp would take it, and whoever stands before us may have read it as two headers.
 */
static bool is_folded(struct http *h, elo_span bytes)
{
    for (size_t i = 0; i < bytes.len && h->fold != HEAD_OVER; i++) {
        uint8_t c = bytes.ptr[i];
        if (h->fold == BEFORE_HEAD) {
            h->fold = c == '\r' || c == '\n' ? BEFORE_HEAD : IN_LINE;
        } else if (h->fold == LINE_BEGINS && (c == ' ' || c == '\t')) {
            return true;
        } else if (c == '\n') {
            h->fold = h->fold == IN_LINE ? LINE_BEGINS : HEAD_OVER;
        } else {
            h->fold = h->fold == LINE_BEGINS && c == '\r' ? EMPTY_LINE : IN_LINE;
        }
    }
    return false;
}

/* Up to the end of a request, or of the bytes; what is not used up. */
static elo_span parse_one(struct http *h, elo_span bytes)
{
    if (is_folded(h, bytes)) {
        answer_fault(h, 400);
        return elo_span_of(NULL, 0);
    }
    llhttp_errno_t rc = llhttp_execute(&h->parser, (const char *)bytes.ptr, bytes.len);
    if (rc == HPE_OK) {
        return elo_span_of(NULL, 0);
    }
    if (rc != HPE_PAUSED || !h->complete) {
        answer_fault(h, h->refuse != 0 ? h->refuse : 400);
        return elo_span_of(NULL, 0);
    }
    const uint8_t *stop = (const uint8_t *)llhttp_get_error_pos(&h->parser);
    h->fold = BEFORE_HEAD;
    llhttp_resume(&h->parser);
    answer(h);
    return elo_span_from(bytes, (size_t)(stop - bytes.ptr));
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
    buf_free(&h->target);
    buf_free(&h->text);
    buf_free(&h->body);
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

static const struct protocol http = {"HTTP", true, input, output, sent, wants_close, NULL, closed};

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
    buf_init(&h->accept, 512);
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
