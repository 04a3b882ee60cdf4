// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a request passes a row of checks, each of which knows AWS's exception and words
 * for its refusal; the signature comes last. Then nothing is left that the sender could have
 * changed: method, path, query, the signed headers and the body are in the signature, and so are
 * date, region and service.
 *
 * The body is always hashed here. An x-amz-content-sha256 header, which the IoT services do not ask
 * for, is a header like any other: a request that was signed with another payload hash than its
 * body's (UNSIGNED-PAYLOAD) does not verify, because nothing says that AWS IoT accepts it.
 *
 * The wording was seen on AWS; what the caller sent is quoted in it, cut short and made printable.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server/auth/sigv4_claim.h"
#include "server/base/limits.h"
#include "server/pki/pki.h"

/* --- helpers --------------------------------------------------------------------------------- */

/* How many headers have the name; `out` is the value of the last. */
static size_t find_header(const struct sigv4_request *request, elo_span name, elo_span *out)
{
    size_t found = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (sigv4__is_named(&request->headers[i], name)) {
            *out = request->headers[i].value;
            found++;
        }
    }
    return found;
}

/* --- the Authorization header ---------------------------------------------------------------- */

static aws_error set_parameter(elo_span parameter, struct sigv4__claim *c, struct aws_fault *fault)
{
    const struct {
        elo_span name;
        elo_span *value;
    } known[] = {
        {ELO_SPAN("Credential"), &c->credential},
        {ELO_SPAN("SignedHeaders"), &c->signed_headers},
        {ELO_SPAN("Signature"), &c->signature},
    };
    if (memchr(parameter.ptr, '=', parameter.len) == NULL) {
        return aws_fault_set(
            fault, AWS_IncompleteSignatureException,
            "'%s' not a valid key=value pair (missing equal-sign) in Authorization header.",
            text_quote(parameter).text);
    }
    elo_span value = parameter;
    elo_span name = text_cut(&value, '=');
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!elo_span_eq(name, known[i].name)) {
            continue;
        }
        if (known[i].value->len > 0) {
            return aws_fault_set(fault, AWS_IncompleteSignatureException,
                                 "Authorization header has more than one '%s' parameter.",
                                 text_quote(name).text);
        }
        *known[i].value = value;
    }
    return AWS_OK;
}

static aws_error
check_complete(const struct sigv4__claim *c, bool has_date, struct aws_fault *fault)
{
    if (c->credential.len > 0 && c->signature.len > 0 && c->signed_headers.len > 0 && has_date) {
        return AWS_OK;
    }
    return aws_fault_set(
        fault, AWS_IncompleteSignatureException, "%s%s%s%s",
        c->credential.len ? "" : "Authorization header requires 'Credential' parameter. ",
        c->signature.len ? "" : "Authorization header requires 'Signature' parameter. ",
        c->signed_headers.len ? "" : "Authorization header requires 'SignedHeaders' parameter. ",
        has_date ? ""
                 : "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
                   "header. ");
}

/* Everything after the algorithm; a header of another scheme has none of the parameters. */
static aws_error
parse_parameters(elo_span authorization, struct sigv4__claim *c, struct aws_fault *fault)
{
    elo_span rest = text_trim(authorization);
    elo_span algorithm = text_cut(&rest, ' ');
    if (!elo_span_eq(algorithm, ELO_SPAN(SIGV4__ALGORITHM))) {
        if (!elo_span_starts_with(algorithm, ELO_SPAN("AWS4-"))) {
            return AWS_OK;
        }
        return aws_fault_set(fault, AWS_IncompleteSignatureException,
                             "Unsupported AWS 'algorithm': '%s'.", text_quote(algorithm).text);
    }
    while (rest.len > 0) {
        elo_span parameter = text_trim(text_cut(&rest, ','));
        aws_error error = parameter.len > 0 ? set_parameter(parameter, c, fault) : AWS_OK;
        if (error != AWS_OK) {
            return error;
        }
    }
    return AWS_OK;
}

aws_error sigv4__claim_credential(struct sigv4__claim *c, struct aws_fault *fault)
{
    elo_span *const parts[] = {&c->access_key_id, &c->scope.date, &c->scope.region,
                               &c->scope.service, &c->terminator};
    size_t slashes = 0;
    for (size_t i = 0; i < c->credential.len; i++) {
        slashes += c->credential.ptr[i] == '/';
    }
    if (slashes != 4) {
        return aws_fault_set(fault, AWS_IncompleteSignatureException,
                             "Credential must have exactly 5 slash-delimited elements, e.g. "
                             "keyid/date/region/service/term, got '%s'",
                             text_quote(c->credential).text);
    }
    elo_span rest = c->credential;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i] = text_cut(&rest, '/');
    }
    return AWS_OK;
}

/* --- date and scope -------------------------------------------------------------------------- */

/* Date is read only where X-Amz-Date is absent. Which text it is, is needed for the refusal. */
static bool has_date(const struct sigv4_request *request, elo_span *out, bool *out_is_http)
{
    *out_is_http = find_header(request, ELO_SPAN("x-amz-date"), out) == 0;
    return !*out_is_http || find_header(request, ELO_SPAN("date"), out) > 0;
}

static aws_error
parse_date(const struct sigv4_request *request, struct sigv4__claim *c, struct aws_fault *fault)
{
    elo_span text;
    bool is_http;
    bool is_there = has_date(request, &text, &is_http);
    aws_error error = check_complete(c, is_there, fault);
    if (error != AWS_OK) {
        return error;
    }
    text = text_trim(text);
    bool is_date = sigv4__date_parse(text, &c->date_s) ||
                   (is_http && sigv4__http_date_parse(text, &c->date_s));
    if (!is_date || !sigv4__date_format(c->date_s, c->date)) {
        return aws_fault_set(fault, AWS_IncompleteSignatureException,
                             "Date must be in ISO-8601 'basic format'. Got '%s'. See "
                             "http://en.wikipedia.org/wiki/ISO_8601",
                             text_quote(text).text);
    }
    return AWS_OK;
}

static bool is_one_of(elo_span text, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (elo_span_eq(text, elo_span_str(*list))) {
            return true;
        }
    }
    return false;
}

aws_error sigv4__claim_scope(const struct sigv4__claim *c,
                             const char *const *services,
                             const char *region,
                             struct aws_fault *fault)
{
    const aws_error invalid = AWS_InvalidSignatureException;
    elo_span day = elo_span_of(c->date, 8);
    bool is_region = region != NULL ? elo_span_eq(c->scope.region, elo_span_str(region))
                                    : c->scope.region.len > 0;
    if (!is_region) {
        return aws_fault_set(fault, invalid,
                             "Credential should be scoped to a valid region, not '%s'. ",
                             text_quote(c->scope.region).text);
    }
    if (!is_one_of(c->scope.service, services)) {
        return aws_fault_set(fault, invalid,
                             "Credential should be scoped to correct service: '%s'. ",
                             services[0] != NULL ? services[0] : "");
    }
    if (!elo_span_eq(c->terminator, ELO_SPAN(SIGV4__TERMINATOR))) {
        return aws_fault_set(fault, invalid,
                             "Credential should be scoped with a valid terminator: '%s', not "
                             "'%s'. ",
                             SIGV4__TERMINATOR, text_quote(c->terminator).text);
    }
    if (!elo_span_eq(c->scope.date, day)) {
        return aws_fault_set(fault, invalid,
                             "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                             "version of date from HTTP: '%s' != '%.8s', from '%s'. ",
                             text_quote(c->scope.date).text, c->date, c->date);
    }
    return AWS_OK;
}

aws_error sigv4__claim_skew(const struct sigv4__claim *c,
                            int64_t now_s,
                            int64_t skew_s,
                            struct aws_fault *fault)
{
    bool is_old = c->date_s < now_s - skew_s;
    bool is_early = c->date_s > now_s + skew_s;
    if (!is_old && !is_early) {
        return AWS_OK;
    }
    char now[17] = "";
    char limit[17] = "";
    sigv4__date_format(now_s, now);
    sigv4__date_format(is_old ? now_s - skew_s : now_s + skew_s, limit);
    return aws_fault_set(fault, AWS_InvalidSignatureException,
                         is_old ? "Signature expired: %s is now earlier than %s (%s - %d min.)"
                                : "Signature not yet current: %s is still later than %s (%s + %d "
                                  "min.)",
                         c->date, limit, now, (int)(skew_s / 60));
}

/* --- key and signature ----------------------------------------------------------------------- */

aws_error sigv4__claim_key(const struct sigv4__claim *c,
                           elo_span token,
                           const struct sigv4_key *key,
                           struct aws_fault *fault)
{
    bool is_known =
        key != NULL && c->access_key_id.len > 0 && pki_equal(c->access_key_id, key->access_key_id);
    if (is_known && pki_equal(token, key->session_token)) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_UnrecognizedClientException,
                         "The security token included in the request is invalid.");
}

static aws_error check_key(const struct sigv4_request *request,
                           const struct sigv4__claim *c,
                           const struct sigv4_key *key,
                           struct aws_fault *fault)
{
    elo_span token = ELO_SPAN("");
    size_t tokens = find_header(request, ELO_SPAN("x-amz-security-token"), &token);
    return sigv4__claim_key(c, text_trim(token), tokens <= 1 ? key : NULL, fault);
}

static bool lists(elo_span names, elo_span name)
{
    while (names.len > 0) {
        if (elo_span_eq(text_cut(&names, ';'), name)) {
            return true;
        }
    }
    return false;
}

aws_error sigv4__claim_host(const struct sigv4__claim *c, struct aws_fault *fault)
{
    if (lists(c->signed_headers, ELO_SPAN("host"))) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_InvalidSignatureException,
                         "'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                         "Authorization.");
}

aws_error sigv4__claim_mismatch(elo_err err, struct aws_fault *fault)
{
    if (err == ELO_E_NO_MEMORY) {
        return aws_fault_set(fault, AWS_InternalFailureException,
                             "No memory to check the signature.");
    }
    /* Also: a signed header that is not there, a list of them out of order, an endless request. */
    return aws_fault_set(fault, AWS_InvalidSignatureException,
                         "The request signature we calculated does not match the signature you "
                         "provided. Check your AWS Secret Access Key and signing method. Consult "
                         "the service documentation for details.");
}

static aws_error check_signature(const struct sigv4_request *request,
                                 const struct sigv4__claim *c,
                                 const struct sigv4_key *key,
                                 struct aws_fault *fault)
{
    aws_error error = sigv4__claim_host(c, fault);
    if (error != AWS_OK) {
        return error;
    }
    char expected[65];
    elo_err err = sigv4__sign_request(request, c->signed_headers, elo_span_of(c->date, 16),
                                      &c->scope, key->secret, expected);
    if (err == ELO_OK && pki_equal(c->signature, elo_span_of(expected, 64))) {
        return AWS_OK;
    }
    return sigv4__claim_mismatch(err, fault);
}

aws_error sigv4_verify(const struct sigv4_request *request,
                       const struct sigv4_key *key,
                       const char *const *services,
                       const char *region,
                       int64_t now_s,
                       struct sigv4_scope *out,
                       struct aws_fault *fault)
{
    struct sigv4__claim c = {.date_s = 0};
    elo_span authorization;
    size_t headers = find_header(request, ELO_SPAN("authorization"), &authorization);
    if (headers != 1) {
        return headers == 0 ? aws_fault_set(fault, AWS_MissingAuthenticationTokenException,
                                            "Missing Authentication Token")
                            : aws_fault_set(fault, AWS_IncompleteSignatureException,
                                            "Authorization header is there more than once.");
    }
    aws_error error = parse_parameters(authorization, &c, fault);
    error = error != AWS_OK ? error : parse_date(request, &c, fault);
    error = error != AWS_OK ? error : sigv4__claim_credential(&c, fault);
    error = error != AWS_OK ? error : sigv4__claim_scope(&c, services, region, fault);
    error = error != AWS_OK ? error : sigv4__claim_skew(&c, now_s, LIMIT_SIGV4_SKEW_S, fault);
    error = error != AWS_OK ? error : check_key(request, &c, key, fault);
    error = error != AWS_OK ? error : check_signature(request, &c, key, fault);
    if (error == AWS_OK) {
        *out = (struct sigv4_scope){c.access_key_id, c.scope.region, c.scope.service};
    }
    return error;
}
