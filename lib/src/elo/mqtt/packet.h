// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT control packets as values: 3.1.1 and 5.
 *
 * One struct per packet, used by both directions, both sides and both versions: what encode.h
 * writes, decode.h reads. Every span in a decoded packet points into the input and lives as long as
 * it does; every span in a packet to encode is only read during the call. Nothing here allocates.
 *
 * What MQTT 5 adds is marked (5): decoded from 3.1.1 it is zero or empty, and not read when 3.1.1
 * is encoded. `properties` are the bytes as they stand on the wire, without their length; the
 * decoder has checked them whole, property.h walks and writes them. Clauses of version 5 are cited
 * as [MQTT5-...].
 *
 * QoS is 0, 1 or 2 in these structs: the codec knows all of MQTT; that AWS IoT Core has no QoS 2
 * is the business of broker and client.
 */
#ifndef ELO_MQTT_PACKET_H
#define ELO_MQTT_PACKET_H

#include "elo/base/err.h"
#include "elo/base/span.h"

/* MQTT control packet types, the high nibble of the first byte [MQTT-2.2.1]. */
typedef enum elo_mqtt_type {
    ELO_MQTT_CONNECT = 1,
    ELO_MQTT_CONNACK,
    ELO_MQTT_PUBLISH,
    ELO_MQTT_PUBACK,
    ELO_MQTT_PUBREC,
    ELO_MQTT_PUBREL,
    ELO_MQTT_PUBCOMP,
    ELO_MQTT_SUBSCRIBE,
    ELO_MQTT_SUBACK,
    ELO_MQTT_UNSUBSCRIBE,
    ELO_MQTT_UNSUBACK,
    ELO_MQTT_PINGREQ,
    ELO_MQTT_PINGRESP,
    ELO_MQTT_DISCONNECT,
    ELO_MQTT_AUTH /* (5) */
} elo_mqtt_type;

/* Protocol levels [MQTT-3.1.2-2]. */
#define ELO_MQTT_3_1_1 4u
#define ELO_MQTT_5     5u

/* CONNACK return codes of 3.1.1 [MQTT-3.2.2.3]. */
enum {
    ELO_MQTT_ACCEPTED = 0,
    ELO_MQTT_REFUSED_VERSION = 1,
    ELO_MQTT_REFUSED_CLIENT_ID = 2,
    ELO_MQTT_REFUSED_SERVER = 3,
    ELO_MQTT_REFUSED_PASSWORD = 4,
    ELO_MQTT_REFUSED_AUTHORIZED = 5
};

/* Reason codes (5) [MQTT5-2.4]. From 0x80 on they say that something failed. */
enum {
    ELO_MQTT_RC_SUCCESS = 0x00, /* also: granted QoS 0, normal disconnection */
    ELO_MQTT_RC_GRANTED_QOS_1 = 0x01,
    ELO_MQTT_RC_GRANTED_QOS_2 = 0x02,
    ELO_MQTT_RC_DISCONNECT_WITH_WILL = 0x04,
    ELO_MQTT_RC_NO_SUBSCRIBERS = 0x10,
    ELO_MQTT_RC_NO_SUBSCRIPTION = 0x11,
    ELO_MQTT_RC_CONTINUE_AUTH = 0x18,
    ELO_MQTT_RC_REAUTHENTICATE = 0x19,
    ELO_MQTT_RC_UNSPECIFIED = 0x80,
    ELO_MQTT_RC_MALFORMED = 0x81,
    ELO_MQTT_RC_PROTOCOL_ERROR = 0x82,
    ELO_MQTT_RC_IMPLEMENTATION = 0x83,
    ELO_MQTT_RC_VERSION = 0x84,
    ELO_MQTT_RC_CLIENT_ID = 0x85,
    ELO_MQTT_RC_PASSWORD = 0x86,
    ELO_MQTT_RC_NOT_AUTHORIZED = 0x87,
    ELO_MQTT_RC_SERVER_UNAVAILABLE = 0x88,
    ELO_MQTT_RC_SERVER_BUSY = 0x89,
    ELO_MQTT_RC_BANNED = 0x8A,
    ELO_MQTT_RC_SHUTTING_DOWN = 0x8B,
    ELO_MQTT_RC_AUTH_METHOD = 0x8C,
    ELO_MQTT_RC_KEEP_ALIVE = 0x8D,
    ELO_MQTT_RC_TAKEN_OVER = 0x8E,
    ELO_MQTT_RC_FILTER_INVALID = 0x8F,
    ELO_MQTT_RC_TOPIC_INVALID = 0x90,
    ELO_MQTT_RC_ID_IN_USE = 0x91,
    ELO_MQTT_RC_ID_NOT_FOUND = 0x92,
    ELO_MQTT_RC_RECEIVE_MAXIMUM = 0x93,
    ELO_MQTT_RC_ALIAS_INVALID = 0x94,
    ELO_MQTT_RC_TOO_LARGE = 0x95,
    ELO_MQTT_RC_RATE = 0x96,
    ELO_MQTT_RC_QUOTA = 0x97,
    ELO_MQTT_RC_ADMINISTRATIVE = 0x98,
    ELO_MQTT_RC_PAYLOAD_FORMAT = 0x99,
    ELO_MQTT_RC_RETAIN = 0x9A,
    ELO_MQTT_RC_QOS = 0x9B,
    ELO_MQTT_RC_ANOTHER_SERVER = 0x9C,
    ELO_MQTT_RC_SERVER_MOVED = 0x9D,
    ELO_MQTT_RC_SHARED = 0x9E,
    ELO_MQTT_RC_CONNECTION_RATE = 0x9F,
    ELO_MQTT_RC_CONNECT_TIME = 0xA0,
    ELO_MQTT_RC_SUBSCRIPTION_ID = 0xA1,
    ELO_MQTT_RC_WILDCARD = 0xA2
};

/* The failure code of a SUBACK of 3.1.1 [MQTT-3.9.3-2]. */
#define ELO_MQTT_SUBACK_FAILURE 0x80u

/* The largest fixed header: one byte and a remaining length of four. */
#define ELO_MQTT_MAX_FIXED_HEADER 5u

/* The largest remaining length the encoding can say: 256 MiB less one. */
#define ELO_MQTT_MAX_REMAINING 268435455u

struct elo_mqtt_will {
    elo_span topic;
    elo_span payload;
    elo_span properties; /* (5) */
    uint8_t qos;
    bool retain;
};

struct elo_mqtt_connect {
    uint8_t level;      /* ELO_MQTT_3_1_1, ELO_MQTT_5 */
    bool clean_session; /* (5): Clean Start */
    bool has_will;
    bool has_username;
    bool has_password;
    uint16_t keep_alive_s; /* 0: no keep-alive asked for */
    elo_span client_id;
    struct elo_mqtt_will will;
    elo_span username;
    elo_span password;
    elo_span properties; /* (5) */
};

struct elo_mqtt_connack {
    bool session_present;
    uint8_t code;        /* ELO_MQTT_ACCEPTED ..., (5): ELO_MQTT_RC_... */
    elo_span properties; /* (5) */
};

/* What a PUBLISH's properties hold (5): bits of elo_mqtt_publish.has. */
enum {
    ELO_MQTT_HAS_ALIAS = 1,
    ELO_MQTT_HAS_EXPIRY = 2,
    ELO_MQTT_HAS_SUBSCRIPTION_ID = 4, /* one or more; a client may send none [MQTT5-3.3.4-6] */
    ELO_MQTT_HAS_UTF8_PAYLOAD = 8,    /* Payload Format Indicator 1; the payload is not looked at */
    ELO_MQTT_HAS_RESPONSE_TOPIC = 16
};

struct elo_mqtt_publish {
    elo_span topic; /* (5): may be empty if there is an alias */
    elo_span payload;
    uint16_t packet_id; /* 0 when qos is 0 */
    uint8_t qos;
    bool retain;
    bool dup;

    /* (5). The last three repeat what stands in `properties`, for those who decode; an encoder
     * reads `properties` alone. */
    uint8_t has; /* bits of ELO_MQTT_HAS_... */
    elo_span properties;
    uint16_t alias;    /* with ELO_MQTT_HAS_ALIAS; may be 0, which is answered with 0x94 */
    uint32_t expiry_s; /* with ELO_MQTT_HAS_EXPIRY */
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP; UNSUBACK of 3.1.1. */
struct elo_mqtt_ack {
    uint16_t packet_id;
    uint8_t code;        /* (5) ELO_MQTT_RC_... */
    elo_span properties; /* (5) */
};

/*
 * A SUBSCRIBE or UNSUBSCRIBE. `filters` is the payload as it stands on the wire, already checked
 * whole by the decoder; walk it with elo_mqtt_next_subscription() or elo_mqtt_next_filter().
 */
struct elo_mqtt_subscribe {
    uint16_t packet_id;
    uint32_t count; /* filters in the payload, 1 ...: a large packet holds more than 65,535 */
    elo_span filters;
    elo_span properties; /* (5) */
};

/* What to send of the retained messages when a subscription is made (5) [MQTT5-3.8.3.1]. */
enum { ELO_MQTT_RETAINED_ALWAYS, ELO_MQTT_RETAINED_IF_NEW, ELO_MQTT_RETAINED_NEVER };

struct elo_mqtt_subscription {
    elo_span filter;
    uint8_t qos;              /* the requested QoS, or the granted one */
    bool no_local;            /* (5) not what this client publishes itself */
    bool retain_as_published; /* (5) the RETAIN flag as the publisher set it */
    uint8_t retain_handling;  /* (5) ELO_MQTT_RETAINED_... */
};

/* SUBACK; (5): UNSUBACK too. */
struct elo_mqtt_suback {
    uint16_t packet_id;
    elo_span codes;      /* one byte a filter: granted QoS or ELO_MQTT_SUBACK_FAILURE;
                            (5): ELO_MQTT_RC_... */
    elo_span properties; /* (5) */
};

/* DISCONNECT and AUTH (5). */
struct elo_mqtt_disconnect {
    uint8_t code; /* ELO_MQTT_RC_... */
    elo_span properties;
};

struct elo_mqtt_packet {
    elo_mqtt_type type;
    union {
        struct elo_mqtt_connect connect;
        struct elo_mqtt_connack connack;
        struct elo_mqtt_publish publish;
        struct elo_mqtt_ack ack;
        struct elo_mqtt_subscribe subscribe;   /* SUBSCRIBE and UNSUBSCRIBE */
        struct elo_mqtt_suback suback;         /* SUBACK and UNSUBACK (5) */
        struct elo_mqtt_disconnect disconnect; /* DISCONNECT (5) and AUTH */
    } u; /* nothing for PINGREQ, PINGRESP, and DISCONNECT of 3.1.1 */
};

#endif
