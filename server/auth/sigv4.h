// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * AWS Signature Version 4: verifying requests (the server) and signing them (the command line).
 *
 * The rules are those the AWS CLI and SDKs follow for the IoT services: the canonical URI is the
 * request's already encoded path, normalised and encoded once more; the query is sorted, not
 * decoded; the body is always hashed by us: x-amz-content-sha256 is not needed, and
 * UNSIGNED-PAYLOAD not taken. Nothing is kept: what is allocated (the canonical request, an array
 * to sort) is freed on return. The clock is a parameter.
 */
#ifndef ELO_SERVER_AUTH_SIGV4_H
#define ELO_SERVER_AUTH_SIGV4_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/aws_error.h"

struct sigv4_header {
    elo_span name;
    elo_span value;
};

struct sigv4_request {
    elo_span method;
    elo_span path;  /* as on the wire, percent-encoded */
    elo_span query; /* as on the wire, without the '?' */
    const struct sigv4_header *headers;
    size_t header_count;
    elo_span body;
};

struct sigv4_key {
    elo_span access_key_id;
    elo_span secret;
    elo_span session_token; /* empty: none */
};

/* What a verified request told of itself; spans into the request. */
struct sigv4_scope {
    elo_span access_key_id;
    elo_span region;
    elo_span service; /* "iot", "execute-api", "iotdata" ... */
};

/*
 * Verifies the Authorization header. `services` is a NULL-terminated list of accepted service
 * names. AWS_OK and `out`; or the exception AWS answers with, its message in `fault`:
 *
 *   MissingAuthenticationTokenException  no Authorization header
 *   IncompleteSignatureException         it, or X-Amz-Date (or Date), is missing something or
 * malformed InvalidSignatureException            the scope has another date, region (`region` NULL:
 * any) or service; X-Amz-Date is over LIMIT_SIGV4_SKEW_S away from `now_s`; host is not signed; the
 * signature differs UnrecognizedClientException          not the id of `key` (NULL: none known), or
 * not its session token InternalFailureException             no memory
 *
 * `out` is untouched on refusal. Comparison of signatures is constant-time.
 */
aws_error sigv4_verify(const struct sigv4_request *request,
                       const struct sigv4_key *key,
                       const char *const *services,
                       const char *region,
                       int64_t now_s,
                       struct sigv4_scope *out,
                       struct aws_fault *fault);

/* How strictly the time of a signature in the query is taken; both off: AWS's likeliest way. */
struct sigv4_times {
    bool ignore_expires; /* X-Amz-Expires does not widen the window */
    bool off;            /* any date is good: for boards whose clock is not set */
};

/* Is there a signature in the query (X-Amz-Signature)? */
bool sigv4_is_in_query(const struct sigv4_request *request);

/*
 * Verifies a signature in the query, as WebSocket clients of AWS IoT send it ("Device communication
 * protocols", AWS IoT Developer Guide): every variant of their SDKs is taken.
 *
 *   the session token stands outside the signature (AWS's SDKs) or inside it;
 *   X-Amz-Date is within LIMIT_SIGV4_QUERY_SKEW_S of `now_s`, or X-Amz-Expires, which may be
 *   absent, has not passed;
 *   the Host signed is the one sent, or it in lower case without its port, or with ":443".
 *
 * Answers as sigv4_verify().
 */
aws_error sigv4_verify_query(const struct sigv4_request *request,
                             const struct sigv4_key *key,
                             const char *const *services,
                             const char *region,
                             int64_t now_s,
                             struct sigv4_times times,
                             struct aws_fault *fault);

/* The values of the headers a signed request carries, NUL-terminated. */
struct sigv4_signed {
    char date[17]; /* X-Amz-Date: 20260102T030405Z */
    char authorization[512];
};

/*
 * Signs `request`, whose headers include host and every other header to sign, but not x-amz-date
 * and authorization: those are the result. A session token is signed, and the caller sends it, as
 * x-amz-security-token, whether or not it is among the headers. ELO_E_NO_SPACE, ELO_E_NO_MEMORY;
 * ELO_E_CLOCK if `now_s` is outside the years 0 to 9999.
 */
ELO_MUST_USE elo_err sigv4_sign(const struct sigv4_request *request,
                                const struct sigv4_key *key,
                                const char *service,
                                const char *region,
                                int64_t now_s,
                                struct sigv4_signed *out);

#endif
