// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Device certificates: CreateKeysAndCertificate to ListCertificates, AWS IoT API Reference, and
 * "X.509 client certificates", AWS IoT Developer Guide.
 *
 * A private key is answered once and kept nowhere; the reply's room is taken before, so that no
 * growing buffer leaves a copy behind, and api_response_free() wipes it.
 */
#include "server/api/internal.h"

#define CSR_BYTES 4096u

/* --- issuing and registering ------------------------------------------------------------- */

static aws_error write_issued(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct pki_issued *issued = ctx;
    elo_span id = elo_span_str(issued->info.id);
    elo_span key = buf_span(&issued->private_key_pem);
    elo_json_begin_object(w);
    api__put_arn(c, w, "certificateArn", "cert", id);
    api__put_text(w, "certificateId", id);
    api__put_text(w, "certificatePem", buf_span(&issued->certificate_pem));
    if (key.len > 0) {
        elo_json_key(w, ELO_SPAN("keyPair"));
        elo_json_begin_object(w);
        api__put_text(w, "PublicKey", buf_span(&issued->public_key_pem));
        api__put_text(w, "PrivateKey", key);
        elo_json_end_object(w);
    }
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error
api__pki_fault(struct call *c, elo_err err, aws_error error, const char *doing, const char *why)
{
    if (err == ELO_E_BAD_PEM || err == ELO_E_UNSUPPORTED || err == ELO_E_UTF8 ||
        err == ELO_E_TOO_LARGE) {
        return aws_fault_set(c->fault, error, "%s: %s", doing, why);
    }
    return err == ELO_E_NO_MEMORY
               ? api__out_of_memory(c)
               : aws_fault_set(c->fault, AWS_InternalFailureException, "%s: %s", doing, why);
}

/* Registers what was issued and answers it. */
static aws_error register_issued(struct call *c, struct pki_issued *issued, bool active)
{
    const struct certificate_new fresh = {
        .id = elo_span_str(issued->info.id),
        .pem = buf_span(&issued->certificate_pem),
        .status = active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE,
        .mode = ELO_SPAN("DEFAULT"),
        .not_before_s = issued->info.not_before_s,
        .not_after_s = issued->info.not_after_s,
    };
    size_t len = api__json_len(fresh.pem) + api__json_len(buf_span(&issued->public_key_pem)) +
                 api__json_len(buf_span(&issued->private_key_pem)) + ARN_ROOM;
    aws_error error = api__reserve(c, len);
    error = error ? error
                  : registry_register_certificate(c->api->registry, &fresh, c->now.wall_ms, NULL,
                                                  c->fault);
    return error ? error : api__reply(c, write_issued, issued);
}

aws_error api__CreateKeysAndCertificate(struct call *c)
{
    bool active = false;
    aws_error error = api__query_bool(c, "setAsActive", &active);
    if (error != AWS_OK) {
        return error;
    }
    if (c->request->makes_keys && c->request->key == NULL) {
        c->out->wants_key = true;
        return AWS_OK;
    }
    char why[WHY_BYTES] = "";
    struct pki_issued issued;
    pki_issued_init(&issued);
    elo_err err = pki_issue_with_key(c->api->ca, c->request->key, c->now.wall_ms / 1000, &issued,
                                     why, sizeof why);
    error = err == ELO_OK ? register_issued(c, &issued, active)
                          : api__pki_fault(c, err, AWS_InternalFailureException,
                                           "The certificate could not be issued", why);
    pki_issued_free(&issued);
    return error;
}

aws_error api__CreateCertificateFromCsr(struct call *c)
{
    bool active = false;
    struct field csr = {.name = "certificateSigningRequest", .required = true};
    aws_error error = api__query_bool(c, "setAsActive", &active);
    error = error ? error : api__body(c, &csr, 1);
    if (error != AWS_OK) {
        return error;
    }
    if (csr.text.len == 0 || csr.text.len > CSR_BYTES) {
        return api__invalid(c,
                            "1 validation error detected: Value at 'certificateSigningRequest' "
                            "failed to satisfy constraint: Member must have length between 1 and "
                            "%u",
                            CSR_BYTES);
    }
    char why[WHY_BYTES] = "";
    struct pki_issued issued;
    pki_issued_init(&issued);
    elo_err err =
        pki_issue_from_csr(c->api->ca, csr.text, c->now.wall_ms / 1000, &issued, why, sizeof why);
    error = err == ELO_OK ? register_issued(c, &issued, active)
                          : api__pki_fault(c, err, AWS_InvalidRequestException,
                                           "The certificate signing request cannot be used", why);
    pki_issued_free(&issued);
    return error;
}

aws_error api__write_registered(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const elo_span *id = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "certificateArn", "cert", *id);
    api__put_text(w, "certificateId", *id);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error
api__take_status(struct call *c, const char *member, elo_span text, enum certificate_status *out)
{
    if (certificate_status_parse(text, out)) {
        return AWS_OK;
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at '%s' failed to satisfy "
                        "constraint: Member must satisfy enum value set: [ACTIVE, INACTIVE, "
                        "REVOKED, PENDING_TRANSFER, REGISTER_INACTIVE, PENDING_ACTIVATION]",
                        text_quote(text).text, member);
}

aws_error
api__read_certificate(struct call *c, elo_span given, struct pki_certificate *info, struct buf *pem)
{
    char why[WHY_BYTES] = "";
    elo_err err = pki_certificate_read(given, info, why, sizeof why);
    err = err != ELO_OK ? err : pki_certificate_check(given, why, sizeof why);
    err = err != ELO_OK ? err : pki_certificate_to_pem(given, pem);
    return err == ELO_OK ? AWS_OK
                         : api__pki_fault(c, err, AWS_CertificateValidationException,
                                          "The certificate cannot be registered", why);
}

aws_error api__RegisterCertificateWithoutCA(struct call *c)
{
    struct field fields[] = {{.name = "certificatePem", .required = true}, {.name = "status"}};
    struct certificate_new fresh = {.status = CERTIFICATE_INACTIVE, .mode = ELO_SPAN("SNI_ONLY")};
    aws_error error = api__body(c, fields, API_COUNT(fields));
    if (error == AWS_OK && fields[1].is_there) {
        error = api__take_status(c, "status", fields[1].text, &fresh.status);
    }
    if (error != AWS_OK) {
        return error;
    }
    struct pki_certificate info;
    struct buf pem;
    buf_init(&pem, LIMIT_PEM_BYTES);
    error = api__read_certificate(c, fields[0].text, &info, &pem);
    error = error ? error : api__reserve(c, ARN_ROOM);
    if (error == AWS_OK) {
        fresh.id = elo_span_str(info.id);
        fresh.pem = buf_span(&pem);
        fresh.not_before_s = info.not_before_s;
        fresh.not_after_s = info.not_after_s;
        error =
            registry_register_certificate(c->api->registry, &fresh, c->now.wall_ms, NULL, c->fault);
    }
    error = error ? error : api__reply(c, api__write_registered, &fresh.id);
    buf_free(&pem);
    return error;
}

/* --- describing -------------------------------------------------------------------------- */

static void put_description(const struct call *c,
                            struct elo_json_writer *w,
                            const struct certificate *certificate)
{
    api__put_text(w, "certificateArn", certificate->arn);
    api__put_text(w, "certificateId", certificate->id);
    if (certificate->ca_id.len > 0) {
        api__put_text(w, "caCertificateId", certificate->ca_id);
    }
    api__put_text(w, "status", elo_span_str(certificate_status_name(certificate->status)));
    api__put_text(w, "certificatePem", certificate->pem);
    api__put_text(w, "ownedBy", elo_span_str(registry_account(c->api->registry)));
    api__put_time(w, "creationDate", certificate->created_ms);
    api__put_time(w, "lastModifiedDate", certificate->modified_ms);
    api__put_int(w, "customerVersion", certificate->customer_version);
    elo_json_key(w, ELO_SPAN("transferData"));
    elo_json_begin_object(w);
    elo_json_end_object(w);
    api__put_text(w, "generationId", certificate->generation_id);
    elo_json_key(w, ELO_SPAN("validity"));
    elo_json_begin_object(w);
    api__put_time(w, "notBefore", certificate->not_before_s * 1000);
    api__put_time(w, "notAfter", certificate->not_after_s * 1000);
    elo_json_end_object(w);
    api__put_text(w, "certificateMode", certificate->mode);
}

static aws_error write_description(struct call *c, struct elo_json_writer *w, void *ctx)
{
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("certificateDescription"));
    elo_json_begin_object(w);
    put_description(c, w, ctx);
    elo_json_end_object(w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__DescribeCertificate(struct call *c)
{
    const struct certificate *certificate = NULL;
    aws_error error =
        registry_describe_certificate(c->api->registry, c->vars[0], &certificate, c->fault);
    return error ? error : api__reply(c, write_description, (void *)(uintptr_t)certificate);
}

struct certificate_list {
    struct elo_json_writer *w;
    struct paging paging;
};

void api__put_certificate(struct elo_json_writer *w, const struct certificate *certificate)
{
    elo_json_begin_object(w);
    api__put_text(w, "certificateArn", certificate->arn);
    api__put_text(w, "certificateId", certificate->id);
    api__put_text(w, "status", elo_span_str(certificate_status_name(certificate->status)));
    api__put_text(w, "certificateMode", certificate->mode);
    api__put_time(w, "creationDate", certificate->created_ms);
    elo_json_end_object(w);
}

static void put_item(void *ctx, const struct certificate *certificate)
{
    api__put_certificate(((const struct certificate_list *)ctx)->w, certificate);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct certificate_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("certificates"));
    elo_json_begin_array(w);
    registry_list_certificates(c->api->registry, &list->paging.page, put_item, list,
                               &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListCertificates(struct call *c)
{
    struct certificate_list list = {.w = NULL};
    aws_error error = api__page_marker(c, &list.paging, true);
    return error ? error : api__reply(c, write_list, &list);
}

/* --- changing ---------------------------------------------------------------------------- */

aws_error api__UpdateCertificate(struct call *c)
{
    elo_span text;
    enum certificate_status status;
    if (!api__query(c, "newStatus", &text)) {
        return api__invalid(c, "1 validation error detected: Value null at 'newStatus' failed to "
                               "satisfy constraint: Member must not be null");
    }
    aws_error error = api__take_status(c, "newStatus", text, &status);
    error = error ? error : api__reserve(c, 0);
    error = error ? error
                  : registry_update_certificate(c->api->registry, c->vars[0], status,
                                                c->now.wall_ms, c->fault);
    if (error == AWS_OK) {
        broker_certificate_changed(c->api->broker, c->vars[0], c->now);
    }
    return error;
}

aws_error api__DeleteCertificate(struct call *c)
{
    bool force = false;
    aws_error error = api__query_bool(c, "forceDelete", &force);
    error = error ? error : api__reserve(c, 0);
    error =
        error ? error : registry_delete_certificate(c->api->registry, c->vars[0], force, c->fault);
    if (error == AWS_OK) {
        broker_certificate_changed(c->api->broker, c->vars[0], c->now);
    }
    return error;
}
