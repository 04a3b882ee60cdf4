// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one state, and the wish follows from it.
 *
 *     STOPPED --start--> OPENING ---open---> CONNECTING --CONNACK 0--> ONLINE --stop--> STOPPING
 *                        ^     |                  |                       |                |
 *       the wait is over |     | did not open     | refused, late         | failed         | said
 *                        |     v                  v                       v                v bye
 *                        WAITING <----closed---- CLOSING <----------------+----------------+
 *
 * After a stop, what leads to WAITING leads to STOPPED.
 *
 * The peer may close at any time: from any state with a transport to WAITING. A failure found by
 * the engine itself goes through CLOSING, where it neither reads nor writes but waits for the
 * owner to say that the transport is gone; the first reason stays.
 *
 * Time enters with each call. Whatever is due is worked out anew from the moments kept, never
 * armed, so no timer can be forgotten or left over.
 */
#include "elo/client/client.h"

#include "elo/base/assert.h"
#include "elo/base/backoff.h"
#include "elo/client/internal.h"
#include "elo/client/limits.h"
#include "elo/client/mqtt5_hooks.h"

void elo_client_defaults(struct elo_client_config *config)
{
    memset(config, 0, sizeof *config);
    config->aws_limits = true;
    config->keep_alive_s = 60;
    config->window = 8;
    config->policy = ELO_CLIENT_REFUSE;
    config->connack_timeout_ms = 10000;
    config->ping_timeout_ms = 10000;
    config->retry_ms = 10000;
    config->ack_timeout_ms = 35000;
    config->backoff_base_ms = 1000;
    config->backoff_cap_ms = 60000;
    config->backoff_floor_ms = 1000;
    config->stable_ms = 90000;
}

elo_err elo_client_init(struct elo_client *c, const struct elo_client_config *config)
{
    struct elo__client *e = &c->_internal;
    ELO_ASSERT(config->rx != NULL && config->tx != NULL && config->random != NULL);
    ELO_ASSERT(config->window > 0 && config->window <= ELO_CLIENT_MAX_WINDOW);
    ELO_ASSERT(config->outbox != NULL || config->outbox_size == 0);
    ELO_ASSERT(config->subs != NULL || config->subs_count == 0);
    memset(e, 0, sizeof *e);
    e->config = *config;
    e->keep_alive_s = config->keep_alive_s;
    elo__outbox_init(&e->outbox, config->outbox, config->outbox_size);
    e->outbox.window = config->window;
    e->outbox.retry_ms = config->retry_ms;
    e->outbox.ack_timeout_ms = config->ack_timeout_ms;
    for (size_t i = 0; i < config->subs_count; i++) {
        memset(&config->subs[i], 0, sizeof config->subs[i]);
    }
    elo_err err = elo__check_config(config);
    size_t len;
    if (config->mqtt5 != NULL) {
        ELO_ASSERT(config->mqtt5->_internal.hooks != NULL); /* elo_client_mqtt5_defaults() */
        config->mqtt5->_internal.hooks->init(e);
    }
    return err == ELO_OK ? elo__output_connect(config, &len) : err;
}

static void enter(struct elo__client *e, elo_client_state state)
{
    e->state = (uint8_t)state;
    e->since_ms = e->now_ms;
}

static bool in_state(const struct elo__client *e, elo_client_state state)
{
    return e->state == (uint8_t)state;
}

bool elo__client_linked(const struct elo__client *e)
{
    return in_state(e, ELO_CLIENT_ONLINE) || in_state(e, ELO_CLIENT_STOPPING);
}

void elo__client_fail(struct elo__client *e, elo_err reason)
{
    if (in_state(e, ELO_CLIENT_CONNECTING) || elo__client_linked(e)) {
        e->reason = reason;
        enter(e, ELO_CLIENT_CLOSING);
    }
}

void elo__client_connected(struct elo__client *e, bool session_present)
{
    enter(e, ELO_CLIENT_ONLINE);
    e->connected = true;
    e->stable = false;
    e->session_present = session_present;
    e->events |= ELO__EV_CONNECTED;
    elo__outbox_resume(&e->outbox, session_present);
    elo__subs_resume(e, session_present);
    e->session_doubt = false;
}

void elo_client_start(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    e->run = true;
    if (in_state(e, ELO_CLIENT_STOPPED)) {
        e->attempts = 0;
        e->early_closes = 0;
        enter(e, ELO_CLIENT_OPENING);
    }
}

void elo_client_stop(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    e->run = false;
    if (in_state(e, ELO_CLIENT_WAITING) || in_state(e, ELO_CLIENT_OPENING)) {
        enter(e, ELO_CLIENT_STOPPED);
    } else if (in_state(e, ELO_CLIENT_CONNECTING)) {
        elo__client_fail(e, ELO_OK); /* not even a DISCONNECT may precede the CONNACK */
    } else if (in_state(e, ELO_CLIENT_ONLINE)) {
        enter(e, ELO_CLIENT_STOPPING);
    }
}

void elo_client_retry_now(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (in_state(e, ELO_CLIENT_WAITING)) {
        enter(e, ELO_CLIENT_OPENING);
    }
}

elo_client_state elo_client_get_state(const struct elo_client *c)
{
    return (elo_client_state)c->_internal.state;
}

elo_client_wish elo_client_wants(const struct elo_client *c)
{
    const struct elo__client *e = &c->_internal;
    bool open = in_state(e, ELO_CLIENT_OPENING) || in_state(e, ELO_CLIENT_CONNECTING) ||
                elo__client_linked(e);
    return open ? ELO_CLIENT_WANTS_OPEN : ELO_CLIENT_WANTS_CLOSED;
}

void elo_client_transport_open(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (!in_state(e, ELO_CLIENT_OPENING)) {
        return; /* stopped meanwhile: the wish says so */
    }
    enter(e, ELO_CLIENT_CONNECTING);
    e->heard_ms = now_ms;
    e->spoke_ms = now_ms;
    elo_err err = elo__output_connect(&e->config, &e->tx_end);
    ELO_ASSERT(err == ELO_OK); /* elo_client_init() has tried it */
    (void)err;
}

/* Everything that belonged to one transport. */
static void forget_transport(struct elo__client *e)
{
    elo__outbox_cut(&e->outbox);
    elo__subs_cut(e);
    elo__input_reset(e);
    e->tx_at = 0;
    e->tx_end = 0;
    e->ping_wanted = false;
    e->ping_sent = false;
    e->ping_told = false;
    e->ping_asked = false;
    e->bye_written = false;
    e->connected = false;
}

static void wait_or_stop(struct elo__client *e)
{
    if (!e->run) {
        enter(e, ELO_CLIENT_STOPPED);
        return;
    }
    const struct elo_client_config *config = &e->config;
    struct elo__backoff b;
    b.base_ms = config->backoff_base_ms;
    b.cap_ms = config->backoff_cap_ms;
    b.floor_ms = config->backoff_floor_ms;
    uint32_t random = config->random(config->random_ctx);
    e->wait_ms = elo__backoff_wait_ms(&b, e->attempts, elo__reason_is_slow(e->reason), random);
    if (e->attempts < UINT8_MAX) {
        e->attempts++;
    }
    enter(e, ELO_CLIENT_WAITING);
}

void elo_client_transport_closed(struct elo_client *c, elo_err reason, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (in_state(e, ELO_CLIENT_STOPPED) || in_state(e, ELO_CLIENT_WAITING)) {
        return;
    }
    bool by_peer = reason == ELO_OK || reason == ELO_E_TCP_CLOSED;
    if (in_state(e, ELO_CLIENT_ONLINE) && by_peer && !e->stable && e->early_closes < UINT8_MAX) {
        e->early_closes++;
    }
    e->reason = elo__reason_closed(e, reason);
    e->was_connected = e->connected;
    e->session_doubt |= !e->connected && !in_state(e, ELO_CLIENT_OPENING);
    e->events |= ELO__EV_DISCONNECTED;
    forget_transport(e);
    wait_or_stop(e);
}

/* A PINGREQ is due when we have been silent too long for the server [MQTT-3.1.2-23] - or it for
 * us: who publishes QoS 0 all the time would else never notice that nobody listens. An eighth of
 * the keep-alive is left for late ticks. */
static uint32_t ping_left(const struct elo__client *e)
{
    uint32_t keep_alive_ms = e->keep_alive_s * (uint32_t)1000;
    if (!e->ping_sent) {
        if (keep_alive_ms == 0) {
            return ELO__NEVER;
        }
        keep_alive_ms -= keep_alive_ms / 8;
        return elo__sooner(elo__ms_left(e->now_ms, e->spoke_ms, keep_alive_ms),
                           elo__ms_left(e->now_ms, e->heard_ms, keep_alive_ms));
    }
    /* The answer may queue behind a large packet, or behind many that the owner is slow to read: as
     * long as something comes, nobody is dead. */
    uint32_t asked = elo__ms_left(e->now_ms, e->ping_ms, e->config.ping_timeout_ms);
    uint32_t heard = elo__ms_left(e->now_ms, e->heard_ms, e->config.ping_timeout_ms);
    return heard > asked ? heard : asked;
}

static void begin_ping(struct elo__client *e)
{
    e->ping_wanted = true;
    e->ping_sent = true;
    e->ping_told = e->ping_asked;
    e->ping_asked = false;
    e->ping_ms = e->now_ms;
}

/* A PINGRESP tells which PINGREQ it answers only by its place: there is one under way at a time. */
void elo__client_pong(struct elo__client *e)
{
    if (e->ping_sent && e->ping_told) {
        e->events |= ELO__EV_PONG;
    }
    e->ping_sent = false;
    if (e->ping_asked) {
        begin_ping(e);
    }
}

elo_err elo_client_ping(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (!in_state(e, ELO_CLIENT_ONLINE)) {
        return ELO_E_NOT_CONNECTED;
    }
    e->ping_asked = true;
    if (!e->ping_sent) {
        begin_ping(e);
    }
    return ELO_OK;
}

static void ping_tick(struct elo__client *e)
{
    if (ping_left(e) != 0) {
        return;
    }
    if (e->ping_sent) {
        elo__client_fail(e, ELO_E_PING_TIMEOUT);
        return;
    }
    begin_ping(e);
}

/* How long the present state may last at most. */
static uint32_t state_left(const struct elo__client *e)
{
    uint32_t span_ms;
    if (in_state(e, ELO_CLIENT_WAITING)) {
        span_ms = e->wait_ms;
    } else if (in_state(e, ELO_CLIENT_CONNECTING)) {
        span_ms = e->config.connack_timeout_ms;
    } else if (in_state(e, ELO_CLIENT_STOPPING)) {
        span_ms = e->config.ping_timeout_ms;
    } else if (in_state(e, ELO_CLIENT_ONLINE) && !e->stable) {
        span_ms = e->config.stable_ms;
    } else {
        return ELO__NEVER;
    }
    return elo__ms_left(e->now_ms, e->since_ms, span_ms);
}

void elo__client_clock(struct elo__client *e, uint32_t now_ms)
{
    e->now_ms = now_ms;
    if (in_state(e, ELO_CLIENT_ONLINE) && !e->stable && state_left(e) == 0) {
        e->stable = true;
        e->attempts = 0;
        e->early_closes = 0;
    }
}

bool elo_client_next_deadline(const struct elo_client *c, uint32_t *out_ms)
{
    const struct elo__client *e = &c->_internal;
    uint32_t left = state_left(e);
    if (in_state(e, ELO_CLIENT_ONLINE)) {
        left = elo__sooner(left, ping_left(e));
        left = elo__sooner(left, elo__subs_left(e));
        left = elo__sooner(left, elo__outbox_left(&e->outbox, e->now_ms));
    }
    *out_ms = e->now_ms + elo__sooner(left, INT32_MAX); /* so that subtraction can compare it */
    return left != ELO__NEVER;
}

static void online_tick(struct elo__client *e)
{
    ping_tick(e);
    bool late = elo__outbox_tick(&e->outbox, e->now_ms);
    if (elo__subs_tick(e) || late) {
        elo__client_fail(e, ELO_E_ACK_TIMEOUT);
    }
}

void elo_client_tick(struct elo_client *c, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (in_state(e, ELO_CLIENT_ONLINE)) {
        online_tick(e);
    } else if (state_left(e) != 0) {
        return;
    } else if (in_state(e, ELO_CLIENT_WAITING)) {
        enter(e, ELO_CLIENT_OPENING);
    } else if (in_state(e, ELO_CLIENT_CONNECTING)) {
        elo__client_fail(e, ELO_E_CONNACK_TIMEOUT);
    } else {
        elo__client_fail(e, ELO_OK); /* STOPPING: the DISCONNECT will not go out */
    }
}
