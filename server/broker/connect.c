// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a CONNECT passes a row of checks, each of which ends the connection if it fails;
 * on MQTT 3.1.1 mostly without a word, as AWS does, on MQTT 5 with a CONNACK that says why
 * (refuse.c). Then whoever holds the client id is ended, its session taken over or thrown away, and
 * the CONNACK goes out before anything else [MQTT-3.2.0-1].
 */
#include "server/broker/internal.h"

#include <stdio.h>

#include "elo/mqtt/property.h"

/* "$GEN/" and a UUID. */
#define GENERATED_BYTES (5u + 36u)

/* A CONNECT on its way through the checks. */
struct entry {
    const struct elo_mqtt_connect *in;
    struct elo_mqtt_terms terms; /* of MQTT 5; for 3.1.1 what amounts to the same */
    elo_span id;
    uint32_t expiry_s;   /* of the session, within the limit */
    struct known *known; /* of the client id */
    char generated[GENERATED_BYTES + 1];
};

static bool refuse(struct broker_conn *c, const struct report *r)
{
    c->broker->stats.connects_refused++;
    broker__fail(c, r);
    return false;
}

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
    return refuse(c, &r);
}

/* The certificate was no good: AWS finishes the handshake and closes now. */
void broker__refuse_certificate(struct broker_conn *c, elo_span client_id)
{
    struct report r = {.event = "Connect",
                       .err = c->refused,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = client_id,
                       .details = "the client's certificate is not good for a connection"};
    (void)refuse(c, &r);
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
                       .details = "user name and password are there and empty: leave them out",
                       .code5 = ELO_MQTT_RC_NOT_AUTHORIZED};
    return refuse(c, &r);
}

static bool terms_acceptable(struct broker_conn *c, const struct entry *e)
{
    struct report r = {.event = "Connect", .reason = "CLIENT_ERROR", .client_id = e->in->client_id};
    if (e->terms.has_auth_method) {
        r.err = ELO_E_UNSUPPORTED;
        r.details = "AWS IoT Core has no enhanced authentication";
        r.code5 = c->broker->compat.auth_method == 0 ? ELO_MQTT_RC_AUTH_METHOD
                                                     : ELO_MQTT_RC_NOT_AUTHORIZED;
        return refuse(c, &r);
    }
    if (!broker__user_properties_fit(e->in->properties) ||
        !broker__user_properties_fit(e->in->will.properties)) {
        r.err = ELO_E_QUOTA;
        r.details = "user properties may have at most 8 KB together";
        return refuse(c, &r);
    }
    return true;
}

static bool refuse_client_id(struct broker_conn *c, elo_span id, elo_err err, const char *details)
{
    struct report r = {.event = "Connect",
                       .err = err,
                       .reason = "CLIENT_ERROR",
                       .client_id = id,
                       .details = details,
                       .code5 = ELO_MQTT_RC_CLIENT_ID};
    r.code3 = id.len == 0 ? ELO_MQTT_REFUSED_CLIENT_ID : 0; /* [MQTT-3.1.3-8] */
    return refuse(c, &r);
}

static bool client_id_valid(struct broker_conn *c, elo_span id)
{
    if (id.len > LIMIT_CLIENT_ID_BYTES) {
        return refuse_client_id(c, id, ELO_E_TOO_LARGE, "a client id may have at most 128 bytes");
    }
    if (id.len > 0 && id.ptr[0] == '$') {
        return refuse_client_id(c, id, ELO_E_PROTOCOL, "a client id may not start with $");
    }
    return true;
}

/* An empty client id is the server's to choose [MQTT-3.1.3-6] [MQTT-3.1.3-7]. */
static bool choose_client_id(struct broker_conn *c, struct entry *e)
{
    const struct elo_mqtt_connect *in = e->in;
    if (in->client_id.len > 0) {
        e->id = in->client_id;
        return client_id_valid(c, e->id);
    }
    if (c->version != ELO_MQTT_5 && !in->clean_session &&
        c->broker->compat.empty_id_persistent == 0) {
        return refuse_client_id(c, NONE, ELO_E_PROTOCOL, "an empty client id needs clean session");
    }
    char uuid[37];
    core_uuid(&c->broker->random, uuid);
    (void)snprintf(e->generated, sizeof e->generated, "$GEN/%s", uuid);
    e->id = elo_span_of(e->generated, GENERATED_BYTES);
    return true;
}

static bool policy_allows(struct broker_conn *c, const struct entry *e)
{
    const struct elo_mqtt_connect *in = e->in;
    struct auth_connect facts = {.client_id = e->id,
                                 .persistent = e->expiry_s > 0,
                                 .has_will = in->has_will,
                                 .will_topic = in->will.topic};
    elo_err err = auth_session_connect(c->auth, &facts);
    if (err != ELO_OK) {
        return broker__refuse_connect(c, e->id, err, NULL);
    }
    if (auth_allows(c->auth, POLICY_Connect, e->id)) {
        return !in->has_will || broker__will_allowed(c, e->id, &in->will);
    }
    err = auth_has_policy(c->auth) ? ELO_E_POLICY_CONNECT : ELO_E_NO_POLICY;
    c->broker->stats.connects_refused++;
    broker__deny(c, "Connect", err, POLICY_Connect, e->id);
    broker__event_connect_failed(c, e->id);
    return false;
}

/* What the CONNACK will say, but for what the session adds: which changes nothing of its size. */
static struct acceptance acceptance_of(const struct entry *e)
{
    struct acceptance a = {.expiry_s = e->expiry_s,
                           .expiry_adjusted = e->expiry_s != e->terms.session_expiry_s};
    if (e->in->client_id.len == 0) {
        a.assigned_id = e->id;
    }
    return a;
}

/* [MQTT5-3.1.2-24]: whom no CONNACK can be sent to cannot be connected. */
static bool can_be_told(struct broker_conn *c, const struct entry *e)
{
    struct acceptance a = acceptance_of(e);
    return broker__takes_connack(c, &a) ||
           broker__refuse_connect(c, e->id, ELO_E_TOO_LARGE,
                                  "the CONNACK is larger than the client's Maximum Packet Size");
}

/* One CONNECT a second with one client id, and so many of all clients. */
static bool in_time(struct broker_conn *c, struct entry *e)
{
    struct broker *b = c->broker;
    int64_t now = b->now.mono_ms;
    e->known = broker__known_add(&b->known, e->id, now);
    if (e->known == NULL) {
        return broker__refuse_connect(c, e->id, ELO_E_NO_MEMORY, NULL);
    }
    bool own = throttle_take(&e->known->connects, b->rates.connects, now);
    if (own && throttle_take(&b->account.connects, b->rates.account_connects, now)) {
        return true;
    }
    struct report r = {.event = "Connect",
                       .err = ELO_E_THROTTLED,
                       .reason = "THROTTLED",
                       .silent = b->compat.connect_throttled != 0,
                       .client_id = e->id,
                       .details = own ? "more CONNECT packets of all clients in one second than "
                                        "the account may send"
                                      : "more than one CONNECT in one second with this client id"};
    b->stats.connects_throttled++;
    return refuse(c, &r);
}

static bool keep_will(struct broker_conn *c, const struct entry *e)
{
    return broker__will_keep(c, e->in) || broker__refuse_connect(c, e->id, ELO_E_NO_MEMORY, NULL);
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

/* NULL: it has ended. */
static struct session *make_session(struct broker_conn *c, const struct entry *e)
{
    struct broker *b = c->broker;
    if (map_len(&b->sessions) >= SESSIONS_MAX) {
        struct report r = {.event = "Connect",
                           .err = ELO_E_QUOTA,
                           .reason = "CLIENT_ERROR",
                           .client_id = e->id,
                           .details = "there are as many stored sessions as may be kept",
                           .code3 = ELO_MQTT_REFUSED_SERVER};
        (void)refuse(c, &r);
        return NULL;
    }
    struct session *s = broker__session_create(b, e->id, c->version, e->expiry_s);
    if (s == NULL) {
        (void)broker__refuse_connect(c, e->id, ELO_E_NO_MEMORY, NULL);
    } else {
        (void)broker__journal_session(s, true); /* if it cannot be put, `lost` tells */
    }
    return s;
}

/* The same if it goes on. */
static void resume_session(struct session *s, uint32_t expiry_s)
{
    uint32_t before_s = s->expiry_s;
    s->expiry_s = expiry_s;
    if (!broker__journal_session(s, true)) {
        s->expiry_s = before_s;
    }
}

/*
 * The session this CONNECT goes on with [MQTT-3.1.2-4] to [MQTT-3.1.2-6]; NULL: it has ended. One
 * of the other version is thrown away ("MQTT", Differences between MQTT 5 and MQTT 3).
 */
static struct session *open_session(struct broker_conn *c, const struct entry *e, bool *out_present)
{
    struct broker *b = c->broker;
    take_over(b, e->id);
    struct session *s = map_get(&b->sessions, e->id);
    *out_present = s != NULL && !e->in->clean_session && s->version == c->version;
    if (*out_present) {
        resume_session(s, e->expiry_s);
        return s;
    }
    if (s != NULL) {
        broker__session_end(s);
    }
    return make_session(c, e);
}

/* The connection counts; its number is one more than the last one's. */
static void note_beginning(struct broker_conn *c, struct known *k, const struct session *s)
{
    struct broker *b = c->broker;
    k->version += k->connected_wall_ms != 0;
    k->connected_wall_ms = b->now.wall_ms;
    k->clean = !broker__persistent(s);
    k->keep_alive_s = (uint32_t)(c->patience_ms / 1500);
    broker__known_here(&b->known, k);
    c->known = k;
}

/*
 * A session was made or has ended, now or for a CONNECT just before, or goes on: that is durable
 * before the client is told. But a full disk keeps nobody from the session he has: what is at stake
 * is only that it may be taken for as old as its last connection.
 */
static uint64_t
awaited(const struct broker_conn *c, const struct entry *e, const struct session *s, bool present)
{
    const struct journal *j = &c->broker->journal;
    if (present && j->halted) {
        return broker__journal_pending(j, s->changed);
    }
    uint64_t ended = e->known->session_ended > j->ended ? e->known->session_ended : j->ended;
    return broker__journal_awaited(j, present ? s->changed : ended);
}

static void accept(struct broker_conn *c, const struct entry *e, struct session *s, bool present)
{
    broker__hold_output(c, awaited(c, e, s, present));
    broker__session_attach(s, c);
    struct acceptance a = acceptance_of(e);
    a.session_present = present;
    a.keep_alive_s = broker__keep_alive(c, e->in->keep_alive_s);
    broker__send_connack(c, &a);
    c->broker->stats.connects++;
    note_beginning(c, e->known, s);
    struct report r = {.event = "Connect"};
    broker__report_allowed(c, LOG_INFO, POLICY_Connect, broker__client_id(s), &r);
    broker__event_connected(c);
    broker__pump(s);
    broker__share_pump(s);
}

void broker__note_terms(struct broker_conn *c,
                        const struct elo_mqtt_connect *in,
                        struct elo_mqtt_terms *out)
{
    c->version = in->level;
    elo_mqtt_read_terms(in->properties, out);
    c->no_reasons = !out->wants_problem_info || c->broker->compat.reason_strings != 0;
    c->packet_max = out->maximum_packet;
    c->window =
        (uint8_t)(out->receive_maximum < LIMIT_INFLIGHT ? out->receive_maximum : LIMIT_INFLIGHT);
}

/* What the client has asked for, and what it takes. */
static void read_terms(struct broker_conn *c, struct entry *e)
{
    uint32_t most_s = c->broker->limits.session_expiry_s;
    broker__note_terms(c, e->in, &e->terms);
    if (c->version != ELO_MQTT_5) {
        e->terms.session_expiry_s = e->in->clean_session ? 0 : most_s;
    }
    e->expiry_s = e->terms.session_expiry_s < most_s ? e->terms.session_expiry_s : most_s;
}

void broker__on_connect(struct broker_conn *c, const struct elo_mqtt_connect *in)
{
    struct entry e = {.in = in};
    read_terms(c, &e);
    if (c->refused != ELO_OK) {
        if (!broker__first_contact(c, in->client_id)) {
            broker__refuse_certificate(c, in->client_id);
        }
        return;
    }
    if (!user_acceptable(c, in) || !terms_acceptable(c, &e) || !choose_client_id(c, &e) ||
        !policy_allows(c, &e) || !can_be_told(c, &e) || !in_time(c, &e) || !keep_will(c, &e)) {
        return;
    }
    bool present;
    broker__journal_watch(&c->broker->journal);
    struct session *s = open_session(c, &e, &present);
    if (s != NULL && c->broker->journal.lost) {
        if (!present) {
            broker__session_destroy(s);
        }
        (void)broker__refuse_connect(c, e.id, ELO_E_NO_MEMORY, NULL);
        s = NULL;
    }
    if (s == NULL) {
        broker__will_drop(c); /* it never was connected */
        return;
    }
    accept(c, &e, s, present);
}

/* --- DISCONNECT -------------------------------------------------------------------------------
 */

/* MQTT 5: the session may live for another time than CONNECT said. */
static bool new_expiry(struct broker_conn *c, elo_span properties)
{
    struct session *s = c->session;
    struct elo_mqtt_property p;
    if (!elo_mqtt_find_property(properties, ELO_MQTT_PROP_SESSION_EXPIRY, &p)) {
        return true;
    }
    if (s->expiry_s == 0 && p.number != 0) { /* [MQTT5-3.14.2.2.2] */
        broker__refuse(c, "Disconnect", ELO_E_PROTOCOL, NONE,
                       "a session that began without an expiry cannot be given one in DISCONNECT");
        return false;
    }
    uint32_t most_s = c->broker->limits.session_expiry_s;
    s->expiry_s = p.number < most_s ? p.number : most_s;
    return true;
}

/* [MQTT-3.14.4-3]: the will is not due any more, unless MQTT 5 says so: "with will", an error. */
void broker__on_disconnect(struct broker_conn *c, const struct elo_mqtt_disconnect *in)
{
    if (!new_expiry(c, in->properties)) {
        return;
    }
    if (in->code == ELO_MQTT_RC_SUCCESS) {
        broker__will_drop(c);
    }
    broker__end(c, ELO_OK, NULL);
}
