// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a board is told once: its Wi-Fi, who it is, where it connects, what hangs on its pins.
 *
 * Purpose
 *   One plain struct; JSON in and out with the names of a bundle's config.json (`elo add`) and
 *   some more; a binary form with a check for flash; and a judge of every field. Certificates and
 *   the key are not in it: they are blobs of their own (elo_bundle_text gives them as DER), so that
 *   changing the Wi-Fi does not rewrite them.
 *
 *     JSON name        meaning                                      default
 *     wifiSsid         the network's name, 1 to 32 bytes            empty: not set up
 *     wifiSsidHex      the same for names that are not UTF-8
 *     wifiPassphrase   8 to 63 characters, or 64 hex digits; empty: open network
 *     thingName        the thing, 1 to 128 of a-z A-Z 0-9 : _ -
 *     clientId         the MQTT client id; not given: the thing's name
 *     host             the endpoint: a name or an address
 *     port             1 to 65535                                   8883
 *     serverName       what the server's certificate must say       not given: host
 *     prefix           of its topics                                not given: elo/CLIENTID
 *     interval         seconds between telemetry, 1 to 3600         10
 *     sensor           none dht22 dht11 ds18b20 bme280              none
 *     sensorPin        its data line (I2C: SDA)                     4  (D2)
 *     sclPin           I2C clock, bme280 only                       5  (D1)
 *     relayPin         null: no relay                               14 (D5)
 *     ledPin           null: no LED                                 2  (D4)
 *     buttonPin        null: no button                              0  (D3, FLASH)
 *
 * Pins are GPIO numbers. Pins that cannot work are refused, with a reason in words: 6 to 11 carry
 * the flash, 1 and 3 the serial line, 0, 2 and 15 decide at power-up how the chip starts, 16 has no
 * pull-up and no fast input.
 *
 * Memory: sizeof(struct elo_settings) is about 780 bytes and the caller's; nothing is borrowed.
 * Members are NUL-terminated except the ssid, which may hold any bytes.
 *
 * Errors: elo_err says the kind; struct elo_settings_fault names field and reason. What reads into
 * a struct may have changed part of it when it fails: give it a draft, not what is in use.
 */
#ifndef ELO_SETUP_SETTINGS_H
#define ELO_SETUP_SETTINGS_H

#include "elo/base/err.h"
#include "elo/setup/text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_SSID_MAX       32u
#define ELO_PASSPHRASE_MAX 64u
#define ELO_SETTINGS_PORT  8883u

typedef enum elo_sensor {
    ELO_SENSOR_NONE,
    ELO_SENSOR_DHT22,
    ELO_SENSOR_DHT11,
    ELO_SENSOR_DS18B20,
    ELO_SENSOR_BME280,
    ELO_SENSOR_COUNT
} elo_sensor;

typedef enum elo_role {
    ELO_ROLE_SENSOR,
    ELO_ROLE_SCL,
    ELO_ROLE_RELAY,
    ELO_ROLE_LED,
    ELO_ROLE_BUTTON,
    ELO_ROLE_COUNT
} elo_role;

/* In the place of a GPIO number: nothing is connected. */
#define ELO_PIN_NONE 255u

struct elo_settings {
    uint8_t ssid[ELO_SSID_MAX];
    uint8_t ssid_len;
    char passphrase[ELO_PASSPHRASE_MAX + 1];
    char thing[129]; /* from here to the port: who and where */
    char client_id[129];
    char host[128];
    char server_name[128];
    char prefix[144];
    uint16_t port;
    uint16_t interval_s; /* what stands before it, a connection hangs on */
    uint8_t sensor;      /* elo_sensor */
    uint8_t pins[ELO_ROLE_COUNT];
};

/* Why a setting is refused; elo_settings_why() has the words. */
typedef enum elo_why {
    ELO_WHY_NONE,
    ELO_WHY_EMPTY,      /* must not be empty */
    ELO_WHY_LONG,       /* longer than its limit */
    ELO_WHY_CHARACTERS, /* a character that is not allowed there */
    ELO_WHY_RANGE,      /* a number outside its range */
    ELO_WHY_TYPE,       /* JSON of another type */
    ELO_WHY_PASSPHRASE, /* neither 8 to 63 characters nor 64 hex digits */
    ELO_WHY_SENSOR,     /* no sensor kind of ours */
    ELO_WHY_NO_PIN,     /* the chip has no such pin */
    ELO_WHY_PIN_FLASH,  /* carries the flash memory */
    ELO_WHY_PIN_SERIAL, /* the serial line */
    ELO_WHY_PIN_STRAP,  /* decides at power-up how the chip starts */
    ELO_WHY_PIN_16,     /* no pull-up, no fast input */
    ELO_WHY_PIN_SHARED, /* another part is on this pin */
    ELO_WHY_JSON,       /* not JSON */
    ELO_WHY_COUNT
} elo_why;

struct elo_settings_fault {
    elo_text field; /* the JSON name; NULL: the whole */
    elo_why why;
};

/* Everything empty, numbers and pins as in the table above. */
void elo_settings_defaults(struct elo_settings *s);

/*
 * Reads the members that are there over those of `s`; what is not there stays. Unknown members are
 * passed over: a bundle of a later version may have more. Members that follow from others when not
 * given (clientId, serverName, prefix) are filled in. Then as elo_settings_check().
 *
 * ELO_E_MALFORMED and others of the reader  not JSON, or no object
 * ELO_E_SETTING                             `*fault` says which and why
 */
ELO_MUST_USE elo_err elo_settings_from_json(struct elo_settings *s,
                                            elo_span json,
                                            struct elo_settings_fault *fault);

/* Sets one member by its JSON name from text, as a person types it: "10", "dht22", "none". Same
 * errors, and ELO_E_NOT_FOUND for a name that is none. Does not look at the other members. */
ELO_MUST_USE elo_err elo_settings_set(struct elo_settings *s,
                                      elo_span name,
                                      elo_span value,
                                      struct elo_settings_fault *fault);

/*
 * Judges what is there. Empty members are allowed: a board is set up in parts; whether all that
 * connecting takes is there, elo_settings_complete() tells.
 */
ELO_MUST_USE elo_err elo_settings_check(const struct elo_settings *s,
                                        struct elo_settings_fault *fault);

/* Wi-Fi, host, client id and prefix are there. ELO_E_SETTING and the first that is missing. */
ELO_MUST_USE elo_err elo_settings_complete(const struct elo_settings *s,
                                           struct elo_settings_fault *fault);

/* As JSON. `secrets` false leaves the passphrase out. ELO_E_NO_SPACE and the size it takes. At most
 * ELO_SETTINGS_JSON_MAX bytes. */
#define ELO_SETTINGS_JSON_MAX 1800u
ELO_MUST_USE elo_err elo_settings_to_json(
    const struct elo_settings *s, bool secrets, uint8_t *out, size_t cap, size_t *out_len);

/*
 * The form for flash: a header, the members that are not empty, a CRC-32. ELO_SETTINGS_BYTES_MAX
 * bytes are always enough. Reading: ELO_E_CORRUPT for anything that is not whole; a newer
 * version's further members are passed over; what is not there has its default.
 */
#define ELO_SETTINGS_BYTES_MAX 820u
ELO_MUST_USE elo_err elo_settings_store(const struct elo_settings *s,
                                        uint8_t *out,
                                        size_t cap,
                                        size_t *out_len);
ELO_MUST_USE elo_err elo_settings_load(struct elo_settings *s, elo_span bytes);

/* The judge for one pin; ELO_WHY_NONE: fine. `pin` may be ELO_PIN_NONE. */
elo_why elo_pin_judge(elo_role role, unsigned pin);

/* "dht22" ... and the reason of a fault in words, one sentence. */
elo_text elo_sensor_name(elo_sensor sensor);
elo_text elo_settings_why(elo_why why, elo_lang lang);

#ifdef __cplusplus
}
#endif

#endif
