// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: begin() fills in what the C underneath wants and starts nothing; loop() starts
 * the client once there are an address and the time, steps the link, and hands out events. During
 * begin() the memory of the connection holds the PEM texts and the decoder.
 *
 * The client waits between attempts (backoff). News that makes an attempt worth while at once -
 * Wi-Fi is back - cut the wait short.
 */
#include "EloDevice.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"
#include "elo/port/esp8266/wifi.h"
#include "elo/port/esp8266/words.h"

#include <LittleFS.h>

/* One loop() goes on taking small steps for so long; a long one ends it. */
static const uint32_t LOOP_MS = 20;

/* So long the time may take before that counts as a reason. */
static const uint32_t TIME_MS = 15000;

/* A handshake, computed between the sketch's other duties. */
static const uint32_t HANDSHAKE_MS = 60000;

/* So long sleep() waits for the server's goodbye. */
static const uint32_t GOODBYE_MS = 1500;

static const uint16_t PORT = 8883, ALPN_PORT = 443;

/* AWS: MQTT with a client certificate on port 443 ("Device communication protocols"). */
static const char *const ALPN[] = {"x-amzn-mqtt-ca"};

/* --- beginning -----------------------------------------------------------------------------------
 */

static const char *or_else(const char *text, const char *otherwise)
{
    return text != nullptr ? text : otherwise;
}

bool EloDeviceBase::note(elo_err err)
{
    if (err != ELO_OK) {
        _error = err;
    }
    return err == ELO_OK;
}

bool EloDeviceBase::begin()
{
    return begin(EloConfig());
}

bool EloDeviceBase::begin(const char *ssid, const char *password)
{
    EloConfig config;
    config.ssid = ssid;
    config.password = password;
    return begin(config);
}

/* Wi-Fi begins even if the rest is wrong: a sketch may mend it from there. */
bool EloDeviceBase::begin(const EloConfig &config)
{
    if (_inside) {
        return note(ELO_E_PROTOCOL);
    }
    if (_begun) {
        elo_link_deinit(&_connection.link);
    }
    _begun = _started = _wasUp = false;
    _error = _refused = ELO_OK;
    elo_err err = load(config);
    wake();
    elo_esp8266_ask_time(or_else(config.timeServer1, "pool.ntp.org"),
                         or_else(config.timeServer2, "time.cloudflare.com"), config.timeServer3);
    if (err == ELO_OK) {
        err = prepare(config);
    }
    _begunAt = millis();
    _begun = err == ELO_OK;
    return note(err);
}

static void replace(const char *&in_bundle, const char *given)
{
    in_bundle = or_else(given, in_bundle);
}

elo_err EloDeviceBase::loadFiles(const EloConfig &config)
{
    struct elo_esp8266_sources sources = {config.ca, config.certificate, config.key};
    elo_err err = elo_esp8266_bundle_load(&_bundle, &_texts, &_connection.decoding);
    replace(_bundle.ssid, config.ssid);
    replace(_bundle.password, config.password);
    replace(_bundle.host, config.host);
    replace(_bundle.client_id, config.clientId);
    replace(_bundle.prefix, config.prefix);
    if (config.host != nullptr) {
        _bundle.server_name = nullptr; /* that of another host */
    }
    replace(_bundle.server_name, config.serverName);
    _bundle.port = config.port != 0 ? config.port : _bundle.port != 0 ? _bundle.port : PORT;
    if (err == ELO_OK) {
        err = elo_esp8266_stack_begin();
    }
    if (err != ELO_OK) {
        return err;
    }
    return elo_esp8266_credentials_init(&_credentials, &sources, _memory.identity,
                                        _memory.identitySize, &_connection.decoding);
}

elo_err EloDeviceBase::load(const EloConfig &config)
{
    _bundle = {};
    _texts = {_memory.texts, _memory.textsSize, 0};
    /* Not there is no failure yet: the files may not be needed. It is not formatted, ever. */
    LittleFSConfig files;
    files.setAutoFormat(false);
    LittleFS.setConfig(files);
    LittleFS.begin();
    elo_err err = loadFiles(config);
    LittleFS.end();
    return err;
}

/* Wi-Fi, and what was kept over a sleep. */
void EloDeviceBase::wake()
{
    struct elo_wifi_hint hint = {};
    if (elo_esp8266_rtc_load(&_rtc)) {
        hint.channel = _rtc.channel;
        memcpy(hint.bssid, _rtc.bssid, sizeof hint.bssid);
        if (_rtc.sleep_s != 0 && elo_esp8266_woke() && now() == 0) {
            elo_esp8266_set_time(_rtc.unix_s + _rtc.sleep_s);
        }
        _rtc.sleep_s = 0; /* the time it tells counts once */
        elo_esp8266_rtc_save(&_rtc);
    }
    elo_wifi_begin(_bundle.ssid, _bundle.password, &hint);
}

elo_err EloDeviceBase::prepareClient(const EloConfig &config)
{
    struct elo_client_config c;
    elo_client_defaults(&c);
    c.client_id = elo_span_str(_bundle.client_id);
    c.persistent = config.persistent;
    c.keep_alive_s = config.keepAlive != 0 ? config.keepAlive : c.keep_alive_s;
    c.rx = _memory.rx;
    c.rx_size = _memory.rxSize;
    c.tx = _memory.tx;
    c.tx_size = _memory.txSize;
    c.outbox = _memory.outbox;
    c.outbox_size = _memory.outboxSize;
    c.subs = _memory.subs;
    c.subs_count = _memory.slotCount;
    c.random = elo_esp8266_random;
    return elo_client_init(&_client, &c);
}

void EloDeviceBase::prepareLink(const EloConfig &config)
{
    struct elo_link_config *c = &_config;
    memset(c, 0, sizeof *c);
    c->tls.profile = config.profile;
    c->tls.handshake = &_connection.handshake;
    c->tls.host = or_else(_bundle.server_name, _bundle.host);
    c->tls.anchors = &_credentials.anchors;
    c->tls.identity = &_credentials.identity;
    c->tls.input = _memory.input;
    c->tls.input_cap = _memory.inputSize;
    c->tls.output = _memory.output;
    c->tls.output_cap = _memory.outputSize;
    if (_bundle.port == ALPN_PORT) {
        c->tls.alpn = ALPN;
        c->tls.alpn_count = 1;
        c->tls.require_alpn = true;
    }
    c->net = elo_esp8266_net(&_net);
    c->client = &_client;
    c->address = _bundle.host;
    c->port = _bundle.port;
    c->handshake_timeout_ms = HANDSHAKE_MS;
    c->keep_session = true;
    c->small_steps = true;
    c->entropy = elo_esp8266_entropy;
    c->now_unix = elo_esp8266_now_unix;
    memset(&_connection, 0, sizeof _connection);
    elo_link_init(&_connection.link, c);
}

elo_err EloDeviceBase::prepare(const EloConfig &config)
{
    if (_bundle.host == nullptr || _bundle.client_id == nullptr) {
        return ELO_E_USAGE;
    }
    elo_err err = prepareClient(config);
    if (err != ELO_OK) {
        return err;
    }
    prepareLink(config);
    _keepSession = config.keepSession;
    uint32_t mine = elo_esp8266_fingerprint(&_credentials, _config.tls.host);
    if (_rtc.identity != mine) { /* it may sleep before it has one of its own */
        _rtc.has_session = 0;
        memset(_rtc.session, 0, sizeof _rtc.session);
    }
    if (_keepSession && _rtc.has_session != 0) {
        struct elo_tls_session session;
        memcpy(session.bytes, _rtc.session, sizeof session.bytes);
        elo_link_resume(&_connection.link, &session);
    }
    _rtc.identity = mine;
    for (size_t i = 0; i < _memory.slotCount; i++) {
        _memory.slots[i].topic = {};
        if (_memory.slots[i].filter != nullptr && !subscribe(_memory.slots[i])) {
            return _error;
        }
    }
    return ELO_OK;
}

/* --- going on ------------------------------------------------------------------------------------
 */

void EloDeviceBase::startWhenReady(uint32_t now)
{
    bool up = elo_wifi_up();
    bool came = up && !_wasUp;
    _wasUp = up;
    if (_started) {
        if (came) {
            elo_client_retry_now(&_client, now);
        }
        return;
    }
    if (up && (this->now() != 0 || now - _begunAt >= TIME_MS)) {
        _started = true;
        elo_client_start(&_client, now);
    }
}

void EloDeviceBase::loop()
{
    if (_inside) {
        return;
    }
    uint32_t begun = millis();
    bool busy;
    elo_wifi_step(begun);
    if (!_begun) {
        return;
    }
    _inside = true;
    startWhenReady(begun);
    do {
        busy = elo_esp8266_link_step(&_connection.link, millis());
        takeEvents();
    } while (busy && millis() - begun < LOOP_MS);
    _inside = false;
}

void EloDeviceBase::takeEvents()
{
    struct elo_client_event event;
    while (elo_client_next_event(&_client, &event)) {
        take(event);
    }
}

void EloDeviceBase::take(const struct elo_client_event &event)
{
    switch (event.type) {
    case ELO_CLIENT_CONNECTED:
        connected();
        break;
    case ELO_CLIENT_DISCONNECTED:
        note(event.u.disconnected.reason);
        break;
    case ELO_CLIENT_MESSAGE:
        deliver(event);
        break;
    case ELO_CLIENT_OVERSIZE:
        note(ELO_E_TOO_LARGE);
        break;
    case ELO_CLIENT_SUBSCRIBED:
        note(event.u.subscribed.result);
        break;
    default:
        break;
    }
}

void EloDeviceBase::connected()
{
    _error = ELO_OK;
    _rtc.handshakes++;
    /* A handshake that was shortened has not seen the server's certificate. */
    if (elo_tls_server_not_after(elo_link_tls(&_connection.link)) == 0) {
        _rtc.resumed++;
    }
    remember();
}

void EloDeviceBase::remember()
{
    struct elo_wifi_hint hint;
    struct elo_tls_session session;
    elo_wifi_hint_get(&hint);
    if (hint.channel != 0) {
        _rtc.channel = hint.channel;
        memcpy(_rtc.bssid, hint.bssid, sizeof _rtc.bssid);
    }
    _rtc.has_session =
        _keepSession && elo_link_session(&_connection.link, &session) == ELO_OK ? 1 : 0;
    if (_rtc.has_session != 0) {
        memcpy(_rtc.session, session.bytes, sizeof _rtc.session);
    } else {
        memset(_rtc.session, 0, sizeof _rtc.session);
    }
    _rtc.unix_s = now();
    elo_esp8266_rtc_save(&_rtc);
}

/* A handler may read the payload as a C string: the byte behind it is ours for that long. The
 * receive buffer has one more than the engine knows of. */
void EloDeviceBase::deliver(const struct elo_client_event &event)
{
    static const uint8_t nothing = '\0';
    elo_span topic = event.u.message.topic;
    elo_span payload = event.u.message.payload;
    bool empty = payload.len == 0;
    uint8_t *end = empty ? nullptr : _memory.rx + (payload.ptr - _memory.rx) + payload.len;
    uint8_t kept = empty ? 0 : *end;
    if (!empty) {
        *end = '\0';
    }
    EloMessage message(event, (const char *)(empty ? &nothing : payload.ptr));
    for (size_t i = 0; i < _memory.slotCount; i++) {
        const Slot &slot = _memory.slots[i];
        elo_span name, filter = slot.topic;
        if (filter.len == 0) {
            continue;
        }
        (void)elo_topic_split_share(slot.topic, &name, &filter);
        if (elo_topic_matches(filter, topic, false)) {
            slot.handler(message);
        }
    }
    if (!empty) {
        *end = kept;
    }
}

/* --- what the sketch asks ------------------------------------------------------------------------
 */

/* "~/x" is below the prefix; anything else is itself. Empty when it does not fit. */
elo_span EloDeviceBase::compose(const char *topic, char *at, size_t cap) const
{
    size_t len = strlen(topic);
    size_t before = 0;
    if (topic[0] == '~' && topic[1] == '/') {
        before = _bundle.prefix != nullptr ? strlen(_bundle.prefix) : 0;
        topic += before == 0 ? 2 : 1; /* without a prefix no slash either */
        len -= before == 0 ? 2 : 1;
    }
    if (before + len >= cap) {
        return {};
    }
    if (before > 0) {
        memcpy(at, _bundle.prefix, before);
    }
    memcpy(at + before, topic, len);
    at[before + len] = '\0';
    return elo_span_of(at, before + len);
}

bool EloDeviceBase::publish(const char *topic, const uint8_t *payload, size_t length)
{
    if (!_begun) {
        _refused = ELO_E_PROTOCOL; /* begin() first */
        return false;
    }
    struct elo_client_message m = {};
    m.topic = compose(topic, _memory.topic, _memory.topicSize);
    m.payload = elo_span_of(payload, length);
    m.qos = 1;
    _refused = elo_client_publish(&_client, &m);
    return _refused == ELO_OK;
}

bool EloDeviceBase::publish(const char *topic, const char *payload)
{
    return publish(topic, (const uint8_t *)payload, strlen(payload));
}

bool EloDeviceBase::publish(const __FlashStringHelper *topic, const char *payload)
{
    char text[128];
    size_t len = strlen_P((PGM_P)topic);
    if (len >= sizeof text) {
        _refused = ELO_E_TOPIC;
        return false;
    }
    memcpy_P(text, topic, len + 1);
    return publish(text, payload);
}

bool EloDeviceBase::subscribe(Slot &slot)
{
    char *at = _texts.ptr + _texts.used;
    slot.topic = elo_span_str(slot.filter);
    if (slot.filter[0] == '~') {
        slot.topic = compose(slot.filter, at, _texts.cap - _texts.used);
        if (slot.topic.len == 0) {
            return note(ELO_E_NO_SPACE);
        }
        _texts.used += slot.topic.len + 1;
    }
    return note(elo_client_subscribe(&_client, slot.topic, 1));
}

bool EloDeviceBase::on(const char *filter, EloHandler handler)
{
    for (size_t i = 0; i < _memory.slotCount; i++) {
        Slot &slot = _memory.slots[i];
        if (slot.filter == nullptr) {
            slot.filter = filter;
            slot.handler = handler;
            return !_begun || subscribe(slot);
        }
    }
    return note(ELO_E_NO_SPACE);
}

bool EloDeviceBase::online() const
{
    return _begun && elo_client_get_state(&_client) == ELO_CLIENT_ONLINE && elo_wifi_up();
}

size_t EloDeviceBase::waiting() const
{
    return _begun ? elo_client_pending(&_client) : 0;
}

uint32_t EloDeviceBase::now() const
{
    return elo_esp8266_now_unix(nullptr);
}

uint32_t EloDeviceBase::handshakeMillis() const
{
    return _begun ? elo_link_diagnosis(&_connection.link)->handshake_ms : 0;
}

void EloDeviceBase::end()
{
    if (_begun) {
        _started = true; /* and over: it is not started any more */
        elo_client_stop(&_client, millis());
    }
}

/* MQTT's and TLS's, so that the server has no reason to publish a will or to forget the session. It
 * answers by closing, or GOODBYE_MS are over. */
void EloDeviceBase::sayGoodbye()
{
    uint32_t begun = millis();
    if (!_begun || _inside) {
        return;
    }
    end();
    while (elo_link_get_phase(&_connection.link) != ELO_LINK_IDLE &&
           millis() - begun < GOODBYE_MS) {
        loop();
        yield();
    }
    elo_link_deinit(&_connection.link);
}

void EloDeviceBase::sleep(uint32_t seconds)
{
    sayGoodbye();
    _rtc.unix_s = now();
    _rtc.sleep_s = _rtc.unix_s == 0 ? 0 : seconds > UINT16_MAX ? UINT16_MAX : (uint16_t)seconds;
    if (seconds > UINT16_MAX) {
        _rtc.unix_s += seconds - UINT16_MAX;
    }
    elo_esp8266_rtc_save(&_rtc);
    ESP.deepSleep((uint64_t)seconds * 1000000u);
}

/* --- in words ------------------------------------------------------------------------------------
 */

static const char *client_words(const struct elo_client *client, elo_link_phase phase)
{
    switch (elo_client_get_state(client)) {
    case ELO_CLIENT_WAITING:
        return PSTR("waiting before the next attempt");
    case ELO_CLIENT_OPENING:
        return phase == ELO_LINK_SHAKING ? PSTR("TLS handshake")
                                         : PSTR("looking for the server and connecting");
    case ELO_CLIENT_CONNECTING:
        return PSTR("waiting for the server's MQTT answer");
    case ELO_CLIENT_ONLINE:
        return PSTR("online");
    case ELO_CLIENT_STOPPING:
    case ELO_CLIENT_CLOSING:
        return PSTR("closing the connection");
    default:
        return PSTR("ended");
    }
}

const __FlashStringHelper *EloDeviceBase::status() const
{
    if (!_begun) {
        return _error != ELO_OK ? F("cannot begin: why() says why") : F("not begun");
    }
    if (!elo_wifi_up()) {
        return F("joining the Wi-Fi network");
    }
    if (!_started) {
        return F("asking for the time");
    }
    return FPSTR(client_words(&_client, elo_link_get_phase(&_connection.link)));
}

/* Without Wi-Fi that is the reason, whatever failed before. */
const __FlashStringHelper *EloDeviceBase::why() const
{
    if (_begun && !elo_wifi_up()) {
        return FPSTR(elo_wifi_words(elo_wifi_reason()));
    }
    if (!_begun && error() == ELO_E_USAGE) {
        return F(
            "E-USAGE: No host or client id: put a bundle's files into LittleFS, or an EloConfig "
            "into begin().");
    }
    if (error() == ELO_E_UNSUPPORTED) {
        return F(
            "E-UNSUPPORTED: The key is of a kind that this profile leaves out. For an RSA key: "
            "config.profile = &elo_tls_profile_full");
    }
    return FPSTR(elo_words(error()));
}

void EloDeviceBase::explain(Print &out) const
{
    out.print(F("Elo: "));
    out.println(status());
    if (error() != ELO_OK || !elo_wifi_up()) {
        out.print(F("  why: "));
        out.println(why());
    }
    if (error() != ELO_OK && error() != ELO_E_USAGE && error() != ELO_E_UNSUPPORTED) {
        out.print(F("  do:  "));
        out.println(FPSTR(elo_cure(error())));
    }
    if (!_begun) {
        return;
    }
    const struct elo_link_diagnosis *d = elo_link_diagnosis(&_connection.link);
    out.printf_P(PSTR("  server %s port %u %s, client id %s\r\n"), _bundle.host, _bundle.port,
                 d->address, _bundle.client_id);
    out.printf_P(
        PSTR("  TLS alert %d, BearSSL %d, lwIP %d, last handshake %u ms, %u of %u resumed\r\n"),
        d->tls_alert, d->tls_error, d->error, (unsigned)d->handshake_ms, _rtc.resumed,
        _rtc.handshakes);
    out.printf_P(PSTR("  %u messages wait, Wi-Fi lost %u times, time %u\r\n"), (unsigned)waiting(),
                 elo_wifi_losses(), (unsigned)now());
}

#endif
