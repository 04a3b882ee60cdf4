// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: two sources, switched between packets only. PUBLISH packets are written from
 * where they lie in the outbox; everything else is encoded into tx, which is filled from the front
 * and starts again at the front when it has been drained. tx goes first: acknowledgements,
 * pings and subscriptions are short and overdue sooner.
 *
 * The owner pulls, so packets come to be when he is ready to write them, and a full line makes no
 * queue here: at most one PUBACK, one PINGREQ, one (UN)SUBSCRIBE are owed at a time.
 */
#include "elo/base/assert.h"
#include "elo/client/internal.h"
#include "elo/client/mqtt5_hooks.h"
#include "elo/mqtt/encode.h"

uint8_t *elo__tx_end(struct elo__client *e)
{
    return e->config.tx + e->tx_end;
}

size_t elo__tx_room(const struct elo__client *e)
{
    return e->config.tx_size - e->tx_end;
}

elo_err elo__output_connect(const struct elo_client_config *config, size_t *out_len)
{
    struct elo_mqtt_connect p;
    memset(&p, 0, sizeof p);
    p.clean_session = !config->persistent;
    p.has_will = config->has_will;
    p.has_username = config->username.ptr != NULL;
    p.has_password = config->password.ptr != NULL;
    p.keep_alive_s = config->keep_alive_s;
    p.client_id = config->client_id;
    p.will = config->will;
    p.username = config->username;
    p.password = config->password;
    if (config->mqtt5 != NULL) {
        return config->mqtt5->_internal.hooks->connect(config, &p, out_len);
    }
    return elo_mqtt_encode_connect(&p, config->tx, config->tx_size, out_len);
}

/* Both: true if it was written. */
static bool write_ack(struct elo__client *e, uint16_t id)
{
    size_t len;
    elo_err err = elo_mqtt_encode_ack(ELO_MQTT_PUBACK, id, elo__tx_end(e), elo__tx_room(e), &len);
    e->tx_end += err == ELO_OK ? len : 0;
    return err == ELO_OK;
}

static bool write_empty(struct elo__client *e, elo_mqtt_type type)
{
    size_t len;
    elo_err err = elo_mqtt_encode_empty(type, elo__tx_end(e), elo__tx_room(e), &len);
    e->tx_end += err == ELO_OK ? len : 0;
    return err == ELO_OK;
}

void elo__output_fill(struct elo__client *e)
{
    if (!elo__client_linked(e) || e->bye_written) {
        return; /* nothing before the CONNACK, nothing after the DISCONNECT [MQTT-3.14.4-2] */
    }
    if (e->rx_released && e->rx_ack != 0 && write_ack(e, e->rx_ack)) {
        e->rx_ack = 0;
        e->rx_released = false;
    }
    if (e->state == ELO_CLIENT_STOPPING) {
        e->bye_written = write_empty(e, ELO_MQTT_DISCONNECT);
        return;
    }
    if (e->ping_wanted && write_empty(e, ELO_MQTT_PINGREQ)) {
        e->ping_wanted = false;
    }
    elo__subs_write(e);
}

/* Is the next byte to write one of the outbox? */
static bool outbox_first(const struct elo__client *e)
{
    return e->outbox.busy || (e->tx_at == e->tx_end && e->state == ELO_CLIENT_ONLINE);
}

elo_span elo_client_output_buf(struct elo_client *c)
{
    struct elo__client *e = &c->_internal;
    if (e->state != ELO_CLIENT_CONNECTING && !elo__client_linked(e)) {
        return elo_span_of(NULL, 0);
    }
    if (!e->outbox.busy) {
        elo__output_fill(e);
    }
    if (outbox_first(e)) {
        return elo__outbox_output(&e->outbox, e->sub_id, e->now_ms);
    }
    return elo_span_of(e->config.tx + e->tx_at, e->tx_end - e->tx_at);
}

static void tx_written(struct elo__client *e, size_t count)
{
    ELO_ASSERT(count <= e->tx_end - e->tx_at);
    e->tx_at += count;
    if (e->tx_at < e->tx_end) {
        return;
    }
    e->tx_at = 0;
    e->tx_end = 0;
    e->spoke_ms = e->now_ms;
    elo__subs_written(e);
    if (e->bye_written) {
        elo__client_fail(e, ELO_OK);
    }
}

static void outbox_written(struct elo__client *e, size_t count)
{
    elo__written what = elo__outbox_written(&e->outbox, count, e->now_ms);
    if (what == ELO__WRITTEN_PART) {
        return;
    }
    e->spoke_ms = e->now_ms;
    if (what == ELO__WRITTEN_QOS0) {
        e->qos0_suspect = true;
        e->qos0_ms = e->now_ms;
    }
}

void elo_client_output_ack(struct elo_client *c, size_t count, uint32_t now_ms)
{
    struct elo__client *e = &c->_internal;
    elo__client_clock(e, now_ms);
    if (count == 0) {
        return;
    }
    if (e->ping_wanted) {
        e->ping_ms = now_ms; /* behind a packet that moves: no answer is owed yet */
    }
    if (e->outbox.busy) {
        outbox_written(e, count);
    } else {
        tx_written(e, count);
    }
}
