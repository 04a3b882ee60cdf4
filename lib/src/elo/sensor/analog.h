// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The analog input A0: ten bits, in millivolts.
 *
 * The chip measures 0 ... 1 V (ELO_ANALOG_CHIP_MV). Boards (NodeMCU, Wemos D1 mini) have a divider
 * of 220 and 100 kOhm before it and so take 0 ... 3.2 V, sold as 3.3 (ELO_ANALOG_BOARD_MV). Neither
 * is exact: measure a known voltage, and give the full scale that makes it right.
 *
 * A single conversion jumps by some steps when the radio sends. So eight are taken, the two lowest
 * and the two highest are dropped and the rest is averaged: outliers count for nothing, and some of
 * the noise becomes resolution. Take them 5 ms apart or more: the core's analogRead() starves the
 * Wi-Fi when it is called without rest.
 *
 *     if (elo_analog_add(&a, analogRead(A0), &reading)) {          each 5 ms
 *         `reading` is new: millivolts, or ELO_E_SENSOR_RANGE when a sample was over 1023
 *     }
 */
#ifndef ELO_SENSOR_ANALOG_H
#define ELO_SENSOR_ANALOG_H

#include "elo/sensor/reading.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ELO_ANALOG_CHIP_MV  1000
#define ELO_ANALOG_BOARD_MV 3300
#define ELO_ANALOG_MAX      1023

/* Samples to a reading. */
#define ELO_ANALOG_SAMPLES 8

struct elo_analog {
    struct {
        uint16_t full_scale_mv;
        uint8_t count;
        uint16_t sorted[ELO_ANALOG_SAMPLES];
    } _internal;
};

/* `full_scale_mv`: what ELO_ANALOG_MAX stands for; 1 ... 65,535. */
void elo_analog_init(struct elo_analog *a, uint16_t full_scale_mv);

/* A conversion's result. true: it was the last that `out` needed. */
bool elo_analog_add(struct elo_analog *a, uint16_t sample, struct elo_reading *out);

/* One sample, 0 ... ELO_ANALOG_MAX, in millivolts, to the nearest. */
uint16_t elo_analog_millivolt(uint16_t sample, uint16_t full_scale_mv);

#ifdef __cplusplus
}
#endif

#endif
