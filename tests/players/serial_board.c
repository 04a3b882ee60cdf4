// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board on a pseudo-terminal: the console of lib/ behind stdin and stdout, its radio and flash
 * played by tests/support/setup_world.h.
 *
 *     serial_board CSR.DER [STEP-MS]
 *
 * Each line on descriptor 3, if it is open, is a command from the test:
 *     reset      forget the session, say boot rubbish, begin anew
 *     kind N     another neighbourhood
 *     resets N   so many times as it tests what it was given, it is reset in the middle of that
 * What becomes of the board is told on stderr: "saved", "saved with a bundle", "restart",
 * "forgotten".
 */
#include "elo/setup/console.h"
#include "tests/support/setup_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct setup_world world;
static struct elo_console console;
static uint8_t csr[1024];
static size_t csr_len;
static uint32_t step_ms;
static unsigned long resets; /* to come */

static uint32_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static void write_all(const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, p, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            exit(0);
        }
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

/* What the chip says at 74880 baud, as 115200 shows it. */
static void boot(void)
{
    static const char rubbish[] = "\x1c\x00\x82l\x9c|\x00\x8c$\xe2\x0c\xff\x0c\x8c elo< \x0c\x84o";
    struct elo_settings stored = world.stored;
    setup_world_init(&world, ELO_OK, elo_span_of(csr, csr_len));
    world.step_ms = step_ms;
    if (stored.port != 0) {
        world.stored = stored;
        world.draft = stored;
    }
    write_all(rubbish, sizeof rubbish - 1);
    elo_console_init(&console, &world.setup);
}

static void obey(const char *line)
{
    if (strncmp(line, "resets ", 7) == 0) {
        resets = strtoul(line + 7, NULL, 10);
    } else if (strncmp(line, "reset", 5) == 0) {
        boot();
    } else if (strncmp(line, "kind ", 5) == 0) {
        world.network_kind = (unsigned)strtoul(line + 5, NULL, 10);
    }
}

static void speak(void)
{
    uint8_t out[64];
    size_t n;
    while ((n = elo_console_output(&console, out, sizeof out)) > 0) {
        write_all(out, n);
    }
}

static void report(void)
{
    static unsigned saves;
    if (world.saves != saves) {
        fprintf(stderr, "saved%s wifi=%.*s thing=%s\n", world.saved_bundle ? " with a bundle" : "",
                world.stored.ssid_len, (const char *)world.stored.ssid, world.stored.thing);
        saves = world.saves;
    }
    if (world.forgotten) {
        fprintf(stderr, "forgotten\n");
        world.forgotten = false;
    }
    if (world.restarted) {
        fprintf(stderr, "restart\n");
        saves = 0;
        boot();
    }
}

static void run(void)
{
    bool orders = fcntl(3, F_GETFD) >= 0;
    for (;;) {
        struct pollfd polls[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                  {.fd = orders ? 3 : -1, .events = POLLIN}};
        uint8_t in[64];
        char line[64];
        poll(polls, 2, 10);
        uint32_t now = clock_ms();
        if (polls[0].revents != 0) {
            ssize_t n = read(STDIN_FILENO, in, sizeof in);
            if (n <= 0 && errno != EAGAIN) {
                return;
            }
            elo_console_input(&console, elo_span_of(in, n > 0 ? (size_t)n : 0), now);
        }
        if (polls[1].revents != 0) {
            ssize_t n = read(3, line, sizeof line - 1);
            line[n > 0 ? n : 0] = '\0';
            orders = n > 0;
            obey(line);
        }
        setup_world_step(&world, now);
        elo_console_tick(&console, now);
        speak();
        report();
        if (resets > 0 && world.setup.state == ELO_SETUP_TESTING &&
            world.setup.stage > ELO_SETUP_STAGE_WIFI) {
            resets--;
            boot();
        }
    }
}

int main(int argc, char **argv)
{
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    step_ms = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 50;
    if (f == NULL) {
        return 2;
    }
    csr_len = fread(csr, 1, sizeof csr, f);
    fclose(f);
    setvbuf(stderr, NULL, _IOLBF, 0);
    boot();
    run();
    return 0;
}
