// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * elo_link over posix_tcp, with poll() between two of its steps. The first leaves nothing undone
 * that could be done without waiting, so poll may sleep; what it wakes for is done by the second.
 * When the first has something for the owner, there is no second.
 */
#include "ports/posix/link.h"

#include "elo/base/assert.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"

#include <errno.h>

/* --- the machine, as elo_link wants it ----------------------------------------------------------
 */

static elo_err net_open(void *ctx, const char *host, uint16_t port)
{
    return posix_tcp_start((struct posix_tcp *)ctx, host, port);
}

static elo_err net_step(void *ctx)
{
    return posix_tcp_step((struct posix_tcp *)ctx);
}

static elo_err net_give_up(void *ctx)
{
    return posix_tcp_give_up((struct posix_tcp *)ctx);
}

static elo_err net_send(void *ctx, elo_span bytes, size_t *out_len)
{
    return posix_tcp_send((struct posix_tcp *)ctx, bytes, out_len);
}

static elo_err net_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    return posix_tcp_recv((struct posix_tcp *)ctx, out, cap, out_len);
}

static void net_finish(void *ctx)
{
    posix_tcp_finish((struct posix_tcp *)ctx);
}

static void net_close(void *ctx)
{
    posix_tcp_close((struct posix_tcp *)ctx);
}

static int net_error(void *ctx)
{
    return posix_tcp_errno((const struct posix_tcp *)ctx);
}

static void net_address(void *ctx, char *out, size_t cap)
{
    posix_tcp_address((const struct posix_tcp *)ctx, out, cap);
}

static elo_err entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    return posix_entropy(out, len);
}

static uint32_t now_unix(void *ctx)
{
    (void)ctx;
    return posix_clock_unix();
}

/* --- waiting -----------------------------------------------------------------------------------
 */

/* What to wait for on the socket; fd -1 makes poll() pass over it. */
static struct pollfd interest(const struct posix_link *link)
{
    unsigned wanted = elo_link_interest(&link->_internal.link);
    struct pollfd p = {link->_internal.tcp.fd, 0, 0};
    p.events = (short)(((wanted & ELO_LINK_RECEIVE) != 0 ? POLLIN : 0) |
                       ((wanted & ELO_LINK_SEND) != 0 ? POLLOUT : 0));
    return p;
}

static int wait_ms(const struct posix_link *link, int timeout_ms, bool busy)
{
    uint32_t left = elo_link_wait_ms(&link->_internal.link, posix_clock_ms());
    if (busy || left == 0) {
        return 0;
    }
    if (timeout_ms >= 0 && (uint32_t)timeout_ms < left) {
        return timeout_ms;
    }
    if (left == UINT32_MAX) {
        return timeout_ms;
    }
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

elo_err
posix_link_step(struct posix_link *link, int timeout_ms, struct pollfd *extra, size_t extra_count)
{
    ELO_ASSERT(extra_count <= POSIX_LINK_EXTRA_MAX);
    struct pollfd fds[1 + POSIX_LINK_EXTRA_MAX];
    bool busy = elo_link_step(&link->_internal.link, posix_clock_ms());
    fds[0] = interest(link);
    for (size_t i = 0; i < extra_count; i++) {
        fds[1 + i] = extra[i];
        fds[1 + i].revents = 0;
        extra[i].revents = 0;
    }
    int n = poll(fds, 1 + extra_count, wait_ms(link, timeout_ms, busy));
    if (n < 0) {
        return errno == EINTR ? ELO_OK : ELO_E_IO;
    }
    for (size_t i = 0; i < extra_count; i++) {
        extra[i].revents = fds[1 + i].revents;
    }
    if (!busy) {
        elo_link_step(&link->_internal.link, posix_clock_ms());
    }
    return ELO_OK;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

elo_err posix_link_init(struct posix_link *link,
                        const struct posix_link_config *config,
                        const struct elo_client_config *client)
{
    struct elo_link_config *own = &link->_internal.config;
    memset(link, 0, sizeof *link);
    posix_tcp_init(&link->_internal.tcp);
    own->tls = config->tls;
    own->tls.handshake = &link->_internal.handshake;
    own->net = (struct elo_net){.ctx = &link->_internal.tcp,
                                .open = net_open,
                                .step = net_step,
                                .give_up = net_give_up,
                                .send = net_send,
                                .recv = net_recv,
                                .finish = net_finish,
                                .close = net_close,
                                .error = net_error,
                                .address = net_address};
    own->client = &link->client;
    own->address = config->address;
    own->port = config->port;
    own->connect_timeout_ms = config->connect_timeout_ms;
    own->handshake_timeout_ms = config->handshake_timeout_ms;
    own->keep_session = config->keep_session;
    own->small_steps = config->small_steps;
    own->entropy = entropy;
    own->now_unix = now_unix;
    elo_link_init(&link->_internal.link, own);
    return elo_client_init(&link->client, client);
}

struct elo_link *posix_link_pump(struct posix_link *link)
{
    return &link->_internal.link;
}

const struct elo_tls *posix_link_tls(const struct posix_link *link)
{
    return elo_link_tls(&link->_internal.link);
}

const struct elo_link_diagnosis *posix_link_diagnosis(const struct posix_link *link)
{
    return elo_link_diagnosis(&link->_internal.link);
}

void posix_link_deinit(struct posix_link *link)
{
    elo_link_deinit(&link->_internal.link);
}
