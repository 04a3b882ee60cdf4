// links: elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The emulator's side of the wire, with programs in QEMU's place that say what a board should not.
 * With a real board: tests/target.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ports/posix/emulator.h"

static char folder[64], program[96], image[96];

/* A "QEMU" that is a shell script. */
static void become(const char *script)
{
    FILE *f = fopen(program, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(program, 0700), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/elo-emulator-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/qemu", folder);
    snprintf(image, sizeof image, "%s/image", folder);
    fclose(fopen(image, "w"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(program);
    unlink(image);
    return rmdir(folder);
}

/* Runs it to its end: what the last step said, and its exit code. */
static elo_err run(const struct posix_emulator_config *config, int *out_code)
{
    static struct posix_emulator e;
    elo_err err = posix_emulator_start(&e, config);
    for (int steps = 0; err == ELO_OK && steps < 1000; steps++) {
        err = posix_emulator_step(&e, 10000, NULL, 0);
    }
    *out_code = posix_emulator_stop(&e);
    assert_int_equal(posix_emulator_stop(&e), 0);
    return err;
}

static struct posix_emulator_config config_of(void)
{
    struct posix_emulator_config config = {.qemu = program, .image = image};
    return config;
}

static void test_start(void **state)
{
    (void)state;
    struct posix_emulator_config config = config_of();
    int code;
    become("exit 7");
    assert_int_equal(run(&config, &code), ELO_END);
    assert_int_equal(code, 7);
    become("kill -9 $$");
    assert_int_equal(run(&config, &code), ELO_END);
    assert_int_equal(code, 128 + 9);
    config.image = "/no/such/image";
    assert_int_equal(run(&config, &code), ELO_E_NOT_FOUND);
    config.image = image;
    config.qemu = "/no/such/qemu";
    assert_int_equal(run(&config, &code), ELO_E_NOT_FOUND);
    assert_false(posix_emulator_available("/no/such/qemu"));
    assert_true(posix_emulator_available("/bin/true"));
    assert_false(posix_emulator_available("/bin/false"));
}

static void test_arguments(void **state)
{
    (void)state;
    struct posix_emulator_config config = config_of();
    static char line[1100];
    const char *args[POSIX_EMULATOR_ARGS_MAX + 1] = {"a,b", "c"};
    int code;
    become("for a; do case $a in *arg=a,,b,arg=c) exit 3;; esac; done");
    config.args = args;
    config.args_count = 2;
    assert_int_equal(run(&config, &code), ELO_END);
    assert_int_equal(code, 3);
    memset(line, ',', sizeof line - 1);
    args[1] = line;
    assert_int_equal(run(&config, &code), ELO_E_TOO_LARGE);
    config.args_count = POSIX_EMULATOR_ARGS_MAX + 1;
    assert_int_equal(run(&config, &code), ELO_E_TOO_LARGE);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct posix_emulator_config config = config_of();
    int code;
    become("printf 'Z\\000\\000\\000'; exec cat >/dev/null"); /* no such question */
    assert_int_equal(run(&config, &code), ELO_E_MALFORMED);
    become("printf 'P\\000\\377\\377'; exec cat >/dev/null"); /* longer than any */
    assert_int_equal(run(&config, &code), ELO_E_MALFORMED);
    static struct posix_emulator e;
    assert_int_equal(posix_emulator_start(&e, &config), ELO_OK);
    for (int steps = 0; steps < 1000; steps++) { /* who goes on all the same comes to no harm */
        elo_err err = posix_emulator_step(&e, steps < 10 ? 1000 : 0, NULL, 0);
        assert_true(err == ELO_OK || err == ELO_E_MALFORMED);
    }
    posix_emulator_stop(&e);
    become("printf 'W\\000\\001\\000x'; exec cat >/dev/null"); /* a wait of no time */
    assert_int_equal(run(&config, &code), ELO_E_MALFORMED);
    become("printf 'P\\000'"); /* ends in the middle */
    assert_int_equal(run(&config, &code), ELO_END);
    assert_int_equal(code, 0);
}

/* Questions that make no sense are answered with a reason, not with harm: 12 bytes of answers, then
 * the program ends with how many it got. */
static void test_odd_questions(void **state)
{
    (void)state;
    struct posix_emulator_config config = config_of();
    int code;
    become("printf 'S\\000\\000\\000'; head -c 10 >/dev/null\n" /* send nothing */
           "printf 'R\\000\\000\\000'; head -c 8 >/dev/null\n"  /* receive into nothing */
           "printf 'O\\000\\001\\000x'; head -c 8 >/dev/null\n" /* open half a port */
           "printf 'K\\000\\001\\000x'; head -c 4 >/dev/null\n" /* no room said */
           "printf 'D\\000\\000\\000'; head -c 4 >/dev/null\n"  /* a pin without value */
           "printf 'V\\000\\000\\000'; head -c 8 >/dev/null\n"  /* a sensor without name */
           "printf 'A\\000\\000\\000'; head -c 4 >/dev/null\n"  /* no address */
           "printf 'T\\000\\000\\000'; head -c 8 >/dev/null\n"  /* nothing to step */
           "printf 'G\\000\\000\\000'; head -c 8 >/dev/null\n"  /* nothing to give up */
           "printf 'F\\000\\000\\000C\\000\\000\\000'; head -c 8 >/dev/null\n"
           "exit 5");
    assert_int_equal(run(&config, &code), ELO_END);
    assert_int_equal(code, 5);
}

static void test_serial_bound(void **state)
{
    (void)state;
    static struct posix_emulator e;
    static uint8_t bytes[POSIX_EMULATOR_SERIAL_MAX];
    posix_emulator_serial(&e, elo_span_of(bytes, sizeof bytes - 1));
    posix_emulator_serial(&e, elo_span_of(bytes, 5));
    posix_emulator_serial(&e, elo_span_of(bytes, sizeof bytes));
    assert_int_equal(e._internal.serial_len, POSIX_EMULATOR_SERIAL_MAX);
}

static void test_stop_early(void **state)
{
    (void)state;
    static struct posix_emulator e;
    struct posix_emulator_config config = config_of();
    become("exec cat >/dev/null");
    assert_int_equal(posix_emulator_start(&e, &config), ELO_OK);
    assert_int_equal(posix_emulator_step(&e, 0, NULL, 0), ELO_OK);
    assert_int_equal(posix_emulator_stop(&e), 128 + 9);
    assert_int_equal(posix_emulator_step(&e, 0, NULL, 0), ELO_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_nonsense),     cmocka_unit_test(test_odd_questions),
        cmocka_unit_test(test_serial_bound), cmocka_unit_test(test_stop_early),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
