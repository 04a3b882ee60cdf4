// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The judge. How this works: the model is given every packet that the real broker is given, before
 * it is, and keeps sessions, subscriptions, retained messages and wills of its own, in the plainest
 * way. From that follows
 *
 *      expected   what must be routed in this very call: the witness has to see that and no more
 *      dues       what each session is owed: QoS 1 must come, in order, until the session is gone
 *      given      how often something was sent to a client at all: nothing else may come
 *
 * A device's first delivery of a message is out of order if an earlier one of the same publisher
 * has not come yet: both QoS 1, both routed while the session was there [MQTT-4.6.0-5]. Wills and
 * retained messages are not in that order, for they are not sent when their publisher sent them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "elo/mqtt/decode.h"
#include "server/base/limits.h"
#include "tests/support/world_parts.h"

#define TEXT(span) (int)(span).len, (const char *)(span).ptr

static unsigned will_of(unsigned client)
{
    return 1 + client;
}

static unsigned clear_of(unsigned client)
{
    return 1 + WORLD_CLIENTS + client;
}

/* --- messages ----------------------------------------------------------------------------------
 */

unsigned world_message_new(struct world *w, enum world_kind kind, unsigned who)
{
    unsigned id = (unsigned)w->message_count++;
    w->messages[id] = (struct world_message){.kind = kind, .who = who};
    return id;
}

void world_model_begin(struct world *w)
{
    w->message_count = 1;
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        unsigned id = world_message_new(w, KIND_WILL, i);
        w->messages[id].len = 12;
    }
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        unsigned id = world_message_new(w, KIND_CLEAR, i);
        w->messages[id].qos = 1;
        w->messages[id].retain = true;
        snprintf(w->messages[id].topic, WORLD_TOPIC, "status/%s", world_name(i));
    }
}

/* "m0042 " and then bytes that follow from the number. */
elo_span world_message_payload(const struct world *w, unsigned message, uint8_t *room)
{
    const struct world_message *m = &w->messages[message];
    if (m->len == 0) {
        return elo_span_of(room, 0);
    }
    snprintf((char *)room, WORLD_PAYLOAD, "m%04u ", message);
    for (size_t i = 6; i < m->len; i++) {
        room[i] = (uint8_t)('a' + (message * 7 + i) % 26);
    }
    return elo_span_of(room, m->len);
}

/* Which message is it? 0: none that anybody has published. */
static unsigned identify(const struct world *w, elo_span topic, elo_span payload)
{
    uint8_t room[WORLD_PAYLOAD];
    char digits[5] = "";
    if (payload.len == 0) {
        for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
            if (elo_span_eq(topic, elo_span_str(w->messages[clear_of(i)].topic))) {
                return clear_of(i);
            }
        }
        return 0;
    }
    if (payload.len < 6 || payload.ptr[0] != 'm') {
        return 0;
    }
    memcpy(digits, payload.ptr + 1, 4);
    unsigned id = (unsigned)strtoul(digits, NULL, 10);
    if (id == 0 || id >= w->message_count) {
        return 0;
    }
    bool same = elo_span_eq(topic, elo_span_str(w->messages[id].topic)) &&
                elo_span_eq(payload, world_message_payload(w, id, room));
    return same ? id : 0;
}

/* --- sessions and what they are owed -----------------------------------------------------------
 */

static bool expired(const struct world *w, const struct world_session *s)
{
    return s->exists && s->link == NULL && w->now - s->offline_since >= LIMIT_SESSION_EXPIRY_MS;
}

bool world_model_present(struct world *w, unsigned client)
{
    struct world_session *s = &w->model.sessions[client];
    if (expired(w, s)) {
        s->exists = false;
        w->tally.expired++;
    }
    return s->exists;
}

static struct world_due *find_due(struct world_session *s, unsigned message, bool retain)
{
    for (size_t i = 0; i < s->due_count; i++) {
        if (s->dues[i].message == message && s->dues[i].retain == retain) {
            return &s->dues[i];
        }
    }
    return NULL;
}

static void owe(struct world *w, unsigned client, unsigned message, uint8_t qos, bool retain)
{
    struct world_session *s = &w->model.sessions[client];
    struct world_given *given = &w->model.given[client][message];
    struct world_due *due;
    if (qos == 0 && s->link == NULL) {
        return; /* not stored */
    }
    given->sent[qos]++;
    given->sent_retained = (uint16_t)(given->sent_retained + retain);
    if (qos == 0) {
        return;
    }
    due = find_due(s, message, retain);
    if (due != NULL) {
        due->done = false;
    } else if (s->due_count == WORLD_DUES) {
        world_fail(w, "too many messages for the model");
    } else {
        s->dues[s->due_count++] =
            (struct world_due){.message = (uint16_t)message, .retain = retain, .must = true};
    }
}

/* QoS of the best matching subscription, or -1. */
static int best_match(const struct world_session *s, elo_span topic)
{
    int best = -1;
    for (size_t i = 0; i < s->filter_count; i++) {
        if (world_matches(elo_span_str(s->filters[i].text), topic) && s->filters[i].qos > best) {
            best = s->filters[i].qos;
        }
    }
    return best;
}

static void remember_retained(struct world *w, unsigned message)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        if (strcmp(w->messages[message].topic, w->messages[clear_of(i)].topic) == 0) {
            w->model.retained[i] = w->messages[message].len == 0 ? 0 : message + 1;
        }
    }
}

/* Whoever is subscribed and may have it. */
static void route(struct world *w, unsigned message)
{
    struct world_message *m = &w->messages[message];
    struct world_model *model = &w->model;
    elo_span topic = elo_span_str(m->topic);
    m->routed++;
    w->tally.routed++;
    if (model->expected_count == sizeof model->expected / sizeof model->expected[0]) {
        world_fail(w, "too many messages at once for the model");
        return;
    }
    model->expected[model->expected_count++] = message;
    if (m->retain) {
        remember_retained(w, message);
    }
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        if (!world_model_present(w, i)) {
            continue;
        }
        int best = best_match(&model->sessions[i], topic);
        if (best >= 0 && world_may_receive(i, topic)) {
            owe(w, i, message, m->qos < best ? m->qos : (uint8_t)best, false);
        }
    }
}

/* --- what the broker hears ---------------------------------------------------------------------
 */

void world_model_ends(struct world *w, struct world_link *l, bool will)
{
    struct world_device *d = l->device;
    if (l->is.ended) {
        return;
    }
    l->is.ended = true;
    if (!l->is.accepted) {
        return;
    }
    struct world_session *s = &w->model.sessions[l->is.client];
    s->link = NULL;
    s->offline_since = w->now;
    s->exists = s->persistent;
    if (will && d->config.has_will) {
        w->tally.wills++;
        route(w, will_of(d->who));
    }
}

static void denied(struct world *w, struct world_link *l)
{
    w->tally.denied++;
    world_model_ends(w, l, true);
}

static void begin_session(struct world *w, struct world_link *l, bool persistent)
{
    struct world_session *s = &w->model.sessions[l->is.client];
    if (s->exists && s->link != NULL) {
        w->tally.takeovers++;
        world_model_ends(w, s->link, true);
    }
    l->is.present = world_model_present(w, l->is.client) && persistent;
    if (!l->is.present) {
        s->due_count = 0;
        s->filter_count = 0;
    }
    s->exists = true;
    s->persistent = persistent;
    s->link = l;
}

static void on_connect(struct world *w, struct world_link *l, const struct elo_mqtt_connect *p)
{
    const struct elo_mqtt_will *will = &p->will;
    if (l->is.refused || !world_may_connect(l->certificate, p->client_id) ||
        (p->has_will && !world_may_publish(l->certificate, will->topic, will->retain))) {
        denied(w, l);
        return;
    }
    l->is.client = l->certificate;
    begin_session(w, l, !p->clean_session);
    l->is.accepted = true;
    uint16_t seconds = p->keep_alive_s;
    seconds = seconds == 0 ? LIMIT_KEEP_ALIVE_MAX_S : seconds;
    seconds = seconds < LIMIT_KEEP_ALIVE_MIN_S ? LIMIT_KEEP_ALIVE_MIN_S : seconds;
    l->is.patience_ms = seconds * 1500;
    w->model.connects++;
}

/* In the order in which they were published, when first routed in a life of the broker. */
static void check_publication_order(struct world *w, unsigned message)
{
    struct world_message *m = &w->messages[message];
    unsigned *newest = &w->model.newest[m->who];
    if (m->life != w->model.life && message < *newest) {
        world_fail(w, "m%04u of %s reaches the broker after m%04u", message, world_name(m->who),
                   *newest);
    }
    if (m->life == w->model.life && m->qos == 0) {
        world_fail(w, "m%04u of %s, QoS 0, reaches the broker twice", message, world_name(m->who));
    }
    m->life = w->model.life;
    *newest = message > *newest ? message : *newest;
}

static void on_publish(struct world *w, struct world_link *l, const struct elo_mqtt_publish *p)
{
    unsigned id = identify(w, p->topic, p->payload);
    const struct world_message *m = &w->messages[id];
    w->model.publishes++;
    if (id == 0 || m->who != l->device->who || m->qos != p->qos ||
        (m->kind == KIND_DATA && m->retain != p->retain)) {
        world_fail(w, "%s has sent a message to %.*s that it never published",
                   world_name(l->device->who), TEXT(p->topic));
        return;
    }
    if (!world_may_publish(l->certificate, p->topic, p->retain)) {
        denied(w, l);
        return;
    }
    if (m->kind == KIND_DATA) {
        check_publication_order(w, id);
    }
    if (w->messages[id].routed > 0) {
        w->tally.again++;
    }
    route(w, id);
}

static void send_retained(struct world *w, struct world_link *l, elo_span filter, uint8_t qos)
{
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        unsigned message = w->model.retained[i];
        if (message == 0 || !elo_span_eq(filter, elo_span_str(w->messages[message - 1].topic)) ||
            !world_may_receive(l->certificate, filter)) {
            continue;
        }
        uint8_t its = w->messages[message - 1].qos;
        owe(w, l->is.client, message - 1, its < qos ? its : qos, true);
        w->tally.retained++;
    }
}

static void add_filter(struct world_session *s, const struct elo_mqtt_subscription *sub)
{
    size_t i = 0;
    while (i < s->filter_count && !elo_span_eq(elo_span_str(s->filters[i].text), sub->filter)) {
        i++;
    }
    snprintf(s->filters[i].text, WORLD_TOPIC, "%.*s", TEXT(sub->filter));
    s->filters[i].qos = sub->qos;
    s->filter_count += i == s->filter_count;
}

static void on_subscribe(struct world *w, struct world_link *l, const struct elo_mqtt_subscribe *p)
{
    struct world_session *s = &w->model.sessions[l->is.client];
    struct elo_mqtt_subscription sub;
    for (elo_span rest = p->filters; elo_mqtt_next_subscription(&rest, &sub);) {
        if (!world_may_subscribe(l->certificate, sub.filter)) {
            denied(w, l);
            return;
        }
    }
    for (elo_span rest = p->filters; elo_mqtt_next_subscription(&rest, &sub);) {
        add_filter(s, &sub);
    }
    for (elo_span rest = p->filters; elo_mqtt_next_subscription(&rest, &sub);) {
        send_retained(w, l, sub.filter, sub.qos);
    }
}

static void on_unsubscribe(struct world_session *s, const struct elo_mqtt_subscribe *p)
{
    elo_span filter;
    for (elo_span rest = p->filters; elo_mqtt_next_filter(&rest, &filter);) {
        for (size_t i = 0; i < s->filter_count; i++) {
            if (elo_span_eq(elo_span_str(s->filters[i].text), filter)) {
                s->filters[i] = s->filters[--s->filter_count];
                break;
            }
        }
    }
}

static uint8_t level_of(const struct world_device *d)
{
    return d->config.mqtt5 != NULL ? ELO_MQTT_5 : ELO_MQTT_3_1_1;
}

void world_model_hears(struct world *w, struct world_link *l, elo_span packet)
{
    struct elo_mqtt_packet p;
    if (l->is.ended) {
        return; /* nothing counts any more */
    }
    if (elo_mqtt_decode_as(level_of(l->device), packet, &p) != ELO_OK) {
        world_fail(w, "%s has sent a malformed packet", world_name(l->device->who));
        return;
    }
    l->is.heard_ms = w->now;
    if (p.type == ELO_MQTT_CONNECT) {
        on_connect(w, l, &p.u.connect);
    } else if (p.type == ELO_MQTT_PUBLISH) {
        on_publish(w, l, &p.u.publish);
    } else if (p.type == ELO_MQTT_SUBSCRIBE) {
        on_subscribe(w, l, &p.u.subscribe);
    } else if (p.type == ELO_MQTT_UNSUBSCRIBE) {
        on_unsubscribe(&w->model.sessions[l->is.client], &p.u.subscribe);
    } else if (p.type == ELO_MQTT_DISCONNECT) {
        w->tally.byes++;
        world_model_ends(w, l, false);
    }
}

/* Who has been silent for too long? */
void world_model_passes(struct world *w)
{
    for (size_t i = 0; i < w->links_high; i++) {
        struct world_link *l = &w->links[i];
        bool open = l->used && l->server_side && !l->is.ended;
        if (open && w->now - l->is.heard_ms >= l->is.patience_ms) {
            w->tally.silences++;
            world_note(w, "link %u is too silent", l->serial);
            world_model_ends(w, l, true);
        }
    }
}

void world_model_restart(struct world *w)
{
    struct world_model *model = &w->model;
    model->life++;
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        model->sessions[i].exists = false;
        model->sessions[i].link = NULL;
        model->newest[i] = 0;
        model->retained[i] = 0;
    }
    model->connects = 0;
    model->publishes = 0;
    model->expected_count = 0;
    for (size_t i = 0; i < w->links_high; i++) {
        w->links[i].is.ended = true;
    }
}

/* --- what the witness sees ---------------------------------------------------------------------
 */

void world_model_sees(struct world *w, const struct elo_mqtt_publish *p)
{
    struct world_model *model = &w->model;
    unsigned id = identify(w, p->topic, p->payload);
    size_t at = 0;
    /* Wills of one call come in no certain order among themselves and the rest. */
    while (
        at < model->expected_count && model->expected[at] != id &&
        (w->messages[id].kind == KIND_WILL || w->messages[model->expected[at]].kind == KIND_WILL)) {
        at++;
    }
    if (id == 0 || at == model->expected_count || model->expected[at] != id) {
        world_fail(w, "the broker routes what it should not: %.*s to %.*s",
                   p->payload.len < 6 ? (int)p->payload.len : 5, (const char *)p->payload.ptr,
                   TEXT(p->topic));
        return;
    }
    model->expected_count--;
    memmove(model->expected + at, model->expected + at + 1,
            (model->expected_count - at) * sizeof model->expected[0]);
    if (p->retain || p->qos != w->messages[id].qos) {
        world_fail(w, "m%04u is routed with qos %u%s", id, p->qos, p->retain ? ", retain" : "");
    }
}

void world_model_settle(struct world *w)
{
    if (w->model.expected_count > 0 && !world_failed(w)) {
        unsigned id = w->model.expected[0];
        world_fail(w, "the broker does not route m%04u of %s to %s", id,
                   world_name(w->messages[id].who), w->messages[id].topic);
    }
}

/* --- what devices write ------------------------------------------------------------------------
 */

/* DUP and the packet id of what is sent again [MQTT-3.3.1-1] [MQTT-4.4.0-1]. */
void world_model_written(struct world *w, struct world_device *d, elo_span packet)
{
    struct elo_mqtt_packet in;
    if (elo_mqtt_decode_as(level_of(d), packet, &in) != ELO_OK) {
        world_fail(w, "%s writes a malformed packet", world_name(d->who));
        return;
    }
    if (in.type != ELO_MQTT_PUBLISH || in.u.publish.payload.len == 0) {
        return;
    }
    const struct elo_mqtt_publish *p = &in.u.publish;
    unsigned id = identify(w, p->topic, p->payload);
    struct world_message *m = &w->messages[id];
    if (p->qos == 0) {
        m->sent = true;
        return;
    }
    bool again = m->sent && m->sent_session == d->session;
    if (again && (!p->dup || p->packet_id != m->sent_id)) {
        world_fail(w, "%s sends m%04u again with id %u, not %u, and DUP %d", world_name(d->who), id,
                   p->packet_id, m->sent_id, p->dup);
    } else if (!again && p->dup && !d->begun_once) {
        world_fail(w, "%s sends m%04u for the first time, with DUP", world_name(d->who), id);
    }
    w->tally.dup += p->dup;
    m->sent = true;
    m->sent_session = d->session;
    m->sent_id = p->packet_id;
}

/* --- what devices are told ---------------------------------------------------------------------
 */

static void told_published(struct world *w, const struct world_device *d, uint32_t token)
{
    struct world_message *m = &w->messages[token];
    if (token >= w->message_count || !m->published || m->who != d->who || m->fate != FATE_OPEN ||
        m->qos == 0) {
        world_fail(w, "%s: PUBLISHED for m%04u, which is not waiting for it", world_name(d->who),
                   token);
        return;
    }
    unsigned routed =
        m->kind == KIND_CLEAR ? w->messages[clear_of(m->who)].routed - m->routed_then : m->routed;
    if (routed == 0) {
        world_fail(w, "%s: PUBLISHED for m%04u, which the broker has not routed",
                   world_name(d->who), token);
    }
    m->fate = FATE_ACKED;
    w->tally.acked++;
}

static void told_dropped(
    struct world *w, const struct world_device *d, uint32_t count, uint32_t first, uint32_t last)
{
    uint32_t found = 0;
    for (uint32_t i = first; i <= last && i < w->message_count; i++) {
        struct world_message *m = &w->messages[i];
        if (m->published && m->who == d->who && m->fate == FATE_OPEN && (m->qos > 0 || !m->sent)) {
            m->fate = FATE_DROPPED;
            found++;
        }
    }
    w->tally.dropped += count;
    if (found != count) {
        world_fail(w, "%s: DROPPED tells of %u messages, m%04u to m%04u: there were %u",
                   world_name(d->who), count, first, last, found);
    }
}

static void told_connected(struct world *w, const struct world_device *d, bool present)
{
    if (d->present != present) {
        world_fail(w, "%s is connected with session present %d, it should be %d",
                   world_name(d->who), present, d->present);
    }
    if (present) {
        w->tally.resumed++;
    } else {
        w->tally.fresh++;
    }
}

/* The first delivery: has everything before it come? */
static void check_delivery_order(struct world *w, unsigned client, const struct world_due *due)
{
    const struct world_session *s = &w->model.sessions[client];
    const struct world_message *m = &w->messages[due->message];
    if (due->retain || m->kind != KIND_DATA) {
        return;
    }
    for (const struct world_due *before = s->dues; before < due; before++) {
        const struct world_message *other = &w->messages[before->message];
        if (!before->retain && !before->ever && other->kind == KIND_DATA && other->who == m->who) {
            world_fail(w, "%s gets m%04u of %s before m%04u", world_name(client), due->message,
                       world_name(m->who), before->message);
            return;
        }
    }
}

static void delivered(struct world *w, unsigned client, unsigned id, uint8_t qos, bool retain)
{
    struct world_session *s = &w->model.sessions[client];
    struct world_given *given = &w->model.given[client][id];
    struct world_due *due = s->exists && qos > 0 ? find_due(s, id, retain) : NULL;
    given->came[qos]++;
    w->tally.delivered++;
    if (given->sent[qos] == 0 || (retain && given->sent_retained == 0)) {
        world_fail(w, "%s gets m%04u with qos %u%s, which was not sent to it", world_name(client),
                   id, qos, retain ? ", retain" : "");
    } else if (given->came[qos] > given->sent[qos] && (qos == 0 || w->calm)) {
        world_fail(w, "%s gets m%04u, qos %u, %u times", world_name(client), id, qos,
                   given->came[qos]);
    }
    if (due != NULL) {
        if (!due->ever) {
            check_delivery_order(w, client, due);
        }
        due->ever = true;
        due->done = true;
    }
}

static void
told_message(struct world *w, const struct world_device *d, const struct elo_client_event *e)
{
    elo_span topic = e->u.message.topic;
    unsigned id = identify(w, topic, e->u.message.payload);
    if (!world_may_receive(d->certificate, topic)) {
        world_fail(w, "%s gets a message on %.*s, which its policy does not allow",
                   world_name(d->who), TEXT(topic));
    } else if (id == 0) {
        world_fail(w, "%s gets a message on %.*s that nobody published", world_name(d->who),
                   TEXT(topic));
    } else {
        world_note(w, "%s gets m%04u, qos %u%s", world_name(d->who), id, e->u.message.qos,
                   e->u.message.retain ? ", retain" : "");
        delivered(w, d->who, id, e->u.message.qos, e->u.message.retain);
    }
}

static size_t packet_size(const struct world_message *m, uint8_t qos)
{
    size_t rest = 2 + strlen(m->topic) + (qos > 0 ? 2u : 0u) + m->len;
    return 1 + (rest < 128 ? 1u : 2u) + rest;
}

/* Only size, QoS and perhaps the topic are known. */
static bool can_be(const struct world *w,
                   const struct world_device *d,
                   unsigned message,
                   const struct elo_client_event *e)
{
    const struct world_message *m = &w->messages[message];
    elo_span topic = e->u.oversize.topic;
    uint8_t qos = e->u.oversize.qos;
    return w->model.given[d->who][message].sent[qos] > 0 &&
           packet_size(m, qos) == e->u.oversize.size &&
           (topic.len == 0 || elo_span_eq(topic, elo_span_str(m->topic)));
}

/*
 * The first that is owed, or else any, that it can be; 0: none. It may have been one of the others,
 * come again, so none of them can be said not to have come.
 */
static unsigned
find_oversize(struct world *w, const struct world_device *d, const struct elo_client_event *e)
{
    unsigned any = 0;
    unsigned owed = 0;
    for (unsigned i = 1; i < w->message_count; i++) {
        if (!can_be(w, d, i, e)) {
            continue;
        }
        any = i;
        struct world_due *due = find_due(&w->model.sessions[d->who], i, e->u.oversize.retain);
        if (due != NULL && e->u.oversize.qos > 0) {
            due->ever = true;
            owed = owed == 0 && !due->done ? i : owed;
        }
    }
    return owed != 0 ? owed : any;
}

static void
told_oversize(struct world *w, const struct world_device *d, const struct elo_client_event *e)
{
    uint8_t qos = e->u.oversize.qos;
    unsigned found = find_oversize(w, d, e);
    w->tally.oversize++;
    if (found == 0 || e->u.oversize.size <= d->config.rx_size) {
        world_fail(w, "%s: a message of %u bytes that nobody sent to it, or that fits into %zu",
                   world_name(d->who), e->u.oversize.size, d->config.rx_size);
        return;
    }
    world_note(w, "%s finds m%04u too large", world_name(d->who), found);
    const struct world_given *given = &w->model.given[d->who][found];
    if (qos > 0 || given->came[0] < given->sent[0]) {
        delivered(w, d->who, found, qos, e->u.oversize.retain && given->sent_retained > 0);
    }
}

static void
told_subscribed(struct world *w, const struct world_device *d, const struct elo_client_event *e)
{
    if (e->u.subscribed.result != ELO_OK) {
        world_fail(w, "%s: %.*s is refused (%d)", world_name(d->who), TEXT(e->u.subscribed.filter),
                   (int)e->u.subscribed.result);
    } else if (!world_may_subscribe(d->certificate, e->u.subscribed.filter)) {
        world_fail(w, "%s is granted %.*s, which its policy does not allow", world_name(d->who),
                   TEXT(e->u.subscribed.filter));
    }
}

void world_model_hands(struct world *w,
                       struct world_device *d,
                       const struct elo_client_event *event)
{
    switch (event->type) {
    case ELO_CLIENT_CONNECTED:
        told_connected(w, d, event->u.connected.session_present);
        break;
    case ELO_CLIENT_PUBLISHED:
        told_published(w, d, event->u.published.token);
        break;
    case ELO_CLIENT_DROPPED:
        told_dropped(w, d, event->u.dropped.count, event->u.dropped.first_token,
                     event->u.dropped.last_token);
        break;
    case ELO_CLIENT_MESSAGE:
        told_message(w, d, event);
        break;
    case ELO_CLIENT_OVERSIZE:
        told_oversize(w, d, event);
        break;
    case ELO_CLIENT_SUBSCRIBED:
        told_subscribed(w, d, event);
        break;
    default:
        break;
    }
}

/* --- rest --------------------------------------------------------------------------------------
 */

static bool wants_hold(struct world *w, const struct world_device *d, char *why, size_t cap)
{
    const struct world_session *s = &w->model.sessions[d->who];
    size_t wanted = 0;
    for (size_t i = 0; i < WORLD_FILTERS; i++) {
        bool has = false;
        for (size_t k = 0; k < s->filter_count; k++) {
            has = has || (strcmp(s->filters[k].text, d->texts[i]) == 0 &&
                          s->filters[k].qos + 1 == d->wants[i]);
        }
        wanted += d->wants[i] != 0;
        if (d->wants[i] != 0 && !has) {
            snprintf(why, cap, "%s is not subscribed to %s", world_name(d->who), d->texts[i]);
            return false;
        }
    }
    if (s->filter_count != wanted) {
        snprintf(why, cap, "%s is subscribed to %zu filters, not %zu", world_name(d->who),
                 s->filter_count, wanted);
        return false;
    }
    return true;
}

static bool all_done(struct world *w, unsigned client, char *why, size_t cap)
{
    const struct world_session *s = &w->model.sessions[client];
    for (size_t i = 0; i < s->due_count; i++) {
        if (!s->dues[i].done) {
            snprintf(why, cap, "%s has not got m%04u", world_name(client), s->dues[i].message);
            return false;
        }
    }
    for (unsigned i = 1; w->calm && i < w->message_count; i++) {
        const struct world_given *given = &w->model.given[client][i];
        for (unsigned qos = 0; qos < 2; qos++) {
            if (given->came[qos] != given->sent[qos]) {
                snprintf(why, cap, "%s has got m%04u %u times, not %u", world_name(client), i,
                         given->came[qos], given->sent[qos]);
                return false;
            }
        }
    }
    return true;
}

static bool is_quiet(struct world *w, const struct world_device *d, char *why, size_t cap)
{
    const struct world_session *s = &w->model.sessions[d->who];
    if (elo_client_get_state(&d->client) != ELO_CLIENT_ONLINE || !s->exists || s->link == NULL ||
        s->link != d->link) {
        snprintf(why, cap, "%s is not connected", world_name(d->who));
        return false;
    }
    if (elo_client_pending(&d->client) > 0) {
        snprintf(why, cap, "%s has %zu messages in its outbox", world_name(d->who),
                 elo_client_pending(&d->client));
        return false;
    }
    return wants_hold(w, d, why, cap) && all_done(w, d->who, why, cap);
}

bool world_model_quiet(struct world *w, char *why, size_t cap)
{
    for (size_t i = 0; i < w->device_count; i++) {
        if (w->devices[i].crime == CRIME_NONE && !is_quiet(w, &w->devices[i], why, cap)) {
            return false;
        }
    }
    for (unsigned i = 1; i < w->message_count; i++) {
        const struct world_message *m = &w->messages[i];
        if (m->published && m->fate == FATE_OPEN && m->qos > 0 && m->who != WORLD_MALLORY) {
            snprintf(why, cap, "%s was never told what became of m%04u", world_name(m->who), i);
            return false;
        }
    }
    return true;
}
