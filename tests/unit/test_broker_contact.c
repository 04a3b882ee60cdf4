// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The first connection of a registered CA's device, inside the broker: who is told that it was
 * registered finds it, whatever becomes of the machine; a store that fails tells nobody anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "elo/mqtt/encode.h"
#include "server/base/buf.h"
#include "server/pki/pki.h"
#include "server/registry/registry.h"
#include "tests/support/broker_peer.h"
#include "tests/support/faulty_disk.h"

#define EVENTS_MAX 1000 /* that wait for the store at a time */

static struct house house;
static struct desk desk;
static struct buf device;
static struct peer *watcher;

static struct buf vector(const char *name)
{
    char path[512];
    char bytes[4096];
    struct buf out;
    buf_init(&out, 65536);
    (void)snprintf(path, sizeof path, ELO_SOURCE_DIR "/tests/vectors/pki/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    buf_add(&out, elo_span_of(bytes, fread(bytes, 1, sizeof bytes, file)));
    assert_int_equal(fclose(file), 0);
    return out;
}

static void register_ca(void)
{
    struct pki_certificate info;
    struct aws_fault fault;
    char why[256];
    struct buf pem = vector("field-ca.crt.pem");
    assert_int_equal(pki_certificate_read(buf_span(&pem), &info, why, sizeof why), ELO_OK);
    const struct ca_certificate fresh = {.id = elo_span_str(info.id),
                                         .pem = buf_span(&pem),
                                         .mode = ELO_SPAN("DEFAULT"),
                                         .subject = elo_span_str(info.subject),
                                         .active = true,
                                         .auto_registration = true};
    assert_int_equal(registry_register_ca(house.registry, &fresh, 0, NULL, &fault), AWS_OK);
    buf_free(&pem);
}

static int setup(void **state)
{
    (void)state;
    faulty_disk_heal();
    house_open(&house);
    register_ca();
    device = vector("field-device.crt.der");
    house.stranger_der = buf_span(&device);
    assert_int_equal(pki_certificate_der_to_id(house.stranger_der, house.ids[CERTIFICATE_stranger]),
                     ELO_OK);
    desk_open_stored(&desk, &house, NULL, 0);
    watcher = peer_open(&desk, "watcher", CERTIFICATE_all, ELO_OK);
    peer_connect(watcher, "watcher", true);
    peer_subscribe(watcher, "$aws/events/certificates/registered/+", 0);
    desk.slow = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faulty_disk_heal();
    desk_close(&desk);
    house_close(&house);
    buf_free(&device);
    return 0;
}

/* What the device got before it was closed; "": nothing. */
static const char *knock(uint8_t level)
{
    static char answer[64];
    const struct elo_mqtt_connect connect = {.level = level, .client_id = ELO_SPAN("bench-7")};
    uint8_t packet[64];
    size_t len;
    struct peer *p = peer_open(&desk, "device", CERTIFICATE_stranger, ELO_E_CERT_UNKNOWN);
    elo_err err =
        level == ELO_MQTT_5
            ? elo_mqtt5_encode_connect(&connect, elo_span_of(NULL, 0), packet, sizeof packet, &len)
            : elo_mqtt_encode_connect(&connect, packet, sizeof packet, &len);
    assert_int_equal(err, ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    desk_pump(&desk);
    assert_true(p->closed_by_broker);
    const char *line = peer_take(p);
    (void)snprintf(answer, sizeof answer, "%s", line == NULL ? "" : line);
    peer_forget(p);
    return answer;
}

static bool is_known(void)
{
    return registry_certificate(house.registry, elo_span_str(house.ids[CERTIFICATE_stranger])) !=
           NULL;
}

static void disk(void)
{
    desk_disk(&desk);
    desk_pump(&desk);
}

static void takes_event(void)
{
    const char *line = peer_take(watcher);
    assert_non_null(line);
    assert_non_null(strstr(line, "PUBLISH $aws/events/certificates/registered/"));
    assert_non_null(strstr(line, house.ids[CERTIFICATE_stranger]));
}

static void the_event_waits_for_the_disk(void **state)
{
    (void)state;
    assert_string_equal(knock(ELO_MQTT_3_1_1), "");
    assert_true(is_known());
    assert_null(peer_take(watcher));
    assert_string_equal(knock(ELO_MQTT_3_1_1), ""); /* still on its way: this one waits as well */
    assert_null(peer_take(watcher));
    disk();
    takes_event();
    takes_event();
    assert_null(peer_take(watcher));
    assert_string_equal(knock(ELO_MQTT_3_1_1), ""); /* nothing has changed: nothing to wait for */
    takes_event();
    assert_null(peer_take(watcher));
}

static void a_store_that_fails_tells_nobody(void **state)
{
    (void)state;
    assert_string_equal(knock(ELO_MQTT_3_1_1), "");
    faulty_disk_arm(FAULTY_WRITE, 1, SQLITE_FULL, false);
    disk();
    faulty_disk_heal();
    assert_false(is_known());
    assert_null(peer_take(watcher));
    disk();
    assert_null(peer_take(watcher));
    assert_string_equal(knock(ELO_MQTT_3_1_1), ""); /* the device tries again, and all is well */
    disk();
    assert_true(is_known());
    takes_event();
    assert_null(peer_take(watcher));
}

/* "Measured: closed without a CONNACK" is MQTT 3.1.1; MQTT 5 is told as of any refusal. */
static void mqtt5_is_told(void **state)
{
    (void)state;
    assert_string_equal(knock(ELO_MQTT_5), "CONNACK 87 reason");
    disk();
    assert_true(is_known());
    takes_event();
}

static void so_many_events_wait(void **state)
{
    (void)state;
    for (int i = 0; i < EVENTS_MAX; i++) {
        (void)knock(ELO_MQTT_3_1_1);
    }
    assert_false(desk_logged(&desk, "RegisterCertificate"));
    (void)knock(ELO_MQTT_3_1_1);
    assert_true(desk_logged(&desk, "RegisterCertificate ELO_E_QUOTA SERVER_ERROR"));
    disk();
    for (int i = 0; i < EVENTS_MAX; i++) {
        takes_event();
    }
    assert_null(peer_take(watcher));
}

/* Nothing is told when the broker ends before the store has answered; nothing leaks either. */
static void events_end_with_the_broker(void **state)
{
    (void)state;
    (void)knock(ELO_MQTT_3_1_1);
    assert_null(peer_take(watcher));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    faulty_disk_install();
    const struct CMUnitTest tests[] = {
        TEST(the_event_waits_for_the_disk),
        TEST(a_store_that_fails_tells_nobody),
        TEST(mqtt5_is_told),
        TEST(so_many_events_wait),
        TEST(events_end_with_the_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
