// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Who is attached to whom: policies to certificates and groups, certificates to things.
 * AttachPolicy, DetachPolicy, AttachThingPrincipal, DetachThingPrincipal, AWS IoT API Reference;
 * "Associating an AWS IoT thing to an MQTT client connection", AWS IoT Developer Guide.
 */
#include "server/registry/internal.h"

/* --- policies ---------------------------------------------------------------------------- */

static aws_error check_room(const struct target *target, struct aws_fault *fault)
{
    unsigned limit = target->is_group ? LIMIT_POLICIES_PER_GROUP : LIMIT_POLICIES_PER_CERTIFICATE;
    if (target->policies.len < limit) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_LimitExceededException,
                         "The %s has the maximum number of attached policies (%u) (arn: %.*s)",
                         target->is_group ? "thing group" : "certificate", limit,
                         REGISTRY_TEXT(target->arn));
}

static void undo_attach(struct registry *reg, const struct undo *u)
{
    (void)reg;
    registry__unlink_policy(u->a, u->b);
}

aws_error registry_attach_policy(struct registry *reg,
                                 elo_span policy,
                                 elo_span target_arn,
                                 struct aws_fault *fault)
{
    struct policy_entry *entry = NULL;
    struct target *target = NULL;
    aws_error error = registry__find_policy(reg, policy, &entry, fault);
    error = error ? error : registry__find_target(reg, target_arn, &target, fault);
    if (error || registry__index_get(&target->policies, policy)) {
        return error;
    }
    error = check_room(target, fault);
    if (error) {
        return error;
    }
    if (!registry__link_policy(entry, target)) {
        return registry__out_of_memory(fault);
    }
    struct store_batch *b = registry__batch(reg);
    if (b) {
        store_put_policy_target(b, entry->pub.name, target->arn);
    }
    if (!registry__submit(reg, b)) {
        registry__unlink_policy(entry, target);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_attach, .a = entry, .b = target});
    return AWS_OK;
}

aws_error registry_detach_policy(struct registry *reg,
                                 elo_span policy,
                                 elo_span target_arn,
                                 struct aws_fault *fault)
{
    struct target *target = NULL;
    aws_error error = registry__check_policy_name(policy, fault);
    if (error) {
        return error;
    }
    if (registry__find_target(reg, target_arn, &target, fault)) {
        return aws_fault_set(fault, AWS_InvalidRequestException, "Invalid Target");
    }
    struct policy_entry *entry = registry__index_get(&target->policies, policy);
    if (!entry) {
        return AWS_OK;
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_policy_target(b, entry->pub.name, target->arn);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__unlink_policy(entry, target);
    return AWS_OK;
}

/* --- principals -------------------------------------------------------------------------- */

static aws_error find_both(const struct registry *reg,
                           elo_span thing,
                           elo_span principal,
                           const char *verb,
                           struct thing_entry **out_thing,
                           struct certificate_entry **out_certificate,
                           struct aws_fault *fault)
{
    aws_error error = registry__find_thing(reg, thing, out_thing, fault);
    if (error == AWS_ResourceNotFoundException) {
        return aws_fault_set(fault, error,
                             "Failed to %s principal for thing %.*s because the thing does not "
                             "exist in your account",
                             verb, REGISTRY_TEXT(thing));
    }
    return error ? error : registry__find_principal(reg, principal, out_certificate, fault);
}

/* An exclusive attachment is the only one of its principal. */
static aws_error check_exclusive(const struct certificate_entry *certificate,
                                 const struct thing_entry *thing,
                                 bool exclusive,
                                 struct aws_fault *fault)
{
    for (size_t i = 0; i < certificate->things.len; i++) {
        const struct attachment *other = certificate->things.items[i];
        if (other->thing != thing && (exclusive || other->exclusive)) {
            return aws_fault_set(fault, AWS_InvalidRequestException,
                                 "The principal is attached to thing %.*s%s; an exclusive "
                                 "attachment must be the only one of its principal",
                                 REGISTRY_TEXT(other->thing->pub.name),
                                 other->exclusive ? " exclusively" : "");
        }
    }
    return AWS_OK;
}

static bool
submit_principal(struct registry *reg, const struct attachment *attachment, bool exclusive)
{
    struct store_batch *b = registry__batch(reg);
    if (b) {
        store_put_thing_principal(b, attachment->thing->pub.name, attachment->certificate->pub.arn,
                                  exclusive);
    }
    return registry__submit(reg, b);
}

static void undo_type(struct registry *reg, const struct undo *u)
{
    struct attachment *attachment = u->a;
    (void)reg;
    attachment->exclusive = !attachment->exclusive;
}

static void undo_principal(struct registry *reg, const struct undo *u)
{
    (void)reg;
    registry__unlink_thing(u->a);
}

/* Attached already: the type becomes the one given, unless the switch keeps it. */
static aws_error change_type(struct registry *reg,
                             struct attachment *attachment,
                             bool exclusive,
                             struct aws_fault *fault)
{
    if (attachment->exclusive == exclusive || reg->compat.reattach_principal != 0) {
        return AWS_OK;
    }
    if (!submit_principal(reg, attachment, exclusive)) {
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_type, .a = attachment});
    attachment->exclusive = exclusive;
    return AWS_OK;
}

aws_error registry_attach_thing_principal(struct registry *reg,
                                          elo_span thing,
                                          elo_span principal,
                                          bool exclusive,
                                          struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    struct certificate_entry *certificate = NULL;
    aws_error error = find_both(reg, thing, principal, "attach", &entry, &certificate, fault);
    error = error ? error : check_exclusive(certificate, entry, exclusive, fault);
    if (error) {
        return error;
    }
    struct attachment *attachment = registry__index_get(&certificate->things, thing);
    if (attachment) {
        return change_type(reg, attachment, exclusive, fault);
    }
    attachment = registry__link_thing(entry, certificate, exclusive);
    if (!attachment) {
        return registry__out_of_memory(fault);
    }
    if (!submit_principal(reg, attachment, exclusive)) {
        registry__unlink_thing(attachment);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_principal, .a = attachment});
    return AWS_OK;
}

aws_error registry_detach_thing_principal(struct registry *reg,
                                          elo_span thing,
                                          elo_span principal,
                                          struct aws_fault *fault)
{
    struct thing_entry *entry = NULL;
    struct certificate_entry *certificate = NULL;
    aws_error error = find_both(reg, thing, principal, "detach", &entry, &certificate, fault);
    if (error) {
        return error;
    }
    struct attachment *attachment = registry__index_get(&certificate->things, thing);
    if (!attachment) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "The principal is not attached to thing %.*s", REGISTRY_TEXT(thing));
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_thing_principal(b, entry->pub.name, certificate->pub.arn);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__unlink_thing(attachment);
    return AWS_OK;
}
