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
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
    while ((err = posix_tcp_send(&tcp, elo_span_of(block, sizeof block), &n)) == ELO_OK)
        total += n;
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
    /* No such name, without asking a resolver: too long a label (RFC 1035, 2.3.4). */
    char name[80];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(connect_to(&tcp, name, port), ELO_E_DNS);
    assert_int_equal(tcp.fd, -1);
    posix_tcp_close(&tcp);
    close(taken);
}

/* "localhost" is often ::1 and 127.0.0.1; the server has only the second. */
static void the_next_address_is_tried(void **state)
{
    (void)state;
    struct posix_tcp tcp;
    uint16_t port;
    char address[64];
    int server = listen_on_loopback(&port);
    assert_int_equal(connect_to(&tcp, "localhost", port), ELO_OK);
    posix_tcp_address(&tcp, address, sizeof address);
    assert_memory_equal(address, "127.0.0.1:", 10);
    posix_tcp_close(&tcp);
    close(server);
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
        if (err == ELO_NEED_MORE && poll(&p, 1, 50) == 0)
            break; /* no answer to this one */
    }
    assert_true(n < 16);
    assert_int_equal(posix_tcp_step(&waiting[n - 1]), ELO_NEED_MORE);
    assert_int_equal(posix_tcp_give_up(&waiting[n - 1]), ELO_E_TCP_TIMEOUT);
    assert_int_equal(waiting[n - 1].fd, -1);
    while (n > 0)
        posix_tcp_close(&waiting[--n]);
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
        cmocka_unit_test(bytes_there_and_back),   cmocka_unit_test(a_full_socket_says_so),
        cmocka_unit_test(refused_and_unknown),    cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(giving_up_is_a_timeout), cmocka_unit_test(a_reset_is_no_signal),
        cmocka_unit_test(errnos_have_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
