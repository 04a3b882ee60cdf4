// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: the broker, its connections and sessions, and what the files of this
 * folder call in each other.
 *
 * A connection is a transport, a session is what a client id owns: subscriptions and QoS 1 messages
 * on their way. A session is attached to at most one connection; a persistent one outlives it.
 *
 * Ending is done in two steps. broker__end() may be called anywhere, also in the middle of a
 * delivery: it marks the connection, which from then on neither takes nor gets anything.
 * broker__settle(), called on the way out of every public function, detaches the session and
 * publishes the will. So sessions and subscriptions never vanish under a delivery.
 */
#ifndef ELO_SERVER_BROKER_INTERNAL_H
#define ELO_SERVER_BROKER_INTERNAL_H

#include <sys/queue.h>

#include "elo/mqtt/packet.h"
#include "server/auth/custom.h"
#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/base/map.h"
#include "server/base/throttle.h"
#include "server/broker/broker.h"
#include "server/broker/inflight.h"
#include "server/broker/journal.h"
#include "server/broker/known.h"
#include "server/broker/output.h"
#include "server/broker/route.h"
#include "server/broker/timers.h"

/* Output that only acknowledgements and the like may fill; a QoS 0 PUBLISH is dropped before. */
#define OUTPUT_RESERVE_BYTES 65536u

#define NONE elo_span_of(NULL, 0)

/* What one machine keeps of clients that are not there. */
#define SESSIONS_MAX (2u * LIMIT_CONNECTIONS)

/* Events of registered certificates that wait for the store. */
#define CONTACT_EVENTS_MAX 1000u

#define RETAINED_BYTES_MAX (128u * 1024u * 1024u)

/*
 * The longest packet of a connection whose certificate is refused. It is read for the client id in
 * it, and everybody can make a certificate that is refused.
 */
#define REFUSED_PACKET_BYTES 1024u

struct queued {
    struct message *m;
    int64_t until_ms; /* when it is dropped unsent */
    int64_t row;      /* in the store; 0: none, and pushing gives it one if the owner's are */
    bool retain;
    bool live; /* its client is there, or was: if stored-megabytes is used up, it goes on without a
                * row */
};

/* QoS 1 messages that wait for a connection, the in-flight window or room in the output. */
struct queue {
    struct journal_owner owner;
    struct queued *items; /* a ring */
    uint32_t most;        /* messages; 0: LIMIT_QUEUED_MESSAGES */
    uint32_t cap;
    uint32_t first;
    uint32_t count;
    bool overflowed; /* since it was last drained: told once */
    size_t bytes;
    int64_t soonest_ms; /* before that nothing in it is dead; if it is not empty */
};

struct session {
    struct broker *broker;
    struct broker_conn *conn; /* NULL: offline */
    struct timer timer;       /* online: redelivery and pace; offline: expiry */
    struct subscription **subs;
    uint8_t sub_count;
    uint8_t sub_cap;
    uint8_t shares;     /* shared ones among them */
    uint8_t version;    /* of MQTT it was made with, 4 or 5: the other cannot go on with it */
    bool pacing;        /* what was stored is being sent, so many a second: pump.c */
    uint32_t pace_left; /* of it, what may leave before pace_ms */
    uint32_t expiry_s;  /* it lives so long after its connection; 0: not at all */
    union {
        int64_t pace_ms; /* online */
        int64_t gone_ms; /* offline: when it ends */
    };
    struct will *will;    /* offline: waits for its delay; NULL: none */
    int64_t row;          /* in the store; 0: nothing of it is stored */
    uint64_t changed;     /* the journal's epoch in which it was made, or a subscription changed */
    uint32_t route_place; /* see route.c */
    uint64_t route_round;
    struct inflight inflight;
    struct queue queue;
    size_t client_id_len;
    uint8_t client_id[];
};

/* A PUBACK that waits for the store. */
struct held_ack {
    uint64_t epoch; /* of the journal; 0: it waits only for those before it */
    uint16_t packet_id;
};

/* What of a connection's output waits for the store: hold.c. */
struct hold {
    struct held_ack *acks; /* a ring */
    uint32_t cap;
    uint32_t first;
    uint32_t count;
    uint64_t barrier;  /* epoch that the output behind open_bytes waits for; 0: none */
    size_t open_bytes; /* of the output that may leave */
};

/* When a connection must end, however busy it is. */
struct life {
    struct timer timer;
    struct broker_conn *conn;
    int64_t ends_ms;
    int64_t refresh_ms; /* a custom authorizer is asked again; INT64_MAX: not */
    bool by_authorizer; /* it says when the end is */
};

/* A topic that the client has given a number. */
struct alias {
    uint8_t *text; /* NULL: not in use */
    uint32_t hash; /* map_hash() of it */
    uint16_t len;
};

struct broker_conn {
    TAILQ_ENTRY(broker_conn) all;
    TAILQ_ENTRY(broker_conn) ready;
    TAILQ_ENTRY(broker_conn) ending;
    TAILQ_ENTRY(broker_conn) holding;
    struct broker *broker;
    struct hold *hold;       /* NULL: nothing waits for the store */
    struct session *session; /* NULL before CONNECT and after the end */
    struct auth_session *auth;
    struct known *known; /* of its client id; NULL before CONNECT and after the end */
    const char *word;    /* how it ends, AWS's disconnectReason */
    uint64_t serial;     /* of all connections since the start */
    void *user;
    struct will *will; /* NULL: none, or not due any more */
    struct buf tail;   /* the beginning of a packet whose rest has not come */
    struct output out;
    struct timer timer; /* CONNECT must come; then keep-alive */
    throttle publishes_in, publishes_out, bytes_in, bytes_out;
    struct custom *custom; /* NULL: no custom authorizer decides */
    uint8_t *asked;        /* the CONNECT, while it is asked; NULL: none */
    uint32_t asked_len;
    struct life *life; /* NULL: it may live for ever */
    int64_t last_packet_ms;
    int64_t patience_ms; /* silence allowed: one and a half keep-alive times */
    elo_err refused;
    elo_err reason;
    uint32_t packet_max; /* of what it takes, in bytes; UINT32_MAX: anything */
    uint16_t source_port;
    uint16_t connack_left; /* bytes of the CONNACK that have not left */
    uint8_t version;       /* of MQTT: 4 or 5; 0 before CONNECT */
    uint8_t window;        /* QoS 1 messages it takes before it acknowledges one */
    bool no_reasons;       /* MQTT 5: it wants no reason strings */
    struct alias *aliases; /* MQTT 5: LIMIT_TOPIC_ALIASES of them; NULL: none used yet */
    bool asking;           /* a custom authorizer is being asked */
    bool granted;          /* it has let the client in */
    bool websocket;        /* its packets are in WebSocket frames */
    bool is_ready;
    bool ended;
    bool receive_denied; /* told once */
    bool mute;           /* its output was cut: nothing can follow */
    bool throttled_in;   /* told once */
    bool throttled_out;  /* told once */
};

/* What one item costs at each rate (base/throttle.h); 0: the rate is off. */
struct rates {
    int64_t publishes_in, publishes_out, bytes_in, bytes_out, connects;
    int64_t account_connects, account_publishes_in, account_publishes_out, account_subscribes,
        account_queued;
};

TAILQ_HEAD(conn_list, broker_conn);

struct broker {
    struct compat compat;
    struct limits limits;
    struct rates rates;
    struct {
        throttle connects, publishes_in, publishes_out, subscribes, queued;
    } account; /* what all connections have in common */
    const struct log *log;
    struct core_random random;
    struct authorizer *auth;
    struct core_time now;
    uint64_t dice;
    uint64_t salt[2]; /* of connections' uuids */
    uint64_t opened;  /* connections since the start */
    struct timers timers;
    struct tree tree;
    struct map sessions; /* by client id */
    struct map retained; /* struct message, by topic */
    struct known_clients known;
    TAILQ_HEAD(receipts, receipt) receipts; /* direct messages that wait for their PUBACK */
    struct receipts receipts_done;          /* for broker_next_receipt() */
    struct timer receipt_timer;
    size_t receipt_count;
    uint64_t tickets;
    TAILQ_HEAD(, contact_event) contacts; /* events of certificates that are being stored */
    size_t contact_count;
    uint64_t stored; /* the store's last batch whose fate is known; failed ones were taken back */
    size_t retained_bytes;
    struct timer retained_timer; /* some of them run out of time */
    int64_t retained_soonest_ms; /* before that none of them does */
    struct conn_list conns;
    struct conn_list ready;
    struct conn_list ending;
    struct conn_list holding;
    struct journal journal;
    struct output_pool pool;
    size_t output_most;  /* LIMIT_OUTPUT_ALL_BYTES; tests have less */
    uint8_t *props_room; /* where properties are put together; see props.c */
    size_t props_cap;
    struct broker_stats stats;
    struct router router;
};

static inline bool broker__persistent(const struct session *s)
{
    return s->expiry_s > 0;
}

static inline elo_span broker__client_id(const struct session *s)
{
    return elo_span_of(s->client_id, s->client_id_len);
}

/* The connection that can be written to now; NULL: none. */
static inline struct broker_conn *broker__online(const struct session *s)
{
    return s->conn != NULL && !s->conn->ended ? s->conn : NULL;
}

/* --- events.c: lifecycle events; each before its session is gone ------------------------------ */

void broker__event_connected(const struct broker_conn *c);
void broker__event_disconnected(const struct broker_conn *c, elo_span client_id);
void broker__event_connect_failed(const struct broker_conn *c, elo_span client_id);

/* `kind`: "subscriptions/subscribed" or "subscriptions/unsubscribed". */
void broker__event_subscriptions(const struct broker_conn *c,
                                 const char *kind,
                                 const elo_span *filters,
                                 size_t count);

/* The connection's name in events and log records. */
void broker__connection_uuid(const struct broker_conn *c, char out[37]);

/* --- connections.c: direct messages ------------------------------------------------------------
 */

void broker__receipt_puback(struct broker_conn *c, uint16_t packet_id);
void broker__receipts_due(struct broker *b);
void broker__receipts_free(struct broker *b);

/* --- throttle.c: rates ------------------------------------------------------------------------ */

void broker__rates_init(struct broker *b);

/* May this connection's PUBLISH be taken; may a PUBLISH be sent to it? Asked once for each. */
static inline bool broker__takes_publish(struct broker_conn *c)
{
    struct broker *b = c->broker;
    int64_t now = b->now.mono_ms;
    return throttle_take(&c->publishes_in, b->rates.publishes_in, now) &&
           throttle_take(&b->account.publishes_in, b->rates.account_publishes_in, now);
}

static inline bool broker__sends_publish(struct broker_conn *c)
{
    struct broker *b = c->broker;
    int64_t now = b->now.mono_ms;
    return throttle_take(&c->publishes_out, b->rates.publishes_out, now) &&
           throttle_take(&b->account.publishes_out, b->rates.account_publishes_out, now);
}

/* Would broker__sends_publish() say yes? */
static inline bool broker__could_send(const struct broker_conn *c)
{
    const struct broker *b = c->broker;
    int64_t now = b->now.mono_ms;
    return throttle_has(c->publishes_out, b->rates.publishes_out, now) &&
           throttle_has(b->account.publishes_out, b->rates.account_publishes_out, now);
}

/* A message waits for that. */
void broker__await_sending(struct broker_conn *c);

/* Bytes have gone by; may more be sent now? */
void broker__has_read(struct broker_conn *c, size_t len);
void broker__has_sent(struct broker_conn *c, size_t len);
bool broker__may_send_bytes(struct broker_conn *c);

/* Wants broker__attended() to be called at `at_ms`, by the connection's timer. */
void broker__attend(struct broker_conn *c, int64_t at_ms);
void broker__attended(struct broker_conn *c);

/* --- report.c: the log ------------------------------------------------------------------------ */

/* What happened to a connection, in AWS's words. */
struct report {
    const char *event;
    elo_err err;
    const char *reason;  /* NULL: none */
    elo_span client_id;  /* empty: the session's */
    elo_span topic;      /* empty: none */
    bool retain;         /* it is a PUBLISH with RETAIN */
    const char *details; /* NULL: none */
    bool silent;         /* nothing of it is said to the client */
    uint8_t code3;       /* CONNACK code of MQTT 3.1.1; 0: it is closed without one */
    uint8_t code5;       /* reason code of MQTT 5; 0: that of `err`, see refuse.c */
};

bool broker__heard(const struct broker *b, enum log_level level);
void broker__report(const struct broker_conn *c, enum log_level level, const struct report *r);

/* AWS's word for an ending ("disconnectReason") and one sentence about it. */
const char *broker__ending_word(elo_err err);
const char *broker__ending_details(elo_err err);

/* --- refuse.c: what a client is told --------------------------------------------------------- */

enum answer { ANSWER_CONNACK, ANSWER_PUBACK, ANSWER_SUBACK, ANSWER_UNSUBACK, ANSWER_DISCONNECT };
#define ANSWERS (ANSWER_DISCONNECT + 1)

/* What a packet with a reason string needs beside it. */
#define REASON_OVERHEAD 24u

/* 0: this packet has no word for it. */
uint8_t broker__reason_code(const struct report *r, enum answer answer);

/*
 * Something in a packet is refused. With MQTT 5 and a reason code for it: that is logged, and the
 * code is to be sent. Otherwise the connection has ended; a failure code all the same.
 */
uint8_t broker__refused(struct broker_conn *c, const struct report *r, enum answer answer);

/* A PUBACK with a reason code. MQTT 5. */
void broker__send_refusal(
    struct broker_conn *c, elo_mqtt_type type, uint16_t packet_id, uint8_t code, const char *text);

/* The connection is about to end: its CONNACK or DISCONNECT, if its version has one for this. */
void broker__last_words(struct broker_conn *c, const struct report *r);

/* The same for an ending that is nobody's fault: shutdown, administration. Harmless on 3.1.1. */
void broker__farewell(struct broker_conn *c, uint8_t code, const char *text);

/* --- ending.c --------------------------------------------------------------------------------- */

/* Ends a connection for `err`; `word` is AWS's for it, NULL: the usual one. Harmless if ended. */
void broker__end(struct broker_conn *c, elo_err err, const char *word);

/* Reports a failure and ends the connection with its error. */
void broker__fail(struct broker_conn *c, const struct report *r);

/* The same for a broken rule of the protocol: reason CLIENT_ERROR. */
void broker__refuse(
    struct broker_conn *c, const char *event, elo_err err, elo_span topic, const char *details);

/* Why the policy says no, if somebody wants to know: the log, or a client that can be told. */
void broker__explain(
    struct broker_conn *c, enum policy_action action, elo_span name, char *why, size_t cap);

/* What has been allowed is told, at LOG_INFO or below; in detail also which statement allowed it.
 */
void broker__report_allowed(struct broker_conn *c,
                            enum log_level level,
                            enum policy_action action,
                            elo_span name,
                            struct report *r);

/* The same as broker__refuse() for a policy's denial, with the explanation. */
void broker__deny(struct broker_conn *c,
                  const char *event,
                  elo_err err,
                  enum policy_action action,
                  elo_span name);

void broker__settle(struct broker *b);

/* --- output of a connection: send.c ----------------------------------------------------------- */

void broker__make_ready(struct broker_conn *c);

/* What a CONNACK says that accepts. */
struct acceptance {
    elo_span assigned_id; /* empty: the client has said one */
    uint32_t expiry_s;    /* of the session */
    uint16_t keep_alive_s;
    bool session_present;
    bool expiry_adjusted; /* the session lives for another time than was asked for */
};

void broker__send_connack(struct broker_conn *c, const struct acceptance *a);

/* Would the client take the CONNACK? MQTT 5: Maximum Packet Size. */
bool broker__takes_connack(const struct broker_conn *c, const struct acceptance *a);

/* An acknowledgement or the like. A client that leaves even these unread is ended. */
void broker__send(struct broker_conn *c, elo_span packet);
void broker__send_ack(struct broker_conn *c, elo_mqtt_type type, uint16_t packet_id);

/* Is there room for a PUBLISH of so many bytes? */
bool broker__has_room(const struct broker_conn *c, size_t bytes);

/* The size of a PUBLISH of MQTT 5. */
size_t broker__packet_bytes(const struct publication *p, uint8_t qos);

/* Would the client take the PUBLISH? MQTT 5: Maximum Packet Size. */
static inline bool
broker__takes(const struct broker_conn *c, const struct publication *p, uint8_t qos)
{
    return c->packet_max == UINT32_MAX || broker__packet_bytes(p, qos) <= c->packet_max;
}

/* One PUBLISH; there is room. false: out of memory, and the connection is ended. */
bool broker__send_qos0(struct broker_conn *c, const struct publication *p, bool retain);
bool broker__send_qos1(struct broker_conn *c, struct message *m, uint16_t id, bool retain);

/* --- props.c: MQTT 5 properties ----------------------------------------------------------------
 */

/*
 * What is passed on of the properties of a PUBLISH or a will, in `*out`: valid until the next call.
 * `all`: nothing is to be left out. false: out of memory.
 */
bool broker__forwardable(struct broker *b, elo_span properties, bool all, elo_span *out);

/* Are the user properties within AWS's quota of their total size? */
bool broker__user_properties_fit(elo_span properties);

/* When a message ends that has `expiry_s` seconds, "1 to 604,800". */
int64_t broker__message_end(const struct broker *b, uint32_t expiry_s);

/* --- alias.c: topic aliases ------------------------------------------------------------------- */

/* The topic of a PUBLISH with an alias, and its hash. false: the connection has ended. */
bool broker__alias_resolve(struct broker_conn *c, struct elo_mqtt_publish *in, uint32_t *hash);

/* Its topic is a good one: from now on the alias stands for it. false: out of memory, ended. */
bool broker__alias_set(struct broker_conn *c, const struct elo_mqtt_publish *in, uint32_t hash);
void broker__aliases_free(struct broker_conn *c);

/* --- packets ---------------------------------------------------------------------------------- */

void broker__on_connect(struct broker_conn *c, const struct elo_mqtt_connect *in);

/* What a CONNECT says of its client: version, sizes, whether it wants reasons. */
struct elo_mqtt_terms;
void broker__note_terms(struct broker_conn *c,
                        const struct elo_mqtt_connect *in,
                        struct elo_mqtt_terms *out);
/* Reports that the certificate is no good and ends the connection. */
void broker__refuse_certificate(struct broker_conn *c, elo_span client_id);

/* contact.c: a refused certificate may be a new device of a registered CA's; false: it is none. If
 * it is, all is done and told, and the connection ends. */
bool broker__first_contact(struct broker_conn *c, elo_span client_id);
/* The store has got on: events of what is durable now are published, of what has failed dropped. */
void broker__contacts_stored(struct broker *b, uint64_t durable, uint64_t failed);
void broker__contacts_free(struct broker *b);
/* Reports why a CONNECT is refused and ends the connection; always false. */
bool broker__refuse_connect(struct broker_conn *c,
                            elo_span client_id,
                            elo_err err,
                            const char *details);
void broker__on_disconnect(struct broker_conn *c, const struct elo_mqtt_disconnect *in);
void broker__on_publish(struct broker_conn *c, elo_span packet, struct elo_mqtt_publish *in);
void broker__on_wild_publish(struct broker_conn *c, const struct elo_mqtt_publish *in);
void broker__on_puback(struct broker_conn *c, uint16_t packet_id);
void broker__on_subscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in);
void broker__on_unsubscribe(struct broker_conn *c, const struct elo_mqtt_subscribe *in);

/* --- routing and delivery --------------------------------------------------------------------- */

/*
 * To everybody who should have it; with p->retain it is kept for those who come later.
 * ELO_E_NO_MEMORY: nobody got it. ELO_E_QUOTA: too many retained messages, nobody got it.
 */
ELO_MUST_USE elo_err broker__publish(struct broker *b, struct publication *p);

/* The journal's epoch that the acknowledgement of what has just been published waits for, or 0. */
uint64_t broker__publish_awaited(const struct broker *b, const struct publication *p);

/* One message for one receiver of its route. */
void broker__deliver_to(struct target *t, const struct publication *p);

/* One message for one session, at no more than `max_qos`. */
void broker__deliver(struct session *s, const struct publication *p, uint8_t max_qos, bool retain);

/* May the connection have it, by its policy of now? If not, that is counted and logged. */
bool broker__may_receive(struct broker_conn *c, elo_span topic, uint32_t hash);

/* --- pump.c: QoS 1 on its way to a session that is there ---------------------------------------
 */

/* Could a QoS 1 message that has just come be written at once? */
bool broker__window_open(const struct session *s);

/*
 * Puts a message into flight and writes it; the window is open and there is room. `group`: whose
 * it is, or NULL. false: out of memory, it is not in flight; the connection has ended.
 */
bool broker__launch(
    struct session *s, struct message *m, bool retain, struct share_group *group, int64_t row);

/* Writes what may be written: what must be sent again, then what waits. */
void broker__pump(struct session *s);

/* The session has a connection again: what was stored is sent, so many a second. */
void broker__pump_resume(struct session *s);

/* The timer of a session that is online rang: redelivery, pace. */
void broker__pump_due(struct session *s);

/* --- share.c: shared subscriptions -------------------------------------------------------------
 */

/* One message for one member of a shared group, or for the group's queue. */
void broker__share_deliver(struct share_group *group, const struct publication *p);

/* A member can take something: what waits in its groups' queues. */
void broker__share_pump(struct session *s);

/* The timer of a group's queue rang. */
void broker__share_due(struct timer *timer);

/* The session's connection is gone: what it has not acknowledged is somebody else's. */
void broker__share_give_back(struct session *s);

/* Call before the subscription is removed. */
void broker__share_leave(struct subscription *sub);

/* Is what waits for it stored, or about to be? Then somebody would find it after a restart. */
bool broker__share_is_stored(const struct share_group *group);

/* The group's row; and at start-up what waits for it. ELO_E_NO_MEMORY. */
void broker__share_adopt(struct share_group *group, int64_t row);
ELO_MUST_USE elo_err broker__share_restore(struct share_group *group, const struct queued *item);

/* --- queue.c ---------------------------------------------------------------------------------- */

/* Takes a reference. ELO_E_QUOTA: full; ELO_E_NO_MEMORY. */
ELO_MUST_USE elo_err broker__queue_push(struct queue *q, const struct queued *item);

/* What was taken out comes back, before all that has come since, and no limit is in its way: those
 * who take out can hold so much more. ELO_E_NO_MEMORY. */
ELO_MUST_USE elo_err broker__queue_push_front(struct queue *q, const struct queued *item);

/* At start-up: it has its row, and no limit is in its way. ELO_E_NO_MEMORY. */
ELO_MUST_USE elo_err broker__queue_restore(struct queue *q, const struct queued *item);
struct queued *broker__queue_peek(const struct queue *q); /* NULL: empty */
void broker__queue_pop(struct queue *q);                  /* releases the message */
void broker__queue_free(struct queue *q);

/* Drops what has run out of time; how many. At once if that can be nothing. */
uint32_t broker__queue_expire(struct queue *q, int64_t now_ms);

/* --- session.c -------------------------------------------------------------------------------- */

/* A fresh session; the id is not taken. NULL: out of memory. */
struct session *
broker__session_create(struct broker *b, elo_span client_id, uint8_t version, uint32_t expiry_s);
void broker__session_destroy(struct session *s);

/* The same, but a will that waits is published. */
void broker__session_end(struct session *s);

/* The timer of a session that is offline rang: its will, its end. */
void broker__session_due(struct session *s);
void broker__session_attach(struct session *s, struct broker_conn *c);

/* Its connection has ended: it is stored for a while, or gone (NULL). */
struct session *broker__session_detach(struct session *s);

/* --- subscriptions of a session: subscribe.c -------------------------------------------------- */

void broker__drop_subscriptions(struct session *s);

/* At start-up. ELO_E_NO_MEMORY; ELO_E_CORRUPT: no filter that could have been subscribed. */
ELO_MUST_USE elo_err broker__subscription_restore(
    struct session *s, elo_span literal, uint8_t qos, int64_t options, struct subscription **out);

/* --- hold.c: what waits for the store --------------------------------------------------------- */

/* PUBACK: when the epoch is durable (0: at once), but not before those of earlier messages. */
void broker__ack_publish(struct broker_conn *c, uint16_t packet_id, uint64_t epoch);

/* What is put into the output from now on waits for the epoch; 0: for nothing. */
void broker__hold_output(struct broker_conn *c, uint64_t epoch);

/* Of the pieces of the output, those that may leave; how many. */
size_t broker__hold_clip(const struct broker_conn *c, elo_span *pieces, size_t count);
void broker__hold_sent(struct broker_conn *c, size_t bytes);

/* How many PUBACKs wait; is this identifier's among them? */
uint32_t broker__hold_count(const struct broker_conn *c);
bool broker__hold_has(const struct broker_conn *c, uint16_t packet_id);
void broker__hold_free(struct broker_conn *c);

/* Epochs up to this one are durable, or have failed: who waits for them is closed. */
void broker__hold_release(struct broker *b, uint64_t epoch);
void broker__hold_fail(struct broker *b, uint64_t epoch, elo_err err);

/* journal.c: the retry timer rang */
void broker__journal_retry(struct broker *b);

/* --- retain.c --------------------------------------------------------------------------------- */

/* ELO_E_QUOTA, ELO_E_NO_MEMORY. p->block is there, unless the payload is empty. */
ELO_MUST_USE elo_err broker__retain(struct broker *b, const struct publication *p);

/* The retained message of exactly this topic; NULL: none that is still good. */
struct message *broker__retained(const struct broker *b, elo_span topic);
void broker__send_retained(struct session *s, elo_span filter, uint8_t qos);
void broker__retained_expire(struct broker *b); /* its timer rang */
void broker__retained_free(struct broker *b);

/* --- will.c ----------------------------------------------------------------------------------- */

struct will {
    struct message *m;
    uint32_t expiry_s; /* of the message, from the end of the connection; WILL_FOREVER: none */
    uint32_t delay_s;
    int64_t due_ms; /* while it waits with its session */
    bool retain;
};

#define WILL_FOREVER UINT32_MAX

/* May the connection have this will? If not, it has been ended. */
bool broker__will_allowed(struct broker_conn *c,
                          elo_span client_id,
                          const struct elo_mqtt_will *will);

/* The will of a CONNECT that is about to be accepted. false: out of memory. */
bool broker__will_keep(struct broker_conn *c, const struct elo_mqtt_connect *in);
void broker__will_drop(struct broker_conn *c);

/* The connection has ended; `s` is what is left of its session, or NULL. */
void broker__will_leave(struct broker_conn *c, struct session *s);

/* The will that waits with a session: now. */
void broker__will_publish(struct session *s);
void broker__will_free(struct will *will); /* NULL is allowed */

/* --- keepalive.c ------------------------------------------------------------------------------ */

void broker__await_connect(struct broker_conn *c);
uint16_t broker__keep_alive(struct broker_conn *c, uint16_t asked_s); /* what it is */
void broker__silence(struct broker_conn *c); /* the connection's timer rang */

/* --- life.c ----------------------------------------------------------------------------------- */

void broker__life_arm(struct life *life);
void broker__life_rang(struct life *life);     /* its timer rang */
void broker__life_free(struct broker_conn *c); /* there may be none */

/* --- custom.c --------------------------------------------------------------------------------- */

/* Is it for a custom authorizer to say whether this CONNECT is let in? */
bool broker__must_ask(const struct broker_conn *c);
/* Puts the CONNECT aside until it has said. */
void broker__ask(struct broker_conn *c, elo_span packet, const struct elo_mqtt_connect *in);
void broker__refresh(struct broker_conn *c); /* its policies */

/* Its last packet: the will is not due any more [MQTT-3.14.4-3]. */
void broker__take_leave(struct broker_conn *c);

#endif
