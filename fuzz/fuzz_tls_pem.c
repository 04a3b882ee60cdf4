// links: elo_tls
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * Certificate and key files from anywhere, PEM or DER. Byte 0 splits: the certificate text is that
 * fraction (of 255) of the rest, the key text follows. The same text is tried as roots. A decoder
 * must not read or write out of bounds, must leave nothing half-made, and must leave no key behind.
 */
#include "elo/tls/credentials.h"

#include <stdlib.h>

static void check(bool truth)
{
    if (!truth)
        abort();
}

static void try_identity(elo_span cert, elo_span key, size_t cap)
{
    static struct elo_tls_work work;
    struct elo_tls_identity identity;
    uint8_t *mem = calloc(1, cap);
    elo_err err = elo_tls_identity_init(&identity, cert, key, mem, cap, &work);
    elo_span own = elo_tls_identity_certificate(&identity);
    if (err == ELO_OK) {
        check(own.len > 0 && own.ptr >= mem && own.ptr + own.len <= mem + cap);
    } else {
        check(own.len == 0);
        for (size_t i = 0; i < cap; i++)
            check(mem[i] == 0);
    }
    free(mem);
}

static void try_anchors(elo_span text, size_t cap)
{
    static struct elo_tls_work work;
    br_x509_trust_anchor table[2];
    struct elo_tls_anchors anchors;
    uint8_t *mem = malloc(cap);
    elo_tls_anchors_init(&anchors, table, 2, mem, cap);
    elo_err err = elo_tls_anchors_add(&anchors, text, &work);
    check((err == ELO_OK) == (elo_tls_anchors_count(&anchors) > 0));
    free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    elo_span all = elo_span_of(data + 1, size - 1);
    size_t at = all.len * data[0] / 255;
    try_identity(elo_span_first(all, at), elo_span_from(all, at), 2048);
    try_identity(elo_span_first(all, at), elo_span_from(all, at), 300);
    try_anchors(elo_span_first(all, at), 1024);
    return 0;
}
