// links: bench_support
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Full mutual handshakes against a broker, or against bench_floor: handshake, CONNECT, CONNACK,
 * DISCONNECT, close.
 *
 *     bench_connect full --port N --ca F --cert F --key F --pid PID [--count N] [--parallel P]
 *     bench_connect flood ... --seconds S
 *
 * `full` makes --count of them, --parallel at a time, and prints the CPU of PID for each and how
 * many there were a second. `flood` makes as many as it can for --seconds: the load beside which
 * bench_load's steady modes measure what others notice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/support/peer.h"

static void on_publish(struct peer *p, elo_span payload)
{
    (void)p;
    (void)payload;
}

static void on_puback(struct peer *p)
{
    (void)p;
}

int main(int argc, char **argv)
{
    static const struct load_events events = {on_publish, on_puback};
    args.parallel = 16;
    args.verify = false;
    load_init(argc, argv, &events);
    bool flood = strcmp(args.mode, "flood") == 0;
    long wanted = flood ? INT32_MAX : args.count, begun = 0, done = 0;
    long lanes = args.parallel < wanted ? args.parallel : wanted;
    struct peer *all = load_peers((size_t)lanes);
    double cpu = load_cpu_s();
    int64_t start = load_now_ns(), end = start + args.seconds * 1000000000;
    for (; begun < lanes; begun++) {
        all[begun].index = (unsigned)begun;
        all[begun].role = 'c';
        peer_open(&all[begun]);
    }
    while (done < wanted && (!flood || load_now_ns() < end)) {
        load_turn(100000000);
        for (long i = 0; i < lanes; i++) {
            if (!all[i].ready) {
                continue;
            }
            done++;
            all[i].ready = false;
            peer_disconnect(&all[i]);
            peer_close(&all[i]);
            if (begun < wanted) {
                begun++;
                peer_open(&all[i]);
            }
        }
    }
    double elapsed = (double)(load_now_ns() - start) / 1e9, used = load_cpu_s() - cpu;
    if (done == 0) {
        errno = 0;
        load_die("no connection was accepted");
    }
    printf("{\"mode\":\"%s\",\"connects\":%ld,\"cpu_us_per_connect\":%.1f,"
           "\"connects_per_second\":%.1f}\n",
           args.mode, done, used * 1e6 / (double)done, (double)done / elapsed);
    return 0;
}
