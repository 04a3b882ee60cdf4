// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The pump of one connection: an elo_client, its TLS engine, and a stream of the machine's.
 *
 *      elo_client  <->  elo_tls  <->  struct elo_net  <->  network
 *
 * It does what the client wants (open, close), moves bytes in both directions, and gives up what
 * takes too long. It has no sockets, no clock and no source of random bytes: those are the port's.
 *
 * Life cycle: elo_link_init, elo_client_start, then for as long as it runs
 *
 *      busy = elo_link_step(&link, now_ms);
 *      while (elo_client_next_event(client, &event))
 *          handle it; publish, subscribe ...
 *      if (!busy)
 *          wait for the network (elo_link_interest), at most elo_link_wait_ms
 *
 * and elo_link_deinit. Take all events after each step: a waiting event holds up the input behind
 * it. The client is used directly, with the same clock.
 *
 * How much a step does: everything that can be done without waiting, in a bounded number of rounds.
 * With `small_steps` one round until the connection stands: at most one opening, or one reception,
 * and of the handshake's arithmetic at most one block (see elo_tls_config, stepwise, which it
 * implies); from then on four, which take a record in or send what the client has. That is for a
 * loop() with other duties and a watchdog; everything else is the same.
 *
 * Why a connection failed is what the client's DISCONNECTED event says; elo_link_diagnosis has the
 * numbers behind it.
 *
 * TLS sessions: with `keep_session` a reconnection resumes the last one, which spares most of the
 * arithmetic. elo_link_session and elo_link_resume carry one over a deep sleep. A session whose
 * handshake fails is forgotten.
 *
 * Memory: this struct (on the ESP8266 the TLS engine and about 250 bytes; not to be moved once
 * initialised), the client, and what the configs point to. tls.handshake is in use from the opening
 * until elo_tls_borrows() says no, see `proven`. Stack: as elo_tls, see there.
 * Re-entrancy: no globals; one link belongs to one thread.
 */
#ifndef ELO_LINK_LINK_H
#define ELO_LINK_LINK_H

#include "elo/client/client.h"
#include "elo/link/net.h"
#include "elo/tls/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kept by reference while the link lives. Fields of `tls` that are read for each connection (roots,
 * identity, clock_floor) may be changed while there is none. */
struct elo_link_config {
    /*
     * As for elo_tls_init, but `entropy` is not used (see the callback), nor is `resume` (see
     * keep_session), and now_unix 0, the usual, means that the callback is asked for each
     * connection.
     */
    struct elo_tls_config tls;

    struct elo_net net;        /* copied: may be a temporary */
    struct elo_client *client; /* initialised before the link's first step */

    const char *address; /* where to connect, if not to tls.host: a proxy, a test. NULL: tls.host */
    uint16_t port;

    /* For connecting, name look-up included, counted anew for each address; 0: 10 000. The whole
     * TLS handshake; 0: 20 000. Under 2^31. */
    uint32_t connect_timeout_ms;
    uint32_t handshake_timeout_ms;

    bool keep_session; /* resume the TLS session when reconnecting */
    bool small_steps;  /* few rounds a step: see above */

    /* Fills `out` with fresh random bytes, or fails: ELO_E_ENTROPY. */
    elo_err (*entropy)(void *ctx, uint8_t *out, size_t len);

    /* The wall clock, seconds since 1970 UTC; 0 when it is not known: then the attempt fails with
     * ELO_E_CLOCK, without a connection. */
    uint32_t (*now_unix)(void *ctx);

    /* NULL, or called in a handshake as soon as tls.handshake is no longer borrowed: the server is
     * proven, and its memory is the owner's again. Here is the place to read the identity's
     * certificate into it and name it (elo_tls_present), if tls.identity was NULL. Its failure is
     * the connection's. */
    elo_err (*proven)(void *ctx, struct elo_tls *tls);

    void *ctx; /* of these three */
};

/* Where the connection is. */
typedef enum elo_link_phase {
    ELO_LINK_IDLE,       /* none */
    ELO_LINK_CONNECTING, /* name look-up, TCP */
    ELO_LINK_SHAKING,    /* TLS handshake */
    ELO_LINK_OPEN,       /* carries MQTT */
    ELO_LINK_CLOSING,    /* said goodbye, waits for the peer's */
    ELO_LINK_FAILED      /* the client is told with the next step */
} elo_link_phase;

/* What the last connection ended with, or the present one is about. */
struct elo_link_diagnosis {
    elo_err reason;                    /* ELO_OK: none has failed */
    int error;                         /* the machine's number, 0 if none */
    int tls_error;                     /* BearSSL's number, 0 if none */
    int tls_alert;                     /* alert of the server, -1 if none */
    uint32_t handshake_ms;             /* of the last handshake that was completed, 0: none yet */
    bool resumed;                      /* that one was offered a session to resume */
    char address[ELO_NET_ADDRESS_MAX]; /* "192.0.2.1:8883", empty if none was reached for */
};

struct elo_link {
    struct {
        const struct elo_link_config *config;
        struct elo_net net;
        struct elo_tls tls;
        struct elo_tls_session session;
        struct elo_link_diagnosis diagnosis;
        bool has_session;
        bool lent;  /* tls.handshake is */
        bool timed; /* since_ms is known: set by the first step in a phase */
        uint8_t phase;
        uint32_t since_ms; /* when the phase, or the try of an address, began */
    } _internal;
};

/* What elo_link_step would like to happen next; flags of elo_link_interest. */
enum {
    ELO_LINK_SEND = 1,   /* the stream has room again (or, connecting, has news) */
    ELO_LINK_RECEIVE = 2 /* bytes come */
};

/* Nothing is opened yet. `config` is kept by reference, the client in it need not be ready yet. */
void elo_link_init(struct elo_link *link, const struct elo_link_config *config);

/*
 * One step. true: there may be client events, or there is more to do at once; false: nothing more
 * can be done before the network has news (elo_link_interest), elo_link_wait_ms have passed, or the
 * owner has asked something of the client.
 */
bool elo_link_step(struct elo_link *link, uint32_t now_ms);

/* The machine knows that the network is gone (the Wi-Fi was lost): what there is of a connection is
 * given up for `reason`. Harmless when there is none. */
void elo_link_cut(struct elo_link *link, elo_err reason);

/* Milliseconds until something is to be done without input: 0 now, UINT32_MAX never. */
uint32_t elo_link_wait_ms(const struct elo_link *link, uint32_t now_ms);

/* What to wait for: ELO_LINK_... flags, 0 when there is no connection. */
unsigned elo_link_interest(const struct elo_link *link);

elo_link_phase elo_link_get_phase(const struct elo_link *link);

/* The TLS engine of the present or last connection, to ask for its suite, dates, protocol. */
const struct elo_tls *elo_link_tls(const struct elo_link *link);

/* Valid until the next step. */
const struct elo_link_diagnosis *elo_link_diagnosis(const struct elo_link *link);

/* The session that the next connection would resume. It holds a secret: RTC memory is fine, a log
 * is not. ELO_E_NOT_FOUND: there is none. */
ELO_MUST_USE elo_err elo_link_session(const struct elo_link *link, struct elo_tls_session *out);

/* Resume this session with the next connection. It must be of the same endpoint, identity and
 * roots, see elo_tls_config. Needs keep_session. NULL: forget the one there is. */
void elo_link_resume(struct elo_link *link, const struct elo_tls_session *session);

/* Closes the stream, without goodbyes (elo_client_stop says them), and wipes the session. */
void elo_link_deinit(struct elo_link *link);

#ifdef __cplusplus
}
#endif

#endif
