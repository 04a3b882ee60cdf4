// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an operator is a row of one table: how a value of the request is compared with
 * one of the policy, and whether the answer is turned round. Everything else is the same for all,
 * by "IAM JSON policy elements: Condition" and "Multivalued context keys" (IAM User Guide):
 *
 *   one value of the request   holds if it compares with any value of the policy
 *                              (negated operators: with none of them)
 *   ForAllValues:              every value of the request holds; true if there are none
 *   ForAnyValue:               some value of the request holds; false if there are none
 *   no qualifier               as ForAnyValue, for negated operators as ForAllValues
 *   the key has no value       false; true for negated operators and for ...IfExists
 *   Null                       asks only whether the key has a value
 */
#include "server/auth/policy_compiled.h"

struct comparison {
    const struct pattern *want;
    elo_span have;
    enum relation relation;
    const struct policy_variables *vars;
};

typedef bool compare_fn(const struct comparison *c);

struct condition_operator {
    const char *name;
    compare_fn *compare; /* NULL: the Null operator */
    enum relation relation;
    bool negated;
    unsigned meaning;
};

static bool as_text(const struct comparison *c)
{
    return pattern_match(c->want, c->have, MATCH_TEXT, c->vars);
}

static bool as_text_ignoring_case(const struct comparison *c)
{
    return pattern_match(c->want, c->have, MATCH_IGNORE_CASE, c->vars);
}

static bool as_arn(const struct comparison *c)
{
    return pattern_match(c->want, c->have, MATCH_ARN, c->vars);
}

/* The policy's side of a comparison of typed values: longer ones are no number, date or address. */
struct typed_text {
    char text[96];
    size_t len;
};

static bool typed_text(const struct comparison *c, struct typed_text *out)
{
    return pattern_text(c->want, c->vars, out->text, sizeof out->text, &out->len);
}

static bool as_number(const struct comparison *c)
{
    struct typed_text t;
    return typed_text(c, &t) && compare_numbers(c->have, c->relation, elo_span_of(t.text, t.len));
}

static bool as_date(const struct comparison *c)
{
    struct typed_text t;
    return typed_text(c, &t) && compare_dates(c->have, c->relation, elo_span_of(t.text, t.len));
}

static bool as_bool(const struct comparison *c)
{
    struct typed_text t;
    return typed_text(c, &t) && compare_bools(c->have, elo_span_of(t.text, t.len));
}

static bool as_address(const struct comparison *c)
{
    struct typed_text t;
    return typed_text(c, &t) && compare_address(c->have, elo_span_of(t.text, t.len));
}

enum { PLAIN = PATTERN_VARIABLES, WILD = PATTERN_VARIABLES | PATTERN_WILDCARDS };

static const struct condition_operator OPERATORS[] = {
    {"StringEquals", as_text, EQUAL, false, PLAIN},
    {"StringNotEquals", as_text, EQUAL, true, PLAIN},
    {"StringEqualsIgnoreCase", as_text_ignoring_case, EQUAL, false, PLAIN},
    {"StringNotEqualsIgnoreCase", as_text_ignoring_case, EQUAL, true, PLAIN},
    {"StringLike", as_text, EQUAL, false, WILD},
    {"StringNotLike", as_text, EQUAL, true, WILD},
    {"ArnEquals", as_arn, EQUAL, false, WILD},
    {"ArnNotEquals", as_arn, EQUAL, true, WILD},
    {"ArnLike", as_arn, EQUAL, false, WILD},
    {"ArnNotLike", as_arn, EQUAL, true, WILD},
    {"NumericEquals", as_number, EQUAL, false, PLAIN},
    {"NumericNotEquals", as_number, EQUAL, true, PLAIN},
    {"NumericLessThan", as_number, LESS, false, PLAIN},
    {"NumericLessThanEquals", as_number, LESS_OR_EQUAL, false, PLAIN},
    {"NumericGreaterThan", as_number, GREATER, false, PLAIN},
    {"NumericGreaterThanEquals", as_number, GREATER_OR_EQUAL, false, PLAIN},
    {"DateEquals", as_date, EQUAL, false, PLAIN},
    {"DateNotEquals", as_date, EQUAL, true, PLAIN},
    {"DateLessThan", as_date, LESS, false, PLAIN},
    {"DateLessThanEquals", as_date, LESS_OR_EQUAL, false, PLAIN},
    {"DateGreaterThan", as_date, GREATER, false, PLAIN},
    {"DateGreaterThanEquals", as_date, GREATER_OR_EQUAL, false, PLAIN},
    {"Bool", as_bool, EQUAL, false, PLAIN},
    {"IpAddress", as_address, EQUAL, false, PLAIN},
    {"NotIpAddress", as_address, EQUAL, true, PLAIN},
    {"Null", NULL, EQUAL, false, PLAIN},
};

static bool cut_prefix(elo_span *text, elo_span prefix)
{
    if (!elo_span_starts_with(*text, prefix)) {
        return false;
    }
    *text = elo_span_from(*text, prefix.len);
    return true;
}

static bool cut_suffix(elo_span *text, elo_span suffix)
{
    if (text->len < suffix.len ||
        !elo_span_eq(elo_span_from(*text, text->len - suffix.len), suffix)) {
        return false;
    }
    *text = elo_span_first(*text, text->len - suffix.len);
    return true;
}

bool condition_parse_operator(elo_span name, struct condition *out)
{
    out->name = name;
    out->qualifier = cut_prefix(&name, ELO_SPAN("ForAllValues:"))  ? FOR_ALL_VALUES
                     : cut_prefix(&name, ELO_SPAN("ForAnyValue:")) ? FOR_ANY_VALUE
                                                                   : FOR_ONE;
    out->if_exists = cut_suffix(&name, ELO_SPAN("IfExists"));
    for (size_t i = 0; i < sizeof OPERATORS / sizeof OPERATORS[0]; i++) {
        if (elo_span_eq(name, elo_span_str(OPERATORS[i].name))) {
            out->operator= & OPERATORS[i];
            bool asks_existence = OPERATORS[i].compare == NULL;
            return !(asks_existence && (out->if_exists || out->qualifier != FOR_ONE));
        }
    }
    return false;
}

unsigned condition_meaning(const struct condition *condition)
{
    return condition->operator->meaning;
}

static bool
null_holds(const struct condition *c, bool has_value, const struct policy_variables *vars)
{
    elo_span state = has_value ? ELO_SPAN("false") : ELO_SPAN("true");
    for (const struct pattern *want = c->values; want != NULL; want = want->next) {
        struct comparison comparison = {want, state, EQUAL, vars};
        if (as_bool(&comparison)) {
            return true;
        }
    }
    return false;
}

static bool compares(const struct condition *c, elo_span have, const struct policy_variables *vars)
{
    for (const struct pattern *want = c->values; want != NULL; want = want->next) {
        struct comparison comparison = {want, have, c->operator->relation, vars};
        if (c->operator->compare(&comparison)) {
            return true;
        }
    }
    return false;
}

static bool has_unresolved(const struct condition *c, const struct policy_variables *vars)
{
    for (const struct pattern *want = c->values; want != NULL; want = want->next) {
        if (pattern_unresolved(want, vars) != NULL) {
            return true;
        }
    }
    return false;
}

static bool
values_hold(const struct condition *c, size_t count, const struct policy_variables *vars)
{
    const bool negated = c->operator->negated;
    const bool need_all = c->qualifier == FOR_ALL_VALUES || (c->qualifier == FOR_ONE && negated);
    for (size_t i = 0; i < count; i++) {
        struct variable_value value;
        bool holds = variable_value(vars, c->key, i, &value) &&
                     compares(c, elo_span_of(value.bytes, value.len), vars) != negated;
        if (holds != need_all) {
            return holds;
        }
    }
    return need_all;
}

bool condition_holds(const struct condition *condition,
                     bool allow,
                     const struct policy_variables *vars)
{
    const struct condition_operator *op = condition->operator;
    size_t count = variable_count(vars, condition->key);
    if (op->compare == NULL) {
        return null_holds(condition, count > 0, vars);
    }
    if (count == 0 && (condition->if_exists || condition->qualifier == FOR_ALL_VALUES)) {
        return true;
    }
    if (count == 0) {
        return op->negated && condition->qualifier == FOR_ONE;
    }
    /* "Not equal to something that has no value" must not open a door. */
    if (op->negated && allow && has_unresolved(condition, vars)) {
        return false;
    }
    return values_hold(condition, count, vars);
}

bool condition_may_miss(const struct condition *condition)
{
    return condition->operator->compare == NULL || condition->if_exists ||
        condition->qualifier == FOR_ALL_VALUES;
}
