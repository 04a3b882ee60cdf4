// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works
 *
 *     bank    magic  seq  crc | value | value | ... | blank
 *     value   key and length  their complement  crc | bytes, padded to words
 *
 * Of two banks with a good header that with the higher number is valid; of several values of one
 * key the last one. A value's checksum includes its bank's number and its place; it is never 0, so
 * that a checksum of 0, programmed over it, is a dead value. The bytes of a dead value are 0 as
 * well.
 *
 * Where a program was cut there is a value with a bad checksum, which is made a dead one; or its
 * first two words do not go together, and become 0: words to be skipped; or nothing can be seen,
 * and the first write after a start begins with one word of 0 so that it does not rest on it.
 *
 * Nothing old is overwritten before the new is certain. Bits that were cut in the middle of their
 * turn may read right now and wrong later; so elo_slots_init, when it finds both old and new,
 * programs again what it read and found good of the new, before it goes for the old.
 */
#include "elo/store/slots.h"

#include "elo/base/assert.h"
#include "elo/store/access.h"

#define MAGIC      0x31536C45u /* "ElS1" */
#define BANK_HEAD  12u
#define VALUE_HEAD 12u

enum { B_MAGIC, B_SEQ, B_CRC, B_N }; /* words of a bank's header */
enum { WHAT, CHECK, CRC };           /* words of a value's */

/* A value, or where one may be. */
struct slot {
    uint32_t at; /* on the device */
    uint32_t head[3];
};

/* --- values ------------------------------------------------------------------------------------
 */

static uint32_t length_of(const struct slot *v)
{
    return v->head[WHAT] & 0xFFFF;
}

static uint32_t key_of(const struct slot *v)
{
    return v->head[WHAT] >> 16;
}

static uint32_t size_of(const struct slot *v)
{
    return VALUE_HEAD + elo__padded(length_of(v));
}

static bool is_blank(const struct slot *v)
{
    return (v->head[WHAT] & v->head[CHECK] & v->head[CRC]) == ELO__BLANK;
}

/* Is there a value's head, and room for as much before `end`? */
static bool is_value(const struct slot *v, uint32_t end)
{
    return v->head[WHAT] == ~v->head[CHECK] && key_of(v) != 0 && size_of(v) <= end - v->at;
}

static elo_err read_head(const struct elo_slots *s, struct slot *v)
{
    return s->internal.dev->read(s->internal.dev->ctx, v->at, v->head, VALUE_HEAD);
}

static elo_err write_head(const struct elo_slots *s, const struct slot *v)
{
    return s->internal.dev->program(s->internal.dev->ctx, v->at, v->head, VALUE_HEAD);
}

/* Moves `v` to the first value at it or behind it. ELO_END: there is none. */
static elo_err find(const struct elo_slots *s, struct slot *v)
{
    uint32_t end = s->internal.base + s->internal.at;
    for (; v->at + VALUE_HEAD <= end; v->at += 4) {
        elo_err err = read_head(s, v);
        if (err != ELO_OK) {
            return err;
        }
        if (is_blank(v)) {
            break;
        }
        if (is_value(v, end)) {
            return ELO_OK;
        }
    }
    return ELO_END;
}

static uint32_t crc_seed(uint32_t seq, const struct slot *v)
{
    uint32_t words[3] = {seq, v->at, v->head[WHAT]};
    return elo__crc_words(0, words, 3);
}

/* Copies the value to `out`, unless it is NULL. ELO_E_CORRUPT: it is not whole. */
static elo_err get(const struct elo_slots *s, uint32_t seq, const struct slot *v, uint8_t *out)
{
    uint32_t crc = crc_seed(seq, v);
    elo_err err = elo__dev_get(s->internal.dev, v->at + VALUE_HEAD, length_of(v), out, &crc);
    return err == ELO_OK && elo__not_zero(crc) != v->head[CRC] ? ELO_E_CORRUPT : err;
}

/* Makes it a dead value, and no byte of it is left. Its head is programmed again with it: what was
 * read of it once stays. */
static elo_err wipe(const struct elo_slots *s, struct slot *v)
{
    v->head[CRC] = 0;
    elo_err err = write_head(s, v);
    if (err == ELO_OK) {
        err = elo__dev_zero(s->internal.dev, v->at + VALUE_HEAD, size_of(v) - VALUE_HEAD);
    }
    return err;
}

static void rewind_to(const struct elo_slots *s, struct slot *v)
{
    v->at = s->internal.base + BANK_HEAD;
}

/* The value that counts. ELO_END: none. */
static elo_err find_key(const struct elo_slots *s, uint32_t key, struct slot *out)
{
    struct slot v;
    bool found = false;
    elo_err err;
    rewind_to(s, &v);
    for (; (err = find(s, &v)) == ELO_OK; v.at += size_of(&v)) {
        if (key_of(&v) != key || v.head[CRC] == 0) {
            continue;
        }
        err = get(s, s->internal.seq, &v, NULL);
        if (err == ELO_OK) {
            *out = v;
            found = true;
        } else if (err != ELO_E_CORRUPT) {
            return err;
        }
    }
    return err == ELO_END && found ? ELO_OK : err;
}

/* Wipes the values of this key that lie before `end` on the device; key 0: of every key. */
static elo_err wipe_before(const struct elo_slots *s, uint32_t key, uint32_t end)
{
    struct slot v;
    elo_err err;
    rewind_to(s, &v);
    for (; (err = find(s, &v)) == ELO_OK && v.at < end; v.at += size_of(&v)) {
        if ((key == 0 || key_of(&v) == key) && v.head[CRC] != 0) {
            err = wipe(s, &v);
            if (err != ELO_OK) {
                return err;
            }
        }
    }
    return err == ELO_END ? ELO_OK : err;
}

/* --- banks -------------------------------------------------------------------------------------
 */

static uint32_t other(const struct elo_slots *s)
{
    return s->internal.base == 0 ? s->internal.size : 0;
}

static void make_header(const struct elo_slots *s, uint32_t seq, uint32_t head[B_N])
{
    uint32_t words[3] = {MAGIC, seq, s->internal.size};
    head[B_MAGIC] = MAGIC;
    head[B_SEQ] = seq;
    head[B_CRC] = elo__crc_words(0, words, 3);
}

static elo_err write_header(const struct elo_slots *s, uint32_t base, uint32_t seq)
{
    uint32_t head[B_N];
    make_header(s, seq, head);
    return s->internal.dev->program(s->internal.dev->ctx, base, head, BANK_HEAD);
}

/* ELO_E_CORRUPT: no header. */
static elo_err read_header(const struct elo_slots *s, uint32_t base, uint32_t *out_seq)
{
    uint32_t want[B_N];
    uint32_t head[B_N];
    elo_err err = s->internal.dev->read(s->internal.dev->ctx, base, head, BANK_HEAD);
    make_header(s, head[B_SEQ], want);
    *out_seq = head[B_SEQ];
    return err == ELO_OK && memcmp(head, want, sizeof head) != 0 ? ELO_E_CORRUPT : err;
}

/* Programs 0 over whatever was programmed from `at` to `end`. */
static elo_err scrub(const struct elo_slots *s, uint32_t at, uint32_t end)
{
    elo_err err = ELO_OK;
    while (err == ELO_OK && at < end) {
        uint32_t n = end - at < 64 ? end - at : 64;
        bool zeros;
        bool blank = false;
        err = elo__dev_is_all(s->internal.dev, at, n, 0, &zeros);
        if (err == ELO_OK && !zeros) {
            err = elo__dev_is_all(s->internal.dev, at, n, 0xFF, &blank);
        }
        if (err == ELO_OK && !zeros && !blank) {
            err = elo__dev_zero(s->internal.dev, at, n);
        }
        at += n;
    }
    return err;
}

/* Makes nothing of a bank: its header last, for as long as that is good the bank is looked at. */
static elo_err scrub_bank(const struct elo_slots *s, uint32_t base)
{
    elo_err err = scrub(s, base + BANK_HEAD, base + s->internal.size);
    return err == ELO_OK ? scrub(s, base, base + BANK_HEAD) : err;
}

/* --- starting ----------------------------------------------------------------------------------
 */

/* Finds the valid bank. If the other one is good too, its successor is made certain first. */
static elo_err find_bank(struct elo_slots *s)
{
    bool found = false;
    elo_err err = ELO_OK;
    for (uint32_t base = 0; base <= s->internal.size; base += s->internal.size) {
        uint32_t seq;
        err = read_header(s, base, &seq);
        if (err == ELO_E_CORRUPT) {
            err = ELO_OK;
            continue;
        }
        if (err != ELO_OK) {
            return err;
        }
        if (!found || (int32_t)(seq - s->internal.seq) > 0) {
            s->internal.seq = seq;
            s->internal.base = base;
        }
        if (found) {
            err = write_header(s, s->internal.base, s->internal.seq);
        }
        found = true;
    }
    return err == ELO_OK && !found ? ELO_END : err;
}

/* A value as the power left it. ELO_END: it is dead now. */
static elo_err judge(const struct elo_slots *s, struct slot *v)
{
    elo_err err = ELO_E_CORRUPT;
    if (v->head[CRC] == 0) {
        bool zeros;
        err = elo__dev_is_all(s->internal.dev, v->at + VALUE_HEAD, size_of(v) - VALUE_HEAD, 0,
                              &zeros);
        if (err == ELO_OK && zeros) {
            return ELO_END;
        }
        err = err == ELO_OK ? ELO_E_CORRUPT : err;
    } else {
        err = get(s, s->internal.seq, v, NULL);
    }
    if (err == ELO_E_CORRUPT) {
        err = wipe(s, v);
        err = err == ELO_OK ? ELO_END : err;
    }
    return err;
}

/* Goes through the bank. `last` is its last good value, or has `at` 0. */
static elo_err scan(struct elo_slots *s, struct slot *last)
{
    uint32_t end = s->internal.base + s->internal.size;
    struct slot v;
    elo_err err = ELO_OK;
    last->at = 0;
    rewind_to(s, &v);
    while (err == ELO_OK && v.at + VALUE_HEAD <= end) {
        err = read_head(s, &v);
        if (err != ELO_OK || is_blank(&v)) {
            break;
        }
        if (!is_value(&v, end)) {
            err = elo__dev_zero(s->internal.dev, v.at, 4);
            v.at += 4;
            continue;
        }
        err = judge(s, &v);
        if (err == ELO_OK) {
            *last = v;
        }
        err = err == ELO_END ? ELO_OK : err;
        v.at += size_of(&v);
    }
    bool blank = false;
    if (err == ELO_OK) {
        err = elo__dev_is_all(s->internal.dev, v.at, end - v.at, 0xFF, &blank);
    }
    s->internal.at = blank ? v.at - s->internal.base : s->internal.size;
    return err;
}

/* Programs a value's bytes as they are read, then its head. ELO_E_CORRUPT: they were not good. */
static elo_err make_certain(const struct elo_slots *s, const struct slot *v)
{
    uint32_t words[16];
    uint32_t crc = crc_seed(s->internal.seq, v);
    uint32_t at = v->at + VALUE_HEAD;
    uint32_t left = size_of(v) - VALUE_HEAD;
    while (left > 0) {
        uint32_t n = left < sizeof words ? left : (uint32_t)sizeof words;
        elo_err err = s->internal.dev->read(s->internal.dev->ctx, at, words, n);
        if (err == ELO_OK) {
            err = s->internal.dev->program(s->internal.dev->ctx, at, words, n);
        }
        if (err != ELO_OK) {
            return err;
        }
        crc = elo__crc_words(crc, words, n / 4);
        at += n;
        left -= n;
    }
    return elo__not_zero(crc) == v->head[CRC] ? write_head(s, v) : ELO_E_CORRUPT;
}

/* The last value may have been written and the one before it not wiped. */
static elo_err finish_write(const struct elo_slots *s, struct slot *last)
{
    struct slot v;
    elo_err err;
    bool older = false;
    rewind_to(s, &v);
    for (; (err = find(s, &v)) == ELO_OK && v.at < last->at; v.at += size_of(&v)) {
        older = older || (key_of(&v) == key_of(last) && v.head[CRC] != 0);
    }
    if (err != ELO_OK && err != ELO_END) {
        return err;
    }
    if (!older) {
        return ELO_OK;
    }
    err = make_certain(s, last);
    if (err == ELO_E_CORRUPT) {
        return wipe(s, last);
    }
    return err == ELO_OK ? wipe_before(s, key_of(last), last->at) : err;
}

elo_err elo_slots_init(struct elo_slots *s, const struct elo_flash_dev *dev)
{
    struct slot last;
    ELO_ASSERT(dev->size % ELO_FLASH_SECTOR == 0);
    if (dev->size < 2 * ELO_FLASH_SECTOR) {
        return ELO_E_NO_SPACE;
    }
    memset(s, 0, sizeof *s);
    s->internal.dev = dev;
    s->internal.size = dev->size / ELO_FLASH_SECTOR / 2 * ELO_FLASH_SECTOR;
    s->internal.unsure = true;
    elo_err err = find_bank(s);
    if (err == ELO_END) { /* as if the second bank were valid, without a value, and full */
        s->internal.base = s->internal.size;
        s->internal.at = BANK_HEAD;
        s->internal.full = true;
        return ELO_OK;
    }
    if (err == ELO_OK) {
        err = scan(s, &last);
    }
    if (err == ELO_OK && last.at != 0) {
        err = finish_write(s, &last);
    }
    return err == ELO_OK ? scrub_bank(s, other(s)) : err;
}

/* --- reading and writing -----------------------------------------------------------------------
 */

static void check_key(uint16_t key)
{
    ELO_ASSERT(key != 0 && key != 0xFFFF);
    (void)key;
}

elo_err
elo_slots_read(const struct elo_slots *s, uint16_t key, void *buf, size_t cap, size_t *out_len)
{
    struct slot v;
    check_key(key);
    elo_err err = find_key(s, key, &v);
    if (err != ELO_OK) {
        return err == ELO_END ? ELO_E_NOT_FOUND : err;
    }
    *out_len = length_of(&v);
    return *out_len <= cap ? get(s, s->internal.seq, &v, (uint8_t *)buf) : ELO_E_NO_SPACE;
}

/* Begins a value at `v` in the bank `seq`: its head, for bytes with this checksum so far. */
static void make_head(uint32_t seq, struct slot *v, uint32_t key, uint32_t len)
{
    v->head[WHAT] = key << 16 | len;
    v->head[CHECK] = ~v->head[WHAT];
    v->head[CRC] = crc_seed(seq, v);
}

/* Programs a new value at `v`, behind `gap` bytes of 0, and reads it again. */
static elo_err
put(const struct elo_slots *s, uint32_t seq, struct slot *v, uint32_t gap, elo_span value)
{
    v->head[CRC] = elo__not_zero(elo__crc_data(v->head[CRC], value));
    uint32_t words[4] = {0, v->head[WHAT], v->head[CHECK], v->head[CRC]};
    struct slot written = *v;
    elo_err err =
        elo__dev_put(s->internal.dev, v->at - gap, words + (gap == 0), 3 + (gap != 0), value);
    if (err == ELO_OK) {
        err = read_head(s, &written);
    }
    if (err == ELO_OK && memcmp(&written, v, sizeof written) != 0) {
        err = ELO_E_IO;
    }
    if (err == ELO_OK) {
        err = get(s, seq, v, NULL);
    }
    return err == ELO_E_CORRUPT ? ELO_E_IO : err;
}

/* Writes behind the last value, then wipes the older ones. */
static elo_err append(struct elo_slots *s, struct slot *v, uint32_t gap, elo_span value)
{
    elo_err err = ELO_OK;
    if (s->internal.unsure) {
        err = write_header(s, s->internal.base, s->internal.seq);
    }
    if (err != ELO_OK) {
        return err;
    }
    s->internal.unsure = false;
    s->internal.at = v->at + size_of(v) - s->internal.base;
    make_head(s->internal.seq, v, key_of(v), length_of(v));
    err = put(s, s->internal.seq, v, gap, value);
    if (err == ELO_OK) {
        return wipe_before(s, key_of(v), v->at);
    }
    s->internal.full = true;
    (void)(wipe(s, v) == ELO_OK); /* as far as it can be done */
    return err;
}

/* Is it the value that counts of its key, and not `key`'s? ELO_END: no. */
static elo_err is_kept(const struct elo_slots *s, const struct slot *v, uint32_t key)
{
    struct slot newest;
    if (key_of(v) == key || v->head[CRC] == 0) {
        return ELO_END;
    }
    elo_err err = find_key(s, key_of(v), &newest);
    return err == ELO_OK && newest.at != v->at ? ELO_END : err;
}

/* How many bytes of a bank the values take that are kept when `key` is replaced. */
static elo_err count_kept(const struct elo_slots *s, uint32_t key, uint32_t *out_size)
{
    struct slot v;
    elo_err err;
    *out_size = 0;
    rewind_to(s, &v);
    for (; (err = find(s, &v)) == ELO_OK; v.at += size_of(&v)) {
        err = is_kept(s, &v, key);
        if (err != ELO_OK && err != ELO_END) {
            return err;
        }
        *out_size += err == ELO_OK ? size_of(&v) : 0;
    }
    return err == ELO_END ? ELO_OK : err;
}

/* Copies a value into the bank `seq`, to `to`. */
static elo_err copy(const struct elo_slots *s, const struct slot *from, uint32_t seq, uint32_t to)
{
    uint32_t words[16];
    const struct elo_flash_dev *dev = s->internal.dev;
    struct slot v = {.at = to};
    make_head(seq, &v, key_of(from), length_of(from));
    elo_err err = elo__dev_get(dev, from->at + VALUE_HEAD, length_of(from), NULL, &v.head[CRC]);
    v.head[CRC] = elo__not_zero(v.head[CRC]);
    if (err == ELO_OK) {
        err = write_head(s, &v);
    }
    for (uint32_t at = VALUE_HEAD; err == ELO_OK && at < size_of(&v); at += sizeof words) {
        uint32_t n = size_of(&v) - at;
        n = n < sizeof words ? n : (uint32_t)sizeof words;
        err = dev->read(dev->ctx, from->at + at, words, n);
        if (err == ELO_OK) {
            err = dev->program(dev->ctx, to + at, words, n);
        }
    }
    if (err == ELO_OK) {
        err = get(s, seq, &v, NULL);
    }
    return err == ELO_E_CORRUPT ? ELO_E_IO : err;
}

static elo_err erase_bank(const struct elo_slots *s, uint32_t base)
{
    elo_err err = ELO_OK;
    for (uint32_t at = 0; err == ELO_OK && at < s->internal.size; at += ELO_FLASH_SECTOR) {
        err = s->internal.dev->erase(s->internal.dev->ctx, base + at);
    }
    return err;
}

/* Copies what is kept to the bank `seq` at `to->at`, which moves on. */
static elo_err copy_kept(const struct elo_slots *s, uint32_t key, uint32_t seq, struct slot *to)
{
    struct slot v;
    elo_err err;
    rewind_to(s, &v);
    for (; (err = find(s, &v)) == ELO_OK; v.at += size_of(&v)) {
        err = is_kept(s, &v, key);
        if (err == ELO_OK) {
            err = copy(s, &v, seq, to->at);
            to->at += size_of(&v);
        }
        if (err != ELO_OK && err != ELO_END) {
            return err;
        }
    }
    return err == ELO_END ? ELO_OK : err;
}

/* Moves to the other bank, with the new value in the place of `key`'s old one. */
static elo_err move(struct elo_slots *s, uint32_t key, elo_span value)
{
    uint32_t base = other(s);
    uint32_t seq = s->internal.seq + 1;
    struct slot v = {.at = base + BANK_HEAD};
    uint32_t kept;
    elo_err err = count_kept(s, key, &kept);
    if (err == ELO_OK &&
        kept + VALUE_HEAD + elo__padded((uint32_t)value.len) > s->internal.size - BANK_HEAD) {
        err = ELO_E_NO_SPACE;
    }
    if (err == ELO_OK) {
        err = erase_bank(s, base);
    }
    if (err == ELO_OK) {
        err = copy_kept(s, key, seq, &v);
    }
    if (err == ELO_OK) {
        make_head(seq, &v, key, (uint32_t)value.len);
        err = put(s, seq, &v, 0, value);
    }
    if (err == ELO_OK) {
        err = write_header(s, base, seq);
    }
    if (err != ELO_OK) {
        return err;
    }
    uint32_t old = s->internal.base;
    s->internal.base = base;
    s->internal.seq = seq;
    s->internal.at = v.at + size_of(&v) - base;
    s->internal.unsure = false;
    s->internal.full = false;
    return scrub_bank(s, old);
}

elo_err elo_slots_write(struct elo_slots *s, uint16_t key, elo_span value)
{
    uint32_t gap = s->internal.unsure ? 4 : 0;
    uint32_t room = s->internal.size - s->internal.at;
    struct slot v = {.at = s->internal.base + s->internal.at + gap};
    check_key(key);
    if (value.len > s->internal.size - BANK_HEAD - VALUE_HEAD || value.len > UINT16_MAX) {
        return ELO_E_NO_SPACE;
    }
    v.head[WHAT] = (uint32_t)key << 16 | (uint32_t)value.len;
    if (!s->internal.full && gap + size_of(&v) <= room) {
        return append(s, &v, gap, value);
    }
    return move(s, key, value);
}

elo_err elo_slots_erase(struct elo_slots *s, uint16_t key)
{
    check_key(key);
    return wipe_before(s, key, s->internal.base + s->internal.size);
}

elo_err elo_slots_clear(struct elo_slots *s)
{
    return wipe_before(s, 0, s->internal.base + s->internal.size);
}
