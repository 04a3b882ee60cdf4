// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works:
 *
 *      ptr [ sent ....... | head A | head B ........... ] len        cap
 *                                  ^ refs[0].at    ^ refs[1].at
 *
 * The stream is the bytes from `sent` on, with the payload of each reference put in before byte
 * `at`. References are in stream order; those before ref_first are gone. When everything is gone
 * the output starts afresh; when it must grow, the gone part is squeezed out first.
 */
#include "server/broker/output.h"

#include "elo/base/assert.h"
#include "server/base/mem.h"

#define SMALLEST_BYTES   256u
#define POOLED_BYTES_MAX 65536u /* larger buffers are not worth keeping */
#define REFS_SMALLEST    4u

void broker__output_pool_free(struct output_pool *pool)
{
    while (pool->count > 0) {
        mem_free(pool->spare[--pool->count].ptr);
    }
}

static void give_back(struct output *o, struct output_pool *pool)
{
    pool->held -= o->cap;
    if (o->ptr != NULL && o->cap <= POOLED_BYTES_MAX && pool->count < OUTPUT_POOL_BUFFERS) {
        pool->spare[pool->count].ptr = o->ptr;
        pool->spare[pool->count++].cap = o->cap;
    } else {
        mem_free(o->ptr);
    }
    mem_free(o->refs);
    *o = (struct output){0};
}

/* Moves the unsent bytes to the front. */
static void squeeze(struct output *o)
{
    if (o->sent == 0) {
        return;
    }
    memmove(o->ptr, o->ptr + o->sent, o->len - o->sent);
    for (uint32_t i = o->ref_first; i < o->ref_count; i++) {
        o->refs[i].at -= o->sent;
    }
    o->len -= o->sent;
    o->sent = 0;
}

static bool reserve_bytes(struct output *o, struct output_pool *pool, size_t more)
{
    if (more <= o->cap - o->len) {
        return true;
    }
    if (o->ptr == NULL && pool->count > 0) {
        o->ptr = pool->spare[--pool->count].ptr;
        o->cap = pool->spare[pool->count].cap;
        pool->held += o->cap;
    }
    if (o->sent >= o->cap / 2) {
        squeeze(o);
    }
    if (more <= o->cap - o->len) {
        return true;
    }
    size_t cap = o->cap < SMALLEST_BYTES ? SMALLEST_BYTES : o->cap;
    while (cap - o->len < more) {
        cap *= 2;
    }
    uint8_t *ptr = mem_grow(o->ptr, cap);
    if (ptr == NULL) {
        return false;
    }
    pool->held += cap - o->cap;
    o->ptr = ptr;
    o->cap = cap;
    return true;
}

static bool reserve_ref(struct output *o)
{
    if (o->ref_count < o->ref_cap) {
        return true;
    }
    if (o->ref_first > 0) {
        o->ref_count -= o->ref_first;
        memmove(o->refs, o->refs + o->ref_first, o->ref_count * sizeof *o->refs);
        o->ref_first = 0;
        return true;
    }
    uint32_t cap = o->ref_cap == 0 ? REFS_SMALLEST : o->ref_cap * 2;
    struct output_ref *refs = mem_grow(o->refs, cap * sizeof *refs);
    if (refs == NULL) {
        return false;
    }
    o->refs = refs;
    o->ref_cap = cap;
    return true;
}

static struct message *refer_to(struct message *m, struct output_pool *pool)
{
    pool->held += m->outputs++ == 0 ? m->payload_len : 0;
    return broker__message_keep(m);
}

static void let_go_of(struct message *m, struct output_pool *pool)
{
    pool->held -= --m->outputs == 0 ? m->payload_len : 0;
    broker__message_release(m);
}

static void append(struct output *o, elo_span bytes)
{
    if (bytes.len > 0) {
        memcpy(o->ptr + o->len, bytes.ptr, bytes.len);
        o->len += bytes.len;
    }
}

bool broker__output_packet(struct output *o,
                           struct output_pool *pool,
                           const struct output_packet *packet)
{
    bool refer = packet->keep != NULL && packet->payload.len >= OUTPUT_REFER_BYTES;
    size_t head = packet->head.len + packet->props.len;
    if (!reserve_bytes(o, pool, head + (refer ? 0 : packet->payload.len)) ||
        (refer && !reserve_ref(o))) {
        return false;
    }
    append(o, packet->head);
    append(o, packet->props);
    if (refer) {
        o->refs[o->ref_count++] =
            (struct output_ref){.at = o->len, .m = refer_to(packet->keep, pool)};
    } else {
        append(o, packet->payload);
    }
    o->bytes += head + packet->payload.len;
    return true;
}

static elo_span ref_rest(const struct output_ref *ref)
{
    return elo_span_from(broker__message_payload(ref->m), ref->sent);
}

size_t broker__output_pieces(const struct output *o, elo_span *out, size_t max)
{
    size_t count = 0;
    size_t at = o->sent;
    for (uint32_t i = o->ref_first; i <= o->ref_count && count < max; i++) {
        size_t end = i < o->ref_count ? o->refs[i].at : o->len;
        if (end > at) {
            out[count++] = elo_span_of(o->ptr + at, end - at);
            at = end;
        }
        if (i < o->ref_count && count < max) {
            out[count++] = ref_rest(&o->refs[i]);
        }
    }
    return count;
}

/* Forgets up to `sent` bytes before the next reference, or all of them; how many. */
static size_t ack_bytes(struct output *o, size_t sent)
{
    size_t end = o->ref_first < o->ref_count ? o->refs[o->ref_first].at : o->len;
    size_t n = end - o->sent < sent ? end - o->sent : sent;
    o->sent += n;
    return n;
}

/* The same for the next reference. Call with all bytes before it gone. */
static size_t ack_ref(struct output *o, struct output_pool *pool, size_t sent)
{
    struct output_ref *ref = &o->refs[o->ref_first];
    size_t rest = ref_rest(ref).len;
    if (sent < rest) {
        ref->sent += sent;
        return sent;
    }
    let_go_of(ref->m, pool);
    o->ref_first++;
    return rest;
}

void broker__output_ack(struct output *o, struct output_pool *pool, size_t sent)
{
    ELO_ASSERT(sent <= o->bytes);
    o->bytes -= sent;
    while (sent > 0) {
        sent -= ack_bytes(o, sent);
        if (sent > 0) {
            sent -= ack_ref(o, pool, sent);
        }
    }
    if (o->bytes == 0) {
        give_back(o, pool);
    }
}

void broker__output_free(struct output *o, struct output_pool *pool)
{
    for (uint32_t i = o->ref_first; i < o->ref_count; i++) {
        let_go_of(o->refs[i].m, pool);
    }
    give_back(o, pool);
}
