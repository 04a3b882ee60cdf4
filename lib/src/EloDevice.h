// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * EloDevice: an ESP8266 on AWS IoT Core, or on the desk that stands in for it, in a plain sketch.
 *
 *     #include <EloDevice.h>
 *
 *     EloDevice elo;
 *
 *     void onCommand(EloMessage &message) {
 *         digitalWrite(LED_BUILTIN, message.is("on") ? LOW : HIGH);
 *     }
 *
 *     void setup() {
 *         elo.on("~/cmd", onCommand);
 *         elo.begin("my Wi-Fi", "its password");       // everything else from LittleFS
 *     }
 *
 *     void loop() {
 *         elo.loop();
 *         ...
 *         elo.publish("~/telemetry", "{\"celsius\":21.5}");
 *     }
 *
 * begin() takes the connection's details from the files of a bundle (`elo add` makes one; put them
 * into the sketch's folder `data` and upload that as LittleFS), or from an EloConfig. It does not
 * wait for anything. From then on loop() does the work in small steps: Wi-Fi, the time (SNTP), name
 * look-up, TCP, TLS, MQTT, reconnecting. Call it as often as you can; no step waits, and the
 * longest, one computation of the TLS handshake, takes about half a second at 80 MHz, a quarter at
 * 160. What a step needs of stack beyond the sketch's 4 KB it has on the core's second stack.
 *
 * publish() is QoS 1: a message is kept in RAM, and sent until the server has acknowledged it, over
 * any number of connections, in order; also what is published before there is a connection. When
 * the outbox is full it returns false and nothing is lost but the new message.
 *
 * Topics: "~/telemetry" is below the device's own prefix, which the bundle names ("elo/kitchen");
 * every other topic is taken as it is. A filter given to on() may have wildcards. Handlers run
 * inside loop(), on the sketch's stack; they may publish, and must not call loop().
 *
 * When something does not work: status() says what is going on, why() why the last attempt failed,
 * explain(Serial) both with numbers and what to do. All text is in flash.
 *
 * Memory: everything is inside the object, about 16 KB with the sizes of EloDevice; make it a
 * global. begin() takes the core's second stack (6.2 KB) from the heap and, while it runs, what
 * LittleFS needs; nothing after that, but what lwIP takes for what is on its way. Other sizes:
 *
 *     EloDeviceSized<4096, 1024> elo;      // 4 KB of outbox, messages of up to 1 KB
 *
 * Pointers: texts in an EloConfig, and filters given to on(), are kept by reference: string
 * literals and globals are right, a String that goes away is not.
 *
 * One EloDevice in a program. For an MQTT library of your own choice: EloSecureClient.h.
 */
#ifndef ELO_DEVICE_H
#define ELO_DEVICE_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo.h"
#include "elo/link/link.h"
#include "elo/port/esp8266/bundle.h"
#include "elo/port/esp8266/credentials.h"
#include "elo/port/esp8266/net.h"
#include "elo/port/esp8266/rtc.h"

#include <Arduino.h>

/* A text that is not followed by a NUL: topic or payload of a message. Can be printed. */
class EloText : public Printable
{
  public:
    explicit EloText(elo_span span) : _span(span)
    {
    }
    const char *data() const
    {
        return (const char *)_span.ptr;
    }
    size_t length() const
    {
        return _span.len;
    }
    bool operator==(const char *text) const
    {
        return elo_span_eq(_span, elo_span_str(text));
    }
    size_t printTo(Print &out) const override
    {
        return out.write(_span.ptr, _span.len);
    }

  private:
    elo_span _span;
};

/* What a handler is given; valid until it returns. */
class EloMessage
{
  public:
    EloMessage(const struct elo_client_event &event, const char *text)
        : _topic(event.u.message.topic), _payload(event.u.message.payload), _text(text),
          _retained(event.u.message.retain), _again(event.u.message.dup)
    {
    }
    const EloText &topic() const
    {
        return _topic;
    }
    const EloText &payload() const
    {
        return _payload;
    }
    /* The payload with a NUL behind it. It may have NULs inside: length() tells. */
    const char *text() const
    {
        return _text;
    }
    size_t length() const
    {
        return _payload.length();
    }
    /* Is the payload exactly this? */
    bool is(const char *text) const
    {
        return _payload == text;
    }
    bool retained() const
    {
        return _retained;
    }
    /* It may have been here before: QoS 1 is "at least once". */
    bool again() const
    {
        return _again;
    }

  private:
    EloText _topic, _payload;
    const char *_text;
    bool _retained, _again;
};

typedef void (*EloHandler)(EloMessage &message);

/* Everything may be left at nullptr or 0: then it is as said. */
struct EloConfig {
    const char *ssid = nullptr;     /* the sketch sees to Wi-Fi itself */
    const char *password = nullptr; /* an open network */

    const char *host = nullptr;       /* from /config.json in LittleFS. AWS: the endpoint's name */
    uint16_t port = 0;                /* 8883. 443: MQTT by ALPN, as AWS has it */
    const char *serverName = nullptr; /* `host`: the name in the server's certificate */
    const char *clientId = nullptr;   /* from /config.json. AWS: best the thing's name */
    const char *prefix = nullptr;     /* of "~/..." topics; from /config.json, or none */

    /* PEM texts, also in flash (PROGMEM): instead of /ca.pem, /cert.pem, /key.pem. */
    const char *ca = nullptr; /* and without /ca.pem: Amazon's roots */
    const char *certificate = nullptr;
    const char *key = nullptr;

    /* Where to ask for the time. */
    const char *timeServer1 = nullptr; /* "pool.ntp.org" */
    const char *timeServer2 = nullptr; /* "time.cloudflare.com" */
    const char *timeServer3 = nullptr; /* none */

    /* Which cryptography is linked. This one takes 20 KB less than elo_tls_profile_full, which a
     * device with an RSA key needs (and then some seconds for each handshake). */
    const struct elo_tls_profile *profile = &elo_tls_profile_aws_small;

    uint16_t keepAlive = 0;  /* 60 s */
    bool persistent = false; /* the server keeps subscriptions and messages while we are away */

    /* Keep the TLS session in RTC memory, for the next wake from deep sleep. AWS IoT Core mostly
     * does not resume sessions, nor does the desk; see handshakes() and resumed(). */
    bool keepSession = true;
};

/* What there is to place: see EloDeviceSized, which has the memory. */
class EloDeviceBase
{
  public:
    /* False: it cannot work, why() says why. True: loop() goes on from here. */
    bool begin();
    bool begin(const char *ssid, const char *password);
    bool begin(const EloConfig &config);

    void loop();

    /* False: why(). The payload is a C string, or any bytes. */
    bool publish(const char *topic, const char *payload);
    bool publish(const char *topic, const uint8_t *payload, size_t length);
    bool publish(const __FlashStringHelper *topic, const char *payload);

    /* Messages to topics that match `filter` go to `handler`. Before or after begin(). False: no
     * place is left for it, or why(). */
    bool on(const char *filter, EloHandler handler);

    /* Connected: what is published goes out at once. */
    bool online() const;

    /* Messages that the server has not acknowledged yet. */
    size_t waiting() const;

    /* In words. */
    const __FlashStringHelper *status() const;
    const __FlashStringHelper *why() const;
    void explain(Print &out) const;

    /* The reason as a number, ELO_OK: none. That of the connection comes before that of a message
     * that was refused. */
    elo_err error() const
    {
        return _error != ELO_OK ? _error : _refused;
    }

    /* Says goodbye to the server, as far as loop() is called on; begin() starts anew. */
    void end();

    /*
     * Deep sleep for `seconds` (0: until reset): says goodbye, for which it waits up to 1.5 s,
     * keeps the TLS session, the time and the access point in RTC memory and does not return.
     * GPIO16 must be wired to RST to wake. Messages that were not acknowledged are lost: wait until
     * waiting() is 0, or time is up.
     */
    void sleep(uint32_t seconds);

    /* TLS handshakes since power came on, and how many of them the server let us shorten. */
    uint16_t handshakes() const
    {
        return _rtc.handshakes;
    }
    uint16_t resumed() const
    {
        return _rtc.resumed;
    }
    /* How long the last one took. */
    uint32_t handshakeMillis() const;

    /* Wall clock, seconds since 1970 UTC; 0: not known yet. */
    uint32_t now() const;

    /* For what this class leaves out: the engine underneath (elo/client/client.h). Do not take its
     * events: loop() does. */
    struct elo_client *client()
    {
        return &_client;
    }

  protected:
    struct Slot {
        const char *filter;
        EloHandler handler;
        elo_span topic; /* the filter as the server knows it; empty: not asked for yet */
    };
    struct Memory {
        uint8_t *outbox, *rx, *tx, *identity, *input, *output;
        char *texts, *topic;
        Slot *slots;
        struct elo_client_sub *subs;
        size_t outboxSize, rxSize, txSize, identitySize, inputSize, outputSize, textsSize,
            topicSize, slotCount;
    };

    EloDeviceBase() = default;
    EloDeviceBase(const EloDeviceBase &) = delete;
    EloDeviceBase &operator=(const EloDeviceBase &) = delete;
    void setMemory(const Memory &memory)
    {
        _memory = memory;
    }

  private:
    elo_err load(const EloConfig &config);
    elo_err loadFiles(const EloConfig &config);
    elo_err prepare(const EloConfig &config);
    elo_err prepareClient(const EloConfig &config);
    void prepareLink(const EloConfig &config);
    void wake();
    void startWhenReady(uint32_t now);
    void takeEvents();
    void take(const struct elo_client_event &event);
    void connected();
    void deliver(const struct elo_client_event &event);
    void remember();
    void sayGoodbye();
    bool subscribe(Slot &slot);
    elo_span compose(const char *topic, char *at, size_t cap) const;
    bool note(elo_err err);

    Memory _memory = {};
    struct elo_bundle _bundle = {};
    struct elo_texts _texts = {};
    struct elo_esp8266_credentials _credentials = {};
    struct elo_esp8266_net _net = {};
    struct elo_esp8266_rtc _rtc = {};
    struct elo_client _client = {};
    struct elo_link_config _config = {};
    union {
        struct {
            struct elo_link link;
            struct elo_tls_handshake handshake;
        };
        struct elo_esp8266_decoding decoding; /* during begin() */
    } _connection = {};
    uint32_t _begunAt = 0;
    elo_err _error = ELO_OK;   /* of begin() or the connection */
    elo_err _refused = ELO_OK; /* of the last publish() */
    bool _begun = false, _started = false, _inside = false, _wasUp = false, _keepSession = false;
};

/*
 * An EloDevice with other sizes, all in bytes but Topics:
 *   Outbox   messages not yet acknowledged; each takes its topic, its payload and 22 more
 *   Packet   the largest message that can come in, topic included
 *   Record   the TLS records' largest plaintext: 512, 1024, 2048 or 4096. Asked of the server; one
 *            that does not heed it can only send messages that fit
 *   Topics   filters given to on()
 *   Texts    host, names, Wi-Fi and "~/" filters, from LittleFS
 *   Identity the key and its certificates: a P-256 key and a certificate as AWS and the desk issue
 *            them; with an RSA key ELO_TLS_IDENTITY_BYTES
 */
template <size_t Outbox = 2048,
          size_t Packet = 512,
          size_t Record = 1024,
          size_t Topics = 6,
          size_t Texts = 512,
          size_t Identity = 1280>
class EloDeviceSized : public EloDeviceBase
{
  public:
    EloDeviceSized()
    {
        Memory m = {};
        m.outbox = _outbox;
        m.outboxSize = sizeof _outbox;
        m.rx = _rx;
        m.rxSize = sizeof _rx - 1; /* for the NUL behind a payload */
        m.tx = _tx;
        m.txSize = sizeof _tx;
        m.identity = _identity;
        m.identitySize = sizeof _identity;
        m.input = _input;
        m.inputSize = sizeof _input;
        m.output = _output;
        m.outputSize = sizeof _output;
        m.texts = _texts;
        m.textsSize = sizeof _texts;
        m.topic = _topic;
        m.topicSize = sizeof _topic;
        m.slots = _slots;
        m.subs = _subs;
        m.slotCount = Topics;
        setMemory(m);
    }

  private:
    uint8_t _outbox[Outbox], _rx[Packet + 1], _tx[256], _identity[Identity];
    uint8_t _input[ELO_TLS_INPUT_BYTES(Record)], _output[ELO_TLS_OUTPUT_BYTES(Record)];
    char _texts[Texts], _topic[ELO_TOPIC_MAX_BYTES + 1];
    Slot _slots[Topics] = {};
    struct elo_client_sub _subs[Topics];
};

class EloDevice : public EloDeviceSized<>
{
};

#endif
#endif
