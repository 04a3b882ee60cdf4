// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How long to wait before connecting again: exponential backoff with full jitter. A pure function;
 * random goes in as a number. Private to the client.
 */
#ifndef ELO_CLIENT_BACKOFF_H
#define ELO_CLIENT_BACKOFF_H

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

#endif
