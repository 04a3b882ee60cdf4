// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a PUBLISH is checked (size, topic, reserved names, policy), then routed. A small
 * QoS 0 message is routed straight from the input buffer: its bytes are what subscribers get. Only
 * when somebody has to keep it - QoS 1, RETAIN, a payload that is referred to - does it become a
 * message of its own, made before the first delivery, so that it reaches everybody or nobody.
 */
#include "elo/mqtt/decode.h"
#include "server/broker/internal.h"
#include "server/broker/reserved.h"

/*
 * A PUBLISH is refused: with MQTT 5 and QoS 1 by its PUBACK, else by the end of the connection; but
 * see the switch about those without QoS and permission.
 */
static bool refuse(struct broker_conn *c, const struct elo_mqtt_publish *in, struct report *r)
{
    r->event = "Publish-In";
    r->topic = in->topic;
    r->reason = r->reason != NULL ? r->reason : "CLIENT_ERROR";
    bool silent = in->qos == 0 && c->version == ELO_MQTT_5 && r->err == ELO_E_POLICY_PUBLISH &&
                  c->broker->compat.qos0_denied != 0;
    if (silent) {
        broker__report(c, LOG_ERROR, r);
    } else if (in->qos == 0) {
        broker__fail(c, r);
    } else {
        uint8_t code = broker__refused(c, r, ANSWER_PUBACK);
        if (!c->ended) {
            broker__send_refusal(c, ELO_MQTT_PUBACK, in->packet_id, code, r->details);
        }
    }
    c->broker->stats.dropped += !c->ended;
    return false;
}

/* Nothing but the end of the connection answers this. */
static bool
fail(struct broker_conn *c, const struct elo_mqtt_publish *in, elo_err err, const char *details)
{
    broker__refuse(c, "Publish-In", err, in->topic, details);
    return false;
}

static bool payload_fits(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    if (in->payload.len <= LIMIT_PAYLOAD_BYTES) {
        return true;
    }
    struct report r = {.event = "Publish-In",
                       .err = ELO_E_TOO_LARGE,
                       .reason = "PAYLOAD_LIMIT_EXCEEDED",
                       .topic = in->topic,
                       .details = "Message payload exceeds size limit for message type",
                       .code5 = ELO_MQTT_RC_QUOTA};
    broker__fail(c, &r);
    return false;
}

static bool topic_allowed(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    struct report r = {.err = ELO_OK};
    r.details = broker__publish_fault(in->topic, &r.err);
    if (r.details != NULL) {
        return refuse(c, in, &r);
    }
    if (in->retain && in->topic.ptr[0] == '$' && c->broker->compat.retain_on_reserved == 0) {
        r.err = ELO_E_UNSUPPORTED;
        r.details = "messages on reserved topics cannot be retained";
        r.code5 = ELO_MQTT_RC_TOPIC_INVALID;
        return refuse(c, in, &r);
    }
    return true;
}

static bool
deny(struct broker_conn *c, const struct elo_mqtt_publish *in, enum policy_action action)
{
    char why[512];
    broker__explain(c, action, in->topic, why, sizeof why);
    struct report r = {
        .err = ELO_E_POLICY_PUBLISH, .reason = "AUTHORIZATION_FAILURE", .details = why};
    return refuse(c, in, &r);
}

static bool
policy_allows(struct broker_conn *c, const struct elo_mqtt_publish *in, uint32_t topic_hash)
{
    static const enum policy_action actions[] = {POLICY_Publish, POLICY_RetainPublish};
    for (unsigned i = 0; i <= in->retain; i++) {
        if (!auth_allows_hashed(c->auth, actions[i], in->topic, topic_hash)) {
            return deny(c, in, actions[i]);
        }
    }
    return true;
}

/* What only a client of MQTT 5 can do wrong. */
static bool properties_acceptable(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    if ((in->has & ELO_MQTT_HAS_SUBSCRIPTION_ID) != 0) { /* [MQTT5-3.3.4-6] */
        return fail(c, in, ELO_E_PROTOCOL, "a client does not send subscription identifiers");
    }
    if (broker__user_properties_fit(in->properties)) {
        return true;
    }
    struct report r = {.err = ELO_E_QUOTA,
                       .details = "user properties may have at most 8 KB together"};
    return refuse(c, in, &r);
}

static bool fail_qos2(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    return fail(c, in, ELO_E_UNSUPPORTED, "AWS IoT Core has no QoS 2");
}

/* MQTT 5: asked before all else, for what else is wrong has its PUBACK, and this has none. */
static bool qos_acceptable(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    return in->qos < 2 || c->version != ELO_MQTT_5 || fail_qos2(c, in);
}

/* AWS has no QoS 2: on MQTT 3.1.1 there is no PUBREC to wait for, only silence. */
static void on_qos2(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    if (c->broker->compat.qos2_publish != 0) {
        (void)fail_qos2(c, in);
        return;
    }
    struct report r = {.event = "Publish-In",
                       .err = ELO_E_UNSUPPORTED,
                       .reason = "CLIENT_ERROR",
                       .topic = in->topic,
                       .details = "AWS IoT Core has no QoS 2: the message is ignored"};
    c->broker->stats.dropped++;
    broker__report(c, LOG_ERROR, &r);
}

static void report_accepted(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    struct report r = {.event = "Publish-In", .topic = in->topic, .retain = in->retain};
    if (broker__heard(c->broker, LOG_DEBUG)) {
        broker__report_allowed(c, LOG_DEBUG, POLICY_Publish, in->topic, &r);
    }
}

#define NOT_PASSED_ON (ELO_MQTT_HAS_ALIAS | ELO_MQTT_HAS_EXPIRY | ELO_MQTT_HAS_SUBSCRIPTION_ID)

/*
 * `packet` is the whole PUBLISH. QoS 0 without RETAIN is on the wire as subscribers of the same
 * version get it, if it has no properties. false: out of memory.
 */
static bool publication_of(struct broker_conn *c,
                           elo_span packet,
                           const struct elo_mqtt_publish *in,
                           struct publication *out)
{
    struct publication p = {.topic = in->topic,
                            .payload = in->payload,
                            .expires_ms = MESSAGE_FOREVER,
                            .qos = in->qos,
                            .retain = in->retain,
                            .from = c->session};
    if (in->properties.len > 0) {
        bool all = (in->has & NOT_PASSED_ON) == 0;
        if ((in->has & ELO_MQTT_HAS_EXPIRY) != 0) {
            p.expires_ms = broker__message_end(c->broker, in->expiry_s);
        }
        *out = p;
        return broker__forwardable(c->broker, in->properties, all, &out->props);
    }
    if (in->qos == 0 && !in->retain) {
        *(c->version == ELO_MQTT_5 ? &p.head5 : &p.head3) =
            elo_span_first(packet, packet.len - in->payload.len);
    }
    *out = p;
    return true;
}

static void count_throttled(const struct broker_conn *c)
{
    c->broker->stats.publish_in_throttled++;
    c->broker->stats.publish_in_wss_throttled += c->websocket;
}

static void route_failed(struct broker_conn *c, const struct elo_mqtt_publish *in, elo_err err)
{
    const struct journal *j = &c->broker->journal;
    struct report r = {.event = "Publish-In", .err = err, .topic = in->topic};
    if (err != ELO_E_QUOTA) {
        r.reason = "SERVER_ERROR";
        if (j->halted && err == j->err) {
            r.details = "it would have to be stored, and the disk takes nothing";
        }
        (void)refuse(c, in, &r);
        return;
    }
    count_throttled(c);
    r.reason = "THROTTLED";
    r.details = "there are as many retained messages as may be kept";
    if (c->version == ELO_MQTT_5) {
        (void)refuse(c, in, &r);
        return;
    }
    c->broker->stats.dropped++;
    broker__report(c, LOG_ERROR, &r);
}

/*
 * The client is to send it again ("AWS IoT Core endpoints and quotas", Publish requests per second
 * per connection): on MQTT 3.1.1 it is thrown away without a PUBACK.
 */
static bool throttled(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    enum log_level level = c->throttled_in ? LOG_DEBUG : LOG_ERROR;
    struct report r = {.event = "Publish-In",
                       .err = ELO_E_THROTTLED,
                       .reason = "THROTTLED",
                       .topic = in->topic,
                       .details = "more messages in one second than a connection, or the account, "
                                  "may publish: this one is thrown away"};
    c->throttled_in = true;
    c->broker->stats.dropped++;
    count_throttled(c);
    broker__report(c, level, &r);
    if (c->version == ELO_MQTT_5 && in->qos > 0) {
        uint8_t code = broker__reason_code(&r, ANSWER_PUBACK);
        broker__send_refusal(c, ELO_MQTT_PUBACK, in->packet_id, code, r.details);
    }
    return false;
}

/* MQTT 5: what the client has sent before and has not been acknowledged. */
static bool within_window(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    struct report r = {
        .event = "Publish-In", .err = ELO_E_QUOTA, .reason = "CLIENT_ERROR", .topic = in->topic};
    if (c->version != ELO_MQTT_5 || in->qos == 0 || broker__hold_count(c) == 0) {
        return true;
    }
    if (broker__hold_has(c, in->packet_id)) {
        r.err = ELO_E_PROTOCOL;
        r.details = "the packet identifier is in use";
        broker__report(c, LOG_ERROR, &r);
        broker__send_refusal(c, ELO_MQTT_PUBACK, in->packet_id, ELO_MQTT_RC_ID_IN_USE, r.details);
        return false;
    }
    if (broker__hold_count(c) >= LIMIT_INFLIGHT) {
        r.details = "more than 100 messages that have not been acknowledged";
        r.code5 = ELO_MQTT_RC_RECEIVE_MAXIMUM;
        broker__fail(c, &r);
        return false;
    }
    return true;
}

/* The topic of a PUBLISH, its hash, and whether the client may publish there. */
static bool acceptable(struct broker_conn *c, struct elo_mqtt_publish *in, uint32_t *out_hash)
{
    bool by_alias = (in->has & ELO_MQTT_HAS_ALIAS) != 0;
    if (!qos_acceptable(c, in) || !payload_fits(c, in)) {
        return false;
    }
    if (!by_alias) {
        *out_hash = map_hash(in->topic);
    } else if (!broker__alias_resolve(c, in, out_hash)) {
        return false;
    }
    if (!topic_allowed(c, in) || (by_alias && !broker__alias_set(c, in, *out_hash))) {
        return false;
    }
    if (!broker__takes_publish(c)) {
        return throttled(c, in);
    }
    return within_window(c, in) && (in->properties.len == 0 || properties_acceptable(c, in)) &&
           policy_allows(c, in, *out_hash);
}

static void count_in(const struct broker_conn *c, size_t payload_len)
{
    struct broker_stats *stats = &c->broker->stats;
    stats->publish_in++;
    stats->publish_in_wss += c->websocket;
    stats->publish_bytes_in += payload_len;
}

void broker__on_publish(struct broker_conn *c, elo_span packet, struct elo_mqtt_publish *in)
{
    uint32_t hash;
    count_in(c, in->payload.len);
    if (!acceptable(c, in, &hash)) {
        return;
    }
    if (in->qos > 1) {
        on_qos2(c, in);
        return;
    }
    struct journal *j = &c->broker->journal;
    struct publication p;
    elo_err err = ELO_E_NO_MEMORY;
    if (publication_of(c, packet, in, &p)) {
        p.hash = hash;
        broker__journal_watch(j);
        err = broker__publish(c->broker, &p);
        err = err == ELO_OK && j->lost ? ELO_E_NO_MEMORY : err;
    }
    if (err != ELO_OK) {
        route_failed(c, in, err);
        return;
    }
    report_accepted(c, in);
    if (in->qos == 1) {
        broker__ack_publish(c, in->packet_id, broker__publish_awaited(c->broker, &p));
    }
}

/* A wildcard in the topic: MQTT 5 has an answer, where it can be answered. */
void broker__on_wild_publish(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    struct report r = {.err = ELO_E_TOPIC, .details = "a topic name with a wildcard"};
    count_in(c, in->payload.len);
    if (qos_acceptable(c, in)) {
        (void)refuse(c, in, &r);
    }
}

/* --- routing ------------------------------------------------------------------------------------
 */

/* Must somebody be able to keep it beyond this call? */
static bool must_be_kept(const struct publication *p, bool wanted)
{
    if (p->retain && p->payload.len > 0) {
        return true;
    }
    return wanted && (p->qos > 0 || p->payload.len >= OUTPUT_REFER_BYTES);
}

/* Makes it a message of its own. false: out of memory. */
static bool keep(struct publication *p)
{
    struct message *m = broker__message_new(p);
    if (m == NULL) {
        return false;
    }
    p->topic = broker__message_topic(m);
    p->payload = broker__message_payload(m);
    p->props = broker__message_props(m);
    p->block = m;
    return true;
}

static void deliver_all(const struct route *route, const struct publication *p)
{
    for (size_t i = 0; i < route->target_count; i++) {
        broker__deliver_to(&route->targets[i], p);
    }
    for (size_t i = 0; i < route->group_count; i++) {
        broker__share_deliver(route->groups[i], p);
    }
}

/* To the receivers of a route; `p->block` is there if anybody needs it. */
static elo_err
retain_and_deliver(struct broker *b, struct publication *p, const struct route *route)
{
    struct heads heads;
    heads.len3 = heads.len5 = 0;
    p->heads = &heads;
    elo_err err = ELO_OK;
    if (p->retain && p->topic.ptr[0] != '$') { /* nothing reserved is ever kept: topic_allowed() */
        err = broker__retain(b, p);
    }
    if (err == ELO_OK) {
        deliver_all(route, p);
    }
    p->heads = NULL;
    return err;
}

/* Would somebody have to find it after a restart? Asked only while nothing can be written. */
static bool must_be_stored(const struct route *route, const struct publication *p)
{
    bool stored = p->retain && p->topic.ptr[0] != '$';
    for (size_t i = 0; i < route->target_count && p->qos > 0; i++) {
        stored = stored || (route->targets[i].session->row != 0 && route->targets[i].qos > 0);
    }
    for (size_t i = 0; i < route->group_count && p->qos > 0; i++) {
        stored = stored || broker__share_is_stored(route->groups[i]);
    }
    return stored;
}

/* What it forgets may be forgotten already, but not yet durably. */
uint64_t broker__publish_awaited(const struct broker *b, const struct publication *p)
{
    const struct journal *j = &b->journal;
    bool forgets = p->retain && p->payload.len == 0;
    return broker__journal_awaited(j, forgets ? j->forgotten : 0);
}

elo_err broker__publish(struct broker *b, struct publication *p)
{
    struct route route = {0};
    elo_err err = ELO_OK;
    if (!broker__is_basic_ingest(p->topic)) {
        err = broker__route(&b->router, &b->tree, p, authorizer_generation(b->auth), &route);
    }
    if (err != ELO_OK) {
        return err;
    }
    bool waits = p->last_words && broker__journal_has_slack(&b->journal);
    if (b->journal.halted && !waits && must_be_stored(&route, p)) {
        return b->journal.err;
    }
    bool borrowed = p->block == NULL;
    if (borrowed && must_be_kept(p, route.target_count + route.group_count > 0) && !keep(p)) {
        return ELO_E_NO_MEMORY;
    }
    err = retain_and_deliver(b, p, &route);
    if (borrowed) {
        broker__message_release(p->block);
        p->block = NULL;
    }
    return err;
}
