// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the properties of CONNECT and CONNACK agree on. A table says which field of the struct a
 * property goes into, of which kind it is, and which flag tells that it was there.
 */
#include "elo/base/flash.h"
#include "elo/mqtt/property.h"

#include <stddef.h>

enum { BYTE, TWO, FOUR, TEXT };

#define AT(field)                   ((uint32_t)offsetof(struct elo_mqtt_terms, field))
#define TERM(id, kind, field)       ((uint32_t)(id) | (uint32_t)(kind) << 8 | AT(field) << 16)
#define TOLD(id, kind, field, flag) (TERM(id, kind, field) | AT(flag) << 24)
#define IS_TOLD(word)               ((word) >> 24 != 0)

/* Words, to be read in flash. No flag lies at the offset 0. */
static const uint32_t TERMS[] ELO_FLASH = {
    TERM(ELO_MQTT_PROP_RECEIVE_MAXIMUM, TWO, receive_maximum),
    TERM(ELO_MQTT_PROP_MAXIMUM_PACKET, FOUR, maximum_packet),
    TERM(ELO_MQTT_PROP_ALIAS_MAXIMUM, TWO, alias_maximum),
    TERM(ELO_MQTT_PROP_MAXIMUM_QOS, BYTE, maximum_qos),
    TERM(ELO_MQTT_PROP_REQUEST_PROBLEM_INFO, BYTE, wants_problem_info),
    TERM(ELO_MQTT_PROP_REQUEST_RESPONSE_INFO, BYTE, wants_response_info),
    TERM(ELO_MQTT_PROP_RETAIN_AVAILABLE, BYTE, retain),
    TERM(ELO_MQTT_PROP_WILDCARD_AVAILABLE, BYTE, wildcards),
    TERM(ELO_MQTT_PROP_SUBSCRIPTION_ID_AVAILABLE, BYTE, subscription_ids),
    TERM(ELO_MQTT_PROP_SHARED_AVAILABLE, BYTE, shared),
    TERM(ELO_MQTT_PROP_REASON_STRING, TEXT, reason_string),
    TERM(ELO_MQTT_PROP_RESPONSE_INFO, TEXT, response_info),
    TERM(ELO_MQTT_PROP_SERVER_REFERENCE, TEXT, server_reference),
    TERM(ELO_MQTT_PROP_AUTH_DATA, TEXT, auth_data),
    TOLD(ELO_MQTT_PROP_SESSION_EXPIRY, FOUR, session_expiry_s, has_session_expiry),
    TOLD(ELO_MQTT_PROP_SERVER_KEEP_ALIVE, TWO, keep_alive_s, has_keep_alive),
    TOLD(ELO_MQTT_PROP_ASSIGNED_CLIENT_ID, TEXT, assigned_client_id, has_assigned_client_id),
    TOLD(ELO_MQTT_PROP_AUTH_METHOD, TEXT, auth_method, has_auth_method),
};

static void put(uint8_t *to, unsigned kind, const struct elo_mqtt_property *p)
{
    uint16_t two = (uint16_t)p->number;
    uint8_t byte = (uint8_t)p->number; /* bool too: the decoder let nothing but 0 and 1 through */
    if (kind == TEXT) {
        memcpy(to, &p->text, sizeof p->text);
    } else if (kind == FOUR) {
        memcpy(to, &p->number, sizeof p->number);
    } else if (kind == TWO) {
        memcpy(to, &two, sizeof two);
    } else {
        *to = byte;
    }
}

static void read_one(const struct elo_mqtt_property *p, struct elo_mqtt_terms *out)
{
    uint8_t *base = (uint8_t *)out;
    for (size_t i = 0; i < sizeof TERMS / sizeof TERMS[0]; i++) {
        uint32_t term = TERMS[i];
        if ((term & 0xFFu) != p->id) {
            continue;
        }
        put(base + (term >> 16 & 0xFFu), term >> 8 & 0xFFu, p);
        if (IS_TOLD(term)) {
            base[term >> 24] = true;
        }
        return;
    }
}

void elo_mqtt_read_terms(elo_span properties, struct elo_mqtt_terms *out)
{
    struct elo_mqtt_property p;
    memset(out, 0, sizeof *out);
    out->maximum_packet = UINT32_MAX;
    out->receive_maximum = UINT16_MAX;
    out->maximum_qos = 2;
    out->wants_problem_info = true;
    out->retain = true;
    out->wildcards = true;
    out->subscription_ids = true;
    out->shared = true;
    while (elo_mqtt_next_property(&properties, &p)) {
        read_one(&p, out);
    }
}
