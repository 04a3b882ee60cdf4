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

#include "server/base/mem.h"
#include "server/broker/internal.h"

#define SMALLEST 16u

struct route_kept {
    uint64_t generation;
    uint64_t permits; /* the authorizer's generation that `may_receive` is of */
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

/* An overlapping subscription: one copy, with the highest QoS. */
static void merge(struct target *known, const struct target *other)
{
    known->qos = other->qos > known->qos ? other->qos : known->qos;
    known->as_published = known->as_published || other->as_published;
    if (known->own_qos == QOS_NOTHING ||
        (other->own_qos != QOS_NOTHING && other->own_qos > known->own_qos)) {
        known->own_qos = other->own_qos;
    }
}

static void collect_target(struct router *r, const struct subscription *sub)
{
    struct session *s = sub->session;
    const struct target t = {.session = s,
                             .qos = sub->qos,
                             .own_qos = sub->no_local ? QOS_NOTHING : sub->qos,
                             .as_published = sub->as_published};
    if (s->route_round == r->round && !r->copy_each) {
        merge(&r->targets[s->route_place], &t);
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
    r->targets[r->target_count++] = t;
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
        collect_target(r, node->plain.items[i]);
    }
    for (struct share_group *g = node->groups; g != NULL; g = g->next) {
        collect_group(r, g);
    }
}

static struct route_kept *copy_of(const struct route *route, const struct publication *p)
{
    size_t targets = route->target_count * sizeof(struct target);
    size_t groups = route->group_count * sizeof(struct share_group *);
    struct route_kept *kept = mem_alloc(sizeof *kept + targets + groups + p->topic.len);
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
    memcpy(text, p->topic.ptr, p->topic.len);
    *kept = (struct route_kept){.hash = p->hash, .topic = elo_span_of(text, p->topic.len)};
    kept->route = (struct route){to, route->target_count, group, route->group_count};
    return kept;
}

/* Keeps the route if its topic is asked for again. Without memory it is just not kept. */
static void keep(struct route_slot *slot,
                 const struct tree *tree,
                 const struct publication *p,
                 const struct route *route)
{
    if (slot->missed != p->hash || route->target_count + route->group_count > ROUTE_TARGETS_MAX) {
        slot->missed = p->hash;
        return;
    }
    struct route_kept *kept = copy_of(route, p);
    if (kept != NULL) {
        kept->generation = tree->generation;
        mem_free(slot->kept);
        slot->kept = kept;
    }
}

/* Policies may have changed: everybody is asked again. */
static void forget_permits(struct route_kept *kept, uint64_t permits)
{
    kept->permits = permits;
    for (size_t i = 0; i < kept->route.target_count; i++) {
        kept->route.targets[i].may_receive = false;
    }
}

elo_err broker__route(struct router *r,
                      const struct tree *tree,
                      const struct publication *p,
                      uint64_t permits,
                      struct route *out)
{
    struct route_slot *slot = &r->slots[p->hash & (ROUTES_KEPT - 1)];
    struct route_kept *kept = slot->kept;
    if (kept != NULL && kept->generation == tree->generation && kept->hash == p->hash &&
        elo_span_eq(kept->topic, p->topic)) {
        if (kept->permits != permits) {
            forget_permits(kept, permits);
        }
        *out = kept->route;
        return ELO_OK;
    }
    r->round++;
    r->target_count = 0;
    r->group_count = 0;
    r->failed = false;
    broker__tree_match(tree, p->topic, collect, r);
    if (r->failed) {
        return ELO_E_NO_MEMORY;
    }
    *out = (struct route){r->targets, r->target_count, r->groups, r->group_count};
    keep(slot, tree, p, out);
    return ELO_OK;
}
