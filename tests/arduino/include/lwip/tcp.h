// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_TCP_DECLARED_H
#define LWIP_TCP_DECLARED_H

#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

struct tcp_pcb;

#define TCP_WRITE_FLAG_COPY 1
#define TCP_SND_QUEUELEN    9

typedef err_t (*tcp_connected_fn)(void *arg, struct tcp_pcb *pcb, err_t err);
typedef err_t (*tcp_recv_fn)(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
typedef err_t (*tcp_accept_fn)(void *arg, struct tcp_pcb *pcb, err_t err);
typedef void (*tcp_err_fn)(void *arg, err_t err);

struct tcp_pcb *tcp_new(void);
void tcp_arg(struct tcp_pcb *pcb, void *arg);
void tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn recv);
void tcp_err(struct tcp_pcb *pcb, tcp_err_fn err);
err_t tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port, tcp_connected_fn connected);
err_t tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t flags);
err_t tcp_output(struct tcp_pcb *pcb);
err_t tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *address, u16_t port);
struct tcp_pcb *tcp_listen_with_backlog(struct tcp_pcb *pcb, u8_t backlog);
void tcp_accept(struct tcp_pcb *pcb, tcp_accept_fn accept);
u16_t tcp_sndqueuelen(const struct tcp_pcb *pcb);
u16_t tcp_sndbuf(const struct tcp_pcb *pcb);
void tcp_nagle_disable(struct tcp_pcb *pcb);
void tcp_recved(struct tcp_pcb *pcb, u16_t len);
err_t tcp_shutdown(struct tcp_pcb *pcb, int rx, int tx);
err_t tcp_close(struct tcp_pcb *pcb);
void tcp_abort(struct tcp_pcb *pcb);

#ifdef __cplusplus
}
#endif

#endif
