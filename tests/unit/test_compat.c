// links: test_support server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * docs/COMPAT.md is held to what is there: every switch has its row and every row its switch, every
 * section its table, every row its word (same, differs, switch) and its tests, and every test it
 * names exists. So does every test that SECURITY.md names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/compat.h"
#include "server/base/limits.h"

/* NULL: there is no such file. */
static char *read_text(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", ELO_SOURCE_DIR, name);
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        return NULL;
    }
    size_t cap = 1 << 20;
    char *text = calloc(1, cap + 1);
    assert_non_null(text);
    size_t len = fread(text, 1, cap, in);
    assert_true(len > 0 && len < cap);
    fclose(in);
    return text;
}

static void every_switch_is_told_of(void **state)
{
    (void)state;
    char *page = read_text("docs/COMPAT.md");
    const char *name, *values[2], *about;
    assert_non_null(page);
    for (unsigned i = 0; compat_at(i, &name, &values[0], &values[1], &about); i++) {
        for (unsigned v = 0; v < 2; v++) {
            char text[200];
            struct compat c = {0};
            snprintf(text, sizeof text, "%s=%s", name, values[v]);
            assert_int_equal(compat_set(&c, text), ELO_OK);
            snprintf(text, sizeof text, "`%s=%s`", name, values[v]);
            if (strstr(page, text) == NULL) {
                fail_msg("docs/COMPAT.md does not tell of %s", text);
            }
        }
    }
    free(page);
}

/* Where the tests of a file lie, and how one of them begins and ends there. */
struct kind {
    const char *prefix, *suffix, *folder, *before, *after;
};

static const struct kind kinds[] = {
    {"clients/", ".py", "tests", "\n@case\ndef ", "("},
    {"v_", ".py", "tests/conformance", "\ndef ", "(b)"},
    {"", ".txt", "tests/vectors/broker", "\n[", "]\n"},
    {"", ".json", "tests/vectors", "\"", "\""},
    {"", ".c", "tests/unit", "static void ", "("},
    {"", ".py", "tests/wire", "\n@case\ndef ", "("},
};

static const struct kind *kind_of(const char *file)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind *k = &kinds[i];
        size_t len = strlen(k->suffix);
        if (strncmp(file, k->prefix, strlen(k->prefix)) == 0 && strlen(file) > len &&
            strcmp(file + strlen(file) - len, k->suffix) == 0) {
            return k;
        }
    }
    return NULL;
}

static bool exists(const char *file, const char *test)
{
    const struct kind *kind = kind_of(file);
    char name[300];
    char text[300];
    if (kind == NULL) {
        return false;
    }
    snprintf(name, sizeof name, "%s/%s", kind->folder, file);
    snprintf(text, sizeof text, "%s%s%s", kind->before, test, kind->after);
    char *source = read_text(name);
    bool found = source != NULL && strstr(source, text) != NULL;
    free(source);
    return found;
}

/* The last cell of a row: `FILE: TEST` and more of them. How many. */
static unsigned check_tests(char *cell)
{
    unsigned count = 0;
    for (char *at = strchr(cell, '`'); at != NULL; at = strchr(at, '`')) {
        char *end = strchr(++at, '`');
        assert_non_null(end);
        *end = '\0';
        char *colon = strstr(at, ": ");
        assert_non_null(colon);
        *colon = '\0';
        if (!exists(at, colon + 2)) {
            fail_msg("docs/COMPAT.md names a test that is not there: %s: %s", at, colon + 2);
        }
        count++;
        at = end + 1;
    }
    return count;
}

#define CELLS 5

/* The cells of a row, trimmed, from "| a | b |". How many; CELLS + 1: more than that. */
static unsigned split(char *row, char *cells[CELLS])
{
    unsigned count = 0;
    for (char *rest = row + 1, *cell; (cell = strsep(&rest, "|")) != NULL && rest != NULL;) {
        if (count == CELLS) {
            return CELLS + 1;
        }
        cell += strspn(cell, " ");
        size_t len = strlen(cell);
        while (len > 0 && cell[len - 1] == ' ') {
            cell[--len] = '\0';
        }
        cells[count++] = cell;
    }
    return count;
}

/* Is there a switch, or a limit, called like the text up to the next quote? */
static bool is_switch(const char *quoted)
{
    const char *name, *values[2], *about;
    struct limit_row row;
    size_t len = strcspn(quoted, "`");
    for (unsigned i = 0; compat_at(i, &name, &values[0], &values[1], &about); i++) {
        if (strlen(name) == len && memcmp(name, quoted, len) == 0) {
            return true;
        }
    }
    for (unsigned i = 0; limits_at(i, &row); i++) {
        if (strlen(row.name) == len && memcmp(row.name, quoted, len) == 0) {
            return true;
        }
    }
    return false;
}

/* "**same** ...", "**differs** ...", "**switch** `NAME` ...". */
static void check_word(const char *cell)
{
    static const char begins[] = "**switch** `";
    if (strncmp(cell, begins, sizeof begins - 1) == 0) {
        if (!is_switch(cell + sizeof begins - 1)) {
            fail_msg("docs/COMPAT.md names a switch that is not there: %s", cell);
        }
    } else if (strncmp(cell, "**same**", 8) != 0 && strncmp(cell, "**differs**", 11) != 0) {
        fail_msg("docs/COMPAT.md says neither same, nor differs, nor switch: %s", cell);
    }
}

/* A row of a section: AWS IoT Core, the desk, evidence, tests. */
static void check_row(char *cells[CELLS], unsigned count)
{
    if (count != 4) {
        fail_msg("a row of docs/COMPAT.md has %u cells instead of 4: %s", count, cells[0]);
    }
    check_word(cells[1]);
    bool may_lack_a_test = strncmp(cells[1], "**differs**", 11) == 0;
    if (!(may_lack_a_test && strcmp(cells[3], "none") == 0) && check_tests(cells[3]) == 0) {
        fail_msg("a row of docs/COMPAT.md names no test: %s", cells[0]);
    }
}

/* A row of the table of switches: its name in the first cell, its tests in the last one. */
static void check_switch_row(char *cells[CELLS], unsigned count)
{
    if (count != 5 || cells[0][0] != '`' || !is_switch(cells[0] + 1)) {
        fail_msg("docs/COMPAT.md has a row for a switch that is not there: %s", cells[0]);
    }
    if (check_tests(cells[4]) == 0) {
        fail_msg("docs/COMPAT.md does not name a test of %s", cells[0]);
    }
}

/* The sections of the list of behaviours, each of which has a table. */
static const char *const sections[] = {
    "1.1",  "1.2",  "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "2.1", "2.2", "2.3", "2.4",
    "2.5",  "3.0",  "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10",
    "3.11", "3.12", "4.1", "4.2", "4.3", "4.4", "4.5", "5.1", "5.2", "5.3", "5.4", "5.5",
    "5.6",  "5.7",  "6.1", "6.2", "6.3", "6.4", "6.5", "7.1", "7.2", "7.3"};

static void every_row_has_its_test(void **state)
{
    (void)state;
    char *page = read_text("docs/COMPAT.md");
    size_t section = 0; /* as many have begun */
    unsigned rows = 0;  /* of this section */
    bool switches = false;
    assert_non_null(page);
    char *rest = page;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *cells[CELLS];
        if (strncmp(line, "## ", 3) == 0) {
            if (section > 0 && rows == 0) {
                fail_msg("section %s of docs/COMPAT.md has no row", sections[section - 1]);
            }
            switches = strcmp(line, "## Switches") == 0;
            if (line[3] >= '0' && line[3] <= '9') {
                assert_true(section < sizeof sections / sizeof sections[0]);
                size_t len = strlen(sections[section]);
                if (strncmp(line + 3, sections[section], len) != 0 || line[3 + len] != ' ') {
                    fail_msg("%s: section %s should be here", line, sections[section]);
                }
                section++;
            }
            rows = 0;
        }
        if (line[0] != '|' || line[1] == '-' || strncmp(line, "| AWS", 5) == 0 ||
            strncmp(line, "| switch", 8) == 0) {
            continue;
        }
        unsigned count = split(line, cells);
        if (switches) {
            check_switch_row(cells, count);
        } else {
            check_row(cells, count);
        }
        rows++;
    }
    assert_int_equal(section, sizeof sections / sizeof sections[0]);
    free(page);
}

static bool is_file(const char *folder, const char *name, const char *suffix)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    char *text = read_text(path);
    bool found = text != NULL;
    free(text);
    return found;
}

/* `FILE`, `FILE: TEST`, `TEST` of the file before it, or a fuzz target. */
static bool is_there(const char *name, char file[100])
{
    const char *colon = strstr(name, ": ");
    if (strncmp(name, "fuzz_", 5) == 0) {
        return is_file("fuzz", name, ".c");
    }
    if (strchr(name, '.') == NULL) {
        return exists(file, name);
    }
    snprintf(file, 100, "%.*s", colon ? (int)(colon - name) : 99, name);
    if (colon != NULL) {
        return exists(file, colon + 2);
    }
    const struct kind *kind = kind_of(file);
    return kind != NULL && (is_file(kind->folder, file, "") || is_file("tests/model", file, ""));
}

static void check_names(char *cell)
{
    char file[100] = "";
    unsigned count = 0;
    for (char *at = strchr(cell, '`'); at != NULL; at = strchr(at, '`')) {
        char *end = strchr(++at, '`');
        assert_non_null(end);
        *end = '\0';
        if (!is_there(at, file)) {
            fail_msg("SECURITY.md names a test that is not there: %s (after %s)", at, file);
        }
        count++;
        at = end + 1;
    }
    if (count == 0) {
        fail_msg("a row of SECURITY.md names no test: %s", cell);
    }
}

static void what_security_is_proved_by_is_there(void **state)
{
    (void)state;
    unsigned rows = 0;
    char *page = read_text("SECURITY.md");
    assert_non_null(page);
    char *rest = page;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *cells[CELLS];
        if (line[0] != '|' || line[1] == '-' || strstr(line, "| test |") != NULL) {
            continue;
        }
        assert_int_equal(split(line, cells), 3);
        check_names(cells[2]);
        rows++;
    }
    assert_true(rows > 0);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_switch_is_told_of),
        cmocka_unit_test(every_row_has_its_test),
        cmocka_unit_test(what_security_is_proved_by_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
