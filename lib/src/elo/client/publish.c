// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: every message goes through the outbox, connected or not, QoS 0 or 1; that alone
 * keeps the order, and makes publishing safe at any moment. Here is only what happens when the
 * outbox has no room.
 */
#include "elo/client/internal.h"
#include "elo/client/limits.h"

static void note_drop(struct elo__client *e, uint32_t token)
{
    if (e->drop_count == 0) {
        e->drop_first = token;
    }
    e->drop_last = token;
    e->drop_count++;
    e->events |= ELO__EV_DROPPED;
}

/* Drops the oldest until `need` bytes are free. Unless that can be reached nothing is dropped. */
static bool make_room(struct elo__client *e, size_t need)
{
    bool offline = !elo__client_linked(e);
    if (elo__outbox_room_dropping(&e->outbox, offline) < need) {
        return false;
    }
    uint32_t token;
    while (elo__outbox_room(&e->outbox) < need && elo__outbox_drop(&e->outbox, offline, &token)) {
        note_drop(e, token);
    }
    return true;
}

static elo_err put(struct elo__client *e, const struct elo_client_message *message)
{
    struct elo_mqtt_publish p;
    memset(&p, 0, sizeof p);
    p.topic = message->topic;
    p.payload = message->payload;
    p.qos = message->qos;
    p.retain = message->retain;
    p.properties = message->properties;
    size_t need;
    elo_err err = elo__outbox_put(&e->outbox, &p, message->token, &need);
    if (err != ELO_E_NO_SPACE) {
        return err;
    }
    if (e->config.policy == ELO_CLIENT_DROP_NEWEST) {
        note_drop(e, message->token);
        return ELO_OK;
    }
    if (e->config.policy == ELO_CLIENT_DROP_OLDEST && make_room(e, need)) {
        return elo__outbox_put(&e->outbox, &p, message->token, &need);
    }
    return ELO_E_OUTBOX_FULL;
}

elo_err elo_client_publish(struct elo_client *c, const struct elo_client_message *message)
{
    struct elo__client *e = &c->_internal;
    elo_err err = elo__check_message(message, e->config.aws_limits);
    if (err != ELO_OK) {
        return err;
    }
    if (message->qos == 0 && e->state != ELO_CLIENT_ONLINE && !e->config.queue_qos0) {
        return ELO_E_NOT_CONNECTED;
    }
    return put(e, message);
}

size_t elo_client_pending(const struct elo_client *c)
{
    return c->_internal.outbox.live;
}

size_t elo_client_room(const struct elo_client *c)
{
    return elo__outbox_room(&c->_internal.outbox);
}
