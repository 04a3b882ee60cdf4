// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The properties of MQTT 5 [MQTT5-2.2.2]: walking, finding, reading and writing them.
 *
 * In packets they are a span of bytes, which the decoder has checked whole; so what reads here
 * reports no errors. To encode, properties are put one after the other into the caller's buffer and
 * the result is given to the packet:
 *
 *     uint8_t room[64];
 *     struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, sizeof room);
 *     elo_mqtt_put_number(&w, ELO_MQTT_PROP_SERVER_KEEP_ALIVE, 60);
 *     elo_mqtt_put_text(&w, ELO_MQTT_PROP_REASON_STRING, ELO_SPAN("no"));
 *     connack.properties = elo_mqtt_properties_done(&w);
 *
 * Spans handed out point into the properties given. Re-entrant; no state.
 */
#ifndef ELO_MQTT_PROPERTY_H
#define ELO_MQTT_PROPERTY_H

#include "elo/mqtt/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Property identifiers [MQTT5-2.2.2.2]. */
enum {
    ELO_MQTT_PROP_PAYLOAD_FORMAT = 0x01,
    ELO_MQTT_PROP_MESSAGE_EXPIRY = 0x02,
    ELO_MQTT_PROP_CONTENT_TYPE = 0x03,
    ELO_MQTT_PROP_RESPONSE_TOPIC = 0x08,
    ELO_MQTT_PROP_CORRELATION_DATA = 0x09,
    ELO_MQTT_PROP_SUBSCRIPTION_ID = 0x0B,
    ELO_MQTT_PROP_SESSION_EXPIRY = 0x11,
    ELO_MQTT_PROP_ASSIGNED_CLIENT_ID = 0x12,
    ELO_MQTT_PROP_SERVER_KEEP_ALIVE = 0x13,
    ELO_MQTT_PROP_AUTH_METHOD = 0x15,
    ELO_MQTT_PROP_AUTH_DATA = 0x16,
    ELO_MQTT_PROP_REQUEST_PROBLEM_INFO = 0x17,
    ELO_MQTT_PROP_WILL_DELAY = 0x18,
    ELO_MQTT_PROP_REQUEST_RESPONSE_INFO = 0x19,
    ELO_MQTT_PROP_RESPONSE_INFO = 0x1A,
    ELO_MQTT_PROP_SERVER_REFERENCE = 0x1C,
    ELO_MQTT_PROP_REASON_STRING = 0x1F,
    ELO_MQTT_PROP_RECEIVE_MAXIMUM = 0x21,
    ELO_MQTT_PROP_ALIAS_MAXIMUM = 0x22,
    ELO_MQTT_PROP_ALIAS = 0x23,
    ELO_MQTT_PROP_MAXIMUM_QOS = 0x24,
    ELO_MQTT_PROP_RETAIN_AVAILABLE = 0x25,
    ELO_MQTT_PROP_USER = 0x26,
    ELO_MQTT_PROP_MAXIMUM_PACKET = 0x27,
    ELO_MQTT_PROP_WILDCARD_AVAILABLE = 0x28,
    ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE = 0x29,
    ELO_MQTT_PROP_SHARED_AVAILABLE = 0x2A
};

struct elo_mqtt_property {
    uint8_t id;
    uint32_t number; /* of one, two or four bytes, or a variable byte integer; else 0 */
    elo_span name;   /* of a user property; else empty */
    elo_span text;   /* of a string, binary data or user property; else empty */
    elo_span raw;    /* the whole property as it stands on the wire */
};

/* Cuts the next property off `*rest`. Set it to the packet's properties first. false at the end. */
bool elo_mqtt_next_property(elo_span *rest, struct elo_mqtt_property *out);

/* The first one with this id; false, and `out` untouched, if there is none. */
bool elo_mqtt_find_property(elo_span properties, uint8_t id, struct elo_mqtt_property *out);

/* All that CONNECT and CONNACK can agree on. What is absent has the standard's default. */
struct elo_mqtt_terms {
    uint32_t session_expiry_s; /* 0; UINT32_MAX: never */
    uint32_t maximum_packet;   /* UINT32_MAX: none was said */
    uint16_t receive_maximum;  /* 65,535 */
    uint16_t alias_maximum;    /* 0 */
    bool has_session_expiry;
    bool has_auth_method;

    /* CONNECT */
    bool wants_problem_info;  /* true */
    bool wants_response_info; /* false */

    /* CONNACK */
    bool has_keep_alive;
    bool has_assigned_client_id;
    uint16_t keep_alive_s; /* with has_keep_alive */
    uint8_t maximum_qos;   /* 2 */
    bool retain;           /* true */
    bool wildcards;        /* true */
    bool subscription_ids; /* true */
    bool shared;           /* true */
    elo_span assigned_client_id;
    elo_span reason_string;
    elo_span response_info;
    elo_span server_reference;

    elo_span auth_method; /* both; with has_auth_method */
    elo_span auth_data;
};

void elo_mqtt_read_terms(elo_span properties, struct elo_mqtt_terms *out);

/*
 * What a server gives on of the properties of a PUBLISH or a will: all but Topic Alias,
 * Subscription Identifier and Will Delay, which are between two parties, and Message Expiry, which
 * counts down (write it anew). The order is kept [MQTT5-3.3.2-18]. `to` takes properties.len bytes;
 * returns how many were written. Without `has` bits of ALIAS, EXPIRY or SUBSCRIPTION_ID there is
 * nothing to leave out: give on the span itself.
 */
size_t elo_mqtt_copy_forwardable(elo_span properties, uint8_t *to);

/* Where properties are put together. Its fields are private. */
struct elo_mqtt_property_writer {
    uint8_t *start;
    size_t cap;
    size_t len;
    bool full; /* something was left out */
};

struct elo_mqtt_property_writer elo_mqtt_properties_into(uint8_t *buf, size_t cap);

/* A property of a number, in the width its id has. A number over that width is a bug, as is an id
 * of another kind; so with the others. What does not fit is left out. */
void elo_mqtt_put_number(struct elo_mqtt_property_writer *w, uint8_t id, uint32_t number);

/* A property of a string or binary data. Over 65,535 bytes it does not fit. */
void elo_mqtt_put_text(struct elo_mqtt_property_writer *w, uint8_t id, elo_span text);

/* A user property. */
void elo_mqtt_put_user(struct elo_mqtt_property_writer *w, elo_span name, elo_span value);

/* Properties as they stand. */
void elo_mqtt_put_raw(struct elo_mqtt_property_writer *w, elo_span properties);

/* Has everything fitted? */
bool elo_mqtt_properties_fit(const struct elo_mqtt_property_writer *w);

/* What was put and fitted, in the buffer given. */
elo_span elo_mqtt_properties_done(const struct elo_mqtt_property_writer *w);

#ifdef __cplusplus
}
#endif

#endif
