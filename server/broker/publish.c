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

static bool refuse(struct broker_conn *c, elo_err err, elo_span topic, const char *details)
{
    broker__refuse(c, "Publish-In", err, topic, details);
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
                       .details = "Message payload exceeds size limit for message type"};
    broker__fail(c, &r);
    return false;
}

static bool topic_allowed(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    elo_err err;
    const char *fault = broker__publish_fault(in->topic, &err);
    if (fault != NULL) {
        return refuse(c, err, in->topic, fault);
    }
    if (in->retain && in->topic.ptr[0] == '$' && c->broker->compat.retain_on_reserved == 0) {
        return refuse(c, ELO_E_UNSUPPORTED, in->topic,
                      "messages on reserved topics cannot be retained");
    }
    return true;
}

static bool
policy_allows(struct broker_conn *c, const struct elo_mqtt_publish *in, uint32_t topic_hash)
{
    static const enum policy_action actions[] = {POLICY_Publish, POLICY_RetainPublish};
    for (unsigned i = 0; i <= in->retain; i++) {
        if (!auth_allows_hashed(c->auth, actions[i], in->topic, topic_hash)) {
            broker__deny(c, "Publish-In", ELO_E_POLICY_PUBLISH, actions[i], in->topic);
            return false;
        }
    }
    return true;
}

/* AWS has no QoS 2: there is no PUBREC to wait for, only silence. */
static void on_qos2(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    const char *details = "AWS IoT Core has no QoS 2: the message is ignored";
    if (c->broker->compat.qos2_publish != 0) {
        (void)refuse(c, ELO_E_UNSUPPORTED, in->topic, "AWS IoT Core has no QoS 2");
        return;
    }
    struct report r = {.event = "Publish-In",
                       .err = ELO_E_UNSUPPORTED,
                       .reason = "CLIENT_ERROR",
                       .topic = in->topic,
                       .details = details};
    c->broker->stats.dropped++;
    broker__report(c, LOG_ERROR, &r);
}

static void report_accepted(struct broker_conn *c, const struct elo_mqtt_publish *in)
{
    struct report r = {.event = "Publish-In", .topic = in->topic};
    broker__report(c, LOG_DEBUG, &r);
}

/* `packet` is the whole PUBLISH. QoS 0 without RETAIN is on the wire as subscribers get it. */
static struct publication
publication_of(elo_span packet, const struct elo_mqtt_publish *in, uint32_t topic_hash)
{
    struct publication p = {.topic = in->topic,
                            .hash = topic_hash,
                            .payload = in->payload,
                            .expires_ms = MESSAGE_FOREVER,
                            .qos = in->qos,
                            .retain = in->retain};
    if (in->qos == 0 && !in->retain) {
        p.head3 = elo_span_first(packet, packet.len - in->payload.len);
    }
    return p;
}

static void route_failed(struct broker_conn *c, const struct elo_mqtt_publish *in, elo_err err)
{
    if (c->broker->journal.halted && err == c->broker->journal.err) {
        struct report r = {.event = "Publish-In",
                           .err = err,
                           .reason = "SERVER_ERROR",
                           .topic = in->topic,
                           .details = "it would have to be stored, and the disk takes nothing"};
        broker__fail(c, &r);
        return;
    }
    if (err != ELO_E_QUOTA) {
        (void)refuse(c, err, in->topic, NULL);
        return;
    }
    struct report r = {.event = "Publish-In",
                       .err = err,
                       .reason = "THROTTLED",
                       .topic = in->topic,
                       .details = "there are as many retained messages as may be kept"};
    c->broker->stats.dropped++;
    broker__report(c, LOG_ERROR, &r);
}

/* Thrown away without a PUBACK: the client is to send it again ("AWS IoT Core endpoints and
 * quotas", Publish requests per second per connection). */
static void throttled(struct broker_conn *c, const struct elo_mqtt_publish *in)
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
    c->broker->stats.publish_in_throttled++;
    broker__report(c, level, &r);
}

void broker__on_publish(struct broker_conn *c, elo_span packet, const struct elo_mqtt_publish *in)
{
    uint32_t hash = map_hash(in->topic);
    c->broker->stats.publish_in++;
    if (!broker__takes_publish(c)) {
        throttled(c, in);
        return;
    }
    if (!payload_fits(c, in) || !topic_allowed(c, in) || !policy_allows(c, in, hash)) {
        return;
    }
    if (in->qos > 1) {
        on_qos2(c, in);
        return;
    }
    struct publication p = publication_of(packet, in, hash);
    p.from = c->session;
    struct journal *j = &c->broker->journal;
    broker__journal_watch(j);
    elo_err err = broker__publish(c->broker, &p);
    err = err == ELO_OK && j->lost ? ELO_E_NO_MEMORY : err;
    if (err != ELO_OK) {
        route_failed(c, in, err);
        return;
    }
    report_accepted(c, in);
    if (in->qos == 1) {
        broker__ack_publish(c, in->packet_id, j->touched);
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
    return stored || (route->group_count > 0 && p->qos > 0);
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
    if (b->journal.halted && must_be_stored(&route, p)) {
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
