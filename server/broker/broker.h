// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The message broker: MQTT 3.1.1 and 5 as AWS IoT Core speaks them. Pure: bytes and `now` go in;
 * bytes, a list of connections with something to send, and the next deadline come out.
 *
 * A connection's life:
 *
 *     struct broker_conn *c = broker_open(broker, &peer, now);      TLS is done, nothing read yet
 *     broker_input(c, bytes, now);                                  decrypted bytes, any split
 *     while ((c = broker_next_ready(broker)) != NULL) {             after each batch of input
 *         n = broker_output(c, pieces, max);  send them;  broker_output_ack(c, sent, now);
 *         if (broker_wants_close(c) && nothing is left to send)  close the transport;
 *     }
 *     broker_closed(c, reason, now);                                the transport is gone: frees c
 *
 * What is left to send may wait for the store (below); the connection is ready again when it may
 * leave, or when it never will and is thrown away.
 *
 * After broker_input() the connection may want to be closed (a violation, a take-over, a denial);
 * it stays valid, ignores further input, and is freed only by broker_closed(), which the owner
 * must call exactly once for every connection opened.
 *
 * What AWS does not allow is answered as AWS answers it: on MQTT 3.1.1 mostly by closing without a
 * word, on MQTT 5 with a reason code and, unless the client wants none, a reason string. The log
 * says why; so does broker_close_reason().
 *
 * Sharing: a published message is one immutable block counted by references; a subscriber's queue
 * holds the block and an encoded header. Routing is a tree of topic levels. Deliveries of one
 * batch of input are coalesced per subscriber: the owner asks for output once per wake-up.
 *
 * What survives: sessions with clean session 0, their subscriptions and QoS 1 messages, retained
 * messages. With a store, broker_restore() brings them back at start-up; then, once per turn of the
 * owner's loop, broker_commit() hands over what has changed, and broker_stored() takes what the
 * store says. Acknowledgements of changes wait inside the broker until the change is durable: a
 * CONNACK, SUBACK, UNSUBACK or PUBACK that leaves is never taken back by a crash. What nobody has
 * to find after a restart is acknowledged at once. If the store fails, the acknowledgement never
 * comes: the connection is closed with SERVER_ERROR, and publishes that must be stored are refused
 * until the store takes changes again.
 *
 * Limits are in server/base/limits.h. Core thread only.
 */
#ifndef ELO_SERVER_BROKER_H
#define ELO_SERVER_BROKER_H

#include "server/auth/authorizer.h"
#include "server/base/compat.h"
#include "server/base/env.h"
#include "server/base/limits.h"
#include "server/base/log.h"
#include "server/store/store.h"

struct broker;
struct broker_conn;

struct broker_config {
    struct compat compat;
    const struct limits *limits; /* copied; NULL: limits_unthrottled() */
    const struct log *log;       /* outlives the broker */
    struct core_random random;
    struct store *store; /* outlives the broker; NULL: nothing survives it */
};

/* NULL: out of memory. `auth` outlives the broker. */
struct broker *broker_create(const struct broker_config *config, struct authorizer *auth);

/*
 * Everything that is stored; before the first connection. ELO_E_NO_MEMORY, ELO_E_CORRUPT, ELO_E_IO:
 * the broker is good for broker_destroy() only.
 */
ELO_MUST_USE elo_err broker_restore(struct broker *b, struct core_time now);

/* Every connection must have been closed. What is stored stays. */
void broker_destroy(struct broker *b);

/*
 * A transport is ready. `refused` is ELO_OK, or why its certificate is not good: the connection
 * then reads until CONNECT and is closed, as AWS does, and the log tells who and why.
 * NULL: out of memory, or as many connections as there may be; the owner closes the transport.
 * The broker owns peer->custom from then on: with it a CONNECT waits for the authorizer's answer.
 */
struct broker_conn *
broker_open(struct broker *b, const struct auth_peer *peer, elo_err refused, struct core_time now);

void broker_set_user(struct broker_conn *c, void *user); /* the owner's own pointer */
void *broker_user(const struct broker_conn *c);

/* Decrypted bytes as they came. They are not kept beyond the call unless a packet is incomplete. */
void broker_input(struct broker_conn *c, elo_span bytes, struct core_time now);

/*
 * May the owner read more from the transport? Not while the client is over its quota of bytes: AWS
 * delays such a client, it drops nothing. The connection is ready (broker_next_ready) whenever the
 * answer has changed.
 */
bool broker_wants_input(const struct broker_conn *c);

/*
 * Up to `max` pieces to be sent in order; their number. Valid until the next call for this
 * connection. broker_output_ack() takes back what was sent, at any byte. None while the connection
 * is over its quota of bytes; it is ready again when it may go on.
 */
size_t broker_output(struct broker_conn *c, elo_span *out, size_t max);
void broker_output_ack(struct broker_conn *c, size_t sent, struct core_time now);
size_t broker_output_bytes(const struct broker_conn *c);

/* The client takes its leave by the transport (a WebSocket's close frame): as its DISCONNECT. */
void broker_left(struct broker_conn *c, struct core_time now);

/* The transport lets nobody stay for ever: after `ms` the connection ends (ELO_E_LIFETIME). Before
 * any input. false: out of memory. */
ELO_MUST_USE bool broker_limit_life(struct broker_conn *c, int64_t ms, struct core_time now);

/* A packet has begun whose rest has not come. */
bool broker_awaits_rest(const struct broker_conn *c);

bool broker_wants_close(const struct broker_conn *c);
elo_err broker_close_reason(const struct broker_conn *c);

/* The transport is gone (`why`: ELO_OK if we asked for it). Publishes the will if it is due. */
void broker_closed(struct broker_conn *c, elo_err why, struct core_time now);

/* A connection with new output or a wish to close, each once; NULL: none. */
struct broker_conn *broker_next_ready(struct broker *b);

/* When broker_tick() must be called at the latest (mono_ms), or INT64_MAX. */
int64_t broker_deadline(const struct broker *b);
void broker_tick(struct broker *b, struct core_time now);

/*
 * Publishes for somebody who is no MQTT client: the API. The topic has been checked and allowed.
 * ELO_E_NO_MEMORY, ELO_E_QUOTA (too many retained messages), ELO_E_TOPIC (no topic, or over
 * LIMIT_TOPIC_BYTES), ELO_E_DISK_FULL and other faults of the store: nobody got it. It is durable
 * when the batch broker_after() is.
 */
ELO_MUST_USE elo_err broker_publish(struct broker *b,
                                    elo_span topic,
                                    elo_span payload,
                                    uint8_t qos,
                                    bool retain,
                                    struct core_time now);

/* The same with MQTT 5 properties (encoded; only such as are passed on) and a message expiry (0:
 * none). */
ELO_MUST_USE elo_err broker_publish5(struct broker *b,
                                     elo_span topic,
                                     elo_span payload,
                                     elo_span properties,
                                     uint32_t expiry_s,
                                     uint8_t qos,
                                     bool retain,
                                     struct core_time now);

/* A retained message; spans valid until the next call that changes the broker. */
struct broker_retained {
    elo_span topic, payload;
    elo_span properties; /* of MQTT 5, encoded */
    uint8_t qos;
    int64_t modified_ms; /* wall_ms */
};
bool broker_retained(const struct broker *b, elo_span topic, struct broker_retained *out);

/* Up to `max` (at least 1) whose topics come after `after` (empty: the first), in bytewise order.
 */
size_t broker_list_retained(const struct broker *b,
                            elo_span after,
                            struct broker_retained *out,
                            size_t max);

/* The end of a turn: what has changed goes to the store, as one batch. */
void broker_commit(struct broker *b);

/* The store has got on, or failed: the batches that it has returned are taken. */
void broker_stored(struct broker *b, const struct store_progress *progress, struct core_time now);

/*
 * The number of the store's batch that what the last broker_publish() or broker_delete_connection()
 * did is in. 0: nothing has to be waited for. BROKER_NEVER: the store takes nothing, what was done
 * is not durable.
 */
#define BROKER_NEVER UINT64_MAX
uint64_t broker_after(struct broker *b);

/* --- connections, for the API ("Managing MQTT connections") ------------------------------------
 */

/* What is known of a client; spans live until the next call. 0, NULL and empty: not known. */
struct broker_connection {
    bool connected;
    bool clean;
    elo_span thing; /* that its certificate is attached to exclusively */
    elo_span source_ip;
    uint16_t source_port;
    uint32_t keep_alive_s;
    uint32_t expiry_s;
    int64_t connected_ms; /* wall time */
    int64_t disconnected_ms;
    const char *reason; /* AWS's disconnectReason */
};

/* false: it has no session, and none that ended in the last 30 minutes. */
bool broker_connection(struct broker *b,
                       elo_span client_id,
                       struct core_time now,
                       struct broker_connection *out);

bool broker_has_session(const struct broker *b, elo_span client_id);

/* The i-th subscription of a client's session, in no order; false: there are no more. */
bool broker_subscription_at(
    const struct broker *b, elo_span client_id, size_t i, elo_span *out_filter, uint8_t *out_qos);

/* ELO_E_NOT_FOUND: neither connection nor session. `clean` ends the session too. */
ELO_MUST_USE elo_err broker_delete_connection(
    struct broker *b, elo_span client_id, bool clean, bool prevent_will, struct core_time now);

struct broker_direct {
    elo_span client_id, topic, payload;
    bool confirm; /* at QoS 1, and wait for the PUBACK */
    int64_t timeout_ms;
};

/*
 * One message to one connected client, whatever it has subscribed to; its policy must allow
 * iot:Receive. With `confirm` the ticket is not 0, and broker_next_receipt() gives it back.
 * ELO_E_NOT_FOUND: not connected; ELO_E_POLICY_RECEIVE; ELO_E_TOO_LARGE for what the client takes;
 * ELO_E_THROTTLED: it has as much under way as may be; ELO_E_NO_MEMORY.
 */
ELO_MUST_USE elo_err broker_send_direct(struct broker *b,
                                        const struct broker_direct *direct,
                                        struct core_time now,
                                        uint64_t *out_ticket);

/* A ticket whose PUBACK has come (`*out_confirmed`) or did not in time; 0: none. Ask after every
 * batch of input and every tick. */
uint64_t broker_next_receipt(struct broker *b, bool *out_confirmed);

/*
 * The certificate's status has changed or it is gone: connections with it end if it is not good,
 * and those that have not yet said CONNECT are judged by what it is now.
 */
void broker_certificate_changed(struct broker *b, elo_span certificate_id, struct core_time now);

/* Ends every connection (the server stops); wills are published. */
void broker_shutdown(struct broker *b, struct core_time now);

struct broker_stats {
    uint64_t connections; /* now */
    uint64_t sessions;    /* connected and stored */
    uint64_t sessions_persistent;
    uint64_t subscriptions;
    uint64_t retained;
    uint64_t connects;
    uint64_t connects_refused;
    uint64_t publish_in; /* of all, these among them: */
    uint64_t publish_in_wss, publish_in_http;
    uint64_t publish_out;
    uint64_t dropped;
    uint64_t expired;              /* messages whose time had run out before they could be sent */
    uint64_t publish_in_throttled; /* of all, by a rate or a full store; these among them: */
    uint64_t publish_in_wss_throttled, publish_in_http_throttled;
    uint64_t publish_in_http_failed; /* by memory or the disk */
    uint64_t publish_out_throttled;  /* dropped; those that wait are not counted */
    uint64_t connects_throttled;
    uint64_t subscribes_throttled;
    uint64_t reads_delayed;
    uint64_t writes_delayed;
    uint64_t bytes_in, bytes_out;                 /* of MQTT */
    uint64_t publish_bytes_in, publish_bytes_out; /* of payloads; in: of HTTP, too */
    uint64_t queued;                              /* QoS 1 messages that wait for their client */
};
/* Whom it asks what is allowed. */
struct authorizer *broker_authorizer(const struct broker *b);

void broker_stats(const struct broker *b, struct broker_stats *out);

#endif
