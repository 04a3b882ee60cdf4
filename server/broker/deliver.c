// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: what goes to a client at QoS 0 is written at once or dropped. At QoS 1 a message
 * takes one of three ways:
 *
 *      free window, room, nothing waiting ----------> in flight, written
 *      otherwise, or offline and persistent --------> queue --(pump)--> in flight, written
 *      resumed, or 30 s without PUBACK -------------> in flight, unwritten --(pump)--> written
 *
 * The pump runs when something gives way: a PUBACK, sent bytes, a resumption, the timer. What must
 * be sent again goes before what has never been sent [MQTT-4.4.0-1] [MQTT-4.6.0-1], with DUP=0 as
 * AWS does ("MQTT", AWS IoT Developer Guide).
 *
 * iot:Receive is asked at the moment of writing, so that a message that has waited is judged by the
 * policy of now.
 */
#include "server/broker/internal.h"

/* AWS sends again for up to one hour. */
#define TRIES_MAX (3600000 / LIMIT_REDELIVERY_MS)

static void report_denied(struct broker_conn *c, elo_span topic)
{
    enum log_level level = c->receive_denied ? LOG_DEBUG : LOG_WARN;
    c->receive_denied = true;
    if (!broker__heard(c->broker, level)) {
        return;
    }
    char why[512] = "";
    (void)auth_explain(c->auth, POLICY_Receive, topic, why, sizeof why);
    struct report r = {.event = "Publish-Out",
                       .err = ELO_E_POLICY_RECEIVE,
                       .reason = "AUTHORIZATION_FAILURE",
                       .topic = topic,
                       .details = why};
    broker__report(c, level, &r);
}

static bool may_receive(struct broker_conn *c, elo_span topic, uint32_t hash)
{
    if (auth_allows_hashed(c->auth, POLICY_Receive, topic, hash)) {
        return true;
    }
    c->broker->stats.dropped++;
    report_denied(c, topic);
    return false;
}

static bool may_receive_message(struct broker_conn *c, const struct message *m)
{
    return may_receive(c, broker__message_topic(m), m->topic_hash);
}

/* The same for a receiver of a kept route, which has been asked before. */
static bool target_may_receive(struct target *t, struct broker_conn *c, const struct publication *p)
{
    t->may_receive = t->may_receive || may_receive(c, p->topic, p->hash);
    return t->may_receive;
}

static void arm_redelivery(struct session *s)
{
    if (s->timer.place == 0) {
        struct broker *b = s->broker;
        broker__timers_set(&b->timers, &s->timer, b->now.mono_ms + LIMIT_REDELIVERY_MS);
    }
}

static void deliver_qos0(struct target *t, const struct publication *p, bool retain)
{
    struct broker_conn *c = broker__online(t->session);
    if (c == NULL || !target_may_receive(t, c, p)) {
        return; /* QoS 0 is not stored ("MQTT persistent sessions") */
    }
    if (!broker__has_room(c, p->head.len + p->payload.len)) {
        c->broker->stats.dropped++;
        return;
    }
    (void)broker__send_qos0(c, p, retain);
}

/* Writes a slot; there is room. false: the connection has ended. */
static bool write_slot(struct session *s, struct inflight_slot *slot)
{
    if (!broker__send_qos1(s->conn, slot->m, slot->id, slot->retain)) {
        return false;
    }
    broker__inflight_written(&s->inflight, slot, s->broker->now.mono_ms);
    arm_redelivery(s);
    return true;
}

/* A slot for a message that has never been sent; NULL: out of memory, the connection has ended. */
static struct inflight_slot *admit(struct session *s, struct message *m, bool retain)
{
    struct inflight_slot *slot = broker__inflight_add(&s->inflight, m, retain);
    if (slot == NULL) {
        broker__end(s->conn, ELO_E_NO_MEMORY, NULL);
    }
    return slot;
}

static void report_overflow(struct session *s)
{
    if (s->queue.overflowed || !broker__heard(s->broker, LOG_WARN)) {
        return;
    }
    struct log_record record = {
        .level = LOG_WARN,
        .event_type = "Queued",
        .err = ELO_E_QUOTA,
        .protocol = "MQTT",
        .client_id = broker__client_id(s),
        .reason = ELO_SPAN("QUEUE_LIMIT_EXCEEDED"),
        .details = ELO_SPAN("the stored messages of this session are as many as may be kept: "
                            "newer ones are dropped until it connects"),
    };
    log_emit(s->broker->log, &record);
}

/* Waits for better times. The newest message is the one that goes when there is no place. */
static void enqueue(struct session *s, struct message *m, bool retain)
{
    elo_err err = broker__queue_push(&s->queue, m, retain);
    if (err == ELO_OK) {
        return;
    }
    s->broker->stats.dropped++;
    struct broker_conn *c = broker__online(s);
    if (c != NULL) {
        broker__end(c, err == ELO_E_QUOTA ? ELO_E_SLOW_CONSUMER : err, NULL);
    } else if (err == ELO_E_QUOTA) {
        report_overflow(s);
        s->queue.overflowed = true;
    }
}

static bool window_open(const struct session *s)
{
    return s->queue.count == 0 && s->inflight.unwritten == 0 && s->inflight.count < LIMIT_INFLIGHT;
}

static void deliver_qos1(struct target *t, const struct publication *p, bool retain)
{
    struct session *s = t->session;
    struct message *m = p->block;
    struct broker_conn *c = broker__online(s);
    if (c == NULL) {
        if (s->persistent) {
            enqueue(s, m, retain);
        }
    } else if (!window_open(s) || !broker__has_room(c, broker__message_bytes(m))) {
        enqueue(s, m, retain);
    } else if (target_may_receive(t, c, p)) {
        struct inflight_slot *slot = admit(s, m, retain);
        if (slot != NULL) {
            (void)write_slot(s, slot);
        }
    }
}

static void deliver(struct target *t, const struct publication *p, bool retain)
{
    if (p->qos > 0 && t->qos > 0) {
        deliver_qos1(t, p, retain);
    } else {
        deliver_qos0(t, p, retain);
    }
}

void broker__deliver_to(struct target *t, const struct publication *p)
{
    deliver(t, p, false);
}

void broker__deliver(struct session *s, const struct publication *p, uint8_t max_qos, bool retain)
{
    struct target t = {.session = s, .qos = max_qos};
    deliver(&t, p, retain);
}

/* xorshift64: good enough to spread messages over the members of a group. */
static uint64_t roll(struct broker *b)
{
    b->dice ^= b->dice << 13;
    b->dice ^= b->dice >> 7;
    b->dice ^= b->dice << 17;
    return b->dice;
}

void broker__deliver_shared(struct share_group *group, const struct publication *p)
{
    const struct subscription *spare = NULL;
    uint32_t count = group->members.count;
    uint32_t from = (uint32_t)(roll(group->members.items[0]->session->broker) % count);
    for (uint32_t i = 0; i < count; i++) {
        const struct subscription *s = group->members.items[(from + i) % count];
        if (broker__online(s->session) != NULL) {
            broker__deliver(s->session, p, s->qos, false);
            return;
        }
        spare = spare == NULL && s->session->persistent && s->qos > 0 ? s : spare;
    }
    if (spare != NULL) { /* nobody is there: QoS 1 waits with a persistent member */
        broker__deliver(spare->session, p, spare->qos, false);
    }
}

/* Writes again what waits in flight. false: no more room, or the connection has ended. */
static bool pump_inflight(struct session *s)
{
    struct inflight_slot *next;
    struct inflight_slot *slot = broker__inflight_next(&s->inflight, NULL);
    for (; slot != NULL && s->inflight.unwritten > 0; slot = next) {
        next = broker__inflight_next(&s->inflight, slot);
        if (slot->written) {
            continue;
        }
        if (!broker__has_room(s->conn, broker__message_bytes(slot->m))) {
            return false;
        }
        if (!may_receive_message(s->conn, slot->m)) {
            broker__inflight_remove(&s->inflight, slot);
        } else if (!write_slot(s, slot)) {
            return false;
        }
    }
    return true;
}

/* Moves the head of the queue into flight and writes it. false: the connection has ended. */
static bool send_queued(struct session *s, const struct queued *q)
{
    struct inflight_slot *slot = admit(s, q->m, q->retain);
    if (slot == NULL) {
        return false;
    }
    broker__queue_pop(&s->queue);
    return write_slot(s, slot);
}

static void pump_queue(struct session *s)
{
    struct queued *q;
    while (s->inflight.count < LIMIT_INFLIGHT && (q = broker__queue_peek(&s->queue)) != NULL) {
        if (!broker__has_room(s->conn, broker__message_bytes(q->m))) {
            return;
        }
        if (!may_receive_message(s->conn, q->m)) {
            broker__queue_pop(&s->queue);
        } else if (!send_queued(s, q)) {
            return;
        }
    }
}

void broker__pump(struct session *s)
{
    if (broker__online(s) != NULL && pump_inflight(s)) {
        pump_queue(s);
    }
}

void broker__on_puback(struct broker_conn *c, uint16_t packet_id)
{
    struct session *s = c->session;
    struct inflight_slot *slot = broker__inflight_find(&s->inflight, packet_id);
    if (slot == NULL) {
        return; /* late, or never sent: nothing to take back */
    }
    broker__inflight_remove(&s->inflight, slot);
    if (s->queue.count > 0) {
        broker__pump(s);
    }
}

/* Rewinds the slot if it is due. Given up after an hour. */
static void retry(struct session *s, struct inflight_slot *slot)
{
    if (!slot->written || s->broker->now.mono_ms - slot->sent_ms < LIMIT_REDELIVERY_MS) {
        return;
    }
    if (slot->tries == TRIES_MAX) {
        s->broker->stats.dropped++;
        broker__inflight_remove(&s->inflight, slot);
        return;
    }
    slot->tries++;
    broker__inflight_rewind(&s->inflight, slot);
}

/* When the oldest written slot is due; the next look, if all wait for room. */
static int64_t next_redelivery(const struct session *s)
{
    int64_t oldest = s->broker->now.mono_ms;
    const struct inflight_slot *slot = NULL;
    while ((slot = broker__inflight_next(&s->inflight, slot)) != NULL) {
        oldest = slot->written && slot->sent_ms < oldest ? slot->sent_ms : oldest;
    }
    return oldest + LIMIT_REDELIVERY_MS;
}

void broker__redeliver(struct session *s)
{
    struct broker_conn *c = broker__online(s);
    if (c == NULL || s->inflight.count == 0) {
        return;
    }
    if (c->out.bytes > 0) { /* perhaps it has not even left: sending it twice would not help */
        arm_redelivery(s);
        return;
    }
    struct inflight_slot *next;
    struct inflight_slot *slot = broker__inflight_next(&s->inflight, NULL);
    for (; slot != NULL; slot = next) {
        next = broker__inflight_next(&s->inflight, slot);
        retry(s, slot);
    }
    broker__pump(s);
    if (broker__online(s) != NULL && s->inflight.count > 0) {
        broker__timers_set(&s->broker->timers, &s->timer, next_redelivery(s));
    }
}
