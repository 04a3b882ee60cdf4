// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the parameters of the signature are picked out of the query and decoded into one
 * block; the checks are those of sigv4_verify.c. Then the request is signed again without
 * X-Amz-Signature, in each way that a client of AWS IoT may have meant it, until one agrees: with
 * and without the session token, for each spelling of the host. That is at most six signatures of a
 * short request, and only for who knows the access key id.
 */
#include <stdlib.h>

#include "server/auth/sigv4_claim.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/pki/pki.h"

enum { PARAMETERS = 7, MOST_HEADERS = 64, HOST_BYTES = 300 };

enum parameter { ALGORITHM, CREDENTIAL, DATE, EXPIRES, SIGNED_HEADERS, TOKEN, SIGNATURE };

static const char *const names[PARAMETERS] = {
    "X-Amz-Algorithm",     "X-Amz-Credential",     "X-Amz-Date",     "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"};

struct query {
    elo_span value[PARAMETERS]; /* decoded */
    unsigned count[PARAMETERS];
    uint8_t *text;
};

/* --- the parameters -------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A '%' that begins no escape stands for itself, and the signature will tell. */
static elo_span decode(elo_span text, uint8_t *to)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int high = text.ptr[i] == '%' && text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
        to[n++] = low >= 0 ? (uint8_t)(high * 16 + low) : text.ptr[i];
        i += low >= 0 ? 2 : 0;
    }
    return elo_span_of(to, n);
}

static int parameter_of(elo_span name)
{
    for (int i = 0; i < PARAMETERS; i++) {
        if (elo_span_eq(name, elo_span_str(names[i]))) {
            return i;
        }
    }
    return -1;
}

bool sigv4_is_in_query(const struct sigv4_request *request)
{
    for (elo_span rest = request->query; rest.len > 0;) {
        elo_span pair = text_cut(&rest, '&');
        if (parameter_of(text_cut(&pair, '=')) == SIGNATURE) {
            return true;
        }
    }
    return false;
}

/* false: out of memory. */
static bool read_query(elo_span query, struct query *out)
{
    *out = (struct query){.text = mem_alloc(query.len + 1)};
    if (out->text == NULL) {
        return false;
    }
    uint8_t *to = out->text;
    while (query.len > 0) {
        elo_span value = text_cut(&query, '&');
        int i = parameter_of(text_cut(&value, '='));
        if (i >= 0) {
            out->value[i] = decode(value, to);
            out->count[i]++;
            to += out->value[i].len;
        }
    }
    return true;
}

static aws_error check_complete(const struct query *q, struct aws_fault *fault)
{
    for (int i = 0; i < PARAMETERS; i++) {
        bool must = i != EXPIRES && i != TOKEN;
        if (q->count[i] > 1) {
            return aws_fault_set(fault, AWS_IncompleteSignatureException,
                                 "AWS query-string parameters have more than one '%s'. Re-examine "
                                 "the query-string parameters.",
                                 names[i]);
        }
        if (must && q->value[i].len == 0) {
            return aws_fault_set(fault, AWS_IncompleteSignatureException,
                                 "AWS query-string parameters must include '%s'. Re-examine the "
                                 "query-string parameters.",
                                 names[i]);
        }
    }
    if (!elo_span_eq(q->value[ALGORITHM], ELO_SPAN(SIGV4__ALGORITHM))) {
        return aws_fault_set(fault, AWS_IncompleteSignatureException,
                             "Unsupported AWS 'algorithm': '%s'.",
                             text_quote(q->value[ALGORITHM]).text);
    }
    return AWS_OK;
}

static aws_error parse_date(const struct query *q, struct sigv4__claim *c, struct aws_fault *fault)
{
    if (!sigv4__date_parse(q->value[DATE], &c->date_s) || !sigv4__date_format(c->date_s, c->date)) {
        return aws_fault_set(fault, AWS_IncompleteSignatureException,
                             "Date must be in ISO-8601 'basic format'. Got '%s'. See "
                             "http://en.wikipedia.org/wiki/ISO_8601",
                             text_quote(q->value[DATE]).text);
    }
    return AWS_OK;
}

/* 0: there is none. */
static aws_error parse_expires(const struct query *q, int64_t *out, struct aws_fault *fault)
{
    elo_span text = q->value[EXPIRES];
    *out = 0;
    bool good = text.len <= 6;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        *out = *out * 10 + (text.ptr[i] - '0');
    }
    if (good && *out <= LIMIT_SIGV4_EXPIRES_S) {
        return AWS_OK;
    }
    return aws_fault_set(fault, AWS_IncompleteSignatureException,
                         "X-Amz-Expires must be a number of seconds, at most a week; got '%s'",
                         text_quote(text).text);
}

static aws_error check_time(const struct query *q,
                            const struct sigv4__claim *c,
                            int64_t now_s,
                            struct sigv4_times times,
                            struct aws_fault *fault)
{
    int64_t expires_s = 0;
    aws_error error = parse_expires(q, &expires_s, fault);
    if (error != AWS_OK || times.off) {
        return error;
    }
    bool within = !times.ignore_expires && c->date_s <= now_s && now_s <= c->date_s + expires_s;
    return within ? AWS_OK : sigv4__claim_skew(c, now_s, LIMIT_SIGV4_QUERY_SKEW_S, fault);
}

/* --- the signature --------------------------------------------------------------------------- */

/* The query that was signed. */
static void signed_query(elo_span query, bool with_token, struct buf *out)
{
    while (query.len > 0) {
        elo_span pair = text_cut(&query, '&');
        elo_span rest = pair;
        int i = parameter_of(text_cut(&rest, '='));
        if (pair.len > 0 && i != SIGNATURE && (with_token || i != TOKEN)) {
            buf_text(out, buf_span(out).len > 0 ? "&" : "");
            buf_add(out, pair);
        }
    }
}

/* The host in lower case without its port; its length, or 0: it is no host. */
static size_t bare_host(elo_span host, char out[HOST_BYTES])
{
    size_t len = host.len;
    while (len > 0 && host.ptr[len - 1] >= '0' && host.ptr[len - 1] <= '9') {
        len--;
    }
    len = len > 0 && len < host.len && host.ptr[len - 1] == ':' ? len - 1 : host.len;
    if (len + sizeof ":443" > HOST_BYTES) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)text_lower(host.ptr[i]);
    }
    return len;
}

struct attempt {
    struct sigv4_request request;
    const struct sigv4__claim *claim;
    elo_span secret;
};

static elo_err try_one(const struct attempt *a, bool *out_good)
{
    char expected[65];
    const struct sigv4__claim *c = a->claim;
    elo_err err = sigv4__sign_request(&a->request, c->signed_headers, elo_span_of(c->date, 16),
                                      &c->scope, a->secret, expected);
    *out_good = err == ELO_OK && pki_equal(c->signature, elo_span_of(expected, 64));
    return err;
}

/* With the host as it was sent, bare, and with the port that all of AWS's clients connect to. */
static elo_err try_hosts(struct attempt *a, bool *out_good)
{
    struct sigv4_header headers[MOST_HEADERS];
    elo_err err = try_one(a, out_good);
    size_t at = 0;
    while (at < a->request.header_count &&
           !sigv4__is_named(&a->request.headers[at], ELO_SPAN("host"))) {
        at++;
    }
    if (*out_good || err != ELO_OK || at == a->request.header_count ||
        a->request.header_count > MOST_HEADERS) {
        return err;
    }
    char host[HOST_BYTES];
    size_t len = bare_host(a->request.headers[at].value, host);
    memcpy(headers, a->request.headers, a->request.header_count * sizeof *headers);
    a->request.headers = headers;
    memcpy(host + len, ":443", 4);
    for (size_t more = 0; len > 0 && !*out_good && err == ELO_OK && more <= 4; more += 4) {
        headers[at].value = elo_span_of(host, len + more);
        err = try_one(a, out_good);
    }
    return err;
}

static aws_error check_signature(const struct sigv4_request *request,
                                 const struct query *q,
                                 const struct sigv4__claim *c,
                                 elo_span secret,
                                 struct aws_fault *fault)
{
    elo_err err = ELO_OK;
    bool good = false;
    unsigned ways = q->count[TOKEN] > 0 ? 2 : 1;
    for (unsigned way = 0; !good && err == ELO_OK && way < ways; way++) {
        struct attempt a = {*request, c, secret};
        struct buf query;
        buf_init(&query, SIGV4__CANONICAL_MAX);
        signed_query(request->query, way == 1, &query);
        a.request.query = buf_span(&query);
        err = buf_err(&query);
        err = err == ELO_OK ? try_hosts(&a, &good) : err;
        buf_free(&query);
    }
    return good ? AWS_OK : sigv4__claim_mismatch(err, fault);
}

static aws_error verify(const struct sigv4_request *request,
                        const struct query *q,
                        const struct sigv4_key *key,
                        const char *const *services,
                        const char *region,
                        int64_t now_s,
                        struct sigv4_times times,
                        struct aws_fault *fault)
{
    struct sigv4__claim c = {.credential = q->value[CREDENTIAL],
                             .signed_headers = q->value[SIGNED_HEADERS],
                             .signature = q->value[SIGNATURE]};
    aws_error error = check_complete(q, fault);
    error = error != AWS_OK ? error : parse_date(q, &c, fault);
    error = error != AWS_OK ? error : sigv4__claim_credential(&c, fault);
    error = error != AWS_OK ? error : sigv4__claim_scope(&c, services, region, fault);
    error = error != AWS_OK ? error : check_time(q, &c, now_s, times, fault);
    error = error != AWS_OK ? error : sigv4__claim_key(&c, q->value[TOKEN], key, fault);
    error = error != AWS_OK ? error : sigv4__claim_host(&c, fault);
    return error != AWS_OK ? error : check_signature(request, q, &c, key->secret, fault);
}

aws_error sigv4_verify_query(const struct sigv4_request *request,
                             const struct sigv4_key *key,
                             const char *const *services,
                             const char *region,
                             int64_t now_s,
                             struct sigv4_times times,
                             struct aws_fault *fault)
{
    struct query q;
    if (!read_query(request->query, &q)) {
        return sigv4__claim_mismatch(ELO_E_NO_MEMORY, fault);
    }
    aws_error error = verify(request, &q, key, services, region, now_s, times, fault);
    mem_free(q.text);
    return error;
}
