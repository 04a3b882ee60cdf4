// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: MQTT 3.1.1 has no packet for "you may not": AWS closes the connection, whatever
 * was wrong. What we had just sent, and had no answer to, is the best witness there is.
 */
#include "elo/client/internal.h"

#define SUSPECT_MS      5000u /* a SUBSCRIBE or QoS 1 PUBLISH, for lack of an answer */
#define SUSPECT_QOS0_MS 2000u /* a QoS 0 PUBLISH, for lack of anything heard since */
#define TWIN_CLOSES     3u

elo_err elo__reason_connack(uint8_t code)
{
    /* Codes 1 to 5 and their errors have the same order. */
    return (elo_err)((int)ELO_E_CONNACK_VERSION - (code - ELO_MQTT_REFUSED_VERSION));
}

static bool recent(const struct elo__client *e, uint32_t since_ms, uint32_t span_ms)
{
    return e->now_ms - since_ms <= span_ms;
}

static bool suspect_subscribe(const struct elo__client *e)
{
    return e->sub_id != 0 && recent(e, e->sub_ms, SUSPECT_MS);
}

static bool suspect_publish(const struct elo__client *e)
{
    uint32_t since_ms;
    if (!elo__outbox_waiting(&e->outbox, &since_ms) || !recent(e, since_ms, SUSPECT_MS)) {
        return false;
    }
    /* The server reads in order: of two without an answer, the first one was too much. */
    return !suspect_subscribe(e) || e->now_ms - since_ms > e->now_ms - e->sub_ms;
}

static elo_err closed_while_online(const struct elo__client *e)
{
    if (suspect_publish(e)) {
        return ELO_E_CLOSED_AFTER_PUBLISH;
    }
    if (suspect_subscribe(e)) {
        return ELO_E_CLOSED_AFTER_SUBSCRIBE;
    }
    if (e->qos0_suspect && recent(e, e->qos0_ms, SUSPECT_QOS0_MS)) {
        return ELO_E_CLOSED_AFTER_PUBLISH;
    }
    return e->early_closes >= TWIN_CLOSES ? ELO_E_CLIENTID_TAKEN : ELO_E_TCP_CLOSED;
}

elo_err elo__reason_closed(const struct elo__client *e, elo_err reported)
{
    if (e->state == ELO_CLIENT_CLOSING) {
        return e->reason;
    }
    if (e->state == ELO_CLIENT_STOPPING) {
        return ELO_OK;
    }
    if (reported != ELO_OK && reported != ELO_E_TCP_CLOSED) {
        return reported;
    }
    if (e->state == ELO_CLIENT_CONNECTING) {
        return ELO_E_CLOSED_AFTER_CONNECT;
    }
    return e->state == ELO_CLIENT_ONLINE ? closed_while_online(e) : ELO_E_TCP_CLOSED;
}

bool elo__reason_is_slow(elo_err reason)
{
    return reason == ELO_E_CONNACK_VERSION || reason == ELO_E_CONNACK_CLIENTID ||
           reason == ELO_E_CONNACK_PASSWORD || reason == ELO_E_CONNACK_AUTH;
}
