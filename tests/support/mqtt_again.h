// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Encodes a decoded packet again, of either version. In a header, because the fuzz targets use it
 * too and they link no test support.
 */
#ifndef TESTS_SUPPORT_MQTT_AGAIN_H
#define TESTS_SUPPORT_MQTT_AGAIN_H

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

#include <stdio.h>
#include <stdlib.h>

static inline void *mqtt_again_list(size_t count, size_t size)
{
    void *list = calloc(count, size);
    if (!list) {
        perror("mqtt_again");
        abort();
    }
    return list;
}

static inline elo_err mqtt_again_subscribe(
    uint8_t level, const struct elo_mqtt_subscribe *s, uint8_t *buf, size_t cap, size_t *out_len)
{
    struct elo_mqtt_subscription *subs = mqtt_again_list(s->count, sizeof *subs);
    elo_span rest = s->filters;
    size_t count = 0;
    while (count < s->count && elo_mqtt_next_subscription(&rest, &subs[count])) {
        count++;
    }
    elo_err err = level == ELO_MQTT_5
                      ? elo_mqtt5_encode_subscribe(s->packet_id, s->properties, subs, count, buf,
                                                   cap, out_len)
                      : elo_mqtt_encode_subscribe(s->packet_id, subs, count, buf, cap, out_len);
    free(subs);
    return err;
}

static inline elo_err mqtt_again_unsubscribe(
    uint8_t level, const struct elo_mqtt_subscribe *s, uint8_t *buf, size_t cap, size_t *out_len)
{
    elo_span *filters = mqtt_again_list(s->count, sizeof *filters);
    elo_span rest = s->filters;
    size_t count = 0;
    while (count < s->count && elo_mqtt_next_filter(&rest, &filters[count])) {
        count++;
    }
    elo_err err =
        level == ELO_MQTT_5
            ? elo_mqtt5_encode_unsubscribe(s->packet_id, s->properties, filters, count, buf, cap,
                                           out_len)
            : elo_mqtt_encode_unsubscribe(s->packet_id, filters, count, buf, cap, out_len);
    free(filters);
    return err;
}

static inline elo_err
mqtt_again4(const struct elo_mqtt_packet *p, uint8_t *buf, size_t cap, size_t *out_len)
{
    switch (p->type) {
    case ELO_MQTT_CONNECT:
        return elo_mqtt_encode_connect(&p->u.connect, buf, cap, out_len);
    case ELO_MQTT_CONNACK:
        return elo_mqtt_encode_connack(&p->u.connack, buf, cap, out_len);
    case ELO_MQTT_PUBLISH:
        return elo_mqtt_encode_publish(&p->u.publish, buf, cap, out_len);
    case ELO_MQTT_PUBACK:
    case ELO_MQTT_PUBREC:
    case ELO_MQTT_PUBREL:
    case ELO_MQTT_PUBCOMP:
    case ELO_MQTT_UNSUBACK:
        return elo_mqtt_encode_ack(p->type, p->u.ack.packet_id, buf, cap, out_len);
    case ELO_MQTT_SUBSCRIBE:
        return mqtt_again_subscribe(ELO_MQTT_3_1_1, &p->u.subscribe, buf, cap, out_len);
    case ELO_MQTT_UNSUBSCRIBE:
        return mqtt_again_unsubscribe(ELO_MQTT_3_1_1, &p->u.subscribe, buf, cap, out_len);
    case ELO_MQTT_SUBACK:
        return elo_mqtt_encode_suback(p->u.suback.packet_id, p->u.suback.codes, buf, cap, out_len);
    case ELO_MQTT_PINGREQ:
    case ELO_MQTT_PINGRESP:
    case ELO_MQTT_DISCONNECT:
        return elo_mqtt_encode_empty(p->type, buf, cap, out_len);
    case ELO_MQTT_AUTH:
        break;
    }
    abort(); /* a type that does not exist came out of the decoder */
}

static inline elo_err
mqtt_again5(const struct elo_mqtt_packet *p, uint8_t *buf, size_t cap, size_t *out_len)
{
    switch (p->type) {
    case ELO_MQTT_CONNECT:
        return p->u.connect.level == ELO_MQTT_5
                   ? elo_mqtt5_encode_connect(&p->u.connect, elo_span_of(NULL, 0), buf, cap,
                                              out_len)
                   : elo_mqtt_encode_connect(&p->u.connect, buf, cap, out_len);
    case ELO_MQTT_CONNACK:
        return elo_mqtt5_encode_connack(&p->u.connack, buf, cap, out_len);
    case ELO_MQTT_PUBLISH:
        return elo_mqtt5_encode_publish(&p->u.publish, elo_span_of(NULL, 0), buf, cap, out_len);
    case ELO_MQTT_PUBACK:
    case ELO_MQTT_PUBREC:
    case ELO_MQTT_PUBREL:
    case ELO_MQTT_PUBCOMP:
        return elo_mqtt5_encode_ack(p->type, &p->u.ack, buf, cap, out_len);
    case ELO_MQTT_SUBSCRIBE:
        return mqtt_again_subscribe(ELO_MQTT_5, &p->u.subscribe, buf, cap, out_len);
    case ELO_MQTT_UNSUBSCRIBE:
        return mqtt_again_unsubscribe(ELO_MQTT_5, &p->u.subscribe, buf, cap, out_len);
    case ELO_MQTT_SUBACK:
    case ELO_MQTT_UNSUBACK:
        return elo_mqtt5_encode_suback(p->type, &p->u.suback, buf, cap, out_len);
    case ELO_MQTT_DISCONNECT:
    case ELO_MQTT_AUTH:
        return elo_mqtt5_encode_disconnect(p->type, &p->u.disconnect, buf, cap, out_len);
    case ELO_MQTT_PINGREQ:
    case ELO_MQTT_PINGRESP:
        return elo_mqtt_encode_empty(p->type, buf, cap, out_len);
    }
    abort();
}

/* `level`: that of the connection it came on. */
static inline elo_err mqtt_again(
    uint8_t level, const struct elo_mqtt_packet *p, uint8_t *buf, size_t cap, size_t *out_len)
{
    return level == ELO_MQTT_5 ? mqtt_again5(p, buf, cap, out_len)
                               : mqtt_again4(p, buf, cap, out_len);
}

#endif
