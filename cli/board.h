// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board on a serial line, as `elo add --port` speaks with it: the desk's side of the frames in
 * elo/setup/frame.h. One request is on its way at a time; one without an answer is asked again.
 *
 * Functions return exit codes and have said what went wrong. A board that was reset in between
 * ("lost") is greeted anew by those who can go on after it.
 */
#ifndef ELO_CLI_BOARD_H
#define ELO_CLI_BOARD_H

#include "elo/setup/frame.h"
#include "ports/posix/serial.h"
#include "server/base/buf.h"

struct board {
    struct posix_serial port;
    const char *path;
    char id[64], firmware[64];
    bool has_key;
    uint16_t nonce;
    uint32_t seq;
    size_t line_len;
    char line[600];
    char answer[ELO_FRAME_MAX]; /* the words of the last one */
};

/* Opens the port, resets the board if wanted, greets it. */
int board_open(struct board *b, const char *path, bool reset);
void board_close(struct board *b);

/* Its certificate signing request, in PEM. */
int board_csr(struct board *b, struct buf *out_pem);

/* Hands over a bundle text, has the board try it, waits for its word. `stage` is told what the
 * board is at. */
int board_set_up(struct board *b, elo_span text, void (*stage)(const char *words));

#endif
