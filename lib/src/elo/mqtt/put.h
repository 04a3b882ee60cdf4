// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to elo/mqtt: what the writers of both versions share. A length that has become impossible
 * is carried along as ELO__TOO_LONG, which swallows whatever is added to it.
 */
#ifndef ELO_MQTT_PUT_H
#define ELO_MQTT_PUT_H

#include "elo/base/bytes.h"
#include "elo/mqtt/packet.h"

#define ELO__TOO_LONG       ((size_t)ELO_MQTT_MAX_REMAINING + 1u)
#define ELO__STRING_MAX     65535u
#define ELO__PACKET_ID_SIZE 2u

/* `len` and `more`, or ELO__TOO_LONG. */
size_t elo__add(size_t len, size_t more);

/* `len` and a string: two bytes of length and as many of text. */
size_t elo__add_string(size_t len, elo_span s);

/*
 * Opens a packet of which `here` bytes of the `remaining` ones after the fixed header are written
 * now. On ELO_OK the header stands in `buf`, `*at` is behind it and `*out_len` is what the caller
 * will have written in the end.
 */
elo_err elo__begin(unsigned first,
                   size_t remaining,
                   size_t here,
                   uint8_t *buf,
                   size_t cap,
                   uint8_t **at,
                   size_t *out_len);

unsigned elo__first_byte(elo_mqtt_type type);
unsigned elo__publish_first_byte(const struct elo_mqtt_publish *p);
uint8_t elo__connect_flags(const struct elo_mqtt_connect *c);

/* A variable byte integer, and how many bytes it takes. */
size_t elo__varint_size(size_t v);
uint8_t *elo__put_varint(uint8_t *at, size_t v);

uint8_t *elo__put_bytes(uint8_t *at, elo_span s);
uint8_t *elo__put_string(uint8_t *at, elo_span s);

static inline uint8_t *elo__put_u16(uint8_t *at, uint16_t v)
{
    elo_wr16be(at, v);
    return at + 2;
}

#endif
