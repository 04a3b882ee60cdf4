// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: input is cut into packets where it lies. Only when a packet is not complete is
 * its beginning copied, into the connection's tail; the next input first completes the tail, and
 * the rest is again read in place. The tail is freed when it is empty: an idle connection has none.
 */
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "server/broker/internal.h"

static const char *event_of(const struct broker_conn *c, elo_mqtt_type type)
{
    return c->session == NULL             ? "Connect"
           : type == ELO_MQTT_PUBLISH     ? "Publish-In"
           : type == ELO_MQTT_SUBSCRIBE   ? "Subscribe"
           : type == ELO_MQTT_UNSUBSCRIBE ? "Unsubscribe"
                                          : "Disconnect";
}

static void refuse_packet(struct broker_conn *c, elo_mqtt_type type, elo_err err, const char *why)
{
    if (c->session == NULL) {
        c->broker->stats.connects_refused++;
    }
    struct report r = {
        .event = event_of(c, type), .err = err, .reason = "CLIENT_ERROR", .details = why};
    if (err == ELO_E_TOO_LARGE && type == ELO_MQTT_PUBLISH) {
        r.reason = "PAYLOAD_LIMIT_EXCEEDED";
    }
    broker__fail(c, &r);
}

static const char *decode_fault(elo_err err)
{
    return err == ELO_E_UTF8       ? "a string in the packet is not UTF-8, or has a NUL"
           : err == ELO_E_TOPIC    ? "a topic breaks the rules of MQTT"
           : err == ELO_E_PROTOCOL ? "a packet that MQTT 5 forbids"
                                   : "the bytes are no MQTT packet";
}

/* A protocol level that is not ours: of MQTT 3, the one refusal with an answer [MQTT-3.1.2-2]. */
static void refuse_version(struct broker_conn *c)
{
    struct report r = {.event = "Connect",
                       .err = ELO_E_UNSUPPORTED,
                       .reason = "CLIENT_ERROR",
                       .details = "only MQTT 3.1.1 and MQTT 5 are spoken here"};
    r.code3 = c->broker->compat.unknown_version == 0 ? ELO_MQTT_REFUSED_VERSION : 0;
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
}

/* Is this, whatever else is wrong with it, a CONNECT of MQTT 5? Then it can be told so. */
static bool says_mqtt5(elo_span bytes)
{
    struct elo_mqtt_frame frame;
    return elo_mqtt_frame(bytes, UINT32_MAX, &frame) == ELO_OK &&
           elo_span_starts_with(elo_span_from(bytes, frame.header_len), ELO_SPAN("\0\4MQTT\5"));
}

static void on_pingreq(struct broker_conn *c)
{
    uint8_t packet[2];
    size_t len;
    if (elo_mqtt_encode_empty(ELO_MQTT_PINGRESP, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

/* AUTH is for enhanced authentication, which AWS has not ("MQTT", Differences). */
static void refuse_type(struct broker_conn *c, elo_mqtt_type type)
{
    refuse_packet(c, type, ELO_E_PROTOCOL,
                  type == ELO_MQTT_AUTH ? "AWS IoT Core has no enhanced authentication"
                                        : "a packet that a client must not send");
}

/* A PUBLISH to a wildcard is whole but for that, and may have an answer. */
static bool is_wild(const struct broker_conn *c, const struct elo_mqtt_packet *in, elo_err err)
{
    return c->session != NULL && err == ELO_E_TOPIC && in->type == ELO_MQTT_PUBLISH;
}

static void dispatch(struct broker_conn *c, elo_span bytes, struct elo_mqtt_packet *in, elo_err err)
{
    static const struct elo_mqtt_disconnect normal = {.code = ELO_MQTT_RC_SUCCESS};
    switch (in->type) {
    case ELO_MQTT_PUBLISH:
        if (err != ELO_OK) {
            broker__on_wild_publish(c, &in->u.publish);
        } else {
            broker__on_publish(c, bytes, &in->u.publish);
        }
        break;
    case ELO_MQTT_PUBACK:
        broker__on_puback(c, in->u.ack.packet_id);
        break;
    case ELO_MQTT_SUBSCRIBE:
        broker__on_subscribe(c, &in->u.subscribe);
        break;
    case ELO_MQTT_UNSUBSCRIBE:
        broker__on_unsubscribe(c, &in->u.subscribe);
        break;
    case ELO_MQTT_PINGREQ:
        on_pingreq(c);
        break;
    case ELO_MQTT_DISCONNECT:
        broker__on_disconnect(c, c->version == ELO_MQTT_5 ? &in->u.disconnect : &normal);
        break;
    case ELO_MQTT_CONNECT: /* [MQTT-3.1.0-2] */
        refuse_packet(c, in->type, ELO_E_PROTOCOL, "a second CONNECT on one connection");
        break;
    default:
        refuse_type(c, in->type);
    }
}

/*
 * [MQTT-3.1.4] lets a client go on without waiting for the CONNACK, AWS does not ("MQTT",
 * AWS IoT differences from MQTT specifications). What has left may still be on its way: of those
 * who do not wait, AWS catches more than we can.
 */
static bool has_waited(struct broker_conn *c, elo_mqtt_type type)
{
    if (c->connack_left == 0 || c->broker->compat.packet_before_connack != 0) {
        return true;
    }
    refuse_packet(c, type, ELO_E_PROTOCOL,
                  "a packet came before the CONNACK had left: AWS IoT Core wants clients to wait");
    return false;
}

static void on_bad_packet(struct broker_conn *c, elo_span bytes, elo_err err)
{
    elo_mqtt_type type = (elo_mqtt_type)(bytes.ptr[0] >> 4);
    if (c->session == NULL && type == ELO_MQTT_CONNECT && says_mqtt5(bytes)) {
        c->version = ELO_MQTT_5;
        c->packet_max = UINT32_MAX;
    }
    refuse_packet(c, type, err, decode_fault(err));
}

/* One whole packet. */
static void on_packet(struct broker_conn *c, elo_span bytes)
{
    struct elo_mqtt_packet in;
    in.type = (elo_mqtt_type)0;
    elo_err err = elo_mqtt_decode_as(c->version, bytes, &in);
    elo_mqtt_type type = (elo_mqtt_type)(bytes.ptr[0] >> 4);
    if (c->session == NULL && type != ELO_MQTT_CONNECT) { /* [MQTT-3.1.0-1] */
        refuse_packet(c, type, ELO_E_PROTOCOL, "the first packet is no CONNECT");
    } else if (err == ELO_E_UNSUPPORTED && c->session == NULL) {
        refuse_version(c);
    } else if (err != ELO_OK && !is_wild(c, &in, err)) {
        on_bad_packet(c, bytes, err);
    } else {
        c->last_packet_ms = c->broker->now.mono_ms;
        if (c->session == NULL && broker__must_ask(c)) {
            broker__ask(c, bytes, &in.u.connect);
        } else if (c->session == NULL) {
            broker__on_connect(c, &in.u.connect);
        } else if (has_waited(c, in.type)) {
            dispatch(c, bytes, &in, err);
        }
    }
}

/* How much the packet at the start of `in` measures; 0: not known yet, or the connection ended. */
static size_t measure(struct broker_conn *c, elo_span in)
{
    struct elo_mqtt_frame frame = {.type = (elo_mqtt_type)0};
    uint32_t most = c->refused == ELO_OK ? LIMIT_PACKET_BYTES : REFUSED_PACKET_BYTES;
    elo_err err = elo_mqtt_frame_as(c->version, in, most, &frame);
    if (err == ELO_OK) {
        return frame.total;
    }
    if (err == ELO_E_TOO_LARGE && c->refused != ELO_OK) {
        broker__refuse_certificate(c, elo_span_of(NULL, 0));
    } else if (err == ELO_E_TOO_LARGE) {
        refuse_packet(c, frame.type, err, "a packet larger than any that AWS IoT Core takes");
    } else if (err != ELO_NEED_MORE) {
        refuse_packet(c, frame.type, err, decode_fault(err));
    }
    return 0;
}

/* Adds to the tail until it holds `want` bytes or the input is used up. */
static void fill_tail(struct broker_conn *c, size_t want, elo_span *in)
{
    size_t missing = want - buf_span(&c->tail).len;
    size_t n = missing < in->len ? missing : in->len;
    buf_add(&c->tail, elo_span_first(*in, n));
    *in = elo_span_from(*in, n);
    if (buf_err(&c->tail) != ELO_OK) {
        broker__end(c, buf_err(&c->tail), NULL);
    }
}

/* Completes the packet that has begun in the tail, as far as the input goes. */
static void finish_tail(struct broker_conn *c, elo_span *in)
{
    while (!c->ended && !(c->asking && !c->granted) && in->len > 0 && buf_span(&c->tail).len > 0) {
        size_t total = measure(c, buf_span(&c->tail));
        if (c->ended) {
            return;
        }
        size_t have = buf_span(&c->tail).len;
        fill_tail(c, total > 0 ? total : have + 1, in);
        if (!c->ended && total > 0 && buf_span(&c->tail).len == total) {
            on_packet(c, buf_span(&c->tail));
            buf_free(&c->tail);
        }
    }
}

/* The tail's last byte may have completed a packet of nothing but a header. */
static void take_whole_tail(struct broker_conn *c)
{
    elo_span tail = buf_span(&c->tail);
    if (c->ended || (c->asking && !c->granted) || tail.len == 0 || measure(c, tail) != tail.len) {
        return;
    }
    on_packet(c, tail);
    buf_free(&c->tail);
}

/* What comes while a custom authorizer is asked has come before the CONNACK; it waits too. */
static bool must_wait(struct broker_conn *c, elo_span bytes)
{
    if (!c->asking || c->granted || c->ended) {
        return false;
    }
    if (bytes.len > 0 && c->broker->compat.packet_before_connack == 0) {
        refuse_packet(c, ELO_MQTT_CONNECT, ELO_E_PROTOCOL,
                      "a packet came before the CONNACK: AWS IoT Core wants clients to wait");
        return true;
    }
    buf_add(&c->tail, bytes);
    if (buf_err(&c->tail) != ELO_OK) {
        broker__end(c, buf_err(&c->tail), NULL);
    }
    return true;
}

void broker_input(struct broker_conn *c, elo_span bytes, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    if (c->ended) {
        return;
    }
    size_t len = bytes.len;
    if (!c->asking || c->granted) {
        finish_tail(c, &bytes);
        take_whole_tail(c);
    }
    while (!c->ended && bytes.len > 0 && !must_wait(c, bytes)) {
        size_t total = measure(c, bytes);
        if (c->ended) {
            break;
        }
        if (total == 0 || total > bytes.len) {
            fill_tail(c, bytes.len, &bytes);
            break;
        }
        on_packet(c, elo_span_first(bytes, total));
        bytes = elo_span_from(bytes, total);
    }
    broker__has_read(c, len);
    broker__settle(b);
}
