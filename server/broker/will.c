// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/mqtt/property.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"
#include "server/broker/reserved.h"

/* A will that the client could not publish itself makes its CONNECT unauthorised. */
static bool
deny(struct broker_conn *c, elo_span client_id, enum policy_action action, elo_span topic)
{
    char why[512];
    broker__explain(c, action, topic, why, sizeof why);
    struct report r = {.event = "Connect",
                       .err = ELO_E_POLICY_PUBLISH,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = client_id,
                       .topic = topic,
                       .details = why};
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
    broker__event_connect_failed(c, client_id);
    return false;
}

bool broker__will_allowed(struct broker_conn *c,
                          elo_span client_id,
                          const struct elo_mqtt_will *will)
{
    elo_err err;
    const char *fault = broker__publish_fault(will->topic, &err);
    if (fault == NULL && will->qos > 1) {
        err = ELO_E_UNSUPPORTED;
        fault = "AWS IoT Core has no QoS 2 for a will";
    }
    if (fault != NULL) {
        return broker__refuse_connect(c, client_id, err, fault);
    }
    if (will->retain && will->topic.ptr[0] == '$' && c->broker->compat.retain_on_reserved == 0) {
        struct report r = {.event = "Connect",
                           .err = ELO_E_UNSUPPORTED,
                           .reason = "CLIENT_ERROR",
                           .client_id = client_id,
                           .details = "messages on reserved topics cannot be retained",
                           .code5 = ELO_MQTT_RC_TOPIC_INVALID};
        c->broker->stats.connects_refused++;
        broker__fail(c, &r);
        return false;
    }
    if (!auth_allows(c->auth, POLICY_Publish, will->topic)) {
        return deny(c, client_id, POLICY_Publish, will->topic);
    }
    if (will->retain && !auth_allows(c->auth, POLICY_RetainPublish, will->topic)) {
        return deny(c, client_id, POLICY_RetainPublish, will->topic);
    }
    return true;
}

static void read_times(struct will *will, elo_span properties)
{
    struct elo_mqtt_property p;
    will->expiry_s = WILL_FOREVER;
    if (elo_mqtt_find_property(properties, ELO_MQTT_PROP_MESSAGE_EXPIRY, &p)) {
        will->expiry_s = p.number < WILL_FOREVER ? p.number : WILL_FOREVER - 1;
    }
    if (elo_mqtt_find_property(properties, ELO_MQTT_PROP_WILL_DELAY, &p)) {
        will->delay_s = p.number;
    }
}

bool broker__will_keep(struct broker_conn *c, const struct elo_mqtt_connect *in)
{
    if (!in->has_will) {
        return true;
    }
    struct publication p = {.topic = in->will.topic,
                            .hash = map_hash(in->will.topic),
                            .payload = in->will.payload,
                            .expires_ms = MESSAGE_FOREVER,
                            .qos = in->will.qos};
    struct will *will = mem_zero(sizeof *will);
    if (will == NULL) {
        return false;
    }
    bool kept = broker__forwardable(c->broker, in->will.properties, false, &p.props);
    will->m = kept ? broker__message_new(&p) : NULL;
    will->retain = in->will.retain;
    read_times(will, in->will.properties);
    if (will->m == NULL) {
        mem_free(will);
        return false;
    }
    c->will = will;
    return true;
}

void broker__will_free(struct will *will)
{
    if (will != NULL) {
        broker__message_release(will->m);
        mem_free(will);
    }
}

void broker__will_drop(struct broker_conn *c)
{
    broker__will_free(c->will);
    c->will = NULL;
}

static const char LOST[] = "a last will could not be published";

/* `s`: whose it is, or NULL. */
static elo_err publish(struct broker *b, const struct will *will, const struct session *s)
{
    if (will->expiry_s != WILL_FOREVER) { /* from now on; nobody else has seen it yet */
        will->m->expires_ms = broker__message_end(b, will->expiry_s);
    }
    struct publication p = broker__publication_of(will->m);
    p.retain = will->retain;
    p.last_words = true;
    p.from = s;
    elo_err err = broker__publish(b, &p);
    b->stats.dropped += err != ELO_OK;
    return err;
}

/* With the switch: not before its delay is over, or the session. */
static bool must_wait(const struct broker *b, const struct will *will, const struct session *s)
{
    return b->compat.will_delay != 0 && will->delay_s > 0 && s != NULL;
}

static void wait_with(struct session *s, struct will *will)
{
    struct broker *b = s->broker;
    s->will = will;
    will->due_ms = b->now.mono_ms + (int64_t)will->delay_s * 1000;
    broker__timers_set(&b->timers, &s->timer,
                       will->due_ms < s->gone_ms ? will->due_ms : s->gone_ms);
}

void broker__will_leave(struct broker_conn *c, struct session *s)
{
    struct will *will = c->will;
    c->will = NULL;
    if (will == NULL) {
        return;
    }
    if (must_wait(c->broker, will, s)) {
        wait_with(s, will);
        return;
    }
    elo_err err = publish(c->broker, will, s);
    if (err != ELO_OK) {
        struct report r = {.event = "Publish-In",
                           .err = err,
                           .topic = broker__message_topic(will->m),
                           .details = LOST};
        broker__report(c, LOG_ERROR, &r);
    }
    broker__will_free(will);
}

void broker__will_publish(struct session *s)
{
    struct will *will = s->will;
    s->will = NULL;
    elo_err err = publish(s->broker, will, s);
    if (err != ELO_OK && broker__heard(s->broker, LOG_ERROR)) {
        struct log_record record = {.level = LOG_ERROR,
                                    .event_type = "Publish-In",
                                    .err = err,
                                    .protocol = "MQTT",
                                    .client_id = broker__client_id(s),
                                    .topic = broker__message_topic(will->m),
                                    .details = elo_span_str(LOST)};
        log_emit(s->broker->log, &record);
    }
    broker__will_free(will);
}
