// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Static thing groups: CreateThingGroup to UpdateThingGroupsForThing, AWS IoT API Reference. */
#include "server/api/internal.h"

/* --- requests ---------------------------------------------------------------------------- */

static aws_error take_properties(struct call *c, elo_span json, struct thing_group_change *change)
{
    struct field fields[] = {{.name = "thingGroupDescription"},
                             {.name = "attributePayload", .type = FIELD_OBJECT}};
    struct attribute_payload payload = {.is_there = false};
    aws_error error = api__object(c, json, "thingGroupProperties.", fields, API_COUNT(fields));
    if (error == AWS_OK && fields[1].is_there) {
        error = api__attribute_payload(c, fields[1].text, "thingGroupProperties.attributePayload.",
                                       &payload);
    }
    change->has_description = fields[0].is_there;
    change->description = fields[0].text;
    change->has_attributes = payload.is_there;
    change->attributes = payload.items;
    change->attribute_count = payload.count;
    change->merge = payload.merge;
    return error;
}

/* --- replies ----------------------------------------------------------------------------- */

static void
put_group(const struct call *c, struct elo_json_writer *w, const struct thing_group *group)
{
    (void)c;
    elo_json_begin_object(w);
    api__put_text(w, "groupName", group->name);
    api__put_text(w, "groupArn", group->arn);
    elo_json_end_object(w);
}

static aws_error write_created(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing_group *group = ctx;
    (void)c;
    elo_json_begin_object(w);
    api__put_text(w, "thingGroupName", group->name);
    api__put_text(w, "thingGroupArn", group->arn);
    api__put_text(w, "thingGroupId", group->id);
    elo_json_end_object(w);
    return AWS_OK;
}

static void put_properties(struct elo_json_writer *w, const struct thing_group *group)
{
    elo_json_key(w, ELO_SPAN("thingGroupProperties"));
    elo_json_begin_object(w);
    if (group->description.len > 0) {
        api__put_text(w, "thingGroupDescription", group->description);
    }
    elo_json_key(w, ELO_SPAN("attributePayload"));
    elo_json_begin_object(w);
    api__put_attributes(w, group->attributes, group->attribute_count);
    elo_json_end_object(w);
    elo_json_end_object(w);
}

/* The groups above, the root first. */
static void
put_parents(const struct call *c, struct elo_json_writer *w, const struct thing_group *group)
{
    const struct thing_group *above[LIMIT_GROUP_DEPTH];
    size_t count = 0;
    for (const struct thing_group *g = group->parent; g && count < LIMIT_GROUP_DEPTH;
         g = g->parent) {
        above[count++] = g;
    }
    elo_json_key(w, ELO_SPAN("rootToParentThingGroups"));
    elo_json_begin_array(w);
    while (count > 0) {
        put_group(c, w, above[--count]);
    }
    elo_json_end_array(w);
}

static aws_error write_group(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing_group *group = ctx;
    elo_json_begin_object(w);
    api__put_text(w, "thingGroupName", group->name);
    api__put_text(w, "thingGroupId", group->id);
    api__put_text(w, "thingGroupArn", group->arn);
    api__put_int(w, "version", group->version);
    put_properties(w, group);
    elo_json_key(w, ELO_SPAN("thingGroupMetadata"));
    elo_json_begin_object(w);
    if (group->parent) {
        api__put_text(w, "parentGroupName", group->parent_name);
        put_parents(c, w, group);
    }
    api__put_time(w, "creationDate", group->created_ms);
    elo_json_end_object(w);
    elo_json_end_object(w);
    return AWS_OK;
}

static aws_error write_version(struct call *c, struct elo_json_writer *w, void *ctx)
{
    const struct thing_group *group = ctx;
    (void)c;
    elo_json_begin_object(w);
    api__put_int(w, "version", group->version);
    elo_json_end_object(w);
    return AWS_OK;
}

/* --- groups ------------------------------------------------------------------------------ */

aws_error api__CreateThingGroup(struct call *c)
{
    struct field fields[] = {{.name = "parentGroupName"},
                             {.name = "thingGroupProperties", .type = FIELD_OBJECT}};
    struct thing_group_change change = {.has_description = false};
    const struct thing_group *group = NULL;
    aws_error error = api__body(c, fields, API_COUNT(fields));
    if (error == AWS_OK && fields[1].is_there) {
        error = take_properties(c, fields[1].text, &change);
    }
    error = error ? error : api__reserve(c, ARN_ROOM);
    error = error ? error
                  : registry_create_thing_group(c->api->registry, c->vars[0], fields[0].text,
                                                &change, c->now.wall_ms, &group, c->fault);
    return error ? error : api__reply(c, write_created, (void *)(uintptr_t)group);
}

aws_error api__DescribeThingGroup(struct call *c)
{
    const struct thing_group *group = NULL;
    aws_error error = registry_describe_thing_group(c->api->registry, c->vars[0], &group, c->fault);
    return error ? error : api__reply(c, write_group, (void *)(uintptr_t)group);
}

aws_error api__UpdateThingGroup(struct call *c)
{
    struct field fields[] = {
        {.name = "thingGroupProperties", .type = FIELD_OBJECT, .required = true},
        {.name = "expectedVersion", .type = FIELD_INTEGER}};
    struct thing_group_change change = {.has_description = false};
    const struct thing_group *group = NULL;
    aws_error error = api__body(c, fields, API_COUNT(fields));
    error = error ? error : take_properties(c, fields[0].text, &change);
    change.has_expected_version = fields[1].is_there;
    change.expected_version = fields[1].number;
    error = error ? error : api__reserve(c, ARN_ROOM);
    error = error ? error
                  : registry_update_thing_group(c->api->registry, c->vars[0], &change, &group,
                                                c->fault);
    return error ? error : api__reply(c, write_version, (void *)(uintptr_t)group);
}

aws_error api__DeleteThingGroup(struct call *c)
{
    int64_t version = 0;
    bool is_there;
    aws_error error =
        api__query_int(c, "expectedVersion", INT64_MIN, INT64_MAX, &version, &is_there);
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_delete_thing_group(c->api->registry, c->vars[0],
                                                is_there ? &version : NULL, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

/* --- listings ---------------------------------------------------------------------------- */

struct group_list {
    struct call *c;
    struct elo_json_writer *w;
    const char *member;
    struct thing_group_filter filter;
    bool of_thing;
    struct paging paging;
};

static void put_item(void *ctx, const struct thing_group *group)
{
    const struct group_list *list = ctx;
    put_group(list->c, list->w, group);
}

static void put_thing(void *ctx, const struct thing *thing)
{
    elo_json_string(((const struct group_list *)ctx)->w, thing->name);
}

static aws_error list_items(struct call *c, struct group_list *list)
{
    const struct registry *reg = c->api->registry;
    const struct registry_page *page = &list->paging.page;
    struct registry_next *next = &list->paging.next;
    if (strcmp(list->member, "things") == 0) {
        return registry_list_things_in_group(reg, c->vars[0], list->filter.recursive, page,
                                             put_thing, list, next, c->fault);
    }
    return list->of_thing ? registry_list_groups_of_thing(reg, c->vars[0], page, put_item, list,
                                                          next, c->fault)
                          : registry_list_thing_groups(reg, &list->filter, page, put_item, list,
                                                       next, c->fault);
}

static aws_error write_list(struct call *c, struct elo_json_writer *w, void *ctx)
{
    struct group_list *list = ctx;
    list->w = w;
    elo_json_begin_object(w);
    elo_json_key(w, elo_span_str(list->member));
    elo_json_begin_array(w);
    aws_error error = list_items(c, list);
    elo_json_end_array(w);
    api__page_end(c, &list->paging, w);
    elo_json_end_object(w);
    return error;
}

aws_error api__ListThingGroups(struct call *c)
{
    struct group_list list = {.c = c, .member = "thingGroups", .filter = {.recursive = true}};
    aws_error error = api__page_token(c, &list.paging);
    error = error ? error : api__query_bool(c, "recursive", &list.filter.recursive);
    (void)api__query(c, "parentGroup", &list.filter.parent);
    (void)api__query(c, "namePrefixFilter", &list.filter.prefix);
    return error ? error : api__reply(c, write_list, &list);
}

aws_error api__ListThingsInThingGroup(struct call *c)
{
    struct group_list list = {.c = c, .member = "things"};
    aws_error error = api__page_token(c, &list.paging);
    error = error ? error : api__query_bool(c, "recursive", &list.filter.recursive);
    return error ? error : api__reply(c, write_list, &list);
}

aws_error api__ListThingGroupsForThing(struct call *c)
{
    struct group_list list = {.c = c, .member = "thingGroups", .of_thing = true};
    aws_error error = api__page_token(c, &list.paging);
    return error ? error : api__reply(c, write_list, &list);
}

/* --- members ----------------------------------------------------------------------------- */

/* A name, or the ARN that holds it: of both, they must agree. */
static aws_error name_or_arn(struct call *c,
                             const struct field *name,
                             const struct field *arn,
                             const char *kind,
                             elo_span *out)
{
    char prefix[REGISTRY_ARN_BYTES];
    *out = name->text;
    if (!name->is_there && !arn->is_there) {
        return api__invalid(c, "Both %s and %s are empty. Need to specify at least one of them",
                            arn->name, name->name);
    }
    if (!arn->is_there) {
        return AWS_OK;
    }
    size_t len = registry_arn(c->api->registry, kind, elo_span_of("", 0), prefix);
    if (!elo_span_starts_with(arn->text, elo_span_of(prefix, len))) {
        return aws_fault_set(c->fault, AWS_ResourceNotFoundException, "%s %s does not exist",
                             arn->name, text_quote(arn->text).text);
    }
    elo_span named = elo_span_from(arn->text, len);
    if (name->is_there && !elo_span_eq(name->text, named)) {
        return api__invalid(c, "%s and %s do not name the same", arn->name, name->name);
    }
    *out = named;
    return AWS_OK;
}

typedef aws_error
change_member(struct registry *reg, elo_span group, elo_span thing, struct aws_fault *fault);

static aws_error change(struct call *c, change_member *member)
{
    struct field fields[] = {{.name = "thingGroupName"},
                             {.name = "thingGroupArn"},
                             {.name = "thingName"},
                             {.name = "thingArn"}};
    elo_span group;
    elo_span thing;
    aws_error error = api__body(c, fields, API_COUNT(fields));
    error = error ? error : name_or_arn(c, &fields[0], &fields[1], "thinggroup", &group);
    error = error ? error : name_or_arn(c, &fields[2], &fields[3], "thing", &thing);
    error = error ? error : api__reserve(c, 2);
    error = error ? error : member(c->api->registry, group, thing, c->fault);
    return error ? error : api__reply_text(c, "{}");
}

aws_error api__AddThingToThingGroup(struct call *c)
{
    return change(c, registry_add_to_group);
}

aws_error api__RemoveThingFromThingGroup(struct call *c)
{
    return change(c, registry_remove_from_group);
}

aws_error api__UpdateThingGroupsForThing(struct call *c)
{
    struct field fields[] = {{.name = "thingName", .required = true},
                             {.name = "thingGroupsToAdd", .type = FIELD_ARRAY},
                             {.name = "thingGroupsToRemove", .type = FIELD_ARRAY}};
    elo_span *lists[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    aws_error error = api__body(c, fields, API_COUNT(fields));
    for (size_t i = 0; error == AWS_OK && i < 2; i++) {
        if (fields[i + 1].is_there) {
            error =
                api__string_list(c, fields[i + 1].text, fields[i + 1].name, &lists[i], &counts[i]);
        }
    }
    error = error ? error : api__reserve(c, 2);
    error = error ? error
                  : registry_change_groups(c->api->registry, fields[0].text, lists[1], counts[1],
                                           lists[0], counts[0], c->fault);
    return error ? error : api__reply_text(c, "{}");
}
