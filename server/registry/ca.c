// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * CA certificates and the registration code: "Create your own client certificates", AWS IoT
 * Developer Guide; RegisterCACertificate to ListCertificatesByCA, AWS IoT API Reference.
 */
#include "server/base/mem.h"
#include "server/registry/internal.h"

static bool submit(struct registry *reg, const struct ca_certificate *ca)
{
    const struct store_ca row = {
        .id = ca->id,
        .pem = ca->pem,
        .status = ca->active ? ELO_SPAN("ACTIVE") : ELO_SPAN("INACTIVE"),
        .mode = ca->mode,
        .subject = ca->subject,
        .auto_registration = ca->auto_registration,
        .template_name = ca->template_name,
        .template_body = ca->template_body,
        .role_arn = ca->role_arn,
        .generation_id = ca->generation_id,
        .created_ms = ca->created_ms,
        .modified_ms = ca->modified_ms,
        .not_before_s = ca->not_before_s,
        .not_after_s = ca->not_after_s,
        .customer_version = ca->customer_version,
    };
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_put_ca(b, &row);
    }
    return registry__submit(reg, b);
}

/* --- checks ------------------------------------------------------------------------------ */

/* registrationConfig: one of name and body, with a role. */
static aws_error
check_config(const struct registry *reg, const struct ca_certificate *ca, struct aws_fault *fault)
{
    bool has_name = ca->template_name.len > 0;
    bool has_body = ca->template_body.len > 0;
    if (has_name && has_body) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "registrationConfig has both templateName and templateBody: give one");
    }
    if (ca->template_body.len > LIMIT_TEMPLATE_BYTES) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "1 validation error detected: Value at "
                             "'registrationConfig.templateBody' failed to satisfy constraint: "
                             "Member must have length less than or equal to %u",
                             LIMIT_TEMPLATE_BYTES);
    }
    aws_error error = ca->role_arn.len > 0 ? registry__check_role_arn(ca->role_arn, fault) : AWS_OK;
    if (error || !has_name) {
        return error;
    }
    struct template_entry *template = NULL;
    error = registry__find_template(reg, ca->template_name, &template, fault);
    if (!error && !elo_span_eq(template->pub.type, ELO_SPAN("JITP"))) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Provisioning template %.*s is of type %.*s; a CA certificate takes "
                             "one of type JITP",
                             REGISTRY_TEXT(template->pub.name), REGISTRY_TEXT(template->pub.type));
    }
    return error;
}

static aws_error
check_fresh(const struct registry *reg, const struct ca_certificate *fresh, struct aws_fault *fault)
{
    aws_error error = registry__check_certificate_id(fresh->id, fault);
    if (error) {
        return error;
    }
    if (map_get(&reg->state.cas.map, fresh->id)) {
        return registry__exists(fault, reg, "cacert", fresh->id, fresh->id,
                                "The CA certificate is already registered");
    }
    size_t same_subject = 0;
    for (size_t i = 0; i < reg->state.cas.index.len; i++) {
        const struct ca_entry *other = reg->state.cas.index.items[i];
        same_subject += elo_span_eq(other->pub.subject, fresh->subject);
    }
    if (same_subject >= LIMIT_CAS_PER_SUBJECT) {
        return aws_fault_set(fault, AWS_LimitExceededException,
                             "The maximum number of CA certificates with the same subject (%u) is "
                             "registered",
                             LIMIT_CAS_PER_SUBJECT);
    }
    return check_config(reg, fresh, fault);
}

/* --- RegisterCACertificate --------------------------------------------------------------- */

aws_error registry_register_ca(struct registry *reg,
                               const struct ca_certificate *fresh,
                               int64_t now_ms,
                               const struct ca_certificate **out,
                               struct aws_fault *fault)
{
    aws_error error = check_fresh(reg, fresh, fault);
    if (error) {
        return error;
    }
    char generation_id[37];
    core_uuid(&reg->random, generation_id);
    struct ca_certificate row = *fresh;
    row.generation_id = elo_span_str(generation_id);
    row.created_ms = now_ms;
    row.modified_ms = now_ms;
    row.customer_version = 1;
    struct ca_entry *entry = registry__ca_new(&row);
    if (!entry || !registry__table_insert(&reg->state.cas, entry->pub.id, entry)) {
        registry__ca_free(entry);
        return registry__out_of_memory(fault);
    }
    if (!submit(reg, &entry->pub)) {
        registry__table_remove(&reg->state.cas, entry->pub.id, entry);
        registry__ca_free(entry);
        return registry__out_of_memory(fault);
    }
    if (out) {
        *out = &entry->pub;
    }
    return AWS_OK;
}

/* --- UpdateCACertificate ----------------------------------------------------------------- */

static void apply(struct ca_certificate *ca, const struct ca_change *change)
{
    if (change->has_status) {
        ca->active = change->active;
    }
    if (change->has_auto_registration) {
        ca->auto_registration = change->auto_registration;
    }
    if (change->has_config) {
        ca->template_name = change->template_name;
        ca->template_body = change->template_body;
        ca->role_arn = change->role_arn;
    }
    if (change->remove) {
        ca->auto_registration = false;
        ca->template_name = ca->template_body = ca->role_arn = elo_span_of(NULL, 0);
    }
}

aws_error registry_update_ca(struct registry *reg,
                             elo_span id,
                             const struct ca_change *change,
                             int64_t now_ms,
                             struct aws_fault *fault)
{
    struct ca_entry *entry = NULL;
    aws_error error = registry__find_ca(reg, id, &entry, fault);
    if (error) {
        return error;
    }
    struct ca_entry changed = *entry;
    changed.texts = NULL;
    apply(&changed.pub, change);
    error = check_config(reg, &changed.pub, fault);
    if (error) {
        return error;
    }
    changed.pub.modified_ms = now_ms;
    changed.pub.customer_version++;
    const struct ca_certificate config = changed.pub;
    if (!registry__ca_take(&changed, &config)) {
        return registry__out_of_memory(fault);
    }
    if (!submit(reg, &changed.pub)) {
        mem_free(changed.texts);
        return registry__out_of_memory(fault);
    }
    mem_free(entry->texts);
    *entry = changed;
    return AWS_OK;
}

/* --- DeleteCACertificate ----------------------------------------------------------------- */

aws_error registry_delete_ca(struct registry *reg, elo_span id, struct aws_fault *fault)
{
    struct ca_entry *entry = NULL;
    aws_error error = registry__find_ca(reg, id, &entry, fault);
    if (error) {
        return error;
    }
    if (entry->pub.active) {
        return aws_fault_set(fault, AWS_CertificateStateException,
                             "The CA certificate must be deactivated (not ACTIVE) before deletion. "
                             "Id: %.*s",
                             REGISTRY_TEXT(id));
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_ca(b, id);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    registry__table_remove(&reg->state.cas, entry->pub.id, entry);
    registry__ca_free(entry);
    return AWS_OK;
}

/* --- reading ----------------------------------------------------------------------------- */

aws_error registry_describe_ca(const struct registry *reg,
                               elo_span id,
                               const struct ca_certificate **out,
                               struct aws_fault *fault)
{
    struct ca_entry *entry = NULL;
    aws_error error = registry__find_ca(reg, id, &entry, fault);
    if (!error && out) {
        *out = &entry->pub;
    }
    return error;
}

static bool keep_template(const void *ctx, const void *item)
{
    const elo_span *name = ctx;
    return name->len == 0 || elo_span_eq(*name, ((const struct ca_entry *)item)->pub.template_name);
}

void registry_list_cas(const struct registry *reg,
                       elo_span template_name,
                       const struct registry_page *page,
                       registry_each_ca *each,
                       void *ctx,
                       struct registry_next *next)
{
    struct walk walk = registry__walk(&reg->state.cas.index, page, next);
    const struct ca_entry *entry;
    while ((entry = registry__walk_next(&walk, keep_template, &template_name)) != NULL) {
        each(ctx, &entry->pub);
    }
}

void registry_each_ca_of(const struct registry *reg,
                         elo_span subject,
                         bool (*each)(void *ctx, const struct ca_certificate *ca),
                         void *ctx)
{
    for (size_t i = 0; i < reg->state.cas.index.len; i++) {
        const struct ca_entry *entry = reg->state.cas.index.items[i];
        if (elo_span_eq(entry->pub.subject, subject) && !each(ctx, &entry->pub)) {
            return;
        }
    }
}

static bool keep_issued(const void *ctx, const void *item)
{
    const elo_span *ca_id = ctx;
    return elo_span_eq(*ca_id, ((const struct certificate_entry *)item)->pub.ca_id);
}

aws_error registry_list_certificates_of_ca(const struct registry *reg,
                                           elo_span ca_id,
                                           const struct registry_page *page,
                                           registry_each_certificate *each,
                                           void *ctx,
                                           struct registry_next *next,
                                           struct aws_fault *fault)
{
    aws_error error = registry__check_certificate_id(ca_id, fault);
    if (error) {
        return error;
    }
    struct walk walk = registry__walk(&reg->state.certificates_by_date, page, next);
    const struct certificate_entry *entry;
    while ((entry = registry__walk_next(&walk, keep_issued, &ca_id)) != NULL) {
        each(ctx, &entry->pub);
    }
    return AWS_OK;
}

/* --- the registration code --------------------------------------------------------------- */

#define CODE_NAME ELO_SPAN("registration-code")

elo_span registry_registration_code_now(const struct registry *reg)
{
    return elo_span_str(reg->state.registration_code);
}

aws_error registry_registration_code(struct registry *reg, elo_span *out, struct aws_fault *fault)
{
    char code[65];
    uint8_t bytes[32];
    if (reg->state.registration_code[0] == '\0') {
        reg->random.fill(reg->random.ctx, bytes, sizeof bytes);
        core_hex(bytes, sizeof bytes, code);
        struct store_batch *b = store_begin(reg->store);
        if (b) {
            store_put_setting(b, CODE_NAME, elo_span_of(code, 64));
        }
        if (!registry__submit(reg, b)) {
            return registry__out_of_memory(fault);
        }
        memcpy(reg->state.registration_code, code, sizeof code);
    }
    *out = registry_registration_code_now(reg);
    return AWS_OK;
}

aws_error registry_delete_registration_code(struct registry *reg, struct aws_fault *fault)
{
    if (reg->state.registration_code[0] == '\0') {
        return aws_fault_set(fault, AWS_ResourceNotFoundException, "There is no registration code");
    }
    struct store_batch *b = store_begin(reg->store);
    if (b) {
        store_delete_setting(b, CODE_NAME);
    }
    if (!registry__submit(reg, b)) {
        return registry__out_of_memory(fault);
    }
    reg->state.registration_code[0] = '\0';
    return AWS_OK;
}
