// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Reading bundles, keeping them up to date, and the two kinds of identity that elo makes. */
#include "cli/bundle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "ports/posix/file.h"
#include "server/pki/pki.h"

bool bundle_path(const char *dir, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    bool fits = n > 0 && n < PATH_MAX;
    errno = fits ? errno : ENAMETOOLONG;
    return fits;
}

bool bundle_remove(const char *dir)
{
    static const char *const names[] = {"config.json", "key.pem",    "cert.pem",
                                        "ca.pem",      BUNDLE_FLASH, BUNDLE_FLASH_LX106};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bundle_path(dir, names[i], path)) {
            unlink(path);
        }
    }
    return rmdir(dir) == 0;
}

/* --- config.json ---------------------------------------------------------------------------------
 */

/* TLS wants a name; an address has none, so the desk's certificate carries one for that case. */
static const char *server_name_of(const char *host)
{
    struct in6_addr address;
    bool numeric =
        inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    return numeric ? DESK_SERVER_NAME : host;
}

static void member(struct elo_json_writer *w, const char *key, const char *text)
{
    elo_json_key(w, elo_span_str(key));
    elo_json_string(w, elo_span_str(text));
}

elo_err bundle_write_config(const struct desk_info *desk,
                            const char *thing,
                            const char *client_id,
                            const char *dir)
{
    char host[256], prefix[160], path[PATH_MAX];
    int port = 0;
    uint8_t text[1024];
    size_t len = 0;
    struct elo_json_writer w;
    errno = EINVAL;
    if (!split_host_port(desk->mqtts, host, sizeof host, &port)) {
        return ELO_E_MALFORMED;
    }
    snprintf(prefix, sizeof prefix, "elo/%s", client_id);
    elo_json_writer_init(&w, text, sizeof text - 1);
    elo_json_begin_object(&w);
    member(&w, "thingName", thing);
    member(&w, "clientId", client_id);
    member(&w, "host", host);
    elo_json_key(&w, ELO_SPAN("port"));
    elo_json_int(&w, port);
    member(&w, "serverName", server_name_of(host));
    member(&w, "prefix", prefix);
    elo_json_end_object(&w);
    if (elo_json_finish(&w, &len) != ELO_OK || !bundle_path(dir, "config.json", path)) {
        return ELO_E_TOO_LARGE;
    }
    text[len] = '\n';
    return posix_file_write(path, elo_span_of(text, len + 1), 0644);
}

static bool member_port(elo_span json, int *out)
{
    struct elo_json_reader r;
    struct elo_json_token name, value;
    int64_t port = 0;
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &name) == ELO_OK) {
        if (name.type == ELO_JSON_KEY && elo_json_token_is(&name, ELO_SPAN("port"))) {
            if (elo_json_next(&r, &value) != ELO_OK || elo_json_int64(&value, &port) != ELO_OK ||
                port < 1 || port > 65535) {
                return false;
            }
            *out = (int)port;
            return true;
        }
    }
    return false;
}

static bool load_config(struct bundle *b)
{
    char path[PATH_MAX];
    elo_span json;
    bool fits = bundle_path(b->dir, "config.json", path);
    if (fits && access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        say_error("%s is no bundle: there is no config.json in it\n"
                  "     `elo add NAME` makes one; --bundle DIR names its folder.",
                  b->dir);
        return false;
    }
    if (!fits || !read_file(path, 65536, &json)) {
        return false;
    }
    bool ok = elo_json_validate(json) == ELO_OK &&
              json_field(json, "clientId", b->client_id, sizeof b->client_id) &&
              json_field(json, "host", b->host, sizeof b->host) && member_port(json, &b->port) &&
              json_field(json, "prefix", b->prefix, sizeof b->prefix);
    if (!ok) {
        say_error("%s is no bundle's config.json: it needs clientId, host, port and prefix", path);
    }
    if (!json_field(json, "serverName", b->server_name, sizeof b->server_name)) {
        snprintf(b->server_name, sizeof b->server_name, "%s", b->host);
    }
    if (!json_field(json, "thingName", b->thing, sizeof b->thing)) {
        b->thing[0] = '\0';
    }
    posix_file_free(&json);
    return ok;
}

/* --- the whole folder ----------------------------------------------------------------------------
 */

static bool load_pem(const char *dir, const char *name, elo_span *out)
{
    char path[PATH_MAX];
    return bundle_path(dir, name, path) && read_file(path, 65536, out);
}

static bool load_key(const char *dir, elo_span *out)
{
    char path[PATH_MAX];
    struct buf word;
    if (!bundle_path(dir, "key.pem", path)) {
        return false;
    }
    errno = 0;
    elo_err err = posix_file_read_private(path, 65536, out);
    if (err == ELO_E_PERMISSION && errno == 0) {
        say_error("%s can be read by others, or is another user's\n     chmod 600 %s", path,
                  shell_word(path, &word));
        buf_free(&word);
    } else if (err != ELO_OK) {
        say_unreadable(path, err);
    }
    return err == ELO_OK;
}

int bundle_load(const char *dir, struct bundle *out)
{
    memset(out, 0, sizeof *out);
    if (strlen(dir) >= sizeof out->dir) {
        say_error("the path of the bundle is too long");
        return EXIT_USAGE;
    }
    memcpy(out->dir, dir, strlen(dir) + 1);
    if (!load_config(out) || !load_key(dir, &out->key) || !load_pem(dir, "ca.pem", &out->ca) ||
        !load_pem(dir, "cert.pem", &out->cert)) {
        bundle_free(out);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

void bundle_free(struct bundle *b)
{
    posix_file_free(&b->ca);
    posix_file_free(&b->cert);
    posix_file_free(&b->key);
}

/* --- keeping up to date --------------------------------------------------------------------------
 */

/* Has the desk this certificate? EXIT_OK, EXIT_ABSENT, or another code (said). */
static int ask_for(const struct desk_info *desk, const struct bundle *b)
{
    struct pki_certificate info;
    struct buf reply;
    char target[100], why[160];
    if (pki_certificate_read(b->cert, &info, why, sizeof why) != ELO_OK) {
        return say_reason(ELO_E_BAD_PEM, b->dir);
    }
    snprintf(target, sizeof target, "/certificates/%s", info.id);
    int status = desk_call(desk, "iot", "GET", target, NULL, NULL, &reply);
    buf_free(&reply);
    if (status >= 0 && status != 200 && status != 404) {
        say_error("iot:DescribeCertificate: the desk answers %d", status);
    }
    return status == 200   ? EXIT_OK
           : status == 404 ? EXIT_ABSENT
           : status < 0    ? EXIT_NETWORK
                           : EXIT_FAILED;
}

static bool same_address(const struct desk_info *desk, const struct bundle *b)
{
    char host[256];
    int port = 0;
    return split_host_port(desk->mqtts, host, sizeof host, &port) && strcmp(host, b->host) == 0 &&
           port == b->port && strcmp(b->server_name, server_name_of(host)) == 0;
}

/* The desk may listen elsewhere today, or have a new CA. */
static int bring_up_to_date(const struct desk_info *desk, struct bundle *b)
{
    elo_span ca;
    char path[PATH_MAX];
    elo_err err = ELO_OK;
    if (!read_file(desk->ca_path, 65536, &ca)) {
        return EXIT_FAILED;
    }
    bool old_ca = !elo_span_eq(ca, b->ca), old_address = !same_address(desk, b);
    if (old_ca) {
        err = bundle_path(b->dir, "ca.pem", path) ? posix_file_write(path, ca, 0644)
                                                  : ELO_E_NOT_FOUND;
    }
    if (old_address && err == ELO_OK) {
        err = bundle_write_config(desk, b->thing[0] ? b->thing : NULL, b->client_id, b->dir);
    }
    posix_file_free(&ca);
    if (err != ELO_OK) {
        say_error("cannot bring %s up to date: %s", b->dir, strerror(errno));
        return EXIT_FAILED;
    }
    if (!old_ca && !old_address) {
        return EXIT_OK;
    }
    char dir[PATH_MAX];
    memcpy(dir, b->dir, sizeof dir);
    bundle_free(b);
    return bundle_load(dir, b);
}

/* The bundle that is there: EXIT_OK and `*out`, EXIT_ABSENT if the place is free for a new one. */
static int use(const struct desk_info *desk, const char *dir, struct bundle *out)
{
    struct stat there;
    char config[PATH_MAX];
    if (!bundle_path(dir, "config.json", config) || lstat(config, &there) != 0) {
        return EXIT_ABSENT;
    }
    int code = bundle_load(dir, out);
    if (code != EXIT_OK) {
        return code;
    }
    code = ask_for(desk, out);
    if (code == EXIT_OK) {
        code = bring_up_to_date(desk, out);
    }
    if (code == EXIT_ABSENT && !bundle_remove(dir)) {
        say_error("the desk does not know the device in %s, and the folder cannot be removed: %s",
                  dir, strerror(errno));
        code = EXIT_FAILED;
    }
    if (code != EXIT_OK) {
        bundle_free(out);
    }
    return code;
}

int bundle_ensure(const struct desk_info *desk, const struct bundle_wish *wish, struct bundle *out)
{
    int lock = open(desk->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        say_error("cannot use the data folder %s: %s", desk->dir, strerror(errno));
        return EXIT_FAILED;
    }
    int code = use(desk, wish->dir, out);
    if (code == EXIT_ABSENT) {
        code = bundle_make(desk, wish);
        if (code == EXIT_OK) {
            code = bundle_load(wish->dir, out);
        }
    }
    close(lock);
    return code;
}

/* --- the two kinds of identity -------------------------------------------------------------------
 */

#define THING "${iot:Connection.Thing.ThingName}"

void device_policy(const struct desk_info *desk, struct buf *out)
{
    char arn[80];
    snprintf(arn, sizeof arn, "arn:aws:iot:%s:%s", desk->region, desk->account);
    buf_init(out, 8192);
    buf_format(out,
               "{\"Version\":\"2012-10-17\",\"Statement\":["
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Connect\",\"Resource\":\"%s:client/" THING
               "\","
               "\"Condition\":{\"Bool\":{\"iot:Connection.Thing.IsAttached\":\"true\"}}},"
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Publish\",\"Resource\":["
               "\"%s:topic/elo/" THING "/telemetry\",\"%s:topic/elo/" THING "/state\","
               "\"%s:topic/elo/" THING "/reply\"]},"
               "{\"Effect\":\"Allow\",\"Action\":[\"iot:Publish\",\"iot:RetainPublish\"],"
               "\"Resource\":\"%s:topic/elo/" THING "/describe\"},"
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Subscribe\",\"Resource\":"
               "\"%s:topicfilter/elo/" THING "/cmd\"},"
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Receive\",\"Resource\":"
               "\"%s:topic/elo/" THING "/cmd\"}]}",
               arn, arn, arn, arn, arn, arn, arn);
    buf_byte(out, 0);
}

int bundle_operator(const struct desk_info *desk, struct bundle *out)
{
    char dir[PATH_MAX];
    struct bundle_wish wish = {
        .dir = dir,
        .client_id = "elo-operator",
        .policy = "elo-operator",
        .policy_document =
            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
            "[\"iot:Connect\",\"iot:Publish\",\"iot:RetainPublish\",\"iot:Subscribe\","
            "\"iot:Receive\"],\"Resource\":\"*\"}]}",
    };
    return bundle_path(desk->dir, "operator", dir) ? bundle_ensure(desk, &wish, out) : EXIT_USAGE;
}
