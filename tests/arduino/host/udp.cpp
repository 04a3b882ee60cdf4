// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * lwIP's raw UDP calls: port 53 of the board's own network is a socket on loopback (FAKE_DNS); a
 * question to port 123 is answered by a time server that is played here.
 */
#include "fake.h"

#include <arpa/inet.h>
#include <lwip/udp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

static const uint32_t SINCE_1900 = 2208988800u; /* 1970, as NTP counts */

struct udp_pcb {
    int fd = -1;
    udp_recv_fn recv = nullptr;
    void *arg = nullptr;
    std::string answer; /* of a time server */
    ip_addr_t server = {0};
    udp_pcb *next = nullptr;
};

static udp_pcb *all;

struct udp_pcb *udp_new(void)
{
    udp_pcb *pcb = new udp_pcb;
    pcb->next = all;
    all = pcb;
    return pcb;
}

void udp_remove(struct udp_pcb *pcb)
{
    udp_pcb **at = &all;
    while (*at != pcb) {
        at = &(*at)->next;
    }
    *at = pcb->next;
    if (pcb->fd >= 0) {
        close(pcb->fd);
    }
    delete pcb;
}

void udp_recv(struct udp_pcb *pcb, udp_recv_fn recv, void *arg)
{
    pcb->recv = recv;
    pcb->arg = arg;
}

err_t udp_bind(struct udp_pcb *pcb, const ip_addr_t *, u16_t port)
{
    const char *mapped = fake_env("FAKE_DNS");
    struct sockaddr_in a = {};
    if (port != 53 || mapped == nullptr) {
        return ERR_OK;
    }
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)atoi(mapped));
    pcb->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(pcb->fd, (struct sockaddr *)&a, sizeof a) != 0) {
        return ERR_MEM;
    }
    fake_say("names answered\n");
    return ERR_OK;
}

/* RFC 4330: what a server says to `question`. */
static std::string time_answer(const char *question, uint32_t unix_s)
{
    char a[48] = {};
    uint32_t now = htonl(unix_s + SINCE_1900);
    a[0] = 0x24;                      /* version 4, a server */
    a[1] = 2;                         /* stratum */
    memcpy(a + 24, question + 40, 8); /* originate: what the question had as its transmit time */
    memcpy(a + 32, &now, 4);          /* received */
    memcpy(a + 40, &now, 4);          /* sent */
    return std::string(a, sizeof a);
}

err_t udp_sendto(struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *to, u16_t port)
{
    int64_t unix_s;
    if (port == 123) {
        if (p->len >= 48 && fake_time(&unix_s)) {
            pcb->answer = time_answer((const char *)p->payload, (uint32_t)unix_s);
            pcb->server = *to;
        }
        return ERR_OK;
    }
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = to->addr;
    a.sin_port = htons(port);
    sendto(pcb->fd, p->payload, p->len, 0, (struct sockaddr *)&a, sizeof a);
    return ERR_OK;
}

static bool hear(udp_pcb *pcb)
{
    char bytes[1500];
    struct sockaddr_in a = {};
    socklen_t len = sizeof a;
    if (!pcb->answer.empty()) {
        std::string answer;
        answer.swap(pcb->answer);
        pcb->recv(pcb->arg, pcb, fake_pbuf(answer.data(), answer.size()), &pcb->server, 123);
        return true;
    }
    ssize_t n =
        pcb->fd < 0 ? -1 : recvfrom(pcb->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&a, &len);
    if (n < 0) {
        return false;
    }
    ip_addr_t from = {a.sin_addr.s_addr};
    pcb->recv(pcb->arg, pcb, fake_pbuf(bytes, (size_t)n), &from, ntohs(a.sin_port));
    return true;
}

bool fake_udp_turn()
{
    for (udp_pcb *pcb = all; pcb != nullptr; pcb = pcb->next) {
        if (hear(pcb)) {
            return true; /* it may have removed itself */
        }
    }
    return false;
}
