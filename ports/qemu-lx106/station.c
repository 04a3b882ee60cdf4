// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The Station (elo/station/station.h) on the emulated board: the whole firmware, with the board's
 * flash for what is not delivered yet and for what a restart must not lose.
 *
 * Its arguments, its flash and what it says on the serial line: station.h.
 */
#include "elo/station/station.h"
#include "elo/store/slots.h"
#include "ports/qemu-lx106/board.h"
#include "ports/qemu-lx106/station.h"

enum { FRAGMENT = 512, KEY_KEPT = 1 };

static struct elo_station station;
static struct elo_queue queue;
static struct elo_slots slots;
static uint8_t rx[512], tx[256], outbox[ELO_STATION_OUTBOX_MIN], scratch[ELO_STATION_SCRATCH_MIN];
static uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)], output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];

/* Of a handshake only. */
static struct elo_tls_handshake validator;
static struct elo_tls_identity identity;
static uint8_t certificate[STATION_CERTIFICATE_MAX], key[ELO_TLS_P256_KEY_BYTES];
static struct elo_tls_anchors anchors;
static br_x509_trust_anchor anchor_table[1];
static uint8_t anchor_bytes[ELO_TLS_ANCHOR_BYTES];

/* --- the machine, as the station wants it --------------------------------------------------------
 */

static void on_relay(void *ctx, bool on)
{
    (void)ctx;
    board_pin_write(STATION_PIN_RELAY, on);
}

static void on_led(void *ctx, bool on)
{
    (void)ctx;
    board_pin_write(STATION_PIN_LED, on);
}

static bool on_button(void *ctx)
{
    (void)ctx;
    int32_t down;
    return board_sensor_read("button", &down) && down != 0;
}

static void on_read(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    out->has_celsius = board_sensor_read("celsius", &out->centi_celsius);
    out->has_humidity = board_sensor_read("humidity", &out->centi_percent);
    out->has_analog = board_sensor_read("analog", &out->analog);
    out->source = "simulated DHT22";
}

static void on_join(void *ctx)
{
    (void)ctx;
}

static elo_wifi on_status(void *ctx, int *out_rssi)
{
    (void)ctx;
    *out_rssi = -55;
    return board_network_is_up() ? ELO_WIFI_JOINED : ELO_WIFI_NO_NETWORK;
}

static uint32_t on_wall(void *ctx)
{
    (void)ctx;
    return board_unix();
}

static void on_health(void *ctx, struct elo_board_health *out)
{
    (void)ctx;
    out->stack_free = board_stack_size() - board_stack_used();
}

static elo_err on_keep(void *ctx, elo_span bytes)
{
    (void)ctx;
    return elo_slots_write(&slots, KEY_KEPT, bytes);
}

static elo_err on_recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return elo_slots_read(&slots, KEY_KEPT, out, cap, out_len);
}

static void on_restart(void *ctx)
{
    (void)ctx;
    board_exit(BOARD_EXIT_RESTART);
}

static const struct elo_board machine = {.name = "lx106",
                                         .reset = ELO_RESET_POWER,
                                         .relay = on_relay,
                                         .led = on_led,
                                         .led_is_level = true,
                                         .button = on_button,
                                         .read = on_read,
                                         .wifi_join = on_join,
                                         .wifi_leave = on_join,
                                         .wifi_status = on_status,
                                         .wall = on_wall,
                                         .entropy = board_entropy,
                                         .health = on_health,
                                         .keep = on_keep,
                                         .recall = on_recall,
                                         .restart = on_restart};

static const struct elo_net net = {.open = board_net_open,
                                   .step = board_net_step,
                                   .give_up = board_net_give_up,
                                   .send = board_net_send,
                                   .recv = board_net_recv,
                                   .finish = board_net_finish,
                                   .close = board_net_close,
                                   .error = board_net_error,
                                   .address = board_net_address};

/* --- what it tells
 * --------------------------------------------------------------------------------
 */

static void line(const char *what, elo_span more)
{
    board_print(what);
    board_print_span(more);
    board_print("\n");
}

static void line_reason(const char *what, elo_err reason)
{
    char slug[ELO_SLUG_MAX];
    elo_station_slug(reason, slug);
    line(what, elo_span_str(slug));
}

static void on_client(const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_CONNECTED) {
        line("online", elo_span_of(NULL, 0));
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        line_reason("offline ", e->u.disconnected.reason);
    } else if (e->type == ELO_CLIENT_SUBSCRIBED && e->u.subscribed.result != ELO_OK) {
        line_reason("subscribe ", e->u.subscribed.result);
    }
}

static void on_news(void *ctx, const struct elo_station_news *news)
{
    (void)ctx;
    switch (news->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        line("telemetry ", news->u.text);
        break;
    case ELO_STATION_NEWS_STATE:
        line("state ", news->u.text);
        break;
    case ELO_STATION_NEWS_COMMAND:
        line(news->u.command.accepted ? "command accepted" : "command refused",
             elo_span_of(NULL, 0));
        break;
    case ELO_STATION_NEWS_DELIVERED:
        line_reason("delivered ", news->err);
        break;
    case ELO_STATION_NEWS_UNSENT:
        line_reason("unsent ", news->err);
        break;
    case ELO_STATION_NEWS_CLIENT:
        on_client(news->u.client);
        break;
    case ELO_STATION_NEWS_DROPPED:
        board_print("dropped ");
        board_print_number(news->u.count);
        board_print("\n");
        break;
    case ELO_STATION_NEWS_MODE:
        break;
    }
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

static elo_err mount(const char *path)
{
    static struct elo_flash_dev queue_flash, slots_flash;
    elo_err err = board_flash_open(path, STATION_FLASH_BYTES);
    board_flash_region(&queue_flash, 0, STATION_QUEUE_BYTES);
    board_flash_region(&slots_flash, STATION_QUEUE_BYTES, STATION_SLOTS_BYTES);
    if (err == ELO_OK) {
        err = elo_slots_init(&slots, &slots_flash);
    }
    return err == ELO_OK ? elo_queue_mount(&queue, &queue_flash, ELO_QUEUE_DROP_OLDEST) : err;
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
    config->board = &machine;
    config->queue = &queue;
    config->is_set_up = true;
    config->net = net;
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
        unsigned wanted = elo_link_interest(elo_station_link(&station));
        unsigned interest = ((wanted & ELO_LINK_SEND) ? (unsigned)WIRE_CAN_SEND : 0u) |
                            ((wanted & ELO_LINK_RECEIVE) ? (unsigned)WIRE_CAN_RECEIVE : 0u);
        uint32_t wait = busy ? 0 : elo_station_wait_ms(&station, board_ms());
        if ((board_wait(wait, interest) & WIRE_SERIAL) != 0) {
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
    elo_err err = mount(argv[1]);
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
        line_reason("failed ", err);
        return 1;
    }
    run();
    line("done", elo_span_of(NULL, 0));
    return 0;
}
