// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to lib/: the bits of MQTT that reader, writer and client must agree on.
 */
#ifndef ELO_MQTT_WIRE_H
#define ELO_MQTT_WIRE_H

#include "elo/mqtt/packet.h"

/* The flags of a PUBLISH's first byte [MQTT-3.3.1]; QoS lies between them. */
#define ELO__PUBLISH_RETAIN    0x01u
#define ELO__PUBLISH_QOS_SHIFT 1u
#define ELO__PUBLISH_DUP       0x08u

/* The connect flags [MQTT-3.1.2.3]. */
#define ELO__CONNECT_RESERVED       0x01u
#define ELO__CONNECT_CLEAN          0x02u
#define ELO__CONNECT_WILL           0x04u
#define ELO__CONNECT_WILL_QOS_SHIFT 3u
#define ELO__CONNECT_WILL_RETAIN    0x20u
#define ELO__CONNECT_PASSWORD       0x40u
#define ELO__CONNECT_USERNAME       0x80u

#define ELO__CONNACK_SESSION_PRESENT 0x01u

/* The subscription options of MQTT 5 [MQTT5-3.8.3.1]; QoS is in the lowest two bits. */
#define ELO__SUBSCRIBE_NO_LOCAL     0x04u
#define ELO__SUBSCRIBE_AS_PUBLISHED 0x08u
#define ELO__SUBSCRIBE_RETAIN_SHIFT 4u
#define ELO__SUBSCRIBE_RESERVED     0xC0u

/*
 * The flags every type but PUBLISH must carry: 0010 for PUBREL, SUBSCRIBE and UNSUBSCRIBE, 0000
 * for the others [MQTT-2.2.2]. One word of bits instead of a table, which would be RAM on the
 * ESP8266.
 */
static inline unsigned elo__fixed_flags(elo_mqtt_type type)
{
    const unsigned with_0010 =
        1u << ELO_MQTT_PUBREL | 1u << ELO_MQTT_SUBSCRIBE | 1u << ELO_MQTT_UNSUBSCRIBE;
    return (with_0010 >> type & 1u) << 1;
}

#endif
