// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_texts
/* What a sketch reads from LittleFS, and the words it has for reasons. */
#include "elo/port/esp8266/bundle.h"
#include "elo/port/esp8266/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char memory[128];

static elo_err read_json(const char *json, size_t cap, struct elo_bundle *out)
{
    struct elo_texts texts = {memory, cap, 0};
    memset(out, 0, sizeof *out);
    memset(memory, '#', sizeof memory);
    elo_err err = elo_bundle_read(out, elo_span_str(json), &texts);
    for (size_t i = cap; i < sizeof memory; i++) {
        assert_int_equal(memory[i], '#');
    }
    return err;
}

static void a_whole_one(void **state)
{
    (void)state;
    struct elo_bundle b;
    assert_int_equal(
        read_json("{\"thingName\":\"k\",\"clientId\":\"kit\\u00fc\",\"host\":\"10.0.0.7\","
                  "\"port\":443,\"serverName\":\"elo-desk\",\"prefix\":\"elo/k\","
                  "\"more\":{\"host\":\"no\",\"x\":[1,2]},\"ssid\":\"\","
                  "\"password\":\"a b\"}",
                  sizeof memory, &b),
        ELO_OK);
    assert_string_equal(b.client_id, "kit\xc3\xbc");
    assert_string_equal(b.host, "10.0.0.7");
    assert_string_equal(b.server_name, "elo-desk");
    assert_string_equal(b.prefix, "elo/k");
    assert_string_equal(b.ssid, "");
    assert_string_equal(b.password, "a b");
    assert_int_equal(b.port, 443);
}

static void what_is_not_there_stays(void **state)
{
    (void)state;
    struct elo_texts texts = {memory, sizeof memory, 0};
    struct elo_bundle b = {.host = "before", .port = 1};
    assert_int_equal(elo_bundle_read(&b, ELO_SPAN("{\"ssid\":\"s\"}"), &texts), ELO_OK);
    assert_int_equal(elo_bundle_read(&b, ELO_SPAN("{\"port\":65535}"), &texts), ELO_OK);
    assert_string_equal(b.host, "before");
    assert_string_equal(b.ssid, "s");
    assert_int_equal(b.port, 65535);
    assert_null(b.prefix);
}

static void bad_ones(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        elo_err err;
    } cases[] = {
        {"", ELO_E_MALFORMED},
        {"[]", ELO_E_MALFORMED},
        {"\"host\"", ELO_E_MALFORMED},
        {"{\"host\":1}", ELO_E_MALFORMED},
        {"{\"host\":null}", ELO_E_MALFORMED},
        {"{\"host\":{}}", ELO_E_MALFORMED},
        {"{\"host\":\"a\\u0000b\"}", ELO_E_MALFORMED},
        {"{\"host\":\"a\"", ELO_E_MALFORMED},
        {"{\"host\":\"a\"}}", ELO_E_MALFORMED},
        {"{\"host\":\"\xff\"}", ELO_E_UTF8},
        {"{\"port\":0}", ELO_E_MALFORMED},
        {"{\"port\":65536}", ELO_E_MALFORMED},
        {"{\"port\":-1}", ELO_E_MALFORMED},
        {"{\"port\":\"8883\"}", ELO_E_MALFORMED},
        {"{\"port\":8883.5}", ELO_E_MALFORMED},
        {"{\"port\":99999999999999999999}", ELO_E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct elo_bundle b;
        if (read_json(cases[i].json, sizeof memory, &b) != cases[i].err) {
            fail_msg("%s", cases[i].json);
        }
    }
}

/* At the limit, one below it, and nothing at all. */
static void room(void **state)
{
    (void)state;
    static const char json[] = "{\"host\":\"abc\",\"ssid\":\"de\"}";
    struct elo_bundle b;
    assert_int_equal(read_json(json, 7, &b), ELO_OK);
    assert_string_equal(b.ssid, "de");
    for (size_t cap = 0; cap < 7; cap++) {
        assert_int_equal(read_json(json, cap, &b), ELO_E_NO_SPACE);
        assert_null(b.ssid);
    }
    struct elo_texts texts = {memory, 3, 0};
    assert_null(elo_texts_add(&texts, ELO_SPAN("abc")));
    assert_string_equal(elo_texts_add(&texts, ELO_SPAN("ab")), "ab");
    assert_null(elo_texts_add(&texts, ELO_SPAN("")));
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(elo_words(ELO_OK), "Nothing has failed.");
    assert_non_null(strstr(elo_words(ELO_E_DNS), "E-DNS: "));
    assert_non_null(strstr(elo_cure(ELO_E_DNS), "endpoint"));
    assert_string_equal(elo_cure((elo_err)-9999), "");
    assert_non_null(strstr(elo_words((elo_err)-9999), "E-OTHER"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one), cmocka_unit_test(what_is_not_there_stays),
        cmocka_unit_test(bad_ones),    cmocka_unit_test(room),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
