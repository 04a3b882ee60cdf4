// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#ifndef LWIP_PBUF_DECLARED_H
#define LWIP_PBUF_DECLARED_H

#include "lwip/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pbuf {
    struct pbuf *next;
    void *payload;
    u16_t tot_len, len, ref;
};

void pbuf_cat(struct pbuf *head, struct pbuf *tail);
void pbuf_ref(struct pbuf *p);
u8_t pbuf_free(struct pbuf *p);

#ifdef __cplusplus
}
#endif

#endif
