// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Bundles as text, and the settings in them. Byte 0: memory (times 16) and, its last bit, pieces of
 * one byte or all at once: both ways must come to the same. What is given out lies in the memory;
 * after a failure nothing does. The same bytes are tried as stored settings.
 */
#include "elo/setup/bundle_text.h"
#include "elo/setup/settings.h"

#include <stdlib.h>
#include <string.h>

static void check(bool truth)
{
    if (!truth)
        abort();
}

static elo_err
read_text(struct elo_bundle_text *b, uint8_t *mem, size_t cap, elo_span text, size_t step)
{
    elo_bundle_text_init(b, mem, cap);
    while (text.len > 0) {
        size_t n = text.len < step ? text.len : step;
        elo_bundle_text_input(b, elo_span_first(text, n));
        text = elo_span_from(text, n);
    }
    return elo_bundle_text_finish(b, true);
}

static void check_inside(const uint8_t *mem, size_t cap, elo_span s)
{
    check(s.len == 0 || (s.ptr >= mem && s.ptr + s.len <= mem + cap));
}

static void try_json(elo_span json)
{
    struct elo_settings s, back;
    struct elo_settings_fault fault;
    uint8_t bytes[ELO_SETTINGS_BYTES_MAX], text[ELO_SETTINGS_JSON_MAX];
    size_t len;
    elo_settings_defaults(&s);
    if (elo_settings_from_json(&s, json, &fault) == ELO_OK) {
        check(elo_settings_check(&s, &fault) == ELO_OK);
        check(elo_settings_store(&s, bytes, sizeof bytes, &len) == ELO_OK);
        check(elo_settings_load(&back, elo_span_of(bytes, len)) == ELO_OK);
        check(memcmp(s.pins, back.pins, sizeof s.pins) == 0 && strcmp(s.host, back.host) == 0);
        check(elo_settings_to_json(&s, true, text, sizeof text, &len) == ELO_OK);
        check(elo_settings_from_json(&back, elo_span_of(text, len), &fault) == ELO_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elo_bundle_text a, b;
    struct elo_settings s;
    if (size < 1)
        return 0;
    size_t cap = data[0] * 16u;
    elo_span text = elo_span_of(data + 1, size - 1);
    uint8_t *mem = malloc(cap + 1), *other = malloc(cap + 1);
    elo_err err = read_text(&a, mem, cap, text, 1);
    check(read_text(&b, other, cap, text, 97) == err && a.why == b.why && a.line == b.line);
    check_inside(mem, cap, a.config);
    check_inside(mem, cap, a.cert);
    check_inside(mem, cap, a.key);
    check(err == ELO_OK ? a.root_count > 0 && a.cert.len > 0
                        : a.cert.len == 0 && a.root_count == 0);
    for (size_t i = 0; err != ELO_OK && i < cap; i++)
        check(mem[i] == 0);
    check(err == ELO_OK || elo_bundle_words(a.why, ELO_LANG_EN) != NULL);
    try_json(err == ELO_OK ? a.config : text);
    if (elo_settings_load(&s, text) == ELO_OK)
        check(elo_settings_check(&s, NULL) == ELO_OK);
    free(mem);
    free(other);
    return 0;
}
