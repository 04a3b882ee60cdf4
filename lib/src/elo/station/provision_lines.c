// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Bytes between the board's lines and what answers on them. */
#include "elo/base/flash.h"
#include "elo/setup/dns.h"
#include "elo/station/provision_internal.h"

#define PIECE 64u

static const struct elo_board *board_of(const struct elo_provision *p)
{
    return p->_internal.config->station->board;
}

/* --- the serial line -----------------------------------------------------------------------------
 */

static bool hear(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    uint8_t in[PIECE];
    size_t n = board->console_read(board->ctx, in, sizeof in);
    elo_console_input(&p->console, elo_span_of(in, n), now);
    elo__provision_wipe(in, n); /* a passphrase, perhaps */
    return n > 0;
}

static bool speak(struct elo_provision *p)
{
    const struct elo_board *board = board_of(p);
    if (p->_internal.out_at == p->_internal.out_len) {
        p->_internal.out_at = 0;
        p->_internal.out_len =
            (uint8_t)elo_console_output(&p->console, p->_internal.out, sizeof p->_internal.out);
    }
    size_t left = (size_t)(p->_internal.out_len - p->_internal.out_at);
    size_t n = 0;
    if (left > 0) {
        n = board->console_write(board->ctx,
                                 elo_span_of(p->_internal.out + p->_internal.out_at, left));
        p->_internal.out_at = (uint8_t)(p->_internal.out_at + n);
    }
    return n > 0;
}

bool elo__provision_console(struct elo_provision *p, uint32_t now)
{
    if (board_of(p)->console_read == NULL) {
        return false;
    }
    bool busy = hear(p, now);
    elo_console_tick(&p->console, now);
    return speak(p) || busy;
}

/* --- the portal ----------------------------------------------------------------------------------
 */

static bool is_open(const struct elo_provision *p, unsigned i)
{
    return (p->_internal.conns_open >> i & 1u) != 0;
}

static void close_conn(struct elo_provision *p, unsigned i)
{
    elo_portal_close(&p->_internal.config->conns[i]);
    p->_internal.conns_open &= (uint16_t) ~(1u << i);
}

/* false: the connection has gone. */
static bool take_in(struct elo_provision *p, unsigned i, uint32_t now, bool *busy)
{
    const struct elo_board *board = board_of(p);
    struct elo_portal_conn *c = &p->_internal.config->conns[i];
    uint8_t in[PIECE];
    size_t n = 0;
    elo_err err = board->portal_read(board->ctx, i, in, sizeof in, &n);
    if (err == ELO_OK || err == ELO_NEED_MORE) {
        if (!is_open(p, i)) {
            elo_portal_open(c, &p->portal, now);
            p->_internal.conns_open |= (uint16_t)(1u << i);
        }
        if (err == ELO_OK) {
            (void)elo_portal_input(c, elo_span_of(in, n),
                                   now); /* the rest comes after the answer */
            *busy = true;
        }
        elo__provision_wipe(in, n);
        return true;
    }
    return false;
}

static void give_out(struct elo_provision *p, unsigned i, bool *busy)
{
    const struct elo_board *board = board_of(p);
    struct elo_portal_conn *c = &p->_internal.config->conns[i];
    uint8_t out[PIECE];
    size_t room = board->portal_room(board->ctx, i);
    size_t n = room > 0 ? elo_portal_output(c, out, room < sizeof out ? room : sizeof out) : 0;
    if (n > 0) {
        board->portal_write(board->ctx, i, elo_span_of(out, n));
        *busy = true;
    }
    if (elo_portal_finished(c)) {
        close_conn(p, i);
        board->portal_close(board->ctx, i);
    }
}

static void answer_name(const struct elo_provision *p)
{
    const struct elo_board *board = board_of(p);
    uint8_t *scratch = p->_internal.config->station->scratch; /* free between two steps */
    size_t half = p->_internal.config->station->scratch_size / 2, n = 0;
    size_t cap = half < ELO_DNS_QUERY_MAX ? half : ELO_DNS_QUERY_MAX;
    if (board->dns_read != NULL && board->dns_read(board->ctx, scratch, cap, &n) == ELO_OK) {
        n = elo_dns_answer(elo_span_of(scratch, n), board->portal_address, scratch + half, half);
        if (n > 0) {
            board->dns_write(board->ctx, elo_span_of(scratch + half, n));
        }
    }
}

bool elo__provision_portal(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    bool busy = false;
    if (board->portal_read == NULL || p->_internal.config->conns == NULL) {
        return false;
    }
    answer_name(p);
    for (unsigned i = 0; i < p->_internal.config->conn_count; i++) {
        if (take_in(p, i, now, &busy)) {
            elo_portal_tick(&p->_internal.config->conns[i], now);
            give_out(p, i, &busy);
        } else if (is_open(p, i)) {
            close_conn(p, i);
        }
    }
    return busy;
}
