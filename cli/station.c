// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/station.h"

#include "elo/json/read.h"
#include "elo/json/write.h"

static size_t finish(struct elo_json_writer *w)
{
    size_t len = 0;
    return elo_json_finish(w, &len) == ELO_OK ? len : 0;
}

static const char *on_off(bool on)
{
    return on ? "on" : "off";
}

size_t
station_telemetry(struct station *s, const struct station_reading *r, uint8_t *out, size_t cap)
{
    struct elo_json_writer w;
    elo_json_writer_init(&w, out, cap);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("seq"));
    elo_json_int(&w, ++s->seq);
    if (r->has_celsius) {
        elo_json_key(&w, ELO_SPAN("celsius"));
        elo_json_fixed(&w, r->centi_celsius, 2);
        elo_json_key(&w, ELO_SPAN("source"));
        elo_json_string(&w, elo_span_str(r->source));
    }
    if (r->has_humidity) {
        elo_json_key(&w, ELO_SPAN("humidity"));
        elo_json_fixed(&w, r->centi_percent, 2);
    }
    if (r->has_load) {
        elo_json_key(&w, ELO_SPAN("load"));
        elo_json_fixed(&w, r->centi_load, 2);
    }
    if (r->has_free) {
        elo_json_key(&w, ELO_SPAN("freeKiB"));
        elo_json_int(&w, r->free_kib);
    }
    elo_json_end_object(&w);
    return finish(&w);
}

size_t station_state(const struct station *s, uint8_t *out, size_t cap)
{
    struct elo_json_writer w;
    elo_json_writer_init(&w, out, cap);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("led"));
    elo_json_string(&w, elo_span_str(on_off(s->led)));
    elo_json_key(&w, ELO_SPAN("relay"));
    elo_json_string(&w, elo_span_str(on_off(s->relay)));
    elo_json_key(&w, ELO_SPAN("interval"));
    elo_json_int(&w, s->interval_s);
    elo_json_end_object(&w);
    return finish(&w);
}

static size_t write_reply(elo_span id, const char *error, uint8_t *out, size_t cap)
{
    struct elo_json_writer w;
    elo_json_writer_init(&w, out, cap);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("id"));
    elo_json_raw(&w, id);
    elo_json_key(&w, ELO_SPAN("ok"));
    elo_json_bool(&w, error == NULL);
    if (error != NULL) {
        elo_json_key(&w, ELO_SPAN("error"));
        elo_json_string(&w, elo_span_str(error));
    }
    elo_json_end_object(&w);
    return finish(&w);
}

static const char *set_switch(const struct elo_json_token *value, bool *out)
{
    if (value->type == ELO_JSON_STRING && elo_json_token_is(value, ELO_SPAN("on"))) {
        *out = true;
        return NULL;
    }
    if (value->type == ELO_JSON_STRING && elo_json_token_is(value, ELO_SPAN("off"))) {
        *out = false;
        return NULL;
    }
    return "led and relay are \"on\" or \"off\"";
}

static const char *set_interval(const struct elo_json_token *value, int32_t *out)
{
    int64_t seconds = 0;
    if (elo_json_int64(value, &seconds) != ELO_OK || seconds < 1 ||
        seconds > STATION_INTERVAL_MAX_S) {
        return "interval is a whole number of seconds, 1 to 3600";
    }
    *out = (int32_t)seconds;
    return NULL;
}

/* One member of the command into `next`; NULL or what is wrong with it. */
static const char *
obey(struct station *next, const struct elo_json_token *key, const struct elo_json_token *value)
{
    if (elo_json_token_is(key, ELO_SPAN("id"))) {
        return NULL;
    }
    if (elo_json_token_is(key, ELO_SPAN("led"))) {
        return set_switch(value, &next->led);
    }
    if (elo_json_token_is(key, ELO_SPAN("relay"))) {
        return set_switch(value, &next->relay);
    }
    if (elo_json_token_is(key, ELO_SPAN("interval"))) {
        return set_interval(value, &next->interval_s);
    }
    return "known are led, relay and interval";
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
            if (elo_json_next(&r, &value) != ELO_OK || value.raw.len > 64) {
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

size_t
station_command(struct station *s, elo_span command, uint8_t *reply, size_t cap, bool *out_changed)
{
    struct elo_json_reader r;
    struct elo_json_token key, value;
    struct station next = *s;
    const char *error = NULL;
    *out_changed = false;
    elo_span id = elo_json_validate(command) == ELO_OK ? find_id(command) : elo_span_of(NULL, 0);
    if (id.len == 0) {
        return 0;
    }
    elo_json_reader_init(&r, command);
    elo_err err = elo_json_next(&r, &key); /* the brace */
    while (err == ELO_OK && error == NULL && (err = elo_json_next(&r, &key)) == ELO_OK &&
           key.type == ELO_JSON_KEY) {
        err = elo_json_next(&r, &value);
        error = err == ELO_OK ? obey(&next, &key, &value) : NULL;
        if (value.type == ELO_JSON_OBJECT_BEGIN || value.type == ELO_JSON_ARRAY_BEGIN) {
            error = "values are \"on\", \"off\" or a number";
        }
    }
    if (error == NULL) {
        *out_changed =
            next.led != s->led || next.relay != s->relay || next.interval_s != s->interval_s;
        *s = next;
    }
    return write_reply(id, error, reply, cap);
}
