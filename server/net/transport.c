// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What recv and send are, with TLS around them or without: a number of bytes, or one of the
 * negative answers of enum transport.
 */
#include <errno.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "server/net/internal.h"

/* SSL_ERROR_ZERO_RETURN is a close_notify, or, by SSL_OP_IGNORE_UNEXPECTED_EOF, the end without. */
static ssize_t tls_answer(struct conn *c, int rc)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_END;
    default:
        c->broken = true;
        return TRANSPORT_GONE;
    }
}

static ssize_t plain_answer(struct conn *c, ssize_t n, ssize_t would_block)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return would_block;
    }
    if (n < 0) {
        c->broken = true;
    }
    return n > 0 ? n : n == 0 ? TRANSPORT_END : TRANSPORT_GONE;
}

ssize_t transport_receive(struct conn *c, uint8_t *buf, size_t cap)
{
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_read_ex(c->ssl, buf, cap, &done);
        return rc > 0 ? (ssize_t)done : tls_answer(c, rc);
    }
    ssize_t n;
    do {
        n = recv(c->fd, buf, cap, 0);
    } while (n < 0 && errno == EINTR);
    return plain_answer(c, n, TRANSPORT_WANTS_READ);
}

ssize_t transport_transmit(struct conn *c, elo_span bytes)
{
    if (c->ssl != NULL) {
        size_t done = 0;
        ERR_clear_error();
        int rc = SSL_write_ex(c->ssl, bytes.ptr, bytes.len, &done);
        return rc > 0 ? (ssize_t)done : tls_answer(c, rc);
    }
    ssize_t n;
    do {
        n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return plain_answer(c, n, TRANSPORT_WANTS_WRITE);
}

bool transport_has_more(const struct conn *c)
{
    return c->ssl != NULL && SSL_has_pending(c->ssl) == 1;
}

void transport_end(struct conn *c)
{
    if (c->ssl == NULL) {
        return;
    }
    if (c->phase == CONN_OPEN && !c->broken) {
        ERR_clear_error();
        SSL_shutdown(c->ssl); /* close_notify, if the socket takes it; no waiting */
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    ERR_clear_error();
}
