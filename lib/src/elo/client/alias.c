// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: slots of one size, each a length of two bytes and a topic; the alias is the
 * slot's number, from 1 on. An outbound slot keeps its topic for the client's life, so that a
 * packet in the outbox may hold its number; whether the server knows it on this connection is a
 * bit. An inbound slot is what the server last said, and worth nothing on the next connection.
 */
#include "elo/base/bytes.h"
#include "elo/client/mqtt5_hooks.h"

static uint8_t *slot(const struct elo__aliases *a, uint16_t alias)
{
    return a->buf + (size_t)(alias - 1u) * a->slot_size;
}

static elo_span topic_of(const struct elo__aliases *a, uint16_t alias)
{
    const uint8_t *at = slot(a, alias);
    return elo_span_of(at + 2, elo_rd16be(at));
}

static bool in_range(const struct elo__aliases *a, uint16_t alias)
{
    return alias != 0 && alias <= a->count;
}

static bool fits(const struct elo__aliases *a, elo_span topic)
{
    return a->slot_size > 2u && topic.len <= a->slot_size - 2u;
}

static void keep(const struct elo__aliases *a, uint16_t alias, elo_span topic)
{
    uint8_t *at = slot(a, alias);
    elo_wr16be(at, (uint16_t)topic.len);
    memcpy(at + 2, topic.ptr, topic.len);
}

void elo__aliases_init(struct elo__aliases *a, uint8_t *buf, size_t size, uint16_t slot_size)
{
    size_t count = buf != NULL && slot_size > 2u ? size / slot_size : 0;
    a->buf = buf;
    a->slot_size = slot_size;
    a->count = (uint16_t)(count < ELO_CLIENT_MAX_ALIASES ? count : ELO_CLIENT_MAX_ALIASES);
    a->known = 0;
    for (uint16_t i = 1; i <= a->count; i++) {
        elo_wr16be(slot(a, i), 0); /* free: no topic is empty */
    }
}

void elo__aliases_forget(struct elo__aliases *a)
{
    a->known = 0;
}

uint16_t elo__alias_for(struct elo__aliases *a, elo_span topic, uint16_t max)
{
    if (!fits(a, topic)) {
        return 0;
    }
    for (uint16_t i = 1; i <= a->count && i <= max; i++) {
        elo_span known = topic_of(a, i);
        if (known.len == 0) {
            keep(a, i, topic);
            return i;
        }
        if (elo_span_eq(known, topic)) {
            return i;
        }
    }
    return 0;
}

bool elo__alias_set(struct elo__aliases *a, uint16_t alias, elo_span topic)
{
    if (!in_range(a, alias)) {
        return false;
    }
    a->known &= ~(1u << (alias - 1u));
    if (!fits(a, topic)) {
        return true; /* an error only if it is used */
    }
    keep(a, alias, topic);
    a->known |= 1u << (alias - 1u);
    return true;
}

bool elo__alias_topic(const struct elo__aliases *a, uint16_t alias, elo_span *out_topic)
{
    if (!in_range(a, alias) || (a->known >> (alias - 1u) & 1u) == 0) {
        return false;
    }
    *out_topic = topic_of(a, alias);
    return true;
}

bool elo__alias_announced(struct elo__aliases *a, uint16_t alias)
{
    uint32_t bit = 1u << (alias - 1u);
    bool was = (a->known & bit) != 0;
    a->known |= bit;
    return was;
}
