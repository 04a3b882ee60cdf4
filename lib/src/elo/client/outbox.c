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
 * ACKED is SENT whose PUBACK came while the packet is still being written (a repetition): it must
 * be finished, or the stream would break. Packet id and DUP are patched into the packet when its
 * writing begins, for only then are they known.
 *
 * The first record that is neither SENT nor GONE is the next to write, and nothing overtakes it:
 * that is the order of publication, also for what is sent again [MQTT-4.6.0-1].
 */
#include "elo/client/outbox.h"

#include "elo/base/assert.h"
#include "elo/base/bytes.h"
#include "elo/client/elapsed.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

enum { QUEUED, SENT, AGAIN, ACKED, GONE };

#define DUP_BIT  0x08u
#define QOS_BITS 0x06u

/* Copied out and in, for the buffer may have any alignment. */
struct record {
    uint32_t size; /* of the packet */
    uint32_t token;
    uint32_t sent_ms; /* first written on this connection */
    uint16_t id;      /* 0: none, or QoS 0 */
    uint8_t state;
    uint8_t tries; /* times written on this connection */
};

typedef char record_size_is_as_documented[sizeof(struct record) == ELO__RECORD_SIZE ? 1 : -1];

static struct record load(const struct elo__outbox *o, size_t at)
{
    struct record r;
    memcpy(&r, o->buf + at, sizeof r);
    return r;
}

static void store(struct elo__outbox *o, size_t at, const struct record *r)
{
    memcpy(o->buf + at, r, sizeof *r);
}

static size_t after(size_t at, const struct record *r)
{
    return at + sizeof *r + r->size;
}

static uint8_t *packet(const struct elo__outbox *o, size_t at)
{
    return o->buf + at + ELO__RECORD_SIZE;
}

static bool in_flight(const struct record *r)
{
    return r->id != 0 && (r->state == SENT || r->state == AGAIN);
}

static bool is_busy(const struct elo__outbox *o, size_t at)
{
    return o->busy && at == o->cur;
}

/* A message's end, whatever the reason. Its record becomes a hole. */
static void make_hole(struct elo__outbox *o, size_t at, struct record *r)
{
    r->state = GONE;
    store(o, at, r);
    o->holes += sizeof *r + r->size;
    if (o->holes == o->end) {
        o->holes = 0;
        o->end = 0;
    }
}

/* The same for a message that counts as live still. */
static void finish(struct elo__outbox *o, size_t at, struct record *r)
{
    o->live--;
    if (in_flight(r)) {
        o->in_flight--;
    }
    make_hole(o, at, r);
}

static void close_holes(struct elo__outbox *o)
{
    size_t to = 0;
    for (size_t at = 0; at < o->end;) {
        struct record r = load(o, at);
        size_t next = after(at, &r);
        if (r.state != GONE) {
            if (is_busy(o, at)) {
                o->cur = to;
            }
            memmove(o->buf + to, o->buf + at, next - at);
            to += next - at;
        }
        at = next;
    }
    o->end = to;
    o->holes = 0;
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
    elo_err err = elo_mqtt_encode_publish(publish, to, room, &len);
    *out_need = ELO__RECORD_SIZE + len;
    if (err != ELO_OK) {
        return err;
    }
    struct record r = {0};
    r.size = (uint32_t)len;
    r.token = token;
    r.state = QUEUED;
    store(o, o->end, &r);
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

static bool droppable(const struct elo__outbox *o, size_t at, const struct record *r, bool all)
{
    if (r->state == QUEUED) {
        return true;
    }
    return all && (r->state == SENT || r->state == AGAIN) && !is_busy(o, at);
}

size_t elo__outbox_room_dropping(const struct elo__outbox *o, bool in_flight_too)
{
    size_t room = elo__outbox_room(o);
    for (size_t at = 0; at < o->end;) {
        struct record r = load(o, at);
        size_t next = after(at, &r);
        if (droppable(o, at, &r, in_flight_too)) {
            room += next - at;
        }
        at = next;
    }
    return room;
}

bool elo__outbox_drop(struct elo__outbox *o, bool in_flight_too, uint32_t *out_token)
{
    for (size_t at = 0; at < o->end;) {
        struct record r = load(o, at);
        if (droppable(o, at, &r, in_flight_too)) {
            *out_token = r.token;
            finish(o, at, &r);
            return true;
        }
        at = after(at, &r);
    }
    return false;
}

static bool find_id(const struct elo__outbox *o, uint16_t id, size_t *out_at)
{
    for (size_t at = 0; at < o->end;) {
        struct record r = load(o, at);
        if (in_flight(&r) && r.id == id) {
            *out_at = at;
            return true;
        }
        at = after(at, &r);
    }
    return false;
}

uint16_t elo__outbox_new_id(struct elo__outbox *o, uint16_t except)
{
    size_t at;
    do {
        o->last_id = o->last_id == UINT16_MAX ? 1 : (uint16_t)(o->last_id + 1);
    } while (o->last_id == except || find_id(o, o->last_id, &at));
    return o->last_id;
}

/* Where the packet id of a QoS 1 PUBLISH stands: behind fixed header and topic [MQTT-3.3.2.2]. */
static uint8_t *id_in(uint8_t *bytes, uint32_t size)
{
    struct elo_mqtt_frame frame;
    elo_err err = elo_mqtt_frame(elo_span_of(bytes, size), UINT32_MAX, &frame);
    ELO_ASSERT(err == ELO_OK);
    (void)err;
    uint8_t *topic = bytes + frame.header_len;
    return topic + 2 + elo_rd16be(topic);
}

/* The record at `at` becomes the one being written. */
static void
begin(struct elo__outbox *o, size_t at, struct record *r, uint16_t except, uint32_t now_ms)
{
    uint8_t *bytes = packet(o, at);
    bool qos1 = (bytes[0] & QOS_BITS) != 0;
    if (qos1 && r->state == QUEUED) {
        r->id = elo__outbox_new_id(o, except);
        o->in_flight++;
        elo_wr16be(id_in(bytes, r->size), r->id);
        bytes[0] &= (uint8_t)~DUP_BIT;
    } else if (qos1) {
        bytes[0] |= DUP_BIT; /* [MQTT-3.3.1-1] */
    }
    if (r->tries == 0 || r->tries == UINT8_MAX) {
        r->tries = 0;
        r->sent_ms = now_ms;
    }
    r->tries++;
    r->state = SENT;
    store(o, at, r);
    o->cur = at;
    o->written = 0;
    o->busy = true;
}

elo_span elo__outbox_output(struct elo__outbox *o, uint16_t window, uint16_t except, uint32_t now)
{
    struct record r;
    for (size_t at = 0; !o->busy && at < o->end; at = after(at, &r)) {
        r = load(o, at);
        if (r.state == QUEUED && (packet(o, at)[0] & QOS_BITS) != 0 && o->in_flight >= window) {
            break; /* the window is full, and nothing may overtake */
        }
        if (r.state == QUEUED || r.state == AGAIN) {
            begin(o, at, &r, except, now);
        }
    }
    if (!o->busy) {
        return elo_span_of(NULL, 0);
    }
    r = load(o, o->cur);
    return elo_span_of(packet(o, o->cur) + o->written, r.size - o->written);
}

elo__written elo__outbox_written(struct elo__outbox *o, size_t n, uint32_t now_ms)
{
    ELO_ASSERT(o->busy);
    struct record r = load(o, o->cur);
    ELO_ASSERT(n <= r.size - o->written);
    o->written += n;
    if (o->written < r.size) {
        return ELO__WRITTEN_PART;
    }
    o->busy = false;
    if (r.state == SENT && r.id == 0) {
        finish(o, o->cur, &r);
        return ELO__WRITTEN_QOS0;
    }
    if (r.state == ACKED) {
        make_hole(o, o->cur, &r);
    } else if (r.tries == 1) {
        r.sent_ms = now_ms; /* a large packet on a slow line: the answer is owed from now on */
        store(o, o->cur, &r);
    }
    return ELO__WRITTEN_QOS1;
}

bool elo__outbox_acked(struct elo__outbox *o, uint16_t id, uint32_t *out_token)
{
    size_t at;
    if (!find_id(o, id, &at)) {
        return false;
    }
    struct record r = load(o, at);
    *out_token = r.token;
    if (is_busy(o, at)) {
        o->live--;
        o->in_flight--;
        r.state = ACKED;
        store(o, at, &r);
    } else {
        finish(o, at, &r);
    }
    return true;
}

void elo__outbox_cut(struct elo__outbox *o)
{
    if (!o->busy) {
        return;
    }
    struct record r = load(o, o->cur);
    o->busy = false;
    if (r.state == ACKED) {
        make_hole(o, o->cur, &r);
    } else if (r.id == 0) {
        r.state = QUEUED; /* no one can have read half a packet */
        store(o, o->cur, &r);
    }
}

void elo__outbox_resume(struct elo__outbox *o, bool present)
{
    struct record r;
    for (size_t at = 0; at < o->end; at = after(at, &r)) {
        r = load(o, at);
        if (in_flight(&r)) {
            r.state = present ? AGAIN : QUEUED;
            r.id = present ? r.id : 0;
        }
        r.tries = 0;
        store(o, at, &r);
    }
    if (!present) {
        o->in_flight = 0;
    }
}

/* Is the record at `at` waiting for its PUBACK on this connection? */
static bool waits(const struct elo__outbox *o, size_t at, const struct record *r)
{
    return in_flight(r) && r->tries > 0 && !is_busy(o, at);
}

bool elo__outbox_waiting(const struct elo__outbox *o, uint32_t *out_since_ms)
{
    struct record r;
    for (size_t at = 0; at < o->end; at = after(at, &r)) {
        r = load(o, at);
        if (waits(o, at, &r)) {
            *out_since_ms = r.sent_ms;
            return true;
        }
    }
    return false;
}

static uint32_t retry_left(const struct record *r, uint32_t now_ms, uint32_t retry_ms)
{
    if (retry_ms == 0 || r->state != SENT) {
        return ELO__NEVER;
    }
    return elo__ms_left(now_ms, r->sent_ms, retry_ms * r->tries);
}

static uint32_t ack_left(const struct record *r, uint32_t now_ms, uint32_t ack_timeout_ms)
{
    return ack_timeout_ms == 0 ? ELO__NEVER : elo__ms_left(now_ms, r->sent_ms, ack_timeout_ms);
}

uint32_t elo__outbox_left(const struct elo__outbox *o,
                          uint32_t now_ms,
                          uint32_t retry_ms,
                          uint32_t ack_timeout_ms)
{
    uint32_t left = ELO__NEVER;
    struct record r;
    for (size_t at = 0; at < o->end; at = after(at, &r)) {
        r = load(o, at);
        if (waits(o, at, &r)) {
            left = elo__sooner(left, retry_left(&r, now_ms, retry_ms));
            left = elo__sooner(left, ack_left(&r, now_ms, ack_timeout_ms));
        }
    }
    return left;
}

bool elo__outbox_tick(struct elo__outbox *o,
                      uint32_t now_ms,
                      uint32_t retry_ms,
                      uint32_t ack_timeout_ms)
{
    struct record r;
    for (size_t at = 0; at < o->end; at = after(at, &r)) {
        r = load(o, at);
        if (!waits(o, at, &r)) {
            continue;
        }
        if (ack_left(&r, now_ms, ack_timeout_ms) == 0) {
            return true;
        }
        if (retry_left(&r, now_ms, retry_ms) == 0) {
            r.state = AGAIN;
            store(o, at, &r);
        }
    }
    return false;
}
