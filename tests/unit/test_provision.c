// links: elo_station PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board from blank flash on: the key, trials that pass and fail, saving with the power cut at
 * every step the flash takes, forgetting, recovery.
 *
 * The link is this file's and takes the place of lib/src/elo/link: it connects at once to a broker
 * that grants everything, or fails as the test wants. Time is the test's.
 */
#include "tests/support/tls_peer.h"

#include "elo/setup/code.h"
#include "elo/station/provision.h"
#include "tests/support/sim_flash.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOT_STATION = 1, SLOT_KEY = ELO_PROVISION_SLOT };

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

static void answer(const uint8_t *bytes, size_t len)
{
    assert_int_equal(elo_client_input(b.link->client, elo_span_of(bytes, len), b.now), len);
}

static void on_packet(uint8_t head, const uint8_t *body)
{
    uint8_t connack[] = {0x20, 2, 0, 0};
    uint8_t suback[] = {0x90, 3, 0, 0, 1};
    uint8_t puback[] = {0x40, 2, 0, 0};
    uint8_t pingresp[] = {0xD0, 0};
    switch (head >> 4) {
    case 1:
        answer(connack, sizeof connack);
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
static void take(elo_span out)
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

static void board_read(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    out->source = "";
}

static uint32_t board_wall(void *ctx)
{
    (void)ctx;
    return 1800000000;
}

static elo_err board_entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    b.entropies++;
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint8_t)(i * 31 + b.entropies * 7);
    }
    return b.no_entropy ? ELO_E_ENTROPY : ELO_OK;
}

static elo_err board_keep(void *ctx, elo_span bytes)
{
    (void)ctx;
    return elo_slots_write(&b.slots, SLOT_STATION, bytes);
}

static elo_err board_recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    return elo_slots_read(&b.slots, SLOT_STATION, out, cap, out_len);
}

static void board_restart(void *ctx)
{
    (void)ctx;
    b.restarts++;
}

static void wifi_use(void *ctx, elo_span ssid, const char *passphrase)
{
    (void)ctx;
    assert_true(ssid.len <= ELO_SSID_MAX);
    snprintf(b.ssid, sizeof b.ssid, "%.*s", (int)ssid.len, (const char *)ssid.ptr);
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
    *out_rssi = -60;
    if (!b.joined) {
        return ELO_WIFI_OFF;
    }
    return strcmp(b.ssid, "bad") == 0 ? b.refuses : ELO_WIFI_JOINED;
}

static void wifi_scan(void *ctx)
{
    (void)ctx;
    b.heard = 0;
}

static elo_err wifi_heard(void *ctx, struct elo_setup_network *out)
{
    (void)ctx;
    if (b.heard == 3) {
        return ELO_END;
    }
    *out = (struct elo_setup_network){.ssid = "net", .ssid_len = 3, .rssi = (int8_t)-b.heard};
    return b.heard++ == 0 ? ELO_NEED_MORE : ELO_OK;
}

static void open_portal(void *ctx, bool open)
{
    (void)ctx;
    b.portal = open;
}

static size_t console_read(void *ctx, uint8_t *out, size_t cap)
{
    (void)ctx;
    size_t n = b.typed_len < cap ? b.typed_len : cap;
    memcpy(out, b.typed, n);
    memmove(b.typed, b.typed + n, b.typed_len - n);
    b.typed_len -= n;
    return n;
}

/* A line that takes little at a time. */
static size_t console_write(void *ctx, elo_span bytes)
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
static elo_err portal_read(void *ctx, unsigned conn, uint8_t *out, size_t cap, size_t *out_len)
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

static size_t portal_room(void *ctx, unsigned conn)
{
    (void)ctx;
    assert_int_equal(conn, 1);
    return 50;
}

static void portal_write(void *ctx, unsigned conn, elo_span bytes)
{
    (void)ctx;
    (void)conn;
    assert_true(bytes.len <= 50 && b.page_len + bytes.len < sizeof b.page);
    memcpy(b.page + b.page_len, bytes.ptr, bytes.len);
    b.page_len += bytes.len;
}

static void portal_close(void *ctx, unsigned conn)
{
    (void)ctx;
    (void)conn;
    b.asks = false;
}

/* --- starting ------------------------------------------------------------------------------------
 */

static void configure(void)
{
    struct elo_station_config *c = &b.station_config;
    elo_station_defaults(c);
    c->board = &b.board;
    c->queue = &b.queue;
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

static elo_err program(void *ctx, uint32_t at, const void *data, size_t len)
{
    (void)ctx;
    if (b.fail_program > 0 && --b.fail_program == 0) {
        return ELO_E_IO;
    }
    return b.slots_flash.dev.program(b.slots_flash.dev.ctx, at, data, len);
}

static elo_err start(elo_reset reset)
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

static void boot(elo_reset reset)
{
    assert_int_equal(start(reset), ELO_OK);
}

static int make(void **state)
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

static int unmake(void **state)
{
    (void)state;
    sim_flash_free(&b.slots_flash);
    sim_flash_free(&b.queue_flash);
    return 0;
}

static int make_pki(void **state)
{
    (void)state;
    pki.root = test_ca_make("Root", TEST_P256);
    pki.other_root = test_ca_make("Other root", TEST_RSA);
    pki.old = test_leaf_make("old", TEST_P256, &pki.root);
    pki.next = test_leaf_make("next", TEST_P256, &pki.root);
    pki.stranger = test_leaf_make("stranger", TEST_RSA, &pki.root);
    return 0;
}

static int free_pki(void **state)
{
    (void)state;
    test_cert_free(&pki.root);
    test_cert_free(&pki.other_root);
    test_cert_free(&pki.old);
    test_cert_free(&pki.next);
    test_cert_free(&pki.stranger);
    return 0;
}

static void pass(uint32_t ms)
{
    for (uint32_t end = b.now + ms; b.now != end; b.now += 10) {
        for (int i = 0; elo_provision_step(&b.p, b.now); i++) {
            assert_true(i < 2000); /* it is never busy for nothing */
        }
    }
}

/* --- what is given to it -------------------------------------------------------------------------
 */

static void add(const char *text)
{
    assert_int_equal(elo_bundle_text_input(&b.p.setup.bundle, elo_span_str(text)), ELO_OK);
}

/* `key`: a traditional or PKCS #8 one goes with it. */
enum brings { BRINGS_NONE, BRINGS_SEC1, BRINGS_PKCS8 };

static void give(const struct test_cert *cert, const char *name, enum brings key)
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

static void try_out(const struct test_cert *cert, const char *name, enum brings key)
{
    give(cert, name, key);
    assert_int_equal(elo_setup_test(&b.p.setup), ELO_OK);
}

static void set_up(const struct test_cert *cert, const char *name, enum brings key)
{
    try_out(cert, name, key);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_SAVED);
    boot(ELO_RESET_SOFTWARE);
    assert_true(elo_provision_is_set_up(&b.p));
}

static void type(const char *line)
{
    b.said_len = 0;
    b.typed_len = strlen(line);
    memcpy(b.typed, line, b.typed_len);
    pass(1500);
}

static void sees(const char *words)
{
    if (strstr(b.said, words) == NULL) {
        fail_msg("it did not say '%s' but: %s", words, b.said);
    }
}

static void read_key(uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    size_t n = 0;
    assert_int_equal(elo_slots_read(&b.slots, SLOT_KEY, key, ELO_TLS_P256_KEY_BYTES, &n), ELO_OK);
    assert_int_equal(n, ELO_TLS_P256_KEY_BYTES);
}

/* --- the key -------------------------------------------------------------------------------------
 */

static void the_key_is_in_flash_before_its_request_is_shown(void **state)
{
    (void)state;
    uint8_t key[ELO_TLS_P256_KEY_BYTES], again[ELO_TLS_P256_KEY_BYTES], csr[ELO_TLS_CSR_BYTES];
    size_t n = 0;
    struct elo_setup_config *c = &b.p.setup.config;
    assert_false(c->has_key);
    assert_int_equal(c->csr(c->csr_ctx).len, 0);
    pass(10);
    elo_span shown = c->csr(c->csr_ctx);
    assert_true(shown.len > 0);
    assert_true(c->has_key);
    read_key(key);
    assert_int_equal(elo_tls_csr(ELO_SPAN("elo-4f22a1"), key, csr, sizeof csr, &n), ELO_OK);
    assert_int_equal(shown.len, n);
    assert_memory_equal(shown.ptr, csr, n);
    boot(ELO_RESET_POWER);
    assert_true(b.p.setup.config.has_key);
    (void)c->csr(c->csr_ctx);
    pass(10);
    read_key(again);
    assert_memory_equal(key, again, sizeof key);
    assert_memory_equal(c->csr(c->csr_ctx).ptr, csr, n);
}

static void no_entropy_no_key(void **state)
{
    (void)state;
    struct elo_setup_config *c = &b.p.setup.config;
    b.no_entropy = true;
    (void)c->csr(c->csr_ctx);
    pass(100);
    assert_int_equal(c->csr(c->csr_ctx).len, 0);
    assert_int_equal(b.p.setup.reason, ELO_E_ENTROPY);
    b.no_entropy = false;
    (void)c->csr(c->csr_ctx);
    pass(100);
    assert_true(c->csr(c->csr_ctx).len > 0);
}

/* The power goes at every step of making the key: what was shown is kept. */
static void a_key_that_was_shown_is_never_lost(void **state)
{
    (void)state;
    bool cut = true;
    for (uint64_t at = 1; cut; at++) {
        for (int how = 0; how < SIM_CUTS; how++) {
            uint8_t key[ELO_TLS_P256_KEY_BYTES];
            unmake(NULL);
            make(NULL);
            struct elo_setup_config *c = &b.p.setup.config;
            sim_flash_cut(&b.slots_flash, at, (enum sim_cut)how);
            (void)c->csr(c->csr_ctx);
            pass(30);
            bool shown = c->csr(c->csr_ctx).len > 0;
            cut = b.slots_flash.off;
            if (shown) {
                read_key(key);
            }
            sim_flash_power_on(&b.slots_flash);
            boot(ELO_RESET_POWER);
            assert_true(b.p.setup.config.has_key || !shown);
            if (shown) {
                uint8_t again[ELO_TLS_P256_KEY_BYTES];
                read_key(again);
                assert_memory_equal(key, again, sizeof key);
            }
        }
    }
}

/* --- trials --------------------------------------------------------------------------------------
 */

static void a_bundle_with_the_boards_own_key(void **state)
{
    (void)state;
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    struct elo_setup_config *c = &b.p.setup.config;
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    (void)c->csr(c->csr_ctx);
    pass(10);
    read_key(key);
    /* Another's certificate does not go with it. */
    try_out(&pki.old, "old", BRINGS_NONE);
    pass(100);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(b.p.setup.reason, ELO_E_KEYPAIR);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    /* Of its request it does. */
    elo_span shown = c->csr(c->csr_ctx);
    const unsigned char *der = shown.ptr;
    X509_REQ *req = d2i_X509_REQ(NULL, &der, (long)shown.len);
    assert_non_null(req);
    struct test_cert_spec spec = {"own", TEST_NOW - TEST_YEAR, TEST_NOW + TEST_YEAR, false};
    struct test_cert own = test_cert_make(spec, X509_REQ_get_pubkey(req), &pki.root);
    X509_REQ_free(req);
    set_up(&own, "own", BRINGS_NONE);
    test_cert_free(&own);
    pass(3000);
    assert_true(elo_station_is_online(&b.station));
    assert_true(b.publishes > 1);
    assert_string_equal(b.ssid, "own");
}

static void a_bundle_that_brings_its_key(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    set_up(&pki.next, "next", BRINGS_PKCS8);
    pass(1000);
    assert_true(elo_station_is_online(&b.station));
    assert_false(b.p.setup.config.has_key);
    try_out(&pki.stranger, "x", BRINGS_PKCS8);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_true(elo_station_is_online(&b.station));
    assert_string_equal(b.ssid, "next");
}

static void a_trial_tells_why_and_goes_back(void **state)
{
    (void)state;
    static const struct {
        elo_wifi wifi;
        elo_err link, subscribe, reason;
    } ways[] = {
        {ELO_WIFI_WRONG_PASSWORD, ELO_OK, ELO_OK, ELO_E_WIFI_PASSPHRASE},
        {ELO_WIFI_NO_NETWORK, ELO_OK, ELO_OK, ELO_E_WIFI_NOT_FOUND},
        {ELO_WIFI_NO_ADDRESS, ELO_OK, ELO_OK, ELO_E_WIFI_DHCP},
        {ELO_WIFI_JOINING, ELO_OK, ELO_OK, ELO_E_WIFI_LOST},
        {ELO_WIFI_JOINED, ELO_E_ROOT, ELO_OK, ELO_E_ROOT},
        {ELO_WIFI_JOINED, ELO_E_DNS, ELO_OK, ELO_E_DNS},
        {ELO_WIFI_JOINED, ELO_OK, ELO_E_SUBACK_REFUSED, ELO_E_SUBACK_REFUSED},
    };
    set_up(&pki.old, "old", BRINGS_SEC1);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        pass(90000);
        assert_true(elo_station_is_online(&b.station));
        b.refuses = ways[i].wifi;
        b.link_fails = ways[i].link;
        b.subscribe = ways[i].subscribe;
        try_out(&pki.next, "bad", BRINGS_SEC1);
        for (int s = 0; s < 300 && b.p.setup.state == ELO_SETUP_TESTING; s++) {
            pass(100);
        }
        assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
        assert_int_equal(b.p.setup.reason, ways[i].reason);
        assert_string_equal(b.p.stored.thing, "old");
        assert_string_equal(b.ssid, "old");
        b.link_fails = b.subscribe = ELO_OK;
    }
    boot(ELO_RESET_POWER);
    assert_string_equal(b.p.stored.thing, "old");
}

/* A board without certificates learns its Wi-Fi by hand; the bundle comes later. */
static void a_wifi_alone(void **state)
{
    (void)state;
    type("wifi home password1\r");
    sees("works and is saved");
    pass(9000);
    assert_int_equal(b.restarts, 1);
    boot(ELO_RESET_SOFTWARE);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    assert_string_equal(b.ssid, "home");
    set_up(&pki.old, "old", BRINGS_SEC1);
}

/* --- saving --------------------------------------------------------------------------------------
 */

static bool holds(const char *text)
{
    return sim_flash_holds(&b.slots_flash, text, strlen(text));
}

static bool is_of(const struct test_cert *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert->x509, &der);
    elo_span got = elo_tls_identity_certificate(&b.p._internal.identity);
    bool same = elo_span_eq(got, elo_span_of(der, (size_t)len));
    OPENSSL_free(der);
    return same && elo_tls_identity_check(&b.p._internal.identity) == ELO_OK &&
           elo_tls_anchors_count(&b.p._internal.anchors) == 2;
}

/* Old or new, whole; its own key there; of the other nothing is left. true: it is the new one. */
static bool check_saved(const uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    uint8_t now[ELO_TLS_P256_KEY_BYTES];
    assert_true(elo_provision_is_set_up(&b.p));
    bool is_new = strcmp(b.p.stored.thing, "next") == 0;
    assert_string_equal(b.p.stored.thing, is_new ? "next" : "old");
    assert_string_equal(b.p.stored.host, is_new ? "next.example" : "old.example");
    assert_string_equal(b.p.stored.passphrase, is_new ? "next-secret-word" : "old-secret-word");
    assert_string_equal(b.ssid, is_new ? "next" : "old");
    assert_true(is_of(is_new ? &pki.next : &pki.old));
    assert_false(holds(is_new ? "old-secret-word" : "next-secret-word"));
    read_key(now);
    assert_memory_equal(now, key, sizeof now);
    return is_new;
}

/* Set up with "old" and a key of its own; then "next" is saved, and the power goes in step `at`.
 * Where it did not, `*out_cut` is false. */
static bool save_with_a_cut(uint64_t at, enum sim_cut how, uint64_t second, bool *out_cut)
{
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    unmake(NULL);
    make(NULL);
    struct elo_setup_config *c = &b.p.setup.config;
    (void)c->csr(c->csr_ctx);
    pass(10);
    read_key(key);
    set_up(&pki.old, "old", BRINGS_SEC1);
    give(&pki.next, "next", BRINGS_SEC1);
    sim_flash_cut(&b.slots_flash, at, how);
    assert_int_equal(elo_setup_keep(&b.p.setup), ELO_OK);
    pass(10);
    *out_cut = b.slots_flash.off;
    sim_flash_power_on(&b.slots_flash);
    sim_flash_cut(&b.slots_flash, second, how);
    if (second != 0 && start(ELO_RESET_POWER) != ELO_OK) {
        assert_true(b.slots_flash.off);
    }
    sim_flash_power_on(&b.slots_flash);
    sim_flash_cut(&b.slots_flash, 0, how);
    boot(ELO_RESET_POWER);
    return check_saved(key);
}

static void a_power_cut_leaves_the_old_or_the_new(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {0, 1, 9, 200};
    unsigned olds = 0, news = 0;
    for (size_t s = 0; s < 4; s++) {
        bool cut = true;
        /* Words that follow one another are alike: of those a sample. */
        for (uint64_t at = 1; cut; at += at < 8 || s == 0 ? 1 + at % 3 : 41) {
            bool is_new =
                save_with_a_cut(at, (enum sim_cut)((at + s) % SIM_CUTS), seconds[s], &cut);
            olds += !is_new;
            news += is_new;
        }
    }
    print_message("%u times the old, %u times the new\n", olds, news);
    assert_true(olds > 100 && news > 10);
}

/* One program after the other fails, and nothing else: what is told is what is so. */
static void a_flash_that_fails_once(void **state)
{
    (void)state;
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    bool failed = true;
    for (unsigned at = 1; failed; at++) {
        unmake(NULL);
        make(NULL);
        struct elo_setup_config *c = &b.p.setup.config;
        (void)c->csr(c->csr_ctx);
        pass(10);
        read_key(key);
        set_up(&pki.old, "old", BRINGS_SEC1);
        give(&pki.next, "next", BRINGS_SEC1);
        b.fail_program = at;
        assert_int_equal(elo_setup_keep(&b.p.setup), ELO_OK);
        pass(10);
        failed = b.fail_program == 0;
        b.fail_program = 0;
        bool saved = b.p.setup.state == ELO_SETUP_SAVED;
        assert_true(saved || b.p.setup.state == ELO_SETUP_FAILED);
        boot(ELO_RESET_POWER);
        assert_int_equal(check_saved(key), saved);
    }
}

/* A flash that is worn out: what was there stays, and it is told. */
static void what_cannot_be_saved_is_told(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(1500);
    try_out(&pki.next, "next", BRINGS_SEC1);
    b.slots_flash.fail_programs = 1000;
    pass(3000);
    b.slots_flash.fail_programs = 0;
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(b.p.setup.reason, ELO_E_IO);
    pass(90000);
    assert_true(elo_station_is_online(&b.station));
    assert_string_equal(b.ssid, "old");
}

static void forgetting_leaves_the_key(void **state)
{
    (void)state;
    uint8_t key[ELO_TLS_P256_KEY_BYTES], again[ELO_TLS_P256_KEY_BYTES];
    struct elo_setup_config *c = &b.p.setup.config;
    (void)c->csr(c->csr_ctx);
    pass(10);
    read_key(key);
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(1000);
    type("forget\r");
    sees("Type: forget yes");
    type("forget yes\r");
    sees("Forgotten");
    pass(3000);
    assert_int_equal(b.restarts, 1);
    boot(ELO_RESET_SOFTWARE);
    assert_false(elo_provision_is_set_up(&b.p));
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    assert_true(b.portal);
    assert_false(holds("old-secret-word"));
    read_key(again);
    assert_memory_equal(key, again, sizeof key);
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static void the_console_is_served_while_it_runs(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(1000);
    type("\rstatus\r");
    sees("thing     old");
    sees("wifi: joined, -60 dBm");
    sees("mqtt: online for");
    sees("outbox: 0 wait");
    type("why\r");
    sees("Nothing has failed.");
    type("scan\r");
    sees("-1 dBm");
    elo_link_cut(elo_station_link(&b.station), ELO_E_TCP_CLOSED);
    b.link_fails = ELO_E_DNS;
    pass(5000);
    type("why\r");
    sees("E-DNS");
    sees("(-20)");
    b.link_fails = ELO_OK;
    b.link_fails = ELO_E_TCP_REFUSED;
    type("set host other.example\r");
    sees("It failed:");
    b.link_fails = ELO_OK;
    type("interval 0\r");
    sees("interval:");
    type("interval 7\r");
    sees("saved");
    pass(9000);
    assert_int_equal(b.restarts, 1);
    boot(ELO_RESET_SOFTWARE);
    assert_int_equal(b.p.stored.interval_s, 7);
    assert_string_equal(b.p.stored.host, "old.example");
    assert_true(is_of(&pki.old));
}

/* What a trial has failed with is not saved by a later `interval`. */
static void a_change_does_not_save_what_failed(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(1000);
    try_out(&pki.next, "bad", BRINGS_SEC1);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    type("interval 9\r");
    sees("saved");
    boot(ELO_RESET_SOFTWARE);
    assert_int_equal(b.p.stored.interval_s, 9);
    assert_string_equal(b.p.stored.thing, "old");
    assert_string_equal(b.ssid, "old");
    assert_true(is_of(&pki.old));
}

static void a_restart_in_the_middle_of_a_trial(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    for (uint32_t ms = 0; ms < 400; ms += 50) {
        pass(1000);
        b.refuses = ms < 200 ? ELO_WIFI_JOINING : ELO_WIFI_JOINED;
        try_out(&pki.next, "bad", BRINGS_SEC1);
        pass(10 + ms % 200);
        elo_setup_wish_for(&b.p.setup, ELO_SETUP_WISH_RESTART);
        pass(4000);
        assert_int_equal(b.restarts, 1);
        boot(ELO_RESET_SOFTWARE);
        if (strcmp(b.p.stored.thing, "old") != 0) { /* the trial was over before */
            assert_string_equal(b.p.stored.thing, "bad");
            set_up(&pki.old, "old", BRINGS_SEC1);
        }
    }
}

static void the_portal_answers(void **state)
{
    (void)state;
    assert_true(b.portal);
    b.request = "GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n";
    b.request_at = 0;
    b.asks = true;
    pass(2000);
    assert_false(b.asks);
    b.page[b.page_len] = '\0';
    assert_non_null(strstr(b.page, "200 OK"));
    assert_non_null(strstr(b.page, "</html>"));
    b.request = "GET /status HTTP/1.1\r\nHost: 192.16"; /* and goes away */
    b.request_at = b.page_len = 0;
    b.asks = true;
    pass(100);
    b.asks = false;
    pass(100);
    b.request = "GET /status HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n";
    b.request_at = b.page_len = 0;
    b.asks = true;
    pass(1000);
    b.page[b.page_len] = '\0';
    assert_non_null(strstr(b.page, "\"state\""));
}

static void five_short_starts_open_set_up(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(11000);
    for (int i = 0; i < 4; i++) {
        boot(ELO_RESET_POWER);
        assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_RUN);
        pass(1000);
    }
    boot(ELO_RESET_POWER);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    assert_true(b.portal);
    assert_true(is_of(&pki.old));
    /* A trial that fails leaves it open. */
    try_out(&pki.next, "bad", BRINGS_SEC1);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
    assert_true(b.portal);
    pass(610000);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_RUN);
    assert_false(b.portal);
    assert_true(elo_station_is_online(&b.station));
}

static void its_memory_is_judged(void **state)
{
    (void)state;
    configure();
    b.station_config.scratch_size = ELO_SETTINGS_BYTES_MAX - 1;
    assert_int_equal(elo_provision_init(&b.p, &b.config, 0), ELO_E_NO_SPACE);
    configure();
    b.config.bundle_size--;
    assert_int_equal(elo_provision_init(&b.p, &b.config, 0), ELO_E_NO_SPACE);
    boot(ELO_RESET_POWER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_key_is_in_flash_before_its_request_is_shown),
        TEST(no_entropy_no_key),
        TEST(a_key_that_was_shown_is_never_lost),
        TEST(a_bundle_with_the_boards_own_key),
        TEST(a_bundle_that_brings_its_key),
        TEST(a_trial_tells_why_and_goes_back),
        TEST(a_wifi_alone),
        TEST(a_power_cut_leaves_the_old_or_the_new),
        TEST(a_flash_that_fails_once),
        TEST(what_cannot_be_saved_is_told),
        TEST(forgetting_leaves_the_key),
        TEST(the_console_is_served_while_it_runs),
        TEST(a_change_does_not_save_what_failed),
        TEST(a_restart_in_the_middle_of_a_trial),
        TEST(the_portal_answers),
        TEST(five_short_starts_open_set_up),
        TEST(its_memory_is_judged),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
