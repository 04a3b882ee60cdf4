// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the programs test_net_*.c share on the bench of net_rig.h: requests, a rig for each test,
 * and the ways in which a program's tests are run.
 */
#ifndef TESTS_SUPPORT_NET_TESTS_H
#define TESTS_SUPPORT_NET_TESTS_H

#include "tests/support/net_rig.h"

static const struct compat normal;

#define GET       "GET /things HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_CLOSE "GET /things HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* How often `text` stands behind `*from`, which moves behind the last of them. */
static inline size_t count_after(const struct buf *b, const char *text, size_t *from)
{
    elo_span all = buf_span(b);
    size_t count = 0;
    const uint8_t *at;
    while (*from < all.len &&
           (at = memmem(all.ptr + *from, all.len - *from, text, strlen(text))) != NULL) {
        *from = (size_t)(at - all.ptr) + strlen(text);
        count++;
    }
    return count;
}

static inline size_t count_in(const struct buf *b, const char *text)
{
    size_t from = 0;
    return count_after(b, text, &from);
}

/* A signed request with the body {}. */
static inline const char *post(const char *path)
{
    static char text[2048];
    struct sigv4_signed sig;
    struct sigv4_header host = {ELO_SPAN("host"), ELO_SPAN("a")};
    struct sigv4_request request = {.method = ELO_SPAN("POST"),
                                    .path = elo_span_str(path),
                                    .headers = &host,
                                    .header_count = 1,
                                    .body = ELO_SPAN("{}")};
    struct sigv4_key key = {.access_key_id = ELO_SPAN("AKID"), .secret = ELO_SPAN("secret")};
    assert_int_equal(sigv4_sign(&request, &key, "iot", "eu-west-1", (int64_t)time(NULL), &sig),
                     ELO_OK);
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: a\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n"
             "Content-Length: 2\r\n\r\n{}",
             path, sig.date, sig.authorization);
    return text;
}

static inline const char *make_thing(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/things/%s", name);
    return post(path);
}

static struct rig the_rig;

static inline int open_rig(void **state)
{
    rig_open(&the_rig, normal);
    *state = &the_rig;
    return 0;
}

static inline int close_rig(void **state)
{
    (void)state;
    rig_close(&the_rig);
    return 0;
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

/* Runs a program's tests with our records and with OpenSSL's; then `shaken`, what has to do with
 * handshakes, with one worker and with two. How many have failed. */
static inline int run_each_way(const struct CMUnitTest *tests,
                               size_t test_count,
                               const struct CMUnitTest *shaken,
                               size_t shaken_count)
{
    static const struct {
        const char *name;
        bool openssl_records;
        int workers;
    } ways[] = {{"own records", false, 0},
                {"OpenSSL's records", true, 0},
                {"one worker", false, 1},
                {"two workers", false, 2}};
    int failed = 0;
    rig_take_allocations();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        bool all = ways[i].workers == 0;
        rig_openssl_records = ways[i].openssl_records;
        rig_workers = ways[i].workers;
        failed += _cmocka_run_group_tests(ways[i].name, all ? tests : shaken,
                                          all ? test_count : shaken_count, NULL, NULL);
    }
    return failed;
}

#define RUN_EACH_WAY(tests, shaken)                                                                \
    run_each_way(tests, sizeof tests / sizeof tests[0], shaken, sizeof shaken / sizeof shaken[0])

#endif
