// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The outbox that survives the power: records kept in flash, in order, until each was delivered.
 *
 *     struct elo_queue q;
 *     elo_queue_mount(&q, &dev, ELO_QUEUE_DROP_OLDEST);       after every start
 *     elo_queue_append(&q, message, user, &id);               from the sensor
 *
 *     uint32_t last = 0;                                      whenever there is a connection
 *     while (elo_queue_peek(&q, last, buf, sizeof buf, &r) == ELO_OK) {
 *         send buf[0..r.len), remember that packet P carries r.id;
 *         last = r.id;                                        as many in flight as are wanted
 *     }
 *     elo_queue_mark(&q, id);                                 at the PUBACK of its packet
 *     last = 0;                                               when the connection was lost
 *
 * What a record is, is the caller's affair: up to ELO_QUEUE_RECORD_MAX bytes and one 32-bit word
 * (a topic's number, a time, ...).
 *
 * What is promised, wherever the power is cut:
 *   - a record whose append returned ELO_OK stays until it is marked, or is dropped by the policy;
 *   - records come in the order of their appends, whole or not at all. One whose append was cut is
 *     there or not, never in part;
 *   - a mark that was cut may not have happened: that record comes once more (at least once);
 *   - mounting after a cut, and a cut while mounting, change none of this.
 * A bit that was cut in the middle of its turn, and reads now so and now so, is part of "wherever".
 * So is flash that holds anything else: what is not a valid record is not one.
 *
 * Space: sectors in a ring. Appends fill one after the other; a sector is erased when its turn
 * comes again, and every sector is erased as often as the others, within one (and once more for
 * each power cut in the middle of its erasing). A record costs 16 bytes beside its own, a
 * sector 20.
 *
 * Full is when the oldest sector, whose turn has come, holds a record that was not delivered:
 *   ELO_QUEUE_DROP_OLDEST  that sector's records are given up, and counted
 *   ELO_QUEUE_DROP_NEWEST  the new record is given up, and counted: ELO_E_OUTBOX_FULL
 *   ELO_QUEUE_REFUSE       nothing is given up: ELO_NEED_ROOM, try again when some were marked
 *
 * Cost: an append is one program of the record (in pieces of 176 bytes) and a read to verify it; a
 * mark is one program of 8 bytes. An append that begins a sector erases it first. Mounting reads
 * every record that was not delivered. RAM: this struct; nothing per record or sector.
 *
 * Not re-entrant. Errors of the device come through; after one, go on or mount again. The words in
 * flash are of the machine's byte order.
 */
#ifndef ELO_STORE_QUEUE_H
#define ELO_STORE_QUEUE_H

#include "elo/base/span.h"
#include "elo/store/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_QUEUE_RECORD_MAX 1024u

typedef enum elo_queue_policy {
    ELO_QUEUE_DROP_OLDEST,
    ELO_QUEUE_DROP_NEWEST,
    ELO_QUEUE_REFUSE
} elo_queue_policy;

struct elo_queue {
    struct {
        const struct elo_flash_dev *dev;
        uint32_t seq;      /* number of the sector that is being filled: the head */
        uint32_t erases;   /* how often the head was erased */
        uint32_t first;    /* number of the sector with the oldest record not delivered, */
        uint16_t first_at; /* which is here or later */
        uint16_t at;       /* where the next record goes in the head */
        uint16_t sector;   /* which sector of the device is the head */
        uint16_t sectors;
        uint32_t count;
        uint32_t dropped;
        uint32_t damaged;
        uint8_t policy;
        bool unsure; /* the word at `at` may have been cut before it read as blank */
    } internal;
};

struct elo_queue_record {
    uint32_t id; /* never 0; larger for later ones, until it wraps; the same after a restart */
    uint32_t user;
    uint32_t len;
};

struct elo_queue_stats {
    uint32_t undelivered;
    uint32_t dropped;    /* by the policy, since the flash was new. Those of DROP_NEWEST since the
                            last begin of a sector, and those of a cut erasing, may be missing */
    uint32_t damaged;    /* appends and marks that were cut, other damage: found since the mount */
    uint32_t erases_min; /* of the sectors */
    uint32_t erases_max;
    uint32_t
        free_bytes; /* that appends can take before the queue is full, 16 per record included */
};

/*
 * Finds what is in flash. `dev` is kept and must outlive the queue. ELO_E_NO_SPACE: a device of
 * fewer than two sectors or more than 65,535. Flash that was never used, or used by something else,
 * is an empty queue. A queue of another size is empty too: the region's size is part of the format.
 */
ELO_MUST_USE elo_err elo_queue_mount(struct elo_queue *q,
                                     const struct elo_flash_dev *dev,
                                     elo_queue_policy policy);

/*
 * Appends a record; `out_id` may be NULL. The bytes may lie in flash (elo/base/flash.h).
 * ELO_E_TOO_LARGE: more than ELO_QUEUE_RECORD_MAX. ELO_E_OUTBOX_FULL, ELO_NEED_ROOM: see above.
 * ELO_E_IO: the flash does not hold what was programmed into it; the next append begins a sector.
 */
ELO_MUST_USE elo_err elo_queue_append(struct elo_queue *q,
                                      elo_span data,
                                      uint32_t user,
                                      uint32_t *out_id);

/* How many were appended and neither marked nor dropped. */
uint32_t elo_queue_count(const struct elo_queue *q);

/*
 * The first record not delivered after the one with the id `after`; after = 0: the oldest. An
 * `after` that was dropped meanwhile counts as 0. The record is copied to `buf`.
 * ELO_END: there is none. ELO_E_NO_SPACE: it is longer than `cap`; `out` tells how long (so cap = 0
 * only looks). ELO_E_NOT_FOUND: `after` is no record's id.
 */
ELO_MUST_USE elo_err elo_queue_peek(
    struct elo_queue *q, uint32_t after, uint8_t *buf, size_t cap, struct elo_queue_record *out);

/* Marks a record as delivered; in any order. ELO_E_NOT_FOUND: no such record, or marked or dropped
 * already, as happens to a record in flight: harmless. */
ELO_MUST_USE elo_err elo_queue_mark(struct elo_queue *q, uint32_t id);

/* Marks all of them. They are not counted as dropped. */
ELO_MUST_USE elo_err elo_queue_clear(struct elo_queue *q);

ELO_MUST_USE elo_err elo_queue_get_stats(struct elo_queue *q, struct elo_queue_stats *out);

#ifdef __cplusplus
}
#endif

#endif
