// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT over WebSocket (RFC 6455; MQTT 3.1.1, chapter 6).
 *
 * How this works: what comes is taken apart by wslay without being kept: the payload of binary
 * frames goes to the broker as it arrives, in pieces of any size [MQTT-6.0.0-2], so that a frame of
 * any length costs nothing; control frames wslay answers by itself, and its answers are fetched
 * from its queue. What the broker has to say is one run of packets: each is put into a frame of its
 * own, as AWS does and as its clients rely on, and the frames are gathered in `out` until a TLS
 * record is full. Only whole packets are taken from the broker, so `out` always ends at the end of
 * a frame, and a control frame can follow.
 *
 *     transport -> wslay -> broker_input()         broker_output() -> frames -> out -> transport
 *                    '-> pong, close ---------------------------------------'
 *
 * The end: a close frame of the client's is its DISCONNECT. An end of ours is told by a close
 * frame.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <wslay/wslay.h>

#include "server/auth/custom.h"
#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

enum { PIECES = 16, PONGS_MAX = 64, HEAD_MAX = 10, SPARE_MAX = 65536 };

struct websocket {
    wslay_event_context_ptr frames;
    struct broker_conn *mqtt;
    struct conn *conn;
    elo_span in; /* what wslay has not read yet, during input() */
    struct buf out;
    size_t out_sent;
    bool is_control; /* the frame that is coming is no data */
    bool has_spare;  /* `out` is the loop's buffer, lent */
    bool closing;    /* a close frame has been queued: nothing else will follow */
    elo_err why;     /* not ELO_OK: the client broke a rule, and the broker is to know */
};

/* --- ending ------------------------------------------------------------------------------------
 */

/* Queues a close frame and reads no more. wslay out of memory: it ends without one. */
static void say_close(struct websocket *w, uint16_t code)
{
    if (!w->closing) {
        w->closing = true;
        wslay_event_shutdown_read(w->frames);
        (void)wslay_event_queue_close(w->frames, code, NULL, 0);
    }
}

static void refuse(struct websocket *w, uint16_t code, elo_err why, const char *in_words)
{
    if (w->why == ELO_OK) {
        w->why = why;
        conn_log(w->conn, LOG_WARN, why, NULL, in_words);
    }
    say_close(w, code);
}

/* --- what comes --------------------------------------------------------------------------------
 */

static ssize_t on_want(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
    struct websocket *w = user;
    (void)flags;
    if (w->in.len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = w->in.len < len ? w->in.len : len;
    memcpy(buf, w->in.ptr, n);
    w->in = elo_span_from(w->in, n);
    return (ssize_t)n;
}

static void on_frame(wslay_event_context_ptr ctx,
                     const struct wslay_event_on_frame_recv_start_arg *frame,
                     void *user)
{
    struct websocket *w = user;
    (void)ctx;
    w->is_control = wslay_is_ctrl_frame(frame->opcode);
    if (frame->opcode == WSLAY_TEXT_FRAME) { /* [MQTT-6.0.0-1] */
        refuse(w, WSLAY_CODE_UNSUPPORTED_DATA, ELO_E_PROTOCOL,
               "a WebSocket text frame: MQTT is in binary ones");
    }
}

static void on_payload(wslay_event_context_ptr ctx,
                       const struct wslay_event_on_frame_recv_chunk_arg *chunk,
                       void *user)
{
    struct websocket *w = user;
    (void)ctx;
    if (!w->is_control && w->why == ELO_OK && chunk->data_length > 0) {
        broker_input(w->mqtt, elo_span_of(chunk->data, chunk->data_length), net_time(w->conn->net));
    }
}

static void on_message(wslay_event_context_ptr ctx,
                       const struct wslay_event_on_msg_recv_arg *message,
                       void *user)
{
    struct websocket *w = user;
    (void)ctx;
    if (message->opcode == WSLAY_BINARY_FRAME &&
        w->conn->net->config.compat.websocket_split_packet != 0 && broker_awaits_rest(w->mqtt)) {
        refuse(w, WSLAY_CODE_POLICY_VIOLATION, ELO_E_PROTOCOL,
               "an MQTT packet was split over WebSocket messages");
    }
}

/* After reading: has the client said that it goes, or broken a rule that wslay has seen? */
static void note_end(struct websocket *w, int rc)
{
    if (wslay_event_get_close_received(w->frames) && !w->closing) {
        w->closing = true; /* wslay has queued the answer */
        broker_left(w->mqtt, net_time(w->conn->net));
    } else if (rc == WSLAY_ERR_NOMEM) {
        refuse(w, WSLAY_CODE_INTERNAL_SERVER_ERROR, ELO_E_NO_MEMORY,
               "no memory for a WebSocket frame");
    } else if (!wslay_event_get_read_enabled(w->frames) && !w->closing) {
        w->closing = true;
        w->why = ELO_E_MALFORMED;
        conn_log(w->conn, LOG_WARN, w->why, NULL,
                 "the client broke the WebSocket protocol: an unmasked, oversize or malformed "
                 "frame, or an extension that was not agreed on");
    } else if (wslay_event_get_queued_msg_count(w->frames) > PONGS_MAX) {
        refuse(w, WSLAY_CODE_POLICY_VIOLATION, ELO_E_SLOW_CONSUMER,
               "the client sends WebSocket pings and does not read the answers");
    }
}

static void input(struct conn *c, elo_span bytes)
{
    struct websocket *w = c->speaker;
    if (w->closing) {
        return;
    }
    w->in = bytes;
    note_end(w, wslay_event_recv(w->frames));
    w->in = elo_span_of(NULL, 0);
    if (w->closing || wslay_event_want_write(w->frames)) {
        conn_flush(c); /* the broker does not know of it */
    }
}

/* --- what goes ---------------------------------------------------------------------------------
 */

/* Pieces that are used up from the front. */
struct run {
    elo_span piece[PIECES];
    size_t at, count;
    size_t bytes; /* left */
};

/* The length of the packet at the front, by its header of 2 to 5 bytes; 0: not all of it is here.
 */
static size_t packet_length(const struct run *r)
{
    size_t length = 0, seen = 0;
    for (size_t i = r->at; i < r->count; i++) {
        for (size_t k = 0; k < r->piece[i].len; k++) {
            uint8_t byte = r->piece[i].ptr[k];
            if (seen > 0) {
                length |= (size_t)(byte & 127) << (7 * (seen - 1));
            }
            seen++;
            if ((seen > 1 && byte < 128) || seen == 5) {
                return length + seen <= r->bytes ? length + seen : 0;
            }
        }
    }
    return 0;
}

static size_t frame_head(size_t len, uint8_t out[HEAD_MAX])
{
    out[0] = 0x80 | WSLAY_BINARY_FRAME;
    if (len < 126) {
        out[1] = (uint8_t)len;
        return 2;
    }
    size_t bytes = len < 65536 ? 2 : 8;
    out[1] = bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; i++) {
        out[2 + i] = (uint8_t)((uint64_t)len >> (8 * (bytes - 1 - i)));
    }
    return 2 + bytes;
}

static void move(struct run *r, size_t len, struct buf *out)
{
    r->bytes -= len;
    while (len > 0) {
        elo_span *piece = &r->piece[r->at];
        size_t n = piece->len < len ? piece->len : len;
        buf_add(out, elo_span_first(*piece, n));
        *piece = elo_span_from(*piece, n);
        r->at += piece->len == 0;
        len -= n;
    }
}

static size_t unsent(const struct websocket *w)
{
    return buf_span(&w->out).len - w->out_sent;
}

/*
 * A drained connection owns no buffer. The loop keeps one for whoever speaks next, so that in the
 * ordinary case, where all that is said is sent at once, nothing is allocated for a message.
 */
static void borrow(struct websocket *w)
{
    struct net *net = w->conn->net;
    if (!w->has_spare && !net->spare_lent && unsent(w) == 0) {
        w->out = net->spare;
        w->has_spare = net->spare_lent = true;
    }
}

static void give_back(struct websocket *w)
{
    struct net *net = w->conn->net;
    bool is_large = buf_span(&w->out).len > SPARE_MAX;
    if (!w->has_spare || is_large) {
        buf_free(&w->out);
    }
    if (w->has_spare) {
        net->spare = w->out;
        buf_clear(&net->spare);
        buf_init(&w->out, LIMIT_OUTPUT_BYTES);
        w->has_spare = net->spare_lent = false;
    }
    w->out_sent = 0;
}

/* Takes packets from the broker; how many bytes of them. */
static size_t take_some(struct websocket *w)
{
    struct run r = {.count = 0};
    r.count = broker_output(w->mqtt, r.piece, PIECES);
    for (size_t i = 0; i < r.count; i++) {
        r.bytes += r.piece[i].len;
    }
    size_t all = r.bytes, len;
    if (all > 0) {
        borrow(w);
    }
    while (unsent(w) < NET_RECORD && (len = packet_length(&r)) > 0) {
        uint8_t head[HEAD_MAX];
        buf_add(&w->out, elo_span_of(head, frame_head(len, head)));
        move(&r, len, &w->out);
    }
    return all - r.bytes;
}

static ssize_t
on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user)
{
    struct websocket *w = user;
    (void)flags;
    buf_add(&w->out, elo_span_of(data, len));
    if (buf_err(&w->out) == ELO_OK) {
        return (ssize_t)len;
    }
    wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void fill(struct websocket *w)
{
    struct net *net = w->conn->net;
    size_t taken = 1;
    if (w->out_sent >= NET_RECORD) {
        buf_drop(&w->out, w->out_sent);
        w->out_sent = 0;
    }
    if (wslay_event_want_write(w->frames)) {
        (void)wslay_event_send(w->frames); /* pongs first; or our answer to a close, and no more */
    }
    while (taken > 0 && !w->closing && unsent(w) < NET_RECORD) {
        taken = take_some(w);
        if (taken > 0) {
            broker_output_ack(w->mqtt, taken, net_time(net));
        }
    }
    if (broker_wants_close(w->mqtt) && broker_output_bytes(w->mqtt) == 0 &&
        unsent(w) < NET_RECORD) {
        say_close(w, broker_close_reason(w->mqtt) == ELO_OK ? WSLAY_CODE_NORMAL_CLOSURE
                                                            : WSLAY_CODE_POLICY_VIOLATION);
    }
    if (wslay_event_want_write(w->frames)) {
        (void)wslay_event_send(w->frames);
    }
    if (buf_err(&w->out) != ELO_OK) {
        w->why = ELO_E_NO_MEMORY;
        w->closing = true;
        w->out_sent = 0; /* all of it is gone */
    }
}

static size_t output(struct conn *c, elo_span *out, size_t max)
{
    struct websocket *w = c->speaker;
    if (buf_err(&w->out) == ELO_OK && unsent(w) < NET_RECORD) {
        fill(w);
    }
    if (unsent(w) == 0 || max == 0) {
        return 0;
    }
    out[0] = elo_span_from(buf_span(&w->out), w->out_sent);
    return 1;
}

static void sent(struct conn *c, size_t len)
{
    struct websocket *w = c->speaker;
    w->out_sent += len;
    if (unsent(w) == 0) {
        give_back(w);
    }
}

static bool wants_close(const struct conn *c)
{
    const struct websocket *w = c->speaker;
    return w->closing || broker_wants_close(w->mqtt);
}

static bool is_held(const struct conn *c)
{
    const struct websocket *w = c->speaker;
    return !w->closing && broker_output_bytes(w->mqtt) > 0;
}

static bool wants_input(const struct conn *c)
{
    const struct websocket *w = c->speaker;
    return broker_wants_input(w->mqtt);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void closed(struct conn *c, elo_err why)
{
    struct websocket *w = c->speaker;
    broker_closed(w->mqtt, w->why != ELO_OK ? w->why : why, net_time(c->net));
    wslay_event_context_free(w->frames);
    give_back(w);
    mem_free(w);
    c->speaker = NULL;
}

static const struct protocol websocket = {"MQTT",      false,   input,       output, sent,
                                          wants_close, is_held, wants_input, closed};

static struct websocket *create(struct conn *c)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_want,
                                                           .send_callback = on_send,
                                                           .on_frame_recv_start_callback = on_frame,
                                                           .on_frame_recv_chunk_callback =
                                                               on_payload,
                                                           .on_msg_recv_callback = on_message};
    struct websocket *w = mem_zero(sizeof *w);
    if (w == NULL || wslay_event_context_server_init(&w->frames, &callbacks, w) != 0) {
        mem_free(w);
        return NULL;
    }
    wslay_event_config_set_no_buffering(w->frames, 1);
    wslay_event_config_set_max_recv_msg_length(w->frames, LIMIT_WEBSOCKET_FRAME_BYTES);
    w->conn = c;
    buf_init(&w->out, LIMIT_OUTPUT_BYTES);
    return w;
}

bool websocket_begin(struct conn *c, const struct auth_peer *peer, elo_span answer)
{
    struct core_time now = net_time(c->net);
    struct websocket *w = create(c);
    if (w == NULL) {
        custom_destroy(peer->custom);
        return false;
    }
    buf_add(&w->out, answer);
    struct auth_peer framed = *peer;
    framed.websocket = true;
    w->mqtt = broker_open(c->net->config.broker, &framed, ELO_OK, now);
    if (w->mqtt == NULL || buf_err(&w->out) != ELO_OK ||
        !broker_limit_life(w->mqtt, LIMIT_WEBSOCKET_LIFE_MS, now)) {
        if (w->mqtt != NULL) {
            broker_closed(w->mqtt, ELO_E_NO_MEMORY, now);
        } else {
            custom_destroy(peer->custom);
        }
        wslay_event_context_free(w->frames);
        buf_free(&w->out);
        mem_free(w);
        return false;
    }
    broker_set_user(w->mqtt, c);
    c->speaker = w;
    c->protocol = &websocket;
    return true;
}
