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

static const char *const kind_option[] = {"--mqtts-port", "--https-port", "--http-port"};

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

static int open_socket(const struct addrinfo *at, int *out_error)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        *out_error = errno;
        return -1;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
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

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *l = poll->data;
    struct net *net = l->net;
    for (int i = 0; status == 0 && i < 64; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            conn_accept(net, l->kind, fd);
        } else if ((errno == EMFILE || errno == ENFILE) && net->spare_fd >= 0) {
            /* No descriptor left: take this client with the spare one and send it away, or the
             * listener would call for ever. */
            log_line(net->config.log, LOG_ERROR, ELO_E_IO,
                     "no file descriptors left: a connection was refused; raise `ulimit -n`");
            close(net->spare_fd);
            fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                close(fd);
            }
            net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static elo_err add(struct net *net, enum listener_kind kind, int fd)
{
    struct listener *l = &net->listeners[net->listener_count];
    *l = (struct listener){.net = net, .kind = kind, .fd = fd};
    if (uv_poll_init(&net->loop, &l->poll, fd) != 0) {
        close(fd);
        return ELO_E_IO;
    }
    l->poll.data = l;
    net->listener_count++;
    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    return ELO_OK;
}

/* `host` NULL: loopback. `must`: failing is an error, not a shrug. */
static elo_err listen_on(struct net *net,
                         enum listener_kind kind,
                         const char *host,
                         int port,
                         bool must,
                         char *why,
                         size_t why_cap)
{
    char service[12];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *at = NULL;
    int rc = getaddrinfo(host, service, &hints, &at);
    if (rc != 0) {
        snprintf(why, why_cap, "--listen %s is no address of this machine: %s", host,
                 gai_strerror(rc));
        return ELO_E_USAGE;
    }
    int error = 0;
    int fd = open_socket(at, &error);
    freeaddrinfo(at);
    if (fd < 0) {
        return must ? refuse(why, why_cap, error, host, port, kind) : ELO_OK;
    }
    if (net->ports[kind] == 0) {
        net->ports[kind] = bound_port(fd);
    }
    return add(net, kind, fd);
}

static elo_err listen_kind(
    struct net *net, enum listener_kind kind, const char *host, int port, char *why, size_t why_cap)
{
    if (host != NULL) {
        return listen_on(net, kind, host, port, true, why, why_cap);
    }
    elo_err err = listen_on(net, kind, "127.0.0.1", port, true, why, why_cap);
    if (err != ELO_OK) {
        return err;
    }
    return listen_on(net, kind, "::1", net->ports[kind], false, why, why_cap);
}

elo_err listen_all(struct net *net, char *why, size_t why_cap)
{
    const struct net_config *c = &net->config;
    elo_err err = listen_kind(net, LISTEN_MQTTS, c->listen, c->mqtts_port, why, why_cap);
    if (err == ELO_OK) {
        err = listen_kind(net, LISTEN_HTTPS, c->listen, c->https_port, why, why_cap);
    }
    if (err == ELO_OK) {
        err = listen_kind(net, LISTEN_HTTP, NULL, c->http_port, why, why_cap);
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
