// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the filters of a SUBSCRIBE are first judged, all of them. AWS closes an MQTT
 * 3.1.1 connection for one bad filter, and then none of the packet counts; MQTT 5 has a code for
 * each, and the others count. What is about quotas is decided while subscribing. Retained messages
 * follow the SUBACK.
 */
#include <stdio.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "elo/mqtt/topic.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"
#include "server/broker/reserved.h"

#define SUBS_SMALLEST 2u
#define FAILURE       ((uint8_t)ELO_MQTT_SUBACK_FAILURE)

static struct subscription **find(struct session *s, elo_span filter)
{
    for (uint8_t i = 0; i < s->sub_count; i++) {
        if (elo_span_eq(broker__subscription_filter(s->subs[i]), filter)) {
            return &s->subs[i];
        }
    }
    return NULL;
}

static bool reserve(struct session *s)
{
    if (s->sub_count < s->sub_cap) {
        return true;
    }
    unsigned cap = s->sub_cap == 0 ? SUBS_SMALLEST : s->sub_cap * 2u;
    cap = cap > LIMIT_SUBSCRIPTIONS_MAX ? LIMIT_SUBSCRIPTIONS_MAX : cap;
    struct subscription **subs = mem_grow(s->subs, cap * sizeof(struct subscription *));
    if (subs == NULL) {
        return false;
    }
    s->subs = subs;
    s->sub_cap = (uint8_t)cap;
    return true;
}

/* Out of the tree; its row is the caller's. */
static void unsubscribe(struct session *s, struct subscription **at)
{
    broker__share_leave(*at);
    broker__tree_remove(&s->broker->tree, *at);
    *at = s->subs[--s->sub_count];
    s->broker->stats.subscriptions--;
}

void broker__drop_subscriptions(struct session *s)
{
    while (s->sub_count > 0) {
        unsubscribe(s, &s->subs[s->sub_count - 1]);
    }
    mem_free(s->subs);
    s->subs = NULL;
    s->sub_cap = 0;
}

/* --- judging ----------------------------------------------------------------------------------
 */

static bool refuse(struct broker_conn *c, elo_err err, elo_span topic, const char *details)
{
    broker__refuse(c, "Subscribe", err, topic, details);
    return false;
}

/* AWS never grants QoS 2, and does not answer. */
static bool refuse_qos2(struct broker_conn *c, elo_span filter)
{
    if (c->broker->compat.qos2_subscribe == 0) {
        return refuse(c, ELO_E_UNSUPPORTED, filter, "AWS IoT Core has no QoS 2");
    }
    struct report r = {.event = "Subscribe",
                       .err = ELO_E_UNSUPPORTED,
                       .reason = "CLIENT_ERROR",
                       .topic = filter,
                       .details = "AWS IoT Core has no QoS 2: the SUBSCRIBE is not answered"};
    broker__report(c, LOG_ERROR, &r);
    return false;
}

static bool refuse_count(struct broker_conn *c, const char *event, const char *details)
{
    if (c->broker->compat.too_many_filters == 0) {
        broker__refuse(c, event, ELO_E_QUOTA, NONE, details);
        return false;
    }
    struct report r = {
        .event = event, .err = ELO_E_QUOTA, .reason = "CLIENT_ERROR", .details = details};
    broker__report(c, LOG_ERROR, &r);
    return false;
}

static const char *filter_fault(const struct broker_conn *c, elo_span filter, elo_err *out_err)
{
    elo_span share;
    elo_span rest;
    if (c->version == ELO_MQTT_5 && !elo_topic_filter_valid(filter)) {
        *out_err = ELO_E_TOPIC;
        return "the filter breaks the rules of MQTT";
    }
    return broker__subscribe_fault(filter, &share, &rest, out_err);
}

static uint8_t deny(struct broker_conn *c, elo_span filter)
{
    char why[512];
    broker__explain(c, POLICY_Subscribe, filter, why, sizeof why);
    struct report r = {.event = "Subscribe",
                       .err = ELO_E_POLICY_SUBSCRIBE,
                       .reason = "AUTHORIZATION_FAILURE",
                       .topic = filter,
                       .details = why};
    if (c->version != ELO_MQTT_5 && c->broker->compat.subscribe_denied != 0) {
        broker__report(c, LOG_ERROR, &r);
        return FAILURE;
    }
    return broker__refused(c, &r, ANSWER_SUBACK);
}

/*
 * The code for one filter of a SUBSCRIBE, as far as it is not about quotas. false: there will be no
 * answer, and mostly the connection has ended.
 */
static bool judge(struct broker_conn *c, const struct elo_mqtt_subscription *sub, uint8_t *code)
{
    struct report r = {.event = "Subscribe", .reason = "CLIENT_ERROR", .topic = sub->filter};
    *code = sub->qos;
    r.details = filter_fault(c, sub->filter, &r.err);
    if (r.details != NULL) {
        *code = broker__refused(c, &r, ANSWER_SUBACK);
    } else if (sub->qos > 1) {
        return refuse_qos2(c, sub->filter);
    } else if (!auth_allows(c->auth, POLICY_Subscribe, sub->filter)) {
        *code = deny(c, sub->filter);
    }
    return !c->ended;
}

/* MQTT 5: what AWS does not have, in the words it says so in. */
static bool has_subscription_id(struct broker_conn *c, elo_span properties)
{
    struct elo_mqtt_property p;
    if (!elo_mqtt_find_property(properties, ELO_MQTT_PROP_SUBSCRIPTION_ID, &p)) {
        return false;
    }
    struct report r = {.event = "Subscribe",
                       .err = ELO_E_UNSUPPORTED,
                       .reason = "CLIENT_ERROR",
                       .details = "DISCONNECT: Subscription Id is not supported now",
                       .code5 = ELO_MQTT_RC_SUBSCRIPTION_ID};
    broker__fail(c, &r);
    return true;
}

/* What ends the connection whatever the filters are. */
static bool acceptable(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    if (in->count > LIMIT_FILTERS_PER_SUBSCRIBE) {
        return refuse_count(c, "Subscribe", "a SUBSCRIBE may have at most 8 filters");
    }
    if (!broker__user_properties_fit(in->properties)) {
        return refuse(c, ELO_E_QUOTA, NONE, "user properties may have at most 8 KB together");
    }
    return !has_subscription_id(c, in->properties);
}

/* --- subscribing ------------------------------------------------------------------------------
 */

/* What a SUBSCRIBE comes to, filter by filter. */
struct outcome {
    uint8_t codes[LIMIT_FILTERS_PER_SUBSCRIBE];
    bool is_new[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t count;
};

static void report_granted(struct broker_conn *c, elo_span filter)
{
    struct report r = {.event = "Subscribe", .topic = filter};
    broker__report_allowed(c, LOG_INFO, POLICY_Subscribe, filter, &r);
}

/* One more than there may be. The code for the SUBACK, or the connection has ended. */
static uint8_t too_many(struct broker_conn *c, elo_span filter)
{
    char why[100];
    snprintf(why, sizeof why, "a client may have at most %u subscriptions, all clients %u",
             c->broker->limits.subscriptions_per_client, c->broker->limits.subscriptions);
    struct report r = {.event = "Subscribe",
                       .err = ELO_E_QUOTA,
                       .reason = "SUBSCRIPTION_LIMIT_EXCEEDED",
                       .topic = filter,
                       .details = why};
    if (c->version == ELO_MQTT_5) {
        return broker__refused(c, &r, ANSWER_SUBACK);
    }
    broker__report(c, LOG_ERROR, &r);
    if (c->broker->compat.too_many_subscriptions != 0) {
        broker__end(c, ELO_E_QUOTA, NULL);
    }
    return FAILURE;
}

static bool has_options(const struct subscription *s, const struct elo_mqtt_subscription *sub)
{
    return s->qos == sub->qos && s->no_local == sub->no_local &&
           s->as_published == sub->retain_as_published;
}

static void set_options(struct subscription *to, const struct elo_mqtt_subscription *sub)
{
    to->qos = sub->qos;
    to->no_local = sub->no_local;
    to->as_published = sub->retain_as_published;
}

/* As it was is no change: devices say it after each CONNECT, and everybody's routes stay good. */
static void replace(struct subscription *known, const struct elo_mqtt_subscription *sub)
{
    const struct elo_mqtt_subscription before = {
        .qos = known->qos, .no_local = known->no_local, .retain_as_published = known->as_published};
    if (!has_options(known, sub)) {
        set_options(known, sub);
        known->session->broker->tree.generation++;
        if (!broker__journal_subscribed(known)) { /* else asking again would change nothing */
            set_options(known, &before);
        }
    }
}

static uint8_t subscribe_new(struct broker_conn *c, const struct elo_mqtt_subscription *sub)
{
    struct session *s = c->session;
    elo_span share;
    elo_span filter;
    elo_err err;
    (void)broker__subscribe_fault(sub->filter, &share, &filter, &err);
    struct subscription *fresh =
        reserve(s) ? broker__tree_add(&c->broker->tree, s, sub->filter, share, filter) : NULL;
    if (fresh == NULL) {
        broker__refuse(c, "Subscribe", ELO_E_NO_MEMORY, sub->filter, NULL);
        return FAILURE;
    }
    set_options(fresh, sub);
    s->subs[s->sub_count++] = fresh;
    s->shares = (uint8_t)(s->shares + (fresh->group != NULL));
    c->broker->stats.subscriptions++;
    if (!broker__journal_subscribed(fresh)) {
        unsubscribe(s, &s->subs[s->sub_count - 1]);
        broker__refuse(c, "Subscribe", ELO_E_NO_MEMORY, sub->filter, NULL);
        return FAILURE;
    }
    return sub->qos;
}

elo_err broker__subscription_restore(
    struct session *s, elo_span literal, uint8_t qos, int64_t options, struct subscription **out)
{
    elo_span share;
    elo_span filter;
    elo_err err;
    if (broker__subscribe_fault(literal, &share, &filter, &err) != NULL ||
        s->sub_count == LIMIT_SUBSCRIPTIONS_MAX) {
        return ELO_E_CORRUPT;
    }
    struct subscription *sub =
        reserve(s) ? broker__tree_add(&s->broker->tree, s, literal, share, filter) : NULL;
    if (sub == NULL) {
        return ELO_E_NO_MEMORY;
    }
    sub->qos = qos;
    sub->no_local = (options & SUBSCRIPTION_NO_LOCAL) != 0;
    sub->as_published = (options & SUBSCRIPTION_AS_PUBLISHED) != 0;
    s->subs[s->sub_count++] = sub;
    s->shares = (uint8_t)(s->shares + (sub->group != NULL));
    s->broker->stats.subscriptions++;
    *out = sub;
    return ELO_OK;
}

/* The code for the SUBACK; `*is_new`: it replaces none [MQTT-3.8.4-3]. */
static uint8_t
subscribe(struct broker_conn *c, const struct elo_mqtt_subscription *sub, bool *is_new)
{
    const struct limits *l = &c->broker->limits;
    struct subscription **known = find(c->session, sub->filter);
    *is_new = known == NULL;
    if (known != NULL) {
        replace(*known, sub);
    } else if (c->session->sub_count >= l->subscriptions_per_client ||
               c->broker->stats.subscriptions >= l->subscriptions) {
        return too_many(c, sub->filter);
    } else if (subscribe_new(c, sub) == FAILURE) {
        return FAILURE;
    }
    report_granted(c, sub->filter);
    return sub->qos;
}

/* The answer to a change waits for the disk. false: the change cannot get there, the end. */
static bool hold_answer(struct broker_conn *c, const char *event)
{
    const struct journal *j = &c->broker->journal;
    if (j->lost) {
        broker__refuse(c, event, ELO_E_NO_MEMORY, elo_span_of(NULL, 0), NULL);
        return false;
    }
    broker__hold_output(c, broker__journal_awaited(j, c->session->changed));
    return !c->ended;
}

static void send_suback(struct broker_conn *c, elo_mqtt_type type, uint16_t id, elo_span codes)
{
    uint8_t packet[ELO_MQTT_MAX_FIXED_HEADER + 3 + LIMIT_FILTERS_PER_SUBSCRIBE];
    const struct elo_mqtt_suback suback = {.packet_id = id, .codes = codes};
    size_t len;
    elo_err err = c->version == ELO_MQTT_5
                      ? elo_mqtt5_encode_suback(type, &suback, packet, sizeof packet, &len)
                      : elo_mqtt_encode_suback(id, codes, packet, sizeof packet, &len);
    if (err == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

/* Judges all before any counts: one may end an MQTT 3.1.1 connection. false: no answer. */
static bool
judge_all(struct broker_conn *c, const struct elo_mqtt_subscribe *in, struct outcome *out)
{
    struct elo_mqtt_subscription sub;
    for (elo_span rest = in->filters; elo_mqtt_next_subscription(&rest, &sub); out->count++) {
        if (!judge(c, &sub, &out->codes[out->count])) {
            return false;
        }
    }
    return true;
}

/* May a SUBSCRIBE be taken now? */
static bool in_time(struct broker *b)
{
    bool taken = throttle_take(&b->account.subscribes, b->rates.account_subscribes, b->now.mono_ms);
    b->stats.subscribes_throttled += !taken;
    return taken;
}

static uint8_t throttled(struct broker_conn *c, elo_span filter)
{
    struct report r = {.event = "Subscribe",
                       .err = ELO_E_THROTTLED,
                       .reason = "THROTTLED",
                       .topic = filter,
                       .details = "more SUBSCRIBE packets of all clients in one second than the "
                                  "account may send"};
    broker__report(c, LOG_ERROR, &r);
    return c->version == ELO_MQTT_5 ? broker__reason_code(&r, ANSWER_SUBACK) : FAILURE;
}

static bool is_granted(uint8_t code)
{
    return code < ELO_MQTT_RC_UNSPECIFIED;
}

/* The next filter with the options that count. */
static bool
next_wish(const struct broker_conn *c, elo_span *rest, struct elo_mqtt_subscription *out)
{
    if (!elo_mqtt_next_subscription(rest, out)) {
        return false;
    }
    if (c->broker->compat.subscription_options != 0) {
        out->no_local = false;
        out->retain_as_published = false;
        out->retain_handling = ELO_MQTT_RETAINED_ALWAYS;
    }
    return true;
}

static void
subscribe_all(struct broker_conn *c, const struct elo_mqtt_subscribe *in, struct outcome *out)
{
    bool taken = in_time(c->broker);
    struct elo_mqtt_subscription sub;
    size_t i = 0;
    for (elo_span rest = in->filters; next_wish(c, &rest, &sub) && !c->ended; i++) {
        if (is_granted(out->codes[i])) {
            out->codes[i] = taken ? subscribe(c, &sub, &out->is_new[i]) : throttled(c, sub.filter);
        }
    }
}

/* [MQTT5-3.3.1-9] to [MQTT5-3.3.1-11]; on 3.1.1 always. */
static void
send_retained(struct broker_conn *c, const struct elo_mqtt_subscribe *in, const struct outcome *out)
{
    struct elo_mqtt_subscription sub;
    size_t i = 0;
    for (elo_span rest = in->filters; next_wish(c, &rest, &sub); i++) {
        bool wanted = sub.retain_handling == ELO_MQTT_RETAINED_ALWAYS ||
                      (sub.retain_handling == ELO_MQTT_RETAINED_IF_NEW && out->is_new[i]);
        if (wanted && is_granted(out->codes[i])) {
            broker__send_retained(c->session, sub.filter, out->codes[i]);
        }
    }
}

static void
publish_event(struct broker_conn *c, const struct elo_mqtt_subscribe *in, const struct outcome *out)
{
    elo_span granted[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t count = 0;
    size_t i = 0;
    struct elo_mqtt_subscription sub;
    for (elo_span rest = in->filters; elo_mqtt_next_subscription(&rest, &sub); i++) {
        if (is_granted(out->codes[i])) {
            granted[count++] = sub.filter;
        }
    }
    broker__event_subscriptions(c, "subscriptions/subscribed", granted, count);
}

void broker__on_subscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    struct outcome out = {.count = 0};
    if (!acceptable(c, in) || !judge_all(c, in, &out)) {
        return;
    }
    broker__journal_watch(&c->broker->journal);
    subscribe_all(c, in, &out);
    if (c->ended || !hold_answer(c, "Subscribe")) {
        return;
    }
    send_suback(c, ELO_MQTT_SUBACK, in->packet_id, elo_span_of(out.codes, out.count));
    send_retained(c, in, &out);
    publish_event(c, in, &out);
    broker__share_pump(c->session);
}

/* --- unsubscribing ----------------------------------------------------------------------------
 */

/* The code for the UNSUBACK, which only MQTT 5 has. */
static uint8_t unsubscribe_one(struct broker_conn *c, elo_span filter, bool *gone)
{
    struct report r = {.event = "Unsubscribe", .topic = filter};
    if (c->version == ELO_MQTT_5 && !elo_topic_filter_valid(filter)) {
        r.err = ELO_E_TOPIC;
        r.reason = "CLIENT_ERROR";
        r.details = "the filter breaks the rules of MQTT";
        return broker__refused(c, &r, ANSWER_UNSUBACK);
    }
    struct subscription **known = find(c->session, filter);
    if (known != NULL && broker__journal_unsubscribed(*known)) { /* else it stays: hold_answer() */
        unsubscribe(c->session, known);
        *gone = true;
    }
    broker__report(c, LOG_INFO, &r);
    return known == NULL && c->broker->compat.unsuback_unknown != 0 ? ELO_MQTT_RC_NO_SUBSCRIPTION
                                                                    : ELO_MQTT_RC_SUCCESS;
}

void broker__on_unsubscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    uint8_t codes[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t count = 0;
    if (in->count > LIMIT_FILTERS_PER_SUBSCRIBE) {
        (void)refuse_count(c, "Unsubscribe", "an UNSUBSCRIBE may have at most 8 filters");
        return;
    }
    if (!broker__user_properties_fit(in->properties)) {
        broker__refuse(c, "Unsubscribe", ELO_E_QUOTA, NONE,
                       "user properties may have at most 8 KB together");
        return;
    }
    elo_span filter;
    elo_span gone[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t gone_count = 0;
    broker__journal_watch(&c->broker->journal);
    for (elo_span rest = in->filters; elo_mqtt_next_filter(&rest, &filter);) {
        bool was_there = false;
        codes[count++] = unsubscribe_one(c, filter, &was_there);
        gone[gone_count] = filter;
        gone_count += was_there;
    }
    if (!hold_answer(c, "Unsubscribe")) {
        return;
    }
    if (c->version == ELO_MQTT_5) {
        send_suback(c, ELO_MQTT_UNSUBACK, in->packet_id, elo_span_of(codes, count));
    } else {
        broker__send_ack(c, ELO_MQTT_UNSUBACK, in->packet_id); /* known or not [MQTT-3.10.4-5] */
    }
    broker__event_subscriptions(c, "subscriptions/unsubscribed", gone, gone_count);
}
