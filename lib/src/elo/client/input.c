// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the stream is cut into packets by counting. `rx_at` bytes of the present packet
 * have been taken and, as far as rx is large enough, lie in rx. Its fixed header is gathered byte
 * by byte; then `rx_total` is known and the rest comes in runs.
 *
 *     rx_total == 0     fixed header
 *     rx_at < rx_total  body: into rx up to rx_size, what is beyond is only counted
 *     rx_at == rx_total a packet: to its mechanism, or - larger than rx - to OVERSIZE
 *
 * At the header it is also decided whether such a packet may come now at all, so that an intruder
 * cannot make us wait through 256 MB of something we would refuse in the end.
 *
 * One packet is taken at a time and makes at most one kind of event. While that waits, or its
 * PUBACK, nothing more is taken: rx and the event belong to the owner.
 */
#include "elo/base/bytes.h"
#include "elo/base/utf8.h"
#include "elo/client/internal.h"
#include "elo/client/mqtt5_hooks.h"
#include "elo/mqtt/parts.h"
#include "elo/mqtt/topic.h"
#include "elo/mqtt/wire.h"

#define BIT(type) (1u << (type))
#define LINKED_TYPES                                                                               \
    (BIT(ELO_MQTT_PUBLISH) | BIT(ELO_MQTT_PUBACK) | BIT(ELO_MQTT_SUBACK) |                         \
     BIT(ELO_MQTT_UNSUBACK) | BIT(ELO_MQTT_PINGRESP))

void elo__input_reset(struct elo__client *e)
{
    e->rx_at = 0;
    e->rx_total = 0;
    e->rx_ack = 0;
    e->rx_released = false;
}

static unsigned qos_of(unsigned flags)
{
    return flags >> ELO__PUBLISH_QOS_SHIFT & 3u;
}

/* Until it is handed out, and then released, the PUBACK of a message has to wait. */
static void owe_ack(struct elo__client *e, uint16_t packet_id)
{
    e->rx_ack = packet_id;
    e->rx_released = false;
}

static void got_connack(struct elo__client *e, const struct elo_mqtt_connack *p)
{
    if (p->code != ELO_MQTT_ACCEPTED) {
        elo__client_fail(e, elo__reason_connack(p->code));
    } else if (p->session_present && !e->config.persistent) {
        elo__client_fail(e, ELO_E_PROTOCOL); /* [MQTT-3.2.2-1] */
    } else {
        elo__client_connected(e, p->session_present);
    }
}

static void got_publish(struct elo__client *e, const struct elo_mqtt_publish *p)
{
    e->message = *p;
    e->events |= ELO__EV_MESSAGE;
    owe_ack(e, p->packet_id);
}

/* An id that is not in flight is the answer to a repetition: harmless. */
static void got_puback(struct elo__client *e, uint16_t packet_id)
{
    if (elo__outbox_acked(&e->outbox, packet_id, &e->token)) {
        e->events |= ELO__EV_PUBLISHED;
    }
}

static void got_packet(struct elo__client *e)
{
    struct elo_mqtt_packet p;
    if (e->config.mqtt5 != NULL) {
        e->config.mqtt5->_internal.hooks->packet(e);
        return;
    }
    elo_err err = elo__decode_answer(elo_span_of(e->config.rx, e->rx_total), e->rx_header, &p);
    unsigned first = e->config.rx[0]; /* far between: the compiler makes no table of them */
    if (err != ELO_OK) {
        elo__client_fail(e, err);
    } else if (first >> 4 == ELO_MQTT_PUBLISH) {
        got_publish(e, &p.u.publish);
    } else if (first == ELO_MQTT_PUBACK << 4) {
        got_puback(e, p.u.ack.packet_id);
    } else if (first == ELO_MQTT_CONNACK << 4) {
        got_connack(e, &p.u.connack);
    } else if (first == ELO_MQTT_SUBACK << 4) {
        elo__subs_answer(e, false, p.u.suback.packet_id, p.u.suback.codes);
    } else if (first == ELO_MQTT_UNSUBACK << 4) {
        elo__subs_answer(e, true, p.u.ack.packet_id, elo_span_of(NULL, 0));
    } else {
        elo__client_pong(e);
    }
}

/* Where the topic of an oversize PUBLISH ends; rx holds its length, ELO_CLIENT_MIN_RX sees to it.
 */
static uint32_t topic_end(const struct elo__client *e)
{
    return e->rx_header + 2u + elo_rd16be(e->config.rx + e->rx_header);
}

/* Picks the packet id of an oversize PUBLISH out of the `n` bytes at rx_at, which may end
 * anywhere. Those that fit are in rx already. */
static void catch_id(struct elo__client *e, const uint8_t *bytes, uint32_t n)
{
    if (qos_of(e->config.rx[0]) == 0 || e->rx_at + n < e->rx_header + 2u) {
        return;
    }
    uint32_t id_at = topic_end(e);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = id_at + i;
        if (at >= e->rx_at && at - e->rx_at < n) {
            e->rx_ack = (uint16_t)(e->rx_ack << 8 | bytes[at - e->rx_at]);
        }
    }
}

static elo_err oversize_topic(const struct elo__client *e, elo_span *out)
{
    uint32_t end = topic_end(e);
    bool qos1 = qos_of(e->config.rx[0]) != 0;
    if (e->rx_total < end + (qos1 ? 2u : 0u) || (qos1 && e->rx_ack == 0)) {
        return ELO_E_MALFORMED;
    }
    uint32_t start = e->rx_header + 2u;
    *out = elo_span_of(e->config.rx + start, end <= e->config.rx_size ? end - start : 0);
    if (end == start || (out->len > 0 && !elo_topic_name_valid(*out))) {
        return ELO_E_TOPIC;
    }
    return elo_utf8_valid_mqtt(*out) ? ELO_OK : ELO_E_UTF8;
}

static void got_oversize(struct elo__client *e)
{
    elo_err err = oversize_topic(e, &e->message.topic);
    if (err != ELO_OK) {
        elo__client_fail(e, err);
        return;
    }
    e->message.qos = (uint8_t)qos_of(e->config.rx[0]);
    e->message.retain = (e->config.rx[0] & ELO__PUBLISH_RETAIN) != 0;
    e->oversize = e->rx_total;
    e->events |= ELO__EV_OVERSIZE;
    owe_ack(e, e->rx_ack);
}

static bool fits(const struct elo__client *e)
{
    return e->rx_total <= e->config.rx_size;
}

static void take_end(struct elo__client *e)
{
    if (e->rx_at < e->rx_total) {
        return;
    }
    if (fits(e)) {
        got_packet(e);
    } else {
        got_oversize(e);
    }
    e->rx_at = 0;
    e->rx_total = 0;
}

/* May a packet with this header come now? */
static elo_err admit(const struct elo__client *e, const struct elo_mqtt_frame *f, elo_err framed)
{
    bool linked = elo__client_linked(e);
    unsigned types = linked ? LINKED_TYPES : BIT(ELO_MQTT_CONNACK);
    if (linked && e->config.mqtt5 != NULL) {
        types |= BIT(ELO_MQTT_DISCONNECT);
    }
    if ((types & BIT(f->type)) == 0) {
        return ELO_E_PROTOCOL;
    }
    if (f->type != ELO_MQTT_PUBLISH) {
        return framed; /* all others are short: TOO_LARGE is an end */
    }
    return qos_of(f->flags) > 1 ? ELO_E_PROTOCOL : ELO_OK; /* we never asked for QoS 2 */
}

static void take_header_byte(struct elo__client *e, uint8_t byte)
{
    e->config.rx[e->rx_at++] = byte;
    struct elo_mqtt_frame f;
    elo_span header = elo_span_of(e->config.rx, e->rx_at);
    uint32_t max = e->config.rx_size < UINT32_MAX ? (uint32_t)e->config.rx_size : UINT32_MAX;
    elo_err err = elo_mqtt_frame(header, max, &f);
    if (err == ELO_NEED_MORE) {
        return;
    }
    if (err == ELO_OK || err == ELO_E_TOO_LARGE) {
        err = admit(e, &f, err);
    }
    if (err != ELO_OK) {
        elo__client_fail(e, err);
        return;
    }
    e->rx_header = f.header_len;
    e->rx_total = f.total;
    take_end(e);
}

/* Takes some of `in`, which is not empty, but nothing beyond the present packet. */
static size_t take(struct elo__client *e, elo_span in)
{
    if (e->rx_total == 0) {
        take_header_byte(e, in.ptr[0]);
        return 1;
    }
    uint32_t n = e->rx_total - e->rx_at;
    n = in.len < n ? (uint32_t)in.len : n;
    if (e->rx_at < e->config.rx_size) {
        size_t room = e->config.rx_size - e->rx_at;
        memcpy(e->config.rx + e->rx_at, in.ptr, n < room ? n : room);
    }
    if (!fits(e)) {
        catch_id(e, in.ptr, n);
    }
    e->rx_at += n;
    take_end(e);
    return n;
}

static bool hears(const struct elo__client *e)
{
    return e->state == ELO_CLIENT_CONNECTING || elo__client_linked(e);
}

static bool must_wait(const struct elo__client *e)
{
    return (e->events & ELO__EV_STOPS_INPUT) != 0 || (e->rx_ack != 0 && e->rx_total == 0);
}

size_t elo_client_input(struct elo_client *c, elo_span bytes, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    elo__event_release(e);
    size_t at = 0;
    while (at < bytes.len && hears(e) && !must_wait(e)) {
        e->heard_ms = now_ms;
        e->qos0_suspect = false;
        at += take(e, elo_span_from(bytes, at));
    }
    return hears(e) ? at : bytes.len; /* what comes after a failure is of no interest */
}
