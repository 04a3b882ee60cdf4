// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_long allocations;
static atomic_long fail_at; /* 0: never; else the allocation that fails, counted down */

static bool must_fail(void)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_at, memory_order_relaxed) == 0) {
        return false;
    }
    return atomic_fetch_sub_explicit(&fail_at, 1, memory_order_relaxed) == 1;
}

void *mem_alloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes ? bytes : 1);
}

void *mem_zero(size_t bytes)
{
    return must_fail() ? NULL : calloc(1, bytes ? bytes : 1);
}

void *mem_grow(void *ptr, size_t bytes)
{
    return must_fail() ? NULL : realloc(ptr, bytes ? bytes : 1);
}

void mem_free(void *ptr)
{
    free(ptr);
}

char *mem_text(elo_span text)
{
    char *copy = mem_alloc(text.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

void mem_fail_at(long n)
{
    atomic_store_explicit(&fail_at, n, memory_order_relaxed);
}

long mem_count(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}
