// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: AWS answers a closed connection; here the person gets the likeliest mistake.
 * Every resource of every Allow statement with the action is held against the request, once as it
 * is and then with one well-known mistake undone at a time: topic for topicfilter, `#` read as
 * MQTT reads it, another region, other capitals. The resource that needs the least undoing is
 * named; among equals the one that has most in common with the request.
 *
 * This runs for a denial that somebody reads, not for every decision: plain loops, no cache.
 */
#include "server/auth/policy_miss.h"

enum { TEXT_BYTES = 1024, SEGMENTS = 128 };

/* A resource or request with some mistake undone. */
struct text {
    size_t len;
    char bytes[TEXT_BYTES];
};

static elo_span span_of(const struct text *t)
{
    return elo_span_of(t->bytes, t->len);
}

static bool join(struct text *out, elo_span a, elo_span b, elo_span c)
{
    const elo_span parts[] = {a, b, c};
    out->len = 0;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len > sizeof out->bytes - out->len) {
            return false;
        }
        if (parts[i].len > 0) {
            memcpy(out->bytes + out->len, parts[i].ptr, parts[i].len);
        }
        out->len += parts[i].len;
    }
    return true;
}

static bool matches(const struct text *pattern, elo_span text, enum match_mode mode)
{
    struct segment segments[SEGMENTS];
    struct pattern p = {NULL, segments, 0};
    return pattern_cut(span_of(pattern), PATTERN_WILDCARDS, segments, SEGMENTS, &p.count) &&
           pattern_match(&p, text, mode, NULL);
}

elo_span arn_resource(elo_span arn)
{
    size_t colons = 0;
    for (size_t i = 0; i < arn.len; i++) {
        if (arn.ptr[i] == ':' && ++colons == ARN_FIELDS) {
            return elo_span_from(arn, i + 1);
        }
    }
    return elo_span_of(NULL, 0);
}

static elo_span arn_head(elo_span arn)
{
    return elo_span_first(arn, arn.len - arn_resource(arn).len);
}

/* --- the mistakes, undone ----------------------------------------------------------------------
 */

/* The pattern as its author may have meant it: `+` and `#` as MQTT has them. */
static bool with_mqtt_wildcards(const struct text *pattern, struct text *out)
{
    bool any = false;
    *out = *pattern;
    for (size_t i = 0; i < out->len; i++) {
        if (out->bytes[i] == '+' || out->bytes[i] == '#') {
            out->bytes[i] = '*';
            any = true;
        }
    }
    return any;
}

/* The request under the other name of topics: topic/a for topicfilter/a and the reverse. */
static bool with_other_type(elo_span arn, enum policy_action action, struct text *out)
{
    elo_span type = elo_span_str(policy_action_resource(action));
    elo_span resource = arn_resource(arn);
    if (action == POLICY_Connect || !elo_span_starts_with(resource, type)) {
        return false;
    }
    elo_span other = action == POLICY_Subscribe ? ELO_SPAN("topic") : ELO_SPAN("topicfilter");
    return join(out, arn_head(arn), other, elo_span_from(resource, type.len));
}

/* The pattern moved to the request's partition, region and account. */
static bool at_same_place(const struct text *pattern, elo_span arn, struct text *out)
{
    elo_span resource = arn_resource(span_of(pattern));
    return resource.len > 0 && arn_resource(arn).len > 0 &&
           join(out, arn_head(arn), resource, elo_span_of(NULL, 0));
}

static enum miss_kind judge(const struct question *q, const struct text *pattern)
{
    struct text other;
    struct text meant;
    bool has_other = with_other_type(q->arn, q->action, &other);
    bool has_meant = with_mqtt_wildcards(pattern, &meant);
    if (has_meant && matches(&meant, q->arn, MATCH_TEXT)) {
        return MISS_WILDCARD;
    }
    if (has_other && (matches(pattern, span_of(&other), MATCH_TEXT) ||
                      (has_meant && matches(&meant, span_of(&other), MATCH_TEXT)))) {
        return MISS_TYPE;
    }
    if (at_same_place(pattern, q->arn, &meant) && matches(&meant, q->arn, MATCH_TEXT)) {
        return MISS_PLACE;
    }
    return matches(pattern, q->arn, MATCH_IGNORE_CASE) ? MISS_CASE : MISS_OTHER;
}

/* --- finding the nearest -----------------------------------------------------------------------
 */

static size_t common(elo_span a, elo_span b)
{
    size_t front = 0;
    size_t back = 0;
    size_t most = a.len < b.len ? a.len : b.len;
    while (front < most && a.ptr[front] == b.ptr[front]) {
        front++;
    }
    while (back < most - front && a.ptr[a.len - 1 - back] == b.ptr[b.len - 1 - back]) {
        back++;
    }
    return 2 * front + back; /* how a topic begins says more than how it ends */
}

/* What is certain of a pattern before its first wildcard or unresolved variable. */
static bool begins(const struct pattern *p,
                   const struct segment *end,
                   elo_span arn,
                   const struct policy_variables *vars)
{
    for (const struct segment *s = p->segments; s != end && s->kind != SEGMENT_ANY; s++) {
        elo_span text = s->text;
        if (s->kind == SEGMENT_ONE) {
            return true;
        }
        if (s->kind == SEGMENT_VARIABLE && !variable_text(vars, s->text, &text)) {
            return true;
        }
        if (!elo_span_starts_with(arn, text)) {
            return false;
        }
        arn = elo_span_from(arn, text.len);
    }
    return true;
}

static bool has_literal_variable(const struct policy *policy, elo_span text)
{
    for (size_t i = 0; !policy->variables && i + 1 < text.len; i++) {
        if (text.ptr[i] == '$' && text.ptr[i + 1] == '{') {
            return true;
        }
    }
    return false;
}

/* Does a `*` or `?` stand in it that is no wildcard? Then its filled-in text misleads. */
static bool has_literal_wildcard(const struct pattern *p, const struct policy_variables *vars)
{
    for (size_t i = 0; i < p->count; i++) {
        elo_span text = p->segments[i].text;
        if (p->segments[i].kind == SEGMENT_VARIABLE) {
            (void)variable_text(vars, p->segments[i].text, &text);
        } else if (p->segments[i].kind != SEGMENT_LITERAL) {
            continue;
        }
        if (text.len > 0 &&
            (memchr(text.ptr, '*', text.len) != NULL || memchr(text.ptr, '?', text.len) != NULL)) {
            return true;
        }
    }
    return false;
}

static enum miss_kind
judge_pattern(const struct question *q, const struct miss *miss, const struct text *filled)
{
    if (has_literal_variable(q->policies[miss->policy], span_of(filled))) {
        return MISS_VERSION;
    }
    if (has_literal_wildcard(miss->pattern, q->vars)) {
        return matches(filled, q->arn, MATCH_TEXT) ? MISS_LITERAL : MISS_OTHER;
    }
    return judge(q, filled);
}

static void consider(struct miss *best, const struct miss *miss)
{
    if (miss->kind > best->kind ||
        (miss->kind == best->kind && miss->closeness > best->closeness)) {
        *best = *miss;
    }
}

static void consider_pattern(const struct question *q, struct miss miss, struct miss *best)
{
    struct text filled;
    const struct pattern *p = miss.pattern;
    miss.kind = MISS_OTHER;
    miss.variable = pattern_unresolved(p, q->vars);
    if (miss.variable != NULL) {
        bool near = begins(p, miss.variable, q->arn, q->vars);
        miss.kind = near ? MISS_UNRESOLVED : MISS_OTHER;
    } else if (pattern_text(p, q->vars, filled.bytes, sizeof filled.bytes, &filled.len)) {
        miss.kind = judge_pattern(q, &miss, &filled);
        miss.closeness = common(span_of(&filled), q->arn);
    }
    consider(best, &miss);
}

static void consider_statement(const struct question *q,
                               size_t policy,
                               const struct statement *s,
                               struct miss *best)
{
    struct miss miss = {.policy = policy, .statement = s, .pattern = s->resources};
    if (statement_covers(s, q->arn, q->vars)) {
        miss.kind = MISS_CONDITION;
        miss.condition = statement_failing(s, q->vars);
        consider(best, &miss);
        return;
    }
    for (const struct pattern *p = s->resources; p != NULL; p = p->next) {
        miss.pattern = p;
        if (!s->not_resource) {
            consider_pattern(q, miss, best);
            continue;
        }
        miss.variable = pattern_unresolved(p, q->vars);
        if (miss.variable != NULL || pattern_match(p, q->arn, MATCH_TEXT, q->vars)) {
            miss.kind = miss.variable != NULL ? MISS_UNRESOLVED : MISS_EXCLUDED;
            consider(best, &miss);
        }
    }
}

static struct miss nearest(const struct question *q)
{
    struct miss best = {.kind = MISS_NONE};
    for (size_t i = 0; i < q->count; i++) {
        for (const struct statement *s = q->policies[i]->statements; s != NULL; s = s->next) {
            if (s->allow && statement_has_action(s, q->action)) {
                consider_statement(q, i, s, &best);
            }
        }
    }
    return best;
}

size_t policy_explain(struct policy *const *policies,
                      const elo_span *names,
                      size_t count,
                      enum policy_action action,
                      elo_span resource_arn,
                      const struct policy_variables *vars,
                      char *buf,
                      size_t cap)
{
    struct question q = {policies, names, count, action, resource_arn, vars};
    struct sentence out = {buf, cap, 0};
    struct policy_decision decision;
    if (cap == 0) {
        return 0;
    }
    buf[0] = '\0';
    policy_eval(policies, count, action, resource_arn, vars, &decision);
    if (count == 0) {
        say_nothing_attached(&out);
    } else if (decision.effect != POLICY_IMPLICIT_DENY) {
        say_decision(&out, &q, &decision);
    } else {
        struct miss miss = nearest(&q);
        say_miss(&out, &q, &miss);
    }
    return out.len;
}
