// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * ELO_ASSERT(cond): a bug in the caller, never bad input. Define ELO_ASSERT_HOOK(text) before the
 * build to catch it your way (on the ESP8266: log and restart); define ELO_NO_ASSERT to leave the
 * checks out. Without either it traps.
 */
#ifndef ELO_BASE_ASSERT_H
#define ELO_BASE_ASSERT_H

#if defined(ELO_NO_ASSERT)
#define ELO_ASSERT(cond) ((void)0)
#elif defined(ELO_ASSERT_HOOK)
#define ELO_ASSERT(cond) ((cond) ? (void)0 : ELO_ASSERT_HOOK(#cond))
#else
#define ELO_ASSERT(cond) ((cond) ? (void)0 : __builtin_trap())
#endif

#endif
