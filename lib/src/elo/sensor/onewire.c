// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How a search works: all sensors answer together, one place of their names after the other, each
 * with its bit and then the opposite. The line is low if anyone pulls it: 0 and 1 mean that all
 * have a 0 there, 1 and 0 a 1, 0 and 0 that both are there - a fork. We write the bit to follow,
 * and those with the other one fall silent until the next reset. Every pass goes left (0) at forks
 * not yet seen, and right (1) at the last one at which the pass before went left.
 */
#include "elo/sensor/onewire.h"

enum { SEARCH_ROM = 0xF0 };
enum { ROM_BITS = 64, POLYNOMIAL = 0x8C };

void elo_onewire_write(const struct elo_onewire *bus, uint8_t byte)
{
    for (unsigned i = 0; i < 8; i++) {
        bus->write_bit(bus->ctx, (byte >> i & 1u) != 0);
    }
}

uint8_t elo_onewire_read(const struct elo_onewire *bus)
{
    unsigned byte = 0;
    for (unsigned i = 0; i < 8; i++) {
        byte |= (unsigned)bus->read_bit(bus->ctx) << i;
    }
    return (uint8_t)byte;
}

uint8_t elo_onewire_crc8(const uint8_t *bytes, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1u) != 0 ? POLYNOMIAL : 0u);
        }
    }
    return (uint8_t)crc;
}

void elo_onewire_search_begin(struct elo_onewire_search *s)
{
    memset(s, 0, sizeof *s);
}

static elo_err begin_pass(struct elo_onewire_search *s, const struct elo_onewire *bus)
{
    switch (bus->reset(bus->ctx)) {
    case ELO_ONEWIRE_PRESENT:
        break;
    case ELO_ONEWIRE_NOBODY:
        return ELO_E_SENSOR_MISSING;
    default:
        return ELO_E_SENSOR_BUS;
    }
    elo_onewire_write(bus, SEARCH_ROM);
    s->_internal.bit = 1;
    s->_internal.left = 0;
    return ELO_NEED_MORE;
}

/* At a fork: where the last pass went, up to its last left turn, which is a right one now. */
static bool turn(struct elo_onewire_search *s, bool before)
{
    bool right =
        s->_internal.bit < s->_internal.fork ? before : s->_internal.bit == s->_internal.fork;
    if (!right) {
        s->_internal.left = s->_internal.bit;
    }
    return right;
}

static bool one_place(struct elo_onewire_search *s, const struct elo_onewire *bus)
{
    uint8_t *byte = &s->rom.bytes[(s->_internal.bit - 1u) >> 3];
    unsigned mask = 1u << ((s->_internal.bit - 1u) & 7u);
    bool bit = bus->read_bit(bus->ctx);
    bool opposite = bus->read_bit(bus->ctx);
    if (bit && opposite) {
        return false;
    }
    if (!bit && !opposite) {
        bit = turn(s, (*byte & mask) != 0);
    }
    bus->write_bit(bus->ctx, bit);
    *byte = (uint8_t)(bit ? *byte | mask : *byte & ~mask);
    s->_internal.bit++;
    return true;
}

/* A line that is held low reads as a fork at every place, and so as a name of noughts. */
static elo_err end_pass(struct elo_onewire_search *s)
{
    s->_internal.bit = 0;
    s->_internal.fork = s->_internal.left;
    s->_internal.last = s->_internal.left == 0;
    if (s->rom.bytes[0] == 0) {
        return ELO_E_SENSOR_BUS;
    }
    return elo_onewire_crc8(s->rom.bytes, sizeof s->rom.bytes) == 0 ? ELO_OK
                                                                    : ELO_E_SENSOR_CHECKSUM;
}

elo_err elo_onewire_search_step(struct elo_onewire_search *s, const struct elo_onewire *bus)
{
    if (s->_internal.bit == 0) {
        return s->_internal.last ? ELO_END : begin_pass(s, bus);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (!one_place(s, bus)) {
            return ELO_E_SENSOR_FRAME;
        }
    }
    return s->_internal.bit > ROM_BITS ? end_pass(s) : ELO_NEED_MORE;
}
