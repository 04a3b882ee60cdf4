// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/message.h"

#include "elo/mqtt/encode.h"
#include "server/base/mem.h"

struct message *broker__message_new(elo_span topic, uint32_t hash, elo_span payload, uint8_t qos)
{
    struct elo_mqtt_publish packet = {.topic = topic, .payload = payload};
    size_t len;
    if (elo_mqtt_encode_publish(&packet, NULL, 0, &len) != ELO_E_NO_SPACE) {
        return NULL;
    }
    struct message *m = mem_alloc(sizeof *m + len);
    if (m == NULL) {
        return NULL;
    }
    if (elo_mqtt_encode_publish(&packet, m->packet, len, &len) != ELO_OK) {
        mem_free(m);
        return NULL;
    }
    m->refs = 1;
    m->head_len = (uint32_t)(len - payload.len);
    m->payload_len = (uint32_t)payload.len;
    m->topic_hash = hash;
    m->topic_len = (uint16_t)topic.len;
    m->qos = qos;
    return m;
}

void broker__message_release(struct message *m)
{
    if (m != NULL && --m->refs == 0) {
        mem_free(m);
    }
}
