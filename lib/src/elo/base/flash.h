// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Constants that stay in flash. On the ESP8266 a plain `const` table is copied to RAM at start-up,
 * because flash answers aligned 32-bit loads only; anything else traps. So:
 *
 *      static const uint8_t TABLE[] ELO_FLASH = {...};
 *      elo_flash_read8(&TABLE[i]);
 *      elo_flash_copy(ram, TABLE, sizeof TABLE);
 *
 * A table of pointers or 32-bit integers may be read as usual. The readers work on RAM too, so code
 * that uses them takes its input from either. Elsewhere ELO_FLASH is nothing and the readers are
 * plain loads.
 */
#ifndef ELO_BASE_FLASH_H
#define ELO_BASE_FLASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(ESP8266) || (defined(__XTENSA__) && !defined(ESP32) && !defined(ESP_PLATFORM))
#define ELO_FLASH_IS_WORDS 1
#else
#define ELO_FLASH_IS_WORDS 0
#endif

#if ELO_FLASH_IS_WORDS

/*
 * A section of its own per line, so that the linker can drop what is not used; the core's linker
 * script keeps .irom.text.* in flash. The flags are written into the name and the compiler's own
 * made a comment of: it would mark tables of pointers as writable, and complain where one section
 * name is used for tables and for code.
 */
#define ELO_FLASH_TEXT(x)    #x
#define ELO_FLASH_NAME(line) "\".irom.text.elo." ELO_FLASH_TEXT(line) "\",\"a\",@progbits #"
#define ELO_FLASH            __attribute__((section(ELO_FLASH_NAME(__LINE__)), aligned(4)))

/* The word may hold bytes of anything. */
typedef uint32_t __attribute__((may_alias)) elo__flash_word;

/* One byte, out of the aligned word around it (little-endian, as the chip is). */
static inline uint8_t elo_flash_read8(const uint8_t *p)
{
    uintptr_t at = (uintptr_t)p;
    uint32_t word = *(const volatile elo__flash_word *)(at & ~(uintptr_t)3);
    return (uint8_t)(word >> ((at & 3) * 8));
}

static inline void elo_flash_copy(void *to, const void *from, size_t len)
{
    uint8_t *out = (uint8_t *)to;
    const uint8_t *in = (const uint8_t *)from;
    for (size_t i = 0; i < len; i++) {
        out[i] = elo_flash_read8(in + i);
    }
}

#else

#define ELO_FLASH

static inline uint8_t elo_flash_read8(const uint8_t *p)
{
    return *p;
}

static inline void elo_flash_copy(void *to, const void *from, size_t len)
{
    if (len > 0) {
        memcpy(to, from, len);
    }
}

#endif

#endif
