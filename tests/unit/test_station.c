// links: elo_json elo_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The virtual device's words: telemetry, commands obeyed whole or not at all, replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/station.c" /* its one source file: no I/O, so it is tested as it stands */

struct command_case {
    const char *command;
    const char *reply; /* "": ignored */
    const char *state; /* afterwards, from {"led":"off","relay":"off","interval":2} */
};

#define UNCHANGED "{\"led\":\"off\",\"relay\":\"off\",\"interval\":2}"
#define BAD_SWITCH                                                                                 \
    "{\"id\":\"a\",\"ok\":false,\"error\":\"led and relay are \\\"on\\\" or \\\"off\\\"\"}"
#define BAD_INTERVAL                                                                               \
    "{\"id\":\"a\",\"ok\":false,\"error\":\"interval is a whole number of seconds, 1 to 3600\"}"

static const struct command_case cases[] = {
    {"{\"id\":\"a\",\"led\":\"on\"}", "{\"id\":\"a\",\"ok\":true}",
     "{\"led\":\"on\",\"relay\":\"off\",\"interval\":2}"},
    {"{\"relay\":\"on\",\"interval\":3600,\"id\":7}", "{\"id\":7,\"ok\":true}",
     "{\"led\":\"off\",\"relay\":\"on\",\"interval\":3600}"},
    {"{\"id\":\"a\"}", "{\"id\":\"a\",\"ok\":true}", UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\",\"relay\":\"maybe\"}", BAD_SWITCH, UNCHANGED},
    {"{\"id\":\"a\",\"led\":true}", BAD_SWITCH, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":0}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":3601}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":1.5}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\",\"motor\":\"on\"}",
     "{\"id\":\"a\",\"ok\":false,\"error\":\"known are led, relay and interval\"}", UNCHANGED},
    {"{\"id\":\"a\",\"led\":{\"x\":[1]}}",
     "{\"id\":\"a\",\"ok\":false,\"error\":\"values are \\\"on\\\", \\\"off\\\" or a number\"}",
     UNCHANGED},
    {"{\"led\":\"on\"}", "", UNCHANGED},
    {"{\"id\":null,\"led\":\"on\"}", "", UNCHANGED},
    {"[1]", "", UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\"", "", UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\"} x", "", UNCHANGED},
    {"", "", UNCHANGED},
};

static void commands_are_obeyed_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct station s = {.interval_s = 2};
        uint8_t reply[256], text[256];
        bool changed = false;
        size_t len =
            station_command(&s, elo_span_str(cases[i].command), reply, sizeof reply, &changed);
        assert_int_equal(len, strlen(cases[i].reply));
        assert_memory_equal(reply, cases[i].reply, len);
        len = station_state(&s, text, sizeof text);
        assert_int_equal(len, strlen(cases[i].state));
        assert_memory_equal(text, cases[i].state, len);
        assert_int_equal(changed, strcmp(cases[i].state, UNCHANGED) != 0);
    }
}

static void an_id_of_64_bytes_is_answered_and_of_65_is_not(void **state)
{
    (void)state;
    for (size_t n = 64; n <= 65; n++) {
        char command[128] = "{\"id\":\"";
        size_t at = strlen(command);
        memset(command + at, 'x', n);
        memcpy(command + at + n, "\"}", 3);
        struct station s = {.interval_s = 2};
        uint8_t reply[256];
        bool changed;
        size_t len = station_command(&s, elo_span_str(command), reply, sizeof reply, &changed);
        assert_int_equal(len > 0, n == 64);
    }
}

static void telemetry_has_what_the_machine_has(void **state)
{
    (void)state;
    struct station s = {.interval_s = 2};
    uint8_t text[256];
    struct station_reading all = {true, true, true, true, 2150, 4500, 42, 812340, "coretemp"};
    struct station_reading none = {.source = ""};
    size_t len = station_telemetry(&s, &all, text, sizeof text);
    const char *want = "{\"seq\":1,\"celsius\":21.50,\"source\":\"coretemp\",\"humidity\":45.00,"
                       "\"load\":0.42,\"freeKiB\":812340}";
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, len);
    len = station_telemetry(&s, &none, text, sizeof text);
    assert_memory_equal(text, "{\"seq\":2}", len);
    assert_int_equal(station_telemetry(&s, &all, text, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_obeyed_whole_or_not_at_all),
        cmocka_unit_test(an_id_of_64_bytes_is_answered_and_of_65_is_not),
        cmocka_unit_test(telemetry_has_what_the_machine_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
