// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT over real sockets, and over WebSocket: large messages arrive whole, what came before a reset
 * counts, what is written leads to what is stored, and last words wait for the store but not for
 * ever.
 */
#include "tests/support/net_tests.h"

static void subscribe_to_t(struct peer *p)
{
    peer_send(p, "\x82\x06\x00\x01\x00\x01t\x00", 8);
    assert_true(peer_wait(p, 5));
    assert_memory_equal(buf_span(&p->got).ptr, "\x90\x03\x00\x01\x00", 5);
    buf_clear(&p->got);
}

static void what_came_before_a_reset_counts(void **state)
{
    struct rig *rig = *state;
    struct peer subscriber, publisher;
    peer_device(rig, &subscriber, "subscriber");
    subscribe_to_t(&subscriber);
    peer_device(rig, &publisher, "publisher");
    assert_int_equal(SSL_write(publisher.ssl, "\x30\x05\x00\x01tab\xe0\x00", 9), 9);
    struct linger at_once = {1, 0};
    setsockopt(publisher.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(&publisher); /* a reset, before the server has looked */
    assert_true(peer_wait(&subscriber, 7));
    assert_memory_equal(buf_span(&subscriber.got).ptr, "\x30\x05\x00\x01tab", 7);
    rig_expect_told(rig, "CLIENT_INITIATED_DISCONNECT");
    peer_close(&subscriber);
}

/* Its end is noticed while the others are written to; its will is stored in the same turn, because
 * nobody knows when there is a next one. */
static void what_comes_of_a_flush_is_stored_in_its_turn(void **state)
{
    struct rig *rig = *state;
    struct peer mortal, publisher;
    struct broker_stats stats;
    peer_connect(rig, &mortal, LISTEN_MQTTS);
    peer_secure(&mortal, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&mortal));
    peer_send(&mortal, "\x10\x13\x00\x04MQTT\x04\x26\x00\x3c\x00\x01m\x00\x01w\x00\x01x", 21);
    assert_true(peer_wait(&mortal, 4));
    buf_clear(&mortal.got);
    subscribe_to_t(&mortal);
    peer_device(rig, &publisher, "publisher");
    rig_commit(rig);
    assert_int_equal(shutdown(peer_conn(&mortal)->fd, SHUT_WR), 0); /* nothing can be written */
    uint64_t issued = store_issued(rig->store);
    assert_int_equal(SSL_write(publisher.ssl, "\x30\x05\x00\x01tab", 7), 7);
    do {
        assert_int_equal(store_issued(rig->store), issued);
        rig_turn(rig);
        broker_stats(rig->broker, &stats);
    } while (stats.connections == 2);
    assert_true(store_issued(rig->store) > issued);
    peer_close(&publisher);
    peer_close(&mortal);
}

/* CONNECT of MQTT 5 with a session that is stored; a subscription, and a message with QoS 2. */
#define CONNECT_STORED "\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x3c\x00\x01p"
#define SUBSCRIBE_AND_ERR                                                                          \
    "\x82\x07\x00\x01\x00\x00\x01t\x00"                                                            \
    "\x34\x07\x00\x01t\x00\x02\x00x"
#define NO_MASK "\x00\x00\x00\x00"

static void say_and_commit(struct peer *p, const char *bytes, size_t len)
{
    buf_clear(&p->got);
    peer_send(p, bytes, len);
    rig_rest(p->rig);
    rig_commit(p->rig);
}

/* A SUBACK waits for the store, and behind it what the end is for: the connection ends after both.
 */
static void last_words_may_wait_for_the_store(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    peer_secure(&p, TLS1_3_VERSION, &rig->device_cert, &rig->device_key);
    assert_true(peer_shake(&p));
    say_and_commit(&p, CONNECT_STORED, sizeof CONNECT_STORED - 1);
    assert_true(peer_wait(&p, 4));
    assert_memory_equal(buf_span(&p.got).ptr + 2, "\x00\x00", 2);
    say_and_commit(&p, SUBSCRIBE_AND_ERR, sizeof SUBSCRIBE_AND_ERR - 1);
    assert_true(peer_wait_end(&p));
    assert_in_range(buf_span(&p.got).len, 9, 200);
    assert_memory_equal(buf_span(&p.got).ptr, "\x90\x04\x00\x01\x00\x00\xe0", 7);
    assert_int_equal(buf_span(&p.got).ptr[8], 0x9b);
    peer_close(&p);
}

/* MQTT over WebSocket, please. */
static const char *upgrade(void)
{
    static char text[2048];
    struct sigv4_signed sig;
    struct sigv4_header host = {ELO_SPAN("host"), ELO_SPAN("a")};
    struct sigv4_request request = {
        .method = ELO_SPAN("GET"), .path = ELO_SPAN("/mqtt"), .headers = &host, .header_count = 1};
    struct sigv4_key key = {.access_key_id = ELO_SPAN("AKID"), .secret = ELO_SPAN("secret")};
    assert_int_equal(sigv4_sign(&request, &key, "iotdata", "eu-west-1", (int64_t)time(NULL), &sig),
                     ELO_OK);
    snprintf(text, sizeof text,
             "GET /mqtt HTTP/1.1\r\nHost: a\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
             sig.date, sig.authorization);
    return text;
}

/* The same, and behind both the close frame. */
static void a_close_frame_waits_for_the_last_words(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    peer_say(&p, upgrade());
    assert_true(peer_wait(&p, 12));
    assert_true(peer_has(&p, "HTTP/1.1 101 "));
    say_and_commit(&p, "\x82\x95" NO_MASK CONNECT_STORED, 6 + sizeof CONNECT_STORED - 1);
    assert_true(peer_wait(&p, 6));
    assert_memory_equal(buf_span(&p.got).ptr + 4, "\x00\x00", 2);
    say_and_commit(&p, "\x82\x92" NO_MASK SUBSCRIBE_AND_ERR, 6 + sizeof SUBSCRIBE_AND_ERR - 1);
    assert_true(peer_wait_end(&p));
    elo_span got = buf_span(&p.got);
    assert_in_range(got.len, 17, 200);
    assert_memory_equal(got.ptr, "\x82\x06\x90\x04\x00\x01\x00\x00\x82", 9);
    assert_int_equal(got.ptr[10], 0xe0);
    assert_int_equal(got.ptr[12], 0x9b);
    assert_memory_equal(got.ptr + got.len - 4, "\x88\x02\x03\xf0", 4); /* 1008 */
    peer_close(&p);
}

static void large_messages_arrive_whole(void **state)
{
    struct rig *rig = *state;
    enum { PAYLOAD = 100000, MESSAGES = 30 };
    static uint8_t packet[PAYLOAD + 7];
    struct peer subscriber, publisher;
    size_t rest = PAYLOAD + 3;
    packet[0] = 0x30;
    packet[1] = (uint8_t)(rest % 128 + 128);
    packet[2] = (uint8_t)(rest / 128 % 128 + 128);
    packet[3] = (uint8_t)(rest / 16384);
    memcpy(packet + 4, "\x00\x01t", 3);
    for (size_t i = 0; i < PAYLOAD; i++) {
        packet[7 + i] = (uint8_t)(i * 7 + i / 251);
    }
    peer_device(rig, &subscriber, "subscriber");
    subscribe_to_t(&subscriber);
    peer_device(rig, &publisher, "publisher");
    for (int i = 0; i < MESSAGES; i++) { /* the subscriber's socket fills: records are retried */
        peer_send(&publisher, packet, sizeof packet);
    }
    assert_true(peer_wait(&subscriber, MESSAGES * sizeof packet));
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_memory_equal(buf_span(&subscriber.got).ptr + i * sizeof packet, packet,
                            sizeof packet);
    }
    peer_close(&publisher);
    peer_close(&subscriber);
}

/* It floods itself, then breaks a rule, and reads nothing: the end does not wait for it for ever.
 */
static void who_does_not_read_its_last_words_is_let_go(void **state)
{
    struct rig *rig = *state;
    static uint8_t packet[60000];
    struct peer p;
    int small = 4096;
    memcpy(packet, "\x30\xdc\xd4\x03\x00\x01t", 7);
    peer_device(rig, &p, "deaf");
    setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    subscribe_to_t(&p);
    for (int i = 0; i < 120; i++) {
        (void)peer_send_some(&p, packet, sizeof packet);
    }
    (void)peer_send_some(&p, "\xf0\x00", 2); /* no packet of MQTT 3.1.1 */
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->waiting[WAIT_LAST_WORDS].first == NULL; i++) {
        rig_turn(rig);
    }
    assert_int_equal(rig->net->conn_count, 1);
    assert_non_null(rig->net->waiting[WAIT_LAST_WORDS].first);
    rig_pass(rig, LIMIT_LAST_WORDS_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(what_came_before_a_reset_counts),
        WITH_RIG(what_comes_of_a_flush_is_stored_in_its_turn),
        WITH_RIG(last_words_may_wait_for_the_store),
        WITH_RIG(a_close_frame_waits_for_the_last_words),
        WITH_RIG(large_messages_arrive_whole),
        WITH_RIG(who_does_not_read_its_last_words_is_let_go),
    };
    const struct CMUnitTest shaken[] = {
        WITH_RIG(what_came_before_a_reset_counts),
        WITH_RIG(large_messages_arrive_whole),
    };
    return RUN_EACH_WAY(tests, shaken);
}
