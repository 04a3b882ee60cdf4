// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "server/broker/internal.h"

#define PROPERTIES_MAX 128u
#define CONNACK_MAX    (PROPERTIES_MAX + 16u)

/* What a property says if it is not there [MQTT5-3.2.2.3]: such may be left out, with the switch.
 */
static const struct {
    uint8_t id;
    bool is_default;
    uint32_t number;
} offers[] = {
    {ELO_MQTT_PROP_RECEIVE_MAXIMUM, false, LIMIT_INFLIGHT},
    {ELO_MQTT_PROP_ALIAS_MAXIMUM, false, LIMIT_TOPIC_ALIASES},
    {ELO_MQTT_PROP_MAXIMUM_QOS, false, 1},
    {ELO_MQTT_PROP_RETAIN_AVAILABLE, true, 1},
    {ELO_MQTT_PROP_MAXIMUM_PACKET, false, LIMIT_PACKET_BYTES},
    {ELO_MQTT_PROP_WILDCARD_AVAILABLE, true, 1},
    {ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, false, 0},
    {ELO_MQTT_PROP_SHARED_AVAILABLE, true, 1},
};

static void put_offers(const struct compat *compat, struct elo_mqtt_property_writer *w)
{
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        uint32_t number = offers[i].number;
        if (offers[i].id == ELO_MQTT_PROP_MAXIMUM_PACKET && compat->connack_maximum_packet != 0) {
            number = LIMIT_PAYLOAD_BYTES;
        }
        if (!offers[i].is_default || compat->connack_defaults == 0) {
            elo_mqtt_put_number(w, offers[i].id, number);
        }
    }
}

static elo_span
properties_of(const struct broker_conn *c, const struct acceptance *a, uint8_t *room, size_t cap)
{
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(room, cap);
    if (a->expiry_adjusted) {
        elo_mqtt_put_number(&w, ELO_MQTT_PROP_SESSION_EXPIRY, a->expiry_s);
    }
    if (a->assigned_id.len > 0) {
        elo_mqtt_put_text(&w, ELO_MQTT_PROP_ASSIGNED_CLIENT_ID, a->assigned_id);
    }
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_SERVER_KEEP_ALIVE, a->keep_alive_s);
    put_offers(&c->broker->compat, &w);
    return elo_mqtt_properties_done(&w);
}

/* Its size; 0: it does not fit in. */
static size_t
encode(const struct broker_conn *c, const struct acceptance *a, uint8_t packet[CONNACK_MAX])
{
    uint8_t room[PROPERTIES_MAX];
    struct elo_mqtt_connack connack = {.session_present = a->session_present};
    size_t len;
    elo_err err;
    if (c->version == ELO_MQTT_5) {
        connack.properties = properties_of(c, a, room, sizeof room);
        err = elo_mqtt5_encode_connack(&connack, packet, CONNACK_MAX, &len);
    } else {
        err = elo_mqtt_encode_connack(&connack, packet, CONNACK_MAX, &len);
    }
    return err == ELO_OK ? len : 0;
}

bool broker__takes_connack(const struct broker_conn *c, const struct acceptance *a)
{
    uint8_t packet[CONNACK_MAX];
    return c->packet_max >= CONNACK_MAX || encode(c, a, packet) <= c->packet_max;
}

void broker__send_connack(struct broker_conn *c, const struct acceptance *a)
{
    uint8_t packet[CONNACK_MAX];
    size_t len = encode(c, a, packet);
    if (len > 0) {
        broker__send(c, elo_span_of(packet, len));
        c->connack_left = (uint16_t)len;
    }
}
