// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The second stack. A sketch has 4,096 bytes; a step of a TLS handshake needs more than 5,000. The
 * core keeps a stack of 6,200 bytes for its own BearSSL (StackThunk.h), made when it is first asked
 * for. The calls below run on it, and on nothing else: whatever a sketch does in its callbacks
 * stays on the sketch's own.
 *
 * BearSSL as the core builds it yields in the middle of its longest computations, also from there:
 * Wi-Fi and the watchdog go on.
 *
 * Life cycle: elo_esp8266_stack_begin once, then the calls. Memory: the stack is on the heap, taken
 * once and kept, and shared with the core's own secure clients. Not from callbacks that BearSSL
 * calls: one call at a time may be on that stack.
 */
#ifndef ELO_PORT_ESP8266_STACK_H
#define ELO_PORT_ESP8266_STACK_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/link/link.h"
#include "elo/station/provision.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What elo_tls_identity_init takes, in one piece. */
struct elo_esp8266_identity {
    struct elo_tls_identity *identity;
    elo_span certificate;
    elo_span key;
    void *mem;
    size_t mem_cap;
    struct elo_tls_work *work;
};

/* ELO_E_NO_MEMORY: the heap has no 6,200 bytes in one piece. Any number of times. */
ELO_MUST_USE elo_err elo_esp8266_stack_begin(void);

/* The most that was ever in use, bytes; 0 where it is not known. */
uint32_t elo_esp8266_stack_used(void);

/* As the functions they are named after. */
bool elo_esp8266_link_step(struct elo_link *link, uint32_t now_ms);
ELO_MUST_USE elo_err elo_esp8266_provision_init(struct elo_provision *p,
                                                const struct elo_provision_config *config,
                                                uint32_t now_ms);
bool elo_esp8266_provision_step(struct elo_provision *p, uint32_t now_ms);
ELO_MUST_USE elo_err elo_esp8266_identity_init(const struct elo_esp8266_identity *args);
ELO_MUST_USE elo_err elo_esp8266_anchors_add(struct elo_tls_anchors *anchors,
                                             const elo_span *certificates,
                                             struct elo_tls_work *work);

#ifdef __cplusplus
}
#endif

#endif
#endif
