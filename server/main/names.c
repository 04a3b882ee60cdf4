// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/main/names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *add(struct server_names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->text[i], text) == 0) {
            return names->text[i];
        }
    }
    if (names->count == SERVER_NAMES || text[0] == '\0' || strlen(text) >= sizeof names->text[0]) {
        return names->best;
    }
    char *slot = names->text[names->count];
    memcpy(slot, text, strlen(text) + 1);
    names->name[names->count++] = slot;
    return slot;
}

/* The address in numbers; false for what is no use in a certificate (link-local IPv6). */
static bool address_text(const struct sockaddr *at, char out[INET6_ADDRSTRLEN])
{
    if (at->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)at;
        return inet_ntop(AF_INET, &in->sin_addr, out, INET6_ADDRSTRLEN) != NULL;
    }
    if (at->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)at;
        return !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) &&
               inet_ntop(AF_INET6, &in6->sin6_addr, out, INET6_ADDRSTRLEN) != NULL;
    }
    return false;
}

static const char *add_interfaces(struct server_names *names)
{
    const char *first = NULL;
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) {
        return NULL;
    }
    for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_LOOPBACK) ||
            !address_text(i->ifa_addr, text)) {
            continue;
        }
        const char *added = add(names, text);
        if (first == NULL && i->ifa_addr->sa_family == AF_INET) {
            first = added;
        }
    }
    freeifaddrs(all);
    return first;
}

static void add_host_name(struct server_names *names)
{
    char host[200];
    if (gethostname(host, sizeof host) != 0) {
        return;
    }
    host[sizeof host - 1] = '\0';
    add(names, host);
    if (strchr(host, '.') == NULL) {
        char local[256];
        snprintf(local, sizeof local, "%s.local", host);
        add(names, local);
    }
}

void server_names_find(struct server_names *names, const char *listen, const char *endpoint)
{
    memset(names, 0, sizeof *names);
    names->best = add(names, "localhost");
    add(names, "127.0.0.1");
    add(names, "::1");
    add(names, "elo-desk"); /* for devices that reach the desk by address: TLS wants a name */
    if (listen != NULL) {
        bool any = strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;
        const char *address = add_interfaces(names);
        add_host_name(names);
        names->best = !any ? add(names, listen) : address ? address : names->best;
    }
    if (endpoint != NULL) {
        char host[256];
        size_t len = strcspn(endpoint, ":");
        if (len < sizeof host) {
            memcpy(host, endpoint, len);
            host[len] = '\0';
            names->best = add(names, host);
        }
    }
}
