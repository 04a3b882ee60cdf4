// links: elo_store
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Values in flash by key against a model of them, with the power cut at every step that the flash
 * takes, in every way that sim_flash.h knows; again while it recovers; and, in long runs, again and
 * again. A key has its old value or its new one, and what it had before is nowhere in the flash.
 *
 *      test_slot_cuts              what this build is given time for
 *      SEED=n test_slot_cuts       one seed
 */
#include "elo/store/slots.h"

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

#define KEYS       5u
#define RETIRED    8u
#define BANK_HEAD  12u
#define VALUE_HEAD 12u
#define LEN_MAX    1500u

struct value {
    uint32_t n; /* 0: none */
    uint32_t len;
};

struct key {
    struct value now;
    struct value other; /* what it may have instead, since the power was cut */
    bool unsure;
};

struct run {
    uint32_t seed;
    uint64_t random;
    uint32_t sectors;
    bool flicker;
    uint64_t cut;
    uint64_t second;
    enum sim_cut how;
    const char *failure;

    struct sim_flash flash;
    struct elo_slots slots;
    struct key keys[KEYS];
    struct value retired[RETIRED];
    uint32_t next;
    uint32_t cuts;
    bool written; /* something was acknowledged */
};

static struct run run;
static uint8_t bytes[LEN_MAX];
static uint8_t got[LEN_MAX];
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
        print_error("SEED=%u sectors %u flicker %d cut %llu second %llu how %d: %s\n", r->seed,
                    r->sectors, r->flicker, (unsigned long long)r->cut,
                    (unsigned long long)r->second, r->how, why);
    }
}

/* Runs of 0xFF, which cost no bits, and of 0, which cost all, are no secrets. */
static bool is_secret(const struct value *v)
{
    return v->n != 0 && v->len >= 16 && v->n % 5 > 1;
}

static elo_span content(const struct value *v)
{
    for (uint32_t i = 0; i < v->len; i++) {
        uint32_t byte = (v->n * 2654435761u + i * 40503u) * (i + v->n) >> 13;
        bytes[i] = v->n % 5 == 0 ? 0xFF : v->n % 5 == 1 ? 0 : (uint8_t)byte;
    }
    return elo_span_of(bytes, v->len);
}

static void retire(struct run *r, const struct value *v)
{
    if (is_secret(v)) {
        r->retired[v->n % RETIRED] = *v;
    }
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static bool has(struct run *r, uint16_t key, const struct value *v)
{
    size_t len = 0;
    elo_err err = elo_slots_read(&r->slots, key, got, sizeof got, &len);
    if (v->n == 0) {
        return err == ELO_E_NOT_FOUND;
    }
    return err == ELO_OK && len == v->len && memcmp(got, content(v).ptr, len) == 0;
}

static void check_key(struct run *r, uint16_t i)
{
    struct key *k = &r->keys[i];
    bool now = has(r, i + 1, &k->now);
    if (!now && (!k->unsure || !has(r, i + 1, &k->other))) {
        fails(r, "a key has neither its old value nor its new one");
        return;
    }
    if (!now) {
        struct value was = k->now;
        k->now = k->other;
        k->other = was;
    }
    if (k->unsure) {
        retire(r, &k->other);
    }
    /* A first value that may be weak may still go; so may one whose erasing was cut. */
    k->unsure = k->unsure && r->flicker && (k->other.n == 0 || k->now.n == 0);
}

static void check(struct run *r)
{
    for (uint16_t i = 0; i < KEYS && r->failure == NULL; i++) {
        check_key(r, i);
    }
    for (uint32_t i = 0; i < RETIRED && r->written; i++) {
        const struct value *v = &r->retired[i];
        bool back = false;
        for (uint32_t k = 0; k < KEYS; k++) {
            back = back || (r->keys[k].now.n == v->n) ||
                   (r->keys[k].unsure && r->keys[k].other.n == v->n);
        }
        if (v->n != 0 && !back && sim_flash_holds(&r->flash, content(v).ptr, 16)) {
            fails(r, "a secret that was replaced is still there");
        }
    }
}

static void start(struct run *r)
{
    memset(&r->slots, 0x5A, sizeof r->slots);
    elo_err err = elo_slots_init(&r->slots, &r->flash.dev);
    if (r->flash.off) {
        return;
    }
    if (err != ELO_OK) {
        fails(r, "does not start");
        return;
    }
    check(r);
}

static void recover(struct run *r)
{
    while (r->flash.off && r->failure == NULL) {
        r->cuts++;
        sim_flash_power_on(&r->flash);
        if (r->second != 0 && r->cuts == 1) {
            sim_flash_cut(&r->flash, r->second, r->how);
        }
        start(r);
    }
}

/* --- what happens ------------------------------------------------------------------------------
 */

/* An operation that gives the key `v` has been tried. */
static void settle(struct run *r, struct key *k, const struct value *v)
{
    if (r->flash.off) {
        k->other = k->now;
        k->now = *v;
        k->unsure = true;
        return;
    }
    retire(r, &k->now);
    if (k->unsure) {
        retire(r, &k->other);
    }
    k->now = *v;
    k->unsure = false;
}

static uint32_t size_of(const struct value *v)
{
    return v->n == 0 ? 0 : VALUE_HEAD + ((v->len + 3) & ~3u);
}

static bool fits(const struct run *r, const struct key *replaced, const struct value *v)
{
    uint32_t size = BANK_HEAD + size_of(v);
    for (uint32_t i = 0; i < KEYS; i++) {
        size += &r->keys[i] != replaced ? size_of(&r->keys[i].now) : 0;
    }
    return size <= r->sectors / 2 * ELO_FLASH_SECTOR;
}

static uint32_t any_length(struct run *r)
{
    if (any(r) % 4 != 0) {
        return any(r) % 24;
    }
    return any(r) % (any(r) % 4 == 0 ? LEN_MAX + 1 : 400);
}

static void write(struct run *r, uint32_t len)
{
    uint32_t i = any(r) % KEYS;
    struct value v = {r->next++, len};
    if (r->keys[i].unsure && r->keys[i].now.n != 0) {
        return; /* what may be weak has two possible old values: not told apart here */
    }
    elo_err err = elo_slots_write(&r->slots, (uint16_t)(i + 1), content(&v));
    if (err == ELO_E_NO_SPACE) {
        if (fits(r, &r->keys[i], &v)) {
            fails(r, "no space, where there is");
        }
        return;
    }
    if (err != ELO_OK && !r->flash.off) {
        fails(r, "cannot be written");
    }
    settle(r, &r->keys[i], &v);
    r->written = r->written || err == ELO_OK;
}

static void erase(struct run *r)
{
    uint32_t i = any(r) % KEYS;
    struct value none = {0, 0};
    if (r->keys[i].unsure) {
        return;
    }
    if (elo_slots_erase(&r->slots, (uint16_t)(i + 1)) != ELO_OK && !r->flash.off) {
        fails(r, "cannot be erased");
    }
    settle(r, &r->keys[i], &none);
}

static void act(struct run *r)
{
    uint32_t what = any(r) % 64;
    if (what < (r->flicker ? 16 : 4)) {
        sim_flash_restart(&r->flash);
        start(r);
    } else if (what < 22) {
        erase(r);
    } else {
        write(r, any_length(r));
    }
    recover(r);
    if (r->failure == NULL) {
        check(r);
    }
}

static void begin(struct run *r, uint32_t seed)
{
    r->seed = seed;
    r->random = seed * 0x9E3779B97F4A7C15u | 1;
    r->sectors = 2 + 2 * (any(r) % 4 == 0);
    r->failure = NULL;
    r->next = 1;
    r->cuts = 0;
    r->written = false;
    memset(r->keys, 0, sizeof r->keys);
    memset(r->retired, 0, sizeof r->retired);
    sim_flash_init(&r->flash, r->sectors, seed);
    r->flash.flicker = r->flicker;
    start(r);
}

static bool finish(struct run *r)
{
    if (r->failure == NULL) {
        sim_flash_cut(&r->flash, 0, SIM_CUT_BEFORE);
        start(r);
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

/* Fills the bank, mostly so that it has to move soon, then does a few things, of which one is cut.
 * Was one? */
static bool short_script(struct run *r, uint32_t seed)
{
    begin(r, seed);
    uint32_t left = any(r) % 200;
    bool empty = any(r) % 4 == 0;
    while (!empty && r->failure == NULL && r->next < 400 &&
           (r->slots.internal.full || r->slots.internal.size - r->slots.internal.at > left)) {
        write(r, 100 + any(r) % 200);
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
        r->cut = r->second == 0 ? 1 : 1 + how;
        while (short_script(r, seed)) {
            r->cut += r->second == 0 ? 1 : 7; /* with a second one: a sample */
        }
    }
}

static void report(struct run *r)
{
    print_message("%llu runs, %llu cuts\n", (unsigned long long)runs_done,
                  (unsigned long long)cuts_done);
    assert_null(r->failure);
}

static void cut_at_every_step(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 3 / SHARE + 1;
    run.second = 0;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        each_way(&run, seed);
    }
    report(&run);
}

static void cut_again_while_recovering(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 1;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        for (run.second = 1; run.second <= 16 && run.failure == NULL; run.second *= 2) {
            each_way(&run, 1000 + seed);
        }
    }
    report(&run);
}

static void cut_again_and_again(void **state)
{
    (void)state;
    uint32_t first = number("SEED", 1);
    uint32_t last = getenv("SEED") != NULL ? first : 200 / SHARE;
    for (uint32_t seed = first; seed <= last && run.failure == NULL; seed++) {
        run.flicker = seed % 2 == 0;
        run.cut = 0;
        run.second = 0;
        begin(&run, seed);
        for (uint32_t i = 0; i < 300 && run.failure == NULL; i++) {
            if (run.flash.cut_at == 0) {
                run.how = (enum sim_cut)(any(&run) % SIM_CUTS);
                uint64_t soon = any(&run) % 3 == 0 ? 16 : 500;
                sim_flash_cut(&run.flash, 1 + any(&run) % soon, run.how);
            }
            act(&run);
        }
        (void)finish(&run);
    }
    report(&run);
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
