// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static int ends[2] = {-1, -1};

static void on_signal(int number)
{
    if (got != 0) {
        _exit(128 + number);
    }
    got = number;
    int error = errno;
    if (write(ends[1], "", 1) < 0) {
        /* the pipe is full: it is readable all the same */
    }
    errno = error;
}

void stop_watch(void)
{
    if (ends[0] >= 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool stop_asked(void)
{
    return got != 0;
}

int stop_fd(void)
{
    return ends[0];
}

int stop_exit_code(void)
{
    return got != 0 ? 128 + got : 0;
}
