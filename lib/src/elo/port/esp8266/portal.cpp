// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: lwIP calls back; a peer's callbacks have its place as their argument. lwIP frees
 * a connection by itself when it reports an error, and only then: `pcb` is NULL after that, and a
 * number that it had is free once the portal has looked.
 */
#include "elo/port/esp8266/portal.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <Arduino.h>
#include <lwip/ip.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <string.h>

enum { HTTP_PORT = 80, DNS_PORT = 53 };

static const uint32_t LEAVE_MS = 3000;

static struct elo_esp8266_portal *self(void *ctx)
{
    return (struct elo_esp8266_portal *)ctx;
}

/* --- peers ---------------------------------------------------------------------------------------
 */

/* What was written is still sent. The result is for lwIP, which must know if the connection it is
 * calling back about is no more. */
static err_t let_go(struct elo_esp8266_peer *peer)
{
    struct tcp_pcb *pcb = peer->pcb;
    elo_esp8266_received_drop(&peer->in, pcb);
    memset(peer, 0, sizeof *peer);
    if (pcb == NULL) {
        return ERR_OK;
    }
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    if (tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *in, err_t err)
{
    struct elo_esp8266_peer *peer = (struct elo_esp8266_peer *)arg;
    (void)err;
    if (in == NULL) { /* it sends no more; an answer it may still want */
        bool silent = peer->conn == 0 && peer->in.first == NULL;
        return silent || peer->leaving ? let_go(peer) : (err_t)ERR_OK;
    }
    elo_esp8266_received_add(&peer->in, in);
    if (peer->leaving) {
        elo_esp8266_received_drop(&peer->in, pcb);
    }
    return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    struct elo_esp8266_peer *peer = (struct elo_esp8266_peer *)arg;
    (void)err;
    peer->pcb = NULL;
    if (peer->conn == 0) {
        let_go(peer);
    }
}

static bool is_free(const struct elo_esp8266_peer *peer)
{
    return peer->pcb == NULL && peer->conn == 0;
}

/* A free place, else that of one who was hung up or has said nothing; NULL: all are busy. */
static struct elo_esp8266_peer *place(struct elo_esp8266_portal *p)
{
    struct elo_esp8266_peer *idle = NULL;
    for (unsigned i = 0; i < ELO_ESP8266_PORTAL_PEERS; i++) {
        struct elo_esp8266_peer *peer = &p->_internal.peers[i];
        if (is_free(peer)) {
            return peer;
        }
        if (peer->conn == 0 && peer->in.first == NULL && (idle == NULL || peer->leaving)) {
            idle = peer;
        }
    }
    if (idle != NULL) {
        let_go(idle);
    }
    return idle;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct elo_esp8266_peer *peer = err == ERR_OK && pcb != NULL ? place(self(arg)) : NULL;
    if (peer == NULL) {
        if (pcb != NULL) {
            tcp_abort(pcb);
        }
        return ERR_ABRT;
    }
    memset(peer, 0, sizeof *peer);
    peer->pcb = pcb;
    tcp_arg(pcb, peer);
    tcp_recv(pcb, on_received);
    tcp_err(pcb, on_error);
    return ERR_OK;
}

/* --- names ---------------------------------------------------------------------------------------
 */

static void
on_query(void *arg, struct udp_pcb *pcb, struct pbuf *query, const ip_addr_t *from, u16_t port)
{
    struct elo_esp8266_portal *p = self(arg);
    (void)pcb;
    if (p->_internal.query != NULL) {
        pbuf_free(query); /* it will ask again */
        return;
    }
    p->_internal.query = query;
    ip_addr_copy(p->_internal.asker, *from);
    p->_internal.asker_port = port;
}

elo_err elo_esp8266_dns_read(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo_esp8266_portal *p = self(ctx);
    struct pbuf *query = p->_internal.query;
    if (query == NULL) {
        return ELO_NEED_MORE;
    }
    *out_len = pbuf_copy_partial(query, out, (u16_t)cap, 0); /* cut, it is no query any more */
    pbuf_free(query);
    p->_internal.query = NULL;
    return ELO_OK;
}

void elo_esp8266_dns_write(void *ctx, elo_span bytes)
{
    struct elo_esp8266_portal *p = self(ctx);
    struct pbuf *answer = pbuf_alloc(PBUF_TRANSPORT, (u16_t)bytes.len, PBUF_RAM);
    if (answer == NULL) {
        return;
    }
    if (p->_internal.names != NULL && pbuf_take(answer, bytes.ptr, (u16_t)bytes.len) == ERR_OK) {
        udp_sendto(p->_internal.names, answer, &p->_internal.asker, p->_internal.asker_port);
    }
    pbuf_free(answer);
}

/* --- opening and closing -------------------------------------------------------------------------
 */

static elo_err listen(struct elo_esp8266_portal *p, const ip_addr_t *address)
{
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL) {
        return ELO_E_NO_MEMORY;
    }
    ip_set_option(pcb, SOF_REUSEADDR); /* visitors of before may still be in TIME_WAIT */
    if (tcp_bind(pcb, address, HTTP_PORT) != ERR_OK) {
        tcp_close(pcb);
        return ELO_E_IO;
    }
    p->_internal.listener = tcp_listen_with_backlog(pcb, ELO_ESP8266_PORTAL_PEERS);
    if (p->_internal.listener == NULL) {
        tcp_close(pcb);
        return ELO_E_NO_MEMORY;
    }
    tcp_arg(p->_internal.listener, p);
    tcp_accept(p->_internal.listener, on_accept);
    return ELO_OK;
}

static elo_err serve_names(struct elo_esp8266_portal *p, const ip_addr_t *address)
{
    p->_internal.names = udp_new();
    if (p->_internal.names == NULL) {
        return ELO_E_NO_MEMORY;
    }
    udp_recv(p->_internal.names, on_query, p);
    return udp_bind(p->_internal.names, address, DNS_PORT) == ERR_OK ? ELO_OK : ELO_E_IO;
}

elo_err elo_esp8266_portal_open(struct elo_esp8266_portal *p, const uint8_t address[4])
{
    ip_addr_t at;
    if (p->_internal.listener != NULL) {
        return ELO_OK;
    }
    IP_ADDR4(&at, address[0], address[1], address[2], address[3]);
    elo_err err = listen(p, &at);
    if (err == ELO_OK) {
        err = serve_names(p, &at);
    }
    if (err != ELO_OK) {
        elo_esp8266_portal_close(p);
    }
    return err;
}

void elo_esp8266_portal_close(struct elo_esp8266_portal *p)
{
    if (p->_internal.listener != NULL) {
        tcp_close(p->_internal.listener);
    }
    if (p->_internal.names != NULL) {
        udp_remove(p->_internal.names);
    }
    if (p->_internal.query != NULL) {
        pbuf_free(p->_internal.query);
    }
    for (unsigned i = 0; i < ELO_ESP8266_PORTAL_PEERS; i++) {
        let_go(&p->_internal.peers[i]);
    }
    memset(p, 0, sizeof *p);
}

/* --- the portal's bytes --------------------------------------------------------------------------
 */

static struct elo_esp8266_peer *find(struct elo_esp8266_portal *p, unsigned conn)
{
    for (unsigned i = 0; i < ELO_ESP8266_PORTAL_PEERS; i++) {
        if (p->_internal.peers[i].conn == conn + 1) {
            return &p->_internal.peers[i];
        }
    }
    return NULL;
}

/* Who was hung up and does not close is closed. */
static void sweep(struct elo_esp8266_portal *p)
{
    for (unsigned i = 0; i < ELO_ESP8266_PORTAL_PEERS; i++) {
        struct elo_esp8266_peer *peer = &p->_internal.peers[i];
        if (peer->leaving && (uint32_t)millis() - peer->left_ms >= LEAVE_MS) {
            let_go(peer);
        }
    }
}

/* One that has said something gets the number. */
static struct elo_esp8266_peer *admit(struct elo_esp8266_portal *p, unsigned conn)
{
    for (unsigned i = 0; i < ELO_ESP8266_PORTAL_PEERS; i++) {
        struct elo_esp8266_peer *peer = &p->_internal.peers[i];
        if (peer->conn == 0 && peer->in.first != NULL && !peer->leaving) {
            peer->conn = (uint8_t)(conn + 1);
            return peer;
        }
    }
    return NULL;
}

elo_err elo_esp8266_portal_read(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo_esp8266_portal *p = self(ctx);
    struct elo_esp8266_peer *peer = find(p, conn);
    sweep(p);
    if (peer == NULL) {
        peer = admit(p, conn);
    }
    if (peer == NULL) {
        return ELO_END;
    }
    *out_len = elo_esp8266_received_take(&peer->in, peer->pcb, out, cap);
    if (*out_len > 0) {
        return ELO_OK;
    }
    if (peer->pcb == NULL) {
        let_go(peer);
        return ELO_END;
    }
    return ELO_NEED_MORE;
}

size_t elo_esp8266_portal_room(void *ctx, unsigned conn)
{
    const struct elo_esp8266_peer *peer = find(self(ctx), conn);
    if (peer == NULL || peer->pcb == NULL || tcp_sndqueuelen(peer->pcb) + 2 > TCP_SND_QUEUELEN) {
        return 0;
    }
    return tcp_sndbuf(peer->pcb);
}

void elo_esp8266_portal_write(void *ctx, unsigned conn, elo_span bytes)
{
    struct elo_esp8266_peer *peer = find(self(ctx), conn);
    if (peer == NULL || peer->pcb == NULL) {
        return;
    }
    struct tcp_pcb *pcb = peer->pcb;
    if (tcp_write(pcb, bytes.ptr, (u16_t)bytes.len, TCP_WRITE_FLAG_COPY) != ERR_OK) {
        tcp_arg(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_abort(pcb); /* better no page than one with a hole; no heap, it may come again */
        peer->pcb = NULL;
        return;
    }
    tcp_output(pcb);
}

void elo_esp8266_portal_hang_up(void *ctx, unsigned conn)
{
    struct elo_esp8266_peer *peer = find(self(ctx), conn);
    if (peer == NULL) {
        return;
    }
    if (peer->pcb == NULL || tcp_shutdown(peer->pcb, 0, 1) != ERR_OK) {
        let_go(peer);
        return;
    }
    elo_esp8266_received_drop(&peer->in, peer->pcb);
    peer->conn = 0;
    peer->leaving = true;
    peer->left_ms = millis();
}

#endif
