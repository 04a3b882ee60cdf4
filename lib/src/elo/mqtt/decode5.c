// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: as decode.c, with a reader of properties (property.c) and a table of the reason
 * codes each packet may have. PUBLISH comes first, and one without properties costs a byte more to
 * read than in 3.1.1.
 *
 * No file that a 3.1.1 device needs refers to this one.
 */
#include "elo/mqtt/decode.h"

#include "elo/base/flash.h"
#include "elo/mqtt/parts.h"
#include "elo/mqtt/topic.h"
#include "elo/mqtt/wire.h"

#define IN(TYPE) (1u << ELO_MQTT_##TYPE)
#define RECEIVED (IN(PUBACK) | IN(PUBREC))
#define SUBACKS  (IN(SUBACK) | IN(UNSUBACK))
#define ENDS     (IN(CONNACK) | IN(DISCONNECT))

/* A reason code and, in the upper half of the word, the packets it may stand in [MQTT5-2.4]. */
#define CODE(code, where) ((uint32_t)(where) << 16 | (uint32_t)(code))

static const uint32_t CODES[] ELO_FLASH = {
    CODE(ELO_MQTT_RC_SUCCESS, RECEIVED | SUBACKS | ENDS | IN(PUBREL) | IN(PUBCOMP) | IN(AUTH)),
    CODE(ELO_MQTT_RC_GRANTED_QOS_1, IN(SUBACK)),
    CODE(ELO_MQTT_RC_GRANTED_QOS_2, IN(SUBACK)),
    CODE(ELO_MQTT_RC_DISCONNECT_WITH_WILL, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_NO_SUBSCRIBERS, RECEIVED),
    CODE(ELO_MQTT_RC_NO_SUBSCRIPTION, IN(UNSUBACK)),
    CODE(ELO_MQTT_RC_CONTINUE_AUTH, IN(AUTH)),
    CODE(ELO_MQTT_RC_REAUTHENTICATE, IN(AUTH)),
    CODE(ELO_MQTT_RC_UNSPECIFIED, RECEIVED | SUBACKS | ENDS),
    CODE(ELO_MQTT_RC_MALFORMED, ENDS),
    CODE(ELO_MQTT_RC_PROTOCOL_ERROR, ENDS),
    CODE(ELO_MQTT_RC_IMPLEMENTATION, RECEIVED | SUBACKS | ENDS),
    CODE(ELO_MQTT_RC_VERSION, IN(CONNACK)),
    CODE(ELO_MQTT_RC_CLIENT_ID, IN(CONNACK)),
    CODE(ELO_MQTT_RC_PASSWORD, IN(CONNACK)),
    CODE(ELO_MQTT_RC_NOT_AUTHORIZED, RECEIVED | SUBACKS | ENDS),
    CODE(ELO_MQTT_RC_SERVER_UNAVAILABLE, IN(CONNACK)),
    CODE(ELO_MQTT_RC_SERVER_BUSY, ENDS),
    CODE(ELO_MQTT_RC_BANNED, IN(CONNACK)),
    CODE(ELO_MQTT_RC_SHUTTING_DOWN, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_AUTH_METHOD, ENDS),
    CODE(ELO_MQTT_RC_KEEP_ALIVE, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_TAKEN_OVER, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_FILTER_INVALID, SUBACKS | IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_TOPIC_INVALID, RECEIVED | ENDS),
    CODE(ELO_MQTT_RC_ID_IN_USE, RECEIVED | SUBACKS),
    CODE(ELO_MQTT_RC_ID_NOT_FOUND, IN(PUBREL) | IN(PUBCOMP)),
    CODE(ELO_MQTT_RC_RECEIVE_MAXIMUM, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_ALIAS_INVALID, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_TOO_LARGE, ENDS),
    CODE(ELO_MQTT_RC_RATE, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_QUOTA, RECEIVED | IN(SUBACK) | ENDS),
    CODE(ELO_MQTT_RC_ADMINISTRATIVE, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_PAYLOAD_FORMAT, RECEIVED | ENDS),
    CODE(ELO_MQTT_RC_RETAIN, ENDS),
    CODE(ELO_MQTT_RC_QOS, ENDS),
    CODE(ELO_MQTT_RC_ANOTHER_SERVER, ENDS),
    CODE(ELO_MQTT_RC_SERVER_MOVED, ENDS),
    CODE(ELO_MQTT_RC_SHARED, IN(SUBACK) | IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_CONNECTION_RATE, ENDS),
    CODE(ELO_MQTT_RC_CONNECT_TIME, IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_SUBSCRIPTION_ID, IN(SUBACK) | IN(DISCONNECT)),
    CODE(ELO_MQTT_RC_WILDCARD, IN(SUBACK) | IN(DISCONNECT)),
};

static bool code_valid(elo_mqtt_type type, uint8_t code)
{
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++) {
        uint32_t entry = CODES[i];
        if ((entry & 0xFFu) == code) {
            return (entry >> 16 >> type & 1u) != 0;
        }
    }
    return false;
}

static bool is_wild(elo_span topic)
{
    return topic.len != 0 && elo_topic_filter_is_wild(topic);
}

static elo_err decode_publish(struct elo__cursor c, unsigned flags, struct elo_mqtt_publish *out)
{
    struct elo_mqtt_publish p = {0};
    p.dup = (flags & ELO__PUBLISH_DUP) != 0;
    p.qos = (uint8_t)(flags >> ELO__PUBLISH_QOS_SHIFT & 3u);
    p.retain = (flags & ELO__PUBLISH_RETAIN) != 0;
    elo_err err = elo__take_string(&c, &p.topic);
    if (err != ELO_OK) {
        return err;
    }
    if (p.qos != 0 && !elo__take_id(&c, &p.packet_id)) {
        return ELO_E_MALFORMED;
    }
    if (elo__left(&c) != 0 && *c.at == 0) {
        c.at++; /* the usual: no properties */
    } else if ((err = elo__take_properties(&c, ELO_MQTT_PUBLISH, &p.properties, &p)) != ELO_OK) {
        return err;
    }
    if (p.topic.len == 0 && (p.has & ELO_MQTT_HAS_ALIAS) == 0) {
        return ELO_E_PROTOCOL; /* [MQTT5-3.3.2.1] */
    }
    p.payload = elo__take_rest(&c);
    *out = p;
    return is_wild(p.topic) ? ELO_E_TOPIC : ELO_OK; /* [MQTT5-3.3.2-2] */
}

static elo_err take_will(struct elo__cursor *c, struct elo_mqtt_will *out)
{
    elo_err err = elo__take_properties(c, ELO__IN_WILL, &out->properties, NULL);
    if (err == ELO_OK) {
        err = elo__take_string(c, &out->topic);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (!elo__take_binary(c, &out->payload)) {
        return ELO_E_MALFORMED;
    }
    return out->topic.len != 0 && !is_wild(out->topic) ? ELO_OK : ELO_E_TOPIC;
}

static elo_err take_connect_payload(struct elo__cursor *c, struct elo_mqtt_connect *v)
{
    elo_err err = elo__take_string(c, &v->client_id);
    if (err == ELO_OK && v->has_will) {
        err = take_will(c, &v->will);
    }
    if (err == ELO_OK && v->has_username) {
        err = elo__take_string(c, &v->username);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (v->has_password && !elo__take_binary(c, &v->password)) {
        return ELO_E_MALFORMED;
    }
    return elo__left(c) == 0 ? ELO_OK : ELO_E_MALFORMED;
}

static elo_err decode_connect5(struct elo__cursor c, struct elo_mqtt_connect *out)
{
    struct elo_mqtt_connect v = {0};
    uint8_t flags;
    v.level = ELO_MQTT_5;
    if (!elo__take_u8(&c, &flags) || !elo__take_u16(&c, &v.keep_alive_s) ||
        !elo__read_connect_flags(flags, &v)) {
        return ELO_E_MALFORMED;
    }
    elo_err err = elo__take_properties(&c, ELO_MQTT_CONNECT, &v.properties, NULL);
    if (err == ELO_OK) {
        err = take_connect_payload(&c, &v);
    }
    if (err == ELO_OK) {
        *out = v;
    }
    return err;
}

static elo_err decode_connect(struct elo__cursor c, struct elo_mqtt_connect *out)
{
    uint8_t level;
    elo_err err = elo__take_protocol(&c, &level);
    if (err == ELO_OK && level == ELO_MQTT_5) {
        return decode_connect5(c, out);
    }
    if (err == ELO_OK && level == ELO_MQTT_3_1_1) {
        return elo__decode_connect4(c, out);
    }
    if (err != ELO_E_MALFORMED) {
        memset(out, 0, sizeof *out);
        out->level = level; /* for the answer [MQTT5-3.1.2-2] */
        err = ELO_E_UNSUPPORTED;
    }
    return err;
}

static elo_err decode_connack(struct elo__cursor c, struct elo_mqtt_connack *out)
{
    struct elo_mqtt_connack v = {0};
    uint8_t flags;
    if (!elo__take_u8(&c, &flags) || !elo__take_u8(&c, &v.code) ||
        flags > ELO__CONNACK_SESSION_PRESENT) {
        return ELO_E_MALFORMED; /* [MQTT5-3.2.2-1] */
    }
    v.session_present = flags != 0;
    elo_err err = elo__take_properties(&c, ELO_MQTT_CONNACK, &v.properties, NULL);
    if (err != ELO_OK || elo__left(&c) != 0) {
        return err != ELO_OK ? err : ELO_E_MALFORMED;
    }
    if (!code_valid(ELO_MQTT_CONNACK, v.code) || (v.session_present && v.code != 0)) {
        return ELO_E_PROTOCOL; /* [MQTT5-3.2.2-6] [MQTT5-3.2.2-8] */
    }
    *out = v;
    return ELO_OK;
}

/*
 * A reason code and properties that end a packet: the properties may be left out, and then the code
 * too if it is 0. DISCONNECT and AUTH are nothing else.
 */
static elo_err
take_reason(struct elo__cursor *c, elo_mqtt_type type, uint8_t *out_code, elo_span *out_properties)
{
    if (elo__left(c) == 0) {
        return ELO_OK;
    }
    (void)elo__take_u8(c, out_code);
    elo_err err = ELO_OK;
    if (elo__left(c) != 0) {
        err = elo__take_properties(c, type, out_properties, NULL);
    } else if (type == ELO_MQTT_AUTH) {
        return ELO_E_MALFORMED; /* with a code it needs an Authentication Method [MQTT5-3.15.2.1] */
    }
    if (err != ELO_OK || elo__left(c) != 0) {
        return err != ELO_OK ? err : ELO_E_MALFORMED;
    }
    return code_valid(type, *out_code) ? ELO_OK : ELO_E_PROTOCOL;
}

static elo_err decode_ack(struct elo__cursor c, elo_mqtt_type type, struct elo_mqtt_ack *out)
{
    struct elo_mqtt_ack v = {0};
    if (!elo__take_id(&c, &v.packet_id)) {
        return ELO_E_MALFORMED;
    }
    elo_err err = take_reason(&c, type, &v.code, &v.properties);
    if (err == ELO_OK) {
        *out = v;
    }
    return err;
}

static elo_err
decode_disconnect(struct elo__cursor c, elo_mqtt_type type, struct elo_mqtt_disconnect *out)
{
    struct elo_mqtt_disconnect v = {0};
    elo_err err = take_reason(&c, type, &v.code, &v.properties);
    if (err == ELO_OK) {
        *out = v;
    }
    return err;
}

static elo_err decode_suback(struct elo__cursor c, elo_mqtt_type type, struct elo_mqtt_suback *out)
{
    struct elo_mqtt_suback v = {0};
    if (!elo__take_id(&c, &v.packet_id)) {
        return ELO_E_MALFORMED;
    }
    elo_err err = elo__take_properties(&c, type, &v.properties, NULL);
    if (err != ELO_OK) {
        return err;
    }
    v.codes = elo__take_rest(&c);
    if (v.codes.len == 0) {
        return ELO_E_PROTOCOL; /* one for each filter, and there is no packet without any */
    }
    for (size_t i = 0; i < v.codes.len; i++) {
        if (!code_valid(type, v.codes.ptr[i])) {
            return ELO_E_PROTOCOL; /* [MQTT5-3.9.3-2] [MQTT5-3.11.3-2] */
        }
    }
    *out = v;
    return ELO_OK;
}

static elo_err take_options(struct elo__cursor *c, elo_span filter)
{
    uint8_t options;
    if (!elo__take_u8(c, &options) || (options & ELO__SUBSCRIBE_RESERVED) != 0) {
        return ELO_E_MALFORMED; /* [MQTT5-3.8.3-5] */
    }
    bool shared = elo_span_starts_with(filter, ELO_SPAN("$share/"));
    bool qos_3 = (options & 3u) == 3;
    bool handling_3 = (options >> ELO__SUBSCRIBE_RETAIN_SHIFT & 3u) == 3;
    bool local = shared && (options & ELO__SUBSCRIBE_NO_LOCAL) != 0; /* [MQTT5-3.8.3-4] */
    return qos_3 || handling_3 || local ? ELO_E_PROTOCOL : ELO_OK;
}

static elo_err
decode_filters(struct elo__cursor c, elo_mqtt_type type, struct elo_mqtt_subscribe *out)
{
    struct elo_mqtt_subscribe s = {0};
    if (!elo__take_id(&c, &s.packet_id)) {
        return ELO_E_MALFORMED;
    }
    elo_err err = elo__take_properties(&c, type, &s.properties, NULL);
    s.filters = elo_span_of(c.at, elo__left(&c));
    for (; err == ELO_OK && elo__left(&c) != 0; s.count++) {
        elo_span filter;
        err = elo__take_string(&c, &filter);
        if (err == ELO_OK && type == ELO_MQTT_SUBSCRIBE) {
            err = take_options(&c, filter);
        }
    }
    if (err == ELO_OK && s.count == 0) {
        err = ELO_E_PROTOCOL; /* [MQTT5-3.8.3-2] [MQTT5-3.10.3-2] */
    }
    if (err == ELO_OK) {
        *out = s;
    }
    return err;
}

/* Is the remaining length written in as few bytes as it needs? */
static bool length_shortest(size_t body_len, size_t header_len)
{
    size_t bytes = header_len - 1;
    return bytes == 1 || body_len >> 7u * (bytes - 1) != 0;
}

elo_err elo__decode_answer5(elo_span in, size_t header_len, struct elo_mqtt_packet *out)
{
    struct elo__cursor c = elo__cursor_over(elo_span_from(in, header_len));
    elo_mqtt_type type = (elo_mqtt_type)(in.ptr[0] >> 4);
    unsigned first = in.ptr[0]; /* far between, so that the compiler makes no table of them */
    if (!length_shortest(elo__left(&c), header_len)) {
        return ELO_E_MALFORMED; /* [MQTT5-1.5.5-1] */
    }
    if (type == ELO_MQTT_PUBLISH) {
        return decode_publish(c, in.ptr[0] & 0x0Fu, &out->u.publish);
    }
    if (type >= ELO_MQTT_PUBACK && type <= ELO_MQTT_PUBCOMP) {
        return decode_ack(c, type, &out->u.ack);
    }
    if (first == ELO_MQTT_SUBACK << 4 || first == ELO_MQTT_UNSUBACK << 4) {
        return decode_suback(c, type, &out->u.suback);
    }
    if (first >= ELO_MQTT_DISCONNECT << 4) {
        return decode_disconnect(c, type, &out->u.disconnect);
    }
    if (first == ELO_MQTT_CONNACK << 4) {
        return decode_connack(c, &out->u.connack);
    }
    return elo__left(&c) == 0 ? ELO_OK : ELO_E_MALFORMED; /* PINGREQ, PINGRESP */
}

/* A CONNECT of 3.1.1 may be long-winded: its own decoder takes it, and refuses all others. */
static elo_err
decode_long(elo_span in, const struct elo_mqtt_frame *frame, struct elo_mqtt_packet *out)
{
    if (frame->type != ELO_MQTT_CONNECT) {
        return ELO_E_MALFORMED; /* [MQTT5-1.5.5-1] */
    }
    struct elo__cursor c = elo__cursor_over(elo_span_from(in, frame->header_len));
    uint8_t level;
    if (elo__take_protocol(&c, &level) == ELO_OK && level == ELO_MQTT_5) {
        return ELO_E_MALFORMED;
    }
    return elo_mqtt_decode(in, out);
}

elo_err elo_mqtt5_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out)
{
    if (in.len != 0 && in.ptr[0] == ELO_MQTT_AUTH << 4) {
        return elo__read_frame(in, max_packet, out);
    }
    return elo_mqtt_frame(in, max_packet, out);
}

static bool is_from_client(elo_mqtt_type type)
{
    const unsigned types = IN(CONNECT) | IN(SUBSCRIBE) | IN(UNSUBSCRIBE);
    return (types >> type & 1u) != 0;
}

elo_err elo_mqtt5_decode(elo_span in, struct elo_mqtt_packet *out)
{
    struct elo_mqtt_frame frame;
    elo_err err = elo_mqtt5_frame(in, UINT32_MAX, &frame);
    if (err != ELO_OK) {
        return err;
    }
    if (in.len != frame.total) {
        return in.len < frame.total ? ELO_NEED_MORE : ELO_E_MALFORMED;
    }
    struct elo__cursor c = elo__cursor_over(elo_span_from(in, frame.header_len));
    if (!is_from_client(frame.type)) {
        err = elo__decode_answer5(in, frame.header_len, out);
    } else if (!length_shortest(elo__left(&c), frame.header_len)) {
        return decode_long(in, &frame, out);
    } else if (frame.type == ELO_MQTT_CONNECT) {
        err = decode_connect(c, &out->u.connect);
    } else {
        err = decode_filters(c, frame.type, &out->u.subscribe);
    }
    bool answerable = err == ELO_E_TOPIC && frame.type == ELO_MQTT_PUBLISH;
    if (err == ELO_OK || err == ELO_E_UNSUPPORTED || answerable) {
        out->type = frame.type;
    }
    return err;
}

uint8_t elo_mqtt5_reason_for(elo_err err)
{
    return err == ELO_OK              ? ELO_MQTT_RC_SUCCESS
           : err == ELO_E_PROTOCOL    ? ELO_MQTT_RC_PROTOCOL_ERROR
           : err == ELO_E_TOPIC       ? ELO_MQTT_RC_TOPIC_INVALID
           : err == ELO_E_TOO_LARGE   ? ELO_MQTT_RC_TOO_LARGE
           : err == ELO_E_UNSUPPORTED ? ELO_MQTT_RC_VERSION
                                      : ELO_MQTT_RC_MALFORMED;
}
