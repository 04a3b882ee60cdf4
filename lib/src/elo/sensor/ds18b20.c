// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a round is SEARCH (if nobody is known) -> POWER -> CONVERT -> WAIT -> READ of
 * each sensor -> REST. A phase is a run of steps, one operation on the line each, and `step` counts
 * them. What goes wrong for the whole line becomes its fault, and READ then hands that out instead.
 */
#include "elo/sensor/ds18b20.h"

enum phase { PHASE_REST, PHASE_SEARCH, PHASE_POWER, PHASE_CONVERT, PHASE_WAIT, PHASE_READ };
enum { FAMILY_DS18B20 = 0x28, FAMILY_DS1822 = 0x22 };
enum {
    SKIP_ROM = 0xCC,
    MATCH_ROM = 0x55,
    CONVERT_T = 0x44,
    READ_POWER = 0xB4,
    READ_SCRATCHPAD = 0xBE
};
enum { CONVERSION_MS = 750, LEAST_INTERVAL_MS = 1000, MOST_NAMES = 64 };

/* The scratchpad's bytes. */
enum { AT_TEMPERATURE = 0, AT_CONFIG = 4, AT_FF = 5, AT_COUNT = 6, AT_10 = 7 };

/* 85 degrees with this count in byte 6 were never measured: they are what power-on leaves. */
enum { POWER_ON = 0x0550, POWER_ON_COUNT = 0x0C };
enum { COLDEST = -5500, HOTTEST = 12500 };

/* --- decoding --------------------------------------------------------------------------------- */

static bool all_are(const uint8_t *bytes, size_t len, uint8_t value)
{
    size_t i = 0;
    while (i < len && bytes[i] == value) {
        i++;
    }
    return i == len;
}

/* The checksum of noughts is right: look for a dead line first. */
static elo_err check(const uint8_t *s)
{
    if (all_are(s, ELO_DS18B20_SCRATCHPAD, 0xFF)) {
        return ELO_E_SENSOR_MISSING;
    }
    if (all_are(s, ELO_DS18B20_SCRATCHPAD, 0x00)) {
        return ELO_E_SENSOR_BUS;
    }
    if (elo_onewire_crc8(s, ELO_DS18B20_SCRATCHPAD) != 0) {
        return ELO_E_SENSOR_CHECKSUM;
    }
    return (s[AT_CONFIG] & 0x9Fu) == 0x1F ? ELO_OK : ELO_E_SENSOR_KIND;
}

elo_err elo_ds18b20_read(const uint8_t *scratchpad,
                         struct elo_ds18b20_about *about,
                         struct elo_reading *out)
{
    const uint8_t *s = scratchpad;
    elo_err err = check(s);
    if (err != ELO_OK) {
        return elo_reading_fail(out, err);
    }
    unsigned unused = 3u - (s[AT_CONFIG] >> 5 & 3u); /* low bits that mean nothing */
    if (about != NULL) {
        about->resolution_bits = (uint8_t)(12u - unused);
        about->suspect = s[AT_FF] != 0xFF || s[AT_10] != 0x10;
    }
    unsigned raw = s[AT_TEMPERATURE] | (unsigned)s[AT_TEMPERATURE + 1] << 8;
    if (raw == POWER_ON && s[AT_COUNT] == POWER_ON_COUNT) {
        return elo_reading_fail(out, ELO_E_SENSOR_POWER);
    }
    int sixteenths = (int)(raw >> unused << unused);
    sixteenths = sixteenths >= 0x8000 ? sixteenths - 0x10000 : sixteenths;
    int centi = (sixteenths * 25 + 2) >> 2; /* to the nearest */
    if (centi < COLDEST || centi > HOTTEST) {
        return elo_reading_fail(out, ELO_E_SENSOR_RANGE);
    }
    elo_reading_begin(out);
    out->has = ELO_READING_TEMPERATURE;
    out->centi_celsius = (int16_t)centi;
    return ELO_OK;
}

/* --- a round ---------------------------------------------------------------------------------- */

static void enter(struct elo_ds18b20 *d, enum phase phase)
{
    d->_internal.phase = (uint8_t)phase;
    d->_internal.step = 0;
    d->_internal.since_ms = d->_internal.now_ms;
}

/* The line is of no use in this round: say so for each sensor. */
static void line_fails(struct elo_ds18b20 *d, elo_err fault)
{
    d->_internal.fault = fault;
    enter(d, PHASE_READ);
    d->_internal.index = 0;
}

static elo_err reset(const struct elo_onewire *bus)
{
    switch (bus->reset(bus->ctx)) {
    case ELO_ONEWIRE_PRESENT:
        return ELO_OK;
    case ELO_ONEWIRE_NOBODY:
        return ELO_E_SENSOR_MISSING;
    default:
        return ELO_E_SENSOR_BUS;
    }
}

/* The first two steps of a command to all. false: the line fails. */
static bool call_all(struct elo_ds18b20 *d)
{
    if (d->_internal.step != 0) {
        elo_onewire_write(d->_internal.bus, SKIP_ROM);
        return true;
    }
    elo_err err = reset(d->_internal.bus);
    if (err != ELO_OK) {
        line_fails(d, err);
    }
    return err == ELO_OK;
}

static void found(struct elo_ds18b20 *d)
{
    uint8_t family = d->_internal.search.rom.bytes[0];
    d->_internal.names++;
    if (family != FAMILY_DS18B20 && family != FAMILY_DS1822) {
        d->_internal.others = true;
    } else if (d->_internal.count < d->_internal.cap) {
        d->_internal.roms[d->_internal.count++] = d->_internal.search.rom;
    }
}

static void step_search(struct elo_ds18b20 *d)
{
    elo_err err = elo_onewire_search_step(&d->_internal.search, d->_internal.bus);
    if (err == ELO_OK) {
        found(d);
    }
    /* No need to hear of more than fit; noise could make names without end. */
    bool full = d->_internal.count == d->_internal.cap || d->_internal.names == MOST_NAMES;
    if (err == ELO_END || (err == ELO_OK && full)) {
        if (d->_internal.count != 0) {
            enter(d, PHASE_POWER);
        } else {
            line_fails(d, d->_internal.others ? ELO_E_SENSOR_KIND : ELO_E_SENSOR_MISSING);
        }
    } else if (err < 0) {
        d->_internal.count = 0;
        line_fails(d, err);
    }
}

/* Those with power from the line answer 0. */
static void step_power(struct elo_ds18b20 *d)
{
    const struct elo_onewire *bus = d->_internal.bus;
    switch (d->_internal.step) {
    case 2:
        elo_onewire_write(bus, READ_POWER);
        break;
    case 3:
        d->_internal.parasite = !bus->read_bit(bus->ctx);
        if (d->_internal.parasite && bus->feed == NULL) {
            line_fails(d, ELO_E_SENSOR_POWER);
        } else {
            enter(d, PHASE_CONVERT);
        }
        return;
    default:
        if (!call_all(d)) {
            return;
        }
    }
    d->_internal.step++;
}

static void step_convert(struct elo_ds18b20 *d)
{
    if (d->_internal.step == 2) {
        elo_onewire_write(d->_internal.bus, CONVERT_T);
        if (d->_internal.parasite) {
            d->_internal.bus->feed(d->_internal.bus->ctx, true); /* within 10 us */
        }
        enter(d, PHASE_WAIT);
    } else if (call_all(d)) {
        d->_internal.step++;
    }
}

static void step_wait(struct elo_ds18b20 *d)
{
    if (d->_internal.now_ms - d->_internal.since_ms >= CONVERSION_MS) {
        if (d->_internal.parasite) {
            d->_internal.bus->feed(d->_internal.bus->ctx, false);
        }
        enter(d, PHASE_READ);
        d->_internal.index = 0;
    }
}

/* The next sensor's turn, or the end of the round. */
static void next_sensor(struct elo_ds18b20 *d)
{
    d->_internal.step = 0;
    if (++d->_internal.index >= d->_internal.count) {
        enter(d, PHASE_REST);
        d->_internal.again |= !d->_internal.answered;
    }
}

/* 0 reset, 1 match, 2 ... 9 the name, 10 the command, 11 ... 19 the scratchpad. true: it is in. */
static bool step_read(struct elo_ds18b20 *d, elo_err *out_err)
{
    const struct elo_onewire *bus = d->_internal.bus;
    unsigned step = d->_internal.step++;
    *out_err = ELO_OK;
    if (step == 0) {
        *out_err = reset(bus);
        return *out_err != ELO_OK;
    }
    if (step == 1) {
        elo_onewire_write(bus, MATCH_ROM);
    } else if (step < 10) {
        elo_onewire_write(bus, d->_internal.roms[d->_internal.index].bytes[step - 2]);
    } else if (step == 10) {
        elo_onewire_write(bus, READ_SCRATCHPAD);
    } else {
        d->_internal.scratchpad[step - 11] = elo_onewire_read(bus);
    }
    return step == 10 + ELO_DS18B20_SCRATCHPAD;
}

static bool read_sensor(struct elo_ds18b20 *d, uint8_t *out_index, struct elo_reading *out)
{
    elo_err err = d->_internal.fault;
    if (err == ELO_OK && !step_read(d, &err)) {
        return false;
    }
    err = err == ELO_OK ? elo_ds18b20_read(d->_internal.scratchpad, NULL, out)
                        : elo_reading_fail(out, err);
    d->_internal.answered |= err != ELO_E_SENSOR_MISSING && d->_internal.fault == ELO_OK;
    *out_index = d->_internal.index;
    next_sensor(d);
    return true;
}

static void begin_round(struct elo_ds18b20 *d)
{
    if (d->_internal.now_ms - d->_internal.round_ms < d->_internal.interval_ms) {
        return;
    }
    d->_internal.round_ms = d->_internal.now_ms;
    d->_internal.fault = ELO_OK;
    d->_internal.answered = false;
    if (d->_internal.count != 0 && !d->_internal.again) {
        enter(d, PHASE_POWER);
    } else {
        d->_internal.again = false;
        d->_internal.count = 0;
        d->_internal.names = 0;
        d->_internal.others = false;
        elo_onewire_search_begin(&d->_internal.search);
        enter(d, PHASE_SEARCH);
    }
}

void elo_ds18b20_init(struct elo_ds18b20 *d,
                      const struct elo_onewire *bus,
                      struct elo_onewire_rom *roms,
                      uint8_t cap,
                      uint32_t interval_ms,
                      uint32_t now_ms)
{
    memset(d, 0, sizeof *d);
    d->_internal.bus = bus;
    d->_internal.roms = roms;
    d->_internal.cap = cap;
    d->_internal.interval_ms = interval_ms > LEAST_INTERVAL_MS ? interval_ms : LEAST_INTERVAL_MS;
    d->_internal.now_ms = now_ms;
    d->_internal.round_ms = now_ms - d->_internal.interval_ms; /* the first one is due now */
}

bool elo_ds18b20_tick(struct elo_ds18b20 *d,
                      uint32_t now_ms,
                      uint8_t *out_index,
                      struct elo_reading *out)
{
    d->_internal.now_ms = now_ms;
    if (d->_internal.phase == PHASE_READ) {
        return read_sensor(d, out_index, out);
    }
    switch (d->_internal.phase) { /* no fifth case: a jump table would be RAM */
    case PHASE_SEARCH:
        step_search(d);
        break;
    case PHASE_POWER:
        step_power(d);
        break;
    case PHASE_CONVERT:
        step_convert(d);
        break;
    case PHASE_WAIT:
        step_wait(d);
        break;
    default:
        begin_round(d);
        break;
    }
    return false;
}

uint32_t elo_ds18b20_next_deadline(const struct elo_ds18b20 *d)
{
    switch (d->_internal.phase) {
    case PHASE_REST:
        return d->_internal.round_ms + d->_internal.interval_ms;
    case PHASE_WAIT:
        return d->_internal.since_ms + CONVERSION_MS;
    default:
        return d->_internal.now_ms;
    }
}

uint8_t elo_ds18b20_count(const struct elo_ds18b20 *d)
{
    return d->_internal.count;
}

void elo_ds18b20_search_again(struct elo_ds18b20 *d)
{
    d->_internal.again = true;
}
