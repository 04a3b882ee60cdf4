// links: elo_station elo_errors
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The Station in a house where everything fails: a Wi-Fi that flaps, time servers that are silent
 * or lie, a broker that answers late, twice, in another order or not at all, and closes; power cuts
 * in the middle of the flash; commands that come again. All on a virtual clock that may wrap, from
 * one seed. Then the house heals, and everything has to come to rest.
 *
 * The link is this file's: it takes the place of lib/src/elo/link, whose own test has the TLS.
 *
 * Rules, looked at in every step:
 *   - what was measured and queued arrives, in order, unless the policy gave it up; what was
 * refused does not
 *   - no command is executed twice; a restart not even over that restart
 *   - no connection is tried without a network or without the time
 *   - the description is tried three times at most where the broker closes for it
 *   - a step does a bounded amount of work on flash; time runs as the clock does
 *   - five short starts open the portal, and nothing else does
 *
 * SEED=n runs one seed and says what happens; SEEDS=n so many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elo/station/internal.h"
#include "errors/explain.h"
#include "tests/support/sim_flash.h"
#include "tests/support/sntp_answer.h"

#define SEEDS      2000
#define TROUBLE_MS 150000u
#define HEALING_MS                                                                                 \
    1500000u /* backoffs of a minute, time servers asked every quarter of an hour                  \
              */
#define READINGS     2000
#define COMMANDS     64
#define PACKETS      128
#define PACKET_BYTES 200
#define BUILD_TIME   1790000000u

struct packet {
    bool used;
    uint32_t due_ms; /* in ms since the start of the run */
    uint8_t len, at;
    int command; /* -1: none */
    uint8_t bytes[PACKET_BYTES];
};

struct command {
    bool acked;    /* by PUBACK */
    bool answered; /* by a reply */
    bool relay, restart;
    uint16_t packet_id;
};

static struct {
    uint64_t seed, dice;
    bool loud;
    bool healed;
    uint32_t t;      /* ms since the start of the run */
    uint32_t offset; /* of the board's counter */

    /* The board. */
    struct sim_flash flash;
    struct elo_queue queue;
    struct elo_board board;
    struct elo_clock_config clock;
    struct elo_station_config config;
    struct elo_station s;
    uint8_t rx[256], tx[256], outbox[2048], scratch[ELO_STATION_SCRATCH_MIN];
    uint8_t kept[64];
    size_t kept_len;
    bool relay, portal, restart;
    uint32_t booted_t;
    unsigned short_boots, restarts, restart_commands;

    /* Wi-Fi and time servers. */
    bool wifi_wanted;
    elo_wifi wifi;
    uint32_t wifi_until;
    bool asked;
    uint32_t answer_due;
    uint8_t question[ELO_SNTP_BYTES];
    int32_t server_error_s;

    /* Telemetry. */
    int readings;
    uint8_t accepted[READINGS + 1], refused[READINGS + 1], received[READINGS + 1];
    int newest; /* received */
    uint32_t dropped;
    unsigned cuts;

    /* The link and the broker behind it. */
    const struct elo_link_config *link;
    elo_link_phase phase;
    struct elo_link_diagnosis diagnosis;
    uint32_t open_due;
    bool open_fails, silent, connected, subscribed, session;
    bool closes_for_describe;
    unsigned describes; /* since the last start */
    uint8_t in[4096];
    size_t in_len;
    struct packet packets[PACKETS];
    struct command commands[COMMANDS];
    int command_count;
    int remembered[ELO_STATION_IDS]; /* commands, as the board should know them; -1: none */
    unsigned remember_at;
    bool expected_relay;
} g;

/* --- dice ----------------------------------------------------------------------------------------
 */

static uint32_t dice(uint32_t sides)
{
    g.dice ^= g.dice << 13;
    g.dice ^= g.dice >> 7;
    g.dice ^= g.dice << 17;
    return (uint32_t)(g.dice >> 32) % sides;
}

/* In trouble only. */
static bool mishap(uint32_t one_in)
{
    return !g.healed && dice(one_in) == 0;
}

static uint32_t now_ms(void)
{
    return g.offset + g.t;
}

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    va_list args;
    if (g.loud) {
        va_start(args, format);
        printf("%8.3f ", g.t / 1000.0);
        vprintf(format, args);
        putchar('\n');
        va_end(args);
    }
}

#define RULE(holds, ...)                                                                           \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            printf("seed %llu at %u ms: ", (unsigned long long)g.seed, (unsigned)g.t);             \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* --- the board -----------------------------------------------------------------------------------
 */

static void board_relay(void *ctx, bool on)
{
    (void)ctx;
    note("relay %d", on);
    g.relay = on;
}

static void board_read(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    RULE(g.readings < READINGS, "too many readings");
    out->has_free = true;
    out->free_kib = g.readings + 1; /* says which reading it is; counted when it is used */
    out->source = "";
}

static elo_wifi board_wifi(void *ctx, int *out_rssi)
{
    (void)ctx;
    *out_rssi = -60;
    return g.wifi_wanted ? g.wifi : ELO_WIFI_OFF;
}

static void board_join(void *ctx)
{
    (void)ctx;
    g.wifi_wanted = true;
}

static void board_leave(void *ctx)
{
    (void)ctx;
    g.wifi_wanted = false;
}

static elo_err board_resolve(void *ctx, uint8_t server)
{
    (void)ctx;
    (void)server;
    if (mishap(4)) {
        return ELO_E_DNS;
    }
    return mishap(2) ? ELO_NEED_MORE : ELO_OK;
}

static elo_err board_send(void *ctx, elo_span datagram)
{
    (void)ctx;
    RULE(g.wifi == ELO_WIFI_JOINED, "a datagram without a network");
    RULE(datagram.len == ELO_SNTP_BYTES, "a question of another size");
    memcpy(g.question, datagram.ptr, datagram.len);
    g.asked = !mishap(4);
    g.answer_due = g.t + dice(200);
    g.server_error_s = mishap(6) ? (int32_t)dice(2000000000) - 1000000000 : 0;
    return mishap(10) ? ELO_E_NETWORK : ELO_OK;
}

static uint32_t true_time(void)
{
    return BUILD_TIME + 86400u + g.t / 1000u;
}

static elo_err board_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    if (!g.asked || (int32_t)(g.t - g.answer_due) < 0) {
        return ELO_NEED_MORE;
    }
    RULE(cap >= ELO_SNTP_BYTES, "no room for an answer");
    g.asked = false;
    sntp_answer(g.question, ((int64_t)true_time() + g.server_error_s) * 1000, out);
    *out_len = ELO_SNTP_BYTES;
    return ELO_OK;
}

static void board_close(void *ctx)
{
    (void)ctx;
    g.asked = false;
}

static elo_err board_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)dice(256);
    }
    return ELO_OK;
}

static elo_err board_keep(void *ctx, elo_span bytes)
{
    (void)ctx;
    RULE(bytes.len <= sizeof g.kept, "more kept than there is room for");
    memcpy(g.kept, bytes.ptr, bytes.len);
    g.kept_len = bytes.len;
    return ELO_OK;
}

static elo_err board_recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    *out_len = g.kept_len;
    if (g.kept_len == 0 || g.kept_len > cap) {
        return ELO_E_NOT_FOUND;
    }
    memcpy(out, g.kept, g.kept_len);
    return ELO_OK;
}

static void board_portal(void *ctx, bool open)
{
    (void)ctx;
    g.portal = open;
}

static void board_restart(void *ctx)
{
    (void)ctx;
    g.restart = true;
}

static void on_news(void *ctx, const struct elo_station_news *n)
{
    (void)ctx;
    switch (n->type) {
    case ELO_STATION_NEWS_TELEMETRY:
        g.readings++;
        g.accepted[g.readings] = n->err == ELO_OK;
        g.refused[g.readings] = n->err != ELO_OK && !g.flash.off;
        note("reading %d: %s", g.readings, n->err == ELO_OK ? "queued" : "not queued");
        break;
    case ELO_STATION_NEWS_DROPPED:
        g.dropped += n->u.count;
        note("%u dropped", (unsigned)n->u.count);
        break;
    case ELO_STATION_NEWS_CLIENT:
        if (n->u.client->type == ELO_CLIENT_DISCONNECTED) {
            note("disconnected: %s", elo_explain(n->u.client->u.disconnected.reason)->slug);
        } else if (n->u.client->type == ELO_CLIENT_CONNECTED) {
            note("connected");
        }
        break;
    case ELO_STATION_NEWS_MODE:
        note("mode %d", elo_station_get_mode(&g.s));
        break;
    default:
        break;
    }
}

/* --- the broker ----------------------------------------------------------------------------------
 */

static void say(const uint8_t *bytes, size_t len, int command)
{
    for (size_t i = 0; i < PACKETS; i++) {
        struct packet *p = &g.packets[i];
        if (!p->used) {
            p->used = true;
            p->due_ms = g.t + (g.healed ? 5 : dice(8) == 0 ? dice(15000) : dice(300));
            p->len = (uint8_t)len;
            p->at = 0;
            p->command = command;
            memcpy(p->bytes, bytes, len);
            return;
        }
    }
}

static void answer(const uint8_t *bytes, size_t len)
{
    if (g.silent || mishap(30)) {
        return;
    }
    say(bytes, len, -1);
    if (mishap(20)) {
        say(bytes, len, -1);
    }
}

static void forget_packets(void)
{
    memset(g.packets, 0, sizeof g.packets);
    g.in_len = 0;
}

static bool has_end(elo_span text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/* The number behind a key, -1 if it is not there. */
static int number_of(elo_span json, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i + len < json.len; i++) {
        if (memcmp(json.ptr + i, key, len) == 0) {
            return (int)strtol((const char *)json.ptr + i + len, NULL, 10);
        }
    }
    return -1;
}

static void on_telemetry(elo_span payload)
{
    int n = number_of(payload, "\"freeKiB\":");
    note("telemetry %d arrives", n);
    RULE(n >= 1 && n <= g.readings, "telemetry of a reading that was not made: %d", n);
    RULE(!g.refused[n], "telemetry %d arrives, though it was refused", n);
    RULE(n > g.newest || g.received[n], "telemetry %d after %d", n, g.newest);
    g.received[n] = 1;
    g.newest = n > g.newest ? n : g.newest;
}

static void on_reply(elo_span payload)
{
    int n = number_of(payload, "\"id\":");
    RULE(n >= 0 && n < g.command_count, "a reply to no command: %d", n);
    g.commands[n].answered = true;
}

static void close_now(elo_err reason)
{
    g.phase = ELO_LINK_FAILED;
    g.diagnosis.reason = reason;
    g.connected = false;
    forget_packets();
}

static void on_publish(const uint8_t *p, size_t len)
{
    unsigned qos = p[0] >> 1 & 3u;
    size_t head = len - 2 > 127 ? 3 : 2; /* one or two bytes of length */
    size_t topic_len = (size_t)p[head] << 8 | p[head + 1];
    elo_span topic = elo_span_of(p + head + 2, topic_len);
    size_t at = head + 2 + topic_len + (qos ? 2 : 0);
    elo_span payload = elo_span_of(p + at, len - at);
    if (has_end(topic, "/describe")) {
        RULE(qos == 0 && (p[0] & 1) != 0, "a description that is not retained");
        g.describes++;
        note("description");
        RULE(!g.closes_for_describe || g.describes <= 3, "the description is tried again");
        if (g.closes_for_describe) {
            close_now(ELO_E_TCP_CLOSED);
        }
        return;
    }
    RULE(qos == 1, "a message of QoS %u", qos);
    if (has_end(topic, "/telemetry")) {
        on_telemetry(payload);
    } else if (has_end(topic, "/reply")) {
        on_reply(payload);
    } else {
        RULE(has_end(topic, "/state"), "a message elsewhere");
    }
    uint8_t puback[] = {0x40, 2, p[head + 2 + topic_len], p[head + 3 + topic_len]};
    answer(puback, sizeof puback);
}

static void on_puback(uint16_t id)
{
    for (int i = 0; i < g.command_count; i++) {
        if (g.commands[i].packet_id == id) {
            g.commands[i].acked = true;
        }
    }
}

static void on_packet(const uint8_t *p, size_t len)
{
    uint8_t connack[] = {0x20, 2, g.session && g.config.persistent, 0};
    uint8_t suback[] = {0x90, 3, 0, 0, 1};
    uint8_t pingresp[] = {0xD0, 0};
    note("the board says %02x, %zu bytes", p[0], len);
    switch (p[0] >> 4) {
    case 1:
        if (mishap(6)) {
            close_now(ELO_E_TCP_CLOSED);
            return;
        }
        g.subscribed = connack[2] != 0 && g.subscribed;
        g.session = true;
        answer(connack, sizeof connack);
        break;
    case 3:
        on_publish(p, len);
        break;
    case 4:
        on_puback((uint16_t)(p[2] << 8 | p[3]));
        break;
    case 8:
        suback[2] = p[2];
        suback[3] = p[3];
        g.subscribed = true;
        answer(suback, sizeof suback);
        break;
    case 12:
        answer(pingresp, sizeof pingresp);
        break;
    case 14:
        break;
    default:
        RULE(false, "packet %02x", p[0]);
    }
}

static size_t packet_size(void)
{
    size_t size = 0;
    for (unsigned i = 0; i < 2 && i + 1 < g.in_len; i++) {
        size |= (size_t)(g.in[1 + i] & 0x7Fu) << (7 * i);
        if ((g.in[1 + i] & 0x80) == 0) {
            return size + 2 + i <= g.in_len ? size + 2 + i : 0;
        }
    }
    return 0;
}

static void take(elo_span bytes)
{
    RULE(bytes.len <= sizeof g.in - g.in_len, "too much at once");
    memcpy(g.in + g.in_len, bytes.ptr, bytes.len);
    g.in_len += bytes.len;
}

static void hear(void)
{
    size_t size;
    while (g.phase == ELO_LINK_OPEN && (size = packet_size()) > 0) {
        on_packet(g.in, size);
        if (g.phase == ELO_LINK_OPEN) {
            g.in_len -= size;
            memmove(g.in, g.in + size, g.in_len);
        }
    }
}

/* A new command, or one once more that has no PUBACK, or (as a person may) one of the last again.
 */
static void command(void)
{
    char json[100];
    uint8_t bytes[PACKET_BYTES];
    bool again = g.command_count > 0 && dice(2) == 0;
    int n = again ? g.command_count - 1 - (int)dice(g.command_count < 4 ? 1 : 4) : g.command_count;
    if (!g.connected || !g.subscribed || n >= COMMANDS || (g.healed && !again)) {
        return;
    }
    struct command *c = &g.commands[n];
    if (g.healed && c->restart) {
        return;
    }
    if (!again) {
        g.command_count++;
        c->relay = dice(2) != 0;
        c->restart = dice(12) == 0;
    }
    c->packet_id = (uint16_t)(1 + dice(60000));
    int len = snprintf(json, sizeof json, "{\"id\":%d,\"relay\":\"%s\"%s}", n,
                       c->relay ? "on" : "off", c->restart ? ",\"restart\":true" : "");
    const char *topic = "elo/thing/cmd";
    size_t topic_len = strlen(topic), at = 0;
    bytes[at++] = (uint8_t)(0x32 | (again ? 8 : 0));
    bytes[at++] = (uint8_t)(2 + topic_len + 2 + (size_t)len);
    bytes[at++] = 0;
    bytes[at++] = (uint8_t)topic_len;
    memcpy(bytes + at, topic, topic_len);
    at += topic_len;
    bytes[at++] = (uint8_t)(c->packet_id >> 8);
    bytes[at++] = (uint8_t)c->packet_id;
    memcpy(bytes + at, json, (size_t)len);
    say(bytes, at + (size_t)len, n);
}

/* --- the link, in the place of the real one ------------------------------------------------------
 */

void elo_link_init(struct elo_link *link, const struct elo_link_config *config)
{
    memset(link, 0, sizeof *link);
    g.link = config;
    g.phase = ELO_LINK_IDLE;
    memset(&g.diagnosis, 0, sizeof g.diagnosis);
    forget_packets();
}

static void link_open(void)
{
    static const elo_err reasons[] = {ELO_E_DNS, ELO_E_TCP_REFUSED, ELO_E_ROOT, ELO_E_TCP_TIMEOUT};
    RULE(g.wifi == ELO_WIFI_JOINED, "a connection without a network");
    RULE(g.link->now_unix(g.link->ctx) >= BUILD_TIME, "a connection without the time");
    g.phase = ELO_LINK_CONNECTING;
    g.open_due = g.t + dice(1500);
    g.open_fails = mishap(4);
    g.diagnosis.reason = g.open_fails ? reasons[dice(4)] : ELO_OK;
    g.silent = mishap(10);
    forget_packets();
}

/* The packet that is due first, or NULL. */
static struct packet *due_packet(void)
{
    struct packet *first = NULL;
    for (size_t i = 0; i < PACKETS; i++) {
        struct packet *p = &g.packets[i];
        if (p->used && (int32_t)(g.t - p->due_ms) >= 0 &&
            (first == NULL || p->at > 0 || (first->at == 0 && p->due_ms < first->due_ms))) {
            first = p;
        }
    }
    return first;
}

static bool is_remembered(int n)
{
    for (size_t i = 0; i < ELO_STATION_IDS; i++) {
        if (g.remembered[i] == n) {
            return true;
        }
    }
    return false;
}

static void heard_command(int n)
{
    const struct command *c = &g.commands[n];
    bool known = is_remembered(n);
    note("command %d arrives: relay %d%s%s", n, c->relay, c->restart ? ", restart" : "",
         known ? ", again" : "");
    if (!known) {
        g.remembered[g.remember_at] = n;
        g.remember_at = (g.remember_at + 1) % ELO_STATION_IDS;
        g.expected_relay = c->relay;
        g.restart_commands += c->restart;
    }
}

static bool deliver(struct elo_client *client)
{
    struct packet *p = due_packet();
    if (p == NULL) {
        return false;
    }
    bool online = elo_client_get_state(client) == ELO_CLIENT_ONLINE;
    size_t n =
        elo_client_input(client, elo_span_of(p->bytes + p->at, (size_t)(p->len - p->at)), now_ms());
    p->at = (uint8_t)(p->at + n);
    if (p->at == p->len) {
        p->used = false;
        g.connected = g.connected || p->bytes[0] == 0x20; /* no command comes before it */
        if (p->command >= 0 && online) {
            heard_command(p->command);
        }
    }
    return n > 0;
}

bool elo_link_step(struct elo_link *link, uint32_t now)
{
    struct elo_client *client = g.link->client;
    elo_client_wish wish = elo_client_wants(client);
    uint32_t at;
    (void)link;
    if (g.phase == ELO_LINK_FAILED) {
        g.phase = ELO_LINK_IDLE;
        elo_client_transport_closed(client, g.diagnosis.reason, now);
        return true;
    }
    if (elo_client_next_deadline(client, &at) && (int32_t)(now - at) >= 0) {
        elo_client_tick(client, now);
    }
    if (wish == ELO_CLIENT_WANTS_OPEN && g.phase == ELO_LINK_IDLE) {
        link_open();
    } else if (wish == ELO_CLIENT_WANTS_CLOSED && g.phase != ELO_LINK_IDLE) {
        close_now(ELO_OK);
        return true;
    }
    if (g.phase == ELO_LINK_CONNECTING && (int32_t)(g.t - g.open_due) >= 0) {
        if (g.open_fails) {
            g.phase = ELO_LINK_FAILED;
            return true;
        }
        g.phase = ELO_LINK_OPEN;
        elo_client_transport_open(client, now);
    }
    if (g.phase != ELO_LINK_OPEN) {
        return false;
    }
    if (mishap(400)) {
        close_now(ELO_E_TCP_CLOSED);
        return true;
    }
    bool moved = deliver(client);
    elo_span out = elo_client_output_buf(client);
    if (out.len > 0) {
        size_t n = 1 + dice((uint32_t)out.len);
        elo_span some = elo_span_first(out, g.healed ? out.len : n);
        take(some);
        elo_client_output_ack(client, some.len, now);
        hear();
        moved = true;
    }
    return moved;
}

void elo_link_cut(struct elo_link *link, elo_err reason)
{
    (void)link;
    if (g.phase != ELO_LINK_IDLE && g.phase != ELO_LINK_FAILED) {
        close_now(reason);
    }
}

uint32_t elo_link_wait_ms(const struct elo_link *link, uint32_t now)
{
    uint32_t at;
    (void)link;
    if (g.phase == ELO_LINK_FAILED) {
        return 0;
    }
    if (elo_client_next_deadline(g.link->client, &at)) {
        return (int32_t)(at - now) <= 0 ? 0 : at - now;
    }
    return UINT32_MAX;
}

elo_link_phase elo_link_get_phase(const struct elo_link *link)
{
    (void)link;
    return g.phase;
}

const struct elo_link_diagnosis *elo_link_diagnosis(const struct elo_link *link)
{
    (void)link;
    return &g.diagnosis;
}

void elo_link_deinit(struct elo_link *link)
{
    (void)link;
    g.phase = ELO_LINK_IDLE;
    g.connected = false;
    forget_packets();
}

/* --- a run ---------------------------------------------------------------------------------------
 */

static void boot(elo_reset reset)
{
    bool by_hand = reset == ELO_RESET_POWER || reset == ELO_RESET_PIN;
    if (by_hand) {
        g.short_boots++;
    } else {
        g.short_boots = 0;
    }
    note("start %d, %u short", reset, g.short_boots);
    g.booted_t = g.t;
    g.phase = ELO_LINK_IDLE;
    g.connected = g.asked = g.portal = g.wifi_wanted = false;
    g.relay = true; /* to see that it is switched off */
    g.expected_relay = false;
    g.describes = 0;
    forget_packets();
    for (size_t i = 0; i < ELO_STATION_IDS; i++) {
        g.remembered[i] = -1;
    }
    g.remember_at = 1;
    g.board.reset = reset;
    while (elo_queue_mount(&g.queue, &g.flash.dev, ELO_QUEUE_DROP_OLDEST) != ELO_OK) {
        RULE(g.flash.off, "the queue cannot be mounted");
        sim_flash_power_on(&g.flash); /* cut while mounting */
    }
    assert_int_equal(elo_station_init(&g.s, &g.config, now_ms()), ELO_OK);
    elo_station_pause(&g.s, g.healed);
    bool set_up = g.short_boots >= 5;
    RULE((elo_station_get_mode(&g.s) == ELO_STATION_SETUP) == set_up,
         "%u short starts, and the mode is %d", g.short_boots, elo_station_get_mode(&g.s));
    RULE(g.portal == set_up, "the portal");
    if (set_up) {
        g.short_boots = 0;
    }
    /* The restart that was obeyed last is remembered. */
    for (int i = 0; i < g.command_count; i++) {
        char json[100];
        struct elo__command c;
        snprintf(json, sizeof json, "{\"id\":%d,\"relay\":\"%s\",\"restart\":true}", i,
                 g.commands[i].relay ? "on" : "off");
        elo__command_read(&g.s, elo_span_str(json), &c);
        if (g.commands[i].restart && c.words_hash == g.s._internal.kept.restart_words &&
            c.id_hash == g.s._internal.kept.restart_id) {
            g.remembered[0] = i;
        }
    }
}

static void setup(uint64_t seed)
{
    bool loud = g.loud;
    memset(&g, 0, sizeof g);
    g.loud = loud;
    g.seed = seed;
    g.dice = seed * 0x9E3779B97F4A7C15u + 1;
    dice(2);
    g.offset = dice(2) ? UINT32_MAX - dice(200000) : dice(UINT32_MAX);
    sim_flash_init(&g.flash, dice(3) == 0 ? 2 : 12, seed + 1);
    g.flash.flicker = true;
    g.closes_for_describe = dice(4) == 0;
    g.board = (struct elo_board){.name = "model",
                                 .relay = board_relay,
                                 .read = board_read,
                                 .wifi_join = board_join,
                                 .wifi_leave = board_leave,
                                 .wifi_status = board_wifi,
                                 .time_resolve = board_resolve,
                                 .time_send = board_send,
                                 .time_recv = board_recv,
                                 .time_close = board_close,
                                 .entropy = board_entropy,
                                 .keep = board_keep,
                                 .recall = board_recall,
                                 .portal = board_portal,
                                 .restart = board_restart};
    elo_clock_defaults(&g.clock);
    g.clock.servers = 3;
    g.clock.build_floor = BUILD_TIME;
    elo_station_defaults(&g.config);
    g.config.board = &g.board;
    g.config.queue = &g.queue;
    g.config.is_set_up = true;
    g.config.client_id = "thing";
    g.config.prefix = "elo/thing";
    g.config.persistent = dice(2) != 0;
    g.config.interval_s = (uint16_t)(1 + dice(3));
    g.config.health_s = dice(2) ? 20 : 0;
    g.config.window = (uint8_t)(1 + dice(6));
    g.config.queue_max = dice(4) == 0 ? 10 : 0;
    g.config.clock = &g.clock;
    g.config.rx = g.rx;
    g.config.rx_size = sizeof g.rx;
    g.config.tx = g.tx;
    g.config.tx_size = sizeof g.tx;
    g.config.outbox = g.outbox;
    g.config.outbox_size = dice(2) ? sizeof g.outbox : ELO_STATION_OUTBOX_MIN;
    g.config.scratch = g.scratch;
    g.config.scratch_size = sizeof g.scratch;
    g.config.tell = on_news;
}

static void world_moves(void)
{
    if ((int32_t)(g.t - g.wifi_until) >= 0 || g.healed) {
        static const elo_wifi states[] = {ELO_WIFI_JOINED, ELO_WIFI_JOINED, ELO_WIFI_JOINING,
                                          ELO_WIFI_NO_NETWORK, ELO_WIFI_WRONG_PASSWORD};
        g.wifi = g.healed ? ELO_WIFI_JOINED : states[dice(5)];
        g.wifi_until = g.t + 100 + dice(40000);
    }
    if (dice(g.healed ? 40 : 25) == 0) {
        command();
    }
    if (mishap(150)) {
        sim_flash_cut(&g.flash, 1 + dice(60), (enum sim_cut)dice(SIM_CUTS));
    }
}

static void check_step(uint32_t uptime_before)
{
    uint64_t steps = g.flash.steps;
    g.flash.steps = 0;
    RULE(steps < 600, "%u steps of flash at once", (unsigned)steps);
    RULE(g.s._internal.uptime_s >= uptime_before &&
             g.s._internal.uptime_s * 1000u + g.s._internal.uptime_ms == g.t - g.booted_t,
         "the clock says %u ms, uptime %u s", (unsigned)(g.t - g.booted_t),
         (unsigned)g.s._internal.uptime_s);
    RULE(g.relay == g.expected_relay, "the relay is %d, should be %d", g.relay, g.expected_relay);
    RULE(g.restarts <= g.restart_commands, "%u restarts of %u commands", g.restarts,
         g.restart_commands);
    RULE(g.s._internal.flying <= g.config.window, "%u messages on their way", g.s._internal.flying);
    if (elo_station_get_mode(&g.s) == ELO_STATION_RUN && g.config.queue_max != 0) {
        RULE(elo_queue_count(&g.queue) <= g.config.queue_max + g.config.window, "%u messages wait",
             (unsigned)elo_queue_count(&g.queue));
    }
}

/* Time goes to where something happens; in trouble with a jump now and then, as when a name look-up
 * or a flash write took long. */
static void time_goes_on(bool busy)
{
    uint32_t wait = busy ? 0 : elo_station_wait_ms(&g.s, now_ms());
    for (size_t i = 0; i < PACKETS; i++) {
        const struct packet *p = &g.packets[i];
        if (p->used && (int32_t)(p->due_ms - g.t) < (int32_t)wait) {
            wait = (int32_t)(p->due_ms - g.t) > 0 ? p->due_ms - g.t : 0;
        }
    }
    if (g.phase == ELO_LINK_CONNECTING && (int32_t)(g.open_due - g.t) < (int32_t)wait) {
        wait = (int32_t)(g.open_due - g.t) > 0 ? g.open_due - g.t : 0;
    }
    g.t += mishap(500) ? dice(20000) : wait > 0 ? wait : 1;
}

static void live_until(uint32_t end)
{
    while ((int32_t)(end - g.t) > 0) {
        uint32_t uptime = g.s._internal.uptime_s;
        world_moves();
        if (g.t - g.booted_t >= 10000) {
            g.short_boots = 0;
        }
        bool busy = elo_station_step(&g.s, now_ms());
        if (g.flash.off) {
            g.cuts++;
            sim_flash_power_on(&g.flash);
            g.t += dice(3) == 0 ? dice(15000) : 1;
            boot(dice(2) ? ELO_RESET_POWER : ELO_RESET_CRASH);
        } else if (g.restart) {
            g.restart = false;
            g.restarts++;
            boot(ELO_RESET_SOFTWARE);
        } else {
            check_step(uptime);
        }
        if (g.healed && elo_station_pending(&g.s) == 0 && elo_station_is_online(&g.s) &&
            g.s._internal.paused) {
            return;
        }
        time_goes_on(busy);
    }
}

/* What was queued has arrived, but for what was given up. A cut may have hidden that a sector was.
 */
static void check_delivery(void)
{
    uint32_t missing = 0, hidden = g.cuts * 40;
    for (int n = 1; n <= g.readings; n++) {
        missing += g.accepted[n] && !g.received[n];
    }
    bool can_drop = g.dropped > 0 || g.flash.dev.size == 2 * ELO_FLASH_SECTOR;
    RULE(missing <= g.dropped + (can_drop ? hidden : 0), "%u readings are missing, %u were dropped",
         (unsigned)missing, (unsigned)g.dropped);
}

static void run(uint64_t seed)
{
    setup(seed);
    boot(ELO_RESET_POWER);
    live_until(TROUBLE_MS);
    sim_flash_cut(&g.flash, 0, SIM_CUT_BEFORE);
    g.healed = true;
    g.silent = false;
    note("healed");
    if (g.phase == ELO_LINK_CONNECTING) {
        g.open_fails = false;
    }
    elo_station_pause(&g.s, true);
    live_until(TROUBLE_MS + HEALING_MS);
    RULE(elo_station_pending(&g.s) == 0 && elo_station_is_online(&g.s),
         "no rest: %u wait, the layer is %d", (unsigned)elo_station_pending(&g.s),
         elo_station_why(&g.s));
    check_delivery();
    sim_flash_free(&g.flash);
}

static void everything_comes_to_rest(void **state)
{
    (void)state;
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SEEDS;
    g.loud = one != NULL;
    uint64_t readings = 0, restarts = 0, cuts = 0, dropped = 0, commands = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        run(seed);
        readings += (uint64_t)g.readings;
        restarts += g.restarts;
        cuts += g.cuts;
        dropped += g.dropped;
        commands += (uint64_t)g.command_count;
    }
    printf(
        "%llu seeds: %llu readings, %llu dropped, %llu commands, %llu restarts, %llu power cuts\n",
        (unsigned long long)count, (unsigned long long)readings, (unsigned long long)dropped,
        (unsigned long long)commands, (unsigned long long)restarts, (unsigned long long)cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_comes_to_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
