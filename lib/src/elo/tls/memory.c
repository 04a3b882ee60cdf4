// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/tls/internal.h"

void elo__tls_wipe(void *mem, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)mem;
    for (size_t i = 0; i < len; i++) {
        p[i] = 0;
    }
}

uint8_t *elo__tls_arena_add(struct elo__tls_arena *arena, const void *data, size_t len)
{
    if (arena->full || len > arena->cap - arena->used) {
        arena->full = true;
        return NULL;
    }
    uint8_t *at = arena->ptr + arena->used;
    if (len > 0) {
        memcpy(at, data, len);
    }
    arena->used += len;
    return at;
}

bool elo__tls_is_random(elo_span entropy)
{
    if (entropy.len < ELO_TLS_ENTROPY_MIN) {
        return false;
    }
    for (size_t i = 1; i < entropy.len; i++) {
        if (entropy.ptr[i] != entropy.ptr[0]) {
            return true;
        }
    }
    return false;
}
