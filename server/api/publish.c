// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * iot-data Publish: "HTTPS", AWS IoT Developer Guide, and Publish, AWS IoT Data Plane API
 * Reference. Of the account's administrator no policy is asked, of a device's certificate all. What
 * is meant for MQTT 5 subscribers (content type, response topic, user properties) is checked and
 * not passed on: the desk speaks MQTT 3.1.1.
 */
#include "elo/base/utf8.h"
#include "elo/mqtt/topic.h"
#include "server/api/internal.h"

#define EXPIRY_MAX_S 604800

static aws_error check_topic(struct call *c, elo_span topic)
{
    if (topic.len == 0) {
        return api__invalid(c, "The topic is missing");
    }
    if (!elo_utf8_valid_mqtt(topic)) {
        return api__invalid(c, "The topic is not UTF-8, or has a character U+0000");
    }
    if (topic.ptr[0] == '$') {
        return api__invalid(c, "Topic can't start with $");
    }
    if (!elo_topic_name_valid(topic)) {
        return api__invalid(c, "Topic %s has a wildcard (+ or #): only filters may",
                            api__quote(topic).text);
    }
    if (!elo_topic_within_quota(topic)) {
        return api__invalid(c, "Topic %s is longer than %u bytes, or has more than %u slashes",
                            api__quote(topic).text, LIMIT_TOPIC_BYTES, LIMIT_TOPIC_SLASHES);
    }
    return AWS_OK;
}

static aws_error check_mqtt5(struct call *c)
{
    int64_t expiry = 0;
    elo_span topic;
    aws_error error = api__query_int(c, "messageExpiry", 1, EXPIRY_MAX_S, &expiry, NULL);
    if (error == AWS_OK && api__query(c, "responseTopic", &topic) &&
        !(elo_utf8_valid_mqtt(topic) && elo_topic_name_valid(topic))) {
        error = api__invalid(c, "Value '%s' at 'responseTopic' is not a topic name",
                             api__quote(topic).text);
    }
    return error;
}

static aws_error write_ok(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)ctx;
    elo_json_begin_object(w);
    api__put_text(w, "message", ELO_SPAN("OK"));
    api__put_text(w, "traceId", elo_span_str(c->out->request_id));
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error not_stored(struct call *c)
{
    c->out->after_seq = 0;
    return aws_fault_set(c->fault, AWS_InternalFailureException,
                         "The message has to be stored, and the disk takes nothing: free some "
                         "space on it, then send the request again");
}

static aws_error publish(struct call *c, elo_span topic, uint8_t qos, bool retain)
{
    elo_err err = broker_publish(c->api->broker, topic, c->request->http.body, qos, retain, c->now);
    switch (err) {
    case ELO_OK:
        c->out->after_seq = broker_after(c->api->broker);
        return c->out->after_seq == BROKER_NEVER ? not_stored(c) : AWS_OK;
    case ELO_E_QUOTA:
        return aws_fault_set(c->fault, AWS_ThrottlingException,
                             "There are as many retained messages as may be kept (%u)",
                             LIMIT_RETAINED_MESSAGES);
    case ELO_E_TOPIC:
        return api__invalid(c, "Topic %s cannot be published to", api__quote(topic).text);
    case ELO_E_NO_MEMORY:
        return api__out_of_memory(c);
    default:
        return not_stored(c);
    }
}

aws_error api__Publish(struct call *c)
{
    elo_span topic = c->vars[0];
    int64_t qos = 0;
    bool retain = false;
    aws_error error = check_topic(c, topic);
    if (error == AWS_OK) {
        c->topic = topic;
    }
    error = error ? error : api__query_int(c, "qos", 0, 1, &qos, NULL);
    error = error ? error : api__query_bool(c, "retain", &retain);
    error = error ? error : check_mqtt5(c);
    error = error ? error : api__authorize(c, POLICY_Publish, topic);
    error = error || !retain ? error : api__authorize(c, POLICY_RetainPublish, topic);
    if (error == AWS_OK && c->request->http.body.len > LIMIT_PAYLOAD_BYTES) {
        error = aws_fault_set(c->fault, AWS_RequestEntityTooLargeException,
                              "The payload has %zu bytes; at most %u are allowed",
                              c->request->http.body.len, LIMIT_PAYLOAD_BYTES);
    }
    error = error ? error : api__reserve(c, 128);
    error = error ? error : publish(c, topic, (uint8_t)qos, retain);
    return error ? error : api__reply(c, write_ok, NULL);
}
