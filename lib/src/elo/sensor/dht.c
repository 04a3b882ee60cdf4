// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/sensor/dht.h"

#include "elo/base/bytes.h"

/* A phase is also the wish that it has. */
enum phase {
    PHASE_RESTING = ELO_DHT_REST,
    PHASE_PULLING = ELO_DHT_PULL,
    PHASE_LISTENING = ELO_DHT_LISTEN
};
enum { FRAME_BITS = 40, FRAME_BYTES = 5 };

/* A bit takes 70 to 85 us for 0 and 116 to 130 us for 1 by the datasheets, and more or less by as
 * much as interrupts come late. The answer before them takes 160, and so do two bits whose edge
 * between was lost. Where the bits begin must be certain: all of them one place further on, and a
 * nought behind, are twice the values and twice the sum, and that sum is right. */
enum { BIT_SHORTEST_US = 50, BIT_ONE_US = 98, BIT_LONGEST_US = 145 };

/* The low that wakes it: 18 ms (DHT11), 1 ms (DHT22), a tick more to be sure. The frame takes 5 ms
 * at most from then on. */
enum { PULL_DHT11_MS = 20, PULL_DHT22_MS = 2, LISTEN_MS = 8 };
enum { INTERVAL_DHT11_MS = 1000, INTERVAL_DHT22_MS = 2000 };

/* What they can measure, tenths. Below 0 only newer DHT11 go. */
enum { DHT11_COLDEST = -200, DHT11_HOTTEST = 600, DHT22_COLDEST = -400, DHT22_HOTTEST = 1250 };
enum { WETTEST = 1000 };

/* --- decoding --------------------------------------------------------------------------------- */

static elo_err give(struct elo_reading *out, int deci_celsius, unsigned deci_percent)
{
    elo_reading_begin(out);
    out->has = ELO_READING_TEMPERATURE | ELO_READING_HUMIDITY;
    out->centi_celsius = (int16_t)(deci_celsius * 10);
    out->centi_percent = (uint16_t)(deci_percent * 10);
    return ELO_OK;
}

/* Whole degrees and tenths apart, the sign in the tenths' highest bit; old ones send no tenths. */
static elo_err read_dht11(const uint8_t *b, struct elo_reading *out)
{
    unsigned tenths = b[3] & 0x7Fu;
    unsigned percent = b[0] * 10u + b[1];
    int celsius = (int)(b[2] * 10u + tenths);
    celsius = (b[3] & 0x80u) != 0 ? -celsius : celsius;
    if (b[1] > 9 || tenths > 9 || percent > WETTEST || celsius < DHT11_COLDEST ||
        celsius > DHT11_HOTTEST) {
        return elo_reading_fail(out, ELO_E_SENSOR_RANGE);
    }
    return give(out, celsius, percent);
}

/* Tenths in 16 bits, the highest the sign; where that makes no sense it is two's complement. */
static elo_err read_dht22(const uint8_t *b, struct elo_reading *out)
{
    unsigned percent = elo_rd16be(b);
    unsigned raw = elo_rd16be(b + 2);
    int celsius = (int)raw;
    if (raw >= 0x8000u) {
        int magnitude = (int)(raw - 0x8000u);
        celsius = magnitude <= -DHT22_COLDEST ? -magnitude : celsius - 0x10000;
    }
    if (percent > WETTEST || celsius < DHT22_COLDEST || celsius > DHT22_HOTTEST) {
        return elo_reading_fail(out, ELO_E_SENSOR_RANGE);
    }
    return give(out, celsius, percent);
}

elo_err elo_dht_read_bytes(elo_dht_kind kind, const uint8_t *bytes, struct elo_reading *out)
{
    unsigned sum = bytes[0] + (unsigned)bytes[1] + bytes[2] + bytes[3];
    if ((sum & 0xFFu) != bytes[4]) {
        return elo_reading_fail(out, ELO_E_SENSOR_CHECKSUM);
    }
    return kind == ELO_DHT11 ? read_dht11(bytes, out) : read_dht22(bytes, out);
}

elo_err
elo_dht_read_spans(elo_dht_kind kind, const uint8_t *spans, size_t count, struct elo_reading *out)
{
    uint8_t bytes[FRAME_BYTES] = {0};
    if (count < FRAME_BITS || count > ELO_DHT_SPANS) {
        return elo_reading_fail(out, ELO_E_SENSOR_FRAME);
    }
    const uint8_t *bits = spans + (count - FRAME_BITS);
    if (count > FRAME_BITS && bits[-1] <= BIT_LONGEST_US) {
        return elo_reading_fail(out, ELO_E_SENSOR_FRAME);
    }
    for (unsigned i = 0; i < FRAME_BITS; i++) {
        if (bits[i] < BIT_SHORTEST_US || bits[i] > BIT_LONGEST_US) {
            return elo_reading_fail(out, ELO_E_SENSOR_FRAME);
        }
        bytes[i >> 3] = (uint8_t)(bytes[i >> 3] << 1 | (bits[i] >= BIT_ONE_US));
    }
    return elo_dht_read_bytes(kind, bytes, out);
}

/* --- asking ----------------------------------------------------------------------------------- */

void elo_dht_init(struct elo_dht *d, elo_dht_kind kind, uint32_t interval_ms, uint32_t now_ms)
{
    uint32_t least = kind == ELO_DHT11 ? INTERVAL_DHT11_MS : INTERVAL_DHT22_MS;
    memset(d, 0, sizeof *d);
    d->_internal.kind = (uint8_t)kind;
    d->_internal.interval_ms = interval_ms > least ? interval_ms : least;
    d->_internal.now_ms = now_ms;
    d->_internal.since_ms = now_ms;
}

static uint32_t phase_ms(const struct elo_dht *d)
{
    switch (d->_internal.phase) {
    case PHASE_PULLING:
        return d->_internal.kind == ELO_DHT11 ? PULL_DHT11_MS : PULL_DHT22_MS;
    case PHASE_LISTENING:
        return LISTEN_MS;
    default:
        return d->_internal.interval_ms;
    }
}

static void enter(struct elo_dht *d, enum phase phase)
{
    d->_internal.phase = (uint8_t)phase;
    d->_internal.since_ms = d->_internal.now_ms;
}

/* The capture, without the interrupt's hands in it any more. */
static void read_capture(const struct elo_dht *d, struct elo_reading *out)
{
    uint8_t spans[ELO_DHT_SPANS];
    unsigned edges = d->_internal.edges;
    unsigned count = edges == 0 ? 0 : edges - 1;
    for (unsigned i = 0; i < count && i < ELO_DHT_SPANS; i++) {
        spans[i] = d->_internal.spans[i];
    }
    if (edges == 0) {
        (void)elo_reading_fail(out, ELO_E_SENSOR_MISSING);
    } else {
        (void)elo_dht_read_spans((elo_dht_kind)d->_internal.kind, spans, count, out);
    }
}

elo_dht_wish elo_dht_tick(struct elo_dht *d, uint32_t now_ms, struct elo_reading *out)
{
    d->_internal.now_ms = now_ms;
    if (now_ms - d->_internal.since_ms >= phase_ms(d)) {
        switch (d->_internal.phase) {
        case PHASE_RESTING:
            enter(d, PHASE_PULLING);
            break;
        case PHASE_PULLING:
            d->_internal.edges = 0;
            enter(d, PHASE_LISTENING);
            break;
        default:
            enter(d, PHASE_RESTING);
            read_capture(d, out);
            return ELO_DHT_READING;
        }
    }
    return (elo_dht_wish)d->_internal.phase;
}

uint32_t elo_dht_next_deadline(const struct elo_dht *d)
{
    return d->_internal.since_ms + phase_ms(d);
}
