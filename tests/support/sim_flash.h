// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * NOR flash in RAM whose power can be cut.
 *
 * It aborts the test on what a chip would not forgive: addresses, lengths or memory that are not
 * aligned to 4, anything outside the device, a program that asks for a 1 where a 0 is.
 *
 * Each word that is programmed and each sector that is erased is one step. sim_flash_cut(f, n, how)
 * cuts the power in the n-th step from now: that step is done in part, as `how` says, and from then
 * on every call answers ELO_E_IO until sim_flash_power_on(). Where bits were in the middle of their
 * turn they may be weak (f->flicker): they are thrown anew at every power-on, until programmed; a
 * word's all turned, none, or any. After an erase that was cut all that it had to turn is weak.
 */
#ifndef TESTS_SUPPORT_SIM_FLASH_H
#define TESTS_SUPPORT_SIM_FLASH_H

#include "elo/store/flash.h"

#include <stdbool.h>

/* How much of the step was done. */
enum sim_cut {
    SIM_CUT_BEFORE, /* nothing */
    SIM_CUT_AFTER,  /* all of it, but the call did not come back */
    SIM_CUT_SOME,   /* any of the bits; of an erase: any bits anywhere */
    SIM_CUT_HALF,   /* of an erase: its first half; of a word: the low half of the bits */
    SIM_CUT_ZEROS,  /* an erase begins by programming everything to 0 */
    SIM_CUTS
};

struct sim_flash {
    struct elo_flash_dev dev;
    uint32_t *words;
    uint32_t *weak;   /* bits of each word that are thrown at power-on */
    uint32_t *erases; /* of each sector, cut ones included */
    uint64_t seed;
    bool flicker;
    /* Counted since the test last set them to 0. */
    uint64_t steps;
    uint32_t programs;
    uint32_t words_programmed;
    uint32_t reads;
    uint32_t bytes_read;
    uint32_t fail_programs; /* so many answer ELO_E_IO without doing anything */
    uint32_t worn;          /* a word index + 1 that does not take what is programmed */

    uint64_t cut_at;
    enum sim_cut how;
    bool off;
};

/* Blank flash. Close it with sim_flash_free. */
void sim_flash_init(struct sim_flash *f, uint32_t sectors, uint64_t seed);
void sim_flash_free(struct sim_flash *f);

/* From now on the n-th step is the last; n >= 1, 0: none. */
void sim_flash_cut(struct sim_flash *f, uint64_t n, enum sim_cut how);
void sim_flash_power_on(struct sim_flash *f);

/* Off and on again, between two steps: a cut that was asked for is still to come. */
void sim_flash_restart(struct sim_flash *f);

/* Any number, from the flash's seed (xorshift). */
uint32_t sim_flash_random(struct sim_flash *f);

/* The difference between the sector erased most often and the one least often. */
uint32_t sim_flash_wear(const struct sim_flash *f);

/* Is this run of bytes anywhere in the flash? */
bool sim_flash_holds(const struct sim_flash *f, const void *bytes, size_t len);

#endif
