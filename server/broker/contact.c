// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The first connection of a certificate that is not registered, or waits for its activation:
 * just-in-time registration and provisioning ("Automatic client registration", "Just-in-time
 * provisioning", AWS IoT Developer Guide). What is done about the certificate is
 * server/provisioning's; here is what devices and subscribers see of it. The connection ends
 * without a CONNACK in every case, as measured on AWS.
 */
#include "server/broker/internal.h"

#include <stdio.h>

#include "server/provisioning/provisioning.h"

/* $aws/events/certificates/registered/CA: to whoever subscribes, each time the device knocks. */
static void publish_registered(struct broker_conn *c, const char *ca_id)
{
    struct broker *b = c->broker;
    char topic[128];
    uint8_t payload[PROVISIONING_EVENT_BYTES];
    size_t len = provisioning_event(authorizer_registry(b->auth),
                                    auth_session_certificate_id(c->auth), elo_span_str(ca_id),
                                    auth_session_source_ip(c->auth), b->now.wall_ms, payload);
    (void)snprintf(topic, sizeof topic, "$aws/events/certificates/registered/%s", ca_id);
    if (broker_publish(b, elo_span_str(topic), elo_span_of(payload, len), 1, false, b->now) !=
        ELO_OK) {
        struct report r = {.event = "RegisterCertificate",
                           .err = ELO_E_NO_MEMORY,
                           .reason = "SERVER_ERROR",
                           .details = "the event of a registered certificate could not be told"};
        broker__report(c, LOG_ERROR, &r);
    }
}

bool broker__first_contact(struct broker_conn *c, elo_span client_id)
{
    struct broker *b = c->broker;
    struct first_contact_result result;
    if (c->refused != ELO_E_CERT_UNKNOWN && c->refused != ELO_E_CERT_INACTIVE) {
        return false;
    }
    provisioning_first_contact(authorizer_registry(b->auth), auth_session_certificate_der(c->auth),
                               b->compat, b->now.wall_ms, &result);
    if (result.outcome == FIRST_CONTACT_NONE) {
        return false;
    }
    struct report r = {.event = "Connect",
                       .err = c->refused,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = client_id,
                       .details = result.why};
    b->stats.connects_refused++;
    broker__fail(c, &r);
    if (result.outcome == FIRST_CONTACT_PENDING) {
        publish_registered(c, result.ca_id);
    } else if (result.outcome == FIRST_CONTACT_PROVISIONED) {
        broker_certificate_changed(b, auth_session_certificate_id(c->auth), b->now);
    }
    return true;
}
