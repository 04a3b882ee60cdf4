// links: elo_station PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A board from blank flash on: the key, trials that pass and fail, saving with the power cut at
 * every step the flash takes, forgetting, recovery.
 */
#include "tests/support/provision_rig.h"

enum { SLOT_KEY = ELO_PROVISION_SLOT };

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

/* A board anew, with a key of its own, set up with "old"; "next" is given and not saved yet. */
static void make_old_and_give_next(uint8_t key[ELO_TLS_P256_KEY_BYTES])
{
    unmake(NULL);
    make(NULL);
    struct elo_setup_config *c = &b.p.setup.config;
    (void)c->csr(c->csr_ctx);
    pass(10);
    read_key(key);
    set_up(&pki.old, "old", BRINGS_SEC1);
    give(&pki.next, "next", BRINGS_SEC1);
}

/* Set up with "old" and a key of its own; then "next" is saved, and the power goes in step `at`.
 * Where it did not, `*out_cut` is false. */
static bool save_with_a_cut(uint64_t at, enum sim_cut how, uint64_t second, bool *out_cut)
{
    uint8_t key[ELO_TLS_P256_KEY_BYTES];
    make_old_and_give_next(key);
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
        make_old_and_give_next(key);
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

/* The button would open a set-up that is open: the trial goes on, and tells its reason in time. */
static void a_button_in_a_trial(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    pass(1000);
    b.mute = true;
    try_out(&pki.next, "new", BRINGS_SEC1);
    pass(1000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_TESTING);
    b.pressed = true;
    pass(6000);
    b.pressed = false;
    pass(10000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(b.p.setup.reason, ELO_E_CONNACK_TIMEOUT);
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
        TEST(a_button_in_a_trial),
        TEST(the_portal_answers),
        TEST(five_short_starts_open_set_up),
        TEST(its_memory_is_judged),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
