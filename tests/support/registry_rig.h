// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A registry on a database of its own, for the tests that ask it call by call: fresh for each test,
 * with random numbers that are the same in every run. One a program.
 */
#ifndef TESTS_SUPPORT_REGISTRY_RIG_H
#define TESTS_SUPPORT_REGISTRY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/registry/registry.h"

#define ARN_PREFIX "arn:aws:iot:eu-west-1:123456789012:"

static struct store *store;
static struct registry *reg;
static struct compat compat;
static struct aws_fault fault;
static char dir[64];
static char path[80];
static uint64_t random_state;

static inline void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(random_state >> 56);
    }
}

static inline void open_registry(const char *region)
{
    const struct store_config config = {.path = path};
    const struct registry_config about = {
        .region = region, .account = "123456789012", .compat = compat, .random = {.fill = fill}};
    char why[256] = "";
    if (store_open(&config, &store, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(registry_create(&about, store, &reg), ELO_OK);
}

static inline void close_registry(void)
{
    registry_destroy(reg);
    store_close(store);
}

static inline int setup(void **state)
{
    (void)state;
    random_state = 1;
    compat = (struct compat){0};
    (void)snprintf(dir, sizeof dir, "/tmp/elo-registry-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/elo.db", dir);
    open_registry("eu-west-1");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    close_registry();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* SQLite's log is gone too */
    return 0;
}

static inline elo_span s(const char *text)
{
    return elo_span_str(text);
}

/* --- short hands ------------------------------------------------------------------------------ */

#define FAULT(call, name, text)                                                                    \
    do {                                                                                           \
        assert_int_equal((call), AWS_##name);                                                      \
        assert_int_equal(fault.error, AWS_##name);                                                 \
        if (!strstr(fault.message, (text))) {                                                      \
            fail_msg("message is \"%s\"", fault.message);                                          \
        }                                                                                          \
    } while (0)
#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != AWS_OK) {                                                                    \
            fail_msg("%s", fault.message);                                                         \
        }                                                                                          \
    } while (0)
#define SPAN_IS(span, text) assert_true(elo_span_eq((span), s(text)))

static const struct thing_change nothing;

static inline aws_error thing_with(const char *name,
                                   const struct thing_attribute *attributes,
                                   size_t count,
                                   const struct thing **out)
{
    const struct thing_change change = {
        .has_attributes = true, .attributes = attributes, .attribute_count = count};
    return registry_create_thing(reg, s(name), &change, 1000, out, &fault);
}

static inline void make_thing(const char *name)
{
    OK(registry_create_thing(reg, s(name), &nothing, 1000, NULL, &fault));
}

/* A made-up id: 64 times the digit, or with another last digit. */
static inline const char *id_of(char digit, char last)
{
    static char id[4][65];
    static unsigned turn;
    char *out = id[turn++ % 4];
    memset(out, digit, 63);
    out[63] = last;
    out[64] = '\0';
    return out;
}

static inline const char *arn_of(const char *id)
{
    static char arn[4][128];
    static unsigned turn;
    char *out = arn[turn++ % 4];
    (void)snprintf(out, sizeof arn[0], ARN_PREFIX "cert/%s", id);
    return out;
}

static inline aws_error certificate_with(const char *id,
                                         enum certificate_status status,
                                         int64_t now_ms,
                                         const struct certificate **out)
{
    const struct certificate_new fresh = {
        .id = s(id),
        .pem = s("-----BEGIN CERTIFICATE-----\n"),
        .status = status,
        .mode = s("DEFAULT"),
        .not_before_s = 10,
        .not_after_s = 20,
    };
    return registry_register_certificate(reg, &fresh, now_ms, out, &fault);
}

static inline const char *make_certificate(char digit)
{
    const char *id = id_of(digit, digit);
    OK(certificate_with(id, CERTIFICATE_INACTIVE, 1000, NULL));
    return arn_of(id);
}

static inline void make_policy(const char *name)
{
    OK(registry_create_policy(reg, s(name), s("{}"), 1000, NULL, &fault));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
