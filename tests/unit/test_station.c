// links: elo_station elo_errors
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The Station's words: telemetry, commands obeyed whole or not at all, replies, lines, slugs, LED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "elo/client/mqtt5.h"
#include "elo/json/read.h"
#include "elo/station/internal.h"
#include "errors/explain.h"
#include "tests/support/sim_flash.h"

/* --- a board without anything around it ----------------------------------------------------------
 */

static struct elo_board_reading shown;

static void read_shown(void *ctx, struct elo_board_reading *out)
{
    (void)ctx;
    *out = shown;
}

static void set_nothing(void *ctx, bool on)
{
    (void)ctx;
    (void)on;
}

static uint32_t wall(void *ctx)
{
    (void)ctx;
    return 1800000000;
}

static elo_err entropy(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    memset(out, 4, len);
    return ELO_OK;
}

static elo_err keep(void *ctx, elo_span bytes)
{
    (void)ctx;
    (void)bytes;
    return ELO_OK;
}

static elo_err recall(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    (void)out;
    (void)cap;
    *out_len = 0;
    return ELO_E_NOT_FOUND;
}

static void health(void *ctx, struct elo_board_health *out)
{
    (void)ctx;
    out->heap_free = 20480;
    out->heap_block = 18000;
    out->stack_free = 900;
}

static struct {
    struct sim_flash flash;
    struct elo_queue queue;
    struct elo_board board;
    struct elo_station_config config;
    struct elo_station s;
    uint8_t rx[256], tx[256], outbox[ELO_STATION_OUTBOX_BYTES(1024)], scratch[1024];
} b;

static int make(void **state)
{
    (void)state;
    memset(&b, 0, sizeof b);
    memset(&shown, 0, sizeof shown);
    sim_flash_init(&b.flash, 2, 1);
    assert_int_equal(elo_queue_mount(&b.queue, &b.flash.dev, ELO_QUEUE_DROP_OLDEST), ELO_OK);
    b.board = (struct elo_board){.name = "test",
                                 .relay = set_nothing,
                                 .led = set_nothing,
                                 .read = read_shown,
                                 .wall = wall,
                                 .entropy = entropy,
                                 .keep = keep,
                                 .recall = recall,
                                 .health = health};
    elo_station_defaults(&b.config);
    b.config.board = &b.board;
    b.config.queue = &b.queue;
    b.config.is_set_up = true;
    b.config.client_id = "thing";
    b.config.prefix = "elo/thing";
    b.config.interval_s = 2;
    b.config.rx = b.rx;
    b.config.rx_size = sizeof b.rx;
    b.config.tx = b.tx;
    b.config.tx_size = sizeof b.tx;
    b.config.outbox = b.outbox;
    b.config.outbox_size = sizeof b.outbox;
    b.config.scratch = b.scratch;
    b.config.scratch_size = sizeof b.scratch;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_OK);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    sim_flash_free(&b.flash);
    return 0;
}

static void expect_text(size_t len, const char *want)
{
    if (len != strlen(want) || memcmp(b.scratch, want, len) != 0) {
        fail_msg("%.*s\n is not %s", (int)len, (const char *)b.scratch, want);
    }
    if (len > 0) {
        assert_int_equal(elo_json_validate(elo_span_of(b.scratch, len)), ELO_OK);
    }
}

/* --- its traffic, without the link ---------------------------------------------------------------
 */

static void write_all(void)
{
    elo_span out;
    while ((out = elo_client_output_buf(&b.s.client)).len > 0) {
        elo_client_output_ack(&b.s.client, out.len, b.s._internal.now_ms);
    }
}

static void work(void)
{
    for (int i = 0; i < 20; i++) {
        (void)elo__traffic(&b.s);
        write_all();
    }
}

static void accept(elo_span connack)
{
    uint32_t now = b.s._internal.now_ms;
    elo_client_transport_open(&b.s.client, now);
    write_all();
    assert_int_equal(elo_client_input(&b.s.client, connack, now), connack.len);
}

/* A server that takes less than the last one: what was on its way to that is done with, all of it,
 * and makes place for what can be sent. */
static void what_a_server_does_not_take_is_not_on_its_way(void **state)
{
    (void)state;
    struct elo_client_mqtt5 mqtt5;
    elo_client_mqtt5_defaults(&mqtt5);
    b.config.mqtt5 = &mqtt5;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_OK);
    accept(ELO_SPAN("\x20\3\0\0\0"));
    (void)elo__traffic(&b.s);
    b.s._internal.describe_due = false;
    elo_station_pause(&b.s, true);
    for (int i = 0; i < 4; i++) {
        elo__measure(&b.s);
    }
    work();
    assert_int_equal(b.s._internal.flying, b.config.window);
    elo_client_transport_closed(&b.s.client, ELO_E_TCP_CLOSED, 0);
    work();
    elo_client_retry_now(&b.s.client, 0);
    accept(ELO_SPAN("\x20\10\0\0\5\x27\0\0\0\x20")); /* 32 bytes */
    work();
    assert_int_equal(b.s._internal.flying, 0);
    assert_int_equal(elo_queue_count(&b.queue), 0);
}

/* The other side of one packet: what has QoS 1 is acknowledged; a ping is answered, or not. */
static void answer(const uint8_t *packet, bool pongs)
{
    uint8_t puback[4] = {0x40, 2, 0, 0};
    elo_span reply = ELO_SPAN("");
    if ((packet[0] & 0xF6) == 0x32) {
        memcpy(puback + 2, packet + 4 + packet[3], 2);
        reply = elo_span_of(puback, sizeof puback);
    } else if (packet[0] == 0xC0 && pongs) {
        reply = ELO_SPAN("\xD0\0");
    }
    assert_int_equal(elo_client_input(&b.s.client, reply, 0), reply.len);
}

static void connect_once(bool pongs)
{
    elo_span out;
    elo_client_retry_now(&b.s.client, 0);
    accept(ELO_SPAN("\x20\2\0\0"));
    for (int i = 0; i < 20; i++) {
        (void)elo__traffic(&b.s);
        while ((out = elo_client_output_buf(&b.s.client)).len > 0) {
            answer(out.ptr, pongs);
            elo_client_output_ack(&b.s.client, out.len, 0);
        }
    }
    assert_int_equal(b.s._internal.describe, pongs ? ELO__DESCRIBE_TAKEN : ELO__DESCRIBE_ASKED);
    elo_client_transport_closed(&b.s.client, ELO_E_NETWORK, 0);
    work();
}

/* Three connections lost over the description are taken for its fault; not those of a year, with
 * all the others between them on which it was taken. */
static void a_description_that_was_taken_is_allowed(void **state)
{
    (void)state;
    elo_station_pause(&b.s, true);
    for (int i = 0; i < 5; i++) {
        connect_once(false);
        connect_once(true);
    }
    for (int i = 0; i < 3; i++) {
        connect_once(false);
    }
    assert_int_equal(b.s._internal.describe, ELO__DESCRIBE_REFUSED);
}

static elo_wifi no_wifi(void *ctx, int *out_rssi)
{
    (void)ctx;
    *out_rssi = 0;
    return ELO_WIFI_OFF;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static int no_error(void *ctx)
{
    (void)ctx;
    return 0;
}

static void no_address(void *ctx, char *out, size_t cap)
{
    (void)ctx;
    memset(out, 0, cap);
}

/* The set-up cuts the connection; for as long as it is open nobody may be told that there is one.
 */
static void who_is_set_up_is_not_online(void **state)
{
    (void)state;
    char line[80];
    b.config.net = (struct elo_net){.close = nothing, .error = no_error, .address = no_address};
    b.board.wifi_join = b.board.wifi_leave = nothing;
    b.board.wifi_status = no_wifi;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_OK);
    b.s.pump.link._internal.phase = ELO_LINK_OPEN;
    accept(ELO_SPAN("\x20\2\0\0"));
    assert_true(elo_station_is_online(&b.s));
    elo_station_set_up(&b.s, 0);
    (void)elo_station_step(&b.s, 1);
    assert_int_equal(elo_station_get_mode(&b.s), ELO_STATION_SETUP);
    assert_false(elo_station_is_online(&b.s));
    elo_station_status(&b.s, ELO_STATION_MQTT, line, sizeof line);
    assert_null(strstr(line, "online"));
}

/* --- commands ------------------------------------------------------------------------------------
 */

struct command_case {
    const char *command;
    const char *reply; /* "": ignored */
    int led, relay, interval, identify, restart, describe;
};

#define UNCHANGED    0, 0, 2, 0, 0, 0
#define NO(error)    "{\"id\":\"a\",\"ok\":false,\"error\":\"" error "\"}"
#define YES          "{\"id\":\"a\",\"ok\":true}"
#define BAD_SWITCH   NO("led and relay are \\\"on\\\" or \\\"off\\\"")
#define BAD_INTERVAL NO("interval is a whole number of seconds, 1 to 3600")
#define BAD_IDENTIFY NO("identify is a whole number of seconds, 1 to 60")
#define BAD_TRUE     NO("restart and describe are true or not there")
#define BAD_VALUE    NO("values are \\\"on\\\", \\\"off\\\" or a number")

static const struct command_case cases[] = {
    {"{\"id\":\"a\",\"led\":\"on\"}", YES, 1, 0, 2, 0, 0, 0},
    {"{\"relay\":\"on\",\"interval\":3600,\"id\":7}", "{\"id\":7,\"ok\":true}", 0, 1, 3600, 0, 0,
     0},
    {"{\"id\":\"a\"}", YES, UNCHANGED},
    {"{\"id\":\"a\",\"identify\":60}", YES, 0, 0, 2, 60, 0, 0},
    {"{\"id\":\"a\",\"restart\":true,\"describe\":true}", YES, 0, 0, 2, 0, 1, 1},
    {"{\"id\":\"\\u0061\",\"\\u006ced\":\"\\u006fn\"}", "{\"id\":\"\\u0061\",\"ok\":true}", 1, 0, 2,
     0, 0, 0},
    {"{\"id\":\"a\",\"led\":\"on\",\"relay\":\"maybe\"}", BAD_SWITCH, UNCHANGED},
    {"{\"id\":\"a\",\"led\":true}", BAD_SWITCH, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":0}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":3601}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":1.5}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"interval\":99999999999999999999}", BAD_INTERVAL, UNCHANGED},
    {"{\"id\":\"a\",\"identify\":61}", BAD_IDENTIFY, UNCHANGED},
    {"{\"id\":\"a\",\"identify\":\"5\"}", BAD_IDENTIFY, UNCHANGED},
    {"{\"id\":\"a\",\"restart\":false}", BAD_TRUE, UNCHANGED},
    {"{\"id\":\"a\",\"describe\":1}", BAD_TRUE, UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\",\"motor\":\"on\"}",
     NO("known: led relay interval identify restart describe"), UNCHANGED},
    {"{\"id\":\"a\",\"led\":{\"x\":[1]}}", BAD_VALUE, UNCHANGED},
    {"{\"id\":\"a\",\"led\":[\"on\"]}", BAD_VALUE, UNCHANGED},
    {"{\"led\":\"on\"}", "", UNCHANGED},
    {"{\"id\":null,\"led\":\"on\"}", "", UNCHANGED},
    {"{\"id\":{\"id\":1},\"led\":\"on\"}", "", UNCHANGED},
    {"{\"x\":{\"id\":1},\"led\":\"on\"}", "", UNCHANGED},
    {"[1]", "", UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\"", "", UNCHANGED},
    {"{\"id\":\"a\",\"led\":\"on\"} x", "", UNCHANGED},
    {"", "", UNCHANGED},
};

static void commands_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct command_case *c = &cases[i];
        struct elo__command got;
        elo__command_read(&b.s, elo_span_str(c->command), &got);
        assert_int_equal(got.id.len > 0, c->reply[0] != '\0');
        if (got.id.len == 0) {
            continue;
        }
        expect_text(elo__write_reply(&b.s, got.id, got.error, false), c->reply);
        if (got.error == NULL) {
            assert_int_equal(got.led, c->led);
            assert_int_equal(got.relay, c->relay);
            assert_int_equal(got.interval_s, c->interval);
            assert_int_equal(got.identify_s, c->identify);
            assert_int_equal(got.restart, c->restart);
            assert_int_equal(got.describe, c->describe);
        }
    }
}

static void an_id_of_64_bytes_is_answered_and_of_65_is_not(void **state)
{
    (void)state;
    for (size_t n = 64; n <= 65; n++) {
        char command[128] = "{\"id\":\"";
        size_t at = strlen(command);
        memset(command + at, 'x', n);
        memcpy(command + at + n, "\"}", 3);
        struct elo__command got;
        elo__command_read(&b.s, elo_span_str(command), &got);
        assert_int_equal(got.id.len > 0, n == 64);
    }
}

static void outputs_that_are_not_there_cannot_be_set(void **state)
{
    (void)state;
    struct elo__command got;
    b.board.relay = NULL;
    elo__command_read(&b.s, ELO_SPAN("{\"id\":\"a\",\"led\":\"on\",\"relay\":\"on\"}"), &got);
    expect_text(elo__write_reply(&b.s, got.id, got.error, false),
                NO("this board has no such output"));
}

/* --- messages ------------------------------------------------------------------------------------
 */

static void telemetry_has_what_the_machine_has(void **state)
{
    (void)state;
    struct elo_board_reading all = {.has_celsius = true,
                                    .has_humidity = true,
                                    .has_load = true,
                                    .has_free = true,
                                    .centi_celsius = 2150,
                                    .centi_percent = 4500,
                                    .centi_load = 42,
                                    .free_kib = 812340,
                                    .source = "coretemp"};
    struct elo_board_reading board = {.has_celsius = true,
                                      .has_pressure = true,
                                      .has_analog = true,
                                      .centi_celsius = -550,
                                      .deci_hpa = 10133,
                                      .analog = 0,
                                      .source = "BME280"};
    struct elo_board_reading none = {.source = ""};
    expect_text(elo__write_telemetry(&b.s, &all, 0, false),
                "{\"seq\":1,\"celsius\":21.50,\"source\":\"coretemp\",\"humidity\":45.00,"
                "\"load\":0.42,\"freeKiB\":812340}");
    expect_text(elo__write_telemetry(&b.s, &board, 1800000000, false),
                "{\"seq\":1,\"time\":1800000000,\"celsius\":-5.50,\"source\":\"BME280\","
                "\"hPa\":1013.3,\"analog\":0}");
    expect_text(elo__write_telemetry(&b.s, &none, 0, false), "{\"seq\":1}");
    b.config.scratch_size = 10;
    assert_int_equal(elo__write_telemetry(&b.s, &all, 0, false), 0);
}

static void health_tells_what_is_known(void **state)
{
    (void)state;
    struct elo_board_reading none = {.source = ""};
    b.board.reset = ELO_RESET_WATCHDOG;
    b.s._internal.causes[0].reason = ELO_E_DNS;
    b.s._internal.causes[0].count = 3;
    b.s._internal.causes[1].reason = ELO_E_TCP_CLOSED;
    b.s._internal.causes[1].count = 1;
    b.s._internal.other_causes = 2;
    b.s._internal.rssi = -61;
    expect_text(
        elo__write_telemetry(&b.s, &none, 0, true),
        "{\"seq\":1,\"health\":{\"uptime\":0,\"boots\":1,\"reset\":\"watchdog\",\"heap\":20480,"
        "\"heapBlock\":18000,\"stackFree\":900,\"rssi\":-61,\"waiting\":0,"
        "\"reconnects\":{\"E-DNS\":3,\"E-CLOSED\":1,\"other\":2}}}");
    b.board.wall = NULL;
    b.board.health = NULL;
    b.s._internal.rssi = 0;
    memset(b.s._internal.causes, 0, sizeof b.s._internal.causes);
    b.s._internal.other_causes = 0;
    expect_text(
        elo__write_telemetry(&b.s, &none, 0, true),
        "{\"seq\":1,\"health\":{\"uptime\":0,\"boots\":1,\"reset\":\"watchdog\",\"waiting\":0,"
        "\"time\":\"unset\",\"reconnects\":{}}}");
}

static void it_describes_what_there_is(void **state)
{
    (void)state;
    const char *want =
        "{\"board\":\"test\",\"firmware\":\"elo " ELO_VERSION "\",\"controls\":["
        "{\"name\":\"led\",\"type\":\"switch\"},"
        "{\"name\":\"interval\",\"type\":\"number\",\"min\":1,\"max\":3600,\"unit\":\"s\"},"
        "{\"name\":\"identify\",\"type\":\"number\",\"min\":1,\"max\":60,\"unit\":\"s\"},"
        "{\"name\":\"restart\",\"type\":\"button\"}],\"readings\":["
        "{\"name\":\"celsius\",\"unit\":\"\xC2\xB0"
        "C\"},"
        "{\"name\":\"humidity\",\"min\":0,\"max\":100,\"unit\":\"%\"}]}";
    b.board.relay = NULL;
    shown.has_celsius = shown.has_humidity = true;
    shown.source = "DHT22";
    expect_text(elo__write_describe(&b.s), want);
    char reply[1024];
    snprintf(reply, sizeof reply, "{\"id\":5,\"ok\":true,\"describe\":%s}", want);
    expect_text(elo__write_reply(&b.s, ELO_SPAN("5"), NULL, true), reply);
    /* All there can be. */
    b.board.relay = set_nothing;
    shown.has_pressure = shown.has_analog = shown.has_load = shown.has_free = true;
    assert_in_range(elo__write_describe(&b.s), 1, ELO_STATION_SCRATCH_MIN);
    b.config.scratch_size = 300;
    expect_text(elo__write_reply(&b.s, ELO_SPAN("5"), NULL, true),
                "{\"id\":5,\"ok\":false,\"error\":\"no room for the description\"}");
}

/* --- in words ------------------------------------------------------------------------------------
 */

/* A sensor may fail in the very moment, or be plugged in later. */
static void what_was_read_once_is_described(void **state)
{
    (void)state;
    shown.has_celsius = true;
    shown.source = "DHT22";
    elo__measure(&b.s);
    shown.has_celsius = false;
    size_t len = elo__write_describe(&b.s);
    b.scratch[len] = '\0';
    assert_non_null(strstr((const char *)b.scratch, "celsius"));
    assert_null(strstr((const char *)b.scratch, "humidity"));
    b.s._internal.describe_due = false;
    elo__measure(&b.s);
    assert_false(b.s._internal.describe_due);
    shown.has_humidity = true;
    elo__measure(&b.s);
    assert_true(b.s._internal.describe_due);
    b.s._internal.describe_due = false;
    elo__measure(&b.s);
    assert_false(b.s._internal.describe_due);
    shown.has_analog = true; /* a reply tells only who asked */
    assert_true(elo__write_reply(&b.s, ELO_SPAN("5"), NULL, true) > 0);
    assert_true(b.s._internal.describe_due);
    b.s._internal.describe_due = false;
    b.s._internal.describe = ELO__DESCRIBE_REFUSED;
    shown.has_pressure = true;
    elo__measure(&b.s);
    assert_false(b.s._internal.describe_due);
}

static void lines_are_cut_where_their_buffer_ends(void **state)
{
    (void)state;
    char out[80];
    for (size_t cap = 0; cap <= sizeof out; cap++) {
        memset(out, 'x', sizeof out);
        elo_station_status(&b.s, ELO_STATION_OUTBOX, out, cap);
        const char *all = "outbox: 0 wait, 0 of them on their way, 0 dropped";
        if (cap > 0) {
            size_t len = strlen(all) < cap ? strlen(all) : cap - 1;
            assert_memory_equal(out, all, len);
            assert_int_equal(out[len], '\0');
        }
        for (size_t i = cap; i < sizeof out; i++) {
            assert_int_equal(out[i], 'x');
        }
    }
    elo_station_status(&b.s, ELO_STATION_LAYERS, out, sizeof out);
    assert_string_equal(out, "");
}

static void numbers_have_their_sign(void **state)
{
    (void)state;
    static const struct {
        int32_t value;
        const char *text;
    } numbers[] = {{0, "0"}, {-1, "-1"}, {INT32_MAX, "2147483647"}, {INT32_MIN, "-2147483648"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char out[16];
        struct elo__line l;
        elo__line_init(&l, out, sizeof out);
        elo__line_int(&l, numbers[i].value);
        assert_string_equal(out, numbers[i].text);
    }
}

/* The slugs in flash are those of errors.def; a reason without one is a number. */
static void slugs_are_those_of_the_list(void **state)
{
    (void)state;
    int known = 0;
    for (int code = -200; code < 0; code++) {
        char slug[ELO_SLUG_MAX], number[ELO_SLUG_MAX];
        elo_station_slug((elo_err)code, slug);
        snprintf(number, sizeof number, "E-%d", code);
        if (strcmp(slug, number) != 0) {
            assert_string_equal(slug, elo_explain((elo_err)code)->slug);
            known++;
        }
    }
    assert_true(known >= 39);
    for (int code = ELO_E_PUBACK_REFUSED; code <= ELO_E_CONNACK_VERSION; code++) {
        char slug[ELO_SLUG_MAX];
        elo_station_slug((elo_err)code, slug); /* those a device always meets */
        assert_string_equal(slug, elo_explain((elo_err)code)->slug);
    }
}

static unsigned flashes_in(elo_led pattern, unsigned flashes, uint32_t from, uint32_t ms)
{
    unsigned count = 0;
    bool was = false;
    for (uint32_t t = 0; t < ms; t++) {
        bool is = elo_led_is_lit(pattern, flashes, from + t);
        count += is && !was;
        was = is;
    }
    return count;
}

static void the_led_speaks_its_table(void **state)
{
    (void)state;
    assert_int_equal(flashes_in(ELO_LED_SETUP, 0, 0, 10000), 10);
    assert_int_equal(flashes_in(ELO_LED_WIFI, 0, 0, 1000), 5);
    assert_int_equal(flashes_in(ELO_LED_TIME, 0, 0, 1000), 2);
    assert_int_equal(flashes_in(ELO_LED_CONNECTING, 0, 0, 1000), 3);
    assert_int_equal(flashes_in(ELO_LED_OFFLINE, 1, 0, 3000), 1);
    assert_int_equal(flashes_in(ELO_LED_IDENTIFY, 0, 0, 1000), 10);
    assert_int_equal(flashes_in(ELO_LED_ONLINE, 0, 0, 5000), 0);
    assert_true(elo_led_is_lit(ELO_LED_ONLINE, 1, 12345));
    for (unsigned n = 2; n <= 7; n++) {
        assert_int_equal(flashes_in(ELO_LED_ERROR, n, 0, n * 500 + 2000), n);
        assert_int_equal(flashes_in(ELO_LED_ERROR, n, n * 500, 2000), 0);
    }
    assert_int_equal(elo_led_flashes(ELO_OK), 0);
    assert_int_equal(elo_led_flashes(ELO_E_TCP_CLOSED), 1);
    assert_int_equal(elo_led_flashes(ELO_E_DNS), 3);
    assert_int_equal(elo_led_flashes(ELO_E_CLOCK), 4);
    assert_int_equal(elo_led_flashes(ELO_E_ROOT), 5);
    assert_int_equal(elo_led_flashes(ELO_E_ALPN), 5);
    assert_int_equal(elo_led_flashes(ELO_E_CLOSED_AFTER_CONNECT), 6);
    assert_int_equal(elo_led_flashes(ELO_E_ENTROPY), 7);
    assert_int_equal(elo_led_flashes(ELO_E_IO), 7);
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    struct elo_station_config good = b.config;
    char prefix[ELO_STATION_TOPIC_MAX];
    b.config.scratch_size = ELO_STATION_SCRATCH_MIN - 1;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_E_NO_SPACE);
    b.config = good;
    b.config.outbox_size--;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_E_NO_SPACE);
    b.config = good;
    b.config.prefix = "";
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_E_TOPIC);
    memset(prefix, 'x', sizeof prefix);
    b.config.prefix = prefix;
    prefix[ELO_STATION_TOPIC_MAX - sizeof "/telemetry" + 1] = '\0';
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_E_TOPIC);
    prefix[ELO_STATION_TOPIC_MAX - sizeof "/telemetry"] = '\0';
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_OK);
    b.config = good;
    b.config.client_id = "$aws";
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_E_UNSUPPORTED);
    b.config = good;
    b.config.is_set_up = false;
    assert_int_equal(elo_station_init(&b.s, &b.config, 0), ELO_OK);
    assert_int_equal(elo_station_get_mode(&b.s), ELO_STATION_SETUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_server_does_not_take_is_not_on_its_way, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(a_description_that_was_taken_is_allowed, make, unmake),
        cmocka_unit_test_setup_teardown(who_is_set_up_is_not_online, make, unmake),
        cmocka_unit_test_setup_teardown(commands_are_read_whole_or_not_at_all, make, unmake),
        cmocka_unit_test_setup_teardown(an_id_of_64_bytes_is_answered_and_of_65_is_not, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(outputs_that_are_not_there_cannot_be_set, make, unmake),
        cmocka_unit_test_setup_teardown(telemetry_has_what_the_machine_has, make, unmake),
        cmocka_unit_test_setup_teardown(health_tells_what_is_known, make, unmake),
        cmocka_unit_test_setup_teardown(it_describes_what_there_is, make, unmake),
        cmocka_unit_test_setup_teardown(what_was_read_once_is_described, make, unmake),
        cmocka_unit_test_setup_teardown(lines_are_cut_where_their_buffer_ends, make, unmake),
        cmocka_unit_test(numbers_have_their_sign),
        cmocka_unit_test(slugs_are_those_of_the_list),
        cmocka_unit_test(the_led_speaks_its_table),
        cmocka_unit_test_setup_teardown(bad_configurations_are_refused, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
