// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * By which names and addresses clients may reach this machine: what the server's certificate must
 * carry. Loopback always; with --listen also the machine's host name, its .local name and the
 * addresses of its interfaces (or the one listened on).
 */
#ifndef ELO_SERVER_MAIN_NAMES_H
#define ELO_SERVER_MAIN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { SERVER_NAMES = 24 };

struct server_names {
    char text[SERVER_NAMES][256];
    const char *name[SERVER_NAMES]; /* into text */
    size_t count;
    const char *best; /* what to tell clients */
};

/* `listen` and `endpoint` as given to serve_run(), or NULL. What the user has named is in it before
 * what the machine has; the machine's names and addresses as far as there is room. */
void server_names_find(struct server_names *names, const char *listen, const char *endpoint);

/* The same, of what the machine says of itself. */
struct ifaddrs;
void server_names_of(struct server_names *names,
                     const char *listen,
                     const char *endpoint,
                     const char *host_name,
                     const struct ifaddrs *interfaces);

#endif
