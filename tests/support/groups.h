// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The book of tests/model/test_groups.c: clients, sessions, shared groups and messages, and who is
 * owed what. The test changes it before it tells the broker (groups_leaves(), groups_route() ...),
 * hands it every packet that comes back (groups_hears()), and asks it at rest whether all that must
 * have come has come (groups_check()). The first thing that is wrong stays in groups.failure.
 *
 * One world at a time, static; the test sets it up and takes it down.
 */
#ifndef TESTS_SUPPORT_GROUPS_H
#define TESTS_SUPPORT_GROUPS_H

#include "server/base/limits.h"
#include "tests/support/broker_peer.h"

enum {
    CLIENTS = 6,
    TOPICS = 5, /* the first GROUPS of them belong to a group each */
    GROUPS = 3,
    MESSAGES = 320,
    STEPS = 220,
    NOBODY = -1,
    SILENCE_MS = 300000,
    BYTES = 4096,
    FOREVER_S = 0,
    SMALL_PACKET = 80,
    BIG_PAYLOAD = 120,
    SMALL_PAYLOAD = 12,
    TRIES_MAX = 3600000 / LIMIT_REDELIVERY_MS
};

extern const char *const groups_topics[TOPICS];
extern const char *const groups_filters[TOPICS];

struct groups_copy { /* of a message, for a client */
    bool owed;
    bool flies; /* stands written, not acknowledged, in the present connection */
    bool flown; /* at least once */
    bool now;   /* QoS 0: in this very call */
    bool quiet; /* flies, but is not sent again */
    uint16_t id;
    unsigned tries;
    int64_t sent_ms;
};

struct groups_message {
    int topic;
    uint8_t qos;
    size_t len;
    int64_t ends_ms;
    bool open;     /* the group's, and nobody has it */
    bool once;     /* the group's at QoS 0: to one, in this very call, or never */
    bool doubtful; /* somebody cannot take it, and it may have been thrown away for that */
    int holder;
    int64_t open_ms;
    struct groups_copy copies[CLIENTS];
};

struct groups_line {
    struct broker_conn *conn; /* NULL: not in use */
    int client;
    uint8_t level;
    uint8_t bytes[BYTES];
    size_t len;
    int connack; /* code; -1: none yet */
    bool present;
    int ack; /* code of the last PUBACK, SUBACK; -1: none yet */
    int bye; /* code of DISCONNECT; -1: none yet */
};

struct groups_client {
    struct groups_line *line; /* NULL: offline */
    bool exists;              /* the session */
    uint8_t level;
    uint32_t expiry_s;
    uint32_t packet_max;
    unsigned window;
    int64_t gone_ms;
    bool subscribed[TOPICS];
    bool no_local[TOPICS];
    uint8_t qos[TOPICS];
};

struct groups_world {
    struct house house;
    struct broker *broker;
    struct core_time now;
    struct log log;
    uint64_t seed;
    uint64_t dice;
    bool tells;
    char failure[300];
    unsigned sent;
    struct groups_message messages[MESSAGES];
    struct groups_client clients[CLIENTS];
    struct groups_line lines[4 * CLIENTS];
};

extern struct groups_world groups;

/* That what is to be tested does happen. */
struct groups_tally {
    unsigned handed, given_back, again, expired, dropped_large, resumed, sessions_ended, crimes,
        taken_over, waited, lost_with_group;
};

extern struct groups_tally groups_tally;

void groups_blame(const char *format, ...) __attribute__((format(printf, 1, 2)));
void groups_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool groups_failed(void);
unsigned groups_roll(unsigned sides);

/* --- what happens: before the broker hears of it ----------------------------------------------
 */

void groups_leaves(int client);       /* its connection is gone, however */
void groups_session_ends(int client); /* it has none any more */
void groups_sessions_expire(void);    /* time has passed */
void groups_tidy(int topic);          /* a member has left */

/* A message has been published; `from`: by whom, or NOBODY. */
void groups_route(struct groups_message *m, int from);

/* Large messages and small clients: after each change of who is there. */
void groups_note_doubts(void);
void groups_gives_up(struct groups_message *m, int client); /* or acknowledges */

/* --- what comes of it -------------------------------------------------------------------------
 */

void groups_hears(struct groups_line *l, elo_span packet);
void groups_check_now(const struct groups_message *m, unsigned number); /* of QoS 0 */
void groups_check(void);

bool groups_is_shared(int topic);
bool groups_is_empty(int topic); /* the group has no members */
bool groups_is_dead(const struct groups_message *m);

#endif
