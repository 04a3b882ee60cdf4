// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The broker on a table: a real broker over a real registry in a folder of its own, a clock that is
 * moved by hand, and clients that live in memory and speak through the codec.
 *
 * A peer is one connection. What it sends is handed to the broker at once; after each call the desk
 * fetches all output, as the owner of real connections does, and each packet a peer gets lies in
 * its inbox as a line of text until it is taken:
 *
 *      CONNACK 0 session      PUBLISH TOPIC PAYLOAD [qos1] [retain] [dup]      PUBACK 7
 *      SUBACK 1 00 80         UNSUBACK 1         PINGRESP
 *
 * and of MQTT 5 (broker_text.h) with codes in hex, "reason" for a reason string and properties:
 *
 *      CONNACK 87 reason      PUBACK 7 97 reason      DISCONNECT 8e reason
 *      CONNACK 0 session server_keep_alive=1200        PUBLISH t x qos1 expires=59 user=a:b
 *
 * Payloads and topics are as in tests/vectors/broker: `x*300` is 300 times x, `-` is empty.
 * Setting up fails the test; what the broker does is left to the test to judge.
 */
#ifndef TESTS_SUPPORT_BROKER_PEER_H
#define TESTS_SUPPORT_BROKER_PEER_H

#include "elo/mqtt/packet.h"
#include "server/broker/broker.h"

/* The certificates of the house. */
#define CERTIFICATE_LIST(X)                                                                        \
    X(all)      /* may do everything */                                                            \
    X(lamp)     /* connects as lamp*, publishes and subscribes lamp/..., but not lamp/secret */    \
    X(bare)     /* has no policy */                                                                \
    X(stranger) /* is not registered */

enum certificate_name {
#define CERTIFICATE_ENUM(name) CERTIFICATE_##name,
    CERTIFICATE_LIST(CERTIFICATE_ENUM)
#undef CERTIFICATE_ENUM
        CERTIFICATES
};

/* The registry and what is under it; made once for many desks. */
struct house {
    char folder[64];
    struct store *store;
    struct registry *registry;
    struct authorizer *auth;
    char ids[CERTIFICATES][65];
    elo_span stranger_der; /* the stranger's certificate, if a test has one; empty: not known */
};

void house_open(struct house *h);
void house_close(struct house *h);

/* Ends what house_open() made, or begins it again, with the same folder: as a process does. */
void house_shut(struct house *h);
void house_open_again(struct house *h);

/* Gives a policy ("all", "lamp") a new document, and sets a certificate's status. */
void house_set_policy(struct house *h, const char *policy, const char *document);
void house_set_status(struct house *h, enum certificate_name who, enum certificate_status status);
extern const char house_policy_lamp[];

#define DESK_RECORDS 256u

/* One record of the log, as text. */
struct desk_record {
    char text[1400]; /* EVENT ERR REASON TOPIC "DETAILS" */
};

struct desk {
    struct house *house;
    struct broker *broker;
    struct core_time now;
    struct log log;
    struct peer *peers;
    uint64_t seed;
    bool reasons;        /* reason strings are told in full */
    size_t record_count; /* all; the last DESK_RECORDS of them are kept */
    struct desk_record records[DESK_RECORDS];
    bool stored; /* what should survive is stored in the house's store */
    bool slow;   /* the disk has its turn only in desk_disk() */
};

/* `limits` NULL: AWS's, without throttles. */
void desk_open_limited(struct desk *d,
                       struct house *h,
                       const struct compat *compat,
                       const struct limits *limits);
void desk_open(struct desk *d, struct house *h, const struct compat *compat);
void desk_close(struct desk *d); /* drops every peer */

/* The same with the house's store: what is in it is brought back. `wall_ms`: when; 0: as always. */
void desk_open_stored(struct desk *d,
                      struct house *h,
                      const struct limits *limits,
                      int64_t wall_ms);

/* The disk has its turn. What fails is told to the broker, and the registry reads again. */
void desk_disk(struct desk *d);

/* Lets time pass; the broker is woken at each of its deadlines. */
void desk_wait(struct desk *d, int64_t ms);

/* Fetches all output and closes what wants to be closed. Peers' calls do it by themselves. */
void desk_pump(struct desk *d);

bool desk_logged(const struct desk *d, const char *text); /* a record that contains it */
struct broker_stats desk_stats(const struct desk *d);

struct peer {
    struct desk *desk;
    struct peer *next;
    struct broker_conn *conn; /* NULL: closed */
    elo_err reason;           /* why the broker closed it */
    bool closed_by_broker;
    size_t left;   /* bytes it had not taken when it was closed */
    bool deaf;     /* does not take output */
    uint8_t level; /* ELO_MQTT_5 or ELO_MQTT_3_1_1, once it has said CONNECT */
    size_t chop;   /* input is handed over in pieces of so many bytes; 0: whole */
    uint8_t *bytes;
    size_t byte_count;
    struct {
        char *text;
        uint16_t id;
    } * inbox;
    size_t inbox_count;
    size_t inbox_taken;
    uint16_t acks[256]; /* identifiers of QoS 1 messages to acknowledge, a ring */
    size_t ack_count;
    size_t ack_done;
    char name[16];
};

/* NULL: the broker had no memory. */
struct peer *
peer_open(struct desk *d, const char *name, enum certificate_name who, elo_err refused);

/* The same for a peer of any kind. */
struct peer *
peer_open_as(struct desk *d, const char *name, const struct auth_peer *facts, elo_err refused);

struct peer *peer_find(struct desk *d, const char *name); /* NULL: none, or closed and forgotten */
void peer_drop(struct peer *p);                           /* the transport breaks */
void peer_forget(struct peer *p);                         /* drops and frees */

void peer_hear(struct peer *p); /* no longer deaf: takes what waits */
void peer_send(struct peer *p, elo_span bytes);
void peer_connect(struct peer *p, const char *client_id, bool clean); /* and takes CONNACK 0 */
void peer_publish(
    struct peer *p, const char *topic, const char *payload, unsigned qos, uint16_t id);
void peer_subscribe(struct peer *p, const char *filter, unsigned qos); /* and takes the SUBACK */

/* The oldest line, valid until the peer is forgotten; NULL: none. */
const char *peer_take(struct peer *p);
void peer_clear(struct peer *p);  /* takes all */
void peer_puback(struct peer *p); /* acknowledges the oldest QoS 1 message it has not */

#endif
