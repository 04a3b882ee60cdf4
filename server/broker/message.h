// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: what is published, in its two forms.
 *
 * struct message is the shared one: immutable, counted, made with one allocation. It lives as long
 * as somebody holds a reference: an in-flight slot, a queue, the retained store, an output.
 *
 * struct publication is a message on its way through one routing pass. It borrows: from the
 * packet in the input buffer, if nobody will keep it, or from a message. A small QoS 0 message that
 * is only passed on is therefore never allocated at all.
 *
 * Both know no version of MQTT. What a PUBLISH of MQTT 3.1.1 and of MQTT 5 has before its payload
 * is made when the first subscriber of that version asks, and shared by all of them: struct heads.
 */
#ifndef ELO_SERVER_BROKER_MESSAGE_H
#define ELO_SERVER_BROKER_MESSAGE_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/limits.h"

#define MESSAGE_FOREVER INT64_MAX

/*
 * A PUBLISH up to its properties, and of MQTT 3.1.1 up to its payload: fixed header, topic with its
 * length, packet identifier, length of the properties, message expiry.
 */
#define HEAD_BYTES_MAX (5u + 2u + LIMIT_TOPIC_BYTES + 2u + 4u + 5u)

struct message {
    uint32_t refs;
    uint32_t payload_len;
    uint32_t props_len;
    uint32_t topic_hash; /* map_hash(topic) */
    uint32_t outputs;    /* that refer to it */
    uint32_t rows;       /* places with a row that refer to it: journal.h */
    int64_t row;         /* its own while there are such */
    int64_t expires_ms;  /* mono_ms when it is worth nothing any more, or MESSAGE_FOREVER */
    int64_t retained_ms; /* wall_ms when it was retained; 0: it was not */
    uint16_t topic_len;
    uint8_t qos;     /* as published: 0 or 1 */
    uint8_t bytes[]; /* topic, payload, properties */
};

struct session;

/* The QoS 0 PUBLISH with RETAIN=0, by version; a length of 0: not made yet. */
struct heads {
    uint16_t len3;
    uint16_t len5;
    uint8_t room3[HEAD_BYTES_MAX];
    uint8_t room5[HEAD_BYTES_MAX];
};

struct publication {
    elo_span topic;
    uint32_t hash; /* map_hash(topic): asked for by routes and by every receiver's policy */
    elo_span payload;
    elo_span props;     /* MQTT 5 properties that are passed on, encoded, without the expiry */
    int64_t expires_ms; /* as in a message */
    uint8_t qos;
    bool retain;                /* as published: for Retain As Published */
    bool last_words;            /* a will: nobody is there to send it again */
    const struct session *from; /* whose it is, for No Local; NULL: nobody's */
    elo_span head3;             /* if it came that way from MQTT 3.1.1; empty: see heads */
    elo_span head5;             /* the same of MQTT 5 */
    struct heads *heads;        /* of this routing pass */
    struct message *block;      /* NULL: borrowed from elsewhere */
};

/* One reference; NULL: out of memory. */
struct message *broker__message_new(const struct publication *p);
void broker__message_release(struct message *m); /* NULL is allowed */

static inline struct message *broker__message_keep(struct message *m)
{
    m->refs++;
    return m;
}

static inline elo_span broker__message_topic(const struct message *m)
{
    return elo_span_of(m->bytes, m->topic_len);
}

static inline elo_span broker__message_payload(const struct message *m)
{
    return elo_span_of(m->bytes + m->topic_len, m->payload_len);
}

static inline elo_span broker__message_props(const struct message *m)
{
    return elo_span_of(m->bytes + m->topic_len + m->payload_len, m->props_len);
}

/* What it counts for in a queue. */
static inline size_t broker__message_bytes(const struct message *m)
{
    return (size_t)m->topic_len + m->payload_len + m->props_len;
}

static inline bool broker__message_expired(const struct message *m, int64_t now_ms)
{
    return m->expires_ms <= now_ms;
}

/* To be published again, as if it had just come: a will, a retained message. */
static inline struct publication broker__publication_of(struct message *m)
{
    struct publication p = {.topic = broker__message_topic(m),
                            .hash = m->topic_hash,
                            .payload = broker__message_payload(m),
                            .props = broker__message_props(m),
                            .expires_ms = m->expires_ms,
                            .qos = m->qos,
                            .block = m};
    return p;
}

#endif
