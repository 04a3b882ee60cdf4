// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One outgoing stream of bytes, as link.h wants it from a machine: lwIP on the ESP8266, sockets on
 * a PC, the loopback of an emulated board, a simulated network in a test.
 *
 * Nothing here may wait. What has to wait says so (ELO_NEED_MORE, ELO_NEED_ROOM) and is called
 * again. A name look-up belongs to `open` and `step`.
 *
 * Life cycle: open, then step until ELO_OK, then send and recv in any order, finish, close; after
 * close, and after an open that failed, open again. One connection at a time.
 */
#ifndef ELO_LINK_NET_H
#define ELO_LINK_NET_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for "[2001:db8:1:2:3:4:5:6]:65535", or for most names. */
#define ELO_NET_ADDRESS_MAX 64

struct elo_net {
    void *ctx;

    /* Looks up `host` and begins to connect. ELO_OK: connected; ELO_NEED_MORE: under way; else
     * failed: ELO_E_DNS, ELO_E_NETWORK, ELO_E_TCP_REFUSED, ELO_E_IO ... */
    elo_err (*open)(void *ctx, const char *host, uint16_t port);

    /* How is it going? Answers as `open`. */
    elo_err (*step)(void *ctx);

    /* Time is up for this address. The next one is tried and the answer is as of `open`; with none
     * left ELO_E_TCP_TIMEOUT, or a more telling reason of an earlier one. */
    elo_err (*give_up)(void *ctx);

    /* Sends what fits of `bytes`, which is not empty: ELO_OK and `*out_len` > 0; ELO_NEED_ROOM when
     * nothing fits now; else failed: ELO_E_TCP_CLOSED when the peer is gone. */
    elo_err (*send)(void *ctx, elo_span bytes, size_t *out_len);

    /* Receives what is there, `cap` > 0: ELO_OK and `*out_len` > 0; ELO_NEED_MORE when nothing is
     * there now; ELO_END at the end of the stream; else failed. */
    elo_err (*recv)(void *ctx, uint8_t *out, size_t cap, size_t *out_len);

    /* Tells the peer that no more will be sent; receiving goes on. */
    void (*finish)(void *ctx);

    /* Closes and forgets, harmless when there is nothing. */
    void (*close)(void *ctx);

    /* For diagnosis: the machine's own number for the last failure (errno, lwIP's err_t), 0 if
     * none; and into `out`, NUL-terminated, the address tried or connected to, "" if none. */
    int (*error)(void *ctx);
    void (*address)(void *ctx, char *out, size_t cap);
};

#ifdef __cplusplus
}
#endif

#endif
