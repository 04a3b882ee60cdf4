// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: open addressing with linear probing over a power-of-two table. A removed entry
 * leaves a mark (hash REMOVED), which a later insert may reuse; when entries and marks together
 * pass three quarters of the table it is rebuilt, larger only if the entries alone need it.
 */
#include "server/base/map.h"

#include "server/base/mem.h"

enum { NEVER = 0, REMOVED = 1, SMALLEST = 8 };

static uint64_t seed = 0x9e3779b97f4a7c15u;
static uint64_t secret = 0xd6e8feb86659fd93u;

__extension__ typedef unsigned __int128 wide;

/* The product of two words, its halves folded into one: every bit of either reaches every bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

void map_seed(uint64_t value)
{
    seed = value ^ 0x9e3779b97f4a7c15u;
    secret = fold(value + 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu) | 1;
}

/*
 * Eight bytes a step, each multiplied by what outsiders do not know: a fixed multiplier would let
 * them find two words whose difference cancels whatever the seed is.
 */
uint32_t map_hash(elo_span key)
{
    uint64_t h = seed ^ key.len;
    const uint8_t *p = key.ptr;
    size_t n = key.len;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = fold(h ^ word, secret) + word;
    }
    if (n > 0) {
        uint64_t word = 0;
        memcpy(&word, p, n);
        h = fold(h ^ word, secret);
    }
    h = fold(h ^ secret, seed | 1);
    uint32_t folded = (uint32_t)(h ^ h >> 32);
    return folded <= REMOVED ? folded + 2 : folded;
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_free(struct map *m)
{
    mem_free(m->_slots);
    map_init(m);
}

static struct map_slot *find(const struct map *m, elo_span key, uint32_t hash)
{
    if (m->_cap == 0) {
        return NULL;
    }
    for (size_t i = hash & (m->_cap - 1);; i = (i + 1) & (m->_cap - 1)) {
        struct map_slot *s = &m->_slots[i];
        if (s->hash == hash && elo_span_eq(s->key, key)) {
            return s;
        }
        if (s->hash == NEVER) {
            return NULL;
        }
    }
}

/* The first slot on the key's path without an entry; the table always has one. */
static struct map_slot *vacancy(struct map_slot *slots, size_t cap, uint32_t hash)
{
    size_t i = hash & (cap - 1);
    while (slots[i].value != NULL) {
        i = (i + 1) & (cap - 1);
    }
    return &slots[i];
}

static bool rebuild(struct map *m)
{
    size_t cap = SMALLEST;
    while (cap / 2 <= m->_len) {
        cap *= 2;
    }
    struct map_slot *slots = mem_zero(cap * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->_cap; i++) {
        if (m->_slots[i].value != NULL) {
            *vacancy(slots, cap, m->_slots[i].hash) = m->_slots[i];
        }
    }
    mem_free(m->_slots);
    m->_slots = slots;
    m->_cap = cap;
    m->_used = m->_len;
    return true;
}

void *map_get(const struct map *m, elo_span key)
{
    struct map_slot *s = find(m, key, map_hash(key));
    return s ? s->value : NULL;
}

bool map_put(struct map *m, elo_span key, void *value)
{
    uint32_t hash = map_hash(key);
    struct map_slot *s = find(m, key, hash);
    if (s != NULL) {
        s->key = key;
        s->value = value;
        return true;
    }
    if ((m->_used + 1) * 4 > m->_cap * 3 && !rebuild(m)) {
        return false;
    }
    s = vacancy(m->_slots, m->_cap, hash);
    m->_used += s->hash == NEVER;
    *s = (struct map_slot){.key = key, .value = value, .hash = hash};
    m->_len++;
    return true;
}

void *map_remove(struct map *m, elo_span key)
{
    struct map_slot *s = find(m, key, map_hash(key));
    if (s == NULL) {
        return NULL;
    }
    void *value = s->value;
    *s = (struct map_slot){.hash = REMOVED};
    m->_len--;
    return value;
}

size_t map_len(const struct map *m)
{
    return m->_len;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->_cap) {
        void *value = m->_slots[(*at)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}
