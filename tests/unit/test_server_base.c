// links: server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* server/base: buffers at their caps, maps against a list, allocation that fails, log lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elo/base/utf8.h"
#include "server/base/aws_error.h"
#include "server/base/buf.h"
#include "server/base/compat.h"
#include "server/base/env.h"
#include "server/base/log.h"
#include "server/base/map.h"
#include "server/base/mem.h"
#include "server/base/text.h"

static void buf_holds_its_cap_and_no_byte_more(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 100; i++) {
        buf_byte(&b, (uint8_t)i);
    }
    assert_int_equal(buf_err(&b), ELO_OK);
    assert_int_equal(buf_span(&b).len, 100);
    buf_drop(&b, 30);
    assert_int_equal(buf_span(&b).ptr[0], 30);
    buf_add(&b, ELO_SPAN("123456789012345678901234567890"));
    assert_int_equal(buf_err(&b), ELO_OK);
    buf_byte(&b, 0);
    assert_int_equal(buf_err(&b), ELO_E_TOO_LARGE);
    assert_int_equal(buf_span(&b).len, 0);
    buf_byte(&b, 0); /* stays failed */
    assert_int_equal(buf_span(&b).len, 0);
    buf_clear(&b);
    buf_format(&b, "%s-%d", "x", 7);
    assert_true(elo_span_eq(buf_span(&b), ELO_SPAN("x-7")));
    buf_free(&b);
}

static void buf_survives_a_failed_allocation(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_text(&b, "kept until then");
    mem_fail_at(1);
    buf_add(&b, elo_span_of((uint8_t[200]){0}, 200));
    mem_fail_at(0);
    assert_int_equal(buf_err(&b), ELO_E_NO_MEMORY);
    buf_free(&b);
}

static void buf_room_is_null_only_for_a_reason(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_non_null(buf_room(&b, 0));
    buf_wrote(&b, 0);
    assert_int_equal(buf_err(&b), ELO_OK);
    memcpy(buf_room(&b, 10), "0123456789", 10);
    buf_wrote(&b, 10);
    assert_non_null(buf_room(&b, 0));
    assert_null(buf_room(&b, 1));
    assert_int_equal(buf_err(&b), ELO_E_TOO_LARGE);
    assert_null(buf_room(&b, 0)); /* it stays failed */
    buf_free(&b);
}

static void buf_format_fills_to_the_cap_in_every_size(void **state)
{
    (void)state;
    for (int len = 0; len < 600; len++) {
        struct buf b;
        buf_init(&b, (size_t)len);
        buf_format(&b, "%*s", len, "");
        assert_int_equal(buf_err(&b), ELO_OK);
        assert_int_equal(buf_span(&b).len, len);
        buf_format(&b, "%s", "x");
        assert_int_equal(buf_err(&b), ELO_E_TOO_LARGE);
        buf_free(&b);
    }
    struct buf b;
    buf_init(&b, 1000);
    mem_fail_at(1);
    buf_format(&b, "%*s", 500, "");
    mem_fail_at(0);
    assert_int_equal(buf_err(&b), ELO_E_NO_MEMORY);
    buf_free(&b);
}

/* Differences of two words that cancel under many seeds would be a way to crafted collisions. */
static void map_hash_depends_on_its_seed_alone(void **state)
{
    (void)state;
    static const uint64_t top = 0x8000000080000000u;
    unsigned same = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        map_seed(seed * 0x9e3779b97f4a7c15u);
        uint64_t a[2] = {seed, 77}, b[2] = {seed ^ top, 77 ^ top};
        same += map_hash(elo_span_of(a, sizeof a)) == map_hash(elo_span_of(b, sizeof b));
    }
    assert_true(same < 2);
}

static void map_hash_spreads_names_that_are_alike(void **state)
{
    (void)state;
    enum { BUCKETS = 4096 };
    static unsigned hits[BUCKETS];
    map_seed(1);
    for (int i = 0; i < 4 * BUCKETS; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "factory/line-%d/temp", i);
        hits[map_hash(elo_span_of(name, (size_t)len)) % BUCKETS]++;
    }
    unsigned most = 0, empty = 0;
    for (int i = 0; i < BUCKETS; i++) {
        most = hits[i] > most ? hits[i] : most;
        empty += hits[i] == 0;
    }
    assert_true(most < 20);          /* 4 on average; chance gives 13 or so */
    assert_in_range(empty, 30, 130); /* e^-4 of them: 75 */
}

enum { KEYS = 3000 };
static char keys[KEYS][8];

static void map_does_what_a_list_does(void **state)
{
    (void)state;
    static bool there[KEYS];
    struct map m;
    map_init(&m);
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
    }
    uint32_t random = 1;
    size_t count = 0;
    for (int step = 0; step < 60000; step++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = (random >> 8) % KEYS;
        elo_span key = elo_span_str(keys[i]);
        assert_ptr_equal(map_get(&m, key), there[i] ? keys[i] : NULL);
        if (random >> 31) {
            assert_true(map_put(&m, key, keys[i]));
            count += !there[i];
            there[i] = true;
        } else {
            assert_ptr_equal(map_remove(&m, key), there[i] ? keys[i] : NULL);
            count -= there[i];
            there[i] = false;
        }
        assert_int_equal(map_len(&m), count);
    }
    size_t seen = 0;
    for (size_t at = 0; map_next(&m, &at) != NULL;) {
        seen++;
    }
    assert_int_equal(seen, count);
    map_free(&m);
}

static void map_put_fails_whole(void **state)
{
    (void)state;
    struct map m;
    map_init(&m);
    mem_fail_at(1);
    assert_false(map_put(&m, ELO_SPAN("a"), keys));
    mem_fail_at(0);
    assert_null(map_get(&m, ELO_SPAN("a")));
    assert_true(map_put(&m, ELO_SPAN("a"), keys));
    assert_true(map_put(&m, ELO_SPAN(""), keys)); /* an empty key is a key */
    assert_ptr_equal(map_get(&m, ELO_SPAN("")), keys);
    map_free(&m);
}

static void fill_counting(void *ctx, void *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)(0xf0 + i);
    }
}

static void uuid_is_version_4(void **state)
{
    (void)state;
    struct core_random r = {fill_counting, NULL};
    char text[37];
    core_uuid(&r, text);
    assert_string_equal(text, "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff");
}

static void compat_takes_names_and_values_only(void **state)
{
    (void)state;
    struct compat c = {0};
    assert_int_equal(compat_set(&c, "subscribe-denied=suback-80"), ELO_OK);
    assert_int_equal(c.subscribe_denied, 1);
    assert_int_equal(compat_set(&c, "subscribe-denied=close"), ELO_OK);
    assert_int_equal(c.subscribe_denied, 0);
    assert_int_equal(compat_set(&c, "subscribe-denied=maybe"), ELO_E_USAGE);
    assert_int_equal(compat_set(&c, "subscribe-denie=close"), ELO_E_NOT_FOUND);
    assert_int_equal(compat_set(&c, "subscribe-denied"), ELO_E_USAGE);
}

static struct buf line;

static void keep(void *ctx, const struct log_record *record)
{
    (void)ctx;
    log_format_text(record, 1767323045123, false, &line);
    log_format_json(record, 1767323045123, "111122223333", &line);
}

/* "CloudWatch AWS IoT log entries", AWS IoT Developer Guide: names and forms of the members. */
static void log_lines_have_cloudwatchs_members(void **state)
{
    (void)state;
    static const struct {
        struct log_record record;
        const char *line;
    } cases[] = {
        {{.level = LOG_INFO,
          .event_type = "Publish-In",
          .protocol = "MQTT",
          .trace_id = {(const uint8_t *)"t-1", 3},
          .client_id = {(const uint8_t *)"bench-7", 7},
          .principal_id = {(const uint8_t *)"9b1f", 4},
          .topic = {(const uint8_t *)"a/b", 3},
          .source_ip = {(const uint8_t *)"192.0.2.44", 10},
          .source_port = 49152,
          .retain = true},
         "{\"timestamp\":\"2026-01-02 03:04:05.123\",\"logLevel\":\"INFO\",\"traceId\":\"t-1\","
         "\"accountId\":\"111122223333\",\"status\":\"Success\",\"eventType\":\"Publish-In\","
         "\"protocol\":\"MQTT\",\"clientId\":\"bench-7\",\"principalId\":\"9b1f\","
         "\"sourceIp\":\"192.0.2.44\",\"sourcePort\":49152,\"topicName\":\"a/b\","
         "\"retain\":\"True\"}\n"},
        {{.level = LOG_INFO,
          .event_type = "Disconnect",
          .protocol = "MQTT",
          .reason = {(const uint8_t *)"CLIENT_INITIATED_DISCONNECT", 27}},
         "{\"timestamp\":\"2026-01-02 03:04:05.123\",\"logLevel\":\"INFO\","
         "\"accountId\":\"111122223333\",\"status\":\"Success\",\"eventType\":\"Disconnect\","
         "\"protocol\":\"MQTT\",\"disconnectReason\":\"CLIENT_INITIATED_DISCONNECT\","
         "\"reason\":\"CLIENT_INITIATED_DISCONNECT\"}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 65536);
        log_format_json(&cases[i].record, 1767323045123, "111122223333", &out);
        buf_byte(&out, 0);
        assert_string_equal((const char *)buf_span(&out).ptr, cases[i].line);
        buf_free(&out);
    }
}

/* A watcher has records made that the log does not want, but none below INFO. */
static void a_watcher_sees_more_than_the_log(void **state)
{
    (void)state;
    struct log log = {.sink = keep, .level = LOG_ERROR};
    assert_false(log_heard(&log, LOG_WARN));
    log.watch = keep;
    assert_true(log_heard(&log, LOG_INFO));
    assert_false(log_heard(&log, LOG_DEBUG));
    log.level = LOG_DEBUG;
    assert_true(log_heard(&log, LOG_DEBUG));
}

static void log_lines_say_why_and_cannot_steer_a_terminal(void **state)
{
    (void)state;
    buf_init(&line, 65536);
    struct log log = {.sink = keep, .level = LOG_INFO};
    struct log_record r = {.level = LOG_WARN,
                           .event_type = "Connect",
                           .err = ELO_E_POLICY_CONNECT,
                           .client_id = ELO_SPAN("evil\033[2J\n"),
                           .source_ip = ELO_SPAN("192.0.2.44"),
                           .source_port = 49152,
                           .details = ELO_SPAN("policy p v1 allows client/a, not client/b")};
    log_emit(&log, &r);
    r.level = LOG_DEBUG;
    log_emit(&log, &r); /* below the level: not made */
    buf_byte(&line, 0);
    const char *text = (const char *)buf_span(&line).ptr;
    assert_non_null(strstr(text, "evil\\x1b[2J\\x0a refused E-POLICY-CONNECT: policy p v1"));
    assert_non_null(
        strstr(text, "\"timestamp\":\"2026-01-02 03:04:05.123\",\"logLevel\":\"WARN\""));
    assert_non_null(strstr(text, "\"clientId\":\"evil\\u001b[2J\\n\""));
    assert_non_null(strstr(text, "\"code\":\"E-POLICY-CONNECT\""));
    assert_null(strchr(text, '\033'));
    buf_free(&line);
}

/* All bytes that there are, four times over: a client id as long as MQTT's length field allows. */
static void log_tells_of_clients_with_impossible_names(void **state)
{
    (void)state;
    static uint8_t name[65535];
    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = (uint8_t)i;
    }
    buf_init(&line, 1 << 20);
    struct log log = {.sink = keep, .level = LOG_INFO};
    struct log_record r = {.level = LOG_WARN,
                           .event_type = "Connect",
                           .err = ELO_E_CERT_UNKNOWN,
                           .client_id = elo_span_of(name, sizeof name),
                           .topic = ELO_SPAN("\xe2\x80\xae"
                                             "desrever \xc2\x9b \xed\xa0\x80 \xff"),
                           .details = elo_span_of(name, sizeof name)};
    log_emit(&log, &r);
    assert_true(elo_utf8_valid(buf_span(&line)));
    buf_byte(&line, 0);
    const char *text = (const char *)buf_span(&line).ptr;
    assert_non_null(strstr(text, " \\x00\\x01"));
    assert_non_null(strstr(text, "\\xe2\\x80\\xaedesrever \\xc2\\x9b \\xed\\xa0\\x80 \\xff"));
    assert_non_null(strstr(text, "\"clientId\":\"\\u0000\\u0001"));
    assert_non_null(strstr(text, "\\\\xff... (65535 bytes)\""));
    assert_non_null(strstr(text, "\"code\":\"E-CERT-UNKNOWN\""));
    assert_null(strchr(text, '\033'));
    buf_free(&line);
}

static void aws_errors_have_names_and_statuses(void **state)
{
    (void)state;
    struct aws_fault f;
    assert_int_equal(aws_fault_set(&f, AWS_VersionsLimitExceededException, "The policy %s", "x"),
                     AWS_VersionsLimitExceededException);
    assert_string_equal(f.message, "The policy x");
    assert_string_equal(aws_error_name(f.error), "VersionsLimitExceededException");
    assert_int_equal(aws_error_status(f.error), 409);
    assert_int_equal(aws_error_status(AWS_ServiceUnavailableException), 503);
}

static void assert_span(elo_span got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.len > 0 ? (const char *)got.ptr : "", want, got.len);
}

static void text_is_cut_and_trimmed(void **state)
{
    (void)state;
    elo_span rest = ELO_SPAN("a; b ;;c");
    const char *const pieces[] = {"a", " b ", "", "c", "", ""};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        assert_span(text_cut(&rest, ';'), pieces[i]);
    }
    assert_span(text_trim(ELO_SPAN("\t two words \t ")), "two words");
    assert_span(text_trim(ELO_SPAN(" \t ")), "");
    assert_span(text_trim(ELO_SPAN("\r\n")), "\r\n");
    assert_span(text_trim(elo_span_of(NULL, 0)), "");
}

static void text_is_the_same_in_either_case(void **state)
{
    (void)state;
    assert_true(text_same(ELO_SPAN("Sec-WebSocket-Key"), ELO_SPAN("sEC-wEBSOCKET-kEY")));
    assert_true(text_same(elo_span_of(NULL, 0), ELO_SPAN("")));
    assert_false(text_same(ELO_SPAN("host"), ELO_SPAN("hos")));
    assert_false(text_same(ELO_SPAN("@["), ELO_SPAN("`{"))); /* the neighbours of A and Z */
    assert_int_equal(text_lower(0xC4), 0xC4);
    assert_true(text_begins(ELO_SPAN("IoT:ClientId"), ELO_SPAN("iot:")));
    assert_false(text_begins(ELO_SPAN("iot"), ELO_SPAN("iot:")));
    assert_true(text_ends(ELO_SPAN("Name.list"), ELO_SPAN(".List")));
    assert_false(text_ends(ELO_SPAN("List"), ELO_SPAN(".List")));
    assert_true(text_begins(elo_span_of(NULL, 0), ELO_SPAN("")));
    assert_true(text_ends(elo_span_of(NULL, 0), ELO_SPAN("")));
}

static void text_is_quoted_printable_and_short(void **state)
{
    (void)state;
    char long_one[66];
    memset(long_one, 'x', sizeof long_one);
    assert_string_equal(text_quote(ELO_SPAN("a\n\x7f\xc3\xa9~ \"")).text, "a????~ \"");
    assert_string_equal(text_quote(elo_span_of(NULL, 0)).text, "");
    long_one[64] = '\0';
    assert_string_equal(text_quote(elo_span_of(long_one, 64)).text, long_one);
    assert_int_equal(strlen(text_quote(elo_span_of(long_one, 65)).text), 67);
    assert_memory_equal(text_quote(elo_span_of(long_one, 65)).text + 64, "...", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_holds_its_cap_and_no_byte_more),
        cmocka_unit_test(buf_survives_a_failed_allocation),
        cmocka_unit_test(buf_room_is_null_only_for_a_reason),
        cmocka_unit_test(buf_format_fills_to_the_cap_in_every_size),
        cmocka_unit_test(map_hash_depends_on_its_seed_alone),
        cmocka_unit_test(map_hash_spreads_names_that_are_alike),
        cmocka_unit_test(map_does_what_a_list_does),
        cmocka_unit_test(map_put_fails_whole),
        cmocka_unit_test(uuid_is_version_4),
        cmocka_unit_test(compat_takes_names_and_values_only),
        cmocka_unit_test(log_lines_have_cloudwatchs_members),
        cmocka_unit_test(a_watcher_sees_more_than_the_log),
        cmocka_unit_test(log_lines_say_why_and_cannot_steer_a_terminal),
        cmocka_unit_test(log_tells_of_clients_with_impossible_names),
        cmocka_unit_test(aws_errors_have_names_and_statuses),
        cmocka_unit_test(text_is_cut_and_trimmed),
        cmocka_unit_test(text_is_the_same_in_either_case),
        cmocka_unit_test(text_is_quoted_printable_and_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
