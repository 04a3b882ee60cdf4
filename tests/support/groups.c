// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a message of an ordinary subscription is `owed` to a session until it is
 * acknowledged. One of a shared group is `open` until a member gets it; that one is its `holder`
 * until it acknowledges, or leaves, which opens it again. Whoever is able (online, with a place in
 * its window) must have nothing owed or open left at rest.
 */
#include "tests/support/groups.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/property.h"

struct groups_world groups;
struct groups_tally groups_tally;

const char *const groups_topics[TOPICS] = {"s/0", "s/1", "w/x", "p/3", "p/4"};
const char *const groups_filters[TOPICS] = {"$share/a/s/0", "$share/a/s/1", "$share/b/w/+", "p/3",
                                            "p/4"};

void groups_blame(const char *format, ...)
{
    char what[200];
    va_list args;
    if (groups.failure[0] != '\0') {
        return;
    }
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(groups.failure, sizeof groups.failure, "seed %llu, at %lld ms: %s",
             (unsigned long long)groups.seed, (long long)groups.now.mono_ms, what);
}

void groups_note(const char *format, ...)
{
    va_list args;
    if (!groups.tells) {
        return;
    }
    fprintf(stderr, "%10lld  ", (long long)groups.now.mono_ms);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

unsigned groups_roll(unsigned sides)
{
    uint64_t z = groups.dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % sides);
}

bool groups_failed(void)
{
    return groups.failure[0] != '\0';
}

/* --- the book: sessions and members ------------------------------------------------------------
 */

bool groups_is_shared(int topic)
{
    return topic < GROUPS;
}

bool groups_is_dead(const struct groups_message *m)
{
    return m->ends_ms <= groups.now.mono_ms;
}

static unsigned flying(int client)
{
    unsigned count = 0;
    for (unsigned i = 0; i < groups.sent; i++) {
        count += groups.messages[i].copies[client].flies;
    }
    return count;
}

bool groups_is_empty(int topic)
{
    for (int c = 0; c < CLIENTS; c++) {
        if (groups.clients[c].exists && groups.clients[c].subscribed[topic]) {
            return false;
        }
    }
    return true;
}

/* What waits for a group goes with its last member. */
void groups_tidy(int topic)
{
    for (unsigned i = 0; i < groups.sent && groups_is_shared(topic) && groups_is_empty(topic);
         i++) {
        struct groups_message *m = &groups.messages[i];
        if (m->topic == topic && m->open) {
            m->open = false;
            groups_tally.lost_with_group++;
        }
    }
}

static void open_again(struct groups_message *m)
{
    m->holder = NOBODY;
    m->open = true;
    m->open_ms = groups.now.mono_ms;
}

void groups_session_ends(int client)
{
    struct groups_client *c = &groups.clients[client];
    c->exists = false;
    for (unsigned i = 0; i < groups.sent; i++) {
        groups.messages[i].copies[client] = (struct groups_copy){0};
    }
    for (int t = 0; t < TOPICS; t++) {
        bool was = c->subscribed[t];
        c->subscribed[t] = false;
        if (was) {
            groups_tidy(t);
        }
    }
}

/* The connection is gone, however. */
void groups_leaves(int client)
{
    struct groups_client *c = &groups.clients[client];
    c->line = NULL;
    c->gone_ms = groups.now.mono_ms;
    for (unsigned i = 0; i < groups.sent; i++) {
        struct groups_message *m = &groups.messages[i];
        if (m->copies[client].quiet) {
            m->copies[client].owed = false;
        }
        m->copies[client].flies = m->copies[client].quiet = false;
        if (m->holder == client) {
            m->copies[client] = (struct groups_copy){0};
            open_again(m);
            groups_tally.given_back++;
        }
    }
    if (c->expiry_s == 0) {
        groups_session_ends(client);
    }
}

void groups_sessions_expire(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct groups_client *c = &groups.clients[i];
        if (c->exists && c->line == NULL &&
            groups.now.mono_ms - c->gone_ms >= (int64_t)c->expiry_s * 1000) {
            groups_note("session of c%d ends", i);
            groups_tally.sessions_ended++;
            groups_session_ends(i);
        }
    }
}

/* --- the book: what is sent --------------------------------------------------------------------
 */

static size_t
packet_bytes(const struct groups_message *m, const struct groups_client *c, uint8_t qos)
{
    size_t props = c->level == ELO_MQTT_5 ? 1u + (m->ends_ms != INT64_MAX ? 5u : 0u) : 0u;
    size_t rest = 2 + strlen(groups_topics[m->topic]) + (qos > 0 ? 2u : 0u) + props + m->len;
    return 1 + (rest < 128 ? 1u : 2u) + rest;
}

static bool fits(const struct groups_message *m, const struct groups_client *c, uint8_t qos)
{
    return packet_bytes(m, c, qos) <= c->packet_max;
}

static void owe(struct groups_message *m, int client, uint8_t qos)
{
    const struct groups_client *c = &groups.clients[client];
    if (qos == 0) {
        m->copies[client].now = c->line != NULL && fits(m, c, 0);
    } else {
        m->copies[client].owed = true;
    }
}

static void route_shared(struct groups_message *m)
{
    bool keeps = false;
    for (int i = 0; i < CLIENTS; i++) {
        const struct groups_client *c = &groups.clients[i];
        bool member = c->exists && c->subscribed[m->topic];
        keeps = keeps || (member && c->qos[m->topic] > 0);
        m->once = m->once || (member && c->line != NULL);
    }
    keeps = keeps && m->qos > 0;
    m->once = m->once && !keeps;
    if (keeps) {
        open_again(m);
    }
}

void groups_route(struct groups_message *m, int from)
{
    if (groups_is_shared(m->topic)) {
        route_shared(m);
        return;
    }
    for (int i = 0; i < CLIENTS; i++) {
        const struct groups_client *c = &groups.clients[i];
        if (c->exists && c->subscribed[m->topic] && !(from == i && c->no_local[m->topic])) {
            owe(m, i, c->qos[m->topic] < m->qos ? c->qos[m->topic] : m->qos);
        }
    }
}

/* --- the book: what comes ----------------------------------------------------------------------
 */

static void
check_expiry(const struct groups_message *m, const struct groups_line *l, elo_span properties)
{
    struct elo_mqtt_property p = {.number = UINT32_MAX};
    bool has = elo_mqtt_find_property(properties, ELO_MQTT_PROP_MESSAGE_EXPIRY, &p);
    int64_t left_s = (m->ends_ms - groups.now.mono_ms) / 1000;
    if (groups_is_dead(m)) {
        groups_blame("c%d gets a message that ended at %lld", l->client, (long long)m->ends_ms);
    } else if (l->level == ELO_MQTT_5 && has != (m->ends_ms != INT64_MAX)) {
        groups_blame("c%d gets a message with an expiry that it has not, or without", l->client);
    } else if (has && p.number != (uint32_t)left_s) {
        groups_blame("c%d is told %u seconds, %lld are left", l->client, p.number,
                     (long long)left_s);
    }
}

/* A message that has come, QoS 0. */
static void comes0(struct groups_message *m, unsigned number, int client)
{
    const struct groups_client *c = &groups.clients[client];
    bool of_group = groups_is_shared(m->topic) && c->subscribed[m->topic] && (m->once || m->open) &&
                    (m->qos == 0 || c->qos[m->topic] == 0);
    if (!of_group && !m->copies[client].now) {
        groups_blame("c%d gets m%u with QoS 0, and should not", client, number);
    }
    m->copies[client].now = false;
    m->once = m->open = false;
    groups_tally.handed += of_group;
}

static void check_id(const struct groups_line *l, const struct groups_message *m, uint16_t id)
{
    for (unsigned i = 0; i < groups.sent; i++) {
        const struct groups_message *other = &groups.messages[i];
        const struct groups_copy *copy = &other->copies[l->client];
        if (other != m && copy->flies && copy->id == id) {
            groups_blame("c%d gets identifier %u twice", l->client, id);
        }
    }
    if (id == 0) {
        groups_blame("c%d gets identifier 0", l->client);
    }
}

/* The same once more. */
static void
comes_again(struct groups_copy *copy, unsigned number, const struct groups_line *l, uint16_t id)
{
    if (copy->quiet) {
        groups_blame("c%d gets m%u again, which was given up", l->client, number);
    } else if (copy->flies && groups.now.mono_ms - copy->sent_ms < LIMIT_REDELIVERY_MS) {
        groups_blame("c%d gets m%u again after %lld ms", l->client, number,
                     (long long)(groups.now.mono_ms - copy->sent_ms));
    } else if (copy->id != id) {
        groups_blame("c%d gets m%u again with another identifier", l->client, number);
    }
    copy->tries += copy->flies;
    groups_tally.again++;
}

/* Ordinary subscriptions: in the order of publication. */
static void check_order(unsigned number, int client)
{
    for (unsigned i = 0; i < number; i++) {
        const struct groups_message *m = &groups.messages[i];
        const struct groups_copy *copy = &m->copies[client];
        if (copy->owed && !copy->flown && !groups_is_shared(m->topic) && !m->doubtful &&
            !groups_is_dead(m)) {
            groups_blame("c%d gets m%u before m%u", client, number, i);
        }
    }
}

static void is_handed(struct groups_message *m, unsigned number, int client)
{
    const struct groups_client *c = &groups.clients[client];
    if (!groups_is_shared(m->topic) || !m->open) {
        groups_blame("c%d gets m%u, and %s", client, number,
                     m->holder != NOBODY ? "another member has it" : "should not");
    } else if (!c->subscribed[m->topic] || c->qos[m->topic] == 0) {
        groups_blame("c%d gets m%u of a group in which it is not, or with QoS 0", client, number);
    } else if (groups.now.mono_ms - m->open_ms >= LIMIT_SESSION_EXPIRY_MS) {
        groups_blame("c%d gets m%u, which the group has kept for too long", client, number);
    }
    m->open = false;
    m->holder = client;
    groups_tally.handed++;
}

static void
comes1(struct groups_message *m, unsigned number, const struct groups_line *l, uint16_t id)
{
    struct groups_copy *copy = &m->copies[l->client];
    check_id(l, m, id);
    if (copy->flown && (copy->owed || m->holder == l->client)) {
        comes_again(copy, number, l, id);
    } else if (copy->owed) {
        check_order(number, l->client);
    } else {
        is_handed(m, number, l->client);
    }
    copy->flies = copy->flown = true;
    copy->id = id;
    copy->sent_ms = groups.now.mono_ms;
    if (flying(l->client) > groups.clients[l->client].window) {
        groups_blame("c%d gets more than its Receive Maximum", l->client);
    }
}

static void on_publish(const struct groups_line *l, const struct elo_mqtt_publish *p, size_t size)
{
    char digits[8] = "";
    memcpy(digits, p->payload.ptr, p->payload.len < 5 ? p->payload.len : 5);
    unsigned number = (unsigned)strtoul(digits, NULL, 10);
    struct groups_message *m = &groups.messages[number < groups.sent ? number : 0];
    groups_note("c%d gets m%u, QoS %u, id %u", l->client, number, p->qos, p->packet_id);
    if (groups.clients[l->client].line != l) {
        groups_blame("c%d gets m%u where it is no more", l->client, number);
        return;
    }
    if (number >= groups.sent || !elo_span_eq(p->topic, elo_span_str(groups_topics[m->topic])) ||
        p->payload.len != m->len || p->dup || p->retain ||
        size != packet_bytes(m, &groups.clients[l->client], p->qos)) {
        groups_blame("c%d gets what nobody has published", l->client);
        return;
    }
    check_expiry(m, l, p->properties);
    if (p->qos == 0) {
        comes0(m, number, l->client);
    } else {
        comes1(m, number, l, p->packet_id);
    }
}

void groups_hears(struct groups_line *l, elo_span packet)
{
    struct elo_mqtt_packet in;
    elo_err err = elo_mqtt_decode_as(l->level, packet, &in);
    if (err != ELO_OK || packet.len > groups.clients[l->client].packet_max) {
        groups_blame("c%d gets %zu bytes of type %d (%d)", l->client, packet.len,
                     packet.ptr[0] >> 4, (int)err);
        return;
    }
    switch (in.type) {
    case ELO_MQTT_CONNACK:
        l->connack = in.u.connack.code;
        l->present = in.u.connack.session_present;
        break;
    case ELO_MQTT_PUBLISH:
        on_publish(l, &in.u.publish, packet.len);
        break;
    case ELO_MQTT_PUBACK:
        l->ack = in.u.ack.code;
        break;
    case ELO_MQTT_SUBACK:
        l->ack = in.u.suback.codes.ptr[0];
        break;
    case ELO_MQTT_DISCONNECT:
        l->bye = in.u.disconnect.code;
        break;
    default:
        break;
    }
}

/* What must have come in the call that has just ended. */
void groups_check_now(const struct groups_message *m, unsigned number)
{
    for (int c = 0; c < CLIENTS; c++) {
        if (m->copies[c].now) {
            groups_blame("m%u, QoS 0, has not come to c%d", number, c);
        }
    }
    if (m->once && !m->doubtful) {
        groups_blame("m%u, QoS 0, has come to no member", number);
    }
}

/* --- what must be so at rest -------------------------------------------------------------------
 */

static bool has_more(int client)
{
    for (unsigned i = 0; i < groups.sent; i++) {
        const struct groups_message *m = &groups.messages[i];
        if (m->copies[client].owed && !m->copies[client].flies && !groups_is_dead(m) &&
            !m->doubtful) {
            return true;
        }
    }
    return false;
}

static bool is_able(int client)
{
    const struct groups_client *c = &groups.clients[client];
    return c->line != NULL && flying(client) < c->window;
}

void groups_gives_up(struct groups_message *m, int client)
{
    m->copies[client] = (struct groups_copy){0};
    m->holder = m->holder == client ? NOBODY : m->holder;
}

/* In flight for as long as may be: it has been sent again, or is worth no more. Then it still takes
 * a place in the window until it is acknowledged. */
static void check_flight(struct groups_message *m, unsigned number, int client)
{
    struct groups_copy *copy = &m->copies[client];
    if (!copy->flies || groups.now.mono_ms - copy->sent_ms < LIMIT_REDELIVERY_MS) {
        return;
    }
    if (groups_is_dead(m) || copy->tries >= TRIES_MAX) {
        groups_tally.expired += !copy->quiet;
        copy->quiet = true;
    } else if (!copy->quiet) {
        groups_blame("m%u has not been sent to c%d again", number, client);
    }
}

/* Who cannot take it at all? */
static void note_doubt(struct groups_message *m)
{
    for (int i = 0; i < CLIENTS; i++) {
        const struct groups_client *c = &groups.clients[i];
        bool concerned =
            m->copies[i].owed || (groups_is_shared(m->topic) && c->subscribed[m->topic]);
        if (c->line != NULL && concerned && !m->doubtful && !fits(m, c, 1)) {
            m->doubtful = true;
            groups_tally.dropped_large++;
        }
    }
}

static void check_message(struct groups_message *m, unsigned number)
{
    if (m->open && !m->doubtful && !groups_is_dead(m) &&
        groups.now.mono_ms - m->open_ms < LIMIT_SESSION_EXPIRY_MS) {
        for (int c = 0; c < CLIENTS; c++) {
            if (groups.clients[c].subscribed[m->topic] && is_able(c) && !has_more(c)) {
                groups_blame("m%u waits, and c%d could take it", number, c);
            }
        }
        groups_tally.waited++;
    }
    for (int c = 0; c < CLIENTS; c++) {
        check_flight(m, number, c);
    }
}

static void check_stats(void)
{
    struct broker_stats have;
    uint64_t connections = 0;
    uint64_t sessions = 0;
    uint64_t subscriptions = 0;
    broker_stats(groups.broker, &have);
    for (int c = 0; c < CLIENTS; c++) {
        connections += groups.clients[c].line != NULL;
        sessions += groups.clients[c].exists;
        for (int t = 0; t < TOPICS; t++) {
            subscriptions += groups.clients[c].subscribed[t];
        }
    }
    if (have.connections != connections || have.sessions != sessions ||
        have.subscriptions != subscriptions) {
        groups_blame(
            "%llu connections, %llu sessions, %llu subscriptions; the broker has %llu, %llu, %llu",
            (unsigned long long)connections, (unsigned long long)sessions,
            (unsigned long long)subscriptions, (unsigned long long)have.connections,
            (unsigned long long)have.sessions, (unsigned long long)have.subscriptions);
    }
}

void groups_check(void)
{
    for (unsigned i = 0; i < groups.sent && !groups_failed(); i++) {
        check_message(&groups.messages[i], i);
    }
    for (int c = 0; c < CLIENTS && !groups_failed(); c++) {
        if (is_able(c) && has_more(c)) {
            groups_blame("c%d is owed something, and could take it", c);
        }
    }
    check_stats();
}

/* Large messages and small clients: before the broker acts. */
void groups_note_doubts(void)
{
    for (unsigned i = 0; i < groups.sent; i++) {
        note_doubt(&groups.messages[i]);
    }
}
