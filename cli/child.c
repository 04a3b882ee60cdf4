// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ports/posix/clock.h"

enum { MAX_ARGS = 24, GRACE_MS = 5000 };

/* Between fork and exec: the child's side. */
static void become(int output, pid_t parent, const char *const *args)
{
    const char *argv[MAX_ARGS + 2] = {"elo"};
    for (size_t i = 0; i < MAX_ARGS && args[i] != NULL; i++) {
        argv[i + 1] = args[i];
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(EXIT_FAILURE); /* it died before we could ask */
    }
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setenv("NO_COLOR", "1", 1);
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(127);
}

bool child_start(struct child *c, const char *const *args, void (*on_line)(elo_span line))
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    fflush(stdout);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        become(ends[1], parent, args);
    }
    int error = errno;
    close(ends[1]);
    if (pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        close(ends[0]);
        errno = error;
        return false;
    }
    c->pid = pid;
    c->fd = ends[0];
    c->on_line = on_line;
    c->len = 0;
    return true;
}

/* Hands on the lines in the buffer; with `all` also what has no end yet. */
static void hand_on(struct child *c, bool all)
{
    size_t at = 0;
    while (at < c->len) {
        const char *start = c->line + at, *end = memchr(start, '\n', c->len - at);
        size_t len = end != NULL ? (size_t)(end - start) : c->len - at;
        if (end == NULL && !all && c->len - at < CHILD_LINE) {
            break;
        }
        c->on_line(elo_span_of(start, len));
        at += len + (end != NULL);
    }
    c->len -= at;
    memmove(c->line, c->line + at, c->len);
}

bool child_relay(struct child *c)
{
    ssize_t n = 0;
    while (c->fd >= 0 && (n = read(c->fd, c->line + c->len, CHILD_LINE - c->len)) > 0) {
        c->len += (size_t)n;
        hand_on(c, false);
    }
    if (c->fd >= 0 && n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (c->fd >= 0) {
        hand_on(c, true);
        close(c->fd);
        c->fd = -1;
    }
    return false;
}

int child_collect(struct child *c)
{
    int status = 0;
    if (c->pid <= 0) {
        return 0;
    }
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Its output is read to the end meanwhile: blocked on a full pipe it would never end. */
int child_end(struct child *c)
{
    if (c->pid <= 0) {
        return 0;
    }
    kill(c->pid, SIGTERM);
    uint32_t end = posix_clock_ms() + GRACE_MS;
    while (child_relay(c)) {
        int32_t left = (int32_t)(end - posix_clock_ms());
        struct pollfd out = {.fd = c->fd, .events = POLLIN};
        if (left <= 0) {
            kill(c->pid, SIGKILL);
            break;
        }
        poll(&out, 1, left);
    }
    int code = child_collect(c);
    child_relay(c);
    return code;
}
