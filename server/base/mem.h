// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Allocation for the server: one place, so that it can fail on purpose.
 *
 * A NULL answer must be handled: drop the connection, refuse the request; at start-up: exit.
 * Tests call mem_fail_at(n) and prove it for every n. Core thread and store thread may both call.
 */
#ifndef ELO_SERVER_BASE_MEM_H
#define ELO_SERVER_BASE_MEM_H

#include "elo/base/span.h"

void *mem_alloc(size_t bytes);
void *mem_zero(size_t bytes); /* zero-filled */
void *mem_grow(void *ptr, size_t bytes);
void mem_free(void *ptr);

/* A NUL-terminated copy; NUL bytes inside are kept, so strlen() may see less. */
char *mem_text(elo_span text);

/* The n-th allocation from now (1 is the next) fails once; 0: none. For tests. */
void mem_fail_at(long n);

/* Allocations made since the start, for tests that walk n. */
long mem_count(void);

#endif
