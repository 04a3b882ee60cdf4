// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The flash of a virtual device (elo/store/flash.h) in a file of the host.
 *
 *     struct posix_flash f;
 *     posix_flash_open(&f, "device/outbox.flash", 16 * ELO_FLASH_SECTOR);
 *     elo_queue_mount(&q, &f.dev, ...);
 *     posix_flash_close(&f);
 *
 * It behaves as the chip does: a program turns 1 bits into 0 and nothing else, an erase gives 0xFF.
 * What was programmed survives the end of the process at once, that of the machine from the next
 * posix_flash_sync on.
 */
#ifndef PORTS_POSIX_FLASH_FILE_H
#define PORTS_POSIX_FLASH_FILE_H

#include "elo/store/flash.h"

struct posix_flash {
    struct elo_flash_dev dev; /* its ctx is this struct: do not move it while it is open */
    int fd;
};

/*
 * Opens the file, which has to be `size` bytes long; makes one of 0xFF, for its owner only, if
 * there is none or it is empty. It is locked: ELO_E_CONFLICT if another process has it open.
 * ELO_E_CORRUPT: a file of another size. ELO_E_IO: not a plain file, or another failure; others as
 * posix_file_error().
 */
ELO_MUST_USE elo_err posix_flash_open(struct posix_flash *f, const char *path, uint32_t size);

/* Makes durable what was programmed and erased. */
ELO_MUST_USE elo_err posix_flash_sync(struct posix_flash *f);

/* Also after an open that failed, and twice. */
void posix_flash_close(struct posix_flash *f);

#endif
