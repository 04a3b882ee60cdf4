// links: elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Files read and written whole, and the clocks and entropy beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"
#include "ports/posix/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/elo-test-file-XXXXXX";
static char path[256];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key.pem", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static size_t files_in_folder(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    elo_span got;
    struct stat st;
    for (size_t len = 0; len <= 100000; len = len * 3 + 1) {
        uint8_t *data = malloc(len + 1);
        memset(data, (int)len, len);
        assert_int_equal(posix_file_write(path, elo_span_of(data, len), 0600), ELO_OK);
        assert_int_equal(posix_file_read(path, len, &got), ELO_OK);
        assert_true(elo_span_eq(got, elo_span_of(data, len)));
        assert_int_equal(got.ptr[len], 0);
        posix_file_free(&got);
        assert_null(got.ptr);
        if (len > 0) {
            assert_int_equal(posix_file_read(path, len - 1, &got), ELO_E_TOO_LARGE);
        }
        free(data);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(posix_file_write(path, ELO_SPAN("x"), 0644), ELO_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(files_in_folder(), 1); /* no temporary file is left */
}

static void secrets_that_others_can_read_are_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        elo_err err;
    } cases[] = {{0600, ELO_OK},           {0400, ELO_OK},           {0700, ELO_OK},
                 {0640, ELO_E_PERMISSION}, {0604, ELO_E_PERMISSION}, {0620, ELO_E_PERMISSION},
                 {0601, ELO_E_PERMISSION}, {0644, ELO_E_PERMISSION}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        elo_span got = {NULL, 0};
        assert_int_equal(posix_file_write(path, ELO_SPAN("secret"), cases[i].mode), ELO_OK);
        assert_int_equal(posix_file_read_private(path, 100, &got), cases[i].err);
        assert_int_equal(got.len, cases[i].err == ELO_OK ? 6 : 0);
        posix_file_free(&got);
        posix_file_free(&got);
    }
}

static void failures_have_reasons_and_leave_nothing(void **state)
{
    (void)state;
    elo_span got = {NULL, 0};
    char other[300];
    snprintf(other, sizeof other, "%s/none/key.pem", folder);
    assert_int_equal(posix_file_read(other, 10, &got), ELO_E_NOT_FOUND);
    assert_int_equal(posix_file_write(other, ELO_SPAN("x"), 0600), ELO_E_NOT_FOUND);
    assert_int_equal(posix_file_read(folder, 10, &got), ELO_E_IO);
    snprintf(other, sizeof other, "%s/fifo", folder);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(posix_file_read(other, 10, &got), ELO_E_IO); /* and does not hang */
    unlink(other);
    assert_null(got.ptr);

    /* The target is a folder: the rename fails, the temporary file goes. */
    snprintf(other, sizeof other, "%s/sub", folder);
    assert_int_equal(mkdir(other, 0700), 0);
    size_t before = files_in_folder();
    assert_true(posix_file_write(other, ELO_SPAN("x"), 0600) < 0);
    assert_int_equal(files_in_folder(), before);
    rmdir(other);

    char long_path[5000];
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(posix_file_write(long_path, ELO_SPAN("x"), 0600), ELO_E_NOT_FOUND);
    assert_int_equal(posix_file_error(ENOSPC), ELO_E_DISK_FULL);
    assert_int_equal(posix_file_error(EIO), ELO_E_IO);
}

/* A write that fails half way (here at the limit of the file size): the old file stays whole. */
static void a_failed_write_keeps_the_old_file(void **state)
{
    (void)state;
    static uint8_t large[20000];
    struct rlimit old, small;
    elo_span got;
    assert_int_equal(posix_file_write(path, ELO_SPAN("old"), 0600), ELO_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    elo_err err = posix_file_write(path, elo_span_of(large, sizeof large), 0600);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, ELO_E_TOO_LARGE);
    assert_int_equal(posix_file_read(path, 100, &got), ELO_OK);
    assert_true(elo_span_eq(got, ELO_SPAN("old")));
    posix_file_free(&got);
    assert_int_equal(files_in_folder(), 1);
}

static void clocks_and_entropy(void **state)
{
    (void)state;
    uint64_t a = posix_clock_ms64(), b = posix_clock_ms64();
    assert_true(b >= a);
    assert_true(posix_clock_ms() - (uint32_t)a < 60000);
    assert_true((uint32_t)time(NULL) - posix_clock_unix() < 60);
    uint8_t x[64] = {0}, y[64] = {0};
    assert_int_equal(posix_entropy(x, sizeof x), ELO_OK);
    assert_int_equal(posix_entropy(y, sizeof y), ELO_OK);
    assert_memory_not_equal(x, y, sizeof x);
    assert_true(posix_entropy_u32(NULL) != posix_entropy_u32(NULL) ||
                posix_entropy_u32(NULL) != posix_entropy_u32(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(secrets_that_others_can_read_are_refused),
        cmocka_unit_test(failures_have_reasons_and_leave_nothing),
        cmocka_unit_test(a_failed_write_keeps_the_old_file),
        cmocka_unit_test(clocks_and_entropy),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
