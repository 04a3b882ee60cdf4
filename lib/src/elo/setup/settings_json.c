// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Settings as JSON. */
#include <stddef.h>

#include "elo/base/flash.h"
#include "elo/base/utf8.h"
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "elo/setup/code.h"
#include "elo/setup/internal.h"

/* Long enough for every name in the table. */
enum { NAME_CAP = 16 };

/* --- reading -------------------------------------------------------------------------------------
 */

/* A key without escapes is what everyone writes; with some it is one we do not know. */
static size_t find(const struct elo_json_token *key)
{
    return key->has_escapes ? ELO__FIELD_COUNT : elo__field_find(key->raw);
}

/* With escapes: straight into its place, for the stack has no room for two of them. */
static elo_why
unescape(struct elo_settings *s, const struct elo__field *f, const struct elo_json_token *value)
{
    uint8_t *at = (uint8_t *)s + f->at;
    size_t len = 0;
    if (f->kind != ELO__KIND_TEXT && f->kind != ELO__KIND_SSID) {
        return ELO_WHY_CHARACTERS;
    }
    if (elo_json_unescape(value, at, f->high, &len) != ELO_OK) {
        return ELO_WHY_LONG;
    }
    if (f->kind == ELO__KIND_SSID) {
        s->ssid_len = (uint8_t)len;
        return ELO_WHY_NONE;
    }
    at[len] = '\0';
    return strlen((const char *)at) == len ? elo__field_judge(s, f) : ELO_WHY_CHARACTERS;
}

static elo_why
take_string(struct elo_settings *s, const struct elo__field *f, const struct elo_json_token *value)
{
    return value->has_escapes ? unescape(s, f, value) : elo__field_set(s, f, value->raw);
}

static elo_why
take(struct elo_settings *s, const struct elo__field *f, const struct elo_json_token *value)
{
    bool number = f->kind == ELO__KIND_U16 || f->kind == ELO__KIND_PIN;
    if (value->type == ELO_JSON_NULL && f->kind != ELO__KIND_U16) {
        return elo__field_set(
            s, f, f->kind == ELO__KIND_SENSOR ? ELO_SPAN("none") : elo_span_of(NULL, 0));
    }
    if (number) {
        return value->type == ELO_JSON_NUMBER ? elo__field_set(s, f, value->raw) : ELO_WHY_TYPE;
    }
    return value->type == ELO_JSON_STRING ? take_string(s, f, value) : ELO_WHY_TYPE;
}

/* Not inlined: its frame would stand on that of the reader. */
static __attribute__((noinline)) elo_err member(struct elo_settings *s,
                                                struct elo_json_reader *r,
                                                const struct elo_json_token *key,
                                                struct elo_settings_fault *fault)
{
    struct elo__field f;
    struct elo_json_token value;
    size_t i = key->depth == 1 ? find(key) : ELO__FIELD_COUNT;
    if (i == ELO__FIELD_COUNT) {
        return elo_json_skip(r, key, NULL);
    }
    elo_err err = elo_json_next(r, &value);
    if (err != ELO_OK) {
        return err;
    }
    elo__field_at(i, &f);
    return elo__fault(fault, f.name, take(s, &f, &value));
}

/* `to` becomes before + from, if it is empty and that fits. */
static void follow(char *to, size_t cap, elo_text before, const char *from)
{
    size_t n = elo_text_len(before), len = strlen(from);
    if (to[0] == '\0' && from[0] != '\0' && n + len < cap) {
        (void)elo_text_copy(before, to, cap);
        memcpy(to + n, from, len + 1);
    }
}

static void fill_in(struct elo_settings *s)
{
    static const char ELO_SLASH[] ELO_FLASH = "elo/";
    follow(s->client_id, sizeof s->client_id, NULL, s->thing);
    follow(s->server_name, sizeof s->server_name, NULL, s->host);
    follow(s->prefix, sizeof s->prefix, ELO_SLASH, s->client_id);
}

elo_err
elo_settings_from_json(struct elo_settings *s, elo_span json, struct elo_settings_fault *fault)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, json);
    if (fault != NULL) {
        fault->field = NULL;
        fault->why = ELO_WHY_JSON;
    }
    elo_err err = elo_json_next(&r, &token);
    if (err == ELO_OK && token.type != ELO_JSON_OBJECT_BEGIN) {
        return ELO_E_MALFORMED;
    }
    while (err == ELO_OK) {
        err = elo_json_next(&r, &token);
        if (err == ELO_OK && token.type == ELO_JSON_KEY) {
            err = member(s, &r, &token, fault);
        }
    }
    if (err != ELO_END) {
        return err;
    }
    fill_in(s);
    return elo_settings_check(s, fault);
}

/* --- writing -------------------------------------------------------------------------------------
 */

static bool plain_ssid(const struct elo_settings *s)
{
    elo_span ssid = elo_span_of(s->ssid, s->ssid_len);
    return elo_utf8_valid_mqtt(ssid);
}

static void put_ssid_hex(struct elo_json_writer *w, const struct elo_settings *s)
{
    char hex[2 * ELO_SSID_MAX];
    for (size_t i = 0; i < s->ssid_len; i++) {
        elo_hex_put(s->ssid[i], 2, hex + 2 * i);
    }
    elo_json_string(w, elo_span_of(hex, 2u * s->ssid_len));
}

static void
put_value(struct elo_json_writer *w, const struct elo_settings *s, const struct elo__field *f)
{
    char name[NAME_CAP];
    uint16_t number;
    switch (f->kind) {
    case ELO__KIND_SSID:
        elo_json_string(w, elo_span_of(s->ssid, s->ssid_len));
        break;
    case ELO__KIND_SSID_HEX:
        put_ssid_hex(w, s);
        break;
    case ELO__KIND_TEXT:
        elo_json_string(w, elo_span_str((const char *)s + f->at));
        break;
    case ELO__KIND_U16:
        memcpy(&number, (const uint8_t *)s + f->at, sizeof number);
        elo_json_int(w, number);
        break;
    case ELO__KIND_SENSOR:
        elo_json_string(w, elo_span_of(name, elo_text_copy(elo_sensor_name((elo_sensor)s->sensor),
                                                           name, sizeof name)));
        break;
    default:
        if (s->pins[f->at] == ELO_PIN_NONE) {
            elo_json_null(w);
        } else {
            elo_json_int(w, s->pins[f->at]);
        }
    }
}

static bool wanted(const struct elo_settings *s, const struct elo__field *f, bool secrets)
{
    if (f->kind == ELO__KIND_SSID || f->kind == ELO__KIND_SSID_HEX) {
        return s->ssid_len > 0 && plain_ssid(s) == (f->kind == ELO__KIND_SSID);
    }
    if (f->kind != ELO__KIND_TEXT) {
        return true;
    }
    bool secret = f->at == offsetof(struct elo_settings, passphrase);
    return ((const char *)s)[f->at] != '\0' && (secrets || !secret);
}

elo_err elo_settings_to_json(
    const struct elo_settings *s, bool secrets, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo_json_writer w;
    struct elo__field f;
    char name[NAME_CAP];
    elo_json_writer_init(&w, out, cap);
    elo_json_begin_object(&w);
    for (size_t i = 0; i < ELO__FIELD_COUNT; i++) {
        elo__field_at(i, &f);
        if (wanted(s, &f, secrets)) {
            elo_json_key(&w, elo_span_of(name, elo_text_copy(f.name, name, sizeof name)));
            put_value(&w, s, &f);
        }
    }
    elo_json_end_object(&w);
    return elo_json_finish(&w, out_len);
}
