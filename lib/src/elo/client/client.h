// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The device's MQTT session, 3.1.1 or 5 (mqtt5.h): connect, stay connected, publish, subscribe,
 * come back.
 *
 * Purpose
 *   An engine without sockets, TLS, clock, heap or threads. Bytes, times and transport events go
 *   in; bytes, events, the next deadline and one wish ("have the transport open" or not) come
 *   out. Its owner, a port, moves the bytes. One engine is one MQTT session.
 *
 * Life cycle
 *   elo_client_defaults() -> fill in the config -> elo_client_init() -> elo_client_start(),
 *   then for as long as it runs, in any order and as often as you like:
 *
 *     if (elo_client_wants(c) == ELO_CLIENT_WANTS_OPEN && I_HAVE_NONE)    begin DNS, TCP, TLS
 *     if (elo_client_wants(c) == ELO_CLIENT_WANTS_CLOSED && I_HAVE_ONE)   close it, then
 *                                        elo_client_transport_closed(c, ELO_OK, now);
 *     TLS finished:                      elo_client_transport_open(c, now);
 *     it failed, or the peer closed:     elo_client_transport_closed(c, why, now);
 *     bytes came:                        n = elo_client_input(c, bytes, now);   keep bytes[n ...]
 *     while (elo_client_next_event(c, &event))                                  handle it
 *     while ((out = elo_client_output_buf(c)).len && (n = SEND(out)) > 0)
 *                                        elo_client_output_ack(c, n, now);
 *     if (elo_client_next_deadline(c, &at) && (int32_t)(now - at) >= 0)
 *                                        elo_client_tick(c, now);
 *
 *   elo_client_stop() says goodbye; the engine can be started again. There is nothing to deinit.
 *   Any call may be made from inside the handling of an event, publishing included.
 *
 * Memory
 *   struct elo_client and all buffers are the caller's, given at init as pointer and size, and
 *   stay his: keep them in place and untouched until the engine is no longer used. Client id, will,
 *   user name, password and topic filters are borrowed: they are kept as spans, not copied.
 *   Topics and payloads given to elo_client_publish() are copied into the outbox.
 *     rx      holds one incoming packet. A larger one is skipped and reported (OVERSIZE).
 *             At least ELO_CLIENT_MIN_RX bytes.
 *     tx      holds outgoing packets other than PUBLISH: the CONNECT, SUBSCRIBEs, PUBACKs. It must
 *             hold the CONNECT (about 14 + client id + will + user name + password) and the
 *             longest filter + 10.
 *     outbox  holds every PUBLISH until it is written (QoS 0) or acknowledged (QoS 1). A message
 *             costs its packet (about 4 + topic + payload, 2 more with QoS 1, 1 to 4 with MQTT 5)
 * and ELO_CLIENT_MESSAGE_OVERHEAD bytes. subs    one entry for each topic filter subscribed to at a
 * time. Nothing is ever written outside these, whatever the server sends.
 *
 * Times
 *   are uint32_t milliseconds of any clock that never jumps; it may wrap (after 49.7 days) and
 *   start anywhere. The engine only looks at differences. Compare deadlines by subtraction as
 *   above. Every span of time in the config is under 2^31 ms (24 days).
 *
 * What is promised
 *   - Before the CONNACK nothing is sent but the CONNECT ("MQTT", AWS IoT Developer Guide).
 *   - A QoS 1 message that elo_client_publish() took is sent until it is acknowledged, over any
 *     number of connections; only the policy ELO_CLIENT_DROP_OLDEST removes one, and says so.
 *     Messages are sent, and sent again, in the order they were published, QoS 0 and QoS 1 alike.
 *     After a resumed session (session_present) those without a PUBACK are sent again with DUP=1
 *     and their old packet id [MQTT-4.4.0-1]; if the server lost the session, as new ones.
 *   - A PUBLISH, SUBSCRIBE or UNSUBSCRIBE without an answer is repeated with its packet id on the
 *     same connection after `retry_ms`, and after `ack_timeout_ms` the connection is given up.
 *   - An incoming QoS 1 message is acknowledged after you had its MESSAGE event, never before:
 *     when you ask for the next event, or give the next input. QoS 1 is "at least once": after
 *     a broken connection a message can come again.
 *   - Subscriptions are remembered and made again when the server has lost the session, or may
 *     have lost it unheard because a CONNECT had no answer; not when it has kept it.
 *   - Reconnection waits `backoff_floor_ms + random(0 ... min(cap, base * 2^n))`, where n grows
 *     with each attempt and falls back to 0 only once a connection has lasted `stable_ms`.
 *
 * Errors
 *   are elo_err; what ends a connection is told once, by the DISCONNECTED event. What AWS hides
 *   behind a closed connection is guessed from what we had just done:
 *     ELO_E_CLOSED_AFTER_CONNECT    closed instead of a CONNACK
 *     ELO_E_CLOSED_AFTER_SUBSCRIBE  closed within 5 s of a SUBSCRIBE that was not answered
 *     ELO_E_CLOSED_AFTER_PUBLISH    the same with a QoS 1 PUBLISH, or closed within 2 s of a QoS 0
 *                                   one with nothing heard since
 *     ELO_E_CLIENTID_TAKEN          none of these, and closed soon after connecting for the third
 *                                   time in a row
 *   Reasons that the owner reports (DNS, TCP, TLS ...) pass through unchanged.
 *
 * Re-entrancy: no globals. One engine belongs to one thread.
 */
#ifndef ELO_CLIENT_CLIENT_H
#define ELO_CLIENT_CLIENT_H

#include "elo/client/outbox.h"
#include "elo/mqtt/packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The smallest rx buffer, in bytes. */
#define ELO_CLIENT_MIN_RX 32u

/* What a message costs in the outbox besides its packet: 16 bytes. */
#define ELO_CLIENT_MESSAGE_OVERHEAD ELO__RECORD_SIZE

/* AWS refuses a SUBSCRIBE or UNSUBSCRIBE with more filters; more are split over several. */
#define ELO_CLIENT_FILTERS_PER_PACKET 8u

/* The largest window: far fewer than there are packet ids, so that a free one is found quickly. */
#define ELO_CLIENT_MAX_WINDOW 1000u

/* What elo_client_publish() does when the outbox has no room. */
typedef enum elo_client_policy {
    ELO_CLIENT_REFUSE,      /* return ELO_E_OUTBOX_FULL: the caller keeps the message */
    ELO_CLIENT_DROP_NEWEST, /* drop this message, return ELO_OK, event DROPPED (OUTBOX_FULL) */
    ELO_CLIENT_DROP_OLDEST  /* make room: drop the oldest, event DROPPED (OUTBOX_OLD). Connected,
                               messages already on their way are not dropped; if room cannot be
                               made without, nothing is dropped and it is as REFUSE. */
} elo_client_policy;

/* One remembered topic filter. Give an array of these; look at none of it. */
struct elo_client_sub {
    struct {
        elo_span filter;
        uint8_t qos;
        uint8_t granted;
        uint8_t phase;
        uint8_t todo;
    } _internal;
};

/* A random number, all 32 bits of it. Need not be cryptographic; must differ between devices. */
typedef uint32_t (*elo_client_random_fn)(void *ctx);

/*
 * Copied by elo_client_init(). Call elo_client_defaults() first, then set what is marked `must`
 * and whatever else you like.
 */
struct elo_client_config {
    elo_span client_id;        /* must. AWS: 1 ... 128 bytes, should be the thing's name */
    elo_span username;         /* used if ptr is not NULL */
    elo_span password;         /* used if ptr is not NULL; needs a user name [MQTT-3.1.2-22] */
    struct elo_mqtt_will will; /* used if has_will; QoS 0 or 1 */
    bool has_will;
    bool persistent;       /* CleanSession 0: the server keeps subscriptions and QoS 1 messages */
    bool aws_limits;       /* refuse here what AWS IoT Core would close the connection for */
    bool queue_qos0;       /* offline: queue QoS 0 too; else elo_client_publish() refuses it */
    uint16_t keep_alive_s; /* 60. 0: none is asked for and a silent death is not noticed; AWS takes
                              0 as 1200, and less than 30 as 30 */
    uint16_t window;       /* 8. QoS 1 messages on their way at a time, 1 ... ELO_CLIENT_MAX_WINDOW;
                              AWS allows 100 */
    elo_client_policy policy; /* REFUSE */

    uint32_t connack_timeout_ms; /* 10 000 */
    uint32_t ping_timeout_ms;    /* 10 000 from PINGREQ to PINGRESP, with nothing heard meanwhile */
    uint32_t retry_ms;           /* 10 000; 0: never on the same connection */
    uint32_t ack_timeout_ms;     /* 35 000 from the first sending on this connection; 0: never */
    uint32_t backoff_base_ms;    /* 1 000 */
    uint32_t backoff_cap_ms;     /* 60 000 */
    uint32_t backoff_floor_ms;   /* 1 000: AWS takes one CONNECT a second from a client id */
    uint32_t stable_ms;          /* 90 000; more than the cap, or twins are not recognised */

    uint8_t *rx; /* must */
    size_t rx_size;
    uint8_t *tx; /* must */
    size_t tx_size;
    uint8_t *outbox; /* may be NULL with size 0: then nothing can be published */
    size_t outbox_size;
    struct elo_client_sub *subs; /* may be NULL with count 0 */
    size_t subs_count;

    elo_client_random_fn random; /* must */
    void *random_ctx;

    struct elo_client_mqtt5 *mqtt5; /* NULL: MQTT 3.1.1. Else see mqtt5.h */
};

typedef enum elo_client_state {
    ELO_CLIENT_STOPPED,    /* until elo_client_start() */
    ELO_CLIENT_WAITING,    /* for the backoff to pass */
    ELO_CLIENT_OPENING,    /* for the owner's transport */
    ELO_CLIENT_CONNECTING, /* for the CONNACK */
    ELO_CLIENT_ONLINE,     /* connected */
    ELO_CLIENT_STOPPING,   /* writing the DISCONNECT */
    ELO_CLIENT_CLOSING     /* for the owner to close the transport */
} elo_client_state;

/* The engine's one wish of its owner; a level, not an edge: compare it with what you have. */
typedef enum elo_client_wish { ELO_CLIENT_WANTS_CLOSED, ELO_CLIENT_WANTS_OPEN } elo_client_wish;

typedef enum elo_client_event_type {
    ELO_CLIENT_CONNECTED,    /* u.connected */
    ELO_CLIENT_DISCONNECTED, /* u.disconnected: also for an attempt that never got through */
    ELO_CLIENT_MESSAGE,      /* u.message */
    ELO_CLIENT_OVERSIZE,     /* u.oversize */
    ELO_CLIENT_PUBLISHED,    /* u.published */
    ELO_CLIENT_DROPPED,      /* u.dropped */
    ELO_CLIENT_SUBSCRIBED,   /* u.subscribed: one event per filter */
    ELO_CLIENT_UNSUBSCRIBED, /* u.unsubscribed: one event per filter */
    ELO_CLIENT_PONG          /* nothing more: the answer to elo_client_ping() */
} elo_client_event_type;

struct elo_client_event {
    elo_client_event_type type;
    union {
        struct {
            bool session_present; /* the server kept our session */
        } connected;
        struct {
            elo_err reason;     /* ELO_OK after elo_client_stop() */
            bool was_connected; /* a CONNECTED event came before it */
            bool will_retry;    /* false after elo_client_stop() */
            uint32_t wait_ms;   /* the backoff chosen, if will_retry */
            uint8_t code;       /* MQTT 5: the reason code of the server's CONNACK or DISCONNECT */
            elo_span text;      /* and its Reason String, until the next elo_client_input() */
        } disconnected;
        struct {
            elo_span topic; /* both valid until the next elo_client_input() */
            elo_span payload;
            uint8_t qos; /* 0 or 1 */
            bool retain;
            bool dup;
            elo_span properties; /* MQTT 5; as long as the topic */
        } message;
        /*
         * A message larger than rx went by. With QoS 1 it is acknowledged all the same: else the
         * server would send it again, for up to an hour, and again after each reconnection.
         */
        struct {
            elo_span topic; /* empty if not even the topic fits; until the next input */
            uint32_t size;  /* of the whole packet, in bytes: what rx would have to hold */
            uint8_t qos;
            bool retain;
        } oversize;
        struct {
            uint32_t token; /* of the QoS 1 message that the server has acknowledged */
            elo_err result; /* ELO_OK; MQTT 5: or ELO_E_PUBACK_REFUSED, which is final */
            uint8_t code;   /* MQTT 5: the reason code, else 0 */
        } published;
        /*
         * Messages that the policy has dropped since the last event of this type, and the tokens
         * of the first and the last of them. Who needs every token asks for events after each
         * elo_client_publish(): with DROP_NEWEST it is then one message, with DROP_OLDEST
         * neighbours in the order of publication, but for those that are on their way.
         */
        struct {
            elo_err reason; /* ELO_E_OUTBOX_FULL (DROP_NEWEST) or ELO_E_OUTBOX_OLD (DROP_OLDEST).
                               MQTT 5: ELO_E_TOO_LARGE or ELO_E_UNSUPPORTED, each message in an
                               event of its own: this server does not take it */
            uint32_t count;
            uint32_t first_token;
            uint32_t last_token;
        } dropped;
        struct {
            elo_span filter; /* as given to elo_client_subscribe() */
            elo_err result;  /* ELO_OK, or ELO_E_SUBACK_REFUSED: then it is also forgotten */
            uint8_t granted; /* QoS, with ELO_OK */
            uint8_t code;    /* as the server's SUBACK has it; MQTT 5: says why it refused */
        } subscribed;
        struct {
            elo_span filter; /* as given; the engine no longer borrows it */
            uint8_t code;    /* MQTT 5: as the server's UNSUBACK has it; from 0x80 on the server
                                has refused, and messages may still come */
        } unsubscribed;
    } u;
};

/* A message to publish. `token` is yours: the events PUBLISHED and DROPPED give it back. */
struct elo_client_message {
    elo_span topic;
    elo_span payload;
    uint8_t qos; /* 0 or 1 */
    bool retain;
    uint32_t token;
    elo_span properties; /* MQTT 5, else not read; none of Topic Alias: see mqtt5.h */
};

/* The engine's inside. Complete so that you can place it; its fields are nobody's business. */
struct elo__client {
    uint8_t state;
    uint8_t events;       /* which events wait: bits, see internal.h */
    uint8_t attempts;     /* the n of the backoff */
    uint8_t early_closes; /* in a row: closed by the peer before stable */
    bool run;             /* started and not stopped */
    bool connected;       /* the CONNACK has come on this transport */
    bool stable;          /* and stable_ms have passed since */
    bool was_connected;   /* for DISCONNECTED */
    bool session_present; /* for CONNECTED */
    bool session_doubt;   /* a CONNECT had no CONNACK: the session may be a new one since */
    bool ping_wanted;     /* a PINGREQ is to be written */
    bool ping_sent;       /* a PINGRESP is awaited */
    bool ping_told;       /* which is to be a PONG event */
    bool ping_asked;      /* the owner wants one more, after that PINGRESP */
    bool bye_written;     /* the DISCONNECT is in tx */
    bool qos0_suspect;    /* a QoS 0 PUBLISH was written and nothing has been heard since */
    bool rx_released;     /* the owner is done with the message: its PUBACK may be written */
    uint8_t rx_header;    /* size of the present packet's fixed header */
    uint8_t sub_phase;    /* which kind of packet sub_id is */
    uint8_t sub_tries;    /* 0: not out yet; else that times retry_ms after sub_ms it is repeated */
    bool sub_again;       /* it is to be written once more */
    uint16_t sub_id;      /* of the SUBSCRIBE or UNSUBSCRIBE under way; 0: none */
    uint16_t rx_ack;      /* packet id of the PUBACK owed; 0: none */
    uint16_t keep_alive_s; /* on this connection */
    uint8_t code;          /* for DISCONNECTED and PUBLISHED: a reason code */
    bool drop_unfit;       /* for DROPPED */

    uint32_t now_ms;   /* as last told */
    uint32_t since_ms; /* when the present state began */
    uint32_t wait_ms;  /* WAITING: how long */
    uint32_t ping_ms;  /* when a PINGREQ was wanted */
    uint32_t heard_ms;
    uint32_t spoke_ms;
    uint32_t qos0_ms;
    uint32_t sub_ms; /* when sub_id was first written, then: was out */
    elo_err reason;  /* why the transport is, or was last, given up */

    uint32_t rx_at;    /* bytes taken of the present packet */
    uint32_t rx_total; /* its size; 0: not yet known */
    size_t tx_at;
    size_t tx_end;

    elo_span text;                   /* for DISCONNECTED */
    struct elo_mqtt_publish message; /* for MESSAGE and OVERSIZE */
    uint32_t oversize;
    uint32_t token;      /* for PUBLISHED */
    uint32_t drop_count; /* for DROPPED */
    uint32_t drop_first;
    uint32_t drop_last;

    struct elo__outbox outbox;
    struct elo_client_config config;
};

struct elo_client {
    struct elo__client _internal;
};

/* Sets every field to 0, aws_limits, and the defaults named above. */
void elo_client_defaults(struct elo_client_config *config);

/*
 * Makes the engine; it is STOPPED. Any former content of `*c` is forgotten.
 *
 * ELO_E_NO_SPACE    rx is under ELO_CLIENT_MIN_RX, or tx cannot hold the CONNECT
 * ELO_E_TOO_LARGE   client id over 128 bytes, a string over 65,535
 * ELO_E_UTF8        client id, user name or will topic
 * ELO_E_TOPIC       the will's topic
 * ELO_E_UNSUPPORTED a will with QoS 2; an empty client id with a persistent session
 *                   [MQTT-3.1.3-7]; a client id that starts with `$` (AWS); a password without a
 *                   user name
 */
ELO_MUST_USE elo_err elo_client_init(struct elo_client *c, const struct elo_client_config *config);

/* Go and stay connected. The first attempt is at once. Harmless when started already. */
void elo_client_start(struct elo_client *c, uint32_t now_ms);

/*
 * Say goodbye: what is half written and the DISCONNECT go out, then the wish is CLOSED. Messages in
 * the outbox stay there for the next start; wait for elo_client_pending() == 0 if you would rather
 * have them gone. A DISCONNECTED event with ELO_OK follows if a connection had been made.
 */
void elo_client_stop(struct elo_client *c, uint32_t now_ms);

/* WAITING: do it now - the network has come back, a person pressed a button. Else harmless. */
void elo_client_retry_now(struct elo_client *c, uint32_t now_ms);

elo_client_state elo_client_get_state(const struct elo_client *c);

elo_client_wish elo_client_wants(const struct elo_client *c);

/* The transport can carry bytes (TLS and all). The engine writes its CONNECT. */
void elo_client_transport_open(struct elo_client *c, uint32_t now_ms);

/*
 * The transport is gone, or could not be opened. `reason`: ELO_OK when closed because the engine
 * wanted it, ELO_E_TCP_CLOSED when the peer closed it (also by a TLS close_notify), else whatever
 * made it fail. Bytes not yet acked are forgotten; events already waiting are still to be had.
 */
void elo_client_transport_closed(struct elo_client *c, elo_err reason, uint32_t now_ms);

/*
 * Bytes from the peer, in pieces of any size. Returns how many were taken: all of them, or up to
 * the end of a packet that has made an event, or for whose PUBACK there is no room just now. Take
 * the events, then the output, then give the rest. Ends the life of the last MESSAGE's spans.
 */
size_t elo_client_input(struct elo_client *c, elo_span bytes, uint32_t now_ms);

/*
 * Bytes for the peer; empty when there are none. Valid until the next call of any function on
 * this client but the next two. Large ones point into the outbox: nothing is copied.
 */
elo_span elo_client_output_buf(struct elo_client *c);

/* `count` bytes of the last elo_client_output_buf() are with the transport. */
void elo_client_output_ack(struct elo_client *c, size_t count, uint32_t now_ms);

/* The next event; false when there is none. See the union for what lives until when. */
bool elo_client_next_event(struct elo_client *c, struct elo_client_event *out);

/* When elo_client_tick() is next needed; false: not before something else happens. */
bool elo_client_next_deadline(const struct elo_client *c, uint32_t *out_ms);

/* Lets time pass: timeouts, keep-alive, repetition, the end of a wait. Never too often. */
void elo_client_tick(struct elo_client *c, uint32_t now_ms);

/*
 * Puts a message into the outbox.
 *
 * ELO_E_NOT_CONNECTED  QoS 0, not ONLINE, and queue_qos0 is false
 * ELO_E_OUTBOX_FULL    no room: see elo_client_policy
 * ELO_E_TOO_LARGE      larger than the whole outbox; with aws_limits: a payload over 128 KiB
 * ELO_E_TOPIC          not a topic name; with aws_limits also: over 256 bytes or seven slashes,
 *                      not counting `$aws/rules/NAME/`, or a `$` topic that is not `$aws/...`
 * ELO_E_UTF8           the topic
 * ELO_E_UNSUPPORTED    QoS 2
 */
ELO_MUST_USE elo_err elo_client_publish(struct elo_client *c,
                                        const struct elo_client_message *message);

/*
 * Asks the server for a sign of life: PONG follows when it has read all that was written before
 * this call, or DISCONNECTED if it hung up instead. The one way to learn that a QoS 0 message was
 * let through: publish, wait for elo_client_pending() == 0, then ping. Calls made while one waits
 * for its answer share one further PONG. Unanswered for ping_timeout_ms: ELO_E_PING_TIMEOUT.
 *
 * ELO_E_NOT_CONNECTED  not ONLINE
 */
ELO_MUST_USE elo_err elo_client_ping(struct elo_client *c, uint32_t now_ms);

/* Messages in the outbox: not yet written, or without their PUBACK. */
size_t elo_client_pending(const struct elo_client *c);

/* The largest packet plus overhead, in bytes, that the outbox takes without dropping anything. */
size_t elo_client_room(const struct elo_client *c);

/*
 * Subscribes, now or when connected, and keeps it so. `filter` is borrowed until its UNSUBSCRIBED
 * or refused SUBSCRIBED event (or the end of the engine). Call it for each filter: those asked for
 * between two outputs share packets. A filter subscribed already is asked for again with this QoS.
 * SUBSCRIBED follows each time the server agrees, also when the engine re-subscribes by itself.
 * Of several calls for one filter the last one counts, and it alone has its event.
 *
 * ELO_E_NO_SPACE    no free entry in subs, or the filter does not fit tx
 * ELO_E_TOPIC       not a topic filter; with aws_limits also: over 256 bytes or seven slashes, not
 *                   counting `$share/NAME/`, or a `$` filter that is neither that nor `$aws/...`
 * ELO_E_UTF8        the filter
 * ELO_E_UNSUPPORTED QoS 2
 */
ELO_MUST_USE elo_err elo_client_subscribe(struct elo_client *c, elo_span filter, uint8_t qos);

/*
 * Unsubscribes, now or when connected. UNSUBSCRIBED follows. A filter that this engine does not
 * know (of a former life of a persistent session) is borrowed and takes an entry meanwhile.
 * Errors as elo_client_subscribe().
 */
ELO_MUST_USE elo_err elo_client_unsubscribe(struct elo_client *c, elo_span filter);

#ifdef __cplusplus
}
#endif

#endif
