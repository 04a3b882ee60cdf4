// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A hash map from byte strings to pointers. Keys are borrowed: they must lie in the value (or live
 * as long as the entry). Hashing is seeded per process against crafted collisions.
 *
 * Iteration order is not defined; removing the entry just visited is allowed during iteration,
 * inserting is not.
 */
#ifndef ELO_SERVER_BASE_MAP_H
#define ELO_SERVER_BASE_MAP_H

#include "elo/base/span.h"

struct map_slot {
    elo_span key;
    void *value;   /* NULL: never used or removed; see hash */
    uint32_t hash; /* 0 with value NULL: never used; 1 with value NULL: removed */
};

struct map {
    struct map_slot *_slots;
    size_t _cap; /* a power of two, or 0 */
    size_t _len;
    size_t _used; /* entries and removed marks */
};

void map_init(struct map *m);
void map_free(struct map *m); /* the values are the caller's */

void *map_get(const struct map *m, elo_span key); /* NULL if absent */

/* Inserts or replaces. false: out of memory, nothing changed. `value` is not NULL. */
bool map_put(struct map *m, elo_span key, void *value);

/* Removes and returns the value; NULL if absent. */
void *map_remove(struct map *m, elo_span key);

size_t map_len(const struct map *m);

/* for (size_t i = 0; (v = map_next(m, &i)) != NULL;) */
void *map_next(const struct map *m, size_t *at);

/* The seeded hash itself, for tables of another shape. Never 0 or 1. */
uint32_t map_hash(elo_span key);
void map_seed(uint64_t seed);

#endif
