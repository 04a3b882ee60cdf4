// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_IP_ADDR_DECLARED_H
#define LWIP_IP_ADDR_DECLARED_H

#include "lwip/err.h"

typedef struct ip4_addr {
    u32_t addr; /* in network order */
} ip4_addr_t;
typedef ip4_addr_t ip_addr_t;

#define ip4_addr_isany(a)   ((a)->addr == 0)
#define ip_addr_isany(a)    ((a)->addr == 0)
#define ip_addr_set_zero(a) ((a)->addr = 0)
#define ip_addr_cmp(a, b)   ((a)->addr == (b)->addr)
#define IP_ADDR4(p, a, b, c, d)                                                                    \
    ((p)->addr = (u32_t)(d) << 24 | (u32_t)(c) << 16 | (u32_t)(b) << 8 | (u32_t)(a))
#define IP_ADDR_ANY            ((const ip_addr_t *)0)
#define ip_addr_copy(to, from) ((to).addr = (from).addr)

#ifdef __cplusplus
extern "C"
#endif
    char *
    ipaddr_ntoa_r(const ip_addr_t *addr, char *out, int cap);

#endif
