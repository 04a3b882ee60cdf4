// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one table says for each identifier which kind of value follows it, which values
 * are out of range and in which packets it may stand. Reading a property needs the kind alone, and
 * one function does that for the check and for the walk: what the walk meets has been checked.
 *
 * The table is an array of 32-bit words, which can be read in the flash of an ESP8266 as it is:
 *
 *     bits 0 ... 15   the packets, by the number of their type; 0 stands for the will
 *     bits 16 ... 18  kind     bits 19 ... 21  range     bit 22  may be repeated
 */
#include "elo/mqtt/property.h"

#include "elo/base/assert.h"
#include "elo/base/flash.h"
#include "elo/mqtt/parts.h"
#include "elo/mqtt/topic.h"

#define KIND_SHIFT  16u
#define RANGE_SHIFT 19u
#define REPEATABLE  (1u << 22)

/* Of a number the kind is its width in bytes. */
enum { BYTE = 1, TWO = 2, PAIR = 3, FOUR = 4, VARINT = 5, STRING = 6, BINARY = 7 };
#define IS_NUMBER(kind) (((1u << BYTE | 1u << TWO | 1u << FOUR) >> (kind)&1u) != 0)
enum { ANY, BOOLEAN, NONZERO, TOPIC };

#define IN(TYPE) (1u << ELO_MQTT_##TYPE)
#define WILL     (1u << ELO__IN_WILL)
#define ACKS     (IN(PUBACK) | IN(PUBREC) | IN(PUBREL) | IN(PUBCOMP) | IN(SUBACK) | IN(UNSUBACK))
#define MESSAGE  (IN(PUBLISH) | WILL)
#define OPENING  (IN(CONNECT) | IN(CONNACK))
#define USER_IN                                                                                    \
    (OPENING | MESSAGE | ACKS | IN(SUBSCRIBE) | IN(UNSUBSCRIBE) | IN(DISCONNECT) | IN(AUTH))

#define RULE(kind, range, where)                                                                   \
    ((uint32_t)(kind) << KIND_SHIFT | (uint32_t)(range) << RANGE_SHIFT | (where))

static const uint32_t RULES[] ELO_FLASH = {
    [ELO_MQTT_PROP_PAYLOAD_FORMAT] = RULE(BYTE, BOOLEAN, MESSAGE),
    [ELO_MQTT_PROP_MESSAGE_EXPIRY] = RULE(FOUR, ANY, MESSAGE),
    [ELO_MQTT_PROP_CONTENT_TYPE] = RULE(STRING, ANY, MESSAGE),
    [ELO_MQTT_PROP_RESPONSE_TOPIC] = RULE(STRING, TOPIC, MESSAGE),
    [ELO_MQTT_PROP_CORRELATION_DATA] = RULE(BINARY, ANY, MESSAGE),
    [ELO_MQTT_PROP_SUBSCRIPTION_ID] =
        RULE(VARINT, NONZERO, IN(PUBLISH) | IN(SUBSCRIBE) | REPEATABLE),
    [ELO_MQTT_PROP_SESSION_EXPIRY] = RULE(FOUR, ANY, OPENING | IN(DISCONNECT)),
    [ELO_MQTT_PROP_ASSIGNED_CLIENT_ID] = RULE(STRING, ANY, IN(CONNACK)),
    [ELO_MQTT_PROP_SERVER_KEEP_ALIVE] = RULE(TWO, ANY, IN(CONNACK)),
    [ELO_MQTT_PROP_AUTH_METHOD] = RULE(STRING, ANY, OPENING | IN(AUTH)),
    [ELO_MQTT_PROP_AUTH_DATA] = RULE(BINARY, ANY, OPENING | IN(AUTH)),
    [ELO_MQTT_PROP_REQUEST_PROBLEM_INFO] = RULE(BYTE, BOOLEAN, IN(CONNECT)),
    [ELO_MQTT_PROP_WILL_DELAY] = RULE(FOUR, ANY, WILL),
    [ELO_MQTT_PROP_REQUEST_RESPONSE_INFO] = RULE(BYTE, BOOLEAN, IN(CONNECT)),
    [ELO_MQTT_PROP_RESPONSE_INFO] = RULE(STRING, ANY, IN(CONNACK)),
    [ELO_MQTT_PROP_SERVER_REFERENCE] = RULE(STRING, ANY, IN(CONNACK) | IN(DISCONNECT)),
    [ELO_MQTT_PROP_REASON_STRING] =
        RULE(STRING, ANY, IN(CONNACK) | ACKS | IN(DISCONNECT) | IN(AUTH)),
    [ELO_MQTT_PROP_RECEIVE_MAXIMUM] = RULE(TWO, NONZERO, OPENING),
    [ELO_MQTT_PROP_ALIAS_MAXIMUM] = RULE(TWO, ANY, OPENING),
    [ELO_MQTT_PROP_ALIAS] = RULE(TWO, ANY, IN(PUBLISH)),
    [ELO_MQTT_PROP_MAXIMUM_QOS] = RULE(BYTE, BOOLEAN, IN(CONNACK)),
    [ELO_MQTT_PROP_RETAIN_AVAILABLE] = RULE(BYTE, BOOLEAN, IN(CONNACK)),
    [ELO_MQTT_PROP_USER] = RULE(PAIR, ANY, USER_IN | REPEATABLE),
    [ELO_MQTT_PROP_MAXIMUM_PACKET] = RULE(FOUR, NONZERO, OPENING),
    [ELO_MQTT_PROP_WILDCARD_AVAILABLE] = RULE(BYTE, BOOLEAN, IN(CONNACK)),
    [ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE] = RULE(BYTE, BOOLEAN, IN(CONNACK)),
    [ELO_MQTT_PROP_SHARED_AVAILABLE] = RULE(BYTE, BOOLEAN, IN(CONNACK)),
};

#define RULE_COUNT (sizeof RULES / sizeof RULES[0])

/* 0, which allows nothing anywhere, for an identifier that does not exist. */
static uint32_t rule_of(uint8_t id)
{
    return id < RULE_COUNT ? RULES[id] : 0;
}

static unsigned kind_of(uint32_t rule)
{
    return rule >> KIND_SHIFT & 7u;
}

static bool take_number(struct elo__cursor *c, unsigned width, uint32_t *out)
{
    uint32_t value = 0;
    uint8_t byte;
    for (unsigned i = 0; i < width; i++) {
        if (!elo__take_u8(c, &byte)) {
            return false;
        }
        value = value << 8 | byte;
    }
    *out = value;
    return true;
}

static bool take_pair(struct elo__cursor *c, elo_span *out_name, elo_span *out_value)
{
    return elo__take_binary(c, out_name) && elo__take_binary(c, out_value);
}

/* The value behind an identifier. */
static bool take_value(struct elo__cursor *c, unsigned kind, struct elo_mqtt_property *out)
{
    if (IS_NUMBER(kind)) {
        return take_number(c, kind, &out->number);
    }
    if (kind >= STRING) {
        return elo__take_binary(c, &out->text);
    }
    if (kind == PAIR) {
        return take_pair(c, &out->name, &out->text);
    }
    return kind == VARINT && elo__take_varint(c, &out->number);
}

static bool take_property(struct elo__cursor *c, struct elo_mqtt_property *out)
{
    const uint8_t *start = c->at;
    memset(out, 0, sizeof *out);
    if (!elo__take_u8(c, &out->id) || !take_value(c, kind_of(rule_of(out->id)), out)) {
        return false;
    }
    out->raw = elo_span_of(start, (size_t)(c->at - start));
    return true;
}

static elo_err check_value(uint32_t rule, const struct elo_mqtt_property *p)
{
    unsigned kind = kind_of(rule);
    unsigned range = rule >> RANGE_SHIFT & 7u;
    if ((kind == STRING || kind == PAIR) &&
        !(elo_utf8_valid_mqtt(p->text) && elo_utf8_valid_mqtt(p->name))) {
        return ELO_E_UTF8;
    }
    bool in_range = range == BOOLEAN   ? p->number <= 1
                    : range == NONZERO ? p->number != 0
                    : range == TOPIC   ? elo_topic_name_valid(p->text)
                                       : true;
    return in_range ? ELO_OK : ELO_E_PROTOCOL;
}

/* Which identifiers have come: they are under 64. */
struct seen {
    uint32_t words[2];
};

static elo_err take_checked(struct elo__cursor *c,
                            unsigned where,
                            struct seen *seen,
                            struct elo_mqtt_property *out)
{
    if (!take_property(c, out)) {
        return ELO_E_MALFORMED;
    }
    uint32_t rule = rule_of(out->id);
    if ((rule >> where & 1u) == 0) {
        return ELO_E_MALFORMED; /* [MQTT5-2.2.2.2] */
    }
    uint32_t *word = &seen->words[out->id / 32u];
    uint32_t bit = 1u << out->id % 32u;
    /* Several subscriptions may match one PUBLISH, but a SUBSCRIBE makes one [MQTT5-3.8.2.1.2]. */
    bool once = (rule & REPEATABLE) == 0 || where == ELO_MQTT_SUBSCRIBE;
    once = once && out->id != ELO_MQTT_PROP_USER;
    if (once && (*word & bit) != 0) {
        return ELO_E_PROTOCOL;
    }
    *word |= bit;
    return check_value(rule, out);
}

static void note(const struct elo_mqtt_property *p, struct elo_mqtt_publish *out)
{
    unsigned has = 0;
    if (p->id == ELO_MQTT_PROP_ALIAS) {
        has = ELO_MQTT_HAS_ALIAS;
        out->alias = (uint16_t)p->number;
    } else if (p->id == ELO_MQTT_PROP_MESSAGE_EXPIRY) {
        has = ELO_MQTT_HAS_EXPIRY;
        out->expiry_s = p->number;
    } else if (p->id == ELO_MQTT_PROP_SUBSCRIPTION_ID) {
        has = ELO_MQTT_HAS_SUBSCRIPTION_ID;
    } else if (p->id == ELO_MQTT_PROP_PAYLOAD_FORMAT) {
        has = p->number != 0 ? ELO_MQTT_HAS_UTF8_PAYLOAD : 0;
    } else if (p->id == ELO_MQTT_PROP_RESPONSE_TOPIC) {
        has = ELO_MQTT_HAS_RESPONSE_TOPIC;
    }
    out->has |= (uint8_t)has;
}

static bool has_seen(const struct seen *seen, uint8_t id)
{
    return (seen->words[id / 32u] >> id % 32u & 1u) != 0;
}

/* Rules about two properties, or one that must be there. */
static elo_err check_together(unsigned where, const struct seen *seen)
{
    bool method = has_seen(seen, ELO_MQTT_PROP_AUTH_METHOD);
    bool needed = has_seen(seen, ELO_MQTT_PROP_AUTH_DATA) || where == ELO_MQTT_AUTH;
    return method || !needed ? ELO_OK : ELO_E_PROTOCOL; /* [MQTT5-3.1.2.11.10] [MQTT5-3.15.2.2.2] */
}

elo_err elo__take_properties(struct elo__cursor *c,
                             unsigned where,
                             elo_span *out,
                             struct elo_mqtt_publish *publish)
{
    uint32_t len;
    if (!elo__take_varint(c, &len) || len > elo__left(c)) {
        return ELO_E_MALFORMED;
    }
    elo_span properties = elo_span_of(c->at, len);
    struct elo__cursor in = elo__cursor_over(properties);
    struct seen seen = {{0, 0}};
    struct elo_mqtt_property p;
    while (elo__left(&in) != 0) {
        elo_err err = take_checked(&in, where, &seen, &p);
        if (err != ELO_OK) {
            return err;
        }
        if (publish != NULL) {
            note(&p, publish);
        }
    }
    c->at += len;
    *out = properties;
    return check_together(where, &seen);
}

bool elo_mqtt_next_property(elo_span *rest, struct elo_mqtt_property *out)
{
    struct elo__cursor c = elo__cursor_over(*rest);
    struct elo_mqtt_property p;
    if (!take_property(&c, &p)) {
        return false;
    }
    *out = p;
    *rest = elo__take_rest(&c);
    return true;
}

bool elo_mqtt_find_property(elo_span properties, uint8_t id, struct elo_mqtt_property *out)
{
    struct elo_mqtt_property p;
    while (elo_mqtt_next_property(&properties, &p)) {
        if (p.id == id) {
            *out = p;
            return true;
        }
    }
    return false;
}

size_t elo_mqtt_copy_forwardable(elo_span properties, uint8_t *to)
{
    struct elo_mqtt_property p;
    size_t len = 0;
    while (elo_mqtt_next_property(&properties, &p)) {
        if (p.id == ELO_MQTT_PROP_ALIAS || p.id == ELO_MQTT_PROP_SUBSCRIPTION_ID ||
            p.id == ELO_MQTT_PROP_WILL_DELAY || p.id == ELO_MQTT_PROP_MESSAGE_EXPIRY) {
            continue;
        }
        memcpy(to + len, p.raw.ptr, p.raw.len);
        len += p.raw.len;
    }
    return len;
}

struct elo_mqtt_property_writer elo_mqtt_properties_into(uint8_t *buf, size_t cap)
{
    struct elo_mqtt_property_writer w = {buf, cap, 0, false};
    return w;
}

/* Room for `len` bytes more; NULL if there is none. */
static uint8_t *grow(struct elo_mqtt_property_writer *w, size_t len)
{
    if (len > w->cap - w->len) {
        w->full = true;
        return NULL;
    }
    uint8_t *at = w->start + w->len;
    w->len += len;
    return at;
}

static size_t varint_size(uint32_t v)
{
    return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : 4;
}

static size_t number_size(unsigned kind, uint32_t number)
{
    return kind == VARINT ? varint_size(number) : kind;
}

void elo_mqtt_put_number(struct elo_mqtt_property_writer *w, uint8_t id, uint32_t number)
{
    unsigned kind = kind_of(rule_of(id));
    ELO_ASSERT(IS_NUMBER(kind) || kind == VARINT);
    size_t size = number_size(kind, number);
    ELO_ASSERT(kind == VARINT ? number <= ELO_MQTT_MAX_REMAINING
                              : size == 4 || number >> 8u * size == 0);
    uint8_t *at = grow(w, 1 + size);
    if (at == NULL) {
        return;
    }
    *at++ = id;
    for (size_t i = 0; i < size; i++) {
        bool more = i + 1 < size;
        *at++ = kind == VARINT ? (uint8_t)((number >> 7u * i & 0x7Fu) | (more ? 0x80u : 0))
                               : (uint8_t)(number >> 8u * (size - 1 - i));
    }
}

#define STRING_MAX 65535u

static void put_string(uint8_t *at, elo_span s)
{
    elo_wr16be(at, (uint16_t)s.len);
    if (s.len != 0) {
        memcpy(at + 2, s.ptr, s.len);
    }
}

void elo_mqtt_put_text(struct elo_mqtt_property_writer *w, uint8_t id, elo_span text)
{
    ELO_ASSERT(kind_of(rule_of(id)) == STRING || kind_of(rule_of(id)) == BINARY);
    uint8_t *at = grow(w, text.len > STRING_MAX ? SIZE_MAX : 3 + text.len);
    if (at != NULL) {
        *at = id;
        put_string(at + 1, text);
    }
}

void elo_mqtt_put_user(struct elo_mqtt_property_writer *w, elo_span name, elo_span value)
{
    bool fits = name.len <= STRING_MAX && value.len <= STRING_MAX;
    uint8_t *at = grow(w, fits ? 5 + name.len + value.len : SIZE_MAX);
    if (at != NULL) {
        *at = ELO_MQTT_PROP_USER;
        put_string(at + 1, name);
        put_string(at + 3 + name.len, value);
    }
}

void elo_mqtt_put_raw(struct elo_mqtt_property_writer *w, elo_span properties)
{
    uint8_t *at = grow(w, properties.len);
    if (at != NULL && properties.len != 0) {
        memcpy(at, properties.ptr, properties.len);
    }
}

bool elo_mqtt_properties_fit(const struct elo_mqtt_property_writer *w)
{
    return !w->full;
}

elo_span elo_mqtt_properties_done(const struct elo_mqtt_property_writer *w)
{
    return elo_span_of(w->start, w->len);
}
