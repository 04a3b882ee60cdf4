// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Allocation for the server: one place, so that it can fail on purpose.
 *
 * A NULL answer must be handled: drop the connection, refuse the request; at start-up: exit.
 * Tests call mem_fail_at(n) and prove it for every n. Any thread may call.
 *
 * What is held is counted by room (the module's folder, ELO_MEM_ROOM of its build), at what malloc
 * really gave. A block that one room allocates and another frees moves its count: only the sum is
 * then exact. Growing buffers (base/buf.h) and maps count for base.
 */
#ifndef ELO_SERVER_BASE_MEM_H
#define ELO_SERVER_BASE_MEM_H

#include "elo/base/span.h"

enum mem_room {
    MEM_OTHER,
    MEM_BASE,
    MEM_PKI,
    MEM_STORE,
    MEM_REGISTRY,
    MEM_AUTH,
    MEM_PROVISIONING,
    MEM_BROKER,
    MEM_API,
    MEM_SEEING,
    MEM_NET,
    MEM_MAIN,
    MEM_OPENSSL,
    MEM_ROOMS
};

#ifndef ELO_MEM_ROOM
#define ELO_MEM_ROOM MEM_OTHER
#endif

void *mem_alloc_in(enum mem_room room, size_t bytes);
void *mem_zero_in(enum mem_room room, size_t bytes);
void *mem_grow_in(enum mem_room room, void *ptr, size_t bytes);
void mem_free_in(enum mem_room room, void *ptr);

/* For libraries that bring their own allocator's shape: never fails on purpose. NULL grows from
 * nothing. */
void *mem_foreign_grow(enum mem_room room, void *ptr, size_t bytes);

#define mem_alloc(bytes)     mem_alloc_in(ELO_MEM_ROOM, (bytes))
#define mem_zero(bytes)      mem_zero_in(ELO_MEM_ROOM, (bytes)) /* zero-filled */
#define mem_grow(ptr, bytes) mem_grow_in(ELO_MEM_ROOM, (ptr), (bytes))
#define mem_free(ptr)        mem_free_in(ELO_MEM_ROOM, (ptr))

/* What a room holds now. false past the last. */
struct mem_room_use {
    const char *name;
    size_t bytes, blocks;
};
bool mem_room_at(unsigned i, struct mem_room_use *out);

/* A NUL-terminated copy; NUL bytes inside are kept, so strlen() may see less. */
char *mem_text(elo_span text);

/* The n-th allocation from now (1 is the next) fails once; 0: none. For tests. */
void mem_fail_at(long n);

/* Allocations made since the start, for tests that walk n. */
long mem_count(void);

#endif
