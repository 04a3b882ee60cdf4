// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One of the sensors of elo/sensor on the chip's pins: DHT11 and DHT22 by interrupt, the DS18B20
 * with 1-Wire slots made by hand, BME280 and BMP280 over the core's I2C. Which one and where, the
 * settings say (setup/settings.h).
 *
 * Life cycle: begin, then a step in every loop(). A step takes 1 ms at most (a DS18B20's search
 * 1.7, an I2C transfer 2.7); it never waits for a measurement. Interrupts are held off for 15 us at
 * most. One in a program: the interrupt knows no object. Memory: the struct, in place.
 */
#ifndef ELO_PORT_ESP8266_SENSORS_H
#define ELO_PORT_ESP8266_SENSORS_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/sensor/bme280.h"
#include "elo/sensor/dht.h"
#include "elo/sensor/ds18b20.h"
#include "elo/setup/settings.h"
#include "elo/station/board.h"

#ifdef __cplusplus
extern "C" {
#endif

struct elo_esp8266_sensor {
    struct elo_reading reading; /* the last; its `error` says why there is none */
    struct {
        uint8_t kind; /* elo_sensor */
        uint8_t pin;
        bool fresh; /* there was a reading, or an error, since it began */
        struct elo_onewire wire;
        struct elo_onewire_rom rom;
        struct elo_i2c i2c;
        union {
            struct elo_dht dht;
            struct elo_ds18b20 ds18b20;
            struct elo_bme280 bme280;
        } u;
    } _internal;
};

/* ELO_SENSOR_NONE is a sensor, too: it never reads anything. */
void elo_esp8266_sensor_begin(struct elo_esp8266_sensor *s,
                              const struct elo_settings *settings,
                              uint32_t now_ms);

/* True: `reading` is new. */
bool elo_esp8266_sensor_step(struct elo_esp8266_sensor *s, uint32_t now_ms);

/* Adds what was read last to a reading of the board. */
void elo_esp8266_sensor_tell(const struct elo_esp8266_sensor *s, struct elo_board_reading *out);

#ifdef __cplusplus
}
#endif

#endif
#endif
