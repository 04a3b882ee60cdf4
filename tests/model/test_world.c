// links: test_support server_broker elo_client
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Thousands of small worlds (tests/support/world.h): devices and server core in one process, under
 * a virtual clock, over a network that fails in every way its seed can think of.
 *
 *      test_world                 as many seeds as this build is given time for
 *      test_world SEED            one seed, with everything that happens in it
 *      SEED=n test_world          the same
 *      SEEDS=n FIRST=m test_world n seeds from m on
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/world.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 1500u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS 1500u
#endif
#endif
#ifndef SEEDS
#define SEEDS 10000u
#endif
#define FAILURES_TOLD 10u
#define CACHE_BYTES   16384u

static struct world_house house;
static struct world world;
static struct world_tally sum;

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void every_world_keeps_the_promises(void **state)
{
    uint64_t first = number("FIRST", 1);
    uint64_t count = number("SEEDS", SEEDS);
    unsigned failures = 0;
    (void)state;
    for (uint64_t seed = first; seed < first + count && failures < FAILURES_TOLD; seed++) {
        if (!world_run(&world, &house, seed, WORLD_SILENT)) {
            print_error("%s\n", world.failure);
            failures++;
        }
        world_tally_add(&sum, &world.tally);
    }
    assert_int_equal(failures, 0);
}

/* A world without some kind of trouble would prove nothing about it. */
static void every_kind_of_trouble_was_there(void **state)
{
    (void)state;
    if (sum.links == 0) {
        skip();
    }
#define TOLD(name) print_message("%14llu " #name "\n", (unsigned long long)sum.name);
    WORLD_TALLY_LIST(TOLD)
#define THERE(name)                                                                                \
    if (sum.name == 0) {                                                                           \
        fail_msg("no " #name " in all these worlds");                                              \
    }
    WORLD_TALLY_LIST(THERE)
}

/* Else a failure could not be looked at again. */
static void a_seed_is_the_same_world_each_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        (void)world_run(&world, &house, seed, WORLD_DIGEST);
        uint64_t digest = world.digest;
        (void)world_run(&world, &house, seed, WORLD_DIGEST);
        assert_true(digest != 0);
        assert_int_equal(world.digest, digest);
    }
}

/* What is allocated between two worlds. 0 where a sanitizer keeps the memory, and finds leaks. */
static size_t memory_in_use(void)
{
    return mallinfo2().uordblks;
}

static void run_seeds(uint64_t first, uint64_t last)
{
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)world_run(&world, &house, seed, WORLD_SILENT);
    }
}

/* Caches may fill; after the same worlds once more everything is as it was. */
static void a_world_leaves_no_memory_behind(void **state)
{
    (void)state;
    run_seeds(1, 100);
    size_t before = memory_in_use();
    run_seeds(1, 100);
    assert_in_range(memory_in_use(), 0, before + CACHE_BYTES);
}

static int one_seed(uint64_t seed)
{
    bool good = world_run(&world, &house, seed, WORLD_TRACE);
    print_message("%s\n", good ? "all promises were kept" : world.failure);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_world_keeps_the_promises),
        cmocka_unit_test(every_kind_of_trouble_was_there),
        cmocka_unit_test(a_seed_is_the_same_world_each_time),
        cmocka_unit_test(a_world_leaves_no_memory_behind),
    };
    const char *folder = getenv("TMPDIR");
    const char *seed = argc > 1 ? argv[1] : getenv("SEED");
    world_house_open(&house, folder != NULL ? folder : "/tmp");
    int result = seed != NULL ? one_seed(strtoull(seed, NULL, 10))
                              : cmocka_run_group_tests(tests, NULL, NULL);
    world_house_close(&house);
    return result;
}
