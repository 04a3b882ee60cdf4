// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/net: one HTTP/1.1 request after the other, out of bytes in any split. llhttp
 * parses; what it would let pass and a gateway might read another way is refused here.
 *
 *     http_request_init(&r);
 *     switch (http_request_feed(&r, bytes, &used)) ...
 *         0: all is used, more is needed     200: complete, `used` bytes of it     else: its status
 *     ... the request is there until the next feed ...
 *     http_request_free(&r);
 *
 * Memory: at most LIMIT_HTTP_HEADER_BYTES each for target and headers, LIMIT_HTTP_BODY_BYTES. After
 * a status of refusal (400, 413, 414, 431; 503: no memory) nothing may be fed any more.
 */
#ifndef ELO_SERVER_NET_HTTP_REQUEST_H
#define ELO_SERVER_NET_HTTP_REQUEST_H

#include <llhttp.h>

#include "server/auth/sigv4.h"
#include "server/base/buf.h"
#include "server/base/limits.h"

struct header_at {
    size_t name, name_len, value, value_len; /* offsets into `text` */
};

struct http_request {
    llhttp_t parser;
    struct buf target; /* the request target as it came */
    struct buf text;   /* names and values of the headers */
    struct header_at headers[LIMIT_HTTP_HEADERS];
    size_t header_count;
    bool in_value; /* the last piece of header text was a value */
    enum { BEFORE_HEAD, IN_LINE, LINE_BEGINS, EMPTY_LINE, HEAD_OVER } fold; /* see is_folded() */
    bool in_trailers; /* the headers are complete: what follows a chunked body is no header */
    bool expects;     /* its sender asks whether to send the body: to be answered and cleared */
    bool complete;
    struct buf body;
    int refuse; /* an HTTP status: the request cannot be taken */
};

void http_request_init(struct http_request *r);
void http_request_free(struct http_request *r);
int http_request_feed(struct http_request *r, elo_span bytes, size_t *used);
bool http_request_keeps_alive(const struct http_request *r);

/* As the API takes it; `headers` has room for LIMIT_HTTP_HEADERS. Spans are parts of `r`. */
struct sigv4_request http_request_signed(const struct http_request *r,
                                         struct sigv4_header *headers);

/* By its name in lower case; empty: it has none. */
elo_span http_request_header(const struct http_request *r, const char *lower);

#endif
