// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/flash.h"

#include "elo/base/assert.h"
#include "ports/posix/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the chip ------------------------------------------------------------------------------------
 */

static elo_err chip_read(void *ctx, uint32_t at, void *out, size_t len)
{
    const struct posix_flash_part *p = ctx;
    ELO_ASSERT(at <= p->dev.size && len <= p->dev.size - at);
    memcpy(out, p->bytes + at, len);
    return ELO_OK;
}

static elo_err chip_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    const struct posix_flash_part *p = ctx;
    const uint8_t *from = data;
    ELO_ASSERT(at <= p->dev.size && len <= p->dev.size - at);
    for (size_t i = 0; i < len; i++) {
        p->bytes[at + i] &= from[i];
    }
    return ELO_OK;
}

static elo_err chip_erase(void *ctx, uint32_t at)
{
    const struct posix_flash_part *p = ctx;
    ELO_ASSERT(at % ELO_FLASH_SECTOR == 0 && at < p->dev.size);
    memset(p->bytes + at, 0xFF, ELO_FLASH_SECTOR);
    return ELO_OK;
}

/* --- the file ------------------------------------------------------------------------------------
 */

static elo_err failed(int fd, int error)
{
    if (fd >= 0) {
        close(fd);
    }
    return error == EWOULDBLOCK ? ELO_E_CONFLICT : posix_file_error(error);
}

/* Of the file if it is good for flash, else 0. */
static uint32_t size_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > INT32_MAX ||
        st.st_size % ELO_FLASH_SECTOR != 0) {
        return 0;
    }
    return (uint32_t)st.st_size;
}

static elo_err map(struct posix_flash *f)
{
    int flags = f->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *at = mmap(NULL, f->size, PROT_READ | PROT_WRITE, flags, f->fd, 0);
    if (at == MAP_FAILED) {
        return failed(f->fd, errno);
    }
    f->bytes = at;
    return ELO_OK;
}

elo_err posix_flash_open(struct posix_flash *f, const char *path, uint32_t size)
{
    bool is_new = true;
    ELO_ASSERT(size > 0 && size % ELO_FLASH_SECTOR == 0);
    memset(f, 0, sizeof *f);
    f->fd = -1;
    f->size = size;
    if (path != NULL) {
        f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (f->fd < 0 || flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
            return failed(f->fd, errno);
        }
        is_new = size_of(f->fd) == 0;
        f->size = is_new ? size : size_of(f->fd);
        /* All of it on the disk: a page that finds no room later would end the process. */
        int error =
            is_new && ftruncate(f->fd, 0) != 0 ? errno : posix_fallocate(f->fd, 0, (off_t)f->size);
        if (error != 0) {
            return failed(f->fd, error);
        }
    }
    elo_err err = map(f);
    if (err == ELO_OK && is_new) {
        memset(f->bytes, 0xFF, f->size);
    }
    return err;
}

void posix_flash_take(struct posix_flash *f,
                      uint32_t at,
                      uint32_t size,
                      struct posix_flash_part *out)
{
    ELO_ASSERT(at <= f->size && size <= f->size - at && at % ELO_FLASH_SECTOR == 0);
    out->bytes = f->bytes + at;
    out->dev.ctx = out;
    out->dev.size = size;
    out->dev.read = chip_read;
    out->dev.program = chip_program;
    out->dev.erase = chip_erase;
}

void posix_flash_close(struct posix_flash *f)
{
    if (f->bytes != NULL) {
        munmap(f->bytes, f->size);
    }
    if (f->fd >= 0) {
        close(f->fd);
    }
    memset(f, 0, sizeof *f);
    f->fd = -1;
}
