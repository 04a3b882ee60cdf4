// links: elo_errors elo_json server_pki server_base elo_posix elo_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Making bundles against a small desk of our own: whichever call fails, whichever file cannot be
 * written, there is nothing left afterwards, here and there; killed anywhere, it can be repeated.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bundle.c"
#include "cli/desk.c"
#include "cli/making.c"
#include "cli/options.c"
#include "cli/say.c"
#include "cli/stop.c"

/* --- a desk --------------------------------------------------------------------------------------
 */

static struct {
    struct pki_ca *ca;
    bool thing, policy, policy_attached, thing_attached;
    char certificate_id[65]; /* empty: none */
    bool active;
    int calls;
    int fail_at;    /* this call is answered with `fail_with`; 0: none */
    int fail_with;  /* a status, -1: no answer; -2: no answer, and none to any later one */
    bool overtaken; /* and the thing is there all the same */
    int stop_at;    /* at this call Ctrl-C is pressed */
} desk;

static char root[] = "/tmp/elo-bundle-XXXXXX";
static struct desk_info info;

static void answer(struct buf *reply, const char *text)
{
    buf_text(reply, text);
}

static int issue(const char *body, struct buf *reply)
{
    struct buf csr;
    struct pki_issued issued;
    char why[200];
    pki_issued_init(&issued);
    assert_true(json_text(elo_span_str(body), "certificateSigningRequest", &csr));
    assert_int_equal(
        pki_issue_from_csr(desk.ca, buf_span(&csr), 1700000000, &issued, why, sizeof why), ELO_OK);
    snprintf(desk.certificate_id, sizeof desk.certificate_id, "%s", issued.info.id);
    desk.active = true;
    buf_format(reply,
               "{\"certificateArn\":\"arn:aws:iot:us-east-1:000000000000:cert/%s\","
               "\"certificateId\":\"%s\",",
               issued.info.id, issued.info.id);
    uint8_t pem[4096];
    assert_true(object_of("certificatePem", buf_span(&issued.certificate_pem), pem, sizeof pem));
    buf_text(reply, (const char *)pem + 1);
    pki_issued_free(&issued);
    buf_free(&csr);
    return 200;
}

/* One row for each call that the making of a bundle consists of. */
static int effect(const char *call, const char *body, struct buf *reply)
{
    if (strcmp(call, "GET /things/kitchen") == 0) {
        return desk.thing ? 200 : 404;
    }
    if (strcmp(call, "GET /things/kitchen/principals") == 0) {
        answer(reply, desk.thing_attached ? "{\"principals\":[\"arn\"]}" : "{\"principals\":[]}");
        return 200;
    }
    if (strcmp(call, "POST /things/kitchen") == 0) {
        desk.thing = true;
        return 200;
    }
    if (strcmp(call, "DELETE /things/kitchen") == 0) {
        desk.thing = desk.thing_attached;
        return desk.thing ? 400 : 200;
    }
    if (strcmp(call, "POST /certificates?setAsActive=true") == 0) {
        return issue(body, reply);
    }
    if (strcmp(call, "GET /policies/p") == 0) {
        answer(reply, desk.policy ? "{\"policyDocument\":\"{}\"}" : "");
        return desk.policy ? 200 : 404;
    }
    if (strcmp(call, "POST /policies/p") == 0) {
        assert_string_equal(body, "{\"policyDocument\":\"{}\"}");
        desk.policy = true;
        return 200;
    }
    if (strcmp(call, "DELETE /policies/p") == 0) {
        desk.policy = desk.policy_attached;
        return desk.policy ? 409 : 200;
    }
    if (strcmp(call, "PUT /target-policies/p") == 0) {
        desk.policy_attached = true;
        return 200;
    }
    if (strcmp(call, "POST /target-policies/p") == 0) {
        desk.policy_attached = false;
        return 200;
    }
    if (strcmp(call, "PUT /things/kitchen/principals") == 0) {
        desk.thing_attached = true;
        return 200;
    }
    if (strcmp(call, "DELETE /things/kitchen/principals") == 0) {
        desk.thing_attached = false;
        return 200;
    }
    char path[120];
    snprintf(path, sizeof path, "GET /certificates/%s", desk.certificate_id);
    if (strcmp(call, path) == 0) {
        return 200;
    }
    snprintf(path, sizeof path, "PUT /certificates/%s?newStatus=INACTIVE", desk.certificate_id);
    if (strcmp(call, path) == 0) {
        desk.active = false;
        return 200;
    }
    snprintf(path, sizeof path, "DELETE /certificates/%s", desk.certificate_id);
    if (strcmp(call, path) == 0) {
        bool may = !desk.active && !desk.policy_attached && !desk.thing_attached;
        desk.certificate_id[0] = may ? '\0' : desk.certificate_id[0];
        return may ? 200 : 409;
    }
    if (strncmp(call, "GET /certificates/", 18) == 0) {
        return 404;
    }
    fail_msg("the desk does not know the call '%s'", call);
    return 500;
}

int desk_call(const struct desk_info *at,
              const char *service,
              const char *method,
              const char *target,
              const char *body,
              const char *principal,
              struct buf *reply)
{
    char call[300];
    (void)at;
    (void)principal;
    assert_string_equal(service, "iot");
    buf_init(reply, 65536);
    desk.calls++;
    if (desk.calls == desk.stop_at) {
        raise(SIGINT);
    }
    bool fails = desk.calls == desk.fail_at;
    desk.thing = desk.thing || (fails && desk.overtaken);
    if (fails || (desk.fail_with == -2 && desk.fail_at > 0 && desk.calls > desk.fail_at)) {
        buf_text(reply, "{\"message\":\"no\"}");
        return desk.fail_with == -2 ? -1 : desk.fail_with;
    }
    snprintf(call, sizeof call, "%s %s", method, target);
    return effect(call, body, reply);
}

static bool desk_is_empty(void)
{
    return !desk.thing && !desk.policy && !desk.policy_attached && !desk.thing_attached &&
           desk.certificate_id[0] == '\0';
}

static void reset(void)
{
    struct pki_ca *ca = desk.ca;
    memset(&desk, 0, sizeof desk);
    desk.ca = ca;
    got = 0;
}

/* --- the folder ----------------------------------------------------------------------------------
 */

static const char *place(const char *name)
{
    static char path[2][PATH_MAX];
    static int turn;
    turn = !turn;
    snprintf(path[turn], PATH_MAX, "%s/%s", root, name);
    return path[turn];
}

static int count_files(const char *dir)
{
    int n = 0;
    struct dirent *entry;
    DIR *d = opendir(dir);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        n += entry->d_name[0] != '.';
    }
    if (d != NULL) {
        closedir(d);
    }
    return d != NULL ? n : -1;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static struct bundle_wish wish_of(const char *name)
{
    return (struct bundle_wish){.dir = place(name),
                                .thing = "kitchen",
                                .client_id = "kitchen",
                                .policy = "p",
                                .policy_document = "{}"};
}

static int make(const char *name)
{
    struct bundle_wish wish = wish_of(name);
    return bundle_make(&info, &wish);
}

static int make_root(void **state)
{
    char why[200] = "";
    (void)state;
    if (mkdtemp(root) == NULL || mkdir(place("desk"), 0700) != 0 ||
        mkdir(place("out"), 0700) != 0) {
        return -1;
    }
    snprintf(info.dir, sizeof info.dir, "%s", place("desk"));
    snprintf(info.ca_path, sizeof info.ca_path, "%s", place("desk/ca.pem"));
    snprintf(info.mqtts, sizeof info.mqtts, "localhost:8883");
    snprintf(info.region, sizeof info.region, "us-east-1");
    snprintf(info.account, sizeof info.account, "000000000000");
    stop_watch();
    return pki_ca_open(info.dir, 1700000000, &desk.ca, why, sizeof why);
}

static int drop_root(void **state)
{
    char command[100];
    (void)state;
    pki_ca_close(desk.ca);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void a_bundle(void **state)
{
    struct bundle b;
    (void)state;
    reset();
    mode_t old = umask(0777);
    assert_int_equal(make("out/kitchen"), EXIT_OK);
    umask(old);
    assert_int_equal(count_files(place("out")), 1);
    assert_int_equal(count_files(place("out/kitchen")), 4);
    assert_int_equal(mode_of(place("out/kitchen")), 0700);
    assert_int_equal(mode_of(place("out/kitchen/key.pem")), 0600);
    assert_int_equal(mode_of(place("out/kitchen/config.json")), 0644);
    assert_true(desk.thing && desk.policy && desk.policy_attached && desk.thing_attached);
    assert_int_equal(bundle_load(place("out/kitchen"), &b), EXIT_OK);
    assert_string_equal(b.thing, "kitchen");
    assert_string_equal(b.client_id, "kitchen");
    assert_string_equal(b.prefix, "elo/kitchen");
    assert_string_equal(b.host, "localhost");
    assert_string_equal(b.server_name, "localhost");
    assert_int_equal(b.port, 8883);
    bundle_free(&b);
    /* A second one finds the thing with a certificate; another folder makes no difference. */
    assert_int_equal(make("out/kitchen"), EXIT_CONFLICT);
    assert_int_equal(make("out/other"), EXIT_CONFLICT);
    assert_int_equal(count_files(place("out")), 1);
    assert_true(bundle_remove(place("out/kitchen")));
}

static void any_call_fails(void **state)
{
    static const int ways[] = {500, 403, 409, -1};
    (void)state;
    int last = 0;
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        for (int at = 1;; at++) {
            reset();
            desk.fail_at = at;
            desk.fail_with = ways[way];
            int code = make("out/kitchen");
            if (desk.calls < at) {
                assert_int_equal(code, EXIT_OK);
                last = at - 1;
                assert_true(bundle_remove(place("out/kitchen")));
                break;
            }
            if (code == EXIT_OK) { /* the policy was there in the meantime: 409 */
                assert_int_equal(ways[way], 409);
                assert_true(bundle_remove(place("out/kitchen")));
                continue;
            }
            assert_int_equal(code, ways[way] == 403   ? EXIT_REFUSED
                                   : ways[way] == 409 ? EXIT_CONFLICT
                                   : ways[way] == -1  ? EXIT_NETWORK
                                                      : EXIT_FAILED);
            assert_true(desk_is_empty());
            assert_int_equal(count_files(place("out")), 0);
        }
    }
    assert_int_equal(last, 7);
}

/* The desk dies at any call: here nothing is left; what it kept is taken up by the next run. */
static void desk_dies(void **state)
{
    (void)state;
    for (int at = 1; at <= 7; at++) {
        reset();
        desk.fail_at = at;
        desk.fail_with = -2;
        assert_int_equal(make("out/kitchen"), EXIT_NETWORK);
        assert_int_equal(count_files(place("out")), 0);
        desk.fail_at = 0;
        assert_int_equal(make("out/kitchen"), EXIT_OK);
        assert_true(desk.thing_attached && desk.policy_attached);
        assert_true(bundle_remove(place("out/kitchen")));
    }
}

static void interrupted(void **state)
{
    (void)state;
    for (int at = 1; at <= 6; at++) {
        reset();
        desk.stop_at = at;
        assert_int_equal(make("out/kitchen"), EXIT_INTERRUPT);
        assert_true(desk_is_empty());
        assert_int_equal(count_files(place("out")), 0);
    }
    reset();
}

static void places(void **state)
{
    (void)state;
    reset();
    assert_int_equal(make("no/such/place"), EXIT_FAILED);
    assert_int_equal(desk.calls, 0); /* found out before anything is asked of the desk */
    assert_int_equal(symlink("nowhere", place("out/link")), 0);
    assert_int_equal(make("out/link"), EXIT_CONFLICT);
    assert_int_equal(unlink(place("out/link")), 0);
    assert_int_equal(mkdir(place("out/kitchen.new"), 0700), 0);
    assert_int_equal(make("out/kitchen"), EXIT_OK);
    assert_int_equal(count_files(place("out")), 2); /* somebody else's kitchen.new is theirs */
    assert_true(bundle_remove(place("out/kitchen")));
    assert_int_equal(rmdir(place("out/kitchen.new")), 0);
    reset();
    char ca[PATH_MAX];
    memcpy(ca, info.ca_path, sizeof ca);
    snprintf(info.ca_path, sizeof info.ca_path, "%s", place("desk/none.pem"));
    assert_int_equal(make("out/kitchen"), EXIT_FAILED);
    assert_true(desk_is_empty());
    assert_int_equal(count_files(place("out")), 0);
    memcpy(info.ca_path, ca, sizeof ca);
}

static void thing_without_certificate(void **state)
{
    (void)state;
    reset();
    desk.thing = true;
    desk.fail_at = 6; /* attaching the policy */
    desk.fail_with = 500;
    assert_int_equal(make("out/kitchen"), EXIT_FAILED);
    assert_true(desk.thing); /* it was not ours */
    desk.fail_at = 0;
    assert_int_equal(make("out/kitchen"), EXIT_OK);
    assert_true(bundle_remove(place("out/kitchen")));
}

/* Another `elo add` is a moment faster: what it made is not taken back. */
static void overtaken(void **state)
{
    (void)state;
    reset();
    desk.fail_at = 2; /* CreateThing */
    desk.fail_with = 409;
    desk.overtaken = true;
    assert_int_equal(make("out/kitchen"), EXIT_CONFLICT);
    assert_true(desk.thing);
    assert_int_equal(count_files(place("out")), 0);
}

static void long_client_id(void **state)
{
    (void)state;
    char name[129];
    static const size_t lengths[] = {1, 64, 65, 128};
    for (size_t i = 0; i < 4; i++) {
        struct bundle b;
        struct bundle_wish wish = wish_of("out/kitchen");
        reset();
        memset(name, 'n', lengths[i]);
        name[lengths[i]] = '\0';
        wish.client_id = name;
        assert_int_equal(bundle_make(&info, &wish), EXIT_OK);
        assert_int_equal(bundle_load(wish.dir, &b), EXIT_OK);
        assert_string_equal(b.client_id, name);
        bundle_free(&b);
        assert_true(bundle_remove(place("out/kitchen")));
    }
}

static void ensured(void **state)
{
    struct bundle b;
    struct bundle_wish wish = wish_of("out/kitchen");
    char id[65];
    (void)state;
    reset();
    wish.one_more = true;
    assert_int_equal(bundle_ensure(&info, &wish, &b), EXIT_OK);
    bundle_free(&b);
    memcpy(id, desk.certificate_id, sizeof id);
    snprintf(info.mqtts, sizeof info.mqtts, "127.0.0.1:1234"); /* the desk moves */
    assert_int_equal(bundle_ensure(&info, &wish, &b), EXIT_OK);
    assert_string_equal(desk.certificate_id, id);
    assert_string_equal(b.host, "127.0.0.1");
    assert_string_equal(b.server_name, DESK_SERVER_NAME);
    assert_int_equal(b.port, 1234);
    bundle_free(&b);
    assert_int_equal(bundle_load(wish.dir, &b), EXIT_OK);
    assert_int_equal(b.port, 1234); /* the file says so, too */
    bundle_free(&b);
    reset(); /* a new database */
    assert_int_equal(bundle_ensure(&info, &wish, &b), EXIT_OK);
    assert_true(desk.thing_attached && strcmp(desk.certificate_id, id) != 0);
    bundle_free(&b);
    desk.fail_at = desk.calls + 1;
    desk.fail_with = 500;
    assert_int_equal(bundle_ensure(&info, &wish, &b), EXIT_FAILED);
    assert_int_equal(count_files(wish.dir), 4); /* not knowing is no reason to throw away */
    assert_true(bundle_remove(place("out/kitchen")));
    snprintf(info.mqtts, sizeof info.mqtts, "localhost:8883");
}

static void damaged(void **state)
{
    static const char *const configs[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"clientId\":\"a\",\"host\":\"h\",\"port\":0,\"prefix\":\"p\"}",
        "{\"clientId\":\"a\",\"host\":\"h\",\"port\":65536,\"prefix\":\"p\"}",
        "{\"clientId\":\"a\\u0000b\",\"host\":\"h\",\"port\":1,\"prefix\":\"p\"}",
        "{\"x\":{\"clientId\":\"a\"},\"host\":\"h\",\"port\":1,\"prefix\":\"p\"}"};
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem", "config.json"};
    struct bundle b;
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        reset();
        assert_int_equal(make("out/kitchen"), EXIT_OK);
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", place("out/kitchen"), names[i]);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(bundle_load(place("out/kitchen"), &b), EXIT_FAILED);
        assert_true(bundle_remove(place("out/kitchen")));
    }
    reset();
    assert_int_equal(make("out/kitchen"), EXIT_OK);
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        assert_int_equal(
            posix_file_write(place("out/kitchen/config.json"), elo_span_str(configs[i]), 0644),
            ELO_OK);
        assert_int_equal(bundle_load(place("out/kitchen"), &b), EXIT_FAILED);
    }
    assert_int_equal(bundle_write_config(&info, "kitchen", "kitchen", place("out/kitchen")),
                     ELO_OK);
    assert_int_equal(chmod(place("out/kitchen/key.pem"), 0640), 0);
    assert_int_equal(bundle_load(place("out/kitchen"), &b), EXIT_FAILED);
    assert_int_equal(chmod(place("out/kitchen/key.pem"), 0600), 0);
    assert_int_equal(bundle_load(place("out/kitchen"), &b), EXIT_OK);
    bundle_free(&b);
    assert_true(bundle_remove(place("out/kitchen")));
}

static void json_members(void **state)
{
    struct buf text;
    char field[4];
    (void)state;
    elo_span json =
        ELO_SPAN("{\"a\":{\"k\":\"inner\"},\"n\":[\"k\",1],\"k\":\"o\\u0075t\",\"z\":1}");
    assert_true(json_text(json, "k", &text));
    assert_string_equal((const char *)buf_span(&text).ptr, "out");
    buf_free(&text);
    assert_true(json_field(json, "k", field, sizeof field));
    assert_false(json_field(json, "k", field, 3));
    assert_false(json_field(json, "z", field, sizeof field));
    assert_false(json_field(json, "none", field, sizeof field));
    assert_false(json_field(ELO_SPAN("[\"k\"]"), "k", field, sizeof field));
    assert_false(json_field(ELO_SPAN(""), "k", field, sizeof field));
    assert_false(json_field(ELO_SPAN("{\"k\":\"\\u0000\"}"), "k", field, sizeof field));
}

static void policy_document(void **state)
{
    struct buf document;
    (void)state;
    device_policy(&info, &document);
    const char *text = (const char *)buf_span(&document).ptr;
    assert_int_equal(elo_json_validate(elo_span_str(text)), ELO_OK);
    assert_true(strlen(text) <= 2048); /* "AWS IoT Core quotas": the maximum policy document size */
    assert_null(strstr(text, "iot:*"));
    assert_null(strstr(text, "/*"));
    assert_null(strstr(text, "\"*\""));
    buf_free(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle),     cmocka_unit_test(any_call_fails),
        cmocka_unit_test(desk_dies),    cmocka_unit_test(interrupted),
        cmocka_unit_test(places),       cmocka_unit_test(thing_without_certificate),
        cmocka_unit_test(overtaken),    cmocka_unit_test(long_client_id),
        cmocka_unit_test(ensured),      cmocka_unit_test(damaged),
        cmocka_unit_test(json_members), cmocka_unit_test(policy_document),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
