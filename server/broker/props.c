// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/mqtt/property.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST 512u

static bool reserve(struct broker *b, size_t bytes)
{
    if (bytes <= b->props_cap) {
        return true;
    }
    size_t cap = b->props_cap < SMALLEST ? SMALLEST : b->props_cap;
    while (cap < bytes) {
        cap *= 2;
    }
    uint8_t *room = mem_grow(b->props_room, cap);
    if (room == NULL) {
        return false;
    }
    b->props_room = room;
    b->props_cap = cap;
    return true;
}

bool broker__forwardable(struct broker *b, elo_span properties, bool all, elo_span *out)
{
    *out = properties;
    if (all || properties.len == 0) {
        return true;
    }
    if (!reserve(b, properties.len)) {
        return false;
    }
    *out = elo_span_of(b->props_room, elo_mqtt_copy_forwardable(properties, b->props_room));
    return true;
}

bool broker__user_properties_fit(elo_span properties)
{
    struct elo_mqtt_property p;
    size_t bytes = 0;
    if (properties.len <= LIMIT_USER_PROPERTY_BYTES) {
        return true; /* whatever they are */
    }
    while (elo_mqtt_next_property(&properties, &p)) {
        bytes += p.id == ELO_MQTT_PROP_USER ? p.name.len + p.text.len : 0;
    }
    return bytes <= LIMIT_USER_PROPERTY_BYTES;
}

int64_t broker__message_end(const struct broker *b, uint32_t expiry_s)
{
    expiry_s = expiry_s == 0 ? 1 : expiry_s;
    expiry_s = expiry_s > LIMIT_MESSAGE_EXPIRY_S ? LIMIT_MESSAGE_EXPIRY_S : expiry_s;
    return b->now.mono_ms + (int64_t)expiry_s * 1000;
}
