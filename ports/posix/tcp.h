// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One outgoing TCP connection, non-blocking.
 *
 * Life cycle: posix_tcp_start, then wait until `fd` is writable and call posix_tcp_step until it
 * says ELO_OK; then send and recv as `fd` allows; posix_tcp_close. A name may have several
 * addresses, IPv6 and IPv4: they are tried one after the other in the order of the system's policy
 * (getaddrinfo, RFC 6724). The owner keeps the time: when one address has had enough of it, it
 * calls posix_tcp_give_up and the next one has its turn. `fd` changes between addresses.
 *
 * The look-up of the name blocks, as the system's resolver does (its time-out is usually 10 s);
 * "localhost" and numeric addresses do not.
 *
 * Errors: when every address has failed, the most telling reason of all is reported: refused
 * before timed out before no route. SIGPIPE is never raised.
 */
#ifndef PORTS_POSIX_TCP_H
#define PORTS_POSIX_TCP_H

#include "elo/base/err.h"
#include "elo/base/span.h"

struct addrinfo;

struct posix_tcp {
    int fd; /* -1: none. For poll: writable while connecting */
    struct {
        struct addrinfo *list, *at;
        elo_err reason; /* the most telling failure so far */
        int error;      /* its errno */
    } _internal;
};

/* No connection; to be called once before the others. */
void posix_tcp_init(struct posix_tcp *tcp);

/*
 * Looks up `host` and begins to connect. ELO_NEED_MORE: wait for `fd` to be writable, then step;
 * ELO_OK: connected at once; else failed: ELO_E_DNS (no such name, or no answer to the question),
 * ELO_E_NETWORK, ELO_E_TCP_REFUSED, ELO_E_IO ...
 */
ELO_MUST_USE elo_err posix_tcp_start(struct posix_tcp *tcp, const char *host, uint16_t port);

/* How is it going? Answers as posix_tcp_start. */
ELO_MUST_USE elo_err posix_tcp_step(struct posix_tcp *tcp);

/* Time is up for this address: ELO_NEED_MORE when the next one is being tried, ELO_OK if that
 * connected at once, ELO_E_TCP_TIMEOUT or a more telling reason when there is none left. */
ELO_MUST_USE elo_err posix_tcp_give_up(struct posix_tcp *tcp);

/* Sends what fits: ELO_OK and `*out_len` > 0, ELO_NEED_ROOM when nothing fits now, else failed:
 * ELO_E_TCP_CLOSED when the peer is gone. `bytes` is not empty. */
ELO_MUST_USE elo_err posix_tcp_send(struct posix_tcp *tcp, elo_span bytes, size_t *out_len);

/* Receives what is there, `cap` > 0: ELO_OK and `*out_len` > 0, ELO_NEED_MORE when nothing is there
 * now, ELO_END at the end of the stream, else failed. */
ELO_MUST_USE elo_err posix_tcp_recv(struct posix_tcp *tcp,
                                    uint8_t *buf,
                                    size_t cap,
                                    size_t *out_len);

/* Tells the peer that no more will be sent; receiving goes on. */
void posix_tcp_finish(struct posix_tcp *tcp);

/* Closes and forgets. Harmless when there is nothing. */
void posix_tcp_close(struct posix_tcp *tcp);

/* For logs: the errno behind the last failure, 0 if none; the address tried or connected to, as
 * "[2001:db8::1]:8883", always terminated, empty if none. */
int posix_tcp_errno(const struct posix_tcp *tcp);
void posix_tcp_address(const struct posix_tcp *tcp, char *out, size_t cap);

/* The reason for an errno of a socket call. */
elo_err posix_tcp_error(int error);

#endif
