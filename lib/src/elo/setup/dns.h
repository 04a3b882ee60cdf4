// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The captive portal's name server: every name is the board (RFC 1035), so that a phone that joins
 * the set-up network finds the page by itself.
 *
 * A pure function from datagram to datagram. A query for A (or ANY) of class IN is answered with
 * the board's address and a short life; any other type with no records ("NOERROR", so that a phone
 * does not ask elsewhere for IPv6); another operation than a query with NOTIMP. What is malformed,
 * is an answer itself, or asks not exactly one question is dropped. An answer is at most 16 bytes
 * longer than its query.
 */
#ifndef ELO_SETUP_DNS_H
#define ELO_SETUP_DNS_H

#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The largest query that is answered: a name of 255 bytes, its header and an EDNS record. */
#define ELO_DNS_QUERY_MAX  512u
#define ELO_DNS_ANSWER_MAX (12u + 255u + 4u + 16u)

/* Seconds that a phone may remember the address: it is to find the real one right after set-up. */
#define ELO_DNS_LIFE_S 5u

/* The length of the answer in `out`, 0: none is to be sent (or `cap` is too small). `out` and
 * `query` must not overlap. */
size_t elo_dns_answer(elo_span query, const uint8_t address[4], uint8_t *out, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
