// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Near misses: what policy_explain.c finds and policy_sentence.c puts into words. Nobody else
 * includes it.
 */
#ifndef ELO_SERVER_AUTH_POLICY_MISS_H
#define ELO_SERVER_AUTH_POLICY_MISS_H

#include "server/auth/policy_compiled.h"

/* Why an Allow statement with the action did not allow; the later, the nearer to the cause. */
enum miss_kind {
    MISS_NONE,       /* no Allow statement has the action */
    MISS_OTHER,      /* it allows something else */
    MISS_LITERAL,    /* a `*` or `?` of a variable's value or an escape, taken for a wildcard */
    MISS_EXCLUDED,   /* NotResource names the resource */
    MISS_CASE,       /* the same but for capital letters */
    MISS_TYPE,       /* topic/ where topicfilter/ is asked for, or the other way round */
    MISS_PLACE,      /* another region, account or partition */
    MISS_WILDCARD,   /* `+` or `#`, which are literal, where `*` was meant */
    MISS_VERSION,    /* `${...}` in a policy whose Version knows no variables */
    MISS_UNRESOLVED, /* a variable without a value */
    MISS_CONDITION   /* all but the condition */
};

struct miss {
    enum miss_kind kind;
    size_t closeness; /* among equals: how much of the resource is the same */
    size_t policy;
    const struct statement *statement;
    const struct pattern *pattern;
    const struct segment *variable;    /* MISS_UNRESOLVED */
    const struct condition *condition; /* MISS_CONDITION */
};

/* The question that was answered with no. */
struct question {
    struct policy *const *policies;
    const elo_span *names;
    size_t count;
    enum policy_action action;
    elo_span arn;
    const struct policy_variables *vars;
};

/* A sentence growing in a buffer that may be too small; cut between characters. */
struct sentence {
    char *buf;
    size_t cap;
    size_t len;
};

void say_nothing_attached(struct sentence *out);
void say_decision(struct sentence *out,
                  const struct question *q,
                  const struct policy_decision *decision);
void say_miss(struct sentence *out, const struct question *q, const struct miss *miss);

/* How many colons of an ARN come before its resource: arn:aws:iot:REGION:ACCOUNT:resource. */
enum { ARN_FIELDS = 5 };

/* What stands after the first five fields of an ARN; empty if it has not as many. */
elo_span arn_resource(elo_span arn);

#endif
