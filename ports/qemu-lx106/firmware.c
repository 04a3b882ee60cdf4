// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The whole firmware (elo/station/provision.h) on the emulated board, from blank flash on: the key
 * is made here, a person or `elo add --port` sets it up over the serial line, and then it is a
 * Station. Everything it knows is in its flash.
 *
 *      firmware FLASH [reset=software|pin]
 *
 * The serial line is the console's. What becomes of the board is told beside it (board_tell):
 * "boot set-up|run" and the words of station.h. It ends when it restarts (BOARD_EXIT_RESTART): then
 * it is to be run again, with reset=software.
 */
#include "elo/base/flash.h"
#include "elo/station/provision.h"
#include "ports/qemu-lx106/machine.h"

static struct machine machine;
static struct elo_board board;
static struct elo_station station;
static struct elo_station_config station_config;
static struct elo_provision provision;
static struct elo_provision_config config;
static uint8_t bundle[ELO_BUNDLE_TEXT_BYTES];
static uint8_t scratch[ELO_SETTINGS_BYTES_MAX];
static uint8_t outbox[ELO_STATION_OUTBOX_BYTES(sizeof scratch)];

/* --- the machine, as set-up wants it -------------------------------------------------------------
 */

static bool heard;

/* Whatever network is drafted is the one that is lent. */
static void on_use(void *ctx, elo_span ssid, const char *passphrase)
{
    (void)ctx;
    (void)ssid;
    (void)passphrase;
}

static void on_scan(void *ctx)
{
    (void)ctx;
    heard = false;
}

/* A scan shows that there is one. */
static elo_err on_heard(void *ctx, struct elo_setup_network *out)
{
    static const char name[] ELO_FLASH = "lent by the host";
    (void)ctx;
    if (heard || !board_network_is_up()) {
        return ELO_END;
    }
    heard = true;
    memset(out, 0, sizeof *out);
    elo_flash_copy(out->ssid, name, sizeof name - 1);
    out->ssid_len = sizeof name - 1;
    out->rssi = -55;
    return ELO_OK;
}

static size_t on_console_read(void *ctx, uint8_t *out, size_t cap)
{
    (void)ctx;
    return board_serial_read(out, cap);
}

static size_t on_console_write(void *ctx, elo_span bytes)
{
    (void)ctx;
    board_serial_write(bytes);
    return bytes.len;
}

static void on_news(void *ctx, const struct elo_station_news *news)
{
    (void)ctx;
    machine_say_news(board_tell, news);
}

/* --- starting ------------------------------------------------------------------------------------
 */

static void configure_board(elo_reset reset)
{
    machine_board(&board, &machine);
    board.reset = reset;
    board.wifi_use = on_use;
    board.wifi_scan = on_scan;
    board.wifi_heard = on_heard;
    board.console_read = on_console_read;
    board.console_write = on_console_write;
}

static void configure_station(void)
{
    machine_configure(&station_config, &board, &machine);
    station_config.outbox = outbox;
    station_config.outbox_size = sizeof outbox;
    station_config.scratch = scratch;
    station_config.scratch_size = sizeof scratch;
}

static elo_err start(void)
{
    config.station = &station_config;
    config.memory = &station;
    config.slots = &machine.slots;
    config.id = "elo-lx106";
    config.firmware = "station-" ELO_VERSION;
    config.bundle = bundle;
    config.bundle_size = sizeof bundle;
    config.tell = on_news;
    return elo_provision_init(&provision, &config, board_ms());
}

static bool options(elo_reset *reset, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (board_option(argv[i], "reset=pin") != NULL) {
            *reset = ELO_RESET_PIN;
        } else if (board_option(argv[i], "reset=software") != NULL) {
            *reset = ELO_RESET_SOFTWARE;
        } else {
            return false;
        }
    }
    return argc >= 2;
}

int app_main(int argc, char **argv)
{
    elo_reset reset = ELO_RESET_POWER;
    if (!options(&reset, argc, argv)) {
        board_tell("usage: firmware FLASH [reset=software|pin]", elo_span_of(NULL, 0));
        return 2;
    }
    board_stack_paint();
    elo_err err = machine_mount(&machine, argv[1]);
    configure_board(reset);
    configure_station();
    if (err == ELO_OK) {
        err = start();
    }
    if (err != ELO_OK) {
        machine_say_reason(board_tell, "failed ", err);
        return 1;
    }
    bool runs = elo_station_get_mode(&station) == ELO_STATION_RUN;
    board_tell(runs ? "boot run" : "boot set-up", elo_span_of(NULL, 0));
    for (;;) {
        bool busy = elo_provision_step(&provision, board_ms());
        uint32_t wait = busy ? 0 : elo_provision_wait_ms(&provision, board_ms());
        machine_wait(&station, station_config.is_set_up, wait);
    }
}
