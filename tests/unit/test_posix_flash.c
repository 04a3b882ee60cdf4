// links: elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A virtual device's flash in a file: NOR's rules, its file's, and the store on it.
 */
#include "ports/posix/flash_file.h"

#include "elo/store/queue.h"
#include "elo/store/slots.h"
#include "ports/posix/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE (4 * ELO_FLASH_SECTOR)

static char folder[] = "/tmp/elo-test-flash-XXXXXX";
static char path[256];
static struct posix_flash flash;

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/flash", folder);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    posix_flash_close(&flash);
    unlink(path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void open_flash(void)
{
    assert_int_equal(posix_flash_open(&flash, path, SIZE), ELO_OK);
}

static uint32_t word(uint32_t at)
{
    uint32_t w;
    assert_int_equal(flash.dev.read(flash.dev.ctx, at, &w, 4), ELO_OK);
    return w;
}

static void program(uint32_t at, uint32_t w)
{
    assert_int_equal(flash.dev.program(flash.dev.ctx, at, &w, 4), ELO_OK);
}

static void it_is_nor_flash(void **state)
{
    (void)state;
    static uint32_t all[SIZE / 4];
    open_flash();
    assert_int_equal(flash.dev.size, SIZE);
    assert_int_equal(flash.dev.read(flash.dev.ctx, 0, all, sizeof all), ELO_OK);
    for (size_t i = 0; i < SIZE / 4; i++) {
        assert_int_equal(all[i], 0xFFFFFFFF);
    }
    program(0, 0xFFFF0000);
    program(0, 0x0F0FFFFF); /* a 0 stays */
    program(SIZE - 4, 0x12345678);
    program(ELO_FLASH_SECTOR, 0);
    assert_int_equal(word(0), 0x0F0F0000);
    assert_int_equal(posix_flash_sync(&flash), ELO_OK);
    posix_flash_close(&flash);
    open_flash();
    assert_int_equal(word(0), 0x0F0F0000);
    assert_int_equal(word(4), 0xFFFFFFFF);
    assert_int_equal(flash.dev.erase(flash.dev.ctx, 0), ELO_OK);
    assert_int_equal(word(0), 0xFFFFFFFF);
    assert_int_equal(word(ELO_FLASH_SECTOR), 0);
    assert_int_equal(word(SIZE - 4), 0x12345678);
    memset(all, 0, sizeof all);
    assert_int_equal(flash.dev.program(flash.dev.ctx, 0, all, sizeof all), ELO_OK);
    assert_int_equal(word(ELO_FLASH_SECTOR - 4), 0);
}

static void the_file_is_what_it_should_be(void **state)
{
    (void)state;
    struct stat st;
    struct posix_flash second;
    open_flash();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_int_equal(st.st_mode & 0777, 0600); /* there may be keys in it */
    assert_int_equal(posix_flash_open(&second, path, SIZE), ELO_E_CONFLICT);
    posix_flash_close(&second);
    posix_flash_close(&flash);
    assert_int_equal(posix_flash_open(&second, path, 2 * SIZE), ELO_E_CORRUPT);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_int_equal(posix_flash_open(&second, folder, SIZE), ELO_E_IO);
    assert_int_equal(posix_flash_open(&second, "/nowhere/flash", SIZE), ELO_E_NOT_FOUND);
    assert_int_equal(posix_file_write(path, ELO_SPAN(""), 0600), ELO_OK);
    open_flash(); /* an empty one becomes blank flash */
    assert_int_equal(word(SIZE - 4), 0xFFFFFFFF);
    assert_int_equal(truncate(path, 10), 0);
    uint32_t w;
    assert_int_equal(flash.dev.read(flash.dev.ctx, 8, &w, 4), ELO_E_IO);
}

static void the_store_lives_on_it(void **state)
{
    (void)state;
    static struct elo_queue queue;
    static struct elo_slots slots;
    struct elo_queue_record r;
    uint8_t buf[100];
    size_t len;
    open_flash();
    assert_int_equal(elo_queue_mount(&queue, &flash.dev, ELO_QUEUE_DROP_OLDEST), ELO_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(elo_queue_append(&queue, ELO_SPAN("21.5 degrees"), i, NULL), ELO_OK);
    }
    posix_flash_close(&flash);
    open_flash();
    uint32_t count = elo_queue_count(&queue);
    assert_int_equal(elo_queue_mount(&queue, &flash.dev, ELO_QUEUE_DROP_OLDEST), ELO_OK);
    assert_int_equal(elo_queue_count(&queue), count);
    assert_int_equal(elo_queue_peek(&queue, 0, buf, sizeof buf, &r), ELO_OK);
    assert_int_equal(r.user, 1000 - count);
    assert_memory_equal(buf, "21.5 degrees", 12);

    assert_int_equal(elo_slots_init(&slots, &flash.dev), ELO_OK);
    assert_int_equal(elo_slots_write(&slots, 7, ELO_SPAN("Lisboa")), ELO_OK);
    posix_flash_close(&flash);
    open_flash();
    assert_int_equal(elo_slots_init(&slots, &flash.dev), ELO_OK);
    assert_int_equal(elo_slots_read(&slots, 7, buf, sizeof buf, &len), ELO_OK);
    assert_int_equal(len, 6);
    assert_memory_equal(buf, "Lisboa", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_is_nor_flash, remove_file),
        cmocka_unit_test_teardown(the_file_is_what_it_should_be, remove_file),
        cmocka_unit_test_teardown(the_store_lives_on_it, remove_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
