// links: server_auth server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Policies from any bytes: the document up to the first NUL (JSON has none), then, separated by
 * NULs, a resource and values that stand for whatever key is asked for. What parses is decided and
 * explained for every action; the answers must agree with each other and stay in their buffers.
 */
#include "server/auth/policy.h"
#include "server/base/limits.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_VALUES = 8 };

struct context {
    elo_span values[MOST_VALUES];
    size_t count;
    uint8_t *last; /* a block of the value's size: whoever keeps a span too long is found out */
};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static elo_span cut(elo_span *rest)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->ptr, 0, rest->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    elo_span first = elo_span_first(*rest, len);
    *rest = elo_span_from(*rest, end != NULL ? len + 1 : len);
    return first;
}

/* As many values as the key's length says, from where its last letter says: none for some. */
static size_t get(void *ctx, elo_span key, size_t index, elo_span *out)
{
    struct context *c = ctx;
    if (c->count == 0 || key.len == 0) {
        return 0;
    }
    size_t count = key.len % (c->count + 1);
    free(c->last);
    c->last = NULL;
    if (index < count) {
        elo_span value = c->values[(key.ptr[key.len - 1] + index) % c->count];
        c->last = malloc(value.len + 1);
        require(c->last != NULL);
        if (value.len > 0) {
            memcpy(c->last, value.ptr, value.len);
        }
        *out = elo_span_of(c->last, value.len);
    }
    return count;
}

static void explain(struct policy *const *policies,
                    const elo_span *names,
                    size_t count,
                    enum policy_action action,
                    elo_span arn,
                    const struct policy_variables *vars)
{
    static const size_t caps[] = {0, 1, 40, 2048};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        char *buf = malloc(caps[i] + (caps[i] == 0));
        require(buf != NULL);
        size_t len = policy_explain(policies, names, count, action, arn, vars, buf, caps[i]);
        require(caps[i] == 0 ? len == 0 : len < caps[i] && buf[len] == '\0');
        require(caps[i] < 40 || len > 0);
        free(buf);
    }
}

static void ask(struct policy *policy, elo_span arn, const struct policy_variables *vars)
{
    struct policy *const twice[] = {policy, policy};
    const elo_span names[] = {ELO_SPAN("one v1"), ELO_SPAN("two v1")};
    for (unsigned a = 0; a < POLICY_ACTION_COUNT; a++) {
        enum policy_action action = (enum policy_action)a;
        struct policy_decision none;
        struct policy_decision one;
        struct policy_decision two;
        policy_eval(twice, 0, action, arn, vars, &none);
        policy_eval(twice, 1, action, arn, vars, &one);
        policy_eval(twice, 2, action, arn, vars, &two);
        require(none.effect == POLICY_IMPLICIT_DENY);
        require(one.effect == two.effect && one.statement == two.statement && two.policy == 0);
        explain(twice, names, 2, action, arn, vars);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span rest = elo_span_of(data, size);
    elo_span document = cut(&rest);
    struct policy *policy = NULL;
    char why[200] = "";
    elo_err err = policy_parse(document, &policy, why, sizeof why);
    require(err == ELO_OK || err == ELO_E_MALFORMED || err == ELO_E_TOO_LARGE);
    require((err == ELO_OK) == (policy != NULL));
    require((err == ELO_OK) == (why[0] == '\0'));
    if (policy != NULL) {
        struct context context = {.count = 0};
        struct policy_variables vars = {get, &context};
        elo_span arn = cut(&rest);
        while (rest.len > 0 && context.count < MOST_VALUES) {
            context.values[context.count++] = cut(&rest);
        }
        ask(policy, arn, &vars);
        free(context.last);
    }
    policy_release(policy);
    return 0;
}
