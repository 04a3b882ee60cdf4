// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Ctrl-C and SIGTERM, as a flag and as a descriptor that poll() can wait for. */
#ifndef ELO_CLI_STOP_H
#define ELO_CLI_STOP_H

#include <stdbool.h>

/* From now on the signals set the flag; a second one ends the process at once. */
void stop_watch(void);

bool stop_asked(void);

/* Readable once a signal has come. */
int stop_fd(void);

/* 130 after SIGINT, 143 after SIGTERM. */
int stop_exit_code(void);

#endif
