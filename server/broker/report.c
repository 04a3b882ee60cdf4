// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/internal.h"

/* How a connection ends, by its error: AWS's disconnect reason and a sentence for a person. */
static const struct {
    elo_err err;
    const char *word;
    const char *details;
} endings[] = {
    {ELO_OK, "CLIENT_INITIATED_DISCONNECT", NULL},
    {ELO_E_POLICY_PUBLISH, "AUTH_ERROR", "a PUBLISH that the policy does not allow"},
    {ELO_E_POLICY_SUBSCRIBE, "AUTH_ERROR", "a SUBSCRIBE that the policy does not allow"},
    {ELO_E_AUTHORIZER, "AUTH_ERROR", "the custom authorizer lets it in no longer"},
    {ELO_E_LAMBDA, "AUTH_ERROR", "the custom authorizer could not be asked again"},
    {ELO_E_CERT_UNKNOWN, "FORBIDDEN_ACCESS", "the certificate is not registered any more"},
    {ELO_E_CERT_INACTIVE, "FORBIDDEN_ACCESS", "the certificate is not active any more"},
    {ELO_E_CERT_REVOKED, "FORBIDDEN_ACCESS", "the certificate has been revoked"},
    {ELO_E_CERT_EXPIRED, "FORBIDDEN_ACCESS", "the certificate has expired"},
    {ELO_E_TAKEN_OVER, "DUPLICATE_CLIENT_ID",
     "A new connection was established with the same client ID"},
    {ELO_E_KEEP_ALIVE, "MQTT_KEEP_ALIVE_TIMEOUT",
     "no packet for one and a half times the keep-alive"},
    {ELO_E_SLOW_CONSUMER, "THROTTLED", "the client reads more slowly than messages come for it"},
    {ELO_E_LIFETIME, "WEBSOCKET_TTL_EXPIRATION",
     "a WebSocket lives for 24 hours, and with a custom authorizer as long as that has said"},
    {ELO_E_NO_MEMORY, "SERVER_ERROR", "the server is out of memory"},
    {ELO_E_DISK_FULL, "SERVER_ERROR", "what it sent could not be written: the disk is full"},
    {ELO_E_TCP_CLOSED, "CONNECTION_LOST", "the connection was closed without a DISCONNECT"},
    {ELO_E_TCP_TIMEOUT, "CONNECTION_LOST", NULL},
    {ELO_E_NETWORK, "CONNECTION_LOST", NULL},
    {ELO_E_IO, "CONNECTION_LOST", NULL},
    {ELO_E_TLS_ALERT, "CONNECTION_LOST", NULL},
    {ELO_E_TLS_RECORD, "CONNECTION_LOST", NULL},
};

#define ENDINGS (sizeof endings / sizeof endings[0])

static size_t ending_of(elo_err err)
{
    size_t i = 0;
    while (i < ENDINGS && endings[i].err != err) {
        i++;
    }
    return i;
}

const char *broker__ending_word(elo_err err)
{
    size_t i = ending_of(err);
    return i < ENDINGS ? endings[i].word : "CLIENT_ERROR";
}

const char *broker__ending_details(elo_err err)
{
    size_t i = ending_of(err);
    return i < ENDINGS ? endings[i].details : NULL;
}

bool broker__heard(const struct broker *b, enum log_level level)
{
    return b->log != NULL && log_heard(b->log, level);
}

void broker__report(const struct broker_conn *c, enum log_level level, const struct report *r)
{
    if (!broker__heard(c->broker, level)) {
        return;
    }
    char trace[37];
    broker__connection_uuid(c, trace);
    bool named = r->client_id.len > 0 || c->session == NULL;
    struct log_record record = {
        .level = level,
        .event_type = r->event,
        .err = r->err,
        .protocol = "MQTT",
        .trace_id = elo_span_str(trace),
        .retain = r->retain,
        .websocket = c->websocket,
        .client_id = named ? r->client_id : broker__client_id(c->session),
        .principal_id = auth_session_principal(c->auth),
        .topic = r->topic,
        .source_ip = auth_session_source_ip(c->auth),
        .source_port = c->source_port,
        .reason = elo_span_str(r->reason),
        .details = elo_span_str(r->details),
    };
    log_emit(c->broker->log, &record);
}
