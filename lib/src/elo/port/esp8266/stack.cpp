// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: the core's macro make_stack_thunk(f) makes thunk_f, which changes the stack
 * pointer and calls f with the same registers. So what passes through has at most six words of
 * arguments, for further ones would be on the wrong stack. Where there is no such CPU (the core's
 * own emulation on a PC, our tests) the stack is large enough and the functions are called as they
 * are.
 */
#include "elo/port/esp8266/stack.h"

#if defined(ARDUINO) && defined(ESP8266)

extern "C" {

elo_err elo__esp8266_identity(const struct elo_esp8266_identity *a)
{
    return elo_tls_identity_init(a->identity, a->certificate, a->key, a->mem, a->mem_cap, a->work);
}

elo_err elo__esp8266_anchors(struct elo_tls_anchors *anchors,
                             const elo_span *certificates,
                             struct elo_tls_work *work)
{
    return elo_tls_anchors_add(anchors, *certificates, work);
}
}

#ifdef __XTENSA__

#include <Arduino.h>
#include <StackThunk.h>

/* What the core takes for it, and what its allocator keeps around that. */
static const uint32_t STACK_BYTES = 6240;

extern "C" {
make_stack_thunk(elo_link_step);
make_stack_thunk(elo__esp8266_identity);
make_stack_thunk(elo__esp8266_anchors);
bool thunk_elo_link_step(struct elo_link *link, uint32_t now_ms);
elo_err thunk_elo__esp8266_identity(const struct elo_esp8266_identity *args);
elo_err thunk_elo__esp8266_anchors(struct elo_tls_anchors *anchors,
                                   const elo_span *certificates,
                                   struct elo_tls_work *work);
}

elo_err elo_esp8266_stack_begin(void)
{
    if (stack_thunk_get_refcnt() == 0 && ESP.getMaxFreeBlockSize() < STACK_BYTES) {
        return ELO_E_NO_MEMORY; /* the core would abort */
    }
    static bool taken;
    if (!taken) {
        stack_thunk_add_ref();
        taken = true;
    }
    return ELO_OK;
}

uint32_t elo_esp8266_stack_used(void)
{
    return stack_thunk_get_max_usage();
}

bool elo_esp8266_link_step(struct elo_link *link, uint32_t now_ms)
{
    return thunk_elo_link_step(link, now_ms);
}

elo_err elo_esp8266_identity_init(const struct elo_esp8266_identity *args)
{
    return thunk_elo__esp8266_identity(args);
}

elo_err elo_esp8266_anchors_add(struct elo_tls_anchors *anchors,
                                const elo_span *certificates,
                                struct elo_tls_work *work)
{
    return thunk_elo__esp8266_anchors(anchors, certificates, work);
}

#else

elo_err elo_esp8266_stack_begin(void)
{
    return ELO_OK;
}

uint32_t elo_esp8266_stack_used(void)
{
    return 0;
}

bool elo_esp8266_link_step(struct elo_link *link, uint32_t now_ms)
{
    return elo_link_step(link, now_ms);
}

elo_err elo_esp8266_identity_init(const struct elo_esp8266_identity *args)
{
    return elo__esp8266_identity(args);
}

elo_err elo_esp8266_anchors_add(struct elo_tls_anchors *anchors,
                                const elo_span *certificates,
                                struct elo_tls_work *work)
{
    return elo__esp8266_anchors(anchors, certificates, work);
}

#endif
#endif
