// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/mqtt_text.h"

#include "elo/mqtt/decode.h"
#include "elo/mqtt/property.h"

#include <stdio.h>
#include <stdlib.h>

#define LONG_RUN 32u

static size_t run_length(elo_span s)
{
    size_t n = 1;
    while (n < s.len && s.ptr[n] == s.ptr[0]) {
        n++;
    }
    return n;
}

static void put_byte(FILE *out, uint8_t byte)
{
    if (byte > ' ' && byte < 0x7F && byte != '%' && byte != '{') {
        fputc(byte, out);
    } else {
        fprintf(out, "%%%02X", byte);
    }
}

/* name=value; what is not plain text as %XX, long runs of one byte as {x*N}. */
static void put_field(FILE *out, const char *name, elo_span s)
{
    fprintf(out, " %s=", name);
    while (s.len != 0) {
        size_t run = run_length(s);
        if (run >= LONG_RUN) {
            fputc('{', out);
            put_byte(out, s.ptr[0]);
            fprintf(out, "*%zu}", run);
        } else {
            run = 1;
            put_byte(out, s.ptr[0]);
        }
        s = elo_span_from(s, run);
    }
}

/* One field each, named by its identifier in hex: 1f=text, 21=number, 26=name:value. */
static void put_properties(FILE *out, const char *prefix, elo_span properties)
{
    struct elo_mqtt_property p;
    while (elo_mqtt_next_property(&properties, &p)) {
        char name[16];
        snprintf(name, sizeof name, "%s%02x", prefix, p.id);
        if (p.id == ELO_MQTT_PROP_USER) {
            put_field(out, name, p.name);
            put_field(out, ":", p.text);
        } else if (p.raw.len > 1 && p.text.ptr == NULL) {
            fprintf(out, " %s=%u", name, (unsigned)p.number);
        } else {
            put_field(out, name, p.text);
        }
    }
}

static void put_connect(FILE *out, const struct elo_mqtt_connect *c)
{
    fprintf(out, " level=%u clean=%d keep_alive=%u", c->level, c->clean_session, c->keep_alive_s);
    put_field(out, "client", c->client_id);
    if (c->has_will) {
        put_field(out, "will_topic", c->will.topic);
        put_field(out, "will_payload", c->will.payload);
        fprintf(out, " will_qos=%u will_retain=%d", c->will.qos, c->will.retain);
        put_properties(out, "will_", c->will.properties);
    }
    if (c->has_username) {
        put_field(out, "username", c->username);
    }
    if (c->has_password) {
        put_field(out, "password", c->password);
    }
    put_properties(out, "", c->properties);
}

static void put_publish(FILE *out, const struct elo_mqtt_publish *p)
{
    fprintf(out, " qos=%u dup=%d retain=%d id=%u", p->qos, p->dup, p->retain, p->packet_id);
    put_field(out, "topic", p->topic);
    put_field(out, "payload", p->payload);
    put_properties(out, "", p->properties);
    if (p->has != 0) {
        fprintf(out, " has=%u alias=%u expiry=%u", p->has, p->alias, (unsigned)p->expiry_s);
    }
}

static void put_subscribe(FILE *out, const struct elo_mqtt_subscribe *s)
{
    struct elo_mqtt_subscription sub;
    elo_span rest = s->filters;
    fprintf(out, " id=%u count=%u", s->packet_id, (unsigned)s->count);
    while (elo_mqtt_next_subscription(&rest, &sub)) {
        put_field(out, "filter", sub.filter);
        fprintf(out, " qos=%u", sub.qos);
        if (sub.no_local || sub.retain_as_published || sub.retain_handling != 0) {
            fprintf(out, " no_local=%d as_published=%d handling=%u", sub.no_local,
                    sub.retain_as_published, sub.retain_handling);
        }
    }
    put_properties(out, "", s->properties);
}

static void put_unsubscribe(FILE *out, const struct elo_mqtt_subscribe *s)
{
    elo_span filter;
    elo_span rest = s->filters;
    fprintf(out, " id=%u count=%u", s->packet_id, (unsigned)s->count);
    while (elo_mqtt_next_filter(&rest, &filter)) {
        put_field(out, "filter", filter);
    }
    put_properties(out, "", s->properties);
}

static void put_suback(FILE *out, const struct elo_mqtt_suback *s)
{
    fprintf(out, " id=%u codes=", s->packet_id);
    for (size_t i = 0; i < s->codes.len; i++) {
        fprintf(out, "%02x", s->codes.ptr[i]);
    }
    put_properties(out, "", s->properties);
}

static void put_code(FILE *out, uint8_t level, uint8_t code, elo_span properties)
{
    if (level == ELO_MQTT_5) {
        fprintf(out, " code=%02x", code);
        put_properties(out, "", properties);
    }
}

static void put_connack(FILE *out, uint8_t level, const struct elo_mqtt_connack *c)
{
    fprintf(out, " session=%d", c->session_present);
    if (level != ELO_MQTT_5) {
        fprintf(out, " code=%u", c->code);
    }
    put_code(out, level, c->code, c->properties);
}

static void put_fields(FILE *out, uint8_t level, const struct elo_mqtt_packet *p)
{
    bool suback = p->type == ELO_MQTT_UNSUBACK && level == ELO_MQTT_5;
    switch (suback ? ELO_MQTT_SUBACK : p->type) {
    case ELO_MQTT_CONNECT:
        put_connect(out, &p->u.connect);
        break;
    case ELO_MQTT_CONNACK:
        put_connack(out, level, &p->u.connack);
        break;
    case ELO_MQTT_PUBLISH:
        put_publish(out, &p->u.publish);
        break;
    case ELO_MQTT_SUBSCRIBE:
        put_subscribe(out, &p->u.subscribe);
        break;
    case ELO_MQTT_UNSUBSCRIBE:
        put_unsubscribe(out, &p->u.subscribe);
        break;
    case ELO_MQTT_SUBACK:
        put_suback(out, &p->u.suback);
        break;
    case ELO_MQTT_PUBACK:
    case ELO_MQTT_PUBREC:
    case ELO_MQTT_PUBREL:
    case ELO_MQTT_PUBCOMP:
    case ELO_MQTT_UNSUBACK:
        fprintf(out, " id=%u", p->u.ack.packet_id);
        put_code(out, level, p->u.ack.code, p->u.ack.properties);
        break;
    case ELO_MQTT_DISCONNECT:
    case ELO_MQTT_AUTH:
        put_code(out, level, p->u.disconnect.code, p->u.disconnect.properties);
        break;
    case ELO_MQTT_PINGREQ:
    case ELO_MQTT_PINGRESP:
        break;
    }
}

char *mqtt_text(uint8_t level, const struct elo_mqtt_packet *p)
{
    static const char *const names[] = {
        "?",       "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
        "PUBREL",  "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
        "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
    };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        perror("mqtt_text");
        abort();
    }
    fputs(p->type < sizeof names / sizeof *names ? names[p->type] : "?", out);
    put_fields(out, level, p);
    fclose(out);
    return text;
}

const char *mqtt_err_text(elo_err err)
{
    static const struct {
        elo_err err;
        const char *text;
    } names[] = {
        {ELO_OK, "OK"},
        {ELO_NEED_MORE, "NEED_MORE"},
        {ELO_E_MALFORMED, "MALFORMED"},
        {ELO_E_TOO_LARGE, "TOO_LARGE"},
        {ELO_E_UTF8, "UTF8"},
        {ELO_E_PROTOCOL, "PROTOCOL"},
        {ELO_E_TOPIC, "TOPIC"},
        {ELO_E_NO_SPACE, "NO_SPACE"},
        {ELO_E_UNSUPPORTED, "UNSUPPORTED"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].err == err) {
            return names[i].text;
        }
    }
    return "?";
}
