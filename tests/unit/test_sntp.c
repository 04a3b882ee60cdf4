// links: elo_time
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* SNTP packets: the vectors of tests/vectors/sntp, each also cut short at every byte and changed at
 * every bit; what is said to a server. */
#include "elo/time/sntp.h"

#include "tests/support/vector_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs those above */
#include <cmocka.h>

static const struct elo_sntp_nonce nonce = {0x01234567, 0x89ABCDEF};

static int open_vectors(void **state)
{
    return vector_file_open(state, ELO_SOURCE_DIR "/tests/vectors/sntp/replies.txt", 256);
}

static uint32_t elapsed_of(const struct vector *v)
{
    const char *text = vector_get(v, "elapsed");
    return text ? (uint32_t)strtoul(text, NULL, 10) : 20;
}

static elo_err read_it(const struct vector *v, size_t len, struct elo_sntp_reply *out)
{
    return elo_sntp_read(guard_copy(&guard, v->bytes, len), &nonce, elapsed_of(v), out);
}

static void every_vector(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        struct elo_sntp_reply r;
        elo_err err = read_it(v, v->len, &r);
        char got[96];
        snprintf(got, sizeof got, "time=%u ms=%u round_trip=%u stratum=%u", (unsigned)r.unix_s,
                 (unsigned)r.ms, (unsigned)r.round_trip_ms, (unsigned)r.stratum);
        const char *want = vector_get(v, "is");
        const char *want_err = want ? "OK" : vector_get(v, "err");
        const char *want_kiss = vector_get(v, "kiss");
        if (strcmp(err_name(err), want_err) != 0 || (want && strcmp(got, want) != 0) ||
            strcmp(r.kiss, want_kiss ? want_kiss : "") != 0) {
            fail_msg("%s:%u [%s]: %s %s kiss=%s", v->file, v->line, v->name, err_name(err), got,
                     r.kiss);
        }
    }
    assert_true(vectors.count > 45);
}

static void cut_short_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < vectors.count; i++) {
        const struct vector *v = &vectors.items[i];
        for (size_t len = 0; len < v->len && len < ELO_SNTP_BYTES; len++) {
            struct elo_sntp_reply r;
            assert_int_equal(read_it(v, len, &r), ELO_E_MALFORMED);
        }
    }
}

/* Any one bit of the nonce, the mode or the version is a protection; no bit makes a broken time. */
static void each_bit_changed(void **state)
{
    (void)state;
    const struct vector *v = &vectors.items[0];
    for (size_t bit = 0; bit < v->len * 8; bit++) {
        struct elo_sntp_reply r;
        size_t at = bit / 8;
        v->bytes[at] ^= (uint8_t)(1u << bit % 8);
        elo_err err = read_it(v, v->len, &r);
        v->bytes[at] ^= (uint8_t)(1u << bit % 8);
        if ((at >= 24 && at < 32) || (at == 0 && bit < 3)) {
            assert_int_equal(err, ELO_E_TIME_NOT_OURS);
        }
        if (err == ELO_OK) {
            assert_true(r.ms < 1000 && r.round_trip_ms <= 20 && r.stratum >= 1 && r.stratum <= 15);
        }
    }
}

static void a_question_tells_nothing_but_its_nonce(void **state)
{
    (void)state;
    uint8_t *out = guard_room(&guard, ELO_SNTP_BYTES);
    elo_sntp_request(&nonce, out);
    assert_int_equal(out[0], 0x23);
    for (size_t i = 1; i < 40; i++) {
        assert_int_equal(out[i], 0);
    }
    assert_memory_equal(out + 40, "\x01\x23\x45\x67\x89\xAB\xCD\xEF", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector),
        cmocka_unit_test(cut_short_at_every_byte),
        cmocka_unit_test(each_bit_changed),
        cmocka_unit_test(a_question_tells_nothing_but_its_nonce),
    };
    return cmocka_run_group_tests(tests, open_vectors, vector_file_close);
}
