// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: every encoder first adds up the remaining length, lets elo__begin() answer for
 * the caller's buffer and write the fixed header, and only then writes - from there on nothing can
 * fail, so nothing is ever half-written and the writing needs no checks.
 */
#include "elo/mqtt/encode.h"

#include "elo/base/assert.h"
#include "elo/mqtt/put.h"
#include "elo/mqtt/wire.h"

size_t elo__add(size_t len, size_t more)
{
    if (len >= ELO__TOO_LONG || more > ELO_MQTT_MAX_REMAINING - len) {
        return ELO__TOO_LONG;
    }
    return len + more;
}

size_t elo__add_string(size_t len, elo_span s)
{
    return s.len > ELO__STRING_MAX ? ELO__TOO_LONG : elo__add(len, 2u + s.len);
}

size_t elo__varint_size(size_t v)
{
    return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : 4;
}

uint8_t *elo__put_bytes(uint8_t *at, elo_span s)
{
    if (s.len != 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

uint8_t *elo__put_string(uint8_t *at, elo_span s)
{
    return elo__put_bytes(elo__put_u16(at, (uint16_t)s.len), s);
}

uint8_t *elo__put_varint(uint8_t *at, size_t v)
{
    while (v >= 0x80u) {
        *at++ = (uint8_t)(v | 0x80u);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

unsigned elo__first_byte(elo_mqtt_type type)
{
    return (unsigned)type << 4 | elo__fixed_flags(type);
}

elo_err elo__begin(unsigned first,
                   size_t remaining,
                   size_t here,
                   uint8_t *buf,
                   size_t cap,
                   uint8_t **at,
                   size_t *out_len)
{
    if (remaining >= ELO__TOO_LONG) {
        return ELO_E_TOO_LARGE;
    }
    *out_len = 1 + elo__varint_size(remaining) + here;
    if (cap < *out_len) {
        return ELO_E_NO_SPACE;
    }
    buf[0] = (uint8_t)first;
    *at = elo__put_varint(buf + 1, remaining);
    return ELO_OK;
}

static bool packet_id_fits(const struct elo_mqtt_publish *p)
{
    return p->qos == 0 || p->packet_id != 0; /* [MQTT-2.3.1-1] */
}

unsigned elo__publish_first_byte(const struct elo_mqtt_publish *p)
{
    unsigned first = (unsigned)ELO_MQTT_PUBLISH << 4;
    first |= (unsigned)p->qos << ELO__PUBLISH_QOS_SHIFT;
    first |= p->dup && p->qos != 0 ? ELO__PUBLISH_DUP : 0; /* [MQTT-3.3.1-2] */
    first |= p->retain ? ELO__PUBLISH_RETAIN : 0;
    return first;
}

/* A PUBLISH up to its payload, with room asked for `here` bytes of payload. */
static elo_err publish_until_payload(const struct elo_mqtt_publish *p,
                                     size_t here,
                                     uint8_t *buf,
                                     size_t cap,
                                     uint8_t **at,
                                     size_t *out_len)
{
    ELO_ASSERT(p->qos <= 2 && packet_id_fits(p));
    size_t head = elo__add_string(p->qos != 0 ? ELO__PACKET_ID_SIZE : 0, p->topic);
    size_t remaining = elo__add(head, p->payload.len);
    elo_err err =
        elo__begin(elo__publish_first_byte(p), remaining, head + here, buf, cap, at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    *at = elo__put_string(*at, p->topic);
    if (p->qos != 0) {
        *at = elo__put_u16(*at, p->packet_id);
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_publish(const struct elo_mqtt_publish *publish,
                                uint8_t *buf,
                                size_t cap,
                                size_t *out_len)
{
    uint8_t *at;
    elo_err err = publish_until_payload(publish, publish->payload.len, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        (void)elo__put_bytes(at, publish->payload);
    }
    return err;
}

elo_err elo_mqtt_encode_publish_header(const struct elo_mqtt_publish *publish,
                                       uint8_t *buf,
                                       size_t cap,
                                       size_t *out_len)
{
    uint8_t *at;
    return publish_until_payload(publish, 0, buf, cap, &at, out_len);
}

uint8_t elo__connect_flags(const struct elo_mqtt_connect *c)
{
    unsigned flags = 0;
    flags |= c->clean_session ? ELO__CONNECT_CLEAN : 0;
    flags |= c->has_username ? ELO__CONNECT_USERNAME : 0;
    flags |= c->has_password ? ELO__CONNECT_PASSWORD : 0;
    if (c->has_will) {
        flags |= ELO__CONNECT_WILL | (unsigned)c->will.qos << ELO__CONNECT_WILL_QOS_SHIFT;
        flags |= c->will.retain ? ELO__CONNECT_WILL_RETAIN : 0;
    }
    return (uint8_t)flags;
}

static size_t connect_remaining(const struct elo_mqtt_connect *c)
{
    size_t len = 10; /* protocol name, level, flags, keep-alive */
    len = elo__add_string(len, c->client_id);
    if (c->has_will) {
        len = elo__add_string(elo__add_string(len, c->will.topic), c->will.payload);
    }
    if (c->has_username) {
        len = elo__add_string(len, c->username);
    }
    if (c->has_password) {
        len = elo__add_string(len, c->password);
    }
    return len;
}

elo_err elo_mqtt_encode_connect(const struct elo_mqtt_connect *connect,
                                uint8_t *buf,
                                size_t cap,
                                size_t *out_len)
{
    ELO_ASSERT(!connect->has_will || connect->will.qos <= 2);
    ELO_ASSERT(connect->has_username || !connect->has_password); /* [MQTT-3.1.2-22] */
    size_t remaining = connect_remaining(connect);
    uint8_t *at;
    elo_err err =
        elo__begin(elo__first_byte(ELO_MQTT_CONNECT), remaining, remaining, buf, cap, &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = elo__put_string(at, ELO_SPAN("MQTT"));
    *at++ = ELO_MQTT_3_1_1;
    *at++ = elo__connect_flags(connect);
    at = elo__put_u16(at, connect->keep_alive_s);
    at = elo__put_string(at, connect->client_id);
    if (connect->has_will) {
        at = elo__put_string(elo__put_string(at, connect->will.topic), connect->will.payload);
    }
    if (connect->has_username) {
        at = elo__put_string(at, connect->username);
    }
    if (connect->has_password) {
        (void)elo__put_string(at, connect->password);
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_connack(const struct elo_mqtt_connack *connack,
                                uint8_t *buf,
                                size_t cap,
                                size_t *out_len)
{
    ELO_ASSERT(connack->code <= ELO_MQTT_REFUSED_AUTHORIZED);
    ELO_ASSERT(!connack->session_present || connack->code == ELO_MQTT_ACCEPTED);
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(ELO_MQTT_CONNACK), 2, 2, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        at[0] = connack->session_present ? ELO__CONNACK_SESSION_PRESENT : 0;
        at[1] = connack->code;
    }
    return err;
}

elo_err elo_mqtt_encode_ack(
    elo_mqtt_type type, uint16_t packet_id, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT((type >= ELO_MQTT_PUBACK && type <= ELO_MQTT_PUBCOMP) || type == ELO_MQTT_UNSUBACK);
    ELO_ASSERT(packet_id != 0);
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(type), ELO__PACKET_ID_SIZE, ELO__PACKET_ID_SIZE, buf,
                             cap, &at, out_len);
    if (err == ELO_OK) {
        (void)elo__put_u16(at, packet_id);
    }
    return err;
}

elo_err elo_mqtt_encode_subscribe(uint16_t packet_id,
                                  const struct elo_mqtt_subscription *subs,
                                  size_t count,
                                  uint8_t *buf,
                                  size_t cap,
                                  size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && count != 0);
    size_t remaining = ELO__PACKET_ID_SIZE;
    for (size_t i = 0; i < count; i++) {
        ELO_ASSERT(subs[i].qos <= 2);
        remaining = elo__add(elo__add_string(remaining, subs[i].filter), 1);
    }
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(ELO_MQTT_SUBSCRIBE), remaining, remaining, buf, cap,
                             &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = elo__put_u16(at, packet_id);
    for (size_t i = 0; i < count; i++) {
        at = elo__put_string(at, subs[i].filter);
        *at++ = subs[i].qos;
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_suback(
    uint16_t packet_id, elo_span codes, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && codes.len != 0);
    size_t remaining = elo__add(ELO__PACKET_ID_SIZE, codes.len);
    uint8_t *at;
    elo_err err =
        elo__begin(elo__first_byte(ELO_MQTT_SUBACK), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        (void)elo__put_bytes(elo__put_u16(at, packet_id), codes);
    }
    return err;
}

elo_err elo_mqtt_encode_unsubscribe(uint16_t packet_id,
                                    const elo_span *filters,
                                    size_t count,
                                    uint8_t *buf,
                                    size_t cap,
                                    size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && count != 0);
    size_t remaining = ELO__PACKET_ID_SIZE;
    for (size_t i = 0; i < count; i++) {
        remaining = elo__add_string(remaining, filters[i]);
    }
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(ELO_MQTT_UNSUBSCRIBE), remaining, remaining, buf, cap,
                             &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = elo__put_u16(at, packet_id);
    for (size_t i = 0; i < count; i++) {
        at = elo__put_string(at, filters[i]);
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_empty(elo_mqtt_type type, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(type >= ELO_MQTT_PINGREQ && type <= ELO_MQTT_DISCONNECT);
    uint8_t *at;
    return elo__begin(elo__first_byte(type), 0, 0, buf, cap, &at, out_len);
}
