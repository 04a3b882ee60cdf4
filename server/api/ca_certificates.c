// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * CA certificates and what they have signed: RegisterCACertificate to ListCertificatesByCA, AWS IoT
 * API Reference; "Register your CA certificate", AWS IoT Developer Guide.
 *
 * Whoever registers a CA in DEFAULT mode proves to have its key: a verification certificate, signed
 * by it, whose common name is this account's registration code.
 */
#include "server/api/internal.h"
#include "server/provisioning/provisioning.h"

/* --- the registration code --------------------------------------------------------------- */

static aws_error write_code(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)c;
    elo_json_begin_object(w);
    api__put_text(w, "registrationCode", *(const elo_span *)ctx);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__GetRegistrationCode(struct call *c)
{
    elo_span code;
    aws_error error = api__reserve(c, ARN_ROOM);
    error = error ? error : registry_registration_code(c->api->registry, &code, c->fault);
    return error ? error : api__reply(c, write_code, &code);
}

aws_error api__DeleteRegistrationCode(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error = error ? error : registry_delete_registration_code(c->api->registry, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- RegisterCACertificate --------------------------------------------------------------- */

/* registrationConfig, its template checked. */
static aws_error take_config(struct call *c, elo_span json, struct ca_change *out)
{
    struct field fields[] = {
        {.name = "templateBody"}, {.name = "templateName"}, {.name = "roleArn"}};
    aws_error error = api__object(c, json, "registrationConfig.", fields, API_COUNT(fields));
    if (error == AWS_OK && fields[0].text.len > 0) {
        error = provisioning_check(fields[0].text, c->fault);
    }
    out->has_config = true;
    out->template_body = fields[0].text;
    out->template_name = fields[1].text;
    out->role_arn = fields[2].text;
    return error;
}

static aws_error check_verification(struct call *c, elo_span verification, elo_span ca)
{
    struct buf scratch;
    elo_span name = elo_span_of(NULL, 0);
    elo_span code = registry_registration_code_now(c->api->registry);
    if (!pki_certificate_signed_by(verification, ca)) {
        return aws_fault_set(c->fault, AWS_CertificateValidationException,
                             "The verification certificate is not signed by the CA certificate");
    }
    buf_init(&scratch, LIMIT_PEM_BYTES);
    bool has_name = pki_certificate_variable(verification, ELO_SPAN("Subject.CommonName"), 0,
                                             &scratch, &name) > 0;
    bool is_code = has_name && code.len > 0 && elo_span_eq(name, code);
    buf_free(&scratch);
    return is_code ? AWS_OK
                   : aws_fault_set(c->fault, AWS_RegistrationCodeValidationException,
                                   "The common name of the verification certificate is not the "
                                   "registration code of this account (GetRegistrationCode)");
}

enum { CA, VERIFICATION, CONFIG, MODE, MEMBERS };

static aws_error check_mode(struct call *c, const struct field *fields)
{
    bool sni_only = elo_span_eq(fields[MODE].text, ELO_SPAN("SNI_ONLY"));
    if (fields[MODE].is_there && !sni_only &&
        !elo_span_eq(fields[MODE].text, ELO_SPAN("DEFAULT"))) {
        return api__invalid(c,
                            "1 validation error detected: Value '%s' at 'certificateMode' failed "
                            "to satisfy constraint: Member must satisfy enum value set: [DEFAULT, "
                            "SNI_ONLY]",
                            text_quote(fields[MODE].text).text);
    }
    if (sni_only && fields[VERIFICATION].is_there) {
        return api__invalid(c, "A verification certificate must not be given in SNI_ONLY mode");
    }
    if (!sni_only && !fields[VERIFICATION].is_there) {
        return api__invalid(c, "A verification certificate must be given in DEFAULT mode");
    }
    return sni_only ? AWS_OK : check_verification(c, fields[VERIFICATION].text, fields[CA].text);
}

static aws_error
read_ca(struct call *c, elo_span given, struct pki_certificate *info, struct buf *pem)
{
    char why[WHY_BYTES] = "";
    aws_error error = api__read_certificate(c, given, info, pem);
    if (error != AWS_OK) {
        return error;
    }
    elo_err err = pki_ca_check(given, c->now.wall_ms / 1000, why, sizeof why);
    return err == ELO_OK ? AWS_OK
                         : aws_fault_set(c->fault, AWS_CertificateValidationException,
                                         "The CA certificate cannot be registered: %s", why);
}

static aws_error register_ca(struct call *c,
                             const struct field *fields,
                             struct ca_certificate *fresh,
                             const struct pki_certificate *info,
                             elo_span pem)
{
    bool auto_registration = false;
    aws_error error = api__query_bool(c, "setAsActive", &fresh->active);
    error = error ? error : api__query_bool(c, "allowAutoRegistration", &auto_registration);
    error = error ? error : check_mode(c, fields);
    error = error ? error : api__reserve(c, ARN_ROOM);
    if (error != AWS_OK) {
        return error;
    }
    fresh->auto_registration = auto_registration;
    fresh->mode = fields[MODE].is_there ? fields[MODE].text : ELO_SPAN("DEFAULT");
    fresh->id = elo_span_str(info->id);
    fresh->pem = pem;
    fresh->subject = elo_span_str(info->subject);
    fresh->not_before_s = info->not_before_s;
    fresh->not_after_s = info->not_after_s;
    return registry_register_ca(c->api->registry, fresh, c->now.wall_ms, NULL, c->fault);
}

static aws_error write_ca_registered(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const elo_span *id = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "certificateArn", "cacert", *id);
    api__put_text(w, "certificateId", *id);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__RegisterCACertificate(struct call *c)
{
    struct field fields[MEMBERS] = {
        [CA] = {.name = "caCertificate", .required = true},
        [VERIFICATION] = {.name = "verificationCertificate"},
        [CONFIG] = {.name = "registrationConfig", .type = FIELD_OBJECT},
        [MODE] = {.name = "certificateMode"},
    };
    struct pki_certificate info;
    struct buf pem;
    struct ca_change config = {.has_config = false};
    buf_init(&pem, LIMIT_PEM_BYTES);
    aws_error error = api__body(c, fields, MEMBERS);
    if (error == AWS_OK && fields[CONFIG].is_there) {
        error = take_config(c, fields[CONFIG].text, &config);
    }
    error = error ? error : read_ca(c, fields[CA].text, &info, &pem);
    struct ca_certificate fresh = {.template_name = config.template_name,
                                   .template_body = config.template_body,
                                   .role_arn = config.role_arn};
    error = error ? error : register_ca(c, fields, &fresh, &info, buf_span(&pem));
    error = error ? error : api__reply(c, write_ca_registered, &fresh.id);
    buf_free(&pem);
    return error;
}

/* --- DescribeCACertificate, ListCACertificates ------------------------------------------- */

static elo_span status_of(const struct ca_certificate *ca)
{
    return ca->active ? ELO_SPAN("ACTIVE") : ELO_SPAN("INACTIVE");
}

static void
put_description(struct call *c, struct elo_json_writer *w, const struct ca_certificate *ca)
{
    api__put_arn(c, w, "certificateArn", "cacert", ca->id);
    api__put_text(w, "certificateId", ca->id);
    api__put_text(w, "status", status_of(ca));
    api__put_text(w, "certificatePem", ca->pem);
    api__put_text(w, "ownedBy", elo_span_str(registry_account(c->api->registry)));
    api__put_time(w, "creationDate", ca->created_ms);
    api__put_text(w, "autoRegistrationStatus",
                  ca->auto_registration ? ELO_SPAN("ENABLE") : ELO_SPAN("DISABLE"));
    api__put_time(w, "lastModifiedDate", ca->modified_ms);
    api__put_int(w, "customerVersion", ca->customer_version);
    api__put_text(w, "generationId", ca->generation_id);
    elo_json_key(w, ELO_SPAN("validity"));
    elo_json_begin_object(w);
    api__put_time(w, "notBefore", ca->not_before_s * 1000);
    api__put_time(w, "notAfter", ca->not_after_s * 1000);
    elo_json_end_object(w);
    api__put_text(w, "certificateMode", ca->mode);
}

static aws_error write_ca(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct ca_certificate *ca = ctx;
    const struct {
        const char *name;
        elo_span value;
    } config[] = {{"templateBody", ca->template_body},
                  {"roleArn", ca->role_arn},
                  {"templateName", ca->template_name}};
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("certificateDescription"));
    elo_json_begin_object(w);
    put_description(c, w, ca);
    elo_json_end_object(w);
    elo_json_key(w, ELO_SPAN("registrationConfig"));
    elo_json_begin_object(w);
    for (size_t i = 0; i < API_COUNT(config); i++) {
        if (config[i].value.len > 0) {
            api__put_text(w, config[i].name, config[i].value);
        }
    }
    elo_json_end_object(w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__DescribeCACertificate(struct call *c)
{
    const struct ca_certificate *ca = NULL;
    aws_error error = registry_describe_ca(c->api->registry, c->vars[0], &ca, c->fault);
    return error ? error : api__reply(c, write_ca, (void *)(uintptr_t)ca);
}

struct ca_list {
    const struct call *c;
    struct elo_json_writer *w;
    elo_span template_name;
    bool issued; /* ListCertificatesByCA */
    struct paging paging;
};

static void put_ca(void *ctx, const struct ca_certificate *ca)
{
    const struct ca_list *list = ctx;
    struct elo_json_writer *w = list->w;
    elo_json_begin_object(w);
    api__put_arn(list->c, w, "certificateArn", "cacert", ca->id);
    api__put_text(w, "certificateId", ca->id);
    api__put_text(w, "status", status_of(ca));
    api__put_time(w, "creationDate", ca->created_ms);
    elo_json_end_object(w);
}

static void put_issued(void *ctx, const struct certificate *certificate)
{
    api__put_certificate(((const struct ca_list *)ctx)->w, certificate);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct ca_list *list = ctx;
    aws_error error = AWS_OK;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("certificates"));
    elo_json_begin_array(w);
    if (list->issued) {
        error = registry_list_certificates_of_ca(c->api->registry, c->vars[0], &list->paging.page,
                                                 put_issued, list, &list->paging.next, c->fault);
    } else {
        registry_list_cas(c->api->registry, list->template_name, &list->paging.page, put_ca, list,
                          &list->paging.next);
    }
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return error;
}

aws_error api__ListCACertificates(struct call *c)
{
    struct ca_list list = {.c = c};
    aws_error error = api__page_marker(c, &list.paging, true);
    (void)api__query(c, "templateName", &list.template_name);
    return error ? error : api__reply(c, write_list, &list);
}

aws_error api__ListCertificatesByCA(struct call *c)
{
    struct ca_list list = {.c = c, .issued = true};
    aws_error error = api__page_marker(c, &list.paging, true);
    return error ? error : api__reply(c, write_list, &list);
}

/* --- UpdateCACertificate, DeleteCACertificate -------------------------------------------- */

/* One of two words of the query. */
static aws_error take_word(
    struct call *c, const char *name, const char *yes, const char *no, bool *there, bool *value)
{
    elo_span word;
    *there = api__query(c, name, &word);
    *value = *there && elo_span_eq(word, elo_span_str(yes));
    if (!*there || *value || elo_span_eq(word, elo_span_str(no))) {
        return AWS_OK;
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at '%s' failed to satisfy "
                        "constraint: Member must satisfy enum value set: [%s, %s]",
                        text_quote(word).text, name, yes, no);
}

aws_error api__UpdateCACertificate(struct call *c)
{
    struct field fields[] = {{.name = "registrationConfig", .type = FIELD_OBJECT},
                             {.name = "removeAutoRegistration", .type = FIELD_BOOL}};
    struct ca_change change = {.has_status = false};
    aws_error error = api__body(c, fields, API_COUNT(fields));
    if (error == AWS_OK && fields[0].is_there) {
        error = take_config(c, fields[0].text, &change);
    }
    change.remove = fields[1].flag;
    error =
        error ? error
              : take_word(c, "newStatus", "ACTIVE", "INACTIVE", &change.has_status, &change.active);
    error = error ? error
                  : take_word(c, "newAutoRegistrationStatus", "ENABLE", "DISABLE",
                              &change.has_auto_registration, &change.auto_registration);
    error = error ? error : api__reserve(c, 0);
    return error ? error
                 : registry_update_ca(c->api->registry, c->vars[0], &change, c->now.wall_ms,
                                      c->fault);
}

aws_error api__DeleteCACertificate(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error = error ? error : registry_delete_ca(c->api->registry, c->vars[0], c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- RegisterCertificate ----------------------------------------------------------------- */

struct signers {
    elo_span pem;
    elo_span only; /* the id of the one that was named; empty: any */
    const struct ca_certificate *found;
    size_t count;
};

static bool try_signer(void *ctx, const struct ca_certificate *ca)
{
    struct signers *signers = ctx;
    bool named = signers->only.len == 0 || elo_span_eq(signers->only, ca->id);
    if (named && pki_certificate_signed_by(signers->pem, ca->pem)) {
        signers->found = ca;
        signers->count++;
    }
    return true;
}

static aws_error find_signer(struct call *c,
                             const struct field *ca_pem,
                             const struct pki_certificate *info,
                             struct signers *out)
{
    char why[WHY_BYTES] = "";
    struct pki_certificate ca;
    if (ca_pem->is_there) {
        elo_err err = pki_certificate_read(ca_pem->text, &ca, why, sizeof why);
        if (err != ELO_OK) {
            return api__pki_fault(c, err, AWS_CertificateValidationException,
                                  "The CA certificate cannot be read", why);
        }
        out->only = elo_span_str(ca.id);
    }
    registry_each_ca_of(c->api->registry, elo_span_str(info->issuer), try_signer, out);
    if (out->count == 0) {
        return aws_fault_set(c->fault, AWS_CertificateValidationException,
                             "No registered CA certificate has signed the certificate");
    }
    if (out->count > 1) {
        return aws_fault_set(c->fault, AWS_CertificateConflictException,
                             "Several registered CA certificates have the same subject and key: "
                             "give caCertificatePem");
    }
    return AWS_OK;
}

static aws_error
take_new_status(struct call *c, const struct field *status, enum certificate_status *out)
{
    bool active = false;
    aws_error error = api__query_bool(c, "setAsActive", &active);
    *out = active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE;
    return error || !status->is_there ? error : api__take_status(c, "status", status->text, out);
}

static aws_error register_signed(struct call *c,
                                 const struct field *fields,
                                 struct pki_certificate *info,
                                 struct buf *pem)
{
    struct certificate_new fresh = {.status = CERTIFICATE_INACTIVE};
    aws_error error = take_new_status(c, &fields[2], &fresh.status);
    error = error ? error : api__read_certificate(c, fields[0].text, info, pem);
    struct signers signers = {.pem = buf_span(pem)};
    error = error ? error : find_signer(c, &fields[1], info, &signers);
    error = error ? error : api__reserve(c, ARN_ROOM);
    if (error != AWS_OK) {
        return error;
    }
    fresh.id = elo_span_str(info->id);
    fresh.pem = buf_span(pem);
    fresh.mode = signers.found->mode;
    fresh.ca_id = signers.found->id;
    fresh.not_before_s = info->not_before_s;
    fresh.not_after_s = info->not_after_s;
    return registry_register_certificate(c->api->registry, &fresh, c->now.wall_ms, NULL, c->fault);
}

aws_error api__RegisterCertificate(struct call *c)
{
    struct field fields[] = {{.name = "certificatePem", .required = true},
                             {.name = "caCertificatePem"},
                             {.name = "status"}};
    struct pki_certificate info;
    struct buf pem;
    buf_init(&pem, LIMIT_PEM_BYTES);
    aws_error error = api__body(c, fields, API_COUNT(fields));
    error = error ? error : register_signed(c, fields, &info, &pem);
    elo_span id = elo_span_str(error ? "" : info.id);
    error = error ? error : api__reply(c, api__write_registered, &id);
    buf_free(&pem);
    return error;
}
