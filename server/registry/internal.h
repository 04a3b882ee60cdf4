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

/* Attributes and one text that change together: of a thing its type, of a group its description. */
struct thing_details {
    elo_span type_name;
    size_t count;
    struct thing_attribute attributes[]; /* then their bytes */
};

struct thing_entry {
    struct thing pub;
    struct thing_details *details;
    struct index principals; /* struct attachment by certificate ARN */
    struct index groups;     /* struct group_entry by name: those it was added to */
};

/* What policies are attached to: a certificate, a thing group. */
struct target {
    elo_span arn;
    bool is_group;
    struct index policies; /* struct policy_entry by name */
};

struct certificate_entry {
    struct certificate pub;
    struct date_key key;
    struct target target;
    struct index things; /* struct attachment by thing name */
};

struct policy_entry {
    struct policy_record pub;
    struct policy_version versions[LIMIT_POLICY_VERSIONS];
    uint8_t *version_texts[LIMIT_POLICY_VERSIONS];
    int64_t next_version;
    struct date_key key;
    struct index targets; /* struct target by ARN */
};

struct type_entry {
    struct thing_type pub;
    uint8_t *texts; /* description and names of attributes */
};

struct group_entry {
    struct thing_group pub;
    struct group_entry *parent;
    struct thing_details *details;
    struct target target;
    struct index children; /* struct group_entry by name */
    struct index things;   /* struct thing_entry by name */
};

struct ca_entry {
    struct ca_certificate pub;
    struct date_key key;
    uint8_t *texts; /* of its registration configuration */
};

struct template_entry {
    struct provisioning_template pub;
    struct template_version versions[LIMIT_TEMPLATE_VERSIONS];
    uint8_t *version_texts[LIMIT_TEMPLATE_VERSIONS];
    int64_t next_version;
    uint8_t *texts; /* description, role, hook */
};

struct attachment {
    struct thing_entry *thing;
    struct certificate_entry *certificate;
    bool exclusive;
};

/* Things to be found by one key and listed by another. */
struct table {
    struct map map;
    struct index index;
};

struct state {
    struct table types;                            /* struct type_entry, both by name */
    struct table groups;                           /* struct group_entry, both by name */
    struct table cas;                              /* struct ca_entry by id and by date */
    struct table templates;                        /* struct template_entry, both by name */
    char registration_code[65];                    /* empty: none yet */
    struct index authorizers;                      /* struct authorizer_entry by name */
    char default_authorizer[LIMIT_NAME_BYTES + 1]; /* empty: none */
    struct map things;                             /* by name */
    struct map certificates;                       /* by id */
    struct map policies;                           /* by name */
    struct index things_by_name;
    struct index certificates_by_date;
    struct index policies_by_date;
};

/*
 * How one operation of an open change is taken back, and what of the old state is let go once the
 * change is handed to the store. Neither can fail.
 */
struct undo {
    void (*back)(struct registry *reg, const struct undo *u);
    void (*done)(const struct undo *u); /* NULL: nothing */
    void *a;
    void *b;
    int64_t n[3];
};

struct change {
    bool open;
    struct store_batch *batch;
    struct undo *items;
    size_t len;
    size_t cap;
};

struct registry {
    struct state state;
    struct change change;
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
/* The details before, now the caller's. */
struct thing_details *
registry__thing_take(struct thing_entry *entry, struct thing_details *details, int64_t version);
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
bool registry__link_policy(struct policy_entry *policy, struct target *target);
void registry__unlink_policy(struct policy_entry *policy, struct target *target);
struct attachment *registry__link_thing(struct thing_entry *thing,
                                        struct certificate_entry *certificate,
                                        bool exclusive);
void registry__unlink_thing(struct attachment *attachment); /* and frees it */

bool registry__link_member(struct group_entry *group, struct thing_entry *thing);
void registry__unlink_member(struct group_entry *group, struct thing_entry *thing);

/* Copies `from` to `*at` and moves on; the copy. */
elo_span registry__keep(uint8_t **at, elo_span from);

void registry__table_init(struct table *table, elo_span (*key)(const void *item));
void registry__table_free(struct table *table); /* the items are the caller's */
/* false: out of memory, nothing changed. `key` is the map's. */
bool registry__table_insert(struct table *table, elo_span key, void *item);
void registry__table_remove(struct table *table, elo_span key, void *item);

void registry__target_init(struct target *target, elo_span arn, bool is_group);

/* The entries of the rarer kinds, from their rows; NULL: out of memory. */
struct type_entry *registry__type_new(elo_span name, elo_span id, int64_t created_ms);
/* Takes over copies of these; false: out of memory, nothing changed. */
bool registry__type_take(struct type_entry *entry,
                         elo_span description,
                         const elo_span *searchable,
                         size_t count);
void registry__type_free(struct type_entry *entry);
struct group_entry *registry__group_new(const struct registry *reg,
                                        elo_span name,
                                        elo_span id,
                                        elo_span parent_name,
                                        int64_t created_ms);
/* Frees the details before. */
void registry__group_take(struct group_entry *entry,
                          struct thing_details *details,
                          int64_t version);
void registry__group_free(struct group_entry *entry);
struct ca_entry *registry__ca_new(const struct ca_certificate *row);
/* Copies of the registration configuration; false: out of memory, nothing changed. */
bool registry__ca_take(struct ca_entry *entry, const struct ca_certificate *row);
void registry__ca_free(struct ca_entry *entry);
struct template_entry *registry__template_new(const struct provisioning_template *row,
                                              int64_t next_version);
bool registry__template_take(struct template_entry *entry, const struct provisioning_template *row);
/* false: out of memory; there is room. */
bool registry__template_add_version(struct template_entry *entry,
                                    const struct template_version *row);
void registry__template_free(struct template_entry *entry);

/* The group itself or one above it? */
bool registry__is_within(const struct group_entry *group, const struct group_entry *above);
/* Is the thing in the group or one below it? */
bool registry__is_member(const struct thing_entry *thing, const struct group_entry *group);

struct type_entry *registry__type(const struct registry *reg, elo_span name);
struct group_entry *registry__group(const struct registry *reg, elo_span name);
struct thing_entry *registry__thing(const struct registry *reg, elo_span name);
struct certificate_entry *registry__certificate(const struct registry *reg, elo_span id);
struct certificate_entry *registry__of_arn(const struct registry *reg, elo_span arn);
struct policy_entry *registry__policy(const struct registry *reg, elo_span name);

/* --- writing ----------------------------------------------------------------------------- */

/*
 * A batch for an operation that may be part of a change (registry_begin): the change's own while
 * one is open, and then there is room to note how the operation is taken back. NULL: out of memory.
 * Operations that are never part of a change call store_begin().
 */
struct store_batch *registry__batch(struct registry *reg);

/* Submits, or leaves that to the open change; false: out of memory, nothing was submitted. NULL is
 * taken for a batch that could not begin. */
bool registry__submit(struct registry *reg, struct store_batch *b);

/* The operation is done: notes how to take it back, or lets the old state go. */
void registry__did(struct registry *reg, const struct undo *u);

/* --- attributes -------------------------------------------------------------------------- */

#define ATTRIBUTE_SET_MAX (2u * LIMIT_ATTRIBUTES)

/* A set under construction, sorted by name. */
struct attribute_set {
    struct thing_attribute items[ATTRIBUTE_SET_MAX];
    size_t count;
};

/* What a request says about attributes. */
struct attribute_change {
    bool given;
    bool merge;
    const struct thing_attribute *items;
    size_t count;
};

/*
 * The attributes that there shall be: those of `before` (NULL: none), if they stay, then the given
 * ones. InvalidRequest: not valid, or more than `limit`; `what` names their owner ("A thing
 * group").
 */
aws_error registry__attributes(const struct attribute_change *change,
                               const struct thing_attribute *before,
                               size_t before_count,
                               size_t limit,
                               const char *what,
                               struct attribute_set *out,
                               struct aws_fault *fault);
bool registry__same_attributes(const struct attribute_set *set,
                               const struct thing_attribute *attributes,
                               size_t count);
/* As the JSON object of a row; false: out of memory. */
bool registry__attributes_json(const struct thing_details *details, struct buf *out);
/* A row's JSON object; ELO_E_CORRUPT if it is none. Spans into `json`. */
elo_err registry__attributes_read(elo_span json,
                                  struct thing_attribute out[ATTRIBUTE_SET_MAX],
                                  size_t *out_count);

/* --- loading ----------------------------------------------------------------------------- */

/* Fills an empty state. On failure it is empty again. */
ELO_MUST_USE elo_err registry__load(struct registry *reg, struct state *state);
void registry__state_init(struct state *state);
void registry__state_free(struct state *state);

/* --- authorizer.c ------------------------------------------------------------------------ */

void registry__authorizers_init(struct state *state);
void registry__authorizers_free(struct state *state);
/* A setting of the store, if it is one of an authorizer's. */
ELO_MUST_USE elo_err registry__load_authorizer(struct state *state, elo_span name, elo_span value);

/* --- checks ------------------------------------------------------------------------------ */

/* AWS_OK or InvalidRequest in the words of the service's own validation. */
aws_error registry__check_thing_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_type_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_group_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_template_name(elo_span name, struct aws_fault *fault);
aws_error registry__check_role_arn(elo_span arn, struct aws_fault *fault);
/* At most LIMIT_DESCRIPTION_CHARS, printable. */
aws_error
registry__check_description(const char *member, elo_span text, size_t max, struct aws_fault *fault);
aws_error
registry__check_attribute_name(const char *member, elo_span name, struct aws_fault *fault);
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
/* The same for what a policy is attached to: a certificate or a thing group. */
aws_error registry__find_target(const struct registry *reg,
                                elo_span arn,
                                struct target **out,
                                struct aws_fault *fault);
/* Checks the name, finds the entry or answers ResourceNotFound. */
aws_error registry__find_type(const struct registry *reg,
                              elo_span name,
                              struct type_entry **out,
                              struct aws_fault *fault);
aws_error registry__find_group(const struct registry *reg,
                               elo_span name,
                               struct group_entry **out,
                               struct aws_fault *fault);
aws_error registry__find_ca(const struct registry *reg,
                            elo_span id,
                            struct ca_entry **out,
                            struct aws_fault *fault);
aws_error registry__find_template(const struct registry *reg,
                                  elo_span name,
                                  struct template_entry **out,
                                  struct aws_fault *fault);
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
