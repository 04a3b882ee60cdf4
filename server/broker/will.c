// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/mem.h"
#include "server/broker/internal.h"
#include "server/broker/reserved.h"

/* A will that the client could not publish itself makes its CONNECT unauthorised. */
static bool
deny(struct broker_conn *c, elo_span client_id, enum policy_action action, elo_span topic)
{
    char why[512] = "";
    (void)auth_explain(c->auth, action, topic, why, sizeof why);
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
    if (fault != NULL) {
        return broker__refuse_connect(c, client_id, err, fault);
    }
    if (will->qos > 1) {
        return broker__refuse_connect(c, client_id, ELO_E_UNSUPPORTED,
                                      "AWS IoT Core has no QoS 2 for a will");
    }
    if (will->retain && will->topic.ptr[0] == '$' && c->broker->compat.retain_on_reserved == 0) {
        return broker__refuse_connect(c, client_id, ELO_E_UNSUPPORTED,
                                      "messages on reserved topics cannot be retained");
    }
    if (!auth_allows(c->auth, POLICY_Publish, will->topic)) {
        return deny(c, client_id, POLICY_Publish, will->topic);
    }
    if (will->retain && !auth_allows(c->auth, POLICY_RetainPublish, will->topic)) {
        return deny(c, client_id, POLICY_RetainPublish, will->topic);
    }
    return true;
}

bool broker__will_keep(struct broker_conn *c, const struct elo_mqtt_connect *in)
{
    if (!in->has_will) {
        return true;
    }
    const struct publication p = {.topic = in->will.topic,
                                  .hash = map_hash(in->will.topic),
                                  .payload = in->will.payload,
                                  .expires_ms = MESSAGE_FOREVER,
                                  .qos = in->will.qos};
    struct will *will = mem_zero(sizeof *will);
    if (will == NULL) {
        return false;
    }
    will->m = broker__message_new(&p);
    will->retain = in->will.retain;
    will->expiry_s = WILL_FOREVER;
    if (will->m == NULL) {
        mem_free(will);
        return false;
    }
    c->will = will;
    return true;
}

static void free_will(struct will *will)
{
    if (will != NULL) {
        broker__message_release(will->m);
        mem_free(will);
    }
}

void broker__will_drop(struct broker_conn *c)
{
    free_will(c->will);
    c->will = NULL;
}

static void publish(struct broker_conn *c, struct will *will, const struct session *s)
{
    struct broker *b = c->broker;
    if (will->expiry_s != WILL_FOREVER) { /* from now on; nobody else has seen it yet */
        will->m->expires_ms = b->now.mono_ms + (int64_t)will->expiry_s * 1000;
    }
    struct publication p = broker__publication_of(will->m);
    p.retain = will->retain;
    p.from = s;
    elo_err err = broker__publish(b, &p);
    if (err != ELO_OK) {
        struct report r = {.event = "Publish-In",
                           .err = err,
                           .topic = p.topic,
                           .details = "a last will could not be published"};
        b->stats.dropped++;
        broker__report(c, LOG_ERROR, &r);
    }
}

void broker__will_publish(struct broker_conn *c, const struct session *s)
{
    struct will *will = c->will;
    if (will != NULL) {
        c->will = NULL;
        publish(c, will, s);
        free_will(will);
    }
}
