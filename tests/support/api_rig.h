// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The API on the bench: a real store in a temporary folder, registry, broker and CA, a clock and
 * random numbers that only we turn. rig_call() signs a request as a client would and hands it to
 * api_handle(); then the store commits and the reply's batch must be durable.
 *
 * In a header, because it needs server modules that not every test links. Failures abort, so that
 * the fuzzer can use it too.
 */
#ifndef TESTS_SUPPORT_API_RIG_H
#define TESTS_SUPPORT_API_RIG_H

#include "server/api/api.h"
#include "server/auth/custom.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RIG_REGION   "eu-west-1"
#define RIG_ACCOUNT  "123456789012"
#define RIG_ENDPOINT "desk-ats.iot.eu-west-1.amazonaws.com.lan"
#define RIG_START_MS INT64_C(1767225600000)
#define RIG_HEADERS  8
#define RIG_ARN      "arn:aws:iot:" RIG_REGION ":" RIG_ACCOUNT ":"
#define RIG_MAX_BODY (1u << 20)

struct rig {
    char dir[64];
    struct store *store;
    struct registry *registry;
    struct authorizer *authorizer;
    struct broker *broker;
    struct pki_ca *ca;
    struct api *api;
    struct log log;
    struct compat compat; /* taken by rig_open_core() */
    void (*on_log)(struct rig *rig, const struct log_record *record);
    uint64_t random;
    struct core_time now;
    long allocations; /* made by the last call */
};

/* What a test asks; all but `method` and `target` may be left out. */
struct rig_request {
    const char *method;
    const char *target; /* path?query, as on the wire */
    elo_span body;
    struct sigv4_header headers[RIG_HEADERS]; /* besides host, signed */
    size_t header_count;
    const char *service; /* NULL: "iot" */
    const char *region;  /* NULL: the desk's */
    elo_span key_id;     /* empty: the desk's */
    elo_span secret;
    int64_t late_s;   /* signed so many seconds ago */
    bool is_unsigned; /* no Authorization at all */
    bool change_body; /* one byte more than was signed */
    long fail_at;     /* the n-th allocation of the call fails; 0: none */
};

static inline void rig_require(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "api rig: %s\n", what);
        abort();
    }
}

/* splitmix64: no secrets here, and every run is the same. */
static inline void rig_fill(void *ctx, void *out, size_t len)
{
    struct rig *rig = ctx;
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++) {
        rig->random += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = rig->random;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        at[i] = (uint8_t)(z ^ (z >> 31));
    }
}

static inline void rig_sink(void *ctx, const struct log_record *record)
{
    struct rig *rig = ctx;
    if (rig->on_log != NULL) {
        rig->on_log(rig, record);
    }
}

static inline void rig_open_core(struct rig *rig)
{
    struct core_random random = {rig_fill, rig};
    struct registry_config registry = {
        .region = RIG_REGION, .account = RIG_ACCOUNT, .random = random};
    struct broker_config broker = {.log = &rig->log, .random = random};
    struct api_config api = {
        .key = {.access_key_id = ELO_SPAN("AKIDBENCH"), .secret = ELO_SPAN("bench secret")},
        .endpoint = RIG_ENDPOINT,
        .random = random,
        .log = &rig->log,
        .compat = rig->compat};
    rig_require(registry_create(&registry, rig->store, &rig->registry) == ELO_OK, "registry");
    rig->authorizer = authorizer_create(rig->registry);
    rig_require(rig->authorizer != NULL, "authorizer");
    rig->broker = broker_create(&broker, rig->authorizer);
    rig_require(rig->broker != NULL, "broker");
    rig->api = api_create(&api, rig->registry, rig->broker, rig->ca);
    rig_require(rig->api != NULL, "api");
}

static inline void rig_open(struct rig *rig)
{
    char path[96];
    char why[512] = "";
    *rig = (struct rig){.now = {1000, RIG_START_MS}};
    rig->log = (struct log){.sink = rig_sink, .ctx = rig, .level = LOG_DEBUG};
    snprintf(rig->dir, sizeof rig->dir, "/tmp/elo-api-XXXXXX");
    rig_require(mkdtemp(rig->dir) != NULL, "temporary folder");
    snprintf(path, sizeof path, "%s/elo.db", rig->dir);
    struct store_config store = {.path = path};
    rig_require(store_open(&store, &rig->store, why, sizeof why) == ELO_OK, why);
    rig_require(pki_ca_open(rig->dir, RIG_START_MS / 1000, &rig->ca, why, sizeof why) == ELO_OK,
                why);
    rig_open_core(rig);
}

static inline void rig_close_core(struct rig *rig)
{
    api_destroy(rig->api);
    broker_destroy(rig->broker);
    authorizer_destroy(rig->authorizer);
    registry_destroy(rig->registry);
}

static inline void rig_close(struct rig *rig)
{
    static const char *const files[] = {"elo.db", "elo.db-wal", "elo.db-shm", "ca.pem", "ca.key"};
    rig_close_core(rig);
    store_close(rig->store);
    pki_ca_close(rig->ca);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", rig->dir, files[i]);
        (void)unlink(path);
    }
    rig_require(rmdir(rig->dir) == 0, "the temporary folder is not empty");
}

/* Commits what was submitted; the number up to which all is durable. */
static inline uint64_t rig_commit(struct rig *rig)
{
    struct store_progress progress;
    store_poll(rig->store, &progress);
    rig_require(progress.failed == 0, "a commit failed");
    return progress.durable;
}

/* Signs and handles; does not commit. The response is the caller's to free. */
static inline void
rig_handle(struct rig *rig, const struct rig_request *ask, struct api_response *out)
{
    struct sigv4_header headers[RIG_HEADERS + 3];
    size_t count = 0;
    const char *mark = strchr(ask->target, '?');
    headers[count++] = (struct sigv4_header){ELO_SPAN("Host"), ELO_SPAN("localhost:8080")};
    for (size_t i = 0; i < ask->header_count; i++) {
        headers[count++] = ask->headers[i];
    }
    struct api_request request = {
        .http = {.method = elo_span_str(ask->method),
                 .path = elo_span_of(ask->target,
                                     mark ? (size_t)(mark - ask->target) : strlen(ask->target)),
                 .query = elo_span_str(mark ? mark + 1 : ""),
                 .headers = headers,
                 .header_count = count,
                 .body = ask->body},
        .source_ip = ELO_SPAN("127.0.0.1"),
    };
    struct sigv4_key key = {.access_key_id =
                                ask->key_id.len > 0 ? ask->key_id : ELO_SPAN("AKIDBENCH"),
                            .secret = ask->secret.len > 0 ? ask->secret : ELO_SPAN("bench secret")};
    struct sigv4_signed sig;
    elo_err err = sigv4_sign(&request.http, &key, ask->service ? ask->service : "iot",
                             ask->region ? ask->region : RIG_REGION,
                             rig->now.wall_ms / 1000 - ask->late_s, &sig);
    rig_require(err == ELO_OK, "signing");
    headers[count++] = (struct sigv4_header){ELO_SPAN("X-Amz-Date"), elo_span_str(sig.date)};
    if (!ask->is_unsigned) {
        headers[count++] =
            (struct sigv4_header){ELO_SPAN("Authorization"), elo_span_str(sig.authorization)};
    }
    request.http.header_count = count;
    if (ask->change_body) {
        request.http.body = ELO_SPAN("{} ");
    }
    rig->allocations = mem_count();
    mem_fail_at(ask->fail_at);
    api_handle(rig->api, &request, rig->now, out);
    mem_fail_at(0);
    custom_destroy(out->custom); /* nobody answers it here */
    out->custom = NULL;
    rig->allocations = mem_count() - rig->allocations;
}

static inline void
rig_call(struct rig *rig, const struct rig_request *ask, struct api_response *out)
{
    rig_handle(rig, ask, out);
    rig_require(out->after_seq <= rig_commit(rig), "the reply waits for what never comes");
    rig->now.mono_ms += 1000;
    rig->now.wall_ms += 1000;
}

/* Has the response this header line? */
static inline bool rig_has_header(const struct api_response *response, const char *line)
{
    elo_span headers = buf_span(&response->headers);
    size_t len = strlen(line);
    for (size_t at = 0; headers.len - at >= len + 2; at++) {
        if ((at == 0 || headers.ptr[at - 1] == '\n') && memcmp(headers.ptr + at, line, len) == 0 &&
            memcmp(headers.ptr + at + len, "\r\n", 2) == 0) {
            return true;
        }
    }
    return false;
}

#endif
