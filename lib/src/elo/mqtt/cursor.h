// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to elo/mqtt: a reader that walks the body of one packet and cannot leave it.
 *
 * Each take either succeeds and moves on, or fails and changes nothing the caller may use; after a
 * failure the packet is malformed and the walk is over. Data types are those of [MQTT-1.5].
 */
#ifndef ELO_MQTT_CURSOR_H
#define ELO_MQTT_CURSOR_H

#include "elo/base/bytes.h"
#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/base/utf8.h"

struct elo__cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct elo__cursor elo__cursor_over(elo_span s)
{
    struct elo__cursor c = {s.ptr, elo_span_from(s, s.len).ptr};
    return c;
}

static inline size_t elo__left(const struct elo__cursor *c)
{
    return (size_t)(c->end - c->at);
}

static inline bool elo__take_u8(struct elo__cursor *c, uint8_t *out)
{
    if (elo__left(c) < 1) {
        return false;
    }
    *out = *c->at++;
    return true;
}

static inline bool elo__take_u16(struct elo__cursor *c, uint16_t *out)
{
    if (elo__left(c) < 2) {
        return false;
    }
    *out = elo_rd16be(c->at);
    c->at += 2;
    return true;
}

/* A packet identifier: two bytes, not zero [MQTT-2.3.1-1]. */
static inline bool elo__take_id(struct elo__cursor *c, uint16_t *out)
{
    return elo__take_u16(c, out) && *out != 0;
}

static inline bool elo__take_u32(struct elo__cursor *c, uint32_t *out)
{
    if (elo__left(c) < 4) {
        return false;
    }
    *out = elo_rd32be(c->at);
    c->at += 4;
    return true;
}

/* A variable byte integer, in as few bytes as it needs [MQTT5-1.5.5-1]. */
static inline bool elo__take_varint(struct elo__cursor *c, uint32_t *out)
{
    uint32_t value = 0;
    uint8_t byte;
    for (unsigned shift = 0; shift < 28 && elo__take_u8(c, &byte); shift += 7) {
        value |= (uint32_t)(byte & 0x7Fu) << shift;
        if ((byte & 0x80u) == 0) {
            *out = value;
            return byte != 0 || shift == 0;
        }
    }
    return false;
}

/* Everything that is left. */
static inline elo_span elo__take_rest(struct elo__cursor *c)
{
    elo_span rest = elo_span_of(c->at, elo__left(c));
    c->at = c->end;
    return rest;
}

/* A length of two bytes and as many bytes of anything. */
static inline bool elo__take_binary(struct elo__cursor *c, elo_span *out)
{
    uint16_t len;
    if (!elo__take_u16(c, &len) || len > elo__left(c)) {
        return false;
    }
    *out = elo_span_of(c->at, len);
    c->at += len;
    return true;
}

/* The same, of UTF-8 without U+0000 [MQTT-1.5.3-1] [MQTT-1.5.3-2]. */
static inline elo_err elo__take_string(struct elo__cursor *c, elo_span *out)
{
    if (!elo__take_binary(c, out)) {
        return ELO_E_MALFORMED;
    }
    return elo_utf8_valid_mqtt(*out) ? ELO_OK : ELO_E_UTF8;
}

#endif
