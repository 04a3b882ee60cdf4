// links: server_registry
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Thing types and groups, CAs, templates, and changes of several resources as one: what the
 * scenarios of tests/vectors/api cannot reach. Limits at the limit and one over; every way a change
 * can fail leaves no trace; what was written comes back.
 */
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "tests/support/registry_rig.h"

#define ID   "1111111111111111111111111111111111111111111111111111111111111111"
#define ROLE "arn:aws:iam::123456789012:role/provisioning"

/* --- short hands ------------------------------------------------------------------------------ */

static const struct thing_group_change plain;
static const struct thing_type_properties bare;

static aws_error make_group(const char *name, const char *parent)
{
    return registry_create_thing_group(reg, s(name), s(parent), &plain, 1, NULL, &fault);
}

static struct certificate_new certificate(void)
{
    return (struct certificate_new){
        .id = s(ID), .pem = s("pem"), .status = CERTIFICATE_ACTIVE, .mode = s("DEFAULT")};
}

/* --- everything that is there, as text -------------------------------------------------------- */

static char dump_text[65536];
static size_t dump_len;

static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void put(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(dump_text + dump_len, sizeof dump_text - dump_len, format, args);
    va_end(args);
    dump_len += (size_t)n;
    assert_true(dump_len < sizeof dump_text);
}

#define TEXT(span) (int)(span).len, (const char *)(span).ptr

static void put_thing(void *ctx, const struct thing *thing)
{
    (void)ctx;
    put("thing %.*s %.*s v%lld\n", TEXT(thing->name), TEXT(thing->type_name),
        (long long)thing->version);
    for (size_t i = 0; i < thing->attribute_count; i++) {
        put("  %.*s=%.*s\n", TEXT(thing->attributes[i].name), TEXT(thing->attributes[i].value));
    }
}

static void put_principal(void *ctx, elo_span arn, bool exclusive)
{
    (void)ctx;
    put("  principal %.*s %d\n", TEXT(arn), exclusive);
}

static void put_group(void *ctx, const struct thing_group *group)
{
    (void)ctx;
    put("group %.*s in %.*s \"%.*s\" v%lld\n", TEXT(group->name), TEXT(group->parent_name),
        TEXT(group->description), (long long)group->version);
}

static void put_policy(void *ctx, const struct policy_record *policy)
{
    (void)ctx;
    put("policy %.*s\n", TEXT(policy->name));
}

static void put_target(void *ctx, elo_span arn)
{
    (void)ctx;
    put("  on %.*s\n", TEXT(arn));
}

static void put_certificate(void *ctx, const struct certificate *c)
{
    (void)ctx;
    put("certificate %.*s %s v%lld %lld\n", TEXT(c->id), certificate_status_name(c->status),
        (long long)c->customer_version, (long long)c->modified_ms);
}

static void put_type(void *ctx, const struct thing_type *type)
{
    (void)ctx;
    put("type %.*s \"%.*s\" %lld", TEXT(type->name), TEXT(type->description),
        (long long)type->deprecated_ms);
    for (size_t i = 0; i < type->searchable_count; i++) {
        put(" %.*s", TEXT(type->searchable[i]));
    }
    put("\n");
}

static void put_ca(void *ctx, const struct ca_certificate *ca)
{
    (void)ctx;
    put("ca %.*s %.*s %d %d \"%.*s\" \"%.*s\" %.*s v%lld\n", TEXT(ca->id), TEXT(ca->subject),
        ca->active, ca->auto_registration, TEXT(ca->template_name), TEXT(ca->template_body),
        TEXT(ca->role_arn), (long long)ca->customer_version);
}

static void put_template(void *ctx, const struct provisioning_template *t)
{
    (void)ctx;
    put("template %.*s %.*s %.*s %d default %lld\n", TEXT(t->name), TEXT(t->type),
        TEXT(t->description), t->enabled, (long long)t->default_version);
    for (size_t i = 0; i < t->version_count; i++) {
        put("  %lld: %.*s\n", (long long)t->versions[i].version, TEXT(t->versions[i].body));
    }
}

static char names[64][LIMIT_NAME_BYTES + 1];
static size_t name_count;

static void keep_policy(void *ctx, const struct policy_record *policy)
{
    (void)ctx;
    (void)snprintf(names[name_count++], sizeof names[0], "%.*s", TEXT(policy->name));
}

static void keep_thing(void *ctx, const struct thing *thing)
{
    (void)ctx;
    (void)snprintf(names[name_count++], sizeof names[0], "%.*s", TEXT(thing->name));
}

static const char *dump(void)
{
    const struct registry_page all = {.max = 64};
    const struct thing_group_filter every = {.recursive = true};
    struct registry_next next;
    dump_len = 0;
    registry_list_thing_types(reg, s(""), &all, put_type, NULL, &next);
    OK(registry_list_thing_groups(reg, &every, &all, put_group, NULL, &next, &fault));
    registry_list_certificates(reg, &all, put_certificate, NULL, &next);
    registry_list_cas(reg, s(""), &all, put_ca, NULL, &next);
    registry_list_templates(reg, &all, put_template, NULL, &next);
    registry_list_things(reg, NULL, &all, put_thing, NULL, &next);
    name_count = 0;
    registry_list_things(reg, NULL, &all, keep_thing, NULL, &next);
    for (size_t i = 0; i < name_count; i++) {
        put("of %s\n", names[i]);
        OK(registry_list_groups_of_thing(reg, s(names[i]), &all, put_group, NULL, &next, &fault));
        OK(registry_list_principals_of_thing(reg, s(names[i]), NULL, &all, put_principal, NULL,
                                             &next, &fault));
    }
    registry_list_policies(reg, &all, put_policy, NULL, &next);
    name_count = 0;
    registry_list_policies(reg, &all, keep_policy, NULL, &next);
    for (size_t i = 0; i < name_count; i++) {
        put("of %s\n", names[i]);
        OK(registry_list_targets_of_policy(reg, s(names[i]), &all, put_target, NULL, &next,
                                           &fault));
    }
    put("code %.*s\n", TEXT(registry_registration_code_now(reg)));
    return dump_text;
}

static void settle(void)
{
    struct store_progress progress;
    store_poll(store, &progress);
}

/* What memory shows is what is stored, and what is stored is `want`. */
static void stored_is(const char *want)
{
    assert_string_equal(dump(), want);
    settle();
    close_registry();
    open_registry("eu-west-1");
    assert_string_equal(dump(), want);
}

/* --- a change of several resources ------------------------------------------------------------ */

static const struct thing_attribute room = {{(const uint8_t *)"room", 4},
                                            {(const uint8_t *)"lab", 3}};

/* One of every operation that may be part of a change; false: one has failed. */
static bool every_operation(void)
{
    const struct thing_change change = {
        .has_attributes = true, .attributes = &room, .attribute_count = 1};
    const struct certificate_new fresh = certificate();
    elo_span arn = s(ARN_PREFIX "cert/" ID);
    return registry_register_certificate(reg, &fresh, 5, NULL, &fault) == AWS_OK &&
           registry_update_certificate(reg, s(ID), CERTIFICATE_INACTIVE, 6, &fault) == AWS_OK &&
           registry_update_certificate(reg, s(ID), CERTIFICATE_ACTIVE, 7, &fault) == AWS_OK &&
           registry_create_thing(reg, s("new"), &change, 5, NULL, &fault) == AWS_OK &&
           registry_update_thing(reg, s("old"), &change, NULL, &fault) == AWS_OK &&
           registry_update_thing(reg, s("old"), &nothing, NULL, &fault) == AWS_OK &&
           registry_create_policy(reg, s("p"), s("{}"), 5, NULL, &fault) == AWS_OK &&
           registry_attach_policy(reg, s("p"), arn, &fault) == AWS_OK &&
           registry_attach_policy(reg, s("q"), s(ARN_PREFIX "thinggroup/b"), &fault) == AWS_OK &&
           registry_attach_thing_principal(reg, s("new"), arn, false, &fault) == AWS_OK &&
           registry_attach_thing_principal(reg, s("new"), arn, true, &fault) == AWS_OK &&
           registry_add_to_group(reg, s("b"), s("new"), &fault) == AWS_OK &&
           registry_remove_from_group(reg, s("a"), s("old"), &fault) == AWS_OK &&
           registry_add_to_group(reg, s("b"), s("old"), &fault) == AWS_OK;
}

static void prepare(void)
{
    make_thing("old");
    OK(make_group("a", ""));
    OK(make_group("b", "a"));
    OK(registry_add_to_group(reg, s("a"), s("old"), &fault));
    OK(registry_create_policy(reg, s("q"), s("{}"), 1, NULL, &fault));
}

static void a_change_is_stored_whole(void **state)
{
    (void)state;
    prepare();
    assert_true(registry_begin(reg));
    assert_true(every_operation());
    OK(registry_commit(reg, &fault));
    char *want = strdup(dump());
    assert_non_null(strstr(want, "certificate " ID " ACTIVE v3 7\n"));
    assert_non_null(strstr(want, "group a in  \"\" v1\ngroup b in a"));
    stored_is(want);
    free(want);
}

static void a_change_taken_back_leaves_nothing(void **state)
{
    (void)state;
    prepare();
    char *want = strdup(dump());
    uint64_t generation = registry_generation(reg);
    assert_true(registry_begin(reg));
    assert_true(every_operation());
    registry_rollback(reg);
    assert_true(registry_generation(reg) > generation);
    stored_is(want);
    free(want);
}

/* Memory ends at every possible point: all of it is there, or nothing. */
static void a_change_that_fails_anywhere_leaves_nothing(void **state)
{
    (void)state;
    prepare();
    char *want = strdup(dump());
    bool done = false;
    for (long n = 1; !done; n++) {
        mem_fail_at(n);
        bool begun = registry_begin(reg);
        bool all = begun && every_operation();
        if (begun && !all) {
            registry_rollback(reg);
        }
        done = all && registry_commit(reg, &fault) == AWS_OK;
        mem_fail_at(0);
        if (!done) {
            assert_string_equal(dump(), want);
        }
        assert_true(n < 1000);
    }
    free(want);
    want = strdup(dump());
    stored_is(want);
    free(want);
}

static void groups_change_together(void **state)
{
    (void)state;
    make_thing("t");
    OK(make_group("a", ""));
    OK(make_group("b", ""));
    OK(make_group("c", "b"));
    const elo_span a = s("a");
    const elo_span both[] = {s("b"), s("c")};
    const elo_span none[] = {s("x")};
    OK(registry_change_groups(reg, s("t"), NULL, 0, &a, 1, &fault));
    char *want = strdup(dump());
    FAULT(registry_change_groups(reg, s("t"), &a, 1, both, 2, &fault), InvalidRequestException,
          "same hierarchy");
    FAULT(registry_change_groups(reg, s("t"), &a, 1, none, 1, &fault), ResourceNotFoundException,
          "x");
    stored_is(want);
    OK(registry_change_groups(reg, s("t"), &a, 1, &both[1], 1, &fault));
    assert_non_null(strstr(dump(), "of t\ngroup b in  \"\" v1\ngroup c in b"));
    free(want);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void a_hierarchy_has_seven_levels(void **state)
{
    char name[16];
    char parent[16] = "";
    (void)state;
    for (unsigned i = 1; i <= 7; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        OK(make_group(name, parent));
        memcpy(parent, name, sizeof name);
    }
    FAULT(make_group("g8", "g7"), InvalidRequestException, "at most 7 levels");
    for (unsigned i = 0; i < 99; i++) {
        (void)snprintf(name, sizeof name, "c%u", i);
        OK(make_group(name, "g1")); /* g2 is the first */
    }
    FAULT(make_group("c99", "g1"), InvalidRequestException, "direct child groups (100)");
}

static void a_thing_is_in_ten_groups(void **state)
{
    char name[16];
    (void)state;
    make_thing("t");
    for (unsigned i = 0; i < 11; i++) {
        (void)snprintf(name, sizeof name, "g%u", i);
        OK(make_group(name, ""));
        if (i < 10) {
            OK(registry_add_to_group(reg, s(name), s("t"), &fault));
            OK(registry_add_to_group(reg, s(name), s("t"), &fault)); /* again: the same */
        }
    }
    FAULT(registry_add_to_group(reg, s("g10"), s("t"), &fault), InvalidRequestException,
          "maximum number of thing groups (10)");
    OK(registry_delete_thing_group(reg, s("g3"), NULL, &fault));
    OK(registry_add_to_group(reg, s("g10"), s("t"), &fault));
    OK(registry_delete_thing(reg, s("t"), NULL, &fault));
    char *want = strdup(dump());
    stored_is(want);
    free(want);
}

static void attributes_depend_on_the_type(void **state)
{
    struct thing_attribute many[50];
    char text[50][8];
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(text[i], sizeof text[i], "a%02u", i);
        many[i] = (struct thing_attribute){s(text[i]), s("v")};
    }
    OK(registry_create_thing_type(reg, s("T"), &bare, 1, NULL, &fault));
    struct thing_change change = {
        .type_name = s("T"), .has_attributes = true, .attributes = many, .attribute_count = 50};
    OK(registry_create_thing(reg, s("t"), &change, 1, NULL, &fault));
    const struct thing_attribute one_more = {s("b"), s("v")};
    const struct thing_change more = {
        .has_attributes = true, .attributes = &one_more, .attribute_count = 1, .merge = true};
    FAULT(registry_update_thing(reg, s("t"), &more, NULL, &fault), InvalidRequestException,
          "at most 50 attributes (given: 51)");
    const struct thing_change removed = {.remove_type = true};
    FAULT(registry_update_thing(reg, s("t"), &removed, NULL, &fault), InvalidRequestException,
          "without a thing type can have at most 3 attributes (given: 50)");
    change.type_name = s("");
    change.attribute_count = 4;
    FAULT(registry_create_thing(reg, s("u"), &change, 1, NULL, &fault), InvalidRequestException,
          "at most 3");
}

static void a_thing_type_may_have_to_wait(void **state)
{
    (void)state;
    OK(registry_create_thing_type(reg, s("T"), &bare, 1, NULL, &fault));
    OK(registry_deprecate_thing_type(reg, s("T"), false, 1000, &fault));
    close_registry();
    compat.thing_type_delete = 1;
    open_registry("eu-west-1");
    FAULT(registry_delete_thing_type(reg, s("T"), 300999, &fault), InvalidRequestException,
          "wait for 5 minutes");
    OK(registry_delete_thing_type(reg, s("T"), 301000, &fault));
    OK(registry_create_thing_type(reg, s("T"), &bare, 1, NULL, &fault));
    close_registry();
    compat.thing_type_delete = 0;
    open_registry("eu-west-1");
    OK(registry_deprecate_thing_type(reg, s("T"), false, 1000, &fault));
    OK(registry_delete_thing_type(reg, s("T"), 1000, &fault));
}

static void ten_cas_may_have_one_subject(void **state)
{
    char id[65];
    (void)state;
    struct ca_certificate fresh = {.pem = s("pem"), .mode = s("DEFAULT"), .subject = s("01234567")};
    memset(id, '0', 64);
    id[64] = '\0';
    fresh.id = s(id);
    for (char c = 'a'; c <= 'f'; c++) {
        for (char d = '0'; d < '2'; d++) {
            id[0] = c;
            id[1] = d;
            if (c < 'f') {
                OK(registry_register_ca(reg, &fresh, 1, NULL, &fault));
            }
        }
    }
    FAULT(registry_register_ca(reg, &fresh, 1, NULL, &fault), LimitExceededException,
          "same subject (10)");
    fresh.subject = s("76543210");
    OK(registry_register_ca(reg, &fresh, 1, NULL, &fault));
    FAULT(registry_register_ca(reg, &fresh, 1, NULL, &fault), ResourceAlreadyExistsException,
          "already registered");
    assert_string_equal(fault.resource_id, id);
}

/* --- what was written comes back -------------------------------------------------------------- */

static void everything_comes_back(void **state)
{
    elo_span code;
    int64_t version = 0;
    (void)state;
    const elo_span searchable[] = {s("room"), s("a,b"), s("c")};
    const struct thing_type_properties properties = {s("a lamp"), searchable, 3};
    OK(registry_create_thing_type(reg, s("T"), &properties, 1, NULL, &fault));
    const struct thing_change typed = {.type_name = s("T")};
    OK(registry_create_thing(reg, s("t"), &typed, 1, NULL, &fault));
    OK(registry_deprecate_thing_type(reg, s("T"), false, 9, &fault));
    /* a child whose name sorts before its parent's */
    OK(make_group("z", ""));
    OK(make_group("a", "z"));
    const struct thing_group_change described = {.has_description = true,
                                                 .description = s("the lamps"),
                                                 .has_attributes = true,
                                                 .attributes = &room,
                                                 .attribute_count = 1};
    OK(registry_update_thing_group(reg, s("a"), &described, NULL, &fault));
    OK(registry_add_to_group(reg, s("a"), s("t"), &fault));
    OK(registry_create_policy(reg, s("p"), s("{}"), 1, NULL, &fault));
    OK(registry_attach_policy(reg, s("p"), s(ARN_PREFIX "thinggroup/z"), &fault));
    OK(registry_registration_code(reg, &code, &fault));
    const struct provisioning_template fresh = {
        .name = s("jitp"), .type = s("JITP"), .role_arn = s(ROLE), .enabled = true};
    OK(registry_create_template(reg, &fresh, s("{1}"), 1, NULL, &fault));
    OK(registry_create_template_version(reg, s("jitp"), s("{2}"), true, 2, &version, &fault));
    assert_int_equal(version, 2);
    struct ca_certificate ca = {.id = s(ID),
                                .pem = s("pem"),
                                .mode = s("DEFAULT"),
                                .subject = s("01234567"),
                                .active = true,
                                .auto_registration = true,
                                .template_name = s("jitp"),
                                .role_arn = s(ROLE)};
    OK(registry_register_ca(reg, &ca, 1, NULL, &fault));
    FAULT(registry_delete_template_version(reg, s("jitp"), 2, 3, &fault), DeleteConflictException,
          "default version");
    OK(registry_delete_template_version(reg, s("jitp"), 1, 3, &fault));
    FAULT(registry_delete_template(reg, s("jitp"), &fault), DeleteConflictException, "is used by");
    char *want = strdup(dump());
    assert_non_null(strstr(want, "type T \"a lamp\" 9 room a,b c\n"));
    assert_non_null(strstr(want, "template jitp JITP  1 default 2\n  2: {2}\n"));
    stored_is(want);
    free(want);
    /* another region: the group's ARN is another, its policy stays */
    close_registry();
    open_registry("us-east-1");
    assert_non_null(strstr(dump(), "  on arn:aws:iot:us-east-1:123456789012:thinggroup/z\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_is_stored_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_taken_back_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_that_fails_anywhere_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(groups_change_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hierarchy_has_seven_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thing_is_in_ten_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(attributes_depend_on_the_type, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thing_type_may_have_to_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_cas_may_have_one_subject, setup, teardown),
        cmocka_unit_test_setup_teardown(everything_comes_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
