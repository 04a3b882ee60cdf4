// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Listening sockets. Loopback means 127.0.0.1 and, where the machine has it, ::1 with the same
 * port; so "localhost" works whichever way it resolves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/internal.h"

static const char *const kind_option[] = {"--mqtts-port", "--https-port", "--http-port",
                                          "--plain-port"};

static elo_err
refuse(char *why, size_t why_cap, int error, const char *host, int port, enum listener_kind kind)
{
    elo_err err = error == EADDRINUSE                         ? ELO_E_PORT_IN_USE
                  : error == EACCES || error == EPERM         ? ELO_E_PERMISSION
                  : error == EADDRNOTAVAIL || error == EINVAL ? ELO_E_USAGE
                                                              : ELO_E_IO;
    const char *cure = err == ELO_E_PORT_IN_USE
                           ? "another program has it; stop that one, or choose another port with "
                       : err == ELO_E_PERMISSION
                           ? "that needs privileges; choose a port over 1023 with "
                           : "check --listen; the port is set with ";
    snprintf(why, why_cap, "cannot listen on %s port %d: %s; %s%s", host, port, strerror(error),
             cure, kind_option[kind]);
    return err;
}

/* "::" takes IPv4 too, as people expect of it; "::1" stands beside 127.0.0.1. */
static bool is_any6(const struct addrinfo *at)
{
    return at->ai_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)at->ai_addr)->sin6_addr);
}

static int open_socket(const struct addrinfo *at, int *out_error)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *out_error = errno;
        return -1;
    }
    int on = 1, only = !is_any6(at);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
        *out_error = errno;
        close(fd);
        return -1;
    }
    return fd;
}

static int bound_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        return 0;
    }
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

/*
 * No descriptor is left: the next client is taken with the spare one and sent away, or the listener
 * would call for ever. false: there is not even the spare one; the listener rests until a
 * descriptor is free again.
 */
static bool send_away(struct listener *l)
{
    struct net *net = l->net;
    if (!net->short_of_fds) {
        log_line(net->config.log, LOG_ERROR, ELO_E_IO,
                 "no file descriptors left: connections are refused; this process may open %llu "
                 "files, raise the hard limit (`ulimit -Hn`, LimitNOFILE= of systemd)",
                 net_descriptors());
    }
    net->short_of_fds = true;
    if (net->spare_fd < 0) {
        uv_poll_stop(&l->poll);
        return false;
    }
    close(net->spare_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *l = poll->data;
    for (int i = 0; status == 0 && i < 64; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            conn_accept(l->net, l->kind, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!send_away(l)) {
                return;
            }
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

void listen_descriptor_free(struct net *net, int fd)
{
    close(fd);
    if (!net->short_of_fds) {
        return;
    }
    if (net->spare_fd < 0) {
        net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return; /* the next one that is free is for clients */
    }
    net->short_of_fds = false;
    for (size_t i = 0; i < net->listener_count; i++) {
        if (!uv_is_closing((uv_handle_t *)&net->listeners[i].poll)) {
            uv_poll_start(&net->listeners[i].poll, UV_READABLE, on_acceptable);
        }
    }
}

/* What to listen on, and where to say why not. */
struct wish {
    enum listener_kind kind;
    const char *host;
    int port;
    char *why;
    size_t why_cap;
};

static elo_err add(struct net *net, const struct wish *w, int fd)
{
    struct listener *l = &net->listeners[net->listener_count];
    *l = (struct listener){.net = net, .kind = w->kind, .fd = fd};
    int rc = uv_poll_init(&net->loop, &l->poll, fd);
    if (rc != 0) {
        snprintf(w->why, w->why_cap, "cannot listen on port %d: %s", w->port, uv_strerror(rc));
        close(fd);
        return ELO_E_IO;
    }
    l->poll.data = l;
    net->listener_count++;
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    return ELO_OK;
}

/* ELO_E_NOT_FOUND: this machine has no such address. */
static elo_err bind_to(const struct wish *w, int *out_fd)
{
    char service[12];
    snprintf(service, sizeof service, "%d", w->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *at = NULL;
    int rc = getaddrinfo(w->host, service, &hints, &at);
    if (rc != 0) {
        snprintf(w->why, w->why_cap, "--listen %s is no address of this machine: %s", w->host,
                 gai_strerror(rc));
        return ELO_E_USAGE;
    }
    int error = 0;
    *out_fd = open_socket(at, &error);
    freeaddrinfo(at);
    if (*out_fd >= 0) {
        return ELO_OK;
    }
    elo_err err = refuse(w->why, w->why_cap, error, w->host, w->port, w->kind);
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT ? ELO_E_NOT_FOUND : err;
}

static elo_err listen_on(struct net *net, const struct wish *w)
{
    int fd = -1;
    elo_err err = bind_to(w, &fd);
    if (err != ELO_OK) {
        return err == ELO_E_NOT_FOUND ? ELO_E_USAGE : err;
    }
    net->ports[w->kind] = bound_port(fd);
    return add(net, w, fd);
}

/* 127.0.0.1 and ::1 on one port. A machine without IPv6 has only the first. */
static elo_err bind_loopback(struct wish *w, int *out_fd4, int *out_fd6)
{
    w->host = "127.0.0.1";
    elo_err err = bind_to(w, out_fd4);
    if (err != ELO_OK) {
        return err;
    }
    w->host = "::1";
    w->port = bound_port(*out_fd4);
    err = bind_to(w, out_fd6);
    if (err == ELO_OK || err == ELO_E_NOT_FOUND) {
        return ELO_OK;
    }
    close(*out_fd4);
    return err;
}

static elo_err listen_on_loopback(struct net *net, struct wish *w)
{
    int fd4 = -1, fd6 = -1, asked = w->port;
    elo_err err = bind_loopback(w, &fd4, &fd6);
    /* Any free port was asked for, and what was free on IPv4 was taken on IPv6: try another. */
    for (int i = 0; asked == 0 && err == ELO_E_PORT_IN_USE && i < 16; i++) {
        w->port = 0;
        err = bind_loopback(w, &fd4, &fd6);
    }
    if (err != ELO_OK) {
        return err;
    }
    net->ports[w->kind] = bound_port(fd4);
    err = add(net, w, fd4);
    if (fd6 < 0) {
        return err;
    }
    if (err != ELO_OK) {
        close(fd6);
        return err;
    }
    return add(net, w, fd6);
}

elo_err listen_all(struct net *net, char *why, size_t why_cap)
{
    const struct net_config *c = &net->config;
    const int ports[] = {c->mqtts_port, c->https_port, c->http_port, c->plain_port};
    elo_err err = ELO_OK;
    for (enum listener_kind kind = LISTEN_MQTTS; err == ELO_OK && kind < LISTEN_KINDS; kind++) {
        struct wish w = {kind, c->listen, ports[kind], why, why_cap};
        /* What asks for no certificate is never for the network. */
        bool loopback = kind == LISTEN_HTTP || kind == LISTEN_PLAIN || c->listen == NULL;
        net->ports[kind] = NET_NO_PORT;
        if (ports[kind] == NET_NO_PORT) {
            continue;
        }
        err = loopback ? listen_on_loopback(net, &w) : listen_on(net, &w);
    }
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return err;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    close(l->fd);
}

void listen_stop(struct net *net)
{
    for (size_t i = 0; i < net->listener_count; i++) {
        uv_handle_t *handle = (uv_handle_t *)&net->listeners[i].poll;
        if (!uv_is_closing(handle)) {
            uv_close(handle, on_listener_closed);
        }
    }
}
