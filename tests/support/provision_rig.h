// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A whole board (station/provision.h) on the bench: its flash, radio, serial line and one visitor
 * of its portal are here, and so is what a test gives to it. Time is the test's: pass().
 *
 * The link is this file's and takes the place of lib/src/elo/link: it connects at once to a broker
 * that grants everything, or fails as the test wants.
 *
 * In a header, because a program has one link: the tests of it share the source.
 */
#ifndef TESTS_SUPPORT_PROVISION_RIG_H
#define TESTS_SUPPORT_PROVISION_RIG_H

#include "tests/support/tls_peer.h"

#include "elo/setup/code.h"
#include "elo/station/provision.h"
#include "tests/support/sim_flash.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOT_STATION = 1 };

static struct {
    struct sim_flash slots_flash, queue_flash;
    struct elo_flash_dev dev; /* the slots', of which one program may fail */
    unsigned fail_program;
    struct elo_slots slots;
    struct elo_queue queue;
    struct elo_board board;
    struct elo_station station;
    struct elo_station_config station_config;
    struct elo_provision_config config;
    struct elo_provision p;
    struct elo_portal_conn conns[2];
    uint8_t bundle[ELO_BUNDLE_TEXT_BYTES];
    uint8_t rx[512], tx[256], outbox[2048], scratch[1024];
    const struct elo_clock_config *clock; /* of a board without `wall` */
    uint32_t now;

    char ssid[ELO_SSID_MAX + 1], passphrase[ELO_PASSPHRASE_MAX + 1];
    bool joined, portal;
    unsigned restarts, heard, entropies;
    bool no_entropy;
    elo_wifi refuses; /* what becomes of joining "bad"; JOINED: it works */

    char typed[512], said[8192], page[65536];
    size_t typed_len, said_len, page_len;
    const char *request;
    size_t request_at;
    bool asks;

    const struct elo_link_config *link;
    elo_link_phase phase;
    struct elo_link_diagnosis diagnosis;
    elo_err link_fails, subscribe;
    bool mute, pressed; /* the broker; the board's button */
    unsigned publishes;
} b;

static struct {
    struct test_cert root, other_root, old, next, stranger;
} pki;

/* --- the link and its broker ---------------------------------------------------------------------
 */

void elo_link_init(struct elo_link *link, const struct elo_link_config *config)
{
    memset(link, 0, sizeof *link);
    b.link = config;
    b.phase = ELO_LINK_IDLE;
}

static inline void answer(const uint8_t *bytes, size_t len)
{
    assert_int_equal(elo_client_input(b.link->client, elo_span_of(bytes, len), b.now), len);
}

static inline void on_packet(uint8_t head, const uint8_t *body)
{
    uint8_t connack[] = {0x20, 2, 0, 0};
    uint8_t suback[] = {0x90, 3, 0, 0, 1};
    uint8_t puback[] = {0x40, 2, 0, 0};
    uint8_t pingresp[] = {0xD0, 0};
    switch (head >> 4) {
    case 1:
        if (!b.mute) {
            answer(connack, sizeof connack);
        }
        break;
    case 3:
        b.publishes++;
        if ((head & 6) != 0) {
            memcpy(puback + 2, body + 2 + (body[0] << 8 | body[1]), 2);
            answer(puback, sizeof puback);
        }
        break;
    case 8:
        memcpy(suback + 2, body, 2);
        suback[4] = b.subscribe == ELO_OK ? 1 : 0x80;
        answer(suback, sizeof suback);
        break;
    case 12:
        answer(pingresp, sizeof pingresp);
        break;
    default:
        break;
    }
}

/* Packets here are shorter than 16 KiB; what the client gives out are whole ones. */
static inline void take(elo_span out)
{
    uint8_t packets[1024];
    size_t at = 0;
    assert_true(out.len <= sizeof packets);
    memcpy(packets, out.ptr, out.len);
    elo_client_output_ack(b.link->client, out.len, b.now);
    while (at < out.len) {
        size_t len = packets[at + 1] & 0x7F, head = 2;
        if ((packets[at + 1] & 0x80) != 0) {
            len += (size_t)packets[at + 2] << 7;
            head = 3;
        }
        on_packet(packets[at], packets + at + head);
        at += head + len;
    }
    assert_int_equal(at, out.len);
}

bool elo_link_step(struct elo_link *link, uint32_t now)
{
    struct elo_client *client = b.link->client;
    elo_client_wish wish = elo_client_wants(client);
    uint32_t at;
    (void)link;
    if (elo_client_next_deadline(client, &at) && (int32_t)(now - at) >= 0) {
        elo_client_tick(client, now);
    }
    if (wish == ELO_CLIENT_WANTS_OPEN && b.phase == ELO_LINK_IDLE) {
        assert_true(b.joined);
        assert_non_null(b.link->tls.host);
        b.diagnosis.reason = b.link_fails;
        if (b.link_fails != ELO_OK) {
            elo_client_transport_closed(client, b.link_fails, now);
            return true;
        }
        b.phase = ELO_LINK_OPEN;
        elo_client_transport_open(client, now);
    } else if (wish == ELO_CLIENT_WANTS_CLOSED && b.phase != ELO_LINK_IDLE) {
        b.phase = ELO_LINK_IDLE;
        elo_client_transport_closed(client, ELO_OK, now);
        return true;
    }
    elo_span out = elo_client_output_buf(client);
    if (b.phase != ELO_LINK_OPEN || out.len == 0) {
        return false;
    }
    take(out);
    return true;
}

void elo_link_cut(struct elo_link *link, elo_err reason)
{
    (void)link;
    if (b.phase != ELO_LINK_IDLE) {
        b.phase = ELO_LINK_IDLE;
        elo_client_transport_closed(b.link->client, reason, b.now);
    }
}

uint32_t elo_link_wait_ms(const struct elo_link *link, uint32_t now)
{
    (void)link;
    (void)now;
    return 10;
}

elo_link_phase elo_link_get_phase(const struct elo_link *link)
{
    (void)link;
    return b.phase;
}

const struct elo_link_diagnosis *elo_link_diagnosis(const struct elo_link *link)
{
    (void)link;
    return &b.diagnosis;
}

void elo_link_deinit(struct elo_link *link)
{
    (void)link;
    assert_non_null(b.link);
    b.phase = ELO_LINK_IDLE;
}

/* --- the board -----------------------------------------------------------------------------------
 */

static inline void board_read(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    out->source = "";
}

static inline uint32_t board_wall(void *ctx)
{
    (void)ctx;
    return 1800000000;
}

static inline elo_err board_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    b.entropies++;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(i * 31 + b.entropies * 7);
    }
    return b.no_entropy ? ELO_E_ENTROPY : ELO_OK;
}

static inline elo_err board_keep(void *ctx, elo_span bytes)
{
    (void)ctx;
    return elo_slots_write(&b.slots, SLOT_STATION, bytes);
}

static inline elo_err board_recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return elo_slots_read(&b.slots, SLOT_STATION, out, cap, out_len);
}

static inline bool board_button(void *ctx)
{
    (void)ctx;
    return b.pressed;
}

static inline void board_restart(void *ctx)
{
    (void)ctx;
    b.restarts++;
}

static inline void wifi_use(void *ctx, elo_span ssid, const char *passphrase)
{
    (void)ctx;
    assert_true(ssid.len <= ELO_SSID_MAX);
    snprintf(b.ssid, sizeof b.ssid, "%.*s", (int)ssid.len, (const char *)ssid.ptr);
    snprintf(b.passphrase, sizeof b.passphrase, "%s", passphrase);
}

static inline void wifi_join(void *ctx)
{
    (void)ctx;
    b.joined = true;
}

static inline void wifi_leave(void *ctx)
{
    (void)ctx;
    b.joined = false;
}

static inline elo_wifi wifi_status(void *ctx, int *out_rssi)
{
    (void)ctx;
    *out_rssi = -60;
    if (!b.joined) {
        return ELO_WIFI_OFF;
    }
    return strcmp(b.ssid, "bad") == 0 ? b.refuses : ELO_WIFI_JOINED;
}

static inline void wifi_scan(void *ctx)
{
    (void)ctx;
    b.heard = 0;
}

static inline elo_err wifi_heard(void *ctx, struct elo_setup_network *out)
{
    (void)ctx;
    if (b.heard == 3) {
        return ELO_END;
    }
    *out = (struct elo_setup_network){.ssid = "net", .ssid_len = 3, .rssi = (int8_t)-b.heard};
    return b.heard++ == 0 ? ELO_NEED_MORE : ELO_OK;
}

static inline void open_portal(void *ctx, bool open)
{
    (void)ctx;
    b.portal = open;
}

static inline size_t console_read(void *ctx, uint8_t *out, size_t cap)
{
    (void)ctx;
    size_t n = b.typed_len < cap ? b.typed_len : cap;
    memcpy(out, b.typed, n);
    memmove(b.typed, b.typed + n, b.typed_len - n);
    b.typed_len -= n;
    return n;
}

/* A line that takes little at a time. */
static inline size_t console_write(void *ctx, elo_span bytes)
{
    (void)ctx;
    size_t n = bytes.len < 5 ? bytes.len : 5;
    if (b.said_len + n < sizeof b.said) {
        memcpy(b.said + b.said_len, bytes.ptr, n);
        b.said_len += n;
        b.said[b.said_len] = '\0';
    }
    return n;
}

/* One visitor, on the second connection. */
static inline elo_err
portal_read(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    if (conn != 1 || !b.asks) {
        return ELO_END;
    }
    size_t left = strlen(b.request) - b.request_at;
    *out_len = left < cap ? left : cap;
    memcpy(out, b.request + b.request_at, *out_len);
    b.request_at += *out_len;
    return *out_len > 0 ? ELO_OK : ELO_NEED_MORE;
}

static inline size_t portal_room(void *ctx, unsigned conn)
{
    (void)ctx;
    assert_int_equal(conn, 1);
    return 50;
}

static inline void portal_write(void *ctx, unsigned conn, elo_span bytes)
{
    (void)ctx;
    (void)conn;
    assert_true(bytes.len <= 50 && b.page_len + bytes.len < sizeof b.page);
    memcpy(b.page + b.page_len, bytes.ptr, bytes.len);
    b.page_len += bytes.len;
}

static inline void portal_close(void *ctx, unsigned conn)
{
    (void)ctx;
    (void)conn;
    b.asks = false;
}

/* --- starting ------------------------------------------------------------------------------------
 */

static inline void configure(void)
{
    struct elo_station_config *c = &b.station_config;
    elo_station_defaults(c);
    c->board = &b.board;
    c->queue = &b.queue;
    c->clock = b.clock;
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
                                             .firmware = "test-1",
                                             .bundle = b.bundle,
                                             .bundle_size = sizeof b.bundle,
                                             .conns = b.conns,
                                             .conn_count = 2};
}

static inline elo_err program(void *ctx, uint32_t at, const void *data, size_t len)
{
    (void)ctx;
    if (b.fail_program > 0 && --b.fail_program == 0) {
        return ELO_E_IO;
    }
    return b.slots_flash.dev.program(b.slots_flash.dev.ctx, at, data, len);
}

static inline elo_err start(elo_reset reset)
{
    b.board.reset = reset;
    b.joined = b.portal = false;
    b.restarts = 0;
    b.typed_len = 0;
    elo_err err = elo_slots_init(&b.slots, &b.dev);
    if (err == ELO_OK) {
        err = elo_queue_mount(&b.queue, &b.queue_flash.dev, ELO_QUEUE_DROP_OLDEST);
    }
    configure();
    return err == ELO_OK ? elo_provision_init(&b.p, &b.config, b.now) : err;
}

static inline void boot(elo_reset reset)
{
    assert_int_equal(start(reset), ELO_OK);
}

static inline int make(void **state)
{
    (void)state;
    memset(&b, 0, sizeof b);
    sim_flash_init(&b.slots_flash, 4, 1);
    sim_flash_init(&b.queue_flash, 2, 2);
    b.dev = b.slots_flash.dev;
    b.dev.program = program;
    b.refuses = ELO_WIFI_WRONG_PASSWORD;
    b.now = UINT32_MAX - 5000;
    b.board = (struct elo_board){.name = "test",
                                 .read = board_read,
                                 .wall = board_wall,
                                 .entropy = board_entropy,
                                 .keep = board_keep,
                                 .recall = board_recall,
                                 .button = board_button,
                                 .restart = board_restart,
                                 .portal = open_portal,
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
                                 .portal_address = {192, 168, 4, 1}};
    boot(ELO_RESET_POWER);
    return 0;
}

static inline int unmake(void **state)
{
    (void)state;
    sim_flash_free(&b.slots_flash);
    sim_flash_free(&b.queue_flash);
    return 0;
}

static inline int make_pki(void **state)
{
    (void)state;
    pki.root = test_ca_make("Root", TEST_P256);
    pki.other_root = test_ca_make("Other root", TEST_RSA);
    pki.old = test_leaf_make("old", TEST_P256, &pki.root);
    pki.next = test_leaf_make("next", TEST_P256, &pki.root);
    pki.stranger = test_leaf_make("stranger", TEST_RSA, &pki.root);
    return 0;
}

static inline int free_pki(void **state)
{
    (void)state;
    test_cert_free(&pki.root);
    test_cert_free(&pki.other_root);
    test_cert_free(&pki.old);
    test_cert_free(&pki.next);
    test_cert_free(&pki.stranger);
    return 0;
}

static inline void pass(uint32_t ms)
{
    for (uint32_t end = b.now + ms; b.now != end; b.now += 10) {
        for (int i = 0; elo_provision_step(&b.p, b.now); i++) {
            assert_true(i < 2000); /* it is never busy for nothing */
        }
    }
}

/* --- what is given to it -------------------------------------------------------------------------
 */

static inline void add(const char *text)
{
    assert_int_equal(elo_bundle_text_input(&b.p.setup.bundle, elo_span_str(text)), ELO_OK);
}

/* `key`: a traditional or PKCS #8 one goes with it. */
enum brings { BRINGS_NONE, BRINGS_SEC1, BRINGS_PKCS8 };

static inline void give(const struct test_cert *cert, const char *name, enum brings key)
{
    struct test_text t;
    char json[400];
    snprintf(json, sizeof json,
             "{\"wifiSsid\":\"%s\",\"wifiPassphrase\":\"%s-secret-word\",\"thingName\":\"%s\","
             "\"host\":\"%s.example\",\"interval\":1}\n",
             name, name, name, name);
    elo_setup_new_bundle(&b.p.setup, false);
    add(json);
    test_cert_pem(&pki.root, &t);
    add(t.ptr);
    test_cert_pem(&pki.other_root, &t);
    add(t.ptr);
    test_cert_pem(cert, &t);
    add(t.ptr);
    if (key == BRINGS_SEC1) {
        test_key_traditional_pem(cert, &t);
        add(t.ptr);
    } else if (key == BRINGS_PKCS8) {
        test_key_pem(cert, &t);
        add(t.ptr);
    }
    assert_int_equal(elo_setup_take_bundle(&b.p.setup), ELO_OK);
}

static inline void try_out(const struct test_cert *cert, const char *name, enum brings key)
{
    give(cert, name, key);
    assert_int_equal(elo_setup_test(&b.p.setup), ELO_OK);
}

static inline void set_up(const struct test_cert *cert, const char *name, enum brings key)
{
    try_out(cert, name, key);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_SAVED);
    boot(ELO_RESET_SOFTWARE);
    assert_true(elo_provision_is_set_up(&b.p));
}

static inline void type(const char *line)
{
    b.said_len = 0;
    b.typed_len = strlen(line);
    memcpy(b.typed, line, b.typed_len);
    pass(1500);
}

static inline void sees(const char *words)
{
    if (strstr(b.said, words) == NULL) {
        fail_msg("it did not say '%s' but: %s", words, b.said);
    }
}

#endif
