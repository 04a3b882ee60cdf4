// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Questions to time servers over lwIP's raw API: what elo/time/clock.h wants asked, as the time_
 * members of struct elo_board (station/board.h); `ctx` is the struct elo_esp8266_sntp. Nothing
 * waits, not for a name either. An answer from anyone but the server that was asked is dropped.
 *
 * Life cycle: memory that is all zero, with `servers` set. It must stay in place for as long as the
 * sketch runs: lwIP cannot take back a name look-up. To be called from setup() and loop() only.
 */
#ifndef ELO_PORT_ESP8266_SNTP_H
#define ELO_PORT_ESP8266_SNTP_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/base/err.h"
#include "elo/base/span.h"

#include <lwip/ip_addr.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pbuf;
struct udp_pcb;

struct elo_esp8266_sntp {
    const char *const *servers; /* by their numbers; names in RAM */
    struct {
        struct udp_pcb *pcb; /* of the question that is on its way */
        struct pbuf *answer; /* not yet read */
        const char *name;    /* looked for, or found; NULL: none */
        ip_addr_t address;   /* all zero: not found yet */
        bool failed;
    } _internal;
};

elo_err elo_esp8266_time_resolve(void *ctx, uint8_t server);
elo_err elo_esp8266_time_send(void *ctx, elo_span datagram);
elo_err elo_esp8266_time_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len);
void elo_esp8266_time_close(void *ctx);

#ifdef __cplusplus
}
#endif

#endif
#endif
