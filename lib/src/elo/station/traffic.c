// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What goes up and comes down.
 *
 * Telemetry goes from the queue in flash into the client's outbox, a window at a time; its queue id
 * is the token, so that the PUBACK marks it. The client keeps what it was given over connections,
 * so `fed`, the last id it was given, only moves on. A restart forgets both: then everything not
 * marked is given again, in order. Replies and states have the token 0 and no place in flash.
 *
 * The description goes first and alone, with QoS 0 and a ping behind it: when the server closes the
 * connection for it, there is no doubt what for, and nothing else is in flight.
 */
#include "elo/base/flash.h"
#include "elo/station/internal.h"

static const char T_TELEMETRY[] ELO_FLASH = "/telemetry";
static const char T_STATE[] ELO_FLASH = "/state";
static const char T_REPLY[] ELO_FLASH = "/reply";
static const char T_DESCRIBE[] ELO_FLASH = "/describe";

#define EVENTS_MAX     16   /* in one step */
#define DESCRIBE_MS    5000 /* telemetry waits no longer for the description */
#define DESCRIBE_TRIES 3    /* connections lost over it and none kept, whatever the reason seemed */
#define REPLY_WAIT_MS  5000 /* a restart waits no longer for its reply to arrive */

static elo_span scratch(const struct elo_station *s, size_t len)
{
    return elo_span_of(s->_internal.config->scratch, len);
}

/* `len` bytes of scratch. Inlined, the message and the topic's text would share one frame, too
 * large for the board. */
static __attribute__((noinline)) elo_err
send(struct elo_station *s, elo_span topic, size_t len, uint8_t qos, uint32_t token)
{
    struct elo_client_message m;
    memset(&m, 0, sizeof m);
    m.topic = topic;
    m.payload = scratch(s, len);
    m.qos = qos;
    m.retain = qos == 0;
    m.token = token;
    return elo_client_publish(&s->client, &m);
}

/* The topic below our prefix into `text`, ELO_STATION_TOPIC_MAX bytes; its length. */
static size_t write_topic(const struct elo_station *s, const char *topic, char *text)
{
    struct elo__line l;
    elo__line_init(&l, text, ELO_STATION_TOPIC_MAX);
    elo__line_text(&l, elo_span_str(s->_internal.config->prefix));
    elo__line_word(&l, topic);
    return l.len;
}

/* `len` bytes of scratch. */
static elo_err
publish(struct elo_station *s, const char *topic, size_t len, uint8_t qos, uint32_t token)
{
    char text[ELO_STATION_TOPIC_MAX];
    return send(s, elo_span_of(text, write_topic(s, topic, text)), len, qos, token);
}

static void tell_err(struct elo_station *s, elo_station_news_type type, elo_err err)
{
    struct elo_station_news n;
    memset(&n, 0, sizeof n);
    n.type = type;
    n.err = err;
    elo__tell(s, &n);
}

static void tell_text(struct elo_station *s, elo_station_news_type type, size_t len, elo_err err)
{
    struct elo_station_news n;
    memset(&n, 0, sizeof n);
    n.type = type;
    n.err = err;
    n.u.text = scratch(s, len);
    elo__tell(s, &n);
}

static void tell_dropped(struct elo_station *s, uint32_t count)
{
    struct elo_station_news n;
    s->_internal.dropped += count;
    memset(&n, 0, sizeof n);
    n.type = ELO_STATION_NEWS_DROPPED;
    n.u.count = count;
    elo__tell(s, &n);
}

/* --- up: the queue -------------------------------------------------------------------------------
 */

/* Gives up the oldest that are not on their way until one more may wait. */
static void make_room(struct elo_station *s)
{
    struct elo_queue *q = s->_internal.config->queue;
    uint32_t max = s->_internal.config->queue_max, dropped = 0;
    struct elo_queue_record r;
    while (max != 0 && elo_queue_count(q) >= max + s->_internal.flying) {
        elo_err err = elo_queue_peek(q, s->_internal.fed, NULL, 0, &r);
        if ((err != ELO_OK && err != ELO_E_NO_SPACE) || elo_queue_mark(q, r.id) != ELO_OK) {
            break;
        }
        dropped++;
    }
    if (dropped > 0) {
        tell_dropped(s, dropped);
    }
}

static void append(struct elo_station *s, size_t len)
{
    struct elo_queue *q = s->_internal.config->queue;
    make_room(s);
    uint32_t before = elo_queue_count(q);
    elo_err err = elo_queue_append(q, scratch(s, len), s->_internal.seq, NULL);
    uint32_t want = before + (err == ELO_OK);
    tell_text(s, ELO_STATION_NEWS_TELEMETRY, len, err);
    if (elo_queue_count(q) < want) {
        tell_dropped(s, want - elo_queue_count(q));
    } else if (err == ELO_E_OUTBOX_FULL) {
        s->_internal.dropped++;
    }
}

void elo__measure(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    const struct elo_station_config *config = s->_internal.config;
    struct elo_board_reading r;
    memset(&r, 0, sizeof r);
    board->read(board->ctx, &r);
    elo__see(s, &r);
    uint32_t unix_s = elo_station_is_online(s) ? 0 : elo__unix(s);
    bool health = config->health_s != 0 && s->_internal.uptime_s >= s->_internal.health_at;
    size_t len = elo__write_telemetry(s, &r, unix_s, health);
    if (len == 0 && health) {
        health = false;
        len = elo__write_telemetry(s, &r, unix_s, false);
    }
    if (health) {
        s->_internal.health_at = s->_internal.uptime_s + config->health_s;
    }
    s->_internal.seq++;
    if (len == 0) {
        tell_err(s, ELO_STATION_NEWS_UNSENT, ELO_E_NO_SPACE);
        return;
    }
    append(s, len);
}

/* A message that can never be sent does not hold up the others. */
static void give_up(struct elo_station *s, uint32_t id)
{
    if (elo_queue_mark(s->_internal.config->queue, id) == ELO_OK) {
        tell_dropped(s, 1);
    }
    s->_internal.fed = id;
}

/* The description is on its way. */
static bool is_described(const struct elo_station *s)
{
    return s->_internal.describe == ELO__DESCRIBE_SENT ||
           s->_internal.describe == ELO__DESCRIBE_ASKED;
}

/* That, or about to be. */
static bool is_describing(const struct elo_station *s)
{
    return (s->_internal.describe_due || is_described(s)) &&
           s->_internal.now_ms - s->_internal.online_ms < DESCRIBE_MS;
}

/* One message of the queue to the client; true if there may be another. */
static bool feed(struct elo_station *s)
{
    const struct elo_station_config *c = s->_internal.config;
    struct elo_queue_record r;
    if (!elo_station_is_online(s) || is_describing(s) || s->_internal.leaving != ELO__STAYS ||
        s->_internal.flying >= c->window || elo_queue_count(c->queue) <= s->_internal.flying) {
        return false;
    }
    elo_err err = elo_queue_peek(c->queue, s->_internal.fed, c->scratch, c->scratch_size, &r);
    if (err == ELO_E_NO_SPACE) {
        give_up(s, r.id);
        return true;
    }
    if (err == ELO_E_NOT_FOUND && s->_internal.flying == 0) {
        s->_internal.fed = 0; /* its place in flash is another's now */
        return true;
    }
    if (err != ELO_OK || elo_client_room(&s->client) < ELO_STATION_OUTBOX_BYTES(r.len)) {
        return false;
    }
    err = publish(s, T_TELEMETRY, r.len, 1, r.id);
    if (err == ELO_E_OUTBOX_FULL) {
        return false;
    }
    if (err != ELO_OK) {
        give_up(s, r.id);
        return true;
    }
    s->_internal.fed = r.id;
    s->_internal.flying++;
    return true;
}

/* --- up: state, description ----------------------------------------------------------------------
 */

static void say_state(struct elo_station *s)
{
    size_t len = elo__write_state(s);
    elo_err err = publish(s, T_STATE, len, 1, 0);
    if (err == ELO_E_OUTBOX_FULL) {
        return; /* later */
    }
    s->_internal.state_due = false;
    tell_text(s, ELO_STATION_NEWS_STATE, len, err);
}

static void say_description(struct elo_station *s)
{
    size_t len = elo__write_describe(s);
    s->_internal.describe_due = false;
    if (len > 0 && publish(s, T_DESCRIBE, len, 0, 0) == ELO_OK) {
        s->_internal.describe = ELO__DESCRIBE_SENT;
    }
}

/* Behind the description, once it is written: a ping, whose answer says that it was let through. */
static void ask_whether_taken(struct elo_station *s)
{
    if (elo_client_pending(&s->client) == 0 &&
        elo_client_ping(&s->client, s->_internal.now_ms) == ELO_OK) {
        s->_internal.describe = ELO__DESCRIBE_ASKED;
    }
}

static void say_what_is_due(struct elo_station *s)
{
    if (!elo_station_is_online(s)) {
        return;
    }
    if (s->_internal.state_due) {
        say_state(s);
    } else if (s->_internal.describe_due && elo_client_pending(&s->client) == 0) {
        say_description(s);
    } else if (s->_internal.describe == ELO__DESCRIBE_SENT) {
        ask_whether_taken(s);
    }
}

/* --- down: commands ------------------------------------------------------------------------------
 */

/* Was this very command seen before? If not, it has been now. */
static bool is_known(struct elo_station *s, const struct elo__command *c)
{
    size_t at = ELO_STATION_IDS;
    for (size_t i = 0; i < ELO_STATION_IDS; i++) {
        if (s->_internal.ids[i].id == c->id_hash) {
            at = i;
        }
    }
    if (at < ELO_STATION_IDS && s->_internal.ids[at].words == c->words_hash) {
        return true;
    }
    if (at == ELO_STATION_IDS) {
        at = s->_internal.id_next;
        s->_internal.id_next = (uint8_t)((at + 1) % ELO_STATION_IDS);
    }
    s->_internal.ids[at].id = c->id_hash;
    s->_internal.ids[at].words = c->words_hash;
    return false;
}

static void execute(struct elo_station *s, const struct elo__command *c)
{
    const struct elo_board *board = s->_internal.config->board;
    bool relay = c->relay != s->_internal.relay;
    if (relay || c->led != s->_internal.led || c->interval_s != s->_internal.interval_s) {
        s->_internal.state_due = true;
        s->_internal.next_ms = s->_internal.now_ms + c->interval_s * 1000u;
    }
    s->_internal.led = c->led;
    s->_internal.relay = c->relay;
    s->_internal.interval_s = c->interval_s;
    if (relay) {
        board->relay(board->ctx, c->relay);
    }
    if (c->identify_s != 0) {
        s->_internal.identify_s = c->identify_s;
        s->_internal.identify_ms = s->_internal.now_ms;
    }
    if (c->restart && s->_internal.leaving == ELO__STAYS) {
        s->_internal.kept.restart_id = c->id_hash;
        s->_internal.kept.restart_words = c->words_hash;
        elo__keep(s);
        s->_internal.leaving = ELO__RESTART_WANTED;
        s->_internal.leave_ms = s->_internal.now_ms + REPLY_WAIT_MS;
    }
}

static void on_command(struct elo_station *s, elo_span text)
{
    struct elo__command c;
    struct elo_station_news n;
    memset(&n, 0, sizeof n);
    n.type = ELO_STATION_NEWS_COMMAND;
    elo__command_read(s, text, &c);
    n.u.command.is_one = c.id.len > 0;
    if (!n.u.command.is_one) {
        elo__tell(s, &n);
        return;
    }
    n.u.command.accepted = c.error == NULL;
    n.u.command.again = c.error == NULL && is_known(s, &c);
    if (c.error == NULL && !n.u.command.again) {
        execute(s, &c);
    }
    elo__tell(s, &n);
    size_t len = elo__write_reply(s, c.id, c.error, c.describe && c.error == NULL);
    elo_err err = len > 0 ? publish(s, T_REPLY, len, 1, 0) : ELO_E_NO_SPACE;
    if (err != ELO_OK) {
        tell_err(s, ELO_STATION_NEWS_UNSENT, err);
    }
}

/* --- the client's events -------------------------------------------------------------------------
 */

static void count_cause(struct elo_station *s, elo_err reason)
{
    for (size_t i = 0; i < ELO_STATION_CAUSES; i++) {
        uint16_t *count = &s->_internal.causes[i].count;
        if (*count == 0 || s->_internal.causes[i].reason == (int16_t)reason) {
            s->_internal.causes[i].reason = (int16_t)reason;
            *count = (uint16_t)(*count + (*count < UINT16_MAX));
            return;
        }
    }
    s->_internal.other_causes =
        (uint16_t)(s->_internal.other_causes + (s->_internal.other_causes < UINT16_MAX));
}

static void on_connected(struct elo_station *s)
{
    s->_internal.online_ms = s->_internal.now_ms;
    s->_internal.state_due = true;
    s->_internal.describe_due = s->_internal.describe != ELO__DESCRIBE_REFUSED;
    if (!s->_internal.was_online) {
        s->_internal.next_ms = s->_internal.now_ms; /* no need to queue the first reading */
    }
    s->_internal.was_online = true;
}

static void on_disconnected(struct elo_station *s, elo_err reason)
{
    s->_internal.reason = reason;
    if (reason != ELO_OK) {
        count_cause(s, reason);
    }
    if (is_described(s)) {
        bool refused = reason == ELO_E_CLOSED_AFTER_PUBLISH || reason == ELO_E_SERVER_REFUSED ||
                       ++s->_internal.describe_tries >= DESCRIBE_TRIES;
        s->_internal.describe = refused ? ELO__DESCRIBE_REFUSED : ELO__DESCRIBE_NEW;
    }
}

/* The client has done with a message, one way or the other. */
static void
land(struct elo_station *s, const struct elo_client_event *e, uint32_t token, elo_err result)
{
    struct elo_station_news n;
    memset(&n, 0, sizeof n);
    n.type = token == 0 ? ELO_STATION_NEWS_UNSENT : ELO_STATION_NEWS_DELIVERED;
    n.err = result;
    n.u.client = e;
    if (token == 0) {
        if (result != ELO_OK) {
            elo__tell(s, &n);
        }
        return;
    }
    s->_internal.flying = (uint8_t)(s->_internal.flying - (s->_internal.flying > 0));
    elo_err err = elo_queue_mark(s->_internal.config->queue, token);
    (void)
        err; /* given up meanwhile, or the flash is ill: then it comes once more after a restart */
    elo__tell(s, &n);
}

static void on_dropped(struct elo_station *s, const struct elo_client_event *e)
{
    land(s, e, e->u.dropped.first_token, e->u.dropped.reason);
    if (e->u.dropped.count > 1) {
        land(s, e, e->u.dropped.last_token, e->u.dropped.reason);
    }
}

static void on_event(struct elo_station *s, const struct elo_client_event *e)
{
    struct elo_station_news n;
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        on_connected(s);
        break;
    case ELO_CLIENT_DISCONNECTED:
        on_disconnected(s, e->u.disconnected.reason);
        break;
    case ELO_CLIENT_MESSAGE:
        if (s->_internal.leaving < ELO__RESTARTS) { /* else there would be no answer any more */
            on_command(s, e->u.message.payload);
        }
        return;
    case ELO_CLIENT_PUBLISHED:
        land(s, e, e->u.published.token, e->u.published.result);
        return;
    case ELO_CLIENT_DROPPED:
        on_dropped(s, e);
        return;
    case ELO_CLIENT_PONG:
        if (s->_internal.describe == ELO__DESCRIBE_ASKED) {
            s->_internal.describe = ELO__DESCRIBE_TAKEN;
            s->_internal.describe_tries = 0;
        }
        return;
    default:
        break;
    }
    memset(&n, 0, sizeof n);
    n.type = ELO_STATION_NEWS_CLIENT;
    n.u.client = e;
    elo__tell(s, &n);
}

static void measure_if_due(struct elo_station *s)
{
    uint32_t now = s->_internal.now_ms, step = s->_internal.interval_s * 1000u;
    if (s->_internal.paused || s->_internal.leaving != ELO__STAYS ||
        !elo__passed(now, s->_internal.next_ms)) {
        return;
    }
    elo__measure(s);
    s->_internal.next_ms += step;
    if (elo__passed(now, s->_internal.next_ms)) {
        s->_internal.next_ms = now + step; /* it was asleep */
    }
}

bool elo__traffic(struct elo_station *s)
{
    struct elo_client_event e;
    int events = 0;
    while (events < EVENTS_MAX && elo_client_next_event(&s->client, &e)) {
        on_event(s, &e);
        events++;
    }
    if (s->_internal.config->trial) {
        return events > 0;
    }
    measure_if_due(s);
    say_what_is_due(s);
    return feed(s) || events > 0;
}
