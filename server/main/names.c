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

/* The slot with the text; NULL: no room for it. */
static const char *add(struct server_names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->text[i], text) == 0) {
            return names->text[i];
        }
    }
    if (names->count == SERVER_NAMES || text[0] == '\0' || strlen(text) >= sizeof names->text[0]) {
        return NULL;
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

/* The first IPv4 address of an interface that is no loopback; NULL: there is none. */
static const char *add_interfaces(struct server_names *names, const struct ifaddrs *all)
{
    const char *first = NULL;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP) ||
            !address_text(i->ifa_addr, text)) {
            continue;
        }
        const char *added = add(names, text);
        if (first == NULL && i->ifa_addr->sa_family == AF_INET) {
            first = added;
        }
    }
    return first;
}

/* Host names are what administrators make of them: one that DNS cannot know is left out. */
static bool is_dns_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= 253 && text[0] != '.' && text[0] != '-' && text[len - 1] != '-' &&
           strstr(text, "..") == NULL &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == len;
}

static void add_host_name(struct server_names *names, const char *host)
{
    char label[256];
    size_t len = strcspn(host, ".");
    if (len >= sizeof label - sizeof ".local") {
        return;
    }
    memcpy(label, host, len);
    label[len] = '\0';
    if (!is_dns_name(label)) {
        return;
    }
    if (host[len] == '.' && is_dns_name(host)) {
        add(names, host);
    }
    add(names, label);
    snprintf(label + len, sizeof label - len, ".local");
    add(names, label);
}

/* "host", "host:port", "[address]:port" or a bare IPv6 address, without the port. */
static void host_of(const char *endpoint, char out[256])
{
    bool bracket = endpoint[0] == '[';
    const char *colon = strchr(endpoint, ':');
    bool bare6 = !bracket && colon != NULL && strchr(colon + 1, ':') != NULL;
    size_t len = bracket ? strcspn(++endpoint, "]")
                 : bare6 ? strlen(endpoint)
                         : strcspn(endpoint, ":");
    len = len < 255 ? len : 255;
    memcpy(out, endpoint, len);
    out[len] = '\0';
}

static bool is_any(const char *listen)
{
    return strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;
}

void server_names_of(struct server_names *names,
                     const char *listen,
                     const char *endpoint,
                     const char *host_name,
                     const struct ifaddrs *interfaces)
{
    char host[256];
    memset(names, 0, sizeof *names);
    names->best = add(names, "localhost");
    add(names, "127.0.0.1");
    add(names, "::1");
    add(names, "elo-desk"); /* for devices that reach the desk by address: TLS wants a name */
    if (listen != NULL && !is_any(listen)) {
        names->best = add(names, listen);
    }
    if (endpoint != NULL) { /* what the user has said is in before what the machine says */
        host_of(endpoint, host);
        const char *named = add(names, host);
        names->best = named != NULL ? named : names->best;
    }
    if (listen == NULL) {
        return;
    }
    add_host_name(names, host_name);
    const char *address = add_interfaces(names, interfaces);
    if (endpoint == NULL && is_any(listen) && address != NULL) {
        names->best = address;
    }
}

void server_names_find(struct server_names *names, const char *listen, const char *endpoint)
{
    char host[256] = "";
    struct ifaddrs *interfaces = NULL;
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    if (getifaddrs(&interfaces) != 0) {
        interfaces = NULL;
    }
    server_names_of(names, listen, endpoint, host, interfaces);
    freeifaddrs(interfaces);
}
