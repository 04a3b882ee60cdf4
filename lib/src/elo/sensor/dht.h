// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * DHT11 and DHT22 (AM2302): temperature and humidity over one wire.
 *
 * The sensor is woken by a long low, answers with a low and a high of 80 us each and then sends 40
 * bits, each a low of 50 us and a high of 26 us (0) or 70 us (1). So from one falling edge to the
 * next pass about 76 us or 120 us, and falling edges are all that is looked at: 42 interrupts
 * instead of 84, each of which may come 20 us late (Wi-Fi) and still be read rightly.
 *
 * The port, from its loop:
 *
 *     switch (elo_dht_tick(&dht, now_ms, &reading)) {
 *     case ELO_DHT_REST:    pin as input with pull-up, no interrupt
 *     case ELO_DHT_PULL:    pin as output, low
 *     case ELO_DHT_LISTEN:  pin as input with pull-up; on each falling edge, from the interrupt:
 *                               elo_dht_edge(&dht, micros());
 *     case ELO_DHT_READING: `reading` is new, values or an error; the pin as with REST
 *     }
 *     again at elo_dht_next_deadline(&dht)
 *
 * elo_dht_tick() tells what is to be so until the next tick. A late tick does no harm: the low may
 * last longer, and a frame lies in the capture until it is fetched. Only the interrupt must not be
 * held off for longer than 20 us while the frame comes (5 ms): do not start one during a flash
 * write. What then fails is noticed and read again after the interval.
 *
 * The interval between two wake-ups, and from power-on to the first, is 2 s (DHT22) and 1 s (DHT11)
 * at least: the datasheets' figure. Asked sooner they answer with old values or not at all.
 *
 * Errors in the reading
 *   ELO_E_SENSOR_MISSING   no edge at all: no sensor there, or no pull-up
 *   ELO_E_SENSOR_FRAME     some bits are missing, or not as long as a bit is
 *   ELO_E_SENSOR_CHECKSUM  the fifth byte is not the sum of the others
 *   ELO_E_SENSOR_RANGE     the sum is right and the values cannot be: the other kind of sensor
 */
#ifndef ELO_SENSOR_DHT_H
#define ELO_SENSOR_DHT_H

#include "elo/sensor/reading.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum elo_dht_kind { ELO_DHT11, ELO_DHT22 } elo_dht_kind;

typedef enum elo_dht_wish {
    ELO_DHT_REST,
    ELO_DHT_PULL,
    ELO_DHT_LISTEN,
    ELO_DHT_READING
} elo_dht_wish;

/* Spans between falling edges that are kept: the answer, 40 bits, and one that may come before. */
#define ELO_DHT_SPANS 42

struct elo_dht {
    struct {
        uint8_t kind;
        uint8_t phase;
        uint32_t interval_ms;
        uint32_t now_ms;
        uint32_t since_ms;
        /* written by the interrupt, while listening */
        volatile uint32_t edge_us;
        volatile uint8_t edges; /* that came, held to a byte */
        volatile uint8_t spans[ELO_DHT_SPANS];
    } _internal;
};

/* `interval_ms` under 2^31; what is less than the sensor's own interval counts as that. */
void elo_dht_init(struct elo_dht *d, elo_dht_kind kind, uint32_t interval_ms, uint32_t now_ms);

elo_dht_wish elo_dht_tick(struct elo_dht *d, uint32_t now_ms, struct elo_reading *out);

/* When elo_dht_tick() is next needed. */
uint32_t elo_dht_next_deadline(const struct elo_dht *d);

/* A falling edge, at `us` of a microsecond counter that may wrap. Here, so that it is compiled into
 * the port's interrupt handler, in RAM with it. */
#if defined(__GNUC__)
__attribute__((always_inline))
#endif
static inline void
elo_dht_edge(struct elo_dht *d, uint32_t us)
{
    uint32_t span = us - d->_internal.edge_us;
    uint8_t n = d->_internal.edges;
    d->_internal.edge_us = us;
    if (n > 0 && n <= ELO_DHT_SPANS) {
        d->_internal.spans[n - 1] = (uint8_t)(span > UINT8_MAX ? UINT8_MAX : span);
    }
    if (n < UINT8_MAX) {
        d->_internal.edges = (uint8_t)(n + 1);
    }
}

/*
 * Reads a frame from the `count` spans in microseconds between its falling edges (255: that or
 * more). The last 40 are its bits. Before them may be that of the answer (160), and before this one
 * more; with fewer than 40 or more than 42 it is no frame.
 */
elo_err
elo_dht_read_spans(elo_dht_kind kind, const uint8_t *spans, size_t count, struct elo_reading *out);

/* Reads the five bytes of a frame. Two's complement below zero, as some copies of the DHT22 send
 * it, is understood. */
elo_err elo_dht_read_bytes(elo_dht_kind kind, const uint8_t *bytes, struct elo_reading *out);

#ifdef __cplusplus
}
#endif

#endif
