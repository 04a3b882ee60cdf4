// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/timers.h"

#include "server/base/mem.h"

#define SMALLEST 64u

bool broker__timers_join(struct timers *t, struct timer *timer, enum timer_kind kind)
{
    if (t->owners == t->cap) {
        size_t cap = t->cap == 0 ? SMALLEST : t->cap * 2;
        struct timer **heap = mem_grow(t->heap, cap * sizeof(struct timer *));
        if (heap == NULL) {
            return false;
        }
        t->heap = heap;
        t->cap = cap;
    }
    t->owners++;
    *timer = (struct timer){.kind = (uint8_t)kind};
    return true;
}

void broker__timers_leave(struct timers *t, struct timer *timer)
{
    broker__timers_cancel(t, timer);
    t->owners--;
}

void broker__timers_free(struct timers *t)
{
    mem_free(t->heap);
    *t = (struct timers){0};
}

static void put(struct timers *t, size_t at, struct timer *timer)
{
    t->heap[at] = timer;
    timer->place = (uint32_t)at + 1;
}

/* Moves `timer` from the hole at `at` towards the root as far as it belongs; where it is. */
static size_t rise(struct timers *t, size_t at, struct timer *timer)
{
    while (at > 0 && t->heap[(at - 1) / 2]->due_ms > timer->due_ms) {
        put(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(t, at, timer);
    return at;
}

static void sink(struct timers *t, size_t at, struct timer *timer)
{
    for (size_t child; (child = 2 * at + 1) < t->count; at = child) {
        if (child + 1 < t->count && t->heap[child + 1]->due_ms < t->heap[child]->due_ms) {
            child++;
        }
        if (t->heap[child]->due_ms >= timer->due_ms) {
            break;
        }
        put(t, at, t->heap[child]);
    }
    put(t, at, timer);
}

void broker__timers_set(struct timers *t, struct timer *timer, int64_t due_ms)
{
    size_t at = timer->place == 0 ? t->count++ : timer->place - 1u;
    timer->due_ms = due_ms;
    sink(t, rise(t, at, timer), timer);
}

void broker__timers_cancel(struct timers *t, struct timer *timer)
{
    if (timer->place == 0) {
        return;
    }
    size_t at = timer->place - 1u;
    struct timer *last = t->heap[--t->count];
    timer->place = 0;
    if (last != timer) {
        sink(t, rise(t, at, last), last);
    }
}

int64_t broker__timers_next(const struct timers *t)
{
    return t->count == 0 ? INT64_MAX : t->heap[0]->due_ms;
}

struct timer *broker__timers_pop(struct timers *t, int64_t now_ms)
{
    if (t->count == 0 || t->heap[0]->due_ms > now_ms) {
        return NULL;
    }
    struct timer *timer = t->heap[0];
    broker__timers_cancel(t, timer);
    return timer;
}
