// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/sntp.h"

#if defined(ARDUINO) && defined(ESP8266)

#include "elo/time/sntp.h"

#include <Arduino.h>
#include <lwip/dns.h>
#include <lwip/pbuf.h>
#include <lwip/udp.h>
#include <string.h>

static struct elo_esp8266_sntp *self(void *ctx)
{
    return (struct elo_esp8266_sntp *)ctx;
}

/* --- names ---------------------------------------------------------------------------------------
 */

/* Answers also look-ups that were given up: the name tells. */
static void on_found(const char *name, const ip_addr_t *address, void *arg)
{
    struct elo_esp8266_sntp *s = self(arg);
    if (s->_internal.name == NULL || strcmp(name, s->_internal.name) != 0) {
        return;
    }
    if (address == NULL) {
        s->_internal.failed = true;
    } else {
        ip_addr_copy(s->_internal.address, *address);
    }
}

static elo_err look_up(struct elo_esp8266_sntp *s, const char *name)
{
    s->_internal.name = name;
    s->_internal.failed = false;
    ip_addr_set_zero(&s->_internal.address);
    err_t err = dns_gethostbyname(name, &s->_internal.address, on_found, s);
    s->_internal.failed = err != ERR_OK && err != ERR_INPROGRESS;
    return s->_internal.failed ? ELO_E_DNS : err == ERR_OK ? ELO_OK : ELO_NEED_MORE;
}

elo_err elo_esp8266_time_resolve(void *ctx, uint8_t server)
{
    struct elo_esp8266_sntp *s = self(ctx);
    if (s->_internal.name != s->servers[server]) {
        elo_err err = look_up(s, s->servers[server]);
        if (err != ELO_NEED_MORE) {
            s->_internal.name = err == ELO_OK ? s->_internal.name : NULL;
            return err;
        }
    }
    if (s->_internal.failed) {
        s->_internal.name = NULL;
        return ELO_E_DNS;
    }
    return ip_addr_isany(&s->_internal.address) ? ELO_NEED_MORE : ELO_OK;
}

/* --- datagrams -----------------------------------------------------------------------------------
 */

static void drop_answer(struct elo_esp8266_sntp *s)
{
    if (s->_internal.answer != NULL) {
        pbuf_free(s->_internal.answer);
    }
    s->_internal.answer = NULL;
}

static void
on_answer(void *arg, struct udp_pcb *pcb, struct pbuf *answer, const ip_addr_t *from, u16_t port)
{
    struct elo_esp8266_sntp *s = self(arg);
    (void)pcb;
    if (s->_internal.answer != NULL || port != ELO_SNTP_PORT ||
        !ip_addr_cmp(from, &s->_internal.address)) {
        pbuf_free(answer);
        return;
    }
    s->_internal.answer = answer;
}

static elo_err send_to(struct elo_esp8266_sntp *s, elo_span datagram)
{
    struct pbuf *question = pbuf_alloc(PBUF_TRANSPORT, (u16_t)datagram.len, PBUF_RAM);
    if (question == NULL) {
        return ELO_E_NO_MEMORY;
    }
    err_t err = pbuf_take(question, datagram.ptr, (u16_t)datagram.len);
    if (err == ERR_OK) {
        err = udp_sendto(s->_internal.pcb, question, &s->_internal.address, ELO_SNTP_PORT);
    }
    pbuf_free(question);
    return err == ERR_OK ? ELO_OK : err == ERR_RTE ? ELO_E_NETWORK : ELO_E_IO;
}

elo_err elo_esp8266_time_send(void *ctx, elo_span datagram)
{
    struct elo_esp8266_sntp *s = self(ctx);
    drop_answer(s);
    if (s->_internal.pcb != NULL) {
        udp_remove(s->_internal.pcb);
    }
    s->_internal.pcb = udp_new();
    if (s->_internal.pcb == NULL) {
        return ELO_E_NO_MEMORY;
    }
    /* A port by chance is one thing more that a forger has to guess; if it is taken, lwIP's next.
     */
    (void)udp_bind(s->_internal.pcb, IP_ADDR_ANY, (u16_t)(0xC000u | (RANDOM_REG32 & 0x3FFFu)));
    udp_recv(s->_internal.pcb, on_answer, s);
    return send_to(s, datagram);
}

elo_err elo_esp8266_time_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    struct elo_esp8266_sntp *s = self(ctx);
    if (s->_internal.answer == NULL) {
        return ELO_NEED_MORE;
    }
    *out_len = pbuf_copy_partial(s->_internal.answer, out, (u16_t)cap, 0);
    drop_answer(s);
    return ELO_OK;
}

void elo_esp8266_time_close(void *ctx)
{
    struct elo_esp8266_sntp *s = self(ctx);
    drop_answer(s);
    if (s->_internal.pcb != NULL) {
        udp_remove(s->_internal.pcb);
    }
    s->_internal.pcb = NULL;
    s->_internal.name = NULL;
}

#endif
