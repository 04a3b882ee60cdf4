// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/flash.h"
#include "elo/json/read.h"
#include "elo/station/internal.h"

static const char K_LED[] ELO_FLASH = "led";
static const char K_RELAY[] ELO_FLASH = "relay";
static const char K_INTERVAL[] ELO_FLASH = "interval";
static const char K_IDENTIFY[] ELO_FLASH = "identify";
static const char K_RESTART[] ELO_FLASH = "restart";
static const char K_DESCRIBE[] ELO_FLASH = "describe";
static const char E_SWITCH[] ELO_FLASH = "led and relay are \"on\" or \"off\"";
static const char E_INTERVAL[] ELO_FLASH = "interval is a whole number of seconds, 1 to 3600";
static const char E_IDENTIFY[] ELO_FLASH = "identify is a whole number of seconds, 1 to 60";
static const char E_TRUE[] ELO_FLASH = "restart and describe are true or not there";
static const char E_NONE[] ELO_FLASH = "this board has no such output";
static const char E_KNOWN[] ELO_FLASH = "known: led relay interval identify restart describe";
static const char E_VALUES[] ELO_FLASH = "values are \"on\", \"off\" or a number";

#define ID_MAX 64u

/* FNV-1a: short, and enough to tell a handful of commands apart. */
static uint32_t hash(elo_span text)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < text.len; i++) {
        h = (h ^ text.ptr[i]) * 16777619u;
    }
    return h;
}

static const char *set_switch(const struct elo_json_token *value, bool exists, bool *out)
{
    if (value->type == ELO_JSON_STRING && elo_json_token_is(value, ELO_SPAN("on"))) {
        *out = true;
    } else if (value->type == ELO_JSON_STRING && elo_json_token_is(value, ELO_SPAN("off"))) {
        *out = false;
    } else {
        return E_SWITCH;
    }
    return exists ? NULL : E_NONE;
}

static const char *
set_seconds(const struct elo_json_token *value, int64_t max, const char *error, uint16_t *out)
{
    int64_t seconds = 0;
    if (elo_json_int64(value, &seconds) != ELO_OK || seconds < 1 || seconds > max) {
        return error;
    }
    *out = (uint16_t)seconds;
    return NULL;
}

static const char *set_true(const struct elo_json_token *value, bool *out)
{
    *out = value->type == ELO_JSON_TRUE;
    return *out ? NULL : E_TRUE;
}

static bool is_key(const struct elo_json_token *key, const char *flash)
{
    struct elo__word w;
    return elo_json_token_is(key, elo__word(&w, flash));
}

/* One member of the command; NULL or what is wrong with it. */
static const char *obey(const struct elo_board *board,
                        struct elo__command *c,
                        const struct elo_json_token *key,
                        const struct elo_json_token *value)
{
    if (value->type == ELO_JSON_OBJECT_BEGIN || value->type == ELO_JSON_ARRAY_BEGIN) {
        return E_VALUES;
    }
    if (elo_json_token_is(key, ELO_SPAN("id"))) {
        return NULL;
    }
    if (is_key(key, K_LED)) {
        return set_switch(value, board->led != NULL, &c->led);
    }
    if (is_key(key, K_RELAY)) {
        return set_switch(value, board->relay != NULL, &c->relay);
    }
    if (is_key(key, K_INTERVAL)) {
        return set_seconds(value, ELO_STATION_INTERVAL_MAX_S, E_INTERVAL, &c->interval_s);
    }
    if (is_key(key, K_IDENTIFY)) {
        return set_seconds(value, ELO_STATION_IDENTIFY_MAX_S, E_IDENTIFY, &c->identify_s);
    }
    if (is_key(key, K_RESTART)) {
        return set_true(value, &c->restart);
    }
    if (is_key(key, K_DESCRIBE)) {
        return set_true(value, &c->describe);
    }
    return E_KNOWN;
}

/* The raw value of "id", a string or number; empty if there is none. */
static elo_span find_id(elo_span command)
{
    struct elo_json_reader r;
    struct elo_json_token key, value;
    elo_json_reader_init(&r, command);
    if (elo_json_next(&r, &key) != ELO_OK || key.type != ELO_JSON_OBJECT_BEGIN) {
        return elo_span_of(NULL, 0);
    }
    while (elo_json_next(&r, &key) == ELO_OK && key.type == ELO_JSON_KEY) {
        if (elo_json_token_is(&key, ELO_SPAN("id"))) {
            if (elo_json_next(&r, &value) != ELO_OK || value.raw.len > ID_MAX) {
                break;
            }
            return value.type == ELO_JSON_STRING ? elo_span_of(value.raw.ptr - 1, value.raw.len + 2)
                   : value.type == ELO_JSON_NUMBER ? value.raw
                                                   : elo_span_of(NULL, 0);
        }
        if (elo_json_skip(&r, &key, NULL) != ELO_OK) {
            break;
        }
    }
    return elo_span_of(NULL, 0);
}

void elo__command_read(const struct elo_station *s, elo_span text, struct elo__command *out)
{
    struct elo_json_reader r;
    struct elo_json_token key, value;
    memset(out, 0, sizeof *out);
    out->led = s->_internal.led;
    out->relay = s->_internal.relay;
    out->interval_s = s->_internal.interval_s;
    if (elo_json_validate(text) != ELO_OK) {
        return;
    }
    out->id = find_id(text);
    if (out->id.len == 0) {
        return;
    }
    out->id_hash = hash(out->id);
    out->words_hash = hash(text);
    elo_json_reader_init(&r, text);
    elo_err err = elo_json_next(&r, &key); /* the brace */
    while (err == ELO_OK && out->error == NULL && (err = elo_json_next(&r, &key)) == ELO_OK &&
           key.type == ELO_JSON_KEY) {
        err = elo_json_next(&r, &value);
        out->error = err == ELO_OK ? obey(s->_internal.config->board, out, &key, &value) : E_VALUES;
    }
}
