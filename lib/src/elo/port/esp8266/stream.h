// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A TLS connection without an MQTT client in it: what link.h pumps, for bytes of anyone's. Under
 * EloSecureClient.
 *
 * Life cycle: fill in `net` and `config`, elo_esp8266_stream_open, step until ELO_OK, then write,
 * read and step in any order, close. Every call runs its part of TLS on the second stack (stack.h:
 * elo_esp8266_stack_begin first) and waits for nothing.
 */
#ifndef ELO_PORT_ESP8266_STREAM_H
#define ELO_PORT_ESP8266_STREAM_H

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/link/net.h"
#include "elo/tls/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

struct elo_esp8266_stream {
    struct elo_net net;
    const struct elo_tls_config *config; /* all but `entropy`; until READY */
    struct {
        struct elo_tls tls;
        const char *host;
        uint8_t *bytes; /* of the call under way */
        size_t len;
        uint16_t port;
        uint8_t phase;
        elo_err reason;
    } _internal;
};

/* Begins. ELO_NEED_MORE: step on; else as elo_tls_init or net.open. */
ELO_MUST_USE elo_err elo_esp8266_stream_open(struct elo_esp8266_stream *s,
                                             const char *host,
                                             uint16_t port);

/* Moves bytes: at most one reception. ELO_NEED_MORE: the handshake goes on; ELO_OK: the connection
 * stands; ELO_END: it was closed by the other side; else why it failed. */
ELO_MUST_USE elo_err elo_esp8266_stream_step(struct elo_esp8266_stream *s);

/* Takes up to `len` bytes into one record: how many. 0: step first, or closed. */
size_t elo_esp8266_stream_write(struct elo_esp8266_stream *s, const uint8_t *bytes, size_t len);

/* How many bytes were received and not read. */
size_t elo_esp8266_stream_available(struct elo_esp8266_stream *s);

/* Copies up to `cap` of them; `take` false: leaves them there. */
size_t elo_esp8266_stream_read(struct elo_esp8266_stream *s, uint8_t *out, size_t cap, bool take);

/* Says close_notify if it can, and closes. */
void elo_esp8266_stream_close(struct elo_esp8266_stream *s);

/* Records are waiting for lwIP. */
bool elo_esp8266_stream_unsent(const struct elo_esp8266_stream *s);

#ifdef __cplusplus
}
#endif

#endif
#endif
