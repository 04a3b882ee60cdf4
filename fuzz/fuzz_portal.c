// links: elo_setup
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Visitors of the captive portal. Byte 0: size of pieces in and out, and whether the token is put
 * in for each '~'; the rest is requests, one a connection, between NUL bytes. Whatever comes:
 * answers are HTTP, end, hold no control byte and no "<script" but our own; without the token
 * nothing changes.
 */
#include "elo/setup/portal.h"

#include <stdlib.h>
#include <string.h>

static struct elo_settings stored, draft;
static uint8_t bundle[2048];
static struct elo_setup_network networks[4];
static struct elo_setup setup;
static struct elo_portal portal;

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void start(void)
{
    static const uint8_t address[4] = {192, 168, 4, 1}, random[16] = {0xAB, 0xCD};
    struct elo_setup_config config = {.id = "elo-1",
                                      .firmware = "f",
                                      .stored = &stored,
                                      .draft = &draft,
                                      .bundle_mem = bundle,
                                      .bundle_cap = sizeof bundle,
                                      .networks = networks,
                                      .network_cap = 4,
                                      .has_key = true};
    elo_settings_defaults(&stored);
    elo_setup_init(&setup, &config);
    elo_setup_heard(&setup, ELO_SPAN("<script>&\"'\x01\xff"), -50, true);
    elo_setup_heard(&setup, ELO_SPAN("Home"), -60, false);
    elo_setup_scanned(&setup);
    elo_portal_init(&portal, &setup, address, random);
}

static void check_answer(const uint8_t *text, size_t len)
{
    unsigned scripts = 0;
    check(len == 0 || (len > 12 && memcmp(text, "HTTP/1.1 ", 9) == 0));
    for (size_t i = 0; i < len; i++) {
        check(text[i] >= 0x20 || text[i] == '\r' || text[i] == '\n');
        scripts += len - i > 7 && memcmp(text + i, "<script", 7) == 0;
    }
    check(scripts <= 1);
}

static void visit(elo_span request, size_t step)
{
    static uint8_t answer[40000];
    struct elo_portal_conn *c = malloc(sizeof *c);
    size_t len = 0, n;
    elo_portal_open(c, &portal, 0);
    while (request.len > 0) {
        n = request.len < step ? request.len : step;
        uint8_t *piece = malloc(n);
        memcpy(piece, request.ptr, n);
        (void)elo_portal_input(c, elo_span_of(piece, n), 0);
        free(piece);
        request = elo_span_from(request, n);
    }
    elo_portal_tick(c, ELO_PORTAL_PATIENCE_MS);
    size_t out = step % 2 ? step : 1500; /* pages are long */
    while ((n = elo_portal_output(c, answer + len, out)) > 0) {
        len += n;
        check(len + out < sizeof answer);
    }
    check(elo_portal_finished(c));
    check_answer(answer, len);
    elo_portal_close(c);
    check(portal._internal.writer == NULL);
    free(c);
}

/* Requests may hold the token, which a fuzzer would never guess. */
static size_t fill_in(const uint8_t *data, size_t size, bool token, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (token && data[i] == '~') {
            memcpy(out + n, portal._internal.token, 16);
            n += 16;
        } else {
            out[n++] = data[i];
        }
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 8192)
        return 0;
    bool token = (data[0] & 0x80) != 0;
    size_t step = 1 + (data[0] & 0x7F);
    start();
    uint8_t *text = malloc(size * 16);
    elo_span rest = elo_span_of(text, fill_in(data + 1, size - 1, token, text));
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.ptr, 0, rest.len);
        size_t n = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        visit(elo_span_first(rest, n), step);
        rest = elo_span_from(rest, end != NULL ? n + 1 : n);
        if (setup.state == ELO_SETUP_TESTING) {
            check(token && elo_settings_check(&draft, NULL) == ELO_OK && draft.ssid_len > 0);
            elo_setup_tested(&setup, ELO_E_DNS);
        }
    }
    check(token || memcmp(&draft, &stored, sizeof draft) == 0);
    free(text);
    return 0;
}
