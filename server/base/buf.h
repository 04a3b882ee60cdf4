// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A growable run of bytes with a hard cap. Every buffer of the server that outsiders can fill is
 * one of these, its cap named in limits.h.
 *
 * The first failure (over the cap, out of memory) sticks: the contents are freed, later appends do
 * nothing, buf_err() tells.
 */
#ifndef ELO_SERVER_BASE_BUF_H
#define ELO_SERVER_BASE_BUF_H

#include <stdarg.h>

#include "elo/base/err.h"
#include "elo/base/span.h"

struct buf {
    uint8_t *_ptr;
    size_t _len;
    size_t _cap; /* allocated */
    size_t _max; /* the hard cap */
    elo_err _err;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);  /* also makes it empty and usable again */
void buf_clear(struct buf *b); /* empty, memory kept, error forgotten */

void buf_add(struct buf *b, elo_span bytes);
void buf_text(struct buf *b, const char *text);
void buf_byte(struct buf *b, uint8_t byte);
void buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Room for `len` more bytes to write into directly; NULL on failure and only then. Follow with
 * buf_wrote(), of no more bytes than were asked for.
 */
uint8_t *buf_room(struct buf *b, size_t len);
void buf_wrote(struct buf *b, size_t len);

/* Removes `len` bytes from the front; there are as many. */
void buf_drop(struct buf *b, size_t len);

/* ELO_OK, ELO_E_TOO_LARGE or ELO_E_NO_MEMORY. */
elo_err buf_err(const struct buf *b);

/* The contents, valid until the next call that changes the buffer. */
static inline elo_span buf_span(const struct buf *b)
{
    return elo_span_of(b->_ptr, b->_len);
}

#endif
