// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a connection is a socket in the loop's poll set, with or without TLS. Readable:
 * one read of the socket, all TLS records that came with it decrypted into the loop's scratch
 * buffer, and handed to the protocol. What is left in the socket the next poll tells of: to read
 * until nothing is left would be a second system call for most messages. What is left where no poll
 * sees it - in OpenSSL, or behind a reset - puts the connection on the `more` list, to be read
 * again in the next turn, so that one loud client cannot starve the others. Nothing is written here
 * until conn_flush(), which the loop calls once per turn for whoever has output.
 *
 *     accept -> HANDSHAKE -> OPEN -> LINGER -> CLOSED -> (poll handle's close callback) freed
 *                  |          |                  ^
 *                  '----------'-- conn_close() --'   LINGER is left out if nobody listens
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

static void on_ready(uv_poll_t *poll, int status, int events);

static void poll_for(struct conn *c, int events)
{
    if (c->phase != CONN_CLOSED && c->events != events) {
        c->events = events;
        if (events == 0) {
            uv_poll_stop(&c->poll);
        } else {
            uv_poll_start(&c->poll, events, on_ready);
        }
    }
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void leave_more(struct conn *c)
{
    struct conn **at = &c->net->more;
    while (c->in_more && *at != NULL) {
        if (*at == c) {
            *at = c->more;
            c->in_more = false;
            return;
        }
        at = &(*at)->more;
    }
}

static void leave_all(struct conn *c)
{
    *(c->all_prev ? &c->all_prev->all_next : &c->net->all) = c->all_next;
    if (c->all_next != NULL) {
        c->all_next->all_prev = c->all_prev;
    }
    c->net->conn_count--;
}

/* It may hold traffic secrets: of a handshake that was nearly done. */
static void forget(struct shaken *how)
{
    if (how != NULL) {
        OPENSSL_cleanse(how, sizeof *how);
        mem_free(how);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    listen_descriptor_free(c->net, c->fd);
    forget(c->shaken);
    mem_free(c->peer);
    mem_free(c);
}

static void finish(struct conn *c)
{
    conn_wait_end(c);
    poll_for(c, 0);
    c->phase = CONN_CLOSED;
    leave_all(c);
    crowd_leave(c);
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* Is there somebody who could miss our last words? */
static bool should_linger(const struct conn *c, elo_err why)
{
    return !c->ended && !c->broken && why != ELO_E_TCP_CLOSED && why != ELO_E_TCP_TIMEOUT &&
           c->net->open && !c->net->stopping && shutdown(c->fd, SHUT_WR) == 0;
}

void conn_close(struct conn *c, elo_err why)
{
    if (c->phase == CONN_CLOSED || c->shaking) {
        return; /* a worker's comes back by itself, or by shakers_stop() */
    }
    if (c->phase == CONN_LINGER) {
        finish(c);
        return;
    }
    conn_wait_end(c);
    leave_more(c);
    if (c->protocol != NULL) {
        c->protocol->closed(c, why);
    }
    transport_end(c);
    if (!should_linger(c, why)) {
        finish(c);
        return;
    }
    c->phase = CONN_LINGER;
    conn_wait(c, WAIT_LINGER);
    poll_for(c, UV_READABLE);
}

/* Throws away what still comes; the end of it is ours too. */
static void drain(struct conn *c)
{
    ssize_t n = recv(c->fd, c->net->scratch, NET_SCRATCH, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        finish(c);
    }
}

/* --- writing ------------------------------------------------------------------------------------
 */

/*
 * The next run of bytes to send: a large piece as it lies, small pieces gathered into one TLS
 * record. OpenSSL demands that what is offered again after it would have blocked begins with the
 * same bytes and is not shorter. So it is: output grows only at its end, and loses from its front
 * only what was sent; the one exception, a protocol that throws all of it away, closes and offers
 * nothing any more.
 */
static elo_span next_run(struct conn *c)
{
    elo_span pieces[16];
    size_t count = c->protocol->output(c, pieces, 16);
    if (count == 0) {
        return elo_span_of(NULL, 0);
    }
    if (count == 1 || pieces[0].len >= NET_RECORD) {
        return elo_span_first(pieces[0], pieces[0].len < NET_RECORD ? pieces[0].len : NET_RECORD);
    }
    size_t len = 0;
    for (size_t i = 0; i < count && len < NET_RECORD; i++) {
        size_t n = pieces[i].len < NET_RECORD - len ? pieces[i].len : NET_RECORD - len;
        memcpy(c->net->record + len, pieces[i].ptr, n);
        len += n;
    }
    return elo_span_of(c->net->record, len);
}

/* What to poll for on behalf of reading. While input is held, not even for the other side's end:
 * it may end and wait for our answer. */
static int input_events(const struct conn *c)
{
    return c->hold_input || c->ended ? 0 : c->read_blocked ? UV_WRITABLE : UV_READABLE;
}

/* The socket is full, or (TLS) must be read first. */
static void write_later(struct conn *c, ssize_t answer)
{
    poll_for(c, input_events(c) | (answer == TRANSPORT_WANTS_READ ? UV_READABLE : UV_WRITABLE));
    if (!c->waiting && c->protocol->wants_close(c)) {
        conn_wait(c, WAIT_LAST_WORDS);
    }
}

/* A client over its quota of bytes is read no more until it may send again: the transport's own
 * flow control delays it. */
static void obey(struct conn *c)
{
    if (c->protocol->wants_input == NULL) {
        return;
    }
    bool wants = c->protocol->wants_input(c);
    if (wants && c->hold_input) {
        conn_resume(c);
    }
    c->hold_input = !wants;
}

/* Its last words wait for the store; it is flushed again when they may leave. */
static bool is_held(const struct conn *c)
{
    return c->protocol->is_held != NULL && c->protocol->is_held(c);
}

void conn_flush(struct conn *c)
{
    if (c->phase != CONN_OPEN) {
        return;
    }
    obey(c);
    elo_span run;
    ssize_t n = 0;
    while (n >= 0 && c->phase == CONN_OPEN && (run = next_run(c)).len > 0) {
        n = transport_transmit(c, run);
        if (n > 0) {
            c->protocol->sent(c, (size_t)n);
        }
    }
    if (c->phase != CONN_OPEN) {
        return;
    }
    n = n < 0 ? n : transport_push(c); /* taken, but not all of it sent */
    if (n == TRANSPORT_GONE || n == TRANSPORT_END) {
        conn_close(c, ELO_E_TCP_CLOSED);
        return;
    }
    if (n < 0) {
        write_later(c, n);
        return;
    }
    if (c->protocol->wants_close(c) && !is_held(c)) {
        conn_close(c, ELO_OK);
        return;
    }
    poll_for(c, input_events(c));
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void read_later(struct conn *c)
{
    if (!c->in_more) {
        c->in_more = true;
        c->more = c->net->more;
        c->net->more = c;
    }
}

/* The other side has said its last word. */
static void on_end(struct conn *c)
{
    c->ended = true;
    conn_flush(c);
    if (c->phase == CONN_OPEN && !c->protocol->answers_after_end) {
        conn_close(c, ELO_E_TCP_CLOSED);
    }
}

static void read_ready(struct conn *c)
{
    uint8_t *scratch = c->net->scratch;
    size_t len = 0;
    ssize_t n = 0;
    bool more = true;
    while (more && NET_SCRATCH - len >= RECORD_WIRE_MAX) {
        n = transport_receive(c, scratch + len, NET_SCRATCH - len);
        len += n > 0 ? (size_t)n : 0;
        more = n > 0 && (c->reset || transport_has_more(c));
    }
    bool was_blocked = c->read_blocked;
    c->read_blocked = n == TRANSPORT_WANTS_WRITE;
    if (len > 0) {
        c->protocol->input(c, elo_span_of(scratch, len));
    }
    if (c->phase != CONN_OPEN) {
        return;
    }
    if (n == TRANSPORT_GONE) {
        conn_close(c, ELO_E_TCP_CLOSED);
    } else if (n == TRANSPORT_END) {
        on_end(c);
    } else if (more) {
        read_later(c);
    } else if (c->read_blocked != was_blocked) {
        conn_flush(c); /* polls for what is needed now */
    }
}

void conn_read_more(struct net *net)
{
    struct conn *c = net->more;
    net->more = NULL;
    while (c != NULL) {
        struct conn *next = c->more;
        c->in_more = false;
        if (!c->hold_input && !c->ended && c->phase == CONN_OPEN) {
            read_ready(c);
        }
        c = next;
    }
}

void conn_resume(struct conn *c)
{
    c->hold_input = false;
    if (c->phase == CONN_OPEN && transport_has_more(c)) {
        read_later(c);
    }
}

/* --- the beginning ------------------------------------------------------------------------------
 */

void conn_log(const struct conn *c,
              enum log_level level,
              elo_err err,
              const char *certificate_id,
              const char *why)
{
    struct log_record record = {.level = level,
                                .event_type = "Connect",
                                .err = err,
                                .protocol = c->protocol ? c->protocol->name : "TLS",
                                .principal_id = elo_span_str(certificate_id),
                                .source_ip = elo_span_str(c->ip),
                                .source_port = c->port,
                                .details = elo_span_str(why)};
    log_emit(c->net->config.log, &record);
}

static void begin(struct conn *c, enum listener_kind speak)
{
    conn_wait_end(c);
    c->phase = CONN_OPEN;
    bool mqtt = speak == LISTEN_MQTTS || speak == LISTEN_PLAIN;
    bool ok = mqtt ? mqtt_begin(c) : http_begin(c);
    if (!ok) {
        conn_log(c, LOG_ERROR, ELO_E_NO_MEMORY, NULL,
                 "a connection was refused: no memory, or as many connections as are taken");
        conn_close(c, ELO_E_NO_MEMORY);
        return;
    }
    poll_for(c, UV_READABLE);
    read_ready(c);
}

/* The handshake is over: c->shaken tells how, and is freed. `c` may be closed after it. */
static void end_handshake(struct conn *c)
{
    struct shaken how = *c->shaken;
    forget(c->shaken);
    c->shaken = NULL;
    crowd_leave(c);
    c->peer = how.peer;
    struct seeing_edge *edge = &c->net->edge;
    if (how.peer != NULL) {
        histogram_add(&edge->handshakes,
                      (uint64_t)((int64_t)uv_now(&c->net->loop) - c->born_ms) * 1000);
    } else {
        edge->handshakes_failed++;
    }
    if (how.peer != NULL && !c->net->stopping) {
        begin(c, tls_protocol(c));
        return;
    }
    if (how.why[0] != '\0') {
        conn_log(c, how.level, how.err, NULL, how.why);
    }
    conn_close(c, how.err);
}

/* The handshake on the loop. */
static void shake_hands(struct conn *c)
{
    int wants = tls_shake(c, c->shaken);
    if (wants == SSL_ERROR_NONE) {
        end_handshake(c);
    } else {
        poll_for(c, wants == SSL_ERROR_WANT_WRITE ? UV_WRITABLE : UV_READABLE);
    }
}

static void serve(struct conn *c, int events)
{
    if (events & UV_WRITABLE) {
        conn_flush(c);
    }
    bool readable = (events & UV_READABLE) || (c->read_blocked && (events & UV_WRITABLE));
    if (readable && c->phase == CONN_OPEN && !c->hold_input && !c->ended) {
        read_ready(c);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    /* A reset: libuv polls no more, but what came before it can still be read. */
    c->reset = c->reset || status != 0;
    events = c->reset ? UV_READABLE : events;
    if (c->phase == CONN_HANDSHAKE) {
        shake_hands(c);
    } else if (c->phase == CONN_OPEN) {
        serve(c, events);
    } else if (c->phase == CONN_LINGER) {
        drain(c);
    }
    if (c->reset && !c->in_more) {
        c->broken = true;
        conn_close(c, ELO_E_TCP_CLOSED);
    }
}

static void learn_address(struct conn *c)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    if (getpeername(c->fd, (struct sockaddr *)&at, &len) != 0) {
        return;
    }
    if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&at;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], c->ip, sizeof c->ip);
        } else {
            inet_ntop(AF_INET6, &in6->sin6_addr, c->ip, sizeof c->ip);
        }
        c->port = ntohs(in6->sin6_port);
    } else if (at.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&at;
        inet_ntop(AF_INET, &in->sin_addr, c->ip, sizeof c->ip);
        c->port = ntohs(in->sin_port);
    }
}

static bool has_tls(enum listener_kind kind)
{
    return kind == LISTEN_MQTTS || kind == LISTEN_HTTPS;
}

/* NULL: out of memory. */
static struct conn *create(struct net *net, enum listener_kind kind, int fd)
{
    struct conn *c = mem_zero(sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->net = net;
    c->fd = fd;
    c->kind = kind;
    buf_init(&c->kept, NET_WIRE);
    buf_init(&c->unsent, 2 * NET_SEALED);
    c->shaken = has_tls(kind) ? mem_zero(sizeof *c->shaken) : NULL;
    if (has_tls(kind) && c->shaken == NULL) {
        mem_free(c);
        return NULL;
    }
    c->all_next = net->all;
    if (net->all != NULL) {
        net->all->all_prev = c;
    }
    net->all = c;
    net->conn_count++;
    return c;
}

/* What never was polled needs no callback to be freed. */
static void discard(struct conn *c)
{
    leave_all(c);
    crowd_leave(c);
    record_destroy(c->record);
    SSL_free(c->ssl);
    SSL_CTX_free(c->tls);
    ERR_clear_error();
    if (c->shaken != NULL) {
        mem_free(c->shaken->peer);
    }
    forget(c->shaken);
    listen_descriptor_free(c->net, c->fd);
    mem_free(c);
}

static bool add_poll(struct conn *c)
{
    c->poll.data = c;
    return uv_poll_init(&c->net->loop, &c->poll, c->fd) == 0;
}

void conn_return(struct conn *c)
{
    c->shaking = false;
    if (add_poll(c)) {
        end_handshake(c);
    } else {
        discard(c);
    }
}

/* Its handshake is for a worker, or for the loop. false: out of memory. */
static bool begin_tls(struct conn *c)
{
    if (c->net->shakers != NULL) {
        SSL_CTX_up_ref(c->net->tls); /* the loop's may be another one by then */
        c->tls = c->net->tls;
        shakers_take(c);
        return true;
    }
    if (!tls_begin(c, c->net->tls) || !add_poll(c)) {
        return false;
    }
    conn_wait(c, WAIT_HANDSHAKE);
    poll_for(c, UV_READABLE);
    return true;
}

static void refuse_for_memory(struct net *net)
{
    log_line(net->config.log, LOG_ERROR, ELO_E_NO_MEMORY,
             "a connection was refused: there is not enough memory for it");
}

static void refuse_for_sockets(struct net *net)
{
    uint64_t refused = refusals_add(net, &net->no_socket);
    if (refused > 0) {
        log_line(net->config.log, LOG_WARN, ELO_E_OVERLOAD,
                 "%" PRIu64 " connections refused: %" PRIu32
                 " of every kind, MQTT and HTTP, are the most that are taken (--limit sockets)",
                 refused, net->limits.sockets);
    }
}

/* The first thing that can be known of a device that never gets further (`elo why`). */
static void note_accept(struct conn *c)
{
    c->born_ms = (int64_t)uv_now(&c->net->loop);
    struct log_record record = {.level = LOG_DEBUG,
                                .event_type = "Accept",
                                .protocol = "TCP",
                                .source_ip = elo_span_str(c->ip),
                                .source_port = c->port,
                                .details = has_tls(c->kind)
                                               ? ELO_SPAN("a TCP connection to a TLS port")
                                               : ELO_SPAN("a TCP connection")};
    const struct log *log = c->net->config.log; /* for the timeline only: too much for a log */
    if ((has_tls(c->kind) || c->kind == LISTEN_PLAIN) && log->watch != NULL) {
        log->watch(log->watch_ctx, &record);
    }
}

void conn_accept(struct net *net, enum listener_kind kind, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (net->conn_count >= net->limits.sockets) {
        refuse_for_sockets(net);
        close(fd);
        return;
    }
    struct conn *c = create(net, kind, fd);
    if (c == NULL) {
        refuse_for_memory(net);
        close(fd);
        return;
    }
    learn_address(c);
    net->edge.accepted++;
    note_accept(c);
    if (has_tls(kind) && !crowd_enter(c)) {
        discard(c);
    } else if (has_tls(kind) ? !begin_tls(c) : !add_poll(c)) {
        refuse_for_memory(net);
        discard(c);
    } else if (!has_tls(kind)) {
        begin(c, kind);
    }
}
