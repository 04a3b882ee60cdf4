// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILLING 0xA5

static void require(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

void guard_open(struct guard *g, size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (room / page + 1) * page;
    g->mapped = usable + page;
    g->base = mmap(NULL, g->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(g->base != MAP_FAILED, "mmap");
    g->fence = g->base + usable;
    require(mprotect(g->fence, page, PROT_NONE) == 0, "mprotect");
}

void guard_close(struct guard *g)
{
    require(munmap(g->base, g->mapped) == 0, "munmap");
}

static uint8_t *flush(const struct guard *g, size_t len)
{
    require(len <= (size_t)(g->fence - g->base), "guard: asked for more than was opened");
    return g->fence - len;
}

elo_span guard_copy(struct guard *g, const void *bytes, size_t len)
{
    uint8_t *at = flush(g, len);
    if (len != 0) {
        memcpy(at, bytes, len);
    }
    return elo_span_of(at, len);
}

uint8_t *guard_room(struct guard *g, size_t len)
{
    uint8_t *at = flush(g, len);
    memset(at, FILLING, len);
    return at;
}

bool guard_untouched(const struct guard *g, size_t len)
{
    const uint8_t *at = flush(g, len);
    for (size_t i = 0; i < len; i++) {
        if (at[i] != FILLING) {
            return false;
        }
    }
    return true;
}
