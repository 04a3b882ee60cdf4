// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One device on a POSIX machine: elo_link over posix_tcp, and poll().
 *
 * Life cycle: posix_link_init, elo_client_start(&link.client, posix_clock_ms()), then
 *
 *      while (running) {
 *          posix_link_step(&link, 1000, NULL, 0);
 *          while (elo_client_next_event(&link.client, &event))
 *              handle it; publish, subscribe ...
 *      }
 *      posix_link_deinit(&link);
 *
 * The client is used directly, with posix_clock_ms() as its time. A step never waits when there is
 * something to do, and never runs round without a reason. Take all events after each step: a
 * waiting event holds up the input behind it. See elo/link/link.h for what a step does.
 *
 * Why a connection failed is what elo_client's DISCONNECTED event says; posix_link_diagnosis has
 * the numbers behind it, `error` being errno.
 *
 * Memory: the struct (under 9 KiB, not to be moved once initialised), the buffers in the configs,
 * and a list of addresses while connected. Blocking: only the name look-up, see tcp.h. One thread
 * at a time.
 */
#ifndef PORTS_POSIX_LINK_H
#define PORTS_POSIX_LINK_H

#include "elo/client/client.h"
#include "elo/link/link.h"
#include "ports/posix/tcp.h"

#include <poll.h>

/* Further descriptors that may be waited for together with the connection. */
#define POSIX_LINK_EXTRA_MAX 15

struct posix_link_config {
    /*
     * As for elo_tls_init, but `entropy` is not used (the kernel's is taken), nor are `resume` (see
     * keep_session) and `handshake` (the link has its own), and now_unix 0, the usual, means the
     * wall clock at each connection. All that it points to is kept by reference.
     */
    struct elo_tls_config tls;

    const char *address; /* where to connect, if not to tls.host: a proxy, a test. NULL: tls.host */
    uint16_t port;

    uint32_t connect_timeout_ms;   /* for each address; 0: 10 000 */
    uint32_t handshake_timeout_ms; /* 0: 20 000 */

    bool keep_session; /* resume the TLS session when reconnecting */
    bool small_steps;  /* as a board does it: see elo_link_config */
};

struct posix_link {
    struct elo_client client;
    struct {
        struct elo_link_config config;
        struct elo_link link;
        struct elo_tls_handshake handshake;
        struct posix_tcp tcp;
    } _internal;
};

/* Both configs are copied. Errors are elo_client_init's. Nothing is opened yet. */
ELO_MUST_USE elo_err posix_link_init(struct posix_link *link,
                                     const struct posix_link_config *config,
                                     const struct elo_client_config *client);

/*
 * One round: work, wait at most `timeout_ms` (-1: until something happens) for the network, a
 * deadline of the client, or one of the `extra` descriptors, work again. `extra` is an array for
 * poll(): set fd and events, look at revents afterwards; a pipe or eventfd among them wakes the
 * link up from another thread. Returns early, with ELO_OK, when a signal came.
 *
 * ELO_E_IO: poll() itself failed, errno tells. Failed connections are not failures of a step.
 */
ELO_MUST_USE elo_err posix_link_step(struct posix_link *link,
                                     int timeout_ms,
                                     struct pollfd *extra,
                                     size_t extra_count);

/* The pump itself, for who shares it with other machines. */
struct elo_link *posix_link_pump(struct posix_link *link);

/* The TLS engine of the present or last connection, to ask for its suite, dates, protocol. */
const struct elo_tls *posix_link_tls(const struct posix_link *link);

/* Valid until the next step. */
const struct elo_link_diagnosis *posix_link_diagnosis(const struct posix_link *link);

/* Closes the socket, without goodbyes (elo_client_stop says them), and wipes the session. */
void posix_link_deinit(struct posix_link *link);

#endif
