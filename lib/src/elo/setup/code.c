// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/code.h"

/* Half a byte at a time without a table: the serial line is slow and flash is dear. */
uint32_t elo_crc32(uint32_t crc, elo_span data)
{
    crc = ~crc;
    for (size_t i = 0; i < data.len; i++) {
        crc ^= data.ptr[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

static char base64_digit(unsigned v)
{
    if (v < 26) {
        return (char)('A' + v);
    }
    if (v < 52) {
        return (char)('a' + (v - 26));
    }
    if (v < 62) {
        return (char)('0' + (v - 52));
    }
    return v == 62 ? '+' : '/';
}

size_t elo_base64_put(elo_span data, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t group = (uint32_t)data.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)data.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? data.ptr[i + 2] : 0;
        out[n++] = base64_digit(group >> 18);
        out[n++] = base64_digit(group >> 12 & 63);
        out[n++] = left > 1 ? base64_digit(group >> 6 & 63) : '=';
        out[n++] = left > 2 ? base64_digit(group & 63) : '=';
    }
    return n;
}

uint8_t elo_base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint8_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint8_t)(c - 'a' + 26);
    }
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0' + 52);
    }
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 64 : 255;
}

bool elo_base64_get(elo_span text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t n = 0;
    if (text.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t group = 0;
        unsigned pad = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t v = elo_base64_value(text.ptr[i + k]);
            if (v == 255 || (v != 64 && pad > 0) || (v == 64 && (k < 2 || i + 4 != text.len))) {
                return false;
            }
            pad += v == 64;
            group = group << 6 | (v & 63u);
        }
        if (cap - n < 3 - pad) {
            return false;
        }
        out[n++] = (uint8_t)(group >> 16);
        if (pad < 2) {
            out[n++] = (uint8_t)(group >> 8);
        }
        if (pad < 1) {
            out[n++] = (uint8_t)group;
        }
    }
    *out_len = n;
    return true;
}

uint8_t elo_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 255;
}

bool elo_hex_get(elo_span text, uint32_t *out)
{
    uint32_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = elo_hex_value(text.ptr[i]);
        if (digit > 15) {
            return false;
        }
        v = v << 4 | digit;
    }
    *out = v;
    return text.len > 0 && text.len <= 8;
}

void elo_hex_put(uint32_t value, unsigned digits, char *out)
{
    while (digits > 0) {
        unsigned v = value & 15u;
        out[--digits] = (char)(v < 10 ? '0' + v : 'a' + (v - 10));
        value >>= 4;
    }
}
