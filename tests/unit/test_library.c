// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_tls elo_json elo_mqtt
/* lib/ as what it is shipped as: one include for C and C++, and what the Arduino IDE, its Library
 * Manager and PlatformIO read about it (Arduino's "Library specification"). */
#include "elo.h"

#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOT     ELO_SOURCE_DIR "/"
#define FILE_MAX (256 * 1024)

static char text[FILE_MAX];

static const char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s cannot be read", path);
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    assert_true(n > 0 && n < sizeof text - 1);
    text[n] = '\0';
    assert_int_equal(fclose(f), 0);
    return text;
}

/* A line of the file is exactly this. */
static bool has_line(const char *file, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = file; (at = strstr(at, line)) != NULL; at += len) {
        if ((at == file || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

static void one_version(void **state)
{
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "%s", read_text(ROOT "VERSION"));
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, ELO_VERSION);
    assert_true(has_line(read_text(ROOT "lib/src/elo/base/version.h"),
                         "#define ELO_VERSION \"" ELO_VERSION "\""));
    assert_true(has_line(read_text(ROOT "lib/library.properties"), "version=" ELO_VERSION));
    assert_true(
        has_line(read_text(ROOT "lib/library.json"), "  \"version\": \"" ELO_VERSION "\","));
}

static void library_properties(void **state)
{
    (void)state;
    static const char *const fields[] = {"name=Elo\n",
                                         "author=",
                                         "maintainer=",
                                         "sentence=",
                                         "paragraph=",
                                         "category=Communication\n",
                                         "url=",
                                         "architectures=esp8266\n",
                                         "includes=EloDevice.h\n"};
    const char *file = read_text(ROOT "lib/library.properties");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *at = strstr(file, fields[i]);
        assert_non_null(at);
        assert_true(at == file || at[-1] == '\n');
    }
}

/* Every header is either reached by elo.h or says that it is private. */
static void the_umbrella_covers_all(void **state)
{
    (void)state;
    static char umbrella[FILE_MAX];
    snprintf(umbrella, sizeof umbrella, "%s", read_text(ROOT "lib/src/elo.h"));
    glob_t found;
    assert_int_equal(glob(ROOT "lib/src/elo/*/*.h", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 15);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char line[256];
        const char *name = found.gl_pathv[i] + strlen(ROOT "lib/src/");
        snprintf(line, sizeof line, "#include \"%s\"", name);
        bool is_private = strstr(read_text(found.gl_pathv[i]), "Private to") != NULL;
        if (has_line(umbrella, line) == is_private) {
            fail_msg("%s is %s", name, is_private ? "private, yet in elo.h" : "not in elo.h");
        }
    }
    globfree(&found);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool has_word(const char *in, const char *word, size_t len)
{
    for (const char *at = in; (at = strstr(at, word)) != NULL; at += len) {
        if ((at == in || !is_word(at[-1])) && !is_word(at[len])) {
            return true;
        }
    }
    return false;
}

/* All that the umbrella includes, one behind the other. */
static const char *all_headers(void)
{
    static char all[4 * FILE_MAX];
    size_t len = 0;
    glob_t found;
    assert_int_equal(glob(ROOT "lib/src/elo/*/*.h", 0, NULL, &found), 0);
    (void)glob(ROOT "lib/src/elo.h", GLOB_APPEND, NULL, &found);
    (void)glob(ROOT "lib/src/Elo*.h", GLOB_APPEND, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *header = read_text(found.gl_pathv[i]);
        size_t n = strlen(header);
        if (strstr(header, "Private to") == NULL || strstr(found.gl_pathv[i], "/elo.h") != NULL) {
            assert_true(n < sizeof all - len);
            memcpy(all + len, header, n + 1);
            len += n;
        }
    }
    globfree(&found);
    return all;
}

/* Every keyword is a word of the headers, and every public function is a keyword. */
static void keywords_are_those_of_the_headers(void **state)
{
    (void)state;
    static char keywords[FILE_MAX];
    const char *headers = all_headers();
    snprintf(keywords, sizeof keywords, "%s", read_text(ROOT "lib/keywords.txt"));
    for (char *line = keywords, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        char *tab = memchr(line, '\t', (size_t)(end - line));
        if (*line == '#') {
            continue;
        }
        assert_non_null(tab);
        *tab = '\0';
        *end = '\0';
        const char *kind = tab + 1;
        assert_true(strcmp(kind, "KEYWORD1") == 0 || strcmp(kind, "KEYWORD2") == 0 ||
                    strcmp(kind, "LITERAL1") == 0);
        if (!has_word(headers, line, strlen(line))) {
            fail_msg("%s is a keyword, but in no header", line);
        }
    }
    const char *known = read_text(ROOT "lib/keywords.txt");
    for (const char *at = headers; (at = strstr(at, "elo_")) != NULL;) {
        char word[80];
        size_t n = 0;
        while (is_word(at[n]) && n < sizeof word - 1) {
            word[n] = at[n];
            n++;
        }
        word[n] = '\0';
        bool is_function = at[n] == '(' && !is_word(at[-1]) && strstr(word, "__") == NULL;
        if (is_function && !has_word(known, word, n)) {
            fail_msg("%s() is not in keywords.txt", word);
        }
        at += n;
    }
}

/* A sketch is C++. Tried with clang, which the tests need anyway; all C headers are enough for it.
 */
static void elo_h_is_cplusplus_too(void **state)
{
    (void)state;
    if (system("command -v clang >/dev/null") != 0) {
        skip();
    }
    static const char *const standards[] = {"c++11", "gnu++17", "gnu++20"};
    for (size_t i = 0; i < sizeof standards / sizeof *standards; i++) {
        char command[512];
        snprintf(
            command, sizeof command,
            "printf '#include <elo.h>\\nsize_t n = sizeof(elo_client);\\n' | "
            "clang -x c++ -std=%s -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I'%slib/src' -",
            standards[i], ROOT);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_version),
        cmocka_unit_test(library_properties),
        cmocka_unit_test(the_umbrella_covers_all),
        cmocka_unit_test(keywords_are_those_of_the_headers),
        cmocka_unit_test(elo_h_is_cplusplus_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
