// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/auth/policy_compiled.h"

static bool any_unresolved(const struct statement *s, const struct policy_variables *vars)
{
    for (const struct pattern *p = s->resources; p != NULL; p = p->next) {
        if (pattern_unresolved(p, vars) != NULL) {
            return true;
        }
    }
    return false;
}

static bool any_match(const struct statement *s, elo_span arn, const struct policy_variables *vars)
{
    for (const struct pattern *p = s->resources; p != NULL; p = p->next) {
        if (pattern_match(p, arn, MATCH_TEXT, vars)) {
            return true;
        }
    }
    return false;
}

/*
 * A Resource with a variable that has no value matches nothing. Turned round by NotResource that
 * would be everything: right for a Deny, but an Allow must not be widened by what is missing.
 */
bool statement_covers(const struct statement *s,
                      elo_span resource_arn,
                      const struct policy_variables *vars)
{
    if (!s->not_resource) {
        return any_match(s, resource_arn, vars);
    }
    if (s->allow && any_unresolved(s, vars)) {
        return false;
    }
    return !any_match(s, resource_arn, vars);
}

const struct condition *statement_failing(const struct statement *s,
                                          const struct policy_variables *vars)
{
    for (const struct condition *c = s->conditions; c != NULL; c = c->next) {
        if (!condition_holds(c, s->allow, vars)) {
            return c;
        }
    }
    return NULL;
}

void policy_eval(struct policy *const *policies,
                 size_t count,
                 enum policy_action action,
                 elo_span resource_arn,
                 const struct policy_variables *vars,
                 struct policy_decision *out)
{
    *out = (struct policy_decision){POLICY_IMPLICIT_DENY, 0, 0};
    for (size_t i = 0; i < count; i++) {
        for (const struct statement *s = policies[i]->statements; s != NULL; s = s->next) {
            bool settled = s->allow && out->effect == POLICY_ALLOWED;
            if (settled || !statement_has_action(s, action) ||
                !statement_covers(s, resource_arn, vars) || statement_failing(s, vars) != NULL) {
                continue;
            }
            *out = (struct policy_decision){s->allow ? POLICY_ALLOWED : POLICY_EXPLICIT_DENY, i,
                                            s->index};
            if (!s->allow) {
                return;
            }
        }
    }
}

/* --- what is missing -------------------------------------------------------------------------- */

struct missing {
    const struct policy_variables *vars;
    void (*each)(void *ctx, elo_span key);
    void *ctx;
};

static void miss_in_patterns(const struct pattern *patterns, const struct missing *m)
{
    for (const struct pattern *p = patterns; p != NULL; p = p->next) {
        for (size_t i = 0; i < p->count; i++) {
            elo_span value;
            const struct segment *s = &p->segments[i];
            if (s->kind == SEGMENT_VARIABLE && !variable_text(m->vars, s->text, &value)) {
                m->each(m->ctx, s->text);
            }
        }
    }
}

void policy_missing(const struct policy *policy,
                    enum policy_action action,
                    const struct policy_variables *vars,
                    void (*each)(void *ctx, elo_span key),
                    void *ctx)
{
    const struct missing m = {vars, each, ctx};
    for (const struct statement *s = policy->statements; s != NULL; s = s->next) {
        if (!statement_has_action(s, action)) {
            continue;
        }
        miss_in_patterns(s->resources, &m);
        for (const struct condition *c = s->conditions; c != NULL; c = c->next) {
            if (!condition_may_miss(c) && variable_count(vars, c->key) == 0) {
                each(ctx, c->key);
            }
            miss_in_patterns(c->values, &m);
        }
    }
}
