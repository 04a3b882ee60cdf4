// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a step looks at each layer from the bottom up - button, Wi-Fi, time, link,
 * traffic
 * - and at the LED. A layer works on what the one below it has: the link may connect (`gate`) when
 * there is a network and a time to judge certificates by. Nothing is remembered that can be asked.
 */
#include "elo/station/internal.h"

#define STEADY_S        10u /* a start that lasted so long was none of "five in a row" */
#define SHORT_BOOTS     5u
#define SETUP_MS        600000u /* a board that has its settings goes back to them */
#define REJOIN_MS       30000u  /* Wi-Fi: begin anew */
#define BUTTON_LONG_MS  5000u
#define BUTTON_SHORT_MS 50u
#define GOODBYE_MS      2000u
#define FIRST_HEALTH_S  60u
#define MAGIC           0x454C4F31u /* of what is kept */

bool elo__passed(uint32_t now, uint32_t at)
{
    return (int32_t)(now - at) >= 0;
}

void elo__tell(struct elo_station *s, const struct elo_station_news *news)
{
    const struct elo_station_config *c = s->_internal.config;
    if (c->tell != NULL) {
        c->tell(c->tell_ctx, news);
    }
}

static void end_question(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    if (s->_internal.time_open) {
        s->_internal.time_open = false;
        board->time_close(board->ctx);
    }
}

static void set_mode(struct elo_station *s, elo_station_mode mode)
{
    struct elo_station_news n;
    memset(&n, 0, sizeof n);
    if (mode != ELO_STATION_RUN) {
        end_question(s);
    }
    s->_internal.mode = (uint8_t)mode;
    n.type = ELO_STATION_NEWS_MODE;
    elo__tell(s, &n);
}

/* --- what survives the power ---------------------------------------------------------------------
 */

void elo__keep(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    uint32_t words[6] = {MAGIC,
                         s->_internal.kept.boots,
                         s->_internal.kept.floor,
                         s->_internal.kept.restart_id,
                         s->_internal.kept.restart_words,
                         s->_internal.kept.short_boots};
    elo_err err = board->keep(board->ctx, elo_span_of(words, sizeof words));
    (void)err; /* the flash is ill: the board works on, it only forgets more */
}

static void recall(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    uint32_t words[6];
    size_t len = 0;
    if (board->recall(board->ctx, (uint8_t *)words, sizeof words, &len) == ELO_OK &&
        len == sizeof words && words[0] == MAGIC) {
        s->_internal.kept.boots = words[1];
        s->_internal.kept.floor = words[2];
        s->_internal.kept.restart_id = words[3];
        s->_internal.kept.restart_words = words[4];
        s->_internal.kept.short_boots = words[5];
    }
}

/* Counts this start; true: it is the fifth short one in a row. */
static bool count_boot(struct elo_station *s)
{
    elo_reset reset = s->_internal.config->board->reset;
    bool by_hand = reset == ELO_RESET_POWER || reset == ELO_RESET_PIN;
    recall(s);
    s->_internal.ids[0].id = s->_internal.kept.restart_id;
    s->_internal.ids[0].words = s->_internal.kept.restart_words;
    s->_internal.id_next = 1;
    if (s->_internal.config->again || s->_internal.config->trial) {
        return false;
    }
    if (reset == ELO_RESET_WAKE) {
        return false; /* every few minutes: flash wears */
    }
    s->_internal.kept.boots++;
    s->_internal.kept.short_boots = by_hand ? s->_internal.kept.short_boots + 1 : 0;
    bool recover = s->_internal.kept.short_boots >= SHORT_BOOTS;
    if (recover) {
        s->_internal.kept.short_boots = 0;
    }
    elo__keep(s);
    return recover;
}

static void become_steady(struct elo_station *s)
{
    s->_internal.steady = true;
    if (s->_internal.kept.short_boots != 0) {
        s->_internal.kept.short_boots = 0;
        elo__keep(s);
    }
}

/* --- starting ------------------------------------------------------------------------------------
 */

static uint32_t random_word(void *ctx)
{
    const struct elo_board *board = ((const struct elo_station *)ctx)->_internal.config->board;
    uint32_t word = 0;
    if (board->entropy(board->ctx, (uint8_t *)&word, sizeof word) != ELO_OK) {
        return 0; /* waits are not spread then; TLS refuses to work */
    }
    return word;
}

static elo_err link_entropy(void *ctx, uint8_t *out, size_t len)
{
    const struct elo_board *board = ((const struct elo_station *)ctx)->_internal.config->board;
    return board->entropy(board->ctx, out, len);
}

/* The time to judge certificates by; 0: none. */
static uint32_t link_unix(void *ctx)
{
    const struct elo_station *s = (const struct elo_station *)ctx;
    const struct elo_board *board = s->_internal.config->board;
    uint32_t unix_s = 0;
    if (board->wall != NULL) {
        return board->wall(board->ctx);
    }
    return elo_clock_for_tls(&s->clock, s->_internal.now_ms, &unix_s) == ELO_OK ? unix_s : 0;
}

uint32_t elo__unix(const struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    uint32_t unix_s = 0;
    if (board->wall != NULL) {
        return board->wall(board->ctx);
    }
    return elo_clock_now(&s->clock, s->_internal.now_ms, &unix_s, NULL) ? unix_s : 0;
}

void elo_station_defaults(struct elo_station_config *config)
{
    memset(config, 0, sizeof *config);
    config->interval_s = 10;
    config->health_s = 300;
    config->window = 4;
}

/* The number of the last message that waits, so that the next one follows it. */
static void find_seq(struct elo_station *s)
{
    struct elo_queue_record r;
    elo_err err;
    memset(&r, 0, sizeof r);
    uint32_t last = 0;
    while ((err = elo_queue_peek(s->_internal.config->queue, last, NULL, 0, &r)) == ELO_OK ||
           err == ELO_E_NO_SPACE) {
        last = r.id;
        s->_internal.seq = r.user;
    }
}

static elo_err check(const struct elo_station_config *c)
{
    if (c->scratch_size < ELO_STATION_SCRATCH_MIN) {
        return ELO_E_NO_SPACE;
    }
    if (!c->is_set_up) {
        return ELO_OK;
    }
    size_t prefix = strlen(c->prefix);
    if (prefix == 0 || prefix + sizeof "/telemetry" > ELO_STATION_TOPIC_MAX) {
        return ELO_E_TOPIC;
    }
    return c->outbox_size < ELO_STATION_OUTBOX_BYTES(c->scratch_size) ? ELO_E_NO_SPACE : ELO_OK;
}

static elo_err start_client(struct elo_station *s)
{
    const struct elo_station_config *c = s->_internal.config;
    struct elo_client_config *client = &s->pump.start; /* too large for a stack */
    elo_client_defaults(client);
    client->client_id = elo_span_str(c->client_id);
    client->persistent = c->persistent;
    client->window = c->window > 8 ? c->window : 8;
    client->rx = c->rx;
    client->rx_size = c->rx_size;
    client->tx = c->tx;
    client->tx_size = c->tx_size;
    client->outbox = c->outbox;
    client->outbox_size = c->outbox_size;
    client->subs = s->_internal.subs;
    client->subs_count = 1;
    client->random = random_word;
    client->random_ctx = s;
    client->mqtt5 = c->mqtt5;
    elo_err err = elo_client_init(&s->client, client);
    if (err != ELO_OK) {
        return err;
    }
    struct elo__line l;
    elo__line_init(&l, s->_internal.cmd, sizeof s->_internal.cmd);
    elo__line_text(&l, elo_span_str(c->prefix));
    elo__line_text(&l, ELO_SPAN("/cmd"));
    return elo_client_subscribe(&s->client, elo_span_of(s->_internal.cmd, l.len), 1);
}

static void start_link(struct elo_station *s)
{
    const struct elo_station_config *c = s->_internal.config;
    struct elo_link_config *link = &s->_internal.link_config;
    link->tls = c->tls;
    link->net = c->net;
    link->client = &s->client;
    link->address = c->address;
    link->port = c->port;
    link->keep_session = c->keep_session;
    link->small_steps = c->small_steps;
    link->entropy = link_entropy;
    link->now_unix = link_unix;
    link->ctx = s;
    elo_link_init(&s->pump.link, link);
}

static elo_err start_clock(struct elo_station *s, uint32_t now_ms)
{
    struct elo_clock_config clock;
    if (s->_internal.config->clock != NULL) {
        clock = *s->_internal.config->clock;
    } else {
        elo_clock_defaults(&clock);
    }
    clock.saved_floor = s->_internal.kept.floor;
    clock.random = random_word;
    clock.random_ctx = s;
    return elo_clock_init(&s->clock, &clock, now_ms);
}

static void run(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    set_mode(s, ELO_STATION_RUN);
    if (board->wifi_join != NULL && !s->_internal.config->trial) {
        board->wifi_join(board->ctx);
    }
    s->_internal.wifi_since_ms = s->_internal.now_ms;
    elo_client_start(&s->client, s->_internal.now_ms);
}

elo_err
elo_station_init(struct elo_station *s, const struct elo_station_config *config, uint32_t now_ms)
{
    const struct elo_board *board = config->board;
    memset(s, 0, sizeof *s);
    s->_internal.config = config;
    s->_internal.mode = ELO_STATION_STOPPED;
    s->_internal.now_ms = now_ms;
    s->_internal.interval_s = config->interval_s;
    s->_internal.next_ms = now_ms + config->interval_s * 1000u;
    s->_internal.health_at = config->health_s < FIRST_HEALTH_S ? config->health_s : FIRST_HEALTH_S;
    elo_err err = check(config);
    if (err != ELO_OK) {
        return err;
    }
    bool recover = count_boot(s);
    find_seq(s);
    if (board->led != NULL) {
        board->led(board->ctx, false);
    }
    if (board->relay != NULL) {
        board->relay(board->ctx, false);
    }
    err = start_clock(s, now_ms);
    if (err == ELO_OK && config->is_set_up) {
        err = start_client(s);
    }
    if (err != ELO_OK) {
        return err;
    }
    if (config->is_set_up) {
        start_link(s);
    }
    if (recover || !config->is_set_up) {
        elo_station_set_up(s, now_ms);
    } else {
        run(s);
    }
    return ELO_OK;
}

/* --- set-up, button ------------------------------------------------------------------------------
 */

/* The client hears of it with the link's next step, and there is none for as long as set-up is
 * open. */
static void tell_of_cut(struct elo_station *s, uint32_t now_ms)
{
    if (elo_link_get_phase(&s->pump.link) == ELO_LINK_FAILED) {
        (void)elo_link_step(&s->pump.link, now_ms);
    }
}

void elo_station_set_up(struct elo_station *s, uint32_t now_ms)
{
    const struct elo_board *board = s->_internal.config->board;
    if (s->_internal.config->trial) {
        return; /* is open, and waits for what comes of it */
    }
    s->_internal.setup_ms = now_ms;
    if (s->_internal.mode == ELO_STATION_SETUP && s->_internal.config->is_set_up) {
        return; /* is open: ten minutes more */
    }
    if (s->_internal.config->is_set_up && board->wifi_leave != NULL) {
        elo_link_cut(&s->pump.link, ELO_E_NETWORK);
        tell_of_cut(s, now_ms);
        board->wifi_leave(board->ctx);
    }
    set_mode(s, ELO_STATION_SETUP);
    if (board->portal != NULL) {
        board->portal(board->ctx, true);
    }
}

static void step_setup(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    if (!s->_internal.config->is_set_up || s->_internal.now_ms - s->_internal.setup_ms < SETUP_MS) {
        return;
    }
    if (board->portal != NULL) {
        board->portal(board->ctx, false);
    }
    run(s);
}

static void short_press(struct elo_station *s)
{
    if (s->_internal.mode == ELO_STATION_RUN) {
        elo_client_retry_now(&s->client, s->_internal.now_ms);
        elo_clock_retry_now(&s->clock, s->_internal.now_ms);
        s->_internal.next_ms = s->_internal.now_ms;
    }
}

static void step_button(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    bool down = board->button != NULL && board->button(board->ctx);
    uint32_t held = s->_internal.now_ms - s->_internal.button_ms;
    if (down && !s->_internal.button_down) {
        s->_internal.button_ms = s->_internal.now_ms;
        s->_internal.button_used = false;
    } else if (down && held >= BUTTON_LONG_MS && !s->_internal.button_used) {
        s->_internal.button_used = true;
        elo_station_set_up(s, s->_internal.now_ms);
    } else if (!down && s->_internal.button_down && held >= BUTTON_SHORT_MS &&
               !s->_internal.button_used) {
        short_press(s);
    }
    s->_internal.button_down = down;
}

/* --- Wi-Fi and time ------------------------------------------------------------------------------
 */

static void step_wifi(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    elo_wifi was = (elo_wifi)s->_internal.wifi, is = ELO_WIFI_JOINED;
    uint32_t now = s->_internal.now_ms;
    if (board->wifi_status != NULL) {
        is = board->wifi_status(board->ctx, &s->_internal.rssi);
    }
    s->_internal.wifi = (uint8_t)is;
    if ((was == ELO_WIFI_JOINED) != (is == ELO_WIFI_JOINED)) {
        s->_internal.wifi_since_ms = now;
        if (is == ELO_WIFI_JOINED) {
            elo_clock_start(&s->clock, now);
            elo_clock_retry_now(&s->clock, now);
        } else {
            elo_clock_stop(&s->clock, now);
            elo_link_cut(&s->pump.link, ELO_E_NETWORK);
        }
    }
    if (is != ELO_WIFI_JOINED && now - s->_internal.wifi_since_ms >= REJOIN_MS) {
        s->_internal.wifi_since_ms = now;
        board->wifi_leave(board->ctx);
        board->wifi_join(board->ctx);
    }
}

static void ask_time(struct elo_station *s, uint8_t server)
{
    const struct elo_board *board = s->_internal.config->board;
    uint8_t question[ELO_SNTP_BYTES];
    elo_err err = board->time_resolve(board->ctx, server);
    if (err == ELO_NEED_MORE) {
        return;
    }
    if (err == ELO_OK) {
        elo_clock_question(&s->clock, question, s->_internal.now_ms);
        s->_internal.time_open = true;
        err = board->time_send(board->ctx, elo_span_of(question, sizeof question));
    }
    if (err != ELO_OK) {
        elo_clock_failed(&s->clock, err, s->_internal.now_ms);
    }
}

static void hear_time(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    uint8_t
        answer[ELO_SNTP_BYTES + 20]; /* a key and its digest may follow; they are not looked at */
    size_t len;
    if (board->time_recv(board->ctx, answer, sizeof answer, &len) == ELO_OK) {
        elo_err err = elo_clock_answer(&s->clock, elo_span_of(answer, len), s->_internal.now_ms);
        (void)err; /* not the answer: the wait goes on */
    }
}

static void time_events(struct elo_station *s)
{
    struct elo_clock_event e;
    while (elo_clock_next_event(&s->clock, &e)) {
        if (e.type == ELO_CLOCK_SAVE) {
            s->_internal.kept.floor = e.u.save.floor;
            elo__keep(s);
        } else if (e.type == ELO_CLOCK_SET) {
            s->_internal.time_failed = false;
        } else if (e.type == ELO_CLOCK_FAILED) {
            s->_internal.time_failed = true;
        }
    }
}

static void step_time(struct elo_station *s)
{
    uint8_t server = 0;
    if (s->_internal.config->board->wall != NULL) {
        return;
    }
    if (elo__passed(s->_internal.now_ms, elo_clock_next_deadline(&s->clock))) {
        elo_clock_tick(&s->clock, s->_internal.now_ms);
    }
    elo_clock_wish wish = elo_clock_wants(&s->clock, &server);
    if (wish == ELO_CLOCK_WANTS_QUESTION) {
        ask_time(s, server);
    } else if (wish == ELO_CLOCK_WANTS_ANSWER) {
        hear_time(s);
    } else {
        end_question(s);
    }
    time_events(s);
}

/* --- the link, leaving ---------------------------------------------------------------------------
 */

static bool step_link(struct elo_station *s)
{
    bool gate = s->_internal.wifi == ELO_WIFI_JOINED && link_unix(s) != 0;
    if (gate && !s->_internal.gate) {
        elo_client_retry_now(&s->client, s->_internal.now_ms);
    }
    s->_internal.gate = gate;
    if (gate || elo_link_get_phase(&s->pump.link) != ELO_LINK_IDLE) {
        return elo_link_step(&s->pump.link, s->_internal.now_ms);
    }
    elo_client_tick(&s->client, s->_internal.now_ms);
    return false;
}

void elo_station_stop(struct elo_station *s, uint32_t now_ms)
{
    if (s->_internal.mode != ELO_STATION_RUN) {
        set_mode(s, ELO_STATION_STOPPED);
        return;
    }
    s->_internal.leaving = ELO__STOPS;
    s->_internal.leave_ms = now_ms + GOODBYE_MS;
    elo_client_stop(&s->client, now_ms);
}

static void step_leaving(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    uint32_t now = s->_internal.now_ms;
    bool late = elo__passed(now, s->_internal.leave_ms);
    if (s->_internal.leaving == ELO__RESTART_WANTED) {
        if (late || elo_client_pending(&s->client) <= s->_internal.flying) {
            s->_internal.leaving = ELO__RESTARTS;
            s->_internal.leave_ms = now + GOODBYE_MS;
            elo_client_stop(&s->client, now);
        }
        return;
    }
    bool gone = elo_client_get_state(&s->client) == ELO_CLIENT_STOPPED &&
                elo_link_get_phase(&s->pump.link) == ELO_LINK_IDLE;
    if (s->_internal.leaving == ELO__STAYS || !(gone || late)) {
        return;
    }
    bool restart = s->_internal.leaving == ELO__RESTARTS;
    s->_internal.leaving = ELO__STAYS;
    set_mode(s, ELO_STATION_STOPPED);
    elo_link_deinit(&s->pump.link);
    if (restart) {
        board->restart(board->ctx);
    }
}

/* --- the LED -------------------------------------------------------------------------------------
 */

static elo_led failing(unsigned flashes)
{
    return flashes > 1 ? ELO_LED_ERROR : ELO_LED_OFFLINE;
}

static elo_led pattern(const struct elo_station *s, unsigned *flashes)
{
    elo_client_state state = elo_client_get_state(&s->client);
    *flashes = 0;
    if (s->_internal.identify_s != 0) {
        return ELO_LED_IDENTIFY;
    }
    if (s->_internal.mode == ELO_STATION_SETUP) {
        return ELO_LED_SETUP;
    }
    if (s->_internal.wifi != ELO_WIFI_JOINED) {
        *flashes = 2;
        return s->_internal.wifi >= ELO_WIFI_NO_NETWORK ? ELO_LED_ERROR : ELO_LED_WIFI;
    }
    if (!s->_internal.gate) {
        *flashes = 4;
        return s->_internal.time_failed ? ELO_LED_ERROR : ELO_LED_TIME;
    }
    if (state == ELO_CLIENT_ONLINE) {
        *flashes = s->_internal.led;
        return ELO_LED_ONLINE;
    }
    *flashes = elo_led_flashes(s->_internal.reason);
    return state == ELO_CLIENT_WAITING ? failing(*flashes) : ELO_LED_CONNECTING;
}

static void step_led(struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    unsigned flashes;
    uint32_t now = s->_internal.now_ms;
    if (s->_internal.identify_s != 0 &&
        now - s->_internal.identify_ms >= s->_internal.identify_s * 1000u) {
        s->_internal.identify_s = 0;
    }
    if (board->led == NULL) {
        return;
    }
    elo_led p = pattern(s, &flashes);
    if (p != s->_internal.led_pattern || flashes != s->_internal.led_flashes) {
        s->_internal.led_pattern = (uint8_t)p;
        s->_internal.led_flashes = (uint8_t)flashes;
        s->_internal.led_ms = now;
    }
    bool lit = board->led_is_level ? s->_internal.led
                                   : elo_led_is_lit(p, flashes, now - s->_internal.led_ms);
    if (lit != s->_internal.led_lit) {
        s->_internal.led_lit = lit;
        board->led(board->ctx, lit);
    }
}

/* --- step ----------------------------------------------------------------------------------------
 */

static void step_uptime(struct elo_station *s, uint32_t now_ms)
{
    uint32_t ms = s->_internal.uptime_ms + (now_ms - s->_internal.now_ms) % 1000u;
    s->_internal.uptime_s += (now_ms - s->_internal.now_ms) / 1000u + ms / 1000u;
    s->_internal.uptime_ms = ms % 1000u;
    s->_internal.now_ms = now_ms;
    if (!s->_internal.steady && s->_internal.uptime_s >= STEADY_S) {
        become_steady(s);
    }
}

bool elo_station_step(struct elo_station *s, uint32_t now_ms)
{
    bool busy = false;
    step_uptime(s, now_ms);
    step_button(s);
    if (s->_internal.mode == ELO_STATION_SETUP) {
        step_setup(s);
    } else if (s->_internal.mode == ELO_STATION_RUN) {
        step_wifi(s);
        step_time(s);
        busy = step_link(s);
        busy = elo__traffic(s) || busy;
        step_leaving(s);
    }
    step_led(s);
    return busy;
}

static uint32_t sooner(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t until(uint32_t now, uint32_t at)
{
    return elo__passed(now, at) ? 0 : at - now;
}

/* The LED blinks, the button, the Wi-Fi and a time server are looked at by polling. */
static uint32_t polling_ms(const struct elo_station *s)
{
    const struct elo_board *board = s->_internal.config->board;
    bool blinks =
        board->led != NULL && !board->led_is_level && s->_internal.led_pattern != ELO_LED_ONLINE;
    if (blinks || board->button != NULL || s->_internal.time_open) {
        return 20;
    }
    return board->wifi_status != NULL || s->_internal.leaving != ELO__STAYS ? 100 : 1000;
}

uint32_t elo_station_wait_ms(const struct elo_station *s, uint32_t now_ms)
{
    uint32_t left = polling_ms(s);
    if (s->_internal.mode != ELO_STATION_RUN) {
        return left;
    }
    if (!s->_internal.paused) {
        left = sooner(left, until(now_ms, s->_internal.next_ms));
    }
    if (s->_internal.gate || elo_link_get_phase(&s->pump.link) != ELO_LINK_IDLE) {
        left = sooner(left, elo_link_wait_ms(&s->pump.link, now_ms));
    }
    return left;
}

/* --- the rest ------------------------------------------------------------------------------------
 */

void elo_station_pause(struct elo_station *s, bool paused)
{
    s->_internal.paused = paused;
}

elo_station_mode elo_station_get_mode(const struct elo_station *s)
{
    return (elo_station_mode)s->_internal.mode;
}

bool elo_station_is_online(const struct elo_station *s)
{
    return elo_client_get_state(&s->client) == ELO_CLIENT_ONLINE;
}

size_t elo_station_pending(const struct elo_station *s)
{
    size_t all = elo_queue_count(s->_internal.config->queue) + elo_client_pending(&s->client);
    return all > s->_internal.flying ? all - s->_internal.flying : 0;
}

bool elo_station_led(const struct elo_station *s)
{
    return s->_internal.led;
}

bool elo_station_relay(const struct elo_station *s)
{
    return s->_internal.relay;
}

uint16_t elo_station_interval_s(const struct elo_station *s)
{
    return s->_internal.interval_s;
}

struct elo_link *elo_station_link(struct elo_station *s)
{
    return &s->pump.link;
}
