// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the names in the certificate lead to the CAs that may have signed it, the
 * signature to the one that has. Then either it is registered PENDING_ACTIVATION (JITR), or the
 * CA's template runs with the fields of the certificate's subject as parameters (JITP). Both are
 * one change of the registry.
 */
#include <stdio.h>

#include "elo/json/write.h"
#include "server/provisioning/internal.h"

/* --- which CA -------------------------------------------------------------------------------- */

struct search {
    elo_span der;
    const struct ca_certificate *found;
};

static bool try_ca(void *ctx, const struct ca_certificate *ca)
{
    struct search *search = ctx;
    if (ca->active && ca->auto_registration && pki_certificate_signed_by(search->der, ca->pem)) {
        search->found = ca;
    }
    return search->found == NULL;
}

/* --- the certificate's fields as parameters -------------------------------------------------- */

static const struct {
    const char *parameter;
    const char *field;
} fields[] = {
    {"AWS::IoT::Certificate::Country", "Subject.Country"},
    {"AWS::IoT::Certificate::Organization", "Subject.Organization"},
    {"AWS::IoT::Certificate::OrganizationalUnit", "Subject.OrganizationalUnit"},
    {"AWS::IoT::Certificate::DistinguishedNameQualifier", "Subject.DistinguishedNameQualifier"},
    {"AWS::IoT::Certificate::StateName", "Subject.State"},
    {"AWS::IoT::Certificate::CommonName", "Subject.CommonName"},
    {"AWS::IoT::Certificate::SerialNumber", "Subject.SerialNumber"},
};

#define FIELD_COUNT (sizeof fields / sizeof fields[0])

struct subject {
    struct provisioning_parameter parameters[FIELD_COUNT];
    size_t count;
    struct buf values[FIELD_COUNT];
};

static void read_subject(elo_span der, struct subject *out)
{
    out->count = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        elo_span value;
        buf_init(&out->values[i], VALUE_BYTES);
        if (pki_certificate_variable(der, elo_span_str(fields[i].field), 0, &out->values[i],
                                     &value) > 0) {
            out->parameters[out->count++] =
                (struct provisioning_parameter){elo_span_str(fields[i].parameter), value};
        }
    }
}

static void free_subject(struct subject *subject)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        buf_free(&subject->values[i]);
    }
}

/* --- registering ----------------------------------------------------------------------------- */

static aws_error register_pending(struct registry *reg,
                                  elo_span der,
                                  const struct pki_certificate *info,
                                  const struct ca_certificate *ca,
                                  int64_t now_ms,
                                  struct aws_fault *fault)
{
    struct buf pem;
    buf_init(&pem, LIMIT_PEM_BYTES);
    if (pki_certificate_to_pem(der, &pem) != ELO_OK) {
        buf_free(&pem);
        return aws_fault_set(fault, AWS_CertificateValidationException,
                             "The certificate cannot be kept as PEM");
    }
    const struct certificate_new fresh = {.id = elo_span_str(info->id),
                                          .pem = buf_span(&pem),
                                          .status = CERTIFICATE_PENDING_ACTIVATION,
                                          .jitr = true,
                                          .mode = ca->mode,
                                          .ca_id = ca->id,
                                          .not_before_s = info->not_before_s,
                                          .not_after_s = info->not_after_s};
    aws_error error = registry_register_certificate(reg, &fresh, now_ms, NULL, fault);
    buf_free(&pem);
    return error;
}

/* The body of the CA's template; empty: it has none. `*error`: it names one that cannot be used. */
static elo_span template_of(const struct registry *reg,
                            const struct ca_certificate *ca,
                            aws_error *error,
                            struct aws_fault *fault)
{
    *error = AWS_OK;
    if (ca->template_name.len == 0) {
        return ca->template_body;
    }
    const struct provisioning_template *t = registry_template(reg, ca->template_name);
    if (t == NULL || !t->enabled) {
        *error = aws_fault_set(fault, AWS_InvalidRequestException, "provisioning template %.*s %s",
                               SHOWN(ca->template_name),
                               t == NULL ? "does not exist" : "is not enabled");
        return elo_span_of(NULL, 0);
    }
    return registry_template_version(t, t->default_version)->body;
}

static aws_error run_template(struct registry *reg,
                              elo_span body,
                              elo_span der,
                              elo_span id,
                              struct compat compat,
                              int64_t now_ms,
                              struct aws_fault *fault)
{
    struct subject subject;
    struct provisioning_result result;
    read_subject(der, &subject);
    provisioning_result_init(&result);
    const struct provisioning_request request = {.body = body,
                                                 .parameters = subject.parameters,
                                                 .parameter_count = subject.count,
                                                 .certificate_id = id,
                                                 .compat = compat,
                                                 .now_ms = now_ms};
    aws_error error = provisioning_run(reg, &request, &result, fault);
    provisioning_result_free(&result);
    free_subject(&subject);
    return error;
}

/* Both ways, inside an open change. */
static aws_error welcome(struct registry *reg,
                         const struct ca_certificate *ca,
                         elo_span der,
                         const struct pki_certificate *info,
                         struct compat compat,
                         int64_t now_ms,
                         bool *provisioned,
                         struct aws_fault *fault)
{
    elo_span id = elo_span_str(info->id);
    aws_error error;
    elo_span body = template_of(reg, ca, &error, fault);
    if (error == AWS_OK && registry_certificate(reg, id) == NULL) {
        error = register_pending(reg, der, info, ca, now_ms, fault);
    }
    *provisioned = body.len > 0;
    if (error == AWS_OK && *provisioned) {
        error = run_template(reg, body, der, id, compat, now_ms, fault);
    }
    return error;
}

static void explain(struct first_contact_result *out, const struct aws_fault *fault)
{
    static const char *const words[] = {
        [FIRST_CONTACT_NONE] = "",
        [FIRST_CONTACT_PENDING] = "just-in-time registration: the certificate waits as "
                                  "PENDING_ACTIVATION; make it ACTIVE and attach a policy",
        [FIRST_CONTACT_PROVISIONED] = "just-in-time provisioning: the device is provisioned; its "
                                      "next connection counts",
        [FIRST_CONTACT_FAILED] = "just-in-time provisioning failed, nothing was changed: ",
    };
    (void)snprintf(out->why, sizeof out->why, "%s%s", words[out->outcome],
                   out->outcome == FIRST_CONTACT_FAILED ? fault->message : "");
}

static bool is_candidate(const struct registry *reg, elo_span id)
{
    const struct certificate *known = registry_certificate(reg, id);
    return known == NULL ||
           (known->status == CERTIFICATE_PENDING_ACTIVATION && known->ca_id.len > 0);
}

static bool
is_good(elo_span der, const struct pki_certificate *info, struct compat compat, int64_t now_ms)
{
    char why[8];
    struct buf pem;
    buf_init(&pem, LIMIT_PEM_BYTES);
    bool dates = compat.expired_certificate != 0 ||
                 (now_ms / 1000 >= info->not_before_s && now_ms / 1000 <= info->not_after_s);
    bool good = dates && pki_certificate_to_pem(der, &pem) == ELO_OK &&
                pki_certificate_check(buf_span(&pem), why, sizeof why) == ELO_OK;
    buf_free(&pem);
    return good;
}

void provisioning_first_contact(struct registry *reg,
                                elo_span certificate_der,
                                struct compat compat,
                                int64_t now_ms,
                                struct first_contact_result *out)
{
    struct pki_certificate info;
    struct search search = {certificate_der, NULL};
    struct aws_fault fault = {.message = "out of memory"};
    bool provisioned = false;
    *out = (struct first_contact_result){.outcome = FIRST_CONTACT_NONE};
    if (certificate_der.len == 0 || pki_certificate_read_der(certificate_der, &info) != ELO_OK ||
        !is_candidate(reg, elo_span_str(info.id))) {
        return;
    }
    registry_each_ca_of(reg, elo_span_str(info.issuer), try_ca, &search);
    if (search.found == NULL || !is_good(certificate_der, &info, compat, now_ms)) {
        return;
    }
    (void)snprintf(out->ca_id, sizeof out->ca_id, "%.*s", SHOWN(search.found->id));
    out->outcome = FIRST_CONTACT_FAILED;
    if (registry_begin(reg)) {
        aws_error error = welcome(reg, search.found, certificate_der, &info, compat, now_ms,
                                  &provisioned, &fault);
        if (error != AWS_OK) {
            registry_rollback(reg);
        } else if (registry_commit(reg, &fault) == AWS_OK) {
            out->outcome = provisioned ? FIRST_CONTACT_PROVISIONED : FIRST_CONTACT_PENDING;
        }
    }
    explain(out, &fault);
}

/* --- the event ------------------------------------------------------------------------------- */

static void put(struct elo_json_writer *w, const char *name, elo_span text)
{
    elo_json_key(w, elo_span_str(name));
    elo_json_string(w, text);
}

size_t provisioning_event(const struct registry *reg,
                          elo_span certificate_id,
                          elo_span ca_id,
                          elo_span source_ip,
                          int64_t now_ms,
                          uint8_t out[PROVISIONING_EVENT_BYTES])
{
    struct elo_json_writer w;
    size_t len = 0;
    elo_json_writer_init(&w, out, PROVISIONING_EVENT_BYTES);
    elo_json_begin_object(&w);
    put(&w, "certificateId", certificate_id);
    put(&w, "caCertificateId", ca_id);
    elo_json_key(&w, ELO_SPAN("timestamp"));
    elo_json_int(&w, now_ms);
    put(&w, "certificateStatus", ELO_SPAN("PENDING_ACTIVATION"));
    put(&w, "awsAccountId", elo_span_str(registry_account(reg)));
    elo_json_key(&w, ELO_SPAN("certificateRegistrationTimestamp"));
    elo_json_null(&w);
    put(&w, "sourceIp", source_ip);
    elo_json_end_object(&w);
    return elo_json_finish(&w, &len) == ELO_OK ? len : 0;
}
