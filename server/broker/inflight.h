// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: the QoS 1 messages a client has been sent and has not acknowledged, at
 * most LIMIT_INFLIGHT, in the order of sending.
 *
 * A slot is "written" once its PUBLISH stands in the output of the present connection. After a
 * resumption, or when it is to be sent again, it waits unwritten.
 */
#ifndef ELO_SERVER_BROKER_INFLIGHT_H
#define ELO_SERVER_BROKER_INFLIGHT_H

#include "server/broker/journal.h"

#define INFLIGHT_NONE 255u

struct share_group;

struct inflight_slot {
    struct message *m;         /* NULL: free */
    struct share_group *group; /* whose message it is, to be given back; NULL: its own */
    int64_t row;               /* in the store; 0: none */
    int64_t sent_ms;
    uint16_t id; /* packet identifier */
    uint8_t prev;
    uint8_t next;
    uint8_t tries; /* times it was sent again */
    bool retain;   /* RETAIN=1 */
    bool written;
    bool sent; /* in the present connection, perhaps long ago */
};

struct inflight {
    struct journal_owner owner;
    struct inflight_slot *slots;
    uint16_t turn;
    uint8_t cap;
    uint8_t count;
    uint8_t unwritten;
    uint8_t oldest; /* index; INFLIGHT_NONE: empty */
    uint8_t newest;
    uint8_t vacant; /* list of free slots, by next */
};

void broker__inflight_init(struct inflight *f);
void broker__inflight_free(struct inflight *f); /* releases the messages */

/*
 * Takes a reference of `m`, and its row; 0: it gets one if the owner's are stored and
 * stored-megabytes is not used up. The unwritten slot, valid until the next add; NULL: out of
 * memory.
 */
struct inflight_slot *
broker__inflight_add(struct inflight *f, struct message *m, bool retain, int64_t row);

struct inflight_slot *broker__inflight_find(struct inflight *f, uint16_t id); /* NULL: unknown */
void broker__inflight_remove(struct inflight *f, struct inflight_slot *slot);

void broker__inflight_written(struct inflight *f, struct inflight_slot *slot, int64_t now_ms);

/* Back to waiting: one slot, or all of them. */
void broker__inflight_rewind(struct inflight *f, struct inflight_slot *slot);
void broker__inflight_rewind_all(struct inflight *f);

/* The slot after `slot` (NULL: the oldest) in the order of sending; NULL: no more. */
struct inflight_slot *broker__inflight_next(const struct inflight *f,
                                            const struct inflight_slot *slot);

#endif
