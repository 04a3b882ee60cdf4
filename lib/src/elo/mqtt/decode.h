// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Reading MQTT 3.1.1 packets: bytes in, values out, no copies.
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

/*
 * Decodes exactly one packet. `in` is a whole packet as elo_mqtt_frame() measured it.
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
 * Walks the filters of a decoded SUBSCRIBE. Set `*rest` to sub->filters first; each call cuts one
 * off. false at the end. The decoder has checked the payload, so there is no error to report.
 */
bool elo_mqtt_next_subscription(elo_span *rest, struct elo_mqtt_subscription *out);

/* The same for a decoded UNSUBSCRIBE. */
bool elo_mqtt_next_filter(elo_span *rest, elo_span *out_filter);

#ifdef __cplusplus
}
#endif

#endif
