// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Calls out of the emulated CPU to the machine around it: QEMU's "simcalls". The board (board.h) is
 * made of them; an application has no use for them, for a chip has none.
 *
 * They reach every file of the user who runs QEMU: run nothing but one's own images.
 */
#ifndef PORTS_QEMU_LX106_HOST_H
#define PORTS_QEMU_LX106_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_READ = 0, HOST_READ_WRITE = 2, HOST_CREATE = 0x40 };

/* Ends the emulator with this code. */
void host_exit(int code) __attribute__((noreturn));

/* A descriptor, -1 if it cannot be had. `flags`: HOST_... */
int host_open(const char *path, int flags);
void host_close(int fd);

/* Where the file is then; -1 on failure. From the start, or from the end. */
long host_seek(int fd, long at, bool from_end);

/* All of it, waiting as long as it takes; false: it ended before, or failed. */
bool host_read(int fd, void *out, size_t len);
bool host_write(int fd, const void *data, size_t len);

/* Like host_read, but the end of the file ends it: how many bytes came, -1 on failure. */
long host_read_some(int fd, void *out, size_t len);

/* The arguments given to the board. */
int host_argc(void);
bool host_argv(void *out, size_t cap);

/* The CPU's cycle counter. */
uint32_t host_cycles(void);

#endif
