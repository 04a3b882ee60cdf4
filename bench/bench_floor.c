// links: elo_mqtt openssl
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The floor under every broker: the least single-threaded server that answers bench_load's and
 * bench_connect's load through OpenSSL. It shakes hands with client certificates of one CA, passes
 * messages on, acknowledges QoS 1, and knows nothing else: no sessions, no policies, no limits, no
 * redelivery, no topics but "PREFIX/N" and filters but that and "PREFIX/#". What a real broker
 * costs above it is the price of being one.
 *
 *     bench_floor --ca F --cert F --key F      prints its port, runs until it is killed
 *
 * How this works: epoll, level-triggered; one read a wake-up and socket; every subscriber touched
 * in a wake-up is written once at its end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "elo/mqtt/decode.h"
#include "elo/mqtt/encode.h"

enum { IN = 16384, OUT = 1 << 20, NUMBERS = 1024, FILTER = 64 };

struct client {
    SSL *ssl;
    int fd;
    bool shaken, dirty, dead;
    uint8_t qos; /* of its subscription */
    uint16_t next_id;
    struct client *next_all; /* of those that subscribe everything */
    struct client *next_dirty;
    uint8_t *in, *out;
    size_t in_len, out_at, out_len;
};

static SSL_CTX *context;
static int epoll_fd;
static struct client *of_number[NUMBERS], *of_all, *dirty;

static void touch(struct client *c)
{
    if (!c->dirty) {
        c->dirty = true;
        c->next_dirty = dirty;
        dirty = c;
    }
}

/* The reader of PREFIX/N closes only when the load program ends: nothing is unlinked before. */
static void drop(struct client *c)
{
    if (c->dead) {
        return;
    }
    c->dead = true;
    for (size_t i = 0; i < NUMBERS; i++) {
        of_number[i] = of_number[i] == c ? NULL : of_number[i];
    }
    for (struct client **at = &of_all; *at != NULL; at = &(*at)->next_all) {
        if (*at == c) {
            *at = c->next_all;
            break;
        }
    }
    SSL_free(c->ssl);
    close(c->fd);
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
    touch(c); /* freed with the dirty ones: events of this wake-up may still name it */
}

static void flush(struct client *c)
{
    while (!c->dead && c->out_at < c->out_len) {
        size_t done = 0;
        ERR_clear_error();
        if (SSL_write_ex(c->ssl, c->out + c->out_at, c->out_len - c->out_at, &done) != 1) {
            if (SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_WRITE) {
                struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
                epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
            } else {
                drop(c);
            }
            return;
        }
        c->out_at += done;
    }
    c->out_at = c->out_len = 0;
}

static void say(struct client *c, const void *bytes, size_t len)
{
    if (c->out == NULL) {
        c->out = malloc(OUT);
    }
    if (c->out == NULL || c->out_len + len > OUT) {
        return; /* a slow reader loses messages */
    }
    memcpy(c->out + c->out_len, bytes, len);
    c->out_len += len;
    touch(c);
}

static long number_at_end(elo_span topic)
{
    long n = 0;
    size_t at = topic.len;
    for (long scale = 1; at > 0 && topic.ptr[at - 1] >= '0' && topic.ptr[at - 1] <= '9';
         scale *= 10) {
        n += scale * (topic.ptr[--at] - '0');
    }
    return at == topic.len ? -1 : n % NUMBERS;
}

static void pass_on(struct client *to, elo_span packet, const struct elo_mqtt_publish *m)
{
    uint8_t head[FILTER + 8];
    size_t len = 0;
    if (m->qos == 0 || to->qos == 0) {
        if (m->qos == 0) {
            say(to, packet.ptr, packet.len);
            return;
        }
    }
    struct elo_mqtt_publish out = {.topic = m->topic, .payload = m->payload, .qos = to->qos};
    if (to->qos > 0) {
        out.packet_id = to->next_id = to->next_id == 65535 ? 1 : (uint16_t)(to->next_id + 1);
    }
    if (elo_mqtt_encode_publish_header(&out, head, sizeof head, &len) == ELO_OK) {
        say(to, head, len);
        say(to, m->payload.ptr, m->payload.len);
    }
}

static void on_packet(struct client *c, elo_span bytes)
{
    static const uint8_t connack[] = {0x20, 2, 0, 0};
    struct elo_mqtt_packet p;
    struct elo_mqtt_subscription sub;
    elo_span rest;
    if (elo_mqtt_decode(bytes, &p) != ELO_OK) {
        drop(c);
        return;
    }
    switch (p.type) {
    case ELO_MQTT_CONNECT:
        say(c, connack, sizeof connack);
        break;
    case ELO_MQTT_SUBSCRIBE:
        rest = p.u.subscribe.filters;
        if (elo_mqtt_next_subscription(&rest, &sub)) {
            long n = number_at_end(sub.filter);
            c->qos = sub.qos;
            if (n >= 0) {
                of_number[n] = c;
            } else {
                c->next_all = of_all;
                of_all = c;
            }
            uint8_t suback[] = {0x90, 3, (uint8_t)(p.u.subscribe.packet_id >> 8),
                                (uint8_t)p.u.subscribe.packet_id, sub.qos};
            say(c, suback, sizeof suback);
        }
        break;
    case ELO_MQTT_PUBLISH: {
        long n = number_at_end(p.u.publish.topic);
        if (n >= 0 && of_number[n] != NULL) {
            pass_on(of_number[n], bytes, &p.u.publish);
        }
        for (struct client *to = of_all; to != NULL; to = to->next_all) {
            pass_on(to, bytes, &p.u.publish);
        }
        if (p.u.publish.qos > 0) {
            uint8_t ack[] = {0x40, 2, (uint8_t)(p.u.publish.packet_id >> 8),
                             (uint8_t)p.u.publish.packet_id};
            say(c, ack, sizeof ack);
        }
        break;
    }
    default:
        break; /* PUBACK, DISCONNECT */
    }
}

static void receive(struct client *c)
{
    do {
        size_t done = 0;
        ERR_clear_error();
        c->in = c->in ? c->in : malloc(IN);
        if (SSL_read_ex(c->ssl, c->in + c->in_len, IN - c->in_len, &done) != 1) {
            int error = SSL_get_error(c->ssl, 0);
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
                drop(c);
            }
            return;
        }
        c->in_len += done;
        elo_span in = elo_span_of(c->in, c->in_len);
        struct elo_mqtt_frame frame;
        while (!c->dead && elo_mqtt_frame(in, IN, &frame) == ELO_OK && frame.total <= in.len) {
            on_packet(c, elo_span_first(in, frame.total));
            in = elo_span_from(in, frame.total);
        }
        if (c->dead) {
            return;
        }
        memmove(c->in, in.ptr, in.len);
        c->in_len = in.len;
    } while (SSL_has_pending(c->ssl));
}

static void on_event(struct client *c, uint32_t events)
{
    if (c->dead) {
        return;
    }
    if (!c->shaken) {
        ERR_clear_error();
        int rc = SSL_do_handshake(c->ssl);
        int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, rc);
        if (rc != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            drop(c);
        }
        if (rc != 1) {
            return;
        }
        c->shaken = true;
    }
    if (events & EPOLLOUT) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
        touch(c);
    }
    receive(c);
}

static void on_accept(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct client *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        return;
    }
    c->fd = fd;
    c->ssl = SSL_new(context);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1) {
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_accept_state(c->ssl);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static void flush_all(void)
{
    while (dirty != NULL) {
        struct client *c = dirty;
        dirty = c->next_dirty;
        c->dirty = false;
        flush(c);
        if (c->dead) {
            if (c->dirty) { /* drop() has put it back: once is enough */
                dirty = c->next_dirty;
            }
            free(c);
        }
    }
}

static SSL_CTX *make_context(char **argv)
{
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());
    if (made == NULL || SSL_CTX_load_verify_locations(made, argv[2], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(made, argv[4]) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, argv[6], SSL_FILETYPE_PEM) != 1) {
        return NULL;
    }
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(made, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(made, 0);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(made, 1);
    return made;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    context = argc == 7 ? make_context(argv) : NULL;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (context == NULL || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listener, 512) != 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0) {
        fputs("bench_floor: see the top of bench/bench_floor.c\n", stderr);
        return 2;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr == NULL) {
                on_accept(listener);
            } else {
                on_event(ready[i].data.ptr, ready[i].events);
            }
        }
        flush_all();
    }
}
