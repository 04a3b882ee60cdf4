// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * iot-data GetConnection, DeleteConnection, ListSubscriptions, SendDirectMessage: "Managing MQTT
 * connections", AWS IoT Developer Guide, and the AWS IoT Data Plane API Reference. A client id is
 * one segment of the path, percent-encoded.
 */
#include <inttypes.h>
#include <stdio.h>

#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"
#include "server/api/internal.h"

#define PAGE_DEFAULT      20
#define PAGE_MAX          200
#define TIMEOUT_DEFAULT_S 5
#define TIMEOUT_MAX_S     15

static aws_error check_client_id(struct call *c, elo_span id)
{
    if (id.len > LIMIT_CLIENT_ID_BYTES) {
        return api__invalid(c, "The client id has %zu bytes; at most %u are allowed", id.len,
                            LIMIT_CLIENT_ID_BYTES);
    }
    return id.ptr[0] == '$' ? api__invalid(c, "Client ID can't start with $") : AWS_OK;
}

static aws_error unknown(struct call *c, elo_span id, const char *what)
{
    return aws_fault_set(c->fault, AWS_ResourceNotFoundException, "Client %s %s",
                         text_quote(id).text, what);
}

static aws_error begin(struct call *c, enum policy_action action)
{
    aws_error error = check_client_id(c, c->vars[0]);
    return error ? error : api__authorize(c, action, c->vars[0]);
}

/* --- GetConnection -----------------------------------------------------------------------------
 */

struct told {
    struct broker_connection is;
    bool with_socket;
};

static aws_error write_connection(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct told *t = ctx;
    elo_json_begin_object(w);
    api__put_bool(w, "connected", t->is.connected);
    if (t->is.thing.len > 0) {
        api__put_text(w, "thingName", t->is.thing);
    }
    api__put_bool(w, "cleanSession", t->is.clean);
    if (t->with_socket && t->is.connected) {
        api__put_text(w, "sourceIp", t->is.source_ip);
        api__put_int(w, "sourcePort", t->is.source_port);
    }
    if (t->is.connected) {
        api__put_int(w, "keepAliveDuration", t->is.keep_alive_s);
    }
    if (t->is.connected_ms > 0) {
        api__put_int(w, "connectedSince", t->is.connected_ms);
    }
    if (!t->is.connected && t->is.disconnected_ms > 0) {
        api__put_int(w, "disconnectedSince", t->is.disconnected_ms);
        bool twin = strcmp(t->is.reason, "DUPLICATE_CLIENT_ID") == 0;
        api__put_text(w, "disconnectReason",
                      elo_span_str(twin ? "DUPLICATE_CLIENTID" : t->is.reason));
    }
    api__put_int(w, "sessionExpiry", t->is.expiry_s);
    api__put_text(w, "clientId", c->vars[0]);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetConnection(struct call *c)
{
    struct told t = {.with_socket = false};
    aws_error error = begin(c, POLICY_GetConnection);
    error = error ? error : api__query_bool(c, "includeSocketInformation", &t.with_socket);
    if (error == AWS_OK && !broker_connection(c->api->broker, c->vars[0], c->now, &t.is)) {
        error = unknown(c, c->vars[0], "has no connection and no session");
    }
    return error ? error : api__reply(c, write_connection, &t);
}

/* --- DeleteConnection --------------------------------------------------------------------------
 */

aws_error api__DeleteConnection(struct call *c)
{
    bool clean = false;
    bool prevent_will = false;
    aws_error error = begin(c, POLICY_DeleteConnection);
    error = error ? error : api__query_bool(c, "cleanSession", &clean);
    error = error ? error : api__query_bool(c, "preventWillMessage", &prevent_will);
    if (error != AWS_OK) {
        return error;
    }
    if (broker_delete_connection(c->api->broker, c->vars[0], clean, prevent_will, c->now) !=
        ELO_OK) {
        return unknown(c, c->vars[0], "has no connection and no session");
    }
    uint64_t after = broker_after(c->api->broker);
    c->out->after_seq = after == BROKER_NEVER ? 0 : after;
    return AWS_OK;
}

/* --- ListSubscriptions -------------------------------------------------------------------------
 */

struct listed {
    size_t from, max;
};

static aws_error write_subscriptions(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct listed *l = ctx;
    elo_span filter;
    uint8_t qos;
    size_t i = l->from;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("subscriptions"));
    elo_json_begin_array(w);
    while (i < l->from + l->max &&
           broker_subscription_at(c->api->broker, c->vars[0], i, &filter, &qos)) {
        elo_json_begin_object(w);
        api__put_text(w, "topicFilter", filter);
        api__put_int(w, "qos", qos);
        elo_json_end_object(w);
        i++;
    }
    elo_json_end_array(w);
    if (broker_subscription_at(c->api->broker, c->vars[0], i, &filter, &qos)) {
        char token[24];
        int len = snprintf(token, sizeof token, "%zu", i);
        api__put_text(w, "nextToken", elo_span_of(token, (size_t)len));
    }
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListSubscriptions(struct call *c)
{
    int64_t max = PAGE_DEFAULT;
    int64_t from = 0;
    aws_error error = begin(c, POLICY_ListSubscriptions);
    error = error ? error : api__query_int(c, "maxResults", 1, PAGE_MAX, &max, NULL);
    error = error ? error : api__query_int(c, "nextToken", 0, UINT16_MAX, &from, NULL);
    if (error == AWS_OK && !broker_has_session(c->api->broker, c->vars[0])) {
        error = unknown(c, c->vars[0], "has no session");
    }
    struct listed l = {(size_t)from, (size_t)max};
    return error ? error : api__reply(c, write_subscriptions, &l);
}

/* --- SendDirectMessage -------------------------------------------------------------------------
 */

static aws_error check_message(struct call *c, elo_span topic)
{
    if (topic.len == 0) {
        return api__invalid(c, "The topic is missing");
    }
    if (!elo_utf8_valid_mqtt(topic) || !elo_topic_name_valid(topic) || topic.ptr[0] == '$' ||
        !elo_topic_within_quota(topic)) {
        return api__invalid(c, "Topic %s is not one that can be published to",
                            text_quote(topic).text);
    }
    if (c->request->http.body.len > LIMIT_PAYLOAD_BYTES) {
        return aws_fault_set(c->fault, AWS_RequestEntityTooLargeException,
                             "The payload has %zu bytes; at most %u are allowed",
                             c->request->http.body.len, LIMIT_PAYLOAD_BYTES);
    }
    return AWS_OK;
}

static aws_error not_sent(struct call *c, elo_err err)
{
    switch (err) {
    case ELO_E_NOT_FOUND:
        return unknown(c, c->vars[0], "is not connected");
    case ELO_E_POLICY_RECEIVE:
        c->cause = err;
        return aws_fault_set(c->fault, AWS_ForbiddenException,
                             "The client's policy does not allow iot:Receive on this topic");
    case ELO_E_TOO_LARGE:
        return aws_fault_set(c->fault, AWS_RequestEntityTooLargeException,
                             "The message is larger than this client takes");
    case ELO_E_THROTTLED:
        return aws_fault_set(c->fault, AWS_ThrottlingException,
                             "The client has as many messages under way as it may");
    default:
        return api__out_of_memory(c);
    }
}

aws_error api__SendDirectMessage(struct call *c)
{
    int64_t timeout_s = TIMEOUT_DEFAULT_S;
    struct broker_direct direct = {.client_id = c->vars[0], .payload = c->request->http.body};
    aws_error error = begin(c, POLICY_SendDirectMessage);
    (void)api__query(c, "topic", &direct.topic);
    error = error ? error : check_message(c, direct.topic);
    error = error ? error : api__query_bool(c, "confirmation", &direct.confirm);
    error = error ? error : api__query_int(c, "timeout", 1, TIMEOUT_MAX_S, &timeout_s, NULL);
    /* The answer is written first: once the message is sent nothing may fail. */
    error = error ? error : api__reply_ok(c);
    if (error != AWS_OK) {
        return error;
    }
    c->topic = direct.topic;
    direct.timeout_ms = timeout_s * 1000;
    elo_err err = broker_send_direct(c->api->broker, &direct, c->now, &c->out->ticket);
    return err == ELO_OK ? AWS_OK : not_sent(c, err);
}
