// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What the virtual device is: a sensor, an LED, a relay and the words it understands. No I/O: text
 * goes in and comes out, so that the same source can run on a board.
 *
 *     telemetry  {"seq":3,"celsius":41.5,"source":"coretemp","load":0.42,"freeKiB":812340}
 *     command    {"id":"a1","led":"on","relay":"off","interval":5}      any subset but id
 *     reply      {"id":"a1","ok":true} or {"id":"a1","ok":false,"error":"..."}
 *     state      {"led":"on","relay":"off","interval":5}
 */
#ifndef ELO_CLI_STATION_H
#define ELO_CLI_STATION_H

#include "elo/base/err.h"
#include "elo/base/span.h"

enum { STATION_INTERVAL_MAX_S = 3600 };

struct station {
    bool led, relay;
    int32_t interval_s; /* 1 ... STATION_INTERVAL_MAX_S */
    int64_t seq;        /* telemetry messages made */
};

/* One reading. Values that the machine does not have are absent. */
struct station_reading {
    bool has_celsius, has_humidity, has_load, has_free;
    int32_t centi_celsius; /* 2150 is 21.50 degrees */
    int32_t centi_percent; /* relative humidity */
    int32_t centi_load;
    int64_t free_kib;
    const char *source; /* where the temperature comes from; "simulated DHT22" says so */
};

/* Writes JSON; the length, 0 if `cap` is too small. */
size_t station_telemetry(struct station *s,
                         const struct station_reading *reading,
                         uint8_t *out,
                         size_t cap);
size_t station_state(const struct station *s, uint8_t *out, size_t cap);

/*
 * Obeys a command, all of it or nothing, and writes the reply. `*out_changed` tells whether the
 * state is another now. The reply's length; 0 for what is not even a command with an id.
 */
size_t
station_command(struct station *s, elo_span command, uint8_t *reply, size_t cap, bool *out_changed);

#endif
