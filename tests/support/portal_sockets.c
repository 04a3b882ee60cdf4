// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/portal_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = PORTAL_CONNS, NAMES };
enum { LINGER_MS = 5000 }; /* for a peer to take the rest and to close */

/* --- opening -------------------------------------------------------------------------------------
 */

static int make_socket(int type, uint16_t *out_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        perror("portal");
        exit(1);
    }
    *out_port = ntohs(a.sin_port);
    return fd;
}

void portal_sockets_open(struct portal_sockets *s)
{
    if (s->is_open) {
        return;
    }
    memset(s, 0, sizeof *s);
    s->listener = make_socket(SOCK_STREAM, &s->port);
    s->dns = make_socket(SOCK_DGRAM, &s->dns_port);
    if (listen(s->listener, 16) != 0) {
        perror("portal");
        exit(1);
    }
    s->is_open = true;
}

static void forget(struct portal_peer *p)
{
    close(p->fd);
    memset(p, 0, sizeof *p);
}

void portal_sockets_shut(struct portal_sockets *s)
{
    if (!s->is_open) {
        return;
    }
    for (unsigned i = 0; i < PORTAL_CONNS; i++) {
        if (s->peers[i].state != PORTAL_PEER_NONE) {
            forget(&s->peers[i]);
        }
    }
    close(s->listener);
    close(s->dns);
    s->is_open = false;
}

/* --- one visitor ---------------------------------------------------------------------------------
 */

/* Bytes that have come; 0: none now; -1: it has gone. */
static ssize_t take(const struct portal_peer *p, uint8_t *out, size_t cap)
{
    ssize_t n = recv(p->fd, out, cap, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return n > 0 ? n : -1;
}

static void flush(struct portal_peer *p)
{
    ssize_t n = p->out_len > 0 ? send(p->fd, p->out, p->out_len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        p->out_len = 0; /* it has gone, and reading tells */
    } else if (n > 0) {
        p->out_len -= (size_t)n;
        memmove(p->out, p->out + n, p->out_len);
    }
}

/* A socket that is closed over bytes that were not read sends a reset, and the peer may lose what
 * it was sent before: so the peer closes first. */
static void see_off(struct portal_peer *p, uint32_t now_ms)
{
    uint8_t rest[512];
    ssize_t n;
    if (!p->stamped) {
        p->stamped = true;
        p->ended_ms = now_ms;
    }
    flush(p);
    if (p->state == PORTAL_PEER_ENDED && p->out_len == 0) {
        shutdown(p->fd, SHUT_WR);
        p->state = PORTAL_PEER_TOLD;
    }
    do {
        n = take(p, rest, sizeof rest);
    } while (n > 0);
    if (n < 0 || now_ms - p->ended_ms >= LINGER_MS) {
        forget(p);
    }
}

/* --- the loop's ----------------------------------------------------------------------------------
 */

static struct portal_peer *free_peer(struct portal_sockets *s)
{
    for (unsigned i = 0; i < PORTAL_CONNS; i++) {
        if (s->peers[i].state == PORTAL_PEER_NONE) {
            return &s->peers[i];
        }
    }
    return NULL;
}

void portal_sockets_polls(const struct portal_sockets *s, struct pollfd polls[PORTAL_POLLS])
{
    bool full = true;
    for (unsigned i = 0; i < PORTAL_CONNS; i++) {
        const struct portal_peer *p = &s->peers[i];
        bool is_here = s->is_open && p->state != PORTAL_PEER_NONE;
        full = full && is_here;
        polls[i] = (struct pollfd){.fd = is_here ? p->fd : -1,
                                   .events = (short)(POLLIN | (p->out_len > 0 ? POLLOUT : 0))};
    }
    polls[LISTENER] =
        (struct pollfd){.fd = s->is_open && !full ? s->listener : -1, .events = POLLIN};
    polls[NAMES] = (struct pollfd){.fd = s->is_open ? s->dns : -1, .events = POLLIN};
}

void portal_sockets_turn(struct portal_sockets *s, uint32_t now_ms)
{
    if (!s->is_open) {
        return;
    }
    for (unsigned i = 0; i < PORTAL_CONNS; i++) {
        struct portal_peer *p = &s->peers[i];
        if (p->state == PORTAL_PEER_HERE) {
            flush(p);
        } else if (p->state != PORTAL_PEER_NONE) {
            see_off(p, now_ms);
        }
    }
    struct portal_peer *p = free_peer(s);
    int fd = p != NULL ? accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    if (fd >= 0) {
        *p = (struct portal_peer){.fd = fd, .state = PORTAL_PEER_HERE};
    }
}

/* --- the board's ---------------------------------------------------------------------------------
 */

elo_err portal_sockets_read(
    struct portal_sockets *s, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
{
    struct portal_peer *p = &s->peers[conn];
    *out_len = 0;
    if (!s->is_open || p->state != PORTAL_PEER_HERE) {
        return ELO_END;
    }
    ssize_t n = take(p, out, cap);
    if (n < 0) {
        forget(p);
        return ELO_END;
    }
    *out_len = (size_t)n;
    return n > 0 ? ELO_OK : ELO_NEED_MORE;
}

size_t portal_sockets_room(const struct portal_sockets *s, unsigned conn)
{
    const struct portal_peer *p = &s->peers[conn];
    return p->state == PORTAL_PEER_HERE ? sizeof p->out - p->out_len : 0;
}

void portal_sockets_write(struct portal_sockets *s, unsigned conn, elo_span bytes)
{
    struct portal_peer *p = &s->peers[conn];
    if (bytes.len > portal_sockets_room(s, conn)) {
        fprintf(stderr, "portal: written without room\n");
        abort();
    }
    memcpy(p->out + p->out_len, bytes.ptr, bytes.len);
    p->out_len += bytes.len;
    flush(p);
}

void portal_sockets_end(struct portal_sockets *s, unsigned conn)
{
    struct portal_peer *p = &s->peers[conn];
    if (p->state == PORTAL_PEER_HERE) {
        p->state = PORTAL_PEER_ENDED;
    }
}

elo_err portal_sockets_dns_read(struct portal_sockets *s, uint8_t *out, size_t cap, size_t *out_len)
{
    socklen_t len = sizeof s->asker;
    ssize_t n = s->is_open ? recvfrom(s->dns, out, cap, 0, (struct sockaddr *)&s->asker, &len) : -1;
    *out_len = n > 0 ? (size_t)n : 0;
    return n >= 0 ? ELO_OK : ELO_NEED_MORE;
}

void portal_sockets_dns_write(const struct portal_sockets *s, elo_span bytes)
{
    if (sendto(s->dns, bytes.ptr, bytes.len, 0, (const struct sockaddr *)&s->asker,
               sizeof s->asker) < 0) {
        perror("dns"); /* who asked has gone */
    }
}
