// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The parts of Signature Version 4 that signing and verifying share, and that presigned URLs need
 * as well: the canonical request, the string to sign, the key ("Create a signed AWS API request",
 * IAM User Guide). Private to server/auth/sigv4*.c and their tests.
 *
 * Writers append to `out`; a failure sticks in the buffer, as always (buf_err).
 */
#ifndef ELO_SERVER_AUTH_SIGV4_CANONICAL_H
#define ELO_SERVER_AUTH_SIGV4_CANONICAL_H

#include "server/auth/sigv4.h"
#include "server/base/buf.h"
#include "server/base/text.h"

/* Room for a canonical request whose path is percent-encoded once more. */
#define SIGV4__CANONICAL_MAX 131072u

#define SIGV4__ALGORITHM  "AWS4-HMAC-SHA256"
#define SIGV4__TERMINATOR "aws4_request"

/* The scope a signature is good for; `date` is YYYYMMDD. */
struct sigv4__scope {
    elo_span date;
    elo_span region;
    elo_span service;
};

/* The path normalised (no empty, "." or ".." segments, as the SDKs do it) and encoded once more. */
void sigv4__canonical_path(elo_span path, struct buf *out);

/* Pairs sorted by name, then value; nothing is decoded. false: no memory for sorting. */
bool sigv4__canonical_query(elo_span query, struct buf *out);

/*
 * One line for each name of `names` ("host;x-amz-date"). false if that is no canonical list
 * (lower case, ascending, each once) or names a header that is not there.
 */
bool sigv4__canonical_headers(const struct sigv4_header *headers,
                              size_t count,
                              elo_span names,
                              struct buf *out);

/*
 * The whole of it but the payload's hash: method, path, query, headers, names. ELO_E_NOT_FOUND as
 * sigv4__canonical_headers() says, ELO_E_TOO_LARGE, ELO_E_NO_MEMORY.
 */
ELO_MUST_USE elo_err sigv4__canonical_head(const struct sigv4_request *request,
                                           elo_span names,
                                           struct buf *out);

/* The signature, 64 hex digits and a NUL, of a canonical request; `date` is its X-Amz-Date. */
ELO_MUST_USE elo_err sigv4__signature(elo_span canonical_request,
                                      elo_span date,
                                      const struct sigv4__scope *scope,
                                      elo_span secret,
                                      char out[65]);

/* sigv4__canonical_head(), the hash of the body, sigv4__signature(). */
ELO_MUST_USE elo_err sigv4__sign_request(const struct sigv4_request *request,
                                         elo_span names,
                                         elo_span date,
                                         const struct sigv4__scope *scope,
                                         elo_span secret,
                                         char out[65]);

/* "20260102T030405Z" and the second it names. false: another form, or no such day or time. */
bool sigv4__date_parse(elo_span text, int64_t *out_s);
bool sigv4__date_format(int64_t time_s, char out[17]);

/* An HTTP Date header, "Fri, 02 Jan 2026 03:04:05 GMT". */
bool sigv4__http_date_parse(elo_span text, int64_t *out_s);

/* Is the header's name `name`, which is in lower case? */
bool sigv4__is_named(const struct sigv4_header *header, elo_span name);

#endif
