// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/assert.h"
#include "elo/mqtt/encode.h"
#include "server/broker/internal.h"

#define NO_BYTES elo_span_of(NULL, 0)

void broker__make_ready(struct broker_conn *c)
{
    if (!c->is_ready) {
        c->is_ready = true;
        TAILQ_INSERT_TAIL(&c->broker->ready, c, ready);
    }
}

static bool append(struct broker_conn *c, const struct output_packet *packet)
{
    if (!broker__output_packet(&c->out, &c->broker->pool, packet)) {
        broker__end(c, ELO_E_NO_MEMORY, NULL);
        return false;
    }
    broker__make_ready(c);
    return true;
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

void broker__send_connack(struct broker_conn *c, uint8_t code, bool session_present)
{
    struct elo_mqtt_connack connack = {.session_present = session_present, .code = code};
    uint8_t packet[4];
    size_t len;
    if (elo_mqtt_encode_connack(&connack, packet, sizeof packet, &len) == ELO_OK) {
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

/* The head all QoS 0 receivers share. */
static elo_span shared_head(const struct publication *p)
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

bool broker__takes(const struct broker_conn *c, const struct publication *p, uint8_t qos)
{
    (void)p;
    (void)qos;
    return c->packet_max == UINT32_MAX;
}

/* With a head of its own. */
static bool send_headed(struct broker_conn *c, const struct publication *p, struct flags f)
{
    uint8_t room[HEAD_BYTES_MAX];
    struct output_packet packet = {.payload = p->payload, .keep = p->block};
    packet.head = elo_span_of(room, head3(room, p, f));
    return append(c, &packet);
}

bool broker__send_qos0(struct broker_conn *c, const struct publication *p, bool retain)
{
    c->broker->stats.publish_out++;
    if (retain || p->heads == NULL) {
        return send_headed(c, p, (struct flags){.retain = retain});
    }
    struct output_packet packet = {.head = shared_head(p), .payload = p->payload, .keep = p->block};
    return append(c, &packet);
}

bool broker__send_qos1(struct broker_conn *c, struct message *m, uint16_t id, bool retain)
{
    c->broker->stats.publish_out++;
    struct publication p = broker__publication_of(m);
    return send_headed(c, &p, (struct flags){.packet_id = id, .qos = 1, .retain = retain});
}
