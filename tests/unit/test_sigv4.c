// links: server_auth server_pki server_base jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* SigV4: what botocore signed, every bit of it altered, and each refusal in AWS's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/auth/sigv4.h"
#include "server/auth/sigv4_canonical.h"
#include "server/base/env.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/pki/pki.h"

#define VECTORS ELO_SOURCE_DIR "/tests/vectors/sigv4/vectors.json"

enum { MOST_HEADERS = 16, NOW = 1767323045 /* 20260102T030405Z */ };

static const char MISMATCH[] =
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details.";

/* --- vectors --------------------------------------------------------------------------------- */

struct vector {
    const char *name;
    struct sigv4_request request;
    struct sigv4_header headers[MOST_HEADERS]; /* with Authorization */
    struct sigv4_key key;
    const char *region;
    const char *services[2];
    int64_t now_s;
    const char *canonical;
    const char *signature;
};

static elo_span text_of(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    assert_true(json_is_string(value));
    return elo_span_of(json_string_value(value), json_string_length(value));
}

static elo_span item_of(json_t *array, size_t index)
{
    return elo_span_str(json_string_value(json_array_get(array, index)));
}

static void read_vector(json_t *json, struct vector *v)
{
    json_t *headers = json_object_get(json, "headers");
    *v = (struct vector){.name = (const char *)text_of(json, "name").ptr};
    assert_true(json_array_size(headers) <= MOST_HEADERS);
    for (size_t i = 0; i < json_array_size(headers); i++) {
        json_t *pair = json_array_get(headers, i);
        v->headers[i] = (struct sigv4_header){item_of(pair, 0), item_of(pair, 1)};
    }
    v->request = (struct sigv4_request){.method = text_of(json, "method"),
                                        .path = text_of(json, "path"),
                                        .query = text_of(json, "query"),
                                        .header_count = json_array_size(headers),
                                        .body = text_of(json, "body")};
    v->key = (struct sigv4_key){text_of(json, "access_key_id"), text_of(json, "secret"),
                                text_of(json, "session_token")};
    v->region = (const char *)text_of(json, "region").ptr;
    v->services[0] = (const char *)text_of(json, "service").ptr;
    v->now_s = json_integer_value(json_object_get(json, "unix"));
    v->canonical = (const char *)text_of(json, "canonical").ptr;
    v->signature = (const char *)text_of(json, "signature").ptr;
}

static aws_error verify(const struct vector *v, struct aws_fault *fault)
{
    struct sigv4_request request = v->request;
    struct sigv4_scope scope;
    request.headers = v->headers;
    return sigv4_verify(&request, &v->key, v->services, v->region, v->now_s, &scope, fault);
}

static void for_each_vector(void (*check)(struct vector *v))
{
    json_error_t error;
    json_t *root = json_load_file(VECTORS, JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", VECTORS, error.line, error.text);
    }
    assert_true(json_array_size(root) >= 24);
    for (size_t i = 0; i < json_array_size(root); i++) {
        struct vector v;
        read_vector(json_array_get(root, i), &v);
        check(&v);
    }
    json_decref(root);
}

static elo_span signed_names(const struct vector *v)
{
    static const char mark[] = "SignedHeaders=";
    elo_span authorization = v->headers[v->request.header_count - 1].value;
    elo_span names = elo_span_str(strstr((const char *)authorization.ptr, mark) + strlen(mark));
    return text_cut(&names, ',');
}

/* The canonical request, or what there is of it before the first fault. */
static void canonical_of(const struct vector *v, struct buf *out)
{
    struct sigv4_request request = v->request;
    uint8_t hash[32];
    char hex[65];
    request.headers = v->headers;
    buf_init(out, SIGV4__CANONICAL_MAX);
    if (sigv4__canonical_head(&request, signed_names(v), out) == ELO_OK) {
        pki_sha256(request.body, hash);
        core_hex(hash, sizeof hash, hex);
        buf_text(out, hex);
    }
}

static void check_verifies(struct vector *v)
{
    struct sigv4_request request = v->request;
    struct sigv4_scope scope;
    struct aws_fault fault = {.message = ""};
    struct buf canonical;
    request.headers = v->headers;
    canonical_of(v, &canonical);
    buf_byte(&canonical, '\0');
    assert_string_equal((const char *)buf_span(&canonical).ptr, v->canonical);
    buf_free(&canonical);
    if (sigv4_verify(&request, &v->key, v->services, NULL, v->now_s, &scope, &fault) != AWS_OK) {
        fail_msg("%s: %s", v->name, fault.message);
    }
    assert_true(elo_span_eq(scope.access_key_id, v->key.access_key_id));
    assert_true(elo_span_eq(scope.region, elo_span_str(v->region)));
    assert_true(elo_span_eq(scope.service, elo_span_str(v->services[0])));
}

static void verifies_what_botocore_signs(void **state)
{
    (void)state;
    for_each_vector(check_verifies);
}

static bool is_result(const struct sigv4_header *header)
{
    return sigv4__is_named(header, ELO_SPAN("x-amz-date")) ||
           sigv4__is_named(header, ELO_SPAN("authorization"));
}

static void check_signs(struct vector *v)
{
    struct sigv4_header headers[MOST_HEADERS];
    struct sigv4_request request = v->request;
    struct sigv4_signed out;
    bool has_date = false;
    request.header_count = 0;
    for (size_t i = 0; i < v->request.header_count; i++) {
        has_date = has_date || sigv4__is_named(&v->headers[i], ELO_SPAN("date"));
        if (!is_result(&v->headers[i])) {
            headers[request.header_count++] = v->headers[i];
        }
    }
    if (has_date) {
        return; /* ours always sends X-Amz-Date */
    }
    request.headers = headers;
    assert_int_equal(sigv4_sign(&request, &v->key, v->services[0], v->region, v->now_s, &out),
                     ELO_OK);
    elo_span theirs = v->headers[v->request.header_count - 1].value;
    assert_string_equal(out.authorization, (const char *)theirs.ptr);
}

static void signs_as_botocore_does(void **state)
{
    (void)state;
    for_each_vector(check_signs);
}

/* --- alteration ------------------------------------------------------------------------------ */

/* Flips each bit of `*part`, which lies in `v`. What means the same must pass, the rest must not.
 */
static void flip_all(struct vector *v, elo_span *part, bool is_canonical)
{
    elo_span whole = *part;
    struct buf before;
    struct buf after;
    struct aws_fault fault;
    canonical_of(v, &before);
    uint8_t *copy = malloc(whole.len ? whole.len : 1);
    memcpy(copy, whole.ptr, whole.len);
    *part = elo_span_of(copy, whole.len);
    for (size_t bit = 0; bit < whole.len * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool is_same = false;
        if (is_canonical) {
            canonical_of(v, &after);
            is_same = elo_span_eq(buf_span(&before), buf_span(&after));
            buf_free(&after);
        }
        if ((verify(v, &fault) == AWS_OK) != is_same) {
            fail_msg("%s: bit %zu of \"%.*s\" flipped: %s", v->name, bit, (int)whole.len,
                     (const char *)whole.ptr, is_same ? fault.message : "accepted");
        }
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    *part = whole;
    free(copy);
    buf_free(&before);
}

static void check_altered(struct vector *v)
{
    flip_all(v, &v->request.method, true);
    flip_all(v, &v->request.path, true);
    flip_all(v, &v->request.query, true);
    flip_all(v, &v->request.body, true);
    flip_all(v, &v->key.secret, false);
    flip_all(v, &v->key.access_key_id, false);
    size_t last = v->request.header_count - 1;
    for (size_t i = 0; i < last; i++) {
        flip_all(v, &v->headers[i].value, true);
        flip_all(v, &v->headers[i].name, true);
    }
    flip_all(v, &v->headers[last].value, false);
}

static void refuses_each_altered_bit(void **state)
{
    (void)state;
    for_each_vector(check_altered);
}

/* --- presigned pieces: aws-data-plane, MQTT over WebSocket ------------------------------------ */

static void signs_the_websocket_query(void **state)
{
    (void)state;
    static const struct {
        const char *service;
        const char *expires;
        const char *signature;
    } cases[] = {
        {"iotdevicegateway", "",
         "1071a788e29d33cae79aabe0f305b51b1c47908a060a459d0ebe0a797de5bc6c"},
        {"iotdevicegateway", "X-Amz-Expires=86400&",
         "7c50a0e6578a2e0b6dbf27a18dea0824ce05132b405ca25586ab93d69dd16112"},
        {"iotdata", "X-Amz-Expires=86400&",
         "fc724dfe432988836b4b26708e89e8de816dfdf6eb9e6566cb5c6c11d3934eb7"},
    };
    const struct sigv4_header host = {ELO_SPAN("Host"),
                                      ELO_SPAN("a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com")};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char query[512];
        char signature[65];
        snprintf(query, sizeof query,
                 "X-Amz-SignedHeaders=host&%sX-Amz-Date=20260102T030405Z&X-Amz-Credential="
                 "AKIDDESKTOP000000001%%2F20260102%%2Feu-west-1%%2F%s%%2Faws4_request&"
                 "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                 cases[i].expires, cases[i].service);
        const struct sigv4_request request = {.method = ELO_SPAN("GET"),
                                              .path = ELO_SPAN("/mqtt"),
                                              .query = elo_span_str(query),
                                              .headers = &host,
                                              .header_count = 1};
        const struct sigv4__scope scope = {ELO_SPAN("20260102"), ELO_SPAN("eu-west-1"),
                                           elo_span_str(cases[i].service)};
        assert_int_equal(
            sigv4__sign_request(&request, ELO_SPAN("host"), ELO_SPAN("20260102T030405Z"), &scope,
                                ELO_SPAN("deskSecretKey/0123456789abcdefghijklmnop"), signature),
            ELO_OK);
        assert_string_equal(signature, cases[i].signature);
    }
}

/* --- one good request, and what spoils it ---------------------------------------------------- */

#define DESK_ID     "AKIDDESKTOP000000001"
#define DESK_SECRET "deskSecretKey/0123456789abcdefghijklmnop"

static const struct sigv4_key desk = {{(const uint8_t *)DESK_ID, sizeof DESK_ID - 1},
                                      {(const uint8_t *)DESK_SECRET, sizeof DESK_SECRET - 1},
                                      {NULL, 0}};
static const char *const iot[] = {"iot", "execute-api", NULL};

struct trial {
    struct sigv4_request request;
    struct sigv4_header headers[8];
    struct sigv4_signed signature;
};

static void add_header(struct trial *t, const char *name, const char *value)
{
    t->headers[t->request.header_count++] =
        (struct sigv4_header){elo_span_str(name), elo_span_str(value)};
}

/* Headers 0 host, 1 x-amz-date, 2 authorization. */
static void sign_trial(struct trial *t, const struct sigv4_key *key, const char *service)
{
    *t = (struct trial){.request = {.method = ELO_SPAN("GET"), .path = ELO_SPAN("/things")}};
    t->request.headers = t->headers;
    add_header(t, "Host", "localhost:8080");
    assert_int_equal(sigv4_sign(&t->request, key, service, "eu-west-1", NOW, &t->signature),
                     ELO_OK);
    add_header(t, "X-Amz-Date", t->signature.date);
    add_header(t, "Authorization", t->signature.authorization);
}

static aws_error verify_trial(const struct trial *t, int64_t now_s, struct aws_fault *fault)
{
    struct sigv4_scope scope;
    return sigv4_verify(&t->request, &desk, iot, "eu-west-1", now_s, &scope, fault);
}

static void allows_a_skew_of_15_minutes(void **state)
{
    (void)state;
    static const struct {
        int skew_s;
        const char *message;
    } cases[] = {
        {0, NULL},
        {LIMIT_SIGV4_SKEW_S, NULL},
        {-LIMIT_SIGV4_SKEW_S, NULL},
        {LIMIT_SIGV4_SKEW_S + 1, "Signature expired: 20260102T030405Z is now earlier than "
                                 "20260102T030406Z (20260102T031906Z - 15 min.)"},
        {-LIMIT_SIGV4_SKEW_S - 1, "Signature not yet current: 20260102T030405Z is still later than "
                                  "20260102T030404Z (20260102T024904Z + 15 min.)"},
    };
    struct trial t;
    sign_trial(&t, &desk, "iot");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct aws_fault fault;
        aws_error error = verify_trial(&t, NOW + cases[i].skew_s, &fault);
        if (cases[i].message == NULL) {
            assert_int_equal(error, AWS_OK);
        } else {
            assert_int_equal(error, AWS_InvalidSignatureException);
            assert_string_equal(fault.message, cases[i].message);
        }
    }
    struct aws_fault fault;
    assert_int_equal(verify_trial(&t, INT64_MAX / 2, &fault), AWS_InvalidSignatureException);
    assert_int_equal(verify_trial(&t, 0, &fault), AWS_InvalidSignatureException);
}

#define SCHEME "AWS4-HMAC-SHA256 "
#define SCOPE  "/20260102/eu-west-1/iot/aws4_request"
#define CRED   "Credential=AKIDDESKTOP000000001" SCOPE
#define NAMES  "SignedHeaders=host;x-amz-date"
#define SIGN   "Signature=8d09c6d732ef73f1b76e4e2d507dc75f31661d1b882ed5f65607258564423f37"
#define DATE   "20260102T030405Z"

static const struct refusal {
    const char *authorization; /* NULL: none */
    const char *date;          /* NULL: none */
    aws_error error;           /* AWS_OK: accepted */
    const char *message;       /* its beginning */
} refusals[] = {
    {SCHEME CRED ", " NAMES ", " SIGN, DATE, AWS_OK, NULL},
    {SCHEME CRED "," NAMES "," SIGN, " " DATE " ", AWS_OK, NULL},
    {SCHEME SIGN ",  " NAMES " , " CRED ",", DATE, AWS_OK, NULL},
    {NULL, DATE, AWS_MissingAuthenticationTokenException, "Missing Authentication Token"},
    {"", DATE, AWS_IncompleteSignatureException,
     "Authorization header requires 'Credential' parameter. Authorization header requires "
     "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "},
    {"Bearer eyJ0eXAi", NULL, AWS_IncompleteSignatureException,
     "Authorization header requires 'Credential' parameter. Authorization header requires "
     "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
     "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "},
    {SCHEME, DATE, AWS_IncompleteSignatureException, "Authorization header requires 'Credential'"},
    {SCHEME NAMES ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "Authorization header requires 'Credential' parameter. "},
    {SCHEME CRED ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "Authorization header requires 'SignedHeaders' parameter. "},
    {SCHEME CRED ", " NAMES, DATE, AWS_IncompleteSignatureException,
     "Authorization header requires 'Signature' parameter. "},
    {SCHEME CRED ", SignedHeaders=, " SIGN, DATE, AWS_IncompleteSignatureException,
     "Authorization header requires 'SignedHeaders' parameter. "},
    {SCHEME CRED ", " NAMES ", " SIGN, NULL, AWS_IncompleteSignatureException,
     "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "},
    {SCHEME CRED ", " CRED ", " NAMES ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "Authorization header has more than one 'Credential' parameter."},
    {SCHEME CRED ", nonsense, " NAMES ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "'nonsense' not a valid key=value pair (missing equal-sign) in Authorization header."},
    {"AWS4-HMAC-SHA1 " CRED ", " NAMES ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."},
    {SCHEME "Credential=AKID/20260102/eu-west-1/iot, " NAMES ", " SIGN, DATE,
     AWS_IncompleteSignatureException,
     "Credential must have exactly 5 slash-delimited elements, e.g. "
     "keyid/date/region/service/term, "
     "got 'AKID/20260102/eu-west-1/iot'"},
    {SCHEME "Credential=A/B" SCOPE ", " NAMES ", " SIGN, DATE, AWS_IncompleteSignatureException,
     "Credential must have exactly 5 slash-delimited elements"},
    {SCHEME "Credential=\"\\\x01\xff" SCOPE "/////////////////////////////, " NAMES ", " SIGN, DATE,
     AWS_IncompleteSignatureException,
     "Credential must have exactly 5 slash-delimited elements, e.g. "
     "keyid/date/region/service/term, "
     "got '\"\\\?\?/20260102/eu-west-1/iot/aws4_request////////////////////////...'"},
    {SCHEME CRED ", " NAMES ", " SIGN, "2026-01-02T03:04:05Z", AWS_IncompleteSignatureException,
     "Date must be in ISO-8601 'basic format'. Got '2026-01-02T03:04:05Z'. See "
     "http://en.wikipedia.org/wiki/ISO_8601"},
    {SCHEME CRED ", " NAMES ", " SIGN, "20260230T030405Z", AWS_IncompleteSignatureException,
     "Date must be in ISO-8601"},
    {SCHEME CRED ", " NAMES ", " SIGN, "20260102T246060Z", AWS_IncompleteSignatureException,
     "Date must be in ISO-8601"},
    {SCHEME CRED ", " NAMES ", " SIGN, "", AWS_IncompleteSignatureException,
     "Date must be in ISO-8601"},
    {SCHEME CRED ", " NAMES ", " SIGN, "20260103T030405Z", AWS_InvalidSignatureException,
     "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
     "'20260102' != '20260103', from '20260103T030405Z'. "},
    {SCHEME "Credential=K/20260102/us-east-1/iot/aws4_request, " NAMES ", " SIGN, DATE,
     AWS_InvalidSignatureException,
     "Credential should be scoped to a valid region, not 'us-east-1'. "},
    {SCHEME "Credential=K/20260102//iot/aws4_request, " NAMES ", " SIGN, DATE,
     AWS_InvalidSignatureException, "Credential should be scoped to a valid region, not ''. "},
    {SCHEME "Credential=K/20260102/eu-west-1/s3/aws4_request, " NAMES ", " SIGN, DATE,
     AWS_InvalidSignatureException, "Credential should be scoped to correct service: 'iot'. "},
    {SCHEME "Credential=K/20260102/eu-west-1/iot/aws5_request, " NAMES ", " SIGN, DATE,
     AWS_InvalidSignatureException,
     "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "},
    {SCHEME "Credential=AKIDDESKTOP000000002" SCOPE ", " NAMES ", " SIGN, DATE,
     AWS_UnrecognizedClientException, "The security token included in the request is invalid."},
    {SCHEME "Credential=" SCOPE ", " NAMES ", " SIGN, DATE, AWS_UnrecognizedClientException,
     "The security token included in the request is invalid."},
    {SCHEME CRED ", SignedHeaders=x-amz-date, " SIGN, DATE, AWS_InvalidSignatureException,
     "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
    {SCHEME CRED ", SignedHeaders=host, " SIGN, DATE, AWS_InvalidSignatureException, MISMATCH},
    {SCHEME CRED ", SignedHeaders=x-amz-date;host, " SIGN, DATE, AWS_InvalidSignatureException,
     MISMATCH},
    {SCHEME CRED ", SignedHeaders=host;host;x-amz-date, " SIGN, DATE, AWS_InvalidSignatureException,
     MISMATCH},
    {SCHEME CRED ", SignedHeaders=host;x-amz-date;, " SIGN, DATE, AWS_InvalidSignatureException,
     MISMATCH},
    {SCHEME CRED ", SignedHeaders=;host;x-amz-date, " SIGN, DATE, AWS_InvalidSignatureException,
     MISMATCH},
    {SCHEME CRED ", SignedHeaders=host;x-amz-date;x-amz-zzz, " SIGN, DATE,
     AWS_InvalidSignatureException, MISMATCH},
    {SCHEME CRED ", " NAMES ", Signature=8d09", DATE, AWS_InvalidSignatureException, MISMATCH},
    {SCHEME CRED ", " NAMES
                 ", Signature=8D09C6D732EF73F1B76E4E2D507DC75F31661D1B882ED5F65607258564423F37",
     DATE, AWS_InvalidSignatureException, MISMATCH},
};

static void check_refusal(const struct refusal *r)
{
    struct trial t = {.request = {.method = ELO_SPAN("GET"), .path = ELO_SPAN("/things")}};
    struct aws_fault fault = {.message = ""};
    t.request.headers = t.headers;
    add_header(&t, "Host", "localhost:8080");
    if (r->date != NULL) {
        add_header(&t, "x-amz-date", r->date);
    }
    if (r->authorization != NULL) {
        add_header(&t, "authorization", r->authorization);
    }
    aws_error error = verify_trial(&t, NOW, &fault);
    if (error != r->error) {
        fail_msg("%s: %s %s", r->authorization, aws_error_name(error), fault.message);
    }
    if (error != AWS_OK) {
        assert_int_equal(fault.error, error);
        if (strncmp(fault.message, r->message, strlen(r->message)) != 0) {
            fail_msg("\"%s\" does not begin with \"%s\"", fault.message, r->message);
        }
    }
}

static void refuses_in_the_words_of_AWS(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        check_refusal(&refusals[i]);
    }
    assert_int_equal(aws_error_status(AWS_MissingAuthenticationTokenException), 403);
}

static void refuses_without_a_key_or_with_two_of_a_header(void **state)
{
    (void)state;
    struct trial t;
    struct aws_fault fault;
    struct sigv4_scope scope = {.region = ELO_SPAN("untouched")};
    sign_trial(&t, &desk, "iot");
    assert_int_equal(sigv4_verify(&t.request, NULL, iot, NULL, NOW, &scope, &fault),
                     AWS_UnrecognizedClientException);
    assert_true(elo_span_eq(scope.region, ELO_SPAN("untouched")));
    add_header(&t, "authorization", t.signature.authorization);
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_IncompleteSignatureException);
    sign_trial(&t, &desk, "iot");
    add_header(&t, "x-amz-date", DATE);
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_InvalidSignatureException);
    sign_trial(&t, &desk, "iotdata");
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_InvalidSignatureException);
    sign_trial(&t, &desk, "execute-api");
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_OK);
    add_header(&t, "x-not-signed", "is nobody's business");
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_OK);
}

static void wants_the_session_token_of_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *of_key;
        const char *sent;
        aws_error error;
    } cases[] = {
        {"", NULL, AWS_OK},
        {"", "token", AWS_UnrecognizedClientException},
        {"token", NULL, AWS_UnrecognizedClientException},
        {"token", "other", AWS_UnrecognizedClientException},
        {"token", "toke", AWS_UnrecognizedClientException},
        {"token", "token", AWS_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sigv4_key key = desk;
        struct sigv4_key signer = desk;
        struct sigv4_scope scope;
        struct aws_fault fault;
        struct trial t;
        key.session_token = elo_span_str(cases[i].of_key);
        signer.session_token = elo_span_str(cases[i].sent);
        sign_trial(&t, &signer, "iot");
        assert_true((strstr(t.signature.authorization, "x-amz-security-token") != NULL) ==
                    (cases[i].sent != NULL));
        if (cases[i].sent != NULL) {
            add_header(&t, "X-Amz-Security-Token", cases[i].sent);
        }
        assert_int_equal(sigv4_verify(&t.request, &key, iot, NULL, NOW, &scope, &fault),
                         cases[i].error);
    }
}

/* Signed as S3 clients may: with the literal text in the place of the body's hash. */
static void refuses_an_unsigned_payload(void **state)
{
    (void)state;
    const struct sigv4__scope scope = {ELO_SPAN("20260102"), ELO_SPAN("eu-west-1"),
                                       ELO_SPAN("iot")};
    const elo_span names = ELO_SPAN("host;x-amz-content-sha256;x-amz-date");
    char signature[65];
    char authorization[512];
    struct aws_fault fault;
    struct buf canonical;
    struct trial t = {.request = {.method = ELO_SPAN("PUT"), .path = ELO_SPAN("/")}};
    t.request.headers = t.headers;
    add_header(&t, "host", "h");
    add_header(&t, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    add_header(&t, "x-amz-date", DATE);
    buf_init(&canonical, 4096);
    assert_int_equal(sigv4__canonical_head(&t.request, names, &canonical), ELO_OK);
    buf_text(&canonical, "UNSIGNED-PAYLOAD");
    assert_int_equal(
        sigv4__signature(buf_span(&canonical), ELO_SPAN(DATE), &scope, desk.secret, signature),
        ELO_OK);
    buf_free(&canonical);
    snprintf(authorization, sizeof authorization, SCHEME CRED ",SignedHeaders=%.*s,Signature=%s",
             (int)names.len, (const char *)names.ptr, signature);
    add_header(&t, "authorization", authorization);
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_InvalidSignatureException);
    assert_string_equal(fault.message, MISMATCH);
}

/* --- canonical forms ------------------------------------------------------------------------- */

static void brings_paths_and_queries_into_form(void **state)
{
    (void)state;
    static const struct {
        bool is_path;
        const char *wire;
        const char *canonical;
    } cases[] = {
        {true, "", "/"},
        {true, "/", "/"},
        {true, "//", "/"},
        {true, "/.", "/"},
        {true, "/..", "/"},
        {true, "/../..", "/"},
        {true, "/a", "/a"},
        {true, "/a/", "/a/"},
        {true, "/a/.", "/a"},
        {true, "/a/..", "/"},
        {true, "/a/../", "/"},
        {true, "/a/b/../../c", "/c"},
        {true, "/a//b", "/a/b"},
        {true, "/...", "/..."},
        {true, "/%2e%2E", "/%252e%252E"},
        {true, "/\x7f\xc3\xa1*", "/%7F%C3%A1%2A"},
        {true, "*", "/%2A"},
        {false, "", ""},
        {false, "a", "a="},
        {false, "a=", "a="},
        {false, "&", "=&="},
        {false, "b&a", "a=&b="},
        {false, "a==&a=", "a=&a=="},
        {false, "a=2&a=10&a", "a=&a=10&a=2"},
        {false, "a-=1&a=2&a0=3", "a=2&a-=1&a0=3"},
        {false, "z=%2f&Z=+ ", "Z=+ &z=%2f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        elo_span wire = elo_span_str(cases[i].wire);
        buf_init(&out, 256);
        if (cases[i].is_path) {
            sigv4__canonical_path(wire, &out);
        } else {
            assert_true(sigv4__canonical_query(wire, &out));
        }
        buf_byte(&out, '\0');
        assert_string_equal((const char *)buf_span(&out).ptr, cases[i].canonical);
        buf_free(&out);
    }
}

static void reads_both_forms_of_date(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_http;
        int64_t time_s; /* -1: no date */
    } cases[] = {
        {DATE, false, NOW},
        {"19700101T000000Z", false, 0},
        {"99991231T235959Z", false, INT64_C(253402300799)},
        {"20260102T030405", false, -1},
        {"20260102T030405z", false, -1},
        {"20260102 030405Z", false, -1},
        {"2026010aT030405Z", false, -1},
        {"20261302T030405Z", false, -1},
        {"20270229T030405Z", false, -1},
        {"20260102T030460Z", false, -1},
        {"Fri, 02 Jan 2026 03:04:05 GMT", true, NOW},
        {"Fri, 02 Jan 2026 03:04:05 -0000", true, NOW},
        {"Fri, 02 Jan 2026 03:04:05 +0100", true, -1},
        {"Fri, 02 Jan 2026 03:04:05", true, -1},
        {"", true, -1},
        {"Fri, 02 Jan 2026 03:04:05 GMT and much, much more", true, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time_s = -2;
        elo_span text = elo_span_str(cases[i].text);
        bool ok = cases[i].is_http ? sigv4__http_date_parse(text, &time_s)
                                   : sigv4__date_parse(text, &time_s);
        assert_int_equal(ok, cases[i].time_s >= 0);
        assert_true(!ok || time_s == cases[i].time_s);
    }
    char text[17];
    assert_false(sigv4__date_format(INT64_C(253402300800), text));
    assert_false(sigv4__date_format(INT64_MAX, text));
    assert_false(sigv4__date_format(INT64_MIN, text));
}

/* --- limits and faults ----------------------------------------------------------------------- */

static void tells_when_there_is_no_room(void **state)
{
    (void)state;
    static char names[40][24];
    struct sigv4_header headers[40];
    struct sigv4_signed out;
    struct sigv4_request request = {.method = ELO_SPAN("GET"), .path = ELO_SPAN("/")};
    request.headers = headers;
    for (size_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "X-Amz-Long-Header-%02zu", 39 - i);
        headers[i] = (struct sigv4_header){elo_span_str(names[i]), ELO_SPAN("v")};
    }
    request.header_count = 5;
    assert_int_equal(sigv4_sign(&request, &desk, "iot", "r", NOW, &out), ELO_OK);
    request.header_count = 40;
    assert_int_equal(sigv4_sign(&request, &desk, "iot", "r", NOW, &out), ELO_E_NO_SPACE);
    request.header_count = 0;
    assert_int_equal(sigv4_sign(&request, &desk, "iot", "r", INT64_MAX, &out), ELO_E_CLOCK);
    char *path = calloc(1, SIGV4__CANONICAL_MAX);
    memset(path, '/', SIGV4__CANONICAL_MAX);
    request.path = elo_span_of(path, SIGV4__CANONICAL_MAX);
    assert_int_equal(sigv4_sign(&request, &desk, "iot", "r", NOW, &out), ELO_E_NO_SPACE);
    struct trial t;
    struct aws_fault fault;
    sign_trial(&t, &desk, "iot");
    t.request.path = request.path;
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_InvalidSignatureException);
    t.request.path = ELO_SPAN("/things");
    t.request.query = elo_span_of(path, SIGV4__CANONICAL_MAX);
    assert_int_equal(verify_trial(&t, NOW, &fault), AWS_InvalidSignatureException);
    free(path);
}

static void survives_each_failing_allocation(void **state)
{
    (void)state;
    struct trial t;
    struct aws_fault fault;
    sign_trial(&t, &desk, "iot");
    const struct sigv4_request unsigned_request = {.method = ELO_SPAN("GET"),
                                                   .path = ELO_SPAN("/things"),
                                                   .query = ELO_SPAN("b&a"),
                                                   .headers = t.headers,
                                                   .header_count = 1};
    long failures = 0;
    for (long n = 1; n < 100; n++) {
        mem_fail_at(n);
        aws_error error = verify_trial(&t, NOW, &fault);
        mem_fail_at(0);
        if (error == AWS_OK) {
            break;
        }
        assert_int_equal(error, AWS_InternalFailureException);
        failures++;
    }
    assert_in_range(failures, 3, 20);
    failures = 0;
    for (long n = 1; n < 100; n++) {
        struct sigv4_signed out;
        mem_fail_at(n);
        elo_err err = sigv4_sign(&unsigned_request, &desk, "iot", "eu-west-1", NOW, &out);
        mem_fail_at(0);
        if (err == ELO_OK) {
            break;
        }
        assert_int_equal(err, ELO_E_NO_MEMORY);
        failures++;
    }
    assert_in_range(failures, 5, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_botocore_signs),
        cmocka_unit_test(signs_as_botocore_does),
        cmocka_unit_test(refuses_each_altered_bit),
        cmocka_unit_test(signs_the_websocket_query),
        cmocka_unit_test(allows_a_skew_of_15_minutes),
        cmocka_unit_test(refuses_in_the_words_of_AWS),
        cmocka_unit_test(refuses_without_a_key_or_with_two_of_a_header),
        cmocka_unit_test(wants_the_session_token_of_the_key),
        cmocka_unit_test(refuses_an_unsigned_payload),
        cmocka_unit_test(brings_paths_and_queries_into_form),
        cmocka_unit_test(reads_both_forms_of_date),
        cmocka_unit_test(tells_when_there_is_no_room),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
