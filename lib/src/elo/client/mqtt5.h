// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT 5 for a client. A device that does not use this header does not link what is behind it.
 *
 *     static struct elo_client_mqtt5 mqtt5;
 *     elo_client_mqtt5_defaults(&mqtt5);
 *     mqtt5.session_expiry_s = 3600;
 *     config.mqtt5 = &mqtt5;              then elo_client_init() as ever
 *
 * What changes, compared with 3.1.1 (client.h)
 *   - A message may have properties (elo_client_message.properties): expiry, content type, response
 *     topic, correlation data, user properties. Put them together with elo/mqtt/property.h; they
 *     are copied into the outbox. Those of a message that came are in its MESSAGE event.
 *   - Reasons. The server says why: DISCONNECTED, PUBLISHED, SUBSCRIBED carry its reason code.
 *     PUBLISHED with `result` other than ELO_OK is a message that the server has refused: it is
 *     gone and not sent again.
 *   - The server's terms hold: its Receive Maximum narrows the window, its Keep Alive replaces
 *     ours, and what is larger than its Maximum Packet Size is not sent: elo_client_publish() says
 *     ELO_E_TOO_LARGE, and what waits in the outbox is dropped at the next CONNECTED, told by a
 *     DROPPED event with ELO_E_TOO_LARGE. So is, with ELO_E_UNSUPPORTED, what it would have to
 *     retain and cannot, and QoS 1 where it has none. `terms` has all of them.
 *   - Nothing is repeated on the same connection [MQTT5-4.4.0-1]: `retry_ms` is not used.
 *   - `persistent` means Clean Start 0 and Session Expiry `session_expiry_s`; without it Clean
 *     Start 1 and a session that ends with the connection.
 *   - An empty client id: the server's choice is in `terms`. It is not used again: AWS refuses it.
 *   - Maximum Packet Size is said to be rx_size, so there should be no OVERSIZE event.
 *
 * Topic aliases save the bytes of a topic in each PUBLISH after its first on a connection. Outbound
 * the client gives them to the topics it publishes to while connected, first come, first served.
 * Both directions need memory of the caller's, in slots of one size: a topic and two bytes. A topic
 * that does not fit gets no alias.
 *
 * Extended authentication (AUTH) is not done; nor does AWS IoT Core.
 */
#ifndef ELO_CLIENT_MQTT5_H
#define ELO_CLIENT_MQTT5_H

#include "elo/client/client.h"
#include "elo/mqtt/property.h"

#ifdef __cplusplus
extern "C" {
#endif

/* More than one client needs; AWS IoT Core takes 8. */
#define ELO_CLIENT_MAX_ALIASES 32u

struct elo__aliases {
    uint8_t *buf;
    uint16_t slot_size;
    uint16_t count;
    uint32_t known; /* out: announced on this connection; in: set on this connection */
};

/* The caller's, as struct elo_client is; in place for as long. */
struct elo_client_mqtt5 {
    /* To be set before elo_client_init(), after elo_client_mqtt5_defaults(). */
    uint32_t session_expiry_s; /* 3 600, with `persistent`; UINT32_MAX: never */
    uint16_t receive_maximum;  /* 0: none is said. QoS 1 messages the server may have under way */
    elo_span properties;       /* more of the CONNECT: user properties, Request Response Information
                                  ... none of those above. Borrowed. */
    uint8_t *aliases_out;      /* NULL: no aliases are sent */
    size_t aliases_out_size;
    uint8_t *aliases_in; /* NULL: the server may not use aliases */
    size_t aliases_in_size;
    uint16_t alias_slot_size; /* 66: a topic of at most 64 bytes */

    /* What the last CONNACK said. Its spans live until the next elo_client_input(). */
    struct elo_mqtt_terms terms;

    struct {
        const struct elo__mqtt5_hooks *hooks;
        struct elo__aliases out;
        struct elo__aliases in;
        uint16_t window; /* as configured */
    } _internal;
};

/* Sets everything to 0 and the defaults named above. */
void elo_client_mqtt5_defaults(struct elo_client_mqtt5 *mqtt5);

/* What a reason code from 0x80 on means, in the one list of errors; ELO_OK for those below. */
elo_err elo_mqtt5_error_of(uint8_t code);

#ifdef __cplusplus
}
#endif

#endif
