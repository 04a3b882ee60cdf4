// links: elo_mqtt
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * MQTT 5, as fuzz_mqtt_decode.c does 3.1.1: a stream of packets. What decodes must encode to a
 * packet that is no longer, decodes again, and encodes then to the same bytes for ever after. Its
 * properties are walked, read and copied; what is forwardable must be allowed in a PUBLISH.
 */
#include "elo/mqtt/property.h"
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

static void check_publish(const struct elo_mqtt_publish *p)
{
    struct elo_mqtt_publish given = *p;
    uint8_t *room = mqtt_again_list(p->properties.len + 1, 1);
    given.properties = elo_span_of(room, elo_mqtt_copy_forwardable(p->properties, room));
    require((p->has & (ELO_MQTT_HAS_ALIAS | ELO_MQTT_HAS_EXPIRY | ELO_MQTT_HAS_SUBSCRIPTION_ID)) ||
            elo_span_eq(given.properties, p->properties));
    uint8_t more[5];
    struct elo_mqtt_property_writer w = elo_mqtt_properties_into(more, sizeof more);
    elo_mqtt_put_number(&w, ELO_MQTT_PROP_MESSAGE_EXPIRY, 77);
    size_t cap = 16 + p->topic.len + p->properties.len + p->payload.len;
    uint8_t *out = mqtt_again_list(cap, 1);
    size_t len = 0;
    require(elo_mqtt5_encode_publish(&given, elo_mqtt_properties_done(&w), out, cap, &len) ==
            ELO_OK);
    struct elo_mqtt_packet again;
    elo_err err = elo_mqtt5_decode(elo_span_of(out, len), &again);
    require(p->topic.len == 0 ? err == ELO_E_PROTOCOL : err == ELO_OK);
    require(err != ELO_OK || again.u.publish.expiry_s == 77);
    free(out);
    free(room);
}

static void check_properties(elo_span properties)
{
    struct elo_mqtt_terms terms;
    struct elo_mqtt_property p;
    size_t len = 0;
    elo_mqtt_read_terms(properties, &terms);
    for (elo_span rest = properties; elo_mqtt_next_property(&rest, &p);) {
        struct elo_mqtt_property first;
        require(elo_mqtt_find_property(properties, p.id, &first));
        len += p.raw.len;
    }
    require(len == properties.len);
}

static void check_packet(elo_span in)
{
    struct elo_mqtt_packet packet;
    if (elo_mqtt5_decode(in, &packet) != ELO_OK) {
        return;
    }
    if (packet.type == ELO_MQTT_PUBLISH) {
        check_publish(&packet.u.publish);
        check_properties(packet.u.publish.properties);
    } else if (packet.type == ELO_MQTT_CONNECT) {
        check_properties(packet.u.connect.properties);
        check_properties(packet.u.connect.will.properties);
    }
    size_t len = 0;
    size_t len_again = 0;
    uint8_t *once = mqtt_again_list(in.len, 1);
    uint8_t *twice = mqtt_again_list(in.len, 1);
    struct elo_mqtt_packet again;
    require(mqtt_again(ELO_MQTT_5, &packet, once, in.len, &len) == ELO_OK);
    require(elo_mqtt5_decode(elo_span_of(once, len), &again) == ELO_OK);
    require(again.type == packet.type);
    require(mqtt_again(ELO_MQTT_5, &again, twice, in.len, &len_again) == ELO_OK);
    require(elo_span_eq(elo_span_of(once, len), elo_span_of(twice, len_again)));
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span rest = elo_span_of(data, size);
    struct elo_mqtt_frame frame;
    while (elo_mqtt5_frame(rest, MAX_PACKET, &frame) == ELO_OK && frame.total <= rest.len) {
        elo_span in = elo_span_first(rest, frame.total);
        uint8_t *copy = copy_of(in);
        check_packet(elo_span_of(copy, in.len));
        free(copy);
        rest = elo_span_from(rest, frame.total);
    }
    struct elo_mqtt_packet packet;
    uint8_t *copy = copy_of(rest); /* what is left is cut short, refused, or nothing */
    require(elo_mqtt5_decode(elo_span_of(copy, rest.len), &packet) != ELO_OK);
    free(copy);
    return 0;
}
