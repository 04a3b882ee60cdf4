// links: elo_setup elo_json
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Settings: JSON in and out, the form for flash, the judge of each member and pin. */
#include "elo/setup/code.h"
#include "elo/setup/settings.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define BUNDLE                                                                                     \
    "{\"thingName\":\"kitchen\",\"clientId\":\"kitchen\",\"host\":\"192.168.1.20\",\"port\":8883," \
    "\"serverName\":\"elo-desk\",\"prefix\":\"elo/kitchen\"}"

static elo_err read_json(struct elo_settings *s, const char *json, struct elo_settings_fault *fault)
{
    struct guard g;
    guard_open(&g, 4096);
    elo_err err = elo_settings_from_json(s, guard_copy(&g, json, strlen(json)), fault);
    guard_close(&g);
    return err;
}

static void a_bundle_of_elo_add(void **state)
{
    struct elo_settings s;
    struct elo_settings_fault fault;
    (void)state;
    elo_settings_defaults(&s);
    assert_int_equal(read_json(&s, BUNDLE, &fault), ELO_OK);
    assert_string_equal(s.thing, "kitchen");
    assert_string_equal(s.host, "192.168.1.20");
    assert_string_equal(s.server_name, "elo-desk");
    assert_string_equal(s.prefix, "elo/kitchen");
    assert_int_equal(s.port, 8883);
    assert_int_equal(elo_settings_complete(&s, &fault), ELO_E_SETTING);
    assert_string_equal(fault.field, "wifiSsid");
    assert_int_equal(read_json(&s, "{\"wifiSsid\":\"Casa\"}", &fault), ELO_OK);
    assert_int_equal(elo_settings_complete(&s, &fault), ELO_OK);
}

static void what_follows_from_others(void **state)
{
    struct elo_settings s;
    (void)state;
    elo_settings_defaults(&s);
    assert_int_equal(read_json(&s, "{\"thingName\":\"a\",\"host\":\"h\",\"new\":[{}]}", NULL),
                     ELO_OK);
    assert_string_equal(s.client_id, "a");
    assert_string_equal(s.server_name, "h");
    assert_string_equal(s.prefix, "elo/a");
}

static void refusals(void **state)
{
    static const struct {
        const char *json, *field;
        elo_why why;
    } table[] = {
        {"{\"wifiSsid\":\"123456789012345678901234567890123\"}", "wifiSsid", ELO_WHY_LONG},
        {"{\"wifiSsidHex\":\"4\"}", "wifiSsidHex", ELO_WHY_CHARACTERS},
        {"{\"wifiSsidHex\":\"zz\"}", "wifiSsidHex", ELO_WHY_CHARACTERS},
        {"{\"wifiPassphrase\":\"1234567\"}", "wifiPassphrase", ELO_WHY_PASSPHRASE},
        {"{\"wifiPassphrase\":"
         "\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"}",
         "wifiPassphrase", ELO_WHY_PASSPHRASE},
        {"{\"wifiPassphrase\":\"a\\u0001bcdefgh\"}", "wifiPassphrase", ELO_WHY_CHARACTERS},
        {"{\"thingName\":\"a b\"}", "thingName", ELO_WHY_CHARACTERS},
        {"{\"clientId\":\"a\\u0000b\"}", "clientId", ELO_WHY_CHARACTERS},
        {"{\"host\":\"a/b\"}", "host", ELO_WHY_CHARACTERS},
        {"{\"prefix\":\"a/+\"}", "prefix", ELO_WHY_CHARACTERS},
        {"{\"prefix\":\"$aws/x\"}", "prefix", ELO_WHY_CHARACTERS},
        {"{\"port\":0}", "port", ELO_WHY_RANGE},
        {"{\"port\":65536}", "port", ELO_WHY_RANGE},
        {"{\"port\":\"8883\"}", "port", ELO_WHY_TYPE},
        {"{\"port\":1.5}", "port", ELO_WHY_TYPE},
        {"{\"port\":-1}", "port", ELO_WHY_TYPE},
        {"{\"port\":99999999999999999999}", "port", ELO_WHY_TYPE},
        {"{\"port\":null}", "port", ELO_WHY_TYPE},
        {"{\"host\":5}", "host", ELO_WHY_TYPE},
        {"{\"interval\":3601}", "interval", ELO_WHY_RANGE},
        {"{\"sensor\":\"dht33\"}", "sensor", ELO_WHY_SENSOR},
        {"{\"relayPin\":17}", "relayPin", ELO_WHY_NO_PIN},
        {"{\"relayPin\":255}", "relayPin", ELO_WHY_NO_PIN},
        {"{\"relayPin\":9}", "relayPin", ELO_WHY_PIN_FLASH},
        {"{\"relayPin\":1}", "relayPin", ELO_WHY_PIN_SERIAL},
        {"{\"relayPin\":0}", "relayPin", ELO_WHY_PIN_STRAP},
        {"{\"sensorPin\":15}", "sensorPin", ELO_WHY_PIN_STRAP},
        {"{\"buttonPin\":16}", "buttonPin", ELO_WHY_PIN_16},
        {"{\"relayPin\":4,\"sensor\":\"dht22\"}", "relayPin", ELO_WHY_PIN_SHARED},
        {"{\"sensor\":\"dht22\",\"sensorPin\":null}", "sensorPin", ELO_WHY_EMPTY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct elo_settings s;
        struct elo_settings_fault fault = {NULL, ELO_WHY_NONE};
        elo_settings_defaults(&s);
        elo_err err = read_json(&s, table[i].json, &fault);
        if (err != ELO_E_SETTING || strcmp(fault.field, table[i].field) != 0 ||
            fault.why != table[i].why) {
            fail_msg("%s: %d %s %d", table[i].json, err, fault.field ? fault.field : "-",
                     fault.why);
        }
    }
}

static void broken_json(void **state)
{
    struct elo_settings s;
    struct elo_settings_fault fault;
    (void)state;
    elo_settings_defaults(&s);
    for (size_t n = 0; n < sizeof BUNDLE - 1; n++) {
        char part[sizeof BUNDLE];
        memcpy(part, BUNDLE, n);
        part[n] = '\0';
        assert_int_equal(read_json(&s, part, &fault), ELO_E_MALFORMED);
        assert_int_equal(fault.why, ELO_WHY_JSON);
    }
    assert_int_equal(read_json(&s, "[1]", &fault), ELO_E_MALFORMED);
}

static void same(const struct elo_settings *a, const struct elo_settings *b)
{
    assert_int_equal(a->ssid_len, b->ssid_len);
    assert_memory_equal(a->ssid, b->ssid, a->ssid_len);
    assert_string_equal(a->passphrase, b->passphrase);
    assert_string_equal(a->thing, b->thing);
    assert_string_equal(a->client_id, b->client_id);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->server_name, b->server_name);
    assert_string_equal(a->prefix, b->prefix);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->interval_s, b->interval_s);
    assert_int_equal(a->sensor, b->sensor);
    assert_memory_equal(a->pins, b->pins, sizeof a->pins);
}

/* The longest of everything. */
static void fill(struct elo_settings *s)
{
    elo_settings_defaults(s);
    memset(s->ssid, 0xFE, sizeof s->ssid);
    s->ssid_len = sizeof s->ssid;
    memset(s->passphrase, 'a', sizeof s->passphrase - 1);
    memset(s->thing, 't', sizeof s->thing - 1);
    memset(s->client_id, '"', sizeof s->client_id - 1);
    memset(s->host, 'h', sizeof s->host - 1);
    memset(s->server_name, 's', sizeof s->server_name - 1);
    memset(s->prefix, '\\', sizeof s->prefix - 1);
    s->sensor = ELO_SENSOR_BME280;
    s->pins[ELO_ROLE_RELAY] = ELO_PIN_NONE;
    s->port = 65535;
    s->interval_s = 3600;
}

static void the_longest_of_everything(void **state)
{
    struct elo_settings s, back;
    uint8_t json[ELO_SETTINGS_JSON_MAX], bytes[ELO_SETTINGS_BYTES_MAX];
    size_t len = 0;
    (void)state;
    fill(&s);
    assert_int_equal(elo_settings_check(&s, NULL), ELO_OK);
    assert_int_equal(elo_settings_to_json(&s, true, json, sizeof json, &len), ELO_OK);
    elo_settings_defaults(&back);
    assert_int_equal(elo_settings_from_json(&back, elo_span_of(json, len), NULL), ELO_OK);
    same(&s, &back);
    assert_int_equal(elo_settings_store(&s, bytes, sizeof bytes, &len), ELO_OK);
    assert_int_equal(elo_settings_load(&back, elo_span_of(bytes, len)), ELO_OK);
    same(&s, &back);
    for (size_t cap = 0; cap < len; cap++) {
        struct guard g;
        size_t out;
        guard_open(&g, 4096);
        assert_int_equal(elo_settings_store(&s, guard_room(&g, cap), cap, &out), ELO_E_NO_SPACE);
        guard_close(&g);
    }
}

static void secrets_stay_out(void **state)
{
    struct elo_settings s;
    uint8_t json[ELO_SETTINGS_JSON_MAX];
    size_t len = 0;
    (void)state;
    elo_settings_defaults(&s);
    assert_int_equal(
        elo_settings_set(&s, ELO_SPAN("wifiPassphrase"), ELO_SPAN("segredo-bom"), NULL), ELO_OK);
    assert_int_equal(elo_settings_to_json(&s, false, json, sizeof json - 1, &len), ELO_OK);
    json[len] = '\0';
    assert_null(strstr((const char *)json, "segredo"));
    assert_null(strstr((const char *)json, "wifiPassphrase"));
}

static void damage_is_seen(void **state)
{
    struct elo_settings s, back;
    uint8_t bytes[ELO_SETTINGS_BYTES_MAX];
    size_t len = 0;
    struct guard g;
    (void)state;
    guard_open(&g, 4096);
    fill(&s);
    assert_int_equal(elo_settings_store(&s, bytes, sizeof bytes, &len), ELO_OK);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(elo_settings_load(&back, guard_copy(&g, bytes, i)), ELO_E_CORRUPT);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(elo_settings_load(&back, guard_copy(&g, bytes, len)), ELO_E_CORRUPT);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    guard_close(&g);
}

static void a_later_version_has_more(void **state)
{
    struct elo_settings s, back;
    uint8_t bytes[ELO_SETTINGS_BYTES_MAX + 8];
    size_t len = 0;
    (void)state;
    elo_settings_defaults(&s);
    s.interval_s = 77;
    assert_int_equal(elo_settings_store(&s, bytes, sizeof bytes, &len), ELO_OK);
    len -= 4;
    bytes[len++] = 200; /* a tag that we do not know */
    bytes[len++] = 2;
    bytes[len++] = 1;
    bytes[len++] = 2;
    bytes[5] = (uint8_t)(len - 6);
    uint32_t crc = elo_crc32(0, elo_span_of(bytes, len));
    for (size_t i = 0; i < 4; i++) {
        bytes[len++] = (uint8_t)(crc >> (24 - 8 * i));
    }
    assert_int_equal(elo_settings_load(&back, elo_span_of(bytes, len)), ELO_OK);
    assert_int_equal(back.interval_s, 77);
}

static void words_for_everything(void **state)
{
    (void)state;
    for (unsigned lang = 0; lang < ELO_LANG_COUNT; lang++) {
        for (unsigned why = 0; why < ELO_WHY_COUNT; why++) {
            assert_true(elo_text_len(elo_settings_why((elo_why)why, (elo_lang)lang)) > 5);
        }
        assert_null(elo_settings_why(ELO_WHY_COUNT, (elo_lang)lang));
    }
    for (unsigned pin = 0; pin < 300; pin++) { /* every pin has a judgement for every role */
        for (unsigned role = 0; role < ELO_ROLE_COUNT; role++) {
            assert_true(elo_pin_judge((elo_role)role, pin) < ELO_WHY_COUNT);
        }
    }
}

static void base64_and_crc(void **state)
{
    uint8_t bytes[64], back[64];
    char text[100];
    (void)state;
    assert_int_equal(elo_crc32(0, ELO_SPAN("123456789")), 0xCBF43926u);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t out = 0;
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(i * 37 + len);
        }
        size_t n = elo_base64_put(elo_span_of(bytes, len), text);
        assert_int_equal(n, ELO_BASE64_SIZE(len));
        assert_true(elo_base64_get(elo_span_of(text, n), back, len, &out));
        assert_int_equal(out, len);
        assert_memory_equal(back, bytes, len);
        assert_false(len > 0 && elo_base64_get(elo_span_of(text, n), back, len - 1, &out));
    }
    static const char *const bad[] = {"A", "AA", "AAA", "A===", "AA=A", "====", "AA==AAAA", "AA-A"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t out;
        assert_false(elo_base64_get(elo_span_str(bad[i]), back, sizeof back, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_of_elo_add),
        cmocka_unit_test(what_follows_from_others),
        cmocka_unit_test(refusals),
        cmocka_unit_test(broken_json),
        cmocka_unit_test(the_longest_of_everything),
        cmocka_unit_test(secrets_stay_out),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(a_later_version_has_more),
        cmocka_unit_test(words_for_everything),
        cmocka_unit_test(base64_and_crc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
