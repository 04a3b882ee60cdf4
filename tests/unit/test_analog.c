// links: elo_sensor
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The analog input: every sample at several scales against a division; eight samples in any order,
 * with the spikes that a radio makes. */
#include "elo/sensor/analog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const uint16_t scales[] = {1, 999, 1000, 1022, 1023, 1024, 3200, 3300, 4095, 65535};
enum { SCALES = sizeof scales / sizeof scales[0] };

static void every_sample_at_every_scale(void **state)
{
    (void)state;
    for (unsigned s = 0; s < SCALES; s++) {
        for (uint32_t raw = 0; raw <= ELO_ANALOG_MAX; raw++) {
            uint32_t want = (raw * scales[s] + 511) / 1023;
            assert_int_equal(elo_analog_millivolt((uint16_t)raw, scales[s]), want);
        }
    }
    assert_int_equal(elo_analog_millivolt(1023, ELO_ANALOG_BOARD_MV), 3300);
    assert_int_equal(elo_analog_millivolt(512, ELO_ANALOG_CHIP_MV), 500);
}

static bool add_all(struct elo_analog *a, const uint16_t *samples, struct elo_reading *r)
{
    r->source = "me";
    for (unsigned i = 0; i < ELO_ANALOG_SAMPLES; i++) {
        if (elo_analog_add(a, samples[i], r) != (i == ELO_ANALOG_SAMPLES - 1)) {
            return false;
        }
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void the_middle_counts(void **state)
{
    (void)state;
    uint32_t seed = 5;
    for (unsigned n = 0; n < 20000; n++) {
        struct elo_analog a;
        struct elo_reading r;
        uint16_t samples[ELO_ANALOG_SAMPLES];
        uint16_t scale = scales[n % SCALES];
        for (unsigned i = 0; i < ELO_ANALOG_SAMPLES; i++) {
            seed = seed * 1664525u + 1013904223u;
            samples[i] = (uint16_t)((seed >> 12) % (n % 3 == 0 ? 4 : 1024));
        }
        elo_analog_init(&a, scale);
        assert_true(add_all(&a, samples, &r));
        qsort(samples, ELO_ANALOG_SAMPLES, sizeof samples[0], by_value);
        uint32_t sum = (uint32_t)samples[2] + samples[3] + samples[4] + samples[5];
        assert_int_equal(r.millivolt, (sum * scale + 2046) / 4092);
        assert_int_equal(r.has, ELO_READING_VOLTAGE);
        assert_int_equal(r.error, ELO_OK);
        assert_string_equal(r.source, "me");
    }
}

static void spikes_count_for_nothing(void **state)
{
    (void)state;
    static const uint16_t samples[] = {500, 1023, 500, 0, 500, 1023, 500, 0};
    static const uint16_t full[] = {1023, 1023, 1023, 1023, 1023, 1023, 1023, 1023};
    struct elo_analog a;
    struct elo_reading r;
    elo_analog_init(&a, 1023);
    assert_true(add_all(&a, samples, &r));
    assert_int_equal(r.millivolt, 500);
    assert_true(add_all(&a, full, &r)); /* begins anew */
    assert_int_equal(r.millivolt, 1023);
}

static void a_sample_that_cannot_be(void **state)
{
    (void)state;
    static const uint16_t good[] = {10, 10, 10, 10, 10, 10, 10, 10};
    struct elo_analog a;
    struct elo_reading r = {.source = "me", .has = 1};
    elo_analog_init(&a, 1023);
    assert_false(elo_analog_add(&a, 700, &r));
    assert_true(elo_analog_add(&a, 1024, &r));
    assert_int_equal(r.error, ELO_E_SENSOR_RANGE);
    assert_int_equal(r.has, 0);
    assert_true(add_all(&a, good, &r));
    assert_int_equal(r.millivolt, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_at_every_scale),
        cmocka_unit_test(the_middle_counts),
        cmocka_unit_test(spikes_count_for_nothing),
        cmocka_unit_test(a_sample_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
