// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a sensor says, the same for all of them: which quantities there are, in whole hundredths, or
 * why there are none. No floating point: the ESP8266 has none in hardware, and 21.37 is 2137.
 *
 * The drivers of this folder are decoders - bytes or pulses in, a reading out - and small state
 * machines that never wait: they say what they want done with the pins now and when they want to be
 * called again. Times are uint32_t milliseconds that may wrap and start anywhere; a counter that
 * stops is the only thing that stops them. Memory is the caller's.
 *
 * A reading with an error has no quantities.
 */
#ifndef ELO_SENSOR_READING_H
#define ELO_SENSOR_READING_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bits of `has`. */
enum {
    ELO_READING_TEMPERATURE = 1,
    ELO_READING_HUMIDITY = 2,
    ELO_READING_PRESSURE = 4,
    ELO_READING_VOLTAGE = 8
};

struct elo_reading {
    const char *source; /* whose: the owner's name for it, borrowed; drivers leave it alone */
    elo_err error;      /* ELO_OK, or ELO_E_SENSOR_...: then `has` is 0 */
    uint8_t has;
    int16_t centi_celsius;  /* 2137: 21.37 degrees Celsius */
    uint16_t centi_percent; /* 4520: 45.20 % relative humidity */
    uint16_t millivolt;
    uint32_t pascal; /* 101325: 1013.25 hPa */
};

/* Empties a reading but for its source, and gives it a reason; returns that reason. */
static inline elo_err elo_reading_fail(struct elo_reading *r, elo_err error)
{
    const char *source = r->source;
    memset(r, 0, sizeof *r);
    r->source = source;
    r->error = error;
    return error;
}

/* Empties a reading but for its source, for a driver to fill. */
static inline void elo_reading_begin(struct elo_reading *r)
{
    (void)elo_reading_fail(r, ELO_OK);
}

#ifdef __cplusplus
}
#endif

#endif
