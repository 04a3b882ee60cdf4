// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The Station (elo/station/station.h) on the emulated board, with credentials from files and the
 * board's flash for what is not delivered yet and for what a restart must not lose.
 *
 * Its arguments, its flash and what it says on the serial line: station.h.
 */
#include "ports/qemu-lx106/machine.h"

static struct elo_station station;
static struct machine machine;
static struct elo_board board;
static uint8_t outbox[ELO_STATION_OUTBOX_MIN], scratch[ELO_STATION_SCRATCH_MIN];

/* Of a handshake only. */
static struct elo_tls_identity identity;
static uint8_t certificate[STATION_CERTIFICATE_MAX], key[ELO_TLS_P256_KEY_BYTES];
static struct elo_tls_anchors anchors;
static br_x509_trust_anchor anchor_table[1];
static uint8_t anchor_bytes[ELO_TLS_ANCHOR_BYTES];

static void line(const char *what, elo_span more)
{
    board_print(what);
    board_print_span(more);
    board_print("\n");
}

static void on_news(void *ctx, const struct elo_station_news *news)
{
    (void)ctx;
    machine_say_news(line, news);
}

/* --- setting up
 * -----------------------------------------------------------------------------------
 */

/* `room` is free until the first handshake. */
static elo_err load_credentials(const char *dir, struct elo_tls_handshake *room)
{
    elo_span root = board_folder_read(dir, "ca.der", room, sizeof *room);
    elo_span own = board_folder_read(dir, "cert.der", certificate, sizeof certificate);
    if (board_folder_read(dir, "key.bin", key, sizeof key).len != sizeof key) {
        return ELO_E_KEYPAIR;
    }
    elo_tls_anchors_init(&anchors, anchor_table, 1, anchor_bytes, sizeof anchor_bytes);
    elo_err err = elo_tls_anchors_add_der(&anchors, root);
    return err == ELO_OK ? elo_tls_identity_ec(&identity, own, key) : err;
}

static void configure(struct elo_station_config *config, char **argv)
{
    machine_board(&board, &machine);
    machine_configure(config, &board, &machine);
    config->is_set_up = true;
    config->tls.host = argv[3];
    config->tls.anchors = &anchors;
    config->tls.identity = &identity;
    config->port = (uint16_t)board_number(argv[4]);
    config->client_id = argv[5];
    config->prefix = argv[6];
    config->outbox = outbox;
    config->outbox_size = sizeof outbox;
    config->scratch = scratch;
    config->scratch_size = sizeof scratch;
    config->tell = on_news;
}

/* --- running
 * --------------------------------------------------------------------------------------
 */

static void tell_status(void)
{
    char text[80];
    for (int i = 0; i < ELO_STATION_LAYERS; i++) {
        elo_station_status(&station, (elo_station_layer)i, text, sizeof text);
        line("", elo_span_str(text));
    }
}

static void obey_serial(void)
{
    uint8_t c;
    while (board_serial_read(&c, 1) == 1) {
        if (c == 'q') {
            elo_station_stop(&station, board_ms());
        } else if (c == 'm') {
            elo_station_pause(&station, true);
        } else if (c == 's') {
            tell_status();
        }
    }
}

static void run(void)
{
    while (elo_station_get_mode(&station) != ELO_STATION_STOPPED) {
        bool busy = elo_station_step(&station, board_ms());
        uint32_t wait = busy ? 0 : elo_station_wait_ms(&station, board_ms());
        if ((machine_wait(&station, true, wait) & WIRE_SERIAL) != 0) {
            obey_serial();
        }
    }
}

static bool options(struct elo_station_config *config, int argc, char **argv)
{
    for (int i = 7; i < argc; i++) {
        const char *v;
        if ((v = board_option(argv[i], "interval=")) != NULL) {
            config->interval_s = (uint16_t)board_number(v);
        } else if ((v = board_option(argv[i], "cut=")) != NULL) {
            board_flash_cut(board_number(v));
        } else {
            return false;
        }
    }
    return true;
}

int app_main(int argc, char **argv)
{
    static struct elo_station_config config;
    if (argc < 7) {
        line("usage: station FLASH DIR HOST PORT NAME PREFIX [interval=S] [cut=WORDS]",
             elo_span_of(NULL, 0));
        return 2;
    }
    configure(&config, argv);
    elo_err err = machine_mount(&machine, argv[1]);
    if (err == ELO_OK) {
        err = load_credentials(argv[2], config.tls.handshake);
    }
    if (!options(&config, argc, argv)) {
        return 2;
    }
    if (err == ELO_OK) {
        err = elo_station_init(&station, &config, board_ms());
    }
    if (err != ELO_OK) {
        machine_say_reason(line, "failed ", err);
        return 1;
    }
    run();
    line("done", elo_span_of(NULL, 0));
    return 0;
}
