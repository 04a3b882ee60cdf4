// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The doors of the broker: its life, its connections', output, time. What comes in is input.c's.
 * Every public function that can end connections settles them on its way out (internal.h).
 */
#include "server/broker/broker.h"

#include "elo/base/assert.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"

/* --- life cycle ---------------------------------------------------------------------------------
 */

struct broker *broker_create(const struct broker_config *config, struct authorizer *auth)
{
    struct broker *b = mem_zero(sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    if (!broker__timers_join(&b->timers, &b->retained_timer, TIMER_RETAINED) ||
        !broker__timers_join(&b->timers, &b->receipt_timer, TIMER_RECEIPT) ||
        !broker__tree_init(&b->tree)) {
        broker__timers_free(&b->timers);
        mem_free(b);
        return NULL;
    }
    b->journal = (struct journal){.store = config->store,
                                  .now = &b->now,
                                  .epoch = 1,
                                  .next_session = 1,
                                  .next_message = 1,
                                  .next_queued = 1};
    if (!broker__timers_join(&b->timers, &b->journal.retry, TIMER_JOURNAL)) {
        broker__tree_free(&b->tree);
        broker__timers_free(&b->timers);
        mem_free(b);
        return NULL;
    }
    b->compat = config->compat;
    if (config->limits != NULL) {
        b->limits = *config->limits;
    } else {
        limits_unthrottled(&b->limits);
    }
    b->journal.bytes_max = (size_t)b->limits.stored_mb * 1024 * 1024;
    broker__rates_init(b);
    b->log = config->log;
    b->random = config->random;
    b->auth = auth;
    b->random.fill(b->random.ctx, &b->dice, sizeof b->dice);
    b->salt[0] = b->dice;
    b->salt[1] = ~b->dice * 0x9e3779b97f4a7c15u;
    b->dice |= 1; /* xorshift stays at 0 for ever */
    b->router.copy_each = config->compat.overlapping_subscriptions != 0;
    map_init(&b->sessions);
    map_init(&b->retained);
    b->retained_soonest_ms = MESSAGE_FOREVER;
    broker__known_init(&b->known);
    TAILQ_INIT(&b->receipts);
    TAILQ_INIT(&b->receipts_done);
    TAILQ_INIT(&b->contacts);
    b->output_most = LIMIT_OUTPUT_ALL_BYTES;
    TAILQ_INIT(&b->conns);
    TAILQ_INIT(&b->ready);
    TAILQ_INIT(&b->ending);
    TAILQ_INIT(&b->holding);
    return b;
}

void broker_destroy(struct broker *b)
{
    ELO_ASSERT(TAILQ_EMPTY(&b->conns));
    struct session *s;
    broker__journal_free(&b->journal); /* what ends from here on has not ended: it is stored */
    for (size_t i = 0; (s = map_next(&b->sessions, &i)) != NULL;) {
        broker__session_destroy(s);
    }
    map_free(&b->sessions);
    broker__known_free(&b->known);
    broker__receipts_free(b);
    broker__contacts_free(b);
    broker__retained_free(b);
    broker__tree_free(&b->tree);
    broker__router_free(&b->router);
    broker__timers_free(&b->timers);
    broker__output_pool_free(&b->pool);
    mem_free(b->props_room);
    mem_free(b);
}

struct broker_conn *
broker_open(struct broker *b, const struct auth_peer *peer, elo_err refused, struct core_time now)
{
    b->now = now;
    if (b->stats.connections >= b->limits.connections) {
        return NULL;
    }
    struct broker_conn *c = mem_zero(sizeof *c);
    struct auth_session *auth = c == NULL ? NULL : auth_session_create(b->auth, peer);
    if (auth == NULL || !broker__timers_join(&b->timers, &c->timer, TIMER_CONNECTION)) {
        if (auth != NULL) {
            auth_session_destroy(auth);
        }
        mem_free(c);
        return NULL;
    }
    c->broker = b;
    c->auth = auth;
    c->serial = b->opened++;
    c->refused = refused;
    c->source_port = peer->source_port;
    c->websocket = peer->websocket;
    c->last_packet_ms = now.mono_ms;
    c->custom = peer->custom;
    buf_init(&c->tail, LIMIT_PACKET_BYTES);
    TAILQ_INSERT_TAIL(&b->conns, c, all);
    b->stats.connections++;
    broker__await_connect(c);
    return c;
}

void broker_closed(struct broker_conn *c, elo_err why, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    broker__end(c, why == ELO_OK ? ELO_E_TCP_CLOSED : why, NULL);
    broker__settle(b);
    if (c->is_ready) {
        TAILQ_REMOVE(&b->ready, c, ready);
    }
    TAILQ_REMOVE(&b->conns, c, all);
    broker__hold_free(c);
    b->stats.connections--;
    broker__timers_leave(&b->timers, &c->timer);
    broker__life_free(c);
    mem_free(c->asked);
    broker__output_free(&c->out, &b->pool);
    buf_free(&c->tail);
    broker__aliases_free(c);
    auth_session_destroy(c->auth);
    custom_destroy(c->custom);
    mem_free(c);
}

void broker_set_user(struct broker_conn *c, void *user)
{
    c->user = user;
}

void *broker_user(const struct broker_conn *c)
{
    return c->user;
}

/* --- output -------------------------------------------------------------------------------------
 */

size_t broker_output(struct broker_conn *c, elo_span *out, size_t max)
{
    return broker__may_send_bytes(c)
               ? broker__hold_clip(c, out, broker__output_pieces(&c->out, out, max))
               : 0;
}

void broker_output_ack(struct broker_conn *c, size_t sent, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    broker__hold_sent(c, sent);
    broker__output_ack(&c->out, &b->pool, sent);
    broker__has_sent(c, sent);
    c->connack_left = (uint16_t)(sent < c->connack_left ? c->connack_left - sent : 0);
    struct session *s = c->session;
    if (s != NULL && (s->queue.count > 0 || s->inflight.unwritten > 0)) {
        broker__pump(s);
        broker__settle(b);
    }
    if (s != NULL && c->session == s && s->shares > 0) {
        broker__share_pump(s);
        broker__settle(b);
    }
}

size_t broker_output_bytes(const struct broker_conn *c)
{
    return c->out.bytes;
}

bool broker_wants_close(const struct broker_conn *c)
{
    return c->ended;
}

elo_err broker_close_reason(const struct broker_conn *c)
{
    return c->reason;
}

struct broker_conn *broker_next_ready(struct broker *b)
{
    struct broker_conn *c = TAILQ_FIRST(&b->ready);
    if (c != NULL) {
        TAILQ_REMOVE(&b->ready, c, ready);
        c->is_ready = false;
    }
    return c;
}

/* --- time ---------------------------------------------------------------------------------------
 */

#define OWNER(timer_ptr, type) ((type *)(void *)((char *)(timer_ptr)-offsetof(type, timer)))

static void session_rang(struct session *s)
{
    if (s->conn == NULL) {
        broker__session_due(s);
    } else {
        broker__pump_due(s);
    }
}

static void rang(struct broker *b, struct timer *timer)
{
    switch ((enum timer_kind)timer->kind) {
    case TIMER_CONNECTION:
        broker__silence(OWNER(timer, struct broker_conn));
        break;
    case TIMER_SESSION:
        session_rang(OWNER(timer, struct session));
        break;
    case TIMER_SHARE:
        broker__share_due(timer);
        break;
    case TIMER_LIFE:
        broker__life_rang(OWNER(timer, struct life));
        break;
    case TIMER_RECEIPT:
        broker__receipts_due(b);
        break;
    case TIMER_RETAINED:
        broker__retained_expire(b);
        break;
    case TIMER_JOURNAL:
        broker__journal_retry(b);
        break;
    }
}

int64_t broker_deadline(const struct broker *b)
{
    return broker__timers_next(&b->timers);
}

void broker_tick(struct broker *b, struct core_time now)
{
    b->now = now;
    struct timer *timer;
    while ((timer = broker__timers_pop(&b->timers, now.mono_ms)) != NULL) {
        rang(b, timer);
        broker__settle(b);
    }
}

/* --- the owner's other doors --------------------------------------------------------------------
 */

static void count_outcome(struct broker_stats *stats, elo_err err)
{
    stats->publish_in_throttled += err == ELO_E_QUOTA;
    stats->publish_in_http_throttled += err == ELO_E_QUOTA;
    stats->publish_in_http_failed += err != ELO_OK && err != ELO_E_QUOTA;
}

elo_err broker_publish5(struct broker *b,
                        elo_span topic,
                        elo_span payload,
                        elo_span properties,
                        uint32_t expiry_s,
                        uint8_t qos,
                        bool retain,
                        struct core_time now)
{
    if (topic.len == 0 || topic.len > LIMIT_TOPIC_BYTES) {
        return ELO_E_TOPIC;
    }
    b->now = now;
    b->stats.publish_in++;
    b->stats.publish_in_http++;
    b->stats.publish_bytes_in += payload.len;
    struct publication p = {.topic = topic,
                            .hash = map_hash(topic),
                            .payload = payload,
                            .props = properties,
                            .expires_ms = expiry_s > 0 ? now.mono_ms + (int64_t)expiry_s * 1000
                                                       : MESSAGE_FOREVER,
                            .qos = qos > 0,
                            .retain = retain};
    broker__journal_watch(&b->journal);
    elo_err err = broker__publish(b, &p);
    err = err == ELO_OK && b->journal.lost ? ELO_E_NO_MEMORY : err;
    count_outcome(&b->stats, err);
    b->journal.changed = broker__publish_awaited(b, &p);
    broker__settle(b);
    return err;
}

elo_err broker_publish(struct broker *b,
                       elo_span topic,
                       elo_span payload,
                       uint8_t qos,
                       bool retain,
                       struct core_time now)
{
    return broker_publish5(b, topic, payload, elo_span_of(NULL, 0), 0, qos, retain, now);
}

void broker_certificate_changed(struct broker *b, elo_span certificate_id, struct core_time now)
{
    b->now = now;
    elo_err err = authorizer_certificate(b->auth, certificate_id, now.wall_ms,
                                         b->compat.expired_certificate != 0);
    struct broker_conn *c;
    TAILQ_FOREACH(c, &b->conns, all)
    {
        if (!elo_span_eq(auth_session_certificate_id(c->auth), certificate_id)) {
            continue;
        }
        if (c->session == NULL) {
            c->refused = err; /* CONNECT will be told */
        } else if (err != ELO_OK) {
            broker__end(c, err, NULL);
        }
    }
    broker__settle(b);
}

void broker_shutdown(struct broker *b, struct core_time now)
{
    b->now = now;
    struct broker_conn *c;
    TAILQ_FOREACH(c, &b->conns, all)
    {
        broker__farewell(c, ELO_MQTT_RC_SHUTTING_DOWN, "the server stops");
        broker__end(c, ELO_OK, "SERVER_INITIATED_DISCONNECT");
    }
    broker__settle(b);
}

struct authorizer *broker_authorizer(const struct broker *b)
{
    return b->auth;
}

void broker_stats(const struct broker *b, struct broker_stats *out)
{
    *out = b->stats;
    out->sessions = map_len(&b->sessions);
    out->retained = map_len(&b->retained);
    const struct session *s;
    for (size_t i = 0; (s = map_next(&b->sessions, &i)) != NULL;) {
        out->queued += s->queue.count;
        out->sessions_persistent += broker__persistent(s);
    }
}
