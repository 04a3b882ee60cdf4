// links: openssl
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The floor under every broker's connects: the least server that shakes hands with OpenSSL, asks
 * for a client certificate signed by one CA, reads a CONNECT, answers a CONNACK, and closes when
 * the client goes. One blocking loop, no checks, nothing kept.
 *
 *     bench_floor --ca F --cert F --key F      prints its port, runs until it is killed
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

static SSL_CTX *make_context(char **argv)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_load_verify_locations(context, argv[2], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, argv[4]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[6], SSL_FILETYPE_PEM) != 1) {
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return context;
}

static void serve(SSL_CTX *context, int fd)
{
    static const unsigned char connack[] = {0x20, 2, 0, 0};
    unsigned char in[1024];
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL *ssl = SSL_new(context);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
        SSL_read(ssl, in, sizeof in) > 0 && SSL_write(ssl, connack, sizeof connack) > 0) {
        while (SSL_read(ssl, in, sizeof in) > 0) {
        }
    }
    SSL_free(ssl);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = argc == 7 ? make_context(argv) : NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (context == NULL || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        fputs("bench_floor: see the top of bench/bench_floor.c\n", stderr);
        return 2;
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (client >= 0) {
            serve(context, client);
        }
    }
}
