// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/sensors.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <Arduino.h>
#include <twi.h>

static const uint32_t INTERVAL_MS = 2500; /* between two readings; telemetry takes the last */
static const uint32_t I2C_HZ = 100000;
static const uint32_t I2C_STRETCH_US = 300; /* neither chip stretches the clock */

/* --- DHT11, DHT22 --------------------------------------------------------------------------------
 */

static struct elo_dht *listening;

static void IRAM_ATTR onEdge()
{
    elo_dht_edge(listening, micros());
}

static bool step_dht(struct elo_esp8266_sensor *s, uint32_t now)
{
    uint8_t pin = s->_internal.pin;
    elo_dht_wish wish = elo_dht_tick(&s->_internal.u.dht, now, &s->reading);
    switch (wish) {
    case ELO_DHT_PULL:
        detachInterrupt(digitalPinToInterrupt(pin));
        pinMode(pin, OUTPUT);
        digitalWrite(pin, LOW);
        break;
    case ELO_DHT_LISTEN:
        listening = &s->_internal.u.dht;
        pinMode(pin, INPUT_PULLUP);
        attachInterrupt(digitalPinToInterrupt(pin), onEdge, FALLING);
        break;
    default:
        detachInterrupt(digitalPinToInterrupt(pin));
        pinMode(pin, INPUT_PULLUP);
        break;
    }
    return wish == ELO_DHT_READING;
}

/* --- 1-Wire: the slots as onewire.h has them -----------------------------------------------------
 */

static uint8_t pin_of(void *ctx)
{
    return ((const struct elo_esp8266_sensor *)ctx)->_internal.pin;
}

/* The output is low for good (wire_reset): the line is pulled by switching it on. By register, for
 * the core's functions take as long as a slot allows. */
static inline void pull(uint8_t pin)
{
    GPES = 1u << pin;
}

static inline void release(uint8_t pin)
{
    GPEC = 1u << pin;
}

static inline bool is_high(uint8_t pin)
{
    return (GPI >> pin & 1u) != 0;
}

static elo_onewire_presence wire_reset(void *ctx)
{
    uint8_t pin = pin_of(ctx);
    pinMode(pin, INPUT);
    digitalWrite(pin, LOW);
    delayMicroseconds(5);
    if (!is_high(pin)) {
        return ELO_ONEWIRE_STUCK;
    }
    pull(pin);
    delayMicroseconds(480);
    release(pin);
    delayMicroseconds(70);
    bool present = !is_high(pin);
    delayMicroseconds(410);
    if (!is_high(pin)) {
        return ELO_ONEWIRE_STUCK;
    }
    return present ? ELO_ONEWIRE_PRESENT : ELO_ONEWIRE_NOBODY;
}

static void IRAM_ATTR wire_write(void *ctx, bool bit)
{
    uint8_t pin = pin_of(ctx);
    unsigned low = bit ? 6 : 60;
    if (bit) {
        noInterrupts(); /* a longer low would be a 0 */
    }
    pull(pin);
    delayMicroseconds(low);
    release(pin);
    interrupts();
    delayMicroseconds(71 - low);
}

static bool IRAM_ATTR wire_read(void *ctx)
{
    uint8_t pin = pin_of(ctx);
    noInterrupts();
    pull(pin);
    delayMicroseconds(3);
    release(pin);
    delayMicroseconds(8); /* 15 us after the low began is the last moment; calls take some */
    bool bit = is_high(pin);
    interrupts();
    delayMicroseconds(60);
    return bit;
}

/* --- I2C -----------------------------------------------------------------------------------------
 */

static bool i2c_write(void *, uint8_t address, const uint8_t *bytes, size_t len)
{
    return twi_writeTo(address, (unsigned char *)bytes, (unsigned int)len, true) == 0;
}

static bool i2c_read(void *, uint8_t address, uint8_t *bytes, size_t len)
{
    return twi_readFrom(address, bytes, (unsigned int)len, true) == 0;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static void begin_ds18b20(struct elo_esp8266_sensor *s, uint32_t now)
{
    s->_internal.wire.reset = wire_reset;
    s->_internal.wire.write_bit = wire_write;
    s->_internal.wire.read_bit = wire_read;
    s->_internal.wire.ctx = s;
    elo_ds18b20_init(&s->_internal.u.ds18b20, &s->_internal.wire, &s->_internal.rom, 1, INTERVAL_MS,
                     now);
}

static void begin_bme280(struct elo_esp8266_sensor *s, uint8_t scl, uint32_t now)
{
    s->_internal.i2c.write = i2c_write;
    s->_internal.i2c.read = i2c_read;
    twi_init(s->_internal.pin, scl);
    twi_setClock(I2C_HZ);
    twi_setClockStretchLimit(I2C_STRETCH_US); /* else a clock that is stuck costs seconds */
    (void)twi_status(); /* frees a chip that was left in the middle of a byte by a reset */
    elo_bme280_init(&s->_internal.u.bme280, &s->_internal.i2c, ELO_BME280_ANY, INTERVAL_MS, now);
}

void elo_esp8266_sensor_begin(struct elo_esp8266_sensor *s,
                              const struct elo_settings *settings,
                              uint32_t now_ms)
{
    memset(s, 0, sizeof *s);
    s->_internal.pin = settings->pins[ELO_ROLE_SENSOR];
    if (s->_internal.pin == ELO_PIN_NONE) {
        return;
    }
    s->_internal.kind = settings->sensor;
    switch (settings->sensor) {
    case ELO_SENSOR_DHT22:
    case ELO_SENSOR_DHT11: {
        bool is22 = settings->sensor == ELO_SENSOR_DHT22;
        s->reading.source = is22 ? "DHT22" : "DHT11";
        elo_dht_init(&s->_internal.u.dht, is22 ? ELO_DHT22 : ELO_DHT11, INTERVAL_MS, now_ms);
        break;
    }
    case ELO_SENSOR_DS18B20:
        s->reading.source = "DS18B20";
        begin_ds18b20(s, now_ms);
        break;
    case ELO_SENSOR_BME280:
        s->reading.source = "BME280";
        begin_bme280(s, settings->pins[ELO_ROLE_SCL], now_ms);
        break;
    default:
        break;
    }
}

static bool is_due(const struct elo_esp8266_sensor *s, uint32_t now)
{
    uint32_t at;
    switch (s->_internal.kind) {
    case ELO_SENSOR_DHT22:
    case ELO_SENSOR_DHT11:
        at = elo_dht_next_deadline(&s->_internal.u.dht);
        break;
    case ELO_SENSOR_DS18B20:
        at = elo_ds18b20_next_deadline(&s->_internal.u.ds18b20);
        break;
    case ELO_SENSOR_BME280:
        at = elo_bme280_next_deadline(&s->_internal.u.bme280);
        break;
    default:
        return false;
    }
    return (int32_t)(now - at) >= 0;
}

bool elo_esp8266_sensor_step(struct elo_esp8266_sensor *s, uint32_t now_ms)
{
    uint8_t index;
    bool fresh;
    if (!is_due(s, now_ms)) {
        return false;
    }
    switch (s->_internal.kind) {
    case ELO_SENSOR_DS18B20:
        fresh = elo_ds18b20_tick(&s->_internal.u.ds18b20, now_ms, &index, &s->reading);
        break;
    case ELO_SENSOR_BME280:
        fresh = elo_bme280_tick(&s->_internal.u.bme280, now_ms, &s->reading);
        if (fresh && elo_bme280_get_kind(&s->_internal.u.bme280) == ELO_BME280_BMP) {
            s->reading.source = "BMP280";
        }
        if (fresh && s->reading.error != ELO_OK) {
            (void)twi_status();
        }
        break;
    default:
        fresh = step_dht(s, now_ms);
        break;
    }
    s->_internal.fresh = s->_internal.fresh || fresh;
    return fresh;
}

void elo_esp8266_sensor_tell(const struct elo_esp8266_sensor *s, struct elo_board_reading *out)
{
    const struct elo_reading *r = &s->reading;
    if (!s->_internal.fresh || r->error != ELO_OK) {
        return;
    }
    out->source = r->source;
    out->has_celsius = (r->has & ELO_READING_TEMPERATURE) != 0;
    out->centi_celsius = r->centi_celsius;
    out->has_humidity = (r->has & ELO_READING_HUMIDITY) != 0;
    out->centi_percent = r->centi_percent;
    out->has_pressure = (r->has & ELO_READING_PRESSURE) != 0;
    out->deci_hpa = (int32_t)((r->pascal + 5) / 10);
}

#endif
