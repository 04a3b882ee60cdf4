// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the request's headers, the date and the session token are put together in one
 * array; its names, lower-cased and sorted, are the list of signed headers; the rest is shared with
 * the verifier.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "server/auth/sigv4_canonical.h"
#include "server/base/mem.h"

static const char TOKEN[] = "x-amz-security-token";

static int compare_names(const void *a, const void *b)
{
    const struct sigv4_header *left = a;
    const struct sigv4_header *right = b;
    size_t shorter = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = strncasecmp((const char *)left->name.ptr, (const char *)right->name.ptr, shorter);
    return order != 0 ? order
                      : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

/* "content-type;host;x-amz-date": sorts a copy, as the order of equal names has a meaning. */
static bool list_names(const struct sigv4_header *headers, size_t count, struct buf *out)
{
    struct sigv4_header *sorted = mem_alloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    memcpy(sorted, headers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_names(&sorted[i - 1], &sorted[i]) == 0) {
            continue;
        }
        buf_text(out, i > 0 ? ";" : "");
        for (size_t j = 0; j < sorted[i].name.len; j++) {
            uint8_t c = sorted[i].name.ptr[j];
            buf_byte(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c);
        }
    }
    mem_free(sorted);
    return true;
}

static bool has_token(const struct sigv4_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (sigv4__is_named(&request->headers[i], elo_span_str(TOKEN))) {
            return true;
        }
    }
    return false;
}

static elo_err write_authorization(const struct sigv4_key *key,
                                   const struct sigv4__scope *scope,
                                   elo_span names,
                                   const char *signature,
                                   struct sigv4_signed *out)
{
    int len = snprintf(
        out->authorization, sizeof out->authorization,
        "%s Credential=%.*s/%.*s/%.*s/%.*s/%s, SignedHeaders=%.*s, Signature=%s", SIGV4__ALGORITHM,
        (int)key->access_key_id.len, (const char *)key->access_key_id.ptr, (int)scope->date.len,
        (const char *)scope->date.ptr, (int)scope->region.len, (const char *)scope->region.ptr,
        (int)scope->service.len, (const char *)scope->service.ptr, SIGV4__TERMINATOR,
        (int)names.len, (const char *)names.ptr, signature);
    return len < 0 || (size_t)len >= sizeof out->authorization ? ELO_E_NO_SPACE : ELO_OK;
}

/* `request` has all headers now. */
static elo_err sign_complete(const struct sigv4_request *request,
                             const struct sigv4_key *key,
                             const struct sigv4__scope *scope,
                             struct sigv4_signed *out)
{
    char signature[65];
    struct buf names;
    buf_init(&names, SIGV4__CANONICAL_MAX);
    elo_err err = list_names(request->headers, request->header_count, &names) ? buf_err(&names)
                                                                              : ELO_E_NO_MEMORY;
    if (err == ELO_OK) {
        err = sigv4__sign_request(request, buf_span(&names), elo_span_str(out->date), scope,
                                  key->secret, signature);
    }
    if (err == ELO_OK) {
        err = write_authorization(key, scope, buf_span(&names), signature, out);
    }
    buf_free(&names);
    return err == ELO_E_TOO_LARGE ? ELO_E_NO_SPACE : err;
}

elo_err sigv4_sign(const struct sigv4_request *request,
                   const struct sigv4_key *key,
                   const char *service,
                   const char *region,
                   int64_t now_s,
                   struct sigv4_signed *out)
{
    size_t count = request->header_count;
    struct sigv4_header *headers = mem_alloc((count + 2) * sizeof *headers);
    if (headers == NULL) {
        return ELO_E_NO_MEMORY;
    }
    if (count > 0) {
        memcpy(headers, request->headers, count * sizeof *headers);
    }
    bool is_date = sigv4__date_format(now_s, out->date);
    headers[count++] = (struct sigv4_header){ELO_SPAN("x-amz-date"), elo_span_of(out->date, 16)};
    if (key->session_token.len > 0 && !has_token(request)) {
        headers[count++] = (struct sigv4_header){elo_span_str(TOKEN), key->session_token};
    }
    struct sigv4_request complete = *request;
    complete.headers = headers;
    complete.header_count = count;
    const struct sigv4__scope scope = {elo_span_of(out->date, 8), elo_span_str(region),
                                       elo_span_str(service)};
    elo_err err = is_date ? sign_complete(&complete, key, &scope, out) : ELO_E_CLOCK;
    mem_free(headers);
    return err;
}
