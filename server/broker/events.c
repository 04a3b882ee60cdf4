// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Lifecycle events ("Lifecycle events", AWS IoT Developer Guide): what the broker publishes of its
 * own accord under $aws/events/presence and $aws/events/subscriptions.
 *
 * How this works: first the topic, on the stack, and the route of it; an event that nobody has
 * subscribed to is never written. Then one JSON object, and the same way as any message: receivers
 * need iot:Receive, the publisher nothing. Client ids with + or # in them have no events: they
 * would not be topics.
 */
#include <stdio.h>

#include "elo/json/write.h"
#include "server/broker/internal.h"

#define TOPIC_BYTES 256u
#define EVENT_BYTES 16384u /* 8 filters of 256 bytes, each of which can become six */

struct event {
    const struct broker_conn *conn;
    size_t topic_len;
    char topic[TOPIC_BYTES];
    uint8_t text[EVENT_BYTES];
    struct elo_json_writer json;
};

/* A bijection, so that numbers that differ stay different (splitmix64). */
static uint64_t mixed(uint64_t n)
{
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
    return n ^ (n >> 31);
}

void broker__connection_uuid(const struct broker_conn *c, char out[37])
{
    const struct broker *b = c->broker;
    uint64_t high = mixed(b->salt[0] + c->serial * 0x9e3779b97f4a7c15u);
    uint64_t low = mixed(b->salt[1] ^ high);
    (void)snprintf(out, 37, "%08x-%04x-4%03x-%04x-%04x%08x", (unsigned)(high >> 32),
                   (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xfff,
                   (unsigned)((low >> 48) & 0x3fff) | 0x8000, (unsigned)(low >> 32) & 0xffff,
                   (unsigned)low);
}

static bool may_be_topic(elo_span client_id)
{
    return memchr(client_id.ptr, '+', client_id.len) == NULL &&
           memchr(client_id.ptr, '#', client_id.len) == NULL;
}

static void put(struct event *e, const char *key, elo_span value)
{
    elo_json_key(&e->json, elo_span_str(key));
    elo_json_string(&e->json, value);
}

static bool has_receivers(struct broker *b, const struct publication *p)
{
    struct route route;
    elo_err err = broker__route(&b->router, &b->tree, p, authorizer_generation(b->auth), &route);
    return err == ELO_OK && route.target_count + route.group_count > 0;
}

static struct publication publication_of(const struct event *e)
{
    elo_span topic = elo_span_of(e->topic, e->topic_len);
    return (struct publication){.topic = topic,
                                .hash = map_hash(topic),
                                .expires_ms = MESSAGE_FOREVER,
                                .qos = e->conn->broker->compat.lifecycle_event_qos == 0};
}

/* Begins "presence/connected" and the like. false: nobody would get it. */
static bool
begin(struct event *e, const struct broker_conn *c, elo_span client_id, const char *kind)
{
    if (client_id.len == 0 || client_id.len > LIMIT_CLIENT_ID_BYTES || !may_be_topic(client_id)) {
        return false;
    }
    e->conn = c;
    e->topic_len = (size_t)snprintf(e->topic, sizeof e->topic, "$aws/events/%s/%.*s", kind,
                                    (int)client_id.len, (const char *)client_id.ptr);
    const struct publication p = publication_of(e);
    if (!has_receivers(c->broker, &p)) {
        return false;
    }
    char uuid[37];
    broker__connection_uuid(c, uuid);
    elo_json_writer_init(&e->json, e->text, sizeof e->text);
    elo_json_begin_object(&e->json);
    put(e, "clientId", client_id);
    elo_span thing = auth_session_exclusive_thing(c->auth);
    if (thing.len > 0) {
        put(e, "thingName", thing);
    }
    elo_json_key(&e->json, ELO_SPAN("timestamp"));
    elo_json_int(&e->json, c->broker->now.wall_ms);
    put(e, "eventType", elo_span_str(strchr(kind, '/') + 1));
    put(e, "sessionIdentifier", elo_span_str(uuid));
    put(e, "principalIdentifier", auth_session_principal(c->auth));
    return true;
}

static void publish(struct event *e)
{
    size_t len = 0;
    elo_json_end_object(&e->json);
    if (elo_json_finish(&e->json, &len) != ELO_OK) {
        return; /* a name that is no UTF-8 cannot be told in JSON */
    }
    struct broker *b = e->conn->broker;
    struct publication p = publication_of(e);
    p.payload = elo_span_of(e->text, len);
    if (broker__publish(b, &p) != ELO_OK) {
        b->stats.dropped++;
    }
}

static void put_version(struct event *e)
{
    elo_json_key(&e->json, ELO_SPAN("versionNumber"));
    elo_json_int(&e->json, (int64_t)e->conn->known->version);
}

void broker__event_connected(const struct broker_conn *c)
{
    struct event e;
    if (begin(&e, c, broker__client_id(c->session), "presence/connected")) {
        put(&e, "ipAddress", auth_session_source_ip(c->auth));
        put_version(&e);
        publish(&e);
    }
}

/* The lifecycle event's word differs from the log's in one case: both are AWS's. */
static const char *event_word(const char *word)
{
    return strcmp(word, "DUPLICATE_CLIENT_ID") == 0 ? "DUPLICATE_CLIENTID" : word;
}

void broker__event_disconnected(const struct broker_conn *c, elo_span client_id)
{
    struct event e;
    if (begin(&e, c, client_id, "presence/disconnected")) {
        bool by_client = strcmp(c->word, "CLIENT_INITIATED_DISCONNECT") == 0;
        elo_json_key(&e.json, ELO_SPAN("clientInitiatedDisconnect"));
        elo_json_bool(&e.json, by_client);
        put(&e, "disconnectReason", elo_span_str(event_word(c->word)));
        put_version(&e);
        publish(&e);
    }
}

void broker__event_connect_failed(const struct broker_conn *c, elo_span client_id)
{
    struct event e;
    if (begin(&e, c, client_id, "presence/connect_failed")) {
        put(&e, "ipAddress", auth_session_source_ip(c->auth));
        put(&e, "connectFailureReason", ELO_SPAN("AUTHORIZATION_FAILED"));
        publish(&e);
    }
}

void broker__event_subscriptions(const struct broker_conn *c,
                                 const char *kind,
                                 const elo_span *filters,
                                 size_t count)
{
    struct event e;
    if (count > 0 && begin(&e, c, broker__client_id(c->session), kind)) {
        elo_json_key(&e.json, ELO_SPAN("topics"));
        elo_json_begin_array(&e.json);
        for (size_t i = 0; i < count; i++) {
            elo_json_string(&e.json, filters[i]);
        }
        elo_json_end_array(&e.json);
        publish(&e);
    }
}
