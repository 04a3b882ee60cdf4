// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: input is cut into packets where it lies. Only when a packet is not complete is
 * its beginning copied, into the connection's tail; the next input first completes the tail, and
 * the rest is again read in place. Every public function that can end connections settles them on
 * its way out (internal.h).
 */
#include "server/broker/broker.h"

#include "elo/base/assert.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define NONE elo_span_of(NULL, 0)

/* --- life cycle ---------------------------------------------------------------------------------
 */

struct broker *broker_create(const struct broker_config *config, struct authorizer *auth)
{
    struct broker *b = mem_zero(sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    if (!broker__tree_init(&b->tree)) {
        mem_free(b);
        return NULL;
    }
    b->compat = config->compat;
    b->log = config->log;
    b->random = config->random;
    b->auth = auth;
    b->random.fill(b->random.ctx, &b->dice, sizeof b->dice);
    b->dice |= 1; /* xorshift stays at 0 for ever */
    map_init(&b->sessions);
    map_init(&b->retained);
    TAILQ_INIT(&b->conns);
    TAILQ_INIT(&b->ready);
    TAILQ_INIT(&b->ending);
    return b;
}

void broker_destroy(struct broker *b)
{
    ELO_ASSERT(TAILQ_EMPTY(&b->conns));
    struct session *s;
    for (size_t i = 0; (s = map_next(&b->sessions, &i)) != NULL;) {
        broker__session_destroy(s);
    }
    map_free(&b->sessions);
    broker__retained_free(b);
    broker__tree_free(&b->tree);
    broker__router_free(&b->router);
    broker__timers_free(&b->timers);
    broker__output_pool_free(&b->pool);
    mem_free(b);
}

struct broker_conn *
broker_open(struct broker *b, const struct auth_peer *peer, elo_err refused, struct core_time now)
{
    b->now = now;
    if (b->stats.connections >= LIMIT_CONNECTIONS) {
        return NULL;
    }
    struct broker_conn *c = mem_zero(sizeof *c);
    struct auth_session *auth = c == NULL ? NULL : auth_session_create(b->auth, peer);
    if (auth == NULL || !broker__timers_join(&b->timers, &c->timer, TIMER_CONNECTION)) {
        if (auth != NULL) {
            auth_session_destroy(auth);
        }
        mem_free(c);
        return NULL;
    }
    c->broker = b;
    c->auth = auth;
    c->refused = refused;
    c->source_port = peer->source_port;
    c->last_packet_ms = now.mono_ms;
    buf_init(&c->tail, LIMIT_PACKET_BYTES);
    TAILQ_INSERT_TAIL(&b->conns, c, all);
    b->stats.connections++;
    broker__await_connect(c);
    return c;
}

void broker_closed(struct broker_conn *c, elo_err why, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    broker__end(c, why == ELO_OK ? ELO_E_TCP_CLOSED : why, NULL);
    broker__settle(b);
    if (c->is_ready) {
        TAILQ_REMOVE(&b->ready, c, ready);
    }
    TAILQ_REMOVE(&b->conns, c, all);
    b->stats.connections--;
    broker__timers_leave(&b->timers, &c->timer);
    broker__output_free(&c->out, &b->pool);
    buf_free(&c->tail);
    auth_session_destroy(c->auth);
    mem_free(c);
}

void broker_set_user(struct broker_conn *c, void *user)
{
    c->user = user;
}

void *broker_user(const struct broker_conn *c)
{
    return c->user;
}

/* --- input --------------------------------------------------------------------------------------
 */

static const char *event_of(const struct broker_conn *c, elo_mqtt_type type)
{
    return c->session == NULL             ? "Connect"
           : type == ELO_MQTT_PUBLISH     ? "Publish-In"
           : type == ELO_MQTT_SUBSCRIBE   ? "Subscribe"
           : type == ELO_MQTT_UNSUBSCRIBE ? "Unsubscribe"
                                          : "Disconnect";
}

static void refuse_packet(struct broker_conn *c, elo_mqtt_type type, elo_err err, const char *why)
{
    if (c->session == NULL) {
        c->broker->stats.connects_refused++;
    }
    struct report r = {
        .event = event_of(c, type), .err = err, .reason = "CLIENT_ERROR", .details = why};
    if (err == ELO_E_TOO_LARGE && type == ELO_MQTT_PUBLISH) {
        r.reason = "PAYLOAD_LIMIT_EXCEEDED";
    }
    broker__fail(c, &r);
}

static const char *decode_fault(elo_err err)
{
    return err == ELO_E_UTF8    ? "a string in the packet is not UTF-8, or has a NUL"
           : err == ELO_E_TOPIC ? "a topic breaks the rules of MQTT"
                                : "the bytes are no MQTT 3.1.1 packet";
}

/* A protocol level that is not ours: the one refusal with an answer [MQTT-3.1.2-2]. */
static void refuse_version(struct broker_conn *c)
{
    struct elo_mqtt_connack connack = {.code = ELO_MQTT_REFUSED_VERSION};
    uint8_t packet[4];
    size_t len;
    if (elo_mqtt_encode_connack(&connack, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
    refuse_packet(c, ELO_MQTT_CONNECT, ELO_E_UNSUPPORTED, "only MQTT 3.1.1 is spoken here");
}

/* [MQTT-3.14.4-3]: the will is not due any more. */
static void on_disconnect(struct broker_conn *c)
{
    broker__message_release(c->will);
    c->will = NULL;
    broker__end(c, ELO_OK, NULL);
}

static void on_pingreq(struct broker_conn *c)
{
    uint8_t packet[2];
    size_t len;
    if (elo_mqtt_encode_empty(ELO_MQTT_PINGRESP, packet, sizeof packet, &len) == ELO_OK) {
        broker__send(c, elo_span_of(packet, len));
    }
}

static void dispatch(struct broker_conn *c, elo_span bytes, const struct elo_mqtt_packet *in)
{
    switch (in->type) {
    case ELO_MQTT_PUBLISH:
        broker__on_publish(c, bytes, &in->u.publish);
        break;
    case ELO_MQTT_PUBACK:
        broker__on_puback(c, in->u.ack.packet_id);
        break;
    case ELO_MQTT_SUBSCRIBE:
        broker__on_subscribe(c, &in->u.subscribe);
        break;
    case ELO_MQTT_UNSUBSCRIBE:
        broker__on_unsubscribe(c, &in->u.subscribe);
        break;
    case ELO_MQTT_PINGREQ:
        on_pingreq(c);
        break;
    case ELO_MQTT_DISCONNECT:
        on_disconnect(c);
        break;
    case ELO_MQTT_CONNECT: /* [MQTT-3.1.0-2] */
        refuse_packet(c, in->type, ELO_E_PROTOCOL, "a second CONNECT on one connection");
        break;
    default:
        refuse_packet(c, in->type, ELO_E_PROTOCOL, "a packet that a client must not send");
    }
}

/* One whole packet. */
static void on_packet(struct broker_conn *c, elo_span bytes)
{
    struct elo_mqtt_packet in = {0};
    elo_err err = elo_mqtt_decode(bytes, &in);
    elo_mqtt_type type = (elo_mqtt_type)(bytes.ptr[0] >> 4);
    if (c->session == NULL && type != ELO_MQTT_CONNECT) { /* [MQTT-3.1.0-1] */
        refuse_packet(c, type, ELO_E_PROTOCOL, "the first packet is no CONNECT");
    } else if (err == ELO_E_UNSUPPORTED && c->session == NULL) {
        refuse_version(c);
    } else if (err != ELO_OK) {
        refuse_packet(c, type, err, decode_fault(err));
    } else {
        c->last_packet_ms = c->broker->now.mono_ms;
        if (c->session == NULL) {
            broker__on_connect(c, &in.u.connect);
        } else {
            dispatch(c, bytes, &in);
        }
    }
}

/* How much the packet at the start of `in` measures; 0: not known yet, or the connection ended. */
static size_t measure(struct broker_conn *c, elo_span in)
{
    struct elo_mqtt_frame frame = {.type = (elo_mqtt_type)0};
    elo_err err = elo_mqtt_frame(in, LIMIT_PACKET_BYTES, &frame);
    if (err == ELO_OK) {
        return frame.total;
    }
    if (err == ELO_E_TOO_LARGE) {
        refuse_packet(c, frame.type, err, "a packet larger than any that AWS IoT Core takes");
    } else if (err != ELO_NEED_MORE) {
        refuse_packet(c, frame.type, err, decode_fault(err));
    }
    return 0;
}

/* Adds to the tail until it holds `want` bytes or the input is used up. */
static void fill_tail(struct broker_conn *c, size_t want, elo_span *in)
{
    size_t missing = want - buf_span(&c->tail).len;
    size_t n = missing < in->len ? missing : in->len;
    buf_add(&c->tail, elo_span_first(*in, n));
    *in = elo_span_from(*in, n);
    if (buf_err(&c->tail) != ELO_OK) {
        broker__end(c, buf_err(&c->tail), NULL);
    }
}

/* Completes the packet that has begun in the tail, as far as the input goes. */
static void finish_tail(struct broker_conn *c, elo_span *in)
{
    while (!c->ended && in->len > 0 && buf_span(&c->tail).len > 0) {
        size_t total = measure(c, buf_span(&c->tail));
        if (c->ended) {
            return;
        }
        size_t have = buf_span(&c->tail).len;
        fill_tail(c, total > 0 ? total : have + 1, in);
        if (!c->ended && total > 0 && buf_span(&c->tail).len == total) {
            on_packet(c, buf_span(&c->tail));
            buf_free(&c->tail);
        }
    }
}

/* The tail's last byte may have completed a packet of nothing but a header. */
static void take_whole_tail(struct broker_conn *c)
{
    elo_span tail = buf_span(&c->tail);
    if (c->ended || tail.len == 0 || measure(c, tail) != tail.len) {
        return;
    }
    on_packet(c, tail);
    buf_free(&c->tail);
}

void broker_input(struct broker_conn *c, elo_span bytes, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    if (c->ended) {
        return;
    }
    finish_tail(c, &bytes);
    take_whole_tail(c);
    while (!c->ended && bytes.len > 0) {
        size_t total = measure(c, bytes);
        if (c->ended) {
            break;
        }
        if (total == 0 || total > bytes.len) {
            fill_tail(c, bytes.len, &bytes);
            break;
        }
        on_packet(c, elo_span_first(bytes, total));
        bytes = elo_span_from(bytes, total);
    }
    broker__settle(b);
}

/* --- output -------------------------------------------------------------------------------------
 */

size_t broker_output(struct broker_conn *c, elo_span *out, size_t max)
{
    return broker__output_pieces(&c->out, out, max);
}

void broker_output_ack(struct broker_conn *c, size_t sent, struct core_time now)
{
    struct broker *b = c->broker;
    b->now = now;
    broker__output_ack(&c->out, &b->pool, sent);
    struct session *s = c->session;
    if (s != NULL && (s->queue.count > 0 || s->inflight.unwritten > 0)) {
        broker__pump(s);
        broker__settle(b);
    }
}

size_t broker_output_bytes(const struct broker_conn *c)
{
    return c->out.bytes;
}

bool broker_wants_close(const struct broker_conn *c)
{
    return c->ended;
}

elo_err broker_close_reason(const struct broker_conn *c)
{
    return c->reason;
}

struct broker_conn *broker_next_ready(struct broker *b)
{
    struct broker_conn *c = TAILQ_FIRST(&b->ready);
    if (c != NULL) {
        TAILQ_REMOVE(&b->ready, c, ready);
        c->is_ready = false;
    }
    return c;
}

/* --- time ---------------------------------------------------------------------------------------
 */

#define OWNER(timer_ptr, type) ((type *)(void *)((char *)(timer_ptr)-offsetof(type, timer)))

static void session_rang(struct session *s)
{
    if (s->conn == NULL) {
        broker__session_destroy(s); /* stored for as long as AWS does */
    } else {
        broker__redeliver(s);
    }
}

int64_t broker_deadline(const struct broker *b)
{
    return broker__timers_next(&b->timers);
}

void broker_tick(struct broker *b, struct core_time now)
{
    b->now = now;
    struct timer *timer;
    while ((timer = broker__timers_pop(&b->timers, now.mono_ms)) != NULL) {
        if (timer->kind == TIMER_CONNECTION) {
            broker__silence(OWNER(timer, struct broker_conn));
        } else {
            session_rang(OWNER(timer, struct session));
        }
        broker__settle(b);
    }
}

/* --- the owner's other doors --------------------------------------------------------------------
 */

elo_err broker_publish(struct broker *b,
                       elo_span topic,
                       elo_span payload,
                       uint8_t qos,
                       bool retain,
                       struct core_time now)
{
    b->now = now;
    b->stats.publish_in++;
    struct publication p = {.topic = topic, .payload = payload, .qos = qos > 0};
    elo_err err = broker__publish(b, &p, retain);
    broker__settle(b);
    return err;
}

void broker_certificate_changed(struct broker *b, elo_span certificate_id, struct core_time now)
{
    b->now = now;
    elo_err err = authorizer_certificate(b->auth, certificate_id, now.wall_ms,
                                         b->compat.expired_certificate != 0);
    if (err == ELO_OK) {
        return;
    }
    struct broker_conn *c;
    TAILQ_FOREACH(c, &b->conns, all)
    {
        if (!elo_span_eq(auth_session_certificate_id(c->auth), certificate_id)) {
            continue;
        }
        if (c->session == NULL) {
            c->refused = err; /* CONNECT will be told */
        } else {
            broker__end(c, err, NULL);
        }
    }
    broker__settle(b);
}

void broker_shutdown(struct broker *b, struct core_time now)
{
    b->now = now;
    struct broker_conn *c;
    TAILQ_FOREACH(c, &b->conns, all)
    {
        broker__end(c, ELO_OK, "SERVER_INITIATED_DISCONNECT");
    }
    broker__settle(b);
}

void broker_stats(const struct broker *b, struct broker_stats *out)
{
    *out = b->stats;
    out->sessions = map_len(&b->sessions);
    out->retained = map_len(&b->retained);
}
