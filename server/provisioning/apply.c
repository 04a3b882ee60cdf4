// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the plan is carried out by the registry's own operations, one after the other,
 * inside the change that the caller has opened: certificate, thing, policies, then who is attached
 * to whom. The first refusal ends it, and the caller takes all of it back.
 *
 * An inline policy gets a name made of its hash, so that a thousand devices of one template share
 * one policy.
 */
#include <stdio.h>

#include "server/auth/policy.h"
#include "server/base/env.h"
#include "server/provisioning/internal.h"

/* The registry's refusal as RegisterThing's. */
static aws_error registration_failed(struct run *run, aws_error error)
{
    if (error != AWS_OK && error != AWS_InternalFailureException) {
        run->fault->error = AWS_ResourceRegistrationFailureException;
        return AWS_ResourceRegistrationFailureException;
    }
    return error;
}

static aws_error conflict(struct run *run, const char *what, elo_span name)
{
    return aws_fault_set(run->fault, AWS_ConflictingResourceUpdateException,
                         "%s %.*s exists already and is another, and OverrideSettings say FAIL",
                         what, SHOWN(name));
}

static void note(struct run *run,
                 struct provisioning_result *out,
                 elo_span logical,
                 const char *kind,
                 elo_span name)
{
    if (out->resource_count < PROVISIONING_RESOURCES) {
        struct provisioning_resource *r = &out->resources[out->resource_count++];
        (void)snprintf(r->name, sizeof r->name, "%.*s",
                       (int)(logical.len < LIMIT_NAME_BYTES ? logical.len : LIMIT_NAME_BYTES),
                       (const char *)logical.ptr);
        (void)registry_arn(run->reg, kind, name, r->arn);
    }
}

/* --- the certificate ------------------------------------------------------------------------- */

struct fresh {
    struct pki_issued issued;
    struct pki_certificate info;
    struct buf pem;
};

static aws_error pki_refuses(struct run *run, elo_err err, const char *what, const char *why)
{
    if (err == ELO_E_NO_MEMORY) {
        return run_no_memory(run);
    }
    return run_refuse(run, "%s: %s", what, why);
}

static aws_error register_fresh(struct run *run,
                                const struct certificate_plan *plan,
                                const struct certificate_new *fresh)
{
    struct certificate_new row = *fresh;
    row.status = plan->active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE;
    return registration_failed(
        run, registry_register_certificate(run->reg, &row, run->request->now_ms, NULL, run->fault));
}

static aws_error from_csr(struct run *run, const struct certificate_plan *plan, struct fresh *fresh)
{
    char why[256] = "there is no CA to issue it";
    elo_err err = ELO_E_UNSUPPORTED;
    if (run->request->ca != NULL) {
        err = pki_issue_from_csr(run->request->ca, plan->csr, run->request->now_ms / 1000,
                                 &fresh->issued, why, sizeof why);
    }
    if (err != ELO_OK) {
        return pki_refuses(run, err, "CertificateSigningRequest", why);
    }
    fresh->info = fresh->issued.info;
    buf_add(&fresh->pem, buf_span(&fresh->issued.certificate_pem));
    const struct certificate_new row = {.id = elo_span_str(fresh->info.id),
                                        .pem = buf_span(&fresh->pem),
                                        .mode = ELO_SPAN("DEFAULT"),
                                        .not_before_s = fresh->info.not_before_s,
                                        .not_after_s = fresh->info.not_after_s};
    return register_fresh(run, plan, &row);
}

/* The registered CA that CACertificatePem is; NULL with an error: not that. */
static aws_error
find_ca(struct run *run, const struct certificate_plan *plan, const struct ca_certificate **out)
{
    char why[256] = "";
    struct pki_certificate info;
    *out = NULL;
    if (plan->ca_pem.len == 0) {
        return AWS_OK;
    }
    elo_err err = pki_certificate_read(plan->ca_pem, &info, why, sizeof why);
    if (err != ELO_OK) {
        return pki_refuses(run, err, "CACertificatePem", why);
    }
    if (!pki_certificate_signed_by(plan->pem, plan->ca_pem)) {
        return run_refuse(run, "CACertificatePem has not signed CertificatePem");
    }
    return registration_failed(
        run, registry_describe_ca(run->reg, elo_span_str(info.id), out, run->fault));
}

static aws_error from_pem(struct run *run, const struct certificate_plan *plan, struct fresh *fresh)
{
    char why[256] = "";
    const struct ca_certificate *ca = NULL;
    elo_err err = pki_certificate_read(plan->pem, &fresh->info, why, sizeof why);
    err = err != ELO_OK ? err : pki_certificate_check(plan->pem, why, sizeof why);
    err = err != ELO_OK ? err : pki_certificate_to_pem(plan->pem, &fresh->pem);
    if (err != ELO_OK) {
        return pki_refuses(run, err, "CertificatePem", why);
    }
    aws_error error = find_ca(run, plan, &ca);
    elo_span id = elo_span_str(fresh->info.id);
    if (error != AWS_OK || registry_certificate(run->reg, id) != NULL) {
        return error;
    }
    const struct certificate_new row = {.id = id,
                                        .pem = buf_span(&fresh->pem),
                                        .mode = ca != NULL ? ca->mode : ELO_SPAN("SNI_ONLY"),
                                        .ca_id = ca != NULL ? ca->id : elo_span_of(NULL, 0),
                                        .not_before_s = fresh->info.not_before_s,
                                        .not_after_s = fresh->info.not_after_s};
    return register_fresh(run, plan, &row);
}

/* The status of one that was there before. One that waits for its activation always gets it. */
static aws_error set_status(struct run *run,
                            const struct certificate_plan *plan,
                            const struct certificate *certificate)
{
    enum certificate_status wanted = plan->active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE;
    bool pending = certificate->status == CERTIFICATE_PENDING_ACTIVATION;
    if (certificate->status == wanted ||
        (!pending && plan->status_override == OVERRIDE_DO_NOTHING)) {
        return AWS_OK;
    }
    if (!pending && plan->status_override == OVERRIDE_FAIL) {
        return conflict(run, "Certificate", certificate->id);
    }
    return registration_failed(run, registry_update_certificate(run->reg, certificate->id, wanted,
                                                                run->request->now_ms, run->fault));
}

static aws_error apply_certificate(struct run *run,
                                   const struct certificate_plan *plan,
                                   struct fresh *fresh,
                                   elo_span *out_arn,
                                   struct provisioning_result *out)
{
    const struct certificate *certificate = NULL;
    aws_error error = plan->csr.len > 0   ? from_csr(run, plan, fresh)
                      : plan->pem.len > 0 ? from_pem(run, plan, fresh)
                                          : AWS_OK;
    elo_span id = plan->id.len > 0 ? plan->id : elo_span_str(fresh->info.id);
    error = error ? error
                  : registration_failed(
                        run, registry_describe_certificate(run->reg, id, &certificate, run->fault));
    error = error ? error : set_status(run, plan, certificate);
    if (error == AWS_OK) {
        *out_arn = certificate->arn;
        note(run, out, plan->logical, "cert", certificate->id);
        (void)snprintf(out->certificate_id, sizeof out->certificate_id, "%.*s",
                       SHOWN(certificate->id));
        buf_add(&out->certificate_pem, certificate->pem);
        error = buf_err(&out->certificate_pem) == ELO_OK ? AWS_OK : run_no_memory(run);
    }
    return error;
}

/* --- the thing ------------------------------------------------------------------------------- */

static aws_error create_thing(struct run *run, const struct thing_plan *plan)
{
    const struct thing_change change = {.type_name = plan->type,
                                        .has_attributes = true,
                                        .attributes = plan->attributes,
                                        .attribute_count = plan->attribute_count};
    aws_error error = registry_create_thing(run->reg, plan->name, &change, run->request->now_ms,
                                            NULL, run->fault);
    return registration_failed(run, error);
}

/* What to do with a thing that was there before; unsaid: by the switch. */
static enum override settled(const struct run *run, enum override said)
{
    if (said != OVERRIDE_UNSAID) {
        return said;
    }
    return run->request->compat.provision_existing != 0 ? OVERRIDE_FAIL : OVERRIDE_DO_NOTHING;
}

static bool same_attributes(const struct thing *thing, const struct thing_plan *plan)
{
    size_t found = 0;
    for (size_t i = 0; i < thing->attribute_count; i++) {
        for (size_t k = 0; k < plan->attribute_count; k++) {
            found += elo_span_eq(thing->attributes[i].name, plan->attributes[k].name) &&
                     elo_span_eq(thing->attributes[i].value, plan->attributes[k].value);
        }
    }
    return found == thing->attribute_count && found == plan->attribute_count;
}

static aws_error
change_thing(struct run *run, const struct thing_plan *plan, const struct thing *thing)
{
    enum override attributes = settled(run, plan->attributes_override);
    enum override type = settled(run, plan->type_override);
    bool other_attributes = plan->attribute_count > 0 && !same_attributes(thing, plan);
    bool other_type = plan->type.len > 0 && !elo_span_eq(thing->type_name, plan->type);
    if ((other_attributes && attributes == OVERRIDE_FAIL) ||
        (other_type && type == OVERRIDE_FAIL)) {
        return conflict(run, "Thing", plan->name);
    }
    struct thing_change change = {.type_name = elo_span_of(NULL, 0)};
    if (other_attributes && attributes != OVERRIDE_DO_NOTHING) {
        change.has_attributes = true;
        change.attributes = plan->attributes;
        change.attribute_count = plan->attribute_count;
        change.merge = attributes == OVERRIDE_MERGE;
    }
    if (other_type && type == OVERRIDE_REPLACE) {
        change.type_name = plan->type;
    }
    if (!change.has_attributes && change.type_name.len == 0) {
        return AWS_OK;
    }
    return registration_failed(
        run, registry_update_thing(run->reg, plan->name, &change, NULL, run->fault));
}

struct groups {
    char names[LIMIT_GROUPS_PER_THING][LIMIT_NAME_BYTES];
    elo_span spans[LIMIT_GROUPS_PER_THING];
    size_t count;
};

static bool keep_group(void *ctx, const struct thing_group *group)
{
    struct groups *groups = ctx;
    memcpy(groups->names[groups->count], group->name.ptr, group->name.len);
    groups->spans[groups->count] = elo_span_of(groups->names[groups->count], group->name.len);
    return ++groups->count < LIMIT_GROUPS_PER_THING;
}

static bool has_group(const elo_span *names, size_t count, elo_span name)
{
    for (size_t i = 0; i < count; i++) {
        if (elo_span_eq(names[i], name)) {
            return true;
        }
    }
    return false;
}

/* REPLACE: out of those that the template does not name. */
static aws_error
leave_groups(struct run *run, const struct thing_plan *plan, const struct groups *now)
{
    aws_error error = AWS_OK;
    for (size_t i = 0; error == AWS_OK && i < now->count; i++) {
        if (!has_group(plan->groups, plan->group_count, now->spans[i])) {
            error = registry_remove_from_group(run->reg, now->spans[i], plan->name, run->fault);
        }
    }
    return registration_failed(run, error);
}

static aws_error apply_groups(struct run *run, const struct thing_plan *plan, bool existed)
{
    struct groups now = {.count = 0};
    enum override mode = existed ? settled(run, plan->groups_override) : OVERRIDE_MERGE;
    aws_error error = AWS_OK;
    if (plan->group_count == 0 || mode == OVERRIDE_DO_NOTHING) {
        return AWS_OK;
    }
    registry_each_group_of(run->reg, plan->name, keep_group, &now);
    bool other = now.count != plan->group_count;
    for (size_t i = 0; i < plan->group_count; i++) {
        other = other || !has_group(now.spans, now.count, plan->groups[i]);
    }
    if (other && mode == OVERRIDE_FAIL) {
        return conflict(run, "Thing", plan->name);
    }
    if (mode == OVERRIDE_REPLACE) {
        error = leave_groups(run, plan, &now);
    }
    for (size_t i = 0; error == AWS_OK && i < plan->group_count; i++) {
        error = registration_failed(
            run, registry_add_to_group(run->reg, plan->groups[i], plan->name, run->fault));
    }
    return error;
}

static aws_error
apply_thing(struct run *run, const struct thing_plan *plan, struct provisioning_result *out)
{
    const struct thing *thing = registry_thing(run->reg, plan->name);
    bool existed = thing != NULL;
    aws_error error = existed ? change_thing(run, plan, thing) : create_thing(run, plan);
    error = error ? error : apply_groups(run, plan, existed);
    if (error == AWS_OK) {
        (void)snprintf(out->thing_name, sizeof out->thing_name, "%.*s", (int)plan->name.len,
                       (const char *)plan->name.ptr);
        note(run, out, plan->logical, "thing", plan->name);
    }
    return error;
}

/* --- policies -------------------------------------------------------------------------------- */

static aws_error create_policy(struct run *run, elo_span name, elo_span document)
{
    char why[320] = "";
    struct policy *policy = NULL;
    if (registry_policy(run->reg, name) != NULL) {
        return AWS_OK; /* of this very text */
    }
    elo_err err = policy_parse(document, &policy, why, sizeof why);
    policy_release(policy);
    if (err == ELO_E_NO_MEMORY) {
        return run_no_memory(run);
    }
    if (err != ELO_OK) {
        return run_refuse(run, "PolicyDocument: %s", why);
    }
    return registration_failed(run, registry_create_policy(run->reg, name, document,
                                                           run->request->now_ms, NULL, run->fault));
}

static aws_error apply_policy(struct run *run,
                              const struct policy_plan *plan,
                              elo_span certificate_arn,
                              struct provisioning_result *out)
{
    uint8_t hash[32];
    char made[65];
    elo_span name = plan->name;
    aws_error error = AWS_OK;
    if (plan->document.len > 0) {
        pki_sha256(plan->document, hash);
        core_hex(hash, sizeof hash, made);
        name = elo_span_of(made, 64);
        error = create_policy(run, name, plan->document);
    }
    error = error ? error
                  : registration_failed(
                        run, registry_attach_policy(run->reg, name, certificate_arn, run->fault));
    if (error == AWS_OK) {
        note(run, out, plan->logical, "policy", name);
    }
    return error;
}

/* --- all ------------------------------------------------------------------------------------- */

static aws_error apply(struct run *run,
                       const struct plan *plan,
                       struct fresh *fresh,
                       struct provisioning_result *out)
{
    elo_span arn = elo_span_of(NULL, 0);
    aws_error error = AWS_OK;
    if (plan->certificate.is_there) {
        error = apply_certificate(run, &plan->certificate, fresh, &arn, out);
    }
    if (error == AWS_OK && plan->thing.is_there) {
        error = apply_thing(run, &plan->thing, out);
    }
    for (size_t i = 0; error == AWS_OK && i < plan->policy_count; i++) {
        error = apply_policy(run, &plan->policies[i], arn, out);
    }
    /* An attachment that is there stays as it is: it may be an exclusive one. */
    if (error == AWS_OK && arn.len > 0 && plan->thing.is_there &&
        !registry_is_attached(run->reg, plan->thing.name, arn)) {
        error = registration_failed(run, registry_attach_thing_principal(run->reg, plan->thing.name,
                                                                         arn, false, run->fault));
    }
    return error;
}

aws_error apply_plan(struct run *run, const struct plan *plan, struct provisioning_result *out)
{
    struct fresh fresh = {.info = {.id = ""}};
    pki_issued_init(&fresh.issued);
    buf_init(&fresh.pem, LIMIT_PEM_BYTES);
    aws_error error = apply(run, plan, &fresh, out);
    pki_issued_free(&fresh.issued);
    buf_free(&fresh.pem);
    return error;
}

void provisioning_result_init(struct provisioning_result *result)
{
    *result = (struct provisioning_result){.resource_count = 0};
    buf_init(&result->certificate_pem, LIMIT_PEM_BYTES);
    buf_init(&result->configuration, VALUE_BYTES);
}

void provisioning_result_free(struct provisioning_result *result)
{
    buf_free(&result->certificate_pem);
    buf_free(&result->configuration);
}

aws_error provisioning_run(struct registry *reg,
                           const struct provisioning_request *request,
                           struct provisioning_result *out,
                           struct aws_fault *fault)
{
    struct run run = {.reg = reg, .request = request, .fault = fault};
    struct plan plan;
    aws_error error = read_template(&run, request->body);
    error = error ? error : make_plan(&run, &plan);
    if (error == AWS_OK && run.configuration.len > 0) {
        error = value_json(&run, run.configuration, "DeviceConfiguration", &out->configuration);
    }
    error = error ? error : apply_plan(&run, &plan, out);
    run_free_all(&run);
    return error;
}
