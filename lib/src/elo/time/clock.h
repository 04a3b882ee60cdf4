// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What time it is, on a board that has no clock of its own.
 *
 * Purpose
 *   TLS needs the time to judge certificates, and a board wakes up without any. This engine asks
 *   several time servers in turn, believes what can be, keeps the time between two answers, and
 *   says how sure it is. It never waits: no answer means that the device goes on without the time,
 *   says so, and asks again later. Like elo_client it does no I/O: datagrams and times go in; a
 *   wish, datagrams, events and the next deadline come out.
 *
 * Life cycle
 *   elo_clock_defaults() -> fill in the config -> elo_clock_init() -> elo_clock_start(), then for
 *   as long as it runs, in any order and as often as you like:
 *
 *     switch (elo_clock_wants(c, &server)) {
 *     case ELO_CLOCK_WANTS_QUESTION:      resolve the name of server number `server`, then
 *         elo_clock_question(c, bytes, now);       send these ELO_SNTP_BYTES from a fresh port
 *         or, when that failed,                    elo_clock_failed(c, ELO_E_DNS, now);
 *     case ELO_CLOCK_WANTS_ANSWER:        for each datagram that comes from it
 *         elo_clock_answer(c, datagram, now);
 *     case ELO_CLOCK_WANTS_NOTHING:       a socket still open can be closed
 *     }
 *     while (elo_clock_next_event(c, &event))                                   handle it
 *     if ((int32_t)(now - elo_clock_next_deadline(c)) >= 0)
 *                                         elo_clock_tick(c, now);
 *
 *   A platform with SNTP of its own does without elo_clock_start() and gives what it has learnt to
 *   elo_clock_set(). There is nothing to deinit. After a deep sleep, in which the counter of
 *   milliseconds begins anew, the engine is made anew with the last floor.
 *
 * What is believed
 *   The floor is the latest time that is known to have been: the time at which the firmware was
 *   built, or the one that the owner kept (saved_floor). An answer is refused
 *     - before the build time, always: no firmware runs before it was made;
 *     - while the time is not known: more than max_step_s before the saved floor, or more than
 *       max_ahead_s after the later of the two floors;
 *     - once it is known: more than max_step_s from our own clock.
 *   The next server is asked then. If `overrule` servers of one round agree (ELO_CLOCK_AGREE_S),
 *   they are right and we were wrong: a floor that one bad answer had lifted is lowered again.
 *
 *   Who can forge the answers of several servers - somebody on the way to all of them - can so set
 *   the clock: plain SNTP has no secret. What is won by it is certificates judged at a wrong date,
 *   though never one before the build time. `overrule` 0 gives nobody that power, at the price
 *   that a device with a wrong floor stays without time until its owner says better.
 *
 * Who asks us to stop (kiss-o'-death; RFC 5905, 7.4)
 *   A server that says DENY or RSTR is not asked again; when all have said so they are left alone
 *   for a day. RATE makes the wait after a failed round long, half the cap at least.
 *
 * How sure, elo_clock_get_state()
 *   UNSET       nothing is known: neither answer nor floor
 *   FLOOR_ONLY  it is after the floor; nothing more is known
 *   SYNCED      a server answered within stale_s
 *   STALE       longer ago. The time is still kept, at the pace of the board's crystal (seconds a
 *               day at worst), which is good enough for certificates
 *
 * Degraded mode: allow_floor, off unless you set it
 *   elo_clock_for_tls() gives the time that certificates may be judged by: elo_tls_config's
 *   now_unix; elo_clock_floor() is its clock_floor. While the time is not known (UNSET,
 *   FLOOR_ONLY) it says ELO_E_CLOCK: no TLS, wait or work offline. With allow_floor it gives the
 *   floor instead. Know what that means: it is later than the floor, so
 *     - a server certificate that expired after the floor is still taken for good. Somebody with
 *       the key of such an old certificate could play the server;
 *     - a server certificate made after the floor is refused as not yet valid (ELO_E_CLOCK). A
 *       floor of some weeks ago still works with AWS, whose certificates live for a year.
 *   Whoever blocks UDP port 123 makes you use it. Trust anchors and names are checked as ever.
 *
 * Memory: struct elo_clock, 188 bytes on the chip; nothing is borrowed but random_ctx.
 *
 * Times
 *   now_ms is uint32_t milliseconds of a counter that wraps after 49.7 days and starts anywhere;
 *   the wrap costs nothing, no millisecond is lost or rounded. Deadlines see to it that the engine
 *   looks at the counter often enough, stopped or not. When the counter steps back, the time
 *   stands still until it has caught up. Wall time is seconds since 1970 UTC, good until 2106.
 *   Spans in the config that end on _ms are under 2^31.
 *
 * Re-entrancy: no globals. One engine belongs to one thread.
 */
#ifndef ELO_TIME_CLOCK_H
#define ELO_TIME_CLOCK_H

#include "elo/time/sntp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most servers an engine can have. */
#define ELO_CLOCK_MAX_SERVERS 8

/* Servers agree when they are this close, in seconds. */
#define ELO_CLOCK_AGREE_S 10

/* A random number, all 32 bits of it and hard to guess: it is what forgers would have to know. */
typedef uint32_t (*elo_clock_random_fn)(void *ctx);

/* Copied by elo_clock_init(). Call elo_clock_defaults() first. */
struct elo_clock_config {
    uint8_t servers; /* must: how many there are, 1 ... ELO_CLOCK_MAX_SERVERS; asked in their order,
                        beginning with the one that answered last. 0: only elo_clock_set() */
    uint8_t overrule; /* 2. Servers that must agree to be believed against all we know; 0, or more
                         than there are: none is. Each counts once; of two names for one machine we
                         cannot know. So name three or more */
    bool allow_floor; /* false. See "Degraded mode" */

    uint32_t build_floor; /* must: when this firmware was built. 0, and no saved_floor: the first
                             answer is believed whatever it says */
    uint32_t saved_floor; /* the last SAVE event's floor; 0: none was kept */
    uint32_t max_ahead_s; /* 5 years. How long the device may have lain in a drawer. One wrong
                             server at power-on can be believed by as much; 0: none is, the first
                             time of all is one on which `overrule` servers agree */
    uint32_t max_step_s;  /* 1 000. How wrong our own clock may have become between two answers */
    uint32_t stale_s;     /* 2 days */
    uint32_t save_s;      /* 12 hours. A new floor is told when it is this much later than the last:
                             flash wears. 0: at each answer */

    uint32_t resolve_ms;       /* 10 000. For the owner to resolve a name and take the question */
    uint32_t timeout_ms;       /* 3 000. For the answer */
    uint32_t backoff_base_ms;  /* 5 000. After all servers failed the wait is floor + random(0 ...
                                  min(cap, base * 2^n)), n rounds after the last answer */
    uint32_t backoff_cap_ms;   /* 900 000 */
    uint32_t backoff_floor_ms; /* 15 000: no server may be asked more often (RFC 4330, 10), whatever
                                  the owner calls */
    uint32_t resync_ms;        /* 6 hours. From an answer to the next question; it is three quarters
                                  to all of it, by chance */

    elo_clock_random_fn random; /* must, with servers */
    void *random_ctx;
};

typedef enum elo_clock_state {
    ELO_CLOCK_UNSET,
    ELO_CLOCK_FLOOR_ONLY,
    ELO_CLOCK_SYNCED,
    ELO_CLOCK_STALE
} elo_clock_state;

/* The engine's wish of its owner; a level, not an edge. */
typedef enum elo_clock_wish {
    ELO_CLOCK_WANTS_NOTHING,
    ELO_CLOCK_WANTS_QUESTION,
    ELO_CLOCK_WANTS_ANSWER
} elo_clock_wish;

typedef enum elo_clock_event_type {
    ELO_CLOCK_SET,     /* u.set: an answer or elo_clock_set() was believed */
    ELO_CLOCK_REFUSED, /* u.refused: a server failed; the last one, if you did not ask in between */
    ELO_CLOCK_FAILED,  /* u.failed: all servers failed; the device goes on, degraded */
    ELO_CLOCK_SAVE     /* u.save: keep this floor, and give it to the next elo_clock_init() */
} elo_clock_event_type;

/* `server` when no server was asked. */
#define ELO_CLOCK_NO_SERVER 0xFF

struct elo_clock_event {
    elo_clock_event_type type;
    union {
        struct {
            uint8_t server; /* its number, or ELO_CLOCK_NO_SERVER */
            bool first;     /* the time was not known before */
            bool overruled; /* against what we knew: `overrule` servers agree */
            int32_t step_s; /* not the first: how far our clock was moved, in seconds; held to
                               what an int32_t takes */
            uint32_t round_trip_ms; /* the time is right to half of this; 0 without a server */
        } set;
        struct {
            uint8_t server;
            elo_err reason; /* ELO_E_TIME_..., or what the owner gave to elo_clock_failed() */
            char kiss[5];   /* with ELO_E_TIME_KISS */
        } refused;
        struct {
            elo_err reason;   /* of the server that came closest */
            uint32_t wait_ms; /* until the next round */
        } failed;
        struct {
            uint32_t floor; /* unix seconds */
        } save;
    } u;
};

struct elo__clock {
    uint8_t phase;
    uint8_t events;   /* which wait: bits */
    uint8_t server;   /* asked now, or to be asked next */
    uint8_t left;     /* servers whose turn in this round is not over, this one included */
    uint8_t attempts; /* rounds without an answer: the n of the backoff */
    uint8_t denied;   /* bits: servers that want to be left alone */
    uint8_t heard;    /* bits: servers of this round that said what cannot be */
    bool known;       /* the time is */
    bool slow;        /* a server asked us to ask less */
    bool asked;       /* a question was put, at asked_ms */

    uint32_t mono_ms;  /* the counter at the last look */
    uint32_t since_ms; /* when the present phase began */
    uint32_t wait_ms;  /* RESTING: how long */
    uint32_t asked_ms;

    uint32_t unix_s; /* at mono_ms, if known */
    uint32_t ms;
    uint32_t set_at;   /* unix seconds of the last answer */
    uint32_t told_s;   /* the floor that the owner has, or is told */
    uint32_t floor_s;  /* the later of the config's two, while the time is not known */
    uint32_t round_ms; /* the counter when this round began */
    uint32_t said[ELO_CLOCK_MAX_SERVERS]; /* by those of `heard`: what time it was at round_ms */

    struct elo_sntp_nonce nonce;
    elo_err reason; /* of this round */
    struct {
        uint32_t round_trip_ms;
        uint32_t wait_ms;
        int32_t step_s;
        elo_err reason;  /* of the round */
        elo_err refused; /* of the server */
        uint8_t server;
        uint8_t refused_server;
        bool first;
        bool overruled;
        char kiss[5];
    } told; /* for events */
    struct elo_clock_config config;
};

struct elo_clock {
    struct elo__clock _internal;
};

/* Sets every field to 0 and to the defaults named above. */
void elo_clock_defaults(struct elo_clock_config *config);

/*
 * Makes the engine; it does not ask yet. Any former content of `*c` is forgotten.
 * ELO_E_TOO_LARGE: more than ELO_CLOCK_MAX_SERVERS servers.
 */
ELO_MUST_USE elo_err elo_clock_init(struct elo_clock *c,
                                    const struct elo_clock_config *config,
                                    uint32_t now_ms);

/* Ask the servers, now (but see backoff_floor_ms) and again whenever it is time. Harmless when
 * started already. */
void elo_clock_start(struct elo_clock *c, uint32_t now_ms);

/* Between two rounds: ask now - the network has come back, a person pressed a button. Else
 * harmless. */
void elo_clock_retry_now(struct elo_clock *c, uint32_t now_ms);

/* Ask no more; the time goes on. */
void elo_clock_stop(struct elo_clock *c, uint32_t now_ms);

/* The wish of the moment and, unless NOTHING, the number of the server it is about. */
elo_clock_wish elo_clock_wants(const struct elo_clock *c, uint8_t *out_server);

/*
 * Writes the ELO_SNTP_BYTES bytes of the question that is wanted: send them right away, to port
 * ELO_SNTP_PORT of that server. Only while the wish is ELO_CLOCK_WANTS_QUESTION.
 */
void elo_clock_question(struct elo_clock *c, uint8_t *out, uint32_t now_ms);

/* The server cannot be asked, or the wait for its answer ended badly. Harmless without a wish. */
void elo_clock_failed(struct elo_clock *c, elo_err reason, uint32_t now_ms);

/*
 * A datagram has come. What does not answer the question is ignored (and the wait goes on, or
 * forgers could end it): then the result is ELO_E_TIME_NOT_OURS or ELO_E_MALFORMED. Otherwise
 * ELO_OK: it was the server's answer, and events tell what became of it.
 */
elo_err elo_clock_answer(struct elo_clock *c, elo_span datagram, uint32_t now_ms);

/*
 * The platform has learnt the time by itself, in whatever way nobody has vouched for. It is judged
 * as an answer is, but cannot overrule: ELO_E_TIME_IMPLAUSIBLE. `ms` is 0 ... 999.
 */
ELO_MUST_USE elo_err elo_clock_set(struct elo_clock *c,
                                   uint32_t unix_s,
                                   uint16_t ms,
                                   uint32_t now_ms);

/*
 * The same from somebody who knows: a person, or a message over verified TLS. Only the build time
 * is held against it: ELO_E_TIME_IMPLAUSIBLE.
 */
ELO_MUST_USE elo_err elo_clock_force(struct elo_clock *c,
                                     uint32_t unix_s,
                                     uint16_t ms,
                                     uint32_t now_ms);

elo_clock_state elo_clock_get_state(const struct elo_clock *c, uint32_t now_ms);

/* The state as a word, "unset" "floor only" "synced" "stale", into 12 bytes with its NUL. */
void elo_clock_state_word(elo_clock_state state, char *out);

/* The time; false when it is not known. `out_ms` (0 ... 999) may be NULL. */
bool elo_clock_now(const struct elo_clock *c,
                   uint32_t now_ms,
                   uint32_t *out_unix_s,
                   uint16_t *out_ms);

/* The earliest that it can be, unix seconds; 0: nothing is known. */
uint32_t elo_clock_floor(const struct elo_clock *c, uint32_t now_ms);

/* The time to judge certificates by; ELO_E_CLOCK when there is none: see "Degraded mode". */
ELO_MUST_USE elo_err elo_clock_for_tls(const struct elo_clock *c,
                                       uint32_t now_ms,
                                       uint32_t *out_unix_s);

/* The next event; false when there is none. */
bool elo_clock_next_event(struct elo_clock *c, struct elo_clock_event *out);

/* When elo_clock_tick() is next needed; there is always such a time, at most 12 days ahead. */
uint32_t elo_clock_next_deadline(const struct elo_clock *c);

/* Lets time pass. Never too often. */
void elo_clock_tick(struct elo_clock *c, uint32_t now_ms);

#ifdef __cplusplus
}
#endif

#endif
