// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/store: a batch is a list of operations, each a statement of the table below and
 * the values to bind, in order. Operations and what they hold lie one after the other in a few
 * large chunks, so that a batch of thousands costs a handful of allocations, and joining two
 * batches none.
 */
#ifndef ELO_SERVER_STORE_BATCH_H
#define ELO_SERVER_STORE_BATCH_H

#include "server/store/store.h"

/* X(name, SQL): everything that is run more than once. */
#define STORE_STATEMENT_LIST(X)                                                                    \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(PUT_THING, "REPLACE INTO thing (name, id, type_name, attributes, version, created_ms) "      \
                 "VALUES (?, ?, ?, ?, ?, ?)")                                                      \
    X(DELETE_THING, "DELETE FROM thing WHERE name = ?")                                            \
    X(PUT_CERTIFICATE,                                                                             \
      "REPLACE INTO certificate (id, pem, status, mode, ca_id, generation_id, created_ms, "        \
      "modified_ms, not_before_s, not_after_s, customer_version) "                                 \
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                  \
    X(DELETE_CERTIFICATE, "DELETE FROM certificate WHERE id = ?")                                  \
    X(PUT_POLICY, "REPLACE INTO policy (name, generation_id, default_version, next_version, "      \
                  "created_ms, modified_ms) VALUES (?, ?, ?, ?, ?, ?)")                            \
    X(DELETE_POLICY, "DELETE FROM policy WHERE name = ?")                                          \
    X(PUT_POLICY_VERSION, "REPLACE INTO policy_version (policy, version, document, "               \
                          "generation_id, created_ms) VALUES (?, ?, ?, ?, ?)")                     \
    X(DELETE_POLICY_VERSION, "DELETE FROM policy_version WHERE policy = ? AND version = ?")        \
    X(PUT_POLICY_TARGET, "REPLACE INTO policy_target (policy, target_arn) VALUES (?, ?)")          \
    X(DELETE_POLICY_TARGET, "DELETE FROM policy_target WHERE policy = ? AND target_arn = ?")       \
    X(PUT_THING_PRINCIPAL,                                                                         \
      "REPLACE INTO thing_principal (thing, principal_arn, exclusive) VALUES (?, ?, ?)")           \
    X(DELETE_THING_PRINCIPAL, "DELETE FROM thing_principal WHERE thing = ? AND principal_arn = ?") \
    X(PUT_THING_TYPE, "REPLACE INTO thing_type (name, id, description, searchable, created_ms, "   \
                      "deprecated_ms) VALUES (?, ?, ?, ?, ?, ?)")                                  \
    X(DELETE_THING_TYPE, "DELETE FROM thing_type WHERE name = ?")                                  \
    X(PUT_THING_GROUP, "REPLACE INTO thing_group (name, id, parent, description, attributes, "     \
                       "version, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")                        \
    X(DELETE_THING_GROUP, "DELETE FROM thing_group WHERE name = ?")                                \
    X(PUT_GROUP_MEMBER, "REPLACE INTO group_member (thing_group, thing) VALUES (?, ?)")            \
    X(DELETE_GROUP_MEMBER, "DELETE FROM group_member WHERE thing_group = ? AND thing = ?")         \
    X(PUT_CA, "REPLACE INTO ca_certificate (id, pem, status, mode, subject, auto_registration, "   \
              "template_name, template_body, role_arn, generation_id, created_ms, modified_ms, "   \
              "not_before_s, not_after_s, customer_version) "                                      \
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                              \
    X(DELETE_CA, "DELETE FROM ca_certificate WHERE id = ?")                                        \
    X(PUT_TEMPLATE, "REPLACE INTO template (name, type, description, role_arn, hook, enabled, "    \
                    "default_version, next_version, created_ms, modified_ms) "                     \
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                       \
    X(DELETE_TEMPLATE, "DELETE FROM template WHERE name = ?")                                      \
    X(PUT_TEMPLATE_VERSION,                                                                        \
      "REPLACE INTO template_version (template, version, body, created_ms) VALUES (?, ?, ?, ?)")   \
    X(DELETE_TEMPLATE_VERSION, "DELETE FROM template_version WHERE template = ? AND version = ?")  \
    X(PUT_SETTING, "REPLACE INTO setting (name, value) VALUES (?, ?)")                             \
    X(DELETE_SETTING, "DELETE FROM setting WHERE name = ?")                                        \
    X(PUT_SESSION, "REPLACE INTO session (id, client_id, level, expiry_ms, offline_ms) "           \
                   "VALUES (?, ?, ?, ?, ?)")                                                       \
    X(DELETE_SESSION, "DELETE FROM session WHERE id = ?")                                          \
    X(PUT_SUBSCRIPTION, "REPLACE INTO subscription (session, filter, qos, options) "               \
                        "VALUES (?, ?, ?, ?)")                                                     \
    X(DELETE_SUBSCRIPTION, "DELETE FROM subscription WHERE session = ? AND filter = ?")            \
    X(DELETE_SUBSCRIPTIONS, "DELETE FROM subscription WHERE session = ?")                          \
    X(PUT_MESSAGE, "REPLACE INTO message (id, topic, payload, properties, qos, expires_ms) "       \
                   "VALUES (?, ?, ?, ?, ?, ?)")                                                    \
    X(DELETE_MESSAGE, "DELETE FROM message WHERE id = ?")                                          \
    X(PUT_QUEUED, "REPLACE INTO queued (id, session, message, flags) VALUES (?, ?, ?, ?)")         \
    X(DELETE_QUEUED, "DELETE FROM queued WHERE id = ?")                                            \
    X(PUT_RETAINED, "REPLACE INTO retained (topic, payload, properties, qos, expires_ms, "         \
                    "modified_ms) VALUES (?, ?, ?, ?, ?, ?)")                                      \
    X(DELETE_RETAINED, "DELETE FROM retained WHERE topic = ?")

enum store_statement {
#define STORE_STATEMENT_ENUM(name, sql) STORE_##name,
    STORE_STATEMENT_LIST(STORE_STATEMENT_ENUM)
#undef STORE_STATEMENT_ENUM
        STORE_STATEMENT_COUNT
};

enum store_kind { STORE_NUMBER, STORE_TEXT, STORE_BLOB };

struct store_value {
    uint32_t kind;
    uint32_t len; /* of a text or blob */
    union {
        int64_t number;
        const uint8_t *bytes;
    } as;
};

struct store_op {
    struct store_op *next;
    uint16_t statement; /* enum store_statement; STORE_STATEMENT_COUNT: nothing, see elide.c */
    uint16_t count;
    struct store_value values[]; /* then the bytes of the texts and blobs */
};

struct store_chunk;

struct store_batch {
    struct store *store;
    struct store_batch *next; /* in the queue */
    uint64_t seq;
    struct store_op *first;
    struct store_op *last;
    struct store_chunk *chunks; /* the one being filled first */
    size_t bytes;               /* of all operations: what it weighs in the queue */
    bool failed;                /* a put ran out of memory */
    bool kept;                  /* given back when its commit fails */
};

/* Frees a list of batches. */
void store__batches_free(struct store_batch *first);

/* A list of batches as one, in order; NULL for none. */
struct store_batch *store__join(struct store_batch *first);

/*
 * Finds the rows of messages and queues that the list both puts and deletes, and makes the
 * operations nothing: what was delivered before it was written need not be written. Numbers of such
 * rows are never used again and grow, so a delete that finds its put here comes after it.
 */
void store__elide(struct store_batch *first);

#endif
