// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/text.h"

#define QUOTED_MAX 64u

bool text_same(elo_span a, elo_span b)
{
    for (size_t i = 0; a.len == b.len && i < a.len; i++) {
        if (text_lower(a.ptr[i]) != text_lower(b.ptr[i])) {
            return false;
        }
    }
    return a.len == b.len;
}

bool text_begins(elo_span text, elo_span with)
{
    return text.len >= with.len && text_same(elo_span_first(text, with.len), with);
}

bool text_ends(elo_span text, elo_span with)
{
    return text.len >= with.len && text_same(elo_span_from(text, text.len - with.len), with);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

elo_span text_trim(elo_span text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = elo_span_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text = elo_span_first(text, text.len - 1);
    }
    return text;
}

elo_span text_cut(elo_span *rest, uint8_t separator)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    elo_span piece = end != NULL ? elo_span_first(*rest, (size_t)(end - rest->ptr)) : *rest;
    *rest = end != NULL ? elo_span_from(*rest, piece.len + 1) : elo_span_of(NULL, 0);
    return piece;
}

struct text_quoted text_quote(elo_span text)
{
    struct text_quoted q;
    bool cut = text.len > QUOTED_MAX;
    size_t len = cut ? QUOTED_MAX : text.len;
    for (size_t i = 0; i < len; i++) {
        q.text[i] = text.ptr[i] >= ' ' && text.ptr[i] <= '~' ? (char)text.ptr[i] : '?';
    }
    memcpy(q.text + len, cut ? "..." : "", cut ? 4 : 1);
    return q;
}
