// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: up to 128 slots in one array, linked by index in the order of sending, so that
 * acknowledgements in any order cost the same. A packet identifier tells its slot: the low seven
 * bits are the index, the others a turn that changes with every message and is never 0, so that an
 * identifier is neither 0 [MQTT-2.3.1-1] nor soon used again.
 */
#include "server/broker/inflight.h"

#include "server/base/limits.h"
#include "server/base/mem.h"

#define SLOT_BITS  7u
#define SLOT_MASK  127u
#define TURNS      511u
#define SMALLEST   8u
#define LARGEST    128u
#define KEEP_EMPTY 8u /* slots an idle session may hold */

_Static_assert(LIMIT_INFLIGHT <= LARGEST, "a slot's index must fit in the identifier");

void broker__inflight_init(struct inflight *f)
{
    *f = (struct inflight){
        .oldest = INFLIGHT_NONE, .newest = INFLIGHT_NONE, .vacant = INFLIGHT_NONE};
}

void broker__inflight_free(struct inflight *f)
{
    for (unsigned i = 0; i < f->cap; i++) {
        if (f->slots[i].m != NULL) {
            broker__journal_done(f->owner.journal, f->slots[i].m, f->slots[i].row);
            broker__message_release(f->slots[i].m);
        }
    }
    mem_free(f->slots);
    struct journal_owner owner = f->owner;
    broker__inflight_init(f);
    f->owner = owner;
}

static bool grow(struct inflight *f)
{
    unsigned cap = f->cap == 0 ? SMALLEST : f->cap * 2u;
    struct inflight_slot *slots =
        cap > LARGEST ? NULL : mem_grow(f->slots, cap * sizeof(struct inflight_slot));
    if (slots == NULL) {
        return false;
    }
    f->slots = slots;
    for (unsigned i = cap; i-- > f->cap;) {
        slots[i] = (struct inflight_slot){.next = f->vacant};
        f->vacant = (uint8_t)i;
    }
    f->cap = (uint8_t)cap;
    return true;
}

static uint8_t index_of(const struct inflight *f, const struct inflight_slot *slot)
{
    return (uint8_t)(slot - f->slots);
}

static void link_newest(struct inflight *f, uint8_t at)
{
    f->slots[at].prev = f->newest;
    f->slots[at].next = INFLIGHT_NONE;
    if (f->newest == INFLIGHT_NONE) {
        f->oldest = at;
    } else {
        f->slots[f->newest].next = at;
    }
    f->newest = at;
}

static void unlink_slot(struct inflight *f, const struct inflight_slot *slot)
{
    if (slot->prev == INFLIGHT_NONE) {
        f->oldest = slot->next;
    } else {
        f->slots[slot->prev].next = slot->next;
    }
    if (slot->next == INFLIGHT_NONE) {
        f->newest = slot->prev;
    } else {
        f->slots[slot->next].prev = slot->prev;
    }
}

struct inflight_slot *
broker__inflight_add(struct inflight *f, struct message *m, bool retain, int64_t row)
{
    if (f->vacant == INFLIGHT_NONE && !grow(f)) {
        return NULL;
    }
    elo_err err = row == 0 ? broker__journal_wait(&f->owner, m, retain, &row) : ELO_OK;
    if (err != ELO_OK && err != ELO_E_QUOTA) { /* a client that is there is not made to suffer */
        return NULL;
    }
    uint8_t at = f->vacant;
    struct inflight_slot *slot = &f->slots[at];
    f->vacant = slot->next;
    f->turn = (uint16_t)(f->turn % TURNS + 1);
    *slot = (struct inflight_slot){.m = broker__message_keep(m), .row = row, .retain = retain};
    slot->id = (uint16_t)((unsigned)f->turn << SLOT_BITS | at);
    link_newest(f, at);
    f->count++;
    f->unwritten++;
    return slot;
}

struct inflight_slot *broker__inflight_find(struct inflight *f, uint16_t id)
{
    unsigned at = id & SLOT_MASK;
    bool here = at < f->cap && f->slots[at].m != NULL && f->slots[at].id == id;
    return here ? &f->slots[at] : NULL;
}

void broker__inflight_remove(struct inflight *f, struct inflight_slot *slot)
{
    unlink_slot(f, slot);
    f->count--;
    f->unwritten = (uint8_t)(f->unwritten - !slot->written);
    broker__journal_done(f->owner.journal, slot->m, slot->row);
    broker__message_release(slot->m);
    *slot = (struct inflight_slot){.next = f->vacant};
    f->vacant = index_of(f, slot);
    if (f->count == 0 && f->cap > KEEP_EMPTY) {
        uint16_t turn = f->turn;
        broker__inflight_free(f);
        f->turn = turn;
    }
}

void broker__inflight_written(struct inflight *f, struct inflight_slot *slot, int64_t now_ms)
{
    f->unwritten = (uint8_t)(f->unwritten - !slot->written);
    slot->written = true;
    slot->sent = true;
    slot->sent_ms = now_ms;
}

void broker__inflight_rewind(struct inflight *f, struct inflight_slot *slot)
{
    f->unwritten = (uint8_t)(f->unwritten + slot->written);
    slot->written = false;
}

void broker__inflight_rewind_all(struct inflight *f)
{
    for (unsigned i = 0; i < f->cap; i++) {
        f->slots[i].written = f->slots[i].sent = false;
    }
    f->unwritten = f->count;
}

struct inflight_slot *broker__inflight_next(const struct inflight *f,
                                            const struct inflight_slot *slot)
{
    uint8_t at = slot == NULL ? f->oldest : slot->next;
    return at == INFLIGHT_NONE ? NULL : &f->slots[at];
}
