// links: server_auth
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The authorizer over a real registry and store: certificates and their dates, policies that come,
 * change and go under a session, thing groups, the caches at their caps, allocation that fails.
 * What policies' variables and condition keys are: test_authorizer_variables.c.
 */
#include "tests/support/authorizer_rig.h"

#include "server/base/mem.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_REGISTRY(a_certificate_counts_by_status_and_dates),
        WITH_REGISTRY(without_a_policy_nothing_is_allowed),
        WITH_REGISTRY(a_change_counts_from_the_next_question),
        WITH_REGISTRY(a_policy_made_again_under_its_name_is_a_new_one),
        WITH_REGISTRY(a_reloaded_registry_counts),
        WITH_REGISTRY(a_document_that_is_no_policy_denies_everything),
        WITH_REGISTRY(retained_messages_are_listed_by_whom_everything_is_allowed),
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
