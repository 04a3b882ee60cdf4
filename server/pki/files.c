// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: one folder, opened once and locked, all names relative to it.
 *
 *   write  NAME.new (created afresh, final mode) -> fsync -> rename to NAME -> fsync of the folder
 *
 * A reader sees the old file or the new one. A crash leaves at most a NAME.new, which nobody reads
 * and the next write replaces; the lock keeps two starting servers from sharing that name.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/pki/internal.h"

static elo_err
fail_errno(struct pki__why why, const char *doing, const char *path, const char *name)
{
    static const struct {
        int number;
        elo_err err;
    } known[] = {
        {EACCES, ELO_E_PERMISSION}, {EPERM, ELO_E_PERMISSION}, {EROFS, ELO_E_PERMISSION},
        {ENOSPC, ELO_E_DISK_FULL},  {EDQUOT, ELO_E_DISK_FULL},
    };
    int number = errno;
    elo_err err = ELO_E_IO;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        err = known[i].number == number ? known[i].err : err;
    }
    return pki__fail(why, err, "cannot %s %s%s%s: %s", doing, path, *name ? "/" : "", name,
                     strerror(number));
}

elo_err pki__dir_open(struct pki__dir *dir, const char *path, struct pki__why why)
{
    *dir = (struct pki__dir){.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .path = path};
    if (dir->fd < 0) {
        return fail_errno(why, "open the folder", path, "");
    }
    while (flock(dir->fd, LOCK_EX) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOLCK) {
            break; /* a file system without locks: as safe as it can be made */
        }
        if (errno != EINTR) {
            return fail_errno(why, "lock the folder", path, "");
        }
    }
    return ELO_OK;
}

void pki__dir_close(struct pki__dir *dir)
{
    if (dir->fd >= 0) {
        close(dir->fd); /* and with it the lock */
    }
    dir->fd = -1;
}

static elo_err read_all(int fd, struct buf *out)
{
    for (;;) {
        uint8_t *room = buf_room(out, 1024);
        if (room == NULL) {
            return buf_err(out);
        }
        ssize_t got = read(fd, room, 1024);
        if (got == 0) {
            return ELO_OK;
        }
        if (got > 0) {
            buf_wrote(out, (size_t)got);
        } else if (errno != EINTR) {
            return ELO_E_IO;
        }
    }
}

static elo_err read_open_file(int fd, struct buf *out, mode_t *out_mode)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return ELO_E_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return ELO_E_IO;
    }
    *out_mode = st.st_mode & 07777;
    return read_all(fd, out);
}

elo_err pki__dir_read(const struct pki__dir *dir,
                      const char *name,
                      struct buf *out,
                      mode_t *out_mode,
                      struct pki__why why)
{
    buf_clear(out);
    /* O_NONBLOCK: a pipe in the place of the file must not hold the server up. */
    int fd = openat(dir->fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? ELO_E_NOT_FOUND : fail_errno(why, "open", dir->path, name);
    }
    elo_err err = read_open_file(fd, out, out_mode);
    if (err == ELO_E_IO) {
        err = fail_errno(why, "read", dir->path, name);
    } else if (err == ELO_E_TOO_LARGE) {
        err =
            pki__fail(why, ELO_E_CORRUPT, "%s/%s is far too long for a PEM file", dir->path, name);
    } else if (err != ELO_OK) {
        err = pki__fail(why, err, "no memory to read %s/%s", dir->path, name);
    }
    close(fd);
    return err;
}

static bool write_all(int fd, elo_span content)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.ptr, content.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        if (put > 0) {
            content = elo_span_from(content, (size_t)put);
        }
    }
    return true;
}

/* Creates `temp` with all of `content` on the disk; on failure it is gone again, errno kept. */
static bool write_temp(int dir_fd, const char *temp, elo_span content, mode_t mode)
{
    unlinkat(dir_fd, temp, 0);
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    /* fchmod: the mode of openat() is subject to the umask. */
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
    int number = errno;
    if (close(fd) != 0 && ok) {
        number = errno;
        ok = false;
    }
    if (!ok) {
        unlinkat(dir_fd, temp, 0);
        errno = number;
    }
    return ok;
}

elo_err pki__dir_write(const struct pki__dir *dir,
                       const char *name,
                       elo_span content,
                       mode_t mode,
                       struct pki__why why)
{
    char temp[64];
    snprintf(temp, sizeof temp, "%s.new", name);
    if (!write_temp(dir->fd, temp, content, mode)) {
        return fail_errno(why, "write", dir->path, name);
    }
    if (renameat(dir->fd, temp, dir->fd, name) != 0) {
        elo_err err = fail_errno(why, "write", dir->path, name);
        unlinkat(dir->fd, temp, 0);
        return err;
    }
    /* EINVAL: a file system that cannot flush a folder. */
    if (fsync(dir->fd) != 0 && errno != EINVAL) {
        return fail_errno(why, "flush the folder", dir->path, "");
    }
    return ELO_OK;
}

void pki__buf_wipe(struct buf *b)
{
    elo_span all = buf_span(b);
    if (all.len > 0) {
        OPENSSL_cleanse((void *)(uintptr_t)all.ptr, all.len);
    }
    buf_free(b);
}
