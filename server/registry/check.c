// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the string constraints of the service model as a table, checked in the order and
 * told in the words of AWS's validation. What a message quotes is cut short and made printable, for
 * it travels in JSON, headers and logs.
 */
#include <stdio.h>

#include "server/registry/internal.h"

struct rule {
    const char *member;
    const char *pattern;
    const char *extra; /* what is allowed besides letters and digits */
    size_t min;
    size_t max;
};

static const struct rule thing_name = {"thingName", "[a-zA-Z0-9:_-]+", ":_-", 1, LIMIT_NAME_BYTES};
static const struct rule type_name = {"thingTypeName", "[a-zA-Z0-9:_-]+", ":_-", 1,
                                      LIMIT_NAME_BYTES};
static const struct rule group_name = {"thingGroupName", "[a-zA-Z0-9:_-]+", ":_-", 1,
                                       LIMIT_NAME_BYTES};
static const struct rule template_name = {"templateName", "[0-9A-Za-z_-]+", "_-", 1,
                                          LIMIT_TEMPLATE_NAME_BYTES};
static const struct rule role_arn = {
    "roleArn", "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+", ":+=,.@-_/", 20,
    LIMIT_ROLE_ARN_BYTES};
static const struct rule policy_name = {"policyName", "[\\w+=,.@-]+", "_+=,.@-", 1,
                                        LIMIT_NAME_BYTES};
static const struct rule attribute_name = {"attributePayload.attributes", "[a-zA-Z0-9_.,@/:#-]+",
                                           "_.,@/:#-", 1, LIMIT_ATTRIBUTE_NAME_BYTES};
static const struct rule attribute_value = {"attributePayload.attributes",
                                            "[a-zA-Z0-9_.,@/:#=\\[\\]-]*", "_.,@/:#=[]-", 0,
                                            LIMIT_ATTRIBUTE_VALUE_BYTES};
static const struct rule certificate_id = {"certificateId", "(0x)?[a-fA-F0-9]+", "", 64, 64};

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void printable(elo_span text, char out[161])
{
    size_t len = text.len < 160 ? text.len : 160;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text.ptr[i];
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    out[len] = '\0';
}

static aws_error
violates(const struct rule *rule, elo_span value, struct aws_fault *fault, const char *constraint)
{
    char shown[161];
    printable(value, shown);
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "1 validation error detected: Value '%s' at '%s' failed to satisfy "
                         "constraint: Member must %s",
                         shown, rule->member, constraint);
}

static bool matches(const struct rule *rule, elo_span value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (!is_alnum(c) && (c == '\0' || !strchr(rule->extra, c))) {
            return false;
        }
    }
    return true;
}

static aws_error check(const struct rule *rule, elo_span value, struct aws_fault *fault)
{
    char constraint[160];
    if (value.len > rule->max) {
        (void)snprintf(constraint, sizeof constraint, "have length less than or equal to %zu",
                       rule->max);
        return violates(rule, value, fault, constraint);
    }
    if (value.len < rule->min) {
        (void)snprintf(constraint, sizeof constraint, "have length greater than or equal to %zu",
                       rule->min);
        return violates(rule, value, fault, constraint);
    }
    if (!matches(rule, value)) {
        (void)snprintf(constraint, sizeof constraint, "satisfy regular expression pattern: %s",
                       rule->pattern);
        return violates(rule, value, fault, constraint);
    }
    return AWS_OK;
}

aws_error registry__check_thing_name(elo_span name, struct aws_fault *fault)
{
    return check(&thing_name, name, fault);
}

aws_error registry__check_type_name(elo_span name, struct aws_fault *fault)
{
    return check(&type_name, name, fault);
}

aws_error registry__check_group_name(elo_span name, struct aws_fault *fault)
{
    return check(&group_name, name, fault);
}

aws_error registry__check_template_name(elo_span name, struct aws_fault *fault)
{
    return check(&template_name, name, fault);
}

aws_error registry__check_role_arn(elo_span arn, struct aws_fault *fault)
{
    aws_error error = check(&role_arn, arn, fault);
    if (!error && !elo_span_starts_with(arn, ELO_SPAN("arn:"))) {
        return violates(&role_arn, arn, fault,
                        "satisfy regular expression pattern: arn:...:iam::"
                        "ACCOUNT:role/NAME");
    }
    return error;
}

aws_error
registry__check_description(const char *member, elo_span text, size_t max, struct aws_fault *fault)
{
    size_t characters = 0;
    bool printing = true;
    for (size_t i = 0; i < text.len; i++) {
        characters += (text.ptr[i] & 0xc0) != 0x80;
        printing = printing && text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f;
    }
    if (characters <= max && printing) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_InvalidRequestException,
                         "1 validation error detected: Value at '%s' failed to satisfy constraint: "
                         "Member must have length less than or equal to %zu and no control "
                         "characters",
                         member, max);
}

aws_error registry__check_attribute_name(const char *member, elo_span name, struct aws_fault *fault)
{
    struct rule rule = attribute_name;
    rule.member = member;
    return check(&rule, name, fault);
}

aws_error registry__check_policy_name(elo_span name, struct aws_fault *fault)
{
    return check(&policy_name, name, fault);
}

aws_error registry__check_certificate_id(elo_span id, struct aws_fault *fault)
{
    aws_error error = check(&certificate_id, id, fault);
    if (error) {
        return error;
    }
    bool prefixed = elo_span_starts_with(id, ELO_SPAN("0x"));
    for (size_t i = prefixed ? 2 : 0; i < id.len; i++) {
        if (!is_hex(id.ptr[i])) {
            return violates(&certificate_id, id, fault,
                            "satisfy regular expression pattern: (0x)?[a-fA-F0-9]+");
        }
    }
    return AWS_OK;
}

aws_error registry__check_attribute(const struct thing_attribute *attribute,
                                    struct aws_fault *fault)
{
    aws_error error = check(&attribute_name, attribute->name, fault);
    return error ? error : check(&attribute_value, attribute->value, fault);
}

/* --- finding what a request names -------------------------------------------------------- */

aws_error registry__find_thing(const struct registry *reg,
                               elo_span name,
                               struct thing_entry **out,
                               struct aws_fault *fault)
{
    aws_error error = registry__check_thing_name(name, fault);
    if (error) {
        return error;
    }
    *out = registry__thing(reg, name);
    if (!*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException, "Thing %.*s not found.",
                             REGISTRY_TEXT(name));
    }
    return AWS_OK;
}

aws_error registry__find_certificate(const struct registry *reg,
                                     elo_span id,
                                     struct certificate_entry **out,
                                     struct aws_fault *fault)
{
    aws_error error = registry__check_certificate_id(id, fault);
    if (error) {
        return error;
    }
    *out = registry__certificate(reg, id);
    if (!*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "The certificate given in the request does not exist (id=%.*s)",
                             REGISTRY_TEXT(id));
    }
    return AWS_OK;
}

aws_error registry__find_policy(const struct registry *reg,
                                elo_span name,
                                struct policy_entry **out,
                                struct aws_fault *fault)
{
    aws_error error = registry__check_policy_name(name, fault);
    if (error) {
        return error;
    }
    *out = registry__policy(reg, name);
    if (!*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException, "Policy not found (name=%.*s)",
                             REGISTRY_TEXT(name));
    }
    return AWS_OK;
}

aws_error registry__find_type(const struct registry *reg,
                              elo_span name,
                              struct type_entry **out,
                              struct aws_fault *fault)
{
    aws_error error = registry__check_type_name(name, fault);
    *out = error ? NULL : registry__type(reg, name);
    if (!error && !*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException, "Thing type %.*s not found.",
                             REGISTRY_TEXT(name));
    }
    return error;
}

aws_error registry__find_group(const struct registry *reg,
                               elo_span name,
                               struct group_entry **out,
                               struct aws_fault *fault)
{
    aws_error error = registry__check_group_name(name, fault);
    *out = error ? NULL : registry__group(reg, name);
    if (!error && !*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException, "Thing group %.*s not found.",
                             REGISTRY_TEXT(name));
    }
    return error;
}

aws_error registry__find_ca(const struct registry *reg,
                            elo_span id,
                            struct ca_entry **out,
                            struct aws_fault *fault)
{
    aws_error error = registry__check_certificate_id(id, fault);
    *out = error ? NULL : map_get(&reg->state.cas.map, id);
    if (!error && !*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "The CA certificate given in the request does not exist (id=%.*s)",
                             REGISTRY_TEXT(id));
    }
    return error;
}

aws_error registry__find_template(const struct registry *reg,
                                  elo_span name,
                                  struct template_entry **out,
                                  struct aws_fault *fault)
{
    aws_error error = registry__check_template_name(name, fault);
    *out = error ? NULL : map_get(&reg->state.templates.map, name);
    if (!error && !*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "Provisioning template %.*s not found.", REGISTRY_TEXT(name));
    }
    return error;
}

static bool name_of_group_arn(const struct registry *reg, elo_span arn, elo_span *out)
{
    char prefix[REGISTRY_ARN_BYTES];
    size_t len = registry_arn(reg, "thinggroup", elo_span_of("", 0), prefix);
    if (!elo_span_starts_with(arn, elo_span_of(prefix, len))) {
        return false;
    }
    *out = elo_span_from(arn, len);
    return true;
}

const struct thing_group *registry_group_of_arn(const struct registry *reg, elo_span arn)
{
    elo_span name;
    const struct group_entry *group =
        name_of_group_arn(reg, arn, &name) ? registry__group(reg, name) : NULL;
    return group ? &group->pub : NULL;
}

aws_error registry__find_target(const struct registry *reg,
                                elo_span arn,
                                struct target **out,
                                struct aws_fault *fault)
{
    elo_span name;
    if (name_of_group_arn(reg, arn, &name)) {
        struct group_entry *group = registry__group(reg, name);
        char shown[161];
        printable(arn, shown);
        *out = group ? &group->target : NULL;
        return group ? AWS_OK
                     : aws_fault_set(fault, AWS_ResourceNotFoundException,
                                     "No thing group with ARN %s exists", shown);
    }
    struct certificate_entry *certificate = NULL;
    aws_error error = registry__find_principal(reg, arn, &certificate, fault);
    *out = error ? NULL : &certificate->target;
    return error;
}

aws_error registry__find_principal(const struct registry *reg,
                                   elo_span arn,
                                   struct certificate_entry **out,
                                   struct aws_fault *fault)
{
    char shown[161];
    printable(arn, shown);
    if (!elo_span_starts_with(arn, ELO_SPAN("arn:"))) {
        return aws_fault_set(fault, AWS_InvalidRequestException,
                             "Invalid Target: '%s' is not the ARN of a certificate", shown);
    }
    *out = registry__of_arn(reg, arn);
    if (!*out) {
        return aws_fault_set(fault, AWS_ResourceNotFoundException,
                             "The certificate given in the request does not exist (arn: %s)",
                             shown);
    }
    return AWS_OK;
}

/* --- faults ------------------------------------------------------------------------------ */

aws_error registry__out_of_memory(struct aws_fault *fault)
{
    return aws_fault_set(fault, AWS_InternalFailureException,
                         "The server is out of memory; nothing was changed");
}

aws_error registry__exists(struct aws_fault *fault,
                           const struct registry *reg,
                           const char *kind,
                           elo_span name,
                           elo_span id,
                           const char *message)
{
    (void)aws_fault_set(fault, AWS_ResourceAlreadyExistsException, "%s", message);
    (void)snprintf(fault->resource_id, sizeof fault->resource_id, "%.*s", REGISTRY_TEXT(id));
    (void)registry_arn(reg, kind, name, fault->resource_arn);
    return AWS_ResourceAlreadyExistsException;
}
