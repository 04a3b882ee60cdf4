// links: test_support server_base
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* docs/COMPAT.md is held to what is there: every switch has its row, every test it names exists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/compat.h"

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
    const char *suffix, *folder, *before, *after;
};

static const struct kind kinds[] = {
    {".txt", "tests/vectors/broker", "\n[", "]\n"},
    {".json", "tests/vectors", "\"", "\""},
    {".c", "tests/unit", "static void ", "("},
    {".py", "tests/wire", "\n@case\ndef ", "("},
};

static const struct kind *kind_of(const char *file)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].suffix);
        if (strlen(file) > len && strcmp(file + strlen(file) - len, kinds[i].suffix) == 0) {
            return &kinds[i];
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

static void every_row_has_its_test(void **state)
{
    (void)state;
    char *page = read_text("docs/COMPAT.md");
    unsigned rows = 0;
    assert_non_null(page);
    char *rest = page;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t len = strlen(line);
        if (len < 3 || line[0] != '|' || line[1] == '-' || strncmp(line, "| AWS", 5) == 0) {
            continue;
        }
        assert_int_equal(line[len - 1], '|');
        line[len - 1] = '\0';
        char *cell = strrchr(line, '|');
        if (check_tests(cell) == 0) {
            fail_msg("a row of docs/COMPAT.md names no test: %s", line);
        }
        rows++;
    }
    assert_true(rows > 60);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_switch_is_told_of),
        cmocka_unit_test(every_row_has_its_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
