// links: server_registry
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the registry lists: in which order, in pages of which size, with which filters, and what a
 * page shows when things come and go between two of them.
 */
#include "server/base/limits.h"
#include "tests/support/registry_rig.h"

struct seen {
    char text[4096];
    size_t count;
};

static void note(struct seen *seen, elo_span name)
{
    size_t at = strlen(seen->text);
    (void)snprintf(seen->text + at, sizeof seen->text - at, "%.*s ", (int)name.len,
                   (const char *)name.ptr);
    seen->count++;
}

static void see_thing(void *ctx, const struct thing *thing)
{
    note(ctx, thing->name);
}

static void see_certificate(void *ctx, const struct certificate *certificate)
{
    note(ctx, elo_span_from(certificate->id, 63));
}

static void see_policy(void *ctx, const struct policy_record *policy)
{
    note(ctx, policy->name);
}

static void see_arn(void *ctx, elo_span arn)
{
    note(ctx, elo_span_from(arn, arn.len - 1));
}

static void see_principal(void *ctx, elo_span arn, bool exclusive)
{
    note(ctx, exclusive ? s("exclusive") : elo_span_from(arn, arn.len - 1));
}

static void see_principal_thing(void *ctx, const struct thing *thing, bool exclusive)
{
    note(ctx, exclusive ? s("exclusive") : thing->name);
}

/* Every page size gives the same things in the same order, in the fewest pages. */
static void things_are_paged(void **state)
{
    (void)state;
    static const char *const names[] = {"d", "a", "c", "b", "aa"};
    for (size_t i = 0; i < 5; i++) {
        make_thing(names[i]);
    }
    for (size_t max = 1; max <= 6; max++) {
        for (int down = 0; down < 2; down++) {
            struct seen seen = {.count = 0};
            struct registry_next next = {.len = 0};
            struct registry_page page = {.max = max, .descending = down};
            size_t pages = 0;
            do {
                char after[REGISTRY_KEY_BYTES];
                memcpy(after, next.key, next.len);
                page.after = elo_span_of(after, next.len);
                registry_list_things(reg, NULL, &page, see_thing, &seen, &next);
                pages++;
            } while (next.len > 0);
            assert_string_equal(seen.text, down ? "d c b aa a " : "a aa b c d ");
            assert_int_equal(pages, (5 + max - 1) / max);
        }
    }
}

static void pages_survive_changes(void **state)
{
    (void)state;
    make_thing("a");
    make_thing("b");
    make_thing("d");
    struct seen seen = {.count = 0};
    struct registry_next next;
    struct registry_page page = {.max = 2};
    registry_list_things(reg, NULL, &page, see_thing, &seen, &next);
    SPAN_IS(registry_next_span(&next), "b");
    OK(registry_delete_thing(reg, s("b"), NULL, &fault));
    make_thing("aa");
    make_thing("c");
    page.after = s("b");
    registry_list_things(reg, NULL, &page, see_thing, &seen, &next);
    assert_string_equal(seen.text, "a b c d ");
    assert_int_equal(next.len, 0);
    page.after = s("\xff made up");
    registry_list_things(reg, NULL, &page, see_thing, &seen, &next);
    assert_int_equal(seen.count, 4);
    page.descending = true;
    page.after = s("a");
    registry_list_things(reg, NULL, &page, see_thing, &seen, &next);
    assert_int_equal(seen.count, 4);
}

static void things_are_filtered(void **state)
{
    (void)state;
    const struct thing_attribute red[] = {{s("colour"), s("red")}, {s("room"), s("shed")}};
    const struct thing_attribute reddish[] = {{s("colour"), s("reddish")}};
    OK(thing_with("a", red, 2, NULL));
    OK(thing_with("b", reddish, 1, NULL));
    OK(thing_with("c", red, 1, NULL));
    make_thing("d");
    static const struct {
        const char *name;
        const char *value;
        bool prefix;
        const char *type;
        const char *seen;
    } cases[] = {
        {"", "", false, "", "a b c d "},       {"colour", "red", false, "", "a c "},
        {"colour", "red", true, "", "a b c "}, {"colour", "", false, "", "a b c "},
        {"room", "shed", false, "", "a "},     {"room", "red", true, "", ""},
        {"", "shed", false, "", "a "},         {"colour", "red", false, "sensor", ""},
        {"colou", "red", true, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct thing_filter filter = {s(cases[i].name), s(cases[i].value), cases[i].prefix,
                                            s(cases[i].type)};
        struct seen seen = {.count = 0};
        struct registry_next next;
        const struct registry_page page = {.max = 250};
        registry_list_things(reg, &filter, &page, see_thing, &seen, &next);
        assert_string_equal(seen.text, cases[i].seen);
    }
    /* A full page with nothing that fits behind it is the last one. */
    const struct thing_filter filter = {.attribute_name = s("colour"), .attribute_value = s("red")};
    struct seen seen = {.count = 0};
    struct registry_next next;
    registry_list_things(reg, &filter, &(struct registry_page){.max = 2}, see_thing, &seen, &next);
    assert_int_equal(next.len, 0);
    registry_list_things(reg, &filter, &(struct registry_page){.max = 1}, see_thing, &seen, &next);
    SPAN_IS(registry_next_span(&next), "a");
}

static void certificates_and_policies_come_by_date(void **state)
{
    (void)state;
    OK(certificate_with(id_of('1', '9'), CERTIFICATE_ACTIVE, 1000, NULL));
    OK(certificate_with(id_of('1', '1'), CERTIFICATE_ACTIVE, 3000, NULL));
    OK(certificate_with(id_of('1', '5'), CERTIFICATE_ACTIVE, 2000, NULL));
    OK(certificate_with(id_of('1', '4'), CERTIFICATE_ACTIVE, 2000, NULL));
    struct seen seen = {.count = 0};
    struct registry_next next;
    struct registry_page page = {.max = 3};
    registry_list_certificates(reg, &page, see_certificate, &seen, &next);
    page.after = registry_next_span(&next);
    char after[REGISTRY_KEY_BYTES];
    memcpy(after, next.key, next.len);
    page.after = elo_span_of(after, next.len);
    registry_list_certificates(reg, &page, see_certificate, &seen, &next);
    assert_string_equal(seen.text, "9 4 5 1 ");
    seen = (struct seen){.count = 0};
    registry_list_certificates(reg, &(struct registry_page){.max = 9, .descending = true},
                               see_certificate, &seen, &next);
    assert_string_equal(seen.text, "1 5 4 9 ");

    OK(registry_create_policy(reg, s("new"), s("{}"), 3000, NULL, &fault));
    OK(registry_create_policy(reg, s("old"), s("{}"), 1000, NULL, &fault));
    seen = (struct seen){.count = 0};
    registry_list_policies(reg, &(struct registry_page){.max = 9}, see_policy, &seen, &next);
    assert_string_equal(seen.text, "old new ");
}

static void attachments_are_listed(void **state)
{
    (void)state;
    const char *one = make_certificate('1');
    const char *two = make_certificate('2');
    make_policy("q");
    make_policy("p");
    make_thing("t");
    make_thing("u");
    OK(registry_attach_policy(reg, s("q"), s(one), &fault));
    OK(registry_attach_policy(reg, s("p"), s(one), &fault));
    OK(registry_attach_policy(reg, s("p"), s(two), &fault));
    OK(registry_attach_thing_principal(reg, s("t"), s(one), false, &fault));
    OK(registry_attach_thing_principal(reg, s("u"), s(one), false, &fault));
    OK(registry_attach_thing_principal(reg, s("t"), s(two), true, &fault));

    const struct registry_page page = {.max = 250};
    struct registry_next next;
    struct seen seen = {.count = 0};
    OK(registry_list_policies_of_target(reg, s(one), false, &page, see_policy, &seen, &next,
                                        &fault));
    OK(registry_list_targets_of_policy(reg, s("p"), &page, see_arn, &seen, &next, &fault));
    assert_string_equal(seen.text, "p q 1 2 ");

    const bool yes = true;
    const bool no = false;
    seen = (struct seen){.count = 0};
    OK(registry_list_principals_of_thing(reg, s("t"), NULL, &page, see_principal, &seen, &next,
                                         &fault));
    OK(registry_list_principals_of_thing(reg, s("t"), &yes, &page, see_principal, &seen, &next,
                                         &fault));
    OK(registry_list_principals_of_thing(reg, s("t"), &no, &page, see_principal, &seen, &next,
                                         &fault));
    assert_string_equal(seen.text, "1 exclusive exclusive 1 ");
    seen = (struct seen){.count = 0};
    OK(registry_list_things_of_principal(reg, s(one), NULL, &page, see_principal_thing, &seen,
                                         &next, &fault));
    OK(registry_list_things_of_principal(reg, s(two), &no, &page, see_principal_thing, &seen, &next,
                                         &fault));
    assert_string_equal(seen.text, "t u ");

    FAULT(registry_list_principals_of_thing(reg, s("x"), NULL, &page, see_principal, &seen, &next,
                                            &fault),
          ResourceNotFoundException,
          "Failed to list principals for thing x because the thing does not exist in your account");
    FAULT(registry_list_targets_of_policy(reg, s("x"), &page, see_arn, &seen, &next, &fault),
          ResourceNotFoundException, "Policy not found");
    FAULT(registry_list_policies_of_target(reg, s("x"), false, &page, see_policy, &seen, &next,
                                           &fault),
          InvalidRequestException, "Invalid Target");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(things_are_paged),       TEST(pages_survive_changes),
        TEST(things_are_filtered),    TEST(certificates_and_policies_come_by_date),
        TEST(attachments_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
