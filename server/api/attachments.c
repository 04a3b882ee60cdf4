// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Who is attached to whom: policies to certificates (AttachPolicy and its deprecated elder
 * AttachPrincipalPolicy), certificates to things (AttachThingPrincipal). AWS IoT API Reference.
 */
#include "server/api/internal.h"

/* --- policies and certificates ----------------------------------------------------------- */

typedef aws_error
change_policy(struct registry *reg, elo_span policy, elo_span target, struct aws_fault *fault);

/* The target is in the body. */
static aws_error change_by_target(struct call *c, change_policy *change)
{
    struct field target = {.name = "target", .required = true};
    aws_error error = api__body(c, &target, 1);
    error = error ? error : api__reserve(c, 0);
    return error ? error : change(c->api->registry, c->vars[0], target.text, c->fault);
}

/* The deprecated form: it is in a header. */
static aws_error change_by_principal(struct call *c, change_policy *change)
{
    elo_span principal;
    aws_error error = api__need_header(c, "x-amzn-iot-principal", "principal", &principal);
    error = error ? error : api__reserve(c, 0);
    return error ? error : change(c->api->registry, c->vars[0], principal, c->fault);
}

aws_error api__AttachPolicy(struct call *c)
{
    return change_by_target(c, registry_attach_policy);
}

aws_error api__DetachPolicy(struct call *c)
{
    return change_by_target(c, registry_detach_policy);
}

aws_error api__AttachPrincipalPolicy(struct call *c)
{
    return change_by_principal(c, registry_attach_policy);
}

aws_error api__DetachPrincipalPolicy(struct call *c)
{
    return change_by_principal(c, registry_detach_policy);
}

/* --- listings ---------------------------------------------------------------------------- */

struct list {
    const struct call *c;
    struct elo_json_writer *w;
    elo_span of;           /* whose attachments */
    const char *member;    /* the array's name */
    const bool *exclusive; /* NULL: all */
    bool with_type;        /* the V2 operations */
    bool recursive;        /* of a group: also what is attached above it */
    struct paging paging;
};

static void begin_list(struct list *list, struct elo_json_writer *w)
{
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, elo_span_str(list->member));
    elo_json_begin_array(w);
}

static void end_list(const struct call *c, const struct list *list)
{
    elo_json_end_array(list->w);
    api__page_end(c, &list->paging, list->w);
    elo_json_end_object(list->w);
}

static void put_policy(void *ctx, const struct policy_record *policy)
{
    const struct list *list = ctx;
    elo_json_begin_object(list->w);
    api__put_text(list->w, "policyName", policy->name);
    api__put_arn(list->c, list->w, "policyArn", "policy", policy->name);
    elo_json_end_object(list->w);
}

static void put_arn(void *ctx, elo_span arn)
{
    elo_json_string(((const struct list *)ctx)->w, arn);
}

static aws_error write_policies(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct list *list = ctx;
    begin_list(list, w);
    aws_error error = registry_list_policies_of_target(c->api->registry, list->of, list->recursive,
                                                       &list->paging.page, put_policy, list,
                                                       &list->paging.next, c->fault);
    end_list(c, list);
    return error;
}

static aws_error write_targets(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct list *list = ctx;
    begin_list(list, w);
    aws_error error =
        registry_list_targets_of_policy(c->api->registry, list->of, &list->paging.page, put_arn,
                                        list, &list->paging.next, c->fault);
    end_list(c, list);
    return error;
}

aws_error api__ListAttachedPolicies(struct call *c)
{
    struct list list = {.c = c, .of = c->vars[0], .member = "policies"};
    aws_error error = api__page_marker(c, &list.paging, false);
    error = error ? error : api__query_bool(c, "recursive", &list.recursive);
    return error ? error : api__reply(c, write_policies, &list);
}

aws_error api__ListTargetsForPolicy(struct call *c)
{
    struct list list = {.c = c, .of = c->vars[0], .member = "targets"};
    aws_error error = api__page_marker(c, &list.paging, false);
    return error ? error : api__reply(c, write_targets, &list);
}

aws_error api__ListPrincipalPolicies(struct call *c)
{
    struct list list = {.c = c, .member = "policies"};
    aws_error error = api__page_marker(c, &list.paging, true);
    error = error ? error : api__need_header(c, "x-amzn-iot-principal", "principal", &list.of);
    return error ? error : api__reply(c, write_policies, &list);
}

aws_error api__ListPolicyPrincipals(struct call *c)
{
    struct list list = {.c = c, .member = "principals"};
    aws_error error = api__page_marker(c, &list.paging, true);
    error = error ? error : api__need_header(c, "x-amzn-iot-policy", "policyName", &list.of);
    return error ? error : api__reply(c, write_targets, &list);
}

/* --- certificates and things ------------------------------------------------------------- */

/* thingPrincipalType of the query; `*out_there`: it was given. */
static aws_error take_type(struct call *c, bool *exclusive, bool *out_there)
{
    elo_span type;
    *out_there = api__query(c, "thingPrincipalType", &type);
    if (!*out_there) {
        return AWS_OK;
    }
    *exclusive = elo_span_eq(type, ELO_SPAN("EXCLUSIVE_THING"));
    if (*exclusive || elo_span_eq(type, ELO_SPAN("NON_EXCLUSIVE_THING"))) {
        return AWS_OK;
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at 'thingPrincipalType' failed to "
                        "satisfy constraint: Member must satisfy enum value set: [EXCLUSIVE_THING, "
                        "NON_EXCLUSIVE_THING]",
                        text_quote(type).text);
}

aws_error api__AttachThingPrincipal(struct call *c)
{
    elo_span principal;
    bool exclusive = false;
    bool is_there;
    aws_error error = api__need_header(c, "x-amzn-principal", "principal", &principal);
    error = error ? error : take_type(c, &exclusive, &is_there);
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_attach_thing_principal(c->api->registry, c->vars[0], principal,
                                                    exclusive, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__DetachThingPrincipal(struct call *c)
{
    elo_span principal;
    aws_error error = api__need_header(c, "x-amzn-principal", "principal", &principal);
    error = error ? error : api__reserve(c, 2);
    error =
        error ? error
              : registry_detach_thing_principal(c->api->registry, c->vars[0], principal, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

static void put_attached(const struct list *list, const char *name, elo_span what, bool exclusive)
{
    if (!list->with_type) {
        elo_json_string(list->w, what);
        return;
    }
    elo_json_begin_object(list->w);
    api__put_text(list->w, name, what);
    api__put_text(list->w, "thingPrincipalType",
                  exclusive ? ELO_SPAN("EXCLUSIVE_THING") : ELO_SPAN("NON_EXCLUSIVE_THING"));
    elo_json_end_object(list->w);
}

static void put_principal(void *ctx, elo_span arn, bool exclusive)
{
    put_attached(ctx, "principal", arn, exclusive);
}

static void put_thing(void *ctx, const struct thing *thing, bool exclusive)
{
    put_attached(ctx, "thingName", thing->name, exclusive);
}

static aws_error write_principals(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct list *list = ctx;
    begin_list(list, w);
    aws_error error = registry_list_principals_of_thing(c->api->registry, list->of, list->exclusive,
                                                        &list->paging.page, put_principal, list,
                                                        &list->paging.next, c->fault);
    end_list(c, list);
    return error;
}

static aws_error write_things(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct list *list = ctx;
    begin_list(list, w);
    aws_error error = registry_list_things_of_principal(c->api->registry, list->of, list->exclusive,
                                                        &list->paging.page, put_thing, list,
                                                        &list->paging.next, c->fault);
    end_list(c, list);
    return error;
}

static aws_error list_principals(struct call *c, const char *member, bool with_type)
{
    struct list list = {.c = c, .of = c->vars[0], .member = member, .with_type = with_type};
    bool exclusive = false;
    bool is_there = false;
    aws_error error = api__page_token(c, &list.paging);
    if (error == AWS_OK && with_type) {
        error = take_type(c, &exclusive, &is_there);
    }
    list.exclusive = is_there ? &exclusive : NULL;
    return error ? error : api__reply(c, write_principals, &list);
}

aws_error api__ListThingPrincipals(struct call *c)
{
    return list_principals(c, "principals", false);
}

aws_error api__ListThingPrincipalsV2(struct call *c)
{
    return list_principals(c, "thingPrincipalObjects", true);
}

static aws_error list_things(struct call *c, const char *member, bool with_type)
{
    struct list list = {.c = c, .member = member, .with_type = with_type};
    bool exclusive = false;
    bool is_there = false;
    aws_error error = api__page_token(c, &list.paging);
    error = error ? error : api__need_header(c, "x-amzn-principal", "principal", &list.of);
    if (error == AWS_OK && with_type) {
        error = take_type(c, &exclusive, &is_there);
    }
    list.exclusive = is_there ? &exclusive : NULL;
    return error ? error : api__reply(c, write_things, &list);
}

aws_error api__ListPrincipalThings(struct call *c)
{
    return list_things(c, "things", false);
}

aws_error api__ListPrincipalThingsV2(struct call *c)
{
    return list_things(c, "principalThingObjects", true);
}
