// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The members of the settings, one row each: its name, where it lies, what it may hold. Everything
 * that reads, writes or judges settings walks this table.
 */
#include "elo/setup/internal.h"

#include <stddef.h>

#include "elo/base/flash.h"
#include "elo/base/utf8.h"
#include "elo/setup/code.h"

#define NAME(id, text) static const char id[] ELO_FLASH = text
NAME(WIFI_SSID, "wifiSsid");
NAME(WIFI_SSID_HEX, "wifiSsidHex");
NAME(WIFI_PASSPHRASE, "wifiPassphrase");
NAME(THING_NAME, "thingName");
NAME(CLIENT_ID, "clientId");
NAME(HOST, "host");
NAME(PORT, "port");
NAME(SERVER_NAME, "serverName");
NAME(PREFIX, "prefix");
NAME(INTERVAL, "interval");
NAME(SENSOR, "sensor");
NAME(SENSOR_PIN, "sensorPin");
NAME(SCL_PIN, "sclPin");
NAME(RELAY_PIN, "relayPin");
NAME(LED_PIN, "ledPin");
NAME(BUTTON_PIN, "buttonPin");

#define AT(member) offsetof(struct elo_settings, member)
#define TEXT(member, low)                                                                          \
    ELO__KIND_TEXT, AT(member), low, sizeof(((struct elo_settings *)0)->member) - 1

static const struct elo__field FIELDS[ELO__FIELD_COUNT] ELO_FLASH = {
    {WIFI_SSID, 1, ELO__KIND_SSID, AT(ssid), 0, ELO_SSID_MAX},
    {WIFI_SSID_HEX, 1, ELO__KIND_SSID_HEX, AT(ssid), 0, ELO_SSID_MAX},
    {WIFI_PASSPHRASE, 2, TEXT(passphrase, 0)},
    {THING_NAME, 3, TEXT(thing, 0)},
    {CLIENT_ID, 4, TEXT(client_id, 0)},
    {HOST, 5, TEXT(host, 0)},
    {PORT, 6, ELO__KIND_U16, AT(port), 1, 65535},
    {SERVER_NAME, 7, TEXT(server_name, 0)},
    {PREFIX, 8, TEXT(prefix, 0)},
    {INTERVAL, 9, ELO__KIND_U16, AT(interval_s), 1, 3600},
    {SENSOR, 10, ELO__KIND_SENSOR, 0, 0, 0},
    {SENSOR_PIN, 11, ELO__KIND_PIN, ELO_ROLE_SENSOR, 0, 0},
    {SCL_PIN, 12, ELO__KIND_PIN, ELO_ROLE_SCL, 0, 0},
    {RELAY_PIN, 13, ELO__KIND_PIN, ELO_ROLE_RELAY, 0, 0},
    {LED_PIN, 14, ELO__KIND_PIN, ELO_ROLE_LED, 0, 0},
    {BUTTON_PIN, 15, ELO__KIND_PIN, ELO_ROLE_BUTTON, 0, 0},
};

void elo__field_at(size_t i, struct elo__field *out)
{
    elo_flash_copy(out, &FIELDS[i], sizeof *out);
}

size_t elo__field_find(elo_span name)
{
    struct elo__field f;
    size_t i = 0;
    for (; i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        if (elo_text_is(f.name, name)) {
            break;
        }
    }
    return i;
}

elo_err elo__fault(struct elo_settings_fault *fault, elo_text field, elo_why why)
{
    if (why == ELO_WHY_NONE) {
        return ELO_OK;
    }
    if (fault != NULL) {
        fault->field = field;
        fault->why = why;
    }
    return ELO_E_SETTING;
}

bool elo__number(elo_span text, uint32_t *out)
{
    uint32_t v = 0;
    if (text.len == 0 || text.len > 9) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *out = v;
    return true;
}

/* --- what a text may hold ------------------------------------------------------------------------
 */

static bool alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A thing's name (AWS IoT API Reference, "CreateThing"); a host, numeric ones included. */
static bool allowed(uint32_t at, uint8_t c)
{
    if (c < 0x20 || c == 0x7F) {
        return false;
    }
    if (at == AT(thing)) {
        return alnum(c) || c == ':' || c == '_' || c == '-';
    }
    if (at == AT(host) || at == AT(server_name)) {
        return alnum(c) || c == '.' || c == '-' || c == '_' || c == ':';
    }
    return at != AT(prefix) || (c != '+' && c != '#');
}

static elo_why judge_passphrase(elo_span text)
{
    bool hex = true;
    for (size_t i = 0; i < text.len; i++) {
        hex = hex && elo_hex_value(text.ptr[i]) < 16;
    }
    bool good = text.len == 0 || (text.len >= 8 && text.len <= 63) || (text.len == 64 && hex);
    return good ? ELO_WHY_NONE : ELO_WHY_PASSPHRASE;
}

static elo_why judge_text(const struct elo__field *f, elo_span text)
{
    if (text.len > f->high) {
        return ELO_WHY_LONG;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!allowed(f->at, text.ptr[i])) {
            return ELO_WHY_CHARACTERS;
        }
    }
    if (!elo_utf8_valid_mqtt(text) || (f->at == AT(prefix) && text.len > 0 && text.ptr[0] == '$')) {
        return ELO_WHY_CHARACTERS;
    }
    return f->at == AT(passphrase) ? judge_passphrase(text) : ELO_WHY_NONE;
}

/* --- pins ----------------------------------------------------------------------------------------
 */

/* At power-up 0 and 2 must be high and 15 low. Sensors' lines rest high, so 2 suits them. */
static bool upsets_start(elo_role role, unsigned pin)
{
    switch (role) {
    case ELO_ROLE_SENSOR:
    case ELO_ROLE_SCL:
        return pin == 0 || pin == 15;
    case ELO_ROLE_RELAY:
        return pin == 0 || pin == 2;
    case ELO_ROLE_BUTTON:
        return pin == 2 || pin == 15;
    default:
        return false;
    }
}

elo_why elo_pin_judge(elo_role role, unsigned pin)
{
    if (pin == ELO_PIN_NONE) {
        return ELO_WHY_NONE;
    }
    if (pin > 16) {
        return ELO_WHY_NO_PIN;
    }
    if (pin >= 6 && pin <= 11) {
        return ELO_WHY_PIN_FLASH;
    }
    if (pin == 1 || pin == 3) {
        return ELO_WHY_PIN_SERIAL;
    }
    if (pin == 16 && role != ELO_ROLE_RELAY && role != ELO_ROLE_LED) {
        return ELO_WHY_PIN_16;
    }
    return upsets_start(role, pin) ? ELO_WHY_PIN_STRAP : ELO_WHY_NONE;
}

static bool uses(const struct elo_settings *s, size_t role)
{
    if (s->pins[role] == ELO_PIN_NONE) {
        return false;
    }
    if (role == ELO_ROLE_SCL) {
        return s->sensor == ELO_SENSOR_BME280;
    }
    return role != ELO_ROLE_SENSOR || s->sensor != ELO_SENSOR_NONE;
}

static elo_why judge_pin(const struct elo_settings *s, size_t role)
{
    elo_why why = elo_pin_judge((elo_role)role, s->pins[role]);
    for (size_t i = 0; why == ELO_WHY_NONE && i < role; i++) {
        if (uses(s, role) && uses(s, i) && s->pins[i] == s->pins[role]) {
            why = ELO_WHY_PIN_SHARED;
        }
    }
    bool must = (role == ELO_ROLE_SENSOR && s->sensor != ELO_SENSOR_NONE) ||
                (role == ELO_ROLE_SCL && s->sensor == ELO_SENSOR_BME280);
    return why == ELO_WHY_NONE && must && s->pins[role] == ELO_PIN_NONE ? ELO_WHY_EMPTY : why;
}

elo_why elo__field_judge(const struct elo_settings *s, const struct elo__field *f)
{
    const uint8_t *at = (const uint8_t *)s + f->at;
    uint16_t number;
    switch (f->kind) {
    case ELO__KIND_TEXT:
        return judge_text(f, elo_span_str((const char *)at));
    case ELO__KIND_U16:
        memcpy(&number, at, sizeof number);
        return number >= f->low && number <= f->high ? ELO_WHY_NONE : ELO_WHY_RANGE;
    case ELO__KIND_SENSOR:
        return s->sensor < ELO_SENSOR_COUNT ? ELO_WHY_NONE : ELO_WHY_SENSOR;
    case ELO__KIND_PIN:
        return judge_pin(s, f->at);
    default:
        return s->ssid_len <= ELO_SSID_MAX ? ELO_WHY_NONE : ELO_WHY_LONG;
    }
}

/* --- setting -------------------------------------------------------------------------------------
 */

static elo_why set_text(struct elo_settings *s, const struct elo__field *f, elo_span text)
{
    char *to = (char *)s + f->at;
    elo_why why = judge_text(f, text);
    if (why == ELO_WHY_NONE) {
        if (text.len > 0) {
            memcpy(to, text.ptr, text.len);
        }
        to[text.len] = '\0';
    }
    return why;
}

static elo_why set_number(struct elo_settings *s, const struct elo__field *f, elo_span text)
{
    uint32_t v;
    if (!elo__number(text, &v)) {
        return ELO_WHY_TYPE;
    }
    if (v < f->low || v > f->high) {
        return ELO_WHY_RANGE;
    }
    uint16_t number = (uint16_t)v;
    memcpy((uint8_t *)s + f->at, &number, sizeof number);
    return ELO_WHY_NONE;
}

static elo_why set_ssid(struct elo_settings *s, elo_span text)
{
    if (text.len > ELO_SSID_MAX) {
        return ELO_WHY_LONG;
    }
    if (text.len > 0) {
        memcpy(s->ssid, text.ptr, text.len);
    }
    s->ssid_len = (uint8_t)text.len;
    return ELO_WHY_NONE;
}

static elo_why set_ssid_hex(struct elo_settings *s, elo_span text)
{
    if (text.len > 2 * ELO_SSID_MAX) {
        return ELO_WHY_LONG;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (elo_hex_value(text.ptr[i]) > 15 || text.len % 2 != 0) {
            return ELO_WHY_CHARACTERS;
        }
    }
    for (size_t i = 0; i < text.len / 2; i++) {
        s->ssid[i] =
            (uint8_t)(elo_hex_value(text.ptr[2 * i]) << 4 | elo_hex_value(text.ptr[2 * i + 1]));
    }
    s->ssid_len = (uint8_t)(text.len / 2);
    return ELO_WHY_NONE;
}

static elo_why set_sensor(struct elo_settings *s, elo_span text)
{
    for (unsigned i = 0; i < ELO_SENSOR_COUNT; i++) {
        if (elo_text_is(elo_sensor_name((elo_sensor)i), text)) {
            s->sensor = (uint8_t)i;
            return ELO_WHY_NONE;
        }
    }
    return ELO_WHY_SENSOR;
}

static elo_why set_pin(struct elo_settings *s, size_t role, elo_span text)
{
    uint32_t pin = ELO_PIN_NONE;
    bool none = text.len == 0 || elo_text_is(elo_sensor_name(ELO_SENSOR_NONE), text);
    if (!none && !elo__number(text, &pin)) {
        return ELO_WHY_TYPE;
    }
    if (!none && pin > 16) {
        return ELO_WHY_NO_PIN;
    }
    elo_why why = elo_pin_judge((elo_role)role, pin);
    if (why == ELO_WHY_NONE) {
        s->pins[role] = (uint8_t)pin;
    }
    return why;
}

elo_why elo__field_set(struct elo_settings *s, const struct elo__field *f, elo_span value)
{
    switch (f->kind) {
    case ELO__KIND_TEXT:
        return set_text(s, f, value);
    case ELO__KIND_U16:
        return set_number(s, f, value);
    case ELO__KIND_SENSOR:
        return set_sensor(s, value);
    case ELO__KIND_PIN:
        return set_pin(s, f->at, value);
    case ELO__KIND_SSID_HEX:
        return set_ssid_hex(s, value);
    default:
        return set_ssid(s, value);
    }
}
