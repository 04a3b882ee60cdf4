// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * One desk with a store on a disk that can fail, for the programs that prove what survives: it
 * crashes, stops and starts again, and clients come back to it.
 */
#ifndef TESTS_SUPPORT_BROKER_STORED_H
#define TESTS_SUPPORT_BROKER_STORED_H

#include "elo/mqtt/encode.h"
#include "tests/support/broker_peer.h"
#include "tests/support/faulty_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOUR_MS 3600000

static struct house house;
static struct desk desk;

static inline int setup(void **state)
{
    (void)state;
    faulty_disk_heal();
    house_open(&house);
    desk_open_stored(&desk, &house, NULL, 0);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    faulty_disk_heal();
    desk_close(&desk);
    house_close(&house);
    return 0;
}

/* The process ends here and now, `away_ms` later there is another. */
static inline void crash(int64_t away_ms)
{
    int64_t wall_ms = desk.now.wall_ms + away_ms;
    faulty_disk_arm(FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE, 1, SQLITE_IOERR_WRITE,
                    true); /* nothing of its end is written */
    desk_close(&desk);
    house_shut(&house);
    faulty_disk_heal();
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, wall_ms);
}

static inline void stop_and_start(int64_t away_ms)
{
    int64_t wall_ms = desk.now.wall_ms + away_ms;
    broker_shutdown(desk.broker, desk.now);
    desk_pump(&desk);
    desk_close(&desk);
    house_shut(&house);
    house_open_again(&house);
    desk_open_stored(&desk, &house, NULL, wall_ms);
}

static inline struct peer *come(const char *name, bool clean)
{
    struct peer *p = peer_open(&desk, name, CERTIFICATE_all, ELO_OK);
    assert_non_null(p);
    peer_connect(p, name, clean);
    return p;
}

/* Connects again, going on with what there is. */
static inline struct peer *knock(const char *name)
{
    const struct elo_mqtt_connect c = {
        .level = 4, .keep_alive_s = 1200, .client_id = elo_span_str(name)};
    uint8_t packet[300];
    size_t len;
    struct peer *p = peer_open(&desk, name, CERTIFICATE_all, ELO_OK);
    assert_int_equal(elo_mqtt_encode_connect(&c, packet, sizeof packet, &len), ELO_OK);
    peer_send(p, elo_span_of(packet, len));
    return p;
}

static inline void takes(struct peer *p, const char *line)
{
    const char *has = peer_take(p);
    assert_non_null(has);
    assert_string_equal(has, line);
}

/* Connects again and takes the CONNACK, which must say so. */
static inline struct peer *come_back(const char *name, const char *connack)
{
    struct peer *p = knock(name);
    takes(p, connack);
    return p;
}

static inline void takes_nothing(struct peer *p)
{
    const char *has = peer_take(p);
    if (has != NULL) {
        fail_msg("%s", has);
    }
}

static inline void retain(struct peer *p, const char *topic, const char *payload, uint16_t id)
{
    const struct elo_mqtt_publish m = {.topic = elo_span_str(topic),
                                       .payload = elo_span_str(payload),
                                       .packet_id = id,
                                       .qos = 1,
                                       .retain = true};
    uint8_t packet[400];
    size_t len;
    assert_int_equal(elo_mqtt_encode_publish(&m, packet, sizeof packet, &len), ELO_OK);
    peer_send(p, elo_span_of(packet, len));
}

static inline void unsubscribe(struct peer *p, const char *filter)
{
    const elo_span filters[] = {elo_span_str(filter)};
    uint8_t packet[400];
    size_t len;
    assert_int_equal(elo_mqtt_encode_unsubscribe(5, filters, 1, packet, sizeof packet, &len),
                     ELO_OK);
    peer_send(p, elo_span_of(packet, len));
}

/* A session of that name with a subscription, offline. */
static inline void leave_session(const char *name, const char *filter)
{
    struct peer *p = come(name, false);
    peer_subscribe(p, filter, 1);
    peer_forget(p);
}

#endif
