// links: elo_sensor
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* DHT11 and DHT22: the frames of tests/vectors/sensor/dht.txt as bytes and as pulses; each bit
 * flipped, each length cut; a sensor that is woken, listened to and left in peace. */
#include "elo/sensor/dht.h"

#include "tests/support/vector_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define BITS 40

static int open_vectors(void **state)
{
    return vector_file_open(state, ELO_SOURCE_DIR "/tests/vectors/sensor/dht.txt", 256);
}

static elo_dht_kind kind_of(const struct vector *v)
{
    return strcmp(vector_get(v, "kind"), "11") == 0 ? ELO_DHT11 : ELO_DHT22;
}

static void check(const struct vector *v, elo_err err, const struct elo_reading *r)
{
    const char *want = vector_get(v, "is");
    char got[64];
    snprintf(got, sizeof got, "centi_celsius=%d centi_percent=%u", r->centi_celsius,
             r->centi_percent);
    if (strcmp(err_name(err), want ? "OK" : vector_get(v, "err")) != 0 || r->error != err ||
        (want && strcmp(got, want) != 0)) {
        fail_msg("%s:%u [%s]: %s %s", v->file, v->line, v->name, err_name(err), got);
    }
    assert_int_equal(r->has, err == ELO_OK ? ELO_READING_TEMPERATURE | ELO_READING_HUMIDITY : 0);
    assert_string_equal(r->source, "me");
}

static struct elo_reading blank(void)
{
    struct elo_reading r;
    memset(&r, 0x5A, sizeof r);
    r.source = "me";
    return r;
}

static size_t parse_spans(const char *text, uint8_t *out)
{
    size_t n = 0;
    char *end;
    for (unsigned long us; us = strtoul(text, &end, 10), end != text; text = end) {
        out[n++] = (uint8_t)us;
    }
    return n;
}

static size_t spans_of(const uint8_t *bytes, uint8_t *out)
{
    out[0] = 160;
    for (unsigned i = 0; i < BITS; i++) {
        out[1 + i] = (bytes[i / 8] >> (7 - i % 8) & 1) != 0 ? 120 : 76;
    }
    return 1 + BITS;
}

static elo_err read_spans(elo_dht_kind kind, const uint8_t *spans, size_t n, struct elo_reading *r)
{
    *r = blank();
    return elo_dht_read_spans(kind, guard_copy(&guard, spans, n).ptr, n, r);
}

static void every_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        const char *text = vector_get(v, "spans");
        uint8_t spans[64];
        size_t n = text ? parse_spans(text, spans) : spans_of(v->bytes, spans);
        struct elo_reading r;
        check(v, read_spans(kind_of(v), spans, n, &r), &r);
        if (!text) {
            r = blank();
            check(v, elo_dht_read_bytes(kind_of(v), guard_copy(&guard, v->bytes, 5).ptr, &r), &r);
        }
    }
    assert_true(vectors.count > 35);
}

/* One bit that is read wrongly is always noticed. */
static void each_bit_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        for (unsigned bit = 0; vector_get(v, "is") && bit < BITS; bit++) {
            uint8_t spans[64];
            struct elo_reading r;
            size_t n = spans_of(v->bytes, spans);
            spans[1 + bit] = spans[1 + bit] == 120 ? 76 : 120;
            assert_int_equal(read_spans(kind_of(v), spans, n, &r), ELO_E_SENSOR_CHECKSUM);
        }
    }
}

/* One edge that is not seen, wherever: never a wrong value. */
static void each_edge_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        for (unsigned bit = 0; vector_get(v, "is") && bit < BITS; bit++) {
            uint8_t spans[64];
            struct elo_reading r;
            size_t n = spans_of(v->bytes, spans);
            spans[bit] =
                (uint8_t)(spans[bit] + spans[bit + 1] > 255 ? 255 : spans[bit] + spans[bit + 1]);
            memmove(spans + bit + 1, spans + bit + 2, n - bit - 2);
            elo_err err = read_spans(kind_of(v), spans, n - 1, &r);
            if (bit > 0) {
                assert_int_equal(err, ELO_E_SENSOR_FRAME);
            }
        }
    }
}

static void cut_at_each_length(void **state)
{
    (void)state;
    uint8_t spans[64];
    size_t n = spans_of(vectors.items[0].bytes, spans);
    for (size_t len = 0; len <= n; len++) {
        struct elo_reading r;
        elo_err err = read_spans(ELO_DHT22, spans, len, &r);
        if (len == BITS) { /* the last bit is missing, the answer taken for the first */
            assert_int_equal(err, ELO_E_SENSOR_FRAME);
        } else {
            assert_int_equal(err, len == n ? ELO_OK : ELO_E_SENSOR_FRAME);
        }
    }
}

/* All 65,536 temperatures: in range and as they were sent, or refused. */
static void every_temperature(void **state)
{
    (void)state;
    for (uint32_t raw = 0; raw < 0x10000; raw++) {
        uint8_t b[5] = {1, 0xF4, (uint8_t)(raw >> 8), (uint8_t)raw, 0};
        b[4] = (uint8_t)(b[0] + b[1] + b[2] + b[3]);
        struct elo_reading r = blank();
        elo_err err = elo_dht_read_bytes(ELO_DHT22, b, &r);
        assert_true(err == ELO_OK || err == ELO_E_SENSOR_RANGE);
        if (err == ELO_OK) {
            assert_in_range(r.centi_celsius + 4000, 0, 16500);
            int sign_magnitude = raw & 0x8000 ? -(int)(raw & 0x7FFF) : (int)raw;
            int twos = (int16_t)(uint16_t)raw;
            assert_true(r.centi_celsius == sign_magnitude * 10 || r.centi_celsius == twos * 10);
        }
        err = elo_dht_read_bytes(ELO_DHT11, b, &r);
        assert_true(err == ELO_OK || err == ELO_E_SENSOR_RANGE);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Plays a sensor to the interrupt, its counter wrapping in the middle. */
static void play(struct elo_dht *d, const uint8_t *bytes, unsigned edges)
{
    uint8_t spans[64];
    size_t n = spans_of(bytes, spans);
    uint32_t us = UINT32_MAX - 2000;
    for (unsigned i = 0; i < edges; i++) {
        elo_dht_edge(d, us);
        us += i < n ? spans[i] : 76;
    }
}

/* One round from REST; the milliseconds to PULL, of PULL, of LISTEN. */
static void round_of(struct elo_dht *d,
                     uint32_t *now,
                     const uint8_t *bytes,
                     unsigned edges,
                     uint32_t *took,
                     struct elo_reading *r)
{
    static const elo_dht_wish order[] = {ELO_DHT_REST, ELO_DHT_PULL, ELO_DHT_LISTEN,
                                         ELO_DHT_READING};
    memset(took, 0, 3 * sizeof *took);
    *r = blank();
    for (unsigned at = 0; at < 3;) {
        uint32_t next = elo_dht_next_deadline(d) - *now;
        assert_true(next > 0 && next < 70000);
        for (uint32_t ms = 1; ms < next; ms++) {
            assert_int_equal(elo_dht_tick(d, *now + ms, r), order[at]);
        }
        *now += next;
        took[at++] = next;
        elo_dht_wish wish = elo_dht_tick(d, *now, r);
        assert_int_equal(wish, order[at]);
        if (wish == ELO_DHT_LISTEN) {
            play(d, bytes, edges);
        }
    }
    assert_int_equal(elo_dht_tick(d, *now, r), ELO_DHT_REST);
}

static void a_round(void **state)
{
    (void)state;
    static const uint8_t dht22[] = {0x02, 0x8C, 0x01, 0x5F, 0xEE};
    static const uint8_t dht11[] = {0x2D, 0x00, 0x17, 0x00, 0x44};
    for (unsigned kind = ELO_DHT11; kind <= ELO_DHT22; kind++) {
        const uint8_t *bytes = kind == ELO_DHT11 ? dht11 : dht22;
        struct elo_dht d;
        struct elo_reading r;
        uint32_t now = UINT32_MAX - 2500; /* wraps on the way */
        uint32_t took[3];
        elo_dht_init(&d, (elo_dht_kind)kind, 0, now);
        for (unsigned n = 0; n < 4; n++) {
            round_of(&d, &now, bytes, 42, took, &r);
            assert_int_equal(took[0], kind == ELO_DHT11 ? 1000 : 2000);
            assert_true(took[1] >= (kind == ELO_DHT11 ? 19 : 2) && took[1] <= 30);
            assert_true(took[2] >= 6);
            assert_int_equal(r.error, ELO_OK);
            assert_int_equal(r.centi_celsius, kind == ELO_DHT11 ? 2300 : 3510);
        }
        round_of(&d, &now, bytes, 0, took, &r);
        assert_int_equal(r.error, ELO_E_SENSOR_MISSING);
        for (unsigned edges = 1; edges < 300; edges++) {
            round_of(&d, &now, bytes, edges, took, &r);
            assert_int_equal(r.error, edges == 42 ? ELO_OK : ELO_E_SENSOR_FRAME);
        }
        round_of(&d, &now, bytes, 42, took, &r);
        assert_int_equal(r.error, ELO_OK);
    }
}

static void a_longer_interval_and_late_ticks(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x02, 0x8C, 0x01, 0x5F, 0xEE};
    struct elo_dht d;
    struct elo_reading r = blank();
    uint32_t now = 5;
    elo_dht_init(&d, ELO_DHT22, 60000, now);
    assert_int_equal(elo_dht_next_deadline(&d), 60005);
    assert_int_equal(elo_dht_tick(&d, now += 500000, &r), ELO_DHT_PULL);
    assert_int_equal(elo_dht_tick(&d, now += 700, &r), ELO_DHT_LISTEN);
    play(&d, bytes, 42);
    assert_int_equal(elo_dht_tick(&d, now += 900, &r), ELO_DHT_READING);
    assert_int_equal(r.centi_celsius, 3510);
    assert_int_equal(elo_dht_tick(&d, now + 59999, &r), ELO_DHT_REST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),
        cmocka_unit_test(each_bit_flipped),
        cmocka_unit_test(each_edge_lost),
        cmocka_unit_test(cut_at_each_length),
        cmocka_unit_test(every_temperature),
        cmocka_unit_test(a_round),
        cmocka_unit_test(a_longer_interval_and_late_ticks),
    };
    return cmocka_run_group_tests(tests, open_vectors, vector_file_close);
}
