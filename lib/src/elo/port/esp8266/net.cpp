// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: lwIP calls back; the callbacks only note what happened, and the stream's own
 * calls look at the notes.
 *
 *      CLOSED --open--> LOOKING --name found--> CONNECTING --connected--> OPEN
 *                          |                        |                      |
 *                          +------------ FAILED <---+----------------------+   until close
 *
 * lwIP frees a connection by itself when it reports an error, and only then: hence `pcb` is NULL
 * after on_error, and what was received before stays to be read.
 */
#include "elo/port/esp8266/net.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <lwip/dns.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>

enum { CLOSED_STREAM, LOOKING, CONNECTING_STREAM, OPEN_STREAM, FAILED_STREAM };

static struct elo_esp8266_net *self(void *ctx)
{
    return (struct elo_esp8266_net *)ctx;
}

/* --- reasons -------------------------------------------------------------------------------------
 */

static bool has_network(void)
{
    return netif_default != NULL && netif_is_up(netif_default) &&
           !ip4_addr_isany(netif_ip4_addr(netif_default));
}

static elo_err reason_of(err_t err, bool connected)
{
    switch (err) {
    case ERR_MEM:
    case ERR_BUF:
        return ELO_E_NO_MEMORY;
    case ERR_RTE:
    case ERR_IF:
        return ELO_E_NETWORK;
    case ERR_RST:
        return connected ? ELO_E_TCP_CLOSED : ELO_E_TCP_REFUSED;
    case ERR_ABRT:
    case ERR_TIMEOUT:
        return connected ? ELO_E_TCP_CLOSED : ELO_E_TCP_TIMEOUT;
    case ERR_CLSD:
    case ERR_CONN:
        return ELO_E_TCP_CLOSED;
    default:
        return ELO_E_IO;
    }
}

static elo_err fail(struct elo_esp8266_net *net, elo_err reason)
{
    net->_internal.state = FAILED_STREAM;
    net->_internal.reason = reason;
    return reason;
}

static elo_err fail_as(struct elo_esp8266_net *net, err_t err)
{
    bool connected = net->_internal.state == OPEN_STREAM;
    net->_internal.error = (int8_t)err;
    return fail(net, has_network() ? reason_of(err, connected) : ELO_E_NETWORK);
}

/* --- what lwIP tells -----------------------------------------------------------------------------
 */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)pcb;
    (void)err; /* always ERR_OK: failures go to on_error */
    self(arg)->_internal.state = OPEN_STREAM;
    return ERR_OK;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *in, err_t err)
{
    struct elo_esp8266_net *net = self(arg);
    (void)pcb;
    (void)err;
    if (in == NULL) {
        net->_internal.ended = true;
    } else {
        elo_esp8266_received_add(&net->_internal.in, in);
    }
    return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    struct elo_esp8266_net *net = self(arg);
    net->_internal.pcb = NULL;
    fail_as(net, err);
}

/* --- closing -------------------------------------------------------------------------------------
 */

static void drop_connection(struct elo_esp8266_net *net)
{
    struct tcp_pcb *pcb = net->_internal.pcb;
    net->_internal.pcb = NULL;
    if (pcb == NULL) {
        return;
    }
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    if (tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
    }
}

static void close_stream(void *ctx)
{
    struct elo_esp8266_net *net = self(ctx);
    elo_esp8266_received_drop(&net->_internal.in, net->_internal.pcb);
    drop_connection(net);
    net->_internal.ended = false;
    net->_internal.host = NULL;
    net->_internal.state = CLOSED_STREAM;
}

/* --- opening -------------------------------------------------------------------------------------
 */

static elo_err connect_to(struct elo_esp8266_net *net)
{
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL) {
        return fail_as(net, ERR_MEM);
    }
    net->_internal.pcb = pcb;
    net->_internal.state = CONNECTING_STREAM;
    tcp_arg(pcb, net);
    tcp_recv(pcb, on_received);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb); /* what is sent here is complete */
    err_t err = tcp_connect(pcb, &net->_internal.address, net->_internal.port, on_connected);
    return err == ERR_OK ? ELO_NEED_MORE : fail_as(net, err);
}

/* Answers also look-ups that were given up: the name tells. */
static void on_found(const char *name, const ip_addr_t *address, void *arg)
{
    struct elo_esp8266_net *net = self(arg);
    if (net->_internal.state != LOOKING || strcmp(name, net->_internal.host) != 0) {
        return;
    }
    if (address == NULL) {
        fail(net, has_network() ? ELO_E_DNS : ELO_E_NETWORK);
        return;
    }
    ip_addr_copy(net->_internal.address, *address);
    (void)connect_to(net); /* a failure is noted */
}

static elo_err open_stream(void *ctx, const char *host, uint16_t port)
{
    struct elo_esp8266_net *net = self(ctx);
    close_stream(net);
    net->_internal.error = 0;
    net->_internal.port = port;
    net->_internal.host = host;
    ip_addr_set_zero(&net->_internal.address);
    if (!has_network()) {
        return fail(net, ELO_E_NETWORK);
    }
    net->_internal.state = LOOKING;
    err_t err = dns_gethostbyname(host, &net->_internal.address, on_found, net);
    if (err == ERR_INPROGRESS) {
        return ELO_NEED_MORE;
    }
    if (err == ERR_OK) { /* an address, or remembered */
        return connect_to(net);
    }
    net->_internal.error = (int8_t)err;
    return fail(net, err == ERR_MEM ? ELO_E_NO_MEMORY : ELO_E_DNS);
}

static elo_err step(void *ctx)
{
    const struct elo_esp8266_net *net = self(ctx);
    switch (net->_internal.state) {
    case LOOKING:
    case CONNECTING_STREAM:
        return ELO_NEED_MORE;
    case OPEN_STREAM:
        return ELO_OK;
    default:
        return net->_internal.reason;
    }
}

static elo_err give_up(void *ctx)
{
    struct elo_esp8266_net *net = self(ctx);
    elo_err reason = net->_internal.state == LOOKING ? ELO_E_DNS : ELO_E_TCP_TIMEOUT;
    drop_connection(net);
    return fail(net, has_network() ? reason : ELO_E_NETWORK);
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static elo_err send_bytes(void *ctx, elo_span bytes, size_t *out_len)
{
    struct elo_esp8266_net *net = self(ctx);
    struct tcp_pcb *pcb = net->_internal.pcb;
    if (net->_internal.state != OPEN_STREAM) {
        return net->_internal.reason;
    }
    size_t room = tcp_sndbuf(pcb);
    size_t len = bytes.len < room ? bytes.len : room;
    if (len == 0) {
        return ELO_NEED_ROOM;
    }
    err_t err = tcp_write(pcb, bytes.ptr, (u16_t)len, TCP_WRITE_FLAG_COPY);
    if (err == ERR_OK) {
        *out_len = len;
        err = tcp_output(pcb);
        return err == ERR_OK || err == ERR_MEM ? ELO_OK : fail_as(net, err);
    }
    if (err == ERR_MEM) { /* it passes: what is under way frees some on arrival */
        tcp_output(pcb);
        return ELO_NEED_ROOM;
    }
    return fail_as(net, err);
}

static elo_err recv_bytes(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo_esp8266_net *net = self(ctx);
    size_t len = elo_esp8266_received_take(&net->_internal.in, net->_internal.pcb, out, cap);
    *out_len = len;
    if (len > 0) {
        return ELO_OK;
    }
    if (net->_internal.ended) {
        return ELO_END;
    }
    return net->_internal.state == OPEN_STREAM ? ELO_NEED_MORE : net->_internal.reason;
}

static void finish(void *ctx)
{
    struct elo_esp8266_net *net = self(ctx);
    if (net->_internal.pcb != NULL && net->_internal.state == OPEN_STREAM) {
        tcp_shutdown(net->_internal.pcb, 0, 1);
    }
}

/* --- the rest ------------------------------------------------------------------------------------
 */

static int last_error(void *ctx)
{
    return self(ctx)->_internal.error;
}

/* "192.0.2.1:8883" */
static void address_text(void *ctx, char *out, size_t cap)
{
    const struct elo_esp8266_net *net = self(ctx);
    out[0] = '\0';
    if (ip_addr_isany(&net->_internal.address) ||
        ipaddr_ntoa_r(&net->_internal.address, out, (int)cap) == NULL) {
        return;
    }
    size_t len = strlen(out);
    uint32_t divisor = 10000;
    if (len + sizeof ":65535" > cap) {
        return;
    }
    out[len++] = ':';
    while (divisor > 1 && net->_internal.port / divisor == 0) {
        divisor /= 10;
    }
    for (; divisor > 0; divisor /= 10) {
        out[len++] = (char)('0' + net->_internal.port / divisor % 10);
    }
    out[len] = '\0';
}

struct elo_net elo_esp8266_net(struct elo_esp8266_net *net)
{
    struct elo_net table = {net,        open_stream, step,         give_up,    send_bytes,
                            recv_bytes, finish,      close_stream, last_error, address_text};
    return table;
}

#endif
