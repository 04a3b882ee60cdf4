// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What lwIP has received on a TCP connection and nobody has read yet: its own buffers, chained.
 * lwIP's window opens again as they are read, so a peer cannot send more than it allows. Memory
 * that is all zero is empty.
 */
#ifndef ELO_PORT_ESP8266_RECEIVED_H
#define ELO_PORT_ESP8266_RECEIVED_H

#if defined(ARDUINO) && defined(ESP8266)

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tcp_pcb;
struct pbuf;

struct elo_esp8266_received {
    struct pbuf *first;
    uint16_t at; /* bytes of the first buffer that were read */
};

/* Takes `more` over. */
void elo_esp8266_received_add(struct elo_esp8266_received *r, struct pbuf *more);

/* Up to `cap` bytes; how many. `pcb` NULL: lwIP has freed the connection. */
size_t elo_esp8266_received_take(struct elo_esp8266_received *r,
                                 struct tcp_pcb *pcb,
                                 uint8_t *out,
                                 size_t cap);

/* Reads all of it for nobody. A connection that is closed with something unread gets a reset. */
void elo_esp8266_received_drop(struct elo_esp8266_received *r, struct tcp_pcb *pcb);

#ifdef __cplusplus
}
#endif

#endif
#endif
