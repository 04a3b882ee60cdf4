// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the API asks and orders about connections ("Managing MQTT connections", AWS IoT Developer
 * Guide). A client is known while it has a session, and for KNOWN_ASKED_MS after it has gone.
 *
 * A direct message needs no subscription. With confirmation it goes at QoS 1 and leaves a receipt
 * open: by the connection's serial number and the packet identifier, so that nothing dangles when
 * either is gone. A PUBACK closes it, or its time runs out.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define KNOWN_ASKED_MS 1800000 /* AWS keeps what was of a client that has gone for 30 minutes */
#define RECEIPTS_MAX   1000u

struct receipt {
    TAILQ_ENTRY(receipt) next;
    uint64_t ticket;
    uint64_t serial; /* of the connection */
    int64_t due_ms;
    uint16_t packet_id;
    bool confirmed;
};

static struct broker_conn *online(struct broker *b, elo_span client_id)
{
    struct session *s = map_get(&b->sessions, client_id);
    return s != NULL ? broker__online(s) : NULL;
}

/* --- asking -------------------------------------------------------------------------------------
 */

static bool is_recent(const struct broker *b, const struct known *k)
{
    return k != NULL && k->word != NULL && b->now.mono_ms - k->ended_mono_ms < KNOWN_ASKED_MS;
}

bool broker_connection(struct broker *b,
                       elo_span client_id,
                       struct core_time now,
                       struct broker_connection *out)
{
    b->now = now;
    const struct session *s = map_get(&b->sessions, client_id);
    const struct broker_conn *c = s != NULL ? broker__online(s) : NULL;
    const struct known *k = broker__known_get(&b->known, client_id);
    *out = (struct broker_connection){.connected = c != NULL};
    if (s == NULL && !is_recent(b, k)) {
        return false;
    }
    if (s != NULL) {
        out->clean = !broker__persistent(s);
        out->expiry_s = s->expiry_s;
    }
    if (c != NULL) {
        out->thing = auth_session_exclusive_thing(c->auth);
        out->source_ip = auth_session_source_ip(c->auth);
        out->source_port = c->source_port;
    }
    if (k == NULL) {
        return true; /* stored before this start */
    }
    out->keep_alive_s = k->keep_alive_s;
    out->connected_ms = k->connected_wall_ms;
    if (s == NULL) {
        out->clean = k->clean;
        out->expiry_s = k->expiry_s;
    }
    if (c == NULL) {
        out->disconnected_ms = k->ended_wall_ms;
        out->reason = k->word;
    }
    return true;
}

bool broker_subscription_at(
    const struct broker *b, elo_span client_id, size_t i, elo_span *out_filter, uint8_t *out_qos)
{
    const struct session *s = map_get(&b->sessions, client_id);
    if (s == NULL || i >= s->sub_count) {
        return false;
    }
    *out_filter = broker__subscription_filter(s->subs[i]);
    *out_qos = s->subs[i]->qos;
    return true;
}

bool broker_has_session(const struct broker *b, elo_span client_id)
{
    return map_get(&b->sessions, client_id) != NULL;
}

/* --- ending -------------------------------------------------------------------------------------
 */

/* Of who is away. A will that waits for its delay is due with the end of the session. */
static void end_session(struct session *s, bool prevent_will)
{
    if (prevent_will) {
        broker__will_free(s->will);
        s->will = NULL;
    }
    broker__session_end(s);
}

static void end_connection(struct broker_conn *c, bool clean, bool prevent_will)
{
    if (prevent_will) {
        broker__will_drop(c);
    }
    if (clean) {
        c->session->expiry_s = 0;
    }
    broker__farewell(c, ELO_MQTT_RC_ADMINISTRATIVE, "the connection was deleted by the API");
    broker__end(c, ELO_OK, "API_INITIATED_DISCONNECT");
}

elo_err broker_delete_connection(
    struct broker *b, elo_span client_id, bool clean, bool prevent_will, struct core_time now)
{
    b->now = now;
    struct session *s = map_get(&b->sessions, client_id);
    if (s == NULL) {
        return ELO_E_NOT_FOUND;
    }
    struct broker_conn *c = broker__online(s);
    broker__journal_watch(&b->journal);
    if (c != NULL) {
        end_connection(c, clean, prevent_will);
    } else if (clean) {
        end_session(s, prevent_will);
    }
    broker__settle(b);
    b->journal.changed = broker__journal_awaited(&b->journal, 0);
    return ELO_OK;
}

/* --- direct messages ----------------------------------------------------------------------------
 */

static void arm(struct broker *b)
{
    const struct receipt *r;
    int64_t due = INT64_MAX;
    TAILQ_FOREACH(r, &b->receipts, next)
    {
        due = r->due_ms < due ? r->due_ms : due;
    }
    if (due == INT64_MAX) {
        broker__timers_cancel(&b->timers, &b->receipt_timer);
    } else {
        broker__timers_set(&b->timers, &b->receipt_timer, due);
    }
}

static void close_receipt(struct broker *b, struct receipt *r, bool confirmed)
{
    TAILQ_REMOVE(&b->receipts, r, next);
    r->confirmed = confirmed;
    TAILQ_INSERT_TAIL(&b->receipts_done, r, next);
    arm(b);
}

void broker__receipt_puback(struct broker_conn *c, uint16_t packet_id)
{
    struct receipt *r;
    TAILQ_FOREACH(r, &c->broker->receipts, next)
    {
        if (r->serial == c->serial && r->packet_id == packet_id) {
            close_receipt(c->broker, r, true);
            return;
        }
    }
}

void broker__receipts_due(struct broker *b)
{
    struct receipt *r, *after;
    for (r = TAILQ_FIRST(&b->receipts); r != NULL; r = after) {
        after = TAILQ_NEXT(r, next);
        if (r->due_ms <= b->now.mono_ms) {
            close_receipt(b, r, false);
        }
    }
    arm(b);
}

void broker__receipts_free(struct broker *b)
{
    struct receipt *r;
    while ((r = TAILQ_FIRST(&b->receipts)) != NULL) {
        TAILQ_REMOVE(&b->receipts, r, next);
        mem_free(r);
    }
    while ((r = TAILQ_FIRST(&b->receipts_done)) != NULL) {
        TAILQ_REMOVE(&b->receipts_done, r, next);
        mem_free(r);
    }
}

uint64_t broker_next_receipt(struct broker *b, bool *out_confirmed)
{
    struct receipt *r = TAILQ_FIRST(&b->receipts_done);
    if (r == NULL) {
        return 0;
    }
    uint64_t ticket = r->ticket;
    *out_confirmed = r->confirmed;
    TAILQ_REMOVE(&b->receipts_done, r, next);
    b->receipt_count--;
    mem_free(r);
    return ticket;
}

static struct receipt *open_receipt(struct broker_conn *c, int64_t timeout_ms)
{
    struct broker *b = c->broker;
    struct receipt *r = b->receipt_count < RECEIPTS_MAX ? mem_zero(sizeof *r) : NULL;
    if (r != NULL) {
        b->receipt_count++;
        r->ticket = ++b->tickets;
        r->serial = c->serial;
        r->due_ms = b->now.mono_ms + timeout_ms;
        TAILQ_INSERT_TAIL(&b->receipts, r, next);
    }
    return r;
}

static void drop_receipt(struct broker *b, struct receipt *r)
{
    TAILQ_REMOVE(&b->receipts, r, next);
    b->receipt_count--;
    mem_free(r);
}

/* At QoS 1, now or not at all: who waits for an answer does not want it queued. */
static elo_err confirmed(struct broker_conn *c,
                         const struct publication *p,
                         int64_t timeout_ms,
                         uint64_t *out_ticket)
{
    struct broker *b = c->broker;
    struct session *s = c->session;
    size_t bytes = HEAD_BYTES_MAX + p->topic.len + p->props.len + p->payload.len;
    if (!broker__window_open(s) || !broker__has_room(c, bytes) || !broker__could_send(c)) {
        return ELO_E_THROTTLED;
    }
    struct receipt *r = open_receipt(c, timeout_ms);
    struct message *m = r != NULL ? broker__message_new(p) : NULL;
    if (m == NULL) {
        if (r != NULL) {
            drop_receipt(b, r);
        }
        return r == NULL && b->receipt_count >= RECEIPTS_MAX ? ELO_E_THROTTLED : ELO_E_NO_MEMORY;
    }
    bool sent = broker__launch(s, m, false, NULL, 0);
    broker__message_release(m);
    if (!sent) {
        drop_receipt(b, r);
        return ELO_E_NO_MEMORY;
    }
    r->packet_id = s->inflight.slots[s->inflight.newest].id;
    *out_ticket = r->ticket;
    arm(b);
    return ELO_OK;
}

static elo_err unconfirmed(struct broker_conn *c, struct publication *p)
{
    struct broker *b = c->broker;
    if (!broker__has_room(c, HEAD_BYTES_MAX + p->topic.len + p->payload.len) ||
        !broker__sends_publish(c)) {
        b->stats.dropped++;
        return ELO_E_THROTTLED;
    }
    struct heads heads;
    heads.len3 = heads.len5 = 0;
    p->heads = &heads;
    return broker__send_qos0(c, p, false) ? ELO_OK : ELO_E_NO_MEMORY;
}

elo_err broker_send_direct(struct broker *b,
                           const struct broker_direct *direct,
                           struct core_time now,
                           uint64_t *out_ticket)
{
    b->now = now;
    *out_ticket = 0;
    struct broker_conn *c = online(b, direct->client_id);
    if (c == NULL) {
        return ELO_E_NOT_FOUND;
    }
    struct publication p = {.topic = direct->topic,
                            .hash = map_hash(direct->topic),
                            .payload = direct->payload,
                            .expires_ms = MESSAGE_FOREVER,
                            .qos = direct->confirm};
    elo_err err;
    if (!broker__may_receive(c, p.topic, p.hash)) {
        err = ELO_E_POLICY_RECEIVE;
    } else if (!broker__takes(c, &p, direct->confirm)) {
        err = ELO_E_TOO_LARGE;
    } else {
        err =
            direct->confirm ? confirmed(c, &p, direct->timeout_ms, out_ticket) : unconfirmed(c, &p);
    }
    broker__settle(b);
    return err;
}
