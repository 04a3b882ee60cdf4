// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* In a file of its own: the jump to the second stack names the station, and would link it into
 * every program. */
#include "elo/port/esp8266/stack.h"

#if defined(ARDUINO) && defined(ESP8266)

#ifdef __XTENSA__

#include <StackThunk.h>

extern "C" {
make_stack_thunk(elo_station_step);
bool thunk_elo_station_step(struct elo_station *station, uint32_t now_ms);
}

bool elo_esp8266_station_step(struct elo_station *station, uint32_t now_ms)
{
    return thunk_elo_station_step(station, now_ms);
}

#else

bool elo_esp8266_station_step(struct elo_station *station, uint32_t now_ms)
{
    return elo_station_step(station, now_ms);
}

#endif
#endif
