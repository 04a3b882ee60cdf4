// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/*
 * A hostile server, a capricious line and an owner who calls anything at any time. The input is a
 * program: one byte says what to do next, the bytes behind it with what. Besides what the
 * sanitizers see, it is checked that
 *
 *   - what the engine writes is a stream of whole, valid packets that a client may send: CONNECT
 *     first and once, nothing else before a CONNACK, nothing behind a DISCONNECT;
 *   - every loop an owner has comes to its end: events, output, deadlines;
 *   - the outbox's books are in order.
 *
 * The version is one of the program's choices, as are the terms of an MQTT 5 server.
 */
#include "elo/client/mqtt5.h"
#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

#include <stdlib.h>

#define WIRE_SIZE   16384
#define FILTERS     6
#define MESSAGES    12 /* that an outbox of 255 bytes can hold */
#define SLOT        16
#define CHECK(cond) ((cond) ? (void)0 : abort())

struct bench {
    struct elo_client c;
    struct elo_client_config config;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t now;
    bool up;
    bool connect_seen;
    bool accepted;
    bool bye_seen;
    uint8_t sum; /* of all that was handed to us: it must be readable */
    uint64_t pings;
    uint64_t taken;
    uint64_t done;
    uint8_t level;
    struct elo_client_mqtt5 mqtt5;
    uint8_t aliases_out[2 * SLOT];
    uint8_t aliases_in[2 * SLOT];
    uint8_t wire[WIRE_SIZE];
    size_t wire_len;
};

static uint8_t next_byte(struct bench *b)
{
    return b->at < b->end ? *b->at++ : 0;
}

static elo_span next_bytes(struct bench *b, size_t n)
{
    size_t left = (size_t)(b->end - b->at);
    elo_span s = elo_span_of(b->at, n < left ? n : left);
    b->at += s.len;
    return s;
}

static uint32_t next_random(void *ctx)
{
    return next_byte(ctx) * 0x01010101u;
}

static void written(struct bench *b, elo_mqtt_type type)
{
    CHECK(!b->bye_seen);
    if (type == ELO_MQTT_CONNECT) {
        CHECK(!b->connect_seen);
        b->connect_seen = true;
        return;
    }
    CHECK(b->connect_seen && b->accepted);
    CHECK(type == ELO_MQTT_PUBLISH || type == ELO_MQTT_PUBACK || type == ELO_MQTT_SUBSCRIBE ||
          type == ELO_MQTT_UNSUBSCRIBE || type == ELO_MQTT_PINGREQ || type == ELO_MQTT_DISCONNECT);
    b->bye_seen = type == ELO_MQTT_DISCONNECT;
}

static void read_wire(struct bench *b)
{
    struct elo_mqtt_frame frame;
    struct elo_mqtt_packet p;
    size_t at = 0;
    for (;;) {
        elo_span rest = elo_span_of(b->wire + at, b->wire_len - at);
        elo_err err = elo_mqtt_frame_as(b->level, rest, UINT32_MAX, &frame);
        if (err == ELO_NEED_MORE || (err == ELO_OK && frame.total > rest.len)) {
            break;
        }
        CHECK(err == ELO_OK);
        CHECK(elo_mqtt_decode_as(b->level, elo_span_first(rest, frame.total), &p) == ELO_OK);
        written(b, p.type);
        at += frame.total;
    }
    memmove(b->wire, b->wire + at, b->wire_len - at);
    b->wire_len -= at;
}

static void output(struct bench *b, size_t most)
{
    for (size_t n = 0; b->up && most > 0; most -= n) {
        elo_span out = elo_client_output_buf(&b->c);
        if (out.len == 0) {
            return;
        }
        n = out.len < most ? out.len : most;
        CHECK(n <= WIRE_SIZE - b->wire_len);
        memcpy(b->wire + b->wire_len, out.ptr, n);
        b->wire_len += n;
        elo_client_output_ack(&b->c, n, b->now);
        read_wire(b);
    }
}

static void read_all(struct bench *b, elo_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        b->sum = (uint8_t)(b->sum + s.ptr[i]);
    }
}

static void got_event(struct bench *b, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_CONNECTED) {
        b->accepted = true;
    } else if (e->type == ELO_CLIENT_MESSAGE) {
        read_all(b, e->u.message.topic);
        read_all(b, e->u.message.payload);
        read_all(b, e->u.message.properties);
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        read_all(b, e->u.disconnected.text);
    } else if (e->type == ELO_CLIENT_OVERSIZE) {
        CHECK(e->u.oversize.size > b->config.rx_size);
        read_all(b, e->u.oversize.topic);
    } else if (e->type == ELO_CLIENT_PONG) {
        CHECK(b->pings-- > 0);
    } else if (e->type == ELO_CLIENT_PUBLISHED) {
        b->done++;
    } else if (e->type == ELO_CLIENT_DROPPED && e->u.dropped.reason != ELO_E_OUTBOX_FULL) {
        b->done += e->u.dropped.count;
    } else if (e->type == ELO_CLIENT_DROPPED) {
        CHECK(e->u.dropped.count <= b->taken);
        b->taken -= e->u.dropped.count;
    }
}

static void events(struct bench *b)
{
    struct elo_client_event e;
    for (size_t n = 0; elo_client_next_event(&b->c, &e); n++) {
        CHECK(n < FILTERS + MESSAGES + 8);
        got_event(b, &e);
    }
}

static void line_down(struct bench *b, elo_err why)
{
    b->up = false;
    b->wire_len = 0;
    b->connect_seen = false;
    b->accepted = false;
    b->bye_seen = false;
    elo_client_transport_closed(&b->c, why, b->now);
}

/* A piece of its own, so that a byte too many is seen. */
static void input(struct bench *b, elo_span bytes)
{
    if (!b->up || bytes.len == 0) {
        return;
    }
    uint8_t *copy = malloc(bytes.len);
    CHECK(copy != NULL);
    memcpy(copy, bytes.ptr, bytes.len);
    size_t at = 0;
    for (int idle = 0; at < bytes.len && idle < 2; idle++) {
        size_t n = elo_client_input(&b->c, elo_span_of(copy + at, bytes.len - at), b->now);
        CHECK(n <= bytes.len - at);
        at += n;
        idle = n > 0 ? -1 : idle;
        events(b);
        output(b, 64);
    }
    free(copy);
}

/* Time passes, deadline after deadline; one that does not move on would be an endless loop. */
static void pass(struct bench *b, uint32_t ms)
{
    uint32_t end = b->now + ms;
    uint32_t at;
    for (int n = 0; n < 50 && elo_client_next_deadline(&b->c, &at); n++) {
        if ((int32_t)(end - at) < 0) {
            break;
        }
        b->now = (int32_t)(at - b->now) > 0 ? at : b->now;
        elo_client_tick(&b->c, b->now);
        uint32_t again;
        CHECK(!elo_client_next_deadline(&b->c, &again) || again != b->now);
        if (n % 2 == 0) {
            output(b, SIZE_MAX);
        }
    }
    b->now = end;
    elo_client_tick(&b->c, b->now);
}

static elo_err peer_packet5(uint8_t kind, uint16_t id, elo_span rest, uint8_t *buf, size_t *len)
{
    static const uint8_t properties[] = {0x23, 0, 1, 0x21, 0, 1, 0x22, 0, 1, 0x27, 0, 0, 0, 20};
    const size_t cap = 64;
    uint8_t codes[9] = {0, 1, 0x80, 0x87, 1, 0, 1, 0, 0};
    elo_span terms = elo_span_of(properties + 3, kind & 0x20 ? 6 : kind & 0x40 ? 11 : 0);
    struct elo_mqtt_connack connack = {.session_present = (kind & 0x10) != 0, .properties = terms};
    struct elo_mqtt_publish publish = {.topic = elo_span_of("t", kind >> 5 & 1),
                                       .payload = rest,
                                       .qos = kind >> 4 & 1,
                                       .packet_id = id,
                                       .properties = elo_span_of(properties, 3)};
    struct elo_mqtt_ack ack = {.packet_id = id, .code = kind & 0x80 ? 0x87 : 0};
    struct elo_mqtt_suback suback = {.packet_id = id, .codes = elo_span_of(codes, 1u + kind / 32u)};
    struct elo_mqtt_disconnect end = {.code = kind & 0x80 ? 0x8E : 0};
    switch (kind % 7) {
    case 0:
        return elo_mqtt5_encode_connack(&connack, buf, cap, len);
    case 1:
        return elo_mqtt5_encode_publish(&publish, elo_span_of(NULL, 0), buf, cap, len);
    case 2:
        return elo_mqtt5_encode_ack(ELO_MQTT_PUBACK, &ack, buf, cap, len);
    case 3:
        return elo_mqtt5_encode_suback(ELO_MQTT_SUBACK, &suback, buf, cap, len);
    case 4:
        suback.codes.len = 1;
        return elo_mqtt5_encode_suback(ELO_MQTT_UNSUBACK, &suback, buf, cap, len);
    case 5:
        return elo_mqtt5_encode_disconnect(ELO_MQTT_DISCONNECT, &end, buf, cap, len);
    default:
        return elo_mqtt_encode_empty(ELO_MQTT_PINGRESP, buf, cap, len);
    }
}

static void peer_packet(struct bench *b)
{
    uint8_t buf[64];
    size_t len = 0;
    uint8_t kind = next_byte(b);
    uint16_t id = (uint16_t)(next_byte(b) + 1);
    elo_span rest = next_bytes(b, kind >> 4);
    elo_err err = ELO_OK;
    struct elo_mqtt_connack connack = {.session_present = (kind & 0x10) != 0};
    struct elo_mqtt_publish publish = {
        .topic = ELO_SPAN("t"), .payload = rest, .qos = kind >> 4 & 1, .packet_id = id};
    uint8_t codes[9] = {0, 1, 0x80, 0, 1, 0, 1, 0, 0};
    if (b->level == ELO_MQTT_5) {
        CHECK(peer_packet5(kind, id, rest, buf, &len) == ELO_OK);
        input(b, elo_span_of(buf, len));
        return;
    }
    switch (kind % 6) {
    case 0:
        err = elo_mqtt_encode_connack(&connack, buf, sizeof buf, &len);
        break;
    case 1:
        err = elo_mqtt_encode_publish(&publish, buf, sizeof buf, &len);
        break;
    case 2:
        err = elo_mqtt_encode_ack(ELO_MQTT_PUBACK, id, buf, sizeof buf, &len);
        break;
    case 3:
        err = elo_mqtt_encode_suback(id, elo_span_of(codes, 1u + (kind >> 4) % 9u), buf, sizeof buf,
                                     &len);
        break;
    case 4:
        err = elo_mqtt_encode_ack(ELO_MQTT_UNSUBACK, id, buf, sizeof buf, &len);
        break;
    default:
        err = elo_mqtt_encode_empty(ELO_MQTT_PINGRESP, buf, sizeof buf, &len);
        break;
    }
    CHECK(err == ELO_OK);
    input(b, elo_span_of(buf, len));
}

static void publish(struct bench *b)
{
    uint8_t how = next_byte(b);
    struct elo_client_message m = {.topic = elo_span_from(ELO_SPAN("topic/of/ours"), how >> 5),
                                   .properties = elo_span_of("\x01\x01", how & 8 ? 2 : 0),
                                   .payload = next_bytes(b, how >> 2),
                                   .qos = how & 1,
                                   .retain = (how & 2) != 0};
    b->taken += elo_client_publish(&b->c, &m) == ELO_OK;
}

static void filter(struct bench *b)
{
    static const char *const filters[FILTERS] = {"a", "b/#", "c/+/d", "$share/g/e", "f", "g"};
    uint8_t how = next_byte(b);
    elo_span f = elo_span_str(filters[how % FILTERS]);
    elo_err err = how & 0x80 ? elo_client_unsubscribe(&b->c, f)
                             : elo_client_subscribe(&b->c, f, how >> 6 & 1);
    CHECK(err == ELO_OK || err == ELO_E_NO_SPACE);
}

static void owner(struct bench *b)
{
    bool open = elo_client_wants(&b->c) == ELO_CLIENT_WANTS_OPEN;
    if (open && !b->up) {
        b->up = true;
        elo_client_transport_open(&b->c, b->now);
    } else if (!open && b->up) {
        line_down(b, ELO_OK);
    }
}

static void check_books(const struct bench *b)
{
    const struct elo__outbox *o = &b->c._internal.outbox;
    CHECK(o->holes <= o->end && o->end <= o->cap);
    CHECK(o->in_flight <= o->live);
    CHECK(elo_client_pending(&b->c) == o->live);
    CHECK(b->done + o->live <= b->taken);
}

static void one_step(struct bench *b)
{
    uint8_t op = next_byte(b);
    switch (op % 12) {
    case 0:
        input(b, next_bytes(b, 1u + op / 12));
        break;
    case 1:
    case 2:
        peer_packet(b);
        break;
    case 3:
        publish(b);
        break;
    case 4:
        filter(b);
        break;
    case 5:
        output(b, 1u + op / 12);
        break;
    case 6:
        output(b, SIZE_MAX);
        break;
    case 7:
        pass(b, (uint32_t)next_byte(b) << op / 12);
        break;
    case 8:
        events(b);
        break;
    case 9:
        owner(b);
        break;
    case 10:
        if (op < 128) {
            elo_client_start(&b->c, b->now);
        } else if (op < 200) {
            elo_client_stop(&b->c, b->now);
        } else if (op < 230) {
            elo_client_retry_now(&b->c, b->now);
        } else {
            b->pings += elo_client_ping(&b->c, b->now) == ELO_OK;
        }
        break;
    default:
        line_down(b, op < 128 ? ELO_E_TCP_CLOSED : ELO_E_TLS_ALERT);
        break;
    }
}

static void speak_5(struct bench *b, uint8_t how)
{
    elo_client_mqtt5_defaults(&b->mqtt5);
    b->mqtt5.alias_slot_size = SLOT;
    b->mqtt5.aliases_out = how & 0x40 ? b->aliases_out : NULL;
    b->mqtt5.aliases_out_size = sizeof b->aliases_out;
    b->mqtt5.aliases_in = how & 0x20 ? b->aliases_in : NULL;
    b->mqtt5.aliases_in_size = sizeof b->aliases_in;
    b->config.mqtt5 = &b->mqtt5;
    b->config.tx_size += 15; /* what we say of ourselves */
}

static void configure(struct bench *b)
{
    struct elo_client_config *f = &b->config;
    uint8_t how = next_byte(b);
    elo_client_defaults(f);
    f->client_id = ELO_SPAN("fuzz");
    f->persistent = (how & 1) != 0;
    f->queue_qos0 = (how & 2) != 0;
    f->policy = (elo_client_policy)(how / 4 % 3);
    f->window = (uint16_t)(1 + how / 16 % 4);
    f->keep_alive_s = how & 0x40 ? 30 : 0;
    f->ack_timeout_ms = how & 0x80 ? 0 : 35000;
    f->rx_size = ELO_CLIENT_MIN_RX + next_byte(b) % 32u;
    uint8_t tx = next_byte(b);
    f->tx_size = 18 + tx % 32u;
    b->level = tx & 0x80 ? ELO_MQTT_5 : ELO_MQTT_3_1_1;
    if (b->level == ELO_MQTT_5) {
        speak_5(b, tx);
    }
    f->outbox_size = next_byte(b);
    f->subs_count = FILTERS - 1;
    f->rx = malloc(f->rx_size);
    f->tx = malloc(f->tx_size);
    f->outbox = malloc(f->outbox_size);
    f->subs = calloc(f->subs_count, sizeof *f->subs);
    f->random = next_random;
    f->random_ctx = b;
    b->now = (uint32_t)next_byte(b) << 24;
    CHECK(f->rx && f->tx && f->outbox && f->subs);
    CHECK(elo_client_init(&b->c, f) == ELO_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench b;
    memset(&b, 0, sizeof b);
    b.at = data;
    b.end = data + size;
    configure(&b);
    elo_client_start(&b.c, b.now);
    while (b.at < b.end) {
        one_step(&b);
        check_books(&b);
    }
    free(b.config.rx);
    free(b.config.tx);
    free(b.config.outbox);
    free(b.config.subs);
    return 0;
}
