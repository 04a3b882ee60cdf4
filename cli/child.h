// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * This program once more, as a child with another verb, and what it says, line by line.
 *
 * Life cycle: child_start(), then child_relay() whenever `fd` is readable, then child_end(). A
 * child never outlives its parent, however that ends: the kernel sends it SIGTERM
 * (PR_SET_PDEATHSIG). Ctrl-C is not for it: it has a process group of its own, and its parent ends
 * it in order.
 */
#ifndef ELO_CLI_CHILD_H
#define ELO_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "elo/base/span.h"

enum { CHILD_LINE = 16384 }; /* a longer line comes in pieces */

struct child {
    pid_t pid; /* 0: none runs */
    int fd;    /* its stdout and stderr, for poll(); -1: closed, or none */
    void (*on_line)(elo_span line);
    char line[CHILD_LINE];
    size_t len;
};

/* `args`: verb and options, NULL at the end. false: errno tells. Put no two under one `c`. */
bool child_start(struct child *c, const char *const *args, void (*on_line)(elo_span line));

/* Hands on the lines that have come; never waits. false: it has closed its output. */
bool child_relay(struct child *c);

/*
 * Ends it - SIGTERM, and after five seconds SIGKILL - unless it has ended by itself, hands on its
 * last lines and collects it. Its exit code, 128 + the signal if one killed it; 0 if none runs.
 */
int child_end(struct child *c);

/* The same without a signal: for one that has closed its output, and so is ending. */
int child_collect(struct child *c);

#endif
