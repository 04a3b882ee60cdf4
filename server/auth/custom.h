// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One client's dealings with custom authorizers ("Custom authentication and authorization", AWS IoT
 * Developer Guide). A custom authorizer is a function outside, so its answer takes time: the core
 * asks, goes on, and is told.
 *
 *     struct custom *c = custom_create(authorizer, &http, server_name);   the transport is ready
 *     custom_ask(c, &mqtt, id, answered, ctx)                             CONNECT, or a request
 *         ... the edge: custom_next_call(), custom_call_function(), custom_call_event(), the call,
 *             custom_call_done() ...
 *     answered(ctx, ELO_OK)        what it allows: auth_session of a peer with this `custom`
 *     custom_ask_again(c, ...)     when custom_refresh_s() have passed
 *     custom_destroy(c)            at any time; an answer that comes later is thrown away
 *
 * Before anything leaves the machine the token's signature is verified, unless the authorizer has
 * signing disabled. Failures are ELO_E_AUTHORIZER (the client's, or what the function decided),
 * ELO_E_LAMBDA (the function gave no usable answer), ELO_E_QUOTA (LIMIT_CUSTOM_CALLS are under
 * way), ELO_E_NO_MEMORY; custom_why() has the sentence for the log. Core thread only.
 */
#ifndef ELO_SERVER_AUTH_CUSTOM_H
#define ELO_SERVER_AUTH_CUSTOM_H

#include "server/auth/authorizer.h"
#include "server/auth/sigv4.h"

struct custom;

/* NULL: out of memory. `http` is the request that opened the connection, or NULL; copied. */
struct custom *
custom_create(struct authorizer *a, const struct sigv4_request *http, elo_span server_name);
void custom_destroy(struct custom *c); /* NULL is allowed */

/* Does the request name an authorizer, or is there a default? */
bool custom_is_wanted(const struct authorizer *a, const struct sigv4_request *http);

/* What CONNECT has; TestInvokeAuthorizer says itself what else would be looked for. */
struct custom_mqtt {
    bool has_username, has_password;
    bool password_is_base64; /* already: TestInvokeAuthorizer's */
    elo_span username, password, client_id;
};
struct custom_test {
    elo_span authorizer, token, signature;
};

typedef void custom_answered(void *ctx, elo_err err);

/* `mqtt` and `test` may be NULL; `id` is the connection's, a UUID. */
ELO_MUST_USE elo_err custom_ask(struct custom *c,
                                const struct custom_mqtt *mqtt,
                                const struct custom_test *test,
                                const char *id,
                                custom_answered *answered,
                                void *ctx);
/* The same authorizer as it is by now, whatever is the default: its function, if it is ACTIVE. */
ELO_MUST_USE elo_err custom_ask_again(struct custom *c);

const char *custom_why(const struct custom *c);
bool custom_was_called(const struct custom *c); /* the function itself has answered */

/* --- the answer: valid after answered(ctx, ELO_OK), until the next ------------------------- */

#define CUSTOM_POLICIES 10u

bool custom_is_authenticated(const struct custom *c);
elo_span custom_principal(const struct custom *c);
elo_span custom_authorizer_name(const struct custom *c);
size_t custom_policies(const struct custom *c, elo_span out[CUSTOM_POLICIES]);
int64_t custom_disconnect_s(const struct custom *c);
int64_t custom_refresh_s(const struct custom *c);

/* Reads a function's answer: what custom_call_done() does with it; for tests. */
ELO_MUST_USE elo_err custom_read_answer(struct custom *c, elo_span json);

/* --- the edge -------------------------------------------------------------------------------
 */

struct custom *custom_next_call(struct authorizer *a); /* NULL: none waits */
elo_span custom_call_function(const struct custom *c); /* the ARN */
elo_span custom_call_event(const struct custom *c);    /* JSON */
/* `err` is ELO_OK and `answer` the function's, or ELO_E_LAMBDA and `why` says why not. `c` may be
 * freed by it. */
void custom_call_done(struct custom *c, elo_err err, elo_span answer, const char *why);

#endif
