// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The registry's write side and its listings: one call for each operation of the AWS IoT control
 * plane on things, certificates, policies and attachments. Included by registry.h.
 *
 * Every call that changes something checks everything first, then changes memory and submits one
 * batch; on any answer but AWS_OK nothing was changed, in memory or in the store. Out of memory is
 * AWS_InternalFailureException. `fault` is written only on failure; its message is AWS's.
 *
 * Names, ids and ARNs come as the request had them: the patterns and lengths of the service model
 * are checked here ("1 validation error detected: Value 'a b' at 'thingName' failed to ..."), also
 * certificate ids, version ids and ARNs. What is NOT checked here: that a policy document is one
 * (policy_parse first), and that a certificate's id belongs to its PEM (pki_certificate_read).
 *
 * `now_ms` is Unix time in milliseconds. Results (`out`) are borrowed like those of registry.h:
 * until the next call that changes the registry. An `out` may be NULL.
 *
 * Listings give one page in a fixed order. A page begins after a key (what the page before gave as
 * `next`), so that pages neither repeat nor lose items that are there all the time, whatever is
 * created or deleted between two pages. Keys are printable ASCII; the API makes its opaque token
 * of one (base64) and hands it back. Any bytes are accepted as a key: a made-up one only begins
 * somewhere else. Orders: things, attached names and ARNs by name; certificates and policies by
 * creation date, as AWS orders them; versions by number.
 */
#ifndef ELO_SERVER_REGISTRY_WRITE_H
#define ELO_SERVER_REGISTRY_WRITE_H

#include "server/registry/registry.h"

/* Room for "arn:aws:iot:REGION:ACCOUNT:KIND/NAME" with the longest of each, and a NUL. */
#define REGISTRY_ARN_BYTES 256u

/* The ARN of a resource: kind "thing", "cert", "policy". Its length; `name` is cut at 128 bytes. */
size_t registry_arn(const struct registry *reg,
                    const char *kind,
                    elo_span name,
                    char out[REGISTRY_ARN_BYTES]);

/* The certificate that an ARN of this account and region names; NULL: none. */
const struct certificate *registry_certificate_of_arn(const struct registry *reg, elo_span arn);

/* One version of a policy; NULL: none. */
const struct policy_version *registry_policy_version(const struct policy_record *policy,
                                                     int64_t version);

/* A policy version id as the API spells it, "[0-9]+", no sign; false: it is none. */
bool registry_parse_version(elo_span text, int64_t *out);

/* --- things ------------------------------------------------------------------------------ */

struct thing_change {
    elo_span type_name; /* empty: none given */
    bool remove_type;   /* UpdateThing */

    /* attributePayload. Among equal names the last counts; an empty value removes (on create:
     * is left out). Without has_attributes the attributes stay as they are. */
    bool has_attributes;
    const struct thing_attribute *attributes;
    size_t attribute_count;
    bool merge; /* false: replace the whole set */

    bool has_expected_version;
    int64_t expected_version;
};

/*
 * CreateThing. AWS_OK also when the same thing exists (same type and attributes): `*out` is then
 * that one. InvalidRequest, also for a deprecated thing type; ResourceNotFound: thing type;
 * ResourceAlreadyExists with id and ARN of the other.
 */
aws_error registry_create_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                int64_t now_ms,
                                const struct thing **out,
                                struct aws_fault *fault);

/* UpdateThing. InvalidRequest, ResourceNotFound, VersionConflict. The version grows by one. */
aws_error registry_update_thing(struct registry *reg,
                                elo_span name,
                                const struct thing_change *change,
                                const struct thing **out,
                                struct aws_fault *fault);

/*
 * DeleteThing. AWS_OK also when there is no such thing; it leaves its groups. InvalidRequest while
 * a principal is attached; VersionConflict when `expected_version` (NULL: any) is not the thing's.
 */
aws_error registry_delete_thing(struct registry *reg,
                                elo_span name,
                                const int64_t *expected_version,
                                struct aws_fault *fault);

/* DescribeThing: the thing or ResourceNotFound, InvalidRequest. */
aws_error registry_describe_thing(const struct registry *reg,
                                  elo_span name,
                                  const struct thing **out,
                                  struct aws_fault *fault);

/* --- certificates ------------------------------------------------------------------------ */

struct certificate_new {
    elo_span id;                    /* 64 lower-case hex */
    elo_span pem;                   /* canonical, 1 to LIMIT_PEM_BYTES */
    enum certificate_status status; /* ACTIVE, INACTIVE, REVOKED; see `jitr` */
    bool jitr;                      /* PENDING_ACTIVATION is allowed: a device's first connect */
    elo_span mode;                  /* "DEFAULT" or "SNI_ONLY" */
    elo_span ca_id;                 /* empty: none */
    int64_t not_before_s;
    int64_t not_after_s;
};

/*
 * CreateKeysAndCertificate, CreateCertificateFromCsr, RegisterCertificateWithoutCA.
 * InvalidRequest; ResourceAlreadyExists with id and ARN.
 */
aws_error registry_register_certificate(struct registry *reg,
                                        const struct certificate_new *fresh,
                                        int64_t now_ms,
                                        const struct certificate **out,
                                        struct aws_fault *fault);

/*
 * UpdateCertificate: `status` is ACTIVE, INACTIVE or REVOKED. InvalidRequest, ResourceNotFound.
 * The status it has already is AWS_OK and changes nothing.
 */
aws_error registry_update_certificate(struct registry *reg,
                                      elo_span id,
                                      enum certificate_status status,
                                      int64_t now_ms,
                                      struct aws_fault *fault);

/*
 * DeleteCertificate. CertificateState while ACTIVE; DeleteConflict while attached to a thing, or to
 * policies unless `force` (which detaches them); ResourceNotFound, InvalidRequest.
 */
aws_error
registry_delete_certificate(struct registry *reg, elo_span id, bool force, struct aws_fault *fault);

/* DescribeCertificate: the certificate or ResourceNotFound, InvalidRequest. */
aws_error registry_describe_certificate(const struct registry *reg,
                                        elo_span id,
                                        const struct certificate **out,
                                        struct aws_fault *fault);

/* --- policies ---------------------------------------------------------------------------- */

/* CreatePolicy: version 1, the default. InvalidRequest, ResourceAlreadyExists. */
aws_error registry_create_policy(struct registry *reg,
                                 elo_span name,
                                 elo_span document,
                                 int64_t now_ms,
                                 const struct policy_record **out,
                                 struct aws_fault *fault);

/*
 * CreatePolicyVersion. ResourceNotFound, VersionsLimitExceeded (5). `*out_version` is the new
 * version's number.
 */
aws_error registry_create_policy_version(struct registry *reg,
                                         elo_span name,
                                         elo_span document,
                                         bool set_default,
                                         int64_t now_ms,
                                         const struct policy_record **out,
                                         int64_t *out_version,
                                         struct aws_fault *fault);

/* SetDefaultPolicyVersion. ResourceNotFound: policy or version. */
aws_error registry_set_default_policy_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault);

/* DeletePolicyVersion. ResourceNotFound; InvalidRequest for the default version. */
aws_error registry_delete_policy_version(
    struct registry *reg, elo_span name, int64_t version, int64_t now_ms, struct aws_fault *fault);

/* DeletePolicy. ResourceNotFound; DeleteConflict while attached or with other versions left. */
aws_error registry_delete_policy(struct registry *reg, elo_span name, struct aws_fault *fault);

/* GetPolicy: the policy or ResourceNotFound, InvalidRequest. */
aws_error registry_describe_policy(const struct registry *reg,
                                   elo_span name,
                                   const struct policy_record **out,
                                   struct aws_fault *fault);

/* GetPolicyVersion: policy and version, or ResourceNotFound, InvalidRequest. */
aws_error registry_describe_policy_version(const struct registry *reg,
                                           elo_span name,
                                           int64_t version,
                                           const struct policy_record **out_policy,
                                           const struct policy_version **out_version,
                                           struct aws_fault *fault);

/* --- attachments ------------------------------------------------------------------------- */

/*
 * AttachPolicy, AttachPrincipalPolicy. `target` is the ARN of a certificate or a thing group.
 * Attached already: AWS_OK. ResourceNotFound: policy or target; LimitExceeded: 10 policies are on
 * the certificate, or 2 on the group; InvalidRequest.
 */
aws_error registry_attach_policy(struct registry *reg,
                                 elo_span policy,
                                 elo_span target,
                                 struct aws_fault *fault);

/*
 * DetachPolicy, DetachPrincipalPolicy. AWS_OK also when it was not attached or there is no such
 * policy; InvalidRequest "Invalid Target" when there is no such target.
 */
aws_error registry_detach_policy(struct registry *reg,
                                 elo_span policy,
                                 elo_span target,
                                 struct aws_fault *fault);

/*
 * AttachThingPrincipal; `exclusive` is EXCLUSIVE_THING. Attached already: AWS_OK, and the type
 * becomes the one given (or stays, by the switch "reattach-principal"). ResourceNotFound: thing or
 * principal; InvalidRequest: exclusively attached to another thing, or exclusive wanted while
 * attached to others.
 */
aws_error registry_attach_thing_principal(struct registry *reg,
                                          elo_span thing,
                                          elo_span principal,
                                          bool exclusive,
                                          struct aws_fault *fault);

/* DetachThingPrincipal. ResourceNotFound: thing, principal or the attachment. */
aws_error registry_detach_thing_principal(struct registry *reg,
                                          elo_span thing,
                                          elo_span principal,
                                          struct aws_fault *fault);

/* --- listings ---------------------------------------------------------------------------- */

#define REGISTRY_KEY_BYTES 256u

struct registry_page {
    elo_span after; /* empty: the first page; else `next` of the page before */
    size_t max;     /* items, at least 1 */
    bool descending;
};

/* Where the next page begins: hand it in as `after`. Empty: that was the last page. */
struct registry_next {
    char key[REGISTRY_KEY_BYTES];
    size_t len;
};

static inline elo_span registry_next_span(const struct registry_next *next)
{
    return elo_span_of(next->key, next->len);
}

/* All given must match. Empty spans: not given. `type_name` of a thing matches exactly. */
struct thing_filter {
    elo_span attribute_name;
    elo_span attribute_value; /* needs attribute_name; alone it matches any attribute */
    bool value_is_prefix;     /* usePrefixAttributeValue */
    elo_span type_name;
};

typedef void registry_each_thing(void *ctx, const struct thing *thing);
typedef void registry_each_certificate(void *ctx, const struct certificate *certificate);
typedef void registry_each_policy(void *ctx, const struct policy_record *policy);
typedef void registry_each_arn(void *ctx, elo_span arn);
typedef void registry_each_principal(void *ctx, elo_span arn, bool exclusive);
typedef void registry_each_principal_thing(void *ctx, const struct thing *thing, bool exclusive);

/* ListThings. `filter` may be NULL. */
void registry_list_things(const struct registry *reg,
                          const struct thing_filter *filter,
                          const struct registry_page *page,
                          registry_each_thing *each,
                          void *ctx,
                          struct registry_next *next);

/* ListCertificates, by creation date. */
void registry_list_certificates(const struct registry *reg,
                                const struct registry_page *page,
                                registry_each_certificate *each,
                                void *ctx,
                                struct registry_next *next);

/* ListPolicies, by creation date. */
void registry_list_policies(const struct registry *reg,
                            const struct registry_page *page,
                            registry_each_policy *each,
                            void *ctx,
                            struct registry_next *next);

/* ListPolicyVersions has no pages: registry_describe_policy() and its `versions`. */

/*
 * ListAttachedPolicies, ListPrincipalPolicies. ResourceNotFound: target. `recursive` adds the
 * policies of the groups above a group.
 */
aws_error registry_list_policies_of_target(const struct registry *reg,
                                           elo_span target,
                                           bool recursive,
                                           const struct registry_page *page,
                                           registry_each_policy *each,
                                           void *ctx,
                                           struct registry_next *next,
                                           struct aws_fault *fault);

/* ListTargetsForPolicy, ListPolicyPrincipals. ResourceNotFound: policy. */
aws_error registry_list_targets_of_policy(const struct registry *reg,
                                          elo_span policy,
                                          const struct registry_page *page,
                                          registry_each_arn *each,
                                          void *ctx,
                                          struct registry_next *next,
                                          struct aws_fault *fault);

/*
 * ListThingPrincipals, ListThingPrincipalsV2. ResourceNotFound: thing. `exclusive` (NULL: all)
 * takes only attachments of that type.
 */
aws_error registry_list_principals_of_thing(const struct registry *reg,
                                            elo_span thing,
                                            const bool *exclusive,
                                            const struct registry_page *page,
                                            registry_each_principal *each,
                                            void *ctx,
                                            struct registry_next *next,
                                            struct aws_fault *fault);

/* ListPrincipalThings, ListPrincipalThingsV2. ResourceNotFound: principal. */
aws_error registry_list_things_of_principal(const struct registry *reg,
                                            elo_span principal,
                                            const bool *exclusive,
                                            const struct registry_page *page,
                                            registry_each_principal_thing *each,
                                            void *ctx,
                                            struct registry_next *next,
                                            struct aws_fault *fault);

#endif
