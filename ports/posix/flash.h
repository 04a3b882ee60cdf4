// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A flash chip for a PC: a file, or memory. Bits only turn from 1 to 0, sectors are erased, as NOR
 * flash has it (elo/store/flash.h), so that what works here works there.
 *
 * A file keeps what was programmed when the process is killed; when the machine loses its power, it
 * has what the kernel had written by then. One process at a time: the file is locked.
 */
#ifndef PORTS_POSIX_FLASH_H
#define PORTS_POSIX_FLASH_H

#include "elo/store/flash.h"

struct posix_flash {
    int fd; /* -1: memory */
    uint8_t *bytes;
    uint32_t size;
};

/* A run of sectors as a device of its own; to stay where it is. */
struct posix_flash_part {
    struct elo_flash_dev dev;
    uint8_t *bytes;
};

/*
 * Opens the file, or makes it; new flash is erased. A file that is there already keeps its size if
 * that is a number of sectors; else, and if it is new, it gets `size`. `path` NULL: memory.
 * ELO_E_PERMISSION, ELO_E_DISK_FULL, ELO_E_IO ...; ELO_E_CONFLICT: another process has it.
 */
ELO_MUST_USE elo_err posix_flash_open(struct posix_flash *f, const char *path, uint32_t size);

/* `at` and `size` are whole sectors within the flash. */
void posix_flash_take(struct posix_flash *f,
                      uint32_t at,
                      uint32_t size,
                      struct posix_flash_part *out);

void posix_flash_close(struct posix_flash *f);

#endif
