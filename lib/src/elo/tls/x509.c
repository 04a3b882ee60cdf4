// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: an X.509 engine for BearSSL that hands everything to BearSSL's own "minimal"
 * validator and lets the dates be read from the same bytes. The verdict is the validator's alone.
 */
#include "elo/tls/internal.h"

#include "elo/base/flash.h"

static struct elo_tls_handshake *self(const br_x509_class **ctx)
{
    return (struct elo_tls_handshake *)(void *)ctx; /* the vtable is the first field of the first */
}

static void start_chain(const br_x509_class **ctx, const char *server_name)
{
    struct elo_tls_handshake *h = self(ctx);
    h->_internal.leaf_seen = false;
    h->_internal.leaf_not_after = 0;
    h->_internal.not_yet_valid = false;
    br_x509_minimal_vtable.start_chain(&h->_internal.minimal.vtable, server_name);
}

static void start_cert(const br_x509_class **ctx, uint32_t length)
{
    struct elo_tls_handshake *h = self(ctx);
    elo__tls_validity_init(&h->_internal.validity);
    br_x509_minimal_vtable.start_cert(&h->_internal.minimal.vtable, length);
}

static void append(const br_x509_class **ctx, const unsigned char *data, size_t len)
{
    struct elo_tls_handshake *h = self(ctx);
    elo__tls_validity_feed(&h->_internal.validity, data, len);
    br_x509_minimal_vtable.append(&h->_internal.minimal.vtable, data, len);
}

static void end_cert(const br_x509_class **ctx)
{
    struct elo_tls_handshake *h = self(ctx);
    if (elo__tls_validity_known(&h->_internal.validity)) {
        if (h->_internal.validity.not_before > h->_internal.now_unix) {
            h->_internal.not_yet_valid = true;
        }
        if (!h->_internal.leaf_seen) {
            h->_internal.leaf_not_after = h->_internal.validity.not_after;
        }
    }
    h->_internal.leaf_seen = true;
    br_x509_minimal_vtable.end_cert(&h->_internal.minimal.vtable);
}

static unsigned end_chain(const br_x509_class **ctx)
{
    return br_x509_minimal_vtable.end_chain(&self(ctx)->_internal.minimal.vtable);
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *ctx, unsigned *usages)
{
    const struct elo_tls_handshake *h = (const struct elo_tls_handshake *)(const void *)ctx;
    return br_x509_minimal_vtable.get_pkey(&h->_internal.minimal.vtable, usages);
}

static const br_x509_class VTABLE ELO_FLASH = {sizeof(struct elo_tls_handshake),
                                               start_chain,
                                               start_cert,
                                               append,
                                               end_cert,
                                               end_chain,
                                               get_pkey};

void elo__tls_x509_init(struct elo_tls_handshake *handshake, uint32_t now_unix)
{
    handshake->_internal.vtable = &VTABLE;
    handshake->_internal.now_unix = now_unix;
    handshake->_internal.leaf_not_after = 0;
    handshake->_internal.leaf_seen = false;
    handshake->_internal.not_yet_valid = false;
}

/* --- nobody ------------------------------------------------------------------------------------
 *
 * Should BearSSL ask again after the memory was given back, which without renegotiation it does
 * not, then no chain is trusted.
 */

static void no_chain(const br_x509_class **ctx, const char *server_name)
{
    (void)ctx;
    (void)server_name;
}

static void no_cert(const br_x509_class **ctx, uint32_t length)
{
    (void)ctx;
    (void)length;
}

static void no_bytes(const br_x509_class **ctx, const unsigned char *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
}

static void no_end(const br_x509_class **ctx)
{
    (void)ctx;
}

static unsigned not_trusted(const br_x509_class **ctx)
{
    (void)ctx;
    return BR_ERR_X509_NOT_TRUSTED;
}

/* The key of a chain that was found good; there is none. */
static const br_x509_pkey *no_key(const br_x509_class *const *ctx, unsigned *usages)
{
    (void)ctx;
    (void)usages;
    return NULL;
}

static const br_x509_class NOBODY_VTABLE ELO_FLASH = {
    sizeof(br_x509_class *), no_chain, no_cert, no_bytes, no_end, not_trusted, no_key};
static const br_x509_class *const NOBODY ELO_FLASH = &NOBODY_VTABLE;

void elo__tls_x509_none(br_ssl_engine_context *eng)
{
    br_ssl_engine_set_x509(eng, (const br_x509_class **)(uintptr_t)&NOBODY);
}
