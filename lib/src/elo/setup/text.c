// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
#include "elo/setup/text.h"

#include "elo/base/flash.h"

static uint8_t at(elo_text text, size_t i)
{
    return elo_flash_read8((const uint8_t *)text + i);
}

size_t elo_text_len(elo_text text)
{
    size_t n = 0;
    while (text != NULL && at(text, n) != 0) {
        n++;
    }
    return n;
}

size_t elo_text_copy(elo_text text, char *out, size_t cap)
{
    size_t n = 0;
    if (cap == 0) {
        return 0;
    }
    while (text != NULL && n + 1 < cap && at(text, n) != 0) {
        out[n] = (char)at(text, n);
        n++;
    }
    out[n] = '\0';
    return n;
}

bool elo_text_is(elo_text text, elo_span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] == 0 || at(text, i) != bytes.ptr[i]) {
            return false;
        }
    }
    return at(text, bytes.len) == 0;
}
