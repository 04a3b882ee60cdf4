// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the world asks everybody when he has something to do next, moves the clock there,
 * and lets those do it whose time has come: the desk, the links, the devices, in this order.
 *
 *      trouble  --heal_at-->  healing  --all is quiet-->  goodbye  --nobody is left-->  the end
 */
#include "tests/support/world_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "elo/mqtt/decode.h"

#define START_MS       1000
#define HEALING_MS_MAX 900000
#define GOODBYE_MS_MAX 500000
#define LOOK_EVERY_MS  2000
#define EVENTS_MAX     400000u
#define STANDSTILL_MAX 3000u

/* --- dice and notes ----------------------------------------------------------------------------
 */

/* splitmix64: any seed is good, 0 too. */
static uint64_t next_random(struct world *w)
{
    uint64_t z = w->dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t world_roll(struct world *w, uint64_t sides)
{
    return next_random(w) % sides;
}

bool world_one_in(struct world *w, uint64_t n)
{
    return world_roll(w, n) == 0;
}

int64_t world_within(struct world *w, int64_t low, int64_t high)
{
    return low + (int64_t)world_roll(w, (uint64_t)(high - low) + 1);
}

static void digest(struct world *w, const char *text)
{
    for (; *text != '\0'; text++) {
        w->digest = (w->digest ^ (uint8_t)*text) * 0x100000001b3u;
    }
}

void world_note(struct world *w, const char *format, ...)
{
    char line[700];
    if (w->telling == WORLD_SILENT) {
        return;
    }
    int n = snprintf(line, sizeof line, "%9lld.%03lld  ", (long long)(w->now / 1000),
                     (long long)(w->now % 1000));
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    digest(w, line);
    if (w->telling == WORLD_TRACE) {
        fprintf(stderr, "%s\n", line);
    }
}

void world_fail(struct world *w, const char *format, ...)
{
    char what[400];
    if (world_failed(w)) {
        return; /* the first one tells */
    }
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(w->failure, sizeof w->failure, "seed %llu, at %lld.%03lld s: %s",
             (unsigned long long)w->seed, (long long)(w->now / 1000), (long long)(w->now % 1000),
             what);
    world_note(w, "FAILED: %s", what);
}

/* --- taps --------------------------------------------------------------------------------------
 */

bool world_tap_add(struct world_tap *t, elo_span bytes)
{
    if (bytes.len > sizeof t->bytes - t->len) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(t->bytes + t->len, bytes.ptr, bytes.len);
    }
    t->len += bytes.len;
    return true;
}

bool world_tap_next(struct world_tap *t, elo_span *out_packet)
{
    struct elo_mqtt_frame frame;
    elo_err err = elo_mqtt_frame(elo_span_of(t->bytes, t->len), WORLD_TAP, &frame);
    if (err != ELO_OK || frame.total > t->len) {
        return false;
    }
    *out_packet = elo_span_of(t->bytes, frame.total);
    return true;
}

void world_tap_drop(struct world_tap *t, size_t len)
{
    t->len -= len;
    memmove(t->bytes, t->bytes + len, t->len);
}

/* --- the character of a run --------------------------------------------------------------------
 */

static void choose_character(struct world *w)
{
    w->calm = world_one_in(w, 12);
    w->burst = !w->calm && world_one_in(w, 30);
    w->flood = w->burst && world_one_in(w, 3);
    w->device_count = 2 + (size_t)world_roll(w, w->burst ? 2 : 4);
    w->budget = w->burst ? 200 + (size_t)world_roll(w, 400) : 10 + (size_t)world_roll(w, 40);
    w->pace_ms = w->burst ? 30 : world_within(w, 100, 4000);
    w->break_one_in = 1 + (unsigned)world_roll(w, 4);
    w->heal_at = w->now + world_within(w, 20000, 150000);
    w->restart_at = WORLD_NEVER;
    w->revoke_at = WORLD_NEVER;
    w->restore_at = WORLD_NEVER;
    w->tally.calm += w->calm;
    w->tally.bursts += w->burst;
    w->tally.floods += w->flood;
    if (!w->calm && world_one_in(w, 8)) {
        w->restart_at = world_within(w, w->now, w->heal_at);
    }
    if (!w->calm && world_one_in(w, 40)) {
        w->revoke_at = world_within(w, w->now, w->heal_at);
        w->restore_at = world_within(w, w->revoke_at, w->heal_at);
    }
}

static void run_accidents(struct world *w)
{
    if (w->restart_at <= w->now) {
        w->restart_at = WORLD_NEVER;
        w->down_until = w->now + world_within(w, 0, 20000);
        world_desk_restart(w);
    }
    if (w->revoke_at <= w->now) {
        w->revoke_at = WORLD_NEVER;
        world_desk_revoke(w, WORLD_STATION, false);
    }
    if (w->restore_at <= w->now) {
        w->restore_at = WORLD_NEVER;
        world_desk_revoke(w, WORLD_STATION, true);
    }
}

/* --- time --------------------------------------------------------------------------------------
 */

static int64_t next_event(struct world *w, int64_t limit)
{
    int64_t at = limit;
    int64_t times[] = {world_desk_next(w), w->restart_at, w->revoke_at, w->restore_at};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        at = times[i] < at ? times[i] : at;
    }
    for (size_t i = 0; i < w->links_high; i++) {
        if (w->links[i].used) {
            world_link_tidy(&w->links[i]);
            int64_t t = world_link_next(&w->links[i]);
            at = w->links[i].used && t < at ? t : at;
        }
    }
    for (size_t i = 0; i < w->device_count; i++) {
        int64_t t = world_device_next(w, &w->devices[i]);
        at = t < at ? t : at;
    }
    return at > w->now ? at : w->now;
}

static void run_now(struct world *w)
{
    run_accidents(w);
    if (world_desk_next(w) <= w->now && !world_failed(w)) {
        world_desk_run(w);
    }
    for (size_t i = 0; i < w->links_high && !world_failed(w); i++) {
        if (w->links[i].used && world_link_next(&w->links[i]) <= w->now) {
            world_link_run(w, &w->links[i]);
        }
    }
    for (size_t i = 0; i < w->device_count && !world_failed(w); i++) {
        if (world_device_next(w, &w->devices[i]) <= w->now) {
            world_device_run(w, &w->devices[i]);
        }
    }
}

/* Until `limit`, no further. */
static void run_until(struct world *w, int64_t limit)
{
    unsigned standing = 0;
    while (!world_failed(w)) {
        int64_t at = next_event(w, limit);
        if (at >= limit) {
            w->now = limit;
            return;
        }
        standing = at > w->now ? 0 : standing + 1;
        w->now = at;
        run_now(w);
        if (++w->tally.events > EVENTS_MAX || standing > STANDSTILL_MAX) {
            world_fail(w, "the world does not get on: %llu events, %u of them just now",
                       (unsigned long long)w->tally.events, standing);
        }
    }
}

/* --- the parts of a run ------------------------------------------------------------------------
 */

static void heal(struct world *w)
{
    world_note(w, "all is well again");
    w->healed = true;
    w->budget = 0;
    for (size_t i = 0; i < w->device_count; i++) {
        struct world_device *d = &w->devices[i];
        d->act_at = WORLD_NEVER;
        if (d->crime != CRIME_NONE) {
            d->start_at = WORLD_NEVER;
            world_device_stop(w, d);
            world_device_run(w, d);
        } else if (d->start_at != WORLD_NEVER) {
            d->start_at = w->now;
        }
    }
}

static void come_to_rest(struct world *w)
{
    char why[200] = "";
    int64_t latest = w->now + HEALING_MS_MAX;
    while (!world_failed(w) && !world_model_quiet(w, why, sizeof why)) {
        if (w->now >= latest) {
            world_fail(w, "%d s after the network has healed, %s", HEALING_MS_MAX / 1000, why);
        }
        run_until(w, w->now + LOOK_EVERY_MS);
    }
    if (!world_failed(w)) {
        world_desk_check(w);
    }
}

static bool anybody_there(const struct world *w)
{
    for (size_t i = 0; i < w->links_high; i++) {
        if (w->links[i].used) {
            return true;
        }
    }
    return false;
}

static void say_goodbye(struct world *w)
{
    int64_t latest = w->now + GOODBYE_MS_MAX;
    for (size_t i = 0; i < w->device_count; i++) {
        world_device_stop(w, &w->devices[i]);
        world_device_run(w, &w->devices[i]);
    }
    run_until(w, w->now + 1);
    while (!world_failed(w) && anybody_there(w)) {
        if (w->now >= latest) {
            world_fail(w, "%d s after all have said goodbye, links are open",
                       GOODBYE_MS_MAX / 1000);
        }
        run_until(w, w->now + LOOK_EVERY_MS);
    }
    if (w->calm && (w->tally.wills > 0 || w->tally.byes != w->device_count)) {
        world_fail(w, "%llu of %zu said goodbye and %llu left a will in a calm world",
                   (unsigned long long)w->tally.byes, w->device_count,
                   (unsigned long long)w->tally.wills);
    }
    for (size_t i = 0; i < w->device_count && !world_failed(w); i++) {
        if (elo_client_get_state(&w->devices[i].client) != ELO_CLIENT_STOPPED) {
            world_fail(w, "%s does not stop", world_name(w->devices[i].who));
        }
    }
    if (!world_failed(w)) {
        world_desk_check(w);
    }
}

bool world_run(struct world *w, struct world_house *h, uint64_t seed, enum world_telling telling)
{
    memset(w, 0, sizeof *w);
    w->house = h;
    w->telling = telling;
    w->seed = seed;
    w->dice = seed * 0xd1342543de82ef95u;
    w->now = START_MS;
    w->model.life = 1;
    choose_character(w);
    world_model_begin(w);
    world_desk_open(w);
    world_devices_make(w);
    while (w->now < w->heal_at && !world_failed(w)) { /* who sleeps long puts it off */
        run_until(w, w->heal_at);
    }
    if (!world_failed(w)) {
        heal(w);
        come_to_rest(w);
        say_goodbye(w);
    }
    if (w->broker != NULL) {
        world_desk_shut(w);
    }
    if (w->revoked != 0) {
        world_house_set_status(h, w->revoked - 1, true);
    }
    return !world_failed(w);
}

void world_tally_add(struct world_tally *sum, const struct world_tally *one)
{
#define WORLD_TALLY_SUM(name) sum->name += one->name;
    WORLD_TALLY_LIST(WORLD_TALLY_SUM)
#undef WORLD_TALLY_SUM
}
