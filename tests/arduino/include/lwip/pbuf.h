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

typedef enum { PBUF_TRANSPORT } pbuf_layer;
typedef enum { PBUF_RAM } pbuf_type;

struct pbuf *pbuf_alloc(pbuf_layer layer, u16_t len, pbuf_type type);
err_t pbuf_take(struct pbuf *p, const void *data, u16_t len);
u16_t pbuf_copy_partial(const struct pbuf *p, void *out, u16_t len, u16_t offset);
void pbuf_cat(struct pbuf *head, struct pbuf *tail);
void pbuf_ref(struct pbuf *p);
u8_t pbuf_free(struct pbuf *p);

#ifdef __cplusplus
}
#endif

#endif
