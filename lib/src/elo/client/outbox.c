// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: records lie packed in the buffer, oldest first; each is a header of 16 bytes and
 * a whole PUBLISH packet, never split, so that the transport can be given the packet in place.
 *
 *     0            cur                                      end          cap
 *     [SENT 7][GONE][SENT 8 >>>>|.....][QUEUED][QUEUED QoS 0]  free
 *                        written ^
 *
 *     QUEUED --written--> SENT --PUBACK--> GONE          QUEUED QoS 0 --written--> GONE
 *                          ^ |
 *               written    | | not answered, or the connection broke and the session was resumed
 *                          | v
 *                         AGAIN                session lost: SENT, AGAIN -> QUEUED
 *
 * AWS acknowledges in any order, and DROP_OLDEST takes from behind what is in flight, so holes
 * (GONE) appear anywhere. They are closed by sliding the records down, and only when a new record
 * would not fit otherwise: a true ring would keep the space behind one late PUBACK.
 *
 * UNFIT (MQTT 5) is what this server does not take: never written, and GONE once it was told.
 *
 * ACKED is SENT whose PUBACK came while the packet is still being written (a repetition): it must
 * be finished, or the stream would break. Packet id and DUP are patched into the packet when its
 * writing begins, for only then are they known.
 *
 * The first record that is QUEUED or AGAIN is the next to write, and nothing overtakes it;
 * `first` says where to look for it, so that a long queue is not walked for each packet:
 * that is the order of publication, also for what is sent again [MQTT-4.6.0-1].
 */
#include "elo/client/outbox.h"

#include "elo/base/assert.h"
#include "elo/base/bytes.h"
#include "elo/client/elapsed.h"
#include "elo/client/mqtt5_hooks.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/wire.h"

enum { QUEUED, SENT, AGAIN, ACKED, GONE, UNFIT };

#define HOOKS(o) ((o)->mqtt5->_internal.hooks)
#define QOS_BITS (3u << ELO__PUBLISH_QOS_SHIFT)

struct record {
    uint32_t size; /* of the packet */
    uint32_t token;
    uint32_t sent_ms; /* first written on this connection */
    uint16_t id;      /* 0: none, or QoS 0 */
    uint8_t state;
    uint8_t tries; /* 0: not written on this connection; else that times retry_ms after sent_ms it
                      is due for repetition */
};

typedef char record_size_is_as_documented[sizeof(struct record) == ELO__RECORD_SIZE ? 1 : -1];

/* A record, copied out of the buffer - which may have any alignment - and where it lies. */
struct place {
    size_t at;
    size_t next;
    struct record r;
};

/*
 * The record behind `*p`; false at the end. Used as
 *
 *     struct place p;
 *     for (p.next = 0; walk(o, &p);)
 */
static bool walk(const struct elo__outbox *o, struct place *p)
{
    p->at = p->next;
    if (p->at >= o->end) {
        return false;
    }
    memcpy(&p->r, o->buf + p->at, sizeof p->r);
    p->next += sizeof p->r + p->r.size;
    return true;
}

static void store(struct elo__outbox *o, const struct place *p)
{
    memcpy(o->buf + p->at, &p->r, sizeof p->r);
}

/* The record being written. */
static void find_current(const struct elo__outbox *o, struct place *p)
{
    p->next = o->cur;
    bool there = walk(o, p);
    ELO_ASSERT(there);
    (void)there; /* without asserts */
}

static uint8_t *packet(const struct elo__outbox *o, size_t at)
{
    return o->buf + at + ELO__RECORD_SIZE;
}

static bool in_flight(const struct place *p)
{
    return p->r.id != 0 && (p->r.state == SENT || p->r.state == AGAIN);
}

static bool is_busy(const struct elo__outbox *o, const struct place *p)
{
    return o->busy && p->at == o->cur;
}

/* A message's end, whatever the reason. Its record becomes a hole. */
static void make_hole(struct elo__outbox *o, struct place *p)
{
    p->r.state = GONE;
    store(o, p);
    o->holes += p->next - p->at;
    if (o->holes == o->end) {
        o->holes = 0;
        o->end = 0;
        o->first = 0;
    }
}

/* The same for a message that counts as live still. */
static void finish(struct elo__outbox *o, struct place *p)
{
    o->live--;
    if (in_flight(p)) {
        o->in_flight--;
    }
    make_hole(o, p);
}

/* Slides a record down to `*to`, behind the one before it. */
static void slide(struct elo__outbox *o, const struct place *p, size_t *to)
{
    size_t size = sizeof p->r + p->r.size;
    memmove(o->buf + *to, o->buf + p->at, size);
    *to += size;
}

static void closed_up(struct elo__outbox *o, size_t end)
{
    o->end = end;
    o->holes = 0;
    o->first = 0;
}

static void close_holes(struct elo__outbox *o)
{
    size_t to = 0;
    struct place p;
    for (p.next = 0; walk(o, &p);) {
        if (p.r.state == GONE) {
            continue;
        }
        if (is_busy(o, &p)) {
            o->cur = to;
        }
        slide(o, &p, &to);
    }
    closed_up(o, to);
}

/* Never to be written. It counts as live until it was told. */
static void make_unfit(struct elo__outbox *o, struct place *p)
{
    if (in_flight(p)) {
        o->in_flight--;
    }
    p->r.state = UNFIT;
}

bool elo__outbox_rewrite(struct elo__outbox *o, elo__edit_fn edit, const void *ctx)
{
    bool unfit = false;
    size_t to = 0;
    struct place p;
    ELO_ASSERT(!o->busy);
    for (p.next = 0; walk(o, &p);) {
        if (p.r.state == GONE) {
            continue;
        }
        uint32_t size = (uint32_t)edit(packet(o, p.at), p.r.size, ctx);
        if (size == 0) {
            make_unfit(o, &p);
            unfit = true;
        } else {
            p.r.size = size;
        }
        store(o, &p);
        slide(o, &p, &to);
    }
    closed_up(o, to);
    return unfit;
}

void elo__outbox_init(struct elo__outbox *o, uint8_t *buf, size_t cap)
{
    memset(o, 0, sizeof *o);
    o->buf = buf;
    o->cap = cap;
}

/* Encodes behind the last record. `*out_need`: what a record of it takes. */
static elo_err append(struct elo__outbox *o,
                      const struct elo_mqtt_publish *publish,
                      uint32_t token,
                      size_t *out_need)
{
    size_t tail = o->cap - o->end;
    size_t room = tail > ELO__RECORD_SIZE ? tail - ELO__RECORD_SIZE : 0;
    uint8_t *to = room > 0 ? packet(o, o->end) : o->buf;
    size_t len = 0;
    elo_err err = o->mqtt5 != NULL ? HOOKS(o)->publish(o->mqtt5, publish, to, room, &len)
                                   : elo_mqtt_encode_publish(publish, to, room, &len);
    *out_need = ELO__RECORD_SIZE + len;
    if (err != ELO_OK) {
        return err;
    }
    struct place p = {0};
    p.at = o->end;
    p.r.size = (uint32_t)len;
    p.r.token = token;
    p.r.state = QUEUED;
    store(o, &p);
    o->end += *out_need;
    o->live++;
    return ELO_OK;
}

elo_err elo__outbox_put(struct elo__outbox *o,
                        const struct elo_mqtt_publish *publish,
                        uint32_t token,
                        size_t *out_need)
{
    struct elo_mqtt_publish p = *publish;
    p.packet_id = p.qos == 0 ? 0 : 1; /* a place to patch the real one into */
    p.dup = false;
    elo_err err = append(o, &p, token, out_need);
    if (err == ELO_E_NO_SPACE && *out_need <= elo__outbox_room(o)) {
        close_holes(o);
        err = append(o, &p, token, out_need);
    }
    return err == ELO_E_NO_SPACE && *out_need > o->cap ? ELO_E_TOO_LARGE : err;
}

size_t elo__outbox_room(const struct elo__outbox *o)
{
    return o->cap - o->end + o->holes;
}

static bool droppable(const struct elo__outbox *o, const struct place *p, bool in_flight_too)
{
    return p->r.state == QUEUED || (in_flight_too && in_flight(p) && !is_busy(o, p));
}

size_t elo__outbox_room_dropping(const struct elo__outbox *o, bool in_flight_too)
{
    size_t room = elo__outbox_room(o);
    struct place p;
    for (p.next = 0; walk(o, &p);) {
        if (droppable(o, &p, in_flight_too)) {
            room += p.next - p.at;
        }
    }
    return room;
}

bool elo__outbox_drop_unfit(struct elo__outbox *o, uint32_t *out_token, size_t *out_size)
{
    struct place p, first;
    unsigned n = 0;
    for (p.next = 0; n < 2 && walk(o, &p);) {
        if (p.r.state == UNFIT && n++ == 0) {
            first = p;
        }
    }
    ELO_ASSERT(n > 0);
    *out_token = first.r.token;
    *out_size = first.r.size;
    finish(o, &first);
    return n > 1;
}

bool elo__outbox_drop(struct elo__outbox *o, bool in_flight_too, uint32_t *out_token)
{
    struct place p;
    for (p.next = 0; walk(o, &p);) {
        if (droppable(o, &p, in_flight_too)) {
            *out_token = p.r.token;
            finish(o, &p);
            return true;
        }
    }
    return false;
}

static bool find_id(const struct elo__outbox *o, uint16_t id, struct place *p)
{
    p->next = 0;
    while (walk(o, p)) {
        if (in_flight(p) && p->r.id == id) {
            return true;
        }
    }
    return false;
}

uint16_t elo__outbox_new_id(struct elo__outbox *o, uint16_t except)
{
    struct place p;
    do {
        o->last_id++;
    } while (o->last_id == 0 || o->last_id == except || find_id(o, o->last_id, &p));
    return o->last_id;
}

uint8_t *elo__topic_in(uint8_t *bytes)
{
    uint8_t *topic = bytes + 1;
    while ((*topic++ & 0x80u) != 0) {
    }
    return topic;
}

/* Where the packet id of a QoS 1 PUBLISH of ours stands: behind the topic [MQTT-3.3.2.2]. */
static uint8_t *id_in(uint8_t *bytes)
{
    uint8_t *topic = elo__topic_in(bytes);
    return topic + 2 + elo_rd16be(topic);
}

/* The record becomes the one being written. */
static void begin(struct elo__outbox *o, struct place *p, uint16_t except, uint32_t now_ms)
{
    uint8_t *bytes = packet(o, p->at);
    bool qos1 = (bytes[0] & QOS_BITS) != 0;
    if (qos1 && p->r.state == QUEUED) {
        p->r.id = elo__outbox_new_id(o, except);
        o->in_flight++;
        elo_wr16be(id_in(bytes), p->r.id);
        bytes[0] &= (uint8_t)~ELO__PUBLISH_DUP;
    } else if (qos1) {
        bytes[0] |= ELO__PUBLISH_DUP; /* [MQTT-3.3.1-1] */
    }
    if (p->r.tries == 0) {
        p->r.tries = 1;
        p->r.sent_ms = now_ms;
    } else { /* marked by the tick, so there is a retry_ms */
        p->r.tries = elo__next_try(now_ms, &p->r.sent_ms, o->retry_ms);
    }
    p->r.state = SENT;
    store(o, p);
    o->cur = p->at;
    o->written = 0;
    o->busy = true;
    o->cut = 0;
    o->head_len = 0;
    if (o->mqtt5 != NULL) {
        HOOKS(o)->begin(o, bytes, p->r.size);
    }
}

size_t elo__outbox_unanswered(const struct elo__outbox *o)
{
    size_t n = 0;
    struct place p;
    for (p.next = 0; walk(o, &p);) {
        n += in_flight(&p) && p.r.tries > 0;
    }
    return n;
}

static void begin_next(struct elo__outbox *o, uint16_t except, uint32_t now_ms)
{
    struct place p;
    for (p.next = o->first; walk(o, &p);) {
        bool queued = p.r.state == QUEUED;
        o->first = p.at;
        if (queued && o->in_flight >= o->window && (packet(o, p.at)[0] & QOS_BITS) != 0) {
            return; /* the window is full, and nothing may overtake */
        }
        if (p.r.state == AGAIN && o->mqtt5 != NULL && HOOKS(o)->window_full(o)) {
            return;
        }
        if (queued || p.r.state == AGAIN) {
            begin(o, &p, except, now_ms);
            return;
        }
    }
    o->first = p.at;
}

elo_span elo__outbox_output(struct elo__outbox *o, uint16_t except, uint32_t now_ms)
{
    if (!o->busy) {
        begin_next(o, except, now_ms);
    }
    if (!o->busy) {
        return elo_span_of(NULL, 0);
    }
    struct place p;
    find_current(o, &p);
    if (o->written < o->head_len) {
        return elo_span_of(o->head + o->written, o->head_len - o->written);
    }
    size_t at = o->written - o->head_len + o->cut;
    return elo_span_of(packet(o, p.at) + at, p.r.size - at);
}

elo__written elo__outbox_written(struct elo__outbox *o, size_t n, uint32_t now_ms)
{
    ELO_ASSERT(o->busy);
    struct place p;
    find_current(o, &p);
    size_t size = p.r.size - o->cut + o->head_len;
    ELO_ASSERT(n <= size - o->written);
    o->written += n;
    if (o->written < size) {
        return ELO__WRITTEN_PART;
    }
    o->busy = false;
    if (p.r.state == SENT && p.r.id == 0) {
        finish(o, &p);
        return ELO__WRITTEN_QOS0;
    }
    if (p.r.state == ACKED) {
        make_hole(o, &p);
    } else if (p.r.tries == 1) {
        p.r.sent_ms = now_ms; /* a large packet on a slow line: the answer is owed from now on */
        store(o, &p);
    }
    return ELO__WRITTEN_QOS1;
}

bool elo__outbox_acked(struct elo__outbox *o, uint16_t id, uint32_t *out_token)
{
    struct place p;
    if (!find_id(o, id, &p)) {
        return false;
    }
    *out_token = p.r.token;
    if (is_busy(o, &p)) {
        o->live--;
        o->in_flight--;
        p.r.state = ACKED;
        store(o, &p);
    } else {
        finish(o, &p);
    }
    return true;
}

void elo__outbox_cut(struct elo__outbox *o)
{
    if (!o->busy) {
        return;
    }
    struct place p;
    find_current(o, &p);
    o->busy = false;
    o->first = 0;
    if (p.r.state == ACKED) {
        make_hole(o, &p);
    } else if (p.r.id == 0) {
        p.r.state = QUEUED; /* no one can have read half a packet */
        store(o, &p);
    }
}

void elo__outbox_resume(struct elo__outbox *o, bool present)
{
    struct place p;
    o->first = 0;
    for (p.next = 0; walk(o, &p);) {
        if (in_flight(&p)) {
            p.r.state = present ? AGAIN : QUEUED;
            p.r.id = present ? p.r.id : 0;
        }
        p.r.tries = 0;
        store(o, &p);
    }
    if (!present) {
        o->in_flight = 0;
    }
}

/* Moves on to the next message that waits for its PUBACK on this connection. */
static bool walk_waiting(const struct elo__outbox *o, struct place *p)
{
    while (walk(o, p)) {
        if (in_flight(p) && p->r.tries > 0 && !is_busy(o, p)) {
            return true;
        }
    }
    return false;
}

bool elo__outbox_waiting(const struct elo__outbox *o, uint32_t *out_since_ms)
{
    struct place p;
    p.next = 0;
    bool found = walk_waiting(o, &p);
    if (found) {
        *out_since_ms = p.r.sent_ms;
    }
    return found;
}

static uint32_t retry_left(const struct elo__outbox *o, const struct place *p, uint32_t now_ms)
{
    if (o->retry_ms == 0 || p->r.state != SENT) {
        return ELO__NEVER;
    }
    return elo__ms_left(now_ms, p->r.sent_ms, o->retry_ms * p->r.tries);
}

static uint32_t ack_left(const struct elo__outbox *o, const struct place *p, uint32_t now_ms)
{
    if (o->ack_timeout_ms == 0) {
        return ELO__NEVER;
    }
    return elo__ms_left(now_ms, p->r.sent_ms, o->ack_timeout_ms);
}

uint32_t elo__outbox_left(const struct elo__outbox *o, uint32_t now_ms)
{
    uint32_t left = ELO__NEVER;
    struct place p;
    for (p.next = 0; walk_waiting(o, &p);) {
        left = elo__sooner(left, retry_left(o, &p, now_ms));
        left = elo__sooner(left, ack_left(o, &p, now_ms));
    }
    return left;
}

bool elo__outbox_tick(struct elo__outbox *o, uint32_t now_ms)
{
    struct place p;
    for (p.next = 0; walk_waiting(o, &p);) {
        if (ack_left(o, &p, now_ms) == 0) {
            return true;
        }
        if (retry_left(o, &p, now_ms) == 0) {
            p.r.state = AGAIN;
            store(o, &p);
            o->first = 0;
        }
    }
    return false;
}
