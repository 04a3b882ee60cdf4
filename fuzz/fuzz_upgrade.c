// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The opening handshake of a WebSocket: header lines "name:value". An answer is short and whole. */
#include <stdlib.h>
#include <string.h>

#include "server/net/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS = 32 };

static elo_span cut(elo_span *rest, uint8_t divider)
{
    const uint8_t *at = rest->len > 0 ? memchr(rest->ptr, divider, rest->len) : NULL;
    size_t len = at ? (size_t)(at - rest->ptr) : rest->len;
    elo_span first = elo_span_first(*rest, len);
    *rest = elo_span_from(*rest, at ? len + 1 : len);
    return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sigv4_header headers[HEADERS];
    struct sigv4_request request = {
        .method = ELO_SPAN("GET"), .path = ELO_SPAN("/mqtt"), .headers = headers};
    for (elo_span rest = elo_span_of(data, size); rest.len > 0 && request.header_count < HEADERS;) {
        elo_span value = cut(&rest, '\n');
        elo_span name = cut(&value, ':');
        headers[request.header_count++] = (struct sigv4_header){name, value};
    }
    const char *why = NULL;
    struct buf out;
    buf_init(&out, 4096);
    bool good = upgrade_accept(&request, size % 2, &out, &why);
    elo_span text = buf_span(&out);
    if (good != (why == NULL) || good != (text.len > 0) || text.len > 300 ||
        (good && memcmp(text.ptr + text.len - 4, "\r\n\r\n", 4) != 0)) {
        abort();
    }
    buf_free(&out);
    return 0;
}
