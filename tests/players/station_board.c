// links: elo_station elo_posix
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A whole board on a pseudo-terminal: set-up and Station of lib/ (station/provision.h) with this
 * machine's network, its serial line on stdin and stdout, its portal on 127.0.0.1, its flash in two
 * files.
 *
 *     station_board FOLDER
 *
 * The radio is played: a passphrase "wrong-pass" is not taken, any other is. Each line on
 * descriptor 3, if it is open, is a command from the test: "reset" is the reset button; "far" takes
 * the board so far away that joining does not come to an end, "near" brings it back. What becomes
 * of the board is told on stderr: "boot set-up|run", "portal PORT" and "dns PORT", "portal closed",
 * "far", "near", "online", "offline N", "delivered", "restart".
 */
#include "elo/station/provision.h"
#include "ports/posix/clock.h"
#include "ports/posix/entropy.h"
#include "ports/posix/flash_file.h"
#include "ports/posix/net.h"
#include "tests/support/portal_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAGMENT = 1024, SLOTS_BYTES = 4 * ELO_FLASH_SECTOR, QUEUE_BYTES = 4 * ELO_FLASH_SECTOR };
enum { SLOT_STATION = 1 };

static struct {
    struct posix_flash slots_flash, queue_flash;
    struct elo_slots slots;
    struct elo_queue queue;
    struct posix_tcp tcp;
    struct elo_tls_handshake handshake;
    struct elo_board board;
    struct elo_station station;
    struct elo_station_config station_config;
    struct elo_provision_config config;
    struct elo_provision p;
    struct elo_portal_conn conns[PORTAL_CONNS];
    struct portal_sockets portal;
    uint8_t bundle[ELO_BUNDLE_TEXT_BYTES];
    uint8_t tls_in[ELO_TLS_INPUT_BYTES(FRAGMENT)], tls_out[ELO_TLS_OUTPUT_BYTES(FRAGMENT)];
    uint8_t rx[512], tx[256], outbox[2048], scratch[ELO_SETTINGS_BYTES_MAX + 4];

    uint8_t in[512];
    size_t in_len;
    char passphrase[ELO_PASSPHRASE_MAX + 1];
    size_t heard; /* networks */
    bool joined, far, restart;
} b;

/* --- the board -----------------------------------------------------------------------------------
 */

static void read_sensors(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    out->has_celsius = true;
    out->centi_celsius = 2150;
    out->source = "played";
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
    (void)ctx;
    return elo_slots_write(&b.slots, SLOT_STATION, bytes);
}

static elo_err recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return elo_slots_read(&b.slots, SLOT_STATION, out, cap, out_len);
}

static void wifi_use(void *ctx, elo_span ssid, const char *passphrase)
{
    (void)ctx;
    (void)ssid;
    snprintf(b.passphrase, sizeof b.passphrase, "%s", passphrase);
}

static void wifi_join(void *ctx)
{
    (void)ctx;
    b.joined = true;
}

static void wifi_leave(void *ctx)
{
    (void)ctx;
    b.joined = false;
}

static elo_wifi wifi_status(void *ctx, int *out_rssi)
{
    (void)ctx;
    *out_rssi = -55;
    if (!b.joined) {
        return ELO_WIFI_OFF;
    }
    if (b.far) {
        return ELO_WIFI_JOINING;
    }
    return strcmp(b.passphrase, "wrong-pass") == 0 ? ELO_WIFI_WRONG_PASSWORD : ELO_WIFI_JOINED;
}

static void wifi_scan(void *ctx)
{
    (void)ctx;
    b.heard = 0;
}

static elo_err wifi_heard(void *ctx, struct elo_setup_network *out)
{
    (void)ctx;
    static const struct elo_setup_network networks[] = {
        {.ssid = "Visitantes", .ssid_len = 10, .rssi = -71},
        {.ssid = "Casa da Ana", .ssid_len = 11, .rssi = -49, .locked = true}};
    if (b.heard == sizeof networks / sizeof networks[0]) {
        return ELO_END;
    }
    *out = networks[b.heard++];
    return ELO_OK;
}

static size_t console_read(void *ctx, uint8_t *out, size_t cap)
{
    (void)ctx;
    size_t n = b.in_len < cap ? b.in_len : cap;
    memcpy(out, b.in, n);
    memmove(b.in, b.in + n, b.in_len - n);
    b.in_len -= n;
    return n;
}

static size_t console_write(void *ctx, elo_span bytes)
{
    (void)ctx;
    ssize_t n = write(STDOUT_FILENO, bytes.ptr, bytes.len);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        exit(0);
    }
    return n > 0 ? (size_t)n : 0;
}

static void open_portal(void *ctx, bool open)
{
    (void)ctx;
    if (open == b.portal.is_open) {
        return;
    }
    if (open) {
        portal_sockets_open(&b.portal);
        fprintf(stderr, "portal %u\ndns %u\n", b.portal.port, b.portal.dns_port);
    } else {
        portal_sockets_shut(&b.portal);
        fprintf(stderr, "portal closed\n");
    }
}

static void restart(void *ctx)
{
    (void)ctx;
    open_portal(NULL, false);
    b.restart = true;
}

static elo_err portal_read(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return portal_sockets_read(&b.portal, conn, out, cap, out_len);
}

static size_t portal_room(void *ctx, unsigned conn)
{
    (void)ctx;
    return portal_sockets_room(&b.portal, conn);
}

static void portal_write(void *ctx, unsigned conn, elo_span bytes)
{
    (void)ctx;
    portal_sockets_write(&b.portal, conn, bytes);
}

static void portal_close(void *ctx, unsigned conn)
{
    (void)ctx;
    portal_sockets_end(&b.portal, conn);
}

static elo_err dns_read(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return portal_sockets_dns_read(&b.portal, out, cap, out_len);
}

static void dns_write(void *ctx, elo_span bytes)
{
    (void)ctx;
    portal_sockets_dns_write(&b.portal, bytes);
}

static void make_board(void)
{
    b.board = (struct elo_board){.name = "player",
                                 .reset = ELO_RESET_POWER,
                                 .read = read_sensors,
                                 .wall = wall,
                                 .entropy = entropy,
                                 .keep = keep,
                                 .recall = recall,
                                 .portal = open_portal,
                                 .restart = restart,
                                 .wifi_use = wifi_use,
                                 .wifi_join = wifi_join,
                                 .wifi_leave = wifi_leave,
                                 .wifi_status = wifi_status,
                                 .wifi_scan = wifi_scan,
                                 .wifi_heard = wifi_heard,
                                 .console_read = console_read,
                                 .console_write = console_write,
                                 .portal_read = portal_read,
                                 .portal_room = portal_room,
                                 .portal_write = portal_write,
                                 .portal_close = portal_close,
                                 .portal_address = {127, 0, 0, 1},
                                 .dns_read = dns_read,
                                 .dns_write = dns_write};
}

/* --- its life ------------------------------------------------------------------------------------
 */

static void tell(void *ctx, const struct elo_station_news *n)
{
    (void)ctx;
    if (n->type == ELO_STATION_NEWS_DELIVERED && n->err == ELO_OK) {
        fprintf(stderr, "delivered\n");
    } else if (n->type == ELO_STATION_NEWS_CLIENT && n->u.client->type == ELO_CLIENT_CONNECTED) {
        fprintf(stderr, "online\n");
    } else if (n->type == ELO_STATION_NEWS_CLIENT && n->u.client->type == ELO_CLIENT_DISCONNECTED) {
        fprintf(stderr, "offline %d\n", (int)n->u.client->u.disconnected.reason);
    }
}

static void configure(void)
{
    struct elo_station_config *c = &b.station_config;
    elo_station_defaults(c);
    c->board = &b.board;
    c->queue = &b.queue;
    c->net = posix_net(&b.tcp);
    c->tls.profile = &elo_tls_profile_aws_small;
    c->tls.handshake = &b.handshake;
    c->tls.input = b.tls_in;
    c->tls.input_cap = sizeof b.tls_in;
    c->tls.output = b.tls_out;
    c->tls.output_cap = sizeof b.tls_out;
    c->small_steps = true;
    c->rx = b.rx;
    c->rx_size = sizeof b.rx;
    c->tx = b.tx;
    c->tx_size = sizeof b.tx;
    c->outbox = b.outbox;
    c->outbox_size = sizeof b.outbox;
    c->scratch = b.scratch;
    c->scratch_size = sizeof b.scratch;
    b.config = (struct elo_provision_config){.station = c,
                                             .memory = &b.station,
                                             .slots = &b.slots,
                                             .id = "elo-4f22a1",
                                             .firmware = "player-1",
                                             .bundle = b.bundle,
                                             .bundle_size = sizeof b.bundle,
                                             .conns = b.conns,
                                             .conn_count = PORTAL_CONNS,
                                             .tell = tell};
}

static void die(const char *what, elo_err err)
{
    fprintf(stderr, "%s: %d\n", what, (int)err);
    exit(1);
}

/* What the chip says at 74880 baud, as 115200 shows it, and then the firmware. */
static void boot(elo_reset reset)
{
    static const char rubbish[] = "\x1c\x00\x82l\x9c|\x00\x8c$\xe2\x0c\xff\x0c\x8c elo< \x0c\x84o";
    posix_tcp_close(&b.tcp);
    open_portal(NULL, false);
    b.board.reset = reset;
    b.joined = b.restart = false;
    b.in_len = 0;
    elo_err err = elo_slots_init(&b.slots, &b.slots_flash.dev);
    if (err == ELO_OK) {
        err = elo_queue_mount(&b.queue, &b.queue_flash.dev, ELO_QUEUE_DROP_OLDEST);
    }
    if (err != ELO_OK) {
        die("flash", err);
    }
    (void)console_write(NULL, elo_span_of(rubbish, sizeof rubbish - 1));
    configure();
    err = elo_provision_init(&b.p, &b.config, posix_clock_ms());
    if (err != ELO_OK) {
        die("init", err);
    }
    bool runs = elo_station_get_mode(&b.station) == ELO_STATION_RUN;
    fprintf(stderr, "boot %s\n", runs ? "run" : "set-up");
}

static void take_input(void)
{
    ssize_t n = read(STDIN_FILENO, b.in + b.in_len, sizeof b.in - b.in_len);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        exit(0);
    }
    b.in_len += n > 0 ? (size_t)n : 0;
}

static void obey(const char *order)
{
    if (strcmp(order, "reset") == 0) {
        boot(ELO_RESET_PIN);
        return;
    }
    b.far = strcmp(order, "far") == 0;
    fprintf(stderr, "%s\n", order);
}

/* false: nobody gives orders any more. */
static bool take_orders(void)
{
    char lines[64], *at = lines, *end;
    ssize_t n = read(3, lines, sizeof lines - 1);
    if (n <= 0) {
        return false;
    }
    lines[n] = '\0';
    while ((end = strchr(at, '\n')) != NULL) {
        *end = '\0';
        obey(at);
        at = end + 1;
    }
    return true;
}

static void run(void)
{
    bool orders = fcntl(3, F_GETFD) >= 0;
    for (;;) {
        uint32_t now = posix_clock_ms();
        bool busy = elo_provision_step(&b.p, now);
        bool links = b.station_config.is_set_up;
        struct pollfd polls[3 + PORTAL_POLLS] = {
            {.fd = b.in_len < sizeof b.in ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = orders ? 3 : -1, .events = POLLIN},
            {.fd = -1}};
        if (links) {
            polls[2] = posix_net_interest(elo_station_link(&b.station), &b.tcp);
        }
        portal_sockets_polls(&b.portal, polls + 3);
        poll(polls, 3 + PORTAL_POLLS,
             busy ? 0 : posix_net_wait(-1, elo_provision_wait_ms(&b.p, now)));
        portal_sockets_turn(&b.portal, posix_clock_ms());
        if (polls[0].revents != 0) {
            take_input();
        }
        if (polls[1].revents != 0) {
            orders = take_orders();
        }
        if (b.restart) {
            fprintf(stderr, "restart\n");
            boot(ELO_RESET_SOFTWARE);
        }
    }
}

static void open_flash(struct posix_flash *f, const char *folder, const char *name, uint32_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    elo_err err = posix_flash_open(f, path, size);
    if (err != ELO_OK) {
        die(path, err);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    setvbuf(stderr, NULL, _IOLBF, 0);
    open_flash(&b.slots_flash, argv[1], "slots.flash", SLOTS_BYTES);
    open_flash(&b.queue_flash, argv[1], "queue.flash", QUEUE_BYTES);
    posix_tcp_init(&b.tcp);
    make_board();
    boot(ELO_RESET_POWER);
    run();
}
