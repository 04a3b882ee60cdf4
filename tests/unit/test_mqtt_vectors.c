// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Every vector of tests/vectors/mqtt, of 3.1.1 and of 5: flush against a page that may not be
 * touched, at every prefix, at every split of a stream, with every bit flipped, and encoded again
 * into every size of buffer.
 */
#include "tests/support/guard.h"
#include "tests/support/mqtt_again.h"
#include "tests/support/mqtt_text.h"
#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs those above */
#include <cmocka.h>

#define ROOM 80000u
/* A long vector is long for the sake of one run; its ends are where things happen. */
#define END_BYTES 96u

static uint8_t level;
static struct vectors all;
static struct guard guard;
static struct guard second_guard;

#define CHECK(v, cond)                                                                             \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fail_msg("%s:%u [%s]: %s", (v)->file, (v)->line, (v)->name, #cond);                    \
        }                                                                                          \
    } while (0)

#define FOR_EACH(v) for (const struct vector *v = all.items; v < all.items + all.count; v++)

static void load(uint8_t version, const char *const *files, size_t count)
{
    level = version;
    memset(&all, 0, sizeof all);
    for (size_t i = 0; i < count; i++) {
        vectors_add(&all, files[i]);
    }
    guard_open(&guard, ROOM);
    guard_open(&second_guard, ROOM);
}

static int load_3_1_1(void **state)
{
    static const char *const files[] = {
        ELO_SOURCE_DIR "/tests/vectors/mqtt/frame.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/connect.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/acks.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/publish.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/subscribe.txt",
    };
    (void)state;
    load(ELO_MQTT_3_1_1, files, sizeof files / sizeof *files);
    return 0;
}

static int load_5(void **state)
{
    static const char *const files[] = {
        ELO_SOURCE_DIR "/tests/vectors/mqtt/v5_connect.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/v5_acks.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/v5_publish.txt",
        ELO_SOURCE_DIR "/tests/vectors/mqtt/v5_subscribe.txt",
    };
    (void)state;
    load(ELO_MQTT_5, files, sizeof files / sizeof *files);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    guard_close(&guard);
    guard_close(&second_guard);
    vectors_free(&all);
    return 0;
}

static bool accepted(const struct vector *v)
{
    return vector_get(v, "is") != NULL;
}

/* Is position `i` of `len` worth a try, in a vector too long to try them all? */
static bool near_an_end(size_t i, size_t len)
{
    return i < END_BYTES || i + END_BYTES > len;
}

static void test_every_vector_is_accepted_or_refused(void **state)
{
    (void)state;
    assert_true(all.count >= (level == ELO_MQTT_5 ? 100 : 200));
    FOR_EACH(v)
    {
        CHECK(v, (vector_get(v, "is") != NULL) != (vector_get(v, "err") != NULL));
    }
}

static void check_text(const struct vector *v, const struct elo_mqtt_packet *packet)
{
    char *text = mqtt_text(level, packet);
    if (strcmp(text, vector_get(v, "is")) != 0) {
        fail_msg("%s:%u [%s]:\n  want %s\n  have %s", v->file, v->line, v->name,
                 vector_get(v, "is"), text);
    }
    free(text);
}

static void test_decodes_as_the_vector_says(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        struct elo_mqtt_packet packet;
        elo_err err = elo_mqtt_decode_as(level, guard_copy(&guard, v->bytes, v->len), &packet);
        const char *want = accepted(v) ? "OK" : vector_get(v, "err");
        if (strcmp(mqtt_err_text(err), want) != 0) {
            fail_msg("%s:%u [%s]: want %s, have %s", v->file, v->line, v->name, want,
                     mqtt_err_text(err));
        }
        if (err == ELO_OK) {
            check_text(v, &packet);
        }
    }
}

static void test_a_refused_packet_leaves_no_trace(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        struct elo_mqtt_packet packet;
        struct elo_mqtt_packet before;
        memset(&packet, 0x5A, sizeof packet);
        memset(&before, 0x5A, sizeof before);
        elo_err err = elo_mqtt_decode_as(level, guard_copy(&guard, v->bytes, v->len), &packet);
        bool answerable = err == ELO_E_TOPIC && level == ELO_MQTT_5 && v->bytes[0] >> 4 == 3;
        if (err != ELO_OK && err != ELO_E_UNSUPPORTED && !answerable) {
            CHECK(v, memcmp(&packet, &before, sizeof packet) == 0);
        }
    }
}

static void test_an_unsupported_connect_tells_its_level(void **state)
{
    (void)state;
    unsigned seen = 0;
    FOR_EACH(v)
    {
        struct elo_mqtt_packet packet;
        if (elo_mqtt_decode_as(level, vector_bytes(v), &packet) != ELO_E_UNSUPPORTED) {
            continue;
        }
        seen++;
        CHECK(v, vector_get(v, "level") != NULL);
        CHECK(v, packet.type == ELO_MQTT_CONNECT);
        CHECK(v, packet.u.connect.level == strtoul(vector_get(v, "level"), NULL, 10));
        CHECK(v, packet.u.connect.client_id.len == 0 && !packet.u.connect.has_will);
    }
    assert_true(seen > (level == ELO_MQTT_5 ? 1 : 5));
}

static void test_frame_measures_the_packet(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        struct elo_mqtt_frame frame;
        if (!accepted(v)) {
            continue;
        }
        CHECK(v, elo_mqtt_frame_as(level, vector_bytes(v), (uint32_t)v->len, &frame) == ELO_OK);
        CHECK(v, frame.total == v->len);
        CHECK(v, frame.type == (elo_mqtt_type)(v->bytes[0] >> 4));
        CHECK(v, frame.flags == (v->bytes[0] & 0x0F));
        memset(&frame, 0, sizeof frame);
        CHECK(v, elo_mqtt_frame_as(level, vector_bytes(v), (uint32_t)v->len - 1, &frame) ==
                     ELO_E_TOO_LARGE);
        CHECK(v, frame.total == v->len);
    }
}

static void test_every_prefix_needs_more(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        for (size_t len = 0; len < v->len; len++) {
            if (!near_an_end(len, v->len)) {
                continue;
            }
            struct elo_mqtt_packet packet;
            struct elo_mqtt_frame frame;
            elo_span in = guard_copy(&guard, v->bytes, len);
            elo_err framed = elo_mqtt_frame_as(level, in, UINT32_MAX, &frame);
            elo_err decoded = elo_mqtt_decode_as(level, in, &packet);
            bool header_there = framed == ELO_OK && frame.header_len <= len;
            CHECK(v, framed == ELO_OK ? header_there : framed != ELO_E_TOO_LARGE);
            if (accepted(v)) {
                CHECK(v, decoded == ELO_NEED_MORE);
                CHECK(v, framed == ELO_NEED_MORE || header_there);
            }
        }
    }
}

/* What a receiver does: take every whole packet off `in`, as text; the number of bytes taken. */
static size_t receive(const struct vector *v, elo_span in, char **texts, size_t *count)
{
    elo_span rest = in;
    struct elo_mqtt_frame frame;
    while (elo_mqtt_frame_as(level, rest, UINT32_MAX, &frame) == ELO_OK &&
           frame.total <= rest.len) {
        struct elo_mqtt_packet packet;
        CHECK(v, elo_mqtt_decode_as(level, elo_span_first(rest, frame.total), &packet) == ELO_OK);
        CHECK(v, *count < 2);
        texts[(*count)++] = mqtt_text(level, &packet);
        rest = elo_span_from(rest, frame.total);
    }
    return in.len - rest.len;
}

static void check_split(const struct vector *a, const struct vector *b, elo_span stream, size_t at)
{
    char *texts[2] = {NULL, NULL};
    size_t count = 0;
    size_t taken = receive(a, guard_copy(&guard, stream.ptr, at), texts, &count);
    elo_span rest = elo_span_from(stream, taken);
    taken += receive(b, guard_copy(&guard, rest.ptr, rest.len), texts, &count);
    CHECK(a, taken == stream.len && count == 2);
    CHECK(a, strcmp(texts[0], vector_get(a, "is")) == 0);
    CHECK(b, strcmp(texts[1], vector_get(b, "is")) == 0);
    free(texts[0]);
    free(texts[1]);
}

static void test_every_split_of_two_packets(void **state)
{
    (void)state;
    const struct vector *a = NULL;
    FOR_EACH(b)
    {
        if (!accepted(b) || b->len > 1000) {
            continue;
        }
        if (a) {
            uint8_t stream[2048];
            memcpy(stream, a->bytes, a->len);
            memcpy(stream + a->len, b->bytes, b->len);
            for (size_t at = 0; at <= a->len + b->len; at++) {
                check_split(a, b, elo_span_of(stream, a->len + b->len), at);
            }
        }
        a = b;
    }
}

/* How long the fixed header is in its shortest form; `remaining` is what it says. */
static size_t shortest_header(size_t remaining)
{
    size_t len = 2;
    while (remaining >>= 7) {
        len++;
    }
    return len;
}

/*
 * Encoded again, a packet is the bytes it was. The one exception is accounted for: a remaining
 * length in more bytes than it needs, behind which all else is the same.
 */
static bool same_bytes_again(elo_span in, const struct elo_mqtt_packet *packet)
{
    struct elo_mqtt_frame frame;
    if (elo_mqtt_frame_as(level, in, UINT32_MAX, &frame) != ELO_OK) {
        return false;
    }
    size_t body = in.len - frame.header_len;
    size_t header = shortest_header(body);
    size_t len = 0;
    uint8_t *out = guard_room(&second_guard, header + body);
    if (mqtt_again(level, packet, out, header + body, &len) != ELO_OK || len != header + body) {
        return false;
    }
    if (header == frame.header_len) {
        return memcmp(out, in.ptr, len) == 0;
    }
    return out[0] == in.ptr[0] && memcmp(out + header, in.ptr + frame.header_len, body) == 0;
}

/*
 * In MQTT 5 a reason code of 0 and an empty list of properties may be written or left out: the
 * packet written again says the same, in as many bytes or fewer.
 */
static bool same_again(elo_span in, const struct elo_mqtt_packet *packet)
{
    if (level != ELO_MQTT_5 || packet->type == ELO_MQTT_CONNECT) {
        return same_bytes_again(in, packet);
    }
    size_t len = 0;
    uint8_t *out = guard_room(&second_guard, in.len);
    struct elo_mqtt_packet again;
    if (mqtt_again(level, packet, out, in.len, &len) != ELO_OK || len > in.len ||
        elo_mqtt5_decode(elo_span_of(out, len), &again) != ELO_OK) {
        return false;
    }
    char *before = mqtt_text(level, packet);
    char *after = mqtt_text(level, &again);
    bool same = strcmp(before, after) == 0;
    free(before);
    free(after);
    return same;
}

static void test_every_bit_flipped(void **state)
{
    (void)state;
    unsigned survivors = 0;
    FOR_EACH(v)
    {
        elo_span in = guard_copy(&guard, v->bytes, v->len);
        for (size_t bit = 0; bit < v->len * 8; bit++) {
            if (!near_an_end(bit / 8, v->len)) {
                continue;
            }
            uint8_t *byte = guard.fence - in.len + bit / 8;
            struct elo_mqtt_packet packet;
            *byte ^= (uint8_t)(1u << bit % 8);
            if (elo_mqtt_decode_as(level, in, &packet) == ELO_OK) {
                survivors++;
                CHECK(v, same_again(in, &packet));
            }
            *byte ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_true(survivors > 1000);
}

static void test_encodes_to_the_same_bytes(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        struct elo_mqtt_packet packet;
        uint8_t *want = v->bytes;
        size_t want_len = v->len;
        if (!accepted(v)) {
            continue;
        }
        const char *other = vector_get(v, "again");
        if (other) {
            CHECK(v, vectors_parse_hex(other, &want, &want_len));
        }
        CHECK(v, elo_mqtt_decode_as(level, vector_bytes(v), &packet) == ELO_OK);
        size_t len = 0;
        uint8_t *out = guard_room(&guard, want_len);
        CHECK(v, mqtt_again(level, &packet, out, want_len, &len) == ELO_OK);
        CHECK(v, len == want_len && memcmp(out, want, len) == 0);
        if (other) {
            free(want);
        }
    }
}

static void test_a_smaller_buffer_gets_the_size_and_nothing_else(void **state)
{
    (void)state;
    FOR_EACH(v)
    {
        struct elo_mqtt_packet packet;
        if (!accepted(v) || vector_get(v, "again")) {
            continue;
        }
        CHECK(v, elo_mqtt_decode_as(level, vector_bytes(v), &packet) == ELO_OK);
        for (size_t cap = 0; cap < v->len; cap++) {
            if (!near_an_end(cap, v->len)) {
                continue;
            }
            size_t len = 0;
            CHECK(v,
                  mqtt_again(level, &packet, guard_room(&guard, cap), cap, &len) == ELO_E_NO_SPACE);
            CHECK(v, len == v->len);
            CHECK(v, guard_untouched(&guard, cap));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vector_is_accepted_or_refused),
        cmocka_unit_test(test_decodes_as_the_vector_says),
        cmocka_unit_test(test_a_refused_packet_leaves_no_trace),
        cmocka_unit_test(test_an_unsupported_connect_tells_its_level),
        cmocka_unit_test(test_frame_measures_the_packet),
        cmocka_unit_test(test_every_prefix_needs_more),
        cmocka_unit_test(test_every_split_of_two_packets),
        cmocka_unit_test(test_every_bit_flipped),
        cmocka_unit_test(test_encodes_to_the_same_bytes),
        cmocka_unit_test(test_a_smaller_buffer_gets_the_size_and_nothing_else),
    };
    return cmocka_run_group_tests_name("3.1.1", tests, load_3_1_1, unload) +
           cmocka_run_group_tests_name("5", tests, load_5, unload);
}
