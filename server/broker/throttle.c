// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: every rate is a bucket of one second's worth (base/throttle.h). Messages over a
 * rate are refused where they are; bytes over a rate are owed, and until the debt is paid the
 * connection neither wants input nor has output. What waits for a rate asks to be attended to: the
 * connection's one timer rings then, if the keep-alive does not ring before.
 */
#include "server/broker/internal.h"

void broker__rates_init(struct broker *b)
{
    const struct limits *l = &b->limits;
    b->rates = (struct rates){
        .publishes_in = throttle_cost(l->publishes_in),
        .publishes_out = throttle_cost(l->publishes_out),
        .bytes_in = throttle_cost(l->bytes_in),
        .bytes_out = throttle_cost(l->bytes_out),
        .connects = throttle_cost(l->connects),
        .account_connects = throttle_cost(l->account_connects),
        .account_publishes_in = throttle_cost(l->account_publishes_in),
        .account_publishes_out = throttle_cost(l->account_publishes_out),
        .account_subscribes = throttle_cost(l->account_subscribes),
        .account_queued = throttle_cost(l->account_queued),
    };
}

void broker__attend(struct broker_conn *c, int64_t at_ms)
{
    if (c->timer.place == 0 || at_ms < c->timer.due_ms) {
        broker__timers_set(&c->broker->timers, &c->timer, at_ms);
    }
}

void broker__await_sending(struct broker_conn *c)
{
    const struct broker *b = c->broker;
    int64_t own = throttle_due_ms(c->publishes_out, b->rates.publishes_out);
    int64_t all = throttle_due_ms(b->account.publishes_out, b->rates.account_publishes_out);
    broker__attend(c, own > all ? own : all);
}

/* --- bytes ------------------------------------------------------------------------------------ */

void broker__has_read(struct broker_conn *c, size_t len)
{
    struct broker *b = c->broker;
    b->stats.bytes_in += len;
    throttle_owe(&c->bytes_in, b->rates.bytes_in, len, b->now.mono_ms);
    int64_t due = throttle_due_ms(c->bytes_in, 0);
    if (due > b->now.mono_ms && c->session != NULL && !c->ended) {
        b->stats.reads_delayed++;
        broker__attend(c, due);
        broker__make_ready(c); /* the owner is to ask broker_wants_input() */
    }
}

void broker__has_sent(struct broker_conn *c, size_t len)
{
    struct broker *b = c->broker;
    b->stats.bytes_out += len;
    throttle_owe(&c->bytes_out, b->rates.bytes_out, len, b->now.mono_ms);
}

bool broker_wants_input(const struct broker_conn *c)
{
    return c->ended || c->session == NULL ||
           throttle_due_ms(c->bytes_in, 0) <= c->broker->now.mono_ms;
}

bool broker__may_send_bytes(struct broker_conn *c)
{
    struct broker *b = c->broker;
    int64_t due = throttle_due_ms(c->bytes_out, 0);
    if (due <= b->now.mono_ms || c->ended) {
        return true;
    }
    b->stats.writes_delayed++;
    broker__attend(c, due);
    return false;
}

void broker__attended(struct broker_conn *c)
{
    int64_t due = throttle_due_ms(c->bytes_in, 0);
    if (due > c->broker->now.mono_ms) {
        broker__attend(c, due);
    }
    broker__make_ready(c);
    broker__pump(c->session);
}
