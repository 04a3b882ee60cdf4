// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST   4u
#define KEEP_EMPTY 16u /* places an idle session may hold */

static bool grow(struct queue *q)
{
    uint32_t cap = q->cap == 0 ? SMALLEST : q->cap * 2;
    struct queued *items = mem_alloc(cap * sizeof *items);
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < q->count; i++) {
        items[i] = q->items[(q->first + i) & (q->cap - 1)];
    }
    mem_free(q->items);
    q->items = items;
    q->cap = cap;
    q->first = 0;
    return true;
}

elo_err broker__queue_push(struct queue *q, struct message *m, bool retain)
{
    size_t bytes = broker__message_bytes(m);
    if (q->count == LIMIT_QUEUED_MESSAGES || bytes > LIMIT_QUEUED_BYTES - q->bytes) {
        return ELO_E_QUOTA;
    }
    if (q->count == q->cap && !grow(q)) {
        return ELO_E_NO_MEMORY;
    }
    q->items[(q->first + q->count++) & (q->cap - 1)] =
        (struct queued){broker__message_keep(m), retain};
    q->bytes += bytes;
    return ELO_OK;
}

struct queued *broker__queue_peek(const struct queue *q)
{
    return q->count == 0 ? NULL : &q->items[q->first];
}

void broker__queue_pop(struct queue *q)
{
    struct message *m = q->items[q->first].m;
    q->bytes -= broker__message_bytes(m);
    q->first = (q->first + 1) & (q->cap - 1);
    q->count--;
    broker__message_release(m);
    if (q->count > 0) {
        return;
    }
    q->overflowed = false;
    if (q->cap > KEEP_EMPTY) {
        broker__queue_free(q);
    }
}

void broker__queue_free(struct queue *q)
{
    for (uint32_t i = 0; i < q->count; i++) {
        broker__message_release(q->items[(q->first + i) & (q->cap - 1)].m);
    }
    mem_free(q->items);
    *q = (struct queue){0};
}
