// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The core's second stack. make_stack_thunk(f) makes a function thunk_f that runs f on it; here it
 * is declared with no more than a jump, for compiling.
 */
#ifndef STACKTHUNK_DECLARED_H
#define STACKTHUNK_DECLARED_H

#include <stdint.h>

extern "C" {
void stack_thunk_add_ref();
uint32_t stack_thunk_get_refcnt();
uint32_t stack_thunk_get_max_usage();
}

#define make_stack_thunk(f)                                                                        \
    __asm__(".text\n.literal_position\n.align 4\n.global thunk_" #f "\nthunk_" #f ":\n\tj.l " #f   \
            ", a8\n")

#endif
