// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
// links: elo_client elo_mqtt
/*
 * Long random runs: the engine and a small honest server, a line between them that carries bytes
 * in pieces and breaks at any moment, in any state, in the middle of any packet; sessions that are
 * kept and sessions that are lost. Whatever happens:
 *
 *   - every QoS 1 message that was taken reaches the server and is reported PUBLISHED once;
 *   - the server sees message n for the first time only after n - 1, QoS 0 and 1 together, although
 *     QoS 0 may be missing;
 *   - every QoS 1 message of the server reaches the engine, in order but for repetitions, as long
 *     as the session is kept;
 *   - in the end, with a quiet line, nothing is left over.
 *
 * Every run is a number; a failing one is told and can be run alone.
 */
#include "tests/support/client_rig.h"

#define LINE_SIZE 8192
#define MESSAGES  2000

/* One direction of the line. */
struct line {
    uint8_t bytes[LINE_SIZE];
    size_t len;
};

struct server {
    bool connected;
    bool session;        /* one is kept */
    int64_t last_seen;   /* the highest message number received */
    bool seen[MESSAGES]; /* QoS 1 messages received */
    uint32_t to_send;    /* the next message of its own */
    uint32_t unacked;    /* the oldest that is not acknowledged; to_send if none */
    bool subscribed;
    uint16_t owed[LINE_SIZE]; /* PUBACKs, withheld for a while and out of order */
    size_t owed_len;
};

struct run {
    struct rig *rig;
    uint32_t seed;
    struct line up;   /* to the server */
    struct line down; /* to the engine */
    bool linked;
    struct server server;
    uint32_t next;           /* our next message */
    uint8_t taken[MESSAGES]; /* 1: QoS 1 taken, 2: also PUBLISHED, 3: QoS 0 */
    uint32_t heard;          /* the server's next new message */
    unsigned cuts;
    unsigned losses;
    bool quiet; /* no more breaks, no more new messages */
};

static uint32_t roll(struct run *w, uint32_t sides)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 17;
    w->seed ^= w->seed << 5;
    return (w->seed >> 4) % sides;
}

static uint32_t random_of_run(void *ctx)
{
    struct run *w = ctx;
    return roll(w, 1u << 28);
}

#define DOWN(w, encode, ...)                                                                       \
    do {                                                                                           \
        struct line *line = &(w)->down;                                                            \
        size_t n;                                                                                  \
        assert_int_equal(encode(__VA_ARGS__, line->bytes + line->len, LINE_SIZE - line->len, &n),  \
                         ELO_OK);                                                                  \
        line->len += n;                                                                            \
    } while (0)

static void server_connect(struct run *w, const struct elo_mqtt_connect *p)
{
    struct server *s = &w->server;
    assert_false(s->connected);
    bool kept = s->session && !p->clean_session && roll(w, 4) != 0;
    if (!kept) {
        w->losses += s->session;
        s->subscribed = false;
        s->unacked = s->to_send;
        w->heard = s->to_send; /* what was not acknowledged went with the session */
    }
    s->session = !p->clean_session;
    s->connected = true;
    s->owed_len = 0;
    struct elo_mqtt_connack ack = {.session_present = kept, .code = ELO_MQTT_ACCEPTED};
    DOWN(w, elo_mqtt_encode_connack, &ack);
    s->to_send = s->unacked; /* those are sent again */
}

static void server_publish(struct run *w, const struct elo_mqtt_publish *p)
{
    struct server *s = &w->server;
    char text[16] = {0};
    assert_true(p->payload.len < sizeof text);
    memcpy(text, p->payload.ptr, p->payload.len);
    int64_t number = strtol(text, NULL, 10);
    for (int64_t i = s->last_seen + 1; i < number; i++) {
        assert_int_not_equal(w->taken[i], 1); /* only QoS 0 may be missing */
    }
    assert_true(p->qos == 1 || number > s->last_seen); /* QoS 0: at most once */
    s->last_seen = number > s->last_seen ? number : s->last_seen;
    if (p->qos == 1) {
        s->seen[number] = true;
        s->owed[s->owed_len++] = p->packet_id;
    }
}

static void server_puback(struct run *w, uint16_t id)
{
    if (w->server.unacked < w->server.to_send && id == w->server.unacked % 60000 + 1) {
        assert_true(w->server.unacked < w->heard); /* nothing is acknowledged unheard */
        w->server.unacked++;
    }
}

static void server_packet(struct run *w, const struct elo_mqtt_packet *p)
{
    if (p->type == ELO_MQTT_CONNECT) {
        server_connect(w, &p->u.connect);
        return;
    }
    assert_true(w->server.connected);
    if (p->type == ELO_MQTT_PUBLISH) {
        server_publish(w, &p->u.publish);
    } else if (p->type == ELO_MQTT_SUBSCRIBE) {
        assert_int_equal(p->u.subscribe.count, 1);
        w->server.subscribed = true;
        DOWN(w, elo_mqtt_encode_suback, p->u.subscribe.packet_id, elo_span_of("\x01", 1));
    } else if (p->type == ELO_MQTT_PUBACK) {
        server_puback(w, p->u.ack.packet_id);
    } else {
        assert_int_equal(p->type, ELO_MQTT_PINGREQ);
        DOWN(w, elo_mqtt_encode_empty, ELO_MQTT_PINGRESP);
    }
}

/* Reads the whole packets among what has arrived. */
static void server_read(struct run *w)
{
    struct elo_mqtt_frame frame;
    struct elo_mqtt_packet p;
    size_t at = 0;
    for (;;) {
        elo_span rest = elo_span_of(w->up.bytes + at, w->up.len - at);
        elo_err err = elo_mqtt_frame(rest, UINT32_MAX, &frame);
        if (err == ELO_NEED_MORE || frame.total > rest.len) {
            break;
        }
        assert_int_equal(err, ELO_OK);
        assert_int_equal(elo_mqtt_decode(elo_span_first(rest, frame.total), &p), ELO_OK);
        server_packet(w, &p);
        at += frame.total;
    }
    memmove(w->up.bytes, w->up.bytes + at, w->up.len - at);
    w->up.len -= at;
}

/* Some PUBACK that is owed, or a message of its own. */
static void server_speak(struct run *w)
{
    struct server *s = &w->server;
    if (!s->connected || w->down.len > LINE_SIZE / 2) {
        return;
    }
    if (s->owed_len > 0) {
        size_t which = roll(w, (uint32_t)s->owed_len);
        uint16_t id = s->owed[which];
        memmove(&s->owed[which], &s->owed[which + 1],
                (s->owed_len - which - 1) * sizeof s->owed[0]);
        s->owed_len--;
        DOWN(w, elo_mqtt_encode_ack, ELO_MQTT_PUBACK, id);
    } else if (s->subscribed && s->to_send - s->unacked < 5 &&
               (!w->quiet || s->to_send < w->heard)) {
        char text[16];
        snprintf(text, sizeof text, "%u", s->to_send);
        struct elo_mqtt_publish p = {.topic = ELO_SPAN("d"),
                                     .payload = elo_span_str(text),
                                     .qos = 1,
                                     .packet_id = (uint16_t)(s->to_send % 60000 + 1)};
        DOWN(w, elo_mqtt_encode_publish, &p);
        s->to_send++;
    }
}

static void got_event(struct run *w, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_PUBLISHED) {
        assert_int_equal(w->taken[e->u.published.token], 1);
        assert_true(w->server.seen[e->u.published.token]);
        w->taken[e->u.published.token] = 2;
    } else if (e->type == ELO_CLIENT_MESSAGE) {
        char text[16] = {0};
        memcpy(text, e->u.message.payload.ptr, e->u.message.payload.len);
        uint32_t number = (uint32_t)strtoul(text, NULL, 10);
        assert_true(number <= w->heard);
        w->heard += number == w->heard;
    } else {
        assert_int_not_equal(e->type, ELO_CLIENT_DROPPED);
    }
}

static void take_events(struct run *w)
{
    struct elo_client_event e;
    while (elo_client_next_event(&w->rig->c, &e)) {
        got_event(w, &e);
    }
}

static void cut(struct run *w, elo_err why)
{
    w->linked = false;
    w->up.len = 0;
    w->down.len = 0;
    w->server.connected = false;
    w->cuts++;
    elo_client_transport_closed(&w->rig->c, why, w->rig->now);
    take_events(w);
}

static void owner(struct run *w)
{
    bool open = elo_client_wants(&w->rig->c) == ELO_CLIENT_WANTS_OPEN;
    if (open && !w->linked) {
        if (!w->quiet && roll(w, 4) == 0) {
            cut(w, ELO_E_TCP_REFUSED);
        } else {
            w->linked = true;
            elo_client_transport_open(&w->rig->c, w->rig->now);
        }
    } else if (!open && w->linked) {
        cut(w, ELO_OK);
    }
}

/* Some bytes go up: out of the engine, and out of the line into the server. */
static void carry_up(struct run *w)
{
    elo_span out = elo_client_output_buf(&w->rig->c);
    size_t n = out.len > 0 ? 1 + roll(w, (uint32_t)out.len) : 0;
    if (!w->linked || n == 0 || n > LINE_SIZE - w->up.len) {
        return;
    }
    memcpy(w->up.bytes + w->up.len, out.ptr, n);
    w->up.len += n;
    elo_client_output_ack(&w->rig->c, n, w->rig->now);
    server_read(w);
}

static void carry_down(struct run *w)
{
    if (!w->linked || w->down.len == 0) {
        return;
    }
    size_t n = 1 + roll(w, (uint32_t)w->down.len);
    n = elo_client_input(&w->rig->c, elo_span_of(w->down.bytes, n), w->rig->now);
    memmove(w->down.bytes, w->down.bytes + n, w->down.len - n);
    w->down.len -= n;
    take_events(w);
}

static void publish(struct run *w)
{
    if (w->quiet || w->next == MESSAGES) {
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%u", w->next);
    uint8_t qos = roll(w, 3) != 0;
    struct elo_client_message m = {
        .topic = ELO_SPAN("u"), .payload = elo_span_str(text), .qos = qos, .token = w->next};
    elo_err err = elo_client_publish(&w->rig->c, &m);
    if (err == ELO_OK) {
        w->taken[w->next++] = qos == 1 ? 1 : 3;
    } else {
        assert_true(err == ELO_E_OUTBOX_FULL || err == ELO_E_NOT_CONNECTED);
    }
}

static void pass_time(struct run *w, uint32_t most_ms)
{
    w->rig->now += roll(w, most_ms);
    elo_client_tick(&w->rig->c, w->rig->now);
    take_events(w);
}

static void step(struct run *w)
{
    unsigned what = roll(w, 1000);
    owner(w);
    if (what < 300) {
        carry_up(w);
    } else if (what < 600) {
        carry_down(w);
    } else if (what < 750) {
        publish(w);
    } else if (what < 900) {
        server_speak(w);
    } else if (what < 985) {
        pass_time(w, 50);
    } else if (what < 995) {
        pass_time(w, 20000);
    } else if (!w->quiet && w->linked) {
        cut(w, ELO_E_TCP_CLOSED);
    }
}

static bool settled(const struct run *w)
{
    return elo_client_pending(&w->rig->c) == 0 && w->server.unacked == w->server.to_send &&
           w->server.to_send >= w->heard;
}

static void one_run(uint32_t seed, bool persistent)
{
    struct run *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->seed = seed * 2654435761u + 1;
    w->server.last_seen = -1;
    w->rig = rig_new();
    w->rig->config.persistent = persistent;
    w->rig->config.queue_qos0 = true;
    w->rig->config.window = (uint16_t)(1 + seed % 9);
    w->rig->config.random = random_of_run;
    w->rig->config.random_ctx = w;
    w->rig->now = UINT32_MAX - 100000 * (seed % 20); /* some runs see the clock wrap */
    rig_buffers(w->rig, 64, 64, 60 + seed % 500, 2);
    assert_int_equal(elo_client_init(&w->rig->c, &w->rig->config), ELO_OK);
    assert_int_equal(elo_client_subscribe(&w->rig->c, ELO_SPAN("d"), 1), ELO_OK);
    elo_client_start(&w->rig->c, w->rig->now);
    for (int i = 0; i < 8000; i++) {
        step(w);
    }
    w->quiet = true;
    int left = 100000;
    while (!settled(w) && --left > 0) {
        step(w);
    }
    if (left == 0) {
        fail_msg("run %u: not settled", seed);
    }
    assert_true(w->next > 20);
    assert_true(w->cuts > 3);
    for (uint32_t i = 0; i < w->next; i++) {
        assert_int_not_equal(w->taken[i], 1);
        assert_true(w->taken[i] != 2 || w->server.seen[i]);
    }
    rig_free(w->rig);
    free(w);
}

static void persistent_sessions(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 150; seed++) {
        one_run(seed, true);
    }
}

static void clean_sessions(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 150; seed++) {
        one_run(seed, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(persistent_sessions),
        cmocka_unit_test(clean_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
