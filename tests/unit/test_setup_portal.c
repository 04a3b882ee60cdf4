// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The portal's flows without a socket: forms in every split, hostile names, slow peers, two at
 * once. */
#include "elo/setup/portal.h"
#include "tests/support/guard.h"
#include "tests/support/setup_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define TOKEN "0102030000000000"

static struct setup_world world;
static struct elo_portal portal;
static char page[40000];

static int start(void **state)
{
    static const uint8_t address[4] = {192, 168, 4, 1}, random[16] = {1, 2, 3, [15] = 9};
    (void)state;
    setup_world_init(&world, ELO_OK, elo_span_of("\x30", 1));
    world.step_ms = 10;
    elo_portal_init(&portal, &world.setup, address, random);
    return 0;
}

/* What is left of the answer, taken in pieces of `step` bytes. */
static const char *drain(struct elo_portal_conn *c, size_t step)
{
    size_t len = 0, n;
    struct guard g;
    guard_open(&g, 4096);
    while ((n = elo_portal_output(c, guard_room(&g, step), step)) > 0) {
        assert_true(len + n < sizeof page);
        memcpy(page + len, g.fence - step, n);
        len += n;
    }
    page[len] = '\0';
    guard_close(&g);
    return page;
}

static const char *exchange(const char *request, size_t step)
{
    struct elo_portal_conn c;
    elo_span rest = elo_span_str(request);
    elo_portal_open(&c, &portal, 0);
    while (rest.len > 0) {
        size_t n = rest.len < step ? rest.len : step;
        (void)elo_portal_input(&c, elo_span_first(rest, n), 0);
        rest = elo_span_from(rest, n);
    }
    drain(&c, step);
    assert_true(page[0] == '\0' || elo_portal_finished(&c));
    elo_portal_close(&c);
    return page;
}

static const char *get(const char *path)
{
    char request[200];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n", path);
    return exchange(request, 64);
}

static const char *post(const char *path, const char *body, size_t step)
{
    static char request[20000];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: 192.168.4.1\r\nContent-Type: %s\r\nX-Elo-Token: " TOKEN
             "\r\nContent-Length: %zu\r\n\r\n%s",
             path,
             strcmp(path, "/bundle") == 0 ? "text/plain" : "application/x-www-form-urlencoded",
             strlen(body), body);
    return exchange(request, step);
}

static bool says(const char *words)
{
    return strstr(page, words) != NULL;
}

static void run(void)
{
    for (uint32_t now = 0; now < 2000; now += 10) {
        setup_world_step(&world, now);
    }
}

static void a_form_in_every_split(void **state)
{
    for (size_t step = 1; step < 500; step += step < 8 ? 1 : 23) {
        start(state);
        post("/try", "t=" TOKEN "&net=&ssid=Caf%C3%A9+%26&pass=segredo%2dbom&interval=60", step);
        assert_true(says("303 See Other") && says("Location: /\r\n"));
        assert_int_equal(world.setup.state, ELO_SETUP_TESTING);
        assert_int_equal(world.draft.ssid_len, 7);
        assert_memory_equal(world.draft.ssid, "Caf\xC3\xA9 &", 7);
        assert_string_equal(world.draft.passphrase, "segredo-bom");
        assert_int_equal(world.draft.interval_s, 60);
        run();
        assert_int_equal(world.setup.state, ELO_SETUP_SAVED);
        assert_int_equal(world.saves, 1);
        assert_int_equal(world.stored.interval_s, 60);
    }
}

static void it_restarts_once_it_was_told(void **state)
{
    start(state);
    post("/try", "t=" TOKEN "&ssid=Home", 50);
    run();
    assert_false(world.restarted);
    assert_non_null(strstr(get("/status"), "\"state\":\"saved\""));
    setup_world_step(&world, 3000 + ELO_SETUP_RESTART_MS);
    setup_world_step(&world, 3000 + ELO_SETUP_RESTART_MS);
    assert_true(world.restarted);
}

static void only_with_the_token(void **state)
{
    static const char *const bodies[] = {"",
                                         "t=",
                                         "t=0102030000000001",
                                         "t=01020300",
                                         "ssid=x&t=" TOKEN,
                                         "t=" TOKEN "0",
                                         "T=" TOKEN,
                                         "&&&",
                                         "t=%zz",
                                         "t"};
    start(state);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        post("/try", bodies[i], 7);
        assert_true(says(" 403 "));
        assert_int_equal(world.draft.ssid_len, 0);
        assert_int_equal(world.setup.state, ELO_SETUP_IDLE);
    }
    post("/try", "t=" TOKEN "&ssid=%z", 7);
    assert_true(says(" 400 "));
    post("/scan", "t=x", 7);
    assert_true(says(" 403 "));
    assert_int_equal(elo_setup_next_wish(&world.setup), ELO_SETUP_WISH_NONE);
}

static void refusals_in_words(void **state)
{
    static const struct {
        const char *body, *words;
    } table[] = {
        {"&ssid=", "wifiSsid: It must not be empty."},
        {"&ssid=123456789012345678901234567890123", "wifiSsid: It is too long."},
        {"&net=4", "wifiSsidHex: It has a character"},
        {"&ssid=a&pass=short", "wifiPassphrase: A passphrase has 8 to 63"},
        {"&ssid=a&interval=0", "interval: The number is outside"},
        {"&ssid=a&relayPin=7", "relayPin: GPIO 6 to 11 carry"},
        {"&ssid=a&sensor=nose", "sensor: The sensor is one of"},
        {"&ssid=a&interval="
         "11111111111111111111111111111111111111111111111111111111111111111111111111",
         "interval: It must be of another type"},
        {"&ssid=a&bundle=-----BEGIN+FOO-----", "A bundle has no block of this name. (line 1, FOO)"},
        {"&ssid=a&bundle=x", "There is no bundle in this text."},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char body[300];
        start(state);
        snprintf(body, sizeof body, "t=" TOKEN "%s", table[i].body);
        post("/try", body, 11);
        assert_int_equal(world.setup.state, ELO_SETUP_FAILED);
        get("/");
        if (!says(table[i].words) || !says("role=alert")) {
            fail_msg("%s", table[i].body);
        }
        get("/status");
        assert_true(says(table[i].words));
    }
}

static char bundle[9000];

static void read_bundle(void)
{
    static const char *const names[] = {"config.json", "ca.pem", "cert.pem"};
    size_t len = 0;
    for (size_t i = 0; i < 3; i++) {
        char path[300];
        snprintf(path, sizeof path, ELO_SOURCE_DIR "/tests/vectors/setup/bundle/%s", names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        len += fread(bundle + len, 1, sizeof bundle - len - 1, f);
        fclose(f);
    }
    bundle[len] = '\0';
}

static void a_bundle_alone_then_wifi(void **state)
{
    read_bundle();
    for (size_t step = 1; step < 300; step = step * 3 + 1) {
        start(state);
        post("/bundle", bundle, step);
        assert_true(says("\"text\":\"The bundle is complete.\""));
        assert_true(elo_setup_has_bundle(&world.setup));
        post("/try", "t=" TOKEN "&ssid=Home&pass=segredo-bom&bundle=++", step);
        run();
        assert_int_equal(world.setup.state, ELO_SETUP_SAVED);
        assert_true(world.saved_bundle);
        assert_string_equal(world.stored.thing, "kitchen");
    }
}

static void a_bundle_in_the_form(void **state)
{
    static char body[20000];
    size_t n = (size_t)snprintf(body, sizeof body, "t=" TOKEN "&ssid=Home&bundle=");
    start(state);
    read_bundle();
    for (const char *p = bundle; *p != '\0'; p++) {
        n += (size_t)snprintf(body + n, sizeof body - n, "%%%02X", (unsigned)(uint8_t)*p);
    }
    post("/try", body, 61);
    assert_int_equal(world.setup.state, ELO_SETUP_TESTING);
    run();
    assert_true(world.saved_bundle);
    assert_memory_equal(world.stored.ssid, "Home", 4);
}

static void a_broken_bundle_leaves_nothing(void **state)
{
    struct elo_portal_conn c;
    start(state);
    read_bundle();
    elo_portal_open(&c, &portal, 0);
    (void)elo_portal_input(
        &c,
        ELO_SPAN("POST /bundle HTTP/1.1\r\nHost: 192.168.4.1\r\nX-Elo-Token: " TOKEN
                 "\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n"),
        0);
    (void)elo_portal_input(&c, elo_span_of(bundle, 700), 0);
    assert_non_null(portal._internal.writer);
    post("/try", "t=" TOKEN "&ssid=Home", 50);
    assert_true(says(" 409 ")); /* one at a time */
    elo_portal_close(&c);
    assert_null(portal._internal.writer);
    for (size_t i = 0; i < sizeof world.bundle_mem; i++) {
        assert_int_equal(world.bundle_mem[i], 0);
    }
    post("/try", "t=" TOKEN "&ssid=Home", 50);
    assert_true(says(" 303 "));
}

static void a_refused_bundle_leaves_no_setting(void **state)
{
    start(state);
    read_bundle();
    char *port = strstr(bundle, "8883");
    assert_non_null(port);
    memcpy(port, "   0", 4);
    post("/bundle", bundle, 200);
    assert_int_equal(world.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(world.setup.reason, ELO_E_SETTING);
    post("/try", "t=" TOKEN "&ssid=Home&pass=segredo-bom&bundle=", 50);
    run();
    assert_int_equal(world.setup.state, ELO_SETUP_SAVED);
    assert_memory_equal(world.stored.ssid, "Home", 4);
    assert_string_equal(world.stored.thing, "");
    assert_string_equal(world.stored.host, "");
}

static void leave_out(const char *member)
{
    char *at = strstr(bundle, member);
    assert_non_null(at);
    at[1] = 'x'; /* a name that nobody knows */
}

/* From the desk to AWS: whose config.json has no serverName, and perhaps no port. */
static void a_bundle_says_anew_who_and_where(void **state)
{
    start(state);
    assert_int_equal(elo_settings_from_json(
                         &world.stored,
                         ELO_SPAN("{\"thingName\":\"shed\",\"host\":\"10.0.0.5\",\"port\":18883,"
                                  "\"serverName\":\"elo-desk\",\"interval\":60,"
                                  "\"sensor\":\"dht22\"}"),
                         NULL),
                     ELO_OK);
    read_bundle();
    leave_out("\"serverName\"");
    leave_out("\"clientId\"");
    leave_out("\"prefix\"");
    leave_out("\"port\"");
    post("/bundle", bundle, 200);
    post("/try", "t=" TOKEN "&ssid=Home&pass=segredo-bom&bundle=", 50);
    run();
    assert_int_equal(world.setup.state, ELO_SETUP_SAVED);
    assert_string_equal(world.stored.server_name, "192.168.1.20");
    assert_string_equal(world.stored.client_id, "kitchen");
    assert_string_equal(world.stored.prefix, "elo/kitchen");
    assert_int_equal(world.stored.port, 8883);
    assert_int_equal(world.stored.interval_s, 60);
    assert_int_equal(world.stored.sensor, ELO_SENSOR_DHT22);
}

static void a_late_bundle_does_not_stand_in_the_way(void **state)
{
    struct elo_portal_conn c;
    start(state);
    read_bundle();
    elo_portal_open(&c, &portal, 0);
    (void)elo_portal_input(
        &c,
        ELO_SPAN("POST /bundle HTTP/1.1\r\nHost: 192.168.4.1\r\nX-Elo-Token: " TOKEN
                 "\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n"),
        0);
    (void)elo_portal_input(&c, elo_span_of(bundle, 700), 0);
    elo_portal_tick(&c, ELO_PORTAL_PATIENCE_MS);
    assert_memory_equal(drain(&c, 99), "HTTP/1.1 408", 12);
    elo_portal_close(&c);
    post("/try", "t=" TOKEN "&ssid=Home", 50);
    assert_int_equal(world.setup.state, ELO_SETUP_TESTING);
}

static void slow_peers(void **state)
{
    struct elo_portal_conn c;
    start(state);
    elo_portal_open(&c, &portal, 0xFFFFFFF0u); /* the clock wraps meanwhile */
    (void)elo_portal_input(&c, ELO_SPAN("GET / HT"), 5);
    elo_portal_tick(&c, elo_portal_deadline(&c) - 1);
    assert_int_equal(elo_portal_output(&c, (uint8_t *)page, 10), 0);
    elo_portal_tick(&c, elo_portal_deadline(&c));
    assert_int_equal(elo_portal_output(&c, (uint8_t *)page, 12), 12);
    assert_memory_equal(page, "HTTP/1.1 408", 12);
    assert_false(elo_portal_finished(&c));
    elo_portal_tick(&c, elo_portal_deadline(&c)); /* nor does it take the answer */
    assert_true(elo_portal_finished(&c));
    assert_int_equal(elo_portal_output(&c, (uint8_t *)page, 12), 0);
}

static void names_are_no_markup(void **state)
{
    start(state);
    world.network_kind = 2;
    get("/");
    run();
    get("/");
    assert_false(says("<script>alert") || says("<img") || says("</label>\r"));
    assert_true(says("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_true(says("&quot;&gt;&lt;img"));
    assert_true(says("value=3c7363726970743e"));
    for (const char *p = page; *p != '\0'; p++) {
        assert_true((uint8_t)*p >= 0x20 || *p == '\r' || *p == '\n');
    }
}

static void the_same_page_in_every_piece(void **state)
{
    static char whole[sizeof page];
    start(state);
    world.network_kind = 1;
    get("/");
    run();
    exchange("GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nAccept-Language: pt\r\n\r\n", 4000);
    memcpy(whole, page, sizeof whole);
    assert_non_null(strstr(whole, "lang=pt-BR"));
    assert_non_null(strstr(whole, "</html>"));
    for (size_t step = 1; step < 300; step += step < 10 ? 1 : 71) {
        exchange("GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nAccept-Language: pt\r\n\r\n", step);
        assert_string_equal(page, whole);
    }
    exchange("HEAD / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n", 100);
    assert_null(strstr(page, "<html"));
}

/* Networks come and go while a page is being sent. */
static void a_list_that_changes(void **state)
{
    struct elo_portal_conn c;
    uint8_t out[7];
    start(state);
    elo_portal_open(&c, &portal, 0);
    (void)elo_portal_input(&c, ELO_SPAN("GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n\r\n"), 0);
    for (unsigned i = 0; !elo_portal_finished(&c) && i < 100000; i++) {
        world.setup.network_count = 0;
        for (unsigned n = 0; n < (i * 7) % 20; n++) {
            elo_setup_heard(&world.setup, elo_span_of(&n, sizeof n), -40 - (int)n, true);
        }
        (void)elo_portal_output(&c, out, sizeof out);
    }
    assert_true(elo_portal_finished(&c));
}

static void passphrases_never_come_out(void **state)
{
    start(state);
    post("/try", "t=" TOKEN "&ssid=Home&pass=wrong-pass", 50);
    run();
    assert_int_equal(world.setup.reason, ELO_E_WIFI_PASSPHRASE);
    get("/");
    assert_false(says("wrong-pass"));
    assert_true(says("placeholder=\"as before\""));
    post("/try", "t=" TOKEN "&ssid=Home&pass=", 50); /* the same network: kept */
    assert_string_equal(world.draft.passphrase, "wrong-pass");
    run();
    post("/try", "t=" TOKEN "&ssid=Other&pass=", 50); /* another: it is open */
    assert_string_equal(world.draft.passphrase, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_in_every_split),
        cmocka_unit_test(it_restarts_once_it_was_told),
        cmocka_unit_test(only_with_the_token),
        cmocka_unit_test(refusals_in_words),
        cmocka_unit_test(a_bundle_alone_then_wifi),
        cmocka_unit_test(a_bundle_in_the_form),
        cmocka_unit_test(a_broken_bundle_leaves_nothing),
        cmocka_unit_test(a_refused_bundle_leaves_no_setting),
        cmocka_unit_test(a_bundle_says_anew_who_and_where),
        cmocka_unit_test(a_late_bundle_does_not_stand_in_the_way),
        cmocka_unit_test(slow_peers),
        cmocka_unit_test(names_are_no_markup),
        cmocka_unit_test(the_same_page_in_every_piece),
        cmocka_unit_test(a_list_that_changes),
        cmocka_unit_test(passphrases_never_come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
