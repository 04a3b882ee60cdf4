// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/frame.h"

#include "elo/setup/code.h"
#include "elo/setup/internal.h"

enum { MARK = 4, CRC = 10 }; /* "elo>", " *" and eight digits */

elo_span elo_frame_word(elo_span *rest)
{
    size_t at = 0, end;
    while (at < rest->len && rest->ptr[at] == ' ') {
        at++;
    }
    for (end = at; end < rest->len && rest->ptr[end] != ' '; end++) {
    }
    elo_span word = elo_span_of(rest->ptr + at, end - at);
    *rest = elo_span_from(*rest, end);
    return word;
}

bool elo_frame_number(elo_span word, uint32_t *out)
{
    return elo__number(word, out);
}

static bool is_mark(const uint8_t *p, char direction)
{
    return p[0] == 'e' && p[1] == 'l' && p[2] == 'o' && p[3] == (uint8_t)direction;
}

bool elo_frame_read(elo_span line, char direction, struct elo_frame *out)
{
    size_t start = line.len;
    uint32_t crc = 0, nonce = 0;
    while (line.len > 0 && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' ')) {
        line.len--;
    }
    for (size_t i = 0; i + MARK <= line.len; i++) {
        start = is_mark(line.ptr + i, direction) ? i : start;
    }
    if (start >= line.len || line.len - start < MARK + CRC) {
        return false;
    }
    elo_span body = elo_span_of(line.ptr + start, line.len - start - CRC);
    elo_span tail = elo_span_from(line, line.len - CRC);
    if (tail.ptr[0] != ' ' || tail.ptr[1] != '*' || !elo_hex_get(elo_span_from(tail, 2), &crc) ||
        crc != elo_crc32(0, body)) {
        return false;
    }
    elo_span rest = elo_span_from(body, MARK);
    elo_span first = elo_frame_word(&rest);
    elo_span second = elo_frame_word(&rest);
    if (first.len != 4 || !elo_hex_get(first, &nonce) || !elo__number(second, &out->seq)) {
        return false;
    }
    out->nonce = (uint16_t)nonce;
    out->words = rest.len > 0 ? elo_span_from(rest, 1) : rest;
    return true;
}

static size_t digits_of(uint32_t v)
{
    size_t n = 1;
    for (; v >= 10; v /= 10) {
        n++;
    }
    return n;
}

size_t elo_frame_write(const struct elo_frame *frame, char direction, char *out, size_t cap)
{
    uint32_t seq = frame->seq % 1000000000u;
    size_t digits = digits_of(seq), n = MARK + 6 + digits + 1;
    if (frame->words.len > ELO_FRAME_MAX - ELO_FRAME_EDGES ||
        cap < frame->words.len + ELO_FRAME_EDGES) {
        return 0;
    }
    if (frame->words.len > 0) {
        memmove(out + n, frame->words.ptr, frame->words.len);
    }
    memcpy(out, "elo", 3);
    out[3] = direction;
    out[4] = out[9] = out[n - 1] = ' ';
    elo_hex_put(frame->nonce, 4, out + 5);
    for (size_t i = 0; i < digits; i++) {
        out[n - 2 - i] = (char)('0' + seq % 10);
        seq /= 10;
    }
    n += frame->words.len;
    uint32_t crc = elo_crc32(0, elo_span_of(out, n));
    out[n++] = ' ';
    out[n++] = '*';
    elo_hex_put(crc, 8, out + n);
    out[n + 8] = '\r';
    out[n + 9] = '\n';
    return n + 10;
}
