// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the pump runs when something gives way: a PUBACK, sent bytes, a resumption, the
 * timer. What must be sent again goes before what has never been sent [MQTT-4.4.0-1]
 * [MQTT-4.6.0-1], with DUP=0 as AWS does ("MQTT", AWS IoT Developer Guide).
 *
 * What has run out of time, or been sent for an hour, is not sent again; but while the connection
 * lasts it keeps its place in the window until the client acknowledges it: the client still counts
 * it [MQTT5-3.3.4-9].
 *
 * Pacing: what a session has stored when its client comes back leaves at so many messages a second,
 * "together with live traffic" ("MQTT persistent sessions"): what comes meanwhile does not wait
 * behind it. Without a pace everything keeps its order.
 *
 *      resumed: pacing, budget --spend--> 0 --a second later, by the timer--> budget ... all sent
 */
#include "server/broker/internal.h"

/* AWS sends again for up to one hour. */
#define TRIES_MAX (3600000 / LIMIT_REDELIVERY_MS)

#define PACE_MS 1000

/* Brings the session's timer forward. */
static void ring_by(struct session *s, int64_t due_ms)
{
    if (s->timer.place == 0 || due_ms < s->timer.due_ms) {
        broker__timers_set(&s->broker->timers, &s->timer, due_ms);
    }
}

bool broker__window_open(const struct session *s)
{
    bool in_order = s->queue.count == 0 && s->inflight.unwritten == 0;
    return (in_order || s->pacing) && s->inflight.count < s->conn->window;
}

/* Writes a slot; there is room. false: the connection has ended. */
static bool write_slot(struct session *s, struct inflight_slot *slot)
{
    struct broker *b = s->broker;
    (void)broker__sends_publish(s->conn); /* may_write() and deliver.c have asked */
    if (!broker__send_qos1(s->conn, slot->m, slot->id, slot->retain)) {
        return false;
    }
    broker__inflight_written(&s->inflight, slot, b->now.mono_ms);
    if (s->timer.place == 0) {
        broker__timers_set(&b->timers, &s->timer, b->now.mono_ms + LIMIT_REDELIVERY_MS);
    }
    return true;
}

/* A slot for a message that has never been sent; NULL: out of memory, the connection has ended. */
static struct inflight_slot *admit(struct session *s, struct message *m, bool retain, int64_t row)
{
    struct inflight_slot *slot = broker__inflight_add(&s->inflight, m, retain, row);
    if (slot == NULL) {
        s->broker->journal.lost = true; /* whoever sent it now is not told that it is safe */
        broker__end(s->conn, ELO_E_NO_MEMORY, NULL);
    }
    return slot;
}

bool broker__launch(
    struct session *s, struct message *m, bool retain, struct share_group *group, int64_t row)
{
    struct inflight_slot *slot = admit(s, m, retain, row);
    if (slot == NULL) {
        return false;
    }
    slot->group = group;
    (void)write_slot(s, slot);
    return true;
}

/* Is it still worth sending, and may it be sent to this client? */
static bool deliverable(struct session *s, struct message *m)
{
    if (broker__message_expired(m, s->broker->now.mono_ms)) {
        s->broker->stats.expired++;
        return false;
    }
    const struct publication p = broker__publication_of(m);
    if (!broker__takes(s->conn, &p, 1)) { /* [MQTT-3.1.2-25] */
        s->broker->stats.dropped++;
        return false;
    }
    return broker__may_receive(s->conn, p.topic, p.hash);
}

static bool may_write(const struct session *s, const struct message *m)
{
    bool in_pace = !s->pacing || s->pace_left > 0;
    if (!broker__could_send(s->conn)) {
        broker__await_sending(s->conn);
        return false;
    }
    unsigned written = (unsigned)s->inflight.count - s->inflight.unwritten;
    return in_pace && written < s->conn->window &&
           broker__has_room(s->conn, HEAD_BYTES_MAX + broker__message_bytes(m));
}

static void spend(struct session *s)
{
    s->pace_left -= s->pacing;
}

/* It is not sent again. If it was in this connection, the client may still acknowledge it. */
static void leave_be(struct session *s, struct inflight_slot *slot)
{
    slot->tries = TRIES_MAX + 1;
    if (slot->sent) {
        broker__inflight_written(&s->inflight, slot, s->broker->now.mono_ms);
    } else {
        broker__inflight_remove(&s->inflight, slot);
    }
}

/* Writes again what waits in flight. false: no more may be written, or the connection has ended. */
static bool pump_inflight(struct session *s)
{
    struct inflight_slot *next;
    struct inflight_slot *slot = broker__inflight_next(&s->inflight, NULL);
    for (; slot != NULL && s->inflight.unwritten > 0; slot = next) {
        next = broker__inflight_next(&s->inflight, slot);
        if (slot->written) {
            continue;
        }
        if (!may_write(s, slot->m)) {
            return false;
        }
        if (slot->tries > TRIES_MAX || !deliverable(s, slot->m)) {
            leave_be(s, slot);
        } else if (!write_slot(s, slot)) {
            return false;
        } else {
            spend(s);
        }
    }
    return true;
}

/* Moves the head of the queue into flight and writes it. false: the connection has ended. */
static bool send_queued(struct session *s, struct queued *q)
{
    struct inflight_slot *slot = admit(s, q->m, q->retain, q->row);
    if (slot == NULL) {
        return false;
    }
    q->row = 0; /* it is the slot's now */
    broker__queue_pop(&s->queue);
    spend(s);
    return write_slot(s, slot);
}

static void pump_queue(struct session *s)
{
    struct queued *q;
    while (s->inflight.count < s->conn->window && (q = broker__queue_peek(&s->queue)) != NULL) {
        if (!may_write(s, q->m)) {
            return;
        }
        if (!deliverable(s, q->m)) {
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
    if (s->queue.count == 0 && s->inflight.unwritten == 0) {
        s->pacing = false;
    }
}

void broker__pump_resume(struct session *s)
{
    struct broker *b = s->broker;
    broker__inflight_rewind_all(&s->inflight);
    s->pacing = b->limits.stored_out > 0 && (s->queue.count > 0 || s->inflight.count > 0);
    if (s->pacing) {
        s->pace_left = b->limits.stored_out;
        s->pace_ms = b->now.mono_ms + PACE_MS;
        ring_by(s, s->pace_ms);
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
    if (!TAILQ_EMPTY(&s->broker->receipts)) {
        broker__receipt_puback(c, packet_id);
    }
    if (s->queue.count > 0 || s->inflight.unwritten > 0) {
        broker__pump(s);
    }
    if (s->shares > 0) {
        broker__share_pump(s);
    }
}

/* --- by the timer -------------------------------------------------------------------------------
 */

/* Rewinds the slot if it is due. Given up after an hour. */
static void retry(struct session *s, struct inflight_slot *slot)
{
    if (!slot->written || s->broker->now.mono_ms - slot->sent_ms < LIMIT_REDELIVERY_MS) {
        return;
    }
    if (slot->tries > TRIES_MAX) {
        slot->sent_ms = s->broker->now.mono_ms;
        return;
    }
    s->broker->stats.dropped += slot->tries == TRIES_MAX;
    slot->tries++;
    broker__inflight_rewind(&s->inflight, slot);
}

static void retry_all(struct session *s)
{
    struct inflight_slot *next;
    struct inflight_slot *slot = broker__inflight_next(&s->inflight, NULL);
    for (; slot != NULL; slot = next) {
        next = broker__inflight_next(&s->inflight, slot);
        retry(s, slot);
    }
}

/* When the oldest written slot is due; if it is overdue, the output is busy: the next look. */
static int64_t redelivery_due(const struct session *s)
{
    int64_t now = s->broker->now.mono_ms;
    int64_t oldest = now;
    const struct inflight_slot *slot = NULL;
    while ((slot = broker__inflight_next(&s->inflight, slot)) != NULL) {
        oldest = slot->written && slot->sent_ms < oldest ? slot->sent_ms : oldest;
    }
    return (now - oldest < LIMIT_REDELIVERY_MS ? oldest : now) + LIMIT_REDELIVERY_MS;
}

static void refill(struct session *s)
{
    struct broker *b = s->broker;
    if (s->pacing && b->now.mono_ms >= s->pace_ms) {
        s->pace_left = b->limits.stored_out;
        s->pace_ms = b->now.mono_ms + PACE_MS;
    }
}

void broker__pump_due(struct session *s)
{
    struct broker_conn *c = broker__online(s);
    if (c == NULL) {
        return;
    }
    refill(s);
    if (c->out.bytes ==
        0) { /* else perhaps it has not even left: sending it twice would not help */
        retry_all(s);
    }
    broker__pump(s);
    if (broker__online(s) == NULL) {
        return;
    }
    if (s->inflight.count > 0) {
        ring_by(s, redelivery_due(s));
    }
    if (s->pacing) {
        ring_by(s, s->pace_ms);
    }
}
