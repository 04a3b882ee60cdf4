// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The AWS REST API of the desk: AWS IoT (control plane) and AWS IoT data plane, one route table.
 *
 * Pure: a request goes in, a response comes out, with the number of the store batch it must wait
 * for. The edge holds a response until that batch is durable; if its commit failed it sends
 * api_commit_failed() instead.
 *
 * Requests are signed with SigV4 by the desk's own key (api_config.key). Paths are split before
 * they are percent-decoded. Errors have AWS's names, statuses, headers and body.
 */
#ifndef ELO_SERVER_API_H
#define ELO_SERVER_API_H

#include "server/auth/sigv4.h"
#include "server/base/buf.h"
#include "server/broker/broker.h"
#include "server/pki/pki.h"

struct api;

struct api_config {
    struct sigv4_key key; /* the desk's credentials; copied */
    const char *endpoint; /* what DescribeEndpoint answers: host or host:port */
    struct core_random random;
    const struct log *log;
    struct compat compat;
};

struct api_request {
    struct sigv4_request http; /* spans live during the call */
    elo_span source_ip;

    /* Who is known by other means than a signature: a device by its certificate. It may use the
     * data plane as far as its policies allow. NULL: nobody. */
    struct auth_session *device;
    elo_err device_refused; /* not ELO_OK: why the certificate that was shown is no good, */
    const char *device_why; /* and, if not NULL, one sentence more */

    /* The client sent SNI and ALPN: a WebSocket's credentials for a custom authorizer may come
     * later, in CONNECT ("Custom authentication", AWS IoT Developer Guide). */
    bool may_show_later;

    /*
     * Some requests need a custom authorizer's answer. Who must wait for it is told by `custom` of
     * the response; when `answered` has been called, the same request is handled again, with it.
     */
    struct custom *custom; /* NULL: not asked yet */
    elo_err custom_err;
    void (*answered)(void *ctx, elo_err err);
    void *answered_ctx;

    /*
     * An RSA key takes as long as a thousand requests. With `makes_keys` whoever has the request
     * makes it elsewhere (pki_key_make()): `wants_key` of the response says that one is needed;
     * then the same request is handled again, with `key`, or without `makes_keys` if there was
     * none to be had.
     */
    bool makes_keys;
    struct pki_key *key;
};

struct api_response {
    int status;
    struct buf headers; /* "Name: value\r\n" lines, content-type first, x-amzn-RequestId second */
    struct buf body;
    uint64_t after_seq; /* send when the store says durable; 0: at once */
    uint64_t ticket;    /* not 0: send when broker_next_receipt() gives it, see api_unconfirmed() */
    const char *operation; /* as AWS calls it; "Api": none */
    char request_id[37];
    struct custom *custom; /* not NULL: there is no answer yet. The caller owns it from then on */
    bool wants_key;        /* there is no answer yet, see api_request.makes_keys */
};

/* NULL: out of memory. Everything given outlives the api. */
struct api *api_create(const struct api_config *config,
                       struct registry *reg,
                       struct broker *broker,
                       struct pki_ca *ca);
void api_destroy(struct api *api);

/* Answers every request, also nonsense. `out` is filled, to be freed by api_response_free(). */
void api_handle(struct api *api,
                const struct api_request *request,
                struct core_time now,
                struct api_response *out);

/* Is it for a custom authorizer to say whether this request may be made? */
bool api_wants_custom(struct api *api, const struct api_request *request);

/*
 * May this request open a WebSocket for MQTT? AWS_OK: `out_peer` (valid while the api lives) is in
 * whose name; `out` is empty. Otherwise `out` is the refusal, in the data plane's shape; so it is
 * with `fault` not NULL, which says what is wrong with the request.
 */
aws_error api_open_websocket(struct api *api,
                             const struct api_request *request,
                             const char *fault,
                             struct core_time now,
                             struct auth_peer *out_peer,
                             struct api_response *out);

/* Turns a response whose commit failed into AWS's 500 with the cause in words. */
void api_commit_failed(struct api_response *response, elo_err err);

/* The receipt came without a PUBACK: turns the response into AWS's 504. */
void api_unconfirmed(struct api_response *response);

void api_response_free(struct api_response *response);

#endif
