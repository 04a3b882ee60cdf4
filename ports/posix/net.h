// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* posix_tcp as the stream that elo_link wants, and what its poll() waits for. */
#ifndef PORTS_POSIX_NET_H
#define PORTS_POSIX_NET_H

#include "elo/link/link.h"
#include "ports/posix/tcp.h"

#include <poll.h>

/* `tcp` is initialised, and stays where it is. */
struct elo_net posix_net(struct posix_tcp *tcp);

/* What the link waits for; fd -1, which poll() passes over, when there is nothing. */
struct pollfd posix_net_interest(const struct elo_link *link, const struct posix_tcp *tcp);

/* The shorter of two waits: poll()'s, -1 for ever, and the engines', UINT32_MAX never. */
int posix_net_wait(int timeout_ms, uint32_t left_ms);

#endif
