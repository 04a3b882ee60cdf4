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
#include "ports/posix/net.h"

#include <errno.h>

/* --- the machine, as elo_link wants it ----------------------------------------------------------
 */

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

elo_err
posix_link_step(struct posix_link *link, int timeout_ms, struct pollfd *extra, size_t extra_count)
{
    ELO_ASSERT(extra_count <= POSIX_LINK_EXTRA_MAX);
    struct pollfd fds[1 + POSIX_LINK_EXTRA_MAX];
    bool busy = elo_link_step(&link->_internal.link, posix_clock_ms());
    fds[0] = posix_net_interest(&link->_internal.link, &link->_internal.tcp);
    for (size_t i = 0; i < extra_count; i++) {
        fds[1 + i] = extra[i];
        fds[1 + i].revents = 0;
        extra[i].revents = 0;
    }
    uint32_t left = busy ? 0 : elo_link_wait_ms(&link->_internal.link, posix_clock_ms());
    int n = poll(fds, 1 + extra_count, posix_net_wait(timeout_ms, left));
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
    own->net = posix_net(&link->_internal.tcp);
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
