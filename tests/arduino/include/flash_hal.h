// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Where the file system begins in the flash chip: a linker symbol, seen through the core. */
#ifndef FLASH_HAL_DECLARED_H
#define FLASH_HAL_DECLARED_H

#include <stdint.h>

extern uint32_t fake_fs_start;
#define FS_PHYS_ADDR fake_fs_start

#endif
