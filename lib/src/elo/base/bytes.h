// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Big-endian integers assembled byte by byte: correct for any alignment and any byte order, which
 * on the ESP8266 also means that no wider load than a byte is asked of an odd address.
 */
#ifndef ELO_BASE_BYTES_H
#define ELO_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t elo_rd16be(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t elo_rd32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void elo_wr16be(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void elo_wr32be(uint8_t *p, uint32_t v)
{
    elo_wr16be(p, (uint16_t)(v >> 16));
    elo_wr16be(p + 2, (uint16_t)v);
}

#endif
