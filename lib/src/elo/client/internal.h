// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the client's files share. Private to them. One mechanism each:
 *
 *   client.c     life cycle, transport, time: the state machine
 *   input.c      the stream: bytes to packets, packets to the mechanism they belong to
 *   output.c     what to write next, and into tx
 *   event.c      what the owner is told
 *   publish.c    elo_client_publish(), the policies   outbox.c   the queue under it
 *   subscribe.c  remembered filters, SUBSCRIBE and UNSUBSCRIBE
 *   reasons.c    why a connection ended
 *   limits.c     what the server would refuse
 *   mqtt5.c      what is different in MQTT 5, behind mqtt5_hooks.h; alias.c its topic aliases
 */
#ifndef ELO_CLIENT_INTERNAL_H
#define ELO_CLIENT_INTERNAL_H

#include "elo/client/client.h"
#include "elo/client/elapsed.h"

/* elo__client.events. All but DROPPED come out of a packet: while one waits, no further packet is
 * taken in, so that one place for each is enough. */
enum {
    ELO__EV_CONNECTED = 1,
    ELO__EV_MESSAGE = 2,
    ELO__EV_OVERSIZE = 4,
    ELO__EV_PUBLISHED = 8,
    ELO__EV_SUBS = 16, /* some entries of subs have an answer to tell */
    ELO__EV_DROPPED = 32,
    ELO__EV_DISCONNECTED = 64,
    ELO__EV_PONG = 128
};
#define ELO__EV_STOPS_INPUT ((uint8_t)~ELO__EV_DROPPED)

/* client.c */

/* Time has come to `now_ms`. Every public call that knows the time begins with it. */
void elo__client_clock(struct elo__client *e, uint32_t now_ms);

/* Gives the transport up because of `reason`. */
void elo__client_fail(struct elo__client *e, elo_err reason);

/* Accepted by the server: from here on the outbox and the subscriptions may be written. */
void elo__client_connected(struct elo__client *e, bool session_present);

/* The PINGRESP has come. */
void elo__client_pong(struct elo__client *e);

/* Can packets of an established connection come in? */
bool elo__client_linked(const struct elo__client *e);

/* output.c */

/* Writes the CONNECT to the front of tx. elo_client_init() does so too, to see whether it can. */
ELO_MUST_USE elo_err elo__output_connect(const struct elo_client_config *config, size_t *out_len);

/* Moves what is due into tx as far as there is room. */
void elo__output_fill(struct elo__client *e);

/* The free end of tx, and what to do after writing there. */
uint8_t *elo__tx_end(struct elo__client *e);
size_t elo__tx_room(const struct elo__client *e);

/* input.c: forget the stream, but not the event made of its last packet. */
void elo__input_reset(struct elo__client *e);

/* event.c: the owner has come back from a MESSAGE, so it may be acknowledged. */
void elo__event_release(struct elo__client *e);

/* subscribe.c */

/* SUBACK or UNSUBACK, `codes` one a filter; empty: the UNSUBACK of 3.1.1, which has none. */
void elo__subs_answer(struct elo__client *e, bool unsub, uint16_t id, elo_span codes);

void elo__subs_cut(struct elo__client *e);
void elo__subs_resume(struct elo__client *e, bool session_present);
void elo__subs_write(struct elo__client *e);

/* All that elo__subs_write() wrote is out. */
void elo__subs_written(struct elo__client *e);

bool elo__subs_event(struct elo__client *e, struct elo_client_event *out);
uint32_t elo__subs_left(const struct elo__client *e);

/* true: the answer is overdue. */
bool elo__subs_tick(struct elo__client *e);

/* reasons.c */

elo_err elo__reason_connack(uint8_t code);

/* Why the transport ended, which the owner says ended by `reported`. */
elo_err elo__reason_closed(const struct elo__client *e, elo_err reported);

/* Will trying again soon hardly help? */
bool elo__reason_is_slow(elo_err reason);

#endif
