// links: test_support server_seeing jansson
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* Timelines: whose they are, what they keep, and that they never take more than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server/base/mem.h"
#include "server/seeing/seeing.h"
#include "tests/support/broker_peer.h"

static struct house house;

static int open_house(void **state)
{
    (void)state;
    house_open(&house);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

struct scene {
    struct desk desk;
    struct seeing *seeing;
    int64_t now;
};

static void open_scene(struct scene *s)
{
    desk_open(&s->desk, &house, NULL);
    s->seeing = seeing_create();
    s->now = 1767323045000;
    assert_non_null(s->seeing);
    const struct seeing_config config = {
        .broker = s->desk.broker, .registry = house.registry, .version = "1.2.3"};
    seeing_configure(s->seeing, &config);
}

static void close_scene(struct scene *s)
{
    seeing_destroy(s->seeing);
    desk_close(&s->desk);
}

static void see(struct scene *s, const char *event, elo_err err, const char *client, const char *ip)
{
    const struct log_record r = {.level = err == ELO_OK ? LOG_INFO : LOG_ERROR,
                                 .event_type = event,
                                 .err = err,
                                 .protocol = "MQTT",
                                 .client_id = elo_span_str(client),
                                 .source_ip = elo_span_str(ip)};
    seeing_watch(s->seeing, &r, s->now++);
}

static json_t *ask(struct scene *s, const char *query, int status)
{
    const struct seeing_request r = {.method = ELO_SPAN("GET"),
                                     .path = ELO_SPAN("/elo/timeline"),
                                     .query = elo_span_str(query),
                                     .host = ELO_SPAN("localhost:8080")};
    struct seeing_page page;
    const struct core_time now = {0, 0};
    assert_true(seeing_handle(s->seeing, &r, now, &page));
    assert_int_equal(page.status, status);
    elo_span body = buf_span(&page.body);
    json_t *json = json_loadb((const char *)body.ptr, body.len, 0, NULL);
    assert_non_null(json);
    buf_free(&page.body);
    return json;
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* The last 16; the same again is counted and becomes the newest. */
static void a_trail_keeps_the_last(void **state)
{
    (void)state;
    static const elo_err errs[] = {ELO_E_POLICY_CONNECT, ELO_E_NO_POLICY,    ELO_E_CERT_INACTIVE,
                                   ELO_E_CERT_EXPIRED,   ELO_E_CERT_REVOKED, ELO_E_THROTTLED,
                                   ELO_E_TAKEN_OVER,     ELO_E_KEEP_ALIVE,   ELO_E_PROTOCOL,
                                   ELO_E_MALFORMED,      ELO_E_UTF8,         ELO_E_TOPIC,
                                   ELO_E_QUOTA,          ELO_E_NO_MEMORY,    ELO_E_TOO_LARGE,
                                   ELO_E_UNSUPPORTED,    ELO_E_CERT_UNKNOWN};
    struct scene s;
    open_scene(&s);
    for (size_t i = 0; i < 17; i++) {
        see(&s, "Connect", errs[i], "lamp", "10.0.0.1");
    }
    see(&s, "Connect", errs[5], "lamp", "10.0.0.1");
    json_t *page = ask(&s, "device=lamp", 200);
    const json_t *moments = json_object_get(page, "moments");
    assert_int_equal(json_array_size(moments), 16);
    const json_t *last = json_array_get(moments, 15);
    assert_int_equal(number(last, "count"), 2);
    assert_string_equal(json_string_value(json_object_get(last, "code")), "E-THROTTLED");
    assert_true(number(last, "firstTimestamp") < number(last, "timestamp"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(moments, 0), "code")),
                        "E-NO-POLICY");
    json_decref(page);
    /* After ten minutes it is told again. */
    s.now += 600001;
    see(&s, "Connect", errs[5], "lamp", "10.0.0.1");
    page = ask(&s, "device=lamp", 200);
    assert_int_equal(number(json_array_get(json_object_get(page, "moments"), 15), "count"), 1);
    json_decref(page);
    close_scene(&s);
}

/* Who got no further is known by address, and perhaps is the device that is asked for. */
static void addresses_are_added_and_marked(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    see(&s, "Connect", ELO_E_TLS_HANDSHAKE, NULL, "10.0.0.1");
    see(&s, "Connect", ELO_E_TLS_HANDSHAKE, NULL, "10.0.0.2");
    see(&s, "Connect", ELO_OK, "lamp", "10.0.0.1");
    json_t *page = ask(&s, "device=lamp", 200);
    const json_t *moments = json_object_get(page, "moments");
    assert_int_equal(json_array_size(moments), 2);
    assert_true(json_is_true(json_object_get(json_array_get(moments, 0), "sameAddressOnly")));
    assert_true(json_is_false(json_object_get(json_array_get(moments, 1), "sameAddressOnly")));
    json_decref(page);
    page = ask(&s, "device=10.0.0.2", 200);
    assert_int_equal(json_array_size(json_object_get(page, "moments")), 1);
    json_decref(page);
    close_scene(&s);
}

/* Everything at its longest, from as many as like to come. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct scene s;
    char long_text[1000], id[32];
    memset(long_text, 'x', sizeof long_text);
    open_scene(&s);
    for (unsigned i = 0; i < 30000; i++) {
        snprintf(id, sizeof id, "client-%u", i);
        for (unsigned k = 0; k < 2; k++) {
            const struct log_record r = {.level = LOG_ERROR,
                                         .event_type = "Connect",
                                         .err = k == 0 ? ELO_E_POLICY_CONNECT : ELO_E_QUOTA,
                                         .client_id = elo_span_str(id),
                                         .principal_id = elo_span_of(long_text, 64),
                                         .topic = elo_span_of(long_text, sizeof long_text),
                                         .details = elo_span_of(long_text, sizeof long_text)};
            seeing_watch(s.seeing, &r, s.now++);
            assert_true(seeing_timeline_bytes(s.seeing) <= SEEING_TIMELINE_BYTES + 4096);
        }
    }
    json_t *page = ask(&s, "device=client-29999", 200);
    assert_int_equal(json_array_size(json_object_get(page, "moments")), 2);
    json_decref(page);
    page = ask(&s, "device=client-0", 200);
    assert_int_equal(json_array_size(json_object_get(page, "moments")), 0);
    json_decref(page);
    close_scene(&s);
}

static void without_memory_nothing_breaks(void **state)
{
    (void)state;
    struct scene s;
    for (long n = 1; n < 12; n++) {
        open_scene(&s);
        mem_fail_at(n);
        for (int i = 0; i < 3; i++) {
            see(&s, "Connect", ELO_E_POLICY_CONNECT, "lamp", "10.0.0.1");
        }
        mem_fail_at(0);
        see(&s, "Connect", ELO_E_NO_POLICY, "lamp", "10.0.0.1");
        json_t *page = ask(&s, "device=lamp", 200);
        assert_true(json_array_size(json_object_get(page, "moments")) >= 1);
        json_decref(page);
        close_scene(&s);
    }
}

/* What outsiders chose is text, and steers no terminal. */
static void foreign_texts_are_tamed(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    see(&s, "Connect", ELO_E_QUOTA,
        "k\xc3\xbc"
        "che\033[2J\xe2\x80\xae",
        "10.0.0.1");
    see(&s, "Connect", ELO_E_QUOTA, "\xff\xfe", "10.0.0.2");
    json_t *page = ask(&s, "device=k%C3%BCche%1B%5B2J%E2%80%AE", 200);
    const json_t *m = json_array_get(json_object_get(page, "moments"), 0);
    assert_string_equal(json_string_value(json_object_get(m, "clientId")), "k\xc3\xbc"
                                                                           "che?[2J???");
    json_decref(page);
    page = ask(&s, "device=%FF%FE", 200);
    m = json_array_get(json_object_get(page, "moments"), 0);
    assert_string_equal(json_string_value(json_object_get(m, "clientId")), "??");
    json_decref(page);
    json_decref(ask(&s, "device=", 400));
    json_decref(ask(&s, "device=%4", 400));
    json_decref(ask(&s, "name=lamp", 400));
    close_scene(&s);
}

/* --- memory by room (server/base/mem.h) --------------------------------------------------------
 */

static struct mem_room_use use_of(enum mem_room room)
{
    struct mem_room_use use;
    assert_true(mem_room_at(room, &use));
    return use;
}

static void rooms_are_counted(void **state)
{
    (void)state;
    struct mem_room_use before = use_of(MEM_MAIN);
    assert_string_equal(before.name, "main");
    void *p = mem_alloc_in(MEM_MAIN, 1000);
    assert_in_range(use_of(MEM_MAIN).bytes - before.bytes, 1000, 1100);
    assert_int_equal(use_of(MEM_MAIN).blocks - before.blocks, 1);
    p = mem_grow_in(MEM_MAIN, p, 5000);
    assert_in_range(use_of(MEM_MAIN).bytes - before.bytes, 5000, 5100);
    assert_int_equal(use_of(MEM_MAIN).blocks - before.blocks, 1);
    mem_fail_at(1);
    assert_null(mem_grow_in(MEM_MAIN, p, 9000));
    assert_in_range(use_of(MEM_MAIN).bytes - before.bytes, 5000, 5100);
    mem_free_in(MEM_MAIN, p);
    mem_free_in(MEM_MAIN, NULL);
    assert_int_equal(use_of(MEM_MAIN).bytes, before.bytes);
    assert_int_equal(use_of(MEM_MAIN).blocks, before.blocks);
    struct mem_room_use none;
    assert_false(mem_room_at(MEM_ROOMS, &none));
    /* The broker's own allocations are the broker's. */
    size_t broker = use_of(MEM_BROKER).bytes;
    struct scene s;
    open_scene(&s);
    assert_true(use_of(MEM_BROKER).bytes > broker + sizeof(void *));
    close_scene(&s);
    assert_int_equal(use_of(MEM_BROKER).bytes, broker);
}

static void expect_metric(struct scene *s, const char *line)
{
    const struct seeing_request r = {.method = ELO_SPAN("GET"),
                                     .path = ELO_SPAN("/metrics"),
                                     .host = ELO_SPAN("localhost:8080")};
    struct seeing_page page;
    assert_true(seeing_handle(s->seeing, &r, (struct core_time){0, 0}, &page));
    assert_int_equal(page.status, 200);
    elo_span text = buf_span(&page.body);
    char whole[160];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (memmem(text.ptr, text.len, whole, strlen(whole)) == NULL) {
        fail_msg("no line %s in\n%.*s", line, (int)text.len, (const char *)text.ptr);
    }
    buf_free(&page.body);
}

static void a_build_tells_its_commit(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    expect_metric(&s, "awsiot_build_info{version=\"1.2.3\",commit=\"unknown\"} 1");
    const struct seeing_config config = {.broker = s.desk.broker,
                                         .registry = house.registry,
                                         .version = "1.2.3",
                                         .commit = "0123456789ab"};
    seeing_configure(s.seeing, &config);
    expect_metric(&s, "awsiot_build_info{version=\"1.2.3\",commit=\"0123456789ab\"} 1");
    close_scene(&s);
}

/* One retained message is kept; the next is thrown away, whoever brings it. */
static void what_a_full_store_refuses_is_throttled(void **state)
{
    (void)state;
    struct scene s = {.now = 1767323045000};
    struct limits limits;
    struct seeing_config config = {.registry = house.registry, .version = "1.2.3"};
    struct desk *d = &s.desk;
    limits_unthrottled(&limits);
    assert_int_equal(limits_set(&limits, "retained-messages=1"), ELO_OK);
    desk_open_limited(d, &house, NULL, &limits);
    s.seeing = seeing_create();
    config.broker = d->broker;
    seeing_configure(s.seeing, &config);
    struct peer *p = peer_open(d, "a", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "a", true);
    peer_send(p, ELO_SPAN("\x31\x05\x00\x01tab"));
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"success\"} 1");
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"throttle\"} 0");
    peer_send(p, ELO_SPAN("\x31\x05\x00\x01uab")); /* one too many */
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"success\"} 1");
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"throttle\"} 1");
    peer_send(p, ELO_SPAN("\x31\x05\x00\x01tcd")); /* in the other's place */
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"success\"} 2");
    elo_span x = ELO_SPAN("x");
    assert_int_equal(broker_publish(d->broker, ELO_SPAN("t"), x, 0, true, d->now), ELO_OK);
    assert_int_equal(broker_publish(d->broker, ELO_SPAN("u"), x, 1, true, d->now), ELO_E_QUOTA);
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"http\",result=\"success\"} 1");
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"http\",result=\"throttle\"} 1");
    expect_metric(&s, "awsiot_publish_in_total{protocol=\"mqtt\",result=\"throttle\"} 1");
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trail_keeps_the_last),
        cmocka_unit_test(addresses_are_added_and_marked),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(without_memory_nothing_breaks),
        cmocka_unit_test(foreign_texts_are_tamed),
        cmocka_unit_test(rooms_are_counted),
        cmocka_unit_test(a_build_tells_its_commit),
        cmocka_unit_test(what_a_full_store_refuses_is_throttled),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
