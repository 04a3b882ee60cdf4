// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The machine's clocks. Monotonic time for deadlines: it never jumps, its zero means nothing. Wall
 * time for certificates: it may be wrong, and the TLS engine says so when it is.
 */
#ifndef PORTS_POSIX_CLOCK_H
#define PORTS_POSIX_CLOCK_H

#include <stdint.h>

/* Monotonic milliseconds, and the low 32 bits of them as the engines of lib/ want: they wrap after
 * 49.7 days, so compare by subtraction. */
uint64_t posix_clock_ms64(void);
uint32_t posix_clock_ms(void);

/* Wall time, seconds since 1970 UTC, kept within 0 and UINT32_MAX. */
uint32_t posix_clock_unix(void);

#endif
