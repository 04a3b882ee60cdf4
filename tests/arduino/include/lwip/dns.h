// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_DNS_DECLARED_H
#define LWIP_DNS_DECLARED_H

#include "lwip/ip_addr.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*dns_found_callback)(const char *name, const ip_addr_t *address, void *arg);

err_t dns_gethostbyname(const char *name, ip_addr_t *address, dns_found_callback found, void *arg);

#ifdef __cplusplus
}
#endif

#endif
