// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a struct elo_board of the core's functions, and one step of the station in each
 * loop(), as a whole on the core's second stack: its link is in there.
 */
#include "EloStation.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/flash.h"
#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"
#include "elo/port/esp8266/wifi.h"
#include "elo/port/esp8266/words.h"

#include <ESP8266WiFi.h>
#include <LittleFS.h>

static const uint32_t SLOTS_BYTES = 2 * ELO_FLASH_SECTOR;
static const uint16_t SLOT_STATION = 1;
static const uint16_t PORT = 8883, ALPN_PORT = 443;
static const uint32_t DHT_MS = 2500;

/* AWS: MQTT with a client certificate on port 443 ("Device communication protocols"). */
static const char *const ALPN[] = {"x-amzn-mqtt-ca"};

/* --- pins ----------------------------------------------------------------------------------------
 */

void EloStation::setRelay(void *ctx, bool on)
{
    const EloParts &p = self(ctx)->_parts;
    digitalWrite(p.relay, on != p.relayLow ? HIGH : LOW);
}

void EloStation::setLed(void *ctx, bool on)
{
    const EloParts &p = self(ctx)->_parts;
    digitalWrite(p.led, on != p.ledLow ? HIGH : LOW);
}

bool EloStation::buttonDown(void *ctx)
{
    return digitalRead(self(ctx)->_parts.button) == LOW;
}

/* The interrupt knows no object; there is one sensor. */
static struct elo_dht *listening;

static void IRAM_ATTR onEdge()
{
    elo_dht_edge(listening, micros());
}

/* One small step of the sensor's conversation. */
void EloStation::measure(uint32_t now)
{
    uint8_t pin = _parts.dht22 != EloParts::NONE ? _parts.dht22 : _parts.dht11;
    if (!_hasDht || (int32_t)(now - elo_dht_next_deadline(&_dht)) < 0) {
        return;
    }
    switch (elo_dht_tick(&_dht, now, &_reading)) {
    case ELO_DHT_PULL:
        detachInterrupt(digitalPinToInterrupt(pin));
        pinMode(pin, OUTPUT);
        digitalWrite(pin, LOW);
        break;
    case ELO_DHT_LISTEN:
        listening = &_dht;
        pinMode(pin, INPUT_PULLUP);
        attachInterrupt(digitalPinToInterrupt(pin), onEdge, FALLING);
        break;
    default:
        detachInterrupt(digitalPinToInterrupt(pin));
        pinMode(pin, INPUT_PULLUP);
        break;
    }
}

void EloStation::read(void *ctx, struct elo_board_reading *out)
{
    EloStation *s = self(ctx);
    memset(out, 0, sizeof *out);
    if (s->_parts.analog) {
        out->has_analog = true;
        out->analog = analogRead(A0);
    }
    if (s->_hasDht && s->_reading.error == ELO_OK) {
        out->has_celsius = (s->_reading.has & ELO_READING_TEMPERATURE) != 0;
        out->has_humidity = (s->_reading.has & ELO_READING_HUMIDITY) != 0;
        out->centi_celsius = s->_reading.centi_celsius;
        out->centi_percent = s->_reading.centi_percent;
        out->source = s->_reading.source;
    }
}

void EloStation::beginParts()
{
    const EloParts &p = _parts;
    if (p.led != EloParts::NONE) {
        pinMode(p.led, OUTPUT);
        setLed(this, false);
    }
    if (p.relay != EloParts::NONE) {
        setRelay(this, false); /* before it is an output: no click */
        pinMode(p.relay, OUTPUT);
    }
    if (p.button != EloParts::NONE) {
        pinMode(p.button, INPUT_PULLUP);
    }
    _hasDht = p.dht22 != EloParts::NONE || p.dht11 != EloParts::NONE;
    if (_hasDht) {
        bool is22 = p.dht22 != EloParts::NONE;
        _reading.source = is22 ? "DHT22" : "DHT11";
        elo_dht_init(&_dht, is22 ? ELO_DHT22 : ELO_DHT11, DHT_MS, millis());
    }
}

/* --- the board -----------------------------------------------------------------------------------
 */

void EloStation::join(void *ctx)
{
    EloStation *s = self(ctx);
    if (!s->_joined) {
        elo_wifi_begin(s->_bundle.ssid, s->_bundle.password, nullptr);
    }
    s->_joined = true;
}

void EloStation::leave(void *ctx)
{
    self(ctx)->_joined = false;
    WiFi.disconnect();
}

elo_wifi EloStation::wifiStatus(void *ctx, int *out_rssi)
{
    *out_rssi = 0;
    if (!self(ctx)->_joined) {
        return ELO_WIFI_OFF;
    }
    if (elo_wifi_up()) {
        *out_rssi = WiFi.RSSI();
        return ELO_WIFI_JOINED;
    }
    switch (elo_wifi_reason()) {
    case 0:
        return ELO_WIFI_JOINING;
    case WIFI_DISCONNECT_REASON_NO_AP_FOUND:
        return ELO_WIFI_NO_NETWORK;
    case WIFI_DISCONNECT_REASON_AUTH_FAIL:
    case WIFI_DISCONNECT_REASON_4WAY_HANDSHAKE_TIMEOUT:
    case WIFI_DISCONNECT_REASON_HANDSHAKE_TIMEOUT:
        return ELO_WIFI_WRONG_PASSWORD;
    default:
        return ELO_WIFI_FAILED;
    }
}

void EloStation::health(void *, struct elo_board_health *out)
{
    out->heap_free = ESP.getFreeHeap();
    out->heap_block = ESP.getMaxFreeBlockSize();
    out->stack_free = ESP.getFreeContStack();
}

elo_err EloStation::keep(void *ctx, elo_span bytes)
{
    return elo_slots_write(&self(ctx)->_slots, SLOT_STATION, bytes);
}

elo_err EloStation::recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    return elo_slots_read(&self(ctx)->_slots, SLOT_STATION, out, cap, out_len);
}

void EloStation::restart(void *)
{
    ESP.restart();
}

void EloStation::makeBoard()
{
    _board.ctx = this;
    _board.name = "esp8266";
    _board.reset = elo_esp8266_reset();
    _board.relay = _parts.relay != EloParts::NONE ? setRelay : nullptr;
    _board.led = _parts.led != EloParts::NONE ? setLed : nullptr;
    _board.button = _parts.button != EloParts::NONE ? buttonDown : nullptr;
    _board.read = read;
    _board.wifi_join = join;
    _board.wifi_leave = leave;
    _board.wifi_status = wifiStatus;
    _board.wall = elo_esp8266_now_unix;
    _board.entropy = elo_esp8266_entropy;
    _board.health = health;
    _board.keep = keep;
    _board.recall = recall;
    _board.restart = restart;
}

/* --- beginning -----------------------------------------------------------------------------------
 */

elo_err EloStation::load()
{
    struct elo_esp8266_sources files = {};
    _texts = {_names, sizeof _names, 0};
    elo_err err = elo_esp8266_stack_begin();
    if (err == ELO_OK) {
        err = elo_esp8266_bundle_load(&_bundle, &_texts, &_memory.decoding);
    }
    if (err == ELO_OK) {
        err = elo_esp8266_credentials_init(&_credentials, &files, _identity, sizeof _identity,
                                           &_memory.decoding);
    }
    if (err == ELO_OK && (_bundle.host == nullptr || _bundle.client_id == nullptr ||
                          _bundle.prefix == nullptr || _bundle.ssid == nullptr)) {
        err = ELO_E_USAGE;
    }
    memset(&_memory, 0, sizeof _memory);
    return err;
}

elo_err EloStation::mount()
{
    elo_err err = elo_esp8266_flash(&_slotsFlash, 0, SLOTS_BYTES);
    if (err == ELO_OK) {
        err = elo_esp8266_flash(&_queueFlash, SLOTS_BYTES, _parts.queue);
    }
    if (err == ELO_OK) {
        err = elo_slots_init(&_slots, &_slotsFlash);
    }
    if (err == ELO_OK) {
        err = elo_queue_mount(&_queue, &_queueFlash, ELO_QUEUE_DROP_OLDEST);
    }
    return err;
}

void EloStation::makeConfig()
{
    struct elo_station_config *c = &_config;
    elo_station_defaults(c);
    c->board = &_board;
    c->queue = &_queue;
    c->is_set_up = _error == ELO_OK;
    c->net = elo_esp8266_net(&_net);
    c->tls.profile = &elo_tls_profile_aws_small;
    c->tls.handshake = &_memory.handshake;
    c->tls.host = _bundle.server_name != nullptr ? _bundle.server_name : _bundle.host;
    c->tls.anchors = &_credentials.anchors;
    c->tls.identity = &_credentials.identity;
    c->tls.input = _memory.input;
    c->tls.input_cap = sizeof _memory.input;
    c->tls.output = _memory.output;
    c->tls.output_cap = sizeof _memory.output;
    c->port = _bundle.port != 0 ? _bundle.port : PORT;
    if (c->port == ALPN_PORT) {
        c->tls.alpn = ALPN;
        c->tls.alpn_count = 1;
        c->tls.require_alpn = true;
    }
    c->address = _bundle.host;
    c->client_id = _bundle.client_id;
    c->prefix = _bundle.prefix;
    c->keep_session = true;
    c->small_steps = true;
    c->interval_s = _parts.interval;
    c->rx = _rx;
    c->rx_size = sizeof _rx;
    c->tx = _tx;
    c->tx_size = sizeof _tx;
    c->outbox = _outbox;
    c->outbox_size = sizeof _outbox;
    c->scratch = _scratch;
    c->scratch_size = sizeof _scratch;
    c->tell = onNews;
    c->tell_ctx = this;
}

bool EloStation::begin(const EloParts &parts)
{
    _begun = false;
    _parts = parts;
    beginParts();
    LittleFSConfig files;
    files.setAutoFormat(false);
    LittleFS.setConfig(files);
    LittleFS.begin();
    _error = load();
    LittleFS.end();
    elo_err err = mount();
    if (err == ELO_OK) {
        makeBoard();
        makeConfig();
        elo_esp8266_ask_time("pool.ntp.org", "time.cloudflare.com", "time.google.com");
        err = elo_station_init(&_station, &_config, millis());
    }
    _begun = err == ELO_OK;
    if (err != ELO_OK) {
        _error = err;
    }
    return _error == ELO_OK;
}

/* --- going on ------------------------------------------------------------------------------------
 */

void EloStation::loop()
{
    uint32_t now = millis();
    measure(now);
    elo_wifi_step(now);
    if (_begun && !_inside) { /* the core runs scheduled functions while TLS computes */
        _inside = true;
        elo_esp8266_station_step(&_station, now);
        _inside = false;
    }
}

bool EloStation::online() const
{
    return _begun && elo_station_is_online(&_station);
}

size_t EloStation::waiting() const
{
    return _begun ? elo_station_pending(&_station) : 0;
}

/* --- in words ------------------------------------------------------------------------------------
 */

const __FlashStringHelper *EloStation::why() const
{
    if (_error == ELO_E_UNSUPPORTED) {
        return F("E-UNSUPPORTED: The flash layout has no room for the queue: choose "
                 "\"4MB (FS:2MB OTA:~1019KB)\".");
    }
    if (_error == ELO_E_USAGE) {
        return F("E-USAGE: LittleFS names no host, client id, prefix or ssid: upload a bundle's "
                 "files and wifi.json.");
    }
    return FPSTR(elo_words(_error));
}

void EloStation::explain(Print &out) const
{
    if (_error != ELO_OK) {
        out.println(why());
    }
    for (int layer = ELO_STATION_WIFI; _begun && layer < ELO_STATION_LAYERS; layer++) {
        char line[80];
        elo_station_status(&_station, (elo_station_layer)layer, line, sizeof line);
        out.println(line);
    }
}

void EloStation::onNews(void *ctx, const struct elo_station_news *news)
{
    Print *out = self(ctx)->_log;
    if (out == nullptr) {
        return;
    }
    switch (news->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        out->print(F("telemetry "));
        out->write(news->u.text.ptr, news->u.text.len);
        out->println();
        break;
    case ELO_STATION_NEWS_COMMAND:
        out->println(news->u.command.accepted ? F("command obeyed") : F("command refused"));
        break;
    case ELO_STATION_NEWS_DROPPED:
        out->println(F("the queue is full: older messages were given up"));
        break;
    case ELO_STATION_NEWS_CLIENT:
        if (news->u.client->type == ELO_CLIENT_CONNECTED) {
            out->println(F("online"));
        } else if (news->u.client->type == ELO_CLIENT_DISCONNECTED) {
            out->println(FPSTR(elo_words(news->u.client->u.disconnected.reason)));
        }
        break;
    default:
        break;
    }
}

#endif
