// links: elo_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Values in flash by key: newest wins, limits, wear, secrets that are gone when they should be, and
 * flash that holds something else. Power cuts are in tests/model/test_slot_cuts.c.
 */
#include "elo/store/slots.h"

#include "tests/support/sim_flash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECTORS    4u
#define BANK       (SECTORS / 2 * ELO_FLASH_SECTOR)
#define BANK_HEAD  12u
#define VALUE_HEAD 12u
#define LARGEST    (BANK - BANK_HEAD - VALUE_HEAD)

static struct sim_flash flash;
static struct elo_slots slots;
static uint8_t bytes[BANK];
static uint8_t got[BANK];

static void start(void)
{
    memset(&slots, 0xA5, sizeof slots);
    assert_int_equal(elo_slots_init(&slots, &flash.dev), ELO_OK);
}

static void open_flash(void)
{
    sim_flash_init(&flash, SECTORS, 1);
    start();
}

static int close_flash(void **state)
{
    (void)state;
    sim_flash_free(&flash);
    return 0;
}

static elo_span value(int n, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * (2 * (size_t)n + 5) + 7);
    }
    return elo_span_of(bytes, len);
}

static void put(uint16_t key, int n, size_t len)
{
    assert_int_equal(elo_slots_write(&slots, key, value(n, len)), ELO_OK);
}

static void expect(uint16_t key, int n, size_t len)
{
    size_t got_len = 0;
    assert_int_equal(elo_slots_read(&slots, key, got, sizeof got, &got_len), ELO_OK);
    assert_int_equal(got_len, len);
    assert_memory_equal(got, value(n, len).ptr, len);
}

static void expect_none(uint16_t key)
{
    size_t len;
    assert_int_equal(elo_slots_read(&slots, key, got, sizeof got, &len), ELO_E_NOT_FOUND);
}

static void new_flash_has_no_values(void **state)
{
    (void)state;
    open_flash();
    expect_none(1);
    expect_none(65534);
    assert_int_equal(elo_slots_erase(&slots, 1), ELO_OK);
    assert_int_equal(elo_slots_clear(&slots), ELO_OK);
    assert_int_equal(flash.steps, 0);
    assert_true(sizeof slots <= 40);
}

static void the_newest_value_counts(void **state)
{
    (void)state;
    open_flash();
    put(1, 10, 4);
    put(2, 20, 300);
    put(3, 30, 0);
    put(1, 11, 5);
    put(65534, 40, 1);
    for (int restart = 0; restart < 2; restart++) {
        expect(1, 11, 5);
        expect(2, 20, 300);
        expect(3, 30, 0);
        expect(65534, 40, 1);
        expect_none(4);
        start();
    }
    put(2, 21, 2);
    expect(2, 21, 2);
    assert_int_equal(elo_slots_erase(&slots, 1), ELO_OK);
    expect_none(1);
    start();
    expect_none(1);
    expect(2, 21, 2);
    put(1, 12, 7);
    expect(1, 12, 7);
    assert_int_equal(elo_slots_clear(&slots), ELO_OK);
    for (uint16_t key = 1; key < 5; key++) {
        expect_none(key);
    }
}

static void a_buffer_too_small_is_told_how_much(void **state)
{
    (void)state;
    size_t len;
    open_flash();
    put(1, 1, 100);
    memset(got, 0xEE, sizeof got);
    assert_int_equal(elo_slots_read(&slots, 1, got, 99, &len), ELO_E_NO_SPACE);
    assert_int_equal(len, 100);
    assert_int_equal(got[0], 0xEE);
    assert_int_equal(elo_slots_read(&slots, 1, got + 1, 100, &len), ELO_OK); /* any address */
    assert_memory_equal(got + 1, value(1, 100).ptr, 100);
    assert_int_equal(got[101], 0xEE);
}

static void the_largest_value_and_one_beyond(void **state)
{
    (void)state;
    open_flash();
    assert_int_equal(elo_slots_write(&slots, 1, elo_span_of(bytes, LARGEST + 1)), ELO_E_NO_SPACE);
    put(1, 1, LARGEST);
    expect(1, 1, LARGEST);
    put(1, 2, LARGEST); /* in the place of the old one: there is never room for both */
    expect(1, 2, LARGEST);
    assert_int_equal(elo_slots_write(&slots, 2, value(0, 0)), ELO_E_NO_SPACE);
    expect(1, 2, LARGEST);
    put(1, 3, LARGEST - VALUE_HEAD - 4);
    assert_int_equal(elo_slots_write(&slots, 2, value(5, 5)), ELO_E_NO_SPACE);
    put(2, 4, 4);
    start();
    expect(1, 3, LARGEST - VALUE_HEAD - 4);
    expect(2, 4, 4);
}

static void credentials_of_4_kilobytes_beside_a_counter(void **state)
{
    (void)state;
    open_flash();
    put(1, 1, 4096);
    put(2, 2, 900);
    uint32_t erases = flash.erases[0];
    int writes = 0;
    for (; flash.erases[0] < erases + 10; writes++) {
        put(3, writes, 4);
        if (writes % 7 == 0) {
            start();
        }
        expect(3, writes, 4);
    }
    expect(1, 1, 4096);
    expect(2, 2, 900);
    /* 10 times both banks: 100,000 erases are good for a million writes and more */
    assert_true(writes > 20 * 150);
    assert_in_range(sim_flash_wear(&flash), 0, 1);
}

static void a_secret_that_was_replaced_is_nowhere(void **state)
{
    (void)state;
    open_flash();
    put(1, 0x51, 500);
    assert_true(sim_flash_holds(&flash, value(0x51, 500).ptr + 64, 16));
    put(1, 0x52, 500);
    assert_false(sim_flash_holds(&flash, value(0x51, 500).ptr + 64, 16));
    for (int i = 0; i < 2000; i++) { /* over to the other bank and back */
        put(2, i, 12);
    }
    expect(1, 0x52, 500);
    put(1, 0x53, 500);
    assert_false(sim_flash_holds(&flash, value(0x52, 500).ptr + 64, 16));
    assert_int_equal(elo_slots_erase(&slots, 1), ELO_OK);
    assert_false(sim_flash_holds(&flash, value(0x53, 500).ptr + 64, 16));
}

static void what_it_costs(void **state)
{
    (void)state;
    open_flash();
    put(1, 1, 4);
    flash.programs = 0;
    flash.steps = 0;
    put(1, 2, 4);
    assert_int_equal(flash.programs, 3); /* the value; the old one's checksum, and its bytes */
    assert_int_equal(flash.steps, 4 + 3 + 1);
}

static void anything_starts(void **state)
{
    (void)state;
    sim_flash_init(&flash, SECTORS, 2);
    for (uint32_t round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < flash.dev.size / 4; i++) {
            flash.words[i] = round == 0 ? 0 : sim_flash_random(&flash);
        }
        start();
        assert_int_equal(flash.steps, 0); /* what is not ours is left alone */
        expect_none(1);
        put(1, 1, 1000);
        start();
        expect(1, 1, 1000);
        flash.steps = 0;
    }
}

static void odd_and_small_regions(void **state)
{
    (void)state;
    sim_flash_init(&flash, 3, 1);
    start();
    for (int i = 0; i < 1000; i++) {
        put(1, i, 1000);
    }
    assert_int_equal(flash.erases[2], 0);
    flash.dev.size = ELO_FLASH_SECTOR;
    assert_int_equal(elo_slots_init(&slots, &flash.dev), ELO_E_NO_SPACE);
}

/* Every bit of a value, flipped: that value is gone, the others are there. */
static void one_flipped_bit_costs_one_value(void **state)
{
    (void)state;
    uint32_t at = (BANK_HEAD + VALUE_HEAD + 12) / 4; /* the second value */
    for (uint32_t bit = 0; bit < 8 * (VALUE_HEAD + 40); bit++) {
        open_flash();
        put(1, 1, 12);
        put(2, 2, 40);
        put(3, 3, 12);
        flash.words[at + bit / 32] ^= 1u << bit % 32;
        for (int restart = 0; restart < 2; restart++) {
            expect(1, 1, 12);
            expect_none(2);
            expect(3, 3, 12);
            start();
        }
        put(2, 4, 40);
        expect(2, 4, 40);
        sim_flash_free(&flash);
    }
    sim_flash_init(&flash, 2, 1);
}

static void worn_out_flash_is_noticed(void **state)
{
    (void)state;
    open_flash();
    put(1, 1, 12);
    flash.worn = (BANK_HEAD + 2 * VALUE_HEAD + 12) / 4 + 2;
    assert_int_equal(elo_slots_write(&slots, 1, value(2, 40)), ELO_E_IO);
    expect(1, 1, 12);
    put(1, 3, 40); /* in the other bank */
    expect(1, 3, 40);
    flash.fail_programs = 1;
    assert_int_equal(elo_slots_write(&slots, 1, value(4, 40)), ELO_E_IO);
    expect(1, 3, 40);
    start();
    expect(1, 3, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(new_flash_has_no_values, close_flash),
        cmocka_unit_test_teardown(the_newest_value_counts, close_flash),
        cmocka_unit_test_teardown(a_buffer_too_small_is_told_how_much, close_flash),
        cmocka_unit_test_teardown(the_largest_value_and_one_beyond, close_flash),
        cmocka_unit_test_teardown(credentials_of_4_kilobytes_beside_a_counter, close_flash),
        cmocka_unit_test_teardown(a_secret_that_was_replaced_is_nowhere, close_flash),
        cmocka_unit_test_teardown(what_it_costs, close_flash),
        cmocka_unit_test_teardown(anything_starts, close_flash),
        cmocka_unit_test_teardown(odd_and_small_regions, close_flash),
        cmocka_unit_test_teardown(one_flipped_bit_costs_one_value, close_flash),
        cmocka_unit_test_teardown(worn_out_flash_is_noticed, close_flash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
