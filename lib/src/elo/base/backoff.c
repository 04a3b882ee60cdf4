// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/backoff.h"

static uint32_t ceiling_ms(const struct elo__backoff *b, unsigned attempts)
{
    uint32_t ceiling = b->base_ms < b->cap_ms ? b->base_ms : b->cap_ms;
    for (; attempts > 0 && ceiling < b->cap_ms && ceiling > 0; attempts--) {
        ceiling = ceiling > b->cap_ms / 2 ? b->cap_ms : ceiling * 2;
    }
    return ceiling;
}

uint32_t
elo__backoff_wait_ms(const struct elo__backoff *b, unsigned attempts, bool slow, uint32_t random)
{
    uint32_t high = slow ? b->cap_ms : ceiling_ms(b, attempts);
    return b->floor_ms + elo__by_chance(slow ? high / 2 : 0, high, random);
}
