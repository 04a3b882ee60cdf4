// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Wrapping milliseconds: only the time since a moment is ever compared, never two moments, so that
 * the day on which the clock passes 2^32 is a day like any other.
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

static inline uint32_t elo__sooner(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

#endif
