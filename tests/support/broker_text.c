// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/broker_text.h"

#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, TEXT, USER };

static const struct {
    const char *name;
    uint8_t id;
    enum kind kind;
} names[] = {
    {"format", ELO_MQTT_PROP_PAYLOAD_FORMAT, NUMBER},
    {"expires", ELO_MQTT_PROP_MESSAGE_EXPIRY, NUMBER},
    {"type", ELO_MQTT_PROP_CONTENT_TYPE, TEXT},
    {"response", ELO_MQTT_PROP_RESPONSE_TOPIC, TEXT},
    {"correlation", ELO_MQTT_PROP_CORRELATION_DATA, TEXT},
    {"subscription", ELO_MQTT_PROP_SUBSCRIPTION_ID, NUMBER},
    {"expiry", ELO_MQTT_PROP_SESSION_EXPIRY, NUMBER},
    {"assigned", ELO_MQTT_PROP_ASSIGNED_CLIENT_ID, TEXT},
    {"server_keep_alive", ELO_MQTT_PROP_SERVER_KEEP_ALIVE, NUMBER},
    {"auth_method", ELO_MQTT_PROP_AUTH_METHOD, TEXT},
    {"problem_info", ELO_MQTT_PROP_REQUEST_PROBLEM_INFO, NUMBER},
    {"delay", ELO_MQTT_PROP_WILL_DELAY, NUMBER},
    {"response_info", ELO_MQTT_PROP_REQUEST_RESPONSE_INFO, NUMBER},
    {"reason", ELO_MQTT_PROP_REASON_STRING, TEXT},
    {"receive", ELO_MQTT_PROP_RECEIVE_MAXIMUM, NUMBER},
    {"aliases", ELO_MQTT_PROP_ALIAS_MAXIMUM, NUMBER},
    {"alias", ELO_MQTT_PROP_ALIAS, NUMBER},
    {"max_qos", ELO_MQTT_PROP_MAXIMUM_QOS, NUMBER},
    {"retain_available", ELO_MQTT_PROP_RETAIN_AVAILABLE, NUMBER},
    {"user", ELO_MQTT_PROP_USER, USER},
    {"packet", ELO_MQTT_PROP_MAXIMUM_PACKET, NUMBER},
    {"wildcards", ELO_MQTT_PROP_WILDCARD_AVAILABLE, NUMBER},
    {"subscription_ids", ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, NUMBER},
    {"shared", ELO_MQTT_PROP_SHARED_AVAILABLE, NUMBER},
};

#define NAMES (sizeof names / sizeof names[0])

/* What every CONNACK says, in this order: told in one word if it is as it should be. */
static const char offers[] = " receive=100 aliases=8 max_qos=1 retain_available=1 packet=149504 "
                             "wildcards=1 subscription_ids=0 shared=1";

static void put_text(FILE *out, elo_span s)
{
    size_t run = 0;
    while (run < s.len && s.ptr[run] == s.ptr[0]) {
        run++;
    }
    if (s.len == 0) {
        fputc('-', out);
    } else if (run == s.len && run > 8) {
        fprintf(out, "%c*%zu", s.ptr[0], run);
    } else {
        fwrite(s.ptr, 1, s.len, out);
    }
}

static size_t name_of(uint8_t id)
{
    size_t i = 0;
    while (i < NAMES && names[i].id != id) {
        i++;
    }
    return i;
}

static void put_property(FILE *out, const struct elo_mqtt_property *p, bool reasons)
{
    size_t i = name_of(p->id);
    if (i == NAMES) {
        fprintf(out, " property-%02x", p->id);
    } else if (p->id == ELO_MQTT_PROP_REASON_STRING && !reasons) {
        fputs(" reason", out);
    } else if (names[i].kind == NUMBER) {
        fprintf(out, " %s=%u", names[i].name, p->number);
    } else {
        fprintf(out, " %s=", names[i].name);
        if (names[i].kind == USER) {
            put_text(out, p->name);
            fputc(':', out);
        }
        put_text(out, p->text);
    }
}

static void put_properties(FILE *out, elo_span properties, bool reasons)
{
    struct elo_mqtt_property p;
    while (elo_mqtt_next_property(&properties, &p)) {
        put_property(out, &p, reasons);
    }
}

/* Without what all of them say. */
static void put_connack_properties(FILE *out, elo_span properties)
{
    char *text = NULL;
    size_t size = 0;
    FILE *all = open_memstream(&text, &size);
    if (all == NULL) {
        abort();
    }
    put_properties(all, properties, false);
    fclose(all);
    size_t len = strlen(text);
    size_t usual = sizeof offers - 1;
    bool ends = len >= usual && strcmp(text + len - usual, offers) == 0;
    fprintf(out, "%.*s%s", (int)(ends ? len - usual : len), text, ends ? "" : " ...");
    free(text);
}

static void put_publish(FILE *out, const struct elo_mqtt_publish *p)
{
    fputs("PUBLISH ", out);
    put_text(out, p->topic);
    fputc(' ', out);
    put_text(out, p->payload);
    fprintf(out, "%s%s%s", p->qos ? " qos1" : "", p->retain ? " retain" : "", p->dup ? " dup" : "");
    put_properties(out, p->properties, true);
}

static void put_connack(FILE *out, const struct elo_mqtt_connack *p, uint8_t level)
{
    fprintf(out, level == ELO_MQTT_5 && p->code != 0 ? "CONNACK %02x%s" : "CONNACK %u%s", p->code,
            p->session_present ? " session" : "");
    if (level == ELO_MQTT_5 && p->code == 0) {
        put_connack_properties(out, p->properties);
    }
}

static void put_codes(FILE *out, const char *name, const struct elo_mqtt_suback *p)
{
    fprintf(out, "%s %u", name, p->packet_id);
    for (size_t i = 0; i < p->codes.len; i++) {
        fprintf(out, " %02x", p->codes.ptr[i]);
    }
}

static void put_ack(FILE *out, const char *name, const struct elo_mqtt_ack *p)
{
    fprintf(out, "%s %u", name, p->packet_id);
    if (p->code != 0) {
        fprintf(out, " %02x", p->code);
    }
}

uint16_t broker_text(FILE *out, const struct elo_mqtt_packet *p, uint8_t level, bool reasons)
{
    switch (p->type) {
    case ELO_MQTT_CONNACK:
        put_connack(out, &p->u.connack, level);
        if (p->u.connack.code != 0) {
            put_properties(out, p->u.connack.properties, reasons);
        }
        return 0;
    case ELO_MQTT_PUBLISH:
        put_publish(out, &p->u.publish);
        return p->u.publish.packet_id;
    case ELO_MQTT_PUBACK:
        put_ack(out, "PUBACK", &p->u.ack);
        put_properties(out, p->u.ack.properties, reasons);
        return 0;
    case ELO_MQTT_UNSUBACK:
        if (level == ELO_MQTT_5) {
            put_codes(out, "UNSUBACK", &p->u.suback);
        } else {
            put_ack(out, "UNSUBACK", &p->u.ack);
        }
        return 0;
    case ELO_MQTT_SUBACK:
        put_codes(out, "SUBACK", &p->u.suback);
        return 0;
    case ELO_MQTT_DISCONNECT:
        if (level == ELO_MQTT_5) {
            fprintf(out, "DISCONNECT %02x", p->u.disconnect.code);
            put_properties(out, p->u.disconnect.properties, reasons);
            return 0;
        }
        __attribute__((fallthrough));
    default:
        fputs(p->type == ELO_MQTT_PINGRESP ? "PINGRESP" : "A PACKET NO SERVER SENDS", out);
        return 0;
    }
}

/* "x*300" is 300 times x. */
static elo_span text_in(const char *text, size_t len, char *room, size_t cap)
{
    if (len > 2 && text[1] == '*') {
        size_t n = strtoul(text + 2, NULL, 10);
        n = n < cap ? n : cap;
        memset(room, text[0], n);
        return elo_span_of(room, n);
    }
    return elo_span_of(text, len);
}

bool broker_text_property(struct elo_mqtt_property_writer *w, const char *word)
{
    static char rooms[2][70000];
    size_t len = strcspn(word, "=");
    size_t i = 0;
    while (i < NAMES && (strlen(names[i].name) != len || memcmp(names[i].name, word, len) != 0)) {
        i++;
    }
    if (i == NAMES || word[len] != '=') {
        return false;
    }
    const char *value = word + len + 1;
    size_t first = names[i].kind == USER ? strcspn(value, ":") : strlen(value);
    elo_span text = text_in(value, first, rooms[0], sizeof rooms[0]);
    if (names[i].kind == NUMBER) {
        elo_mqtt_put_number(w, names[i].id, (uint32_t)strtoul(value, NULL, 10));
    } else if (names[i].kind == TEXT) {
        elo_mqtt_put_text(w, names[i].id, text);
    } else {
        const char *rest = value + first + (value[first] == ':');
        elo_mqtt_put_user(w, text, text_in(rest, strlen(rest), rooms[1], sizeof rooms[1]));
    }
    return true;
}
