// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * DS18B20 (and DS1822): one or several temperature sensors on a 1-Wire line.
 *
 * A round: who is there (once), all begin to convert together, 750 ms later each is read. One tick
 * is one operation on the line, 1 ms (in a search 1.7 ms) at most; the 750 ms are not waited for.
 *
 *     static struct elo_onewire_rom roms[4];
 *     elo_ds18b20_init(&d, &bus, roms, 4, 10000, now_ms);
 *     at elo_ds18b20_next_deadline(&d):
 *         if (elo_ds18b20_tick(&d, now_ms, &index, &reading))
 *             `reading` is that of the sensor with the name roms[index], or its error
 *
 * Sensors are looked for again after a round in which none answered; a changed set is found by
 * elo_ds18b20_search_again(). If nobody is there at all, that is the error of index 0.
 *
 * Sensors with power from the line only ("parasite") need it driven high while they convert: with a
 * bus that cannot (`feed` NULL) they get ELO_E_SENSOR_POWER and the advice to connect the third
 * wire.
 *
 * Errors in the reading
 *   ELO_E_SENSOR_MISSING   no answer
 *   ELO_E_SENSOR_BUS       the line stays low
 *   ELO_E_SENSOR_CHECKSUM  disturbed
 *   ELO_E_SENSOR_KIND      another chip, or one whose set-up register cannot be
 *   ELO_E_SENSOR_POWER     85 degrees as they stand there after power-on, without a conversion; or
 *                          parasite power that the bus cannot give
 *   ELO_E_SENSOR_RANGE     outside -55 ... 125 degrees
 */
#ifndef ELO_SENSOR_DS18B20_H
#define ELO_SENSOR_DS18B20_H

#include "elo/sensor/onewire.h"
#include "elo/sensor/reading.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The scratchpad, with its checksum. */
#define ELO_DS18B20_SCRATCHPAD 9

/* What a scratchpad tells besides the temperature. */
struct elo_ds18b20_about {
    uint8_t resolution_bits; /* 9 ... 12: steps of 1/2, 1/4, 1/8, 1/16 degree */
    bool suspect;            /* its constant bytes are not those of the maker: a copy, and copies
                                have other tolerances, below 0 and with parasite power above all */
};

/*
 * Reads a scratchpad, ELO_DS18B20_SCRATCHPAD bytes. `about` may be NULL; it is written with ELO_OK,
 * ELO_E_SENSOR_POWER and ELO_E_SENSOR_RANGE.
 */
elo_err elo_ds18b20_read(const uint8_t *scratchpad,
                         struct elo_ds18b20_about *about,
                         struct elo_reading *out);

struct elo_ds18b20 {
    struct {
        const struct elo_onewire *bus;
        struct elo_onewire_rom *roms;
        struct elo_onewire_search search;
        uint8_t cap, count, index, names;
        uint8_t phase, step;
        bool parasite, others, answered, again;
        elo_err fault; /* of the whole line, in this round */
        uint8_t scratchpad[ELO_DS18B20_SCRATCHPAD];
        uint32_t interval_ms;
        uint32_t now_ms;
        uint32_t round_ms; /* when this round began */
        uint32_t since_ms; /* when the conversion began */
    } _internal;
};

/* `bus` and `roms` are borrowed. At least one rom; of more sensors than that the rest is not seen.
 * `interval_ms` from the beginning of a round to the next, 1,000 at least and under 2^31. */
void elo_ds18b20_init(struct elo_ds18b20 *d,
                      const struct elo_onewire *bus,
                      struct elo_onewire_rom *roms,
                      uint8_t cap,
                      uint32_t interval_ms,
                      uint32_t now_ms);

/* One step. true: `out` is a new reading, of the sensor number `out_index`. */
bool elo_ds18b20_tick(struct elo_ds18b20 *d,
                      uint32_t now_ms,
                      uint8_t *out_index,
                      struct elo_reading *out);

/* When elo_ds18b20_tick() is next needed. */
uint32_t elo_ds18b20_next_deadline(const struct elo_ds18b20 *d);

/* How many sensors the last search found. */
uint8_t elo_ds18b20_count(const struct elo_ds18b20 *d);

/* The next round begins with a search. */
void elo_ds18b20_search_again(struct elo_ds18b20 *d);

#ifdef __cplusplus
}
#endif

#endif
