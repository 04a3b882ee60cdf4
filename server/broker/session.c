// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/mem.h"
#include "server/broker/internal.h"

struct session *
broker__session_create(struct broker *b, elo_span client_id, uint8_t version, uint32_t expiry_s)
{
    struct session *s = mem_zero(sizeof *s + client_id.len);
    if (s == NULL) {
        return NULL;
    }
    s->broker = b;
    s->version = version;
    s->expiry_s = expiry_s;
    s->client_id_len = client_id.len;
    memcpy(s->client_id, client_id.ptr, client_id.len);
    s->queue.most = b->limits.queued_messages;
    broker__inflight_init(&s->inflight);
    if (!broker__timers_join(&b->timers, &s->timer, TIMER_SESSION)) {
        mem_free(s);
        return NULL;
    }
    if (!map_put(&b->sessions, broker__client_id(s), s)) {
        broker__timers_leave(&b->timers, &s->timer);
        mem_free(s);
        return NULL;
    }
    return s;
}

void broker__session_destroy(struct session *s)
{
    struct broker *b = s->broker;
    broker__journal_session_gone(s);
    broker__drop_subscriptions(s);
    broker__inflight_free(&s->inflight);
    broker__queue_free(&s->queue);
    broker__will_free(s->will);
    broker__timers_leave(&b->timers, &s->timer);
    (void)map_remove(&b->sessions, broker__client_id(s));
    mem_free(s);
}

void broker__session_attach(struct session *s, struct broker_conn *c)
{
    s->conn = c;
    c->session = s;
    broker__timers_cancel(&s->broker->timers, &s->timer);
    broker__will_free(s->will); /* it is back in time [MQTT5-3.1.3-9] */
    s->will = NULL;
    broker__pump_resume(s);
    if (s->sub_count > 0) {
        s->broker->tree.generation++; /* whom its routes had asked is gone: route.h */
    }
}

struct session *broker__session_detach(struct session *s)
{
    struct broker *b = s->broker;
    s->conn = NULL;
    s->pacing = false;
    broker__share_give_back(s);
    if (!broker__persistent(s)) {
        broker__session_destroy(s);
        return NULL;
    }
    (void)broker__journal_session(s, false);
    s->gone_ms = b->now.mono_ms + (int64_t)s->expiry_s * 1000;
    broker__timers_set(&b->timers, &s->timer, s->gone_ms);
    return s;
}

void broker__session_end(struct session *s)
{
    if (s->will != NULL) {
        broker__will_publish(s);
    }
    broker__session_destroy(s);
}

void broker__session_due(struct session *s)
{
    struct broker *b = s->broker;
    if (s->will != NULL && s->will->due_ms <= b->now.mono_ms) {
        broker__will_publish(s);
    }
    if (s->gone_ms <= b->now.mono_ms) {
        broker__session_end(s); /* stored for as long as AWS does */
    } else {
        broker__timers_set(&b->timers, &s->timer, s->gone_ms);
    }
}
