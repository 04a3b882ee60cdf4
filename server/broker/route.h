// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Private to server/broker: from a topic name to its receivers.
 *
 * A route is the list of sessions a topic goes to, each once with the highest QoS of its matching
 * subscriptions (or once for each, with the switch), and of the shared groups that match. Routes of
 * topics that are used again are kept and found by one hash and one comparison; any change to a
 * subscription puts all of them out of date at once, by the tree's generation.
 *
 * A kept route also remembers who may receive the topic, so that what goes to many is not asked of
 * each policy each time. That holds for as long as the authorizer's generation does; a session that
 * gets another connection counts as a change to its subscriptions.
 */
#ifndef ELO_SERVER_BROKER_ROUTE_H
#define ELO_SERVER_BROKER_ROUTE_H

#include "server/broker/message.h"
#include "server/broker/tree.h"

#define QOS_NOTHING 255u

struct target {
    struct session *session;
    uint8_t qos;       /* for what others publish, and for what it publishes itself (No Local): */
    uint8_t own_qos;   /* QOS_NOTHING: not at all */
    bool as_published; /* RETAIN is passed on */
    bool may_receive;  /* its policy has said so; false: to be asked */
};

struct route {
    struct target *targets;
    size_t target_count;
    struct share_group *const *groups;
    size_t group_count;
};

#define ROUTES_KEPT       1024u /* a power of two */
#define ROUTE_TARGETS_MAX 4096u /* bounds what the kept ones take */

struct route_slot {
    struct route_kept *kept;
    uint32_t missed; /* hash of the last topic that was not found here */
};

struct router {
    struct target *targets; /* where a route is resolved */
    size_t target_count;
    size_t target_cap;
    struct share_group **groups;
    size_t group_count;
    size_t group_cap;
    uint64_t round; /* of resolving: session->route_round */
    bool failed;
    bool copy_each; /* a session with several matching subscriptions is several targets */
    struct route_slot slots[ROUTES_KEPT];
};

void broker__router_free(struct router *r);

/*
 * Who receives the publication now; `permits` is the authorizer's generation. `*out` is valid until
 * the next call or the next change to the tree. ELO_E_NO_MEMORY.
 */
ELO_MUST_USE elo_err broker__route(struct router *r,
                                   const struct tree *tree,
                                   const struct publication *p,
                                   uint64_t permits,
                                   struct route *out);

#endif
