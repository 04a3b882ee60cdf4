// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "elo/json/read.h"

bool read_file(const char *path, size_t max, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        say_error("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    char piece[4096];
    size_t n;
    buf_init(out, max);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
        buf_add(out, elo_span_of(piece, n));
    }
    bool broken = ferror(f) != 0;
    fclose(f);
    if (broken || buf_err(out) != ELO_OK) {
        say_error("cannot read %s: %s", path,
                  broken ? strerror(errno) : "it is larger than such a file can be");
        buf_free(out);
        return false;
    }
    return true;
}

bool json_text(elo_span json, const char *key, struct buf *out)
{
    struct elo_json_reader r;
    struct elo_json_token name, value;
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &name) == ELO_OK) {
        if (name.type != ELO_JSON_KEY || !elo_json_token_is(&name, elo_span_str(key))) {
            continue;
        }
        size_t len = 0;
        if (elo_json_next(&r, &value) != ELO_OK || value.type != ELO_JSON_STRING) {
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
    return false;
}

/* A member into a fixed field; false if it is absent or too long. */
static bool take(elo_span json, const char *key, char *out, size_t cap)
{
    struct buf text;
    if (!json_text(json, key, &text)) {
        return false;
    }
    bool fits = buf_span(&text).len < cap;
    if (fits) {
        memcpy(out, buf_span(&text).ptr, buf_span(&text).len + 1);
    }
    buf_free(&text);
    return fits;
}

static bool read_json(const char *dir, const char *name, struct buf *out)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && read_file(path, 65536, out);
}

/* The value of "key = value"; the desk's credentials file has one profile. */
static bool profile_value(const char *text, const char *key, char *out, size_t cap)
{
    const char *p = strstr(text, key);
    if (p == NULL) {
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
    struct buf text;
    if (!read_file(out->credentials_path, 65536, &text)) {
        return false;
    }
    buf_byte(&text, 0);
    const char *t = (const char *)buf_span(&text).ptr;
    bool ok =
        t != NULL &&
        profile_value(t, "aws_access_key_id", out->access_key_id, sizeof out->access_key_id) &&
        profile_value(t, "aws_secret_access_key", out->secret, sizeof out->secret);
    buf_free(&text);
    if (!ok) {
        say_reason(ELO_E_CREDENTIALS, out->credentials_path);
    }
    return ok;
}

static bool read_endpoints(struct desk_info *out)
{
    struct buf json;
    if (!read_json(out->dir, "endpoints.json", &json)) {
        return false;
    }
    bool ok = take(buf_span(&json), "mqtts", out->mqtts, sizeof out->mqtts) &&
              take(buf_span(&json), "http", out->http, sizeof out->http);
    buf_free(&json);
    ok = ok && read_json(out->dir, "desk.json", &json);
    if (ok) {
        ok = take(buf_span(&json), "region", out->region, sizeof out->region) &&
             take(buf_span(&json), "account", out->account, sizeof out->account);
        buf_free(&json);
    }
    if (!ok) {
        say_error("%s has files that are not the desk's: endpoints.json, desk.json", out->dir);
    }
    return ok;
}

int desk_find(const char *data, struct desk_info *out)
{
    memset(out, 0, sizeof *out);
    char path[PATH_MAX];
    if (!data_folder(data, out->dir, sizeof out->dir)) {
        return EXIT_USAGE;
    }
    if (strlen(out->dir) + 32 > PATH_MAX) {
        say_error("the path of the data folder is too long");
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "%.*s/endpoints.json", PATH_MAX - 32, out->dir);
    snprintf(out->ca_path, sizeof out->ca_path, "%.*s/ca.pem", PATH_MAX - 32, out->dir);
    snprintf(out->credentials_path, sizeof out->credentials_path, "%.*s/credentials", PATH_MAX - 32,
             out->dir);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        say_error("no desk runs with the data folder %s\n"
                  "     Start one with `elo up`%s, or name another folder with --data DIR.",
                  out->dir, data ? " --data DIR" : "");
        return EXIT_NETWORK;
    }
    fclose(f);
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
