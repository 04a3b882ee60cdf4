// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: almost all text here is ASCII (topics, JSON), so the loop leaps over eight ASCII
 * bytes at a time and looks closer only where that fails.
 *
 * Closer means the table "Well-Formed UTF-8 Byte Sequences" of RFC 3629 section 4, read like this:
 * the lead byte gives the length and, for four of them, a narrower range for the second byte. That
 * narrower range is the whole of it: it shuts out overlong forms (after E0, F0), surrogates (after
 * ED) and code points over U+10FFFF (after F4).
 */
#include "elo/base/utf8.h"

#include "elo/base/assert.h"
#include "elo/base/bytes.h"

#define EACH_BYTE 0x01010101u
#define HIGH_BITS 0x80808080u

/*
 * Are all four bytes of `w` in `low` ... 0x7F, where `low` is 0 or 1? Taking 1 from each byte sets
 * a high bit where a byte was 0 - exactly so while no high bit was set before, which is the other
 * half of the question. Byte order does not matter.
 */
static inline bool four_ascii(uint32_t w, unsigned low)
{
    return (((w - low * EACH_BYTE) | w) & HIGH_BITS) == 0;
}

static bool continues(uint8_t byte)
{
    return (byte & 0xC0u) == 0x80u;
}

/* The range of the second byte is where the three- and four-byte forms hide what is forbidden. */
static bool second_ok(uint8_t lead, uint8_t second)
{
    if (lead == 0xE0u) {
        return second >= 0xA0u && second <= 0xBFu;
    }
    if (lead == 0xEDu) {
        return second >= 0x80u && second <= 0x9Fu;
    }
    if (lead == 0xF0u) {
        return second >= 0x90u && second <= 0xBFu;
    }
    if (lead == 0xF4u) {
        return second >= 0x80u && second <= 0x8Fu;
    }
    return continues(second);
}

/* Bytes of the multi-byte sequence at `p`, which has `left` >= 1 bytes; 0 if it is not one. */
static size_t sequence(const uint8_t *p, size_t left)
{
    size_t len = p[0] < 0xE0u ? 2 : p[0] < 0xF0u ? 3 : 4;
    if (p[0] < 0xC2u || p[0] > 0xF4u || left < len || !second_ok(p[0], p[1])) {
        return 0;
    }
    if ((len > 2 && !continues(p[2])) || (len > 3 && !continues(p[3]))) {
        return 0;
    }
    return len;
}

/* Bytes until the first fault. `low` is the smallest code point allowed: 0, or 1 where U+0000 is
 * not. */
static inline size_t prefix_from(elo_span text, unsigned low)
{
    const uint8_t *p = text.ptr;
    size_t left = text.len;
    while (left != 0) {
        size_t len = 1;
        if (left >= 8 && four_ascii(elo_rd32be(p), low) && four_ascii(elo_rd32be(p + 4), low)) {
            len = 8;
        } else if (*p >= 0x80u) {
            len = sequence(p, left);
        } else if (*p < low) {
            len = 0;
        }
        if (len == 0) {
            break;
        }
        p += len;
        left -= len;
    }
    return text.len - left;
}

size_t elo_utf8_prefix(elo_span text)
{
    return prefix_from(text, 0);
}

bool elo_utf8_valid(elo_span text)
{
    return elo_utf8_prefix(text) == text.len;
}

bool elo_utf8_valid_mqtt(elo_span text)
{
    return prefix_from(text, 1) == text.len; /* [MQTT-1.5.3-2] */
}

static uint8_t continuation(uint32_t bits)
{
    return (uint8_t)(0x80u | (bits & 0x3Fu));
}

size_t elo_utf8_put(uint32_t cp, uint8_t *out)
{
    ELO_ASSERT(cp <= 0x10FFFFu && (cp < 0xD800u || cp > 0xDFFFu));
    if (cp < 0x80u) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800u) {
        out[0] = (uint8_t)(0xC0u | cp >> 6);
        out[1] = continuation(cp);
        return 2;
    }
    if (cp < 0x10000u) {
        out[0] = (uint8_t)(0xE0u | cp >> 12);
        out[1] = continuation(cp >> 6);
        out[2] = continuation(cp);
        return 3;
    }
    out[0] = (uint8_t)(0xF0u | cp >> 18);
    out[1] = continuation(cp >> 12);
    out[2] = continuation(cp >> 6);
    out[3] = continuation(cp);
    return 4;
}
