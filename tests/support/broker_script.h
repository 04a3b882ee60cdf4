// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Runs the scripted cases of tests/vectors/broker (its README tells the notation) against a desk of
 * their own.
 */
#ifndef TESTS_SUPPORT_BROKER_SCRIPT_H
#define TESTS_SUPPORT_BROKER_SCRIPT_H

#include "tests/support/broker_peer.h"

struct script_case {
    char name[160];
    char **lines;
    size_t count;
    size_t first_line; /* in the file */
};

struct script {
    struct script_case *cases;
    size_t count;
};

void script_load(struct script *s, const char *path);
void script_free(struct script *s);

struct script_options {
    size_t chop;  /* every peer's input in pieces of so many bytes; 0: whole packets */
    bool lenient; /* the broker may do anything but crash: expectations are not looked at */
    void (*ready)(struct desk *d);  /* called before the first line; may be NULL */
    void (*ending)(struct desk *d); /* called after the last */
};

/* NULL: as written. Else what went wrong, which the caller frees. */
char *
script_run(struct house *h, const struct script_case *c, const struct script_options *options);

#endif
