// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The captive portal on the PC, for a browser: the handler of lib/ behind a socket on 127.0.0.1.
 *
 *     portal_server [PORT [KIND [FAILURE]]]      prints the port it listens on
 *
 * KIND and FAILURE as tests/support/setup_world.h has them. Each byte on its stdin is an order: "h"
 * holds the world still, as long as somebody wants to look at it; "s" lets it go one stage on; "g"
 * lets it go. Ends when its stdin ends.
 */
#include "elo/setup/portal.h"
#include "tests/support/setup_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 8 };

struct peer {
    int fd; /* 0: none */
    struct elo_portal_conn conn;
    uint8_t out[100];
    size_t len, at;
};

static struct setup_world world;
static uint32_t world_ms; /* its clock */
static bool held;
static struct elo_portal portal;
static struct peer peers[PEERS];

static uint32_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof a;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        perror("portal_server");
        exit(1);
    }
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void take(int listener, uint32_t now)
{
    for (size_t i = 0; i < PEERS; i++) {
        if (peers[i].fd == 0) {
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd > 0) {
                memset(&peers[i], 0, sizeof peers[i]);
                peers[i].fd = fd;
                elo_portal_open(&peers[i].conn, &portal, now);
            }
            return;
        }
    }
}

static void drop(struct peer *p)
{
    elo_portal_close(&p->conn);
    close(p->fd);
    p->fd = 0;
}

static void hear(struct peer *p, uint32_t now)
{
    uint8_t in[64]; /* as a small board would */
    ssize_t n = recv(p->fd, in, sizeof in, 0);
    if (n > 0) {
        (void)elo_portal_input(&p->conn, elo_span_of(in, (size_t)n), now);
    } else if (n == 0 || errno != EAGAIN) {
        drop(p);
    }
}

static void speak(struct peer *p)
{
    if (p->at == p->len) {
        p->at = 0;
        p->len = elo_portal_output(&p->conn, p->out, sizeof p->out);
    }
    if (p->at < p->len) {
        ssize_t n = send(p->fd, p->out + p->at, p->len - p->at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            drop(p);
        }
        p->at += n > 0 ? (size_t)n : 0;
    } else if (elo_portal_finished(&p->conn)) {
        shutdown(p->fd, SHUT_WR);
        drop(p);
    }
}

static void obey(char order)
{
    held = order != 'g';
    world_ms += order == 's' ? world.step_ms : 0;
}

static void serve(int listener)
{
    static uint32_t before;
    struct pollfd polls[PEERS + 2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                      {.fd = listener, .events = POLLIN}};
    for (size_t i = 0; i < PEERS; i++) {
        bool busy = peers[i].fd > 0 && peers[i].conn._internal.phase != 0; /* has an answer */
        polls[i + 2] = (struct pollfd){.fd = peers[i].fd > 0 ? peers[i].fd : -1,
                                       .events = (short)(POLLIN | (busy ? POLLOUT : 0))};
    }
    poll(polls, PEERS + 2, 20);
    uint32_t now = clock_ms();
    char order;
    if (polls[0].revents != 0) {
        if (read(STDIN_FILENO, &order, 1) <= 0) {
            exit(0);
        }
        obey(order);
    }
    if (polls[1].revents != 0) {
        take(listener, now);
    }
    for (size_t i = 0; i < PEERS; i++) {
        if (peers[i].fd > 0 && (polls[i + 2].revents & POLLIN) != 0) {
            hear(&peers[i], now);
        }
        if (peers[i].fd > 0) {
            elo_portal_tick(&peers[i].conn, now);
            speak(&peers[i]);
        }
    }
    world_ms += held || before == 0 ? 0 : now - before;
    before = now;
    setup_world_step(&world, world_ms);
}

int main(int argc, char **argv)
{
    static const uint8_t address[4] = {127, 0, 0, 1};
    uint8_t random[16];
    elo_err failure = argc > 3 ? (elo_err)atol(argv[3]) : ELO_OK;
    FILE *f = fopen("/dev/urandom", "rb");
    if (f == NULL || fread(random, 1, sizeof random, f) != sizeof random) {
        return 1;
    }
    fclose(f);
    setup_world_init(&world, failure, elo_span_of("\x30\x00", 2));
    world.network_kind = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    elo_portal_init(&portal, &world.setup, address, random);
    int listener = listen_on(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0);
    for (;;) {
        serve(listener);
    }
}
