// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: open from the bottom up - folder, identity, keys, store, registry, authorizer,
 * broker, API, network - and run the loop; close from the top down. One struct holds what is open,
 * so that every way out is the same way out.
 */
#include "server/main/serve.h"

#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "elo/json/write.h"
#include "server/base/map.h"
#include "server/main/files.h"
#include "server/main/names.h"
#include "server/net/net.h"

struct desk {
    const struct serve_config *config;
    struct log log;
    struct buf line;
    struct server_names names;
    struct net_lambda lambdas[SERVE_LAMBDAS];
    char host[256]; /* the name clients use */
    char endpoint[272];
    char mqtts[272], https[272], http[64], plain[64]; /* empty: none */
    char store_path[PATH_MAX], cert_path[PATH_MAX], key_path[PATH_MAX];
    struct desk_identity identity;
    struct desk_credentials credentials;
    struct net *net;
    struct pki_ca *ca;
    struct store *store;
    struct registry *registry;
    struct authorizer *authorizer;
    struct broker *broker;
    struct api *api;
    struct seeing *seeing;
};

static void fill_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    if (!pki_random(out, len)) {
        fputs("elo: the system gives no random bytes any more\n", stderr);
        _exit(1);
    }
}

static const struct core_random system_random = {fill_random, NULL};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void write_log(void *ctx, const struct log_record *record)
{
    struct desk *d = ctx;
    const struct serve_config *c = d->config;
    buf_clear(&d->line);
    if (c->log_format == SERVE_LOG_JSON) {
        log_format_json(record, wall_ms(), d->identity.account, &d->line);
    } else {
        log_format_text(record, wall_ms(), c->log_colour, &d->line);
    }
    elo_span line = buf_span(&d->line);
    if (line.len > 0) {
        fwrite(line.ptr, 1, line.len, c->log);
        fflush(c->log);
    }
}

static void watch_log(void *ctx, const struct log_record *record)
{
    seeing_watch(((struct desk *)ctx)->seeing, record, wall_ms());
}

static void edge_of(void *ctx, struct seeing_edge *out)
{
    net_edge(((struct desk *)ctx)->net, out);
}

static void on_commit_failed(void *ctx, elo_err err)
{
    struct desk *d = ctx;
    (void)err;
    if (registry_reload(d->registry) != ELO_OK) {
        log_line(&d->log, LOG_ERROR, ELO_E_IO,
                 "the registry could not be read again after a failed change: stopping, so that "
                 "nothing wrong is told");
        net_stop(d->net);
    }
}

void serve_defaults(struct serve_config *config)
{
    *config = (struct serve_config){.mqtts_port = 8883,
                                    .https_port = 8443,
                                    .http_port = 8080,
                                    .plain_port = NET_NO_PORT,
                                    .io_threads = NET_FROM_CORES,
                                    .log_format = SERVE_LOG_JSON,
                                    .log_level = LOG_INFO,
                                    .log = stderr};
    limits_aws(&config->limits);
}

/* --- opening, from the bottom up ----------------------------------------------------------------
 */

static elo_err open_files(struct desk *d, char *why, size_t why_cap)
{
    const struct serve_config *c = d->config;
    elo_err err = desk_folder(c->dir, why, why_cap);
    if (err == ELO_OK) {
        err = desk_identity(c->dir, c->region, c->account, &d->identity, why, why_cap);
    }
    if (err == ELO_OK) {
        snprintf(d->store_path, sizeof d->store_path, "%s/elo.db", c->dir);
        snprintf(d->cert_path, sizeof d->cert_path, "%s/server.pem", c->dir);
        snprintf(d->key_path, sizeof d->key_path, "%s/server.key", c->dir);
        struct store_config store = {
            .path = d->store_path, .threaded = true, .wake = net_wake, .ctx = d->net};
        /* The store's lock comes first: of two servers on one folder, the second touches nothing.
         */
        err = store_open(&store, &d->store, why, why_cap);
    }
    if (err == ELO_OK) {
        desk_remove(c->dir, "endpoints.json");
    }
    return err;
}

/* The pair on disk, made if it is absent, soon over, or not for these names. */
static elo_err server_certificate(struct desk *d, char *why, size_t why_cap)
{
    const struct server_names *names = &d->names;
    return pki_server_certificate(d->ca, d->config->dir, (const char *const *)names->name,
                                  names->count, wall_ms() / 1000, why, why_cap);
}

/* Once a day, for a server that runs for years. */
static void renew(void *ctx)
{
    struct desk *d = ctx;
    char why[1024] = "";
    elo_err err = server_certificate(d, why, sizeof why);
    if (err == ELO_OK) {
        err = net_reload_certificate(d->net, why, sizeof why);
    }
    if (err != ELO_OK) {
        log_line(&d->log, LOG_ERROR, err, "the server's certificate could not be renewed: %s", why);
    }
}

static elo_err open_keys(struct desk *d, char *why, size_t why_cap)
{
    const struct serve_config *c = d->config;
    server_names_find(&d->names, c->listen, c->endpoint);
    snprintf(d->host, sizeof d->host, "%s", d->names.best);
    elo_err err = pki_ca_open(c->dir, wall_ms() / 1000, &d->ca, why, why_cap);
    return err != ELO_OK ? err : server_certificate(d, why, why_cap);
}

static elo_err open_core(struct desk *d, char *why, size_t why_cap)
{
    struct registry_config registry = {.region = d->identity.region,
                                       .account = d->identity.account,
                                       .compat = d->config->compat,
                                       .random = system_random};
    elo_err err = registry_create(&registry, d->store, &d->registry);
    if (err == ELO_E_NO_MEMORY) {
        snprintf(why, why_cap, "not enough memory to start");
        return err;
    }
    if (err != ELO_OK) {
        snprintf(why, why_cap, "%s cannot be read whole: restore it from a backup, or move it away",
                 d->store_path);
        return err;
    }
    struct broker_config broker = {.compat = d->config->compat,
                                   .limits = &d->config->limits,
                                   .log = &d->log,
                                   .random = system_random,
                                   .store = d->store};
    d->authorizer = authorizer_create(d->registry);
    d->broker = d->authorizer ? broker_create(&broker, d->authorizer) : NULL;
    if (d->broker == NULL) {
        snprintf(why, why_cap, "not enough memory to start");
        return ELO_E_NO_MEMORY;
    }
    err = broker_restore(d->broker, net_time(d->net));
    if (err != ELO_OK) {
        snprintf(why, why_cap, "the sessions in %s cannot be read: %s", d->store_path,
                 err == ELO_E_NO_MEMORY ? "there is not enough memory for them"
                                        : "restore it from a backup, or move it away");
    }
    return err;
}

/* host:port; an IPv6 address in brackets. */
static void with_port(const char *host, int port, char *out, size_t cap)
{
    bool address6 = strchr(host, ':') != NULL;
    snprintf(out, cap, "%s%s%s:%d", address6 ? "[" : "", host, address6 ? "]" : "", port);
}

/* "NAME=URL"; the command line has seen to it that there is a '='. */
static void split_lambdas(struct desk *d)
{
    for (size_t i = 0; i < d->config->lambda_count && i < SERVE_LAMBDAS; i++) {
        const char *text = d->config->lambdas[i];
        size_t len = strcspn(text, "=");
        d->lambdas[i] =
            (struct net_lambda){elo_span_of(text, len), text + len + (text[len] == '=')};
    }
}

static elo_err open_net(struct desk *d, char *why, size_t why_cap)
{
    const struct serve_config *c = d->config;
    split_lambdas(d);
    struct net_config net = {.listen = c->listen,
                             .lambdas = d->lambdas,
                             .lambda_count = c->lambda_count,
                             .mqtts_port = c->mqtts_port,
                             .https_port = c->https_port,
                             .http_port = c->http_port,
                             .plain_port = c->plain_port,
                             .io_threads = c->io_threads,
                             .openssl_records = c->openssl_records,
                             .tls_policy = c->tls_policy,
                             .cert_file = d->cert_path,
                             .key_file = d->key_path,
                             .log = &d->log,
                             .compat = c->compat,
                             .limits = &c->limits,
                             .broker = d->broker,
                             .authorizer = d->authorizer,
                             .store = d->store,
                             .commit_failed = on_commit_failed,
                             .renew = renew,
                             .ctx = d};
    elo_err err = net_open(d->net, &net, why, why_cap);
    if (err != ELO_OK) {
        return err;
    }
    with_port(d->host, net_mqtts_port(d->net), d->mqtts, sizeof d->mqtts);
    with_port(d->host, net_https_port(d->net), d->https, sizeof d->https);
    snprintf(d->http, sizeof d->http, "http://127.0.0.1:%d", net_http_port(d->net));
    if (net_plain_port(d->net) != NET_NO_PORT) {
        snprintf(d->plain, sizeof d->plain, "127.0.0.1:%d", net_plain_port(d->net));
    }
    /* AWS answers a bare host, which means 8883; another port has to be said. */
    snprintf(d->endpoint, sizeof d->endpoint, "%s",
             c->endpoint                      ? c->endpoint
             : net_mqtts_port(d->net) == 8883 ? d->host
                                              : d->mqtts);
    return ELO_OK;
}

/* Region and account of a new desk, once nothing that a person might have got wrong can stop it: a
 * first start that fails leaves both open. */
static elo_err keep_identity(struct desk *d, char *why, size_t why_cap)
{
    const char *dir = d->config->dir;
    elo_err err = desk_identity_keep(dir, &d->identity, why, why_cap);
    return err != ELO_OK ? err
                         : desk_credentials(dir, d->identity.region, &d->credentials, why, why_cap);
}

static elo_err open_api(struct desk *d, char *why, size_t why_cap)
{
    struct api_config api = {
        .key = {.access_key_id = elo_span_str(d->credentials.access_key_id),
                .secret = elo_span_str(d->credentials.secret)},
        .endpoint = d->endpoint,
        .random = system_random,
        .log = &d->log,
        .compat = d->config->compat,
    };
    d->api = api_create(&api, d->registry, d->broker, d->ca);
    if (d->api == NULL) {
        snprintf(why, why_cap, "not enough memory to start");
        return ELO_E_NO_MEMORY;
    }
    const struct seeing_config seeing = {.broker = d->broker,
                                         .registry = d->registry,
                                         .edge = edge_of,
                                         .ctx = d,
                                         .version = ELO_VERSION,
                                         .commit = ELO_COMMIT,
                                         .started = net_time(d->net)};
    seeing_configure(d->seeing, &seeing);
    net_set_seeing(d->net, d->seeing);
    net_set_api(d->net, d->api);
    return ELO_OK;
}

static void warn_of_plain(const struct desk *d)
{
    if (d->plain[0] != '\0') {
        log_line(&d->log, LOG_WARN, ELO_OK,
                 "--plain-port: every program on this machine may use MQTT %s without TLS, "
                 "certificate or policies; AWS has no such door: it is for tests and tools only",
                 d->plain);
    }
}

static elo_err announce(struct desk *d, char *why, size_t why_cap)
{
    uint8_t text[1024];
    size_t len = 0;
    struct elo_json_writer w;
    elo_json_writer_init(&w, text, sizeof text - 1);
    elo_json_begin_object(&w);
    elo_json_key(&w, ELO_SPAN("mqtts"));
    elo_json_string(&w, elo_span_str(d->mqtts));
    elo_json_key(&w, ELO_SPAN("https"));
    elo_json_string(&w, elo_span_str(d->https));
    elo_json_key(&w, ELO_SPAN("http"));
    elo_json_string(&w, elo_span_str(d->http));
    if (d->plain[0] != '\0') {
        elo_json_key(&w, ELO_SPAN("mqtt"));
        elo_json_string(&w, elo_span_str(d->plain));
    }
    elo_json_end_object(&w);
    elo_err err = elo_json_finish(&w, &len);
    if (err == ELO_OK) {
        text[len] = '\n';
        err = desk_write(d->config->dir, "endpoints.json", elo_span_of(text, len + 1), 0644, why,
                         why_cap);
    }
    if (err != ELO_OK) {
        return err;
    }
    log_line(&d->log, LOG_INFO, ELO_OK, "ready: MQTT %s, HTTPS %s, AWS API %s", d->mqtts, d->https,
             d->http);
    warn_of_plain(d);
    if (d->config->ready != NULL) {
        struct serve_endpoints endpoints = {.mqtts = d->mqtts,
                                            .https = d->https,
                                            .http = d->http,
                                            .plain = d->plain[0] ? d->plain : NULL,
                                            .region = d->identity.region,
                                            .account = d->identity.account};
        d->config->ready(d->config->ctx, &endpoints);
    }
    return ELO_OK;
}

/* --- closing, from the top down -----------------------------------------------------------------
 */

static void close_desk(struct desk *d, bool was_ready)
{
    if (was_ready) {
        desk_remove(d->config->dir, "endpoints.json");
    }
    net_close_connections(d->net);
    api_destroy(d->api);
    if (d->broker != NULL) {
        broker_destroy(d->broker);
    }
    authorizer_destroy(d->authorizer);
    registry_destroy(d->registry);
    if (d->store != NULL) {
        store_close(d->store);
    }
    pki_ca_close(d->ca);
    net_destroy(d->net); /* last: the store's thread wakes it until it is closed */
    buf_free(&d->line);
    d->log.watch = NULL;
    seeing_destroy(d->seeing);
}

elo_err serve_run(const struct serve_config *config, char *why, size_t why_cap)
{
    static struct desk d; /* paths and names: too large for a comfortable stack */
    d = (struct desk){.config = config,
                      .log = {.sink = write_log, .ctx = &d, .level = config->log_level}};
    net_count_openssl();
    buf_init(&d.line, 65536);
    uint64_t seed = 0;
    fill_random(NULL, &seed, sizeof seed);
    map_seed(seed);
    snprintf(why, why_cap, "not enough memory to start");
    elo_err (*const steps[])(struct desk *, char *, size_t) = {
        open_files, open_keys, open_core, open_net, keep_identity, open_api, announce};
    d.seeing = seeing_create();
    if (d.seeing == NULL) {
        return ELO_E_NO_MEMORY;
    }
    d.log.watch = watch_log;
    d.log.watch_ctx = &d;
    elo_err err = net_create(&d.net, why, why_cap);
    for (size_t i = 0; err == ELO_OK && i < sizeof steps / sizeof steps[0]; i++) {
        err = steps[i](&d, why, why_cap);
    }
    bool ready = err == ELO_OK;
    if (ready) {
        net_run(d.net);
    }
    close_desk(&d, ready);
    return err;
}
