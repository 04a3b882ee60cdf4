// links: bench_support
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The load that brokers are measured with, and the broker's own CPU time while it runs.
 *
 *     bench_load MODE --port N --ca F --cert F --key F --pid PID [options]
 *
 *     fanin         N publishers, one subscriber of everything       --count N      (100)
 *     fanout        one publisher, N subscribers                     --qos 0|1      (0)
 *     pairs         N publishers, each with a subscriber of its own  --window W     (10)
 *     steady-fanin  as fanin, at a given rate                        --seconds S    (5)
 *     steady-pairs  as pairs, at a given rate                        --rate R       (5000)
 *     durable       N publishers, one subscriber that is offline     --messages M   (100000)
 *     retain        M retained messages, each on a topic of its own  --payload B    (100)
 *     idle          N connections that say nothing                   --tls 1.2|1.3  (1.3)
 *
 * Prints one JSON object. CPU microseconds of PID are per delivered (durable: acknowledged)
 * message.
 *
 * fanin, fanout, pairs: a closed loop. A publisher has at most W messages that not every subscriber
 * has received yet; at the end of a turn it fills its window, in one record.
 *
 * steady: an open loop. Messages leave when they are due, whatever the broker does, and latency
 * counts from that moment.
 *
 * durable: a persistent session subscribes and goes; M messages of QoS 1 are published, at most W
 * unacknowledged a publisher; the session comes back and what arrives is counted: every message
 * that was acknowledged must be there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/support/peer.h"
#include "elo/base/bytes.h"

static struct peer *publishers;
static size_t publisher_count;
static long fan = 1; /* deliveries per message; 0: acknowledgements are counted instead */
static long delivered, acknowledged;

/* fanout: how many subscribers have the k-th message, for those that some have not. */
enum { RING = 4096 };
static long have[RING];

/* Publishers with room in their window, at most once each: `dirty`. */
static struct peer **open_windows;
static size_t open_count;

/* Latencies in microseconds, when they are wanted. */
static uint32_t *latencies;
static size_t latency_count, latency_cap;

static bool steady;

static void window_opens(struct peer *p)
{
    if (!p->dirty) {
        p->dirty = true;
        open_windows[open_count++] = p;
    }
}

static void keep_latency(elo_span payload)
{
    if (latency_count < latency_cap && payload.len >= 12) {
        uint64_t due = (uint64_t)elo_rd32be(payload.ptr + 4) << 32 | elo_rd32be(payload.ptr + 8);
        latencies[latency_count++] = (uint32_t)(((uint64_t)load_now_ns() - due) / 1000);
    }
}

static void on_publish(struct peer *p, elo_span payload)
{
    delivered++;
    if (steady) {
        keep_latency(payload);
    } else if (publishers != NULL && payload.len >= 4 &&
               elo_rd32be(payload.ptr) < publisher_count) {
        long *seen = fan > 1 ? &have[p->owed++ % RING] : &(long){0};
        if (++*seen == fan) {
            struct peer *from = &publishers[elo_rd32be(payload.ptr)];
            *seen = 0;
            from->owed--;
            window_opens(from);
        }
    }
}

static void on_puback(struct peer *p)
{
    acknowledged++;
    if (fan == 0) { /* durable: the window is of acknowledgements */
        p->owed--;
        window_opens(p);
    }
}

static void fill_windows(void)
{
    for (size_t i = 0; i < open_count; i++) {
        struct peer *p = open_windows[i];
        p->dirty = false;
        while (p->owed < args.window && peer_publish(p, 0)) {
            p->owed++;
        }
        peer_flush(p);
    }
    open_count = 0;
}

/* --- the cast -----------------------------------------------------------------------------------
 */

static void cast(size_t subscribers, size_t pubs, bool pairs)
{
    struct peer *all = load_peers(subscribers + pubs);
    open_windows = calloc(pubs, sizeof *open_windows);
    if (open_windows == NULL) {
        load_die("memory");
    }
    for (unsigned i = 0; i < subscribers; i++) {
        struct peer *s = &all[i];
        s->index = i;
        s->role = 's';
        s->subscribes = true;
        snprintf(s->topic, sizeof s->topic, pairs ? "%s/%u" : "%s/#", args.topic, i);
        peer_open(s);
        load_until_ready(i + 1);
    }
    publishers = all + subscribers;
    publisher_count = pubs;
    for (unsigned i = 0; i < pubs; i++) {
        struct peer *p = &publishers[i];
        p->index = i;
        p->role = 'p';
        snprintf(p->topic, sizeof p->topic, "%s/%u", args.topic, i);
        peer_open(p);
        load_until_ready(subscribers + i + 1);
    }
}

/* --- closed loop --------------------------------------------------------------------------------
 */

static void turns_until(int64_t end_ns)
{
    while (load_now_ns() < end_ns) {
        load_turn(100000000);
        fill_windows();
    }
}

static void measure_flow(void)
{
    bool fanin = strcmp(args.mode, "fanin") == 0, fanout = strcmp(args.mode, "fanout") == 0;
    fan = fanout ? args.count : 1;
    cast(fanin ? 1 : (size_t)args.count, fanout ? 1 : (size_t)args.count, !fanin && !fanout);
    for (size_t i = 0; i < publisher_count; i++) {
        window_opens(&publishers[i]);
    }
    fill_windows();
    turns_until(load_now_ns() + 1000000000);
    double cpu = load_cpu_s();
    int64_t start = load_now_ns();
    long before = delivered;
    turns_until(start + args.seconds * 1000000000);
    double elapsed = (double)(load_now_ns() - start) / 1e9, used = load_cpu_s() - cpu;
    double messages = (double)(delivered - before);
    if (messages <= 0) {
        errno = 0;
        load_die("no message came through");
    }
    printf("{\"mode\":\"%s\",\"qos\":%ld,\"messages\":%.0f,\"cpu_us_per_message\":%.3f,"
           "\"messages_per_second\":%.0f,\"broker_cpu_share\":%.2f}\n",
           args.mode, args.qos, messages, used * 1e6 / messages, messages / elapsed,
           used / elapsed);
}

/* --- open loop ----------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Sends what is due, then waits for the next due moment or for input. */
static void steady_until(int64_t start, int64_t end, long *sent)
{
    int64_t gap = 1000000000 / args.rate;
    for (int64_t now = load_now_ns(); now < end; now = load_now_ns()) {
        int64_t due = start + *sent * gap;
        for (; due <= now && due < end; due += gap) {
            struct peer *p = &publishers[(size_t)*sent % publisher_count];
            if (!peer_publish(p, (uint64_t)due)) {
                errno = 0;
                load_die("the broker does not keep up with the rate");
            }
            peer_flush(p);
            ++*sent;
        }
        now = load_now_ns();
        load_turn(due > now ? due - now : 0);
    }
}

static void measure_steady(void)
{
    bool fanin = strcmp(args.mode, "steady-fanin") == 0;
    steady = true;
    latency_cap = (size_t)(args.rate * (args.seconds + 2));
    latencies = calloc(latency_cap, sizeof *latencies);
    if (latencies == NULL) {
        load_die("memory");
    }
    cast(fanin ? 1 : (size_t)args.count, (size_t)args.count, !fanin);
    long sent = 0;
    int64_t start = load_now_ns(), begin = start + 1000000000;
    steady_until(start, begin, &sent);
    latency_count = 0;
    double cpu = load_cpu_s();
    long before = delivered;
    steady_until(start, begin + args.seconds * 1000000000, &sent);
    double used = load_cpu_s() - cpu;
    double messages = (double)(delivered - before);
    if (latency_count == 0) {
        errno = 0;
        load_die("no message came through");
    }
    qsort(latencies, latency_count, sizeof *latencies, by_value);
    printf("{\"mode\":\"%s\",\"qos\":%ld,\"messages\":%.0f,\"cpu_us_per_message\":%.2f,"
           "\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u}\n",
           args.mode, args.qos, messages, used * 1e6 / messages, latencies[latency_count / 2],
           latencies[latency_count * 99 / 100], latencies[latency_count - 1]);
}

/* --- durable ------------------------------------------------------------------------------------
 */

static void offline_session(struct peer *s)
{
    s->role = 's';
    s->persistent = s->subscribes = true;
    s->client_id = "bench-offline";
    snprintf(s->topic, sizeof s->topic, "%s/#", args.topic);
    peer_open(s);
    load_until_ready(1);
    peer_disconnect(s);
    peer_close(s);
}

/* It comes back: everything acknowledged must arrive. */
static double drain(struct peer *s)
{
    delivered = 0;
    s->subscribes = false;
    int64_t start = load_now_ns(), last = start;
    long seen = 0;
    peer_open(s);
    while (delivered < acknowledged && load_now_ns() - last < 10000000000) {
        load_turn(100000000);
        if (delivered > seen) {
            seen = delivered;
            last = load_now_ns();
        }
    }
    return (double)(load_now_ns() - start) / 1e9;
}

static void measure_durable(void)
{
    struct peer *all = load_peers((size_t)args.count + 1);
    publishers = all + 1;
    publisher_count = (size_t)args.count;
    open_windows = calloc(publisher_count, sizeof *open_windows);
    args.qos = 1;
    offline_session(&all[0]);
    for (unsigned i = 0; i < publisher_count; i++) {
        struct peer *p = &publishers[i];
        p->index = i;
        p->role = 'p';
        snprintf(p->topic, sizeof p->topic, "%s/%u", args.topic, i);
        peer_open(p);
        load_until_ready(i + 2);
    }
    fan = 0;
    for (size_t i = 0; i < publisher_count; i++) {
        window_opens(&publishers[i]);
    }
    double cpu = load_cpu_s();
    int64_t start = load_now_ns();
    while (acknowledged < args.messages) {
        fill_windows();
        load_turn(1000000000);
    }
    double elapsed = (double)(load_now_ns() - start) / 1e9, used = load_cpu_s() - cpu;
    open_count = 0;
    long rate_count = acknowledged;
    /* What is still under way is acknowledged too, or was not sent: count it. */
    for (bool owing = true; owing;) {
        owing = false;
        for (size_t i = 0; i < publisher_count; i++) {
            owing = owing || publishers[i].owed > 0;
        }
        if (owing) {
            load_turn(1000000000);
        }
    }
    double drained_s = drain(&all[0]);
    printf("{\"mode\":\"durable\",\"acknowledged\":%ld,\"arrived\":%ld,\"acks_per_second\":%.0f,"
           "\"cpu_us_per_message\":%.2f,\"drain_seconds\":%.2f}\n",
           acknowledged, delivered, (double)rate_count / elapsed, used * 1e6 / (double)rate_count,
           drained_s);
}

/* --- retain -------------------------------------------------------------------------------------
 */

static void measure_retain(void)
{
    struct peer *p = load_peers(1);
    p->role = 'p';
    args.qos = 1;
    peer_open(p);
    load_until_ready(1);
    for (long i = 0; i < args.messages; i++) {
        snprintf(p->topic, sizeof p->topic, "%s/retained/%ld", args.topic, i);
        peer_prepare(p, true);
        if (!peer_publish(p, 0)) {
            load_die("no room for a message");
        }
        peer_flush(p);
        while (i + 1 - acknowledged >= 100) {
            load_turn(1000000000);
        }
    }
    while (acknowledged < args.messages) {
        load_turn(1000000000);
    }
    printf("{\"mode\":\"retain\",\"messages\":%ld}\n", acknowledged);
}

/* --- idle ---------------------------------------------------------------------------------------
 */

static void measure_idle(void)
{
    struct peer *all = load_peers((size_t)args.count + 1);
    long before = 0;
    for (unsigned i = 0; i <= args.count; i++) {
        all[i].index = i;
        all[i].role = 'q';
        peer_open(&all[i]);
        load_until_ready(i + 1);
        before = i == 0 ? load_rss_kb() : before;
    }
    for (int64_t rest = load_now_ns() + 1000000000; load_now_ns() < rest;) {
        load_turn(100000000);
    }
    long after = load_rss_kb();
    printf("{\"mode\":\"idle\",\"connections\":%ld,\"rss_kb\":%ld,\"kb_per_connection\":%.2f}\n",
           args.count, after, (double)(after - before) / (double)args.count);
}

int main(int argc, char **argv)
{
    static const struct load_events events = {on_publish, on_puback};
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"fanin", measure_flow},          {"fanout", measure_flow},
                 {"pairs", measure_flow},          {"steady-fanin", measure_steady},
                 {"steady-pairs", measure_steady}, {"durable", measure_durable},
                 {"retain", measure_retain},       {"idle", measure_idle}};
    load_init(argc, argv, &events);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(args.mode, modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    }
    fprintf(stderr, "bench_load: no mode '%s'; see the top of bench/bench_load.c\n", args.mode);
    return 2;
}
