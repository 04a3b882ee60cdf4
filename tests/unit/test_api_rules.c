// links: server_api server_base jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The AWS API beside its scenarios: signatures, pages while things come and go, bodies cut short
 * anywhere, memory running out anywhere, commits that fail, what the broker hears.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "elo/base/utf8.h"
#include "errors/explain.h"
#include "server/base/limits.h"
#include "tests/support/api_rig.h"

#define ALLOW_ALL                                                                                  \
    "{\"policyDocument\":\"{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[{"               \
    "\\\"Effect\\\":"                                                                              \
    "\\\"Allow\\\",\\\"Action\\\":\\\"iot:*\\\",\\\"Resource\\\":\\\"*\\\"}]}\"}"

static void
call(struct rig *rig, const char *method, const char *target, const char *body, int status)
{
    struct rig_request ask = {.method = method, .target = target, .body = elo_span_str(body)};
    struct api_response response;
    rig_call(rig, &ask, &response);
    if (response.status != status) {
        elo_span text = buf_span(&response.body);
        fail_msg("%s %s: %d %.*s", method, target, response.status, (int)text.len,
                 (const char *)text.ptr);
    }
    api_response_free(&response);
}

static json_t *get(struct rig *rig, const char *method, const char *target, const char *body)
{
    struct rig_request ask = {.method = method, .target = target, .body = elo_span_str(body)};
    struct api_response response;
    rig_call(rig, &ask, &response);
    elo_span text = buf_span(&response.body);
    json_t *reply = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    if (response.status != 200 || reply == NULL) {
        fail_msg("%s %s: %d %.*s", method, target, response.status, (int)text.len,
                 (const char *)text.ptr);
    }
    api_response_free(&response);
    return reply;
}

/* --- signatures -------------------------------------------------------------------------- */

static void signatures(void **state)
{
    (void)state;
    const struct {
        const char *name;
        struct rig_request ask;
        const char *json; /* the exception for AWS IoT; NULL: none */
        const char *xml;  /* and the code for STS */
    } cases[] = {
        {"good", {.late_s = 0}, NULL, NULL},
        {"14 minutes late", {.late_s = 14 * 60}, NULL, NULL},
        {"14 minutes early", {.late_s = -14 * 60}, NULL, NULL},
        {"unsigned",
         {.is_unsigned = true},
         "MissingAuthenticationToken",
         "MissingAuthenticationToken"},
        {"another secret",
         {.secret = ELO_SPAN("guess")},
         "InvalidSignature",
         "SignatureDoesNotMatch"},
        {"another key",
         {.key_id = ELO_SPAN("AKIDOTHER")},
         "UnrecognizedClient",
         "InvalidClientTokenId"},
        {"another body", {.change_body = true}, "InvalidSignature", "SignatureDoesNotMatch"},
        {"16 minutes late", {.late_s = 16 * 60}, "InvalidSignature", "SignatureDoesNotMatch"},
        {"16 minutes early", {.late_s = -16 * 60}, "InvalidSignature", "SignatureDoesNotMatch"},
        {"another service", {.service = "s3"}, "InvalidSignature", "SignatureDoesNotMatch"},
    };
    struct rig rig;
    rig_open(&rig);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        bool sts = i % 2;
        struct rig_request ask = cases[i / 2].ask;
        const char *wanted = sts ? cases[i / 2].xml : cases[i / 2].json;
        ask.method = "POST";
        ask.target = sts ? "/" : "/things/made-by-a-stranger";
        ask.service = ask.service ? ask.service : sts ? "sts" : "iot";
        ask.body = sts ? ELO_SPAN("Action=GetCallerIdentity") : ELO_SPAN("{}");
        struct api_response response;
        char line[128];
        rig_call(&rig, &ask, &response);
        elo_span text = buf_span(&response.body);
        snprintf(line, sizeof line, "<Code>%s</Code>", wanted ? wanted : "");
        bool told = !wanted || !sts || memmem(text.ptr, text.len, line, strlen(line)) != NULL;
        if (response.status != (wanted ? 403 : 200) || !told) {
            fail_msg("%s: %d %.*s", cases[i / 2].name, response.status, (int)text.len,
                     (const char *)text.ptr);
        }
        snprintf(line, sizeof line, "x-amzn-ErrorType: %sException", wanted ? wanted : "");
        assert_true(sts || (wanted != NULL) == rig_has_header(&response, line));
        assert_true(wanted == NULL || response.after_seq == 0);
        api_response_free(&response);
        const elo_span made = ELO_SPAN("made-by-a-stranger");
        assert_true(sts || (wanted == NULL) == (registry_thing(rig.registry, made) != NULL));
        call(&rig, "DELETE", "/things/made-by-a-stranger", NULL, 200);
    }
    rig_close(&rig);
}

/* IoT wants the desk's region, STS takes the one that the client prefers for it. */
static void regions(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < 2; i++) {
        struct rig_request ask = {.method = i ? "POST" : "GET",
                                  .target = i ? "/" : "/things",
                                  .service = i ? "sts" : "iot",
                                  .region = "us-west-2",
                                  .body = elo_span_str(i ? "Action=GetCallerIdentity" : "")};
        struct api_response response;
        rig_call(&rig, &ask, &response);
        assert_int_equal(response.status, i ? 200 : 403);
        api_response_free(&response);
    }
    rig_close(&rig);
}

/* The types of AWS's first years: refused with a pointer to today's, or answered (a switch). */
static void old_endpoint_types(void **state)
{
    (void)state;
    static const char *const targets[] = {"/endpoint", "/endpoint?endpointType=iot%3AData",
                                          "/endpoint?endpointType=iot%3AJobs"};
    struct rig rig;
    rig_open(&rig);
    for (unsigned char answers = 0; answers < 2; answers++) {
        rig_close_core(&rig);
        rig.compat.describe_endpoint_data = answers;
        rig_open_core(&rig);
        for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
            struct rig_request ask = {.method = "GET", .target = targets[i]};
            struct api_response response;
            rig_call(&rig, &ask, &response);
            elo_span body = buf_span(&response.body);
            const char *want = answers ? RIG_ENDPOINT : "iot:Data-ATS";
            assert_int_equal(response.status, answers ? 200 : 400);
            assert_non_null(memmem(body.ptr, body.len, want, strlen(want)));
            api_response_free(&response);
        }
    }
    rig_close(&rig);
}

static void sts_knows_one_action(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct rig_request ask = {.method = "POST",
                              .target = "/",
                              .service = "sts",
                              .body = ELO_SPAN("Action=Get<Session>Token&x")};
    struct api_response response;
    rig_call(&rig, &ask, &response);
    elo_span text = buf_span(&response.body);
    assert_int_equal(response.status, 400);
    assert_non_null(memmem(text.ptr, text.len, "<Code>InvalidAction</Code>", 26));
    assert_non_null(memmem(text.ptr, text.len, "Get&lt;Session&gt;Token", 23));
    api_response_free(&response);
    rig_close(&rig);
}

/* --- pages ------------------------------------------------------------------------------- */

enum { THINGS = 600 };

static void make_thing(struct rig *rig, const char *prefix, int number)
{
    char target[64];
    snprintf(target, sizeof target, "/things/%s%04d", prefix, number);
    call(rig, "POST", target, NULL, 200);
}

static void delete_thing(struct rig *rig, const char *prefix, int number)
{
    char target[64];
    snprintf(target, sizeof target, "/things/%s%04d", prefix, number);
    call(rig, "DELETE", target, NULL, 200);
}

/* One page; notes in `seen` which of "t0000" ... it holds. false: it was the last. */
static bool read_page(struct rig *rig, int size, char token[512], int seen[THINGS], int *out_last)
{
    char target[700];
    snprintf(target, sizeof target, "/things?maxResults=%d%s%s", size,
             token[0] ? "&nextToken=" : "", token);
    json_t *page = get(rig, "GET", target, NULL);
    const json_t *things = json_object_get(page, "things");
    assert_true(json_array_size(things) <= (size_t)size);
    for (size_t i = 0; i < json_array_size(things); i++) {
        int number;
        json_t *name = json_object_get(json_array_get(things, i), "thingName");
        if (sscanf(json_string_value(name), "t%4d", &number) == 1) {
            seen[number]++;
            *out_last = number;
        }
    }
    const char *next = json_string_value(json_object_get(page, "nextToken"));
    bool more = next != NULL;
    assert_true(!more || json_array_size(things) == (size_t)size);
    size_t len = 0;
    for (; next != NULL && *next != '\0'; next++) { /* '+' and '/' stand as they are, '=' too */
        token[len++] = *next;
    }
    token[len] = '\0';
    json_decref(page);
    return more;
}

static void pages_while_things_come_and_go(void **state)
{
    (void)state;
    static const int sizes[] = {1, 7, 50, 200, 250};
    struct rig rig;
    rig_open(&rig);
    for (int i = 0; i < THINGS; i++) {
        make_thing(&rig, "t", i);
    }
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        static int seen[THINGS];
        char token[512] = "";
        int pages = 0;
        int last = -1; /* of the page before: gone while the next one is read */
        bool more = true;
        memset(seen, 0, sizeof seen);
        for (; more; pages++) {
            assert_true(pages <= 2 * THINGS);
            int gone = last;
            make_thing(&rig, "s", 9999 - pages); /* before all others, and so before the page */
            if (pages < 20) { /* behind it; for ever would be a list without end */
                make_thing(&rig, "z", pages);
            }
            if (gone >= 0) {
                delete_thing(&rig, "t", gone);
            }
            more = read_page(&rig, sizes[s], token, seen, &last);
            if (gone >= 0) {
                make_thing(&rig, "t", gone);
            }
        }
        for (int i = 0; i < THINGS; i++) {
            assert_int_equal(seen[i], 1);
        }
        for (int i = 0; i < pages; i++) {
            delete_thing(&rig, "s", 9999 - i);
            delete_thing(&rig, "z", i);
        }
    }
    rig_close(&rig);
}

/* --- bodies ------------------------------------------------------------------------------ */

static void a_body_cut_short_changes_nothing(void **state)
{
    (void)state;
    const char *body = "{\"attributePayload\":{\"attributes\":{\"r\\u006fom\":\"shed\"},"
                       "\"merge\":false},\"thingTypeName\":null}";
    struct rig rig;
    rig_open(&rig);
    for (size_t len = 1; len <= strlen(body); len++) {
        struct rig_request ask = {
            .method = "POST", .target = "/things/cut", .body = elo_span_of(body, len)};
        struct api_response response;
        rig_call(&rig, &ask, &response);
        bool whole = len == strlen(body);
        assert_int_equal(response.status, whole ? 200 : 400);
        assert_int_equal(registry_thing(rig.registry, ELO_SPAN("cut")) != NULL, whole);
        api_response_free(&response);
    }
    const struct thing *thing = registry_thing(rig.registry, ELO_SPAN("cut"));
    assert_int_equal(thing->attribute_count, 1);
    assert_true(elo_span_eq(thing->attributes[0].name, ELO_SPAN("room")));
    rig_close(&rig);
}

static void payload_limit(void **state)
{
    (void)state;
    static uint8_t payload[LIMIT_PAYLOAD_BYTES + 1];
    struct rig rig;
    rig_open(&rig);
    for (size_t over = 0; over < 2; over++) {
        struct rig_request ask = {.method = "POST",
                                  .target = "/topics/a?retain=true",
                                  .service = "iotdata",
                                  .body = elo_span_of(payload, LIMIT_PAYLOAD_BYTES + over)};
        struct api_response response;
        struct broker_stats stats;
        rig_call(&rig, &ask, &response);
        assert_int_equal(response.status, over ? 413 : 200);
        broker_stats(rig.broker, &stats);
        assert_int_equal(stats.retained, 1);
        api_response_free(&response);
    }
    rig_close(&rig);
}

/* --- memory ------------------------------------------------------------------------------ */

static json_t *snapshot(struct rig *rig)
{
    static const char *const listings[] = {
        "GET /things",
        "GET /certificates",
        "GET /policies",
        "GET /policies/p/version",
        "POST /policy-targets/p",
        "GET /things/t/principals-v2",
    };
    json_t *all = json_array();
    for (size_t i = 0; i < sizeof listings / sizeof listings[0]; i++) {
        char method[8];
        int at = 0;
        assert_int_equal(sscanf(listings[i], "%7s %n", method, &at), 1);
        json_array_append_new(all, get(rig, method, listings[i] + at, NULL));
    }
    return all;
}

static void read_file(const char *name, struct buf *out)
{
    char path[512];
    char bytes[4096];
    size_t len;
    snprintf(path, sizeof path, ELO_SOURCE_DIR "/tests/vectors/pki/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((len = fread(bytes, 1, sizeof bytes, file)) > 0) {
        buf_add(out, elo_span_of(bytes, len));
    }
    fclose(file);
}

/* {"MEMBER": FILE} */
static char *pem_body(const char *member, const char *name)
{
    struct buf text;
    buf_init(&text, RIG_MAX_BODY);
    read_file(name, &text);
    json_t *body =
        json_pack("{s:s%}", member, (const char *)buf_span(&text).ptr, buf_span(&text).len);
    char *result = json_dumps(body, 0);
    json_decref(body);
    buf_free(&text);
    return result;
}

struct memory_case {
    const char *line;
    const char *body;
    bool with_principal; /* header x-amzn-principal: the certificate */
};

/* As after a crash: what the database holds is what memory held. */
static void check_unchanged(struct rig *rig, const json_t *before, const char *line, long n)
{
    for (int from_disk = 0; from_disk < 2; from_disk++) {
        if (from_disk) {
            assert_int_equal(registry_reload(rig->registry), ELO_OK);
        }
        json_t *after = snapshot(rig);
        if (!json_equal(before, after)) {
            fail_msg("%s: answered 500, and changed something (allocation %ld)", line, n);
        }
        json_decref(after);
    }
}

/* Fails the n-th allocation for every n: 500 and nothing changed, until n is one too many. */
static void starve(struct rig *rig, const struct memory_case *test, const char *arn)
{
    char method[8];
    int at = 0;
    assert_int_equal(sscanf(test->line, "%7s %n", method, &at), 1);
    struct rig_request ask = {.method = method,
                              .target = test->line + at,
                              .service = strstr(test->line, "/topics/") ? "iotdata" : "iot",
                              .body = elo_span_str(test->body)};
    if (test->with_principal) {
        ask.headers[ask.header_count++] =
            (struct sigv4_header){ELO_SPAN("x-amzn-principal"), elo_span_str(arn)};
    }
    json_t *before = snapshot(rig);
    int status = 500;
    for (long n = 1; status == 500; n++) {
        struct api_response response;
        ask.fail_at = n;
        rig_call(rig, &ask, &response);
        status = response.status;
        api_response_free(&response);
        if (status == 500) {
            check_unchanged(rig, before, test->line, n);
        } else if (status != 200 || rig->allocations >= n) {
            fail_msg("%s: %d when allocation %ld of %ld fails", test->line, status, n,
                     rig->allocations);
        }
    }
    json_decref(before);
}

static void memory_runs_out(void **state)
{
    (void)state;
    struct rig rig;
    char attach[256];
    char path[256];
    char update[256];
    rig_open(&rig);
    char *csr = pem_body("certificateSigningRequest", "p256.csr.pem");
    char *certificate = pem_body("certificatePem", "p256.crt.pem");
    json_t *made = get(&rig, "POST", "/certificates?setAsActive=true", csr);
    const char *arn = json_string_value(json_object_get(made, "certificateArn"));
    const char *id = json_string_value(json_object_get(made, "certificateId"));
    snprintf(attach, sizeof attach, "{\"target\":\"%s\"}", arn);
    snprintf(path, sizeof path, "GET /certificates/%s", id);
    snprintf(update, sizeof update, "PUT /certificates/%s?newStatus=INACTIVE", id);
    call(&rig, "POST", "/things/t", NULL, 200);
    call(&rig, "POST", "/policies/p", ALLOW_ALL, 200);
    const struct memory_case cases[] = {
        {"POST /things/u",
         "{\"attributePayload\":{\"attributes\":{\"\\u0061\":\"1\",\"b\":\"\\u0032\"}}}", false},
        {"GET /things/u", NULL, false},
        {"PATCH /things/u", "{\"attributePayload\":{\"attributes\":{\"c\":\"3\"},\"merge\":true}}",
         false},
        {"GET /things?maxResults=1", NULL, false},
        {"DELETE /things/u", NULL, false},
        {"POST /keys-and-certificate", NULL, false},
        {"POST /certificates", csr, false},
        {"POST /certificate/register-no-ca", certificate, false},
        {path, NULL, false},
        {"GET /certificates", NULL, false},
        {"POST /policies/q", ALLOW_ALL, false},
        {"GET /policies/q", NULL, false},
        {"POST /policies/p/version?setAsDefault=true", ALLOW_ALL, false},
        {"PATCH /policies/p/version/1", NULL, false},
        {"DELETE /policies/p/version/2", NULL, false},
        {"DELETE /policies/q", NULL, false},
        {"PUT /target-policies/p", attach, false},
        {"PUT /things/t/principals", NULL, true},
        {"GET /principals/things-v2", NULL, true},
        {"DELETE /things/t/principals", NULL, true},
        {"POST /target-policies/p", attach, false},
        {update, NULL, false},
        {"GET /endpoint?endpointType=iot:Data-ATS", NULL, false},
        {"POST /topics/a?qos=1&retain=true", "kept", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        starve(&rig, &cases[i], arn);
    }
    json_decref(made);
    free(csr);
    free(certificate);
    rig_close(&rig);
}

/* --- commits that fail ------------------------------------------------------------------- */

static void a_failed_commit_is_a_500(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct rig_request ask = {.method = "POST", .target = "/things/lost"};
    struct api_response response;
    rig_handle(&rig, &ask, &response);
    assert_int_equal(response.status, 200);
    assert_true(response.after_seq > 0);
    api_commit_failed(&response, ELO_E_DISK_FULL);
    assert_int_equal(response.status, 500);
    assert_true(rig_has_header(&response, "x-amzn-ErrorType: InternalFailureException"));
    elo_span text = buf_span(&response.body);
    json_t *body = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    assert_non_null(strstr(json_string_value(json_object_get(body, "message")),
                           "Nothing was changed: it could not be stored (E-DISK-FULL)"));
    json_decref(body);
    api_response_free(&response);
    rig_close(&rig);
}

/* Whatever the store says went wrong, the answer is JSON with its slug and cause. */
static void every_failure_has_words(void **state)
{
    (void)state;
    const struct elo_reason *reason;
    for (unsigned i = 0; (reason = elo_reason_at(i)) != NULL; i++) {
        struct api_response response = {.status = 200, .request_id = "id"};
        buf_init(&response.headers, 4096);
        buf_init(&response.body, 4096);
        buf_text(&response.body, "secret");
        api_commit_failed(&response, reason->code);
        elo_span text = buf_span(&response.body);
        json_t *body = json_loadb((const char *)text.ptr, text.len, 0, NULL);
        const char *message = json_string_value(json_object_get(body, "message"));
        assert_non_null(message);
        assert_non_null(strstr(message, reason->slug));
        assert_non_null(strstr(message, reason->cause));
        json_decref(body);
        api_response_free(&response);
    }
}

/* Messages quote what came; cut or broken UTF-8 must reach neither the reply nor the log. */
static void note_details(struct rig *rig, const struct log_record *record)
{
    (void)rig;
    assert_true(elo_utf8_valid(record->details));
}

static void messages_are_text(void **state)
{
    (void)state;
    struct rig rig;
    char body[1024] = "{\"policyDocument\":\"{\\\"Version\\\":\\\"";
    size_t head = strlen(body);
    rig_open(&rig);
    rig.on_log = note_details;
    for (size_t count = 0; count < 200; count++) {
        memcpy(body + head + 2 * count, "\xc3\xa9\\\"}\"}", 8);
        call(&rig, "POST", "/policies/p", body, 400);
    }
    rig_close(&rig);
}

static void another_method_is_told_which(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct rig_request ask = {.method = "PUT", .target = "/policies/p/version/1"};
    struct api_response response;
    rig_call(&rig, &ask, &response);
    assert_int_equal(response.status, 405);
    assert_true(rig_has_header(&response, "Allow: GET, DELETE, PATCH"));
    api_response_free(&response);
    rig_close(&rig);
}

/* A reply waits for what it read: even a refusal tells of a thing that might not last. */
static void replies_wait_for_what_they_read(void **state)
{
    (void)state;
    static const char *const lines[] = {"GET /things/new", "GET /things", "POST /things/new",
                                        "DELETE /policies/none"};
    struct rig rig;
    rig_open(&rig);
    struct rig_request make = {.method = "POST",
                               .target = "/things/new",
                               .body = ELO_SPAN("{\"attributePayload\":{\"attributes\":"
                                                "{\"a\":\"1\"}}}")};
    struct api_response made;
    rig_handle(&rig, &make, &made);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char method[8];
        int at = 0;
        assert_int_equal(sscanf(lines[i], "%7s %n", method, &at), 1);
        struct rig_request ask = {.method = method, .target = lines[i] + at};
        struct api_response response;
        rig_handle(&rig, &ask, &response);
        assert_int_equal(response.after_seq, made.after_seq);
        api_response_free(&response);
    }
    api_response_free(&made);
    rig_commit(&rig);
    rig_close(&rig);
}

/* --- the broker -------------------------------------------------------------------------- */

struct device {
    struct broker_conn *conn;
    uint8_t heard[256];
    size_t len;
};

static void listen_to(struct rig *rig, struct device *d)
{
    struct broker_conn *c;
    while ((c = broker_next_ready(rig->broker)) != NULL) {
        elo_span pieces[8];
        size_t count;
        while ((count = broker_output(c, pieces, 8)) > 0) {
            size_t sent = 0;
            for (size_t i = 0; i < count; i++) {
                assert_true(pieces[i].len <= sizeof d->heard - d->len);
                memcpy(d->heard + d->len, pieces[i].ptr, pieces[i].len);
                d->len += pieces[i].len;
                sent += pieces[i].len;
            }
            broker_output_ack(c, sent, rig->now);
        }
    }
}

static void tell(struct rig *rig, struct device *d, const char *bytes, size_t len)
{
    d->len = 0;
    broker_input(d->conn, elo_span_of(bytes, len), rig->now);
    listen_to(rig, d);
}

#define TELL(rig, d, literal) tell(rig, d, literal, sizeof(literal) - 1)
#define HEARD(d, literal)                                                                          \
    assert_int_equal((d)->len, sizeof(literal) - 1);                                               \
    assert_memory_equal((d)->heard, literal, sizeof(literal) - 1)

static void connect_device(struct rig *rig, struct device *d, const char *id)
{
    struct auth_peer peer = {.certificate_id = elo_span_str(id), .source_ip = ELO_SPAN("::1")};
    d->conn = broker_open(rig->broker, &peer, ELO_OK, rig->now);
    assert_non_null(d->conn);
    TELL(rig, d,
         "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01"
         "a");
    HEARD(d, "\x20\x02\x00\x00");
    TELL(rig, d,
         "\x82\x06\x00\x01\x00\x01"
         "t\x00");
    HEARD(d, "\x90\x03\x00\x01\x00");
}

#define TEMPLATE_INACTIVE                                                                          \
    "{\"templateBody\":\"{\\\"Resources\\\":{\\\"c\\\":{\\\"Type\\\":\\\"AWS::IoT::"               \
    "Certificate\\\","                                                                             \
    "\\\"Properties\\\":{\\\"CertificateId\\\":\\\"ID\\\",\\\"Status\\\":\\\"INACTIVE\\\"},"       \
    "\\\"OverrideSettings\\\":{\\\"Status\\\":\\\"REPLACE\\\"}}}}\"}"

/* How a device's certificate ends; ID stands for its id. */
static const struct {
    const char *method;
    const char *target;
    const char *body;
} ends[] = {
    {"PUT", "/certificates/ID?newStatus=INACTIVE", ""},
    {"PUT", "/certificates/ID?newStatus=REVOKED", ""},
    {"POST", "/things", TEMPLATE_INACTIVE},
};

/* `text` with the id in place of the word ID. */
static void with_id(const char *text, const char *id, char *out, size_t cap)
{
    const char *at = strstr(text, "ID");
    int before = at == NULL ? (int)strlen(text) : (int)(at - text);
    int len = snprintf(out, cap, "%.*s%s%s", before, text, at == NULL ? "" : id,
                       at == NULL ? "" : at + 2);
    assert_in_range(len, 0, cap - 1);
}

/* Whichever way it is, the device must go. */
static void devices_hear_and_are_sent_away(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    call(&rig, "POST", "/policies/p", ALLOW_ALL, 200);
    char *csr = pem_body("certificateSigningRequest", "p256.csr.pem");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char body[512];
        char target[256];
        struct device d = {.len = 0};
        json_t *made = get(&rig, "POST", "/certificates?setAsActive=true", csr);
        const char *id = json_string_value(json_object_get(made, "certificateId"));
        snprintf(body, sizeof body, "{\"target\":\"%s\"}",
                 json_string_value(json_object_get(made, "certificateArn")));
        call(&rig, "PUT", "/target-policies/p", body, 200);
        connect_device(&rig, &d, id);

        struct rig_request ask = {.method = "POST",
                                  .target = "/topics/t?qos=1",
                                  .service = "iotdata",
                                  .body = ELO_SPAN("hi")};
        struct api_response response;
        d.len = 0;
        rig_call(&rig, &ask, &response);
        api_response_free(&response);
        listen_to(&rig, &d);
        HEARD(&d, "\x30\x05\x00\x01thi");

        assert_false(broker_wants_close(d.conn));
        with_id(ends[i].target, id, target, sizeof target);
        with_id(ends[i].body, id, body, sizeof body);
        call(&rig, ends[i].method, target, body, 200);
        assert_true(broker_wants_close(d.conn));
        broker_closed(d.conn, ELO_OK, rig.now);
        json_decref(made);
    }
    free(csr);
    rig_close(&rig);
}

/* Two signing keys with one name: the last counts, and the name is told once. */
static void of_two_keys_with_one_name_the_last_counts(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    json_t *keys[2];
    char *pem[2];
    char body[4096];
    for (size_t i = 0; i < 2; i++) {
        json_t *made = get(&rig, "POST", "/keys-and-certificate", "");
        keys[i] = json_incref(json_object_get(json_object_get(made, "keyPair"), "PublicKey"));
        pem[i] = json_dumps(keys[i], JSON_ENCODE_ANY);
        json_decref(made);
    }
    snprintf(body, sizeof body,
             "{\"authorizerFunctionArn\":\"arn:aws:lambda:eu-west-1:123456789012:function:f\","
             "\"tokenKeyName\":\"t\",\"tokenSigningPublicKeys\":{\"k\":%s,\"k\":%s}}",
             pem[0], pem[1]);
    json_decref(get(&rig, "POST", "/authorizer/a", body));
    const struct authorizer_record *a = registry_authorizer(rig.registry, ELO_SPAN("a"));
    assert_int_equal(a->key_count, 1);
    assert_true(elo_span_eq(a->keys[0].value, elo_span_str(json_string_value(keys[1]))));
    for (size_t i = 0; i < 2; i++) {
        free(pem[i]);
        json_decref(keys[i]);
    }
    rig_close(&rig);
}

/* The service model's bound; it also bounds how long the policies are matched. */
static void a_resource_to_test_has_2048_bytes_at_most(void **state)
{
    (void)state;
    struct rig rig;
    char body[4096];
    char name[2050] = "";
    rig_open(&rig);
    memset(name, 'a', 2049);
    for (int len = 2048; len <= 2049; len++) {
        snprintf(body, sizeof body,
                 "{\"authInfos\":[{\"actionType\":\"PUBLISH\",\"resources\":[\"x\",\"%.*s\"]}]}",
                 len, name);
        call(&rig, "POST", "/test-authorization", body, len == 2048 ? 200 : 400);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures),
        cmocka_unit_test(regions),
        cmocka_unit_test(old_endpoint_types),
        cmocka_unit_test(sts_knows_one_action),
        cmocka_unit_test(pages_while_things_come_and_go),
        cmocka_unit_test(a_body_cut_short_changes_nothing),
        cmocka_unit_test(payload_limit),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(a_failed_commit_is_a_500),
        cmocka_unit_test(every_failure_has_words),
        cmocka_unit_test(messages_are_text),
        cmocka_unit_test(another_method_is_told_which),
        cmocka_unit_test(replies_wait_for_what_they_read),
        cmocka_unit_test(devices_hear_and_are_sent_away),
        cmocka_unit_test(a_resource_to_test_has_2048_bytes_at_most),
        cmocka_unit_test(of_two_keys_with_one_name_the_last_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
