// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Certificates: "X.509 client certificates" and "Revoke a client certificate", AWS IoT Developer
 * Guide; UpdateCertificate and DeleteCertificate, AWS IoT API Reference.
 */
#include "server/registry/internal.h"

static void put_certificate(struct store_batch *b, const struct certificate *certificate)
{
    const struct store_certificate row = {
        .id = certificate->id,
        .pem = certificate->pem,
        .status = elo_span_str(certificate_status_name(certificate->status)),
        .mode = certificate->mode,
        .ca_id = certificate->ca_id,
        .generation_id = certificate->generation_id,
        .created_ms = certificate->created_ms,
        .modified_ms = certificate->modified_ms,
        .not_before_s = certificate->not_before_s,
        .not_after_s = certificate->not_after_s,
        .customer_version = certificate->customer_version,
    };
    store_put_certificate(b, &row);
}

static bool submit(struct registry *reg, const struct certificate *certificate)
{
    struct store_batch *b = registry__batch(reg);
    if (b) {
        put_certificate(b, certificate);
    }
    return registry__submit(reg, b);
}

/* PENDING_TRANSFER and PENDING_ACTIVATION are AWS's own, REGISTER_INACTIVE is deprecated. */
static aws_error check_status(enum certificate_status status, struct aws_fault *fault)
{
    if (status == CERTIFICATE_ACTIVE || status == CERTIFICATE_INACTIVE ||
        status == CERTIFICATE_REVOKED) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "The status %s cannot be set: use ACTIVE, INACTIVE or REVOKED",
                         certificate_status_name(status));
}

/* --- registering ------------------------------------------------------------------------- */

static aws_error check_fresh(const struct certificate_new *fresh, struct aws_fault *fault)
{
    aws_error error = registry__check_certificate_id(fresh->id, fault);
    if (!error && fresh->status == CERTIFICATE_PENDING_ACTIVATION && !fresh->jitr) {
        error = aws_fault_set(fault, AWS_CertificateStateException,
                              "Not allowed to register certificate with PENDING_ACTIVATION status");
    } else if (!error && !fresh->jitr) {
        error = check_status(fresh->status, fault);
    }
    if (error) {
        return error;
    }
    if (fresh->pem.len == 0 || fresh->pem.len > LIMIT_PEM_BYTES) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "1 validation error detected: Value at 'certificatePem' failed to "
                             "satisfy constraint: Member must have length between 1 and %u",
                             LIMIT_PEM_BYTES);
    }
    if (!elo_span_eq(fresh->mode, ELO_SPAN("DEFAULT")) &&
        !elo_span_eq(fresh->mode, ELO_SPAN("SNI_ONLY"))) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "certificateMode must be DEFAULT or SNI_ONLY");
    }
    return AWS_OK;
}

static struct certificate_entry *
new_entry(struct registry *reg, const struct certificate_new *fresh, int64_t now_ms)
{
    char generation_id[37];
    core_uuid(&reg->random, generation_id);
    const struct certificate certificate = {
        .id = fresh->id,
        .pem = fresh->pem,
        .status = fresh->status,
        .mode = fresh->mode,
        .ca_id = fresh->ca_id,
        .generation_id = elo_span_str(generation_id),
        .created_ms = now_ms,
        .modified_ms = now_ms,
        .not_before_s = fresh->not_before_s,
        .not_after_s = fresh->not_after_s,
        .customer_version = 1,
    };
    return registry__certificate_new(reg, &certificate);
}

static void undo_register(struct registry *reg, const struct undo *u)
{
    registry__certificate_remove(&reg->state, u->a);
    registry__certificate_free(u->a);
}

aws_error registry_register_certificate(struct registry *reg,
                                        const struct certificate_new *fresh,
                                        int64_t now_ms,
                                        const struct certificate **out,
                                        struct aws_fault *fault)
{
    aws_error error = check_fresh(fresh, fault);
    if (error) {
        return error;
    }
    if (registry__certificate(reg, fresh->id)) {
        return registry__exists(fault, reg, "cert", fresh->id, fresh->id,
                                "The certificate is already provisioned or registered");
    }
    struct certificate_entry *entry = new_entry(reg, fresh, now_ms);
    if (!entry || !registry__certificate_insert(&reg->state, entry)) {
        registry__certificate_free(entry);
        return registry__out_of_memory(fault);
    }
    if (!submit(reg, &entry->pub)) {
        registry__certificate_remove(&reg->state, entry);
        registry__certificate_free(entry);
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_register, .a = entry});
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

/* --- changing ---------------------------------------------------------------------------- */

static void undo_status(struct registry *reg, const struct undo *u)
{
    struct certificate_entry *entry = u->a;
    (void)reg;
    entry->pub.status = (enum certificate_status)u->n[0];
    entry->pub.modified_ms = u->n[1];
    entry->pub.customer_version = u->n[2];
}

aws_error registry_update_certificate(struct registry *reg,
                                      elo_span id,
                                      enum certificate_status status,
                                      int64_t now_ms,
                                      struct aws_fault *fault)
{
    struct certificate_entry *entry = NULL;
    aws_error error = registry__find_certificate(reg, id, &entry, fault);
    error = error ? error : check_status(status, fault);
    if (error || entry->pub.status == status) {
        return error;
    }
    if (entry->pub.status == CERTIFICATE_REVOKED) {
        return aws_fault_set(fault, AWS_CertificateStateException,
                             "A revoked certificate stays revoked; register a new one. Id: %.*s",
                             REGISTRY_TEXT(id));
    }
    struct certificate changed = entry->pub;
    changed.status = status;
    changed.modified_ms = now_ms;
    changed.customer_version++;
    if (!submit(reg, &changed)) {
        return registry__out_of_memory(fault);
    }
    registry__did(reg, &(struct undo){.back = undo_status,
                                      .a = entry,
                                      .n = {entry->pub.status, entry->pub.modified_ms,
                                            entry->pub.customer_version}});
    entry->pub = changed;
    return AWS_OK;
}

/* --- deleting ---------------------------------------------------------------------------- */

static aws_error
check_delete(const struct certificate_entry *entry, bool force, struct aws_fault *fault)
{
    if (entry->pub.status == CERTIFICATE_ACTIVE) {
        return aws_fault_set(fault, AWS_CertificateStateException,
                             "Certificate must be deactivated (not ACTIVE) before deletion. "
                             "Id: %.*s",
                             REGISTRY_TEXT(entry->pub.id));
    }
    if (entry->things.len > 0) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Things must be detached before deletion (arn: %.*s)",
                             REGISTRY_TEXT(entry->pub.arn));
    }
    if (entry->target.policies.len > 0 && !force) {
        return aws_fault_set(fault, AWS_DeleteConflictException,
                             "Certificate policies must be detached before deletion (arn: %.*s)",
                             REGISTRY_TEXT(entry->pub.arn));
    }
    return AWS_OK;
}

static struct store_batch *delete_batch(struct registry *reg, const struct certificate_entry *entry)
{
    struct store_batch *b = store_begin(reg->store);
    for (size_t i = 0; b && i < entry->target.policies.len; i++) {
        const struct policy_entry *policy = entry->target.policies.items[i];
        store_delete_policy_target(b, policy->pub.name, entry->pub.arn);
    }
    if (b) {
        store_delete_certificate(b, entry->pub.id);
    }
    return b;
}

aws_error
registry_delete_certificate(struct registry *reg, elo_span id, bool force, struct aws_fault *fault)
{
    struct certificate_entry *entry = NULL;
    aws_error error = registry__find_certificate(reg, id, &entry, fault);
    error = error ? error : check_delete(entry, force, fault);
    if (error) {
        return error;
    }
    if (!registry__submit(reg, delete_batch(reg, entry))) {
        return registry__out_of_memory(fault);
    }
    while (entry->target.policies.len > 0) {
        registry__unlink_policy(entry->target.policies.items[entry->target.policies.len - 1],
                                &entry->target);
    }
    registry__certificate_remove(&reg->state, entry);
    registry__certificate_free(entry);
    return AWS_OK;
}

aws_error registry_describe_certificate(const struct registry *reg,
                                        elo_span id,
                                        const struct certificate **out,
                                        struct aws_fault *fault)
{
    struct certificate_entry *entry = NULL;
    aws_error error = registry__find_certificate(reg, id, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}
