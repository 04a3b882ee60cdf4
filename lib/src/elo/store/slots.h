// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Small values in flash by key: settings, the device's credentials, the latest time that was known,
 * the count of power cycles. Whatever happens to the power, a key has its old value or its new one.
 *
 *     struct elo_slots s;
 *     elo_slots_init(&s, &dev);
 *     elo_slots_read(&s, KEY_TIME, buf, sizeof buf, &len);
 *     elo_slots_write(&s, KEY_TIME, value);
 *     elo_slots_erase(&s, KEY_CREDENTIALS);
 *
 * The region is two banks of equal size. Values are written one behind the other into one bank;
 * when it is full, what counts is copied to the other one, and that becomes valid by one program at
 * the end. So a small value that changes often (16 bytes with a 4-byte value) costs one erase in
 * hundreds of writes. A value may be as long as a bank less 24 bytes; all values together must fit
 * into one bank, at 12 bytes each beside their own. For credentials of 4 KB: a region of four
 * sectors.
 *
 * Secrets: a value that was replaced or erased is overwritten in flash before the call returns;
 * where the power cut that, by the next elo_slots_init.
 *
 * Cost of a write: a program of the new value and one of zeros over the old, and a read to verify.
 * A read looks through the bank: for start-up and changes of settings, not for every loop. RAM:
 * this struct.
 *
 * Not re-entrant. Errors of the device come through; after one, go on or init again. The words in
 * flash are of the machine's byte order.
 */
#ifndef ELO_STORE_SLOTS_H
#define ELO_STORE_SLOTS_H

#include "elo/base/span.h"
#include "elo/store/flash.h"

#ifdef __cplusplus
extern "C" {
#endif

struct elo_slots {
    struct {
        const struct elo_flash_dev *dev;
        uint32_t seq;  /* number of the bank that is valid; 0 with no bank: none yet */
        uint32_t size; /* of a bank */
        uint32_t base; /* of the valid bank */
        uint32_t at;   /* where in it the next value goes */
        bool unsure;   /* the word there, or the bank's header, may have been cut */
        bool full;     /* nothing more is written to this bank */
    } internal;
};

/*
 * Finds what is in flash and finishes what a power cut left. `dev` is kept and must outlive `s`.
 * ELO_E_NO_SPACE: fewer than two sectors; of an odd number the last is not used. Flash that was
 * never used, or used by something else, has no values, and is left alone until the first write. So
 * is a region of another size: its size is part of the format.
 */
ELO_MUST_USE elo_err elo_slots_init(struct elo_slots *s, const struct elo_flash_dev *dev);

/* Copies the value to `buf`. ELO_E_NOT_FOUND: there is none. ELO_E_NO_SPACE: it is longer than
 * `cap`, and `out_len` tells how long. `key` is 1..65,534, here and below. */
ELO_MUST_USE elo_err
elo_slots_read(const struct elo_slots *s, uint16_t key, void *buf, size_t cap, size_t *out_len);

/* Sets the value; it may be empty, and may lie in flash (elo/base/flash.h). ELO_E_NO_SPACE: all
 * values together would be too much, and nothing has changed. ELO_E_IO: the flash does not hold
 * what was programmed; the old value is there still, and another try goes to the other bank. */
ELO_MUST_USE elo_err elo_slots_write(struct elo_slots *s, uint16_t key, elo_span value);

/* Overwrites the value with zeros. ELO_OK as well if there is none. */
ELO_MUST_USE elo_err elo_slots_erase(struct elo_slots *s, uint16_t key);

/* The same with all of them. */
ELO_MUST_USE elo_err elo_slots_clear(struct elo_slots *s);

#ifdef __cplusplus
}
#endif

#endif
