// links:
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Reading flash by aligned words gives the same bytes as reading it by bytes: the ESP8266's readers
 * compiled for this machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ESP8266 1 /* what the device's compiler defines */
#include "elo/base/flash.h"

static const uint8_t TABLE[] ELO_FLASH = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};

static void every_byte_at_every_alignment(void **state)
{
    (void)state;
    assert_int_equal(ELO_FLASH_IS_WORDS, 1);
    for (size_t i = 0; i < sizeof TABLE; i++) {
        assert_int_equal(elo_flash_read8(&TABLE[i]), 10 + i);
    }
}

static void every_run_of_bytes(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof TABLE; at++) {
        for (size_t len = 0; len <= sizeof TABLE - at; len++) {
            uint8_t copy[sizeof TABLE + 1];
            memset(copy, 0xEE, sizeof copy);
            elo_flash_copy(copy, TABLE + at, len);
            for (size_t i = 0; i < len; i++) {
                assert_int_equal(copy[i], 10 + at + i);
            }
            assert_int_equal(copy[len], 0xEE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_alignment),
        cmocka_unit_test(every_run_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
