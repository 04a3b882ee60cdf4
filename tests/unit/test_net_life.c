// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * When connections end: at the deadline of who drips, does not read, begins no handshake or does
 * not end; and with the server, which waits for replies when it is stopped, and for nothing when it
 * is taken down.
 */
#include "tests/support/net_tests.h"

/* --- time ---------------------------------------------------------------------------------------
 */

static void a_request_that_drips_is_cut_off(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    rig_rest(rig);
    int64_t due = rig->net->waiting[WAIT_HTTP].first->deadline;
    for (const char *c = "GET / HTTP/1.1\r\nX: "; *c != '\0'; c++) {
        peer_send(&p, c, 1);
        assert_int_equal(rig->net->waiting[WAIT_HTTP].first->deadline, due);
    }
    rig_pass(rig, LIMIT_HTTP_IDLE_MS);
    assert_true(peer_wait_end(&p));
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

static void a_reply_that_is_not_read_is_given_up(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    int small = 4096;
    peer_connect(rig, &p, LISTEN_HTTP);
    setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    while (peer_send_some(&p, GET, strlen(GET)) == strlen(GET)) {
    }
    assert_non_null(rig->net->waiting[WAIT_HTTP].first);
    rig_pass(rig, LIMIT_HTTP_IDLE_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

static void a_handshake_that_does_not_come_is_told(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    rig_rest(rig);
    peer_send(&p, "\x16", 1);
    rig_pass(rig, LIMIT_HANDSHAKE_WAIT_MS - 1000);
    assert_int_equal(rig->net->conn_count, 1);
    rig_pass(rig, LIMIT_HANDSHAKE_WAIT_MS);
    assert_int_equal(rig->net->conn_count, 0);
    rig_expect_told(rig, "the TLS handshake was not done in 10 seconds");
    rig_expect_told(rig, "\"code\":\"E-TLS\"");
    peer_close(&p);
}

static void a_socket_does_not_linger_for_ever(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_HTTP);
    peer_say(&p, "garbage\r\n\r\n");
    assert_true(peer_wait_end(&p));
    assert_int_equal(rig->net->conn_count, 1); /* the peer has not ended */
    peer_say(&p, "more");
    assert_int_equal(rig->net->conn_count, 1);
    rig_pass(rig, LIMIT_LINGER_MS);
    assert_int_equal(rig->net->conn_count, 0);
    peer_close(&p);
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void a_stop_ends_what_is_idle_and_waits_for_replies(void **state)
{
    (void)state;
    struct rig rig;
    struct peer idle, shaking, asking, device;
    rig_open(&rig, normal);
    peer_connect(&rig, &idle, LISTEN_HTTP);
    peer_connect(&rig, &shaking, LISTEN_MQTTS);
    peer_connect(&rig, &asking, LISTEN_HTTP);
    peer_device(&rig, &device, "device");
    peer_say(&asking, make_thing("last"));
    rig_rest(&rig);
    net_stop(rig.net);
    rig_rest(&rig);
    assert_true(peer_wait_end(&idle) && peer_wait_end(&shaking) && peer_wait_end(&device));
    assert_true(peer_wait_end(&asking));
    assert_true(peer_has(&asking, "HTTP/1.1 200"));
    assert_true(peer_has(&asking, "connection: close"));
    assert_int_equal(rig.net->conn_count, 0);
    peer_close(&idle);
    peer_close(&shaking);
    peer_close(&asking);
    peer_close(&device);
    rig_close(&rig);
}

static void a_server_can_be_taken_down_in_the_middle_of_everything(void **state)
{
    (void)state;
    struct rig rig;
    struct peer idle, shaking, asking, device, refused;
    static char flood[300000];
    rig_open(&rig, normal);
    peer_connect(&rig, &idle, LISTEN_HTTPS);
    peer_connect(&rig, &shaking, LISTEN_MQTTS);
    peer_secure(&shaking, TLS1_2_VERSION, NULL, NULL);
    (void)SSL_do_handshake(shaking.ssl);
    peer_connect(&rig, &asking, LISTEN_HTTP);
    peer_device(&rig, &device, "device");
    peer_connect(&rig, &refused, LISTEN_HTTP);
    peer_say(&refused, "garbage\r\n\r\n"); /* it lingers */
    peer_say(&asking, make_thing("lost"));
    memset(flood, 0xc0, sizeof flood);
    for (size_t i = 1; i < sizeof flood; i += 2) {
        flood[i] = 0; /* PINGREQ after PINGREQ: more than one read takes */
    }
    (void)SSL_write(device.ssl, flood, sizeof flood);
    rig_turn(&rig);
    net_stop(rig.net);
    net_stop(rig.net); /* told twice: at once */
    rig_close(&rig);
    assert_false(peer_read(&asking)); /* and never will */
    assert_int_equal(buf_span(&asking.got).len, 0);
    struct peer *all[] = {&idle, &shaking, &asking, &device, &refused};
    for (size_t i = 0; i < 5; i++) {
        SSL_free(all[i]->ssl);
        close(all[i]->fd);
        buf_free(&all[i]->got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_request_that_drips_is_cut_off),
        WITH_RIG(a_reply_that_is_not_read_is_given_up),
        WITH_RIG(a_handshake_that_does_not_come_is_told),
        WITH_RIG(a_socket_does_not_linger_for_ever),
        cmocka_unit_test(a_stop_ends_what_is_idle_and_waits_for_replies),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_everything),
    };
    const struct CMUnitTest shaken[] = {
        cmocka_unit_test(a_stop_ends_what_is_idle_and_waits_for_replies),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_everything),
    };
    return RUN_EACH_WAY(tests, shaken);
}
