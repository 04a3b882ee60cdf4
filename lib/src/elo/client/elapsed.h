// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Wrapping milliseconds: only the time since a moment is ever compared, never two moments, so that
 * the day on which the clock passes 2^32 is a day like any other. Private to the client.
 */
#ifndef ELO_CLIENT_ELAPSED_H
#define ELO_CLIENT_ELAPSED_H

#include <stdint.h>

#define ELO__NEVER UINT32_MAX

/* Of `span` ms that began at `since`: how many are left; 0 when over. */
static inline uint32_t elo__ms_left(uint32_t now, uint32_t since, uint32_t span)
{
    uint32_t elapsed = now - since;
    return elapsed >= span ? 0 : span - elapsed;
}

/*
 * Something is repeated at whole multiples of `period` after `*since`: which multiple comes next.
 * Those that passed while nothing could be written are not made up for. Counting begins anew when a
 * byte cannot hold the number, or the time since would wrap.
 */
static inline uint8_t elo__next_try(uint32_t now, uint32_t *since, uint32_t period)
{
    uint32_t elapsed = now - *since;
    uint32_t tries = elapsed / period + 1;
    if (tries > UINT8_MAX || elapsed > INT32_MAX) {
        *since = now;
        return 1;
    }
    return (uint8_t)tries;
}

static inline uint32_t elo__sooner(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
