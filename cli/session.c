// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "cli/session.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

int credentials_read(struct credentials *c, const struct bundle *b)
{
    elo_err err = elo_tls_identity_init(&c->identity, b->cert, b->key, c->identity_mem,
                                        sizeof c->identity_mem, &c->work);
    if (err != ELO_OK) {
        return say_reason(err, b->dir);
    }
    elo_tls_anchors_init(&c->anchors, c->roots, sizeof c->roots / sizeof c->roots[0], c->anchor_mem,
                         sizeof c->anchor_mem);
    err = elo_tls_anchors_add(&c->anchors, b->ca, &c->work);
    return err == ELO_OK ? EXIT_OK : say_reason(err, "the bundle's ca.pem");
}

void credentials_wipe(struct credentials *c)
{
    elo_tls_identity_wipe(&c->identity);
}

void speaking_5_init(struct speaking_5 *five)
{
    elo_client_mqtt5_defaults(&five->mqtt5);
    five->mqtt5.aliases_out = five->aliases_out;
    five->mqtt5.aliases_out_size = sizeof five->aliases_out;
    five->mqtt5.aliases_in = five->aliases_in;
    five->mqtt5.aliases_in_size = sizeof five->aliases_in;
    five->mqtt5.alias_slot_size = SESSION_ALIAS_SLOT;
}

static void
client_config(struct session *s, const struct session_options *o, struct elo_client_config *c)
{
    elo_client_defaults(c);
    c->client_id = elo_span_str(s->client_id);
    c->persistent = o->persistent;
    c->rx = s->rx;
    c->rx_size = sizeof s->rx;
    c->tx = s->tx;
    c->tx_size = sizeof s->tx;
    c->outbox = s->outbox;
    c->outbox_size = sizeof s->outbox;
    c->subs = s->subs;
    c->subs_count = SESSION_SUBS;
    c->policy = ELO_CLIENT_REFUSE;
    c->random = posix_entropy_u32;
    if (o->mqtt5) {
        speaking_5_init(&s->five);
        c->mqtt5 = &s->five.mqtt5;
        s->speaks_5 = true;
    }
}

int session_open(struct session *s,
                 const struct bundle *bundle,
                 const struct session_options *options)
{
    memset(s, 0, sizeof *s);
    int code = credentials_read(&s->who, bundle);
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(s->client_id, sizeof s->client_id, "%s",
             options->client_id ? options->client_id : bundle->client_id);
    struct posix_link_config link = {
        .tls = {.profile = &elo_tls_profile_full,
                .host = bundle->server_name,
                .anchors = &s->who.anchors,
                .identity = &s->who.identity,
                .input = s->tls_in,
                .input_cap = ELO_TLS_INPUT_BYTES(SESSION_FRAGMENT),
                .output = s->tls_out,
                .output_cap = ELO_TLS_OUTPUT_BYTES(SESSION_FRAGMENT)},
        .address = bundle->host,
        .port = (uint16_t)bundle->port,
    };
    struct elo_client_config client;
    client_config(s, options, &client);
    elo_err err = posix_link_init(&s->link, &link, &client);
    if (err != ELO_OK) {
        return say_reason(err, s->client_id);
    }
    elo_client_start(&s->link.client, posix_clock_ms());
    return EXIT_OK;
}

void session_close(struct session *s)
{
    posix_link_deinit(&s->link);
    credentials_wipe(&s->who);
}

/* Text of a stranger: what is not plain is shown as a dot. */
static void keep_plain(char *text)
{
    for (; *text != '\0'; text++) {
        *text = isprint((unsigned char)*text) ? *text : '.';
    }
}

void server_said(const struct elo_client_event *e, char said[SAID_SIZE])
{
    elo_span text = {NULL, 0};
    unsigned code = 0;
    if (e->type == ELO_CLIENT_DISCONNECTED) {
        code = e->u.disconnected.code;
        text = e->u.disconnected.text;
    } else if (e->type == ELO_CLIENT_PUBLISHED) {
        code = e->u.published.code;
    } else if (e->type == ELO_CLIENT_SUBSCRIBED) {
        code = e->u.subscribed.code;
    }
    said[0] = '\0';
    if (code >= ELO_MQTT_RC_UNSPECIFIED) {
        snprintf(said, SAID_SIZE, "reason 0x%02X%s%.*s", code, text.len != 0 ? ", " : "",
                 (int)text.len, text.len != 0 ? (const char *)text.ptr : "");
        keep_plain(said);
    }
}

void session_heard(struct session *s, const struct elo_client_event *e)
{
    s->said[0] = '\0';
    if (s->speaks_5) { /* 0x80 is all that 3.1.1 can say */
        server_said(e, s->said);
    }
}

int session_complain(const struct session *s, const struct bundle *bundle, elo_err reason)
{
    const struct elo_link_diagnosis *d = posix_link_diagnosis(&s->link);
    struct buf what;
    buf_init(&what, 2048);
    buf_format(&what, "%s:%d", bundle->host, bundle->port);
    if (d->address[0] != '\0') {
        buf_format(&what, " (%s)", d->address);
    }
    buf_format(&what, " as %s", s->client_id);
    if (s->said[0] != '\0') {
        buf_format(&what, ": %s", s->said);
    }
    if (d->error != 0) {
        buf_format(&what, ": %s", strerror(d->error));
    }
    if (d->tls_alert >= 0) {
        buf_format(&what, ": TLS alert %d", d->tls_alert);
    }
    if (d->tls_error != 0) {
        buf_format(&what, ": BearSSL error %d", d->tls_error);
    }
    buf_byte(&what, 0);
    int code =
        say_reason(reason, buf_err(&what) == ELO_OK ? (const char *)buf_span(&what).ptr : "");
    buf_free(&what);
    return code;
}

bool session_finish(struct session *s, int ms)
{
    struct elo_client *c = &s->link.client;
    struct elo_client_event event;
    uint32_t start = posix_clock_ms();
    bool delivered = false;
    while ((int32_t)(posix_clock_ms() - start) < ms) {
        while (elo_client_next_event(c, &event)) {
        }
        if (!delivered && elo_client_pending(c) == 0) {
            delivered = true;
            elo_client_stop(c, posix_clock_ms());
        }
        if (elo_client_get_state(c) == ELO_CLIENT_STOPPED ||
            posix_link_step(&s->link, 50, NULL, 0) != ELO_OK) {
            break;
        }
    }
    return delivered;
}
