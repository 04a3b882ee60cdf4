// links: server_auth server_base jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Policies: the decisions and reasons in tests/vectors/policy, malformed documents, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/auth/policy.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "tests/support/guard.h"

#define VECTORS ELO_SOURCE_DIR "/tests/vectors/policy/"
#define ARN     "arn:aws:iot:eu-west-1:111122223333:"

enum { MOST_POLICIES = 10, RULES_PER_POLICY = 8 }; /* eight rules stay below the size limit */

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return root;
}

static void full_arn(const char *resource, char *out, size_t cap)
{
    bool whole = resource[0] == '*' || strncmp(resource, "arn:", 4) == 0;
    (void)snprintf(out, cap, "%s%s", whole ? "" : ARN, resource);
}

/* --- variables from a JSON object --------------------------------------------------------------
 */

struct context {
    const json_t *values;
    char last[2048]; /* the span of the call before dies: whoever keeps one is found out */
};

static size_t context_get(void *ctx, elo_span key, size_t index, elo_span *out)
{
    struct context *c = ctx;
    char name[256];
    if (key.len >= sizeof name) {
        return 0;
    }
    memcpy(name, key.ptr, key.len);
    name[key.len] = '\0';
    const json_t *value = json_object_get(c->values, name);
    size_t count = json_is_array(value) ? json_array_size(value) : value != NULL ? 1 : 0;
    memset(c->last, '!', sizeof c->last);
    if (index < count) {
        const json_t *item = json_is_array(value) ? json_array_get(value, index) : value;
        size_t len = json_string_length(item);
        assert_true(len <= sizeof c->last);
        memcpy(c->last, json_string_value(item), len);
        *out = elo_span_of(c->last, len);
    }
    return count;
}

/* --- documents of a group ----------------------------------------------------------------------
 */

struct set {
    struct policy *policies[MOST_POLICIES];
    char texts[MOST_POLICIES][16];
    elo_span names[MOST_POLICIES];
    size_t count;
};

static void set_add(struct set *set, const json_t *document)
{
    char why[512] = "";
    char *text = json_dumps(document, JSON_COMPACT);
    assert_true(set->count < MOST_POLICIES);
    elo_err err = policy_parse(elo_span_str(text), &set->policies[set->count], why, sizeof why);
    if (err != ELO_OK) {
        fail_msg("%s: %s", why, text);
    }
    (void)snprintf(set->texts[set->count], sizeof set->texts[0], "p%zu v1", set->count + 1);
    set->names[set->count] = elo_span_str(set->texts[set->count]);
    set->count++;
    free(text);
}

static json_t *arns(const json_t *resource)
{
    char arn[512];
    if (json_is_string(resource)) {
        full_arn(json_string_value(resource), arn, sizeof arn);
        return json_string(arn);
    }
    json_t *list = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(resource, i, item)
    {
        full_arn(json_string_value(item), arn, sizeof arn);
        json_array_append_new(list, json_string(arn));
    }
    return list;
}

static json_t *statement_of(const json_t *rule)
{
    json_t *s = json_object();
    json_object_set(s, "Effect", json_array_get(rule, 0));
    json_object_set(s, "Action", json_array_get(rule, 1));
    json_object_set_new(s, "Resource", arns(json_array_get(rule, 2)));
    if (json_array_size(rule) > 3) {
        json_object_set(s, "Condition", json_array_get(rule, 3));
    }
    return s;
}

static void set_add_rules(struct set *set, const json_t *rules)
{
    for (size_t first = 0; first < json_array_size(rules); first += RULES_PER_POLICY) {
        json_t *statements = json_array();
        for (size_t i = first; i < first + RULES_PER_POLICY && i < json_array_size(rules); i++) {
            json_array_append_new(statements, statement_of(json_array_get(rules, i)));
        }
        json_t *document =
            json_pack("{s:s, s:o}", "Version", "2012-10-17", "Statement", statements);
        set_add(set, document);
        json_decref(document);
    }
}

static void set_release(struct set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        policy_release(set->policies[i]);
    }
}

/* --- asking ------------------------------------------------------------------------------------
 */

static enum policy_action action_named(const char *name)
{
    for (unsigned a = 0; a < POLICY_ACTION_COUNT; a++) {
        if (strcmp(policy_action_name((enum policy_action)a) + strlen("iot:"), name) == 0) {
            return (enum policy_action)a;
        }
    }
    fail_msg("no action %s", name);
    return POLICY_ACTION_COUNT;
}

static const char *effect_name(enum policy_effect effect)
{
    return effect == POLICY_ALLOWED ? "allow" : effect == POLICY_EXPLICIT_DENY ? "deny" : "none";
}

/* An explanation must stay in every buffer, and be the start of the whole one. */
static void explain_in_small_buffers(const struct set *set,
                                     enum policy_action action,
                                     elo_span arn,
                                     const struct policy_variables *vars,
                                     const char *whole)
{
    struct guard g;
    guard_open(&g, 1024);
    for (size_t cap = 0; cap < 64; cap++) {
        char *buf = (char *)guard_room(&g, cap);
        size_t len =
            policy_explain(set->policies, set->names, set->count, action, arn, vars, buf, cap);
        assert_true(cap == 0 ? len == 0 : len < cap);
        if (cap > 0) {
            assert_int_equal(strlen(buf), len);
            assert_memory_equal(buf, whole, len);
        }
    }
    guard_close(&g);
}

static void ask(const char *group,
                const struct set *set,
                const struct policy_variables *vars,
                const json_t *question)
{
    const char *what = json_string_value(json_array_get(question, 0));
    const char *want = json_string_value(json_array_get(question, 2));
    enum policy_action action = action_named(what);
    char arn[512];
    char why[1024];
    full_arn(json_string_value(json_array_get(question, 1)), arn, sizeof arn);
    elo_span resource = elo_span_str(arn);
    struct policy_decision decision;
    policy_eval(set->policies, set->count, action, resource, vars, &decision);
    size_t len = policy_explain(set->policies, set->names, set->count, action, resource, vars, why,
                                sizeof why);
    assert_int_equal(len, strlen(why));
    if (strcmp(effect_name(decision.effect), want) != 0) {
        fail_msg("%s: %s on %s: %s, not %s (%s)", group, what, arn, effect_name(decision.effect),
                 want, why);
    }
    for (size_t i = 3; i < json_array_size(question); i++) {
        const char *fragment = json_string_value(json_array_get(question, i));
        if (strstr(why, fragment) == NULL) {
            fail_msg("%s: %s on %s: \"%s\" is not in: %s", group, what, arn, fragment, why);
        }
    }
    assert_true(len > 0 && why[len - 1] != '.');
    explain_in_small_buffers(set, action, resource, vars, why);
}

static size_t ask_group(json_t *group)
{
    const char *name = json_string_value(json_object_get(group, "name"));
    struct context context = {json_object_get(group, "context"), ""};
    struct policy_variables vars = {context_get, &context};
    struct set set = {.count = 0};
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(group, "documents"), i, item)
    {
        set_add(&set, item);
    }
    if (json_object_get(group, "rules") != NULL) {
        set_add_rules(&set, json_object_get(group, "rules"));
    }
    json_array_foreach(json_object_get(group, "ask"), i, item)
    {
        ask(name, &set, &vars, item);
    }
    set_release(&set);
    return i;
}

static void decisions_and_reasons_are_those_of_the_vectors(void **state)
{
    static const char *const files[] = {"matching.json", "evaluation.json", "variables.json",
                                        "conditions.json"};
    size_t asked = 0;
    (void)state;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s%s", VECTORS, files[f]);
        json_t *groups = load(path);
        size_t i;
        json_t *group;
        json_array_foreach(groups, i, group)
        {
            asked += ask_group(group);
        }
        json_decref(groups);
    }
    assert_true(asked > 350); /* a file that lost its contents is no success */
}

/* --- documents that are refused ----------------------------------------------------------------
 */

static void malformed_documents_are_refused_with_the_place(void **state)
{
    (void)state;
    json_t *table = load(VECTORS "malformed.json");
    struct guard g;
    guard_open(&g, 8192);
    size_t i;
    json_t *row;
    json_array_foreach(table, i, row)
    {
        const char *name = json_string_value(json_array_get(row, 0));
        const json_t *document = json_array_get(row, 1);
        const char *fragment = json_string_value(json_array_get(row, 2));
        struct policy *policy = NULL;
        char why[512] = "";
        elo_span text = guard_copy(&g, json_string_value(document), json_string_length(document));
        elo_err err = policy_parse(text, &policy, why, sizeof why);
        if (err != ELO_E_MALFORMED || policy != NULL) {
            fail_msg("%s: %d %s", name, err, why);
        }
        if (strstr(why, fragment) == NULL ||
            strncmp(why, "Policy document is Malformed: ", 30) != 0) {
            fail_msg("%s: \"%s\" is not in: %s", name, fragment, why);
        }
        for (size_t cap = 0; cap < 40; cap++) {
            char *room = (char *)guard_room(&g, cap);
            assert_int_equal(
                policy_parse(elo_span_of(json_string_value(document), json_string_length(document)),
                             &policy, room, cap),
                ELO_E_MALFORMED);
            assert_true(cap == 0 || strlen(room) < cap);
        }
    }
    assert_true(i > 80);
    guard_close(&g);
    json_decref(table);
}

static const char SAMPLE[] =
    "{ \"Version\": \"2012-10-17\", \"Statement\": [ { \"Sid\": \"S\", \"Effect\": \"Allow\", "
    "\"Action\": [\"iot:Connect\", \"iot:*\"], \"Resource\": [\"" ARN "client/${iot:ClientId}/*\", "
    "\"" ARN "topic/a?b\"], \"Condition\": { \"StringLikeIfExists\": { \"k\": [\"a\", 1, true] }, "
    "\"ForAllValues:ArnEquals\": { \"l\": \"x\" } } } ] }";

static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct guard g;
    guard_open(&g, sizeof SAMPLE);
    for (size_t len = 0; len < sizeof SAMPLE - 1; len++) {
        struct policy *policy = NULL;
        char why[256];
        elo_span text = guard_copy(&g, SAMPLE, len);
        assert_int_equal(policy_parse(text, &policy, why, sizeof why), ELO_E_MALFORMED);
        assert_null(policy);
    }
    guard_close(&g);
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    struct guard g;
    guard_open(&g, sizeof SAMPLE);
    for (size_t bit = 0; bit < 8 * (sizeof SAMPLE - 1); bit++) {
        char copy[sizeof SAMPLE];
        struct policy *policy = NULL;
        char why[256];
        memcpy(copy, SAMPLE, sizeof copy);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        elo_span text = guard_copy(&g, copy, sizeof copy - 1);
        elo_err err = policy_parse(text, &policy, why, sizeof why);
        assert_true(err == ELO_OK || err == ELO_E_MALFORMED);
        assert_true((err == ELO_OK) == (policy != NULL));
        policy_release(policy);
    }
    guard_close(&g);
}

/* A valid document of `characters` and `blanks` between them. */
static char *document_of(size_t characters, size_t blanks, const char *filler)
{
    static const char head[] = "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":"
                               "\"*\",\"Sid\":\"";
    static const char tail[] = "\"}}";
    size_t fill = characters - (sizeof head - 1) - (sizeof tail - 1);
    char *text = malloc(sizeof head + sizeof tail + fill * strlen(filler) + blanks);
    assert_non_null(text);
    size_t at = sizeof head - 1;
    memcpy(text, head, at);
    for (size_t i = 0; i < fill; i++, at += strlen(filler)) {
        memcpy(text + at, filler, strlen(filler));
    }
    memcpy(text + at, tail, sizeof tail - 1);
    at += sizeof tail - 1;
    for (size_t i = 0; i < blanks; i++) {
        text[at++] = " \t\r\n"[i % 4];
    }
    text[at] = '\0';
    return text;
}

static void the_size_limit_counts_characters_without_white_space(void **state)
{
    static const struct {
        size_t characters;
        size_t blanks;
        const char *filler;
        elo_err want;
    } rows[] = {
        {LIMIT_POLICY_CHARS, 0, "x", ELO_OK},
        {LIMIT_POLICY_CHARS + 1, 0, "x", ELO_E_TOO_LARGE},
        {LIMIT_POLICY_CHARS, 5000, "x", ELO_OK},
        {LIMIT_POLICY_CHARS + 1, 5000, "x", ELO_E_TOO_LARGE},
        {LIMIT_POLICY_CHARS, 0, "é", ELO_OK},
        {LIMIT_POLICY_CHARS + 1, 0, "é", ELO_E_TOO_LARGE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *policy = NULL;
        char why[256] = "";
        char *text = document_of(rows[i].characters, rows[i].blanks, rows[i].filler);
        assert_int_equal(policy_parse(elo_span_str(text), &policy, why, sizeof why), rows[i].want);
        assert_true(rows[i].want == ELO_OK || strstr(why, "2049 characters") != NULL);
        policy_release(policy);
        free(text);
    }
}

static void parsing_survives_every_failed_allocation(void **state)
{
    (void)state;
    /* Long enough to need several blocks. */
    char *text = document_of(LIMIT_POLICY_CHARS, 0, "x");
    const char *documents[] = {SAMPLE, text};
    for (size_t d = 0; d < 2; d++) {
        bool done = false;
        long failures = 0;
        for (long n = 1; !done; n++) {
            struct policy *policy = NULL;
            char why[256];
            mem_fail_at(n);
            elo_err err = policy_parse(elo_span_str(documents[d]), &policy, why, sizeof why);
            mem_fail_at(0);
            done = err == ELO_OK;
            failures += !done;
            assert_true(done || err == ELO_E_NO_MEMORY);
            assert_true(done == (policy != NULL));
            policy_release(policy);
        }
        assert_true(failures >= 2);
    }
    free(text);
}

static void a_policy_keeps_no_pointer_to_its_text(void **state)
{
    (void)state;
    char text[sizeof SAMPLE];
    char why[256];
    struct policy *policy = NULL;
    memcpy(text, SAMPLE, sizeof text);
    assert_int_equal(policy_parse(elo_span_str(text), &policy, why, sizeof why), ELO_OK);
    memset(text, '#', sizeof text);
    struct policy *second = policy_retain(policy);
    policy_release(policy);
    json_t *values = json_pack("{s:s, s:s}", "iot:ClientId", "me", "l", "x");
    struct context context = {values, ""};
    struct policy_variables vars = {context_get, &context};
    struct policy_decision decision;
    policy_eval(&second, 1, POLICY_Connect, ELO_SPAN(ARN "client/me/x"), &vars, &decision);
    assert_int_equal(decision.effect, POLICY_ALLOWED);
    policy_eval(&second, 1, POLICY_Connect, ELO_SPAN(ARN "client/you/x"), &vars, &decision);
    assert_int_equal(decision.effect, POLICY_IMPLICIT_DENY);
    policy_release(second);
    policy_release(NULL);
    json_decref(values);
}

/* --- values too long to be substituted ---------------------------------------------------------
 */

static void a_value_of_1024_bytes_counts_and_one_more_does_not(void **state)
{
    static const char document[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:"
        "Connect\","
        "\"Resource\":\"" ARN "client/${iot:ClientId}\"},{\"Effect\":\"Allow\",\"Action\":"
        "\"iot:Publish\",\"Resource\":\"*\",\"Condition\":{\"StringLike\":{\"iot:ClientId\":"
        "\"x*\"}}}]}";
    (void)state;
    for (size_t len = 1023; len <= 1025; len++) {
        char id[1100] = "";
        char arn[1200];
        char why[256];
        struct policy *policy = NULL;
        memset(id, 'x', len);
        (void)snprintf(arn, sizeof arn, ARN "client/%s", id);
        json_t *values = json_pack("{s:s}", "iot:ClientId", id);
        struct context context = {values, ""};
        struct policy_variables vars = {context_get, &context};
        struct policy_decision decision;
        enum policy_effect want = len <= 1024 ? POLICY_ALLOWED : POLICY_IMPLICIT_DENY;
        assert_int_equal(policy_parse(elo_span_str(document), &policy, why, sizeof why), ELO_OK);
        policy_eval(&policy, 1, POLICY_Connect, elo_span_str(arn), &vars, &decision);
        assert_int_equal(decision.effect, want);
        policy_eval(&policy, 1, POLICY_Publish, ELO_SPAN(ARN "topic/a"), &vars, &decision);
        assert_int_equal(decision.effect, want);
        policy_release(policy);
        json_decref(values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_and_reasons_are_those_of_the_vectors),
        cmocka_unit_test(malformed_documents_are_refused_with_the_place),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(the_size_limit_counts_characters_without_white_space),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
        cmocka_unit_test(a_policy_keeps_no_pointer_to_its_text),
        cmocka_unit_test(a_value_of_1024_bytes_counts_and_one_more_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
