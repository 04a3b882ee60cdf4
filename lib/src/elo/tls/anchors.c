// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * How this works: of a root only its name and its public key are needed. The X.509 decoder hands
 * out the name while it reads, straight into the caller's memory; the key follows when the
 * certificate is complete. A failure takes back everything the call added. For a root in DER alone
 * there is a way without the decoder: see der.c.
 */
#include "elo/tls/credentials.h"

#include "elo/base/assert.h"
#include "elo/base/flash.h"
#include "elo/tls/internal.h"

struct reader {
    struct elo_tls_anchors *anchors;
    struct elo_tls_work *work;
    struct elo__tls_arena arena;
    size_t name_at;
    size_t count;
};

void elo_tls_anchors_init(struct elo_tls_anchors *anchors,
                          br_x509_trust_anchor *table,
                          size_t cap,
                          void *mem,
                          size_t mem_cap)
{
    anchors->_internal.table = table;
    anchors->_internal.cap = cap;
    anchors->_internal.count = 0;
    anchors->_internal.mem = (uint8_t *)mem;
    anchors->_internal.mem_cap = mem_cap;
    anchors->_internal.mem_used = 0;
}

void elo_tls_anchors_table(struct elo_tls_anchors *anchors,
                           const br_x509_trust_anchor *table,
                           size_t count)
{
    memset(anchors, 0, sizeof *anchors);
    anchors->_internal.table = (br_x509_trust_anchor *)(uintptr_t)table; /* full: never written */
    anchors->_internal.cap = count;
    anchors->_internal.count = count;
}

size_t elo_tls_anchors_count(const struct elo_tls_anchors *anchors)
{
    return anchors->_internal.count;
}

static void add_name(void *ctx, const void *data, size_t len)
{
    elo__tls_arena_add(&((struct reader *)ctx)->arena, data, len);
}

static elo_err begin(void *ctx, const char *name)
{
    struct reader *r = (struct reader *)ctx;
    if (!elo__tls_is_certificate(name)) {
        return ELO_END;
    }
    if (r->count == r->anchors->_internal.cap) {
        return ELO_E_NO_SPACE;
    }
    r->name_at = r->arena.used;
    elo__tls_begin_x509(&r->work->_internal.of.x509, add_name, r);
    return ELO_OK;
}

static void put(void *ctx, const void *data, size_t len)
{
    elo__tls_push_x509(&((struct reader *)ctx)->work->_internal.of.x509, data, len);
}

static void copy_key(struct elo__tls_arena *arena, br_x509_pkey *to, const br_x509_pkey *from)
{
    to->key_type = from->key_type;
    if (from->key_type == BR_KEYTYPE_RSA) {
        to->key.rsa.n = elo__tls_arena_add(arena, from->key.rsa.n, from->key.rsa.nlen);
        to->key.rsa.nlen = from->key.rsa.nlen;
        to->key.rsa.e = elo__tls_arena_add(arena, from->key.rsa.e, from->key.rsa.elen);
        to->key.rsa.elen = from->key.rsa.elen;
    } else {
        to->key.ec.curve = from->key.ec.curve;
        to->key.ec.q = elo__tls_arena_add(arena, from->key.ec.q, from->key.ec.qlen);
        to->key.ec.qlen = from->key.ec.qlen;
    }
}

static elo_err end(void *ctx)
{
    struct reader *r = (struct reader *)ctx;
    br_x509_decoder_context *x509 = &r->work->_internal.of.x509;
    const br_x509_pkey *key = br_x509_decoder_get_pkey(x509);
    if (key == NULL) {
        return ELO_E_BAD_PEM;
    }
    if (!br_x509_decoder_isCA(x509)) {
        return ELO_E_UNSUPPORTED;
    }
    br_x509_trust_anchor *anchor = &r->anchors->_internal.table[r->count];
    anchor->dn.data = r->arena.ptr + r->name_at;
    anchor->dn.len = r->arena.used - r->name_at;
    anchor->flags = BR_X509_TA_CA;
    copy_key(&r->arena, &anchor->pkey, key);
    if (r->arena.full) {
        return ELO_E_NO_SPACE;
    }
    r->count++;
    return ELO_OK;
}

elo_err elo_tls_anchors_add(struct elo_tls_anchors *anchors,
                            elo_span certificates,
                            struct elo_tls_work *work)
{
    ELO_ASSERT(anchors != NULL && work != NULL);
    static const struct elo__tls_sink SINK ELO_FLASH = {begin, put, end};
    struct reader r = {
        anchors,
        work,
        {anchors->_internal.mem, anchors->_internal.mem_cap, anchors->_internal.mem_used, false},
        0,
        anchors->_internal.count};
    elo_err err = elo__tls_read_objects(certificates, &work->_internal.pem, &SINK, &r);
    if (err != ELO_OK) {
        return err;
    }
    anchors->_internal.count = r.count;
    anchors->_internal.mem_used = r.arena.used;
    return ELO_OK;
}

elo_span elo_tls_anchors_bytes(const struct elo_tls_anchors *anchors)
{
    return elo_span_of(anchors->_internal.mem, anchors->_internal.mem_used);
}

/* Copies, out of flash too; NULL when it did not fit. */
static uint8_t *keep(struct elo_tls_anchors *anchors, elo_span bytes)
{
    if (bytes.len > anchors->_internal.mem_cap - anchors->_internal.mem_used) {
        return NULL;
    }
    uint8_t *at = anchors->_internal.mem + anchors->_internal.mem_used;
    elo_flash_copy(at, bytes.ptr, bytes.len);
    anchors->_internal.mem_used += bytes.len;
    return at;
}

static bool keep_root(struct elo_tls_anchors *anchors, const struct elo__tls_certificate *root)
{
    br_x509_trust_anchor *to = &anchors->_internal.table[anchors->_internal.count];
    uint8_t *name = keep(anchors, root->subject), *key = keep(anchors, root->key);
    uint8_t *exponent = keep(anchors, root->exponent);
    if (name == NULL || key == NULL || exponent == NULL) {
        return false;
    }
    to->dn.data = name;
    to->dn.len = root->subject.len;
    to->flags = BR_X509_TA_CA;
    to->pkey.key_type = root->key_type;
    if (root->key_type == BR_KEYTYPE_RSA) {
        to->pkey.key.rsa.n = key;
        to->pkey.key.rsa.nlen = root->key.len;
        to->pkey.key.rsa.e = exponent;
        to->pkey.key.rsa.elen = root->exponent.len;
    } else {
        to->pkey.key.ec.curve = BR_EC_secp256r1;
        to->pkey.key.ec.q = key;
        to->pkey.key.ec.qlen = root->key.len;
    }
    return true;
}

elo_err elo_tls_anchors_add_der(struct elo_tls_anchors *anchors, elo_span certificate)
{
    ELO_ASSERT(anchors != NULL);
    struct elo__tls_certificate root;
    elo_err err = elo__tls_der_certificate(certificate, &root);
    if (err != ELO_OK) {
        return err;
    }
    bool rsa = root.key_type == BR_KEYTYPE_RSA;
    if (!root.is_ca || (rsa && (root.key.len < 2048 / 8 || root.key.len > ELO_TLS_RSA_MAX))) {
        return ELO_E_UNSUPPORTED;
    }
    size_t used = anchors->_internal.mem_used;
    if (anchors->_internal.count == anchors->_internal.cap || !keep_root(anchors, &root)) {
        anchors->_internal.mem_used = used;
        return ELO_E_NO_SPACE;
    }
    anchors->_internal.count++;
    return ELO_OK;
}
