// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: every encoder first adds up the remaining length, lets begin() answer for the
 * caller's buffer and write the fixed header, and only then writes - from there on nothing can
 * fail, so nothing is ever half-written and the writing needs no checks.
 *
 * A length that has become impossible is carried along as TOO_LONG, which swallows whatever is
 * added to it.
 */
#include "elo/mqtt/encode.h"

#include "elo/base/assert.h"
#include "elo/base/bytes.h"
#include "elo/mqtt/wire.h"

#define TOO_LONG       ((size_t)ELO_MQTT_MAX_REMAINING + 1u)
#define STRING_MAX     65535u
#define PACKET_ID_SIZE 2u

/* `len` and `more`, or TOO_LONG. */
static size_t add(size_t len, size_t more)
{
    if (len >= TOO_LONG || more > ELO_MQTT_MAX_REMAINING - len) {
        return TOO_LONG;
    }
    return len + more;
}

/* `len` and a string: two bytes of length and as many of text. */
static size_t add_string(size_t len, elo_span s)
{
    return s.len > STRING_MAX ? TOO_LONG : add(len, 2u + s.len);
}

static size_t header_size(size_t remaining)
{
    return remaining < 1u << 7 ? 2 : remaining < 1u << 14 ? 3 : remaining < 1u << 21 ? 4 : 5;
}

static uint8_t *put_bytes(uint8_t *at, elo_span s)
{
    if (s.len != 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

static uint8_t *put_u16(uint8_t *at, uint16_t v)
{
    elo_wr16be(at, v);
    return at + 2;
}

static uint8_t *put_string(uint8_t *at, elo_span s)
{
    return put_bytes(put_u16(at, (uint16_t)s.len), s);
}

static uint8_t *put_header(uint8_t *at, unsigned first, size_t remaining)
{
    *at++ = (uint8_t)first;
    while (remaining >= 0x80u) {
        *at++ = (uint8_t)(remaining | 0x80u);
        remaining >>= 7;
    }
    *at++ = (uint8_t)remaining;
    return at;
}

static unsigned first_byte(elo_mqtt_type type)
{
    return (unsigned)type << 4 | elo__fixed_flags(type);
}

/*
 * Opens a packet of which `here` bytes of the `remaining` ones after the fixed header are written
 * now. On ELO_OK the header stands in `buf`, `*at` is behind it and `*out_len` is what the caller
 * will have written in the end.
 */
static elo_err begin(unsigned first,
                     size_t remaining,
                     size_t here,
                     uint8_t *buf,
                     size_t cap,
                     uint8_t **at,
                     size_t *out_len)
{
    if (remaining >= TOO_LONG) {
        return ELO_E_TOO_LARGE;
    }
    *out_len = header_size(remaining) + here;
    if (cap < *out_len) {
        return ELO_E_NO_SPACE;
    }
    *at = put_header(buf, first, remaining);
    return ELO_OK;
}

static bool packet_id_fits(const struct elo_mqtt_publish *p)
{
    return p->qos == 0 || p->packet_id != 0; /* [MQTT-2.3.1-1] */
}

static unsigned publish_first_byte(const struct elo_mqtt_publish *p)
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
    size_t head = add_string(p->qos != 0 ? PACKET_ID_SIZE : 0, p->topic);
    size_t remaining = add(head, p->payload.len);
    elo_err err = begin(publish_first_byte(p), remaining, head + here, buf, cap, at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    *at = put_string(*at, p->topic);
    if (p->qos != 0) {
        *at = put_u16(*at, p->packet_id);
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
        (void)put_bytes(at, publish->payload);
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

static uint8_t connect_flags(const struct elo_mqtt_connect *c)
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
    len = add_string(len, c->client_id);
    if (c->has_will) {
        len = add_string(add_string(len, c->will.topic), c->will.payload);
    }
    if (c->has_username) {
        len = add_string(len, c->username);
    }
    if (c->has_password) {
        len = add_string(len, c->password);
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
    elo_err err = begin(first_byte(ELO_MQTT_CONNECT), remaining, remaining, buf, cap, &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = put_string(at, ELO_SPAN("MQTT"));
    *at++ = ELO__LEVEL_3_1_1;
    *at++ = connect_flags(connect);
    at = put_u16(at, connect->keep_alive_s);
    at = put_string(at, connect->client_id);
    if (connect->has_will) {
        at = put_string(put_string(at, connect->will.topic), connect->will.payload);
    }
    if (connect->has_username) {
        at = put_string(at, connect->username);
    }
    if (connect->has_password) {
        (void)put_string(at, connect->password);
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
    elo_err err = begin(first_byte(ELO_MQTT_CONNACK), 2, 2, buf, cap, &at, out_len);
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
    elo_err err = begin(first_byte(type), PACKET_ID_SIZE, PACKET_ID_SIZE, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        (void)put_u16(at, packet_id);
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
    size_t remaining = PACKET_ID_SIZE;
    for (size_t i = 0; i < count; i++) {
        ELO_ASSERT(subs[i].qos <= 2);
        remaining = add(add_string(remaining, subs[i].filter), 1);
    }
    uint8_t *at;
    elo_err err =
        begin(first_byte(ELO_MQTT_SUBSCRIBE), remaining, remaining, buf, cap, &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = put_u16(at, packet_id);
    for (size_t i = 0; i < count; i++) {
        at = put_string(at, subs[i].filter);
        *at++ = subs[i].qos;
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_suback(
    uint16_t packet_id, elo_span codes, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && codes.len != 0);
    size_t remaining = add(PACKET_ID_SIZE, codes.len);
    uint8_t *at;
    elo_err err = begin(first_byte(ELO_MQTT_SUBACK), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        (void)put_bytes(put_u16(at, packet_id), codes);
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
    size_t remaining = PACKET_ID_SIZE;
    for (size_t i = 0; i < count; i++) {
        remaining = add_string(remaining, filters[i]);
    }
    uint8_t *at;
    elo_err err =
        begin(first_byte(ELO_MQTT_UNSUBSCRIBE), remaining, remaining, buf, cap, &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = put_u16(at, packet_id);
    for (size_t i = 0; i < count; i++) {
        at = put_string(at, filters[i]);
    }
    return ELO_OK;
}

elo_err elo_mqtt_encode_empty(elo_mqtt_type type, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(type >= ELO_MQTT_PINGREQ && type <= ELO_MQTT_DISCONNECT);
    uint8_t *at;
    return begin(first_byte(type), 0, 0, buf, cap, &at, out_len);
}
