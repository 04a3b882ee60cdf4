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
