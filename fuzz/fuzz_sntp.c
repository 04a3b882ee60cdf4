// links: elo_time
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Answers of any kind for the reader of SNTP packets and, as a run of steps, for the clock: time
 * passes, questions go out or fail, datagrams come in that mostly carry the right nonce, the owner
 * sets the clock. Whatever happens, the clock is never before the build time, its deadlines are
 * near, and a round of failures ends.
 *
 * A step is a byte for what to do, two for how long before it, and for a datagram its 48 bytes.
 */
#include "elo/base/bytes.h"
#include "elo/time/clock.h"

#include <stdlib.h>

#define BUILT 1790000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t left;
};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static const uint8_t *take(struct input *in, size_t len)
{
    const uint8_t *from = in->at;
    if (in->left < len) {
        return NULL;
    }
    in->at += len;
    in->left -= len;
    return from;
}

static uint32_t same_random(void *ctx)
{
    uint32_t *state = ctx;
    return *state = *state * 1664525u + 1013904223u;
}

/* A copy of its own size, so that the sanitizer sees the first byte read past it. */
static void read_alone(const uint8_t *data, size_t size)
{
    struct elo_sntp_nonce nonce = {0, 0};
    struct elo_sntp_reply r;
    uint8_t *copy = malloc(size != 0 ? size : 1);
    require(copy != NULL);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    if (size >= ELO_SNTP_BYTES) {
        nonce.high = elo_rd32be(copy + 24);
        nonce.low = elo_rd32be(copy + 28);
    }
    elo_err err = elo_sntp_read(elo_span_of(copy, size), &nonce, 777, &r);
    require((err == ELO_E_MALFORMED) == (size < ELO_SNTP_BYTES));
    require(strlen(r.kiss) == (err == ELO_E_TIME_KISS ? 4 : 0));
    require(r.ms < 1000 && r.round_trip_ms <= 777 && r.stratum < 16);
    require(err != ELO_OK || r.stratum > 0);
    free(copy);
}

static void datagram(struct elo_clock *c, struct input *in, uint8_t *nonce, bool ours, uint32_t now)
{
    const uint8_t *from = take(in, ELO_SNTP_BYTES);
    uint8_t bytes[ELO_SNTP_BYTES];
    uint8_t server;
    if (!from) {
        return;
    }
    memcpy(bytes, from, sizeof bytes);
    if (ours) {
        memcpy(bytes + 24, nonce, 8);
    }
    bool awaited = elo_clock_wants(c, &server) == ELO_CLOCK_WANTS_ANSWER;
    elo_err err = elo_clock_answer(c, elo_span_of(bytes, sizeof bytes), now);
    require(err == ELO_OK || err == ELO_E_TIME_NOT_OURS);
    require(awaited || err != ELO_OK);
}

static void step(struct elo_clock *c, struct input *in, uint8_t what, uint8_t *nonce, uint32_t now)
{
    uint8_t server;
    uint8_t question[ELO_SNTP_BYTES];
    elo_clock_wish wish = elo_clock_wants(c, &server);
    elo_err err = ELO_OK;
    switch (what % 8) {
    case 0:
    case 1:
        if (wish == ELO_CLOCK_WANTS_QUESTION) {
            require(server < 3);
            elo_clock_question(c, question, now);
            memcpy(nonce, question + 40, 8);
        }
        break;
    case 2:
    case 3:
        datagram(c, in, nonce, (what & 8) == 0, now);
        break;
    case 4:
        elo_clock_failed(c, ELO_E_DNS, now);
        break;
    case 5:
        elo_clock_retry_now(c, now);
        break;
    case 6:
        err = (what & 8) != 0 ? elo_clock_set(c, now * 977u, 5, now)
                              : elo_clock_force(c, BUILT + now, 999, now);
        break;
    default:
        (what & 8) != 0 ? elo_clock_stop(c, now) : elo_clock_start(c, now);
        break;
    }
    require(err == ELO_OK || err == ELO_E_TIME_IMPLAUSIBLE);
}

static void check(struct elo_clock *c, uint32_t now)
{
    struct elo_clock_event event;
    uint32_t unix_s = 0;
    uint16_t ms = 0;
    bool known = elo_clock_now(c, now, &unix_s, &ms);
    require(!known || (unix_s >= BUILT && ms < 1000));
    require(known == (elo_clock_get_state(c, now) >= ELO_CLOCK_SYNCED));
    require(elo_clock_floor(c, now) >= BUILT);
    require(elo_clock_next_deadline(c) - now <= 1u << 30);
    for (unsigned n = 0; elo_clock_next_event(c, &event); n++) {
        require(n < 4);
        require(event.type != ELO_CLOCK_SAVE || event.u.save.floor >= BUILT);
    }
}

static void run(struct elo_clock *c, struct input *in, uint32_t now)
{
    uint8_t nonce[8] = {0};
    const uint8_t *head;
    /* the end of 32-bit seconds is where a test would go wrong, not the clock */
    uint32_t left = (UINT32_MAX - BUILT) / 4;
    while ((head = take(in, 3)) != NULL) {
        uint32_t passes = (uint32_t)elo_rd16be(head + 1) << (head[0] >> 4);
        uint32_t unix_s;
        if (elo_clock_now(c, now, &unix_s, NULL) && unix_s > UINT32_MAX - left) {
            return;
        }
        now += passes & INT32_MAX;
        elo_clock_tick(c, now);
        step(c, in, head[0], nonce, now);
        elo_clock_tick(c, now);
        check(c, now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_alone(data, size);
    struct input in = {data, size};
    const uint8_t *head = take(&in, 4);
    if (!head) {
        return 0;
    }
    struct elo_clock c;
    struct elo_clock_config config;
    uint32_t random = 1;
    uint32_t now = elo_rd32be(head);
    elo_clock_defaults(&config);
    config.servers = 3;
    config.build_floor = BUILT;
    config.random = same_random;
    config.random_ctx = &random;
    require(elo_clock_init(&c, &config, now) == ELO_OK);
    elo_clock_start(&c, now);
    run(&c, &in, now);
    return 0;
}
