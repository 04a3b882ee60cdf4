// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/assert.h"
#include "elo/mqtt/encode.h"
#include "server/broker/internal.h"

/* A PUBLISH up to its payload: fixed header, topic with its length, packet identifier. */
#define HEAD_BYTES_MAX (ELO_MQTT_MAX_FIXED_HEADER + 2u + LIMIT_TOPIC_BYTES + 2u)

void broker__make_ready(struct broker_conn *c)
{
    if (!c->is_ready) {
        c->is_ready = true;
        TAILQ_INSERT_TAIL(&c->broker->ready, c, ready);
    }
}

static bool append(struct broker_conn *c, elo_span head, elo_span payload, struct message *keep)
{
    if (!broker__output_packet(&c->out, &c->broker->pool, head, payload, keep)) {
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
    (void)append(c, packet, elo_span_of(NULL, 0), NULL);
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

/* The same, with a head of its own: for RETAIN=1, and for QoS 1 with its packet identifier. */
static bool
send_headed(struct broker_conn *c, const struct elo_mqtt_publish *publish, struct message *keep)
{
    uint8_t head[HEAD_BYTES_MAX];
    size_t len;
    elo_err err = elo_mqtt_encode_publish_header(publish, head, sizeof head, &len);
    ELO_ASSERT(err == ELO_OK); /* topics are at most LIMIT_TOPIC_BYTES */
    return err == ELO_OK && append(c, elo_span_of(head, len), publish->payload, keep);
}

bool broker__send_qos0(struct broker_conn *c, const struct publication *p, bool retain)
{
    c->broker->stats.publish_out++;
    if (!retain) {
        return append(c, p->head, p->payload, p->block);
    }
    struct elo_mqtt_publish publish = {.topic = p->topic, .payload = p->payload, .retain = true};
    return send_headed(c, &publish, p->block);
}

bool broker__send_qos1(struct broker_conn *c, struct message *m, uint16_t id, bool retain)
{
    c->broker->stats.publish_out++;
    struct elo_mqtt_publish publish = {.topic = broker__message_topic(m),
                                       .payload = broker__message_payload(m),
                                       .packet_id = id,
                                       .qos = 1,
                                       .retain = retain};
    return send_headed(c, &publish, m);
}
