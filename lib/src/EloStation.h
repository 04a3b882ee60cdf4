// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * EloStation: the whole firmware of elo/station/station.h on an ESP8266. The sketch says what hangs
 * on which pin and calls loop(); everything else is the application's, the same that `elo device`
 * runs on a PC: telemetry through a queue in flash that survives the power, commands with replies,
 * state, a description of itself, health, an LED that speaks.
 *
 *     #include <EloStation.h>
 *
 *     EloStation station;
 *
 *     void setup() {
 *         EloParts parts;
 *         parts.relay = D5;
 *         parts.dht22 = D2;
 *         station.begin(parts);
 *     }
 *
 *     void loop() { station.loop(); }
 *
 * Who the board is, where it connects and its Wi-Fi come from LittleFS, as for EloDevice. The queue
 * and the station's own memory lie in a part of the flash chip that no upload touches; the board's
 * flash layout must leave room for it (elo/port/esp8266/flash.h): "4MB (FS:2MB OTA:~1019KB)" does.
 *
 * begin() waits for nothing; loop() takes a small step, as EloDevice's. Memory: everything is in
 * the object, about 17 KB, make it a global; the core's second stack (6.2 KB) on the heap.
 */
#ifndef ELO_STATION_H
#define ELO_STATION_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo.h"
#include "elo/port/esp8266/bundle.h"
#include "elo/port/esp8266/credentials.h"
#include "elo/port/esp8266/net.h"
#include "elo/sensor/dht.h"
#include "elo/store/queue.h"
#include "elo/store/slots.h"

#include <Arduino.h>

/* GPIO numbers; NONE: not there. */
struct EloParts {
    static const uint8_t NONE = 255;
    uint8_t led = LED_BUILTIN;
    bool ledLow = true; /* it lights at LOW, as the one on most boards does */
    uint8_t relay = NONE;
    bool relayLow = false; /* it closes at LOW */
    uint8_t button = 0;    /* FLASH; down at LOW */
    uint8_t dht22 = NONE;  /* a temperature and humidity sensor's data line */
    uint8_t dht11 = NONE;
    bool analog = true; /* the analog input is part of the telemetry */

    uint16_t interval = 10;     /* seconds between readings, until a command says another */
    uint32_t queue = 64 * 1024; /* bytes of flash for what waits, a multiple of 4096 */
};

class EloStation
{
  public:
    /* False: why(). With anything wrong but the flash the station runs in SETUP and measures. */
    bool begin(const EloParts &parts);
    void loop();

    bool online() const;
    size_t waiting() const;

    /* One line a layer: Wi-Fi, time, TLS, MQTT, outbox. */
    void explain(Print &out) const;
    const __FlashStringHelper *why() const;

    /* What happens is told to `out`, a line each; nullptr: to nobody. */
    void log(Print *out)
    {
        _log = out;
    }

    /* For what this class leaves out. */
    struct elo_station *station()
    {
        return &_station;
    }

  private:
    static void onNews(void *ctx, const struct elo_station_news *news);
    static void setRelay(void *ctx, bool on);
    static void setLed(void *ctx, bool on);
    static bool buttonDown(void *ctx);
    static void read(void *ctx, struct elo_board_reading *out);
    static void join(void *ctx);
    static void leave(void *ctx);
    static elo_wifi wifiStatus(void *ctx, int *out_rssi);
    static void health(void *ctx, struct elo_board_health *out);
    static elo_err keep(void *ctx, elo_span bytes);
    static elo_err recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    static void restart(void *ctx);
    static EloStation *self(void *ctx)
    {
        return (EloStation *)ctx;
    }
    elo_err load();
    elo_err mount();
    void makeBoard();
    void makeConfig();
    void beginParts();
    void measure(uint32_t now);

    EloParts _parts;
    struct elo_station _station = {};
    struct elo_station_config _config = {};
    struct elo_board _board = {};
    struct elo_bundle _bundle = {};
    struct elo_texts _texts = {};
    struct elo_esp8266_credentials _credentials = {};
    struct elo_esp8266_net _net = {};
    struct elo_flash_dev _slotsFlash = {}, _queueFlash = {};
    struct elo_slots _slots = {};
    struct elo_queue _queue = {};
    struct elo_dht _dht = {};
    struct elo_reading _reading = {};
    union {
        struct {
            struct elo_tls_handshake handshake;
            uint8_t input[ELO_TLS_INPUT_BYTES(1024)], output[ELO_TLS_OUTPUT_BYTES(1024)];
        };
        struct elo_esp8266_decoding decoding; /* during begin() */
    } _memory = {};
    uint8_t _identity[1280], _rx[512], _tx[256], _outbox[1536], _scratch[ELO_STATION_SCRATCH_MIN];
    char _names[512];
    Print *_log = nullptr;
    elo_err _error = ELO_OK;
    bool _begun = false, _hasDht = false, _joined = false, _inside = false;
};

#endif
#endif
