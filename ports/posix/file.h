// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Small files, whole: certificates, keys, credentials, settings.
 *
 * Errors: ELO_E_NOT_FOUND (no such file or folder), ELO_E_PERMISSION, ELO_E_TOO_LARGE (more than
 * the bound), ELO_E_DISK_FULL, ELO_E_NO_MEMORY, ELO_E_IO (anything else, also a folder or device
 * where a file should be). errno is left as the failing call set it.
 */
#ifndef PORTS_POSIX_FILE_H
#define PORTS_POSIX_FILE_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#include <sys/types.h>

/* Reads all of `path`, at most `max` bytes, into a new block with a NUL after its end. Give it back
 * to posix_file_free. */
ELO_MUST_USE elo_err posix_file_read(const char *path, size_t max, elo_span *out);

/* The same for a secret: ELO_E_PERMISSION if anyone but its owner may read or change the file
 * (`chmod 600` is the cure), or if it belongs to someone else than us or root. */
ELO_MUST_USE elo_err posix_file_read_private(const char *path, size_t max, elo_span *out);

/* Overwrites the block with zeros and frees it. An empty span is harmless. */
void posix_file_free(elo_span *block);

/*
 * Replaces `path` by `data`, with exactly this `mode`: a reader sees the old file or the new one,
 * also after a power cut. Written beside it under a temporary name, synced, then renamed; on
 * failure the old file is untouched and the temporary one removed.
 */
ELO_MUST_USE elo_err posix_file_write(const char *path, elo_span data, mode_t mode);

/* The reason for an errno of a file call. */
elo_err posix_file_error(int error);

#endif
