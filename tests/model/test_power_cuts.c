// links: elo_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The queue in flash against a model of it, with the power cut at every step that the flash takes:
 * at each word of each program and in each erase, in every way that sim_flash.h knows; again while
 * it recovers from that; and, in long runs, again and again.
 *
 *      test_power_cuts              what this build is given time for
 *      SEED=n test_power_cuts       one seed
 *
 * What the model knows of a record: it must be there, or, where the power took the answer, may.
 */
#include "elo/store/queue.h"

#include "tests/support/sim_flash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SHARE 4u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHARE 4u
#endif
#endif
#ifndef SHARE
#define SHARE 1u
#endif

#define ENTRIES     4096u
#define SECTOR_HEAD 20u
#define RECORD_HEAD 16u

struct entry {
    uint32_t n;
    uint32_t len;
    uint32_t id; /* 0: the power took it */
    bool unsure; /* may be gone after a cut */
};

struct run {
    uint32_t seed;
    uint64_t random;
    uint32_t sectors;
    elo_queue_policy policy;
    bool flicker;
    uint64_t cut;    /* the step of the first cut */
    uint64_t second; /* the step of the second one, counted from the first; 0: none */
    enum sim_cut how;
    const char *failure;

    struct sim_flash flash;
    struct elo_queue queue;
    struct entry entries[ENTRIES];
    uint32_t count;
    uint32_t next;
    uint32_t dropped;
    uint32_t drops_unsure; /* that a cut may have kept from being counted */
    uint32_t cuts;
    uint32_t turns_cut; /* whose sector is erased once more */
};

static struct run run;
static uint8_t bytes[ELO_QUEUE_RECORD_MAX];
static uint8_t got[ELO_QUEUE_RECORD_MAX];
static uint64_t runs_done;
static uint64_t cuts_done;

static uint32_t any(struct run *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return (uint32_t)(r->random >> 20);
}

static void fails(struct run *r, const char *why)
{
    if (r->failure == NULL) {
        r->failure = why;
        print_error("SEED=%u sectors %u policy %d flicker %d cut %llu second %llu how %d: %s\n",
                    r->seed, r->sectors, r->policy, r->flicker, (unsigned long long)r->cut,
                    (unsigned long long)r->second, r->how, why);
    }
}

static elo_span content(uint32_t n, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        /* runs of 0xFF, which cost no bits, and of 0, which cost all */
        bytes[i] = n % 5 == 0 ? 0xFF : n % 5 == 1 ? 0 : (uint8_t)(n * 7 + i * (n % 3));
    }
    return elo_span_of(bytes, len);
}

/* --- the model ---------------------------------------------------------------------------------
 */

static void take_out(struct run *r, uint32_t i)
{
    memmove(r->entries + i, r->entries + i + 1, (--r->count - i) * sizeof *r->entries);
}

static void put_in(struct run *r, uint32_t n, uint32_t len, uint32_t id, bool unsure)
{
    r->entries[r->count++] = (struct entry){n, len, id, unsure};
}

/* Those in the sector whose turn is next: takes them out, or makes them unsure. How many? */
static uint32_t victims(struct run *r, uint32_t seq, bool gone)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->count;) {
        if (r->entries[i].id != 0 && r->entries[i].id >> 10 == (seq & 0x3FFFFF)) {
            n++;
            if (gone) {
                take_out(r, i);
                continue;
            }
            r->entries[i].unsure = true;
        }
        i++;
    }
    return n;
}

static bool same(struct run *r, struct entry *e, const struct elo_queue_record *seen)
{
    if (seen->len != e->len || memcmp(got, content(e->n, e->len).ptr, e->len) != 0) {
        fails(r, "a record is not what was appended");
        return false;
    }
    if (e->id != 0 && e->id != seen->id) {
        fails(r, "a record's id has changed");
    }
    e->id = seen->id;
    return true;
}

/* Goes through all that is not delivered. After a restart what is unsure may be gone. */
static void compare(struct run *r, bool restarted)
{
    struct elo_queue_record seen;
    uint32_t last = 0;
    uint32_t i = 0;
    elo_err err;
    while (r->failure == NULL &&
           (err = elo_queue_peek(&r->queue, last, got, sizeof got, &seen)) == ELO_OK) {
        while (i < r->count && r->entries[i].n != seen.user) {
            if (!restarted || !r->entries[i].unsure) {
                fails(r, "a record is lost, or out of order, or came back");
                return;
            }
            take_out(r, i);
        }
        if (i == r->count) {
            fails(r, "a record came back, or was never there");
            return;
        }
        if (same(r, &r->entries[i], &seen)) {
            /* what may be weak may still go later */
            r->entries[i].unsure = r->entries[i].unsure && r->flicker;
        }
        last = seen.id;
        i++;
    }
    while (i < r->count && r->failure == NULL) {
        if (!restarted || !r->entries[i].unsure) {
            fails(r, "the last record is lost");
            return;
        }
        take_out(r, i);
    }
    if (elo_queue_count(&r->queue) != r->count) {
        fails(r, "the count is not right");
    }
}

static void check_stats(struct run *r, bool restarted)
{
    struct elo_queue_stats s;
    if (elo_queue_get_stats(&r->queue, &s) != ELO_OK) {
        fails(r, "no stats");
        return;
    }
    if (s.undelivered != r->count) {
        fails(r, "stats do not count right");
    }
    if (restarted && s.dropped <= r->dropped + r->drops_unsure &&
        (s.dropped >= r->dropped || r->policy == ELO_QUEUE_DROP_NEWEST || r->flicker)) {
        r->dropped = s.dropped;
        r->drops_unsure = r->flicker ? r->drops_unsure : 0;
    }
    if (s.dropped != r->dropped) {
        fails(r, "drops are not counted right");
    }
    if (s.erases_max - s.erases_min > 1) {
        fails(r, "the queue says that it wears unevenly");
    }
    if (sim_flash_wear(&r->flash) > 1 + r->turns_cut) {
        fails(r, "the flash wears unevenly");
    }
}

/* --- what happens ------------------------------------------------------------------------------
 */

static void restart(struct run *r)
{
    elo_err err = elo_queue_mount(&r->queue, &r->flash.dev, r->policy);
    if (r->flash.off) {
        return;
    }
    if (err != ELO_OK) {
        fails(r, "does not mount");
        return;
    }
    compare(r, true);
    if (!r->flash.off) {
        check_stats(r, true);
    }
}

/* The power comes back, perhaps to be cut once more while the queue is being mounted. */
static void recover(struct run *r)
{
    while (r->flash.off && r->failure == NULL) {
        r->cuts++;
        sim_flash_power_on(&r->flash);
        if (r->second != 0 && r->cuts == 1) {
            sim_flash_cut(&r->flash, r->second, r->how);
        }
        memset(&r->queue, 0x5A, sizeof r->queue);
        restart(r);
    }
}

static uint32_t any_length(struct run *r)
{
    switch (any(r) % 4) {
    case 0:
        return any(r) % 8;
    case 1:
        return 150;
    case 2:
        return any(r) % 200;
    default:
        return any(r) % (ELO_QUEUE_RECORD_MAX + 1);
    }
}

static void append(struct run *r)
{
    uint32_t n = r->next++;
    uint32_t len = any_length(r);
    uint32_t id = 0;
    uint32_t head = r->queue.internal.seq;
    uint32_t need = RECORD_HEAD + ((len + 3) & ~3u) + (r->queue.internal.unsure ? 4 : 0);
    bool turns = need > ELO_FLASH_SECTOR - r->queue.internal.at;
    uint32_t victim = head + 1 - r->sectors;
    elo_err err = elo_queue_append(&r->queue, content(n, len), n, &id);
    if (r->flash.off) {
        r->turns_cut += turns;
        if (turns && r->policy == ELO_QUEUE_DROP_OLDEST) {
            r->drops_unsure += victims(r, victim, false);
        }
        put_in(r, n, len, 0, true);
        return;
    }
    if (err == ELO_OK) {
        if ((r->queue.internal.seq != head) != turns) {
            fails(r, "a sector begins without need");
        }
        uint32_t gone = turns ? victims(r, victim, true) : 0;
        if (gone > 0 && r->policy != ELO_QUEUE_DROP_OLDEST) {
            fails(r, "dropped against the policy");
        }
        r->dropped += gone;
        put_in(r, n, len, id, false);
        return;
    }
    bool full = turns && victims(r, victim, false) > 0;
    if (!full || err != (r->policy == ELO_QUEUE_REFUSE ? ELO_NEED_ROOM : ELO_E_OUTBOX_FULL)) {
        fails(r, "an append is refused");
    }
    for (uint32_t i = 0; i < r->count && !r->flicker; i++) {
        r->entries[i].unsure = false;
    }
    r->dropped += r->policy == ELO_QUEUE_DROP_NEWEST;
}

static void mark(struct run *r)
{
    if (r->count == 0) {
        return;
    }
    uint32_t window = r->count < 4 ? r->count : 4; /* as an MQTT client's messages in flight */
    uint32_t i = any(r) % 8 == 0 ? any(r) % r->count : any(r) % window;
    elo_err err = elo_queue_mark(&r->queue, r->entries[i].id);
    if (r->flash.off) {
        r->entries[i].unsure = true;
        return;
    }
    if (err != ELO_OK) {
        fails(r, "cannot be marked");
    }
    if (elo_queue_mark(&r->queue, r->entries[i].id) != ELO_E_NOT_FOUND) {
        fails(r, "is marked twice");
    }
    take_out(r, i);
}

static void clear(struct run *r)
{
    elo_err err = elo_queue_clear(&r->queue);
    if (r->flash.off) {
        for (uint32_t i = 0; i < r->count; i++) {
            r->entries[i].unsure = true;
        }
    } else if (err != ELO_OK) {
        fails(r, "cannot be cleared");
    } else {
        r->count = 0;
    }
}

static void act(struct run *r)
{
    uint32_t what = any(r) % 64;
    if (r->count > ENTRIES - 2 || what == 0) {
        clear(r);
    } else if (what < (r->flicker ? 20 : 4)) {
        sim_flash_restart(&r->flash);
        restart(r);
    } else if (what < 22) {
        compare(r, false);
    } else if (what < 46) {
        append(r);
    } else {
        mark(r);
    }
    recover(r);
    if (r->failure == NULL) {
        check_stats(r, false);
    }
}

static void begin(struct run *r, uint32_t seed)
{
    r->seed = seed;
    r->random = seed * 0x9E3779B97F4A7C15u | 1;
    r->sectors = 2 + any(r) % 3;
    r->policy = (elo_queue_policy)(any(r) % 3);
    r->failure = NULL;
    r->count = 0;
    r->next = 1;
    r->dropped = 0;
    r->drops_unsure = 0;
    r->cuts = 0;
    r->turns_cut = 0;
    sim_flash_init(&r->flash, r->sectors, seed);
    r->flash.flicker = r->flicker;
    if (elo_queue_mount(&r->queue, &r->flash.dev, r->policy) != ELO_OK) {
        fails(r, "does not mount");
    }
}

static bool finish(struct run *r)
{
    if (r->failure == NULL) {
        sim_flash_cut(&r->flash, 0, SIM_CUT_BEFORE);
        restart(r);
    }
    sim_flash_free(&r->flash);
    runs_done++;
    cuts_done += r->cuts;
    return r->failure == NULL;
}

static uint32_t number(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : (uint32_t)strtoul(text, NULL, 10);
}

/* --- every step of short scripts ---------------------------------------------------------------
 */

/* Fills the ring, mostly so that the next sector is to come soon, then does a few things, of which
 * one is cut. Was one? */
static bool short_script(struct run *r, uint32_t seed)
{
    begin(r, seed);
    uint32_t turns = any(r) % 3 == 0 ? any(r) % r->sectors : r->sectors;
    uint32_t left = any(r) % 1500;
    while (r->failure == NULL && r->next < 200 &&
           (r->queue.internal.seq < turns || ELO_FLASH_SECTOR - r->queue.internal.at > left)) {
        any(r) % 6 != 0 ? append(r) : mark(r);
    }
    sim_flash_cut(&r->flash, r->cut, r->how);
    for (uint32_t i = 0; i < 6 && r->failure == NULL; i++) {
        act(r);
    }
    return finish(r) && r->cuts > 0;
}

static void each_way(struct run *r, uint32_t seed)
{
    for (uint32_t how = 0; how <= SIM_CUTS && r->failure == NULL; how++) {
        r->how = how < SIM_CUTS ? (enum sim_cut)how : SIM_CUT_SOME;
        r->flicker = how == SIM_CUTS;
        r->cut = 1;
        while (short_script(r, seed)) {
            r->cut++;
        }
    }
}

static void cut_at_every_step(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 40 / SHARE;
    run.second = 0;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        each_way(&run, seed);
    }
    print_message("%llu runs, %llu cuts\n", (unsigned long long)runs_done,
                  (unsigned long long)cuts_done);
    assert_null(run.failure);
}

static void cut_again_while_recovering(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 2;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        for (run.second = 1; run.second < 16 && run.failure == NULL; run.second++) {
            each_way(&run, 1000 + seed);
        }
    }
    print_message("%llu runs, %llu cuts\n", (unsigned long long)runs_done,
                  (unsigned long long)cuts_done);
    assert_null(run.failure);
}

/* --- long runs ---------------------------------------------------------------------------------
 */

static void long_run(struct run *r, uint32_t seed)
{
    r->flicker = seed % 2 == 0;
    r->cut = 0;
    r->second = 0;
    begin(r, seed);
    for (uint32_t i = 0; i < 400 && r->failure == NULL; i++) {
        if (r->flash.cut_at == 0) {
            r->how = (enum sim_cut)(any(r) % SIM_CUTS);
            uint64_t soon = any(r) % 3 == 0 ? 16 : 2000;
            sim_flash_cut(&r->flash, 1 + any(r) % soon, r->how);
        }
        act(r);
    }
    (void)finish(r);
}

static void cut_again_and_again(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 600 / SHARE;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        long_run(&run, seed);
    }
    print_message("%llu runs, %llu cuts\n", (unsigned long long)runs_done,
                  (unsigned long long)cuts_done);
    assert_null(run.failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_step),
        cmocka_unit_test(cut_again_while_recovering),
        cmocka_unit_test(cut_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
