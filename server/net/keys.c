// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Fresh RSA keys. One takes a tenth of a second, now and then a whole one: on the loop every
 * message would wait for it. So they are made on threads of libuv's pool, few at one time and with
 * a lower priority than the loop, as handshakes are; who has ordered one waits for his turn.
 *
 *     keys_order() -> waiting, or a thread makes it -> ready(ctx, key)      keys_cancel(): never
 * mind
 */
#include "server/base/mem.h"
#include "server/net/internal.h"

enum { AT_ONCE = 2 };

struct key_order {
    STAILQ_ENTRY(key_order) link;
    uv_work_t work;
    struct net *net;
    struct pki_key *key;
    bool making;
    keys_ready *ready; /* NULL: nobody wants it any more */
    void *ctx;
};

static void make(uv_work_t *work)
{
    struct key_order *o = work->data;
    net_give_way();
    o->key = atomic_load(&o->net->calls_stop) == 0 ? pki_key_make() : NULL;
}

static void start_next(struct net *net);

static void made(uv_work_t *work, int status)
{
    struct key_order *o = work->data;
    struct net *net = o->net;
    (void)status; /* without a thread there is no key */
    net->keys_making--;
    net->calls--;
    start_next(net);
    if (o->ready != NULL) {
        o->ready(o->ctx, o->key);
    } else {
        pki_key_free(o->key);
    }
    mem_free(o);
}

static void start_next(struct net *net)
{
    struct key_order *o;
    while (net->keys_making < AT_ONCE && (o = STAILQ_FIRST(&net->keys_waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&net->keys_waiting, link);
        o->making = true;
        net->keys_making++;
        net->calls++;
        (void)uv_queue_work(&net->loop, &o->work, make, made); /* cannot fail: there is a `make` */
    }
}

struct key_order *keys_order(struct net *net, keys_ready *ready, void *ctx)
{
    struct key_order *o = mem_zero(sizeof *o);
    if (o == NULL) {
        return NULL;
    }
    o->net = net;
    o->work.data = o;
    o->ready = ready;
    o->ctx = ctx;
    STAILQ_INSERT_TAIL(&net->keys_waiting, o, link);
    start_next(net);
    return o;
}

void keys_cancel(struct key_order *o)
{
    if (o == NULL) {
        return;
    }
    if (o->making) {
        o->ready = NULL; /* made() frees it */
        return;
    }
    STAILQ_REMOVE(&o->net->keys_waiting, o, key_order, link);
    mem_free(o);
}
