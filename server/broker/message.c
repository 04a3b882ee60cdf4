// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/message.h"

#include "server/base/mem.h"

static uint8_t *put(uint8_t *at, elo_span bytes)
{
    if (bytes.len > 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    return at + bytes.len;
}

struct message *broker__message_new(const struct publication *p)
{
    size_t len = p->topic.len + p->payload.len + p->props.len;
    struct message *m = mem_alloc(sizeof *m + len);
    if (m == NULL) {
        return NULL;
    }
    *m = (struct message){.refs = 1,
                          .payload_len = (uint32_t)p->payload.len,
                          .props_len = (uint32_t)p->props.len,
                          .topic_hash = p->hash,
                          .expires_ms = p->expires_ms,
                          .topic_len = (uint16_t)p->topic.len,
                          .qos = p->qos};
    (void)put(put(put(m->bytes, p->topic), p->payload), p->props);
    return m;
}

void broker__message_release(struct message *m)
{
    if (m != NULL && --m->refs == 0) {
        mem_free(m);
    }
}
