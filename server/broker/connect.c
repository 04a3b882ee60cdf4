// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a CONNECT passes a row of checks, each of which ends the connection if it fails;
 * most without a word, as AWS does on MQTT 3.1.1. Then whoever holds the client id is ended, its
 * session taken over or thrown away, and the CONNACK goes out before anything else
 * [MQTT-3.2.0-1].
 */
#include "server/broker/internal.h"

#include <stdio.h>

#define NONE elo_span_of(NULL, 0)

/* "$GEN/" and a UUID. */
#define GENERATED_BYTES (5u + 36u)

#define CONNACK_BYTES 4u

bool broker__refuse_connect(struct broker_conn *c,
                            elo_span client_id,
                            elo_err err,
                            const char *details)
{
    struct report r = {.event = "Connect",
                       .err = err,
                       .reason = err == ELO_E_NO_MEMORY ? "SERVER_ERROR" : "CLIENT_ERROR",
                       .client_id = client_id,
                       .details = details};
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
    return false;
}

/* The certificate was no good: AWS finishes the handshake and closes now. */
void broker__refuse_certificate(struct broker_conn *c, elo_span client_id)
{
    struct report r = {.event = "Connect",
                       .err = c->refused,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = client_id,
                       .details = "the client's certificate is not good for a connection"};
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
}

/* A user name means nothing beside a certificate, but see the switch. */
static bool user_acceptable(struct broker_conn *c, const struct elo_mqtt_connect *in)
{
    bool empty = in->has_username && in->username.len == 0 && in->password.len == 0;
    if (!empty || c->broker->compat.empty_username == 0) {
        return true;
    }
    struct report r = {.event = "Connect",
                       .err = ELO_E_PROTOCOL,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = in->client_id,
                       .details = "user name and password are there and empty: leave them out"};
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
    return false;
}

static bool client_id_valid(struct broker_conn *c, elo_span client_id)
{
    if (client_id.len > LIMIT_CLIENT_ID_BYTES) {
        return broker__refuse_connect(c, client_id, ELO_E_TOO_LARGE,
                                      "a client id may have at most 128 bytes");
    }
    if (client_id.len > 0 && client_id.ptr[0] == '$') {
        return broker__refuse_connect(c, client_id, ELO_E_PROTOCOL,
                                      "a client id may not start with $");
    }
    return true;
}

/* An empty client id is the server's to choose [MQTT-3.1.3-6] [MQTT-3.1.3-7]. */
static bool choose_client_id(struct broker_conn *c,
                             const struct elo_mqtt_connect *in,
                             char room[GENERATED_BYTES + 1],
                             elo_span *id)
{
    if (in->client_id.len > 0) {
        *id = in->client_id;
        return client_id_valid(c, *id);
    }
    if (!in->clean_session && c->broker->compat.empty_id_persistent == 0) {
        broker__send_connack(c, ELO_MQTT_REFUSED_CLIENT_ID, false); /* [MQTT-3.1.3-8] */
        return broker__refuse_connect(c, NONE, ELO_E_PROTOCOL,
                                      "an empty client id needs clean session");
    }
    char uuid[37];
    core_uuid(&c->broker->random, uuid);
    (void)snprintf(room, GENERATED_BYTES + 1, "$GEN/%s", uuid);
    *id = elo_span_of(room, GENERATED_BYTES);
    return true;
}

static bool policy_allows(struct broker_conn *c, const struct elo_mqtt_connect *in, elo_span id)
{
    struct auth_connect facts = {.client_id = id,
                                 .persistent = !in->clean_session,
                                 .has_will = in->has_will,
                                 .will_topic = in->will.topic};
    elo_err err = auth_session_connect(c->auth, &facts);
    if (err != ELO_OK) {
        return broker__refuse_connect(c, id, err, NULL);
    }
    if (auth_allows(c->auth, POLICY_Connect, id)) {
        return !in->has_will || broker__will_allowed(c, id, &in->will);
    }
    err = auth_has_policy(c->auth) ? ELO_E_POLICY_CONNECT : ELO_E_NO_POLICY;
    c->broker->stats.connects_refused++;
    broker__deny(c, "Connect", err, POLICY_Connect, id);
    broker__event_connect_failed(c, id);
    return false;
}

/* One CONNECT a second with one client id, and so many of all clients. */
static bool in_time(struct broker_conn *c, elo_span id, struct known **out)
{
    struct broker *b = c->broker;
    int64_t now = b->now.mono_ms;
    *out = broker__known_add(&b->known, id, now);
    if (*out == NULL) {
        return broker__refuse_connect(c, id, ELO_E_NO_MEMORY, NULL);
    }
    bool own = throttle_take(&(*out)->connects, b->rates.connects, now);
    if (own && throttle_take(&b->account.connects, b->rates.account_connects, now)) {
        return true;
    }
    struct report r = {.event = "Connect",
                       .err = ELO_E_THROTTLED,
                       .reason = "THROTTLED",
                       .client_id = id,
                       .details = own ? "more CONNECT packets of all clients in one second than "
                                        "the account may send"
                                      : "more than one CONNECT in one second with this client id"};
    b->stats.connects_refused++;
    b->stats.connects_throttled++;
    broker__fail(c, &r);
    return false;
}

static bool keep_will(struct broker_conn *c, const struct elo_mqtt_connect *in, elo_span id)
{
    return broker__will_keep(c, in) || broker__refuse_connect(c, id, ELO_E_NO_MEMORY, NULL);
}

/* The newer connection wins [MQTT-3.1.4-2]; the older one's will is published. */
static void take_over(struct broker *b, elo_span id)
{
    struct session *s = map_get(&b->sessions, id);
    if (s != NULL && s->conn != NULL) {
        broker__end(s->conn, ELO_E_TAKEN_OVER, NULL);
        broker__settle(b);
    }
}

/* The session this CONNECT goes on with [MQTT-3.1.2-4] to [MQTT-3.1.2-6]; NULL: it has ended. */
static struct session *open_session(struct broker_conn *c,
                                    elo_span id,
                                    const struct elo_mqtt_connect *in,
                                    bool *out_present)
{
    struct broker *b = c->broker;
    uint32_t expiry_s = in->clean_session ? 0 : b->limits.session_expiry_s;
    take_over(b, id);
    struct session *s = map_get(&b->sessions, id);
    *out_present = s != NULL && !in->clean_session && s->version == in->level;
    if (*out_present) {
        s->expiry_s = expiry_s;
        return s;
    }
    if (s != NULL) {
        broker__session_destroy(s);
    }
    if (map_len(&b->sessions) >= SESSIONS_MAX) {
        broker__send_connack(c, ELO_MQTT_REFUSED_SERVER, false);
        (void)broker__refuse_connect(c, id, ELO_E_QUOTA,
                                     "there are as many stored sessions as may be kept");
        return NULL;
    }
    s = broker__session_create(b, id, in->level, expiry_s);
    if (s != NULL) {
        (void)broker__journal_session(s); /* if it cannot be put, `lost` tells */
    }
    if (s == NULL) {
        (void)broker__refuse_connect(c, id, ELO_E_NO_MEMORY, NULL);
    }
    return s;
}

/* The connection counts; its number is one more than the last one's. */
static void note_beginning(struct broker_conn *c, struct known *k, const struct session *s)
{
    struct broker *b = c->broker;
    k->version += k->connected_wall_ms != 0;
    c->connection_number = k->version;
    k->connected_wall_ms = b->now.wall_ms;
    k->clean = !broker__persistent(s);
    k->port = c->source_port;
    k->keep_alive_s = (uint32_t)(c->patience_ms / 1500);
    elo_span ip = auth_session_source_ip(c->auth);
    (void)snprintf(k->ip, sizeof k->ip, "%.*s", (int)ip.len, ip.len ? (const char *)ip.ptr : "");
    broker__known_here(&b->known, k);
    c->known = k;
}

static void accept(struct broker_conn *c,
                   struct session *s,
                   struct known *known,
                   bool present,
                   uint16_t keep_alive_s)
{
    if (c->broker->journal.touched) {
        broker__hold_output(c); /* a session was made or has ended: that must be durable first */
    }
    c->version = 4;
    c->window = LIMIT_INFLIGHT;
    c->packet_max = UINT32_MAX;
    broker__session_attach(s, c);
    broker__send_connack(c, ELO_MQTT_ACCEPTED, present);
    c->connack_left = CONNACK_BYTES;
    c->broker->stats.connects++;
    broker__keep_alive(c, keep_alive_s);
    note_beginning(c, known, s);
    struct report r = {.event = "Connect"};
    broker__report(c, LOG_INFO, &r);
    broker__event_connected(c);
    broker__pump(s);
    broker__share_pump(s);
}

void broker__on_connect(struct broker_conn *c, const struct elo_mqtt_connect *in)
{
    char room[GENERATED_BYTES + 1];
    elo_span id;
    struct known *known;
    if (c->refused != ELO_OK) {
        broker__refuse_certificate(c, in->client_id);
        return;
    }
    if (!user_acceptable(c, in) || !choose_client_id(c, in, room, &id) ||
        !policy_allows(c, in, id) || !in_time(c, id, &known) || !keep_will(c, in, id)) {
        return;
    }
    bool present;
    broker__journal_watch(&c->broker->journal);
    struct session *s = open_session(c, id, in, &present);
    if (s != NULL && c->broker->journal.lost) {
        if (!present) {
            broker__session_destroy(s);
        }
        (void)broker__refuse_connect(c, id, ELO_E_NO_MEMORY, NULL);
        s = NULL;
    }
    if (s == NULL) {
        broker__will_drop(c); /* it never was connected */
        return;
    }
    accept(c, s, known, present, in->keep_alive_s);
}
