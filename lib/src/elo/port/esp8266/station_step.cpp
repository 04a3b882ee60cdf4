// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/* In a file of its own: the jump to the second stack names the station, and would link it into
 * every program. */
#include "elo/port/esp8266/stack.h"

#if defined(ARDUINO) && defined(ESP8266)

#ifdef __XTENSA__

#include <StackThunk.h>

extern "C" {
make_stack_thunk(elo_provision_init);
make_stack_thunk(elo_provision_step);
elo_err thunk_elo_provision_init(struct elo_provision *p,
                                 const struct elo_provision_config *config,
                                 uint32_t now_ms);
bool thunk_elo_provision_step(struct elo_provision *p, uint32_t now_ms);
}

#define ON_THE_STACK(f) thunk_##f
#else
#define ON_THE_STACK(f) f
#endif

elo_err elo_esp8266_provision_init(struct elo_provision *p,
                                   const struct elo_provision_config *config,
                                   uint32_t now_ms)
{
    return ON_THE_STACK(elo_provision_init)(p, config, now_ms);
}

bool elo_esp8266_provision_step(struct elo_provision *p, uint32_t now_ms)
{
    return ON_THE_STACK(elo_provision_step)(p, now_ms);
}

#endif
