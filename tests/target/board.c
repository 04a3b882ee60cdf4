// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Runs an image on the emulated board, for tests: the serial line is stdin and stdout, what it
 * switches is a line on stderr, SIGUSR1 takes its network away and SIGUSR2 gives it back. Ends with
 * the image's exit code.
 *
 *      board [--line] [--to HOST:PORT] [--speed N] [--plugin FILE,options] IMAGE [argument ...]
 *
 * --line: the board stays at the end of a line: it is run again when it restarts (with
 * reset=software), a line on descriptor 3 is the reset button (reset=pin), and the end of stdin its
 * end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ports/posix/emulator.h"
#include "ports/qemu-lx106/board.h"

static struct posix_emulator e;

static struct {
    bool line, ended, reset;
    const char *args[POSIX_EMULATOR_ARGS_MAX];
} run;

static void on_serial(void *ctx, elo_span bytes)
{
    (void)ctx;
    fwrite(bytes.ptr, 1, bytes.len, stdout);
    fflush(stdout);
}

static void on_pin(void *ctx, unsigned pin, uint32_t value)
{
    (void)ctx;
    fprintf(stderr, "pin %u %u\n", pin, value);
}

static bool on_sensor(void *ctx, elo_span name, int32_t *out_value)
{
    (void)ctx;
    *out_value = 2150;
    return name.len == 7 && memcmp(name.ptr, "celsius", 7) == 0;
}

static int usage(void)
{
    fputs("usage: board [--line] [--to HOST:PORT] [--speed N] [--plugin FILE,options] IMAGE "
          "[argument ...]\n",
          stderr);
    return 2;
}

static bool set_to(struct posix_emulator_config *config, char *to)
{
    char *colon = strrchr(to, ':');
    if (colon == NULL) {
        return false;
    }
    *colon = '\0';
    config->address = to;
    config->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return true;
}

static int parse(struct posix_emulator_config *config, int argc, char **argv)
{
    int i = 1;
    if (argc > 1 && strcmp(argv[1], "--line") == 0) {
        run.line = true;
        i++;
    }
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (strcmp(argv[i], "--speed") == 0) {
            config->speed = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--plugin") == 0) {
            config->plugin = argv[i + 1];
        } else if (strcmp(argv[i], "--to") != 0 || !set_to(config, argv[i + 1])) {
            return usage();
        }
    }
    if (i >= argc) {
        return usage();
    }
    config->image = argv[i];
    config->args_count = (size_t)(argc - i - 1);
    if (config->args_count + 1 > POSIX_EMULATOR_ARGS_MAX) {
        return usage();
    }
    memcpy(run.args, argv + i + 1, config->args_count * sizeof *argv);
    config->args = run.args;
    return 0;
}

static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void take_signal(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        bool up = info.ssi_signo == SIGUSR2;
        posix_emulator_network(&e, up);
        fprintf(stderr, "network %s\n", up ? "up" : "down");
    }
}

static void take_input(struct pollfd *input)
{
    uint8_t buf[512];
    ssize_t n = read(input->fd, buf, sizeof buf);
    if (n > 0) {
        posix_emulator_serial(&e, elo_span_of(buf, (size_t)n));
    } else {
        input->fd = -1;
        run.ended = run.line;
    }
}

static void take_order(struct pollfd *orders)
{
    char line[64];
    run.reset = read(orders->fd, line, sizeof line) > 0;
    orders->fd = run.reset ? orders->fd : -1;
}

/* From power or reset to its end; ELO_END: it has ended by itself. */
static elo_err live(struct pollfd *extra)
{
    elo_err err = ELO_OK;
    while (err == ELO_OK && !run.ended && !run.reset) {
        err = posix_emulator_step(&e, -1, extra, 3);
        if (err == ELO_OK && extra[0].revents != 0) {
            take_signal(extra[0].fd);
        }
        if (err == ELO_OK && extra[1].revents != 0) {
            take_input(&extra[1]);
        }
        if (err == ELO_OK && extra[2].revents != 0) {
            take_order(&extra[2]);
        }
    }
    return err;
}

/* Is it to be run again after this end? */
static bool again(struct posix_emulator_config *config, size_t args_count, int code)
{
    if (!run.line || run.ended || (!run.reset && code != BOARD_EXIT_RESTART)) {
        return false;
    }
    run.args[args_count] = run.reset ? "reset=pin" : "reset=software";
    config->args_count = args_count + 1;
    run.reset = false;
    return true;
}

int main(int argc, char **argv)
{
    struct posix_emulator_config config = {
        .on_serial = on_serial, .on_pin = on_pin, .on_sensor = on_sensor};
    int code = parse(&config, argc, argv);
    if (code != 0) {
        return code;
    }
    size_t args_count = config.args_count;
    struct pollfd extra[3] = {
        {watch_signals(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {run.line ? 3 : -1, POLLIN, 0}};
    do {
        elo_err err = posix_emulator_start(&e, &config);
        if (err != ELO_OK) {
            fprintf(stderr, "board: %s: error %d, %s\n", config.image, err, strerror(errno));
            return 2;
        }
        err = live(extra);
        code = posix_emulator_stop(&e);
        if (err != ELO_END && err != ELO_OK) {
            fprintf(stderr, "board: error %d\n", err);
            return 2;
        }
    } while (again(&config, args_count, code));
    return run.ended ? 0 : code;
}
