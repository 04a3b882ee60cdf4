// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the store hands out its rows table by table, in the order of their numbers. Two
 * arrays, of sessions and of messages, are filled as they come and so are sorted; what refers to a
 * number is found by halving. Messages wait in their session's queue, those that were in flight
 * too: they are first in it, because rows are in the order of sending.
 *
 * What no longer belongs to anything (a delete that found no memory) is deleted now; of two
 * sessions with one client id the older is such a rest. Sessions that were connected when the
 * server ended count as disconnected from now on. If not everything could be read, nothing is
 * deleted.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define MESSAGE_MS_MAX ((int64_t)LIMIT_MESSAGE_EXPIRY_S * 1000)

/* A shared group with a row, until the subscription comes that makes it. */
struct pending {
    struct share_group *group; /* NULL: it has not come */
    int64_t row;
    size_t literal_len;
    uint8_t literal[];
};

/* Who has a number: one of the three, or nobody any more. */
struct numbered {
    int64_t row;
    struct session *session;
    struct pending *pending;
    struct message *message;
};

struct numbered_list {
    struct numbered *items;
    size_t count;
    size_t cap;
};

struct restoring {
    struct broker *broker;
    struct numbered_list sessions; /* and groups */
    struct numbered_list messages;
    struct map pending;   /* groups by their literal filter */
    int64_t last_session; /* these two also of what refers to one that is not there */
    int64_t last_message;
    int64_t last_queued;
};

static elo_err learn(struct numbered_list *list, const struct numbered *known)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        struct numbered *items = mem_grow(list->items, cap * sizeof *items);
        if (items == NULL) {
            return ELO_E_NO_MEMORY;
        }
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *known;
    return ELO_OK;
}

/* NULL: unknown. */
static const struct numbered *recall(const struct numbered_list *list, int64_t row)
{
    size_t low = 0;
    for (size_t high = list->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (list->items[middle].row < row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < list->count && list->items[low].row == row ? &list->items[low] : NULL;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

/* How long it may still be away: at most what it may have been in the first place. */
static int64_t time_left(const struct store_session *row, int64_t wall_ms)
{
    int64_t away = row->offline_ms == 0 ? 0 : wall_ms - row->offline_ms;
    return row->expiry_ms - (away > 0 ? away : 0);
}

static elo_err restore_group(struct restoring *r, const struct store_session *row)
{
    struct pending *p = mem_alloc(sizeof *p + row->client_id.len);
    if (p == NULL) {
        return ELO_E_NO_MEMORY;
    }
    *p = (struct pending){.row = row->id, .literal_len = row->client_id.len};
    memcpy(p->literal, row->client_id.ptr, row->client_id.len);
    const struct numbered fresh = {.row = row->id, .pending = p};
    elo_err err = learn(&r->sessions, &fresh);
    if (err != ELO_OK) {
        mem_free(p);
        return err;
    }
    bool put = map_put(&r->pending, elo_span_of(p->literal, p->literal_len), p);
    return put ? ELO_OK : ELO_E_NO_MEMORY;
}

/* Its end could not be written, and the client came again. */
static void bury(struct restoring *r, struct session *older)
{
    for (size_t i = 0; i < r->sessions.count; i++) {
        if (r->sessions.items[i].session == older) {
            r->sessions.items[i].session = NULL;
        }
    }
    broker__session_destroy(older);
}

static void note(int64_t *last, int64_t id)
{
    *last = id > *last ? id : *last;
}

static elo_err restore_session(void *ctx, const struct store_session *row)
{
    struct restoring *r = ctx;
    struct broker *b = r->broker;
    if (row->id <= 0) {
        return ELO_E_CORRUPT;
    }
    note(&r->last_session, row->id);
    if (row->level == JOURNAL_LEVEL_GROUP) {
        return restore_group(r, row);
    }
    struct session *older = map_get(&b->sessions, row->client_id);
    if (older != NULL) {
        bury(r, older);
    }
    uint32_t expiry_s = (uint32_t)(row->expiry_ms / 1000);
    struct session *s = broker__session_create(b, row->client_id, (uint8_t)row->level, expiry_s);
    if (s == NULL) {
        return ELO_E_NO_MEMORY;
    }
    broker__journal_adopt(s, row->id);
    /* Packet identifiers start anywhere: an acknowledgement of before must not hit one of now. */
    b->random.fill(b->random.ctx, &s->inflight.turn, sizeof s->inflight.turn);
    int64_t left = time_left(row, b->now.wall_ms);
    s->gone_ms = b->now.mono_ms + (left > 0 ? left : 0);
    broker__timers_set(&b->timers, &s->timer, s->gone_ms);
    const struct numbered fresh = {.row = row->id, .session = s};
    elo_err err = learn(&r->sessions, &fresh);
    if (err == ELO_OK && row->offline_ms == 0) {
        err = broker__journal_session(s, false) ? ELO_OK : ELO_E_NO_MEMORY;
    }
    return err;
}

static elo_err restore_subscription(void *ctx, const struct store_subscription *row)
{
    struct restoring *r = ctx;
    const struct numbered *known = recall(&r->sessions, row->session);
    note(&r->last_session, row->session);
    if (known == NULL || known->session == NULL) {
        return ELO_OK; /* the rest of a session that could not be deleted whole */
    }
    struct subscription *sub;
    elo_err err = row->qos < 0 || row->qos > 1
                      ? ELO_E_CORRUPT
                      : broker__subscription_restore(known->session, row->filter, (uint8_t)row->qos,
                                                     row->options, &sub);
    struct pending *p = err == ELO_OK ? map_get(&r->pending, row->filter) : NULL;
    if (p != NULL && sub->group != NULL && p->group == NULL) {
        p->group = sub->group;
        broker__share_adopt(sub->group, p->row);
    }
    return err;
}

static struct message *message_of(const struct broker *b, const struct store_message *row)
{
    int64_t left = row->expires_ms - b->now.wall_ms;
    left = left < MESSAGE_MS_MAX ? left : MESSAGE_MS_MAX; /* the clock was set back */
    const struct publication p = {.topic = row->topic,
                                  .hash = map_hash(row->topic),
                                  .payload = row->payload,
                                  .props = row->properties,
                                  .expires_ms = row->expires_ms == 0 ? MESSAGE_FOREVER
                                                                     : b->now.mono_ms + left,
                                  .qos = (uint8_t)row->qos};
    return row->topic.len > 0 && row->topic.len <= LIMIT_TOPIC_BYTES ? broker__message_new(&p)
                                                                     : NULL;
}

static elo_err restore_message(void *ctx, int64_t id, const struct store_message *row)
{
    struct restoring *r = ctx;
    struct message *m = message_of(r->broker, row);
    if (m == NULL) {
        return ELO_E_NO_MEMORY;
    }
    note(&r->last_message, id);
    m->row = id;
    r->broker->journal.bytes += broker__message_bytes(m);
    const struct numbered fresh = {.row = id, .message = m};
    elo_err err = learn(&r->messages, &fresh);
    if (err != ELO_OK) {
        broker__message_release(m);
    }
    return err;
}

static elo_err restore_queued(void *ctx, const struct store_queued *row)
{
    struct restoring *r = ctx;
    const struct numbered *to = recall(&r->sessions, row->session);
    const struct numbered *known = recall(&r->messages, row->message);
    bool wanted =
        to != NULL && (to->session != NULL || (to->pending != NULL && to->pending->group != NULL));
    note(&r->last_session, row->session);
    note(&r->last_message, row->message);
    r->last_queued = row->id;
    if (!wanted || known == NULL) {
        broker__journal_orphan(&r->broker->journal, row->id);
        return ELO_OK;
    }
    struct message *m = known->message;
    const struct queued item = {.m = m,
                                .until_ms = m->expires_ms,
                                .row = row->id,
                                .retain = (row->flags & JOURNAL_RETAIN) != 0};
    m->rows++;
    return to->session != NULL ? broker__queue_restore(&to->session->queue, &item)
                               : broker__share_restore(to->pending->group, &item);
}

static elo_err restore_retained(void *ctx, const struct store_message *row, int64_t modified_ms)
{
    struct restoring *r = ctx;
    struct broker *b = r->broker;
    struct message *m = message_of(b, row);
    if (m != NULL) {
        m->retained_ms = modified_ms;
    }
    if (m == NULL || !map_put(&b->retained, broker__message_topic(m), m)) {
        broker__message_release(m);
        return ELO_E_NO_MEMORY;
    }
    b->retained_bytes += broker__message_bytes(m);
    return ELO_OK;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

/* The references of `messages` go; what nobody waits for goes with them. */
static void let_go(struct restoring *r)
{
    struct journal *j = &r->broker->journal;
    for (size_t i = 0; i < r->messages.count; i++) {
        struct message *m = r->messages.items[i].message;
        broker__journal_unwanted(j, m);
        broker__message_release(m);
    }
    for (size_t i = 0; i < r->sessions.count; i++) {
        struct pending *p = r->sessions.items[i].pending;
        if (p != NULL && p->group == NULL) {
            broker__journal_group_gone(j, p->row);
        }
        mem_free(p);
    }
    map_free(&r->pending);
    mem_free(r->messages.items);
    mem_free(r->sessions.items);
}

elo_err broker_restore(struct broker *b, struct core_time now)
{
    struct restoring r = {.broker = b};
    const struct store_loader loader = {.ctx = &r,
                                        .session = restore_session,
                                        .subscription = restore_subscription,
                                        .message = restore_message,
                                        .queued = restore_queued,
                                        .retained = restore_retained};
    b->now = now;
    if (b->journal.store == NULL) {
        return ELO_OK;
    }
    map_init(&r.pending);
    elo_err err = store_load(b->journal.store, &loader);
    b->journal.next_session = r.last_session + 1;
    b->journal.next_message = r.last_message + 1;
    b->journal.next_queued = r.last_queued + 1;
    let_go(&r);
    if (err != ELO_OK) {
        broker__journal_drop(&b->journal);
    } else {
        b->retained_soonest_ms = 0; /* whatever has come: all are looked at */
        broker__retained_expire(b);
        broker_tick(b, now); /* sessions whose time is over */
        broker_commit(b);
    }
    return err;
}
