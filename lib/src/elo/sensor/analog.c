// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/sensor/analog.h"

#include "elo/base/assert.h"

/* Samples kept: those in the middle; and how far they are from the ends. */
enum { KEPT = 4, DROPPED = (ELO_ANALOG_SAMPLES - KEPT) / 2 };

/* n / 1023 without a division: n / 1024 * (1 + 1/1024 + ...) is not above it and close. */
static uint32_t by_1023(uint32_t n)
{
    uint32_t q = (n >> 10) + (n >> 20);
    uint32_t rest = n - q * 1023u;
    for (; rest >= 1023; rest -= 1023) {
        q++;
    }
    return q;
}

uint16_t elo_analog_millivolt(uint16_t sample, uint16_t full_scale_mv)
{
    ELO_ASSERT(sample <= ELO_ANALOG_MAX);
    return (uint16_t)by_1023((uint32_t)sample * full_scale_mv + ELO_ANALOG_MAX / 2);
}

void elo_analog_init(struct elo_analog *a, uint16_t full_scale_mv)
{
    memset(a, 0, sizeof *a);
    a->_internal.full_scale_mv = full_scale_mv;
}

static void insert(struct elo_analog *a, uint16_t sample)
{
    uint16_t *sorted = a->_internal.sorted;
    unsigned at = a->_internal.count++;
    for (; at > 0 && sorted[at - 1] > sample; at--) {
        sorted[at] = sorted[at - 1];
    }
    sorted[at] = sample;
}

/* The average of the middle, to the nearest: sum * scale / (KEPT * 1023) in two divisions. */
static uint16_t average_mv(const struct elo_analog *a)
{
    uint32_t sum = 0;
    for (unsigned i = DROPPED; i < DROPPED + KEPT; i++) {
        sum += a->_internal.sorted[i];
    }
    return (uint16_t)(by_1023(sum * a->_internal.full_scale_mv + KEPT * ELO_ANALOG_MAX / 2) / KEPT);
}

bool elo_analog_add(struct elo_analog *a, uint16_t sample, struct elo_reading *out)
{
    if (sample > ELO_ANALOG_MAX) {
        a->_internal.count = 0;
        (void)elo_reading_fail(out, ELO_E_SENSOR_RANGE);
        return true;
    }
    insert(a, sample);
    if (a->_internal.count < ELO_ANALOG_SAMPLES) {
        return false;
    }
    a->_internal.count = 0;
    elo_reading_begin(out);
    out->has = ELO_READING_VOLTAGE;
    out->millivolt = average_mv(a);
    return true;
}
