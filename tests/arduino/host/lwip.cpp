// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * lwIP's raw TCP and DNS calls over the PC's sockets. Callbacks come from fake_network_turn() only,
 * as on the board they come between two turns of loop(). The send buffer is as small as lwIP's.
 */
#include "fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lwip/dns.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

static const int SEND_BUFFER = 2 * 536;
static const int PIECE = 536;

struct tcp_pcb {
    int fd = -1;
    void *arg = nullptr;
    tcp_recv_fn recv = nullptr;
    tcp_err_fn err = nullptr;
    tcp_connected_fn connected = nullptr;
    tcp_accept_fn accept = nullptr; /* it listens */
    bool reuse = false;
    bool hosted = false; /* in the board's own network, which is always there */
    bool connecting = false, ended = false, finishing = false;
    std::string out;
    tcp_pcb *next = nullptr;
};

static tcp_pcb *all;
static struct netif one = {{0}, 0};
extern "C" {
struct netif *netif_default = nullptr;
}

static struct {
    std::string name;
    dns_found_callback found;
    void *arg;
} looking;

void fake_network_up(bool up)
{
    one.flags = up ? 1 : 0;
    one.ip_addr.addr = up ? htonl(INADDR_LOOPBACK) : 0;
    netif_default = &one;
}

/* --- buffers -------------------------------------------------------------------------------------
 */

struct pbuf *fake_pbuf(const char *bytes, size_t len)
{
    pbuf *p = (pbuf *)calloc(1, sizeof *p + len);
    p->payload = p + 1;
    p->len = p->tot_len = (u16_t)len;
    p->ref = 1;
    memcpy(p->payload, bytes, len);
    return p;
}

struct pbuf *pbuf_alloc(pbuf_layer, u16_t len, pbuf_type)
{
    return fake_pbuf(std::string(len, '\0').data(), len);
}

err_t pbuf_take(struct pbuf *p, const void *data, u16_t len)
{
    memcpy(p->payload, data, len);
    return len <= p->len ? ERR_OK : ERR_MEM;
}

u16_t pbuf_copy_partial(const struct pbuf *p, void *out, u16_t len, u16_t offset)
{
    u16_t left = p->len > offset ? (u16_t)(p->len - offset) : (u16_t)0; /* never chained here */
    u16_t n = left < len ? left : len;
    memcpy(out, (const char *)p->payload + offset, n);
    return n;
}

void pbuf_cat(struct pbuf *head, struct pbuf *tail)
{
    pbuf *p = head;
    for (; p->next != nullptr; p = p->next) {
        p->tot_len = (u16_t)(p->tot_len + tail->tot_len);
    }
    p->tot_len = (u16_t)(p->tot_len + tail->tot_len);
    p->next = tail;
}

void pbuf_ref(struct pbuf *p)
{
    p->ref++;
}

u8_t pbuf_free(struct pbuf *p)
{
    u8_t freed = 0;
    while (p != nullptr && --p->ref == 0) {
        pbuf *next = p->next;
        free(p);
        p = next;
        freed++;
    }
    return freed;
}

/* --- connections ---------------------------------------------------------------------------------
 */

struct tcp_pcb *tcp_new(void)
{
    tcp_pcb *pcb = new tcp_pcb;
    pcb->next = all;
    all = pcb;
    return pcb;
}

static void forget(tcp_pcb *pcb)
{
    tcp_pcb **at = &all;
    while (*at != pcb) {
        at = &(*at)->next;
    }
    *at = pcb->next;
    if (pcb->fd >= 0) {
        close(pcb->fd);
    }
    delete pcb;
}

void tcp_arg(struct tcp_pcb *pcb, void *arg)
{
    pcb->arg = arg;
}

void tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn recv)
{
    pcb->recv = recv;
}

void tcp_err(struct tcp_pcb *pcb, tcp_err_fn err)
{
    pcb->err = err;
}

void tcp_nagle_disable(struct tcp_pcb *)
{
}

void tcp_recved(struct tcp_pcb *, u16_t)
{
}

err_t tcp_connect(struct tcp_pcb *pcb, const ip_addr_t *to, u16_t port, tcp_connected_fn connected)
{
    struct sockaddr_in a = {};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = to->addr;
    a.sin_port = htons(port);
    pcb->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    pcb->connected = connected;
    pcb->connecting = true;
    if (connect(pcb->fd, (struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS) {
        return ERR_RTE;
    }
    return ERR_OK;
}

void ip_set_option(struct tcp_pcb *pcb, int option)
{
    pcb->reuse = option == SOF_REUSEADDR;
}

/* In the board's own network: its port 80 is FAKE_HTTP on loopback. */
err_t tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *, u16_t port)
{
    const char *mapped = fake_env("FAKE_HTTP");
    struct sockaddr_in a = {};
    int reuse = pcb->reuse;
    if (port != 80 || mapped == nullptr) {
        return ERR_OK; /* nobody will come */
    }
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)atoi(mapped));
    pcb->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(pcb->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    return bind(pcb->fd, (struct sockaddr *)&a, sizeof a) == 0 ? ERR_OK : ERR_MEM;
}

struct tcp_pcb *tcp_listen_with_backlog(struct tcp_pcb *pcb, u8_t backlog)
{
    if (pcb->fd >= 0 && listen(pcb->fd, backlog) != 0) {
        return nullptr;
    }
    pcb->hosted = true;
    return pcb;
}

void tcp_accept(struct tcp_pcb *pcb, tcp_accept_fn accept)
{
    pcb->accept = accept;
}

u16_t tcp_sndqueuelen(const struct tcp_pcb *pcb)
{
    return pcb->out.empty() ? 0 : 1;
}

u16_t tcp_sndbuf(const struct tcp_pcb *pcb)
{
    return (u16_t)(SEND_BUFFER - (int)pcb->out.size());
}

err_t tcp_write(struct tcp_pcb *pcb, const void *data, u16_t len, u8_t)
{
    if (len > tcp_sndbuf(pcb)) {
        return ERR_MEM;
    }
    pcb->out.append((const char *)data, len);
    return ERR_OK;
}

/* False when the connection is broken. */
static bool push(tcp_pcb *pcb)
{
    while (!pcb->out.empty()) {
        ssize_t n = send(pcb->fd, pcb->out.data(), pcb->out.size(), MSG_NOSIGNAL);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        pcb->out.erase(0, (size_t)n);
    }
    if (pcb->finishing) {
        shutdown(pcb->fd, SHUT_WR);
        pcb->finishing = false;
    }
    return true;
}

err_t tcp_output(struct tcp_pcb *pcb)
{
    push(pcb); /* a failure comes by callback */
    return ERR_OK;
}

err_t tcp_shutdown(struct tcp_pcb *pcb, int, int)
{
    pcb->finishing = true;
    push(pcb);
    return ERR_OK;
}

err_t tcp_close(struct tcp_pcb *pcb)
{
    if (!pcb->connecting && pcb->fd >= 0) {
        push(pcb);
    }
    forget(pcb);
    return ERR_OK;
}

void tcp_abort(struct tcp_pcb *pcb)
{
    forget(pcb);
}

char *ipaddr_ntoa_r(const ip_addr_t *addr, char *out, int cap)
{
    struct in_addr a = {addr->addr};
    return (char *)inet_ntop(AF_INET, &a, out, (socklen_t)cap);
}

/* --- names ---------------------------------------------------------------------------------------
 */

err_t dns_gethostbyname(const char *name, ip_addr_t *address, dns_found_callback found, void *arg)
{
    struct in_addr a;
    if (inet_pton(AF_INET, name, &a) == 1) {
        address->addr = a.s_addr;
        return ERR_OK;
    }
    looking = {name, found, arg};
    return ERR_INPROGRESS;
}

static bool answer_name()
{
    if (looking.found == nullptr) {
        return false;
    }
    auto asked = looking;
    const std::string name = asked.name;
    looking = {};
    struct addrinfo hints = {}, *list = nullptr;
    hints.ai_family = AF_INET;
    ip_addr_t address = {0};
    if (asked.name.find("ntp") != std::string::npos ||
        asked.name.find("time.") != std::string::npos) {
        asked.name = "localhost";
    }
    bool found = getaddrinfo(asked.name.c_str(), nullptr, &hints, &list) == 0;
    if (found) {
        address.addr = ((struct sockaddr_in *)list->ai_addr)->sin_addr.s_addr;
        freeaddrinfo(list);
    }
    asked.found(name.c_str(), found ? &address : nullptr, asked.arg);
    return true;
}

/* --- what happens --------------------------------------------------------------------------------
 */

static void broken(tcp_pcb *pcb, err_t err)
{
    tcp_err_fn tell = pcb->err;
    void *arg = pcb->arg;
    forget(pcb);
    if (tell != nullptr) {
        tell(arg, err);
    }
}

static void arrive(tcp_pcb *listener)
{
    int fd = accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        tcp_pcb *pcb = tcp_new();
        pcb->fd = fd;
        pcb->hosted = true;
        listener->accept(listener->arg, pcb, ERR_OK);
    }
}

static void news(tcp_pcb *pcb, short events)
{
    if (pcb->accept != nullptr) {
        arrive(pcb);
        return;
    }
    if (pcb->connecting) {
        int err = 0;
        socklen_t len = sizeof err;
        getsockopt(pcb->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err != 0) {
            broken(pcb, err == ECONNREFUSED ? ERR_RST : err == ENETUNREACH ? ERR_RTE : ERR_ABRT);
            return;
        }
        pcb->connecting = false;
        pcb->connected(pcb->arg, pcb, ERR_OK);
        return;
    }
    if ((events & POLLOUT) != 0 && !push(pcb)) {
        broken(pcb, ERR_RST);
        return;
    }
    char bytes[PIECE];
    ssize_t n = recv(pcb->fd, bytes, sizeof bytes, 0);
    if (n < 0) {
        if (errno != EAGAIN) {
            broken(pcb, ERR_RST);
        }
    } else if (pcb->recv != nullptr) {
        pcb->ended = n == 0;
        pcb->recv(pcb->arg, pcb, n == 0 ? nullptr : fake_pbuf(bytes, (size_t)n), ERR_OK);
    }
}

bool fake_network_turn(int wait_ms)
{
    struct pollfd fds[16];
    tcp_pcb *of[16];
    nfds_t count = 0;
    if (answer_name() || fake_udp_turn()) {
        return true;
    }
    fds[count++] = {STDIN_FILENO, 0, 0};
    for (tcp_pcb *p = all; p != nullptr && count < 16; p = p->next) {
        if (p->fd < 0 || (p->ended && p->out.empty())) {
            continue;
        }
        of[count] = p;
        bool out = p->connecting || !p->out.empty();
        fds[count++] = {p->fd, (short)((out ? POLLOUT : 0) | (p->ended ? 0 : POLLIN)), 0};
    }
    if (poll(fds + 1, count - 1, wait_ms) <= 0) {
        return false;
    }
    for (nfds_t i = 1; i < count; i++) {
        bool there = false;
        for (tcp_pcb *p = all; p != nullptr; p = p->next) {
            there = there || p == of[i];
        }
        if (there && fds[i].revents != 0 && (of[i]->hosted || one.flags != 0)) {
            news(of[i], fds[i].revents);
        }
    }
    return true;
}
