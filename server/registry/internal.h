// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/registry: how it is laid out in memory, and what its files share.
 *
 * How a change is made, everywhere: check by AWS's rules; allocate everything the new state needs
 * (entry, room in maps and indexes, batch); submit the batch; install, which cannot fail. Until the
 * submit succeeded, what was allocated is taken back and nothing has changed.
 */
#ifndef ELO_SERVER_REGISTRY_INTERNAL_H
#define ELO_SERVER_REGISTRY_INTERNAL_H

#include "server/base/buf.h"
#include "server/base/limits.h"
#include "server/base/map.h"
#include "server/registry/registry.h"

/* --- sorted indexes ---------------------------------------------------------------------- */

/* Pointers sorted by key, bytewise; no key is there twice. */
struct index {
    void **items;
    size_t len;
    size_t cap;
    elo_span (*key)(const void *item);
};

void registry__index_init(struct index *index, elo_span (*key)(const void *item));
void registry__index_free(struct index *index); /* the items are the caller's */
/* The order of all keys: bytewise, a prefix first. Negative, 0 or positive. */
int registry__compare(elo_span a, elo_span b);
bool registry__index_reserve(struct index *index); /* room for one more; false: out of memory */
void registry__index_insert(struct index *index, void *item);       /* after reserve */
void registry__index_remove(struct index *index, const void *item); /* harmless if absent */
void *registry__index_get(const struct index *index, elo_span key);

/* Walks one page; see write.h. */
struct walk {
    const struct index *index;
    const struct registry_page *page;
    struct registry_next *next;
    size_t at; /* how many items from the beginning of the order */
    size_t taken;
};
struct walk registry__walk(const struct index *index,
                           const struct registry_page *page,
                           struct registry_next *next);
/*
 * The next item for which `keep` (NULL: all) says yes, NULL when the page is full or the items are
 * over; sets `next` as it goes.
 */
void *registry__walk_next(struct walk *walk,
                          bool (*keep)(const void *ctx, const void *item),
                          const void *ctx);

/* --- entries ----------------------------------------------------------------------------- */

#define DATE_KEY_BYTES (16u + 1u + LIMIT_NAME_BYTES)

/* Sorts by date, then by name: "0000019b76a3c400:name". */
struct date_key {
    char text[DATE_KEY_BYTES + 1];
    size_t len;
};
void registry__date_key(struct date_key *key, int64_t created_ms, elo_span name);

struct thing_details {
    elo_span type_name;
    size_t count;
    struct thing_attribute attributes[]; /* then their bytes */
};

struct thing_entry {
    struct thing pub;
    struct thing_details *details;
    struct index principals; /* struct attachment by certificate ARN */
};

struct certificate_entry {
    struct certificate pub;
    struct date_key key;
    struct index policies; /* struct policy_entry by name */
    struct index things;   /* struct attachment by thing name */
};

struct policy_entry {
    struct policy_record pub;
    struct policy_version versions[LIMIT_POLICY_VERSIONS];
    uint8_t *version_texts[LIMIT_POLICY_VERSIONS];
    int64_t next_version;
    struct date_key key;
    struct index targets; /* struct certificate_entry by ARN */
};

struct attachment {
    struct thing_entry *thing;
    struct certificate_entry *certificate;
    bool exclusive;
};

struct state {
    struct map things;       /* by name */
    struct map certificates; /* by id */
    struct map policies;     /* by name */
    struct index things_by_name;
    struct index certificates_by_date;
    struct index policies_by_date;
};

struct registry {
    struct state state;
    struct store *store;
    struct compat compat;
    struct core_random random;
    char region[33];
    char account[13];
    char cert_prefix[REGISTRY_ARN_BYTES]; /* "arn:aws:iot:REGION:ACCOUNT:cert/" */
    size_t cert_prefix_len;
    uint64_t generation;
    uint64_t after;
};

/* Entries from their rows, not yet in any map; NULL: out of memory. */
struct thing_details *
registry__details_new(elo_span type_name, const struct thing_attribute *attributes, size_t count);
struct thing_entry *registry__thing_new(elo_span name, elo_span id, int64_t created_ms);
void registry__thing_take(struct thing_entry *entry,
                          struct thing_details *details,
                          int64_t version); /* frees the details before */
void registry__thing_free(struct thing_entry *entry);
struct certificate_entry *registry__certificate_new(const struct registry *reg,
                                                    const struct certificate *row);
void registry__certificate_free(struct certificate_entry *entry);
struct policy_entry *registry__policy_new(const struct policy_record *row, int64_t next_version);
uint8_t *registry__version_text(elo_span document, elo_span generation_id);
void registry__policy_add_version(struct policy_entry *entry,
                                  const struct policy_version *row,
                                  uint8_t *text); /* takes `text`; there is room */
void registry__policy_free(struct policy_entry *entry);

/* Puts a finished entry into its map and index; false: out of memory, nothing changed. */
bool registry__thing_insert(struct state *state, struct thing_entry *entry);
bool registry__certificate_insert(struct state *state, struct certificate_entry *entry);
bool registry__policy_insert(struct state *state, struct policy_entry *entry);
void registry__thing_remove(struct state *state, struct thing_entry *entry);
void registry__certificate_remove(struct state *state, struct certificate_entry *entry);
void registry__policy_remove(struct state *state, struct policy_entry *entry);

/* Both sides of an attachment; false: out of memory, nothing changed. */
bool registry__link_policy(struct policy_entry *policy, struct certificate_entry *target);
void registry__unlink_policy(struct policy_entry *policy, struct certificate_entry *target);
struct attachment *registry__link_thing(struct thing_entry *thing,
                                        struct certificate_entry *certificate,
                                        bool exclusive);
void registry__unlink_thing(struct attachment *attachment); /* and frees it */

struct thing_entry *registry__thing(const struct registry *reg, elo_span name);
struct certificate_entry *registry__certificate(const struct registry *reg, elo_span id);
struct certificate_entry *registry__of_arn(const struct registry *reg, elo_span arn);
struct policy_entry *registry__policy(const struct registry *reg, elo_span name);

/* --- writing ----------------------------------------------------------------------------- */

/* Submits; false: out of memory, nothing was submitted. NULL is taken for a batch that could not
 * begin. */
bool registry__submit(struct registry *reg, struct store_batch *b);

/* --- loading ----------------------------------------------------------------------------- */

/* Fills an empty state. On failure it is empty again. */
ELO_MUST_USE elo_err registry__load(struct registry *reg, struct state *state);
void registry__state_init(struct state *state);
void registry__state_free(struct state *state);

/* --- checks ------------------------------------------------------------------------------ */

/* AWS_OK or InvalidRequest in the words of the service's own validation. */
aws_error registry__check_thing_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_type_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_policy_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_certificate_id(elo_span id, struct aws_fault *fault);
aws_error registry__check_attribute(const struct thing_attribute *attribute,
                                    struct aws_fault *fault);

/* A principal or target of a request: its certificate; InvalidRequest when it is no ARN,
 * ResourceNotFound when there is no such certificate. */
aws_error registry__find_principal(const struct registry *reg,
                                   elo_span arn,
                                   struct certificate_entry **out,
                                   struct aws_fault *fault);
/* Checks the name, finds the entry or answers ResourceNotFound. */
aws_error registry__find_thing(const struct registry *reg,
                               elo_span name,
                               struct thing_entry **out,
                               struct aws_fault *fault);
aws_error registry__find_certificate(const struct registry *reg,
                                     elo_span id,
                                     struct certificate_entry **out,
                                     struct aws_fault *fault);
aws_error registry__find_policy(const struct registry *reg,
                                elo_span name,
                                struct policy_entry **out,
                                struct aws_fault *fault);

aws_error registry__out_of_memory(struct aws_fault *fault);
/* ResourceAlreadyExists, with the other's id and ARN. */
aws_error registry__exists(struct aws_fault *fault,
                           const struct registry *reg,
                           const char *kind,
                           elo_span name,
                           elo_span id,
                           const char *message);

/* A span for "%.*s". */
#define REGISTRY_TEXT(span) (int)(span).len, (const char *)(span).ptr

#endif
