// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: each filter has an entry with a phase, which says how things stand with the
 * server, and a wish (`todo`), which says how they should. Calls change only the wish; packets and
 * connections change only the phase.
 *
 *     FREE --subscribe, unsubscribe--> IDLE
 *     IDLE, todo SUB   --SUBSCRIBE-->   ASKED   --SUBACK-->   ANSWERED --event--> IDLE, or FREE if
 *     IDLE, todo UNSUB --UNSUBSCRIBE--> UNASKED --UNSUBACK--> GONE     --event--> FREE      refused
 *
 * IDLE without a wish is a subscription that stands. If a new wish has come in the meantime, the
 * event of the old one is left out and the entry is IDLE with the new wish.
 *
 * One SUBSCRIBE or UNSUBSCRIBE is under way at a time; its filters are the ASKED (UNASKED) entries
 * in the order of the table, so that it can be written again and a SUBACK be read without a copy.
 */
#include "elo/base/assert.h"
#include "elo/client/internal.h"
#include "elo/client/limits.h"
#include "elo/client/mqtt5_hooks.h"
#include "elo/mqtt/encode.h"

enum { FREE, IDLE, ASKED, UNASKED, ANSWERED, GONE };
enum { NOTHING, SUB, UNSUB };

/* What a packet of one filter takes besides it, at most: fixed header 5, packet id 2, length 2,
 * QoS 1. MQTT 5 has one more, the length of no properties. */
#define PACKET_OVERHEAD 10u

typedef struct elo_client_sub sub;

static sub *at(const struct elo__client *e, size_t i)
{
    return &e->config.subs[i];
}

static sub *find(const struct elo__client *e, elo_span filter)
{
    sub *free_one = NULL;
    for (size_t i = 0; i < e->config.subs_count; i++) {
        sub *s = at(e, i);
        if (s->_internal.phase == FREE) {
            free_one = free_one == NULL ? s : free_one;
        } else if (elo_span_eq(s->_internal.filter, filter)) {
            return s;
        }
    }
    return free_one;
}

static elo_err wish(struct elo__client *e, elo_span filter, uint8_t qos, uint8_t todo)
{
    elo_err err = elo__check_filter(filter, qos, e->config.aws_limits);
    if (err != ELO_OK) {
        return err;
    }
    sub *s = find(e, filter);
    if (s == NULL || filter.len + PACKET_OVERHEAD + (e->config.mqtt5 != NULL) > e->config.tx_size) {
        return ELO_E_NO_SPACE;
    }
    if (s->_internal.phase == FREE) {
        s->_internal.phase = IDLE;
        s->_internal.filter = filter; /* one known already stays the one we were first lent */
    }
    s->_internal.todo = todo;
    if (todo == SUB) {
        s->_internal.qos = qos;
    }
    return ELO_OK;
}

elo_err elo_client_subscribe(struct elo_client *c, elo_span filter, uint8_t qos)
{
    return wish(&c->_internal, filter, qos, SUB);
}

elo_err elo_client_unsubscribe(struct elo_client *c, elo_span filter)
{
    return wish(&c->_internal, filter, 0, UNSUB);
}

/* The transport is gone: what was asked must be asked again, unless the wish has changed. */
void elo__subs_cut(struct elo__client *e)
{
    e->sub_id = 0;
    for (size_t i = 0; i < e->config.subs_count; i++) {
        sub *s = at(e, i);
        bool asked = s->_internal.phase == ASKED;
        if (!asked && s->_internal.phase != UNASKED) {
            continue;
        }
        if (s->_internal.todo == NOTHING) {
            s->_internal.todo = asked ? SUB : UNSUB;
        }
        s->_internal.phase = IDLE;
    }
}

/*
 * A session that is present may yet be another one: the server lost ours, made a new one for a
 * CONNECT whose CONNACK never reached us, and has kept that. To subscribe again does no harm; to
 * forget an UNSUBSCRIBE would, if the session is ours after all.
 */
void elo__subs_resume(struct elo__client *e, bool session_present)
{
    if (session_present && !e->session_doubt) {
        return;
    }
    for (size_t i = 0; i < e->config.subs_count; i++) {
        sub *s = at(e, i);
        if (s->_internal.phase != IDLE) {
            continue;
        }
        if (s->_internal.todo == NOTHING) {
            s->_internal.todo = SUB;
        } else if (s->_internal.todo == UNSUB && !session_present) {
            s->_internal.todo = NOTHING; /* went with the session */
            s->_internal.phase = GONE;
            s->_internal.granted = 0;
            e->events |= ELO__EV_SUBS;
        }
    }
}

/* A packet about to be written: a new one of the kind `phase`, or the one under way `again`. */
struct batch {
    uint16_t id;
    uint8_t phase;
    bool again;
    size_t count; /* filters: at most, and then indeed */
};

/* The next entry from `*i` on that belongs into the batch. */
static sub *next_for(const struct elo__client *e, size_t *i, uint8_t phase, bool again)
{
    uint8_t todo = phase == ASKED ? SUB : UNSUB;
    while (*i < e->config.subs_count) {
        sub *s = at(e, (*i)++);
        if (again ? s->_internal.phase == phase
                  : s->_internal.phase == IDLE && s->_internal.todo == todo) {
            return s;
        }
    }
    return NULL;
}

/* The filters of a packet, in the form its encoder wants. */
union filters {
    struct elo_mqtt_subscription subs[ELO_CLIENT_FILTERS_PER_PACKET];
    elo_span unsubs[ELO_CLIENT_FILTERS_PER_PACKET];
};

static void collect(const struct elo__client *e, struct batch *b, union filters *list)
{
    size_t n = 0;
    size_t i = 0;
    sub *s;
    while (n < b->count && (s = next_for(e, &i, b->phase, b->again)) != NULL) {
        if (b->phase == ASKED) {
            memset(&list->subs[n], 0, sizeof list->subs[n]); /* MQTT 5 has options */
            list->subs[n].filter = s->_internal.filter;
            list->subs[n].qos = s->_internal.qos;
        } else {
            list->unsubs[n] = s->_internal.filter;
        }
        n++;
    }
    b->count = n;
}

static elo_err encode(struct elo__client *e, const struct batch *b, const union filters *list)
{
    uint8_t *end = elo__tx_end(e);
    size_t room = elo__tx_room(e);
    size_t len;
    bool asks = b->phase == ASKED;
    if (e->config.mqtt5 != NULL) {
        elo_err err = e->config.mqtt5->_internal.hooks->subscribe(
            e->config.mqtt5, b->id, list->subs, asks ? NULL : list->unsubs, b->count, end, room,
            &len);
        e->tx_end += err == ELO_OK ? len : 0;
        return err;
    }
    elo_err err = asks
                      ? elo_mqtt_encode_subscribe(b->id, list->subs, b->count, end, room, &len)
                      : elo_mqtt_encode_unsubscribe(b->id, list->unsubs, b->count, end, room, &len);
    e->tx_end += err == ELO_OK ? len : 0;
    return err;
}

/*
 * Writes one packet with as many filters as are due - at least one is - and fit tx. While tx is not
 * empty it waits for room rather than send fewer. false: nothing was written.
 */
static bool write_batch(struct elo__client *e, struct batch *b)
{
    union filters list;
    elo_err err;
    b->count = ELO_CLIENT_FILTERS_PER_PACKET;
    collect(e, b, &list);
    while ((err = encode(e, b, &list)) == ELO_E_NO_SPACE && e->tx_end == 0 && b->count > 1) {
        b->count--;
    }
    return err == ELO_OK;
}

/* The entries of a new packet move on. */
static void mark_asked(struct elo__client *e, const struct batch *b)
{
    size_t i = 0;
    for (size_t n = 0; n < b->count; n++) {
        sub *s = next_for(e, &i, b->phase, false);
        ELO_ASSERT(s != NULL);
        s->_internal.phase = b->phase;
        s->_internal.todo = NOTHING;
    }
}

static bool write_new(struct elo__client *e, uint8_t phase)
{
    size_t i = 0;
    if (next_for(e, &i, phase, false) == NULL) {
        return false;
    }
    uint16_t last_id = e->outbox.last_id;
    struct batch b = {elo__outbox_new_id(&e->outbox, 0), phase, false, 0};
    if (!write_batch(e, &b)) {
        e->outbox.last_id = last_id;
        return false;
    }
    mark_asked(e, &b);
    e->sub_id = b.id;
    e->sub_phase = phase;
    e->sub_ms = e->now_ms;
    e->sub_tries = 0;
    e->sub_again = false;
    return true;
}

static void write_again(struct elo__client *e)
{
    struct batch b = {e->sub_id, e->sub_phase, true, 0};
    if (e->sub_again && write_batch(e, &b)) {
        e->sub_again = false;
        e->sub_tries = elo__next_try(e->now_ms, &e->sub_ms, e->config.retry_ms);
    }
}

void elo__subs_write(struct elo__client *e)
{
    if (e->sub_id != 0) {
        write_again(e);
    } else if (!write_new(e, UNASKED)) {
        (void)write_new(e, ASKED);
    }
}

void elo__subs_written(struct elo__client *e)
{
    if (e->sub_tries == 0) {
        e->sub_tries = 1;
        e->sub_ms = e->now_ms;
    }
}

static size_t count(const struct elo__client *e, uint8_t phase)
{
    size_t n = 0;
    size_t i = 0;
    while (next_for(e, &i, phase, true) != NULL) {
        n++;
    }
    return n;
}

void elo__subs_answer(struct elo__client *e, bool unsub, uint16_t id, elo_span codes)
{
    if (e->sub_id == 0 || id != e->sub_id) {
        return; /* a second answer, to a repetition */
    }
    uint8_t phase = unsub ? UNASKED : ASKED;
    if (phase != e->sub_phase || (codes.len != 0 && codes.len != count(e, phase))) {
        elo__client_fail(e, ELO_E_PROTOCOL); /* [MQTT-3.8.4-5], 5: [MQTT-3.11.3-1] */
        return;
    }
    if (!unsub && memchr(codes.ptr, 2, codes.len) != NULL) {
        elo__client_fail(e, ELO_E_PROTOCOL); /* we never ask for QoS 2 [MQTT-3.8.4-6] */
        return;
    }
    sub *s;
    size_t i = 0;
    for (size_t n = 0; (s = next_for(e, &i, phase, true)) != NULL; n++) {
        s->_internal.phase = unsub ? GONE : ANSWERED;
        s->_internal.granted = codes.len != 0 ? codes.ptr[n] : 0;
    }
    e->sub_id = 0;
    e->events |= ELO__EV_SUBS;
}

static bool refused(const sub *s)
{
    return s->_internal.granted >= ELO_MQTT_SUBACK_FAILURE;
}

static void tell(const sub *s, struct elo_client_event *out)
{
    if (s->_internal.phase == GONE) {
        out->type = ELO_CLIENT_UNSUBSCRIBED;
        out->u.unsubscribed.filter = s->_internal.filter;
        out->u.unsubscribed.code = s->_internal.granted;
        return;
    }
    out->type = ELO_CLIENT_SUBSCRIBED;
    out->u.subscribed.filter = s->_internal.filter;
    out->u.subscribed.result = refused(s) ? ELO_E_SUBACK_REFUSED : ELO_OK;
    out->u.subscribed.code = s->_internal.granted;
    out->u.subscribed.granted = refused(s) ? 0 : s->_internal.granted;
}

bool elo__subs_event(struct elo__client *e, struct elo_client_event *out)
{
    for (size_t i = 0; i < e->config.subs_count; i++) {
        sub *s = at(e, i);
        if (s->_internal.phase != ANSWERED && s->_internal.phase != GONE) {
            continue;
        }
        if (s->_internal.todo != NOTHING) {
            s->_internal.phase = IDLE;
            continue;
        }
        tell(s, out);
        s->_internal.phase = s->_internal.phase == GONE || refused(s) ? FREE : IDLE;
        return true;
    }
    e->events &= (uint8_t)~ELO__EV_SUBS;
    return false;
}

uint32_t elo__subs_left(const struct elo__client *e)
{
    uint32_t left = ELO__NEVER;
    if (e->sub_id == 0 || e->sub_tries == 0) {
        return left;
    }
    if (e->config.ack_timeout_ms != 0) {
        left = elo__ms_left(e->now_ms, e->sub_ms, e->config.ack_timeout_ms);
    }
    if (e->config.retry_ms != 0 && !e->sub_again) {
        uint32_t due_ms = e->config.retry_ms * e->sub_tries;
        left = elo__sooner(left, elo__ms_left(e->now_ms, e->sub_ms, due_ms));
    }
    return left;
}

bool elo__subs_tick(struct elo__client *e)
{
    if (elo__subs_left(e) != 0) {
        return false;
    }
    uint32_t timeout_ms = e->config.ack_timeout_ms;
    if (timeout_ms != 0 && elo__ms_left(e->now_ms, e->sub_ms, timeout_ms) == 0) {
        return true;
    }
    e->sub_again = true;
    return false;
}
