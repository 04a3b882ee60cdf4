// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A serial line to a board: 115200 baud, 8N1, raw, non-blocking, for one program at a time.
 *
 * Opening is exclusive (an advisory lock, and TIOCEXCL where there is one): another `elo`, or a
 * terminal program that locks, makes it ELO_E_CONFLICT. The modem lines are left as the system sets
 * them; closing does not drop them. Boards with the usual two-transistor circuit are reset by
 * posix_serial_reset(), never by accident: both lines active or both inactive do nothing.
 *
 * Errors: as posix_file_error(), and ELO_E_CONFLICT (in use), ELO_E_UNSUPPORTED (no serial line).
 * errno is left as the failing call set it.
 */
#ifndef PORTS_POSIX_SERIAL_H
#define PORTS_POSIX_SERIAL_H

#include "elo/base/err.h"
#include "elo/base/span.h"

struct posix_serial {
    int fd; /* -1: none. For poll */
};

void posix_serial_init(struct posix_serial *s);
ELO_MUST_USE elo_err posix_serial_open(struct posix_serial *s, const char *path);
void posix_serial_close(struct posix_serial *s);

/* Holds the board in reset (true), lets it start (false). Lines without modem signals do nothing. A
 * tenth of a second between the two is enough. */
void posix_serial_reset(struct posix_serial *s, bool hold);

/* What is there: ELO_OK and `*out_len` > 0, ELO_NEED_MORE: nothing now, ELO_END: the line is gone
 * (unplugged), else failed. */
ELO_MUST_USE elo_err posix_serial_recv(struct posix_serial *s,
                                       uint8_t *buf,
                                       size_t cap,
                                       size_t *out_len);

/* Sends what fits: ELO_OK and `*out_len` > 0, ELO_NEED_ROOM, ELO_END, else failed. */
ELO_MUST_USE elo_err posix_serial_send(struct posix_serial *s, elo_span bytes, size_t *out_len);

#endif
