// links: elo_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Flash that holds anything. The first byte chooses the size, the policy and what is tried; the
 * rest is laid over blank flash. Queue and slots must start on it, be walked to an end, take a
 * record and a value and give them back after another start. Checksums would keep most of it from
 * the code that they protect, so some inputs have theirs made good.
 */
#include "elo/store/access.h"
#include "elo/store/queue.h"
#include "elo/store/slots.h"

#include <stdlib.h>

#define SECTORS_MAX 4u
#define PERIOD      1031u /* how often a short input is repeated: not in step with sectors */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t words[SECTORS_MAX * ELO_FLASH_SECTOR / 4];
static struct elo_flash_dev dev;

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check(uint32_t at, size_t len)
{
    require(at % 4 == 0 && len % 4 == 0 && len <= dev.size && at <= dev.size - len);
}

static elo_err flash_read(void *ctx, uint32_t at, void *out, size_t len)
{
    (void)ctx;
    check(at, len);
    memcpy(out, (uint8_t *)words + at, len);
    return ELO_OK;
}

static elo_err flash_program(void *ctx, uint32_t at, const void *data, size_t len)
{
    (void)ctx;
    check(at, len);
    for (size_t i = 0; i < len / 4; i++) {
        words[at / 4 + i] &= ((const uint32_t *)data)[i];
    }
    return ELO_OK;
}

static elo_err flash_erase(void *ctx, uint32_t at)
{
    (void)ctx;
    check(at, ELO_FLASH_SECTOR);
    require(at % ELO_FLASH_SECTOR == 0);
    memset((uint8_t *)words + at, 0xFF, ELO_FLASH_SECTOR);
    return ELO_OK;
}

static void fill(const uint8_t *data, size_t size, bool repeat)
{
    memset(words, 0xFF, sizeof words);
    for (size_t at = 0; size > 0 && at < dev.size; at += repeat ? PERIOD : dev.size) {
        size_t n = size < dev.size - at ? size : dev.size - at;
        memcpy((uint8_t *)words + at, data, n);
    }
}

/* Sector headers that say what they like, records and lengths of any kind behind them. */
static void make_good(uint32_t sectors)
{
    for (uint32_t i = 0; i < sectors; i++) {
        uint32_t *s = words + i * ELO_FLASH_SECTOR / 4;
        s[0] = 0x31516C45u;
        s[4] = elo__crc_words(elo__crc_words(0, s, 4), &sectors, 1);
        for (uint32_t at = 5; at + 4 < ELO_FLASH_SECTOR / 4; at += 1 + s[at] % 61) {
            uint32_t len = s[at] % (ELO_QUEUE_RECORD_MAX + 2);
            uint32_t seed[4] = {s[1], 4 * at, len | ~len << 16, s[at + 1]};
            if (s[at] % 3 == 0) {
                continue;
            }
            s[at] = seed[2];
            if (4 * at + 16 + elo__padded(len) <= ELO_FLASH_SECTOR && s[at + 2] % 4 != 0) {
                uint32_t crc = elo__crc_words(0, seed, 4);
                s[at + 2] = elo__crc_words(crc, s + at + 4, elo__padded(len) / 4);
            }
        }
    }
}

static void make_good_bank(uint32_t sectors)
{
    uint32_t bank = sectors / 2 * ELO_FLASH_SECTOR;
    for (uint32_t base = 0; base <= bank; base += bank) {
        uint32_t *b = words + base / 4;
        uint32_t head[3] = {0x31536C45u, b[1], bank};
        b[0] = head[0];
        b[2] = elo__crc_words(0, head, 3);
        for (uint32_t at = 3; at + 3 < bank / 4; at += 1 + b[at] % 61) {
            uint32_t what = (b[at] % 3 << 16) | b[at + 1] % 400;
            uint32_t seed[3] = {b[1], base + 4 * at, what};
            b[at] = what;
            b[at + 1] = ~what;
            if (4 * at + 12 + elo__padded(what & 0xFFFF) <= bank && b[at + 2] % 4 != 0) {
                uint32_t crc = elo__crc_words(0, seed, 3);
                b[at + 2] = elo__crc_words(crc, b + at + 3, elo__padded(what & 0xFFFF) / 4);
            }
        }
    }
}

/* Walks to the end, marking some. How many are left? */
static uint32_t walk(struct elo_queue *q, bool mark)
{
    uint8_t buf[ELO_QUEUE_RECORD_MAX];
    struct elo_queue_record r;
    uint32_t last = 0;
    uint32_t n = 0;
    elo_err err;
    while ((err = elo_queue_peek(q, last, buf, sizeof buf, &r)) == ELO_OK) {
        require(r.len <= sizeof buf && r.id != 0);
        require(++n <= SECTORS_MAX * ELO_FLASH_SECTOR / 16);
        last = r.id;
        if (mark && n % 3 == 0) {
            require(elo_queue_mark(q, r.id) == ELO_OK);
        }
    }
    require(err == ELO_END);
    return mark ? n - n / 3 : n;
}

static void try_queue(elo_queue_policy policy, bool mark)
{
    struct elo_queue q;
    struct elo_queue_stats s;
    uint8_t record[150] = {1, 2, 3};
    require(elo_queue_mount(&q, &dev, policy) == ELO_OK);
    uint32_t count = elo_queue_count(&q);
    require(walk(&q, false) == count);
    uint32_t left = walk(&q, mark);
    require(elo_queue_count(&q) == left);
    require(elo_queue_get_stats(&q, &s) == ELO_OK && s.undelivered == left);
    uint32_t id = 0;
    elo_err err = elo_queue_append(&q, elo_span_of(record, sizeof record), 7, &id);
    require(err == ELO_OK || (policy == ELO_QUEUE_REFUSE && err == ELO_NEED_ROOM) ||
            (policy == ELO_QUEUE_DROP_NEWEST && err == ELO_E_OUTBOX_FULL));
    count = elo_queue_count(&q);
    require(elo_queue_mount(&q, &dev, policy) == ELO_OK && elo_queue_count(&q) == count);
    require(walk(&q, false) == count);
    require(err != ELO_OK || elo_queue_mark(&q, id) == ELO_OK);
    require(elo_queue_clear(&q) == ELO_OK && walk(&q, false) == 0);
}

static void require_value(const struct elo_slots *s, uint16_t key, elo_span want)
{
    uint8_t buf[400];
    size_t len = 0;
    require(elo_slots_read(s, key, buf, sizeof buf, &len) == ELO_OK);
    require(elo_span_eq(elo_span_of(buf, len), want));
}

static void try_slots(bool erase)
{
    struct elo_slots s;
    static uint8_t old[SECTORS_MAX * ELO_FLASH_SECTOR];
    size_t len = 0;
    require(elo_slots_init(&s, &dev) == ELO_OK);
    elo_err had = elo_slots_read(&s, 1, old, sizeof old, &len);
    require(had == ELO_OK || had == ELO_E_NOT_FOUND);
    elo_err err = elo_slots_write(&s, 9, ELO_SPAN("a value"));
    require(err == ELO_OK || err == ELO_E_NO_SPACE);
    require(elo_slots_init(&s, &dev) == ELO_OK);
    if (err == ELO_OK) {
        require_value(&s, 9, ELO_SPAN("a value"));
    }
    if (had == ELO_OK && len <= 400) {
        require_value(&s, 1, elo_span_of(old, len));
    }
    require((erase ? elo_slots_erase(&s, 1) : elo_slots_clear(&s)) == ELO_OK);
    require(elo_slots_read(&s, 1, old, sizeof old, &len) == ELO_E_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t how = data[0];
    uint32_t sectors = 2 + how % 3;
    dev = (struct elo_flash_dev){NULL, sectors * ELO_FLASH_SECTOR, flash_read, flash_program,
                                 flash_erase};
    fill(data + 1, size - 1, (how & 0x80) != 0);
    if ((how & 0x40) != 0) {
        (how & 0x20) != 0 ? make_good_bank(sectors) : make_good(sectors);
    }
    if ((how & 0x20) != 0) {
        try_slots((how & 0x10) != 0);
    } else {
        try_queue((elo_queue_policy)(how / 3 % 3), (how & 0x10) != 0);
    }
    return 0;
}
