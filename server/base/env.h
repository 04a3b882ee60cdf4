// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the pure core gets from outside: time and randomness. Nothing in the core asks the machine.
 */
#ifndef ELO_SERVER_BASE_ENV_H
#define ELO_SERVER_BASE_ENV_H

#include "elo/base/span.h"

/* One reading of both clocks, taken once per wake-up and handed down. */
struct core_time {
    int64_t mono_ms; /* never goes back; deadlines are in it */
    int64_t wall_ms; /* Unix time in milliseconds; what people and certificates see */
};

/* Fills `out` with random bytes; cannot fail (the edge exits if the kernel has none). */
struct core_random {
    void (*fill)(void *ctx, void *out, size_t len);
    void *ctx;
};

/* A random UUID (RFC 9562, version 4) as text: 36 characters and a NUL. */
void core_uuid(const struct core_random *random, char out[37]);

/* `len` bytes as lower-case hex and a NUL: `out` has room for 2 * len + 1. */
void core_hex(const uint8_t *bytes, size_t len, char *out);

#endif
