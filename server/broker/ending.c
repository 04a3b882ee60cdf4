// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/broker/internal.h"

/* Peers that are gone or do not read: what they have not been sent is not worth waiting for. */
static bool is_deaf(const struct broker_conn *c, elo_err err)
{
    bool may_hear = c->version == ELO_MQTT_5 && c->out.bytes <= OUTPUT_RESERVE_BYTES;
    return ((err == ELO_E_TAKEN_OVER || err == ELO_E_KEEP_ALIVE) && !may_hear) ||
           err == ELO_E_SLOW_CONSUMER || err == ELO_E_NO_MEMORY;
}

static void report_ending(struct broker_conn *c)
{
    struct report r = {.event = "Disconnect",
                       .err = c->reason,
                       .reason = c->word,
                       .details = broker__ending_details(c->reason)};
    broker__report(c, c->reason == ELO_OK ? LOG_INFO : LOG_ERROR, &r);
}

/* `r`: what the client is told. */
static void end(struct broker_conn *c, const struct report *r, const char *word)
{
    struct broker *b = c->broker;
    if (c->ended) {
        return;
    }
    if (is_deaf(c, r->err)) {
        broker__output_free(&c->out, &b->pool);
    } else if (!c->mute) {
        broker__last_words(c, r);
    }
    if (c->ended) { /* for want of memory or room, and that was the end */
        return;
    }
    c->ended = true;
    c->reason = r->err;
    c->word = word != NULL ? word : broker__ending_word(r->err);
    if (c->session != NULL) {
        report_ending(c);
    }
    broker__timers_cancel(&b->timers, &c->timer);
    TAILQ_INSERT_TAIL(&b->ending, c, ending);
    broker__make_ready(c);
}

void broker__end(struct broker_conn *c, elo_err err, const char *word)
{
    const struct report r = {.err = err, .details = broker__ending_details(err)};
    end(c, &r, word);
}

void broker__fail(struct broker_conn *c, const struct report *r)
{
    if (!c->ended) {
        broker__report(c, LOG_ERROR, r);
        end(c, r, NULL);
    }
}

void broker__refuse(
    struct broker_conn *c, const char *event, elo_err err, elo_span topic, const char *details)
{
    struct report r = {.event = event,
                       .err = err,
                       .reason = err == ELO_E_NO_MEMORY ? "SERVER_ERROR" : "CLIENT_ERROR",
                       .topic = topic,
                       .details = details};
    broker__fail(c, &r);
}

void broker__explain(
    struct broker_conn *c, enum policy_action action, elo_span name, char *why, size_t cap)
{
    why[0] = '\0';
    if (broker__heard(c->broker, LOG_ERROR) || c->version == ELO_MQTT_5) {
        (void)auth_explain(c->auth, action, name, why, cap);
    }
}

void broker__report_allowed(struct broker_conn *c,
                            enum log_level level,
                            enum policy_action action,
                            elo_span name,
                            struct report *r)
{
    char why[512] = "";
    if (broker__heard(c->broker, LOG_DEBUG)) { /* it takes as long as to decide anew */
        (void)auth_explain(c->auth, action, name, why, sizeof why);
        r->details = why;
    }
    broker__report(c, level, r);
    r->details = NULL;
}

void broker__deny(
    struct broker_conn *c, const char *event, elo_err err, enum policy_action action, elo_span name)
{
    char why[512];
    broker__explain(c, action, name, why, sizeof why);
    struct report r = {
        .event = event, .err = err, .reason = "AUTHORIZATION_FAILURE", .details = why};
    *(action == POLICY_Connect ? &r.client_id : &r.topic) = name;
    broker__fail(c, &r);
}

/* What will be told of this connection when somebody asks (connections.c). */
static void note_ending(struct broker_conn *c, const struct session *s)
{
    struct broker *b = c->broker;
    struct known *k = c->known;
    c->known = NULL;
    k->word = c->word;
    k->ended_wall_ms = b->now.wall_ms;
    k->expiry_s = s->expiry_s;
    broker__known_gone(&b->known, k, b->now.mono_ms);
}

void broker__settle(struct broker *b)
{
    struct broker_conn *c;
    while ((c = TAILQ_FIRST(&b->ending)) != NULL) {
        TAILQ_REMOVE(&b->ending, c, ending);
        struct session *s = c->session;
        c->session = NULL;
        if (s != NULL) {
            broker__event_disconnected(c, broker__client_id(s));
            note_ending(c, s);
            s = broker__session_detach(s);
        }
        broker__will_leave(c, s);
    }
}
