// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the engine is one for both versions; where they differ it asks config.mqtt5 for a
 * table of functions, which are these.
 *
 * Aliases. A packet lies in the outbox as
 *
 *     [fixed header][topic with its length][packet id][length of properties][23
 * alias][...][payload]
 *
 * whole, for it may have to be sent again on another connection. When its alias is known to the
 * server, a head of at most 9 bytes is written instead of all up to the length of the properties:
 * another fixed header, an empty topic, the packet id. An alias that a later server does not allow
 * is taken out of the packets that have it when the CONNACK tells so.
 */
#include "elo/client/mqtt5.h"

#include "elo/base/assert.h"
#include "elo/base/bytes.h"
#include "elo/base/flash.h"
#include "elo/client/internal.h"
#include "elo/client/mqtt5_hooks.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/parts.h"
#include "elo/mqtt/put.h"
#include "elo/mqtt/wire.h"

#define ALIAS_SIZE 3u    /* the property */
#define REFUSED    0x80u /* reason codes from here on */

static void init(struct elo__client *e)
{
    struct elo_client_mqtt5 *m = e->config.mqtt5;
    elo__aliases_init(&m->_internal.out, m->aliases_out, m->aliases_out_size, m->alias_slot_size);
    elo__aliases_init(&m->_internal.in, m->aliases_in, m->aliases_in_size, m->alias_slot_size);
    elo_mqtt_read_terms(elo_span_of(NULL, 0), &m->terms);
    m->_internal.window = e->config.window;
    e->outbox.retry_ms = 0;
    e->config.retry_ms = 0;
    e->outbox.mqtt5 = m;
}

static elo_err
connect(const struct elo_client_config *config, struct elo_mqtt_connect *p, size_t *out_len)
{
    const struct elo_client_mqtt5 *m = config->mqtt5;
    uint8_t room[5 + 3 + 5 + 3];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    if (config->persistent && m->session_expiry_s != 0) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_SESSION_EXPIRY, m->session_expiry_s);
    }
    if (m->receive_maximum != 0) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_RECEIVE_MAXIMUM, m->receive_maximum);
    }
    if (config->rx_size < ELO_MQTT_MAX_REMAINING) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_MAXIMUM_PACKET, (uint32_t)config->rx_size);
    }
    if (m->_internal.in.count != 0) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_ALIAS_MAXIMUM, m->_internal.in.count);
    }
    p->properties = m->properties;
    elo_span ours = elo_mqtt_properties_done(&w);
    return elo_mqtt5_encode_connect(p, ours, config->tx, config->tx_size, out_len);
}

/* [MQTT5-3.2.2-11] [MQTT5-3.2.2-14] */
static bool is_supported(const struct elo_mqtt_terms *t, uint8_t qos, bool retain)
{
    return qos <= t->maximum_qos && (!retain || t->retain);
}

static elo_err encode(const struct elo_client_mqtt5 *m,
                      const struct elo_mqtt_publish *p,
                      uint16_t alias, /* 0: none */
                      uint8_t *buf,
                      size_t cap,
                      size_t *out_len)
{
    uint8_t room[ALIAS_SIZE];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
    if (alias != 0) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_ALIAS, alias);
    }
    elo_err err = elo_mqtt5_encode_publish(p, elo_mqtt_properties_done(&w), buf, cap, out_len);
    bool known = err == ELO_OK || err == ELO_E_NO_SPACE;
    return known && *out_len > m->terms.maximum_packet ? ELO_E_TOO_LARGE : err;
}

static elo_err publish(struct elo_client_mqtt5 *m,
                       const struct elo_mqtt_publish *p,
                       uint8_t *buf,
                       size_t cap,
                       size_t *out_len)
{
    if (!is_supported(&m->terms, p->qos, p->retain)) {
        return ELO_E_UNSUPPORTED;
    }
    uint16_t alias = elo__alias_for(&m->_internal.out, p->topic, m->terms.alias_maximum);
    elo_err err = encode(m, p, alias, buf, cap, out_len);
    /* The first time an alias makes it longer. */
    return err == ELO_E_TOO_LARGE && alias != 0 ? encode(m, p, 0, buf, cap, out_len) : err;
}

/* Where the parts of a PUBLISH of ours lie. */
struct parts {
    uint8_t *topic; /* with its length; so is where the fixed header ends */
    uint8_t *id;
    size_t id_size;
    uint8_t *length; /* of the properties */
    uint8_t *properties;
    size_t properties_len;
    uint16_t alias; /* 0: none. It is the first property */
};

static void take_apart(uint8_t *bytes, struct parts *out)
{
    out->topic = elo__topic_in(bytes);
    out->id = out->topic + 2 + elo_rd16be(out->topic);
    out->id_size = (bytes[0] >> ELO__PUBLISH_QOS_SHIFT & 3u) != 0 ? ELO__PACKET_ID_SIZE : 0;
    out->length = out->id + out->id_size;
    out->properties = out->length;
    out->properties_len = 0;
    unsigned shift = 0;
    do {
        out->properties_len |= (size_t)(*out->properties & 0x7Fu) << shift;
        shift += 7;
    } while ((*out->properties++ & 0x80u) != 0);
    bool has = out->properties_len >= ALIAS_SIZE && *out->properties == ELO_MQTT_PROP_ALIAS;
    out->alias = has ? elo_rd16be(out->properties + 1) : 0;
}

static void begin(struct elo__outbox *o, uint8_t *bytes, size_t size)
{
    struct parts p;
    take_apart(bytes, &p);
    if (p.alias == 0 || !elo__alias_announced(&o->mqtt5->_internal.out, p.alias)) {
        return;
    }
    o->cut = (size_t)(p.length - bytes);
    uint8_t *at = o->head;
    *at++ = bytes[0];
    at = elo__put_varint(at, 2 + p.id_size + (size - o->cut));
    at = elo__put_u16(at, 0);
    at = elo__put_bytes(at, elo_span_of(p.id, p.id_size));
    o->head_len = (size_t)(at - o->head);
}

/* Moves `len` bytes down to `to`; where they end then. */
static uint8_t *move_down(uint8_t *to, const uint8_t *from, size_t len)
{
    memmove(to, from, len);
    return to + len;
}

/* Takes the alias out of a packet. Nothing in it grows, so it can be written anew over itself from
 * the front. */
static size_t without_alias(const struct parts *p, uint8_t *bytes, size_t size)
{
    const uint8_t *rest = p->properties + ALIAS_SIZE;
    size_t rest_len = size - (size_t)(rest - bytes);
    size_t left = p->properties_len - ALIAS_SIZE;
    size_t head_len = (size_t)(p->length - p->topic);
    uint8_t *at = elo__put_varint(bytes + 1, head_len + elo__varint_size(left) + rest_len);
    at = move_down(at, p->topic, head_len);
    at = move_down(elo__put_varint(at, left), rest, rest_len);
    return (size_t)(at - bytes);
}

/* A packet that waits, as this server takes it, if it does: an elo__edit_fn. */
static size_t adapt(uint8_t *bytes, size_t size, const void *terms)
{
    const struct elo_mqtt_terms *t = (const struct elo_mqtt_terms *)terms;
    struct parts p;
    take_apart(bytes, &p);
    if (p.alias > t->alias_maximum || (p.alias != 0 && size > t->maximum_packet)) {
        size = without_alias(&p, bytes, size);
    }
    bool ok = is_supported(t, p.id_size != 0, (bytes[0] & ELO__PUBLISH_RETAIN) != 0);
    return ok && size <= t->maximum_packet ? size : 0;
}

/* A session resumed on a connection with a smaller window [MQTT5-3.3.4-9]. */
static bool window_full(const struct elo__outbox *o)
{
    return o->in_flight > o->window && elo__outbox_unanswered(o) >= o->window;
}

/* What is unfit is told one by one, after what the policy dropped. */
static void tell_unfit(struct elo__client *e, struct elo_client_event *out)
{
    size_t size;
    if (out->u.dropped.count == 0) {
        e->drop_unfit = elo__outbox_drop_unfit(&e->outbox, &out->u.dropped.first_token, &size);
        out->u.dropped.last_token = out->u.dropped.first_token;
        out->u.dropped.count = 1;
        out->u.dropped.reason =
            size > e->config.mqtt5->terms.maximum_packet ? ELO_E_TOO_LARGE : ELO_E_UNSUPPORTED;
    }
    e->events |= e->drop_unfit ? ELO__EV_DROPPED : 0;
}

static void event(struct elo__client *e, struct elo_client_event *out)
{
    if (out->type == ELO_CLIENT_MESSAGE) {
        out->u.message.properties = e->message.properties;
    } else if (out->type == ELO_CLIENT_DISCONNECTED) {
        out->u.disconnected.code = e->code;
        out->u.disconnected.text = e->text;
        e->code = 0;
        e->text = elo_span_of(NULL, 0);
    } else if (out->type == ELO_CLIENT_DROPPED && e->drop_unfit) {
        tell_unfit(e, out);
    } else if (out->type == ELO_CLIENT_PUBLISHED) {
        out->u.published.code = e->code;
        out->u.published.result = e->code < REFUSED ? ELO_OK : ELO_E_PUBACK_REFUSED;
        e->code = 0;
    }
}

static elo_err subscribe(const struct elo_client_mqtt5 *m,
                         uint16_t id,
                         const struct elo_mqtt_subscription *subs,
                         const elo_span *filters,
                         size_t count,
                         uint8_t *buf,
                         size_t cap,
                         size_t *out_len)
{
    elo_span none = elo_span_of(NULL, 0);
    if (count > 1 && cap > m->terms.maximum_packet) {
        cap = m->terms.maximum_packet; /* [MQTT5-3.2.2-15]; of one the server says itself */
    }
    return filters != NULL
               ? elo_mqtt5_encode_unsubscribe(id, none, filters, count, buf, cap, out_len)
               : elo_mqtt5_encode_subscribe(id, none, subs, count, buf, cap, out_len);
}

/* What a server ended or refused us for. */
static void ended(struct elo__client *e, uint8_t code, elo_span properties)
{
    struct elo_mqtt_property why;
    e->code = code;
    e->text = elo_span_of(NULL, 0);
    if (elo_mqtt_find_property(properties, ELO_MQTT_PROP_REASON_STRING, &why)) {
        e->text = why.text;
    }
}

static void hold_to_terms(struct elo__client *e)
{
    struct elo_client_mqtt5 *m = e->config.mqtt5;
    const struct elo_mqtt_terms *t = &m->terms;
    uint16_t window = m->_internal.window;
    e->outbox.window = t->receive_maximum < window ? t->receive_maximum : window;
    e->keep_alive_s = t->has_keep_alive ? t->keep_alive_s : e->config.keep_alive_s;
    elo__aliases_forget(&m->_internal.out);
    elo__aliases_forget(&m->_internal.in);
    if (elo__outbox_rewrite(&e->outbox, adapt, t)) {
        e->drop_unfit = true;
        e->events |= ELO__EV_DROPPED;
    }
}

static elo_err error_of_connack(uint8_t code)
{
    elo_err err = elo_mqtt5_error_of(code);
    return err == ELO_E_SERVER_GONE ? ELO_E_CONNACK_SERVER : err;
}

static void got_connack(struct elo__client *e, const struct elo_mqtt_connack *p)
{
    if (p->code != ELO_MQTT_RC_SUCCESS) {
        ended(e, p->code, p->properties);
        elo__client_fail(e, error_of_connack(p->code));
    } else if (p->session_present && !e->config.persistent) {
        elo__client_fail(e, ELO_E_PROTOCOL); /* [MQTT5-3.2.2-2] */
    } else {
        elo_mqtt_read_terms(p->properties, &e->config.mqtt5->terms);
        hold_to_terms(e);
        elo__client_connected(e, p->session_present);
    }
}

/* An alias in place of the topic, or one to be remembered. */
static elo_err resolve(struct elo__client *e, struct elo_mqtt_publish *p)
{
    struct elo__aliases *in = &e->config.mqtt5->_internal.in;
    if ((p->has & ELO_MQTT_HAS_ALIAS) == 0) {
        return ELO_OK;
    }
    bool ok = p->topic.len != 0 ? elo__alias_set(in, p->alias, p->topic)
                                : elo__alias_topic(in, p->alias, &p->topic);
    return ok ? ELO_OK : ELO_E_PROTOCOL; /* [MQTT5-3.3.2-10] */
}

static void got_publish(struct elo__client *e, struct elo_mqtt_publish *p)
{
    elo_err err = resolve(e, p);
    if (err != ELO_OK) {
        elo__client_fail(e, err);
    } else {
        e->message = *p;
        e->events |= ELO__EV_MESSAGE;
        e->rx_ack = p->packet_id;
        e->rx_released = false;
    }
}

static void got_puback(struct elo__client *e, const struct elo_mqtt_ack *p)
{
    if (elo__outbox_acked(&e->outbox, p->packet_id, &e->token)) {
        e->events |= ELO__EV_PUBLISHED;
        e->code = p->code;
    }
}

static void packet(struct elo__client *e)
{
    struct elo_mqtt_packet p;
    elo_err err = elo__decode_answer5(elo_span_of(e->config.rx, e->rx_total), e->rx_header, &p);
    unsigned first = e->config.rx[0];
    if (err != ELO_OK) {
        elo__client_fail(e, err);
    } else if (first >> 4 == ELO_MQTT_PUBLISH) {
        got_publish(e, &p.u.publish);
    } else if (first == ELO_MQTT_PUBACK << 4) {
        got_puback(e, &p.u.ack);
    } else if (first == ELO_MQTT_CONNACK << 4) {
        got_connack(e, &p.u.connack);
    } else if (first == ELO_MQTT_SUBACK << 4 || first == ELO_MQTT_UNSUBACK << 4) {
        bool unsub = first == ELO_MQTT_UNSUBACK << 4;
        elo__subs_answer(e, unsub, p.u.suback.packet_id, p.u.suback.codes);
    } else if (first == ELO_MQTT_DISCONNECT << 4) {
        ended(e, p.u.disconnect.code, p.u.disconnect.properties);
        err = elo_mqtt5_error_of(p.u.disconnect.code);
        elo__client_fail(e, err == ELO_OK ? ELO_E_SERVER_GONE : err);
    } else {
        elo__client_pong(e);
    }
}

static const struct elo__mqtt5_hooks HOOKS ELO_FLASH = {
    .init = init,
    .connect = connect,
    .publish = publish,
    .begin = begin,
    .window_full = window_full,
    .event = event,
    .subscribe = subscribe,
    .packet = packet,
};

void elo_client_mqtt5_defaults(struct elo_client_mqtt5 *mqtt5)
{
    memset(mqtt5, 0, sizeof *mqtt5);
    mqtt5->session_expiry_s = 3600;
    mqtt5->alias_slot_size = 66;
    mqtt5->_internal.hooks = &HOOKS;
}

/* Reason code, and the error it is in our list; in a word each, to be read in flash. */
#define MEANS(code, err) ((uint32_t)(code) << 16 | (uint32_t)(-(int)(err)))

static const uint32_t MEANINGS[] ELO_FLASH = {
    MEANS(ELO_MQTT_RC_MALFORMED, ELO_E_MALFORMED),
    MEANS(ELO_MQTT_RC_PROTOCOL_ERROR, ELO_E_PROTOCOL),
    MEANS(ELO_MQTT_RC_VERSION, ELO_E_CONNACK_VERSION),
    MEANS(ELO_MQTT_RC_CLIENT_ID, ELO_E_CONNACK_CLIENTID),
    MEANS(ELO_MQTT_RC_PASSWORD, ELO_E_CONNACK_PASSWORD),
    MEANS(ELO_MQTT_RC_NOT_AUTHORIZED, ELO_E_CONNACK_AUTH),
    MEANS(ELO_MQTT_RC_SERVER_UNAVAILABLE, ELO_E_SERVER_GONE),
    MEANS(ELO_MQTT_RC_SERVER_BUSY, ELO_E_SERVER_GONE),
    MEANS(ELO_MQTT_RC_BANNED, ELO_E_CONNACK_AUTH),
    MEANS(ELO_MQTT_RC_SHUTTING_DOWN, ELO_E_SERVER_GONE),
    MEANS(ELO_MQTT_RC_AUTH_METHOD, ELO_E_CONNACK_PASSWORD),
    MEANS(ELO_MQTT_RC_KEEP_ALIVE, ELO_E_KEEP_ALIVE),
    MEANS(ELO_MQTT_RC_TAKEN_OVER, ELO_E_TAKEN_OVER),
    MEANS(ELO_MQTT_RC_FILTER_INVALID, ELO_E_TOPIC),
    MEANS(ELO_MQTT_RC_TOPIC_INVALID, ELO_E_TOPIC),
    MEANS(ELO_MQTT_RC_RECEIVE_MAXIMUM, ELO_E_QUOTA),
    MEANS(ELO_MQTT_RC_TOO_LARGE, ELO_E_TOO_LARGE),
    MEANS(ELO_MQTT_RC_RATE, ELO_E_QUOTA),
    MEANS(ELO_MQTT_RC_QUOTA, ELO_E_QUOTA),
    MEANS(ELO_MQTT_RC_RETAIN, ELO_E_UNSUPPORTED),
    MEANS(ELO_MQTT_RC_QOS, ELO_E_UNSUPPORTED),
    MEANS(ELO_MQTT_RC_ANOTHER_SERVER, ELO_E_SERVER_GONE),
    MEANS(ELO_MQTT_RC_SERVER_MOVED, ELO_E_SERVER_GONE),
    MEANS(ELO_MQTT_RC_SHARED, ELO_E_UNSUPPORTED),
    MEANS(ELO_MQTT_RC_CONNECTION_RATE, ELO_E_QUOTA),
    MEANS(ELO_MQTT_RC_SUBSCRIPTION_ID, ELO_E_UNSUPPORTED),
    MEANS(ELO_MQTT_RC_WILDCARD, ELO_E_UNSUPPORTED),
};

elo_err elo_mqtt5_error_of(uint8_t code)
{
    if (code < ELO_MQTT_RC_UNSPECIFIED) {
        return ELO_OK;
    }
    for (size_t i = 0; i < sizeof MEANINGS / sizeof MEANINGS[0]; i++) {
        if (MEANINGS[i] >> 16 == code) {
            return (elo_err)(-(int)(MEANINGS[i] & 0xFFFFu));
        }
    }
    return ELO_E_SERVER_REFUSED;
}
