// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * EloStation: the whole firmware of elo/station/provision.h on an ESP8266, the same that the PC and
 * the emulated board run. A board is flashed once; who it is, its Wi-Fi, its sensor and its pins it
 * is told later, over the serial line (`elo add NAME --port`, or typed) or by the web page of its
 * own Wi-Fi. Nothing is saved that did not work.
 *
 *     #include <EloStation.h>
 *
 *     EloStation station;
 *
 *     void setup() {
 *         Serial.begin(115200);
 *         station.begin(Serial);
 *     }
 *
 *     void loop() { station.loop(); }
 *
 * Set-up
 *   A board that was told nothing yet, that was started five times in a row, or whose button was
 *   held for 5 s, opens a Wi-Fi "elo-" and six digits, with a password, and the page is on
 *   http://192.168.4.1. The password is the sketch's (EloParts.setupPassword), or twelve letters
 *   and digits that the board makes on its first start and tells on the serial line. While it tries
 *   a network it hears that network's channel: a phone may have to join the board's again. The
 *   serial line is open all the time: `help` tells what it knows.
 *
 * Where things are
 *   Settings, certificates, the key, the queue and what a restart must not lose lie in a part of
 * the flash chip that no upload touches (elo/port/esp8266/flash.h), each written so that a power
 * cut leaves the old or the new. The chip's flash layout must leave room: "4MB (FS:2MB
 * OTA:~1019KB)" does. LittleFS is the sketch's; the files of EloDevice are not read. The key is
 * made on the board, P-256, and never leaves it.
 *
 * Time comes from time servers by elo/time: plain NTP, of which nothing is believed that the board
 * knows to be wrong.
 *
 * begin() waits for nothing but the radio, 0.1 s; loop() takes a small step. Pins are outputs once
 * the board was told what hangs there; until then only the LED. Memory: everything is in the
 * object, about 25 KB, make it a global; the core's second stack (6.2 KB), and connections, on the
 * heap.
 */
#ifndef ELO_STATION_H
#define ELO_STATION_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo.h"
#include "elo/port/esp8266/net.h"
#include "elo/port/esp8266/portal.h"
#include "elo/port/esp8266/sensors.h"
#include "elo/port/esp8266/sntp.h"
#include "elo/station/provision.h"
#include "elo/store/queue.h"
#include "elo/store/slots.h"

#include <Arduino.h>

/* What the sketch knows of its board and nobody is asked for. */
struct EloParts {
    bool ledLow = true;                  /* it lights at LOW, as the one on most boards does */
    bool relayLow = false;               /* it closes at LOW */
    bool analog = true;                  /* the analog input is part of the telemetry */
    const char *setupPassword = nullptr; /* of its own Wi-Fi, 8 to 63 characters; must stay */
    uint32_t queue = 64 * 1024;          /* bytes of flash for what waits, a multiple of 4096 */
};

class EloStation
{
  public:
    /* Once. `serial` is read and written from now on: a stream whose availableForWrite() tells its
     * room. False: why(), and there is no station: the flash layout, the memory, or `parts`. */
    bool begin(Stream &serial, const EloParts &parts = EloParts());
    void loop();

    /* Has it been told what it takes to connect? */
    bool isSetUp() const;
    bool online() const;

    /* Telemetry and replies that are not delivered yet. */
    size_t waiting() const;

    /* One line a layer: Wi-Fi, time, TLS, MQTT, outbox. */
    void explain(Print &out) const;
    const __FlashStringHelper *why() const;

    /* "elo-4f22a1": of its own Wi-Fi, and of the board. */
    const char *name() const
    {
        return _id;
    }

    /* For what this class leaves out. */
    struct elo_provision *provision()
    {
        return &_provision;
    }
    struct elo_station *station()
    {
        return &_station;
    }

  private:
    static const size_t FRAGMENT = 512;

    static void onNews(void *ctx, const struct elo_station_news *news);
    static void setRelay(void *ctx, bool on);
    static void setLed(void *ctx, bool on);
    static bool buttonDown(void *ctx);
    static void read(void *ctx, struct elo_board_reading *out);
    static void useWifi(void *ctx, elo_span ssid, const char *passphrase);
    static void join(void *ctx);
    static void leave(void *ctx);
    static elo_wifi wifiStatus(void *ctx, int *out_rssi);
    static void scan(void *ctx);
    static elo_err heard(void *ctx, struct elo_setup_network *out);
    static elo_err resolveTime(void *ctx, uint8_t server);
    static elo_err sendTime(void *ctx, elo_span datagram);
    static elo_err recvTime(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    static void closeTime(void *ctx);
    static void health(void *ctx, struct elo_board_health *out);
    static elo_err keep(void *ctx, elo_span bytes);
    static elo_err recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    static void wantPortal(void *ctx, bool open);
    static elo_err portalRead(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len);
    static size_t portalRoom(void *ctx, unsigned conn);
    static void portalWrite(void *ctx, unsigned conn, elo_span bytes);
    static void portalClose(void *ctx, unsigned conn);
    static elo_err dnsRead(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
    static void dnsWrite(void *ctx, elo_span bytes);
    static size_t consoleRead(void *ctx, uint8_t *out, size_t cap);
    static size_t consoleWrite(void *ctx, elo_span bytes);
    static void restart(void *ctx);
    static EloStation *self(void *ctx)
    {
        return (EloStation *)ctx;
    }

    elo_err mount();
    elo_err makePassword();
    elo_err hostPortal();
    void movePortal(uint32_t now);
    void measure(uint32_t now);
    elo_err judge() const;
    void makeBoard();
    void makeConfig();
    void beginParts();
    void say(const __FlashStringHelper *what, elo_span more);
    uint8_t pin(elo_role role) const
    {
        return _provision.stored.pins[role];
    }

    EloParts _parts;
    Stream *_serial = nullptr;
    struct elo_provision _provision = {};
    struct elo_provision_config _config = {};
    struct elo_station _station = {};
    struct elo_station_config _stationConfig = {};
    struct elo_clock_config _clock = {};
    struct elo_board _board = {};
    struct elo_esp8266_net _net = {};
    struct elo_esp8266_sntp _sntp = {};
    struct elo_esp8266_portal _portal = {};
    struct elo_esp8266_sensor _sensor = {};
    struct elo_portal_conn _conns[ELO_ESP8266_PORTAL_CONNS] = {};
    struct elo_flash_dev _slotsFlash = {}, _queueFlash = {};
    struct elo_slots _slots = {};
    struct elo_queue _queue = {};
    struct elo_tls_handshake _handshake = {};
    uint8_t _input[ELO_TLS_INPUT_BYTES(FRAGMENT)], _output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
    uint8_t _bundle[ELO_BUNDLE_TEXT_BYTES];
    uint8_t _rx[512], _tx[256], _scratch[ELO_SETTINGS_BYTES_MAX];
    uint8_t _outbox[ELO_STATION_OUTBOX_BYTES(ELO_SETTINGS_BYTES_MAX)];
    char _id[11] = "", _password[13] = "";
    char _ssid[ELO_SSID_MAX + 1] = "", _passphrase[ELO_PASSPHRASE_MAX + 1] = "";
    elo_err _error = ELO_OK, _sensorError = ELO_OK;
    uint32_t _portalMs = 0; /* of the last try to open it */
    bool _begun = false, _joined = false, _inside = false;
    bool _portalWanted = false, _portalOpen = false, _portalFailed = false;
};

#endif
#endif
