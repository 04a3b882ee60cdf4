// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Memory that ends where it says: bytes laid flush against a page that may not be touched, so that
 * reading or writing one byte too many kills the test on the spot, whatever it was built with.
 *
 *     struct guard g;
 *     guard_open(&g, 4096);
 *     elo_span in = guard_copy(&g, bytes, len);
 *     ... in.ptr[in.len] would be the end of the program ...
 *     guard_close(&g);
 *
 * One guard holds one run of bytes at a time: the next copy or room takes its place.
 */
#ifndef TESTS_SUPPORT_GUARD_H
#define TESTS_SUPPORT_GUARD_H

#include "elo/base/span.h"

struct guard {
    uint8_t *base;
    uint8_t *fence; /* the first byte that may not be touched */
    size_t mapped;
};

/* `room` is the largest run that will be asked of it. */
void guard_open(struct guard *g, size_t room);
void guard_close(struct guard *g);

/* A copy of `len` bytes, flush against the fence. */
elo_span guard_copy(struct guard *g, const void *bytes, size_t len);

/* `len` bytes to write into, each set to 0xA5, flush against the fence. */
uint8_t *guard_room(struct guard *g, size_t len);

/* Are the `len` bytes that guard_room() gave still as it gave them? */
bool guard_untouched(const struct guard *g, size_t len);

#endif
