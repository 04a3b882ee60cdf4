// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an index is an array of pointers kept sorted; finding is a binary search,
 * inserting moves what lies behind. A page begins behind a key, whether or not that key is still
 * there, so a page never depends on positions that have moved.
 */
#include "server/base/mem.h"
#include "server/registry/internal.h"

void registry__index_init(struct index *index, elo_span (*key)(const void *item))
{
    *index = (struct index){.key = key};
}

void registry__index_free(struct index *index)
{
    mem_free(index->items);
    registry__index_init(index, index->key);
}

int registry__compare(elo_span a, elo_span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The number of items before `key`; `or_equal` counts the item with that key too. */
static size_t count_before(const struct index *index, elo_span key, bool or_equal)
{
    size_t low = 0;
    size_t high = index->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = registry__compare(index->key(index->items[middle]), key);
        if (order < 0 || (or_equal && order == 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool registry__index_reserve(struct index *index)
{
    if (index->len < index->cap) {
        return true;
    }
    size_t cap = index->cap ? index->cap * 2 : 4;
    void **items = mem_grow(index->items, cap * sizeof *items);
    if (!items) {
        return false;
    }
    index->items = items;
    index->cap = cap;
    return true;
}

void registry__index_insert(struct index *index, void *item)
{
    size_t at = count_before(index, index->key(item), false);
    memmove(&index->items[at + 1], &index->items[at], (index->len - at) * sizeof *index->items);
    index->items[at] = item;
    index->len++;
}

void registry__index_remove(struct index *index, const void *item)
{
    size_t at = count_before(index, index->key(item), false);
    if (at < index->len && index->items[at] == item) {
        index->len--;
        memmove(&index->items[at], &index->items[at + 1], (index->len - at) * sizeof *index->items);
    }
}

void *registry__index_get(const struct index *index, elo_span key)
{
    size_t at = count_before(index, key, false);
    if (at < index->len && elo_span_eq(index->key(index->items[at]), key)) {
        return index->items[at];
    }
    return NULL;
}

struct walk registry__walk(const struct index *index,
                           const struct registry_page *page,
                           struct registry_next *next)
{
    struct walk walk = {.index = index, .page = page, .next = next};
    next->len = 0;
    if (page->after.len > 0) {
        size_t before = count_before(index, page->after, !page->descending);
        walk.at = page->descending ? index->len - before : before;
    }
    return walk;
}

void *registry__walk_next(struct walk *walk,
                          bool (*keep)(const void *ctx, const void *item),
                          const void *ctx)
{
    const struct index *index = walk->index;
    while (walk->at < index->len) {
        size_t at = walk->page->descending ? index->len - 1 - walk->at : walk->at;
        void *item = index->items[at];
        if (keep && !keep(ctx, item)) {
            walk->at++;
            continue;
        }
        if (walk->taken == walk->page->max) {
            return NULL; /* full, and there is more: `next` stands */
        }
        walk->at++;
        walk->taken++;
        elo_span key = index->key(item);
        walk->next->len = key.len;
        memcpy(walk->next->key, key.ptr, key.len);
        return item;
    }
    walk->next->len = 0;
    return NULL;
}
