// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/sim_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANK        0xFFFFFFFFu
#define SECTOR_WORDS (ELO_FLASH_SECTOR / 4)

static void require(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "sim_flash: %s\n", what);
        abort();
    }
}

uint32_t sim_flash_random(struct sim_flash *f)
{
    f->seed ^= f->seed << 13;
    f->seed ^= f->seed >> 7;
    f->seed ^= f->seed << 17;
    return (uint32_t)(f->seed >> 16);
}

static void check(const struct sim_flash *f, uint32_t at, const void *memory, size_t len)
{
    require(at % 4 == 0 && len % 4 == 0 && (uintptr_t)memory % 4 == 0, "not aligned");
    require(len <= f->dev.size && at <= f->dev.size - len, "outside the device");
}

static elo_err sim_read(void *ctx, uint32_t at, void *out, size_t len)
{
    struct sim_flash *f = ctx;
    check(f, at, out, len);
    if (f->off) {
        return ELO_E_IO;
    }
    f->reads++;
    f->bytes_read += (uint32_t)len;
    memcpy(out, f->words + at / 4, len);
    return ELO_OK;
}

/* Takes a step; is it the one that is cut? */
static bool step(struct sim_flash *f)
{
    f->steps++;
    f->off = f->cut_at != 0 && --f->cut_at == 0;
    return f->off;
}

/* Which of the bits that had to turn did. */
static uint32_t turned(struct sim_flash *f, uint32_t bits)
{
    switch (f->how) {
    case SIM_CUT_BEFORE:
    case SIM_CUTS:
        return 0;
    case SIM_CUT_AFTER:
    case SIM_CUT_ZEROS:
        return bits;
    case SIM_CUT_HALF:
        return bits & 0xFFFF;
    case SIM_CUT_SOME:
        break;
    }
    return bits & sim_flash_random(f);
}

static elo_err sim_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    struct sim_flash *f = ctx;
    const uint32_t *words = data;
    check(f, at, data, len);
    if (f->off) {
        return ELO_E_IO;
    }
    if (f->fail_programs > 0) {
        f->fail_programs--;
        return ELO_E_IO;
    }
    f->programs++;
    for (size_t i = 0; i < len / 4; i++) {
        uint32_t *word = f->words + at / 4 + i;
        uint32_t *weak = f->weak + at / 4 + i;
        uint32_t bits = *word & ~words[i];
        require((words[i] & ~*word) == 0, "a 1 programmed over a 0");
        f->words_programmed++;
        if (step(f)) {
            *word &= ~turned(f, bits);
            *weak |= f->flicker ? bits : 0;
            return ELO_E_IO;
        }
        if (f->worn != at / 4 + i + 1) {
            *word &= words[i];
            *weak &= words[i];
        }
    }
    return ELO_OK;
}

static void erase_in_part(struct sim_flash *f, uint32_t *words, uint32_t *weak)
{
    for (uint32_t i = 0; i < SECTOR_WORDS; i++) {
        weak[i] = f->flicker ? ~words[i] : 0;
        switch (f->how) {
        case SIM_CUT_BEFORE:
        case SIM_CUTS:
            break;
        case SIM_CUT_AFTER:
            words[i] = BLANK;
            break;
        case SIM_CUT_SOME:
            words[i] = f->flicker ? words[i] : sim_flash_random(f);
            break;
        case SIM_CUT_HALF:
            words[i] = i < SECTOR_WORDS / 2 ? BLANK : words[i];
            break;
        case SIM_CUT_ZEROS:
            words[i] = 0;
            weak[i] = f->flicker ? BLANK : 0;
            break;
        }
    }
}

static elo_err sim_erase(void *ctx, uint32_t at)
{
    struct sim_flash *f = ctx;
    require(at % ELO_FLASH_SECTOR == 0 && at < f->dev.size, "erase: no sector");
    if (f->off) {
        return ELO_E_IO;
    }
    f->erases[at / ELO_FLASH_SECTOR]++;
    if (step(f)) {
        erase_in_part(f, f->words + at / 4, f->weak + at / 4);
        return ELO_E_IO;
    }
    memset(f->words + at / 4, 0xFF, ELO_FLASH_SECTOR);
    memset(f->weak + at / 4, 0, ELO_FLASH_SECTOR);
    return ELO_OK;
}

void sim_flash_init(struct sim_flash *f, uint32_t sectors, uint64_t seed)
{
    *f = (struct sim_flash){.seed = seed * 0x9E3779B97F4A7C15u | 1};
    f->dev =
        (struct elo_flash_dev){f, sectors * ELO_FLASH_SECTOR, sim_read, sim_program, sim_erase};
    f->words = malloc(f->dev.size);
    f->weak = calloc(1, f->dev.size);
    f->erases = calloc(sectors, sizeof *f->erases);
    require(f->words != NULL && f->weak != NULL && f->erases != NULL, "no memory");
    memset(f->words, 0xFF, f->dev.size);
}

void sim_flash_free(struct sim_flash *f)
{
    free(f->words);
    free(f->weak);
    free(f->erases);
}

void sim_flash_cut(struct sim_flash *f, uint64_t n, enum sim_cut how)
{
    f->cut_at = n;
    f->how = how;
}

void sim_flash_restart(struct sim_flash *f)
{
    uint32_t all = sim_flash_random(f) % 6; /* 0: none of them turned, 1: all, else each its own */
    for (uint32_t i = 0; f->flicker && i < f->dev.size / 4; i++) {
        if (f->weak[i] != 0) {
            uint32_t how = all < 2 ? all : sim_flash_random(f) % 4;
            uint32_t bits = how == 0 ? 0 : how == 1 ? BLANK : sim_flash_random(f);
            f->words[i] = (f->words[i] & ~f->weak[i]) | (bits & f->weak[i]);
        }
    }
}

void sim_flash_power_on(struct sim_flash *f)
{
    f->off = false;
    f->cut_at = 0;
    sim_flash_restart(f);
}

uint32_t sim_flash_wear(const struct sim_flash *f)
{
    uint32_t min = f->erases[0];
    uint32_t max = f->erases[0];
    for (uint32_t i = 1; i < f->dev.size / ELO_FLASH_SECTOR; i++) {
        min = f->erases[i] < min ? f->erases[i] : min;
        max = f->erases[i] > max ? f->erases[i] : max;
    }
    return max - min;
}

bool sim_flash_holds(const struct sim_flash *f, const void *bytes, size_t len)
{
    return memmem(f->words, f->dev.size, bytes, len) != NULL;
}
