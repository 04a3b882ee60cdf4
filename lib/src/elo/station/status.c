// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/flash.h"
#include "elo/station/internal.h"

static const char L_WIFI[] ELO_FLASH = "wifi: ";
static const char L_TIME[] ELO_FLASH = "time: ";
static const char L_TLS[] ELO_FLASH = "tls: ";
static const char L_MQTT[] ELO_FLASH = "mqtt: ";
static const char L_OUTBOX[] ELO_FLASH = "outbox: ";

static const char W_OFF[] ELO_FLASH = "off";
static const char W_JOINING[] ELO_FLASH = "joining";
static const char W_JOINED[] ELO_FLASH = "joined";
static const char W_NO_NETWORK[] ELO_FLASH = "the network is not in sight";
static const char W_PASSWORD[] ELO_FLASH = "wrong password";
static const char W_NO_ADDRESS[] ELO_FLASH = "joined, but no address (DHCP)";
static const char W_FAILED[] ELO_FLASH = "failed";
static const char W_DBM[] ELO_FLASH = " dBm";
static const char W_COMMA[] ELO_FLASH = ", ";
static const char W_SET_UP[] ELO_FLASH = "set-up is open";
static const char W_MACHINE[] ELO_FLASH = "the machine's clock";
static const char W_NOBODY[] ELO_FLASH = ", no server answers";
static const char W_NONE[] ELO_FLASH = "no connection";
static const char W_CONNECTING[] ELO_FLASH = "connecting";
static const char W_SHAKING[] ELO_FLASH = "handshake";
static const char W_OPEN[] ELO_FLASH = "open, handshake took ";
static const char W_MS[] ELO_FLASH = " ms";
static const char W_RESUMED[] ELO_FLASH = ", resumed";
static const char W_CLOSING[] ELO_FLASH = "closing";
static const char W_ONLINE[] ELO_FLASH = "online for ";
static const char W_S[] ELO_FLASH = " s";
static const char W_WAITING[] ELO_FLASH = "offline, again in ";
static const char W_STOPPED[] ELO_FLASH = "stopped";
static const char W_OPENING[] ELO_FLASH = "offline";
static const char W_HELLO[] ELO_FLASH = "waits for the server's CONNACK";
static const char W_LAST[] ELO_FLASH = "; last: ";
static const char W_WAIT[] ELO_FLASH = " wait, ";
static const char W_ON_WAY[] ELO_FLASH = " of them on their way, ";
static const char W_DROPPED[] ELO_FLASH = " dropped";

static void say_reason(struct elo__line *l, elo_err reason)
{
    char slug[ELO_SLUG_MAX];
    if (reason != ELO_OK) {
        elo_station_slug(reason, slug);
        elo__line_word(l, W_LAST);
        elo__line_text(l, elo_span_str(slug));
    }
}

static void say_wifi(const struct elo_station *s, struct elo__line *l)
{
    static const char *const words[] ELO_FLASH = {W_OFF,      W_JOINING,    W_JOINED, W_NO_NETWORK,
                                                  W_PASSWORD, W_NO_ADDRESS, W_FAILED};
    if (s->_internal.mode == ELO_STATION_SETUP) {
        elo__line_word(l, W_SET_UP);
        return;
    }
    elo__line_word(l, words[s->_internal.wifi]);
    if (s->_internal.wifi == ELO_WIFI_JOINED && s->_internal.rssi != 0) {
        elo__line_word(l, W_COMMA);
        elo__line_int(l, s->_internal.rssi);
        elo__line_word(l, W_DBM);
    }
}

static void say_time(const struct elo_station *s, struct elo__line *l)
{
    char state[12];
    if (s->_internal.config->board->wall != NULL) {
        elo__line_word(l, W_MACHINE);
        return;
    }
    elo_clock_state_word(elo_clock_get_state(&s->clock, s->_internal.now_ms), state);
    elo__line_text(l, elo_span_str(state));
    if (s->_internal.time_failed) {
        elo__line_word(l, W_NOBODY);
    }
}

static void say_tls(const struct elo_station *s, struct elo__line *l)
{
    const struct elo_link_diagnosis *d = elo_link_diagnosis(&s->pump.link);
    switch (elo_link_get_phase(&s->pump.link)) {
    case ELO_LINK_CONNECTING:
        elo__line_word(l, W_CONNECTING);
        break;
    case ELO_LINK_SHAKING:
        elo__line_word(l, W_SHAKING);
        break;
    case ELO_LINK_OPEN:
        elo__line_word(l, W_OPEN);
        elo__line_int(l, (int32_t)d->handshake_ms);
        elo__line_word(l, W_MS);
        if (d->resumed) {
            elo__line_word(l, W_RESUMED);
        }
        return;
    case ELO_LINK_CLOSING:
        elo__line_word(l, W_CLOSING);
        return;
    default:
        elo__line_word(l, W_NONE);
        break;
    }
    say_reason(l, d->reason);
}

static void say_mqtt(const struct elo_station *s, struct elo__line *l)
{
    uint32_t at = s->_internal.now_ms;
    switch (elo_client_get_state(&s->client)) {
    case ELO_CLIENT_ONLINE:
        elo__line_word(l, W_ONLINE);
        elo__line_int(l, (int32_t)((s->_internal.now_ms - s->_internal.online_ms) / 1000u));
        elo__line_word(l, W_S);
        break;
    case ELO_CLIENT_WAITING:
        elo__line_word(l, W_WAITING);
        if (elo_client_next_deadline(&s->client, &at) && !elo__passed(s->_internal.now_ms, at)) {
            at -= s->_internal.now_ms;
        } else {
            at = 0;
        }
        elo__line_int(l, (int32_t)(at / 1000u));
        elo__line_word(l, W_S);
        break;
    case ELO_CLIENT_CONNECTING:
        elo__line_word(l, W_HELLO);
        break;
    case ELO_CLIENT_OPENING:
        elo__line_word(l, W_OPENING);
        break;
    default:
        elo__line_word(l, W_STOPPED);
        break;
    }
    say_reason(l, s->_internal.reason);
}

static void say_outbox(const struct elo_station *s, struct elo__line *l)
{
    elo__line_int(l, (int32_t)elo_queue_count(s->_internal.config->queue));
    elo__line_word(l, W_WAIT);
    elo__line_int(l, s->_internal.flying);
    elo__line_word(l, W_ON_WAY);
    elo__line_int(l, (int32_t)s->_internal.dropped);
    elo__line_word(l, W_DROPPED);
}

void elo_station_status(const struct elo_station *s, elo_station_layer layer, char *out, size_t cap)
{
    static const struct {
        const char *name;
        void (*say)(const struct elo_station *s, struct elo__line *l);
    } layers[] ELO_FLASH = {{L_WIFI, say_wifi},
                            {L_TIME, say_time},
                            {L_TLS, say_tls},
                            {L_MQTT, say_mqtt},
                            {L_OUTBOX, say_outbox}};
    struct elo__line l;
    elo__line_init(&l, out, cap);
    if (layer < ELO_STATION_LAYERS) {
        elo__line_word(&l, layers[layer].name);
        layers[layer].say(s, &l);
    }
}

elo_station_layer elo_station_why(const struct elo_station *s)
{
    if (s->_internal.mode != ELO_STATION_RUN || s->_internal.wifi != ELO_WIFI_JOINED) {
        return ELO_STATION_WIFI;
    }
    if (!s->_internal.gate) {
        return ELO_STATION_TIME;
    }
    if (elo_link_get_phase(&s->pump.link) != ELO_LINK_OPEN && s->_internal.reason != ELO_OK &&
        elo_link_diagnosis(&s->pump.link)->reason != ELO_OK &&
        elo_link_diagnosis(&s->pump.link)->reason == s->_internal.reason) {
        return ELO_STATION_TLS;
    }
    if (!elo_station_is_online(s)) {
        return ELO_STATION_MQTT;
    }
    return s->_internal.dropped > 0 ? ELO_STATION_OUTBOX : ELO_STATION_LAYERS;
}
