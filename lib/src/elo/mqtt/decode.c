// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: elo_mqtt_frame() reads the fixed header, elo_mqtt_decode() lays a cursor over
 * exactly the body and hands it to the one function that knows the packet. Each of those builds its
 * value in a local and stores it only at the very end, so that a refused packet leaves no trace.
 *
 * The dispatch is a chain of comparisons, PUBLISH first: it is the packet that counts, and a
 * dense switch or a table of functions would lie in RAM on the ESP8266.
 */
#include "elo/mqtt/decode.h"

#include "elo/mqtt/parts.h"
#include "elo/mqtt/topic.h"
#include "elo/mqtt/wire.h"

#define LENGTH_BYTES_MAX 4u

static bool first_byte_valid(unsigned type, unsigned flags)
{
    if (type < ELO_MQTT_CONNECT || type > ELO_MQTT_DISCONNECT) {
        return false;
    }
    if (type != ELO_MQTT_PUBLISH) {
        return flags == elo__fixed_flags((elo_mqtt_type)type); /* [MQTT-2.2.2-2] */
    }
    unsigned qos = flags >> ELO__PUBLISH_QOS_SHIFT & 3u;
    if (qos == 0) {
        return (flags & ELO__PUBLISH_DUP) == 0; /* [MQTT-3.3.1-2] */
    }
    return qos != 3; /* [MQTT-3.3.1-4] */
}

elo_err elo__read_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out)
{
    uint32_t remaining = 0;
    for (unsigned i = 0; i < LENGTH_BYTES_MAX; i++) {
        if (in.len < i + 2u) {
            return ELO_NEED_MORE;
        }
        uint8_t byte = in.ptr[i + 1u];
        remaining |= (uint32_t)(byte & 0x7Fu) << 7u * i;
        if ((byte & 0x80u) == 0) {
            out->type = (elo_mqtt_type)(in.ptr[0] >> 4);
            out->flags = in.ptr[0] & 0x0Fu;
            out->header_len = (uint8_t)(i + 2u);
            out->total = out->header_len + remaining;
            return out->total > max_packet ? ELO_E_TOO_LARGE : ELO_OK;
        }
    }
    return ELO_E_MALFORMED;
}

elo_err elo_mqtt_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out)
{
    if (in.len == 0) {
        return ELO_NEED_MORE;
    }
    if (!first_byte_valid(in.ptr[0] >> 4, in.ptr[0] & 0x0Fu)) {
        return ELO_E_MALFORMED;
    }
    return elo__read_frame(in, max_packet, out);
}

/* A string that must be a topic name. Its length and U+0000 are settled by the string itself. */
static elo_err take_topic(struct elo__cursor *c, elo_span *out)
{
    elo_err err = elo__take_string(c, out);
    if (err != ELO_OK) {
        return err;
    }
    bool valid = out->len != 0 && !elo_topic_filter_is_wild(*out);
    return valid ? ELO_OK : ELO_E_TOPIC; /* [MQTT-4.7.3-1] [MQTT-3.3.2-2] */
}

static elo_err decode_publish(struct elo__cursor c, unsigned flags, struct elo_mqtt_publish *out)
{
    struct elo_mqtt_publish p = {0};
    p.dup = (flags & ELO__PUBLISH_DUP) != 0;
    p.qos = (uint8_t)(flags >> ELO__PUBLISH_QOS_SHIFT & 3u);
    p.retain = (flags & ELO__PUBLISH_RETAIN) != 0;
    elo_err err = take_topic(&c, &p.topic);
    if (err != ELO_OK) {
        return err;
    }
    if (p.qos != 0 && !elo__take_id(&c, &p.packet_id)) {
        return ELO_E_MALFORMED;
    }
    p.payload = elo__take_rest(&c);
    *out = p;
    return ELO_OK;
}

bool elo__read_connect_flags(unsigned flags, struct elo_mqtt_connect *out)
{
    const unsigned will_details = 3u << ELO__CONNECT_WILL_QOS_SHIFT | ELO__CONNECT_WILL_RETAIN;
    unsigned will_qos = flags >> ELO__CONNECT_WILL_QOS_SHIFT & 3u;
    if ((flags & ELO__CONNECT_RESERVED) != 0) {
        return false; /* [MQTT-3.1.2-3] */
    }
    if ((flags & ELO__CONNECT_WILL) == 0 && (flags & will_details) != 0) {
        return false; /* [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15] */
    }
    if (will_qos == 3) {
        return false; /* [MQTT-3.1.2-14] */
    }
    out->clean_session = (flags & ELO__CONNECT_CLEAN) != 0;
    out->has_will = (flags & ELO__CONNECT_WILL) != 0;
    out->will.qos = (uint8_t)will_qos;
    out->will.retain = (flags & ELO__CONNECT_WILL_RETAIN) != 0;
    out->has_username = (flags & ELO__CONNECT_USERNAME) != 0;
    out->has_password = (flags & ELO__CONNECT_PASSWORD) != 0;
    return true;
}

static elo_err take_will(struct elo__cursor *c, struct elo_mqtt_will *out)
{
    elo_err err = take_topic(c, &out->topic);
    if (err != ELO_OK) {
        return err;
    }
    return elo__take_binary(c, &out->payload) ? ELO_OK : ELO_E_MALFORMED;
}

/* The payload, whose fields are there if and only if their flags say so [MQTT-3.1.3-1]. */
static elo_err take_connect_payload(struct elo__cursor *c, struct elo_mqtt_connect *out)
{
    elo_err err = elo__take_string(c, &out->client_id);
    if (err == ELO_OK && out->has_will) {
        err = take_will(c, &out->will);
    }
    if (err == ELO_OK && out->has_username) {
        err = elo__take_string(c, &out->username);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (out->has_password && !elo__take_binary(c, &out->password)) {
        return ELO_E_MALFORMED;
    }
    return elo__left(c) == 0 ? ELO_OK : ELO_E_MALFORMED;
}

elo_err elo__take_protocol(struct elo__cursor *c, uint8_t *out_level)
{
    elo_span protocol;
    if (!elo__take_binary(c, &protocol) || !elo__take_u8(c, out_level)) {
        return ELO_E_MALFORMED;
    }
    return elo_span_eq(protocol, ELO_SPAN("MQTT")) ? ELO_OK : ELO_E_UNSUPPORTED;
}

elo_err elo__decode_connect4(struct elo__cursor c, struct elo_mqtt_connect *out)
{
    struct elo_mqtt_connect v = {0};
    uint8_t flags;
    if (!elo__take_u8(&c, &flags) || !elo__take_u16(&c, &v.keep_alive_s) ||
        !elo__read_connect_flags(flags, &v)) {
        return ELO_E_MALFORMED;
    }
    if (v.has_password && !v.has_username) {
        return ELO_E_MALFORMED; /* [MQTT-3.1.2-22] */
    }
    v.level = ELO_MQTT_3_1_1;
    elo_err err = take_connect_payload(&c, &v);
    if (err == ELO_OK) {
        *out = v;
    }
    return err;
}

static elo_err decode_connect(struct elo__cursor c, struct elo_mqtt_connect *out)
{
    uint8_t level;
    elo_err err = elo__take_protocol(&c, &level);
    if (err == ELO_OK && level == ELO_MQTT_3_1_1) {
        return elo__decode_connect4(c, out);
    }
    if (err != ELO_E_MALFORMED) {
        memset(out, 0, sizeof *out);
        out->level = level; /* for the answer [MQTT-3.1.2-1] [MQTT-3.1.2-2] */
        err = ELO_E_UNSUPPORTED;
    }
    return err;
}

static elo_err decode_connack(struct elo__cursor c, struct elo_mqtt_connack *out)
{
    uint8_t flags;
    uint8_t code;
    if (!elo__take_u8(&c, &flags) || !elo__take_u8(&c, &code) || elo__left(&c) != 0) {
        return ELO_E_MALFORMED;
    }
    if (flags > ELO__CONNACK_SESSION_PRESENT || code > ELO_MQTT_REFUSED_AUTHORIZED) {
        return ELO_E_MALFORMED; /* reserved [MQTT-3.2.2.1] [MQTT-3.2.2.3] */
    }
    if (flags != 0 && code != ELO_MQTT_ACCEPTED) {
        return ELO_E_MALFORMED; /* [MQTT-3.2.2-4] */
    }
    struct elo_mqtt_connack v = {0};
    v.session_present = flags != 0;
    v.code = code;
    *out = v;
    return ELO_OK;
}

static elo_err decode_ack(struct elo__cursor c, struct elo_mqtt_ack *out)
{
    struct elo_mqtt_ack v = {0};
    if (!elo__take_id(&c, &v.packet_id) || elo__left(&c) != 0) {
        return ELO_E_MALFORMED;
    }
    *out = v;
    return ELO_OK;
}

static bool suback_code_valid(uint8_t code)
{
    return code <= 2 || code == ELO_MQTT_SUBACK_FAILURE; /* [MQTT-3.9.3-2] */
}

static elo_err decode_suback(struct elo__cursor c, struct elo_mqtt_suback *out)
{
    struct elo_mqtt_suback v = {0};
    if (!elo__take_id(&c, &v.packet_id) || elo__left(&c) == 0) {
        return ELO_E_MALFORMED;
    }
    v.codes = elo__take_rest(&c);
    for (size_t i = 0; i < v.codes.len; i++) {
        if (!suback_code_valid(v.codes.ptr[i])) {
            return ELO_E_MALFORMED;
        }
    }
    *out = v;
    return ELO_OK;
}

static elo_err take_filter(struct elo__cursor *c)
{
    elo_span filter;
    elo_err err = elo__take_string(c, &filter);
    if (err != ELO_OK) {
        return err;
    }
    return elo_topic_filter_valid(filter) ? ELO_OK : ELO_E_TOPIC;
}

/* SUBSCRIBE, where a requested QoS follows each filter, and UNSUBSCRIBE, where none does. */
static elo_err decode_filters(struct elo__cursor c, bool with_qos, struct elo_mqtt_subscribe *out)
{
    struct elo_mqtt_subscribe s = {0};
    if (!elo__take_id(&c, &s.packet_id)) {
        return ELO_E_MALFORMED;
    }
    s.filters = elo_span_of(c.at, elo__left(&c));
    for (s.count = 0; elo__left(&c) != 0; s.count++) {
        elo_err err = take_filter(&c);
        if (err != ELO_OK) {
            return err;
        }
        uint8_t qos = 0;
        if (with_qos && (!elo__take_u8(&c, &qos) || qos > 2)) {
            return ELO_E_MALFORMED; /* [MQTT-3-8.3-4], so numbered there */
        }
    }
    if (s.count == 0) {
        return ELO_E_MALFORMED; /* [MQTT-3.8.3-3] [MQTT-3.10.3-2] */
    }
    *out = s;
    return ELO_OK;
}

static bool is_ack(elo_mqtt_type type)
{
    return (type >= ELO_MQTT_PUBACK && type <= ELO_MQTT_PUBCOMP) || type == ELO_MQTT_UNSUBACK;
}

elo_err elo__decode_answer(elo_span in, size_t header_len, struct elo_mqtt_packet *out)
{
    struct elo__cursor c = elo__cursor_over(elo_span_from(in, header_len));
    elo_mqtt_type type = (elo_mqtt_type)(in.ptr[0] >> 4);
    if (type == ELO_MQTT_PUBLISH) {
        return decode_publish(c, in.ptr[0] & 0x0Fu, &out->u.publish);
    }
    if (is_ack(type)) {
        return decode_ack(c, &out->u.ack);
    }
    if (type == ELO_MQTT_SUBACK) {
        return decode_suback(c, &out->u.suback);
    }
    if (type == ELO_MQTT_CONNACK) {
        return decode_connack(c, &out->u.connack);
    }
    return elo__left(&c) == 0 ? ELO_OK : ELO_E_MALFORMED; /* PINGREQ, PINGRESP, DISCONNECT */
}

static bool is_subscribe(elo_mqtt_type type)
{
    return type == ELO_MQTT_SUBSCRIBE || type == ELO_MQTT_UNSUBSCRIBE;
}

elo_err elo_mqtt_decode(elo_span in, struct elo_mqtt_packet *out)
{
    struct elo_mqtt_frame frame;
    elo_err err = elo_mqtt_frame(in, UINT32_MAX, &frame);
    if (err != ELO_OK) {
        return err;
    }
    if (in.len != frame.total) {
        return in.len < frame.total ? ELO_NEED_MORE : ELO_E_MALFORMED;
    }
    struct elo__cursor c = elo__cursor_over(elo_span_from(in, frame.header_len));
    if (is_subscribe(frame.type)) {
        err = decode_filters(c, frame.type == ELO_MQTT_SUBSCRIBE, &out->u.subscribe);
    } else if (frame.type == ELO_MQTT_CONNECT) {
        err = decode_connect(c, &out->u.connect);
    } else {
        err = elo__decode_answer(in, frame.header_len, out);
    }
    if (err == ELO_OK || err == ELO_E_UNSUPPORTED) {
        out->type = frame.type;
    }
    return err;
}

/* Both walks stop at anything the decoder would not have let through. */
bool elo_mqtt_next_subscription(elo_span *rest, struct elo_mqtt_subscription *out)
{
    struct elo__cursor c = elo__cursor_over(*rest);
    struct elo_mqtt_subscription s;
    uint8_t options;
    if (!elo__take_binary(&c, &s.filter) || !elo__take_u8(&c, &options)) {
        return false;
    }
    s.qos = options & 3u; /* of 3.1.1 there is no more */
    s.no_local = (options & ELO__SUBSCRIBE_NO_LOCAL) != 0;
    s.retain_as_published = (options & ELO__SUBSCRIBE_AS_PUBLISHED) != 0;
    s.retain_handling = options >> ELO__SUBSCRIBE_RETAIN_SHIFT & 3u;
    *out = s;
    *rest = elo__take_rest(&c);
    return true;
}

bool elo_mqtt_next_filter(elo_span *rest, elo_span *out_filter)
{
    struct elo__cursor c = elo__cursor_over(*rest);
    elo_span filter;
    if (!elo__take_binary(&c, &filter)) {
        return false;
    }
    *out_filter = filter;
    *rest = elo__take_rest(&c);
    return true;
}
