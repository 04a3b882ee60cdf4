// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What reading a text takes more than a span: words cut off its front, blanks taken off its ends,
 * names compared as HTTP compares them, and a text of a stranger's shown in a message. Nothing here
 * copies or allocates; a text's bytes are the caller's.
 */
#ifndef ELO_SERVER_BASE_TEXT_H
#define ELO_SERVER_BASE_TEXT_H

#include "elo/base/span.h"

/* In lower case, if it is an ASCII letter. */
static inline uint8_t text_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Alike but for the case of ASCII letters. */
bool text_same(elo_span a, elo_span b);
bool text_begins(elo_span text, elo_span with);
bool text_ends(elo_span text, elo_span with);

/* Without the spaces and tabs at either end. */
elo_span text_trim(elo_span text);

/* Cuts what is before the next `separator`, which goes too, off the front; without one: all. */
elo_span text_cut(elo_span *rest, uint8_t separator);

/* At most 64 bytes of a text for a message that travels as JSON, in headers and in logs: printable
 * ASCII, the rest as '?'. */
struct text_quoted {
    char text[68];
};
struct text_quoted text_quote(elo_span text);

#endif
