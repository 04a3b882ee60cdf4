// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The Station (elo/station/station.h) on the emulated board: the whole firmware, with the board's
 * flash for what is not delivered yet and for what a restart must not lose.
 *
 * Its arguments, its flash and what it says on the serial line: station.h.
 */
#include "ports/qemu-lx106/machine.h"

enum { FRAGMENT = 512 };

static struct elo_station station;
static struct machine machine;
static struct elo_board board;
static uint8_t rx[512], tx[256], outbox[ELO_STATION_OUTBOX_MIN], scratch[ELO_STATION_SCRATCH_MIN];
static uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)], output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];

/* Of a handshake only. */
static struct elo_tls_handshake validator;
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

static elo_err load_credentials(const char *dir)
{
    elo_span root = board_folder_read(dir, "ca.der", &validator, sizeof validator);
    elo_span own = board_folder_read(dir, "cert.der", certificate, sizeof certificate);
    if (board_folder_read(dir, "key.bin", key, sizeof key).len != sizeof key) {
        return ELO_E_KEYPAIR;
    }
    elo_tls_anchors_init(&anchors, anchor_table, 1, anchor_bytes, sizeof anchor_bytes);
    elo_err err = elo_tls_anchors_add_der(&anchors, root);
    return err == ELO_OK ? elo_tls_identity_ec(&identity, own, key) : err;
}

static void configure_tls(struct elo_tls_config *tls, const char *host)
{
    tls->profile = &elo_tls_profile_aws_small;
    tls->host = host;
    tls->anchors = &anchors;
    tls->identity = &identity;
    tls->handshake = &validator;
    tls->input = input;
    tls->input_cap = sizeof input;
    tls->output = output;
    tls->output_cap = sizeof output;
}

static void configure(struct elo_station_config *config, char **argv)
{
    elo_station_defaults(config);
    machine_board(&board, &machine);
    config->board = &board;
    config->queue = &machine.queue;
    config->is_set_up = true;
    config->net = machine_net();
    configure_tls(&config->tls, argv[3]);
    config->port = (uint16_t)board_number(argv[4]);
    config->client_id = argv[5];
    config->prefix = argv[6];
    config->small_steps = true;
    config->keep_session = true;
    config->rx = rx;
    config->rx_size = sizeof rx;
    config->tx = tx;
    config->tx_size = sizeof tx;
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
    elo_err err = machine_mount(&machine, argv[1]);
    if (err == ELO_OK) {
        err = load_credentials(argv[2]);
    }
    configure(&config, argv);
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
