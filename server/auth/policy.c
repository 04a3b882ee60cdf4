// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/auth/policy.h"

#include "elo/base/assert.h"
#include "server/auth/policy_compiled.h"
#include "server/base/mem.h"

#include <stdalign.h>

enum { BLOCK_BYTES = 2048 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t room;
    alignas(max_align_t) uint8_t bytes[];
};

static size_t aligned(size_t bytes)
{
    const size_t step = alignof(max_align_t);
    return (bytes + step - 1) / step * step;
}

static struct arena_block *arena_grow(struct arena *arena, size_t need)
{
    size_t room = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    struct arena_block *block = mem_zero(sizeof *block + room);
    if (block == NULL) {
        return NULL;
    }
    block->room = room;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t need = aligned(bytes > 0 ? bytes : 1);
    struct arena_block *block = arena->blocks;
    if (block == NULL || need > block->room - block->used) {
        block = arena_grow(arena, need);
        if (block == NULL) {
            return NULL;
        }
    }
    void *place = block->bytes + block->used;
    block->used += need;
    return place;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        mem_free(block);
    }
}

struct policy *policy_retain(struct policy *policy)
{
    ELO_ASSERT(policy->references > 0);
    policy->references++;
    return policy;
}

void policy_release(struct policy *policy)
{
    if (policy == NULL) {
        return;
    }
    ELO_ASSERT(policy->references > 0);
    if (--policy->references == 0) {
        arena_free(&policy->arena);
        mem_free(policy);
    }
}

struct action_row {
    const char *name;
    const char *resource;
};

static const struct action_row ACTIONS[POLICY_ACTION_COUNT] = {
#define ACTION_ROW(name, resource) {"iot:" #name, resource},
    POLICY_ACTION_LIST(ACTION_ROW)
#undef ACTION_ROW
};

const char *policy_action_name(enum policy_action action)
{
    ELO_ASSERT(action < POLICY_ACTION_COUNT);
    return ACTIONS[action].name;
}

const char *policy_action_resource(enum policy_action action)
{
    ELO_ASSERT(action < POLICY_ACTION_COUNT);
    return ACTIONS[action].resource;
}
