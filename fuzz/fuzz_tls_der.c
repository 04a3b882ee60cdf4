// links: elo_tls
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * What a small device reads without BearSSL's decoder: a root and an identity in DER, and, of the
 * same bytes, a server's records as the handshake's steps follow them. Nothing is read out of
 * bounds; of a root that both ways accept they say the same; a step is never empty nor too large.
 */
#include "elo/tls/internal.h"

#include <stdlib.h>

static void check(bool truth)
{
    if (!truth)
        abort();
}

static bool same(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return elo_span_eq(elo_span_of(a, a_len), elo_span_of(b, b_len));
}

static void try_root(elo_span der)
{
    static struct elo_tls_work work;
    struct elo_tls_anchors lean, full;
    br_x509_trust_anchor a, b;
    uint8_t mem_a[700], mem_b[700];
    elo_tls_anchors_init(&lean, &a, 1, mem_a, sizeof mem_a);
    elo_tls_anchors_init(&full, &b, 1, mem_b, sizeof mem_b);
    elo_err err = elo_tls_anchors_add_der(&lean, der);
    check((err == ELO_OK) == (elo_tls_anchors_count(&lean) == 1));
    if (err != ELO_OK || elo_tls_anchors_add(&full, der, &work) != ELO_OK)
        return;
    check(same(a.dn.data, a.dn.len, b.dn.data, b.dn.len));
    check(a.pkey.key_type == b.pkey.key_type);
    if (a.pkey.key_type == BR_KEYTYPE_RSA) {
        check(same(a.pkey.key.rsa.n, a.pkey.key.rsa.nlen, b.pkey.key.rsa.n, b.pkey.key.rsa.nlen));
        check(same(a.pkey.key.rsa.e, a.pkey.key.rsa.elen, b.pkey.key.rsa.e, b.pkey.key.rsa.elen));
    } else {
        check(a.pkey.key.ec.curve == b.pkey.key.ec.curve);
        check(same(a.pkey.key.ec.q, a.pkey.key.ec.qlen, b.pkey.key.ec.q, b.pkey.key.ec.qlen));
    }
}

static void try_identity(elo_span der)
{
    static uint8_t key[ELO_TLS_P256_KEY_BYTES] = {1};
    struct elo_tls_identity identity;
    elo_err err = elo_tls_identity_ec(&identity, der, key);
    elo_span own = elo_tls_identity_certificate(&identity);
    check((err == ELO_OK) == (own.len > 0));
    check(own.len <= der.len);
    if (err == ELO_OK)
        check(elo_tls_identity_check(&identity) != ELO_E_NO_SPACE);
}

/* In pieces as large as allowed, and byte by byte: both must end at the same place. */
static void try_pace(elo_span wire)
{
    struct elo__tls_pace p = {.pieces = true}, one = {.pieces = true};
    while (wire.len > 0) {
        size_t n = elo__tls_pace_limit(&p, wire.len);
        check(n > 0 && n <= wire.len);
        check(p.over || n <= 64 || p.record_at < 5);
        elo__tls_pace_feed(&p, wire.ptr, n);
        for (size_t i = 0; i < n; i++)
            elo__tls_pace_feed(&one, wire.ptr + i, 1);
        check(p.over == one.over && p.proven == one.proven && p.message_left == one.message_left &&
              p.record_left == one.record_left && p.record_at == one.record_at &&
              p.message_at == one.message_at && p.type == one.type);
        wire = elo_span_from(wire, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    elo_span all = elo_span_of(data, size);
    try_root(all);
    try_identity(all);
    try_pace(all);
    return 0;
}
