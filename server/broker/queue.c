// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a ring. What has run out of time is dropped when it is met at the front; only a
 * full queue looks for more of it, so that nothing dead keeps a living message out. It looks no
 * sooner than something can be dead: a queue that stays full costs a comparison a message.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST   4u
#define KEEP_EMPTY 16u /* places an idle session may hold */

static struct queued *at(const struct queue *q, uint32_t i)
{
    return &q->items[(q->first + i) & (q->cap - 1)];
}

static bool grow(struct queue *q)
{
    uint32_t cap = q->cap == 0 ? SMALLEST : q->cap * 2;
    struct queued *items = mem_alloc(cap * sizeof *items);
    if (items == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < q->count; i++) {
        items[i] = *at(q, i);
    }
    mem_free(q->items);
    q->items = items;
    q->cap = cap;
    q->first = 0;
    return true;
}

static bool is_full(const struct queue *q, size_t bytes)
{
    uint32_t most = q->most > 0 ? q->most : LIMIT_QUEUED_MESSAGES;
    return q->count >= most || q->bytes > LIMIT_QUEUED_BYTES ||
           bytes > LIMIT_QUEUED_BYTES - q->bytes;
}

static void note_end(struct queue *q, const struct queued *item)
{
    q->soonest_ms = item->until_ms < q->soonest_ms ? item->until_ms : q->soonest_ms;
}

uint32_t broker__queue_expire(struct queue *q, int64_t now_ms)
{
    uint32_t left = 0;
    uint32_t count = q->count;
    if (q->soonest_ms > now_ms) {
        return 0;
    }
    q->soonest_ms = MESSAGE_FOREVER;
    for (uint32_t i = 0; i < count; i++) {
        struct queued *item = at(q, i);
        if (item->until_ms > now_ms) {
            note_end(q, item);
            *at(q, left++) = *item;
        } else {
            q->bytes -= broker__message_bytes(item->m);
            broker__journal_done(q->owner.journal, item->m, item->row);
            broker__message_release(item->m);
        }
    }
    q->count = left;
    return count - left;
}

/* Room for one more. */
static elo_err make_room(struct queue *q, const struct queued *item)
{
    if (is_full(q, broker__message_bytes(item->m))) {
        return ELO_E_QUOTA;
    }
    return q->count < q->cap || grow(q) ? ELO_OK : ELO_E_NO_MEMORY;
}

/* Into the place at `i`, for which there is room. */
static elo_err place(struct queue *q, uint32_t i, const struct queued *item)
{
    int64_t row = item->row;
    if (row == 0) {
        elo_err err = broker__journal_wait(&q->owner, item->m, item->retain, &row);
        if (err != ELO_OK && !(err == ELO_E_QUOTA && item->live)) {
            return err;
        }
    }
    if (q->count == 0) {
        q->soonest_ms = MESSAGE_FOREVER;
    }
    note_end(q, item);
    *at(q, i) = *item;
    at(q, i)->row = row;
    q->count++;
    q->bytes += broker__message_bytes(broker__message_keep(item->m));
    return ELO_OK;
}

elo_err broker__queue_push(struct queue *q, const struct queued *item)
{
    elo_err err = make_room(q, item);
    return err == ELO_OK ? place(q, q->count, item) : err;
}

elo_err broker__queue_push_front(struct queue *q, const struct queued *item)
{
    if (q->count == q->cap && !grow(q)) {
        return ELO_E_NO_MEMORY;
    }
    q->first = (q->first + q->cap - 1) & (q->cap - 1);
    elo_err err = place(q, 0, item);
    q->first = (q->first + (err != ELO_OK)) & (q->cap - 1);
    return err;
}

elo_err broker__queue_restore(struct queue *q, const struct queued *item)
{
    return q->count < q->cap || grow(q) ? place(q, q->count, item) : ELO_E_NO_MEMORY;
}

struct queued *broker__queue_peek(const struct queue *q)
{
    return q->count == 0 ? NULL : at(q, 0);
}

void broker__queue_pop(struct queue *q)
{
    struct message *m = q->items[q->first].m;
    broker__journal_done(q->owner.journal, m, q->items[q->first].row);
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
        broker__journal_done(q->owner.journal, at(q, i)->m, at(q, i)->row);
        broker__message_release(at(q, i)->m);
    }
    mem_free(q->items);
    *q = (struct queue){.owner = q->owner, .most = q->most};
}
