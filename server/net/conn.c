// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a connection is a socket in the loop's poll set, with or without TLS. Readable:
 * everything that is there is read into the loop's scratch buffer, up to NET_SCRATCH, and handed to
 * the protocol; if more is left, the connection goes on the `more` list and is read again in the
 * next turn, so that one loud client cannot starve the others. Nothing is written here until
 * conn_flush(), which the loop calls once per turn for whoever has output.
 *
 *     accept -> HANDSHAKE -> OPEN -> CLOSED -> (poll handle's close callback) freed
 *                  |            \-> from any phase by conn_close()
 */
#include <arpa/inet.h>
#include <errno.h>
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

/* --- waiting with a deadline: each list is ordered, since all on it wait equally long -----------
 */

static const int64_t wait_ms[WAIT_KINDS] = {LIMIT_HANDSHAKE_WAIT_MS, LIMIT_HTTP_IDLE_MS};

void conn_wait(struct conn *c, enum wait_kind kind)
{
    struct conn_list *list = &c->net->waiting[kind];
    conn_wait_end(c);
    c->waiting = true;
    c->wait = kind;
    c->deadline = net_time(c->net).mono_ms + wait_ms[kind];
    c->next = NULL;
    c->prev = list->last;
    if (list->last != NULL) {
        list->last->next = c;
    } else {
        list->first = c;
    }
    list->last = c;
}

void conn_wait_end(struct conn *c)
{
    struct conn_list *list = &c->net->waiting[c->wait];
    if (!c->waiting) {
        return;
    }
    c->waiting = false;
    *(c->prev ? &c->prev->next : &list->first) = c->next;
    *(c->next ? &c->next->prev : &list->last) = c->prev;
}

void conn_expire(struct net *net, int64_t now_ms)
{
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        struct conn_list *list = &net->waiting[kind];
        while (list->first != NULL && list->first->deadline <= now_ms) {
            conn_close(list->first, ELO_E_TCP_TIMEOUT);
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

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    close(c->fd);
    mem_free(c);
}

void conn_close(struct conn *c, elo_err why)
{
    if (c->phase == CONN_CLOSED) {
        return;
    }
    conn_wait_end(c);
    leave_more(c);
    if (c->protocol != NULL) {
        c->protocol->closed(c, why);
    }
    if (c->ssl != NULL) {
        if (c->phase == CONN_OPEN) {
            ERR_clear_error();
            SSL_shutdown(c->ssl); /* close_notify, if the socket takes it; no waiting */
        }
        SSL_free(c->ssl);
    }
    poll_for(c, 0);
    c->phase = CONN_CLOSED;
    *(c->all_prev ? &c->all_prev->all_next : &c->net->all) = c->all_next;
    if (c->all_next != NULL) {
        c->all_next->all_prev = c->all_prev;
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* --- transport: what recv and send are, with TLS or without -------------------------------------
 */

enum { WOULD_BLOCK = -1, GONE = -2 };

static ssize_t tls_result(struct conn *c, int rc, size_t done)
{
    if (rc > 0) {
        return (ssize_t)done;
    }
    int error = SSL_get_error(c->ssl, rc);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? WOULD_BLOCK : GONE;
}

static ssize_t receive(struct conn *c, uint8_t *buf, size_t cap)
{
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_read_ex(c->ssl, buf, cap, &done);
        return tls_result(c, rc, done);
    }
    ssize_t n;
    do {
        n = recv(c->fd, buf, cap, 0);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? WOULD_BLOCK : GONE;
}

static ssize_t transmit(struct conn *c, const uint8_t *buf, size_t len)
{
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_write_ex(c->ssl, buf, len, &done);
        return tls_result(c, rc, done);
    }
    ssize_t n;
    do {
        n = send(c->fd, buf, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? WOULD_BLOCK : GONE;
}

/* --- writing ------------------------------------------------------------------------------------
 */

/*
 * The next run of bytes to send: a large piece as it lies, small pieces gathered into one TLS
 * record. What is offered again after WOULD_BLOCK begins with the same bytes and is not shorter, as
 * OpenSSL demands: output only grows at its end.
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

void conn_flush(struct conn *c)
{
    if (c->phase != CONN_OPEN) {
        return;
    }
    elo_span run;
    while ((run = next_run(c)).len > 0) {
        ssize_t n = transmit(c, run.ptr, run.len);
        if (n == GONE) {
            conn_close(c, ELO_E_TCP_CLOSED);
            return;
        }
        if (n == WOULD_BLOCK) {
            poll_for(c, c->events | UV_WRITABLE);
            return;
        }
        c->protocol->sent(c, (size_t)n);
    }
    if (c->protocol->wants_close(c)) {
        conn_close(c, ELO_OK);
        return;
    }
    poll_for(c, c->hold_input ? UV_DISCONNECT : UV_READABLE);
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

static void read_ready(struct conn *c)
{
    uint8_t *scratch = c->net->scratch;
    size_t len = 0;
    ssize_t n = 0;
    while (NET_SCRATCH - len >= NET_RECORD &&
           (n = receive(c, scratch + len, NET_SCRATCH - len)) > 0) {
        len += (size_t)n;
    }
    if (len > 0) {
        c->protocol->input(c, elo_span_of(scratch, len));
    }
    if (c->phase != CONN_OPEN) {
        return;
    }
    if (n == GONE) {
        conn_flush(c); /* an answer to the last words, if the other side still listens */
        conn_close(c, ELO_E_TCP_CLOSED);
    } else if (n > 0) {
        read_later(c);
    }
}

void conn_read_more(struct net *net)
{
    struct conn *c = net->more;
    net->more = NULL;
    while (c != NULL) {
        struct conn *next = c->more;
        c->in_more = false;
        if (!c->hold_input && c->phase == CONN_OPEN) {
            read_ready(c);
        }
        c = next;
    }
}

void conn_resume(struct conn *c)
{
    c->hold_input = false;
    if (c->phase == CONN_OPEN) {
        read_later(c); /* TLS may hold bytes that no poll will tell of */
    }
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static void log_failure(struct conn *c, elo_err err, const char *why)
{
    struct log_record record = {.level = err == ELO_E_TCP_CLOSED ? LOG_DEBUG : LOG_WARN,
                                .event_type = "Connect",
                                .err = err,
                                .protocol = "TLS",
                                .source_ip = elo_span_str(c->ip),
                                .source_port = c->port,
                                .details = elo_span_str(why)};
    log_emit(c->net->config.log, &record);
}

static void begin(struct conn *c, enum listener_kind speak)
{
    conn_wait_end(c);
    c->phase = CONN_OPEN;
    bool ok = speak == LISTEN_MQTTS ? mqtt_begin(c) : http_begin(c);
    if (!ok) {
        conn_close(c, ELO_E_NO_MEMORY);
        return;
    }
    poll_for(c, UV_READABLE);
    read_ready(c);
}

static void shake_hands(struct conn *c)
{
    ERR_clear_error();
    int rc = SSL_accept(c->ssl);
    if (rc == 1) {
        begin(c, tls_protocol(c));
        return;
    }
    int error = SSL_get_error(c->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        poll_for(c, error == SSL_ERROR_WANT_WRITE ? UV_WRITABLE : UV_READABLE);
        return;
    }
    char why[200];
    elo_err err = tls_failure(c, why, sizeof why);
    log_failure(c, err, why);
    conn_close(c, err);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    if (status != 0 || (events & UV_DISCONNECT) != 0) {
        conn_close(c, ELO_E_TCP_CLOSED);
    } else if (c->phase == CONN_HANDSHAKE) {
        shake_hands(c);
    } else {
        if (events & UV_WRITABLE) {
            poll_for(c, c->hold_input ? UV_DISCONNECT : UV_READABLE);
            conn_flush(c);
        }
        if ((events & UV_READABLE) && c->phase == CONN_OPEN && !c->hold_input) {
            read_ready(c);
        }
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

static bool add_tls(struct conn *c)
{
    c->ssl = SSL_new(c->net->tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        SSL_free(c->ssl);
        return false;
    }
    SSL_set_app_data(c->ssl, c);
    if (c->kind == LISTEN_MQTTS) {
        SSL_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return true;
}

void conn_accept(struct net *net, enum listener_kind kind, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = mem_zero(sizeof *c);
    if (c == NULL) {
        close(fd);
        return;
    }
    c->net = net;
    c->fd = fd;
    c->kind = kind;
    if ((kind != LISTEN_HTTP && !add_tls(c)) || uv_poll_init(&net->loop, &c->poll, fd) != 0) {
        SSL_free(c->ssl);
        close(fd);
        mem_free(c);
        return;
    }
    c->poll.data = c;
    c->all_next = net->all;
    if (net->all != NULL) {
        net->all->all_prev = c;
    }
    net->all = c;
    learn_address(c);
    if (c->ssl == NULL) {
        begin(c, LISTEN_HTTP);
        return;
    }
    conn_wait(c, WAIT_HANDSHAKE);
    poll_for(c, UV_READABLE);
}
