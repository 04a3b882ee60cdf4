// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

elo_err posix_file_error(int error)
{
    static const struct {
        int error;
        elo_err reason;
    } reasons[] = {
        {ENOENT, ELO_E_NOT_FOUND},       {ENOTDIR, ELO_E_NOT_FOUND}, {EACCES, ELO_E_PERMISSION},
        {EPERM, ELO_E_PERMISSION},       {EROFS, ELO_E_PERMISSION},  {ENOSPC, ELO_E_DISK_FULL},
        {EDQUOT, ELO_E_DISK_FULL},       {EFBIG, ELO_E_TOO_LARGE},   {ENOMEM, ELO_E_NO_MEMORY},
        {ENAMETOOLONG, ELO_E_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].error == error) {
            return reasons[i].reason;
        }
    }
    return ELO_E_IO;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* Reads until the end or `cap` bytes; how many, or -1. */
static ssize_t read_all(int fd, uint8_t *to, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = read(fd, to + len, cap - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* Room for what the file says it is, plus one byte to notice that it has grown meanwhile. */
static elo_err read_fd(int fd, size_t size, elo_span *out)
{
    uint8_t *block = malloc(size + 1);
    if (block == NULL) {
        return ELO_E_NO_MEMORY;
    }
    ssize_t got = read_all(fd, block, size + 1);
    if (got < 0 || (size_t)got > size) {
        elo_err err = got < 0 ? posix_file_error(errno) : ELO_E_IO;
        free(block);
        return err;
    }
    block[got] = '\0';
    *out = elo_span_of(block, (size_t)got);
    return ELO_OK;
}

static bool is_private(const struct stat *st)
{
    return (st->st_mode & (S_IRWXG | S_IRWXO)) == 0 && (st->st_uid == geteuid() || st->st_uid == 0);
}

static elo_err read_path(const char *path, size_t max, bool secret, elo_span *out)
{
    struct stat st;
    elo_err err;
    /* Not blocking: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return posix_file_error(errno);
    }
    if (fstat(fd, &st) != 0) {
        err = posix_file_error(errno);
    } else if (!S_ISREG(st.st_mode)) {
        err = ELO_E_IO;
    } else if (secret && !is_private(&st)) {
        err = ELO_E_PERMISSION;
    } else if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
        err = ELO_E_TOO_LARGE;
    } else {
        err = read_fd(fd, (size_t)st.st_size, out);
    }
    close(fd);
    return err;
}

elo_err posix_file_read(const char *path, size_t max, elo_span *out)
{
    return read_path(path, max, false, out);
}

elo_err posix_file_read_private(const char *path, size_t max, elo_span *out)
{
    return read_path(path, max, true, out);
}

void posix_file_free(elo_span *block)
{
    if (block->ptr != NULL) {
        void *bytes = (void *)(uintptr_t)block->ptr; /* ours, from malloc: const only outside */
        explicit_bzero(bytes, block->len);
        free(bytes);
    }
    *block = elo_span_of(NULL, 0);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static bool write_all(int fd, elo_span data)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        data = elo_span_from(data, (size_t)n);
    }
    return true;
}

/* Makes the rename itself durable. A file system that cannot sync folders is not a failure. */
static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        snprintf(folder, sizeof folder, ".");
    } else if (slash == path) {
        snprintf(folder, sizeof folder, "/");
    } else {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    fsync(fd);
    close(fd);
}

elo_err posix_file_write(const char *path, elo_span data, mode_t mode)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return ELO_E_NOT_FOUND;
    }
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 until it is complete */
    if (fd < 0) {
        return posix_file_error(errno);
    }
    bool good = write_all(fd, data) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        error = errno;
    }
    if (!good) {
        unlink(temporary);
        errno = error;
        return posix_file_error(error);
    }
    sync_folder_of(path);
    return ELO_OK;
}
