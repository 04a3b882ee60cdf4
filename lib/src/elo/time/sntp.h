// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * SNTP packets: the client's part of RFC 4330 and RFC 5905, as pure functions. Who asks whom and
 * when, and what is believed, is clock.h's part.
 *
 * A request carries nothing about this device: all fields are 0 but version and mode, and a random
 * number stands where RFC 4330 has the client's own time. A server copies that number into its
 * answer, so an answer without it was made by somebody who did not see the question: that is the
 * whole protection that plain SNTP has against forgers. It is none against those on the way.
 *
 * Time is given in seconds since 1970 UTC, as 32 bits: good until 2106, and so across 2036, when
 * the seconds of NTP begin anew ("NTP era 1"): in 32 bits the difference of the two epochs is the
 * same in both. Leap seconds are the server's.
 */
#ifndef ELO_TIME_SNTP_H
#define ELO_TIME_SNTP_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A request has this many bytes; an answer at least. */
#define ELO_SNTP_BYTES 48

/* The UDP port of time servers. */
#define ELO_SNTP_PORT 123

/* The number that ties an answer to its question. All 64 bits random, and hard to guess. */
struct elo_sntp_nonce {
    uint32_t high;
    uint32_t low;
};

struct elo_sntp_reply {
    uint32_t unix_s;        /* the time at which the answer came in */
    uint16_t ms;            /* 0 ... 999 */
    uint32_t round_trip_ms; /* on the way, both ways together, without the server's own time */
    uint8_t stratum;        /* 1: it has a clock of its own ... 15; 0: see kiss */
    char kiss[5]; /* after ELO_E_TIME_KISS: the reason, "RATE", "DENY", "RSTR" ...; else "".
                     Whatever is not A-Z or 0-9 in it is shown as '?' */
};

/* Writes the ELO_SNTP_BYTES bytes of a request. */
void elo_sntp_request(const struct elo_sntp_nonce *nonce, uint8_t *out);

/*
 * Reads an answer that came `elapsed_ms` after its question was sent.
 *
 * ELO_E_MALFORMED      under ELO_SNTP_BYTES bytes (what follows them is not looked at)
 * ELO_E_TIME_NOT_OURS  it does not carry our nonce, or is no answer at all (mode, version)
 * ELO_E_TIME_KISS      stratum 0: the server does not want to be asked; `kiss` says why
 * ELO_E_TIME_UNSYNCED  leap indicator 3, a stratum over 15, an error of 16 s and more to its own
 *                      reference, or no time in it: the server does not know it
 * The first two say nothing about the server: go on waiting for its answer. `out` is written, all
 * of it, with ELO_OK; with ELO_E_TIME_KISS only `kiss` has a meaning.
 */
ELO_MUST_USE elo_err elo_sntp_read(elo_span datagram,
                                   const struct elo_sntp_nonce *nonce,
                                   uint32_t elapsed_ms,
                                   struct elo_sntp_reply *out);

#ifdef __cplusplus
}
#endif

#endif
