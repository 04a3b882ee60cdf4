// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The registry's rarer resources: thing types, thing groups, CA certificates, provisioning
 * templates; and changes of several resources as one. Included by registry.h. All that write.h says
 * of checks, memory, results and listings holds here.
 *
 * Facts: "Thing types", "Static thing groups", "Register a CA certificate", "Provisioning
 * templates" (AWS IoT Developer Guide) and the service model's shapes.
 */
#ifndef ELO_SERVER_REGISTRY_FLEET_H
#define ELO_SERVER_REGISTRY_FLEET_H

#include "server/registry/registry.h"

/* --- several operations as one ----------------------------------------------------------- */

/*
 * Between begin and commit the operations named here change memory and share one batch, which is
 * submitted by commit: all of them are stored, or none. They are: create and update thing, register
 * and update certificate, create policy, attach policy, attach thing principal, add to and remove
 * from a thing group. No other operation that writes may be called meanwhile, and no second begin.
 * After any failure, or a change of mind, rollback leaves memory as it was at begin.
 */
ELO_MUST_USE bool registry_begin(struct registry *reg); /* false: out of memory */
/* InternalFailure (out of memory): everything was rolled back. */
aws_error registry_commit(struct registry *reg, struct aws_fault *fault);
void registry_rollback(struct registry *reg);

/* --- thing types ------------------------------------------------------------------------- */

struct thing_type {
    elo_span name;
    elo_span id;
    elo_span description;
    elo_span searchable[3]; /* names of attributes */
    size_t searchable_count;
    int64_t created_ms;
    int64_t deprecated_ms; /* 0: it is not */
};

struct thing_type_properties {
    elo_span description;
    const elo_span *searchable;
    size_t searchable_count;
};

/* CreateThingType. AWS_OK also when the same exists. InvalidRequest; ResourceAlreadyExists. */
aws_error registry_create_thing_type(struct registry *reg,
                                     elo_span name,
                                     const struct thing_type_properties *properties,
                                     int64_t now_ms,
                                     const struct thing_type **out,
                                     struct aws_fault *fault);
/* UpdateThingType: replaces the properties. ResourceNotFound, InvalidRequest. */
aws_error registry_update_thing_type(struct registry *reg,
                                     elo_span name,
                                     const struct thing_type_properties *properties,
                                     struct aws_fault *fault);
/* DeprecateThingType; `undo` takes it back. ResourceNotFound. */
aws_error registry_deprecate_thing_type(
    struct registry *reg, elo_span name, bool undo, int64_t now_ms, struct aws_fault *fault);
/*
 * DeleteThingType. InvalidRequest unless it is deprecated (for five minutes, by the switch
 * "thing-type-delete") and no thing has it. ResourceNotFound.
 */
aws_error registry_delete_thing_type(struct registry *reg,
                                     elo_span name,
                                     int64_t now_ms,
                                     struct aws_fault *fault);
aws_error registry_describe_thing_type(const struct registry *reg,
                                       elo_span name,
                                       const struct thing_type **out,
                                       struct aws_fault *fault);

typedef void registry_each_type(void *ctx, const struct thing_type *type);
/* ListThingTypes. `only` (empty: all) is a name. */
void registry_list_thing_types(const struct registry *reg,
                               elo_span only,
                               const struct registry_page *page,
                               registry_each_type *each,
                               void *ctx,
                               struct registry_next *next);

/* --- thing groups ------------------------------------------------------------------------ */

struct thing_group {
    elo_span name;
    elo_span id;
    elo_span arn;
    elo_span description;
    elo_span parent_name;                     /* empty: a root */
    const struct thing_group *parent;         /* NULL: a root */
    const struct thing_attribute *attributes; /* sorted by name */
    size_t attribute_count;
    int64_t version;
    int64_t created_ms;
};

struct thing_group_change {
    bool has_description;
    elo_span description;
    bool has_attributes;
    const struct thing_attribute *attributes;
    size_t attribute_count;
    bool merge;
    bool has_expected_version;
    int64_t expected_version;
};

/*
 * CreateThingGroup. AWS_OK also when the same exists. `parent` empty: a root. InvalidRequest: also
 * deeper than 7 levels, or more than 100 children; ResourceNotFound: parent; ResourceAlreadyExists.
 */
aws_error registry_create_thing_group(struct registry *reg,
                                      elo_span name,
                                      elo_span parent,
                                      const struct thing_group_change *change,
                                      int64_t now_ms,
                                      const struct thing_group **out,
                                      struct aws_fault *fault);
/* UpdateThingGroup. ResourceNotFound, VersionConflict, InvalidRequest. The version grows by one. */
aws_error registry_update_thing_group(struct registry *reg,
                                      elo_span name,
                                      const struct thing_group_change *change,
                                      const struct thing_group **out,
                                      struct aws_fault *fault);
/*
 * DeleteThingGroup. AWS_OK also when there is none; its things leave it, its policies are detached.
 * InvalidRequest while it has children; VersionConflict.
 */
aws_error registry_delete_thing_group(struct registry *reg,
                                      elo_span name,
                                      const int64_t *expected_version,
                                      struct aws_fault *fault);
aws_error registry_describe_thing_group(const struct registry *reg,
                                        elo_span name,
                                        const struct thing_group **out,
                                        struct aws_fault *fault);

/* The group that an ARN of this account and region names; NULL: none. */
const struct thing_group *registry_group_of_arn(const struct registry *reg, elo_span arn);

struct thing_group_filter {
    elo_span parent; /* empty: none given */
    elo_span prefix; /* of the name; empty: none given */
    bool recursive;  /* not only direct children (of the parent, or roots) */
};

typedef void registry_each_group(void *ctx, const struct thing_group *group);
/* ListThingGroups. ResourceNotFound: parent. */
aws_error registry_list_thing_groups(const struct registry *reg,
                                     const struct thing_group_filter *filter,
                                     const struct registry_page *page,
                                     registry_each_group *each,
                                     void *ctx,
                                     struct registry_next *next,
                                     struct aws_fault *fault);

/*
 * AddThingToThingGroup. A member already: AWS_OK. InvalidRequest: in 10 groups already, or in
 * another group of the same hierarchy; ResourceNotFound.
 */
aws_error registry_add_to_group(struct registry *reg,
                                elo_span group,
                                elo_span thing,
                                struct aws_fault *fault);
/* RemoveThingFromThingGroup. No member: AWS_OK. ResourceNotFound: group or thing. */
aws_error registry_remove_from_group(struct registry *reg,
                                     elo_span group,
                                     elo_span thing,
                                     struct aws_fault *fault);
/* UpdateThingGroupsForThing: removes, then adds, all or nothing. */
aws_error registry_change_groups(struct registry *reg,
                                 elo_span thing,
                                 const elo_span *remove,
                                 size_t remove_count,
                                 const elo_span *add,
                                 size_t add_count,
                                 struct aws_fault *fault);

/* ListThingsInThingGroup; `recursive` adds those of groups below. ResourceNotFound. */
aws_error registry_list_things_in_group(const struct registry *reg,
                                        elo_span group,
                                        bool recursive,
                                        const struct registry_page *page,
                                        registry_each_thing *each,
                                        void *ctx,
                                        struct registry_next *next,
                                        struct aws_fault *fault);
/* ListThingGroupsForThing: its groups and, as on AWS, those above them. ResourceNotFound. */
aws_error registry_list_groups_of_thing(const struct registry *reg,
                                        elo_span thing,
                                        const struct registry_page *page,
                                        registry_each_group *each,
                                        void *ctx,
                                        struct registry_next *next,
                                        struct aws_fault *fault);
/* The groups the thing was added to, by name; false from `each` ends it. */
void registry_each_group_of(const struct registry *reg,
                            elo_span thing,
                            bool (*each)(void *ctx, const struct thing_group *group),
                            void *ctx);

/* --- CA certificates --------------------------------------------------------------------- */

struct ca_certificate {
    elo_span id;
    elo_span pem;
    elo_span mode;    /* "DEFAULT", "SNI_ONLY" */
    elo_span subject; /* pki_certificate.subject: by it issued certificates find their CA */
    elo_span generation_id;
    bool active;
    bool auto_registration;
    elo_span template_name; /* registrationConfig: empty if not given */
    elo_span template_body;
    elo_span role_arn;
    int64_t created_ms;
    int64_t modified_ms;
    int64_t not_before_s;
    int64_t not_after_s;
    int64_t customer_version;
};

/*
 * RegisterCACertificate: the members of `fresh` up to role_arn and the dates count, but for the
 * generation id. What is in the certificates themselves has been checked (server/pki).
 * InvalidRequest: registration configuration; ResourceNotFound: template; ResourceAlreadyExists;
 * LimitExceeded: 10 CAs have this subject.
 */
aws_error registry_register_ca(struct registry *reg,
                               const struct ca_certificate *fresh,
                               int64_t now_ms,
                               const struct ca_certificate **out,
                               struct aws_fault *fault);

struct ca_change {
    bool has_status;
    bool active;
    bool has_auto_registration;
    bool auto_registration;
    bool has_config;
    elo_span template_name;
    elo_span template_body;
    elo_span role_arn;
    bool remove; /* removeAutoRegistration: off, and no configuration */
};

/* UpdateCACertificate. ResourceNotFound, InvalidRequest. */
aws_error registry_update_ca(struct registry *reg,
                             elo_span id,
                             const struct ca_change *change,
                             int64_t now_ms,
                             struct aws_fault *fault);
/* DeleteCACertificate. CertificateState while ACTIVE; ResourceNotFound. */
aws_error registry_delete_ca(struct registry *reg, elo_span id, struct aws_fault *fault);
aws_error registry_describe_ca(const struct registry *reg,
                               elo_span id,
                               const struct ca_certificate **out,
                               struct aws_fault *fault);

typedef void registry_each_ca(void *ctx, const struct ca_certificate *ca);
/* ListCACertificates, by registration date. `template_name` (empty: all). */
void registry_list_cas(const struct registry *reg,
                       elo_span template_name,
                       const struct registry_page *page,
                       registry_each_ca *each,
                       void *ctx,
                       struct registry_next *next);
/* CAs with this subject; false from `each` ends it. */
void registry_each_ca_of(const struct registry *reg,
                         elo_span subject,
                         bool (*each)(void *ctx, const struct ca_certificate *ca),
                         void *ctx);
/* ListCertificatesByCA. InvalidRequest: no certificate id. */
aws_error registry_list_certificates_of_ca(const struct registry *reg,
                                           elo_span ca_id,
                                           const struct registry_page *page,
                                           registry_each_certificate *each,
                                           void *ctx,
                                           struct registry_next *next,
                                           struct aws_fault *fault);

/* GetRegistrationCode: 64 hex, made at the first call. */
aws_error registry_registration_code(struct registry *reg, elo_span *out, struct aws_fault *fault);
/* The same without making one; empty: there is none. */
elo_span registry_registration_code_now(const struct registry *reg);
/* DeleteRegistrationCode. ResourceNotFound: there is none. */
aws_error registry_delete_registration_code(struct registry *reg, struct aws_fault *fault);

/* --- provisioning templates -------------------------------------------------------------- */

struct template_version {
    int64_t version;
    elo_span body;
    int64_t created_ms;
};

struct provisioning_template {
    elo_span name;
    elo_span type; /* "FLEET_PROVISIONING", "JITP" */
    elo_span description;
    elo_span role_arn;
    elo_span hook; /* preProvisioningHook as JSON; empty: none */
    bool enabled;
    const struct template_version *versions; /* by version */
    size_t version_count;
    int64_t default_version;
    int64_t created_ms;
    int64_t modified_ms;
};

/* NULL: none. */
const struct provisioning_template *registry_template(const struct registry *reg, elo_span name);
const struct template_version *registry_template_version(const struct provisioning_template *t,
                                                         int64_t version);

/*
 * CreateProvisioningTemplate: name, type, description, role_arn, hook and enabled of `fresh` count.
 * That `body` is a template has been checked. InvalidRequest, ResourceAlreadyExists.
 */
aws_error registry_create_template(struct registry *reg,
                                   const struct provisioning_template *fresh,
                                   elo_span body,
                                   int64_t now_ms,
                                   const struct provisioning_template **out,
                                   struct aws_fault *fault);
/* CreateProvisioningTemplateVersion. ResourceNotFound, VersionsLimitExceeded (5). */
aws_error registry_create_template_version(struct registry *reg,
                                           elo_span name,
                                           elo_span body,
                                           bool set_default,
                                           int64_t now_ms,
                                           int64_t *out_version,
                                           struct aws_fault *fault);

struct template_change {
    bool has_description;
    elo_span description;
    bool has_enabled;
    bool enabled;
    bool has_role_arn;
    elo_span role_arn;
    bool has_hook;
    elo_span hook; /* empty: remove */
    bool has_default_version;
    int64_t default_version;
};

/* UpdateProvisioningTemplate. ResourceNotFound: template or version; InvalidRequest. */
aws_error registry_update_template(struct registry *reg,
                                   elo_span name,
                                   const struct template_change *change,
                                   int64_t now_ms,
                                   struct aws_fault *fault);
/* DeleteProvisioningTemplate. DeleteConflict with other versions left, or while a CA names it. */
aws_error registry_delete_template(struct registry *reg, elo_span name, struct aws_fault *fault);
/* DeleteProvisioningTemplateVersion. DeleteConflict for the default; ResourceNotFound. */
aws_error registry_delete_template_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault);
aws_error registry_describe_template(const struct registry *reg,
                                     elo_span name,
                                     const struct provisioning_template **out,
                                     struct aws_fault *fault);

typedef void registry_each_template(void *ctx, const struct provisioning_template *t);
void registry_list_templates(const struct registry *reg,
                             const struct registry_page *page,
                             registry_each_template *each,
                             void *ctx,
                             struct registry_next *next);

#endif
