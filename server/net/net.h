// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The edge: one libuv loop that turns connections into bytes for the core and back. With
 * server/pki the only user of OpenSSL; the only user of libuv and llhttp.
 *
 *     8883  TLS, client certificate required      -> broker
 *     8443  TLS, ALPN decides: x-amzn-mqtt-ca     -> broker (client certificate required)
 *                              anything else      -> HTTP -> api
 *     8080  plain HTTP on loopback                -> api
 *     off   plain MQTT on loopback, for protocol tests and tools: no certificate, no policy
 *                                                 -> broker
 *
 * One wake-up reads what every ready socket has, hands it to the core, then asks the core once for
 * what is to be sent: deliveries of a batch leave in one TLS record per subscriber. API replies
 * wait here until the store says durable.
 *
 * Handshakes cost a thousand times what a message does. They are done by worker threads of lower
 * priority, so that a flood of connects delays connects, not messages; from then on a connection
 * is the loop's. With the switch unregistered-certificate=alert the registry, and so the core, has
 * a say in each handshake: they are done on the loop then.
 *
 * A client certificate is judged by its registration, not by its issuer: TLS proves possession of
 * the key, authorizer_certificate() says whether it is good.
 */
#ifndef ELO_SERVER_NET_H
#define ELO_SERVER_NET_H

#include "server/api/api.h"
#include "server/seeing/seeing.h"

struct net;

enum { NET_NO_PORT = -1, NET_FROM_CORES = -1 };

/* What seeing wants to know. */
void net_edge(const struct net *net, struct seeing_edge *out);

/* Who answers /metrics and its like on the plain HTTP port; NULL: nobody. */
void net_set_seeing(struct net *net, struct seeing *seeing);

/* Where a function of a custom authorizer lives: its name or its ARN, and a URL. */
struct net_lambda {
    elo_span name;
    const char *url;
};

struct net_config {
    const struct net_lambda *lambdas; /* outlive the net */
    size_t lambda_count;
    const char *listen; /* NULL: loopback, IPv4 and (if there) IPv6; "::" is both families */
    int mqtts_port, https_port, http_port;
    int plain_port; /* NET_NO_PORT: not listened on, as it should be */
    int io_threads; /* for TLS handshakes; 0: on the loop; NET_FROM_CORES: one a core */
    const char *cert_file, *key_file;
    bool openssl_records;   /* OpenSSL's record layer all along, not our own (record.h) */
    const char *tls_policy; /* AWS's name for versions and suites; NULL: its default */
    const struct log *log;
    struct compat compat;
    const struct limits *limits; /* copied: sockets, handshakes; NULL: AWS's */
    struct broker *broker;
    struct authorizer *authorizer;
    struct store *store;

    /* Changes of the registry are lost: the owner makes memory agree with the database again. */
    void (*commit_failed)(void *ctx, elo_err err);

    /* Once a day: makes the server's certificate again if its time is over. NULL: nobody does. */
    void (*renew)(void *ctx);
    void *ctx;
};

/*
 * Made before the store is opened, because the store needs net_wake(). ELO_E_NO_MEMORY, ELO_E_IO
 * (no file descriptors) with `why`.
 */
ELO_MUST_USE elo_err net_create(struct net **out, char *why, size_t why_cap);

/* Counts what OpenSSL holds from now on (server/base/mem.h); before anything has used it. */
void net_count_openssl(void);

/* For store_config.wake: may be called on any thread. */
void net_wake(void *net);

/* Binds every port. ELO_E_PORT_IN_USE, ELO_E_PERMISSION, ELO_E_IO, ELO_E_BAD_PEM with `why`. */
ELO_MUST_USE elo_err net_open(struct net *net,
                              const struct net_config *config,
                              char *why,
                              size_t why_cap);

/* The ports that were bound. */
int net_mqtts_port(const struct net *net);
int net_https_port(const struct net *net);
int net_http_port(const struct net *net);
int net_plain_port(const struct net *net); /* NET_NO_PORT: none */

/* Reads cert_file and key_file again, for connections from now on; on failure the old pair stays.
 */
ELO_MUST_USE elo_err net_reload_certificate(struct net *net, char *why, size_t why_cap);

/* Who answers HTTP. Set before net_run(); apart from the rest, because its DescribeEndpoint needs
 * the ports that net_open() has bound. */
void net_set_api(struct net *net, struct api *api);

/* Runs until SIGTERM, SIGINT or net_stop(): then stops accepting, ends connections, returns. The
 * signals are watched from net_open() on. */
void net_run(struct net *net);
void net_stop(struct net *net);

struct core_time net_time(const struct net *net);

/* After net_run(), or instead of it: ends every connection, so that the core may be destroyed. NULL
 * is allowed. */
void net_close_connections(struct net *net);

/* Frees it. The store must be closed by then: its thread calls net_wake(). NULL is allowed. */
void net_destroy(struct net *net);

#endif
