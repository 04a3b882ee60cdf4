// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the puts of a group are in the order of their numbers, because numbers grow and
 * batches are in order. So one array of them per table is sorted as it is filled, and a delete
 * finds its put by halving. Without memory for the array nothing is elided: only speed is lost.
 */
#include "server/base/mem.h"
#include "server/store/batch.h"

struct puts {
    struct store_op **ops;
    size_t count;
    size_t cap;
};

static int64_t number_of(const struct store_op *op)
{
    return op->values[0].as.number;
}

static void remember(struct puts *puts, struct store_op *op)
{
    if (puts->count < puts->cap) {
        puts->ops[puts->count++] = op;
    }
}

static struct store_op *find(const struct puts *puts, int64_t number)
{
    size_t low = 0;
    for (size_t high = puts->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (number_of(puts->ops[middle]) < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool here = low < puts->count && number_of(puts->ops[low]) == number;
    return here ? puts->ops[low] : NULL;
}

static void cancel(const struct puts *puts, struct store_op *op)
{
    struct store_op *put = find(puts, number_of(op));
    if (put) {
        put->statement = op->statement = STORE_STATEMENT_COUNT;
    }
}

/* How many puts there are; 0 if nothing is deleted. */
static size_t count_puts(const struct store_batch *first)
{
    size_t puts = 0;
    bool deletes = false;
    for (const struct store_batch *b = first; b; b = b->next) {
        for (const struct store_op *op = b->first; op; op = op->next) {
            puts += op->statement == STORE_PUT_MESSAGE || op->statement == STORE_PUT_QUEUED;
            deletes = deletes || op->statement == STORE_DELETE_QUEUED;
        }
    }
    return deletes ? puts : 0;
}

void store__elide(struct store_batch *first)
{
    size_t count = count_puts(first);
    struct store_op **ops = count > 0 ? mem_alloc(2 * count * sizeof *ops) : NULL;
    if (!ops) {
        return;
    }
    struct puts messages = {.ops = ops, .cap = count};
    struct puts queued = {.ops = ops + count, .cap = count};
    for (struct store_batch *b = first; b; b = b->next) {
        for (struct store_op *op = b->first; op; op = op->next) {
            switch (op->statement) {
            case STORE_PUT_MESSAGE:
                remember(&messages, op);
                break;
            case STORE_PUT_QUEUED:
                remember(&queued, op);
                break;
            case STORE_DELETE_MESSAGE:
                cancel(&messages, op);
                break;
            case STORE_DELETE_QUEUED:
                cancel(&queued, op);
                break;
            default:
                break;
            }
        }
    }
    mem_free(ops);
}
