// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * EloSecureClient: mutual TLS to AWS IoT Core, or to the desk, as an Arduino `Client`. For those
 * who stay with PubSubClient or another MQTT library over a Client:
 *
 *     EloSecureClient net;
 *     PubSubClient mqtt(net);
 *
 *     net.begin();                                      // certificates from LittleFS
 *     WiFi.begin(net.ssid(), net.password());
 *     mqtt.setServer(net.host(), net.port());
 *     mqtt.connect(net.clientId());                     // or Serial.println(net.why());
 *
 * What it solves: certificates and key in PEM from the files of a bundle or from flash, Amazon's
 * roots built in, SNI always, port 443 by ALPN, small TLS buffers with the fragment length asked
 * for, no insecure mode, and a reason in words for every failure. Wi-Fi and the time are the
 * sketch's: join Wi-Fi first; begin() asks for the time and connect() fails with E-CLOCK until it
 * is there.
 *
 * connect() waits, as every Client's does: one to two seconds for the handshake with a P-256 key at
 * 80 MHz, at most setTimeout (15 s). Meanwhile it yields, so Wi-Fi and the watchdog go on, but the
 * sketch does not. Where it should, use EloDevice. write() makes one TLS record of what it is given
 * and waits until lwIP has taken it. read() and available() do not wait.
 *
 * The TLS session is kept while the object lives, so a reconnection is short where the server
 * resumes. Memory: about 11 KB in the object, make it a global; the core's second stack (6.2 KB).
 * Texts given are kept by reference.
 */
#ifndef ELO_SECURE_CLIENT_H
#define ELO_SECURE_CLIENT_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo.h"
#include "elo/port/esp8266/bundle.h"
#include "elo/port/esp8266/credentials.h"
#include "elo/port/esp8266/net.h"
#include "elo/port/esp8266/stream.h"

#include <Arduino.h>
#include <Client.h>

class EloSecureClientBase : public Client
{
  public:
    /* Reads the bundle's files; texts that were set before come first. False: why(). */
    bool begin();

    /* Instead of the files. PEM, in RAM or flash. `ca` nullptr: Amazon's roots. */
    void setCertificates(const char *ca, const char *certificate, const char *key);

    /* The name in the server's certificate, if it is not the one connected to (which may be an
     * address). From the bundle if that says so. */
    void setServerName(const char *name);

    /* elo_tls_profile_aws_small is the default; an RSA key needs elo_tls_profile_full. */
    void setProfile(const struct elo_tls_profile *profile);

    /* What the bundle says, "" and 0 without one. */
    const char *host() const;
    const char *clientId() const;
    uint16_t port() const;
    const char *ssid() const;
    const char *password() const;

    /* The last failure, in words and in flash; as a number; and with all that is known. */
    const __FlashStringHelper *why() const;
    elo_err error() const
    {
        return _error;
    }
    void explain(Print &out) const;

    /* The last handshake was a short one: the server has resumed our session. */
    bool resumed() const;

    int connect(IPAddress ip, uint16_t port) override;
    int connect(const char *host, uint16_t port) override;
    size_t write(uint8_t c) override;
    size_t write(const uint8_t *bytes, size_t len) override;
    int available() override;
    int read() override;
    int read(uint8_t *out, size_t cap) override;
    int peek() override;
    void flush() override;
    void stop() override;
    uint8_t connected() override;
    operator bool() override
    {
        return connected() != 0;
    }
    using Print::write;

  protected:
    struct Memory {
        uint8_t *identity, *input, *output;
        char *texts;
        size_t identitySize, inputSize, outputSize, textsSize;
    };

    EloSecureClientBase();
    void setMemory(const Memory &memory)
    {
        _memory = memory;
    }

  private:
    elo_err load();
    elo_err open(const char *host, uint16_t port);
    bool note(elo_err err);

    Memory _memory = {};
    struct elo_bundle _bundle = {};
    struct elo_texts _texts = {};
    struct elo_esp8266_sources _sources = {};
    struct elo_esp8266_credentials _credentials = {};
    struct elo_esp8266_net _net = {};
    struct elo_tls_config _config = {};
    struct elo_tls_session _session = {};
    union {
        struct {
            struct elo_esp8266_stream stream;
            struct elo_tls_handshake handshake;
        };
        struct elo_esp8266_decoding decoding; /* during begin() */
    } _connection = {};
    const char *_serverName = nullptr;
    char _address[16] = {};
    uint32_t _sessionOf = 0; /* which identity and endpoint */
    elo_err _error = ELO_OK;
    bool _begun = false, _hasSession = false, _resumed = false;
};

/* Sizes in bytes, as those of EloDeviceSized. */
template <size_t Record = 1024, size_t Texts = 384, size_t Identity = 1280>
class EloSecureClientSized : public EloSecureClientBase
{
  public:
    EloSecureClientSized()
    {
        Memory m = {};
        m.identity = _identity;
        m.identitySize = sizeof _identity;
        m.input = _input;
        m.inputSize = sizeof _input;
        m.output = _output;
        m.outputSize = sizeof _output;
        m.texts = _texts;
        m.textsSize = sizeof _texts;
        setMemory(m);
    }

  private:
    uint8_t _identity[Identity], _input[ELO_TLS_INPUT_BYTES(Record)],
        _output[ELO_TLS_OUTPUT_BYTES(Record)];
    char _texts[Texts];
};

class EloSecureClient : public EloSecureClientSized<>
{
};

#endif
#endif
