// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "elo/json/read.h"
#include "ports/posix/file.h"

void say_unreadable(const char *path, elo_err err)
{
    const char *why = err == ELO_E_TOO_LARGE ? "it is larger than such a file can be"
                      : errno != 0           ? strerror(errno)
                                             : "it is no file";
    say_error("cannot read %s: %s", path, why);
}

bool read_file(const char *path, size_t max, elo_span *out)
{
    errno = 0;
    elo_err err = posix_file_read(path, max, out);
    if (err != ELO_OK) {
        say_unreadable(path, err);
    }
    return err == ELO_OK;
}

/* The string value after the key just read, unescaped. */
static bool take_text(struct elo_json_reader *r, struct buf *out)
{
    struct elo_json_token value;
    size_t len = 0;
    if (elo_json_next(r, &value) != ELO_OK || value.type != ELO_JSON_STRING) {
        return false;
    }
    buf_init(out, 1u << 20);
    uint8_t *room = buf_room(out, value.raw.len + 1);
    if (room == NULL || elo_json_unescape(&value, room, value.raw.len, &len) != ELO_OK) {
        buf_free(out);
        return false;
    }
    room[len] = '\0';
    buf_wrote(out, len);
    return true;
}

bool json_text(elo_span json, const char *key, struct buf *out)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, json);
    if (elo_json_next(&r, &token) != ELO_OK || token.type != ELO_JSON_OBJECT_BEGIN) {
        return false;
    }
    while (elo_json_next(&r, &token) == ELO_OK && token.type == ELO_JSON_KEY) {
        if (elo_json_token_is(&token, elo_span_str(key))) {
            return take_text(&r, out);
        }
        if (elo_json_skip(&r, &token, NULL) != ELO_OK) {
            return false;
        }
    }
    return false;
}

bool json_field(elo_span json, const char *key, char *out, size_t cap)
{
    struct buf text;
    if (!json_text(json, key, &text)) {
        return false;
    }
    elo_span t = buf_span(&text);
    bool fits = t.len < cap && memchr(t.ptr, 0, t.len) == NULL;
    if (fits) {
        memcpy(out, t.ptr, t.len);
        out[t.len] = '\0';
    }
    buf_free(&text);
    return fits;
}

static bool read_json(const char *dir, const char *name, elo_span *out)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && read_file(path, 65536, out);
}

/* The value of "key = value"; the desk's credentials file has one profile. */
static bool profile_value(const char *text, const char *key, char *out, size_t cap)
{
    const char *p = strstr(text, key);
    if (p == NULL || (p > text && p[-1] != '\n')) {
        return false;
    }
    p += strlen(key);
    p += strspn(p, " =");
    size_t len = strcspn(p, " \r\n");
    if (len == 0 || len >= cap) {
        return false;
    }
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

static bool read_credentials(struct desk_info *out)
{
    elo_span text;
    if (!read_file(out->credentials_path, 65536, &text)) {
        return false;
    }
    const char *t = (const char *)text.ptr;
    bool ok =
        profile_value(t, "aws_access_key_id", out->access_key_id, sizeof out->access_key_id) &&
        profile_value(t, "aws_secret_access_key", out->secret, sizeof out->secret);
    posix_file_free(&text);
    if (!ok) {
        say_reason(ELO_E_CREDENTIALS, out->credentials_path);
    }
    return ok;
}

static bool read_endpoints(struct desk_info *out)
{
    elo_span json;
    if (!read_json(out->dir, "endpoints.json", &json)) {
        return false;
    }
    bool ok = json_field(json, "mqtts", out->mqtts, sizeof out->mqtts) &&
              json_field(json, "http", out->http, sizeof out->http);
    posix_file_free(&json);
    if (ok && !read_json(out->dir, "desk.json", &json)) {
        return false;
    }
    if (ok) {
        ok = json_field(json, "region", out->region, sizeof out->region) &&
             json_field(json, "account", out->account, sizeof out->account);
        posix_file_free(&json);
    }
    if (!ok) {
        say_error("%s has files that are not the desk's: endpoints.json, desk.json", out->dir);
    }
    return ok;
}

static int say_no_desk(const char *dir)
{
    struct buf option;
    say_error("no desk runs with the data folder %s\n"
              "     Start one with `elo up%s`, or name another folder with --data DIR.",
              dir, data_option(dir, &option));
    buf_free(&option);
    return EXIT_NETWORK;
}

int desk_find(const char *data, struct desk_info *out)
{
    memset(out, 0, sizeof *out);
    char path[PATH_MAX];
    if (!data_folder(data, out->dir, sizeof out->dir)) {
        return EXIT_USAGE;
    }
    if (strlen(out->dir) + 64 > PATH_MAX) {
        say_error("the path of the data folder is too long");
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "%.*s/endpoints.json", PATH_MAX - 64, out->dir);
    snprintf(out->ca_path, sizeof out->ca_path, "%.*s/ca.pem", PATH_MAX - 64, out->dir);
    snprintf(out->credentials_path, sizeof out->credentials_path, "%.*s/credentials", PATH_MAX - 64,
             out->dir);
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return say_no_desk(out->dir);
    }
    return read_endpoints(out) && read_credentials(out) ? EXIT_OK : EXIT_FAILED;
}

bool split_host_port(const char *text, char *host, size_t host_cap, int *out_port)
{
    const char *colon = strrchr(text, ':');
    long port = 0;
    if (colon == NULL || !parse_number(colon + 1, 1, 65535, &port)) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= host_cap) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    *out_port = (int)port;
    return true;
}

void url_encode(const char *text, struct buf *out)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_.~", *p) != NULL;
        if (plain) {
            buf_byte(out, *p);
        } else {
            buf_format(out, "%%%02X", *p);
        }
    }
}
