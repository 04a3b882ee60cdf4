// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Shared subscriptions, message expiry and session expiry, judged after every single step by a
 * second, plain book-keeping of who is owed what. Everything follows from one seed.
 *
 *      test_groups                  as many seeds as this build is given time for
 *      test_groups SEED             one seed, with everything that happens in it
 *      SEEDS=n FIRST=m test_groups  n seeds from m on
 *
 * How this works: clients of both versions come and go in every way there is (DISCONNECT, a broken
 * line, a take-over, a crime of MQTT 5 and its reason code), with clean and persistent sessions,
 * small windows and small packets, and acknowledge when they like. The book is changed before the
 * broker is told; then all output is read, and the book says of each PUBLISH whether it may come.
 * What must have come by now is looked at when the broker has come to rest:
 *
 *      owed       a QoS 1 message of an ordinary subscription, until acknowledged, with the session
 *      open       one of a shared group that no member has: it must come to any that is able
 *      held       by the one member that has it; a leaving member makes it open again
 *
 * So: at least one member gets each message, nobody a second time while its holder stays, nothing
 * waits while somebody could take it, nothing expired is sent, nothing that lives is dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "elo/mqtt/property.h"
#include "tests/support/groups.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 300u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS 300u
#endif
#endif
#ifndef SEEDS
#define SEEDS 2000u
#endif

/* --- the wire ----------------------------------------------------------------------------------
 */

static void read_packets(struct groups_line *l)
{
    struct elo_mqtt_frame frame;
    size_t at = 0;
    while (!groups_failed() && at < l->len &&
           elo_mqtt_frame(elo_span_of(l->bytes + at, l->len - at), BYTES, &frame) == ELO_OK &&
           frame.total <= l->len - at) {
        groups_hears(l, elo_span_of(l->bytes + at, frame.total));
        at += frame.total;
    }
    l->len -= at;
    memmove(l->bytes, l->bytes + at, l->len);
}

static void read_output(struct groups_line *l)
{
    elo_span pieces[4];
    size_t n;
    while (!groups_failed() && (n = broker_output(l->conn, pieces, 4)) > 0) {
        size_t took = 0;
        for (size_t i = 0; i < n; i++) {
            size_t len = pieces[i].len < BYTES - l->len ? pieces[i].len : BYTES - l->len;
            memcpy(l->bytes + l->len, pieces[i].ptr, len);
            l->len += len;
            took += len;
            if (len < pieces[i].len) {
                break;
            }
        }
        read_packets(l);
        broker_output_ack(l->conn, took, groups.now);
    }
}

static void hang_up(struct groups_line *l)
{
    struct broker_conn *conn = l->conn;
    l->conn = NULL;
    broker_closed(conn, ELO_OK, groups.now);
}

/* Reads all and closes what is to be closed, until nobody has anything to say. */
static void come_to_rest(void)
{
    struct broker_conn *conn;
    while (!groups_failed() && (conn = broker_next_ready(groups.broker)) != NULL) {
        struct groups_line *l = broker_user(conn);
        read_output(l);
        bool here = groups.clients[l->client].line == l;
        if (!groups_failed() && broker_wants_close(conn) == here) {
            groups_blame("c%d should be %s (%d)", l->client, here ? "here" : "gone",
                         (int)broker_close_reason(conn));
        } else if (!here) {
            hang_up(l);
        }
    }
    for (unsigned i = 0; i < groups.sent && !groups_failed(); i++) {
        groups_check_now(&groups.messages[i], i);
        groups.messages[i].once = false;
    }
}

/* After each call of the broker. */
static void rest(void)
{
    come_to_rest();
    if (!groups_failed()) {
        groups_check();
    }
}

/* --- what clients do ---------------------------------------------------------------------------
 */

static void say(int client, elo_span bytes)
{
    struct groups_line *l = groups.clients[client].line;
    if (l != NULL) {
        broker_input(l->conn, bytes, groups.now);
    }
}

static struct groups_line *free_line(void)
{
    struct groups_line *l = groups.lines;
    while (l->conn != NULL) {
        l++;
    }
    return l;
}

static struct groups_line *dial(int client, uint8_t level)
{
    const struct auth_peer peer = {.certificate_id =
                                       elo_span_str(groups.house.ids[CERTIFICATE_all]),
                                   .source_ip = ELO_SPAN("192.0.2.3")};
    struct groups_line *l = free_line();
    *l =
        (struct groups_line){.client = client, .level = level, .connack = -1, .ack = -1, .bye = -1};
    l->conn = broker_open(groups.broker, &peer, ELO_OK, groups.now);
    if (l->conn != NULL) {
        broker_set_user(l->conn, l);
    }
    return l;
}

/* What a client brings along this time. */
struct coming {
    uint8_t level;
    bool clean;
    uint32_t expiry_s;
    unsigned window;
    uint32_t packet_max;
};

static elo_span connect_packet(int client, const struct coming *how, uint8_t packet[100])
{
    uint8_t room[32];
    char id[4] = {'c', (char)('0' + client), '\0'};
    struct elo_mqtt_property_writer props = elo_mqtt_properties_into(room, sizeof room);
    struct elo_mqtt_connect in = {.level = how->level,
                                  .clean_session = how->clean,
                                  .keep_alive_s = 1200,
                                  .client_id = elo_span_str(id)};
    size_t len = 0;
    elo_err err;
    if (how->level == ELO_MQTT_5) {
        elo_mqtt_put_number(&props, ELO_MQTT_PROP_SESSION_EXPIRY, how->expiry_s);
        elo_mqtt_put_number(&props, ELO_MQTT_PROP_RECEIVE_MAXIMUM, how->window);
        elo_mqtt_put_number(&props, ELO_MQTT_PROP_MAXIMUM_PACKET, how->packet_max);
        in.properties = elo_mqtt_properties_done(&props);
        err = elo_mqtt5_encode_connect(&in, elo_span_of(NULL, 0), packet, 100, &len);
    } else {
        err = elo_mqtt_encode_connect(&in, packet, 100, &len);
    }
    if (err != ELO_OK) {
        groups_blame("a CONNECT cannot be made");
    }
    return elo_span_of(packet, len);
}

static void comes(int client, const struct coming *how)
{
    struct groups_client *c = &groups.clients[client];
    uint8_t packet[100];
    elo_span bytes = connect_packet(client, how, packet);
    struct groups_line *l = dial(client, how->level);
    groups_note("c%d connects, MQTT %u%s, expiry %u, window %u", client, how->level,
                how->clean ? ", clean" : "", how->expiry_s, how->window);
    if (c->line != NULL) {
        groups_tally.taken_over++;
        groups_leaves(client);
    }
    bool present = c->exists && !how->clean && c->level == how->level;
    if (!present) {
        groups_session_ends(client);
    }
    c->exists = true;
    c->line = l;
    c->level = how->level;
    c->expiry_s = how->expiry_s;
    c->window = how->window;
    c->packet_max = how->packet_max;
    groups_tally.resumed += present;
    groups_note_doubts();
    broker_input(l->conn, bytes, groups.now);
    rest();
    if (l->connack != 0 || l->present != present) {
        groups_blame("c%d: CONNACK %d, session present %d", client, l->connack, l->present);
    }
}

static void comes_somehow(int client)
{
    struct coming how = {.level = groups_roll(2) ? ELO_MQTT_5 : ELO_MQTT_3_1_1,
                         .clean = groups_roll(4) == 0,
                         .window = LIMIT_INFLIGHT,
                         .packet_max = UINT32_MAX};
    const struct groups_client *c = &groups.clients[client];
    if (c->exists && groups_roll(6) > 0) {
        how.level = c->level;
    }
    if (how.level == ELO_MQTT_5) {
        static const uint32_t expiries[] = {0, 1, 60, 3600};
        how.expiry_s = expiries[groups_roll(4)];
        how.window = groups_roll(2) ? 1 + groups_roll(4) : LIMIT_INFLIGHT;
        how.packet_max = groups_roll(3) == 0 ? SMALL_PACKET : UINT32_MAX;
    } else {
        how.expiry_s = how.clean ? 0 : LIMIT_SESSION_EXPIRY_MS / 1000;
    }
    comes(client, &how);
}

static void breaks(int client)
{
    struct groups_line *l = groups.clients[client].line;
    groups_note("the line of c%d breaks", client);
    groups_leaves(client);
    hang_up(l);
    rest();
}

static void says_goodbye(int client)
{
    static const uint8_t packet[] = {0xe0, 0};
    struct groups_line *l = groups.clients[client].line;
    groups_note("c%d says goodbye", client);
    groups_leaves(client);
    broker_input(l->conn, elo_span_of(packet, sizeof packet), groups.now);
    rest();
}

static void subscribes(int client, int topic)
{
    struct groups_client *c = &groups.clients[client];
    struct elo_mqtt_subscription sub = {.filter = elo_span_str(groups_filters[topic]),
                                        .qos = groups_roll(5) > 0};
    sub.no_local = c->level == ELO_MQTT_5 && !groups_is_shared(topic) && groups_roll(2);
    uint8_t packet[100];
    size_t len = 0;
    elo_err err = c->level == ELO_MQTT_5
                      ? elo_mqtt5_encode_subscribe(1, elo_span_of(NULL, 0), &sub, 1, packet,
                                                   sizeof packet, &len)
                      : elo_mqtt_encode_subscribe(1, &sub, 1, packet, sizeof packet, &len);
    groups_note("c%d subscribes to %s, QoS %u", client, groups_filters[topic], sub.qos);
    c->subscribed[topic] = true;
    c->qos[topic] = sub.qos;
    c->no_local[topic] = sub.no_local;
    c->line->ack = -1;
    groups_note_doubts();
    say(client, elo_span_of(packet, len));
    rest();
    if (err != ELO_OK || (!groups_failed() && c->line->ack != sub.qos)) {
        groups_blame("c%d: SUBACK %d", client, c->line->ack);
    }
}

/* What it has in flight is its own from then on. */
static void unsubscribes(int client, int topic)
{
    struct groups_client *c = &groups.clients[client];
    elo_span filter = elo_span_str(groups_filters[topic]);
    uint8_t packet[100];
    size_t len = 0;
    elo_err err = c->level == ELO_MQTT_5
                      ? elo_mqtt5_encode_unsubscribe(2, elo_span_of(NULL, 0), &filter, 1, packet,
                                                     sizeof packet, &len)
                      : elo_mqtt_encode_unsubscribe(2, &filter, 1, packet, sizeof packet, &len);
    groups_note("c%d unsubscribes from %s", client, groups_filters[topic]);
    c->subscribed[topic] = false;
    for (unsigned i = 0; i < groups.sent; i++) {
        struct groups_message *m = &groups.messages[i];
        if (m->topic == topic && m->holder == client) {
            m->holder = NOBODY;
            m->copies[client].owed = true;
        }
    }
    groups_tidy(topic);
    say(client, elo_span_of(packet, len));
    rest();
    if (err != ELO_OK) {
        groups_blame("an UNSUBSCRIBE cannot be made");
    }
}

static void acknowledges(int client, unsigned number)
{
    struct groups_message *m = &groups.messages[number];
    struct groups_copy *copy = &m->copies[client];
    uint8_t packet[4];
    size_t len = 0;
    if (!copy->flies ||
        elo_mqtt_encode_ack(ELO_MQTT_PUBACK, copy->id, packet, sizeof packet, &len) != ELO_OK) {
        return;
    }
    groups_note("c%d acknowledges m%u", client, number);
    groups_gives_up(m, client);
    say(client, elo_span_of(packet, len));
    rest();
}

static void acknowledges_some(int client, unsigned one_in)
{
    for (unsigned i = 0; i < groups.sent && !groups_failed() && groups.clients[client].line != NULL;
         i++) {
        if (groups.messages[i].copies[client].flies && groups_roll(one_in) == 0) {
            acknowledges(client, i);
        }
    }
}

/* --- publishing --------------------------------------------------------------------------------
 */

static elo_span payload_of(unsigned number, char room[BIG_PAYLOAD])
{
    memset(room, '.', BIG_PAYLOAD);
    snprintf(room, 7, "%05u", number);
    return elo_span_of(room, groups.messages[number].len);
}

static struct groups_message *new_message(uint32_t *out_expiry_s)
{
    static const uint32_t expiries[] = {FOREVER_S, FOREVER_S, 1, 5, 45, 2000};
    struct groups_message *m = &groups.messages[groups.sent++];
    uint32_t expiry_s = expiries[groups_roll(6)];
    *m = (struct groups_message){.topic = (int)groups_roll(TOPICS),
                                 .qos = groups_roll(5) > 0,
                                 .len = groups_roll(5) == 0 ? BIG_PAYLOAD : SMALL_PAYLOAD,
                                 .ends_ms = INT64_MAX,
                                 .holder = NOBODY};
    if (expiry_s > 0) {
        m->ends_ms = groups.now.mono_ms + (int64_t)expiry_s * 1000;
    }
    *out_expiry_s = expiry_s;
    return m;
}

static void api_publishes(void)
{
    char room[BIG_PAYLOAD];
    uint32_t expiry_s;
    unsigned number = groups.sent;
    struct groups_message *m = new_message(&expiry_s);
    groups_note("m%u to %s, QoS %u, %zu bytes, expiry %u", number, groups_topics[m->topic], m->qos,
                m->len, expiry_s);
    groups_route(m, NOBODY);
    groups_note_doubts();
    if (broker_publish5(groups.broker, elo_span_str(groups_topics[m->topic]),
                        payload_of(number, room), elo_span_of(NULL, 0), expiry_s, m->qos, false,
                        groups.now) != ELO_OK) {
        groups_blame("m%u is not taken", number);
    }
    rest();
}

static void client_publishes(int client)
{
    char room[BIG_PAYLOAD];
    uint8_t props[8];
    uint8_t packet[BIG_PAYLOAD + 50];
    size_t len = 0;
    uint32_t expiry_s;
    unsigned number = groups.sent;
    struct groups_message *m = new_message(&expiry_s);
    struct groups_line *l = groups.clients[client].line;
    struct elo_mqtt_property_writer writer = elo_mqtt_properties_into(props, sizeof props);
    struct elo_mqtt_publish p = {.topic = elo_span_str(groups_topics[m->topic]),
                                 .payload = payload_of(number, room),
                                 .packet_id = m->qos > 0 ? 7 : 0,
                                 .qos = m->qos};
    elo_err err;
    if (l->level == ELO_MQTT_5) {
        if (expiry_s > 0) {
            elo_mqtt_put_number(&writer, ELO_MQTT_PROP_MESSAGE_EXPIRY, expiry_s);
        }
        p.properties = elo_mqtt_properties_done(&writer);
        err = elo_mqtt5_encode_publish(&p, elo_span_of(NULL, 0), packet, sizeof packet, &len);
    } else {
        m->ends_ms = INT64_MAX;
        err = elo_mqtt_encode_publish(&p, packet, sizeof packet, &len);
    }
    groups_note("c%d sends m%u to %s, QoS %u, %zu bytes", client, number, groups_topics[m->topic],
                m->qos, m->len);
    groups_route(m, client);
    groups_note_doubts();
    l->ack = -1;
    say(client, elo_span_of(packet, len));
    rest();
    if (err != ELO_OK || (m->qos > 0 && l->ack != 0)) {
        groups_blame("m%u: PUBACK %d", number, l->ack);
    }
}

/* --- crimes of MQTT 5 --------------------------------------------------------------------------
 */

#define CRIME(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct {
    const char *what;
    elo_span bytes;
    uint8_t code;
} crimes[] = {
    {"a topic alias of 0", CRIME("\x30\x08\0\1p\3\x23\0\0x"), ELO_MQTT_RC_ALIAS_INVALID},
    {"a topic alias of 9", CRIME("\x30\x08\0\1p\3\x23\0\x09x"), ELO_MQTT_RC_ALIAS_INVALID},
    {"an alias of nothing", CRIME("\x30\x07\0\0\3\x23\0\1x"), ELO_MQTT_RC_PROTOCOL_ERROR},
    {"a subscription identifier", CRIME("\x82\x09\0\1\2\x0b\1\0\1p\1"),
     ELO_MQTT_RC_SUBSCRIPTION_ID},
    {"QoS 2", CRIME("\x34\x07\0\1p\0\1\0x"), ELO_MQTT_RC_QOS},
    {"a wildcard in a topic", CRIME("\x30\x05\0\1#\0x"), ELO_MQTT_RC_TOPIC_INVALID},
    {"a reserved topic", CRIME("\x30\x06\0\2$p\0x"), ELO_MQTT_RC_TOPIC_INVALID},
    {"AUTH", CRIME("\xf0\0"), ELO_MQTT_RC_PROTOCOL_ERROR},
    {"a PUBREL with wrong flags", CRIME("\x60\2\0\1"), ELO_MQTT_RC_MALFORMED},
    {"no local for a group", CRIME("\x82\x10\0\1\0\0\x0a$share/g/p\5"), ELO_MQTT_RC_PROTOCOL_ERROR},
    {"a second CONNECT", CRIME("\x10\x0f\0\4MQTT\5\2\0\x0a\0\0\2c9"), ELO_MQTT_RC_PROTOCOL_ERROR},
    {"a topic that is not UTF-8", CRIME("\x30\x05\0\1\xff\0x"), ELO_MQTT_RC_MALFORMED},
};

static void commits_a_crime(int client)
{
    struct groups_line *l = groups.clients[client].line;
    unsigned which = groups_roll(sizeof crimes / sizeof crimes[0]);
    if (l->level != ELO_MQTT_5) {
        return;
    }
    groups_note("c%d commits a crime: %s", client, crimes[which].what);
    groups_tally.crimes++;
    groups_leaves(client);
    broker_input(l->conn, crimes[which].bytes, groups.now);
    rest();
    if (l->bye != crimes[which].code) {
        groups_blame("c%d commits %s and is told %02x", client, crimes[which].what,
                     (unsigned)l->bye);
    }
}

/* --- time --------------------------------------------------------------------------------------
 */

static void advance(int64_t to_ms)
{
    groups.now.wall_ms += to_ms - groups.now.mono_ms;
    groups.now.mono_ms = to_ms;
    groups_sessions_expire();
}

static void ping_all(void)
{
    static const uint8_t packet[] = {0xc0, 0};
    for (int c = 0; c < CLIENTS && !groups_failed(); c++) {
        say(c, elo_span_of(packet, sizeof packet));
    }
    rest();
}

/* The broker is woken at each of its deadlines; the clients are never silent for long. */
static void waits(int64_t ms)
{
    int64_t end = groups.now.mono_ms + ms;
    int64_t ping = groups.now.mono_ms + SILENCE_MS;
    unsigned standing = 0;
    ping_all();
    while (!groups_failed() && groups.now.mono_ms < end) {
        int64_t at = broker_deadline(groups.broker);
        at = at < end ? at : end;
        at = at < ping ? at : ping;
        standing = at > groups.now.mono_ms ? 0 : standing + 1;
        if (standing > 1000) {
            groups_blame("the broker keeps itself busy");
        }
        advance(at > groups.now.mono_ms ? at : groups.now.mono_ms);
        broker_tick(groups.broker, groups.now);
        rest();
        if (at == ping) {
            ping += SILENCE_MS;
            ping_all();
        }
    }
}

static void some_time_passes(void)
{
    unsigned dice = groups_roll(100);
    int64_t ms = dice < 60   ? groups_roll(1500)
                 : dice < 85 ? groups_roll(20000)
                 : dice < 97 ? 20000 + groups_roll(100000)
                             : groups_roll(4000000);
    groups_note("%lld ms pass", (long long)ms);
    waits(ms);
}

/* --- a run -------------------------------------------------------------------------------------
 */

static void act_online(int client)
{
    int topic = (int)groups_roll(TOPICS);
    switch (groups_roll(16)) {
    case 0:
        breaks(client);
        break;
    case 1:
        says_goodbye(client);
        break;
    case 2:
        comes_somehow(client);
        break;
    case 3:
        commits_a_crime(client);
        break;
    case 4:
        if (groups.clients[client].subscribed[topic]) {
            unsubscribes(client, topic);
        }
        break;
    case 5:
    case 6:
    case 7:
        subscribes(client, topic);
        break;
    case 8:
    case 9:
        if (groups.sent < MESSAGES) {
            client_publishes(client);
        }
        break;
    default:
        acknowledges_some(client, 1 + groups_roll(3));
    }
}

static void step(void)
{
    int client = (int)groups_roll(CLIENTS);
    unsigned dice = groups_roll(10);
    if (dice < 3 && groups.sent < MESSAGES) {
        api_publishes();
    } else if (dice < 5) {
        some_time_passes();
    } else if (groups.clients[client].line != NULL) {
        act_online(client);
    } else if (groups_roll(3) == 0) {
        comes_somehow(client);
    }
}

/* Everybody comes back and takes all; then nothing may be left. */
static void all_is_taken(void)
{
    for (int c = 0; c < CLIENTS && !groups_failed(); c++) {
        const struct groups_client *is = &groups.clients[c];
        if (is->exists) {
            const struct coming how = {is->level, false, is->expiry_s, LIMIT_INFLIGHT, UINT32_MAX};
            comes(c, &how);
        }
    }
    for (unsigned round = 0; round < 2 * MESSAGES && !groups_failed(); round++) {
        for (int c = 0; c < CLIENTS && !groups_failed(); c++) {
            acknowledges_some(c, 1);
        }
    }
    for (unsigned i = 0; i < groups.sent; i++) {
        const struct groups_message *m = &groups.messages[i];
        bool dead = groups_is_dead(m) || m->doubtful ||
                    groups.now.mono_ms - m->open_ms >= LIMIT_SESSION_EXPIRY_MS;
        bool kept = m->open && !groups_is_empty(m->topic);
        if (kept && !dead) {
            groups_blame("m%u has come to nobody", i);
        }
    }
}

static void everybody_goes(void)
{
    struct broker_stats have;
    for (int c = 0; c < CLIENTS && !groups_failed(); c++) {
        const struct coming how = {ELO_MQTT_3_1_1, true, 0, LIMIT_INFLIGHT, UINT32_MAX};
        comes(c, &how);
        breaks(c);
    }
    broker_stats(groups.broker, &have);
    if (!groups_failed() && (have.sessions != 0 || have.subscriptions != 0 || have.queued != 0)) {
        groups_blame("something is left behind");
    }
}

static void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)groups_roll(256);
    }
}

static void no_sink(void *ctx, const struct log_record *r)
{
    (void)ctx;
    (void)r;
}

static bool run(uint64_t seed, bool tells)
{
    groups.seed = seed;
    groups.dice = seed * 0xd1342543de82ef95u;
    groups.tells = tells;
    groups.failure[0] = '\0';
    groups.sent = 0;
    groups.now = (struct core_time){.mono_ms = 1000, .wall_ms = 1767323045000};
    groups.log = (struct log){.sink = no_sink, .level = LOG_ERROR};
    memset(groups.clients, 0, sizeof groups.clients);
    memset(groups.lines, 0, sizeof groups.lines);
    const struct broker_config config = {.log = &groups.log, .random = {.fill = fill}};
    groups.broker = broker_create(&config, groups.house.auth);
    for (unsigned i = 0; i < STEPS && !groups_failed(); i++) {
        step();
    }
    if (!groups_failed()) {
        all_is_taken();
        everybody_goes();
    }
    for (size_t i = 0; i < sizeof groups.lines / sizeof groups.lines[0]; i++) {
        if (groups.lines[i].conn != NULL) {
            hang_up(&groups.lines[i]);
        }
    }
    broker_destroy(groups.broker);
    return !groups_failed();
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void groups_and_expiry_keep_their_promises(void **state)
{
    uint64_t first = number_of("FIRST", 1);
    uint64_t count = number_of("SEEDS", SEEDS);
    unsigned failures = 0;
    (void)state;
    for (uint64_t seed = first; seed < first + count && failures < 10; seed++) {
        if (!run(seed, false)) {
            print_error("%s\n", groups.failure);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

/* Else nothing would be proven about it. */
static void all_that_can_happen_has_happened(void **state)
{
    (void)state;
    print_message("handed %u, given back %u, again %u, expired %u, too large %u, resumed %u, "
                  "sessions ended %u, crimes %u, taken over %u, waited %u, gone with a group %u\n",
                  groups_tally.handed, groups_tally.given_back, groups_tally.again,
                  groups_tally.expired, groups_tally.dropped_large, groups_tally.resumed,
                  groups_tally.sessions_ended, groups_tally.crimes, groups_tally.taken_over,
                  groups_tally.waited, groups_tally.lost_with_group);
    assert_true(groups_tally.handed > 0 && groups_tally.given_back > 0 && groups_tally.again > 0 &&
                groups_tally.expired > 0);
    assert_true(groups_tally.dropped_large > 0 && groups_tally.resumed > 0 &&
                groups_tally.sessions_ended > 0);
    assert_true(groups_tally.crimes > 0 && groups_tally.taken_over > 0 && groups_tally.waited > 0);
    assert_true(groups_tally.lost_with_group > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_expiry_keep_their_promises),
        cmocka_unit_test(all_that_can_happen_has_happened),
    };
    int result = 0;
    house_open(&groups.house);
    if (argc > 1) {
        result = run(strtoull(argv[1], NULL, 10), true) ? 0 : 1;
        print_message("%s\n", result == 0 ? "all promises were kept" : groups.failure);
    } else {
        result = cmocka_run_group_tests(tests, NULL, NULL);
    }
    house_close(&groups.house);
    return result;
}
