// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: REST -> (unknown chip: IDENTIFY -> RESET -> TRIM) -> MEASURE -> FETCH -> REST,
 * one or two short transfers a tick. RESET and MEASURE leave the chip busy; the phases after them
 * look at its status first, a few times.
 *
 * The arithmetic is the datasheet's for 32-bit integers, where intermediate results fit for every
 * chip that was ever made. A broken one may give others: so products and sums wrap (mul, add)
 * instead of being undefined, and what comes of it is out of range.
 */
#include "elo/sensor/bme280.h"

enum {
    REG_TRIM = 0x88,
    REG_ID = 0xD0,
    REG_RESET = 0xE0,
    REG_TRIM_HUM = 0xE1,
    REG_CTRL_HUM = 0xF2,
    REG_STATUS = 0xF3,
    REG_CTRL_MEAS = 0xF4,
    REG_DATA = 0xF7
};
enum { ID_BME280 = 0x60, ID_BMP280 = 0x58, ID_BMP280_SAMPLE = 0x56, ID_BMP280_SAMPLE_2 = 0x57 };
enum { RESET_WORD = 0xB6 };
enum { STATUS_MEASURING = 0x08, STATUS_COPYING = 0x01 };

/* Each quantity measured once: humidity in ctrl_hum; temperature, pressure and forced mode in
 * ctrl_meas. That takes 9.3 ms at most (datasheet, 9.1). */
enum { HUM_ONCE = 0x01, MEASURE_ONCE = 0x25, MEASURE_MS = 10 };
enum { RESET_MS = 3, AGAIN_MS = 3, TRIES = 5, LEAST_INTERVAL_MS = 100 };

enum { COLDEST = -4000, HOTTEST = 8500, THINNEST_PA = 30000, DENSEST_PA = 110000 };
#define SKIPPED_20 0x80000u
#define SKIPPED_16 0x8000u

/* --- integers --------------------------------------------------------------------------------- */

static int32_t mul(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

static int32_t add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static int32_t sub(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

static int32_t up(int32_t a, unsigned bits)
{
    return (int32_t)((uint32_t)a << bits);
}

/* --- trimming values -------------------------------------------------------------------------- */

static uint16_t u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static int16_t s16le(const uint8_t *p)
{
    return (int16_t)u16le(p);
}

/* Twelve bits with a sign: eight high ones, four low ones. */
static int16_t s12(uint8_t high, unsigned low)
{
    return (int16_t)((int8_t)high * 16 + (int)(low & 0x0Fu));
}

elo_err elo_bme280_read_trim(const uint8_t *bytes, const uint8_t *hum, struct elo_bme280_trim *out)
{
    memset(out, 0, sizeof *out);
    out->t1 = u16le(bytes);
    out->t2 = s16le(bytes + 2);
    out->t3 = s16le(bytes + 4);
    out->p1 = u16le(bytes + 6);
    for (unsigned i = 2; i <= 9; i++) {
        out->p[i] = s16le(bytes + 4 + 2 * i);
    }
    if (hum != NULL) {
        out->h1 = bytes[25];
        out->h2 = s16le(hum);
        out->h3 = hum[2];
        out->h4 = s12(hum[3], hum[4]);
        out->h5 = s12(hum[5], hum[4] >> 4);
        out->h6 = (int8_t)hum[6];
    }
    /* A bus that only gives noughts or ones. */
    bool blank = out->t1 == 0 || out->t1 == 0xFFFF || out->p1 == 0 || out->p1 == 0xFFFF;
    return blank ? ELO_E_SENSOR_FRAME : ELO_OK;
}

/* --- values ----------------------------------------------------------------------------------- */

/* The temperature as the other two need it: 5120 to a degree. */
static int32_t fine_temperature(const struct elo_bme280_trim *k, uint32_t adc)
{
    int32_t coarse = (int32_t)(adc >> 3) - 2 * (int32_t)k->t1;
    int32_t off = (int32_t)(adc >> 4) - (int32_t)k->t1;
    int32_t line = mul(coarse, k->t2) >> 11;
    int32_t bow = mul(mul(off, off) >> 12, k->t3) >> 14;
    return add(line, bow);
}

/* What the pressure is divided by; 0 from a broken chip. */
static int32_t pressure_scale(const struct elo_bme280_trim *k, int32_t t)
{
    int32_t square = mul(t >> 2, t >> 2) >> 13;
    int32_t bow = mul(k->p[3], square) >> 3;
    int32_t line = mul(k->p[2], t) >> 1;
    return mul(add(32768, add(bow, line) >> 18), k->p1) >> 15;
}

static int32_t pressure_offset(const struct elo_bme280_trim *k, int32_t t)
{
    int32_t bow = mul(mul(t >> 2, t >> 2) >> 11, k->p[6]);
    int32_t line = up(mul(t, k->p[5]), 1);
    return add(add(bow, line) >> 2, up(k->p[4], 16)) >> 12;
}

/* Pascal; 0 if it cannot be computed. */
static uint32_t pressure(const struct elo_bme280_trim *k, int32_t fine, uint32_t adc)
{
    int32_t t = sub(fine >> 1, 64000);
    uint32_t scale = (uint32_t)pressure_scale(k, t);
    if (scale == 0) {
        return 0;
    }
    uint32_t p = (1048576u - adc - (uint32_t)pressure_offset(k, t)) * 3125u;
    p = p < 0x80000000u ? p * 2 / scale : p / scale * 2;
    int32_t bow = mul(k->p[9], (int32_t)((p >> 3) * (p >> 3) >> 13)) >> 12;
    int32_t line = mul((int32_t)(p >> 2), k->p[8]) >> 13;
    return p + (uint32_t)(add(add(bow, line), k->p[7]) >> 4);
}

/* Hundredths of a percent, held to 0 ... 100 %. */
static uint16_t humidity(const struct elo_bme280_trim *k, int32_t fine, uint32_t adc)
{
    int32_t t = sub(fine, 76800);
    int32_t offset = add(up(k->h4, 20), mul(k->h5, t));
    int32_t raw = add(sub((int32_t)(adc << 14), offset), 16384) >> 15;
    int32_t bow = mul(mul(t, k->h6) >> 10, add(mul(t, k->h3) >> 11, 32768)) >> 10;
    int32_t slope = add(mul(add(bow, 2097152), k->h2), 8192) >> 14;
    int32_t h = mul(raw, slope);
    h = sub(h, mul(mul(h >> 15, h >> 15) >> 7, k->h1) >> 4);
    h = h < 0 ? 0 : h > 419430400 ? 419430400 : h;
    return (uint16_t)((((uint32_t)h >> 12) * 25u + 128u) >> 8); /* from 1/1024 % */
}

static uint32_t u20(const uint8_t *p)
{
    return (uint32_t)p[0] << 12 | (uint32_t)p[1] << 4 | p[2] >> 4;
}

elo_err elo_bme280_read_data(elo_bme280_kind kind,
                             const struct elo_bme280_trim *trim,
                             const uint8_t *bytes,
                             struct elo_reading *out)
{
    uint32_t adc_p = u20(bytes);
    uint32_t adc_t = u20(bytes + 3);
    if (adc_t == SKIPPED_20 || adc_p == SKIPPED_20) {
        return elo_reading_fail(out, ELO_E_SENSOR_FRAME);
    }
    int32_t fine = fine_temperature(trim, adc_t);
    int32_t centi = add(mul(fine, 5), 128) >> 8;
    uint32_t pascal = pressure(trim, fine, adc_p);
    if (centi < COLDEST || centi > HOTTEST || pascal < THINNEST_PA || pascal > DENSEST_PA) {
        return elo_reading_fail(out, ELO_E_SENSOR_RANGE);
    }
    elo_reading_begin(out);
    out->has = ELO_READING_TEMPERATURE | ELO_READING_PRESSURE;
    out->centi_celsius = (int16_t)centi;
    out->pascal = pascal;
    if (kind == ELO_BME280_BME) {
        uint32_t adc_h = (uint32_t)bytes[6] << 8 | bytes[7];
        if (adc_h == SKIPPED_16) {
            return elo_reading_fail(out, ELO_E_SENSOR_FRAME);
        }
        out->has |= ELO_READING_HUMIDITY;
        out->centi_percent = humidity(trim, fine, adc_h);
    }
    return ELO_OK;
}

/* --- the chip --------------------------------------------------------------------------------- */

enum phase { PHASE_REST, PHASE_IDENTIFY, PHASE_TRIM, PHASE_MEASURE, PHASE_FETCH };

static void enter(struct elo_bme280 *d, enum phase phase, uint32_t wait_ms)
{
    d->_internal.phase = (uint8_t)phase;
    d->_internal.since_ms = d->_internal.now_ms;
    d->_internal.wait_ms = wait_ms;
    d->_internal.tries = 0;
}

static bool put(const struct elo_bme280 *d, uint8_t reg, uint8_t value)
{
    const struct elo_i2c *i2c = d->_internal.i2c;
    uint8_t bytes[2] = {reg, value};
    return i2c->write(i2c->ctx, d->_internal.address, bytes, sizeof bytes);
}

static bool get(const struct elo_bme280 *d, uint8_t reg, uint8_t *out, size_t len)
{
    const struct elo_i2c *i2c = d->_internal.i2c;
    return i2c->write(i2c->ctx, d->_internal.address, &reg, 1) &&
           i2c->read(i2c->ctx, d->_internal.address, out, len);
}

static elo_bme280_kind kind_of(uint8_t id)
{
    switch (id) {
    case ID_BME280:
        return ELO_BME280_BME;
    case ID_BMP280:
    case ID_BMP280_SAMPLE:
    case ID_BMP280_SAMPLE_2:
        return ELO_BME280_BMP;
    default:
        return ELO_BME280_UNKNOWN;
    }
}

/* The chip at one address, from its id to its reset. */
static elo_err identify_at(struct elo_bme280 *d, uint8_t address)
{
    uint8_t id = 0;
    d->_internal.address = address;
    if (!get(d, REG_ID, &id, 1)) {
        return ELO_E_SENSOR_MISSING;
    }
    d->_internal.kind = (uint8_t)kind_of(id);
    if (d->_internal.kind == ELO_BME280_UNKNOWN) {
        return ELO_E_SENSOR_KIND;
    }
    if (!put(d, REG_RESET, RESET_WORD)) {
        return ELO_E_SENSOR_FRAME;
    }
    enter(d, PHASE_TRIM, RESET_MS);
    return ELO_NEED_MORE;
}

static elo_err identify(struct elo_bme280 *d)
{
    if (d->_internal.wanted_address != ELO_BME280_ANY) {
        return identify_at(d, d->_internal.wanted_address);
    }
    elo_err low = identify_at(d, ELO_BME280_LOW);
    if (low == ELO_NEED_MORE) {
        return low;
    }
    elo_err high = identify_at(d, ELO_BME280_HIGH);
    return high == ELO_E_SENSOR_MISSING ? low : high;
}

/* ELO_OK once none of `bits` is set in the status; ELO_NEED_MORE while it may still become so. */
static elo_err await(struct elo_bme280 *d, uint8_t bits)
{
    uint8_t status = 0;
    if (!get(d, REG_STATUS, &status, 1)) {
        return ELO_E_SENSOR_FRAME;
    }
    if ((status & bits) == 0) {
        return ELO_OK;
    }
    if (++d->_internal.tries >= TRIES) {
        return ELO_E_SENSOR_FRAME;
    }
    d->_internal.since_ms = d->_internal.now_ms;
    d->_internal.wait_ms = AGAIN_MS;
    return ELO_NEED_MORE;
}

static elo_err trim(struct elo_bme280 *d)
{
    uint8_t bytes[ELO_BME280_TRIM_BYTES];
    uint8_t hum[ELO_BME280_TRIM_HUM_BYTES];
    bool has_hum = d->_internal.kind == ELO_BME280_BME;
    elo_err err = await(d, STATUS_COPYING);
    if (err != ELO_OK) {
        return err;
    }
    if (!get(d, REG_TRIM, bytes, sizeof bytes) ||
        (has_hum && !get(d, REG_TRIM_HUM, hum, sizeof hum))) {
        return ELO_E_SENSOR_FRAME;
    }
    err = elo_bme280_read_trim(bytes, has_hum ? hum : NULL, &d->_internal.trim);
    if (err == ELO_OK) {
        enter(d, PHASE_MEASURE, 0);
        err = ELO_NEED_MORE;
    }
    return err;
}

/* ctrl_hum first: it takes effect with the next write to ctrl_meas. */
static elo_err measure(struct elo_bme280 *d)
{
    bool has_hum = d->_internal.kind == ELO_BME280_BME;
    if ((has_hum && !put(d, REG_CTRL_HUM, HUM_ONCE)) || !put(d, REG_CTRL_MEAS, MEASURE_ONCE)) {
        return ELO_E_SENSOR_FRAME;
    }
    enter(d, PHASE_FETCH, MEASURE_MS);
    return ELO_NEED_MORE;
}

static elo_err fetch(struct elo_bme280 *d, struct elo_reading *out)
{
    uint8_t bytes[ELO_BME280_DATA_BYTES] = {0};
    bool has_hum = d->_internal.kind == ELO_BME280_BME;
    elo_err err = await(d, STATUS_MEASURING);
    if (err != ELO_OK) {
        return err;
    }
    if (!get(d, REG_DATA, bytes, has_hum ? sizeof bytes : sizeof bytes - 2)) {
        return ELO_E_SENSOR_FRAME;
    }
    return elo_bme280_read_data((elo_bme280_kind)d->_internal.kind, &d->_internal.trim, bytes, out);
}

static elo_err begin_round(struct elo_bme280 *d)
{
    d->_internal.round_ms = d->_internal.now_ms;
    enter(d, d->_internal.kind == ELO_BME280_UNKNOWN ? PHASE_IDENTIFY : PHASE_MEASURE, 0);
    return ELO_NEED_MORE;
}

static elo_err step(struct elo_bme280 *d, struct elo_reading *out)
{
    switch (d->_internal.phase) {
    case PHASE_IDENTIFY:
        return identify(d);
    case PHASE_TRIM:
        return trim(d);
    case PHASE_MEASURE:
        return measure(d);
    case PHASE_FETCH:
        return fetch(d, out);
    default:
        return begin_round(d);
    }
}

void elo_bme280_init(struct elo_bme280 *d,
                     const struct elo_i2c *i2c,
                     uint8_t address,
                     uint32_t interval_ms,
                     uint32_t now_ms)
{
    memset(d, 0, sizeof *d);
    d->_internal.i2c = i2c;
    d->_internal.wanted_address = address;
    d->_internal.interval_ms = interval_ms > LEAST_INTERVAL_MS ? interval_ms : LEAST_INTERVAL_MS;
    d->_internal.now_ms = now_ms;
    enter(d, PHASE_REST, 0);
}

bool elo_bme280_tick(struct elo_bme280 *d, uint32_t now_ms, struct elo_reading *out)
{
    d->_internal.now_ms = now_ms;
    if (now_ms - d->_internal.since_ms < d->_internal.wait_ms) {
        return false;
    }
    elo_err err = step(d, out);
    if (err == ELO_NEED_MORE) {
        return false;
    }
    if (err != ELO_OK) {
        (void)elo_reading_fail(out, err);
        d->_internal.kind = ELO_BME280_UNKNOWN;
    }
    uint32_t took = now_ms - d->_internal.round_ms;
    uint32_t interval = d->_internal.interval_ms;
    enter(d, PHASE_REST, took < interval ? interval - took : 0);
    return true;
}

uint32_t elo_bme280_next_deadline(const struct elo_bme280 *d)
{
    return d->_internal.since_ms + d->_internal.wait_ms;
}

elo_bme280_kind elo_bme280_get_kind(const struct elo_bme280 *d)
{
    return (elo_bme280_kind)d->_internal.kind;
}
