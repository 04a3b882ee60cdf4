// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Custom authorizers: CreateAuthorizer to TestInvokeAuthorizer, AWS IoT API Reference. The last
 * calls the function, and so is answered in two goes: the first asks, the second, when the edge
 * has the answer, writes it.
 */
#include "elo/json/read.h"
#include "server/api/internal.h"
#include "server/auth/custom.h"

/* --- input --------------------------------------------------------------------------------- */

enum { FUNCTION, TOKEN_KEY, KEYS, STATUS, SIGNING, CACHING, MEMBERS };

static aws_error
take_status(struct call *c, const struct field *field, bool *value, const bool **out)
{
    if (!field->is_there) {
        return AWS_OK;
    }
    *value = elo_span_eq(field->text, ELO_SPAN("ACTIVE"));
    *out = value;
    return *value || elo_span_eq(field->text, ELO_SPAN("INACTIVE"))
               ? AWS_OK
               : api__invalid(c, "Value '%s' at 'status' must be ACTIVE or INACTIVE",
                              text_quote(field->text).text);
}

struct given {
    struct field fields[MEMBERS];
    bool active;
    struct authorizer_change change;
};

static aws_error take_change(struct call *c, bool create, struct given *g)
{
    const struct field fields[MEMBERS] = {
        [FUNCTION] = {.name = "authorizerFunctionArn", .type = FIELD_STRING, .required = create},
        [TOKEN_KEY] = {.name = "tokenKeyName", .type = FIELD_STRING},
        [KEYS] = {.name = "tokenSigningPublicKeys", .type = FIELD_OBJECT},
        [STATUS] = {.name = "status", .type = FIELD_STRING},
        [SIGNING] = {.name = "signingDisabled", .type = FIELD_BOOL},
        [CACHING] = {.name = "enableCachingForHttp", .type = FIELD_BOOL}};
    memcpy(g->fields, fields, sizeof fields);
    aws_error error = api__body(c, g->fields, MEMBERS);
    error = error ? error : take_status(c, &g->fields[STATUS], &g->active, &g->change.active);
    if (error == AWS_OK && g->fields[KEYS].is_there) {
        struct thing_attribute *keys = NULL;
        error = api__string_map(c, g->fields[KEYS].text, "tokenSigningPublicKeys.", &keys,
                                &g->change.key_count);
        g->change.has_keys = true;
        g->change.keys = keys;
    }
    g->change.function_arn = g->fields[FUNCTION].text;
    g->change.token_key_name = g->fields[TOKEN_KEY].text;
    g->change.signing_disabled = g->fields[SIGNING].is_there ? &g->fields[SIGNING].flag : NULL;
    g->change.caching_for_http = g->fields[CACHING].is_there ? &g->fields[CACHING].flag : NULL;
    return error;
}

/* --- output -------------------------------------------------------------------------------- */

static void
put_name(const struct call *c, struct elo_json_writer *w, const struct authorizer_record *a)
{
    api__put_text(w, "authorizerName", a->name);
    api__put_arn(c, w, "authorizerArn", "authorizer", a->name);
}

static aws_error write_name(struct call *c, struct elo_json_writer *w, void *ctx)
{
    elo_json_begin_object(w);
    put_name(c, w, ctx);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_description(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct authorizer_record *a = ctx;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("authorizerDescription"));
    elo_json_begin_object(w);
    put_name(c, w, a);
    api__put_text(w, "authorizerFunctionArn", a->function_arn);
    if (a->token_key_name.len > 0) {
        api__put_text(w, "tokenKeyName", a->token_key_name);
    }
    elo_json_key(w, ELO_SPAN("tokenSigningPublicKeys"));
    elo_json_begin_object(w);
    for (size_t i = 0; i < a->key_count; i++) {
        elo_json_key(w, a->keys[i].name);
        elo_json_string(w, a->keys[i].value);
    }
    elo_json_end_object(w);
    api__put_text(w, "status", a->active ? ELO_SPAN("ACTIVE") : ELO_SPAN("INACTIVE"));
    api__put_time(w, "creationDate", a->created_ms);
    api__put_time(w, "lastModifiedDate", a->modified_ms);
    api__put_bool(w, "signingDisabled", a->signing_disabled);
    api__put_bool(w, "enableCachingForHttp", a->caching_for_http);
    elo_json_end_object(w);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error reply_name(struct call *c, const struct authorizer_record *a)
{
    return api__reply(c, write_name, (void *)(uintptr_t)a);
}

#define NAME_ROOM 1024u /* for a name and an ARN */

/* --- handlers ------------------------------------------------------------------------------ */

aws_error api__CreateAuthorizer(struct call *c)
{
    struct given g = {.active = false};
    const struct authorizer_record *a = NULL;
    aws_error error = take_change(c, true, &g);
    error = error ? error : api__reserve(c, NAME_ROOM);
    error = error ? error
                  : registry_create_authorizer(c->api->registry, c->vars[0], &g.change,
                                               c->now.wall_ms, &a, c->fault);
    return error ? error : reply_name(c, a);
}

aws_error api__UpdateAuthorizer(struct call *c)
{
    struct given g = {.active = false};
    const struct authorizer_record *a = NULL;
    aws_error error = take_change(c, false, &g);
    error = error ? error : api__reserve(c, NAME_ROOM);
    error = error ? error
                  : registry_update_authorizer(c->api->registry, c->vars[0], &g.change,
                                               c->now.wall_ms, &a, c->fault);
    return error ? error : reply_name(c, a);
}

aws_error api__DescribeAuthorizer(struct call *c)
{
    const struct authorizer_record *a = NULL;
    aws_error error = registry_describe_authorizer(c->api->registry, c->vars[0], &a, c->fault);
    return error ? error : api__reply(c, write_description, (void *)(uintptr_t)a);
}

aws_error api__DeleteAuthorizer(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error = error ? error : registry_delete_authorizer(c->api->registry, c->vars[0], c->fault);
    return error ? error : api__reply_text(c, "{}");
}

struct authorizer_list {
    const struct call *c;
    struct elo_json_writer *w;
    struct paging paging;
    const bool *active;
};

static void put_item(void *ctx, const struct authorizer_record *a)
{
    const struct authorizer_list *list = ctx;
    elo_json_begin_object(list->w);
    put_name(list->c, list->w, a);
    elo_json_end_object(list->w);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct authorizer_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("authorizers"));
    elo_json_begin_array(w);
    registry_list_authorizers(c->api->registry, list->active, &list->paging.page, put_item, list,
                              &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListAuthorizers(struct call *c)
{
    struct authorizer_list list = {.c = c};
    struct field status = {.name = "status"};
    bool active = false;
    status.is_there = api__query(c, "status", &status.text);
    aws_error error = take_status(c, &status, &active, &list.active);
    error = error ? error : api__page_marker(c, &list.paging, true);
    return error ? error : api__reply(c, write_list, &list);
}

aws_error api__SetDefaultAuthorizer(struct call *c)
{
    struct field name = {.name = "authorizerName", .type = FIELD_STRING, .required = true};
    const struct authorizer_record *a = NULL;
    aws_error error = api__body(c, &name, 1);
    error = error ? error : api__reserve(c, NAME_ROOM);
    error =
        error ? error : registry_set_default_authorizer(c->api->registry, name.text, &a, c->fault);
    return error ? error : reply_name(c, a);
}

aws_error api__DescribeDefaultAuthorizer(struct call *c)
{
    const struct authorizer_record *a = registry_authorizer(c->api->registry, elo_span_of(NULL, 0));
    if (a == NULL) {
        return aws_fault_set(c->fault, AWS_ResourceNotFoundException,
                             "There is no default authorizer");
    }
    return api__reply(c, write_description, (void *)(uintptr_t)a);
}

aws_error api__ClearDefaultAuthorizer(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error = error ? error : registry_clear_default_authorizer(c->api->registry, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- TestInvokeAuthorizer ------------------------------------------------------------------ */

static aws_error write_answer(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct custom *custom = ctx;
    elo_span documents[CUSTOM_POLICIES];
    size_t count = custom_policies(custom, documents);
    (void)c;
    elo_json_begin_object(w);
    api__put_bool(w, "isAuthenticated", true);
    api__put_text(w, "principalId", custom_principal(custom));
    elo_json_key(w, ELO_SPAN("policyDocuments"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        elo_json_string(w, documents[i]);
    }
    elo_json_end_array(w);
    api__put_int(w, "refreshAfterInSeconds", custom_refresh_s(custom));
    api__put_int(w, "disconnectAfterInSeconds", custom_disconnect_s(custom));
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_no(struct call *c, struct elo_json_writer *w, void *ctx)
{
    (void)c;
    (void)ctx;
    elo_json_begin_object(w);
    api__put_bool(w, "isAuthenticated", false);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error answer(struct call *c)
{
    struct custom *custom = c->request->custom;
    if (c->request->custom_err == ELO_OK) {
        return api__reply(c, write_answer, custom);
    }
    if (c->request->custom_err == ELO_E_AUTHORIZER && custom_was_called(custom)) {
        return api__reply(c, write_no, NULL);
    }
    c->cause = c->request->custom_err;
    return c->request->custom_err == ELO_E_LAMBDA
               ? aws_fault_set(c->fault, AWS_InvalidResponseException, "%s", custom_why(custom))
               : api__invalid(c, "%s", custom_why(custom));
}

enum { HTTP_CONTEXT, MQTT_CONTEXT, TLS_CONTEXT, TOKEN, SIGNATURE, TEST_MEMBERS };

struct contexts {
    struct field test[TEST_MEMBERS];
    struct field http[2], mqtt[3], tls[1];
    struct sigv4_header headers[32];
    struct sigv4_request request;
    struct custom_mqtt connect;
    struct custom_test asked;
};

static aws_error take_http(struct call *c, struct contexts *x)
{
    struct thing_attribute *headers = NULL;
    size_t count = 0;
    x->http[0] = (struct field){.name = "headers", .type = FIELD_OBJECT};
    x->http[1] = (struct field){.name = "queryString", .type = FIELD_STRING};
    aws_error error = api__object(c, x->test[HTTP_CONTEXT].text, "httpContext.", x->http, 2);
    if (error == AWS_OK && x->http[0].is_there) {
        error = api__string_map(c, x->http[0].text, "httpContext.headers.", &headers, &count);
    }
    for (size_t i = 0; error == AWS_OK && i < count && i < API_COUNT(x->headers); i++) {
        x->headers[i] = (struct sigv4_header){headers[i].name, headers[i].value};
        x->request.header_count++;
    }
    x->request.headers = x->headers;
    x->request.query = x->http[1].text;
    return error;
}

static aws_error take_contexts(struct call *c, struct contexts *x)
{
    const struct field test[TEST_MEMBERS] = {
        [HTTP_CONTEXT] = {.name = "httpContext", .type = FIELD_OBJECT},
        [MQTT_CONTEXT] = {.name = "mqttContext", .type = FIELD_OBJECT},
        [TLS_CONTEXT] = {.name = "tlsContext", .type = FIELD_OBJECT},
        [TOKEN] = {.name = "token", .type = FIELD_STRING},
        [SIGNATURE] = {.name = "tokenSignature", .type = FIELD_STRING}};
    memcpy(x->test, test, sizeof test);
    x->mqtt[0] = (struct field){.name = "username", .type = FIELD_STRING};
    x->mqtt[1] = (struct field){.name = "password", .type = FIELD_STRING};
    x->mqtt[2] = (struct field){.name = "clientId", .type = FIELD_STRING};
    x->tls[0] = (struct field){.name = "serverName", .type = FIELD_STRING};
    aws_error error = api__body(c, x->test, TEST_MEMBERS);
    error = error || !x->test[HTTP_CONTEXT].is_there ? error : take_http(c, x);
    error = error || !x->test[MQTT_CONTEXT].is_there
                ? error
                : api__object(c, x->test[MQTT_CONTEXT].text, "mqttContext.", x->mqtt, 3);
    error = error || !x->test[TLS_CONTEXT].is_there
                ? error
                : api__object(c, x->test[TLS_CONTEXT].text, "tlsContext.", x->tls, 1);
    x->connect = (struct custom_mqtt){.has_username = x->mqtt[0].is_there,
                                      .has_password = x->mqtt[1].is_there,
                                      .password_is_base64 = true,
                                      .username = x->mqtt[0].text,
                                      .password = x->mqtt[1].text,
                                      .client_id = x->mqtt[2].text};
    x->asked = (struct custom_test){c->vars[0], x->test[TOKEN].text, x->test[SIGNATURE].text};
    return error;
}

aws_error api__TestInvokeAuthorizer(struct call *c)
{
    if (c->request->custom != NULL) {
        return answer(c);
    }
    struct contexts x = {.request = {.header_count = 0}};
    const struct authorizer_record *a = NULL;
    char id[37];
    aws_error error = registry_describe_authorizer(c->api->registry, c->vars[0], &a, c->fault);
    error = error ? error : take_contexts(c, &x);
    if (error != AWS_OK) {
        return error;
    }
    struct custom *custom = custom_create(
        c->api->authorizer, x.test[HTTP_CONTEXT].is_there ? &x.request : NULL, x.tls[0].text);
    if (custom == NULL) {
        return api__out_of_memory(c);
    }
    core_uuid(&c->api->random, id);
    elo_err err = custom_ask(custom, x.test[MQTT_CONTEXT].is_there ? &x.connect : NULL, &x.asked,
                             id, c->request->answered, c->request->answered_ctx);
    if (err != ELO_OK) {
        error = api__invalid(c, "%s", custom_why(custom));
        custom_destroy(custom);
        return error;
    }
    c->out->custom = custom;
    return AWS_OK;
}
