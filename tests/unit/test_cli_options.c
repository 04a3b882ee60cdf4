// links: elo_errors server_base elo_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Command lines, values, "did you mean", the data folder, exit codes, words for a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.c"
#include "cli/say.c"

/* --- command lines -------------------------------------------------------------------------------
 */

struct values {
    bool json, retain;
    const char *data;
    long count, wait_ms;
    const char *words[2];
};

struct line_case {
    const char *line; /* arguments, with a space between two */
    int code;
    struct values expected; /* if the code is GO_ON */
};

static const struct line_case lines[] = {
    {"", GO_ON, {.count = 7}},
    {"a", GO_ON, {.count = 7, .words = {"a"}}},
    {"a --json b", GO_ON, {.count = 7, .json = true, .words = {"a", "b"}}},
    {"--count 3 a", GO_ON, {.count = 3, .words = {"a"}}},
    {"a --count=3", GO_ON, {.count = 3, .words = {"a"}}},
    {"-C3", GO_ON, {.count = 3}},
    {"-C 3 -r", GO_ON, {.count = 3, .retain = true}},
    {"-rC 3", GO_ON, {.count = 3, .retain = true}},
    {"-rC3", GO_ON, {.count = 3, .retain = true}},
    {"--count 3 --count 4", GO_ON, {.count = 4}},
    {"--data -x", GO_ON, {.count = 7, .data = "-x"}},
    {"--data --json", GO_ON, {.count = 7, .data = "--json"}},
    {"--data=", GO_ON, {.count = 7, .data = ""}},
    {"--wait 500ms", GO_ON, {.count = 7, .wait_ms = 500}},
    {"--wait 2m", GO_ON, {.count = 7, .wait_ms = 120000}},
    {"-", GO_ON, {.count = 7, .words = {"-"}}},
    {"-- --json -C", GO_ON, {.count = 7, .words = {"--json", "-C"}}},
    {"a -- --", GO_ON, {.count = 7, .words = {"a", "--"}}},
    {"a b c", EXIT_USAGE, {0}},
    {"--jsn", EXIT_USAGE, {0}},
    {"--js", EXIT_USAGE, {0}},
    {"-x", EXIT_USAGE, {0}},
    {"-rx", EXIT_USAGE, {0}},
    {"--json=1", EXIT_USAGE, {0}},
    {"--count", EXIT_USAGE, {0}},
    {"-C", EXIT_USAGE, {0}},
    {"--count=", EXIT_USAGE, {0}},
    {"--count x", EXIT_USAGE, {0}},
    {"--count 3x", EXIT_USAGE, {0}},
    {"--count 0", EXIT_USAGE, {0}},
    {"--count 11", EXIT_USAGE, {0}},
    {"--count 99999999999999999999", EXIT_USAGE, {0}},
    {"--wait 0", EXIT_USAGE, {0}},
    {"--wait 2h", EXIT_USAGE, {0}},
    {"--wait soon", EXIT_USAGE, {0}},
    {"--wait -1", EXIT_USAGE, {0}},
    {"--help", EXIT_OK, {0}},
    {"a -h --nothing", EXIT_OK, {0}},
};

static int parse(const char *line, struct values *v)
{
    static char copy[200]; /* the words point into it */
    char *argv[20] = {(char *)"verb"}, *rest = copy;
    int argc = 1;
    size_t words = 0;
    snprintf(copy, sizeof copy, "%s", line);
    while (rest != NULL && *rest != '\0') {
        argv[argc++] = strsep(&rest, " ");
    }
    *v = (struct values){.count = 7};
    const struct option_spec options[] = {
        {"--json", 0, OPTION_FLAG, &v->json, 0, 0},
        {"--retain", 'r', OPTION_FLAG, &v->retain, 0, 0},
        {"--data", 0, OPTION_TEXT, &v->data, 0, 0},
        {"--count", 'C', OPTION_NUMBER, &v->count, 1, 10},
        {"--wait", 'W', OPTION_TIME, &v->wait_ms, 1, 3600000},
    };
    const struct syntax syntax = {"", options, 5, v->words, 2};
    int code = options_parse(&syntax, argc, argv, &words);
    assert_int_equal(words, (v->words[0] != NULL) + (v->words[1] != NULL));
    return code;
}

static void same(const char *a, const char *b, const char *line)
{
    if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0)) {
        fail_msg("'%s': '%s' is not '%s'", line, a ? a : "NULL", b ? b : "NULL");
    }
}

static void command_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const struct line_case *c = &lines[i];
        struct values v;
        int code = parse(c->line, &v);
        if (code != c->code) {
            fail_msg("'%s': %d, not %d", c->line, code, c->code);
        }
        if (code == GO_ON) {
            assert_int_equal(v.json, c->expected.json);
            assert_int_equal(v.retain, c->expected.retain);
            assert_int_equal(v.count, c->expected.count);
            assert_int_equal(v.wait_ms, c->expected.wait_ms);
            same(v.data, c->expected.data, c->line);
            same(v.words[0], c->expected.words[0], c->line);
            same(v.words[1], c->expected.words[1], c->line);
        }
    }
}

static const char *verb_at(const void *list, size_t i)
{
    static const char *const verbs[] = {"demo", "up", "sub", "pub", "explain"};
    (void)list;
    return i < 5 ? verbs[i] : NULL;
}

static void suggestions(void **state)
{
    static const struct {
        const char *word, *meant;
    } cases[] = {{"dmeo", "demo"},
                 {"u", "up"},
                 {"sbu", "sub"},
                 {"pubb", "pub"},
                 {"", NULL},
                 {"exlpain", "explain"},
                 {"frobnicate", NULL},
                 {"xx", NULL},
                 {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        same(did_you_mean(cases[i].word, verb_at, NULL), cases[i].meant, cases[i].word);
    }
}

/* --- values --------------------------------------------------------------------------------------
 */

static void durations(void **state)
{
    static const struct {
        const char *text;
        long ms; /* -1: none */
    } cases[] = {{"0", 0},
                 {"1", 1000},
                 {"500ms", 500},
                 {"20s", 20000},
                 {"3m", 180000},
                 {"1h", 3600000},
                 {"1d", -1},
                 {"", -1},
                 {"s", -1},
                 {"-1s", -1},
                 {"1.5s", -1},
                 {"1 s", -1},
                 {"9223372036854775807h", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        long ms = -1;
        assert_int_equal(parse_duration(cases[i].text, &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void environment(const char *own, const char *xdg, const char *home)
{
    const char *const names[] = {"ELO_DATA", "XDG_DATA_HOME", "HOME"};
    const char *const values[] = {own, xdg, home};
    for (size_t i = 0; i < 3; i++) {
        if (values[i] != NULL) {
            assert_int_equal(setenv(names[i], values[i], 1), 0);
        } else {
            assert_int_equal(unsetenv(names[i]), 0);
        }
    }
}

static void folders(void **state)
{
    static const struct {
        const char *given, *own, *xdg, *home, *folder; /* NULL: none */
        const char *option;
    } cases[] = {
        {"/d", "/o", "/x", "/h", "/d", " --data /d"},
        {"/d///", NULL, NULL, NULL, "/d", " --data /d"},
        {"/", NULL, NULL, NULL, "/", " --data /"},
        {"/a b", NULL, NULL, NULL, "/a b", " --data '/a b'"},
        {NULL, "/o", "/x", "/h", "/o", ""},
        {"/o/", "/o", "/x", "/h", "/o", ""},
        {NULL, "", "/x", "/h", "/x/elo", ""},
        {NULL, NULL, "not/absolute", "/h", "/h/.local/share/elo", ""},
        {NULL, NULL, NULL, "/h", "/h/.local/share/elo", ""},
        {NULL, NULL, NULL, "h", NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[PATH_MAX];
        struct buf option;
        environment(cases[i].own, cases[i].xdg, cases[i].home);
        assert_int_equal(data_folder(cases[i].given, folder, sizeof folder),
                         cases[i].folder != NULL);
        if (cases[i].folder != NULL) {
            assert_string_equal(folder, cases[i].folder);
            assert_string_equal(data_option(folder, &option), cases[i].option);
            buf_free(&option);
        }
    }
    char small[4];
    assert_false(data_folder("/long", small, sizeof small));
}

static void shell_words(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {{"kitchen", "kitchen"},
                 {"/a/b-c_d.e", "/a/b-c_d.e"},
                 {"", "''"},
                 {"a b", "'a b'"},
                 {"it's", "'it'\\''s'"},
                 {"$(rm -r ~)", "'$(rm -r ~)'"},
                 {"a\nb", "'a\nb'"},
                 {"~", "'~'"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        assert_string_equal(shell_word(cases[i].text, &out), cases[i].word);
        buf_free(&out);
    }
}

/* --- exit codes ----------------------------------------------------------------------------------
 */

static void exit_codes(void **state)
{
    static const struct {
        elo_err err;
        int code;
    } cases[] = {
        {ELO_OK, 0},
        {ELO_NEED_MORE, 0},
        {ELO_E_USAGE, 2},
        {ELO_E_NOT_FOUND, 4},
        {ELO_E_CLOSED_AFTER_CONNECT, 5},
        {ELO_E_CLOSED_AFTER_PUBLISH, 5},
        {ELO_E_SUBACK_REFUSED, 5},
        {ELO_E_CONNACK_AUTH, 5},
        {ELO_E_CLIENTID_TAKEN, 5},
        {ELO_E_TLS_CERT_REFUSED, 5},
        {ELO_E_CERT_UNKNOWN, 5},
        {ELO_E_POLICY_PUBLISH, 5},
        {ELO_E_SIGNATURE, 5},
        {ELO_E_DNS, 6},
        {ELO_E_TCP_REFUSED, 6},
        {ELO_E_TCP_CLOSED, 6},
        {ELO_E_PING_TIMEOUT, 6},
        {ELO_E_CLOCK, 7},
        {ELO_E_ROOT, 7},
        {ELO_E_SERVER_NAME, 7},
        {ELO_E_KEYPAIR, 7},
        {ELO_E_BAD_PEM, 7},
        {ELO_E_TCP_TIMEOUT, 9},
        {ELO_E_CONNACK_TIMEOUT, 9},
        {ELO_E_ACK_TIMEOUT, 9},
        {ELO_E_DUPLICATE, 10},
        {ELO_E_CONFLICT, 10},
        {ELO_E_PORT_IN_USE, 1},
        {ELO_E_DISK_FULL, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (exit_code_of(cases[i].err) != cases[i].code) {
            fail_msg("%s: %d, not %d", elo_explain(cases[i].err)->name, exit_code_of(cases[i].err),
                     cases[i].code);
        }
    }
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        assert_int_not_equal(exit_code_of(elo_reason_at(i)->code), EXIT_OK);
    }
}

static void colours(void **state)
{
    static const struct {
        const char *no, *force, *term;
        bool colour; /* of a stream that is no terminal */
    } cases[] = {{NULL, NULL, "xterm", false}, {NULL, "1", "xterm", true},
                 {NULL, "1", "dumb", true},    {NULL, "0", "xterm", false},
                 {"1", "1", "xterm", false},   {"", "1", NULL, true}};
    (void)state;
    FILE *out = tmpfile();
    assert_non_null(out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsetenv("NO_COLOR");
        unsetenv("CLICOLOR_FORCE");
        unsetenv("TERM");
        if (cases[i].no != NULL) {
            setenv("NO_COLOR", cases[i].no, 1);
        }
        if (cases[i].force != NULL) {
            setenv("CLICOLOR_FORCE", cases[i].force, 1);
        }
        if (cases[i].term != NULL) {
            setenv("TERM", cases[i].term, 1);
        }
        assert_int_equal(say_colour(fileno(out)), cases[i].colour);
    }
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines), cmocka_unit_test(suggestions),
        cmocka_unit_test(durations),     cmocka_unit_test(folders),
        cmocka_unit_test(shell_words),   cmocka_unit_test(exit_codes),
        cmocka_unit_test(colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
