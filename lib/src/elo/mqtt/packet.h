// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT 3.1.1 control packets as values.
 *
 * One struct per packet, used by both directions and by both sides: what encode.h writes, decode.h
 * reads. Every span in a decoded packet points into the input and lives as long as it does; every
 * span in a packet to encode is only read during the call. Nothing here allocates.
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
    ELO_MQTT_DISCONNECT
} elo_mqtt_type;

/* CONNACK return codes [MQTT-3.2.2.3]. */
enum {
    ELO_MQTT_ACCEPTED = 0,
    ELO_MQTT_REFUSED_VERSION = 1,
    ELO_MQTT_REFUSED_CLIENT_ID = 2,
    ELO_MQTT_REFUSED_SERVER = 3,
    ELO_MQTT_REFUSED_PASSWORD = 4,
    ELO_MQTT_REFUSED_AUTHORIZED = 5
};

/* The failure code of a SUBACK [MQTT-3.9.3-2]. */
#define ELO_MQTT_SUBACK_FAILURE 0x80u

/* The largest fixed header: one byte and a remaining length of four. */
#define ELO_MQTT_MAX_FIXED_HEADER 5u

/* The largest remaining length the encoding can say: 256 MiB less one. */
#define ELO_MQTT_MAX_REMAINING 268435455u

struct elo_mqtt_will {
    elo_span topic;
    elo_span payload;
    uint8_t qos;
    bool retain;
};

struct elo_mqtt_connect {
    uint8_t level; /* protocol level: 4 is MQTT 3.1.1 */
    bool clean_session;
    bool has_will;
    bool has_username;
    bool has_password;
    uint16_t keep_alive_s; /* 0: no keep-alive asked for */
    elo_span client_id;
    struct elo_mqtt_will will;
    elo_span username;
    elo_span password;
};

struct elo_mqtt_connack {
    bool session_present;
    uint8_t code; /* ELO_MQTT_ACCEPTED ... */
};

struct elo_mqtt_publish {
    elo_span topic;
    elo_span payload;
    uint16_t packet_id; /* 0 when qos is 0 */
    uint8_t qos;
    bool retain;
    bool dup;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK. */
struct elo_mqtt_ack {
    uint16_t packet_id;
};

/*
 * A SUBSCRIBE or UNSUBSCRIBE. `filters` is the payload as it stands on the wire, already checked
 * whole by the decoder; walk it with elo_mqtt_next_subscription() or elo_mqtt_next_filter().
 */
struct elo_mqtt_subscribe {
    uint16_t packet_id;
    uint32_t count; /* filters in the payload, 1 ...: a large packet holds more than 65,535 */
    elo_span filters;
};

struct elo_mqtt_subscription {
    elo_span filter;
    uint8_t qos; /* the requested QoS, or the granted one */
};

struct elo_mqtt_suback {
    uint16_t packet_id;
    elo_span codes; /* one byte a filter: granted QoS or ELO_MQTT_SUBACK_FAILURE */
};

struct elo_mqtt_packet {
    elo_mqtt_type type;
    union {
        struct elo_mqtt_connect connect;
        struct elo_mqtt_connack connack;
        struct elo_mqtt_publish publish;
        struct elo_mqtt_ack ack;
        struct elo_mqtt_subscribe subscribe; /* SUBSCRIBE and UNSUBSCRIBE */
        struct elo_mqtt_suback suback;
    } u; /* nothing for PINGREQ, PINGRESP, DISCONNECT */
};

#endif
