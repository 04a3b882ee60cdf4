// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* How long something took, counted in fixed steps: what /metrics tells of latencies. */
#ifndef ELO_SERVER_BASE_HISTOGRAM_H
#define ELO_SERVER_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Upper ends in microseconds; what is longer than the last is in `over`. */
#define HISTOGRAM_STEPS(X)                                                                         \
    X(500)                                                                                         \
    X(1000)                                                                                        \
    X(2500)                                                                                        \
    X(5000)                                                                                        \
    X(10000)                                                                                       \
    X(25000)                                                                                       \
    X(50000)                                                                                       \
    X(100000)                                                                                      \
    X(250000)                                                                                      \
    X(500000)                                                                                      \
    X(1000000)                                                                                     \
    X(2500000)                                                                                     \
    X(5000000)                                                                                     \
    X(10000000)

enum {
#define HISTOGRAM_ONE(us) +1
    HISTOGRAM_COUNT = HISTOGRAM_STEPS(HISTOGRAM_ONE)
#undef HISTOGRAM_ONE
};

struct histogram {
    uint64_t steps[HISTOGRAM_COUNT]; /* each without those before it */
    uint64_t over;
    uint64_t sum_us;
};

static inline uint64_t histogram_end_us(size_t step)
{
    static const uint64_t ends[] = {
#define HISTOGRAM_END(us) us,
        HISTOGRAM_STEPS(HISTOGRAM_END)
#undef HISTOGRAM_END
    };
    return ends[step];
}

static inline void histogram_add(struct histogram *h, uint64_t us)
{
    size_t step = 0;
    while (step < HISTOGRAM_COUNT && us > histogram_end_us(step)) {
        step++;
    }
    *(step < HISTOGRAM_COUNT ? &h->steps[step] : &h->over) += 1;
    h->sum_us += us;
}

#endif
