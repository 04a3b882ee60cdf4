// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a struct elo_board of the core's functions, and one step of
 * elo/station/provision.h in each loop(), as a whole on the core's second stack: the Station's link
 * is in there.
 */
#include "EloStation.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/base/version.h"
#include "elo/port/esp8266/flash.h"
#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"
#include "elo/port/esp8266/wifi.h"
#include "elo/port/esp8266/words.h"

/* Four sectors hold both sets of certificates. */
static const uint32_t SLOTS_BYTES = 4 * ELO_FLASH_SECTOR;
enum { SLOT_STATION = 1, SLOT_PASSWORD = 2 };

static const uint32_t PORTAL_RETRY_MS = 30000;
static const uint8_t ADDRESS[4] = {192, 168, 4, 1}; /* of the core's access point */

static const char *const TIME_SERVERS[] = {"pool.ntp.org", "time.cloudflare.com", "time.google.com",
                                           "time.aws.com"};

/* --- pins ----------------------------------------------------------------------------------------
 */

void EloStation::setRelay(void *ctx, bool on)
{
    EloStation *s = self(ctx);
    digitalWrite(s->pin(ELO_ROLE_RELAY), on != s->_parts.relayLow ? HIGH : LOW);
}

void EloStation::setLed(void *ctx, bool on)
{
    EloStation *s = self(ctx);
    digitalWrite(s->pin(ELO_ROLE_LED), on != s->_parts.ledLow ? HIGH : LOW);
}

bool EloStation::buttonDown(void *ctx)
{
    return digitalRead(self(ctx)->pin(ELO_ROLE_BUTTON)) == LOW;
}

void EloStation::read(void *ctx, struct elo_board_reading *out)
{
    EloStation *s = self(ctx);
    memset(out, 0, sizeof *out);
    if (s->_parts.analog) {
        out->has_analog = true;
        out->analog = analogRead(A0);
    }
    elo_esp8266_sensor_tell(&s->_sensor, out);
}

/* What the settings say hangs there; a board that was told nothing drives nothing but its LED. */
void EloStation::beginParts()
{
    bool told = isSetUp();
    if (pin(ELO_ROLE_LED) != ELO_PIN_NONE) {
        pinMode(pin(ELO_ROLE_LED), OUTPUT);
        setLed(this, false);
        _board.led = setLed;
    }
    if (told && pin(ELO_ROLE_RELAY) != ELO_PIN_NONE) {
        setRelay(this, false); /* before it is an output: no click */
        pinMode(pin(ELO_ROLE_RELAY), OUTPUT);
        _board.relay = setRelay;
    }
    if (pin(ELO_ROLE_BUTTON) != ELO_PIN_NONE) {
        pinMode(pin(ELO_ROLE_BUTTON), INPUT_PULLUP);
        _board.button = buttonDown;
    }
    elo_esp8266_sensor_begin(&_sensor, &_provision.stored, millis());
}

/* What is wrong with the sensor is told once, and again when it is something else. */
void EloStation::measure(uint32_t now)
{
    if (elo_esp8266_sensor_step(&_sensor, now) && _sensor.reading.error != _sensorError) {
        _sensorError = _sensor.reading.error;
        say(_sensorError == ELO_OK ? F("the sensor answers") : FPSTR(elo_words(_sensorError)),
            ELO_SPAN(""));
    }
}

/* --- Wi-Fi, time, memory -------------------------------------------------------------------------
 */

void EloStation::useWifi(void *ctx, elo_span ssid, const char *passphrase)
{
    EloStation *s = self(ctx);
    bool text = ssid.len <= ELO_SSID_MAX && memchr(ssid.ptr, '\0', ssid.len) == nullptr;
    size_t len = text ? ssid.len : 0; /* the core takes texts: no network with a NUL in its name */
    memcpy(s->_ssid, ssid.ptr, len);
    s->_ssid[len] = '\0';
    strncpy(s->_passphrase, passphrase, sizeof s->_passphrase - 1);
    s->_joined = false;
    elo_wifi_end();
}

void EloStation::join(void *ctx)
{
    EloStation *s = self(ctx);
    if (!s->_joined && s->_ssid[0] != '\0') {
        elo_wifi_begin(s->_ssid, s->_passphrase, nullptr);
    }
    s->_joined = true;
}

void EloStation::leave(void *ctx)
{
    self(ctx)->_joined = false;
    elo_wifi_end();
}

elo_wifi EloStation::wifiStatus(void *ctx, int *out_rssi)
{
    const EloStation *s = self(ctx);
    *out_rssi = 0;
    if (!s->_joined) {
        return ELO_WIFI_OFF;
    }
    return s->_ssid[0] != '\0' ? elo_wifi_status(out_rssi) : ELO_WIFI_NO_NETWORK;
}

void EloStation::scan(void *)
{
    elo_wifi_scan();
}

elo_err EloStation::heard(void *, struct elo_setup_network *out)
{
    return elo_wifi_heard(out);
}

elo_err EloStation::resolveTime(void *ctx, uint8_t server)
{
    return elo_esp8266_time_resolve(&self(ctx)->_sntp, server);
}

elo_err EloStation::sendTime(void *ctx, elo_span datagram)
{
    return elo_esp8266_time_send(&self(ctx)->_sntp, datagram);
}

elo_err EloStation::recvTime(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    return elo_esp8266_time_recv(&self(ctx)->_sntp, out, cap, out_len);
}

void EloStation::closeTime(void *ctx)
{
    elo_esp8266_time_close(&self(ctx)->_sntp);
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

/* --- set-up --------------------------------------------------------------------------------------
 */

/* Sixty bits for whoever can read the serial line; the same until the flash is erased. */
elo_err EloStation::makePassword()
{
    static const char letters[] PROGMEM = "23456789abcdefghijkmnpqrstuvwxyz";
    const size_t len = sizeof _password - 1;
    size_t have = 0;
    elo_err err = elo_slots_read(&_slots, SLOT_PASSWORD, _password, len, &have);
    if (err == ELO_OK && have == len) {
        return ELO_OK;
    }
    err = elo_esp8266_entropy(nullptr, (uint8_t *)_password, len);
    for (size_t i = 0; i < len; i++) {
        _password[i] = (char)pgm_read_byte(letters + ((uint8_t)_password[i] & 31));
    }
    return err != ELO_OK ? err
                         : elo_slots_write(&_slots, SLOT_PASSWORD, elo_span_of(_password, len));
}

/* Noted only: it is called on the second stack, and the radio's change of mode yields. */
void EloStation::wantPortal(void *ctx, bool open)
{
    self(ctx)->_portalWanted = open;
}

elo_err EloStation::hostPortal()
{
    const char *password = _parts.setupPassword;
    if (password == nullptr) {
        elo_err err = makePassword();
        if (err != ELO_OK) {
            return err;
        }
        password = _password;
    }
    if (!elo_wifi_host(_id, password)) {
        return ELO_E_IO;
    }
    elo_err err = elo_esp8266_portal_open(&_portal, ADDRESS);
    if (err != ELO_OK) {
        return err;
    }
    say(F("set-up: http://192.168.4.1 in the Wi-Fi "), elo_span_str(_id));
    if (password == _password) {
        say(F("set-up: its password is "), elo_span_str(password));
    }
    return ELO_OK;
}

/* As it was last wished; tried again now and then if it cannot be. */
void EloStation::movePortal(uint32_t now)
{
    if (_portalWanted == _portalOpen || (_portalFailed && now - _portalMs < PORTAL_RETRY_MS)) {
        return;
    }
    _portalMs = now;
    _portalFailed = false;
    elo_err err = _portalWanted ? hostPortal() : ELO_OK;
    if (!_portalWanted || err != ELO_OK) {
        elo_esp8266_portal_close(&_portal);
        elo_wifi_host_end();
    }
    _portalOpen = _portalWanted && err == ELO_OK;
    if (err != ELO_OK) {
        _portalFailed = true;
        say(F("the set-up Wi-Fi cannot be opened; this line is open"), ELO_SPAN(""));
        say(FPSTR(elo_words(err)), ELO_SPAN(""));
    }
}

elo_err EloStation::portalRead(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
{
    return elo_esp8266_portal_read(&self(ctx)->_portal, conn, out, cap, out_len);
}

size_t EloStation::portalRoom(void *ctx, unsigned conn)
{
    return elo_esp8266_portal_room(&self(ctx)->_portal, conn);
}

void EloStation::portalWrite(void *ctx, unsigned conn, elo_span bytes)
{
    elo_esp8266_portal_write(&self(ctx)->_portal, conn, bytes);
}

void EloStation::portalClose(void *ctx, unsigned conn)
{
    elo_esp8266_portal_hang_up(&self(ctx)->_portal, conn);
}

elo_err EloStation::dnsRead(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    return elo_esp8266_dns_read(&self(ctx)->_portal, out, cap, out_len);
}

void EloStation::dnsWrite(void *ctx, elo_span bytes)
{
    elo_esp8266_dns_write(&self(ctx)->_portal, bytes);
}

size_t EloStation::consoleRead(void *ctx, uint8_t *out, size_t cap)
{
    Stream &serial = *self(ctx)->_serial;
    size_t n = 0;
    while (n < cap && serial.available() > 0) {
        out[n++] = (uint8_t)serial.read();
    }
    return n;
}

size_t EloStation::consoleWrite(void *ctx, elo_span bytes)
{
    Stream &serial = *self(ctx)->_serial;
    int room = serial.availableForWrite();
    size_t n = room <= 0 ? 0 : bytes.len < (size_t)room ? bytes.len : (size_t)room;
    return n > 0 ? serial.write(bytes.ptr, n) : 0;
}

/* --- beginning -----------------------------------------------------------------------------------
 */

void EloStation::makeBoard()
{
    memset(&_board, 0, sizeof _board);
    _board.ctx = this;
    _board.name = "esp8266";
    _board.reset = elo_esp8266_reset();
    _board.read = read;
    _board.wifi_use = useWifi;
    _board.wifi_join = join;
    _board.wifi_leave = leave;
    _board.wifi_status = wifiStatus;
    _board.wifi_scan = scan;
    _board.wifi_heard = heard;
    _board.time_resolve = resolveTime;
    _board.time_send = sendTime;
    _board.time_recv = recvTime;
    _board.time_close = closeTime;
    _board.entropy = elo_esp8266_entropy;
    _board.health = health;
    _board.keep = keep;
    _board.recall = recall;
    _board.portal = wantPortal;
    _board.restart = restart;
    _board.console_read = consoleRead;
    _board.console_write = consoleWrite;
    _board.portal_read = portalRead;
    _board.portal_room = portalRoom;
    _board.portal_write = portalWrite;
    _board.portal_close = portalClose;
    memcpy(_board.portal_address, ADDRESS, sizeof ADDRESS);
    _board.dns_read = dnsRead;
    _board.dns_write = dnsWrite;
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
    struct elo_station_config *c = &_stationConfig;
    elo_station_defaults(c);
    elo_clock_defaults(&_clock);
    _clock.servers = sizeof TIME_SERVERS / sizeof *TIME_SERVERS;
    _clock.build_floor = (uint32_t)ELO_TLS_CLOCK_FLOOR;
    _sntp.servers = TIME_SERVERS;
    c->clock = &_clock;
    c->board = &_board;
    c->queue = &_queue;
    c->net = elo_esp8266_net(&_net);
    c->tls.profile = &elo_tls_profile_aws_small;
    c->tls.handshake = &_handshake;
    c->tls.input = _input;
    c->tls.input_cap = sizeof _input;
    c->tls.output = _output;
    c->tls.output_cap = sizeof _output;
    c->keep_session = true;
    c->small_steps = true;
    c->rx = _rx;
    c->rx_size = sizeof _rx;
    c->tx = _tx;
    c->tx_size = sizeof _tx;
    c->outbox = _outbox;
    c->outbox_size = sizeof _outbox;
    c->scratch = _scratch;
    c->scratch_size = sizeof _scratch;
    memset(&_config, 0, sizeof _config);
    _config.station = c;
    _config.memory = &_station;
    _config.slots = &_slots;
    _config.id = _id;
    _config.firmware = "station-" ELO_VERSION;
    _config.bundle = _bundle;
    _config.bundle_size = sizeof _bundle;
    _config.conns = _conns;
    _config.conn_count = ELO_ESP8266_PORTAL_CONNS;
    _config.tell = onNews;
    _config.tell_ctx = this;
}

elo_err EloStation::judge() const
{
    size_t len = _parts.setupPassword != nullptr ? strlen(_parts.setupPassword) : 8;
    return len >= 8 && len <= 63 && _parts.queue % ELO_FLASH_SECTOR == 0 ? ELO_OK : ELO_E_USAGE;
}

bool EloStation::begin(Stream &serial, const EloParts &parts)
{
    if (_begun) {
        return true;
    }
    _serial = &serial;
    _parts = parts;
    snprintf(_id, sizeof _id, "elo-%06x", (unsigned)(ESP.getChipId() & 0xFFFFFF));
    elo_wifi_on(); /* random bytes are better with the radio on */
    _error = judge();
    if (_error == ELO_OK) {
        _error = mount();
    }
    if (_error == ELO_OK) {
        _error = elo_esp8266_stack_begin();
    }
    if (_error == ELO_OK) {
        makeBoard();
        makeConfig();
        _error = elo_esp8266_provision_init(&_provision, &_config, millis());
    }
    _begun = _error == ELO_OK;
    if (_begun) {
        beginParts();
    }
    return _begun;
}

/* --- going on ------------------------------------------------------------------------------------
 */

void EloStation::loop()
{
    uint32_t now = millis();
    if (!_begun || _inside) { /* the core runs scheduled functions while TLS computes */
        return;
    }
    _inside = true;
    measure(now);
    elo_wifi_step(now);
    elo_esp8266_provision_step(&_provision, now);
    movePortal(now);
    _inside = false;
}

bool EloStation::isSetUp() const
{
    return _begun && elo_provision_is_set_up(&_provision);
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
        return F("E-USAGE: EloParts: setupPassword has 8 to 63 characters, queue is a multiple of "
                 "4096.");
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
    if (_sensorError != ELO_OK) {
        out.println(FPSTR(elo_words(_sensorError)));
    }
}

/* A line on the serial console; cut if it is long. */
void EloStation::say(const __FlashStringHelper *what, elo_span more)
{
    char line[120];
    strncpy_P(line, (PGM_P)what, sizeof line - 1);
    line[sizeof line - 1] = '\0';
    size_t len = strlen(line);
    size_t n = more.len < sizeof line - len ? more.len : sizeof line - len;
    memcpy(line + len, more.ptr, n);
    elo_console_say(&_provision.console, elo_span_of(line, len + n));
}

void EloStation::onNews(void *ctx, const struct elo_station_news *news)
{
    EloStation *s = self(ctx);
    switch (news->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        elo_console_say(&s->_provision.console, news->u.text);
        break;
    case ELO_STATION_NEWS_COMMAND:
        s->say(news->u.command.accepted ? F("command obeyed") : F("command refused"), ELO_SPAN(""));
        break;
    case ELO_STATION_NEWS_DROPPED:
        s->say(F("the queue is full: older messages were given up"), ELO_SPAN(""));
        break;
    case ELO_STATION_NEWS_CLIENT:
        if (news->u.client->type == ELO_CLIENT_CONNECTED) {
            s->say(F("online"), ELO_SPAN(""));
        } else if (news->u.client->type == ELO_CLIENT_DISCONNECTED) {
            s->say(FPSTR(elo_words(news->u.client->u.disconnected.reason)), ELO_SPAN(""));
        }
        break;
    default:
        break;
    }
}

#endif
