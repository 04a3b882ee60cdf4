// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The first connection of a certificate that is not registered, or waits for its activation:
 * just-in-time registration and provisioning ("Automatic client registration", "Just-in-time
 * provisioning", AWS IoT Developer Guide). What is done about the certificate is
 * server/provisioning's; here is what devices and subscribers see of it. The connection ends in
 * every case: on MQTT 3.1.1 without a CONNACK, as measured on AWS, on MQTT 5 with CONNACK 0x87, as
 * any CONNECT that is not allowed.
 *
 * Who is told of a certificate must find it, also after a crash: the event waits for the batch that
 * registered it, and is dropped with it if the store fails. The device knocks again and makes
 * another.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#include <stdio.h>

#include "server/provisioning/provisioning.h"

/* $aws/events/certificates/registered/CA: to whoever subscribes, each time the device knocks. */
struct contact_event {
    TAILQ_ENTRY(contact_event) entry;
    uint64_t after; /* the store's batch that it tells of */
    size_t topic_len;
    size_t payload_len;
    char topic[128];
    uint8_t payload[PROVISIONING_EVENT_BYTES];
};

static void cannot_tell(const struct broker_conn *c, elo_err err)
{
    const struct report r = {.event = "RegisterCertificate",
                             .err = err,
                             .reason = "SERVER_ERROR",
                             .details = "the event of a registered certificate could not be told; "
                                        "the device's next connection brings another"};
    broker__report(c, LOG_ERROR, &r);
}

static struct contact_event *event_of(const struct broker_conn *c, const char *ca_id)
{
    const struct broker *b = c->broker;
    const struct registry *reg = authorizer_registry(b->auth);
    struct contact_event *e = mem_alloc(sizeof *e);
    if (e != NULL) {
        e->after = registry_after(reg);
        e->topic_len = (size_t)snprintf(e->topic, sizeof e->topic,
                                        "$aws/events/certificates/registered/%s", ca_id);
        e->payload_len =
            provisioning_event(reg, auth_session_certificate_id(c->auth), elo_span_str(ca_id),
                               auth_session_source_ip(c->auth), b->now.wall_ms, e->payload);
    }
    return e;
}

static void tell_registered(const struct broker_conn *c, const char *ca_id)
{
    struct broker *b = c->broker;
    struct contact_event *e = b->contact_count < CONTACT_EVENTS_MAX ? event_of(c, ca_id) : NULL;
    if (e == NULL) {
        cannot_tell(c, b->contact_count < CONTACT_EVENTS_MAX ? ELO_E_NO_MEMORY : ELO_E_QUOTA);
        return;
    }
    TAILQ_INSERT_TAIL(&b->contacts, e, entry);
    b->contact_count++;
    broker__contacts_stored(b, b->stored, 0);
}

static void publish(struct broker *b, const struct contact_event *e)
{
    if (broker_publish(b, elo_span_of(e->topic, e->topic_len),
                       elo_span_of(e->payload, e->payload_len), 1, false, b->now) != ELO_OK) {
        b->stats.dropped++;
    }
}

static void forget(struct broker *b, struct contact_event *e)
{
    TAILQ_REMOVE(&b->contacts, e, entry);
    b->contact_count--;
    mem_free(e);
}

void broker__contacts_stored(struct broker *b, uint64_t durable, uint64_t failed)
{
    struct contact_event *e;
    while ((e = TAILQ_FIRST(&b->contacts)) != NULL && (e->after <= durable || e->after <= failed)) {
        if (e->after <= durable) {
            publish(b, e);
        }
        forget(b, e);
    }
}

void broker__contacts_free(struct broker *b)
{
    while (!TAILQ_EMPTY(&b->contacts)) {
        forget(b, TAILQ_FIRST(&b->contacts));
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
        tell_registered(c, result.ca_id);
    } else if (result.outcome == FIRST_CONTACT_PROVISIONED) {
        broker_certificate_changed(b, auth_session_certificate_id(c->auth), b->now);
    }
    return true;
}
