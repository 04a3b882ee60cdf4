// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How many handshakes may be under way: in all, and of one address. Beyond that the newest is
 * refused, so that a flood of connects, or somebody who begins handshakes and leaves them, costs a
 * bounded amount of memory and takes nothing from those who are connected. A refusal is counted,
 * and told once per second at most.
 */
#include <inttypes.h>

#include "server/base/limits.h"
#include "server/base/mem.h"
#include "server/net/internal.h"

enum { TELL_EVERY_MS = 1000 };

/* The unfinished handshakes of one address. */
struct visitor {
    size_t count;
    char ip[46];
};

uint64_t refusals_add(struct net *net, struct refusals *r)
{
    int64_t now = net_time(net).mono_ms;
    r->count++;
    r->ever++;
    if (r->ever > 1 && now - r->told_ms < TELL_EVERY_MS) {
        return 0;
    }
    uint64_t count = r->count;
    r->count = 0;
    r->told_ms = now;
    return count;
}

static void tell(struct conn *c, const char *whose, const char *limit, uint32_t most)
{
    uint64_t refused = refusals_add(c->net, &c->net->crowd.refused);
    if (refused > 0) {
        log_line(c->net->config.log, LOG_WARN, ELO_E_OVERLOAD,
                 "%" PRIu64 " connections refused, the last from %s: %" PRIu32
                 " unfinished TLS handshakes %s are the most that are taken (--limit %s)",
                 refused, c->ip, most, whose, limit);
    }
}

static struct visitor *visitor_of(struct conn *c)
{
    struct map *by_ip = &c->net->crowd.by_ip;
    struct visitor *v = map_get(by_ip, elo_span_str(c->ip));
    if (v == NULL) {
        v = mem_zero(sizeof *v);
        if (v == NULL) {
            return NULL;
        }
        memcpy(v->ip, c->ip, sizeof v->ip);
        if (!map_put(by_ip, elo_span_str(v->ip), v)) {
            mem_free(v);
            return NULL;
        }
    }
    return v;
}

bool crowd_enter(struct conn *c)
{
    struct crowd *crowd = &c->net->crowd;
    const struct limits *limits = &c->net->limits;
    if (crowd->count >= limits->handshakes) {
        tell(c, "in all", "handshakes", limits->handshakes);
        return false;
    }
    struct visitor *v = visitor_of(c);
    if (v != NULL && v->count >= limits->handshakes_per_ip) {
        tell(c, "of one address", "handshakes-per-address", limits->handshakes_per_ip);
        return false;
    }
    if (v == NULL) {
        return false;
    }
    v->count++;
    crowd->count++;
    c->counted = true;
    return true;
}

void crowd_leave(struct conn *c)
{
    if (!c->counted) {
        return;
    }
    struct crowd *crowd = &c->net->crowd;
    struct visitor *v = map_get(&crowd->by_ip, elo_span_str(c->ip));
    c->counted = false;
    crowd->count--;
    if (--v->count == 0) {
        (void)map_remove(&crowd->by_ip, elo_span_str(c->ip));
        mem_free(v);
    }
}

void crowd_free(struct net *net)
{
    struct visitor *v;
    for (size_t i = 0; (v = map_next(&net->crowd.by_ip, &i)) != NULL;) {
        mem_free(v);
    }
    map_free(&net->crowd.by_ip);
}
