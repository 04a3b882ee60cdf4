// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/dies.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka turns these into failed tests; in the child they must simply end it, and quietly. */
static void die_plainly(void)
{
    static const int fatal[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        signal(fatal[i], SIG_DFL);
    }
    if (!freopen("/dev/null", "w", stderr)) {
        _exit(0);
    }
}

bool dies(void (*call)(const void *arg), const void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        die_plainly();
        call(arg);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("dies");
        abort();
    }
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
