// links: server_net
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Many handshakes at a time, on the loop and with workers: they end in any order and each way they
 * can, of one client id one connection stays, a worker does not wait for ever, and the server may
 * be taken down in the middle of them.
 */
#include "tests/support/net_tests.h"

/* Its deadline is past when the worker takes it. */
static void a_worker_gives_up_a_handshake_that_does_not_come(void **state)
{
    struct rig *rig = *state;
    struct peer p;
    peer_connect(rig, &p, LISTEN_MQTTS);
    uv_check_stop(&rig->net->check); /* or it is handed over in the turn of its accept() */
    for (int i = 0; i < RIG_TURNS_MAX && rig->net->to_shake == NULL; i++) {
        rig_turn(rig);
    }
    assert_non_null(rig->net->to_shake);
    rig->net->to_shake->deadline = 0;
    net_start(rig->net);
    rig_expect_told(rig, "the TLS handshake was not done in 10 seconds");
    rig_expect_told(rig, "\"code\":\"E-TLS\"");
    assert_true(peer_wait_end(&p));
    peer_close(&p);
    rig_expect_left(rig, 0);
}

/* The same dice in each run. */
static unsigned roll(unsigned *dice, unsigned sides)
{
    *dice = *dice * 1664525u + 1013904223u;
    return (*dice >> 8) % sides;
}

enum fate { GOOD, NAKED, NONSENSE, RESET, FATES };

static void reset_peer(struct peer *p)
{
    struct linger at_once = {1, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer_close(p);
}

/* A step of one of many. true: it has come to its end, and what is not GOOD is closed. */
static bool suffer(struct peer *p, enum fate fate, unsigned *dice)
{
    if (fate == RESET && roll(dice, 3) == 0) {
        reset_peer(p);
        return true;
    }
    if (fate == NONSENSE && roll(dice, 3) == 0) {
        (void)send(p->fd, "\x17\x03\x03\x00\x03no!", 8, MSG_NOSIGNAL);
        peer_close(p);
        return true;
    }
    int rc = peer_shake_step(p);
    if (rc == -1) {
        return false;
    }
    if (fate == GOOD) {
        assert_int_equal(rc, 1);
    } else {
        peer_close(p);
    }
    return true;
}

static void begin_crowd(struct rig *rig, struct peer *p, const enum fate *fates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool shows = fates[i] != NAKED;
        peer_connect(rig, &p[i], LISTEN_MQTTS);
        peer_secure(&p[i], i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION,
                    shows ? &rig->device_cert : NULL, shows ? &rig->device_key : NULL);
    }
}

static void handshakes_end_in_any_order(void **state)
{
    struct rig *rig = *state;
    enum { PEERS = 16, STEPS = 100000 };
    static struct peer p[PEERS];
    enum fate fates[PEERS];
    bool over[PEERS] = {false};
    size_t left = PEERS, good = 0;
    unsigned dice = 7;
    char id[16];
    for (size_t i = 0; i < PEERS; i++) {
        fates[i] = i < FATES ? (enum fate)i : (enum fate)roll(&dice, FATES);
        good += fates[i] == GOOD;
    }
    begin_crowd(rig, p, fates, PEERS);
    for (int step = 0; step < STEPS && left > 0; step++) {
        size_t i = roll(&dice, PEERS);
        if (!over[i]) {
            over[i] = suffer(&p[i], fates[i], &dice);
            left -= over[i];
            rig_turn(rig);
            rig_await(rig, -1);
        }
    }
    assert_int_equal(left, 0);
    for (size_t i = 0; i < PEERS; i++) {
        snprintf(id, sizeof id, "any-%zu", i);
        if (fates[i] == GOOD) { /* with TLS 1.3 a worker may still have it */
            peer_say_connect(&p[i], id);
            assert_true(peer_wait(&p[i], 4));
            assert_memory_equal(buf_span(&p[i].got).ptr, "\x20\x02\x00\x00", 4);
        }
    }
    rig_expect_left(rig, good);
    for (size_t i = 0; i < PEERS; i++) {
        if (fates[i] == GOOD) {
            peer_close(&p[i]);
        }
    }
    rig_expect_left(rig, 0);
}

/* Both have sent their CONNECT before the server has looked; one of them stays, and is served. */
static void of_one_client_id_one_stays(void **state)
{
    struct rig *rig = *state;
    static const enum fate fates[] = {GOOD, GOOD};
    struct peer p[2];
    bool done[2] = {false, false};
    unsigned dice = 3;
    begin_crowd(rig, p, fates, 2);
    for (int step = 0; step < RIG_TURNS_MAX && !(done[0] && done[1]); step++) {
        size_t i = roll(&dice, 2);
        if (!done[i] && peer_shake_step(&p[i]) == 1) {
            done[i] = true;
            peer_say_connect(&p[i], "twin");
        }
        rig_turn(rig);
        rig_await(rig, -1);
    }
    bool open[2] = {true, true};
    for (int step = 0; step < RIG_TURNS_MAX && open[0] && open[1]; step++) {
        open[0] = peer_read(&p[0]);
        open[1] = peer_read(&p[1]);
        rig_turn(rig);
        rig_await(rig, -1);
    }
    assert_int_equal(open[0] + open[1], 1);
    struct peer *stays = &p[open[1]];
    assert_true(peer_wait(stays, 4));
    peer_send(stays, "\xc0\x00", 2);
    assert_true(peer_wait(stays, 6));
    assert_memory_equal(buf_span(&stays->got).ptr, "\x20\x02\x00\x00\xd0\x00", 6);
    rig_expect_told(rig, "DUPLICATE_CLIENT_ID");
    peer_close(&p[0]);
    peer_close(&p[1]);
    rig_expect_left(rig, 0);
}

static void a_server_can_be_taken_down_in_the_middle_of_handshakes(void **state)
{
    enum { PEERS = 6, CUTS = 5 };
    static const enum fate fates[PEERS] = {GOOD, GOOD, NAKED, NAKED, GOOD, GOOD};
    (void)state;
    for (int cut = 0; cut < CUTS; cut++) {
        struct rig rig;
        struct peer p[PEERS];
        rig_open(&rig, normal);
        begin_crowd(&rig, p, fates, PEERS);
        for (int step = 0; step < cut; step++) {
            for (size_t i = 0; i < PEERS; i++) {
                (void)peer_shake_step(&p[i]);
                rig_turn(&rig);
                rig_await(&rig, -1);
            }
        }
        if (cut % 2) {
            net_stop(rig.net);
            rig_expect_left(&rig, 0);
        }
        rig_close(&rig);
        for (size_t i = 0; i < PEERS; i++) {
            SSL_free(p[i].ssl);
            close(p[i].fd);
            buf_free(&p[i].got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(handshakes_end_in_any_order),
        WITH_RIG(of_one_client_id_one_stays),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_handshakes),
    };
    const struct CMUnitTest shaken[] = {
        WITH_RIG(a_worker_gives_up_a_handshake_that_does_not_come),
        WITH_RIG(handshakes_end_in_any_order),
        WITH_RIG(of_one_client_id_one_stays),
        cmocka_unit_test(a_server_can_be_taken_down_in_the_middle_of_handshakes),
    };
    return RUN_EACH_WAY(tests, shaken);
}
