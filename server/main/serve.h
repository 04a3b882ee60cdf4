// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The desk, whole: opens the data folder, wires store, registry, broker, API and network together
 * and runs until it is told to stop. Wiring only; `elo serve`, `elo up` and `elo demo` call it.
 *
 * Everything lives under `dir` (made if absent, mode 0700):
 *
 *     elo.db                  the registry
 *     desk.json               region and account, fixed
 *     credentials             AWS profile file, 0600
 *     ca.pem, ca.key          the desk's CA
 *     server.pem, server.key  the server's certificate
 *     endpoints.json          while it runs
 *
 * Re-entrant in one process only one after the other: it owns the signals SIGTERM and SIGINT while
 * it runs, and ignores SIGPIPE and SIGXFSZ for good.
 */
#ifndef ELO_SERVER_SERVE_H
#define ELO_SERVER_SERVE_H

#include <stdio.h>

#include "elo/base/err.h"
#include "server/base/compat.h"
#include "server/base/limits.h"
#include "server/base/log.h"

enum serve_log { SERVE_LOG_JSON, SERVE_LOG_TEXT, SERVE_LOG_AUTO /* the caller decides */ };

/* What the server tells when it is ready. Valid during the call. */
struct serve_endpoints {
    const char *mqtts; /* "localhost:8883" */
    const char *https; /* "localhost:8443" */
    const char *http;  /* "http://127.0.0.1:8080" */
    const char *plain; /* "127.0.0.1:1883"; NULL: there is none */
    const char *region;
    const char *account;
};

#define SERVE_LAMBDAS 32u

struct serve_config {
    const char *dir;
    int mqtts_port;         /* 0: any free port; default 8883 */
    int https_port;         /* default 8443 */
    int http_port;          /* default 8080; always on loopback */
    int plain_port;         /* MQTT without TLS, for tests, on loopback; default -1: none */
    int io_threads;         /* for TLS handshakes; 0: none; default -1: one a core */
    bool openssl_records;   /* OpenSSL's record layer all along; default: our own */
    const char *tls_policy; /* AWS's name; NULL: IoTSecurityPolicy_TLS13_1_2_2022_10 */
    const char *listen;     /* address for mqtts and https; NULL: loopback */
    const char *endpoint;   /* what DescribeEndpoint answers; NULL: made from listen and the port */
    const char *region;     /* NULL: as the data folder has it, or us-east-1 */
    const char *account;    /* NULL: as the data folder has it, or 000000000000 */
    const char *const *lambdas; /* "NAME-or-ARN=URL" each: functions of custom authorizers */
    size_t lambda_count;
    struct compat compat;
    struct limits limits; /* default: AWS's */
    enum serve_log log_format;
    enum log_level log_level;
    FILE *log; /* where log lines go */
    bool log_colour;

    /* Called once when every listener is open and endpoints.json is written. May be NULL. */
    void (*ready)(void *ctx, const struct serve_endpoints *endpoints);
    void *ctx;
};

/* Defaults for everything but `dir`. */
void serve_defaults(struct serve_config *config);

/*
 * Runs until SIGTERM or SIGINT: ELO_OK. Or a reason not to start, said as one line with cause and
 * cure in `why`: ELO_E_PORT_IN_USE, ELO_E_PERMISSION, ELO_E_CORRUPT, ELO_E_CA_EXPIRED,
 * ELO_E_DISK_FULL, ELO_E_USAGE (region or account differ from the data folder's), ELO_E_IO.
 */
ELO_MUST_USE elo_err serve_run(const struct serve_config *config, char *why, size_t why_cap);

#endif
