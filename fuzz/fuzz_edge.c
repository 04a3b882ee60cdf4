// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The edge with the whole core behind it, over a socket: HTTP requests through llhttp to the API,
 * and MQTT in WebSocket frames to the broker. The bytes of the input are sent in pieces of its
 * choice. Whatever they are: what comes back is HTTP, or frames that a server may send and nothing
 * behind a close frame; and when the other side has gone, nothing is left of the connection.
 *
 * An input: what is spoken (bit 0) and pieces' sizes (the rest of the byte), then what is sent.
 */
#define CMOCKA_H_                    /* the rig of the unit tests, with assertions that end the process */
#define assert_true(x)               must((x), #x)
#define assert_false(x)              must(!(x), #x)
#define assert_non_null(x)           must((x) != NULL, #x)
#define assert_int_equal(a, b)       must((a) == (b), #a " == " #b)
#define assert_int_not_equal(a, b)   must((a) != (b), #a " != " #b)
#define assert_memory_equal(a, b, n) must(memcmp(a, b, n) == 0, #a " == " #b)
#define fail_msg(...)                must(false, "" __VA_ARGS__)

#include <stdbool.h>

static void must(bool good, const char *what, ...);

#include "elo/base/bytes.h"
#include "tests/support/net_rig.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig rig;

static void must(bool good, const char *what, ...)
{
    if (!good) {
        fprintf(stderr, "not true: %s\n", what);
        abort();
    }
}

static void leave(void)
{
    rig_close(&rig);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const struct compat normal;
    rig_open(&rig, normal);
    rig.log.sink = NULL;
    rig.log.level = LOG_ERROR + 1;
    atexit(leave);
    return 0;
}

/* As http.c does it when the upgrade has been accepted. */
static void speak_websocket(struct conn *c)
{
    static const struct auth_peer peer = {.kind = AUTH_PEER_PLAIN};
    c->protocol->closed(c, ELO_OK);
    must(websocket_begin(c, &peer, elo_span_of(NULL, 0)), "a WebSocket");
}

static void turn(int fd, struct buf *got)
{
    static uint8_t bytes[65536];
    ssize_t n;
    for (int i = 0; i < 4; i++) {
        (void)uv_run(&rig.net->loop, UV_RUN_NOWAIT);
        while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
            buf_add(got, elo_span_of(bytes, (size_t)n));
        }
    }
}

static void judge_http(elo_span got)
{
    must(got.len == 0 || (got.len > 12 && memcmp(got.ptr, "HTTP/1.1 ", 9) == 0), "an answer");
}

static void judge_frames(elo_span got)
{
    for (bool closed = false; got.len > 0;) {
        must(!closed, "nothing follows a close frame");
        must(got.len >= 2 && (got.ptr[1] & 0x80) == 0 && (got.ptr[0] & 0xf0) == 0x80, "a frame");
        unsigned opcode = got.ptr[0] & 15;
        size_t head = 2, len = got.ptr[1];
        must(opcode == 2 || opcode == 8 || opcode == 10, "binary, close or pong");
        if (len == 126) {
            must(got.len >= 4, "a length");
            head = 4;
            len = elo_rd16be(got.ptr + 2);
        }
        must(len < 127 || head == 4, "no answer is that long");
        must(got.len - head >= len, "frames are whole");
        closed = opcode == 8;
        got = elo_span_from(got, head + len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size == 0) {
        return 0;
    }
    bool frames = data[0] & 1;
    size_t piece = data[0] < 4 ? size : data[0] >> 2;
    struct buf got;
    buf_init(&got, 1 << 24);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0, "sockets");
    conn_accept(rig.net, frames ? LISTEN_PLAIN : LISTEN_HTTP, pair[0]);
    must(rig.net->conn_count == 1, "one connection");
    if (frames) {
        speak_websocket(rig.net->all);
    }
    for (size_t at = 1; at < size; at += piece) {
        size_t len = piece < size - at ? piece : size - at;
        if (send(pair[1], data + at, len, MSG_NOSIGNAL) < 0) {
            break;
        }
        turn(pair[1], &got);
    }
    shutdown(pair[1], SHUT_WR);
    turn(pair[1], &got);
    turn(pair[1], &got);
    (frames ? judge_frames : judge_http)(buf_span(&got));
    close(pair[1]);
    for (int i = 0; i < 20 && rig.net->conn_count > 0; i++) {
        (void)uv_run(&rig.net->loop, UV_RUN_NOWAIT);
    }
    must(rig.net->conn_count == 0, "nothing is left of it");
    (void)uv_run(&rig.net->loop, UV_RUN_NOWAIT); /* the close callbacks */
    buf_free(&got);
    return 0;
}
