// links: elo_station PkgConfig::OPENSSL
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Trials on a board that has no clock of its own: the time comes from time servers, before the link
 * and its certificates; without it a trial ends, with the reason, and the board is as it was.
 */
#include "tests/support/provision_rig.h"
#include "tests/support/sntp_answer.h"

enum { SERVERS = 3, ANSWER_MS = 200 };
#define TRUE_TIME 1800000000u /* at the start of a test */

enum mood { HONEST, SILENT, NO_NAME, LOOKING /* for the name, without end */ };

static struct {
    enum mood mood;
    uint8_t question[ELO_SNTP_BYTES];
    bool open, asked;
    uint32_t asked_ms, began_ms;
    unsigned questions;
    struct elo_clock_config config;
} servers;

/* --- time servers --------------------------------------------------------------------------------
 */

static elo_err time_resolve(void *ctx, uint8_t server)
{
    (void)ctx;
    assert_true(b.joined && server < servers.config.servers);
    return servers.mood == NO_NAME ? ELO_E_DNS : servers.mood == LOOKING ? ELO_NEED_MORE : ELO_OK;
}

static elo_err time_send(void *ctx, elo_span datagram)
{
    (void)ctx;
    assert_true(b.joined);
    assert_int_equal(datagram.len, ELO_SNTP_BYTES);
    memcpy(servers.question, datagram.ptr, datagram.len);
    servers.open = servers.asked = true;
    servers.asked_ms = b.now;
    servers.questions++;
    return ELO_OK;
}

static uint32_t true_time(void)
{
    return TRUE_TIME + (b.now - servers.began_ms) / 1000u;
}

static elo_err time_recv(void *ctx, uint8_t *out, size_t cap, size_t *out_len)
{
    (void)ctx;
    assert_true(servers.open && cap >= ELO_SNTP_BYTES);
    if (servers.mood != HONEST || !servers.asked || b.now - servers.asked_ms < ANSWER_MS) {
        return ELO_NEED_MORE;
    }
    servers.asked = false;
    sntp_answer(servers.question, (int64_t)true_time() * 1000, out);
    *out_len = ELO_SNTP_BYTES;
    return ELO_OK;
}

static void time_close(void *ctx)
{
    (void)ctx;
    servers.open = servers.asked = false;
}

static int make_without_clock(void **state)
{
    memset(&servers, 0, sizeof servers);
    elo_clock_defaults(&servers.config);
    servers.config.servers = SERVERS;
    servers.config.build_floor = TRUE_TIME - 86400u;
    assert_int_equal(make(state), 0);
    servers.began_ms = b.now;
    b.clock = &servers.config;
    b.board.wall = NULL;
    b.board.time_resolve = time_resolve;
    b.board.time_send = time_send;
    b.board.time_recv = time_recv;
    b.board.time_close = time_close;
    boot(ELO_RESET_POWER);
    return 0;
}

/* --- trials --------------------------------------------------------------------------------------
 */

static bool at_stage(elo_setup_stage stage)
{
    return b.p.setup.state == ELO_SETUP_TESTING && b.p.setup.stage == stage;
}

/* Until the trial is over; how long it took. */
static uint32_t until_over(void)
{
    uint32_t since = b.now;
    while (b.p.setup.state == ELO_SETUP_TESTING) {
        assert_true(b.now - since < 120000);
        pass(10);
    }
    return b.now - since;
}

static void the_time_comes_before_the_link(void **state)
{
    (void)state;
    try_out(&pki.old, "old", BRINGS_SEC1);
    pass(ANSWER_MS);
    assert_true(at_stage(ELO_SETUP_STAGE_CLOCK));
    assert_int_equal(servers.questions, 1);
    assert_int_equal(b.phase, ELO_LINK_IDLE); /* no connection before there is a time */
    assert_int_equal(b.link->now_unix(b.link->ctx), 0);
    (void)until_over();
    assert_int_equal(b.p.setup.reason, ELO_OK);
    assert_in_range(b.link->now_unix(b.link->ctx), true_time() - 1, true_time() + 1);
    pass(3000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_SAVED);
    assert_false(servers.open);
    assert_int_equal(b.publishes, 0);
    boot(ELO_RESET_SOFTWARE);
    pass(3000);
    assert_true(elo_station_is_online(&b.station));
    assert_string_equal(b.p.stored.thing, "old");
    assert_true(b.publishes > 0);
}

/* The second server knows it; the trial has patience. */
static void a_server_that_answers_late_is_soon_enough(void **state)
{
    (void)state;
    servers.mood = SILENT;
    try_out(&pki.old, "old", BRINGS_SEC1);
    pass(4000);
    assert_true(at_stage(ELO_SETUP_STAGE_CLOCK));
    assert_int_equal(servers.questions, 2);
    servers.mood = HONEST;
    pass(5000);
    assert_int_equal(b.p.setup.state, ELO_SETUP_SAVED);
}

static const struct {
    enum mood mood;
    uint8_t servers;
    uint32_t least_ms, most_ms;
} dark[] = {
    {NO_NAME, SERVERS, 0, 100},
    {SILENT, SERVERS, 9000, 9200},                  /* 3 s each, once around */
    {LOOKING, SERVERS, 30000, 30200},               /* 10 s each */
    {LOOKING, ELO_CLOCK_MAX_SERVERS, 60000, 60100}, /* the trial's own limit */
    {SILENT, 0, 60000, 60100},                      /* and nobody to ask at all */
};

static void fail_in_the_dark(size_t i)
{
    servers.mood = dark[i].mood;
    servers.config.servers = dark[i].servers;
    try_out(&pki.next, "next", BRINGS_SEC1);
    assert_in_range(until_over(), dark[i].least_ms, dark[i].most_ms);
    assert_int_equal(b.p.setup.state, ELO_SETUP_FAILED);
    assert_int_equal(b.p.setup.reason, ELO_E_CLOCK);
    assert_int_equal(b.phase, ELO_LINK_IDLE);
}

static void without_the_time_a_blank_board_stays_blank(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dark / sizeof dark[0]; i++) {
        fail_in_the_dark(i);
        assert_false(servers.open);
        assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_SETUP);
        assert_true(b.portal);
        assert_false(b.joined);
        assert_string_equal(b.ssid, "");
        assert_false(elo_provision_is_set_up(&b.p));
    }
    boot(ELO_RESET_POWER);
    assert_false(elo_provision_is_set_up(&b.p));
    servers.mood = HONEST;
    servers.config.servers = SERVERS;
    set_up(&pki.old, "old", BRINGS_SEC1);
}

static void without_the_time_a_board_goes_back_to_what_it_had(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    for (size_t i = 0; i < sizeof dark / sizeof dark[0]; i++) {
        servers.mood = HONEST;
        servers.config.servers = SERVERS;
        boot(ELO_RESET_SOFTWARE);
        pass(3000);
        assert_true(elo_station_is_online(&b.station));
        fail_in_the_dark(i);
        assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_RUN);
        assert_string_equal(b.ssid, "old");
        assert_string_equal(b.p.stored.thing, "old");
    }
    /* It has the old time servers again, and asks until they answer. */
    servers.mood = SILENT;
    servers.config.servers = SERVERS;
    boot(ELO_RESET_SOFTWARE);
    pass(3000);
    try_out(&pki.next, "next", BRINGS_SEC1);
    (void)until_over();
    assert_int_equal(b.p.setup.reason, ELO_E_CLOCK);
    servers.mood = HONEST;
    pass(60000);
    assert_true(elo_station_is_online(&b.station));
    assert_string_equal(b.ssid, "old");
    assert_false(servers.open);
}

/* Nobody listens for an answer any more when the portal opens, or for another network's trial. */
static void a_question_ends_with_the_station_that_asked(void **state)
{
    (void)state;
    set_up(&pki.old, "old", BRINGS_SEC1);
    servers.mood = SILENT;
    boot(ELO_RESET_SOFTWARE);
    pass(1000);
    assert_true(servers.open);
    elo_station_set_up(&b.station, b.now);
    assert_false(servers.open);
    boot(ELO_RESET_SOFTWARE);
    pass(1000);
    assert_true(servers.open);
    elo_station_stop(&b.station, b.now);
    pass(5000);
    assert_int_equal(elo_station_get_mode(&b.station), ELO_STATION_STOPPED);
    assert_false(servers.open);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_without_clock, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_time_comes_before_the_link),
        TEST(a_server_that_answers_late_is_soon_enough),
        TEST(without_the_time_a_blank_board_stays_blank),
        TEST(without_the_time_a_board_goes_back_to_what_it_had),
        TEST(a_question_ends_with_the_station_that_asked),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
