// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "EloSecureClient.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/port/esp8266/machine.h"
#include "elo/port/esp8266/stack.h"
#include "elo/port/esp8266/words.h"

#include <LittleFS.h>

static const uint16_t ALPN_PORT = 443;
static const uint32_t TIMEOUT_MS = 15000;

/* AWS: MQTT with a client certificate on port 443 ("Device communication protocols"). */
static const char *const ALPN[] = {"x-amzn-mqtt-ca"};

EloSecureClientBase::EloSecureClientBase()
{
    setTimeout(TIMEOUT_MS);
    _config.profile = &elo_tls_profile_aws_small;
}

bool EloSecureClientBase::note(elo_err err)
{
    if (err != ELO_OK) {
        _error = err;
    }
    return err == ELO_OK;
}

/* --- beginning -----------------------------------------------------------------------------------
 */

void EloSecureClientBase::setCertificates(const char *ca, const char *certificate, const char *key)
{
    _sources.ca = ca;
    _sources.certificate = certificate;
    _sources.key = key;
}

void EloSecureClientBase::setServerName(const char *name)
{
    _serverName = name;
}

void EloSecureClientBase::setProfile(const struct elo_tls_profile *profile)
{
    _config.profile = profile;
}

elo_err EloSecureClientBase::load()
{
    elo_err err = elo_esp8266_bundle_load(&_bundle, &_texts, &_connection.decoding);
    if (err != ELO_OK) {
        return err;
    }
    return elo_esp8266_credentials_init(&_credentials, &_sources, _memory.identity,
                                        _memory.identitySize, &_connection.decoding);
}

bool EloSecureClientBase::begin()
{
    stop();
    _begun = _hasSession = false;
    _error = ELO_OK;
    _bundle = {};
    _texts = {_memory.texts, _memory.textsSize, 0};
    if (!note(elo_esp8266_stack_begin())) {
        return false;
    }
    LittleFSConfig files;
    files.setAutoFormat(false);
    LittleFS.setConfig(files);
    LittleFS.begin();
    elo_err err = load();
    LittleFS.end();
    memset(&_connection, 0, sizeof _connection);
    _connection.stream.net = elo_esp8266_net(&_net);
    elo_esp8266_stream_close(&_connection.stream);
    if (elo_esp8266_now_unix(nullptr) == 0) {
        elo_esp8266_ask_time("pool.ntp.org", "time.cloudflare.com", nullptr);
    }
    _begun = err == ELO_OK;
    return note(err);
}

const char *EloSecureClientBase::host() const
{
    return _bundle.host != nullptr ? _bundle.host : "";
}

const char *EloSecureClientBase::clientId() const
{
    return _bundle.client_id != nullptr ? _bundle.client_id : "";
}

uint16_t EloSecureClientBase::port() const
{
    return _bundle.port;
}

const char *EloSecureClientBase::ssid() const
{
    return _bundle.ssid != nullptr ? _bundle.ssid : "";
}

const char *EloSecureClientBase::password() const
{
    return _bundle.password != nullptr ? _bundle.password : "";
}

/* --- connecting ----------------------------------------------------------------------------------
 */

elo_err EloSecureClientBase::open(const char *host, uint16_t port)
{
    struct elo_tls_config *c = &_config;
    c->host = _serverName != nullptr ? _serverName : host;
    if (_serverName == nullptr && _bundle.server_name != nullptr &&
        strcmp(host, this->host()) == 0) {
        c->host = _bundle.server_name;
    }
    /* A session spares the look at the certificate: it is good for the name it was made for. */
    uint32_t mine = elo_esp8266_fingerprint(&_credentials, c->host);
    _hasSession = _hasSession && _sessionOf == mine;
    _sessionOf = mine;
    c->anchors = &_credentials.anchors;
    c->identity = &_credentials.identity;
    c->now_unix = elo_esp8266_now_unix(nullptr);
    c->alpn = ALPN;
    c->alpn_count = port == ALPN_PORT ? 1 : 0;
    c->require_alpn = port == ALPN_PORT;
    c->input = _memory.input;
    c->input_cap = _memory.inputSize;
    c->output = _memory.output;
    c->output_cap = _memory.outputSize;
    c->handshake = &_connection.handshake;
    c->stepwise = true;
    c->resume = _hasSession ? &_session : nullptr;
    _connection.stream.config = c;
    return elo_esp8266_stream_open(&_connection.stream, host, port);
}

int EloSecureClientBase::connect(const char *host, uint16_t port)
{
    if (!_begun) {
        note(_error != ELO_OK ? _error : ELO_E_PROTOCOL);
        return 0;
    }
    stop();
    _error = ELO_OK;
    uint32_t begun = millis();
    elo_err err = open(host, port);
    while (err == ELO_NEED_MORE && millis() - begun < _timeout) {
        yield(); /* lwIP calls back */
        err = elo_esp8266_stream_step(&_connection.stream);
    }
    if (err != ELO_OK) {
        stop();
        _hasSession = false; /* it may be what the server did not like */
        note(err == ELO_NEED_MORE ? ELO_E_TCP_TIMEOUT : err == ELO_END ? ELO_E_TCP_CLOSED : err);
        return 0;
    }
    const struct elo_tls *tls = &_connection.stream._internal.tls;
    _resumed = elo_tls_server_not_after(tls) == 0;
    _hasSession = elo_tls_session_get(tls, &_session) == ELO_OK;
    return 1;
}

int EloSecureClientBase::connect(IPAddress ip, uint16_t port)
{
    snprintf_P(_address, sizeof _address, PSTR("%u.%u.%u.%u"), ip[0], ip[1], ip[2], ip[3]);
    return connect(_address, port);
}

void EloSecureClientBase::stop()
{
    if (_begun) {
        elo_esp8266_stream_close(&_connection.stream);
    }
}

/* Bytes that were received before the end are still to be read. */
uint8_t EloSecureClientBase::connected()
{
    if (!_begun) {
        return 0;
    }
    if (elo_esp8266_stream_available(&_connection.stream) > 0) {
        return 1;
    }
    elo_err err = elo_esp8266_stream_step(&_connection.stream);
    if (err < 0) {
        note(err);
    }
    return err == ELO_OK ? 1 : 0;
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

size_t EloSecureClientBase::write(uint8_t c)
{
    return write(&c, 1);
}

/* Returns what was taken; less than asked only when the connection broke or time is up. */
size_t EloSecureClientBase::write(const uint8_t *bytes, size_t len)
{
    size_t taken = 0;
    uint32_t begun = millis();
    if (!_begun) {
        return 0;
    }
    while (taken < len || elo_esp8266_stream_unsent(&_connection.stream)) {
        taken += elo_esp8266_stream_write(&_connection.stream, bytes + taken, len - taken);
        elo_err err = elo_esp8266_stream_step(&_connection.stream);
        if (err != ELO_OK) {
            note(err == ELO_END ? ELO_E_TCP_CLOSED : err);
            break;
        }
        if (taken < len || elo_esp8266_stream_unsent(&_connection.stream)) {
            if (millis() - begun >= _timeout) {
                break;
            }
            yield();
        }
    }
    return taken;
}

int EloSecureClientBase::available()
{
    return connected() != 0 ? (int)elo_esp8266_stream_available(&_connection.stream) : 0;
}

int EloSecureClientBase::read(uint8_t *out, size_t cap)
{
    if (available() == 0) {
        return cap == 0 ? 0 : -1;
    }
    return (int)elo_esp8266_stream_read(&_connection.stream, out, cap, true);
}

int EloSecureClientBase::read()
{
    uint8_t c;
    return read(&c, 1) == 1 ? c : -1;
}

int EloSecureClientBase::peek()
{
    uint8_t c;
    return available() > 0 && elo_esp8266_stream_read(&_connection.stream, &c, 1, false) == 1 ? c
                                                                                              : -1;
}

void EloSecureClientBase::flush()
{
    (void)write((const uint8_t *)nullptr, 0);
}

/* --- in words ------------------------------------------------------------------------------------
 */

const __FlashStringHelper *EloSecureClientBase::why() const
{
    return FPSTR(elo_words(_error));
}

bool EloSecureClientBase::resumed() const
{
    return _resumed;
}

void EloSecureClientBase::explain(Print &out) const
{
    out.println(why());
    out.println(FPSTR(elo_cure(_error)));
    if (_begun) {
        const struct elo_tls *tls = &_connection.stream._internal.tls;
        out.printf_P(PSTR("  TLS alert %d, BearSSL %d, lwIP %d\r\n"), elo_tls_alert(tls),
                     elo_tls_error_number(tls), _net._internal.error);
    }
}

#endif
