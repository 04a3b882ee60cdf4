// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a link is two bounded pipes. What is written to one comes out later, in pieces
 * cut anywhere; the writer finds it full when the reader is slow. A broken link carries nothing any
 * more, one direction perhaps a while longer than the other, and either end hears of it at once,
 * later, or never: then only its own timeouts help.
 *
 * The server's end of a link is with a worker first, for its TLS handshake. The core hears of it
 * when it is done: after a moment or many seconds, in any order, long after the device has written
 * its CONNECT or has given it up and dialled again; or not at all, because it failed or the line
 * broke meanwhile.
 *
 * Closing is TCP's: what had been written still arrives, then the end; or, as with a reset, some of
 * it does not.
 */
#include "server/base/limits.h"
#include "tests/support/world_parts.h"

#define PIECE_MS_MAX 40 /* between two pieces: a message must not take for ever */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- dialling ----------------------------------------------------------------------------------
 */

static struct world_link *vacant(struct world *w)
{
    for (size_t i = 0; i < WORLD_LINKS; i++) {
        if (!w->links[i].used) {
            w->links_high = i < w->links_high ? w->links_high : i + 1;
            return &w->links[i];
        }
    }
    world_fail(w, "more than %u links are open at once", WORLD_LINKS);
    return NULL;
}

static size_t some_capacity(struct world *w)
{
    return world_one_in(w, 4) ? 16 + (size_t)world_roll(w, 100)
                              : 200 + (size_t)world_roll(w, WORLD_PIPE - 200);
}

static void pipe_init(struct world *w, struct world_pipe *p)
{
    p->len = 0;
    p->cap = some_capacity(w);
    p->ready_at = WORLD_NEVER;
    p->dies_at = WORLD_NEVER;
    p->carried = 0;
    p->break_at = UINT64_MAX;
    p->fin = false;
}

/* What will go wrong with it. */
static void choose_troubles(struct world *w, struct world_link *l)
{
    if (w->flood) { /* only one hears nothing for a while */
        if (l->device->who == WORLD_PUMP_1) {
            l->stall_at = w->now + world_within(w, 1500, 3000);
            l->stall_ms = world_within(w, 25000, 40000);
        }
        return;
    }
    if (world_one_in(w, w->break_one_in)) {
        switch (world_roll(w, 4)) {
        case 0:
            l->up.break_at = 1 + world_roll(w, 1500);
            break;
        case 1:
            l->down.break_at = 1 + world_roll(w, 1500);
            break;
        case 2: /* the answer to the CONNECT, or what follows at once */
            l->break_at = l->open_at + world_within(w, 0, 600);
            break;
        default:
            l->break_at = w->now + world_within(w, 0, 90000);
        }
    }
    if (w->burst && world_one_in(w, 2)) { /* much comes together behind it */
        l->stall_at = w->now + world_within(w, 1000, 5000);
        l->stall_ms = world_within(w, 5000, 40000);
    } else if (world_one_in(w, 8)) {
        l->stall_at = w->now + world_within(w, 0, 60000);
        l->stall_ms = world_within(w, 100, world_one_in(w, 2) ? 3000 : 150000);
    }
}

static void choose_opening(struct world *w, struct world_link *l)
{
    l->accept_at = w->now + world_within(w, 1, 300);
    l->open_at = l->accept_at + world_within(w, 0, 300);
    l->open_err = ELO_OK;
    if (w->calm || w->healed) {
        return;
    }
    static const elo_err errors[] = {ELO_E_DNS, ELO_E_TCP_REFUSED, ELO_E_TCP_TIMEOUT, ELO_E_NETWORK,
                                     ELO_E_TLS_HANDSHAKE};
    if (world_one_in(w, 8)) {
        l->open_err = errors[world_roll(w, sizeof errors / sizeof errors[0])];
        l->open_at = w->now + world_within(w, 0, 12000);
        bool reaches = world_one_in(w, 2); /* the server then waits for a CONNECT in vain */
        l->accept_at = reaches ? l->accept_at : WORLD_NEVER;
    }
    choose_troubles(w, l);
}

struct world_link *world_dial(struct world *w, struct world_device *d)
{
    struct world_link *l = vacant(w);
    if (l == NULL) {
        return NULL;
    }
    pipe_init(w, &l->up);
    pipe_init(w, &l->down);
    l->sent.len = 0;
    l->heard.len = 0;
    l->is = (struct world_standing){.client = WORLD_CLIENTS};
    l->used = true;
    l->device_side = true;
    l->server_side = false;
    l->shaking = false;
    l->shake_fails = false;
    l->broken = false;
    l->serial = ++w->link_serial;
    l->certificate = d->certificate;
    l->device = d;
    l->conn = NULL;
    l->break_at = WORLD_NEVER;
    l->stall_at = WORLD_NEVER;
    l->device_told_at = WORLD_NEVER;
    l->server_told_at = WORLD_NEVER;
    l->linger_until = WORLD_NEVER;
    bool good = w->calm || w->healed;
    l->stalled_until = w->now;
    l->piece = !good && world_one_in(w, 16) ? 3 : world_one_in(w, 4) ? 40 : WORLD_PIPE;
    l->delay_ms = !good && world_one_in(w, 4) ? 1500 : 60;
    choose_opening(w, l);
    w->tally.links++;
    world_note(w, "%s dials, link %u", world_name(d->who), l->serial);
    return l;
}

/* --- carrying ----------------------------------------------------------------------------------
 */

static void
wake_reader(struct world *w, const struct world_link *l, struct world_pipe *p, int64_t most_ms)
{
    if (p->ready_at == WORLD_NEVER) {
        p->ready_at = later(w->now + world_within(w, 0, most_ms), l->stalled_until);
    }
}

size_t world_write(struct world *w, struct world_link *l, struct world_pipe *p, elo_span bytes)
{
    size_t room = p->cap - p->len;
    size_t n = bytes.len < room ? bytes.len : room;
    if (n < bytes.len) {
        w->tally.backpressure++;
    }
    if (n == 0) {
        return 0;
    }
    memcpy(p->bytes + p->len, bytes.ptr, n);
    p->len += n;
    wake_reader(w, l, p, l->delay_ms);
    return n;
}

void world_hang_up(struct world *w, struct world_link *l, struct world_pipe *p)
{
    if (!w->calm && world_one_in(w, 4)) { /* a reset: the rest may be lost */
        p->len = (size_t)world_roll(w, p->len + 1);
    }
    p->fin = true;
    wake_reader(w, l, p, l->delay_ms);
}

void world_link_tidy(struct world_link *l)
{
    if (!l->device_side && !l->server_side && l->accept_at == WORLD_NEVER) {
        l->used = false;
    }
}

static int64_t told_at(struct world *w)
{
    switch (world_roll(w, 4)) {
    case 0:
        return w->now;
    case 1:
        return w->now + world_within(w, 1, 2000);
    case 2:
        return w->now + world_within(w, 1, 200000);
    default:
        return WORLD_NEVER;
    }
}

static void link_break(struct world *w, struct world_link *l)
{
    if (l->broken || w->healed) {
        return;
    }
    l->broken = true;
    l->break_at = WORLD_NEVER;
    l->up.dies_at = world_one_in(w, 3) ? w->now + world_within(w, 1, 5000) : w->now;
    l->down.dies_at =
        l->up.dies_at == w->now && world_one_in(w, 3) ? w->now + world_within(w, 1, 5000) : w->now;
    l->device_told_at = told_at(w);
    l->server_told_at = told_at(w);
    w->tally.breaks++;
    world_note(w, "link %u breaks", l->serial);
}

static void link_stall(struct world *w, struct world_link *l)
{
    l->stall_at = WORLD_NEVER;
    if (w->healed) {
        return;
    }
    l->stalled_until = w->now + l->stall_ms;
    l->up.ready_at = later(l->up.ready_at, l->stalled_until);
    l->down.ready_at = later(l->down.ready_at, l->stalled_until);
    w->tally.stalls++;
    world_note(w, "link %u stalls for %lld ms", l->serial, (long long)l->stall_ms);
}

/* How much comes out now. The break is at a byte, so nothing beyond it does. */
static size_t piece(struct world *w, const struct world_link *l, const struct world_pipe *p)
{
    size_t n = p->len < l->piece ? p->len : l->piece;
    n = n == 0 ? 0 : 1 + (size_t)world_roll(w, n);
    uint64_t left = p->break_at - p->carried;
    return n > left ? (size_t)left : n;
}

/* Takes `n` bytes out; the break comes behind them, or the next piece. */
static void carried(struct world *w, struct world_link *l, struct world_pipe *p, size_t n)
{
    p->len -= n;
    memmove(p->bytes, p->bytes + n, p->len);
    p->carried += n;
    p->ready_at = WORLD_NEVER;
    if (p->len > 0 || p->fin) {
        wake_reader(w, l, p, sooner(l->delay_ms / 4, PIECE_MS_MAX));
    }
    if (p->carried == p->break_at) {
        p->break_at = UINT64_MAX;
        link_break(w, l);
    }
}

/* Nothing comes out of it: nobody reads, or it is dead. */
static bool silent(const struct world *w, struct world_pipe *p, bool read)
{
    if (read && w->now < p->dies_at) {
        return false;
    }
    p->ready_at = WORLD_NEVER;
    return true;
}

static void run_up(struct world *w, struct world_link *l)
{
    struct world_pipe *p = &l->up;
    if (l->accept_at != WORLD_NEVER && !l->server_side) {
        p->ready_at = l->accept_at; /* nobody is there yet */
        return;
    }
    if (silent(w, p, l->server_side)) {
        return;
    }
    if (p->len == 0) {
        p->ready_at = WORLD_NEVER;
        if (p->fin) {
            world_desk_close(w, l, ELO_E_TCP_CLOSED);
        }
        return;
    }
    uint8_t bytes[WORLD_PIPE];
    size_t n = piece(w, l, p);
    memcpy(bytes, p->bytes, n);
    carried(w, l, p, n);
    world_desk_read(w, l, elo_span_of(bytes, n));
    if (l->device_side) {
        world_device_run(w, l->device); /* there is room again */
    }
}

static void run_down(struct world *w, struct world_link *l)
{
    struct world_pipe *p = &l->down;
    if (l->open_at != WORLD_NEVER) {
        p->ready_at = l->open_at;
        return;
    }
    if (silent(w, p, l->device_side)) {
        return;
    }
    if (p->len == 0) {
        p->ready_at = WORLD_NEVER;
        if (p->fin) {
            world_device_closed(w, l->device, ELO_E_TCP_CLOSED);
        }
        return;
    }
    size_t n = world_device_read(w, l->device, elo_span_of(p->bytes, piece(w, l, p)));
    if (!l->device_side) {
        return; /* it has closed while it read */
    }
    if (n == 0) { /* the application was busy: it is for long, or has just now had the time */
        bool still = l->device->app_at > w->now && l->device->app_at != WORLD_NEVER;
        p->ready_at = still ? l->device->app_at : w->now + 1;
        return;
    }
    carried(w, l, p, n);
    if (l->server_side) {
        world_desk_write(w, l);
    }
}

/* --- time --------------------------------------------------------------------------------------
 */

int64_t world_link_next(const struct world_link *l)
{
    int64_t at = sooner(sooner(l->accept_at, l->open_at), sooner(l->break_at, l->stall_at));
    at = sooner(at, sooner(l->device_told_at, l->server_told_at));
    at = sooner(at, l->linger_until);
    return sooner(at, sooner(l->up.ready_at, l->down.ready_at));
}

/* How long its worker has it. */
static int64_t shaking_ms(struct world *w)
{
    bool good = w->calm || w->healed || w->flood;
    return world_within(w, 0, !good && world_one_in(w, 4) ? LIMIT_HANDSHAKE_WAIT_MS : 100);
}

/* With TLS 1.2 the device's handshake ends after the server's, with 1.3 before it. */
static void give_to_worker(struct world *w, struct world_link *l)
{
    bool good = w->calm || w->healed || w->flood;
    l->shaking = true;
    l->shake_fails = !good && world_one_in(w, 16);
    l->accept_at = w->now + shaking_ms(w);
    if (l->device_side && l->open_at != WORLD_NEVER && l->open_err == ELO_OK &&
        world_one_in(w, 2)) {
        l->open_at = later(l->open_at, l->accept_at + world_within(w, 0, 100));
    }
    world_note(w, "link %u of %s is with a worker", l->serial, world_name(l->device->who));
}

/* The core never hears of it; the device does. */
static void fail_handshake(struct world *w, struct world_link *l)
{
    world_note(w, "link %u of %s: the handshake fails", l->serial, world_name(l->device->who));
    l->shaking = false;
    l->accept_at = WORLD_NEVER;
    if (l->open_at != WORLD_NEVER && l->open_err == ELO_OK) {
        l->open_err = ELO_E_TLS_HANDSHAKE;
        l->open_at = w->now;
    }
    world_hang_up(w, l, &l->down);
    w->tally.shakes_failed++;
}

/* Others of this device that the core has, and which of them came after it. */
static void note_order(struct world *w, const struct world_link *l)
{
    for (size_t i = 0; i < w->links_high; i++) {
        const struct world_link *other = &w->links[i];
        bool beside = other != l && other->used && other->server_side && other->device == l->device;
        w->tally.twins += beside;
        w->tally.overtaken += beside && other->serial > l->serial;
    }
}

static void end_shaking(struct world *w, struct world_link *l)
{
    if (l->shake_fails) {
        fail_handshake(w, l);
        return;
    }
    l->shaking = false;
    l->accept_at = WORLD_NEVER;
    w->tally.shaken++;
    w->tally.shaken_late += l->up.len > 0; /* the CONNECT is there before the core is */
    w->tally.shaken_dead += l->broken || !l->device_side;
    note_order(w, l);
    world_desk_accept(w, l);
}

/* The process of the worker ends. */
void world_link_forget(struct world *w, struct world_link *l)
{
    if (l->shaking) {
        fail_handshake(w, l);
    }
}

static void run_accept(struct world *w, struct world_link *l)
{
    if (l->shaking) {
        end_shaking(w, l);
    } else if (w->now < w->down_until) {
        l->accept_at = WORLD_NEVER;
        l->open_err = ELO_E_TCP_REFUSED;
        l->open_at = l->device_side ? w->now : WORLD_NEVER;
    } else {
        give_to_worker(w, l);
    }
}

static void run_opening(struct world *w, struct world_link *l)
{
    if (l->accept_at <= w->now) {
        run_accept(w, l);
    }
    if (l->open_at <= w->now) {
        l->open_at = WORLD_NEVER;
        if (l->device_side) {
            world_device_opened(w, l->device, l->open_err);
        }
    }
}

static void run_told(struct world *w, struct world_link *l)
{
    if (l->device_told_at <= w->now) {
        l->device_told_at = WORLD_NEVER;
        if (l->device_side && l->open_at == WORLD_NEVER) {
            world_device_closed(w, l->device,
                                world_one_in(w, 2) ? ELO_E_TCP_CLOSED : ELO_E_NETWORK);
        }
    }
    if (l->server_told_at <= w->now) {
        l->server_told_at = WORLD_NEVER;
        if (l->server_side) {
            world_desk_close(w, l, ELO_E_TCP_CLOSED);
        } else if (l->shaking && world_one_in(w, 2)) {
            fail_handshake(w, l);
        } else if (l->shaking) { /* it was just done: the loop hears of it after all */
            l->server_told_at = l->accept_at;
        }
    }
}

void world_link_run(struct world *w, struct world_link *l)
{
    run_opening(w, l);
    if (l->stall_at <= w->now) {
        link_stall(w, l);
    }
    if (l->break_at <= w->now) {
        l->break_at = WORLD_NEVER;
        link_break(w, l);
    }
    run_told(w, l);
    if (l->linger_until <= w->now) {
        l->linger_until = WORLD_NEVER;
        if (l->server_side) {
            world_desk_close(w, l, ELO_OK);
        }
    }
    if (l->up.ready_at <= w->now) {
        run_up(w, l);
    }
    if (l->down.ready_at <= w->now) {
        run_down(w, l);
    }
    world_link_tidy(l);
}
