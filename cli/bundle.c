// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: making a bundle is a list of steps, each a call of the AWS API with the call that
 * takes it back. The files are written last and renamed into place; when any step fails, the steps
 * before it are taken back in reverse order.
 */
#include "cli/bundle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "server/pki/pki.h"

struct making {
    const struct desk_info *desk;
    const struct bundle_wish *wish;
    struct buf key, csr, certificate;
    char certificate_id[65];
    char arn[256];
    bool thing_made, certificate_made, policy_made, policy_attached, thing_attached;
};

/* --- calls ---------------------------------------------------------------------------------------
 */

static void path_of(struct buf *out, const char *before, const char *name, const char *after)
{
    buf_init(out, 4096);
    buf_text(out, before);
    url_encode(name, out);
    buf_text(out, after);
    buf_byte(out, 0);
}

static int call(const struct making *m,
                const char *method,
                const char *before,
                const char *name,
                const char *after,
                const char *body,
                const char *principal,
                struct buf *reply)
{
    struct buf path;
    path_of(&path, before, name, after);
    int status = desk_call(m->desk, "iot", method, (const char *)buf_span(&path).ptr, body,
                           principal, reply);
    buf_free(&path);
    return status;
}

/* A failed call in words. */
static int complain(int status, const char *doing, const struct buf *reply)
{
    struct buf message;
    if (status < 0) {
        return EXIT_NETWORK; /* said already */
    }
    bool has = json_text(buf_span(reply), "message", &message);
    say_error("%s: the desk answers %d%s%s", doing, status, has ? ": " : "",
              has ? (const char *)buf_span(&message).ptr : "");
    if (has) {
        buf_free(&message);
    }
    return status == 403 ? EXIT_REFUSED : status == 409 ? EXIT_CONFLICT : EXIT_FAILED;
}

static void step(const struct making *m, const char *operation, const char *what)
{
    if (!m->wish->quiet) {
        fprintf(stderr, "  %-28s %s\n", operation, what);
    }
}

/* Calls, says what AWS calls it, and frees the reply. */
static int do_step(const struct making *m,
                   const char *operation,
                   const char *what,
                   const char *method,
                   const char *before,
                   const char *name,
                   const char *after,
                   const char *body,
                   const char *principal)
{
    struct buf reply;
    int status = call(m, method, before, name, after, body, principal, &reply);
    int code = status == 200 ? EXIT_OK : complain(status, operation, &reply);
    buf_free(&reply);
    if (code == EXIT_OK) {
        step(m, operation, what);
    }
    return code;
}

static void undo(const struct making *m,
                 const char *method,
                 const char *before,
                 const char *name,
                 const char *after,
                 const char *body,
                 const char *principal)
{
    struct buf reply;
    call(m, method, before, name, after, body, principal, &reply);
    buf_free(&reply);
}

/* --- the steps -----------------------------------------------------------------------------------
 */

static int make_thing(struct making *m)
{
    struct buf reply;
    if (m->wish->thing == NULL) {
        return EXIT_OK;
    }
    int status = call(m, "GET", "/things/", m->wish->thing, "", NULL, NULL, &reply);
    int code = EXIT_OK;
    if (status == 200) {
        say_error(
            "there is a thing '%s' already\n     Choose another name, or remove it: elo aws iot "
            "delete-thing --thing-name %s",
            m->wish->thing, m->wish->thing);
        code = EXIT_CONFLICT;
    } else if (status != 404) {
        code = complain(status, "iot:DescribeThing", &reply);
    }
    buf_free(&reply);
    if (code == EXIT_OK) {
        code = do_step(m, "iot:CreateThing", m->wish->thing, "POST", "/things/", m->wish->thing, "",
                       "{}", NULL);
    }
    m->thing_made = code == EXIT_OK;
    return code;
}

static bool take_certificate(struct making *m, elo_span reply)
{
    struct buf id, arn;
    if (!json_text(reply, "certificateId", &id)) {
        return false;
    }
    snprintf(m->certificate_id, sizeof m->certificate_id, "%s", (const char *)buf_span(&id).ptr);
    buf_free(&id);
    if (!json_text(reply, "certificateArn", &arn)) {
        return false;
    }
    snprintf(m->arn, sizeof m->arn, "%s", (const char *)buf_span(&arn).ptr);
    buf_free(&arn);
    return json_text(reply, "certificatePem", &m->certificate);
}

static int make_certificate(struct making *m)
{
    if (pki_make_key_and_csr(m->wish->client_id, &m->key, &m->csr) != ELO_OK) {
        say_error("no key could be made");
        return EXIT_FAILED;
    }
    uint8_t body[4096];
    size_t len = 0;
    struct elo_json_writer w;
    elo_json_writer_init(&w, body, sizeof body - 1);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("certificateSigningRequest"));
    elo_json_string(&w, buf_span(&m->csr));
    elo_json_end_object(&w);
    if (elo_json_finish(&w, &len) != ELO_OK) {
        say_error("the name is too long for a certificate");
        return EXIT_USAGE;
    }
    body[len] = '\0';
    struct buf reply;
    int status =
        call(m, "POST", "/certificates?setAsActive=true", "", "", (const char *)body, NULL, &reply);
    bool ok = status == 200 && take_certificate(m, buf_span(&reply));
    int code = ok ? EXIT_OK : complain(status, "iot:CreateCertificateFromCsr", &reply);
    buf_free(&reply);
    m->certificate_made = ok;
    if (ok) {
        step(m, "iot:CreateCertificateFromCsr", m->certificate_id);
    }
    return code;
}

static int make_policy(struct making *m)
{
    struct buf reply, body;
    uint8_t text[8192];
    size_t len = 0;
    struct elo_json_writer w;
    int status = call(m, "GET", "/policies/", m->wish->policy, "", NULL, NULL, &reply);
    int code = status == 200 || status == 404 ? EXIT_OK : complain(status, "iot:GetPolicy", &reply);
    buf_free(&reply);
    if (status != 404) {
        return code;
    }
    elo_json_writer_init(&w, text, sizeof text - 1);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("policyDocument"));
    elo_json_string(&w, elo_span_str(m->wish->policy_document));
    elo_json_end_object(&w);
    if (elo_json_finish(&w, &len) != ELO_OK) {
        return say_reason(ELO_E_TOO_LARGE, "the policy document");
    }
    buf_init(&body, sizeof text);
    buf_add(&body, elo_span_of(text, len));
    buf_byte(&body, 0);
    code = do_step(m, "iot:CreatePolicy", m->wish->policy, "POST", "/policies/", m->wish->policy,
                   "", (const char *)buf_span(&body).ptr, NULL);
    buf_free(&body);
    m->policy_made = code == EXIT_OK;
    return code;
}

static int attach(struct making *m)
{
    char body[320];
    snprintf(body, sizeof body, "{\"target\":\"%s\"}", m->arn);
    int code = do_step(m, "iot:AttachPolicy", m->wish->policy, "PUT", "/target-policies/",
                       m->wish->policy, "", body, NULL);
    m->policy_attached = code == EXIT_OK;
    if (code == EXIT_OK && m->wish->thing != NULL) {
        code = do_step(m, "iot:AttachThingPrincipal", m->wish->thing, "PUT", "/things/",
                       m->wish->thing, "/principals", NULL, m->arn);
        m->thing_attached = code == EXIT_OK;
    }
    return code;
}

static void take_back(const struct making *m)
{
    char body[320];
    snprintf(body, sizeof body, "{\"target\":\"%s\"}", m->arn);
    if (m->thing_attached) {
        undo(m, "DELETE", "/things/", m->wish->thing, "/principals", NULL, m->arn);
    }
    if (m->policy_attached) {
        undo(m, "POST", "/target-policies/", m->wish->policy, "", body, NULL);
    }
    if (m->policy_made) {
        undo(m, "DELETE", "/policies/", m->wish->policy, "", NULL, NULL);
    }
    if (m->certificate_made) {
        undo(m, "PUT", "/certificates/", m->certificate_id, "?newStatus=INACTIVE", NULL, NULL);
        undo(m, "DELETE", "/certificates/", m->certificate_id, "", NULL, NULL);
    }
    if (m->thing_made) {
        undo(m, "DELETE", "/things/", m->wish->thing, "", NULL, NULL);
    }
}

/* --- files ---------------------------------------------------------------------------------------
 */

static bool join(const char *dir, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX;
}

static bool write_file(const char *dir, const char *name, elo_span text, mode_t mode)
{
    char path[PATH_MAX];
    if (!join(dir, name, path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok = fd >= 0 && fchmod(fd, mode) == 0;
    while (ok && text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        ok = n > 0;
        text = ok ? elo_span_from(text, (size_t)n) : text;
    }
    ok = ok && fsync(fd) == 0;
    return (fd < 0 || close(fd) == 0) && ok;
}

/* TLS wants a name; an address has none, so the desk's certificate carries one for that case. */
static const char *server_name_of(const char *host)
{
    struct in6_addr address;
    bool numeric =
        inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    return numeric ? DESK_SERVER_NAME : host;
}

static bool
write_config(const struct desk_info *desk, const struct bundle_wish *wish, const char *dir)
{
    char host[256];
    int port = 0;
    uint8_t text[1024];
    size_t len = 0;
    struct elo_json_writer w;
    if (!split_host_port(desk->mqtts, host, sizeof host, &port)) {
        return false;
    }
    elo_json_writer_init(&w, text, sizeof text - 1);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("thingName"));
    elo_json_string(&w, elo_span_str(wish->thing));
    elo_json_key(&w, ELO_SPAN("clientId"));
    elo_json_string(&w, elo_span_str(wish->client_id));
    elo_json_key(&w, ELO_SPAN("host"));
    elo_json_string(&w, elo_span_str(host));
    elo_json_key(&w, ELO_SPAN("port"));
    elo_json_int(&w, port);
    elo_json_key(&w, ELO_SPAN("serverName"));
    elo_json_string(&w, elo_span_str(server_name_of(host)));
    elo_json_key(&w, ELO_SPAN("prefix"));
    char prefix[160];
    snprintf(prefix, sizeof prefix, "elo/%s", wish->client_id);
    elo_json_string(&w, elo_span_str(prefix));
    elo_json_end_object(&w);
    if (elo_json_finish(&w, &len) != ELO_OK) {
        return false;
    }
    text[len] = '\n';
    return write_file(dir, "config.json", elo_span_of(text, len + 1), 0644);
}

static const char *const file_names[] = {"ca.pem", "cert.pem", "key.pem", "config.json"};

static void remove_folder(const char *dir)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof file_names / sizeof file_names[0]; i++) {
        if (join(dir, file_names[i], path)) {
            unlink(path);
        }
    }
    rmdir(dir);
}

static int write_bundle(const struct making *m)
{
    char beside[PATH_MAX];
    struct buf ca;
    int n = snprintf(beside, sizeof beside, "%s.new", m->wish->dir);
    if (n < 0 || (size_t)n >= sizeof beside || !read_file(m->desk->ca_path, 65536, &ca)) {
        return EXIT_FAILED;
    }
    remove_folder(beside); /* left by a run that was killed */
    bool ok = mkdir(beside, 0700) == 0 && write_file(beside, "ca.pem", buf_span(&ca), 0644) &&
              write_file(beside, "cert.pem", buf_span(&m->certificate), 0644) &&
              write_file(beside, "key.pem", buf_span(&m->key), 0600) &&
              write_config(m->desk, m->wish, beside) && rename(beside, m->wish->dir) == 0;
    if (!ok) {
        say_error("cannot write the bundle %s: %s", m->wish->dir, strerror(errno));
        remove_folder(beside);
    }
    buf_free(&ca);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int bundle_make(const struct desk_info *desk, const struct bundle_wish *wish)
{
    struct making m = {.desk = desk, .wish = wish};
    struct stat there;
    if (stat(wish->dir, &there) == 0) {
        say_error("%s is there already\n     Choose another folder with --out, or move it away.",
                  wish->dir);
        return EXIT_CONFLICT;
    }
    buf_init(&m.key, 65536);
    buf_init(&m.csr, 65536);
    buf_init(&m.certificate, 65536);
    int (*const steps[])(struct making *) = {make_thing, make_certificate, make_policy, attach};
    int code = EXIT_OK;
    for (size_t i = 0; code == EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        code = steps[i](&m);
    }
    if (code == EXIT_OK) {
        code = write_bundle(&m);
    }
    if (code != EXIT_OK) {
        take_back(&m);
    }
    if (buf_span(&m.key).len > 0) {
        explicit_bzero((void *)(uintptr_t)buf_span(&m.key).ptr, buf_span(&m.key).len);
    }
    buf_free(&m.key);
    buf_free(&m.csr);
    buf_free(&m.certificate);
    return code;
}

/* --- reading -------------------------------------------------------------------------------------
 */

static bool member(elo_span json, const char *key, char *out, size_t cap)
{
    struct buf text;
    if (!json_text(json, key, &text)) {
        return false;
    }
    bool fits = buf_span(&text).len < cap &&
                strlen((const char *)buf_span(&text).ptr) == buf_span(&text).len;
    if (fits) {
        memcpy(out, buf_span(&text).ptr, buf_span(&text).len + 1);
    }
    buf_free(&text);
    return fits;
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

static bool load_config(struct bundle *b, const char *path)
{
    struct buf json;
    if (!read_file(path, 65536, &json)) {
        return false;
    }
    elo_span text = buf_span(&json);
    bool ok = elo_json_validate(text) == ELO_OK &&
              member(text, "clientId", b->client_id, sizeof b->client_id) &&
              member(text, "host", b->host, sizeof b->host) && member_port(text, &b->port) &&
              member(text, "prefix", b->prefix, sizeof b->prefix);
    if (!ok) {
        say_error("%s is no bundle's config.json: it needs clientId, host, port and prefix", path);
    }
    if (!member(text, "serverName", b->server_name, sizeof b->server_name)) {
        snprintf(b->server_name, sizeof b->server_name, "%s", b->host);
    }
    if (!member(text, "thingName", b->thing, sizeof b->thing)) {
        b->thing[0] = '\0';
    }
    buf_free(&json);
    return ok;
}

static bool load_pem(const char *dir, const char *name, struct buf *out)
{
    char path[PATH_MAX];
    if (!join(dir, name, path) || !read_file(path, 65536, out)) {
        return false;
    }
    buf_byte(out, 0);
    return buf_err(out) == ELO_OK;
}

static bool key_is_private(const char *dir)
{
    char path[PATH_MAX];
    struct stat key;
    if (join(dir, "key.pem", path) && stat(path, &key) == 0 && (key.st_mode & 077) != 0) {
        say_error("%s can be read by others\n     chmod 600 %s", path, path);
        return false;
    }
    return true;
}

int bundle_load(const char *dir, struct bundle *out)
{
    char config[PATH_MAX];
    memset(out, 0, sizeof *out);
    buf_init(&out->ca, 65536);
    buf_init(&out->cert, 65536);
    buf_init(&out->key, 65536);
    if (strlen(dir) >= sizeof out->dir || !join(dir, "config.json", config)) {
        say_error("the path of the bundle is too long");
        return EXIT_USAGE;
    }
    memcpy(out->dir, dir, strlen(dir) + 1);
    if (!load_config(out, config) || !key_is_private(dir) || !load_pem(dir, "ca.pem", &out->ca) ||
        !load_pem(dir, "cert.pem", &out->cert) || !load_pem(dir, "key.pem", &out->key)) {
        bundle_free(out);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

void bundle_free(struct bundle *b)
{
    if (buf_span(&b->key).len > 0) {
        explicit_bzero((void *)(uintptr_t)buf_span(&b->key).ptr, buf_span(&b->key).len);
    }
    buf_free(&b->ca);
    buf_free(&b->cert);
    buf_free(&b->key);
}

int bundle_readdress(const char *dir, const struct desk_info *desk)
{
    struct bundle b;
    char beside[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    int n = snprintf(beside, sizeof beside, "%s/.new", dir);
    int code = bundle_load(dir, &b);
    if (code != EXIT_OK) {
        return code;
    }
    struct bundle_wish wish = {.thing = b.thing[0] ? b.thing : NULL, .client_id = b.client_id};
    bool ok = n > 0 && (size_t)n < sizeof beside && join(beside, "config.json", from) &&
              join(dir, "config.json", to) && (mkdir(beside, 0700) == 0 || errno == EEXIST) &&
              write_config(desk, &wish, beside) && rename(from, to) == 0;
    rmdir(beside);
    bundle_free(&b);
    if (!ok) {
        say_error("cannot write %s/config.json: %s", dir, strerror(errno));
    }
    return ok ? EXIT_OK : EXIT_FAILED;
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
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Subscribe\",\"Resource\":"
               "\"%s:topicfilter/elo/" THING "/cmd\"},"
               "{\"Effect\":\"Allow\",\"Action\":\"iot:Receive\",\"Resource\":"
               "\"%s:topic/elo/" THING "/cmd\"}]}",
               arn, arn, arn, arn, arn, arn);
    buf_byte(out, 0);
}

int bundle_operator(const struct desk_info *desk, struct bundle *out)
{
    char dir[PATH_MAX], config[PATH_MAX];
    struct stat there;
    if (!join(desk->dir, "operator", dir) || !join(dir, "config.json", config)) {
        return EXIT_USAGE;
    }
    if (stat(config, &there) != 0) {
        struct bundle_wish wish = {
            .dir = dir,
            .client_id = "elo-operator",
            .policy = "elo-operator",
            .policy_document =
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
                "[\"iot:Connect\",\"iot:Publish\",\"iot:RetainPublish\",\"iot:Subscribe\","
                "\"iot:Receive\"],\"Resource\":\"*\"}]}",
            .quiet = true,
        };
        int code = bundle_make(desk, &wish);
        if (code != EXIT_OK) {
            return code;
        }
    }
    int code = bundle_load(dir, out);
    if (code == EXIT_OK && !split_host_port(desk->mqtts, out->host, sizeof out->host, &out->port)) {
        say_error("%s/endpoints.json has no usable mqtts address", desk->dir);
        code = EXIT_FAILED;
    }
    if (code == EXIT_OK) {
        snprintf(out->server_name, sizeof out->server_name, "%s", server_name_of(out->host));
    }
    return code;
}
