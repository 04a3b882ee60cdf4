// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/registry/internal.h"

/* --- things ------------------------------------------------------------------------------ */

static bool value_fits(const struct thing_filter *filter, elo_span value)
{
    if (filter->attribute_value.len == 0) {
        return true;
    }
    return filter->value_is_prefix ? elo_span_starts_with(value, filter->attribute_value)
                                   : elo_span_eq(value, filter->attribute_value);
}

static bool has_attribute(const struct thing_filter *filter, const struct thing *thing)
{
    if (filter->attribute_name.len == 0 && filter->attribute_value.len == 0) {
        return true;
    }
    for (size_t i = 0; i < thing->attribute_count; i++) {
        const struct thing_attribute *attribute = &thing->attributes[i];
        if ((filter->attribute_name.len == 0 ||
             elo_span_eq(filter->attribute_name, attribute->name)) &&
            value_fits(filter, attribute->value)) {
            return true;
        }
    }
    return false;
}

static bool keep_thing(const void *ctx, const void *item)
{
    const struct thing_filter *filter = ctx;
    const struct thing *thing = &((const struct thing_entry *)item)->pub;
    return (filter->type_name.len == 0 || elo_span_eq(filter->type_name, thing->type_name)) &&
           has_attribute(filter, thing);
}

void registry_list_things(const struct registry *reg,
                          const struct thing_filter *filter,
                          const struct registry_page *page,
                          registry_each_thing *each,
                          void *ctx,
                          struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.things_by_name, page, next);
    const struct thing_entry *entry;
    while ((entry = registry__walk_next(&walk, filter ? keep_thing : NULL, filter)) != NULL) {
        each(ctx, &entry->pub);
    }
}

/* --- certificates and policies ----------------------------------------------------------- */

void registry_list_certificates(const struct registry *reg,
                                const struct registry_page *page,
                                registry_each_certificate *each,
                                void *ctx,
                                struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.certificates_by_date, page, next);
    const struct certificate_entry *entry;
    while ((entry = registry__walk_next(&walk, NULL, NULL)) != NULL) {
        each(ctx, &entry->pub);
    }
}

static void list_policies(const struct index *index,
                          const struct registry_page *page,
                          registry_each_policy *each,
                          void *ctx,
                          struct registry_next *next)
{
    struct walk walk = registry__walk(index, page, next);
    const struct policy_entry *entry;
    while ((entry = registry__walk_next(&walk, NULL, NULL)) != NULL) {
        each(ctx, &entry->pub);
    }
}

void registry_list_policies(const struct registry *reg,
                            const struct registry_page *page,
                            registry_each_policy *each,
                            void *ctx,
                            struct registry_next *next)
{
    list_policies(&reg->state.policies_by_date, page, each, ctx, next);
}

/* --- attachments ------------------------------------------------------------------------- */

/* The policies of a group and of those above it, each once. */
struct inherited {
    void *items[LIMIT_GROUP_DEPTH * LIMIT_POLICIES_PER_GROUP];
    struct index index;
};

static void find_inherited(const struct registry *reg, elo_span arn, struct inherited *out)
{
    const struct thing_group *pub = registry_group_of_arn(reg, arn);
    const struct group_entry *group = pub ? registry__group(reg, pub->name) : NULL;
    out->index = (struct index){.items = out->items, .cap = sizeof out->items / sizeof *out->items};
    for (; group; group = group->parent) {
        out->index.key = group->target.policies.key;
        for (size_t i = 0; i < group->target.policies.len; i++) {
            struct policy_entry *policy = group->target.policies.items[i];
            if (!registry__index_get(&out->index, policy->pub.name)) {
                registry__index_insert(&out->index, policy);
            }
        }
    }
}

aws_error registry_list_policies_of_target(const struct registry *reg,
                                           elo_span arn,
                                           bool recursive,
                                           const struct registry_page *page,
                                           registry_each_policy *each,
                                           void *ctx,
                                           struct registry_next *next,
                                           struct aws_fault *fault)
{
    struct target *target = NULL;
    aws_error error = registry__find_target(reg, arn, &target, fault);
    if (!error && recursive && target->is_group) {
        struct inherited inherited;
        find_inherited(reg, arn, &inherited);
        list_policies(&inherited.index, page, each, ctx, next);
    } else if (!error) {
        list_policies(&target->policies, page, each, ctx, next);
    }
    return error;
}

aws_error registry_list_targets_of_policy(const struct registry *reg,
                                          elo_span policy,
                                          const struct registry_page *page,
                                          registry_each_arn *each,
                                          void *ctx,
                                          struct registry_next *next,
                                          struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    aws_error error = registry__find_policy(reg, policy, &entry, fault);
    if (error) {
        return error;
    }
    struct walk walk = registry__walk(&entry->targets, page, next);
    const struct target *target;
    while ((target = registry__walk_next(&walk, NULL, NULL)) != NULL) {
        each(ctx, target->arn);
    }
    return AWS_OK;
}

static bool keep_type(const void *ctx, const void *item)
{
    const bool *exclusive = ctx;
    return ((const struct attachment *)item)->exclusive == *exclusive;
}

aws_error registry_list_principals_of_thing(const struct registry *reg,
                                            elo_span thing,
                                            const bool *exclusive,
                                            const struct registry_page *page,
                                            registry_each_principal *each,
                                            void *ctx,
                                            struct registry_next *next,
                                            struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    aws_error error = registry__find_thing(reg, thing, &entry, fault);
    if (error == AWS_ResourceNotFoundException) {
        return aws_fault_set(fault, error,
                             "Failed to list principals for thing %.*s because the thing does not "
                             "exist in your account",
                             REGISTRY_TEXT(thing));
    }
    if (error) {
        return error;
    }
    struct walk walk = registry__walk(&entry->principals, page, next);
    const struct attachment *at;
    while ((at = registry__walk_next(&walk, exclusive ? keep_type : NULL, exclusive)) != NULL) {
        each(ctx, at->certificate->pub.arn, at->exclusive);
    }
    return AWS_OK;
}

aws_error registry_list_things_of_principal(const struct registry *reg,
                                            elo_span principal,
                                            const bool *exclusive,
                                            const struct registry_page *page,
                                            registry_each_principal_thing *each,
                                            void *ctx,
                                            struct registry_next *next,
                                            struct aws_fault *fault)
{
    struct certificate_entry *certificate = NULL;
    aws_error error = registry__find_principal(reg, principal, &certificate, fault);
    if (error) {
        return error;
    }
    struct walk walk = registry__walk(&certificate->things, page, next);
    const struct attachment *at;
    while ((at = registry__walk_next(&walk, exclusive ? keep_type : NULL, exclusive)) != NULL) {
        each(ctx, &at->thing->pub, at->exclusive);
    }
    return AWS_OK;
}
