// links: elo_time
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The clock engine and time servers of every kind, on a virtual clock: honest, silent, wrong, not
 * synchronised, unwilling, forged. The true time runs in milliseconds; the board's counter is its
 * low 32 bits from some start, so a wrap is a matter of waiting.
 */
#include "elo/time/clock.h"
#include "tests/support/sntp_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define BUILT   1790000000u /* 2026-09-21 */
#define NOW     1800000000u /* 2027-01-15 */
#define HOUR_MS 3600000u
#define DAY_MS  86400000u
#define WRAP_MS 4294967296LL

enum mood { HONEST, SILENT, NO_NAME, WRONG, UNSYNCED, KISS };

struct server {
    enum mood mood;
    int64_t wrong_s; /* WRONG: so far from the truth */
    const char *kiss;
    unsigned asked;
    int64_t last_ms;
    int64_t least_gap_ms;
};

struct rig {
    struct elo_clock clock;
    struct elo_clock_config config;
    struct server servers[ELO_CLOCK_MAX_SERVERS];
    int64_t true_ms;  /* since 1970 */
    uint32_t counter; /* the board's */
    uint32_t delay_ms;
    uint32_t seed;
    unsigned sets, refusals, failures, saves;
    struct elo_clock_event set, refused, failed, save;
    elo_err wrong_answers; /* the last result of elo_clock_answer() other than ELO_OK */
    bool forge;            /* before each answer come forged ones */
};

static uint32_t random_of_rig(void *ctx)
{
    struct rig *r = ctx;
    r->seed = r->seed * 1664525u + 1013904223u;
    return r->seed ^ r->seed >> 15;
}

static void setup(struct rig *r, uint8_t servers)
{
    memset(r, 0, sizeof *r);
    elo_clock_defaults(&r->config);
    r->config.servers = servers;
    r->config.build_floor = BUILT;
    r->config.random = random_of_rig;
    r->config.random_ctx = r;
    r->true_ms = (int64_t)NOW * 1000;
    r->counter = 4000;
    r->delay_ms = 30;
    r->seed = 7;
    for (size_t i = 0; i < ELO_CLOCK_MAX_SERVERS; i++) {
        r->servers[i].last_ms = -1;
        r->servers[i].least_gap_ms = INT64_MAX;
    }
}

static void boot(struct rig *r)
{
    assert_int_equal(elo_clock_init(&r->clock, &r->config, r->counter), ELO_OK);
}

static void pass(struct rig *r, int64_t ms)
{
    r->true_ms += ms;
    r->counter += (uint32_t)ms;
}

static void take_events(struct rig *r)
{
    struct elo_clock_event event;
    while (elo_clock_next_event(&r->clock, &event)) {
        switch (event.type) {
        case ELO_CLOCK_SET:
            r->sets++;
            r->set = event;
            break;
        case ELO_CLOCK_REFUSED:
            r->refusals++;
            r->refused = event;
            break;
        case ELO_CLOCK_FAILED:
            r->failures++;
            r->failed = event;
            break;
        case ELO_CLOCK_SAVE:
            r->saves++;
            r->save = event;
            break;
        }
    }
}

static void make_answer(const struct rig *r, const struct server *s, const uint8_t *q, uint8_t *a)
{
    sntp_answer(q, r->true_ms + (s->mood == WRONG ? s->wrong_s * 1000 : 0), a);
    if (s->mood == UNSYNCED) {
        a[0] = 0xE4;
    } else if (s->mood == KISS) {
        a[1] = 0;
        memcpy(a + 12, s->kiss, 4);
    }
}

static void answer(struct rig *r, const uint8_t *a, size_t len)
{
    elo_err err = elo_clock_answer(&r->clock, elo_span_of(a, len), r->counter);
    if (err != ELO_OK) {
        r->wrong_answers = err;
    }
    take_events(r);
}

/* What somebody sends who did not see the question: 2001, with all nonces but the right one. */
static void forge(struct rig *r, const uint8_t *good)
{
    uint8_t a[ELO_SNTP_BYTES];
    memcpy(a, good, sizeof a);
    sntp_put_time(a + 40, 1000000000000);
    memset(a + 24, 0, 8);
    answer(r, a, sizeof a);
    memcpy(a + 24, good + 24, 8);
    a[31] ^= 1;
    answer(r, a, sizeof a);
    a[1] = 0;
    memcpy(a + 12, "DENY", 4);
    answer(r, a, sizeof a);
    answer(r, a, 20);
}

static void serve(struct rig *r, uint8_t number)
{
    struct server *s = &r->servers[number];
    uint8_t q[ELO_SNTP_BYTES];
    uint8_t a[ELO_SNTP_BYTES];
    if (s->mood == NO_NAME) {
        elo_clock_failed(&r->clock, ELO_E_DNS, r->counter);
        take_events(r);
        return;
    }
    elo_clock_question(&r->clock, q, r->counter);
    s->asked++;
    if (s->last_ms >= 0 && r->true_ms - s->last_ms < s->least_gap_ms) {
        s->least_gap_ms = r->true_ms - s->last_ms;
    }
    s->last_ms = r->true_ms;
    if (s->mood == SILENT) {
        return;
    }
    pass(r, r->delay_ms / 2);
    make_answer(r, s, q, a);
    pass(r, r->delay_ms - r->delay_ms / 2);
    if (r->forge) {
        forge(r, a);
    }
    answer(r, a, sizeof a);
}

/* Drives the engine by its deadlines for so long. Bounded: each deadline is one step. */
static unsigned run(struct rig *r, int64_t ms)
{
    int64_t end = r->true_ms + ms;
    unsigned steps = 0;
    for (;;) {
        uint8_t server;
        elo_clock_wish wish = elo_clock_wants(&r->clock, &server);
        if (wish == ELO_CLOCK_WANTS_QUESTION) {
            assert_true(server < r->config.servers);
            serve(r, server);
        } else {
            int64_t left = (int32_t)(elo_clock_next_deadline(&r->clock) - r->counter);
            assert_true(left <= 1 << 30);
            left = left < 0 ? 0 : left;
            if (r->true_ms + left > end) {
                pass(r, end > r->true_ms ? end - r->true_ms : 0); /* serving takes time, too */
                return steps;
            }
            pass(r, left);
            elo_clock_tick(&r->clock, r->counter);
            take_events(r);
        }
        assert_true(++steps < 1000000);
    }
}

static int64_t clock_ms(const struct rig *r)
{
    uint32_t s;
    uint16_t ms;
    assert_true(elo_clock_now(&r->clock, r->counter, &s, &ms));
    return (int64_t)s * 1000 + ms;
}

static void assert_right(const struct rig *r)
{
    int64_t off = clock_ms(r) - r->true_ms;
    if (off < -2 || off > 2) {
        fail_msg("the clock is %lld ms off; server %u, round trip %u, step %d", (long long)off,
                 r->set.u.set.server, (unsigned)r->set.u.set.round_trip_ms,
                 (int)r->set.u.set.step_s);
    }
}

static elo_clock_state state_of(const struct rig *r)
{
    return elo_clock_get_state(&r->clock, r->counter);
}

/* --- from boot to the time -------------------------------------------------------------------- */

static void the_first_server_is_enough(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 3);
    boot(&r);
    uint32_t s;
    assert_int_equal(state_of(&r), ELO_CLOCK_FLOOR_ONLY);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_E_CLOCK);
    assert_false(elo_clock_now(&r.clock, r.counter, &s, NULL));
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1100);
    assert_int_equal(state_of(&r), ELO_CLOCK_SYNCED);
    assert_right(&r);
    assert_int_equal(r.servers[0].asked, 1);
    assert_int_equal(r.servers[1].asked, 0);
    assert_int_equal(r.sets, 1);
    assert_true(r.set.u.set.first && !r.set.u.set.overruled);
    assert_int_equal(r.set.u.set.round_trip_ms, 30);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_OK);
    assert_int_equal(s, NOW + 1);
    assert_int_equal(r.saves, 1);
    assert_int_equal(r.save.u.save.floor, NOW);
}

static void nothing_is_done_before_start_and_after_stop(void **state)
{
    (void)state;
    struct rig r;
    uint8_t server;
    setup(&r, 2);
    boot(&r);
    run(&r, 100 * (int64_t)DAY_MS);
    assert_int_equal(r.servers[0].asked, 0);
    elo_clock_start(&r.clock, r.counter);
    elo_clock_start(&r.clock, r.counter);
    assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_QUESTION);
    run(&r, 1000);
    elo_clock_stop(&r.clock, r.counter);
    assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_NOTHING);
    run(&r, 100 * (int64_t)DAY_MS);
    assert_int_equal(r.servers[0].asked, 1);
    assert_right(&r);
    assert_int_equal(state_of(&r), ELO_CLOCK_STALE);
    elo_clock_failed(&r.clock, ELO_E_DNS, r.counter);
    elo_clock_retry_now(&r.clock, r.counter);
    assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_NOTHING);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_int_equal(state_of(&r), ELO_CLOCK_SYNCED);
}

/* However impatient the owner is, a server is not asked twice in 15 s. */
static void impatience(void **state)
{
    (void)state;
    for (unsigned mood = HONEST; mood <= KISS; mood++) {
        struct rig r;
        setup(&r, 2);
        r.servers[0].mood = (enum mood)mood;
        r.servers[0].kiss = "DENY";
        r.servers[1] = r.servers[0];
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        for (unsigned n = 0; n < 2000; n++) {
            run(&r, 100 + random_of_rig(&r) % 2000);
            if (n % 3 == 0) {
                elo_clock_stop(&r.clock, r.counter);
            }
            elo_clock_start(&r.clock, r.counter);
            elo_clock_retry_now(&r.clock, r.counter);
        }
        assert_true(r.servers[0].asked == 0 || r.servers[0].least_gap_ms >= 15000);
        assert_true(mood == NO_NAME || r.servers[0].asked > 0);
        assert_true(mood != KISS || r.servers[0].asked == 1);
    }
}

static void all_servers_dead(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 3);
    r.servers[0].mood = SILENT;
    r.servers[1].mood = NO_NAME;
    r.servers[2].mood = SILENT;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 6500);
    assert_int_equal(r.failures, 1);
    assert_int_equal(r.failed.u.failed.reason, ELO_E_DNS);
    assert_in_range(r.failed.u.failed.wait_ms, 15000, 20000);
    unsigned steps = run(&r, 30 * (int64_t)DAY_MS);
    /* about 15 minutes at most, half of it on the average: 30 days are 5,760 rounds of it */
    assert_in_range(r.failures, 3000, 8000);
    assert_true(steps < r.failures * 12);
    assert_true(r.servers[0].least_gap_ms >= 15000);
    assert_true(r.failed.u.failed.wait_ms <= 915000);
    assert_int_equal(state_of(&r), ELO_CLOCK_FLOOR_ONLY);
    assert_int_equal(r.saves, 0);
    r.servers[2].mood = HONEST;
    elo_clock_retry_now(&r.clock, r.counter);
    run(&r, 25000);
    assert_int_equal(state_of(&r), ELO_CLOCK_SYNCED);
    assert_right(&r);
}

/* An owner that never resolves the name, and one that says nothing at all. */
static void an_idle_owner_does_not_hang_it(void **state)
{
    (void)state;
    struct rig r;
    uint8_t server;
    setup(&r, 2);
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_QUESTION);
        assert_int_equal(server, i);
        pass(&r, 9999);
        elo_clock_tick(&r.clock, r.counter);
        assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_QUESTION);
        assert_int_equal(server, i);
        pass(&r, 1);
        elo_clock_tick(&r.clock, r.counter);
    }
    assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_NOTHING);
    take_events(&r);
    assert_int_equal(r.failed.u.failed.reason, ELO_E_TIME_TIMEOUT);
}

static void the_answer_may_take_the_whole_timeout_but_no_more(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct rig r;
        setup(&r, 1);
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        uint8_t q[ELO_SNTP_BYTES];
        uint8_t a[ELO_SNTP_BYTES];
        elo_clock_question(&r.clock, q, r.counter);
        make_answer(&r, &r.servers[0], q, a);
        pass(&r, 2999);
        elo_clock_tick(&r.clock, r.counter);
        if (late) {
            pass(&r, 1);
            elo_clock_tick(&r.clock, r.counter);
        }
        answer(&r, a, sizeof a);
        assert_int_equal(r.wrong_answers, late ? ELO_E_TIME_NOT_OURS : ELO_OK);
        assert_int_equal(r.sets, late ? 0 : 1);
        if (!late) {
            assert_int_equal(clock_ms(&r), (int64_t)NOW * 1000 + 1499);
        }
    }
}

/* --- who is believed -------------------------------------------------------------------------- */

static void forged_answers_are_not_heard(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 2);
    r.forge = true;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 30 * (int64_t)DAY_MS);
    assert_right(&r);
    assert_int_equal(r.refusals, 0);
    assert_int_equal(r.wrong_answers, ELO_E_MALFORMED);
    assert_true(r.sets > 100);
    assert_int_equal(r.servers[1].asked, 0);
}

/* What one wrong server can do, alone and with an honest one behind it. */
static const struct {
    const char *what;
    int64_t wrong_s;
    uint32_t saved_floor;
    bool believed;
} single[] = {
    {"at the build time", (int64_t)BUILT - NOW, 0, true},
    {"a second before the build time", (int64_t)BUILT - NOW - 1, 0, false},
    {"1970", -(int64_t)NOW, 0, false},
    {"the slack before the saved floor", -86400 - 1000, NOW - 86400, true},
    {"more than the slack before it", -86400 - 1001, NOW - 86400, false},
    {"five years after the saved floor", 5 * 365 * 86400, NOW, true},
    {"a second more", 5 * 365 * 86400 + 1, NOW, false},
    {"2106", 4294967295ll - NOW, NOW, false},
    {"a saved floor below the build time counts as that", (int64_t)BUILT - NOW, 1000, true},
};

static void one_wrong_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        for (uint8_t servers = 1; servers <= 2; servers++) {
            struct rig r;
            setup(&r, servers);
            r.config.saved_floor = single[i].saved_floor;
            r.servers[0].mood = WRONG;
            r.servers[0].wrong_s = single[i].wrong_s;
            r.delay_ms = 0;
            boot(&r);
            elo_clock_start(&r.clock, r.counter);
            run(&r, 500);
            bool known = state_of(&r) == ELO_CLOCK_SYNCED;
            int64_t want = single[i].believed ? single[i].wrong_s : 0;
            if (known != (single[i].believed || servers == 2)) {
                fail_msg("%s, %u servers", single[i].what, servers);
            }
            if (known && llabs((clock_ms(&r) - r.true_ms) / 1000 - want) > 1) {
                fail_msg("%s, %u servers: the wrong one", single[i].what, servers);
            }
            if (!single[i].believed) {
                assert_int_equal(r.refused.u.refused.reason, ELO_E_TIME_IMPLAUSIBLE);
                assert_int_equal(r.refused.u.refused.server, 0);
            }
        }
    }
}

/* A saved floor far in the future: one bad answer had lifted it. */
static void two_that_agree_lower_the_floor(void **state)
{
    (void)state;
    for (unsigned overrule = 0; overrule <= 4; overrule++) {
        struct rig r;
        setup(&r, 3);
        r.config.saved_floor = NOW + 300 * 86400;
        r.config.overrule = (uint8_t)overrule;
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        run(&r, 1100);
        if (overrule == 0 || overrule == 4) {
            assert_int_equal(state_of(&r), ELO_CLOCK_FLOOR_ONLY);
            assert_int_equal(r.failed.u.failed.reason, ELO_E_TIME_IMPLAUSIBLE);
            continue;
        }
        assert_right(&r);
        assert_int_equal(r.set.u.set.server, overrule - 1);
        assert_true(r.set.u.set.overruled);
        assert_int_equal(r.saves, 1);
        assert_int_equal(r.save.u.save.floor, NOW);
        assert_int_equal(elo_clock_floor(&r.clock, r.counter), NOW + 1);
    }
}

static void two_that_do_not_agree_change_nothing(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 3);
    r.config.saved_floor = NOW + 10 * 86400;
    for (unsigned i = 0; i < 3; i++) {
        r.servers[i].mood = WRONG;
        r.servers[i].wrong_s = -100000 - 12 * (int64_t)i;
    }
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, DAY_MS);
    assert_int_equal(r.sets, 0);
    assert_int_equal(state_of(&r), ELO_CLOCK_FLOOR_ONLY);
    /* the first and the third do, with the second between them */
    r.servers[2].wrong_s = -100000;
    run(&r, DAY_MS);
    assert_true(r.sets > 0);
    assert_int_equal(r.set.u.set.server, 2);
}

/* max_ahead_s 0: nobody is believed alone. */
static void the_first_time_may_need_two(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 3);
    r.config.max_ahead_s = 0;
    r.servers[0].mood = WRONG;
    r.servers[0].wrong_s = 86400;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_right(&r);
    assert_int_equal(r.set.u.set.server, 2);
    r.config.servers = 1;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, DAY_MS);
    assert_int_equal(state_of(&r), ELO_CLOCK_FLOOR_ONLY);
}

static void nobody_gets_below_the_build_time(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 4);
    for (unsigned i = 0; i < 4; i++) {
        r.servers[i].mood = WRONG;
        r.servers[i].wrong_s = (int64_t)BUILT - NOW - 86400;
    }
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, DAY_MS / 2);
    assert_int_equal(r.sets, 0);
    assert_int_equal(elo_clock_force(&r.clock, BUILT - 1, 0, r.counter), ELO_E_TIME_IMPLAUSIBLE);
    assert_int_equal(elo_clock_force(&r.clock, BUILT, 0, r.counter), ELO_OK);
}

/* Our clock is right and a server jumps; then ours jumps. */
static void jumps(void **state)
{
    (void)state;
    static const int64_t by[] = {-1001, 1001, -400 * 86400, 400 * 86400};
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        setup(&r, 3);
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        run(&r, DAY_MS);
        assert_right(&r);
        r.servers[0].mood = WRONG;
        r.servers[0].wrong_s = i < 2 ? by[i] : by[i] / 86400 * 43200;
        run(&r, DAY_MS);
        assert_right(&r);
        assert_true(r.refusals >= 1);
        assert_int_equal(r.set.u.set.server, 1);
        /* the world moves, as if the board's counter had stood still or run away */
        r.servers[0].mood = HONEST;
        int64_t least = (int64_t)BUILT - NOW;
        r.true_ms += (by[i] > least ? by[i] : least) * 1000;
        run(&r, DAY_MS);
        assert_right(&r);
        assert_int_equal(state_of(&r), ELO_CLOCK_SYNCED);
    }
}

static void small_steps_are_followed(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    r.true_ms += 990000;
    run(&r, DAY_MS / 4);
    assert_right(&r);
    assert_in_range(r.set.u.set.step_s, 989, 991);
    assert_false(r.set.u.set.first);
    r.true_ms -= 990000;
    run(&r, DAY_MS / 4);
    assert_right(&r);
    assert_in_range(-r.set.u.set.step_s, 989, 991);
}

static void unsynchronised_servers_are_passed_over(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 2);
    r.servers[0].mood = UNSYNCED;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_right(&r);
    assert_int_equal(r.refused.u.refused.reason, ELO_E_TIME_UNSYNCED);
    assert_int_equal(r.set.u.set.server, 1);
    r.servers[0].mood = HONEST;
    run(&r, DAY_MS);
    assert_int_equal(r.servers[0].asked, 1); /* who answered last is asked first */
}

/* --- kiss-o'-death ---------------------------------------------------------------------------- */

static void who_denies_is_left_alone(void **state)
{
    (void)state;
    static const char *const kisses[] = {"DENY", "RSTR"};
    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        setup(&r, 2);
        r.servers[0].mood = KISS;
        r.servers[0].kiss = kisses[i];
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        run(&r, 1000);
        assert_string_equal(r.refused.u.refused.kiss, kisses[i]);
        assert_right(&r);
        r.servers[1].mood = SILENT;
        run(&r, 3 * (int64_t)DAY_MS);
        assert_int_equal(r.servers[0].asked, 1);
        assert_true(r.servers[1].asked > 100);
    }
}

static void when_all_deny_it_waits_for_a_day(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, ELO_CLOCK_MAX_SERVERS);
    for (unsigned i = 0; i < ELO_CLOCK_MAX_SERVERS; i++) {
        r.servers[i].mood = KISS;
        r.servers[i].kiss = "DENY";
    }
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_int_equal(r.failed.u.failed.reason, ELO_E_TIME_KISS);
    assert_int_equal(r.failed.u.failed.wait_ms, DAY_MS);
    run(&r, DAY_MS - 2000);
    assert_int_equal(r.servers[7].asked, 1);
    r.servers[7].mood = HONEST;
    run(&r, 4000);
    assert_right(&r);
}

static void who_is_asked_too_often_is_asked_less(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    r.servers[0].mood = KISS;
    r.servers[0].kiss = "RATE";
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 7 * (int64_t)DAY_MS);
    assert_true(r.servers[0].least_gap_ms >= 450000);
    assert_int_equal(r.failed.u.failed.reason, ELO_E_TIME_KISS);
    r.servers[0].kiss = "STEP"; /* "not now": the next server, the usual backoff */
    run(&r, DAY_MS);
    r.servers[0].mood = HONEST;
    run(&r, DAY_MS);
    assert_right(&r);
}

/* --- the counter ------------------------------------------------------------------------------ */

static void four_wraps_and_not_a_millisecond_lost(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    r.delay_ms = 0;
    r.counter = UINT32_MAX - 500;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 100);
    int64_t off = clock_ms(&r) - r.true_ms;
    r.servers[0].mood = SILENT;
    run(&r, 4 * WRAP_MS);
    assert_int_equal(r.sets, 1);
    assert_int_equal(clock_ms(&r) - r.true_ms, off);
    assert_int_equal(state_of(&r), ELO_CLOCK_STALE);
    uint32_t s;
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_OK);
    r.servers[0].mood = HONEST;
    run(&r, HOUR_MS);
    assert_int_equal(state_of(&r), ELO_CLOCK_SYNCED);
    assert_int_equal(r.set.u.set.step_s, 0);
}

static void looks_of_every_length_add_up(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 0);
    r.config.save_s = UINT32_MAX;
    boot(&r);
    assert_int_equal(elo_clock_set(&r.clock, NOW, 0, r.counter), ELO_OK);
    for (uint32_t n = 0; n < 200000; n++) {
        pass(&r, n % 3 == 0 ? n % 1009 : n % 7 == 0 ? n : 1);
        elo_clock_tick(&r.clock, r.counter);
        assert_int_equal(clock_ms(&r), r.true_ms);
    }
    /* and one of the longest: the getters need no tick before them */
    pass(&r, INT32_MAX);
    assert_int_equal(clock_ms(&r), r.true_ms);
}

static void a_counter_that_steps_back_stands_still(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    boot(&r);
    assert_int_equal(elo_clock_set(&r.clock, NOW, 0, r.counter), ELO_OK);
    pass(&r, 5000);
    elo_clock_tick(&r.clock, r.counter);
    assert_int_equal(clock_ms(&r), NOW * 1000ll + 5000);
    uint32_t s;
    assert_true(elo_clock_now(&r.clock, r.counter - 3000, &s, NULL));
    assert_int_equal(s, NOW + 5);
    elo_clock_tick(&r.clock, r.counter - 3000);
    elo_clock_start(&r.clock, r.counter - 10);
    assert_int_equal(clock_ms(&r), NOW * 1000ll + 5000);
    pass(&r, 1);
    assert_int_equal(clock_ms(&r), NOW * 1000ll + 5001);
}

/* --- years ------------------------------------------------------------------------------------ */

static void over_2036_and_up_to_2106(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 2);
    r.true_ms = 2085978495500; /* half a second before the end of NTP era 0 */
    r.config.saved_floor = 2085000000u;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_right(&r);
    run(&r, DAY_MS);
    assert_right(&r);
    assert_true(r.sets > 3 && r.refusals == 0);

    setup(&r, 2);
    r.true_ms = 4294967295000 - DAY_MS;
    r.config.saved_floor = 4294000000u;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, DAY_MS - 1000);
    assert_right(&r);
    assert_true(r.sets > 3 && r.refusals == 0);
}

/* --- the floor -------------------------------------------------------------------------------- */

static void a_floor_is_saved_twice_a_day(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 100 * (int64_t)DAY_MS);
    assert_in_range(r.saves, 199, 201);
    /* also while no server answers */
    r.servers[0].mood = SILENT;
    run(&r, 100 * (int64_t)DAY_MS);
    assert_in_range(r.saves, 399, 401);
    assert_true((uint32_t)(r.true_ms / 1000) - r.save.u.save.floor <= 12 * 3600);
}

static void a_floor_without_wear_is_told_at_each_answer(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    r.config.save_s = 0;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    unsigned steps = run(&r, 10 * (int64_t)DAY_MS);
    assert_true(r.sets >= 40 && steps < 1000);
    assert_int_equal(r.saves, r.sets);
}

static void a_restart_with_a_fresh_floor_saves_nothing(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 1);
    r.config.saved_floor = NOW - 11 * 3600;
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    run(&r, 1000);
    assert_int_equal(r.saves, 0);
    run(&r, HOUR_MS + 1000);
    assert_int_equal(r.saves, 1);
}

static void the_floor_for_tls_is_a_choice(void **state)
{
    (void)state;
    struct rig r;
    uint32_t s = 0;
    setup(&r, 1);
    r.config.allow_floor = true;
    r.config.saved_floor = NOW - 86400;
    boot(&r);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_OK);
    assert_int_equal(s, NOW - 86400);
    r.config.saved_floor = 5;
    boot(&r);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_OK);
    assert_int_equal(s, BUILT);
    r.config.build_floor = 0;
    r.config.saved_floor = 0;
    boot(&r);
    assert_int_equal(state_of(&r), ELO_CLOCK_UNSET);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter, &s), ELO_E_CLOCK);
    assert_int_equal(elo_clock_floor(&r.clock, r.counter), 0);
    assert_int_equal(elo_clock_set(&r.clock, 12345, 999, r.counter), ELO_OK);
    assert_int_equal(elo_clock_for_tls(&r.clock, r.counter + 1, &s), ELO_OK);
    assert_int_equal(s, 12346);
}

/* --- a platform that learns the time by itself ------------------------------------------------ */

static void set_is_judged_and_force_is_not(void **state)
{
    (void)state;
    struct rig r;
    setup(&r, 0);
    boot(&r);
    elo_clock_start(&r.clock, r.counter);
    uint8_t server;
    assert_int_equal(elo_clock_wants(&r.clock, &server), ELO_CLOCK_WANTS_NOTHING);
    assert_int_equal(elo_clock_set(&r.clock, BUILT - 1, 0, r.counter), ELO_E_TIME_IMPLAUSIBLE);
    assert_int_equal(elo_clock_set(&r.clock, NOW, 250, r.counter), ELO_OK);
    take_events(&r);
    assert_int_equal(r.set.u.set.server, ELO_CLOCK_NO_SERVER);
    assert_int_equal(clock_ms(&r), NOW * 1000ll + 250);
    assert_int_equal(elo_clock_set(&r.clock, NOW + 1001, 0, r.counter), ELO_E_TIME_IMPLAUSIBLE);
    assert_int_equal(elo_clock_set(&r.clock, NOW + 1000, 0, r.counter), ELO_OK);
    assert_int_equal(elo_clock_force(&r.clock, UINT32_MAX - 5, 0, r.counter), ELO_OK);
    take_events(&r);
    assert_int_equal(r.set.u.set.step_s, INT32_MAX);
    assert_int_equal(r.save.u.save.floor, UINT32_MAX - 5);
    assert_int_equal(elo_clock_force(&r.clock, BUILT, 0, r.counter), ELO_OK);
    take_events(&r);
    assert_int_equal(r.set.u.set.step_s, -INT32_MAX);
    assert_int_equal(r.save.u.save.floor, BUILT);
}

static void states_are_words(void **state)
{
    (void)state;
    static const char *const words[] = {"unset", "floor only", "synced", "stale"};
    for (unsigned i = 0; i < 4; i++) {
        char word[12];
        elo_clock_state_word((elo_clock_state)i, word);
        assert_string_equal(word, words[i]);
    }
    struct rig r;
    setup(&r, ELO_CLOCK_MAX_SERVERS + 1);
    assert_int_equal(elo_clock_init(&r.clock, &r.config, 0), ELO_E_TOO_LARGE);
}

/* --- long runs -------------------------------------------------------------------------------- */

/* Servers that change their mood all the time, over months. One of three at least is honest, the
 * wrong ones never agree: the clock is never wrong once it is known. */
static void flapping(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 30; seed++) {
        struct rig r;
        setup(&r, 3);
        r.seed = seed * 2654435761u;
        r.counter = r.seed;
        r.forge = seed % 2 == 0;
        boot(&r);
        elo_clock_start(&r.clock, r.counter);
        for (unsigned turn = 0; turn < 500; turn++) {
            unsigned honest = random_of_rig(&r) % 3;
            for (unsigned i = 0; i < 3; i++) {
                r.servers[i].mood = (enum mood)(random_of_rig(&r) % 6);
                r.servers[i].kiss = random_of_rig(&r) % 2 ? "RATE" : "INIT";
                r.servers[i].wrong_s = (i + 1) * 3000000ll + random_of_rig(&r) % 1000000;
            }
            if (turn == 0 || turn % 50 != 0) {
                r.servers[honest].mood = HONEST;
            }
            r.delay_ms = random_of_rig(&r) % 2000;
            if (turn == 0) { /* from a cold start a plausible lie would be believed */
                r.servers[0].mood = HONEST;
            }
            run(&r, turn == 0 ? 60000 : random_of_rig(&r) % (6 * HOUR_MS));
            assert_right(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_server_is_enough),
        cmocka_unit_test(nothing_is_done_before_start_and_after_stop),
        cmocka_unit_test(impatience),
        cmocka_unit_test(all_servers_dead),
        cmocka_unit_test(an_idle_owner_does_not_hang_it),
        cmocka_unit_test(the_answer_may_take_the_whole_timeout_but_no_more),
        cmocka_unit_test(forged_answers_are_not_heard),
        cmocka_unit_test(one_wrong_server),
        cmocka_unit_test(two_that_agree_lower_the_floor),
        cmocka_unit_test(two_that_do_not_agree_change_nothing),
        cmocka_unit_test(the_first_time_may_need_two),
        cmocka_unit_test(nobody_gets_below_the_build_time),
        cmocka_unit_test(jumps),
        cmocka_unit_test(small_steps_are_followed),
        cmocka_unit_test(unsynchronised_servers_are_passed_over),
        cmocka_unit_test(who_denies_is_left_alone),
        cmocka_unit_test(when_all_deny_it_waits_for_a_day),
        cmocka_unit_test(who_is_asked_too_often_is_asked_less),
        cmocka_unit_test(four_wraps_and_not_a_millisecond_lost),
        cmocka_unit_test(looks_of_every_length_add_up),
        cmocka_unit_test(a_counter_that_steps_back_stands_still),
        cmocka_unit_test(over_2036_and_up_to_2106),
        cmocka_unit_test(a_floor_is_saved_twice_a_day),
        cmocka_unit_test(a_floor_without_wear_is_told_at_each_answer),
        cmocka_unit_test(a_restart_with_a_fresh_floor_saves_nothing),
        cmocka_unit_test(the_floor_for_tls_is_a_choice),
        cmocka_unit_test(set_is_judged_and_force_is_not),
        cmocka_unit_test(states_are_words),
        cmocka_unit_test(flapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
