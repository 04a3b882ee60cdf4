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

static void tell(struct conn *c, const char *limit, unsigned most)
{
    struct net *net = c->net;
    int64_t now = net_time(net).mono_ms;
    net->crowd.refused++;
    net->crowd.refused_ever++;
    if (net->crowd.refused_ever > 1 && now - net->crowd.told_ms < TELL_EVERY_MS) {
        return;
    }
    log_line(net->config.log, LOG_WARN, ELO_E_OVERLOAD,
             "%" PRIu64 " connections refused, the last from %s: %u unfinished TLS handshakes %s "
             "are the most that are taken",
             net->crowd.refused, c->ip, most, limit);
    net->crowd.refused = 0;
    net->crowd.told_ms = now;
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
    if (crowd->count >= LIMIT_HANDSHAKES) {
        tell(c, "in all", LIMIT_HANDSHAKES);
        return false;
    }
    struct visitor *v = visitor_of(c);
    if (v != NULL && v->count >= LIMIT_HANDSHAKES_PER_IP) {
        tell(c, "of one address", LIMIT_HANDSHAKES_PER_IP);
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
