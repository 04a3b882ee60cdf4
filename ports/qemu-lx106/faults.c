// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What must not happen on the board, on purpose: so that tests see it found out.
 *
 *      faults WHAT
 */
#include <string.h>

#include "elo/base/flash.h"
#include "ports/qemu-lx106/board.h"

enum { FLASH_BYTES = 2 * ELO_FLASH_SECTOR };

static const uint8_t TABLE[] ELO_FLASH = {1, 2, 3, 4, 5, 6, 7, 8};

static uint32_t words[4] = {1, 2, 3, 4};

static int exit_code(void)
{
    return 7;
}

/* An address that the compiler knows nothing of. */
static void *hidden(const void *address)
{
    void *p = (void *)(uintptr_t)address;
    __asm__ volatile("" : "+r"(p));
    return p;
}

static int unaligned(void)
{
    return (int)*(volatile uint32_t *)hidden((uint8_t *)words + 1);
}

static int unmapped(void)
{
    return (int)*(volatile uint32_t *)hidden((void *)0x20000000);
}

static int illegal(void)
{
    __asm__ volatile("ill");
    return 0;
}

static int deep_stack(void)
{
    volatile uint8_t *p = hidden(__builtin_frame_address(0));
    for (uint32_t i = 64; i < board_stack_size() + 32; i++) {
        p[-(int32_t)i] = 1;
    }
    return 0;
}

/* Reads a table in flash as the chip wants it. */
static int flash_words(void)
{
    int sum = 0;
    for (size_t i = 0; i < sizeof TABLE; i++) {
        sum += elo_flash_read8(&TABLE[i]);
    }
    return sum == 36 ? 0 : 1;
}

/* And as it does not: four bytes, one halfword. */
static int flash_bytes(void)
{
    const volatile uint8_t *p = hidden(TABLE);
    int sum = p[0] + p[1] + p[2] + p[7];
    sum += *(volatile uint16_t *)hidden(TABLE + 2);
    return sum > 0 ? 0 : 1;
}

static int flash_stores(void)
{
    *(volatile uint32_t *)hidden(TABLE) = 5;
    return 0;
}

static int stray(void)
{
    *(volatile uint32_t *)hidden((void *)0x3FFFD000) = 5; /* behind the data RAM */
    return 0;
}

static bool same(const struct elo_flash_dev *dev, uint32_t at, uint32_t value)
{
    uint32_t word = 0;
    return dev->read(dev->ctx, at, &word, 4) == ELO_OK && word == value;
}

/* The flash device: bits fall, an erase lifts them, regions lie apart, what is not aligned is
 * refused. With `cut` the power goes in the middle of the second word. */
static int flash_device(const char *path, bool cut)
{
    struct elo_flash_dev first, dev;
    const uint32_t a = 0xFFFF0F0F, b = 0x00FFFFFF, two[2] = {0x11111111, 0x22222222};
    if (path == NULL || board_flash_open(path, FLASH_BYTES) != ELO_OK) {
        return 1;
    }
    board_flash_region(&first, 0, ELO_FLASH_SECTOR);
    board_flash_region(&dev, ELO_FLASH_SECTOR, ELO_FLASH_SECTOR);
    bool good = dev.erase(dev.ctx, 0) == ELO_OK && same(&dev, 8, UINT32_MAX);
    good = good && dev.program(dev.ctx, 8, &a, 4) == ELO_OK;
    good = good && dev.program(dev.ctx, 8, &b, 4) == ELO_OK;
    good = good && same(&dev, 8, a & b) && same(&dev, 4, UINT32_MAX) && same(&first, 8, UINT32_MAX);
    good = good && dev.program(dev.ctx, 2, &a, 4) != ELO_OK && dev.erase(dev.ctx, 8) != ELO_OK;
    if (good && cut) {
        board_flash_cut(2);
        good = dev.program(dev.ctx, 16, two, 8) == ELO_OK;
    }
    return good ? 0 : 1;
}

/* Arithmetic that the chip has in ROM, against results known. */
static int arithmetic(void)
{
    volatile uint32_t n = 4000000000u, d = 7;
    volatile int32_t i = -100, j = 7;
    volatile uint64_t w = 0x123456789ABCDEF0u, v = 0xFEDCBA98u;
    bool good = n / d == 571428571u && n % d == 3u && i / j == -14 && i % j == -2;
    good = good && w * v == 0xcf13578ad05ebe80u;
    good = good && w / v == 0x12492492u && w % v == 0x51451440u;
    return good ? 0 : 1;
}

/* Waiting passes time, computing too. */
static int time_passes(void)
{
    uint32_t begin = board_ms(), unix_begin = board_unix();
    board_wait(30, 0);
    uint32_t waited = board_ms() - begin;
    for (volatile uint32_t i = 0; i < 400000; i++) {
    }
    uint32_t all = board_ms() - begin;
    board_print("waited ");
    board_print_number(waited);
    board_print(", all ");
    board_print_number(all);
    board_print("\n");
    return waited >= 30 && all > waited && unix_begin > 1700000000u ? 0 : 1;
}

static int echo(void)
{
    uint8_t line[80];
    size_t len = 0;
    while (len == 0 || line[len - 1] != '\n') {
        board_wait(1000, 0);
        len += board_serial_read(line + len, sizeof line - len);
    }
    int32_t celsius = 0;
    bool known = board_sensor_read("celsius", &celsius);
    board_print_span(elo_span_of(line, len));
    board_pin_write(2, 1);
    return known && celsius == 2150 && !board_sensor_read("nothing", &celsius) ? 0 : 1;
}

int app_main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } faults[] = {
        {"exit", exit_code},          {"unaligned", unaligned},       {"unmapped", unmapped},
        {"illegal", illegal},         {"stack", deep_stack},          {"flash-words", flash_words},
        {"flash-bytes", flash_bytes}, {"flash-stores", flash_stores}, {"stray", stray},
        {"arithmetic", arithmetic},   {"time", time_passes},          {"echo", echo},
    };
    if (argc > 1 && strcmp(argv[1], "flash-device") == 0) {
        return flash_device(argc > 2 ? argv[2] : NULL, argc > 3);
    }
    for (size_t i = 0; argc > 1 && i < sizeof faults / sizeof faults[0]; i++) {
        if (strcmp(argv[1], faults[i].name) == 0) {
            return faults[i].run();
        }
    }
    return 2;
}
