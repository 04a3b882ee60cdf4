// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A disk that fails on purpose: an SQLite VFS around the real one, the default after
 * faulty_disk_install(). For programs that link server_store.
 *
 * One counter counts the calls that change the disk (write, sync, truncate). When it reaches
 * `fail_at`, that call fails with `error`; with `sticky` all after it fail too. A failing write
 * leaves half its bytes behind. `quota` bounds every file's size: SQLITE_FULL beyond.
 */
#ifndef ELO_TESTS_FAULTY_DISK_H
#define ELO_TESTS_FAULTY_DISK_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum faulty_call { FAULTY_WRITE = 1, FAULTY_SYNC = 2, FAULTY_TRUNCATE = 4 };

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    atomic_int which; /* the calls that count, of faulty_call */
    atomic_long count;
    atomic_long fail_at; /* 0: never */
    atomic_int error;
    atomic_bool sticky;
    atomic_long quota; /* 0: none */
    atomic_long failures;
    atomic_bool no_wait; /* do not wait for the real disk: no test takes its power away */
} faulty_disk;

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static inline sqlite3_file *faulty_real(sqlite3_file *file)
{
    return ((struct faulty_file *)file)->real;
}

static inline bool faulty_fails(enum faulty_call call)
{
    if (!(atomic_load(&faulty_disk.which) & (int)call)) {
        return false;
    }
    long at = atomic_load(&faulty_disk.fail_at);
    long count = atomic_fetch_add(&faulty_disk.count, 1) + 1;
    bool fails = at != 0 && (count == at || (atomic_load(&faulty_disk.sticky) && count > at));
    if (fails) {
        atomic_fetch_add(&faulty_disk.failures, 1);
    }
    return fails;
}

static inline int faulty_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    sqlite3_file *real = faulty_real(file);
    if (faulty_fails(FAULTY_WRITE)) {
        (void)real->pMethods->xWrite(real, bytes, len / 2, offset);
        return atomic_load(&faulty_disk.error);
    }
    long quota = atomic_load(&faulty_disk.quota);
    if (quota > 0 && offset + len > quota) {
        return SQLITE_FULL;
    }
    return real->pMethods->xWrite(real, bytes, len, offset);
}

static inline int faulty_sync(sqlite3_file *file, int flags)
{
    if (faulty_fails(FAULTY_SYNC)) {
        return atomic_load(&faulty_disk.error);
    }
    return atomic_load(&faulty_disk.no_wait)
               ? SQLITE_OK
               : faulty_real(file)->pMethods->xSync(faulty_real(file), flags);
}

static inline int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (faulty_fails(FAULTY_TRUNCATE)) {
        return atomic_load(&faulty_disk.error);
    }
    return faulty_real(file)->pMethods->xTruncate(faulty_real(file), size);
}

static inline int faulty_close(sqlite3_file *file)
{
    int rc = faulty_real(file)->pMethods->xClose(faulty_real(file));
    free(faulty_real(file));
    return rc;
}

static inline int faulty_read(sqlite3_file *file, void *out, int len, sqlite3_int64 offset)
{
    return faulty_real(file)->pMethods->xRead(faulty_real(file), out, len, offset);
}

static inline int faulty_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return faulty_real(file)->pMethods->xFileSize(faulty_real(file), out);
}

static inline int faulty_lock(sqlite3_file *file, int level)
{
    return faulty_real(file)->pMethods->xLock(faulty_real(file), level);
}

static inline int faulty_unlock(sqlite3_file *file, int level)
{
    return faulty_real(file)->pMethods->xUnlock(faulty_real(file), level);
}

static inline int faulty_reserved(sqlite3_file *file, int *out)
{
    return faulty_real(file)->pMethods->xCheckReservedLock(faulty_real(file), out);
}

static inline int faulty_control(sqlite3_file *file, int op, void *arg)
{
    return faulty_real(file)->pMethods->xFileControl(faulty_real(file), op, arg);
}

static inline int faulty_sector(sqlite3_file *file)
{
    return faulty_real(file)->pMethods->xSectorSize(faulty_real(file));
}

static inline int faulty_device(sqlite3_file *file)
{
    return faulty_real(file)->pMethods->xDeviceCharacteristics(faulty_real(file));
}

static const sqlite3_io_methods faulty_methods = {
    .iVersion = 1,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_reserved,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_device,
};

static inline int
faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    struct faulty_file *faulty = (struct faulty_file *)file;
    faulty->base.pMethods = NULL;
    faulty->real = calloc(1, (size_t)faulty_disk.real->szOsFile);
    if (!faulty->real) {
        return SQLITE_NOMEM;
    }
    int rc = faulty_disk.real->xOpen(faulty_disk.real, name, faulty->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        free(faulty->real);
        return rc;
    }
    faulty->base.pMethods = &faulty_methods;
    return SQLITE_OK;
}

static inline void faulty_disk_install(void)
{
    faulty_disk.real = sqlite3_vfs_find(NULL);
    faulty_disk.vfs = *faulty_disk.real;
    faulty_disk.vfs.zName = "faulty";
    faulty_disk.vfs.szOsFile = (int)sizeof(struct faulty_file);
    faulty_disk.vfs.xOpen = faulty_open;
    (void)sqlite3_vfs_register(&faulty_disk.vfs, 1);
}

/* From now on the disk works. */
static inline void faulty_disk_heal(void)
{
    atomic_store(&faulty_disk.fail_at, 0);
    atomic_store(&faulty_disk.quota, 0);
    atomic_store(&faulty_disk.sticky, false);
}

/* The n-th call of `which` from now fails with `error`. */
static inline void faulty_disk_arm(int which, long n, int error, bool sticky)
{
    atomic_store(&faulty_disk.which, which);
    atomic_store(&faulty_disk.count, 0);
    atomic_store(&faulty_disk.failures, 0);
    atomic_store(&faulty_disk.error, error);
    atomic_store(&faulty_disk.sticky, sticky);
    atomic_store(&faulty_disk.fail_at, n);
}

#endif
