// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an event is a bit plus what the engine kept for it; next_event() turns the first
 * bit set into words. DISCONNECTED comes last, after what was heard on that connection.
 */
#include "elo/client/internal.h"
#include "elo/client/mqtt5_hooks.h"

void elo__event_release(struct elo__client *e)
{
    uint8_t unread = ELO__EV_MESSAGE | ELO__EV_OVERSIZE;
    if (e->rx_ack != 0 && e->rx_total == 0 && (e->events & unread) == 0) {
        e->rx_released = true;
        elo__output_fill(e);
    }
}

static bool take_bit(struct elo__client *e, unsigned bit)
{
    bool was = (e->events & bit) != 0;
    e->events &= (uint8_t)~bit;
    return was;
}

static void tell_message(const struct elo__client *e, struct elo_client_event *out)
{
    out->type = ELO_CLIENT_MESSAGE;
    out->u.message.topic = e->message.topic;
    out->u.message.payload = e->message.payload;
    out->u.message.qos = e->message.qos;
    out->u.message.retain = e->message.retain;
    out->u.message.dup = e->message.dup;
}

static void tell_oversize(const struct elo__client *e, struct elo_client_event *out)
{
    out->type = ELO_CLIENT_OVERSIZE;
    out->u.oversize.topic = e->message.topic;
    out->u.oversize.size = e->oversize;
    out->u.oversize.qos = e->message.qos;
    out->u.oversize.retain = e->message.retain;
}

static void tell_dropped(struct elo__client *e, struct elo_client_event *out)
{
    bool oldest = e->config.policy == ELO_CLIENT_DROP_OLDEST;
    out->type = ELO_CLIENT_DROPPED;
    out->u.dropped.reason = oldest ? ELO_E_OUTBOX_OLD : ELO_E_OUTBOX_FULL;
    out->u.dropped.count = e->drop_count;
    out->u.dropped.first_token = e->drop_first;
    out->u.dropped.last_token = e->drop_last;
    e->drop_count = 0;
}

static void tell_disconnected(const struct elo__client *e, struct elo_client_event *out)
{
    out->type = ELO_CLIENT_DISCONNECTED;
    out->u.disconnected.reason = e->reason;
    out->u.disconnected.was_connected = e->was_connected;
    out->u.disconnected.will_retry = e->run;
    out->u.disconnected.wait_ms = e->run ? e->wait_ms : 0;
}

static bool next_event(struct elo__client *e, struct elo_client_event *out)
{
    if (take_bit(e, ELO__EV_CONNECTED)) {
        out->type = ELO_CLIENT_CONNECTED;
        out->u.connected.session_present = e->session_present;
    } else if (take_bit(e, ELO__EV_MESSAGE)) {
        tell_message(e, out);
    } else if (take_bit(e, ELO__EV_OVERSIZE)) {
        tell_oversize(e, out);
    } else if (take_bit(e, ELO__EV_PONG)) {
        out->type = ELO_CLIENT_PONG;
    } else if (take_bit(e, ELO__EV_PUBLISHED)) {
        out->type = ELO_CLIENT_PUBLISHED;
        out->u.published.token = e->token;
    } else if ((e->events & ELO__EV_SUBS) != 0 && elo__subs_event(e, out)) {
        return true;
    } else if (take_bit(e, ELO__EV_DROPPED)) {
        tell_dropped(e, out);
    } else if (take_bit(e, ELO__EV_DISCONNECTED)) {
        tell_disconnected(e, out);
    } else {
        return false;
    }
    return true;
}

bool elo_client_next_event(struct elo_client *c, struct elo_client_event *out)
{
    struct elo__client *e = &c->_internal;
    elo__event_release(e);
    memset(out, 0, sizeof *out);
    bool told = next_event(e, out);
    if (told && e->config.mqtt5 != NULL) {
        e->config.mqtt5->_internal.hooks->event(e, out);
    }
    return told;
}
