// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: what of the broker survives. Sessions that outlive their connection,
 * their subscriptions, the QoS 1 messages that wait for them, retained messages.
 *
 * Every change to these notes its rows in one batch, the present turn's; broker_commit() hands the
 * batch to the store at the turn's end. A batch has an epoch, known before it has a number: what is
 * to leave only when it is durable waits for the epoch (hold.c).
 *
 * A row belongs to one place at a time, as a reference does: to an item of a queue or to a slot in
 * flight, which hand it on or delete it. A message has a row while a place with a row refers to it:
 * it is stored once, however many sessions wait for it.
 *
 * When a commit fails, memory stays as it is: what was delivered was delivered. The batches come
 * back (store_begin_kept()), whoever waits for an acknowledgement of theirs is closed without it,
 * and the journal halts: publishes that would have to be stored are refused, and once a second all
 * is submitted again, in order. When that succeeds the disk agrees with memory. Only last wills,
 * which nobody would send again, join what waits, as long as there is slack.
 *
 * Wills that are not due are not stored: a crash of the server publishes none (MQTT 5, 3.1.2.5 lets
 * a server put them off; docs/COMPAT.md).
 */
#ifndef ELO_SERVER_BROKER_JOURNAL_H
#define ELO_SERVER_BROKER_JOURNAL_H

#include "server/base/env.h"
#include "server/broker/message.h"
#include "server/broker/timers.h"
#include "server/store/store.h"

#define JOURNAL_RETRY_MS 1000

/* What the store may have of ours at a time: one batch is being written, one waits to be. More
 * turns than that fill the next batch: a group of its own is not worth the fewer rows. */
#define JOURNAL_SENT_MAX 2u

/*
 * All that is on its way to the disk or waits to be. The store's queue takes 64 MiB, and what has
 * failed comes back as one batch that must fit into it again.
 */
#define JOURNAL_BYTES_MAX ((size_t)60 * 1024 * 1024)

/* store_subscription.options */
#define SUBSCRIPTION_NO_LOCAL     1
#define SUBSCRIPTION_AS_PUBLISHED 2

struct session;
struct subscription;

/* store_queued.flags */
#define JOURNAL_RETAIN 1

struct journal_sent {
    uint64_t epoch; /* this one and all before */
    uint64_t seq;
    size_t bytes;
};

struct journal {
    struct store *store;         /* NULL: nothing survives */
    const struct core_time *now; /* the broker's */
    struct store_batch *batch;   /* of this turn; NULL: nothing yet */
    uint64_t epoch;              /* of `batch` */
    uint64_t durable;            /* epochs up to here are on disk */
    struct journal_sent sent[JOURNAL_SENT_MAX];
    size_t sent_count;
    size_t sent_bytes; /* of all of them */
    int64_t next_session;
    int64_t next_message;
    int64_t next_queued;
    size_t bytes_max;
    size_t bytes;       /* of the messages that are stored */
    uint64_t ended;     /* epoch in which a session of an unknown client was last deleted */
    uint64_t forgotten; /* and a retained message */
    uint64_t changed;   /* what the API's last change waits for; 0: nothing */
    bool touched;       /* something was put since somebody cleared this: its answer waits */
    bool lost;          /* likewise: something could not be kept for lack of memory */
    bool halted;        /* the last commit failed */
    elo_err err;        /* why */
    struct timer retry;
};

/* Whose rows a queue's items and the slots in flight are. */
struct journal_owner {
    struct journal *journal;
    int64_t session; /* its row; 0: nothing is stored */
};

/* Something of the epoch `earlier` is told: what that waits for, or 0. */
static inline uint64_t broker__journal_pending(const struct journal *j, uint64_t earlier)
{
    return earlier > j->durable ? earlier : 0;
}

/*
 * What an answer waits for: the present epoch if something was put since broker__journal_watch();
 * else `earlier`, the epoch of what the answer tells of, if it is still on its way - who asks again
 * for what he has not been told yet must wait as well. 0: nothing.
 */
static inline uint64_t broker__journal_awaited(const struct journal *j, uint64_t earlier)
{
    return j->touched ? j->epoch : broker__journal_pending(j, earlier);
}

/* From now on `touched` and `lost` tell what has happened since. */
static inline void broker__journal_watch(struct journal *j)
{
    j->touched = false;
    j->lost = false;
}

/*
 * A message waits for the owner. `*out_row` is its row, 0 if the owner's are not stored.
 * ELO_E_QUOTA: stored-megabytes; ELO_E_NO_MEMORY.
 */
ELO_MUST_USE elo_err broker__journal_wait(const struct journal_owner *owner,
                                          struct message *m,
                                          bool retain,
                                          int64_t *out_row);

/* It waits no more. Before the place gives up its reference. 0 is harmless. */
void broker__journal_done(struct journal *j, struct message *m, int64_t row);

/* Is less on its way to the disk or waiting than half of what may? */
bool broker__journal_has_slack(const struct journal *j);

/* The session as it is now; the first call gives it its row. false: out of memory. */
bool broker__journal_session(struct session *s, bool online);
void broker__journal_session_gone(struct session *s);

/* At start-up: it has this row already. */
void broker__journal_adopt(struct session *s, int64_t row);
void broker__journal_orphan(struct journal *j, int64_t queued_row);        /* of no session */
void broker__journal_unwanted(struct journal *j, const struct message *m); /* if nobody waits */

/* false: out of memory. */
bool broker__journal_subscribed(const struct subscription *sub);
bool broker__journal_unsubscribed(const struct subscription *sub);

/*
 * The row of a shared group: a session's, with its filter in place of a client id (which cannot
 * begin with $) and JOURNAL_LEVEL_GROUP in place of a version. 0: out of memory.
 */
#define JOURNAL_LEVEL_GROUP 0
int64_t broker__journal_group(struct journal *j, const struct subscription *member);
void broker__journal_group_gone(struct journal *j, int64_t row);

/* false: out of memory. */
bool broker__journal_retained(struct journal *j, const struct message *m);
bool broker__journal_forgotten(struct journal *j, elo_span topic);

/* Submits what is left, or not: from then on nothing is stored any more. */
void broker__journal_free(struct journal *j);
void broker__journal_drop(struct journal *j);

#endif
