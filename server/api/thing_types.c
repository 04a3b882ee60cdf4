// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Thing types: CreateThingType to ListThingTypes, AWS IoT API Reference. */
#include "server/api/internal.h"

static aws_error take_properties(struct call *c, bool required, struct thing_type_properties *out)
{
    struct field body = {.name = "thingTypeProperties", .type = FIELD_OBJECT, .required = required};
    struct field fields[] = {{.name = "thingTypeDescription"},
                             {.name = "searchableAttributes", .type = FIELD_ARRAY},
                             {.name = "mqtt5Configuration", .type = FIELD_OBJECT}};
    elo_span *searchable = NULL;
    *out = (struct thing_type_properties){.searchable_count = 0};
    aws_error error = api__body(c, &body, 1);
    if (error != AWS_OK || !body.is_there) {
        return error;
    }
    error = api__object(c, body.text, "thingTypeProperties.", fields, API_COUNT(fields));
    if (error == AWS_OK && fields[2].is_there) {
        return api__invalid(c, "thingTypeProperties.mqtt5Configuration: attributes of things are "
                               "not added to messages on the desk");
    }
    if (error == AWS_OK && fields[1].is_there) {
        error = api__string_list(c, fields[1].text, "thingTypeProperties.searchableAttributes",
                                 &searchable, &out->searchable_count);
    }
    out->description = fields[0].text;
    out->searchable = searchable;
    return error;
}

static aws_error write_created(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing_type *type = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "thingTypeName", type->name);
    api__put_arn(c, w, "thingTypeArn", "thingtype", type->name);
    api__put_text(w, "thingTypeId", type->id);
    elo_json_end_object(w);
    return AWS_OK;
}

static void put_properties(struct elo_json_writer *w, const struct thing_type *type)
{
    elo_json_key(w, ELO_SPAN("thingTypeProperties"));
    elo_json_begin_object(w);
    if (type->description.len > 0) {
        api__put_text(w, "thingTypeDescription", type->description);
    }
    elo_json_key(w, ELO_SPAN("searchableAttributes"));
    elo_json_begin_array(w);
    for (size_t i = 0; i < type->searchable_count; i++) {
        elo_json_string(w, type->searchable[i]);
    }
    elo_json_end_array(w);
    elo_json_end_object(w);
}

static void put_metadata(struct elo_json_writer *w, const struct thing_type *type)
{
    elo_json_key(w, ELO_SPAN("thingTypeMetadata"));
    elo_json_begin_object(w);
    api__put_bool(w, "deprecated", type->deprecated_ms != 0);
    if (type->deprecated_ms != 0) {
        api__put_time(w, "deprecationDate", type->deprecated_ms);
    }
    api__put_time(w, "creationDate", type->created_ms);
    elo_json_end_object(w);
}

static aws_error write_type(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing_type *type = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "thingTypeName", type->name);
    api__put_text(w, "thingTypeId", type->id);
    api__put_arn(c, w, "thingTypeArn", "thingtype", type->name);
    put_properties(w, type);
    put_metadata(w, type);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__CreateThingType(struct call *c)
{
    struct thing_type_properties properties;
    const struct thing_type *type = NULL;
    aws_error error = take_properties(c, false, &properties);
    error = error ? error : api__reserve(c, ARN_ROOM);
    error = error ? error
                  : registry_create_thing_type(c->api->registry, c->vars[0], &properties,
                                               c->now.wall_ms, &type, c->fault);
    return error ? error : api__reply(c, write_created, (void *)(uintptr_t)type);
}

aws_error api__DescribeThingType(struct call *c)
{
    const struct thing_type *type = NULL;
    aws_error error = registry_describe_thing_type(c->api->registry, c->vars[0], &type, c->fault);
    return error ? error : api__reply(c, write_type, (void *)(uintptr_t)type);
}

aws_error api__UpdateThingType(struct call *c)
{
    struct thing_type_properties properties;
    aws_error error = take_properties(c, true, &properties);
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_update_thing_type(c->api->registry, c->vars[0], &properties, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__DeprecateThingType(struct call *c)
{
    struct field undo = {.name = "undoDeprecate", .type = FIELD_BOOL};
    aws_error error = api__body(c, &undo, 1);
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_deprecate_thing_type(c->api->registry, c->vars[0], undo.flag,
                                                  c->now.wall_ms, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__DeleteThingType(struct call *c)
{
    aws_error error = api__reserve(c, 2);
    error =
        error ? error
              : registry_delete_thing_type(c->api->registry, c->vars[0], c->now.wall_ms, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- ListThingTypes ---------------------------------------------------------------------- */

struct type_list {
    const struct call *c;
    struct elo_json_writer *w;
    elo_span only;
    struct paging paging;
};

static void put_item(void *ctx, const struct thing_type *type)
{
    const struct type_list *list = ctx;
    struct elo_json_writer *w = list->w;
    elo_json_begin_object(w);
    api__put_text(w, "thingTypeName", type->name);
    api__put_arn(list->c, w, "thingTypeArn", "thingtype", type->name);
    put_properties(w, type);
    put_metadata(w, type);
    elo_json_end_object(w);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct type_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("thingTypes"));
    elo_json_begin_array(w);
    registry_list_thing_types(c->api->registry, list->only, &list->paging.page, put_item, list,
                              &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListThingTypes(struct call *c)
{
    struct type_list list = {.c = c};
    aws_error error = api__page_token(c, &list.paging);
    (void)api__query(c, "thingTypeName", &list.only);
    return error ? error : api__reply(c, write_list, &list);
}
