// links: server_registry
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The registry's rules, call by call: what AWS IoT allows, refuses and answers ("Thing registry",
 * "X.509 client certificates", "AWS IoT Core policies", AWS IoT Developer Guide), limits at the
 * limit and one over. Listings are in test_registry_lists.c.
 */
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "tests/support/registry_rig.h"

/* --- things ----------------------------------------------------------------------------------- */

static elo_span repeated(char c, size_t len)
{
    static char text[2048];
    memset(text, c, len);
    return elo_span_of(text, len);
}

static void thing_is_created_and_described(void **state)
{
    (void)state;
    const struct thing *thing = NULL;
    const struct thing_attribute attributes[] = {{s("room"), s("shed")}, {s("colour"), s("red")}};
    OK(thing_with("garden-7", attributes, 2, &thing));
    SPAN_IS(thing->name, "garden-7");
    assert_int_equal(thing->version, 1);
    assert_int_equal(thing->created_ms, 1000);
    assert_int_equal(thing->id.len, 36);
    assert_int_equal(thing->type_name.len, 0);
    assert_int_equal(thing->attribute_count, 2);
    SPAN_IS(thing->attributes[0].name, "colour");
    SPAN_IS(thing->attributes[1].value, "shed");

    const struct thing *again = NULL;
    OK(registry_describe_thing(reg, s("garden-7"), &again, &fault));
    assert_ptr_equal(thing, again);
    assert_ptr_equal(registry_thing(reg, s("garden-7")), thing);
    FAULT(registry_describe_thing(reg, s("garden-9"), &again, &fault), ResourceNotFoundException,
          "Thing garden-9 not found.");
}

static void identical_create_is_idempotent(void **state)
{
    (void)state;
    const struct thing *first = NULL;
    const struct thing *second = NULL;
    const struct thing_attribute attributes[] = {{s("a"), s("1")}, {s("b"), s("2")}};
    const struct thing_attribute swapped[] = {{s("b"), s("2")}, {s("a"), s("1")}};
    OK(thing_with("t", attributes, 2, &first));
    uint64_t after = registry_after(reg);
    OK(thing_with("t", swapped, 2, &second));
    assert_ptr_equal(first, second);
    assert_int_equal(registry_after(reg), after);

    char id[64];
    (void)snprintf(id, sizeof id, "%.*s", (int)first->id.len, (const char *)first->id.ptr);
    FAULT(thing_with("t", attributes, 1, NULL), ResourceAlreadyExistsException,
          "Thing t already exists in account with different attributes");
    assert_string_equal(fault.resource_id, id);
    assert_string_equal(fault.resource_arn, ARN_PREFIX "thing/t");
    FAULT(registry_create_thing(reg, s("t"), &nothing, 1, NULL, &fault),
          ResourceAlreadyExistsException, "already exists");
}

static void thing_names_follow_the_pattern(void **state)
{
    (void)state;
    make_thing("a:b_c-D9");
    OK(registry_create_thing(reg, repeated('x', 128), &nothing, 1, NULL, &fault));
    FAULT(registry_create_thing(reg, repeated('x', 129), &nothing, 1, NULL, &fault),
          InvalidRequestException, "length less than or equal to 128");
    FAULT(registry_create_thing(reg, s(""), &nothing, 1, NULL, &fault), InvalidRequestException,
          "length greater than or equal to 1");
    static const char *const bad[] = {"a b", "a/b", "a.b", "a+", "#", "caf\xc3\xa9", "$a", "a\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FAULT(registry_create_thing(reg, s(bad[i]), &nothing, 1, NULL, &fault),
              InvalidRequestException,
              "at 'thingName' failed to satisfy constraint: Member must "
              "satisfy regular expression pattern: [a-zA-Z0-9:_-]+");
        for (const char *c = fault.message; *c; c++) {
            assert_true(*c >= 0x20 && *c < 0x7f); /* nothing raw in what is shown */
        }
    }
    FAULT(registry_create_thing(reg, elo_span_of("a\0b", 3), &nothing, 1, NULL, &fault),
          InvalidRequestException, "a?b");
}

static void attributes_have_limits(void **state)
{
    (void)state;
    struct thing_attribute four[] = {
        {s("a"), s("1")}, {s("b"), s("2")}, {s("c"), s("3")}, {s("d"), s("4")}};
    OK(thing_with("three", four, 3, NULL));
    FAULT(thing_with("four", four, 4, NULL), InvalidRequestException, "at most 3 attributes");
    four[3].value = s(""); /* an empty value is no attribute */
    OK(thing_with("four", four, 4, NULL));
    assert_int_equal(registry_thing(reg, s("four"))->attribute_count, 3);
    four[3] = (struct thing_attribute){s("a"), s("9")}; /* the last counts */
    OK(thing_with("five", four, 4, NULL));
    SPAN_IS(registry_thing(reg, s("five"))->attributes[0].value, "9");

    struct thing_attribute many[51];
    for (size_t i = 0; i < 51; i++) {
        many[i] = (struct thing_attribute){s("a"), s("1")};
    }
    OK(thing_with("many", many, 50, NULL));
    FAULT(thing_with("more", many, 51, NULL), InvalidRequestException, "at most");

    static const struct {
        char name_char;
        size_t name_len;
        char value_char;
        size_t value_len;
        aws_error answer;
    } cases[] = {
        {'n', 128, 'v', 800, AWS_OK},
        {'n', 129, 'v', 1, AWS_InvalidRequestException},
        {'n', 0, 'v', 1, AWS_InvalidRequestException},
        {'n', 1, 'v', 801, AWS_InvalidRequestException},
        {'/', 1, '[', 1, AWS_OK},
        {'[', 1, 'v', 1, AWS_InvalidRequestException},
        {'n', 1, ' ', 1, AWS_InvalidRequestException},
        {' ', 1, 'v', 1, AWS_InvalidRequestException},
        {'n', 1, '"', 1, AWS_InvalidRequestException},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[129];
        char value[801];
        char thing[16];
        memset(name, cases[i].name_char, cases[i].name_len);
        memset(value, cases[i].value_char, cases[i].value_len);
        (void)snprintf(thing, sizeof thing, "case-%zu", i);
        const struct thing_attribute one = {elo_span_of(name, cases[i].name_len),
                                            elo_span_of(value, cases[i].value_len)};
        assert_int_equal(thing_with(thing, &one, 1, NULL), cases[i].answer);
        assert_int_equal(registry_thing(reg, s(thing)) != NULL, cases[i].answer == AWS_OK);
    }
}

static void update_replaces_merges_and_removes(void **state)
{
    (void)state;
    const struct thing_attribute before[] = {{s("a"), s("1")}, {s("b"), s("2")}};
    OK(thing_with("t", before, 2, NULL));
    const struct thing *thing = registry_thing(reg, s("t"));

    const struct thing_attribute given[] = {{s("c"), s("3")}, {s("a"), s("")}};
    struct thing_change change = {
        .has_attributes = true, .attributes = given, .attribute_count = 2, .merge = true};
    OK(registry_update_thing(reg, s("t"), &change, NULL, &fault));
    assert_int_equal(thing->version, 2);
    assert_int_equal(thing->attribute_count, 2);
    SPAN_IS(thing->attributes[0].name, "b");
    SPAN_IS(thing->attributes[1].name, "c");

    change.merge = false;
    OK(registry_update_thing(reg, s("t"), &change, NULL, &fault));
    assert_int_equal(thing->version, 3);
    assert_int_equal(thing->attribute_count, 1);
    SPAN_IS(thing->attributes[0].value, "3");

    const struct thing_attribute three[] = {{s("x"), s("1")}, {s("y"), s("2")}, {s("z"), s("3")}};
    change = (struct thing_change){
        .has_attributes = true, .attributes = three, .attribute_count = 3, .merge = true};
    FAULT(registry_update_thing(reg, s("t"), &change, NULL, &fault), InvalidRequestException,
          "at most 3");
    change.attribute_count = 2;
    OK(registry_update_thing(reg, s("t"), &change, NULL, &fault));
    assert_int_equal(thing->attribute_count, 3);

    OK(registry_update_thing(reg, s("t"), &nothing, NULL, &fault)); /* also a new version */
    assert_int_equal(thing->version, 5);
    assert_int_equal(thing->attribute_count, 3);
    change = (struct thing_change){.has_attributes = true};
    OK(registry_update_thing(reg, s("t"), &change, &thing, &fault));
    assert_int_equal(thing->attribute_count, 0);
    FAULT(registry_update_thing(reg, s("u"), &nothing, NULL, &fault), ResourceNotFoundException,
          "Thing u not found.");
}

static void expected_version_is_checked(void **state)
{
    (void)state;
    make_thing("t");
    struct thing_change change = {.has_expected_version = true, .expected_version = 2};
    FAULT(registry_update_thing(reg, s("t"), &change, NULL, &fault), VersionConflictException,
          "The version for thing t does not match the expected version.");
    change.expected_version = 1;
    OK(registry_update_thing(reg, s("t"), &change, NULL, &fault));
    int64_t expected = 1;
    FAULT(registry_delete_thing(reg, s("t"), &expected, &fault), VersionConflictException,
          "thing t");
    expected = 2;
    OK(registry_delete_thing(reg, s("t"), &expected, &fault));
    OK(registry_delete_thing(reg, s("t"), &expected, &fault)); /* gone already */
    assert_null(registry_thing(reg, s("t")));
    FAULT(registry_delete_thing(reg, s("t t"), NULL, &fault), InvalidRequestException, "thingName");
}

static void thing_types_do_not_exist(void **state)
{
    (void)state;
    struct thing_change change = {.type_name = s("sensor")};
    FAULT(registry_create_thing(reg, s("t"), &change, 1, NULL, &fault), ResourceNotFoundException,
          "Thing type sensor not found.");
    make_thing("t");
    FAULT(registry_update_thing(reg, s("t"), &change, NULL, &fault), ResourceNotFoundException,
          "Thing type sensor");
    change.remove_type = true;
    FAULT(registry_update_thing(reg, s("t"), &change, NULL, &fault), InvalidRequestException,
          "removeThingType");
    change.type_name = s("a b");
    FAULT(registry_update_thing(reg, s("t"), &change, NULL, &fault), InvalidRequestException,
          "thingTypeName");
    change.type_name = s("");
    OK(registry_update_thing(reg, s("t"), &change, NULL, &fault));
}

/* --- certificates ----------------------------------------------------------------------------- */

static void certificate_is_registered_once(void **state)
{
    (void)state;
    const char *id = id_of('a', 'b');
    const struct certificate *certificate = NULL;
    OK(certificate_with(id, CERTIFICATE_ACTIVE, 5000, &certificate));
    SPAN_IS(certificate->arn, arn_of(id));
    SPAN_IS(certificate->id, id);
    assert_int_equal(certificate->customer_version, 1);
    assert_int_equal(certificate->generation_id.len, 36);
    assert_int_equal(certificate->created_ms, 5000);
    assert_int_equal(certificate->modified_ms, 5000);
    assert_int_equal(certificate->not_after_s, 20);
    assert_ptr_equal(registry_certificate_of_arn(reg, certificate->arn), certificate);
    assert_null(registry_certificate_of_arn(reg, certificate->id));

    FAULT(certificate_with(id, CERTIFICATE_ACTIVE, 6000, NULL), ResourceAlreadyExistsException,
          "The certificate is already provisioned or registered");
    assert_string_equal(fault.resource_id, id);
    assert_string_equal(fault.resource_arn, arn_of(id));
}

static void certificate_arguments_are_checked(void **state)
{
    (void)state;
    FAULT(certificate_with("abc", CERTIFICATE_ACTIVE, 1, NULL), InvalidRequestException,
          "certificateId");
    FAULT(certificate_with(id_of('g', 'g'), CERTIFICATE_ACTIVE, 1, NULL), InvalidRequestException,
          "certificateId");
    static const enum certificate_status refused[] = {CERTIFICATE_PENDING_TRANSFER,
                                                      CERTIFICATE_REGISTER_INACTIVE};
    for (size_t i = 0; i < 2; i++) {
        FAULT(certificate_with(id_of('1', '1'), refused[i], 1, NULL), InvalidRequestException,
              certificate_status_name(refused[i]));
    }
    FAULT(certificate_with(id_of('1', '1'), CERTIFICATE_PENDING_ACTIVATION, 1, NULL),
          CertificateStateException, "PENDING_ACTIVATION");
    struct certificate_new fresh = {.id = s(id_of('1', '2')), .pem = s("x"), .mode = s("OTHER")};
    FAULT(registry_register_certificate(reg, &fresh, 1, NULL, &fault), InvalidRequestException,
          "certificateMode");
    fresh.mode = s("SNI_ONLY");
    fresh.pem = s("");
    FAULT(registry_register_certificate(reg, &fresh, 1, NULL, &fault), InvalidRequestException,
          "certificatePem");
    char *pem = calloc(1, LIMIT_PEM_BYTES + 1);
    assert_non_null(pem);
    memset(pem, 'x', LIMIT_PEM_BYTES + 1);
    fresh.pem = elo_span_of(pem, LIMIT_PEM_BYTES + 1);
    FAULT(registry_register_certificate(reg, &fresh, 1, NULL, &fault), InvalidRequestException,
          "certificatePem");
    fresh.pem.len--;
    OK(registry_register_certificate(reg, &fresh, 1, NULL, &fault));
    free(pem);
}

static void certificate_status_changes(void **state)
{
    (void)state;
    elo_span id = s(id_of('1', '2'));
    const struct certificate *certificate = NULL;
    OK(certificate_with((const char *)id.ptr, CERTIFICATE_INACTIVE, 1000, &certificate));
    OK(registry_update_certificate(reg, id, CERTIFICATE_ACTIVE, 2000, &fault));
    assert_int_equal(certificate->status, CERTIFICATE_ACTIVE);
    assert_int_equal(certificate->customer_version, 2);
    assert_int_equal(certificate->modified_ms, 2000);
    OK(registry_update_certificate(reg, id, CERTIFICATE_ACTIVE, 3000, &fault));
    assert_int_equal(certificate->customer_version, 2);
    FAULT(registry_update_certificate(reg, id, CERTIFICATE_PENDING_TRANSFER, 1, &fault),
          InvalidRequestException, "PENDING_TRANSFER");
    OK(registry_update_certificate(reg, id, CERTIFICATE_REVOKED, 3000, &fault));
    OK(registry_update_certificate(reg, id, CERTIFICATE_REVOKED, 4000, &fault));
    FAULT(registry_update_certificate(reg, id, CERTIFICATE_ACTIVE, 4000, &fault),
          CertificateStateException, "revoked");
    FAULT(registry_update_certificate(reg, s(id_of('9', '9')), CERTIFICATE_ACTIVE, 1, &fault),
          ResourceNotFoundException, "does not exist");
}

static void certificate_deletion_is_guarded(void **state)
{
    (void)state;
    const char *id = id_of('1', '2');
    const char *arn = arn_of(id);
    OK(certificate_with(id, CERTIFICATE_ACTIVE, 1000, NULL));
    make_thing("t");
    make_policy("p");
    OK(registry_attach_policy(reg, s("p"), s(arn), &fault));
    OK(registry_attach_thing_principal(reg, s("t"), s(arn), false, &fault));

    FAULT(registry_delete_certificate(reg, s(id), true, &fault), CertificateStateException,
          "Certificate must be deactivated (not ACTIVE) before deletion.");
    OK(registry_update_certificate(reg, s(id), CERTIFICATE_INACTIVE, 2000, &fault));
    FAULT(registry_delete_certificate(reg, s(id), true, &fault), DeleteConflictException,
          "Things must be detached before deletion (arn: " ARN_PREFIX "cert/1111");
    OK(registry_detach_thing_principal(reg, s("t"), s(arn), &fault));
    FAULT(registry_delete_certificate(reg, s(id), false, &fault), DeleteConflictException,
          "Certificate policies must be detached before deletion (arn: ");
    OK(registry_delete_certificate(reg, s(id), true, &fault));
    assert_null(registry_certificate(reg, s(id)));
    OK(registry_delete_policy(reg, s("p"), &fault)); /* no longer attached */
    FAULT(registry_delete_certificate(reg, s(id), false, &fault), ResourceNotFoundException, id);
}

/* --- policies --------------------------------------------------------------------------------- */

static void policy_is_created_once(void **state)
{
    (void)state;
    const struct policy_record *policy = NULL;
    OK(registry_create_policy(reg, s("p+=,.@-_"), s("{\"a\":1}"), 1000, &policy, &fault));
    assert_int_equal(policy->version_count, 1);
    assert_int_equal(policy->default_version, 1);
    SPAN_IS(registry_policy_default(policy)->document, "{\"a\":1}");
    FAULT(registry_create_policy(reg, s("p+=,.@-_"), s("{\"a\":1}"), 1000, NULL, &fault),
          ResourceAlreadyExistsException,
          "Policy cannot be created - name already exists (name=p+=,.@-_)");
    assert_string_equal(fault.resource_arn, ARN_PREFIX "policy/p+=,.@-_");
    OK(registry_create_policy(reg, repeated('p', 128), s("{}"), 1, NULL, &fault));
    FAULT(registry_create_policy(reg, repeated('p', 129), s("{}"), 1, NULL, &fault),
          InvalidRequestException, "policyName");
    FAULT(registry_create_policy(reg, s("a:b"), s("{}"), 1, NULL, &fault), InvalidRequestException,
          "[\\w+=,.@-]+");
    FAULT(registry_describe_policy(reg, s("q"), &policy, &fault), ResourceNotFoundException,
          "Policy not found");
}

static void policy_has_five_versions(void **state)
{
    (void)state;
    int64_t version = 0;
    const struct policy_record *policy = NULL;
    make_policy("p");
    for (int64_t i = 2; i <= 5; i++) {
        OK(registry_create_policy_version(reg, s("p"), s("{}"), i == 3, 2000, &policy, &version,
                                          &fault));
        assert_int_equal(version, i);
    }
    assert_int_equal(policy->default_version, 3);
    assert_int_equal(policy->modified_ms, 2000);
    FAULT(registry_create_policy_version(reg, s("p"), s("{}"), false, 1, NULL, NULL, &fault),
          VersionsLimitExceededException,
          "The policy p already has the maximum number of versions (5)");
    FAULT(registry_delete_policy_version(reg, s("p"), 3, 1, &fault), InvalidRequestException,
          "Cannot delete the default version of a policy");
    OK(registry_delete_policy_version(reg, s("p"), 5, 3000, &fault));
    OK(registry_create_policy_version(reg, s("p"), s("[]"), false, 4000, NULL, &version, &fault));
    assert_int_equal(version, 6); /* 5 is never used again */
    FAULT(registry_delete_policy_version(reg, s("p"), 5, 1, &fault), ResourceNotFoundException,
          "version");
    FAULT(registry_set_default_policy_version(reg, s("p"), 5, 1, &fault), ResourceNotFoundException,
          "version=5");
    OK(registry_set_default_policy_version(reg, s("p"), 6, 5000, &fault));
    SPAN_IS(registry_policy_default(policy)->document, "[]");

    const struct policy_version *found = NULL;
    OK(registry_describe_policy_version(reg, s("p"), 2, &policy, &found, &fault));
    assert_int_equal(found->version, 2);
    FAULT(registry_describe_policy_version(reg, s("q"), 2, NULL, &found, &fault),
          ResourceNotFoundException, "name=q");
    FAULT(registry_create_policy_version(reg, s("q"), s("{}"), true, 1, NULL, NULL, &fault),
          ResourceNotFoundException, "name=q");
}

static void policy_deletion_is_guarded(void **state)
{
    (void)state;
    make_policy("p");
    const char *arn = make_certificate('1');
    OK(registry_create_policy_version(reg, s("p"), s("{}"), true, 1, NULL, NULL, &fault));
    OK(registry_attach_policy(reg, s("p"), s(arn), &fault));
    FAULT(registry_delete_policy(reg, s("p"), &fault), DeleteConflictException,
          "The policy cannot be deleted as the policy is attached to one or more principals "
          "(name=p)");
    OK(registry_detach_policy(reg, s("p"), s(arn), &fault));
    FAULT(registry_delete_policy(reg, s("p"), &fault), DeleteConflictException,
          "Cannot delete the policy because it has one or more policy versions attached to it");
    OK(registry_delete_policy_version(reg, s("p"), 1, 1, &fault));
    OK(registry_delete_policy(reg, s("p"), &fault));
    FAULT(registry_delete_policy(reg, s("p"), &fault), ResourceNotFoundException, "name=p");
}

static void version_ids_are_numbers(void **state)
{
    (void)state;
    int64_t version = 0;
    assert_true(registry_parse_version(s("12"), &version));
    assert_int_equal(version, 12);
    assert_true(registry_parse_version(s("9223372036854775807"), &version));
    static const char *const bad[] = {"", "-1", "+1", "1 ", "a", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(registry_parse_version(s(bad[i]), &version));
    }
}

/* --- attachments ------------------------------------------------------------------------------ */

static bool count_policy(void *ctx, const struct policy_record *policy)
{
    (void)policy;
    return ++*(int *)ctx < 100;
}

static void certificate_takes_ten_policies(void **state)
{
    (void)state;
    const char *arn = make_certificate('1');
    char name[4];
    for (int i = 0; i < 11; i++) {
        (void)snprintf(name, sizeof name, "p%d", i);
        make_policy(name);
        if (i < 10) {
            OK(registry_attach_policy(reg, s(name), s(arn), &fault));
        }
    }
    FAULT(registry_attach_policy(reg, s("p10"), s(arn), &fault), LimitExceededException, "(10)");
    OK(registry_attach_policy(reg, s("p3"), s(arn), &fault)); /* there already */
    int count = 0;
    registry_each_policy_of(reg, s(arn), count_policy, &count);
    assert_int_equal(count, 10);
    count = 98; /* stops when told to */
    registry_each_policy_of(reg, s(arn), count_policy, &count);
    assert_int_equal(count, 100);
    OK(registry_detach_policy(reg, s("p3"), s(arn), &fault));
    OK(registry_attach_policy(reg, s("p10"), s(arn), &fault));
}

static void policy_targets_are_checked(void **state)
{
    (void)state;
    const char *arn = make_certificate('1');
    make_policy("p");
    FAULT(registry_attach_policy(reg, s("q"), s(arn), &fault), ResourceNotFoundException,
          "Policy not found");
    FAULT(registry_attach_policy(reg, s("p"), s(arn_of(id_of('2', '2'))), &fault),
          ResourceNotFoundException, "does not exist");
    static const char *const elsewhere[] = {"arn:aws:iot:eu-west-2:123456789012:cert/",
                                            "arn:aws:iot:eu-west-1:123456789013:cert/",
                                            ARN_PREFIX "thing/"};
    for (size_t i = 0; i < 3; i++) {
        char other[128];
        (void)snprintf(other, sizeof other, "%s%s", elsewhere[i], id_of('1', '1'));
        FAULT(registry_attach_policy(reg, s("p"), s(other), &fault), ResourceNotFoundException,
              "does not exist");
    }
    FAULT(registry_attach_policy(reg, s("p"), s("nobody\x01"), &fault), InvalidRequestException,
          "nobody?");
    FAULT(registry_attach_policy(reg, s("p"), s(""), &fault), InvalidRequestException, "ARN");
    FAULT(registry_detach_policy(reg, s("p"), s(arn_of(id_of('2', '2'))), &fault),
          InvalidRequestException, "Invalid Target");
    OK(registry_detach_policy(reg, s("p"), s(arn), &fault)); /* not attached */
    OK(registry_detach_policy(reg, s("q"), s(arn), &fault)); /* no such policy */
}

static void thing_principals_attach_and_detach(void **state)
{
    (void)state;
    const char *arn = make_certificate('1');
    make_thing("t");
    FAULT(registry_attach_thing_principal(reg, s("u"), s(arn), false, &fault),
          ResourceNotFoundException,
          "Failed to attach principal for thing u because the thing does not exist");
    FAULT(registry_attach_thing_principal(reg, s("t"), s(arn_of(id_of('2', '2'))), false, &fault),
          ResourceNotFoundException, "does not exist");
    OK(registry_attach_thing_principal(reg, s("t"), s(arn), false, &fault));
    OK(registry_attach_thing_principal(reg, s("t"), s(arn), false, &fault));
    assert_true(registry_is_attached(reg, s("t"), s(arn)));
    assert_false(registry_is_attached(reg, s("u"), s(arn)));
    FAULT(registry_delete_thing(reg, s("t"), NULL, &fault), InvalidRequestException,
          "Cannot delete. Thing t is still attached to one or more principals");
    OK(registry_detach_thing_principal(reg, s("t"), s(arn), &fault));
    assert_false(registry_is_attached(reg, s("t"), s(arn)));
    FAULT(registry_detach_thing_principal(reg, s("t"), s(arn), &fault), ResourceNotFoundException,
          "not attached");
    OK(registry_delete_thing(reg, s("t"), NULL, &fault));
}

static void exclusive_is_the_only_one(void **state)
{
    (void)state;
    const char *arn = make_certificate('1');
    elo_span id = s(id_of('1', '1'));
    make_thing("a");
    make_thing("b");
    assert_null(registry_bound_thing(reg, id, s("a")));
    OK(registry_attach_thing_principal(reg, s("a"), s(arn), false, &fault));
    assert_null(registry_bound_thing(reg, id, s("other-client")));
    assert_ptr_equal(registry_bound_thing(reg, id, s("a")), registry_thing(reg, s("a")));

    OK(registry_attach_thing_principal(reg, s("a"), s(arn), true, &fault)); /* becomes exclusive */
    assert_ptr_equal(registry_bound_thing(reg, id, s("other-client")), registry_thing(reg, s("a")));
    assert_ptr_equal(registry_bound_thing(reg, id, s("b")), registry_thing(reg, s("a")));
    FAULT(registry_attach_thing_principal(reg, s("b"), s(arn), false, &fault),
          InvalidRequestException, "thing a exclusively");
    OK(registry_attach_thing_principal(reg, s("a"), s(arn), false, &fault));
    OK(registry_attach_thing_principal(reg, s("b"), s(arn), false, &fault));
    FAULT(registry_attach_thing_principal(reg, s("a"), s(arn), true, &fault),
          InvalidRequestException, "thing b");
    assert_ptr_equal(registry_bound_thing(reg, id, s("b")), registry_thing(reg, s("b")));
    assert_null(registry_bound_thing(reg, id, s("c")));
    assert_null(registry_bound_thing(reg, s("unknown"), s("b")));
}

/* What AWS does is not known: the switch "reattach-principal". */
static void attached_again_may_keep_its_type(void **state)
{
    (void)state;
    close_registry();
    assert_int_equal(compat_set(&compat, "reattach-principal=keep"), ELO_OK);
    open_registry("eu-west-1");
    const char *arn = make_certificate('1');
    elo_span id = s(id_of('1', '1'));
    make_thing("a");
    OK(registry_attach_thing_principal(reg, s("a"), s(arn), false, &fault));
    OK(registry_attach_thing_principal(reg, s("a"), s(arn), true, &fault));
    assert_null(registry_bound_thing(reg, id, s("other-client")));
}

/* --- the rest --------------------------------------------------------------------------------- */

static void another_region_keeps_attachments(void **state)
{
    (void)state;
    const char *arn = make_certificate('1');
    make_policy("p");
    make_thing("t");
    OK(registry_attach_policy(reg, s("p"), s(arn), &fault));
    OK(registry_attach_thing_principal(reg, s("t"), s(arn), true, &fault));
    close_registry();

    char moved[128];
    (void)snprintf(moved, sizeof moved, "arn:aws:iot:us-east-1:123456789012:cert/%s",
                   id_of('1', '1'));
    open_registry("us-east-1");
    assert_true(registry_is_attached(reg, s("t"), s(moved)));
    assert_false(registry_is_attached(reg, s("t"), s(arn)));
    OK(registry_detach_policy(reg, s("p"), s(moved), &fault));
    OK(registry_detach_thing_principal(reg, s("t"), s(moved), &fault));
    close_registry();

    open_registry("us-east-1"); /* no row under the old ARN has stayed behind */
    OK(registry_delete_thing(reg, s("t"), NULL, &fault));
    OK(registry_delete_policy(reg, s("p"), &fault));
}

static void configuration_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *region;
        const char *account;
    } cases[] = {{"", "123456789012"},
                 {"eu west", "123456789012"},
                 {"eu-west-1", "12345678901"},
                 {"eu-west-1", "12345678901x"},
                 {"a-region-with-a-name-over-32-chars", "123456789012"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct registry_config config = {
            .region = cases[i].region, .account = cases[i].account, .random = {.fill = fill}};
        struct registry *other = NULL;
        assert_int_equal(registry_create(&config, store, &other), ELO_E_USAGE);
    }
    assert_string_equal(registry_region(reg), "eu-west-1");
    assert_string_equal(registry_account(reg), "123456789012");
}

static void generation_and_after_follow_changes(void **state)
{
    (void)state;
    uint64_t generation = registry_generation(reg);
    assert_int_equal(registry_after(reg), 0);
    make_thing("t");
    assert_true(registry_generation(reg) > generation);
    assert_int_equal(registry_after(reg), store_issued(store));
    generation = registry_generation(reg);
    FAULT(registry_describe_thing(reg, s("u"), NULL, &fault), ResourceNotFoundException, "u");
    assert_int_equal(registry_generation(reg), generation);

    struct store_progress progress;
    store_poll(store, &progress);
    assert_true(progress.durable >= registry_after(reg));
    assert_int_equal(registry_reload(reg), ELO_OK);
    assert_int_equal(registry_after(reg), 0);
    assert_true(registry_generation(reg) > generation);
    assert_non_null(registry_thing(reg, s("t")));
}

static void statuses_have_names(void **state)
{
    (void)state;
    enum certificate_status status = CERTIFICATE_ACTIVE;
    for (int i = CERTIFICATE_ACTIVE; i <= CERTIFICATE_PENDING_ACTIVATION; i++) {
        const char *name = certificate_status_name((enum certificate_status)i);
        assert_true(certificate_status_parse(s(name), &status));
        assert_int_equal(status, i);
    }
    assert_false(certificate_status_parse(s("active"), &status));
    assert_false(certificate_status_parse(s(""), &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(thing_is_created_and_described),
        TEST(identical_create_is_idempotent),
        TEST(thing_names_follow_the_pattern),
        TEST(attributes_have_limits),
        TEST(update_replaces_merges_and_removes),
        TEST(expected_version_is_checked),
        TEST(thing_types_do_not_exist),
        TEST(certificate_is_registered_once),
        TEST(certificate_arguments_are_checked),
        TEST(certificate_status_changes),
        TEST(certificate_deletion_is_guarded),
        TEST(policy_is_created_once),
        TEST(policy_has_five_versions),
        TEST(policy_deletion_is_guarded),
        TEST(version_ids_are_numbers),
        TEST(certificate_takes_ten_policies),
        TEST(policy_targets_are_checked),
        TEST(thing_principals_attach_and_detach),
        TEST(exclusive_is_the_only_one),
        TEST(attached_again_may_keep_its_type),
        TEST(another_region_keeps_attachments),
        TEST(configuration_is_checked),
        TEST(generation_and_after_follow_changes),
        TEST(statuses_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
