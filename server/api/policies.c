// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Policies and their versions: CreatePolicy to DeletePolicyVersion, AWS IoT API Reference, and "AWS
 * IoT Core policies", AWS IoT Developer Guide. A document is kept and given back byte by byte.
 */
#include "server/api/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define POLICY_WHY_BYTES 400u
#define NAMES_ROOM       1024u

/* What replies of this file are made of. */
struct policy_reply {
    const struct policy_record *policy;
    const struct policy_version *version;
};

/* --- documents and versions -------------------------------------------------------------- */

static aws_error take_document(struct call *c, elo_span *out)
{
    struct field document = {.name = "policyDocument", .required = true};
    struct policy *policy = NULL;
    char why[POLICY_WHY_BYTES] = "";
    aws_error error = api__body(c, &document, 1);
    if (error != AWS_OK) {
        return error;
    }
    elo_err err = policy_parse(document.text, &policy, why, sizeof why);
    if (err == ELO_E_NO_MEMORY) {
        return api__out_of_memory(c);
    }
    if (err != ELO_OK) {
        return aws_fault_set(c->fault, AWS_MalformedPolicyException, "%s", why);
    }
    policy_release(policy);
    *out = document.text;
    return AWS_OK;
}

static aws_error take_version(struct call *c, int64_t *out)
{
    elo_span text = c->vars[1];
    if (registry_parse_version(text, out)) {
        return AWS_OK;
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at 'policyVersionId' failed to "
                        "satisfy constraint: Member must satisfy regular expression pattern: "
                        "[0-9]+",
                        text_quote(text).text);
}

static void put_version_id(struct elo_json_writer *w, const char *name, int64_t version)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, version);
    api__put_text(w, name, elo_span_of(text, (size_t)len));
}

static void put_is_default(struct elo_json_writer *w, const struct policy_reply *r)
{
    api__put_bool(w, "isDefaultVersion", r->version->version == r->policy->default_version);
}

static size_t reply_room(elo_span document)
{
    return api__json_len(document) + NAMES_ROOM;
}

/* --- policies ---------------------------------------------------------------------------- */

static aws_error write_created(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct policy_reply *r = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "policyName", r->policy->name);
    api__put_arn(c, w, "policyArn", "policy", r->policy->name);
    api__put_text(w, "policyDocument", r->version->document);
    put_version_id(w, "policyVersionId", r->version->version);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__CreatePolicy(struct call *c)
{
    elo_span document;
    struct policy_reply r = {.policy = NULL};
    aws_error error = take_document(c, &document);
    error = error ? error : api__reserve(c, reply_room(document));
    error = error ? error
                  : registry_create_policy(c->api->registry, c->vars[0], document, c->now.wall_ms,
                                           &r.policy, c->fault);
    if (error != AWS_OK) {
        return error;
    }
    r.version = registry_policy_default(r.policy);
    return api__reply(c, write_created, &r);
}

static aws_error write_policy(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct policy_reply *r = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "policyName", r->policy->name);
    api__put_arn(c, w, "policyArn", "policy", r->policy->name);
    api__put_text(w, "policyDocument", r->version->document);
    put_version_id(w, "defaultVersionId", r->policy->default_version);
    api__put_time(w, "creationDate", r->policy->created_ms);
    api__put_time(w, "lastModifiedDate", r->policy->modified_ms);
    api__put_text(w, "generationId", r->policy->generation_id);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetPolicy(struct call *c)
{
    struct policy_reply r = {.policy = NULL};
    aws_error error = registry_describe_policy(c->api->registry, c->vars[0], &r.policy, c->fault);
    if (error != AWS_OK) {
        return error;
    }
    r.version = registry_policy_default(r.policy);
    return api__reply(c, write_policy, &r);
}

aws_error api__DeletePolicy(struct call *c)
{
    aws_error error = api__reserve(c, 0);
    return error ? error : registry_delete_policy(c->api->registry, c->vars[0], c->fault);
}

struct policy_list {
    const struct call *c;
    struct elo_json_writer *w;
    struct paging paging;
};

static void put_item(void *ctx, const struct policy_record *policy)
{
    const struct policy_list *list = ctx;
    elo_json_begin_object(list->w);
    api__put_text(list->w, "policyName", policy->name);
    api__put_arn(list->c, list->w, "policyArn", "policy", policy->name);
    elo_json_end_object(list->w);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct policy_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("policies"));
    elo_json_begin_array(w);
    registry_list_policies(c->api->registry, &list->paging.page, put_item, list,
                           &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListPolicies(struct call *c)
{
    struct policy_list list = {.c = c};
    aws_error error = api__page_marker(c, &list.paging, true);
    return error ? error : api__reply(c, write_list, &list);
}

/* --- versions ---------------------------------------------------------------------------- */

static aws_error write_new_version(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct policy_reply *r = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "policyArn", "policy", r->policy->name);
    api__put_text(w, "policyDocument", r->version->document);
    put_version_id(w, "policyVersionId", r->version->version);
    put_is_default(w, r);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__CreatePolicyVersion(struct call *c)
{
    elo_span document;
    bool set_default = false;
    int64_t version = 0;
    struct policy_reply r = {.policy = NULL};
    aws_error error = api__query_bool(c, "setAsDefault", &set_default);
    error = error ? error : take_document(c, &document);
    error = error ? error : api__reserve(c, reply_room(document));
    error =
        error ? error
              : registry_create_policy_version(c->api->registry, c->vars[0], document, set_default,
                                               c->now.wall_ms, &r.policy, &version, c->fault);
    if (error != AWS_OK) {
        return error;
    }
    r.version = registry_policy_version(r.policy, version);
    return api__reply(c, write_new_version, &r);
}

static aws_error write_version(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct policy_reply *r = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "policyArn", "policy", r->policy->name);
    api__put_text(w, "policyName", r->policy->name);
    api__put_text(w, "policyDocument", r->version->document);
    put_version_id(w, "policyVersionId", r->version->version);
    put_is_default(w, r);
    api__put_time(w, "creationDate", r->version->created_ms);
    api__put_time(w, "lastModifiedDate", r->version->created_ms);
    api__put_text(w, "generationId", r->version->generation_id);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetPolicyVersion(struct call *c)
{
    int64_t version = 0;
    struct policy_reply r = {.policy = NULL};
    aws_error error = take_version(c, &version);
    error = error ? error
                  : registry_describe_policy_version(c->api->registry, c->vars[0], version,
                                                     &r.policy, &r.version, c->fault);
    return error ? error : api__reply(c, write_version, &r);
}

static aws_error write_versions(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)c;
    struct policy_reply *r = ctx;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("policyVersions"));
    elo_json_begin_array(w);
    for (size_t i = r->policy->version_count; i > 0; i--) { /* the newest first */
        r->version = &r->policy->versions[i - 1];
        elo_json_begin_object(w);
        put_version_id(w, "versionId", r->version->version);
        put_is_default(w, r);
        api__put_time(w, "createDate", r->version->created_ms);
        elo_json_end_object(w);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListPolicyVersions(struct call *c)
{
    struct policy_reply r = {.policy = NULL};
    aws_error error = registry_describe_policy(c->api->registry, c->vars[0], &r.policy, c->fault);
    return error ? error : api__reply(c, write_versions, &r);
}

aws_error api__SetDefaultPolicyVersion(struct call *c)
{
    int64_t version = 0;
    aws_error error = take_version(c, &version);
    error = error ? error : api__reserve(c, 0);
    return error ? error
                 : registry_set_default_policy_version(c->api->registry, c->vars[0], version,
                                                       c->now.wall_ms, c->fault);
}

aws_error api__DeletePolicyVersion(struct call *c)
{
    int64_t version = 0;
    aws_error error = take_version(c, &version);
    error = error ? error : api__reserve(c, 0);
    return error ? error
                 : registry_delete_policy_version(c->api->registry, c->vars[0], version,
                                                  c->now.wall_ms, c->fault);
}
