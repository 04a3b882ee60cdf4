// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The stream of link/net.h over lwIP's raw API, as the ESP8266 Arduino core has it: nothing here
 * waits, not even for a name. (The core's own WiFiClient waits in connect(), and sketches stand
 * still meanwhile.)
 *
 * Life cycle: memory that is all zero is a stream that is closed. elo_esp8266_net() gives the table
 * that link.h wants. It must stay in place for as long as the sketch runs: lwIP cannot take back a
 * name look-up, and answers one that nobody waits for any more.
 *
 * Memory: this struct. lwIP keeps what was sent and not yet acknowledged, and what was received and
 * not yet read, in buffers of its own, as for every connection.
 *
 * Reasons, beside those of link/net.h: ELO_E_NETWORK while there is no interface with an address,
 * ELO_E_NO_MEMORY when lwIP has none.
 *
 * To be called from setup() and loop() only, as all of Elo. lwIP calls back between two turns of
 * loop(), or when something yields; it finds and leaves the struct whole.
 */
#ifndef ELO_PORT_ESP8266_NET_H
#define ELO_PORT_ESP8266_NET_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/link/net.h"
#include "elo/port/esp8266/received.h"

#include <lwip/ip_addr.h>

#ifdef __cplusplus
extern "C" {
#endif

struct elo_esp8266_net {
    struct {
        struct tcp_pcb *pcb; /* NULL: none, or lwIP has freed it after an error */
        struct elo_esp8266_received in;
        const char *host; /* looked for, while it is looked for */
        ip_addr_t address;
        uint16_t port;
        uint8_t state;
        bool ended;   /* the peer sends no more */
        int8_t error; /* lwIP's last, 0 if none */
        elo_err reason;
    } _internal;
};

struct elo_net elo_esp8266_net(struct elo_esp8266_net *net);

#ifdef __cplusplus
}
#endif

#endif
#endif
