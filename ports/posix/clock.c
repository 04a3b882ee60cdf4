// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/clock.h"

#include <time.h>

uint64_t posix_clock_ms64(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock and a valid pointer */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint32_t posix_clock_ms(void)
{
    return (uint32_t)posix_clock_ms64();
}

uint32_t posix_clock_unix(void)
{
    time_t now = time(NULL);
    if (now < 0) {
        return 0;
    }
    return (uint64_t)now > UINT32_MAX ? UINT32_MAX : (uint32_t)now;
}
