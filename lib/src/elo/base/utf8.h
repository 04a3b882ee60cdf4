// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * UTF-8 as RFC 3629 defines it: shortest form only, no surrogates, nothing above U+10FFFF.
 */
#ifndef ELO_BASE_UTF8_H
#define ELO_BASE_UTF8_H

#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Well-formed? U+0000 is well-formed here; MQTT forbids it separately [MQTT-1.5.3-2]. */
bool elo_utf8_valid(elo_span text);

/* The same, and no U+0000: what an MQTT string must be. */
bool elo_utf8_valid_mqtt(elo_span text);

/* Bytes at the front that are well-formed: all of them, or up to where the first fault begins. */
size_t elo_utf8_prefix(elo_span text);

/* Writes `cp` (a scalar value) at `out`, which has room for 4 bytes; the number written. */
size_t elo_utf8_put(uint32_t cp, uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif
