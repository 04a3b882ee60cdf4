// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: while a change is open, operations put their rows into one batch instead of
 * submitting their own, and note how they are taken back. Taking back goes from the last to the
 * first, so that each undo finds exactly what its operation left; nothing in it allocates, for
 * indexes never give room back. What an operation replaced is kept until the batch is handed over.
 */
#include "elo/base/assert.h"
#include "server/base/mem.h"
#include "server/registry/internal.h"

struct store_batch *registry__batch(struct registry *reg)
{
    struct change *change = &reg->change;
    if (!change->open) {
        return store_begin(reg->store);
    }
    if (change->len == change->cap) {
        size_t cap = change->cap ? change->cap * 2 : 16;
        struct undo *items = mem_grow(change->items, cap * sizeof *items);
        if (!items) {
            return NULL;
        }
        change->items = items;
        change->cap = cap;
    }
    return change->batch;
}

bool registry__submit(struct registry *reg, struct store_batch *b)
{
    if (reg->change.open) {
        ELO_ASSERT(b == NULL || b == reg->change.batch);
        reg->generation++;
        return b && store_batch_ok(b);
    }
    uint64_t seq = b ? store_submit(b) : 0;
    if (seq == 0) {
        return false;
    }
    reg->after = seq;
    reg->generation++;
    return true;
}

void registry__did(struct registry *reg, const struct undo *u)
{
    struct change *change = &reg->change;
    if (change->open) {
        change->items[change->len++] = *u;
    } else if (u->done) {
        u->done(u);
    }
}

bool registry_begin(struct registry *reg)
{
    ELO_ASSERT(!reg->change.open);
    reg->change.batch = store_begin(reg->store);
    reg->change.open = reg->change.batch != NULL;
    return reg->change.open;
}

static void close_change(struct registry *reg)
{
    mem_free(reg->change.items);
    reg->change = (struct change){.open = false};
    reg->generation++;
}

static void take_back(struct registry *reg)
{
    struct change *change = &reg->change;
    while (change->len > 0) {
        const struct undo *u = &change->items[--change->len];
        u->back(reg, u);
    }
    close_change(reg);
}

void registry_rollback(struct registry *reg)
{
    ELO_ASSERT(reg->change.open);
    store_abandon(reg->change.batch);
    take_back(reg);
}

aws_error registry_commit(struct registry *reg, struct aws_fault *fault)
{
    struct change *change = &reg->change;
    ELO_ASSERT(change->open);
    uint64_t seq = store_submit(change->batch);
    if (seq == 0) {
        take_back(reg);
        return registry__out_of_memory(fault);
    }
    reg->after = seq;
    for (size_t i = 0; i < change->len; i++) {
        if (change->items[i].done) {
            change->items[i].done(&change->items[i]);
        }
    }
    close_change(reg);
    return AWS_OK;
}
