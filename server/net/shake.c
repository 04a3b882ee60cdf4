// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the loop accepts and, once per turn, hands what it has accepted to the worker
 * that has least to do: a list under the worker's lock, and one write to its eventfd. A worker
 * drives its handshakes from an epoll set of its own, edge-triggered: OpenSSL reads until nothing
 * is left. What is over - done or failed - goes, once per turn of the worker, to a list that the
 * loop is woken for. A connection is the worker's (`shaking`) from the one list to the other, and
 * then the loop's; nothing of it is ever shared.
 *
 *     loop:   accept -> take -> send ==lock==> inbox                 done ==lock==> conn_return()
 *     worker:                                  shake, shake, shake --'
 *
 * Workers have a lower priority than the loop: when both want the processor, messages go first.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

/* Events per turn: what is done waits for the others of its turn, a millisecond each. */
enum { EVENTS = 8 };

struct worker {
    struct shakers *all;
    pthread_t thread;
    int epoll, wake; /* -1: not made */

    pthread_mutex_t lock; /* for these: */
    struct conn *inbox;
    bool stop;

    size_t load; /* the loop's: handed over and not come back */

    struct conn *first, *last; /* the worker's, by deadline: all wait equally long */
    struct conn *done;         /* of this turn */
};

struct shakers {
    struct net *net;
    uv_async_t returned;
    pthread_mutex_t lock; /* for this: */
    struct conn *done;
    unsigned count;
    struct worker workers[];
};

/* --- the worker's side --------------------------------------------------------------------------
 */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void join_queue(struct worker *w, struct conn *c)
{
    c->waiting = true;
    c->next = NULL;
    c->prev = w->last;
    *(w->last ? &w->last->next : &w->first) = c;
    w->last = c;
}

static void leave_queue(struct worker *w, struct conn *c)
{
    if (!c->waiting) {
        return;
    }
    c->waiting = false;
    *(c->prev ? &c->prev->next : &w->first) = c->next;
    *(c->next ? &c->next->prev : &w->last) = c->prev;
    c->prev = c->next = NULL;
}

/* It is over; c->shaken tells how. A failed one needs its TLS no more. */
static void finish(struct worker *w, struct conn *c)
{
    leave_queue(w, c);
    epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    if (c->shaken->peer == NULL) {
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    c->hop = w->done;
    w->done = c;
}

static void
fail(struct worker *w, struct conn *c, elo_err err, enum log_level level, const char *why)
{
    *c->shaken = (struct shaken){.err = err, .level = level};
    snprintf(c->shaken->why, sizeof c->shaken->why, "%s", why);
    finish(w, c);
}

static void drive(struct worker *w, struct conn *c)
{
    if (tls_shake(c, c->shaken) == SSL_ERROR_NONE) {
        finish(w, c);
    }
}

static void begin(struct worker *w, struct conn *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    bool ok = tls_begin(c, c->tls);
    SSL_CTX_free(c->tls);
    c->tls = NULL;
    if (!ok || epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        fail(w, c, ELO_E_NO_MEMORY, LOG_ERROR, "out of memory for a TLS handshake");
        return;
    }
    join_queue(w, c); /* the first event comes by itself: it can be written to */
}

static void expire(struct worker *w, int64_t now)
{
    while (w->first != NULL && w->first->deadline <= now) {
        fail(w, w->first, ELO_E_TLS_HANDSHAKE, LOG_WARN,
             "the TLS handshake was not done in 10 seconds");
    }
}

static void give_back(struct worker *w)
{
    if (w->done == NULL) {
        return;
    }
    struct conn *last = w->done;
    while (last->hop != NULL) {
        last = last->hop;
    }
    pthread_mutex_lock(&w->all->lock);
    bool was_empty = w->all->done == NULL;
    last->hop = w->all->done;
    w->all->done = w->done;
    pthread_mutex_unlock(&w->all->lock);
    w->done = NULL;
    if (was_empty) {
        uv_async_send(&w->all->returned);
    }
}

/* false: it is to end. */
static bool take_inbox(struct worker *w)
{
    uint64_t count;
    (void)!read(w->wake, &count, sizeof count);
    pthread_mutex_lock(&w->lock);
    struct conn *c = w->inbox;
    bool stop = w->stop;
    w->inbox = NULL;
    pthread_mutex_unlock(&w->lock);
    while (c != NULL) {
        struct conn *next = c->hop;
        begin(w, c);
        c = next;
    }
    return !stop;
}

/* Until the next deadline; what has come in meanwhile is waited for, too. */
static int patience(const struct worker *w)
{
    if (w->first == NULL) {
        return -1;
    }
    int64_t left = w->first->deadline - now_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left + 1;
}

/* Of a thread alone: on Linux its id is that of a process, and the process's that of the loop. */
void net_give_way(void)
{
    int of_the_loop = getpriority(PRIO_PROCESS, (id_t)getpid());
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), of_the_loop + NET_NICENESS);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS];
    bool go_on = true;
    net_give_way();
    while (go_on) {
        int count = epoll_wait(w->epoll, events, EVENTS, patience(w));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                go_on = take_inbox(w);
            } else {
                drive(w, events[i].data.ptr);
            }
        }
        expire(w, now_ms());
        give_back(w);
    }
    while (w->first != NULL) {
        fail(w, w->first, ELO_E_TCP_CLOSED, LOG_DEBUG, "the server stops");
    }
    give_back(w);
    return NULL;
}

/* --- the loop's side ----------------------------------------------------------------------------
 */

void shakers_take(struct conn *c)
{
    c->shaking = true;
    c->deadline = net_time(c->net).mono_ms + LIMIT_HANDSHAKE_WAIT_MS;
    c->hop = c->net->to_shake;
    c->net->to_shake = c;
}

static struct worker *least_busy(struct shakers *all)
{
    struct worker *best = &all->workers[0];
    for (unsigned i = 1; i < all->count; i++) {
        best = all->workers[i].load < best->load ? &all->workers[i] : best;
    }
    return best;
}

/* The list in its order goes behind what the worker has not yet taken. */
static void hand_over(struct worker *w, struct conn *list)
{
    uint64_t one = 1;
    pthread_mutex_lock(&w->lock);
    struct conn **end = &w->inbox;
    bool was_empty = *end == NULL;
    while (*end != NULL) {
        end = &(*end)->hop;
    }
    *end = list;
    pthread_mutex_unlock(&w->lock);
    if (was_empty) {
        (void)!write(w->wake, &one, sizeof one);
    }
}

void shakers_send(struct net *net)
{
    struct conn *batch[LIMIT_IO_THREADS] = {NULL}; /* of each worker, the oldest first */
    struct conn *c = net->to_shake;
    if (c == NULL) {
        return;
    }
    net->to_shake = NULL;
    while (c != NULL) { /* the newest first */
        struct conn *next = c->hop;
        struct worker *w = least_busy(net->shakers);
        c->shaker = (unsigned)(w - net->shakers->workers);
        w->load++;
        c->hop = batch[c->shaker];
        batch[c->shaker] = c;
        c = next;
    }
    for (unsigned i = 0; i < net->shakers->count; i++) {
        if (batch[i] != NULL) {
            hand_over(&net->shakers->workers[i], batch[i]);
        }
    }
}

static void collect(struct shakers *all)
{
    pthread_mutex_lock(&all->lock);
    struct conn *c = all->done;
    all->done = NULL;
    pthread_mutex_unlock(&all->lock);
    while (c != NULL) {
        struct conn *next = c->hop;
        c->hop = NULL;
        all->workers[c->shaker].load--;
        conn_return(c);
        c = next;
    }
}

static void on_returned(uv_async_t *returned)
{
    collect(returned->data);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void close_worker(struct worker *w)
{
    if (w->epoll >= 0) {
        close(w->epoll);
    }
    if (w->wake >= 0) {
        close(w->wake);
    }
    pthread_mutex_destroy(&w->lock);
}

/* No signal is for a worker: the loop's thread takes them. */
static bool start(struct worker *w)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    sigset_t all, before;
    pthread_mutex_init(&w->lock, NULL);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool ok =
        w->epoll >= 0 && w->wake >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &event) == 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = ok && pthread_create(&w->thread, NULL, run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!ok) {
        close_worker(w);
    }
    return ok;
}

static void on_gone(uv_handle_t *handle)
{
    struct shakers *all = handle->data;
    pthread_mutex_destroy(&all->lock);
    mem_free(all);
}

static void end_threads(struct shakers *all)
{
    uint64_t one = 1;
    for (unsigned i = 0; i < all->count; i++) {
        struct worker *w = &all->workers[i];
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_mutex_unlock(&w->lock);
        (void)!write(w->wake, &one, sizeof one);
    }
    for (unsigned i = 0; i < all->count; i++) {
        pthread_join(all->workers[i].thread, NULL);
        close_worker(&all->workers[i]);
    }
}

struct shakers *shakers_start(struct net *net, unsigned threads, char *why, size_t why_cap)
{
    threads = threads < LIMIT_IO_THREADS ? threads : LIMIT_IO_THREADS;
    struct shakers *all = mem_zero(sizeof *all + threads * sizeof all->workers[0]);
    if (all == NULL || uv_async_init(&net->loop, &all->returned, on_returned) != 0) {
        mem_free(all);
        snprintf(why, why_cap, "not enough memory or file descriptors for --io-threads");
        return NULL;
    }
    all->net = net;
    all->returned.data = all;
    pthread_mutex_init(&all->lock, NULL);
    while (all->count < threads) {
        all->workers[all->count].all = all;
        if (!start(&all->workers[all->count])) {
            break;
        }
        all->count++;
    }
    if (all->count < threads) {
        end_threads(all);
        uv_close((uv_handle_t *)&all->returned, on_gone);
        snprintf(why, why_cap, "cannot start %u threads: fewer with --io-threads, or 0", threads);
        return NULL;
    }
    return all;
}

void shakers_stop(struct net *net)
{
    struct shakers *all = net->shakers;
    if (all == NULL) {
        return;
    }
    shakers_send(net);
    end_threads(all);
    collect(all);
    net->shakers = NULL;
    uv_close((uv_handle_t *)&all->returned, on_gone);
}
