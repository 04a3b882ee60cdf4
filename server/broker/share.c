// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a message for a shared group goes to one of the members that are online, drawn by
 * lot ("MQTT", Shared subscriptions, AWS IoT Developer Guide). At QoS 0 that is all.
 *
 * At QoS 1 it needs a member whose window is open. If there is none it waits, not with a member but
 * with the group, until some member can take it:
 *
 *      window open ------------------------> in flight with a member, marked with the group
 *      nobody there or able --> queue --(a member comes, acknowledges, the timer)--> in flight
 *      member gone, not acknowledged ------> back to the front of the queue
 *
 * What waits leaves at so many messages a second and member (AWS: 20); each member has its budget,
 * which the timer fills again while there is something to send. A group whose members are all
 * offline consists of persistent ones: clean sessions leave with their connection. When the last
 * member leaves, group and queue are gone.
 */
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define ROUND_MS 1000

struct share_queue {
    struct share_group *group;
    struct broker *broker;
    struct timer timer;
    struct queue queue;
    int64_t round_ms; /* when the budgets are filled again */
};

/* xorshift64: good enough to spread messages over the members of a group. */
static uint64_t roll(struct broker *b)
{
    b->dice ^= b->dice << 13;
    b->dice ^= b->dice >> 7;
    b->dice ^= b->dice << 17;
    return b->dice;
}

static struct broker *broker_of(const struct share_group *group)
{
    return group->members.items[0]->session->broker;
}

/* --- drawing a member ---------------------------------------------------------------------------
 */

static bool is_online(const struct subscription *member, const struct publication *p)
{
    (void)p;
    return broker__online(member->session) != NULL;
}

/* Can the member take a QoS 1 message now? */
static bool is_able(const struct subscription *member, const struct publication *p)
{
    const struct session *s = member->session;
    size_t bytes = HEAD_BYTES_MAX + p->topic.len + p->props.len + p->payload.len;
    return broker__online(s) != NULL &&
           (member->qos == 0 || (broker__window_open(s) && broker__could_send(s->conn) &&
                                 broker__has_room(s->conn, bytes)));
}

/* The same, and it may still get something from the queue in this second. */
static bool is_due(const struct subscription *member, const struct publication *p)
{
    bool in_pace = member->session->broker->limits.shared_out == 0 || member->share_left > 0;
    return in_pace && is_able(member, p);
}

/* One of the members for which `may` holds; NULL: none. */
static struct subscription *draw(const struct share_group *group,
                                 const struct publication *p,
                                 bool (*may)(const struct subscription *member,
                                             const struct publication *p))
{
    uint32_t count = group->members.count;
    uint32_t from = (uint32_t)(roll(broker_of(group)) % count);
    for (uint32_t i = 0; i < count; i++) {
        struct subscription *member = group->members.items[(from + i) % count];
        if (may(member, p)) {
            return member;
        }
    }
    return NULL;
}

/* --- handing over -------------------------------------------------------------------------------
 */

/*
 * To a member that is able. It takes over the row, which gets 0. false: out of memory, its
 * connection has ended, it has nothing.
 */
static bool hand_over(struct subscription *member, const struct publication *p, int64_t *row)
{
    struct session *s = member->session;
    bool retain = p->retain && member->as_published;
    if (p->qos == 0 || member->qos == 0) {
        broker__deliver(s, p, 0, retain);
        return true;
    }
    if (!broker__takes(s->conn, p, 1)) {
        s->broker->stats.dropped++;
        return true;
    }
    if (!broker__may_receive(s->conn, p->topic, p->hash)) {
        return true;
    }
    bool launched = broker__launch(s, p->block, retain, member->group, *row);
    *row = launched ? 0 : *row;
    return launched;
}

/* --- the queue ----------------------------------------------------------------------------------
 */

/* NULL: out of memory. */
static struct share_queue *queue_of(struct share_group *group)
{
    struct broker *b = broker_of(group);
    struct share_queue *w = group->waiting;
    if (w != NULL) {
        return w;
    }
    w = mem_zero(sizeof *w);
    if (w == NULL || !broker__timers_join(&b->timers, &w->timer, TIMER_SHARE)) {
        mem_free(w);
        return NULL;
    }
    w->group = group;
    w->broker = b;
    w->queue.most = b->limits.queued_messages;
    w->queue.owner = (struct journal_owner){&b->journal, group->row};
    group->waiting = w;
    return w;
}

static void free_queue(struct share_group *group)
{
    struct share_queue *w = group->waiting;
    if (w != NULL) {
        broker__timers_leave(&w->broker->timers, &w->timer);
        broker__queue_free(&w->queue);
        mem_free(w);
        group->waiting = NULL;
    }
}

static void report_overflow(struct share_queue *w)
{
    struct broker *b = w->broker;
    if (w->queue.overflowed || !broker__heard(b, LOG_WARN)) {
        return;
    }
    const struct share_group *g = w->group;
    struct log_record record = {
        .level = LOG_WARN,
        .event_type = "Queued",
        .err = ELO_E_QUOTA,
        .protocol = "MQTT",
        .topic = broker__subscription_filter(g->members.items[0]),
        .reason = ELO_SPAN("QUEUE_LIMIT_EXCEEDED"),
        .details = ELO_SPAN("the stored messages of this shared subscription are as many as may "
                            "be kept: newer ones are dropped until a member takes some"),
    };
    log_emit(b->log, &record);
}

static elo_err push(struct share_queue *w, const struct queued *item)
{
    elo_err err = broker__queue_push(&w->queue, item);
    if (err != ELO_E_QUOTA) {
        return err;
    }
    uint32_t dead = broker__queue_expire(&w->queue, w->broker->now.mono_ms);
    w->broker->stats.expired += dead;
    return dead > 0 ? broker__queue_push(&w->queue, item) : err;
}

static int64_t until(const struct broker *b, const struct message *m)
{
    int64_t stored = b->now.mono_ms + (int64_t)b->limits.session_expiry_s * 1000;
    return m->expires_ms < stored ? m->expires_ms : stored;
}

/* The next round is a second after the last; the timer tells, if somebody is there to take. */
static void await_round(struct share_queue *w)
{
    struct broker *b = w->broker;
    const struct publication none = {.topic = {NULL, 0}};
    if (w->queue.count == 0 || draw(w->group, &none, is_online) == NULL) {
        broker__timers_cancel(&b->timers, &w->timer);
    } else if (w->timer.place == 0) {
        int64_t now = b->now.mono_ms;
        broker__timers_set(&b->timers, &w->timer, w->round_ms > now ? w->round_ms : now + ROUND_MS);
    }
}

static void wait_with_group(struct share_group *group, const struct publication *p, bool retain)
{
    struct broker *b = broker_of(group);
    struct share_queue *w = queue_of(group);
    const struct queued item = {.m = p->block, .until_ms = until(b, p->block), .retain = retain};
    elo_err err = w == NULL ? ELO_E_NO_MEMORY : push(w, &item);
    if (err == ELO_OK) {
        await_round(w);
        return;
    }
    b->stats.dropped++;
    b->journal.lost = b->journal.lost || err == ELO_E_NO_MEMORY;
    if (err == ELO_E_QUOTA) {
        report_overflow(w);
        w->queue.overflowed = true;
    }
}

static bool keeps_qos1(const struct share_group *group)
{
    for (uint32_t i = 0; i < group->members.count; i++) {
        if (group->members.items[i]->qos > 0) {
            return true;
        }
    }
    return false;
}

static bool in_order(const struct share_group *group)
{
    return broker_of(group)->limits.shared_out == 0 && group->waiting != NULL &&
           group->waiting->queue.count > 0;
}

bool broker__share_is_stored(const struct share_group *group)
{
    bool stored = group->row != 0;
    for (uint32_t i = 0; i < group->members.count && !stored; i++) {
        const struct subscription *member = group->members.items[i];
        stored = member->qos > 0 && member->session->row != 0;
    }
    return stored;
}

void broker__share_adopt(struct share_group *group, int64_t row)
{
    group->row = row;
    if (group->waiting != NULL) {
        group->waiting->queue.owner.session = row;
    }
}

/* A group outlives its connections if a member does: then what it has waiting is stored. */
static void be_stored(struct share_group *group)
{
    struct journal *j = &broker_of(group)->journal;
    if (j->store != NULL && group->row == 0 && broker__share_is_stored(group)) {
        broker__share_adopt(group, broker__journal_group(j, group->members.items[0]));
    }
}

/* Directly, with a row of the group's. */
static bool hand_over_fresh(struct subscription *member, const struct publication *p)
{
    struct journal *j = &member->session->broker->journal;
    const struct journal_owner owner = {j, member->group->row};
    int64_t row = 0;
    elo_err err = p->qos > 0 && member->qos > 0
                      ? broker__journal_wait(&owner, p->block, p->retain, &row)
                      : ELO_OK;
    if (err != ELO_OK && err != ELO_E_QUOTA) { /* without a row it can go to who is there */
        return false;
    }
    bool done = hand_over(member, p, &row);
    broker__journal_done(j, p->block, row);
    return done;
}

elo_err broker__share_restore(struct share_group *group, const struct queued *item)
{
    struct share_queue *w = queue_of(group);
    if (w == NULL) {
        return ELO_E_NO_MEMORY;
    }
    struct queued placed = *item;
    placed.until_ms = until(w->broker, item->m);
    return broker__queue_restore(&w->queue, &placed);
}

void broker__share_deliver(struct share_group *group, const struct publication *p)
{
    bool at_least_once = p->qos > 0 && keeps_qos1(group);
    struct subscription *member = at_least_once && in_order(group)
                                      ? NULL
                                      : draw(group, p, at_least_once ? is_able : is_online);
    if (at_least_once) {
        be_stored(group);
    }
    if (member != NULL && hand_over_fresh(member, p)) {
        return;
    }
    if (at_least_once) {
        wait_with_group(group, p, p->retain);
    }
}

/* --- emptying it --------------------------------------------------------------------------------
 */

static void begin_round(struct share_queue *w)
{
    struct broker *b = w->broker;
    if (b->now.mono_ms < w->round_ms) {
        return;
    }
    w->round_ms = b->now.mono_ms + ROUND_MS;
    for (uint32_t i = 0; i < w->group->members.count; i++) {
        w->group->members.items[i]->share_left = b->limits.shared_out;
    }
}

/* Gives the first in the queue to somebody. false: nobody can take it. */
static bool serve_one(struct share_queue *w)
{
    struct queued *q = broker__queue_peek(&w->queue);
    if (q->until_ms <= w->broker->now.mono_ms) {
        w->broker->stats.expired++;
        broker__queue_pop(&w->queue);
        return true;
    }
    struct publication p = broker__publication_of(q->m);
    p.retain = q->retain;
    struct subscription *member = draw(w->group, &p, is_due);
    if (member == NULL || !hand_over(member, &p, &q->row)) {
        return false;
    }
    member->share_left -= member->share_left > 0;
    broker__queue_pop(&w->queue);
    return true;
}

static void pump_group(struct share_group *group)
{
    struct share_queue *w = group->waiting;
    if (w == NULL || w->queue.count == 0) {
        return;
    }
    begin_round(w);
    while (w->queue.count > 0 && serve_one(w)) {
    }
    await_round(w);
}

void broker__share_pump(struct session *s)
{
    for (uint8_t i = 0; i < s->sub_count && s->shares > 0; i++) {
        if (s->subs[i]->group != NULL) {
            pump_group(s->subs[i]->group);
        }
    }
}

void broker__share_due(struct timer *timer)
{
    struct share_queue *w = (void *)((char *)timer - offsetof(struct share_queue, timer));
    pump_group(w->group);
}

/* --- leaving ------------------------------------------------------------------------------------
 */

static void give_back(struct session *s, struct inflight_slot *slot)
{
    struct broker *b = s->broker;
    struct share_queue *w = queue_of(slot->group);
    const struct queued item = {
        .m = slot->m,
        .until_ms = until(b, slot->m),
        .row = slot->row,
        .retain = slot->retain,
        .live = true}; /* what has gone out without a row comes back without one */
    if (w == NULL || broker__queue_push_front(&w->queue, &item) != ELO_OK) {
        b->stats.dropped++;
    } else {
        slot->row = 0; /* it is the queue's now */
    }
    broker__inflight_remove(&s->inflight, slot);
}

void broker__share_give_back(struct session *s)
{
    struct inflight_slot *last;
    if (s->shares == 0) {
        return;
    }
    do { /* the newest first: each goes to the front */
        last = NULL;
        struct inflight_slot *slot = NULL;
        while ((slot = broker__inflight_next(&s->inflight, slot)) != NULL) {
            last = slot->group != NULL ? slot : last;
        }
        if (last != NULL) {
            give_back(s, last);
        }
    } while (last != NULL);
    broker__share_pump(s);
}

/* The row was the group's: the session gets one of its own, if it is stored. */
static void make_own(struct session *s, struct inflight_slot *slot)
{
    int64_t row;
    slot->group = NULL;
    if (slot->row != 0 &&
        broker__journal_wait(&s->inflight.owner, slot->m, slot->retain, &row) == ELO_OK) {
        broker__journal_done(&s->broker->journal, slot->m, slot->row);
        slot->row = row;
    }
}

/* It keeps what it has been sent. */
static void forget_group(struct session *s, const struct share_group *group)
{
    struct inflight_slot *slot = NULL;
    while ((slot = broker__inflight_next(&s->inflight, slot)) != NULL) {
        if (slot->group == group) {
            make_own(s, slot);
        }
    }
}

void broker__share_leave(struct subscription *sub)
{
    if (sub->group == NULL) {
        return;
    }
    forget_group(sub->session, sub->group);
    sub->session->shares--;
    if (sub->group->members.count == 1) {
        free_queue(sub->group);
        broker__journal_group_gone(&sub->session->broker->journal, sub->group->row);
    }
}
