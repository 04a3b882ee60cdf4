// links: server_auth
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The authorizer over a real registry and store in a temporary directory: certificates and their
 * dates, policies that come, change and go under a session, what a connection's variables are, the
 * caches at their caps, allocation that fails.
 */
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
#include "server/base/mem.h"
#include "server/pki/pki.h"

#define ARN     "arn:aws:iot:eu-west-1:123456789012:"
#define CERT_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct store *store;
static struct registry *reg;
static struct authorizer *authorizer;
static struct aws_fault fault;
static char dir[64];
static uint64_t random_state;

static void fill(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(random_state >> 56);
    }
}

static const char *in_dir(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int setup(void **state)
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

static int teardown(void **state)
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

static elo_span s(const char *text)
{
    return elo_span_str(text);
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != AWS_OK) {                                                                    \
            fail_msg("%s", fault.message);                                                         \
        }                                                                                          \
    } while (0)

static void make_certificate(const char *id, enum certificate_status status)
{
    const struct certificate_new fresh = {.id = s(id),
                                          .pem = s("a certificate"),
                                          .status = status,
                                          .mode = s("DEFAULT"),
                                          .not_before_s = 1000,
                                          .not_after_s = 2000};
    OK(registry_register_certificate(reg, &fresh, 1, NULL, &fault));
}

static elo_span cert_arn(void)
{
    return s(ARN "cert/" CERT_ID);
}

/* Version 2012-10-17 with one statement; NULL condition: none. */
static const char *
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

static void make_policy(const char *name, const char *text)
{
    OK(registry_create_policy(reg, s(name), s(text), 1, NULL, &fault));
}

static void attach(const char *policy)
{
    OK(registry_attach_policy(reg, s(policy), cert_arn(), &fault));
}

static void allow(const char *name, const char *action, const char *resource)
{
    make_policy(name, document("Allow", action, resource, NULL));
    attach(name);
}

static void make_thing(const char *name, const char *room)
{
    const struct thing_attribute attribute = {s("room"), s(room)};
    const struct thing_change change = {
        .has_attributes = true, .attributes = &attribute, .attribute_count = 1};
    OK(registry_create_thing(reg, s(name), &change, 1, NULL, &fault));
}

static struct auth_session *session(const char *client_id)
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

static void explains(struct auth_session *auth,
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

/* --- certificates ------------------------------------------------------------------------------
 */

static void a_certificate_counts_by_status_and_dates(void **state)
{
    static const struct {
        enum certificate_status status;
        int64_t wall_ms;
        bool allow_expired;
        elo_err want;
    } rows[] = {
        {CERTIFICATE_ACTIVE, 1500000, false, ELO_OK},
        {CERTIFICATE_ACTIVE, 1000000, false, ELO_OK},
        {CERTIFICATE_ACTIVE, 999999, false, ELO_E_CERT_EXPIRED},
        {CERTIFICATE_ACTIVE, 999999, true, ELO_OK},
        {CERTIFICATE_ACTIVE, 2000999, false, ELO_OK},
        {CERTIFICATE_ACTIVE, 2001000, false, ELO_E_CERT_EXPIRED},
        {CERTIFICATE_ACTIVE, 2001000, true, ELO_OK},
        {CERTIFICATE_ACTIVE, -1, false, ELO_E_CERT_EXPIRED},
        {CERTIFICATE_INACTIVE, 1500000, false, ELO_E_CERT_INACTIVE},
        {CERTIFICATE_REVOKED, 1500000, false, ELO_E_CERT_REVOKED},
        {CERTIFICATE_REVOKED, 5000000, true, ELO_E_CERT_REVOKED},
    };
    (void)state;
    assert_int_equal(authorizer_certificate(authorizer, s(""), 1500000, false), ELO_E_CERT_MISSING);
    assert_int_equal(authorizer_certificate(authorizer, s(CERT_ID), 1500000, false),
                     ELO_E_CERT_UNKNOWN);
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OK(registry_update_certificate(reg, s(CERT_ID), rows[i].status, 2, &fault));
        assert_int_equal(
            authorizer_certificate(authorizer, s(CERT_ID), rows[i].wall_ms, rows[i].allow_expired),
            rows[i].want);
    }
}

/* --- policies under a session ------------------------------------------------------------------
 */

static void without_a_policy_nothing_is_allowed(void **state)
{
    (void)state;
    struct auth_session *unknown = session("bench-7");
    assert_false(auth_has_policy(unknown));
    DENIED(unknown, Connect, "bench-7");
    explains(unknown, POLICY_Connect, "bench-7", "no policy is attached to the certificate");
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    DENIED(unknown, Connect, "bench-7");
    assert_false(auth_has_policy(unknown));
    allow("p", "iot:Connect", "*");
    assert_true(auth_has_policy(unknown));
    ALLOWED(unknown, Connect, "bench-7");
    auth_session_destroy(unknown);
    auth_session_destroy(NULL);
}

static void a_change_counts_from_the_next_question(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *auth = session("bench-7");
    allow("kitchen-p", "iot:Publish", ARN "topic/a");
    for (int i = 0; i < 3; i++) {
        ALLOWED(auth, Publish, "a");
        DENIED(auth, Publish, "b");
        DENIED(auth, Receive, "a");
    }
    explains(auth, POLICY_Publish, "b", "policy kitchen-p v1 allows topic/a, you sent topic/b");

    OK(registry_create_policy_version(reg, s("kitchen-p"),
                                      s(document("Allow", "iot:Publish", ARN "topic/b", NULL)),
                                      true, 2, NULL, NULL, &fault));
    DENIED(auth, Publish, "a");
    ALLOWED(auth, Publish, "b");
    explains(auth, POLICY_Publish, "a", "policy kitchen-p v2 allows topic/b, you sent topic/a");

    OK(registry_set_default_policy_version(reg, s("kitchen-p"), 1, 3, &fault));
    ALLOWED(auth, Publish, "a");

    make_policy("deny-p", document("Deny", "iot:*", "*", NULL));
    ALLOWED(auth, Publish, "a");
    attach("deny-p");
    DENIED(auth, Publish, "a");
    explains(auth, POLICY_Publish, "a", "policy deny-p v1 denies iot:Publish on topic/a");

    OK(registry_detach_policy(reg, s("deny-p"), cert_arn(), &fault));
    ALLOWED(auth, Publish, "a");
    OK(registry_detach_policy(reg, s("kitchen-p"), cert_arn(), &fault));
    DENIED(auth, Publish, "a");
    assert_false(auth_has_policy(auth));
    auth_session_destroy(auth);
}

static void a_policy_made_again_under_its_name_is_a_new_one(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *auth = session("bench-7");
    allow("p", "iot:Publish", ARN "topic/a");
    ALLOWED(auth, Publish, "a");
    OK(registry_detach_policy(reg, s("p"), cert_arn(), &fault));
    OK(registry_delete_policy(reg, s("p"), &fault));
    allow("p", "iot:Publish", ARN "topic/b");
    DENIED(auth, Publish, "a");
    ALLOWED(auth, Publish, "b");
    auth_session_destroy(auth);
}

static void a_reloaded_registry_counts(void **state)
{
    (void)state;
    struct store_progress progress;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    make_thing("bench-7", "lab");
    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), false, &fault));
    allow("p", "iot:Publish", ARN "topic/${iot:Connection.Thing.ThingName}");
    struct auth_session *auth = session("bench-7");
    ALLOWED(auth, Publish, "bench-7");
    store_poll(store, &progress);
    assert_int_equal(registry_reload(reg), ELO_OK);
    ALLOWED(auth, Publish, "bench-7");
    DENIED(auth, Publish, "bench-8");
    auth_session_destroy(auth);
}

static void a_document_that_is_no_policy_denies_everything(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *auth = session("bench-7");
    allow("good", "iot:Connect", "*");
    make_policy("old", "{\"Statement\":[]}"); /* the registry does not look into documents */
    ALLOWED(auth, Connect, "bench-7");
    attach("old");
    DENIED(auth, Connect, "bench-7");
    assert_true(auth_has_policy(auth));
    explains(auth, POLICY_Connect, "bench-7", "policy old v1 cannot be used");
    explains(auth, POLICY_Connect, "bench-7", "Statement is empty");
    OK(registry_detach_policy(reg, s("old"), cert_arn(), &fault));
    ALLOWED(auth, Connect, "bench-7");
    auth_session_destroy(auth);
}

/* --- variables ---------------------------------------------------------------------------------
 */

static void the_thing_is_the_one_named_like_the_client_or_the_exclusive_one(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    make_thing("bench-7", "lab");
    make_thing("bench-8", "hall");
    allow("p", "iot:*",
          ARN "topic/${iot:Connection.Thing.ThingName}/"
              "${iot:Connection.Thing.Attributes[room]}");
    struct auth_session *seven = session("bench-7");
    struct auth_session *eight = session("bench-8");
    struct auth_session *https = session(NULL);
    DENIED(seven, Publish, "bench-7/lab");
    explains(seven, POLICY_Publish, "bench-7/lab",
             "${iot:Connection.Thing.ThingName} has no value: the certificate is not attached to a "
             "thing named like the client id");
    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), false, &fault));
    ALLOWED(seven, Publish, "bench-7/lab");
    DENIED(seven, Publish, "bench-8/lab");
    DENIED(eight, Publish, "bench-7/lab");
    DENIED(https, Publish, "bench-7/lab"); /* things are for MQTT connections */

    const struct thing_attribute moved = {s("room"), s("roof")};
    const struct thing_change change = {
        .has_attributes = true, .attributes = &moved, .attribute_count = 1};
    OK(registry_update_thing(reg, s("bench-7"), &change, NULL, &fault));
    DENIED(seven, Publish, "bench-7/lab");
    ALLOWED(seven, Publish, "bench-7/roof");

    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), true, &fault));
    ALLOWED(eight, Publish, "bench-7/roof");
    DENIED(https, Publish, "bench-7/roof");
    OK(registry_detach_thing_principal(reg, s("bench-7"), cert_arn(), &fault));
    DENIED(seven, Publish, "bench-7/roof");
    DENIED(eight, Publish, "bench-7/roof");
    auth_session_destroy(seven);
    auth_session_destroy(eight);
    auth_session_destroy(https);
}

static void condition(const char *policy, const char *action, const char *text)
{
    make_policy(policy, document("Allow", action, "*", text));
}

/* Does the condition alone allow? The policy is attached for the question only. */
static bool holds(struct auth_session *auth, const char *policy, enum policy_action action)
{
    attach(policy);
    bool allowed = auth_allows(auth, action, s("x"));
    OK(registry_detach_policy(reg, s(policy), cert_arn(), &fault));
    return allowed;
}

static void facts_of_the_connection_are_condition_keys(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    make_thing("bench-7", "lab");
    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), false, &fault));
    condition("attached", "iot:*", "{\"Bool\":{\"iot:Connection.Thing.IsAttached\":\"true\"}}");
    condition("loose", "iot:*", "{\"Bool\":{\"iot:Connection.Thing.IsAttached\":\"false\"}}");
    condition("ip", "iot:*", "{\"IpAddress\":{\"aws:SourceIp\":\"192.0.2.0/24\"}}");
    condition("ip6", "iot:*", "{\"IpAddress\":{\"aws:SourceIp\":\"2001:db8::/32\"}}");
    condition("sni", "iot:*", "{\"StringEquals\":{\"iot:DomainName\":\"localhost\"}}");
    condition("id", "iot:*", "{\"StringEquals\":{\"iot:ClientId\":\"bench-7\"}}");
    condition("cert", "iot:*", "{\"StringEquals\":{\"iot:CertificateId\":\"" CERT_ID "\"}}");
    condition("untyped", "iot:*", "{\"Null\":{\"iot:Connection.Thing.ThingTypeName\":\"true\"}}");
    condition("nodate", "iot:*", "{\"Null\":{\"aws:CurrentTime\":\"true\"}}");
    condition("nofield", "iot:*", "{\"Null\":{\"iot:Certificate.Subject.CommonName\":\"true\"}}");
    condition("noattr", "iot:*", "{\"Null\":{\"iot:Connection.Thing.Attributes[x]\":\"true\"}}");
    condition("attr", "iot:*",
              "{\"StringLike\":{\"iot:Connection.Thing.Attributes[room]\":\"l*\"}}");
    condition("ip-case", "iot:*", "{\"IpAddress\":{\"AWS:sourceIP\":\"192.0.2.0/24\"}}");
    condition("id-case", "iot:*", "{\"StringEquals\":{\"iot:clientid\":\"bench-7\"}}");
    condition("attr-case", "iot:*",
              "{\"StringLike\":{\"IOT:connection.thing.attributes[room]\":\"l*\"}}");
    condition("attr-other", "iot:*",
              "{\"Null\":{\"iot:Connection.Thing.Attributes[Room]\":\"true\"}}");
    struct auth_session *seven = session("bench-7");
    struct auth_session *eight = session("bench-8");
    struct auth_session *https = session(NULL);
    static const struct {
        const char *policy;
        bool seven, eight, https;
    } rows[] = {
        {"attached", true, false, false},  {"loose", false, true, false},
        {"ip", true, true, true},          {"ip6", false, false, false},
        {"sni", true, true, true},         {"id", true, false, false},
        {"cert", true, true, true},        {"untyped", true, true, true},
        {"nodate", true, true, true},      {"nofield", true, true, true},
        {"noattr", true, true, true},      {"attr", true, false, false},
        {"ip-case", true, true, true},     {"id-case", true, false, false},
        {"attr-case", true, false, false}, {"attr-other", true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(holds(seven, rows[i].policy, POLICY_Publish), rows[i].seven);
        assert_int_equal(holds(eight, rows[i].policy, POLICY_Publish), rows[i].eight);
        assert_int_equal(holds(https, rows[i].policy, POLICY_Publish), rows[i].https);
    }
    auth_session_destroy(seven);
    auth_session_destroy(eight);
    auth_session_destroy(https);
}

/* A Deny whose key is written in other letters denies. */
static void a_deny_finds_its_key_in_any_case(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *auth = session("bench-7");
    allow("all", "iot:*", "*");
    make_policy("not-here", document("Deny", "iot:Publish", "*",
                                     "{\"IpAddress\":{\"aws:sourceIp\":\"192.0.2.0/24\"}}"));
    attach("not-here");
    DENIED(auth, Publish, "x");
    ALLOWED(auth, Receive, "x");
    OK(registry_detach_policy(reg, s("all"), cert_arn(), &fault));
    allow("mine", "iot:Connect", ARN "client/${iot:clientID}");
    ALLOWED(auth, Connect, "bench-7");
    DENIED(auth, Connect, "bench-8");
    auth_session_destroy(auth);
}

/* It has no resource type: only a policy that says `*` covers it. */
static void retained_messages_are_listed_by_whom_everything_is_allowed(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *auth = session(NULL);
    allow("topics", "iot:*", ARN "topic/*");
    ALLOWED(auth, GetRetainedMessage, "*");
    DENIED(auth, ListRetainedMessages, "*");
    explains(auth, POLICY_ListRetainedMessages, "*", ARN "topic/*, you asked for *");
    allow("account", "iot:*", ARN "*");
    DENIED(auth, ListRetainedMessages, "*");
    allow("all", "iot:ListRetainedMessages", "*");
    ALLOWED(auth, ListRetainedMessages, "*");
    auth_session_destroy(auth);
}

static void what_connect_asks_for_counts_while_it_is_decided(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    condition("clean", "iot:*", "{\"ForAllValues:StringEquals\":{\"iot:ConnectAttributes\":[]}}");
    condition("keeps", "iot:*",
              "{\"ForAnyValue:StringEquals\":{\"iot:ConnectAttributes\":\"PersistentConnect\"}}");
    condition("wills", "iot:*",
              "{\"ForAnyValue:StringEquals\":{\"iot:ConnectAttributes\":\"LastWill\"}}");
    condition("topic", "iot:*", "{\"ArnEquals\":{\"iot:LastWillTopic\":\"" ARN "topic/gone/*\"}}");
    static const struct {
        struct auth_connect connect;
        bool clean, keeps, wills, topic;
    } rows[] = {
        {{.persistent = false}, true, false, false, false},
        {{.persistent = true}, false, true, false, false},
        {{.has_will = true, .will_topic = {(const uint8_t *)"gone/7", 6}},
         false,
         false,
         true,
         true},
        {{.has_will = true, .will_topic = {(const uint8_t *)"lost/7", 6}},
         false,
         false,
         true,
         false},
        {{.persistent = true, .has_will = true, .will_topic = {(const uint8_t *)"gone/", 5}},
         false,
         true,
         true,
         true},
    };
    struct auth_session *auth = session(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(auth_session_connect(auth, &rows[i].connect), ELO_OK);
        assert_int_equal(holds(auth, "clean", POLICY_Connect), rows[i].clean);
        assert_int_equal(holds(auth, "keeps", POLICY_Connect), rows[i].keeps);
        assert_int_equal(holds(auth, "wills", POLICY_Connect), rows[i].wills);
        assert_int_equal(holds(auth, "topic", POLICY_Connect), rows[i].topic);
        assert_true(holds(auth, "clean", POLICY_Publish));
        assert_false(holds(auth, "topic", POLICY_Publish));
    }
    auth_session_destroy(auth);
}

static void a_second_connect_forgets_the_first(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/${iot:ClientId}");
    struct auth_session *auth = session("one");
    ALLOWED(auth, Publish, "one");
    DENIED(auth, Publish, "two");
    const struct auth_connect second = {.client_id = s("two")};
    assert_int_equal(auth_session_connect(auth, &second), ELO_OK);
    DENIED(auth, Publish, "one");
    ALLOWED(auth, Publish, "two");
    auth_session_destroy(auth);
}

static void a_session_keeps_copies(void **state)
{
    (void)state;
    char id[] = CERT_ID;
    char ip[] = "192.0.2.7";
    char client[] = "bench-7";
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/${iot:ClientId}/${aws:SourceIp}");
    const struct auth_peer peer = {.certificate_id = s(id), .source_ip = s(ip)};
    struct auth_session *auth = auth_session_create(authorizer, &peer);
    assert_non_null(auth);
    const struct auth_connect connect = {.client_id = s(client)};
    assert_int_equal(auth_session_connect(auth, &connect), ELO_OK);
    memset(id, '#', sizeof id);
    memset(ip, '#', sizeof ip);
    memset(client, '#', sizeof client);
    ALLOWED(auth, Publish, "bench-7/192.0.2.7");
    assert_true(elo_span_eq(auth_session_certificate_id(auth), s(CERT_ID)));
    assert_true(elo_span_eq(auth_session_source_ip(auth), s("192.0.2.7")));
    auth_session_destroy(auth);
}

/* --- a real certificate ------------------------------------------------------------------------
 */

/* The first PEM block's bytes. */
static size_t der_of(elo_span pem, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)memchr(pem.ptr, '\n', pem.len) + 1;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (; *at != '-' && *at != '='; at++) {
        const char *digit = strchr(digits, *at);
        if (digit == NULL) {
            continue;
        }
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (uint8_t)(bits >> have);
        }
    }
    return len;
}

static struct auth_session *session_of_certificate(const char *common_name)
{
    static uint8_t der[8192];
    struct pki_ca *ca;
    struct pki_issued issued;
    struct buf key;
    struct buf csr;
    char why[256] = "";
    buf_init(&key, LIMIT_PEM_BYTES);
    buf_init(&csr, LIMIT_PEM_BYTES);
    pki_issued_init(&issued);
    assert_int_equal(pki_ca_open(dir, 1700000000, &ca, why, sizeof why), ELO_OK);
    assert_int_equal(pki_make_key_and_csr(common_name, &key, &csr), ELO_OK);
    assert_int_equal(pki_issue_from_csr(ca, buf_span(&csr), 1700000000, &issued, why, sizeof why),
                     ELO_OK);
    const struct auth_peer peer = {
        .certificate_id = s(CERT_ID),
        .certificate_der = elo_span_of(der, der_of(buf_span(&issued.certificate_pem), der))};
    struct auth_session *auth = auth_session_create(authorizer, &peer);
    assert_non_null(auth);
    pki_issued_free(&issued);
    pki_ca_close(ca);
    buf_free(&key);
    buf_free(&csr);
    assert_int_equal(unlink(in_dir("ca.pem")), 0);
    assert_int_equal(unlink(in_dir("ca.key")), 0);
    return auth;
}

static void fields_of_the_certificate_are_variables(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish",
          ARN "topic/${iot:Certificate.Subject.CommonName}/"
              "${iot:Certificate.Subject.CommonName}");
    struct auth_session *auth = session_of_certificate("bench 7");
    ALLOWED(auth, Publish, "bench 7/bench 7");
    DENIED(auth, Publish, "bench 7/bench 8");
    condition("known", "iot:Receive",
              "{\"ForAnyValue:StringEquals\":{\"iot:Certificate.AvailableKeys\":"
              "\"iot:Certificate.Subject.CommonName\"}}");
    condition("serial", "iot:Receive",
              "{\"ForAnyValue:StringEquals\":{\"iot:Certificate.AvailableKeys\":"
              "\"iot:Certificate.SerialNumber\"},\"StringLike\":{"
              "\"iot:Certificate.SerialNumber\":\"?*\"}}");
    condition("unknown", "iot:Receive",
              "{\"ForAnyValue:StringEquals\":{\"iot:Certificate.AvailableKeys\":"
              "\"iot:Certificate.Subject.Title\"}}");
    condition("both", "iot:Receive",
              "{\"StringEquals\":{\"iot:Certificate.Subject.CommonName\":\"bench 7\"},"
              "\"Null\":{\"iot:Certificate.Subject.CommonName.1\":\"true\"},"
              "\"ForAllValues:StringEquals\":{\"iot:Certificate.Subject.CommonName.List\":"
              "\"bench 7\"}}");
    condition("any-case", "iot:Receive",
              "{\"ForAnyValue:StringEquals\":{\"iot:certificate.subject.commonname.list\":"
              "\"bench 7\",\"iot:certificate.availablekeys\":"
              "\"iot:Certificate.Subject.CommonName\"}}");
    assert_true(holds(auth, "any-case", POLICY_Receive));
    assert_true(holds(auth, "known", POLICY_Receive));
    assert_true(holds(auth, "serial", POLICY_Receive));
    assert_false(holds(auth, "unknown", POLICY_Receive));
    assert_true(holds(auth, "both", POLICY_Receive));
    auth_session_destroy(auth);
}

static void a_field_may_have_several_values(void **state)
{
    char pem[4096];
    uint8_t der[4096];
    (void)state;
    FILE *file = fopen(ELO_SOURCE_DIR "/tests/vectors/policy/two-units.crt.pem", "r");
    assert_non_null(file);
    size_t len = fread(pem, 1, sizeof pem, file);
    (void)fclose(file);
    const struct auth_peer peer = {.certificate_id = s(CERT_ID),
                                   .certificate_der =
                                       elo_span_of(der, der_of(elo_span_of(pem, len), der))};
    struct auth_session *auth = auth_session_create(authorizer, &peer);
    assert_non_null(auth);
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish",
          ARN "topic/${iot:Certificate.Subject.OrganizationalUnit.1}/"
              "${iot:Certificate.Subject.OrganizationalUnit}/"
              "${iot:Certificate.Subject.OrganizationalUnit.1}");
    ALLOWED(auth, Publish, "green/red/green");
    DENIED(auth, Publish, "red/red/red");
    DENIED(auth, Publish, "green/green/green");
    condition(
        "all", "iot:Receive",
        "{\"ForAllValues:StringEquals\":{\"iot:Certificate.Subject.OrganizationalUnit.List\":["
        "\"green\",\"red\"]}}");
    condition(
        "some", "iot:Receive",
        "{\"ForAllValues:StringEquals\":{\"iot:Certificate.Subject.OrganizationalUnit.List\":["
        "\"red\"]}}");
    condition("escaped", "iot:Receive",
              "{\"StringEquals\":{\"iot:Certificate.Subject.Organization\":"
              "\"Bench\\\\, Inc\"}}");
    assert_true(holds(auth, "all", POLICY_Receive));
    assert_false(holds(auth, "some", POLICY_Receive));
    assert_true(holds(auth, "escaped", POLICY_Receive));
    auth_session_destroy(auth);
}

static void a_common_name_with_a_wildcard_is_not_substituted(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/${iot:Certificate.Subject.CommonName}");
    struct auth_session *auth = session_of_certificate("bench*");
    allow("lower", "iot:Publish", ARN "topic/${iot:certificate.subject.commonname}");
    DENIED(auth, Publish, "bench*");
    DENIED(auth, Publish, "bench7");
    explains(auth, POLICY_Publish, "bench*", "its text has one of * $ + ? # in it");
    auth_session_destroy(auth);
}

/* --- caches ------------------------------------------------------------------------------------
 */

static void decisions_stay_right_far_beyond_the_cap(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/even/*");
    struct auth_session *auth = session("bench-7");
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3 * AUTH_CACHE_DECISIONS; i++) {
            char topic[64];
            (void)snprintf(topic, sizeof topic, "%s/%u", i % 2 == 0 ? "even" : "odd", i);
            assert_int_equal(auth_allows(auth, POLICY_Publish, s(topic)), i % 2 == 0);
            assert_false(auth_allows(auth, POLICY_Receive, s(topic)));
            assert_int_equal(auth_allows(auth, POLICY_Publish, s(topic)), i % 2 == 0);
            assert_true(auth->decisions.len <= AUTH_CACHE_DECISIONS);
        }
    }
    assert_true(auth->decisions.cap <= 2 * AUTH_CACHE_DECISIONS);
    auth_session_destroy(auth);
}

static const struct decision_slot *
known(const struct decision_cache *cache, enum policy_action action, elo_span name)
{
    return decision_cache_get(cache, action, name, map_hash(name));
}

static void
remember(struct decision_cache *cache, enum policy_action action, elo_span name, bool allowed)
{
    decision_cache_put(cache, action, name, map_hash(name), allowed);
}

static void the_cache_holds_its_caps(void **state)
{
    (void)state;
    struct decision_cache cache;
    char name[LIMIT_TOPIC_BYTES + 1];
    decision_cache_init(&cache);
    assert_null(known(&cache, POLICY_Publish, s("a")));
    for (unsigned i = 0; i < AUTH_CACHE_DECISIONS; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        remember(&cache, POLICY_Publish, s(name), i % 3 == 0);
    }
    assert_int_equal(cache.len, AUTH_CACHE_DECISIONS);
    for (unsigned i = 0; i < AUTH_CACHE_DECISIONS; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        const struct decision_slot *slot = known(&cache, POLICY_Publish, s(name));
        assert_non_null(slot);
        assert_int_equal(slot->allowed, i % 3 == 0);
        assert_null(known(&cache, POLICY_Receive, s(name)));
    }
    remember(&cache, POLICY_Publish, s("one more"), true);
    assert_int_equal(cache.len, 1);
    assert_non_null(known(&cache, POLICY_Publish, s("one more")));
    assert_null(known(&cache, POLICY_Publish, s("0")));

    decision_cache_clear(&cache);
    memset(name, 'x', sizeof name);
    for (unsigned i = 0; i <= AUTH_CACHE_BYTES / LIMIT_TOPIC_BYTES; i++) {
        assert_int_equal(cache.len, i);
        if (i == AUTH_CACHE_BYTES / LIMIT_TOPIC_BYTES) {
            assert_int_equal(buf_span(&cache.names).len, AUTH_CACHE_BYTES);
        }
        memcpy(name, &i, sizeof i);
        remember(&cache, POLICY_Publish, elo_span_of(name, LIMIT_TOPIC_BYTES), true);
    }
    assert_int_equal(cache.len, 1);
    decision_cache_clear(&cache);
    remember(&cache, POLICY_Publish, elo_span_of(name, LIMIT_TOPIC_BYTES + 1), true);
    assert_int_equal(cache.len, 0);
    remember(&cache, POLICY_Publish, s(""), true);
    assert_non_null(known(&cache, POLICY_Publish, s("")));
    decision_cache_free(&cache);
}

static void a_name_too_long_for_an_arn_is_denied(void **state)
{
    (void)state;
    static char name[2000];
    char why[128];
    memset(name, 'x', sizeof name);
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:*", "*");
    struct auth_session *auth = session("bench-7");
    assert_true(auth_allows(auth, POLICY_Publish, elo_span_of(name, 900)));
    assert_false(auth_allows(auth, POLICY_Publish, elo_span_of(name, sizeof name)));
    (void)auth_explain(auth, POLICY_Publish, elo_span_of(name, sizeof name), why, sizeof why);
    assert_non_null(strstr(why, "longer than any"));
    auth_session_destroy(auth);
}

/* --- thing groups ------------------------------------------------------------------------------
 */

static void make_group(const char *name, const char *parent)
{
    const struct thing_group_change change = {.has_description = false};
    OK(registry_create_thing_group(reg, s(name), s(parent), &change, 1, NULL, &fault));
}

static void attach_to_group(const char *policy, const char *group)
{
    char arn[REGISTRY_ARN_BYTES];
    size_t len = registry_arn(reg, "thinggroup", s(group), arn);
    OK(registry_attach_policy(reg, s(policy), elo_span_of(arn, len), &fault));
}

static void policies_of_the_things_groups_count(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    make_thing("bench-7", "lab");
    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), false, &fault));
    make_group("site", "");
    make_group("floor", "site");
    make_group("other", "");
    make_policy("at-site", document("Allow", "iot:Publish", ARN "topic/site", NULL));
    make_policy("at-floor", document("Allow", "iot:Publish", ARN "topic/floor", NULL));
    make_policy("at-other", document("Allow", "iot:Publish", ARN "topic/other", NULL));
    attach_to_group("at-site", "site");
    attach_to_group("at-floor", "floor");
    attach_to_group("at-other", "other");
    struct auth_session *bound = session("bench-7");
    struct auth_session *unbound = session("bench-8");
    DENIED(bound, Publish, "site");
    assert_false(auth_has_policy(bound));

    OK(registry_add_to_group(reg, s("floor"), s("bench-7"), &fault));
    ALLOWED(bound, Publish, "floor");
    ALLOWED(bound, Publish, "site");
    DENIED(bound, Publish, "other");
    DENIED(unbound, Publish, "site"); /* its client id names no thing: no groups */
    explains(bound, POLICY_Publish, "floor", "at-floor");

    make_policy("deny", document("Deny", "iot:Publish", ARN "topic/floor", NULL));
    attach_to_group("deny", "site");
    DENIED(bound, Publish, "floor");
    OK(registry_remove_from_group(reg, s("floor"), s("bench-7"), &fault));
    DENIED(bound, Publish, "site");
    OK(registry_add_to_group(reg, s("floor"), s("bench-7"), &fault));
    ALLOWED(bound, Publish, "site");
    OK(registry_detach_thing_principal(reg, s("bench-7"), cert_arn(), &fault));
    DENIED(bound, Publish, "site");
    auth_session_destroy(bound);
    auth_session_destroy(unbound);
}

/* Ten groups, seven deep, two policies each, and ten on the certificate: all of them count. */
static void as_many_policies_as_can_be_attached_count(void **state)
{
    char name[64];
    char parent[64];
    char policy[64];
    char resource[160];
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    make_thing("bench-7", "lab");
    OK(registry_attach_thing_principal(reg, s("bench-7"), cert_arn(), false, &fault));
    unsigned count = 0;
    for (unsigned i = 0; i < 10; i++, count++) {
        (void)snprintf(policy, sizeof policy, "c%u", i);
        (void)snprintf(resource, sizeof resource, ARN "topic/%u", count);
        allow(policy, "iot:Publish", resource);
    }
    for (unsigned g = 0; g < 10; g++) {
        for (unsigned depth = 0; depth < 7; depth++) {
            (void)snprintf(name, sizeof name, "g%u-%u", g, depth);
            (void)snprintf(parent, sizeof parent, "g%u-%u", g, depth - 1);
            make_group(name, depth > 0 ? parent : "");
            for (unsigned p = 0; p < 2; p++, count++) {
                (void)snprintf(policy, sizeof policy, "g%u-%u-%u", g, depth, p);
                (void)snprintf(resource, sizeof resource, ARN "topic/%u", count);
                make_policy(policy, document("Allow", "iot:Publish", resource, NULL));
                attach_to_group(policy, name);
            }
        }
        OK(registry_add_to_group(reg, s(name), s("bench-7"), &fault));
    }
    assert_int_equal(count, 150);
    struct auth_session *bound = session("bench-7");
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        assert_true(auth_allows(bound, POLICY_Publish, s(name)));
    }
    auth_session_destroy(bound);
}

static void equal_documents_are_compiled_once_and_unused_ones_go(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    struct auth_session *one = session("one");
    struct auth_session *two = session("two");
    allow("p", "iot:*", "*");
    ALLOWED(one, Publish, "a");
    long before = mem_count();
    assert_true(auth_has_policy(two));
    assert_int_equal(mem_count(), before + 1); /* its list; nothing to compile */
    assert_int_equal(map_len(&authorizer->compiled), 1);
    for (unsigned i = 0; i < 500; i++) {
        char resource[96];
        (void)snprintf(resource, sizeof resource, ARN "topic/%u", i);
        make_policy("q", document("Allow", "iot:Receive", resource, NULL));
        attach("q");
        assert_true(auth_has_policy(one));
        OK(registry_detach_policy(reg, s("q"), cert_arn(), &fault));
        OK(registry_delete_policy(reg, s("q"), &fault));
        assert_true(map_len(&authorizer->compiled) <= 70);
    }
    ALLOWED(two, Publish, "a");
    auth_session_destroy(one);
    auth_session_destroy(two);
}

static void a_known_answer_takes_no_memory(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/a");
    struct auth_session *auth = session("bench-7");
    ALLOWED(auth, Publish, "a");
    DENIED(auth, Publish, "b");
    long before = mem_count();
    for (int i = 0; i < 1000; i++) {
        ALLOWED(auth, Publish, "a");
        DENIED(auth, Publish, "b");
    }
    assert_int_equal(mem_count(), before);
    auth_session_destroy(auth);
}

/* --- allocation that fails ---------------------------------------------------------------------
 */

/* One life of a session, the n-th allocation in it failing. true: nothing failed. */
static bool live(long n)
{
    const struct auth_peer peer = {.certificate_id = s(CERT_ID), .source_ip = s("192.0.2.7")};
    const struct auth_connect connect = {.client_id = s("bench-7")};
    bool fine = false;
    mem_fail_at(n);
    struct authorizer *a = authorizer_create(reg);
    struct auth_session *auth = a != NULL ? auth_session_create(a, &peer) : NULL;
    if (auth != NULL && auth_session_connect(auth, &connect) == ELO_OK) {
        bool first = auth_allows(auth, POLICY_Publish, s("a"));
        assert_false(auth_allows(auth, POLICY_Publish, s("b")));
        assert_true(auth_allows(auth, POLICY_Publish, s("a"))); /* it has failed only once */
        char why[256];
        (void)auth_explain(auth, POLICY_Publish, s("b"), why, sizeof why);
        fine = first;
    }
    mem_fail_at(0);
    auth_session_destroy(auth);
    authorizer_destroy(a);
    return fine;
}

static void a_failed_allocation_never_allows_and_is_got_over(void **state)
{
    (void)state;
    make_certificate(CERT_ID, CERTIFICATE_ACTIVE);
    allow("p", "iot:Publish", ARN "topic/a");
    make_policy("d", document("Deny", "iot:Publish", ARN "topic/b", NULL));
    attach("d");
    long before = mem_count();
    assert_true(live(0));
    long allocations = mem_count() - before;
    long refused = 0;
    for (long n = 1; n <= allocations; n++) {
        refused += !live(n);
    }
    assert_true(refused >= 6); /* create twice, connect, compile ... */
}

#define WITH_REGISTRY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_REGISTRY(a_certificate_counts_by_status_and_dates),
        WITH_REGISTRY(without_a_policy_nothing_is_allowed),
        WITH_REGISTRY(a_change_counts_from_the_next_question),
        WITH_REGISTRY(a_policy_made_again_under_its_name_is_a_new_one),
        WITH_REGISTRY(a_reloaded_registry_counts),
        WITH_REGISTRY(a_document_that_is_no_policy_denies_everything),
        WITH_REGISTRY(the_thing_is_the_one_named_like_the_client_or_the_exclusive_one),
        WITH_REGISTRY(facts_of_the_connection_are_condition_keys),
        WITH_REGISTRY(a_deny_finds_its_key_in_any_case),
        WITH_REGISTRY(retained_messages_are_listed_by_whom_everything_is_allowed),
        WITH_REGISTRY(what_connect_asks_for_counts_while_it_is_decided),
        WITH_REGISTRY(a_second_connect_forgets_the_first),
        WITH_REGISTRY(a_session_keeps_copies),
        WITH_REGISTRY(fields_of_the_certificate_are_variables),
        WITH_REGISTRY(a_field_may_have_several_values),
        WITH_REGISTRY(a_common_name_with_a_wildcard_is_not_substituted),
        WITH_REGISTRY(decisions_stay_right_far_beyond_the_cap),
        cmocka_unit_test(the_cache_holds_its_caps),
        WITH_REGISTRY(a_name_too_long_for_an_arn_is_denied),
        WITH_REGISTRY(policies_of_the_things_groups_count),
        WITH_REGISTRY(as_many_policies_as_can_be_attached_count),
        WITH_REGISTRY(equal_documents_are_compiled_once_and_unused_ones_go),
        WITH_REGISTRY(a_known_answer_takes_no_memory),
        WITH_REGISTRY(a_failed_allocation_never_allows_and_is_got_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
