// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: as encode.c - the lengths first, then elo__begin(), then writing that cannot
 * fail. No file that a 3.1.1 device needs refers to this one.
 */
#include "elo/mqtt/encode.h"

#include "elo/base/assert.h"
#include "elo/mqtt/put.h"
#include "elo/mqtt/wire.h"

/* `len` and properties in two pieces, with their length before them. */
static size_t add_properties(size_t len, elo_span more, elo_span properties)
{
    size_t both = elo__add(elo__add(0, more.len), properties.len);
    return elo__add(elo__add(len, both), elo__varint_size(both));
}

static uint8_t *put_properties(uint8_t *at, elo_span more, elo_span properties)
{
    at = elo__put_varint(at, more.len + properties.len);
    return elo__put_bytes(elo__put_bytes(at, more), properties);
}

static elo_span nothing(void)
{
    return elo_span_of(NULL, 0);
}

/* A PUBLISH up to its payload, with room asked for `here` bytes of payload. */
static elo_err publish_until_payload(const struct elo_mqtt_publish *p,
                                     elo_span more,
                                     size_t here,
                                     uint8_t *buf,
                                     size_t cap,
                                     uint8_t **at,
                                     size_t *out_len)
{
    ELO_ASSERT(p->qos <= 2 && (p->qos == 0 || p->packet_id != 0));
    size_t head = elo__add_string(p->qos != 0 ? ELO__PACKET_ID_SIZE : 0, p->topic);
    head = add_properties(head, more, p->properties);
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
    *at = put_properties(*at, more, p->properties);
    return ELO_OK;
}

elo_err elo_mqtt5_encode_publish(const struct elo_mqtt_publish *publish,
                                 elo_span more,
                                 uint8_t *buf,
                                 size_t cap,
                                 size_t *out_len)
{
    uint8_t *at;
    elo_err err =
        publish_until_payload(publish, more, publish->payload.len, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        (void)elo__put_bytes(at, publish->payload);
    }
    return err;
}

elo_err elo_mqtt5_encode_publish_header(const struct elo_mqtt_publish *publish,
                                        elo_span more,
                                        uint8_t *buf,
                                        size_t cap,
                                        size_t *out_len)
{
    uint8_t *at;
    return publish_until_payload(publish, more, 0, buf, cap, &at, out_len);
}

static size_t connect_remaining(const struct elo_mqtt_connect *c, elo_span more)
{
    size_t len = 10; /* protocol name, level, flags, keep-alive */
    len = add_properties(len, more, c->properties);
    len = elo__add_string(len, c->client_id);
    if (c->has_will) {
        len = add_properties(len, nothing(), c->will.properties);
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

static uint8_t *put_connect_payload(uint8_t *at, const struct elo_mqtt_connect *c)
{
    at = elo__put_string(at, c->client_id);
    if (c->has_will) {
        at = put_properties(at, nothing(), c->will.properties);
        at = elo__put_string(elo__put_string(at, c->will.topic), c->will.payload);
    }
    if (c->has_username) {
        at = elo__put_string(at, c->username);
    }
    return c->has_password ? elo__put_string(at, c->password) : at;
}

elo_err elo_mqtt5_encode_connect(const struct elo_mqtt_connect *connect,
                                 elo_span more,
                                 uint8_t *buf,
                                 size_t cap,
                                 size_t *out_len)
{
    ELO_ASSERT(!connect->has_will || connect->will.qos <= 2);
    size_t remaining = connect_remaining(connect, more);
    uint8_t *at;
    elo_err err =
        elo__begin(elo__first_byte(ELO_MQTT_CONNECT), remaining, remaining, buf, cap, &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = elo__put_string(at, ELO_SPAN("MQTT"));
    *at++ = ELO_MQTT_5;
    *at++ = elo__connect_flags(connect);
    at = elo__put_u16(at, connect->keep_alive_s);
    at = put_properties(at, more, connect->properties);
    (void)put_connect_payload(at, connect);
    return ELO_OK;
}

elo_err elo_mqtt5_encode_connack(const struct elo_mqtt_connack *connack,
                                 uint8_t *buf,
                                 size_t cap,
                                 size_t *out_len)
{
    ELO_ASSERT(!connack->session_present || connack->code == ELO_MQTT_RC_SUCCESS);
    size_t remaining = add_properties(2, nothing(), connack->properties);
    uint8_t *at;
    elo_err err =
        elo__begin(elo__first_byte(ELO_MQTT_CONNACK), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        *at++ = connack->session_present ? ELO__CONNACK_SESSION_PRESENT : 0;
        *at++ = connack->code;
        (void)put_properties(at, nothing(), connack->properties);
    }
    return err;
}

/* `len` and what a packet's end says of its reason; nothing of a success without properties. */
static size_t add_reason(size_t len, uint8_t code, elo_span properties)
{
    if (properties.len != 0) {
        return add_properties(len + 1, nothing(), properties);
    }
    return code != ELO_MQTT_RC_SUCCESS ? len + 1 : len;
}

static void put_reason(uint8_t *at, uint8_t code, elo_span properties)
{
    if (code != ELO_MQTT_RC_SUCCESS || properties.len != 0) {
        *at++ = code;
    }
    if (properties.len != 0) {
        (void)put_properties(at, nothing(), properties);
    }
}

elo_err elo_mqtt5_encode_ack(
    elo_mqtt_type type, const struct elo_mqtt_ack *ack, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(type >= ELO_MQTT_PUBACK && type <= ELO_MQTT_PUBCOMP && ack->packet_id != 0);
    size_t remaining = add_reason(ELO__PACKET_ID_SIZE, ack->code, ack->properties);
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(type), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        put_reason(elo__put_u16(at, ack->packet_id), ack->code, ack->properties);
    }
    return err;
}

elo_err elo_mqtt5_encode_disconnect(elo_mqtt_type type,
                                    const struct elo_mqtt_disconnect *disconnect,
                                    uint8_t *buf,
                                    size_t cap,
                                    size_t *out_len)
{
    ELO_ASSERT(type == ELO_MQTT_DISCONNECT || type == ELO_MQTT_AUTH);
    size_t remaining = add_reason(0, disconnect->code, disconnect->properties);
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(type), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        put_reason(at, disconnect->code, disconnect->properties);
    }
    return err;
}

static uint8_t options_of(const struct elo_mqtt_subscription *s)
{
    ELO_ASSERT(s->qos <= 2 && s->retain_handling <= ELO_MQTT_RETAINED_NEVER);
    unsigned options = s->qos;
    options |= s->no_local ? ELO__SUBSCRIBE_NO_LOCAL : 0;
    options |= s->retain_as_published ? ELO__SUBSCRIBE_AS_PUBLISHED : 0;
    options |= (unsigned)s->retain_handling << ELO__SUBSCRIBE_RETAIN_SHIFT;
    return (uint8_t)options;
}

elo_err elo_mqtt5_encode_subscribe(uint16_t packet_id,
                                   elo_span properties,
                                   const struct elo_mqtt_subscription *subs,
                                   size_t count,
                                   uint8_t *buf,
                                   size_t cap,
                                   size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && count != 0);
    size_t remaining = add_properties(ELO__PACKET_ID_SIZE, nothing(), properties);
    for (size_t i = 0; i < count; i++) {
        remaining = elo__add(elo__add_string(remaining, subs[i].filter), 1);
    }
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(ELO_MQTT_SUBSCRIBE), remaining, remaining, buf, cap,
                             &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = put_properties(elo__put_u16(at, packet_id), nothing(), properties);
    for (size_t i = 0; i < count; i++) {
        at = elo__put_string(at, subs[i].filter);
        *at++ = options_of(&subs[i]);
    }
    return ELO_OK;
}

elo_err elo_mqtt5_encode_suback(elo_mqtt_type type,
                                const struct elo_mqtt_suback *suback,
                                uint8_t *buf,
                                size_t cap,
                                size_t *out_len)
{
    ELO_ASSERT(type == ELO_MQTT_SUBACK || type == ELO_MQTT_UNSUBACK);
    ELO_ASSERT(suback->packet_id != 0 && suback->codes.len != 0);
    size_t remaining = add_properties(ELO__PACKET_ID_SIZE, nothing(), suback->properties);
    remaining = elo__add(remaining, suback->codes.len);
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(type), remaining, remaining, buf, cap, &at, out_len);
    if (err == ELO_OK) {
        at = put_properties(elo__put_u16(at, suback->packet_id), nothing(), suback->properties);
        (void)elo__put_bytes(at, suback->codes);
    }
    return err;
}

elo_err elo_mqtt5_encode_unsubscribe(uint16_t packet_id,
                                     elo_span properties,
                                     const elo_span *filters,
                                     size_t count,
                                     uint8_t *buf,
                                     size_t cap,
                                     size_t *out_len)
{
    ELO_ASSERT(packet_id != 0 && count != 0);
    size_t remaining = add_properties(ELO__PACKET_ID_SIZE, nothing(), properties);
    for (size_t i = 0; i < count; i++) {
        remaining = elo__add_string(remaining, filters[i]);
    }
    uint8_t *at;
    elo_err err = elo__begin(elo__first_byte(ELO_MQTT_UNSUBSCRIBE), remaining, remaining, buf, cap,
                             &at, out_len);
    if (err != ELO_OK) {
        return err;
    }
    at = put_properties(elo__put_u16(at, packet_id), nothing(), properties);
    for (size_t i = 0; i < count; i++) {
        at = elo__put_string(at, filters[i]);
    }
    return ELO_OK;
}
