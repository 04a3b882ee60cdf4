// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/buf.h"

#include <stdio.h>

#include "elo/base/assert.h"
#include "server/base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){._max = max};
}

void buf_free(struct buf *b)
{
    mem_free(b->_ptr);
    buf_init(b, b->_max);
}

void buf_clear(struct buf *b)
{
    b->_len = 0;
    b->_err = ELO_OK;
}

static void fail(struct buf *b, elo_err err)
{
    buf_free(b);
    b->_err = err;
}

/* Makes sure that `len` more bytes fit; grows by doubling, never beyond the cap. */
static bool reserve(struct buf *b, size_t len)
{
    if (b->_err != ELO_OK) {
        return false;
    }
    if (len > b->_max - b->_len) {
        fail(b, ELO_E_TOO_LARGE);
        return false;
    }
    size_t need = b->_len + len;
    if (need <= b->_cap) {
        return true;
    }
    size_t cap = b->_cap < 64 ? 64 : b->_cap;
    while (cap < need) {
        cap = cap > b->_max / 2 ? b->_max : cap * 2;
    }
    if (cap > b->_max) {
        cap = b->_max;
    }
    uint8_t *ptr = mem_grow(b->_ptr, cap);
    if (ptr == NULL) {
        fail(b, ELO_E_NO_MEMORY);
        return false;
    }
    b->_ptr = ptr;
    b->_cap = cap;
    return true;
}

void buf_add(struct buf *b, elo_span bytes)
{
    if (bytes.len > 0 && reserve(b, bytes.len)) {
        memcpy(b->_ptr + b->_len, bytes.ptr, bytes.len);
        b->_len += bytes.len;
    }
}

void buf_text(struct buf *b, const char *text)
{
    buf_add(b, elo_span_str(text));
}

void buf_byte(struct buf *b, uint8_t byte)
{
    buf_add(b, elo_span_of(&byte, 1));
}

/* More than fits here is formatted twice: the first time measures it. */
void buf_format(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < 0 || b->_err != ELO_OK) {
        return;
    }
    if ((size_t)len < sizeof small) {
        buf_add(b, elo_span_of(small, (size_t)len));
        return;
    }
    char *large = mem_alloc((size_t)len + 1);
    if (large == NULL) {
        fail(b, ELO_E_NO_MEMORY);
        return;
    }
    va_start(args, format);
    vsnprintf(large, (size_t)len + 1, format, args);
    va_end(args);
    buf_add(b, elo_span_of(large, (size_t)len));
    mem_free(large);
}

uint8_t *buf_room(struct buf *b, size_t len)
{
    static uint8_t nothing;
    if (!reserve(b, len)) {
        return NULL;
    }
    return b->_ptr != NULL ? b->_ptr + b->_len : &nothing;
}

void buf_wrote(struct buf *b, size_t len)
{
    ELO_ASSERT(len <= b->_cap - b->_len);
    b->_len += len;
}

void buf_drop(struct buf *b, size_t len)
{
    ELO_ASSERT(len <= b->_len);
    b->_len -= len;
    if (b->_len > 0 && len > 0) {
        memmove(b->_ptr, b->_ptr + len, b->_len);
    }
}

elo_err buf_err(const struct buf *b)
{
    return b->_err;
}
