// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a SUBSCRIBE is first judged as a whole - AWS closes an MQTT 3.1.1 connection for
 * one bad filter, and then none of the packet counts. Only what is answered filter by filter, in
 * the SUBACK, is decided while subscribing: the quota of subscriptions, and denials if the switch
 * says so. Retained messages follow the SUBACK.
 */
#include <stdio.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
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

static bool filter_acceptable(struct broker_conn *c, const struct elo_mqtt_subscription *sub)
{
    elo_span share;
    elo_span filter;
    elo_err err;
    const char *fault = broker__subscribe_fault(sub->filter, &share, &filter, &err);
    if (fault != NULL) {
        return refuse(c, err, sub->filter, fault);
    }
    if (sub->qos > 1) {
        return refuse_qos2(c, sub->filter);
    }
    if (c->broker->compat.subscribe_denied == 0 &&
        !auth_allows(c->auth, POLICY_Subscribe, sub->filter)) {
        broker__deny(c, "Subscribe", ELO_E_POLICY_SUBSCRIBE, POLICY_Subscribe, sub->filter);
        return false;
    }
    return true;
}

static bool acceptable(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    if (in->count > LIMIT_FILTERS_PER_SUBSCRIBE) {
        return refuse(c, ELO_E_QUOTA, elo_span_of(NULL, 0),
                      "a SUBSCRIBE may have at most 8 filters");
    }
    struct elo_mqtt_subscription sub;
    for (elo_span rest = in->filters; elo_mqtt_next_subscription(&rest, &sub);) {
        if (!filter_acceptable(c, &sub)) {
            return false;
        }
    }
    return true;
}

/* --- subscribing ------------------------------------------------------------------------------
 */

static void report_filter(struct broker_conn *c, elo_err err, const char *reason, elo_span filter)
{
    struct report r = {.event = "Subscribe", .err = err, .reason = reason, .topic = filter};
    char why[512] = "";
    if (err == ELO_E_POLICY_SUBSCRIBE && broker__heard(c->broker, LOG_ERROR)) {
        (void)auth_explain(c->auth, POLICY_Subscribe, filter, why, sizeof why);
        r.details = why;
    } else if (err == ELO_E_QUOTA) {
        snprintf(why, sizeof why, "a client may have at most %u subscriptions, all clients %u",
                 c->broker->limits.subscriptions_per_client, c->broker->limits.subscriptions);
        r.details = why;
    } else if (err == ELO_E_THROTTLED) {
        r.details = "more SUBSCRIBE packets of all clients in one second than the account may send";
    }
    broker__report(c, err == ELO_OK ? LOG_INFO : LOG_ERROR, &r);
}

/* One more than there may be. The code for the SUBACK, or the connection has ended. */
static uint8_t too_many(struct broker_conn *c, elo_span filter)
{
    report_filter(c, ELO_E_QUOTA, "SUBSCRIPTION_LIMIT_EXCEEDED", filter);
    if (c->broker->compat.too_many_subscriptions != 0) {
        broker__end(c, ELO_E_QUOTA, NULL);
    }
    return FAILURE;
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
    fresh->qos = sub->qos;
    s->subs[s->sub_count++] = fresh;
    s->shares = (uint8_t)(s->shares + (fresh->group != NULL));
    c->broker->stats.subscriptions++;
    (void)broker__journal_subscribed(fresh);
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

/* The code for the SUBACK. */
static uint8_t subscribe(struct broker_conn *c, const struct elo_mqtt_subscription *sub)
{
    const struct limits *l = &c->broker->limits;
    if (c->broker->compat.subscribe_denied != 0 &&
        !auth_allows(c->auth, POLICY_Subscribe, sub->filter)) {
        report_filter(c, ELO_E_POLICY_SUBSCRIBE, "AUTHORIZATION_FAILURE", sub->filter);
        return FAILURE;
    }
    struct subscription **known = find(c->session, sub->filter);
    if (known != NULL) { /* replaces the earlier one [MQTT-3.8.4-3] */
        c->broker->tree.generation += (*known)->qos != sub->qos;
        (*known)->qos = sub->qos;
        (void)broker__journal_subscribed(*known);
    } else if (c->session->sub_count >= l->subscriptions_per_client ||
               c->broker->stats.subscriptions >= l->subscriptions) {
        return too_many(c, sub->filter);
    } else if (subscribe_new(c, sub) == FAILURE) {
        return FAILURE;
    }
    report_filter(c, ELO_OK, NULL, sub->filter);
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
    if (j->touched) {
        broker__hold_output(c);
    }
    return !c->ended;
}

static void send_suback(struct broker_conn *c, uint16_t packet_id, elo_span codes)
{
    uint8_t packet[ELO_MQTT_MAX_FIXED_HEADER + 2 + LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t len;
    if (elo_mqtt_encode_suback(packet_id, codes, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
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
    report_filter(c, ELO_E_THROTTLED, "THROTTLED", filter);
    return FAILURE;
}

void broker__on_subscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    if (!acceptable(c, in)) {
        return;
    }
    bool taken = in_time(c->broker);
    uint8_t codes[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t count = 0;
    struct elo_mqtt_subscription sub;
    broker__journal_watch(&c->broker->journal);
    for (elo_span rest = in->filters; elo_mqtt_next_subscription(&rest, &sub) && !c->ended;) {
        codes[count++] = taken ? subscribe(c, &sub) : throttled(c, sub.filter);
    }
    if (c->ended || !hold_answer(c, "Subscribe")) {
        return;
    }
    send_suback(c, in->packet_id, elo_span_of(codes, count));
    elo_span granted[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t granted_count = 0;
    count = 0;
    for (elo_span rest = in->filters; elo_mqtt_next_subscription(&rest, &sub); count++) {
        if (codes[count] != FAILURE) {
            granted[granted_count++] = sub.filter;
            broker__send_retained(c->session, sub.filter, codes[count]);
        }
    }
    broker__event_subscriptions(c, "subscriptions/subscribed", granted, granted_count);
}

void broker__on_unsubscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in)
{
    if (in->count > LIMIT_FILTERS_PER_SUBSCRIBE) {
        broker__refuse(c, "Unsubscribe", ELO_E_QUOTA, elo_span_of(NULL, 0),
                       "an UNSUBSCRIBE may have at most 8 filters");
        return;
    }
    elo_span filter;
    elo_span gone[LIMIT_FILTERS_PER_SUBSCRIBE];
    size_t gone_count = 0;
    broker__journal_watch(&c->broker->journal);
    for (elo_span rest = in->filters; elo_mqtt_next_filter(&rest, &filter);) {
        struct subscription **known = find(c->session, filter);
        if (known != NULL) {
            gone[gone_count++] = filter;
            broker__journal_unsubscribed(*known);
            unsubscribe(c->session, known);
        }
        struct report r = {.event = "Unsubscribe", .topic = filter};
        broker__report(c, LOG_INFO, &r);
    }
    if (hold_answer(c, "Unsubscribe")) {
        broker__send_ack(c, ELO_MQTT_UNSUBACK, in->packet_id); /* known or not [MQTT-3.10.4-5] */
    }
    broker__event_subscriptions(c, "subscriptions/unsubscribed", gone, gone_count);
}
