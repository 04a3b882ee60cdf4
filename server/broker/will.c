// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
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

void broker__will_publish(struct broker_conn *c)
{
    struct message *will = c->will;
    if (will == NULL) {
        return;
    }
    c->will = NULL;
    struct publication p = broker__publication_of(will);
    elo_err err = broker__publish(c->broker, &p, c->will_retain);
    if (err != ELO_OK) {
        struct report r = {.event = "Publish-In",
                           .err = err,
                           .topic = p.topic,
                           .details = "a last will could not be published"};
        c->broker->stats.dropped++;
        broker__report(c, LOG_ERROR, &r);
    }
    broker__message_release(will);
}
