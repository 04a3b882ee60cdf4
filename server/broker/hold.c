// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an acknowledgement means durable, so it waits for the epoch of what it
 * acknowledges. There are two ways of waiting.
 *
 * A PUBACK waits in a ring beside the output, which nothing else waits for; PUBACKs leave in the
 * order of their PUBLISHes [MQTT-4.6.0-2], so one that could leave at once waits behind those that
 * cannot.
 *
 * CONNACK, SUBACK and UNSUBACK stand in the output, behind a barrier: neither they nor what follows
 * is handed out. They are rare, and nothing may overtake the first, while retained messages are
 * expected after the second.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST 16u
#define LARGEST  65536u /* there are no more packet identifiers */

static struct hold *hold_of(struct broker_conn *c)
{
    if (c->hold == NULL) {
        c->hold = mem_zero(sizeof *c->hold);
        if (c->hold == NULL) {
            broker__end(c, ELO_E_NO_MEMORY, NULL);
            return NULL;
        }
        TAILQ_INSERT_TAIL(&c->broker->holding, c, holding);
    }
    return c->hold;
}

void broker__hold_free(struct broker_conn *c)
{
    if (c->hold != NULL) {
        TAILQ_REMOVE(&c->broker->holding, c, holding);
        mem_free(c->hold->acks);
        mem_free(c->hold);
        c->hold = NULL;
    }
}

static bool grow(struct hold *h)
{
    uint32_t cap = h->cap == 0 ? SMALLEST : h->cap * 2;
    struct held_ack *acks = cap > LARGEST ? NULL : mem_alloc(cap * sizeof *acks);
    if (acks == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < h->count; i++) {
        acks[i] = h->acks[(h->first + i) & (h->cap - 1)];
    }
    mem_free(h->acks);
    h->acks = acks;
    h->cap = cap;
    h->first = 0;
    return true;
}

void broker__ack_publish(struct broker_conn *c, uint16_t packet_id, uint64_t epoch)
{
    if (epoch == 0 && (c->hold == NULL || c->hold->count == 0)) {
        broker__send_ack(c, ELO_MQTT_PUBACK, packet_id);
        return;
    }
    struct hold *h = c->ended ? NULL : hold_of(c);
    if (h == NULL) {
        return;
    }
    if (h->count == h->cap && !grow(h)) {
        broker__end(c, ELO_E_NO_MEMORY, NULL);
        return;
    }
    h->acks[(h->first + h->count++) & (h->cap - 1)] =
        (struct held_ack){.epoch = epoch, .packet_id = packet_id};
}

uint32_t broker__hold_count(const struct broker_conn *c)
{
    return c->hold == NULL ? 0 : c->hold->count;
}

bool broker__hold_has(const struct broker_conn *c, uint16_t packet_id)
{
    const struct hold *h = c->hold;
    bool found = false;
    for (uint32_t i = 0; h != NULL && i < h->count && !found; i++) {
        found = h->acks[(h->first + i) & (h->cap - 1)].packet_id == packet_id;
    }
    return found;
}

void broker__hold_output(struct broker_conn *c, uint64_t epoch)
{
    struct hold *h = c->ended || epoch == 0 ? NULL : hold_of(c);
    if (h == NULL) {
        return;
    }
    if (h->barrier == 0) {
        h->open_bytes = c->out.bytes;
    }
    h->barrier = epoch > h->barrier ? epoch : h->barrier;
}

size_t broker__hold_clip(const struct broker_conn *c, elo_span *pieces, size_t count)
{
    if (c->hold == NULL || c->hold->barrier == 0) {
        return count;
    }
    size_t left = c->hold->open_bytes;
    for (size_t i = 0; i < count; i++) {
        if (left == 0) {
            return i;
        }
        pieces[i].len = pieces[i].len < left ? pieces[i].len : left;
        left -= pieces[i].len;
    }
    return count;
}

void broker__hold_sent(struct broker_conn *c, size_t bytes)
{
    if (c->hold != NULL && c->hold->barrier != 0) {
        c->hold->open_bytes -= bytes;
    }
}

static void release(struct broker_conn *c, uint64_t epoch)
{
    struct hold *h = c->hold;
    if (h->barrier != 0 && h->barrier <= epoch) {
        h->barrier = 0;
        broker__make_ready(c);
    }
    while (h->count > 0 && h->acks[h->first].epoch <= epoch) {
        uint16_t id = h->acks[h->first].packet_id;
        h->first = (h->first + 1) & (h->cap - 1);
        h->count--;
        broker__send_ack(c, ELO_MQTT_PUBACK, id);
    }
    if (h->count == 0 && h->barrier == 0) {
        broker__hold_free(c);
    }
}

void broker__hold_release(struct broker *b, uint64_t epoch)
{
    struct broker_conn *next;
    for (struct broker_conn *c = TAILQ_FIRST(&b->holding); c != NULL; c = next) {
        next = TAILQ_NEXT(c, holding);
        release(c, epoch);
    }
}

static bool waits_for(const struct hold *h, uint64_t epoch)
{
    bool output = h->barrier != 0 && h->barrier <= epoch;
    bool ack = false;
    for (uint32_t i = 0; i < h->count && !ack; i++) {
        uint64_t of = h->acks[(h->first + i) & (h->cap - 1)].epoch;
        ack = of != 0 && of <= epoch;
    }
    return output || ack;
}

/* What stands behind a barrier will never be true: the connection's output is thrown away. */
void broker__hold_fail(struct broker *b, uint64_t epoch, elo_err err)
{
    struct broker_conn *next;
    for (struct broker_conn *c = TAILQ_FIRST(&b->holding); c != NULL; c = next) {
        next = TAILQ_NEXT(c, holding);
        if (waits_for(c->hold, epoch)) {
            if (c->hold->barrier != 0) {
                c->mute = c->out.bytes > 0;
                broker__output_free(&c->out, &b->pool);
            }
            broker__hold_free(c);
            broker__end(c, err, "SERVER_ERROR");
            broker__make_ready(c); /* it may have ended before, and waited to say so */
        }
    }
}
