// links: test_support server_broker
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Every conversation of tests/vectors/broker again and again, each time with another allocation
 * failing: nothing crashes or leaks (run it under ASan), and a client that had no part in it goes
 * on as if nothing had happened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "tests/support/broker_script.h"

/* A case with more allocations than this repeats itself: then the first and the last EDGE of them
 * are tried, and about as many as EDGE between. */
enum { ALL_TRIED = 64, EDGE = 16 };

static struct house house;
static long armed;
static size_t runs;

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

static void witness_comes(struct desk *d)
{
    struct peer *w = peer_open(d, "witness", CERTIFICATE_all, ELO_OK);
    peer_connect(w, "witness", true);
    peer_subscribe(w, "witness/+", 1);
    mem_fail_at(armed);
}

static void witness_lives(struct desk *d)
{
    mem_fail_at(0);
    struct peer *w = peer_find(d, "witness");
    if (w->closed_by_broker && w->reason == ELO_E_KEEP_ALIVE) {
        return; /* the case takes longer than that */
    }
    assert_false(w->closed_by_broker);
    peer_clear(w);
    struct peer *p = peer_open(d, "fresh", CERTIFICATE_all, ELO_OK);
    peer_connect(p, "fresh", true);
    peer_publish(p, "witness/1", "still here", 1, 1);
    const char *got = peer_take(w);
    assert_non_null(got);
    assert_string_equal(got, "PUBLISH witness/1 still here qos1");
    got = peer_take(p);
    assert_non_null(got);
    assert_string_equal(got, "PUBACK 1");
}

/* The registry's own failures are its own tests' business; a stop spares no witness. */
static bool is_about_the_broker(const struct script_case *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strncmp(c->lines[i], "certificate", 11) == 0 ||
            strncmp(c->lines[i], "policy", 6) == 0 || strncmp(c->lines[i], "shutdown", 8) == 0) {
            return false;
        }
    }
    return true;
}

static void fail_each(const struct script_case *c)
{
    const struct script_options options = {
        .lenient = true, .ready = witness_comes, .ending = witness_lives};
    armed = 0;
    long before = mem_count();
    (void)script_run(&house, c, &options);
    long made = mem_count() - before;
    long step = made > ALL_TRIED ? made / EDGE : 1;
    for (armed = 1; armed <= made; armed++) {
        if (armed > EDGE && armed <= made - EDGE && armed % step != 0) {
            continue;
        }
        free(script_run(&house, c, &options));
        runs++;
    }
}

static void survives(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/tests/vectors/broker/%s", ELO_SOURCE_DIR, (const char *)*state);
    struct script script;
    script_load(&script, path);
    runs = 0;
    for (size_t i = 0; i < script.count; i++) {
        if (is_about_the_broker(&script.cases[i])) {
            fail_each(&script.cases[i]);
        }
    }
    assert_true(runs > 100);
    script_free(&script);
}

#define FILE_TEST(file)                                                                            \
    {                                                                                              \
        file, survives, NULL, NULL, (void *)(uintptr_t)file                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST("connect.txt"),  FILE_TEST("publish.txt"),    FILE_TEST("subscribe.txt"),
        FILE_TEST("sessions.txt"), FILE_TEST("retained.txt"),   FILE_TEST("connect5.txt"),
        FILE_TEST("publish5.txt"), FILE_TEST("subscribe5.txt"), FILE_TEST("shared.txt"),
        FILE_TEST("paced.txt"),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
