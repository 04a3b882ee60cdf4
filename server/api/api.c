// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a request finds its row in the route table; the signature is checked for that
 * row's service (for a path that nobody has: for any of them, so that strangers learn nothing);
 * path variables and query are decoded; the row's handler answers. Every way ends in one place that
 * writes the reply, the store batch it waits for, and the log.
 */
#include "server/api/internal.h"

#include <stdio.h>

#include "errors/explain.h"
#include "server/base/mem.h"

/* --- life -------------------------------------------------------------------------------- */

struct api *api_create(const struct api_config *config,
                       struct registry *reg,
                       struct broker *broker,
                       struct pki_ca *ca)
{
    struct api *api = mem_zero(sizeof *api);
    if (api == NULL) {
        return NULL;
    }
    api->endpoint = mem_text(elo_span_str(config->endpoint));
    api->access_key_id = mem_text(config->key.access_key_id);
    api->secret = mem_text(config->key.secret);
    api->session_token = mem_text(config->key.session_token);
    if (!api->endpoint || !api->access_key_id || !api->secret || !api->session_token) {
        api_destroy(api);
        return NULL;
    }
    api->key.access_key_id = elo_span_of(api->access_key_id, config->key.access_key_id.len);
    api->key.secret = elo_span_of(api->secret, config->key.secret.len);
    api->key.session_token = elo_span_of(api->session_token, config->key.session_token.len);
    /* As AWS writes it of IAM credentials: account/id:user/id:user. */
    elo_span id = api->key.access_key_id;
    id = elo_span_starts_with(id, ELO_SPAN("AKIA")) ? elo_span_from(id, 4) : id;
    int len = id.len < 40 ? (int)id.len : 40;
    snprintf(api->principal, sizeof api->principal, "%s/AIDA%.*s:desk/AIDA%.*s:desk",
             registry_account(reg), len, (const char *)id.ptr, len, (const char *)id.ptr);
    api->random = config->random;
    api->log = config->log;
    api->compat = config->compat;
    api->registry = reg;
    api->broker = broker;
    api->authorizer = broker_authorizer(broker);
    api->ca = ca;
    return api;
}

void api_destroy(struct api *api)
{
    if (api == NULL) {
        return;
    }
    if (api->secret != NULL) {
        explicit_bzero(api->secret, api->key.secret.len);
    }
    mem_free(api->endpoint);
    mem_free(api->access_key_id);
    mem_free(api->secret);
    mem_free(api->session_token);
    mem_free(api);
}

static aws_error no_route(struct call *c)
{
    const struct sigv4_request *http = &c->request->http;
    char methods[64];
    if (!api__allowed(http->path, methods)) {
        return aws_fault_set(c->fault, AWS_UnknownOperationException,
                             "There is no operation %s %s here", text_quote(http->method).text,
                             text_quote(http->path).text);
    }
    buf_format(&c->out->headers, "Allow: %s\r\n", methods);
    return aws_fault_set(c->fault, AWS_MethodNotAllowedException, "%s is not allowed on %s, but %s",
                         text_quote(http->method).text, text_quote(http->path).text, methods);
}

/* --- log --------------------------------------------------------------------------------- */

/* The reason in the desk's own list, for its slug, cause and cure. */
static elo_err reason_of(aws_error error)
{
    static const elo_err reasons[] = {
        [AWS_InvalidRequestException] = ELO_E_REQUEST,
        [AWS_MalformedPolicyException] = ELO_E_REQUEST,
        [AWS_CertificateValidationException] = ELO_E_REQUEST,
        [AWS_RegistrationCodeValidationException] = ELO_E_REQUEST,
        [AWS_ResourceRegistrationFailureException] = ELO_E_REQUEST,
        [AWS_CertificateConflictException] = ELO_E_CONFLICT,
        [AWS_ConflictingResourceUpdateException] = ELO_E_CONFLICT,
        [AWS_IncompleteSignatureException] = ELO_E_SIGNATURE,
        [AWS_MissingAuthenticationTokenException] = ELO_E_SIGNATURE,
        [AWS_InvalidSignatureException] = ELO_E_SIGNATURE,
        [AWS_UnrecognizedClientException] = ELO_E_SIGNATURE,
        [AWS_ResourceNotFoundException] = ELO_E_NOT_FOUND,
        [AWS_UnknownOperationException] = ELO_E_UNSUPPORTED,
        [AWS_MethodNotAllowedException] = ELO_E_UNSUPPORTED,
        [AWS_CertificateStateException] = ELO_E_CONFLICT,
        [AWS_DeleteConflictException] = ELO_E_CONFLICT,
        [AWS_VersionConflictException] = ELO_E_CONFLICT,
        [AWS_ConflictException] = ELO_E_CONFLICT,
        [AWS_ResourceAlreadyExistsException] = ELO_E_DUPLICATE,
        [AWS_VersionsLimitExceededException] = ELO_E_QUOTA,
        [AWS_LimitExceededException] = ELO_E_QUOTA,
        [AWS_RequestEntityTooLargeException] = ELO_E_TOO_LARGE,
        [AWS_ThrottlingException] = ELO_E_QUOTA,
        [AWS_InternalFailureException] = ELO_E_NO_MEMORY,
    };
    elo_err err = (size_t)error < API_COUNT(reasons) ? reasons[error] : ELO_OK;
    return error == AWS_OK || err != ELO_OK ? err : ELO_E_REQUEST;
}

/* AWS names what only reads by its first word. */
static bool only_reads(const struct call *c)
{
    static const char *const words[] = {"List", "Get", "Describe"};
    for (size_t i = 0; c->route != NULL && i < API_COUNT(words); i++) {
        if (strncmp(c->route->operation, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Changes and failures are told; what reads or only passes on in detail only, and a look-up that
 * finds nothing is no failure. */
static enum log_level level_of(const struct call *c, aws_error error)
{
    if (error == AWS_ResourceNotFoundException && only_reads(c)) {
        return LOG_DEBUG;
    }
    if (error != AWS_OK) {
        return error == AWS_InternalFailureException ? LOG_ERROR : LOG_WARN;
    }
    bool changes = c->route != NULL && c->route->plane == PLANE_CONTROL && !only_reads(c);
    return changes ? LOG_INFO : LOG_DEBUG;
}

static void report(const struct call *c, aws_error error)
{
    struct log_record record = {.level = level_of(c, error),
                                .event_type = c->route ? c->route->operation : "Api",
                                .err = c->cause != ELO_OK ? c->cause : reason_of(error),
                                .protocol = "HTTP",
                                .trace_id = elo_span_str(c->out->request_id),
                                .principal_id = c->device != NULL
                                                    ? auth_session_principal(c->device)
                                                    : elo_span_of(NULL, 0),
                                .topic = c->topic,
                                .source_ip = c->request->source_ip};
    if (error != AWS_OK) {
        record.reason = elo_span_str(aws_error_name(error));
        record.details = elo_span_str(c->why[0] != '\0' ? c->why : c->fault->message);
    }
    log_emit(c->api->log, &record);
}

/* --- one request ------------------------------------------------------------------------- */

static aws_error answer(struct call *c)
{
    aws_error error = api__authenticate(c);
    if (error != AWS_OK) {
        return error;
    }
    if (c->route == NULL) {
        return no_route(c);
    }
    error = api__decode(c);
    if (error != AWS_OK) {
        return error;
    }
    error = c->route->handle(c);
    /* A refusal too tells what is there; it must not tell what a crash could take back. */
    if (c->route->plane == PLANE_CONTROL) {
        c->out->after_seq = registry_after(c->api->registry);
    }
    return error;
}

void api_handle(struct api *api,
                const struct api_request *request,
                struct core_time now,
                struct api_response *out)
{
    struct aws_fault fault = {.error = AWS_OK};
    struct call c = {.api = api, .request = request, .now = now, .out = out, .fault = &fault};
    c.route = api__route(request->http.method, request->http.path, c.vars, &c.var_count);
    api__reply_begin(&c);
    aws_error error = answer(&c);
    if (error != AWS_OK) {
        api__reply_fault(&c);
    }
    if (out->custom == NULL && !out->wants_key) {
        report(&c, error);
    }
    api__free_all(&c);
}

bool api_wants_custom(struct api *api, const struct api_request *request)
{
    struct call c = {.api = api, .request = request};
    c.route = api__route(request->http.method, request->http.path, c.vars, &c.var_count);
    return c.route != NULL && c.route->plane == PLANE_DATA && request->device == NULL &&
           api__wants_custom(&c);
}

aws_error api_open_websocket(struct api *api,
                             const struct api_request *request,
                             const char *fault,
                             struct core_time now,
                             struct auth_peer *out_peer,
                             struct api_response *out)
{
    static const struct route route = {"GET", "/mqtt", PLANE_DATA, "Connect", NULL};
    struct aws_fault told = {.error = AWS_OK};
    struct call c = {
        .api = api, .request = request, .now = now, .route = &route, .out = out, .fault = &told};
    struct api_request of_nobody = *request;
    of_nobody.device = NULL; /* a certificate opens no WebSocket */
    c.request = &of_nobody;
    api__reply_begin(&c);
    aws_error error = fault != NULL ? api__invalid(&c, "%s", fault) : AWS_OK;
    bool custom = error == AWS_OK && (api__wants_custom(&c) || api__shows_later(&c));
    error = error || custom ? error : api__authenticate(&c);
    if (custom) { /* it decides when CONNECT comes */
        *out_peer = (struct auth_peer){.kind = AUTH_PEER_CUSTOM, .source_ip = request->source_ip};
        api_response_free(out);
        api__free_all(&c);
        return AWS_OK;
    }
    if (error == AWS_OK) {
        *out_peer = (struct auth_peer){.kind = AUTH_PEER_IAM,
                                       .principal = elo_span_str(api->principal),
                                       .source_ip = request->source_ip};
        api_response_free(out);
        api__free_all(&c);
        return AWS_OK;
    }
    api__reply_fault(&c);
    report(&c, error);
    api__free_all(&c);
    return error;
}

/* It may hold a private key. */
static void wipe(struct buf *body)
{
    elo_span bytes = buf_span(body);
    if (bytes.len > 0) {
        explicit_bzero((void *)(uintptr_t)bytes.ptr, bytes.len);
    }
}

/* A response that was written becomes a failure. */
static void become(struct api_response *response, aws_error error, const char *message)
{
    uint8_t body[1024];
    size_t len = 0;
    struct elo_json_writer w;
    elo_json_writer_init(&w, body, sizeof body);
    elo_json_begin_object(&w);
    api__put_text(&w, "message", elo_span_str(message));
    if (error == AWS_GatewayTimeoutException) {
        api__put_text(&w, "traceId", elo_span_str(response->request_id));
    }
    elo_json_end_object(&w);
    if (elo_json_finish(&w, &len) != ELO_OK) {
        len = 0;
    }
    response->status = aws_error_status(error);
    wipe(&response->body);
    buf_clear(&response->headers);
    buf_clear(&response->body);
    buf_format(&response->headers,
               "content-type: application/json\r\nx-amzn-RequestId: %s\r\nx-amzn-ErrorType: %s\r\n",
               response->request_id, aws_error_name(error));
    buf_add(&response->body, elo_span_of(body, len));
}

void api_commit_failed(struct api_response *response, elo_err err)
{
    const struct elo_reason *reason = elo_explain(err);
    char message[512];
    snprintf(message, sizeof message, "Nothing was changed: it could not be stored (%s). %s",
             reason->slug, reason->cause);
    become(response, AWS_InternalFailureException, message);
}

void api_unconfirmed(struct api_response *response)
{
    become(response, AWS_GatewayTimeoutException,
           "The client has not confirmed the message in time");
}

void api_response_free(struct api_response *response)
{
    wipe(&response->body);
    buf_free(&response->headers);
    buf_free(&response->body);
}
