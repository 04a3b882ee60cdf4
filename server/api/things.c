// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings: AWS IoT API Reference and
 * "Managing things with the registry", AWS IoT Developer Guide.
 */
#include "server/api/internal.h"

/* --- requests ---------------------------------------------------------------------------- */

static aws_error take_attributes(struct call *c, elo_span json, struct thing_change *change)
{
    struct attribute_payload payload;
    aws_error error = api__attribute_payload(c, json, "attributePayload.", &payload);
    change->has_attributes = payload.is_there;
    change->attributes = payload.items;
    change->attribute_count = payload.count;
    change->merge = payload.merge;
    return error;
}

enum { TYPE, ATTRIBUTES, BILLING_GROUP, EXPECTED_VERSION, REMOVE_TYPE, MEMBERS };

static aws_error take_change(struct call *c, size_t members, struct thing_change *change)
{
    struct field fields[MEMBERS] = {
        [TYPE] = {.name = "thingTypeName"},
        [ATTRIBUTES] = {.name = "attributePayload", .type = FIELD_OBJECT},
        [BILLING_GROUP] = {.name = "billingGroupName"},
        [EXPECTED_VERSION] = {.name = "expectedVersion", .type = FIELD_INTEGER},
        [REMOVE_TYPE] = {.name = "removeThingType", .type = FIELD_BOOL},
    };
    *change = (struct thing_change){.merge = false};
    aws_error error = api__body(c, fields, members);
    if (error != AWS_OK) {
        return error;
    }
    if (members == EXPECTED_VERSION && fields[BILLING_GROUP].is_there) {
        return aws_fault_set(c->fault, AWS_ResourceNotFoundException,
                             "Billing group %s does not exist: there are none on the desk",
                             text_quote(fields[BILLING_GROUP].text).text);
    }
    if (fields[TYPE].is_there && fields[TYPE].text.len == 0) {
        return api__invalid(c, "1 validation error detected: Value '' at 'thingTypeName' failed to "
                               "satisfy constraint: Member must have length greater than or equal "
                               "to 1");
    }
    change->type_name = fields[TYPE].text;
    change->remove_type = fields[REMOVE_TYPE].flag;
    change->has_expected_version = fields[EXPECTED_VERSION].is_there;
    change->expected_version = fields[EXPECTED_VERSION].number;
    return fields[ATTRIBUTES].is_there ? take_attributes(c, fields[ATTRIBUTES].text, change)
                                       : AWS_OK;
}

/* --- replies ----------------------------------------------------------------------------- */

static void put_type(struct elo_json_writer *w, const struct thing *thing)
{
    if (thing->type_name.len > 0) {
        api__put_text(w, "thingTypeName", thing->type_name);
    }
}

static aws_error write_created(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing *thing = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "thingName", thing->name);
    api__put_arn(c, w, "thingArn", "thing", thing->name);
    api__put_text(w, "thingId", thing->id);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_thing(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing *thing = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "defaultClientId", thing->name);
    api__put_text(w, "thingName", thing->name);
    api__put_text(w, "thingId", thing->id);
    api__put_arn(c, w, "thingArn", "thing", thing->name);
    put_type(w, thing);
    api__put_attributes(w, thing->attributes, thing->attribute_count);
    api__put_int(w, "version", thing->version);
    elo_json_end_object(w);
    return AWS_OK;
}

/* --- operations -------------------------------------------------------------------------- */

#define CREATED_ROOM 1024u

aws_error api__CreateThing(struct call *c)
{
    struct thing_change change;
    const struct thing *thing = NULL;
    aws_error error = take_change(c, EXPECTED_VERSION, &change);
    error = error ? error : api__reserve(c, CREATED_ROOM);
    error = error ? error
                  : registry_create_thing(c->api->registry, c->vars[0], &change, c->now.wall_ms,
                                          &thing, c->fault);
    return error ? error : api__reply(c, write_created, (void *)(uintptr_t)thing);
}

aws_error api__DescribeThing(struct call *c)
{
    const struct thing *thing = NULL;
    aws_error error = registry_describe_thing(c->api->registry, c->vars[0], &thing, c->fault);
    return error ? error : api__reply(c, write_thing, (void *)(uintptr_t)thing);
}

aws_error api__UpdateThing(struct call *c)
{
    struct thing_change change;
    aws_error error = take_change(c, MEMBERS, &change);
    error = error ? error : api__reserve(c, CREATED_ROOM);
    error = error ? error
                  : registry_update_thing(c->api->registry, c->vars[0], &change, NULL, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__DeleteThing(struct call *c)
{
    int64_t version = 0;
    bool is_there;
    aws_error error =
        api__query_int(c, "expectedVersion", INT64_MIN, INT64_MAX, &version, &is_there);
    error = error ? error : api__reserve(c, CREATED_ROOM);
    error = error ? error
                  : registry_delete_thing(c->api->registry, c->vars[0], is_there ? &version : NULL,
                                          c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- ListThings -------------------------------------------------------------------------- */

struct thing_list {
    struct call *c;
    struct elo_json_writer *w;
    struct thing_filter filter;
    struct paging paging;
};

static void put_item(void *ctx, const struct thing *thing)
{
    const struct thing_list *list = ctx;
    struct elo_json_writer *w = list->w;
    elo_json_begin_object(w);
    api__put_text(w, "thingName", thing->name);
    put_type(w, thing);
    api__put_arn(list->c, w, "thingArn", "thing", thing->name);
    api__put_attributes(w, thing->attributes, thing->attribute_count);
    api__put_int(w, "version", thing->version);
    elo_json_end_object(w);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct thing_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, ELO_SPAN("things"));
    elo_json_begin_array(w);
    registry_list_things(c->api->registry, &list->filter, &list->paging.page, put_item, list,
                         &list->paging.next);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return AWS_OK;
}

aws_error api__ListThings(struct call *c)
{
    struct thing_list list = {.c = c};
    aws_error error = api__page_token(c, &list.paging);
    error =
        error ? error : api__query_bool(c, "usePrefixAttributeValue", &list.filter.value_is_prefix);
    if (error != AWS_OK) {
        return error;
    }
    (void)api__query(c, "attributeName", &list.filter.attribute_name);
    (void)api__query(c, "attributeValue", &list.filter.attribute_value);
    (void)api__query(c, "thingTypeName", &list.filter.type_name);
    return api__reply(c, write_list, &list);
}
