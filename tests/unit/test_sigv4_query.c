// links: server_auth server_pki server_base jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Signatures in the query: every way that clients of AWS IoT sign, and each refusal in AWS's words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/auth/sigv4.h"
#include "server/base/mem.h"

#define VECTORS ELO_SOURCE_DIR "/tests/vectors/sigv4/query.json"

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static aws_error verify(json_t *v, const char *query, struct aws_fault *fault)
{
    static const char *const services[] = {"iotdevicegateway", "iotdata", NULL};
    const char *times = text_of(v, "times");
    struct sigv4_header headers[] = {
        {ELO_SPAN("Upgrade"), ELO_SPAN("websocket")},
        {ELO_SPAN("Host"), elo_span_str(text_of(v, "host"))},
    };
    struct sigv4_request request = {.method = ELO_SPAN("GET"),
                                    .path = ELO_SPAN("/mqtt"),
                                    .query = elo_span_str(query),
                                    .headers = headers,
                                    .header_count = 2};
    struct sigv4_key key = {elo_span_str(text_of(v, "access_key_id")),
                            elo_span_str(text_of(v, "secret")),
                            elo_span_str(text_of(v, "session_token"))};
    struct sigv4_times how = {.ignore_expires = strcmp(times, "ignore-expires") == 0,
                              .off = strcmp(times, "off") == 0};
    fault->message[0] = '\0';
    return sigv4_verify_query(&request, &key, services, text_of(v, "region"),
                              json_integer_value(json_object_get(v, "now")), how, fault);
}

static json_t *load(void)
{
    json_error_t error;
    json_t *root = json_load_file(VECTORS, 0, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", VECTORS, error.line, error.text);
    }
    return root;
}

static void every_vector_is_judged_as_it_says(void **state)
{
    (void)state;
    json_t *root = load(), *v;
    size_t i, good = 0;
    json_array_foreach(root, i, v)
    {
        struct aws_fault fault;
        const char *says = text_of(v, "says");
        aws_error error = verify(v, text_of(v, "query"), &fault);
        if ((error == AWS_OK) != (says[0] == '\0') || strstr(fault.message, says) == NULL) {
            fail_msg("%s: %d, %s", text_of(v, "name"), (int)error, fault.message);
        }
        good += error == AWS_OK;
    }
    assert_true(good >= 20 && i - good >= 25);
    json_decref(root);
}

/* Signed values, names and the signature itself: one other character, and it is refused. */
static void every_character_counts(void **state)
{
    (void)state;
    json_t *root = load(), *v = json_array_get(root, 0);
    char *query = mem_text(elo_span_str(text_of(v, "query")));
    for (char *at = query; *at != '\0'; at++) {
        struct aws_fault fault;
        char was = *at;
        *at = was == 'x' ? 'y' : 'x';
        /* Only the two digits of an escape in the decoded credential could be spelt otherwise. */
        if (verify(v, query, &fault) == AWS_OK) {
            fail_msg("'%s' is taken", query);
        }
        *at = was;
    }
    mem_free(query);
    json_decref(root);
}

static void a_query_without_a_signature_has_none(void **state)
{
    (void)state;
    struct sigv4_request request = {.query = ELO_SPAN("a=1&X-Amz-SignatureX=2&x-amz-signature=3")};
    assert_false(sigv4_is_in_query(&request));
    request.query = ELO_SPAN("a=1&X-Amz-Signature=2");
    assert_true(sigv4_is_in_query(&request));
    request.query = ELO_SPAN("");
    assert_false(sigv4_is_in_query(&request));
}

static void survives_each_failing_allocation(void **state)
{
    (void)state;
    json_t *root = load(), *v = json_array_get(root, 0);
    struct aws_fault fault;
    aws_error error = AWS_InternalFailureException;
    long n = 0;
    for (; error != AWS_OK; n++) {
        mem_fail_at(n + 1);
        error = verify(v, text_of(v, "query"), &fault);
        mem_fail_at(0);
        assert_true(error == AWS_OK || error == AWS_InternalFailureException);
        assert_true(n < 100);
    }
    assert_true(n > 3);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_is_judged_as_it_says),
        cmocka_unit_test(every_character_counts),
        cmocka_unit_test(a_query_without_a_signature_has_none),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
