// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_NETIF_DECLARED_H
#define LWIP_NETIF_DECLARED_H

#include "lwip/ip_addr.h"

struct netif {
    ip4_addr_t ip_addr;
    u8_t flags;
};
#define netif_is_up(n)    ((n)->flags & 1)
#define netif_ip4_addr(n) (&(n)->ip_addr)

#ifdef __cplusplus
extern "C" {
#endif
extern struct netif *netif_default;
#ifdef __cplusplus
}
#endif

#endif
