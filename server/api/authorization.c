// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a principal is allowed: GetEffectivePolicies and TestAuthorization, AWS IoT API Reference.
 * The broker's own engine decides, over the policies of the principal and of the groups of the
 * thing that the client id names.
 *
 * For every resource each policy allows, denies or does neither; an authInfo is EXPLICIT_DENY if
 * any of its resources is denied, ALLOWED if all are allowed, else IMPLICIT_DENY.
 */
#include "elo/json/read.h"
#include "server/api/internal.h"
#include "server/auth/authorizer.h"

#define POLICIES_MAX 256u
#define INFOS_MAX    10u
#define MISSING_MAX  32u

struct policy_set {
    const struct policy_record *items[POLICIES_MAX];
    size_t count;
};

static bool add_policy(void *ctx, const struct policy_record *policy)
{
    struct policy_set *set = ctx;
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i] == policy) {
            return true;
        }
    }
    if (set->count < POLICIES_MAX) {
        set->items[set->count++] = policy;
    }
    return true;
}

static void add_listed(void *ctx, const struct policy_record *policy)
{
    (void)add_policy(ctx, policy);
}

/* The policies of a certificate, with those of the thing's groups, or of a thing group. */
static aws_error
gather(struct call *c, elo_span principal, const struct thing *thing, struct policy_set *set)
{
    const struct registry *reg = c->api->registry;
    const struct certificate *certificate = registry_certificate_of_arn(reg, principal);
    if (certificate != NULL) {
        registry_each_effective_policy(reg, certificate->id, thing, add_policy, set);
        return AWS_OK;
    }
    const struct registry_page all = {.max = POLICIES_MAX};
    struct registry_next next;
    aws_error error = registry_list_policies_of_target(reg, principal, true, &all, add_listed, set,
                                                       &next, c->fault);
    if (error == AWS_OK && thing != NULL) {
        registry_each_effective_policy(reg, elo_span_of("", 0), thing, add_policy, set);
    }
    return error;
}

static void put_policy(const struct call *c,
                       struct elo_json_writer *w,
                       const struct policy_record *policy,
                       bool with_document)
{
    elo_json_begin_object(w);
    api__put_text(w, "policyName", policy->name);
    api__put_arn(c, w, "policyArn", "policy", policy->name);
    if (with_document) {
        api__put_text(w, "policyDocument", registry_policy_default(policy)->document);
    }
    elo_json_end_object(w);
}

/* --- GetEffectivePolicies ---------------------------------------------------------------- */

static aws_error write_effective(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct policy_set *set = ctx;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("effectivePolicies"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < set->count; i++) {
        put_policy(c, w, set->items[i], true);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetEffectivePolicies(struct call *c)
{
    struct field principal = {.name = "principal", .required = true};
    struct policy_set set = {.count = 0};
    const struct thing *thing = NULL;
    elo_span name;
    aws_error error = api__body(c, &principal, 1);
    if (error == AWS_OK && api__query(c, "thingName", &name)) {
        error = registry_describe_thing(c->api->registry, name, &thing, c->fault);
    }
    error = error ? error : gather(c, principal.text, thing, &set);
    return error ? error : api__reply(c, write_effective, &set);
}

/* --- TestAuthorization ------------------------------------------------------------------- */

struct info {
    elo_span action_name; /* "PUBLISH" */
    enum policy_action action;
    elo_span *resources;
    size_t resource_count;
};

struct test {
    struct policy_set set;
    struct info infos[INFOS_MAX];
    size_t count;
    struct auth_session *session;
};

static aws_error take_action(struct call *c, elo_span text, struct info *out)
{
    static const struct {
        const char *name;
        enum policy_action action;
    } actions[] = {{"CONNECT", POLICY_Connect},
                   {"PUBLISH", POLICY_Publish},
                   {"SUBSCRIBE", POLICY_Subscribe},
                   {"RECEIVE", POLICY_Receive}};
    for (size_t i = 0; i < API_COUNT(actions); i++) {
        if (elo_span_eq(text, elo_span_str(actions[i].name))) {
            out->action = actions[i].action;
            out->action_name = elo_span_str(actions[i].name);
            return AWS_OK;
        }
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at 'authInfos.actionType' failed "
                        "to satisfy constraint: Member must satisfy enum value set: [CONNECT, "
                        "PUBLISH, SUBSCRIBE, RECEIVE]",
                        text_quote(text).text);
}

static aws_error take_info(struct call *c, elo_span json, struct info *out)
{
    struct field fields[] = {{.name = "actionType", .required = true},
                             {.name = "resources", .type = FIELD_ARRAY, .required = true}};
    aws_error error = api__object(c, json, "authInfos.", fields, API_COUNT(fields));
    error = error ? error : take_action(c, fields[0].text, out);
    error = error ? error
                  : api__string_list(c, fields[1].text, "authInfos.resources", &out->resources,
                                     &out->resource_count);
    for (size_t i = 0; error == AWS_OK && i < out->resource_count; i++) {
        if (out->resources[i].len > LIMIT_RESOURCE_BYTES) {
            error = api__invalid(c,
                                 "1 validation error detected: Value '%s' at 'authInfos.resources' "
                                 "failed to satisfy constraint: Member must have length less than "
                                 "or equal to %u",
                                 text_quote(out->resources[i]).text, LIMIT_RESOURCE_BYTES);
        }
    }
    return error;
}

static aws_error take_infos(struct call *c, elo_span json, struct test *test)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    aws_error error = AWS_OK;
    elo_json_reader_init(&r, json);
    elo_err err = elo_json_next(&r, &token);
    while (error == AWS_OK && err == ELO_OK && (err = elo_json_next(&r, &token)) == ELO_OK &&
           token.type != ELO_JSON_ARRAY_END) {
        elo_span item;
        err = elo_json_skip(&r, &token, &item);
        if (test->count == INFOS_MAX) {
            return api__invalid(c, "'authInfos' has more than %u items", INFOS_MAX);
        }
        error = take_info(c, item, &test->infos[test->count++]);
    }
    return error || test->count > 0 ? error : api__invalid(c, "'authInfos' is empty");
}

/* policyNamesToAdd, policyNamesToSkip. */
static aws_error
change_set(struct call *c, const struct field *names, bool add, struct policy_set *set)
{
    elo_span *list = NULL;
    size_t count = 0;
    aws_error error =
        names->is_there ? api__string_list(c, names->text, names->name, &list, &count) : AWS_OK;
    for (size_t i = 0; error == AWS_OK && i < count; i++) {
        const struct policy_record *policy = NULL;
        error = registry_describe_policy(c->api->registry, list[i], &policy, c->fault);
        if (error == AWS_OK && add) {
            (void)add_policy(set, policy);
        }
        for (size_t k = 0; error == AWS_OK && !add && k < set->count; k++) {
            if (set->items[k] == policy) {
                set->count--;
                memmove(&set->items[k], &set->items[k + 1],
                        (set->count - k) * sizeof set->items[0]);
            }
        }
    }
    return error;
}

/* The names of missing values, each once, copied: a document may be forgotten before the reply. */
struct missing {
    struct call *c;
    elo_span missing[MISSING_MAX];
    size_t missing_count;
};

static void note_missing(void *ctx, elo_span key)
{
    struct missing *v = ctx;
    for (size_t i = 0; i < v->missing_count; i++) {
        if (elo_span_eq(v->missing[i], key)) {
            return;
        }
    }
    uint8_t *copy = v->missing_count < MISSING_MAX ? api__alloc(v->c, key.len + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, key.ptr, key.len);
        v->missing[v->missing_count++] = elo_span_of(copy, key.len);
    }
}

enum list { LIST_ALLOWED, LIST_IMPLICIT, LIST_EXPLICIT };

static void put_list(struct call *c,
                     struct elo_json_writer *w,
                     const char *name,
                     const struct policy_set *set,
                     const enum list lists[POLICIES_MAX],
                     enum list which)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("policies"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < set->count; i++) {
        if (lists[i] == which) {
            put_policy(c, w, set->items[i], false);
        }
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
}

static void put_info(struct elo_json_writer *w, const struct info *info)
{
    elo_json_key(w, ELO_SPAN("authInfo"));
    elo_json_begin_object(w);
    api__put_text(w, "actionType", info->action_name);
    elo_json_key(w, ELO_SPAN("resources"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < info->resource_count; i++) {
        elo_json_string(w, info->resources[i]);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
}

struct judged {
    enum list lists[POLICIES_MAX];
    size_t allowed; /* resources that some policy allows */
    bool denied;
    struct missing missing;
};

static aws_error
judge(struct call *c, const struct test *test, const struct info *info, struct judged *out)
{
    bool allows[POLICIES_MAX] = {false};
    bool denies[POLICIES_MAX] = {false};
    *out = (struct judged){.missing = {.c = c}};
    for (size_t r = 0; r < info->resource_count; r++) {
        bool allowed = false;
        for (size_t p = 0; p < test->set.count; p++) {
            enum policy_effect effect;
            elo_span document = registry_policy_default(test->set.items[p])->document;
            if (auth_session_try(test->session, document, info->action, info->resources[r], &effect,
                                 note_missing, &out->missing) != ELO_OK) {
                return api__out_of_memory(c);
            }
            allows[p] = allows[p] || effect == POLICY_ALLOWED;
            denies[p] = denies[p] || effect == POLICY_EXPLICIT_DENY;
            allowed = allowed || effect == POLICY_ALLOWED;
            out->denied = out->denied || effect == POLICY_EXPLICIT_DENY;
        }
        out->allowed += allowed;
    }
    for (size_t p = 0; p < test->set.count; p++) {
        out->lists[p] = denies[p] ? LIST_EXPLICIT : allows[p] ? LIST_ALLOWED : LIST_IMPLICIT;
    }
    return AWS_OK;
}

static aws_error put_result(struct call *c,
                            struct elo_json_writer *w,
                            const struct test *test,
                            const struct info *info)
{
    struct judged j;
    aws_error error = judge(c, test, info, &j);
    if (error != AWS_OK) {
        return error;
    }
    bool all = info->resource_count > 0 && j.allowed == info->resource_count;
    elo_json_begin_object(w);
    put_info(w, info);
    put_list(c, w, "allowed", &test->set, j.lists, LIST_ALLOWED);
    elo_json_key(w, ELO_SPAN("denied"));
    elo_json_begin_object(w);
    put_list(c, w, "implicitDeny", &test->set, j.lists, LIST_IMPLICIT);
    put_list(c, w, "explicitDeny", &test->set, j.lists, LIST_EXPLICIT);
    elo_json_end_object(w);
    api__put_text(w, "authDecision",
                  j.denied ? ELO_SPAN("EXPLICIT_DENY")
                  : all    ? ELO_SPAN("ALLOWED")
                           : ELO_SPAN("IMPLICIT_DENY"));
    elo_json_key(w, ELO_SPAN("missingContextValues"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < j.missing.missing_count; i++) {
        elo_json_string(w, j.missing.missing[i]);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_results(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct test *test = ctx;
    aws_error error = AWS_OK;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("authResults"));
    elo_json_begin_array(w);
    for (size_t i = 0; error == AWS_OK && i < test->count; i++) {
        error = put_result(c, w, test, &test->infos[i]);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
    return error;
}

/* A connection as the question imagines it: this certificate, this client id, nothing else known.
 */
static aws_error imagine(struct call *c, elo_span principal, elo_span client_id, struct test *test)
{
    const struct registry *reg = c->api->registry;
    const struct certificate *certificate = registry_certificate_of_arn(reg, principal);
    const struct auth_connect connect = {.client_id = client_id};
    struct auth_peer peer = {.kind = AUTH_PEER_CERTIFICATE};
    const struct thing *thing = NULL;
    if (certificate != NULL) {
        peer.certificate_id = certificate->id;
        peer.certificate_der = certificate->pem;
        thing = client_id.len > 0 ? registry_bound_thing(reg, certificate->id, client_id) : NULL;
    }
    test->session = auth_session_create(broker_authorizer(c->api->broker), &peer);
    if (test->session == NULL ||
        (client_id.len > 0 && auth_session_connect(test->session, &connect) != ELO_OK)) {
        return api__out_of_memory(c);
    }
    return principal.len > 0 ? gather(c, principal, thing, &test->set) : AWS_OK;
}

aws_error api__TestAuthorization(struct call *c)
{
    struct field fields[] = {{.name = "principal"},
                             {.name = "authInfos", .type = FIELD_ARRAY, .required = true},
                             {.name = "policyNamesToAdd", .type = FIELD_ARRAY},
                             {.name = "policyNamesToSkip", .type = FIELD_ARRAY}};
    struct test *test = api__alloc(c, sizeof *test);
    elo_span client_id = elo_span_of(NULL, 0);
    if (test == NULL) {
        return api__out_of_memory(c);
    }
    *test = (struct test){.count = 0};
    (void)api__query(c, "clientId", &client_id);
    aws_error error = api__body(c, fields, API_COUNT(fields));
    error = error ? error : take_infos(c, fields[1].text, test);
    error = error ? error : imagine(c, fields[0].text, client_id, test);
    error = error ? error : change_set(c, &fields[2], true, &test->set);
    error = error ? error : change_set(c, &fields[3], false, &test->set);
    error = error ? error : api__reply(c, write_results, test);
    auth_session_destroy(test->session);
    return error;
}
