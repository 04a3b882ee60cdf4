// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Writing MQTT packets, 3.1.1 and 5, into the caller's buffer. What starts with elo_mqtt5_ writes
 * version 5.
 *
 * Every function writes a whole packet at `buf` or nothing at all:
 *
 * ELO_OK           `*out_len` bytes were written
 * ELO_E_NO_SPACE   `cap` is too small; `*out_len` is the size it takes
 * ELO_E_TOO_LARGE  a string over 65,535 bytes, or a packet over ELO_MQTT_MAX_REMAINING
 *
 * What the packet says is the caller's responsibility: topics are not validated here (topic.h
 * does), and what no packet may say is a bug (ELO_ASSERT): a QoS over 2, a packet id of 0 where one
 * is needed, a password without a user name [MQTT-3.1.2-22], a reserved CONNACK code.
 *
 * Re-entrant; no state.
 */
#ifndef ELO_MQTT_ENCODE_H
#define ELO_MQTT_ENCODE_H

#include "elo/mqtt/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `connect->level` is not read: what is written here is 3.1.1, level 4. */
ELO_MUST_USE elo_err elo_mqtt_encode_connect(const struct elo_mqtt_connect *connect,
                                             uint8_t *buf,
                                             size_t cap,
                                             size_t *out_len);

/* A session is present only where the code is ELO_MQTT_ACCEPTED [MQTT-3.2.2-4], else a bug. */
ELO_MUST_USE elo_err elo_mqtt_encode_connack(const struct elo_mqtt_connack *connack,
                                             uint8_t *buf,
                                             size_t cap,
                                             size_t *out_len);

/* With QoS 0, `packet_id` and `dup` are not read: neither exists there [MQTT-3.3.1-2]. */
ELO_MUST_USE elo_err elo_mqtt_encode_publish(const struct elo_mqtt_publish *publish,
                                             uint8_t *buf,
                                             size_t cap,
                                             size_t *out_len);

/*
 * Everything of a PUBLISH up to its payload, for callers who keep the payload elsewhere: the
 * broker, which shares one payload among all subscribers, and the device, which may stream it.
 * The payload's length is taken from publish->payload.len; its bytes are not read.
 */
ELO_MUST_USE elo_err elo_mqtt_encode_publish_header(const struct elo_mqtt_publish *publish,
                                                    uint8_t *buf,
                                                    size_t cap,
                                                    size_t *out_len);

/* PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK. */
ELO_MUST_USE elo_err elo_mqtt_encode_ack(
    elo_mqtt_type type, uint16_t packet_id, uint8_t *buf, size_t cap, size_t *out_len);

/* `count` subscriptions, at least one [MQTT-3.8.3-3]. */
ELO_MUST_USE elo_err elo_mqtt_encode_subscribe(uint16_t packet_id,
                                               const struct elo_mqtt_subscription *subs,
                                               size_t count,
                                               uint8_t *buf,
                                               size_t cap,
                                               size_t *out_len);

/* `codes`: one byte a filter, as in elo_mqtt_suback. */
ELO_MUST_USE elo_err elo_mqtt_encode_suback(
    uint16_t packet_id, elo_span codes, uint8_t *buf, size_t cap, size_t *out_len);

/* `count` filters, at least one [MQTT-3.10.3-2]. */
ELO_MUST_USE elo_err elo_mqtt_encode_unsubscribe(uint16_t packet_id,
                                                 const elo_span *filters,
                                                 size_t count,
                                                 uint8_t *buf,
                                                 size_t cap,
                                                 size_t *out_len);

/* PINGREQ, PINGRESP or DISCONNECT: two bytes. */
ELO_MUST_USE elo_err elo_mqtt_encode_empty(elo_mqtt_type type,
                                           uint8_t *buf,
                                           size_t cap,
                                           size_t *out_len);

/*
 * MQTT 5. Properties go in as they stand on the wire; where there are two spans of them, `more` is
 * written first: the caller's own (an alias, a remaining expiry) before what was given to him.
 */
ELO_MUST_USE elo_err elo_mqtt5_encode_connect(const struct elo_mqtt_connect *connect,
                                              elo_span more,
                                              uint8_t *buf,
                                              size_t cap,
                                              size_t *out_len);

ELO_MUST_USE elo_err elo_mqtt5_encode_connack(const struct elo_mqtt_connack *connack,
                                              uint8_t *buf,
                                              size_t cap,
                                              size_t *out_len);

ELO_MUST_USE elo_err elo_mqtt5_encode_publish(const struct elo_mqtt_publish *publish,
                                              elo_span more,
                                              uint8_t *buf,
                                              size_t cap,
                                              size_t *out_len);

/* Up to the payload, as above. */
ELO_MUST_USE elo_err elo_mqtt5_encode_publish_header(const struct elo_mqtt_publish *publish,
                                                     elo_span more,
                                                     uint8_t *buf,
                                                     size_t cap,
                                                     size_t *out_len);

/* PUBACK, PUBREC, PUBREL or PUBCOMP, in the shortest form: success without properties is 4 bytes.
 */
ELO_MUST_USE elo_err elo_mqtt5_encode_ack(
    elo_mqtt_type type, const struct elo_mqtt_ack *ack, uint8_t *buf, size_t cap, size_t *out_len);

/* `count` subscriptions, at least one. */
ELO_MUST_USE elo_err elo_mqtt5_encode_subscribe(uint16_t packet_id,
                                                elo_span properties,
                                                const struct elo_mqtt_subscription *subs,
                                                size_t count,
                                                uint8_t *buf,
                                                size_t cap,
                                                size_t *out_len);

/* SUBACK or UNSUBACK. */
ELO_MUST_USE elo_err elo_mqtt5_encode_suback(elo_mqtt_type type,
                                             const struct elo_mqtt_suback *suback,
                                             uint8_t *buf,
                                             size_t cap,
                                             size_t *out_len);

/* `count` filters, at least one. */
ELO_MUST_USE elo_err elo_mqtt5_encode_unsubscribe(uint16_t packet_id,
                                                  elo_span properties,
                                                  const elo_span *filters,
                                                  size_t count,
                                                  uint8_t *buf,
                                                  size_t cap,
                                                  size_t *out_len);

/* DISCONNECT or AUTH, in the shortest form. PINGREQ and PINGRESP are those of 3.1.1. */
ELO_MUST_USE elo_err elo_mqtt5_encode_disconnect(elo_mqtt_type type,
                                                 const struct elo_mqtt_disconnect *disconnect,
                                                 uint8_t *buf,
                                                 size_t cap,
                                                 size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif
