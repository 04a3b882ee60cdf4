// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: who has subscribed to what.
 *
 * A tree of topic levels. A node's literal children are found in one hash table of all nodes, by
 * parent and level; `+` and `#` hang directly on their parent. A subscription lies at the node its
 * filter leads to, a shared one in a group there.
 *
 * Every change raises `generation`: what was resolved before is then out of date (route.h).
 */
#ifndef ELO_SERVER_BROKER_TREE_H
#define ELO_SERVER_BROKER_TREE_H

#include "elo/base/err.h"
#include "elo/base/span.h"
#include "server/base/limits.h"

struct session;
struct tree_node;

/* The deepest topic or filter: AWS's 8 levels, and $aws/commands/... that has 9. */
#define TREE_LEVELS_MAX (LIMIT_TOPIC_SLASHES + 2u)

/* A growable list of subscriptions; each knows its place in it. */
struct subscription_list {
    struct subscription **items;
    uint32_t count;
    uint32_t cap;
};

struct share_queue;

/* The members of one $share/NAME/FILTER; key: name and filter ("MQTT", Shared subscriptions). */
struct share_group {
    struct share_group *next; /* at the same node */
    struct tree_node *node;
    struct subscription_list members;
    struct share_queue
        *waiting; /* QoS 1 messages no member could take (share.c); NULL: none ever */
    int64_t row;  /* in the store, of what waits; 0: nothing is stored */
    size_t name_len;
    uint8_t name[];
};

struct subscription {
    struct session *session;
    struct tree_node *node;
    struct share_group *group; /* NULL: not shared */
    uint32_t place;            /* in the node's or the group's list */
    uint16_t filter_len;
    uint8_t qos;         /* granted */
    bool no_local;       /* MQTT 5: not what its own client publishes */
    bool as_published;   /* MQTT 5: RETAIN is passed on as it was published */
    uint32_t share_left; /* shared: what it may still get of its group's queue in this second */
    uint8_t filter[];
};

static inline elo_span broker__subscription_filter(const struct subscription *s)
{
    return elo_span_of(s->filter, s->filter_len);
}

struct tree_node {
    struct tree_node *parent; /* NULL: the root */
    struct tree_node *next;   /* in the same bucket */
    struct tree_node *plus;
    struct tree_node *rest; /* the `#` child */
    uint32_t hash;          /* of parent and level */
    uint32_t children;
    struct subscription_list plain;
    struct share_group *groups;
    size_t level_len;
    uint8_t level[];
};

struct tree {
    struct tree_node *root;
    struct tree_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    uint64_t generation;
};

ELO_MUST_USE bool broker__tree_init(struct tree *t);
void broker__tree_free(struct tree *t); /* it must be empty of subscriptions */

/*
 * Adds a subscription. `share` is empty for an ordinary one; `filter` then is the whole filter,
 * otherwise what follows $share/NAME/; `literal` is what the client wrote, which the subscription
 * keeps. NULL: out of memory, nothing changed.
 */
struct subscription *broker__tree_add(
    struct tree *t, struct session *session, elo_span literal, elo_span share, elo_span filter);

/* Removes it from the tree and frees it. */
void broker__tree_remove(struct tree *t, struct subscription *s);

/*
 * Calls `each` with every node whose filter matches the topic name, in no particular order. `a/#`
 * does not match `a`, wildcards at the front do not match `$` names [MQTT-4.7.2-1].
 */
void broker__tree_match(const struct tree *t,
                        elo_span topic,
                        void (*each)(void *ctx, const struct tree_node *node),
                        void *ctx);

#endif
