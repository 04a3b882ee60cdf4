// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* The sensors of the machine this runs on: temperature, load, free memory. */
#ifndef ELO_CLI_SENSORS_H
#define ELO_CLI_SENSORS_H

#include "cli/station.h"

/*
 * Reads what there is: /sys/class/hwmon, then /sys/class/thermal, /proc/loadavg, /proc/meminfo.
 * With no thermometer in reach a DHT22 is simulated - a slow daily curve with noise, never a jump -
 * and the source says so. `now_s`: Unix time. `out->source` is static storage.
 */
void sensors_read(int64_t now_s, struct station_reading *out);

#endif
