// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The database: one SQLite file, one writer, grouped commits. The only user of sqlite3.h.
 *
 * Life cycle: store_open() migrates the schema; store_load_*() hand every row to the registry once;
 * then changes go in as batches and come out as sequence numbers:
 *
 *     struct store_batch *b = store_begin(store);
 *     store_put_thing(b, &thing);
 *     uint64_t seq = store_submit(b);
 *     ... later, from the core's loop: store_poll(store, &progress) ...
 *     progress.durable >= seq: it is on disk (fsync done); the reply may leave.
 *
 * Acknowledged means durable: every batch is all-or-nothing, batches become durable in order, and
 * many batches share one transaction and one fsync (WAL, synchronous=FULL).
 *
 * When a commit fails (disk full, I/O error), nothing more is committed until the core polls. That
 * poll reports `progress.failed`, the last number handed out at that moment: every batch that was
 * not durable by then has been rolled back or thrown away, those queued behind the failed one too,
 * for they were computed from memory that held it. So no batch is both reported failed and durable
 * later, not even after a crash. The core answers those requests with a failure and reloads what it
 * keeps in memory from the database before it submits anything else; then all is as before.
 *
 * An owner whose memory cannot go back (the broker: what it has delivered, it has delivered) uses
 * store_begin_kept(). Such a batch is not thrown away with the others but given back by
 * store_poll(), in order, to be submitted again in front of what has happened since: when that
 * becomes durable, the database has caught up with memory.
 *
 * What a group of batches puts and deletes again - a message that was delivered and acknowledged
 * before the disk had its turn - is never written; a group of nothing else needs no sync.
 *
 * With `threaded`, commits run on the store's own thread, which calls `wake` when there is
 * something to poll. Without, they run inside store_poll(): how tests get a deterministic store.
 *
 * Everything else is called from the core's thread only. Memory: batches copy what they are given.
 */
#ifndef ELO_SERVER_STORE_H
#define ELO_SERVER_STORE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

struct store;
struct store_batch;

struct store_config {
    const char *path; /* the database file; made if absent, mode 0600 */
    bool threaded;
    void (*wake)(void *ctx); /* called on the store's thread; NULL if not threaded */
    void *ctx;
};

struct store_progress {
    uint64_t durable; /* every batch up to here, except failed ones, is on disk */
    uint64_t failed;  /* 0, or: durable < number <= failed will never be on disk */
    elo_err err;      /* why: ELO_E_DISK_FULL, ELO_E_IO, ELO_E_CORRUPT, ELO_E_NO_MEMORY */
    struct store_batch *returned; /* the failed ones of store_begin_kept(), as one; NULL: none */
    bool lost;                    /* there were others among the failed ones: they are gone */
};

/*
 * ELO_OK, or ELO_E_PERMISSION, ELO_E_CORRUPT (not a database, or damaged), ELO_E_DISK_FULL,
 * ELO_E_IO (also: another process has it open), ELO_E_NO_MEMORY, ELO_E_UNSUPPORTED (made by a newer
 * Elo); `why` gets the particulars, cause and cure, as one line. The file stays locked until
 * store_close() or the end of the process.
 */
ELO_MUST_USE elo_err store_open(const struct store_config *config,
                                struct store **out,
                                char *why,
                                size_t why_cap);

/* Waits for everything submitted, then closes. */
void store_close(struct store *store);

/* Rows, as the tables hold them. Spans given to a loader live during the call. */
struct store_thing {
    elo_span name;
    elo_span id; /* UUID text */
    elo_span type_name;
    elo_span attributes; /* a JSON object of strings */
    int64_t version;
    int64_t created_ms;
};

struct store_certificate {
    elo_span id; /* 64 hex: SHA-256 of the DER */
    elo_span pem;
    elo_span status; /* "ACTIVE" ... */
    elo_span mode;   /* "DEFAULT", "SNI_ONLY" */
    elo_span ca_id;  /* empty: none */
    elo_span generation_id;
    int64_t created_ms;
    int64_t modified_ms;
    int64_t not_before_s;
    int64_t not_after_s;
    int64_t customer_version;
};

struct store_policy {
    elo_span name;
    elo_span generation_id;
    int64_t default_version;
    int64_t next_version; /* version ids are never used again */
    int64_t created_ms;
    int64_t modified_ms;
};

struct store_policy_version {
    elo_span policy;
    int64_t version;
    elo_span document;
    elo_span generation_id;
    int64_t created_ms;
};

struct store_thing_type {
    elo_span name;
    elo_span id;
    elo_span description;
    elo_span searchable; /* names of attributes, a line feed between them */
    int64_t created_ms;
    int64_t deprecated_ms; /* 0: it is not */
};

struct store_thing_group {
    elo_span name;
    elo_span id;
    elo_span parent; /* empty: a root */
    elo_span description;
    elo_span attributes; /* a JSON object of strings */
    int64_t version;
    int64_t created_ms;
};

struct store_ca {
    elo_span id;
    elo_span pem;
    elo_span status;  /* "ACTIVE", "INACTIVE" */
    elo_span mode;    /* "DEFAULT", "SNI_ONLY" */
    elo_span subject; /* by which issued certificates find it */
    bool auto_registration;
    elo_span template_name;
    elo_span template_body;
    elo_span role_arn;
    elo_span generation_id;
    int64_t created_ms;
    int64_t modified_ms;
    int64_t not_before_s;
    int64_t not_after_s;
    int64_t customer_version;
};

struct store_template {
    elo_span name;
    elo_span type; /* "FLEET_PROVISIONING", "JITP" */
    elo_span description;
    elo_span role_arn;
    elo_span hook; /* a JSON object; empty: none */
    bool enabled;
    int64_t default_version;
    int64_t next_version;
    int64_t created_ms;
    int64_t modified_ms;
};

struct store_template_version {
    elo_span template_name;
    int64_t version;
    elo_span body;
    int64_t created_ms;
};

/* A client's session that outlives its connection. */
struct store_session {
    int64_t id; /* the broker's number, never used again */
    elo_span client_id;
    int64_t level; /* of the protocol: 4, 5 */
    int64_t expiry_ms;
    int64_t offline_ms; /* Unix time; 0: connected when this was written */
};

struct store_subscription {
    int64_t session;
    elo_span filter; /* as subscribed, with $share/ */
    int64_t qos;
    int64_t options; /* of MQTT 5: no local 1, retain as published 2 */
};

/* A message: stored once, however many sessions wait for it, or as the retained one of its topic */
struct store_message {
    elo_span topic;
    elo_span payload;
    elo_span properties; /* of MQTT 5, as encoded */
    int64_t qos;
    int64_t expires_ms; /* Unix time; 0: never */
};

/* A message waits for a session. The order of the ids is the order of sending. */
struct store_queued {
    int64_t id;
    int64_t session;
    int64_t message;
    int64_t flags; /* 1: RETAIN */
};

/*
 * With `session` the broker's tables are read (then all of its members must be there), else the
 * registry's: rows of a member that is NULL are passed over.
 */
struct store_loader {
    void *ctx;
    elo_err (*thing_type)(void *ctx, const struct store_thing_type *row);
    elo_err (*thing)(void *ctx, const struct store_thing *row);
    elo_err (*certificate)(void *ctx, const struct store_certificate *row);
    elo_err (*policy)(void *ctx, const struct store_policy *row);
    elo_err (*policy_version)(void *ctx, const struct store_policy_version *row);
    elo_err (*thing_group)(void *ctx, const struct store_thing_group *row);
    elo_err (*policy_target)(void *ctx, elo_span policy, elo_span target_arn);
    elo_err (*thing_principal)(void *ctx, elo_span thing, elo_span principal_arn, bool exclusive);
    elo_err (*group_member)(void *ctx, elo_span group, elo_span thing);
    elo_err (*ca)(void *ctx, const struct store_ca *row);
    elo_err (*provisioning_template)(void *ctx, const struct store_template *row);
    elo_err (*template_version)(void *ctx, const struct store_template_version *row);
    elo_err (*setting)(void *ctx, elo_span name, elo_span value);
    elo_err (*session)(void *ctx, const struct store_session *row);             /* by id */
    elo_err (*subscription)(void *ctx, const struct store_subscription *row);   /* by session */
    elo_err (*message)(void *ctx, int64_t id, const struct store_message *row); /* by id */
    elo_err (*queued)(void *ctx, const struct store_queued *row);               /* by id */
    elo_err (*retained)(void *ctx, const struct store_message *row, int64_t modified_ms);
};

/* Reads every durable row, in the order of the members above. Stops at the loader's first error. */
ELO_MUST_USE elo_err store_load(struct store *store, const struct store_loader *loader);

/* NULL: out of memory. */
struct store_batch *store_begin(struct store *store);

/* The same for an owner that submits again what failed. */
struct store_batch *store_begin_kept(struct store *store);

/* Replace or insert by primary key; delete is harmless when the row is absent. */
void store_put_thing(struct store_batch *b, const struct store_thing *row);
void store_delete_thing(struct store_batch *b, elo_span name);
void store_put_certificate(struct store_batch *b, const struct store_certificate *row);
void store_delete_certificate(struct store_batch *b, elo_span id);
void store_put_policy(struct store_batch *b, const struct store_policy *row);
void store_delete_policy(struct store_batch *b, elo_span name);
void store_put_policy_version(struct store_batch *b, const struct store_policy_version *row);
void store_delete_policy_version(struct store_batch *b, elo_span policy, int64_t version);
void store_put_policy_target(struct store_batch *b, elo_span policy, elo_span target_arn);
void store_delete_policy_target(struct store_batch *b, elo_span policy, elo_span target_arn);
void store_put_thing_principal(struct store_batch *b,
                               elo_span thing,
                               elo_span principal_arn,
                               bool exclusive);
void store_delete_thing_principal(struct store_batch *b, elo_span thing, elo_span principal_arn);
void store_put_thing_type(struct store_batch *b, const struct store_thing_type *row);
void store_delete_thing_type(struct store_batch *b, elo_span name);
void store_put_thing_group(struct store_batch *b, const struct store_thing_group *row);
void store_delete_thing_group(struct store_batch *b, elo_span name);
void store_put_group_member(struct store_batch *b, elo_span group, elo_span thing);
void store_delete_group_member(struct store_batch *b, elo_span group, elo_span thing);
void store_put_ca(struct store_batch *b, const struct store_ca *row);
void store_delete_ca(struct store_batch *b, elo_span id);
void store_put_template(struct store_batch *b, const struct store_template *row);
void store_delete_template(struct store_batch *b, elo_span name);
void store_put_template_version(struct store_batch *b, const struct store_template_version *row);
void store_delete_template_version(struct store_batch *b, elo_span name, int64_t version);
void store_put_setting(struct store_batch *b, elo_span name, elo_span value);
void store_delete_setting(struct store_batch *b, elo_span name);

/* false: a put ran out of memory, and submitting it will say so. */
bool store_batch_ok(const struct store_batch *b);

/*
 * The broker's rows, for kept batches. false: out of memory, the operation is not in the batch (of
 * a session's delete, perhaps half of it). Ids of messages and of what is queued are never used
 * again and grow, also over restarts.
 */
bool store_put_session(struct store_batch *b, const struct store_session *row);
bool store_delete_session(struct store_batch *b, int64_t id); /* with its subscriptions */
bool store_put_subscription(struct store_batch *b, const struct store_subscription *row);
bool store_delete_subscription(struct store_batch *b, int64_t session, elo_span filter);
bool store_put_message(struct store_batch *b, int64_t id, const struct store_message *row);
bool store_delete_message(struct store_batch *b, int64_t id);
bool store_put_queued(struct store_batch *b, const struct store_queued *row);
bool store_delete_queued(struct store_batch *b, int64_t id);
bool store_put_retained(struct store_batch *b,
                        const struct store_message *row,
                        int64_t modified_ms);
bool store_delete_retained(struct store_batch *b, elo_span topic);

/* What the batch takes of the queue's 64 MiB. */
size_t store_batch_bytes(const struct store_batch *b);

/* Puts what `later` holds behind what `*to` holds; each may be NULL. `later` is used up. */
void store_append(struct store_batch **to, struct store_batch *later);

/*
 * Hands the batch over and frees it (a kept one that is refused stays the caller's). The sequence
 * number, or 0 when a put ran out of memory or the queue is full (64 MiB: the disk has stopped
 * answering): then nothing was submitted. An empty batch is allowed, costs nothing and is answered
 * with the last number handed out.
 */
uint64_t store_submit(struct store_batch *b);

void store_abandon(struct store_batch *b);

/* The last number handed out: a reply that reads memory waits for it, so that it shows nothing
 * that a crash could take back. */
uint64_t store_issued(const struct store *store);

/* What has happened since the last poll. */
void store_poll(struct store *store, struct store_progress *out);

#endif
