// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What the properties of CONNECT and CONNACK agree on. */
#include "elo/mqtt/property.h"

static void read_numbers(const struct elo_mqtt_property *p, struct elo_mqtt_terms *t)
{
    if (p->id == ELO_MQTT_PROP_SESSION_EXPIRY) {
        t->session_expiry_s = p->number;
        t->has_session_expiry = true;
    } else if (p->id == ELO_MQTT_PROP_RECEIVE_MAXIMUM) {
        t->receive_maximum = (uint16_t)p->number;
    } else if (p->id == ELO_MQTT_PROP_MAXIMUM_PACKET) {
        t->maximum_packet = p->number;
    } else if (p->id == ELO_MQTT_PROP_ALIAS_MAXIMUM) {
        t->alias_maximum = (uint16_t)p->number;
    } else if (p->id == ELO_MQTT_PROP_SERVER_KEEP_ALIVE) {
        t->keep_alive_s = (uint16_t)p->number;
        t->has_keep_alive = true;
    } else if (p->id == ELO_MQTT_PROP_MAXIMUM_QOS) {
        t->maximum_qos = (uint8_t)p->number;
    }
}

static void read_booleans(const struct elo_mqtt_property *p, struct elo_mqtt_terms *t)
{
    bool yes = p->number != 0;
    if (p->id == ELO_MQTT_PROP_REQUEST_PROBLEM_INFO) {
        t->wants_problem_info = yes;
    } else if (p->id == ELO_MQTT_PROP_REQUEST_RESPONSE_INFO) {
        t->wants_response_info = yes;
    } else if (p->id == ELO_MQTT_PROP_RETAIN_AVAILABLE) {
        t->retain = yes;
    } else if (p->id == ELO_MQTT_PROP_WILDCARD_AVAILABLE) {
        t->wildcards = yes;
    } else if (p->id == ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE) {
        t->subscription_ids = yes;
    } else if (p->id == ELO_MQTT_PROP_SHARED_AVAILABLE) {
        t->shared = yes;
    }
}

static void read_texts(const struct elo_mqtt_property *p, struct elo_mqtt_terms *t)
{
    if (p->id == ELO_MQTT_PROP_ASSIGNED_CLIENT_ID) {
        t->assigned_client_id = p->text;
        t->has_assigned_client_id = true;
    } else if (p->id == ELO_MQTT_PROP_REASON_STRING) {
        t->reason_string = p->text;
    } else if (p->id == ELO_MQTT_PROP_RESPONSE_INFO) {
        t->response_info = p->text;
    } else if (p->id == ELO_MQTT_PROP_SERVER_REFERENCE) {
        t->server_reference = p->text;
    } else if (p->id == ELO_MQTT_PROP_AUTH_METHOD) {
        t->auth_method = p->text;
        t->has_auth_method = true;
    } else if (p->id == ELO_MQTT_PROP_AUTH_DATA) {
        t->auth_data = p->text;
    }
}

void elo_mqtt_read_terms(elo_span properties, struct elo_mqtt_terms *out)
{
    struct elo_mqtt_property p;
    memset(out, 0, sizeof *out);
    out->maximum_packet = UINT32_MAX;
    out->receive_maximum = UINT16_MAX;
    out->maximum_qos = 2;
    out->wants_problem_info = true;
    out->retain = true;
    out->wildcards = true;
    out->subscription_ids = true;
    out->shared = true;
    while (elo_mqtt_next_property(&properties, &p)) {
        read_numbers(&p, out);
        read_booleans(&p, out);
        read_texts(&p, out);
    }
}
