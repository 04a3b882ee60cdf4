// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/assert.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "server/broker/internal.h"

void broker__make_ready(struct broker_conn *c)
{
    if (!c->is_ready) {
        c->is_ready = true;
        TAILQ_INSERT_TAIL(&c->broker->ready, c, ready);
    }
}

/* Who is furthest behind goes first: the others did nothing wrong. Its output is given back. */
static void shed_the_slowest(struct broker *b)
{
    struct broker_conn *c, *slowest = NULL;
    TAILQ_FOREACH(c, &b->conns, all)
    {
        if (!c->ended && (slowest == NULL || c->out.bytes > slowest->out.bytes)) {
            slowest = c;
        }
    }
    if (slowest != NULL) {
        broker__end(slowest, ELO_E_SLOW_CONSUMER, NULL);
    }
}

static bool append(struct broker_conn *c, const struct output_packet *packet)
{
    struct broker *b = c->broker;
    if (!broker__output_packet(&c->out, &b->pool, packet)) {
        broker__end(c, ELO_E_NO_MEMORY, NULL);
        return false;
    }
    broker__make_ready(c);
    if (b->pool.held > b->output_most) {
        shed_the_slowest(b);
    }
    return !c->ended;
}

void broker__send(struct broker_conn *c, elo_span packet)
{
    if (c->ended) {
        return;
    }
    if (packet.len > LIMIT_OUTPUT_BYTES - c->out.bytes) {
        broker__end(c, ELO_E_SLOW_CONSUMER, NULL);
        return;
    }
    (void)append(c, &(struct output_packet){.head = packet});
}

void broker__send_ack(struct broker_conn *c, elo_mqtt_type type, uint16_t packet_id)
{
    uint8_t packet[4];
    size_t len;
    if (elo_mqtt_encode_ack(type, packet_id, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

bool broker__has_room(const struct broker_conn *c, size_t bytes)
{
    const size_t most = LIMIT_OUTPUT_BYTES - OUTPUT_RESERVE_BYTES;
    return c->out.bytes <= most && bytes <= most - c->out.bytes;
}

/* --- PUBLISH ------------------------------------------------------------------------------------
 */

/* What a PUBLISH says beside its message. */
struct flags {
    uint16_t packet_id;
    uint8_t qos;
    bool retain;
};

/* Returns how many bytes of `room` it took. */
static uint16_t head3(uint8_t room[HEAD_BYTES_MAX], const struct publication *p, struct flags f)
{
    struct elo_mqtt_publish publish = {.topic = p->topic,
                                       .payload = p->payload,
                                       .packet_id = f.packet_id,
                                       .qos = f.qos,
                                       .retain = f.retain};
    size_t len = 0;
    elo_err err = elo_mqtt_encode_publish_header(&publish, room, HEAD_BYTES_MAX, &len);
    ELO_ASSERT(err == ELO_OK); /* topics are at most LIMIT_TOPIC_BYTES */
    return err == ELO_OK ? (uint16_t)len : 0;
}

/* A variable byte integer [MQTT5-1.5.5]. */
static uint8_t *put_length(uint8_t *at, size_t n)
{
    for (; n > 127; n >>= 7) {
        *at++ = (uint8_t)(n | 0x80);
    }
    *at++ = (uint8_t)n;
    return at;
}

static size_t length_bytes(size_t n)
{
    return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : 4;
}

static uint8_t *put16(uint8_t *at, size_t n)
{
    at[0] = (uint8_t)(n >> 8);
    at[1] = (uint8_t)n;
    return at + 2;
}

#define EXPIRY_BYTES 5u

static size_t props_bytes(const struct publication *p)
{
    return p->props.len + (p->expires_ms != MESSAGE_FOREVER ? EXPIRY_BYTES : 0);
}

/* What follows the fixed header. */
static size_t remaining5(const struct publication *p, uint8_t qos)
{
    size_t props = props_bytes(p);
    return 2 + p->topic.len + (qos > 0 ? 2 : 0) + length_bytes(props) + props + p->payload.len;
}

/* What is left of its time, in whole seconds. */
static uint8_t *put_expiry(uint8_t *at, int64_t left_ms)
{
    uint32_t left_s = left_ms > 0 ? (uint32_t)(left_ms / 1000) : 0;
    *at++ = ELO_MQTT_PROP_MESSAGE_EXPIRY;
    return put16(put16(at, left_s >> 16), left_s & 0xFFFF);
}

/*
 * The codec's encoder would copy the properties as well, which the output copies anyway. At most
 * HEAD_BYTES_MAX: topics are at most LIMIT_TOPIC_BYTES.
 */
static uint16_t
head5(uint8_t room[HEAD_BYTES_MAX], const struct publication *p, struct flags f, int64_t now_ms)
{
    uint8_t *at = room;
    ELO_ASSERT(p->topic.len <= LIMIT_TOPIC_BYTES);
    *at++ = (uint8_t)(ELO_MQTT_PUBLISH << 4 | f.qos << 1 | f.retain);
    at = put16(put_length(at, remaining5(p, f.qos)), p->topic.len);
    memcpy(at, p->topic.ptr, p->topic.len);
    at += p->topic.len;
    if (f.qos > 0) {
        at = put16(at, f.packet_id);
    }
    at = put_length(at, props_bytes(p));
    if (p->expires_ms != MESSAGE_FOREVER) {
        at = put_expiry(at, p->expires_ms - now_ms);
    }
    return (uint16_t)(at - room);
}

/* The head all QoS 0 receivers of one version share. */
static elo_span shared_head3(const struct publication *p)
{
    struct heads *h = p->heads;
    if (p->head3.len > 0) {
        return p->head3;
    }
    if (h->len3 == 0) {
        h->len3 = head3(h->room3, p, (struct flags){0});
    }
    return elo_span_of(h->room3, h->len3);
}

static elo_span shared_head5(const struct publication *p, int64_t now_ms)
{
    struct heads *h = p->heads;
    if (p->head5.len > 0) {
        return p->head5;
    }
    if (h->len5 == 0) {
        h->len5 = head5(h->room5, p, (struct flags){0}, now_ms);
    }
    return elo_span_of(h->room5, h->len5);
}

size_t broker__packet_bytes(const struct publication *p, uint8_t qos)
{
    size_t remaining = remaining5(p, qos);
    return 1 + length_bytes(remaining) + remaining;
}

/* With a head of its own. */
static bool send_headed(struct broker_conn *c, const struct publication *p, struct flags f)
{
    uint8_t room[HEAD_BYTES_MAX];
    struct output_packet packet = {.payload = p->payload, .keep = p->block};
    if (c->version == ELO_MQTT_5) {
        packet.head = elo_span_of(room, head5(room, p, f, c->broker->now.mono_ms));
        packet.props = p->props;
    } else {
        packet.head = elo_span_of(room, head3(room, p, f));
    }
    return append(c, &packet);
}

static void count_out(const struct broker_conn *c, size_t payload_len)
{
    c->broker->stats.publish_out++;
    c->broker->stats.publish_bytes_out += payload_len;
}

bool broker__send_qos0(struct broker_conn *c, const struct publication *p, bool retain)
{
    count_out(c, p->payload.len);
    if (retain || p->heads == NULL) {
        return send_headed(c, p, (struct flags){.retain = retain});
    }
    struct output_packet packet = {.payload = p->payload, .keep = p->block};
    if (c->version == ELO_MQTT_5) {
        packet.head = shared_head5(p, c->broker->now.mono_ms);
        packet.props = p->props;
    } else {
        packet.head = shared_head3(p);
    }
    return append(c, &packet);
}

bool broker__send_qos1(struct broker_conn *c, struct message *m, uint16_t id, bool retain)
{
    struct publication p = broker__publication_of(m);
    count_out(c, p.payload.len);
    return send_headed(c, &p, (struct flags){.packet_id = id, .qos = 1, .retain = retain});
}
