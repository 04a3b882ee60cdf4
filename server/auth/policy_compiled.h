// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The inside of a compiled policy, shared by the policy_*.c files and the authorizer's cache.
 * Nobody else includes it.
 *
 * A policy owns one arena: every statement, pattern and string of it lies there, and goes with it.
 * Lists are linked in document order. Nothing changes after policy_parse() but the reference count.
 */
#ifndef ELO_SERVER_AUTH_POLICY_COMPILED_H
#define ELO_SERVER_AUTH_POLICY_COMPILED_H

#include "server/auth/policy.h"

/* --- memory ------------------------------------------------------------------------------------
 */

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

void *arena_alloc(struct arena *arena, size_t bytes); /* zero-filled; NULL: out of memory */
void arena_free(struct arena *arena);

/* --- patterns ----------------------------------------------------------------------------------
 */

enum segment_kind {
    SEGMENT_LITERAL,  /* `text` itself */
    SEGMENT_ONE,      /* `?`: exactly one character */
    SEGMENT_ANY,      /* `*`: any characters, none too */
    SEGMENT_VARIABLE, /* `${text}` */
};

struct segment {
    enum segment_kind kind;
    elo_span text;
};

/* One value of a list: an Action, a Resource, a value of a condition. */
struct pattern {
    struct pattern *next;
    const struct segment *segments;
    size_t count;
};

/* What has a meaning in a pattern's text; the rest is literal. */
enum { PATTERN_WILDCARDS = 1, PATTERN_VARIABLES = 2 };

/* Cuts `text` into at most `cap` segments that point into it; `*out_count` is how many it takes. */
bool pattern_cut(
    elo_span text, unsigned meaning, struct segment *out, size_t cap, size_t *out_count);

/* The same into an arena, where `text` lies already. false: out of memory. */
bool pattern_compile(struct arena *arena, elo_span text, unsigned meaning, struct pattern *out);

/*
 * The way of comparing. In an ARN the wildcards do not cross the colons of its first five fields
 * ("IAM JSON policy elements: Condition operators", ARN condition operators); in a Resource they
 * do.
 */
enum match_mode { MATCH_TEXT, MATCH_IGNORE_CASE, MATCH_ARN };

bool pattern_match(const struct pattern *pattern,
                   elo_span text,
                   enum match_mode mode,
                   const struct policy_variables *vars);

/* The first variable without a value; NULL: all have one. */
const struct segment *pattern_unresolved(const struct pattern *pattern,
                                         const struct policy_variables *vars);

/* The text with variables filled in, wildcards as they stand. false: no value, or over `cap`. */
bool pattern_text(const struct pattern *pattern,
                  const struct policy_variables *vars,
                  char *buf,
                  size_t cap,
                  size_t *out_len);

/* --- variables ---------------------------------------------------------------------------------
 */

/* "All string values are limited to 1024 characters", "limited to five items": "X.509 Certificate
 * AWS IoT Core policy variables". */
enum { VARIABLE_BYTES = 1024, VARIABLE_ITEMS = 5 };

/* What stands for `${name}` in a text, valid until the next question; false: nothing does. */
bool variable_text(const struct policy_variables *vars, elo_span name, elo_span *out);

/* The values of a condition key: how many, and a copy of one. */
size_t variable_count(const struct policy_variables *vars, elo_span key);

struct variable_value {
    size_t len;
    uint8_t bytes[2 * VARIABLE_BYTES]; /* escaping may double a value */
};

/* false: there is none at `index`, or it is longer than VARIABLE_BYTES. */
bool variable_value(const struct policy_variables *vars,
                    elo_span key,
                    size_t index,
                    struct variable_value *out);

/* --- conditions --------------------------------------------------------------------------------
 */

struct condition_operator;

enum condition_qualifier { FOR_ONE, FOR_ALL_VALUES, FOR_ANY_VALUE };

struct condition {
    struct condition *next;
    elo_span name; /* the operator as written: "ForAllValues:StringLikeIfExists" */
    const struct condition_operator *operator;
    enum condition_qualifier qualifier;
    bool if_exists;
    elo_span key;
    struct pattern *values;
};

/* Fills operator, qualifier and if_exists from `name`; false: there is no such operator. */
bool condition_parse_operator(elo_span name, struct condition *out);

/* What has a meaning in the values of this condition, in a policy with variables. */
unsigned condition_meaning(const struct condition *condition);

/* `allow` tells whose condition it is: an Allow is never widened by a variable without a value. */
bool condition_holds(const struct condition *condition,
                     bool allow,
                     const struct policy_variables *vars);

/* Does it count with a key that has no value: Null, ...IfExists, ForAllValues? */
bool condition_may_miss(const struct condition *condition);

/* --- comparing typed values --------------------------------------------------------------------
 */

enum relation { EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL };

/* false also when one side is no number, date, address, truth value. */
bool compare_numbers(elo_span have, enum relation relation, elo_span want);
bool compare_dates(elo_span have, enum relation relation, elo_span want);
bool compare_address(elo_span address, elo_span cidr);
bool compare_bools(elo_span have, elo_span want);

/* --- the policy --------------------------------------------------------------------------------
 */

struct statement {
    struct statement *next;
    size_t index; /* in the document, from 0 */
    elo_span sid; /* empty: none */
    bool allow;
    bool not_resource;
    unsigned actions; /* one bit a policy_action, NotAction already turned round */
    struct pattern *resources;
    struct condition *conditions;
};

struct policy {
    size_t references;
    bool variables; /* Version 2012-10-17 */
    struct statement *statements;
    struct arena arena;
};

static inline bool statement_has_action(const struct statement *s, enum policy_action action)
{
    return (s->actions & 1u << action) != 0;
}

/* Is the resource among those of the statement? */
bool statement_covers(const struct statement *s,
                      elo_span resource_arn,
                      const struct policy_variables *vars);

/* The first condition that does not hold; NULL: all do. */
const struct condition *statement_failing(const struct statement *s,
                                          const struct policy_variables *vars);

#endif
