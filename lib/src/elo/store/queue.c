// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works
 *
 *     sector   magic  seq  erases  dropped  crc | record | record | ... | blank
 *     record   length  user  crc  mark | bytes, padded to words
 *
 * Sectors are numbered as they are begun. The head has the highest number, the sector before it in
 * the ring the number before it, and so on; a sector whose header says anything else holds nothing.
 * A record's checksum includes its sector's number and its place, so that neither bytes of a former
 * turn nor a record inside a record can pass for one.
 *
 * A record's first word holds its length and the complement of it: while any of the 16 bits that
 * have to turn has not, the word is not a length. So where a program was cut, there is either
 *   - a good length and a bad checksum: a torn record, whose extent is known, or
 *   - one word that is no length, with nothing behind it: it is programmed to 0, and skipped, or
 *   - nothing to be seen; but the word may have been touched. The first append after a mount
 *     begins with one word of 0, to be skipped, so that it does not rest on it.
 * A torn record is marked when it is found, and its length programmed again: what was read once
 * stays.
 *
 * A mark programs 0 over the checksum, which is never 0, and the word behind it, in this order. Any
 * bit of that word is the mark. Should the power cut it, and the bits that were seen be gone next
 * time, the checksum is gone for good: what was marked once does not come back after others went.
 *
 * A sector begins: its old header to 0 (now its records are gone, also if the erasing is cut and
 * leaves anything), erase, new header. Erased flash is never trusted over a restart: only a sector
 * with its new header is used, others are erased again. A header that may have been the last thing
 * before a cut is programmed again before the first record goes behind it.
 */
#include "elo/store/queue.h"

#include "elo/base/assert.h"
#include "elo/store/access.h"

#define MAGIC       0x31516C45u /* "ElQ1" */
#define SECTOR_HEAD 20u
#define RECORD_HEAD 16u
#define FIRST_SEQ   1u

/* An id is the low bits of the sector's number and the record's word in the sector. */
#define PLACE_BITS 10
#define SEQ_MASK   (ELO__BLANK >> PLACE_BITS)

enum { LENGTH, USER, CRC, MARK };                         /* words of a record's header */
enum { S_MAGIC, S_SEQ, S_ERASES, S_DROPPED, S_CRC, S_N }; /* words of a sector's */

/* A record, or where one may be. */
struct place {
    uint32_t seq;
    uint32_t at;
    uint32_t head[4];
};

/* --- places ------------------------------------------------------------------------------------
 */

static const struct elo_flash_dev *device(const struct elo_queue *q)
{
    return q->internal.dev;
}

/* Where the sector with this number begins on the device. */
static uint32_t base_of(const struct elo_queue *q, uint32_t seq)
{
    uint32_t back = q->internal.seq - seq;
    uint32_t head = q->internal.sector;
    uint32_t sector = head >= back ? head - back : head + q->internal.sectors - back;
    return sector * ELO_FLASH_SECTOR;
}

static uint32_t address(const struct elo_queue *q, const struct place *p)
{
    return base_of(q, p->seq) + p->at;
}

/* Behind the last record that the sector may hold. */
static uint32_t end_of(const struct elo_queue *q, uint32_t seq)
{
    return seq == q->internal.seq ? q->internal.at : ELO_FLASH_SECTOR;
}

static uint32_t id_of(const struct place *p)
{
    return p->seq << PLACE_BITS | p->at / 4;
}

static uint32_t length_word(uint32_t len)
{
    return len | ~len << 16;
}

static uint32_t length_of(const struct place *p)
{
    return p->head[LENGTH] & 0xFFFF;
}

static uint32_t size_of(const struct place *p)
{
    return RECORD_HEAD + elo__padded(length_of(p));
}

/* Is there a record's length, and room for as much? */
static bool is_record(const struct place *p, uint32_t end)
{
    uint32_t len = length_of(p);
    return p->head[LENGTH] == length_word(len) && len <= ELO_QUEUE_RECORD_MAX &&
           size_of(p) <= end - p->at;
}

/* Nothing was programmed here. (One blank word may be a mark, behind a length that is damaged.) */
static bool is_blank(const struct place *p)
{
    return (p->head[LENGTH] & p->head[USER] & p->head[CRC] & p->head[MARK]) == ELO__BLANK;
}

/* Moves `p` to the first record at it or behind it in its sector. ELO_END: there is none. */
static elo_err find(const struct elo_queue *q, struct place *p)
{
    uint32_t end = end_of(q, p->seq);
    for (; p->at + RECORD_HEAD <= end; p->at += 4) {
        elo_err err = device(q)->read(device(q)->ctx, address(q, p), p->head, RECORD_HEAD);
        if (err != ELO_OK) {
            return err;
        }
        if (is_blank(p)) {
            break;
        }
        if (is_record(p, end)) {
            return ELO_OK;
        }
    }
    return ELO_END;
}

/* --- records -----------------------------------------------------------------------------------
 */

/* What the checksum begins with: all that makes the record what and where it is. */
static uint32_t crc_seed(const struct place *p)
{
    uint32_t words[4] = {p->seq, p->at, p->head[LENGTH], p->head[USER]};
    return elo__crc_words(0, words, 4);
}

/* Copies the record's bytes to `out`, unless it is NULL. ELO_E_CORRUPT: it is not whole. */
static elo_err get(const struct elo_queue *q, const struct place *p, uint8_t *out)
{
    uint32_t crc = crc_seed(p);
    elo_err err = elo__dev_get(device(q), address(q, p) + RECORD_HEAD, length_of(p), out, &crc);
    if (err == ELO_OK && elo__not_zero(crc) != p->head[CRC]) {
        err = ELO_E_CORRUPT;
    }
    return err;
}

static elo_err set_mark(const struct elo_queue *q, const struct place *p)
{
    return elo__dev_zero(device(q), address(q, p) + 4 * CRC, 8);
}

/* A record that is not whole is never looked at again. */
static elo_err bury(struct elo_queue *q, struct place *p)
{
    if (p->head[CRC] == 0) {
        return set_mark(q, p); /* that was cut */
    }
    q->internal.damaged++;
    p->head[MARK] = 0;
    return device(q)->program(device(q)->ctx, address(q, p), p->head, RECORD_HEAD);
}

static void forget(struct elo_queue *q, uint32_t n)
{
    q->internal.count -= n < q->internal.count ? n : q->internal.count;
}

/* --- sectors -----------------------------------------------------------------------------------
 */

static uint32_t header_crc(const struct elo_queue *q, const uint32_t head[S_N])
{
    uint32_t sectors = q->internal.sectors;
    return elo__crc_words(elo__crc_words(0, head, S_CRC), &sectors, 1);
}

/* ELO_E_CORRUPT: no header. */
static elo_err read_header(const struct elo_queue *q, uint32_t base, uint32_t head[S_N])
{
    elo_err err = device(q)->read(device(q)->ctx, base, head, SECTOR_HEAD);
    if (err == ELO_OK && (head[S_MAGIC] != MAGIC || head[S_CRC] != header_crc(q, head))) {
        err = ELO_E_CORRUPT;
    }
    return err;
}

/* Begins a walk through the sector: behind its header, or at its end if the header is not right. */
static elo_err enter(const struct elo_queue *q, uint32_t seq, struct place *p)
{
    uint32_t head[S_N];
    elo_err err = read_header(q, base_of(q, seq), head);
    p->seq = seq;
    p->at = err == ELO_OK && head[S_SEQ] == seq ? SECTOR_HEAD : ELO_FLASH_SECTOR;
    return err == ELO_E_CORRUPT ? ELO_OK : err;
}

static elo_err find_undelivered(const struct elo_queue *q, struct place *p)
{
    for (;;) {
        elo_err err = find(q, p);
        if (err == ELO_OK && p->head[MARK] == ELO__BLANK) {
            return ELO_OK;
        }
        if (err == ELO_OK) {
            p->at += size_of(p);
        } else if (err == ELO_END && p->seq != q->internal.seq) {
            err = enter(q, p->seq + 1, p);
        }
        if (err != ELO_OK) {
            return err;
        }
    }
}

/* Moves `first` on to the oldest record not delivered, or to the end, and `p` with it. */
static elo_err advance(struct elo_queue *q, struct place *p)
{
    p->seq = q->internal.first;
    p->at = q->internal.first_at;
    elo_err err = find_undelivered(q, p);
    if (err == ELO_END) {
        p->at = q->internal.at;
    }
    if (err == ELO_OK || err == ELO_END) {
        q->internal.first = p->seq;
        q->internal.first_at = (uint16_t)p->at;
    }
    return err;
}

/* --- mounting ----------------------------------------------------------------------------------
 */

/* Finds the head, and takes over what its header says. */
static elo_err find_head(struct elo_queue *q)
{
    bool found = false;
    for (uint32_t i = 0; i < q->internal.sectors; i++) {
        uint32_t head[S_N];
        elo_err err = read_header(q, i * ELO_FLASH_SECTOR, head);
        if (err == ELO_E_CORRUPT) {
            continue;
        }
        if (err != ELO_OK) {
            return err;
        }
        if (!found || (int32_t)(head[S_SEQ] - q->internal.seq) > 0) {
            q->internal.seq = head[S_SEQ];
            q->internal.erases = head[S_ERASES];
            q->internal.dropped = head[S_DROPPED];
            q->internal.sector = (uint16_t)i;
        }
        found = true;
    }
    return ELO_OK;
}

/* A sector whose number is not one of the head's round, or is in another's place, is no part of
 * this queue, however right its header is. One day it would be taken for the head: it becomes
 * nothing. */
static elo_err disown_strangers(const struct elo_queue *q)
{
    for (uint32_t i = 0; i < q->internal.sectors; i++) {
        uint32_t head[S_N], base = i * ELO_FLASH_SECTOR;
        elo_err err = read_header(q, base, head);
        bool ours = err == ELO_OK && q->internal.seq - head[S_SEQ] < q->internal.sectors &&
                    base_of(q, head[S_SEQ]) == base;
        if (err == ELO_OK && !ours) {
            err = elo__dev_zero(device(q), base, SECTOR_HEAD);
        }
        if (err != ELO_OK && err != ELO_E_CORRUPT) {
            return err;
        }
    }
    return ELO_OK;
}

/* A record as the power left it: counted, or buried. */
static elo_err judge(struct elo_queue *q, struct place *p)
{
    if (p->head[MARK] == 0) {
        return ELO_OK;
    }
    if (p->head[MARK] != ELO__BLANK) {
        return set_mark(q, p); /* was cut */
    }
    elo_err err = get(q, p, NULL);
    if (err == ELO_E_CORRUPT) {
        return bury(q, p);
    }
    if (err == ELO_OK) {
        q->internal.count++;
    }
    return err;
}

/* Goes through a sector from `p` to its end. A word that is no record becomes 0. */
static elo_err scan_sector(struct elo_queue *q, struct place *p)
{
    elo_err err = ELO_OK;
    while (err == ELO_OK && p->at + RECORD_HEAD <= ELO_FLASH_SECTOR) {
        err = device(q)->read(device(q)->ctx, address(q, p), p->head, RECORD_HEAD);
        if (err != ELO_OK || is_blank(p)) {
            break;
        }
        if (is_record(p, ELO_FLASH_SECTOR)) {
            err = judge(q, p);
            p->at += size_of(p);
        } else {
            err = elo__dev_zero(device(q), address(q, p), 4);
            p->at += 4;
        }
    }
    return err;
}

/* Appends go on where the head's records end, if there is nothing behind them. */
static elo_err find_end(struct elo_queue *q, const struct place *p)
{
    bool blank;
    elo_err err = elo__dev_is_all(device(q), address(q, p), ELO_FLASH_SECTOR - p->at, 0xFF, &blank);
    if (err == ELO_OK && blank) {
        q->internal.at = (uint16_t)p->at;
    }
    return err;
}

/* The sector that comes next may have been cut in the middle of its turn. If it is not what it was
 * before, then it is nothing, and stays so. `p` is where its walk would begin. */
static elo_err settle_next(const struct elo_queue *q, const struct place *p)
{
    bool zeros;
    uint32_t base = base_of(q, p->seq);
    if (p->at == SECTOR_HEAD) {
        return ELO_OK;
    }
    elo_err err = elo__dev_is_all(device(q), base, SECTOR_HEAD, 0, &zeros);
    return err == ELO_OK && !zeros ? elo__dev_zero(device(q), base, SECTOR_HEAD) : err;
}

elo_err
elo_queue_mount(struct elo_queue *q, const struct elo_flash_dev *dev, elo_queue_policy policy)
{
    uint32_t sectors = dev->size / ELO_FLASH_SECTOR;
    ELO_ASSERT(dev->size % ELO_FLASH_SECTOR == 0);
    if (sectors < 2 || sectors > UINT16_MAX) {
        return ELO_E_NO_SPACE;
    }
    /* As if the last sector were the head, and full. */
    memset(q, 0, sizeof *q);
    q->internal.dev = dev;
    q->internal.policy = (uint8_t)policy;
    q->internal.sectors = (uint16_t)sectors;
    q->internal.sector = (uint16_t)(sectors - 1);
    q->internal.seq = FIRST_SEQ - 1;
    q->internal.at = ELO_FLASH_SECTOR;
    q->internal.unsure = true;
    struct place p;
    elo_err err = find_head(q);
    if (err == ELO_OK) {
        err = disown_strangers(q);
    }
    for (uint32_t back = sectors; err == ELO_OK && back-- > 0;) {
        err = enter(q, q->internal.seq - back, &p);
        if (err == ELO_OK && back == sectors - 1 && q->internal.erases > 0) {
            err = settle_next(q, &p);
        }
        if (err == ELO_OK) {
            err = scan_sector(q, &p);
        }
    }
    if (err == ELO_OK) {
        err = find_end(q, &p);
    }
    /* `first` is before the oldest sector: the first look finds its way. */
    q->internal.first = q->internal.seq - sectors;
    q->internal.first_at = ELO_FLASH_SECTOR;
    return err;
}

/* --- appending ---------------------------------------------------------------------------------
 */

static elo_err write_header(struct elo_queue *q, uint32_t base, uint32_t seq, uint32_t erases)
{
    uint32_t head[S_N] = {MAGIC, seq, erases, q->internal.dropped, 0};
    head[S_CRC] = header_crc(q, head);
    return device(q)->program(device(q)->ctx, base, head, SECTOR_HEAD);
}

/* Gives up what the oldest sector holds. `p` is at its first record not delivered. */
static elo_err drop_sector(struct elo_queue *q, struct place *p)
{
    uint32_t victim = p->seq;
    uint32_t n = 0;
    elo_err err;
    for (; (err = find(q, p)) == ELO_OK; p->at += size_of(p)) {
        n += p->head[MARK] == ELO__BLANK;
    }
    if (err != ELO_END) {
        return err;
    }
    forget(q, n);
    q->internal.dropped += n;
    err = enter(q, victim + 1, p);
    q->internal.first = p->seq;
    q->internal.first_at = (uint16_t)p->at;
    return err;
}

/* Makes room where the next sector will be. */
static elo_err make_room(struct elo_queue *q)
{
    struct place p;
    elo_err err = advance(q, &p);
    if (err != ELO_OK) {
        return err == ELO_END ? ELO_OK : err;
    }
    if (q->internal.seq - p.seq + 1 < q->internal.sectors) {
        return ELO_OK;
    }
    if (q->internal.policy == ELO_QUEUE_REFUSE) {
        return ELO_NEED_ROOM;
    }
    if (q->internal.policy == ELO_QUEUE_DROP_NEWEST) {
        q->internal.dropped++;
        return ELO_E_OUTBOX_FULL;
    }
    return drop_sector(q, &p);
}

/* Begins the next sector. */
static elo_err turn(struct elo_queue *q)
{
    elo_err err = make_room(q);
    if (err != ELO_OK) {
        return err;
    }
    uint32_t sector = q->internal.sector + 1u < q->internal.sectors ? q->internal.sector + 1u : 0;
    uint32_t erases = q->internal.erases + (sector == 0);
    uint32_t base = sector * ELO_FLASH_SECTOR;
    err = elo__dev_zero(device(q), base, SECTOR_HEAD);
    if (err == ELO_OK) {
        err = device(q)->erase(device(q)->ctx, base);
    }
    if (err == ELO_OK) {
        err = write_header(q, base, q->internal.seq + 1, erases);
    }
    if (err != ELO_OK) {
        return err;
    }
    q->internal.seq++;
    q->internal.erases = erases;
    q->internal.sector = (uint16_t)sector;
    q->internal.at = SECTOR_HEAD;
    q->internal.unsure = false;
    return ELO_OK;
}

/* Programs a record at `p`, `gap` bytes behind the last one, and reads it again. */
static elo_err
write_record(const struct elo_queue *q, const struct place *p, uint32_t gap, elo_span data)
{
    struct place written = *p;
    uint32_t words[5] = {0, p->head[LENGTH], p->head[USER], p->head[CRC], p->head[MARK]};
    elo_err err =
        elo__dev_put(device(q), address(q, p) - gap, words + (gap == 0), 4 + (gap != 0), data);
    if (err == ELO_OK) {
        err = find(q, &written);
    }
    if (err == ELO_OK && memcmp(&written, p, sizeof written) != 0) {
        err = ELO_E_IO;
    }
    if (err == ELO_OK) {
        err = get(q, p, NULL);
    }
    return err == ELO_END || err == ELO_E_CORRUPT ? ELO_E_IO : err;
}

elo_err elo_queue_append(struct elo_queue *q, elo_span data, uint32_t user, uint32_t *out_id)
{
    if (data.len > ELO_QUEUE_RECORD_MAX) {
        return ELO_E_TOO_LARGE;
    }
    struct place p = {.head = {length_word((uint32_t)data.len), user, 0, ELO__BLANK}};
    uint32_t gap = q->internal.unsure ? 4 : 0;
    elo_err err = ELO_OK;
    if (gap + size_of(&p) > ELO_FLASH_SECTOR - q->internal.at) {
        gap = 0;
        err = turn(q);
    } else if (gap != 0 && q->internal.at == SECTOR_HEAD) {
        err = write_header(q, base_of(q, q->internal.seq), q->internal.seq, q->internal.erases);
    }
    if (err != ELO_OK) {
        return err;
    }
    p.seq = q->internal.seq;
    p.at = q->internal.at + gap;
    p.head[CRC] = elo__not_zero(elo__crc_data(crc_seed(&p), data));
    q->internal.at = (uint16_t)(p.at + size_of(&p));
    q->internal.unsure = false;
    err = write_record(q, &p, gap, data);
    if (err != ELO_OK) {
        q->internal.damaged += set_mark(q, &p) == ELO_OK; /* as far as it can be done */
        q->internal.at = ELO_FLASH_SECTOR;
        return err;
    }
    q->internal.count++;
    if (out_id != NULL) {
        *out_id = id_of(&p);
    }
    return ELO_OK;
}

/* --- reading and marking -----------------------------------------------------------------------
 */

/* Where the id points to. ELO_E_NOT_FOUND: to what was delivered or dropped, or never was. */
static elo_err locate(const struct elo_queue *q, uint32_t id, struct place *p)
{
    uint32_t back = (q->internal.seq - (id >> PLACE_BITS)) & SEQ_MASK;
    p->seq = q->internal.seq - back;
    p->at = (id << 2) & (ELO_FLASH_SECTOR - 1);
    if (back >= q->internal.sectors || (int32_t)(p->seq - q->internal.first) < 0 ||
        p->at < SECTOR_HEAD) {
        return ELO_E_NOT_FOUND;
    }
    return ELO_OK;
}

/* Reads the header of the record that `p` points to. */
static elo_err load(const struct elo_queue *q, struct place *p)
{
    uint32_t at = p->at;
    elo_err err = find(q, p);
    return err == ELO_END || (err == ELO_OK && p->at != at) ? ELO_E_NOT_FOUND : err;
}

/* Puts `p` behind the record `after`, or to the oldest. */
static elo_err start_peek(struct elo_queue *q, uint32_t after, struct place *p)
{
    if (after == 0 || locate(q, after, p) != ELO_OK) {
        elo_err err = advance(q, p);
        if (err == ELO_END) {
            q->internal.count = 0;
        }
        return err;
    }
    elo_err err = load(q, p);
    if (err == ELO_OK) {
        p->at += size_of(p);
    }
    return err;
}

elo_err elo_queue_peek(
    struct elo_queue *q, uint32_t after, uint8_t *buf, size_t cap, struct elo_queue_record *out)
{
    struct place p;
    elo_err err = start_peek(q, after, &p);
    while (err == ELO_OK && (err = find_undelivered(q, &p)) == ELO_OK) {
        bool fits = length_of(&p) <= cap;
        out->id = id_of(&p);
        out->user = p.head[USER];
        out->len = length_of(&p);
        err = get(q, &p, fits ? buf : NULL);
        if (err != ELO_E_CORRUPT) {
            return err == ELO_OK && !fits ? ELO_E_NO_SPACE : err;
        }
        forget(q, 1);
        err = bury(q, &p);
        p.at += size_of(&p);
    }
    return err;
}

elo_err elo_queue_mark(struct elo_queue *q, uint32_t id)
{
    struct place p;
    struct place sector;
    elo_err err = locate(q, id, &p);
    if (err == ELO_OK) {
        err = enter(q, p.seq, &sector);
    }
    if (err == ELO_OK && sector.at != SECTOR_HEAD) {
        err = ELO_E_NOT_FOUND;
    }
    if (err == ELO_OK) {
        err = load(q, &p);
    }
    if (err == ELO_OK && p.head[MARK] != ELO__BLANK) {
        err = ELO_E_NOT_FOUND;
    }
    if (err == ELO_OK) {
        err = get(q, &p, NULL);
    }
    if (err == ELO_OK) {
        err = set_mark(q, &p);
        forget(q, err == ELO_OK);
    }
    return err == ELO_E_CORRUPT ? ELO_E_NOT_FOUND : err;
}

elo_err elo_queue_clear(struct elo_queue *q)
{
    struct place p;
    elo_err err;
    while ((err = advance(q, &p)) == ELO_OK) {
        err = set_mark(q, &p);
        if (err != ELO_OK) {
            return err;
        }
        q->internal.first_at = (uint16_t)(p.at + size_of(&p)); /* even if it did not take */
    }
    if (err == ELO_END) {
        q->internal.count = 0;
    }
    return err == ELO_END ? ELO_OK : err;
}

uint32_t elo_queue_count(const struct elo_queue *q)
{
    return q->internal.count;
}

elo_err elo_queue_get_stats(struct elo_queue *q, struct elo_queue_stats *out)
{
    struct place p;
    elo_err err = advance(q, &p);
    if (err != ELO_OK && err != ELO_END) {
        return err;
    }
    uint32_t in_head = ELO_FLASH_SECTOR - q->internal.at;
    uint32_t used = q->internal.seq - p.seq + 1; /* sectors that are not to be erased yet */
    if (err == ELO_END && in_head == 0) {
        used = 0;
    }
    bool last = q->internal.sector + 1u == q->internal.sectors;
    out->undelivered = q->internal.count;
    out->dropped = q->internal.dropped;
    out->damaged = q->internal.damaged;
    out->erases_max = q->internal.erases;
    out->erases_min = q->internal.erases - (!last && q->internal.erases > 0);
    out->free_bytes = in_head + (q->internal.sectors - used) * (ELO_FLASH_SECTOR - SECTOR_HEAD);
    return ELO_OK;
}
