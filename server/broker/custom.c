// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the CONNECT of a client whom a custom authorizer must let in is put aside, the
 * authorizer's function is asked (server/auth/custom.h), and the connection waits. With the answer
 * the same CONNECT is taken up as any other, under the policies of the answer. Later the policies
 * are refreshed, and the connection ends, when the answer says ("Custom authentication", AWS IoT
 * Developer Guide).
 */
#include "elo/mqtt/decode.h"
#include "elo/mqtt/property.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"

/* When so many are asked that this one must wait. */
enum { REFRESH_LATER_MS = 1000 };

static void refuse(struct broker_conn *c, elo_span client_id, elo_err err)
{
    struct report r = {.event = "Connect",
                       .err = err,
                       .reason = "AUTHORIZATION_FAILURE",
                       .client_id = client_id,
                       .details = custom_why(c->custom)};
    c->broker->stats.connects_refused++;
    broker__fail(c, &r);
}

static elo_span asked_client_id(const struct broker_conn *c)
{
    struct elo_mqtt_packet in = {0};
    return elo_mqtt_decode_as(0, elo_span_of(c->asked, c->asked_len), &in) == ELO_OK
               ? in.u.connect.client_id
               : elo_span_of(NULL, 0);
}

/* Its next appointment: a refresh, or the end. */
static bool set_life(struct broker_conn *c)
{
    int64_t now = c->broker->now.mono_ms;
    int64_t end_ms = now + custom_disconnect_s(c->custom) * 1000;
    if (c->life == NULL && !broker_limit_life(c, INT32_MAX, c->broker->now)) {
        return false;
    }
    if (!c->granted && end_ms < c->life->ends_ms) {
        c->life->ends_ms = end_ms;
        c->life->by_authorizer = true;
    }
    c->life->refresh_ms = now + custom_refresh_s(c->custom) * 1000;
    broker__life_arm(c->life);
    return true;
}

/* The CONNECT that was put aside, and what has come since. */
static void take_up(struct broker_conn *c)
{
    struct elo_mqtt_packet in = {0};
    struct buf tail = c->tail;
    uint8_t *asked = c->asked;
    c->asked = NULL;
    buf_init(&c->tail, LIMIT_PACKET_BYTES);
    if (elo_mqtt_decode_as(0, elo_span_of(asked, c->asked_len), &in) == ELO_OK) {
        broker__on_connect(c, &in.u.connect);
    }
    if (!c->ended && buf_span(&tail).len > 0) {
        broker_input(c, buf_span(&tail), c->broker->now);
    }
    mem_free(asked);
    buf_free(&tail);
}

static void on_answer(void *ctx, elo_err err)
{
    struct broker_conn *c = ctx;
    bool first = !c->granted;
    c->asking = false;
    if (c->ended) {
        return;
    }
    if (err == ELO_OK && !set_life(c)) {
        err = ELO_E_NO_MEMORY;
    }
    if (err != ELO_OK) {
        if (first) {
            refuse(c, asked_client_id(c), err);
        } else {
            broker__fail(c, &(struct report){.event = "Disconnect",
                                             .err = err,
                                             .reason = "AUTH_ERROR",
                                             .details = custom_why(c->custom)});
        }
    } else {
        auth_session_renew(c->auth);
        c->broker->tree.generation++; /* its routes were asked about the old ones: route.h */
        c->granted = true;
        if (first) {
            take_up(c);
        }
    }
    broker__settle(c->broker);
}

bool broker__must_ask(const struct broker_conn *c)
{
    return c->custom != NULL && !c->granted;
}

void broker__ask(struct broker_conn *c, elo_span packet, const struct elo_mqtt_connect *in)
{
    char id[37];
    struct elo_mqtt_terms terms;
    broker__note_terms(c, in, &terms); /* for the refusal, if it is one */
    const struct custom_mqtt mqtt = {.has_username = in->has_username,
                                     .has_password = in->has_password,
                                     .username = in->username,
                                     .password = in->password,
                                     .client_id = in->client_id};
    core_uuid(&c->broker->random, id);
    c->asked = mem_alloc(packet.len);
    elo_err err = c->asked == NULL ? ELO_E_NO_MEMORY : ELO_OK;
    if (err == ELO_OK) {
        memcpy(c->asked, packet.ptr, packet.len);
        c->asked_len = (uint32_t)packet.len;
    }
    err = err != ELO_OK ? err : custom_ask(c->custom, &mqtt, NULL, id, on_answer, c);
    if (err != ELO_OK) {
        refuse(c, in->client_id, err);
        return;
    }
    c->asking = true; /* for no longer than LIMIT_CUSTOM_CALL_MS: the edge sees to it */
}

void broker__refresh(struct broker_conn *c)
{
    if (c->asking) {
        return;
    }
    elo_err err = custom_ask_again(c->custom);
    c->asking = err == ELO_OK;
    if (err == ELO_E_QUOTA) { /* many came at one time, and so all are refreshed at one time */
        c->life->refresh_ms = c->broker->now.mono_ms + REFRESH_LATER_MS;
        broker__life_arm(c->life);
    } else if (err != ELO_OK) {
        broker__fail(c, &(struct report){.event = "Disconnect",
                                         .err = err,
                                         .reason = "AUTH_ERROR",
                                         .details = custom_why(c->custom)});
    }
}
