// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A client engine on the bench: its owner, a clock that only we turn, and a peer that says what the
 * test tells it to. Everything that happens is written down, one line each, and a test is a list of
 * "do this" and "then exactly that happened":
 *
 *     > PUBLISH q1 #1 a=x      the engine wrote a packet           (`dup`, `retain` after the id)
 *     * CONNECTED fresh        the engine told an event
 *     ~ open                   the engine wishes for a transport   (~ close: for none)
 *
 * With MQTT 5, properties follow in hex: {230001}.
 *
 * In a header, because it needs elo_client, which not every test links.
 */
#ifndef TESTS_SUPPORT_CLIENT_RIG_H
#define TESTS_SUPPORT_CLIENT_RIG_H

#include "elo/client/client.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RIG_LOG_SIZE  65536
#define RIG_WIRE_SIZE 65536
#define RIG_MAX_STEPS 100000
#define RIG_NO_EVENTS 1
#define RIG_NO_OUTPUT 2

struct rig {
    struct elo_client c;
    struct elo_client_config config;
    uint32_t now;
    uint32_t random; /* what the engine's random function answers */
    bool up;         /* the transport is open */
    size_t in_chunk; /* give the engine so many bytes at a time; 0: all at once */
    size_t out_chunk;
    unsigned hold; /* RIG_NO_...: what the owner leaves undone for now */
    bool wish_told;
    elo_err reason; /* of the last DISCONNECTED */
    uint32_t wait_ms;
    void (*on_event)(struct rig *r, const struct elo_client_event *e);
    uint8_t wire[RIG_WIRE_SIZE]; /* written by the engine, not yet a whole packet */
    size_t wire_len;
    char log[RIG_LOG_SIZE];
    size_t log_len;
};

__attribute__((format(printf, 2, 3))) static inline void
rig_note(struct rig *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(r->log + r->log_len, sizeof r->log - r->log_len, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof r->log - r->log_len);
    r->log_len += (size_t)n;
}

#define RIG_TEXT(span) (int)(span).len, (const char *)(span).ptr

static inline void rig_note_properties(struct rig *r, elo_span properties)
{
    for (size_t i = 0; i < properties.len; i++) {
        rig_note(r, i == 0 ? " {%02x" : "%02x", properties.ptr[i]);
    }
    rig_note(r, properties.len != 0 ? "}" : "");
}

static inline void rig_note_filters(struct rig *r, const struct elo_mqtt_packet *p)
{
    elo_span rest = p->u.subscribe.filters;
    struct elo_mqtt_subscription sub;
    elo_span filter;
    if (p->type == ELO_MQTT_SUBSCRIBE) {
        rig_note(r, "> SUBSCRIBE #%u", p->u.subscribe.packet_id);
        while (elo_mqtt_next_subscription(&rest, &sub)) {
            rig_note(r, " %.*s:%u", RIG_TEXT(sub.filter), sub.qos);
        }
    } else {
        rig_note(r, "> UNSUBSCRIBE #%u", p->u.subscribe.packet_id);
        while (elo_mqtt_next_filter(&rest, &filter)) {
            rig_note(r, " %.*s", RIG_TEXT(filter));
        }
    }
    rig_note(r, "\n");
}

static inline void rig_note_connect(struct rig *r, const struct elo_mqtt_connect *p)
{
    rig_note(r, "> CONNECT %s%.*s %s ka=%u", p->level == 5 ? "5 " : "", RIG_TEXT(p->client_id),
             p->clean_session ? "clean" : "persistent", p->keep_alive_s);
    if (p->has_will) {
        rig_note(r, " will q%u%s %.*s=%.*s", p->will.qos, p->will.retain ? " retain" : "",
                 RIG_TEXT(p->will.topic), RIG_TEXT(p->will.payload));
        rig_note_properties(r, p->will.properties);
    }
    if (p->has_username) {
        rig_note(r, " user=%.*s", RIG_TEXT(p->username));
    }
    if (p->has_password) {
        rig_note(r, " password=%.*s", RIG_TEXT(p->password));
    }
    rig_note_properties(r, p->properties);
    rig_note(r, "\n");
}

static inline void rig_note_publish(struct rig *r, const struct elo_mqtt_publish *p)
{
    rig_note(r, "> PUBLISH q%u", p->qos);
    if (p->qos != 0) {
        rig_note(r, " #%u", p->packet_id);
    }
    rig_note(r, "%s%s %.*s=%.*s", p->dup ? " dup" : "", p->retain ? " retain" : "",
             RIG_TEXT(p->topic), RIG_TEXT(p->payload));
    rig_note_properties(r, p->properties);
    rig_note(r, "\n");
}

static inline void rig_note_packet(struct rig *r, const struct elo_mqtt_packet *p)
{
    switch (p->type) {
    case ELO_MQTT_CONNECT:
        rig_note_connect(r, &p->u.connect);
        break;
    case ELO_MQTT_PUBLISH:
        rig_note_publish(r, &p->u.publish);
        break;
    case ELO_MQTT_SUBSCRIBE:
    case ELO_MQTT_UNSUBSCRIBE:
        rig_note_filters(r, p);
        break;
    case ELO_MQTT_PUBACK:
        rig_note(r, "> PUBACK #%u\n", p->u.ack.packet_id);
        break;
    case ELO_MQTT_PINGREQ:
        rig_note(r, "> PINGREQ\n");
        break;
    case ELO_MQTT_DISCONNECT:
        rig_note(r, "> DISCONNECT\n");
        break;
    default:
        fail_msg("a client never writes packet type %d", (int)p->type);
    }
}

static inline void rig_note_event(struct rig *r, const struct elo_client_event *e)
{
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        rig_note(r, "* CONNECTED %s\n", e->u.connected.session_present ? "resumed" : "fresh");
        break;
    case ELO_CLIENT_DISCONNECTED:
        rig_note(r, "* DISCONNECTED%s%s", e->u.disconnected.was_connected ? "" : " attempt",
                 e->u.disconnected.will_retry ? "" : " for good");
        if (e->u.disconnected.code != 0) {
            rig_note(r, " %02x %.*s", e->u.disconnected.code, RIG_TEXT(e->u.disconnected.text));
        }
        rig_note(r, "\n");
        r->reason = e->u.disconnected.reason;
        r->wait_ms = e->u.disconnected.wait_ms;
        break;
    case ELO_CLIENT_MESSAGE:
        rig_note(r, "* MESSAGE q%u%s%s %.*s=%.*s", e->u.message.qos, e->u.message.dup ? " dup" : "",
                 e->u.message.retain ? " retain" : "", RIG_TEXT(e->u.message.topic),
                 RIG_TEXT(e->u.message.payload));
        rig_note_properties(r, e->u.message.properties);
        rig_note(r, "\n");
        break;
    case ELO_CLIENT_OVERSIZE:
        rig_note(r, "* OVERSIZE q%u%s %.*s %u\n", e->u.oversize.qos,
                 e->u.oversize.retain ? " retain" : "", RIG_TEXT(e->u.oversize.topic),
                 e->u.oversize.size);
        break;
    case ELO_CLIENT_PUBLISHED:
        rig_note(r, "* PUBLISHED %u", e->u.published.token);
        if (e->u.published.result != ELO_OK) {
            assert_int_equal(e->u.published.result, ELO_E_PUBACK_REFUSED);
            rig_note(r, " refused %02x", e->u.published.code);
        }
        rig_note(r, "\n");
        break;
    case ELO_CLIENT_DROPPED:
        rig_note(r, "* DROPPED %s %u: %u-%u\n",
                 e->u.dropped.reason == ELO_E_TOO_LARGE     ? "large"
                 : e->u.dropped.reason == ELO_E_UNSUPPORTED ? "unsupported"
                 : e->u.dropped.reason == ELO_E_OUTBOX_OLD  ? "old"
                                                            : "new",
                 e->u.dropped.count, e->u.dropped.first_token, e->u.dropped.last_token);
        break;
    case ELO_CLIENT_SUBSCRIBED:
        if (e->u.subscribed.result == ELO_OK) {
            rig_note(r, "* SUBSCRIBED %.*s:%u\n", RIG_TEXT(e->u.subscribed.filter),
                     e->u.subscribed.granted);
        } else {
            assert_int_equal(e->u.subscribed.result, ELO_E_SUBACK_REFUSED);
            rig_note(r, "* REFUSED %.*s", RIG_TEXT(e->u.subscribed.filter));
            if (e->u.subscribed.code != ELO_MQTT_SUBACK_FAILURE) {
                rig_note(r, " %02x", e->u.subscribed.code);
            }
            rig_note(r, "\n");
        }
        break;
    case ELO_CLIENT_UNSUBSCRIBED:
        rig_note(r, "* UNSUBSCRIBED %.*s", RIG_TEXT(e->u.unsubscribed.filter));
        if (e->u.unsubscribed.code != 0) {
            rig_note(r, " %02x", e->u.unsubscribed.code);
        }
        rig_note(r, "\n");
        break;
    case ELO_CLIENT_PONG:
        rig_note(r, "* PONG\n");
        break;
    }
}

static inline void rig_read_wire(struct rig *r)
{
    struct elo_mqtt_frame frame;
    struct elo_mqtt_packet p;
    size_t at = 0;
    uint8_t level = r->config.mqtt5 != NULL ? ELO_MQTT_5 : ELO_MQTT_3_1_1;
    for (;;) {
        elo_span rest = elo_span_of(r->wire + at, r->wire_len - at);
        elo_err err = elo_mqtt_frame_as(level, rest, UINT32_MAX, &frame);
        if (err == ELO_NEED_MORE || (err == ELO_OK && frame.total > rest.len)) {
            break;
        }
        assert_int_equal(err, ELO_OK);
        assert_int_equal(elo_mqtt_decode_as(level, elo_span_first(rest, frame.total), &p), ELO_OK);
        rig_note_packet(r, &p);
        at += frame.total;
    }
    memmove(r->wire, r->wire + at, r->wire_len - at);
    r->wire_len -= at;
}

static inline void rig_events(struct rig *r)
{
    struct elo_client_event e;
    while ((r->hold & RIG_NO_EVENTS) == 0 && elo_client_next_event(&r->c, &e)) {
        rig_note_event(r, &e);
        if (r->on_event) {
            r->on_event(r, &e);
        }
    }
}

static inline void rig_output(struct rig *r)
{
    elo_span out;
    while (r->up && (r->hold & RIG_NO_OUTPUT) == 0 &&
           (out = elo_client_output_buf(&r->c)).len > 0) {
        size_t n = r->out_chunk != 0 && r->out_chunk < out.len ? r->out_chunk : out.len;
        assert_true(n <= sizeof r->wire - r->wire_len);
        memcpy(r->wire + r->wire_len, out.ptr, n);
        r->wire_len += n;
        elo_client_output_ack(&r->c, n, r->now);
        rig_read_wire(r);
    }
}

static inline void rig_drop_wire(struct rig *r)
{
    r->up = false;
    r->wire_len = 0;
}

static inline void rig_wish(struct rig *r)
{
    bool open = elo_client_wants(&r->c) == ELO_CLIENT_WANTS_OPEN;
    if (open && !r->up && !r->wish_told) {
        rig_note(r, "~ open\n");
        r->wish_told = true;
    } else if (!open && r->up) {
        rig_note(r, "~ close\n");
        rig_drop_wire(r);
        elo_client_transport_closed(&r->c, ELO_OK, r->now);
    }
    if (!open) {
        r->wish_told = false;
    }
}

/* What an owner does whenever something has happened. */
static inline void rig_serve(struct rig *r)
{
    rig_events(r);
    rig_output(r);
    rig_wish(r);
    rig_events(r);
}

/* Lets `ms` pass, waking up exactly at each deadline. */
static inline void rig_pass(struct rig *r, uint32_t ms)
{
    uint32_t end = r->now + ms;
    uint32_t at;
    for (int steps = 0; elo_client_next_deadline(&r->c, &at) && (int32_t)(end - at) >= 0;) {
        assert_true(++steps < RIG_MAX_STEPS);
        if ((int32_t)(at - r->now) > 0) {
            r->now = at;
        }
        elo_client_tick(&r->c, r->now);
        rig_serve(r);
    }
    r->now = end;
    elo_client_tick(&r->c, r->now);
    rig_serve(r);
}

/* The peer's bytes arrive. */
static inline void rig_bytes(struct rig *r, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (int idle = 0; len > 0 && idle < 3;) {
        size_t n = r->in_chunk != 0 && r->in_chunk < len ? r->in_chunk : len;
        uint8_t *piece = malloc(n); /* of its own, so that a byte too many is seen */
        assert_non_null(piece);
        memcpy(piece, at, n);
        size_t taken = elo_client_input(&r->c, elo_span_of(piece, n), r->now);
        free(piece);
        assert_true(taken <= n);
        at += taken;
        len -= taken;
        idle = taken == 0 ? idle + 1 : 0;
        rig_serve(r);
    }
    assert_int_equal(len, 0);
}

#define RIG_SEND(r, encode, ...)                                                                   \
    do {                                                                                           \
        uint8_t rig_buf[4096];                                                                     \
        size_t rig_len;                                                                            \
        assert_int_equal(encode(__VA_ARGS__, rig_buf, sizeof rig_buf, &rig_len), ELO_OK);          \
        rig_bytes(r, rig_buf, rig_len);                                                            \
    } while (0)

static inline void rig_connack(struct rig *r, uint8_t code, bool session_present)
{
    struct elo_mqtt_connack p = {.session_present = session_present, .code = code};
    RIG_SEND(r, elo_mqtt_encode_connack, &p);
}

static inline void
rig_publish(struct rig *r, uint8_t qos, uint16_t id, const char *topic, const char *payload)
{
    struct elo_mqtt_publish p = {.topic = elo_span_str(topic),
                                 .payload = elo_span_str(payload),
                                 .packet_id = id,
                                 .qos = qos};
    RIG_SEND(r, elo_mqtt_encode_publish, &p);
}

static inline void rig_puback(struct rig *r, uint16_t id)
{
    RIG_SEND(r, elo_mqtt_encode_ack, ELO_MQTT_PUBACK, id);
}

static inline void rig_unsuback(struct rig *r, uint16_t id)
{
    RIG_SEND(r, elo_mqtt_encode_ack, ELO_MQTT_UNSUBACK, id);
}

/* `codes` as text, a digit or `x` (refused) a filter: "01x". */
static inline void rig_suback(struct rig *r, uint16_t id, const char *codes)
{
    uint8_t bytes[16];
    size_t n = strlen(codes);
    assert_true(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = codes[i] == 'x' ? ELO_MQTT_SUBACK_FAILURE : (uint8_t)(codes[i] - '0');
    }
    RIG_SEND(r, elo_mqtt_encode_suback, id, elo_span_of(bytes, n));
}

static inline void rig_pingresp(struct rig *r)
{
    RIG_SEND(r, elo_mqtt_encode_empty, ELO_MQTT_PINGRESP);
}

/* The transport opens; fails or is closed by the peer. */
static inline void rig_open(struct rig *r)
{
    r->up = true;
    elo_client_transport_open(&r->c, r->now);
    rig_serve(r);
}

static inline void rig_closed(struct rig *r, elo_err reason)
{
    rig_drop_wire(r);
    elo_client_transport_closed(&r->c, reason, r->now);
    rig_serve(r);
}

static inline elo_err
rig_say(struct rig *r, uint8_t qos, const char *topic, const char *payload, uint32_t token)
{
    struct elo_client_message m = {
        .topic = elo_span_str(topic), .payload = elo_span_str(payload), .qos = qos, .token = token};
    elo_err err = elo_client_publish(&r->c, &m);
    rig_serve(r);
    return err;
}

static inline elo_err rig_subscribe(struct rig *r, const char *filter, uint8_t qos)
{
    elo_err err = elo_client_subscribe(&r->c, elo_span_str(filter), qos);
    rig_serve(r);
    return err;
}

static inline elo_err rig_unsubscribe(struct rig *r, const char *filter)
{
    elo_err err = elo_client_unsubscribe(&r->c, elo_span_str(filter));
    rig_serve(r);
    return err;
}

/* Exactly these lines since the last time. */
#define rig_expect(r, lines)                                                                       \
    do {                                                                                           \
        assert_string_equal((r)->log, (lines));                                                    \
        (r)->log_len = 0;                                                                          \
        (r)->log[0] = '\0';                                                                        \
    } while (0)

static inline void rig_forget(struct rig *r)
{
    r->log_len = 0;
    r->log[0] = '\0';
}

static inline uint32_t rig_random(void *ctx)
{
    return ((struct rig *)ctx)->random;
}

/* Buffers of their own on the heap, so that a sanitizer sees a byte too many. */
static inline void
rig_buffers(struct rig *r, size_t rx, size_t tx, size_t outbox, size_t subs_count)
{
    struct elo_client_config *f = &r->config;
    free(f->rx);
    free(f->tx);
    free(f->outbox);
    free(f->subs);
    f->rx = malloc(rx);
    f->tx = malloc(tx);
    f->outbox = outbox ? malloc(outbox) : NULL;
    f->subs = subs_count ? calloc(subs_count, sizeof *f->subs) : NULL;
    assert_true(f->rx && f->tx && (f->outbox || !outbox) && (f->subs || !subs_count));
    f->rx_size = rx;
    f->tx_size = tx;
    f->outbox_size = outbox;
    f->subs_count = subs_count;
}

/* A rig with a config to change before rig_begin(). It is large: keep it off the stack. */
static inline struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    elo_client_defaults(&r->config);
    r->config.client_id = ELO_SPAN("dev");
    r->config.random = rig_random;
    r->config.random_ctx = r;
    r->now = 1000;
    rig_buffers(r, 256, 256, 1024, 20);
    return r;
}

static inline void rig_free(struct rig *r)
{
    rig_buffers(r, 1, 1, 0, 0);
    free(r->config.rx);
    free(r->config.tx);
    free(r);
}

static inline void rig_begin(struct rig *r)
{
    assert_int_equal(elo_client_init(&r->c, &r->config), ELO_OK);
    elo_client_start(&r->c, r->now);
    rig_serve(r);
}

/* From rig_begin() to connected, all of it forgotten. */
static inline void rig_online(struct rig *r)
{
    rig_begin(r);
    rig_open(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, false);
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_ONLINE);
    rig_forget(r);
}

/* After a break: wait as long as it takes, open, and have the CONNECT accepted. */
static inline void rig_again(struct rig *r, bool session_present)
{
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_WAITING);
    rig_pass(r, r->wait_ms);
    assert_int_equal(elo_client_get_state(&r->c), ELO_CLIENT_OPENING);
    rig_open(r);
    rig_forget(r);
    rig_connack(r, ELO_MQTT_ACCEPTED, session_present);
}

#endif
