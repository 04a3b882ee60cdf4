// links: elo_errors
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The two halves of the error list - numbers in lib/, words in errors/ - say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "errors/explain.h"

static char header[65536];

static void read_header(void)
{
    FILE *f = fopen(ELO_SOURCE_DIR "/lib/src/elo/base/err.h", "r");
    assert_non_null(f);
    header[fread(header, 1, sizeof header - 1, f)] = '\0';
    fclose(f);
}

static void every_number_has_words(void **state)
{
    (void)state;
    read_header();
    unsigned in_header = 0;
    for (const char *p = header; (p = strstr(p, "    ELO_E_")) != NULL;) {
        p += 4;
        size_t len = strcspn(p, " =,");
        unsigned found = 0;
        for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
            const char *name = elo_reason_at(i)->name;
            found += strlen(name) == len && memcmp(name, p, len) == 0;
        }
        if (found != 1) {
            fail_msg("%.*s stands %u times in errors.def", (int)len, p, found);
        }
        in_header++;
    }
    unsigned in_list = 0;
    while (elo_reason_at(in_list) != NULL) {
        in_list++;
    }
    assert_int_equal(in_header, in_list);
    assert_true(in_list > 50);
}

static void words_are_sentences(void **state)
{
    (void)state;
    for (unsigned i = 0; elo_reason_at(i) != NULL; i++) {
        const struct elo_reason *r = elo_reason_at(i);
        assert_true(strncmp(r->slug, "E-", 2) == 0);
        assert_true(r->code < 0);
        assert_int_equal(r->cause[strlen(r->cause) - 1], '.');
        assert_true(strlen(r->cure) > 10);
        assert_ptr_equal(elo_explain(r->code), r);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(elo_reason_at(j)->slug, r->slug);
            assert_int_not_equal(elo_reason_at(j)->code, r->code);
        }
    }
}

static void any_number_is_explained(void **state)
{
    (void)state;
    assert_string_equal(elo_explain((elo_err)-9999)->slug, "E-UNKNOWN");
    assert_string_equal(elo_explain(ELO_NEED_MORE)->slug, "OK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_has_words),
        cmocka_unit_test(words_are_sentences),
        cmocka_unit_test(any_number_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
