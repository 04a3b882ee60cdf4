// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_UDP_DECLARED_H
#define LWIP_UDP_DECLARED_H

#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct udp_pcb;

typedef void (*udp_recv_fn)(
    void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port);

struct udp_pcb *udp_new(void);
void udp_remove(struct udp_pcb *pcb);
err_t udp_bind(struct udp_pcb *pcb, const ip_addr_t *address, u16_t port);
void udp_recv(struct udp_pcb *pcb, udp_recv_fn recv, void *arg);
err_t udp_sendto(struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *to, u16_t port);

#ifdef __cplusplus
}
#endif

#endif
