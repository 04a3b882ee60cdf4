// links: elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Connecting, falling back from address to address, and the reasons of failures, on the loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ports/posix/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The resolver, replaced: this program's definitions come before the C library's. A name is a list
 * of addresses with "+" between them, or one of the failures. */
int getaddrinfo(const char *name,
                const char *service,
                const struct addrinfo *hints,
                struct addrinfo **out)
{
    char list[200];
    struct addrinfo **at = out;
    assert_int_equal(hints->ai_socktype, SOCK_STREAM);
    if (strcmp(name, "unknown.test") == 0) {
        return EAI_NONAME;
    }
    if (strcmp(name, "silent.test") == 0) {
        return EAI_AGAIN;
    }
    snprintf(list, sizeof list, "%s", name);
    char *rest = list;
    for (char *one; (one = strsep(&rest, "+")) != NULL; at = &(*at)->ai_next) {
        struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(a + 1);
        struct sockaddr_in *v4 = (struct sockaddr_in *)(a + 1);
        a->ai_addr = (struct sockaddr *)(a + 1);
        if (inet_pton(AF_INET, one, &v4->sin_addr) == 1) {
            a->ai_family = v4->sin_family = AF_INET;
            a->ai_addrlen = sizeof *v4;
            v4->sin_port = htons((uint16_t)strtoul(service, NULL, 10));
        } else {
            assert_int_equal(inet_pton(AF_INET6, one, &v6->sin6_addr), 1);
            a->ai_family = v6->sin6_family = AF_INET6;
            a->ai_addrlen = sizeof *v6;
            v6->sin6_port = htons((uint16_t)strtoul(service, NULL, 10));
        }
        *at = a;
    }
    *at = NULL;
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

static int listen_on_loopback(uint16_t *out_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *out_port = ntohs(a.sin_port);
    return fd;
}

/* A port on which nobody listens: bound, but not listening, so nobody else takes it. */
static int occupy_port(uint16_t *out_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *out_port = ntohs(a.sin_port);
    return fd;
}

static elo_err connect_to(struct posix_tcp *tcp, const char *host, uint16_t port)
{
    posix_tcp_init(tcp);
    elo_err err = posix_tcp_start(tcp, host, port);
    while (err == ELO_NEED_MORE) {
        struct pollfd p = {tcp->fd, POLLOUT, 0};
        assert_int_equal(poll(&p, 1, 10000), 1);
        err = posix_tcp_step(tcp);
    }
    return err;
}

static void bytes_there_and_back(void **state)
{
    (void)state;
    struct posix_tcp tcp;
    uint16_t port;
    uint8_t buf[16];
    char address[64];
    size_t n;
    int server = listen_on_loopback(&port);
    assert_int_equal(connect_to(&tcp, "127.0.0.1", port), ELO_OK);
    posix_tcp_address(&tcp, address, sizeof address);
    assert_memory_equal(address, "127.0.0.1:", 10);
    int peer = accept(server, NULL, NULL);
    assert_int_equal(posix_tcp_recv(&tcp, buf, sizeof buf, &n), ELO_NEED_MORE);
    assert_int_equal(posix_tcp_send(&tcp, ELO_SPAN("ping"), &n), ELO_OK);
    assert_int_equal(n, 4);
    assert_int_equal(read(peer, buf, sizeof buf), 4);
    assert_int_equal(write(peer, "pong!", 5), 5);
    assert_int_equal(posix_tcp_recv(&tcp, buf, sizeof buf, &n), ELO_OK);
    assert_int_equal(n, 5);
    posix_tcp_finish(&tcp);
    assert_int_equal(read(peer, buf, sizeof buf), 0);
    close(peer);
    assert_int_equal(posix_tcp_recv(&tcp, buf, sizeof buf, &n), ELO_END);
    posix_tcp_close(&tcp);
    posix_tcp_close(&tcp);
    assert_int_equal(tcp.fd, -1);
    close(server);
}

static void a_full_socket_says_so(void **state)
{
    (void)state;
    struct posix_tcp tcp;
    uint16_t port;
    static uint8_t block[65536];
    size_t n, total = 0;
    int server = listen_on_loopback(&port);
    assert_int_equal(connect_to(&tcp, "127.0.0.1", port), ELO_OK);
    elo_err err;
    while ((err = posix_tcp_send(&tcp, elo_span_of(block, sizeof block), &n)) == ELO_OK) {
        total += n;
    }
    assert_int_equal(err, ELO_NEED_ROOM);
    assert_true(total > 0);
    posix_tcp_close(&tcp);
    close(server);
}

static void refused_and_unknown(void **state)
{
    (void)state;
    struct posix_tcp tcp;
    uint16_t port;
    int taken = occupy_port(&port);
    assert_int_equal(connect_to(&tcp, "127.0.0.1", port), ELO_E_TCP_REFUSED);
    assert_int_equal(posix_tcp_errno(&tcp), ECONNREFUSED);
    assert_int_equal(posix_tcp_step(&tcp), ELO_E_TCP_REFUSED);
    posix_tcp_close(&tcp);
    assert_int_equal(connect_to(&tcp, "unknown.test", port), ELO_E_DNS);
    assert_int_equal(connect_to(&tcp, "silent.test", port), ELO_E_DNS);
    assert_int_equal(tcp.fd, -1);
    posix_tcp_close(&tcp);
    close(taken);
}

/* The server has only the last address: the others refuse, or there is no way to them. */
static void the_next_address_is_tried(void **state)
{
    (void)state;
    static const char *const names[] = {"127.0.0.2+127.0.0.1", "::1+127.0.0.1",
                                        "::1+127.0.0.3+127.0.0.2+127.0.0.1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct posix_tcp tcp;
        uint16_t port;
        char address[64];
        int server = listen_on_loopback(&port);
        assert_int_equal(connect_to(&tcp, names[i], port), ELO_OK);
        posix_tcp_address(&tcp, address, sizeof address);
        assert_memory_equal(address, "127.0.0.1:", 10);
        posix_tcp_close(&tcp);
        close(server);
    }
}

/* All fail: what tells most is said, wherever it was in the list. The broadcast address cannot be
 * connected to. */
static void the_most_telling_reason_is_said(void **state)
{
    (void)state;
    static const char *const names[] = {"127.0.0.1+255.255.255.255", "255.255.255.255+127.0.0.1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct posix_tcp tcp;
        uint16_t port;
        int taken = occupy_port(&port);
        assert_int_equal(connect_to(&tcp, names[i], port), ELO_E_TCP_REFUSED);
        assert_int_equal(posix_tcp_errno(&tcp), ECONNREFUSED);
        posix_tcp_close(&tcp);
        close(taken);
    }
}

/* A listener whose queue is full does not answer: the owner loses patience. */
static void giving_up_is_a_timeout(void **state)
{
    (void)state;
    struct posix_tcp waiting[16];
    uint16_t port;
    size_t n = 0;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(server, 0), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&a, &len), 0);
    port = ntohs(a.sin_port);
    elo_err err = ELO_OK;
    while (n < 16) {
        posix_tcp_init(&waiting[n]);
        err = posix_tcp_start(&waiting[n], "127.0.0.1", port);
        struct pollfd p = {waiting[n].fd, POLLOUT, 0};
        n++;
        if (err == ELO_NEED_MORE && poll(&p, 1, 50) == 0) {
            break; /* no answer to this one */
        }
    }
    assert_true(n < 16);
    assert_int_equal(posix_tcp_step(&waiting[n - 1]), ELO_NEED_MORE);
    assert_int_equal(posix_tcp_give_up(&waiting[n - 1]), ELO_E_TCP_TIMEOUT);
    assert_int_equal(waiting[n - 1].fd, -1);
    while (n > 0) {
        posix_tcp_close(&waiting[--n]);
    }
    close(server);
}

/* The peer resets: an error, and no SIGPIPE ends this program. */
static void a_reset_is_no_signal(void **state)
{
    (void)state;
    struct posix_tcp tcp;
    uint16_t port;
    size_t n;
    int server = listen_on_loopback(&port);
    assert_int_equal(connect_to(&tcp, "127.0.0.1", port), ELO_OK);
    int peer = accept(server, NULL, NULL);
    struct linger now = {1, 0};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer); /* RST */
    elo_err first = posix_tcp_send(&tcp, ELO_SPAN("x"), &n);
    elo_err second = posix_tcp_send(&tcp, ELO_SPAN("x"), &n);
    assert_int_equal(first, ELO_E_TCP_CLOSED);
    assert_int_equal(second, ELO_E_TCP_CLOSED);
    posix_tcp_close(&tcp);
    close(server);
}

static void errnos_have_reasons(void **state)
{
    (void)state;
    assert_int_equal(posix_tcp_error(ECONNREFUSED), ELO_E_TCP_REFUSED);
    assert_int_equal(posix_tcp_error(ETIMEDOUT), ELO_E_TCP_TIMEOUT);
    assert_int_equal(posix_tcp_error(ENETUNREACH), ELO_E_NETWORK);
    assert_int_equal(posix_tcp_error(EHOSTUNREACH), ELO_E_NETWORK);
    assert_int_equal(posix_tcp_error(EPIPE), ELO_E_TCP_CLOSED);
    assert_int_equal(posix_tcp_error(EMFILE), ELO_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_there_and_back),
        cmocka_unit_test(a_full_socket_says_so),
        cmocka_unit_test(refused_and_unknown),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(the_most_telling_reason_is_said),
        cmocka_unit_test(giving_up_is_a_timeout),
        cmocka_unit_test(a_reset_is_no_signal),
        cmocka_unit_test(errnos_have_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
