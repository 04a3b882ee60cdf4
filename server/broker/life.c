// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* How a connection ends that was neither broken nor refused: it took its leave, or its time was up.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

void broker__take_leave(struct broker_conn *c)
{
    broker__will_drop(c);
    broker__end(c, ELO_OK, NULL);
}

/* "Lifecycle events", AWS IoT Developer Guide: a close frame is the client's own disconnect. */
void broker_left(struct broker_conn *c, struct core_time now)
{
    c->broker->now = now;
    broker__take_leave(c);
    broker__settle(c->broker);
}

bool broker_awaits_rest(const struct broker_conn *c)
{
    return !c->ended && buf_span(&c->tail).len > 0;
}

void broker__life_arm(struct life *life)
{
    int64_t at = life->refresh_ms < life->ends_ms ? life->refresh_ms : life->ends_ms;
    broker__timers_set(&life->conn->broker->timers, &life->timer, at);
}

/* Most connections have no such limit, and so no second timer. */
bool broker_limit_life(struct broker_conn *c, int64_t ms, struct core_time now)
{
    struct broker *b = c->broker;
    struct life *life = mem_zero(sizeof *life);
    if (life == NULL || !broker__timers_join(&b->timers, &life->timer, TIMER_LIFE)) {
        mem_free(life);
        return false;
    }
    life->conn = c;
    life->ends_ms = now.mono_ms + ms;
    life->refresh_ms = INT64_MAX;
    c->life = life;
    broker__life_arm(life);
    return true;
}

void broker__life_rang(struct life *life)
{
    struct broker_conn *c = life->conn;
    if (c->ended) {
        return;
    }
    if (c->broker->now.mono_ms >= life->ends_ms) {
        broker__end(c, ELO_E_LIFETIME, life->by_authorizer ? "CUSTOMAUTH_TTL_EXPIRATION" : NULL);
        return;
    }
    life->refresh_ms = INT64_MAX; /* the answer sets it again */
    broker__life_arm(life);
    broker__refresh(c);
}

void broker__life_free(struct broker_conn *c)
{
    if (c->life != NULL) {
        broker__timers_leave(&c->broker->timers, &c->life->timer);
        mem_free(c->life);
        c->life = NULL;
    }
}
