// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * `elo device`: a virtual ESP8266. The firmware's application (lib/src/elo/station) with an
 * ESP8266's buffers, this machine's sensors, a simulated LED and relay, a file for its flash. It
 * prints one line for each thing that happens.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/chip.h"
#include "cli/cli.h"
#include "cli/emulate.h"
#include "cli/sensors.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "elo/station/station.h"
#include "elo/store/slots.h"
#include "errors/explain.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"
#include "ports/posix/net.h"

const char help_device[] =
    "elo device --bundle DIR [options]\n\n"
    "  elo device --bundle kitchen                    telemetry every 2 s until Ctrl-C\n"
    "  elo device --bundle kitchen --interval 10s --for 1h\n"
    "  elo device --bundle kitchen --emulate          on an ESP8266's CPU, in QEMU\n"
    "  elo pub elo/kitchen/cmd -m '{\"id\":\"1\",\"led\":\"on\"}'     a command, from elsewhere\n\n"
    "It publishes elo/NAME/telemetry and elo/NAME/state with QoS 1, obeys elo/NAME/cmd and "
    "answers\n"
    "on elo/NAME/reply, and describes itself on elo/NAME/describe. Offline it queues in its "
    "flash,\n"
    "a file that outlives it, and reconnects by itself, with full-jitter backoff.\n\n"
    "  --bundle DIR      what `elo add` made\n"
    "  --interval T      time between telemetry messages (default 2s)\n"
    "  --count N         end after N telemetry messages are delivered\n"
    "  --for T           end after this time\n"
    "  --outbox BYTES    flash for what is not delivered yet (default 65536, at most 262144); "
    "below\n"
    "                    8192 it is that with a limit of one message for each 128 bytes\n"
    "  --flash FILE      the file that is its flash (default DIR/" BUNDLE_FLASH ")\n"
    "  --persistent      ask the server to keep the session while offline\n"
    "  --mqtt5           speak MQTT 5: reasons, topic aliases, the server's terms\n"
    "  --quiet           no line for each message, only for what changes or fails\n"
    "  --emulate         run the firmware's image on an ESP8266's CPU in QEMU instead, with a "
    "simulated\n"
    "                    DHT22; its flash is DIR/" BUNDLE_FLASH_LX106 ", of 80 KB\n"
    "  --image FILE      that image (default: the one that `make image` built)\n"
    "Exits with 0 when everything was delivered; if no connection was ever made, with the "
    "reason's.\n";

enum {
    FRAGMENT = 1024,
    SLOTS_BYTES = 2 * ELO_FLASH_SECTOR,
    QUEUE_LEAST = 2 * ELO_FLASH_SECTOR,
    MESSAGE_BYTES = 128, /* what --outbox counts for one */
    SLOT_STATION = 1
};

struct device {
    struct elo_station station;
    struct elo_station_config config;
    struct elo_board board;
    struct bundle bundle;
    struct credentials who;
    struct speaking_5 five;
    struct posix_tcp tcp;
    struct elo_tls_handshake handshake;

    struct chip chip;
    struct chip_region slots_region, queue_region;
    struct elo_slots slots;
    struct elo_queue queue;
    const char *flash_path; /* NULL: the bundle's */
    char default_path[PATH_MAX];
    long outbox;
    bool emulated;
    const char *image; /* of the emulated board; NULL: the one beside this program */

    uint8_t tls_in[ELO_TLS_INPUT_BYTES(FRAGMENT)], tls_out[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
    uint8_t rx[2048], tx[512], outbox_ram[4096], scratch[ELO_QUEUE_RECORD_MAX];

    long count;      /* 0: no end */
    uint32_t for_ms; /* 0: no end */
    uint32_t start_ms;
    int64_t delivered; /* telemetry messages with their PUBACK */
    int64_t refused;   /* and those that the server refused, which MQTT 5 lets it say */
    bool quiet;        /* no line for each message */
    bool mqtt5;
    bool was_online;
    bool restart;
    elo_err last_reason;
    elo_err last_refusal;
    char said[SAID_SIZE];
};

/* --- the board -----------------------------------------------------------------------------------
 */

/* LED and relay are words: what became of a command is said anyway. */
static void set_nothing(void *ctx, bool on)
{
    (void)ctx;
    (void)on;
}

static void read_sensors(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    sensors_read("", posix_clock_unix(), out);
}

static uint32_t wall(void *ctx)
{
    (void)ctx;
    return posix_clock_unix();
}

static elo_err entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    return posix_entropy(out, len);
}

static elo_err keep(void *ctx, elo_span bytes)
{
    struct device *d = ctx;
    return elo_slots_write(&d->slots, SLOT_STATION, bytes);
}

static elo_err recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    const struct device *d = ctx;
    return elo_slots_read(&d->slots, SLOT_STATION, out, cap, out_len);
}

static void restart(void *ctx)
{
    ((struct device *)ctx)->restart = true;
}

static void make_board(struct device *d)
{
    d->board = (struct elo_board){.ctx = d,
                                  .name = "PC",
                                  .reset = ELO_RESET_UNKNOWN,
                                  .relay = set_nothing,
                                  .led = set_nothing,
                                  .led_is_level = true,
                                  .read = read_sensors,
                                  .wall = wall,
                                  .entropy = entropy,
                                  .keep = keep,
                                  .recall = recall,
                                  .restart = restart};
}

/* --- its flash -----------------------------------------------------------------------------------
 */

static uint32_t queue_bytes(const struct device *d)
{
    long sectors = (d->outbox + (long)ELO_FLASH_SECTOR - 1) / (long)ELO_FLASH_SECTOR;
    return sectors < 2 ? QUEUE_LEAST : (uint32_t)sectors * ELO_FLASH_SECTOR;
}

static elo_err mount(struct device *d)
{
    uint32_t size = d->chip.dev->size;
    if (size < SLOTS_BYTES + QUEUE_LEAST) {
        return ELO_E_CORRUPT;
    }
    chip_take(&d->chip, 0, SLOTS_BYTES, &d->slots_region);
    chip_take(&d->chip, SLOTS_BYTES, size - SLOTS_BYTES, &d->queue_region);
    elo_err err = elo_slots_init(&d->slots, &d->slots_region.dev);
    return err != ELO_OK ? err
                         : elo_queue_mount(&d->queue, &d->queue_region.dev, ELO_QUEUE_DROP_OLDEST);
}

static elo_err open_flash(struct device *d, const char *path)
{
    elo_err err = chip_open(&d->chip, path, SLOTS_BYTES + queue_bytes(d));
    if (err == ELO_OK) {
        err = mount(d);
    }
    if (err != ELO_OK) {
        chip_close(&d->chip);
    }
    return err;
}

/* The file, or memory where that cannot be. */
static int start_flash(struct device *d)
{
    if (d->flash_path == NULL && bundle_path(d->bundle.dir, BUNDLE_FLASH, d->default_path)) {
        d->flash_path = d->default_path;
    }
    elo_err err = open_flash(d, d->flash_path);
    if (err != ELO_OK && d->flash_path != d->default_path) {
        return chip_complain(err, d->flash_path);
    }
    if (err != ELO_OK) {
        say_line("flash       only in memory: %s: %s", d->default_path, elo_explain(err)->slug);
        err = open_flash(d, NULL);
    } else if (elo_queue_count(&d->queue) > 0) {
        say_line("outbox      %" PRIu32 " messages wait from before", elo_queue_count(&d->queue));
    }
    return err == ELO_OK ? EXIT_OK : say_reason(err, "its flash");
}

/* --- what happens --------------------------------------------------------------------------------
 */

static void say_unsent(struct device *d, elo_err reason)
{
    say_line("not sent    %s: %s %s", elo_explain(reason)->slug, elo_explain(reason)->cause,
             d->said);
}

static void on_telemetry(struct device *d, const struct elo_station_news *n)
{
    bool online = elo_station_is_online(&d->station);
    if (n->err != ELO_OK) {
        say_unsent(d, n->err);
    } else if (!d->quiet || !online) {
        say_line("telemetry   %.*s%s", (int)n->u.text.len, (const char *)n->u.text.ptr,
                 online ? "" : "  (queued: offline)");
    }
}

static void on_command(const struct device *d, const struct elo_station_news *n)
{
    if (!n->u.command.is_one) {
        say_line("command     ignored: it is no JSON object with an id");
        return;
    }
    say_line("command     led %s, relay %s, every %u s%s",
             elo_station_led(&d->station) ? "on" : "off",
             elo_station_relay(&d->station) ? "on" : "off", elo_station_interval_s(&d->station),
             n->u.command.again ? "  (once more: only answered)" : "");
}

static void on_disconnected(struct device *d, const struct elo_client_event *e)
{
    elo_err reason = e->u.disconnected.reason;
    uint32_t wait_ms = e->u.disconnected.wait_ms;
    if (reason == ELO_OK) {
        say_line("offline     said goodbye");
        return;
    }
    const struct elo_reason *why = elo_explain(reason);
    const struct elo_link_diagnosis *more = elo_link_diagnosis(elo_station_link(&d->station));
    d->last_reason = reason;
    say_line("offline     %s: %s", why->slug, why->cause);
    say_line("            %s", why->cure);
    if (d->said[0] != '\0') {
        say_line("            the server said: %s", d->said);
    }
    if (more->error != 0) {
        say_line("            %s: %s", more->address, strerror(more->error));
    }
    if (e->u.disconnected.will_retry) {
        say_line("            trying again in %" PRIu32 ".%" PRIu32 " s", wait_ms / 1000,
                 wait_ms % 1000 / 100);
    }
}

static void on_client(struct device *d, const struct elo_client_event *e)
{
    switch (e->type) {
    case ELO_CLIENT_CONNECTED:
        say_line("online      %s:%d as %s%s", d->bundle.host, d->bundle.port, d->bundle.client_id,
                 e->u.connected.session_present ? " (session resumed)" : "");
        d->was_online = true;
        break;
    case ELO_CLIENT_DISCONNECTED:
        on_disconnected(d, e);
        break;
    case ELO_CLIENT_OVERSIZE:
        say_line("command     too large for this device: %" PRIu32 " bytes", e->u.oversize.size);
        break;
    case ELO_CLIENT_SUBSCRIBED:
        if (e->u.subscribed.result != ELO_OK) {
            say_line("subscribe   refused: %.*s %s", (int)e->u.subscribed.filter.len,
                     (const char *)e->u.subscribed.filter.ptr, d->said);
        }
        break;
    default:
        break;
    }
}

static void on_landed(struct device *d, const struct elo_station_news *n)
{
    bool telemetry = n->type == ELO_STATION_NEWS_DELIVERED;
    if (n->err == ELO_OK) {
        d->delivered += telemetry;
        return;
    }
    if (n->u.client != NULL) { /* the server's word, and final */
        d->refused += telemetry;
        d->last_refusal = n->err;
    }
    say_unsent(d, n->err);
}

static void on_news(void *ctx, const struct elo_station_news *n)
{
    struct device *d = ctx;
    bool has_event = n->type == ELO_STATION_NEWS_CLIENT || n->type == ELO_STATION_NEWS_DELIVERED ||
                     n->type == ELO_STATION_NEWS_UNSENT;
    d->said[0] = '\0';
    if (has_event && n->u.client != NULL && d->mqtt5) {
        server_said(n->u.client, d->said);
    }
    switch (n->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        on_telemetry(d, n);
        break;
    case ELO_STATION_NEWS_STATE:
        if (!d->quiet) {
            say_line("state       %.*s", (int)n->u.text.len, (const char *)n->u.text.ptr);
        }
        break;
    case ELO_STATION_NEWS_COMMAND:
        on_command(d, n);
        break;
    case ELO_STATION_NEWS_DROPPED:
        say_line("outbox      full: %" PRIu32 " older messages dropped", n->u.count);
        break;
    case ELO_STATION_NEWS_UNSENT:
    case ELO_STATION_NEWS_DELIVERED:
        on_landed(d, n);
        break;
    case ELO_STATION_NEWS_CLIENT:
        on_client(d, n->u.client);
        break;
    case ELO_STATION_NEWS_MODE:
        break;
    }
}

/* --- running -------------------------------------------------------------------------------------
 */

static bool passed(uint32_t now, uint32_t at)
{
    return (int32_t)(now - at) >= 0;
}

/* Measures no more than --count still wants; what was dropped has to be measured anew. */
static void pause_if_enough(struct device *d)
{
    int64_t all = d->delivered + d->refused + elo_queue_count(&d->queue);
    elo_station_pause(&d->station, d->count > 0 && all >= d->count);
}

static bool is_over(const struct device *d, uint32_t now)
{
    return stop_asked() || say_is_deaf() ||
           (d->count > 0 && d->delivered + d->refused >= d->count) ||
           (d->for_ms > 0 && passed(now, d->start_ms + d->for_ms));
}

/* One step, and a wait of at most `timeout_ms` for what it needs. */
static bool step(struct device *d, int timeout_ms)
{
    bool busy = elo_station_step(&d->station, posix_clock_ms());
    struct pollfd fds[] = {posix_net_interest(elo_station_link(&d->station), &d->tcp),
                           {.fd = stop_asked() ? -1 : stop_fd(), .events = POLLIN},
                           {.fd = STDOUT_FILENO}}; /* tells when the reader of a pipe goes away */
    uint32_t left = busy ? 0 : elo_station_wait_ms(&d->station, posix_clock_ms());
    if (poll(fds, sizeof fds / sizeof fds[0], posix_net_wait(timeout_ms, left)) < 0 &&
        errno != EINTR) {
        say_reason(ELO_E_IO, "poll");
        return false;
    }
    return true;
}

static elo_err begin(struct device *d)
{
    posix_tcp_init(&d->tcp);
    return elo_station_init(&d->station, &d->config, posix_clock_ms());
}

static void begin_again(struct device *d)
{
    say_line("restart     as a command asked");
    d->restart = false;
    d->board.reset = ELO_RESET_SOFTWARE;
    elo_err err = begin(d);
    if (err != ELO_OK) {
        say_reason(err, d->bundle.client_id);
    }
}

static void run(struct device *d)
{
    uint32_t now;
    while (!is_over(d, now = posix_clock_ms())) {
        int left = d->for_ms > 0 ? (int)(d->start_ms + d->for_ms - now) : -1;
        pause_if_enough(d);
        if (!step(d, left)) {
            return;
        }
        if (d->restart) {
            begin_again(d);
        }
    }
}

static int start(struct device *d)
{
    int code = credentials_read(&d->who, &d->bundle);
    if (code == EXIT_OK) {
        code = start_flash(d);
    }
    if (code != EXIT_OK) {
        return code;
    }
    make_board(d);
    if (d->mqtt5) {
        speaking_5_init(&d->five);
        d->config.mqtt5 = &d->five.mqtt5;
    }
    d->config.board = &d->board;
    d->config.queue = &d->queue;
    d->config.queue_max = d->outbox < (long)QUEUE_LEAST ? (uint32_t)(d->outbox / MESSAGE_BYTES) : 0;
    d->config.is_set_up = true;
    d->config.net = posix_net(&d->tcp);
    d->config.tls = (struct elo_tls_config){.profile = &elo_tls_profile_full,
                                            .handshake = &d->handshake,
                                            .host = d->bundle.server_name,
                                            .anchors = &d->who.anchors,
                                            .identity = &d->who.identity,
                                            .input = d->tls_in,
                                            .input_cap = sizeof d->tls_in,
                                            .output = d->tls_out,
                                            .output_cap = sizeof d->tls_out};
    d->config.address = d->bundle.host;
    d->config.port = (uint16_t)d->bundle.port;
    d->config.client_id = d->bundle.client_id;
    d->config.prefix = d->bundle.prefix;
    d->config.rx = d->rx;
    d->config.rx_size = sizeof d->rx;
    d->config.tx = d->tx;
    d->config.tx_size = sizeof d->tx;
    d->config.outbox = d->outbox_ram;
    d->config.outbox_size = sizeof d->outbox_ram;
    d->config.scratch = d->scratch;
    d->config.scratch_size = sizeof d->scratch;
    d->config.tell = on_news;
    d->config.tell_ctx = d;
    stop_watch();
    d->start_ms = posix_clock_ms();
    elo_err err = begin(d);
    return err == ELO_OK ? EXIT_OK : say_reason(err, d->bundle.client_id);
}

/* Delivers what waits, for three seconds at most, and says goodbye. true: all is delivered. */
static bool say_goodbye(struct device *d)
{
    uint32_t end = posix_clock_ms() + 3000;
    bool stopping = false;
    elo_station_pause(&d->station, true);
    while (!passed(posix_clock_ms(), end) && elo_station_get_mode(&d->station) == ELO_STATION_RUN &&
           step(d, 50)) {
        if (!stopping && elo_station_pending(&d->station) == 0) {
            stopping = true;
            elo_station_stop(&d->station, posix_clock_ms());
        }
    }
    return stopping;
}

static int finish(struct device *d)
{
    bool delivered = say_goodbye(d);
    size_t left = elo_station_pending(&d->station);
    elo_link_deinit(elo_station_link(&d->station));
    if (!d->was_online) {
        int code = d->last_reason != ELO_OK ? exit_code_of(d->last_reason) : EXIT_NETWORK;
        return stop_asked() && d->last_reason == ELO_OK ? stop_exit_code() : code;
    }
    if (!delivered) {
        say_error("%zu messages were not delivered%s", left,
                  chip_is_file(&d->chip) ? "; they wait for the next start" : "");
        return d->last_reason != ELO_OK ? exit_code_of(d->last_reason) : EXIT_NETWORK;
    }
    if (d->last_refusal != ELO_OK) {
        return say_reason(d->last_refusal, "some messages");
    }
    return EXIT_OK;
}

/* What the image for the board has no room for or was built without. */
static int check_emulated(struct device *d, bool outbox_given)
{
    if (!d->emulated) {
        return d->image == NULL ? GO_ON : say_usage("device", "--image is for --emulate");
    }
    if (outbox_given) {
        return say_usage("device", "--outbox is not for --emulate: the board has 64 KB for it");
    }
    if (d->config.persistent) {
        return say_usage("device", "--persistent is not for --emulate: its image asks for a clean "
                                   "session");
    }
    if (d->mqtt5) {
        return say_usage("device", "--mqtt5 is not for --emulate: its image speaks MQTT 3.1.1");
    }
    return GO_ON;
}

static int parse(struct device *d, int argc, char **argv)
{
    const char *dir = NULL;
    long interval_ms = 2000, for_ms = 0, outbox = 0;
    d->outbox = 65536;
    const struct option_spec options[] = {
        {"--bundle", 0, OPTION_TEXT, &dir, 0, 0},
        {"--interval", 0, OPTION_TIME, &interval_ms, 1000, ELO_STATION_INTERVAL_MAX_S * 1000L},
        {"--count", 0, OPTION_NUMBER, &d->count, 1, 1000000000},
        {"--for", 0, OPTION_TIME, &for_ms, 1, 0x7fffffffL},
        {"--outbox", 0, OPTION_NUMBER, &outbox, 256, 262144},
        {"--flash", 0, OPTION_TEXT, &d->flash_path, 0, 0},
        {"--persistent", 0, OPTION_FLAG, &d->config.persistent, 0, 0},
        {"--mqtt5", 0, OPTION_FLAG, &d->mqtt5, 0, 0},
        {"--quiet", 0, OPTION_FLAG, &d->quiet, 0, 0},
        {"--emulate", 0, OPTION_FLAG, &d->emulated, 0, 0},
        {"--image", 0, OPTION_TEXT, &d->image, 0, 0},
    };
    const struct syntax syntax = {help_device, options, sizeof options / sizeof options[0], NULL,
                                  0};
    int code = options_parse(&syntax, argc, argv, NULL);
    if (code != GO_ON) {
        return code;
    }
    if (dir == NULL) {
        return say_usage("device", "which bundle? --bundle DIR");
    }
    if (interval_ms % 1000 != 0) {
        return say_usage("device", "--interval is in whole seconds");
    }
    code = check_emulated(d, outbox != 0);
    if (code != GO_ON) {
        return code;
    }
    d->outbox = outbox != 0 ? outbox : d->outbox;
    d->config.interval_s = (uint16_t)(interval_ms / 1000);
    d->for_ms = (uint32_t)for_ms;
    code = bundle_load(dir, &d->bundle);
    return code == EXIT_OK ? GO_ON : code;
}

static int run_emulated(struct device *d)
{
    const struct emulate_options options = {.bundle = &d->bundle,
                                            .image = d->image,
                                            .flash_path = d->flash_path,
                                            .interval_s = d->config.interval_s,
                                            .count = d->count,
                                            .for_ms = d->for_ms,
                                            .quiet = d->quiet};
    int code = emulate(&options);
    bundle_free(&d->bundle);
    return code;
}

int verb_device(int argc, char **argv)
{
    static struct device d; /* with its buffers too large for a stack */
    d.chip.file.fd = -1;
    elo_station_defaults(&d.config);
    int code = parse(&d, argc, argv);
    if (code != GO_ON) {
        return code;
    }
    if (d.emulated) {
        return run_emulated(&d);
    }
    code = start(&d);
    if (code == EXIT_OK) {
        run(&d);
        code = finish(&d);
    }
    chip_close(&d.chip);
    credentials_wipe(&d.who);
    bundle_free(&d.bundle);
    return code;
}
