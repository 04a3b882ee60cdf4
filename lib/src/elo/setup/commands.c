// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* What a person types. */
#include "elo/base/flash.h"
#include "elo/setup/console_internal.h"
#include "elo/setup/internal.h"

#include <stddef.h>

/* The next word, quotes taken off; false: there is none. */
static bool word(elo_span *rest, elo_span *out)
{
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        *rest = elo_span_from(*rest, 1);
    }
    bool quoted = rest->len > 0 && rest->ptr[0] == '"';
    size_t at = quoted ? 1 : 0, end = at;
    while (end < rest->len && rest->ptr[end] != (quoted ? '"' : ' ')) {
        end++;
    }
    *out = elo_span_of(rest->ptr + at, end - at);
    *rest = elo_span_from(*rest, end < rest->len ? end + 1 : end);
    return quoted || out->len > 0;
}

/* A setting's fault becomes the reason to be shown. */
static bool accept(struct elo_console *c, elo_err err)
{
    static const char BUSY[] ELO_FLASH = "A test is running: wait for its end.\r\n";
    static const char UNKNOWN[] ELO_FLASH = "There is no such setting.\r\n";
    if (err == ELO_E_SETTING) {
        c->setup->reason = err;
        elo__say_reason(c);
        elo__say_end(c);
    } else if (err != ELO_OK) {
        elo__say_text(c, err == ELO_E_NOT_FOUND ? UNKNOWN : BUSY);
    }
    return err == ELO_OK;
}

static bool is_open(struct elo_console *c)
{
    return elo_setup_open(c->setup) || accept(c, ELO_E_PROTOCOL);
}

/* --- commands ------------------------------------------------------------------------------------
 */

static void begin_list(struct elo_console *c, enum elo__listing what)
{
    c->_internal.listing = (uint8_t)what;
    c->_internal.row = 0;
}

static void on_help(struct elo_console *c, elo_span rest)
{
    (void)rest;
    begin_list(c, ELO__LISTS_HELP);
}

static void on_status(struct elo_console *c, elo_span rest)
{
    (void)rest;
    begin_list(c, ELO__LISTS_STATUS);
}

/* The line of what is not as it should be now. */
static bool say_layer(struct elo_console *c)
{
    const struct elo_setup_config *config = &c->setup->config;
    char line[80];
    if (config->why == NULL || !config->why(config->status_ctx, line, sizeof line)) {
        return false;
    }
    elo__say_plain(c, elo_span_str(line));
    elo__say_end(c);
    return true;
}

static void on_why(struct elo_console *c, elo_span rest)
{
    static const char NOTHING[] ELO_FLASH = "Nothing has failed.";
    (void)rest;
    bool more = say_layer(c);
    if (c->setup->reason == ELO_OK) {
        if (more) {
            return;
        }
        elo__say_text(c, NOTHING);
    } else {
        elo__say_reason(c);
        elo__say(c, ELO_SPAN(" ("));
        elo__say_number(c, c->setup->reason);
        elo__say(c, ELO_SPAN(")"));
    }
    elo__say_end(c);
}

static void on_scan(struct elo_console *c, elo_span rest)
{
    static const char SEARCHING[] ELO_FLASH = "Searching ...\r\n";
    (void)rest;
    if (is_open(c)) {
        elo_setup_wish_for(c->setup, ELO_SETUP_WISH_SCAN);
        c->_internal.listening = true;
        elo__say_text(c, SEARCHING);
    }
}

static void begin_test(struct elo_console *c)
{
    (void)accept(c, elo_setup_test(c->setup));
}

void elo__answer_passphrase(struct elo_console *c, elo_span line)
{
    c->_internal.asking = ELO__ASKS_NOTHING;
    if (is_open(c) && accept(c, elo_settings_set(c->setup->config.draft, ELO_SPAN("wifiPassphrase"),
                                                 line, &c->setup->fault))) {
        begin_test(c);
    }
}

static void on_wifi(struct elo_console *c, elo_span rest)
{
    static const char WHICH[] ELO_FLASH = "Which network? wifi NAME [PASSPHRASE]\r\n";
    static const char ASK[] ELO_FLASH = "Passphrase (empty for an open network): ";
    struct elo_settings *d = c->setup->config.draft;
    elo_span name, passphrase;
    if (!word(&rest, &name) || name.len == 0) {
        elo__say_text(c, WHICH);
        return;
    }
    if (!is_open(c) ||
        !accept(c, elo_settings_set(d, ELO_SPAN("wifiSsid"), name, &c->setup->fault))) {
        return;
    }
    elo__setup_wipe(d->passphrase, sizeof d->passphrase);
    elo_setup_wifi_given(c->setup);
    if (word(&rest, &passphrase)) {
        elo__answer_passphrase(c, passphrase);
    } else {
        c->_internal.asking = ELO__ASKS_PASSPHRASE;
        elo__say_text(c, ASK);
    }
}

/* What the connection hangs on stands before the interval. */
static bool is_to_be_tried(const struct elo_setup *s)
{
    return s->config.draft->ssid_len > 0 && memcmp(s->config.draft, s->config.stored,
                                                   offsetof(struct elo_settings, interval_s)) != 0;
}

/* What is stored with this one change, and nothing that a test has failed with. */
static void set(struct elo_console *c, elo_span name, elo_span value)
{
    struct elo_setup *s = c->setup;
    if (!is_open(c)) {
        return;
    }
    elo_setup_new_bundle(s, false);
    if (accept(c, elo_settings_set(s->config.draft, name, value, &s->fault))) {
        (void)accept(c, is_to_be_tried(s) ? elo_setup_test(s) : elo_setup_keep(s));
    }
}

static void on_interval(struct elo_console *c, elo_span rest)
{
    elo_span value;
    (void)word(&rest, &value);
    set(c, ELO_SPAN("interval"), value);
}

static void on_set(struct elo_console *c, elo_span rest)
{
    elo_span name, value;
    (void)word(&rest, &name);
    (void)word(&rest, &value);
    set(c, name, value);
}

static void on_reset(struct elo_console *c, elo_span rest)
{
    static const char BYE[] ELO_FLASH = "The board restarts.\r\n";
    (void)rest;
    elo__say_text(c, BYE);
    elo_setup_wish_for(c->setup, ELO_SETUP_WISH_RESTART);
}

static void on_forget(struct elo_console *c, elo_span rest)
{
    static const char YES[] ELO_FLASH = "yes";
    static const char SURE[] ELO_FLASH =
        "This erases Wi-Fi and certificates; the board's key stays. Type: forget yes\r\n";
    static const char DONE[] ELO_FLASH = "Forgotten. The board restarts.\r\n";
    elo_span answer;
    if (!word(&rest, &answer) || !elo_text_is(YES, answer)) {
        elo__say_text(c, SURE);
    } else if (is_open(c)) {
        elo__say_text(c, DONE);
        elo_setup_wish_for(c->setup, ELO_SETUP_WISH_FORGET);
    }
}

struct command {
    elo_text name;
    void (*run)(struct elo_console *c, elo_span rest);
    elo_text help;
};

#define COMMAND(id, name, help)                                                                    \
    static const char NAME_##id[] ELO_FLASH = name;                                                \
    static const char HELP_##id[] ELO_FLASH = help

COMMAND(HELP, "help", "help                     these commands");
COMMAND(STATUS, "status", "status                   who the board is, where it connects");
COMMAND(WHY, "why", "why                      why the last attempt failed");
COMMAND(SCAN, "scan", "scan                     Wi-Fi networks in reach");
COMMAND(WIFI, "wifi", "wifi NAME [PASSPHRASE]   try a network, then save it; \"names in quotes\"");
COMMAND(INTERVAL, "interval", "interval SECONDS         between telemetry");
COMMAND(SET, "set", "set NAME VALUE           any setting: set sensor dht22");
COMMAND(RESET, "reset", "reset                    restart the board");
COMMAND(FORGET, "forget", "forget yes               erase Wi-Fi and certificates");

enum { COMMANDS = 9 };

static const struct command TABLE[COMMANDS] ELO_FLASH = {
    {NAME_HELP, on_help, HELP_HELP},       {NAME_STATUS, on_status, HELP_STATUS},
    {NAME_WHY, on_why, HELP_WHY},          {NAME_SCAN, on_scan, HELP_SCAN},
    {NAME_WIFI, on_wifi, HELP_WIFI},       {NAME_INTERVAL, on_interval, HELP_INTERVAL},
    {NAME_SET, on_set, HELP_SET},          {NAME_RESET, on_reset, HELP_RESET},
    {NAME_FORGET, on_forget, HELP_FORGET},
};

void elo__command(struct elo_console *c, elo_span line)
{
    static const char UNKNOWN[] ELO_FLASH = "There is no such command: type help.\r\n";
    elo_span name;
    if (!word(&line, &name)) {
        return;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (elo_text_is(TABLE[i].name, name)) {
            TABLE[i].run(c, line);
            return;
        }
    }
    elo__say_text(c, UNKNOWN);
}

/* --- lists ---------------------------------------------------------------------------------------
 */

static bool network_row(struct elo_console *c, size_t row)
{
    static const char NONE[] ELO_FLASH = "No network was heard.";
    static const char OPEN[] ELO_FLASH = "  open  ";
    static const char LOCKED[] ELO_FLASH = "        ";
    const struct elo_setup *s = c->setup;
    if (row >= s->network_count) {
        if (row == 0) {
            elo__say_text(c, NONE);
            elo__say_end(c);
        }
        return false;
    }
    const struct elo_setup_network *n = &s->config.networks[row];
    elo__say_number(c, n->rssi);
    elo__say(c, ELO_SPAN(" dBm"));
    elo__say_text(c, n->locked ? LOCKED : OPEN);
    elo__say_plain(c, elo_span_of(n->ssid, n->ssid_len));
    elo__say_end(c);
    return true;
}

static bool more_row(struct elo_console *c, unsigned row)
{
    const struct elo_setup_config *config = &c->setup->config;
    char line[80];
    if (config->status == NULL || !config->status(config->status_ctx, row, line, sizeof line)) {
        return false;
    }
    elo__say_plain(c, elo_span_str(line));
    elo__say_end(c);
    return true;
}

static void status_row(struct elo_console *c, size_t row)
{
    static const char BOARD[] ELO_FLASH = "board     ";
    static const char WIFI[] ELO_FLASH = "Wi-Fi     ";
    static const char THING[] ELO_FLASH = "thing     ";
    static const char ENDPOINT[] ELO_FLASH = "endpoint  ";
    static const char SENSOR[] ELO_FLASH = "sensor    ";
    static const char LAST[] ELO_FLASH = "last      ";
    static const elo_text LABELS[] ELO_FLASH = {BOARD, WIFI, THING, ENDPOINT, SENSOR, LAST};
    const struct elo_settings *now = c->setup->config.stored;
    elo__say_text(c, LABELS[row]);
    switch (row) {
    case 0:
        elo__say(c, elo_span_str(c->setup->config.id));
        elo__say(c, ELO_SPAN(" "));
        elo__say(c, elo_span_str(c->setup->config.firmware));
        break;
    case 1:
        elo__say_plain(c, elo_span_of(now->ssid, now->ssid_len));
        break;
    case 2:
        elo__say_plain(c, elo_span_str(now->thing));
        break;
    case 3:
        elo__say_plain(c, elo_span_str(now->host));
        elo__say(c, ELO_SPAN(":"));
        elo__say_number(c, now->port);
        break;
    case 4:
        elo__say_text(c, elo_sensor_name((elo_sensor)now->sensor));
        break;
    default:
        elo__say_reason(c);
    }
    elo__say_end(c);
}

bool elo__list_row(struct elo_console *c)
{
    size_t row = c->_internal.row++;
    if (c->_internal.listing == ELO__LISTS_NETWORKS) {
        return network_row(c, row);
    }
    if (c->_internal.listing == ELO__LISTS_STATUS) {
        if (row >= 6) {
            return more_row(c, (unsigned)row - 6);
        }
        status_row(c, row);
        return true;
    }
    if (row < COMMANDS) {
        elo__say_text(c, TABLE[row].help);
        elo__say_end(c);
    }
    return row < COMMANDS;
}
