// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * 1-Wire: bytes, the checksum, and who is on the line. The port gives three operations on a pin
 * with a pull-up resistor of 4.7 kOhm (not GPIO16, which has no open drain):
 *
 *     reset      low for 480 us, let go, look after 70 us, and wait until 480 us are over
 *     write_bit  low for 6 us (1) or 60 us (0), let go, 70 us in all, and 1 us of rest
 *     read_bit   low for 6 us, let go, look 9 us later, 70 us in all
 *
 * An interrupt that comes between makes a slot longer. That spoils a bit if it comes within the low
 * of a 1 or before the look of a read: block interrupts for these 15 us, or leave it to the
 * checksums. Between two operations the line may rest for as long as it likes, so nothing here
 * does more than one byte at a time (0.6 ms), or eight places of a search (1.7 ms).
 */
#ifndef ELO_SENSOR_ONEWIRE_H
#define ELO_SENSOR_ONEWIRE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum elo_onewire_presence {
    ELO_ONEWIRE_NOBODY,  /* nobody pulled the line low */
    ELO_ONEWIRE_PRESENT, /* somebody did */
    ELO_ONEWIRE_STUCK    /* the line was low before the reset, or is at its end */
} elo_onewire_presence;

struct elo_onewire {
    elo_onewire_presence (*reset)(void *ctx);
    void (*write_bit)(void *ctx, bool bit);
    bool (*read_bit)(void *ctx);
    void (*feed)(void *ctx, bool on); /* drive the line high, as the power of parasitic sensors, or
                                         let it go; NULL: cannot be done */
    void *ctx;
};

/* A sensor's name: family, serial number, checksum. */
struct elo_onewire_rom {
    uint8_t bytes[8];
};

void elo_onewire_write(const struct elo_onewire *bus, uint8_t byte);
uint8_t elo_onewire_read(const struct elo_onewire *bus);

/* CRC-8 with x^8 + x^5 + x^4 + 1, lowest bit first: 0 over bytes that end with their checksum. */
uint8_t elo_onewire_crc8(const uint8_t *bytes, size_t len);

/* A search: all names, one after the other, in the order of their bits. */
struct elo_onewire_search {
    struct elo_onewire_rom rom; /* the one just found */
    struct {
        uint8_t bit;  /* 0: a pass begins; else the next place, from 1 */
        uint8_t fork; /* where this pass takes the 1 that the last one left; 0: the first */
        uint8_t left; /* the last place at which this pass took the 0 of two */
        bool last;
    } _internal;
};

void elo_onewire_search_begin(struct elo_onewire_search *s);

/*
 * A step of the search; nine lead to a name.
 *
 * ELO_NEED_MORE          go on
 * ELO_OK                 `rom` is one; go on for the next
 * ELO_END                that was all
 * ELO_E_SENSOR_MISSING   nobody is there
 * ELO_E_SENSOR_BUS       the line stays low
 * ELO_E_SENSOR_FRAME     somebody stopped answering halfway
 * ELO_E_SENSOR_CHECKSUM  a name with a wrong checksum
 * After END and the errors begin anew.
 */
ELO_MUST_USE elo_err elo_onewire_search_step(struct elo_onewire_search *s,
                                             const struct elo_onewire *bus);

#ifdef __cplusplus
}
#endif

#endif
