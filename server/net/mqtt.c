// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* MQTT over a ready transport: the broker speaks, this passes the bytes. */
#include "server/auth/custom.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

static void input(struct conn *c, elo_span bytes)
{
    broker_input(c->speaker, bytes, net_time(c->net));
}

static size_t output(struct conn *c, elo_span *out, size_t max)
{
    return broker_output(c->speaker, out, max);
}

static void sent(struct conn *c, size_t len)
{
    broker_output_ack(c->speaker, len, net_time(c->net));
}

static bool wants_close(const struct conn *c)
{
    return broker_wants_close(c->speaker);
}

static bool is_held(const struct conn *c)
{
    return broker_output_bytes(c->speaker) > 0;
}

static bool wants_input(const struct conn *c)
{
    return broker_wants_input(c->speaker);
}

static void closed(struct conn *c, elo_err why)
{
    broker_closed(c->speaker, why, net_time(c->net));
    c->speaker = NULL;
}

static const struct protocol mqtt = {"MQTT",      false,   input,       output, sent,
                                     wants_close, is_held, wants_input, closed};

static bool speak(struct conn *c, struct broker_conn *speaker)
{
    if (speaker == NULL) {
        return false;
    }
    broker_set_user(speaker, c);
    c->speaker = speaker;
    c->protocol = &mqtt;
    return true;
}

/* On the plain port nobody shows who they are, and everybody may do everything. */
static bool begin_plain(struct conn *c)
{
    struct auth_peer peer = {
        .kind = AUTH_PEER_PLAIN, .source_ip = elo_span_str(c->ip), .source_port = c->port};
    return speak(c, broker_open(c->net->config.broker, &peer, ELO_OK, net_time(c->net)));
}

/* Who has connected, in `out`, and whether the certificate that was shown is good. */
static elo_err look(const struct conn *c, struct auth_peer *out)
{
    const struct net_config *config = &c->net->config;
    *out = (struct auth_peer){.certificate_id = elo_span_str(c->peer->certificate_id),
                              .certificate_der = elo_span_of(c->peer->der, c->peer->der_len),
                              .source_ip = elo_span_str(c->ip),
                              .source_port = c->port,
                              .server_name = tls_server_name(c)};
    return authorizer_certificate(config->authorizer, out->certificate_id, net_time(c->net).wall_ms,
                                  config->compat.expired_certificate != 0);
}

void mqtt_device(const struct conn *c, struct auth_session **device, elo_err *out_refused)
{
    if (c->peer == NULL || c->peer->der_len == 0) {
        return;
    }
    struct auth_peer peer;
    *out_refused = look(c, &peer);
    if (*device == NULL) {
        *device = auth_session_create(c->net->config.authorizer, &peer);
    }
}

/* By the ALPN name "mqtt": what CONNECT says is handed to a custom authorizer. */
static bool begin_custom(struct conn *c)
{
    struct auth_peer peer = {.kind = AUTH_PEER_CUSTOM,
                             .source_ip = elo_span_str(c->ip),
                             .source_port = c->port,
                             .server_name = tls_server_name(c)};
    peer.custom = custom_create(c->net->config.authorizer, NULL, peer.server_name);
    struct broker_conn *speaker =
        peer.custom ? broker_open(c->net->config.broker, &peer, ELO_OK, net_time(c->net)) : NULL;
    if (speaker == NULL) {
        custom_destroy(peer.custom);
    }
    mem_free(c->peer);
    c->peer = NULL;
    return speak(c, speaker);
}

/* Who has connected, and is the certificate good? */
bool mqtt_begin(struct conn *c)
{
    if (c->kind == LISTEN_PLAIN) {
        return begin_plain(c);
    }
    if (tls_wants_custom(c)) {
        return begin_custom(c);
    }
    struct auth_peer peer;
    elo_err refused = look(c, &peer);
    struct broker_conn *speaker =
        broker_open(c->net->config.broker, &peer, refused, net_time(c->net));
    mem_free(c->peer);
    c->peer = NULL;
    return speak(c, speaker);
}
