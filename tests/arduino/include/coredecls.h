// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef COREDECLS_DECLARED_H
#define COREDECLS_DECLARED_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *data, size_t len, uint32_t crc = 0xffffffff);

#endif
