// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How long to wait before trying again: exponential backoff with full jitter. Pure functions;
 * random goes in as a number. Private to the library: client and clock have it in common.
 */
#ifndef ELO_BASE_BACKOFF_H
#define ELO_BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct elo__backoff {
    uint32_t base_ms;
    uint32_t cap_ms;
    uint32_t floor_ms;
};

/*
 * floor + random(0 ... min(cap, base * 2^attempts)). `slow` is for what will hardly heal by itself
 * (a client id refused): floor + random(cap / 2 ... cap) from the first time on.
 */
uint32_t
elo__backoff_wait_ms(const struct elo__backoff *b, unsigned attempts, bool slow, uint32_t random);

/* Between `low` and `high`, both included. The bias of the modulo is under one in 2^32 / range:
 * nothing, for waits of minutes. */
static inline uint32_t elo__by_chance(uint32_t low, uint32_t high, uint32_t random)
{
    uint32_t range = high - low;
    return low + (range == UINT32_MAX ? random : random % (range + 1));
}

#endif
