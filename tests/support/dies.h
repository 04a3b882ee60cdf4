// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Does a call end the program, as an ELO_ASSERT or a guard page does? Tried in a child process, so
 * the test goes on.
 */
#ifndef TESTS_SUPPORT_DIES_H
#define TESTS_SUPPORT_DIES_H

#include <stdbool.h>

/* true if call(arg) is ended by a signal, or by a sanitizer's report, and does not return. */
bool dies(void (*call)(const void *arg), const void *arg);

#endif
