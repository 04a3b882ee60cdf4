// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a filter is walked level by level from the root, making nodes that are not there.
 * A removed subscription takes with it the nodes that lead to nothing else, leaf first.
 *
 * Matching goes down from the root with at most three ways at each level (the literal child, `+`,
 * and `#`, which ends there). The walk is recursive, its depth the number of levels: at most
 * TREE_LEVELS_MAX, because longer topics are refused before they come here.
 */
#include "server/broker/tree.h"

#include "elo/mqtt/topic.h"
#include "server/base/map.h"
#include "server/base/mem.h"

#define BUCKETS_SMALLEST 64u
#define LIST_SMALLEST    2u

static uint32_t child_hash(const struct tree_node *parent, uint32_t level_hash)
{
    return level_hash ^ (uint32_t)((uintptr_t)parent >> 4) * 0x9e3779b1u;
}

static elo_span level_of(const struct tree_node *node)
{
    return elo_span_of(node->level, node->level_len);
}

static bool is(elo_span level, char wildcard)
{
    return level.len == 1 && level.ptr[0] == (uint8_t)wildcard;
}

/* --- lists --------------------------------------------------------------------------------------
 */

static bool list_add(struct subscription_list *list, struct subscription *s)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap == 0 ? LIST_SMALLEST : list->cap * 2;
        struct subscription **items = mem_grow(list->items, cap * sizeof(struct subscription *));
        if (items == NULL) {
            return false;
        }
        list->items = items;
        list->cap = cap;
    }
    s->place = list->count;
    list->items[list->count++] = s;
    return true;
}

/* The last one takes the place of the one that goes. */
static void list_remove(struct subscription_list *list, struct subscription *s)
{
    struct subscription *last = list->items[--list->count];
    list->items[s->place] = last;
    last->place = s->place;
    if (list->count == 0) {
        mem_free(list->items);
        *list = (struct subscription_list){0};
    }
}

/* --- nodes --------------------------------------------------------------------------------------
 */

static struct tree_node *node_new(struct tree_node *parent, elo_span level)
{
    struct tree_node *node = mem_zero(sizeof *node + level.len);
    if (node == NULL) {
        return NULL;
    }
    node->parent = parent;
    node->level_len = level.len;
    if (level.len > 0) {
        memcpy(node->level, level.ptr, level.len);
    }
    return node;
}

static struct tree_node **bucket_of(const struct tree *t, uint32_t hash)
{
    return &t->buckets[hash & (t->bucket_count - 1)];
}

static struct tree_node *find_literal(const struct tree *t,
                                      const struct tree_node *parent,
                                      elo_span level,
                                      uint32_t level_hash)
{
    uint32_t hash = child_hash(parent, level_hash);
    struct tree_node *n = *bucket_of(t, hash);
    while (n != NULL &&
           !(n->hash == hash && n->parent == parent && elo_span_eq(level_of(n), level))) {
        n = n->next;
    }
    return n;
}

/* Where a wildcard child hangs; NULL: the level is a literal. */
static struct tree_node **wild_place(struct tree_node *parent, elo_span level)
{
    return is(level, '+') ? &parent->plus : is(level, '#') ? &parent->rest : NULL;
}

/* More buckets when there are as many nodes. Without memory the chains just grow longer. */
static void spread(struct tree *t)
{
    size_t count = t->bucket_count * 2;
    struct tree_node **wider = mem_zero(count * sizeof(struct tree_node *));
    if (wider == NULL) {
        return;
    }
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct tree_node *n = t->buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            n->next = wider[n->hash & (count - 1)];
            wider[n->hash & (count - 1)] = n;
        }
    }
    mem_free(t->buckets);
    t->buckets = wider;
    t->bucket_count = count;
}

static void hang(struct tree *t, struct tree_node *node)
{
    struct tree_node **wild = wild_place(node->parent, level_of(node));
    node->parent->children++;
    if (wild != NULL) {
        *wild = node;
        return;
    }
    if (++t->node_count > t->bucket_count) {
        spread(t);
    }
    node->hash = child_hash(node->parent, map_hash(level_of(node)));
    struct tree_node **bucket = bucket_of(t, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void unhang(struct tree *t, struct tree_node *node)
{
    struct tree_node **at = wild_place(node->parent, level_of(node));
    node->parent->children--;
    if (at != NULL) {
        *at = NULL;
        return;
    }
    at = bucket_of(t, node->hash);
    while (*at != node) {
        at = &(*at)->next;
    }
    *at = node->next;
    t->node_count--;
}

static struct tree_node *child(struct tree *t, struct tree_node *parent, elo_span level)
{
    struct tree_node **wild = wild_place(parent, level);
    struct tree_node *node = wild ? *wild : find_literal(t, parent, level, map_hash(level));
    if (node == NULL && (node = node_new(parent, level)) != NULL) {
        hang(t, node);
    }
    return node;
}

/* Frees the nodes from `node` towards the root that lead to nothing. */
static void prune(struct tree *t, struct tree_node *node)
{
    while (node->parent != NULL && node->children == 0 && node->plain.count == 0 &&
           node->groups == NULL) {
        struct tree_node *parent = node->parent;
        unhang(t, node);
        mem_free(node);
        node = parent;
    }
}

/* The node a filter leads to, made if need be. NULL: out of memory, nothing left behind. */
static struct tree_node *walk(struct tree *t, elo_span filter)
{
    struct tree_node *node = t->root;
    elo_span level;
    bool done = false;
    while (elo_topic_next_level(&filter, &done, &level)) {
        struct tree_node *next = child(t, node, level);
        if (next == NULL) {
            prune(t, node);
            return NULL;
        }
        node = next;
    }
    return node;
}

/* --- groups -------------------------------------------------------------------------------------
 */

static struct share_group *group_at(struct tree_node *node, elo_span name)
{
    struct share_group *g = node->groups;
    while (g != NULL && !elo_span_eq(elo_span_of(g->name, g->name_len), name)) {
        g = g->next;
    }
    if (g != NULL || (g = mem_zero(sizeof *g + name.len)) == NULL) {
        return g;
    }
    g->node = node;
    g->name_len = name.len;
    memcpy(g->name, name.ptr, name.len);
    g->next = node->groups;
    node->groups = g;
    return g;
}

static void group_prune(struct share_group *group)
{
    if (group == NULL || group->members.count > 0) {
        return;
    }
    struct share_group **at = &group->node->groups;
    while (*at != group) {
        at = &(*at)->next;
    }
    *at = group->next;
    mem_free(group);
}

/* --- the tree -----------------------------------------------------------------------------------
 */

bool broker__tree_init(struct tree *t)
{
    *t = (struct tree){.bucket_count = BUCKETS_SMALLEST, .generation = 1};
    t->root = node_new(NULL, elo_span_of(NULL, 0));
    t->buckets = mem_zero(BUCKETS_SMALLEST * sizeof(struct tree_node *));
    if (t->root != NULL && t->buckets != NULL) {
        return true;
    }
    broker__tree_free(t);
    return false;
}

void broker__tree_free(struct tree *t)
{
    mem_free(t->root);
    mem_free(t->buckets);
    *t = (struct tree){0};
}

static struct subscription *subscription_new(struct session *session, elo_span literal)
{
    struct subscription *s = mem_zero(sizeof *s + literal.len);
    if (s != NULL) {
        s->session = session;
        s->filter_len = (uint16_t)literal.len;
        memcpy(s->filter, literal.ptr, literal.len);
    }
    return s;
}

/* Puts it into the list it belongs to. */
static bool enlist(struct tree *t, struct subscription *s, elo_span share, elo_span filter)
{
    s->node = walk(t, filter);
    if (s->node == NULL) {
        return false;
    }
    if (share.len == 0) {
        return list_add(&s->node->plain, s);
    }
    s->group = group_at(s->node, share);
    return s->group != NULL && list_add(&s->group->members, s);
}

struct subscription *broker__tree_add(
    struct tree *t, struct session *session, elo_span literal, elo_span share, elo_span filter)
{
    struct subscription *s = subscription_new(session, literal);
    if (s == NULL) {
        return NULL;
    }
    if (!enlist(t, s, share, filter)) {
        if (s->node != NULL) {
            group_prune(s->group);
            prune(t, s->node);
        }
        mem_free(s);
        return NULL;
    }
    t->generation++;
    return s;
}

void broker__tree_remove(struct tree *t, struct subscription *s)
{
    list_remove(s->group ? &s->group->members : &s->node->plain, s);
    group_prune(s->group);
    prune(t, s->node);
    mem_free(s);
    t->generation++;
}

/* --- matching -----------------------------------------------------------------------------------
 */

struct matching {
    const struct tree *tree;
    void (*each)(void *ctx, const struct tree_node *node);
    void *ctx;
    elo_span levels[TREE_LEVELS_MAX];
    uint32_t hashes[TREE_LEVELS_MAX];
    size_t count;
    bool hidden; /* the name starts with `$` */
};

static bool split(struct matching *m, elo_span topic)
{
    elo_span level;
    bool done = false;
    while (elo_topic_next_level(&topic, &done, &level)) {
        if (m->count == TREE_LEVELS_MAX) {
            return false;
        }
        m->levels[m->count] = level;
        m->hashes[m->count++] = map_hash(level);
    }
    return true;
}

static void descend(const struct matching *m, const struct tree_node *node, size_t depth)
{
    if (depth == m->count) {
        m->each(m->ctx, node);
        return;
    }
    bool wild = depth > 0 || !m->hidden; /* [MQTT-4.7.2-1] */
    if (wild && node->rest != NULL) {
        m->each(m->ctx, node->rest);
    }
    if (wild && node->plus != NULL) {
        descend(m, node->plus, depth + 1);
    }
    const struct tree_node *literal =
        find_literal(m->tree, node, m->levels[depth], m->hashes[depth]);
    if (literal != NULL) {
        descend(m, literal, depth + 1);
    }
}

void broker__tree_match(const struct tree *t,
                        elo_span topic,
                        void (*each)(void *ctx, const struct tree_node *node),
                        void *ctx)
{
    struct matching m = {.tree = t, .each = each, .ctx = ctx};
    m.hidden = topic.len > 0 && topic.ptr[0] == '$';
    if (split(&m, topic)) {
        descend(&m, t->root, 0);
    }
}
