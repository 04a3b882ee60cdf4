// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The portal's sockets on a PC: what struct elo_board (board.h) wants of an access point, TCP for
 * the page and UDP for names, on 127.0.0.1 and on ports of the kernel's choice. For a player with
 * one loop:
 *
 *     portal_sockets_open(&s)               it listens on s.port and s.dns_port
 *     portal_sockets_polls(&s, polls)       what to wait for, PORTAL_POLLS of them
 *     portal_sockets_turn(&s, now_ms)       after each wait: who has come, who has gone
 *     portal_sockets_shut(&s)               as when the power goes: everybody is cut off
 *
 * in between the board's own calls, each as board.h has it. A number is free for another visitor
 * once its last one has been reported gone, or was ended and has taken what was written.
 */
#ifndef TESTS_SUPPORT_PORTAL_SOCKETS_H
#define TESTS_SUPPORT_PORTAL_SOCKETS_H

#include "elo/base/err.h"
#include "elo/base/span.h"

#include <netinet/in.h>
#include <poll.h>

enum { PORTAL_CONNS = 4, PORTAL_POLLS = PORTAL_CONNS + 2 };

enum portal_peer_state {
    PORTAL_PEER_NONE,
    PORTAL_PEER_HERE,
    PORTAL_PEER_ENDED, /* it is sent the rest; what it still says is thrown away */
    PORTAL_PEER_TOLD   /* and has been sent it: it is to close */
};

struct portal_peer {
    int fd;
    enum portal_peer_state state;
    uint32_t ended_ms;
    bool stamped; /* ended_ms is set */
    uint8_t out[512];
    size_t out_len;
};

struct portal_sockets {
    bool is_open;
    int listener, dns;
    uint16_t port, dns_port;
    struct portal_peer peers[PORTAL_CONNS];
    struct sockaddr_in asker; /* of the last name */
};

/* Harmless when it is open, or shut. Opening ends the program if there is no socket to be had. */
void portal_sockets_open(struct portal_sockets *s);
void portal_sockets_shut(struct portal_sockets *s);

void portal_sockets_polls(const struct portal_sockets *s, struct pollfd polls[PORTAL_POLLS]);
void portal_sockets_turn(struct portal_sockets *s, uint32_t now_ms);

elo_err portal_sockets_read(
    struct portal_sockets *s, unsigned conn, uint8_t *out, size_t cap, size_t *out_len);
size_t portal_sockets_room(const struct portal_sockets *s, unsigned conn);
void portal_sockets_write(struct portal_sockets *s, unsigned conn, elo_span bytes);
void portal_sockets_end(struct portal_sockets *s, unsigned conn);

elo_err
portal_sockets_dns_read(struct portal_sockets *s, uint8_t *out, size_t cap, size_t *out_len);
void portal_sockets_dns_write(const struct portal_sockets *s, elo_span bytes);

#endif
