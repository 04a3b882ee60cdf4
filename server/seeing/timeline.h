// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/seeing: what happened to whom, and when.
 *
 * A moment is one thing that happened, perhaps several times; a trail is the last TRAIL_MOMENTS of
 * them for one key: a client id, a certificate id, or the address of a peer that got no further. A
 * moment lies in the trail of each that it names. All together take at most SEEING_TIMELINE_BYTES:
 * the trail that was longest without news goes first.
 */
#ifndef ELO_SERVER_SEEING_TIMELINE_H
#define ELO_SERVER_SEEING_TIMELINE_H

#include <sys/queue.h>

#include "server/base/log.h"
#include "server/base/map.h"

#define TRAIL_MOMENTS   16u
#define MOMENT_TEXT_MAX 320u   /* of each of its texts */
#define MOMENT_SAME_MS  600000 /* the same again within this is counted, not told again */
#define TIMELINE_TRAILS 8192u

enum trail_kind { TRAIL_CLIENT = 'c', TRAIL_PRINCIPAL = 'p', TRAIL_ADDRESS = 'a' };

enum moment_text {
    MOMENT_CLIENT,
    MOMENT_PRINCIPAL,
    MOMENT_IP,
    MOMENT_TOPIC,
    MOMENT_REASON,
    MOMENT_DETAILS,
    MOMENT_TEXTS
};

struct moment {
    uint32_t refs;
    uint32_t count;
    uint64_t order; /* of its last time among all */
    int64_t first_ms, last_ms;
    const char *event; /* static text */
    elo_err err;
    uint16_t port;
    uint16_t len[MOMENT_TEXTS];
    uint8_t text[];
};

elo_span moment_text(const struct moment *m, enum moment_text which);

struct trail {
    TAILQ_ENTRY(trail) age;                /* longest without news first */
    struct moment *moments[TRAIL_MOMENTS]; /* oldest first */
    uint32_t count;
    size_t key_len;
    uint8_t key[]; /* kind, then the name */
};

TAILQ_HEAD(trail_list, trail);

struct timeline {
    struct map trails;
    struct trail_list ages;
    uint64_t order;
    size_t bytes;
    size_t bytes_max;
};

void timeline_init(struct timeline *t, size_t bytes_max);
void timeline_free(struct timeline *t);

/* Without memory the moment is not kept. */
void timeline_note(struct timeline *t, const struct log_record *r, int64_t wall_ms);

/* NULL: nothing is known. */
const struct trail *timeline_trail(const struct timeline *t, enum trail_kind kind, elo_span name);

#endif
