// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What queue.c and slots.c do with a flash device alike. Private to the store.
 *
 * Lengths are the data's; in flash they are padded to whole words with 0xFF, which costs nothing to
 * program, and checksums include the padding.
 */
#ifndef ELO_STORE_ACCESS_H
#define ELO_STORE_ACCESS_H

#include "elo/base/span.h"
#include "elo/store/flash.h"

#define ELO__BLANK 0xFFFFFFFFu /* a word that nothing was programmed into */

/* `len` in whole words, in bytes. */
static inline uint32_t elo__padded(uint32_t len)
{
    return (len + 3u) & ~3u;
}

/* A checksum as it is stored: 0 is what is programmed over it. */
static inline uint32_t elo__not_zero(uint32_t crc)
{
    return crc == 0 ? 1 : crc;
}

/* CRC-32 as in Ethernet, of words in RAM. Begin with `crc` 0 and go on with what came out. */
uint32_t elo__crc_words(uint32_t crc, const uint32_t *words, size_t n);

/* The same of bytes and their padding; they may lie in flash (elo/base/flash.h). */
uint32_t elo__crc_data(uint32_t crc, elo_span data);

/* The same of `len` bytes of the device, which are copied to `out` as well if it is not NULL. */
ELO_MUST_USE elo_err elo__dev_get(
    const struct elo_flash_dev *dev, uint32_t at, uint32_t len, uint8_t *out, uint32_t *crc);

/* Programs `n` words of head, n <= 8, and then `data`: in one piece where it is at most
 * ELO__PIECE - 4 n bytes long. */
#define ELO__PIECE 176u
ELO_MUST_USE elo_err elo__dev_put(
    const struct elo_flash_dev *dev, uint32_t at, const uint32_t *head, size_t n, elo_span data);

/* Programs `len` bytes to 0; a multiple of 4. */
ELO_MUST_USE elo_err elo__dev_zero(const struct elo_flash_dev *dev, uint32_t at, uint32_t len);

/* Are `len` bytes, a multiple of 4, all of this byte? */
ELO_MUST_USE elo_err elo__dev_is_all(
    const struct elo_flash_dev *dev, uint32_t at, uint32_t len, uint8_t byte, bool *out_is);

#endif
