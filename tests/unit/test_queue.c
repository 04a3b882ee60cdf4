// links: elo_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The outbox in flash: order, limits, policies, wear, what a program and a mark cost, and flash
 * that holds something else. Power cuts are in tests/model/test_power_cuts.c.
 */
#include "elo/store/queue.h"

#include "elo/store/access.h"
#include "tests/support/sim_flash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECTORS     4u
#define SECTOR_HEAD 20u
#define RECORD_HEAD 16u
#define PER_SECTOR  ((ELO_FLASH_SECTOR - SECTOR_HEAD) / (RECORD_HEAD + 152)) /* of 150 bytes */

static struct sim_flash flash;
static struct elo_queue queue;
static uint8_t bytes[ELO_QUEUE_RECORD_MAX + 1];
static uint8_t got[ELO_QUEUE_RECORD_MAX];

static void open_flash(uint32_t sectors, elo_queue_policy policy)
{
    sim_flash_init(&flash, sectors, 1);
    assert_int_equal(elo_queue_mount(&queue, &flash.dev, policy), ELO_OK);
}

static int close_flash(void **state)
{
    (void)state;
    sim_flash_free(&flash);
    return 0;
}

static void mount(elo_queue_policy policy)
{
    memset(&queue, 0xA5, sizeof queue);
    assert_int_equal(elo_queue_mount(&queue, &flash.dev, policy), ELO_OK);
}

/* A record of `len` bytes that says its number, if there is room. */
static elo_span record(uint32_t n, size_t len)
{
    memset(bytes, (int)n, len);
    memcpy(bytes, &n, len < sizeof n ? len : sizeof n);
    return elo_span_of(bytes, len);
}

static uint32_t append(uint32_t n, size_t len)
{
    uint32_t id = 0;
    assert_int_equal(elo_queue_append(&queue, record(n, len), n, &id), ELO_OK);
    assert_int_not_equal(id, 0);
    return id;
}

/* The record after `after` is number n. */
static uint32_t expect(uint32_t after, uint32_t n, size_t len)
{
    struct elo_queue_record r = {0};
    assert_int_equal(elo_queue_peek(&queue, after, got, sizeof got, &r), ELO_OK);
    assert_int_equal(r.user, n);
    assert_int_equal(r.len, len);
    elo_span want = record(n, len);
    assert_memory_equal(got, want.ptr, len);
    return r.id;
}

static void expect_end(uint32_t after)
{
    struct elo_queue_record r;
    assert_int_equal(elo_queue_peek(&queue, after, got, sizeof got, &r), ELO_END);
}

static struct elo_queue_stats stats(void)
{
    struct elo_queue_stats s;
    assert_int_equal(elo_queue_get_stats(&queue, &s), ELO_OK);
    return s;
}

/* --- what it is for ----------------------------------------------------------------------------
 */

static void an_empty_queue_is_empty(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    expect_end(0);
    assert_int_equal(elo_queue_count(&queue), 0);
    assert_int_equal(elo_queue_mark(&queue, 5), ELO_E_NOT_FOUND);
    assert_int_equal(elo_queue_clear(&queue), ELO_OK);
    struct elo_queue_stats s = stats();
    assert_int_equal(s.erases_max, 0);
    assert_int_equal(s.erases_min, 0);
    assert_int_equal(s.free_bytes, SECTORS * (ELO_FLASH_SECTOR - SECTOR_HEAD));
    assert_int_equal(flash.steps, 0); /* and costs nothing */
}

static void records_come_in_order_until_they_are_marked(void **state)
{
    (void)state;
    uint32_t ids[10];
    uint32_t last = 0;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    for (uint32_t i = 0; i < 10; i++) {
        ids[i] = append(i, i * 3);
        assert_true(i == 0 || ids[i] > ids[i - 1]);
    }
    assert_int_equal(elo_queue_count(&queue), 10);
    for (uint32_t i = 0; i < 10; i++) { /* all in flight */
        last = expect(last, i, i * 3);
        assert_int_equal(last, ids[i]);
    }
    expect_end(last);
    assert_int_equal(elo_queue_mark(&queue, ids[1]), ELO_OK); /* not in order */
    assert_int_equal(elo_queue_mark(&queue, ids[0]), ELO_OK);
    assert_int_equal(elo_queue_mark(&queue, ids[4]), ELO_OK);
    assert_int_equal(elo_queue_mark(&queue, ids[4]), ELO_E_NOT_FOUND);
    assert_int_equal(elo_queue_count(&queue), 7);
    last = expect(0, 2, 6);
    last = expect(last, 3, 9);
    last = expect(last, 5, 15);
    assert_int_equal(last, ids[5]);
    assert_int_equal(expect(ids[3], 5, 15), ids[5]);
    assert_int_equal(expect(ids[1], 2, 6), ids[2]); /* also after one that is marked */
    assert_int_equal(elo_queue_clear(&queue), ELO_OK);
    assert_int_equal(elo_queue_count(&queue), 0);
    expect_end(0);
    assert_int_equal(stats().dropped, 0);
}

static void a_restart_changes_nothing(void **state)
{
    (void)state;
    uint32_t ids[60];
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    for (uint32_t i = 0; i < 60; i++) {
        mount(ELO_QUEUE_REFUSE);
        ids[i] = append(i, 150);
        assert_int_equal(elo_queue_count(&queue), i + 1);
    }
    for (uint32_t i = 0; i < 60; i += 2) {
        mount(ELO_QUEUE_REFUSE);
        assert_int_equal(elo_queue_mark(&queue, ids[i]), ELO_OK);
    }
    mount(ELO_QUEUE_REFUSE);
    assert_int_equal(elo_queue_count(&queue), 30);
    uint32_t last = 0;
    for (uint32_t i = 1; i < 60; i += 2) {
        last = expect(last, i, 150);
        assert_int_equal(last, ids[i]);
    }
    expect_end(last);
    assert_int_equal(stats().damaged, 0);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void the_largest_record_and_one_beyond(void **state)
{
    (void)state;
    struct elo_queue_record r;
    open_flash(2, ELO_QUEUE_REFUSE);
    assert_int_equal(
        elo_queue_append(&queue, elo_span_of(bytes, ELO_QUEUE_RECORD_MAX + 1), 0, NULL),
        ELO_E_TOO_LARGE);
    append(1, ELO_QUEUE_RECORD_MAX);
    append(2, 0);
    assert_int_equal(elo_queue_peek(&queue, 0, NULL, 0, &r), ELO_E_NO_SPACE);
    assert_int_equal(r.len, ELO_QUEUE_RECORD_MAX);
    assert_int_equal(elo_queue_peek(&queue, 0, got, r.len - 1, &r), ELO_E_NO_SPACE);
    uint32_t id = expect(0, 1, ELO_QUEUE_RECORD_MAX);
    assert_int_equal(elo_queue_peek(&queue, id, NULL, 0, &r), ELO_OK); /* empty: fits */
    assert_int_equal(r.user, 2);
}

static void full_to_the_last_byte_and_not_beyond(void **state)
{
    (void)state;
    size_t rest = ELO_FLASH_SECTOR - SECTOR_HEAD - 3 * (RECORD_HEAD + 1000) - RECORD_HEAD;
    open_flash(2, ELO_QUEUE_REFUSE);
    for (uint32_t sector = 0; sector < 2; sector++) {
        for (uint32_t i = 0; i < 3; i++) {
            append(4 * sector + i, 1000);
        }
        assert_int_equal(stats().free_bytes,
                         rest + RECORD_HEAD + (1 - sector) * (ELO_FLASH_SECTOR - SECTOR_HEAD));
        append(4 * sector + 3, rest);
    }
    assert_int_equal(stats().free_bytes, 0);
    assert_int_equal(elo_queue_append(&queue, record(8, 0), 8, NULL), ELO_NEED_ROOM);
    mount(ELO_QUEUE_REFUSE);
    assert_int_equal(elo_queue_count(&queue), 8);
    assert_int_equal(elo_queue_append(&queue, record(8, 0), 8, NULL), ELO_NEED_ROOM);

    uint32_t last = 0;
    uint32_t first = expect(0, 0, 1000);
    for (uint32_t i = 0; i < 8; i++) {
        last = expect(last, i, i % 4 == 3 ? rest : 1000);
        if (i > 0 && i < 7) {
            assert_int_equal(elo_queue_mark(&queue, last), ELO_OK);
        }
    }
    /* All of the oldest sector but its first record: still full. */
    assert_int_equal(elo_queue_append(&queue, record(8, 0), 8, NULL), ELO_NEED_ROOM);
    assert_int_equal(elo_queue_mark(&queue, first), ELO_OK);
    append(8, 1000);
    expect(expect(0, 7, rest), 8, 1000);
}

static void drops_the_oldest_sector(void **state)
{
    (void)state;
    uint32_t n = 0;
    open_flash(SECTORS, ELO_QUEUE_DROP_OLDEST);
    uint32_t first = append(n++, 150);
    uint32_t second = append(n++, 150);
    while (n < SECTORS * PER_SECTOR) {
        append(n++, 150);
    }
    assert_int_equal(elo_queue_mark(&queue, second), ELO_OK);
    assert_int_equal(stats().dropped, 0);
    append(n++, 150);
    assert_int_equal(stats().dropped, PER_SECTOR - 1);
    assert_int_equal(elo_queue_count(&queue), n - PER_SECTOR);
    assert_int_equal(elo_queue_mark(&queue, first), ELO_E_NOT_FOUND); /* its PUBACK comes late */
    expect(0, PER_SECTOR, 150);
    expect(first, PER_SECTOR, 150); /* what was in flight is gone: from the oldest */
    mount(ELO_QUEUE_DROP_OLDEST);
    assert_int_equal(stats().dropped, PER_SECTOR - 1);
    assert_int_equal(elo_queue_count(&queue), n - PER_SECTOR);
    assert_int_equal(elo_queue_mark(&queue, first), ELO_E_NOT_FOUND);
    expect(0, PER_SECTOR, 150);
}

static void drops_the_newest(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_DROP_NEWEST);
    for (uint32_t i = 0; i < SECTORS * PER_SECTOR; i++) {
        append(i, 150);
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(elo_queue_append(&queue, record(99, 150), 99, NULL), ELO_E_OUTBOX_FULL);
    }
    assert_int_equal(stats().dropped, 5);
    assert_int_equal(elo_queue_count(&queue), SECTORS * PER_SECTOR);
    uint32_t last = 0;
    for (uint32_t i = 0; i < SECTORS * PER_SECTOR; i++) {
        last = expect(last, i, 150);
    }
    expect_end(last);
    assert_int_equal(elo_queue_clear(&queue), ELO_OK);
    append(100, 150);
    mount(ELO_QUEUE_DROP_NEWEST);
    assert_int_equal(stats().dropped, 5);
    expect(0, 100, 150);
}

static void too_small_a_device(void **state)
{
    (void)state;
    sim_flash_init(&flash, 1, 1);
    assert_int_equal(elo_queue_mount(&queue, &flash.dev, ELO_QUEUE_REFUSE), ELO_E_NO_SPACE);
}

/* --- wear and cost -----------------------------------------------------------------------------
 */

static void the_ring_wears_evenly(void **state)
{
    (void)state;
    for (uint32_t sectors = 2; sectors < 8; sectors++) {
        open_flash(sectors, ELO_QUEUE_DROP_OLDEST);
        for (uint32_t i = 0; i < 200 * sectors; i++) {
            struct elo_queue_record r;
            append(i, i * 31 % ELO_QUEUE_RECORD_MAX);
            if (i % 3 == 0 && elo_queue_peek(&queue, 0, got, sizeof got, &r) == ELO_OK) {
                assert_int_equal(elo_queue_mark(&queue, r.id), ELO_OK);
            }
            assert_in_range(sim_flash_wear(&flash), 0, 1);
        }
        assert_in_range(flash.erases[0], 20, 60);
        assert_int_equal(stats().erases_max, flash.erases[0]);
        assert_int_equal(stats().erases_min, flash.erases[sectors - 1]);
        sim_flash_free(&flash);
    }
    sim_flash_init(&flash, 2, 1);
}

static void what_it_costs(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    append(0, 150);
    flash.programs = 0;
    flash.steps = 0;
    uint32_t id = append(1, 150);
    assert_int_equal(flash.programs, 1);
    assert_int_equal(flash.steps, (RECORD_HEAD + 152) / 4);
    assert_int_equal(elo_queue_mark(&queue, id), ELO_OK);
    assert_int_equal(flash.programs, 2);
    assert_int_equal(flash.steps, (RECORD_HEAD + 152) / 4 + 2);
    assert_true(sizeof queue <= 96);
}

static void numbers_wrap(void **state)
{
    (void)state;
    sim_flash_init(&flash, SECTORS, 1);
    /* The header of a sector whose number is about to wrap, first in 22 bits, then in 32. */
    static const uint32_t starts[] = {0x3FFFFFu - 1, 0xFFFFFFFFu - 1};
    for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++) {
        uint32_t sectors = SECTORS;
        uint32_t head[5] = {0x31516C45u, starts[k], 7, 0, 0};
        head[4] = elo__crc_words(elo__crc_words(0, head, 4), &sectors, 1);
        memset(flash.words, 0xFF, flash.dev.size);
        memcpy(flash.words, head, sizeof head);
        mount(ELO_QUEUE_DROP_OLDEST);
        uint32_t done = 0;
        for (uint32_t i = 0; i < 10 * PER_SECTOR; i++) {
            append(i, 150);
            if (i % 50 == 0) {
                mount(ELO_QUEUE_DROP_OLDEST);
            }
            if (i - done > 2 * PER_SECTOR) {
                uint32_t id = expect(0, done, 150);
                uint32_t next = expect(id, done + 1, 150);
                assert_int_equal(elo_queue_mark(&queue, id), ELO_OK);
                assert_int_equal(elo_queue_mark(&queue, next), ELO_OK);
                done += 2;
            }
        }
        assert_int_equal(stats().dropped, 0);
        assert_int_equal(stats().erases_max, 7 + 10 / SECTORS);
    }
}

/* --- flash that is not as we left it -----------------------------------------------------------
 */

static void anything_mounts(void **state)
{
    (void)state;
    sim_flash_init(&flash, SECTORS, 2);
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < flash.dev.size / 4; i++) {
            flash.words[i] = round == 0 ? 0 : sim_flash_random(&flash);
        }
        mount(ELO_QUEUE_REFUSE);
        assert_int_equal(elo_queue_count(&queue), 0);
        expect_end(0);
        append(1, 150);
        mount(ELO_QUEUE_REFUSE);
        expect(0, 1, 150);
    }
}

static void another_size_is_another_queue(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    append(1, 150);
    flash.dev.size -= ELO_FLASH_SECTOR;
    mount(ELO_QUEUE_REFUSE);
    expect_end(0);
    append(2, 150);
    expect(0, 2, 150);
}

/* Every bit of a record, flipped: that record is gone, or marked; the others are there. */
static void one_flipped_bit_costs_one_record(void **state)
{
    (void)state;
    uint32_t at = (SECTOR_HEAD + RECORD_HEAD + 12) / 4; /* the second record */
    for (uint32_t bit = 0; bit < 8 * (RECORD_HEAD + 40); bit++) {
        open_flash(SECTORS, ELO_QUEUE_REFUSE);
        append(1, 12);
        append(2, 40);
        append(3, 12);
        flash.words[at + bit / 32] ^= 1u << bit % 32;
        for (int remount = 0; remount < 2; remount++) {
            expect_end(expect(expect(0, 1, 12), 3, 12));
            /* A length or mark that went bad is seen at the next mount. */
            bool unseen = remount == 0 && (bit / 32 == 0 || bit / 32 == 3);
            assert_int_equal(elo_queue_count(&queue), unseen ? 3 : 2);
            mount(ELO_QUEUE_REFUSE);
        }
        append(4, 40);
        expect(expect(expect(0, 1, 12), 3, 12), 4, 40);
        sim_flash_free(&flash);
    }
    sim_flash_init(&flash, 2, 1);
}

/* A record that is all of a record, with its place and number in another sector. */
static void a_record_in_a_record_is_not_one(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    append(1, 40);
    memcpy(bytes, flash.words + SECTOR_HEAD / 4, RECORD_HEAD + 40);
    assert_int_equal(elo_queue_append(&queue, elo_span_of(bytes, RECORD_HEAD + 40), 2, NULL),
                     ELO_OK);
    append(3, 12);
    flash.words[(SECTOR_HEAD + RECORD_HEAD + 40) / 4] = 0x12345678; /* the outer one's length */
    mount(ELO_QUEUE_REFUSE);
    expect_end(expect(expect(0, 1, 40), 3, 12));
}

static void worn_out_flash_is_noticed(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    append(1, 40);
    flash.worn = (SECTOR_HEAD + RECORD_HEAD + 40 + RECORD_HEAD) / 4 + 1;
    assert_int_equal(elo_queue_append(&queue, record(2, 40), 2, NULL), ELO_E_IO);
    expect_end(expect(0, 1, 40));
    append(3, 40); /* in the next sector */
    expect_end(expect(expect(0, 1, 40), 3, 40));
    flash.fail_programs = 1;
    assert_int_equal(elo_queue_append(&queue, record(4, 40), 4, NULL), ELO_E_IO);
    append(5, 40);
    expect(expect(expect(0, 1, 40), 3, 40), 5, 40);
    mount(ELO_QUEUE_REFUSE);
    expect_end(expect(expect(expect(0, 1, 40), 3, 40), 5, 40));
}

static void marking_what_is_no_record(void **state)
{
    (void)state;
    open_flash(SECTORS, ELO_QUEUE_REFUSE);
    uint32_t id = append(1, 40);
    append(2, 40);
    for (uint32_t i = 0; i < 4096; i++) {
        if (i != id && i != id + (RECORD_HEAD + 40) / 4) {
            assert_int_equal(elo_queue_mark(&queue, i), ELO_E_NOT_FOUND);
        }
    }
    assert_int_equal(elo_queue_mark(&queue, 0xFFFFFFFF), ELO_E_NOT_FOUND);
    expect_end(expect(expect(0, 1, 40), 2, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_empty_queue_is_empty, close_flash),
        cmocka_unit_test_teardown(records_come_in_order_until_they_are_marked, close_flash),
        cmocka_unit_test_teardown(a_restart_changes_nothing, close_flash),
        cmocka_unit_test_teardown(the_largest_record_and_one_beyond, close_flash),
        cmocka_unit_test_teardown(full_to_the_last_byte_and_not_beyond, close_flash),
        cmocka_unit_test_teardown(drops_the_oldest_sector, close_flash),
        cmocka_unit_test_teardown(drops_the_newest, close_flash),
        cmocka_unit_test_teardown(too_small_a_device, close_flash),
        cmocka_unit_test_teardown(the_ring_wears_evenly, close_flash),
        cmocka_unit_test_teardown(what_it_costs, close_flash),
        cmocka_unit_test_teardown(numbers_wrap, close_flash),
        cmocka_unit_test_teardown(anything_mounts, close_flash),
        cmocka_unit_test_teardown(another_size_is_another_queue, close_flash),
        cmocka_unit_test_teardown(one_flipped_bit_costs_one_record, close_flash),
        cmocka_unit_test_teardown(a_record_in_a_record_is_not_one, close_flash),
        cmocka_unit_test_teardown(worn_out_flash_is_noticed, close_flash),
        cmocka_unit_test_teardown(marking_what_is_no_record, close_flash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
