// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works.
 *
 *     core thread                               store's thread
 *     store_submit -> queue (under lock) -----> takes the whole queue: a group
 *                                               one transaction, one sync (under db_lock)
 *     store_poll  <- durable, halted <--------- publishes, calls wake
 *
 * Failure: the thread publishes `halted` and takes nothing more. What is in the queue then, or
 * comes in until the core polls, was computed from memory that holds the lost changes, so it may
 * depend on them: the poll that reports the failure throws the queue away and calls everything up
 * to the last number issued failed. None of that was ever given to SQLite, or it was rolled back
 * (db.c). So at the moment of the report: number <= durable is on disk, durable < number <= failed
 * never will be, and nothing else exists. Then the thread goes on with what is submitted after.
 *
 * Kept batches are not thrown away but collected in `returned`, in their order: those of the group
 * that failed by the thread, those of the queue by the poll, which hands them over as one.
 *
 * Numbers begin at 2; 1 stands for what the file held when it was opened.
 */
#include "server/store/store.h"

#include <pthread.h>
#include <stdio.h>

#include "server/base/mem.h"
#include "server/store/db.h"

/* A disk that has stopped answering must not fill memory: a batch over it is refused. */
#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)

struct store {
    struct store_config config;
    pthread_t thread;

    pthread_mutex_t db_lock; /* who holds it may use db */
    struct store_db db;

    uint64_t issued; /* core thread only */

    pthread_mutex_t lock; /* the rest */
    pthread_cond_t work;
    struct store_batch *first;
    struct store_batch *last;
    size_t queued_bytes;
    struct store_batch *returned;
    bool lost; /* others than kept ones have failed, not yet reported */
    uint64_t durable;
    elo_err err; /* not ELO_OK: halted by this failure, not yet reported */
    bool stop;
};

/* --- the writer -------------------------------------------------------------------------- */

/* Under lock. */
static struct store_batch *take_queue(struct store *store, uint64_t *out_last)
{
    struct store_batch *group = store->first;
    if (group) {
        *out_last = store->last->seq;
    }
    store->first = store->last = NULL;
    store->queued_bytes = 0;
    return group;
}

/* Under lock: the kept ones of a list that failed go to the end of `returned`. */
static void give_back(struct store *store, struct store_batch *group)
{
    struct store_batch **end = &store->returned;
    while (*end) {
        end = &(*end)->next;
    }
    for (struct store_batch *b = group, *next; b; b = next) {
        next = b->next;
        b->next = NULL;
        if (b->kept) {
            *end = b;
            end = &b->next;
        } else {
            store__batches_free(b);
            store->lost = true;
        }
    }
}

/* Under lock, which is released while the disk works. */
static void commit_group(struct store *store)
{
    uint64_t last = 0;
    struct store_batch *group = take_queue(store, &last);
    pthread_mutex_unlock(&store->lock);

    store__elide(group);
    pthread_mutex_lock(&store->db_lock);
    elo_err err = store__db_commit(&store->db, group);
    pthread_mutex_unlock(&store->db_lock);
    if (!err) {
        store__batches_free(group);
    }

    pthread_mutex_lock(&store->lock);
    if (err) {
        give_back(store, group);
        store->err = err;
    } else {
        store->durable = last;
    }
}

static void *writer(void *arg)
{
    struct store *store = arg;
    pthread_mutex_lock(&store->lock);
    for (;;) {
        while (!store->stop && (store->err || !store->first)) {
            pthread_cond_wait(&store->work, &store->lock);
        }
        if (store->err || !store->first) {
            break; /* told to stop, and nothing left that can be done */
        }
        commit_group(store);
        pthread_mutex_unlock(&store->lock);
        store->config.wake(store->config.ctx);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* --- life cycle -------------------------------------------------------------------------- */

elo_err store_open(const struct store_config *config, struct store **out, char *why, size_t why_cap)
{
    struct store *store = mem_zero(sizeof *store);
    if (!store) {
        (void)snprintf(why, why_cap, "%s: out of memory", config->path);
        return ELO_E_NO_MEMORY;
    }
    store->config = *config;
    store->config.path = NULL; /* the caller's string, not ours to keep */
    store->issued = store->durable = 1;
    elo_err err = store__db_open(&store->db, config->path, why, why_cap);
    if (err) {
        mem_free(store);
        return err;
    }
    pthread_mutex_init(&store->db_lock, NULL);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->work, NULL);
    if (config->threaded && pthread_create(&store->thread, NULL, writer, store) != 0) {
        (void)snprintf(why, why_cap,
                       "%s: the system gives no thread to write it; raise the "
                       "limit of threads (ulimit -u)",
                       config->path);
        store->config.threaded = false;
        store_close(store);
        return ELO_E_NO_MEMORY;
    }
    *out = store;
    return ELO_OK;
}

void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_signal(&store->work);
    if (!store->config.threaded && store->first && !store->err) {
        commit_group(store);
    }
    pthread_mutex_unlock(&store->lock);
    if (store->config.threaded) {
        (void)pthread_join(store->thread, NULL);
    }
    store__batches_free(store->first);
    store__batches_free(store->returned);
    store__db_close(&store->db);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->db_lock);
    mem_free(store);
}

elo_err store_load(struct store *store, const struct store_loader *loader)
{
    pthread_mutex_lock(&store->db_lock);
    elo_err err = store__db_load(&store->db, loader);
    pthread_mutex_unlock(&store->db_lock);
    return err;
}

/* --- numbers ----------------------------------------------------------------------------- */

/* Under lock. */
static bool enqueue(struct store *store, struct store_batch *b)
{
    if (b->bytes > QUEUE_BYTES - store->queued_bytes) {
        return false;
    }
    b->seq = ++store->issued;
    if (store->last) {
        store->last->next = b;
    } else {
        store->first = b;
    }
    store->last = b;
    store->queued_bytes += b->bytes;
    pthread_cond_signal(&store->work);
    return true;
}

uint64_t store_submit(struct store_batch *b)
{
    struct store *store = b->store;
    if (b->failed || !b->first) {
        uint64_t seq = b->failed ? 0 : store->issued;
        store_abandon(b);
        return seq;
    }
    b->next = NULL;
    pthread_mutex_lock(&store->lock);
    bool taken = enqueue(store, b);
    pthread_mutex_unlock(&store->lock);
    if (!taken) {
        store_abandon(b->kept ? NULL : b);
        return 0;
    }
    return store->issued;
}

uint64_t store_issued(const struct store *store)
{
    return store->issued;
}

/* Under lock: reports the failure and lets the writer go on. */
static void report_failure(struct store *store, struct store_progress *out)
{
    uint64_t last = 0;
    give_back(store, take_queue(store, &last));
    out->returned = store__join(store->returned);
    store->returned = NULL;
    out->lost = store->lost;
    store->lost = false;
    out->failed = store->issued;
    out->err = store->err;
    store->err = ELO_OK;
    store->durable = store->issued;
}

void store_poll(struct store *store, struct store_progress *out)
{
    pthread_mutex_lock(&store->lock);
    if (!store->config.threaded && store->first) {
        commit_group(store);
    }
    *out = (struct store_progress){.durable = store->durable};
    if (store->err) {
        report_failure(store, out);
    }
    pthread_mutex_unlock(&store->lock);
}
