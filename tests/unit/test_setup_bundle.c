// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Bundles as one text: every order and split, what is forgiven, what is refused and with which
 * word. */
#include "elo/setup/bundle_text.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define FOLDER ELO_SOURCE_DIR "/tests/vectors/setup/bundle/"

static char config[1024], ca[4096], cert[4096], key[4096];
static struct guard guard;

static void read_file(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    out[fread(out, 1, cap - 1, f)] = '\0';
    fclose(f);
}

static int read_all(void **state)
{
    (void)state;
    read_file(FOLDER "config.json", config, sizeof config);
    read_file(FOLDER "ca.pem", ca, sizeof ca);
    read_file(FOLDER "cert.pem", cert, sizeof cert);
    read_file(FOLDER "key.pem", key, sizeof key);
    guard_open(&guard, 8192);
    return 0;
}

static int close_guard(void **state)
{
    (void)state;
    guard_close(&guard);
    return 0;
}

static char text[20000];

static const char *join(const char *a, const char *b, const char *c, const char *d)
{
    snprintf(text, sizeof text, "%s%s%s%s", a, b, c, d);
    return text;
}

/* In pieces of `step` bytes. */
static elo_err
read_text(struct elo_bundle_text *b, const char *all, size_t step, bool has_key, size_t cap)
{
    elo_span rest = elo_span_str(all);
    elo_bundle_text_init(b, guard_room(&guard, cap), cap);
    while (rest.len > 0) {
        size_t n = rest.len < step ? rest.len : step;
        elo_bundle_text_input(b, elo_span_first(rest, n));
        rest = elo_span_from(rest, n);
    }
    return elo_bundle_text_finish(b, has_key);
}

static void good(const char *all, bool has_key)
{
    for (size_t step = 1; step < 200; step += step < 5 ? 1 : 37) {
        struct elo_bundle_text b;
        elo_err err = read_text(&b, all, step, has_key, ELO_BUNDLE_TEXT_BYTES);
        if (err != ELO_OK) {
            fail_msg("%d, %d, line %u %s", err, b.why, b.line, b.name);
        }
        assert_int_equal(b.root_count, 1);
        assert_true(b.cert.len > 300 && b.cert.ptr[0] == 0x30);
        assert_true(b.roots[0].len > 300 && !elo_span_eq(b.cert, b.roots[0]));
        assert_true(b.config.ptr[0] == '{' && b.config.ptr[b.config.len - 1] == '}');
        assert_false(b.swapped);
    }
}

static void bad(const char *all, bool has_key, elo_err err, elo_bundle_why why, const char *name)
{
    for (size_t step = 1; step < 4000; step = step * 5 + 1) {
        struct elo_bundle_text b;
        elo_err got = read_text(&b, all, step, has_key, ELO_BUNDLE_TEXT_BYTES);
        if (got != err || b.why != why || strcmp(b.name, name) != 0) {
            fail_msg("%d, %d, line %u '%s'", got, b.why, b.line, b.name);
        }
        assert_int_equal(b.cert.len + b.key.len + b.config.len + b.root_count, 0);
        for (size_t i = 0; i < ELO_BUNDLE_TEXT_BYTES; i++) { /* nothing of a key stays behind */
            assert_int_equal(b._internal.mem[i], 0);
        }
        assert_int_equal(elo_bundle_text_input(&b, ELO_SPAN("more")), got);
        assert_true(elo_text_len(elo_bundle_words(b.why, ELO_LANG_PT)) > 10);
    }
}

static void every_order(void **state)
{
    (void)state;
    good(join(config, ca, cert, ""), true);
    good(join(cert, ca, config, ""), true);
    good(join(ca, config, cert, key), false);
    good(join(key, cert, config, ca), false);
    good(join(ca, ca, cert, config), true);
}

static void convert(const char *from, const char *newline, char *out)
{
    for (; *from != '\0'; from++) {
        if (*from == '\n') {
            memcpy(out, newline, strlen(newline));
            out += strlen(newline);
        } else {
            *out++ = *from;
        }
    }
    *out = '\0';
}

static void what_is_forgiven(void **state)
{
    static char other[20000];
    (void)state;
    convert(join(config, ca, cert, key), "\r\n", other);
    good(other, false);
    convert(join(config, ca, cert, key), " ", other); /* pasted into one line */
    good(other, false);
    convert(join(config, ca, cert, key), "\n   ", other);
    good(other, false);
    join("\xEF\xBB\xBF", config, ca, cert);
    text[strlen(text) - 1] = '\0'; /* no last newline */
    good(text, true);
    snprintf(other, sizeof other,
             "==> ca.pem <==\n%s\n==> cert.pem <==\n%s\n-----BEGIN EC PARAMETERS-----\n"
             "BggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\nBag Attributes\n  x: %0200d\n%s",
             ca, cert, 7, config);
    good(other, true);
}

static void swapped_files_are_put_right(void **state)
{
    static char other[20000];
    struct elo_bundle_text b;
    (void)state;
    snprintf(other, sizeof other,
             "==> ca.pem <==\n%s\n==> cert.pem <==\n%s\n==> config.json <==\n%s", cert, ca, config);
    assert_int_equal(read_text(&b, other, 7, true, ELO_BUNDLE_TEXT_BYTES), ELO_OK);
    assert_true(b.swapped);
    struct elo_bundle_text right;
    uint8_t first[1024];
    size_t len = b.cert.len;
    memcpy(first, b.cert.ptr, len);
    assert_int_equal(read_text(&right, join(config, ca, cert, ""), 7, true, ELO_BUNDLE_TEXT_BYTES),
                     ELO_OK);
    assert_int_equal(right.cert.len, len);
    assert_memory_equal(right.cert.ptr, first, len);
}

static void parts_missing(void **state)
{
    (void)state;
    bad("", true, ELO_E_MALFORMED, ELO_BUNDLE_EMPTY, "");
    bad("hello\nworld", true, ELO_E_MALFORMED, ELO_BUNDLE_EMPTY, "");
    bad(join(ca, cert, "", ""), true, ELO_E_BUNDLE, ELO_BUNDLE_NO_CONFIG, "");
    bad(join(config, cert, cert, ""), true, ELO_E_BUNDLE, ELO_BUNDLE_NO_ROOT, "");
    bad(join(config, ca, ca, ""), true, ELO_E_BUNDLE, ELO_BUNDLE_NO_CERT, "");
    bad(join(config, ca, cert, ""), false, ELO_E_BUNDLE, ELO_BUNDLE_NO_KEY, "");
    bad(join(config, config, ca, cert), true, ELO_E_BUNDLE, ELO_BUNDLE_TWO_CONFIGS, "");
}

static void blocks_that_do_not_belong(void **state)
{
    static char other[9000];
    static const struct {
        const char *name;
        elo_bundle_why why;
    } names[] = {{"OPENSSH PRIVATE KEY", ELO_BUNDLE_UNKNOWN},
                 {"PUBLIC KEY", ELO_BUNDLE_UNKNOWN},
                 {"CERTIFICATE REQUEST", ELO_BUNDLE_UNKNOWN},
                 {"ENCRYPTED PRIVATE KEY", ELO_BUNDLE_ENCRYPTED}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(other, sizeof other, "%s-----BEGIN %s-----\nMAAA\n-----END %s-----\n", config,
                 names[i].name, names[i].name);
        bad(other, true, ELO_E_UNSUPPORTED, names[i].why, names[i].name);
    }
    bad("-----BEGIN <script>-----\n", true, ELO_E_UNSUPPORTED, ELO_BUNDLE_UNKNOWN, "?script?");
    bad("-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----", true, ELO_E_BAD_PEM,
        ELO_BUNDLE_DAMAGED, "CERTIFICATE");
    bad("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----", true, ELO_E_BAD_PEM,
        ELO_BUNDLE_DAMAGED, "CERTIFICATE");
    bad("-----BEGIN CERTIFICATE-----\nMA==\n-----END KEY-----", true, ELO_E_BAD_PEM,
        ELO_BUNDLE_DAMAGED, "CERTIFICATE");
    bad("-----BEGIN CERTIFICATE-----\nProc-Type: 4\n", true, ELO_E_BAD_PEM, ELO_BUNDLE_DAMAGED,
        "CERTIFICATE");
}

/* Cut anywhere it is refused, and what is written stays inside. */
static void every_prefix(void **state)
{
    struct elo_bundle_text b;
    (void)state;
    join(config, ca, cert, "");
    size_t end = strlen(text) - 1; /* the last newline may be missing */
    for (size_t n = 0; n < end; n++) {
        char kept = text[n];
        text[n] = '\0';
        assert_true(read_text(&b, text, 11, true, ELO_BUNDLE_TEXT_BYTES) != ELO_OK);
        text[n] = kept;
    }
}

static void every_size_of_memory(void **state)
{
    struct elo_bundle_text b;
    (void)state;
    join(config, ca, cert, key);
    size_t enough = 0;
    for (size_t cap = 0; cap < ELO_BUNDLE_TEXT_BYTES; cap += 3) {
        elo_err err = read_text(&b, text, 100, true, cap);
        assert_true(err == ELO_OK || (err == ELO_E_TOO_LARGE && b.why == ELO_BUNDLE_TOO_LARGE));
        enough = err == ELO_OK && enough == 0 ? cap : enough;
    }
    assert_true(enough > 900 && enough < 1200);
}

static void the_line_is_told(void **state)
{
    struct elo_bundle_text b;
    (void)state;
    join("\n\n", ca, "\n-----BEGIN X-----\n", "");
    unsigned line = 1;
    for (const char *p = text; p < strstr(text, "BEGIN X"); p++) {
        line += *p == '\n';
    }
    assert_int_equal(read_text(&b, text, 3, true, ELO_BUNDLE_TEXT_BYTES), ELO_E_UNSUPPORTED);
    assert_int_equal(b.line, line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(what_is_forgiven),
        cmocka_unit_test(swapped_files_are_put_right),
        cmocka_unit_test(parts_missing),
        cmocka_unit_test(blocks_that_do_not_belong),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(every_size_of_memory),
        cmocka_unit_test(the_line_is_told),
    };
    return cmocka_run_group_tests(tests, read_all, close_guard);
}
