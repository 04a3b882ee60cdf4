// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Private to server/provisioning: a template while it is read and run. */
#ifndef ELO_SERVER_PROVISIONING_INTERNAL_H
#define ELO_SERVER_PROVISIONING_INTERNAL_H

#include "elo/json/read.h"
#include "server/provisioning/provisioning.h"

/* The most bytes that one value of a template can become. */
#define VALUE_BYTES 65536u

#define THING_GROUPS_MAX LIMIT_GROUPS_PER_THING
#define POLICIES_MAX     LIMIT_POLICIES_PER_CERTIFICATE

struct text; /* memory that lives as long as the run */

struct run {
    struct registry *reg;
    const struct provisioning_request *request;
    struct aws_fault *fault;
    elo_span parameters; /* the sections, as they stand; empty: not there */
    elo_span mappings;
    elo_span resources;
    elo_span configuration;
    struct text *texts;
};

/* --- read.c ---------------------------------------------------------------------------------- */

void *run_alloc(struct run *run, size_t bytes); /* NULL: out of memory */
void run_free_all(struct run *run);

aws_error run_no_memory(struct run *run);
aws_error run_refuse(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For "%.*s": at most 100 bytes. */
#define SHOWN(span) (int)((span).len < 100 ? (span).len : 100), (const char *)(span).ptr

/* Members of an object, or items of an array, one after the other; all texts are valid JSON. */
struct walker {
    struct elo_json_reader reader;
    bool is_object;
};
bool walk_begin(struct walker *w, elo_span json, bool object); /* false: it is none */
/* false: no more. `key` (of a member) still has its escapes. `raw` is the value's text. */
bool walk_next(struct walker *w, struct elo_json_token *key, elo_span *raw);

bool json_is(elo_span raw, char first); /* '{', '[' or '"' */
/* The value of a member; false: it has none. */
bool json_member(elo_span object, const char *name, elo_span *raw);
/* The same for a name that is data. */
bool json_member_named(elo_span object, elo_span name, elo_span *raw);

/* A string, unescaped; other scalars as they stand. InvalidRequest for the rest. */
aws_error read_text(struct run *run, elo_span raw, const char *what, elo_span *out);
aws_error read_key(struct run *run, const struct elo_json_token *key, elo_span *out);

/* Finds the sections and checks the form of everything. */
aws_error read_template(struct run *run, elo_span body);

/* --- value.c --------------------------------------------------------------------------------- */

/* A value with its functions (Ref, Fn::Join ...) worked out. `what` names it for faults. */
aws_error value_text(struct run *run, elo_span raw, const char *what, elo_span *out);

struct value_list {
    elo_span *items;
    size_t count;
};
aws_error value_list(struct run *run, elo_span raw, const char *what, struct value_list *out);

/* Any JSON with the functions in it worked out, as JSON text into `out`. */
aws_error value_json(struct run *run, elo_span raw, const char *what, struct buf *out);

/* Has every declared parameter a value? */
aws_error check_parameters(struct run *run);

/* --- plan.c ---------------------------------------------------------------------------------- */

enum override {
    OVERRIDE_UNSAID,
    OVERRIDE_DO_NOTHING,
    OVERRIDE_REPLACE,
    OVERRIDE_FAIL,
    OVERRIDE_MERGE
};

struct thing_plan {
    bool is_there;
    elo_span logical;
    elo_span name;
    elo_span type;
    struct thing_attribute attributes[LIMIT_ATTRIBUTES];
    size_t attribute_count;
    elo_span groups[THING_GROUPS_MAX];
    size_t group_count;
    enum override attributes_override;
    enum override type_override;
    enum override groups_override;
};

struct certificate_plan {
    bool is_there;
    elo_span logical;
    elo_span id; /* exactly one of these three */
    elo_span csr;
    elo_span pem;
    elo_span ca_pem;
    bool active;
    enum override status_override;
};

struct policy_plan {
    elo_span logical;
    elo_span name; /* exactly one of these two */
    elo_span document;
};

struct plan {
    struct thing_plan thing;
    struct certificate_plan certificate;
    struct policy_plan policies[POLICIES_MAX];
    size_t policy_count;
};

/* Everything the template asks for, worked out; nothing is done yet. */
aws_error make_plan(struct run *run, struct plan *plan);

/* --- apply.c --------------------------------------------------------------------------------- */

aws_error apply_plan(struct run *run, const struct plan *plan, struct provisioning_result *out);

#endif
