// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A rate and whether there is room in it: a token bucket that holds one second's worth, kept as one
 * number, the time at which it will be full again (GCRA). Nothing runs while nothing happens, no
 * clock is asked, and a rate that is off costs one comparison.
 */
#ifndef ELO_SERVER_BASE_THROTTLE_H
#define ELO_SERVER_BASE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#define THROTTLE_SECOND_NS 1000000000

/* What one item costs at `per_second`; 0: the rate is off. */
static inline int64_t throttle_cost(uint32_t per_second)
{
    return per_second == 0 ? 0 : THROTTLE_SECOND_NS / (int64_t)per_second;
}

/* A bucket; 0 is a full one. */
typedef int64_t throttle;

/* Takes one item. false: there is none, and nothing has changed. */
static inline bool throttle_take(throttle *t, int64_t cost_ns, int64_t now_ms)
{
    if (cost_ns == 0) {
        return true;
    }
    int64_t now_ns = now_ms * 1000000;
    int64_t full = (*t > now_ns ? *t : now_ns) + cost_ns;
    if (full - now_ns > THROTTLE_SECOND_NS) {
        return false;
    }
    *t = full;
    return true;
}

/* Would throttle_take() take one? */
static inline bool throttle_has(throttle t, int64_t cost_ns, int64_t now_ms)
{
    return throttle_take(&t, cost_ns, now_ms);
}

/* Takes `count` items whether they are there or not: what is owed delays what comes next. */
static inline void throttle_owe(throttle *t, int64_t cost_ns, uint64_t count, int64_t now_ms)
{
    if (cost_ns != 0) {
        int64_t now_ns = now_ms * 1000000;
        *t = (*t > now_ns ? *t : now_ns) + cost_ns * (int64_t)count;
    }
}

/* When one item (of `cost_ns`; 0: nothing more is owed) is there, in mono_ms. */
static inline int64_t throttle_due_ms(throttle t, int64_t cost_ns)
{
    int64_t at_ns = t + cost_ns - THROTTLE_SECOND_NS;
    return at_ns <= 0 ? 0 : (at_ns + 999999) / 1000000;
}

#endif
