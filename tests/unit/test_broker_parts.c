// links: server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The broker's parts against slower ways to the same answer: the topic tree and its routes against
 * elo_topic_matches() over a list, timers against a search, outputs against one long string, the
 * in-flight window against a list, reserved topics against a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo/mqtt/topic.h"
#include "server/broker/internal.h"
#include "server/broker/reserved.h"

static uint64_t seed;

static unsigned roll(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % below;
}

static int fresh_seed(void **state)
{
    (void)state;
    seed = 0x5eed5eed5eed;
    return 0;
}

/* --- tree and routes ----------------------------------------------------------------------------
 */

enum { CLIENTS = 12, SUBSCRIPTIONS = 60, ROUNDS = 3000 };

static void random_topic(char out[40], bool filter)
{
    static const char *const words[] = {"a", "b", "", "$x", "+", "#"};
    unsigned levels = 1 + roll(4);
    out[0] = '\0';
    size_t len = 0;
    for (unsigned i = 0; i < levels; i++) {
        unsigned pick = roll(filter ? (i + 1 == levels ? 6 : 5) : 4);
        len += (size_t)snprintf(out + len, 40 - len, "%s%s", i > 0 ? "/" : "", words[pick]);
    }
    if (len == 0) {
        snprintf(out, 40, "a");
    }
}

struct world {
    struct tree tree;
    struct router router;
    struct session *sessions[CLIENTS];
    struct {
        struct subscription *made;
        char filter[40];
        unsigned client;
    } subs[SUBSCRIPTIONS];
};

/* What one client should get at most: its highest QoS and one, 0 for nothing. */
static unsigned expected(const struct world *w, unsigned client, const char *topic)
{
    unsigned best = 0;
    for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
        if (w->subs[i].made != NULL && w->subs[i].client == client &&
            elo_topic_matches(elo_span_str(w->subs[i].filter), elo_span_str(topic), false)) {
            best = w->subs[i].made->qos + 1u > best ? w->subs[i].made->qos + 1u : best;
        }
    }
    return best;
}

static void change_a_subscription(struct world *w)
{
    unsigned i = roll(SUBSCRIPTIONS);
    if (w->subs[i].made != NULL) {
        broker__tree_remove(&w->tree, w->subs[i].made);
        w->subs[i].made = NULL;
        return;
    }
    w->subs[i].client = roll(CLIENTS);
    random_topic(w->subs[i].filter, true);
    elo_span filter = elo_span_str(w->subs[i].filter);
    w->subs[i].made = broker__tree_add(&w->tree, w->sessions[w->subs[i].client], filter,
                                       elo_span_of(NULL, 0), filter);
    assert_non_null(w->subs[i].made);
    w->subs[i].made->qos = (uint8_t)roll(2);
}

static void check_route(const struct world *w, const struct route *route, const char *topic)
{
    unsigned got[CLIENTS] = {0};
    for (size_t i = 0; i < route->target_count; i++) {
        for (unsigned c = 0; c < CLIENTS; c++) {
            if (route->targets[i].session == w->sessions[c]) {
                assert_int_equal(got[c], 0); /* one copy */
                got[c] = route->targets[i].qos + 1u;
            }
        }
    }
    for (unsigned c = 0; c < CLIENTS; c++) {
        assert_int_equal(got[c], expected(w, c, topic));
    }
}

/* Three times: resolved, resolved and kept, found. */
static void check_a_topic(struct world *w)
{
    char topic[40];
    random_topic(topic, false);
    const struct publication p = {.topic = elo_span_str(topic),
                                  .hash = map_hash(elo_span_str(topic))};
    for (unsigned i = 0; i < 3; i++) {
        struct route route;
        assert_int_equal(broker__route(&w->router, &w->tree, &p, 1, &route), ELO_OK);
        check_route(w, &route, topic);
    }
}

static void routes_are_what_matching_says(void **state)
{
    (void)state;
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_true(broker__tree_init(&w->tree));
    for (unsigned c = 0; c < CLIENTS; c++) {
        w->sessions[c] = calloc(1, sizeof(struct session));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        change_a_subscription(w);
        for (unsigned k = 0; k < 8; k++) {
            check_a_topic(w);
        }
    }
    for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
        if (w->subs[i].made != NULL) {
            broker__tree_remove(&w->tree, w->subs[i].made);
        }
    }
    assert_int_equal(w->tree.root->children, 0); /* every node is gone with its subscriptions */
    assert_int_equal(w->tree.node_count, 0);
    broker__tree_free(&w->tree);
    broker__router_free(&w->router);
    for (unsigned c = 0; c < CLIENTS; c++) {
        free(w->sessions[c]);
    }
    free(w);
}

/* --- timers -------------------------------------------------------------------------------------
 */

enum { TIMERS = 300 };

static int64_t earliest(const struct timer *all)
{
    int64_t min = INT64_MAX;
    for (unsigned i = 0; i < TIMERS; i++) {
        min = all[i].place != 0 && all[i].due_ms < min ? all[i].due_ms : min;
    }
    return min;
}

static void timers_ring_in_order(void **state)
{
    (void)state;
    struct timers t = {0};
    static struct timer all[TIMERS];
    for (unsigned i = 0; i < TIMERS; i++) {
        assert_true(broker__timers_join(&t, &all[i], TIMER_SESSION));
    }
    for (unsigned i = 0; i < 20000; i++) {
        struct timer *one = &all[roll(TIMERS)];
        if (roll(4) == 0) {
            broker__timers_cancel(&t, one);
        } else {
            broker__timers_set(&t, one, roll(1000));
        }
        assert_int_equal(broker__timers_next(&t), earliest(all));
    }
    int64_t last = 0;
    struct timer *rang;
    while ((rang = broker__timers_pop(&t, 500)) != NULL) {
        assert_true(rang->due_ms >= last && rang->due_ms <= 500);
        assert_int_equal(rang->place, 0);
        last = rang->due_ms;
    }
    assert_true(broker__timers_next(&t) > 500);
    for (unsigned i = 0; i < TIMERS; i++) {
        broker__timers_leave(&t, &all[i]);
    }
    assert_int_equal(broker__timers_next(&t), INT64_MAX);
    broker__timers_free(&t);
}

/* --- output -------------------------------------------------------------------------------------
 */

struct reference {
    uint8_t bytes[4000000];
    size_t from;
    size_t to;
};

static struct message *message_of(elo_span payload)
{
    const struct publication p = {
        .topic = ELO_SPAN("t"), .hash = 7, .payload = payload, .expires_ms = MESSAGE_FOREVER};
    struct message *m = broker__message_new(&p);
    assert_non_null(m);
    return m;
}

static void note(struct reference *r, elo_span bytes)
{
    assert_true(bytes.len <= sizeof r->bytes - r->to);
    memcpy(r->bytes + r->to, bytes.ptr, bytes.len);
    r->to += bytes.len;
}

static void append_random_packet(struct output *o, struct output_pool *pool, struct reference *r)
{
    static uint8_t text[9000];
    size_t len = roll(3) == 0 ? roll(9000) : roll(60);
    memset(text, (int)(33 + roll(90)), len);
    struct message *m = message_of(elo_span_of(text, len));
    const struct output_packet packet = {.head = broker__message_topic(m),
                                         .props = elo_span_of("props", roll(6)),
                                         .payload = broker__message_payload(m),
                                         .keep = roll(2) ? m : NULL};
    assert_true(broker__output_packet(o, pool, &packet));
    note(r, packet.head);
    note(r, packet.props);
    note(r, packet.payload);
    broker__message_release(m);
}

static void take_some(struct output *o, struct output_pool *pool, struct reference *r)
{
    elo_span pieces[5];
    size_t count = broker__output_pieces(o, pieces, 1 + roll(5));
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(pieces[i].len > 0 && pieces[i].len <= r->to - r->from - seen);
        assert_memory_equal(pieces[i].ptr, r->bytes + r->from + seen, pieces[i].len);
        seen += pieces[i].len;
    }
    assert_true(seen > 0 || o->bytes == 0);
    size_t sent = seen > 0 ? roll((unsigned)seen + 1) : 0;
    broker__output_ack(o, pool, sent);
    r->from += sent;
    assert_int_equal(o->bytes, r->to - r->from);
}

static void output_is_the_bytes_in_order(void **state)
{
    (void)state;
    struct output o = {0};
    struct output_pool pool = {.count = 0};
    struct reference *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (unsigned i = 0; i < 1500; i++) {
        append_random_packet(&o, &pool, r);
        for (unsigned k = roll(5); k > 0; k--) {
            take_some(&o, &pool, r);
        }
    }
    while (o.bytes > 0) {
        take_some(&o, &pool, r);
    }
    assert_null(o.ptr); /* drained: it owns nothing */
    append_random_packet(&o, &pool, r);
    broker__output_free(&o, &pool);
    broker__output_pool_free(&pool);
    free(r);
}

/* --- in flight ----------------------------------------------------------------------------------
 */

static void check_order(const struct inflight *f, const uint16_t *ids, unsigned count)
{
    const struct inflight_slot *slot = NULL;
    for (unsigned i = 0; i < count; i++) {
        slot = broker__inflight_next(f, slot);
        assert_non_null(slot);
        assert_int_equal(slot->id, ids[i]);
    }
    assert_null(broker__inflight_next(f, count > 0 ? slot : NULL));
    assert_int_equal(f->count, count);
}

/* Identifiers are not 0, not in use twice, and found until they are removed. */
static void the_window_keeps_order(void **state)
{
    (void)state;
    struct inflight f;
    uint16_t ids[LIMIT_INFLIGHT];
    unsigned count = 0;
    struct message *m = message_of(ELO_SPAN("x"));
    broker__inflight_init(&f);
    for (unsigned round = 0; round < 100000; round++) {
        if (count < LIMIT_INFLIGHT && roll(100) < 52) {
            struct inflight_slot *slot = broker__inflight_add(&f, m, false, 0);
            assert_non_null(slot);
            assert_int_not_equal(slot->id, 0);
            for (unsigned i = 0; i < count; i++) {
                assert_int_not_equal(ids[i], slot->id);
            }
            ids[count++] = slot->id;
        } else if (count > 0) {
            unsigned at = roll(count);
            struct inflight_slot *slot = broker__inflight_find(&f, ids[at]);
            assert_non_null(slot);
            broker__inflight_remove(&f, slot);
            assert_null(broker__inflight_find(&f, ids[at]));
            memmove(ids + at, ids + at + 1, (--count - at) * sizeof *ids);
        }
        if (round % 16 == 0) {
            check_order(&f, ids, count);
        }
    }
    assert_int_equal(f.unwritten, count);
    assert_int_equal(m->refs, 1 + count);
    broker__inflight_free(&f);
    assert_int_equal(m->refs, 1);
    broker__message_release(m);
}

/* --- the queue ----------------------------------------------------------------------------------
 */

static void the_queue_holds_its_cap_and_not_one_more(void **state)
{
    (void)state;
    struct queue q = {0};
    struct message *m = message_of(ELO_SPAN("x"));
    struct queued item = {.m = m, .until_ms = MESSAGE_FOREVER};
    for (unsigned i = 0; i < LIMIT_QUEUED_MESSAGES; i++) {
        assert_int_equal(broker__queue_push(&q, &item), ELO_OK);
    }
    assert_int_equal(broker__queue_push(&q, &item), ELO_E_QUOTA);
    assert_int_equal(broker__queue_push_front(&q, &item), ELO_OK); /* it was there before */
    assert_int_equal(broker__queue_push(&q, &item), ELO_E_QUOTA);
    broker__queue_pop(&q);
    broker__queue_pop(&q);
    item.retain = true;
    assert_int_equal(broker__queue_push(&q, &item), ELO_OK);
    assert_int_equal(q.bytes, LIMIT_QUEUED_MESSAGES * broker__message_bytes(m));
    while (q.count > 1) {
        assert_false(broker__queue_peek(&q)->retain);
        broker__queue_pop(&q);
    }
    assert_true(broker__queue_peek(&q)->retain);
    broker__queue_free(&q);
    assert_int_equal(m->refs, 1);
    broker__message_release(m);
}

enum { QUEUED_MOST = 20 };

struct listed {
    int64_t until_ms;
    uint32_t number;
};

/* What is dead goes, from anywhere; what lives stays, in its order. */
static uint32_t bury(struct listed *list, uint32_t *count, int64_t now_ms)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (list[i].until_ms > now_ms) {
            list[left++] = list[i];
        }
    }
    uint32_t dead = *count - left;
    *count = left;
    return dead;
}

static struct queued numbered(uint32_t number, int64_t until_ms)
{
    char text[12];
    snprintf(text, sizeof text, "%u", number);
    return (struct queued){.m = message_of(elo_span_str(text)), .until_ms = until_ms};
}

static bool is_number(const struct message *m, uint32_t number)
{
    char text[12];
    snprintf(text, sizeof text, "%u", number);
    return elo_span_eq(broker__message_payload(m), elo_span_str(text));
}

static void the_queue_drops_what_is_dead_and_nothing_else(void **state)
{
    (void)state;
    struct queue q = {.most = QUEUED_MOST};
    struct listed list[2 * QUEUED_MOST];
    uint32_t count = 0;
    int64_t now = 1000;
    for (uint32_t i = 0; i < 20000; i++) {
        now += roll(3);
        if (roll(3) > 0) {
            const struct listed fresh = {roll(4) > 0 ? now + 1 + roll(60) : MESSAGE_FOREVER, i};
            struct queued item = numbered(i, fresh.until_ms);
            elo_err err = broker__queue_push(&q, &item);
            assert_int_equal(err, count < QUEUED_MOST ? ELO_OK : ELO_E_QUOTA);
            if (err == ELO_OK) {
                list[count++] = fresh;
            } else {
                assert_int_equal(broker__queue_expire(&q, now), bury(list, &count, now));
            }
            broker__message_release(item.m);
        } else if (count > 0) {
            struct queued *first = broker__queue_peek(&q);
            assert_true(is_number(first->m, list[0].number));
            struct queued back = *first;
            back.m = broker__message_keep(first->m);
            broker__queue_pop(&q);
            if (roll(3) == 0) {
                assert_int_equal(broker__queue_push_front(&q, &back), ELO_OK);
            } else {
                memmove(list, list + 1, --count * sizeof *list);
            }
            broker__message_release(back.m);
        }
        assert_int_equal(q.count, count);
    }
    assert_true(broker__queue_expire(&q, INT64_MAX - 1) <= count);
    broker__queue_free(&q);
}

/* --- reserved topics ----------------------------------------------------------------------------
 */

/* "Reserved topics", AWS IoT Developer Guide: every row that a client may publish or subscribe. */
static const struct {
    const char *topic;
    bool publish;
    bool subscribe;
} reserved[] = {
    {"$aws/things/t/shadow/get", true, true},
    {"$aws/things/t/shadow/delete", true, true},
    {"$aws/things/t/shadow/update/rejected", false, true},
    {"$aws/things/t/shadow/update/documents", false, true},
    {"$aws/things/t/shadow/get/delta", false, false},
    {"$aws/things/t/shadow/name/n/update", true, true},
    {"$aws/things/t/shadow/name/n/update/delta", false, true},
    {"$aws/things/t/shadow/name/n", false, false},
    {"$aws/things//shadow/get", false, false},
    {"$aws/things/t/shadow", false, false},
    {"$aws/things/t/jobs/get", true, false},
    {"$aws/things/t/jobs/start-next", true, false},
    {"$aws/things/t/jobs/$next/get", true, false},
    {"$aws/things/t/jobs/j/update", true, false},
    {"$aws/things/t/jobs/j/update/accepted", false, true},
    {"$aws/things/t/jobs/start-next/rejected", false, true},
    {"$aws/things/t/jobs/get/accepted", false, true},
    {"$aws/things/t/jobs/j/get/rejected", false, true},
    {"$aws/things/t/jobs/notify", false, true},
    {"$aws/things/t/jobs/notify-next", false, true},
    {"$aws/things/t/defender/metrics/json", true, false},
    {"$aws/things/t/defender/metrics/cbor/accepted", false, true},
    {"$aws/things/t/defender/metrics/xml", false, false},
    {"$aws/things/t/streams/s/get/cbor", true, false},
    {"$aws/things/t/streams/s/describe/json", true, false},
    {"$aws/things/t/streams/s/data/json", false, true},
    {"$aws/things/t/streams/s/description/cbor", false, true},
    {"$aws/things/t/streams/s/rejected/json", false, true},
    {"$aws/things/t/tunnels/notify", false, true},
    {"$aws/certificates/create/json", true, false},
    {"$aws/certificates/create-from-csr/cbor", true, false},
    {"$aws/certificates/create/json/rejected", false, true},
    {"$aws/certificates/create-from-csr/cbor/accepted", false, true},
    {"$aws/provisioning-templates/p/provision/json", true, false},
    {"$aws/provisioning-templates/p/provision/json/accepted", false, true},
    {"$aws/commands/things/t/executions/e/request/json", false, true},
    {"$aws/commands/clients/c/executions/e/response/cbor", true, false},
    {"$aws/commands/things/t/executions/e/response/rejected/json", false, true},
    {"$aws/rules/r", true, false},
    {"$aws/rules/r/any/thing", true, false},
    {"$aws/events/presence/connected/c", false, true},
    {"$aws/events/presence/connect_failed/c", false, true},
    {"$aws/events/subscriptions/unsubscribed/c", false, true},
    {"$aws/events/presence/disconnected/c", false, true},
    {"$aws/events/subscriptions/subscribed/c", false, true},
    {"$aws/events/certificates/registered/c", false, true},
    {"$aws/events/thing/t/created", false, true},
    {"$aws/events/thingGroup/g/updated", false, true},
    {"$aws/events/thingType/y/deleted", false, true},
    {"$aws/events/thingTypeAssociation/thing/t/thingType/y/added", false, true},
    {"$aws/events/thingGroupMembership/thingGroup/g/thing/t/removed", false, true},
    {"$aws/events/thingGroupHierarchy/thingGroup/g/childThingGroup/h/added", false, true},
    {"$aws/events/job/j/deletion_in_progress", false, true},
    {"$aws/events/jobExecution/j/timed_out", false, true},
    {"$aws/sitewise/asset-models/m/assets/a/properties/p", false, true},
    {"$aws/iotwireless/events/join/x", false, true},
    {"$aws/device_location/d/get_position_estimate", true, false},
    {"$aws/device_location/d/get_position_estimate/rejected", false, true},
    {"$aws/things/+/shadow/#", false, true},
    {"$aws/+/+/shadow/get", false, true},
    {"$aws/#", false, true},
    {"$aws/rules/#", false, false},
    {"$aws/things/t/tunnels/+", false, true},
    {"$aws/things/t/tunnels/notify/#", false, false},
    {"$aws", false, false},
    {"$AWS/things/t/shadow/get", false, false},
    {"$AWS/rules/r/any", false, false},
    {"$SYS/#", false, false},
    {"$SYS", false, false},
    {"$share", false, false},
    {"a/$aws", true, true},
};

static void reserved_topics_are_as_listed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        elo_span topic = elo_span_str(reserved[i].topic);
        elo_span share;
        elo_span filter;
        elo_err err;
        bool publish = broker__publish_fault(topic, &err) == NULL;
        assert_int_equal(err, publish ? ELO_OK : ELO_E_TOPIC);
        bool wild = elo_topic_filter_is_wild(topic);
        bool subscribe = broker__subscribe_fault(topic, &share, &filter, &err) == NULL;
        if ((!wild && publish != reserved[i].publish) || subscribe != reserved[i].subscribe) {
            fail_msg("%s: publish %d, subscribe %d", reserved[i].topic, publish, subscribe);
        }
    }
}

/* 10,000 connections that say nothing: what each holds in the broker. */
static void an_idle_connection_is_small(void **state)
{
    (void)state;
    size_t subscription = sizeof(struct subscription) + sizeof(struct tree_node) +
                          4 * sizeof(struct subscription *) + 2 * sizeof "$aws/things/x/y";
    size_t idle = sizeof(struct broker_conn) + sizeof(struct session) + LIMIT_CLIENT_ID_BYTES +
                  2 * sizeof(struct timer *) + 3 * sizeof(struct map_slot) + subscription;
    idle += sizeof(struct known) + LIMIT_CLIENT_ID_BYTES + 3 * sizeof(struct map_slot);
    assert_true(idle < 1408);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(routes_are_what_matching_says, fresh_seed),
        cmocka_unit_test_setup(timers_ring_in_order, fresh_seed),
        cmocka_unit_test_setup(output_is_the_bytes_in_order, fresh_seed),
        cmocka_unit_test_setup(the_window_keeps_order, fresh_seed),
        cmocka_unit_test(the_queue_holds_its_cap_and_not_one_more),
        cmocka_unit_test_setup(the_queue_drops_what_is_dead_and_nothing_else, fresh_seed),
        cmocka_unit_test(reserved_topics_are_as_listed),
        cmocka_unit_test(an_idle_connection_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
