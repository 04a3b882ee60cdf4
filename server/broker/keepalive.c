// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a packet only notes the time. The timer rings when the client would have been
 * silent for too long since it was armed, looks, and is armed again for what is left. It also rings
 * for what waits for a rate: see throttle.c.
 */
#include "server/broker/internal.h"

void broker__await_connect(struct broker_conn *c)
{
    struct broker *b = c->broker;
    broker__timers_set(&b->timers, &c->timer, b->now.mono_ms + LIMIT_CONNECT_WAIT_MS);
}

/* "AWS IoT Core endpoints and quotas": 30 to 1,200 s; none asked for is the longest. */
static uint32_t clamp_s(const struct limits *l, uint16_t asked_s)
{
    if (asked_s == 0 || asked_s > l->keep_alive_max_s) {
        return l->keep_alive_max_s;
    }
    return asked_s < l->keep_alive_min_s ? l->keep_alive_min_s : asked_s;
}

uint16_t broker__keep_alive(struct broker_conn *c, uint16_t asked_s)
{
    struct broker *b = c->broker;
    uint32_t s = clamp_s(&b->limits, asked_s);
    c->patience_ms = s * INT64_C(1500); /* [MQTT-3.1.2-24] */
    broker__timers_set(&b->timers, &c->timer, b->now.mono_ms + c->patience_ms);
    return (uint16_t)s;
}

static void no_connect(struct broker_conn *c)
{
    c->broker->stats.connects_refused++;
    broker__refuse(c, "Connect", ELO_E_PROTOCOL, elo_span_of(NULL, 0),
                   "no CONNECT came in 10 seconds");
}

void broker__silence(struct broker_conn *c)
{
    struct broker *b = c->broker;
    if (c->asking && c->session == NULL) {
        broker__await_connect(c); /* the answer has a limit of its own */
        return;
    }
    if (c->session == NULL) {
        no_connect(c);
        return;
    }
    int64_t due = c->last_packet_ms + c->patience_ms;
    if (due > b->now.mono_ms) {
        broker__timers_set(&b->timers, &c->timer, due);
        broker__attended(c);
    } else {
        broker__end(c, ELO_E_KEEP_ALIVE, NULL);
    }
}
