// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Checks and encodings that the files of this folder and the desk's side of the serial line share:
 * CRC-32 (IEEE 802.3, as zip has it), base64 (RFC 4648) and hexadecimal.
 */
#ifndef ELO_SETUP_CODE_H
#define ELO_SETUP_CODE_H

#include "elo/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The CRC of `data` after bytes whose CRC was `crc`; begin with 0. */
uint32_t elo_crc32(uint32_t crc, elo_span data);

/* Four characters for each three bytes begun. `out` has room for ELO_BASE64_SIZE(data.len); no NUL.
 * The number written. */
#define ELO_BASE64_SIZE(n) (((n) + 2) / 3 * 4)
size_t elo_base64_put(elo_span data, char *out);

/* The value of a base64 character, 64 for '=', 255 for any other. */
uint8_t elo_base64_value(uint8_t c);

/* Strict decoding of whole groups; false if `text` is not base64 or `cap` is too small. */
bool elo_base64_get(elo_span text, uint8_t *out, size_t cap, size_t *out_len);

/* The value of a hexadecimal digit, 255 if it is none. */
uint8_t elo_hex_value(uint8_t c);

/* The number that 1 to 8 hexadecimal digits are; false if `text` is anything else. */
bool elo_hex_get(elo_span text, uint32_t *out);

/* Lower-case digits of the low 4 * `digits` bits; no NUL. */
void elo_hex_put(uint32_t value, unsigned digits, char *out);

#ifdef __cplusplus
}
#endif

#endif
