// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a device is the real engine, an owner that moves its bytes as client.h says, and
 * an application that publishes, subscribes, stops, loses power. The owner also watches what the
 * engine promises about time: when it dials again, and that it does not keep itself busy.
 */
#include "tests/support/world_parts.h"

#include <stdio.h>

#define TICKS_PER_SECOND_MAX 40u

uint32_t world_device_clock(const struct world *w, const struct world_device *d)
{
    return (uint32_t)(uint64_t)(w->now + d->clock_offset);
}

static uint32_t engine_random(void *ctx)
{
    return (uint32_t)world_roll(ctx, (uint64_t)1 << 32);
}

static bool online(const struct world_device *d)
{
    return elo_client_get_state(&d->client) == ELO_CLIENT_ONLINE;
}

/* --- making ------------------------------------------------------------------------------------
 */

static void choose_filters(struct world *w, struct world_device *d)
{
    static const char *const station[] = {"status/pump-1",  "status/pump-2",   "status/mallory",
                                          "status/station", "fleet/+/private", "fleet/#"};
    char command[WORLD_TOPIC];
    snprintf(command, sizeof command, "cmd/%s", world_name(d->who));
    const char *const pump[] = {command, "fleet/+/data", "fleet/pump-1/data", "fleet/#"};
    bool is_station = d->who == WORLD_STATION;
    size_t count = is_station ? WORLD_FILTERS : sizeof pump / sizeof pump[0];
    for (size_t i = 0; i < WORLD_FILTERS; i++) {
        const char *filter = i >= count ? "" : is_station ? station[i] : pump[i];
        snprintf(d->texts[i], sizeof d->texts[i], "%s", filter);
        d->wants[i] = 0;
        if (i < count && (i == 0 || world_one_in(w, 2))) {
            d->wants[i] = world_one_in(w, 5) ? 1 : 2;
        }
    }
    if (d->crime == CRIME_SUBSCRIBE) {
        snprintf(d->texts[1], sizeof d->texts[1], "cmd/pump-1");
        d->wants[1] = 2;
    }
}

static void choose_will(struct world *w, struct world_device *d)
{
    struct elo_client_config *c = &d->config;
    c->has_will = d->crime == CRIME_WILL || world_one_in(w, 2);
    if (!c->has_will) {
        return;
    }
    unsigned victim = d->crime == CRIME_WILL ? (unsigned)WORLD_PUMP_1 : d->who;
    snprintf(d->will_topic, sizeof d->will_topic, "status/%s", world_name(victim));
    unsigned m = d->who + 1u; /* the model's entry for it */
    static uint8_t room[WORLD_CLIENTS][WORLD_PAYLOAD];
    struct world_message *will = &w->messages[m];
    will->qos = world_one_in(w, 4) ? 0 : 1;
    will->retain = world_one_in(w, 2);
    snprintf(will->topic, sizeof will->topic, "%s", d->will_topic);
    c->will.topic = elo_span_str(d->will_topic);
    c->will.payload = world_message_payload(w, m, room[d->who]);
    c->will.qos = will->qos;
    c->will.retain = will->retain;
}

static uint16_t some_keep_alive(struct world *w)
{
    static const uint16_t seconds[] = {10, 30, 60, 60, 240};
    return seconds[world_roll(w, sizeof seconds / sizeof seconds[0])];
}

/*
 * MQTT 5 for every other device that does no wrong and takes every packet: what the two versions do
 * with the others differs, and the broker's scripts (tests/vectors/broker) see to that.
 */
static void choose_version(struct world *w, struct world_device *d)
{
    bool able = d->crime == CRIME_NONE && d->config.rx_size == sizeof d->rx;
    elo_client_mqtt5_defaults(&d->mqtt5);
    d->mqtt5.receive_maximum = (uint16_t)(world_one_in(w, 2) ? 1 + world_roll(w, 8) : 0);
    if (able && world_one_in(w, 2)) {
        d->config.mqtt5 = &d->mqtt5;
        w->tally.mqtt5++;
    }
}

static void choose_config(struct world *w, struct world_device *d)
{
    struct elo_client_config *c = &d->config;
    elo_client_defaults(c);
    c->client_id =
        elo_span_str(world_name(d->crime == CRIME_CLIENT_ID ? (unsigned)WORLD_PUMP_1 : d->who));
    c->persistent = !world_one_in(w, 4);
    c->queue_qos0 = world_one_in(w, 2);
    c->keep_alive_s = some_keep_alive(w);
    c->window = (uint16_t)(world_one_in(w, 3) ? 1 + world_roll(w, 3) : 8);
    c->policy = world_one_in(w, 6)   ? ELO_CLIENT_DROP_OLDEST
                : world_one_in(w, 6) ? ELO_CLIENT_DROP_NEWEST
                                     : ELO_CLIENT_REFUSE;
    if (world_one_in(w, 4)) {
        c->stable_ms = 5000;
        c->backoff_cap_ms = 4000;
        c->backoff_floor_ms = 0;
    }
    if (world_one_in(w, 6)) {
        c->retry_ms = 0;
    }
    c->rx = d->rx;
    c->rx_size = !w->calm && world_one_in(w, 4) ? 64 + (size_t)world_roll(w, 300) : sizeof d->rx;
    c->tx = d->tx;
    c->tx_size = 160 + (size_t)world_roll(w, 90);
    c->outbox = d->outbox;
    c->outbox_size = world_one_in(w, 3) ? 200 + (size_t)world_roll(w, 1000) : sizeof d->outbox;
    if (w->flood) {
        c->keep_alive_s = 240;
        c->policy = ELO_CLIENT_REFUSE;
        c->rx_size = sizeof d->rx;
        c->outbox_size = sizeof d->outbox;
    }
    c->subs = d->subs;
    c->subs_count = WORLD_FILTERS;
    c->random = engine_random;
    c->random_ctx = w;
    choose_will(w, d);
    choose_version(w, d);
}

/* Some clocks wrap within the run, others are about to pass the middle. */
static void choose_clock(struct world *w, struct world_device *d)
{
    int64_t ahead = world_within(w, 0, 200000);
    switch (world_roll(w, 4)) {
    case 0:
        d->clock_offset = ((int64_t)1 << 32) - w->now - ahead;
        w->tally.wraps++;
        break;
    case 1:
        d->clock_offset = ((int64_t)1 << 31) - w->now - ahead;
        break;
    default:
        d->clock_offset = -w->now;
    }
}

static unsigned certificate_of(const struct world_device *d)
{
    switch (d->crime) {
    case CRIME_BARE:
        return WORLD_BARE;
    case CRIME_INACTIVE:
        return WORLD_INACTIVE;
    case CRIME_STRANGER:
        return WORLD_STRANGER;
    default:
        return d->who;
    }
}

/* The session may know filters of the life before, which nobody wants any more. */
static void subscribe_all(struct world *w, struct world_device *d, bool again)
{
    for (size_t i = 0; i < WORLD_FILTERS; i++) {
        elo_span filter = elo_span_str(d->texts[i]);
        elo_err err = ELO_OK;
        if (d->wants[i] != 0) {
            err = elo_client_subscribe(&d->client, filter, (uint8_t)(d->wants[i] - 1));
        } else if (again && filter.len > 0) {
            err = elo_client_unsubscribe(&d->client, filter);
        }
        if (err != ELO_OK) {
            world_fail(w, "%s: filter %s is refused with %d", world_name(d->who), d->texts[i],
                       (int)err);
        }
    }
}

/* A fresh engine: at the start, and `again` after the power was gone. */
static void boot(struct world *w, struct world_device *d, bool again)
{
    if (elo_client_init(&d->client, &d->config) != ELO_OK) {
        world_fail(w, "%s: elo_client_init refuses the configuration", world_name(d->who));
    }
    subscribe_all(w, d, again);
    d->link = NULL;
    d->dial_from = w->now;
    d->fails = 0;
    d->started = false;
    d->saw_online = false;
    d->session++;
    d->begun_once = false;
}

void world_devices_make(struct world *w)
{
    for (unsigned i = 0; i < w->device_count; i++) {
        struct world_device *d = &w->devices[i];
        bool last = i + 1 == w->device_count;
        d->who = last && world_one_in(w, 3) && !w->calm ? (unsigned)WORLD_MALLORY
                 : i == 1                               ? (unsigned)WORLD_STATION
                                                        : i - (i > 1);
        if (d->who == WORLD_MALLORY) {
            d->crime = (enum world_crime)(1 + world_roll(w, CRIME_COUNT - 1));
        }
        d->certificate = certificate_of(d);
        d->app_lazy_ms = world_one_in(w, 4) ? 400 : 0;
        d->app_at = WORLD_NEVER;
        d->start_at = w->now + world_within(w, 0, 3000);
        d->act_at = d->start_at + world_within(w, 0, 4000);
        choose_filters(w, d);
        choose_config(w, d);
        choose_clock(w, d);
        boot(w, d, false);
    }
}

/* --- the application ---------------------------------------------------------------------------
 */

static const char *data_topic(struct world *w, struct world_message *m, struct world_device *d)
{
    const char *name = world_name(d->who);
    unsigned pump = w->flood ? (unsigned)WORLD_PUMP_1 : (unsigned)world_roll(w, 3);
    if (d->crime == CRIME_PUBLISH && world_one_in(w, 3)) {
        snprintf(m->topic, sizeof m->topic, "%s/pump-1", world_one_in(w, 2) ? "cmd" : "status");
    } else if (world_one_in(w, 6)) {
        snprintf(m->topic, sizeof m->topic, "status/%s", name);
        m->retain = !world_one_in(w, 4);
    } else if (d->who == WORLD_STATION) {
        snprintf(m->topic, sizeof m->topic, "cmd/%s", world_name(pump));
    } else if (world_one_in(w, 8)) {
        snprintf(m->topic, sizeof m->topic, "fleet/%s/private", name);
    } else {
        snprintf(m->topic, sizeof m->topic, "fleet/%s/data", name);
        m->retain = d->crime == CRIME_RETAIN && world_one_in(w, 3);
    }
    return m->topic;
}

static size_t some_length(struct world *w)
{
    if (world_one_in(w, 12)) {
        return 400 + (size_t)world_roll(w, 700);
    }
    return 6 + (size_t)world_roll(w, world_one_in(w, 3) ? 200 : 30);
}

static void describe(struct world *w, struct world_device *d, struct world_message *m)
{
    m->qos = world_one_in(w, 6) ? 0 : 1;
    m->published = true;
    if (m->kind == KIND_CLEAR) {
        snprintf(m->topic, sizeof m->topic, "status/%s", world_name(d->who));
        m->retain = true;
        m->qos = 1;
        m->routed_then = w->messages[1 + WORLD_CLIENTS + d->who].routed;
        return;
    }
    m->len = some_length(w);
    (void)data_topic(w, m, d);
}

/* Was it right to refuse? */
static void refused(struct world *w,
                    struct world_device *d,
                    const struct elo_client_message *m,
                    elo_err err,
                    size_t room)
{
    size_t need = ELO_CLIENT_MESSAGE_OVERHEAD + 2 + 2 + m->topic.len + m->payload.len +
                  (m->qos > 0 ? 2u : 0u);
    bool fair = (err == ELO_E_OUTBOX_FULL && need + 2 > room) ||
                (err == ELO_E_TOO_LARGE && need + 2 > d->config.outbox_size) ||
                (err == ELO_E_NOT_CONNECTED && m->qos == 0 && !d->config.queue_qos0 && !online(d));
    w->tally.refused++;
    if (!fair) {
        world_fail(w, "%s: publishing %zu bytes with room for %zu is refused with %d",
                   world_name(d->who), need, room, (int)err);
    }
}

static void drain_events(struct world *w, struct world_device *d);

static void publish(struct world *w, struct world_device *d)
{
    if (w->budget == 0 || w->message_count == WORLD_MESSAGES) {
        return;
    }
    enum world_kind kind =
        world_one_in(w, 24) && d->crime != CRIME_CLIENT_ID ? KIND_CLEAR : KIND_DATA;
    unsigned id = world_message_new(w, kind, d->who);
    struct world_message *m = &w->messages[id];
    uint8_t room[WORLD_PAYLOAD];
    describe(w, d, m);
    const struct elo_client_message message = {.topic = elo_span_str(m->topic),
                                               .payload = world_message_payload(w, id, room),
                                               .qos = m->qos,
                                               .retain = m->retain,
                                               .token = id};
    size_t space = elo_client_room(&d->client);
    elo_err err = elo_client_publish(&d->client, &message);
    if (err != ELO_OK) {
        w->message_count--; /* nobody will hear of it */
        refused(w, d, &message, err, space);
        return;
    }
    w->budget--;
    w->tally.published++;
    if (d->config.policy != ELO_CLIENT_REFUSE) {
        drain_events(w, d); /* who needs each token asks after each publish */
    }
    world_note(w, "%s publishes m%04u to %s, qos %u%s, %zu bytes", world_name(d->who), id, m->topic,
               m->qos, m->retain ? ", retain" : "", m->len);
}

static void change_filters(struct world *w, struct world_device *d)
{
    size_t i = 1 + (size_t)world_roll(w, WORLD_FILTERS - 1);
    elo_span filter = elo_span_str(d->texts[i]);
    if (filter.len == 0 || d->crime == CRIME_SUBSCRIBE) {
        return;
    }
    uint16_t wants = d->wants[i] != 0 ? 0 : (uint16_t)(1 + world_roll(w, 2));
    elo_err err = wants == 0 ? elo_client_unsubscribe(&d->client, filter)
                             : elo_client_subscribe(&d->client, filter, (uint8_t)(wants - 1));
    if (err != ELO_OK) {
        world_fail(w, "%s: a change of subscription is refused with %d", world_name(d->who),
                   (int)err);
    }
    d->wants[i] = wants;
    world_note(w, "%s wants %s: %u", world_name(d->who), d->texts[i], wants);
}

/* A connection that has lasted begins the backoff anew. */
static void note_stable(const struct world *w, struct world_device *d)
{
    if (online(d) && w->now - d->online_since >= d->config.stable_ms) {
        d->fails = 0;
    }
}

void world_device_start(struct world *w, struct world_device *d)
{
    d->start_at = WORLD_NEVER;
    if (elo_client_get_state(&d->client) == ELO_CLIENT_STOPPED) {
        d->fails = 0;
        d->dial_from = w->now;
    }
    d->started = true;
    elo_client_start(&d->client, world_device_clock(w, d));
    world_note(w, "%s starts", world_name(d->who));
}

void world_device_stop(struct world *w, struct world_device *d)
{
    d->started = false;
    note_stable(w, d);
    elo_client_stop(&d->client, world_device_clock(w, d));
    world_note(w, "%s stops", world_name(d->who));
}

/* A nap, seldom one that its session does not survive. */
static void nap(struct world *w, struct world_device *d)
{
    bool long_one = world_one_in(w, 40);
    world_device_stop(w, d);
    d->start_at = w->now + world_within(w, 0, 40000);
    if (long_one) {
        d->start_at = w->now + world_within(w, 3500000, 3700000);
        d->act_at = d->start_at;
        w->heal_at = d->start_at + 10000;
    }
}

/* The power fails: what was in memory is gone, the server hears nothing, or a reset. */
static void reboot(struct world *w, struct world_device *d)
{
    if (d->link != NULL) {
        d->link->device_side = false;
        d->link->open_at = WORLD_NEVER;
        if (world_one_in(w, 2)) {
            world_hang_up(w, d->link, &d->link->up);
        }
    }
    for (unsigned i = 0; i < w->message_count; i++) {
        struct world_message *m = &w->messages[i];
        if (m->published && m->who == d->who && m->fate == FATE_OPEN) {
            m->fate = FATE_FORGOTTEN;
            w->tally.forgotten++;
        }
    }
    d->clock_offset = -w->now;
    d->app_at = WORLD_NEVER;
    boot(w, d, true);
    d->start_at = w->now + world_within(w, 50, 5000);
    w->tally.reboots++;
    world_note(w, "%s loses power", world_name(d->who));
}

static void act(struct world *w, struct world_device *d)
{
    uint64_t dice = world_roll(w, 100);
    if (w->calm || w->flood || dice < 70 || d->crime != CRIME_NONE) {
        for (uint64_t n = world_one_in(w, 6) ? 1 + world_roll(w, 12) : 1; n > 0; n--) {
            publish(w, d);
        }
    } else if (dice < 84) {
        change_filters(w, d);
    } else if (dice < 90) {
        if (d->started) {
            nap(w, d);
        }
    } else if (dice < 92) {
        reboot(w, d);
    } else if (dice < 94) {
        elo_client_retry_now(&d->client, world_device_clock(w, d));
        d->dial_from = w->now;
    }
}

/* --- events ------------------------------------------------------------------------------------
 */

static void check_wait(struct world *w, const struct world_device *d, uint32_t wait_ms)
{
    if (wait_ms != d->wait_ms) {
        world_fail(w, "%s: DISCONNECTED tells a backoff of %u ms, the deadline is %u ms",
                   world_name(d->who), wait_ms, d->wait_ms);
    }
}

static void on_event(struct world *w, struct world_device *d, const struct elo_client_event *e)
{
    world_model_hands(w, d, e);
    if (e->type == ELO_CLIENT_DISCONNECTED && e->u.disconnected.will_retry &&
        elo_client_get_state(&d->client) == ELO_CLIENT_WAITING) {
        check_wait(w, d, e->u.disconnected.wait_ms);
    }
    if (e->type == ELO_CLIENT_MESSAGE && !w->calm && world_one_in(w, 8)) {
        publish(w, d); /* any call may be made from inside the handling of an event */
    }
}

static void drain_events(struct world *w, struct world_device *d)
{
    struct elo_client_event e;
    d->app_at = WORLD_NEVER;
    while (!world_failed(w) && elo_client_next_event(&d->client, &e)) {
        on_event(w, d, &e);
    }
}

/* At once, or when the application gets to it. */
static void offer_events(struct world *w, struct world_device *d)
{
    if (d->app_lazy_ms == 0 || w->healed) {
        drain_events(w, d);
    } else if (d->app_at == WORLD_NEVER) {
        d->app_at = w->now + world_within(w, 0, d->app_lazy_ms);
    }
}

/* --- the transport -----------------------------------------------------------------------------
 */

static void let_go(struct world *w, struct world_device *d, bool hang_up)
{
    struct world_link *l = d->link;
    d->link = NULL;
    l->device_side = false;
    l->open_at = WORLD_NEVER;
    if (l->sent.len > 0) {
        d->begun_once = true;
        w->tally.unfinished++;
    }
    if (hang_up) {
        world_hang_up(w, l, &l->up);
    }
}

static bool waits_between(const struct world_device *d, uint64_t low, uint64_t high)
{
    uint64_t floor = d->config.backoff_floor_ms;
    return d->wait_ms >= floor + low && d->wait_ms <= floor + high;
}

/* MQTT 5 says that it will not be let in: then it waits for long from the beginning on. */
static bool waits_for_a_person(const struct world_device *d)
{
    uint64_t cap = d->config.backoff_cap_ms;
    return d->config.mqtt5 != NULL && waits_between(d, cap / 2, cap);
}

/* The backoff just chosen: within its bounds? They are worked out from client.h alone. */
static void check_backoff(struct world *w, struct world_device *d)
{
    const struct elo_client_config *c = &d->config;
    uint32_t at;
    if (elo_client_get_state(&d->client) != ELO_CLIENT_WAITING ||
        !elo_client_next_deadline(&d->client, &at)) {
        return;
    }
    uint64_t high = c->backoff_base_ms;
    for (unsigned i = 0; i < d->fails && high < c->backoff_cap_ms; i++) {
        high *= 2;
    }
    high = high < c->backoff_cap_ms ? high : c->backoff_cap_ms;
    d->wait_ms = at - world_device_clock(w, d);
    d->dial_from = w->now + d->wait_ms;
    d->fails++;
    if (!waits_between(d, 0, high) && !waits_for_a_person(d)) {
        world_fail(w, "%s: the backoff no. %u is %u ms, not %u to %u", world_name(d->who), d->fails,
                   d->wait_ms, c->backoff_floor_ms, (unsigned)(c->backoff_floor_ms + high));
    }
}

static void tell_closed(struct world *w, struct world_device *d, elo_err why)
{
    note_stable(w, d);
    if (w->calm && d->started) {
        world_fail(w, "%s loses its connection (%d) in a calm world", world_name(d->who), (int)why);
    }
    d->saw_online = false;
    elo_client_transport_closed(&d->client, why, world_device_clock(w, d));
    check_backoff(w, d);
    offer_events(w, d);
}

void world_device_closed(struct world *w, struct world_device *d, elo_err why)
{
    world_note(w, "%s: link %u is closed (%d)", world_name(d->who), d->link->serial, (int)why);
    let_go(w, d, !world_one_in(w, 4));
    tell_closed(w, d, why);
}

void world_device_opened(struct world *w, struct world_device *d, elo_err err)
{
    if (err != ELO_OK) {
        w->tally.dial_failures++;
        world_note(w, "%s: link %u fails to open (%d)", world_name(d->who), d->link->serial,
                   (int)err);
        let_go(w, d, world_one_in(w, 2));
        tell_closed(w, d, err);
        return;
    }
    elo_client_transport_open(&d->client, world_device_clock(w, d));
    world_device_run(w, d);
}

static void note_online(struct world *w, struct world_device *d)
{
    if (online(d) && !d->saw_online) {
        d->saw_online = true;
        d->online_since = w->now;
        d->present = d->link->is.present;
        if (!d->link->is.accepted) {
            world_fail(w, "%s is connected without a good CONNECT", world_name(d->who));
        }
        if (!d->present) {
            d->session++;
            d->begun_once = false;
        }
    }
}

size_t world_device_read(struct world *w, struct world_device *d, elo_span bytes)
{
    size_t taken = 0;
    for (;;) {
        size_t n =
            elo_client_input(&d->client, elo_span_from(bytes, taken), world_device_clock(w, d));
        taken += n;
        note_online(w, d);
        offer_events(w, d);
        if (n == 0 || taken == bytes.len || world_failed(w)) {
            break;
        }
    }
    world_device_run(w, d);
    return taken;
}

/* What has been written, as whole packets, is the model's to judge. */
static void written(struct world *w, struct world_device *d, elo_span bytes)
{
    struct world_link *l = d->link;
    elo_span packet;
    if (!world_tap_add(&l->sent, bytes)) {
        world_fail(w, "%s writes what is no packet", world_name(d->who));
    }
    while (!world_failed(w) && world_tap_next(&l->sent, &packet)) {
        size_t len = packet.len;
        if (packet.ptr[0] >> 4 != ELO_MQTT_CONNECT && !d->saw_online) {
            world_fail(w, "%s writes a packet of type %u before the CONNACK", world_name(d->who),
                       packet.ptr[0] >> 4);
        }
        world_model_written(w, d, packet);
        world_tap_drop(&l->sent, len);
    }
}

static void write_output(struct world *w, struct world_device *d)
{
    elo_span out;
    while (!world_failed(w) && (out = elo_client_output_buf(&d->client)).len > 0) {
        size_t n = world_write(w, d->link, &d->link->up, out);
        if (n == 0) {
            d->begun_once = true;
            return;
        }
        written(w, d, elo_span_first(out, n));
        elo_client_output_ack(&d->client, n, world_device_clock(w, d));
    }
}

static void dial(struct world *w, struct world_device *d)
{
    if (w->now < d->dial_from) {
        world_fail(w, "%s dials %lld ms before the end of its backoff", world_name(d->who),
                   (long long)(d->dial_from - w->now));
    }
    d->link = world_dial(w, d);
}

static void close_as_wished(struct world *w, struct world_device *d)
{
    world_note(w, "%s closes link %u", world_name(d->who), d->link->serial);
    let_go(w, d, true);
    tell_closed(w, d, ELO_OK);
}

/* --- time --------------------------------------------------------------------------------------
 */

static int64_t tick_at(const struct world *w, const struct world_device *d)
{
    uint32_t at;
    if (!elo_client_next_deadline(&d->client, &at)) {
        return WORLD_NEVER;
    }
    int32_t left = (int32_t)(at - world_device_clock(w, d));
    return left > 0 ? w->now + left : w->now;
}

int64_t world_device_next(const struct world *w, const struct world_device *d)
{
    int64_t at = tick_at(w, d);
    at = d->app_at < at ? d->app_at : at;
    at = d->act_at < at ? d->act_at : at;
    at = d->start_at < at ? d->start_at : at;
    bool dials = elo_client_wants(&d->client) == ELO_CLIENT_WANTS_OPEN && d->link == NULL;
    return dials ? w->now : at;
}

static void tick(struct world *w, struct world_device *d)
{
    if (tick_at(w, d) > w->now) {
        return;
    }
    if (w->now / 1000 != d->ticks_second) {
        d->ticks_second = w->now / 1000;
        d->ticks = 0;
    }
    if (++d->ticks > TICKS_PER_SECOND_MAX) {
        world_fail(w, "%s keeps itself busy: %u ticks in a second, state %d", world_name(d->who),
                   d->ticks, (int)elo_client_get_state(&d->client));
    }
    elo_client_tick(&d->client, world_device_clock(w, d));
    note_stable(w, d);
}

void world_device_run(struct world *w, struct world_device *d)
{
    if (d->start_at <= w->now) {
        world_device_start(w, d);
    }
    if (d->act_at <= w->now) {
        d->act_at =
            w->budget > 0 && !w->healed ? w->now + world_within(w, 1, 2 * w->pace_ms) : WORLD_NEVER;
        act(w, d);
    }
    tick(w, d);
    if (d->app_at <= w->now) {
        drain_events(w, d);
    }
    bool wants = elo_client_wants(&d->client) == ELO_CLIENT_WANTS_OPEN;
    if (wants && d->link == NULL) {
        dial(w, d);
    } else if (wants && d->link->open_at == WORLD_NEVER) {
        write_output(w, d);
        wants = elo_client_wants(&d->client) == ELO_CLIENT_WANTS_OPEN;
    }
    if (!wants && d->link != NULL) {
        close_as_wished(w, d);
    }
    offer_events(w, d);
}
