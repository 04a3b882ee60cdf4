// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The virtual device's flash chip: a file, or memory; and regions of it. */
#ifndef ELO_CLI_CHIP_H
#define ELO_CLI_CHIP_H

#include "ports/posix/flash_file.h"

#include <stdbool.h>

struct chip {
    struct posix_flash file;  /* fd -1: memory */
    struct elo_flash_dev ram; /* its ctx: the memory */
    const struct elo_flash_dev *dev;
};

/* A run of sectors as a device of its own; to stay where it is. */
struct chip_region {
    struct elo_flash_dev dev;
    const struct elo_flash_dev *chip;
    uint32_t base;
};

/* Opens the file, or makes it with `size`: one that is there keeps its own, if that is a number of
 * sectors. `path` NULL: memory. Errors as posix_flash_open(). */
ELO_MUST_USE elo_err chip_open(struct chip *c, const char *path, uint32_t size);

/* Why it cannot be opened, in words; the exit code. As errno is right after chip_open(). */
int chip_complain(elo_err err, const char *path);

bool chip_is_file(const struct chip *c);
void chip_close(struct chip *c);

/* `at` and `size` are whole sectors within the chip. */
void chip_take(const struct chip *c, uint32_t at, uint32_t size, struct chip_region *out);

#endif
