// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/posix/net.h"

static elo_err tcp_open(void *ctx, const char *host, uint16_t port)
{
    return posix_tcp_start((struct posix_tcp *)ctx, host, port);
}

static elo_err tcp_step(void *ctx)
{
    return posix_tcp_step((struct posix_tcp *)ctx);
}

static elo_err tcp_give_up(void *ctx)
{
    return posix_tcp_give_up((struct posix_tcp *)ctx);
}

static elo_err tcp_send(void *ctx, elo_span bytes, size_t *out_len)
{
    return posix_tcp_send((struct posix_tcp *)ctx, bytes, out_len);
}

static elo_err tcp_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    return posix_tcp_recv((struct posix_tcp *)ctx, out, cap, out_len);
}

static void tcp_finish(void *ctx)
{
    posix_tcp_finish((struct posix_tcp *)ctx);
}

static void tcp_close(void *ctx)
{
    posix_tcp_close((struct posix_tcp *)ctx);
}

static int tcp_error(void *ctx)
{
    return posix_tcp_errno((const struct posix_tcp *)ctx);
}

static void tcp_address(void *ctx, char *out, size_t cap)
{
    posix_tcp_address((const struct posix_tcp *)ctx, out, cap);
}

struct elo_net posix_net(struct posix_tcp *tcp)
{
    struct elo_net net = {.ctx = tcp,
                          .open = tcp_open,
                          .step = tcp_step,
                          .give_up = tcp_give_up,
                          .send = tcp_send,
                          .recv = tcp_recv,
                          .finish = tcp_finish,
                          .close = tcp_close,
                          .error = tcp_error,
                          .address = tcp_address};
    return net;
}

struct pollfd posix_net_interest(const struct elo_link *link, const struct posix_tcp *tcp)
{
    unsigned wanted = elo_link_interest(link);
    struct pollfd p = {tcp->fd, 0, 0};
    p.events = (short)(((wanted & ELO_LINK_RECEIVE) != 0 ? POLLIN : 0) |
                       ((wanted & ELO_LINK_SEND) != 0 ? POLLOUT : 0));
    return p;
}

int posix_net_wait(int timeout_ms, uint32_t left_ms)
{
    if (left_ms == UINT32_MAX || (timeout_ms >= 0 && (uint32_t)timeout_ms < left_ms)) {
        return timeout_ms;
    }
    return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}
