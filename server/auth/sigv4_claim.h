// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a signed request says of its signature, and the checks that are the same wherever it says
 * so: in the Authorization header (sigv4_verify.c) or in the query (sigv4_query.c). Private to
 * server/auth/sigv4*.c.
 */
#ifndef ELO_SERVER_AUTH_SIGV4_CLAIM_H
#define ELO_SERVER_AUTH_SIGV4_CLAIM_H

#include "server/auth/sigv4_canonical.h"

/* Spans into the request, or into its decoded query. */
struct sigv4__claim {
    elo_span credential;
    elo_span signed_headers;
    elo_span signature;
    elo_span access_key_id;
    struct sigv4__scope scope;
    elo_span terminator;
    char date[17]; /* X-Amz-Date, or Date in that form */
    int64_t date_s;
};

/* Takes `credential` apart. IncompleteSignature: it has not five parts. */
aws_error sigv4__claim_credential(struct sigv4__claim *c, struct aws_fault *fault);

/* Region (NULL: any), service, terminator and day of the scope. InvalidSignature. */
aws_error sigv4__claim_scope(const struct sigv4__claim *c,
                             const char *const *services,
                             const char *region,
                             struct aws_fault *fault);

/* `now_s` is within `skew_s` of the date. InvalidSignature, in AWS's words. */
aws_error sigv4__claim_skew(const struct sigv4__claim *c,
                            int64_t now_s,
                            int64_t skew_s,
                            struct aws_fault *fault);

/* It is this key, with this session token. UnrecognizedClient. */
aws_error sigv4__claim_key(const struct sigv4__claim *c,
                           elo_span token,
                           const struct sigv4_key *key,
                           struct aws_fault *fault);

/* host is among the signed headers. InvalidSignature. */
aws_error sigv4__claim_host(const struct sigv4__claim *c, struct aws_fault *fault);

/* InvalidSignature: the signatures differ; InternalFailure: no memory to compare them. */
aws_error sigv4__claim_mismatch(elo_err err, struct aws_fault *fault);

#endif
