// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * An authorizer over a real registry and store in a temporary directory, one for each test, and
 * short hands for what tests of it make, attach and ask. A header, for the support library links
 * none of the server. Certificates are good from second 1000 to 2000.
 */
#ifndef ELO_TESTS_SUPPORT_AUTHORIZER_RIG_H
#define ELO_TESTS_SUPPORT_AUTHORIZER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/auth/authorizer_internal.h"

#define ARN     "arn:aws:iot:eu-west-1:123456789012:"
#define CERT_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct store *store;
static struct registry *reg;
static struct authorizer *authorizer;
static struct aws_fault fault;
static char dir[64];
static uint64_t random_state;

static inline void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(random_state >> 56);
    }
}

static inline const char *in_dir(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static inline int setup(void **state)
{
    const struct registry_config about = {
        .region = "eu-west-1", .account = "123456789012", .random = {.fill = fill}};
    char why[256] = "";
    (void)state;
    random_state = 1;
    (void)snprintf(dir, sizeof dir, "/tmp/elo-authorizer-XXXXXX");
    assert_non_null(mkdtemp(dir));
    const struct store_config config = {.path = in_dir("elo.db")};
    if (store_open(&config, &store, why, sizeof why) != ELO_OK) {
        fail_msg("%s", why);
    }
    assert_int_equal(registry_create(&about, store, &reg), ELO_OK);
    authorizer = authorizer_create(reg);
    assert_non_null(authorizer);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    authorizer_destroy(authorizer);
    registry_destroy(reg);
    store_close(store);
    assert_int_equal(unlink(in_dir("elo.db")), 0);
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* --- short hands -------------------------------------------------------------------------------
 */

static inline elo_span s(const char *text)
{
    return elo_span_str(text);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != AWS_OK) {                                                                    \
            fail_msg("%s", fault.message);                                                         \
        }                                                                                          \
    } while (0)

static inline void make_certificate(const char *id, enum certificate_status status)
{
    const struct certificate_new fresh = {.id = s(id),
                                          .pem = s("a certificate"),
                                          .status = status,
                                          .mode = s("DEFAULT"),
                                          .not_before_s = 1000,
                                          .not_after_s = 2000};
    OK(registry_register_certificate(reg, &fresh, 1, NULL, &fault));
}

static inline elo_span cert_arn(void)
{
    return s(ARN "cert/" CERT_ID);
}

/* Version 2012-10-17 with one statement; NULL condition: none. */
static inline const char *
document(const char *effect, const char *action, const char *resource, const char *condition)
{
    static char text[2000];
    (void)snprintf(
        text, sizeof text,
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"%s\",\"Action\":\"%s\","
        "\"Resource\":\"%s\"%s%s}]}",
        effect, action, resource, condition != NULL ? ",\"Condition\":" : "",
        condition != NULL ? condition : "");
    return text;
}

static inline void make_policy(const char *name, const char *text)
{
    OK(registry_create_policy(reg, s(name), s(text), 1, NULL, &fault));
}

static inline void attach(const char *policy)
{
    OK(registry_attach_policy(reg, s(policy), cert_arn(), &fault));
}

static inline void allow(const char *name, const char *action, const char *resource)
{
    make_policy(name, document("Allow", action, resource, NULL));
    attach(name);
}

static inline void make_thing(const char *name, const char *room)
{
    const struct thing_attribute attribute = {s("room"), s(room)};
    const struct thing_change change = {
        .has_attributes = true, .attributes = &attribute, .attribute_count = 1};
    OK(registry_create_thing(reg, s(name), &change, 1, NULL, &fault));
}

static inline struct auth_session *session(const char *client_id)
{
    const struct auth_peer peer = {.certificate_id = s(CERT_ID),
                                   .source_ip = s("192.0.2.7"),
                                   .source_port = 4711,
                                   .server_name = s("localhost")};
    struct auth_session *auth = auth_session_create(authorizer, &peer);
    assert_non_null(auth);
    if (client_id != NULL) {
        const struct auth_connect connect = {.client_id = s(client_id)};
        assert_int_equal(auth_session_connect(auth, &connect), ELO_OK);
    }
    return auth;
}

static inline void explains(struct auth_session *auth,
                            enum policy_action action,
                            const char *name,
                            const char *fragment)
{
    char why[512];
    size_t len = auth_explain(auth, action, s(name), why, sizeof why);
    assert_int_equal(len, strlen(why));
    if (strstr(why, fragment) == NULL) {
        fail_msg("\"%s\" is not in: %s", fragment, why);
    }
}

#define ALLOWED(auth, action, name) assert_true(auth_allows((auth), POLICY_##action, s(name)))
#define DENIED(auth, action, name)  assert_false(auth_allows((auth), POLICY_##action, s(name)))

#define WITH_REGISTRY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
