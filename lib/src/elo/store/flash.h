// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The flash device as the store sees it: NOR flash in sectors of 4,096 bytes, such as the chip
 * beside every ESP8266. The owner fills one in per region; queue.h and slots.h each take a region
 * of their own. Addresses count from the region's start, so that a port adds its offset and nothing
 * else does.
 *
 * What NOR flash does, and what the store counts on:
 *
 *   erase     sets a sector to 0xFF. It takes long (tens of ms) and wears the sector out (about
 *             100,000 times). Cut short by a power failure it leaves any bits at all.
 *   program   turns 1 bits into 0 and leaves the others: programming 0 over anything gives 0,
 *             programming 1 changes nothing. A word may be programmed again and again. Words are
 *             programmed from the first to the last; cut short, the words before the one in hand
 * are whole, that one has any of its bits turned, those behind it are untouched. read      says
 * what is there. A bit that was cut in the middle of its turn may be weak: see queue.h for what is
 * done about it.
 *
 * Each call returns ELO_OK or a reason, ELO_E_IO where there is none better, and is done when it
 * returns: what was programmed before is in the flash before what is programmed next.
 */
#ifndef ELO_STORE_FLASH_H
#define ELO_STORE_FLASH_H

#include "elo/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define ELO_FLASH_SECTOR 4096u

struct elo_flash_dev {
    void *ctx;     /* handed to each call */
    uint32_t size; /* bytes, a multiple of ELO_FLASH_SECTOR */
    /* `at` and `len` are multiples of 4, and the memory is aligned to 4. */
    elo_err (*read)(void *ctx, uint32_t at, void *out, size_t len);
    /* Likewise. Only turns 1 bits into 0. */
    elo_err (*program)(void *ctx, uint32_t at, const void *data, size_t len);
    /* Sets the sector that begins at `at` to 0xFF. */
    elo_err (*erase)(void *ctx, uint32_t at);
};

#endif
