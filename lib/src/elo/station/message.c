// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/base/flash.h"
#include "elo/base/version.h"
#include "elo/station/internal.h"

static const char K_SEQ[] ELO_FLASH = "seq";
static const char K_TIME[] ELO_FLASH = "time";
static const char K_CELSIUS[] ELO_FLASH = "celsius";
static const char K_SOURCE[] ELO_FLASH = "source";
static const char K_HUMIDITY[] ELO_FLASH = "humidity";
static const char K_HPA[] ELO_FLASH = "hPa";
static const char K_ANALOG[] ELO_FLASH = "analog";
static const char K_LOAD[] ELO_FLASH = "load";
static const char K_FREE[] ELO_FLASH = "freeKiB";
static const char K_LED[] ELO_FLASH = "led";
static const char K_RELAY[] ELO_FLASH = "relay";
static const char K_INTERVAL[] ELO_FLASH = "interval";
static const char K_IDENTIFY[] ELO_FLASH = "identify";
static const char K_RESTART[] ELO_FLASH = "restart";
static const char K_ID[] ELO_FLASH = "id";
static const char K_OK[] ELO_FLASH = "ok";
static const char K_ERROR[] ELO_FLASH = "error";
static const char K_DESCRIBE[] ELO_FLASH = "describe";
static const char K_BOARD[] ELO_FLASH = "board";
static const char K_FIRMWARE[] ELO_FLASH = "firmware";
static const char K_CONTROLS[] ELO_FLASH = "controls";
static const char K_READINGS[] ELO_FLASH = "readings";
static const char K_NAME[] ELO_FLASH = "name";
static const char K_TYPE[] ELO_FLASH = "type";
static const char K_MIN[] ELO_FLASH = "min";
static const char K_MAX[] ELO_FLASH = "max";
static const char K_UNIT[] ELO_FLASH = "unit";
static const char K_HEALTH[] ELO_FLASH = "health";
static const char K_UPTIME[] ELO_FLASH = "uptime";
static const char K_BOOTS[] ELO_FLASH = "boots";
static const char K_RESET[] ELO_FLASH = "reset";
static const char K_HEAP[] ELO_FLASH = "heap";
static const char K_HEAP_BLOCK[] ELO_FLASH = "heapBlock";
static const char K_STACK[] ELO_FLASH = "stackFree";
static const char K_RSSI[] ELO_FLASH = "rssi";
static const char K_TLS_MS[] ELO_FLASH = "tlsMs";
static const char K_WAITING[] ELO_FLASH = "waiting";
static const char K_DROPPED[] ELO_FLASH = "dropped";
static const char K_RECONNECTS[] ELO_FLASH = "reconnects";
static const char K_OTHER[] ELO_FLASH = "other";

static const char E_NO_ROOM[] ELO_FLASH = "no room for the description";

static const char W_ON[] ELO_FLASH = "on";
static const char W_OFF[] ELO_FLASH = "off";
static const char W_ELO[] ELO_FLASH = "elo " ELO_VERSION;
static const char W_SWITCH[] ELO_FLASH = "switch";
static const char W_NUMBER[] ELO_FLASH = "number";
static const char W_BUTTON[] ELO_FLASH = "button";
static const char W_S[] ELO_FLASH = "s";
static const char W_CELSIUS[] ELO_FLASH = "\xC2\xB0"
                                          "C";
static const char W_PERCENT[] ELO_FLASH = "%";
static const char W_KIB[] ELO_FLASH = "KiB";

static const char R_POWER[] ELO_FLASH = "power";
static const char R_PIN[] ELO_FLASH = "pin";
static const char R_SOFTWARE[] ELO_FLASH = "software";
static const char R_WATCHDOG[] ELO_FLASH = "watchdog";
static const char R_CRASH[] ELO_FLASH = "crash";
static const char R_WAKE[] ELO_FLASH = "wake";
static const char R_UNKNOWN[] ELO_FLASH = "unknown";

static void begin(struct elo_station *s, struct elo_json_writer *w)
{
    elo_json_writer_init(w, s->_internal.config->scratch, s->_internal.config->scratch_size);
    elo_json_begin_object(w);
}

static size_t finish(struct elo_json_writer *w)
{
    size_t len = 0;
    elo_json_end_object(w);
    return elo_json_finish(w, &len) == ELO_OK ? len : 0;
}

static void put_int(struct elo_json_writer *w, const char *key, int64_t value)
{
    elo__key(w, key);
    elo_json_int(w, value);
}

/* Not known is not there. */
static void put_known(struct elo_json_writer *w, const char *key, int64_t value)
{
    if (value != 0) {
        put_int(w, key, value);
    }
}

static void put_fixed(struct elo_json_writer *w, const char *key, int32_t value, uint8_t decimals)
{
    elo__key(w, key);
    elo_json_fixed(w, value, decimals);
}

static void put_text(struct elo_json_writer *w, const char *key, const char *flash)
{
    elo__key(w, key);
    elo__value(w, flash);
}

static void put_on_off(struct elo_json_writer *w, const char *key, bool on)
{
    put_text(w, key, on ? W_ON : W_OFF);
}

/* --- health --------------------------------------------------------------------------------------
 */

static const char *reset_word(elo_reset reset)
{
    static const char *const words[] ELO_FLASH = {R_POWER, R_PIN,  R_SOFTWARE, R_WATCHDOG,
                                                  R_CRASH, R_WAKE, R_UNKNOWN};
    return words[reset <= ELO_RESET_UNKNOWN ? reset : ELO_RESET_UNKNOWN];
}

static void put_reconnects(const struct elo_station *s, struct elo_json_writer *w)
{
    elo__key(w, K_RECONNECTS);
    elo_json_begin_object(w);
    for (size_t i = 0; i < ELO_STATION_CAUSES && s->_internal.causes[i].count > 0; i++) {
        char slug[ELO_SLUG_MAX];
        elo_station_slug((elo_err)s->_internal.causes[i].reason, slug);
        elo_json_key(w, elo_span_str(slug));
        elo_json_int(w, s->_internal.causes[i].count);
    }
    put_known(w, K_OTHER, s->_internal.other_causes);
    elo_json_end_object(w);
}

static void put_health(struct elo_station *s, struct elo_json_writer *w)
{
    const struct elo_board *board = s->_internal.config->board;
    struct elo_board_health h = {0, 0, 0};
    char state[12];
    if (board->health != NULL) {
        board->health(board->ctx, &h);
    }
    elo__key(w, K_HEALTH);
    elo_json_begin_object(w);
    put_int(w, K_UPTIME, s->_internal.uptime_s);
    put_int(w, K_BOOTS, s->_internal.kept.boots);
    put_text(w, K_RESET, reset_word(board->reset));
    put_known(w, K_HEAP, h.heap_free);
    put_known(w, K_HEAP_BLOCK, h.heap_block);
    put_known(w, K_STACK, h.stack_free);
    put_known(w, K_RSSI, s->_internal.rssi);
    put_known(w, K_TLS_MS, elo_link_diagnosis(&s->pump.link)->handshake_ms);
    put_int(w, K_WAITING, elo_queue_count(s->_internal.config->queue));
    put_known(w, K_DROPPED, s->_internal.dropped);
    if (board->wall == NULL) {
        elo_clock_state_word(elo_clock_get_state(&s->clock, s->_internal.now_ms), state);
        elo__key(w, K_TIME);
        elo_json_string(w, elo_span_str(state));
    }
    put_reconnects(s, w);
    elo_json_end_object(w);
}

/* --- telemetry, state, reply ---------------------------------------------------------------------
 */

size_t elo__write_telemetry(struct elo_station *s,
                            const struct elo_board_reading *r,
                            uint32_t unix_s,
                            bool with_health)
{
    struct elo_json_writer w;
    begin(s, &w);
    put_int(&w, K_SEQ, s->_internal.seq + 1);
    put_known(&w, K_TIME, unix_s);
    if (r->has_celsius) {
        put_fixed(&w, K_CELSIUS, r->centi_celsius, 2);
        elo__key(&w, K_SOURCE);
        elo_json_string(&w, elo_span_str(r->source));
    }
    if (r->has_humidity) {
        put_fixed(&w, K_HUMIDITY, r->centi_percent, 2);
    }
    if (r->has_pressure) {
        put_fixed(&w, K_HPA, r->deci_hpa, 1);
    }
    if (r->has_analog) {
        put_int(&w, K_ANALOG, r->analog);
    }
    if (r->has_load) {
        put_fixed(&w, K_LOAD, r->centi_load, 2);
    }
    if (r->has_free) {
        put_int(&w, K_FREE, r->free_kib);
    }
    if (with_health) {
        put_health(s, &w);
    }
    return finish(&w);
}

size_t elo__write_state(struct elo_station *s)
{
    struct elo_json_writer w;
    begin(s, &w);
    put_on_off(&w, K_LED, s->_internal.led);
    put_on_off(&w, K_RELAY, s->_internal.relay);
    put_int(&w, K_INTERVAL, s->_internal.interval_s);
    return finish(&w);
}

/* --- describe ------------------------------------------------------------------------------------
 */

static void put_item(struct elo_json_writer *w,
                     const char *name,
                     const char *type,
                     int32_t max, /* 0: no range */
                     const char *unit)
{
    elo_json_begin_object(w);
    put_text(w, K_NAME, name);
    if (type != NULL) {
        put_text(w, K_TYPE, type);
    }
    if (max != 0) {
        put_int(w, K_MIN, type != NULL);
        put_int(w, K_MAX, max);
    }
    if (unit != NULL) {
        put_text(w, K_UNIT, unit);
    }
    elo_json_end_object(w);
}

static void put_controls(const struct elo_board *board, struct elo_json_writer *w)
{
    elo__key(w, K_CONTROLS);
    elo_json_begin_array(w);
    if (board->led != NULL) {
        put_item(w, K_LED, W_SWITCH, 0, NULL);
    }
    if (board->relay != NULL) {
        put_item(w, K_RELAY, W_SWITCH, 0, NULL);
    }
    put_item(w, K_INTERVAL, W_NUMBER, ELO_STATION_INTERVAL_MAX_S, W_S);
    put_item(w, K_IDENTIFY, W_NUMBER, ELO_STATION_IDENTIFY_MAX_S, W_S);
    put_item(w, K_RESTART, W_BUTTON, 0, NULL);
    elo_json_end_array(w);
}

enum { CELSIUS = 1, HUMIDITY = 2, HPA = 4, ANALOG = 8, LOAD = 16, FREE = 32 };

void elo__see(struct elo_station *s, const struct elo_board_reading *r)
{
    unsigned has = r->has_celsius * CELSIUS | r->has_humidity * HUMIDITY | r->has_pressure * HPA |
                   r->has_analog * ANALOG | r->has_load * LOAD | r->has_free * FREE;
    if ((has & ~(unsigned)s->_internal.seen) != 0) {
        s->_internal.seen = (uint8_t)(s->_internal.seen | has);
        s->_internal.describe_due = s->_internal.describe != ELO__DESCRIBE_REFUSED;
    }
}

static void put_readings(unsigned seen, struct elo_json_writer *w)
{
    static const struct {
        const char *name, *unit;
        int32_t max;
    } rows[] ELO_FLASH = {{K_CELSIUS, W_CELSIUS, 0}, {K_HUMIDITY, W_PERCENT, 100},
                          {K_HPA, K_HPA, 0},         {K_ANALOG, NULL, 1023},
                          {K_LOAD, NULL, 0},         {K_FREE, W_KIB, 0}};
    elo__key(w, K_READINGS);
    elo_json_begin_array(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) { /* as the bits are */
        if ((seen >> i & 1u) != 0) {
            put_item(w, rows[i].name, NULL, rows[i].max, rows[i].unit);
        }
    }
    elo_json_end_array(w);
}

static void put_description(struct elo_station *s, struct elo_json_writer *w)
{
    const struct elo_board *board = s->_internal.config->board;
    struct elo_board_reading r;
    memset(&r, 0, sizeof r);
    board->read(board->ctx, &r);
    elo__see(s, &r);
    elo__key(w, K_BOARD);
    elo_json_string(w, elo_span_str(board->name));
    put_text(w, K_FIRMWARE, W_ELO);
    put_controls(board, w);
    put_readings(s->_internal.seen, w);
}

size_t elo__write_describe(struct elo_station *s)
{
    struct elo_json_writer w;
    begin(s, &w);
    put_description(s, &w);
    return finish(&w);
}

static size_t write_reply(struct elo_station *s, elo_span id, const char *error, bool describe)
{
    struct elo_json_writer w;
    begin(s, &w);
    elo__key(&w, K_ID);
    elo_json_raw(&w, id);
    elo__key(&w, K_OK);
    elo_json_bool(&w, error == NULL);
    if (error != NULL) {
        put_text(&w, K_ERROR, error);
    }
    if (describe) {
        elo__key(&w, K_DESCRIBE);
        elo_json_begin_object(&w);
        put_description(s, &w);
        elo_json_end_object(&w);
    }
    return finish(&w);
}

size_t elo__write_reply(struct elo_station *s, elo_span id, const char *error, bool describe)
{
    size_t len = write_reply(s, id, error, describe);
    return len > 0 || !describe ? len : write_reply(s, id, E_NO_ROOM, false);
}
