// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: what is remembered of a client id, also while no session has it: when
 * it connected and how it ended, how often it may come, and the number of its connections.
 *
 * An entry is made by the first CONNECT that the policy allows and lives for KNOWN_MS after the
 * last connection with the id has ended, or until KNOWN_MAX others have ended since; and for longer
 * while the end of its session is not durable.
 */
#ifndef ELO_SERVER_BROKER_KNOWN_H
#define ELO_SERVER_BROKER_KNOWN_H

#include <sys/queue.h>

#include "server/base/map.h"
#include "server/base/throttle.h"

#define KNOWN_MS  3600000 /* AWS starts versionNumber again after about an hour */
#define KNOWN_MAX 20000u  /* of clients that are not there */

struct known {
    TAILQ_ENTRY(known) gone; /* in known_list->gone, the longest gone first */
    bool is_gone;
    throttle connects;
    int64_t connected_wall_ms;
    int64_t ended_wall_ms;
    int64_t ended_mono_ms;
    uint64_t version;       /* of the connection that is there, or of the next */
    uint64_t session_ended; /* the journal's epoch in which its session was last deleted */
    const char *word;       /* how the last one ended, AWS's word; static text; NULL: none has */
    uint32_t keep_alive_s;
    uint32_t expiry_s; /* of its session after it */
    bool clean;
    size_t client_id_len;
    uint8_t client_id[];
};

TAILQ_HEAD(known_list, known);

struct known_clients {
    struct map by_id;
    struct known_list gone;
    size_t gone_count;
    uint64_t durable; /* the journal's */
};

void broker__known_init(struct known_clients *k);
void broker__known_free(struct known_clients *k);

struct known *broker__known_get(const struct known_clients *k, elo_span client_id); /* or NULL */

/* Finds or makes it; NULL: out of memory. One that no connection has is gone from now on. */
struct known *broker__known_add(struct known_clients *k, elo_span client_id, int64_t mono_ms);

/* A connection with the id begins; it has ended. */
void broker__known_here(struct known_clients *k, struct known *client);
void broker__known_gone(struct known_clients *k, struct known *client, int64_t mono_ms);

#endif
