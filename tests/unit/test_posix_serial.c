// links: elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The serial line, on a pseudo-terminal: raw both ways, exclusive, its ends told apart. */
#include "ports/posix/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static int master;
static char path[128];
static struct posix_serial line;

static int open_terminal(void **state)
{
    (void)state;
    master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, path, sizeof path), 0);
    posix_serial_init(&line);
    return 0;
}

static int close_terminal(void **state)
{
    (void)state;
    posix_serial_close(&line);
    close(master);
    return 0;
}

static void every_byte_both_ways(void **state)
{
    uint8_t all[256], got[256];
    size_t at = 0, n = 0;
    (void)state;
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (uint8_t)i;
    }
    assert_int_equal(posix_serial_open(&line, path), ELO_OK);
    assert_int_equal(posix_serial_recv(&line, got, sizeof got, &n), ELO_NEED_MORE);
    assert_int_equal(write(master, all, sizeof all), sizeof all);
    while (at < sizeof all) {
        struct pollfd p = {.fd = line.fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_int_equal(posix_serial_recv(&line, got + at, sizeof got - at, &n), ELO_OK);
        at += n;
    }
    assert_memory_equal(got, all, sizeof all);
    assert_int_equal(posix_serial_send(&line, elo_span_of(all, sizeof all), &n), ELO_OK);
    assert_int_equal(n, sizeof all);
    for (at = 0; at < sizeof all; at += n) {
        ssize_t r = read(master, got + at, sizeof got - at);
        assert_true(r > 0);
        n = (size_t)r;
    }
    assert_memory_equal(got, all, sizeof all);
}

static void settings_of_the_line(void **state)
{
    struct termios t;
    (void)state;
    assert_int_equal(posix_serial_open(&line, path), ELO_OK);
    assert_int_equal(tcgetattr(line.fd, &t), 0);
    assert_int_equal(cfgetospeed(&t), B115200);
    assert_int_equal(t.c_cflag & (tcflag_t)(CSIZE | PARENB | CSTOPB), CS8);
    assert_int_equal(t.c_lflag & (tcflag_t)(ECHO | ICANON | ISIG), 0);
    posix_serial_reset(&line, true); /* has no such lines: nothing happens */
    posix_serial_reset(&line, false);
}

static void one_at_a_time(void **state)
{
    struct posix_serial second;
    (void)state;
    posix_serial_init(&second);
    assert_int_equal(posix_serial_open(&line, path), ELO_OK);
    elo_err err = posix_serial_open(&second, path);
    if (err == ELO_OK) { /* root opens what is exclusive; the lock stops it */
        fail_msg("opened twice");
    }
    assert_int_equal(err, ELO_E_CONFLICT);
    posix_serial_close(&line);
    assert_int_equal(posix_serial_open(&second, path), ELO_OK);
    posix_serial_close(&second);
}

static void no_serial_line(void **state)
{
    (void)state;
    assert_int_equal(posix_serial_open(&line, "/nowhere/at/all"), ELO_E_NOT_FOUND);
    assert_int_equal(posix_serial_open(&line, "/dev/null"), ELO_E_UNSUPPORTED);
    assert_int_equal(line.fd, -1);
}

static void the_other_end_goes_away(void **state)
{
    uint8_t byte;
    size_t n;
    (void)state;
    assert_int_equal(posix_serial_open(&line, path), ELO_OK);
    close(master);
    elo_err err = posix_serial_recv(&line, &byte, 1, &n);
    assert_true(err == ELO_END || err == ELO_NEED_MORE);
    assert_int_equal(posix_serial_send(&line, ELO_SPAN("x"), &n), ELO_END);
    master = open("/dev/null", O_RDONLY);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_terminal, close_terminal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_byte_both_ways), CASE(settings_of_the_line),    CASE(one_at_a_time),
        CASE(no_serial_line),       CASE(the_other_end_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
