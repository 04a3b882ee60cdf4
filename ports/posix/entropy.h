// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Random bytes from the kernel, fit for keys.
 */
#ifndef PORTS_POSIX_ENTROPY_H
#define PORTS_POSIX_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#include "elo/base/err.h"

/* Fills `out`; ELO_E_ENTROPY when the kernel gives none, and then `out` is not to be used. Blocks
 * only in the first moments after boot. */
ELO_MUST_USE elo_err posix_entropy(void *out, size_t len);

/* A random number in the shape of elo_client_random_fn; `ctx` is not used. For spreading retries,
 * so without a way to fail: with no entropy at all it falls back to the clock. */
uint32_t posix_entropy_u32(void *ctx);

#endif
