// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A folder of its own for a test, its files as buffers, and the openssl command run in it: the
 * second opinion on what server/pki writes.
 */
#ifndef TESTS_SUPPORT_DESK_DIR_H
#define TESTS_SUPPORT_DESK_DIR_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/buf.h"
#include "server/base/limits.h"

struct desk_dir {
    char path[32];
};

static inline struct desk_dir desk_dir_make(void)
{
    struct desk_dir dir = {.path = "/tmp/elo-pki-XXXXXX"};
    assert_non_null(mkdtemp(dir.path));
    return dir;
}

/* How many files are in it. */
static inline size_t desk_dir_count(const struct desk_dir *dir)
{
    size_t count = 0;
    DIR *d = opendir(dir->path);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        count += e->d_name[0] != '.';
    }
    closedir(d);
    return count;
}

static inline void desk_path(const struct desk_dir *dir, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", dir->path, name);
}

static inline bool desk_has(const struct desk_dir *dir, const char *name)
{
    char path[128];
    desk_path(dir, name, path);
    return access(path, F_OK) == 0;
}

static inline void desk_remove(const struct desk_dir *dir, const char *name)
{
    char path[128];
    desk_path(dir, name, path);
    assert_int_equal(unlink(path), 0);
}

static inline void desk_dir_remove(const struct desk_dir *dir)
{
    DIR *d = opendir(dir->path);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.') {
            unlinkat(dirfd(d), e->d_name, 0);
        }
    }
    closedir(d);
    assert_int_equal(rmdir(dir->path), 0);
}

static inline struct buf desk_read_stream(FILE *in, const char *what)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    if (in == NULL) {
        fail_msg("cannot read %s", what);
    }
    for (size_t got = 1; got > 0;) {
        uint8_t *room = buf_room(&b, 4096);
        assert_non_null(room);
        got = fread(room, 1, 4096, in);
        buf_wrote(&b, got);
    }
    return b;
}

static inline struct buf desk_read_path(const char *path)
{
    FILE *in = fopen(path, "rb");
    struct buf b = desk_read_stream(in, path);
    fclose(in);
    return b;
}

static inline struct buf desk_read(const struct desk_dir *dir, const char *name)
{
    char path[128];
    desk_path(dir, name, path);
    return desk_read_path(path);
}

/* The file then has mode 0600. */
static inline void desk_write(const struct desk_dir *dir, const char *name, elo_span content)
{
    char path[128];
    desk_path(dir, name, path);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_true(content.len == 0 || fwrite(content.ptr, content.len, 1, out) == 1);
    assert_int_equal(fchmod(fileno(out), 0600), 0);
    assert_int_equal(fclose(out), 0);
}

static inline unsigned desk_mode(const struct desk_dir *dir, const char *name)
{
    char path[128];
    struct stat st;
    desk_path(dir, name, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* The standard output of a shell command. */
static inline struct buf desk_run(const char *command)
{
    FILE *in = popen(command, "r");
    struct buf b = desk_read_stream(in, command);
    if (pclose(in) != 0) {
        fail_msg("failed: %s", command);
    }
    return b;
}

/* Runs `command` in the folder; its output must contain `text`. */
static inline void desk_expect(const struct desk_dir *dir, const char *command, const char *text)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && { %s; }", dir->path, command);
    struct buf out = desk_run(line);
    elo_span all = buf_span(&out);
    if (memmem(all.ptr, all.len, text, strlen(text)) == NULL) {
        fail_msg("%s: no \"%s\" in:\n%.*s", command, text, (int)all.len, (const char *)all.ptr);
    }
    buf_free(&out);
}

#endif
