// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "ports/qemu-lx106/machine.h"

enum { KEY_KEPT = 1, FRAGMENT = 512 };

static struct elo_tls_handshake handshake;
static uint8_t rx[512], tx[256];
static uint8_t input[ELO_TLS_INPUT_BYTES(FRAGMENT)], output[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];

/* --- pins, sensors, time, network ---------------------------------------------------------------
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
    struct machine *m = ctx;
    return elo_slots_write(&m->slots, KEY_KEPT, bytes);
}

static elo_err on_recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    struct machine *m = ctx;
    return elo_slots_read(&m->slots, KEY_KEPT, out, cap, out_len);
}

static void on_restart(void *ctx)
{
    (void)ctx;
    board_exit(BOARD_EXIT_RESTART);
}

void machine_board(struct elo_board *board, struct machine *m)
{
    *board = (struct elo_board){.ctx = m,
                                .name = "lx106",
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
}

void machine_configure(struct elo_station_config *config,
                       const struct elo_board *board,
                       struct machine *m)
{
    elo_station_defaults(config);
    config->board = board;
    config->queue = &m->queue;
    config->net = board_net;
    config->tls.profile = &elo_tls_profile_aws_small;
    config->tls.handshake = &handshake;
    config->tls.input = input;
    config->tls.input_cap = sizeof input;
    config->tls.output = output;
    config->tls.output_cap = sizeof output;
    config->small_steps = true;
    config->keep_session = true;
    config->rx = rx;
    config->rx_size = sizeof rx;
    config->tx = tx;
    config->tx_size = sizeof tx;
}

elo_err machine_mount(struct machine *m, const char *path)
{
    static struct elo_flash_dev queue_flash, slots_flash;
    elo_err err = board_flash_open(path, STATION_FLASH_BYTES);
    board_flash_region(&queue_flash, 0, STATION_QUEUE_BYTES);
    board_flash_region(&slots_flash, STATION_QUEUE_BYTES, STATION_SLOTS_BYTES);
    if (err == ELO_OK) {
        err = elo_slots_init(&m->slots, &slots_flash);
    }
    return err == ELO_OK ? elo_queue_mount(&m->queue, &queue_flash, ELO_QUEUE_DROP_OLDEST) : err;
}

unsigned machine_wait(struct elo_station *s, bool linked, uint32_t ms)
{
    unsigned wanted = linked ? elo_link_interest(elo_station_link(s)) : 0;
    unsigned interest = ((wanted & ELO_LINK_SEND) ? (unsigned)WIRE_CAN_SEND : 0u) |
                        ((wanted & ELO_LINK_RECEIVE) ? (unsigned)WIRE_CAN_RECEIVE : 0u);
    return board_wait(ms, interest);
}

/* --- what the station tells ----------------------------------------------------------------------
 */

static void say_number(machine_say *say, const char *what, uint32_t value)
{
    uint8_t text[BOARD_NUMBER_MAX];
    say(what, elo_span_of(text, board_number_put(value, text)));
}

void machine_say_reason(machine_say *say, const char *what, elo_err reason)
{
    char slug[ELO_SLUG_MAX];
    elo_station_slug(reason, slug);
    say(what, elo_span_str(slug));
}

static void say_client(machine_say *say, const struct elo_client_event *e)
{
    if (e->type == ELO_CLIENT_CONNECTED) {
        say("online", elo_span_of(NULL, 0));
    } else if (e->type == ELO_CLIENT_DISCONNECTED) {
        machine_say_reason(say, "offline ", e->u.disconnected.reason);
    } else if (e->type == ELO_CLIENT_SUBSCRIBED && e->u.subscribed.result != ELO_OK) {
        machine_say_reason(say, "subscribe ", e->u.subscribed.result);
    }
}

void machine_say_news(machine_say *say, const struct elo_station_news *news)
{
    switch (news->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        say("telemetry ", news->u.text);
        break;
    case ELO_STATION_NEWS_STATE:
        say("state ", news->u.text);
        break;
    case ELO_STATION_NEWS_COMMAND:
        say(news->u.command.accepted ? "command accepted" : "command refused",
            elo_span_of(NULL, 0));
        break;
    case ELO_STATION_NEWS_DELIVERED:
        machine_say_reason(say, "delivered ", news->err);
        break;
    case ELO_STATION_NEWS_UNSENT:
        machine_say_reason(say, "unsent ", news->err);
        break;
    case ELO_STATION_NEWS_CLIENT:
        say_client(say, news->u.client);
        break;
    case ELO_STATION_NEWS_DROPPED:
        say_number(say, "dropped ", news->u.count);
        break;
    case ELO_STATION_NEWS_MODE:
        break;
    }
}
