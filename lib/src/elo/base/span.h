// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A span is a borrowed run of bytes: a pointer and a length, passed by value.
 *
 * A span never owns its bytes and is not NUL-terminated. Whoever hands one out says until when
 * it may be read; without a word on it, a span is valid as long as the buffer it was cut from.
 * An empty span may have a NULL pointer.
 */
#ifndef ELO_BASE_SPAN_H
#define ELO_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct elo_span {
    const uint8_t *ptr;
    size_t len;
} elo_span;

/* A span over a string literal, without its NUL. */
#define ELO_SPAN(literal) elo_span_of((literal), sizeof(literal) - 1)

static inline elo_span elo_span_of(const void *ptr, size_t len)
{
    elo_span s = {(const uint8_t *)ptr, len};
    return s;
}

/* A span over a NUL-terminated string, without its NUL. `text` may be NULL: an empty span. */
static inline elo_span elo_span_str(const char *text)
{
    return elo_span_of(text, text ? strlen(text) : 0);
}

/* The bytes from `from` on; `from` <= s.len. */
static inline elo_span elo_span_from(elo_span s, size_t from)
{
    return elo_span_of(from ? s.ptr + from : s.ptr, s.len - from);
}

/* The first `len` bytes; `len` <= s.len. */
static inline elo_span elo_span_first(elo_span s, size_t len)
{
    return elo_span_of(s.ptr, len);
}

static inline bool elo_span_eq(elo_span a, elo_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool elo_span_starts_with(elo_span s, elo_span prefix)
{
    return s.len >= prefix.len && elo_span_eq(elo_span_first(s, prefix.len), prefix);
}

#endif
