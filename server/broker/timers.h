// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: deadlines, a binary heap of timers that lie in their owners.
 *
 * Every connection, session and queue of a shared group owns one timer. Its place in the heap is
 * reserved when the owner is made, so that arming cannot fail.
 *
 * Timers are lazy: what pushes a deadline back (a packet, an acknowledgement) does not touch the
 * heap; the owner looks when the timer rings and arms it again if it is too early.
 */
#ifndef ELO_SERVER_BROKER_TIMERS_H
#define ELO_SERVER_BROKER_TIMERS_H

#include "elo/base/span.h"

enum timer_kind {
    TIMER_CONNECTION,
    TIMER_SESSION,
    TIMER_SHARE,
    TIMER_RETAINED,
    TIMER_RECEIPT,
    TIMER_JOURNAL,
    TIMER_LIFE
};

struct timer {
    int64_t due_ms;
    uint32_t place; /* index in the heap and one; 0: not armed */
    uint8_t kind;   /* enum timer_kind: what it lies in */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
    size_t owners;
};

/* A place for one more owner. false: out of memory. */
bool broker__timers_join(struct timers *t, struct timer *timer, enum timer_kind kind);
void broker__timers_leave(struct timers *t, struct timer *timer); /* disarms, too */
void broker__timers_free(struct timers *t);

/* Arms, or moves if armed. */
void broker__timers_set(struct timers *t, struct timer *timer, int64_t due_ms);
void broker__timers_cancel(struct timers *t, struct timer *timer);

/* INT64_MAX: none is armed. */
int64_t broker__timers_next(const struct timers *t);

/* Disarms and returns one that is due at `now_ms`; NULL: none. */
struct timer *broker__timers_pop(struct timers *t, int64_t now_ms);

#endif
