// links: elo_texts
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * A sketch's config.json of any bytes, into memory of any size up to 255: nothing is written behind
 * it, and every text that was taken lies inside and ends there.
 */
#include "elo/port/esp8266/bundle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, const struct elo_texts *in)
{
    if (text != NULL) {
        size_t at = (size_t)(text - in->ptr);
        if (text < in->ptr || at >= in->used || memchr(text, '\0', in->used - at) == NULL) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elo_bundle b;
    struct elo_texts texts = {NULL, 0, 0};
    if (size == 0) {
        return 0;
    }
    texts.cap = data[0];
    texts.ptr = malloc(texts.cap + (texts.cap == 0));
    if (texts.ptr == NULL) {
        abort();
    }
    memset(&b, 0, sizeof b);
    elo_err err = elo_bundle_read(&b, elo_span_of(data + 1, size - 1), &texts);
    if (texts.used > texts.cap ||
        (err == ELO_OK && b.host == NULL && b.port == 0 && b.ssid == NULL && b.client_id == NULL &&
         b.prefix == NULL && b.password == NULL && b.server_name == NULL && texts.used > 0)) {
        abort();
    }
    check(b.host, &texts);
    check(b.server_name, &texts);
    check(b.client_id, &texts);
    check(b.prefix, &texts);
    check(b.ssid, &texts);
    check(b.password, &texts);
    free(texts.ptr);
    return 0;
}
