// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a path is read segment by segment beside a row's pattern, before anything is
 * percent-decoded: an ARN's %2F is part of its segment, not a divider. A variable takes one segment
 * that is not empty; "{+}" takes all that is left. A thing may so be called "jobs" or "principals".
 *
 * The services' routes do not collide as far as they are here, so method and path name one row; its
 * plane tells for which service the request must have been signed.
 */
#include "server/api/internal.h"

#include <stdio.h>

static const struct route routes[] = {
#define ROW(method, path, plane, operation)                                                        \
    {method, path, PLANE_##plane, #operation, api__##operation},
    API_ROUTES(ROW)
#undef ROW
};

/* The next segment; `*done` after the last. A path begins with the slash before its first. */
static elo_span next_segment(elo_span *rest, bool *done)
{
    elo_span path = *rest;
    const uint8_t *slash = path.len > 0 ? memchr(path.ptr, '/', path.len) : NULL;
    size_t len = slash ? (size_t)(slash - path.ptr) : path.len;
    *done = slash == NULL;
    *rest = elo_span_from(path, slash ? len + 1 : len);
    return elo_span_first(path, len);
}

static bool matches(const char *pattern, elo_span path, elo_span vars[API_VARS], size_t *out_count)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    elo_span wanted = elo_span_str(pattern + 1);
    elo_span given = elo_span_from(path, 1);
    bool wanted_done = false;
    bool given_done = false;
    *out_count = 0;
    while (!wanted_done && !given_done) {
        elo_span all = given;
        elo_span word = next_segment(&wanted, &wanted_done);
        elo_span segment = next_segment(&given, &given_done);
        if (elo_span_eq(word, ELO_SPAN("{+}"))) {
            vars[(*out_count)++] = all;
            return true;
        }
        bool is_variable = elo_span_eq(word, ELO_SPAN("{}"));
        if (is_variable ? segment.len == 0 : !elo_span_eq(word, segment)) {
            return false;
        }
        if (is_variable) {
            vars[(*out_count)++] = segment;
        }
    }
    return wanted_done && given_done;
}

const struct route *
api__route(elo_span method, elo_span path, elo_span vars[API_VARS], size_t *out_count)
{
    for (size_t i = 0; i < API_COUNT(routes); i++) {
        if (elo_span_eq(method, elo_span_str(routes[i].method)) &&
            matches(routes[i].path, path, vars, out_count)) {
            return &routes[i];
        }
    }
    *out_count = 0;
    return NULL;
}

bool api__allowed(elo_span path, char out[64])
{
    elo_span vars[API_VARS];
    size_t count;
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < API_COUNT(routes); i++) {
        if (matches(routes[i].path, path, vars, &count)) {
            int n = snprintf(out + len, 64 - len, "%s%s", len ? ", " : "", routes[i].method);
            len += (size_t)n < 64 - len ? (size_t)n : 0;
        }
    }
    return len > 0;
}
