// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: whatever is refused comes here as a report. MQTT 3.1.1 has few words for it: the
 * connection is closed, as AWS does, unless there is a CONNACK code. MQTT 5 has a reason code for
 * every answer; the table says which, by error and by the packet that answers ("MQTT", Reason
 * codes, AWS IoT Developer Guide). Where an answer has none, a DISCONNECT tells it and the
 * connection ends; where DISCONNECT has none either, it just ends.
 */
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "server/broker/internal.h"

#define REASON_BYTES_MAX 512u

#define NOT_AUTHORIZED ELO_MQTT_RC_NOT_AUTHORIZED
#define UNSPECIFIED    ELO_MQTT_RC_UNSPECIFIED
#define QUOTA          ELO_MQTT_RC_QUOTA
#define TOPIC          ELO_MQTT_RC_TOPIC_INVALID
#define FILTER         ELO_MQTT_RC_FILTER_INVALID

static const struct {
    elo_err err;
    uint8_t codes[ANSWERS]; /* CONNACK, PUBACK, SUBACK, UNSUBACK, DISCONNECT */
} table[] = {
    {ELO_E_MALFORMED, {ELO_MQTT_RC_MALFORMED, 0, 0, 0, ELO_MQTT_RC_MALFORMED}},
    {ELO_E_UTF8, {ELO_MQTT_RC_MALFORMED, 0, 0, 0, ELO_MQTT_RC_MALFORMED}},
    {ELO_E_PROTOCOL, {ELO_MQTT_RC_PROTOCOL_ERROR, 0, 0, 0, ELO_MQTT_RC_PROTOCOL_ERROR}},
    {ELO_E_TOO_LARGE, {ELO_MQTT_RC_TOO_LARGE, 0, 0, 0, ELO_MQTT_RC_TOO_LARGE}},
    {ELO_E_TOPIC, {TOPIC, TOPIC, FILTER, FILTER, TOPIC}},
    {ELO_E_UNSUPPORTED, {ELO_MQTT_RC_QOS, TOPIC, 0, 0, ELO_MQTT_RC_QOS}},
    {ELO_E_QUOTA, {QUOTA, QUOTA, QUOTA, 0, QUOTA}},
    {ELO_E_THROTTLED, {QUOTA, QUOTA, QUOTA, 0, QUOTA}},
    {ELO_E_LIFETIME, {0, 0, 0, 0, ELO_MQTT_RC_CONNECT_TIME}},
    {ELO_E_SLOW_CONSUMER, {QUOTA, 0, 0, 0, QUOTA}},
    {ELO_E_NO_POLICY, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_POLICY_CONNECT, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_POLICY_PUBLISH, {NOT_AUTHORIZED, NOT_AUTHORIZED, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_POLICY_SUBSCRIBE, {0, 0, NOT_AUTHORIZED, 0, NOT_AUTHORIZED}},
    {ELO_E_AUTHORIZER, {ELO_MQTT_RC_PASSWORD, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_LAMBDA, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_CERT_MISSING, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_CERT_UNKNOWN, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_CERT_INACTIVE, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_CERT_REVOKED, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_CERT_EXPIRED, {NOT_AUTHORIZED, 0, 0, 0, NOT_AUTHORIZED}},
    {ELO_E_NO_MEMORY, {UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED}},
    {ELO_E_KEEP_ALIVE, {0, 0, 0, 0, ELO_MQTT_RC_KEEP_ALIVE}},
    {ELO_E_TAKEN_OVER, {0, 0, 0, 0, ELO_MQTT_RC_TAKEN_OVER}},
    {ELO_E_IO, {UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, 0}},
    {ELO_E_DISK_FULL, {UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED}},
};

static uint8_t code_for(elo_err err, enum answer answer)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].err == err) {
            return table[i].codes[answer];
        }
    }
    return 0;
}

uint8_t broker__reason_code(const struct report *r, enum answer answer)
{
    return r->code5 != 0 ? r->code5 : code_for(r->err, answer);
}

/* The reason string as a property; nothing if the client wants none or could not take it. */
static elo_span reason_of(const struct broker_conn *c, const char *text, uint8_t *room, size_t cap)
{
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, cap);
    elo_span reason = elo_span_str(text);
    if (reason.len > 0 && !c->no_reasons && reason.len + REASON_OVERHEAD < c->packet_max) {
        elo_mqtt_put_text(&w, ELO_MQTT_PROP_REASON_STRING, reason);
    }
    return elo_mqtt_properties_done(&w);
}

void broker__send_refusal(
    struct broker_conn *c, elo_mqtt_type type, uint16_t packet_id, uint8_t code, const char *text)
{
    uint8_t room[REASON_BYTES_MAX + REASON_OVERHEAD];
    uint8_t packet[REASON_BYTES_MAX + 2 * REASON_OVERHEAD];
    struct elo_mqtt_ack ack = {.packet_id = packet_id, .code = code};
    size_t len;
    ack.properties = reason_of(c, text, room, sizeof room);
    if (elo_mqtt5_encode_ack(type, &ack, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

static void send_disconnect(struct broker_conn *c, uint8_t code, const char *text)
{
    uint8_t room[REASON_BYTES_MAX + REASON_OVERHEAD];
    uint8_t packet[REASON_BYTES_MAX + 2 * REASON_OVERHEAD];
    struct elo_mqtt_disconnect disconnect = {.code = code};
    size_t len;
    disconnect.properties = reason_of(c, text, room, sizeof room);
    if (elo_mqtt5_encode_disconnect(ELO_MQTT_DISCONNECT, &disconnect, packet, sizeof packet,
                                    &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

static void send_refusing_connack(struct broker_conn *c, uint8_t code, const char *text)
{
    uint8_t room[REASON_BYTES_MAX + REASON_OVERHEAD];
    uint8_t packet[REASON_BYTES_MAX + 2 * REASON_OVERHEAD];
    struct elo_mqtt_connack connack = {.code = code};
    size_t len;
    connack.properties = reason_of(c, text, room, sizeof room);
    if (elo_mqtt5_encode_connack(&connack, packet, sizeof packet, &len) == ELO_OK &&
        len <= c->packet_max) { /* who cannot take a CONNACK hears nothing else either */
        broker__send(c, elo_span_of(packet, len));
    }
}

static void send_connack3(struct broker_conn *c, uint8_t code)
{
    const struct elo_mqtt_connack connack = {.code = code};
    uint8_t packet[4];
    size_t len;
    if (elo_mqtt_encode_connack(&connack, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

void broker__last_words(struct broker_conn *c, const struct report *r)
{
    bool connecting = c->session == NULL;
    if (r->silent) {
        return;
    }
    if (c->version != ELO_MQTT_5) {
        if (connecting && r->code3 != 0) {
            send_connack3(c, r->code3);
        }
        return;
    }
    uint8_t code = broker__reason_code(r, connecting ? ANSWER_CONNACK : ANSWER_DISCONNECT);
    if (code != 0 && connecting) {
        send_refusing_connack(c, code, r->details);
    } else if (code != 0) {
        send_disconnect(c, code, r->details);
    }
}

void broker__farewell(struct broker_conn *c, uint8_t code, const char *text)
{
    const struct report r = {.code5 = code, .details = text};
    if (c->session != NULL) {
        broker__last_words(c, &r);
    }
}

uint8_t broker__refused(struct broker_conn *c, const struct report *r, enum answer answer)
{
    uint8_t code = c->version == ELO_MQTT_5 ? code_for(r->err, answer) : 0;
    if (code == 0) {
        broker__fail(c, r);
        return ELO_MQTT_RC_UNSPECIFIED;
    }
    broker__report(c, LOG_ERROR, r);
    return r->code5 != 0 ? r->code5 : code;
}
