// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/entropy.h"

#include "ports/posix/clock.h"

#include <errno.h>
#include <sys/random.h>

elo_err posix_entropy(void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return ELO_E_ENTROPY;
        }
        p += got;
        len -= (size_t)got;
    }
    return ELO_OK;
}

uint32_t posix_entropy_u32(void *ctx)
{
    (void)ctx;
    uint32_t value;
    if (posix_entropy(&value, sizeof value) != ELO_OK) {
        value = posix_clock_ms() * 2654435761u; /* spread over all 32 bits */
    }
    return value;
}
