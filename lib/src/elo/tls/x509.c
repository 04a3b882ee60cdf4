// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an X.509 engine for BearSSL that hands everything to BearSSL's own "minimal"
 * validator and lets the dates be read from the same bytes. The verdict is the validator's alone.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

static struct elo__tls_x509 *self(const br_x509_class **ctx)
{
    return (struct elo__tls_x509 *)(void *)ctx; /* the vtable is the first field */
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
    struct elo__tls_x509 *x = self(ctx);
    x->leaf_seen = false;
    x->leaf_not_after = 0;
    x->not_yet_valid = false;
    br_x509_minimal_vtable.start_chain(&x->minimal.vtable, server_name);
}

static void start_cert(const br_x509_class **ctx, uint32_t length)
{
    struct elo__tls_x509 *x = self(ctx);
    elo__tls_validity_init(&x->validity);
    br_x509_minimal_vtable.start_cert(&x->minimal.vtable, length);
}

static void append(const br_x509_class **ctx, const unsigned char *data, size_t len)
{
    struct elo__tls_x509 *x = self(ctx);
    elo__tls_validity_feed(&x->validity, data, len);
    br_x509_minimal_vtable.append(&x->minimal.vtable, data, len);
}

static void end_cert(const br_x509_class **ctx)
{
    struct elo__tls_x509 *x = self(ctx);
    if (elo__tls_validity_known(&x->validity)) {
        if (x->validity.not_before > x->now_unix) {
            x->not_yet_valid = true;
        }
        if (!x->leaf_seen) {
            x->leaf_not_after = x->validity.not_after;
        }
    }
    x->leaf_seen = true;
    br_x509_minimal_vtable.end_cert(&x->minimal.vtable);
}

static unsigned end_chain(const br_x509_class **ctx)
{
    return br_x509_minimal_vtable.end_chain(&self(ctx)->minimal.vtable);
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
    const struct elo__tls_x509 *x = (const struct elo__tls_x509 *)(const void *)ctx;
    return br_x509_minimal_vtable.get_pkey(&x->minimal.vtable, usages);
}

static const br_x509_class VTABLE ELO_FLASH = {
    sizeof(struct elo__tls_x509), start_chain, start_cert, append, end_cert, end_chain, get_pkey};

void elo__tls_x509_init(struct elo__tls_x509 *x509, uint32_t now_unix)
{
    x509->vtable = &VTABLE;
    x509->now_unix = now_unix;
    x509->leaf_not_after = 0;
    x509->leaf_seen = false;
    x509->not_yet_valid = false;
}
