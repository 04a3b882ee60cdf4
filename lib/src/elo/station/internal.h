// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the station's files share. Private to them.
 *
 *   station.c   the machine's state: start, step, Wi-Fi, time, recovery
 *   traffic.c   what goes up and comes down: queue, client, events
 *   command.c   a command, whole or not at all
 *   message.c   JSON: telemetry, state, reply, describe, health
 *   status.c    in words               words.c  words in flash               led.c  the LED
 */
#ifndef ELO_STATION_INTERNAL_H
#define ELO_STATION_INTERNAL_H

#include "elo/json/write.h"
#include "elo/station/led.h"
#include "elo/station/station.h"

enum {
    ELO__DESCRIBE_NEW,
    ELO__DESCRIBE_SENT,  /* with the client */
    ELO__DESCRIBE_ASKED, /* written, and a ping behind it */
    ELO__DESCRIBE_TAKEN,
    ELO__DESCRIBE_REFUSED
};
enum { ELO__STAYS, ELO__RESTART_WANTED, ELO__RESTARTS, ELO__STOPS };

/* --- words.c: constants stay in flash, see elo/base/flash.h --------------------------------------
 */

/* A NUL-terminated text in flash of up to 63 bytes, in RAM. */
struct elo__word {
    char text[64];
    size_t len;
};
elo_span elo__word(struct elo__word *w, const char *flash);

void elo__key(struct elo_json_writer *w, const char *flash);
void elo__value(struct elo_json_writer *w, const char *flash); /* a string */
bool elo__is_word(elo_span text, const char *flash);

/* Plain text into a buffer; always terminated, cut where it ends. */
struct elo__line {
    char *out;
    size_t cap, len;
};
void elo__line_init(struct elo__line *l, char *out, size_t cap);
void elo__line_word(struct elo__line *l, const char *flash);
void elo__line_text(struct elo__line *l, elo_span text);
void elo__line_int(struct elo__line *l, int32_t value);

/* --- message.c: each writes JSON into scratch; the length, 0 if it does not fit ------------------
 */

size_t elo__write_telemetry(struct elo_station *s,
                            const struct elo_board_reading *r,
                            uint32_t unix_s, /* 0: not with it */
                            bool with_health);
size_t elo__write_state(struct elo_station *s);
size_t elo__write_describe(struct elo_station *s);

/* What a reading has is described from then on; what none had before makes that due. */
void elo__see(struct elo_station *s, const struct elo_board_reading *r);

/* `error` in flash, NULL: it was obeyed. `describe`: with the description in it, or with the error
 * that there is no room for it. */
size_t elo__write_reply(struct elo_station *s, elo_span id, const char *error, bool describe);

/* --- command.c -----------------------------------------------------------------------------------
 */

struct elo__command {
    elo_span id;       /* raw JSON; empty: it is no command */
    const char *error; /* in flash; NULL: fine */
    uint32_t id_hash, words_hash;
    uint16_t interval_s;
    uint16_t identify_s; /* 0: not asked */
    bool led, relay, restart, describe;
};

/* Reads a command over what is so now. Nothing is changed but `out`. */
void elo__command_read(const struct elo_station *s, elo_span text, struct elo__command *out);

/* --- traffic.c -----------------------------------------------------------------------------------
 */

/* Events of the client, readings, the queue, what is due; true when there is more to do. */
bool elo__traffic(struct elo_station *s);

/* A reading, now, if there is room for it. */
void elo__measure(struct elo_station *s);

/* --- station.c -----------------------------------------------------------------------------------
 */

void elo__keep(struct elo_station *s);
void elo__tell(struct elo_station *s, const struct elo_station_news *news);
bool elo__passed(uint32_t now, uint32_t at);

/* The wall clock, 0 if it is not known. */
uint32_t elo__unix(const struct elo_station *s);

#endif
