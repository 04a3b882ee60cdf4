// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The registry of the simulated world, and its rules twice: as policy documents, which the server
 * compiles, and as plain comparisons, which the judge asks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/world_parts.h"

#define ARN   "arn:aws:iot:eu-west-1:111122223333:"
#define THING "${iot:Connection.Thing.ThingName}"

#define ALLOW(action, resource)                                                                    \
    "{\"Effect\":\"Allow\",\"Action\":" action ",\"Resource\":" resource "}"

static const char pump_policy[] = "{\"Version\":\"2012-10-17\",\"Statement\":[" ALLOW(
    "\"iot:Connect\"",
    "\"" ARN "client/" THING
    "\"") "," ALLOW("\"iot:Publish\"",
                    "[\"" ARN "topic/fleet/" THING "/data\",\"" ARN "topic/fleet/" THING
                    "/private\","
                    "\"" ARN "topic/status/" THING
                    "\"]") "," ALLOW("\"iot:RetainPublish\"",
                                     "\"" ARN "topic/status/" THING
                                     "\"") "," ALLOW("\"iot:Subscribe\"",
                                                     "[\"" ARN "topicfilter/fleet/*\",\"" ARN
                                                     "topicfilter/cmd/" THING
                                                     "\"]") "," ALLOW("\"iot:Receive\"",
                                                                      "[\"" ARN
                                                                      "topic/fleet/*/data\",\"" ARN
                                                                      "topic/cmd/" THING
                                                                      "\"]") "]}";

static const char station_policy[] = "{\"Version\":\"2012-10-17\",\"Statement\":[" ALLOW(
    "\"iot:Connect\"",
    "\"" ARN "client/" THING
    "\"") "," ALLOW("\"iot:Publish\"",
                    "[\"" ARN "topic/cmd/*\",\"" ARN "topic/status/" THING
                    "\"]") "," ALLOW("\"iot:RetainPublish\"",
                                     "\"" ARN "topic/status/" THING
                                     "\"") "," ALLOW("\"iot:Subscribe\"",
                                                     "[\"" ARN "topicfilter/fleet/*\",\"" ARN
                                                     "topicfilter/status/*\"]") "," ALLOW("\"iot:"
                                                                                          "Receive"
                                                                                          "\"",
                                                                                          "[\"" ARN
                                                                                          "topic/"
                                                                                          "fleet/"
                                                                                          "*\","
                                                                                          "\"" ARN
                                                                                          "topic/"
                                                                                          "status/"
                                                                                          "*\"]") "]}";

static const char witness_policy[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[" ALLOW("\"iot:*\"", "\"*\"") "]}";

static const char *const names[WORLD_CLIENTS] = {"pump-1", "pump-2",  "pump-3",
                                                 "pump-4", "station", "mallory"};

const char *world_name(unsigned client)
{
    return names[client];
}

/* --- the registry ------------------------------------------------------------------------------
 */

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "world: %s\n", what);
        abort();
    }
}

static void must_aws(aws_error error, const struct aws_fault *fault)
{
    must(error == AWS_OK, error == AWS_OK ? "" : fault->message);
}

static void fill(void *ctx, void *out, size_t len)
{
    uint64_t *seed = ctx;
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(*seed >> 56);
    }
}

static void add_policy(struct world_house *h, const char *name, const char *document)
{
    struct aws_fault fault;
    must_aws(registry_create_policy(h->registry, elo_span_str(name), elo_span_str(document), 0,
                                    NULL, &fault),
             &fault);
}

/* NULL: no policy, no thing. */
static void add_certificate(
    struct world_house *h, unsigned which, bool active, const char *policy, const char *thing)
{
    struct aws_fault fault;
    const struct certificate_new fresh = {.id = elo_span_str(h->ids[which]),
                                          .pem = ELO_SPAN("a certificate"),
                                          .status =
                                              active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE,
                                          .mode = ELO_SPAN("DEFAULT"),
                                          .not_after_s = INT64_MAX / 1000000};
    const struct certificate *made;
    char arn[256];
    must_aws(registry_register_certificate(h->registry, &fresh, 0, &made, &fault), &fault);
    must(made->arn.len < sizeof arn, "a long ARN");
    memcpy(arn, made->arn.ptr, made->arn.len);
    elo_span at = elo_span_of(arn, made->arn.len);
    if (policy != NULL) {
        must_aws(registry_attach_policy(h->registry, elo_span_str(policy), at, &fault), &fault);
    }
    if (thing != NULL) {
        const struct thing_change none = {.has_attributes = false};
        must_aws(registry_create_thing(h->registry, elo_span_str(thing), &none, 0, NULL, &fault),
                 &fault);
        must_aws(
            registry_attach_thing_principal(h->registry, elo_span_str(thing), at, false, &fault),
            &fault);
    }
}

static void populate(struct world_house *h)
{
    add_policy(h, "pump", pump_policy);
    add_policy(h, "station", station_policy);
    add_policy(h, "witness", witness_policy);
    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        add_certificate(h, i, true, i == WORLD_STATION ? "station" : "pump", names[i]);
    }
    add_certificate(h, WORLD_BARE, true, NULL, NULL);
    add_certificate(h, WORLD_INACTIVE, false, "pump", NULL);
    add_certificate(h, WORLD_WITNESS, true, "witness", NULL);
}

void world_house_open(struct world_house *h, const char *parent)
{
    char path[160];
    char why[256];
    memset(h, 0, sizeof *h);
    snprintf(h->folder, sizeof h->folder, "%s/elo-world-XXXXXX", parent);
    must(mkdtemp(h->folder) != NULL, "no folder for the store");
    for (unsigned i = 0; i < WORLD_CERTIFICATES; i++) {
        memset(h->ids[i], "0123456789abcdef"[i], 64);
    }
    snprintf(path, sizeof path, "%s/elo.db", h->folder);
    const struct store_config store = {.path = path};
    must(store_open(&store, &h->store, why, sizeof why) == ELO_OK, "no store");
    const struct registry_config config = {.region = "eu-west-1",
                                           .account = "111122223333",
                                           .random = {.fill = fill, .ctx = &h->seed}};
    must(registry_create(&config, h->store, &h->registry) == ELO_OK, "no registry");
    populate(h);
    h->auth = authorizer_create(h->registry);
    must(h->auth != NULL, "no authorizer");
}

void world_house_close(struct world_house *h)
{
    static const char *const files[] = {"elo.db", "elo.db-wal", "elo.db-shm"};
    authorizer_destroy(h->auth);
    registry_destroy(h->registry);
    store_close(h->store);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", h->folder, files[i]);
        unlink(path);
    }
    rmdir(h->folder);
}

void world_house_set_status(struct world_house *h, unsigned certificate, bool active)
{
    struct aws_fault fault;
    must_aws(registry_update_certificate(h->registry, elo_span_str(h->ids[certificate]),
                                         active ? CERTIFICATE_ACTIVE : CERTIFICATE_INACTIVE, 0,
                                         &fault),
             &fault);
    if (active) {
        struct store_progress progress;
        store_poll(h->store, &progress);
        must(progress.failed == 0, "the store fails");
    }
}

/* --- the same rules, by hand -------------------------------------------------------------------
 */

static bool is(elo_span text, const char *before, const char *name, const char *after)
{
    char whole[WORLD_TOPIC + 16];
    snprintf(whole, sizeof whole, "%s%s%s", before, name, after);
    return elo_span_eq(text, elo_span_str(whole));
}

static bool starts(elo_span text, const char *prefix)
{
    return elo_span_starts_with(text, elo_span_str(prefix));
}

static bool ends(elo_span text, const char *suffix)
{
    size_t len = strlen(suffix);
    return text.len >= len &&
           elo_span_eq(elo_span_from(text, text.len - len), elo_span_str(suffix));
}

bool world_may_connect(unsigned certificate, elo_span client_id)
{
    return certificate == WORLD_WITNESS ||
           (certificate < WORLD_CLIENTS && is(client_id, "", names[certificate], ""));
}

bool world_may_publish(unsigned certificate, elo_span topic, bool retain)
{
    if (certificate >= WORLD_CLIENTS) {
        return false;
    }
    const char *name = names[certificate];
    if (is(topic, "status/", name, "")) {
        return true;
    }
    if (certificate == WORLD_STATION) {
        return !retain && starts(topic, "cmd/");
    }
    return !retain && (is(topic, "fleet/", name, "/data") || is(topic, "fleet/", name, "/private"));
}

bool world_may_subscribe(unsigned certificate, elo_span filter)
{
    if (certificate >= WORLD_CLIENTS) {
        return false;
    }
    if (certificate == WORLD_STATION) {
        return starts(filter, "fleet/") || starts(filter, "status/");
    }
    return starts(filter, "fleet/") || is(filter, "cmd/", names[certificate], "");
}

bool world_may_receive(unsigned certificate, elo_span topic)
{
    if (certificate >= WORLD_CLIENTS) {
        return false;
    }
    if (certificate == WORLD_STATION) {
        return starts(topic, "fleet/") || starts(topic, "status/");
    }
    return (starts(topic, "fleet/") && ends(topic, "/data")) ||
           is(topic, "cmd/", names[certificate], "");
}

bool world_matches(elo_span filter, elo_span topic)
{
    size_t f = 0;
    size_t t = 0;
    while (f < filter.len) {
        if (filter.ptr[f] == '#') {
            return true;
        }
        if (filter.ptr[f] == '+') {
            while (t < topic.len && topic.ptr[t] != '/') {
                t++;
            }
            f++;
        } else if (t < topic.len && topic.ptr[t] == filter.ptr[f]) {
            t++;
            f++;
        } else {
            return false;
        }
    }
    return t == topic.len;
}
