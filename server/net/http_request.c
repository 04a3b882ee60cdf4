// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: llhttp calls back with pieces, which are put together in three buffers; headers
 * are offsets into one of them. A refusal stops it at once, in the middle of a request if need be.
 */
#include "server/net/http_request.h"

#include <string.h>

#include "server/base/text.h"

static struct http_request *owner(llhttp_t *parser)
{
    return parser->data;
}

static int on_begin(llhttp_t *parser)
{
    struct http_request *r = owner(parser);
    buf_clear(&r->target);
    buf_clear(&r->text);
    buf_clear(&r->body);
    r->header_count = 0;
    r->in_value = false;
    r->in_trailers = false;
    r->expects = false;
    return 0;
}

/* The request cannot be taken: llhttp stops at once. */
static int refuse(struct http_request *r, int status, elo_err err)
{
    r->refuse = err == ELO_E_NO_MEMORY ? 503 : status;
    return HPE_USER;
}

static int keep(struct http_request *r, struct buf *where, elo_span bytes, int too_large)
{
    buf_add(where, bytes);
    return buf_err(where) == ELO_OK ? 0 : refuse(r, too_large, buf_err(where));
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct http_request *r = owner(parser);
    return keep(r, &r->target, elo_span_of(at, len), 414);
}

static int on_header_name(llhttp_t *parser, const char *at, size_t len)
{
    struct http_request *r = owner(parser);
    if (r->in_trailers) {
        return 0;
    }
    size_t where = buf_span(&r->text).len;
    if (r->in_value || r->header_count == 0) {
        if (r->header_count == LIMIT_HTTP_HEADERS) {
            return refuse(r, 431, ELO_E_TOO_LARGE);
        }
        r->headers[r->header_count++] = (struct header_at){.name = where};
        r->in_value = false;
    }
    r->headers[r->header_count - 1].name_len += len;
    return keep(r, &r->text, elo_span_of(at, len), 431);
}

static elo_span header_text(const struct http_request *r, size_t at, size_t len)
{
    return len > 0 ? elo_span_of(buf_span(&r->text).ptr + at, len) : elo_span_of(NULL, 0);
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
    struct http_request *r = owner(parser);
    if (r->in_trailers) {
        return 0;
    }
    struct header_at *header = &r->headers[r->header_count - 1];
    r->in_value = true;
    header->value = buf_span(&r->text).len;
    return is_token(header_text(r, header->name, header->name_len))
               ? 0
               : refuse(r, 400, ELO_E_MALFORMED);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http_request *r = owner(parser);
    if (r->in_trailers) {
        return 0;
    }
    r->headers[r->header_count - 1].value_len += len;
    return keep(r, &r->text, elo_span_of(at, len), 431);
}

elo_span http_request_header(const struct http_request *r, const char *lower)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (text_same(header_text(r, r->headers[i].name, r->headers[i].name_len),
                      elo_span_str(lower))) {
            return header_text(r, r->headers[i].value, r->headers[i].value_len);
        }
    }
    return elo_span_of(NULL, 0);
}

/*
 * Before the body. One that is too large is refused unread, and a client that asks whether to send
 * it (Expect: 100-continue; not of HTTP/1.0) is told. Offers to go over to another protocol are
 * declined by taking no notice (RFC 9110, 7.8): left to llhttp, the bytes after the request would
 * not be HTTP.
 */
static int on_headers_done(llhttp_t *parser)
{
    struct http_request *r = owner(parser);
    r->in_trailers = true;
    parser->upgrade = 0;
    if (parser->content_length > LIMIT_HTTP_BODY_BYTES) {
        return refuse(r, 413, ELO_E_TOO_LARGE);
    }
    r->expects = parser->http_major == 1 && parser->http_minor > 0 &&
                 text_same(http_request_header(r, "expect"), ELO_SPAN("100-continue"));
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_request *r = owner(parser);
    return keep(r, &r->body, elo_span_of(at, len), 413);
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

/*
 * Is there a header line that goes on in the next one (obs-fold)? RFC 9112, 5.2: it is refused.
 * llhttp would take it, and whoever stands before us may have read it as two headers.
 */
static bool is_folded(struct http_request *r, elo_span bytes)
{
    for (size_t i = 0; i < bytes.len && r->fold != HEAD_OVER; i++) {
        uint8_t c = bytes.ptr[i];
        if (r->fold == BEFORE_HEAD) {
            r->fold = c == '\r' || c == '\n' ? BEFORE_HEAD : IN_LINE;
        } else if (r->fold == LINE_BEGINS && (c == ' ' || c == '\t')) {
            return true;
        } else if (c == '\n') {
            r->fold = r->fold == IN_LINE ? LINE_BEGINS : HEAD_OVER;
        } else {
            r->fold = r->fold == LINE_BEGINS && c == '\r' ? EMPTY_LINE : IN_LINE;
        }
    }
    return false;
}

int http_request_feed(struct http_request *r, elo_span bytes, size_t *used)
{
    *used = bytes.len;
    r->complete = false;
    if (is_folded(r, bytes)) {
        return 400;
    }
    llhttp_errno_t rc = llhttp_execute(&r->parser, (const char *)bytes.ptr, bytes.len);
    if (rc == HPE_OK) {
        return 0;
    }
    if (rc != HPE_PAUSED || !r->complete) {
        return r->refuse != 0 ? r->refuse : 400;
    }
    *used = (size_t)((const uint8_t *)llhttp_get_error_pos(&r->parser) - bytes.ptr);
    r->fold = BEFORE_HEAD;
    llhttp_resume(&r->parser);
    return 200;
}

bool http_request_keeps_alive(const struct http_request *r)
{
    return llhttp_should_keep_alive(&r->parser) == 1;
}

struct sigv4_request http_request_signed(const struct http_request *r, struct sigv4_header *headers)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const struct header_at *at = &r->headers[i];
        headers[i].name = header_text(r, at->name, at->name_len);
        headers[i].value = header_text(r, at->value, at->value_len);
    }
    elo_span target = buf_span(&r->target);
    const uint8_t *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    return (struct sigv4_request){
        .method = elo_span_str(llhttp_method_name((llhttp_method_t)r->parser.method)),
        .path = elo_span_first(target, path_len),
        .query = mark ? elo_span_from(target, path_len + 1) : elo_span_of(NULL, 0),
        .headers = headers,
        .header_count = r->header_count,
        .body = buf_span(&r->body)};
}

void http_request_init(struct http_request *r)
{
    *r = (struct http_request){.fold = BEFORE_HEAD};
    buf_init(&r->target, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&r->text, LIMIT_HTTP_HEADER_BYTES);
    buf_init(&r->body, LIMIT_HTTP_BODY_BYTES);
    llhttp_init(&r->parser, HTTP_REQUEST, settings());
    r->parser.data = r;
}

void http_request_free(struct http_request *r)
{
    buf_free(&r->target);
    buf_free(&r->text);
    buf_free(&r->body);
}
