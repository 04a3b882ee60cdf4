// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The sensors of the machine this runs on: temperature, load, free memory. */
#ifndef ELO_CLI_SENSORS_H
#define ELO_CLI_SENSORS_H

#include "elo/station/board.h"

/*
 * Reads what there is under `root` ("" on a real machine): /sys/class/hwmon, then
 * /sys/class/thermal, /proc/loadavg, /proc/meminfo. Of several thermometers it is the first by name
 * that shows a temperature, each time the same. With none in reach a DHT22 is simulated - a slow
 * daily curve with noise, never a jump - and the source says so. `now_s`: Unix time. `out->source`
 * is static storage.
 */
void sensors_read(const char *root, int64_t now_s, struct elo_board_reading *out);

/* The simulated DHT22 alone, as where there is no thermometer. */
void sensors_simulate(int64_t now_s, struct elo_board_reading *out);

#endif
