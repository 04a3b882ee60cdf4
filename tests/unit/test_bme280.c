// links: elo_sensor
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* BME280 and BMP280: registers as data, the arithmetic against the datasheet's other formula (in
 * floating point), and a simulated chip on a simulated bus. */
#include "elo/sensor/bme280.h"

#include "tests/support/vector_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static int open_vectors(void **state)
{
    return vector_file_open(state, ELO_SOURCE_DIR "/tests/vectors/sensor/bme280.txt", 64);
}

static elo_err read_vector(const struct vector *v, struct elo_reading *r)
{
    struct elo_bme280_trim trim;
    bool bme = strcmp(vector_get(v, "kind"), "BME280") == 0;
    size_t hum_len = bme ? ELO_BME280_TRIM_HUM_BYTES : 0;
    size_t data_len = bme ? ELO_BME280_DATA_BYTES : ELO_BME280_DATA_BYTES - 2;
    const uint8_t *hum = v->bytes + ELO_BME280_TRIM_BYTES;
    assert_int_equal(v->len, ELO_BME280_TRIM_BYTES + hum_len + data_len);
    elo_err err = elo_bme280_read_trim(v->bytes, bme ? hum : NULL, &trim);
    if (err != ELO_OK) {
        return elo_reading_fail(r, err);
    }
    return elo_bme280_read_data(bme ? ELO_BME280_BME : ELO_BME280_BMP, &trim,
                                guard_copy(&guard, hum + hum_len, data_len).ptr, r);
}

static void every_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct elo_reading r = {.source = "me"};
        elo_err err = read_vector(v, &r);
        char got[96];
        int n = snprintf(got, sizeof got, "centi_celsius=%d pascal=%u", r.centi_celsius,
                         (unsigned)r.pascal);
        if (r.has & ELO_READING_HUMIDITY) {
            snprintf(got + n, sizeof got - (size_t)n, " centi_percent=%u", r.centi_percent);
        }
        const char *want = vector_get(v, "is");
        if (strcmp(err_name(err), want ? "OK" : vector_get(v, "err")) != 0 || r.error != err ||
            (want && strcmp(got, want) != 0)) {
            fail_msg("%s:%u [%s]: %s %s", v->file, v->line, v->name, err_name(err), got);
        }
        assert_string_equal(r.source, "me");
    }
    assert_true(vectors.count > 12);
}

static void trimming_values_are_where_the_datasheet_says(void **state)
{
    (void)state;
    uint8_t bytes[26];
    uint8_t hum[7] = {0x6A, 0x01, 0x12, 0x14, 0x2D, 0x03, 0xE2};
    struct elo_bme280_trim k;
    for (unsigned i = 0; i < 26; i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    bytes[23] = 0xFF; /* P9 is below 0 */
    assert_int_equal(elo_bme280_read_trim(bytes, hum, &k), ELO_OK);
    assert_int_equal(k.t1, 0x0201);
    assert_int_equal(k.t2, 0x0403);
    assert_int_equal(k.t3, 0x0605);
    assert_int_equal(k.p1, 0x0807);
    assert_int_equal(k.p[2], 0x0A09);
    assert_int_equal(k.p[8], 0x1615);
    assert_int_equal(k.p[9], -0x100 + 0x17);
    assert_int_equal(k.h1, 26);
    assert_int_equal(k.h2, 362);
    assert_int_equal(k.h3, 0x12);
    assert_int_equal(k.h4, 0x14D);
    assert_int_equal(k.h5, 0x032);
    assert_int_equal(k.h6, -30);
    hum[3] = 0xF0; /* twelve bits with a sign */
    hum[4] = 0xF1;
    hum[5] = 0x80;
    assert_int_equal(elo_bme280_read_trim(bytes, hum, &k), ELO_OK);
    assert_int_equal(k.h4, -0x100 + 1);
    assert_int_equal(k.h5, -0x800 + 15);
}

/* --- against floating point ------------------------------------------------------------------- */

struct exact {
    double celsius, pascal, percent;
};

/* The datasheet's formula for double precision (BST-BME280-DS002, 8.1). */
static struct exact exact_of(const struct elo_bme280_trim *k, double p, double t, double h)
{
    struct exact e;
    double a = (t / 16384 - k->t1 / 1024.0) * k->t2;
    double b = (t / 131072 - k->t1 / 8192.0) * (t / 131072 - k->t1 / 8192.0) * k->t3;
    double fine = a + b;
    e.celsius = fine / 5120;
    a = fine / 2 - 64000;
    b = a * a * k->p[6] / 32768 + a * k->p[5] * 2;
    b = b / 4 + k->p[4] * 65536.0;
    a = (k->p[3] * a * a / 524288 + k->p[2] * a) / 524288;
    a = (1 + a / 32768) * k->p1;
    double x = (1048576 - p - b / 4096) * 6250 / a;
    e.pascal = x + (k->p[9] * x * x / 2147483648.0 + x * k->p[8] / 32768 + k->p[7]) / 16;
    x = fine - 76800;
    x = (h - (k->h4 * 64.0 + k->h5 / 16384.0 * x)) *
        (k->h2 / 65536.0 * (1 + k->h6 / 67108864.0 * x * (1 + k->h3 / 67108864.0 * x)));
    x = x * (1 - k->h1 * x / 524288);
    e.percent = x < 0 ? 0 : x > 100 ? 100 : x;
    return e;
}

/* Chips as they are: the datasheet's, and others within its neighbourhood. */
static const struct elo_bme280_trim chips[] = {
    {27504,
     26435,
     -1000,
     36477,
     {0, 0, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000},
     75,
     0,
     360,
     324,
     50,
     30},
    {28485,
     26735,
     50,
     36738,
     {0, 0, -10635, 3024, 6980, -4, -7, 9900, -10230, 4285},
     75,
     0,
     353,
     340,
     0,
     30},
    {27915,
     26068,
     50,
     38278,
     {0, 0, -10552, 3024, 7532, 18, -7, 12300, -12000, 5000},
     75,
     0,
     370,
     313,
     50,
     30},
};

static double off(double a, double b)
{
    return a > b ? a - b : b - a;
}

static void integers_are_as_good_as_floating_point(void **state)
{
    (void)state;
    unsigned good = 0;
    double worst_pascal = 0;
    for (size_t c = 0; c < sizeof chips / sizeof chips[0]; c++) {
        for (uint32_t t = 300000; t < 700000; t += 1237) {
            for (uint32_t p = 150000; p < 700000; p += 7001) {
                uint32_t h = 15000 + (t * 7 + p) % 40000;
                uint8_t bytes[8] = {(uint8_t)(p >> 12), (uint8_t)(p >> 4), (uint8_t)(p << 4),
                                    (uint8_t)(t >> 12), (uint8_t)(t >> 4), (uint8_t)(t << 4),
                                    (uint8_t)(h >> 8),  (uint8_t)h};
                struct elo_reading r = {0};
                struct exact e = exact_of(&chips[c], p, t, h);
                bool inside = e.celsius > -39.9 && e.celsius < 84.9 && e.pascal > 30020 &&
                              e.pascal < 109980 && h != 0x8000;
                bool outside =
                    e.celsius < -40.1 || e.celsius > 85.1 || e.pascal < 29980 || e.pascal > 110020;
                elo_err err = elo_bme280_read_data(ELO_BME280_BME, &chips[c], bytes, &r);
                assert_true(!inside || err == ELO_OK);
                assert_true(!outside || err == ELO_E_SENSOR_RANGE);
                if (inside) {
                    good++;
                    assert_true(off(r.centi_celsius, e.celsius * 100) < 2);
                    assert_true(off(r.centi_percent, e.percent * 100) < 5);
                    double pascal = off(r.pascal, e.pascal);
                    worst_pascal = pascal > worst_pascal ? pascal : worst_pascal;
                }
            }
        }
    }
    print_message("%u readings, pressure at most %.1f Pa off\n", good, worst_pascal);
    assert_true(good > 10000);
    assert_true(worst_pascal < 12);
}

/* --- a chip on a bus -------------------------------------------------------------------------- */

struct chip {
    uint8_t address, id;
    uint8_t regs[256];
    uint8_t reg;
    bool there;
    uint32_t now, busy_until;
    bool reset_busy, measuring, for_ever;
    unsigned fail_at; /* this transfer is not acknowledged; 0: none */
    unsigned transfers;
    unsigned measurements;
};

static void power_up(struct chip *c)
{
    const struct vector *v = &vectors.items[1]; /* a BME280's */
    memcpy(c->regs + 0x88, v->bytes, 26);
    memcpy(c->regs + 0xE1, v->bytes + 26, 7);
    c->regs[0xD0] = c->id;
    c->regs[0xF2] = 0;
    c->regs[0xF4] = 0;
    memcpy(c->regs + 0xF7, "\x80\x00\x00\x80\x00\x00\x80\x00", 8);
}

static bool acked(struct chip *c, uint8_t address)
{
    return c->there && address == c->address && ++c->transfers != c->fail_at;
}

static void finish(struct chip *c)
{
    const struct vector *v = &vectors.items[1];
    bool busy = c->for_ever || (int32_t)(c->busy_until - c->now) > 0;
    c->regs[0xF3] = (uint8_t)(busy ? (c->measuring ? 0x08 : 0x01) : 0);
    if (!busy && c->measuring) {
        bool with_hum = c->id == 0x60 && (c->regs[0xF2] & 7) != 0;
        c->measuring = false;
        memcpy(c->regs + 0xF7, v->bytes + 33, with_hum ? 8 : 6);
    }
}

static bool chip_write(void *ctx, uint8_t address, const uint8_t *bytes, size_t len)
{
    struct chip *c = ctx;
    if (!acked(c, address)) {
        return false;
    }
    c->reg = bytes[0];
    for (size_t i = 1; i < len; i++) {
        assert_int_equal(len, 2);
        c->regs[c->reg] = bytes[i];
        if (c->reg == 0xE0) {
            assert_int_equal(bytes[i], 0xB6);
            power_up(c);
            c->measuring = false;
            c->busy_until = c->now + 2;
        }
        if (c->reg == 0xF4 && (bytes[i] & 3) != 0) {
            assert_int_equal(bytes[i] & 3, 1);
            c->measurements++;
            c->measuring = true;
            c->busy_until = c->now + 10;
        }
    }
    return true;
}

static bool chip_read(void *ctx, uint8_t address, uint8_t *bytes, size_t len)
{
    struct chip *c = ctx;
    if (!acked(c, address)) {
        return false;
    }
    finish(c);
    memcpy(bytes, c->regs + c->reg, len);
    return true;
}

static void plug(struct chip *c, uint8_t address, uint8_t id)
{
    memset(c, 0, sizeof *c);
    c->there = true;
    c->address = address;
    c->id = id;
    c->now = UINT32_MAX - 4000;
    power_up(c);
}

/* Until the next reading. */
static struct elo_reading next_reading(struct elo_bme280 *d, struct chip *c)
{
    struct elo_reading r = {.source = "me"};
    for (unsigned ticks = 0; ticks < 50; ticks++) {
        uint32_t wait = elo_bme280_next_deadline(d) - c->now;
        if (wait > 1 && wait < 1u << 31) { /* a tick too early does nothing */
            c->now += wait - 1;
            assert_false(elo_bme280_tick(d, c->now, &r));
            c->now++;
        }
        if (elo_bme280_tick(d, c->now, &r)) {
            return r;
        }
    }
    fail_msg("no reading");
    return r;
}

static void readings_of_both_chips(void **state)
{
    (void)state;
    static const struct {
        uint8_t id;
        bool humid;
    } ids[] = {{0x60, true}, {0x58, false}, {0x56, false}, {0x57, false}};
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned any = 0; any < 2; any++) {
            struct chip c;
            uint8_t address = i % 2 == 0 ? ELO_BME280_LOW : ELO_BME280_HIGH;
            plug(&c, address, ids[i].id);
            struct elo_i2c i2c = {chip_write, chip_read, &c};
            struct elo_bme280 d;
            elo_bme280_init(&d, &i2c, any ? ELO_BME280_ANY : address, 5000, c.now);
            assert_int_equal(elo_bme280_get_kind(&d), ELO_BME280_UNKNOWN);
            uint32_t last = c.now;
            for (unsigned n = 1; n <= 5; n++) {
                struct elo_reading r = next_reading(&d, &c);
                assert_int_equal(r.error, ELO_OK);
                assert_int_equal(r.centi_celsius, 2508);
                assert_int_equal(r.pascal, 100656);
                assert_int_equal((r.has & ELO_READING_HUMIDITY) != 0, ids[i].humid);
                assert_int_equal(c.measurements, n);
                assert_true(n == 1 || c.now - last == 5000 || n == 2);
                last = c.now;
            }
            assert_int_equal(elo_bme280_get_kind(&d),
                             ids[i].humid ? ELO_BME280_BME : ELO_BME280_BMP);
        }
    }
}

static void what_can_be_wrong(void **state)
{
    (void)state;
    struct chip c;
    plug(&c, ELO_BME280_HIGH, 0x61); /* a BME680 */
    struct elo_i2c i2c = {chip_write, chip_read, &c};
    struct elo_bme280 d;
    elo_bme280_init(&d, &i2c, ELO_BME280_ANY, 1000, c.now);
    assert_int_equal(next_reading(&d, &c).error, ELO_E_SENSOR_KIND);
    c.there = false;
    assert_int_equal(next_reading(&d, &c).error, ELO_E_SENSOR_MISSING);
    assert_string_equal(next_reading(&d, &c).source, "me");
    plug(&c, ELO_BME280_LOW, 0x60); /* plugged in */
    assert_int_equal(next_reading(&d, &c).error, ELO_OK);
    c.for_ever = true;
    assert_int_equal(next_reading(&d, &c).error, ELO_E_SENSOR_FRAME);
    assert_int_equal(elo_bme280_get_kind(&d), ELO_BME280_UNKNOWN);
    assert_int_equal(next_reading(&d, &c).error, ELO_E_SENSOR_FRAME); /* after the reset */
    c.for_ever = false;
    assert_int_equal(next_reading(&d, &c).error, ELO_OK);
}

/* Pulled out at each single transfer, and put back: an error, then values again. */
static void each_transfer_fails_once(void **state)
{
    (void)state;
    for (unsigned at = 1;; at++) {
        struct chip c;
        plug(&c, ELO_BME280_LOW, 0x60);
        struct elo_i2c i2c = {chip_write, chip_read, &c};
        struct elo_bme280 d;
        elo_bme280_init(&d, &i2c, ELO_BME280_LOW, 1000, c.now);
        c.fail_at = at;
        struct elo_reading r = next_reading(&d, &c);
        if (c.transfers < at) {
            assert_true(at > 10);
            return;
        }
        assert_int_equal(r.error, at <= 2 ? ELO_E_SENSOR_MISSING : ELO_E_SENSOR_FRAME);
        assert_int_equal(r.has, 0);
        r = next_reading(&d, &c);
        assert_int_equal(r.error, ELO_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),
        cmocka_unit_test(trimming_values_are_where_the_datasheet_says),
        cmocka_unit_test(integers_are_as_good_as_floating_point),
        cmocka_unit_test(readings_of_both_chips),
        cmocka_unit_test(what_can_be_wrong),
        cmocka_unit_test(each_transfer_fails_once),
    };
    return cmocka_run_group_tests(tests, open_vectors, vector_file_close);
}
