// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: resolving walks the tree and collects targets in the router's own arrays. To meet
 * each session once, a session notes in which round it was collected and where.
 *
 * A resolved route is kept when its slot has missed the same topic twice running, so that topics
 * that are used once cost nothing but the walk. A kept route is one allocation:
 *
 *      struct route_kept | targets | groups | topic
 */
#include "server/broker/route.h"

#include "server/base/map.h"
#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST 16u

struct route_kept {
    uint64_t generation;
    uint32_t hash;
    elo_span topic;
    struct route route;
};

void broker__router_free(struct router *r)
{
    for (size_t i = 0; i < ROUTES_KEPT; i++) {
        mem_free(r->slots[i].kept);
    }
    mem_free(r->targets);
    mem_free(r->groups);
}

/* Room for one more item of `size` bytes. */
static bool reserve(void **items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return true;
    }
    size_t wider = *cap == 0 ? SMALLEST : *cap * 2;
    void *grown = mem_grow(*items, wider * size);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *cap = wider;
    return true;
}

static void collect_target(struct router *r, struct session *s, uint8_t qos)
{
    if (s->route_round == r->round &&
        !r->copy_each) { /* an overlapping subscription: one copy, highest QoS */
        struct target *known = &r->targets[s->route_place];
        known->qos = qos > known->qos ? qos : known->qos;
        return;
    }
    void *items = r->targets;
    if (!reserve(&items, r->target_count, &r->target_cap, sizeof *r->targets)) {
        r->failed = true;
        return;
    }
    r->targets = items;
    s->route_round = r->round;
    s->route_place = (uint32_t)r->target_count;
    r->targets[r->target_count++] = (struct target){s, qos};
}

static void collect_group(struct router *r, struct share_group *group)
{
    void *items = r->groups;
    if (!reserve(&items, r->group_count, &r->group_cap, sizeof(struct share_group *))) {
        r->failed = true;
        return;
    }
    r->groups = items;
    r->groups[r->group_count++] = group;
}

static void collect(void *ctx, const struct tree_node *node)
{
    struct router *r = ctx;
    for (uint32_t i = 0; i < node->plain.count; i++) {
        collect_target(r, node->plain.items[i]->session, node->plain.items[i]->qos);
    }
    for (struct share_group *g = node->groups; g != NULL; g = g->next) {
        collect_group(r, g);
    }
}

static struct route_kept *copy_of(const struct route *route, elo_span topic, uint32_t hash)
{
    size_t targets = route->target_count * sizeof(struct target);
    size_t groups = route->group_count * sizeof(struct share_group *);
    struct route_kept *kept = mem_alloc(sizeof *kept + targets + groups + topic.len);
    if (kept == NULL) {
        return NULL;
    }
    struct target *to = (struct target *)(kept + 1);
    struct share_group **group = (struct share_group **)(to + route->target_count);
    uint8_t *text = (uint8_t *)(group + route->group_count);
    if (targets > 0) {
        memcpy(to, route->targets, targets);
    }
    if (groups > 0) {
        memcpy(group, route->groups, groups);
    }
    memcpy(text, topic.ptr, topic.len);
    *kept = (struct route_kept){.hash = hash, .topic = elo_span_of(text, topic.len)};
    kept->route = (struct route){to, route->target_count, group, route->group_count};
    return kept;
}

/* Keeps the route if its topic is asked for again. Without memory it is just not kept. */
static void keep(
    struct route_slot *slot, const struct route *route, elo_span topic, uint32_t hash, uint64_t gen)
{
    if (slot->missed != hash || route->target_count > ROUTE_TARGETS_MAX) {
        slot->missed = hash;
        return;
    }
    struct route_kept *kept = copy_of(route, topic, hash);
    if (kept != NULL) {
        kept->generation = gen;
        mem_free(slot->kept);
        slot->kept = kept;
    }
}

elo_err broker__route(struct router *r, const struct tree *tree, elo_span topic, struct route *out)
{
    uint32_t hash = map_hash(topic);
    struct route_slot *slot = &r->slots[hash & (ROUTES_KEPT - 1)];
    const struct route_kept *kept = slot->kept;
    if (kept != NULL && kept->generation == tree->generation && kept->hash == hash &&
        elo_span_eq(kept->topic, topic)) {
        *out = kept->route;
        return ELO_OK;
    }
    r->round++;
    r->target_count = 0;
    r->group_count = 0;
    r->failed = false;
    broker__tree_match(tree, topic, collect, r);
    if (r->failed) {
        return ELO_E_NO_MEMORY;
    }
    *out = (struct route){r->targets, r->target_count, r->groups, r->group_count};
    keep(slot, out, topic, hash, tree->generation);
    return ELO_OK;
}
