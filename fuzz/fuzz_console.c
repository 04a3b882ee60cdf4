// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What comes over the serial line. Byte 0: size of pieces. A '~' begins a frame up to the next one:
 * it is given nonce, number and CRC, which a fuzzer would not find. Whatever comes: output is
 * bounded and holds nothing that a terminal obeys but end of line and backspace, and bytes that
 * were typed; afterwards the board still answers a greeting.
 */
#include "elo/setup/console.h"

#include <stdlib.h>
#include <string.h>

static struct elo_settings stored, draft;
static uint8_t bundle[2048], csr[200];
static struct elo_setup_network networks[4];
static struct elo_setup setup;
static struct elo_console console;

static void check(bool truth)
{
    if (!truth)
        abort();
}

static elo_span give_csr(void *ctx)
{
    (void)ctx;
    return elo_span_of(csr, sizeof csr);
}

static void start(void)
{
    struct elo_setup_config config = {.id = "elo-1",
                                      .firmware = "f",
                                      .csr = give_csr,
                                      .stored = &stored,
                                      .draft = &draft,
                                      .bundle_mem = bundle,
                                      .bundle_cap = sizeof bundle,
                                      .networks = networks,
                                      .network_cap = 4,
                                      .has_key = true};
    elo_settings_defaults(&stored);
    elo_setup_init(&setup, &config);
    elo_setup_heard(&setup, ELO_SPAN("\x1b[2J\xc2\x9b"), -50, true);
    elo_console_init(&console, &setup);
}

static size_t drain(uint8_t *out, size_t cap)
{
    size_t len = 0, n;
    while ((n = elo_console_output(&console, out + len, cap - len < 50 ? cap - len : 50)) > 0) {
        len += n;
        check(len < cap);
    }
    for (size_t i = 0; i < len; i++)
        check(out[i] >= 0x20 || out[i] == '\r' || out[i] == '\n' || out[i] == '\b');
    return len;
}

static void hear(elo_span bytes, size_t step, uint32_t now)
{
    static uint8_t out[20000];
    while (bytes.len > 0) {
        size_t n = bytes.len < step ? bytes.len : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, bytes.ptr, n);
        elo_console_input(&console, elo_span_of(piece, n), now);
        free(piece);
        (void)drain(out, sizeof out);
        bytes = elo_span_from(bytes, n);
    }
}

static void send_frame(elo_span words, uint32_t seq, uint32_t now)
{
    char line[ELO_FRAME_MAX];
    struct elo_frame f = {7, seq, words};
    size_t n = elo_frame_write(&f, '>', line, sizeof line);
    hear(elo_span_of(line, n), 64, now);
}

static void check_alive(uint32_t now)
{
    static uint8_t out[20000];
    char line[ELO_FRAME_MAX];
    struct elo_frame back, f = {8, 1, ELO_SPAN("hello 1")};
    hear(ELO_SPAN("\r"), 1, now);
    size_t n = elo_frame_write(&f, '>', line, sizeof line);
    elo_console_input(&console, elo_span_of(line, n), now);
    n = drain(out, sizeof out);
    check(n > 2 && elo_frame_read(elo_span_of(out, n - 1), '<', &back) && back.nonce == 8);
    check(elo_span_starts_with(back.words, ELO_SPAN("board 1")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;
    size_t step = 1u + data[0] % 100;
    elo_span rest = elo_span_of(data + 1, size - 1);
    bool in_frame = false;
    start();
    for (uint32_t now = 0; rest.len > 0; now += 300) {
        const uint8_t *end = memchr(rest.ptr, '~', rest.len);
        size_t n = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        if (in_frame)
            send_frame(elo_span_first(rest, n), now, now);
        else
            hear(elo_span_first(rest, n), step, now);
        rest = elo_span_from(rest, end != NULL ? n + 1 : n);
        in_frame = !in_frame;
        if (setup.state == ELO_SETUP_TESTING)
            elo_setup_tested(&setup, now % 2 ? ELO_E_ROOT : ELO_OK);
        if (setup.state == ELO_SETUP_SAVING)
            elo_setup_saved(&setup, ELO_OK, now);
        while (elo_setup_next_wish(&setup) != ELO_SETUP_WISH_NONE) {
        }
        elo_setup_scanned(&setup);
    }
    check_alive(100000000);
    return 0;
}
