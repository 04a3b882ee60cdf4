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
 * The first decision is made here, the others in pump.c. iot:Receive is asked at the moment of
 * writing, so that a message that has waited is judged by the policy of now.
 */
#include "server/broker/internal.h"

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

bool broker__may_receive(struct broker_conn *c, elo_span topic, uint32_t hash)
{
    if (auth_allows_hashed(c->auth, POLICY_Receive, topic, hash)) {
        return true;
    }
    c->broker->stats.dropped++;
    report_denied(c, topic);
    return false;
}

/* The same for a receiver of a kept route, which has been asked before. */
static bool target_may_receive(struct target *t, struct broker_conn *c, const struct publication *p)
{
    t->may_receive = t->may_receive || broker__may_receive(c, p->topic, p->hash);
    return t->may_receive;
}

/* Over the rate of messages that a connection gets, and nobody keeps it. */
static void drop_throttled(struct broker_conn *c, elo_span topic)
{
    enum log_level level = c->throttled_out ? LOG_DEBUG : LOG_WARN;
    struct report r = {.event = "Publish-Out",
                       .err = ELO_E_THROTTLED,
                       .reason = "THROTTLED",
                       .topic = topic,
                       .details = "more messages in one second than a connection may get"};
    c->throttled_out = true;
    c->broker->stats.dropped++;
    c->broker->stats.publish_out_throttled++;
    broker__report(c, level, &r);
}

static void deliver_qos0(struct target *t, const struct publication *p, bool retain)
{
    struct broker_conn *c = broker__online(t->session);
    if (c == NULL || !target_may_receive(t, c, p)) {
        return; /* QoS 0 is not stored ("MQTT persistent sessions") */
    }
    size_t bytes = HEAD_BYTES_MAX + p->props.len + p->payload.len;
    if (!broker__takes(c, p, 0) || !broker__has_room(c, bytes)) {
        c->broker->stats.dropped++;
        return;
    }
    if (!broker__sends_publish(c)) {
        drop_throttled(c, p->topic);
        return;
    }
    (void)broker__send_qos0(c, p, retain);
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

/* Nothing dead keeps a living message out. */
static elo_err push(struct session *s, const struct queued *item)
{
    elo_err err = broker__queue_push(&s->queue, item);
    if (err != ELO_E_QUOTA) {
        return err;
    }
    uint32_t dead = broker__queue_expire(&s->queue, s->broker->now.mono_ms);
    s->broker->stats.expired += dead;
    return dead > 0 ? broker__queue_push(&s->queue, item) : err;
}

/* Waits for better times. The newest message is the one that goes when there is no place. */
static void enqueue(struct session *s, struct message *m, bool retain)
{
    struct broker *b = s->broker;
    if (s->conn == NULL &&
        !throttle_take(&b->account.queued, b->rates.account_queued, b->now.mono_ms)) {
        b->stats.dropped++;
        return;
    }
    const struct queued item = {
        .m = m, .until_ms = m->expires_ms, .retain = retain, .live = s->conn != NULL};
    elo_err err = push(s, &item);
    if (err == ELO_OK) {
        return;
    }
    b->stats.dropped++;
    b->journal.lost = b->journal.lost || err == ELO_E_NO_MEMORY;
    struct broker_conn *c = broker__online(s);
    if (c != NULL && !s->pacing) {
        broker__end(c, err == ELO_E_QUOTA ? ELO_E_SLOW_CONSUMER : err, NULL);
    } else if (err == ELO_E_QUOTA) {
        report_overflow(s);
        s->queue.overflowed = true;
    }
}

/* A persistent session's waits until the rate allows it. */
static void throttle_qos1(struct session *s, struct message *m, bool retain)
{
    if (broker__persistent(s)) {
        broker__await_sending(s->conn);
        enqueue(s, m, retain);
    } else {
        drop_throttled(s->conn, broker__message_topic(m));
    }
}

static void deliver_qos1(struct target *t, const struct publication *p, bool retain)
{
    struct session *s = t->session;
    struct message *m = p->block;
    struct broker_conn *c = broker__online(s);
    if (c == NULL) {
        if (broker__persistent(s)) {
            enqueue(s, m, retain);
        }
    } else if (!broker__window_open(s) ||
               !broker__has_room(c, HEAD_BYTES_MAX + broker__message_bytes(m))) {
        enqueue(s, m, retain);
    } else if (!broker__takes(c, p, 1)) {
        c->broker->stats.dropped++;
    } else if (target_may_receive(t, c, p)) {
        if (broker__could_send(c)) {
            (void)broker__launch(s, m, retain, NULL, 0);
        } else {
            throttle_qos1(s, m, retain);
        }
    }
}

static void deliver(struct target *t, const struct publication *p, uint8_t max_qos, bool retain)
{
    if (p->qos > 0 && max_qos > 0) {
        deliver_qos1(t, p, retain);
    } else {
        deliver_qos0(t, p, retain);
    }
}

void broker__deliver_to(struct target *t, const struct publication *p)
{
    uint8_t qos = t->session == p->from ? t->own_qos : t->qos;
    if (qos != QOS_NOTHING) { /* No Local [MQTT-3.8.3-3] */
        deliver(t, p, qos, p->retain && t->as_published);
    }
}

void broker__deliver(struct session *s, const struct publication *p, uint8_t max_qos, bool retain)
{
    struct target t = {.session = s};
    deliver(&t, p, max_qos, retain);
}
