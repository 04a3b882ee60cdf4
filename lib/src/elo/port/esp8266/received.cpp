// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/port/esp8266/received.h"

#if defined(ARDUINO) && defined(ESP8266)

#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <string.h>

void elo_esp8266_received_add(struct elo_esp8266_received *r, struct pbuf *more)
{
    if (r->first == NULL) {
        r->first = more;
        r->at = 0;
    } else {
        pbuf_cat(r->first, more);
    }
}

/* `len` bytes of the first buffer are read; a buffer that is done goes back to lwIP. */
static void consume(struct elo_esp8266_received *r, struct tcp_pcb *pcb, size_t len)
{
    struct pbuf *first = r->first;
    r->at = (uint16_t)(r->at + len);
    if (r->at == first->len) {
        r->first = first->next;
        r->at = 0;
        if (first->next != NULL) {
            pbuf_ref(first->next);
        }
        pbuf_free(first);
    }
    if (pcb != NULL) {
        tcp_recved(pcb, (u16_t)len);
    }
}

size_t elo_esp8266_received_take(struct elo_esp8266_received *r,
                                 struct tcp_pcb *pcb,
                                 uint8_t *out,
                                 size_t cap)
{
    size_t len = 0;
    while (r->first != NULL && len < cap) {
        size_t left = (size_t)(r->first->len - r->at);
        size_t n = left < cap - len ? left : cap - len;
        memcpy(out + len, (const uint8_t *)r->first->payload + r->at, n);
        consume(r, pcb, n);
        len += n;
    }
    return len;
}

void elo_esp8266_received_drop(struct elo_esp8266_received *r, struct tcp_pcb *pcb)
{
    while (r->first != NULL) {
        consume(r, pcb, (size_t)(r->first->len - r->at));
    }
}

#endif
