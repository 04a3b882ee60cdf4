// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/mem.h"

#include <malloc.h>
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

/*
 * What is held, counted by each thread for itself: OpenSSL allocates thousands of times in one
 * handshake, and threads that add to one number wait for each other's caches. Only the thread
 * writes its tally, so adding takes no locked instruction; who asks takes the sum. The last tally
 * is shared by all threads that come too late for one of their own. Signed: a thread, and a room,
 * may free what another has allocated.
 */
enum { TALLIES = 64, SHARED = TALLIES - 1 };

static struct {
    _Alignas(64) struct {
        atomic_long bytes, blocks;
    } rooms[MEM_ROOMS];
} tallies[TALLIES];

static atomic_uint tallies_taken;
static _Thread_local unsigned my_tally = TALLIES; /* none yet */

static void add(atomic_long *to, long n)
{
    if (my_tally == SHARED) {
        atomic_fetch_add_explicit(to, n, memory_order_relaxed);
    } else {
        atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                              memory_order_relaxed);
    }
}

static void count(enum mem_room room, long bytes, long blocks)
{
    if (my_tally == TALLIES) {
        unsigned next = atomic_fetch_add_explicit(&tallies_taken, 1, memory_order_relaxed);
        my_tally = next < SHARED ? next : SHARED;
    }
    add(&tallies[my_tally].rooms[room].bytes, bytes);
    add(&tallies[my_tally].rooms[room].blocks, blocks);
}

static void *counted(enum mem_room room, void *ptr)
{
    if (ptr != NULL) {
        count(room, (long)malloc_usable_size(ptr), 1);
    }
    return ptr;
}

static void uncount(enum mem_room room, void *ptr)
{
    if (ptr != NULL) {
        count(room, -(long)malloc_usable_size(ptr), -1);
    }
}

void *mem_alloc_in(enum mem_room room, size_t bytes)
{
    return must_fail() ? NULL : counted(room, malloc(bytes ? bytes : 1));
}

void *mem_zero_in(enum mem_room room, size_t bytes)
{
    return must_fail() ? NULL : counted(room, calloc(1, bytes ? bytes : 1));
}

void *mem_grow_in(enum mem_room room, void *ptr, size_t bytes)
{
    if (must_fail()) {
        return NULL;
    }
    uncount(room, ptr);
    void *grown = realloc(ptr, bytes ? bytes : 1);
    (void)counted(room, grown != NULL ? grown : ptr);
    return grown;
}

void *mem_foreign_grow(enum mem_room room, void *ptr, size_t bytes)
{
    uncount(room, ptr);
    void *grown = realloc(ptr, bytes ? bytes : 1);
    (void)counted(room, grown != NULL ? grown : ptr);
    return grown;
}

void mem_free_in(enum mem_room room, void *ptr)
{
    uncount(room, ptr);
    free(ptr);
}

bool mem_room_at(unsigned i, struct mem_room_use *out)
{
    static const char *const names[MEM_ROOMS] = {[MEM_OTHER] = "other",
                                                 [MEM_BASE] = "base",
                                                 [MEM_PKI] = "pki",
                                                 [MEM_STORE] = "store",
                                                 [MEM_REGISTRY] = "registry",
                                                 [MEM_AUTH] = "auth",
                                                 [MEM_PROVISIONING] = "provisioning",
                                                 [MEM_BROKER] = "broker",
                                                 [MEM_API] = "api",
                                                 [MEM_SEEING] = "seeing",
                                                 [MEM_NET] = "net",
                                                 [MEM_MAIN] = "main",
                                                 [MEM_OPENSSL] = "openssl"};
    if (i >= MEM_ROOMS) {
        return false;
    }
    long bytes = 0, blocks = 0;
    for (unsigned t = 0; t < TALLIES; t++) {
        bytes += atomic_load_explicit(&tallies[t].rooms[i].bytes, memory_order_relaxed);
        blocks += atomic_load_explicit(&tallies[t].rooms[i].blocks, memory_order_relaxed);
    }
    *out = (struct mem_room_use){names[i], bytes > 0 ? (size_t)bytes : 0,
                                 blocks > 0 ? (size_t)blocks : 0};
    return true;
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
