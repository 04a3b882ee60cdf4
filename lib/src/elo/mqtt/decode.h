// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Reading MQTT packets, 3.1.1 and 5: bytes in, values out, no copies.
 *
 * All-or-nothing: the outputs are written only when the result is ELO_OK. Any input of any length
 * may be given; no byte outside it is ever read. Strictness is the specification's: reserved flag
 * bits, reserved types, UTF-8 with surrogates or U+0000, empty SUBSCRIBE, QoS 3 ... are refused.
 *
 * A receiver of a stream calls elo_mqtt_frame() on what it has until it says ELO_OK, then gives
 * the whole packet to elo_mqtt_decode():
 *
 *     while ((err = elo_mqtt_frame(in, max, &frame)) == ELO_OK && frame.total <= in.len) {
 *         err = elo_mqtt_decode(elo_span_first(in, frame.total), &packet);
 *         in  = elo_span_from(in, frame.total);
 *     }
 *
 * A server, which serves both versions, uses elo_mqtt5_frame() and elo_mqtt5_decode() until it has
 * a CONNECT, and elo_mqtt_decode_as() with that packet's level from then on. A device knows what it
 * speaks; the two decoders are separate so that one which speaks 3.1.1 need not carry the other.
 *
 * Re-entrant; no state.
 */
#ifndef ELO_MQTT_DECODE_H
#define ELO_MQTT_DECODE_H

#include "elo/mqtt/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a fixed header says [MQTT-2.2]. */
struct elo_mqtt_frame {
    elo_mqtt_type type;
    uint8_t flags;      /* the low nibble of the first byte */
    uint8_t header_len; /* bytes of the fixed header: 2 ... 5 */
    uint32_t total;     /* bytes of the whole packet, fixed header included */
};

/*
 * Reads the fixed header at the start of `in`. The body need not be there yet.
 *
 * `max_packet` is the largest packet in bytes, fixed header included, that the caller would take.
 *
 * ELO_OK           `out` is set
 * ELO_NEED_MORE    the header is not complete (also for an empty input)
 * ELO_E_MALFORMED  reserved type or flags [MQTT-2.2.2-2], or a length of five bytes
 * ELO_E_TOO_LARGE  a valid header of a packet over `max_packet`; `out` is set all the same, so
 *                  that a device can skip `total` bytes and live on
 */
ELO_MUST_USE elo_err elo_mqtt_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out);

/* The same of MQTT 5, which has one type more: AUTH. */
ELO_MUST_USE elo_err elo_mqtt5_frame(elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out);

/*
 * Decodes exactly one packet of MQTT 3.1.1. `in` is a whole packet as elo_mqtt_frame() measured it.
 *
 * ELO_OK            `out` is set; its spans point into `in`
 * ELO_NEED_MORE     `in` is shorter than its own header says
 * ELO_E_MALFORMED   a field runs past the packet, bytes are left over, reserved bits are set
 * ELO_E_UTF8        a string is not well-formed UTF-8 or holds U+0000 [MQTT-1.5.3-1] [MQTT-1.5.3-2]
 * ELO_E_TOPIC       a PUBLISH or will topic is empty or has a wildcard [MQTT-3.3.2-2], or a filter
 *                   breaks the rules of topic.h [MQTT-4.7]
 * ELO_E_UNSUPPORTED a CONNECT whose protocol name or level is not MQTT 3.1.1's. `out` then has
 *                   type CONNECT and `level` alone (all else zero), so that a server can answer
 *                   CONNACK 1 [MQTT-3.1.2-2].
 *
 * Not refused here: an empty client id, with or without clean session, which is the server's to
 * judge (CONNACK 2) [MQTT-3.1.3-8]; a remaining length written in more bytes than it needs, which
 * 3.1.1 does not forbid.
 */
ELO_MUST_USE elo_err elo_mqtt_decode(elo_span in, struct elo_mqtt_packet *out);

/*
 * Decodes exactly one packet of MQTT 5, or a CONNECT of either version: `level` tells which.
 *
 * ELO_OK, ELO_NEED_MORE  as above
 * ELO_E_MALFORMED   also: a property that does not belong in this packet or is cut short
 *                   [MQTT5-2.2.2.2], a length in more bytes than it needs [MQTT5-1.5.5-1].
 *                   Answer 0x81.
 * ELO_E_UTF8        any string [MQTT5-1.5.4-1] [MQTT5-1.5.4-2]. Answer 0x81.
 * ELO_E_PROTOCOL    well-formed, but forbidden [MQTT5-4.13]: a property twice, a value out of
 *                   range (a boolean of 2, a Receive Maximum of 0, a Response Topic with
 *                   wildcards), no topic and no alias, no filter, QoS or retain handling 3, a
 *                   shared subscription with No Local, a reason code that this packet may not have,
 *                   authentication data without a method. Answer 0x82.
 * ELO_E_TOPIC       the topic of a PUBLISH or a will has a wildcard, or a will's is empty. Of a
 *                   PUBLISH `out` is set all the same, so that QoS 1 can be answered with PUBACK
 *                   0x90 (a will with CONNACK 0x90).
 * ELO_E_UNSUPPORTED a CONNECT of another protocol or level, as above. Answer 0x84.
 *
 * Left to the caller, because one answer may concern one filter only, or depends on the direction
 * or on what was agreed: the syntax of topic filters (elo_topic_filter_valid()), Topic Alias 0 or
 * over the maximum (0x94), a Payload Format that does not hold (0x99), a Subscription Identifier
 * (0xA1), an Authentication Method (0x8C), AUTH, QoS 2 (0x9B), a DISCONNECT whose Session Expiry
 * was 0 before or whose sender may not send one.
 */
ELO_MUST_USE elo_err elo_mqtt5_decode(elo_span in, struct elo_mqtt_packet *out);

/* By the connection's level: ELO_MQTT_3_1_1, else 5 (so 0 will do before the CONNECT). */
ELO_MUST_USE static inline elo_err
elo_mqtt_frame_as(uint8_t level, elo_span in, uint32_t max_packet, struct elo_mqtt_frame *out)
{
    return level == ELO_MQTT_3_1_1 ? elo_mqtt_frame(in, max_packet, out)
                                   : elo_mqtt5_frame(in, max_packet, out);
}

ELO_MUST_USE static inline elo_err
elo_mqtt_decode_as(uint8_t level, elo_span in, struct elo_mqtt_packet *out)
{
    return level == ELO_MQTT_3_1_1 ? elo_mqtt_decode(in, out) : elo_mqtt5_decode(in, out);
}

/* The reason code that answers what a decoder refused: 0x81, 0x82, 0x84, 0x90, 0x95. */
uint8_t elo_mqtt5_reason_for(elo_err err);

/*
 * Walks the filters of a decoded SUBSCRIBE, of either version. Set `*rest` to sub->filters first;
 * each call cuts one off. false at the end. The decoder has checked the payload, so there is no
 * error to report.
 */
bool elo_mqtt_next_subscription(elo_span *rest, struct elo_mqtt_subscription *out);

/* The same for a decoded UNSUBSCRIBE. */
bool elo_mqtt_next_filter(elo_span *rest, elo_span *out_filter);

#ifdef __cplusplus
}
#endif

#endif
