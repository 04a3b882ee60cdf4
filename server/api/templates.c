// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Provisioning templates and RegisterThing: CreateProvisioningTemplate to
 * ListProvisioningTemplateVersions, RegisterThing, AWS IoT API Reference.
 */
#include "server/api/internal.h"
#include "server/provisioning/provisioning.h"

/* --- requests ---------------------------------------------------------------------------- */

/* preProvisioningHook: kept as it was given. */
static aws_error check_hook(struct call *c, elo_span json)
{
    struct field fields[] = {{.name = "payloadVersion"}, {.name = "targetArn", .required = true}};
    return api__object(c, json, "preProvisioningHook.", fields, API_COUNT(fields));
}

static aws_error take_type(struct call *c, const struct field *field, elo_span *out)
{
    *out = field->is_there ? field->text : ELO_SPAN("FLEET_PROVISIONING");
    if (elo_span_eq(*out, ELO_SPAN("FLEET_PROVISIONING")) || elo_span_eq(*out, ELO_SPAN("JITP"))) {
        return AWS_OK;
    }
    return api__invalid(
        c,
        "1 validation error detected: Value '%s' at 'type' failed to satisfy "
        "constraint: Member must satisfy enum value set: [FLEET_PROVISIONING, JITP]",
        text_quote(*out).text);
}

static aws_error take_version(struct call *c, elo_span text, int64_t *out)
{
    if (registry_parse_version(text, out)) {
        return AWS_OK;
    }
    return api__invalid(c,
                        "1 validation error detected: Value '%s' at 'versionId' failed to "
                        "satisfy constraint: Member must be an integer",
                        text_quote(text).text);
}

/* --- replies ----------------------------------------------------------------------------- */

static void
put_head(const struct call *c, struct elo_json_writer *w, const struct provisioning_template *t)
{
    api__put_arn(c, w, "templateArn", "provisioningtemplate", t->name);
    api__put_text(w, "templateName", t->name);
    if (t->description.len > 0) {
        api__put_text(w, "description", t->description);
    }
    api__put_time(w, "creationDate", t->created_ms);
    api__put_time(w, "lastModifiedDate", t->modified_ms);
    api__put_bool(w, "enabled", t->enabled);
    api__put_text(w, "type", t->type);
}

static aws_error write_created(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct provisioning_template *t = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "templateArn", "provisioningtemplate", t->name);
    api__put_text(w, "templateName", t->name);
    api__put_int(w, "defaultVersionId", t->default_version);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_template(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct provisioning_template *t = ctx;
    elo_json_begin_object(w);
    put_head(c, w, t);
    api__put_int(w, "defaultVersionId", t->default_version);
    api__put_text(w, "templateBody", registry_template_version(t, t->default_version)->body);
    api__put_text(w, "provisioningRoleArn", t->role_arn);
    if (t->hook.len > 0) {
        elo_json_key(w, ELO_SPAN("preProvisioningHook"));
        elo_json_raw(w, t->hook);
    }
    elo_json_end_object(w);
    return AWS_OK;
}

/* --- templates --------------------------------------------------------------------------- */

enum { NAME, DESCRIPTION, BODY, ENABLED, ROLE, HOOK, TYPE, CREATE_MEMBERS };

aws_error api__CreateProvisioningTemplate(struct call *c)
{
    struct field f[CREATE_MEMBERS] = {
        [NAME] = {.name = "templateName", .required = true},
        [DESCRIPTION] = {.name = "description"},
        [BODY] = {.name = "templateBody", .required = true},
        [ENABLED] = {.name = "enabled", .type = FIELD_BOOL},
        [ROLE] = {.name = "provisioningRoleArn", .required = true},
        [HOOK] = {.name = "preProvisioningHook", .type = FIELD_OBJECT},
        [TYPE] = {.name = "type"},
    };
    const struct provisioning_template *t = NULL;
    elo_span type;
    aws_error error = api__body(c, f, CREATE_MEMBERS);
    error = error ? error : take_type(c, &f[TYPE], &type);
    error = error || !f[HOOK].is_there ? error : check_hook(c, f[HOOK].text);
    error = error ? error : provisioning_check(f[BODY].text, c->fault);
    error = error ? error : api__reserve(c, ARN_ROOM);
    if (error != AWS_OK) {
        return error;
    }
    const struct provisioning_template fresh = {.name = f[NAME].text,
                                                .type = type,
                                                .description = f[DESCRIPTION].text,
                                                .role_arn = f[ROLE].text,
                                                .hook = f[HOOK].text,
                                                .enabled = f[ENABLED].flag};
    error = registry_create_template(c->api->registry, &fresh, f[BODY].text, c->now.wall_ms, &t,
                                     c->fault);
    return error ? error : api__reply(c, write_created, (void *)(uintptr_t)t);
}

aws_error api__DescribeProvisioningTemplate(struct call *c)
{
    const struct provisioning_template *t = NULL;
    aws_error error = registry_describe_template(c->api->registry, c->vars[0], &t, c->fault);
    return error ? error : api__reply(c, write_template, (void *)(uintptr_t)t);
}

aws_error api__UpdateProvisioningTemplate(struct call *c)
{
    struct field f[] = {{.name = "description"},
                        {.name = "enabled", .type = FIELD_BOOL},
                        {.name = "defaultVersionId", .type = FIELD_INTEGER},
                        {.name = "provisioningRoleArn"},
                        {.name = "preProvisioningHook", .type = FIELD_OBJECT},
                        {.name = "removePreProvisioningHook", .type = FIELD_BOOL}};
    aws_error error = api__body(c, f, API_COUNT(f));
    error = error || !f[4].is_there ? error : check_hook(c, f[4].text);
    error = error ? error : api__reserve(c, 2);
    const struct template_change change = {.has_description = f[0].is_there,
                                           .description = f[0].text,
                                           .has_enabled = f[1].is_there,
                                           .enabled = f[1].flag,
                                           .has_default_version = f[2].is_there,
                                           .default_version = f[2].number,
                                           .has_role_arn = f[3].is_there,
                                           .role_arn = f[3].text,
                                           .has_hook = f[4].is_there || f[5].flag,
                                           .hook = f[5].flag ? elo_span_of(NULL, 0) : f[4].text};
    error = error ? error
                  : registry_update_template(c->api->registry, c->vars[0], &change, c->now.wall_ms,
                                             c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__DeleteProvisioningTemplate(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error = error ? error : registry_delete_template(c->api->registry, c->vars[0], c->fault);
    return error ? error : api__reply_text(c, "{}");
}

struct template_list {
    const struct call *c;
    struct elo_json_writer *w;
    struct paging paging;
};

static void put_item(void *ctx, const struct provisioning_template *t)
{
    const struct template_list *list = ctx;
    elo_json_begin_object(list->w);
    put_head(list->c, list->w, t);
    elo_json_end_object(list->w);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct template_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("templates"));
    elo_json_begin_array(w);
    registry_list_templates(c->api->registry, &list->paging.page, put_item, list,
                            &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListProvisioningTemplates(struct call *c)
{
    struct template_list list = {.c = c};
    aws_error error = api__page_token(c, &list.paging);
    return error ? error : api__reply(c, write_list, &list);
}

/* --- versions ---------------------------------------------------------------------------- */

struct version_reply {
    const struct provisioning_template *t;
    int64_t version;
};

static aws_error write_new_version(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct version_reply *reply = ctx;
    elo_json_begin_object(w);
    api__put_arn(c, w, "templateArn", "provisioningtemplate", reply->t->name);
    api__put_text(w, "templateName", reply->t->name);
    api__put_int(w, "versionId", reply->version);
    api__put_bool(w, "isDefaultVersion", reply->t->default_version == reply->version);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__CreateProvisioningTemplateVersion(struct call *c)
{
    struct field body = {.name = "templateBody", .required = true};
    struct version_reply reply = {.t = NULL};
    bool set_default = false;
    aws_error error = api__body(c, &body, 1);
    error = error ? error : api__query_bool(c, "setAsDefault", &set_default);
    error = error ? error : provisioning_check(body.text, c->fault);
    error = error ? error : api__reserve(c, ARN_ROOM);
    error = error ? error
                  : registry_create_template_version(c->api->registry, c->vars[0], body.text,
                                                     set_default, c->now.wall_ms, &reply.version,
                                                     c->fault);
    reply.t = registry_template(c->api->registry, c->vars[0]);
    return error ? error : api__reply(c, write_new_version, &reply);
}

static aws_error write_version(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct version_reply *reply = ctx;
    const struct template_version *version = registry_template_version(reply->t, reply->version);
    (void)c;
    elo_json_begin_object(w);
    api__put_int(w, "versionId", version->version);
    api__put_time(w, "creationDate", version->created_ms);
    api__put_text(w, "templateBody", version->body);
    api__put_bool(w, "isDefaultVersion", reply->t->default_version == version->version);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__DescribeProvisioningTemplateVersion(struct call *c)
{
    struct version_reply reply = {.t = NULL};
    aws_error error = registry_describe_template(c->api->registry, c->vars[0], &reply.t, c->fault);
    error = error ? error : take_version(c, c->vars[1], &reply.version);
    if (error == AWS_OK && registry_template_version(reply.t, reply.version) == NULL) {
        error = aws_fault_set(c->fault, AWS_ResourceNotFoundException,
                              "Provisioning template %s has no version %s",
                              text_quote(c->vars[0]).text, text_quote(c->vars[1]).text);
    }
    return error ? error : api__reply(c, write_version, &reply);
}

aws_error api__DeleteProvisioningTemplateVersion(struct call *c)
{
    int64_t version = 0;
    aws_error error = take_version(c, c->vars[1], &version);
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_delete_template_version(c->api->registry, c->vars[0], version,
                                                     c->now.wall_ms, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* There are five at most: one page. */
static aws_error write_versions(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct provisioning_template *t = ctx;
    (void)c;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("versions"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < t->version_count; i++) {
        elo_json_begin_object(w);
        api__put_int(w, "versionId", t->versions[i].version);
        api__put_time(w, "creationDate", t->versions[i].created_ms);
        api__put_bool(w, "isDefaultVersion", t->default_version == t->versions[i].version);
        elo_json_end_object(w);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListProvisioningTemplateVersions(struct call *c)
{
    const struct provisioning_template *t = NULL;
    aws_error error = registry_describe_template(c->api->registry, c->vars[0], &t, c->fault);
    return error ? error : api__reply(c, write_versions, (void *)(uintptr_t)t);
}

/* --- RegisterThing ----------------------------------------------------------------------- */

static aws_error write_provisioned(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct provisioning_result *result = ctx;
    elo_span pem = buf_span(&result->certificate_pem);
    (void)c;
    elo_json_begin_object(w);
    if (pem.len > 0) {
        api__put_text(w, "certificatePem", pem);
    }
    elo_json_key(w, ELO_SPAN("resourceArns"));
    elo_json_begin_object(w);
    for (size_t i = 0; i < result->resource_count; i++) {
        api__put_text(w, result->resources[i].name, elo_span_str(result->resources[i].arn));
    }
    elo_json_end_object(w);
    elo_json_end_object(w);
    return AWS_OK;
}

#define PROVISIONED_ROOM (2u * LIMIT_PEM_BYTES + 16384u)

static aws_error provision(struct call *c,
                           const struct provisioning_request *request,
                           struct provisioning_result *result)
{
    aws_error error = api__reserve(c, PROVISIONED_ROOM);
    if (error == AWS_OK && !registry_begin(c->api->registry)) {
        error = api__out_of_memory(c);
    }
    if (error != AWS_OK) {
        return error;
    }
    error = provisioning_run(c->api->registry, request, result, c->fault);
    if (error != AWS_OK) {
        registry_rollback(c->api->registry);
        return error;
    }
    error = registry_commit(c->api->registry, c->fault);
    if (error == AWS_OK && result->certificate_id[0] != '\0') {
        broker_certificate_changed(c->api->broker, elo_span_str(result->certificate_id), c->now);
    }
    return error;
}

aws_error api__RegisterThing(struct call *c)
{
    struct field fields[] = {{.name = "templateBody", .required = true},
                             {.name = "parameters", .type = FIELD_OBJECT}};
    struct thing_attribute *given = NULL;
    size_t count = 0;
    aws_error error = api__body(c, fields, API_COUNT(fields));
    if (error == AWS_OK && fields[1].is_there) {
        error = api__string_map(c, fields[1].text, "parameters", &given, &count);
    }
    struct provisioning_parameter *parameters =
        error ? NULL : api__alloc(c, (count + 1) * sizeof *parameters);
    if (parameters == NULL) {
        return error ? error : api__out_of_memory(c);
    }
    for (size_t i = 0; i < count; i++) {
        parameters[i] = (struct provisioning_parameter){given[i].name, given[i].value};
    }
    const struct provisioning_request request = {.body = fields[0].text,
                                                 .parameters = parameters,
                                                 .parameter_count = count,
                                                 .ca = c->api->ca,
                                                 .compat = c->api->compat,
                                                 .now_ms = c->now.wall_ms};
    struct provisioning_result result;
    provisioning_result_init(&result);
    error = provision(c, &request, &result);
    error = error ? error : api__reply(c, write_provisioned, &result);
    provisioning_result_free(&result);
    return error;
}
