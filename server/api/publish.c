// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * iot-data Publish: "HTTPS", AWS IoT Developer Guide, and Publish, AWS IoT Data Plane API
 * Reference. Of the account's administrator no policy is asked, of a device's certificate all. What
 * is meant for MQTT 5 subscribers goes with the message.
 */
#include "elo/base/utf8.h"
#include "elo/json/read.h"
#include "elo/mqtt/property.h"
#include "elo/mqtt/topic.h"
#include "server/api/internal.h"

#define EXPIRY_MAX_S   604800
#define PROPERTIES_MAX 8192u

struct mqtt5 {
    struct elo_mqtt_property_writer w;
    uint32_t expiry_s;
    uint8_t room[PROPERTIES_MAX];
};

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
                            text_quote(topic).text);
    }
    if (!elo_topic_within_quota(topic)) {
        return api__invalid(c, "Topic %s is longer than %u bytes, or has more than %u slashes",
                            text_quote(topic).text, LIMIT_TOPIC_BYTES, LIMIT_TOPIC_SLASHES);
    }
    return AWS_OK;
}

static aws_error take_number(struct call *c, struct mqtt5 *m)
{
    int64_t expiry = 0;
    elo_span format;
    aws_error error = api__query_int(c, "messageExpiry", 1, EXPIRY_MAX_S, &expiry, NULL);
    m->expiry_s = (uint32_t)expiry;
    if (error || !api__header(c, "x-amz-mqtt5-payload-format-indicator", &format)) {
        return error;
    }
    bool utf8 = elo_span_eq(format, ELO_SPAN("UTF8_DATA"));
    if (!utf8 && !elo_span_eq(format, ELO_SPAN("UNSPECIFIED_BYTES"))) {
        return api__invalid(c,
                            "Value '%s' at 'payloadFormatIndicator' must be UNSPECIFIED_BYTES "
                            "or UTF8_DATA",
                            text_quote(format).text);
    }
    if (utf8 && !elo_utf8_valid(c->request->http.body)) {
        return api__invalid(c, "The payload is not UTF-8, as payloadFormatIndicator says");
    }
    elo_mqtt_put_number(&m->w, ELO_MQTT_PROP_PAYLOAD_FORMAT, utf8);
    return AWS_OK;
}

static aws_error take_texts(struct call *c, struct mqtt5 *m)
{
    elo_span text;
    if (api__query(c, "contentType", &text)) {
        if (!elo_utf8_valid_mqtt(text)) {
            return api__invalid(c, "Value at 'contentType' is not UTF-8");
        }
        elo_mqtt_put_text(&m->w, ELO_MQTT_PROP_CONTENT_TYPE, text);
    }
    if (api__query(c, "responseTopic", &text)) {
        if (!elo_utf8_valid_mqtt(text) || !elo_topic_name_valid(text)) {
            return api__invalid(c, "Value '%s' at 'responseTopic' is not a topic name",
                                text_quote(text).text);
        }
        elo_mqtt_put_text(&m->w, ELO_MQTT_PROP_RESPONSE_TOPIC, text);
    }
    if (api__header(c, "x-amz-mqtt5-correlation-data", &text) && text.len > 0) {
        elo_span data;
        aws_error error = api__base64(c, text, "correlationData", &data);
        if (error) {
            return error;
        }
        elo_mqtt_put_text(&m->w, ELO_MQTT_PROP_CORRELATION_DATA, data);
    }
    return AWS_OK;
}

/* base64 of a JSON array of objects with one member each: [{"site":"desk"},{"n":"3"}]. */
static aws_error take_users(struct call *c, struct mqtt5 *m)
{
    elo_span text, json;
    struct elo_json_reader r;
    struct elo_json_token token;
    if (!api__header(c, "x-amz-mqtt5-user-properties", &text) || text.len == 0) {
        return AWS_OK;
    }
    aws_error error = api__base64(c, text, "userProperties", &json);
    if (error) {
        return error;
    }
    elo_json_reader_init(&r, json);
    if (elo_json_validate(json) != ELO_OK || elo_json_next(&r, &token) != ELO_OK ||
        token.type != ELO_JSON_ARRAY_BEGIN) {
        return api__invalid(c, "'userProperties' must be a JSON array in base64");
    }
    while (!error && elo_json_next(&r, &token) == ELO_OK && token.type != ELO_JSON_ARRAY_END) {
        elo_span raw;
        struct thing_attribute *pair = NULL;
        size_t count = 0;
        if (token.type != ELO_JSON_OBJECT_BEGIN || elo_json_skip(&r, &token, &raw) != ELO_OK) {
            return api__invalid(c, "'userProperties' must hold objects of one string each");
        }
        error = api__string_map(c, raw, "userProperties", &pair, &count);
        for (size_t i = 0; !error && i < count; i++) {
            elo_mqtt_put_user(&m->w, pair[i].name, pair[i].value);
        }
    }
    return error;
}

static aws_error take_mqtt5(struct call *c, struct mqtt5 *m)
{
    m->w = elo_mqtt_properties_into(m->room, sizeof m->room);
    aws_error error = take_number(c, m);
    error = error ? error : take_texts(c, m);
    error = error ? error : take_users(c, m);
    if (!error && !elo_mqtt_properties_fit(&m->w)) {
        error = api__invalid(c, "The MQTT 5 properties are longer than %u bytes together",
                             PROPERTIES_MAX);
    }
    return error;
}

static aws_error not_stored(struct call *c)
{
    c->out->after_seq = 0;
    return aws_fault_set(c->fault, AWS_InternalFailureException,
                         "The message has to be stored, and the disk takes nothing: free some "
                         "space on it, then send the request again");
}

static aws_error
publish(struct call *c, elo_span topic, const struct mqtt5 *m, uint8_t qos, bool retain)
{
    elo_err err = broker_publish5(c->api->broker, topic, c->request->http.body,
                                  elo_span_of(m->room, m->w.len), m->expiry_s, qos, retain, c->now);
    switch (err) {
    case ELO_OK:
        c->out->after_seq = broker_after(c->api->broker);
        return c->out->after_seq == BROKER_NEVER ? not_stored(c) : AWS_OK;
    case ELO_E_QUOTA:
        return aws_fault_set(c->fault, AWS_ThrottlingException,
                             "There are as many retained messages as may be kept (%u)",
                             LIMIT_RETAINED_MESSAGES);
    case ELO_E_TOPIC:
        return api__invalid(c, "Topic %s cannot be published to", text_quote(topic).text);
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
    struct mqtt5 m = {.expiry_s = 0};
    aws_error error = check_topic(c, topic);
    if (error == AWS_OK) {
        c->topic = topic;
    }
    error = error ? error : api__query_int(c, "qos", 0, 1, &qos, NULL);
    error = error ? error : api__query_bool(c, "retain", &retain);
    error = error ? error : take_mqtt5(c, &m);
    error = error ? error : api__authorize(c, POLICY_Publish, topic);
    error = error || !retain ? error : api__authorize(c, POLICY_RetainPublish, topic);
    if (error == AWS_OK && c->request->http.body.len > LIMIT_PAYLOAD_BYTES) {
        error = aws_fault_set(c->fault, AWS_RequestEntityTooLargeException,
                              "The payload has %zu bytes; at most %u are allowed",
                              c->request->http.body.len, LIMIT_PAYLOAD_BYTES);
    }
    error = error ? error : api__reserve(c, 128);
    error = error ? error : publish(c, topic, &m, (uint8_t)qos, retain);
    return error ? error : api__reply_ok(c);
}
