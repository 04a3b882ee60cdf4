// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/main/files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elo/json/read.h"
#include "elo/json/write.h"
#include "server/pki/pki.h"

static elo_err of_errno(int error)
{
    return error == EACCES || error == EPERM || error == EROFS ? ELO_E_PERMISSION
           : error == ENOSPC || error == EDQUOT                ? ELO_E_DISK_FULL
                                                               : ELO_E_IO;
}

static elo_err complain(const char *doing, const char *path, char *why, size_t why_cap)
{
    elo_err err = of_errno(errno);
    const char *cure = err == ELO_E_PERMISSION
                           ? "; check its owner and mode, or choose another --data"
                       : err == ELO_E_DISK_FULL ? "; free some space"
                                                : "; check path and disk, or choose another --data";
    snprintf(why, why_cap, "cannot %s %s: %s%s", doing, path, strerror(errno), cure);
    return err;
}

static bool join(const char *dir, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX;
}

/* mkdir -p with 0700 for what is made. The path leaves room for the longest name in the folder. */
elo_err desk_folder(const char *dir, char *why, size_t why_cap)
{
    char path[PATH_MAX];
    if (dir[0] == '\0' || strlen(dir) > PATH_MAX - 64) {
        snprintf(why, why_cap, "the path of the data folder is %s",
                 dir[0] == '\0' ? "empty" : "too long");
        return ELO_E_USAGE;
    }
    snprintf(path, sizeof path, "%s/", dir);
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/') {
            continue;
        }
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return complain("make the folder", path, why, why_cap);
        }
        *p = '/';
    }
    struct stat st;
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode)) {
        snprintf(why, why_cap, "%s is a file, not a folder; choose another --data", dir);
        return ELO_E_USAGE;
    }
    if (access(dir, W_OK | X_OK) != 0) {
        return complain("write in the folder", dir, why, why_cap);
    }
    return ELO_OK;
}

static bool write_all(int fd, elo_span text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? EIO : errno;
            return false;
        }
        text = elo_span_from(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

elo_err desk_write(
    const char *dir, const char *name, elo_span text, unsigned mode, char *why, size_t why_cap)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    char hidden[NAME_MAX];
    snprintf(hidden, sizeof hidden, ".%s.new", name);
    if (!join(dir, name, path) || !join(dir, hidden, temporary)) {
        snprintf(why, why_cap, "the path of the data folder is too long");
        return ELO_E_USAGE;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return complain("write", temporary, why, why_cap);
    }
    int error = fchmod(fd, mode) == 0 && write_all(fd, text) ? 0 : errno;
    if (close(fd) != 0 && error == 0) {
        error = errno;
    }
    if (error == 0 && rename(temporary, path) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary);
        errno = error;
        return complain("write", path, why, why_cap);
    }
    sync_folder(dir);
    return ELO_OK;
}

void desk_remove(const char *dir, const char *name)
{
    char path[PATH_MAX];
    if (join(dir, name, path)) {
        unlink(path);
    }
}

/* The whole of a small file. ELO_E_NOT_FOUND without a word if it is absent. A file that fills
 * `buf` is too large to be what it should be: ELO_E_CORRUPT. */
static elo_err read_small(const char *dir,
                          const char *name,
                          char *buf,
                          size_t cap,
                          size_t *out_len,
                          char *why,
                          size_t why_cap)
{
    char path[PATH_MAX];
    if (!join(dir, name, path)) {
        snprintf(why, why_cap, "the path of the data folder is too long");
        return ELO_E_USAGE;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? ELO_E_NOT_FOUND : complain("read", path, why, why_cap);
    }
    size_t len = 0;
    ssize_t n;
    while (len < cap && (n = read(fd, buf + len, cap - len)) != 0) {
        if (n < 0 && errno != EINTR) {
            elo_err err = complain("read", path, why, why_cap);
            close(fd);
            return err;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (len == cap) {
        snprintf(why, why_cap, "%s has %zu bytes or more, which it should not: move it away", path,
                 cap);
        return ELO_E_CORRUPT;
    }
    *out_len = len;
    return ELO_OK;
}

/* --- desk.json ----------------------------------------------------------------------------------
 */

static bool region_valid(const char *region)
{
    size_t len = strlen(region);
    return len > 0 && len < sizeof((struct desk_identity *)0)->region &&
           strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool account_valid(const char *account)
{
    return strlen(account) == 12 && strspn(account, "0123456789") == 12;
}

static bool take(const struct elo_json_token *value, char *out, size_t cap)
{
    size_t len = 0;
    if (out[0] != '\0' || value->type != ELO_JSON_STRING ||
        elo_json_unescape(value, (uint8_t *)out, cap - 1, &len) != ELO_OK) {
        return false;
    }
    out[len] = '\0';
    return strlen(out) == len;
}

/* One JSON object with both, each once and valid; what else it holds is not ours. */
static bool parse_identity(elo_span text, struct desk_identity *out)
{
    struct elo_json_reader r;
    struct elo_json_token key, value;
    elo_err err;
    bool ok = true;
    elo_json_reader_init(&r, text);
    *out = (struct desk_identity){0};
    while (ok && (err = elo_json_next(&r, &key)) == ELO_OK) {
        if (key.type != ELO_JSON_KEY || key.depth != 1) {
            continue;
        }
        if (elo_json_token_is(&key, ELO_SPAN("region"))) {
            ok = elo_json_next(&r, &value) == ELO_OK &&
                 take(&value, out->region, sizeof out->region);
        } else if (elo_json_token_is(&key, ELO_SPAN("account"))) {
            ok = elo_json_next(&r, &value) == ELO_OK &&
                 take(&value, out->account, sizeof out->account);
        }
    }
    return ok && err == ELO_END && region_valid(out->region) && account_valid(out->account);
}

static elo_err compare(const char *what,
                       const char *wish,
                       const char *have,
                       const char *dir,
                       char *why,
                       size_t why_cap)
{
    if (wish == NULL || strcmp(wish, have) == 0) {
        return ELO_OK;
    }
    snprintf(why, why_cap,
             "%s holds things of %s %s, and their ARNs cannot change: start without --%s, or with "
             "another --data",
             dir, what, have, what);
    return ELO_E_USAGE;
}

static elo_err make_identity(
    const char *region, const char *account, struct desk_identity *out, char *why, size_t why_cap)
{
    region = region ? region : "us-east-1";
    account = account ? account : "000000000000";
    if (!region_valid(region) || !account_valid(account)) {
        snprintf(why, why_cap, "'%s' is no %s", region_valid(region) ? account : region,
                 region_valid(region) ? "account: twelve digits are" : "region: like eu-west-1");
        return ELO_E_USAGE;
    }
    snprintf(out->region, sizeof out->region, "%s", region);
    snprintf(out->account, sizeof out->account, "%s", account);
    out->fresh = true;
    return ELO_OK;
}

elo_err
desk_identity_keep(const char *dir, struct desk_identity *identity, char *why, size_t why_cap)
{
    if (!identity->fresh) {
        return ELO_OK;
    }
    char text[160];
    int len = snprintf(text, sizeof text, "{\"region\":\"%s\",\"account\":\"%s\"}\n",
                       identity->region, identity->account);
    elo_err err = desk_write(dir, "desk.json", elo_span_of(text, (size_t)len), 0644, why, why_cap);
    identity->fresh = err != ELO_OK;
    return err;
}

elo_err desk_identity(const char *dir,
                      const char *region,
                      const char *account,
                      struct desk_identity *out,
                      char *why,
                      size_t why_cap)
{
    char text[1024];
    size_t len = 0;
    elo_err err = read_small(dir, "desk.json", text, sizeof text, &len, why, why_cap);
    if (err == ELO_E_NOT_FOUND) {
        return make_identity(region, account, out, why, why_cap);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (!parse_identity(elo_span_of(text, len), out)) {
        snprintf(why, why_cap,
                 "%s/desk.json is damaged: it must be {\"region\":\"us-east-1\",\"account\":"
                 "\"000000000000\"} with the values that the things' ARNs have",
                 dir);
        return ELO_E_CORRUPT;
    }
    err = compare("region", region, out->region, dir, why, why_cap);
    return err != ELO_OK ? err : compare("account", account, out->account, dir, why, why_cap);
}

/* --- credentials --------------------------------------------------------------------------------
 */

/* The value of "key = value" in the [elo] section of an AWS profile file. */
static bool profile_value(const char *text, const char *key, char *out, size_t cap)
{
    bool ours = false;
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");
        if (*text == '[') {
            ours = strncmp(text, "[elo]", 5) == 0;
        }
        size_t name = strlen(key);
        if (ours && line > name && strncmp(text, key, name) == 0) {
            const char *p = text + name, *end = text + line;
            while (p < end && (*p == ' ' || *p == '=')) {
                p++;
            }
            while (end > p && isspace((unsigned char)end[-1])) {
                end--;
            }
            if (p > text + name && (size_t)(end - p) < cap && end > p) {
                memcpy(out, p, (size_t)(end - p));
                out[end - p] = '\0';
                return true;
            }
        }
        text += line + (text[line] == '\n');
    }
    return false;
}

static bool random_text(const char *alphabet, size_t len, char *out)
{
    uint8_t bytes[64];
    size_t letters = strlen(alphabet);
    if (!pki_random(bytes, len)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[bytes[i] % letters];
    }
    out[len] = '\0';
    return true;
}

static elo_err make_credentials(
    const char *dir, const char *region, struct desk_credentials *out, char *why, size_t why_cap)
{
    memcpy(out->access_key_id, "AKIA", 4);
    /* 32 and 64 letters: every byte's remainder is equally likely. */
    if (!random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, out->access_key_id + 4) ||
        !random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40,
                     out->secret)) {
        snprintf(why, why_cap, "the system gives no random bytes");
        return ELO_E_ENTROPY;
    }
    char text[400];
    int len = snprintf(text, sizeof text,
                       "[elo]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = %s\n",
                       out->access_key_id, out->secret, region);
    return desk_write(dir, "credentials", elo_span_of(text, (size_t)len), 0600, why, why_cap);
}

elo_err desk_credentials(
    const char *dir, const char *region, struct desk_credentials *out, char *why, size_t why_cap)
{
    char text[16384]; /* the user may keep other profiles in it */
    size_t len = 0;
    elo_err err = read_small(dir, "credentials", text, sizeof text, &len, why, why_cap);
    if (err == ELO_E_NOT_FOUND) {
        return make_credentials(dir, region, out, why, why_cap);
    }
    if (err != ELO_OK) {
        return err;
    }
    text[len] = '\0';
    if (!profile_value(text, "aws_access_key_id", out->access_key_id, sizeof out->access_key_id) ||
        !profile_value(text, "aws_secret_access_key", out->secret, sizeof out->secret)) {
        snprintf(why, why_cap,
                 "%s/credentials has no usable profile [elo]: move it away and a new one is made",
                 dir);
        return ELO_E_CORRUPT;
    }
    return ELO_OK;
}
