// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: open addressing with linear probing, at most half full. Names lie one after the
 * other in one buffer that slots point into by offset. Nothing is ever removed alone: at the cap
 * everything is forgotten and the table fills again with what is still asked for.
 */
#include "server/auth/authorizer_internal.h"
#include "server/base/mem.h"

enum { SMALLEST = 16 };

void decision_cache_init(struct decision_cache *cache)
{
    *cache = (struct decision_cache){0};
    buf_init(&cache->names, AUTH_CACHE_BYTES);
}

void decision_cache_free(struct decision_cache *cache)
{
    mem_free(cache->slots);
    buf_free(&cache->names);
    decision_cache_init(cache);
}

void decision_cache_clear(struct decision_cache *cache)
{
    if (cache->len > 0) {
        memset(cache->slots, 0, cache->cap * sizeof *cache->slots);
        cache->len = 0;
    }
    buf_clear(&cache->names);
}

static uint32_t with_action(enum policy_action action, uint32_t name_hash)
{
    uint32_t hash = name_hash ^ ((uint32_t)action * 0x9e3779b1u);
    return hash != 0 ? hash : 1;
}

/* The slot of this decision, or the empty one where it belongs. */
static struct decision_slot *
find(const struct decision_cache *cache, uint32_t hash, enum policy_action action, elo_span name)
{
    const uint8_t *names = buf_span(&cache->names).ptr;
    for (size_t i = hash & (cache->cap - 1);; i = (i + 1) & (cache->cap - 1)) {
        struct decision_slot *slot = &cache->slots[i];
        if (slot->hash == 0 ||
            (slot->hash == hash && slot->action == action &&
             elo_span_eq(elo_span_of(names + slot->name_at, slot->name_len), name))) {
            return slot;
        }
    }
}

const struct decision_slot *decision_cache_get(const struct decision_cache *cache,
                                               enum policy_action action,
                                               elo_span name,
                                               uint32_t hash)
{
    if (cache->len == 0) {
        return NULL;
    }
    const struct decision_slot *slot = find(cache, with_action(action, hash), action, name);
    return slot->hash != 0 ? slot : NULL;
}

static bool grow(struct decision_cache *cache)
{
    size_t cap = cache->cap > 0 ? 2 * cache->cap : SMALLEST;
    struct decision_slot *slots = mem_zero(cap * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < cache->cap; i++) {
        if (cache->slots[i].hash != 0) {
            size_t at = cache->slots[i].hash & (cap - 1);
            while (slots[at].hash != 0) {
                at = (at + 1) & (cap - 1);
            }
            slots[at] = cache->slots[i];
        }
    }
    mem_free(cache->slots);
    cache->slots = slots;
    cache->cap = cap;
    return true;
}

void decision_cache_put(struct decision_cache *cache,
                        enum policy_action action,
                        elo_span name,
                        uint32_t hash,
                        bool allowed)
{
    if (name.len > LIMIT_TOPIC_BYTES) {
        return; /* longer than any name that is allowed anything */
    }
    if (cache->len >= AUTH_CACHE_DECISIONS ||
        name.len > AUTH_CACHE_BYTES - buf_span(&cache->names).len) {
        decision_cache_clear(cache);
    }
    if (2 * (cache->len + 1) > cache->cap && !grow(cache)) {
        return;
    }
    uint32_t name_at = (uint32_t)buf_span(&cache->names).len;
    buf_add(&cache->names, name);
    if (buf_err(&cache->names) != ELO_OK) {
        decision_cache_clear(cache); /* a failed buffer has lost the other names too */
        return;
    }
    hash = with_action(action, hash);
    *find(cache, hash, action, name) =
        (struct decision_slot){hash, name_at, (uint16_t)name.len, (uint8_t)action, allowed};
    cache->len++;
}
