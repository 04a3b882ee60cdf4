// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/flash_file.h"

#include "elo/base/assert.h"
#include "ports/posix/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 1024u

static elo_err read_at(int fd, uint32_t at, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = pread(fd, out, len, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) { /* 0: someone has cut the file short */
            return ELO_E_IO;
        }
        out += n;
        at += (uint32_t)n;
        len -= (size_t)n;
    }
    return ELO_OK;
}

static elo_err write_at(int fd, uint32_t at, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return posix_file_error(errno);
        }
        data += n;
        at += (uint32_t)n;
        len -= (size_t)n;
    }
    return ELO_OK;
}

static void check(const struct posix_flash *f, uint32_t at, const void *memory, size_t len)
{
    ELO_ASSERT(at % 4 == 0 && len % 4 == 0 && (uintptr_t)memory % 4 == 0);
    ELO_ASSERT(len <= f->dev.size && at <= f->dev.size - len);
}

static elo_err flash_read(void *ctx, uint32_t at, void *out, size_t len)
{
    const struct posix_flash *f = ctx;
    check(f, at, out, len);
    return read_at(f->fd, at, out, len);
}

static elo_err flash_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    const struct posix_flash *f = ctx;
    const uint8_t *in = data;
    check(f, at, data, len);
    while (len > 0) {
        uint8_t bytes[PIECE];
        size_t n = len < PIECE ? len : PIECE;
        elo_err err = read_at(f->fd, at, bytes, n);
        for (size_t i = 0; i < n; i++) {
            bytes[i] &= in[i];
        }
        if (err == ELO_OK) {
            err = write_at(f->fd, at, bytes, n);
        }
        if (err != ELO_OK) {
            return err;
        }
        in += n;
        at += (uint32_t)n;
        len -= n;
    }
    return ELO_OK;
}

static elo_err erase_sector(int fd, uint32_t at)
{
    uint8_t blank[ELO_FLASH_SECTOR];
    memset(blank, 0xFF, sizeof blank);
    return write_at(fd, at, blank, sizeof blank);
}

static elo_err flash_erase(void *ctx, uint32_t at)
{
    const struct posix_flash *f = ctx;
    check(f, at, NULL, ELO_FLASH_SECTOR);
    ELO_ASSERT(at % ELO_FLASH_SECTOR == 0);
    return erase_sector(f->fd, at);
}

/* The file's size is right, or it is empty and becomes blank flash. */
static elo_err prepare(int fd, uint32_t size)
{
    struct stat st;
    elo_err err = ELO_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? ELO_E_CONFLICT : posix_file_error(errno);
    }
    if (fstat(fd, &st) != 0) {
        return posix_file_error(errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return ELO_E_IO;
    }
    if (st.st_size != 0) {
        return st.st_size == (off_t)size ? ELO_OK : ELO_E_CORRUPT;
    }
    for (uint32_t at = 0; err == ELO_OK && at < size; at += ELO_FLASH_SECTOR) {
        err = erase_sector(fd, at);
    }
    if (err != ELO_OK && ftruncate(fd, 0) != 0) { /* empty again, or of no size that is right */
        err = posix_file_error(errno);
    }
    return err;
}

elo_err posix_flash_open(struct posix_flash *f, const char *path, uint32_t size)
{
    ELO_ASSERT(size > 0 && size % ELO_FLASH_SECTOR == 0);
    f->dev = (struct elo_flash_dev){f, size, flash_read, flash_program, flash_erase};
    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (f->fd < 0) {
        return errno == EISDIR ? ELO_E_IO : posix_file_error(errno);
    }
    elo_err err = prepare(f->fd, size);
    if (err != ELO_OK) {
        posix_flash_close(f);
    }
    return err;
}

elo_err posix_flash_sync(struct posix_flash *f)
{
    return fdatasync(f->fd) == 0 ? ELO_OK : posix_file_error(errno);
}

void posix_flash_close(struct posix_flash *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = -1;
}
