// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Making a bundle. How this works: a list of steps, each of which leaves behind what it made: a
 * folder beside the place of the bundle, and, by calls of the AWS API, thing, certificate, policy
 * and attachments. The last step renames the folder into place. When a step fails, all that was
 * made before is taken back in reverse order. For a board there is no folder: it has made its key
 * itself, and the last step hands the certificate over.
 *
 * Killed between two steps, it leaves a thing without a certificate (which the next run takes), or
 * a certificate that nobody has the key of; never a folder that looks like a device and is none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bundle.h"
#include "cli/cli.h"
#include "cli/stop.h"
#include "elo/json/read.h"
#include "elo/json/write.h"
#include "ports/posix/file.h"
#include "server/pki/pki.h"

struct making {
    const struct desk_info *desk;
    const struct bundle_wish *wish;
    char beside[PATH_MAX]; /* the folder before it is in its place; empty: not made yet */
    struct buf key, csr, certificate;
    char certificate_id[65];
    char arn[256];
    bool thing_made, certificate_made, policy_made, policy_attached, thing_attached;
};

/* --- calls ---------------------------------------------------------------------------------------
 */

/* One call of the API: METHOD before + NAME, percent-encoded, + after. */
struct request {
    const char *method, *before, *name, *after;
    const char *body, *principal;
};

static int call(const struct making *m, const struct request *q, struct buf *reply)
{
    struct buf path;
    buf_init(&path, 4096);
    buf_text(&path, q->before);
    url_encode(q->name, &path);
    buf_text(&path, q->after ? q->after : "");
    buf_byte(&path, 0);
    int status = -1;
    if (buf_err(&path) == ELO_OK) {
        status = desk_call(m->desk, "iot", q->method, (const char *)buf_span(&path).ptr, q->body,
                           q->principal, reply);
    } else {
        buf_init(reply, 1);
    }
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

static void tell(const struct making *m, const char *operation, const char *what)
{
    if (m->wish->step != NULL) {
        m->wish->step(operation, what);
    }
}

/* A call that must succeed; told under the name that AWS has for it. */
static int do_step(const struct making *m,
                   const char *operation,
                   const char *what,
                   const struct request *request)
{
    struct buf reply;
    int status = call(m, request, &reply);
    int code = status == 200 ? EXIT_OK : complain(status, operation, &reply);
    buf_free(&reply);
    if (code == EXIT_OK) {
        tell(m, operation, what);
    }
    return code;
}

/* --- the steps -----------------------------------------------------------------------------------
 */

static int make_folder(struct making *m)
{
    int n = snprintf(m->beside, sizeof m->beside, "%s.XXXXXX", m->wish->dir);
    if (n < 0 || (size_t)n >= sizeof m->beside || mkdtemp(m->beside) == NULL) {
        int error = n < 0 || (size_t)n >= sizeof m->beside ? ENAMETOOLONG : errno;
        m->beside[0] = '\0';
        say_error("cannot make the folder %s: %s%s", m->wish->dir, strerror(error),
                  error == ENOENT ? "\n     Make the folder that it is to be in first." : "");
        return EXIT_FAILED;
    }
    chmod(m->beside, 0700); /* whatever the umask is */
    return EXIT_OK;
}

/* {"principals":[]} */
static bool no_principals(elo_span json)
{
    struct elo_json_reader r;
    struct elo_json_token token;
    elo_json_reader_init(&r, json);
    while (elo_json_next(&r, &token) == ELO_OK) {
        if (token.type == ELO_JSON_KEY && elo_json_token_is(&token, ELO_SPAN("principals"))) {
            return elo_json_next(&r, &token) == ELO_OK && token.type == ELO_JSON_ARRAY_BEGIN &&
                   elo_json_next(&r, &token) == ELO_OK && token.type == ELO_JSON_ARRAY_END;
        }
    }
    return false;
}

/* The thing is there. May it be the one? */
static int take_thing(const struct making *m)
{
    struct buf reply;
    const char *name = m->wish->thing;
    if (m->wish->one_more) {
        return EXIT_OK;
    }
    int status =
        call(m,
             &(struct request){
                 .method = "GET", .before = "/things/", .name = name, .after = "/principals"},
             &reply);
    int code = EXIT_OK;
    if (status != 200) {
        code = complain(status, "iot:ListThingPrincipals", &reply);
    } else if (!no_principals(buf_span(&reply))) {
        say_error("there is a thing '%s' already, and it has a certificate\n"
                  "     Choose another name; or detach the certificate that this lists and try\n"
                  "     again: elo aws iot list-thing-principals --thing-name %s",
                  name, name);
        code = EXIT_CONFLICT;
    }
    buf_free(&reply);
    return code;
}

static int make_thing(struct making *m)
{
    struct buf reply;
    const char *name = m->wish->thing;
    if (name == NULL) {
        return EXIT_OK;
    }
    int status =
        call(m, &(struct request){.method = "GET", .before = "/things/", .name = name}, &reply);
    int code = status == 200   ? take_thing(m)
               : status == 404 ? EXIT_OK
                               : complain(status, "iot:DescribeThing", &reply);
    buf_free(&reply);
    if (code == EXIT_OK && status == 404) {
        code = do_step(
            m, "iot:CreateThing", name,
            &(struct request){.method = "POST", .before = "/things/", .name = name, .body = "{}"});
        m->thing_made = code == EXIT_OK;
    }
    return code;
}

/* {"KEY":"text"} with a NUL after its end. false: too large. */
static bool object_of(const char *key, elo_span text, uint8_t *out, size_t cap)
{
    size_t len = 0;
    struct elo_json_writer w;
    elo_json_writer_init(&w, out, cap - 1);
    elo_json_begin_object(&w);
    elo_json_key(&w, elo_span_str(key));
    elo_json_string(&w, text);
    elo_json_end_object(&w);
    bool ok = elo_json_finish(&w, &len) == ELO_OK;
    out[ok ? len : 0] = '\0';
    return ok;
}

/* The common name is for people only and has an end (X.520: 64 characters); the client id, which
 * counts, is longer. */
static int make_key(struct making *m)
{
    if (m->wish->board != NULL) {
        return m->wish->board->csr(m->wish->board->ctx, &m->csr);
    }
    char common_name[65];
    snprintf(common_name, sizeof common_name, "%.64s", m->wish->client_id);
    elo_err err = pki_make_key_and_csr(common_name, &m->key, &m->csr);
    return err == ELO_OK ? EXIT_OK : say_reason(err, "no key could be made");
}

static int make_certificate(struct making *m)
{
    uint8_t body[4096];
    struct buf reply;
    if (!object_of("certificateSigningRequest", buf_span(&m->csr), body, sizeof body)) {
        return say_reason(ELO_E_TOO_LARGE, "the certificate signing request");
    }
    int status = call(m,
                      &(struct request){.method = "POST",
                                        .before = "/certificates?setAsActive=true",
                                        .name = "",
                                        .body = (const char *)body},
                      &reply);
    elo_span text = buf_span(&reply);
    m->certificate_made =
        status == 200 &&
        json_field(text, "certificateId", m->certificate_id, sizeof m->certificate_id) &&
        json_field(text, "certificateArn", m->arn, sizeof m->arn) &&
        json_text(text, "certificatePem", &m->certificate);
    int code =
        m->certificate_made ? EXIT_OK : complain(status, "iot:CreateCertificateFromCsr", &reply);
    buf_free(&reply);
    if (code == EXIT_OK) {
        tell(m, "iot:CreateCertificateFromCsr", m->certificate_id);
    }
    return code;
}

/* The policy is there; it is used as it is, but a person may want to know that it is another. */
static void compare_policy(const struct making *m, elo_span reply)
{
    struct buf document;
    if (m->wish->step != NULL && json_text(reply, "policyDocument", &document)) {
        if (strcmp((const char *)buf_span(&document).ptr, m->wish->policy_document) != 0) {
            say_error("the policy %s of this desk is not as elo makes it: it is used as it is",
                      m->wish->policy);
        }
        buf_free(&document);
    }
}

static int make_policy(struct making *m)
{
    struct buf reply;
    uint8_t body[8192];
    const char *name = m->wish->policy;
    struct request get = {.method = "GET", .before = "/policies/", .name = name};
    struct request post = {.method = "POST", .before = "/policies/", .name = name};
    post.body = (const char *)body;
    int status = call(m, &get, &reply);
    int code = status == 200 || status == 404 ? EXIT_OK : complain(status, "iot:GetPolicy", &reply);
    if (status == 200) {
        compare_policy(m, buf_span(&reply));
    }
    buf_free(&reply);
    if (status != 404) {
        return code;
    }
    if (!object_of("policyDocument", elo_span_str(m->wish->policy_document), body, sizeof body)) {
        return say_reason(ELO_E_TOO_LARGE, "the policy document");
    }
    status = call(m, &post, &reply);
    /* 409: another `elo add` has made it in between. */
    code = status == 200 || status == 409 ? EXIT_OK : complain(status, "iot:CreatePolicy", &reply);
    buf_free(&reply);
    m->policy_made = status == 200;
    if (m->policy_made) {
        tell(m, "iot:CreatePolicy", name);
    }
    return code;
}

static int attach_policy(struct making *m)
{
    char body[320];
    snprintf(body, sizeof body, "{\"target\":\"%s\"}", m->arn);
    int code = do_step(
        m, "iot:AttachPolicy", m->wish->policy,
        &(struct request){
            .method = "PUT", .before = "/target-policies/", .name = m->wish->policy, .body = body});
    m->policy_attached = code == EXIT_OK;
    return code;
}

static elo_err write_file(const struct making *m, const char *name, elo_span text, mode_t mode)
{
    char path[PATH_MAX];
    return bundle_path(m->beside, name, path) ? posix_file_write(path, text, mode)
                                              : ELO_E_NOT_FOUND;
}

static int write_files(struct making *m)
{
    elo_span ca;
    if (!read_file(m->desk->ca_path, 65536, &ca)) {
        return EXIT_FAILED;
    }
    elo_err err = write_file(m, "ca.pem", ca, 0644);
    if (err == ELO_OK) {
        err = write_file(m, "cert.pem", buf_span(&m->certificate), 0644);
    }
    if (err == ELO_OK) {
        err = write_file(m, "key.pem", buf_span(&m->key), 0600);
    }
    if (err == ELO_OK) {
        err = bundle_write_config(m->desk, m->wish->thing, m->wish->client_id, m->beside);
    }
    if (err != ELO_OK) {
        say_error("cannot write the bundle %s: %s", m->wish->dir, strerror(errno));
    }
    posix_file_free(&ca);
    return err == ELO_OK ? EXIT_OK : EXIT_FAILED;
}

static int attach_thing(struct making *m)
{
    if (m->wish->thing == NULL) {
        return EXIT_OK;
    }
    int code = do_step(m, "iot:AttachThingPrincipal", m->wish->thing,
                       &(struct request){.method = "PUT",
                                         .before = "/things/",
                                         .name = m->wish->thing,
                                         .after = "/principals",
                                         .principal = m->arn});
    m->thing_attached = code == EXIT_OK;
    return code;
}

static int put_in_place(struct making *m)
{
    if (rename(m->beside, m->wish->dir) == 0) {
        return EXIT_OK;
    }
    say_error("cannot make the folder %s: %s", m->wish->dir, strerror(errno));
    return EXIT_FAILED;
}

static int deliver(struct making *m)
{
    elo_span ca;
    if (!read_file(m->desk->ca_path, 65536, &ca)) {
        return EXIT_FAILED;
    }
    int code = m->wish->board->deliver(m->wish->board->ctx, ca, buf_span(&m->certificate));
    posix_file_free(&ca);
    return code;
}

/* --- taking back ---------------------------------------------------------------------------------
 */

/* A desk that has gone away is not asked again and again. */
static void undo(const struct making *m, bool made, bool *reached, const struct request *request)
{
    struct buf reply;
    if (made && *reached) {
        *reached = call(m, request, &reply) >= 0;
        buf_free(&reply);
    }
}

static void take_back(const struct making *m)
{
    char body[320];
    bool there = true; /* the desk */
    const char *thing = m->wish->thing, *policy = m->wish->policy, *id = m->certificate_id;
    snprintf(body, sizeof body, "{\"target\":\"%s\"}", m->arn);
    const struct {
        bool made;
        struct request request;
    } undos[] = {
        {m->thing_attached, {"DELETE", "/things/", thing, "/principals", NULL, m->arn}},
        {m->policy_attached, {"POST", "/target-policies/", policy, NULL, body, NULL}},
        {m->policy_made, {"DELETE", "/policies/", policy, NULL, NULL, NULL}},
        {m->certificate_made, {"PUT", "/certificates/", id, "?newStatus=INACTIVE", NULL, NULL}},
        {m->certificate_made, {"DELETE", "/certificates/", id, NULL, NULL, NULL}},
        {m->thing_made, {"DELETE", "/things/", thing, NULL, NULL, NULL}},
    };
    for (size_t i = 0; i < sizeof undos / sizeof undos[0]; i++) {
        undo(m, undos[i].made, &there, &undos[i].request);
    }
    if (m->beside[0] != '\0') {
        bundle_remove(m->beside);
    }
    if (!there) {
        say_error("what was made on the desk could not be taken back: certificate %s",
                  m->certificate_made ? id : "none");
    }
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static int run_steps(struct making *m)
{
    int (*const folder[])(struct making *) = {make_folder,      make_key,     make_thing,
                                              make_certificate, make_policy,  attach_policy,
                                              write_files,      attach_thing, put_in_place};
    int (*const board[])(struct making *) = {
        make_key, make_thing, make_certificate, make_policy, attach_policy, attach_thing, deliver};
    bool is_board = m->wish->board != NULL;
    size_t count = is_board ? sizeof board / sizeof board[0] : sizeof folder / sizeof folder[0];
    int code = EXIT_OK;
    for (size_t i = 0; code == EXIT_OK && i < count; i++) {
        code = stop_asked() ? stop_exit_code() : is_board ? board[i](m) : folder[i](m);
    }
    return code;
}

int bundle_make(const struct desk_info *desk, const struct bundle_wish *wish)
{
    struct making m = {.desk = desk, .wish = wish};
    struct stat there;
    if (wish->board == NULL && lstat(wish->dir, &there) == 0) {
        say_error("%s is there already\n     Choose another folder with --out, or move it away.",
                  wish->dir);
        return EXIT_CONFLICT;
    }
    buf_init(&m.key, 65536);
    buf_init(&m.csr, 65536);
    buf_init(&m.certificate, 65536);
    int code = run_steps(&m);
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
