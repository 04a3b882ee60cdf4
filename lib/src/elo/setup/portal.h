// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The captive portal: the page on which a person gives a board its Wi-Fi and its bundle.
 *
 * Purpose
 *   A page handler without sockets. The owner runs a password-protected access point, a name server
 *   (dns.h) and a listener on port 80; for each connection he moves bytes:
 *
 *     elo_portal_open(&c, &portal, now);
 *     bytes came:          n = elo_portal_input(&c, bytes, now);
 *     room to send:        n = elo_portal_output(&c, buf, sizeof buf);   0: nothing to say now
 *     from time to time:   elo_portal_tick(&c, now);
 *     elo_portal_finished(&c) and everything sent, or the peer has gone:
 *                          elo_portal_close(&c); and close the socket. A refusal may be given
 *                          out before the request is over: go on reading (it is thrown away) until
 *                          it is sent, or the peer gets a reset instead of it
 *
 *   What a person asks for comes out as wishes of the shared engine: see setup.h.
 *
 * Pages
 *   GET /            the page, in English or Portuguese (Accept-Language); works without scripts
 *   GET /status      {"state","text","scanning"}: what the page asks once a second
 *   POST /try        the form: test it, then save it, then restart
 *   POST /bundle     a bundle as text/plain; X-Elo-Token holds the page's token. Answers as /status
 *   POST /scan       listen for networks again
 *   any other Host   302 to the page: so phones find it (generate_204, hotspot-detect.html ...)
 *
 * Safety
 *   - A POST needs the token of this start, that only the page has; its Host must be the board.
 *   - Names of networks are a stranger's text: escaped, isolated, never markup.
 *   - The page loads nothing from elsewhere, its policy (CSP) forbids it, it cannot be framed.
 *   - Passphrases and keys go in and never come out.
 *   - A request that is not complete after ELO_PORTAL_PATIENCE_MS is answered 408; one whose answer
 *     is not taken in the same time again, cut. Bodies end at ELO_PORTAL_BODY_MAX.
 *   - One POST at a time changes the draft; a second gets 409.
 *
 * Memory: struct elo_portal, and a struct elo_portal_conn for each connection (some 650 bytes; two
 *   or three are enough). Pages are made piece by piece while they are sent. No other buffers.
 */
#ifndef ELO_SETUP_PORTAL_H
#define ELO_SETUP_PORTAL_H

#include "elo/setup/form.h"
#include "elo/setup/http.h"
#include "elo/setup/setup.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_PORTAL_BODY_MAX    16384u
#define ELO_PORTAL_PATIENCE_MS 15000u

struct elo_portal_conn;

struct elo_portal {
    struct elo_setup *setup;
    struct {
        char host[16]; /* "192.168.4.1" */
        char token[17], nonce[17];
        const struct elo_portal_conn *writer; /* whose POST changes the draft */
    } _internal;
};

/* `address`: the access point's. `random`: 16 bytes that nobody can guess, new at each start. */
void elo_portal_init(struct elo_portal *p,
                     struct elo_setup *setup,
                     const uint8_t address[4],
                     const uint8_t random[16]);

struct elo_portal_conn {
    struct elo_portal *portal;
    struct elo_http http;
    struct {
        struct elo__form form;
        uint32_t deadline;
        uint16_t status;
        uint8_t answer, phase, depth, row, role, pin, kind;
        bool trusted, bad_field, other_net, nets;
        uint8_t scratch_len, scratch_at;
        struct {
            elo_text text;
            uint16_t at;
            uint8_t loop;
        } stack[6];
        char scratch[208];
    } _internal;
};

void elo_portal_open(struct elo_portal_conn *c, struct elo_portal *p, uint32_t now);
void elo_portal_close(struct elo_portal_conn *c);

/* How many bytes were used: all, until there is an answer. */
size_t elo_portal_input(struct elo_portal_conn *c, elo_span bytes, uint32_t now);

/* More of the answer; how many bytes. */
size_t elo_portal_output(struct elo_portal_conn *c, uint8_t *buf, size_t cap);

/* The answer has been given out to its last byte. */
bool elo_portal_finished(const struct elo_portal_conn *c);

/* Ends the patience with a slow peer. `elo_portal_deadline`: when to call it at the latest. */
void elo_portal_tick(struct elo_portal_conn *c, uint32_t now);
uint32_t elo_portal_deadline(const struct elo_portal_conn *c);

#ifdef __cplusplus
}
#endif

#endif
