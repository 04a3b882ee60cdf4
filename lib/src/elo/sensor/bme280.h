// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * BME280 (temperature, humidity, pressure) and BMP280 (the same without humidity) over I2C. They
 * look alike and are sold for each other; the chip's id tells them apart, and a BMP280's readings
 * simply have no humidity.
 *
 * Forced mode: asleep but for one measurement a reading, 10 ms, which does not warm the chip. The
 * port gives two operations of I2C at up to 400 kHz; the longest transfer is 26 bytes, 2.7 ms at
 * 100 kHz. Nothing waits for the chip:
 *
 *     elo_bme280_init(&d, &i2c, ELO_BME280_ANY, 10000, now_ms);
 *     at elo_bme280_next_deadline(&d):
 *         if (elo_bme280_tick(&d, now_ms, &reading))       `reading` is new, values or an error
 *
 * After an error all begins anew at the next interval, with the chip's id: it may have been plugged
 * in meanwhile, or lost its power and with it what it was told.
 *
 * The values are computed as the datasheet (BST-BME280-DS002, 4.2.3 and 8.2) has them for 32 bits,
 * with its constants; the pressure is 6 Pa off at most, the chip 100.
 *
 * Errors in the reading
 *   ELO_E_SENSOR_MISSING  nobody acknowledges the address
 *   ELO_E_SENSOR_KIND     another chip: a BME680, a BMP180 ...
 *   ELO_E_SENSOR_FRAME    a transfer failed halfway, trimming values that cannot be, a measurement
 *                         that never ends or was skipped
 *   ELO_E_SENSOR_RANGE    outside -40 ... 85 degrees or 300 ... 1100 hPa
 */
#ifndef ELO_SENSOR_BME280_H
#define ELO_SENSOR_BME280_H

#include "elo/sensor/reading.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The chip's address: its pin SDO to ground, or to its power. ANY looks at both. */
#define ELO_BME280_LOW  0x76
#define ELO_BME280_HIGH 0x77
#define ELO_BME280_ANY  0

/* One transfer each, START to STOP. false: not acknowledged. */
struct elo_i2c {
    bool (*write)(void *ctx, uint8_t address, const uint8_t *bytes, size_t len);
    bool (*read)(void *ctx, uint8_t address, uint8_t *bytes, size_t len);
    void *ctx;
};

typedef enum elo_bme280_kind { ELO_BME280_UNKNOWN, ELO_BME280_BME, ELO_BME280_BMP } elo_bme280_kind;

/* The registers of the trimming values from 0x88 and from 0xE1 (BME280 only), and of the measured
 * ones from 0xF7 (a BMP280 has the first six). */
#define ELO_BME280_TRIM_BYTES     26
#define ELO_BME280_TRIM_HUM_BYTES 7
#define ELO_BME280_DATA_BYTES     8

/* What the maker measured on this one chip; names are the datasheet's. */
struct elo_bme280_trim {
    uint16_t t1;
    int16_t t2, t3;
    uint16_t p1;
    int16_t p[10]; /* from p[2] on */
    uint8_t h1, h3;
    int16_t h2, h4, h5;
    int8_t h6;
};

/* `hum` is NULL for a BMP280. ELO_E_SENSOR_FRAME: no chip has such values. */
ELO_MUST_USE elo_err elo_bme280_read_trim(const uint8_t *bytes,
                                          const uint8_t *hum,
                                          struct elo_bme280_trim *out);

/* What was measured, ELO_BME280_DATA_BYTES (BMP280: 6), in degrees, Pascal and percent. */
elo_err elo_bme280_read_data(elo_bme280_kind kind,
                             const struct elo_bme280_trim *trim,
                             const uint8_t *bytes,
                             struct elo_reading *out);

struct elo_bme280 {
    struct {
        const struct elo_i2c *i2c;
        uint8_t wanted_address, address;
        uint8_t kind;
        uint8_t phase;
        uint8_t tries;
        uint32_t interval_ms;
        uint32_t now_ms;
        uint32_t round_ms;
        uint32_t since_ms;
        uint32_t wait_ms;
        struct elo_bme280_trim trim;
    } _internal;
};

/* `i2c` is borrowed. `interval_ms` from one measurement to the next, 100 at least, under 2^31. */
void elo_bme280_init(struct elo_bme280 *d,
                     const struct elo_i2c *i2c,
                     uint8_t address,
                     uint32_t interval_ms,
                     uint32_t now_ms);

/* One step. true: `out` is a new reading. */
bool elo_bme280_tick(struct elo_bme280 *d, uint32_t now_ms, struct elo_reading *out);

/* When elo_bme280_tick() is next needed. */
uint32_t elo_bme280_next_deadline(const struct elo_bme280 *d);

/* Which chip answered; UNKNOWN before the first answer and after an error. */
elo_bme280_kind elo_bme280_get_kind(const struct elo_bme280 *d);

#ifdef __cplusplus
}
#endif

#endif
