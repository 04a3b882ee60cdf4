// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The first bytes a stranger sends. The input is a stream: packets are taken off its front as a
 * receiver does it. Whatever decodes must encode again to a packet of the same body - the one
 * freedom 3.1.1 leaves is the number of bytes of the remaining length - and, being then in its
 * shortest form, to the same bytes for ever after.
 */
#include "tests/support/mqtt_again.h"

#define MAX_PACKET (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* A copy of its own size, so that the sanitizer sees the first byte read past it. */
static uint8_t *copy_of(elo_span s)
{
    uint8_t *copy = mqtt_again_list(s.len != 0 ? s.len : 1, 1);
    memcpy(copy, s.ptr, s.len);
    return copy;
}

static void check_packet(elo_span in, const struct elo_mqtt_frame *frame)
{
    struct elo_mqtt_packet packet;
    if (elo_mqtt_decode(in, &packet) != ELO_OK) {
        return;
    }
    require(packet.type == frame->type);
    size_t len = 0;
    uint8_t *out = mqtt_again_list(in.len, 1);
    require(mqtt_again(ELO_MQTT_3_1_1, &packet, out, in.len, &len) == ELO_OK);
    struct elo_mqtt_frame again;
    require(elo_mqtt_frame(elo_span_of(out, len), MAX_PACKET, &again) == ELO_OK);
    require(again.total == len && again.header_len <= frame->header_len);
    require(out[0] == in.ptr[0]);
    require(elo_span_eq(elo_span_from(elo_span_of(out, len), again.header_len),
                        elo_span_from(in, frame->header_len)));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span rest = elo_span_of(data, size);
    struct elo_mqtt_frame frame;
    while (elo_mqtt_frame(rest, MAX_PACKET, &frame) == ELO_OK && frame.total <= rest.len) {
        elo_span in = elo_span_first(rest, frame.total);
        uint8_t *copy = copy_of(in);
        check_packet(elo_span_of(copy, in.len), &frame);
        free(copy);
        rest = elo_span_from(rest, frame.total);
    }
    struct elo_mqtt_packet packet;
    uint8_t *copy = copy_of(rest); /* what is left is cut short, refused, or nothing */
    require(elo_mqtt_decode(elo_span_of(copy, rest.len), &packet) != ELO_OK);
    free(copy);
    return 0;
}
