// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * HTTP/1.1 requests, as much as a set-up page needs (RFC 9110, 9112): one request a connection,
 * streaming, in a struct of fixed size.
 *
 *     elo_http_init(&h, limit);
 *     n = elo_http_input(&h, bytes, &body)   again and again; `body` is what of it is the body
 *     h.head_done      method, path, host, type ... are there
 *     h.done           the body, too, is over; further bytes are not looked at
 *     h.status != 0    refused: answer with it and close
 *
 * GET, HEAD and POST. A path or host longer than its field is cut and marked: it is none of ours.
 * A POST has a Content-Length; what it may hold is decided by the type: forms and plain text. Of
 * other headers only syntax is looked at.
 *
 * Refused:  400 broken syntax, no or two Hosts, a body that GET has, two lengths
 *           411 POST without a length              413 a body over the limit
 *           414 a request line over 2 KB           415 a body of another type
 *           417 Expect                             431 a head over 8 KB
 *           501 other methods, Transfer-Encoding   505 another HTTP
 */
#ifndef ELO_SETUP_HTTP_H
#define ELO_SETUP_HTTP_H

#include "elo/setup/text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_HTTP_LINE_MAX 2048u
#define ELO_HTTP_HEAD_MAX 8192u

typedef enum elo_http_method { ELO_HTTP_GET, ELO_HTTP_HEAD, ELO_HTTP_POST } elo_http_method;

typedef enum elo_http_type { ELO_HTTP_NO_TYPE, ELO_HTTP_FORM, ELO_HTTP_TEXT } elo_http_type;

struct elo_http {
    uint16_t status; /* 0: fine so far */
    bool head_done, done;
    elo_http_method method;
    elo_http_type type;
    elo_lang lang; /* the first of ours in Accept-Language */
    uint32_t body_len;
    bool path_cut, host_cut;
    char path[48]; /* without its query; NUL-terminated, as the others */
    char host[48];
    char token[24]; /* X-Elo-Token */
    struct {
        uint32_t limit, head, left;
        uint8_t state, name_len, value_len, path_len;
        bool value_cut, has_host, has_length, has_type, absolute, after_cr, query, minor_0;
        char name[20];
        char value[64];
    } _internal;
};

/* `limit`: the longest body. */
void elo_http_init(struct elo_http *h, uint32_t limit);

/* How many of the bytes were used; `*body` is a part of them, perhaps empty. All are used until
 * `done` or `status`. */
size_t elo_http_input(struct elo_http *h, elo_span bytes, elo_span *body);

/* "Not Found" for 404; for the statuses named here. NULL for others. */
elo_text elo_http_reason(unsigned status);

#ifdef __cplusplus
}
#endif

#endif
