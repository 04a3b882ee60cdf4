// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one message per topic, in a map whose keys lie in the messages. AWS hands them
 * only to subscriptions whose filter is exactly the topic: not to wildcards, not to shared ones
 * ("MQTT", Retained messages, AWS IoT Developer Guide).
 */
#include "elo/mqtt/topic.h"
#include "server/broker/internal.h"

#define SWEEP_MS 10000 /* all of them are looked through at most so often */

/*
 * [MQTT-3.3.1-10] [MQTT-3.3.1-11]: no payload, no retained message any more. false: out of memory,
 * it is still there, so that who asks again is not told that it is gone.
 */
static bool forget(struct broker *b, elo_span topic)
{
    struct message *m = map_get(&b->retained, topic);
    if (m == NULL) {
        return true;
    }
    if (!broker__journal_forgotten(&b->journal, topic)) {
        return false;
    }
    (void)map_remove(&b->retained, topic);
    b->retained_bytes -= broker__message_bytes(m);
    broker__message_release(m);
    return true;
}

/* Does the topic's message fit in, `old` being there now? */
static bool fits(struct broker *b, const struct message *old, const struct message *m)
{
    size_t others = b->retained_bytes - (old != NULL ? broker__message_bytes(old) : 0);
    return (old != NULL || map_len(&b->retained) < b->limits.retained) &&
           broker__message_bytes(m) <= RETAINED_BYTES_MAX - others;
}

/* The timer rings for the first that runs out, but not all the time. */
static void expect_end(struct broker *b, const struct message *m)
{
    if (m->expires_ms == MESSAGE_FOREVER) {
        return;
    }
    if (m->expires_ms < b->retained_soonest_ms) {
        b->retained_soonest_ms = m->expires_ms;
    }
    int64_t soon = b->now.mono_ms + SWEEP_MS;
    int64_t due = m->expires_ms > soon ? m->expires_ms : soon;
    if (b->retained_timer.place == 0 || due < b->retained_timer.due_ms) {
        broker__timers_set(&b->timers, &b->retained_timer, due);
    }
}

/* It cannot be stored: as it was. */
static elo_err take_back(struct broker *b, struct message *old, elo_span topic)
{
    if (old == NULL || !map_put(&b->retained, broker__message_topic(old), old)) {
        (void)map_remove(&b->retained, topic);
        b->retained_bytes -= old != NULL ? broker__message_bytes(old) : 0;
        broker__message_release(old);
    }
    return ELO_E_NO_MEMORY;
}

elo_err broker__retain(struct broker *b, const struct publication *p)
{
    if (p->payload.len == 0) {
        return forget(b, p->topic) ? ELO_OK : ELO_E_NO_MEMORY;
    }
    struct message *old = map_get(&b->retained, p->topic);
    if (!fits(b, old, p->block)) {
        broker__retained_expire(b); /* nothing dead keeps a living message out */
        old = map_get(&b->retained, p->topic);
    }
    if (!fits(b, old, p->block)) {
        return ELO_E_QUOTA;
    }
    if (!map_put(&b->retained, broker__message_topic(p->block), p->block)) {
        return ELO_E_NO_MEMORY;
    }
    if (!broker__journal_retained(&b->journal, p->block)) {
        return take_back(b, old, p->topic);
    }
    b->retained_bytes += broker__message_bytes(broker__message_keep(p->block));
    b->retained_bytes -= old != NULL ? broker__message_bytes(old) : 0;
    broker__message_release(old);
    p->block->retained_ms = b->now.wall_ms;
    expect_end(b, p->block);
    return ELO_OK;
}

static void describe(const struct message *m, struct broker_retained *out)
{
    *out = (struct broker_retained){.topic = broker__message_topic(m),
                                    .payload = broker__message_payload(m),
                                    .properties = broker__message_props(m),
                                    .qos = m->qos,
                                    .modified_ms = m->retained_ms};
}

bool broker_retained(const struct broker *b, elo_span topic, struct broker_retained *out)
{
    const struct message *m = broker__retained(b, topic);
    if (m != NULL) {
        describe(m, out);
    }
    return m != NULL;
}

static int compare(elo_span a, elo_span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* One pass over all, keeping the smallest: the map has no order, and nobody asks often. */
size_t broker_list_retained(const struct broker *b,
                            elo_span after,
                            struct broker_retained *out,
                            size_t max)
{
    size_t count = 0;
    const struct message *m;
    for (size_t at = 0; (m = map_next(&b->retained, &at)) != NULL;) {
        elo_span topic = broker__message_topic(m);
        bool beyond = count == max && compare(topic, out[max - 1].topic) >= 0;
        if (beyond || broker__message_expired(m, b->now.mono_ms) ||
            (after.len > 0 && compare(topic, after) <= 0)) {
            continue;
        }
        size_t place = count < max ? count++ : max - 1;
        for (; place > 0 && compare(topic, out[place - 1].topic) < 0; place--) {
            out[place] = out[place - 1];
        }
        describe(m, &out[place]);
    }
    return count;
}

void broker__retained_expire(struct broker *b)
{
    struct message *m;
    if (b->retained_soonest_ms > b->now.mono_ms) {
        return; /* a store that stays full is not looked through for each message */
    }
    b->retained_soonest_ms = MESSAGE_FOREVER;
    for (size_t i = 0; (m = map_next(&b->retained, &i)) != NULL;) {
        if (broker__message_expired(m, b->now.mono_ms) && forget(b, broker__message_topic(m))) {
            b->stats.expired++;
        } else {
            expect_end(b, m);
        }
    }
}

struct message *broker__retained(const struct broker *b, elo_span topic)
{
    struct message *m = map_get(&b->retained, topic);
    return m != NULL && !broker__message_expired(m, b->now.mono_ms) ? m : NULL;
}

void broker__send_retained(struct session *s, elo_span filter, uint8_t qos)
{
    if (map_len(&s->broker->retained) == 0 || elo_topic_filter_is_wild(filter)) {
        return;
    }
    struct message *m = broker__retained(s->broker, filter);
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
