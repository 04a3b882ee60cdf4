// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "server/base/env.h"

void core_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void core_uuid(const struct core_random *random, char out[37])
{
    /* The text is 8-4-4-4-12 hex digits: these are the bytes before each hyphen. */
    static const size_t groups[] = {4, 2, 2, 2, 6};
    uint8_t bytes[16];
    random->fill(random->ctx, bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    size_t at = 0;
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        if (g > 0) {
            *out++ = '-';
        }
        core_hex(bytes + at, groups[g], out);
        out += 2 * groups[g];
        at += groups[g];
    }
}
