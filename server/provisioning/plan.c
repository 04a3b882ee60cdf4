// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* From a template and its parameters to what shall be there: things, certificates, policies. */
#include "server/base/text.h"
#include "server/provisioning/internal.h"

/* A property as text; AWS_OK with an empty span when it is not there. */
static aws_error property(struct run *run, elo_span properties, const char *name, elo_span *out)
{
    elo_span raw;
    *out = elo_span_of(NULL, 0);
    return json_member(properties, name, &raw) ? value_text(run, raw, name, out) : AWS_OK;
}

/* OverrideSettings of a resource, by name. */
static aws_error
take_override(struct run *run, elo_span resource, const char *name, bool merge, enum override *out)
{
    static const char *const words[] = {[OVERRIDE_DO_NOTHING] = "DO_NOTHING",
                                        [OVERRIDE_REPLACE] = "REPLACE",
                                        [OVERRIDE_FAIL] = "FAIL",
                                        [OVERRIDE_MERGE] = "MERGE"};
    elo_span settings;
    elo_span word;
    *out = OVERRIDE_UNSAID;
    if (!json_member(resource, "OverrideSettings", &settings)) {
        return AWS_OK;
    }
    aws_error error = property(run, settings, name, &word);
    if (error != AWS_OK || word.len == 0) {
        return error;
    }
    for (enum override o = OVERRIDE_DO_NOTHING; o <= OVERRIDE_MERGE; o++) {
        if (text_same(word, elo_span_str(words[o])) && (merge || o != OVERRIDE_MERGE)) {
            *out = o;
            return AWS_OK;
        }
    }
    return run_refuse(run, "OverrideSettings %s is \"%.*s\"; it may be DO_NOTHING, REPLACE, FAIL%s",
                      name, SHOWN(word), merge ? ", MERGE" : "");
}

/* --- things ---------------------------------------------------------------------------------- */

static aws_error take_attributes(struct run *run, elo_span properties, struct thing_plan *plan)
{
    struct walker w;
    struct elo_json_token key;
    elo_span raw;
    elo_span payload;
    if (!json_member(properties, "AttributePayload", &payload)) {
        return AWS_OK;
    }
    if (!walk_begin(&w, payload, true)) {
        return run_refuse(run, "AttributePayload must be an object");
    }
    aws_error error = AWS_OK;
    while (error == AWS_OK && walk_next(&w, &key, &raw)) {
        if (plan->attribute_count == LIMIT_ATTRIBUTES) {
            return run_refuse(run, "AttributePayload has more than %u attributes",
                              LIMIT_ATTRIBUTES);
        }
        struct thing_attribute *attribute = &plan->attributes[plan->attribute_count++];
        error = read_key(run, &key, &attribute->name);
        error = error ? error : value_text(run, raw, "AttributePayload", &attribute->value);
    }
    return error;
}

static aws_error take_groups(struct run *run, elo_span properties, struct thing_plan *plan)
{
    elo_span raw;
    struct value_list list;
    if (!json_member(properties, "ThingGroups", &raw)) {
        return AWS_OK;
    }
    aws_error error = value_list(run, raw, "ThingGroups", &list);
    if (error == AWS_OK && list.count > THING_GROUPS_MAX) {
        error = run_refuse(run, "ThingGroups has %zu groups, a thing can be in %u", list.count,
                           THING_GROUPS_MAX);
    }
    for (size_t i = 0; error == AWS_OK && i < list.count; i++) {
        plan->groups[plan->group_count++] = list.items[i];
    }
    return error;
}

static aws_error take_thing(struct run *run, elo_span logical, elo_span resource, struct plan *plan)
{
    struct thing_plan *thing = &plan->thing;
    elo_span properties = elo_span_of(NULL, 0);
    elo_span billing;
    if (thing->is_there) {
        return run_refuse(run, "there is more than one AWS::IoT::Thing");
    }
    (void)json_member(resource, "Properties", &properties);
    thing->is_there = true;
    thing->logical = logical;
    aws_error error = property(run, properties, "ThingName", &thing->name);
    error = error ? error : property(run, properties, "ThingTypeName", &thing->type);
    error = error ? error : property(run, properties, "BillingGroup", &billing);
    error = error ? error : take_attributes(run, properties, thing);
    error = error ? error : take_groups(run, properties, thing);
    error =
        error ? error
              : take_override(run, resource, "AttributePayload", true, &thing->attributes_override);
    error =
        error ? error : take_override(run, resource, "ThingTypeName", false, &thing->type_override);
    error =
        error ? error : take_override(run, resource, "ThingGroups", true, &thing->groups_override);
    if (error == AWS_OK && thing->name.len == 0) {
        error = run_refuse(run, "resource %.*s has no ThingName", SHOWN(logical));
    }
    if (error == AWS_OK && billing.len > 0) {
        error = run_refuse(run, "BillingGroup %.*s: there are no billing groups on the desk",
                           SHOWN(billing));
    }
    return error;
}

/* --- certificates ---------------------------------------------------------------------------- */

static aws_error take_status(struct run *run, elo_span properties, struct certificate_plan *plan)
{
    elo_span status;
    aws_error error = property(run, properties, "Status", &status);
    plan->active = status.len == 0 || text_same(status, ELO_SPAN("ACTIVE"));
    if (error == AWS_OK && !plan->active && !text_same(status, ELO_SPAN("INACTIVE"))) {
        error = run_refuse(run, "Status of a certificate is \"%.*s\"; it may be ACTIVE or INACTIVE",
                           SHOWN(status));
    }
    return error;
}

static aws_error
take_certificate(struct run *run, elo_span logical, elo_span resource, struct plan *plan)
{
    struct certificate_plan *certificate = &plan->certificate;
    elo_span properties = elo_span_of(NULL, 0);
    if (certificate->is_there) {
        return run_refuse(run, "there is more than one AWS::IoT::Certificate");
    }
    (void)json_member(resource, "Properties", &properties);
    certificate->is_there = true;
    certificate->logical = logical;
    aws_error error = property(run, properties, "CertificateId", &certificate->id);
    error =
        error ? error : property(run, properties, "CertificateSigningRequest", &certificate->csr);
    error = error ? error : property(run, properties, "CertificatePem", &certificate->pem);
    error = error ? error : property(run, properties, "CACertificatePem", &certificate->ca_pem);
    error = error ? error : take_status(run, properties, certificate);
    error = error ? error
                  : take_override(run, resource, "Status", false, &certificate->status_override);
    unsigned given = (certificate->id.len > 0 ? 1u : 0u) + (certificate->csr.len > 0 ? 1u : 0u) +
                     (certificate->pem.len > 0 ? 1u : 0u);
    if (error == AWS_OK && given != 1) {
        error = run_refuse(run,
                           "resource %.*s must have one of CertificateId, "
                           "CertificateSigningRequest and CertificatePem",
                           SHOWN(logical));
    }
    elo_span own = run->request->certificate_id;
    if (error == AWS_OK && own.len > 0 && !elo_span_eq(certificate->id, own)) {
        error = run_refuse(run,
                           "resource %.*s must have CertificateId {\"Ref\": "
                           "\"AWS::IoT::Certificate::Id\"}, the device's own certificate",
                           SHOWN(logical));
    }
    return error;
}

/* --- policies -------------------------------------------------------------------------------- */

/* As an object, or as a text that is one. */
static aws_error take_document(struct run *run, elo_span raw, elo_span *out)
{
    elo_span argument;
    struct elo_json_token key;
    struct walker w;
    bool function = walk_begin(&w, raw, true) && walk_next(&w, &key, &argument) &&
                    (elo_json_token_is(&key, ELO_SPAN("Ref")) ||
                     elo_span_starts_with(key.raw, ELO_SPAN("Fn::")));
    if (function || !json_is(raw, '{')) {
        return value_text(run, raw, "PolicyDocument", out);
    }
    struct buf document;
    buf_init(&document, VALUE_BYTES);
    aws_error error = value_json(run, raw, "PolicyDocument", &document);
    elo_span text = buf_span(&document);
    uint8_t *copy = error == AWS_OK ? run_alloc(run, text.len) : NULL;
    if (copy != NULL) {
        memcpy(copy, text.ptr, text.len);
    } else if (error == AWS_OK) {
        error = run_no_memory(run);
    }
    *out = elo_span_of(copy, text.len);
    buf_free(&document);
    return error;
}

static aws_error
take_policy(struct run *run, elo_span logical, elo_span resource, struct plan *plan)
{
    elo_span properties = elo_span_of(NULL, 0);
    elo_span raw;
    if (plan->policy_count == POLICIES_MAX) {
        return run_refuse(run, "there are more than %u policies", POLICIES_MAX);
    }
    struct policy_plan *policy = &plan->policies[plan->policy_count++];
    policy->logical = logical;
    (void)json_member(resource, "Properties", &properties);
    aws_error error = property(run, properties, "PolicyName", &policy->name);
    if (error == AWS_OK && json_member(properties, "PolicyDocument", &raw)) {
        error = take_document(run, raw, &policy->document);
    }
    if (error == AWS_OK && (policy->name.len > 0) == (policy->document.len > 0)) {
        error = run_refuse(run, "resource %.*s must have either PolicyName or PolicyDocument",
                           SHOWN(logical));
    }
    return error;
}

/* --- all ------------------------------------------------------------------------------------- */

aws_error make_plan(struct run *run, struct plan *plan)
{
    struct walker w;
    struct elo_json_token key;
    elo_span resource;
    *plan = (struct plan){.policy_count = 0};
    aws_error error = check_parameters(run);
    (void)walk_begin(&w, run->resources, true);
    while (error == AWS_OK && walk_next(&w, &key, &resource)) {
        elo_span logical;
        elo_span type;
        error = read_key(run, &key, &logical);
        (void)json_member(resource, "Type", &type);
        error = error ? error : read_text(run, type, "Type", &type);
        if (error != AWS_OK) {
            return error;
        }
        error = elo_span_eq(type, ELO_SPAN("AWS::IoT::Thing"))
                    ? take_thing(run, logical, resource, plan)
                : elo_span_eq(type, ELO_SPAN("AWS::IoT::Certificate"))
                    ? take_certificate(run, logical, resource, plan)
                    : take_policy(run, logical, resource, plan);
    }
    if (error == AWS_OK && plan->policy_count > 0 && !plan->certificate.is_there) {
        error = run_refuse(run, "there are policies, but no certificate to attach them to");
    }
    return error;
}
