// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: a step serves the lines, does at most one of setup's wishes, moves a trial on,
 * and steps the Station, which is begun anew for a trial and after one that failed. While the
 * drafted Wi-Fi is being joined there is no Station to step.
 */
#include "elo/station/provision.h"

#include "elo/base/assert.h"
#include "elo/station/provision_internal.h"

#define WIFI_MS    25000u /* to join */
#define CLOCK_MS   60000u
#define RESTART_MS 300u /* for the last words on the lines */

static const struct elo_board *board_of(const struct elo_provision *p)
{
    return p->_internal.config->station->board;
}

static struct elo_station_config *station_config(const struct elo_provision *p)
{
    return p->_internal.config->station;
}

bool elo_provision_is_set_up(const struct elo_provision *p)
{
    return p->_internal.has_identity && elo_settings_complete(&p->stored, NULL) == ELO_OK;
}

/* --- what the Station is told --------------------------------------------------------------------
 */

static void use_wifi(const struct elo_provision *p, const struct elo_settings *s)
{
    const struct elo_board *board = board_of(p);
    if (board->wifi_use != NULL) {
        board->wifi_use(board->ctx, elo_span_of(s->ssid, s->ssid_len), s->passphrase);
    }
}

static void apply(struct elo_provision *p, const struct elo_settings *s, bool is_set_up)
{
    struct elo_station_config *c = station_config(p);
    c->is_set_up = is_set_up;
    c->tls.host = s->server_name;
    c->tls.anchors = &p->_internal.anchors;
    c->tls.identity = &p->_internal.identity;
    c->address = s->host;
    c->port = s->port;
    c->client_id = s->client_id;
    c->prefix = s->prefix;
    c->interval_s = s->interval_s;
}

static elo_err begin_station(struct elo_provision *p, bool again, bool trial, uint32_t now)
{
    struct elo_station_config *c = station_config(p);
    c->again = again;
    c->trial = trial;
    return elo_station_init(p->_internal.station, c, now);
}

static void end_station(struct elo_provision *p)
{
    if (station_config(p)->is_set_up) {
        elo_link_deinit(elo_station_link(p->_internal.station));
    }
}

static void stop_station(struct elo_provision *p, uint32_t now)
{
    if (elo_station_get_mode(p->_internal.station) == ELO_STATION_RUN) {
        elo_station_stop(p->_internal.station, now);
    }
}

/* --- what it tells -------------------------------------------------------------------------------
 */

static void on_client(struct elo_provision *p, const struct elo_client_event *e)
{
    bool trial = p->_internal.trial == ELO__TRIAL_LINK;
    if (e->type == ELO_CLIENT_SUBSCRIBED && trial && p->_internal.outcome == ELO_NEED_MORE) {
        p->_internal.outcome = e->u.subscribed.result;
    } else if (e->type == ELO_CLIENT_CONNECTED && p->setup.state == ELO_SETUP_IDLE) {
        p->setup.reason = ELO_OK;
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        elo_err reason = e->u.disconnected.reason;
        if (trial && p->_internal.outcome == ELO_NEED_MORE) {
            p->_internal.outcome = reason == ELO_OK ? ELO_E_TCP_CLOSED : reason;
        } else if (p->setup.state == ELO_SETUP_IDLE && reason != ELO_OK) {
            p->setup.reason = reason;
        }
    }
}

static void on_news(void *ctx, const struct elo_station_news *n)
{
    struct elo_provision *p = (struct elo_provision *)ctx;
    if (n->type == ELO_STATION_NEWS_CLIENT) {
        on_client(p, n->u.client);
    }
    if (p->_internal.config->tell != NULL) {
        p->_internal.config->tell(p->_internal.config->tell_ctx, n);
    }
}

/* --- what the console asks -----------------------------------------------------------------------
 */

static bool say_status(void *ctx, unsigned row, char *out, size_t cap)
{
    const struct elo_provision *p = (const struct elo_provision *)ctx;
    if (row >= ELO_STATION_LAYERS) {
        return false;
    }
    elo_station_status(p->_internal.station, (elo_station_layer)row, out, cap);
    return true;
}

static bool say_why(void *ctx, char *out, size_t cap)
{
    const struct elo_provision *p = (const struct elo_provision *)ctx;
    elo_station_layer layer = elo_station_why(p->_internal.station);
    return layer < ELO_STATION_LAYERS && say_status(ctx, (unsigned)layer, out, cap);
}

static elo_span show_csr(void *ctx)
{
    struct elo_provision *p = (struct elo_provision *)ctx;
    p->_internal.csr_wanted = true;
    return elo_span_of(p->_internal.csr, p->_internal.csr_len);
}

static bool step_csr(struct elo_provision *p)
{
    if (!p->_internal.csr_wanted || p->_internal.csr_len > 0) {
        return false;
    }
    p->_internal.csr_wanted = false; /* the desk asks again */
    elo_err err = elo__provision_make_csr(p);
    if (err != ELO_OK) {
        elo_setup_refuse(&p->setup, err);
        return false;
    }
    p->_internal.csr_wanted = p->_internal.csr_len == 0;
    return p->_internal.csr_wanted;
}

/* --- starting ------------------------------------------------------------------------------------
 */

static void begin_setup(struct elo_provision *p, elo_err last_failure)
{
    struct elo_setup_config c;
    memset(&c, 0, sizeof c);
    c.id = p->_internal.config->id;
    c.firmware = p->_internal.config->firmware;
    c.csr = show_csr;
    c.csr_ctx = p;
    c.status = say_status;
    c.why = say_why;
    c.status_ctx = p;
    c.stored = &p->stored;
    c.draft = &p->_internal.draft;
    c.bundle_mem = p->_internal.config->bundle;
    c.bundle_cap = p->_internal.config->bundle_size;
    c.networks = p->_internal.networks;
    c.network_cap = ELO_PROVISION_NETWORKS;
    c.has_key = elo__provision_has_key(p);
    c.last_failure = last_failure;
    elo_setup_init(&p->setup, &c);
    elo_console_init(&p->console, &p->setup);
}

static elo_err begin_portal(struct elo_provision *p)
{
    const struct elo_board *board = board_of(p);
    uint8_t random[16];
    if (board->portal_read == NULL) {
        return ELO_OK;
    }
    elo_err err = board->entropy(board->ctx, random, sizeof random);
    if (err == ELO_OK) {
        elo_portal_init(&p->portal, &p->setup, board->portal_address, random);
    }
    elo__provision_wipe(random, sizeof random);
    return err;
}

elo_err elo_provision_init(struct elo_provision *p,
                           const struct elo_provision_config *config,
                           uint32_t now_ms)
{
    ELO_ASSERT(config->conn_count <= 16);
    memset(p, 0, sizeof *p);
    p->_internal.config = config;
    p->_internal.station = config->memory;
    if (config->station->scratch_size < ELO_SETTINGS_BYTES_MAX ||
        config->bundle_size < ELO_BUNDLE_TEXT_BYTES) {
        return ELO_E_NO_SPACE;
    }
    elo_err err = elo__provision_load(p);
    if (err != ELO_OK) {
        return err;
    }
    elo_err credentials = elo__provision_use_stored(p);
    begin_setup(p, credentials == ELO_E_NOT_FOUND ? ELO_OK : credentials);
    err = begin_portal(p);
    if (err != ELO_OK) {
        return err;
    }
    config->station->tell = on_news;
    config->station->tell_ctx = p;
    use_wifi(p, &p->stored);
    apply(p, &p->stored, elo_provision_is_set_up(p));
    return begin_station(p, false, false, now_ms);
}

/* --- a trial -------------------------------------------------------------------------------------
 */

static void begin_trial(struct elo_provision *p, uint32_t now)
{
    p->_internal.was_setup = elo_station_get_mode(p->_internal.station) == ELO_STATION_SETUP;
    p->_internal.trial = ELO__TRIAL_LEAVES;
    stop_station(p, now);
}

static void join(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    end_station(p);
    station_config(p)->is_set_up = false; /* there is no link any more */
    use_wifi(p, &p->_internal.draft);
    if (board->wifi_join != NULL) {
        board->wifi_leave(board->ctx);
        board->wifi_join(board->ctx);
    }
    elo_setup_progress(&p->setup, ELO_SETUP_STAGE_WIFI);
    p->_internal.trial_ms = now;
    p->_internal.trial = ELO__TRIAL_WIFI;
}

/* Goes on with what is stored, as if nothing had been. */
static void go_back(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    elo_err err = elo__provision_use_stored(p);
    if (board->wifi_leave != NULL) {
        board->wifi_leave(board->ctx);
    }
    use_wifi(p, &p->stored);
    apply(p, &p->stored, err == ELO_OK && elo_provision_is_set_up(p));
    p->_internal.trial = ELO__TRIAL_NONE;
    err = begin_station(p, true, false, now);
    if (err != ELO_OK) {
        station_config(p)->is_set_up = false;
        elo_setup_refuse(&p->setup, err);
    } else if (p->_internal.was_setup) {
        elo_station_set_up(p->_internal.station, now);
    }
}

static void fail_trial(struct elo_provision *p, elo_err reason, uint32_t now)
{
    end_station(p);
    elo_setup_tested(&p->setup, reason);
    go_back(p, now);
}

static void pass_trial(struct elo_provision *p, uint32_t now)
{
    p->_internal.trial = ELO__TRIAL_OVER;
    stop_station(p, now);
    elo_setup_tested(&p->setup, ELO_OK);
}

/* Of the credentials that the draft goes with. */
static elo_err use_credentials(struct elo_provision *p)
{
    return elo_setup_has_bundle(&p->setup) ? elo__provision_use_bundle(p)
                                           : elo__provision_use_stored(p);
}

static void reach(struct elo_provision *p, uint32_t now)
{
    elo_err err = use_credentials(p);
    bool complete = elo_settings_complete(&p->_internal.draft, NULL) == ELO_OK;
    if (err == ELO_E_NOT_FOUND || (err == ELO_OK && !complete)) {
        pass_trial(p, now); /* a Wi-Fi, and nobody to connect to yet */
        return;
    }
    p->_internal.outcome = ELO_NEED_MORE;
    p->_internal.trial_ms = now;
    if (err == ELO_OK) {
        apply(p, &p->_internal.draft, true);
        err = begin_station(p, false, true, now);
        station_config(p)->is_set_up = err == ELO_OK;
    }
    if (err != ELO_OK) {
        fail_trial(p, err, now);
        return;
    }
    p->_internal.trial = ELO__TRIAL_LINK;
}

static elo_err wifi_reason(elo_wifi wifi)
{
    switch (wifi) {
    case ELO_WIFI_NO_NETWORK:
        return ELO_E_WIFI_NOT_FOUND;
    case ELO_WIFI_WRONG_PASSWORD:
        return ELO_E_WIFI_PASSPHRASE;
    case ELO_WIFI_NO_ADDRESS:
        return ELO_E_WIFI_DHCP;
    default:
        return ELO_E_WIFI_LOST;
    }
}

static void step_join(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    elo_wifi wifi = ELO_WIFI_JOINED;
    int rssi = 0;
    if (board->wifi_status != NULL) {
        wifi = board->wifi_status(board->ctx, &rssi);
    }
    if (wifi == ELO_WIFI_JOINED) {
        reach(p, now);
    } else if (wifi == ELO_WIFI_WRONG_PASSWORD || now - p->_internal.trial_ms >= WIFI_MS) {
        fail_trial(p, wifi_reason(wifi), now);
    } else if (wifi == ELO_WIFI_NO_ADDRESS) {
        elo_setup_progress(&p->setup, ELO_SETUP_STAGE_ADDRESS);
    }
}

static elo_setup_stage stage_of(const struct elo_provision *p)
{
    const struct elo_station *s = p->_internal.station;
    if (!s->_internal.gate) {
        return ELO_SETUP_STAGE_CLOCK;
    }
    switch (elo_link_get_phase(&s->pump.link)) {
    case ELO_LINK_SHAKING:
        return ELO_SETUP_STAGE_TLS;
    case ELO_LINK_OPEN:
    case ELO_LINK_CLOSING:
        return ELO_SETUP_STAGE_MQTT;
    default:
        return ELO_SETUP_STAGE_REACH;
    }
}

static void step_reach(struct elo_provision *p, uint32_t now)
{
    const struct elo_station *s = p->_internal.station;
    elo_setup_stage stage = stage_of(p);
    bool no_time = stage == ELO_SETUP_STAGE_CLOCK && s->_internal.wifi == ELO_WIFI_JOINED &&
                   (s->_internal.time_failed || now - p->_internal.trial_ms >= CLOCK_MS);
    bool no_network =
        s->_internal.wifi != ELO_WIFI_JOINED && now - p->_internal.trial_ms >= WIFI_MS;
    if (p->_internal.outcome == ELO_OK) {
        pass_trial(p, now);
    } else if (p->_internal.outcome != ELO_NEED_MORE) {
        fail_trial(p, p->_internal.outcome, now);
    } else if (no_time || no_network) {
        fail_trial(p, no_time ? ELO_E_CLOCK : wifi_reason((elo_wifi)s->_internal.wifi), now);
    } else {
        elo_setup_progress(&p->setup, stage);
    }
}

/* true: the Station is to be stepped, too. */
static bool step_trial(struct elo_provision *p, uint32_t now)
{
    switch (p->_internal.trial) {
    case ELO__TRIAL_LEAVES:
        if (elo_station_get_mode(p->_internal.station) == ELO_STATION_RUN) {
            return true;
        }
        join(p, now);
        return false;
    case ELO__TRIAL_WIFI:
        step_join(p, now);
        return false;
    case ELO__TRIAL_LINK:
        step_reach(p, now);
        return true;
    default:
        return true;
    }
}

/* --- wishes --------------------------------------------------------------------------------------
 */

static void scan(struct elo_provision *p)
{
    const struct elo_board *board = board_of(p);
    if (board->wifi_scan == NULL) {
        elo_setup_scanned(&p->setup);
        return;
    }
    board->wifi_scan(board->ctx);
    p->_internal.scanning = true;
}

static void step_scan(struct elo_provision *p)
{
    const struct elo_board *board = board_of(p);
    struct elo_setup_network n;
    if (!p->_internal.scanning) {
        return;
    }
    elo_err err = board->wifi_heard(board->ctx, &n);
    if (err == ELO_OK) {
        elo_setup_heard(&p->setup, elo_span_of(n.ssid, n.ssid_len), n.rssi, n.locked);
    } else if (err != ELO_NEED_MORE) {
        p->_internal.scanning = false;
        elo_setup_scanned(&p->setup);
    }
}

static void leave(struct elo_provision *p, uint32_t now)
{
    if (!p->_internal.leaving) {
        p->_internal.leaving = true;
        p->_internal.leave_ms = now + RESTART_MS;
        stop_station(p, now);
    }
}

static void save(struct elo_provision *p, uint32_t now)
{
    elo_err err = elo__provision_save(p);
    elo_setup_saved(&p->setup, err, now);
    if (err == ELO_OK) {
        elo_bundle_text_wipe(&p->setup.bundle);
    } else if (p->_internal.trial == ELO__TRIAL_OVER) {
        end_station(p);
        go_back(p, now);
    }
}

static void step_wishes(struct elo_provision *p, uint32_t now)
{
    elo_setup_tick(&p->setup, now);
    switch (elo_setup_next_wish(&p->setup)) {
    case ELO_SETUP_WISH_SCAN:
        scan(p);
        break;
    case ELO_SETUP_WISH_TEST:
        begin_trial(p, now);
        break;
    case ELO_SETUP_WISH_SAVE:
        save(p, now);
        break;
    case ELO_SETUP_WISH_FORGET:
        if (elo__provision_forget(p) != ELO_OK) {
            elo_setup_refuse(&p->setup, ELO_E_IO);
            break;
        }
        leave(p, now);
        break;
    case ELO_SETUP_WISH_RESTART:
        leave(p, now);
        break;
    default:
        break;
    }
}

/* --- step ----------------------------------------------------------------------------------------
 */

static bool step_leaving(struct elo_provision *p, uint32_t now)
{
    const struct elo_board *board = board_of(p);
    if (!p->_internal.leaving || !elo__passed(now, p->_internal.leave_ms) ||
        elo_station_get_mode(p->_internal.station) == ELO_STATION_RUN) {
        return false;
    }
    p->_internal.leaving = false;
    end_station(p);
    station_config(p)->is_set_up = false;
    board->restart(board->ctx);
    return true;
}

bool elo_provision_step(struct elo_provision *p, uint32_t now_ms)
{
    bool busy = elo__provision_console(p, now_ms);
    busy = elo__provision_portal(p, now_ms) || busy;
    step_wishes(p, now_ms);
    step_scan(p);
    busy = step_csr(p) || busy;
    if (p->_internal.leaving || step_trial(p, now_ms)) {
        busy = elo_station_step(p->_internal.station, now_ms) || busy;
    }
    return step_leaving(p, now_ms) || busy;
}

uint32_t elo_provision_wait_ms(const struct elo_provision *p, uint32_t now_ms)
{
    uint32_t left = 20; /* lines, trial and radio are looked at by polling */
    if (p->_internal.trial != ELO__TRIAL_WIFI) {
        uint32_t station = elo_station_wait_ms(p->_internal.station, now_ms);
        left = station < left ? station : left;
    }
    return left;
}
