// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The set-up network's two servers over lwIP's raw API: port 80, whose bytes are the captive
 * portal's (setup/portal.h), and port 53, whose datagrams are setup/dns.h's. The calls are those of
 * struct elo_board (station/board.h); `ctx` is the struct elo_esp8266_portal.
 *
 * A browser opens connections that it may never use. So ELO_ESP8266_PORTAL_PEERS are accepted, and
 * one gets a number, of ELO_ESP8266_PORTAL_CONNS, when its first bytes have come. One that is too
 * many takes the place of one that says nothing, or is refused. One that is hung up is given what
 * was written, and some seconds to close in its turn: a page that was refused in the middle of what
 * it sent is to see the refusal, not a reset.
 *
 * Life cycle: memory that is all zero is closed. Open once there is an access point, close, any
 * number of times. Nothing waits. To be called from setup() and loop() only.
 *
 * Memory: this struct; lwIP has a control block for each peer (some 170 bytes, on the heap), and
 * buffers for what is on its way.
 */
#ifndef ELO_PORT_ESP8266_PORTAL_H
#define ELO_PORT_ESP8266_PORTAL_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "elo/port/esp8266/received.h"

#include <lwip/ip_addr.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_ESP8266_PORTAL_PEERS 6u
#define ELO_ESP8266_PORTAL_CONNS 2u

struct udp_pcb;

struct elo_esp8266_peer {
    struct tcp_pcb *pcb; /* NULL: the place is free, or lwIP has freed it */
    struct elo_esp8266_received in;
    uint32_t left_ms; /* when it was hung up */
    uint8_t conn;     /* its number and 1; 0: none yet, or none any more */
    bool leaving;     /* it is hung up */
};

struct elo_esp8266_portal {
    struct {
        struct tcp_pcb *listener; /* NULL: closed */
        struct udp_pcb *names;
        struct pbuf *query; /* not yet read */
        ip_addr_t asker;
        uint16_t asker_port;
        struct elo_esp8266_peer peers[ELO_ESP8266_PORTAL_PEERS];
    } _internal;
};

/* On this address only, the access point's. ELO_E_NO_MEMORY; ELO_E_IO: a port is taken. Harmless
 * when it is open. */
ELO_MUST_USE elo_err elo_esp8266_portal_open(struct elo_esp8266_portal *p,
                                             const uint8_t address[4]);
void elo_esp8266_portal_close(struct elo_esp8266_portal *p);

/* As the members of struct elo_board without "elo_esp8266_". */
elo_err
elo_esp8266_portal_read(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len);
size_t elo_esp8266_portal_room(void *ctx, unsigned conn);
void elo_esp8266_portal_write(void *ctx, unsigned conn, elo_span bytes);
void elo_esp8266_portal_hang_up(void *ctx, unsigned conn); /* portal_close */
elo_err elo_esp8266_dns_read(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
void elo_esp8266_dns_write(void *ctx, elo_span bytes);

#ifdef __cplusplus
}
#endif

#endif
#endif
