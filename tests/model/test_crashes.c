// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Hundreds of small histories of one desk that crashes: sessions come and go, change their minds,
 * messages are published, the disk is slow, full or broken, and the desk dies between any two
 * writes - in the middle of one, too - and starts again from what is on the disk. The clock is a
 * number and chance a seed: SEED=n repeats one history, SEEDS=n FIRST=m runs others.
 *
 * The judge knows only what clients were answered. A message with a PUBACK is owed to every session
 * whose SUBACK had come before it was published, and to one member of the shared group; it must
 * come, at least once, first copies in the order of publishing. A session that had its CONNACK is
 * there, with its subscriptions, until its client throws it away; a retained message is the last
 * acknowledged one or a later one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elo/mqtt/encode.h"
#include "tests/support/broker_peer.h"
#include "tests/support/faulty_disk.h"

#define SEEDS      250u
#define STEPS      220u
#define SESSIONS   4u
#define PUBLISHERS 2u
#define TOPICS     3u /* plain; the next one is the shared group's */
#define MESSAGES   2000u
#define ANY_CALL   (FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE)

enum certainty { NO, YES, PERHAPS }; /* PERHAPS: asked for, and not answered before the end */

struct session {
    char name[4];
    struct peer *peer; /* NULL: away */
    bool greeted;      /* CONNACK has come */
    enum certainty there;
    enum certainty filter[TOPICS + 1];
    unsigned asked; /* 1 + the topic whose SUBACK or UNSUBACK is awaited */
    bool asked_for; /* it is a SUBACK */
    unsigned latest;
    bool seen[MESSAGES];
    bool owed[MESSAGES];
};

struct publisher {
    struct peer *peer;
    bool greeted;
    unsigned last_ack;
};

struct message {
    unsigned topic;
    bool acked;
    bool group_owed;
    bool group_seen;
    enum certainty subscribed[SESSIONS]; /* when it was published */
};

static struct house house;
static struct desk desk;
static struct history {
    uint64_t dice;
    struct session sessions[SESSIONS];
    struct publisher publishers[PUBLISHERS];
    struct message messages[MESSAGES];
    unsigned count; /* of messages; numbers begin at 1 */
    unsigned retained_sent;
    unsigned retained_acked;
    bool broken; /* the disk fails */
    const char *fault;
} h;
static struct {
    unsigned crashes, torn, faults, acks, copies, kept;
} sum;

static unsigned roll(unsigned sides)
{
    h.dice += 0x9e3779b97f4a7c15u;
    uint64_t z = h.dice;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % sides);
}

static void wrong(const char *what)
{
    h.fault = h.fault != NULL ? h.fault : what;
}

static const char *filter_of(unsigned topic)
{
    static const char *const names[] = {"t/0", "t/1", "t/2", "$share/g/shared"};
    return names[topic];
}

static const char *topic_of(unsigned topic)
{
    return topic == TOPICS ? "shared" : filter_of(topic);
}

/* --- what clients hear --------------------------------------------------------------------------
 */

static void hear_message(struct session *s, const char *line)
{
    char topic[16];
    unsigned number = 0;
    if (sscanf(line, "PUBLISH %15s %u qos1", topic, &number) != 2 || number > h.count) {
        wrong("a message that nobody published");
        return;
    }
    struct message *m = &h.messages[number];
    sum.copies++;
    if (m->topic == TOPICS) {
        m->group_seen = true;
    } else if (!s->seen[number] && number < s->latest) {
        wrong("a message comes for the first time after a later one");
    }
    s->seen[number] = true;
    s->latest = m->topic < TOPICS && number > s->latest ? number : s->latest;
}

static void hear_session(struct session *s)
{
    const char *line;
    while (s->peer != NULL && (line = peer_take(s->peer)) != NULL) {
        if (strncmp(line, "CONNACK 0", 9) == 0) {
            bool present = strstr(line, "session") != NULL;
            if ((s->there == YES && !present) || (s->there == NO && present)) {
                wrong(present ? "a session has come back" : "a session is gone");
            }
            if (!present) {
                memset(s->filter, 0, sizeof s->filter);
            }
            s->there = YES;
            s->greeted = true;
        } else if (strncmp(line, "SUBACK", 6) == 0 || strncmp(line, "UNSUBACK", 8) == 0) {
            s->filter[s->asked - 1] = s->asked_for ? YES : NO;
            s->asked = 0;
        } else if (strncmp(line, "PUBLISH", 7) == 0) {
            hear_message(s, line);
        } else {
            wrong(line);
        }
    }
}

static void acknowledged(unsigned number)
{
    struct message *m = &h.messages[number];
    m->acked = true;
    sum.acks++;
    if (m->topic == TOPICS + 1) {
        h.retained_acked = number;
        return;
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (m->subscribed[i] != YES) {
            continue;
        }
        if (m->topic == TOPICS) {
            m->group_owed = true;
        } else {
            h.sessions[i].owed[number] = true;
        }
    }
}

static void hear_publisher(struct publisher *p)
{
    const char *line;
    unsigned number;
    while (p->peer != NULL && (line = peer_take(p->peer)) != NULL) {
        if (strcmp(line, "CONNACK 0") == 0) {
            p->greeted = true;
        } else if (sscanf(line, "PUBACK %u", &number) == 1 && number > p->last_ack) {
            p->last_ack = number;
            acknowledged(number);
        } else {
            wrong("PUBACKs come in another order than the messages");
        }
    }
}

static void hang_up(struct session *s)
{
    if (s->asked != 0) {
        s->filter[s->asked - 1] = PERHAPS;
    }
    s->asked = 0;
    s->greeted = false;
    s->peer = NULL;
}

static void hear_all(void)
{
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct session *s = &h.sessions[i];
        hear_session(s);
        if (s->peer != NULL && s->peer->conn == NULL) {
            peer_forget(s->peer);
            hang_up(s);
        }
    }
    for (unsigned i = 0; i < PUBLISHERS; i++) {
        struct publisher *p = &h.publishers[i];
        hear_publisher(p);
        if (p->peer != NULL && p->peer->conn == NULL) {
            peer_forget(p->peer);
            *p = (struct publisher){.peer = NULL};
        }
    }
}

/* --- what clients do ----------------------------------------------------------------------------
 */

static struct peer *dial(const char *name, bool clean)
{
    const struct elo_mqtt_connect c = {
        .level = 4, .keep_alive_s = 1200, .clean_session = clean, .client_id = elo_span_str(name)};
    uint8_t packet[64];
    size_t len;
    struct peer *p = peer_open(&desk, name, CERTIFICATE_all, ELO_OK);
    assert_non_null(p);
    assert_int_equal(elo_mqtt_encode_connect(&c, packet, sizeof packet, &len), ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    return p;
}

/* The first two are the group's members and never throw their session away. */
static void come_or_go(unsigned i)
{
    struct session *s = &h.sessions[i];
    if (s->peer != NULL) {
        struct peer *p = s->peer;
        hang_up(s);
        peer_forget(p);
    } else if (i >= 2 && roll(8) == 0) {
        s->there = s->there == NO ? NO : PERHAPS;
        memset(s->owed, 0, sizeof s->owed);
        for (unsigned n = 1; n <= h.count; n++) {
            h.messages[n].subscribed[i] = NO;
        }
        struct peer *p = dial(s->name, true);
        desk_disk(&desk);
        desk_pump(&desk);
        const char *line = peer_take(p);
        bool answered = line != NULL && strncmp(line, "CONNACK 0", 9) == 0;
        s->there = answered ? NO : s->there;
        memset(s->filter, answered ? NO : PERHAPS, sizeof s->filter);
        for (unsigned t = 0; t <= TOPICS; t++) {
            s->filter[t] = answered ? NO : PERHAPS;
        }
        peer_forget(p);
    } else {
        s->there = s->there == NO ? PERHAPS : s->there;
        s->peer = dial(s->name, false);
    }
}

static void change_mind(unsigned i)
{
    struct session *s = &h.sessions[i];
    unsigned topic = i < 2 && roll(3) == 0 ? TOPICS : roll(TOPICS);
    if (s->peer == NULL || !s->greeted || s->asked != 0) {
        return;
    }
    uint8_t packet[64];
    size_t len;
    const struct elo_mqtt_subscription sub = {.filter = elo_span_str(filter_of(topic)), .qos = 1};
    bool take = topic == TOPICS || s->filter[topic] != YES || roll(3) != 0;
    elo_err err = take
                      ? elo_mqtt_encode_subscribe(1, &sub, 1, packet, sizeof packet, &len)
                      : elo_mqtt_encode_unsubscribe(1, &sub.filter, 1, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    s->asked = topic + 1;
    s->asked_for = take;
    s->filter[topic] = take && s->filter[topic] == YES ? YES : PERHAPS;
    peer_send(s->peer, elo_span_of(packet, len));
}

static void publish(unsigned i, unsigned topic)
{
    struct publisher *p = &h.publishers[i];
    char name[8];
    char payload[16];
    (void)snprintf(name, sizeof name, "p%u", i);
    if (p->peer == NULL) {
        p->peer = dial(name, true);
        return;
    }
    if (!p->greeted || h.count + 1 == MESSAGES) {
        return;
    }
    unsigned number = ++h.count;
    struct message *m = &h.messages[number];
    *m = (struct message){.topic = topic};
    for (unsigned s = 0; s < SESSIONS && topic <= TOPICS; s++) {
        m->subscribed[s] = h.sessions[s].filter[topic];
    }
    h.retained_sent = topic > TOPICS ? number : h.retained_sent;
    (void)snprintf(payload, sizeof payload, "%u", number);
    const struct elo_mqtt_publish out = {.topic = topic > TOPICS ? ELO_SPAN("kept")
                                                                 : elo_span_str(topic_of(topic)),
                                         .payload = elo_span_str(payload),
                                         .packet_id = (uint16_t)number,
                                         .qos = 1,
                                         .retain = topic > TOPICS};
    uint8_t packet[64];
    size_t len;
    assert_int_equal(elo_mqtt_encode_publish(&out, packet, sizeof packet, &len), ELO_OK);
    peer_send(p->peer, elo_span_of(packet, len));
}

static void acknowledge_some(unsigned i)
{
    struct session *s = &h.sessions[i];
    unsigned most = roll(8);
    while (s->peer != NULL && s->peer->conn != NULL && most-- > 0 &&
           s->peer->ack_done < s->peer->ack_count) {
        peer_puback(s->peer);
    }
}

/* --- what befalls the desk ----------------------------------------------------------------------
 */

static void crash(void)
{
    int64_t wall_ms = desk.now.wall_ms + roll(5000);
    bool slow = desk.slow;
    sum.crashes++;
    if (!h.broken && roll(2) == 0) { /* in the middle of what is being written */
        faulty_disk_arm(ANY_CALL, 1 + roll(6), SQLITE_IOERR_WRITE, true);
        broker_commit(desk.broker);
        struct store_progress lost;
        store_poll(house.store, &lost);
        store_abandon(lost.returned);
        sum.torn += atomic_load(&faulty_disk.failures) > 0;
    }
    faulty_disk_arm(ANY_CALL, 1, SQLITE_IOERR_WRITE, true);
    for (unsigned i = 0; i < SESSIONS; i++) {
        hang_up(&h.sessions[i]);
    }
    memset(h.publishers, 0, sizeof h.publishers);
    desk_close(&desk);
    house_shut(&house);
    faulty_disk_heal();
    h.broken = false;
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, wall_ms);
    desk.slow = slow;
}

static void befall(void)
{
    unsigned what = roll(10);
    if (what == 0) {
        crash();
    } else if (what < 3) {
        desk.slow = !desk.slow;
    } else if (what == 3 && !h.broken) {
        unsigned at = 1 + roll(10); /* one roll after the other: a seed is the same everywhere */
        int error = roll(2) ? SQLITE_FULL : SQLITE_IOERR_FSYNC;
        faulty_disk_arm(ANY_CALL, at, error, roll(2) == 0);
        h.broken = true;
        sum.faults++;
    } else if (what < 6) {
        faulty_disk_heal();
        h.broken = false;
        desk_wait(&desk, 1200);
    } else {
        desk_wait(&desk, roll(3000));
    }
}

static void step(void)
{
    unsigned what = roll(20);
    if (what < 8) {
        unsigned publisher = roll(PUBLISHERS);
        publish(publisher, roll(TOPICS + 2));
    } else if (what < 11) {
        acknowledge_some(roll(SESSIONS));
    } else if (what < 13) {
        come_or_go(roll(SESSIONS));
    } else if (what < 15) {
        change_mind(roll(SESSIONS));
    } else if (what < 18) {
        desk_disk(&desk);
        desk_pump(&desk);
    } else {
        befall();
    }
    hear_all();
}

/* --- the reckoning ------------------------------------------------------------------------------
 */

static void empty(struct session *s)
{
    if (s->peer == NULL) {
        s->there = s->there == NO ? PERHAPS : s->there;
        s->peer = dial(s->name, false);
    }
    for (bool more = true; more && h.fault == NULL;) {
        hear_all();
        more = s->peer != NULL && s->peer->ack_done < s->peer->ack_count;
        if (more) {
            peer_puback(s->peer);
        }
    }
}

static void reckon(void)
{
    faulty_disk_heal();
    h.broken = false;
    desk.slow = false;
    desk_wait(&desk, 2500);
    hear_all();
    crash();
    desk.slow = false;
    for (unsigned i = 0; i < SESSIONS; i++) {
        empty(&h.sessions[i]);
    }
    for (unsigned n = 1; n <= h.count; n++) {
        for (unsigned i = 0; i < SESSIONS; i++) {
            if (h.sessions[i].owed[n] && !h.sessions[i].seen[n]) {
                wrong("an acknowledged message never came");
            }
            sum.kept += h.sessions[i].owed[n];
        }
        if (h.messages[n].group_owed && !h.messages[n].group_seen) {
            wrong("an acknowledged message never came to the shared group");
        }
    }
    struct peer *p = dial("reader", true);
    peer_clear(p);
    peer_subscribe(p, "kept", 1);
    const char *line = peer_take(p);
    unsigned has = 0;
    if (line != NULL) {
        (void)sscanf(line, "PUBLISH kept %u", &has);
    }
    if (has < h.retained_acked || has > h.retained_sent) {
        wrong("a retained message is lost");
    }
}

static const char *live(uint64_t seed)
{
    memset(&h, 0, sizeof h);
    h.dice = seed * 0xd1342543de82ef95u;
    for (unsigned i = 0; i < SESSIONS; i++) {
        (void)snprintf(h.sessions[i].name, sizeof h.sessions[i].name, "s%u", i);
    }
    faulty_disk_heal();
    house_open(&house);
    desk_open_stored(&desk, &house, NULL, 0);
    for (unsigned i = 0; i < STEPS && h.fault == NULL; i++) {
        step();
    }
    if (h.fault == NULL) {
        reckon();
    }
    faulty_disk_heal();
    desk_close(&desk);
    house_close(&house);
    return h.fault;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void what_was_acknowledged_is_kept(void **state)
{
    (void)state;
    uint64_t first = number("SEED", number("FIRST", 1));
    uint64_t count = getenv("SEED") != NULL ? 1 : number("SEEDS", SEEDS);
    unsigned failures = 0;
    for (uint64_t seed = first; seed < first + count && failures < 10; seed++) {
        const char *fault = live(seed);
        if (fault != NULL) {
            print_error("SEED=%llu: %s\n", (unsigned long long)seed, fault);
            failures++;
        }
    }
    print_message("%u crashes, %u in the middle of a write; %u disks failed; %u PUBACKs, %u "
                  "messages owed and kept, %u copies delivered\n",
                  sum.crashes, sum.torn, sum.faults, sum.acks, sum.kept, sum.copies);
    assert_int_equal(failures, 0);
    assert_true(count < 100 || (sum.torn > 30 && sum.faults > 50 && sum.kept > 1000));
}

int main(void)
{
    faulty_disk_install();
    atomic_store(&faulty_disk.no_wait, true);
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_acknowledged_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
