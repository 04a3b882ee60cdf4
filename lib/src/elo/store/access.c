// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/store/access.h"

#include "elo/base/flash.h"

#define WORDS 16u /* read at a time */

/* The remainders of one half byte: 64 bytes instead of 1,024, and half the speed. */
static const uint32_t REMAINDERS[16] ELO_FLASH = {
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    crc = crc >> 4 ^ REMAINDERS[crc & 15];
    return crc >> 4 ^ REMAINDERS[crc & 15];
}

uint32_t elo__crc_words(uint32_t crc, const uint32_t *words, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)words;
    crc = ~crc;
    for (size_t i = 0; i < 4 * n; i++) {
        crc = crc_byte(crc, bytes[i]);
    }
    return ~crc;
}

uint32_t elo__crc_data(uint32_t crc, elo_span data)
{
    crc = ~crc;
    for (size_t i = 0; i < data.len; i++) {
        crc = crc_byte(crc, elo_flash_read8(data.ptr + i));
    }
    for (size_t i = data.len; i % 4 != 0; i++) {
        crc = crc_byte(crc, 0xFF);
    }
    return ~crc;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

elo_err elo__dev_get(
    const struct elo_flash_dev *dev, uint32_t at, uint32_t len, uint8_t *out, uint32_t *crc)
{
    uint32_t words[WORDS];
    while (len > 0) {
        uint32_t n = least(len, sizeof words);
        elo_err err = dev->read(dev->ctx, at, words, elo__padded(n));
        if (err != ELO_OK) {
            return err;
        }
        *crc = elo__crc_words(*crc, words, elo__padded(n) / 4);
        if (out != NULL) {
            memcpy(out, words, n);
            out += n;
        }
        at += n;
        len -= n;
    }
    return ELO_OK;
}

/* As much of `data` as goes behind the first `used` bytes; how many bytes `words` has then. */
static uint32_t fill(uint32_t *words, uint32_t used, elo_span *data)
{
    uint32_t taken = least((uint32_t)data->len, ELO__PIECE - used);
    memset((uint8_t *)words + used, 0xFF, elo__padded(taken));
    elo_flash_copy((uint8_t *)words + used, data->ptr, taken);
    *data = elo_span_from(*data, taken);
    return used + elo__padded(taken);
}

elo_err elo__dev_put(
    const struct elo_flash_dev *dev, uint32_t at, const uint32_t *head, size_t n, elo_span data)
{
    uint32_t words[ELO__PIECE / 4];
    memcpy(words, head, n * 4);
    for (uint32_t used = (uint32_t)n * 4;; used = 0) {
        used = fill(words, used, &data);
        elo_err err = dev->program(dev->ctx, at, words, used);
        if (err != ELO_OK || data.len == 0) {
            return err;
        }
        at += used;
    }
}

elo_err elo__dev_zero(const struct elo_flash_dev *dev, uint32_t at, uint32_t len)
{
    uint32_t zeros[WORDS] = {0};
    while (len > 0) {
        uint32_t n = least(len, sizeof zeros);
        elo_err err = dev->program(dev->ctx, at, zeros, n);
        if (err != ELO_OK) {
            return err;
        }
        at += n;
        len -= n;
    }
    return ELO_OK;
}

elo_err elo__dev_is_all(
    const struct elo_flash_dev *dev, uint32_t at, uint32_t len, uint8_t byte, bool *out_is)
{
    uint32_t words[WORDS];
    uint32_t want = byte * 0x01010101u;
    *out_is = true;
    while (len > 0 && *out_is) {
        uint32_t n = least(len, sizeof words);
        elo_err err = dev->read(dev->ctx, at, words, n);
        if (err != ELO_OK) {
            return err;
        }
        for (uint32_t i = 0; i < n / 4; i++) {
            *out_is = *out_is && words[i] == want;
        }
        at += n;
        len -= n;
    }
    return ELO_OK;
}
