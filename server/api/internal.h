// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/api: one call from request to response, and what its handlers share.
 *
 * A handler checks its input, reserves the room that its reply will take, changes the registry, and
 * writes the reply, which then cannot fail: a change is never answered with an error.
 */
#ifndef ELO_SERVER_API_INTERNAL_H
#define ELO_SERVER_API_INTERNAL_H

#include "elo/json/write.h"
#include "server/api/api.h"
#include "server/base/limits.h"
#include "server/base/text.h"

#define API_VARS   2u
#define API_PARAMS 32u

struct api {
    char *endpoint;
    char *access_key_id;
    char *secret;
    char *session_token;
    struct sigv4_key key; /* spans over the three above */
    char principal[160];  /* AWS's principalIdentifier of who has this key */
    struct core_random random;
    const struct log *log;
    struct compat compat;
    struct authorizer *authorizer;
    struct registry *registry;
    struct broker *broker;
    struct pki_ca *ca;
};

/* A service as requests are signed for it: the names in the credential scope, and its ways. */
enum plane { PLANE_CONTROL, PLANE_DATA, PLANE_STS };

struct call;
typedef aws_error handler(struct call *c);

struct route {
    const char *method;
    const char *path; /* "/things/{}/principals"; "{+}" at the end takes slashes too */
    enum plane plane;
    const char *operation;
    handler *handle;
};

struct param {
    elo_span name;
    elo_span value;
};

struct block; /* memory that lives as long as the call */

struct call {
    struct api *api;
    const struct api_request *request;
    struct core_time now;
    const struct route *route; /* NULL: none matches */
    struct api_response *out;
    struct aws_fault *fault;
    elo_span vars[API_VARS]; /* of the path, decoded */
    size_t var_count;
    struct param params[API_PARAMS]; /* of the query, decoded */
    size_t param_count;
    elo_span topic;              /* for the log: what Publish published to */
    struct auth_session *device; /* who calls, if no signature says that it is the administrator */
    elo_err cause;               /* for the log, where the exception does not tell it, */
    char why[512];               /* nor the message; empty: it does */
    struct block *blocks;
};

/* --- route.c ----------------------------------------------------------------------------- */

/* The route of method and path, its variables not yet decoded in `vars`; NULL: none. */
const struct route *
api__route(elo_span method, elo_span path, elo_span vars[API_VARS], size_t *out_count);

/* The methods that this path has, "GET, POST"; false: the path is not known at all. */
bool api__allowed(elo_span path, char out[64]);

/* --- request.c --------------------------------------------------------------------------- */

/* Memory until the end of the call; NULL: out of memory. */
void *api__alloc(struct call *c, size_t bytes);
void api__free_all(struct call *c);

aws_error api__out_of_memory(struct call *c);
aws_error api__invalid(struct call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Decodes the path's variables and the query. InvalidRequest for a bad escape. */
aws_error api__decode(struct call *c);

/* A parameter of the query, if it is there. */
bool api__query(const struct call *c, const char *name, elo_span *out);
/* These leave `*value` alone when the parameter is absent. */
aws_error api__query_bool(struct call *c, const char *name, bool *value);
aws_error api__query_int(
    struct call *c, const char *name, int64_t min, int64_t max, int64_t *value, bool *out_there);

bool api__header(const struct call *c, const char *name, elo_span *out);
/* A header that must be there and not be empty; `member` is its name in the service model. */
aws_error api__need_header(struct call *c, const char *name, const char *member, elo_span *out);

enum field_type { FIELD_STRING, FIELD_BOOL, FIELD_INTEGER, FIELD_OBJECT, FIELD_ARRAY };

/* A member of a JSON body: asked for by name and type, answered in the rest. null is absent. */
struct field {
    const char *name;
    enum field_type type;
    bool required;
    bool is_there;
    elo_span text; /* STRING: unescaped; OBJECT, ARRAY: the JSON as it stands */
    bool flag;
    int64_t number;
};

/*
 * The members of the body. No body at all is an empty object; unknown members are passed over;
 * among equal names the last counts. All texts live until the end of the call.
 */
aws_error api__body(struct call *c, struct field *fields, size_t count);

/* The same for an object inside; `path` ("attributePayload.") goes before names in messages. */
aws_error
api__object(struct call *c, elo_span json, const char *path, struct field *fields, size_t count);

/* base64, decoded; `member` is its name in the service model. */
aws_error api__base64(struct call *c, elo_span text, const char *member, elo_span *out);

/* A JSON object of strings: names and values, unescaped, in the order given. */
aws_error api__string_map(struct call *c,
                          elo_span json,
                          const char *path,
                          struct thing_attribute **out,
                          size_t *out_count);

/* --- caller.c ---------------------------------------------------------------------------- */

/* Nothing is signed, and a custom authorizer is named, or is the default. */
bool api__wants_custom(const struct call *c);
bool api__shows_later(const struct call *c); /* a WebSocket that shows its credentials in CONNECT */

/* Who calls, and may they call this at all? Sets c->device. */
aws_error api__authenticate(struct call *c);

/* May the caller do this? The administrator may everything. Forbidden, with the reason in the log.
 */
aws_error api__authorize(struct call *c, enum policy_action action, elo_span name);

/* A JSON array of strings, in order. */
aws_error api__string_list(
    struct call *c, elo_span json, const char *path, elo_span **out, size_t *out_count);

/* attributePayload, as things and groups have it. */
struct attribute_payload {
    bool is_there; /* attributes were given */
    bool merge;
    const struct thing_attribute *items;
    size_t count;
};
aws_error api__attribute_payload(struct call *c,
                                 elo_span json,
                                 const char *path,
                                 struct attribute_payload *out);
void api__put_attributes(struct elo_json_writer *w,
                         const struct thing_attribute *attributes,
                         size_t count);

/* --- certificates.c ---------------------------------------------------------------------- */

#define WHY_BYTES 256u
#define ARN_ROOM  1024u /* of a reply with an ARN and an id */

/* What went wrong in server/pki: the caller's fault as `error`, or ours. */
aws_error
api__pki_fault(struct call *c, elo_err err, aws_error error, const char *doing, const char *why);
/* A certificate that is to be registered: its facts, its canonical PEM. CertificateValidation. */
aws_error api__read_certificate(struct call *c,
                                elo_span given,
                                struct pki_certificate *info,
                                struct buf *pem);
aws_error
api__take_status(struct call *c, const char *member, elo_span text, enum certificate_status *out);
/* {"certificateArn", "certificateId"}; ctx: elo_span, the id. */
aws_error api__write_registered(struct call *c, struct elo_json_writer *w, void *ctx);
/* One of ListCertificates. */
void api__put_certificate(struct elo_json_writer *w, const struct certificate *certificate);

/* --- page.c ------------------------------------------------------------------------------ */

struct paging {
    struct registry_page page;
    struct registry_next next;
    const char *member; /* "nextToken" or "nextMarker" */
    char key[REGISTRY_KEY_BYTES];
};

/* nextToken and maxResults of the query. */
aws_error api__page_token(struct call *c, struct paging *p);
/* marker and pageSize; with `ordered` also isAscendingOrder, whose default is newest first. */
aws_error api__page_marker(struct call *c, struct paging *p, bool ordered);
/* The next page's token as a member, unless this was the last page. */
void api__page_end(const struct call *c, const struct paging *p, struct elo_json_writer *w);

/* --- reply.c ----------------------------------------------------------------------------- */

/* Writes a reply. Called twice, first to measure: it must do the same both times. */
typedef aws_error writer(struct call *c, struct elo_json_writer *w, void *ctx);

void api__reply_begin(struct call *c);
/* Room for a body of `len` bytes, before anything is changed. */
aws_error api__reserve(struct call *c, size_t len);
/* How long `text` is as a JSON string. */
size_t api__json_len(elo_span text);
aws_error api__reply(struct call *c, writer *write, void *ctx);
aws_error api__reply_text(struct call *c, const char *text);
aws_error api__reply_ok(struct call *c); /* "OK", as the data plane says it */
void api__reply_fault(struct call *c);
void api__allow_origins(struct call *c);

void api__put_text(struct elo_json_writer *w, const char *name, elo_span value);
void api__put_int(struct elo_json_writer *w, const char *name, int64_t value);
void api__put_bool(struct elo_json_writer *w, const char *name, bool value);
void api__put_time(struct elo_json_writer *w, const char *name, int64_t unix_ms);
void api__put_arn(const struct call *c,
                  struct elo_json_writer *w,
                  const char *name,
                  const char *kind,
                  elo_span resource);

/* --- sts.c ------------------------------------------------------------------------------- */

/* A fault in the form of the query protocol. */
void api__reply_xml_fault(struct call *c);

/* --- handlers ---------------------------------------------------------------------------- */

/* X(method, path, plane, operation); "{}" is a variable. */
#define API_ROUTES(X)                                                                              \
    X("POST", "/things/{}", CONTROL, CreateThing)                                                  \
    X("GET", "/things/{}", CONTROL, DescribeThing)                                                 \
    X("PATCH", "/things/{}", CONTROL, UpdateThing)                                                 \
    X("DELETE", "/things/{}", CONTROL, DeleteThing)                                                \
    X("GET", "/things", CONTROL, ListThings)                                                       \
    X("PUT", "/things/{}/principals", CONTROL, AttachThingPrincipal)                               \
    X("DELETE", "/things/{}/principals", CONTROL, DetachThingPrincipal)                            \
    X("GET", "/things/{}/principals", CONTROL, ListThingPrincipals)                                \
    X("GET", "/things/{}/principals-v2", CONTROL, ListThingPrincipalsV2)                           \
    X("GET", "/principals/things", CONTROL, ListPrincipalThings)                                   \
    X("GET", "/principals/things-v2", CONTROL, ListPrincipalThingsV2)                              \
    X("POST", "/keys-and-certificate", CONTROL, CreateKeysAndCertificate)                          \
    X("POST", "/certificates", CONTROL, CreateCertificateFromCsr)                                  \
    X("POST", "/certificate/register-no-ca", CONTROL, RegisterCertificateWithoutCA)                \
    X("GET", "/certificates/{}", CONTROL, DescribeCertificate)                                     \
    X("PUT", "/certificates/{}", CONTROL, UpdateCertificate)                                       \
    X("DELETE", "/certificates/{}", CONTROL, DeleteCertificate)                                    \
    X("GET", "/certificates", CONTROL, ListCertificates)                                           \
    X("POST", "/policies/{}", CONTROL, CreatePolicy)                                               \
    X("GET", "/policies/{}", CONTROL, GetPolicy)                                                   \
    X("DELETE", "/policies/{}", CONTROL, DeletePolicy)                                             \
    X("GET", "/policies", CONTROL, ListPolicies)                                                   \
    X("POST", "/policies/{}/version", CONTROL, CreatePolicyVersion)                                \
    X("GET", "/policies/{}/version", CONTROL, ListPolicyVersions)                                  \
    X("GET", "/policies/{}/version/{}", CONTROL, GetPolicyVersion)                                 \
    X("DELETE", "/policies/{}/version/{}", CONTROL, DeletePolicyVersion)                           \
    X("PATCH", "/policies/{}/version/{}", CONTROL, SetDefaultPolicyVersion)                        \
    X("PUT", "/target-policies/{}", CONTROL, AttachPolicy)                                         \
    X("POST", "/target-policies/{}", CONTROL, DetachPolicy)                                        \
    X("POST", "/attached-policies/{}", CONTROL, ListAttachedPolicies)                              \
    X("POST", "/policy-targets/{}", CONTROL, ListTargetsForPolicy)                                 \
    X("POST", "/effective-policies", CONTROL, GetEffectivePolicies)                                \
    X("PUT", "/principal-policies/{}", CONTROL, AttachPrincipalPolicy)                             \
    X("DELETE", "/principal-policies/{}", CONTROL, DetachPrincipalPolicy)                          \
    X("GET", "/principal-policies", CONTROL, ListPrincipalPolicies)                                \
    X("GET", "/policy-principals", CONTROL, ListPolicyPrincipals)                                  \
    X("POST", "/test-authorization", CONTROL, TestAuthorization)                                   \
    X("POST", "/thing-types/{}", CONTROL, CreateThingType)                                         \
    X("GET", "/thing-types/{}", CONTROL, DescribeThingType)                                        \
    X("PATCH", "/thing-types/{}", CONTROL, UpdateThingType)                                        \
    X("DELETE", "/thing-types/{}", CONTROL, DeleteThingType)                                       \
    X("POST", "/thing-types/{}/deprecate", CONTROL, DeprecateThingType)                            \
    X("GET", "/thing-types", CONTROL, ListThingTypes)                                              \
    X("PUT", "/thing-groups/addThingToThingGroup", CONTROL, AddThingToThingGroup)                  \
    X("PUT", "/thing-groups/removeThingFromThingGroup", CONTROL, RemoveThingFromThingGroup)        \
    X("PUT", "/thing-groups/updateThingGroupsForThing", CONTROL, UpdateThingGroupsForThing)        \
    X("POST", "/thing-groups/{}", CONTROL, CreateThingGroup)                                       \
    X("GET", "/thing-groups/{}", CONTROL, DescribeThingGroup)                                      \
    X("PATCH", "/thing-groups/{}", CONTROL, UpdateThingGroup)                                      \
    X("DELETE", "/thing-groups/{}", CONTROL, DeleteThingGroup)                                     \
    X("GET", "/thing-groups", CONTROL, ListThingGroups)                                            \
    X("GET", "/thing-groups/{}/things", CONTROL, ListThingsInThingGroup)                           \
    X("GET", "/things/{}/thing-groups", CONTROL, ListThingGroupsForThing)                          \
    X("GET", "/registrationcode", CONTROL, GetRegistrationCode)                                    \
    X("DELETE", "/registrationcode", CONTROL, DeleteRegistrationCode)                              \
    X("POST", "/cacertificate", CONTROL, RegisterCACertificate)                                    \
    X("GET", "/cacertificate/{}", CONTROL, DescribeCACertificate)                                  \
    X("PUT", "/cacertificate/{}", CONTROL, UpdateCACertificate)                                    \
    X("DELETE", "/cacertificate/{}", CONTROL, DeleteCACertificate)                                 \
    X("GET", "/cacertificates", CONTROL, ListCACertificates)                                       \
    X("POST", "/certificate/register", CONTROL, RegisterCertificate)                               \
    X("GET", "/certificates-by-ca/{}", CONTROL, ListCertificatesByCA)                              \
    X("POST", "/provisioning-templates", CONTROL, CreateProvisioningTemplate)                      \
    X("GET", "/provisioning-templates/{}", CONTROL, DescribeProvisioningTemplate)                  \
    X("PATCH", "/provisioning-templates/{}", CONTROL, UpdateProvisioningTemplate)                  \
    X("DELETE", "/provisioning-templates/{}", CONTROL, DeleteProvisioningTemplate)                 \
    X("GET", "/provisioning-templates", CONTROL, ListProvisioningTemplates)                        \
    X("POST", "/provisioning-templates/{}/versions", CONTROL, CreateProvisioningTemplateVersion)   \
    X("GET", "/provisioning-templates/{}/versions/{}", CONTROL,                                    \
      DescribeProvisioningTemplateVersion)                                                         \
    X("DELETE", "/provisioning-templates/{}/versions/{}", CONTROL,                                 \
      DeleteProvisioningTemplateVersion)                                                           \
    X("GET", "/provisioning-templates/{}/versions", CONTROL, ListProvisioningTemplateVersions)     \
    X("POST", "/things", CONTROL, RegisterThing)                                                   \
    X("GET", "/endpoint", CONTROL, DescribeEndpoint)                                               \
    X("POST", "/authorizer/{}", CONTROL, CreateAuthorizer)                                         \
    X("GET", "/authorizer/{}", CONTROL, DescribeAuthorizer)                                        \
    X("PUT", "/authorizer/{}", CONTROL, UpdateAuthorizer)                                          \
    X("DELETE", "/authorizer/{}", CONTROL, DeleteAuthorizer)                                       \
    X("GET", "/authorizers/", CONTROL, ListAuthorizers)                                            \
    X("POST", "/authorizer/{}/test", CONTROL, TestInvokeAuthorizer)                                \
    X("POST", "/default-authorizer", CONTROL, SetDefaultAuthorizer)                                \
    X("GET", "/default-authorizer", CONTROL, DescribeDefaultAuthorizer)                            \
    X("DELETE", "/default-authorizer", CONTROL, ClearDefaultAuthorizer)                            \
    X("GET", "/retainedMessage/{+}", DATA, GetRetainedMessage)                                     \
    X("GET", "/retainedMessage", DATA, ListRetainedMessages)                                       \
    X("GET", "/connections/{}", DATA, GetConnection)                                               \
    X("DELETE", "/connections/{}", DATA, DeleteConnection)                                         \
    X("GET", "/connections/{}/subscriptions", DATA, ListSubscriptions)                             \
    X("POST", "/connections/{}/messages", DATA, SendDirectMessage)                                 \
    X("POST", "/topics/{+}", DATA, Publish)                                                        \
    X("POST", "/", STS, GetCallerIdentity)

#define API_HANDLER(method, path, plane, operation) aws_error api__##operation(struct call *c);
API_ROUTES(API_HANDLER)
#undef API_HANDLER

#define API_COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
