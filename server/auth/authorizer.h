// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * May this connection do this? The one place that joins registry, policies and connection facts.
 *
 * An auth_session is what is known of one connection: its certificate, address, client id, the
 * thing it is bound to. It compiles the policies attached to the certificate once, remembers
 * decisions by action and resource, and starts afresh when the registry's generation has moved:
 * a changed policy, attachment or thing counts from the next operation on.
 *
 * Core thread only. Everything is deterministic; nothing here asks a clock.
 */
#ifndef ELO_SERVER_AUTH_AUTHORIZER_H
#define ELO_SERVER_AUTH_AUTHORIZER_H

#include "server/auth/policy.h"
#include "server/registry/registry.h"

struct authorizer;
struct custom;
struct auth_session;

struct authorizer *authorizer_create(struct registry *reg); /* NULL: out of memory */
void authorizer_destroy(struct authorizer *a);

/* How somebody has shown who they are. */
enum auth_peer_kind {
    AUTH_PEER_CERTIFICATE, /* by a client certificate: its policies decide */
    AUTH_PEER_PLAIN,       /* not at all, on the plain port for tests: everything is allowed */
    AUTH_PEER_IAM,         /* by SigV4: the desk's own user, to whom everything is allowed */
    AUTH_PEER_CUSTOM       /* to a custom authorizer: the policies it answers decide */
};

/* Is everything allowed, whatever the policies say? */
static inline bool auth_peer_is_free(enum auth_peer_kind kind)
{
    return kind == AUTH_PEER_PLAIN || kind == AUTH_PEER_IAM;
}

/* Who is at the other end, as the edge has seen it. Copied by auth_session_create(). */
struct auth_peer {
    enum auth_peer_kind kind;
    elo_span certificate_id; /* 64 hex; empty: none */
    elo_span principal; /* who it is, where no certificate says it: AWS's principalIdentifier */
    elo_span certificate_der; /* for the subject's policy variables; may be empty */
    elo_span source_ip;
    uint16_t source_port;
    bool websocket;        /* it speaks MQTT in WebSocket frames */
    elo_span server_name;  /* SNI; empty: none */
    struct custom *custom; /* AUTH_PEER_CUSTOM: whose answer counts; outlives the session */
};

/*
 * Is the certificate good for a connection? ELO_OK, ELO_E_CERT_MISSING, ELO_E_CERT_UNKNOWN,
 * ELO_E_CERT_INACTIVE (any status but ACTIVE and REVOKED), ELO_E_CERT_REVOKED, ELO_E_CERT_EXPIRED
 * (dates against `wall_ms`; with `allow_expired` not checked).
 */
elo_err authorizer_certificate(const struct authorizer *a,
                               elo_span certificate_id,
                               int64_t wall_ms,
                               bool allow_expired);

/* NULL: out of memory. */
struct auth_session *auth_session_create(struct authorizer *a, const struct auth_peer *peer);
void auth_session_destroy(struct auth_session *s);

/* What CONNECT said; before it, only iot:Connect questions make no sense. Copied. */
struct auth_connect {
    elo_span client_id;
    bool persistent;
    bool has_will;
    elo_span will_topic;
};
ELO_MUST_USE elo_err auth_session_connect(struct auth_session *s,
                                          const struct auth_connect *connect);

/*
 * Is `action` allowed on `name` (a client id, topic or topic filter without the ARN around it)?
 * Repeated questions are answered from the session's cache in constant time.
 */
bool auth_allows(struct auth_session *s, enum policy_action action, elo_span name);

/* The same for who asks many sessions about one name: `hash` is map_hash(name). */
bool auth_allows_hashed(struct auth_session *s,
                        enum policy_action action,
                        elo_span name,
                        uint32_t hash);

/* While this stays the same, a session that allowed something goes on to allow it. */
uint64_t authorizer_generation(const struct authorizer *a);

/* Has the certificate any policy at all? */
bool auth_has_policy(struct auth_session *s);

/*
 * Why the last answer for these is what it is: one sentence for log and people, such as
 * "policy kitchen v1 allows client/kitchen, not client/esp-1" or "no policy is attached".
 */
size_t auth_explain(
    struct auth_session *s, enum policy_action action, elo_span name, char *buf, size_t cap);

/*
 * What one document, attached or not, would say in this session's place: for TestAuthorization.
 * `missing` is told the variables and condition keys that its statements about `action` ask for and
 * that have no value here, perhaps several times; the spans live during the call. Errors of
 * policy_parse().
 */
ELO_MUST_USE elo_err auth_session_try(struct auth_session *s,
                                      elo_span document,
                                      enum policy_action action,
                                      elo_span resource_arn,
                                      enum policy_effect *out,
                                      void (*missing)(void *ctx, elo_span key),
                                      void *ctx);

elo_span auth_session_certificate_id(const struct auth_session *s);

/* Who it is, for log and events: the certificate id, or what stands in its place; may be empty. */
elo_span auth_session_principal(const struct auth_session *s);
/* The custom authorizer has answered anew: its policies count from now on. */
void auth_session_renew(struct auth_session *s);

elo_span auth_session_source_ip(const struct auth_session *s);
elo_span auth_session_certificate_der(const struct auth_session *s);

struct registry *authorizer_registry(const struct authorizer *a);

/* The thing its certificate is attached to exclusively; empty: none. Borrowed from the registry. */
elo_span auth_session_exclusive_thing(const struct auth_session *s);

#endif
