// links: server_auth
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the variables and condition keys of policies are on a connection: of the client, its thing,
 * its certificate, and of what CONNECT asks for.
 */
#include "tests/support/authorizer_rig.h"

#include "server/pki/pki.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_REGISTRY(the_thing_is_the_one_named_like_the_client_or_the_exclusive_one),
        WITH_REGISTRY(facts_of_the_connection_are_condition_keys),
        WITH_REGISTRY(a_deny_finds_its_key_in_any_case),
        WITH_REGISTRY(what_connect_asks_for_counts_while_it_is_decided),
        WITH_REGISTRY(a_second_connect_forgets_the_first),
        WITH_REGISTRY(a_session_keeps_copies),
        WITH_REGISTRY(fields_of_the_certificate_are_variables),
        WITH_REGISTRY(a_field_may_have_several_values),
        WITH_REGISTRY(a_common_name_with_a_wildcard_is_not_substituted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
