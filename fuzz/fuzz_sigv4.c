// links: server_auth server_pki server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A request as lines: method, path, query, then "name:value" until an empty line, then the body.
 * It must be refused, for nobody signed it with our secret; signed by us it must verify, however
 * strange it is, and without its last body byte must not.
 */
#include <stdint.h>
#include <stdlib.h>

#include "server/auth/sigv4.h"
#include "server/auth/sigv4_canonical.h"

enum { MOST_HEADERS = 16, NOW = 1767323045 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const services[] = {"iot", NULL};

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static aws_error verify(const struct sigv4_request *request, const struct sigv4_key *key)
{
    struct sigv4_scope scope;
    struct aws_fault fault;
    return sigv4_verify(request, key, services, NULL, NOW, &scope, &fault);
}

static bool is_ours(const struct sigv4_header *header)
{
    return sigv4__is_named(header, ELO_SPAN("authorization")) ||
           sigv4__is_named(header, ELO_SPAN("x-amz-date")) ||
           sigv4__is_named(header, ELO_SPAN("x-amz-security-token"));
}

static void sign_and_verify(struct sigv4_request *request,
                            struct sigv4_header *headers,
                            const struct sigv4_key *key)
{
    struct sigv4_signed out;
    size_t kept = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        /* An HTTP parser gives tokens; a ';' would end a name early in the list. */
        bool is_token = headers[i].name.len > 0 &&
                        memchr(headers[i].name.ptr, ';', headers[i].name.len) == NULL &&
                        memchr(headers[i].name.ptr, ',', headers[i].name.len) == NULL &&
                        memchr(headers[i].name.ptr, ' ', headers[i].name.len) == NULL &&
                        memchr(headers[i].name.ptr, '\t', headers[i].name.len) == NULL &&
                        memchr(headers[i].name.ptr, '\0', headers[i].name.len) == NULL;
        if (is_token && !is_ours(&headers[i])) {
            headers[kept++] = headers[i];
        }
    }
    headers[kept++] = (struct sigv4_header){ELO_SPAN("Host"), ELO_SPAN("desk")};
    request->header_count = kept;
    if (sigv4_sign(request, key, "iot", "eu-west-1", NOW, &out) != ELO_OK) {
        return;
    }
    headers[kept++] = (struct sigv4_header){ELO_SPAN("X-Amz-Date"), elo_span_str(out.date)};
    headers[kept++] =
        (struct sigv4_header){ELO_SPAN("Authorization"), elo_span_str(out.authorization)};
    request->header_count = kept;
    must(verify(request, key) == AWS_OK);
    if (request->body.len > 0) {
        request->body.len--;
        must(verify(request, key) == AWS_InvalidSignatureException);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sigv4_header headers[MOST_HEADERS + 3];
    const struct sigv4_key key = {ELO_SPAN("AKID"), ELO_SPAN("a secret nobody has"), {NULL, 0}};
    elo_span rest = elo_span_of(data, size);
    struct sigv4_request request = {.headers = headers};
    request.method = text_cut(&rest, '\n');
    request.path = text_cut(&rest, '\n');
    request.query = text_cut(&rest, '\n');
    while (request.header_count < MOST_HEADERS) {
        elo_span value = text_cut(&rest, '\n');
        if (value.len == 0) {
            break;
        }
        elo_span name = text_cut(&value, ':');
        headers[request.header_count++] = (struct sigv4_header){name, value};
    }
    request.body = rest;
    must(verify(&request, &key) != AWS_OK);
    sign_and_verify(&request, headers, &key);
    return 0;
}
