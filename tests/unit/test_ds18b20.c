// links: elo_sensor
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* 1-Wire and the DS18B20: scratchpads as data; a line with simulated sensors on it, slot by slot,
 * that are found, convert, lose their power, are pulled out, and are disturbed. */
#include "elo/sensor/ds18b20.h"

#include "tests/support/vector_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define SENSORS 6

static int open_vectors(void **state)
{
    return vector_file_open(state, ELO_SOURCE_DIR "/tests/vectors/sensor/ds18b20.txt", 64);
}

/* --- scratchpads ------------------------------------------------------------------------------ */

static void every_scratchpad(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct elo_ds18b20_about about = {0};
        struct elo_reading r = {.source = "me"};
        assert_int_equal(v->len, ELO_DS18B20_SCRATCHPAD);
        elo_err err = elo_ds18b20_read(guard_copy(&guard, v->bytes, v->len).ptr, &about, &r);
        char got[64];
        snprintf(got, sizeof got, "centi_celsius=%d bits=%u suspect=%d", r.centi_celsius,
                 about.resolution_bits, about.suspect);
        const char *want = vector_get(v, "is");
        if (strcmp(err_name(err), want ? "OK" : vector_get(v, "err")) != 0 || r.error != err ||
            (want && strcmp(got, want) != 0)) {
            fail_msg("%s:%u [%s]: %s %s", v->file, v->line, v->name, err_name(err), got);
        }
        assert_int_equal(r.has, err == ELO_OK ? ELO_READING_TEMPERATURE : 0);
        assert_string_equal(r.source, "me");
        assert_int_equal(elo_ds18b20_read(v->bytes, NULL, &r), err);
    }
    assert_true(vectors.count > 30);
}

static void each_bit_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        for (unsigned bit = 0; vector_get(v, "is") && bit < v->len * 8; bit++) {
            struct elo_reading r = {0};
            v->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(elo_ds18b20_read(v->bytes, NULL, &r), ELO_E_SENSOR_CHECKSUM);
            v->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

/* Every temperature at every resolution, against floating point. */
static void every_temperature(void **state)
{
    (void)state;
    for (unsigned bits = 9; bits <= 12; bits++) {
        for (int raw = -880; raw <= 2000; raw++) {
            uint8_t s[9] = {(uint8_t)raw,
                            (uint8_t)((unsigned)raw >> 8),
                            0,
                            0,
                            (uint8_t)((bits - 9) << 5 | 0x1F),
                            0xFF,
                            0x10,
                            0x10,
                            0};
            s[8] = elo_onewire_crc8(s, 8);
            struct elo_reading r = {0};
            elo_err err = elo_ds18b20_read(s, NULL, &r);
            int step = 1 << (12 - bits);
            double celsius = (raw - ((raw % step) + step) % step) / 16.0;
            if (celsius < -55) {
                assert_int_equal(err, ELO_E_SENSOR_RANGE);
                continue;
            }
            assert_int_equal(err, ELO_OK);
            double off = r.centi_celsius - celsius * 100;
            assert_true(off >= -0.5 && off <= 0.5);
        }
    }
}

static void the_checksum_of_the_application_note(void **state)
{
    (void)state;
    /* Maxim's application note 27: this ROM, and 0 over all of it */
    static const uint8_t rom[] = {0x02, 0x1C, 0xB8, 0x01, 0x00, 0x00, 0x00, 0xA2};
    assert_int_equal(elo_onewire_crc8(rom, 7), 0xA2);
    assert_int_equal(elo_onewire_crc8(rom, 8), 0);
    assert_int_equal(elo_onewire_crc8(rom, 0), 0);
}

/* --- a line with sensors ---------------------------------------------------------------------- */

enum mode { IDLE, COMMAND, SEARCHING, MATCHING, READING, POWERING };

struct sensor {
    bool there, parasite, no_power;
    struct elo_onewire_rom rom;
    int16_t sixteenths;
    uint8_t scratchpad[9];
    enum mode mode;
    bool selected;
    unsigned bit;
    uint8_t byte;
};

struct line {
    struct sensor sensors[SENSORS];
    bool low, high; /* a short; somebody who cannot be pulled down */
    uint32_t noise; /* a bit read wrongly, one in so many; 0: none */
    uint32_t seed;
    uint32_t now, converted_at;
    bool converting, fed;
    unsigned operations, most; /* in a tick, in slots of 70 us; a reset is 14 */
};

static void power_on(struct sensor *s)
{
    static const uint8_t fresh[] = {0x50, 0x05, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10};
    memcpy(s->scratchpad, fresh, sizeof fresh);
    s->scratchpad[8] = elo_onewire_crc8(s->scratchpad, 8);
}

static void add_sensor(struct line *l, unsigned i, uint8_t family, uint64_t serial, int sixteenths)
{
    struct sensor *s = &l->sensors[i];
    memset(s, 0, sizeof *s);
    s->there = true;
    s->sixteenths = (int16_t)sixteenths;
    s->rom.bytes[0] = family;
    for (unsigned b = 0; b < 6; b++) {
        s->rom.bytes[1 + b] = (uint8_t)(serial >> 8 * b);
    }
    s->rom.bytes[7] = elo_onewire_crc8(s->rom.bytes, 7);
    power_on(s);
}

static elo_onewire_presence line_reset(void *ctx)
{
    struct line *l = ctx;
    bool anyone = false;
    l->operations += 14;
    assert_false(l->fed);
    for (unsigned i = 0; i < SENSORS; i++) {
        l->sensors[i].mode = COMMAND;
        l->sensors[i].selected = true;
        l->sensors[i].bit = 0;
        anyone |= l->sensors[i].there;
    }
    return l->low ? ELO_ONEWIRE_STUCK : anyone ? ELO_ONEWIRE_PRESENT : ELO_ONEWIRE_NOBODY;
}

static bool rom_bit(const struct sensor *s, unsigned bit)
{
    return (s->rom.bytes[bit / 8] >> bit % 8 & 1) != 0;
}

static void convert(struct line *l, struct sensor *s)
{
    l->converting = true;
    l->converted_at = l->now;
    if (s->no_power) {
        return;
    }
    s->scratchpad[0] = (uint8_t)s->sixteenths;
    s->scratchpad[1] = (uint8_t)((uint16_t)s->sixteenths >> 8);
    s->scratchpad[6] = 0x10;
    s->scratchpad[8] = elo_onewire_crc8(s->scratchpad, 8);
}

static void take_command(struct line *l, struct sensor *s)
{
    s->bit = 0;
    switch (s->byte) {
    case 0xF0:
        s->mode = SEARCHING;
        break;
    case 0x55:
        s->mode = MATCHING;
        break;
    case 0xCC:
        s->mode = COMMAND;
        break;
    case 0x44:
        convert(l, s);
        s->mode = IDLE;
        break;
    case 0xBE:
        assert_true(!l->converting || l->now - l->converted_at >= 750);
        s->mode = READING;
        break;
    case 0xB4:
        s->mode = POWERING;
        break;
    default:
        fail_msg("unknown command %02x", s->byte);
    }
}

static void sensor_hears(struct line *l, struct sensor *s, bool bit)
{
    if (s->mode == COMMAND) {
        s->byte = (uint8_t)(s->byte >> 1 | (bit ? 0x80 : 0));
        if (++s->bit == 8) {
            take_command(l, s);
        }
    } else if (s->mode == SEARCHING) { /* two bits said, one heard */
        if (bit != rom_bit(s, s->bit / 3)) {
            s->mode = IDLE;
        } else if (++s->bit == 64 * 3) {
            s->mode = IDLE;
        }
    } else if (s->mode == MATCHING) {
        s->selected &= bit == rom_bit(s, s->bit);
        if (++s->bit == 64) {
            s->mode = s->selected ? COMMAND : IDLE;
            s->bit = 0;
        }
    }
}

static bool sensor_says(struct sensor *s)
{
    unsigned bit = s->bit;
    switch (s->mode) {
    case SEARCHING:
        s->bit++;
        return bit % 3 == 0 ? rom_bit(s, bit / 3) : !rom_bit(s, bit / 3);
    case READING:
        s->bit++;
        return bit >= 72 || (s->scratchpad[bit / 8] >> bit % 8 & 1) != 0;
    case POWERING:
        return !s->parasite;
    default:
        return true;
    }
}

static void line_write(void *ctx, bool bit)
{
    struct line *l = ctx;
    l->operations++;
    assert_false(l->fed);
    for (unsigned i = 0; i < SENSORS; i++) {
        if (l->sensors[i].there) {
            sensor_hears(l, &l->sensors[i], bit);
        }
    }
}

static bool line_read(void *ctx)
{
    struct line *l = ctx;
    bool bit = true;
    l->operations++;
    for (unsigned i = 0; i < SENSORS; i++) {
        if (l->sensors[i].there && l->sensors[i].mode != IDLE) {
            bit &= sensor_says(&l->sensors[i]);
        }
    }
    l->seed = l->seed * 1664525u + 1013904223u;
    bit ^= l->noise != 0 && (l->seed >> 8) % l->noise == 0;
    return !l->low && (bit || l->high);
}

static void line_feed(void *ctx, bool on)
{
    struct line *l = ctx;
    assert_true(on != l->fed);
    l->fed = on;
}

static struct elo_onewire bus_of(struct line *l)
{
    struct elo_onewire bus = {line_reset, line_write, line_read, NULL, l};
    return bus;
}

/* --- searching -------------------------------------------------------------------------------- */

static unsigned search_all(struct line *l, struct elo_onewire_rom *out, elo_err *end)
{
    struct elo_onewire bus = bus_of(l);
    struct elo_onewire_search s;
    unsigned count = 0;
    elo_onewire_search_begin(&s);
    for (unsigned steps = 0; steps < 2000; steps++) {
        l->operations = 0;
        *end = elo_onewire_search_step(&s, &bus);
        assert_true(l->operations <= 24);
        if (*end == ELO_OK) {
            assert_true(count < 100);
            out[count++] = s.rom;
        } else if (*end != ELO_NEED_MORE) {
            return count;
        }
    }
    fail_msg("a search without end");
    return 0;
}

static void all_are_found_whoever_they_are(void **state)
{
    (void)state;
    struct line l = {.seed = 3};
    for (unsigned run = 0; run < 500; run++) {
        unsigned n = run % SENSORS + 1;
        memset(l.sensors, 0, sizeof l.sensors);
        for (unsigned i = 0; i < n; i++) {
            line_read(&l); /* stirs the seed */
            uint64_t serial = run % 3 == 0 ? i : (uint64_t)l.seed << (run % 16);
            add_sensor(&l, i, run % 5 == 0 ? (uint8_t)(0x10 + i) : 0x28, serial, 0);
        }
        struct elo_onewire_rom found[100];
        elo_err end;
        assert_int_equal(search_all(&l, found, &end), n);
        assert_int_equal(end, ELO_END);
        for (unsigned i = 0; i < n; i++) {
            bool seen = false;
            for (unsigned k = 0; k < n; k++) {
                seen |= memcmp(&found[k], &l.sensors[i].rom, sizeof found[k]) == 0;
            }
            assert_true(seen);
        }
    }
}

static void searches_that_fail(void **state)
{
    (void)state;
    struct elo_onewire_rom found[100];
    struct line l = {.seed = 3};
    elo_err end;
    assert_int_equal(search_all(&l, found, &end), 0);
    assert_int_equal(end, ELO_E_SENSOR_MISSING);
    l.low = true;
    (void)search_all(&l, found, &end);
    assert_int_equal(end, ELO_E_SENSOR_BUS);
    l.low = false;
    add_sensor(&l, 0, 0x28, 0x123456, 0);
    l.high = true; /* answers the reset, but then no bit gets through */
    (void)search_all(&l, found, &end);
    assert_int_equal(end, ELO_E_SENSOR_FRAME);
    l.high = false;
    l.sensors[0].rom.bytes[7] ^= 1;
    (void)search_all(&l, found, &end);
    assert_int_equal(end, ELO_E_SENSOR_CHECKSUM);
    memset(&l.sensors[0].rom, 0, sizeof l.sensors[0].rom);
    (void)search_all(&l, found, &end);
    assert_int_equal(end, ELO_E_SENSOR_BUS);
}

/* --- rounds ----------------------------------------------------------------------------------- */

struct round {
    struct elo_reading readings[SENSORS];
    bool got[SENSORS];
    uint32_t took_ms;
};

/* Until the sensors rest again. */
static void run_round(struct elo_ds18b20 *d, struct line *l, struct round *r)
{
    memset(r, 0, sizeof *r);
    uint32_t from = l->now;
    for (unsigned ticks = 0; ticks < 3000; ticks++) {
        uint32_t wait = elo_ds18b20_next_deadline(d) - l->now;
        bool resting = wait > 750 && wait < 1u << 31;
        if (ticks > 1 && resting) {
            r->took_ms = l->now - from;
            l->now += wait;
            return;
        }
        l->now += wait < 1u << 31 ? wait : 0;
        struct elo_reading reading = {.source = "me"};
        uint8_t index = 0xEE;
        l->operations = 0;
        if (elo_ds18b20_tick(d, l->now, &index, &reading)) {
            assert_true(index < SENSORS && !r->got[index]);
            r->got[index] = true;
            r->readings[index] = reading;
        }
        l->most = l->operations > l->most ? l->operations : l->most;
    }
    fail_msg("a round without end");
}

static void three_sensors(void **state)
{
    (void)state;
    struct line l = {.seed = 3, .now = UINT32_MAX - 15000};
    struct elo_onewire bus = bus_of(&l);
    struct elo_onewire_rom roms[4];
    struct elo_ds18b20 d;
    struct round r;
    add_sensor(&l, 0, 0x28, 0x1111, 16 * 21 + 6);
    add_sensor(&l, 1, 0x22, 0x2222, -16 * 5 - 1);
    add_sensor(&l, 2, 0x28, 0x3333, 85 * 16);
    elo_ds18b20_init(&d, &bus, roms, 4, 10000, l.now);
    for (unsigned n = 0; n < 5; n++) {
        run_round(&d, &l, &r);
        assert_int_equal(elo_ds18b20_count(&d), 3);
        assert_in_range(r.took_ms, 750, 760);
        for (unsigned i = 0; i < 3; i++) {
            unsigned k = 0;
            while (memcmp(&roms[i], &l.sensors[k].rom, sizeof roms[i]) != 0) {
                k++;
            }
            static const int want[] = {2138, -506, 8500};
            assert_true(r.got[i]);
            assert_int_equal(r.readings[i].error, ELO_OK);
            assert_int_equal(r.readings[i].centi_celsius, want[k]);
        }
        assert_false(r.got[3]);
    }
    assert_true(l.most <= 24);
}

static void what_can_be_wrong_with_one(void **state)
{
    (void)state;
    struct line l = {.seed = 3};
    struct elo_onewire bus = bus_of(&l);
    struct elo_onewire_rom roms[SENSORS];
    struct elo_ds18b20 d;
    struct round r;
    elo_ds18b20_init(&d, &bus, roms, SENSORS, 5000, l.now);
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_E_SENSOR_MISSING);
    assert_string_equal(r.readings[0].source, "me");
    add_sensor(&l, 0, 0x10, 1, 0); /* a DS18S20 */
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_E_SENSOR_KIND);
    add_sensor(&l, 1, 0x28, 2, 320); /* found by itself */
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].centi_celsius, 2000);
    add_sensor(&l, 2, 0x28, 5, 336); /* found when asked for */
    run_round(&d, &l, &r);
    assert_int_equal(elo_ds18b20_count(&d), 1);
    elo_ds18b20_search_again(&d);
    run_round(&d, &l, &r);
    assert_int_equal(elo_ds18b20_count(&d), 2);
    l.sensors[1].no_power = true; /* a loose wire: fresh from power-on at each reading */
    power_on(&l.sensors[1]);
    run_round(&d, &l, &r);
    assert_true(r.got[0] && r.got[1]);
    assert_int_equal(r.readings[0].error + r.readings[1].error, ELO_E_SENSOR_POWER);
    l.sensors[1].there = false;
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error + r.readings[1].error, ELO_E_SENSOR_MISSING);
    l.low = true;
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_E_SENSOR_BUS);
    assert_int_equal(r.readings[1].error, ELO_E_SENSOR_BUS);
    l.low = false;
    run_round(&d, &l, &r); /* which searched again: the one that is left */
    assert_int_equal(elo_ds18b20_count(&d), 1);
    assert_int_equal(r.readings[0].centi_celsius, 2100);
    l.sensors[0].there = l.sensors[2].there = false; /* all pulled out */
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_E_SENSOR_MISSING);
}

/* Pulled out in the middle of a round: between any two operations, and put back after it. */
static void pulled_out_at_any_moment(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 60; at++) {
        struct line l = {.seed = 3};
        struct elo_onewire bus = bus_of(&l);
        struct elo_onewire_rom roms[2];
        struct elo_ds18b20 d;
        struct elo_reading reading = {.source = "me"};
        struct round r;
        uint8_t index;
        add_sensor(&l, 0, 0x28, 9, 160);
        elo_ds18b20_init(&d, &bus, roms, 2, 5000, l.now);
        bool done = false;
        for (unsigned ticks = 0; !done && ticks < 200; ticks++) {
            l.sensors[0].there = ticks < at;
            uint32_t wait = elo_ds18b20_next_deadline(&d) - l.now;
            l.now += wait < 1u << 31 ? wait : 0;
            done = elo_ds18b20_tick(&d, l.now, &index, &reading);
        }
        assert_true(done);
        assert_true(reading.error != ELO_OK || reading.centi_celsius == 1000);
        assert_false(elo_ds18b20_tick(&d, l.now, &index, &reading)); /* not yet */
        l.now += 5000;
        l.sensors[0].there = true;
        power_on(&l.sensors[0]);
        run_round(&d, &l, &r);
        assert_int_equal(r.readings[0].error, ELO_OK);
        assert_int_equal(r.readings[0].centi_celsius, 1000);
    }
}

static void more_sensors_than_room(void **state)
{
    (void)state;
    struct line l = {.seed = 3};
    struct elo_onewire bus = bus_of(&l);
    struct elo_onewire_rom roms[2];
    struct elo_ds18b20 d;
    struct round r;
    for (unsigned i = 0; i < SENSORS; i++) {
        add_sensor(&l, i, 0x28, i * 77, 160);
    }
    elo_ds18b20_init(&d, &bus, roms, 2, 5000, l.now);
    run_round(&d, &l, &r);
    assert_int_equal(elo_ds18b20_count(&d), 2);
    assert_true(r.got[0] && r.got[1] && !r.got[2]);
}

static void power_from_the_line(void **state)
{
    (void)state;
    struct line l = {.seed = 3};
    struct elo_onewire bus = bus_of(&l);
    struct elo_onewire_rom roms[2];
    struct elo_ds18b20 d;
    struct round r;
    add_sensor(&l, 0, 0x28, 9, 160);
    l.sensors[0].parasite = true;
    elo_ds18b20_init(&d, &bus, roms, 2, 5000, l.now);
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_E_SENSOR_POWER);
    bus.feed = line_feed;
    run_round(&d, &l, &r);
    assert_int_equal(r.readings[0].error, ELO_OK);
    assert_int_equal(r.readings[0].centi_celsius, 1000);
    assert_false(l.fed);
}

/* However disturbed: rounds end, and a wrong value is as rare as the checksum lets it be: none
 * here. */
static void noise(void **state)
{
    (void)state;
    struct line l = {.seed = 11};
    struct elo_onewire bus = bus_of(&l);
    struct elo_onewire_rom roms[SENSORS];
    struct elo_ds18b20 d;
    struct round r;
    unsigned good = 0, bad = 0;
    for (unsigned i = 0; i < 3; i++) {
        add_sensor(&l, i, 0x28, i * 1234567 + 1, 320);
    }
    elo_ds18b20_init(&d, &bus, roms, SENSORS, 2000, l.now);
    for (unsigned n = 0; n < 3000; n++) {
        l.noise = n % 2 == 0 ? 400 : 3 + n % 50;
        l.fed = false;
        run_round(&d, &l, &r);
        for (unsigned i = 0; i < SENSORS; i++) {
            bool ok = r.got[i] && r.readings[i].error == ELO_OK;
            good += ok && r.readings[i].centi_celsius == 2000;
            bad += ok && r.readings[i].centi_celsius != 2000;
        }
    }
    assert_true(good > 100);
    assert_true(bad * 200 < good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scratchpad),
        cmocka_unit_test(each_bit_flipped),
        cmocka_unit_test(every_temperature),
        cmocka_unit_test(the_checksum_of_the_application_note),
        cmocka_unit_test(all_are_found_whoever_they_are),
        cmocka_unit_test(searches_that_fail),
        cmocka_unit_test(three_sensors),
        cmocka_unit_test(what_can_be_wrong_with_one),
        cmocka_unit_test(pulled_out_at_any_moment),
        cmocka_unit_test(more_sensors_than_room),
        cmocka_unit_test(power_from_the_line),
        cmocka_unit_test(noise),
    };
    return cmocka_run_group_tests(tests, open_vectors, vector_file_close);
}
