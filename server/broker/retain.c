// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one message per topic, in a map whose keys lie in the messages. AWS hands them
 * only to subscriptions whose filter is exactly the topic: not to wildcards, not to shared ones
 * ("MQTT", Retained messages, AWS IoT Developer Guide).
 */
#include "elo/mqtt/topic.h"
#include "server/broker/internal.h"

/* [MQTT-3.3.1-10] [MQTT-3.3.1-11]: no payload, no retained message any more. */
static void forget(struct broker *b, elo_span topic)
{
    struct message *m = map_remove(&b->retained, topic);
    if (m != NULL) {
        b->retained_bytes -= broker__message_bytes(m);
        broker__message_release(m);
    }
}

elo_err broker__retain(struct broker *b, const struct publication *p)
{
    if (p->payload.len == 0) {
        forget(b, p->topic);
        return ELO_OK;
    }
    struct message *old = map_get(&b->retained, p->topic);
    size_t others = b->retained_bytes - (old != NULL ? broker__message_bytes(old) : 0);
    size_t bytes = broker__message_bytes(p->block);
    if ((old == NULL && map_len(&b->retained) == LIMIT_RETAINED_MESSAGES) ||
        bytes > RETAINED_BYTES_MAX - others) {
        return ELO_E_QUOTA;
    }
    if (!map_put(&b->retained, broker__message_topic(p->block), p->block)) {
        return ELO_E_NO_MEMORY;
    }
    b->retained_bytes = others + bytes;
    (void)broker__message_keep(p->block);
    broker__message_release(old);
    return ELO_OK;
}

void broker__send_retained(struct session *s, elo_span filter, uint8_t qos)
{
    if (map_len(&s->broker->retained) == 0 || elo_topic_filter_is_wild(filter)) {
        return;
    }
    struct message *m = map_get(&s->broker->retained, filter);
    if (m != NULL) {
        struct publication p = broker__publication_of(m);
        broker__deliver(s, &p, qos, true); /* [MQTT-3.3.1-8] */
    }
}

void broker__retained_free(struct broker *b)
{
    struct message *m;
    for (size_t i = 0; (m = map_next(&b->retained, &i)) != NULL;) {
        broker__message_release(m);
    }
    map_free(&b->retained);
}
