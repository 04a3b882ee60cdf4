// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: servers are asked one after another, a round is over with the first answer that
 * is believed or when each had its turn. Every call first brings `mono_ms`, and with it the wall
 * time, up to now; whatever follows only looks at those.
 *
 *     OFF -> ASKING -> AWAITING -> believed ------------------> RESTING (resync)  -> ASKING
 *              ^          |
 *              +- next  <-+ refused, timeout; none left: -----> RESTING (backoff) -> ASKING
 */
#include "elo/time/clock.h"

#include "elo/base/assert.h"
#include "elo/base/backoff.h"
#include "elo/base/bytes.h"
#include "elo/base/flash.h"

enum phase { PHASE_OFF, PHASE_ASKING, PHASE_AWAITING, PHASE_RESTING };
enum { EV_SET = 1, EV_REFUSED = 2, EV_FAILED = 4, EV_SAVE = 8 };

/* A server that denied is left alone for so long when no other is left. */
#define DENIED_MS 86400000u

/* The counter is looked at this often at least, well before it can wrap unseen. */
#define LOOK_MS (1u << 30)

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/* --- the time between two answers ------------------------------------------------------------- */

/* Since the last look; nothing if the counter has stepped back. */
static uint32_t passed_ms(const struct elo__clock *e, uint32_t now_ms)
{
    uint32_t passed = now_ms - e->mono_ms;
    return passed > INT32_MAX ? 0 : passed;
}

/* The wall time `passed` ms after the last look. */
static uint32_t wall(const struct elo__clock *e, uint32_t passed, uint32_t *out_ms)
{
    uint32_t ms = e->ms + passed;
    uint32_t seconds = 0;
    if (ms >= 1000) { /* a division is dear on the chip, and most looks come soon */
        seconds = ms / 1000;
        ms -= seconds * 1000;
    }
    *out_ms = ms;
    return e->unix_s + seconds;
}

static void look(struct elo__clock *e, uint32_t now_ms)
{
    uint32_t passed = passed_ms(e, now_ms);
    e->mono_ms += passed;
    if (e->known) {
        e->unix_s = wall(e, passed, &e->ms);
    }
}

static uint32_t now_s(const struct elo__clock *e, uint32_t now_ms)
{
    uint32_t ms;
    return wall(e, passed_ms(e, now_ms), &ms);
}

/* --- the floor -------------------------------------------------------------------------------- */

/* A floor that the owner does not have yet, and is worth a write to flash? */
static void save_if_worth(struct elo__clock *e)
{
    bool risen = e->unix_s > e->told_s && e->unix_s - e->told_s >= e->config.save_s;
    bool fallen = e->told_s > e->unix_s && e->told_s - e->unix_s > e->config.max_step_s;
    if (e->known && (risen || fallen)) {
        e->told_s = e->unix_s;
        e->events |= EV_SAVE;
    }
}

/* Milliseconds until the floor is worth saving again, LOOK_MS at most. */
static uint32_t save_left_ms(const struct elo__clock *e)
{
    if (!e->known || e->config.save_s == 0) {
        return LOOK_MS;
    }
    uint32_t age = e->unix_s > e->told_s ? e->unix_s - e->told_s : 0;
    uint32_t left = age >= e->config.save_s ? 0 : e->config.save_s - age;
    return left >= LOOK_MS / 1000 ? LOOK_MS : left * 1000;
}

/* --- what is believed ------------------------------------------------------------------------- */

static bool is_plausible(const struct elo__clock *e, uint32_t unix_s)
{
    const struct elo_clock_config *f = &e->config;
    if (unix_s < f->build_floor) {
        return false;
    }
    if (e->known) {
        return distance(unix_s, e->unix_s) <= f->max_step_s;
    }
    if (unix_s < e->floor_s) {
        return e->floor_s - unix_s <= f->max_step_s;
    }
    return e->floor_s == 0 || unix_s - e->floor_s <= f->max_ahead_s;
}

static int32_t step_of(uint32_t from, uint32_t to)
{
    uint32_t by = distance(from, to);
    int32_t held = by > INT32_MAX ? INT32_MAX : (int32_t)by;
    return to < from ? -held : held;
}

static void believe(struct elo__clock *e, uint32_t unix_s, uint32_t ms, uint8_t server)
{
    e->told.first = !e->known;
    e->told.step_s = e->known ? step_of(e->unix_s, unix_s) : 0;
    e->told.server = server;
    e->told.overruled = false;
    e->told.round_trip_ms = 0;
    e->events |= EV_SET;
    e->known = true;
    e->unix_s = unix_s;
    e->ms = ms;
    e->set_at = unix_s;
    save_if_worth(e);
}

/* How many servers of this round say the same as this one, which says what cannot be. */
static unsigned agreeing(struct elo__clock *e, uint32_t unix_s)
{
    uint32_t said = unix_s - (e->mono_ms - e->round_ms) / 1000;
    unsigned count = 0;
    e->said[e->server] = said;
    e->heard |= (uint8_t)(1u << e->server);
    for (unsigned i = 0; i < e->config.servers; i++) {
        bool spoke = (e->heard >> i & 1u) != 0;
        count += spoke && distance(e->said[i], said) <= ELO_CLOCK_AGREE_S;
    }
    return count;
}

static bool is_overruled(struct elo__clock *e, uint32_t unix_s)
{
    if (unix_s < e->config.build_floor) {
        return false;
    }
    unsigned count = agreeing(e, unix_s);
    return e->config.overrule != 0 && count >= e->config.overrule;
}

/* --- one server after another ----------------------------------------------------------------- */

static void enter(struct elo__clock *e, enum phase phase)
{
    e->phase = (uint8_t)phase;
    e->since_ms = e->mono_ms;
}

static void rest(struct elo__clock *e, uint32_t wait_ms)
{
    enter(e, PHASE_RESTING);
    e->wait_ms = wait_ms;
}

/* low ... high, both included. */
static uint32_t chance(struct elo__clock *e)
{
    return e->config.random(e->config.random_ctx);
}

static uint32_t backoff_ms(struct elo__clock *e)
{
    const struct elo_clock_config *config = &e->config;
    struct elo__backoff b = {config->backoff_base_ms, config->backoff_cap_ms,
                             config->backoff_floor_ms};
    return elo__backoff_wait_ms(&b, e->attempts, e->slow, chance(e));
}

static unsigned all_servers(const struct elo__clock *e)
{
    return (1u << e->config.servers) - 1;
}

static void round_failed(struct elo__clock *e)
{
    uint32_t wait_ms = e->denied == all_servers(e) ? DENIED_MS : backoff_ms(e);
    e->slow = false;
    e->attempts = (uint8_t)(e->attempts < UINT8_MAX ? e->attempts + 1 : UINT8_MAX);
    e->events |= EV_FAILED;
    e->told.reason = e->reason;
    e->told.wait_ms = wait_ms;
    rest(e, wait_ms);
}

static void ask_present(struct elo__clock *e)
{
    while (e->left > 0 && (e->denied >> e->server & 1u) != 0) {
        e->left--;
        e->server = (uint8_t)(e->server + 1 < e->config.servers ? e->server + 1 : 0);
    }
    if (e->left == 0) {
        round_failed(e);
    } else {
        enter(e, PHASE_ASKING);
    }
}

static void begin_round(struct elo__clock *e)
{
    e->left = e->config.servers;
    e->heard = 0;
    e->round_ms = e->mono_ms;
    e->reason = ELO_E_TIME_TIMEOUT;
    ask_present(e);
}

/* The owner would like an answer: a round, once the last question is old enough for another. */
static void begin_soon(struct elo__clock *e)
{
    uint32_t since = e->mono_ms - e->asked_ms;
    if (e->denied == all_servers(e)) {
        rest(e, DENIED_MS);
    } else if (e->asked && since < e->config.backoff_floor_ms) {
        rest(e, e->config.backoff_floor_ms - since);
    } else {
        begin_round(e);
    }
}

/* How close a server that failed came to giving us the time. No switch: its table would be RAM. */
static unsigned closeness(elo_err reason)
{
    return reason == ELO_E_TIME_IMPLAUSIBLE ? 4u
           : reason == ELO_E_TIME_UNSYNCED  ? 3u
           : reason == ELO_E_TIME_KISS      ? 2u
           : reason == ELO_E_TIME_TIMEOUT   ? 0u
                                            : 1u; /* the owner knows better than "no answer" */
}

static void server_failed(struct elo__clock *e, elo_err reason)
{
    e->told.refused = reason;
    e->told.refused_server = e->server;
    e->events |= EV_REFUSED;
    if (closeness(reason) >= closeness(e->reason)) {
        e->reason = reason;
    }
    e->left--;
    e->server = (uint8_t)(e->server + 1 < e->config.servers ? e->server + 1 : 0);
    ask_present(e);
}

/* Codes of kiss-o'-death as the number that their letters are: strings would be RAM. */
#define KISS_DENY 0x44454E59u
#define KISS_RSTR 0x52535452u
#define KISS_RATE 0x52415445u

/* RFC 5905, 7.4: who denies or restricts is not asked again, who is asked too often less so. */
static void got_kiss(struct elo__clock *e, const char *kiss)
{
    memcpy(e->told.kiss, kiss, sizeof e->told.kiss);
    uint32_t code = elo_rd32be((const uint8_t *)kiss);
    if (code == KISS_DENY || code == KISS_RSTR) {
        e->denied |= (uint8_t)(1u << e->server);
    }
    e->slow |= code == KISS_RATE;
    server_failed(e, ELO_E_TIME_KISS);
}

static void got_time(struct elo__clock *e, const struct elo_sntp_reply *reply)
{
    bool plausible = is_plausible(e, reply->unix_s);
    if (!plausible && !is_overruled(e, reply->unix_s)) {
        server_failed(e, ELO_E_TIME_IMPLAUSIBLE);
        return;
    }
    believe(e, reply->unix_s, reply->ms, e->server);
    e->told.overruled = !plausible;
    e->told.round_trip_ms = reply->round_trip_ms;
    e->attempts = 0;
    e->slow = false;
    uint32_t most_ms = e->config.resync_ms;
    rest(e, elo__by_chance(most_ms - most_ms / 4, most_ms, chance(e)));
}

/* --- the doors -------------------------------------------------------------------------------- */

void elo_clock_defaults(struct elo_clock_config *config)
{
    memset(config, 0, sizeof *config);
    config->overrule = 2;
    config->max_ahead_s = 5u * 365u * 86400u;
    config->max_step_s = 1000;
    config->stale_s = 2u * 86400u;
    config->save_s = 12u * 3600u;
    config->resolve_ms = 10000;
    config->timeout_ms = 3000;
    config->backoff_base_ms = 5000;
    config->backoff_cap_ms = 900000;
    config->backoff_floor_ms = 15000;
    config->resync_ms = 6u * 3600u * 1000u;
}

elo_err elo_clock_init(struct elo_clock *c, const struct elo_clock_config *config, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    if (config->servers > ELO_CLOCK_MAX_SERVERS) {
        return ELO_E_TOO_LARGE;
    }
    ELO_ASSERT(config->servers == 0 || config->random != NULL);
    memset(c, 0, sizeof *c);
    e->config = *config;
    e->mono_ms = now_ms;
    e->told_s = config->saved_floor;
    e->floor_s =
        config->saved_floor > config->build_floor ? config->saved_floor : config->build_floor;
    return ELO_OK;
}

void elo_clock_start(struct elo_clock *c, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (e->phase == PHASE_OFF && e->config.servers != 0) {
        begin_soon(e);
    }
}

void elo_clock_retry_now(struct elo_clock *c, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (e->phase == PHASE_RESTING && e->denied != all_servers(e)) {
        begin_soon(e);
    }
}

void elo_clock_stop(struct elo_clock *c, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    enter(e, PHASE_OFF);
}

elo_clock_wish elo_clock_wants(const struct elo_clock *c, uint8_t *out_server)
{
    const struct elo__clock *e = &c->_internal;
    *out_server = e->server;
    return e->phase == PHASE_ASKING     ? ELO_CLOCK_WANTS_QUESTION
           : e->phase == PHASE_AWAITING ? ELO_CLOCK_WANTS_ANSWER
                                        : ELO_CLOCK_WANTS_NOTHING;
}

void elo_clock_question(struct elo_clock *c, uint8_t *out, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    ELO_ASSERT(e->phase == PHASE_ASKING);
    look(e, now_ms);
    e->nonce.high = e->config.random(e->config.random_ctx);
    e->nonce.low = e->config.random(e->config.random_ctx);
    elo_sntp_request(&e->nonce, out);
    enter(e, PHASE_AWAITING);
    e->asked = true;
    e->asked_ms = e->mono_ms;
}

void elo_clock_failed(struct elo_clock *c, elo_err reason, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (e->phase == PHASE_ASKING || e->phase == PHASE_AWAITING) {
        server_failed(e, reason);
    }
}

elo_err elo_clock_answer(struct elo_clock *c, elo_span datagram, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    struct elo_sntp_reply reply;
    look(e, now_ms);
    if (e->phase != PHASE_AWAITING) {
        return ELO_E_TIME_NOT_OURS;
    }
    elo_err err = elo_sntp_read(datagram, &e->nonce, e->mono_ms - e->since_ms, &reply);
    switch (err) {
    case ELO_OK:
        got_time(e, &reply);
        return ELO_OK;
    case ELO_E_TIME_KISS:
        got_kiss(e, reply.kiss);
        return ELO_OK;
    case ELO_E_TIME_UNSYNCED:
        server_failed(e, err);
        return ELO_OK;
    default:
        return err;
    }
}

elo_err elo_clock_set(struct elo_clock *c, uint32_t unix_s, uint16_t ms, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (!is_plausible(e, unix_s)) {
        return ELO_E_TIME_IMPLAUSIBLE;
    }
    believe(e, unix_s, ms, ELO_CLOCK_NO_SERVER);
    return ELO_OK;
}

elo_err elo_clock_force(struct elo_clock *c, uint32_t unix_s, uint16_t ms, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (unix_s < e->config.build_floor) {
        return ELO_E_TIME_IMPLAUSIBLE;
    }
    believe(e, unix_s, ms, ELO_CLOCK_NO_SERVER);
    return ELO_OK;
}

elo_clock_state elo_clock_get_state(const struct elo_clock *c, uint32_t now_ms)
{
    const struct elo__clock *e = &c->_internal;
    if (!e->known) {
        return e->floor_s != 0 ? ELO_CLOCK_FLOOR_ONLY : ELO_CLOCK_UNSET;
    }
    return now_s(e, now_ms) - e->set_at > e->config.stale_s ? ELO_CLOCK_STALE : ELO_CLOCK_SYNCED;
}

void elo_clock_state_word(elo_clock_state state, char *out)
{
    static const char words[][12] ELO_FLASH = {"unset", "floor only", "synced", "stale"};
    elo_flash_copy(out, words[(unsigned)state & 3u], sizeof words[0]);
}

bool elo_clock_now(const struct elo_clock *c,
                   uint32_t now_ms,
                   uint32_t *out_unix_s,
                   uint16_t *out_ms)
{
    const struct elo__clock *e = &c->_internal;
    uint32_t ms;
    if (!e->known) {
        return false;
    }
    *out_unix_s = wall(e, passed_ms(e, now_ms), &ms);
    if (out_ms != NULL) {
        *out_ms = (uint16_t)ms;
    }
    return true;
}

uint32_t elo_clock_floor(const struct elo_clock *c, uint32_t now_ms)
{
    const struct elo__clock *e = &c->_internal;
    return e->known ? now_s(e, now_ms) : e->floor_s;
}

elo_err elo_clock_for_tls(const struct elo_clock *c, uint32_t now_ms, uint32_t *out_unix_s)
{
    const struct elo__clock *e = &c->_internal;
    if (!e->known && (!e->config.allow_floor || e->floor_s == 0)) {
        return ELO_E_CLOCK;
    }
    *out_unix_s = elo_clock_floor(c, now_ms);
    return ELO_OK;
}

static void tell_set(const struct elo__clock *e, struct elo_clock_event *out)
{
    out->type = ELO_CLOCK_SET;
    out->u.set.server = e->told.server;
    out->u.set.first = e->told.first;
    out->u.set.overruled = e->told.overruled;
    out->u.set.step_s = e->told.step_s;
    out->u.set.round_trip_ms = e->told.round_trip_ms;
}

static void tell_refused(const struct elo__clock *e, struct elo_clock_event *out)
{
    out->type = ELO_CLOCK_REFUSED;
    out->u.refused.server = e->told.refused_server;
    out->u.refused.reason = e->told.refused;
    if (e->told.refused == ELO_E_TIME_KISS) {
        memcpy(out->u.refused.kiss, e->told.kiss, sizeof out->u.refused.kiss);
    }
}

bool elo_clock_next_event(struct elo_clock *c, struct elo_clock_event *out)
{
    struct elo__clock *e = &c->_internal;
    uint8_t lowest = (uint8_t)(e->events & (0u - e->events));
    memset(out, 0, sizeof *out);
    e->events &= (uint8_t)~lowest;
    switch (lowest) {
    case EV_SET:
        tell_set(e, out);
        return true;
    case EV_REFUSED:
        tell_refused(e, out);
        return true;
    case EV_FAILED:
        out->type = ELO_CLOCK_FAILED;
        out->u.failed.reason = e->told.reason;
        out->u.failed.wait_ms = e->told.wait_ms;
        return true;
    case EV_SAVE:
        out->type = ELO_CLOCK_SAVE;
        out->u.save.floor = e->told_s;
        return true;
    default:
        return false;
    }
}

static uint32_t phase_left_ms(const struct elo__clock *e)
{
    uint32_t span = e->phase == PHASE_ASKING     ? e->config.resolve_ms
                    : e->phase == PHASE_AWAITING ? e->config.timeout_ms
                                                 : e->wait_ms;
    uint32_t passed = e->mono_ms - e->since_ms;
    return span <= passed ? 0 : span - passed;
}

uint32_t elo_clock_next_deadline(const struct elo_clock *c)
{
    const struct elo__clock *e = &c->_internal;
    uint32_t left = e->phase == PHASE_OFF ? LOOK_MS : phase_left_ms(e);
    uint32_t save = save_left_ms(e); /* at most LOOK_MS */
    return e->mono_ms + (left < save ? left : save);
}

void elo_clock_tick(struct elo_clock *c, uint32_t now_ms)
{
    struct elo__clock *e = &c->_internal;
    look(e, now_ms);
    if (e->config.save_s != 0) {
        save_if_worth(e);
    }
    if (e->phase == PHASE_OFF || phase_left_ms(e) > 0) {
        return;
    }
    if (e->phase == PHASE_RESTING) {
        e->denied = (uint8_t)(e->denied == all_servers(e) ? 0 : e->denied);
        begin_round(e);
    } else {
        server_failed(e, ELO_E_TIME_TIMEOUT);
    }
}
