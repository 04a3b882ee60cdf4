// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: getaddrinfo gives a list; `at` is the address being tried or connected to. A
 * failure notes its reason if it is more telling than those before and moves on; at the end of the
 * list the noted reason is the answer.
 */
#include "ports/posix/tcp.h"

#include "elo/base/assert.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

elo_err posix_tcp_error(int error)
{
    static const struct {
        int error;
        elo_err reason;
    } reasons[] = {
        {ECONNREFUSED, ELO_E_TCP_REFUSED}, {ETIMEDOUT, ELO_E_TCP_TIMEOUT},
        {ECONNRESET, ELO_E_TCP_CLOSED},    {EPIPE, ELO_E_TCP_CLOSED},
        {ECONNABORTED, ELO_E_TCP_CLOSED},  {ENOTCONN, ELO_E_TCP_CLOSED},
        {ENETUNREACH, ELO_E_NETWORK},      {EHOSTUNREACH, ELO_E_NETWORK},
        {ENETDOWN, ELO_E_NETWORK},         {EHOSTDOWN, ELO_E_NETWORK},
        {EADDRNOTAVAIL, ELO_E_NETWORK},    {EAFNOSUPPORT, ELO_E_NETWORK},
        {EACCES, ELO_E_PERMISSION},        {EPERM, ELO_E_PERMISSION},
        {ENOMEM, ELO_E_NO_MEMORY},         {ENOBUFS, ELO_E_NO_MEMORY},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].error == error) {
            return reasons[i].reason;
        }
    }
    return ELO_E_IO;
}

/* How much a failed address tells about the endpoint: a refusal proves that the machine is there,
 * a missing route may only mean that we have no IPv6. */
static int telling(elo_err reason)
{
    switch (reason) {
    case ELO_OK:
        return 0;
    case ELO_E_NETWORK:
        return 1;
    case ELO_E_TCP_TIMEOUT:
        return 3;
    case ELO_E_TCP_REFUSED:
        return 4;
    default:
        return 2;
    }
}

static void note(struct posix_tcp *tcp, elo_err reason, int error)
{
    if (telling(reason) > telling(tcp->_internal.reason)) {
        tcp->_internal.reason = reason;
        tcp->_internal.error = error;
    }
}

static void drop_fd(struct posix_tcp *tcp)
{
    if (tcp->fd >= 0) {
        close(tcp->fd);
    }
    tcp->fd = -1;
}

/* Tries `at` and what follows it, until one is under way. */
static elo_err connect_from_here(struct posix_tcp *tcp)
{
    const int one = 1;
    for (; tcp->_internal.at != NULL; tcp->_internal.at = tcp->_internal.at->ai_next) {
        const struct addrinfo *a = tcp->_internal.at;
        tcp->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (tcp->fd >= 0) {
            /* MQTT packets are small and wait for answers: no Nagle. */
            setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            if (connect(tcp->fd, a->ai_addr, a->ai_addrlen) == 0) {
                return ELO_OK;
            }
            if (errno == EINPROGRESS || errno == EINTR) {
                return ELO_NEED_MORE;
            }
        }
        note(tcp, posix_tcp_error(errno), errno);
        drop_fd(tcp);
    }
    return tcp->_internal.reason;
}

static elo_err next_address(struct posix_tcp *tcp)
{
    drop_fd(tcp);
    if (tcp->_internal.at != NULL) {
        tcp->_internal.at = tcp->_internal.at->ai_next;
    }
    return connect_from_here(tcp);
}

void posix_tcp_init(struct posix_tcp *tcp)
{
    memset(tcp, 0, sizeof *tcp);
    tcp->fd = -1;
}

static elo_err dns_error(int gai)
{
    if (gai == EAI_MEMORY) {
        return ELO_E_NO_MEMORY;
    }
    return gai == EAI_SYSTEM ? ELO_E_IO : ELO_E_DNS;
}

elo_err posix_tcp_start(struct posix_tcp *tcp, const char *host, uint16_t port)
{
    struct addrinfo hints;
    char service[8];
    posix_tcp_close(tcp);
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    snprintf(service, sizeof service, "%u", port);
    int gai = getaddrinfo(host, service, &hints, &tcp->_internal.list);
    if (gai != 0) {
        tcp->_internal.list = NULL;
        tcp->_internal.error = gai == EAI_SYSTEM ? errno : 0;
        return dns_error(gai);
    }
    tcp->_internal.at = tcp->_internal.list;
    return connect_from_here(tcp);
}

elo_err posix_tcp_step(struct posix_tcp *tcp)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int error = 0;
    socklen_t error_len = sizeof error;
    if (tcp->fd < 0) {
        return tcp->_internal.reason != ELO_OK ? tcp->_internal.reason : ELO_E_TCP_CLOSED;
    }
    if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) {
        error = errno;
    }
    if (error == 0) {
        if (getpeername(tcp->fd, (struct sockaddr *)&peer, &len) == 0) {
            return ELO_OK;
        }
        return ELO_NEED_MORE;
    }
    note(tcp, posix_tcp_error(error), error);
    return next_address(tcp);
}

elo_err posix_tcp_give_up(struct posix_tcp *tcp)
{
    note(tcp, ELO_E_TCP_TIMEOUT, ETIMEDOUT);
    return next_address(tcp);
}

elo_err posix_tcp_send(struct posix_tcp *tcp, elo_span bytes, size_t *out_len)
{
    ELO_ASSERT(bytes.len > 0);
    ssize_t n;
    *out_len = 0;
    do {
        n = send(tcp->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *out_len = (size_t)n;
        return ELO_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return ELO_NEED_ROOM;
    }
    tcp->_internal.error = errno;
    return posix_tcp_error(errno);
}

elo_err posix_tcp_recv(struct posix_tcp *tcp, uint8_t *buf, size_t cap, size_t *out_len)
{
    ELO_ASSERT(cap > 0);
    ssize_t n;
    *out_len = 0;
    do {
        n = recv(tcp->fd, buf, cap, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        *out_len = (size_t)n;
        return ELO_OK;
    }
    if (n == 0) {
        return ELO_END;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return ELO_NEED_MORE;
    }
    tcp->_internal.error = errno;
    return posix_tcp_error(errno);
}

void posix_tcp_finish(struct posix_tcp *tcp)
{
    if (tcp->fd >= 0) {
        shutdown(tcp->fd, SHUT_WR);
    }
}

void posix_tcp_close(struct posix_tcp *tcp)
{
    drop_fd(tcp);
    if (tcp->_internal.list != NULL) {
        freeaddrinfo(tcp->_internal.list);
    }
    posix_tcp_init(tcp);
}

int posix_tcp_errno(const struct posix_tcp *tcp)
{
    return tcp->_internal.error;
}

void posix_tcp_address(const struct posix_tcp *tcp, char *out, size_t cap)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    const struct addrinfo *a = tcp->_internal.at;
    if (a == NULL || getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port,
                                 NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(out, cap, "%s", "");
    } else {
        snprintf(out, cap, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
}
