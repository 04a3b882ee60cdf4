// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/seeing/timeline.h"

#include "server/base/mem.h"

void timeline_init(struct timeline *t, size_t bytes_max)
{
    *t = (struct timeline){.bytes_max = bytes_max};
    map_init(&t->trails);
    TAILQ_INIT(&t->ages);
}

/* --- moments ------------------------------------------------------------------------------------
 */

elo_span moment_text(const struct moment *m, enum moment_text which)
{
    const uint8_t *at = m->text;
    for (int i = 0; i < (int)which; i++) {
        at += m->len[i];
    }
    return elo_span_of(at, m->len[which]);
}

static size_t moment_bytes(const struct moment *m)
{
    size_t bytes = sizeof *m;
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        bytes += m->len[i];
    }
    return bytes;
}

static void release(struct timeline *t, struct moment *m)
{
    if (--m->refs == 0) {
        t->bytes -= moment_bytes(m);
        mem_free(m);
    }
}

static void texts_of(const struct log_record *r, elo_span out[MOMENT_TEXTS])
{
    out[MOMENT_CLIENT] = r->client_id;
    out[MOMENT_PRINCIPAL] = r->principal_id;
    out[MOMENT_IP] = r->source_ip;
    out[MOMENT_TOPIC] = r->topic;
    out[MOMENT_REASON] = r->reason;
    out[MOMENT_DETAILS] = r->details;
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        out[i].len = out[i].len < MOMENT_TEXT_MAX ? out[i].len : MOMENT_TEXT_MAX;
    }
}

static bool is_same(const struct moment *m, const struct log_record *r, const elo_span *texts)
{
    if (m->err != r->err || strcmp(m->event, r->event_type) != 0) {
        return false;
    }
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        if (!elo_span_eq(moment_text(m, (enum moment_text)i), texts[i])) {
            return false;
        }
    }
    return true;
}

static struct moment *moment_new(struct timeline *t, const struct log_record *r, const elo_span *in)
{
    size_t len = 0;
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        len += in[i].len;
    }
    struct moment *m = mem_zero(sizeof *m + len);
    if (m == NULL) {
        return NULL;
    }
    uint8_t *at = m->text;
    for (int i = 0; i < MOMENT_TEXTS; i++) {
        m->len[i] = (uint16_t)in[i].len;
        if (in[i].len > 0) {
            memcpy(at, in[i].ptr, in[i].len);
            at += in[i].len;
        }
    }
    m->event = r->event_type;
    m->err = r->err;
    t->bytes += moment_bytes(m);
    return m;
}

/* --- trails -------------------------------------------------------------------------------------
 */

static elo_span key_of(enum trail_kind kind, elo_span name, uint8_t room[1 + MOMENT_TEXT_MAX])
{
    size_t len = name.len < MOMENT_TEXT_MAX ? name.len : MOMENT_TEXT_MAX;
    room[0] = (uint8_t)kind;
    if (len > 0) {
        memcpy(room + 1, name.ptr, len);
    }
    return elo_span_of(room, 1 + len);
}

static elo_span trail_key(const struct trail *trail)
{
    return elo_span_of(trail->key, trail->key_len);
}

static size_t trail_bytes(const struct trail *trail)
{
    return sizeof *trail + trail->key_len;
}

static void drop(struct timeline *t, struct trail *trail)
{
    TAILQ_REMOVE(&t->ages, trail, age);
    (void)map_remove(&t->trails, trail_key(trail));
    for (uint32_t i = 0; i < trail->count; i++) {
        release(t, trail->moments[i]);
    }
    t->bytes -= trail_bytes(trail);
    mem_free(trail);
}

void timeline_free(struct timeline *t)
{
    struct trail *trail;
    while ((trail = TAILQ_FIRST(&t->ages)) != NULL) {
        drop(t, trail);
    }
    map_free(&t->trails);
}

const struct trail *timeline_trail(const struct timeline *t, enum trail_kind kind, elo_span name)
{
    uint8_t room[1 + MOMENT_TEXT_MAX];
    return map_get(&t->trails, key_of(kind, name, room));
}

/* Finds or makes it, and it is the one with the latest news; NULL: out of memory. */
static struct trail *trail_of(struct timeline *t, enum trail_kind kind, elo_span name)
{
    uint8_t room[1 + MOMENT_TEXT_MAX];
    elo_span key = key_of(kind, name, room);
    struct trail *trail = map_get(&t->trails, key);
    if (trail != NULL) {
        TAILQ_REMOVE(&t->ages, trail, age);
        TAILQ_INSERT_TAIL(&t->ages, trail, age);
        return trail;
    }
    trail = mem_zero(sizeof *trail + key.len);
    if (trail == NULL) {
        return NULL;
    }
    trail->key_len = key.len;
    memcpy(trail->key, key.ptr, key.len);
    if (!map_put(&t->trails, trail_key(trail), trail)) {
        mem_free(trail);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&t->ages, trail, age);
    t->bytes += trail_bytes(trail);
    return trail;
}

static void take_out(struct trail *trail, uint32_t i)
{
    trail->count--;
    memmove(&trail->moments[i], &trail->moments[i + 1],
            (trail->count - i) * sizeof(struct moment *));
}

/* The moment becomes the trail's newest. */
static void append(struct timeline *t, struct trail *trail, struct moment *m)
{
    for (uint32_t i = 0; i < trail->count; i++) {
        if (trail->moments[i] == m) {
            take_out(trail, i);
            trail->moments[trail->count++] = m;
            return;
        }
    }
    if (trail->count == TRAIL_MOMENTS) {
        release(t, trail->moments[0]);
        take_out(trail, 0);
    }
    trail->moments[trail->count++] = m;
    m->refs++;
}

static struct moment *
same_before(const struct trail *trail, const struct log_record *r, const elo_span *in, int64_t now)
{
    for (uint32_t i = trail->count; i > 0; i--) {
        struct moment *m = trail->moments[i - 1];
        if (now - m->last_ms <= MOMENT_SAME_MS && is_same(m, r, in)) {
            return m;
        }
    }
    return NULL;
}

/* --- noting -------------------------------------------------------------------------------------
 */

/* About connections, or a failure of somebody who is known. */
static bool is_worth_it(const struct log_record *r)
{
    bool connection = strcmp(r->event_type, "Connect") == 0 ||
                      strcmp(r->event_type, "Disconnect") == 0 ||
                      strcmp(r->event_type, "Accept") == 0;
    bool known = r->client_id.len > 0 || r->principal_id.len > 0;
    return connection ? known || r->source_ip.len > 0
                      : r->err != ELO_OK && known && r->level > LOG_DEBUG;
}

static void make_room(struct timeline *t, const struct trail *keep, const struct trail *keep_too)
{
    struct trail *oldest;
    while ((t->bytes > t->bytes_max || map_len(&t->trails) > TIMELINE_TRAILS) &&
           (oldest = TAILQ_FIRST(&t->ages)) != keep && oldest != keep_too && oldest != NULL) {
        drop(t, oldest);
    }
}

void timeline_note(struct timeline *t, const struct log_record *r, int64_t wall_ms)
{
    if (!is_worth_it(r)) {
        return;
    }
    elo_span in[MOMENT_TEXTS];
    texts_of(r, in);
    struct trail *at[2] = {NULL, NULL};
    if (r->client_id.len > 0) {
        at[0] = trail_of(t, TRAIL_CLIENT, in[MOMENT_CLIENT]);
    }
    if (r->principal_id.len > 0) {
        at[1] = trail_of(t, TRAIL_PRINCIPAL, in[MOMENT_PRINCIPAL]);
    }
    if (at[0] == NULL && at[1] == NULL) {
        at[0] = trail_of(t, TRAIL_ADDRESS, in[MOMENT_IP]);
    }
    struct trail *first = at[0] != NULL ? at[0] : at[1];
    struct moment *m = first != NULL ? same_before(first, r, in, wall_ms) : NULL;
    if (m == NULL) {
        m = first != NULL ? moment_new(t, r, in) : NULL;
        if (m == NULL) {
            return;
        }
        m->first_ms = wall_ms;
    }
    m->count++;
    m->last_ms = wall_ms;
    m->port = r->source_port;
    m->order = ++t->order;
    for (int i = 0; i < 2; i++) {
        if (at[i] != NULL) {
            append(t, at[i], m);
        }
    }
    make_room(t, at[0], at[1]);
}
