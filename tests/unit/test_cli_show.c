// links: elo_errors elo_json server_base elo_posix elo_base elo_station
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What is shown: messages, and the demo's lines in a window of any width; and what the sensors say
 * of machines of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/desk.c"
#include "cli/message.c"
#include "cli/options.c"
#include "cli/picture.c"
#include "cli/say.c"
#include "cli/sensors.c"

/* --- messages ------------------------------------------------------------------------------------
 */

static void message_is(enum message_format format, elo_span payload, const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    struct shown_message m = {ELO_SPAN("a/b"), payload, 1, format == MESSAGE_LINE};
    message_show(out, format, &m);
    assert_int_equal(fclose(out), 0);
    if (format == MESSAGE_JSON) { /* the time is now: 24 characters behind {"time":" */
        assert_true(len > 33);
        memset(text + 9, 'T', 24);
    }
    assert_string_equal(text, expected);
    free(text);
}

static void messages(void **state)
{
    static const struct {
        const char *payload, *escaped;
    } cases[] = {
        {"plain", "plain"},
        {"", ""},
        {"a\nb\tc", "a\\x0ab\\x09c"},
        {"\x1b[31mred", "\\x1b[31mred"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* CSI in one C1 character */
        {"\xc3\xa9t\xc3\xa9 \xe2\x82\xac",
         "\xc3\xa9t\xc3\xa9 \xe2\x82\xac"}, /* plain UTF-8 stays */
        {"\xe2\x80\xae"
         "abc",
         "\\xe2\\x80\\xaeabc"}, /* right-to-left override */
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3", "\\xc3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 1000);
        message_escape(elo_span_str(cases[i].payload), &out);
        buf_byte(&out, 0);
        assert_string_equal((const char *)buf_span(&out).ptr, cases[i].escaped);
        buf_free(&out);
    }
    message_is(MESSAGE_LINE, ELO_SPAN("x\x1b"), "a/b (retained) x\\x1b\n");
    message_is(MESSAGE_RAW, ELO_SPAN("x\x1b"), "x\x1b\n");
    message_is(MESSAGE_RAW, elo_span_of(NULL, 0), "\n");
    message_is(MESSAGE_JSON, ELO_SPAN("\"\\\n"),
               "{\"time\":\"TTTTTTTTTTTTTTTTTTTTTTTT\",\"topic\":\"a/b\",\"qos\":1,"
               "\"retain\":false,\"payload\":\"\\\"\\\\\\u000a\"}\n");
    message_is(MESSAGE_JSON, ELO_SPAN("\xff\xfe\xfd\xfc"),
               "{\"time\":\"TTTTTTTTTTTTTTTTTTTTTTTT\",\"topic\":\"a/b\",\"qos\":1,"
               "\"retain\":false,\"payloadBase64\":\"//79/A==\"}\n");
}

/* --- the demo's lines ----------------------------------------------------------------------------
 */

/* What `draw` writes to stdout in a window of so many columns; 0: without an end. */
static char *drawn(int columns, void (*draw)(void))
{
    static char text[2000];
    char number[12];
    FILE *out = tmpfile();
    assert_non_null(out);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    snprintf(number, sizeof number, "%d", columns);
    setenv("COLUMNS", number, 1);
    headings = 0;
    at_gap = true;
    draw();
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(out);
    text[fread(text, 1, sizeof text - 1, out)] = '\0';
    fclose(out);
    return text;
}

static void draw_lines(void)
{
    picture_gap(); /* nothing above: no line */
    picture_heading("What is shown here");
    picture_pair("you", "cmd", "{\"id\":\"demo-1\",\"led\":\"on\"}");
    picture_message("device", ELO_SPAN("reply"), ELO_SPAN("{\"id\":\"demo-1\",\"ok\":true}\x1b"),
                    "in 0.5 ms");
    picture_gap();
    picture_gap();
    picture_line("demo", ELO_SPAN("Unbreakable-words-are-broken-where-they-must-be"));
}

static void draw_letters(void)
{
    picture_line(
        "demo",
        ELO_SPAN("\xc3\xa9\xc3\xa9\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x8c\xa1\xf0\x9f\x8c\xa1"
                 "\xc3\xa9\xc3\xa9\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x8c\xa1\xf0\x9f\x8c\xa1"
                 "\xc3\xa9\xc3\xa9\xe2\x82\xac\xe2\x82\xac\xf0\x9f\x8c\xa1\xf0\x9f\x8c\xa1"));
}

static void draw_record(void)
{
    picture_record(
        ELO_SPAN("{\"logLevel\":\"WARN\",\"code\":\"E-X\",\"details\":\"it\\u001b may not\","
                 "\"cure\":\"Let it.\"}"));
    picture_record(ELO_SPAN("{\"eventType\":\"Connect\",\"clientId\":\"kitchen\"}"));
    picture_record(ELO_SPAN("{}"));
    picture_record(ELO_SPAN("no JSON"));
}

static void pictures(void **state)
{
    (void)state;
    unsetenv("CLICOLOR_FORCE");
    assert_string_equal(drawn(0, draw_lines),
                        "1. What is shown here\n"
                        "   you      cmd         {\"id\":\"demo-1\",\"led\":\"on\"}\n"
                        "   device   reply       {\"id\":\"demo-1\",\"ok\":true}\\x1b  in 0.5 ms\n"
                        "\n"
                        "   demo     Unbreakable-words-are-broken-where-they-must-be\n");
    assert_string_equal(drawn(46, draw_lines), "1. What is shown here\n"
                                               "   you      cmd         {\"id\":\"demo-1\",\n"
                                               "                        \"led\":\"on\"}\n"
                                               "   device   reply       {\"id\":\"demo-1\",\n"
                                               "                        \"ok\":true}\\x1b  in\n"
                                               "                        0.5 ms\n"
                                               "\n"
                                               "   demo     Unbreakable-words-are-broken-where\n"
                                               "            -they-must-be\n");
    for (int columns = 1; columns < 60; columns++) { /* no width is too narrow to end */
        assert_non_null(strstr(drawn(columns, draw_lines), "1. W"));
        char *text = drawn(columns, draw_letters);
        for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            assert_true(elo_utf8_valid(elo_span_of(line, (size_t)(end - line))));
        }
    }
    assert_string_equal(drawn(0, draw_record), "   desk     refused E-X: it\\x1b may not\n"
                                               "            Let it.\n"
                                               "   desk     Connect  kitchen\n"
                                               "   desk     \n"
                                               "   desk     \n");
}

/* --- sensors -------------------------------------------------------------------------------------
 */

static char root[] = "/tmp/elo-sensors-XXXXXX";

/* A file of the kernel's under `root`, its folders with it. */
static void put(const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *p = whole + sizeof root; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(whole, 0700);
        *p = '/';
    }
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void remove_all(void)
{
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
    assert_int_equal(mkdir(root, 0700), 0);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int drop_root(void **state)
{
    (void)state;
    remove_all();
    return rmdir(root);
}

static void reads(int32_t centi, const char *from)
{
    struct elo_board_reading r;
    sensors_read(root, 1700000000, &r);
    assert_true(r.has_celsius);
    assert_int_equal(r.centi_celsius, centi);
    assert_string_equal(r.source, from);
    assert_false(r.has_humidity);
}

static void real_sensors(void **state)
{
    (void)state;
    remove_all();
    put("/sys/class/thermal/cooling_device0/temp", "99000\n");
    put("/sys/class/thermal/thermal_zone1/temp", "41500\n");
    put("/sys/class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
    reads(4150, "x86_pkg_temp");
    put("/sys/class/thermal/thermal_zone0/temp", "27800\n");
    put("/sys/class/thermal/thermal_zone0/type", "acpitz\n");
    reads(2780, "acpitz"); /* the first by number */
    put("/sys/class/hwmon/hwmon10/name", "nvme\n");
    put("/sys/class/hwmon/hwmon10/temp1_input", "38850\n");
    reads(3885, "nvme"); /* hwmon before thermal zones */
    put("/sys/class/hwmon/hwmon2/name", "coretemp\n");
    put("/sys/class/hwmon/hwmon2/temp2_input", "-5250\n");
    reads(-525, "coretemp"); /* 2 before 10; a chip that begins with its second */
    for (int i = 9; i > 2; i--) {
        char path[60];
        snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/temp1_input", i);
        put(path, "99000\n");
        reads(-525, "coretemp"); /* in whichever order the folder tells them */
    }
    put("/sys/class/hwmon/hwmon2/name", "a\x01\xff\"b\n");
    reads(-525, "a??\"b"); /* what cannot be JSON is not */
    put("/sys/class/hwmon/hwmon2/name", "");
    reads(-525, "thermometer");
}

static void broken_sensors(void **state)
{
    static const char *const values[] = {"",          "x\n",       "0\n",
                                         "-273150\n", "2000000\n", "99999999999999999999\n"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        remove_all();
        put("/sys/class/hwmon/hwmon0/temp1_input", values[i]);
        put("/sys/class/hwmon/hwmon1/temp1_input", "21000\n");
        reads(2100, "thermometer");
    }
}

static void simulated(void **state)
{
    (void)state;
    remove_all();
    int32_t before = 0;
    for (int64_t now = 0; now < 2 * 86400; now += 60) {
        struct elo_board_reading r;
        sensors_read(root, now, &r);
        assert_string_equal(r.source, "simulated DHT22");
        assert_true(r.has_celsius && r.has_humidity && !r.has_load && !r.has_free);
        assert_in_range(r.centi_celsius, 1880, 2520);
        assert_in_range(r.centi_percent, 4400, 6600);
        assert_true(now == 0 || abs(r.centi_celsius - before) <= 40);
        before = r.centi_celsius;
    }
}

static void load_and_memory(void **state)
{
    struct elo_board_reading r;
    (void)state;
    remove_all();
    put("/proc/loadavg", "12.07 0.50 0.40 1/200 4242\n");
    put("/proc/meminfo", "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable:    812340 kB\n");
    sensors_read(root, 0, &r);
    assert_true(r.has_load && r.has_free);
    assert_int_equal(r.centi_load, 1207);
    assert_int_equal(r.free_kib, 812340);
    put("/proc/loadavg", "busy\n");
    put("/proc/meminfo", "MemTotal: 16000000 kB\n");
    sensors_read(root, 0, &r);
    assert_false(r.has_load || r.has_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),     cmocka_unit_test(pictures),
        cmocka_unit_test(real_sensors), cmocka_unit_test(broken_sensors),
        cmocka_unit_test(simulated),    cmocka_unit_test(load_and_memory),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
