// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: what is published, in its two forms.
 *
 * struct message is the shared one: immutable, counted, made with one allocation. It holds the
 * complete QoS 0 PUBLISH as it goes out; topic and payload are parts of it. It lives as long as
 * somebody holds a reference: an in-flight slot, a queue, the retained store, an output.
 *
 * struct publication is a message on its way through one routing pass. It borrows: from the
 * packet in the input buffer, if nobody will keep it, or from a message. A small QoS 0 message that
 * is only passed on is therefore never allocated at all.
 */
#ifndef ELO_SERVER_BROKER_MESSAGE_H
#define ELO_SERVER_BROKER_MESSAGE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

struct message {
    uint32_t refs;
    uint32_t head_len; /* fixed header and topic: what stands before the payload */
    uint32_t payload_len;
    uint32_t topic_hash;
    uint16_t topic_len;
    uint8_t qos; /* as published: 0 or 1 */
    uint8_t packet[];
};

/* One reference; NULL: out of memory, or a topic no PUBLISH can carry. `hash` is map_hash(topic).
 */
struct message *broker__message_new(elo_span topic, uint32_t hash, elo_span payload, uint8_t qos);
void broker__message_release(struct message *m); /* NULL is allowed */

static inline struct message *broker__message_keep(struct message *m)
{
    m->refs++;
    return m;
}

static inline elo_span broker__message_head(const struct message *m)
{
    return elo_span_of(m->packet, m->head_len);
}

static inline elo_span broker__message_payload(const struct message *m)
{
    return elo_span_of(m->packet + m->head_len, m->payload_len);
}

static inline elo_span broker__message_topic(const struct message *m)
{
    return elo_span_of(m->packet + m->head_len - m->topic_len, m->topic_len);
}

/* What it counts for in a queue. */
static inline size_t broker__message_bytes(const struct message *m)
{
    return (size_t)m->head_len + m->payload_len;
}

struct publication {
    elo_span topic;
    uint32_t hash; /* map_hash(topic): asked for by routes and by every receiver's policy */
    elo_span payload;
    elo_span head; /* of the QoS 0 PUBLISH with RETAIN=0; empty until there is one */
    uint8_t qos;
    struct message *block; /* NULL: borrowed from elsewhere */
};

static inline struct publication broker__publication_of(struct message *m)
{
    struct publication p = {.topic = broker__message_topic(m),
                            .hash = m->topic_hash,
                            .payload = broker__message_payload(m),
                            .head = broker__message_head(m),
                            .qos = m->qos,
                            .block = m};
    return p;
}

#endif
