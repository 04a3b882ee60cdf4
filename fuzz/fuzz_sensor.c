// links: elo_sensor
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * All decoders of lib/src/elo/sensor, and the state machines on lines that answer anything. The
 * first byte chooses. Whatever comes: a reading has values within the sensor's range or a reason,
 * never both, and every machine comes back to rest.
 */
#include "elo/sensor/analog.h"
#include "elo/sensor/bme280.h"
#include "elo/sensor/dht.h"
#include "elo/sensor/ds18b20.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes and bits of the input, then noughts or, after `ones`, ones. */
struct tape {
    const uint8_t *data;
    size_t size;
    size_t bit;
    bool ones;
};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool tape_bit(struct tape *t)
{
    size_t at = t->bit / 8;
    if (at >= t->size) {
        return t->ones;
    }
    return (t->data[at] >> t->bit++ % 8 & 1) != 0;
}

static uint8_t tape_byte(struct tape *t)
{
    unsigned byte = 0;
    for (unsigned i = 0; i < 8; i++) {
        byte |= (unsigned)tape_bit(t) << i;
    }
    return (uint8_t)byte;
}

static const char me[] = "me";

static void check(const struct elo_reading *r)
{
    require(r->source == me);
    require((r->error == ELO_OK) == (r->has != 0));
    require(r->error <= 0);
    if ((r->has & ELO_READING_TEMPERATURE) != 0) {
        require(r->centi_celsius >= -5500 && r->centi_celsius <= 12500);
    }
    if ((r->has & ELO_READING_HUMIDITY) != 0) {
        require(r->centi_percent <= 10000);
    }
    if ((r->has & ELO_READING_PRESSURE) != 0) {
        require(r->pascal >= 30000 && r->pascal <= 110000);
    }
}

/* A copy of its own size, so that the sanitizer sees the first byte read past it. */
static uint8_t *copy_of(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    require(copy != NULL);
    if (len != 0) {
        memcpy(copy, data, len);
    }
    return copy;
}

static void dht(elo_dht_kind kind, const uint8_t *data, size_t size)
{
    struct elo_reading r = {.source = me};
    uint8_t *copy = copy_of(data, size);
    require(elo_dht_read_spans(kind, copy, size, &r) == r.error);
    check(&r);
    free(copy);
    if (size >= 5) {
        copy = copy_of(data, 5);
        require(elo_dht_read_bytes(kind, copy, &r) == r.error);
        check(&r);
        free(copy);
    }
}

static void dht_machine(elo_dht_kind kind, const uint8_t *data, size_t size)
{
    struct elo_dht d;
    struct elo_reading r = {.source = me};
    uint32_t now = UINT32_MAX - 1000;
    uint32_t us = 0;
    elo_dht_init(&d, kind, 0, now);
    for (unsigned ticks = 0;; ticks++) {
        require(ticks < 10);
        now = elo_dht_next_deadline(&d);
        elo_dht_wish wish = elo_dht_tick(&d, now, &r);
        for (size_t i = 0; wish == ELO_DHT_LISTEN && i < size; i++) {
            elo_dht_edge(&d, us);
            us += data[i] == 255 ? 100000 : data[i];
        }
        if (wish == ELO_DHT_READING) {
            check(&r);
            return;
        }
    }
}

static void scratchpad(const uint8_t *data, size_t size)
{
    struct elo_reading r = {.source = me};
    struct elo_ds18b20_about about;
    if (size < ELO_DS18B20_SCRATCHPAD) {
        return;
    }
    uint8_t *copy = copy_of(data, ELO_DS18B20_SCRATCHPAD);
    for (unsigned fixed = 0; fixed < 2; fixed++) { /* with the checksum that it should have, too */
        require(elo_ds18b20_read(copy, &about, &r) == r.error);
        check(&r);
        copy[8] = elo_onewire_crc8(copy, 8);
    }
    free(copy);
}

static elo_onewire_presence line_reset(void *ctx)
{
    struct tape *t = ctx;
    /* mostly somebody is there, or nothing would be tried */
    bool odd = tape_bit(t) && tape_bit(t) && tape_bit(t);
    return !odd ? ELO_ONEWIRE_PRESENT : tape_bit(t) ? ELO_ONEWIRE_NOBODY : ELO_ONEWIRE_STUCK;
}

static void line_write(void *ctx, bool bit)
{
    (void)ctx;
    (void)bit;
}

static bool line_read(void *ctx)
{
    return tape_bit(ctx);
}

static void line_feed(void *ctx, bool on)
{
    (void)ctx;
    (void)on;
}

static void ds18b20_machine(const uint8_t *data, size_t size, bool can_feed)
{
    struct tape t = {data, size, 0, false};
    struct elo_onewire bus = {line_reset, line_write, line_read, can_feed ? line_feed : NULL, &t};
    struct elo_onewire_rom *roms = malloc(3 * sizeof *roms);
    struct elo_ds18b20 d;
    uint32_t now = 0;
    require(roms != NULL);
    elo_ds18b20_init(&d, &bus, roms, 3, 2000, now);
    for (unsigned ticks = 0; t.bit / 8 < t.size; ticks++) {
        struct elo_reading r = {.source = me};
        uint8_t index = 9;
        require(ticks < 100 + size * 40);
        uint32_t next = elo_ds18b20_next_deadline(&d);
        require(next - now <= 2000);
        now = next;
        if (elo_ds18b20_tick(&d, now, &index, &r)) {
            require(index < 3);
            check(&r);
        }
        require(elo_ds18b20_count(&d) <= 3);
    }
    free(roms);
}

static void bme280(elo_bme280_kind kind, const uint8_t *data, size_t size)
{
    struct elo_bme280_trim trim;
    struct elo_reading r = {.source = me};
    size_t hum = kind == ELO_BME280_BME ? ELO_BME280_TRIM_HUM_BYTES : 0;
    size_t len = kind == ELO_BME280_BME ? ELO_BME280_DATA_BYTES : ELO_BME280_DATA_BYTES - 2;
    if (size < ELO_BME280_TRIM_BYTES + hum + len) {
        return;
    }
    uint8_t *copy = copy_of(data, ELO_BME280_TRIM_BYTES + hum + len);
    elo_err err = elo_bme280_read_trim(copy, hum != 0 ? copy + ELO_BME280_TRIM_BYTES : NULL, &trim);
    require(err == ELO_OK || err == ELO_E_SENSOR_FRAME);
    require(elo_bme280_read_data(kind, &trim, copy + ELO_BME280_TRIM_BYTES + hum, &r) == r.error);
    check(&r);
    free(copy);
}

static bool i2c_write(void *ctx, uint8_t address, const uint8_t *bytes, size_t len)
{
    (void)bytes;
    require(address == ELO_BME280_LOW || address == ELO_BME280_HIGH);
    require(len == 1 || len == 2);
    return tape_byte(ctx) != 0x55;
}

static bool i2c_read(void *ctx, uint8_t address, uint8_t *bytes, size_t len)
{
    (void)address;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = tape_byte(ctx);
    }
    return tape_byte(ctx) != 0x55;
}

static void bme280_machine(const uint8_t *data, size_t size)
{
    struct tape t = {data, size, 0, true};
    struct elo_i2c i2c = {i2c_write, i2c_read, &t};
    struct elo_bme280 d;
    uint32_t now = 77;
    elo_bme280_init(&d, &i2c, ELO_BME280_ANY, 1000, now);
    for (unsigned ticks = 0; t.bit / 8 < t.size; ticks++) {
        struct elo_reading r = {.source = me};
        require(ticks < 100 + size * 4);
        uint32_t next = elo_bme280_next_deadline(&d);
        require(next - now <= 1000);
        now = next;
        if (elo_bme280_tick(&d, now, &r)) {
            check(&r);
            require((elo_bme280_get_kind(&d) == ELO_BME280_UNKNOWN) == (r.error != ELO_OK));
        }
    }
}

static void analog(const uint8_t *data, size_t size)
{
    struct elo_analog a;
    struct elo_reading r = {.source = me};
    elo_analog_init(&a, (uint16_t)(size << 9 | 1));
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint16_t sample = (uint16_t)((data[i] << 8 | data[i + 1]) & 0x7FF);
        if (elo_analog_add(&a, sample, &r)) {
            check(&r);
            require(r.error == ELO_OK || sample > ELO_ANALOG_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096) {
        return 0;
    }
    elo_dht_kind kind = (data[0] & 0x80) != 0 ? ELO_DHT11 : ELO_DHT22;
    elo_bme280_kind chip = (data[0] & 0x80) != 0 ? ELO_BME280_BMP : ELO_BME280_BME;
    const uint8_t *rest = data + 1;
    size--;
    switch (data[0] & 7) {
    case 0:
        dht(kind, rest, size);
        break;
    case 1:
        dht_machine(kind, rest, size);
        break;
    case 2:
        scratchpad(rest, size);
        break;
    case 3:
        ds18b20_machine(rest, size, (data[0] & 0x80) != 0);
        break;
    case 4:
        bme280(chip, rest, size);
        break;
    case 5:
        bme280_machine(rest, size);
        break;
    default:
        analog(rest, size);
        break;
    }
    return 0;
}
