// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One AWS IoT policy document, compiled: version 2012-10-17, Allow and Deny, Action, NotAction,
 * Resource, NotResource, Condition, `*` and `?`, policy variables.
 *
 * Life cycle: policy_parse() makes an immutable compiled policy, counted by references; it holds no
 * pointer to the text. policy_eval() decides over a set of them and can say why: the statement that
 * allowed or denied, or the nearest miss.
 *
 * The rules are those of "AWS IoT Core policies" and "AWS IoT Core policy variables" (AWS IoT
 * Developer Guide): an explicit Deny wins, then any Allow, else implicit deny; `+` and `#` in a
 * policy are literal characters; a variable without a value makes its resource match nothing, and
 * text that comes from a variable is literal, so a `*` in a client id is no wildcard.
 */
#ifndef ELO_SERVER_AUTH_POLICY_H
#define ELO_SERVER_AUTH_POLICY_H

#include "elo/base/err.h"
#include "elo/base/span.h"

struct policy;

/*
 * ELO_OK and a policy with one reference; or ELO_E_MALFORMED, ELO_E_TOO_LARGE (over
 * LIMIT_POLICY_CHARS, white space not counted), ELO_E_NO_MEMORY. `why` gets a sentence that names
 * the fault and where it is, for MalformedPolicyException.
 */
ELO_MUST_USE elo_err policy_parse(elo_span document,
                                  struct policy **out,
                                  char *why,
                                  size_t why_cap);
struct policy *policy_retain(struct policy *policy);
void policy_release(struct policy *policy); /* NULL is allowed */

/*
 * Actions the broker and the API ask for, with the type of their resource; their names are "iot:"
 * and the word. "*": there is no type, and what is asked about is "*" instead of an ARN.
 */
#define POLICY_ACTION_LIST(X)                                                                      \
    X(Connect, "client")                                                                           \
    X(Publish, "topic")                                                                            \
    X(RetainPublish, "topic")                                                                      \
    X(Subscribe, "topicfilter")                                                                    \
    X(Receive, "topic")                                                                            \
    X(GetRetainedMessage, "topic")                                                                 \
    X(ListRetainedMessages, "*")                                                                   \
    X(GetConnection, "client")                                                                     \
    X(DeleteConnection, "client")                                                                  \
    X(ListSubscriptions, "client")                                                                 \
    X(SendDirectMessage, "client")

enum policy_action {
#define POLICY_ACTION_ENUM(name, resource) POLICY_##name,
    POLICY_ACTION_LIST(POLICY_ACTION_ENUM)
#undef POLICY_ACTION_ENUM
        POLICY_ACTION_COUNT
};

const char *policy_action_name(enum policy_action action);     /* "iot:Connect" */
const char *policy_action_resource(enum policy_action action); /* "client" */

/*
 * Where variables and condition keys get their values. `get` answers how many values `key` has
 * ("iot:ClientId", "aws:SourceIp", "iot:Connection.Thing.ThingName",
 * "iot:Connection.Thing.Attributes[room]", "iot:Certificate.Subject.CommonName",
 * "iot:ConnectAttributes" ...) and, for index < count, sets `*out`; the span lives until the next
 * call of `get`. 0: the key has no value here.
 */
struct policy_variables {
    size_t (*get)(void *ctx, elo_span key, size_t index, elo_span *out);
    void *ctx;
};

enum policy_effect { POLICY_IMPLICIT_DENY, POLICY_ALLOWED, POLICY_EXPLICIT_DENY };

struct policy_decision {
    enum policy_effect effect;
    size_t policy;    /* index into the set; meaningful unless IMPLICIT_DENY */
    size_t statement; /* index in the document, from 0 */
};

/*
 * Decides `action` on `resource_arn` over `count` policies. Costs one pass over the statements;
 * callers cache (authorizer.h).
 */
void policy_eval(struct policy *const *policies,
                 size_t count,
                 enum policy_action action,
                 elo_span resource_arn,
                 const struct policy_variables *vars,
                 struct policy_decision *out);

/*
 * The variables and condition keys without a value that the statements with `action` ask for; keys
 * of Null and ...IfExists are not missed. Spans into the policy; one may come several times.
 */
void policy_missing(const struct policy *policy,
                    enum policy_action action,
                    const struct policy_variables *vars,
                    void (*each)(void *ctx, elo_span key),
                    void *ctx);

/*
 * Why, for a person: for a denial without a statement, what the statements with this action would
 * have allowed ("allows client/kitchen"), variables filled in or named as missing. Writes one
 * sentence without a full stop; the bytes written, never more than `cap` - 1, NUL-terminated.
 */
size_t policy_explain(struct policy *const *policies,
                      const elo_span *names,
                      size_t count,
                      enum policy_action action,
                      elo_span resource_arn,
                      const struct policy_variables *vars,
                      char *buf,
                      size_t cap);

#endif
